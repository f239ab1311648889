"""Checks of the word discovery kernels."""

from __future__ import annotations

import pickle

from .._data import poems
from ..discovery import WordFinder
from . import Check, exact


def _adjacent(verses: list[str]) -> list[tuple[str, int]]:
    return list(WordFinder(min_proba=1e-5).fit(verses).words_.items())


def _ngram(verses: list[str]) -> list[tuple[str, int]]:
    return list(WordFinder(method="ngram").fit(verses).words_.items())


def _entropy(verses: list[str]) -> list[tuple[str, int]]:
    return list(WordFinder(method="entropy").fit(verses).words_.items())


def _in_parts(verses: list[str]) -> list[tuple[str, int]]:
    finder = WordFinder(min_proba=1e-5).partial_fit(verses[:1000])
    # A pickle carries what was counted, which another process goes on with.
    finder = pickle.loads(pickle.dumps(finder)).partial_fit(verses[1000:])
    return list(finder.finish(verses).words_.items())


CHECKS = [
    Check("discovery.adjacent", lambda: poems()[:3000], _adjacent, exact),
    Check("discovery.adjacent, in parts", lambda: poems()[:2000], _in_parts, exact),
    Check("discovery.ngram", lambda: poems()[:3000], _ngram, exact),
    Check("discovery.entropy", lambda: poems()[:1000], _entropy, exact),
]
