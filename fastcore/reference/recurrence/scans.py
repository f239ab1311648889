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


def affine_scan(
    A: NDArray[Any],
    of_A: NDArray[Any],
    b: NDArray[Any],
    of_b: NDArray[Any],
    y0: NDArray[Any],
    reverse: bool,
    y: NDArray[Any],
) -> NDArray[Any]:
    """y[t] = A[t] y[t-1] + b[t] along the second dimension (downwards if `reverse`), from y0; fill y and return it.

    The i-th of y and y0 goes with A[of_A[i]] and b[of_b[i]]. The last two dimensions of A and the last of b are
    contiguous.
    """
    outer, n, d = y.shape
    order = range(n - 1, -1, -1) if reverse else range(n)
    for o in range(outer):
        matrices, forcing, last = A[of_A[o]], b[of_b[o]], y0[o]
        for t in order:
            for i in range(d):
                y[o, t, i] = _element(matrices[t, i], last, forcing[t, i])
            last = y[o, t]
    return y


def _element(row: NDArray[Any], last: NDArray[Any], value: Any) -> Any:
    """value + sum(row * last) from the first product to the last; complex ones as real products, four each."""
    if row.dtype.kind != "c":
        for a, state in zip(row, last):
            value = a * state + value
        return value
    re, im = value.real, value.imag
    for a, state in zip(row, last):
        re = re + a.real * state.real - a.imag * state.imag
        im = im + a.imag * state.real + a.real * state.imag
    return complex(re, im)
