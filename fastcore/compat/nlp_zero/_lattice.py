"""nlp-zero's trie, lattice and tokenizer."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ... import lexicon as _lexicon
from ..._texts import reading
from ..._turns import TakesTurns, in_turn
from ...lexicon._files import parse_text

PATHS = 1_000_000  # DAG.all_paths refuses more


def log(x: float) -> float:
    """Natural logarithm, with -100 for 0."""
    return math.log(x) if x else -100


class Trie(TakesTurns):
    """A trie of words (or tuples) with counts: ``trie[word] = count``, where 0 deletes and 0 is what isn't there.

    As in nlp-zero, deleting leaves ``log_total_items`` as it was until a count is set again.

    Parameters
    ----------
    path_or_trie : str, path-like or iterable of (word, count), optional
        A UTF-8 file of lines ``word [count]``, or what `update` takes.

    Notes
    -----
    Threads take turns to set and to delete; iterating goes over what there is when it begins.
    """

    def __init__(self, path_or_trie: str | os.PathLike[str] | Iterable[tuple[Any, int]] | None = None) -> None:
        self.dic: dict[Any, Any] = {}
        self.end = True
        self.num_items = 0
        self.total_items = 0
        self.log_total_items: float = log(0)
        self._changes = 0  # so that a compiled form knows whether it still holds
        if isinstance(path_or_trie, str | os.PathLike):
            with reading(path_or_trie) as file:
                for word, count in parse_text(file.read(), os.fspath(path_or_trie)).items():
                    self._set(word, count)
        elif path_or_trie is not None:
            self.update(path_or_trie)

    @in_turn
    def __setitem__(self, item: Any, count: int) -> None:
        self._set(item, count)

    def _set(self, item: Any, count: int) -> None:
        if count == 0:
            self._delete(item)
            return
        node = self.dic
        for character in item:
            node = node.setdefault(character, {})
        if self.end in node:
            self.total_items += count - node[self.end][1]
        else:
            self.total_items += count
            self.num_items += 1
        node[self.end] = (item, count)
        self.log_total_items = log(self.total_items)
        self._changes += 1

    def _node(self, item: Any) -> dict[Any, Any] | None:
        node: dict[Any, Any] | None = self.dic
        for character in item:
            node = node.get(character) if node is not None else None
        return node

    def __getitem__(self, item: Any) -> int:
        node = self._node(item)
        count: int = node.get(self.end, ("", 0))[1] if node is not None else 0
        return count

    @in_turn
    def __delitem__(self, item: Any) -> None:
        self._delete(item)

    def _delete(self, item: Any) -> None:
        node = self._node(item)
        if node is not None and self.end in node:
            self.num_items -= 1
            self.total_items -= node.pop(self.end)[1]
            self._changes += 1

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        return iter(self._items())

    @in_turn
    def _items(self) -> list[tuple[Any, int]]:
        found = []
        stack = [iter(self.dic.items())]
        while stack:
            for key, value in stack[-1]:
                if key == self.end:
                    found.append(value)
                else:
                    stack.append(iter(value.items()))
                    break
            else:
                stack.pop()
        return found

    def __repr__(self) -> str:
        return f"<Trie: {self.num_items} items, {self.total_items} frequency>"

    def search(self, sent: Any) -> dict[tuple[int, int], tuple[Any, int]]:
        """Return {(start, end): (word, count)} of all words in a sentence, by rising start, then end."""
        result = {}
        for i in range(len(sent)):
            node = self.dic
            for j in range(i, len(sent)):
                if sent[j] not in node:
                    break
                node = node[sent[j]]
                if self.end in node:
                    result[i, j + 1] = node[self.end]
        return result

    def update(self, tire: Iterable[tuple[Any, int]]) -> None:
        """Set the counts of (word, count) pairs."""
        # Read before this trie's turn comes: the pairs may come from a trie.
        self._set_all([(item, count) for item, count in tire])

    @in_turn
    def _set_all(self, pairs: list[tuple[Any, int]]) -> None:
        for item, count in pairs:
            self._set(item, count)

    def get_proba(self, w: Any, logit: bool = True) -> float:
        """Return the log-probability of a word, or with ``logit=False`` its probability."""
        return log(self[w]) - self.log_total_items if logit else self[w] / self.total_items


class DAG:
    """A graph of scored edges from each of `nb_node` positions to later ones: ``dag[start, end] = score``.

    Threads may add edges at the same time; paths that are asked for meanwhile may be a RuntimeError of a dictionary
    that changed its size.
    """

    def __init__(self, nb_node: int, null_score: float = -100) -> None:
        self.edges: dict[int, dict[int, float]] = {}
        self.nb_node = nb_node
        self.null_score = null_score

    def __setitem__(self, start_end: tuple[int, int], score: float) -> None:
        start, end = start_end
        self.edges.setdefault(start, {})[end] = score

    def optimal_path(self) -> list[tuple[int, int]]:
        """Return the edges (start, end) of the best path.

        Where no edge has reached the next position, a step of `null_score` does.
        """
        # A path is (path before, last edge), so that paths share what they have in common.
        result: dict[int, tuple[Any, float]] = {0: (None, 1)}
        for start in range(self.nb_node):
            for end, gain in self.edges.get(start, {}).items():
                path, score = result[start]
                if end not in result or score + gain > result[end][1]:
                    result[end] = (path, (start, end)), score + gain
            if start + 1 not in result:
                path, score = result[start]
                result[start + 1] = (path, (start, start + 1)), score + self.null_score
        edges = []
        path = result[self.nb_node][0]
        while path is not None:
            path, edge = path
            edges.append(edge)
        return edges[::-1]

    def count_paths(self) -> int:
        """Return how many paths `all_paths` has, without listing them."""
        counts: dict[int, int] = {}
        starts = self._starts()
        # Only what a path comes to: an edge that enters where it leaves is in nobody's way elsewhere.
        reached, pending = set(starts), list(starts)
        while pending:
            node = pending.pop()
            self._check(node)
            new = {end - 1 for end in self.edges.get(node, ())} - reached
            reached |= new
            pending += new
        for node in sorted(reached, reverse=True):
            counts[node] = sum(counts[end - 1] for end in self.edges[node]) if node in self.edges else 1
        return sum(counts[node] for node in starts)

    def all_paths(self) -> list[list[int]]:
        """Return every path, as lists of positions, from positions that no edge enters; at most a million.

        Raises
        ------
        ValueError
            If there are more, or an edge doesn't lead forward.
        """
        number = self.count_paths()
        if number > PATHS:
            raise ValueError(f"the graph has {number} paths, more than the {PATHS} that all_paths lists")
        paths = []
        for start in self._starts():
            stack = [[start]]
            while stack:
                path = stack.pop()
                if path[-1] in self.edges:
                    stack += [[*path, end - 1] for end in reversed(self.edges[path[-1]])]
                else:
                    paths.append(path)
        return paths

    def _starts(self) -> list[int]:
        entered = {end for ends in self.edges.values() for end in ends}
        return [node for node in range(self.nb_node) if node + 1 not in entered]

    def _check(self, node: int) -> None:
        for end in self.edges.get(node, ()):
            if end - 1 <= node:
                raise ValueError(f"edge ({node}, {end}) enters where it leaves, so that paths through it have no end")


class Tokenizer(TakesTurns):
    """Segmentation by the most probable path over a trie's words.

    Parameters
    ----------
    word_trie : Trie, optional
        Words with counts; changes to it are seen. Default: the dictionary of nlp-zero where that is installed,
        otherwise jieba's.
    """

    def __init__(self, word_trie: Trie | None = None) -> None:
        self.words = Trie(_default_dictionary()) if word_trie is None else word_trie
        self.Aa123 = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        # The compiled form of the trie, made once as much text has gone by since its last change as it has words.
        self._compiled: dict[bool, _lexicon.Tokenizer] = {}
        self._seen = -1
        self._debt = 0

    @in_turn
    def _fast(self, combine: bool, length: int) -> _lexicon.Tokenizer | None:
        if self._seen != self.words._changes:
            self._seen, self._debt, self._compiled = self.words._changes, 0, {}
        self._debt += length
        if not self._compiled and self._debt >= self.words.num_items:
            self._debt = -(2**62)
            words = dict(self.words)
            # A total left behind by deletions, or counts that aren't counts, are for the plain way.
            if self.words.log_total_items == log(self.words.total_items) and all(
                isinstance(word, str) and word and isinstance(count, int) and 0 < count < 2**40
                for word, count in words.items()
            ):
                lexicon = _lexicon.Lexicon(words)
                self._compiled = {
                    join: _lexicon.Tokenizer(lexicon, join_alnum=join, punctuation="。，、！？\n ")
                    for join in (False, True)
                }
        return self._compiled.get(combine)

    def simple_tokenize(self, sent: str) -> list[str]:
        """Return the words of a sentence, punctuation taken as text."""
        if not sent:
            return []
        dag = DAG(len(sent))
        for edge, (_, count) in self.words.search(sent).items():
            dag[edge] = log(count) - self.words.log_total_items
        return [sent[i:j] for i, j in dag.optimal_path()]

    def combine_Aa123(self, simple_result: Iterable[str]) -> list[str]:
        """Join neighbouring tokens of letters and digits."""
        result: list[str] = []
        combine = False
        for word in simple_result:
            if word[-1] not in self.Aa123:
                combine = False
            elif not combine:
                combine = True
            elif re.fullmatch(r"[a-zA-Z\d.]*", word):
                result[-1] += word
                continue
            else:
                combine = False
            result.append(word)
        return result

    def tokenize(self, sent: str, combine_Aa123: bool = True) -> list[str]:
        """Return the words of a text: cut at punctuation, segmented, letters and digits joined."""
        fast = self._fast(bool(combine_Aa123), len(sent))
        if fast is not None:
            return fast.tokenize(sent)
        result: list[str] = []
        start = 0
        for match in re.finditer("[。，、！？\n ]+", sent):
            result += self.simple_tokenize(sent[start : match.start()])
            result += match.group()
            start = match.end()
        result += self.simple_tokenize(sent[start:])
        return self.combine_Aa123(result) if combine_Aa123 else result


def _default_dictionary() -> Path:
    # Read as data: neither package's code is imported.
    for package, file in (("nlp_zero", "dic.txt"), ("jieba", "dict.txt")):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec is not None else []:
            if Path(folder, file).exists():
                return Path(folder, file)
    raise ImportError(
        "a Tokenizer without a trie uses the dictionary of nlp-zero or jieba: pip install 'fastcore-kernels[zh]', "
        "or give a trie"
    )
