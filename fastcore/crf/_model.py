"""The features of a model, and labels by them."""

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels, use_backend
from .._workers import Workers, check_workers
from ..chain import marginals, viterbi
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


class Model(NamedTuple):
    """Features with weights, and the names of their attributes and labels."""

    features: Features
    weights: Array
    attributes: list[str]
    classes: list[str]


class Decoder:
    """A model made ready to label: what its weights give for every sequence alike."""

    def __init__(self, features: Features, weights: Array, dtype: Any, backend: str) -> None:
        self.features = features
        self.dtype = np.dtype(dtype)
        self.backend = backend
        with np.errstate(over="ignore"):
            self._weights = np.ascontiguousarray(weights[: len(features.state_labels)], self.dtype)
        self._matrix = features.matrix(weights)
        self._scores = kernels("crf.features", backend).state_scores

    def _emissions(self, items: Items) -> Array:
        """Scores (N, L) of every label at every step."""
        features, values = self.features, items.values
        if values.size:
            values = items.checked(self.dtype).values.astype(self.dtype, copy=False)
        else:
            values = values.astype(self.dtype)
        scores: Array = self._scores(
            items.rows,
            items.attributes,
            values,
            features.offsets,
            features.state_labels,
            self._weights,
            features.labels,
        )
        if not np.isfinite(scores).all():
            raise self._too_large()
        return scores

    def _too_large(self) -> ValueError:
        return ValueError(f"X must hold smaller values: the scores of labels overflow dtype {self.dtype.name!r}")

    def paths(self, items: Items, workers: Workers) -> list[list[int]]:
        """Best labels of each sequence."""
        workers, features, emissions = check_workers(workers), self.features, self._emissions(items)
        if workers == 1:
            # All is checked that `viterbi` would check: of a short sequence that is most of the time.
            kernel = kernels("chain", self.backend).viterbi
            found, scores = kernel(emissions, items.offsets, self._matrix, features.start, features.end)
        else:
            with use_backend(self.backend):
                found, scores = viterbi(
                    emissions,
                    self._matrix,
                    lengths=np.diff(items.offsets),
                    start=features.start,
                    end=features.end,
                    workers=workers,
                )
        if not np.isfinite(scores).all():
            raise self._too_large()
        paths, bounds = found.tolist(), items.offsets.tolist()
        return [paths[a:b] for a, b in itertools.pairwise(bounds)]

    def probabilities(self, items: Items, workers: Workers) -> Array:
        """Probabilities (N, L) of every label at every step."""
        check_workers(workers)
        emissions = self._emissions(items)
        with use_backend(self.backend):
            try:
                found = marginals(emissions, self._matrix, lengths=np.diff(items.offsets), workers=workers)
            except ValueError:
                raise self._too_large() from None
        nodes: Array = found.nodes
        return nodes
