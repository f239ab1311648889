"""Slow twin of the kernels of sentence templates."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Span: TypeAlias = tuple[int, int]
# The first words of a template, each with whether a slot stands before it.
Beginning: TypeAlias = tuple[tuple[int, bool], ...]

SLOT = -1
MOST = 2**62  # counts of paths stop here


class TemplateTrie:
    """Templates as symbols (-1 for a slot) with offsets, and each one's score."""

    def __init__(self, symbols: NDArray[np.int64], offsets: NDArray[np.int64], scores: NDArray[np.int64]) -> None:
        listed = symbols.tolist()
        self.templates = [listed[start:end] for start, end in pairwise(offsets.tolist())]
        self.scores = scores.tolist()

    def parse(self, ids: NDArray[np.int64], null_score: int) -> tuple[int, NDArray[np.int64]]:
        """Return the score of the best nested reading and its (start, end, template) in preorder, -1 for none."""
        words = ids.tolist()
        best: dict[Span, int] = {(0, 0): 0}
        choice: dict[Span, int] = {(0, 0): -1}
        for length in range(1, len(words) + 1):
            for start in range(len(words) - length + 1):
                span = start, start + length
                # Of equal scores a template before none, then more words, then fewer slots, then the one given first.
                readings = [(null_score * (length - 1), 0, 0, 0, -1)]
                for t, template in enumerate(self.templates):
                    inside = _reach(template, words, span, best)[-1].get(span[1])
                    if inside is not None:
                        n_slots = template.count(-1)
                        readings.append((inside + self.scores[t], len(template) - n_slots, -n_slots, -t, t))
                best[span], *_, choice[span] = max(readings)
        nodes, pending = [], [(0, len(words))]
        while pending:
            span = pending.pop()
            nodes.append((*span, choice[span]))
            if choice[span] >= 0:
                pending.extend(_slots(self.templates[choice[span]], words, span, best))
        return best[0, len(words)], np.array(nodes, dtype=np.int64)

    def search(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return every (start, end, template) such that the template reads exactly those words."""
        words = ids.tolist()
        spans = [(start, end) for start in range(len(words)) for end in range(start + 1, len(words) + 1)]
        nothing = dict.fromkeys(spans, 0)
        found = [
            (*span, t)
            for span in spans
            for t, template in enumerate(self.templates)
            if span[1] in _reach(template, words, span, nothing)[-1]
        ]
        return np.array(found, dtype=np.int64).reshape(-1, 3)


def _reach(template: list[int], words: list[int], span: Span, best: Mapping[Span, int]) -> list[dict[int, int]]:
    """For each number of symbols of a template, where they may end and the best score of the slots among them."""
    start, end = span
    reach = [{start: 0}]
    for symbol in template:
        after: dict[int, int] = {}
        for p, score in reach[-1].items():
            if symbol >= 0:
                if p < end and words[p] == symbol:
                    after[p + 1] = score
            else:
                for q in range(p + 1, end + 1):
                    if (p, q) != span:  # a slot is never the whole: the template has words too
                        after[q] = max(after.get(q, score + best[p, q]), score + best[p, q])
        reach.append(after)
    return reach


def _slots(template: list[int], words: list[int], span: Span, best: Mapping[Span, int]) -> list[Span]:
    """The spans of a template's slots, the last first, each beginning as early as the best score allows."""
    reach = _reach(template, words, span, best)
    end, slots = span[1], []
    for k in range(len(template) - 1, -1, -1):
        start = end - 1
        if template[k] < 0:
            score = reach[k + 1][end]
            start = min(p for p, s in reach[k].items() if p < end and (p, end) != span and s + best[p, end] == score)
            slots.append((start, end))
        end = start
    return slots


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
