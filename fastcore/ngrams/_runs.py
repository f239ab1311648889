"""Sorted runs of counted windows: many small ones become few large ones, and at last a table.

A run holds each distinct window of the longest order once, in the order of its key, with its count. Runs are
merged a range of keys at a time, so that a merge works in cache and ranges can go to workers.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from .._widths import count_dtype
from .._workers import Workers, n_threads, run, stream
from ._files import Place, Writer
from ._layout import Counts, Keys, Layout, lower_bound, repack

# Rows that one merge takes in: with their counts about 10 MB.
PART_ROWS = 1 << 19
# Fewer aren't worth another task.
LEAST_ROWS = 1 << 14
# Runs of one size that are merged into one of the next.
FAN_IN = 8
# Windows that are looked at to cut a run into ranges.
SAMPLES = 128
# Runs on disk that are merged into one.
MAX_SPILLED = 256


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
    keys, counts = kernels("ngrams.rows", task.backend).count_windows(task.ids, task.starts, task.order, *task.layout)
    return Run(keys, counts, task.layout)


def merge_part(task: MergeTask) -> Run:
    """Merge one range of keys."""
    keys = [repack(r.keys, task.order, r.layout, task.layout, task.backend) for r in task.runs]
    counts = [np.ascontiguousarray(r.counts, np.int64) for r in task.runs]
    rows, sums = kernels("ngrams.rows", task.backend).merge_runs(keys, counts)
    return Run(rows, sums, task.layout)


def table_part(task: MergeTask) -> tuple[list[Keys], list[NDArray[np.int64]]]:
    """Merge one range of keys and read off the rows of every order."""
    merged = merge_part(task)
    found: tuple[list[Keys], list[NDArray[np.int64]]] = kernels("ngrams.rows", task.backend).prefixes(
        merged.keys, merged.counts, task.order, *task.layout
    )
    return found


def split_rows(runs: Sequence[Run], order: int, layout: Layout, backend: str, limit: int) -> list[tuple[int, ...]]:
    """Choose windows that cut the keys into ranges of about `limit` rows over all runs."""
    total = sum(len(r.keys) for r in runs)
    if total <= limit:
        return []
    kernel = kernels("ngrams.rows", backend)
    sampled, weights = [], []
    for r in runs:
        step = max(1, min(len(r.keys), limit) // SAMPLES)
        sample = np.ascontiguousarray(r.keys[step - 1 :: step])
        sampled.append(kernel.unpack(sample, order, *r.layout))
        weights.append(np.full(len(sample), step))
    ids, weight = np.concatenate(sampled), np.concatenate(weights)
    by_key = np.lexsort(ids.T[::-1])
    part = np.cumsum(weight[by_key]) // limit
    cuts = ids[by_key][1:][np.diff(part) > 0]
    return sorted({tuple(row) for row in cuts.tolist()})


def merge_tasks(runs: Sequence[Run], order: int, layout: Layout, backend: str, rows: int) -> Iterator[MergeTask]:
    """Cut a merge into tasks, one a range of keys, in the order of the keys."""
    kernel = kernels("ngrams.rows", backend)
    starts = [0] * len(runs)
    for cut in [*split_rows(runs, order, layout, backend, rows), None]:
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
    """Runs of one counter, merged whenever enough of one size have come together.

    With a limit they are merged to disk as soon as they outgrow it.
    """

    def __init__(self, order: int, backend: str, max_bytes: int | None = None, spill_dir: Path | None = None) -> None:
        self.order = order
        self.backend = backend
        self.max_bytes = max_bytes
        self.spill_dir = spill_dir
        self.levels: list[list[Run]] = []
        self.spilled: list[Run] = []

    def __iter__(self) -> Iterator[Run]:
        yield from self.spilled
        for level in self.levels:
            yield from level

    def copy(self) -> "Runs":
        """Return another list of the same runs."""
        other = Runs(self.order, self.backend, self.max_bytes, self.spill_dir)
        other.levels = [list(level) for level in self.levels]
        other.spilled = list(self.spilled)
        return other

    def add(self, new: Run, workers: Workers = 1) -> None:
        """Take in one more run."""
        if self.max_bytes is not None:
            self.levels = self.levels or [[]]
            self.levels[0].append(new)
            if sum(r.nbytes for r in self.levels[0]) > self.max_bytes:
                self.spilled.append(self.merged(self.levels[0], workers))
                self.levels = []
                if len(self.spilled) >= MAX_SPILLED:
                    self.spilled = [self.merged(self.spilled, workers)]
            return
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
        total = sum(int(r.counts.sum(dtype=np.int64)) for r in runs)
        rows = part_rows(self.max_bytes, runs, workers)
        with Place(self.spill_dir).writing() as begin:
            keys = begin("keys", np.uint64, layout.words(self.order))
            counts = begin("counts", count_dtype(total))
            for part in stream(merge_part, merge_tasks(runs, self.order, layout, self.backend, rows), workers):
                keys.append(part.keys)
                counts.append(part.counts)
            return Run(keys.done(), counts.done(), layout)


def part_rows(max_bytes: int | None, runs: Sequence[Run], workers: Workers) -> int:
    """How many rows a merge takes in at a time: at 80 bytes a row with all that is made of them."""
    threads = n_threads(workers)
    # Two parts a thread are under way or wait for their turn; one alone has no one to wait for.
    at_once = 1 if threads == 1 else 2 * threads
    limit = PART_ROWS if max_bytes is None else max(1024, min(PART_ROWS, max_bytes // (160 * at_once)))
    if threads == 1:
        return limit
    # Several parts a worker, so that all end at about the same time.
    return min(limit, max(LEAST_ROWS, sum(len(r.keys) for r in runs) // (4 * threads)))


def tabulate(
    runs: Sequence[Run], order: int, layout: Layout, backend: str, workers: Workers, rows: int
) -> Iterator[tuple[list[Keys], list[NDArray[np.int64]]]]:
    """Merge runs and give, a range of keys at a time, the rows and counts of orders 1 to `order`."""
    yield from stream(table_part, merge_tasks(runs, order, layout, backend, rows), workers)


def join_parts(
    parts: Iterator[tuple[list[Keys], list[NDArray[np.int64]]]],
    order: int,
    layout: Layout,
    total: int,
    place: Place,
    workers: Workers,
) -> tuple[list[Keys], list[Counts]]:
    """Put the ranges together; an n-gram that two of them share is counted once."""
    kind = count_dtype(total)
    with place.writing() as begin:
        keys = [begin(f"keys_{k}", np.uint64, layout.words(k)) for k in range(1, order + 1)]
        counts = [begin(f"counts_{k}", kind) for k in range(1, order + 1)]
        _join(parts, order, keys, counts)
        arrays = run(_done, [*keys, *counts], workers)
    return arrays[:order], arrays[order:]


def _join(
    parts: Iterator[tuple[list[Keys], list[NDArray[np.int64]]]], order: int, keys: list[Writer], counts: list[Writer]
) -> None:
    # The last row of each order waits: the next range may go on with it.
    waiting: list[tuple[Keys, NDArray[np.int64]]] = [(np.empty((0, 1), np.uint64), np.empty(0, np.int64))] * order
    for rows, sums in parts:
        for k in range(order):
            if not len(rows[k]):
                continue
            row, count = waiting[k]
            if len(row) and (row[0] == rows[k][0]).all():
                sums[k][0] += count[0]
            elif len(row):
                keys[k].append(row)
                counts[k].append(count)
            keys[k].append(rows[k][:-1])
            counts[k].append(sums[k][:-1])
            waiting[k] = rows[k][-1:], sums[k][-1:]
        del rows, sums
    for k in range(order):
        if len(waiting[k][0]):
            keys[k].append(waiting[k][0])
            counts[k].append(waiting[k][1])


def _done(writer: Writer) -> NDArray[Any]:
    return writer.done()
