"""Trees as pictures: templates above, words below."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ._tree import SentenceTree

# Characters that XML forbids.
_NO_XML = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff]")
# A narrow character, the gap between words and the distance of two levels in pixels; a wide character is two.
_UNIT, _GAP, _LEVEL = 8, 2, 44


class Label(NamedTuple):
    """A text, its middle in narrow characters from the left, its level and the label that it hangs from (or -1)."""

    text: str
    x: float
    depth: int
    parent: int


def laid_out(tree: SentenceTree) -> tuple[list[Label], float]:
    """The labels of a tree, each before those that hang from it, and the width: words and plain stretches side by side.

    A template stands in the middle of its first and last part.
    """
    texts: list[tuple[str, int, int]] = []
    middles: list[float] = []
    right = 0.0
    pending: list[tuple[SentenceTree | str, int, int]] = [(tree, 0, -1)]
    while pending:
        item, depth, parent = pending.pop()
        if not isinstance(item, str) and item.template is not None:
            children = iter(item.children)
            parts = [next(children) if word is None else word for word in item.template]
            pending += [(part, depth + 1, len(texts)) for part in reversed(parts)]
            texts.append((str(item.template), depth, parent))
            middles.append(-1.0)
            continue
        text = item if isinstance(item, str) else " ".join(item.words)
        width = sum(2 if ord(character) > 0x2E7F else 1 for character in text) + _GAP
        texts.append((text, depth, parent))
        middles.append(right + width / 2)
        right += width
    first, last = [-1.0] * len(texts), [-1.0] * len(texts)
    for i in reversed(range(len(texts))):
        if middles[i] < 0:
            middles[i] = (first[i] + last[i]) / 2
        parent = texts[i][2]
        if parent >= 0:
            first[parent] = middles[i]
            last[parent] = max(last[parent], middles[i])
    labels = [Label(text, x, depth, parent) for (text, depth, parent), x in zip(texts, middles, strict=True)]
    return labels, right


def svg(tree: SentenceTree) -> str:
    """The tree as an SVG image."""
    labels, width = laid_out(tree)
    height = _LEVEL * (max(label.depth for label in labels) + 1)
    lines, texts = [], []
    for label in labels:
        x, y = _UNIT * label.x, _LEVEL * (label.depth + 0.5)
        if label.parent >= 0:
            above = labels[label.parent]
            x2, y2 = _UNIT * above.x, _LEVEL * (above.depth + 0.5)
            lines.append(f'<line x1="{x:g}" y1="{y - 12:g}" x2="{x2:g}" y2="{y2 + 8:g}"/>')
        shown = escape(_NO_XML.sub("\ufffd", label.text))
        texts.append(f'<text x="{x:g}" y="{y + 4:g}">{shown}</text>')
    size = f'width="{_UNIT * max(width, 1):g}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="14" text-anchor="middle">'
        f'<g stroke="#999">{"".join(lines)}</g>{"".join(texts)}</svg>'
    )
