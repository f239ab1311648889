"""The deterministic limit of reaction networks: solutions, sensitivities, fits.

Source: Su Jianlin, "Chemical reaction models", 2019 (mass action, and the competition of two species).
"""

from ._fit import Fit, equations, fit
from ._solve import Solution, solve

__all__ = ["Fit", "Solution", "equations", "fit", "solve"]

for _public in (Fit, Solution, equations, fit, solve):
    _public.__module__ = __name__
