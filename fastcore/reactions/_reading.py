"""Reactions read from text, triples or matrices; every error names the line or the reaction."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._labelled import columns_of, in_order, same_rows
from .._validation import as_array, as_integers, as_list, as_names, as_number
from ._events import Event
from ._expressions import Expression

Side: TypeAlias = Mapping[str, int] | Sequence[str] | str
Rate: TypeAlias = float | str

_LARGEST_COEFFICIENT = 10**6
_LARGEST_ORDER = 100
_TERM = re.compile(r"(?:(\d+)\s*\*?\s*)?([^\W\d]\w*)")
_NOTHING = ("", "0", "∅")
_EVENT = re.compile(r"at\s+(.+?)\s*:(?!=)(.*)", re.DOTALL)
_CHANGE = re.compile(r"([^\W\d]\w*)\s*=(?!=)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reaction:
    """One reaction: ``reactants -> products @ rate``.

    Attributes
    ----------
    reactants, products : Mapping of str to int
        Species and how many of each.
    rate : str
        The rate constant, or the whole rate: a number or an expression.
    continuous : bool
        Whether it stands for a rate rule of SBML: an amount changes at a rate of either sign, all the time and not in
        events.
    """

    reactants: Mapping[str, int]
    products: Mapping[str, int]
    rate: str
    continuous: bool = False

    def __str__(self) -> str:
        return f"{_side_text(self.reactants)} -> {_side_text(self.products)} @ {self.rate}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reaction, (dict(self.reactants), dict(self.products), self.rate, self.continuous)


def _reaction(
    reactants: Mapping[str, int], products: Mapping[str, int], rate: str, continuous: bool = False
) -> Reaction:
    """Of mappings that nobody else changes."""
    return Reaction(MappingProxyType(reactants), MappingProxyType(products), rate, continuous)


def _side_text(side: Mapping[str, int]) -> str:
    return " + ".join(name if n == 1 else f"{n} {name}" for name, n in side.items()) or "0"


@dataclass
class Parts:
    """What a network is read from: reactions and events, and where each stands, values, variables, and where each name
    got its own.

    A value that is None comes with the call.
    """

    reactions: list[tuple[str, Reaction]]
    values: dict[str, Expression | None] = field(default_factory=dict)
    variables: dict[str, Expression] = field(default_factory=dict)
    events: list[tuple[str, Event]] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    strict: bool = True  # whether a value that nothing uses is an error


def from_text(text: str) -> Parts:
    """Reactions, values ``k = 1``, variables ``total := A + B`` and events ``at A == 0: A = 100``."""
    found: list[tuple[str, Reaction]] = []
    values: dict[str, Expression | None] = {}
    variables: dict[str, Expression] = {}
    events: list[tuple[str, Event]] = []
    places: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for part in line.partition("#")[0].split(";"):
            if not part.strip():
                continue
            where = f"line {number}"
            if event := _EVENT.fullmatch(part.strip()):
                events.append((where, _event(event[1], event[2], where)))
                continue
            if "->" in part:
                found += [(where, reaction) for reaction in _parse_reactions(part, where)]
                continue
            if "=>" in part.partition("@")[0]:
                raise ValueError(f"{where}: the arrow is '->', or '<->' with two rates, not '=>', got {part.strip()!r}")
            name, equals, value = (word.strip() for word in part.partition("="))
            variable = name.endswith(":")
            name = name.removesuffix(":").rstrip()
            if not equals or not name.isidentifier():
                raise ValueError(f"{where}: expected 'A + B -> C @ rate' or 'name = number', got {part.strip()!r}")
            if name in places:
                raise ValueError(f"{where}: {name!r} is given twice")
            try:
                expression = None if value == "?" and not variable else Expression(value)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            if variable and expression is not None:
                variables[name], places[name] = expression, where
                continue
            if expression is not None and not expression.names and not np.isfinite(expression.value({})):
                raise ValueError(f"{where}: the value of {name!r} must be finite, got {value!r}")
            values[name], places[name] = expression, where
    return Parts(found, values, variables, events, places)


def _parse_reactions(part: str, where: str) -> list[Reaction]:
    sides, at, rate = part.partition("@")
    both = "<->" in sides
    left, _, right = sides.partition("<->" if both else "->")
    rates = _split(rate) if both else [rate.strip()]
    if not at or "->" in right or "<" in left or not all(rates):
        raise ValueError(f"{where}: expected 'A + B -> C @ rate' or 'A + B <-> C @ rate, rate', got {part.strip()!r}")
    if both and len(rates) != 2:
        raise ValueError(f"{where}: '<->' needs two rates, there and back, got {rate.strip()!r}")
    here, there = _side(left, where), _side(right, where)
    ways = [(here, there), (there, here)]
    return [_checked(*way, rate, where) for way, rate in zip(ways, rates)]


def _event(trigger: str, changes: str, where: str) -> Event:
    found = []
    try:
        for part in _split(changes):
            match = _CHANGE.fullmatch(part)
            if match is None:
                raise ValueError(f"expected 'at condition: A = amount, B = amount', got {part!r}")
            found.append((match[1], Expression(match[2])))
        return Event(Expression(trigger), tuple(found))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _split(rates: str) -> list[str]:
    """What stands between commas that stand in no parentheses."""
    parts, depth = [""], 0
    for character in rates:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def from_triples(reactions: Iterable[tuple[Side, Side, Rate]]) -> list[tuple[str, Reaction]]:
    found = []
    try:
        triples = list(reactions)
    except TypeError:
        kind = type(reactions).__name__
        raise TypeError(f"reactions must be text or (reactants, products, rate) triples, got {kind}") from None
    for number, triple in enumerate(triples):
        where = f"reaction {number}"
        if isinstance(triple, str) or not isinstance(triple, Sequence) or len(triple) != 3:
            raise TypeError(f"{where}: expected (reactants, products, rate), got {triple!r}")
        left, right, rate = triple
        found.append((where, _checked(_side(left, where), _side(right, where), _rate_text(rate, where), where)))
    return found


def from_matrices(
    species: Sequence[str] | None, reactants: Any, products: Any, rates: Any
) -> tuple[tuple[str, ...], list[tuple[str, Reaction]]]:
    """The species and the reactions of two matrices, dense or sparse, in time linear in what they hold."""
    same_rows({"reactants": reactants, "products": products, "rates": rates})
    if isinstance(rates, np.ndarray):
        rates = rates.tolist()
    listed = [rates] if isinstance(rates, str) else as_list(rates, "rates", "a list of numbers and expressions")
    if species is None:
        species = columns_of(reactants, "reactants") or columns_of(products, "products")
    names = None if species is None else names_of(species)
    matrices = [_Matrix.of(reactants, "reactants", names), _Matrix.of(products, "products", names)]
    if names is None:
        names = tuple([f"S{i}" for i in range(matrices[0].shape[1])])
    left, right = (matrix.sides(len(listed), names) for matrix in matrices)
    found = []
    for j, rate in enumerate(listed):
        where = f"reaction {j}"
        found.append((where, _checked(next(left), next(right), _rate_text(rate, where), where)))
    return names, found


class _Matrix(NamedTuple):
    """What isn't 0 in a matrix of coefficients, a row a reaction; places may come twice, and add up then."""

    name: str
    shape: tuple[int, ...]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.int64]

    @classmethod
    def of(cls, matrix: Any, name: str, species: tuple[str, ...] | None) -> _Matrix:
        if sparse := hasattr(matrix, "tocoo") and hasattr(matrix, "nnz"):  # of scipy.sparse, whatever its format
            matrix = matrix.tocoo()
            given = matrix.data
        else:
            labelled = matrix if species is None else in_order(matrix, name, species, "species")
            given = matrix = as_array(labelled, name)
        if len(matrix.shape) != 2:
            raise ValueError(f"{name} must have 2 dimensions, got shape {matrix.shape}")
        if given.dtype.kind == "f":
            wrong = ~(np.abs(given) <= 2.0**53) | (given != np.rint(given))
            if wrong.any():
                raise ValueError(f"{name} must hold whole numbers, got {float(given[wrong].flat[0])}")
            given = given.astype(np.int64)
        given = as_integers(given, name, low=0, high=_LARGEST_COEFFICIENT + 1)
        rows, columns = (matrix.row, matrix.col) if sparse else np.nonzero(given)
        return cls(name, matrix.shape, rows, columns, given if sparse else given[rows, columns])

    def sides(self, n: int, species: tuple[str, ...]) -> Iterator[dict[str, int]]:
        """Species and how many of each, row by row."""
        if self.shape != (n, len(species)):
            turned = ", its transpose" if self.shape == (len(species), n) else ""
            raise ValueError(
                f"{self.name} must have shape ({n}, {len(species)}), rates by species, got {self.shape}{turned}"
            )
        order = np.lexsort((self.columns, self.rows))
        ends = np.searchsorted(self.rows[order], np.arange(1, n + 1)).tolist()
        terms = zip([species[i] for i in self.columns[order].tolist()], self.values[order].tolist())
        return map(_summed, (islice(terms, end - begin) for begin, end in zip([0, *ends], ends)))


