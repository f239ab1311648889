"""Checks of the kernels of noise contrastive estimation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._backend import kernels
from ..nce import AliasSampler
from . import Check, largest_difference


def _weights() -> np.ndarray:
    return np.random.default_rng(0).zipf(1.5, 5000).astype(float)


def _draw(weights: np.ndarray) -> np.ndarray:
    return AliasSampler(weights).draw(100_000, rng=1)


def _rows() -> tuple[Any, ...]:
    x = np.random.default_rng(0).normal(size=30_000)
    return np.stack([-(x**2), -(x**4)], axis=1), 0.5 * x**2 - 1.0, np.array([0.5, 0.25, -1.0]), 10_000


CHECKS = [
    Check("nce.alias", _weights, _draw, largest_difference),
    Check("nce.gradient", _rows, lambda rows: kernels("nce").logistic(*rows), largest_difference, 1e-10),
]
