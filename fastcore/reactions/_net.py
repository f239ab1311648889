"""Networks in BioNetGen's .net format."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from .._texts.files import reading
from ._expressions import Expression, Graph
from ._network import ReactionNetwork
from ._reading import Parts, Reaction

_BLOCKS = ("parameters", "species", "reactions", "groups", "functions")
_CALL = re.compile(r"\b([^\W\d]\w*)\s*\(\s*\)")
_CONSTANTS = {"_pi": "pi", "_e": "exp(1)", "time": "t"}
_LAWS = ("Sat", "MM", "Hill", "Ele")


def read_net(source: str | bytes | os.PathLike[str]) -> ReactionNetwork:
    """Read a reaction network from BioNetGen's .net format.

    Parameters
    ----------
    source : path, str or bytes
        A file (compressed ones too), or the text itself if it is bytes or has a line end.

    Returns
    -------
    ReactionNetwork
        Species are named as in the file, ``A(b!1).B(a!1)``; groups and functions are variables, ``sol["name"]``, and so
        are parameters that are computed from others.

    Raises
    ------
    OSError
        If the file can't be read.
    ValueError
        If the text isn't such a network, or has a rate law that isn't supported (``Sat``, ``MM``, ``Hill``); the line
        is named.

    Notes
    -----
    Linear in the file. A rate that is a function multiplies the amounts of the reactants, as in BioNetGen. Of a species
    that is held fixed (``$A``) reactions change nothing. Source: Harris et al., *BioNetGen 2.2: advances in rule-based
    modeling*, Bioinformatics 32 (2016) 3366.

    Examples
    --------
    >>> from fastcore.reactions import read_net
    >>> net = read_net('''
    ... begin parameters
    ...   1 k 0.5
    ... end parameters
    ... begin species
    ...   1 A(x~0) 100
    ...   2 A(x~1) 0
    ... end species
    ... begin reactions
    ...   1 1 2 k
    ... end reactions
    ... begin groups
    ...   1 total 1,2
    ... end groups
    ... ''')
    >>> net.species, net.variables["total"]
    (('A(x~0)', 'A(x~1)'), 'A(x~0) + A(x~1)')
    """
    name = "the text"
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, str) and "\n" in source:
        data = source.encode()
    elif isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        with reading(source) as file:
            data = file.read()
    else:
        raise TypeError(f"source must be a path, or the text as str or bytes, got {type(source).__name__}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} must be UTF-8, byte {error.start} isn't") from None
    return _Reader(name, _blocks(text, name)).network()


def _blocks(text: str, name: str) -> dict[str, list[tuple[int, list[str]]]]:
    """The lines of each block, as their numbers and words."""
    found: dict[str, list[tuple[int, list[str]]]] = {}
    lines: list[tuple[int, list[str]]] | None = None
    block = ""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0] == "begin" and len(words) == 2 and lines is None:
            block = words[1]
            if block in found:
                raise ValueError(f"{name}, line {number}: the block {block!r} comes twice")
            lines = found[block] = []
        elif words[0] == "end" and words[1:] == [block] and lines is not None:
            lines = None
        elif lines is not None:
            lines.append((number, words))
    if lines is not None:
        raise ValueError(f"{name}: the block {block!r} has no end")
    if "species" not in found or "reactions" not in found:
        raise ValueError(f"{name} must hold blocks 'species' and 'reactions' as BioNetGen's .net files do")
    for block in found:
        if block not in _BLOCKS:
            raise ValueError(f"{name}: the block {block!r} isn't supported")
    return found


class _Reader:
    """Turns the blocks of a file into the parts of a network."""

    def __init__(self, name: str, blocks: Mapping[str, list[tuple[int, list[str]]]]) -> None:
        self.name, self.blocks = name, blocks
        self.parts = Parts([], strict=False)
        self.species: list[str] = []
        self.fixed: set[str] = set()
        self.functional: set[str] = set()
        self.laws: dict[tuple[str, tuple[str, ...]], str] = {}

    def wrong(self, number: int, why: str) -> ValueError:
        return ValueError(f"{self.name}, line {number}: {why}")

    def lines(self, block: str, least: int, form: str) -> Iterator[tuple[int, list[str]]]:
        """Lines of a block without their running numbers, which must rise from 1."""
        for i, (number, words) in enumerate(self.blocks.get(block, []), 1):
            if len(words) < least or words[0] != str(i):
                raise self.wrong(number, f"expected '{i} {form}', got {' '.join(words)[:80]!r}")
            yield number, words[1:]

    def expression(self, number: int, words: list[str]) -> Expression:
        text = _CALL.sub(r"\1", " ".join(words)).replace("^", "**")
        try:
            found = Expression(text)
        except ValueError as error:
            raise self.wrong(number, str(error)) from None
        return found.with_expressions({name: Expression(value) for name, value in _CONSTANTS.items()})

    def network(self) -> ReactionNetwork:
        parts = self.parts
        for number, words in self.lines("parameters", 3, "name value"):
            self.define(number, words[0], self.expression(number, words[1:]))
        for number, words in self.lines("species", 3, "name amount"):
            name = words[0].removeprefix("$")
            if name in parts.values:
                raise self.wrong(number, f"the species {name!r} comes twice")
            if name != words[0]:
                self.fixed.add(name)
            self.species.append(name)
            parts.values[name], parts.places[name] = self.expression(number, words[1:]), f"{self.name}, line {number}"
        self.groups()
        for number, words in self.lines("functions", 3, "name() expression"):
            name = words[0].removesuffix("()")
            self.functional.add(name)
            self.define(number, name, self.expression(number, words[1:]))
        self.reactions()
        return ReactionNetwork._of(parts, tuple(self.species))

    def define(self, number: int, name: str, value: Expression) -> None:
        """A number is a parameter, an expression a variable."""
        if not name.isidentifier() or name in self.parts.places:
            raise self.wrong(number, f"{name!r} must be a name that isn't given twice")
        self.parts.places[name] = f"{self.name}, line {number}"
        if value.names:
            self.parts.variables[name] = value
        else:
            self.parts.values[name] = value

    def named(self, number: int, word: str) -> list[str]:
        """The species of ``1,2,2``; nothing is ``0``."""
        places = word.split(",")
        if places == ["0"]:
            return []
        if not all(place.isdecimal() and 1 <= int(place) <= len(self.species) for place in places):
            raise self.wrong(number, f"expected numbers of species from 1 to {len(self.species)}, got {word[:80]!r}")
        return [self.species[int(place) - 1] for place in places]

    def groups(self) -> None:
        for number, words in self.lines("groups", 2, "name 1,2*3"):
            graph, whole = Graph(), None
            for term in words[1].split(",") if len(words) > 1 else []:
                factor, _, place = term.rpartition("*")
                node = graph("name", self.named(number, place)[0]) if place != "0" else graph("number", 0.0)
                if factor:
                    node = graph("multiply", graph("number", self.factor(number, factor)), node)
                whole = node if whole is None else graph("add", whole, node)
            if whole is None:
                whole = graph("number", 0.0)
            # Always a variable, also where no species belongs to it.
            name = words[0]
            if not name.isidentifier() or name in self.parts.places:
                raise self.wrong(number, f"{name!r} must be a name that isn't given twice")
            self.parts.places[name] = f"{self.name}, line {number}"
            self.parts.variables[name] = Expression.of(graph.nodes[: whole + 1])

    def factor(self, number: int, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise self.wrong(number, f"expected a number times a species, got {text!r}") from None

    def reactions(self) -> None:
        for number, words in self.lines("reactions", 4, "reactants products rate"):
            left, right = self.named(number, words[0]), self.named(number, words[1])
            reactants, products = _counted(left), _counted(right)
            for name in self.fixed.intersection(left + right):
                products.pop(name, None)
                if name in reactants:
                    products[name] = reactants[name]
            rate = words[2] if len(words) == 3 else self.expression(number, words[2:]).text
            if rate in _LAWS or words[2] in _LAWS:
                raise self.wrong(number, f"the rate law {words[2]!r} isn't supported")
            rate = _CALL.sub(r"\1", rate).replace("^", "**")
            if self.functional and not rate.isdecimal() and self.functional.intersection(Expression(rate).names):
                rate = self.law(number, rate, left)
            reaction = Reaction(MappingProxyType(reactants), MappingProxyType(products), rate)
            self.parts.reactions.append((f"{self.name}, line {number}", reaction))

    def law(self, number: int, rate: str, reactants: list[str]) -> str:
        """A variable for a rate that is a function: it times the reactants' amounts."""
        if len(set(reactants)) < len(reactants):
            raise self.wrong(number, "a rate that is a function isn't supported for two reactants that are alike")
        key = rate, tuple(reactants)
        if key not in self.laws:
            graph = Graph()
            whole = graph.copied(self.expression(number, [rate]).nodes)
            for name in reactants:
                whole = graph("multiply", whole, graph("name", name))
            name = f"rate_of_line_{number}"
            self.laws[key], self.parts.places[name] = name, f"{self.name}, line {number}"
            self.parts.variables[name] = Expression.of(graph.nodes[: whole + 1])
        return self.laws[key]


def _counted(names: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found
