"""Noise for noise contrastive estimation: distributions that can be drawn from and whose density is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._validation import as_real

Array: TypeAlias = NDArray[np.float64]

# Degrees of freedom of Student's t, as few as leave a fourth moment.
_FREEDOM = 5.0
# A box is this share of the data's range wider, on each side.
_ROUNDED = 1e-13
_MARGIN = 0.05
# Kernels of a density at most, and densities computed at a time.
_CENTRES = 500
_AT_ONCE = 4096


class Noise(Protocol):
    """What a noise distribution must offer; frozen distributions of ``scipy.stats`` do."""

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Any: ...

    def logpdf(self, x: Any) -> Any: ...


# A name, a distribution, a discrete one, a pair of functions, a list of these, or a `Mixture`.
NoiseLike: TypeAlias = Any


class Mixture:
    """A mixture of noises.

    Parameters
    ----------
    noises : sequence
        Kinds of noise as `ExponentialFamily.fit` takes them.
    weights : array_like of shape (m,), optional
        How often each is drawn; default all alike.

    Examples
    --------
    Normal noise in which a tenth has heavy tails:

    >>> import numpy as np
    >>> from fastcore.nce import ExponentialFamily, Mixture
    >>> x = np.random.default_rng(0).laplace(size=5000)
    >>> model = ExponentialFamily([lambda x: -abs(x)]).fit(x, Mixture(["gaussian", "t"], [0.9, 0.1]), rng=0)
    >>> bool(abs(model.params[0] - 1) < 4 * model.stderr[0])
    True
    """

    def __init__(self, noises: Sequence[Any], weights: ArrayLike | None = None) -> None:
        if isinstance(noises, str) or not isinstance(noises, Sequence) or not len(noises):
            raise TypeError(f"noises must be a list of at least one kind of noise, got {noises!r}")
        self.noises = tuple(noises)
        n = len(self.noises)
        shares = np.ones(n) if weights is None else as_real(weights, "weights", shape=(n,), dtype=np.float64, inf=False)
        if shares.min() < 0 or not shares.any():
            raise ValueError(f"weights must not be negative, nor all zero, got {shares.tolist()}")
        shares = shares / shares.max()  # so that no sum overflows
        self.weights = shares / shares.sum()


def noise_of(noise: Any, data: Array) -> Noise:
    """The distribution that is meant, fitted to the data where it is a name."""
    if isinstance(noise, str):
        if noise not in _KINDS:
            raise ValueError(f"noise must be one of {', '.join(map(repr, _KINDS))} or a distribution, got {noise!r}")
        return _KINDS[noise](data)
    if isinstance(noise, list):
        noise = Mixture(noise)
    if isinstance(noise, Mixture):
        return _Mixed([noise_of(part, data) for part in noise.noises], noise.weights, data.shape[1:])
    if isinstance(noise, tuple):
        if len(noise) != 2 or not all(map(callable, noise)):
            raise TypeError(
                "noise must be a pair of functions, sampler(size, rng) and log_density(x), if it is a tuple"
            )
        return _Pair(*noise)
    if hasattr(noise, "rvs") and hasattr(noise, "logpdf"):
        found: Noise = noise
        return found
    if hasattr(noise, "rvs") and hasattr(noise, "logpmf"):
        return _Discrete(noise)
    raise TypeError(
        f"noise must be a name, a distribution with rvs and logpdf or logpmf, a pair of functions, or a list of these, "
        f"got {type(noise).__name__}"
    )


def _spreads(rows: Array, covariance: Array) -> bool:
    """Whether data fills all its dimensions: no column, nor a combination of them, is constant but for rounding."""
    sizes = np.sqrt(np.diag(covariance))
    if not (sizes > _ROUNDED * np.abs(rows).max(axis=0)).all():
        return False
    return bool(np.linalg.eigvalsh(covariance / np.outer(sizes, sizes))[0] > _ROUNDED)


class _Gaussian:
    """A normal distribution with the data's mean and covariance."""

    def __init__(self, x: Array) -> None:
        rows = x.reshape(len(x), -1)
        self.flat = x.ndim == 1
        self.mean = rows.mean(axis=0)
        covariance = np.atleast_2d(np.cov(rows, rowvar=False))
        if not _spreads(rows, covariance):
            raise ValueError(
                "x has no spread in some direction, so this noise has no density: drop it or give other noise"
            )
        self.factor = np.linalg.cholesky(covariance)

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Array:
        drawn: Array = self.mean + random_state.standard_normal((size, len(self.mean))) @ self.factor.T
        return drawn[:, 0] if self.flat else drawn

    def _distances(self, x: Array) -> tuple[Array, float]:
        """Squared distances from the mean in units of the covariance, and the logarithm of its determinant's root."""
        z = np.linalg.solve(self.factor, (x.reshape(len(x), -1) - self.mean).T)
        return np.einsum("ij,ij->j", z, z), float(np.log(np.diag(self.factor)).sum())

    def logpdf(self, x: Array) -> Array:
        distances, scale = self._distances(x)
        density: Array = -0.5 * distances - scale - 0.5 * len(self.mean) * math.log(2 * math.pi)
        return density


