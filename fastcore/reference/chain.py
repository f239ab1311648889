"""Slow twin of the linear-chain kernels: the textbook recursions in log space.

A batch is one array of emissions ``(N, L)`` and offsets: sequence s holds rows ``offsets[s]`` to
``offsets[s + 1]``. A path y of T labels scores::

    start[y[0]] + sum_t emissions[t, y[t]] + sum_t transitions[y[t-1], y[t]] + end[y[T-1]]

Transitions are ``(L, L)``, or each step's own ``(M, L, L)``: those of all steps but the sequences' first. The empty
sequence has one path, the empty one, with score 0.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
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


def _running(values: Iterable[float]) -> Iterator[float]:
    """Yield the sums of the first one, two, ... values, with what rounding takes carried along (Neumaier's sum)."""
    total = rest = 0.0
    for value in values:
        after = total + value
        if abs(after) < inf:
            rest += (total - after) + value if abs(total) >= abs(value) else (value - after) + total
        total = after
        yield total + rest


def _total(values: Iterable[float]) -> float:
    last = deque(_running(values), maxlen=1)
    return last[0] if last else 0.0


def _sequences(emissions: Array, offsets: Array, start: Array, end: Array) -> Iterator[Matrix]:
    """Yield each sequence's scores (T, L) with start and end scores added to its first and last row."""
    for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist()):
        rows = emissions[a:b].astype(np.float64).tolist()
        if rows:
            rows[0] = [v + s for v, s in zip(rows[0], start.tolist())]
            rows[-1] = [v + e for v, e in zip(rows[-1], end.tolist())]
        yield rows


def _moves(transitions: Array, offsets: Array) -> Iterator[Sequence[Matrix]]:
    """Yield each sequence's transitions, those to its second step first."""
    first = 0
    for length in np.diff(offsets).tolist():
        count = max(0, length - 1)
        if transitions.ndim == 2:
            yield [transitions.tolist()] * count
        else:
            yield transitions[first : first + count].astype(np.float64).tolist()
            first += count


def _normalised(row: list[float]) -> tuple[list[float], float]:
    """Logs less the log of their sum, and that; a row that is all forbidden stays as it is."""
    scale = _logsumexp(row)
    return ([v - scale for v in row] if scale > -inf else row), scale


def _forward(rows: Matrix, moves: Sequence[Matrix]) -> tuple[Matrix, list[float]]:
    """Logs of the forward variables, and what was taken from each row beyond what was taken from those before.

    The variable of label j at step t is the sum of the exponentials of all paths that are at j at step t. Each
    row is brought to a sum of 1: else rounding would grow with the logs, that is with the length.
    """
    alpha: Matrix = []
    scales = []
    for t, row in enumerate(rows):
        if t:
            last, move, labels = alpha[-1], moves[t - 1], range(len(row))
            row = [_logsumexp([last[i] + move[i][j] for i in labels]) + row[j] for j in labels]
        row, scale = _normalised(row)
        alpha.append(row)
        scales.append(scale)
    return alpha, scales


def _backward(rows: Matrix, moves: Sequence[Matrix]) -> tuple[Matrix, list[float]]:
    """The same of what follows step t, if step t has label i."""
    beta: Matrix = []
    scales = []
    for t in range(len(rows) - 1, -1, -1):
        labels = range(len(rows[t]))
        row = [0.0 for _ in labels]
        if beta:
            move = moves[t]
            row = [_logsumexp([move[i][j] + rows[t + 1][j] + beta[-1][j] for j in labels]) for i in labels]
        row, scale = _normalised(row)
        beta.append(row)
        scales.append(scale)
    return beta[::-1], scales[::-1]


def is_plain(emissions: Any, transitions: Any, start: Any, end: Any) -> bool:
    """Whether one sequence's scores can be taken as they come.

    They can if all are aligned, contiguous float64 arrays of matching shapes without NaN or plus infinity, and no sum
    over a path is too large for a float.
    """
    arrays = emissions, transitions, start, end
    if not all(_as_it_comes(array, np.dtype(np.float64)) for array in arrays):
        return False
    length, size = emissions.shape if emissions.ndim == 2 else (0, 0)
    shapes = (length, size), (size, size), (size,), (size,)
    if not length or not size or tuple(array.shape for array in arrays) != shapes:
        return False
    highest = [max(0.0, float(array.max())) if (array < inf).all() else nan for array in arrays]
    return highest[0] * length + highest[1] * (length - 1) + highest[2] + highest[3] <= sys.float_info.max


