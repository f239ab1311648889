"""The features of a model, and labels by them."""

import itertools
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels, use_backend
from .._workers import Workers, check_workers
from ..chain import ViterbiDecoder, log_partition, marginals, path_score, viterbi, viterbi_nbest
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


@dataclass(frozen=True)
class Limits:
    """What may not come out: labels that items may have ``(N, L)``, pairs of labels that may not follow ``(L, L)``."""

    allowed: Array | None = None
    forbidden: Array | None = None


NO_LIMITS = Limits()


def _finite(scores: Array) -> bool:
    # Of a short sentence this is a tenth of the time: hence no method `all`, which is a function in Python.
    if scores.size == 1:
        return math.isfinite(scores.item())
    return bool(np.logical_and.reduce(np.isfinite(scores), None))


class Decoder:
    """A model made ready to label: what its weights give for every sequence alike."""

    def __init__(self, features: Features, weights: Array, dtype: Any, backend: str) -> None:
        self.features = features
        self.dtype = np.dtype(dtype)
        self.backend = backend
        with np.errstate(over="ignore"):
            self._weights = np.ascontiguousarray(weights[: len(features.state_labels)], self.dtype)
        most = np.abs(self._weights).max(initial=0)
        # Whether no sum of weights can overflow: an item has fewer than 2^31 attributes.
        self._small = bool(most < np.finfo(self.dtype).max / 2**31)
        self._matrix = features.matrix(weights)
        self._scores = kernels("crf.features", backend).state_scores

    def _emissions(self, items: Items) -> Array:
        """Scores (N, L) of every label at every step."""
        self.check_labels()
        features = self.features
        values = items.checked(self.dtype).values.astype(self.dtype, copy=False)
        scores: Array = self._scores(
            items.rows,
            items.attributes,
            values,
            features.offsets,
            features.state_labels,
            self._weights,
            features.labels,
        )
        if not self.sound(scores, values):
            raise self._too_large()
        return scores

    def check_labels(self) -> None:
        """Refuse a model that was trained on nothing: kernels take it that there are labels."""
        if not self.features.labels:
            raise ValueError("the model has no labels: it was trained on no sequence")

    def sound(self, scores: Array, values: Array) -> bool:
        """Whether the scores that values gave are finite, without a look at them where they must be."""
        return (self._small and not values.size) or _finite(scores)

    def _too_large(self) -> ValueError:
        return ValueError(f"X must hold smaller values: the scores of labels overflow dtype {self.dtype.name!r}")

    def _chain(self, items: Items, limits: Limits) -> tuple[Array, Array]:
        """Emissions and transitions, minus infinity where the limits allow nothing."""
        emissions, matrix = self._emissions(items), self._matrix
        if limits.allowed is not None:
            emissions[~limits.allowed] = -np.inf
        if limits.forbidden is not None:
            matrix = np.where(limits.forbidden, -np.inf, matrix)
        return emissions, matrix

    def _check(self, scores: Array, limits: Limits) -> None:
        """Refuse scores of no legal path, which only limits can make, and of numbers too large."""
        if not _finite(scores):
            bad = ~np.isfinite(scores)
            if limits is NO_LIMITS or not np.isneginf(scores[bad]).all():
                raise self._too_large()
            raise ValueError(f"X[{int(bad.argmax())}] has no labels that allowed and forbidden let through")

    def paths(self, items: Items, workers: Workers, limits: Limits = NO_LIMITS) -> list[list[int]]:
        """Best labels of each sequence."""
        workers, features = check_workers(workers), self.features
        emissions, matrix = self._chain(items, limits)
        if workers == 1:
            # All is checked that `viterbi` would check: of a short sequence that is most of the time.
            kernel = kernels("chain", self.backend).viterbi
            found, scores = kernel(emissions, items.offsets, matrix, features.start, features.end)
        else:
            found, scores = self._call(viterbi, emissions, matrix, items, workers)
        self._check(scores, limits)
        paths, bounds = found.tolist(), items.offsets.tolist()
        return [paths[a:b] for a, b in itertools.pairwise(bounds)]

    def stream(self, pieces: Iterator[Items], max_delay: int) -> Iterator[int]:
        """Best labels of one sequence that comes in pieces, as soon as they are certain."""
        self.check_labels()
        with use_backend(self.backend):
            decoder = ViterbiDecoder(self._matrix, start=self.features.start, max_delay=max_delay)
        return self._streamed(pieces, decoder)

    def _streamed(self, pieces: Iterator[Items], decoder: ViterbiDecoder) -> Iterator[int]:
        for piece in pieces:
            yield from decoder.push(self._emissions(piece)).tolist()
        forced = decoder.n_forced
        yield from decoder.finish(self.features.end)[0].tolist()
        if forced:
            warnings.warn(
                f"{forced} labels were given because more than max_delay={decoder.max_delay} items waited for theirs: "
                "all together may not be the best ones",
                RuntimeWarning,
                stacklevel=3,
            )

    def best(self, items: Items, n: int, workers: Workers, limits: Limits) -> list[list[tuple[list[int], float]]]:
        """The n best labellings of each sequence and their probabilities, fewer where there aren't so many."""
        emissions, matrix = self._chain(items, limits)
        log_z = self._call(log_partition, emissions, matrix, items, workers)
        self._check(log_z, limits)
        found, scores = self._call(partial(viterbi_nbest, n=n), emissions, matrix, items, workers)
        results = []
        for s, (a, b) in enumerate(itertools.pairwise(items.offsets.tolist())):
            count = int(np.isfinite(scores[s]).sum())
            # Scores and their sum are rounded each in its own way: together no more than 1.
            shares = np.exp(np.minimum(scores[s, :count] - log_z[s], 0.0))
            shares /= max(1.0, float(shares.sum()))
            results.append(list(zip(found[:count, a:b].tolist(), shares.tolist())))
        return results

    def log_probabilities(self, items: Items, labels: Array, workers: Workers) -> Array:
        """The logarithm of the probability of given labels of each sequence."""
        emissions, matrix = self._chain(items, NO_LIMITS)
        scores = self._call(partial(path_score, paths=labels), emissions, matrix, items, workers)
        found: Array = scores - self._call(log_partition, emissions, matrix, items, workers)
        self._check(found, NO_LIMITS)
        return np.minimum(found, 0.0)

    def probabilities(self, items: Items, workers: Workers, limits: Limits = NO_LIMITS) -> Array:
        """Probabilities (N, L) of every label at every step."""
        emissions, matrix = self._chain(items, limits)
        if limits is not NO_LIMITS:
            self._check(self._call(log_partition, emissions, matrix, items, workers), limits)
        try:
            nodes: Array = self._call(marginals, emissions, matrix, items, workers).nodes
        except ValueError:
            raise self._too_large() from None
        return nodes

    def _call(self, of_chain: Any, emissions: Array, matrix: Array, items: Items, workers: Workers) -> Any:
        """A function of `fastcore.chain` on concatenated sequences."""
        with use_backend(self.backend):
            return of_chain(
                emissions,
                matrix,
                lengths=np.diff(items.offsets),
                start=self.features.start,
                end=self.features.end,
                workers=check_workers(workers),
            )
