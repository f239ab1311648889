"""Slow twin of the CRF's feature kernels.

Step p of the concatenated sequences has attributes ``attributes[items[p]:items[p + 1]]``, each with a value, or 1
if `values` is empty. Attribute a owns the features ``feature_offsets[a]`` to ``feature_offsets[a + 1]``, feature
k being the pair of a and label ``feature_labels[k]``.
"""

import math
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
    """Add to sums[a - first, y] the values with which attribute a occurs at steps of label y, and mark seen.

    Steps of label -1 are passed over.
    """
    with np.errstate(over="ignore"):
        for owner, step, value in _occurrences(owners, starts, steps, values):
            if y[step] < 0:
                continue
            sums[owner - first, y[step]] += value
            seen[owner - first, y[step]] = 1


def plan_features(feature_offsets: Array, feature_labels: Array, labels: int) -> tuple[Any, ...]:
    """Plan where the weights of a model's features stand while it is trained; opaque to callers."""
    return feature_offsets, feature_labels, labels


def lay_out(owners: Array, starts: Array, steps: Array, values: Array, plan: tuple[Any, ...]) -> tuple[Array, ...]:
    """Lay out what `by_attribute` made for `scores_by_attribute` and `gradient_by_attribute`; opaque to callers."""
    return owners, starts, steps, values


def spread_weights(plan: tuple[Any, ...], weights: Array) -> Array:
    """The weights of all features as `scores_by_attribute` wants them; opaque to callers."""
    return weights


def scores_by_attribute(plan: tuple[Any, ...], layout: tuple[Array, ...], spread: Array, n: int) -> Array:
    """What `state_scores` finds, (n, labels), from what `lay_out` and `spread_weights` made."""
    feature_offsets, feature_labels, labels = plan
    scores = [[0.0] * labels for _ in range(n)]
    weight, bounds, names = spread.tolist(), feature_offsets.tolist(), feature_labels.tolist()
    for owner, step, value in _occurrences(*layout):
        for k in range(bounds[owner], bounds[owner + 1]):
            scores[step][names[k]] += value * weight[k]
    return np.array(scores, spread.dtype).reshape(-1, labels)


def new_gradient(plan: tuple[Any, ...], first: int, last: int) -> Array:
    """Zeros for the features of attributes first to last, as `gradient_by_attribute` wants them; opaque to callers."""
    return np.zeros(plan[0][last] - plan[0][first])


def gradient_by_attribute(
    plan: tuple[Any, ...], layout: tuple[Array, ...], nodes: Array, gradient: Array, first: int, last: int
) -> Array:
    """Add to the gradient, for the features of attributes first to last, value * nodes[p, its label] over its steps p.

    `gradient` is what `new_gradient` made for these attributes. Returns it, for who gave a copy to another process.
    """
    feature_offsets, feature_labels, _ = plan
    rows, bounds, names = nodes.tolist(), feature_offsets.tolist(), feature_labels.tolist()
    for owner, step, value in _occurrences(*layout):
        if first <= owner < last:
            for k in range(bounds[owner], bounds[owner + 1]):
                gradient[k - bounds[first]] += value * rows[step][names[k]]
    return gradient


def gathered(plan: tuple[Any, ...], gradient: Array, first: int, last: int) -> Array:
    """The gradient as one number a feature, of attributes first to last."""
    return gradient


def inner_product(a: Array, b: Array) -> float:
    """The sum of a * b, in double."""
    return math.fsum(x * y for x, y in zip(a.tolist(), b.tolist()))


def add_scaled(out: Array, share: float, x: Array, y: Array) -> float:
    """Add share * x to `out`, and return the inner product of what it is then with y."""
    for i, number in enumerate(x.tolist()):
        out[i] += share * number
    return inner_product(out, y)


def steepest_slope(weights: Array, gradient: Array, c1: float) -> tuple[Array, float]:
    """The gradient of a smooth loss plus c1 * sum of |weights| that descends most, and that sum.

    At 0 the norm has slopes -c1 to c1: what they can't balance remains.
    """
    steepest = []
    for weight, slope in zip(weights.tolist(), gradient.tolist()):
        if weight:
            steepest.append(slope + math.copysign(c1, weight))
        else:
            steepest.append(math.copysign(max(abs(slope) - c1, 0.0), slope))
    return np.array(steepest, np.float64), math.fsum(map(abs, weights.tolist()))


def step_in_orthant(weights: Array, direction: Array, size: float, steepest: Array) -> Array:
    """weights + size * direction, each 0 where that leaves the side of 0 on which it is, or will be going downhill."""
    result = []
    for weight, way, slope in zip(weights.tolist(), direction.tolist(), steepest.tolist()):
        moved, side = weight + size * way, weight if weight else -slope
        result.append(moved if moved > 0 < side or moved < 0 > side else 0.0)
    return np.array(result, np.float64)
