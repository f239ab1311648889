"""Slow twin of the kernels of the CRF's training sequence by sequence."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._rng import Rng

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class _Sequence:
    """The attributes of each step with their values, and the right labels."""

    steps: list[list[tuple[int, float]]]
    right: list[int]


@dataclass(frozen=True)
class _Problem:
    """A training set and its features: for each attribute those by label, and those by pair of labels."""

    sequences: list[_Sequence]
    states: list[dict[int, int]]
    moves: dict[tuple[int, int], int]
    labels: int

    def scores(self, sequence: _Sequence, weights: list[float], scale: float) -> tuple[list[list[float]], Any]:
        """Scores of the labels at each step, and of the transitions."""
        emissions = []
        for attributes in sequence.steps:
            row = [0.0] * self.labels
            for attribute, value in attributes:
                for label, k in self.states[attribute].items():
                    row[label] += value * weights[k]
            emissions.append([scale * score for score in row])
        moves = [[0.0] * self.labels for _ in range(self.labels)]
        for (i, j), k in self.moves.items():
            moves[i][j] = scale * weights[k]
        return emissions, moves

    def on_path(self, sequence: _Sequence, path: list[int]) -> Iterator[tuple[int, float]]:
        """Yield each feature that a path has, with its value."""
        for t, attributes in enumerate(sequence.steps):
            for attribute, value in attributes:
                if path[t] in self.states[attribute]:
                    yield self.states[attribute][path[t]], value
            if t and (path[t - 1], path[t]) in self.moves:
                yield self.moves[path[t - 1], path[t]], 1.0


def prepare(
    offsets: Array,
    items: Array,
    attributes: Array,
    values: Array,
    y: Array,
    feature_offsets: Array,
    feature_labels: Array,
    transitions: Array,
    labels: int,
) -> _Problem:
    """Make a training set ready for passes over it; opaque to callers.

    Sequence s has steps offsets[s] to offsets[s + 1] with labels y; step p the attributes
    attributes[items[p]:items[p + 1]], each with a value, or 1 if `values` is empty. Attribute a has the features
    feature_offsets[a] to feature_offsets[a + 1], of labels in ascending order; then come the pairs of labels.
    """
    bounds, held, owners, right = offsets.tolist(), items.tolist(), attributes.tolist(), y.tolist()
    given = values.tolist() or [1.0] * len(owners)
    steps = [list(zip(owners[a:b], given[a:b])) for a, b in pairwise(held)]
    starts, names = feature_offsets.tolist(), feature_labels.tolist()
    return _Problem(
        [_Sequence(steps[a:b], right[a:b]) for a, b in pairwise(bounds)],
        [{names[k]: k for k in range(a, b)} for a, b in pairwise(starts)],
        {(i, j): len(names) + n for n, (i, j) in enumerate(transitions.tolist())},
        labels,
    )


def shuffled(key: Array, stream: int, n: int) -> Array:
    """0 to n - 1 in an order drawn from a stream of the key: Fisher and Yates's shuffle, from the last place down.

    Place i changes with place r * (i + 1) >> 32 for the upper 32 bits r of a draw.
    """
    rng, order = Rng(key.tolist(), stream), list(range(n))
    for i in range(n - 1, 0, -1):
        other = rng.next_below(i + 1)
        order[i], order[other] = order[other], order[i]
    return np.array(order, np.int64)


def _best_path(emissions: list[list[float]], moves: list[list[float]]) -> list[int]:
    """The best path, of equal ones that with the smallest labels from the end on."""
    labels = range(len(moves))
    ahead = [emissions[0]]
    for row in emissions[1:]:
        ahead.append([row[j] + max(ahead[-1][i] + moves[i][j] for i in labels) for j in labels])
    path = [max(labels, key=lambda i: ahead[-1][i])]
    for row in reversed(ahead[:-1]):
        path.append(max(labels, key=lambda i: row[i] + moves[i][path[-1]]))
    return path[::-1]


def _path_score(emissions: list[list[float]], moves: list[list[float]], path: list[int]) -> float:
    total = 0.0
    for t, label in enumerate(path):
        total += emissions[t][label]
        if t:
            total += moves[path[t - 1]][label]
    return total


@dataclass(frozen=True)
class _Mistake:
    """How many labels of a sequence are wrong, by how much they won, and what features the right ones have more."""

    wrong: int
    steps: int
    margin: float
    more: dict[int, float]


def _mistakes(problem: _Problem, order: Array, weights: list[float]) -> Iterator[_Mistake | None]:
    """Label sequences by the weights as they are then, and yield what was wrong; None for nothing."""
    for s in order.tolist():
        sequence = problem.sequences[s]
        emissions, moves = problem.scores(sequence, weights, 1.0)
        found = _best_path(emissions, moves) if emissions else []
        wrong = sum(a != b for a, b in zip(found, sequence.right))
        if not wrong:
            yield None
            continue
        more: dict[int, float] = {}
        for k, value in problem.on_path(sequence, sequence.right):
            more[k] = more.get(k, 0.0) + value
        for k, value in problem.on_path(sequence, found):
            more[k] = more.get(k, 0.0) - value
        margin = _path_score(emissions, moves, found) - _path_score(emissions, moves, sequence.right)
        yield _Mistake(wrong, len(found), margin, more)


def perceptron_epoch(problem: Any, order: Array, weights: Array, sums: Array, count: int) -> float:
    """Label the sequences in that order; after each add to the weights what features the right labels have more.

    The same, times the number of sequences so far, goes to `sums`: so weights - sums / count is their average, count
    being the number at the start. Returns the sum of the shares of wrong labels.

    Source: Collins, *Discriminative training methods for hidden Markov models*, EMNLP 2002.
    """
    loss, now, summed = 0.0, weights.tolist(), sums.tolist()
    for n, mistake in enumerate(_mistakes(problem, order, now), count):
        if mistake:
            loss += mistake.wrong / mistake.steps
            for k, value in mistake.more.items():
                now[k] += value
                summed[k] += n * value
    weights[:], sums[:] = now, summed
    return loss


def aggressive_epoch(
    problem: Any,
    order: Array,
    weights: Array,
    sums: Array,
    count: int,
    kind: int,
    c: float,
    error_sensitive: bool,
) -> float:
    """As `perceptron_epoch`, but go only as far as makes the right labels win by a margin: passive-aggressive.

    The margin is the root of the number of wrong labels, or 1 if not error-sensitive. What is missing, divided by the
    squared length of the step, is how far to go: all the way (kind 0), at most c (1), or with 1 / 2c added to the
    divisor (2). Returns the sum of what was missing, infinite if a step's length is.

    Source: Crammer, Dekel, Keshet, Shalev-Shwartz and Singer, *Online passive-aggressive algorithms*, JMLR 7 (2006).
    """
    loss, now, summed = 0.0, weights.tolist(), sums.tolist()
    for n, mistake in enumerate(_mistakes(problem, order, now), count):
        if mistake:
            missing = mistake.margin + (math.sqrt(mistake.wrong) if error_sensitive else 1.0)
            squares = sum(value * value for value in mistake.more.values())
            loss += missing if squares < math.inf else math.inf
            far = 0.0
            if squares:
                far = missing / (squares + 0.5 / c) if kind == 2 else missing / squares
                far = min(far, c) if kind == 1 else far
            for k, value in mistake.more.items():
                now[k] += far * value
                summed[k] += far * n * value
    weights[:], sums[:] = now, summed
    return loss


def arow_epoch(problem: Any, order: Array, weights: Array, variances: Array, gamma: float) -> float:
    """As `perceptron_epoch`, but with a variance for each weight: what is uncertain moves far and is more certain then.

    The right labels are to win by the number of wrong ones. Returns the sum of what was missing, infinite if a step's
    length is.

    Source: Crammer, Kulesza and Dredze, *Adaptive regularization of weight vectors*, NIPS 2009.
    """
    loss, now, variance = 0.0, weights.tolist(), variances.tolist()
    for mistake in _mistakes(problem, order, now):
        if mistake:
            missing = mistake.margin + mistake.wrong
            doubt = gamma + sum(value * value * variance[k] for k, value in mistake.more.items())
            loss += missing if doubt < math.inf else math.inf
            for k, value in mistake.more.items():
                now[k] += missing / doubt * variance[k] * value
                variance[k] /= 1.0 + variance[k] * (value * value / gamma)
    weights[:], variances[:] = now, variance
    return loss


def gradient_epoch(problem: Any, order: Array, weights: Array, rate: float, decay: float, count: float) -> float:
    """Stochastic gradient descent: after each sequence a step down the slope of log Z - score + decay / 2 * |w|**2.

    Step number n, counted from `count` on, is of size rate / (1 + decay * rate * n); decay * rate must be below 1.
    Returns the sum of log Z - score, each by the weights before its step.

    The weights are kept as a multiple of what they are, so that a step is as short as its sequence.

    Source: Bottou, *Large-scale machine learning with stochastic gradient descent*, COMPSTAT 2010; Shalev-Shwartz,
    Singer and Srebro, *Pegasos*, ICML 2007.
    """
    loss, scale, now = 0.0, 1.0, weights.tolist()
    for n, s in enumerate(order.tolist()):
        size = rate / (1 + decay * rate * (count + n))
        scale *= 1 - size * decay
        sequence = problem.sequences[s]
        if not sequence.steps:
            continue
        emissions, moves = problem.scores(sequence, now, scale)
        nodes, pairs, log_z = _expectations(emissions, moves)
        loss += log_z - _path_score(emissions, moves, sequence.right)
        for k, value in problem.on_path(sequence, sequence.right):
            now[k] += size / scale * value
        for t, attributes in enumerate(sequence.steps):
            for attribute, value in attributes:
                for label, k in problem.states[attribute].items():
                    now[k] -= size / scale * value * nodes[t][label]
        for (i, j), k in problem.moves.items():
            now[k] -= size / scale * pairs[i][j]
    weights[:] = [scale * weight for weight in now]
    return loss


def _log_sum(numbers: list[float]) -> float:
    most = max(numbers)
    return most + math.log(sum(math.exp(x - most) for x in numbers))


def _expectations(emissions: list[list[float]], moves: list[list[float]]) -> tuple[Any, Any, float]:
    """Probabilities of the labels at each step, expected transitions, log Z."""
    labels, last = range(len(moves)), len(emissions) - 1
    forward, backward = [emissions[0]], [[0.0] * len(moves)]
    for row in emissions[1:]:
        forward.append([row[j] + _log_sum([forward[-1][i] + moves[i][j] for i in labels]) for j in labels])
    for row in reversed(emissions[1:]):
        backward.append([_log_sum([moves[i][j] + row[j] + backward[-1][j] for j in labels]) for i in labels])
    backward.reverse()
    log_z = _log_sum(forward[-1])
    nodes = [[math.exp(a + b - log_z) for a, b in zip(*rows)] for rows in zip(forward, backward)]
    pairs = [
        [
            sum(
                math.exp(forward[t][i] + moves[i][j] + emissions[t + 1][j] + backward[t + 1][j] - log_z)
                for t in range(last)
            )
            for j in labels
        ]
        for i in labels
    ]
    return nodes, pairs, log_z
