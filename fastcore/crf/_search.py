"""L-BFGS, and with an L1 norm OWL-QN: the search for the weights.

Without BLAS: its threads cost more than they save here and may change the last bits.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels

Array: TypeAlias = NDArray[Any]
Objective: TypeAlias = Callable[[Array], tuple[float, Array]]

MEMORIES = 6
# Weights from which on what is remembered is kept as float32.
MANY = 1 << 16
TRIALS = 40
PATIENCE = 20
# Of the promised decrease a step must keep, and of the slope it may keep.
DECREASE, SLOPE = 1e-4, 0.9
# Trials from which on a step may end where the loss rises as steeply as it fell: rounding may make it seem so.
STEEP = 5
# With an L1 norm, a loss that fell by less than this share over so many iterations is among the right signs.
SETTLED, LATELY = 0.01, 10


@dataclass(frozen=True)
class Fit:
    """What the search found."""

    weights: Array
    loss: float
    iterations: int
    message: str


def dot(a: Array, b: Array) -> float:
    """Inner product, in rows, so that rounding doesn't grow with the length."""
    n = len(a) // 1024 * 1024
    rows = np.einsum("ij,ij->i", a[:n].reshape(-1, 1024), b[:n].reshape(-1, 1024))
    return float(rows.sum() + np.einsum("i,i->", a[n:], b[n:]))


def search(
    objective: Objective,
    start: Array,
    *,
    c1: float,
    max_iterations: int | None,
    epsilon: float,
    period: int,
    delta: float,
    noise: float = 1e-10,
    num_memories: int = MEMORIES,
    max_linesearch: int = TRIALS,
    log: Callable[..., object] = lambda *args, **more: None,
    backend: str | None = None,
) -> Fit:
    """Minimise objective + c1 * sum of absolute weights, stopping by CRFsuite's rules.

    The rules: the gradient's norm falls below epsilon times that of the weights (or 1), or the objective has fallen
    by less than delta, relative to itself, over the last `period` iterations. A search that can't go on for another
    reason warns and says why, unless what is left to gain is below `noise`, the share of the loss that is rounding.

    `log` is told of each iteration: the loss and weights, and by name the gradient's norm and the line search's trials
    and step.

    With an L1 norm a direction is first cut, as OWL-QN does, to where each weight by itself descends: that finds the
    weights' signs soon, and then creeps, as weights that depend on each other have to move together. So once the loss
    falls slowly only weights of 0 are held so, and the others go where the curvature leads, as in a two-metric
    projection: on CoNLL-2000 with c1 = c2 = 0.1 after 300 iterations 6496.7, where 740 of the first kind end at 6498.7.

    Sources: Nocedal and Wright, *Numerical Optimization*, 2006, algorithm 7.4; Andrew and Gao, *Scalable training of
    L1-regularized log-linear models*, ICML 2007; Gafni and Bertsekas, *Two-metric projection methods for constrained
    optimization*, SIAM Journal on Control and Optimization 22 (1984); Lewis and Overton, *Nonsmooth optimization via
    quasi-Newton methods*, Mathematical Programming 141 (2013), for the line search.
    """
    kernel = kernels("crf.features", backend or active_backend())
    point = _Point.at(objective, start, c1, kernel)
    if not (isfinite(point.loss) and isfinite(dot(point.gradient, point.gradient))):
        raise ValueError(f"X must hold smaller values: where training starts the loss is {point.loss} or its slope inf")
    if not len(start) or max_iterations == 0:
        message = "no iterations were asked for" if len(start) else "there are no features"
        return Fit(start, point.loss, 0, message)
    history = [point.loss]
    memory = _Memory(len(start), num_memories, kernel)
    forgotten = inf  # the loss where the memory was last cleared
    record, stale = point.loss, 0  # steps within rounding may go up, but not for long
    settled = False
    while True:
        iterations = len(history) - 1
        message = _stop(point, history, epsilon, period, delta)
        if not message and iterations == max_iterations:
            message = "the most iterations were made"
        if message:
            return Fit(point.weights, point.loss, iterations, message)
        settled = settled or _falls_slowly(history)
        direction = memory.direction(point, settled)
        slope = dot(direction, point.steepest)
        first = 1.0 if memory.pairs else 1.0 / sqrt(dot(point.steepest, point.steepest))
        slack = 1e-4 * noise * abs(point.loss)
        found, trials, size = None, 0, 0.0
        if slope < 0:
            bounds = first, slack, max_linesearch
            found, trials, size = _line_search(objective, point, direction, slope, bounds, c1, kernel)
        if found is not None:
            record, stale = (found.loss, 0) if found.loss < record else (record, stale + 1)
        if found is None or stale > PATIENCE:
            if memory.pairs and forgotten - point.loss > 1e-12 * abs(point.loss):
                memory.pairs.clear()  # what was learnt may mislead: once more, straight down
                forgotten, stale = point.loss, 0
                continue
            message = _stuck(point, slope, noise)
            return Fit(point.weights, point.loss, iterations, message)
        memory.keep(point, found)
        point = found
        history.append(point.loss)
        norm, active = sqrt(dot(point.steepest, point.steepest)), {}
        if c1:
            active["active_features"] = int(np.count_nonzero(point.weights))
        log(point.loss, point.weights, error_norm=norm, **active, linesearch_trials=trials, linesearch_step=size)


