"""Slow twin of the kernels of neighbouring symbols: dictionaries from pairs to counts and rows."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..._turns import TakesTurns, alone
from ._logs import log_count

Numbers = NDArray[np.int32]
Integers = NDArray[np.int64]


class PairCounter(TakesTurns):
    """Counts of characters and of adjacent pairs, the pairs in the order of their first occurrence."""

    def __init__(self) -> None:
        self._chars: dict[int, int] = {}
        self._pairs: dict[tuple[int, int], int] = {}

    @alone
    def update(self, ids: Numbers) -> None:
        """Count a block of text; pairs don't reach from one block into the next."""
        before = -1
        for number in ids.tolist():
            if number >= 0:
                self._chars[number] = self._chars.get(number, 0) + 1
                if before >= 0:
                    self._pairs[before, number] = self._pairs.get((before, number), 0) + 1
            before = number

    @alone
    def merge(self, char_counts: Integers, pairs: Numbers, pair_counts: Integers) -> None:
        """Add counts such as `result` gives."""
        for number, count in enumerate(char_counts.tolist()):
            self._chars[number] = self._chars.get(number, 0) + count
        for (a, b), count in zip(pairs.tolist(), pair_counts.tolist()):
            self._pairs[a, b] = self._pairs.get((a, b), 0) + count

    @alone
    def result(self) -> tuple[Integers, Numbers, Integers]:
        """Return (counts of the characters, pairs as rows of two numbers, their counts)."""
        chars = [self._chars.get(number, 0) for number in range(max(self._chars, default=-1) + 1)]
        return (
            np.array(chars, np.int64),
            np.array(list(self._pairs), np.int32).reshape(-1, 2),
            np.array(list(self._pairs.values()), np.int64),
        )


class PairIndex:
    """Pairs found again: the row of each in a table of distinct ones."""

    def __init__(self, pairs: Numbers) -> None:
        self._rows = {(a, b): row for row, (a, b) in enumerate(pairs.tolist())}

    def find(self, ids: Numbers) -> Numbers:
        """Return for each position the row of the pair that begins there, -1 if it has none."""
        numbers = ids.tolist()
        rows = [self._rows.get(pair, -1) if min(pair) >= 0 else -1 for pair in pairwise(numbers)]
        return np.array([*rows, -1][: len(numbers)], np.int32)


class PairSet:
    """Pairs of which it can be asked whether they are in the set."""

    def __init__(self, pairs: Numbers) -> None:
        self._pairs = {(a, b) for a, b in pairs.tolist()}

    def holds(self, ids: Numbers) -> NDArray[np.uint8]:
        """Return for each position whether the pair that begins there is in the set."""
        held = [pair in self._pairs for pair in pairwise(ids.tolist())]
        return np.array([*held, False][: len(ids)], np.uint8)


def cover(grams: Numbers, passing: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return which characters i and i + 1 lie together in an n-gram that passes.

    grams[k, i] is the number of the n-gram of k + 1 characters that begins at i, or -1; passing[number] whether
    it passes.
    """
    orders, n = grams.shape
    joined = np.zeros(n, np.uint8)
    for k in range(1, orders):
        for i, number in enumerate(grams[k].tolist()):
            if number >= 0 and passing[number]:
                joined[i : i + k] = 1
    return joined


def pair_scores(
    char_counts: Integers, pairs: Numbers, pair_counts: Integers
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log p(ab) and the pointwise mutual information log p(ab) - log p(a) - log p(b) of every pair."""
    chars, counts = char_counts.tolist(), pair_counts.tolist()
    log_chars, log_pairs = log_count(sum(chars)), log_count(sum(counts))
    probability = [log_count(count) - log_pairs for count in counts]
    score = [
        p - (log_count(chars[a]) - log_chars) - (log_count(chars[b]) - log_chars)
        for p, (a, b) in zip(probability, pairs.tolist())
    ]
    return np.array(probability, np.float64), np.array(score, np.float64)
