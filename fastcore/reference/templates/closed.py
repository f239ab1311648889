"""Slow twin of the kernel that finds closed templates: sets of tokens, those first that explain most."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from ._paths import MOST, SLOT, Beginning, Graph, extends, spelled

COMPARED = 1000  # templates that one is compared with at most
# Most words, then fewest slots, then in order: the least of these is best.
Rank = tuple[int, int, Beginning]


def find_closed(
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    pairs_first: NDArray[np.int64],
    pairs_second: NDArray[np.int64],
    window: int,
    by_path: bool,
    min_count: int,
    min_share: float,
    longest: int,
    max_steps: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int, int]:
    """Count the closed templates that paths of strong pairs spell, by sentences or by paths.

    Return symbols, offsets, counts, the number of all sentences or paths, and -1. `pairs_second[pairs_first[a]:]` are,
    in rising order, the words that are strong after word a. Of templates of up to `longest` words (0: any number) whose
    paths end at the same tokens, one stands for all: that with the most words, of these with the fewest slots, of these
    the first. Counting by sentence, and any number of words, what a slot begins or ends with in all sentences of a
    template is spelled, and what is at the same place of slots that are equally long in all (of several paths through a
    sentence, that which ends first, and goes as late as it may before). One is left out that another, of the same
    sentences, extends or equals; the thousand longest are looked at.
    Beginnings that lead to the same tokens are carried on as one, those first that explain most: (count - 1) times
    words. Before that would take more than `max_steps` steps, each a place carried on to, it ends with what was found,
    and the last number is the least count from which on that is all.
    """
    graph = Graph(ids, offsets, pairs_first, pairs_second, window, by_path)
    firsts = sorted(set(range(len(graph.words))).difference(*graph.on))
    total = min(sum(graph.completions[i] for i in firsts), MOST) if by_path else len(offsets) - 1
    min_count = max(min_count, 1, int(min_share * total) + 1 if min_share > 0 else 1)
    states, least = _explored(graph, firsts, min_count, longest, max_steps)
    endings = _endings(graph, states, min_count)
    if not by_path and not longest:
        for ending in endings:
            ending.symbols = _filled(graph, ending)
    templates = [(ending.symbols, ending.count) for ending in _chosen(endings)]
    return (
        np.array([symbol for t, _ in templates for symbol in t], dtype=np.int64),
        np.array([0, *np.cumsum([len(t) for t, _ in templates])], dtype=np.int64),
        np.array([n for _, n in templates], dtype=np.int64),
        total,
        least,
    )


@dataclass
class _State:
    """Tokens, in how many ways they are come to, what they count, steps on, and the beginning that stands for all."""

    ways: dict[int, int]
    count: int
    depth: int
    on: list[tuple[tuple[int, bool], "_State"]] = field(default_factory=list)
    best: Rank = (1, 0, ())
    before: "_State | None" = None


@dataclass
class _Ending:
    """A template that ends at some tokens of a state."""

    state: _State
    trailing: bool
    places: list[int]
    count: int
    sentences: Hashable
    symbols: tuple[int, ...] = ()

    @property
    def order(self) -> tuple[Beginning, bool]:
        return self.state.best[2], self.trailing


def _explored(
    graph: Graph, firsts: Sequence[int], min_count: int, longest: int, max_steps: int
) -> tuple[list[_State], int]:
    """All states that frequent beginnings lead to and -1, or those that explain most and the least count of all."""
    states: dict[Hashable, _State] = {}
    start = _State({}, 1, 0)
    waiting: list[tuple[int, int, _State]] = []

    def arrive(source: _State, reached: dict[tuple[int, bool], Counter[int]]) -> None:
        for key, counted in sorted(reached.items()):
            ways = {i: min(n, MOST) for i, n in counted.items()}
            n, depth = graph.weight(ways, None), source.depth + 1
            if n < min_count:
                continue
            name = (frozenset(ways.items()) if graph.by_path else frozenset(ways), depth if longest else 0)
            if name not in states:
                states[name] = _State(ways, n, depth)
                if depth != longest:
                    heappush(waiting, (-min((n - 1) * depth, MOST), len(states), states[name]))
            source.on.append((key, states[name]))

    reached: dict[tuple[int, bool], Counter[int]] = defaultdict(Counter)
    for i in firsts:
        reached[graph.key(i, -1)][i] += 1
    arrive(start, reached)
    steps, least = len(firsts), -1
    while waiting:
        state = heappop(waiting)[2]
        steps += sum(len(graph.on[i]) for i in state.ways)
        if steps > max_steps:
            least = max(state.count, *(other.count for *_, other in waiting), 0) + 1
            break
        reached = defaultdict(Counter)
        for i, n in state.ways.items():
            for j in graph.on[i]:
                reached[graph.key(j, i)][j] += n
        arrive(state, reached)
    # Whatever leads to a state has an earlier first token.
    ordered = sorted(states.values(), key=lambda state: min(state.ways))
    for state in (start, *ordered):
        words, slots, beginning = state.best if state is not start else (0, 0, ())
        for key, target in state.on:
            rank = (words - 1, slots + key[1], (*beginning, key))
            if rank < target.best:
                target.best, target.before = rank, state
    return ordered, least


def _endings(graph: Graph, states: Iterable[_State], min_count: int) -> list[_Ending]:
    """Of the templates that end at the same tokens, the best."""
    endings: dict[Hashable, _Ending] = {}
    for state in states:
        for trailing in (False, True):
            ways = {i: n for i, n in state.ways.items() if not graph.on[i] and (i + 1 not in graph.ends) == trailing}
            n = graph.weight(ways, None)
            if n < min_count:
                continue
            places = frozenset(ways.items()) if graph.by_path else frozenset(ways)
            sentences: Counter[int] = Counter()
            for i, k in ways.items():
                sentences[graph.sentence[i]] = min(sentences[graph.sentence[i]] + k, MOST)
            name = frozenset(sentences.items()) if graph.by_path else frozenset(sentences)
            if places not in endings or state.best < endings[places].state.best:
                symbols = spelled(state.best[2], trailing)
                endings[places] = _Ending(state, trailing, sorted(ways), n, name, symbols)
    return list(endings.values())


def _filled(graph: Graph, ending: _Ending) -> tuple[int, ...]:
    """The symbols of a template, with what its slots begin or end with in all sentences."""
    # The tokens of the words in each sentence, from the last one back.
    last = {graph.sentence[i]: i for i in reversed(ending.places)}
    rows = {s: [i] for s, i in last.items()}
    state, beginning = ending.state, ending.state.best[2]
    for _, slot in reversed(beginning[1:]):
        assert state.before is not None
        state = state.before
        for s, row in rows.items():
            row.append(
                max(
                    i
                    for i in state.ways
                    if graph.sentence[i] == s and row[-1] in graph.on[i] and slot == (i + 1 < row[-1])
                )
            )
    symbols: list[int] = []
    for w, (word, slot) in enumerate(beginning):
        if slot:
            before = [row[len(row) - w] + 1 if w else graph.start_of(row[0]) for row in rows.values()]
            symbols += _slot([graph.words[a : row[-1 - w]] for a, row in zip(before, rows.values(), strict=True)])
        symbols.append(word)
    if ending.trailing:
        symbols += _slot([graph.words[row[0] + 1 : graph.end_of(row[0])] for row in rows.values()])
    return tuple(symbols)


def _slot(held: list[list[int]]) -> list[int]:
    """A slot, given what it holds in each sentence: where that is longer than in others, at least a word is its own."""
    shortest, longest = min(map(len, held)), max(map(len, held))
    if shortest == longest:
        common = [words[0] if len({*words}) == 1 else SLOT for words in zip(*held, strict=True)]
        return [symbol for i, symbol in enumerate(common) if symbol != SLOT or not i or common[i - 1] != SLOT]
    early = late = 0
    while early < shortest - 1 and len({words[early] for words in held}) == 1:
        early += 1
    while early + late < shortest - 1 and len({words[-1 - late] for words in held}) == 1:
        late += 1
    first = held[0]
    return [*first[:early], SLOT, *first[len(first) - late :]]


def _chosen(endings: Iterable[_Ending]) -> list[_Ending]:
    """What no other template of the same sentences extends or equals, in order of the words before they were filled."""
    groups = defaultdict(list)
    for ending in sorted(endings, key=lambda ending: (-sum(symbol >= 0 for symbol in ending.symbols), ending.order)):
        groups[ending.sentences].append(ending)
    kept = [
        ending
        for group in groups.values()
        for i, ending in enumerate(group)
        if not any(extends(other.symbols, ending.symbols) for other in group[: min(i, COMPARED)])
    ]
    return sorted(kept, key=lambda ending: ending.order)
