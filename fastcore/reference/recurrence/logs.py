"""Slow twin of the kernels of scans of logarithms."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def log_linear_scan(
    log_a: NDArray[Any], log_b: NDArray[Any], y0: NDArray[Any], reverse: bool, y: NDArray[Any]
) -> NDArray[Any]:
    """y[t] = log(exp(log_a[t] + y[t-1]) + exp(log_b[t])) along the middle dimension (downwards if `reverse`), from y0.

    Fill y and return it.
    """
    n = y.shape[1]
    last = y0
    with np.errstate(invalid="ignore", over="ignore"):
        for t in range(n - 1, -1, -1) if reverse else range(n):
            last = np.logaddexp(log_a[:, t] + last, log_b[:, t])
            y[:, t] = last
    return y
