"""Checks of the word discovery kernels."""

from __future__ import annotations

from .._data import poems
from ..discovery import WordFinder
from . import Check, exact


def _adjacent(verses: list[str]) -> list[tuple[str, int]]:
    return list(WordFinder(min_proba=1e-5).fit(verses).words_.items())


def _ngram(verses: list[str]) -> list[tuple[str, int]]:
    return list(WordFinder(method="ngram").fit(verses).words_.items())


def _entropy(verses: list[str]) -> list[tuple[str, int]]:
    return list(WordFinder(method="entropy").fit(verses).words_.items())


CHECKS = [
    Check("discovery.adjacent", lambda: poems()[:3000], _adjacent, exact),
    Check("discovery.ngram", lambda: poems()[:3000], _ngram, exact),
    Check("discovery.entropy", lambda: poems()[:1000], _entropy, exact),
]
