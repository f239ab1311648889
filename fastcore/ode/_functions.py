"""Right-hand sides in Python, stepped by SciPy's solvers; every call ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_real
from ._integrate import How

# SciPy's solver for each method, and how often its steps evaluate f at most: stages, or the turns of Newton's
# iterations, several a step; the evaluations for a Jacobian (one a component) come on top.
_SOLVERS = {
    "auto": ("LSODA", 20),
    "dopri5": ("RK45", 6),
    "dop853": ("DOP853", 15),
    "rodas4": ("Radau", 60),
    "euler": ("", 1),
    "rk4": ("", 4),
}


class _Spent(Exception):
    """The evaluations that `max_steps` allows are used up."""


class _Slope:
    """A caller's f(t, x), its values checked and counted."""

    def __init__(self, function: Callable[..., ArrayLike], shape: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        self.function, self.shape, self.arguments = function, shape, arguments
        self.most: float = np.inf
        self.n = 0
        self.running = False

    def __call__(self, t: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.n >= self.most:
            raise _Spent
        self.n += 1
        self.running = True
        value = as_real(
            self.function(t, x, *self.arguments), "the value of f(t, x)", shape=self.shape, dtype=np.float64, nan=True
        )
        self.running = False
        return value


class _Fixed:
    """Steps of one length, with the interface of SciPy's solvers; between them a line, or a cubic if `fourth`."""

    def __init__(self, slope: _Slope, t: float, y: NDArray[np.float64], end: float, step: float, fourth: bool) -> None:
        self.slope, self.start, self.end, self.length, self.fourth = slope, t, end, step, fourth
        self.t, self.y, self.turn, self.status = t, y, 0, "running"
        self.here = slope(t, y)

    def step(self) -> None:
        self.turn += 1
        reached = self.start + self.turn * self.length
        last = reached + 1e-9 * self.length >= self.end
        reached = self.end if last else reached
        h, first = reached - self.t, self.here
        self.before = (self.t, self.y, first, h)
        if self.fourth and h > 0:
            second = self.slope(self.t + h / 2, self.y + h / 2 * first)
            third = self.slope(self.t + h / 2, self.y + h / 2 * second)
            fourth = self.slope(reached, self.y + h * third)
            self.y = self.y + h / 6 * (first + 2 * second + 2 * third + fourth)
        else:
            self.y = self.y + h * first
        self.t = reached
        self.here = self.slope(reached, self.y)
        self.status = "finished" if last else "running"

    def dense_output(self) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        t, y, slope, h = self.before
        after, end = self.y, self.here

        def between(times: NDArray[np.float64]) -> NDArray[np.float64]:
            share = ((times - t) / h)[:, None]
            if not self.fourth:
                return (y * (1 - share) + after * share).T
            difference = after - y
            bend = h * slope - difference
            found = y + share * (difference + (1 - share) * (bend + share * (difference - h * end - bend)))
            return np.where(share == 1, after, found).T

        return between


def solve_function(
    function: Callable[..., ArrayLike],
    start: NDArray[np.float64],
    span: tuple[float, float],
    times: NDArray[np.float64],
    arguments: tuple[Any, ...],
    how: How,
) -> tuple[NDArray[np.float64], str, int, list[float]]:
    """Return the state at each time (NaN where never reached), the status, the number of evaluations, ends of steps."""
    slope = _Slope(function, start.shape, arguments)
    x = np.full((len(times), len(start)), np.nan)
    at = int(np.searchsorted(times, span[0], side="right"))
    x[:at] = start
    if span[0] == span[1]:
        return x, "finished", 0, []
    if not np.isfinite(slope(span[0], start)).all():
        return x, "not_finite", slope.n, []
    name, evaluations = _SOLVERS[how.method]
    slope.most = how.limit * (evaluations + len(start)) + 10
    ends: list[float] = []
    try:
        status = _stepped(name, slope, start, span, times, at, how, x, ends)
    except _Spent:
        status = "max_steps"
    except ValueError:
        # The function's own errors are the caller's; SciPy's matrices refuse what isn't finite.
        if slope.running:
            raise
        status = "not_finite"
    return x, status, slope.n, ends


def _stepped(
    name: str,
    slope: _Slope,
    start: NDArray[np.float64],
    span: tuple[float, float],
    times: NDArray[np.float64],
    at: int,
    how: How,
    x: NDArray[np.float64],
    ends: list[float],
) -> str:
    """Step to the end, fill `x` from row `at` on and `ends` with the steps', and return the status."""
    import scipy.integrate

    # What overflows in a trial step is a step to be made smaller, and what overflows for good is in the status.
    with np.errstate(all="ignore"):
        solver: Any
        if name:
            options = {"rtol": max(how.rtol, 1e-13), "atol": how.atol}
            solver = getattr(scipy.integrate, name)(slope, span[0], start, span[1], **options)
        else:
            solver = _Fixed(slope, span[0], start, span[1], how.step, how.method == "rk4")
        for _ in range(how.limit):
            before = solver.t
            solver.step()
            # LSODA goes on for ever where its step no longer changes the time.
            if solver.status == "failed" or (solver.status == "running" and solver.t == before):
                return "step_too_small" if np.isfinite(solver.y).all() else "not_finite"
            if not np.isfinite(solver.y).all():
                return "not_finite"
            ends.append(float(solver.t))
            until = int(np.searchsorted(times, solver.t, side="right"))
            if until > at:
                x[at:until] = solver.dense_output()(times[at:until]).T
                at = until
            if solver.status == "finished":
                return "finished"
    return "max_steps"
