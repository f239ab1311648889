"""Where templates match, and the trees they make of sentences."""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels
from .._extras import require
from .._immutable import Immutable
from .._texts import Manner, Texts, packing, strings
from .._validation import as_list, as_number
from .._whole import whole_file
from ._drawing import laid_out, svg
from ._sentences import sentence_lists
from ._template import Template, Tokenize, as_words

# Scores are whole multiples of this (2**-20, a millionth), so that sums are exact and equal readings tie.
_UNIT = 2.0**-20
# Bytes that the table of a sentence takes without a word.
_LARGE = 300e6


class Match(NamedTuple):
    """A template that reads exactly the words from `start` up to `end`."""

    start: int
    end: int
    template: Template
    occurrences: int


class TemplateTrie(Immutable):
    """Templates with counts, and where they match.

    Parameters
    ----------
    templates : mapping of Template to int, or iterable of Template
        Counts of 1 or more; an iterable counts each time a template occurs.

    Raises
    ------
    TypeError
        If something isn't a `Template`, or a count isn't an int.
    ValueError
        If there is none, or a count is below 1.

    Notes
    -----
    Matching is strict: a slot takes one or more words, adjacent words of a template are adjacent in the sentence,
    and the template covers the span from its first to its last word (nlp-zero's ``XTrie`` lets slots stay empty and
    words stand apart). `search` takes O(n**2 a) for n words and a partly matched templates at a time.

    Examples
    --------
    >>> from fastcore.templates import Template, TemplateTrie
    >>> trie = TemplateTrie([Template.parse("[X] 和 [X]"), Template.parse("[X] 呢")])
    >>> for match in trie.search(["雪梨", "和", "苹果", "呢"]):
    ...     print(match.start, match.end, match.template)
    0 3 [X]和[X]
    0 4 [X]和[X]
    0 4 [X]呢
    1 4 [X]呢
    2 4 [X]呢
    """

    def __init__(self, templates: Mapping[Template, int] | Iterable[Template]) -> None:
        self._backend = active_backend()
        if isinstance(templates, str | Template):
            raise TypeError(f"templates must be a mapping or an iterable of Template, got {type(templates).__name__}")
        listed = as_list(templates, "templates", "a mapping or an iterable of Template")
        for template in listed:
            if not isinstance(template, Template):
                raise TypeError(f"templates must hold Template, got {type(template).__name__}")
        given = dict(templates) if isinstance(templates, Mapping) else Counter(listed)
        self._counts: dict[Template, int] = {}
        for template, count in given.items():
            if not isinstance(count, int | np.integer) or isinstance(count, bool):
                raise TypeError(f"the count of {template} must be an int, got {type(count).__name__}")
            if count < 1:
                raise ValueError(f"the count of {template} must be at least 1, got {count}")
            self._counts[template] = int(count)
        if not self._counts:
            raise ValueError("templates must hold at least one Template")
        self._prepare()

    def _prepare(self) -> None:
        self._list = list(self._counts)
        self._ids: dict[str, int] = {}
        symbols = [-1 if w is None else self._ids.setdefault(w, len(self._ids)) for t in self._list for w in t]
        log_total = math.log(self.total)
        self._scores = [round((math.log(count) - log_total) / _UNIT) for count in self._counts.values()]
        self._trie = kernels("templates.trie", self._backend).TemplateTrie(
            np.array(symbols, np.int64),
            np.cumsum([0, *map(len, self._list)], dtype=np.int64),
            np.array(self._scores, np.int64),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TemplateTrie:
        """Read templates from a text file: on each line a template and, after a tab, its count (1 if it has none).

        Parameters
        ----------
        path : str or path-like
            The file, uncompressed by suffix (.gz, .bz2, .xz, .zst). Words of a template stand between spaces.

        Raises
        ------
        ValueError
            If a line is none of a template, a template stands twice, or there is none.
        OSError
            If the file can't be read.

        Examples
        --------
        >>> import tempfile
        >>> from fastcore.templates import Template, TemplateTrie
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     TemplateTrie({Template(["a", None]): 3}).save(f"{folder}/templates.txt")
        ...     list(TemplateTrie.load(f"{folder}/templates.txt"))
        [Template(['a', None])]
        """
        counts: dict[Template, int] = {}
        for number, line in enumerate(strings(Path(path), Manner(name="path")), 1):
            if not line.strip():
                continue
            text, tab, count = line.partition("\t")
            try:
                template, n = Template.parse(text), int(count) if tab else 1
                if n < 1 or template in counts:
                    raise ValueError("the count must be at least 1" if n < 1 else "it stood there before")
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: not a template and its count ({error})") from None
            counts[template] = n
        if not counts:
            raise ValueError(f"{path} holds no template")
        return cls(counts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write templates and counts as lines of text, which `load` reads.

        Parameters
        ----------
        path : str or path-like
            Where to; compressed by suffix. Written whole or not at all.

        Raises
        ------
        ValueError
            If a word holds white space or ``[X]``.
        """
        lines = [f"{template.text}\t{count}\n".encode() for template, count in self._counts.items()]
        with whole_file(path) as file, packing(file, os.fspath(path)) as stream:
            stream.writelines(lines)

    def __getstate__(self) -> tuple[str, dict[Template, int]]:
        return self._backend, self._counts

    def __setstate__(self, state: tuple[str, dict[Template, int]]) -> None:
        self._backend, self._counts = state
        self._prepare()

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[Template]:
        return iter(self._counts)

    def __contains__(self, template: object) -> bool:
        return template in self._counts

    def __getitem__(self, template: Template) -> int:
        """Return a template's count, 0 if it isn't there."""
        if not isinstance(template, Template):
            raise TypeError(f"template must be a Template, got {type(template).__name__}")
        return self._counts.get(template, 0)

    def __repr__(self) -> str:
        return f"<TemplateTrie of {len(self)} templates>"

    @property
    def total(self) -> int:
        """Sum of all counts."""
        return sum(self._counts.values())

    def log_proba(self, template: Template) -> float:
        """Return the logarithm of a template's share of all counts, minus infinity if it isn't there."""
        count = self[template]
        return math.log(count) - math.log(self.total) if count else -math.inf

    def search(self, words: Sequence[str]) -> list[Match]:
        """Return all matches in a list of words, ordered by start, end and the order in which templates were given.

        Raises
        ------
        TypeError
            If `words` isn't a list of str.
        """
        found = self._trie.search(self._encode(as_words(words)))
        counts = list(self._counts.values())
        return [Match(start, end, self._list[t], counts[t]) for start, end, t in found.tolist()]

    def _encode(self, words: Sequence[str]) -> NDArray[np.int64]:
        return np.array([self._ids.get(word, -1) for word in words], dtype=np.int64)


class SentenceTree:
    """How a stretch of a sentence is read: by a template whose slots are trees, or as plain words.

    Attributes
    ----------
    words : tuple of str
        The words it covers.
    start, end : int
        Their place in the sentence.
    template : Template or None
        What reads them; None for plain words.
    score : float
        Sum of the log-probabilities of its templates and the cost of plain words, its slots included.
    children : tuple of SentenceTree
        What is in the template's slots.
    """

    __slots__ = ("_index", "_nodes", "_sentence", "_templates")

    # Node: (start, end, template, nodes in its subtree, score), in preorder. Trees of a sentence share the list,
    # so that no depth of nesting needs recursion.
    def __init__(
        self,
        sentence: tuple[str, ...],
        nodes: list[tuple[int, int, int, int, int]],
        templates: Mapping[int, Template],
        index: int = 0,
    ) -> None:
        self._sentence, self._nodes, self._templates, self._index = sentence, nodes, templates, index

    @property
    def start(self) -> int:
        return self._nodes[self._index][0]

    @property
    def end(self) -> int:
        return self._nodes[self._index][1]

    @property
    def words(self) -> tuple[str, ...]:
        return self._sentence[self.start : self.end]

    @property
    def text(self) -> str:
        """The words it covers, joined."""
        return "".join(self.words)

    @property
    def template(self) -> Template | None:
        return self._templates.get(self._nodes[self._index][2])

    @property
    def score(self) -> float:
        return self._nodes[self._index][4] * _UNIT

    @property
    def children(self) -> tuple[SentenceTree, ...]:
        found, at, stop = [], self._index + 1, self._index + self._nodes[self._index][3]
        while at < stop:
            found.append(SentenceTree(self._sentence, self._nodes, self._templates, at))
            at += self._nodes[at][3]
        return tuple(found)

    def walk(self) -> Iterator[SentenceTree]:
        """Yield this tree and all below it, each before what is in its slots."""
        for i in range(self._index, self._index + self._nodes[self._index][3]):
            yield SentenceTree(self._sentence, self._nodes, self._templates, i)

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts with keys text, template (str or None), score and children."""
        made: dict[int, dict[str, Any]] = {}
        trees = list(self.walk())
        for tree in reversed(trees):
            made[tree._index] = {
                "text": tree.text,
                "template": None if tree.template is None else str(tree.template),
                "score": tree.score,
                "children": [made.pop(child._index) for child in tree.children],
            }
        return made[self._index]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a list of dicts, one a tree of `walk`, for JSON that isn't nested however deep the tree is.

        Returns
        -------
        list of dict
            start, end, template (words and None, or None), score, and `parent`, the place of the tree in whose slot it
            is (None for the first).
        """
        rows: list[dict[str, Any]] = []
        open_trees: list[int] = []
        for tree in self.walk():
            while open_trees and rows[open_trees[-1]]["end"] <= tree.start:
                open_trees.pop()
            rows.append(
                {
                    "start": tree.start,
                    "end": tree.end,
                    "template": None if tree.template is None else list(tree.template.words),
                    "score": tree.score,
                    "parent": open_trees[-1] if open_trees else None,
                }
            )
            open_trees.append(len(rows) - 1)
        return rows

    def to_brackets(self) -> str:
        """Return the tree in brackets, as treebanks write it: ``(X word (X word))``; brackets in words are -LRB-."""
        parts: list[str] = []
        pending: list[SentenceTree | str] = [self]
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                parts.append(item)
                continue
            children = iter(item.children)
            inner: list[SentenceTree | str] = [
                next(children) if word is None else " " + word.replace("(", "-LRB-").replace(")", "-RRB-")
                for word in (item.template or item.words)
            ]
            parts.append(" (X" if parts else "(X")
            pending += [")", *reversed(inner)]
        return "".join(parts)

    def to_nltk(self) -> Any:
        """Return the tree as an ``nltk.Tree`` (needs NLTK), each template a node labelled X."""
        made: dict[int, Any] = {}
        tree_class = require("nltk", "nltk", "to_nltk").Tree
        for tree in reversed(list(self.walk())):
            children = iter(tree.children)
            made[tree._index] = tree_class(
                "X", [made.pop(next(children)._index) if w is None else w for w in (tree.template or tree.words)]
            )
        return made[self._index]

    def drawing(self) -> str:
        """Return the drawing of the post that templates come from: a line a word or slot, indented by bars."""
        lines: list[str] = []
        pending: list[tuple[SentenceTree | str, int]] = [(self, 0)]
        while pending:
            item, depth = pending.pop()
            if isinstance(item, str):
                lines.append("|     " * depth + "+---> " + item)
                continue
            children = iter(item.children)
            inner = [next(children) if word is None else word for word in item.template or item.words]
            whole = "".join(part if isinstance(part, str) else f"({part.text})" for part in inner)
            lines.append("|     " * depth + "+---> " + whole)
            if item.template is not None:
                pending += [(part, depth + 1) for part in reversed(inner)]
        return "\n".join(lines)

    def _repr_svg_(self) -> str:
        """Return the tree as an SVG image, which notebooks show."""
        return svg(self)

    def plot(self, axes: Any = None) -> Any:
        """Draw the tree with matplotlib: templates above, words below.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            Where to; by default on a new figure.

        Returns
        -------
        matplotlib Axes
            What was drawn on.
        """
        if axes is None:
            axes = require("matplotlib.figure", "plot", "plot").Figure(layout="constrained").subplots()
        labels, width = laid_out(self)
        for label in labels:
            if label.parent >= 0:
                above = labels[label.parent]
                axes.plot([label.x, above.x], [-label.depth, -above.depth], color="0.6", linewidth=1, zorder=1)
        for label in labels:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
            axes.text(label.x, -label.depth, label.text, ha="center", va="center", bbox=box)
        axes.set(xlim=(0, max(width, 1)), ylim=(-max(label.depth for label in labels) - 0.5, 0.5))
        axes.set_axis_off()
        return axes

    def _line(self) -> str:
        if self.template is None:
            return " ".join(self.words)
        slots = iter(self.children)
        return " ".join(f"({next(slots).text})" if word is None else word for word in self.template)

    def __str__(self) -> str:
        """Return an indented drawing, a line a tree; what stands in a slot is in brackets."""
        lines = []
        pending: list[tuple[SentenceTree, str, str]] = [(self, "", "")]
        while pending:
            tree, first, rest = pending.pop()
            lines.append(first + tree._line())
            children = tree.children
            for i, child in reversed(list(enumerate(children))):
                last = i == len(children) - 1
                pending.append((child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  ")))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<SentenceTree {self._line()!r}, score {self.score:.4f}>"

    def _content(self) -> tuple[Any, ...]:
        nodes = [(t.start - self.start, t.end - self.start, t.template, t.score) for t in self.walk()]
        return self.words, tuple(nodes)

    def __eq__(self, other: object) -> bool:
        return self._content() == other._content() if isinstance(other, SentenceTree) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._content())


class Parser:
    """Read sentences as trees of nested templates.

    Parameters
    ----------
    templates : TemplateTrie, mapping of Template to int, or iterable of Template
        What may occur, with counts.
    tokenize : callable, optional
        Cuts a str into words, for example ``Tokenizer(...).tokenize``. Without it, `parse` takes lists of words.
    null_score : float, default -20
        What each word after the first costs in a stretch that no template reads; not above 0.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind.

    Notes
    -----
    The score of a reading is the sum of its templates' log-probabilities plus `null_score` times (words - 1) for each
    stretch of plain words; the best of all readings is found exactly, over all spans: O(n**3 a) for n words and a
    partly matched templates at a time, O(n**2) memory. Scores are whole multiples of 2**-20, so equal readings tie:
    then a template wins over plain words, one with more words over one with fewer, one with fewer slots over one with
    more, the one given first over a later one; and its slots, from the last to the first, begin as early as the score
    allows.

    nlp-zero's ``Parser`` takes a template wherever one matches, even where plain words would score better, rounds
    scores to 4 places, and needs time exponential in the words.

    Examples
    --------
    >>> from fastcore.templates import Parser, Template
    >>> parser = Parser([Template.parse("[X] 和 [X]"), Template.parse("[X] 的 颜色 是 什么"), Template.parse("[X] 呢")])
    >>> print(parser.parse("雪梨 和 苹果 和 香蕉 的 颜色 是 什么 呢".split()))
    (雪梨和苹果和香蕉的颜色是什么) 呢
    └─ (雪梨和苹果和香蕉) 的 颜色 是 什么
       └─ (雪梨) 和 (苹果和香蕉)
          ├─ 雪梨
          └─ (苹果) 和 (香蕉)
             ├─ 苹果
             └─ 香蕉
    """

    def __init__(
        self,
        templates: TemplateTrie | Mapping[Template, int] | Iterable[Template],
        tokenize: Tokenize | None = None,
        *,
        null_score: float = -20.0,
    ) -> None:
        self.templates = templates if isinstance(templates, TemplateTrie) else TemplateTrie(templates)
        if tokenize is not None and not callable(tokenize):
            raise TypeError(f"tokenize must be callable, got {type(tokenize).__name__}")
        self.tokenize = tokenize
        self.null_score = as_number(null_score, "null_score", low=-1e6, high=0.0)

    def __repr__(self) -> str:
        return f"<Parser with {len(self.templates)} templates, null_score {self.null_score:g}>"

    def parse(self, text: str | Sequence[str]) -> SentenceTree:
        """Return the best reading of a sentence.

        Parameters
        ----------
        text : str or list of str
            A sentence, or its words.

        Raises
        ------
        TypeError
            If it is neither, or a str where there is no `tokenize`.

        Warns
        -----
        RuntimeWarning
            If it is so long, above 5,000 words, that more than 300 MB are needed.
        """
        if isinstance(text, str):
            if self.tokenize is None:
                raise TypeError("text must be a list of words, since this Parser was made without tokenize; got str")
            text = self.tokenize(text)
        words = as_words(text)
        warn_of_memory(len(words), 12)
        trie, null = self.templates, round(self.null_score / _UNIT)
        _, spans = trie._trie.parse(trie._encode(words), null)
        used = {t: trie._list[t] for t in set(spans[:, 2].tolist()) if t >= 0}
        nodes: list[tuple[int, int, int, int, int]] = []
        # From the last to the first: a node's children are made before it, and lie on the stack in order.
        made: list[tuple[int, int]] = []
        for start, end, t in reversed(spans.tolist()):
            size, score = 1, trie._scores[t] if t >= 0 else null * max(end - start - 1, 0)
            for _ in range(used[t].n_slots if t >= 0 else 0):
                child_size, child_score = made.pop()
                size, score = size + child_size, score + child_score
            made.append((size, score))
            nodes.append((start, end, t, size, score))
        return SentenceTree(words, nodes[::-1], used)

    def equivalence_classes(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> dict[tuple[Template, int], Counter[tuple[str, ...]]]:
        """Return what takes the same place: for each slot of the templates that read some sentences, what was in it.

        Parameters
        ----------
        texts : iterable, path, bytes, open file or pyarrow array
            Sentences as str or bytes, or lists of their words. A path is a file, each of its lines a sentence,
            uncompressed by its suffix (gz, xz, bz2, zst), or a folder of such files.
        encoding : str, default "utf-8"
            What bytes and files are encoded in.
        errors : {"strict", "replace", "ignore"}, default "strict"
            Bytes that can't be decoded raise, become U+FFFD, or are left out.
        pattern : str, optional
            Of a folder only the files whose names match, as ``"*.txt"``.

        Returns
        -------
        dict of (Template, int) to Counter
            For each template in some tree, and the number of a slot, the words that were in it, with counts; those
            first that were used most.

        Raises
        ------
        TypeError
            If a sentence is neither a str nor a list of str, or a str where there is no `tokenize`.

        Notes
        -----
        What replaces one another in a frame is alike, which is how ADIOS (Solan et al., "Unsupervised learning of
        natural languages", PNAS 2005) calls classes of words equivalent.

        Examples
        --------
        >>> from fastcore.templates import Parser, Template
        >>> parser = Parser([Template.parse("[X] 的 颜色")])
        >>> classes = parser.equivalence_classes([["雪梨", "的", "颜色"], ["苹果", "的", "颜色"]])
        >>> [(str(template), slot, sorted(words)) for (template, slot), words in classes.items()]
        [('[X]的颜色', 0, [('苹果',), ('雪梨',)])]
        """
        classes: dict[tuple[Template, int], Counter[tuple[str, ...]]] = {}
        number = 0
        for sentences in sentence_lists(
            texts, Manner(encoding=encoding, errors=errors, pattern=pattern), self.tokenize
        ):
            for i, words in enumerate(sentences, number):
                for tree in self.parse(as_words(words, f"texts[{i}]")).walk():
                    for slot, child in enumerate(tree.children):
                        if tree.template is not None:
                            classes.setdefault((tree.template, slot), Counter())[child.words] += 1
            number += len(sentences)
        return dict(sorted(classes.items(), key=lambda one: -one[1].total()))


def warn_of_memory(n_words: int, pair: int) -> None:
    """Say so if a table of all stretches of a sentence, with so many bytes for each, is large."""
    size = pair * (n_words + 1) ** 2
    if size > _LARGE:
        warnings.warn(
            f"a sentence of {n_words:,} words takes {size / 1e6:,.0f} MB, and time that grows as their cube",
            RuntimeWarning,
            stacklevel=3,
        )
