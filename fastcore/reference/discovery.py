"""Slow twin of the word discovery kernels."""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .._turns import TakesTurns, alone

Numbers = NDArray[np.int32]
Integers = NDArray[np.int64]


class Encoder(TakesTurns):
    """Characters numbered in the order in which they are first seen.

    keep[code point] says whether a character is part of words; all others separate.
    """

    def __init__(self, keep: NDArray[np.uint8]) -> None:
        self._keep = keep
        self._numbers: dict[int, int] = {}

    @alone
    def encode(self, text: str) -> Numbers:
        """Return the text as numbers, one -1 for each run of characters that separate."""
        ids: list[int] = []
        for code in map(ord, text):
            if self._keep[code]:
                ids.append(self._numbers.setdefault(code, len(self._numbers)))
            elif not ids or ids[-1] >= 0:
                ids.append(-1)
        return np.array(ids, np.int32)

    @alone
    def symbols(self) -> Numbers:
        """Return the code point of each number."""
        return np.array(list(self._numbers), np.int32)


class PairCounter(TakesTurns):
    """Counts of characters and of adjacent pairs, the pairs in the order of their first occurrence."""

    def __init__(self) -> None:
        self._chars: dict[int, int] = {}
        self._pairs: dict[tuple[int, int], int] = {}

    @alone
    def update(self, ids: Numbers) -> None:
        """Count a block of text; pairs don't reach from one block into the next."""
        before = -1
        for number in ids.tolist():
            if number >= 0:
                self._chars[number] = self._chars.get(number, 0) + 1
                if before >= 0:
                    self._pairs[before, number] = self._pairs.get((before, number), 0) + 1
            before = number

    @alone
    def merge(self, char_counts: Integers, pairs: Numbers, pair_counts: Integers) -> None:
        """Add counts such as `result` gives."""
        for number, count in enumerate(char_counts.tolist()):
            self._chars[number] = self._chars.get(number, 0) + count
        for (a, b), count in zip(pairs.tolist(), pair_counts.tolist()):
            self._pairs[a, b] = self._pairs.get((a, b), 0) + count

    @alone
    def result(self) -> tuple[Integers, Numbers, Integers]:
        """Return (counts of the characters, pairs as rows of two numbers, their counts)."""
        chars = [self._chars.get(number, 0) for number in range(max(self._chars, default=-1) + 1)]
        return (
            np.array(chars, np.int64),
            np.array(list(self._pairs), np.int32).reshape(-1, 2),
            np.array(list(self._pairs.values()), np.int64),
        )


class PairIndex:
    """Pairs found again: the row of each in a table of distinct ones."""

    def __init__(self, pairs: Numbers) -> None:
        self._rows = {(a, b): row for row, (a, b) in enumerate(pairs.tolist())}

    def find(self, ids: Numbers) -> Numbers:
        """Return for each position the row of the pair that begins there, -1 if it has none."""
        numbers = ids.tolist()
        rows = [self._rows.get(pair, -1) if min(pair) >= 0 else -1 for pair in pairwise(numbers)]
        return np.array([*rows, -1][: len(numbers)], np.int32)


class PairSet:
    """Pairs of which it can be asked whether they are in the set."""

    def __init__(self, pairs: Numbers) -> None:
        self._pairs = {(a, b) for a, b in pairs.tolist()}

    def holds(self, ids: Numbers) -> NDArray[np.uint8]:
        """Return for each position whether the pair that begins there is in the set."""
        held = [pair in self._pairs for pair in pairwise(ids.tolist())]
        return np.array([*held, False][: len(ids)], np.uint8)


