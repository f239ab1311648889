"""Sentences as graphs, whose paths spell templates: what the twins that find templates share."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# The first words of a template, each with whether a slot stands before it.
Beginning: TypeAlias = tuple[tuple[int, bool], ...]

SLOT = -1
MOST = 2**62  # counts of paths stop here


class Graph:
    """The tokens of all sentences, those that may follow each on a path, and how many ways lead on to an end."""

    def __init__(
        self,
        ids: NDArray[np.int32],
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
        self.starts: set[int]
        self.ends: set[int]
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

    def start_of(self, i: int) -> int:
        """Where the sentence of a token begins."""
        return max(start for start in self.starts if start <= i)

    def end_of(self, i: int) -> int:
        """Where it ends."""
        return min(end for end in self.ends if end > i)

    def weight(self, ways: Mapping[int, int], trailing: bool | None) -> int:
        """How much a beginning counts that leads to these places, or what of it ends there, with a slot or without."""
        if trailing is not None:
            ways = {i: n for i, n in ways.items() if not self.on[i] and (i + 1 not in self.ends) == trailing}
        if self.by_path:
            return min(sum(n * self.completions[i] for i, n in ways.items()), MOST)
        return len({self.sentence[i] for i in ways})


def spelled(beginning: Beginning, trailing: bool) -> tuple[int, ...]:
    """The symbols of a template, given by its words and whether a slot ends it."""
    symbols: list[int] = []
    for word, slot in beginning:
        symbols += [SLOT, word] if slot else [word]
    return (*symbols, SLOT) if trailing else tuple(symbols)


def extends(longer: Sequence[int], shorter: Sequence[int]) -> bool:
    """Whether one template says all that another does: each slot of the other stands for one or more symbols of it."""
    # The places in `longer` up to which the symbols so far may reach.
    reach = {0}
    for symbol in shorter:
        if symbol == SLOT:
            reach = set(range(min(reach) + 1, len(longer) + 1)) if reach else reach
        else:
            reach = {i + 1 for i in reach if i < len(longer) and longer[i] == symbol}
    return len(longer) in reach
