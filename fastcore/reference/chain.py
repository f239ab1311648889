"""Slow twin of the linear-chain kernels: the textbook recursions in log space.

A batch is one array of emissions ``(N, L)`` and offsets: sequence s holds rows ``offsets[s]`` to
``offsets[s + 1]``. A path y of T labels scores::

    start[y[0]] + sum_t emissions[t, y[t]] + sum_t transitions[y[t-1], y[t]] + end[y[T-1]]

The empty sequence has one path, the empty one, with score 0.
"""

from collections.abc import Iterator, Sequence
from math import exp, fsum, inf, log, nan
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._rng import Rng

Array: TypeAlias = NDArray[Any]
Matrix: TypeAlias = list[list[float]]


def _logsumexp(values: Sequence[float]) -> float:
    top = max(values)
    return top if top == -inf else top + log(fsum(exp(v - top) for v in values))


def _sequences(emissions: Array, offsets: Array, start: Array, end: Array) -> Iterator[Matrix]:
    """Yield each sequence's scores (T, L) with start and end scores added to its first and last row."""
    for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist()):
        rows = emissions[a:b].astype(np.float64).tolist()
        if rows:
            rows[0] = [v + s for v, s in zip(rows[0], start.tolist())]
            rows[-1] = [v + e for v, e in zip(rows[-1], end.tolist())]
        yield rows


def _forward(rows: Matrix, transitions: Matrix) -> Matrix:
    """alpha[t][j]: log of the summed exponentials of all paths that are at label j at step t."""
    labels = range(len(transitions))
    alpha = rows[:1]
    for row in rows[1:]:
        last = alpha[-1]
        alpha.append([_logsumexp([last[i] + transitions[i][j] for i in labels]) + row[j] for j in labels])
    return alpha


def _backward(rows: Matrix, transitions: Matrix) -> Matrix:
    """beta[t][i]: the same of what follows step t, if step t has label i."""
    labels = range(len(transitions))
    beta = [[0.0 for _ in labels]] if rows else []
    for row in rows[:0:-1]:
        after = beta[-1]
        beta.append([_logsumexp([transitions[i][j] + (row[j] + after[j]) for j in labels]) for i in labels])
    return beta[::-1]


def _log_partition(alpha: Matrix) -> float:
    return _logsumexp(alpha[-1]) if alpha else 0.0


