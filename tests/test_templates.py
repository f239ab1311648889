"""Sentence templates and parse trees."""

from __future__ import annotations

import itertools
import json
import math
import os
import pickle
import re
from collections import Counter, defaultdict
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import use_backend
from fastcore._backend import kernels
from fastcore._data import poems, segmented
from fastcore.compat import nlp_zero
from fastcore.reference.templates._paths import Graph, extends, spelled
from fastcore.templates import Match, Parser, SentenceTree, Template, TemplateFinder, TemplateTrie
from fastcore.templates._frames import frames_of

from .helpers import memory_growth

WORDS = [f"w{i}" for i in range(200)]
SENTENCE = ["雪梨", "和", "苹果", "和", "香蕉", "的", "颜色", "是", "什么", "呢"]


def of(*texts):
    return [Template.parse(text) for text in texts]


templates = st.lists(
    st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=5).filter(any), min_size=1, max_size=6
).map(lambda lists: [Template(words) for words in lists])
sentences = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=7)


@pytest.fixture
def compiled():
    """For sizes that the twin isn't made for."""
    with use_backend("compiled"):
        yield


def placements(template, words, start, end):
    """Yield the slots' spans for every way a template can read words[start:end]."""
    symbols = template.words
    for cuts in itertools.combinations(range(start + 1, end), len(symbols) - 1):
        bounds = list(itertools.pairwise((start, *cuts, end)))
        if all(s is None or (q - p == 1 and words[p] == s) for s, (p, q) in zip(symbols, bounds)):
            yield [bound for s, bound in zip(symbols, bounds) if s is None]


def all_readings(trie, words, null, start, end):
    """Yield (score, tree) of every nested reading."""
    yield null * max(end - start - 1, 0), (start, end, None, ())
    for template in trie:
        for slots in placements(template, words, start, end):
            for inside in itertools.product(*(list(all_readings(trie, words, null, *slot)) for slot in slots)):
                score = trie.log_proba(template) + sum(s for s, _ in inside)
                yield score, (start, end, template, tuple(tree for _, tree in inside))


def as_tuple(tree):
    return tree.start, tree.end, tree.template, tuple(map(as_tuple, tree.children))


class TestTemplate:
    def test_content(self):
        template = Template([None, None, "的", "颜色", None])
        assert template.words == (None, "的", "颜色", None)
        assert (len(template), template.n_words, template.n_slots) == (4, 2, 2)
        assert str(template) == "[X]的颜色[X]"
        assert list(template) == [None, "的", "颜色", None]
        assert eval(repr(template), {"Template": Template}) == template

    def test_equal_by_content(self):
        a, b = Template(["a", None]), Template(iter(["a", None, None]))
        assert a == b
        assert hash(a) == hash(b)
        assert a != Template(["a"])
        assert a != ("a", None)

    def test_parse(self):
        assert Template.parse("[X] 的 颜色[X]") == Template([None, "的", "颜色", None])
        assert Template.parse("[X]的颜色[X]", list) == Template([None, "的", "颜", "色", None])
        assert Template.parse("呢") == Template(["呢"])

    @pytest.mark.parametrize("words", [[None, "a", None], [None, "bc", None]])
    def test_trivial(self, words):
        assert Template(words).is_trivial

    @pytest.mark.parametrize("words", [["a"], [None, "a"], ["a", None], [None, "a", "b", None], ["a", None, "b"]])
    def test_not_trivial(self, words):
        assert not Template(words).is_trivial

    def test_cannot_be_changed(self):
        with pytest.raises(AttributeError, match="can't be changed"):
            Template(["a"]).words = ()

    def test_pickle(self):
        template = Template(["a", None])
        assert pickle.loads(pickle.dumps(template)) == template

    @pytest.mark.parametrize(
        ("words", "error", "message"),
        [
            ("abc", TypeError, "use Template.parse"),
            ([1], TypeError, "words must hold str and None, got int"),
            ([b"a"], TypeError, "words must hold str and None, got bytes"),
            ([], ValueError, "at least one word"),
            ([None], ValueError, "at least one word"),
            ([""], ValueError, "empty word"),
            (3, TypeError, "words must be an iterable of words and None, got int"),
        ],
    )
    def test_bad_input(self, words, error, message):
        with pytest.raises(error, match=message):
            Template(words)

    @pytest.mark.parametrize("text", ["", "[X]", " [X] [X]"])
    def test_parse_without_words(self, text):
        with pytest.raises(ValueError, match="at least one word"):
            Template.parse(text)

    def test_parse_of_no_text(self):
        with pytest.raises(TypeError, match="text must be a str"):
            Template.parse(3)

    @pytest.mark.parametrize("tokenize", [lambda text: text, lambda text: [None], lambda text: 3])
    def test_a_tokenizer_that_gives_no_words(self, tokenize):
        with pytest.raises(TypeError, match="what tokenize gives must"):
            Template.parse("ab[X]c", tokenize)


class TestTemplateTrie:
    def test_strict(self, backend):
        a, b, c = of("x [X] y", "x y", "[X] y")
        trie = TemplateTrie({a: 1, b: 2, c: 3})
        assert trie.search(["x", "y"]) == [Match(0, 2, b, 2), Match(0, 2, c, 3)]
        assert trie.search(["x", "z", "y"]) == [Match(0, 3, a, 1), Match(0, 3, c, 3), Match(1, 3, c, 3)]
        assert trie.search(["y"]) == trie.search([]) == []

    @given(templates, sentences)
    def test_regular_expressions_find_the_same(self, backend, given_templates, words):
        trie = TemplateTrie(given_templates)
        text = "".join(words)
        expected = [
            (start, end, template)
            for start in range(len(text))
            for end in range(start + 1, len(text) + 1)
            for template in trie
            if re.fullmatch("".join(".+" if w is None else w for w in template), text[start:end])
        ]
        assert [match[:3] for match in trie.search(words)] == expected

    def test_counts(self, backend):
        a, b = of("[X] a", "b")
        trie = TemplateTrie([a, b, a])
        assert (len(trie), trie.total, trie[a], trie[b], trie[Template(["c"])]) == (2, 3, 2, 1, 0)
        assert list(trie) == [a, b]
        assert b in trie
        assert Template(["c"]) not in trie
        assert trie.log_proba(a) == pytest.approx(math.log(2 / 3))
        assert trie.log_proba(Template(["c"])) == -math.inf
        assert repr(trie) == "<TemplateTrie of 2 templates>"

    def test_pickle_keeps_the_backend(self, backend):
        trie = TemplateTrie({t: i + 1 for i, t in enumerate(of("[X] 和 [X]", "[X] 呢"))})
        again = pickle.loads(pickle.dumps(trie))
        assert again.search(SENTENCE) == trie.search(SENTENCE)
        assert again._backend == backend.name

    @pytest.mark.parametrize(
        ("given_templates", "error", "message"),
        [
            ([], ValueError, "at least one Template"),
            ({}, ValueError, "at least one Template"),
            (Template(["a"]), TypeError, "must be a mapping or an iterable"),
            ("[X]a", TypeError, "must be a mapping or an iterable"),
            (["[X]a"], TypeError, "must hold Template, got str"),
            ({Template(["a"]): 1.5}, TypeError, "count of a must be an int, got float"),
            ({Template(["a"]): True}, TypeError, "count of a must be an int, got bool"),
            ({Template(["a"]): 0}, ValueError, "count of a must be at least 1, got 0"),
            ({Template(["a"]): -1}, ValueError, "count of a must be at least 1, got -1"),
        ],
    )
    def test_bad_templates(self, backend, given_templates, error, message):
        with pytest.raises(error, match=message):
            TemplateTrie(given_templates)

    @pytest.mark.parametrize("words", ["abc", 3, [1, 2], b"abc", [None], {"a"}])
    def test_bad_words(self, backend, words):
        with pytest.raises(TypeError, match=r"words must (be a list|hold str)"):
            TemplateTrie(of("a")).search(words)


