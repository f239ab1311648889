"""Hidden Markov models fitted by Baum-Welch, with hmmlearn's parameters, attributes and results.

A hidden Markov model goes from state to state by `transmat_`, beginning by `startprob_`, and shows an observation in
each: a symbol (`CategoricalHMM`), a vector of numbers (`GaussianHMM`) or of counts (`PoissonHMM`). `fit` finds
parameters that make the observations likely, `decode` the likeliest states, `score` the log-likelihood.
"""

from .._public import at_home
from ._categorical import CategoricalHMM
from ._gaussian import GaussianHMM
from ._monitor import ConvergenceMonitor
from ._poisson import PoissonHMM

__all__ = ["CategoricalHMM", "ConvergenceMonitor", "GaussianHMM", "PoissonHMM"]

at_home(__name__, CategoricalHMM, ConvergenceMonitor, GaussianHMM, PoissonHMM)
