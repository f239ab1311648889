"""What many trajectories are together: means, variances, quantiles and histograms, with the names of species kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._extras import require
from .._labelled import meant, shown
from .._validation import as_index

# The most bins of one species at one time; they become wider by powers of two, so that parts can be added exactly.
MOST_BINS = 1024
# The most bins of a whole result: a gigabyte.
MOST_CELLS = 1 << 27

Array = NDArray[Any]


def place_of(name: str, species: Sequence[str]) -> int:
    """Where a name stands, or a KeyError that shows the names."""
    if name not in species:
        raise KeyError(f"no species {name!r} in {shown(species)}{meant(name, species)}")
    return list(species).index(name)


@dataclass(frozen=True, repr=False)
class Curves:
    """One number a time and species: a mean, a variance, a quantile of many runs.

    Attributes
    ----------
    t : ndarray of shape (n_t,)
    x : ndarray of float64, shape (..., n_t, n_species)
        Before the times come the quantiles that were asked for, if they were several, and sets of parameters.
    species : tuple of str
        The names of the last axis of `x`.
    what : str
        ``"mean"``, ``"var"`` or ``"quantile"``.
    """

    t: NDArray[np.float64]
    x: NDArray[np.float64]
    species: tuple[str, ...]
    what: str

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """The numbers of one species, shape (..., n_t)."""
        return self.x[..., place_of(name, self.species)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.x, dtype, copy=True if copy is None else copy)

    def __repr__(self) -> str:
        return f"Curves({self.what}, {len(self.t)} times, species {', '.join(self.species)})"

    def to_pandas(self) -> Any:
        """A DataFrame with a column a species, indexed by t, after numbers of the axes before it."""
        pandas = require("pandas", "pandas", "to_pandas")
        head = self.x.shape[:-2]
        index = pandas.Index(self.t, name="t")
        if head:
            names = [*(f"axis{i}" for i in range(len(head))), "t"]
            index = pandas.MultiIndex.from_product([*map(range, head), self.t], names=names)
        return pandas.DataFrame(self.x.reshape(-1, len(self.species)), index=index, columns=list(self.species))

    def to_xarray(self) -> Any:
        """A DataArray with dimensions ..., t, species."""
        xarray = require("xarray", "xarray", "to_xarray")
        dims = [*(f"axis{i}" for i in range(self.x.ndim - 2)), "t", "species"]
        return xarray.DataArray(self.x, coords={"t": self.t, "species": list(self.species)}, dims=dims)


@dataclass(frozen=True, repr=False)
class Moments:
    """Means and variances of runs that weren't kept: ``simulate(reduce="moments")``.

    Attributes
    ----------
    t : ndarray of shape (n_t,)
    n : int
        Runs (of each set of parameters).
    means : ndarray of float64, shape (n_t, n_species) or (p, n_t, n_species)
        Means; NaN at times that a run stopped by `max_events` never reached.
    squares : ndarray, shaped alike
        Sums of squared distances from them.
    species : tuple of str
        The names, of species or variables, of the last axis.
    n_events, status, method
        As in `Trajectories`, for each run.
    """

    t: NDArray[np.float64]
    n: int
    means: NDArray[np.float64]
    squares: NDArray[np.float64]
    species: tuple[str, ...]
    n_events: NDArray[np.int64]
    status: NDArray[np.str_]
    method: str

    def mean(self) -> Curves:
        """Means over the runs."""
        return Curves(self.t, self.means, self.species, "mean")

    def var(self, ddof: int = 1) -> Curves:
        """Variances over the runs, sums of squares over n - ddof; NaN where that isn't positive."""
        return Curves(self.t, self.squares / as_divisor(self.n, ddof), self.species, "var")

    def __repr__(self) -> str:
        sets = f"{len(self.means)} sets of parameters, " if self.means.ndim == 3 else ""
        return f"Moments({sets}{self.n} runs, {len(self.t)} times, species {', '.join(self.species)})"


@dataclass(frozen=True, repr=False)
class Histogram:
    """How many runs had how many of each species at each time: ``simulate(reduce="histogram")``.

    Attributes
    ----------
    t : ndarray of shape (n_t,)
    n : int
        Runs (of each set of parameters).
    counts : tuple of ndarray of int64, shape (n_t, bins) or (p, n_t, bins)
        Numbers of runs, an array a species; times that a run never reached have fewer.
    widths : tuple of int
        The width of each species' bins: bin i holds counts from ``i * width`` on. 1 up to 1,024 different counts, then
        the power of two that makes them at most 1,024 bins.
    species : tuple of str
    n_events, status, method
        As in `Trajectories`, for each run.
    """

    t: NDArray[np.float64]
    n: int
    counts: tuple[NDArray[np.int64], ...]
    widths: tuple[int, ...]
    species: tuple[str, ...]
    n_events: NDArray[np.int64]
    status: NDArray[np.str_]
    method: str

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        """The numbers of runs in each bin of one species, shape (..., n_t, bins)."""
        return self.counts[place_of(name, self.species)]

    def edges(self, name: str) -> NDArray[np.int64]:
        """Where the bins of a species begin, and where the last ends."""
        i = place_of(name, self.species)
        return np.arange(self.counts[i].shape[-1] + 1) * self.widths[i]

    def probabilities(self, name: str) -> NDArray[np.float64]:
        """The share of runs in each bin of a species, shape (..., n_t, bins)."""
        return self[name] / self.n

    def __repr__(self) -> str:
        sets = f"{len(self.counts[0])} sets of parameters, " if self.counts[0].ndim == 3 else ""
        return f"Histogram({sets}{self.n} runs, {len(self.t)} times, species {', '.join(self.species)})"


