"""N-grams of blocks of numbers, order by order.

An n-gram of k + 1 characters is a pair of neighbouring n-grams of k, so each order is one count of adjacent
pairs over the numbers of the order below. Below `min_count` an n-gram gets no number: what contains it is rarer
still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from ._blocks import NOTHING, Blocks, Numbers
from ._words import Words

# Numbers (4 bytes each) that `lattice` keeps instead of making them again.
IN_MEMORY = 1 << 26


class Grams:
    """The frequent n-grams of a text, numbered through all orders: single characters first, then pairs, ...

    Attributes
    ----------
    counts : ndarray of int64
        How often each occurs.
    starts : list of int
        The n-grams of k characters have the numbers starts[k - 1] to starts[k].
    prefix, suffix : ndarray of int64
        The n-gram without its last and without its first character, -1 for a single one.
    """

    def __init__(
        self, blocks: Iterable[Numbers], orders: int, min_count: int, step: Callable[[int], object], backend: str
    ) -> None:
        kernel = kernels("discovery.pairs", backend)
        self._indexes: list[Callable[[Numbers], Numbers]] = []
        self.counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self.starts = [0]
        prefixes, suffixes = [], []
        for order in range(1, orders):
            counter = kernel.PairCounter()
            for ids in blocks:
                counter.update(ids)
                step(len(ids))
            singles, pairs, pair_counts = counter.result()
            if order == 1:
                if not len(singles):
                    raise ValueError(NOTHING)
                self.counts = singles
                self.starts.append(len(singles))
                prefixes.append(np.full(len(singles), -1, np.int64))
                suffixes.append(prefixes[0])
            frequent = pair_counts >= min_count
            pairs = np.ascontiguousarray(pairs[frequent])
            prefixes.append(pairs[:, 0] + np.int64(self.starts[-2]))
            suffixes.append(pairs[:, 1] + np.int64(self.starts[-2]))
            self.counts = np.concatenate([self.counts, pair_counts[frequent]])
            self.starts.append(len(self.counts))
            self._indexes.append(kernel.PairIndex(pairs).find)
            if order + 1 < orders:
                above = Blocks()
                for ids in blocks:
                    above.add(self._indexes[-1](ids))
                blocks = above
        self.prefix, self.suffix = np.concatenate(prefixes), np.concatenate(suffixes)

    def orders(self) -> Iterator[tuple[int, slice]]:
        """Yield each order and the numbers of its n-grams."""
        for order, (start, stop) in enumerate(zip(self.starts, self.starts[1:]), 1):
            yield order, slice(start, stop)

    def words(self, counts: NDArray[np.int64]) -> Words:
        """Return the n-grams of positive counts as words with these counts, shorter ones first."""
        first = np.arange(len(self.counts), dtype=np.int32)
        ids, lengths, chosen_counts = [], [], []
        for order, chosen in self.orders():
            if order > 1:
                first[chosen] = first[self.prefix[chosen]]
            if chosen.start >= len(counts):
                break
            number = chosen.start + np.flatnonzero(counts[chosen])
            spelled = np.empty((len(number), order), np.int32)
            chosen_counts.append(counts[number])
            lengths.append(np.full(len(number), order))
            for place in range(order):
                spelled[:, place] = first[number]
                number = self.suffix[number]
            ids.append(spelled.ravel())
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
        return Words(np.concatenate(ids), offsets, np.concatenate(chosen_counts))

    def at(self, ids: Numbers, orders: int) -> Numbers:
        """Return an array (order, position) of the n-grams that begin at each position, -1 where none does."""
        if len(ids) and ids.max() >= self.starts[1]:
            # Characters that came only after learning: their numbers would be taken for those of pairs.
            ids = np.where(ids < self.starts[1], ids, np.int32(-1))
        rows = np.full((orders, len(ids)), -1, np.int32)
        for order in range(orders):
            np.add(ids, np.int32(self.starts[order]), out=rows[order], where=ids >= 0)
            if order + 1 < orders:
                ids = self._indexes[order](ids)
        return rows

    def lattice(self, blocks: Iterable[Numbers], orders: int) -> Callable[[], Iterator[Numbers]]:
        """Return a function that yields `at` of each block, made once if they fit into memory."""
        held: list[Numbers] = []
        size = 0
        for ids in blocks:
            size += orders * len(ids)
            if size > IN_MEMORY:
                return lambda: (self.at(ids, orders) for ids in blocks)
            held.append(self.at(ids, orders))
        return lambda: iter(held)
