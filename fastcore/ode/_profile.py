"""Profile likelihood: how the least sum of squares rises to both sides of a parameter's best value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._search import minimise, reach_of, units_of

if TYPE_CHECKING:
    from ._fit import Problem

Array = NDArray[np.float64]

# First steps are this share of what the linear approximation takes for the way to the end of the interval.
_SHARE = 0.5
# Halvings of the last step, in which the end of the interval lies, until that is known to this share.
_HALVINGS, _EXACT = 60, 1e-6
# So often a step is made shorter from whose end a search doesn't find down.
_SHORTENED = 16


class Refitted(NamedTuple):
    """Where all but one parameter were fitted anew: values, sum of squares, and whether that is a minimum."""

    theta: Array
    sse: float
    sure: bool


@dataclass(frozen=True)
class Profile:
    """The least sums of squares along one parameter.

    Attributes
    ----------
    name : str
    values : ndarray of shape (m,)
        Values of the parameter, rising; the best among them.
    sse : ndarray of shape (m,)
        Sums of squares, all other free parameters fitted anew.
    params : ndarray of shape (m, k)
        All free parameters there, in the order of the fit's `params`.
    interval : (float, float)
        Where the sum of squares is at most `threshold`; an end that wasn't reached is infinite (or 0 on the scale of
        logarithms), one at a bound that was asked for is that bound.
    threshold : float
    """

    name: str
    values: Array
    sse: Array
    params: Array
    interval: tuple[float, float]
    threshold: float

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Profile({self.name} from {low:.4g} to {high:.4g}, {len(self.values)} values)"


def profiled(
    problem: Problem,
    best: Array,
    place: int,
    error: float,
    sse: float,
    dof: int,
    bounds: tuple[Array, Array],
    level: float,
    turns: int,
    reach: float,
) -> Profile:
    """Walk from the best value to both sides until the sum of squares passes the threshold."""
    from scipy.special import fdtri

    threshold = sse * (1 + float(fdtri(1, dof, level)) / dof)
    theta = np.log(best) if problem.log else best
    far = np.log(reach) if problem.log else reach * max(abs(float(theta[place])), 1e-300)
    hoped = float(np.sqrt(fdtri(1, dof, level))) * error * _SHARE
    begin = hoped if 0 < hoped < far else 0.1 * far
    rows = [(theta, sse)]
    ends = []
    for sign, side in zip((-1, 1), bounds):
        walked, end = _walk(problem, theta, place, sign, begin, float(side[place]), far, threshold, bounds, turns)
        rows += walked
        ends.append(end)
    rows.sort(key=lambda row: float(row[0][place]))
    params = problem.values(np.array([row[0] for row in rows]))
    low, high = (float(end) for end in problem.values(np.array(ends)))
    return Profile(
        problem.names[place],
        params[:, place].copy(),
        np.array([row[1] for row in rows]),
        params,
        (low, high),
        threshold,
    )


def _walk(
    problem: Problem,
    theta: Array,
    place: int,
    sign: int,
    step: float,
    side: float,
    far: float,
    threshold: float,
    bounds: tuple[Array, Array],
    turns: int,
) -> tuple[list[tuple[Array, float]], float]:
    """Points to one side, each from the one before, in steps that double; and the end of the interval."""
    rows: list[tuple[Array, float]] = []
    here, at = theta, float(theta[place])
    ahead = np.zeros_like(theta)  # how the others went with it at last
    found = None
    for _ in range(turns):
        for _ in range(_SHORTENED):
            value = float(theta[place]) + sign * min(abs(at - float(theta[place])) + step, far)
            stopped = sign * (value - side) >= 0
            value = side if stopped else value
            found = _refitted(problem, here + (value - at) * ahead, place, value, bounds)
            # A search that stuck, or couldn't begin, says nothing of what is beyond: one from nearer on may.
            if found is not None and (found.sure or found.sse <= threshold):
                break
            step *= 0.25
        else:
            if found is not None:
                return rows, sign * np.inf
        if found is None or found.sse > threshold:
            return rows, _end(problem, here, place, at, value, threshold, bounds, rows)
        rows.append((found.theta, found.sse))
        if stopped:
            return rows, side
        if value == at or abs(value - theta[place]) >= far * (1 - 1e-12):
            break
        ahead = (found.theta - here) / (value - at)
        here, at, step = found.theta, value, 2 * step
    return rows, sign * np.inf


def _end(
    problem: Problem,
    here: Array,
    place: int,
    inside: float,
    outside: float,
    threshold: float,
    bounds: tuple[Array, Array],
    rows: list[tuple[Array, float]],
) -> float:
    """Halve the way between a value inside the interval and one outside."""
    for _ in range(_HALVINGS):
        if abs(outside - inside) <= _EXACT * (1.0 if problem.log else max(abs(inside), abs(outside))):
            break
        middle = 0.5 * (inside + outside)
        found = _refitted(problem, here, place, middle, bounds)
        if found is None or found.sse > threshold:
            outside = middle
        else:
            here, inside = found.theta, middle
            rows.append((found.theta, found.sse))
    return 0.5 * (inside + outside)


def _refitted(problem: Problem, here: Array, place: int, value: float, bounds: tuple[Array, Array]) -> Refitted | None:
    """The least sum of squares with one parameter held, from a point near; None if it can't be integrated."""
    others = np.arange(len(here)) != place
    full = here.copy()
    full[place] = value
    if not others.any():
        at = problem.evaluate(full)
        return None if at is None else Refitted(full, float(at[0] @ at[0]), True)

    def evaluate(theta: Array) -> tuple[Array, Array] | None:
        trial = full.copy()
        trial[others] = theta
        at = problem.evaluate(trial)
        return None if at is None else (at[0], at[1][:, others])

    low, high = bounds[0][others], bounds[1][others]
    begin = np.minimum(np.maximum(full[others], low), high)
    found = minimise(evaluate, [begin], low, high, units_of(begin, problem.log), reach_of(problem.log), 0.0)
    if found is None:
        return None
    full[others] = found.theta
    return Refitted(full, float(found.residuals @ found.residuals), found.converged)
