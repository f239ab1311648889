"""What a stochastic simulation gives back."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._extras import require
from .._validation import as_index, as_names, as_real
from ._summaries import Curves, MomentParts, as_divisor, mean_of
from ._tables import Tables
from ._variables import NOTHING_OBSERVED, Observed


@dataclass(frozen=True, repr=False)
class Trajectories:
    """Trajectories at given times.

    Attributes
    ----------
    t : ndarray of shape (n_t,)
        Times.
    x : ndarray of int64, shape (n, n_t, n_species)
        Counts; (p, n_t, n_species) for p sets of parameters, (p, n, n_t, n_species) for n runs of each. -1 at times
        that a run stopped by `max_events` never reached. For the method "cle" amounts as float64, and NaN.
    n_events : ndarray of int64, shape (n,), (p,) or (p, n)
        How many reactions fired; for "cle" steps.
    status : ndarray of str, shaped alike
        ``"finished"`` (the end of the time span), ``"absorbed"`` (nothing can fire any more), ``"stopped"`` (by the
        condition) or ``"max_events"``.
    species : tuple of str
        The names of the last axis of `x`.
    method : str
        The method that ran.
    """

    t: NDArray[np.float64]
    x: NDArray[Any]
    n_events: NDArray[np.int64]
    status: NDArray[np.str_]
    species: tuple[str, ...]
    method: str = "direct"
    observed: Observed = field(default=NOTHING_OBSERVED, repr=False)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Counts of one species, or values of a variable (NaN at times never reached), shape (n, n_t)."""
        return self.observed.value(name, self.species, self.x, self.t)

    @property
    def last(self) -> NDArray[Any]:
        """States at the last time, shape (n, n_species), (p, n_species) or (p, n, n_species)."""
        if not len(self.t):
            raise ValueError("t must hold at least one time for there to be a last state")
        return self.x[..., -1, :]

    def mean(self, names: Sequence[str] | None = None) -> Curves:
        """Means over the runs.

        Parameters
        ----------
        names : sequence of str, optional
            Species and variables. Default: the species that were kept.

        Returns
        -------
        Curves
            ``.x`` of shape (n_t, n_species), or (p, n_t, n_species) for p sets of parameters with n runs of each (one
            run of each is one of p runs); NaN at times that a run never reached.

        Examples
        --------
        >>> from fastcore.reactions import ReactionNetwork, simulate
        >>> sol = simulate(ReactionNetwork("A -> 0 @ 1"), {"A": 100}, (0, 1), [0, 1], n=2000, rng=1)
        >>> sol.mean()["A"].round()
        array([100.,  37.])
        """
        kept, values = self._values(names)
        return Curves(self.t, np.stack([mean_of(value) for value in values], axis=-1), kept, "mean")

    def var(self, names: Sequence[str] | None = None, ddof: int = 1) -> Curves:
        """Variances over the runs: sums of squared distances from the mean over n - `ddof`; see `mean`."""
        kept, values = self._values(names)
        n = len(values[0])
        divisor = as_divisor(n, ddof)
        found = [MomentParts.of(value)[3] / divisor if n else mean_of(value) for value in values]
        return Curves(self.t, np.stack(found, axis=-1), kept, "var")

    def quantile(self, q: ArrayLike, names: Sequence[str] | None = None) -> Curves:
        """Quantiles over the runs, with linear interpolation as in `numpy.quantile`.

        Parameters
        ----------
        q : float or array_like of shape (m,)
            From 0 to 1.
        names : sequence of str, optional
            Species and variables. Default: the species that were kept.

        Returns
        -------
        Curves
            ``.x`` shaped as in `mean`, after an axis of length m if `q` is an array.
        """
        asked = as_real(q, "q", ndim=(0, 1), dtype=np.float64)
        if not ((asked >= 0) & (asked <= 1)).all():
            raise ValueError(f"q must lie in [0, 1], got {asked.tolist()}")
        kept, values = self._values(names)
        found = []
        for value in values:
            if len(value):
                found.append(np.quantile(value, asked, axis=0))
                found[-1][..., np.isnan(mean_of(value))] = np.nan
            else:
                found.append(np.full((*asked.shape, *value.shape[1:]), np.nan))
        return Curves(self.t, np.stack(found, axis=-1), kept, "quantile")

    def _values(self, names: Sequence[str] | None) -> tuple[tuple[str, ...], list[NDArray[Any]]]:
        """Names, and the values of each, (runs, ..., n_t)."""
        kept = self.species if names is None else as_names(names, "names")
        if not kept:
            raise ValueError("names must name at least one species or variable, got none")
        return kept, [np.moveaxis(self[name], -2, 0) for name in kept]

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.x.shape[:-2]))
        return (
            f"Trajectories({shape} runs, {len(self.t)} times, species {', '.join(self.species)}, "
            f"{int(self.n_events.sum())} events)"
        )

    def to_pandas(self) -> Any:
        """A DataFrame with a column a species, indexed by run (and set of parameters) and t."""
        pandas = require("pandas", "pandas", "to_pandas")
        runs = self.x.shape[:-2]
        names = ["run"] if len(runs) == 1 else ["params", "run"]
        index = pandas.MultiIndex.from_product([*map(range, runs), self.t], names=[*names, "t"])
        return pandas.DataFrame(self.x.reshape(-1, len(self.species)), index=index, columns=list(self.species))

    def to_xarray(self) -> Any:
        """A DataArray with dimensions (params,) run, t, species."""
        xarray = require("xarray", "xarray", "to_xarray")
        dims = ["run"] if self.x.ndim == 3 else ["params", "run"]
        coords = {"t": self.t, "species": list(self.species)}
        return xarray.DataArray(self.x, coords=coords, dims=[*dims, "t", "species"])

    def plot(self, axes: Any = None, runs: int = 5) -> Any:
        """Draw a few runs and the mean of all of them; return the axes."""
        if axes is None:
            axes = require("matplotlib.figure", "plot", "plot").Figure(layout="constrained").subplots()
        for i, name in enumerate(self.species):
            flat = self[name].reshape(-1, len(self.t))
            color = f"C{i % 10}"
            axes.step(self.t, flat[:runs].T, where="post", color=color, alpha=0.4, lw=0.8)
            axes.plot(self.t, mean_of(flat), color=color, lw=2, label=name)
        axes.set(xlabel="t", ylabel="count")
        axes.legend()
        return axes


