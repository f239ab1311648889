"""MathML, as libsbml reads it, as nodes of our expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from ._expressions import FUNCTIONS, Graph

Names: TypeAlias = Callable[[str], int]

_DEEPEST = 200
AVOGADRO = 6.02214179e23  # as SBML has it

_SAME = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "ceiling": "ceil", "ln": "log", "abs": "absolute"}
_ONE = {name: name for name in FUNCTIONS if name not in ("log", "log10")} | _SAME
_CONSTANTS = {"pi": math.pi, "exponentiale": math.e, "true": 1.0, "false": 0.0}
_CHAINS = {"plus": ("add", 0.0), "times": ("multiply", 1.0)}
_EXTREMES = {"min": "minimum", "max": "maximum"}
# The operation, and whether the operands change places.
_COMPARISONS = {
    "lt": ("less", False),
    "leq": ("less_equal", False),
    "gt": ("less", True),
    "geq": ("less_equal", True),
    "eq": ("equal", False),
    "neq": ("not_equal", False),
}
_RECIPROCALS = {"sec": "cos", "csc": "sin", "cot": "tan", "sech": "cosh", "csch": "sinh", "coth": "tanh"}
_RECIPROCALS |= {f"arc{name}": f"arc{other}" for name, other in _RECIPROCALS.items()}


class NotSupported(ValueError):
    """Mathematics that has no expression here."""


class Mathematics:
    """Turns trees of libsbml into nodes of one graph after another; knows the functions that a model defines."""

    def __init__(self, libsbml: Any, functions: Mapping[str, tuple[Sequence[str], Any]]) -> None:
        self.libsbml, self.functions = libsbml, functions
        self.kinds = {
            libsbml.AST_NAME: "name",
            libsbml.AST_NAME_TIME: "time",
            libsbml.AST_NAME_AVOGADRO: "avogadro",
            libsbml.AST_FUNCTION: "function",
            # Whatever they are called in a file, "plus" for one.
            libsbml.AST_FUNCTION_DELAY: "delay",
            libsbml.AST_FUNCTION_RATE_OF: "rateOf",
        }

    def operands(self, tree: Any) -> list[Any]:
        """The operands of an operation; all of a sum or a product, of which libsbml makes sums of sums."""
        kind = tree.getType()
        rest = []
        while kind in (self.libsbml.AST_PLUS, self.libsbml.AST_TIMES) and tree.getNumChildren() == 2:
            first = tree.getChild(0)
            if first.getType() != kind:
                break
            rest.append(tree.getChild(1))
            tree = first
        return [*(tree.getChild(i) for i in range(tree.getNumChildren())), *reversed(rest)]

    def read(self, tree: Any, graph: Graph, names: Names) -> int:
        """The place in the graph of what the tree says; `names` gives the places of its names."""
        return _Walk(self, graph).node(tree, names, 0)


class _Walk:
    def __init__(self, mathematics: Mathematics, graph: Graph) -> None:
        self.math, self.graph = mathematics, graph
        self.called: dict[tuple[Any, ...], int] = {}
        self.calling: list[str] = []

    def node(self, tree: Any, names: Names, depth: int) -> int:
        if depth > _DEEPEST:
            raise NotSupported(f"mathematics nested more than {_DEEPEST} deep isn't supported")
        graph, name = self.graph, str(tree.getName() or tree.getOperatorName())
        if name in _CONSTANTS and not tree.getNumChildren() and tree.getType() not in self.math.kinds:
            return graph("number", _CONSTANTS[name])
        if tree.isNumber():
            value = float(tree.getValue())
            if not math.isfinite(value):
                raise NotSupported(f"the number {value} isn't supported")
            return graph("number", value)
        kind = self.math.kinds.get(tree.getType())
        if kind == "name":
            return names(name)
        if kind == "time":
            return graph("name", "t")
        if kind == "avogadro":
            return graph("number", AVOGADRO)
        if kind in ("delay", "rateOf"):
            raise NotSupported(f"{kind!r} isn't supported")
        operands = [self.node(child, names, depth + 1) for child in self.math.operands(tree)]
        if kind == "function":
            return self.call(name, operands, depth)
        found = self.operation(name, operands)
        if found is None:
            raise NotSupported(f"{name!r} with {len(operands)} operands isn't supported")
        return found

    def call(self, name: str, operands: list[int], depth: int) -> int:
        """A function of the model, written out: once for the same operands."""
        if name not in self.math.functions:
            raise NotSupported(f"the function {name!r} isn't defined")
        if name in self.calling:
            raise NotSupported(f"the function {name!r} calls itself")
        arguments, body = self.math.functions[name]
        if len(arguments) != len(operands):
            raise NotSupported(f"the function {name!r} takes {len(arguments)} arguments, got {len(operands)}")
        key = name, *operands
        if key not in self.called:
            given = dict(zip(arguments, operands))

            def argument(other: str) -> int:
                if other not in given:
                    raise NotSupported(f"the function {name!r} names {other!r}, which isn't an argument of it")
                return given[other]

            self.calling.append(name)
            self.called[key] = self.node(body, argument, depth + 1)
            self.calling.pop()
        return self.called[key]

    def operation(self, name: str, operands: list[int]) -> int | None:
        graph, n = self.graph, len(operands)
        if name in _CHAINS:
            operation, empty = _CHAINS[name]
            return self.chained(operation, operands) if operands else graph("number", empty)
        if name in ("and", "or", "xor"):
            return self.logic(name, operands)
        if name in _COMPARISONS and n >= 2:
            return self.compared(name, operands)
        if name == "piecewise" and n:
            return self.piecewise(operands)
        if name in _EXTREMES and n:
            return self.chained(_EXTREMES[name], operands)
        if n == 2:
            return self.two(name, *operands)
        return self.one(name, *operands) if n == 1 else None

    def one(self, name: str, x: int) -> int | None:
        graph = self.graph
        if name in _ONE:
            return graph(_ONE[name], x)
        if name in _RECIPROCALS:
            inverse = name.startswith("arc")
            found = self.one(_RECIPROCALS[name], self.divided(self.number(1.0), x) if inverse else x)
            assert found is not None
            return found if inverse else self.divided(self.number(1.0), found)
        if name in ("arcsinh", "arccosh"):
            shift = graph("add" if name == "arcsinh" else "subtract", graph("multiply", x, x), self.number(1.0))
            return graph("log", graph("add", x, graph("sqrt", shift)))
        if name == "arctanh":
            above, below = graph("add", self.number(1.0), x), graph("subtract", self.number(1.0), x)
            return graph("multiply", self.number(0.5), graph("log", self.divided(above, below)))
        return {
            "minus": lambda: graph("negative", x),
            "not": lambda: graph("not", x),
            "root": lambda: graph("sqrt", x),
            "log": lambda: graph("log10", x),
        }.get(name, lambda: None)()

    def two(self, name: str, a: int, b: int) -> int | None:
        graph = self.graph
        match name:
            case "minus":
                return graph("subtract", a, b)
            case "divide":
                return self.divided(a, b)
            case "power":
                return graph("power", a, b)
            case "root":  # the degree comes first
                if graph.nodes[a] == ("number", 2.0):
                    return graph("sqrt", b)
                return graph("power", b, self.divided(self.number(1.0), a))
            case "log":  # so does the base
                if graph.nodes[a] == ("number", 10.0):
                    return graph("log10", b)
                return self.divided(graph("log", b), graph("log", a))
            case "implies":
                return graph("or", graph("not", a), b)
        return None

    def number(self, value: float) -> int:
        return self.graph("number", value)

    def divided(self, a: int, b: int) -> int:
        return self.graph("divide", a, b)

    def chained(self, operation: str, operands: list[int]) -> int:
        whole = operands[0]
        for other in operands[1:]:
            whole = self.graph(operation, whole, other)
        return whole

    def logic(self, name: str, operands: list[int]) -> int:
        if not operands:
            return self.number(float(name == "and"))
        if name != "xor":
            return self.chained(name, operands)
        truths = [self.graph("not_equal", x, self.number(0.0)) for x in operands]
        return self.chained("not_equal", truths)

    def compared(self, name: str, operands: list[int]) -> int:
        """``a < b < c`` is ``a < b and b < c``."""
        operation, turned = _COMPARISONS[name]
        pairs = [self.graph(operation, *((b, a) if turned else (a, b))) for a, b in pairwise(operands)]
        return self.chained("and", pairs)

    def piecewise(self, operands: list[int]) -> int:
        pairs, rest = divmod(len(operands), 2)
        whole = operands[-1] if rest else self.number(math.nan)
        for i in reversed(range(pairs)):
            whole = self.graph("choose", operands[2 * i + 1], operands[2 * i], whole)
        return whole