class TestParser:
    def test_the_tree_that_nlp_zero_gives(self, backend):
        # nlp-zero 0.1.6 prints these nested readings; there slots may also stay empty, here they are spelled out.
        parser = Parser(of("[X] 和 [X]", "[X] 的 颜色", "[X] 是 什么 [X]", "[X] 呢"))
        tree = parser.parse(SENTENCE)
        assert str(tree).splitlines() == [
            "(雪梨和苹果和香蕉的颜色) 是 什么 (呢)",
            "├─ (雪梨和苹果和香蕉) 的 颜色",
            "│  └─ (雪梨) 和 (苹果和香蕉)",
            "│     ├─ 雪梨",
            "│     └─ (苹果) 和 (香蕉)",
            "│        ├─ 苹果",
            "│        └─ 香蕉",
            "└─ 呢",
        ]
        assert tree.score == pytest.approx(4 * math.log(1 / 4), abs=1e-5)

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    def test_the_more_specific_template_stands_above(self, backend, order):
        given_templates = of("[X] 和 [X]", "[X] 的 颜色 是 什么", "[X] 呢")
        tree = Parser([given_templates[i] for i in order]).parse(SENTENCE)
        nested = []
        while tree.children:
            nested.append(str(tree.template))
            tree = tree.children[-1]
        assert nested == ["[X]呢", "[X]的颜色是什么", "[X]和[X]", "[X]和[X]"]

    @given(templates, sentences, st.sampled_from([-0.5, -3.0, -20.0]))
    def test_best_of_all_readings(self, backend, given_templates, words, null):
        parser = Parser(given_templates, null_score=null)
        tree = parser.parse(words)
        readings = {r: score for score, r in all_readings(parser.templates, words, null, 0, len(words))}
        assert tree.score == pytest.approx(max(readings.values()), abs=1e-4)
        assert readings[as_tuple(tree)] == pytest.approx(tree.score, abs=1e-4)
        assert tree.words == tuple(words)

    @given(st.data())
    def test_twins_agree(self, data):
        n_words = data.draw(st.integers(1, 4))
        symbols = st.lists(st.integers(-1, n_words - 1), min_size=1, max_size=5)
        found = data.draw(st.lists(symbols, min_size=1, max_size=8))
        # As the public module makes them: no neighbouring slots, at least one word, all different.
        collapsed = [tuple(s for i, s in enumerate(t) if s >= 0 or i == 0 or t[i - 1] >= 0) for t in found]
        kept = list(dict.fromkeys(t for t in collapsed if max(t) >= 0)) or [(0,)]
        arguments = (
            np.array([s for t in kept for s in t], np.int64),
            np.cumsum([0, *map(len, kept)], dtype=np.int64),
            np.array(data.draw(st.lists(st.integers(-5, 0), min_size=len(kept), max_size=len(kept))), np.int64),
        )
        ids = np.array(data.draw(st.lists(st.integers(-1, n_words - 1), max_size=9)), np.int64)
        null = data.draw(st.integers(-5, 0))
        results = []
        for name in ("compiled", "reference"):
            trie = kernels("templates.trie", name).TemplateTrie(*arguments)
            results.append((trie.parse(ids, null).tolist(), trie.search(ids).tolist()))
        assert results[0] == results[1]

    def test_ties(self, backend):
        # Equal scores: more words, then fewer slots, then the one given first; slots begin early from the end.
        parser = Parser(of("[X] b [X]", "[X] c", "[X] b c", "a [X]", "a b [X]"))
        assert str(parser.parse(["a", "b", "c"]).template) == "[X]bc"
        assert str(parser.parse(["a", "x", "c"]).template) == "[X]c"
        assert str(parser.parse(["a", "b", "b", "x"])).splitlines()[0] == "a (bbx)"
        tree = Parser(of("[X] b [X]")).parse(["x", "b", "x", "b", "x", "b", "x"])
        assert [child.text for child in tree.children] == ["x", "xbxbx"]

    def test_plain_words_may_score_better(self, backend):
        rare, frequent = of("[X] a", "z")
        parser = Parser({rare: 1, frequent: 10**6}, null_score=-1)
        assert parser.parse(["x", "a"]).template is None
        assert Parser(parser.templates, null_score=-20).parse(["x", "a"]).template == rare

    def test_scores(self, backend):
        a, b = of("[X] a", "[X] b [X]")
        tree = Parser({a: 1, b: 3}, null_score=-2).parse(["x", "x", "b", "x", "x", "x", "a"])
        assert str(tree) == "(xxbxxx) a\n└─ (xx) b (xxx)\n   ├─ x x\n   └─ x x x"
        expected = math.log(1 / 4) + math.log(3 / 4) - 2 - 4
        assert tree.score == pytest.approx(expected, abs=1e-5)
        assert [t.score for t in tree.walk()] == pytest.approx([expected, expected - math.log(1 / 4), -2, -4], abs=1e-5)

    def test_tokenize(self, backend):
        parser = Parser(of("[X] 和 [X]"), lambda text: re.findall("和|[^和]+", text))
        tree = parser.parse("雪梨和苹果")
        assert tree.words == ("雪梨", "和", "苹果")
        assert repr(tree) == "<SentenceTree '(雪梨) 和 (苹果)', score 0.0000>"
        assert repr(parser) == "<Parser with 1 templates, null_score -20>"

    @pytest.mark.parametrize("words", [[], ["a"], ["q", "r"]])
    def test_nothing_matches(self, backend, words):
        tree = Parser(of("[X] a")).parse(words)
        assert (tree.template, tree.children, tree.words) == (None, (), tuple(words))
        assert tree.score == -20 * max(len(words) - 1, 0)
        assert str(tree) == " ".join(words)

    def test_a_dense_sentence_is_quick(self, backend):
        # The number of nested readings grows about threefold a word.
        words = ["的"] * backend.size(200, 16)
        tree = Parser(of("[X] 的 [X]", "的 [X]", "[X] 的")).parse(words)
        assert tree.words == tuple(words)

    def test_deep_nesting(self, compiled):
        words = ["a"] * 3000
        tree = Parser(of("[X] a")).parse(words)
        depth = sum(t.template is not None for t in tree.walk())
        assert depth == 2999
        assert str(tree).count("\n") == 2999
        assert pickle.loads(pickle.dumps(tree)) == tree
        inner = tree.to_dict()
        for _ in range(depth):
            (inner,) = inner["children"]
        assert inner == {"text": "a", "template": None, "score": 0.0, "children": []}

    def test_repeated_template_words_and_long_templates(self, backend):
        words = [str(i % 7) for i in range(40)]
        template = Template([None if i % 5 == 0 else w for i, w in enumerate(words)])
        tree = Parser([template]).parse(words)
        assert tree.template == template
        assert [child.start for child in tree.children] == list(range(0, 40, 5))

    def test_pickle(self, backend):
        parser = pickle.loads(pickle.dumps(Parser(of("[X] 和 [X]"), str.split, null_score=-7)))
        assert parser.null_score == -7
        assert str(parser.parse("a 和 b").template) == "[X]和[X]"

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"tokenize": 3}, TypeError, "tokenize must be callable"),
            ({"null_score": 1}, ValueError, "null_score must be finite and at least .* and at most 0"),
            ({"null_score": math.nan}, ValueError, "null_score must be finite"),
            ({"null_score": "x"}, TypeError, "null_score must be a number"),
        ],
    )
    def test_bad_options(self, backend, options, error, message):
        with pytest.raises(error, match=message):
            Parser(of("a"), **options)

    def test_bad_sentence(self, backend):
        parser = Parser(of("a"))
        with pytest.raises(TypeError, match="made without tokenize"):
            parser.parse("a b")
        with pytest.raises(TypeError, match="words must be a list of str, got int"):
            parser.parse(3)
        with pytest.raises(TypeError, match="words must hold str, got int"):
            parser.parse([1])
        with pytest.raises(TypeError, match="words must be a list of str, got NoneType"):
            Parser(of("a"), lambda text: None).parse("a")
        with pytest.raises(ValueError, match="words must not be empty"):
            parser.parse(["", "a"])
        with pytest.raises(ValueError, match="null_score must be"):
            parser.null_score = 5.0
        assert parser.null_score == -20

    def test_memory_is_flat(self):
        setup = """
from fastcore.templates import Parser, Template
parser = Parser([Template.parse("[X] a [X]"), Template.parse("b [X]")])
words = ["a", "b", "c"] * 2"""
        assert memory_growth(setup, "parser.parse(words), parser.templates.search(words)", 500) < 50


