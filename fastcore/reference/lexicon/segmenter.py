"""Slow twin of the kernel of segmentation: paths through the lattice of a trie's words over a text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._rng import Rng
from ._lattice import added, best_path, draw, log_beta
from .trie import Trie

MARKS = [".", ":", "/", "·"]
PERCENTS = ["%", "‰"]
FULL_WIDTH = {chr(i): chr(i - 0xFEE0) for i in range(0xFF01, 0xFF5F)}


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
            found.setdefault(ends, added(map(added, scores)))
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
                pieces.append((start, edges, log_beta(edges, scale)))
        all_ends: list[int] = []
        offsets = [0]
        for t in range(n):
            rng = Rng(key.tolist(), t)
            ends: list[int] = []
            for start, edges, beta in pieces:
                i = 0
                while i < len(edges):
                    i = 1 if beta is None else draw(edges[i], i, beta, scale, rng)
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
                path, _ = best_path(self._trie._lattice(text[start:end], self._trie._scores, self._null_score))
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
