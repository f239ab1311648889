"""Word embeddings of English words: skip-gram and CBOW, 100 dimensions, window 5, 5 noise words, one epoch."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bench._data import lines
from bench._harness import Workload, prepared
from fastcore.embeddings import CBOW, SkipGram

TEXT = "text/en_30mb.txt.xz"


@cache
def _lists() -> list[list[str]]:
    return [line.split() for line in lines(TEXT)]


def _ours(model: type[SkipGram] | type[CBOW]) -> Any:
    return lambda texts: model(epochs=1, rng=1).fit(texts).word_vectors_


def _gensim(sg: int) -> Any:
    @prepared
    def runner(texts: list[list[str]]) -> Any:
        from gensim.models import Word2Vec

        return lambda: Word2Vec(texts, vector_size=100, window=5, negative=5, sg=sg, epochs=1, workers=1, seed=1).wv

    return runner


def _alike(ours: Any, theirs: Any, name: str) -> bool | str:
    """The same words; and how alike are the similarities of the thousand most frequent to one another."""
    if set(ours.vocabulary) != set(theirs.index_to_key):
        return False
    names = ours.vocabulary[:1000]
    tables = [np.array([it[name] for name in names], float) for it in (ours, theirs)]
    cosines = []
    for table in tables:
        units = table / np.linalg.norm(table, axis=1, keepdims=True)
        cosines.append((units @ units.T)[np.triu_indices(len(names), 1)])
    return f"correlation of cosines {np.corrcoef(*cosines)[0, 1]:.2f}"


def _workload(name: str, model: type[SkipGram] | type[CBOW], sg: int) -> Workload:
    return Workload(
        name=f"embeddings.{name}",
        make=_lists,
        runners={"fastcore": _ours(model), "gensim": _gensim(sg)},
        equal=_alike,
        twin_make=lambda: _lists()[:1000],
        amount=lambda texts: (sum(map(len, texts)) / 1e3, "k words"),
        heavy=frozenset({"gensim"}),
    )


WORKLOADS = [_workload("skipgram", SkipGram, 1), _workload("cbow", CBOW, 0)]
