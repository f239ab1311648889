"""The training set compiled to flat arrays, its objective, and the search for the weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels, use_backend
from .._workers import Workers, run
from ..chain import viterbi
from ._features import Items

Array: TypeAlias = NDArray[Any]

# Steps a task: fixed, so that the gradient's sums don't depend on the number of workers.
TASK_STEPS = 32768


@dataclass(frozen=True)
class Features:
    """The features of a model: pairs (attribute, label) sorted by attribute, and pairs of labels.

    Attributes
    ----------
    labels : int
        Number of labels.
    offsets, state_labels : ndarray
        Attribute a has the features ``offsets[a]`` to ``offsets[a + 1]``, of the labels given.
    transitions : ndarray, shape (n, 2)
        Label pairs whose transition has a weight.
    fixed : ndarray, shape (L, L)
        What is added to each transition: 0, or minus infinity for a forbidden one.
    start, end : ndarray, shape (L,)
        Fixed scores of the first and last label.
    """

    labels: int
    offsets: Array
    state_labels: Array
    transitions: Array
    fixed: Array
    start: Array
    end: Array

    @property
    def size(self) -> int:
        return len(self.state_labels) + len(self.transitions)

    def matrix(self, weights: Array) -> Array:
        """Scores of all transitions."""
        matrix = self.fixed.copy()
        matrix[self.transitions[:, 0], self.transitions[:, 1]] += weights[len(self.state_labels) :]
        return matrix

    def scores(self, items: Items, weights: Array, backend: str) -> Array:
        """Scores (N, L) of every label at every step, of the dtype of `weights`."""
        found: Array = kernels("crf", backend).state_scores(
            items.rows,
            items.attributes,
            items.values.astype(weights.dtype, copy=False),
            self.offsets,
            self.state_labels,
            np.ascontiguousarray(weights[: len(self.state_labels)]),
            self.labels,
        )
        return found


def select_features(
    items: Items, y: Array, labels: int, attributes: int, min_freq: float, all_states: bool, all_transitions: bool
) -> tuple[Features, Array]:
    """Choose features as CRFsuite does; return them and how often each occurs in the data."""
    steps = np.repeat(np.arange(len(y)), np.diff(items.rows))
    pairs = items.attributes.astype(np.int64) * labels + y[steps]
    if all_states:
        keys = np.arange(attributes * labels)
        counts = np.bincount(pairs, items.values if items.values.size else None, minlength=len(keys))
    else:
        keys, places = np.unique(pairs, return_inverse=True)
        counts = np.bincount(places, items.values if items.values.size else None, minlength=len(keys))
    kept = counts >= min_freq
    keys, counts = keys[kept], counts[kept]
    offsets = np.searchsorted(keys, np.arange(attributes + 1) * labels)

    inside = np.ones(len(y), bool)
    inside[items.offsets[:-1][np.diff(items.offsets) > 0]] = False
    after = np.flatnonzero(inside)
    moves = np.bincount(y[after - 1] * labels + y[after], minlength=labels * labels)
    chosen = np.flatnonzero((moves >= min_freq) & ((moves > 0) | all_transitions))
    features = Features(
        labels,
        offsets.astype(np.int64),
        (keys % labels).astype(np.int32),
        np.stack([chosen // labels, chosen % labels], axis=1),
        np.zeros((labels, labels)),
        np.zeros(labels),
        np.zeros(labels),
    )
    return features, np.concatenate([counts, moves[chosen]]).astype(np.float64)


def _dot(a: Array, b: Array) -> float:
    """Inner product without BLAS, whose threads cost more than they save here and may change the last bits."""
    return float((a * b).sum())


def _chunk(task: tuple[Any, ...]) -> tuple[float, Array, Array]:
    """Log-partition, expected state features and expected transitions of one run of sequences."""
    features, items, weights, matrix, backend = task
    emissions = features.scores(items, weights, backend)
    nodes, counts, log_z = kernels("chain", backend).marginals(
        emissions, items.offsets, matrix, features.start, features.end, True
    )
    if np.isneginf(log_z).any():
        raise ValueError(f"sequence {np.isneginf(log_z).argmax()} has no legal path")
    gradient = kernels("crf", backend).state_gradient(
        items.rows,
        items.attributes,
        items.values.astype(weights.dtype, copy=False),
        features.offsets,
        features.state_labels,
        nodes,
    )
    return float(np.sum(log_z, dtype=np.float64)), gradient, counts[0]


@dataclass
class Objective:
    """Regularised negative log-likelihood of a training set, as CRFsuite defines it.

    sum over sequences of (log Z - score of the labels) + c2 * sum of squared weights
    """

    features: Features
    items: Items
    observed: Array
    c2: float
    dtype: Any
    workers: Workers
    backend: str
    chunks: list[Items] = field(init=False)

    def __post_init__(self) -> None:
        offsets, rows = self.items.offsets, self.items.rows
        self.chunks, first, count = [], 0, len(offsets) - 1
        while first < count:
            beyond = int(np.searchsorted(offsets, offsets[first] + TASK_STEPS, "right")) - 1
            last = min(count, max(first + 1, beyond))
            a, b = offsets[first], offsets[last]
            i, j = rows[a], rows[b]
            values = self.items.values[i:j] if self.items.values.size else self.items.values
            self.chunks.append(
                Items(offsets[first : last + 1] - a, rows[a : b + 1] - i, self.items.attributes[i:j], values)
            )
            first = last

    def __call__(self, weights: Array) -> tuple[float, Array]:
        """Return the objective and its gradient."""
        typed = weights.astype(self.dtype, copy=False)
        matrix = self.features.matrix(weights)
        tasks = [(self.features, chunk, typed, matrix, self.backend) for chunk in self.chunks]
        states = len(self.features.state_labels)
        loss = self.c2 * _dot(weights, weights) - _dot(self.observed, weights)
        gradient = 2.0 * self.c2 * weights - self.observed
        pairs = self.features.transitions
        for log_z, by_state, by_transition in run(_chunk, tasks, self.workers):
            loss += log_z
            gradient[:states] += by_state
            gradient[states:] += by_transition[pairs[:, 0], pairs[:, 1]]
        return loss, gradient


@dataclass(frozen=True)
class Fit:
    """What the search found."""

    weights: Array
    loss: float
    iterations: int
    message: str


def search(
    objective: Callable[[Array], tuple[float, Array]],
    start: Array,
    *,
    c1: float,
    max_iterations: int | None,
    epsilon: float,
    period: int,
    delta: float,
) -> Fit:
    """Minimise objective + c1 * sum of absolute weights by L-BFGS, stopping by CRFsuite's rules.

    With c1 > 0 a weight is the difference of two non-negative variables, which makes the L1 norm a sum: L-BFGS-B
    then finds exact zeros. The rules: the gradient's norm falls below epsilon times that of the weights (or 1),
    or the objective has fallen by less than delta, relative to itself, over the last `period` iterations.
    """
    n, split = len(start), c1 > 0
    x0 = np.concatenate([np.maximum(start, 0.0), np.maximum(-start, 0.0)]) if split else start
    history: list[float] = []
    rule = ""
    last: tuple[Array, Array] = x0, x0

    def both(x: Array) -> tuple[float, Array]:
        nonlocal last
        loss, gradient = objective(x[:n] - x[n:] if split else x)
        if split:
            loss += c1 * float(x.sum())
            gradient = np.concatenate([gradient, -gradient]) + c1
        last = x.copy(), gradient
        return loss, gradient

    def after_step(intermediate_result: Any) -> None:
        nonlocal rule
        x, loss = intermediate_result.x, float(intermediate_result.fun)
        history.append(loss)
        gradient = last[1] if np.array_equal(last[0], x) else both(x)[1]
        if split:
            # What the bounds leave free of it.
            gradient = np.where((x > 0) | (gradient < 0), gradient, 0.0)
        if _dot(gradient, gradient) < epsilon**2 * max(1.0, _dot(x, x)):
            rule = "the gradient is small"
        elif len(history) > period and history[-1 - period] - loss < delta * abs(loss):
            rule = "the loss has stopped falling"
        if rule:
            raise StopIteration

    if not n or max_iterations == 0:
        return Fit(start, both(x0)[0], 0, "no iterations were asked for" if n else "there are no features")
    from scipy.optimize import Bounds, minimize

    limit = 2**31 - 1
    found = minimize(
        both,
        x0,
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(0.0, np.inf) if split else None,
        callback=after_step,
        options={
            "maxiter": limit if max_iterations is None else max_iterations,
            "maxfun": limit,
            "ftol": 0.0,
            "gtol": 0.0,
            "maxcor": 6,
        },
    )
    x = found.x
    return Fit(x[:n] - x[n:] if split else x, float(found.fun), len(history), rule or str(found.message))


def decode(features: Features, items: Items, weights: Array, dtype: Any, workers: Workers, backend: str) -> list[Array]:
    """Best labels of each sequence."""
    emissions, matrix = features.scores(items, weights.astype(dtype, copy=False), backend), features.matrix(weights)
    with use_backend(backend):
        paths, _ = viterbi(
            emissions,
            matrix,
            lengths=np.diff(items.offsets),
            start=features.start,
            end=features.end,
            workers=workers,
        )
    return np.split(paths, items.offsets[1:-1]) if len(items.offsets) > 1 else []
