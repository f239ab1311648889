"""Checks of the kernels of sentence templates."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._data import poems
from ..compat import nlp_zero
from ..templates import Parser, Template, TemplateFinder
from . import Check, exact

_TEMPLATES = (
    "[X] 和 [X]",
    "[X] 的 颜色 是 什么",
    "[X] 呢",
    "[X] 的 [X]",
    "为什么 [X]",
    "[X] 是 [X]",
    "[X] 可以 [X] 吗",
    "[X] 怎么 [X]",
    "[X] 有 什么 [X]",
    "请问 [X]",
)


def _sentences() -> tuple[list[Template], list[list[str]]]:
    """Sentences of the templates' words, so that much of them matches in many ways."""
    templates = [Template.parse(text) for text in _TEMPLATES]
    words = sorted({word for template in templates for word in template if word is not None}) + list("甲乙丙丁")
    rng = np.random.default_rng(0)
    return templates, [rng.choice(words, size=rng.integers(8, 20)).tolist() for _ in range(20)]


def _parse(data: tuple[list[Template], list[list[str]]]) -> list[Any]:
    templates, sentences = data
    parser = Parser(templates)
    return [parser.parse(words).to_dict() for words in sentences]


def _search(data: tuple[list[Template], list[list[str]]]) -> list[Any]:
    templates, sentences = data
    trie = Parser(templates).templates
    return [trie.search(words) for words in sentences]


def _parse_loosely(data: tuple[list[Template], list[list[str]]]) -> list[Any]:
    templates, sentences = data
    parser = nlp_zero.Parser(nlp_zero.XTrie((template.words, n) for n, template in enumerate(templates, 1)), list)
    return [str(parser.parse(words)) for words in sentences]


def _count_readings(verses: list[str]) -> list[Any]:
    finder = nlp_zero.Template_Finder(list, 3, 1e-5, 3)
    finder.train(verses)
    finder.find(verses)
    return [(tuple(template), count) for template, count in finder.templates.items()]


CHECKS = [
    Check("templates.parse", _sentences, _parse, exact),
    Check("templates.search", _sentences, _search, exact),
    Check(
        "templates.find",
        lambda: [piece for verse in poems()[:1500] for piece in verse[:-1].split("，")],
        lambda verses: list(TemplateFinder(list, 3, 1e-4, 3, count="path").fit(verses).templates_.items()),
        exact,
    ),
    Check("templates.parse, nlp-zero's rules", _sentences, _parse_loosely, exact),
    Check("templates.find, nlp-zero's rules", lambda: poems()[:1000], _count_readings, exact),
    Check(
        "templates.find_closed",
        lambda: [piece for verse in poems()[:1500] for piece in verse[:-1].split("，")],
        lambda verses: list(TemplateFinder(list, 3, 1e-4, 1).fit(verses).templates_.items()),
        exact,
    ),
]
