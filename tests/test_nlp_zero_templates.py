"""nlp-zero's templates: what nlp-zero 0.1.6 gives, and what is mended."""

from __future__ import annotations

import zlib

import pytest

from fastcore._data import poems
from fastcore.compat import nlp_zero
from fastcore.compat.nlp_zero import Parser, Template, Template_Finder, Trie, XTrie


def found(texts, *options, **more):
    finder = Template_Finder(list, *options)
    finder.train(texts, **more)
    finder.find(texts, **more)
    return finder


def test_every_name_can_be_imported():
    names = {}
    exec("from fastcore.compat.nlp_zero import *", names)
    assert set(nlp_zero.__all__) <= set(names)
    for name in (
        "Trie",
        "DAG",
        "Tokenizer",
        "Word_Finder",
        "Template",
        "Template_Finder",
        "XTrie",
        "SentTree",
        "Parser",
    ):
        assert names[name].__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        nlp_zero.Nothing  # noqa: B018


class TestTemplate:
    def test_placeholders_collapse(self):
        template = Template([None, None, "a", None, None, "b"])
        assert list(template) == [None, "a", None, "b"] and template.length == 2 and template.last == "b"
        assert str(template) == "< Template:  [X] a [X] b >"
        assert template == Template(template) and hash(template) == hash(Template(template))
        assert template != Template(["a"]) and template != [None, "a", None, "b"]

    def test_trivial(self):
        assert Template([None, "a", None]).is_trivial()
        assert not Template(["a", None]).is_trivial() and not Template([None, "a", None, "b"]).is_trivial()


class TestFinder:
    def test_poems(self, backend):
        # What nlp-zero 0.1.6 finds in them.
        finder = found(poems()[:200], 3, 1e-4, 3)
        items = [(str(template), count) for template, count in finder.templates.items()]
        assert len(items) == 6233 and sum(finder.templates.values()) == 6243
        assert items[0] == ("< Template: 合位媧后 >", 1)
        assert dict(items)["< Template: 大 [X] 冉 [X] 秋水 >"] == 2
        assert zlib.crc32(repr(items).encode()) == 32385763

    def test_each_path_counts(self, backend):
        # Three words of which each pair is strong: abc, a b.. and a..c, and each again where texts repeat.
        finder = found(["abc", "abc"], 2, 1e-9, -9)
        assert [(str(t), n) for t, n in finder.templates.items()] == [
            ("< Template: abc >", 2),
            ("< Template: a [X] c >", 2),
        ]

    def test_what_reads_alike_is_one(self, backend, monkeypatch):
        # Compositions of 11 into steps of 1 to 5 are 912, but gaps of any width read alike.
        finder = found(["a" * 12], 5, 1e-12, -99)
        assert sum(finder.templates.values()) == 912
        assert len(finder.templates) < 400
        monkeypatch.setattr("fastcore.compat.nlp_zero._templates.MOST", 300)
        with pytest.raises(ValueError, match="a sentence of more than 300 templates, got one of 12 words"):
            found(["a" * 12], 5, 1e-12, -99)

    def test_mended(self, backend):
        finder = found(["天地", "天地", "人和"], 2, 0.3, -9)
        assert finder.skip_grams == {("天", "地"): 2, ("人", "和"): 1}
        finder = found(["天地", "天地", "人和"], 2, 0.5, -9)
        assert finder.skip_grams == {("天", "地"): 2}
        finder.train(["玄黄"])
        finder.find(["玄黄", "天"])
        with pytest.raises(ValueError, match="at least one text, got none"):
            Template_Finder(list).train(iter([]))
        with pytest.raises(ValueError, match=r"train\(sents\) must come before find"):
            Template_Finder(list).find(["a"])

    def test_filter(self, backend):
        assert found(["aé，b"], 2, 1e-9, -9).words == {"a": 1, "b": 1}
        assert found(["aé，b"], 2, 1e-9, -9, filtering=False).words == {"a": 1, "é": 1, "b": 1}


class TestParser:
    TRIE = ((("a", None, "b"), 4), (("a", "b"), 2), ((None, "c"), 3))

    def test_search_has_its_quirks(self):
        trie = XTrie(self.TRIE)
        assert isinstance(trie, Trie) and trie.total_items == 9
        # Placeholders are optional, gaps anywhere; of two templates with the same words the last one visited stays.
        assert trie.search(list("axbc")) == {
            (0, 3): {(0, 2): 2},
            (0, 4): {(0, 2): 2, (3,): 3},
            (1, 4): {(3,): 3},
            (2, 4): {(3,): 3},
        }

    def test_tree(self):
        tree = Parser(XTrie(self.TRIE), list, -2).parse("axbc")
        assert str(tree) == (
            "+---> a(x)b(c)\n|     +---> a\n|     +---> x\n|     |     +---> x\n|     +---> b\n"
            "|     +---> c\n|     |     +---> c"
        )
        assert tree.template == Template(["a", None, "b", None]) and tree.content == "axbc"
        assert [module.content for module in tree.modules] == ["x", "c"]
        assert str(Parser(XTrie(), list).parse("")) == "+---> "

    @pytest.mark.parametrize(
        ("templates", "sent"),
        [
            ([(("a", None, "a", None, "a", None, "a", None, "a", None), 3)], "a" * 30),
            ([((None, "a"), 1)], "a" * 300),
            ([((a, None, b), 2) for a in "abc" for b in "abc"], "abcab" * 60),
        ],
    )
    def test_too_many_places_are_refused(self, templates, sent):
        with pytest.raises(ValueError, match=f"more than 2,000,000 steps: got {len(sent)} words"):
            Parser(XTrie(templates), list).parse(sent)

    def test_parts_are_solved_once(self):
        trie = XTrie([((None, "的", None), 5), (("的", None, "的"), 2), ((None, "的"), 1)])
        tree = Parser(trie, list).parse("的" * 14)
        assert tree.content == "的" * 14

    def test_a_placeholder_alone_has_an_end(self):
        assert str(Parser(XTrie([((None,), 3)]), list).parse("ab")) == "+---> ab\n|     +---> a\n|     +---> b"
