"""Slow twin of the vectorizer's kernels."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .._turns import TakesTurns, alone

_SPACES = re.compile(r"\s\s+")
_WORDS = re.compile(r"(?u)\b\w\w+\b")

Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]
Points = NDArray[np.uint32]


class Symbols(TakesTurns):
    """Documents made into symbols (code points or tokens), numbered by first occurrence.

    N-grams don't leave their piece: a document, or a word of it with a space on either side.
    """

    def __init__(self) -> None:
        self._alphabet: dict[str, int] = {}
        self._symbols: list[int] = []
        self._pieces = [0]
        self._documents = [0]
        self._dropped = 0

    def _add_piece(self, symbols: Iterable[str]) -> None:
        ids = (self._alphabet.setdefault(symbol, len(self._alphabet)) for symbol in symbols)
        self._symbols += [i for i in ids if i >= self._dropped]
        self._pieces.append(len(self._symbols))

    def _end_document(self) -> None:
        self._documents.append(len(self._pieces) - 1)

    @alone
    def add_chars(self, text: str) -> None:
        """Append a document's code points; runs of white space become one space."""
        self._add_piece(_SPACES.sub(" ", text))
        self._end_document()

    @alone
    def add_words_of_chars(self, text: str) -> None:
        """Append a document's words, each a piece of code points between two spaces."""
        for word in text.split():
            self._add_piece(f" {word} ")
        self._end_document()

    @alone
    def drop(self, tokens: Iterable[str]) -> None:
        """Leave these tokens out of documents from now on; to be said before any document."""
        for token in tokens:
            self._alphabet.setdefault(token, len(self._alphabet))
        self._dropped = len(self._alphabet)

    @alone
    def add_words(self, text: str) -> None:
        """Append a document's tokens: runs of two or more letters, digits and underscores."""
        self._add_piece(_WORDS.findall(text))
        self._end_document()

    @alone
    def finish(self) -> tuple[Ints, Offsets, Offsets, list[str]]:
        """Return symbols, the pieces' offsets in them, the documents' offsets in pieces, and the alphabet."""
        return (
            np.array(self._symbols, np.int32),
            np.array(self._pieces, np.int64),
            np.array(self._documents, np.int64),
            list(self._alphabet),
        )


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
