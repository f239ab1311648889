"""Arithmetic expressions of named parameters, read by Python's own parser with a whitelist, never evaluated by it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

Value: TypeAlias = Any  # a float64 scalar or an array of them, one a set of parameters
Gradient: TypeAlias = dict[str, Value]

_FUNCTIONS: dict[str, tuple[Callable[[Value], Value], Callable[[Value], Value]]] = {
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda x: 1 / x),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_LONGEST = 1000
# A number that Python reads as `float` does, the commonest expression by far.
_NUMBER = re.compile(r"(?:0|[1-9]\d{0,15})(?:\.\d{0,20})?(?:e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)


class Expression:
    """Numbers, names, ``+ - * / **``, parentheses, ``exp``, ``log``, ``sqrt``.

    Attributes
    ----------
    text : str
        As it was written.
    names : tuple of str
        The names in it, in order of appearance.
    """

    __slots__ = ("_tree", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        if len(self.text) > _LONGEST:
            raise ValueError(f"an expression must be shorter than {_LONGEST} characters, got {len(self.text)}")
        if _NUMBER.fullmatch(self.text):
            self._tree: ast.expr = ast.Constant(float(self.text))
            self.names: tuple[str, ...] = ()
            return
        try:
            self._tree = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"{self.text!r} is not an arithmetic expression") from None
        names: dict[str, None] = {}
        self._check(self._tree, names)
        self.names = tuple(names)

    def _check(self, node: ast.expr, names: dict[str, None]) -> None:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                if isinstance(value, int) and value.bit_length() > 1023:
                    raise ValueError(f"{self.text!r}: a number is too large")
            case ast.Name(id=name):
                names[name] = None
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                self._check(left, names)
                self._check(right, names)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                self._check(operand, names)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
                self._check(argument, names)
            case ast.BinOp(op=ast.BitXor()):
                raise ValueError(f"{self.text!r}: write a power as a**b, not a^b")
            case _:
                raise ValueError(
                    f"{self.text!r}: {ast.unparse(node)!r} is not allowed: only numbers, names, + - * / **, "
                    f"parentheses and {', '.join(_FUNCTIONS)}"
                )

    def __reduce__(self) -> tuple[type[Expression], tuple[str]]:
        return Expression, (self.text,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def value(self, values: Mapping[str, Value]) -> Value:
        """The expression's value; NaN or infinity where it has none."""
        if isinstance(self._tree, ast.Constant):
            return np.float64(self._tree.value)  # type: ignore[arg-type]
        return self.gradient(values)[0]

    def gradient(self, values: Mapping[str, Value]) -> tuple[Value, Gradient]:
        """The value, and the derivative by each name (forward differentiation, exact)."""
        with np.errstate(all="ignore"):
            return _forward(self._tree, values)


def _forward(node: ast.expr, values: Mapping[str, Value]) -> tuple[Value, Gradient]:
    match node:
        case ast.Constant(value=number):
            return np.float64(number), {}  # type: ignore[arg-type]
        case ast.Name(id=name):
            return np.asarray(values[name], np.float64)[()], {name: np.float64(1.0)}
        case ast.UnaryOp(op=op, operand=operand):
            a, da = _forward(operand, values)
            return (-a, {k: -d for k, d in da.items()}) if isinstance(op, ast.USub) else (a, da)
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            function, derivative = _FUNCTIONS[name]
            a, da = _forward(argument, values)
            slope = derivative(a)
            return function(a), {k: slope * d for k, d in da.items()}
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(op, _forward(left, values), _forward(right, values))
    raise AssertionError(ast.dump(node))  # the constructor let nothing else in


def _binary(op: ast.operator, left: tuple[Value, Gradient], right: tuple[Value, Gradient]) -> tuple[Value, Gradient]:
    (a, da), (b, db) = left, right
    match op:
        case ast.Add():
            value, by_a, by_b = a + b, 1.0, 1.0
        case ast.Sub():
            value, by_a, by_b = a - b, 1.0, -1.0
        case ast.Mult():
            value, by_a, by_b = a * b, b, a
        case ast.Div():
            value, by_a, by_b = a / b, 1 / b, -a / b**2
        case _:
            value, by_a = a**b, b * a ** (b - 1)
            by_b = value * np.log(a) if db else 0.0
    slopes = {k: by_a * d for k, d in da.items()}
    for k, d in db.items():
        slopes[k] = slopes.get(k, 0.0) + by_b * d
    return value, slopes
