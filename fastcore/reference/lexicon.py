"""Slow twin of the lexicon kernels: a trie of dicts, and the lattice of its words over a text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._rng import Rng

IDS = ""  # a node's key for the word that ends there; no character is empty
MARKS = [".", ":", "/", "·"]
PERCENTS = ["%", "‰"]
FULL_WIDTH = {chr(i): chr(i - 0xFEE0) for i in range(0xFF01, 0xFF5F)}


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
            beta = _log_beta(edges, 1.0)
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
            path, score = _best_path(self._lattice(text, scores.tolist(), null_score))
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


class Segmenter:
    """Best segmentations over a trie's lattice.

    `punctuation`: code points that are tokens of their own and that no word crosses. `join`: 0 nothing, 1 runs of
    ASCII letters and digits, 2 also their full-width forms and the marks inside numbers.
    """

    def __init__(self, trie: Trie, punctuation: NDArray[np.uint32], join: int, null_score: float) -> None:
        self._trie = trie
        self._punctuation = set(map(chr, punctuation.tolist()))
        self._join = join
        self._null_score = null_score

    def words(self, texts: list[str]) -> list[list[str]]:
        """The tokens of each text, a list of str each."""
        result = []
        for text in texts:
            ends = self._cut(text)
            result.append([text[a:b] for a, b in zip([0, *ends], ends)])
        return result

    def ends(self, text: str) -> NDArray[np.int64]:
        """Where each token of a text ends."""
        return np.array(self._cut(text), np.int64)

    def encode(self, texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The ids of all tokens, (ids, offsets): text t's are offsets[t]:offsets[t + 1]; -1 for what is no word."""
        ids: list[int] = []
        offsets = [0]
        for tokens in self.words(texts):
            ids += map(self._trie.find, tokens)
            offsets.append(len(ids))
        return np.array(ids, np.int32), np.array(offsets, np.int64)

    def nbest(self, text: str, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """The k best segmentations that differ once runs are joined: (ends, offsets, scores), best first.

        The tokens of number r end at ends[offsets[r]:offsets[r + 1]]; its score is the sum of the edges' of its best
        path, punctuation counting nothing. Of equal sums the one whose last edge starts earlier comes first, then the
        one of the better rank there.
        """
        # For each position its best readings: the sums of the pieces before and, plus 1, of this one, whether a run
        # is open, the ends of the tokens once joined, and of all pieces the scores.
        best: list[list[tuple[float, float, bool, tuple[int, ...], list[list[float]]]]] = [
            [] for _ in range(len(text) + 1)
        ]
        best[0] = [(0.0, 1.0, False, (), [[]])]
        for start, end in self._pieces(text):
            if text[start] in self._punctuation:
                edges = [[(1, 0.0)]]
            else:
                lattice = self._trie._lattice(text[start:end], self._trie._scores, self._null_score)
                edges = [[(j, score) for j, _, score in leaving] for leaving in lattice]
            for i, leaving in enumerate(edges, start):
                for stop, score in leaving:
                    j = start + stop
                    more = []
                    for base, total, joining, ends, scores in best[i]:
                        grows, now = self._joins(text, i, j, joining) if self._join else (False, False)
                        joined = (*(ends[:-1] if grows else ends), j)
                        if text[i] in self._punctuation:
                            more.append((base + (total - 1.0), 1.0, now, joined, [*scores, []]))
                        else:
                            more.append((base, total + score, now, joined, [*scores[:-1], [*scores[-1], score]]))
                    # A stable sort: of equal sums the earlier start, then the better rank, stays first.
                    kept: dict[tuple[bool, tuple[int, ...]], Any] = {}
                    for entry in sorted(best[j] + more, key=lambda e: (-(e[0] + (e[1] - 1.0)), -e[1])):
                        if sum(joining == entry[2] for joining, _ in kept) < k:
                            kept.setdefault((entry[2], entry[3]), entry)
                    best[j] = list(kept.values())
        found: dict[tuple[int, ...], float] = {}
        for *_, ends, scores in best[-1]:
            found.setdefault(ends, _sum(map(_sum, scores)))
        paths = list(found)[:k]
        offsets = np.cumsum([0, *map(len, paths)], dtype=np.int64)
        # Rounding must not let a sum that is added up anew overtake a better one.
        totals = np.minimum.accumulate([found[path] for path in paths])
        return np.array([end for path in paths for end in path], np.int64), offsets, totals

    def sample(
        self, text: str, key: NDArray[np.uint64], n: int, temperature: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """n segmentations drawn by exp(score / temperature): (ends, offsets).

        Draw i takes from stream i of the key one uniform number an edge, from left to right.
        """
        scale = 1.0 / temperature
        pieces: list[tuple[int, list[list[tuple[int, int, float]]], list[float] | None]] = []
        for start, end in self._pieces(text):
            if text[start] in self._punctuation:
                pieces.append((start, [[(1, -1, 0.0)]], None))
            else:
                edges = self._trie._lattice(text[start:end], self._trie._scores, self._null_score)
                pieces.append((start, edges, _log_beta(edges, scale)))
        all_ends: list[int] = []
        offsets = [0]
        for draw in range(n):
            rng = Rng(key.tolist(), draw)
            ends: list[int] = []
            for start, edges, beta in pieces:
                i = 0
                while i < len(edges):
                    i = 1 if beta is None else _draw(edges[i], i, beta, scale, rng)
                    ends.append(start + i)
            all_ends += self._joined(text, ends) if self._join else ends
            offsets.append(len(all_ends))
        return np.array(all_ends, np.int64), np.array(offsets, np.int64)

    def _cut(self, text: str) -> list[int]:
        """Ends of the text's tokens."""
        ends: list[int] = []
        for start, end in self._pieces(text):
            if text[start] in self._punctuation:
                ends.append(end)
            else:
                path, _ = _best_path(self._trie._lattice(text[start:end], self._trie._scores, self._null_score))
                ends += [start + j for j, _ in path]
        return self._joined(text, ends) if self._join else ends

    def _pieces(self, text: str) -> list[tuple[int, int]]:
        """Bounds of the text's punctuation characters, one each, and of what lies between."""
        pieces = []
        start = 0
        for i, character in enumerate(text):
            if character in self._punctuation:
                if start < i:
                    pieces.append((start, i))
                pieces.append((i, i + 1))
                start = i + 1
        if start < len(text):
            pieces.append((start, len(text)))
        return pieces

    def _joined(self, text: str, ends: list[int]) -> list[int]:
        """Ends once runs of letters and digits are joined, from left to right."""
        kept: list[int] = []
        joining = False
        start = 0
        for end in ends:
            grows, joining = self._joins(text, start, end, joining)
            if grows:
                kept.pop()
            kept.append(end)
            start = end
        return kept

    def _joins(self, text: str, start: int, end: int, joining: bool) -> tuple[bool, bool]:
        """Whether the token text[start:end] joins the one before it, and whether a run is open after it.

        A token that ends in a letter or digit opens a run, and the next ones join it while they end so too and hold
        only letters, digits and dots. With join == 2 a mark between digits and a per cent sign after one join as
        well.
        """
        word, before, after = text[start:end], text[max(0, start - 1) : start], text[end : end + 1]
        if self._join == 2:
            word, before, after = (
                "".join(FULL_WIDTH.get(character, character) for character in part) for part in (word, before, after)
            )
        if _is_alnum(word[-1]):
            grows = joining and all(_is_alnum(c) or c == "." or c.isdecimal() for c in word)
            return grows, grows or not joining
        if self._join == 2 and joining and _is_digit(before):
            if word in PERCENTS:
                return True, False
            if word in MARKS and _is_digit(after):
                return True, True
        return False, False


def _is_alnum(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _is_digit(character: str) -> bool:
    return character.isascii() and character.isdigit()


def _texts_of(codes: NDArray[np.uint32], offsets: NDArray[np.int64]) -> list[str]:
    """The texts that are not empty."""
    bounds = offsets.tolist()
    texts = ["".join(map(chr, codes[a:b].tolist())) for a, b in pairwise(bounds)]
    return [text for text in texts if text]


def _best_path(edges: list[list[tuple[int, int, float]]]) -> tuple[list[tuple[int, int]], float]:
    """The best path's edges (end, id), and the sum of its scores plus 1.

    Sums start at 1 and a later start must be strictly better, as in nlp-zero: so ties, and sums that only rounding
    tells apart, fall as there.
    """
    best = [1.0] + [-math.inf] * len(edges)
    back = [(0, -1)] * (len(edges) + 1)
    for i, leaving in enumerate(edges):
        for end, id, score in leaving:
            if best[i] + score > best[end]:
                best[end] = best[i] + score
                back[end] = (i, id)
    path = []
    j = len(edges)
    while j > 0:
        i, id = back[j]
        path.append((j, id))
        j = i
    return path[::-1], best[-1]


def _sum(terms: Iterable[float]) -> float:
    """Left to right, each addition rounded, as the kernel does (the built-in sum compensates in newer Pythons)."""
    total = 0.0
    for term in terms:
        total += term
    return total


def _log_beta(edges: list[list[tuple[int, int, float]]], scale: float) -> list[float]:
    """For each position, the logarithm of the summed exp(scale * score) of all paths from it to the end."""
    beta = [-math.inf] * len(edges) + [0.0]
    for i in range(len(edges) - 1, -1, -1):
        terms = [score * scale + beta[end] for end, _, score in edges[i]]
        most = max(terms, default=-math.inf)
        if most > -math.inf:
            beta[i] = most + math.log(_sum(math.exp(term - most) for term in terms))
    return beta


def _draw(leaving: list[tuple[int, int, float]], i: int, beta: list[float], scale: float, rng: Rng) -> int:
    """The end of an edge that leaves i, drawn by its share of the paths from there."""
    rest = rng.next_double()
    last = i + 1
    for end, _, score in leaving:
        if beta[end] > -math.inf:
            rest -= math.exp(score * scale + beta[end] - beta[i])
            last = end
            if rest < 0:
                break
    return last
