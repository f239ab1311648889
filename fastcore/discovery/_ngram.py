"""Words as what lies under n-grams of high mutual information (Su 2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from ._blocks import Numbers
from ._grams import Grams
from ._words import Words, counted


def cohesion(grams: Grams) -> NDArray[np.float64]:
    """The smallest pointwise mutual information, over the split points of each n-gram, of its two parts.

    All probabilities are counts over the number of characters; infinity for a single character.
    """
    logs = np.log(grams.counts) - np.log(grams.counts[: grams.starts[1]].sum())
    least = np.full(len(logs), np.inf)
    for order, chosen in grams.orders():
        # left[s], right[s]: the first s characters, and what is left without them.
        whole = np.arange(chosen.start, chosen.stop)
        left, right = [whole], [whole]
        for _ in range(order - 1):
            left.append(grams.prefix[left[-1]])
            right.append(grams.suffix[right[-1]])
        for split in range(1, order):
            score = logs[chosen] - logs[left[order - split]] - logs[right[split]]
            least[chosen] = np.minimum(least[chosen], score)
    return least


def ngram_words(
    learned: Iterable[Numbers],
    blocks: Iterable[Numbers],
    thresholds: Sequence[float],
    min_count: int,
    step: Callable[[int], object],
    backend: str,
) -> Words:
    """Return the words of `blocks` by the n-grams of `learned`, in order of occurrence."""
    orders = len(thresholds)
    grams = Grams(learned, orders, min_count, step, backend)
    scores = cohesion(grams)
    passing = np.ones(len(scores), np.uint8)
    for order, chosen in grams.orders():
        if order > 1:
            passing[chosen] = scores[chosen] >= thresholds[order - 1]
    cover = kernels("discovery.pairs", backend).cover
    counter = kernels("discovery.words", backend).WordCounter()
    for ids in blocks:
        counter.update(ids, cover(grams.at(ids, orders), passing))
        step(len(ids))
    words = counted(counter)
    words = words.take(words.counts >= min_count)
    return words.take(_known(words, grams, passing, orders)) if len(words.counts) else words


def _known(words: Words, grams: Grams, passing: NDArray[np.uint8], orders: int) -> NDArray[np.bool_]:
    """Which words pass as n-grams, or consist of passing ones of the highest order if they are longer."""
    lengths = words.lengths
    owner = np.repeat(np.arange(len(lengths)), lengths)
    inside = np.arange(len(words.ids)) - words.offsets[:-1][owner]
    window = np.minimum(lengths, orders)[owner]
    # A stretch of its own for each word.
    place = np.arange(len(words.ids)) + owner
    apart = np.full(len(words.ids) + len(lengths), -1, np.int32)
    apart[place] = words.ids
    number = grams.at(apart, orders)[window - 1, place]
    fails = (inside + window <= lengths[owner]) & ((number < 0) | (passing[number] == 0))
    return np.asarray(np.bincount(owner, fails, minlength=len(lengths)) == 0)
