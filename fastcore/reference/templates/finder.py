"""Slow twin of the kernel that finds templates: level by level, in dictionaries of beginnings."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# The first words of a template, each with whether a slot stands before it.
Beginning: TypeAlias = tuple[tuple[int, bool], ...]

SLOT = -1
MOST = 2**62  # counts of paths stop here


def find_templates(
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    pairs_first: NDArray[np.int64],
    pairs_second: NDArray[np.int64],
    window: int,
    by_path: bool,
    min_count: int,
    min_share: float,
    limit: int,
    max_steps: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int, int]:
    """Count the templates that paths of strong pairs spell, by sentences or by paths.

    Return symbols, offsets, counts, the number of all sentences or paths, and -1. `pairs_second[pairs_first[a]:]` are,
    in rising order, the words that are strong after word a. A step is a place to which a frequent beginning is carried
    on, or a word of a template that is found. Where all templates would be more than `limit`, or take more than
    `max_steps` steps, the last number is the largest number of words such that all templates of up to so many don't,
    and these are returned.
    """
    graph = _Graph(ids, offsets, pairs_first, pairs_second, window, by_path)
    firsts = sorted(set(range(len(graph.words))).difference(*graph.on))
    total = sum(graph.completions[i] for i in firsts) if by_path else len(offsets) - 1
    total = min(total, MOST)
    found: dict[tuple[Beginning, bool], int] = {}
    # The beginnings of n words, and in how many ways each leads to a place; a rare one leads nowhere.
    level: dict[Beginning, Counter[int]] = defaultdict(Counter)
    for i in firsts:
        level[(graph.key(i, -1),)][i] += 1
    steps, n = len(firsts), 0
    complete = -1 if steps <= max_steps else 0
    while level and complete < 0:
        frequent, longer = {}, {}
        for beginning, ways in level.items():
            counts = [graph.weight(ways, ends) for ends in (None, False, True)]
            kept = [count >= max(min_count, 1) and count > min_share * total for count in counts]
            if kept[0]:
                frequent[beginning] = ways
                longer.update({(beginning, bool(kind)): counts[kind + 1] for kind in range(2) if kept[kind + 1]})
        steps += (n + 1) * len(longer)
        if len(found) + len(longer) > limit or steps > max_steps:
            complete = n
            break
        found |= longer
        n += 1
        level = defaultdict(Counter)
        for beginning, ways in frequent.items():
            steps += sum(len(graph.on[i]) for i in ways)
            if steps > max_steps:
                break
            for i, count in ways.items():
                for j in graph.on[i]:
                    level[*beginning, graph.key(j, i)][j] += count
        if steps > max_steps:
            complete = n
            break
    # In order of their words, each without a slot before it first; then those that end in a slot.
    templates = [(_spelled(*template), found[template]) for template in sorted(found)]
    return (
        np.array([symbol for t, _ in templates for symbol in t], dtype=np.int64),
        np.array([0, *np.cumsum([len(t) for t, _ in templates])], dtype=np.int64),
        np.array([count for _, count in templates], dtype=np.int64),
        total,
        complete,
    )


class _Graph:
    """The tokens of all sentences, those that may follow each on a path, and how many ways lead on to an end."""

    def __init__(
        self,
        ids: NDArray[np.int64],
        offsets: NDArray[np.int64],
        pairs_first: NDArray[np.int64],
        pairs_second: NDArray[np.int64],
        window: int,
        by_path: bool,
    ) -> None:
        firsts, seconds = pairs_first.tolist(), pairs_second.tolist()
        strong = {(a, b) for a in range(len(firsts) - 1) for b in seconds[firsts[a] : firsts[a + 1]]}
        words = self.words = ids.tolist()
        self.by_path = by_path
        self.sentence: list[int] = []
        self.on: list[list[int]] = []
        self.starts, self.ends = set(offsets.tolist()[:-1]), set(offsets.tolist()[1:])
        for number, (start, end) in enumerate(pairwise(offsets.tolist())):
            self.sentence += [number] * (end - start)
            for i in range(start, end):
                near = range(i + 1, min(i + 1 + window, end))
                self.on.append([j for j in near if (words[i], words[j]) in strong])
        self.completions = [1] * len(words)
        for i in reversed(range(len(words))):
            if self.on[i]:
                self.completions[i] = sum(self.completions[j] for j in self.on[i])

    def key(self, i: int, before: int) -> tuple[int, bool]:
        """A word of a template, and whether a slot stands before it; `before` is -1 for the first one."""
        return self.words[i], i not in self.starts if before < 0 else i > before + 1

    def weight(self, ways: Mapping[int, int], trailing: bool | None) -> int:
        """How much a beginning counts that leads to these places, or what of it ends there, with a slot or without."""
        if trailing is not None:
            ways = {i: n for i, n in ways.items() if not self.on[i] and (i + 1 not in self.ends) == trailing}
        if self.by_path:
            return min(sum(n * self.completions[i] for i, n in ways.items()), MOST)
        return len({self.sentence[i] for i in ways})


def _spelled(beginning: Beginning, trailing: bool) -> tuple[int, ...]:
    symbols: list[int] = []
    for word, slot in beginning:
        symbols += [SLOT, word] if slot else [word]
    return (*symbols, SLOT) if trailing else tuple(symbols)
