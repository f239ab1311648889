"""Checks of the deterministic kernels."""

from __future__ import annotations

from typing import Any

from ..ode import solve
from ..reactions import ReactionNetwork
from . import Check, largest_difference

_COMPETITION = """
    X1 -> 2 X1 @ r1; 2 X1 -> X1 @ r1 * k1; X1 + X2 -> X2 @ a1
    X2 -> 2 X2 @ r2; 2 X2 -> X2 @ r2 * k2; X1 + X2 -> X1 @ a2
    r1 = 0.1; r2 = 0.3; a1 = 1e-4; a2 = 2e-4; k1 = 0.002; k2 = 0.003
"""


def _competition() -> ReactionNetwork:
    return ReactionNetwork(_COMPETITION)


def _solved(method: str, sensitivities: bool) -> Any:
    def call(network: ReactionNetwork) -> Any:
        sol = solve(network, [100, 150], (0, 42), method=method, rtol=1e-9, sensitivities=sensitivities)
        return sol.x if sol.sensitivities is None else (sol.x, sol.sensitivities)

    return call


# Both twins take the same steps; only compilers' rounding of constants could differ.
CHECKS = [
    Check("ode.solve, dopri5", _competition, _solved("dopri5", False), largest_difference, 1e-12),
    Check("ode.solve, dopri5, sensitivities", _competition, _solved("dopri5", True), largest_difference, 1e-12),
    Check("ode.solve, rodas4", _competition, _solved("rodas4", False), largest_difference, 1e-12),
    Check("ode.solve, rodas4, sensitivities", _competition, _solved("rodas4", True), largest_difference, 1e-12),
]