class TestSentenceTree:
    def parse(self, words):
        return Parser({Template.parse("[X] 和 有 [X]"): 3, Template.parse("[X] 呢"): 1}).parse(words)

    def tree(self):
        return self.parse(["a", "和", "有", "b", "c", "呢"])

    def test_parts(self, backend):
        tree = self.tree()
        assert isinstance(tree, SentenceTree)
        assert tree.text == "a和有bc呢"
        assert [t.text for t in tree.walk()] == ["a和有bc呢", "a", "bc呢", "bc"]
        assert [(t.start, t.end) for t in tree.walk()] == [(0, 6), (0, 1), (3, 6), (3, 5)]

    def test_to_dict(self, backend):
        made = self.tree().to_dict()
        assert (made["text"], made["template"]) == ("a和有bc呢", "[X]和有[X]")
        assert [child["text"] for child in made["children"]] == ["a", "bc呢"]
        assert made["children"][1]["children"] == [{"text": "bc", "template": None, "score": -20.0, "children": []}]

    def test_equality(self, backend):
        tree = self.tree()
        assert tree == self.tree()
        assert hash(tree) == hash(self.tree())
        assert tree != tree.children[1]
        assert tree != 3
        assert tree.children[1] == self.parse(["b", "c", "呢"])

    def test_twins_give_equal_trees(self):
        trees = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                trees.append(self.tree())
        assert trees[0] == trees[1]


def drawn(texts, sentence):
    return Parser(of(*texts)).parse(sentence.split()).drawing().splitlines()


def drawn_by_compat(texts, sentence):
    trie = nlp_zero.XTrie((template.words, 1) for template in of(*texts))
    lines = str(nlp_zero.Parser(trie, list).parse(sentence.split())).splitlines()
    # There plain words are drawn twice: as a part and as its words.
    return [line for i, line in enumerate(lines) if line != "|     " + lines[i - 1]]


# The templates, with counts, of nlp-zero's page: Su Jianlin (苏剑林), *基于最小熵原理的NLP库：nlp zero*, 2018,
# https://kexue.fm/archives/5597.
PUBLISHED = {
    "[X] 呢": 10,
    "[X] 可以 [X] 吗": 9,
    "我 [X]": 8,
    "[X] 的 [X] 是 [X]": 7,
    "[X] 的 [X] 是 [X] 呢": 7,
    "[X] 的 [X]": 12,
    "[X] 和 [X]": 12,
}


class TestSentencesOfThePost:
    """Sentences like those of the post, of one clause or nested: nlp-zero 0.1.6 draws them as `compat` does."""

    @pytest.mark.parametrize("draw", [drawn, drawn_by_compat])
    @pytest.mark.parametrize(
        ("texts", "sentence", "lines"),
        [
            (
                ["[X] 和 [X]"],
                "雪梨 和 苹果 和 香蕉",
                [
                    "(雪梨)和(苹果和香蕉)",
                    "|     雪梨",
                    "|     和",
                    "|     (苹果)和(香蕉)",
                    "|     |     苹果",
                    "|     |     和",
                    "|     |     香蕉",
                ],
            ),
            (
                ["[X] 的 [X]"],
                "我 的 美味 的 苹果 的 颜色",
                [
                    "(我)的(美味的苹果的颜色)",
                    "|     我",
                    "|     的",
                    "|     (美味)的(苹果的颜色)",
                    "|     |     美味",
                    "|     |     的",
                    "|     |     (苹果)的(颜色)",
                    "|     |     |     苹果",
                    "|     |     |     的",
                    "|     |     |     颜色",
                ],
            ),
            (
                ["[X] 可以 [X] 吗", "[X] 的 [X]"],
                "妈妈 的 苹果 可以 吃 吗",
                [
                    "(妈妈的苹果)可以(吃)吗",
                    "|     (妈妈)的(苹果)",
                    "|     |     妈妈",
                    "|     |     的",
                    "|     |     苹果",
                    "|     可以",
                    "|     吃",
                    "|     吗",
                ],
            ),
            (
                ["[X] 的 颜色", "[X] 和 [X]"],
                "苹果 和 香蕉 的 颜色",
                [
                    "(苹果和香蕉)的颜色",
                    "|     (苹果)和(香蕉)",
                    "|     |     苹果",
                    "|     |     和",
                    "|     |     香蕉",
                    "|     的",
                    "|     颜色",
                ],
            ),
        ],
    )
    def test_the_same_tree(self, backend, draw, texts, sentence, lines):
        assert [line.replace("+---> ", "") for line in draw(texts, sentence)] == lines

    @pytest.mark.parametrize(
        ("sentence", "frames"),
        [
            ("鸡蛋 可以 吃 吗", ["(鸡蛋)可以(吃)吗"]),
            ("牛奶 和 鸡蛋 可以 一起 吃 吗", ["(牛奶和鸡蛋)可以(一起吃)吗", "(牛奶)和(鸡蛋)"]),
            ("苹果 的 颜色 是 什么 呢", ["(苹果)的(颜色)是(什么)呢"]),
            (
                "雪梨 和 苹果 和 香蕉 的 颜色 是 什么 呢",
                ["(雪梨和苹果和香蕉)的(颜色)是(什么)呢", "(雪梨)和(苹果和香蕉)", "(苹果)和(香蕉)"],
            ),
            (
                "我 的 美味 的 苹果 的 颜色 是 什么 呢",
                ["(我)的(美味的苹果的颜色)是(什么)呢", "(美味)的(苹果的颜色)", "(苹果)的(颜色)"],
            ),
        ],
    )
    def test_published_templates(self, backend, sentence, frames):
        # What nlp-zero 0.1.6 draws of them, the lines of the templates.
        given_templates = {Template.parse(text): count for text, count in PUBLISHED.items()}
        trie = nlp_zero.XTrie((template.words, count) for template, count in given_templates.items())
        whole = str(nlp_zero.Parser(trie, str.split).parse(sentence))
        for drawing in (Parser(given_templates, str.split).parse(sentence).drawing(), whole):
            lines = [line.rpartition("+---> ")[2] for line in drawing.splitlines()]
            assert [line for line in lines if "(" in line] == frames
        if len(frames) == 1 and "吃" in sentence:
            # As that page shows it.
            assert whole.splitlines() == [
                "+---> (鸡蛋)可以(吃)吗",
                "|     +---> 鸡蛋",
                "|     |     +---> 鸡蛋",
                "|     +---> 可以",
                "|     +---> 吃",
                "|     |     +---> 吃",
                "|     +---> 吗",
            ]

    def test_where_slots_may_be_empty(self, backend):
        # In `compat` a placeholder may be empty and words stand apart: the end of a sentence is no slot's, here it is.
        texts, sentence = ["[X] 的 颜色 是 什么", "[X] 呢"], "苹果 的 颜色 是 什么 呢"
        assert drawn(texts, sentence)[0] == "+---> (苹果的颜色是什么)呢"
        assert drawn_by_compat(texts, sentence)[0] == "+---> (苹果)的颜色是什么(呢)"

    def test_ties(self, backend):
        # Two templates of equal rank: ours takes the one given first, `compat` the one whose search comes first.
        sentence = "苹果 和 香蕉 的 颜色"
        assert drawn(["[X] 的 [X]", "[X] 和 [X]"], sentence)[0] == "+---> (苹果和香蕉)的(颜色)"
        assert drawn(["[X] 和 [X]", "[X] 的 [X]"], sentence)[0] == "+---> (苹果)和(香蕉的颜色)"
        for texts in (["[X] 的 [X]", "[X] 和 [X]"], ["[X] 和 [X]", "[X] 的 [X]"]):
            assert drawn_by_compat(texts, sentence)[0] == "+---> (苹果)和(香蕉的颜色)"


