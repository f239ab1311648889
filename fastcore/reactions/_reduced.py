"""Ensembles of which only sums, or what a function makes of parts, are kept: ``simulate(reduce=...)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from .._labelled import meant, shown
from .._validation import as_names
from ._network import ReactionNetwork
from ._results import Trajectories
from ._runs import amounts
from ._summaries import Histogram, HistogramParts, MomentParts, Moments, Parts, widened
from ._tables import Structure
from ._variables import Observed

Reduce: TypeAlias = str | Callable[[Trajectories], Any] | None

_KINDS: dict[str, type[MomentParts] | type[HistogramParts]] = {"moments": MomentParts, "histogram": HistogramParts}
# Numbers that a part of the runs may have in all: they are what is in memory at once.
SHARE = 1 << 19


def as_reduce(reduce: Any) -> Reduce:
    """Return how to reduce, or refuse by name."""
    if reduce is None or callable(reduce) or (isinstance(reduce, str) and reduce in _KINDS):
        found: Reduce = reduce
        return found
    kinds = ", ".join(map(repr, _KINDS))
    got = repr(reduce) if isinstance(reduce, str) else type(reduce).__name__
    raise (ValueError if isinstance(reduce, str) else TypeError)(
        f"reduce must be None, {kinds} or a function of Trajectories, got {got}"
    )


def names_and_places(
    network: ReactionNetwork, names: Sequence[str] | None, reduce: Reduce
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """What is to be kept, and the places of species that it takes: moments may be of variables too."""
    place = {name: i for i, name in enumerate(network.species)}
    if names is None:
        return network.species, np.arange(len(place))
    kept = as_names(names, "species")
    variables = network.variable_inputs if reduce == "moments" else {}
    known = [*place, *variables]
    unknown = [name for name in kept if name not in place and name not in variables]
    if unknown or not kept:
        near = meant(unknown[0], known) if unknown else ""
        raise ValueError(f"species must name some of {shown(known)}, got {names!r}{near}")
    needed: dict[str, None] = {}
    for name in kept:
        needed.update(dict.fromkeys([name] if name in place else [n for n in variables[name] if n in place]))
    # A kernel keeps at least one.
    return kept, np.array([place[name] for name in needed] or [0], np.int64)


@dataclass(frozen=True)
class Share:
    """A part of the runs: how to make it, and what it is reduced to."""

    reduce: str | Callable[[Trajectories], Any]
    backend: str
    structure: Structure
    arguments: tuple[Any, ...]
    count: int
    times: NDArray[np.float64]
    kept: tuple[str, ...]  # the species in the states
    names: tuple[str, ...]  # what is reduced
    observed: Observed
    statuses: NDArray[np.str_]
    method: str


def reduced(share: Share) -> tuple[Any, NDArray[np.int64], NDArray[np.int8]]:
    """Make a part, and keep what it is reduced to."""
    kernel = kernels("reactions", share.backend).simulate_grid
    x, n_events, codes = kernel(share.structure.prepared(share.backend), *share.arguments)
    x = amounts(x, share.method)
    if share.reduce == "histogram":
        return HistogramParts.of(x), n_events, codes
    if share.reduce == "moments" and share.names == share.kept:
        return MomentParts.of(x), n_events, codes
    ends = np.minimum(codes, len(share.statuses) - 1)  # an overflow is an error soon
    part = Trajectories(
        share.times, x, n_events, share.statuses[ends], share.kept, share.method, observed=share.observed
    )
    if share.reduce == "moments":
        return MomentParts.of(np.stack([part[name] for name in share.names], axis=-1)), n_events, codes
    assert callable(share.reduce)
    found = np.asarray(share.reduce(part))
    if found.ndim == 0 or len(found) != share.count:
        got = f"shape {found.shape}"
        raise ValueError(
            f"reduce must return an array with a row for each of the {share.count} runs it was given, got {got}"
        )
    return found, n_events, codes


def shares(total: int, per_set: int, first: int, each: int) -> list[tuple[int, int]]:
    """Cut runs into parts of at most so many numbers, none across sets of parameters: (place, count).

    They don't depend on the number of workers, and so neither do sums.
    """
    size = max(SHARE // max(each, 1), 1)
    found = []
    at, end = first, first + total
    while at < end:
        count = min(size, per_set - at % per_set, end - at)
        found.append((at - first, count))
        at += count
    return found


class Collected:
    """Puts together what parts were reduced to, set by set."""

    def __init__(self, reduce: str | Callable[[Trajectories], Any]) -> None:
        self.reduce = reduce
        self.sums: list[Parts] = []
        self.rows: list[NDArray[Any]] = []

    def take(self, row: int, part: Any) -> None:
        """Add a part of a set of parameters; parts come in order."""
        if callable(self.reduce):
            self.rows.append(part)
            return
        while len(self.sums) <= row:
            self.sums.append(_KINDS[self.reduce]())
        self.sums[row].add(part)

    def result(
        self, shape: tuple[int, ...], sets: tuple[int, ...], t: NDArray[np.float64], n: int, names: tuple[str, ...],
        ends: Mapping[str, Any],
    ) -> Any:  # fmt: skip
        if callable(self.reduce):
            rows = np.concatenate(self.rows) if self.rows else np.empty((0,))
            return rows.reshape(*shape, *rows.shape[1:])
        if self.reduce == "moments":
            means, squares = (
                _stacked((getattr(part, kind) for part in self.sums), sets) for kind in ("mean", "squares")
            )
            return Moments(t, n, means, squares, names, **ends)
        counts, widths = [], []
        for species in zip(*(part.bins for part in self.sums if isinstance(part, HistogramParts))):
            power = max(own for own, _ in species)
            length = max(widened(bins, power).shape[-1] for bins in species)
            counts.append(_stacked([widened(bins, power, length) for bins in species], sets))
            widths.append(1 << power)
        return Histogram(t, n, tuple(counts), tuple(widths), names, **ends)


def _stacked(arrays: Iterable[NDArray[Any]], sets: tuple[int, ...]) -> NDArray[Any]:
    listed = list(arrays)
    return np.stack(listed) if sets else listed[0]
