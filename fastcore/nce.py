"""Noise contrastive estimation: unnormalised models fitted by telling data from noise; alias sampling.

Sources: Gutmann and Hyvärinen, *Noise-contrastive estimation of unnormalized statistical models*, JMLR 13
(2012) 307-361; Walker, *An efficient method for generating discrete random variables*, ACM TOMS 3 (1977);
Vose, *A linear algorithm for generating random numbers with a given distribution*, IEEE TSE 17 (1991).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._backend import active_backend, kernels
from ._labelled import columns_of, in_order, is_table
from ._noise import Mixture, NoiseLike, noise_of
from ._public import at_home
from ._random import RNG, stream_key
from ._softmax import Softmax, fit_softmax
from ._validation import as_index, as_list, as_number, as_real
from ._workers import Workers, call_kernel, check_workers, n_threads, run

if TYPE_CHECKING:
    from .embeddings import CBOW, SkipGram

__all__ = [
    "CBOW",
    "AliasSampler",
    "ExponentialFamily",
    "FittedModel",
    "Mixture",
    "SkipGram",
    "Softmax",
    "fit",
    "fit_softmax",
]

at_home(__name__, Mixture, Softmax, fit_softmax)

Array: TypeAlias = NDArray[np.float64]
Features: TypeAlias = Callable[[Array], ArrayLike] | Sequence[Callable[[Array], ArrayLike]]

# Draws that share one group of random streams, the same in both kernels.
_CHUNK = 65536
# Draws of one call: their bytes are a number.
_MOST = (2**63 - 1) // 4
# Spread of a feature at most, and its inverse at least: parameters have variances of its inverse square.
_WIDEST = 1e150
# Below this curvature or loss a row, data and noise are told apart with certainty.
_CERTAIN = 1e-8
# What a sum of losses may be off by, relative to it: the last step is too small to be seen.
_ROUNDING = 1e-13
_APART = "the loss has no minimum: the noise is so far from the data that they can be told apart perfectly"
# The first step of a central difference, of parameters of the size of 1, and how often others are tried.
_STEP, _TRIED = 6e-6, 8
# Rows of one task of a sum over rows: fixed, so that sums don't depend on the number of workers.
_ROWS = 1 << 17


def __getattr__(name: str) -> Any:
    # Embeddings are on this domain, so they are imported after it and only when asked for.
    if name in ("CBOW", "SkipGram"):
        from importlib import import_module

        return getattr(import_module(".embeddings", __package__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class AliasSampler:
    """Draw outcomes 0..n-1 with given weights, in constant time a draw.

    Parameters
    ----------
    weights : array_like, shape (n,)
        Non-negative, finite, not all zero; they need not sum to one. Outcomes are positions, whatever the labels of
        a Series.

    Raises
    ------
    TypeError
        If the weights aren't real numbers.
    ValueError
        If there are none, or a weight is negative, NaN or infinite, or all are zero.

    Notes
    -----
    O(n) to make, O(1) a draw: one 64-bit random word gives the column of the table and the coin that decides
    between its two outcomes. A probability is off by at most 2**-32 / n, an outcome of weight zero is never drawn.
    Draws 65536 c to 65536 (c + 1) - 1 come from the streams 8 c to 8 c + 7 in turn, so that the result depends
    on `rng` alone and is the same on both twins.

    Examples
    --------
    >>> from fastcore.nce import AliasSampler
    >>> sampler = AliasSampler([1, 0, 3])
    >>> sampler.draw(8, rng=1)
    array([2, 2, 2, 2, 2, 0, 2, 2], dtype=int32)
    """

    def __init__(self, weights: ArrayLike) -> None:
        self._backend = active_backend()
        w = as_real(weights, "weights", ndim=1, dtype=np.float64, inf=False)
        if not 0 < len(w) < 2**31:
            raise ValueError(f"weights must hold between 1 and 2**31 - 1 numbers, got {len(w)}")
        if w.min() < 0:
            raise ValueError(f"weights must not be negative, got {w.min()}")
        if not w.any():
            raise ValueError("weights must not all be zero")
        self._table: NDArray[np.uint64] = kernels("nce", self._backend).alias_table(w)

    def __len__(self) -> int:
        return len(self._table)

    def __repr__(self) -> str:
        return f"<AliasSampler of {len(self)} outcomes>"

    def draw(self, size: int | tuple[int, ...], rng: RNG = None, *, workers: Workers = 1) -> NDArray[np.int32]:
        """Draw an array of outcomes.

        Parameters
        ----------
        size : int or tuple of int
            Shape of the result.
        rng : None, int, SeedSequence or Generator
            Source of randomness (SPEC 7): an int repeats, the others move on.
        workers : int, executor or map-like callable, default 1
            Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

        Returns
        -------
        ndarray of int32

        Raises
        ------
        TypeError, ValueError
            If `size`, `rng` or `workers` isn't of that kind.
        """
        shape = tuple(as_index(s, "size") for s in (size if isinstance(size, tuple) else (size,)))
        total = as_index(math.prod(shape), "size", high=_MOST)
        key = stream_key(rng)
        per_task = _CHUNK * 64 if n_threads(workers) > 1 else max(total, 1)
        np.empty(total, np.int32)  # what doesn't fit into memory fails here, not over a list of as many tasks
        tasks = [
            ("nce", "alias_draw", self._backend, (self._table, key, start // _CHUNK, min(per_task, total - start)))
            for start in range(0, total, per_task)
        ]
        parts = run(call_kernel, tasks, workers)
        drawn = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int32), *parts])
        return np.asarray(drawn, np.int32).reshape(shape)


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A density fitted by noise contrastive estimation.

    Attributes
    ----------
    params : ndarray, shape (k,)
        The parameters.
    log_z : float
        Logarithm of the normalising constant, estimated along with them.
    stderr : ndarray, shape (k,)
        Asymptotic standard errors of `params`.
    log_z_stderr : float
        That of `log_z`.
    covariance : ndarray, shape (k + 1, k + 1)
        Asymptotic covariance of the parameters and, last, of `log_z`.
    loss : float
        The logistic loss at the solution, a data row.
    iterations : int
        Newton steps taken.
    columns : tuple of str or None
        Names of x's columns, if it was a table.
    """

    params: Array
    log_z: float
    stderr: Array
    log_z_stderr: float
    covariance: Array
    loss: float
    iterations: int
    _log_unnormalized: Callable[[Array, Array], Array] = field(repr=False)
    columns: tuple[str, ...] | None = None
    _width: tuple[int, ...] = field(default=(), repr=False)

    def logpdf(self, x: ArrayLike) -> Array:
        """Return the logarithm of the fitted density at each x.

        A table's columns are read by their names if the fit was to a table, else by position.

        Raises
        ------
        TypeError, ValueError
            If x isn't of the kind and number of columns that the fit was to.
        """
        if self.columns is not None and is_table(x):
            x = in_order(x, "x", self.columns, "columns")
        rows = as_real(x, "x", shape=(None, *self._width), dtype=np.float64)
        return self._log_unnormalized(self.params, rows) - self.log_z

    def __repr__(self) -> str:
        shown = ", ".join(f"{p:.5g} ± {s:.2g}" for p, s in zip(self.params, self.stderr))
        return f"<FittedModel params: {shown}; log_z: {self.log_z:.5g} ± {self.log_z_stderr:.2g}>"


