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


def state_gradient(
    items: Array,
    attributes: Array,
    values: Array,
    feature_offsets: Array,
    feature_labels: Array,
    nodes: Array,
) -> Array:
    """gradient[k] = sum over steps p with feature k's attribute of value * nodes[p, feature k's label]."""
    gradient = [0.0] * len(feature_labels)
    rows = nodes.tolist()
    for p, k, y, value in _active_features(items, attributes, values, feature_offsets, feature_labels):
        gradient[k] += value * rows[p][y]
    return np.array(gradient)