FRAMES = [[fruit, *frame] for fruit in "甲乙丙丁" for frame in (("的", "颜色", "是", "什么"), ("好吃", "吗"))]


class TestTemplateFinder:
    def test_what_nlp_zero_finds(self, backend):
        # nlp-zero 0.1.6: Template_Finder(list, 3, 1e-4, 3) trained on the same verses, whose templates sum up to this.
        pieces = [s for verse in poems()[:3000] for s in re.split("[^\u4e00-\u9fa50-9a-zA-Z]+", verse) if s]
        finder = TemplateFinder(list, 3, 1e-4, 3, count="path", trivial=True).fit(pieces)
        assert (len(finder.templates_), sum(finder.templates_.values()), finder.total_) == (2255, 28601, 36990)
        top = [(str(template), count) for template, count in list(finder.templates_.items())[:4]]
        assert top == [("[X]不[X]", 304), ("[X]無[X]", 213), ("[X]人[X]", 191), ("[X]有[X]", 166)]

    def test_by_hand(self, backend):
        finder = TemplateFinder(min_pmi=1.0, min_count=3, closed=False).fit(FRAMES)
        assert {str(t): n for t, n in finder.templates_.items()} == {
            "[X]的颜色是什么": 4,
            "[X]的颜色[X]什么": 4,
            "[X]的[X]是什么": 4,
            "[X]的[X]什么": 4,
            "[X]好吃吗": 4,
        }
        assert finder.total_ == 8
        tree = Parser(finder.to_trie()).parse(["戊", "的", "颜色", "是", "什么"])
        assert str(tree.template) == "[X]的颜色是什么"

    def test_a_sentence_counts_once(self, backend):
        # a b a b: both a, and both b, have no strong partner; four paths of one word.
        texts = [["a", "b", "a", "b"], ["a", "b"]]
        by_path = TemplateFinder(min_pmi=9, count="path", trivial=True).fit(texts)
        assert (by_path.total_, {str(t): n for t, n in by_path.templates_.items()}) == (
            6,
            {"a[X]": 2, "[X]b": 2, "[X]a[X]": 1, "[X]b[X]": 1},
        )
        by_sentence = TemplateFinder(min_pmi=9, trivial=True, closed=False).fit(texts)
        assert (by_sentence.total_, {str(t): n for t, n in by_sentence.templates_.items()}) == (
            2,
            {"a[X]": 2, "[X]b": 2},
        )

    def test_a_path_may_leave_out_what_it_reads_elsewhere(self, backend):
        # A stands once in AcBdBd, but two paths lead from it, to one B and to the other.
        ids, offsets, first, second = [0, 1, 2, 3, 2, 3], [0, 6], [0, 1, 1, 1, 1], [2]
        arguments = [np.array(ids, np.int32), *map(np.array, (offsets, first, second))]
        symbols, _, counts, _, _ = kernels("templates.finder").find_templates(
            *arguments, 5, True, 1, 0.0, 2, 10**6, 10**6
        )
        assert symbols.tolist()[:4] == [0, -1, 2, -1] and counts[0] == 2
        symbols, _, counts, _ = kernels("templates.readings").count_readings(*arguments, 5, 10**6)
        assert symbols.tolist()[:4] == [0, -1, 2, -1] and counts.tolist() == [2, 1, 1, 1]

    def test_window_of_one_finds_phrases(self, backend):
        # No slot between words: what pairs of neighbours join, and slots before and behind it.
        texts = [[a, "new", "york", "city", b] for a in "pqr" for b in "pqr"]
        texts += [list(order) for order in itertools.permutations("pqr")] * 3
        finder = TemplateFinder(window=1, min_pmi=1, closed=False).fit(texts)
        found = {template: count for template, count in finder.templates_.items() if template.n_words > 1}
        assert found == {Template([None, "new", "york", "city", None]): 9}

    def test_isolated_words(self, backend):
        texts = [[f"a{i}", "of", f"b{i}"] for i in range(9)] + [["x", "in", f"c{i}", "y"] for i in range(5)]
        finder = TemplateFinder(window=1, min_count=5).fit(texts)
        assert finder.words_ == {"of": 9}
        assert not any(template.is_trivial for template in finder.templates_)

    def test_a_dense_sentence(self, backend):
        # Forty words of which each pair is strong have 2^38 paths and more.
        words = [f"w{i}" for i in range(40)]
        finder = TemplateFinder(min_pmi=-9).fit([words, words, ["x"]])
        assert finder.templates_ == {Template(words): 2} and finder.complete_from_ is None

    def test_pairs_as_rare_as_may_be(self, backend):
        # A share of three tenths is above a little less, and pairs that are too rare aren't listed.
        texts = [["a", "b"]] * 30 + [[f"x{i}", f"y{i}"] for i in range(70)]
        finder = TemplateFinder(min_proba=0.2999, closed=False).fit(texts)
        assert finder.templates_ == {Template(["a", "b"]): 30}

    def test_progress_and_workers(self, backend):
        steps = []
        finder = TemplateFinder(min_pmi=1.0, min_count=3)
        found = finder.fit(FRAMES).templates_
        assert finder.fit(iter(FRAMES), workers=2, progress=lambda *step: steps.append(step)).templates_ == found
        assert steps[-1] == (len(FRAMES), None)
        with pytest.raises(TypeError, match="progress must be a bool or a callable, got str"):
            finder.fit(FRAMES, progress="yes")
        with pytest.raises(ValueError, match="workers must"):
            finder.fit(FRAMES, workers=0)

    def test_trivial(self, backend):
        finder = TemplateFinder(min_pmi=9, min_count=1, closed=False).fit([["a", "b", "c"]])
        assert finder.words_ == {"b": 1}
        assert [str(t) for t in finder.templates_] == ["a[X]", "[X]c"]

    @given(st.data())
    def test_twins_agree(self, data):
        n_words = data.draw(st.integers(1, 5))
        word = st.integers(0, n_words - 1)
        sentences = data.draw(st.lists(st.lists(word, max_size=7), max_size=5))
        rows = data.draw(st.lists(st.sets(word), min_size=n_words, max_size=n_words))
        arguments = (
            np.array([w for s in sentences for w in s], np.int32),
            np.cumsum([0, *map(len, sentences)], dtype=np.int64),
            np.cumsum([0, *map(len, rows)], dtype=np.int64),
            np.array([b for row in rows for b in sorted(row)], np.int64),
            data.draw(st.integers(1, 4)),
            data.draw(st.booleans()),
            data.draw(st.integers(0, 3)),
            data.draw(st.sampled_from([0.0, 0.1, 0.3, 0.5])),
            data.draw(st.sampled_from([0, 0, 1, 2, 3])),
            data.draw(st.sampled_from([10**6, 10**6, 3])),
        )
        steps = data.draw(st.sampled_from([10**6, 30, 10]))
        results = []
        for name in ("compiled", "reference"):
            *arrays, total, complete = kernels("templates.finder", name).find_templates(*arguments, steps)
            results.append(([array.tolist() for array in arrays], total, complete))
        assert results[0] == results[1]

    def test_counts_stop_instead_of_overflowing(self):
        # One word a hundred times, each strong with the next two: a Fibonacci number of paths, over 2**62.
        n = 100
        arguments = [np.zeros(n, np.int32), np.array([0, n]), np.array([0, 1]), np.array([0])]
        for name in ("compiled", "reference"):
            found = kernels("templates.finder", name).find_templates(*arguments, 2, True, 2**62, 0.0, 0, 1, 100)
            *_, counts, total, complete = found
            assert total == 2**62 and complete == 6 and counts.tolist() == []

    def test_a_dense_sentence_is_not_enumerated(self, compiled):
        finder = TemplateFinder(min_pmi=-9, min_count=2).fit([["a", "b"] * 50])
        assert finder.templates_ == {}

    def test_tokenize_and_files(self, backend, tmp_path):
        path = tmp_path / "sentences.txt"
        path.write_text("".join(" ".join(words) + "\n" for words in FRAMES), encoding="utf-8")
        expected = TemplateFinder(min_pmi=1).fit(FRAMES).templates_
        assert TemplateFinder(str.split, min_pmi=1).fit(path).templates_ == expected
        assert TemplateFinder(str.split, min_pmi=1).fit(" ".join(words) for words in FRAMES).templates_ == expected

    def test_a_tokenizer_may_use_its_list_again(self, backend):
        kept = []

        def tokenize(text):
            kept[:] = text.split()
            return kept

        expected = TemplateFinder(min_pmi=1).fit(FRAMES)
        finder = TemplateFinder(tokenize, min_pmi=1).fit([" ".join(words) for words in FRAMES])
        assert finder.templates_ == expected.templates_

    @pytest.mark.parametrize("made", [["a", 1], ("a", None), np.array(["a", 1], object), "ab", 5])
    def test_what_a_tokenizer_gives_is_named(self, backend, made):
        finder = TemplateFinder(lambda text: made if text == "c" else list(text))
        with pytest.raises(TypeError, match=r"what tokenize gives for texts\[2\] must"):
            finder.fit(["a", "b", "c"])
        with pytest.raises(TypeError, match=r"^texts\[1\] must"):
            finder.fit([["a"], made if isinstance(made, list) else ["a", 1]])

    @pytest.mark.parametrize("closed", [True, False])
    def test_order(self, backend, closed):
        """Those with a slot first, then by what they explain, by counts, and by words, slots behind them all."""
        words = ["和", "b", "a\0", "a", "\U00020000", "ab", "\uffff", *map(str, range(300))]
        texts = [[a, b, c] for a, b, c in zip(words, words[1:], words[2:], strict=False)]
        texts = 2 * [*texts, *([word] for word in words[::50]), *texts[::7]]
        finder = TemplateFinder(min_pmi=100, min_confidence=5, min_count=2, closed=closed, trivial=True)
        found = finder.fit(texts).templates_

        def place(template):
            spelled = [(word is None, word or "") for word in template]
            return None not in template.words, (1 - found[template]) * template.n_words, -found[template], spelled

        assert list(found) == sorted(found, key=place) and len(found) > 250

    def test_repr_and_pickle(self, backend):
        finder = TemplateFinder(min_pmi=1)
        assert repr(finder) == "TemplateFinder(min_pmi=1)"
        again = pickle.loads(pickle.dumps(finder.fit(FRAMES)))
        assert again.templates_ == finder.templates_
        assert again.fit(FRAMES).templates_ == finder.templates_

    def test_too_many(self, backend):
        """All up to the largest number of words that keeps within the bounds, and a warning that says so."""
        whole = TemplateFinder(min_pmi=1, closed=False).fit(FRAMES)
        assert whole.complete_up_to_ is None
        sizes = sorted(template.n_words for template in whole.templates_)
        for bound in ({"max_templates": len(sizes) - 1}, {"max_steps": 60}, {"max_templates": 1}, {"max_steps": 1}):
            with pytest.warns(RuntimeWarning, match=r"only those of up to \d+ words were found") as said:
                finder = TemplateFinder(min_pmi=1, closed=False, **bound).fit(FRAMES)
            assert len(said) == 1 and finder.complete_up_to_ < sizes[-1]
            expected = {t: n for t, n in whole.templates_.items() if t.n_words <= finder.complete_up_to_}
            assert list(finder.templates_.items()) == list(expected.items())
        assert finder.complete_up_to_ == 0 and finder.templates_ == {}

    @pytest.mark.parametrize(
        ("texts", "options"),
        [
            ([WORDS[:37], [*WORDS[:36], "x"]], {}),  # a shared stretch of n words has 2**n beginnings
            ([WORDS[:200], WORDS[:200]], {}),
            ([[*WORDS[:43], f"v{i}"] for i in range(20)], {}),
            ([WORDS[:200]], {"count": "path"}),
        ],
    )
    def test_repeated_stretches_end(self, backend, texts, options):
        steps = backend.size(1_000_000, 20_000)
        with pytest.warns(RuntimeWarning, match=f"take more than max_steps={steps:,} steps"):
            finder = TemplateFinder(max_steps=steps, closed=False, **options).fit(texts)
        assert 3 < finder.complete_up_to_ < 15
        assert all(template.n_words <= finder.complete_up_to_ for template in finder.templates_)

    def test_ordinary_sentences(self, compiled):
        """Sentences as they are: a few shared stretches, and no end without a bound."""
        with pytest.warns(RuntimeWarning, match="only those of up to") as said:
            finder = TemplateFinder(max_steps=300_000, closed=False).fit(segmented("train")[:1000])
        assert finder.complete_up_to_ >= 3 and len(finder.templates_) > 100 and len(said) == 1

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"tokenize": 3}, TypeError, "tokenize must be callable"),
            ({"window": 0}, ValueError, "window must be at least 1"),
            ({"window": 1.5}, TypeError, "window must be an int"),
            ({"min_proba": -1}, ValueError, "min_proba must be finite and at least 0"),
            ({"min_proba": 2}, ValueError, "min_proba must be"),
            ({"min_pmi": math.nan}, ValueError, "min_pmi must be finite"),
            ({"min_count": 0}, ValueError, "min_count must be at least 1"),
            ({"count": "word"}, ValueError, "count must be one of 'sentence', 'path'"),
            ({"max_templates": 0}, ValueError, "max_templates must be at least 1"),
            ({"closed": "no"}, TypeError, "closed must be a bool"),
            ({"min_confidence": -1}, ValueError, "min_confidence must be finite and at least 0"),
            ({"max_words": 0}, ValueError, "max_words must be at least 1"),
            ({"max_steps": 0}, ValueError, "max_steps must be at least 1"),
        ],
    )
    def test_bad_options(self, options, error, message):
        with pytest.raises(error, match=message):
            TemplateFinder(**options).fit(FRAMES)

    @pytest.mark.parametrize(
        ("texts", "error", "message"),
        [
            ("abc", TypeError, "texts must be an iterable of texts or a path, got a bare str"),
            (["abc"], TypeError, r"texts\[0\] must be a list of words"),
            ([["a"], [1]], TypeError, r"texts\[1\] must hold str, got int"),
            ([["a"], 3], TypeError, r"texts\[1\] must be a list of str, got int"),
            ([], ValueError, "at least one word"),
            ([[], []], ValueError, "at least one word"),
            ([["a"], [], ["b", "", "c"]], ValueError, r"not hold an empty word, got one in \['b', '', 'c'\]"),
        ],
    )
    def test_bad_texts(self, backend, texts, error, message):
        with pytest.raises(error, match=message):
            TemplateFinder().fit(texts)

    def test_nothing_found(self, backend):
        finder = TemplateFinder(min_count=5).fit([["a"]])
        assert finder.templates_ == {}
        with pytest.raises(ValueError, match="no template was found"):
            finder.to_trie()

    def test_words_that_are_peeled_off(self, backend):
        # Each word of these stands at an end somewhere: templates of one word would read any sentence word by word.
        texts = [[a, "of", b] for a in "abcd" for b in "abcd"] * 2 + [[a, x] for a in "abcd" for x in "pqrs"]
        finder = TemplateFinder(min_pmi=0.5).fit(texts)
        lone = [template for template in finder.templates_ if template.n_words == 1]
        assert lone and not {*lone} & {*finder.to_trie()}
        assert {*finder.to_trie(min_words=1)} == {*finder.templates_}
        longest = max(template.n_words for template in finder.templates_)
        with pytest.raises(ValueError, match=f"no template of min_words={longest + 1} words or more"):
            finder.to_trie(min_words=longest + 1)
        with pytest.raises(ValueError, match="min_words must be"):
            finder.to_trie(min_words=0)

    def test_memory_is_flat(self):
        setup = """
from fastcore.templates import TemplateFinder
texts = [list("abcde"), list("abcxe"), list("fabce")] * 5
finder = TemplateFinder(min_pmi=0)"""
        assert memory_growth(setup, "finder.fit(texts)", 300) < 50