class ExponentialFamily:
    """The densities exp(sum over i of theta_i f_i(x)) / Z(theta).

    Parameters
    ----------
    features : callable or sequence of callables
        One function of x that returns an array (n, k), or k functions that return (n,) each. They get x as it
        was given to `fit`, an array (n,) or (n, d) of float64.

    Examples
    --------
    The normal distribution is one; its parameters are 1 / (2 sigma**2) and mu / sigma**2:

    >>> import numpy as np
    >>> from fastcore.nce import ExponentialFamily
    >>> x = np.random.default_rng(0).normal(1.0, 2.0, 20_000)
    >>> model = ExponentialFamily([lambda x: -(x**2), lambda x: x]).fit(x, rng=0)
    >>> bool(np.all(abs(model.params - [0.125, 0.25]) < 4 * model.stderr))
    True
    """

    def __init__(self, features: Features) -> None:
        if not callable(features):
            features = as_list(features, "features", "a function of x, or several of them")
            if not features or not all(callable(f) for f in features):
                raise TypeError("features must be a function of x, or several of them")
        self.features = features

    def evaluate(self, x: Array) -> Array:
        """Return the features of x, an array (n, k)."""
        x = as_real(x, "x", ndim=(1, 2), dtype=np.float64)
        if callable(self.features):
            values = as_real(self.features(x), "features(x)", ndim=(1, 2), dtype=np.float64, inf=False)
            values = values[:, None] if values.ndim == 1 else values
            if len(values) != len(x):
                raise ValueError(f"features(x) must have a row for each of {len(x)} x, got shape {values.shape}")
            return values
        columns = [as_real(f(x), f"features[{i}](x)", dtype=np.float64, inf=False) for i, f in enumerate(self.features)]
        for i, column in enumerate(columns):
            if column.shape != (len(x),):
                raise ValueError(f"features[{i}](x) must have shape ({len(x)},), got {column.shape}")
        return np.stack(columns, axis=1)

    def _log_unnormalized(self, theta: Array, x: Array) -> Array:
        energy: Array = self.evaluate(x) @ theta
        return energy

    def fit(
        self,
        x: ArrayLike,
        noise: NoiseLike = "gaussian",
        nu: int = 10,
        rng: RNG = None,
        *,
        max_iterations: int = 100,
        workers: Workers = 1,
    ) -> FittedModel:
        """Estimate the parameters and the normalising constant from samples.

        Parameters
        ----------
        x : array_like, shape (n,) or (n, d)
            Independent samples; the order of a table's columns is theirs here, and `FittedModel.logpdf` keeps to it.
        noise : {"gaussian", "t", "uniform", "kde"}, distribution, pair, list or Mixture
            What the data is told from. A name: a normal distribution or Student's t (5 degrees of freedom) with the
            data's mean and covariance, a box a twentieth wider than the data on each side (the model is fitted as one
            on that box), or normal kernels at up to 500 of the data. Or an object with ``rvs(size=, random_state=)``
            and ``logpdf(x)`` (``logpmf(x)`` for discrete data), such as a frozen ``scipy.stats`` distribution; or a
            pair of functions, ``sampler(size, rng)`` and ``log_density(x)``. A list of these is a mixture with equal
            weights. It must have a density wherever the data may lie.
        nu : int, default 10
            Noise samples a data sample. More make the estimate more precise, towards maximum likelihood.
        rng : None, int, SeedSequence or Generator
            Source of randomness (SPEC 7): an int repeats, the others move on. For the noise.
        max_iterations : int, default 100
            Bound on Newton steps.
        workers : int, executor or map-like callable, default 1
            Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Tasks sum over samples.

        Returns
        -------
        FittedModel

        Raises
        ------
        TypeError, ValueError
            If an argument isn't of that kind or shape, has NaN, or a feature isn't finite or its square isn't.
        RuntimeError
            If the loss has no minimum: data and noise can be told apart perfectly, or features depend linearly
            on each other (or on a constant, which is what log Z is for).

        Notes
        -----
        With G(u) = theta . f(u) - log Z - log q(u) - log nu, the logistic loss
        ``sum over data of log(1 + exp(-G)) + sum over noise of log(1 + exp(G))`` is convex in (theta, log Z), and
        Newton's method minimises it: O((1 + nu) n k**2) a step, two to seven steps, more if the model doesn't fit. It
        begins where the loss is least of theta = 0 and the members of the family nearest the noise and nearest the
        normal distribution with the data's mean and covariance (by least squares of logarithms; the latter's at the
        data). The covariance is that of Gutmann and Hyvärinen's theorem 3, ``inv(I) - (1 + 1/nu) e e^T`` over n, with I
        estimated by the loss's Hessian and e the unit vector of log Z.
        """
        limit = as_index(max_iterations, "max_iterations", low=1)
        check_workers(workers)
        data, drawn, log_ratio = _contrast(x, noise, nu, rng)
        # By features, along which NumPy sums several times as fast, and more exactly.
        values = np.ascontiguousarray(np.concatenate([self.evaluate(data), self.evaluate(drawn)]).T)
        constant = values.min(axis=1) == values.max(axis=1)
        if constant.any():
            raise RuntimeError(f"feature {int(np.argmax(constant))} is constant: log_z already stands for that")
        with np.errstate(over="ignore"):
            spread = values.std(axis=1)
        for i, width in enumerate(spread.tolist()):
            if not 1 / _WIDEST < width < _WIDEST:
                raise ValueError(
                    f"feature {i} must be in a unit in which its square is a number, got a spread of {width:.3g}"
                )
        # Newton's steps don't depend on a feature's origin and scale, but rounding does: what isn't told apart with
        # certainty lies where the data does, however wide the noise is.
        centre, scale = values[:, : len(data)].mean(axis=1), values[:, : len(data)].std(axis=1)
        scale = np.where(scale > 0, scale, spread)
        rows = np.ascontiguousarray(((values - centre[:, None]) / scale[:, None]).T)

        def objective(theta: Array) -> tuple[float, Array, Array]:
            return _logistic(rows, log_ratio, theta, len(data), workers)

        begin = min(_begins(rows, log_ratio, data, math.log(nu)), key=lambda at: objective(at)[0])
        theta, loss, hessian, steps = _minimise(objective, begin, limit)
        # c' = c + theta . centre, theta' = theta * scale.
        back = np.diag(np.append(1 / scale, 1.0))
        back[-1, :-1] = -centre / scale
        inverse = back @ _inverse(hessian) @ back.T
        named = columns_of(x, "x"), data.shape[1:]
        return _result(back @ theta, loss, inverse, len(data), nu, steps, self._log_unnormalized, *named)


