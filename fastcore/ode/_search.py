"""Least squares from one or several starts: what was found, and what the data leave open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._descent import Evaluate, Vector, descend

# Further starts lie within this factor of the first (on a linear scale: this often its size).
_SPREAD = 10.0
# A direction in which the residuals change by less than this share of the largest isn't determined.
_UNDETERMINED = 1e-8
# At a minimum a linear step would win less than this share of the sum of squares.
_WON = 1e-6
# A parameter this near to its bound, but for rounding, stands there.
_NEAR = 1e-12


@dataclass(frozen=True)
class Minimum:
    """The best of all starts."""

    theta: Vector
    residuals: Vector
    jacobian: Vector
    converged: bool
    message: str
    sse: Vector  # of each start, NaN where it couldn't be integrated


def starts(first: Vector, low: Vector, high: Vector, log: bool, n: int, rng: np.random.Generator) -> list[Vector]:
    """The first start, and n - 1 drawn uniformly around it (of logarithms if `log`), inside the bounds."""
    reach = np.full(len(first), np.log(_SPREAD)) if log else _SPREAD * units_of(first, log)
    lowest, highest = np.maximum(low, first - reach), np.minimum(high, first + reach)
    return [first, *rng.uniform(lowest, highest, (n - 1, len(first)))]


def units_of(first: Vector, log: bool) -> Vector:
    """Sizes of an ordinary step: a factor of e, or as much as there is."""
    return np.ones(len(first)) if log else np.where(first == 0, 1.0, np.abs(first))


def reach_of(log: bool) -> float:
    """The longest step: a factor of e in a logarithm, lest a step ends where nothing moves any more; else any."""
    return 1.0 if log else np.inf


def minimise(
    evaluate: Evaluate, begin: Sequence[Vector], low: Vector, high: Vector, units: Vector, reach: float, noise: float
) -> Minimum | None:
    """Least squares from each start; the best end, or None if no start can be integrated. Arguments as in `descend`."""
    ends = [descend(evaluate, first, low, high, units, reach, noise) for first in begin]
    sums = np.array([np.nan if end is None else end.sse for end in ends])
    if np.isnan(sums).all():
        return None
    best = ends[int(np.nanargmin(sums))]
    assert best is not None
    left = _left_to_win(best.residuals, best.jacobian, best.theta, low, high)
    won = left <= max(_WON * best.sse, noise**2 * len(best.residuals))
    message = best.message if won else f"no minimum: a step would still win {left:.3g} of the sum of squares"
    return Minimum(best.theta, best.residuals, best.jacobian, best.settled and won, message, sums)


def at_bounds(theta: Vector, low: Vector, high: Vector) -> NDArray[np.bool_]:
    """Which parameters stand at a bound."""
    at_low, at_high = _sides(theta, low, high)
    return at_low | at_high


def _sides(theta: Vector, low: Vector, high: Vector) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which parameters stand at their lower bounds, and which at their upper ones."""
    near = _NEAR * np.abs(theta)
    return theta - low <= near, high - theta <= near


def _left_to_win(residuals: Vector, jacobian: Vector, theta: Vector, low: Vector, high: Vector) -> float:
    """By how much a linear step of the parameters that no bound holds would lessen the sum of squares."""
    slope, (at_low, at_high) = jacobian.T @ residuals, _sides(theta, low, high)
    free = jacobian[:, ~(at_low & (slope >= 0) | at_high & (slope <= 0))]
    if not free.size:
        return 0.0
    left, sizes, _ = np.linalg.svd(free / _norms(free), full_matrices=False)
    steep = sizes > _UNDETERMINED * sizes[0]
    return float(((left.T @ residuals)[steep] ** 2).sum())


def _norms(jacobian: Vector) -> Vector:
    norms = np.linalg.norm(jacobian, axis=0)
    return np.where(norms == 0, 1.0, norms)


def rank_of(jacobian: Vector) -> int:
    """How many combinations of parameters the data determine."""
    sizes = np.linalg.svd(jacobian / _norms(jacobian), compute_uv=False)
    return int((sizes > _UNDETERMINED * max(sizes[0], np.finfo(float).tiny)).sum())


def covariance_of(jacobian: Vector, sse: float, dof: int) -> Vector:
    """``sse / dof * inv(J.T @ J)``, infinite along the directions that the data don't determine, and only there."""
    k = jacobian.shape[1]
    if dof <= 0:
        return np.full((k, k), np.inf)
    scale = _norms(jacobian)
    _, sizes, rotation = np.linalg.svd(jacobian / scale)
    sizes = np.append(sizes, np.zeros(k - len(sizes)))
    open_ways = sizes <= _UNDETERMINED * max(sizes[0], np.finfo(float).tiny)
    half = rotation[~open_ways] / sizes[~open_ways, None] / scale
    covariance = half.T @ half * (sse / dof)
    # The limit of a variance that grows along the rest: infinite with its sign, wherever they take part.
    rest = rotation[open_ways].T @ rotation[open_ways]
    covariance[np.abs(rest) > 1e-6] = np.inf
    return np.asarray(np.copysign(covariance, np.where(np.isinf(covariance), rest, covariance)))
