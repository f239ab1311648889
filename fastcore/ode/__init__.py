"""The deterministic limit of reaction networks: solutions, sensitivities, fits.

Source: Su Jianlin (苏剑林), *貌离神合的RNN与ODE：花式RNN简介*, 2018, https://kexue.fm/archives/5643 (RNNs and ODEs,
unlike in looks and one at heart; the competition of two species).
"""

from .._public import at_home
from ._events import Event
from ._expressions import ExpressionSystem, Functions, as_scipy, jacobian
from ._fit import Fit, equations, fit
from ._measured import Experiment
from ._polynomial import PolynomialSystem
from ._profile import Profile
from ._rnn import TrainedRNN, euler_rnn
from ._solve import Solution, solve
from ._steady import SteadyState, steady_state

__all__ = [
    "Event",
    "Experiment",
    "ExpressionSystem",
    "Fit",
    "Functions",
    "PolynomialSystem",
    "Profile",
    "Solution",
    "SteadyState",
    "TrainedRNN",
    "as_scipy",
    "equations",
    "euler_rnn",
    "fit",
    "jacobian",
    "solve",
    "steady_state",
]

at_home(__name__, Event, Experiment, ExpressionSystem, Fit, Functions)
at_home(__name__, PolynomialSystem, Profile, Solution, SteadyState, TrainedRNN)
at_home(__name__, as_scipy, equations, euler_rnn, fit, jacobian, solve, steady_state)
