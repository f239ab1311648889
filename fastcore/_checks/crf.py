"""Checks of the CRF's kernels: the objective and gradient of a segmenter's training set."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._backend import active_backend
from .._data import segmented
from ..crf._segmenter import compiled_training_set
from ..crf._training import Objective
from . import Check, largest_difference


def _training_set() -> tuple[Any, ...]:
    features, blocks, observed, _ = compiled_training_set(segmented("dev")[:60], 1, active_backend())
    weights = np.random.default_rng(0).normal(scale=0.3, size=features.size)
    return features, blocks, observed, weights


def _gradient(data: tuple[Any, ...]) -> Any:
    features, blocks, observed, weights = data
    return Objective(features, blocks, observed, 0.1, np.dtype(np.float64), 1, active_backend())(weights)


CHECKS = [Check("crf.gradient", _training_set, _gradient, largest_difference, 1e-10)]
