"""Found words as arrays, and as strings with counts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels

# Counts up to which `falling` sorts in one go.
MOST = 0xFFFF


Symbols: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int64]]


def spelled(symbols: Symbols) -> list[str]:
    """What an encoder has numbered, as str."""
    codes, bounds = symbols
    text = "".join(map(chr, codes.tolist()))
    return [text[start:stop] for start, stop in pairwise(bounds.tolist())]


def kinds_of(symbols: Symbols, punctuation: str) -> NDArray[np.uint8]:
    """What `remove_redundant` must know of each symbol."""
    codes, bounds = symbols
    # Runs are letters and digits, and there may be many.
    kinds = np.full(len(bounds) - 1, 3, np.uint8)
    single = np.flatnonzero(np.diff(bounds) == 1)
    for number, symbol in zip(single.tolist(), map(chr, codes[bounds[single]].tolist())):
        kinds[number] = 0
        if symbol.isascii() and symbol.isalnum():
            kinds[number] = 3
        elif symbol == "." or symbol.isdecimal():
            kinds[number] = 2
        elif symbol in punctuation:
            kinds[number] = 4
    return kinds


@dataclass
class Words:
    """Distinct words: the numbers of their symbols one after another, offsets, counts."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many symbols each has."""
        return np.diff(self.offsets)

    def characters(self, symbols: Symbols) -> NDArray[np.int64]:
        """How many characters each has."""
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.diff(symbols[1])[self.ids])])
        return np.diff(ends[self.offsets])

    def take(self, chosen: NDArray[np.bool_]) -> Words:
        """Return the words that a mask chooses."""
        if chosen.all():
            return self
        lengths = self.lengths
        offsets = np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)
        return Words(self.ids[np.repeat(chosen, lengths)], offsets, self.counts[chosen])

    def to_dict(self, symbols: Symbols, backend: str) -> dict[str, int]:
        """Return word -> count in this order."""
        return self._dict(symbols, np.arange(len(self.counts)), backend)

    def to_sorted_dict(self, symbols: Symbols, backend: str) -> dict[str, int]:
        """Return word -> count by falling count; of equal counts the word that occurs first comes first."""
        return self._dict(symbols, falling(self.counts), backend)

    def _dict(self, symbols: Symbols, order: NDArray[np.int64], backend: str) -> dict[str, int]:
        found: dict[str, int] = kernels("discovery.words", backend).word_counts(
            self.ids, self.offsets, self.counts, *symbols, order
        )
        return found


def falling(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order in which counts fall; equal ones stay as they are."""
    # 16 bits are sorted digit by digit, in linear time; few counts need more.
    order = np.argsort((MOST - np.minimum(counts, MOST)).astype(np.uint16), kind="stable")
    top = order[: np.count_nonzero(counts >= MOST)]
    order[: len(top)] = top[np.argsort(-counts[top], kind="stable")]
    return order.astype(np.int64, copy=False)


def counted(counter: Any) -> Words:
    """Return what a WordCounter has found."""
    return Words(*counter.result())
