"""The counter: texts in, a table out."""

import errno
import os
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels, use_backend
from .._progress import Progress, progress_bar
from .._texts import Manner, Texts, check_texts, files_among
from .._texts.characters import kept_ranges
from .._turns import TakesTurns, in_turn
from .._validation import as_choice, as_index
from .._whole import check_out, check_path, whole_folder
from .._workers import Workers, check_workers, n_threads, stream
from ._batches import batches, check_split
from ._files import Place
from ._layout import MAX_ORDER, as_tuple, layout_for, narrow
from ._runs import CountTask, Run, Runs, count_block, join_parts, part_rows, tabulate
from ._table import NgramTable

# Ids that are counted at a time, and fewer than that aren't worth another task.
BLOCK = 1 << 20
LEAST_BLOCK = 1 << 16


UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
LEAST_MEMORY = 10**6


def check_memory(max_memory: Any, spill_dir: Any) -> tuple[int | None, Path | None]:
    """Return the limit in bytes and the folder for what doesn't fit."""
    if max_memory is None:
        if spill_dir is not None:
            raise ValueError("spill_dir must be None where max_memory is None: nothing is spilled")
        return None, None
    if isinstance(max_memory, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", max_memory.lower())
        if match is None or match[2] not in UNITS:
            raise ValueError(f"max_memory must be a number of bytes or a size like '64MB', got {max_memory!r}")
        max_memory = int(float(match[1]) * UNITS[match[2]])
    limit = as_index(max_memory, "max_memory", low=LEAST_MEMORY)
    if spill_dir is None:
        spill_dir = tempfile.gettempdir()
    check_path(spill_dir, "spill_dir")
    folder = Path(spill_dir)
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "spill_dir must be a folder that exists", str(folder))
    return limit, folder


def check_orders(n: Any) -> tuple[int, int]:
    """Return (lowest, highest) from an int or a pair."""
    if isinstance(n, tuple | list):
        if len(n) != 2:
            raise ValueError(f"n must be an int or a pair (lowest, highest), got {n!r}")
        low, high = (as_index(v, "n", low=1, high=MAX_ORDER) for v in n)
        if low > high:
            raise ValueError(f"n must be a pair (lowest, highest), got {n!r}")
        return low, high
    order = as_index(n, "n", low=1, high=MAX_ORDER)
    return order, order


class FileTask(NamedTuple):
    """A file to be counted somewhere else."""

    path: Path
    orders: tuple[int, int]
    options: dict[str, Any]
    ranges: NDArray[np.int64]
    backend: str
    # Unlike any other update's: Dask takes equal tasks for the same work, but a file may have changed.
    update: str


def count_file(task: FileTask) -> "NgramCounter":
    """Count one file."""
    with use_backend(task.backend):
        counter = NgramCounter(task.orders, **task.options)
        counter._ranges = task.ranges
        counter._encoder = counter._new_encoder()
        counter.update(task.path)
    return counter


