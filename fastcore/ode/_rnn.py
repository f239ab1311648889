"""Equations fitted as a recurrent network is trained: Euler's steps, and Adam on the gradient through them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._progress import Progress, progress_bar
from .._validation import as_index, as_number
from ..reactions import ReactionNetwork
from ..reactions._states import State
from ._expressions import ExpressionSystem, a_network
from ._fit import Problem, free_names, start_and_bounds
from ._integrate import as_how
from ._measured import Experiment, measured

# Adam's memory of gradients and of their squares, and what keeps it from dividing by 0 (Kingma and Ba 2015).
_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8
_MOST_STEPS = 10_000_000
# Slopes above this have squares that overflow.
_STEEPEST = 1e150


@dataclass(frozen=True, repr=False)
class TrainedRNN:
    """What the training of equations as a recurrent network has reached.

    Attributes
    ----------
    params : dict of str to float
        The parameters with the least loss on the way.
    sse : float
        Sum of squared residuals of Euler's solution there.
    losses : ndarray of shape (n_iterations + 1,)
        The sums of squares on the way; NaN where the system couldn't be integrated.
    """

    params: dict[str, float]
    sse: float
    losses: NDArray[np.float64]

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.4g}" for name, value in self.params.items())
        return f"TrainedRNN({values}, sse={self.sse:.4g}, {len(self.losses) - 1} iterations)"


def euler_rnn(
    system: ReactionNetwork | ExpressionSystem,
    t: ArrayLike,
    data: Mapping[str, ArrayLike] | Any,
    *,
    x0: State | None = None,
    free: Sequence[str] | None = None,
    start: Mapping[str, float] | Any | None = None,
    step: float = 1.0,
    learning_rate: float = 0.001,
    n_iterations: int = 10_000,
    t0: float | None = None,
    progress: Progress = False,
) -> TrainedRNN:
    """Train equations as a recurrent network: a demonstration beside `fit`, which is faster and more exact.

    Euler's method, ``x += step * f(x)``, is a recurrent network whose weights are the parameters of f, and Adam follows
    the gradient of the squared residuals through all of its steps.

    Parameters
    ----------
    system : ReactionNetwork or ExpressionSystem
    t : array_like of shape (n_t,)
        Rising times of the measurements.
    data : mapping of str to array_like of shape (n_t,), or table
        Species to measured amounts, NaN where missing.
    x0 : mapping, array_like or None
        The state at `t0`; None is the system's own.
    free : sequence of str, optional
        Parameters to train, the others stay at the system's values. Default: all.
    start : mapping of str to float, optional
        Where to begin; default the system's values.
    step : float, default 1
        Length of Euler's steps.
    learning_rate : float, default 0.001
        How far Adam goes at a time.
    n_iterations : int, default 10000
        How often.
    t0 : float, optional
        When the state is `x0`. Default: the first of `t`.
    progress : bool or callable, default False
        True shows a bar (needs tqdm); a function is called with (done, total or None). Counted are iterations.

    Returns
    -------
    TrainedRNN

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used, or the start can't be integrated.

    Notes
    -----
    The gradient is that of the recursion, exactly: the sensitivities of Euler's steps are the derivatives of their
    result. Parameters that begin at or above 0 stay there. Where a step leads to parameters with which the recursion
    overflows, training goes back to the best so far and on with half the rate. Each iteration is one integration with
    sensitivities. Source: Su Jianlin (苏剑林), *貌离神合的RNN与ODE：花式RNN简介*, 2018,
    https://kexue.fm/archives/5643 (equations written as a recurrent network, trained by Adam); Kingma and Ba, *Adam*,
    ICLR 2015.

    Examples
    --------
    >>> from fastcore.ode import euler_rnn
    >>> from fastcore.reactions import ReactionNetwork
    >>> decay = ReactionNetwork("A -> 0 @ k; k = 1")
    >>> found = euler_rnn(decay, [0, 1, 2], {"A": [100, 61, 36]}, x0={"A": 100}, step=0.5, learning_rate=0.01,
    ...                   n_iterations=500)
    >>> round(found.params["k"], 2)
    0.45
    """
    network = a_network(system)
    network.without_events("ode.euler_rnn")
    names = free_names(network, free)
    run = measured(network, Experiment(t, data, x0, None, None, t0), names)
    length = as_number(step, "step", low=0, open_low=True)
    if run.span[1] - run.span[0] > _MOST_STEPS * length:
        raise ValueError(f"step must be so long that the measurements take at most {_MOST_STEPS:,} steps, got {length}")
    how = as_how("euler", 1e-6, 1e-9, 10**9, length, network.species, run.span)
    problem = Problem(network, names, False, (run,), how)
    if not problem.n:
        raise ValueError("data must hold at least 1 observation, got 0")
    rate = as_number(learning_rate, "learning_rate", low=0, open_low=True)
    turns = as_index(n_iterations, "n_iterations", low=1)
    theta = start_and_bounds(problem, start, None)[0]
    found = _loss(problem, theta)
    if found is None:
        raise ValueError("start must be values with which Euler's steps stay finite: begin nearer, or shorten step")
    lowest = np.where(theta < 0, -np.inf, 0.0)
    losses = np.full(turns + 1, np.nan)
    best, least = theta, math.inf
    mean, square, age = np.zeros(len(theta)), np.zeros(len(theta)), 0
    with progress_bar(progress, turns, "iterations") as report:
        for turn in range(turns + 1):
            if found is None:
                # Back, and on with half the rate.
                theta, rate = best, rate / 2
                mean, square, age = np.zeros(len(theta)), np.zeros(len(theta)), 0
                found = _loss(problem, theta)
                assert found is not None
            else:
                losses[turn] = found[0]
                if found[0] < least:
                    best, least = theta, found[0]
            if turn == turns:
                break
            gradient = found[1]
            age += 1
            mean = _FIRST * mean + (1 - _FIRST) * gradient
            square = _SECOND * square + (1 - _SECOND) * gradient**2
            size = np.sqrt(square / (1 - _SECOND**age)) + _TINY
            theta = np.maximum(theta - rate * mean / (1 - _FIRST**age) / size, lowest)
            found = _loss(problem, theta)
            report(1)
    return TrainedRNN(dict(zip(names, best.tolist())), least, losses)


def _loss(problem: Problem, theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]] | None:
    """The sum of squares and its gradient, or None where steps, or these, overflow."""
    found = problem.evaluate(theta)
    if found is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        loss, gradient = float(found[0] @ found[0]), 2 * found[1].T @ found[0]
    return (loss, gradient) if loss < np.inf and (np.abs(gradient) < _STEEPEST).all() else None