@dataclass(frozen=True)
class _Point:
    """Weights with their loss, its smooth part's gradient, and the gradient of all of it that descends most."""

    weights: Array
    loss: float
    gradient: Array
    steepest: Array

    @classmethod
    def at(cls, objective: Objective, weights: Array, c1: float, kernel: Any) -> "_Point":
        loss, gradient = objective(weights)
        if not c1:
            return cls(weights, loss, gradient, gradient)
        steepest, norm = kernel.steepest_slope(weights, gradient, c1)
        return cls(weights, loss + c1 * norm, gradient, steepest)


def _falls_slowly(history: list[float]) -> bool:
    return len(history) > LATELY and history[-1 - LATELY] - history[-1] < SETTLED * abs(history[-1])


def _stop(point: _Point, history: list[float], epsilon: float, period: int, delta: float) -> str:
    """The rule that ends the search here, or nothing."""
    if dot(point.steepest, point.steepest) <= epsilon**2 * max(1.0, dot(point.weights, point.weights)):
        return "the gradient is small"
    if period and len(history) > period + 1 and history[-1 - period] - point.loss < delta * abs(point.loss):
        return "the loss has stopped falling"
    return ""


def _stuck(point: _Point, slope: float, noise: float) -> str:
    """Why no step lowers the loss; a warning unless the decrease to be had drowns in the loss's rounding."""
    if -slope <= noise * max(1.0, abs(point.loss)):
        return "the loss can't be lowered beyond its rounding"
    message = f"no step along the gradient lowers the loss of {point.loss:.6g}"
    warnings.warn(
        f"training stopped early: {message}; values in X of very different sizes may be the reason",
        RuntimeWarning,
        stacklevel=5,
    )
    return message


class _Memory:
    """What the last steps told of the curvature: pairs of a step and the gradient's change over it.

    For many weights they are the larger part of what training takes, and kept as float32, which turns a direction but
    little.
    """

    def __init__(self, size: int, most: int, kernel: Any) -> None:
        self.kernel = kernel
        self.most = most
        self.dtype = np.float32 if size >= MANY else np.float64
        # The oldest first, with the inner products of step and change, and of change and change.
        self.pairs: list[tuple[Array, Array, float, float]] = []

    def keep(self, last: "_Point", found: "_Point") -> None:
        """Keep what the step from one point to the next told, if it goes up a bowl."""
        if len(self.pairs) == self.most:
            step, change, _, _ = self.pairs.pop(0)  # its room serves again
        else:
            step, change = np.empty((2, len(found.weights)), self.dtype)
        np.subtract(found.weights, last.weights, out=step, casting="same_kind")
        np.subtract(found.gradient, last.gradient, out=change, casting="same_kind")
        curvature, size = self.kernel.inner_product(step, change), self.kernel.inner_product(change, change)
        if curvature > 0 and size < inf:
            self.pairs.append((step, change, curvature, size))

    def direction(self, point: "_Point", settled: bool) -> Array:
        """The steepest descent, turned by what is kept; with an L1 norm also cut, and once signs are settled less."""
        direction = -point.steepest
        if self.pairs:
            self._turn(direction)
        if point.steepest is not point.gradient:
            kept = direction * point.steepest < 0
            if settled:
                kept |= point.weights != 0
            direction *= kept
        return direction

    def _turn(self, direction: Array) -> None:
        add, shares = self.kernel.add_scaled, []
        # Each addition also gives the inner product that the next one needs.
        along = add(direction, 0.0, self.pairs[-1][0], self.pairs[-1][0])
        for k in reversed(range(len(self.pairs))):
            _, change, curvature, size = self.pairs[k]
            shares.append(along / curvature)
            along = add(direction, -shares[-1], change, self.pairs[k - 1][0] if k else change)
        _, _, curvature, size = self.pairs[-1]
        direction *= curvature / size
        along *= curvature / size
        for k, share in enumerate(reversed(shares)):
            step, _, curvature, _ = self.pairs[k]
            following = self.pairs[k + 1][1] if k + 1 < len(self.pairs) else step
            along = add(direction, share - along / curvature, step, following)