def fit(
    log_unnormalized: Callable[[Array, Array], ArrayLike],
    x: ArrayLike,
    start: ArrayLike,
    noise: NoiseLike = "gaussian",
    nu: int = 10,
    rng: RNG = None,
    *,
    gradient: Callable[[Array, Array], ArrayLike] | None = None,
    log_z: float | None = None,
    max_iterations: int = 200,
    workers: Workers = 1,
) -> FittedModel:
    """Fit any unnormalised density by noise contrastive estimation.

    Parameters
    ----------
    log_unnormalized : callable
        ``log_unnormalized(theta, x)`` returns the logarithm of the unnormalised density at each x, shape (n,);
        minus infinity where there is none.
    x : array_like, shape (n,) or (n, d)
        Independent samples.
    start : array_like, shape (k,)
        The parameters to start from, by position: that is how `log_unnormalized` gets them.
    noise, nu, rng, workers
        As in `ExponentialFamily.fit`.
    gradient : callable, optional
        ``gradient(theta, x)`` returns the derivatives, shape (n, k). Default: central differences.
    log_z : float, optional
        The logarithm of the normalising constant to start from. Default: the one with which data and noise are as
        likely, on the average of their logarithms at `start`.
    max_iterations : int, default 200
        Bound on the steps.

    Returns
    -------
    FittedModel

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or the density is NaN, or zero at a data point.
    RuntimeError
        If no minimum of the loss is found.

    Notes
    -----
    The loss is that of `ExponentialFamily.fit`, no longer convex in general: the minimum found may be a local
    one. Each step is Newton's with the expected Hessian (Fisher scoring), halved until the loss falls.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore import nce
    >>> x = np.random.default_rng(0).logistic(2.0, 0.5, 5000)
    >>> def energy(theta, x):
    ...     z = (x - theta[0]) / np.exp(theta[1])
    ...     return -z - 2 * np.logaddexp(0, -z)
    >>> model = nce.fit(energy, x, [0.0, 0.0], rng=0)
    >>> bool(np.all(abs(model.params - [2.0, np.log(0.5)]) < 4 * model.stderr))
    True
    """
    if not callable(log_unnormalized):
        raise TypeError(f"log_unnormalized must be callable, got {type(log_unnormalized).__name__}")
    if gradient is not None and not callable(gradient):
        raise TypeError(f"gradient must be callable, got {type(gradient).__name__}")
    first = as_real(start, "start", ndim=1, dtype=np.float64, inf=False)
    if not len(first):
        raise ValueError("start must hold at least one parameter, got none")
    intercept = None if log_z is None else -as_number(log_z, "log_z")
    limit = as_index(max_iterations, "max_iterations", low=1)
    check_workers(workers)
    data, drawn, log_ratio = _contrast(x, noise, nu, rng)
    both = np.concatenate([data, drawn])
    energy = _Energy(log_unnormalized)
    slopes = _Slopes(energy, both, len(data)) if gradient is None else _Gradient(gradient, both)

    def objective(parameters: Array) -> tuple[float, Array, Array]:
        theta = parameters[:-1]
        if not np.isfinite(theta).all():
            return math.inf, parameters, parameters
        values = energy(theta, both)
        logits = values + log_ratio + parameters[-1]
        # A step may lead to where there is no density, or none of that kind: that is no place to stay at.
        if not np.isfinite(logits[: len(data)]).all() or not (logits < np.inf).all():
            return math.inf, parameters, parameters
        columns = slopes(theta, values)
        columns[logits == -np.inf] = 0.0  # noise where the model has no density: no loss and no gradient
        if not np.isfinite(columns).all():
            return math.inf, parameters, parameters
        return _logistic(columns, logits, np.zeros(len(parameters)), len(data), workers)

    logits = energy(first, both) + log_ratio
    if np.isnan(logits).any():
        raise ValueError("log_unnormalized(start, x) must not hold NaN")
    if np.isinf(logits[: len(data)]).any() or (logits == np.inf).any():
        raise ValueError("log_unnormalized(start, x) must be finite at every data point and nowhere plus infinity")
    begin = np.append(first, -np.mean(logits[np.isfinite(logits)]) if intercept is None else intercept)
    try:
        theta, loss, hessian, steps = _minimise(objective, begin, limit)
    except RuntimeError:
        # From a start far off Newton's steps may lead where nothing changes any more.
        near = _nearer(objective, begin, limit)
        if near is None:
            raise
        theta, loss, hessian, steps = _minimise(objective, near, limit)
    named = columns_of(x, "x"), data.shape[1:]
    return _result(theta, loss, _inverse(hessian), len(data), nu, steps, energy, *named)


