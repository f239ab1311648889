"""Word embeddings of English words: skip-gram and CBOW, 100 dimensions, window 5, 5 noise words, one epoch.

And how good they are: five epochs without every twentieth line, on which the neighbours of words are told from noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from bench._data import lines
from bench._harness import Workload, prepared
from fastcore.embeddings import CBOW, SkipGram

TEXT = "text/en_30mb.txt.xz"
# Of the quality: one line of so many is held out, pairs of these, noise words a pair, seeds.
HELD, PAIRS, NOISE, SEEDS = 20, 20_000, 1000, (1, 2, 3)


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


def _ranks(texts: list[list[str]], names: Sequence[str], counts: Any, words: Any, contexts: Any) -> float:
    """Mean reciprocal rank of a held out word's true neighbour among noise distributed as counts to the power 0.75."""
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))  # the same noise for every vocabulary
    places = {names[i]: place for place, i in enumerate(order)}
    words, contexts, counts = words[order], contexts[order], np.asarray(counts, float)[order]
    pairs = []
    for text in texts[::HELD]:
        known = [places[word] for word in text if word in places]
        for at, word in enumerate(known):
            near = known[max(at - 5, 0) : at] + known[at + 1 : at + 6]
            pairs += [(word, other) for other in near]
    rng = np.random.default_rng(7)
    chosen = np.array(pairs)[rng.choice(len(pairs), min(PAIRS, len(pairs)), replace=False)]
    shares = np.cumsum(counts**0.75)
    total = 0.0
    for word, true in chosen:
        noise = np.minimum(np.searchsorted(shares, rng.random(NOISE) * shares[-1]), len(shares) - 1)
        scores = contexts[np.append(noise, true)] @ words[word]
        # That noise which is the neighbour itself ties with it is said here, not left to the rounding of products.
        same = noise == true
        total += 1.0 / (1.0 + np.sum(scores[:-1][~same] > scores[-1]) + 0.5 * same.sum())
    return total / len(chosen)


def _kept(texts: list[list[str]]) -> list[list[str]]:
    return [text for i, text in enumerate(texts) if i % HELD]


def _our_ranks(texts: list[list[str]]) -> list[float]:
    found = []
    for seed in SEEDS:
        it = SkipGram(rng=seed).fit(_kept(texts))
        counts = it.word_vectors_.counts
        found.append(_ranks(texts, it.vocabulary, counts, it.vectors, it.context_vectors_.vectors))
    return found


@prepared
def _gensim_ranks(texts: list[list[str]]) -> Any:
    from gensim.models import Word2Vec

    def fitted(seed: int) -> float:
        it = Word2Vec(_kept(texts), vector_size=100, window=5, negative=5, sg=1, workers=1, seed=seed)
        counts = [it.wv.get_vecattr(name, "count") for name in it.wv.index_to_key]
        return _ranks(texts, it.wv.index_to_key, counts, it.wv.vectors, it.syn1neg)

    return lambda: [fitted(seed) for seed in SEEDS]


def _as_good(ours: list[float], theirs: list[float], name: str) -> bool | str:
    """Not below the other's mean less two of its standard errors."""
    (mean, error), (other, theirs_error) = ((np.mean(it), np.std(it, ddof=1) / len(it) ** 0.5) for it in (ours, theirs))
    if mean < other - 2 * theirs_error:
        return False
    return f"mean reciprocal ranks {mean:.4f} ± {error:.4f}, {other:.4f} ± {theirs_error:.4f}"


QUALITY = Workload(
    name="embeddings.quality",
    make=_lists,
    runners={"fastcore": _our_ranks, "gensim": _gensim_ranks},
    equal=_as_good,
    twin=False,
    heavy=frozenset({"fastcore", "gensim"}),
)

WORKLOADS = [_workload("skipgram", SkipGram, 1), _workload("cbow", CBOW, 0), QUALITY]
