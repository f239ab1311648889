"""Slow twin of the recurrence kernels."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def linear_scan(a: NDArray[Any], b: NDArray[Any], y0: NDArray[Any], reverse: bool) -> NDArray[Any]:
    """y[t] = a[t] * y[t-1] + b[t] down the rows (up, if `reverse`), from y0; one recurrence a column."""
    n, m = b.shape
    y = np.empty((n, m), dtype=b.dtype)
    order = range(n - 1, -1, -1) if reverse else range(n)
    for j in range(m):
        last = y0[j]
        for t in order:
            last = a[t, j] * last + b[t, j]
            y[t, j] = last
    return y


def simple_rnn(
    x: NDArray[Any], weights: NDArray[Any], bias: NDArray[Any], h0: NDArray[Any], relu: bool
) -> NDArray[Any]:
    """h[t] = tanh(bias + [x[t], h[t-1]] weights), or relu of it, for each sequence of a batch; return all h."""

    def cell(xt: Row, state: State) -> State:
        (h,) = state
        return ([max(a, 0.0) if relu else math.tanh(a) for a in _affine(xt + h, columns, offsets)],)

    columns, offsets = weights.T.tolist(), bias.tolist()
    return _run(cell, x, (h0,))[0]


def gru(x: NDArray[Any], weights: NDArray[Any], bias: NDArray[Any], h0: NDArray[Any]) -> NDArray[Any]:
    """Gated recurrent units; columns: r, z, then what the candidate takes from x and from r * h."""

    def cell(xt: Row, state: State) -> State:
        (h,) = state
        a = _affine(xt + h, columns, offsets)
        r, z = [_sigmoid(v) for v in a[:n]], [_sigmoid(v) for v in a[n : 2 * n]]
        candidate = [math.tanh(a[2 * n + j] + r[j] * a[3 * n + j]) for j in range(n)]
        return ([(1 - z[j]) * candidate[j] + z[j] * h[j] for j in range(n)],)

    n, columns, offsets = h0.shape[1], weights.T.tolist(), bias.tolist()
    return _run(cell, x, (h0,))[0]


def lstm(
    x: NDArray[Any], weights: NDArray[Any], bias: NDArray[Any], h0: NDArray[Any], c0: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Long short-term memory; columns: input, forget, cell, output gate. Return all h, and the last c."""

    def cell(xt: Row, state: State) -> State:
        h, c = state
        a = _affine(xt + h, columns, offsets)
        c = [_sigmoid(a[n + j]) * c[j] + _sigmoid(a[j]) * math.tanh(a[2 * n + j]) for j in range(n)]
        return [_sigmoid(a[3 * n + j]) * math.tanh(c[j]) for j in range(n)], c

    n, columns, offsets = h0.shape[1], weights.T.tolist(), bias.tolist()
    outputs, last = _run(cell, x, (h0, c0))
    return outputs, last[1]


Row = list[float]
State = tuple[Row, ...]


def _affine(z: Row, columns: list[Row], offsets: Row) -> Row:
    return [offset + sum(a * w for a, w in zip(z, column)) for column, offset in zip(columns, offsets)]


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


def _run(
    cell: Callable[[Row, State], State], x: NDArray[Any], start: tuple[NDArray[Any], ...]
) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """Step a cell along each sequence: all outputs (its state's first part), and each part of the last states."""
    outputs = np.empty((*x.shape[:2], start[0].shape[1]), x.dtype)
    last = [part.copy() for part in start]
    for i, sequence in enumerate(x.tolist()):
        state: State = tuple(part[i].tolist() for part in start)
        for t, xt in enumerate(sequence):
            state = cell(xt, state)
            outputs[i, t] = state[0]
        for part, value in zip(last, state):
            part[i] = value
    return outputs, last
