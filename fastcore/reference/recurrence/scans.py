"""Slow twin of the linear scans' kernels."""

from typing import Any

from numpy.typing import NDArray


def linear_scan(a: NDArray[Any], b: NDArray[Any], y0: NDArray[Any], reverse: bool, y: NDArray[Any]) -> NDArray[Any]:
    """y[t] = a[t] * y[t-1] + b[t] along the middle dimension (downwards if `reverse`), from y0; fill y and return it.

    Where the last dimension is longer than 1, a and b lie in it side by side, or are one number for all of it.
    """
    outer, n, m = y.shape
    order = range(n - 1, -1, -1) if reverse else range(n)
    for o in range(outer):
        for j in range(m):
            last = y0[o, j]
            for t in order:
                last = a[o, t, j] * last + b[o, t, j]
                y[o, t, j] = last
    return y


def affine_scan(A: NDArray[Any], b: NDArray[Any], y0: NDArray[Any], reverse: bool, y: NDArray[Any]) -> NDArray[Any]:
    """y[t] = A[t] y[t-1] + b[t] along the second dimension (downwards if `reverse`), from y0; fill y and return it.

    The last two dimensions of A and the last of b are contiguous.
    """
    outer, n, d = y.shape
    order = range(n - 1, -1, -1) if reverse else range(n)
    for o in range(outer):
        last = y0[o]
        for t in order:
            for i in range(d):
                value = b[o, t, i]
                for j in range(d):
                    value = A[o, t, i, j] * last[j] + value
                y[o, t, i] = value
            last = y[o, t]
    return y