class NgramCounter(TakesTurns):
    """Count n-grams of texts that come a few at a time.

    Parameters
    ----------
    n : int or (int, int), default (1, 4)
        The lowest and the highest order, both counted; at most 32. An int k means (k, k).
    unit : {"char", "token"}, default "char"
        N-grams of code points, or of tokens.
    keep : str or set of str, optional
        Characters that n-grams are made of; every other one separates. ``"cjk+alnum"`` stands for U+4E00 to
        U+9FA5, ASCII letters and digits; ``"cjk"`` and ``"alnum"`` for either. Only for characters.
    split : re.Pattern, optional
        A compiled regex whose matches separate. Slower than `keep`.
    encoding : str, default "utf-8"
        What bytes and files are encoded in.
    errors : {"strict", "replace", "ignore"}, default "strict"
        Bytes that can't be decoded raise, become U+FFFD, or are left out.
    max_memory : int or str, optional
        About how many bytes ("64MB", "1.5GiB") counting may take beyond the symbols. What doesn't fit is spilled
        to disk, counts stay exact, and the table's arrays lie in files that are mapped into memory. At least 1 MB.
    spill_dir : path-like, optional
        The folder for what is spilled, by default the one for temporary files. The files there have no names
        (on POSIX systems): however the process ends, nothing of them stays.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Notes
    -----
    An update or merge that fails, or is interrupted, changes nothing.

    Threads take turns: while one updates, merges, finishes or pickles a counter, the others wait, and every text is
    counted once. Texts that come from an iterator must not use the counter that they are for (RuntimeError), nor wait
    for another thread that does.

    Examples
    --------
    >>> from fastcore.ngrams import NgramCounter
    >>> counter = NgramCounter(2)
    >>> counter.update(["banana"])
    >>> counter.update(["bandana"])
    >>> counter.finish().to_dict()
    {'ba': 2, 'an': 4, 'na': 3, 'nd': 1, 'da': 1}
    """

    def __init__(
        self,
        n: int | tuple[int, int] = (1, 4),
        *,
        unit: str = "char",
        keep: Iterable[str] | None = None,
        split: "re.Pattern[str] | None" = None,
        encoding: str = "utf-8",
        errors: str = "strict",
        max_memory: int | str | None = None,
        spill_dir: "os.PathLike[str] | str | None" = None,
        workers: Workers = 1,
    ) -> None:
        self.orders = check_orders(n)
        self.unit = as_choice(unit, "unit", ("char", "token"))
        if keep is not None and self.unit == "token":
            raise ValueError("keep must be None where unit='token': it is a class of characters")
        self._ranges = kept_ranges(keep)
        check_split(split)
        self._split = split
        self._manner = Manner(encoding=encoding, errors=errors)
        self._workers = check_workers(workers)
        # Another process gets what is to be counted, but sending runs there takes longer than merging them here.
        self._mergers = self._workers if isinstance(self._workers, int | ThreadPoolExecutor) else 1
        self._backend = active_backend()
        # Counted one longer than asked for, so that the neighbours of the longest n-grams are known too.
        self._order = self.orders[1] + 1
        self._encoder = self._new_encoder()
        self._limit, self._spill_dir = check_memory(max_memory, spill_dir)
        # A quarter of the limit is for runs, a quarter for merging them, and half for blocks that are counted.
        share = None if self._limit is None else self._limit // 4
        # Several workers have smaller ones: the second starts sooner, and none waits long for the last.
        self._block = BLOCK if n_threads(self._workers) == 1 else BLOCK // 2
        if self._limit is not None:
            self._block = max(4096, min(self._block, self._limit // (2 * 64 * n_threads(self._workers))))
        self._runs = Runs(self._order, self._backend, share, self._spill_dir)
        self._buffer = np.empty(0, np.uint32)
        self._filled = 0
        self._least = 1

    def _new_encoder(self) -> Any:
        kernel = kernels("ngrams.symbols", self._backend)
        return kernel.Alphabet(self._ranges) if self.unit == "char" else kernel.Vocabulary()

    def __repr__(self) -> str:
        low, high = self.orders
        return f"NgramCounter(n=({low}, {high}), unit={self.unit!r}): {len(self._encoder)} symbols so far"

    @in_turn
    def update(self, texts: Texts, *, pattern: str | None = None, progress: Progress = False) -> None:
        """Count more texts.

        Parameters
        ----------
        texts : iterable
            As for :func:`count_ngrams`.
        pattern : str, optional
            As for :func:`count_ngrams`.
        progress : bool or callable, default False
            As for :func:`count_ngrams`.

        Raises
        ------
        TypeError
            If a text is of the wrong type.
        ValueError
            If a text holds a lone surrogate, bytes aren't UTF-8, or a folder holds no file.
        OSError
            If a file can't be read, its compression is damaged, or a link leads nowhere.
        RuntimeError
            If the texts' own iterator uses this counter.
        """
        check_texts(texts)
        manner = replace(self._manner, pattern=pattern)
        before = self._runs.copy(), self._buffer, self._filled
        known = len(self._encoder)
        try:
            if not isinstance(self._workers, int) and (files := files_among(texts, pattern)):
                update = uuid.uuid4().hex
                with progress_bar(progress, len(files), "file") as step:
                    for part in stream(count_file, [self._file_task(file, update) for file in files], self._workers):
                        self._add(*part._counted())
                        step(1)
                return
            with progress_bar(progress, None, "symbol") as step:
                for run in stream(count_block, self._blocks(texts, manner), self._workers):
                    self._runs.add(run, self._mergers)
                    if progress is not False:
                        step(int(run.counts.sum(dtype=np.int64)))
                step(self._filled)
        except BaseException:
            self._runs, self._buffer, self._filled = before
            self._forget(known)
            raise

    def _forget(self, known: int) -> None:
        """Keep only the first symbols."""
        if len(self._encoder) == known:
            return
        symbols = self._encoder.symbols()
        encoder = self._new_encoder()
        if isinstance(symbols, tuple):
            offsets = symbols[1][: known + 1]
            encoder.add(symbols[0][: offsets[-1]], offsets)
        else:
            encoder.add(symbols[:known])
        # In one piece: if another Ctrl-C comes before, symbols stay that nothing uses, which does no harm.
        self._encoder = encoder

    def _file_task(self, file: Path, update: str) -> FileTask:
        manner = {"encoding": self._manner.encoding, "errors": self._manner.errors}
        options = {"unit": self.unit, "keep": None, "split": self._split, **manner}
        return FileTask(file, self.orders, options, self._ranges, self._backend, update)

    def _blocks(self, texts: Texts, manner: Manner) -> Iterator[CountTask]:
        """Fill blocks of ids; the last one stays in the buffer until more comes."""
        again = self._order - 1
        for batch in self._turns.feeding(batches(texts, self._split, manner, self._block)):
            done = False
            while not done:
                if self._filled == len(self._buffer):
                    yield from self._grow(again)
                more, done = batch.encode(self._encoder, self._buffer[self._filled :])
                self._filled += more

    def _grow(self, again: int) -> Iterator[CountTask]:
        """Hand a full buffer on and begin the next with its last ids; small buffers are made larger first."""
        old, size = self._buffer, len(self._buffer)
        if size < self._block + again:
            self._buffer = np.empty(min(self._block + again, max(4096, 4 * size)), np.uint32)
            self._buffer[:size] = old
            return
        self._buffer = np.empty(size, np.uint32)
        self._buffer[:again] = old[size - again :]
        self._filled = again
        yield self._task(old, size - again)

    def _task(self, ids: NDArray[np.uint32], starts: int) -> CountTask:
        return CountTask(ids, starts, self._order, layout_for(self._order, len(self._encoder)), self._backend)

    @in_turn
    def finish(self, min_count: int = 1, *, out: "os.PathLike[str] | str | None" = None) -> NgramTable:
        """Return the table of all that was counted; counting may go on afterwards.

        Parameters
        ----------
        min_count : int, default 1
            Leave out n-grams that occur fewer times.
        out : path-like, optional
            A folder to be made, that the table's arrays are written into.

        Returns
        -------
        NgramTable
            The n-grams and their counts.
        """
        min_count = max(self._least, as_index(min_count, "min_count", low=1))
        if out is not None:
            check_out(out)
        if min_count > 1 or out is None:
            table = self._table(Place(self._spill_dir))
            return table.prune(min_count, out=out) if min_count > 1 else table
        with whole_folder(out) as folder:
            place = Place(self._spill_dir, folder)
            self._table(place)._describe(place)
        return NgramTable._mapped(out)

    def _table(self, place: Place) -> NgramTable:
        runs = self._all_runs()
        layout = layout_for(self._order, len(self._encoder))
        total = sum(int(r.counts.sum(dtype=np.int64)) for r in runs)
        share = None if self._limit is None else self._limit // 4
        parts = tabulate(runs, self._order, layout, self._backend, self._mergers, part_rows(share, runs, self._mergers))
        keys, counts = join_parts(parts, self._order, layout, total, place, self._mergers)
        return NgramTable._make(
            orders=self.orders,
            unit=self.unit,
            symbols=self._encoder.symbols(),
            layout=layout,
            keys=keys,
            counts=counts,
            backend=self._backend,
            place=Place(self._spill_dir),
        )

    def merge(self, other: "NgramCounter") -> None:
        """Add what another counter has counted, as if its texts had come after this one's.

        Parameters
        ----------
        other : NgramCounter
            A counter of the same n-grams; it isn't changed.

        Raises
        ------
        ValueError
            If unit, orders or `keep` differ.

        Notes
        -----
        Merging is associative, and counters pickle: parts of a corpus can be counted anywhere and merged in any
        grouping that keeps their order, and the table will be the same.
        """
        if not isinstance(other, NgramCounter):
            raise TypeError(f"other must be an NgramCounter, got {type(other).__name__}")
        if (self.unit, self.orders) != (other.unit, other.orders) or not np.array_equal(self._ranges, other._ranges):
            raise ValueError(f"other must count the same n-grams as {self!r}, got {other!r}")
        # One turn after the other, never both at once: two counters may be merged into each other.
        self._add_in_turn(*other._counted())

    @in_turn
    def _counted(self) -> tuple[Any, list[Run], int]:
        return self._encoder.symbols(), self._all_runs(), self._least

    def _add(self, symbols: Any, runs: list[Run], least: int) -> None:
        before, known = self._runs, len(self._encoder)
        try:
            self._runs = self._merged(symbols, runs)
        except BaseException:
            self._runs = before
            self._forget(known)
            raise
        self._least = max(self._least, least)

    _add_in_turn = in_turn(_add)

    def _merged(self, symbols: Any, runs: list[Run]) -> Runs:
        """The runs so far and another counter's."""
        kernel = kernels("ngrams.rows", self._backend)
        ids = self._encoder.add(*as_tuple(symbols))
        ids = np.concatenate([np.zeros(1, np.uint32), ids])
        layout = layout_for(self._order, len(self._encoder))
        merged = self._runs.copy()
        for run in runs:
            rows = part_rows(self._runs.max_bytes, [run], 1)
            for start in range(0, len(run.keys), rows):
                keys = np.ascontiguousarray(run.keys[start : start + rows])
                counts = run.counts[start : start + rows].astype(np.int64)
                keys = kernel.pack(ids[kernel.unpack(keys, self._order, *run.layout)], *layout)
                keys, counts = kernel.sort_rows(keys, counts)
                merged.add(Run(keys, narrow(counts), layout), self._mergers)
        return merged

    @in_turn
    def prune(self, min_count: int) -> None:
        """Leave out of the table n-grams that occur fewer times in all that is counted until it is finished.

        Parameters
        ----------
        min_count : int
            The least count that stays. Nothing is dropped before the end, so counts are exact.
        """
        self._least = max(self._least, as_index(min_count, "min_count", low=1))

    @in_turn
    def __getstate__(self) -> dict[str, Any]:
        state = {k: v for k, v in self.__dict__.items() if k not in ("_encoder", "_backend", "_runs", "_buffer")}
        for name in ("_workers", "_mergers"):
            state[name] = state[name] if isinstance(state[name], int) else 1
        runs = [Run(np.array(r.keys), narrow(np.array(r.counts, np.int64)), r.layout) for r in self._runs]
        return {**state, "symbols": self._encoder.symbols(), "runs": runs, "ids": self._buffer[: self._filled].copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        symbols, runs, self._buffer = state.pop("symbols"), state.pop("runs"), state.pop("ids")
        self.__dict__.update(state)
        if self._spill_dir is not None and not self._spill_dir.is_dir():
            self._spill_dir = Path(tempfile.gettempdir())
        self._backend = active_backend()
        self._encoder = self._new_encoder()
        self._encoder.add(*as_tuple(symbols))
        share = None if self._limit is None else self._limit // 4
        self._runs = Runs(self._order, self._backend, share, self._spill_dir)
        for run in runs:
            self._runs.add(run)

    def _all_runs(self) -> list[Run]:
        return [*self._runs, *stream(count_block, self._rest(), self._mergers)]

    def _rest(self) -> Iterator[CountTask]:
        """The ids still in the buffer, a share for each worker."""
        size = max(LEAST_BLOCK, -(-self._filled // n_threads(self._mergers)))
        for start in range(0, self._filled, size):
            starts = min(size, self._filled - start)
            stop = min(start + starts + self._order - 1, self._filled)
            yield self._task(self._buffer[start:stop], starts)


def count_ngrams(
    texts: Texts,
    n: int | tuple[int, int] = (1, 4),
    *,
    unit: str = "char",
    keep: Iterable[str] | None = None,
    split: "re.Pattern[str] | None" = None,
    encoding: str = "utf-8",
    errors: str = "strict",
    pattern: str | None = None,
    min_count: int = 1,
    max_memory: int | str | None = None,
    spill_dir: "os.PathLike[str] | str | None" = None,
    out: "os.PathLike[str] | str | None" = None,
    workers: Workers = 1,
    progress: Progress = False,
) -> NgramTable:
    """Count the n-grams of texts.

    Parameters
    ----------
    texts : iterable, path, bytes, open file or pyarrow array
        Strings (or, with ``unit="token"``, lists of tokens, or strings that are split at white space), or all of
        them `bytes`. An `os.PathLike` (or an iterable of them) is a file, each line a text, uncompressed by its
        suffix gz, xz, bz2 or zst; a folder is every file in it and below, in sorted order (links to folders aren't
        followed). An open file, bare `bytes` or a memory map are read like a file. A pyarrow array of strings
        (dictionary-encoded ones too) is read in place, a null as an empty text. A bare str is refused.
    n : int or (int, int), default (1, 4)
        The lowest and the highest order, both counted; at most 32. An int k means (k, k).
    unit : {"char", "token"}, default "char"
        N-grams of code points, with `str` keys, or of tokens, with tuples of `str` as keys.
    keep : str or set of str, optional
        Characters that n-grams are made of; every other one separates. ``"cjk+alnum"`` stands for U+4E00 to
        U+9FA5, ASCII letters and digits; ``"cjk"`` and ``"alnum"`` for either. Only for characters.
    split : re.Pattern, optional
        A compiled regex whose matches separate. Slower than `keep`.
    encoding : str, default "utf-8"
        What bytes and files are encoded in.
    errors : {"strict", "replace", "ignore"}, default "strict"
        Bytes that can't be decoded raise, become U+FFFD, or are left out.
    pattern : str, optional
        Of a folder only the files whose names match, as ``"*.txt"``.
    min_count : int, default 1
        Leave out n-grams that occur fewer times. Totals and entropies are those of all n-grams.
    max_memory : int or str, optional
        About how many bytes ("64MB", "1.5GiB") counting may take beyond the symbols. What doesn't fit is spilled
        to disk, counts stay exact, and the table's arrays lie in files that are mapped into memory. At least 1 MB.
    spill_dir : path-like, optional
        The folder for what is spilled, by default the one for temporary files. The files there have no names
        (on POSIX systems): however the process ends, nothing of them stays.
    out : path-like, optional
        A folder to be made, that the table's arrays are written into; `NgramTable.load` maps it again. It gets its
        name when all of it is on disk.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Threads share the blocks of all
        texts; an executor (a process pool, Dask's ``client.get_executor()``) is sent whole files when `texts` is a
        folder or a list of paths, and blocks otherwise.
    progress : bool or callable, default False
        True shows a bar (needs tqdm); a function is called with (done, total or None). Counted are symbols, or, with an
        executor and files, files.

    Returns
    -------
    NgramTable
        A mapping from n-gram to count, with scores.

    Raises
    ------
    TypeError
        If `texts` is a bare str, or a text isn't a str (or a list of str tokens).
    ValueError
        If `n` is out of range, a text holds a lone surrogate, bytes aren't UTF-8, or a folder holds no file.
    OSError
        If a file can't be read, its compression is damaged, a link leads nowhere, or `out` can't be made because
        it is there already or its parent isn't; that is seen before counting.

    Notes
    -----
    N-grams don't cross a text's end or a separator. Time is O(N log N) for N symbols in the worst case and about
    linear in practice: windows one longer than the highest order are packed into 64-bit words, radix-sorted a
    block at a time, and the sorted runs merged; lower orders fall out of one scan of the sorted windows. The
    table takes about 12 bytes a distinct n-gram of each order up to the highest plus one while those fit into one
    word; while it is made, sorted runs and its parts take up to three times as much besides, and some 50 MB of
    blocks (`max_memory` bounds both).

    Examples
    --------
    >>> from fastcore.ngrams import count_ngrams
    >>> table = count_ngrams(["to be or not to be"], (1, 2), unit="token")
    >>> table["to", "be"]
    2
    >>> table.most_common(3)
    [(('to',), 2), (('be',), 2), (('to', 'be'), 2)]
    """
    counter = NgramCounter(
        n,
        unit=unit,
        keep=keep,
        split=split,
        encoding=encoding,
        errors=errors,
        max_memory=max_memory,
        spill_dir=spill_dir,
        workers=workers,
    )
    min_count = as_index(min_count, "min_count", low=1)
    if out is not None:
        check_out(out)
    counter.update(texts, pattern=pattern, progress=progress)
    return counter.finish(min_count, out=out)
