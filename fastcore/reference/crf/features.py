"""Slow twin of the CRF's feature kernels.

Step p of the concatenated sequences has attributes ``attributes[items[p]:items[p + 1]]``, each with a value, or 1
if `values` is empty. Attribute a owns the features ``feature_offsets[a]`` to ``feature_offsets[a + 1]``, feature
k being the pair of a and label ``feature_labels[k]``.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def _active_features(
    items: Array, attributes: Array, values: Array, feature_offsets: Array, feature_labels: Array
) -> Iterator[tuple[int, int, int, float]]:
    """Yield (step, feature, label, value) for each feature that an attribute of a step could fire."""
    bounds, owners, starts = items.tolist(), attributes.tolist(), feature_offsets.tolist()
    labels = feature_labels.tolist()
    given = values.tolist() or [1.0] * len(owners)
    for p in range(len(bounds) - 1):
        for i in range(bounds[p], bounds[p + 1]):
            for k in range(starts[owners[i]], starts[owners[i] + 1]):
                yield p, k, labels[k], given[i]


def state_scores(
    items: Array,
    attributes: Array,
    values: Array,
    feature_offsets: Array,
    feature_labels: Array,
    weights: Array,
    labels: int,
) -> Array:
    """scores[p, y] = sum over attributes a of step p of value * weight of (a, y)."""
    scores = [[0.0] * labels for _ in range(len(items) - 1)]
    weight = weights.tolist()
    for p, k, y, value in _active_features(items, attributes, values, feature_offsets, feature_labels):
        scores[p][y] += value * weight[k]
    return np.array(scores, weights.dtype).reshape(-1, labels)


def by_attribute(items: Array, attributes: Array, values: Array) -> tuple[Array, Array, Array, Array]:
    """Turn steps' attributes into attributes' steps: (owners, starts, steps, values).

    Attribute owners[j], ascending, occurs at steps[starts[j]:starts[j + 1]], ascending, with those values.
    """
    held: dict[int, list[tuple[int, int]]] = {}
    bounds, owners = items.tolist(), attributes.tolist()
    for p in range(len(bounds) - 1):
        for i in range(bounds[p], bounds[p + 1]):
            held.setdefault(owners[i], []).append((p, i))
    found = [pair for owner in sorted(held) for pair in held[owner]]
    starts = [0]
    for owner in sorted(held):
        starts.append(starts[-1] + len(held[owner]))
    steps, places = np.array([p for p, _ in found], np.int32), np.array([i for _, i in found], np.int64)
    return np.array(sorted(held), np.int32), np.array(starts, np.int64), steps, values[places if len(values) else []]


def _occurrences(owners: Array, starts: Array, steps: Array, values: Array) -> Iterator[tuple[int, int, float]]:
    """Yield (attribute, step, value)."""
    at, bounds = steps.tolist(), starts.tolist()
    for j, owner in enumerate(owners.tolist()):
        for i in range(bounds[j], bounds[j + 1]):
            yield owner, at[i], float(values[i]) if len(values) else 1.0


def count_labels(
    owners: Array, starts: Array, steps: Array, values: Array, y: Array, first: int, sums: Array, seen: Array
) -> None:
    """Add to sums[a - first, y] the values with which attribute a occurs at steps of label y, and mark seen."""
    for owner, step, value in _occurrences(owners, starts, steps, values):
        sums[owner - first, y[step]] += value
        seen[owner - first, y[step]] = 1


def scores_by_attribute(
    owners: Array,
    starts: Array,
    steps: Array,
    values: Array,
    feature_offsets: Array,
    feature_labels: Array,
    weights: Array,
    n: int,
    labels: int,
) -> Array:
    """What `state_scores` finds, (n, labels), from what `by_attribute` made."""
    scores = [[0.0] * labels for _ in range(n)]
    weight, bounds, names = weights.tolist(), feature_offsets.tolist(), feature_labels.tolist()
    for owner, step, value in _occurrences(owners, starts, steps, values):
        for k in range(bounds[owner], bounds[owner + 1]):
            scores[step][names[k]] += value * weight[k]
    return np.array(scores, weights.dtype).reshape(-1, labels)


def gradient_by_attribute(
    owners: Array,
    starts: Array,
    steps: Array,
    values: Array,
    feature_offsets: Array,
    feature_labels: Array,
    nodes: Array,
    gradient: Array,
    beginning: int,
) -> Array:
    """Add to gradient[k - beginning] the sum over steps p with feature k's attribute of value * nodes[p, k's label].

    Returns `gradient`, for who gave a copy of it to another process.
    """
    rows, bounds, names = nodes.tolist(), feature_offsets.tolist(), feature_labels.tolist()
    for owner, step, value in _occurrences(owners, starts, steps, values):
        for k in range(bounds[owner], bounds[owner + 1]):
            gradient[k - beginning] += value * rows[step][names[k]]
    return gradient
