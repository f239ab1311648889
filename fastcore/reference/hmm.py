"""Slow twin of the kernels of hidden Markov models.

Observations are rows (N, D), what is found has a column a state.
"""

from math import log
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def diagonal_scores(x: Array, means: Array, precisions: Array, constants: Array) -> Array:
    """Each state's constant, less half the squared distances from its mean, each times a precision."""
    states = list(zip(means.tolist(), precisions.tolist(), constants.tolist()))
    scores = [
        [c - sum(0.5 * p * (v - m) ** 2 for v, m, p in zip(row, mean, precision)) for mean, precision, c in states]
        for row in x.tolist()
    ]
    return np.array(scores, np.float64).reshape(len(x), len(means))


def full_scores(x: Array, means: Array, factors: Array, constants: Array) -> Array:
    """Each state's constant, less half the squared length of its lower triangular factor times what is off its mean."""
    scores = np.empty((len(x), len(means)))
    for t, row in enumerate(x):
        for j, (mean, factor, constant) in enumerate(zip(means, factors, constants)):
            turned = np.tril(factor) @ (row - mean)
            scores[t, j] = constant - 0.5 * float(turned @ turned)
    return scores


def poisson_scores(x: Array, logs: Array, constants: Array, taken: Array) -> Array:
    """Each state's constant plus counts times logs of rates, less what is taken from a row; 0 times -inf is 0."""
    states = list(zip(logs.tolist(), constants.tolist()))
    scores = [
        [constant - less + sum(n * rate for n, rate in zip(row, rates) if n) for rates, constant in states]
        for row, less in zip(x.tolist(), taken.tolist())
    ]
    return np.array(scores, np.float64).reshape(len(x), len(logs))


def count_symbols(weights: Array, symbols: Array, size: int) -> Array:
    """Sum of the weights (L, size) with which each state has each symbol."""
    found = np.zeros((weights.shape[1], size))
    for row, symbol in zip(weights, symbols.tolist()):
        found[:, symbol] += row
    return found


def weighted_sums(weights: Array, x: Array, centers: Array, order: int) -> tuple[Array, Array, Array]:
    """Sums over rows of the weights (L), of them times what x is off each state's center (L, D), and of a third.

    That is of weights times nothing for order 0, times squares (L, D) for 1, times products of pairs (L, D, D) for 2.
    """
    states, size = weights.shape[1], x.shape[1]
    totals, first = np.zeros(states), np.zeros((states, size))
    second = np.zeros([(0,), (states, size), (states, size, size)][order])
    for shares, row in zip(weights, x):
        totals += shares
        for j, (share, center) in enumerate(zip(shares, centers)):
            off = row - center
            first[j] += share * off
            if order:
                second[j] += share * (off**2 if order == 1 else np.outer(off, off))
    return totals, first, second


def forward_scaling(start: Array, transitions: Array, shown: Array, least: float) -> tuple[float, Array, Array, int]:
    """Forward variables divided by each row's sum, and what they were multiplied by, from plain probabilities.

    Returns the log-likelihood too, and the number of rows that were computed: a sum below `least` ends the work.
    """
    lattice, factors = np.zeros(shown.shape), np.zeros(len(shown))
    log_prob = 0.0
    for t, row in enumerate(shown):
        reached = (lattice[t - 1] @ transitions if t else start) * row
        if reached.sum() < least:
            return log_prob, lattice, factors, t
        factors[t] = 1 / reached.sum()
        lattice[t] = reached * factors[t]
        log_prob -= log(factors[t])
    return log_prob, lattice, factors, len(shown)


def backward_scaling(transitions: Array, shown: Array, factors: Array) -> Array:
    """Backward variables, each row multiplied by its factor, from plain probabilities."""
    lattice = np.ones(shown.shape)
    for t in range(len(shown) - 1, -1, -1):
        if t < len(shown) - 1:
            lattice[t] = transitions @ (shown[t + 1] * lattice[t + 1])
        lattice[t] *= factors[t]
    return lattice


def transition_sums(forward: Array, transitions: Array, backward: Array, shown: Array) -> Array:
    """Sums over steps (L, L) of forward times transition times what is shown next times backward."""
    found = np.zeros(transitions.shape)
    for t in range(len(shown) - 1):
        found += np.outer(forward[t], shown[t + 1] * backward[t + 1]) * transitions
    return found
