"""The vectorizer beside scikit-learn's CountVectorizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench._data import lines
from bench._harness import Workload
from fastcore.vectorizer import NgramVectorizer


def _ours(documents: list[str], **parameters: Any) -> Any:
    vectorizer = NgramVectorizer(**parameters)
    return vectorizer.fit_transform(documents), vectorizer


def _theirs(documents: list[str], **parameters: Any) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(**parameters)
    return vectorizer.fit_transform(documents), vectorizer


def _equal(ours: Any, theirs: Any, name: str) -> bool:
    """The same arrays, element by element, and the same names."""
    (a, ours_fitted), (b, theirs_fitted) = ours, theirs
    same = all(
        x.dtype == y.dtype and np.array_equal(x, y)
        for x, y in ((a.indptr, b.indptr), (a.indices, b.indices), (a.data, b.data))
    )
    return same and np.array_equal(ours_fitted.get_feature_names_out(), theirs_fitted.get_feature_names_out())


def _workload(name: str, text: str, size: int, twin_size: int, **parameters: Any) -> Workload:
    return Workload(
        name=f"vectorizer.{name}",
        make=lambda: lines(text)[:size],
        runners={
            "fastcore": lambda documents: _ours(documents, **parameters),
            "CountVectorizer": lambda documents: _theirs(documents, **parameters),
        },
        equal=_equal,
        twin_make=lambda: lines(text)[:twin_size],
        amount=lambda documents: (sum(map(len, documents)) / 1e6, "M characters"),
        heavy=frozenset({"CountVectorizer"}),
    )


ZH, EN = "text/zh_15mb.txt.xz", "text/en_30mb.txt.xz"

WORKLOADS = [
    _workload("char", ZH, 10**9, 2000, analyzer="char", ngram_range=(1, 4)),
    _workload("char_wb", EN, 200_000, 5000, analyzer="char_wb", ngram_range=(2, 4)),
    _workload("word", EN, 10**9, 20_000, ngram_range=(1, 2)),
]
