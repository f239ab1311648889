"""Words as maximal chains of strongly associated neighbours, redundant ones removed (Su 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._backend import kernels
from ._blocks import NOTHING, Numbers
from ._words import Words, counted

# Where nlp-zero's tokenizer cuts, also while it looks for redundant words.
PUNCTUATION = "。，、！？\n "


def log_threshold(min_proba: float) -> float:
    """The log of a probability, -100 for 0 (nlp-zero's convention)."""
    return math.log(min_proba) if min_proba else -100.0


def chains(
    counter: Any,
    blocks: Iterable[Numbers],
    min_proba: float,
    min_pmi: float,
    step: Callable[[int], object],
    backend: str,
) -> Words:
    """Return the chains of neighbours that are frequent and associated enough, in order of occurrence."""
    kernel = kernels("discovery.pairs", backend)
    char_counts, pairs, pair_counts = counter.result()
    if not len(char_counts):
        raise ValueError(NOTHING)
    probabilities, scores = kernel.pair_scores(char_counts, pairs, pair_counts)
    strong = (probabilities > log_threshold(min_proba)) & (scores > min_pmi)
    together = kernel.PairSet(np.ascontiguousarray(pairs[strong]))
    words = kernels("discovery.words", backend).WordCounter()
    for ids in blocks:
        words.update(ids, together.holds(ids))
        step(len(ids))
    return counted(words)


def without_redundant(words: Words, min_proba: float, kinds: Any, backend: str) -> Words:
    """Return the frequent words but for those that their parts explain."""
    frequent = kernels("discovery.words", backend).frequent
    words = words.take(frequent(words.counts, log_threshold(min_proba)))
    counts = kernels("discovery.redundancy", backend).remove_redundant(words.ids, words.offsets, words.counts, kinds)
    return Words(words.ids, words.offsets, counts).take(counts > 0)