@dataclass(frozen=True)
class _Energy:
    """A caller's function whose results are checked."""

    function: Callable[[Array, Array], ArrayLike]

    def __call__(self, theta: Array, x: Array) -> Array:
        values = as_real(self.function(theta.copy(), x), "log_unnormalized(theta, x)", dtype=np.float64, nan=True)
        if values.shape != (len(x),):
            raise ValueError(f"log_unnormalized(theta, x) must have shape ({len(x)},), got {values.shape}")
        return values


@dataclass(frozen=True)
class _Gradient:
    """A caller's derivatives, which are checked."""

    function: Callable[[Array, Array], ArrayLike]
    x: Array

    def __call__(self, theta: Array, values: Array) -> Array:
        given = self.function(theta.copy(), self.x)
        shape = len(self.x), len(theta)
        return as_real(given, "gradient(theta, x)", shape=shape, dtype=np.float64, nan=True)


class _Slopes:
    """Derivatives by central differences, in steps as long as the energy asks for.

    Of a parameter that moves the energies of data rows by r on average, a unit is 1 / r; they are rounded by some
    part of themselves, and of the parameter, that of the machine's numbers. A step of the cube root of that many units
    is off by about as much by its length as by rounding (Press et al., *Numerical Recipes*, 2007, section 5.7).
    """

    def __init__(self, energy: _Energy, x: Array, n_data: int) -> None:
        self.energy, self.x, self.n_data = energy, x, n_data
        self.steps = np.array(math.inf)  # none is known yet

    def __call__(self, theta: Array, values: Array) -> Array:
        plain = _STEP * np.maximum(1.0, np.abs(theta))
        # Those of the last theta, but none that could lead across 0.
        self.steps = np.where(self.steps <= np.maximum(plain, 1e-3 * np.abs(theta)), self.steps, plain)
        columns = np.empty((len(self.x), len(theta)))
        size = float(np.abs(values[: self.n_data]).mean())
        for j in range(len(theta)):
            for _ in range(_TRIED):
                step = float(self.steps[j])
                columns[:, j] = self.column(theta, j, step)
                self.steps[j] = self.better(columns[: self.n_data, j], size, float(theta[j]), step)
                if 0.1 * step < self.steps[j] < 10 * step:
                    break
        return columns

    def column(self, theta: Array, j: int, step: float) -> Array:
        """Derivatives by one parameter."""
        above, below = theta.copy(), theta.copy()
        above[j] += step
        below[j] -= step
        with np.errstate(invalid="ignore"):
            made: Array = (self.energy(above, self.x) - self.energy(below, self.x)) / (above[j] - below[j])
        return made

    def better(self, slopes: Array, size: float, theta: float, step: float) -> float:
        """How long a step should be, from the derivatives that one gave."""
        with np.errstate(over="ignore", invalid="ignore"):
            slope = float(np.abs(slopes).mean())
        if not slope < np.inf:
            return max(1e-3 * step, 8 * math.ulp(theta))  # it led too far
        rounding = math.ulp(1.0) * max(1.0, size + abs(theta) * slope)
        found = float(np.cbrt(3 * rounding)) / slope if slope > 0 else math.inf
        # Where nothing changes no step is long enough, and a long one leads to where nothing is a number.
        return min(found, max(1.0, 0.1 * abs(theta)))


