"""Parsing sentences with templates, beside nlp-zero."""

from __future__ import annotations

import collections
import collections.abc
import itertools
import logging
import math
import re
import warnings

import numpy as np

from bench import _data, _logs
from bench._harness import Workload, prepared
from fastcore._data import segmented
from fastcore.compat import nlp_zero as face
from fastcore.templates import SLOT, Parser, Template, TemplateFinder

TEXTS = ["[X] 和 [X]", "[X] 的 颜色 是 什么 [X]", "[X] 呢", "[X] 的 [X]", "为什么 [X]", "[X] 是 [X]", "[X] 可以 [X] 吗"]


DENSE = ["[X] 的 [X]", "的 [X]", "[X] 的"]


def _sentences(n: int, length: int) -> tuple[list[str], list[list[str]]]:
    words = sorted({word for text in TEXTS for word in text.split() if word != SLOT}) + list("甲乙丙丁戊己庚辛")
    rng = np.random.default_rng(0)
    return TEXTS, [rng.choice(words, size=length).tolist() for _ in range(n)]


@prepared
def _fastcore(data):
    texts, sentences = data
    parser = Parser([Template.parse(text) for text in texts])
    return lambda: [parser.parse(words) for words in sentences]


def _nlp_zero():
    collections.Iterable = collections.abc.Iterable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nlp_zero
    return nlp_zero


def _loose_parser(library, data):
    """Parse by nlp-zero's rules; slots may stay empty there, so that there are more readings."""
    texts, sentences = data
    trie = library.XTrie()
    for text in texts:
        trie[tuple(library.Template(None if w == SLOT else w for w in text.split()))] = 1
    parser = library.Parser(trie, list)
    return lambda: [parser.parse(words) for words in sentences]


@prepared
def _peer(data):
    return _loose_parser(_nlp_zero(), data)


@prepared
def _face(data):
    return _loose_parser(face, data)


def _same_trees(ours, theirs, name) -> bool:
    return list(map(str, ours)) == list(map(str, theirs))


def _legal(ours, theirs, name) -> bool | str:
    """Other rules, other trees: check that the words are the same and count equal main templates."""
    if any(a.text != b.content for a, b in zip(ours, theirs)):
        return False
    same = sum(list(a.template or a.words) == list(b.template) for a, b in zip(ours, theirs))
    return f"other rules; {same} of {len(ours)} main templates equal"


@prepared
def _many_templates(data):
    templates, sentences = data
    parser = Parser(templates)
    return lambda: [parser.parse(words) for words in sentences]


def _generated(n_templates: int, n_sentences: int) -> tuple[dict[Template, int], list[list[str]]]:
    rng = np.random.default_rng(1)
    weights = 1.0 / np.arange(1, 5001)
    words = [f"w{i}" for i in range(5000)]

    def draw(size: int) -> list[str]:
        return [words[i] for i in rng.choice(5000, size, p=weights / weights.sum())]

    counts: dict[Template, int] = {}
    for _ in range(n_templates):
        symbols: list[str | None] = draw(int(rng.integers(1, 5)))
        for at in range(len(symbols), -1, -1):
            if rng.random() < 0.5:
                symbols.insert(at, None)
        template = Template(symbols)
        counts[template] = counts.get(template, 0) + int(rng.integers(1, 100))
    return counts, [draw(25) for _ in range(n_sentences)]


def _verses(n: int) -> list[str]:
    lines = _data.lines("text/classical_poems_2mb.txt.xz")[:n]
    return [piece for line in lines for piece in re.split("[^\u4e00-\u9fa50-9a-zA-Z]+", line) if piece]


def _find(verses):
    return TemplateFinder(list, 5, 1e-5, 2, count="path", trivial=True).fit(verses).templates_


def _loose_find(library, verses):
    finder = library.Template_Finder(list, 5, 1e-5, 2)
    finder.train(verses)
    finder.find(verses, remove_weak_grams=False)
    return finder.templates