def _summed(terms: Iterable[tuple[str, int]]) -> dict[str, int]:
    side: dict[str, int] = {}
    for name, n in terms:
        if n:
            side[name] = side.get(name, 0) + n
    return side


def _checked(reactants: Mapping[str, int], products: Mapping[str, int], rate: str, where: str) -> Reaction:
    if sum(reactants.values()) > _LARGEST_ORDER:
        raise ValueError(f"{where}: a reaction must have at most {_LARGEST_ORDER} reactants")
    return _reaction(reactants, products, rate)


def _rate_text(rate: Any, where: str) -> str:
    if isinstance(rate, str):
        return rate.strip()
    if type(rate) is float and 0 <= rate < math.inf:
        return repr(rate)
    try:
        return repr(as_number(rate, f"{where}: the rate", low=0))
    except TypeError:
        raise TypeError(f"{where}: the rate must be a number or an expression, got {type(rate).__name__}") from None


def _side(side: Any, where: str) -> dict[str, int]:
    if isinstance(side, str):
        if side.isascii() and side.isidentifier():  # a name alone, the commonest side
            return {side: 1}
        terms = [] if side.strip() in _NOTHING else side.split("+")
    elif isinstance(side, Mapping):
        return _mapping_side(side, where)
    elif isinstance(side, Sequence):
        terms = list(side)
    else:
        raise TypeError(f"{where}: reactants and products must be text or a mapping, got {type(side).__name__}")
    found: dict[str, int] = {}
    for term in terms:
        match = _TERM.fullmatch(term.strip()) if isinstance(term, str) else None
        if match is None:
            raise ValueError(
                f"{where}: {str(term).strip()!r} is not a species with an optional whole coefficient, such as '2 A'"
            )
        found[match[2]] = found.get(match[2], 0) + int(match[1] or 1)
    return _mapping_side(found, where)


def _mapping_side(side: Mapping[Any, Any], where: str) -> dict[str, int]:
    found = {}
    for name, n in side.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"{where}: a species must be a name, got {name!r}")
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 0 <= n <= _LARGEST_COEFFICIENT:
            raise ValueError(
                f"{where}: the coefficient of {name!r} must be an int from 0 to {_LARGEST_COEFFICIENT}, got {n!r}"
            )
        if n:
            found[name] = int(n)
    return found


def names_of(species: Sequence[str]) -> tuple[str, ...]:
    if isinstance(species, str):
        raise TypeError("species must be a sequence of names, got a single str")
    names = as_names(species, "species")
    for name in names:
        if not name.isidentifier():
            raise ValueError(f"species must be names, got {name!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"species must be distinct, got {list(names)}")
    return names
