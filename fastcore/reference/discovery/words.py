"""Slow twin of the kernels of words: a dictionary from tuples of symbols to counts."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..._turns import TakesTurns, alone
from ._logs import log_count

Numbers = NDArray[np.int32]
Integers = NDArray[np.int64]


class WordCounter(TakesTurns):
    """Counts of the words into which texts fall when they are cut, in the order of first occurrence."""

    def __init__(self) -> None:
        self._words: dict[tuple[int, ...], int] = {}

    @alone
    def update(self, ids: Numbers, joined: NDArray[np.uint8]) -> None:
        """Count the words of a block where joined[i] says that characters i and i + 1 belong together."""
        word: tuple[int, ...] = ()
        for number, goes_on in [*zip(ids.tolist(), joined.tolist()), (-1, 0)]:
            if number >= 0:
                word += (number,)
            if word and (number < 0 or not goes_on):
                self._words[word] = self._words.get(word, 0) + 1
                word = ()

    @alone
    def result(self) -> tuple[Numbers, Integers, Integers]:
        """Return (numbers of the characters of all words one after another, offsets, counts)."""
        return (
            np.array([number for word in self._words for number in word], np.int32),
            np.cumsum([0, *map(len, self._words)], dtype=np.int64),
            np.array(list(self._words.values()), np.int64),
        )


def frequent(counts: Integers, log_min_proba: float) -> NDArray[np.bool_]:
    """Which counts have log(count / total) > log_min_proba."""
    log_total = log_count(sum(counts.tolist()))
    return np.array([log_count(count) - log_total > log_min_proba for count in counts.tolist()], np.bool_)


def word_counts(
    ids: Numbers, offsets: Integers, counts: Integers, symbols: Numbers, bounds: Integers, order: Integers
) -> dict[str, int]:
    """Return a dict of the words, as str, and their counts, in an order given by their numbers.

    symbols[bounds[number]:bounds[number + 1]] are a symbol's code points.
    """
    text = "".join(map(chr, symbols.tolist()))
    spelled = [text[a:b] for a, b in pairwise(bounds.tolist())]
    numbers, starts, count = ids.tolist(), offsets.tolist(), counts.tolist()
    return {
        "".join(spelled[k] for k in numbers[starts[word] : starts[word + 1]]): count[word] for word in order.tolist()
    }
