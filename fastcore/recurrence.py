"""Recurrences: y[t] = f(y[t-1], x[t], t), linear scans first.

Source: Su Jianlin, "An RNN as recursion and its kinship with ODE solvers", 2018.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._backend import kernels
from ._validation import as_real

__all__ = ["linear_scan"]


def linear_scan(
    a: ArrayLike, b: ArrayLike, y0: ArrayLike | None = None, *, axis: int = -1, reverse: bool = False
) -> NDArray[Any]:
    """Solve the linear recurrence y[t] = a[t] * y[t-1] + b[t].

    Parameters
    ----------
    a, b : array_like
        Coefficients; they broadcast to one shape, whose dimension `axis` is time.
    y0 : array_like, optional
        The state before the first step, of that shape without `axis`, or broadcast to it. Default 0.
    axis : int, default -1
        The dimension that is time.
    reverse : bool, default False
        Start at the last element and step towards the first.

    Returns
    -------
    ndarray
        All states y[t], float64, or float32 if `a` and `b` both are.

    Raises
    ------
    TypeError
        If the input isn't real numbers.
    ValueError
        If shapes don't broadcast, `axis` is out of range, or there is NaN.

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
    a, b = as_real(a, "a"), as_real(b, "b")
    dtype = np.result_type(a, b)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(f"a and b must broadcast to one shape, got {a.shape} and {b.shape}") from None
    if not shape:
        raise ValueError("a and b must have at least 1 dimension, got two scalars")
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis must lie in [{-len(shape)}, {len(shape)}), got {axis}")

    others = tuple(np.delete(shape, axis).tolist())

    def rows(array: NDArray[Any]) -> NDArray[Any]:
        moved = np.moveaxis(np.broadcast_to(array, shape), axis, 0)
        return np.ascontiguousarray(moved, dtype=dtype).reshape(moved.shape[0], math.prod(others))

    start = np.zeros(others, dtype) if y0 is None else as_real(y0, "y0", dtype=dtype)
    try:
        start = np.ascontiguousarray(np.broadcast_to(start, others)).reshape(-1)
    except ValueError:
        raise ValueError(f"y0 must broadcast to {others}, got {start.shape}") from None
    y = kernels("recurrence").linear_scan(rows(a), rows(b), start, bool(reverse))
    return np.ascontiguousarray(np.moveaxis(y.reshape((y.shape[0], *others)), 0, axis))
