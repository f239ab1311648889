"""Slow twin of the kernel of expected counts: forward and backward over the words that can begin at each place."""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32]


def _log_sum(terms: list[float]) -> float:
    most = max(terms, default=-math.inf)
    if most == -math.inf:
        return most
    total = 0.0
    for term in terms:
        total += math.exp(term - most)
    return most + math.log(total)


def expected_counts(grams: Numbers, scores: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Add to counts how often each n-gram is expected as a word; return the log-likelihood.

    grams as in `cover` of `discovery.pairs`, -1 at orders above the first where the n-gram is no candidate;
    scores[number] is a word's log-probability. Each stretch between separators is a lattice of its own: the words that
    can begin at each position, all segmentations weighted by their probability (forward and backward in log space).
    """
    likelihood = 0.0
    columns = grams.T.tolist()
    score = scores.tolist()
    separators = [t for t, column in enumerate(columns) if column[0] < 0]
    for first, last in pairwise([-1, *separators, len(columns)]):
        starts = columns[first + 1 : last]
        m = len(starts)
        # edges[t]: (end, word) of all words that can begin at t.
        edges = [[(t + 1 + k, w) for k, w in enumerate(starts[t][: m - t]) if w >= 0] for t in range(m)]
        ending: list[list[tuple[int, int]]] = [[] for _ in range(m + 1)]
        for t in reversed(range(m)):
            for end, w in edges[t]:
                ending[end].append((t, w))
        forward = [0.0] * (m + 1)
        for t in range(1, m + 1):
            forward[t] = _log_sum([forward[start] + score[w] for start, w in ending[t]])
        backward = [0.0] * (m + 1)
        for t in reversed(range(m)):
            backward[t] = _log_sum([score[w] + backward[end] for end, w in edges[t]])
        for t in range(m):
            for end, w in edges[t]:
                counts[w] += math.exp(forward[t] + score[w] + backward[end] - forward[m])
        likelihood += forward[m]
    return likelihood