def log_partition(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> Array:
    """Log of the sum over all paths of exp(score), one a sequence."""
    matrix = transitions.tolist()
    found = [_log_partition(_forward(rows, matrix)) for rows in _sequences(emissions, offsets, start, end)]
    return np.array(found, emissions.dtype)


def forward(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> Array:
    """Log forward variables (N, L); the last row of a sequence includes the end scores."""
    matrix = transitions.tolist()
    rows = [row for seq in _sequences(emissions, offsets, start, end) for row in _forward(seq, matrix)]
    return np.array(rows, emissions.dtype).reshape(emissions.shape)


def backward(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> Array:
    """Log backward variables (N, L); the last row of a sequence is zero."""
    matrix = transitions.tolist()
    rows = [row for seq in _sequences(emissions, offsets, start, end) for row in _backward(seq, matrix)]
    return np.array(rows, emissions.dtype).reshape(emissions.shape)


def _scaled(log_rows: Matrix, emissions: Array) -> tuple[Array, Array]:
    scales = [_logsumexp(row) for row in log_rows]
    values = [[exp(v - c) if c > -inf else 0.0 for v in row] for row, c in zip(log_rows, scales)]
    return np.array(values, emissions.dtype).reshape(emissions.shape), np.array(scales, emissions.dtype)


def forward_scaled(
    emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array
) -> tuple[Array, Array]:
    """Forward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    matrix = transitions.tolist()
    rows = [row for seq in _sequences(emissions, offsets, start, end) for row in _forward(seq, matrix)]
    return _scaled(rows, emissions)


def backward_scaled(
    emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array
) -> tuple[Array, Array]:
    """Backward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    matrix = transitions.tolist()
    rows = [row for seq in _sequences(emissions, offsets, start, end) for row in _backward(seq, matrix)]
    return _scaled(rows, emissions)


def path_score(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array, paths: Array) -> Array:
    """Score of one given path a sequence."""
    scores, a = [], 0
    for rows in _sequences(emissions, offsets, start, end):
        path = paths[a : a + len(rows)].tolist()
        a += len(rows)
        score = 0.0
        for t, label in enumerate(path):
            if t:
                score += float(transitions[path[t - 1], label])
            score += rows[t][label]
        scores.append(score)
    return np.array(scores, emissions.dtype)


def viterbi(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Best path and its score; of equal ones the smallest label, decided from the end."""
    matrix, labels = transitions.tolist(), range(len(transitions))
    paths, scores = [], []
    for rows in _sequences(emissions, offsets, start, end):
        best = rows[:1]
        for row in rows[1:]:
            last = best[-1]
            best.append([max(last[i] + matrix[i][j] for i in labels) + row[j] for j in labels])
        score = max(best[-1]) if rows else 0.0
        scores.append(score)
        if score == -inf:
            paths += [-1] * len(rows)
            continue
        path: list[int] = []
        for last in reversed(best):
            into = [last[i] + matrix[i][path[-1]] for i in labels] if path else last
            path.append(into.index(max(into)))
        paths += path[::-1]
    return np.array(paths, np.int64), np.array(scores, emissions.dtype)


def viterbi_nbest(
    emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array, n: int
) -> tuple[Array, Array]:
    """The n best paths (n, N) and scores (S, n); of equal ones the smaller label first, decided from the end."""
    matrix, labels = transitions.tolist(), range(len(transitions))
    paths = np.full((n, len(emissions)), -1, np.int64)
    scores = np.full((len(offsets) - 1, n), -inf, emissions.dtype)
    a = 0
    for s, rows in enumerate(_sequences(emissions, offsets, start, end)):
        # Each entry is (score, the labels up to here, last one first), sorted by falling score.
        best = [[(rows[0][j], (j,))] if rows[0][j] > -inf else [] for j in labels] if rows else [[(0.0, ())]]
        for row in rows[1:]:
            best = [
                [
                    (score + row[j], (j, *path))
                    for score, path in sorted(
                        (
                            (score + matrix[i][j], path)
                            for i in labels
                            for score, path in best[i]
                            if score + matrix[i][j] + row[j] > -inf
                        ),
                        key=lambda entry: -entry[0],
                    )[:n]
                ]
                for j in labels
            ]
        found = sorted((entry for entries in best for entry in entries), key=lambda entry: -entry[0])[:n]
        for k, (score, path) in enumerate(found):
            scores[s, k] = score
            paths[k, a : a + len(rows)] = path[::-1]
        a += len(rows)
    return paths, scores


def marginals(
    emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array, total: bool
) -> tuple[Array, Array, Array]:
    """Posterior label probabilities (N, L), expected transition counts, log-partition.

    The counts are summed over steps, (S, L, L), or with `total` over the sequences too, (1, L, L). A sequence
    without a legal path has zeros.
    """
    matrix, labels = transitions.tolist(), range(len(transitions))
    n, size = len(offsets) - 1, len(transitions)
    nodes = np.zeros(emissions.shape, emissions.dtype)
    counts = np.zeros((1 if total else n, size, size))
    log_z = np.empty(n, emissions.dtype)
    a = 0
    for s, rows in enumerate(_sequences(emissions, offsets, start, end)):
        alpha, beta = _forward(rows, matrix), _backward(rows, matrix)
        log_z[s] = z = _log_partition(alpha)
        if z > -inf:
            for t, row in enumerate(rows):
                nodes[a + t] = [exp(alpha[t][j] + beta[t][j] - z) for j in labels]
                if t:
                    for i in labels:
                        for j in labels:
                            step = alpha[t - 1][i] + matrix[i][j] + row[j] + beta[t][j]
                            counts[0 if total else s, i, j] += exp(step - z)
        a += len(rows)
    return nodes, counts.astype(emissions.dtype), log_z


def entropy(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> Array:
    """Entropy of each sequence's distribution over paths in nats; NaN without a legal path.

    Hernando, Crespi and Cybenko, IEEE Transactions on Information Theory 51 (2005): h[j] is the entropy of
    the paths that end in label j.
    """
    matrix, labels = transitions.tolist(), range(len(transitions))
    found = []
    for rows in _sequences(emissions, offsets, start, end):
        alpha = _forward(rows, matrix)
        h = [0.0 for _ in labels]
        for last in alpha[:-1]:
            h = [_mixed([last[i] + matrix[i][j] for i in labels], h) for j in labels]
        found.append(_mixed(alpha[-1], h) if _log_partition(alpha) > -inf and rows else 0.0 if not rows else nan)
    return np.array(found, emissions.dtype)


def _mixed(log_weights: list[float], h: list[float]) -> float:
    """Entropy of a mixture of parts with these log weights and own entropies."""
    total = _logsumexp(log_weights)
    if total == -inf:
        return 0.0
    return fsum(exp(w - total) * (part - (w - total)) for w, part in zip(log_weights, h) if w > -inf)


def sample(
    emissions: Array,
    offsets: Array,
    transitions: Array,
    start: Array,
    end: Array,
    size: int,
    key: Array,
    first: int,
) -> Array:
    """Draw `size` paths a sequence, (size, N), -1 without a legal path.

    Draw k of sequence s uses random stream (first + s) * size + k, one uniform a step from the last step to
    the first; the label is the first whose cumulated weight exceeds the uniform times the sum.
    """
    matrix, labels = transitions.tolist(), range(len(transitions))
    paths = np.full((size, len(emissions)), -1, np.int64)
    a = 0
    for s, rows in enumerate(_sequences(emissions, offsets, start, end)):
        alpha = _forward(rows, matrix)
        if _log_partition(alpha) > -inf:
            for k in range(size):
                rng = Rng(key.tolist(), (first + s) * size + k)
                label = -1
                for t in range(len(rows) - 1, -1, -1):
                    into = alpha[t] if label < 0 else [alpha[t][i] + matrix[i][label] for i in labels]
                    label = _draw(into, rng.next_double())
                    paths[k, a + t] = label
        a += len(rows)
    return paths


def _draw(log_weights: list[float], uniform: float) -> int:
    top = max(log_weights)
    weights = [exp(w - top) for w in log_weights]
    target, reached, chosen = uniform * sum(weights), 0.0, -1
    for label, weight in enumerate(weights):
        if weight > 0.0:
            chosen = label
            reached += weight
            if reached > target:
                break
    return chosen
