"""Networks in BioNetGen's .net format."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ._expressions import Expression, Graph
from ._network import ReactionNetwork
from ._reading import Parts, Reaction
from ._sources import source_bytes

_BLOCKS = ("parameters", "species", "reactions", "groups", "functions")
# What the network was made from: its amounts and rates already hold what these say.
_PASSED_OVER = (
    "compartments",
    "energy patterns",
    "molecule types",
    "observables",
    "population maps",
    "population types",
    "reaction rules",
)
_CALL = re.compile(r"\b([^\W\d]\w*)\s*\(\s*\)")
_CONSTANTS = {"_pi": Expression("pi"), "_e": Expression("exp(1)"), "time": Expression("t")}
_LAW = re.compile(r"(?:([^*\s]+)\*)?(Ele|Sat|MM|Hill)")
_FORMS = {"Ele": "Ele k", "Sat": "Sat k K", "MM": "MM k K", "Hill": "Hill k K h"}


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
        If the text isn't such a network; the line is named. If a function, or one of the laws ``Sat``, ``MM`` and
        ``Hill``, is the rate of two reactants that are alike, which isn't supported.

    Notes
    -----
    Linear in the file. A rate that is a function multiplies the amounts of the reactants, as in BioNetGen. With
    reactants x, y, ... ``Sat k K`` is k x y .../(K + x), further constants being those of further reactants;
    ``Hill k K h`` is k x^h y .../(K^h + x^h); ``MM k K`` is k c, with c = e s/(K + s) bound to an enzyme e = y + ...
    and s = x - c free. Of a species that is held fixed (``$A``) reactions change nothing. Blocks of the model that the
    network was made from, such as its rules and compartments, are passed over: the network's amounts and rates hold
    what they say. Source: Harris et al., *BioNetGen 2.2: advances in rule-based modeling*, Bioinformatics 32 (2016)
    3366, and its simulator for the laws.

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
    name, data = source_bytes(source)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} must be UTF-8, byte {error.start} isn't") from None
    return _Reader(name, _blocks(text, name)).network()


def _blocks(text: str, name: str) -> dict[str, list[tuple[int, str]]]:
    """The lines of each block, with their numbers and without comments."""
    found: dict[str, list[tuple[int, str]]] = {}
    lines: list[tuple[int, str]] | None = None
    block, begun = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if line.startswith("begin ") and lines is None:
            block, begun = line.removeprefix("begin ").strip(), number
            if block not in _BLOCKS and block not in _PASSED_OVER:
                raise ValueError(f"{name}, line {number}: the block {block!r} isn't supported")
            if block in found:
                raise ValueError(f"{name}, line {number}: the block {block!r} comes twice")
            lines = found[block] = []
        elif line.startswith("end ") and line.removeprefix("end ").strip() == block:
            lines = None
        elif lines is not None and line:
            lines.append((number, line))
    if lines is not None:
        raise ValueError(f"{name}, line {begun}: the block {block!r} has no end")
    if "species" not in found or "reactions" not in found:
        raise ValueError(f"{name} must hold blocks 'species' and 'reactions' as BioNetGen's .net files do")
    return found


class _Reader:
    """Turns the blocks of a file into the parts of a network."""

    def __init__(self, name: str, blocks: Mapping[str, list[tuple[int, str]]]) -> None:
        self.name, self.blocks = name, blocks
        self.parts = Parts([], strict=False)
        self.species: list[str] = []
        self.numbered: dict[str, str] = {}
        self.fixed: set[str] = set()
        self.varying = {"t"}  # names of groups, and of functions that depend on them or on the time
        # The same words come again and again: each is read once, and reactions share what it means.
        self.expressions: dict[str, Expression] = {}
        self.sides: dict[str, Mapping[str, int]] = {}
        self.laws: dict[tuple[str, ...], str] = {}

    def wrong(self, number: int, why: str) -> ValueError:
        return ValueError(f"{self.name}, line {number}: {why}")

    def lines(self, block: str, least: int, form: str) -> Iterator[tuple[int, list[str]]]:
        """Lines of a block without their running numbers, which must rise from 1."""
        for i, (number, line) in enumerate(self.blocks.get(block, []), 1):
            words = line.split()
            if len(words) < least or words[0] != str(i):
                raise self.wrong(number, f"expected '{i} {form}', got {line[:80]!r}")
            yield number, words[1:]

    def expression(self, number: int, words: list[str]) -> Expression:
        written = " ".join(words)
        if written not in self.expressions:
            try:
                found = Expression(_CALL.sub(r"\1", written).replace("^", "**"))
            except ValueError as error:
                raise self.wrong(number, str(error)) from None
            self.expressions[written] = found.with_expressions(_CONSTANTS)
        return self.expressions[written]

    def network(self) -> ReactionNetwork:
        parts = self.parts
        for number, words in self.lines("parameters", 3, "name value"):
            self.define(number, words[0], self.expression(number, words[1:]))
        for number, words in self.lines("species", 3, "name amount"):
            # A compartment may stand before the dollar that holds a species fixed.
            place, dollar, rest = words[0].partition("$")
            fixed = dollar and (not place or (place[0] == "@" and place[-1] == ":"))
            name = place + rest if fixed else words[0]
            if name in parts.values:
                raise self.wrong(number, f"the species {name!r} comes twice")
            if fixed:
                self.fixed.add(name)
            self.species.append(name)
            self.numbered[str(len(self.species))] = name
            parts.values[name], parts.places[name] = self.expression(number, words[1:]), f"{self.name}, line {number}"
        self.groups()
        for number, words in self.lines("functions", 3, "name() expression"):
            name = words[0].removesuffix("()")
            value = self.expression(number, words[1:])
            # A name that comes later may be a function's.
            if any(used in self.varying or used not in self.parts.places for used in value.names):
                self.varying.add(name)
            self.define(number, name, value)
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
        if word == "0":
            return []
        try:
            return [self.numbered[place] for place in word.split(",")]
        except KeyError:
            wanted = f"expected numbers of species from 1 to {len(self.species)}"
            raise self.wrong(number, f"{wanted}, got {word[:80]!r}") from None

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
            self.varying.add(name)

    def factor(self, number: int, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise self.wrong(number, f"expected a number times a species, got {text!r}") from None

    def reactions(self) -> None:
        for number, words in self.lines("reactions", 4, "reactants products rate"):
            reactants, products = self.side(number, words[0]), self.side(number, words[1])
            if self.fixed:
                products = self.held(reactants, products)
            reaction = Reaction(reactants, products, self.rate(number, words))
            self.parts.reactions.append((f"{self.name}, line {number}", reaction))

    def side(self, number: int, word: str) -> Mapping[str, int]:
        if word not in self.sides:
            found: dict[str, int] = {}
            for name in self.named(number, word):
                found[name] = found.get(name, 0) + 1
            self.sides[word] = MappingProxyType(found)
        return self.sides[word]

    def held(self, reactants: Mapping[str, int], products: Mapping[str, int]) -> Mapping[str, int]:
        """Products of which no fixed species is more or less than before."""
        kept = {name: n for name, n in products.items() if name not in self.fixed}
        return MappingProxyType(kept | {name: n for name, n in reactants.items() if name in self.fixed})

    def rate(self, number: int, words: list[str]) -> str:
        """The text of a rate: as it is, if it names no function; otherwise a variable's name."""
        named, kind, constants = _LAW.fullmatch(words[2]), "", [" ".join(words[2:])]
        if named:
            factor, kind = named.groups()
            reactants, constants = self.named(number, words[0]), words[3:]
            least, most, wanted = {
                "Ele": (1, 1, 0),
                "Sat": (2, len(reactants) + 1, 1),
                "MM": (2, 2, 2),
                "Hill": (3, 3, 1),
            }[kind]
            if not least <= len(constants) <= most or len(reactants) < wanted:
                raise self.wrong(number, f"expected '{_FORMS[kind]}' for its reactants, got {' '.join(words)[:80]!r}")
            if factor:
                constants = [f"{factor}*({constants[0]})", *constants[1:]]
        given = [self.expression(number, [constant]) for constant in constants]
        if kind in ("", "Ele") and self.varying.isdisjoint(given[0].names):
            return given[0].text
        return self.law(number, kind, given, self.named(number, words[0]))

    def law(self, number: int, kind: str, given: list[Expression], reactants: list[str]) -> str:
        """A variable for a rate that is a function, which multiplies the reactants' amounts, or that has a law."""
        if len(set(reactants)) < len(reactants):
            what = "a rate that is a function" if kind in ("", "Ele") else f"the rate law {kind!r}"
            raise self.wrong(number, f"{what} isn't supported for two reactants that are alike")
        key = kind, *(one.text for one in given), *reactants
        if key not in self.laws:
            graph = Graph()
            constants = [graph.copied(one.nodes) for one in given]
            whole = _law(graph, kind, constants, [graph("name", name) for name in reactants])
            name = f"rate_of_line_{number}"
            self.laws[key], self.parts.places[name] = name, f"{self.name}, line {number}"
            self.parts.variables[name] = Expression.of(graph.nodes[: whole + 1])
        return self.laws[key]


