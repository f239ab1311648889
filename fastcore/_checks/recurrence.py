"""Checks of the recurrence kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..recurrence import (
    LSTMCell,
    affine_scan,
    gru,
    gru_vjp,
    linear_scan,
    log_linear_scan,
    lru,
    lstm,
    selective_scan,
    selective_scan_vjp,
    simple_rnn,
    sru,
    sru_vjp,
)
from . import Check, largest_difference


def _coefficients() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, 100_000), rng.normal(size=100_000)


def _matrices() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 6)) / 4, rng.normal(size=(4, 500, 6))


def _logarithms() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return np.log(rng.uniform(size=(2000, 20))), 3 * rng.normal(size=(2000, 20))


def _selective() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    x, z, delta = rng.normal(size=(2, 100, 30)), rng.normal(size=(2, 100, 30)), rng.exponential(size=(2, 100, 30))
    A, B, C = -rng.exponential(size=(30, 8)), rng.normal(size=(2, 100, 8)), rng.normal(size=(2, 100, 8))
    return [x, delta, A, B, C, rng.normal(size=30), z, rng.normal(size=(2, 30, 8))]


def _selective_gradients(data: list[np.ndarray]) -> list[np.ndarray]:
    found = selective_scan_vjp(*data, dy=data[6])
    return [np.asarray(getattr(found, name)) for name in ("x", "delta", "A", "B", "C", "D", "z", "h0")]


def _cell(gates: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(16, 40, 16)), rng.normal(size=(16, gates * 24)) / 6, rng.normal(size=(24, gates * 24)) / 6


def _flat(result: Any) -> list[np.ndarray]:
    outputs, state = result
    return [outputs, *(state if isinstance(state, tuple) else (state,))]


def _stepped(data: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    x, W, U = data
    cell = LSTMCell(W, U)
    state = np.zeros((len(x), 24)), np.zeros((len(x), 24))
    for t in range(x.shape[1]):
        state = cell(np.ascontiguousarray(x[:, t]), state)
    return state


def _complex_unit() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    parts = rng.normal(size=(2, 2, 16, 16))
    weights = parts[0] + 1j * parts[1]
    return [rng.normal(size=(4, 50, 16)), *(rng.normal(size=(3, 16)) - 1), weights[0], weights[1]]


def _lru(data: list[np.ndarray]) -> list[np.ndarray]:
    outputs, state = lru(*data)
    return [outputs, state.view(np.float64)]


def _sru_gradients(data: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    x, W, _ = data
    found = sru_vjp(x, W, highway=W[:, :24], dc=np.ones((16, 24)))
    return [found.x, found.W, found.b, found.c0]


def _gradients(data: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    found = gru_vjp(*data, dh=np.ones((16, 24)))
    return [found.x, found.W, found.U, found.b, found.h0]


CHECKS = [
    Check("recurrence.linear_scan", _coefficients, lambda data: linear_scan(*data), largest_difference),
    Check(
        "recurrence.linear_scan, complex",
        lambda: [v[:20_000].reshape(-1, 20) * (1 - 0.5j) for v in _coefficients()],
        lambda data: linear_scan(*data, axis=0).view(np.float64),
        largest_difference,
    ),
    Check("recurrence.affine_scan", _matrices, lambda data: affine_scan(*data), largest_difference),
    Check(
        "recurrence.log_linear_scan",
        _logarithms,
        lambda data: log_linear_scan(*data, axis=0),
        largest_difference,
        1e-12,
    ),
    Check("recurrence.selective_scan", _selective, lambda data: selective_scan(*data), largest_difference, 1e-12),
    Check("recurrence.selective_scan_vjp", _selective, _selective_gradients, largest_difference, 1e-10),
    Check("recurrence.simple_rnn", lambda: _cell(1), lambda data: _flat(simple_rnn(*data)), largest_difference, 1e-12),
    Check("recurrence.gru", lambda: _cell(3), lambda data: _flat(gru(*data)), largest_difference, 1e-12),
    Check("recurrence.lstm", lambda: _cell(4), lambda data: _flat(lstm(*data)), largest_difference, 1e-12),
    Check("recurrence.LSTMCell", lambda: _cell(4), _stepped, largest_difference, 1e-12),
    Check("recurrence.lru", _complex_unit, _lru, largest_difference, 1e-12),
    Check(
        "recurrence.sru",
        lambda: _cell(3),
        lambda data: _flat(sru(*data[:2], highway=data[1][:, :24])),
        largest_difference,
        1e-12,
    ),
    Check("recurrence.sru_vjp", lambda: _cell(3), _sru_gradients, largest_difference, 1e-10),
    Check("recurrence.gru_vjp", lambda: _cell(3), _gradients, largest_difference, 1e-10),
]
