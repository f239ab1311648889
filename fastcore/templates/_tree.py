"""Sentences as trees of templates, and the forms of a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._extras import require
from ._drawing import laid_out, svg
from ._template import Template
from ._trie import UNIT


def _bracketed(word: str) -> str:
    """A word as it stands in brackets: as one token."""
    return re.sub(r"\s+", "_", word.replace("(", "-LRB-").replace(")", "-RRB-"))


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

    # Node: [start, end, template, nodes in its subtree, score], in preorder. Trees of a sentence share the list,
    # so that no depth of nesting needs recursion.
    def __init__(
        self,
        sentence: tuple[str, ...],
        nodes: Sequence[Sequence[int]],
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
        return self._nodes[self._index][4] * UNIT

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
        """Return the tree in brackets, as treebanks write it: ``(X word (X word))``.

        Brackets in words are -LRB- and -RRB-, white space in them is _.
        """
        parts: list[str] = []
        pending: list[SentenceTree | str] = [self]
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                parts.append(item)
                continue
            children = iter(item.children)
            inner: list[SentenceTree | str] = [
                next(children) if word is None else f" {_bracketed(word)}" for word in (item.template or item.words)
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