@dataclass(frozen=True, repr=False)
class Jumps:
    """All events of every trajectory, one after another.

    Attributes
    ----------
    times : ndarray of float64
        When each event came; run i has ``times[offsets[i]:offsets[i + 1]]``.
    reactions : ndarray of int32
        Which reaction it was.
    offsets : ndarray of int64, shape (runs + 1,)
        Runs in order; run j * n + i is run i of set j of parameters.
    n_events, status, method
        As in `Trajectories`.
    species : tuple of str
    t0 : float
        The start.
    x0 : ndarray of int64, shape (n_species,)
        The state there; (p, n_species) if it differs between sets of parameters.
    """

    times: NDArray[np.float64]
    reactions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    n_events: NDArray[np.int64]
    status: NDArray[np.str_]
    species: tuple[str, ...]
    t0: float
    x0: NDArray[np.int64]
    tables: Tables = field(repr=False)
    method: str = "direct"

    def path(self, run: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Times (the start, then the events) and states after each, shapes (n_events + 1,) and (..., n_species)."""
        run = as_index(run, "run", low=-sys.maxsize)
        if not 0 <= run < len(self.offsets) - 1:
            raise IndexError(f"run must lie in [0, {len(self.offsets) - 1}), got {run}")
        events = slice(self.offsets[run], self.offsets[run + 1])
        times = np.concatenate(([self.t0], self.times[events]))
        states = np.zeros((len(times), len(self.species)), np.int64)
        states[0] = self.x0 if self.x0.ndim == 1 else self.x0[run * len(self.x0) // (len(self.offsets) - 1)]
        fired, at = self.reactions[events], self.tables.change_at
        lengths = at[fired + 1] - at[fired]
        # The changes of the first event, of the second, ...: places within each event's list after its beginning.
        ends = np.cumsum(lengths)
        listed = np.arange(ends[-1] if len(ends) else 0) + np.repeat(at[fired] - ends + lengths, lengths)
        states[np.repeat(np.arange(1, len(times)), lengths), self.tables.changed[listed]] = self.tables.by[listed]
        return times, np.cumsum(states, axis=0, out=states)

    def __repr__(self) -> str:
        return f"Jumps({len(self.offsets) - 1} runs, species {', '.join(self.species)}, {len(self.times)} events)"

    def to_pandas(self) -> Any:
        """A DataFrame of all events: columns run, t, reaction."""
        pandas = require("pandas", "pandas", "to_pandas")
        runs = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        columns: Mapping[str, Any] = {"run": runs, "t": self.times, "reaction": self.reactions}
        return pandas.DataFrame(columns)
