"""Slow twin of the programs that compute rates: values, and exact derivatives by forward differentiation."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from .._programs import CODE, OPERATIONS

Instruction: TypeAlias = Sequence[int]
Vector: TypeAlias = list[float]

CHOOSE = CODE["choose"]


def _guarded(function: Callable[..., float]) -> Callable[..., float]:
    """As C has it: infinity where the result is too large, NaN where there is none."""

    def call(*arguments: float) -> float:
        try:
            return function(*arguments)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan

    return call


def _divided(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        # 0 to a negative power, or a negative number to a broken one.
        if a != 0:
            return math.nan
        return math.copysign(math.inf, a) if b % 2 == 1 else math.inf


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda a: -math.inf if a == 0 else function(a) if a > 0 else math.nan


def _sinh(a: float) -> float:
    try:
        return math.sinh(a)
    except OverflowError:
        return math.copysign(math.inf, a)


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda a: math.copysign(float(function(a)), a) if math.isfinite(a) else a


_exp = _guarded(math.exp)
_log = _logarithm(math.log)
_sin, _cos, _tan = _guarded(math.sin), _guarded(math.cos), _guarded(math.tan)
_cosh = _guarded(math.cosh)
_sqrt = _guarded(math.sqrt)

VALUES: dict[str, Callable[[float, float, float], float]] = {
    "copy": lambda a, b, c: a,
    "negative": lambda a, b, c: -a,
    "add": lambda a, b, c: a + b,
    "subtract": lambda a, b, c: a - b,
    "multiply": lambda a, b, c: a * b,
    "divide": lambda a, b, c: _divided(a, b),
    "power": lambda a, b, c: _power(a, b),
    "minimum": lambda a, b, c: a if a <= b or a != a else b,
    "maximum": lambda a, b, c: a if a >= b or a != a else b,
    "less": lambda a, b, c: float(a < b),
    "less_equal": lambda a, b, c: float(a <= b),
    "equal": lambda a, b, c: float(a == b),
    "not_equal": lambda a, b, c: float(a != b),
    "and": lambda a, b, c: float(a != 0 and b != 0),
    "or": lambda a, b, c: float(a != 0 or b != 0),
    "not": lambda a, b, c: float(a == 0),
    "choose": lambda a, b, c: b if a != 0 else c,
    "absolute": lambda a, b, c: abs(a),
    "floor": lambda a, b, c: _whole(math.floor)(a),
    "ceil": lambda a, b, c: _whole(math.ceil)(a),
    "sqrt": lambda a, b, c: _sqrt(a),
    "exp": lambda a, b, c: _exp(a),
    "log": lambda a, b, c: _log(a),
    "log10": lambda a, b, c: _logarithm(math.log10)(a),
    "sin": lambda a, b, c: _sin(a),
    "cos": lambda a, b, c: _cos(a),
    "tan": lambda a, b, c: _tan(a),
    "asin": lambda a, b, c: _guarded(math.asin)(a),
    "acos": lambda a, b, c: _guarded(math.acos)(a),
    "atan": lambda a, b, c: math.atan(a),
    "sinh": lambda a, b, c: _sinh(a),
    "cosh": lambda a, b, c: _cosh(a),
    "tanh": lambda a, b, c: math.tanh(a),
}
_BY_CODE = [VALUES[name] for name in OPERATIONS]
LN10 = math.log(10.0)


def _partials(name: str, a: float, b: float, r: float) -> tuple[float, float, float, float, float]:
    """Derivatives of an operation with value r: by a, by b, twice by a, by a and b, twice by b."""
    match name:
        case "copy":
            return 1.0, 0.0, 0.0, 0.0, 0.0
        case "negative":
            return -1.0, 0.0, 0.0, 0.0, 0.0
        case "add":
            return 1.0, 1.0, 0.0, 0.0, 0.0
        case "subtract":
            return 1.0, -1.0, 0.0, 0.0, 0.0
        case "multiply":
            return b, a, 0.0, 1.0, 0.0
        case "divide":
            part = _divided(1.0, b)
            return part, -r * part, 0.0, -part * part, 2.0 * r * part * part
        case "power":
            by_a = 0.0 if b == 0 else b * _power(a, b - 1.0)
            twice = 0.0 if b in (0, 1) else b * (b - 1.0) * _power(a, b - 2.0)
            log = _log(a)
            by_b, by_b_twice, by_both = r * log, r * log * log, _power(a, b - 1.0) * (1.0 + b * log)
            if a == 0 and b > 0:  # 0 to any power above 0 is 0
                by_b, by_b_twice = 0.0, 0.0
                by_both = by_both if b < 1 else 0.0  # infinite for a power of 1, but stiff methods want a number
            return by_a, by_b, twice, by_both, by_b_twice
        case "minimum":
            first = float(a <= b or a != a)
            return first, 1.0 - first, 0.0, 0.0, 0.0
        case "maximum":
            first = float(a >= b or a != a)
            return first, 1.0 - first, 0.0, 0.0, 0.0
        case "absolute":
            return float((a > 0) - (a < 0)), 0.0, 0.0, 0.0, 0.0
        case "sqrt":
            slope = _divided(0.5, r)
            return slope, 0.0, _divided(-0.5 * slope, a), 0.0, 0.0
        case "exp":
            return r, 0.0, r, 0.0, 0.0
        case "log":
            part = _divided(1.0, a)
            return part, 0.0, -part * part, 0.0, 0.0
        case "log10":
            part = _divided(1.0, a)
            return part / LN10, 0.0, -part * part / LN10, 0.0, 0.0
        case "sin":
            return _cos(a), 0.0, -r, 0.0, 0.0
        case "cos":
            return -_sin(a), 0.0, -r, 0.0, 0.0
        case "tan":
            slope = 1.0 + r * r
            return slope, 0.0, 2.0 * r * slope, 0.0, 0.0
        case "asin" | "acos":
            slope = _divided(1.0, _sqrt(1.0 - a * a))
            slope = slope if name == "asin" else -slope
            return slope, 0.0, a * slope * slope * slope, 0.0, 0.0
        case "atan":
            slope = 1.0 / (1.0 + a * a)
            return slope, 0.0, -2.0 * a * slope * slope, 0.0, 0.0
        case "sinh":
            return _cosh(a), 0.0, r, 0.0, 0.0
        case "cosh":
            return _sinh(a), 0.0, r, 0.0, 0.0
        case "tanh":
            slope = 1.0 - r * r
            return slope, 0.0, -2.0 * r * slope, 0.0, 0.0
    return 0.0, 0.0, 0.0, 0.0, 0.0  # steps


def evaluated(code: Sequence[Instruction], frame: Vector, first: int) -> float:
    """The last result of a program; results stand in the frame from `first` on."""
    for i, (op, a, b, c) in enumerate(code):
        frame[first + i] = _BY_CODE[op](frame[a], frame[b], frame[c])
    return frame[first + len(code) - 1]


def _times(*factors: float) -> float:
    """A product in which 0 wins, also over what is infinite or NaN: the slope of what isn't chosen, or doesn't move."""
    product = factors[0]
    if 0 in factors:
        return 0.0
    for factor in factors[1:]:
        product = product * factor
    return product


def differentiated(
    code: Sequence[Instruction], frame: Vector, one: Vector, two: Vector, both: Vector, first: int
) -> None:
    """Derivatives of an evaluated program along two directions, `one` and `two`, and along both, at its results."""
    for i, (op, a, b, c) in enumerate(code):
        at = first + i
        if op == CHOOSE:
            chosen = b if frame[a] != 0 else c
            one[at], two[at], both[at] = one[chosen], two[chosen], both[chosen]
            continue
        fa, fb, faa, fab, fbb = _partials(OPERATIONS[op], frame[a], frame[b], frame[at])
        one[at] = _times(fa, one[a]) + _times(fb, one[b])
        two[at] = _times(fa, two[a]) + _times(fb, two[b])
        both[at] = _times(fa, both[a]) + _times(fb, both[b])
        both[at] += _times(faa, one[a], two[a]) + _times(fbb, one[b], two[b])
        both[at] += _times(fab, one[a], two[b]) + _times(fab, one[b], two[a])
