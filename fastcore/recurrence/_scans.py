"""Linear scans and their exact gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import kernels
from .._labelled import same_labels
from .._validation import as_flag, as_index, as_real

Array = NDArray[Any]


def linear_scan(
    a: ArrayLike,
    b: ArrayLike,
    y0: ArrayLike | None = None,
    *,
    axis: int = -1,
    reverse: bool = False,
    out: Array | None = None,
) -> Array:
    """Solve the linear recurrence y[t] = a[t] * y[t-1] + b[t].

    Parameters
    ----------
    a, b : array_like
        Coefficients; they broadcast to one shape, whose dimension `axis` is time. They are read by position: two
        Series or DataFrames must have the same labels in the same order.
    y0 : array_like, optional
        The state before the first step, of that shape without `axis`, or broadcast to it. Default 0.
    axis : int, default -1
        The dimension that is time.
    reverse : bool, default False
        Start at the last element and step towards the first.
    out : ndarray, optional
        Where the states go: C-contiguous, of the result's shape and type. It may be `a` or `b`. Of a call that raises
        it holds nothing of use.

    Returns
    -------
    ndarray
        All states y[t] (`out`, if given), float64, or float32 if `a` and `b` both are. A Python number goes with
        either.

    Raises
    ------
    TypeError
        If the input isn't real numbers, or `out` no such array.
    ValueError
        If shapes don't broadcast, labels differ, `axis` is out of range, or there is NaN.

    Notes
    -----
    O(size) time, one output array. Both twins multiply and add in this order, each rounded on its own, so they
    agree to the bit.

    Examples
    --------
    >>> from fastcore.recurrence import linear_scan
    >>> linear_scan([0.5, 0.5, 0.5], [1.0, 1.0, 1.0])
    array([1.  , 1.5 , 1.75])
    """
    same_labels({"a": a, "b": b})
    a, b, dtype = _coefficients(a, b)
    shape = _shape(a, b)
    axis = as_index(axis, "axis", low=-len(shape), high=len(shape) - 1) % len(shape)
    backwards = as_flag(reverse, "reverse")
    others = (*shape[:axis], *shape[axis + 1 :])
    start = np.zeros(others, dtype) if y0 is None else as_real(y0, "y0", dtype=dtype)
    try:
        start = np.ascontiguousarray(np.broadcast_to(start, others))
    except ValueError:
        raise ValueError(f"y0 must broadcast to {others}, got {start.shape}") from None
    y = np.empty(shape, dtype) if out is None else _checked_out(out, shape, dtype)
    made = y if out is None or not any(np.may_share_memory(out, v) for v in (a, b, start)) else np.empty(shape, dtype)

    # A dimension of a contiguous array is the middle one of three: nothing need be transposed.
    outer, steps, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    rows = [_side_by_side(np.broadcast_to(v, shape).reshape(outer, steps, inner)) for v in (a, b)]
    last = start.reshape(outer, inner)
    kernels("recurrence.scans").linear_scan(*rows, last, backwards, made.reshape(outer, steps, inner))
    # NaN goes on to the last state, so that it need be looked for in no other; inf - inf isn't refused.
    end = made[(slice(None),) * axis + (0 if backwards else -1,)] if steps else start
    if np.isnan(end).any():
        for value, name in ((a, "a"), (b, "b"), (start, "y0")):
            as_real(value, name)
    if made is not y:
        y[...] = made
    return y


def linear_scan_vjp(
    a: ArrayLike,
    b: ArrayLike,
    y0: ArrayLike | None = None,
    *,
    dy: ArrayLike,
    axis: int = -1,
    reverse: bool = False,
) -> tuple[Array, Array, Array]:
    """Take a gradient back through `linear_scan`: of sum(dy * linear_scan(a, b, y0)).

    Parameters
    ----------
    a, b, y0, axis, reverse
        As in `linear_scan`.
    dy : array_like
        The gradient of a loss by the states, of their shape.

    Returns
    -------
    da, db, dy0 : ndarray
        The loss's gradient by `a`, `b` and `y0`, each of its argument's own shape (without `y0`: of a state's).

    Raises
    ------
    TypeError, ValueError
        As in `linear_scan`.

    Notes
    -----
    The states' gradients g[t] = dy[t] + a[t+1] g[t+1] are a linear scan the other way round; db = g,
    da[t] = g[t] y[t-1], dy0 = a[0] g[0], summed over what was broadcast.

    Examples
    --------
    >>> from fastcore.recurrence import linear_scan_vjp
    >>> da, db, dy0 = linear_scan_vjp([0.5, 0.5], [1.0, 1.0], dy=[0.0, 1.0])
    >>> da, db, dy0
    (array([0., 1.]), array([0.5, 1. ]), array(0.25))
    """
    y = linear_scan(a, b, y0, axis=axis, reverse=reverse)
    dtype = y.dtype
    grad = as_real(dy, "dy", shape=y.shape, dtype=dtype)
    first, second, _ = _coefficients(a, b)
    axis = axis % y.ndim
    # Time first, in the order of the steps.
    order = slice(None, None, -1 if reverse else 1)
    states, factors = (np.moveaxis(v, axis, 0)[order] for v in (y, np.broadcast_to(first, y.shape)))
    others = states.shape[1:]
    start = np.broadcast_to(np.zeros((), dtype) if y0 is None else as_real(y0, "y0", dtype=dtype), others)
    if not len(states):
        nothing = np.zeros(others if y0 is None else np.shape(y0), dtype)
        return _summed(grad, first.shape), _summed(grad, second.shape), nothing
    after = np.zeros_like(states)
    after[:-1] = factors[1:]
    by_state = linear_scan(after, np.moveaxis(grad, axis, 0)[order], axis=0, reverse=True)
    before = np.concatenate([start[None], states[:-1]])

    def placed(value: Array) -> Array:
        return np.moveaxis(value[order], 0, axis)

    by_start = factors[0] * by_state[0]
    return (
        _summed(placed(by_state * before), first.shape),
        _summed(placed(by_state), second.shape),
        np.asarray(by_start if y0 is None else _summed(by_start, np.shape(y0))),
    )


def _coefficients(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array, Any]:
    """Both as arrays, and their common type, for which a Python number doesn't count."""
    first, second = as_real(a, "a", nan=True), as_real(b, "b", nan=True)
    plain = [isinstance(v, int | float) and not isinstance(v, np.generic) for v in (a, b)]
    types = [v.dtype for v, is_plain in zip((first, second), plain) if not is_plain]
    dtype = np.result_type(*types) if types else np.dtype(np.float64)
    return first.astype(dtype, copy=False), second.astype(dtype, copy=False), dtype


def _shape(a: Array, b: Array) -> tuple[int, ...]:
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(f"a and b must broadcast to one shape, got {a.shape} and {b.shape}") from None
    if not shape:
        raise ValueError("a and b must have at least 1 dimension, got two scalars")
    return shape


def _checked_out(out: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        raise TypeError(f"out must be an array of {dtype}, got {getattr(out, 'dtype', type(out).__name__)}")
    if out.shape != shape or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be writeable and C-contiguous, of shape {shape}, got shape {out.shape}")
    return out


def _side_by_side(rows: Array) -> Array:
    """Rows whose last dimension lies in memory without gaps, or is one number for all of it."""
    if rows.shape[2] < 2 or rows.strides[2] in (0, rows.itemsize):
        return rows
    return np.ascontiguousarray(rows)


def _summed(grad: Array, shape: tuple[int, ...]) -> Array:
    """Summed over what an argument of this shape was broadcast along."""
    leading = grad.ndim - len(shape)
    grown = [*range(leading), *(leading + i for i, n in enumerate(shape) if n == 1 and grad.shape[leading + i] != 1)]
    found: Array = grad.sum(axis=tuple(grown)).reshape(shape)
    return found