def closed_by_hand(arguments, longest):
    """The closed templates as they are defined: all paths listed, and what they spell compared."""
    *arrays, window, by_path, min_count, min_share = arguments
    graph = Graph(*arrays, window, by_path)
    ends = defaultdict(Counter)

    def walk(i, beginning):
        if longest and len(beginning) > longest:
            return
        if not graph.on[i]:
            ends[beginning, i + 1 not in graph.ends][i] += 1
        for j in graph.on[i]:
            walk(j, (*beginning, graph.key(j, i)))

    firsts = sorted(set(range(len(graph.words))).difference(*graph.on))
    for i in firsts:
        walk(i, (graph.key(i, -1),))
    total = sum(graph.completions[i] for i in firsts) if by_path else len(arrays[1]) - 1
    least = max(min_count, 1, int(min_share * total) + 1 if min_share else 1)
    alike, same = defaultdict(list), defaultdict(list)
    for (beginning, trailing), ways in ends.items():
        if graph.weight(ways, None) >= least:
            rank = -len(beginning), sum(slot for _, slot in beginning), beginning, trailing
            alike[frozenset(ways.items()) if by_path else frozenset(ways)].append(rank)
    for ranks in alike.values():
        *_, beginning, trailing = min(ranks)
        ways = ends[beginning, trailing]
        sentences = Counter()
        for i, n in ways.items():
            sentences[graph.sentence[i]] += n
        name = frozenset(sentences.items()) if by_path else frozenset(sentences)
        same[name].append((spelled(beginning, trailing), graph.weight(ways, None)))
    return {
        symbols: count
        for group in same.values()
        for symbols, count in group
        if not any(other != symbols and extends(other, symbols) for other, _ in group)
    }