def _line_search(
    objective: Objective,
    point: _Point,
    direction: Array,
    slope: float,
    bounds: tuple[float, float, int],
    c1: float,
    kernel: Any,
) -> tuple[_Point | None, int, float]:
    """A point along the direction that is low enough, and flat enough where the loss is smooth; None if none is.

    `bounds` are the first step's size, what the loss may be too high by, and the most trials. With the point come the
    trials made and its step's size.
    """
    size, slack, trials = bounds
    # The end of the interval that is low enough, and the one that isn't, or from which the loss rises: sizes, losses,
    # slopes.
    low, high = (0.0, point.loss, slope), (inf, inf, inf)
    best, taken = None, 0.0
    for trial_number in range(1, trials + 1):
        if c1:
            weights = kernel.step_in_orthant(point.weights, direction, size, point.steepest)
            fall = dot(point.steepest, weights - point.weights)
        else:
            weights, fall = size * direction, size * slope
            weights += point.weights
        trial = _Point.at(objective, weights, c1, kernel)
        here = size, trial.loss, nan if c1 else dot(trial.gradient, direction)
        lower = trial.loss <= point.loss + DECREASE * fall + slack  # not if it is NaN
        if lower and (best is None or trial.loss <= best.loss):
            best, taken = trial, size
        if not lower or (not c1 and here[2] > -SLOPE * slope and trial_number < STEEP):
            high = here
        elif not c1 and here[2] < SLOPE * slope:
            size = _beyond(low, here)
            low = here
        else:
            return trial, trial_number, size
        if high[0] < inf:
            # Soon only halved, so that the interval shrinks whatever the loss looks like.
            size = _between(low, high) if trial_number in (1, 3) else (low[0] + high[0]) / 2
    return best, trials, taken


def _between(low: tuple[float, float, float], high: tuple[float, float, float]) -> float:
    """Where the cubic with these losses and slopes at the ends is least, not too near them; the middle if nowhere.

    Of a loss that only rises again, where a straight line through the slopes is level, if that is nearer the low end.

    Sources: Nocedal and Wright, equation 3.59; Moré and Thuente, *Line search algorithms with guaranteed sufficient
    decrease*, ACM Transactions on Mathematical Software 20 (1994), section 4, case 2.
    """
    width = high[0] - low[0]
    bend = low[2] + high[2] - 3 * (high[1] - low[1]) / width
    square = bend * bend - low[2] * high[2]
    if not 0 <= square < inf:
        return low[0] + width / 2
    share = 1 - (high[2] + sqrt(square) - bend) / (high[2] - low[2] + 2 * sqrt(square))
    if high[1] <= low[1] and high[2] > 0:
        share = min(share, low[2] / (low[2] - high[2]))
    return low[0] + width * min(max(share, 0.2), 0.8)


def _beyond(last: tuple[float, float, float], here: tuple[float, float, float]) -> float:
    """Where a straight line through the slopes is level, between twice and five times as far as here."""
    level = inf if last[2] >= here[2] else here[0] + (here[0] - last[0]) * here[2] / (last[2] - here[2])
    return min(max(level, 2 * here[0]), 5 * here[0])