def _contrast(x: ArrayLike, noise: NoiseLike, nu: int, rng: RNG) -> tuple[Array, Array, Array]:
    """Return the data, the noise, and -log(nu q) at both."""
    data = as_real(x, "x", ndim=(1, 2), dtype=np.float64, inf=False)
    nu = as_index(nu, "nu", low=1, high=1_000_000)
    if len(data) < 2 or not data.size:
        raise ValueError(f"x must hold at least 2 samples of one number or more, got shape {data.shape}")
    source = noise_of(noise, data)
    generator = np.random.default_rng(stream_key(rng))
    shape = (nu * len(data), *data.shape[1:])
    drawn = as_real(source.rvs(size=shape[0], random_state=generator), "the noise's rvs", dtype=np.float64, inf=False)
    if drawn.shape != shape:
        raise ValueError(f"the noise's rvs must have shape {shape}, got {drawn.shape}")
    both = np.concatenate([data, drawn])
    density = as_real(source.logpdf(both), "the noise's logpdf", shape=(len(both),), dtype=np.float64)
    if np.isinf(density).any():
        raise ValueError("the noise must have a density wherever there is data: its logpdf is infinite at some x")
    return data, drawn, -math.log(nu) - density


def _begins(rows: Array, log_ratio: Array, data: Array, log_nu: float) -> list[Array]:
    """Where Newton's method may begin: at 0, with logits of 0 on average, and where the model is nearest a density.

    These are the noise and, where the data lies, the normal distribution with its mean and covariance.
    """
    begins = [np.append(np.zeros(rows.shape[1]), -log_ratio.mean()), _nearest(rows, -log_nu - log_ratio)]
    with suppress(ValueError):  # no spread in some direction
        begins.append(_nearest(rows[: len(data)], noise_of("gaussian", data).logpdf(data)))
    return [begin for begin in begins if np.isfinite(begin).all()]


