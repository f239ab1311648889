"""Slow twin of the word segmenter's kernels: attributes from the window around each character, and words by weights.

Each of a character's twelve attributes has a key, its template << 42 | what stands there. Templates 0 to 4: the
character at -2 to 2, by code point, 0x110000 outside the text; 5 to 9: the characters at (-2, -1), (-1, 0), (0, 1),
(1, 2), (-1, 1), the first << 21 | the second; 10: the kind of the character; 11: the kinds at -1, 0, 1, as
first << 6 | second << 3 | third. `kinds` says a character's kind, 0 to 7: rows (first, last + 1, kind), the last one
that holds it counts; 0 for what is in none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from math import inf
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

OUTSIDE = 0x110000
PAIRS = ((-2, -1), (-1, 0), (0, 1), (1, 2), (-1, 1))
B, M, E, S = range(4)
# Labels that may come before each, and those with which words begin and end.
BEFORE = {B: (E, S), M: (B, M), E: (B, M), S: (E, S)}
FIRST, LAST = (B, S), (E, S)


class _Kinds:
    """The kind of each character."""

    def __init__(self, kinds: Array) -> None:
        ranges = kinds.tolist()
        if not all(0 <= first <= last <= OUTSIDE + 1 and 0 <= kind < 8 for first, last, kind in ranges):
            raise ValueError("kinds must be rows of first code point, last + 1 and a kind below 8")

        @cache
        def of(code: int) -> int:
            return next((kind for first, last, kind in reversed(ranges) if first <= code < last), 0)

        self.of = of


def _checked(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"texts must be str, got {type(text).__name__}")
        yield text


def _keys(text: str, kinds: _Kinds) -> Iterator[list[int]]:
    """Yield the keys of each character's attributes."""
    codes = [OUTSIDE, OUTSIDE, *map(ord, text), OUTSIDE, OUTSIDE]
    for i in range(2, len(codes) - 2):
        parts = [codes[i + d] for d in range(-2, 3)]
        parts += [codes[i + a] << 21 | codes[i + b] for a, b in PAIRS]
        left, here, right = (kinds.of(codes[i + d]) for d in (-1, 0, 1))
        parts += [here, left << 6 | here << 3 | right]
        yield [template << 42 | part for template, part in enumerate(parts)]


def count_windows(texts: Iterable[str], kinds: Array) -> tuple[Array, Array]:
    """How often each attribute occurs in texts: keys, in any order, and counts."""
    known = _Kinds(kinds)
    counts = Counter(key for text in _checked(texts) for keys in _keys(text, known) for key in keys)
    return np.array(list(counts), np.int64), np.array(list(counts.values()), np.int64)


class Windows:
    """The attributes with the keys `known`, numbered 0, 1, ... in that order."""

    def __init__(self, known: Array, kinds: Array) -> None:
        self._kinds = _Kinds(kinds)
        self._ids = {key: i for i, key in enumerate(known.tolist())}
        for key in self._ids:
            template, rest = key >> 42, key & (1 << 42) - 1
            limit = OUTSIDE + 1 if template < 5 else 1 << 42 if template < 10 else 8 if template == 10 else 512
            if not (0 <= template < 12 and rest < limit):
                raise ValueError(f"keys must be those of attributes, got {key}")

    def __len__(self) -> int:
        return len(self._ids)

    def _of(self, text: str) -> Iterator[list[int]]:
        """Yield the attributes of each character."""
        for keys in _keys(text, self._kinds):
            yield [self._ids[key] for key in keys if key in self._ids]

    def read(self, texts: Iterable[str]) -> tuple[Array, Array, Array]:
        """The attributes of texts' characters: (offsets, rows, ids).

        Text s has the characters offsets[s] to offsets[s + 1], character t the attributes ids[rows[t]:rows[t + 1]],
        those that are known.
        """
        offsets, rows, ids = [0], [0], []
        for text in _checked(texts):
            for found in self._of(text):
                ids += found
                rows.append(len(ids))
            offsets.append(len(rows) - 1)
        return np.array(offsets, np.int64), np.array(rows, np.int64), np.array(ids, np.int32)


class Cutter:
    """Cuts texts into words by weights (n, 4) of the attributes of `windows`, and `moves` (4, 4) between labels.

    Labels 0 to 3: a character begins a word, goes on with it, ends it, is one. Orders that no words have are left out.
    """

    def __init__(self, windows: Windows, weights: Array, moves: Array) -> None:
        if weights.shape != (len(windows), 4):
            raise ValueError(f"weights must have shape ({len(windows)}, 4), got {weights.shape}")
        if moves.shape != (4, 4):
            raise ValueError(f"moves must have shape (4, 4), got {moves.shape}")
        self._windows, self._weights, self._moves = windows, weights.tolist(), moves.tolist()

    def _label(self, text: str) -> tuple[list[int], float]:
        """Best labels of a text and their score; of equally good ones the smaller, decided from the end."""
        best: list[list[float]] = []
        for found in self._windows._of(text):
            row = [0.0] * 4
            for attribute in found:
                row = [score + weight for score, weight in zip(row, self._weights[attribute])]
            if best:
                last = best[-1]
                best.append([max(last[i] + self._moves[i][j] for i in BEFORE[j]) + row[j] for j in range(4)])
            else:
                best.append([score if label in FIRST else -inf for label, score in enumerate(row)])
        if not best:
            return [], 0.0
        path = [max(LAST, key=lambda label: best[-1][label])]
        for row in reversed(best[:-1]):
            path.append(max(BEFORE[path[-1]], key=lambda label: row[label] + self._moves[label][path[-1]]))
        return path[::-1], best[-1][path[0]]

    def label(self, texts: Iterable[str]) -> tuple[Array, Array]:
        """Labels of all characters, end to end, and the score of each text's best labels."""
        found = [self._label(text) for text in _checked(texts)]
        labels = [label for path, _ in found for label in path]
        return np.array(labels, np.uint8), np.array([score for _, score in found], np.float64)

    def cut(self, texts: Iterable[str]) -> list[list[str]]:
        """The words of each text."""
        found = []
        for text in _checked(texts):
            ends = [i for i, label in enumerate(self._label(text)[0], 1) if label in LAST]
            found.append([text[a:b] for a, b in zip([0, *ends], ends)])
        return found
