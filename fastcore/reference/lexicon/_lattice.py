"""Passes over the lattice of a trie's words over a text: the edges (end, id, score) that leave each position."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .._rng import Rng


def best_path(edges: list[list[tuple[int, int, float]]]) -> tuple[list[tuple[int, int]], float]:
    """The best path's edges (end, id), and the sum of its scores plus 1.

    Sums start at 1 and a later start must be strictly better, as in nlp-zero: so ties, and sums that only rounding
    tells apart, fall as there.
    """
    best = [1.0] + [-math.inf] * len(edges)
    back = [(0, -1)] * (len(edges) + 1)
    for i, leaving in enumerate(edges):
        for end, id, score in leaving:
            if best[i] + score > best[end]:
                best[end] = best[i] + score
                back[end] = (i, id)
    path = []
    j = len(edges)
    while j > 0:
        i, id = back[j]
        path.append((j, id))
        j = i
    return path[::-1], best[-1]


def added(terms: Iterable[float]) -> float:
    """Left to right, each addition rounded, as the kernel does (the built-in sum compensates in newer Pythons)."""
    total = 0.0
    for term in terms:
        total += term
    return total


def log_beta(edges: list[list[tuple[int, int, float]]], scale: float) -> list[float]:
    """For each position, the logarithm of the summed exp(scale * score) of all paths from it to the end."""
    beta = [-math.inf] * len(edges) + [0.0]
    for i in range(len(edges) - 1, -1, -1):
        terms = [score * scale + beta[end] for end, _, score in edges[i]]
        most = max(terms, default=-math.inf)
        if most > -math.inf:
            beta[i] = most + math.log(added(math.exp(term - most) for term in terms))
    return beta


def draw(leaving: list[tuple[int, int, float]], i: int, beta: list[float], scale: float, rng: Rng) -> int:
    """The end of an edge that leaves i, drawn by its share of the paths from there."""
    rest = rng.next_double()
    last = i + 1
    for end, _, score in leaving:
        if beta[end] > -math.inf:
            rest -= math.exp(score * scale + beta[end] - beta[i])
            last = end
            if rest < 0:
                break
    return last
