"""Checks of n-gram counting."""

from __future__ import annotations

from .._data import english_verse, poems
from ..ngrams import NgramTable, count_ngrams
from . import Check, exact, largest_difference


def _verses() -> list[str]:
    """About 300 kB of poems."""
    return poems()[4000:8600]


def _words() -> list[list[str]]:
    return [verse.split() for verse in english_verse()[:2000]]


def _scores(table: NgramTable) -> list[object]:
    return [table.pmi(), table.cohesion(), table.left_entropy(), table.right_entropy()]


CHECKS = [
    Check("ngrams.count_ngrams", _verses, lambda texts: count_ngrams(texts, (1, 4)), exact),
    Check("ngrams.count_ngrams (tokens)", _words, lambda texts: count_ngrams(texts, (1, 3), unit="token"), exact),
    Check("ngrams.scores", _verses, lambda texts: _scores(count_ngrams(texts[:1000], (1, 3))), largest_difference),
]
