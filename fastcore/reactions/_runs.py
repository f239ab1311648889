"""The runs of a call of `simulate`: how many there are, what each begins with, and into which parts they are cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._labelled import shown
from .._random import RNG
from .._workers import Workers, n_threads
from ._network import ReactionNetwork
from ._results import Trajectories
from ._states import starts_of_runs

# Runs of the direct method that a kernel takes side by side, at most.
SIDE_BY_SIDE = 16


class Runs(NamedTuple):
    """Runs first..first+total-1 of all, counted through sets of parameters.

    Attributes
    ----------
    constants : ndarray of shape (rows, n)
        What kernels take as constants: a row a set of parameters, or a row a run where starts are rows of runs.
    counts : ndarray of shape (1 or rows, n_species)
        Initial counts.
    per : int
        How many runs have the same row.
    sets : tuple of int
        The shape of the sets of parameters: ``()`` if one was given, ``(p,)`` if several.
    per_set : int
        Runs of each set.
    first, total : int
    shape : tuple of int
        Of results.
    part : bool
        Whether these are only some of the runs.
    """

    constants: NDArray[np.float64]
    counts: NDArray[np.int64]
    per: int
    sets: tuple[int, ...]
    per_set: int
    first: int
    total: int
    shape: tuple[int, ...]
    part: bool

    @classmethod
    def of(
        cls, network: ReactionNetwork, inner: ReactionNetwork, x0: Any, params: Any, n: int | None, runs: Any, rng: RNG
    ) -> Runs:
        """Read the arguments of a call for a network, or for `inner`, which is that with a stop condition."""
        if isinstance(x0, Trajectories):
            x0 = _onward(network, x0)
        constants = inner.columns(network.param_values(params) if inner is not network else params)[0]
        sets = constants.shape[:-1]
        constants = np.ascontiguousarray(constants.reshape(-1, constants.shape[-1]))
        counts, per_set, each = starts_of_runs(network, x0, params, sets, n)
        first, total = 0, per_set * len(constants)
        shape = sets if sets and per_set == 1 else (*sets, per_set)
        if each:
            constants = np.repeat(constants, per_set, axis=0)
        if runs is not None:
            first, total = _part(runs, total, rng)
            shape = (total,)
        per = 1 if each else per_set
        return cls(constants, counts, per, sets, per_set, first, total, shape, runs is not None)

    @property
    def begins(self) -> NDArray[np.int64]:
        """Initial counts, of all runs or one a run."""
        counts: NDArray[np.int64] = self.counts
        if len(counts) == 1:
            counts = counts[0]
        elif self.part:
            counts = counts[np.arange(self.first, self.first + self.total) // self.per]
        return counts

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters' values of each run."""
        return of_rows(params, np.arange(self.first, self.first + self.total) // self.per_set)


def of_rows(values: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    """Parameters' values for some sets, where they differ between sets."""
    return {name: np.asarray(value)[rows] if np.ndim(value) else value for name, value in values.items()}


def _onward(network: ReactionNetwork, sol: Trajectories) -> NDArray[np.int64]:
    """The last states of trajectories, to go on from."""
    if sol.species != network.species:
        raise ValueError(
            f"x0 must be trajectories of all species of the network, {shown(network.species)}, got those of "
            f"{shown(sol.species)}"
        )
    if sol.method == "cle":
        raise ValueError("x0 must be trajectories of counts, got those of method='cle', whose amounts are real")
    if (sol.last < 0).any():
        raise ValueError("x0 must be trajectories that reached their last time, and max_events ended some before")
    return sol.last


def _part(runs: range, total: int, rng: RNG) -> tuple[int, int]:
    """The first of these runs, and how many they are."""
    if not isinstance(runs, range):
        raise TypeError(f"runs must be a range, got {type(runs).__name__}")
    if runs.step != 1 or not 0 <= runs.start <= runs.stop <= total:
        raise ValueError(f"runs must be range(a, b) with 0 <= a <= b <= {total}, the number of all runs, got {runs}")
    if rng is None:
        raise ValueError("rng must be given with runs, so that all parts of the whole draw from the same streams")
    return runs.start, len(runs)


def amounts(x: NDArray[Any], method: str) -> NDArray[Any]:
    """States as they are meant: those of "cle" are real, in the memory of whole numbers."""
    return x.view(np.float64) if method == "cle" else x


def parts_of(total: int, workers: Workers, together: bool, reported: bool) -> int:
    """Into how many parts a call is cut: several a thread, so that all end together, but of enough runs."""
    if workers == 1 and not reported:
        return 1
    threads = n_threads(workers)
    parts = 8
    if together and threads > 1 and total >= 4 * threads:
        parts = min(parts, max(1, total // (SIDE_BY_SIDE * threads)))
    return parts * threads


def chunks(total: int, most: int) -> list[tuple[int, int]]:
    """Cut runs 0..total-1 into at most `most` chunks of nearly equal size: (first, count)."""
    size = -(-total // most) or 1
    return [(first, min(size, total - first)) for first in range(0, max(total, 1), size)]
