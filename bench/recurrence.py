"""Linear scans."""

from __future__ import annotations

import numpy as np

from bench._harness import Workload, prepared
from fastcore.recurrence import linear_scan


def _coefficients(n: int = 1_000_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, n), rng.normal(size=n)


@prepared
def _numba(data):
    from numba import njit

    @njit
    def scan(a, b):
        y = np.empty_like(b)
        last = 0.0
        for t in range(len(b)):
            last = a[t] * last + b[t]
            y[t] = last
        return y

    scan(*data)
    return lambda: scan(*data)


WORKLOADS = [
    Workload(
        name="recurrence.linear_scan",
        make=_coefficients,
        runners={"fastcore": lambda data: linear_scan(*data), "numba": _numba},
        equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=1e-12)),
        twin_make=lambda: _coefficients(100_000),
        amount=lambda data: (len(data[0]) / 1e6, "M steps"),
    ),
]
