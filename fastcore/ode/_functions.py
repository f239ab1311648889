"""Right-hand sides in Python, stepped by SciPy's solvers; every call ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_real

# SciPy's solver for each method, and how often its steps evaluate f at most: stages, or the turns of Newton's
# iterations, several a step; the evaluations for a Jacobian (one a component) come on top.
_SOLVERS = {"auto": ("LSODA", 20), "dopri5": ("RK45", 6), "rodas4": ("Radau", 60)}


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


def solve_function(
    function: Callable[..., ArrayLike],
    start: NDArray[np.float64],
    span: tuple[float, float],
    times: NDArray[np.float64],
    arguments: tuple[Any, ...],
    method: str,
    tolerances: tuple[float, float],
    max_steps: int,
) -> tuple[NDArray[np.float64], str, int]:
    """Return the state at each time (NaN where never reached), the status, and the number of evaluations."""
    slope = _Slope(function, start.shape, arguments)
    x = np.full((len(times), len(start)), np.nan)
    at = int(np.searchsorted(times, span[0], side="right"))
    x[:at] = start
    if span[0] == span[1]:
        return x, "finished", 0
    if not np.isfinite(slope(span[0], start)).all():
        return x, "not_finite", slope.n
    name, evaluations = _SOLVERS[method]
    slope.most = max_steps * (evaluations + len(start)) + 10
    try:
        status = _stepped(name, slope, start, span, times, at, tolerances, max_steps, x)
    except _Spent:
        status = "max_steps"
    except ValueError:
        # The function's own errors are the caller's; SciPy's matrices refuse what isn't finite.
        if slope.running:
            raise
        status = "not_finite"
    return x, status, slope.n


def _stepped(
    name: str,
    slope: _Slope,
    start: NDArray[np.float64],
    span: tuple[float, float],
    times: NDArray[np.float64],
    at: int,
    tolerances: tuple[float, float],
    max_steps: int,
    x: NDArray[np.float64],
) -> str:
    """Step to the end, fill `x` from row `at` on, and return the status."""
    import scipy.integrate

    rtol, atol = tolerances
    # What overflows in a trial step is a step to be made smaller, and what overflows for good is in the status.
    with np.errstate(all="ignore"):
        solver: Any = getattr(scipy.integrate, name)(slope, span[0], start, span[1], rtol=max(rtol, 1e-13), atol=atol)
        for _ in range(max_steps):
            before = solver.t
            solver.step()
            # LSODA goes on for ever where its step no longer changes the time.
            if solver.status == "failed" or (solver.status == "running" and solver.t == before):
                return "step_too_small" if np.isfinite(solver.y).all() else "not_finite"
            if not np.isfinite(solver.y).all():
                return "not_finite"
            until = int(np.searchsorted(times, solver.t, side="right"))
            if until > at:
                x[at:until] = solver.dense_output()(times[at:until]).T
                at = until
            if solver.status == "finished":
                return "finished"
    return "max_steps"