class TestClosed:
    """Each pattern once."""

    @pytest.mark.parametrize("times", [1, 2, 3, 4])
    def test_a_corpus_said_again(self, backend, times):
        # The pmi of x and x is 0, whatever its logarithms come to.
        texts = ["xax", "bxb", "xyyyx", "ay", "ab"] * times
        finder = TemplateFinder(list, min_pmi=0.0, min_count=2 * times, min_confidence=5).fit(texts)
        assert {template.words for template in finder.templates_} == {("a", None), (None, "b")}

    def test_order_of_equal_ones(self, backend):
        texts = ["ab", "ab", "ac", "ac", "bd", "bd"]
        found = [list(TemplateFinder(list, min_pmi=-5, min_count=2).fit(t).templates_) for t in (texts, texts[::-1])]
        assert found[0] == found[1] and len(found[0]) > 1

    @given(st.data())
    def test_twins_agree(self, data):
        n_words = data.draw(st.integers(1, 5))
        word = st.integers(0, n_words - 1)
        sentences = data.draw(st.lists(st.lists(word, max_size=8), max_size=5))
        if data.draw(st.booleans()):
            sentences = [s for s in sentences for _ in range(2)]
        rows = data.draw(st.lists(st.sets(word), min_size=n_words, max_size=n_words))
        arguments = (
            np.array([w for s in sentences for w in s], np.int32),
            np.cumsum([0, *map(len, sentences)], dtype=np.int64),
            np.cumsum([0, *map(len, rows)], dtype=np.int64),
            np.array([b for row in rows for b in sorted(row)], np.int64),
            data.draw(st.integers(1, 4)),
            data.draw(st.booleans()),
            data.draw(st.integers(0, 3)),
            data.draw(st.sampled_from([0.0, 0.0, 0.1, 0.3])),
        )
        longest = data.draw(st.sampled_from([0, 0, 1, 2, 3]))
        steps = data.draw(st.sampled_from([10**6, 10**6, 30, 10]))
        results = []
        for name in ("compiled", "reference"):
            *arrays, total, least = kernels("templates.closed", name).find_closed(*arguments, longest, steps)
            results.append(([array.tolist() for array in arrays], total, least))
        assert results[0] == results[1]
        (symbols, offsets, counts), _, least = results[0]
        found = {tuple(symbols[a:b]): n for a, b, n in zip(offsets, offsets[1:], counts, strict=False)}
        if least < 0 and (arguments[5] or longest):
            assert found == closed_by_hand(arguments, longest)
        if not arguments[5]:
            # Whatever is spelled, so many sentences read it.
            for template, count in found.items():
                assert sum(extends(sentence, template) for sentence in sentences) >= count

    def test_by_hand(self, backend):
        finder = TemplateFinder(min_pmi=1.0, min_count=3).fit(FRAMES)
        assert {str(t): n for t, n in finder.templates_.items()} == {"[X]的颜色是什么": 4, "[X]好吃吗": 4}
        assert (finder.total_, finder.words_, finder.complete_from_) == (8, {}, None)

    @pytest.mark.parametrize(
        ("texts", "count", "words"),
        [
            ([WORDS[:37], [*WORDS[:36], "x"]], 2, [*WORDS[:36], None]),
            ([WORDS[:200], WORDS[:200]], 2, WORDS[:200]),
            ([[*WORDS[:43], f"v{i}"] for i in range(20)], 20, [*WORDS[:43], None]),
            # Of lines that share a frame no pair has a pmi above 0.7.
            (
                [f"user {i} logged {'in' if i % 2 else 'out'}".split() for i in range(6)],
                6,
                ["user", None, "logged", None],
            ),
            ([f"job {i} done".split() for i in range(3)], 3, ["job", None, "done"]),
        ],
    )
    def test_a_frame_is_one_template(self, backend, texts, count, words):
        templates = TemplateFinder().fit(texts).templates_
        assert next(iter(templates.items())) == (Template(words), count)

    def test_pairs_that_always_stand_together(self, backend):
        lines = [f"job {i} done".split() for i in range(3)]
        options = {"closed": False, "min_count": 3}
        found = TemplateFinder(**options).fit(lines).templates_
        assert found.keys() == {Template(["job", None]), Template([None, "done"])}
        # Three lines prove nothing, but both words are always with the other.
        found = TemplateFinder(min_confidence=0.9, **options).fit(lines).templates_
        assert found == {Template(["job", None, "done"]): 3}
        # One of them alone must be beyond chance, as after enough lines.
        for n, joined in ((3, False), (60, True)):
            lines = [f"{word} {i} of".split() for i in range(n) for word in ("one", "two", "three")]
            found = TemplateFinder(min_confidence=0.9, closed=False, min_count=n).fit(lines).templates_
            assert (Template(["one", None, "of"]) in found) is joined

    @given(st.data())
    def test_match(self, data):
        template = Template(data.draw(st.lists(st.sampled_from([None, "a", "b"]), min_size=1, max_size=5).filter(any)))
        words = data.draw(st.lists(st.sampled_from("ab"), max_size=7))
        ways = []
        for lengths in itertools.product(range(1, 8), repeat=template.n_slots):
            rest, at, held = iter(lengths), 0, []
            spelled_out = []
            for word in template:
                if word is None:
                    n = next(rest)
                    held.append(tuple(words[at : at + n]))
                    spelled_out += words[at : at + n] if at + n <= len(words) else ["?"]
                    at += n
                else:
                    spelled_out.append(word)
                    at += 1
            if spelled_out == words:
                ways.append((lengths, tuple(held)))
        assert template.match(words) == (min(ways)[1] if ways else None)

    def test_fillers(self, backend):
        lines = [f"user {u} logged {w}".split() for u in ("ann", "bob", "eve") for w in ("in", "out")] + [["x"], []]
        finder = TemplateFinder().fit(lines)
        frames = [Template(["user", None, "logged", w]) for w in ("in", "out")]
        assert finder.predict(lines) == [*frames * 3, None, None]
        assert finder.fillers(lines) == {t: [{("ann",): 1, ("bob",): 1, ("eve",): 1}] for t in frames}
        with pytest.raises(ValueError, match="isn't fitted yet"):
            TemplateFinder().predict(lines)
        with pytest.raises(TypeError, match=r"texts\[1\] must hold str, got int"):
            finder.predict([["a"], [5]])

    def test_a_frequent_value_is_no_frame_of_its_own(self, backend):
        users = ["root"] * 40 + [f"u{i}" for i in range(60)]
        lines = [f"user {u} logged {'in' if i % 3 else 'out'} from h{i} now".split() for i, u in enumerate(users)]
        finder = TemplateFinder(min_count=8).fit(lines)
        assert Template.parse("user root logged in from [X] now") in finder.templates_
        frames = of("user [X] logged in from [X] now", "user [X] logged out from [X] now")
        assert finder.predict(lines) == [frames[i % 3 == 0] for i in range(100)]
        fillers = finder.fillers(lines)
        assert fillers.keys() == set(frames)
        assert fillers[frames[0]][0].most_common(1) == [(("root",), 26)]

    def test_values_of_a_slot(self):
        door, of_key = Template.parse("door [X] is shut"), Template.parse("door [X] is [X]")
        # Half of what the slot holds is rare: what is frequent is a value.
        values = {Template.parse(f"door {i} is shut"): 10 for i in range(5)}
        assert frames_of({door: 100, **values}) == dict.fromkeys(values, door)
        # Nothing is rare: each is a frame. But ten are values whatever the rest is.
        assert frames_of({door: 52, **values}) == {}
        many = {Template.parse(f"door {i} is shut"): 10 for i in range(10)}
        assert frames_of({door: 100, **many}) == dict.fromkeys(many, door)
        # What has a slot of its own is no value, and counts once with what it stands for.
        inner = {Template.parse("door [X] 1 is shut"): 50, Template.parse("door a 1 is shut"): 48}
        assert frames_of({door: 52, **inner}) == {}
        assert frames_of({door: 100, **inner}) == {Template.parse("door a 1 is shut"): door}
        # Step by step.
        rare = {Template.parse("door 1 is shut"): 10, Template.parse("door 1 is [X]"): 20}
        assert frames_of({of_key: 1000, door: 100, **rare}) == {
            door: of_key,
            Template.parse("door 1 is shut"): of_key,
            Template.parse("door 1 is [X]"): of_key,
        }
        # A value says less than what is around it.
        assert frames_of({Template.parse("a [X]"): 9, Template.parse("a b c"): 3}) == {}

    def test_ends_of_equal_rank(self):
        """Two beginnings of as many words and slots end at the same tokens: the first in order stands for both."""
        ids, offsets = np.array([0, 1, 4, 3, 3, 4, 4, 3, 3], np.int32), np.array([0, 4, 9])
        first, second = np.array([0, 2, 4, 6, 7, 9]), np.array([0, 3, 2, 3, 0, 2, 1, 2, 3])
        for name in ("compiled", "reference"):
            kernel = kernels("templates.closed", name)
            symbols, _, counts, _, _ = kernel.find_closed(ids, offsets, first, second, 4, False, 1, 0.0, 0, 10**6)
            assert (symbols.tolist(), counts.tolist()) == ([0, 1, 4, 3, 3, 4, 4, 3, 3], [1, 1])

    def test_a_slot_of_like_words(self):
        """What it begins with isn't spelled again as what it ends with."""
        ids, offsets = np.array([0, 1, 1, 1, 3, 0, 1, 1, 2, 1, 1, 3], np.int32), np.array([0, 5, 12])
        for name in ("compiled", "reference"):
            kernel = kernels("templates.closed", name)
            symbols, _, counts, _, _ = kernel.find_closed(
                ids, offsets, np.array([0, 1, 1, 1, 1]), np.array([3]), 6, False, 2, 0.0, 0, 10**6
            )
            assert (symbols.tolist(), counts.tolist()) == ([0, 1, 1, -1, 3], [2])

    def test_a_word_with_many_paths(self):
        """What stands once may count as often as paths lead on from it."""
        ids, offsets = np.array([0, 1, 2, 3, 2, 3], np.int32), np.array([0, 6])
        for name in ("compiled", "reference"):
            kernel = kernels("templates.closed", name)
            symbols, _, counts, _, _ = kernel.find_closed(
                ids, offsets, np.array([0, 1, 1, 1, 1]), np.array([2]), 5, True, 2, 0.0, 0, 10**6
            )
            assert (symbols.tolist(), counts.tolist()) == ([0, -1, 2, -1], [2])

    def test_words_that_no_pair_joins(self, backend):
        """`from` stands in many lines, `for` and `port` in all."""
        lines = [
            f"{a} {b} for u{i} from h{i} port {i} {c}".split() for i in range(9) for a, b, c in ("pqr", "stu", "vwx")
        ]
        found = {t.words: n for t, n in TemplateFinder(min_count=9).fit(lines).templates_.items()}
        for a, b, c in ("pqr", "stu", "vwx"):
            assert found[a, b, "for", None, "from", None, "port", None, c] == 9
            assert len([words for words in found if a in words]) == 1

    def test_order(self, backend):
        texts = [["a", "b", "c", "d"]] * 3 + [["x", "y"]] * 4 + [["k", str(i), "l"] for i in range(3)]
        finder = TemplateFinder(min_pmi=0).fit(texts)
        assert [(str(t), n) for t, n in finder.templates_.items()] == [("k[X]l", 3), ("abcd", 3), ("xy", 4)]

    def test_isolated_words(self, backend):
        texts = [[f"a{i}", "the", f"b{i}"] for i in range(5)] + [[f"c{i}", "of", f"d{i}"] for i in range(4)]
        finder = TemplateFinder(min_confidence=2).fit(texts)
        assert (finder.words_, finder.templates_) == ({"the": 5, "of": 4}, {})
        assert len(TemplateFinder(min_confidence=2, trivial=True).fit(texts).templates_) == 2

    def test_too_many(self, backend):
        whole = TemplateFinder(min_pmi=1, min_count=1).fit(FRAMES)
        with pytest.warns(RuntimeWarning, match="of those counted less than 3 times, some were left out") as said:
            finder = TemplateFinder(min_pmi=1, min_count=1, max_templates=3).fit(FRAMES)
        assert len(said) == 1 and finder.complete_from_ == 3
        assert list(finder.templates_.items()) == list(whole.templates_.items())[:3]
        with pytest.warns(RuntimeWarning, match="max_steps=30 steps"):
            finder = TemplateFinder(min_pmi=1, max_steps=30).fit(FRAMES)
        assert finder.complete_from_ is not None

    def test_ordinary_sentences(self, compiled):
        """What explains most comes first, and every search ends."""
        sentences = segmented("train")[:1000]
        with pytest.warns(RuntimeWarning, match="some were left out"):
            finder = TemplateFinder(min_pmi=-9, max_steps=5_000).fit(sentences)
        assert finder.complete_from_ > 2 and len(finder.templates_) > 100
        finder = TemplateFinder().fit(sentences)
        assert max(template.n_words for template in finder.templates_) > 5

    def test_max_words(self, backend):
        finder = TemplateFinder(min_pmi=1, max_words=2).fit(FRAMES)
        assert {t.n_words for t in finder.templates_} <= {1, 2}
        plain = TemplateFinder(min_pmi=1, max_words=2, closed=False).fit(FRAMES)
        whole = TemplateFinder(min_pmi=1, closed=False).fit(FRAMES)
        assert plain.templates_ == {t: n for t, n in whole.templates_.items() if t.n_words <= 2}
        assert plain.complete_up_to_ is None


