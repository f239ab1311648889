"""The drop-in for nlp-zero's trie, graph and tokenizer. Expected values are nlp-zero 0.1.6's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore.compat.nlp_zero import DAG, Tokenizer, Trie, log

WORDS = {
    "中国": 30, "国人": 2, "中国人": 8, "人": 5, "A股": 3, "1.": 2, "1": 9, "OK": 4, "a1": 1, "，": 7, "卡OK": 2,
    "民": 1, "人民": 9, "x": 1, "xx": 1, "xxx": 1,
}  # fmt: skip
# Text, tokens, tokens with letters and digits left apart.
TOKENS = [
    ("中国人民", "中国 人民", "中国 人民"),
    ("中国人中国人", "中国人 中国人", "中国人 中国人"),
    ("A股A1.5a1.中", "A股 A 1. 5a 1. 中", "A股 A 1. 5 a 1. 中"),
    ("卡OKOK1.1", "卡OKOK 1. 1", "卡OK OK 1. 1"),
    ("，，。。人\n人", "， ， 。 。 人 \n 人", "， ， 。 。 人 \n 人"),
    ("xxxxxxx", "xxxxxxx", "x xxx xxx"),
    ("中x国A人1", "中 x 国 A 人 1", "中 x 国 A 人 1"),
    ("1.1.1", "1. 1. 1", "1. 1. 1"),
    ("OK卡OK", "OK 卡OK", "OK 卡OK"),
    ("a1１1", "a1 １ 1", "a1 １ 1"),
    ("国中民国人民中", "国 中 民 国人 民 中", "国 中 民 国人 民 中"),
]


def trie():
    return Trie(list(WORDS.items()))


class TestTrie:
    def test_counts(self):
        words = trie()
        assert (words["中国"], words["中"], words["none"]) == (30, 0, 0)
        assert (words.num_items, words.total_items) == (16, 86)
        assert str(words) == "<Trie: 16 items, 86 frequency>"
        assert list(words)[:4] == [("中国", 30), ("中国人", 8), ("国人", 2), ("人", 5)]
        assert words.get_proba("人") == -2.844909383819407
        assert words.get_proba("none") == -104.4543472962535
        assert words.get_proba("人", logit=False) == 5 / 86
        assert log(0) == -100

    def test_total_is_stale_until_the_next_count(self):
        words = trie()
        del words["中国"]
        assert (words["中国"], words.total_items, words.log_total_items) == (0, 56, 4.454347296253507)
        words["人"] = 6
        assert words.log_total_items == 4.04305126783455
        words["人"] = 0
        assert words["人"] == 0
        del words["none"]

    def test_search(self):
        words = trie()
        words["人"] = 6
        assert list(words.search("中国人").items()) == [
            ((0, 2), ("中国", 30)), ((0, 3), ("中国人", 8)), ((1, 3), ("国人", 2)), ((2, 3), ("人", 6)),
        ]  # fmt: skip

    def test_file(self, tmp_path):
        path = tmp_path / "words.txt"
        path.write_text("中国 3\n国人  5\n\n", encoding="utf-8")
        assert list(Trie(str(path))) == list(Trie(path)) == [("中国", 3), ("国人", 5)]

    def test_long_words_need_no_recursion(self):
        word = "a" * 50_000
        assert list(Trie([(word, 3)])) == [(word, 3)]

    def test_tuples(self):
        words = Trie([((None, "b"), 2), (("a",), 3)])
        assert words[None, "b"] == 2 and list(words) == [((None, "b"), 2), (("a",), 3)]


class TestDAG:
    def dag(self):
        dag = DAG(6)
        for edge in [(0, 2), (0, 3), (1, 3), (2, 4), (2, 5), (3, 6)]:
            dag[edge] = -1
        return dag

    def test_paths(self):
        assert self.dag().optimal_path() == [(0, 3), (3, 6)]
        assert self.dag().all_paths() == [[0, 1, 2, 3, 5], [0, 1, 2, 4], [0, 2, 3, 5], [0, 2, 4]]
        assert self.dag().count_paths() == 4
        assert DAG(0).optimal_path() == [] and DAG(2).all_paths() == [[0], [1]]

    def test_too_many_paths(self):
        dag = DAG(100)
        for i in range(97):
            dag[i, i + 2] = dag[i, i + 3] = 1
        assert dag.count_paths() > 10**19
        with pytest.raises(ValueError, match="paths, more than the 1000000"):
            dag.all_paths()

    def test_edge_that_leads_nowhere(self):
        dag = DAG(3)
        dag[1, 2] = 1
        dag[0, 2] = 1
        with pytest.raises(ValueError, match=r"edge \(1, 2\) enters where it leaves"):
            dag.all_paths()

    def test_edge_that_no_path_comes_to(self):
        # As nlp-zero answers: the edge enters itself, so that its position is no start.
        dag = DAG(6)
        for edge, score in {(0, 6): 0, (1, 2): 0, (1, 3): -0.5, (2, 3): -1, (4, 5): -0.5}.items():
            dag[edge] = score
        assert dag.all_paths() == [[0, 5], [3]]


class TestTokenizer:
    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize(("text", "joined", "apart"), TOKENS)
    def test_tokens(self, backend, compiled, text, joined, apart):
        tokenizer = Tokenizer(trie())
        if compiled:
            tokenizer.tokenize("x" * 100)
            assert tokenizer._compiled
        assert tokenizer.tokenize(text) == joined.split(" ")
        assert tokenizer.tokenize(text, False) == apart.split(" ")

    @given(
        st.dictionaries(st.text("ab中1.", min_size=1, max_size=3), st.integers(1, 9), min_size=1),
        st.lists(
            st.tuples(st.text("ab中1.。 ", max_size=9), st.text("ab中", min_size=1, max_size=2), st.integers(0, 9))
        ),
        st.booleans(),
    )
    def test_changes_are_seen(self, words, steps, combine):
        # Plain and compiled form, with the trie changing in between.
        tokenizer = Tokenizer(Trie(words.items()))
        plain = Tokenizer(tokenizer.words)
        for text, word, count in steps:
            plain._debt = -(2**62)
            plain._compiled = {}
            plain._seen = plain.words._changes
            assert tokenizer.tokenize(text, combine) == plain.tokenize(text, combine)
            tokenizer.words[word] = count

    def test_stale_total(self, backend):
        tokenizer = Tokenizer(trie())
        tokenizer.tokenize("x" * 100)
        del tokenizer.words["中国"]
        assert tokenizer.tokenize("中国人民") == ["中国人", "民"]
        assert tokenizer.tokenize("x" * 7) == ["x" * 7]
        assert not tokenizer._compiled

    def test_default_dictionary(self):
        # Without nlp-zero installed this is jieba's.
        assert Tokenizer().tokenize("扫描二维码,关注公众号")[:2] == ["扫描", "二维码"]

    def test_no_dictionary(self, monkeypatch):
        monkeypatch.setattr("fastcore.compat.nlp_zero._lattice.find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"fastcore-kernels\[zh\]"):
            Tokenizer()
