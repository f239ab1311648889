"""The deterministic limit of reaction networks: solutions, sensitivities, fits.

Source: Su Jianlin (苏剑林), *貌离神合的RNN与ODE：花式RNN简介*, 2018, https://kexue.fm/archives/5643 (RNNs and ODEs,
unlike in looks and one at heart; the competition of two species).
"""

from .._public import at_home
from ._fit import Fit, equations, fit
from ._solve import Solution, solve

__all__ = ["Fit", "Solution", "equations", "fit", "solve"]

at_home(__name__, Fit, Solution, equations, fit, solve)
