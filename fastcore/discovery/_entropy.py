"""Words by minimum entropy: autonomy of n-grams as the prior of a unigram model of words.

Autonomy (Magistry and Sagot 2012) says how much more freely text goes on after an n-gram than after the n-gram
without its last character, and the same to the left. A unigram model gives a text's code length. The method
joins them, log p(w) + weight * autonomy(w), and estimates p by expectation and maximization over all
segmentations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from .._workers import Workers, stream
from ._blocks import Numbers
from ._grams import Grams
from ._words import Words

Reals = NDArray[np.float64]

# Tuned on labelled text of another source than what words are found in; docs/guide/discovery.md has the curve.
# Nats that an autonomy of 1 is worth, the autonomy a single character must have to count as autonomous, the
# occurrences every n-gram is given beforehand, and the rounds of estimation.
WEIGHT = 12.0
SINGLE = 0.5
SMOOTHING = 2.0
ROUNDS = 4


def branching_entropies(grams: Grams, stop: int) -> tuple[Reals, Reals]:
    """Entropy, in nats, of what follows and of what precedes each n-gram with a number below `stop`.

    An n-gram's neighbour that makes it rare, and the end of a text, counts as a neighbour of its own: with
    counts c of the n-grams one longer it is log N - sum of c log c / N, to which what occurs once adds nothing.
    """
    counts = grams.counts[:stop]
    longer = grams.counts.astype(np.float64)
    terms = longer * np.log(longer)

    def entropy(parents: NDArray[np.int64]) -> Reals:
        inside = np.flatnonzero((parents >= 0) & (parents < stop))
        return np.log(counts) - np.bincount(parents[inside], terms[inside], minlength=stop) / counts

    return entropy(grams.prefix), entropy(grams.suffix)


def autonomy(grams: Grams, orders: int, runs: NDArray[np.bool_] | None = None) -> Reals:
    """How much the branching entropy of each n-gram of up to `orders` characters exceeds what its length expects.

    The sum over both sides of H(w) - H(w without its outer character), minus its mean over the n-grams of that
    length. The entropy of characters stands for that after no character, and is the unit, so that texts in
    scripts of few and of many characters can be treated alike. Symbols that `runs` marks are words already, however
    rare each is: neither the mean nor the unit is taken over what holds one.
    """
    stop = grams.starts[orders]
    plain = np.ones(stop, np.bool_)
    if runs is not None and not runs.all():
        plain[: grams.starts[1]] = ~runs
    singles = grams.counts[: grams.starts[1]][plain[: grams.starts[1]]]
    total = singles.sum()
    alone = float(np.log(total) - (singles * np.log(singles)).sum() / total)
    right, left = branching_entropies(grams, stop)
    result = right + left
    result -= np.where(grams.prefix[:stop] < 0, alone, right[grams.prefix[:stop]])
    result -= np.where(grams.suffix[:stop] < 0, alone, left[grams.suffix[:stop]])
    for order, chosen in grams.orders():
        if order <= orders and chosen.stop > chosen.start:
            if order > 1:
                plain[chosen] = plain[grams.prefix[chosen]] & plain[grams.suffix[chosen]]
            result[chosen] -= result[chosen][plain[chosen]].mean() if plain[chosen].any() else result[chosen].mean()
    return result / alone if alone > 0 else result


def _expect(task: tuple[str, Numbers, Reals]) -> tuple[Reals, float]:
    backend, rows, scores = task
    counts = np.zeros(len(scores))
    likelihood = kernels("discovery.expectation", backend).expected_counts(rows, scores, counts)
    return counts, likelihood


def entropy_words(
    learned: Iterable[Numbers],
    blocks: Iterable[Numbers],
    orders: int,
    runs: NDArray[np.bool_],
    workers: Workers,
    step: Callable[[int], object],
    backend: str,
) -> Words:
    """Return the words of `blocks` by what `learned` says of n-grams of up to `orders` characters.

    `runs` says which symbols are runs of letters and digits. Shorter words come first, those of one length in order
    of occurrence.
    """
    grams = Grams(learned, orders + 1, 2, step, backend)
    bonus = WEIGHT * autonomy(grams, orders, runs[: grams.starts[1]])
    bonus[: grams.starts[1]] -= WEIGHT * SINGLE
    lattice = grams.lattice(blocks, orders)
    counts = np.zeros(len(bonus))
    for _ in range(ROUNDS):
        smoothed = counts + SMOOTHING
        scores = np.log(smoothed) - np.log(smoothed.sum()) + bonus
        counts = np.zeros(len(bonus))
        for part, _likelihood in stream(_expect, ((backend, rows, scores) for rows in lattice()), workers):
            counts += part
            step(0)
    return grams.words(np.floor(counts + (0.5 + 1e-9)).astype(np.int64))
