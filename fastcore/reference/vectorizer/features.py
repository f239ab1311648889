"""Slow twin of the kernels of the vectorizer's features."""

from collections import Counter
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]
Points = NDArray[np.uint32]


def find_ngrams(
    symbols: Ints, pieces: Offsets, documents: Offsets, ranks: Ints, min_n: int, max_n: int, short: bool
) -> tuple[Ints, Offsets, Offsets, Offsets, Ints]:
    """Number the n-grams of min_n to max_n symbols inside pieces: first piece first, short before long, then by place.

    With `short`, a piece of fewer than min_n symbols counts once, whole. `ranks` order the symbols.

    Returns: the id of each instance, the documents' offsets in those, each id's first place in symbols and its
    length, and the ids in the order of their symbols' ranks.
    """
    stream = symbols.tolist()
    ids: dict[tuple[int, ...], int] = {}
    instances: list[int] = []
    starts: list[int] = []
    bounds = [0]
    for first, last in zip(documents[:-1].tolist(), documents[1:].tolist()):
        for piece in range(first, last):
            begin, end = int(pieces[piece]), int(pieces[piece + 1])
            lengths = list(range(min_n, min(max_n, end - begin) + 1))
            if short and 0 < end - begin < min_n:
                lengths = [end - begin]
            for n in lengths:
                for start in range(begin, end - n + 1):
                    ngram = tuple(stream[start : start + n])
                    if ngram not in ids:
                        ids[ngram] = len(ids)
                        starts.append(start)
                    instances.append(ids[ngram])
        bounds.append(len(instances))
    rank = ranks.tolist()
    order = sorted(ids, key=lambda ngram: [rank[symbol] for symbol in ngram])
    return (
        np.array(instances, np.int32),
        np.array(bounds, np.int64),
        np.array(starts, np.int64),
        np.array([len(ngram) for ngram in ids], np.int64),
        np.array([ids[ngram] for ngram in order], np.int32),
    )


def count_rows(keys: Ints, bounds: Offsets) -> tuple[Offsets, Ints, Offsets]:
    """Count each document's keys, leaving out negative ones: offsets, keys rising in each row, and their counts."""
    offsets, columns, counts = [0], [], []
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist()):
        row = Counter(key for key in keys[begin:end].tolist() if key >= 0)
        for key in sorted(row):
            columns.append(key)
            counts.append(row[key])
        offsets.append(len(columns))
    return np.array(offsets, np.int64), np.array(columns, np.int32), np.array(counts, np.int64)


def spell(
    symbols: Ints, starts: Offsets, lengths: Offsets, letters: Points, ends: Offsets, joined: bool
) -> tuple[Points, Offsets]:
    """Write n-grams as code points: symbol s is letters[ends[s]:ends[s + 1]]; spaces between symbols, if `joined`.

    Returns the code points of all and the n-grams' offsets in them.
    """
    points: list[int] = []
    offsets = [0]
    for start, length in zip(starts.tolist(), lengths.tolist()):
        for i, symbol in enumerate(symbols[start : start + length].tolist()):
            if joined and i:
                points.append(ord(" "))
            points += letters[ends[symbol] : ends[symbol + 1]].tolist()
        offsets.append(len(points))
    return np.array(points, np.uint32), np.array(offsets, np.int64)


def match(points: Points, offsets: Offsets, other_points: Points, other_offsets: Offsets) -> Ints:
    """Find strings among others, -1 for none; both are sorted by code points and without duplicates."""
    others = {other_points[begin:end].tobytes(): i for i, (begin, end) in enumerate(pairwise(other_offsets))}
    found = [others.get(points[begin:end].tobytes(), -1) for begin, end in pairwise(offsets)]
    return np.array(found, np.int32)
