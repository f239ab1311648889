"""Slow twin of the kernel of redundancy: words in a dictionary, each cut by all others in turn."""

import math

import numpy as np
from numpy.typing import NDArray

from ._logs import log_count

Numbers = NDArray[np.int32]
Integers = NDArray[np.int64]
Word = tuple[int, ...]


def _segment(word: Word, words: dict[Word, int], log_total: float, longest: int) -> list[Word]:
    """The most probable way to spell a stretch with words; a character that no word reaches costs 100."""
    best: list[tuple[list[Word], float] | None] = [([], 1.0)] + [None] * len(word)
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
            best[start + 1] = ([*path, word[start : start + 1]], score - 100)
    end = best[-1]
    assert end is not None
    return end[0]


def _parts(word: Word, kind: list[int], words: dict[Word, int], log_total: float, longest: int) -> list[Word]:
    """Segment between punctuation, and join letters and digits."""
    parts = []
    stretch: Word = ()
    for symbol in word:
        if kind[symbol] & 4:
            parts += [*_segment(stretch, words, log_total, longest), (symbol,)]
            stretch = ()
        else:
            stretch += (symbol,)
    parts += _segment(stretch, words, log_total, longest)
    joined: list[Word] = []
    combine = False
    for part in parts:
        ends_run = bool(kind[part[-1]] & 1)
        if combine and ends_run and all(kind[symbol] & 2 for symbol in part):
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
    text, kind = ids.tolist(), kinds.tolist()
    order = [tuple(text[a:b]) for a, b in zip(offsets.tolist(), offsets[1:].tolist())]
    words = dict(zip(order, counts.tolist()))
    total = sum(words.values())
    log_total = log_count(total)
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
