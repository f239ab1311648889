"""Linear scans of sequences that lie one after the other, and what units made of them share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import as_real
from ._numbers import as_numbers
from ._scans import linear_scan, linear_scan_vjp
from ._sequences import Array, Sequences, as_numpy, sequences

# Of sequences of one length a batch, else each alone: its rows, and which of the states are its.
_Piece = tuple[slice, slice, tuple[int, int]]


def given_rows(x: Any, lengths: Any, mask: Any) -> Sequences:
    """Sequences in any form, whose numbers are finite."""
    batch = sequences(x, lengths, mask)
    batch.rows = as_real(batch.rows, "x", inf=False)
    return batch


def weight(value: Any, name: str, shape: tuple[int, ...] | None = None, *, numbers: str = "real") -> Array:
    """Finite weights, real or, if `numbers` says so, complex."""
    array = as_numpy(value)
    if numbers == "real":
        return as_real(array, name, shape=shape, inf=False)
    found = as_numbers(array, name)
    if shape is not None and found.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite, got infinite values")
    return found


def first_states(value: Any, name: str, count: int, width: int, dtype: Any) -> Array:
    """Each sequence's state before its first step; one given for all, or zeros."""
    if value is None:
        return np.zeros((count, width), dtype)
    given = weight(value, name, numbers="complex" if np.dtype(dtype).kind == "c" else "real")
    if given.shape not in ((width,), (count, width)):
        raise ValueError(f"{name} must have shape {(count, width)} or {(width,)}, got {given.shape}")
    return np.ascontiguousarray(np.broadcast_to(given, (count, width)), dtype)


def scanned(batch: Sequences, a: Array, b: Array, start: Array, reverse: bool) -> tuple[Array, Array]:
    """All states (N, H) that coefficients a, of all rows (H,) or of each (N, H), and b (N, H) make, and the last."""
    states, last = np.empty(b.shape, start.dtype), start.copy()
    for rows, which, shape in _pieces(batch):
        factors = a if a.ndim == 1 else a[rows].reshape(*shape, -1)
        made = linear_scan(factors, b[rows].reshape(*shape, -1), start[which], axis=1, reverse=reverse)
        states[rows] = made.reshape(-1, b.shape[1])
        last[which] = made[:, 0 if reverse else -1]
    return states, last


def scanned_vjp(
    batch: Sequences, a: Array, b: Array, start: Array, reverse: bool, grad: Array, by_last: Array
) -> tuple[Array, Array, Array]:
    """From gradients by all states and by the last ones to those by a, b and the first ones, as `linear_scan_vjp`."""
    by_a, by_b, by_start = np.zeros_like(a), np.empty(b.shape, start.dtype), by_last.copy()
    for rows, which, shape in _pieces(batch):
        factors = a if a.ndim == 1 else a[rows].reshape(*shape, -1)
        out = grad[rows].reshape(*shape, -1).copy()
        out[:, 0 if reverse else -1] += by_last[which]
        parts = linear_scan_vjp(factors, b[rows].reshape(*shape, -1), start[which], dy=out, axis=1, reverse=reverse)
        if a.ndim == 1:
            by_a += parts[0]
        else:
            by_a[rows] = parts[0].reshape(-1, a.shape[1])
        by_b[rows] = parts[1].reshape(-1, b.shape[1])
        by_start[which] = parts[2]
    return by_a, by_b, by_start


def of_one(value: Array, batch: Sequences) -> Array:
    """States, one a sequence unless there is but one."""
    found: NDArray[Any] = value[0] if batch.form == "one" else value
    return found


def _pieces(batch: Sequences) -> Iterator[_Piece]:
    counts = np.diff(batch.offsets)
    if len(counts) and (counts == counts[0]).all():
        if counts[0]:
            yield slice(None), slice(None), (len(counts), int(counts[0]))
        return
    for i, (begin, end) in enumerate(zip(batch.offsets[:-1].tolist(), batch.offsets[1:].tolist())):
        if end > begin:
            yield slice(begin, end), slice(i, i + 1), (1, end - begin)
