"""Expressions of names: read by a parser of their own, kept as a flat list of operations, never evaluated as Python."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

Value: TypeAlias = Any  # a float64 scalar or an array of them, one a set of parameters or a state
Gradient: TypeAlias = dict[str, Value]
# ("number", 2.0), ("name", "k"), or an operation of `fastcore._programs` and the places of its operands.
Node: TypeAlias = tuple[Any, ...]

_LONGEST = 1_000_000
# Nodes may stand in many places of a text: one that would be longer than this isn't written.
_LONGEST_WRITTEN = 1_000_000
_DEEPEST = 100
_SHOWN = 200
_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+(?:_[0-9]+)*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|<=|>=|==|!=|&&|\|\||[-+*/()<>,!^])"
    r"|(?P<other>\S))"
)
# A number that needs no parser, the commonest expression by far.
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{0,20})?(?:e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)
_WORDS = {"and": "&&", "or": "||", "not": "!"}
# How strongly an operator binds; its operation, and whether its operands change places (a > b is b < a).
_BINARY = {
    "||": (1, "or", False),
    "&&": (2, "and", False),
    "<": (4, "less", False),
    "<=": (4, "less_equal", False),
    ">": (4, "less", True),
    ">=": (4, "less_equal", True),
    "==": (4, "equal", False),
    "!=": (4, "not_equal", False),
    "+": (5, "add", False),
    "-": (5, "subtract", False),
    "*": (6, "multiply", False),
    "/": (6, "divide", False),
}
_NOT, _COMPARISON, _SIGN, _POWER = 3, 4, 7, 8


def _plain(x: Value, r: Value) -> Value:
    return np.zeros_like(x)


# Functions of one argument: value, and slope from argument and value.
FUNCTIONS: dict[str, tuple[Callable[[Value], Value], Callable[[Value, Value], Value]]] = {
    "absolute": (np.abs, lambda x, r: np.sign(x)),
    "floor": (np.floor, _plain),
    "ceil": (np.ceil, _plain),
    "sqrt": (np.sqrt, lambda x, r: 0.5 / r),
    "exp": (np.exp, lambda x, r: r),
    "log": (np.log, lambda x, r: 1 / x),
    "log10": (np.log10, lambda x, r: 1 / (x * np.log(10.0))),
    "sin": (np.sin, lambda x, r: np.cos(x)),
    "cos": (np.cos, lambda x, r: -np.sin(x)),
    "tan": (np.tan, lambda x, r: 1 + r * r),
    "asin": (np.arcsin, lambda x, r: 1 / np.sqrt(1 - x * x)),
    "acos": (np.arccos, lambda x, r: -1 / np.sqrt(1 - x * x)),
    "atan": (np.arctan, lambda x, r: 1 / (1 + x * x)),
    "sinh": (np.sinh, lambda x, r: np.cosh(x)),
    "cosh": (np.cosh, lambda x, r: np.sinh(x)),
    "tanh": (np.tanh, lambda x, r: 1 - r * r),
}
_SPELLED = {"absolute": "abs", "minimum": "min", "maximum": "max"}
_ONE = {_SPELLED.get(name, name): name for name in FUNCTIONS} | {"ln": "log"}
_MANY = {"min": "minimum", "max": "maximum"}
_CALLS = sorted([*_ONE, *_MANY, "pow", "piecewise", "if"])


class Graph:
    """Nodes in an order in which each comes after its operands, none twice."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._place: dict[Node, int] = {}

    def __call__(self, *node: Any) -> int:
        found = self._place.setdefault(node, len(self.nodes))
        if found == len(self.nodes):
            self.nodes.append(node)
        return found

    def copied(self, nodes: Sequence[Node]) -> int:
        """Take over nodes of another graph; return the place of the last."""
        places: list[int] = []
        for kind, *operands in nodes:
            leaf = kind in ("number", "name")
            places.append(self(kind, *(operands if leaf else (places[i] for i in operands))))
        return places[-1]


