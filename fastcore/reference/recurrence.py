"""Slow twin of the recurrence kernels."""

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
