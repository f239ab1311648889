"""What a fit says about how it goes."""

import logging
import sys
from collections import deque

import numpy as np

log = logging.getLogger("fastcore.hmm")


class ConvergenceMonitor:
    """Log-likelihoods of a fit's iterations, and whether it may stop.

    Parameters
    ----------
    tol : float
        An iteration that gains less ends the fit.
    n_iter : int
        Most iterations.
    verbose : bool
        Whether each iteration is printed to ``sys.stderr``: its number, log-likelihood and gain.

    Attributes
    ----------
    history : deque of float
        The log-likelihood before each iteration's update.
    iter : int
        Iterations made.

    Notes
    -----
    As in hmmlearn, a model's `monitor_` may be replaced before `fit` by an object of a subclass with another
    `converged`.

    Examples
    --------
    >>> from fastcore.hmm import ConvergenceMonitor
    >>> monitor = ConvergenceMonitor(tol=0.1, n_iter=10, verbose=False)
    >>> for log_prob in (-20.0, -12.0, -11.95):
    ...     monitor.report(log_prob)
    >>> monitor.converged
    True
    """

    def __init__(self, tol: float, n_iter: int, verbose: bool) -> None:
        self.tol = tol
        self.n_iter = n_iter
        self.verbose = verbose
        self.history: deque[float] = deque()
        self.iter = 0

    def __repr__(self) -> str:
        entries = {**vars(self), "history": list(self.history)}
        return f"{type(self).__name__}({', '.join(f'{key}={entries[key]!r}' for key in sorted(entries))})"

    def _reset(self) -> None:
        self.iter = 0
        self.history.clear()

    def report(self, log_prob: float) -> None:
        """Take the log-likelihood of one more iteration; a fall is logged as a warning."""
        gain = log_prob - self.history[-1] if self.history else np.nan
        if self.verbose:
            print(f"{self.iter + 1:>10d} {log_prob:>16.8f} {gain:>+16.8f}", file=sys.stderr)
        if gain < -np.sqrt(np.finfo(float).eps):
            log.warning("the log-likelihood fell from %r to %r: the model isn't converging", self.history[-1], log_prob)
        self.history.append(log_prob)
        self.iter += 1

    @property
    def converged(self) -> bool:
        """Whether the fit may stop: all iterations are made, or the last one gained less than `tol`."""
        return self.iter == self.n_iter or self._settled

    @property
    def _settled(self) -> bool:
        return len(self.history) >= 2 and self.history[-1] - self.history[-2] < self.tol
