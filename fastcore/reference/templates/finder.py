"""Slow twin of the kernel that finds templates: level by level, in dictionaries of beginnings."""

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray

from ._paths import MOST, Beginning, Graph, spelled


def find_templates(
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    pairs_first: NDArray[np.int64],
    pairs_second: NDArray[np.int64],
    window: int,
    by_path: bool,
    min_count: int,
    min_share: float,
    longest: int,
    limit: int,
    max_steps: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int, int]:
    """Count the templates that paths of strong pairs spell, by sentences or by paths.

    Return symbols, offsets, counts, the number of all sentences or paths, and -1. `pairs_second[pairs_first[a]:]` are,
    in rising order, the words that are strong after word a. A step is a place to which a frequent beginning is carried
    on, or a word of a template that is found. Where all templates of up to `longest` words (0: any number) would be
    more than `limit`, or take more than `max_steps` steps, the last number is the largest number of words such that all
    templates of up to so many don't, and these are returned.
    """
    graph = Graph(ids, offsets, pairs_first, pairs_second, window, by_path)
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
        if n == longest:
            break
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
    templates = [(spelled(*template), found[template]) for template in sorted(found)]
    return (
        np.array([symbol for t, _ in templates for symbol in t], dtype=np.int64),
        np.array([0, *np.cumsum([len(t) for t, _ in templates])], dtype=np.int64),
        np.array([count for _, count in templates], dtype=np.int64),
        total,
        complete,
    )