class _Student(_Gaussian):
    """Student's t with the data's mean and covariance: heavier tails."""

    def __init__(self, x: Array) -> None:
        super().__init__(x)
        self.factor = self.factor * math.sqrt((_FREEDOM - 2) / _FREEDOM)

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Array:
        normal = random_state.standard_normal((size, len(self.mean))) @ self.factor.T
        drawn: Array = self.mean + normal / np.sqrt(random_state.chisquare(_FREEDOM, (size, 1)) / _FREEDOM)
        return drawn[:, 0] if self.flat else drawn

    def logpdf(self, x: Array) -> Array:
        distances, scale = self._distances(x)
        d = len(self.mean)
        constant = math.lgamma((_FREEDOM + d) / 2) - math.lgamma(_FREEDOM / 2) - 0.5 * d * math.log(_FREEDOM * math.pi)
        density: Array = constant - scale - 0.5 * (_FREEDOM + d) * np.log1p(distances / _FREEDOM)
        return density


class _Box:
    """Uniform on a box around the data."""

    def __init__(self, x: Array) -> None:
        low, high = x.min(axis=0), x.max(axis=0)
        if not (high > low).all():
            raise ValueError("x has no spread in some direction, so uniform noise has no density: drop it")
        self.low, self.high = low - _MARGIN * (high - low), high + _MARGIN * (high - low)

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Array:
        return random_state.uniform(self.low, self.high, (size, *np.shape(self.low)))

    def logpdf(self, x: Array) -> Array:
        inside = ((x >= self.low) & (x <= self.high)).reshape(len(x), -1).all(axis=1)
        return np.where(inside, -np.log(self.high - self.low).sum(), -np.inf)


class _Kernels:
    """A normal kernel at each of some of the data, as wide as Scott's rule says."""

    def __init__(self, x: Array) -> None:
        self.flat = x.ndim == 1
        rows = x.reshape(len(x), -1)
        self.centres = rows[:: -(-len(rows) // _CENTRES)]
        m, d = self.centres.shape
        self.factor = _Gaussian(x).factor * m ** (-1 / (d + 4))

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Array:
        normal = random_state.standard_normal((size, self.centres.shape[1])) @ self.factor.T
        drawn: Array = self.centres[random_state.integers(len(self.centres), size=size)] + normal
        return drawn[:, 0] if self.flat else drawn

    def logpdf(self, x: Array) -> Array:
        m, d = self.centres.shape
        scale = float(np.log(np.diag(self.factor)).sum()) + 0.5 * d * math.log(2 * math.pi) + math.log(m)
        centres = np.linalg.solve(self.factor, self.centres.T).T
        places = np.linalg.solve(self.factor, x.reshape(len(x), -1).T).T
        density = np.empty(len(x))
        for i in range(0, len(x), _AT_ONCE):
            part = places[i : i + _AT_ONCE]
            distances = np.zeros((len(part), m))
            for column in range(d):
                distances += (part[:, column, None] - centres[:, column]) ** 2
            # What is itself a centre is as likely as the others' kernels say: its own would follow it anywhere.
            nearest = distances.argmin(axis=1)
            own = np.flatnonzero(distances[np.arange(len(part)), nearest] == 0.0)
            distances[own, nearest[own]] = np.inf
            least = distances.min(axis=1)
            total = np.exp(-0.5 * (distances - least[:, None])).sum(axis=1)
            density[i : i + _AT_ONCE] = np.log(total) - 0.5 * least - scale
            density[i + own] += math.log(m / (m - 1)) if m > 1 else 0.0
        return density


class _Mixed:
    """Several distributions, each drawn from as often as its weight says."""

    def __init__(self, parts: Sequence[Noise], weights: Array, shape: tuple[int, ...]) -> None:
        self.parts, self.weights, self.shape = parts, weights, shape

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Array:
        counts = random_state.multinomial(size, self.weights)
        drawn = []
        for part, n in zip(self.parts, counts.tolist()):
            if n:
                rows = as_real(part.rvs(size=n, random_state=random_state), "the noise's rvs", dtype=np.float64)
                # SciPy's distributions of several dimensions give one row without the dimension of rows.
                rows = rows[None] if n == 1 and rows.shape == self.shape else rows
                if rows.shape != (n, *self.shape):
                    raise ValueError(f"the noise's rvs must have shape {(n, *self.shape)}, got {rows.shape}")
                drawn.append(rows)
        return np.concatenate(drawn)

    def logpdf(self, x: Array) -> Array:
        with np.errstate(divide="ignore"):
            shares = np.log(self.weights)
        columns = [
            as_real(part.logpdf(x), "the noise's logpdf", shape=(len(x),), dtype=np.float64) + share
            for part, share in zip(self.parts, shares)
        ]
        return np.asarray(np.logaddexp.reduce(columns, axis=0))


class _Discrete:
    """A discrete distribution of SciPy: its probabilities are densities by the counting measure."""

    def __init__(self, distribution: Any) -> None:
        self.distribution = distribution

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Any:
        return self.distribution.rvs(size=size, random_state=random_state)

    def logpdf(self, x: Array) -> Any:
        return self.distribution.logpmf(x)


class _Pair:
    """Two functions: one draws, the other says how likely that was."""

    def __init__(self, sampler: Callable[..., Any], log_density: Callable[[Array], Any]) -> None:
        self.sampler, self.log_density = sampler, log_density

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Any:
        return self.sampler(size, random_state)

    def logpdf(self, x: Array) -> Any:
        return self.log_density(x)


_KINDS: dict[str, Callable[[Array], Noise]] = {
    "gaussian": _Gaussian,
    "uniform": _Box,
    "t": _Student,
    "kde": _Kernels,
}
