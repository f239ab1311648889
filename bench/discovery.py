"""Word discovery beside nlp-zero, and the same algorithms in Python."""

from __future__ import annotations

import collections
import collections.abc

from bench import _data
from bench._harness import Workload
from fastcore.discovery import WordFinder

CORPUS = "text/zh_15mb.txt.xz"


def _texts() -> list[str]:
    return _data.lines(CORPUS)


def _megabytes(texts: list[str]) -> tuple[float, str]:
    return sum(len(text.encode()) + 1 for text in texts) / 1e6, "MB"


def _nlp_zero(texts: list[str]) -> dict[str, int]:
    # The package still asks for a name that Python 3.10 has dropped.
    collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]
    from nlp_zero import Word_Finder

    finder = Word_Finder(min_proba=1e-7, min_pmi=1)
    finder.train(texts)
    finder.find(texts, remove_weak_pairs=False)
    return finder.words


WORKLOADS = [
    Workload(
        name="discovery.adjacent",
        make=_texts,
        runners={
            "fastcore": lambda texts: WordFinder(min_proba=1e-7, min_pmi=1).fit(texts).words_,
            "nlp-zero": _nlp_zero,
        },
        equal=lambda ours, theirs, name: ours == theirs,
        twin_make=lambda: _texts()[:10000],
        amount=_megabytes,
        heavy=frozenset({"nlp-zero"}),
    ),
]
