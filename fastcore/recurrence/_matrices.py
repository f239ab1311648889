"""Linear scans of vectors, whose coefficients are matrices, and their exact gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import kernels
from .._validation import as_flag
from ._numbers import as_numbers, common, gradient_of, made_in, start, summed

Array = NDArray[Any]


def affine_scan(
    A: ArrayLike, b: ArrayLike, y0: ArrayLike | None = None, *, reverse: bool = False, out: Array | None = None
) -> Array:
    """Solve the linear recurrence y[t] = A[t] y[t-1] + b[t] of vectors: autoregressions, Kalman filters, state spaces.

    Parameters
    ----------
    A : array_like, shape (d, d), (T, d, d) or (..., T, d, d)
        One matrix for all steps, or one a step; T may be 1 where `b` has more steps.
    b : array_like, shape (d,), (T, d) or (..., T, d)
        What each step adds. What comes before the last dimension broadcasts with that of `A`.
    y0 : array_like, shape (d,) or (..., d), optional
        The state before the first step. Default 0.
    reverse : bool, default False
        Start at the last step and go towards the first.
    out : ndarray, optional
        Where the states go: C-contiguous, of the result's shape and type. Of a call that raises it holds nothing of
        use.

    Returns
    -------
    ndarray, shape (..., T, d)
        All states y[t] (`out`, if given), float64, or float32 if `A` and `b` both are. A Python number goes with
        either. complex128 or complex64 if one of `A`, `b`, `y0` is complex.

    Raises
    ------
    TypeError
        If the input isn't real or complex numbers, or `out` no such array.
    ValueError
        If `A` isn't square, shapes don't fit, there is no dimension that is time, or there is NaN.

    Notes
    -----
    O(T d^2) time for each sequence, one output array. Made for small matrices, up to some dozens of rows. Both twins
    start from b[t] and add the products in the order of A's columns, each rounded on its own, so they agree to the bit
    (a complex product is two for the real part, two for the imaginary one, those with the state's real part first).

    Examples
    --------
    An autoregression of order 2, x[t] = x[t-1] - 0.5 x[t-2] + e[t], has the state (x[t], x[t-1]):

    >>> import numpy as np
    >>> from fastcore.recurrence import affine_scan
    >>> e = np.array([1.0, 0.0, 0.0, 0.0])
    >>> affine_scan([[1.0, -0.5], [1.0, 0.0]], np.column_stack([e, np.zeros(4)]))[:, 0]
    array([1. , 1. , 0.5, 0. ])
    """
    (matrices, forcing, *_), dtype = common({"A": A, "b": b}, y0)
    shape = _shape(matrices, forcing)
    backwards = as_flag(reverse, "reverse")
    begin = start(y0, (*shape[:-2], shape[-1]), dtype)
    matrices, forcing = (v.astype(dtype, copy=False) for v in (matrices, forcing))
    y, made = made_in(out, shape, dtype, [matrices, forcing, begin])
    outer, (steps, d) = math.prod(shape[:-2]), shape[-2:]
    kernels("recurrence.scans").affine_scan(
        *_steps(matrices, shape[:-2], (steps, d, d)),
        *_steps(forcing, shape[:-2], (steps, d)),
        begin.reshape(outer, d),
        backwards,
        made.reshape(outer, steps, d),
    )
    # NaN goes on to the last state, as in linear_scan.
    end = made[..., 0 if backwards else -1, :] if steps else begin
    if np.isnan(end).any():
        for value, name in ((matrices, "A"), (forcing, "b"), (begin, "y0")):
            as_numbers(value, name)
    if made is not y:
        y[...] = made
    return y


def affine_scan_vjp(
    A: ArrayLike, b: ArrayLike, y0: ArrayLike | None = None, *, dy: ArrayLike, reverse: bool = False
) -> tuple[Array, Array, Array]:
    """Take a gradient back through `affine_scan`: of sum(dy * affine_scan(A, b, y0)).

    Parameters
    ----------
    A, b, y0, reverse
        As in `affine_scan`.
    dy : array_like, shape (..., T, d)
        The gradient of a loss by the states.

    Returns
    -------
    dA, db, dy0 : ndarray
        The loss's gradient by `A`, `b` and `y0`, each of its argument's own shape (without `y0`: of a state's).

    Raises
    ------
    TypeError, ValueError
        As in `affine_scan`.

    Notes
    -----
    The states' gradients g[t] = dy[t] + A[t+1]^T g[t+1] are an affine scan the other way round; db = g,
    dA[t] = g[t] y[t-1]^T, dy0 = A[0]^T g[0], summed over what was broadcast. Of one matrix for all steps no array of T
    matrices is made.

    Complex states are differentiated as by `linear_scan_vjp`: nothing is conjugated, and a real argument has a real
    gradient.

    Examples
    --------
    >>> from fastcore.recurrence import affine_scan_vjp
    >>> dA, db, dy0 = affine_scan_vjp([[0.5]], [[1.0], [1.0]], dy=[[0.0], [1.0]])
    >>> dA, db[:, 0], dy0
    (array([[1.]]), array([0.5, 1. ]), array([0.25]))
    """
    y = affine_scan(A, b, y0, reverse=reverse)
    grad = gradient_of(dy, y)
    (matrices, forcing, *given), _ = common({"A": A, "b": b}, y0)
    begin = start(y0, (*y.shape[:-2], y.shape[-1]), y.dtype)
    like = given[0] if given else begin
    if not y.shape[-2]:
        return tuple(summed(np.zeros(v.shape, y.dtype), v) for v in (matrices, forcing, like))  # type: ignore[return-value]
    order = slice(None, None, -1 if reverse else 1)
    constant = matrices.ndim == 2 or matrices.shape[-3] == 1
    ordered = (matrices if constant else matrices[..., order, :, :]).astype(y.dtype, copy=False)
    states, grad = y[..., order, :], grad[..., order, :]
    turned = np.swapaxes(ordered, -1, -2)
    by_state = np.empty_like(states)
    by_state[..., -1, :] = grad[..., -1, :]
    by_state[..., :-1, :] = affine_scan(
        turned if constant else turned[..., 1:, :, :], grad[..., :-1, :], grad[..., -1, :], reverse=True
    )
    before = np.concatenate([begin[..., None, :], states[..., :-1, :]], axis=-2)
    if constant:
        by_matrix = np.swapaxes(by_state, -1, -2) @ before
        by_matrix = by_matrix if matrices.ndim == 2 else by_matrix[..., None, :, :]
    else:
        by_matrix = (by_state[..., :, None] * before[..., None, :])[..., order, :, :]
    first = turned if matrices.ndim == 2 else turned[..., 0, :, :]
    by_start = (first @ by_state[..., 0, :, None])[..., 0]
    return summed(by_matrix, matrices), summed(by_state[..., order, :], forcing), summed(by_start, like)


def _shape(A: Array, b: Array) -> tuple[int, ...]:
    """The states' shape."""
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"A must be square in its last two dimensions, got shape {A.shape}")
    if b.ndim < 1 or b.shape[-1] != A.shape[-1]:
        raise ValueError(f"b must have {A.shape[-1]} elements in its last dimension, as A has, got shape {b.shape}")
    try:
        shape = np.broadcast_shapes(A.shape[:-1], b.shape)
    except ValueError:
        raise ValueError(f"A and b must broadcast to one shape, got {A.shape} and {b.shape}") from None
    if len(shape) < 2:
        raise ValueError(f"A or b must have a dimension that is time, got shapes {A.shape} and {b.shape}")
    return shape


def _steps(value: Array, batch: tuple[int, ...], form: tuple[int, ...]) -> tuple[Array, NDArray[np.int64]]:
    """What each sequence steps along, and which of it each sequence of a batch takes: what is shared isn't copied."""
    own = max(value.ndim - len(form), 0)
    kinds = math.prod(value.shape[:own])
    which = np.arange(kinds, dtype=np.int64).reshape(value.shape[:own])
    steps = np.broadcast_to(value.reshape(kinds, *value.shape[own:]), (kinds, *form))
    return steps, np.broadcast_to(which, batch).ravel()
