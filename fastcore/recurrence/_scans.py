"""Linear scans and their exact gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import kernels
from .._labelled import same_labels
from .._validation import as_flag, as_index
from ._numbers import common, gradient_of, made_in, start, summed

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
        either. complex128 or complex64 if one of `a`, `b`, `y0` is complex.

    Raises
    ------
    TypeError
        If the input isn't real or complex numbers, or `out` no such array.
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
    (first, second, *_), dtype = common({"a": a, "b": b}, y0)
    run = kernels("recurrence.scans").linear_scan
    return stepped(run, {"a": first, "b": second}, y0, 0.0, dtype, axis, reverse, out)


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
    Complex states are differentiated as the analytic function that they are, as JAX does: nothing is conjugated. For a
    real loss, give dy = dL/d(Re y) - i dL/d(Im y); what comes out is of the same kind, and of a real argument the real
    part, dL/da.

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
    grad = gradient_of(dy, y)
    (first, second, *given), _ = common({"a": a, "b": b}, y0)
    axis = axis % y.ndim
    # Time first, in the order of the steps.
    order = slice(None, None, -1 if reverse else 1)
    states, factors = (np.moveaxis(v, axis, 0)[order] for v in (y, np.broadcast_to(first, y.shape)))
    begin = start(y0, states.shape[1:], dtype)
    like = given[0] if given else begin
    if not len(states):
        return summed(grad, first), summed(grad, second), np.zeros_like(like)
    after = np.zeros(states.shape, dtype)
    after[:-1] = factors[1:]
    by_state = linear_scan(after, np.moveaxis(grad, axis, 0)[order], axis=0, reverse=True)
    before = np.concatenate([begin[None], states[:-1]])

    def placed(value: Array) -> Array:
        return np.moveaxis(value[order], 0, axis)

    return (
        summed(placed(by_state * before), first),
        summed(placed(by_state), second),
        summed(np.asarray(factors[0] * by_state[0], dtype), like),
    )


def stepped(
    run: Callable[..., Any],
    coefficients: dict[str, Array],
    y0: ArrayLike | None,
    zero: float,
    dtype: np.dtype[Any],
    axis: int,
    reverse: bool,
    out: Array | None,
    bad: Callable[[Array], Array] = np.isnan,
    words: str = "not hold NaN",
) -> Array:
    """All states that a kernel makes of two coefficients along an axis, from y0 or from `zero`.

    What is bad goes on to the last state, so that it need be looked for in no other; what is bad of good input isn't
    refused.
    """
    shape = _shape(coefficients)
    axis = as_index(axis, "axis", low=-len(shape), high=len(shape) - 1) % len(shape)
    backwards = as_flag(reverse, "reverse")
    begin = start(y0, (*shape[:axis], *shape[axis + 1 :]), dtype, zero=zero)
    values = [v.astype(dtype, copy=False) for v in coefficients.values()]
    y, made = made_in(out, shape, dtype, [*values, begin])

    # A dimension of a contiguous array is the middle one of three: nothing need be transposed.
    outer, steps, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    whole = [v if v.shape == shape else np.broadcast_to(v, shape) for v in values]
    rows = [_side_by_side(v.reshape(outer, steps, inner)) for v in whole]
    run(*rows, begin.reshape(outer, inner), backwards, made.reshape(outer, steps, inner))
    end = made[(slice(None),) * axis + (0 if backwards else -1,)] if steps else begin
    if bad(end).any():
        for name, value in {**coefficients, "y0": begin}.items():
            if bad(value).any():
                raise ValueError(f"{name} must {words}")
    if made is not y:
        y[...] = made
    return y


def _shape(coefficients: dict[str, Array]) -> tuple[int, ...]:
    (one, a), (other, b) = coefficients.items()
    try:
        shape = a.shape if a.shape == b.shape else np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(f"{one} and {other} must broadcast to one shape, got {a.shape} and {b.shape}") from None
    if not shape:
        raise ValueError(f"{one} and {other} must have at least 1 dimension, got two scalars")
    return shape


def _side_by_side(rows: Array) -> Array:
    """Rows whose last dimension lies in memory without gaps, or is one number for all of it."""
    if rows.shape[2] < 2 or rows.strides[2] in (0, rows.itemsize):
        return rows
    return np.ascontiguousarray(rows)
