"""Nonlinear least squares between bounds, by the method of Levenberg and Marquardt with a trust region.

Steps are found as by J. J. Moré, *The Levenberg-Marquardt algorithm: implementation and theory*, in *Numerical
Analysis*, Lecture Notes in Mathematics 630, 1978, 105-116. A parameter that a step would carry past a bound stops
there, and the others take the best step with that given.

SciPy's `least_squares` would do; but for a few parameters its steps take longer than the integration that they are
there to save, and its trust region, once it has grown, leaps from the slopes of such problems onto their plateaus.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]
# Residuals and their Jacobian, or None where there are none.
Evaluate: TypeAlias = Callable[[Vector], tuple[Vector, Vector] | None]

# So many evaluations a parameter at most.
_MOST = 100
# A step that wins less than this share of the sum of squares is the last.
_SETTLED = 1e-12
# If one that should win less than this share doesn't, rounding (or the integration) is what is left.
_TOLD = 1e-8
# A step wins at least this share of what its linear model promises, or isn't made.
_KEPT = 1e-4
# A step that bounds have cut wins at least this share of what the steepest way does, or a shorter one is looked for.
_FAIR = 0.1
# Singular values below this share of the largest are rounding.
_ROUNDING = 1e-13
# Steps are this near to the trust region's radius, after so many turns at most.
_NEAR, _TURNS = 1.1, 30


class End(NamedTuple):
    """Where a search ended, and why."""

    theta: Vector
    residuals: Vector
    jacobian: Vector
    sse: float
    settled: bool
    message: str


@np.errstate(over="ignore", invalid="ignore")  # of points much too far
def descend(
    evaluate: Evaluate, first: Vector, low: Vector, high: Vector, units: Vector, reach: float, noise: float
) -> End | None:
    """Lessen the sum of squares from one start on; None if it has none there.

    `units` are sizes of an ordinary step. The first is no longer than 1 in them, and none is longer than `reach`; a
    point without residuals is a step too far. `noise` is the size of residuals that evaluation itself makes.
    """
    theta, found = first, evaluate(first)
    if found is None:
        return None
    residuals, jacobian = found
    sse = float(residuals @ residuals)
    if sse == np.inf:
        return None
    radius = min(1.0, reach)
    limit = _MOST * len(first)
    for _ in range(limit):
        while True:
            step, gain, least, hope = _step(residuals, jacobian, theta, low, high, units, radius)
            if gain >= least and gain > 0:
                break
            if not hope > _ROUNDING * sse:
                return End(theta, residuals, jacobian, sse, True, "no step lessens the sum of squares")
            radius *= 0.25
        length = _norm(step / units)
        there = np.minimum(np.maximum(theta + step, low), high)
        found = evaluate(there)
        after = np.inf if found is None else float(found[0] @ found[0])
        won = (sse - after) / gain
        if won < 0.25:
            radius = 0.25 * length
        elif won > 0.75 and length * _NEAR > radius:
            radius = min(2.0 * radius, reach)
        if found is not None and won > _KEPT:
            settled = max(sse - after, gain, hope) <= _SETTLED * sse
            theta, (residuals, jacobian), sse = there, found, after
            if settled:
                return End(theta, residuals, jacobian, sse, True, "the sum of squares doesn't change any more")
        elif max(gain, hope) <= max(_TOLD * sse, noise**2 * len(residuals)) or (there == theta).all():
            return End(theta, residuals, jacobian, sse, True, "the sum of squares changes by rounding only")
    return End(theta, residuals, jacobian, sse, False, f"the search took {limit} evaluations")


def _step(
    residuals: Vector, jacobian: Vector, theta: Vector, low: Vector, high: Vector, units: Vector, radius: float
) -> tuple[Vector, float, float, float]:
    """A step within the bounds; by how much it lessens the linear model's sum of squares, should, and might at most.

    A step that bounds have cut may be worse than the steepest way, which no short step is.
    """
    slope = jacobian.T @ residuals
    downhill = ~((theta <= low) & (slope >= 0) | (theta >= high) & (slope <= 0))
    step, rest, free, cut = np.zeros(len(theta)), residuals, downhill.copy(), False
    while free.any():
        if free.all():
            step = _within(rest, jacobian, units, radius)
        else:
            step[free] = _within(rest, jacobian[:, free], units[free], radius)
        there = theta + step
        past = free & ((there < low) | (there > high))
        if not past.any():
            break
        step[past] = np.where(there < low, low - theta, high - theta)[past]
        free &= ~past
        rest = residuals + jacobian[:, ~free] @ step[~free]
        cut = True
    gain = _gain(slope, jacobian, step)
    least, hope = 0.0, gain
    if cut:
        way = np.where(downhill, -slope * units**2, 0.0)
        bend = jacobian @ way
        far = min(radius / _norm(way / units), -float(slope @ way) / max(float(bend @ bend), 1e-300))
        steepest = np.minimum(np.maximum(theta + far * way, low), high) - theta
        least, hope = _FAIR * _gain(slope, jacobian, steepest), -2.0 * far * float(slope @ way)
    return step, gain, least, hope


def _gain(slope: Vector, jacobian: Vector, step: Vector) -> float:
    """By how much a step lessens the linear model's sum of squares."""
    change = jacobian @ step
    return -float(2.0 * (slope @ step) + change @ change)


def _within(residuals: Vector, jacobian: Vector, units: Vector, radius: float) -> Vector:
    """The step no longer than about the radius that lessens the linear model's sum of squares most."""
    left, sizes, right = np.linalg.svd(jacobian * units, full_matrices=False)
    squares, pull = sizes * sizes, sizes * (residuals @ left)
    pull[sizes <= _ROUNDING * sizes[0]] = 0.0
    # From below the right damping Newton's method on 1 / length never passes it.
    damping = max(_norm(pull) / radius - float(squares[0]), 0.0)
    for _ in range(_TURNS):
        by = np.maximum(squares + damping, 1e-300)
        way = pull / by
        length = _norm(way)
        if length <= _NEAR * radius:
            break
        damping += (length / radius - 1.0) * length**2 / float((way * way / by).sum())
    step: Vector = -(way @ right) * units
    return step


def _norm(vector: Vector) -> float:
    return float(np.sqrt(vector @ vector))
