"""States that show vectors of numbers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .._backend import kernels
from .._validation import as_choice, as_number, as_real
from .._workers import Workers
from ._base import Array, HiddenMarkovModel, check_columns
from ._monitor import ConvergenceMonitor
from ._starts import cluster_centers
from ._steps import Expected

TYPES = ("spherical", "diag", "full", "tied")
# What is added to the diagonal of a covariance that has lost its definiteness, once, as hmmlearn does.
LIFT = 1e-7


@dataclass(frozen=True)
class _Normal:
    """Means (L, D), and what measures the distance from them: precisions (L, D) or factors (L, D, D)."""

    means: Array
    measures: Array
    constants: Array
    order: int  # of the moments that a covariance is made of

    def scores(self, rows: tuple[Array, ...], backend: str) -> Array:
        kernel = kernels("hmm", backend)
        measure = kernel.diagonal_scores if self.measures.ndim == 2 else kernel.full_scores
        found: Array = measure(rows[0], self.means, self.measures, self.constants)
        return found

    def sums(self, weights: Array, rows: tuple[Array, ...], backend: str) -> tuple[Array, ...]:
        found: tuple[Array, ...] = kernels("hmm", backend).weighted_sums(weights, rows[0], self.means, self.order)
        return found


# Squares of larger numbers are near infinity.
_LARGEST = 1e150


class GaussianHMM(HiddenMarkovModel):
    """Hidden Markov model whose states show normally distributed vectors.

    Parameters
    ----------
    n_components : int
        States.
    covariance_type : {"spherical", "diag", "full", "tied"}
        Whether a state has one variance, one a feature, or a covariance matrix, or all states have one matrix.
    min_covar : float
        Added to the variances that a fit begins with.
    startprob_prior, transmat_prior : float or array_like
        Parameters of Dirichlet priors of `startprob_` and of the rows of `transmat_`: one number or one each. 1 is no
        prior.
    means_prior, means_weight : float or array_like
        Mean and precision of a normal prior of `means_`; precision 0 is none.
    covars_prior, covars_weight : float or array_like
        Parameters of an inverse gamma or inverse Wishart prior of `covars_`; `covars_weight` is a number.
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
        Parameters that `fit` updates, and that it draws at its start: "s" `startprob_`, "t" `transmat_`, "m" `means_`,
        "c" `covars_`. Others begin as they were set.
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
    means_ : ndarray, shape (L, D)
        Mean of each state.
    monitor_ : ConvergenceMonitor
        Log-likelihoods of the iterations of `fit`.

    Notes
    -----
    ``X`` holds finite numbers, of shape (N, D). Fitted by Baum-Welch, as `CategoricalHMM` is: from the same start the
    log-likelihoods of all iterations are hmmlearn's. Means begin at the best of ten runs of k-means over at most 20,000
    rows; hmmlearn's are scikit-learn's, so set `means_` (and leave "m" out of `init_params`) to begin where it does.
    Moments are taken about each state's last mean, so that data far from 0 lose nothing. A state that no observation
    belongs to keeps its mean and covariance.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.hmm import GaussianHMM
    >>> rng = np.random.default_rng(0)
    >>> states = np.repeat([0, 1, 0], 100)
    >>> X = np.array([[-2.0], [2.0]])[states] + rng.normal(size=(300, 1))
    >>> model = GaussianHMM(2, random_state=0, n_iter=50).fit(X)
    >>> np.sort(model.means_.round(1), axis=0).ravel()
    array([-2. ,  1.9])
    >>> found = model.predict(X)
    >>> int((np.diff(found) != 0).sum())
    2
    """

    _letters: ClassVar[dict[str, str]] = {"s": "startprob_", "t": "transmat_", "m": "means_", "c": "_covars_"}
    means_: Array
    _covars_: Array

    def __init__(
        self,
        n_components: int = 1,
        covariance_type: str = "diag",
        min_covar: float = 1e-3,
        startprob_prior: ArrayLike = 1.0,
        transmat_prior: ArrayLike = 1.0,
        means_prior: ArrayLike = 0,
        means_weight: ArrayLike = 0,
        covars_prior: ArrayLike = 1e-2,
        covars_weight: float = 1,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 10,
        tol: float = 1e-2,
        verbose: bool = False,
        params: str = "stmc",
        init_params: str = "stmc",
        implementation: str = "log",
        *,
        workers: Workers = 1,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.min_covar = min_covar
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.means_prior = means_prior
        self.means_weight = means_weight
        self.covars_prior = covars_prior
        self.covars_weight = covars_weight
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
        return int(self._snapshot()["means_"].shape[1])

    @property
    def covars_(self) -> Array:
        """Covariance matrix of each state, (L, D, D).

        To be set in the form of `covariance_type`: ``(L,)`` for "spherical", ``(L, D)`` for "diag", ``(L, D, D)`` for
        "full", ``(D, D)`` for "tied".
        """
        model = self._snapshot()
        return _matrices(model["_covars_"], self.covariance_type, *model["means_"].shape)

    @covars_.setter
    def covars_(self, covars: ArrayLike) -> None:
        array = as_real(covars, "covars_", dtype=np.float64, inf=False)
        dimensions = {"spherical": (1, 2), "diag": (2,), "full": (3,), "tied": (2,)}[
            as_choice(self.covariance_type, "covariance_type", TYPES)
        ]
        if array.ndim not in dimensions:
            raise ValueError(
                f"covars_ of type {self.covariance_type!r} must have {dimensions[0]} dimensions, got {array.shape}"
            )
        _check_covariances(array, self.covariance_type)
        self._covars_ = array.copy()

    def _read(self, X: Any) -> tuple[Array, ...]:
        rows = as_real(X, "X", ndim=2, dtype=np.float64, inf=False)
        if rows.shape[1] == 0:
            raise ValueError("X must have at least one column")
        most = float(np.abs(rows).max(initial=0.0))
        if most > _LARGEST:
            raise ValueError(f"X must hold numbers up to {_LARGEST:.0e}, got one of {most:.3g}")
        return (rows,)

    def _match(self, rows: tuple[Array, ...], model: dict[str, Any]) -> None:
        check_columns(rows[0], model, "means_")

    def _started(self, given: dict[str, Any], rows: tuple[Array, ...]) -> dict[str, Array]:
        (x,), states, new = rows, len(given["startprob_"]), {}
        if "means_" not in given:
            new["means_"] = cluster_centers(x, states, self._random())
        if "_covars_" not in given:
            size = x.shape[1]
            spread = np.atleast_2d(np.cov(x.T)) if len(x) > 1 else np.zeros((size, size))
            spread = spread + as_number(self.min_covar, "min_covar", low=0) * np.eye(size)
            new["_covars_"] = _begun(spread, as_choice(self.covariance_type, "covariance_type", TYPES), states)
        return new

    def _check_emissions(self, model: dict[str, Any], states: int) -> None:
        kind = as_choice(self.covariance_type, "covariance_type", TYPES)
        means = as_real(model["means_"], "means_", ndim=2, dtype=np.float64, inf=False)
        if len(means) != states or means.shape[1] == 0:
            raise ValueError(f"means_ must have shape ({states}, D), got {means.shape}")
        size, covars = means.shape[1], model["_covars_"]
        shapes = {
            "spherical": ((states,), (states, 1), (states, size)),
            "diag": ((states, size),),
            "full": ((states, size, size),),
            "tied": ((size, size),),
        }[kind]
        if covars.shape not in shapes:
            raise ValueError(f"covars_ of type {kind!r} must have shape {shapes[0]}, got {covars.shape}")
        model["means_"] = means

    def _emissions(self, model: dict[str, Any]) -> _Normal:
        means, covars = model["means_"], model["_covars_"]
        states, size = means.shape
        if self.covariance_type in ("spherical", "diag"):
            variances = np.broadcast_to(covars[:, None] if covars.ndim == 1 else covars, means.shape)
            variances = np.maximum(variances, np.finfo(float).tiny)
            constants = -0.5 * (size * np.log(2 * np.pi) + np.log(variances).sum(axis=1))
            return _Normal(means, 1 / variances, constants, 1)
        measures, constants = np.empty((states, size, size)), np.empty(states)
        for state in range(states):
            if state and covars.ndim == 2:
                measures[state], constants[state] = measures[0], constants[0]
                continue
            root = _root(covars if covars.ndim == 2 else covars[state], state)
            measures[state] = np.tril(np.linalg.inv(root))
            constants[state] = -0.5 * size * np.log(2 * np.pi) - np.log(np.diagonal(root)).sum()
        return _Normal(means, measures, constants, 2)

    def _maximised(self, model: dict[str, Any], expected: Expected, letters: str) -> dict[str, Array]:
        weights, first, second = expected.sums
        old, new = model["means_"], {}
        held = weights[:, None]
        prior, precision = (self._prior(n, old.shape, low) for n, low in (("means_prior", None), ("means_weight", 0.0)))
        if "m" in letters:
            divisor = precision + held
            steps = np.divide(first + precision * (prior - old), divisor, out=np.zeros_like(old), where=divisor > 0)
            new["means_"] = old + steps
        if "c" in letters:
            means = new.get("means_", old)
            new["_covars_"] = self._covariances(model, means, prior, precision, weights, first, second)
        return new

    def _covariances(
        self,
        model: dict[str, Any],
        means: Array,
        prior: Array,
        precision: Array,
        weights: Array,
        first: Array,
        second: Array,
    ) -> Array:
        """Moments about the old means, moved to the new ones; with the prior's parameters as hmmlearn uses them."""
        size = means.shape[1]
        steps, off, held = means - model["means_"], means - prior, weights[:, None]
        weight = as_number(self.covars_weight, "covars_weight", low=0)
        if self.covariance_type in ("spherical", "diag"):
            moments = precision * off**2 + second - 2 * steps * first + steps**2 * held
            divisor = np.maximum(max(weight - 1, 0) + held, 1e-5)
            found: Array = (self._prior("covars_prior", means.shape, 0.0) + np.maximum(moments, 0)) / divisor
            if self.covariance_type == "spherical":
                found = np.tile(found.mean(axis=1)[:, None], (1, size))
            return found
        cross = steps[:, :, None] * first[:, None, :]
        moments = (precision * off)[:, :, None] * off[:, None, :] + second - cross - cross.transpose(0, 2, 1)
        moments += steps[:, :, None] * steps[:, None, :] * weights[:, None, None]
        weight = max(weight - size, 0)
        if self.covariance_type == "tied":
            tied: Array = (self._prior("covars_prior", (size, size), 0.0) + moments.sum(axis=0)) / (
                weight + weights.sum()
            )
            return tied
        divisor = (weight + weights)[:, None, None]
        # Less than a millionth of an observation says nothing of a matrix.
        full: Array = np.divide(
            self._prior("covars_prior", moments.shape, 0.0) + moments,
            divisor,
            out=model["_covars_"].copy(),
            where=divisor > 1e-6,
        )
        return full

    def _drawn(self, model: dict[str, Any], state: int, random: np.random.RandomState) -> Any:
        means, covars = model["means_"], model["_covars_"]
        if covars.ndim == 2 and self.covariance_type == "tied":
            return random.multivariate_normal(means[state], covars)
        matrix = _matrices(covars[state : state + 1], self.covariance_type, 1, means.shape[1])[0]
        return random.multivariate_normal(means[state], matrix)

    def _free(self, model: dict[str, Any]) -> dict[str, int]:
        states, size = model["means_"].shape
        covariances = {
            "spherical": states,
            "diag": states * size,
            "full": states * size * (size + 1) // 2,
            "tied": size * (size + 1) // 2,
        }
        return {"m": states * size, "c": covariances[self.covariance_type]}


