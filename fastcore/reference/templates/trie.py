"""Slow twin of the kernels that read sentences by templates: all spans, all templates."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Span: TypeAlias = tuple[int, int]


class TemplateTrie:
    """Templates as symbols (-1 for a slot) with offsets, and each one's score."""

    def __init__(self, symbols: NDArray[np.int64], offsets: NDArray[np.int64], scores: NDArray[np.int64]) -> None:
        listed = symbols.tolist()
        self.templates = [listed[start:end] for start, end in pairwise(offsets.tolist())]
        self.scores = scores.tolist()

    def parse(self, ids: NDArray[np.int64], null_score: int) -> NDArray[np.int64]:
        """Return the best nested reading: (start, end, template, rows, score) in preorder, -1 for no template.

        `rows` are how many the tree has that begins with one, itself included.
        """
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
        spans, pending = [], [(0, len(words))]
        while pending:
            span = pending.pop()
            spans.append(span)
            if choice[span] >= 0:
                pending.extend(_slots(self.templates[choice[span]], words, span, best))
        # What lies within a span comes right after it.
        sizes = [sum(start <= a and b <= end for a, b in spans[i:]) for i, (start, end) in enumerate(spans)]
        rows = [(*span, choice[span], size, best[span]) for span, size in zip(spans, sizes, strict=True)]
        return np.array(rows, dtype=np.int64)

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