def cover(grams: Numbers, passing: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return which characters i and i + 1 lie together in an n-gram that passes.

    grams[k, i] is the number of the n-gram of k + 1 characters that begins at i, or -1; passing[number] whether
    it passes.
    """
    orders, n = grams.shape
    joined = np.zeros(n, np.uint8)
    for k in range(1, orders):
        for i, number in enumerate(grams[k].tolist()):
            if number >= 0 and passing[number]:
                joined[i : i + k] = 1
    return joined


def _log(count: int) -> float:
    return math.log(count) if count else -100.0


def pair_scores(
    char_counts: Integers, pairs: Numbers, pair_counts: Integers
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log p(ab) and the pointwise mutual information log p(ab) - log p(a) - log p(b) of every pair."""
    chars, counts = char_counts.tolist(), pair_counts.tolist()
    log_chars, log_pairs = _log(sum(chars)), _log(sum(counts))
    probability = [_log(count) - log_pairs for count in counts]
    score = [
        p - (_log(chars[a]) - log_chars) - (_log(chars[b]) - log_chars)
        for p, (a, b) in zip(probability, pairs.tolist())
    ]
    return np.array(probability, np.float64), np.array(score, np.float64)


class WordCounter(TakesTurns):
    """Counts of the words into which texts fall when they are cut, in the order of first occurrence."""

    def __init__(self) -> None:
        self._words: dict[tuple[int, ...], int] = {}

    @alone
    def update(self, ids: Numbers, joined: NDArray[np.uint8]) -> None:
        """Count the words of a block where joined[i] says that characters i and i + 1 belong together."""
        word: tuple[int, ...] = ()
        for number, goes_on in [*zip(ids.tolist(), joined.tolist()), (-1, 0)]:
            if number >= 0:
                word += (number,)
            if word and (number < 0 or not goes_on):
                self._words[word] = self._words.get(word, 0) + 1
                word = ()

    @alone
    def result(self) -> tuple[Numbers, Integers, Integers]:
        """Return (numbers of the characters of all words one after another, offsets, counts)."""
        return (
            np.array([number for word in self._words for number in word], np.int32),
            np.cumsum([0, *map(len, self._words)], dtype=np.int64),
            np.array(list(self._words.values()), np.int64),
        )


def frequent(counts: Integers, log_min_proba: float) -> NDArray[np.bool_]:
    """Which counts have log(count / total) > log_min_proba."""
    log_total = _log(sum(counts.tolist()))
    return np.array([_log(count) - log_total > log_min_proba for count in counts.tolist()], np.bool_)


def _segment(word: str, words: dict[str, int], log_total: float, longest: int) -> list[str]:
    """The most probable way to spell a stretch with words; a character that no word reaches costs 100."""
    best: list[tuple[list[str], float] | None] = [([], 1.0)] + [None] * len(word)
    for start in range(len(word)):
        reached = best[start]
        assert reached is not None
        path, score = reached
        for stop in range(start + 1, min(start + longest, len(word)) + 1):
            count = words.get(word[start:stop], 0)
            if count:
                after = best[stop]
                new = score + (math.log(count) - log_total)
                if after is None or new > after[1]:
                    best[stop] = ([*path, word[start:stop]], new)
        if best[start + 1] is None:
            best[start + 1] = ([*path, word[start]], score - 100)
    end = best[-1]
    assert end is not None
    return end[0]


def _parts(word: str, kind: dict[str, int], words: dict[str, int], log_total: float, longest: int) -> list[str]:
    """Segment between punctuation, and join letters and digits."""
    parts = []
    stretch = ""
    for character in word:
        if kind[character] & 4:
            parts += [*_segment(stretch, words, log_total, longest), character]
            stretch = ""
        else:
            stretch += character
    parts += _segment(stretch, words, log_total, longest)
    joined: list[str] = []
    combine = False
    for part in parts:
        ends_run = bool(kind[part[-1]] & 1)
        if combine and ends_run and all(kind[character] & 2 for character in part):
            joined[-1] += part
        else:
            combine = ends_run and not combine
            joined.append(part)
    return joined


def remove_redundant(ids: Numbers, offsets: Integers, counts: Integers, kinds: NDArray[np.uint8]) -> Integers:
    """Return the words' counts after the redundant ones, longest first, gave theirs to their parts (0: removed).

    The words are distinct, their counts positive. kinds[number of a character] says whether it ends a run of
    letters and digits (1), may go on with one (2), is punctuation (4).
    """
    # Numbers as characters: what the text was doesn't matter here.
    text = "".join(map(chr, ids.tolist()))
    kind = dict(zip(map(chr, range(len(kinds))), kinds.tolist()))
    order = [text[a:b] for a, b in zip(offsets.tolist(), offsets[1:].tolist())]
    words = dict(zip(order, counts.tolist()))
    total = sum(words.values())
    log_total = _log(total)
    for word in sorted(words, key=len, reverse=True):
        if len(word) == 1:
            continue
        count = words.pop(word)
        # What is longer than this word has had its turn, and can't be a part.
        parts = _parts(word, kind, words, log_total, len(word))
        score = math.log(count) - log_total
        for part in parts:
            score -= math.log(words[part]) - log_total if part in words else -math.inf
        if score < len(word) - 1:
            for part in parts:
                words[part] += count
            total += (len(parts) - 1) * count
            log_total = math.log(total)
        else:
            words[word] = count
    return np.array([words.get(word, 0) for word in order], np.int64)


def word_counts(ids: Numbers, offsets: Integers, counts: Integers, symbols: Numbers, order: Integers) -> dict[str, int]:
    """Return a dict of the words, as str, and their counts, in an order given by their numbers.

    symbols[number of a character] is its code point.
    """
    text = "".join(map(chr, symbols[ids].tolist()))
    starts, stops, count = offsets[:-1].tolist(), offsets[1:].tolist(), counts.tolist()
    return {text[starts[word] : stops[word]]: count[word] for word in order.tolist()}


def _log_sum(terms: list[float]) -> float:
    most = max(terms, default=-math.inf)
    if most == -math.inf:
        return most
    total = 0.0
    for term in terms:
        total += math.exp(term - most)
    return most + math.log(total)


def expected_counts(grams: Numbers, scores: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Add to counts how often each n-gram is expected as a word; return the log-likelihood.

    grams as in `cover`, -1 at orders above the first where the n-gram is no candidate; scores[number] is a word's
    log-probability. Each stretch between separators is a lattice of its own: the words that can begin at each
    position, all segmentations weighted by their probability (forward and backward in log space).
    """
    likelihood = 0.0
    columns = grams.T.tolist()
    score = scores.tolist()
    separators = [t for t, column in enumerate(columns) if column[0] < 0]
    for first, last in pairwise([-1, *separators, len(columns)]):
        starts = columns[first + 1 : last]
        m = len(starts)
        # edges[t]: (end, word) of all words that can begin at t.
        edges = [[(t + 1 + k, w) for k, w in enumerate(starts[t][: m - t]) if w >= 0] for t in range(m)]
        ending: list[list[tuple[int, int]]] = [[] for _ in range(m + 1)]
        for t in reversed(range(m)):
            for end, w in edges[t]:
                ending[end].append((t, w))
        forward = [0.0] * (m + 1)
        for t in range(1, m + 1):
            forward[t] = _log_sum([forward[start] + score[w] for start, w in ending[t]])
        backward = [0.0] * (m + 1)
        for t in reversed(range(m)):
            backward[t] = _log_sum([score[w] + backward[end] for end, w in edges[t]])
        for t in range(m):
            for end, w in edges[t]:
                counts[w] += math.exp(forward[t] + score[w] + backward[end] - forward[m])
        likelihood += forward[m]
    return likelihood
