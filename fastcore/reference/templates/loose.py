"""Slow twin of the kernel that reads sentences by templates whose words may stand apart."""

import math
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FRONT = 16  # beginnings of nearly equal score that are kept at most
NEAR, SAME = 1e-4 + 1e-7, 1e-8
# A score and the places of the words, for a state after these.
Beginning: TypeAlias = tuple[float, tuple[int, ...], int]
Span: TypeAlias = tuple[int, int]


def best_reading(
    gap: NDArray[np.int64],
    first: NDArray[np.int64],
    words: NDArray[np.int64],
    targets: NDArray[np.int64],
    scores: NDArray[np.float64],
    sizes: NDArray[np.int64],
    slots_first: NDArray[np.int64],
    slots: NDArray[np.int64],
    ids: NDArray[np.int64],
    null_score: float,
) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
    """Return the best nested reading of a sentence: its score, (start, end, number of places) in preorder, the places.

    Templates are an automaton that starts in state 0. From state s, a word in `words[first[s]:first[s + 1]]` (rising)
    leads to the state beside it in `targets`; a word in a gap leads to `gap[s]`. `sizes[s]` words of a template were
    read; `scores[s]` is that of a template that ends there, NaN if none does, and `slots[slots_first[s]:]` how many
    placeholders stand before each of its words and behind the last (where several end, of the one that comes first by
    that). A span takes a template wherever one reads it: the one with the highest sum of its score and those of the
    spans in its gaps, rounded to 4 places; then with more words; then the one that comes first where each word is taken
    for a word of the template, then a placeholder's, then one more. Other spans are plain words, all of them places,
    and cost `null_score` for each but the first.
    """
    n = len(ids)
    if not n:
        return -null_score, np.zeros((1, 3), np.int64), np.empty(0, np.int64)
    on = [dict(zip(words[a:b].tolist(), targets[a:b].tolist(), strict=True)) for a, b in pairwise(first.tolist())]
    ending, onward = scores.tolist(), gap.tolist()
    best: dict[Span, float] = {}
    chosen: dict[Span, tuple[int, ...]] = {}

    def gaps_of(places: tuple[int, ...], start: int, end: int) -> list[Span]:
        marks = [start - 1, *places, end]
        return [(a + 1, b) for a, b in pairwise(marks) if a + 1 < b]

    def rank(beginning: Beginning, end: int, start: int) -> tuple[float, int, list[int]]:
        # The least is best.
        score, places, state = beginning
        visits, at = [], start
        for place, slot in zip((*places, end), slots[slots_first[state] :].tolist(), strict=False):
            visits += [1 if k < slot else 2 for k in range(place - at)] + [0]
            at = place + 1
        return -round(score, 4), -len(places), visits

    for start in reversed(range(n)):
        # Beginnings, each with the state after the words read so far.
        waiting: list[Beginning] = [(0.0, (), 0)]
        for end in range(start, n + 1):
            here = [
                (score + (best[places[-1] + 1, end] if places[-1] + 1 < end else 0.0), places, state)
                for score, places, state in waiting[1:]
            ]
            if end > start:
                ends = [(ending[s] + score, places, s) for score, places, s in here if not math.isnan(ending[s])]
                span, score = (start, end), null_score * (end - start - 1)
                if ends:
                    _, places, state = min(ends, key=lambda it, end=end, start=start: rank(it, end, start))  # type: ignore[misc]
                    chosen[span], score = places, ending[state]
                    for part in gaps_of(places, start, end):
                        score += best[part]
                best[span] = score
            if end < n:
                here.insert(0, (best.get((start, end), 0.0), (), waiting[0][2]))
                made: dict[int, list[Beginning]] = {}
                for score, places, state in here:
                    to = on[state].get(int(ids[end]))
                    if to is not None:
                        made[to] = _kept([*made.get(to, []), (score, (*places, end), to)])
                waiting = [(score, places, onward[state]) for score, places, state in waiting]
                waiting += [beginning for kept in made.values() for beginning in kept]
    nodes, places_used, pending = [], list[int](), [(0, n)]
    while pending:
        span = pending.pop()
        places = chosen.get(span, tuple(range(*span)))
        nodes.append((*span, len(places)))
        places_used += places
        pending += reversed(gaps_of(places, *span))
    return best[0, n], np.array(nodes, np.int64), np.array(places_used, np.int64)


def _kept(beginnings: list[Beginning]) -> list[Beginning]:
    """Of beginnings of one state the best, and lower ones that may yet round to the same, if their words come first.

    The highest score first, of equal ones that whose words come first.
    """
    *old, new = beginnings
    if old and new[0] < old[0][0] - NEAR:
        return old
    above = [one for one in old if one[0] > new[0] + SAME]
    equal = next((one for one in old[len(above) :] if one[0] >= new[0] - SAME), None)
    if any(one[1] < new[1] for one in above) or (equal and equal[1] < new[1]) or len(above) == FRONT:
        return old
    top = above[0][0] if above else new[0]
    below = [one for one in old[len(above) :] if one[1] < new[1] and one[0] >= top - NEAR]
    return [*above, new, *below][:FRONT]
