"""States that show symbols."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .._backend import kernels
from .._validation import as_index, as_integers
from .._workers import Workers
from ._base import Array, HiddenMarkovModel, distribution, normalised
from ._monitor import ConvergenceMonitor
from ._steps import Expected, log_of


@dataclass(frozen=True)
class _Symbols:
    """Log-probabilities of symbols, (K, L)."""

    table: Array

    def scores(self, rows: tuple[Array, ...], backend: str) -> Array:
        found: Array = self.table.take(rows[0], axis=0)
        return found

    def sums(self, weights: Array, rows: tuple[Array, ...], backend: str) -> tuple[Array, ...]:
        return (kernels("hmm", backend).count_symbols(weights, rows[0], len(self.table)),)


# Probabilities of symbols in states: 1 GiB.
_MOST_CELLS = 1 << 27


class CategoricalHMM(HiddenMarkovModel):
    """Hidden Markov model whose states show symbols.

    Parameters
    ----------
    n_components : int
        States.
    startprob_prior, transmat_prior, emissionprob_prior : float or array_like
        Parameters of Dirichlet priors of `startprob_` and of the rows of `transmat_` and `emissionprob_`: one number
        or one each. 1 is no prior.
    n_features : int, optional
        Symbols; None: as many as the data of `fit` hold, or `emissionprob_` has.
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
        "e" `emissionprob_`. Others begin as they were set.
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
    emissionprob_ : ndarray, shape (L, K)
        Distribution of the symbols in each state.
    monitor_ : ConvergenceMonitor
        Log-likelihoods of the iterations of `fit`.

    Notes
    -----
    ``X`` holds integers from 0 on, of shape (N, 1) or (N,). Baum-Welch: each iteration makes the data likelier,
    until a local optimum. From the same start the log-likelihoods of all iterations are hmmlearn's, and so are the
    starts of an int seed. Sequences are answered in pieces by sums as small as the model, so memory beyond the data
    is that of the longest sequence. Source: Rabiner, *A tutorial on hidden Markov models*, Proceedings of the IEEE
    77 (1989).

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.hmm import CategoricalHMM
    >>> model = CategoricalHMM(2, init_params="")
    >>> model.startprob_ = [0.6, 0.4]
    >>> model.transmat_ = [[0.7, 0.3], [0.4, 0.6]]
    >>> model.emissionprob_ = [[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]]
    >>> log_prob, states = model.decode([[0], [1], [2], [2]])
    >>> states
    array([1, 0, 0, 0])
    >>> round(model.fit([[0], [1], [2], [2], [0]]).score([[0], [1], [2], [2], [0]]), 2) > -5.5
    True
    """

    _letters: ClassVar[dict[str, str]] = {"s": "startprob_", "t": "transmat_", "e": "emissionprob_"}
    emissionprob_: Array

    def __init__(
        self,
        n_components: int = 1,
        startprob_prior: ArrayLike = 1.0,
        transmat_prior: ArrayLike = 1.0,
        *,
        emissionprob_prior: ArrayLike = 1.0,
        n_features: int | None = None,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 10,
        tol: float = 1e-2,
        verbose: bool = False,
        params: str = "ste",
        init_params: str = "ste",
        implementation: str = "log",
        workers: Workers = 1,
    ) -> None:
        self.n_components = n_components
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.emissionprob_prior = emissionprob_prior
        self.n_features = n_features
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

    def _read(self, X: Any) -> tuple[Array, ...]:
        symbols = as_integers(X, "X", low=0)
        if symbols.ndim != 1 and (symbols.ndim != 2 or symbols.shape[1] != 1):
            raise ValueError(f"X must have shape (N, 1) or (N,), one symbol a row, got {symbols.shape}")
        return (symbols.reshape(-1),)

    def _match(self, rows: tuple[Array, ...], model: dict[str, Any]) -> None:
        size, most = model["emissionprob_"].shape[1], rows[0].max()
        if most >= size:
            raise ValueError(f"X must hold symbols below {size}, got {most}")

    def _started(self, given: dict[str, Any], rows: tuple[Array, ...]) -> dict[str, Array]:
        if "emissionprob_" in given:
            return {}
        given_size = given["n_features"]
        size = int(rows[0].max()) + 1 if given_size is None else as_index(given_size, "n_features", low=1)
        if size * len(given["startprob_"]) > _MOST_CELLS:
            raise ValueError(f"X must hold ids from 0 on that leave few out: {size} symbols are too many for a table")
        return {"emissionprob_": normalised(self._random().rand(len(given["startprob_"]), size))}

    def _check_emissions(self, model: dict[str, Any], states: int) -> None:
        table = np.atleast_2d(np.asarray(model["emissionprob_"]))
        size = table.shape[-1] if model["n_features"] is None else model["n_features"]
        model["emissionprob_"] = distribution(table, "emissionprob_", (states, size))

    def _emissions(self, model: dict[str, Any]) -> _Symbols:
        return _Symbols(np.ascontiguousarray(log_of(model["emissionprob_"]).T))

    def _maximised(self, model: dict[str, Any], expected: Expected, letters: str) -> dict[str, Array]:
        if "e" not in letters:
            return {}
        (seen,) = expected.sums
        return {"emissionprob_": normalised(np.maximum(self._prior("emissionprob_prior", seen.shape) - 1 + seen, 0))}

    def _drawn(self, model: dict[str, Any], state: int, random: np.random.RandomState) -> list[int]:
        return [int((np.cumsum(model["emissionprob_"][state]) > random.rand()).argmax())]

    def _free(self, model: dict[str, Any]) -> dict[str, int]:
        states, size = model["emissionprob_"].shape
        return {"e": states * (size - 1)}