def are_labels(paths: Any, size: int) -> bool:
    """Whether `paths` can be taken as they come: an aligned, contiguous int64 array of labels below `size`."""
    if not _as_it_comes(paths, np.dtype(np.int64)) or paths.ndim != 1 or not len(paths):
        return False
    return all(0 <= label < size for label in paths.tolist())


def _as_it_comes(array: Any, dtype: "np.dtype[Any]") -> bool:
    return type(array) is np.ndarray and array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned


def subtract_paths(nodes: Array, counts: Array, offsets: Array, paths: Array) -> None:
    """Take given paths' labels from the expected ones, and their transitions from the expected ones, in place."""
    for a, b in pairwise(offsets.tolist()):
        for t in range(a, b):
            nodes[t, paths[t]] -= 1
            if t > a:
                counts[paths[t - 1], paths[t]] -= 1


def log_partition(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> Array:
    """Log of the sum over all paths of exp(score), one a sequence."""
    batch = zip(_sequences(emissions, offsets, start, end), _moves(transitions, offsets))
    return np.array([_total(_forward(rows, moves)[1]) for rows, moves in batch])


def _columns(
    emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array, reverse: bool
) -> tuple[Matrix, list[float]]:
    """Normalised log variables of all steps, and the log of what each row was divided by in all."""
    columns: Matrix = []
    scales: list[float] = []
    for rows, moves in zip(_sequences(emissions, offsets, start, end), _moves(transitions, offsets)):
        found, taken = (_backward if reverse else _forward)(rows, moves)
        columns += found
        scales += [*_running(taken[::-1])][::-1] if reverse else [*_running(taken)]
    return columns, scales


def _logs(columns: Matrix, scales: list[float], emissions: Array) -> Array:
    rows = [[v + scale for v in row] for row, scale in zip(columns, scales)]
    return np.array(rows, emissions.dtype).reshape(emissions.shape)


def _scaled(columns: Matrix, scales: list[float], emissions: Array) -> tuple[Array, Array]:
    values = [[exp(v) for v in row] for row in columns]
    return np.array(values, emissions.dtype).reshape(emissions.shape), np.array(scales, emissions.dtype)


def forward(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> Array:
    """Log forward variables (N, L); the last row of a sequence includes the end scores."""
    return _logs(*_columns(emissions, offsets, transitions, start, end, False), emissions)


def backward(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> Array:
    """Log backward variables (N, L); the last row of a sequence is zero."""
    return _logs(*_columns(emissions, offsets, transitions, start, end, True), emissions)


def forward_scaled(
    emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array
) -> tuple[Array, Array]:
    """Forward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    return _scaled(*_columns(emissions, offsets, transitions, start, end, False), emissions)


def backward_scaled(
    emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array
) -> tuple[Array, Array]:
    """Backward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    return _scaled(*_columns(emissions, offsets, transitions, start, end, True), emissions)


def path_score(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array, paths: Array) -> Array:
    """Score of one given path a sequence."""
    scores, a = [], 0
    for rows, moves in zip(_sequences(emissions, offsets, start, end), _moves(transitions, offsets)):
        path = paths[a : a + len(rows)].tolist()
        a += len(rows)
        moved = [0.0, *(move[i][j] for move, (i, j) in zip(moves, pairwise(path)))]
        scores.append(_total(rows[t][label] + move for t, (label, move) in enumerate(zip(path, moved))))
    return np.array(scores)


def viterbi(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Best path and its score; of equal ones the smallest label, decided from the end."""
    labels = range(len(start))
    paths, scores = [], []
    for rows, moves in zip(_sequences(emissions, offsets, start, end), _moves(transitions, offsets)):
        best = rows[:1]
        for row, move in zip(rows[1:], moves):
            last = best[-1]
            best.append([max(last[i] + move[i][j] for i in labels) + row[j] for j in labels])
        score = max(best[-1]) if rows else 0.0
        scores.append(score)
        if score == -inf:
            paths += [-1] * len(rows)
            continue
        path: list[int] = []
        for t in range(len(rows) - 1, -1, -1):
            into = [best[t][i] + moves[t][i][path[-1]] for i in labels] if path else best[t]
            path.append(into.index(max(into)))
        paths += path[::-1]
    return np.array(paths, np.int64), np.array(scores)


def viterbi_nbest(
    emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array, n: int
) -> tuple[Array, Array]:
    """The n best paths (n, N) and scores (S, n); of equal ones the smaller label first, decided from the end."""
    labels = range(len(start))
    paths = np.full((n, len(emissions)), -1, np.int64)
    scores = np.full((len(offsets) - 1, n), -inf)
    a = 0
    batch = zip(_sequences(emissions, offsets, start, end), _moves(transitions, offsets))
    for s, (rows, moves) in enumerate(batch):
        # Each entry is (score, the labels up to here, last one first), sorted by falling score.
        best = [[(rows[0][j], (j,))] if rows[0][j] > -inf else [] for j in labels] if rows else [[(0.0, ())]]
        for row, move in zip(rows[1:], moves):
            best = [
                [
                    (score + row[j], (j, *path))
                    for score, path in sorted(
                        (
                            (score + move[i][j], path)
                            for i in labels
                            for score, path in best[i]
                            if score + move[i][j] + row[j] > -inf
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
    nodes, _, counts, log_z = pair_marginals(emissions, offsets, transitions, start, end)
    return nodes, counts.sum(axis=0, keepdims=True) if total else counts, log_z


def pair_marginals(
    emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array
) -> tuple[Array, Array, Array, Array]:
    """Posterior label probabilities (N, L), those of each move's two labels (M, L, L), their sums, log-partition."""
    n, size = len(offsets) - 1, len(start)
    labels = range(size)
    nodes = np.zeros(emissions.shape, emissions.dtype)
    pairs = []
    counts = np.zeros((n, size, size))
    log_z = np.empty(n)
    a = 0
    batch = zip(_sequences(emissions, offsets, start, end), _moves(transitions, offsets))
    for s, (rows, moves) in enumerate(batch):
        (alpha, scales), (beta, _) = _forward(rows, moves), _backward(rows, moves)
        log_z[s] = _total(scales)
        for t, row in enumerate(rows):
            shares = np.zeros((size, size))
            if log_z[s] > -inf:
                nodes[a + t] = _shares([alpha[t][j] + beta[t][j] for j in labels])
                if t:
                    last, move = alpha[t - 1], moves[t - 1]
                    steps = [last[i] + move[i][j] + row[j] + beta[t][j] for i in labels for j in labels]
                    shares = np.reshape(_shares(steps), (size, size))
            if t:
                pairs.append(shares)
                counts[s] += shares
        a += len(rows)
    return nodes, np.array(pairs, emissions.dtype).reshape(-1, size, size), counts, log_z


def _shares(logs: Sequence[float]) -> list[float]:
    """Exponentials, divided by their sum."""
    top = max(logs)
    values = [exp(v - top) for v in logs]
    total = fsum(values)
    return [v / total for v in values]


def entropy(emissions: Array, offsets: Array, transitions: Array, start: Array, end: Array) -> Array:
    """Entropy of each sequence's distribution over paths in nats; NaN without a legal path.

    Hernando, Crespi and Cybenko, IEEE Transactions on Information Theory 51 (2005): h[j] is the entropy of
    the paths that end in label j.
    """
    labels = range(len(start))
    found = []
    for rows, moves in zip(_sequences(emissions, offsets, start, end), _moves(transitions, offsets)):
        alpha, scales = _forward(rows, moves)
        if -inf in scales:
            found.append(nan)
            continue
        h = [0.0 for _ in labels]
        taken = []
        for last, move in zip(alpha, moves):
            h = [_mixed([last[i] + move[i][j] for i in labels], h) for j in labels]
            # As with the variables: what all have in common is taken out, or rounding would grow with it.
            taken.append(min(h))
            h = [v - taken[-1] if v < inf else 0.0 for v in h]
        found.append(_total([*taken, _mixed(alpha[-1], h) if rows else 0.0]))
    return np.array(found)


def _mixed(log_weights: list[float], h: list[float]) -> float:
    """Entropy of a mixture of parts with these log weights and own entropies; infinity if all are forbidden."""
    total = _logsumexp(log_weights)
    if total == -inf:
        return inf
    return fsum(exp(w - total) * (part - (w - total)) for w, part in zip(log_weights, h) if w > -inf)


def decode(
    emissions: Array, transitions: Array, start: Array, columns: Array, pending: int, max_delay: int
) -> tuple[Array, Array, int, int, float]:
    """Go on with a best path by some steps.

    Takes the columns of the `pending` steps without a label, or only the last step's if there is none, or no column
    at the beginning. Gives the labels that can be said (of steps of which no path is left, -1), the columns as they are
    then, the number of pending steps, how many labels were said without all paths agreeing, because more than
    `max_delay` steps would have been pending, and what was taken out of the columns.
    """
    matrix, labels = transitions.tolist(), range(len(start))
    window = columns.tolist()
    said: list[int] = []
    first = oldest = len(window) - pending
    forced, taken = 0, 0.0
    for row in emissions.astype(np.float64).tolist():
        if window:
            last = window[-1]
            row = [max(last[i] + matrix[i][j] for i in labels) + row[j] for j in labels]
        else:
            row = [score + s for score, s in zip(row, start.tolist())]
        most = max(row)
        if most > -inf and abs(most) > FAR:
            taken += most
            row = [score - most for score in row]
        window.append(row)
        if len(window) - oldest > max_delay or most == -inf:
            found, ancestors = _agreed(window, matrix, oldest)
            if ancestors:
                found = [ancestors[row.index(most if abs(most) <= FAR else 0.0)]]
                forced += 1
                # What has been said stands: paths that say otherwise end here.
                window[-1] = [v if ancestors.get(j) == found[0] else -inf for j, v in enumerate(row)]
            said += found
            oldest = first + len(said)
    if len(window) > oldest:
        found, ancestors = _agreed(window, matrix, oldest)
        said += found if not ancestors else []
        oldest = first + len(said)
    pending = len(window) - oldest
    kept = np.reshape(window[min(oldest, max(0, len(window) - 1)) :], (-1, len(start)))
    return np.array(said, np.int64), kept.astype(np.float64), pending, forced, taken


# A column's best score beyond this is taken out of it: exactly, as both have the same last bit.
FAR = 1 << 20


def _agreed(window: Matrix, matrix: Matrix, oldest: int) -> tuple[list[int], dict[int, int]]:
    """Labels from step `oldest` on, as far as all paths into the last column agree, or each path's label there."""
    ancestors = {j: j for j, score in enumerate(window[-1]) if score > -inf}
    if not ancestors:
        return [-1] * (len(window) - oldest), {}
    at = len(window) - 1
    while at > oldest and len(set(ancestors.values())) > 1:
        at -= 1
        ancestors = {j: _origin(window[at], matrix, label) for j, label in ancestors.items()}
    if len(set(ancestors.values())) > 1:
        return [], ancestors
    path = [next(iter(ancestors.values()))]
    while at > oldest:
        at -= 1
        path.append(_origin(window[at], matrix, path[-1]))
    return path[::-1], {}


def _origin(column: Sequence[float], matrix: Matrix, label: int) -> int:
    """The label before `label` on the best path into it."""
    into = [score + row[label] for score, row in zip(column, matrix)]
    return into.index(max(into))


def decode_end(transitions: Array, columns: Array, pending: int, end: Array) -> tuple[Array, float]:
    """Labels of the steps that `decode` left pending, and the last column's best score, with these end scores."""
    matrix = transitions.tolist()
    last = (columns[-1] + end).tolist()
    score = max(last)
    path: list[int] = []
    for column in columns[::-1].tolist()[:pending]:
        if score == -inf:
            path.append(-1)
        else:
            path.append(_origin(column, matrix, path[-1]) if path else last.index(score))
    return np.array(path[::-1], np.int64), score


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
    labels = range(len(start))
    paths = np.full((size, len(emissions)), -1, np.int64)
    a = 0
    batch = zip(_sequences(emissions, offsets, start, end), _moves(transitions, offsets))
    for s, (rows, moves) in enumerate(batch):
        alpha, scales = _forward(rows, moves)
        if -inf not in scales:
            for k in range(size):
                rng = Rng(key.tolist(), (first + s) * size + k)
                label = -1
                for t in range(len(rows) - 1, -1, -1):
                    into = alpha[t] if label < 0 else [alpha[t][i] + moves[t][i][label] for i in labels]
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
