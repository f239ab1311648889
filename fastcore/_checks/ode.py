"""Checks of the deterministic kernels."""

from __future__ import annotations

from typing import Any

from ..ode import as_scipy, jacobian, solve
from ..reactions import ReactionNetwork
from . import Check, largest_difference

# Oscillations keep the step short, so that steps are compared and not the calls around them.
_PREY = "X -> 2 X @ 1; X + Y -> 2 Y @ b; Y -> 0 @ 1; b = 0.01"


# Rates that are expressions of species and time, again oscillating.
_SEASONS = "X -> 2 X @ 1 + 0.3*sin(5*t); X + Y -> 2 Y @ b*X*Y/(1 + 0.001*X); Y -> 0 @ Y*sqrt(1 + 0.01*Y); b = 0.01"


def _seasons() -> ReactionNetwork:
    return ReactionNetwork(_SEASONS)


def _prey() -> ReactionNetwork:
    return ReactionNetwork(_PREY)


def _solved(method: str, sensitivities: bool, end: float) -> Any:
    def call(network: ReactionNetwork) -> Any:
        sol = solve(network, [50, 100], (0, end), [0, end], method=method, rtol=1e-9, sensitivities=sensitivities)
        return sol.x if sol.sensitivities is None else (sol.x, sol.sensitivities)

    return call


def _derived(network: ReactionNetwork) -> Any:
    functions = as_scipy(network)
    return functions.fun(0.5, [50.0, 100.0]), jacobian(network, [50, 100], 0.5)


# Both twins take the same steps; only compilers' rounding of constants could differ.
CHECKS = [
    Check("ode.solve, dopri5", _prey, _solved("dopri5", False, 60), largest_difference, 1e-12),
    Check("ode.solve, dopri5, sensitivities", _prey, _solved("dopri5", True, 30), largest_difference, 1e-12),
    Check("ode.solve, rodas4", _prey, _solved("rodas4", False, 10), largest_difference, 1e-12),
    Check("ode.solve, rodas4, sensitivities", _prey, _solved("rodas4", True, 5), largest_difference, 1e-12),
    Check("ode.solve, dop853, sensitivities", _prey, _solved("dop853", True, 20), largest_difference, 1e-12),
    Check("ode.solve, euler", _prey, _solved("euler", False, 30), largest_difference, 1e-12),
    Check("ode.solve, rk4, sensitivities", _prey, _solved("rk4", True, 30), largest_difference, 1e-12),
    Check("ode.jacobian", _seasons, _derived, largest_difference, 1e-13),
    Check("ode.solve, dopri5, expressions", _seasons, _solved("dopri5", True, 8), largest_difference, 1e-11),
    Check("ode.solve, rodas4, expressions", _seasons, _solved("rodas4", True, 3), largest_difference, 1e-11),
]
