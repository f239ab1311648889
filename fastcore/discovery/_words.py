"""Found words as arrays, and as strings with counts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


def kinds_of(symbols: NDArray[np.int32], punctuation: str) -> NDArray[np.uint8]:
    """What `remove_redundant` must know of each character."""
    kinds = np.zeros(len(symbols), np.uint8)
    for number, symbol in enumerate(map(chr, symbols.tolist())):
        if symbol.isascii() and symbol.isalnum():
            kinds[number] = 3
        elif symbol == "." or symbol.isdecimal():
            kinds[number] = 2
        elif symbol in punctuation:
            kinds[number] = 4
    return kinds


def _text(ids: NDArray[np.int32], symbols: NDArray[np.int32]) -> str:
    return symbols.astype("<u4")[ids].tobytes().decode("utf-32-le", "surrogatepass")


@dataclass
class Words:
    """Distinct words: the numbers of their characters one after another, offsets, counts."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def take(self, chosen: NDArray[np.bool_]) -> Words:
        """Return the words that a mask chooses."""
        lengths = self.lengths
        offsets = np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)
        return Words(self.ids[np.repeat(chosen, lengths)], offsets, self.counts[chosen])

    def to_dict(self, symbols: NDArray[np.int32]) -> dict[str, int]:
        """Return word -> count in this order."""
        text = _text(self.ids, symbols)
        words = (text[start:stop] for start, stop in pairwise(self.offsets.tolist()))
        return dict(zip(words, self.counts.tolist()))

    def to_sorted_dict(self, symbols: NDArray[np.int32]) -> dict[str, int]:
        """Return word -> count by falling count; of equal counts the word that occurs first comes first."""
        text = _text(self.ids, symbols)
        order = np.argsort(-self.counts, kind="stable")
        starts, stops = self.offsets[:-1][order].tolist(), self.offsets[1:][order].tolist()
        return {text[a:b]: n for a, b, n in zip(starts, stops, self.counts[order].tolist())}


def counted(counter: Any) -> Words:
    """Return what a WordCounter has found."""
    return Words(*counter.result())
