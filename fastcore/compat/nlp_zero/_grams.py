"""Counted pairs of words as arrays: what nlp-zero keeps in a dictionary, made into one where it is looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._lattice import log


class Grams(NamedTuple):
    """Pairs of words, by their places among some names, with counts.

    Attributes
    ----------
    names : list of str
    first, second : ndarray of int
    counts : ndarray
    """

    names: list[str]
    first: NDArray[Any]
    second: NDArray[Any]
    counts: NDArray[Any]

    @classmethod
    def of(cls, pairs: Mapping[tuple[str, str], int]) -> Grams:
        """The pairs of a dictionary, in its order."""
        ids: dict[str, int] = {}
        places = [ids.setdefault(word, len(ids)) for a, b in pairs for word in (a, b)]
        both = np.array(places, np.int64).reshape(-1, 2)
        return cls(list(ids), both[:, 0], both[:, 1], np.array([*pairs.values()]))

    def to_dict(self) -> defaultdict[tuple[str, str], int]:
        """The pairs as a dictionary."""
        rows, columns = (map(self.names.__getitem__, places.tolist()) for places in (self.first, self.second))
        return defaultdict(int, zip(zip(rows, columns, strict=True), self.counts.tolist(), strict=True))

    def frequent(self, least: float) -> Grams:
        """Those with a log-probability above `least`."""
        # By their counts, of which there are few: each has nlp-zero's logarithm.
        different, which = np.unique(self.counts, return_inverse=True)
        total = log(self.counts.sum().item())
        return self._where(np.array([log(n) - total > least for n in different.tolist()], bool)[which])

    def strong(self, total: int, words: Mapping[str, int], min_pmi: float) -> Grams:
        """Those with a mutual information above `min_pmi`, of words with these counts and `total` pairs."""
        different, which = np.unique(self.counts, return_inverse=True)
        all_pairs, all_words = log(total), log(sum(words.values()))
        pair = np.array([log(n) - all_pairs for n in different.tolist()], float)[which]
        word = np.array([log(words.get(name, 0)) - all_words for name in self.names], float)
        return self._where(pair - word[self.first] - word[self.second] > min_pmi)

    def rows(self, names: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Those of some names, by their places there: where each name's seconds begin, and the rising seconds."""
        ids = {name: i for i, name in enumerate(names)}
        places = np.array([ids.get(name, -1) for name in self.names], np.int64)
        first, second = places[self.first], places[self.second]
        known = (first >= 0) & (second >= 0)
        first, second = first[known], second[known]
        starts = np.concatenate([[0], np.cumsum(np.bincount(first, minlength=len(names)))])
        return starts.astype(np.int64), second[np.lexsort((second, first))]

    def _where(self, kept: NDArray[np.bool_]) -> Grams:
        return Grams(self.names, self.first[kept], self.second[kept], self.counts[kept])
