"""Checks of the recurrence kernels."""

from __future__ import annotations

import numpy as np

from ..recurrence import linear_scan
from . import Check, largest_difference


def _coefficients() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, 100_000), rng.normal(size=100_000)


CHECKS = [
    Check("recurrence.linear_scan", _coefficients, lambda data: linear_scan(*data), largest_difference),
]
