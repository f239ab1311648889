"""Checks of the skip-gram kernels."""

from __future__ import annotations

from typing import Any

from .._data import english_verse
from ..skipgrams import SkipGrams, count_skipgrams
from . import Check, exact


def _lists() -> list[list[str]]:
    return [line.split() for line in english_verse()[:4000]]


def _content(pairs: SkipGrams) -> Any:
    matrix = pairs.matrix
    return matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist(), pairs.vocabulary, pairs.total


CHECKS = [
    Check(
        "skipgrams.count_skipgrams",
        _lists,
        lambda lists: count_skipgrams(lists, 5),
        lambda fast, slow: exact(_content(fast), _content(slow)),
    ),
]