def _law(graph: Graph, kind: str, constants: list[int], amounts: list[int]) -> int:
    """The rate of a law, or a constant times the amounts if it is none."""
    whole, first, others = constants[0], amounts[0] if amounts else 0, amounts[1:]
    if kind == "MM":
        enzyme = others[0]
        for amount in others[1:]:
            enzyme = graph("add", enzyme, amount)
        # What is bound, the smaller root of c**2 - (e + K + x) c + e x, in a form that loses nothing.
        two, both = graph("number", 2.0), graph("add", enzyme, first)
        less = graph("subtract", enzyme, first)
        rest = graph("multiply", constants[1], graph("add", constants[1], graph("multiply", two, both)))
        root = graph("sqrt", graph("add", graph("multiply", less, less), rest))
        above = graph("multiply", graph("multiply", two, enzyme), first)
        below = graph("add", graph("add", both, constants[1]), root)
        return graph("multiply", whole, graph("divide", above, below))
    if kind == "Hill":
        power = graph("power", first, constants[2])
        share = graph("divide", power, graph("add", graph("power", constants[1], constants[2]), power))
        whole, amounts = graph("multiply", whole, share), others
    for amount in amounts:
        whole = graph("multiply", whole, amount)
    if kind == "Sat":
        for constant, amount in zip(constants[1:], amounts):
            whole = graph("divide", whole, graph("add", constant, amount))
    return whole
