"""Sorted runs of counted windows: many small ones become few large ones, and at last a table.

A run holds each distinct window of the longest order once, in the order of its key, with its count. Runs are
merged a range of keys at a time, so that a merge works in cache and ranges can go to workers.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from .._workers import Workers, run, stream
from ._layout import Counts, Keys, Layout, lower_bound, narrow, repack

# Rows that one merge takes in: with their counts about 10 MB.
PART_ROWS = 1 << 19
# Runs of one size that are merged into one of the next.
FAN_IN = 8
SAMPLES = 128


class Run(NamedTuple):
    """Sorted distinct rows and their counts."""

    keys: Keys
    counts: Counts
    layout: Layout

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.counts.nbytes


class CountTask(NamedTuple):
    """A block of ids to be counted."""

    ids: NDArray[np.uint32]
    starts: int
    order: int
    layout: Layout
    backend: str


class MergeTask(NamedTuple):
    """The rows of one range of keys, from each run that has some."""

    runs: list[Run]
    order: int
    layout: Layout
    backend: str


def count_block(task: CountTask) -> Run:
    """Count one block of ids."""
    keys, counts = kernels("ngrams", task.backend).count_windows(task.ids, task.starts, task.order, *task.layout)
    return Run(keys, counts, task.layout)


def merge_part(task: MergeTask) -> Run:
    """Merge one range of keys."""
    keys = [repack(r.keys, task.order, r.layout, task.layout, task.backend) for r in task.runs]
    counts = [np.ascontiguousarray(r.counts, np.int64) for r in task.runs]
    rows, sums = kernels("ngrams", task.backend).merge_runs(keys, counts)
    return Run(rows, sums, task.layout)


def table_part(task: MergeTask) -> tuple[list[Keys], list[NDArray[np.int64]]]:
    """Merge one range of keys and read off the rows of every order."""
    merged = merge_part(task)
    found: tuple[list[Keys], list[NDArray[np.int64]]] = kernels("ngrams", task.backend).prefixes(
        merged.keys, merged.counts, task.order, *task.layout
    )
    return found


def split_rows(runs: Sequence[Run], order: int, layout: Layout, backend: str, part_rows: int) -> list[tuple[int, ...]]:
    """Choose windows that cut the keys into ranges of about `part_rows` rows over all runs."""
    total = sum(len(r.keys) for r in runs)
    if total <= part_rows:
        return []
    kernel = kernels("ngrams", backend)
    rows, weights = [], []
    for r in runs:
        step = max(1, min(len(r.keys), part_rows) // SAMPLES)
        sample = np.ascontiguousarray(r.keys[step - 1 :: step])
        rows.append(kernel.unpack(sample, order, *r.layout))
        weights.append(np.full(len(sample), step))
    ids, weight = np.concatenate(rows), np.concatenate(weights)
    by_key = np.lexsort(ids.T[::-1])
    part = np.cumsum(weight[by_key]) // part_rows
    cuts = ids[by_key][1:][np.diff(part) > 0]
    return sorted({tuple(row) for row in cuts.tolist()})


def merge_tasks(
    runs: Sequence[Run], order: int, layout: Layout, backend: str, part_rows: int = PART_ROWS
) -> Iterator[MergeTask]:
    """Cut a merge into tasks, one a range of keys, in the order of the keys."""
    kernel = kernels("ngrams", backend)
    starts = [0] * len(runs)
    for cut in [*split_rows(runs, order, layout, backend, part_rows), None]:
        pieces = []
        for i, r in enumerate(runs):
            stop = len(r.keys)
            if cut is not None:
                stop = max(starts[i], int(kernel.find(r.keys, lower_bound(cut, r.layout))[0]))
            if stop > starts[i]:
                pieces.append(Run(r.keys[starts[i] : stop], r.counts[starts[i] : stop], r.layout))
            starts[i] = stop
        if pieces:
            yield MergeTask(pieces, order, layout, backend)


class Runs:
    """Runs of one counter, merged whenever enough of one size have come together."""

    def __init__(self, order: int, backend: str) -> None:
        self.order = order
        self.backend = backend
        self.levels: list[list[Run]] = []

    def __iter__(self) -> Iterator[Run]:
        return (r for level in self.levels for r in level)

    def copy(self) -> "Runs":
        """Return another list of the same runs."""
        other = Runs(self.order, self.backend)
        other.levels = [list(level) for level in self.levels]
        return other

    def add(self, new: Run, workers: Workers = 1) -> None:
        """Take in one more run."""
        level = 0
        while True:
            if level == len(self.levels):
                self.levels.append([])
            self.levels[level].append(new)
            if len(self.levels[level]) < FAN_IN:
                return
            new = self.merged(self.levels[level], workers)
            self.levels[level] = []
            level += 1

    def merged(self, runs: Sequence[Run], workers: Workers) -> Run:
        """Merge runs into one."""
        layout = max((r.layout for r in runs), key=lambda it: (-it.per_word, it.radix))
        parts = run(merge_part, merge_tasks(runs, self.order, layout, self.backend), workers)
        return Run(np.concatenate([p.keys for p in parts]), narrow(np.concatenate([p.counts for p in parts])), layout)


def tabulate(
    runs: Sequence[Run], order: int, layout: Layout, backend: str, workers: Workers
) -> Iterator[tuple[list[Keys], list[NDArray[np.int64]]]]:
    """Merge runs and give, a range of keys at a time, the rows and counts of orders 1 to `order`."""
    yield from stream(table_part, merge_tasks(runs, order, layout, backend), workers)


def join_parts(
    parts: Iterator[tuple[list[Keys], list[NDArray[np.int64]]]], order: int, layout: Layout
) -> tuple[list[Keys], list[Counts]]:
    """Put the ranges together; an n-gram that two of them share is counted once."""
    keys: list[list[Keys]] = [[np.empty((0, layout.words(k)), np.uint64)] for k in range(1, order + 1)]
    counts: list[list[Counts]] = [[np.empty(0, np.uint32)] for _ in range(order)]
    for rows, sums in parts:
        for k in range(order):
            if not len(rows[k]):
                continue
            total = narrow(sums[k])
            if len(keys[k][-1]) and (keys[k][-1][-1] == rows[k][0]).all():
                total = total.astype(np.int64)
                total[0] += int(counts[k][-1][-1])
                keys[k][-1], counts[k][-1] = keys[k][-1][:-1], counts[k][-1][:-1]
                total = narrow(total)
            keys[k].append(rows[k])
            counts[k].append(total)
    joined_keys: list[Keys] = []
    joined_counts: list[Counts] = []
    for k in range(order):
        joined_keys.append(np.concatenate(keys[k]))
        joined_counts.append(narrow(np.concatenate(counts[k])))
        keys[k], counts[k] = [], []
    return joined_keys, joined_counts
