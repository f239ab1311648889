"""The features of a model, and the best labels by them."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels, use_backend
from .._workers import Workers
from ..chain import viterbi
from ._features import Items

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Features:
    """The features of a model: pairs (attribute, label) sorted by attribute, and pairs of labels.

    Attributes
    ----------
    labels : int
        Number of labels.
    offsets, state_labels : ndarray
        Attribute a has the features ``offsets[a]`` to ``offsets[a + 1]``, of the labels given.
    transitions : ndarray, shape (n, 2)
        Label pairs whose transition has a weight.
    fixed : ndarray, shape (L, L)
        What is added to each transition: 0, or minus infinity for a forbidden one.
    start, end : ndarray, shape (L,)
        Fixed scores of the first and last label.
    """

    labels: int
    offsets: Array
    state_labels: Array
    transitions: Array
    fixed: Array
    start: Array
    end: Array

    @property
    def size(self) -> int:
        return len(self.state_labels) + len(self.transitions)

    def matrix(self, weights: Array) -> Array:
        """Scores of all transitions."""
        matrix = self.fixed.copy()
        matrix[self.transitions[:, 0], self.transitions[:, 1]] += weights[len(self.state_labels) :]
        return matrix

    def scores(self, items: Items, weights: Array, backend: str) -> Array:
        """Scores (N, L) of every label at every step, of the dtype of `weights`."""
        found: Array = kernels("crf", backend).state_scores(
            items.rows,
            items.attributes,
            items.values.astype(weights.dtype, copy=False),
            self.offsets,
            self.state_labels,
            np.ascontiguousarray(weights[: len(self.state_labels)]),
            self.labels,
        )
        return found


def decode(features: Features, items: Items, weights: Array, dtype: Any, workers: Workers, backend: str) -> list[Array]:
    """Best labels of each sequence."""
    emissions, matrix = features.scores(items, weights.astype(dtype, copy=False), backend), features.matrix(weights)
    with use_backend(backend):
        paths, _ = viterbi(
            emissions,
            matrix,
            lengths=np.diff(items.offsets),
            start=features.start,
            end=features.end,
            workers=workers,
        )
    return np.split(paths, items.offsets[1:-1]) if len(items.offsets) > 1 else []
