"""Slow twin of what programs can give while the time lies between two others: intervals that hold every value.

Rounding keeps the order of numbers, so arithmetic on the ends holds what arithmetic inside gives; functions whose last
bits don't are widened. Whatever may be NaN is the whole line.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

from .._programs import OPERATIONS
from ._programs import VALUES, Instruction, Vector

Interval: TypeAlias = tuple[float, float]

ANYTHING: Interval = (-math.inf, math.inf)
WIDER = 2.0**-50
LOGICAL = ("less", "less_equal", "equal", "not_equal", "and", "or", "not")
RISING = ("exp", "atan", "sinh", "tanh", "log", "log10", "asin")
LEAST = {"sqrt": 0.0, "log": 0.0, "log10": 0.0, "asin": -1.0, "acos": -1.0}
MOST = {"asin": 1.0, "acos": 1.0}


def _between(low: float, high: float) -> Interval:
    """The whole line if an end is no number."""
    return (low, high) if low <= high else ANYTHING


def _widened(*values: float) -> Interval:
    if any(math.isnan(value) for value in values):
        return ANYTHING
    low, high = min(values), max(values)
    return _between(low - abs(low) * WIDER, high + abs(high) * WIDER)


def _spanned(*values: float) -> Interval:
    """The corners of what is monotone in both operands."""
    return ANYTHING if any(math.isnan(value) for value in values) else (min(values), max(values))


def _value(name: str, a: float, b: float = 0.0) -> float:
    return VALUES[name](a, b, 0.0)


def _passes(a: Interval, at: float, period: float) -> bool:
    """Whether one of the points `at` + k `period` lies inside, or nearly."""
    slack = 1e-9 + 1e-15 * max(abs(a[0]), abs(a[1]))
    return math.ceil((a[0] - at) / period - slack) <= (a[1] - at) / period + slack


def _wave(name: str, a: Interval, top: float) -> Interval:
    low, high = _widened(_value(name, a[0]), _value(name, a[1]))
    if low < -1 or _passes(a, top - math.pi, 2 * math.pi):
        low = -1.0
    if high > 1 or _passes(a, top, 2 * math.pi):
        high = 1.0
    return low, high


def _power(a: Interval, b: Interval) -> Interval:
    if a[0] > 0 or (a[0] == 0 and b[0] >= 0):
        span = _spanned(*(_value("power", base, exponent) for base in a for exponent in b))
        return _widened(*span)
    if b[0] != b[1] or _value("floor", b[0]) != b[0] or (a[1] >= 0 and b[0] < 0):
        return ANYTHING
    p, q = (_value("power", base, b[0]) for base in a)
    if a[1] >= 0 and 2 * _value("floor", 0.5 * b[0]) == b[0]:
        return _widened(min(0.0, p), max(p, q))
    return _widened(p, q)


def _truth(a: Interval) -> bool | None:
    """Whether it holds, None if it may."""
    if a[0] > 0 or a[1] < 0:
        return True
    return False if a == (0, 0) else None


def _compared(name: str, a: Interval, b: Interval) -> bool | None:
    match name:
        case "less":
            return True if a[1] < b[0] else False if a[0] >= b[1] else None
        case "less_equal":
            return True if a[1] <= b[0] else False if a[0] > b[1] else None
        case "equal" | "not_equal":
            if a[1] < b[0] or b[1] < a[0]:
                return name == "not_equal"
            return name == "equal" if a[0] == a[1] and b[0] == b[1] else None
    first, second = _truth(a), _truth(b)
    if name == "not":
        return None if first is None else not first
    if name == "and":
        return False if first is False or second is False else True if first and second else None
    return True if first or second else False if first is False and second is False else None


def _arithmetic(name: str, a: Interval, b: Interval, same: bool) -> Interval:
    match name:
        case "copy":
            return a
        case "negative":
            return _between(-a[1], -a[0])
        case "add":
            return _between(a[0] + b[0], a[1] + b[1])
        case "subtract":
            return _between(a[0] - b[1], a[1] - b[0])
        case "multiply" if same and a[0] < 0:
            return _between(a[1] * a[1] if a[1] < 0 else 0.0, max(a[0] * a[0], a[1] * a[1]))
        case "multiply":
            return _spanned(*(x * y for x in a for y in b))
        case "divide":
            return ANYTHING if b[0] <= 0 <= b[1] else _spanned(*(_value("divide", x, y) for x in a for y in b))
        case "power":
            return _power(a, b)
        case "minimum":
            return _between(min(a[0], b[0]), min(a[1], b[1]))
    return _between(max(a[0], b[0]), max(a[1], b[1]))


def _applied(name: str, a: Interval) -> Interval:
    """Functions of one argument."""
    if a[0] < LEAST.get(name, -math.inf) or a[1] > MOST.get(name, math.inf):
        return ANYTHING
    if name in ("absolute", "cosh"):
        a = _between(max(0.0, a[0], -a[1]), max(-a[0], a[1]))
        return a if name == "absolute" else _widened(_value("cosh", a[0]), _value("cosh", a[1]))
    if name in ("floor", "ceil", "sqrt"):
        return _between(_value(name, a[0]), _value(name, a[1]))
    if name in RISING or name == "acos":
        return _widened(_value(name, a[0]), _value(name, a[1]))
    if math.isinf(a[0]) or math.isinf(a[1]):
        return ANYTHING
    if name in ("sin", "cos"):
        return _wave(name, a, math.pi / 2 if name == "sin" else 0.0)
    if _passes(a, math.pi / 2, math.pi):
        return ANYTHING
    return _widened(_value("tan", a[0]), _value("tan", a[1]))


def enclosed(code: Sequence[Instruction], low: Vector, high: Vector, first: int) -> Interval:
    """What the last result of a program lies in while its frame lies between two; results stand from `first` on."""
    found = ANYTHING
    for i, (op, *operands) in enumerate(code):
        name = OPERATIONS[op]
        a, b, c = (_between(low[k], high[k]) for k in operands)
        if name == "choose":
            holds = _truth(a)
            found = b if holds else c if holds is False else _between(min(b[0], c[0]), max(b[1], c[1]))
        elif ANYTHING in (a, b):
            found = (0.0, 1.0) if name in LOGICAL else ANYTHING
        elif name in LOGICAL:
            told = _compared(name, a, b)
            found = (0.0, 1.0) if told is None else (float(told), float(told))
        elif op < OPERATIONS.index("less"):
            found = _arithmetic(name, a, b, operands[0] == operands[1])
        else:
            found = _applied(name, a)
        low[first + i], high[first + i] = found
    return found