class TestDoors:
    def test_trie(self):
        for bad, message in ((3, "templates must be a mapping"), ([["a"]], "templates must hold Template, got list")):
            with pytest.raises(TypeError, match=message):
                TemplateTrie(bad)
        trie = TemplateTrie([Template(["a", None])])
        for key in ("a", ["a"], None):
            with pytest.raises(TypeError, match="template must be a Template"):
                trie.log_proba(key)

    def test_template(self):
        with pytest.raises(TypeError, match="tokenize must be callable"):
            Template.parse("a [X]", 3)

    def test_finder(self):
        with pytest.raises(TypeError, match="texts must be an iterable of texts or a path, got int"):
            TemplateFinder().fit(3)
        with pytest.raises(TypeError, match="trivial must be a bool"):
            TemplateFinder(trivial="no").fit(FRAMES)
        with pytest.raises(ValueError, match="window must be between 1 and"):
            TemplateFinder(window=10**30).fit(FRAMES)
        with pytest.raises(ValueError, match="isn't fitted yet"):
            TemplateFinder().to_trie()


class TestForms:
    """Templates and trees as text."""

    def test_words_that_are_no_tokens(self, backend):
        tree = Parser([Template(["a", None])]).parse(["a", "b c", "(\n", "\ud800\uffff"])
        assert tree.to_brackets() == "(X a (X b_c -LRB-_ \ud800\uffff))"
        assert "\ufffd\ufffd" in tree._repr_svg_() and tree._repr_svg_().encode()

    def test_no_templates_for_a_parser(self, backend):
        with pytest.raises(ValueError, match="no template was found"):
            TemplateFinder(min_count=99).fit([["a", "b"]]).to_trie()

    def test_text_reads_back(self):
        for words in (["a", None, "b"], [None, "的", "颜色"], ["x"]):
            assert Template.parse(Template(words).text) == Template(words)
        assert Template(["user", None, "logged", "in"]).text == "user [X] logged in"
        for word in ("a b", "[X]", "a[X]", "\u3000"):
            with pytest.raises(ValueError, match=r"must not hold white space or \[X\]"):
                _ = Template([word]).text

    @pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
    @pytest.mark.parametrize("word", ["a", "\ufeffa", "\ufeff"])
    def test_files(self, backend, tmp_path, suffix, word):
        trie = TemplateTrie({Template([word, None]): 3, Template([None, "的"]): 1})
        trie.save(tmp_path / f"templates.txt{suffix}")
        again = TemplateTrie.load(tmp_path / f"templates.txt{suffix}")
        assert [(t, again[t]) for t in again] == [(Template([word, None]), 3), (Template([None, "的"]), 1)]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a [X]\t0\n", "line 1: not a template and its count .the count must be at least 1"),
            ("a\n\nb\tx\n", "line 3: not a template and its count"),
            ("a\t1_0\n", "the count must be a whole number, got '1_0'"),
            ("a\t٣\n", "the count must be a whole number"),
            ("[X]\t3\n", "line 1: not a template"),
            ("a\na\t2\n", "line 2: .*it stood there before"),
            ("\n", "holds no template"),
        ],
    )
    def test_bad_files(self, tmp_path, text, message):
        (tmp_path / "templates.txt").write_text(text)
        with pytest.raises(ValueError, match=message):
            TemplateTrie.load(tmp_path / "templates.txt")
        with pytest.raises(FileNotFoundError):
            TemplateTrie.load(tmp_path / "none")
        with pytest.raises(FileNotFoundError):
            TemplateTrie.load("")
        with pytest.raises(IsADirectoryError if os.name == "posix" else PermissionError):
            TemplateTrie.load(tmp_path)
        (tmp_path / "templates.txt").write_bytes(b"a [X]\n\xff\n")
        with pytest.raises(ValueError, match=r"templates.txt, line 2, byte 1: not UTF-8 \(0xff\)$"):
            TemplateTrie.load(tmp_path / "templates.txt")
        with pytest.raises(ValueError, match="must not hold white space"):
            TemplateTrie([Template(["a"]), Template(["a b"])]).save(tmp_path / "new")
        with pytest.raises(ValueError, match="a lone surrogate"):
            TemplateTrie([Template(["a"]), Template(["\ud800"])]).save(tmp_path / "new")
        assert not (tmp_path / "new").exists()

    def test_trees(self, backend):
        parser = Parser([Template.parse(t) for t in ("[X] 和 [X]", "[X] 的 颜色")])
        tree = parser.parse(["雪梨", "和", "苹果", "的", "颜色"])
        assert tree.to_brackets() == "(X (X (X 雪梨) 和 (X 苹果)) 的 颜色)"
        assert tree.drawing().splitlines() == [
            "+---> (雪梨和苹果)的颜色",
            "|     +---> (雪梨)和(苹果)",
            "|     |     +---> 雪梨",
            "|     |     +---> 和",
            "|     |     +---> 苹果",
            "|     +---> 的",
            "|     +---> 颜色",
        ]
        assert tree.to_nltk().pformat() == tree.to_brackets()
        rows = tree.to_rows()
        assert [(row["start"], row["end"], row["parent"]) for row in rows] == [
            (0, 5, None),
            (0, 3, 0),
            (0, 1, 1),
            (2, 3, 1),
        ]
        assert rows[0]["template"] == [None, "的", "颜色"] and rows[3]["template"] is None
        assert parser.parse(["a", "(", "b)"]).to_brackets() == "(X a -LRB- b-RRB-)"

    def test_pictures(self):
        parser = Parser([Template.parse(t) for t in ("[X] 和 [X]", "[X] 的 颜色")])
        tree = parser.parse(["雪梨", "和", "<&>", "的", "颜色"])
        image = ElementTree.fromstring(tree._repr_svg_())
        texts = image.findall(".//{*}text")
        assert [text.text for text in texts] == ["[X]的颜色", "[X]和[X]", "雪梨", "和", "<&>", "的", "颜色"]
        # A template stands in the middle of its parts, and those from left to right below it.
        x = [float(text.get("x")) for text in texts]
        assert x[2] < x[3] < x[4] < x[5] < x[6]
        assert x[1] == pytest.approx((x[2] + x[4]) / 2) and x[0] == pytest.approx((x[1] + x[6]) / 2)
        assert [float(text.get("y")) for text in texts] == [26, 70, 114, 114, 114, 70, 70]
        assert len(image.findall(".//{*}line")) == 6
        assert x[6] < float(image.get("width")) and float(image.get("height")) > 114
        ElementTree.fromstring(parser.parse(["a\x01"])._repr_svg_())
        ElementTree.fromstring(parser.parse([])._repr_svg_())
        axes = tree.plot()
        assert [text.get_text() for text in axes.texts] == [text.text for text in texts]
        assert len(axes.lines) == 6 and tree.plot(axes) is axes

    def test_equivalence_classes(self, backend):
        parser = Parser(of("[X] 的 颜色", "[X] 和 [X]"), str.split)
        classes = parser.equivalence_classes(["雪梨 的 颜色", "苹果 和 雪梨 的 颜色", "苹果 的 颜色", "x"])
        colour, both = parser.templates
        assert list(classes) == [(colour, 0), (both, 0), (both, 1)]
        assert classes[colour, 0] == {("雪梨",): 1, ("苹果",): 1, ("苹果", "和", "雪梨"): 1}
        assert classes[both, 1] == {("雪梨",): 1}
        with pytest.raises(TypeError, match=r"texts\[1\] must hold str, got int"):
            parser.equivalence_classes([["a"], [5]])

    def test_a_long_sentence_warns(self, backend, monkeypatch):
        monkeypatch.setattr("fastcore.templates._parser._LARGE", 12 * 6**2)
        parser = Parser(of("[X] a"))
        parser.parse(["a"] * 5)
        with pytest.warns(RuntimeWarning, match="a sentence of 6 words takes 0 MB, and time that grows as their cube"):
            parser.parse(["a"] * 6)

    def test_deep_trees(self):
        parser = Parser([Template(["a", None])])
        tree = parser.parse(["a"] * 700)
        assert len(json.loads(json.dumps(tree.to_rows()))) == 700
        assert tree.to_brackets().count("(") == 700
        assert tree.drawing().count("\n") == 2 * 699


def test_what_reads_follows_what_was_found():
    """Prepared once a fit, and not again for each call; a copy prepares its own."""
    first, second = ([f"{verb} user{i} now".split() for i in range(9)] for verb in ("open", "close"))
    finder = TemplateFinder(min_count=3).fit(first)
    assert finder.predict(first[:1]) == [Template(["open", None, "now"])] and finder.predict(second[:1]) == [None]
    assert "_kept_reader" not in vars(pickle.loads(pickle.dumps(finder)))
    finder.fit(second)
    assert finder.predict(second[:1]) == [Template(["close", None, "now"])] and finder.predict(first[:1]) == [None]