def _begun(spread: Array, kind: str, states: int) -> Array:
    """The covariance of all data in the form of a type."""
    if kind == "tied":
        return spread
    if kind == "full":
        return np.tile(spread, (states, 1, 1))
    variances = np.diagonal(spread)
    if kind == "spherical":
        # hmmlearn's mean is of the whole matrix, which may not be positive.
        variances = np.full(len(spread), spread.mean() if spread.mean() > 0 else variances.mean())
    return np.tile(variances, (states, 1))


def _matrices(covars: Array, kind: str, states: int, size: int) -> Array:
    """Covariances of any type as a matrix a state."""
    if kind == "full":
        return covars.copy()
    if kind == "tied":
        return np.tile(covars, (states, 1, 1))
    variances = np.broadcast_to(covars[:, None] if covars.ndim == 1 else covars, (states, size))
    return np.stack([np.diag(row) for row in variances])


def _check_covariances(covars: Array, kind: str) -> None:
    """Refuse what isn't a covariance."""
    if kind in ("spherical", "diag"):
        if (covars <= 0).any():
            raise ValueError(f"covars_ of type {kind!r} must be positive, got {covars.min()}")
        return
    for state, matrix in enumerate(covars if kind == "full" else covars[None]):
        of = f"covars_[{state}]" if kind == "full" else "covars_"
        if matrix.shape[0] != matrix.shape[1] or not np.allclose(matrix, matrix.T):
            raise ValueError(f"{of} must be a symmetric matrix")
        if np.linalg.eigvalsh(matrix).min() <= 0:
            raise ValueError(f"{of} must be positive definite")


def _root(matrix: Array, state: int) -> Array:
    """Cholesky's lower factor of a covariance that may be about to degenerate."""
    for lift in (0.0, LIFT):
        try:
            found: Array = np.linalg.cholesky(matrix + lift * np.eye(len(matrix)))
            return found
        except np.linalg.LinAlgError:
            continue
    raise ValueError(
        f"covars_ of state {state} must be positive definite: it has degenerated, so fit fewer states or more data, or "
        "raise covars_prior"
    )