class Expression:
    """Numbers, names, ``+ - * / **``, comparisons, ``and or not``, parentheses and functions.

    Attributes
    ----------
    names : tuple of str
        The names in it, in order of appearance.
    nodes : tuple of tuple
        Its operations, each after its operands; the last is the whole.
    """

    __slots__ = ("_text", "names", "nodes")

    def __init__(self, text: str) -> None:
        self._text: str | None = text.strip()
        if len(self.text) > _LONGEST:
            raise ValueError(f"an expression must be shorter than {_LONGEST} characters, got {len(self.text)}")
        if _NUMBER.fullmatch(self.text) and (number := float(self.text)) < np.inf:
            nodes: Iterable[Node] = [("number", number)]
        else:
            nodes = _Parser(self.text).nodes()
        self.nodes = tuple(nodes)
        self.names: tuple[str, ...] = tuple(node[1] for node in self.nodes if node[0] == "name")

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> Expression:
        """The expression of nodes of which the last is the whole, without those that it doesn't need."""
        needed: set[int] = set()
        left = [len(nodes) - 1]
        while left:
            i = left.pop()
            if i not in needed:
                needed.add(i)
                left += nodes[i][1:] if nodes[i][0] not in ("number", "name") else ()
        graph = Graph()
        places: dict[int, int] = {}
        for i in sorted(needed):
            kind, *operands = nodes[i]
            leaf = kind in ("number", "name")
            places[i] = graph(kind, *(operands if leaf else (places[k] for k in operands)))
        found = object.__new__(cls)
        found.nodes = tuple(graph.nodes)
        found.names = tuple(node[1] for node in found.nodes if node[0] == "name")
        found._text = None
        return found

    @property
    def text(self) -> str:
        """As it was written, or as it would be."""
        if self._text is None:
            self._text = self.shown({})
        return self._text

    def with_numbers(self, numbers: Mapping[str, float]) -> Expression:
        """The same text, where some names are numbers."""
        if not any(name in numbers for name in self.names):
            return self
        graph = Graph()
        for kind, *operands in self.nodes:
            named = kind == "name" and operands[0] in numbers
            graph(*(("number", numbers[operands[0]]) if named else (kind, *operands)))
        found = Expression.of(graph.nodes)
        found._text = self._text
        return found

    def with_expressions(self, others: Mapping[str, Expression]) -> Expression:
        """The expression with others in the place of some names."""
        if not any(name in others for name in self.names):
            return self
        graph = Graph()
        places: list[int] = []
        for kind, *operands in self.nodes:
            if kind == "name" and operands[0] in others:
                places.append(graph.copied(others[operands[0]].nodes))
            elif kind in ("number", "name"):
                places.append(graph(kind, *operands))
            else:
                places.append(graph(kind, *(places[i] for i in operands)))
        return Expression.of(graph.nodes[: places[-1] + 1])

    def __reduce__(self) -> tuple[Callable[[tuple[Node, ...], str | None], Expression], tuple[Any, ...]]:
        return _restored, (self.nodes, self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.nodes == other.nodes

    def __hash__(self) -> int:
        return hash(self.nodes)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def value(self, values: Mapping[str, Value]) -> Value:
        """The expression's value; NaN or infinity where it has none."""
        if len(self.nodes) == 1 and self.nodes[0][0] == "number":
            return np.float64(self.nodes[0][1])
        return self._forward(values, False)[0]

    def gradient(self, values: Mapping[str, Value]) -> tuple[Value, Gradient]:
        """The value, and the derivative by each name (forward differentiation, exact)."""
        return self._forward(values, True)

    def _forward(self, values: Mapping[str, Value], slopes: bool) -> tuple[Value, Gradient]:
        if len(self.nodes) == 1 and self.names:  # the commonest that isn't a number
            return np.asarray(values[self.names[0]], np.float64)[()], {self.names[0]: np.float64(1.0)}
        found: list[tuple[Value, Gradient]] = []
        with np.errstate(all="ignore"):
            for kind, *operands in self.nodes:
                if kind == "number":
                    found.append((np.float64(operands[0]), {}))
                elif kind == "name":
                    value = np.asarray(values[operands[0]], np.float64)[()]
                    found.append((value, {operands[0]: np.float64(1.0)} if slopes else {}))
                else:
                    found.append(_applied(kind, [found[i] for i in operands]))
        return found[-1]

    @property
    def length(self) -> int:
        """About how many characters its text has, without writing it."""
        lengths: list[int] = []
        for kind, *operands in self.nodes:
            leaf = kind in ("number", "name")
            lengths.append(len(str(operands[0])) if leaf else 4 + sum(lengths[i] for i in operands))
        return lengths[-1]

    def shown(self, values: Mapping[str, str]) -> str:
        """The expression as text, with other texts in place of some names; only its size, if that would be endless."""
        if self.length > _LONGEST_WRITTEN:
            return f"<{len(self.nodes)} operations>"
        texts: list[tuple[str, int]] = []
        for kind, *operands in self.nodes:
            texts.append(_written(kind, operands, [texts[i] for i in operands], values)
                         if kind not in ("number", "name") else _leaf(kind, operands[0], values))  # fmt: skip
        return texts[-1][0]


def _restored(nodes: tuple[Node, ...], text: str | None) -> Expression:
    """What a pickle holds: nodes, since names from files needn't be such that a text could be read."""
    expression = Expression.of(nodes)
    expression._text = text
    return expression


def _applied(kind: str, operands: list[tuple[Value, Gradient]]) -> tuple[Value, Gradient]:
    """The value of an operation and its gradient, by the chain rule."""
    values = [value for value, _ in operands]
    a, b = values[0], values[-1]
    by: tuple[Value, ...]
    if kind in FUNCTIONS:
        function, slope = FUNCTIONS[kind]
        value = function(a)
        by = (slope(a, value),)
    elif kind == "choose":
        holds = values[0] != 0
        value, by = np.where(holds, values[1], values[2])[()], (None, holds, ~holds)
    elif kind in ("minimum", "maximum"):
        first = a <= b if kind == "minimum" else a >= b
        # NaN goes through, as in arithmetic.
        value, by = np.where(first, a, np.where(np.isnan(a), a, b))[()], (first, ~first)
    elif kind in ("multiply", "divide", "power", "add", "subtract", "negative"):
        value, by = _arithmetic(kind, a, b, bool(operands[-1][1]))
    else:
        return np.float64(1.0) * _LOGIC[kind](a, b), {}
    slopes: Gradient = {}
    for (_, gradient), factor in zip(operands, by):
        for name, slope_of in gradient.items():
            if factor is not None:
                # What isn't chosen doesn't count, even where its slope is infinite.
                term = np.where(factor, slope_of, 0.0) if np.asarray(factor).dtype == bool else factor * slope_of
                slopes[name] = slopes[name] + term if name in slopes else term
    return value, slopes


_LOGIC: dict[str, Callable[[Value, Value], Value]] = {
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "and": lambda a, b: (a != 0) & (b != 0),
    "or": lambda a, b: (a != 0) | (b != 0),
    "not": lambda a, b: a == 0,
}


def _arithmetic(kind: str, a: Value, b: Value, by_exponent: bool) -> tuple[Value, tuple[Value, ...]]:
    match kind:
        case "add":
            return a + b, (1.0, 1.0)
        case "subtract":
            return a - b, (1.0, -1.0)
        case "multiply":
            return a * b, (b, a)
        case "divide":
            return a / b, (1 / b, -a / b**2)
        case "negative":
            return -a, (-1.0,)
    value = a**b
    by_a = np.where(b == 0, 0.0, b * a ** (b - 1))
    if not by_exponent:
        return value, (by_a, 0.0)
    # 0 to any power above 0 is 0.
    return value, (by_a, np.where((a == 0) & (b > 0), 0.0, value * np.log(a)))


_INFIX = {
    "or": (" or ", 1),
    "and": (" and ", 2),
    "less": (" < ", 4),
    "less_equal": (" <= ", 4),
    "equal": (" == ", 4),
    "not_equal": (" != ", 4),
    "add": (" + ", 5),
    "subtract": (" - ", 5),
    "multiply": ("*", 6),
    "divide": ("/", 6),
    "power": ("**", 8),
}
_ATOM = 9


def _leaf(kind: str, value: Any, values: Mapping[str, str]) -> tuple[str, int]:
    if kind == "name":
        return values.get(value, value), _ATOM
    text = repr(value).removesuffix(".0")
    return text, _SIGN if text.startswith("-") else _ATOM


def _written(kind: str, places: list[int], operands: list[tuple[str, int]], values: Mapping[str, str]) -> Any:
    """An operation as text, and how strongly it binds."""

    def inside(i: int, least: int) -> str:
        text, strength = operands[i]
        return text if strength >= least else f"({text})"

    if kind in _INFIX:
        sign, strength = _INFIX[kind]
        tight = kind == "power" or strength == _COMPARISON
        return f"{inside(0, strength + tight)}{sign}{inside(1, strength + (kind != 'power'))}", strength
    if kind == "negative":
        return f"-{inside(0, _SIGN)}", _SIGN
    if kind == "not":
        return f"not {inside(0, _NOT)}", _NOT
    if kind == "choose" and operands[2][0] == "nan":
        return f"piecewise({operands[1][0]}, {operands[0][0]})", _ATOM
    if kind == "choose":
        return f"if({', '.join(text for text, _ in operands)})", _ATOM
    return f"{_SPELLED.get(kind, kind)}({', '.join(text for text, _ in operands)})", _ATOM


def _shown(text: str) -> str:
    """A text as an error shows it: not a million characters."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}... ({len(text)} characters)"


class _Parser:
    """Precedence climbing over a list of tokens; nesting is bounded, chains of any length are loops."""

    def __init__(self, text: str) -> None:
        self.text, self.graph, self.depth, self.at = text, Graph(), 0, 0
        self.tokens: list[tuple[str, str]] = []
        for match in _TOKEN.finditer(text):
            kind, token = str(match.lastgroup), match[str(match.lastgroup)]
            if kind == "other":
                raise self.not_allowed(token)
            self.tokens.append(("sign", _WORDS[token]) if token in _WORDS else (kind, token))
        self.tokens.append(("end", ""))

    def nodes(self) -> list[Node]:
        self.expression(0)
        kind, token = self.tokens[self.at]
        if kind == "name":
            raise self.not_allowed(token)
        if kind != "end":
            raise self.wrong()
        return self.graph.nodes

    def wrong(self, why: str = "") -> ValueError:
        return ValueError(f"{_shown(self.text)} is not an arithmetic expression{why}")

    def not_allowed(self, what: str) -> ValueError:
        return ValueError(
            f"{_shown(self.text)}: {what!r} is not allowed: only numbers, names, + - * / **, comparisons, and, or, "
            f"not, parentheses and {', '.join(_CALLS)}"
        )

    def take(self, sign: str) -> bool:
        found = self.tokens[self.at] == ("sign", sign)
        self.at += found
        return found

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise self.wrong()

    def expression(self, least: int) -> int:
        """Read on while operators bind at least so strongly; return the place of what was read."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.wrong(f": it is nested more than {_DEEPEST} deep")
        left = self.operand()
        while True:
            kind, sign = self.tokens[self.at]
            if kind != "sign":
                break
            if sign == "^":
                raise ValueError(f"{_shown(self.text)}: write a power as a**b, not a^b")
            if sign == "**" and least <= _POWER:
                self.at += 1
                left = self.graph("power", left, self.expression(_SIGN))
                continue
            strength, operation, turned = _BINARY.get(sign, (-1, "", False))
            if strength < least:
                break
            self.at += 1
            right = self.expression(strength + 1)
            left = self.graph(operation, right, left) if turned else self.graph(operation, left, right)
            if strength == _COMPARISON and _BINARY.get(self.tokens[self.at][1], (0,))[0] == _COMPARISON:
                raise ValueError(f"{_shown(self.text)}: write a comparison of three as a < b and b < c")
        self.depth -= 1
        return left

    def operand(self) -> int:
        kind, token = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return self.number(token)
        if kind == "name":
            if self.take("("):
                return self.call(token)
            return self.graph("name", token)
        match token:
            case "(":
                inside = self.expression(0)
                self.expect(")")
                return inside
            case "-":
                return self.graph("negative", self.expression(_SIGN))
            case "+":
                return self.expression(_SIGN)
            case "!":
                return self.graph("not", self.expression(_NOT))
        raise self.wrong()

    def number(self, token: str) -> int:
        digits = token.replace("_", "")
        if digits[:2] in ("0x", "0X"):
            value: float = int(digits, 16)
        elif re.match("0[0-9]", digits) and digits.isdigit():
            raise self.wrong(f": a number doesn't begin with 0, got {token}")
        else:
            value = int(digits) if digits.isdigit() else float(digits)
        if value > sys.float_info.max:
            raise ValueError(f"{_shown(self.text)}: a number is too large")
        return self.graph("number", float(value))

    def call(self, name: str) -> int:
        if name not in _CALLS:
            from .._labelled import meant

            raise ValueError(f"{self.not_allowed(f'{name}(')}{meant(name, _CALLS)}")
        arguments = [] if self.take(")") else [self.expression(0)]
        while arguments and self.take(","):
            arguments.append(self.expression(0))
        if arguments:
            self.expect(")")
        n = len(arguments)
        if name in _ONE and n == 1:
            return self.graph(_ONE[name], arguments[0])
        if name in _MANY and n:
            whole = arguments[0]
            for other in arguments[1:]:
                whole = self.graph(_MANY[name], whole, other)
            return whole
        if name == "pow" and n == 2:
            return self.graph("power", *arguments)
        if name == "if" and n == 3:
            return self.graph("choose", *arguments)
        if name == "piecewise" and n >= 2:
            return self.piecewise(arguments)
        wanted = {"pow": "2", "if": "3", "piecewise": "2 or more", "min": "1 or more", "max": "1 or more"}.get(
            name, "1"
        )
        raise ValueError(f"{_shown(self.text)}: {name} takes {wanted} argument{'s' * (wanted != '1')}, got {n}")

    def piecewise(self, arguments: list[int]) -> int:
        """Value, condition, value, condition, ..., and what holds otherwise (no number, if it isn't given)."""
        pairs, rest = divmod(len(arguments), 2)
        whole = arguments[-1] if rest else self.graph("number", np.nan)
        for i in reversed(range(pairs)):
            whole = self.graph("choose", arguments[2 * i + 1], arguments[2 * i], whole)
        return whole