def _nearest(rows: Array, log_density: Array) -> Array:
    """Parameters and intercept by least squares of logarithms."""
    centre, mean = rows.mean(axis=0), log_density.mean()
    from_centre = rows - centre
    theta = np.linalg.lstsq(from_centre.T @ from_centre, from_centre.T @ (log_density - mean), rcond=None)[0]
    return np.append(theta, mean - centre @ theta)


def _logistic(rows: Array, offset: Array, theta: Array, n_data: int, workers: Workers) -> tuple[float, Array, Array]:
    """Sum the kernel's loss, gradient and Hessian over fixed chunks of rows, a data row."""
    backend = active_backend()
    tasks = [
        (
            "nce",
            "logistic",
            backend,
            (rows[i : i + _ROWS], offset[i : i + _ROWS], theta, min(max(n_data - i, 0), _ROWS)),
        )
        for i in range(0, len(rows), _ROWS)
    ]
    loss, gradient, hessian = 0.0, np.zeros(len(theta)), np.zeros((len(theta), len(theta)))
    for part in run(call_kernel, tasks, workers):
        loss += part[0]
        gradient += part[1]
        hessian += part[2]
    return loss / n_data, gradient / n_data, hessian / n_data


def _minimise(
    objective: Callable[[Array], tuple[float, Array, Array]], theta: Array, limit: int
) -> tuple[Array, float, Array, int]:
    """Minimise by Newton's method, each step halved until the loss falls enough."""
    loss, gradient, hessian = objective(theta)
    if not loss < math.inf:
        raise ValueError("the derivatives of log_unnormalized must be finite where the density isn't zero")
    for iteration in range(limit):
        if loss < _CERTAIN:
            raise RuntimeError(_APART)
        step = -_inverse(hessian, at_start=not iteration) @ gradient
        slope = float(gradient @ step)
        if -slope <= 1e-14 * loss:  # twice the loss that is still to be won
            return theta, loss, hessian, iteration
        size = 1.0
        while True:
            tried = objective(theta + size * step)
            if tried[0] <= loss + 1e-4 * size * slope + _ROUNDING * loss:
                break
            size /= 2
            if size < 1e-10:
                if -slope < 1e-9 * loss:  # as far as rounding lets it
                    return theta, loss, hessian, iteration
                raise RuntimeError(f"the fit stopped at a loss of {loss:.6g} without reaching a minimum: begin nearer")
        theta = theta + size * step
        loss, gradient, hessian = tried
    raise RuntimeError(f"the fit did not converge in max_iterations={limit} steps")