def as_divisor(n: int, ddof: int) -> float:
    """What a sum of squares is divided by."""
    left = n - as_index(ddof, "ddof")
    return left if left > 0 else np.nan


def mean_of(x: Array) -> NDArray[np.float64]:
    """Means of values (runs, ...); NaN where some run has none: counts below 0, or NaN."""
    found: NDArray[np.float64] = x.mean(axis=0, dtype=np.float64) if len(x) else np.full(x.shape[1:], np.nan)
    if x.dtype.kind == "i" and len(x):
        found[x.min(axis=0) < 0] = np.nan
    return found


class Parts(ABC):
    """Sums of parts of the runs, added in their order: memory doesn't grow with the number of runs."""

    @abstractmethod
    def add(self, part: Any) -> None:
        """Take one part's sums, as `of` made them."""


class MomentParts(Parts):
    """Numbers, means and squared distances; means from one of the values, so that large counts lose nothing."""

    def __init__(self) -> None:
        self.n, self.origin, self.away, self.squares = 0, np.zeros(()), np.zeros(()), np.zeros(())

    @property
    def mean(self) -> NDArray[np.float64]:
        """Means of all values."""
        return np.asarray(self.origin + self.away, np.float64)

    @staticmethod
    def of(x: Array) -> tuple[int, Array, NDArray[np.float64], NDArray[np.float64]]:
        """What a part's values (runs, ...), at least one, come to."""
        apart = x - x[0]
        away = np.where(np.isnan(mean_of(x)), np.nan, apart.mean(axis=0, dtype=np.float64))
        return len(x), x[0].copy(), away, ((apart - away) ** 2).sum(axis=0)

    def add(self, part: tuple[int, Array, NDArray[np.float64], NDArray[np.float64]]) -> None:
        n, origin, mean, squares = part
        if not self.n:
            self.n, self.origin, self.away, self.squares = part
            return
        total = self.n + n
        away = (origin - self.origin) + (mean - self.away)
        self.away = self.away + away * (n / total)
        self.squares = self.squares + squares + away**2 * (self.n * n / total)
        self.n = total


class HistogramParts(Parts):
    """For each species the numbers in bins whose width is a power of two: wider ones are sums of narrower ones."""

    def __init__(self, most: int = MOST_CELLS) -> None:
        self.bins: list[tuple[int, NDArray[np.int64]]] = []
        self.most = most

    @staticmethod
    def of(x: Array) -> list[tuple[int, NDArray[np.int64]]]:
        """The power and the numbers, shape (n_t, bins), of each species of counts (runs, n_t, n_species)."""
        found = []
        n_t = x.shape[1]
        rows = np.broadcast_to(np.arange(n_t), x.shape[:2])
        for i in range(x.shape[2]):
            counts = x[:, :, i]
            reached = counts >= 0
            largest = int(counts.max(initial=0))
            power = max(largest.bit_length() - (MOST_BINS.bit_length() - 1), 0)
            width = (largest >> power) + 1
            places = rows[reached] * width + (counts[reached] >> power)
            found.append((power, np.bincount(places, minlength=n_t * width).reshape(n_t, width)))
        return found

    def add(self, part: list[tuple[int, NDArray[np.int64]]]) -> None:
        self.bins = [together(mine, other) for mine, other in zip(self.bins, part)] if self.bins else part
        if sum(counts.size for _, counts in self.bins) > self.most:
            raise ValueError(
                f"the histogram would have more than {self.most:,} bins: keep fewer species, or fewer times"
            )


def together(a: tuple[int, NDArray[np.int64]], b: tuple[int, NDArray[np.int64]]) -> tuple[int, NDArray[np.int64]]:
    """The sum of two histograms, in the wider bins."""
    power = max(a[0], b[0])
    mine, other = widened(a, power), widened(b, power)
    if mine.shape[-1] < other.shape[-1]:
        mine, other = other, mine
    mine = mine.copy()
    mine[..., : other.shape[-1]] += other
    return power, mine


def widened(bins: tuple[int, NDArray[np.int64]], power: int, length: int = 0) -> NDArray[np.int64]:
    """Numbers in bins of a higher power, and at least so many of them."""
    own, counts = bins
    each = 1 << (power - own)
    n = max(-(-counts.shape[-1] // each), length)
    room = np.zeros((*counts.shape[:-1], n * each), np.int64)
    room[..., : counts.shape[-1]] = counts
    return np.asarray(room.reshape(*counts.shape[:-1], n, each).sum(axis=-1))
