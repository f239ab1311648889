"""L-BFGS, and with an L1 norm OWL-QN: the search for the weights.

Without BLAS: its threads cost more than they save here and may change the last bits.
"""

import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Objective: TypeAlias = Callable[[Array], tuple[float, Array]]

MEMORIES = 6
TRIALS = 40
PATIENCE = 20
# Of the promised decrease a step must keep, and of the slope it may keep.
DECREASE, SLOPE = 1e-4, 0.9


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
) -> Fit:
    """Minimise objective + c1 * sum of absolute weights, stopping by CRFsuite's rules.

    The rules: the gradient's norm falls below epsilon times that of the weights (or 1), or the objective has fallen
    by less than delta, relative to itself, over the last `period` iterations. A search that can't go on for another
    reason warns and says why, unless what is left to gain is below `noise`, the share of the loss that is rounding.

    Sources: Nocedal and Wright, *Numerical Optimization*, 2006, algorithm 7.4; Andrew and Gao, *Scalable training of
    L1-regularized log-linear models*, ICML 2007; Lewis and Overton, *Nonsmooth optimization via quasi-Newton
    methods*, Mathematical Programming 141 (2013), for the line search.
    """
    point = _Point.at(objective, start, c1)
    if not (isfinite(point.loss) and isfinite(dot(point.gradient, point.gradient))):
        raise ValueError(f"X must hold smaller values: where training starts the loss is {point.loss} or its slope inf")
    if not len(start) or max_iterations == 0:
        message = "no iterations were asked for" if len(start) else "there are no features"
        return Fit(start, point.loss, 0, message)
    history = [point.loss]
    memory: deque[tuple[Array, Array, float]] = deque()
    forgotten = inf  # the loss where the memory was last cleared
    record, stale = point.loss, 0  # steps within rounding may go up, but not for long
    while True:
        iterations = len(history) - 1
        message = _stop(point, history, epsilon, period, delta)
        if not message and iterations == max_iterations:
            message = "the most iterations were made"
        if message:
            return Fit(point.weights, point.loss, iterations, message)
        direction = _direction(point, memory)
        slope = dot(direction, point.steepest)
        first = 1.0 if memory else 1.0 / sqrt(dot(point.steepest, point.steepest))
        slack = 1e-4 * noise * abs(point.loss)
        found = _line_search(objective, point, direction, slope, first, c1, slack) if slope < 0 else None
        if found is not None:
            record, stale = (found.loss, 0) if found.loss < record else (record, stale + 1)
        if found is None or stale > PATIENCE:
            if memory and forgotten - point.loss > 1e-12 * abs(point.loss):
                memory.clear()  # what was learnt may mislead: once more, straight down
                forgotten, stale = point.loss, 0
                continue
            message = _stuck(point, slope, noise)
            return Fit(point.weights, point.loss, iterations, message)
        if len(memory) == MEMORIES:
            memory.popleft()  # before the next is made: each takes as much as two models
        step = found.weights - point.weights
        change = found.gradient - point.gradient
        curvature = dot(step, change)
        if curvature > 0:
            memory.append((step, change, curvature))
        point = found
        history.append(point.loss)


@dataclass(frozen=True)
class _Point:
    """Weights with their loss, its smooth part's gradient, and the gradient of all of it that descends most."""

    weights: Array
    loss: float
    gradient: Array
    steepest: Array

    @classmethod
    def at(cls, objective: Objective, weights: Array, c1: float) -> "_Point":
        loss, gradient = objective(weights)
        if not c1:
            return cls(weights, loss, gradient, gradient)
        # At 0 the L1 norm has slopes -c1 to c1: what they can't balance remains.
        steepest = gradient + c1 * np.sign(weights)
        zero = weights == 0
        steepest[zero] = np.sign(gradient[zero]) * np.maximum(np.abs(gradient[zero]) - c1, 0.0)
        return cls(weights, loss + c1 * float(np.abs(weights).sum()), gradient, steepest)


def _stop(point: _Point, history: list[float], epsilon: float, period: int, delta: float) -> str:
    """The rule that ends the search here, or nothing."""
    if dot(point.steepest, point.steepest) <= epsilon**2 * max(1.0, dot(point.weights, point.weights)):
        return "the gradient is small"
    if len(history) > period + 1 and history[-1 - period] - point.loss < delta * abs(point.loss):
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
        stacklevel=4,
    )
    return message


def _direction(point: _Point, memory: "deque[tuple[Array, Array, float]]") -> Array:
    """The steepest descent, turned by what the last steps told of the curvature."""
    direction = -point.steepest
    shares = []
    for step, change, curvature in reversed(memory):
        shares.append(dot(step, direction) / curvature)
        direction -= shares[-1] * change
    if memory:
        _, change, curvature = memory[-1]
        direction *= curvature / dot(change, change)
    for (step, change, curvature), share in zip(memory, reversed(shares)):
        direction += (share - dot(change, direction) / curvature) * step
    if point.steepest is not point.gradient:
        direction[direction * point.steepest >= 0] = 0.0
    return direction


def _line_search(
    objective: Objective, point: _Point, direction: Array, slope: float, size: float, c1: float, slack: float
) -> _Point | None:
    """A point along the direction that is low enough, and flat enough where the loss is smooth; None if none is."""
    least, most = 0.0, inf
    best = None
    orthant = np.where(point.weights != 0, np.sign(point.weights), -np.sign(point.steepest)) if c1 else None
    for _ in range(TRIALS):
        weights = point.weights + size * direction
        if orthant is not None:
            weights[weights * orthant <= 0] = 0.0
        trial = _Point.at(objective, weights, c1)
        fall = size * slope if orthant is None else dot(point.steepest, weights - point.weights)
        if not trial.loss <= point.loss + DECREASE * fall + slack:  # a NaN too
            most = size
        elif orthant is None and dot(trial.gradient, direction) < SLOPE * slope:
            least, best = size, trial
        else:
            return trial
        size = (least + most) / 2 if most < inf else 2 * least
    return best