def _nearer(objective: Callable[[Array], tuple[float, Array, Array]], theta: Array, most: int) -> Array | None:
    """Where short steps lead, damped as Levenberg has it, from which Newton's method may do better; None if nowhere."""
    loss, gradient, hessian = objective(theta)
    damping, radius, began = 1e-3, 1.0, loss
    for _ in range(most):
        curvature = np.diag(hessian)
        damped = hessian + np.diag(damping * np.maximum(curvature, 1e-12 * max(float(curvature.max()), 1e-300)))
        step = -np.linalg.lstsq(damped, gradient, rcond=None)[0]
        # Parameters by no more than the radius, as large as they are; the intercept goes where it must.
        length = float((np.abs(step) / np.maximum(np.abs(theta), 1.0))[:-1].max(initial=0.0))
        if not length < np.inf:
            break
        step *= min(1.0, radius / length) if length > 0 else 1.0
        promised = -float(gradient @ step) - 0.5 * float(step @ hessian @ step)
        if not promised > 1e-9 * loss:
            break
        tried = objective(theta + step)
        won = (loss - tried[0]) / promised
        if won > 1e-3:
            theta = theta + step
            loss, gradient, hessian = tried
        radius = 2 * radius if won > 0.75 else radius if won > 0.25 else 0.25 * min(radius, length)
        if radius < 1e-12:
            break
    return theta if loss < began else None


def _inverse(hessian: Array, *, at_start: bool = False) -> Array:
    scale = np.sqrt(np.diag(hessian))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = hessian / np.outer(scale, scale)
    if np.isfinite(scaled).all() and np.linalg.eigvalsh(scaled)[0] >= 1e-13:
        inverse: Array = np.linalg.inv(scaled) / np.outer(scale, scale)
        return inverse
    # The intercept's curvature is the sum of p (1 - p): nothing if every row is told apart with certainty.
    if not hessian[-1, -1] > _CERTAIN:
        if at_start:
            raise RuntimeError(
                "the start is so far off that data and noise are told apart with certainty: begin nearer, or leave "
                "log_z out if it was given"
            )
        raise RuntimeError(_APART)
    raise RuntimeError(
        "the loss has no single minimum: the parameters depend on each other (or on a constant, which is log_z)"
    )


def _result(
    theta: Array,
    loss: float,
    inverse: Array,
    n: int,
    nu: int,
    steps: int,
    energy: Callable[[Array, Array], Array],
    columns: tuple[str, ...] | None,
    width: tuple[int, ...],
) -> FittedModel:
    covariance = inverse.copy()
    covariance[-1, -1] -= 1 + 1 / nu
    covariance[-1, :] *= -1  # from the intercept to log_z, which is minus it
    covariance[:, -1] *= -1
    covariance /= n
    stderr = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return FittedModel(
        params=theta[:-1],
        log_z=float(-theta[-1]),
        stderr=stderr[:-1],
        log_z_stderr=float(stderr[-1]),
        covariance=covariance,
        loss=loss,
        iterations=steps,
        _log_unnormalized=energy,
        columns=columns,
        _width=width,
    )
