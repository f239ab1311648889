"""Slow twin of the kernel of lexicons: a trie of dicts."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._lattice import best_path, log_beta

IDS = ""  # a node's key for the word that ends there; no character is empty


class Trie:
    """Words given by their code points: `codes` of all words, word i at offsets[i]:offsets[i + 1]; counts > 0."""

    def __init__(
        self,
        codes: NDArray[np.uint32],
        offsets: NDArray[np.int64],
        counts: NDArray[np.int64],
        layout: NDArray[np.uint8],
    ) -> None:
        self._root: dict[str, Any] = {}
        text = "".join(map(chr, codes.tolist()))
        self._words = [text[start:end] for start, end in pairwise(offsets.tolist())]
        for i, word in enumerate(self._words):
            node = self._root
            for character in word:
                node = node.setdefault(character, {})
            if IDS in node:
                raise ValueError(f"words {node[IDS]} and {i} are the same")
            node[IDS] = i
        log_total = math.log(sum(counts.tolist())) if len(counts) else 0.0
        self._scores = [math.log(count) - log_total for count in counts.tolist()]

    def words(self, start: int, stop: int) -> list[str]:
        """The words whose ids lie in [start, stop)."""
        return self._words[start:stop]

    def layout(self) -> NDArray[np.uint8]:
        """Nothing: this trie is built anew each time."""
        return np.empty(0, np.uint8)

    def find(self, word: str) -> int:
        """The id of a word, -1 if it isn't one."""
        node = self._root
        for character in word:
            if character not in node:
                return -1
            node = node[character]
        found: int = node.get(IDS, -1) if word else -1
        return found

    def search(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """Arrays (starts, ends, ids) of every occurrence of every word, by rising start, then end."""
        found = [(i, end, id) for i in range(len(text)) for end, id in self._words_at(text, i)]
        starts, ends, ids = zip(*found) if found else ((), (), ())
        return np.array(starts, np.int64), np.array(ends, np.int64), np.array(ids, np.int32)

    def longest(self, text: str, start: int) -> tuple[int, int]:
        """The (end, id) of the longest word that starts at `start`, (start, -1) if none does."""
        return max(self._words_at(text, start), default=(start, -1))

    def expected_counts(
        self, codes: NDArray[np.uint32], offsets: NDArray[np.int64], scores: NDArray[np.float64], null_score: float
    ) -> tuple[NDArray[np.float64], float]:
        """Expected occurrences of each word over all segmentations of each text, and the log-likelihood.

        Text t is codes[offsets[t]:offsets[t + 1]]; scores[i] is word i's log-probability (minus infinity drops
        it). A single character at whose end no word ends is an edge of `null_score`.
        """
        counts = np.zeros(len(self._scores))
        likelihood = 0.0
        for text in _texts_of(codes, offsets):
            edges = self._lattice(text, scores.tolist(), null_score)
            beta = log_beta(edges, 1.0)
            likelihood += beta[0]
            passed = [1.0] + [0.0] * len(text)
            for i, leaving in enumerate(edges):
                if passed[i] == 0:
                    continue
                for end, id, score in leaving:
                    probability = passed[i] * math.exp(score + beta[end] - beta[i])
                    passed[end] += probability
                    if id >= 0:
                        counts[id] += probability
        return counts, likelihood

    def best_counts(
        self, codes: NDArray[np.uint32], offsets: NDArray[np.int64], scores: NDArray[np.float64], null_score: float
    ) -> tuple[NDArray[np.int64], float]:
        """Occurrences of each word in the best segmentation of each text, and the sum of its scores."""
        counts = np.zeros(len(self._scores), np.int64)
        total = 0.0
        for text in _texts_of(codes, offsets):
            path, score = best_path(self._lattice(text, scores.tolist(), null_score))
            total += score - 1.0
            for _, id in path:
                if id >= 0:
                    counts[id] += 1
        return counts, total

    def _words_at(self, text: str, start: int) -> list[tuple[int, int]]:
        """(end, id) of the words that start at `start`, by rising end."""
        found = []
        node = self._root
        for j in range(start, len(text)):
            if text[j] not in node:
                break
            node = node[text[j]]
            if IDS in node:
                found.append((j + 1, node[IDS]))
        return found

    def _lattice(self, text: str, scores: list[float], null_score: float) -> list[list[tuple[int, int, float]]]:
        """Edges (end, id, score) that leave each position, by rising end.

        An edge of `null_score` and id -1 over a single character stands where no word ends.
        """
        edges = [
            [(end, id, scores[id]) for end, id in self._words_at(text, i) if scores[id] > -math.inf]
            for i in range(len(text))
        ]
        reached = {end for leaving in edges for end, _, _ in leaving}
        for i, leaving in enumerate(edges):
            if i + 1 not in reached:
                leaving.insert(0, (i + 1, -1, null_score))
        return edges


def _texts_of(codes: NDArray[np.uint32], offsets: NDArray[np.int64]) -> list[str]:
    """The texts that are not empty."""
    bounds = offsets.tolist()
    texts = ["".join(map(chr, codes[a:b].tolist())) for a, b in pairwise(bounds)]
    return [text for text in texts if text]
