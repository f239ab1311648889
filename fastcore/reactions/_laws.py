"""What a rate means: a constant under mass action, a product that is read as one, or a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .._programs import CODE
from ._expressions import Expression, Graph, Node

TIME = "t"

Factor = tuple[int, int]  # a species, and what is taken away from it
Instruction = tuple[int, int, int, int]

# Powers up to this are written out as products.
_LARGEST_POWER = 16
# Longer products are programs.
_MOST_FACTORS = 100


class Law(NamedTuple):
    """How the rate of one reaction is computed: the constant times factors, or by a program.

    Attributes
    ----------
    constant : Expression
        Of parameters only.
    scaled : bool
        Whether the constant is a rate constant under mass action, to be scaled by the volume.
    factors : list of (species, minus)
        A factor is ``x[species] - minus``.
    program : list of instructions
        Empty for a product; otherwise what computes the rate.
    reads : list of int
        The species that the program reads, rising; the number of species stands for the time.
    whole : bool
        Whether the expression is the whole rate, and not only a rate constant.
    counted : list of instructions
        What computes the stochastic rate, where that isn't `program`: falling factorials instead of powers.
    """

    constant: Expression
    scaled: bool
    factors: Sequence[Factor]
    program: Sequence[Instruction] = ()
    reads: Sequence[int] = ()
    whole: bool = False
    counted: Sequence[Instruction] = ()


class Laws:
    """Reads rates one after another; `slots` are the constants (of parameters only) that programs share."""

    def __init__(self, place: Mapping[str, int]) -> None:
        self.place = {**place, TIME: len(place)}
        self.slots: dict[tuple[Node, ...], tuple[int, Expression]] = {}
        self._factors: dict[tuple[Factor, ...], tuple[Factor, ...]] = {}

    def of(self, rate: Expression, reactants: Mapping[str, int], scale: float) -> Law:
        """The law of a reaction.

        An expression that names a species is the whole rate. Any other is a rate constant, which mass action
        multiplies: if it names the time, by the program too, with powers of the amounts and with `scale`.
        """
        names = [name for name in rate.names if name in self.place]
        species = tuple([(self.place[name], less) for name, n in reactants.items() for less in range(n)])
        if not names:
            # Many reactions have the same reactants.
            return Law(rate, True, self._factors.setdefault(species, species))
        if names == [TIME]:
            law = self._program(_times(rate, reactants, scale, False), False)
            if max(reactants.values(), default=0) > 1:
                law = law._replace(counted=self.compiled(_times(rate, reactants, scale, True))[0])
            return law
        product = self._product(rate.nodes)
        if product is not None and _never_negative(product[1], species):
            return Law(product[0], False, product[1], whole=True)
        return self._program(rate, True)

    def program(self, rate: Expression) -> Law:
        """The law that is a program, and the whole rate, whatever the expression names."""
        if all(self._constant(rate.nodes)):
            return Law(Expression("0"), False, [], [(CODE["copy"], -1 - self.slot(rate), 0, 0)], [], True)
        return self._program(rate, True)

    def _constant(self, nodes: Sequence[Node]) -> list[bool]:
        """Which nodes depend on parameters only."""
        constant: list[bool] = []
        for kind, *operands in nodes:
            if kind == "name":
                constant.append(operands[0] not in self.place)
            else:
                constant.append(kind == "number" or all(constant[i] for i in operands))
        return constant

    def _product(self, nodes: Sequence[Node]) -> tuple[Expression, list[Factor]] | None:
        """A constant and factors whose product is the whole, or None."""
        constant, graph = self._constant(nodes), Graph()
        factors: list[Factor] = []
        graph.copied(nodes)  # places stay what they were
        above: int | None = None
        below: int | None = None
        left = [len(nodes) - 1]
        while left:
            if len(left) + len(factors) > _MOST_FACTORS:
                return None
            i = left.pop()
            kind, *operands = nodes[i]
            if constant[i]:
                above = i if above is None else graph("multiply", above, i)
            elif kind == "multiply":
                left += reversed(operands)
            elif kind == "divide" and constant[operands[1]]:
                left.append(operands[0])
                below = operands[1] if below is None else graph("multiply", below, operands[1])
            elif kind == "power" and (n := _whole(nodes[operands[1]])) and n <= _LARGEST_POWER:
                left += [operands[0]] * n
            elif kind == "name" and operands[0] != TIME:
                factors.append((self.place[operands[0]], 0))
            elif (less := self._less(nodes, i)) is not None:
                factors.append(less)
            else:
                return None
        whole = graph("number", 1.0) if above is None else above
        if below is not None:
            whole = graph("divide", whole, below)
        return Expression.of(graph.nodes[: whole + 1]), sorted(factors)

    def _less(self, nodes: Sequence[Node], i: int) -> Factor | None:
        """A species less a whole number."""
        kind, *operands = nodes[i]
        if kind != "subtract" or nodes[operands[0]][0] != "name" or nodes[operands[0]][1] == TIME:
            return None
        n, name = _whole(nodes[operands[1]]), nodes[operands[0]][1]
        return (self.place[name], n) if n and name in self.place else None

    def _program(self, rate: Expression, whole: bool) -> Law:
        code, reads = self.compiled(rate)
        return Law(Expression("0"), False, [], code, reads, whole)

    def compiled(self, expression: Expression) -> tuple[list[Instruction], list[int]]:
        """A program that computes an expression, and what it reads: species, and the time after them."""
        nodes = _written_out(expression.nodes)
        constant, n = self._constant(nodes), len(self.place) - 1
        code: list[Instruction] = []
        # Results follow the species and the time; slots have no place yet and are -1 - slot.
        after = n + 1
        places: list[int] = []
        reads: set[int] = set()
        needed = _needed(nodes, constant)
        for i, (kind, *operands) in enumerate(nodes):
            if constant[i]:
                places.append(-1 - self.slot(Expression.of(nodes[: i + 1])) if i in needed else 0)
            elif kind == "name":
                places.append(self.place[operands[0]])
                reads.add(places[-1])
            else:
                a, b, c = ([places[k] for k in operands] + [0, 0])[:3]
                places.append(after + len(code))
                code.append((CODE[kind], a, b, c))
        if not code:
            code.append((CODE["copy"], places[-1], 0, 0))
        return code, sorted(reads)

    def slot(self, constant: Expression) -> int:
        """The number of the place that a constant has in the frames of programs."""
        return self.slots.setdefault(constant.nodes, (len(self.slots), constant))[0]


def _times(rate: Expression, reactants: Mapping[str, int], scale: float, falling: bool) -> Expression:
    """A rate constant times powers, or falling factorials, of the reactants."""
    graph = Graph()
    whole = graph.copied(rate.nodes)
    if scale != 1:
        whole = graph("multiply", whole, graph("number", scale))
    for name, n in reactants.items():
        for less in range(n):
            factor = graph("name", name)
            if falling and less:
                factor = graph("subtract", factor, graph("number", float(less)))
            whole = graph("multiply", whole, factor)
    return Expression.of(graph.nodes[: whole + 1])


def placed(code: Sequence[Instruction], n_species: int, longest: int) -> list[Instruction]:
    """A program with its slots at their places, after the results of the longest program."""
    first = n_species + 1 + longest

    def place(i: int) -> int:
        return i if i >= 0 else first - 1 - i

    return [(op, place(a), place(b), place(c)) for op, a, b, c in code]


def _never_negative(factors: Sequence[Factor], reactants: Sequence[Factor]) -> bool:
    """Whether a product of sorted factors is 0 where reactants are missing, and never negative for counts."""
    found = set(factors)
    return all(less == 0 or (i, less - 1) in found for i, less in found) and found.issuperset(reactants)


def _whole(node: Node) -> int:
    """The whole number above 0 that a node is, or 0."""
    kind, *operands = node
    return int(operands[0]) if kind == "number" and 0 < operands[0] < 2**31 and operands[0] % 1 == 0 else 0


def _written_out(nodes: Sequence[Node]) -> list[Node]:
    """Small whole powers as products."""
    graph = Graph()
    places: list[int] = []
    for kind, *operands in nodes:
        if kind in ("number", "name"):
            places.append(graph(kind, *operands))
        elif kind == "power" and 1 < (n := _whole(nodes[operands[1]])) <= _LARGEST_POWER:
            whole = base = places[operands[0]]
            for _ in range(n - 1):
                whole = graph("multiply", whole, base)
            places.append(whole)
        else:
            places.append(graph(kind, *(places[i] for i in operands)))
    return list(Expression.of(graph.nodes[: places[-1] + 1]).nodes)


def _needed(nodes: Sequence[Node], constant: Sequence[bool]) -> set[int]:
    """The constants that operations on what isn't constant take, or that are the whole."""
    found: set[int] = {len(nodes) - 1} if constant[-1] else set()
    for i, (kind, *operands) in enumerate(nodes):
        if not constant[i] and kind != "name":
            found.update(k for k in operands if constant[k])
    return found
