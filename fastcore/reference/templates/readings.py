"""Slow twin of the kernel that counts paths by what they read: dictionaries of readings, from the last word back."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ._paths import MOST, SLOT, Graph

LISTS = 16  # the readings of all words of a sentence may be so many times as many as those of one


def count_readings(
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    pairs_first: NDArray[np.int64],
    pairs_second: NDArray[np.int64],
    window: int,
    limit: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
    """Count the paths of strong pairs by what they read, in the order in which they come.

    Return symbols, offsets, counts (2**62 for more), and -1, or else the first sentence with more than `limit`
    different readings from one of its words on, or sixteen times as many from all of them. Paths of a sentence come in
    order of the tokens on them. `pairs_second[pairs_first[a]:]` are, in rising order, the words that are strong after
    word a.
    """
    graph = Graph(ids, offsets, pairs_first, pairs_second, window, True)
    entered = {j for on in graph.on for j in on}
    found: dict[tuple[int, ...], int] = {}
    refused = -1
    for number, (start, end) in enumerate(pairwise(offsets.tolist())):
        # For each word what is read from there to the end, in the order in which paths come.
        rest: dict[int, dict[tuple[int, ...], int]] = {}
        for i in reversed(range(start, end)):
            word = graph.words[i]
            mine: dict[tuple[int, ...], int] = {}
            for j in graph.on[i]:
                for read, count in rest[j].items():
                    whole = (word, *read) if j == i + 1 else (word, SLOT, *read)
                    mine[whole] = mine.get(whole, 0) + count
                if len(mine) > limit or sum(map(len, rest.values())) + len(mine) > LISTS * limit:
                    refused = number
                    break
            if refused >= 0:
                break
            rest[i] = mine or {((word,) if i + 1 == end else (word, SLOT)): 1}
        if refused >= 0:
            break
        for i in range(start, end):
            if i not in entered:
                for read, count in rest[i].items():
                    whole = read if i == start else (SLOT, *read)
                    found[whole] = found.get(whole, 0) + count
    return (
        np.array([symbol for read in found for symbol in read], np.int64),
        np.cumsum([0, *map(len, found)], dtype=np.int64),
        np.array([min(count, MOST) for count in found.values()], np.int64),
        refused,
    )
