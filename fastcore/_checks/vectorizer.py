"""Checks of the vectorizer's kernels."""

from __future__ import annotations

from typing import Any

from .._data import english_verse, poems
from ..vectorizer import NgramVectorizer
from . import Check, exact


def _verses() -> tuple[list[str], list[str]]:
    return poems()[:1500], poems()[1500:1700]


def _english() -> tuple[list[str], list[str]]:
    return english_verse()[:1500], english_verse()[1500:1700]


def _both(data: tuple[list[str], list[str]], **parameters: Any) -> Any:
    vectorizer = NgramVectorizer(**parameters)
    return vectorizer.fit_transform(data[0]), vectorizer.transform(data[1]), vectorizer


def _difference(fast: Any, slow: Any) -> float:
    parts = [
        ([part.tolist() for X in result[:2] for part in (X.indptr, X.indices, X.data)], result[2].vocabulary_)
        for result in (fast, slow)
    ]
    return exact(*parts)


CHECKS = [
    Check("vectorizer.char", _verses, lambda data: _both(data, analyzer="char", ngram_range=(1, 4)), _difference),
    Check(
        "vectorizer.char_wb", _english, lambda data: _both(data, analyzer="char_wb", ngram_range=(2, 5)), _difference
    ),
    Check(
        "vectorizer.word, without stop words",
        _english,
        lambda data: _both(data, stop_words="english"),
        _difference,
    ),
    Check("vectorizer.word", _english, lambda data: _both(data, ngram_range=(1, 4)), _difference),
]
