"""Scores of n-grams from the sorted rows of every order."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from ._files import Place
from ._layout import Counts, Keys, Layout

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
# Rows of a table that are looked at together.
SLICE = 1 << 18


class Rowed(Protocol):
    """What the scores need of a table."""

    _keys: Sequence[Keys]
    _counts: Sequence[Counts]
    _totals: Sequence[int]
    _layout: Layout
    _backend: str
    _place: Place


def heads(table: Rowed, order: int) -> Rows:
    """For each n-gram the row, in the order below, of all but its last symbol."""
    return _parts(table, order, "heads")


def tails(table: Rowed, order: int) -> Rows:
    """For each n-gram the row, in the order below, of all but its first symbol."""
    return _parts(table, order, "tails")


def _parts(table: Rowed, order: int, which: str) -> Rows:
    kernel: Any = getattr(kernels("ngrams.rows", table._backend), which)
    return inside(kernel(table._keys[order - 1], table._keys[order - 2], order, *table._layout), order)


def inside(found: Rows, order: int) -> Rows:
    """Refuse rows that aren't there."""
    if found.size and found.min() < 0:
        raise ValueError(f"the table is inconsistent: an n-gram of order {order} has a part that was never counted")
    return found


def log_probabilities(table: Rowed, order: int) -> Floats:
    """ln(count / total of its order)."""
    counts = table._counts[order - 1]
    if not counts.size:
        return np.empty(0)
    logs: Floats = np.log(counts) - np.log(table._totals[order - 1])
    return logs


def pmi(table: Rowed, order: int) -> Floats:
    """ln p(n-gram) minus the sum of ln p(symbol) over its symbols."""
    score = log_probabilities(table, order)
    if order == 1:
        return np.zeros_like(score)
    singles = np.zeros(int(table._keys[0][-1, 0]) + 1 if len(table._keys[0]) else 1)
    singles[table._keys[0][:, 0].astype(np.int64)] = log_probabilities(table, 1)
    kernel = kernels("ngrams.rows", table._backend)
    ids: NDArray[np.uint32] = kernel.unpack(table._keys[order - 1], order, *table._layout)
    for k in range(order):
        score -= singles[ids[:, k]]
    return score


def npmi(table: Rowed, order: int) -> Floats:
    """pmi divided by -(order - 1) ln p(n-gram): 1 where the symbols occur only together."""
    if order == 1:
        return np.zeros(len(table._counts[0]))
    information = -(order - 1) * log_probabilities(table, order)
    score = pmi(table, order)
    return np.divide(score, information, out=np.ones_like(score), where=information > 0)


def cohesion(table: Rowed, order: int) -> Floats:
    """The least of ln p(n-gram) - ln p(left part) - ln p(right part) over the places where it can be cut."""
    whole = log_probabilities(table, order)
    if order == 1:
        return np.zeros_like(whole)
    left: dict[int, Rows] = {order - 1: heads(table, order)}
    right: dict[int, Rows] = {order - 1: tails(table, order)}
    for k in range(order - 1, 1, -1):
        left[k - 1] = heads(table, k)[left[k]]
        right[k - 1] = tails(table, k)[right[k]]
    logs = {k: log_probabilities(table, k) for k in range(1, order)}
    worst = np.full_like(whole, -np.inf)
    for k in range(1, order):
        np.maximum(worst, logs[k][left[k]] + logs[order - k][right[order - k]], out=worst)
    return whole - worst


def neighbour_entropy(table: Rowed, order: int, side: str) -> Floats:
    """The entropy, in nats, of the symbol before ("left") or after ("right") each n-gram; 0 where there is none."""
    kernel: Any = getattr(kernels("ngrams.rows", table._backend), "tails" if side == "left" else "heads")
    longer, all_counts = table._keys[order], table._counts[order]
    size = len(table._counts[order - 1])
    total, weighted = table._place.zeros(size), table._place.zeros(size)
    for start in range(0, len(longer), SLICE):
        rows = np.ascontiguousarray(longer[start : start + SLICE])
        of = inside(kernel(rows, table._keys[order - 1], order + 1, *table._layout), order + 1)
        counts = all_counts[start : start + SLICE].astype(np.float64)
        np.add.at(total, of, counts)
        np.add.at(weighted, of, counts * np.log(counts))
    for start in range(0, size, SLICE):
        part = slice(start, start + SLICE)
        seen = total[part] > 0
        entropy = np.log(total[part], out=np.zeros(len(seen)), where=seen)
        entropy -= np.divide(weighted[part], total[part], out=np.zeros(len(seen)), where=seen)
        np.maximum(entropy, 0.0, out=weighted[part])
    return weighted