def _peer_find(verses):
    logging.getLogger().setLevel(logging.WARNING)
    return _loose_find(_nlp_zero(), verses)


def _face_find(verses):
    return _loose_find(face, verses)


def _same_templates(ours, theirs, name) -> bool:
    return [(tuple(t), n) for t, n in ours.items()] == [(tuple(t), n) for t, n in theirs.items()]


_LINES = 200_000


def _find_frames(lines: list[list[str]]) -> TemplateFinder:
    return TemplateFinder(min_count=max(2, len(lines) // 10_000)).fit(lines)


def _drain(lines: list[list[str]]) -> list[int]:
    from drain3 import TemplateMiner
    from drain3.template_miner_config import TemplateMinerConfig

    config = TemplateMinerConfig()
    config.profiling_enabled = False
    miner = TemplateMiner(config=config)
    return [miner.add_log_message(" ".join(words))["cluster_id"] for words in lines]


def _accuracy(groups: list, truth: list[int]) -> float:
    """Grouping accuracy (Zhu et al. 2019): the share of lines whose group is exactly the lines of their frame."""
    ours, theirs = collections.defaultdict(set), collections.defaultdict(set)
    for i, (group, frame) in enumerate(zip(groups, truth, strict=True)):
        ours[group].add(i)
        theirs[frame].add(i)
    whole = {frozenset(lines) for lines in theirs.values()}
    return sum(len(lines) for lines in ours.values() if frozenset(lines) in whole) / len(truth)


def _frames_found(ours: TemplateFinder, theirs: TemplateFinder | list[int], name: str) -> bool | str:
    if isinstance(theirs, TemplateFinder):
        return ours.templates_ == theirs.templates_
    lines, truth = _logs.lines(_LINES)
    frames = [Template(words) for words in _logs.frames()]
    found = sum(frame in ours.templates_ for frame in frames)
    return (
        f"{found} of {len(frames)} frames among {len(ours.templates_)} templates; grouping accuracy "
        f"{_accuracy(ours.predict(lines), truth):.3f}, {name} {_accuracy(theirs, truth):.3f}"
    )


def _clauses(words: list[str]) -> tuple[list[str], set[tuple[int, int]]]:
    """The words of a sentence, and the stretches of several that stood between marks of punctuation."""
    kept, bounds = [], [0]
    for word in [*words, "."]:
        if re.search(r"\w", word):
            kept.append(word)
        elif bounds[-1] < len(kept):
            bounds.append(len(kept))
    return kept, {(a, b) for a, b in itertools.pairwise(bounds) if 2 <= b - a < len(kept)}


def _treebank(n: int) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences without punctuation to learn from, and others to parse."""
    known = [_clauses(words)[0] for split in ("train", "dev") for words in segmented(split)]
    return known[:n], [words for words, _ in _held_out()][: n // 8]


def _held_out() -> list[tuple[list[str], set[tuple[int, int]]]]:
    return [(words, spans) for words, spans in map(_clauses, segmented("test")) if 3 <= len(words) <= 40]


Spans = list[set[tuple[int, int]]]


def _trees(data: tuple[list[list[str]], list[list[str]]]) -> Spans:
    known, sentences = data
    parser = Parser(TemplateFinder().fit(known).to_trie())
    return [{(tree.start, tree.end) for tree in parser.parse(words).walk()} for words in sentences]


def _right_branching(data: tuple[list[list[str]], list[list[str]]]) -> Spans:
    return [{(i, len(words)) for i in range(len(words))} for words in data[1]]


def _left_branching(data: tuple[list[list[str]], list[list[str]]]) -> Spans:
    return [{(0, i) for i in range(1, len(words) + 1)} for words in data[1]]


def _brackets(ours: Spans, theirs: Spans, name: str) -> str:
    """What marks of punctuation, which no parser saw, say of brackets: F1, and how many clauses none crosses."""
    gold = _held_out()

    def figures(found: Spans) -> str:
        right = n = whole = n_gold = 0
        for spans, (words, clauses) in zip(found, gold):
            inner = {(a, b) for a, b in spans if 2 <= b - a < len(words)}
            right, n, n_gold = right + len(inner & clauses), n + len(inner), n_gold + len(clauses)
            whole += sum(not any(c < a < d < b or a < c < b < d for c, d in inner) for a, b in clauses)
        return f"F1 {2 * right / (n + n_gold):.3f}, {whole / n_gold:.0%} of clauses whole"

    read = sum(len(spans) > 1 for spans in ours) / len(ours)
    return f"{figures(ours)}, {read:.0%} of sentences read; {name} {figures(theirs)}"


WORKLOADS = [
    Workload(
        name="templates.trees",
        make=lambda: _treebank(10_000),
        runners={"fastcore": _trees, "right-branching": _right_branching, "left-branching": _left_branching},
        equal=_brackets,
        twin_make=lambda: _treebank(80),
        amount=lambda data: (sum(map(len, data[1])) / 1e3, "k words"),
    ),
    Workload(
        name="templates.logs",
        make=lambda: _logs.lines(_LINES)[0],
        runners={"fastcore": _find_frames, "drain3": _drain},
        equal=_frames_found,
        twin_make=lambda: _logs.lines(300)[0],
        amount=lambda lines: (len(lines) / 1e3, "k lines"),
        heavy=frozenset({"drain3"}),
    ),
    Workload(
        name="templates.find",
        make=lambda: _verses(20_000),
        runners={"fastcore": _find, "nlp-zero": _peer_find},
        equal=lambda ours, theirs, name: (
            {t.words: n for t, n in ours.items()} == {tuple(t.words): n for t, n in theirs.items()}
        ),
        twin_make=lambda: _verses(1000),
        amount=lambda verses: (sum(map(len, verses)) / 1e3, "k words"),
        heavy=frozenset({"nlp-zero"}),
    ),
    Workload(
        name="templates.find, nlp-zero's rules",
        make=lambda: _verses(20_000),
        runners={"fastcore": _face_find, "nlp-zero": _peer_find},
        equal=_same_templates,
        twin_make=lambda: _verses(1000),
        amount=lambda verses: (sum(map(len, verses)) / 1e3, "k words"),
        heavy=frozenset({"nlp-zero"}),
    ),
    Workload(
        name="templates.parse_16, nlp-zero's rules",
        make=lambda: _sentences(20, 16),
        runners={"fastcore": _face, "nlp-zero": _peer},
        equal=_same_trees,
        twin_make=lambda: _sentences(2, 12),
        amount=lambda data: (sum(map(len, data[1])) / 1e3, "k words"),
        heavy=frozenset({"nlp-zero"}),
    ),
    Workload(
        name="templates.parse_16",
        make=lambda: _sentences(20, 16),
        runners={"fastcore": _fastcore, "nlp-zero": _peer},
        equal=_legal,
        amount=lambda data: (sum(map(len, data[1])) / 1e3, "k words"),
        heavy=frozenset({"nlp-zero"}),
    ),
    Workload(
        name="templates.parse_dense",
        make=lambda: (DENSE, [["的"] * 13]),
        runners={"fastcore": _fastcore, "nlp-zero": _peer},
        equal=lambda ours, theirs, name: ours[0].text == theirs[0].content and math.isfinite(ours[0].score),
        amount=lambda data: (sum(map(len, data[1])) / 1e3, "k words"),
        heavy=frozenset({"nlp-zero"}),
    ),
    Workload(
        name="templates.parse_50000_templates",
        make=lambda: _generated(50_000, 1000),
        runners={"fastcore": _many_templates},
        twin_make=lambda: _generated(200, 3),
        amount=lambda data: (sum(map(len, data[1])) / 1e3, "k words"),
    ),
]
