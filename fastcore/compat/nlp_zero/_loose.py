"""An `XTrie` as an automaton: which templates a list of words may be the beginning of."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._backend import kernels
from ._lattice import log

MOST_STATES = 2_000_000
# Numbers of placeholders before each word so far, the last one first.
Slots: TypeAlias = tuple["Slots", int] | None


class Node(NamedTuple):
    """A node of the trie, as one of those that the same words lead to.

    Attributes
    ----------
    order : (int, int)
        Its rank among those that the words up to the last one lead to, and the placeholders since then.
    slots : Slots
        Placeholders before each word.
    children : dict
        The trie's node.
    """

    order: tuple[int, int]
    slots: Slots
    children: dict[Any, Any]


class Automaton:
    """What the templates of an `XTrie` read, where words may be left out anywhere and placeholders take one or more.

    A state is a set of the trie's nodes: those that are reached where the same words are matched. Of templates with the
    same words nlp-zero keeps, for the same places, the count of the one that its search comes to last, which has the
    fewest placeholders before the first of its words where they differ.
    """

    def __init__(self, trie: Any) -> None:
        self.ids: dict[Hashable, int] = {}
        end, log_total = trie.end, log(trie.total_items)
        states: dict[tuple[int, ...], int] = {}
        nodes: list[list[Node]] = []
        gap, first, words, targets, scores, sizes = [], [0], list[int](), list[int](), list[float](), list[int]()
        slots_first, slots = [0], list[int]()

        def state_of(members: list[Node], size: int) -> int:
            name = tuple(id(node.children) for node in members)
            if name not in states:
                if len(states) == MOST_STATES:
                    raise ValueError(
                        f"templates must not have more than {MOST_STATES:,} sets of beginnings with the same words"
                    )
                states[name] = len(states)
                nodes.append(members)
                sizes.append(size)
            return states[name]

        state_of([Node((0, 0), None, trie.dic)], 0)
        for state, members in enumerate(nodes):
            size = sizes[state]
            after = {id(node.children): node for node in members}
            on: dict[Any, list[Node]] = {}
            for rank, node in enumerate(members):
                for word, children in node.children.items():
                    if word is None:
                        more = Node((node.order[0], node.order[1] + 1), node.slots, children)
                        after.setdefault(id(children), more)
                    elif word is not end:
                        on.setdefault(word, []).append(Node((rank, 0), (node.slots, node.order[1]), children))
            gap.append(state_of(sorted(after.values(), key=lambda node: node.order), size))
            ways = sorted((self.ids.setdefault(word, len(self.ids)), state_of(to, size + 1)) for word, to in on.items())
            words += [word for word, _ in ways]
            targets += [to for _, to in ways]
            first.append(len(words))
            ends = [node for node in members if end in node.children]
            scores.append(log(ends[0].children[end][1]) - log_total if ends else np.nan)
            if ends:
                slots += _unrolled(ends[-1])
            slots_first.append(len(slots))
        integers = (gap, first, words, targets, sizes, slots_first, slots)
        self._gap, self._first, self._words, self._targets, self._sizes, self._slots_first, self._slots = (
            np.array(numbers, np.int64) for numbers in integers
        )
        self._scores = np.array(scores, np.float64)

    def best_reading(self, words: Sequence[Hashable], null_score: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(start, end, number of places) of the best reading in preorder, and the places of the matched words."""
        ids = np.fromiter(map(self.ids.get, words, repeat(-1)), np.int64, len(words))
        _, nodes, places = kernels("templates.loose").best_reading(
            self._gap,
            self._first,
            self._words,
            self._targets,
            self._scores,
            self._sizes,
            self._slots_first,
            self._slots,
            ids,
            null_score,
        )
        return nodes, places


def _unrolled(node: Node) -> list[int]:
    """Placeholders before each word, and behind the last."""
    numbers, slots = [node.order[1]], node.slots
    while slots is not None:
        slots, number = slots
        numbers.append(number)
    return numbers[::-1]
