"""The counter: texts in, a table out."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels
from .._validation import as_choice, as_index
from .._workers import Workers, check_workers, stream
from ._layout import MAX_ORDER, layout_for
from ._runs import CountTask, Run, Runs, count_block, join_parts, tabulate
from ._sources import batches, check_split, check_texts, kept_ranges
from ._table import NgramTable

Texts: TypeAlias = "Iterable[Any] | os.PathLike[str]"

# Ids that are counted at a time.
BLOCK = 1 << 20


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


class NgramCounter:
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
    errors : {"strict", "replace"}, default "strict"
        What to do about bytes that aren't UTF-8: raise, or count U+FFFD in their place.
    workers : int, executor or map-like callable, default 1
        See :func:`count_ngrams`.

    Notes
    -----
    An update that fails, or is interrupted, changes nothing.

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
        errors: str = "strict",
        workers: Workers = 1,
    ) -> None:
        self.orders = check_orders(n)
        self.unit = as_choice(unit, "unit", ("char", "token"))
        if keep is not None and self.unit == "token":
            raise ValueError("keep must be None where unit='token': it is a class of characters")
        self._ranges = kept_ranges(keep)
        check_split(split)
        self._split = split
        self._errors = as_choice(errors, "errors", ("strict", "replace"))
        self._workers = check_workers(workers)
        self._backend = active_backend()
        # Counted one longer than asked for, so that the neighbours of the longest n-grams are known too.
        self._order = self.orders[1] + 1
        self._encoder = self._new_encoder()
        self._runs = Runs(self._order, self._backend)
        self._buffer = np.empty(0, np.uint32)
        self._filled = 0

    def _new_encoder(self) -> Any:
        kernel = kernels("ngrams", self._backend)
        return kernel.Alphabet(self._ranges) if self.unit == "char" else kernel.Vocabulary()

    def __repr__(self) -> str:
        low, high = self.orders
        return f"NgramCounter(n=({low}, {high}), unit={self.unit!r}): {len(self._encoder)} symbols so far"

    def update(self, texts: Texts) -> None:
        """Count more texts.

        Parameters
        ----------
        texts : iterable
            As for :func:`count_ngrams`.

        Raises
        ------
        TypeError
            If a text is of the wrong type.
        ValueError
            If a text holds a lone surrogate.
        """
        check_texts(texts)
        before = self._runs.copy(), self._buffer, self._filled
        try:
            for run in stream(count_block, self._blocks(texts), self._workers):
                self._runs.add(run, self._workers)
        except BaseException:
            self._runs, self._buffer, self._filled = before
            raise

    def _blocks(self, texts: Texts) -> Iterator[CountTask]:
        """Fill blocks of ids; the last one stays in the buffer until more comes."""
        again = self._order - 1
        for batch in batches(texts, self._split, self._errors, BLOCK):
            done = False
            while not done:
                if self._filled == len(self._buffer):
                    yield from self._grow(again)
                more, done = batch.encode(self._encoder, self._buffer[self._filled :])
                self._filled += more

    def _grow(self, again: int) -> Iterator[CountTask]:
        """Hand a full buffer on and begin the next with its last ids; small buffers are made larger first."""
        old, size = self._buffer, len(self._buffer)
        if size < BLOCK + again:
            self._buffer = np.empty(min(BLOCK + again, max(4096, 4 * size)), np.uint32)
            self._buffer[:size] = old
            return
        self._buffer = np.empty(size, np.uint32)
        self._buffer[:again] = old[size - again :]
        self._filled = again
        yield self._task(old, size - again)

    def _task(self, ids: NDArray[np.uint32], starts: int) -> CountTask:
        return CountTask(ids, starts, self._order, layout_for(self._order, len(self._encoder)), self._backend)

    def finish(self, min_count: int = 1) -> NgramTable:
        """Return the table of all that was counted; counting may go on afterwards.

        Parameters
        ----------
        min_count : int, default 1
            Leave out n-grams that occur fewer times.

        Returns
        -------
        NgramTable
            The n-grams and their counts.
        """
        min_count = as_index(min_count, "min_count", low=1)
        runs = self._all_runs()
        layout = layout_for(self._order, len(self._encoder))
        parts = tabulate(runs, self._order, layout, self._backend, self._workers)
        keys, counts = join_parts(parts, self._order, layout)
        table = NgramTable._make(
            orders=self.orders,
            unit=self.unit,
            symbols=self._encoder.symbols(),
            layout=layout,
            keys=keys,
            counts=counts,
            backend=self._backend,
        )
        return table.prune(min_count) if min_count > 1 else table

    def _all_runs(self) -> list[Run]:
        runs = list(self._runs)
        if self._filled:
            runs.append(count_block(self._task(self._buffer[: self._filled], self._filled)))
        return runs


def count_ngrams(
    texts: Texts,
    n: int | tuple[int, int] = (1, 4),
    *,
    unit: str = "char",
    keep: Iterable[str] | None = None,
    split: "re.Pattern[str] | None" = None,
    errors: str = "strict",
    min_count: int = 1,
    workers: Workers = 1,
) -> NgramTable:
    """Count the n-grams of texts.

    Parameters
    ----------
    texts : iterable, path, bytes or pyarrow array
        Strings (or, with ``unit="token"``, lists of tokens, or strings that are split at white space), or all of
        them `bytes` in UTF-8. An `os.PathLike` (or an iterable of them) is a UTF-8 file, each line a text,
        uncompressed by its suffix gz, xz, bz2 or zst; a folder is every file in it, in sorted order. Bare `bytes`
        (or a memory map) are read like a file. A pyarrow array of strings is read in place, a null as an empty
        text. A bare str is refused.
    n : int or (int, int), default (1, 4)
        The lowest and the highest order, both counted; at most 32. An int k means (k, k).
    unit : {"char", "token"}, default "char"
        N-grams of code points, with `str` keys, or of tokens, with tuples of `str` as keys.
    keep : str or set of str, optional
        Characters that n-grams are made of; every other one separates. ``"cjk+alnum"`` stands for U+4E00 to
        U+9FA5, ASCII letters and digits; ``"cjk"`` and ``"alnum"`` for either. Only for characters.
    split : re.Pattern, optional
        A compiled regex whose matches separate. Slower than `keep`.
    errors : {"strict", "replace"}, default "strict"
        What to do about bytes that aren't UTF-8: raise, or count U+FFFD in their place.
    min_count : int, default 1
        Leave out n-grams that occur fewer times. Totals and entropies are those of all n-grams.
    workers : int, executor or map-like callable, default 1
        Threads that count (-1 for all cores), or an executor that blocks are sent to. The table is the same for
        any number of workers.

    Returns
    -------
    NgramTable
        A mapping from n-gram to count, with scores.

    Raises
    ------
    TypeError
        If `texts` is a bare str, or a text isn't a str (or a list of str tokens).
    ValueError
        If `n` is out of range, a text holds a lone surrogate, or bytes aren't UTF-8.
    OSError
        If a file can't be read, or its compression is damaged.

    Notes
    -----
    N-grams don't cross a text's end or a separator. Time is O(N log N) for N symbols in the worst case and about
    linear in practice: windows one longer than the highest order are packed into 64-bit words, radix-sorted a
    block at a time, and the sorted runs merged; lower orders fall out of one scan of the sorted windows. Memory
    is about 12 bytes a distinct n-gram of each order up to the highest plus one, besides a few blocks.

    Examples
    --------
    >>> from fastcore.ngrams import count_ngrams
    >>> table = count_ngrams(["to be or not to be"], (1, 2), unit="token")
    >>> table["to", "be"]
    2
    >>> table.most_common(3)
    [(('to',), 2), (('be',), 2), (('to', 'be'), 2)]
    """
    counter = NgramCounter(n, unit=unit, keep=keep, split=split, errors=errors, workers=workers)
    min_count = as_index(min_count, "min_count", low=1)
    counter.update(texts)
    return counter.finish(min_count)
