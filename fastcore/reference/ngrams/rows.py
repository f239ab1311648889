"""Slow twin of the rows' kernels: dictionaries from tuples of ids to counts.

A row is an n-gram's key: `per_word` ids a 64-bit word, each word one number in base `radix`, the first id
highest. Id 0 is no symbol: it separates in a stream of ids, and pads a row whose text ended early.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]
Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]


def _pack(ids: Iterable[int], per_word: int, radix: int) -> tuple[int, ...]:
    ids, words = list(ids), []
    for first in range(0, len(ids), per_word):
        number = 0
        for symbol in ids[first : first + per_word]:
            number = number * radix + symbol
        words.append(number)
    return tuple(words)


def _unpack(row: Iterable[int], order: int, per_word: int, radix: int) -> tuple[int, ...]:
    ids: list[int] = []
    for number in row:
        digits: list[int] = []
        for _ in range(min(per_word, order - len(ids))):
            number, digit = divmod(number, radix)
            digits.append(digit)
        ids += reversed(digits)
    return tuple(ids)


def _rows(keys: Keys) -> list[tuple[int, ...]]:
    return [tuple(row) for row in keys.tolist()]


def _arrays(counted: dict[tuple[int, ...], int], words: int) -> tuple[Keys, Counts]:
    rows = sorted(counted)
    keys = np.array(rows, np.uint64).reshape(len(rows), words)
    return keys, np.array([counted[row] for row in rows], np.int64)


def count_windows(ids: Ids, starts: int, order: int, per_word: int, radix: int) -> tuple[Keys, NDArray[np.uint32]]:
    """Count the windows of up to `order` ids that begin at the first `starts` places and end before a 0.

    Returns the rows in order, and their counts.
    """
    stream = ids.tolist()
    counted: Counter[tuple[int, ...]] = Counter()
    for i in range(min(starts, len(stream))):
        window = stream[i : i + order]
        if 0 in window:
            window = window[: window.index(0)]
        if window:
            counted[(*window, *[0] * (order - len(window)))] += 1
    packed = {_pack(window, per_word, radix): count for window, count in counted.items()}
    keys, counts = _arrays(packed, -(-order // per_word))
    return keys, counts.astype(np.uint32)


def sort_rows(keys: Keys, counts: Counts) -> tuple[Keys, Counts]:
    """Sort rows, adding the counts of equal ones."""
    counted: Counter[tuple[int, ...]] = Counter()
    for row, count in zip(_rows(keys), counts.tolist(), strict=True):
        counted[row] += count
    return _arrays(counted, keys.shape[1])


def merge_runs(keys: list[Keys], counts: list[Counts]) -> tuple[Keys, Counts]:
    """Merge sorted runs of distinct rows into one, adding the counts of equal rows."""
    return sort_rows(np.concatenate(keys), np.concatenate(counts))


def prefixes(keys: Keys, counts: Counts, order: int, per_word: int, radix: int) -> tuple[list[Keys], list[Counts]]:
    """Add up sorted rows by their first 1, 2, ..., order ids: a list of keys and a list of counts."""
    counted: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order)]
    for row, count in zip(_rows(keys), counts.tolist(), strict=True):
        ids = _unpack(row, order, per_word, radix)
        for k in range(1, order + 1):
            if ids[k - 1] == 0:
                break
            counted[k - 1][ids[:k]] += count
    found = [
        _arrays({_pack(ids, per_word, radix): n for ids, n in counter.items()}, -(-k // per_word))
        for k, counter in enumerate(counted, 1)
    ]
    return [k for k, _ in found], [n for _, n in found]


def unpack(keys: Keys, order: int, per_word: int, radix: int) -> Ids:
    """The ids of each row, as an array (rows, order)."""
    return np.array([_unpack(row, order, per_word, radix) for row in _rows(keys)], np.uint32).reshape(-1, order)


def pack(ids: Ids, per_word: int, radix: int) -> Keys:
    """The row of each tuple of ids, all of them below `radix`."""
    words = -(-ids.shape[1] // per_word)
    return np.array([_pack(row, per_word, radix) for row in ids.tolist()], np.uint64).reshape(-1, words)


def find(keys: Keys, wanted: Keys) -> NDArray[np.int64]:
    """For each wanted row the first of the sorted `keys` that isn't below it."""
    found = [bisect_left(range(len(keys)), row, key=lambda i: tuple(keys[i].tolist())) for row in _rows(wanted)]
    return np.array(found, np.int64)


def heads(keys: Keys, shorter: Keys, order: int, per_word: int, radix: int) -> NDArray[np.int64]:
    """For each row of `order` ids the row of `shorter` that holds all but the last; -1 if there is none."""
    row_of = {_unpack(row, order - 1, per_word, radix): i for i, row in enumerate(_rows(shorter))}
    return np.array([row_of.get(_unpack(row, order, per_word, radix)[:-1], -1) for row in _rows(keys)], np.int64)


def tails(keys: Keys, shorter: Keys, order: int, per_word: int, radix: int) -> NDArray[np.int64]:
    """For each row of `order` ids the row of `shorter` that holds all but the first; -1 if there is none."""
    row_of = {_unpack(row, order - 1, per_word, radix): i for i, row in enumerate(_rows(shorter))}
    return np.array([row_of.get(_unpack(row, order, per_word, radix)[1:], -1) for row in _rows(keys)], np.int64)


def is_sorted(keys: Keys) -> bool:
    """Whether each row is above the one before it."""
    rows = _rows(keys)
    return all(a < b for a, b in pairwise(rows))
