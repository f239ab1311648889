"""States that show counts."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .._backend import kernels
from .._validation import as_real
from .._workers import Workers
from ._base import Array, HiddenMarkovModel, check_columns
from ._monitor import ConvergenceMonitor
from ._steps import Expected, log_of

# Larger floats are no longer all whole numbers.
_LARGEST = 2.0**53


@dataclass(frozen=True)
class _Counts:
    """Rates, (L, D)."""

    rates: Array

    def scores(self, rows: tuple[Array, ...], backend: str) -> Array:
        counts, taken = rows
        found: Array = kernels("hmm", backend).poisson_scores(
            counts, log_of(self.rates), -self.rates.sum(axis=1), taken
        )
        return found

    def sums(self, weights: Array, rows: tuple[Array, ...], backend: str) -> tuple[Array, ...]:
        found = kernels("hmm", backend).weighted_sums(weights, rows[0], np.zeros_like(self.rates), 0)
        return found[0], found[1]


class PoissonHMM(HiddenMarkovModel):
    """Hidden Markov model whose states show counts, each feature a Poisson variable of its own.

    Parameters
    ----------
    n_components : int
        States.
    startprob_prior, transmat_prior : float or array_like
        Parameters of Dirichlet priors of `startprob_` and of the rows of `transmat_`: one number or one each. 1 is no
        prior.
    lambdas_prior, lambdas_weight : float or array_like
        Shape and rate of a gamma prior of `lambdas_`; 0 is none.
    algorithm : {"viterbi", "map"}
        What `decode` and `predict` do.
    random_state : RandomState or int, optional
        Random numbers of starts and draws; an int gives the same each time.
    n_iter : int
        Most iterations of `fit`.
    tol : float
        An iteration that gains less log-likelihood ends `fit`.
    verbose : bool
        Whether `fit` prints its iterations to ``sys.stderr``.
    params, init_params : str
        Parameters that `fit` updates, and that it draws at its start: "s" `startprob_`, "t" `transmat_`,
        "l" `lambdas_`. Others begin as they were set.
    implementation : {"log", "scaling"}
        As in hmmlearn; both mean the same here: scaled, and exact where that would underflow.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Attributes
    ----------
    startprob_ : ndarray, shape (L,)
        Distribution of the first state.
    transmat_ : ndarray, shape (L, L)
        Row i is the distribution of what follows state i; zeros where nothing was seen to follow.
    lambdas_ : ndarray, shape (L, D)
        Mean of each feature in each state.
    monitor_ : ConvergenceMonitor
        Log-likelihoods of the iterations of `fit`.

    Notes
    -----
    ``X`` holds whole numbers from 0 on, of shape (N, D). Fitted by Baum-Welch, as `CategoricalHMM` is; a state that no
    observation belongs to keeps its rates.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.hmm import PoissonHMM
    >>> counts = [[1], [0], [2], [9], [12], [8], [1], [1]]
    >>> model = PoissonHMM(2, random_state=0, n_iter=50).fit(counts)
    >>> np.sort(model.lambdas_.round(), axis=0).ravel()
    array([ 1., 10.])
    """

    _letters: ClassVar[dict[str, str]] = {"s": "startprob_", "t": "transmat_", "l": "lambdas_"}
    lambdas_: Array

    def __init__(
        self,
        n_components: int = 1,
        startprob_prior: ArrayLike = 1.0,
        transmat_prior: ArrayLike = 1.0,
        lambdas_prior: ArrayLike = 0.0,
        lambdas_weight: ArrayLike = 0.0,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 10,
        tol: float = 1e-2,
        verbose: bool = False,
        params: str = "stl",
        init_params: str = "stl",
        implementation: str = "log",
        *,
        workers: Workers = 1,
    ) -> None:
        self.n_components = n_components
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.lambdas_prior = lambdas_prior
        self.lambdas_weight = lambdas_weight
        self.algorithm = algorithm
        self.random_state = random_state
        self.n_iter = n_iter
        self.tol = tol
        self.verbose = verbose
        self.params = params
        self.init_params = init_params
        self.implementation = implementation
        self.workers = workers
        self.monitor_ = ConvergenceMonitor(tol, n_iter, verbose)

    @property
    def n_features(self) -> int:
        """Numbers an observation has."""
        return int(self._snapshot()["lambdas_"].shape[1])

    def _read(self, X: Any) -> tuple[Array, ...]:
        from scipy.special import gammaln

        counts = as_real(X, "X", ndim=2, dtype=np.float64, inf=False)
        if counts.shape[1] == 0:
            raise ValueError("X must have at least one column")
        if (counts < 0).any() or (counts != np.floor(counts)).any():
            raise ValueError("X must hold counts: whole numbers, at least 0")
        if counts.max(initial=0.0) > _LARGEST:
            raise ValueError(f"X must hold counts up to {_LARGEST:.3g}, got one of {counts.max():.3g}")
        return counts, gammaln(counts + 1).sum(axis=1)

    def _match(self, rows: tuple[Array, ...], model: dict[str, Any]) -> None:
        check_columns(rows[0], model, "lambdas_")

    def _started(self, given: dict[str, Any], rows: tuple[Array, ...]) -> dict[str, Array]:
        if "lambdas_" in given:
            return {}
        counts, shape = rows[0], (len(given["startprob_"]), rows[0].shape[1])
        mean, variance = counts.mean(), counts.var()
        if variance == 0:
            # All counts are the same, which no gamma distribution is: states that differ a little.
            return {"lambdas_": (mean + (mean == 0)) * self._random().uniform(0.9, 1.1, shape)}
        # A gamma distribution with the mean and the variance of the counts.
        return {"lambdas_": self._random().gamma(mean**2 / variance, variance / mean, shape)}

    def _check_emissions(self, model: dict[str, Any], states: int) -> None:
        rates = np.atleast_2d(as_real(model["lambdas_"], "lambdas_", dtype=np.float64, inf=False))
        if rates.ndim != 2 or len(rates) != states or rates.shape[1] == 0:
            raise ValueError(f"lambdas_ must have shape ({states}, D), got {rates.shape}")
        if (rates < 0).any():
            raise ValueError(f"lambdas_ must not be negative, got {rates.min()}")
        model["lambdas_"] = rates

    def _emissions(self, model: dict[str, Any]) -> _Counts:
        return _Counts(model["lambdas_"])

    def _maximised(self, model: dict[str, Any], expected: Expected, letters: str) -> dict[str, Array]:
        if "l" not in letters:
            return {}
        weights, seen = expected.sums
        rows = weights.sum()
        shape = self._prior("lambdas_prior", seen.shape)
        rate = self._prior("lambdas_weight", seen.shape)
        held = weights[:, None] > 0
        means = np.divide(seen, weights[:, None], out=model["lambdas_"].copy(), where=held)
        return {"lambdas_": (shape + rows * means) / (rate + rows)}

    def _drawn(self, model: dict[str, Any], state: int, random: np.random.RandomState) -> Any:
        return random.poisson(model["lambdas_"][state])

    def _free(self, model: dict[str, Any]) -> dict[str, int]:
        states, size = model["lambdas_"].shape
        return {"l": states * size}
