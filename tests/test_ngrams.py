"""N-gram counting: tables, scores, streams."""

from __future__ import annotations

import math
import pickle
import re
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastcore
from fastcore import use_backend
from fastcore._backend import kernels
from fastcore._data import english_verse, poems
from fastcore.ngrams import NgramCounter, NgramTable, count_ngrams
from fastcore.ngrams._layout import layout_for

from .conftest import ONLY_REFERENCE
from .helpers import Liar, ctrl_c, memory_growth, run_script, sized

# Plain, repeated, combining, astral, NUL, and both ends of the planes.
CHARACTERS = st.sampled_from("aab\u0301中国𠀀🙂\0 \uffff\U0010ffff")
TEXTS = st.lists(st.text(CHARACTERS, max_size=12), max_size=8)


def by_hand(texts, low, high):
    counts = Counter()
    for text in texts:
        for k in range(low, high + 1):
            for i in range(len(text) - k + 1):
                counts[tuple(text[i : i + k]) if isinstance(text, list) else text[i : i + k]] += 1
    return dict(counts)


class TestCounts:
    def test_banana(self, backend):
        table = count_ngrams(["banana"], (1, 3))
        assert dict(table.items()) == {"b": 1, "a": 3, "n": 2, "ba": 1, "an": 2, "na": 2, "ban": 1, "ana": 2, "nan": 1}
        assert table.totals == {1: 6, 2: 5, 3: 4}
        assert len(table) == 9

    def test_zipf_of_king_james(self, backend):
        # The best-known counts of the best-known book: Genesis 1:1-5 opens with ten words, and names God six times.
        verses = english_verse()[:5]
        table = count_ngrams([re.findall("[A-Za-z]+", v) for v in verses], (1, 2), unit="token")
        assert table[("God",)] == 6
        assert table["And", "God"] == 3
        assert table["the", "earth"] == 2

    def test_every_permutation_of_a_de_bruijn_sequence_once(self, backend):
        # By definition each of the 2**4 words of length 4 occurs once around the cycle.
        table = count_ngrams(["0000100110101111000"], 4)
        assert sorted(table) == [format(i, "04b") for i in range(16)]
        assert set(table.values()) == {1}

    @pytest.mark.parametrize("n", [(1, 4), (2, 8), (1, 1), (5, 12), (3, 32)])
    def test_real_text_against_slices(self, backend, n):
        texts = poems()[1000 : 1000 + backend.size(800, 60)]
        assert count_ngrams(texts, n).to_dict() == by_hand(texts, *n)
        tokens = [list(t) for t in texts]
        assert count_ngrams(tokens, n, unit="token").to_dict() == by_hand(tokens, *n)

    def test_an_int_is_one_order(self, backend):
        assert count_ngrams(["abc"], 2).to_dict() == {"ab": 1, "bc": 1}

    def test_order_of_iteration(self, backend):
        assert list(count_ngrams(["ba", "ab"], (1, 2))) == ["b", "a", "ba", "ab"]

    def test_ngrams_do_not_cross_texts_or_separators(self, backend):
        assert count_ngrams(["ab", "cd"], 2).to_dict() == {"ab": 1, "cd": 1}
        assert count_ngrams(["ab!cd", "中a。文"], 2, keep="cjk+alnum").to_dict() == {"ab": 1, "cd": 1, "中a": 1}
        assert count_ngrams(["ab--cd-"], 2, split=re.compile("-+")).to_dict() == {"ab": 1, "cd": 1}
        assert count_ngrams(["abcd"], 2, split=re.compile("(?=c)")).to_dict() == {"ab": 1, "cd": 1}
        assert count_ngrams(["a b! c d"], 2, unit="token", split=re.compile("!")).to_dict() == {
            ("a", "b"): 1,
            ("c", "d"): 1,
        }

    def test_keep(self, backend):
        edges = "\u4dff\u4e00\u9fa5\u9fa6/09:@AZ[`az{"
        assert set(count_ngrams([edges], 1, keep="cjk+alnum")) == set("\u4e00\u9fa509AZaz")
        assert set(count_ngrams([edges], 1, keep="cjk")) == set("\u4e00\u9fa5")
        assert count_ngrams(["abcbd"], (1, 2), keep={"b", "c"}).to_dict() == {"b": 2, "c": 1, "bc": 1, "cb": 1}
        assert count_ngrams(["a\U0010ffff\0"], 2, keep=["\0", "\U0010ffff"]).to_dict() == {"\U0010ffff\0": 1}
        assert count_ngrams(["abc"], 1, keep=[]).to_dict() == {}

    def test_lines_split_at_white_space_as_str_split_does(self, backend):
        spaces = "".join(map(chr, range(0x3001))).replace("", " ")
        line = "  ".join(f"a{c}b" for c in spaces[:40000:7] if not "\ud800" <= c <= "\udfff")
        assert count_ngrams([line], 2, unit="token") == count_ngrams([line.split()], 2, unit="token")

    def test_tokens(self, backend):
        texts = [["a b", "", "\0", "中"], ("中", "🙂" * 50), []]
        assert count_ngrams(texts, (1, 2), unit="token").to_dict() == {
            ("a b",): 1,
            ("",): 1,
            ("\0",): 1,
            ("中",): 2,
            ("🙂" * 50,): 1,
            ("a b", ""): 1,
            ("", "\0"): 1,
            ("\0", "中"): 1,
            ("中", "🙂" * 50): 1,
        }

    def test_empty(self, backend):
        for texts in ([], [""], ["", ""], iter(())):
            table = count_ngrams(texts)
            assert len(table) == 0
            assert table.to_dict() == {}
            assert table.totals == {1: 0, 2: 0, 3: 0, 4: 0}
            assert table.most_common(3) == []
            assert table.pmi().shape == table.cohesion().shape == table.left_entropy().shape == (0,)
            assert len(table.merge(table)) == len(table.prune(2)) == 0
        assert count_ngrams([[]], unit="token").to_dict() == {}

    def test_any_iterable(self, backend):
        expected = count_ngrams(["ab", "abc"])
        assert count_ngrams(("ab", "abc")) == expected
        assert count_ngrams(t for t in ("ab", "abc")) == expected
        assert count_ngrams(np.array(["ab", "abc"])) == expected

    def test_a_text_longer_than_a_block(self, monkeypatch):
        monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 5000)
        text = "".join(poems()[:3000])[:32_000]
        table = count_ngrams([text, "月"], (1, 2))
        assert table.order(2).counts().sum() == len(text) - 1
        assert table.order(2).to_dict() == by_hand([text], 2, 2)

    @pytest.mark.slow
    def test_over_two_to_the_21_symbols(self):
        n = (1 << 21) + 5
        tokens = [str(i) for i in range(n)]
        table = count_ngrams([tokens, tokens[:3]], (1, 5), unit="token")
        assert len(table.symbols) == n
        assert table["0", "1", "2"] == 2
        assert table[tuple(tokens[-5:])] == 1
        assert len(table.order(5)) == n - 4

    def test_rows_of_over_two_to_the_21_symbols(self, backend):
        # The same without two million tokens: rows of ids up to 2**32 - 2 keep their order and their ids.
        layout = layout_for(6, 1 << 22)
        assert layout.radix > 1 << 22
        for largest in (1 << 21, 1 << 22, 2**32 - 2):
            layout = layout_for(6, largest)
            ids = np.random.default_rng(1).integers(1, largest + 1, (50, 6)).astype(np.uint32)
            rows = kernels("ngrams.rows").pack(ids, *layout)
            assert kernels("ngrams.rows").unpack(rows, 6, *layout).tolist() == ids.tolist()
            sorted_rows, _ = kernels("ngrams.rows").sort_rows(rows, np.ones(50, np.int64))
            assert kernels("ngrams.rows").unpack(sorted_rows, 6, *layout).tolist() == sorted(ids.tolist())

    @pytest.mark.parametrize("step", [53, pytest.param(1, marks=pytest.mark.slow)])
    def test_scalar_values_of_all_planes(self, step):
        text = "".join(map(chr, [*range(0, 0xD800, step), *range(0xE000, 0x110000, step), 0x10FFFF][:0x10F800]))
        text = "".join(dict.fromkeys(text))
        table = count_ngrams([text], (1, 8))
        assert len(table.order(1)) == len(text)
        assert table[text[-8:]] == 1 and table[text[1230:1235]] == 1
        assert "".join(table.order(1)) == text

    @given(TEXTS, st.integers(1, 5), st.integers(0, 9))
    def test_twins_and_slices_agree(self, texts, low, more):
        tables = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                tables.append(count_ngrams(texts, (low, low + more)))
        assert list(tables[0].items()) == list(tables[1].items())
        assert tables[0].to_dict() == by_hand(texts, low, low + more)
        assert tables[0] == tables[1]
        for score in ("pmi", "npmi", "cohesion", "left_entropy", "right_entropy"):
            assert getattr(tables[0], score)().tobytes() == getattr(tables[1], score)().tobytes()

    @given(st.lists(st.lists(st.text("ab中", max_size=2), max_size=6), max_size=6), st.integers(1, 6))
    def test_twins_agree_on_tokens(self, texts, high):
        tables = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                tables.append(count_ngrams(texts, (1, high), unit="token"))
        assert list(tables[0].items()) == list(tables[1].items())
        assert tables[0].to_dict() == by_hand(texts, 1, high)

    @pytest.mark.parametrize("workers", [2, 3])
    def test_workers_give_the_same_bits(self, monkeypatch, workers):
        monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 10_000)
        monkeypatch.setattr("fastcore.ngrams._runs.PART_ROWS", 20_000)
        texts = poems()[: sized(12_000, 3_000)]
        one = count_ngrams(texts, (1, 4), workers=1)
        many = count_ngrams(texts, (1, 4), workers=workers)
        monkeypatch.undo()
        plain = count_ngrams(texts, (1, 4))
        for k in range(5):
            assert one._keys[k].tobytes() == many._keys[k].tobytes() == plain._keys[k].tobytes()
            assert one._counts[k].tobytes() == many._counts[k].tobytes() == plain._counts[k].tobytes()

    def test_executor(self, monkeypatch):
        monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 10_000)
        texts = poems()[:2000]
        with ThreadPoolExecutor(2) as pool:
            assert count_ngrams(texts, workers=pool) == count_ngrams(texts)
        assert count_ngrams(texts, workers=map) == count_ngrams(texts)


class TestBadInput:
    @pytest.mark.parametrize(
        ("texts", "options", "error", "words"),
        [
            ("abc", {}, TypeError, "bare str"),
            (5, {}, TypeError, "an iterable of texts or a path, got int"),
            ([5], {}, TypeError, r"texts\[0\] must be a str, got int"),
            (["a", None], {}, TypeError, r"texts\[1\] must be a str, got NoneType"),
            ([["a"]], {}, TypeError, r"texts\[0\] must be a str, got list"),
            (["a", "b\ud800"], {}, ValueError, r"texts\[1\] .* lone surrogate U\+D800"),
            ([["b\udfff"]], {"unit": "token"}, ValueError, r"lone surrogate U\+DFFF"),
            (["b \udc00"], {"unit": "token"}, ValueError, r"lone surrogate U\+DC00"),
            ([["a", 5]], {"unit": "token"}, TypeError, r"texts\[0\] must hold str tokens, got int"),
            ([5], {"unit": "token"}, TypeError, r"texts\[0\] must be a list of tokens or a str to split, got int"),
            (["a"], {"n": 0}, ValueError, "n must be between 1 and 32, got 0"),
            (["a"], {"n": 33}, ValueError, "n must be between 1 and 32, got 33"),
            (["a"], {"n": (3, 2)}, ValueError, "lowest, highest"),
            (["a"], {"n": (1, 2, 3)}, ValueError, "lowest, highest"),
            (["a"], {"n": 1.5}, TypeError, "n must be an int, got float"),
            (["a"], {"n": True}, TypeError, "n must be an int, got bool"),
            (["a"], {"unit": "word"}, ValueError, "unit must be one of 'char', 'token', got 'word'"),
            (["a"], {"keep": "latin"}, ValueError, "keep must be one of"),
            (["a"], {"keep": ["ab"]}, ValueError, "keep must hold single characters, got 'ab'"),
            (["a"], {"keep": 5}, TypeError, "keep must be the name of a class"),
            (["a"], {"keep": "cjk", "unit": "token"}, ValueError, "keep must be None"),
            (["a"], {"split": "a"}, TypeError, "split must be a compiled"),
            (["a"], {"split": re.compile(b"a")}, TypeError, "split must be a compiled"),
            ([["a"]], {"split": re.compile("a"), "unit": "token"}, TypeError, r"texts\[0\] must be a str, got list"),
            (["a"], {"min_count": 0}, ValueError, "min_count must be at least 1"),
            (["a"], {"min_count": "x"}, TypeError, "min_count must be an int"),
            (["a"], {"workers": 0}, ValueError, "workers must be at least 1"),
            (["a"], {"workers": "x"}, TypeError, "workers must be"),
        ],
    )
    def test_refused(self, backend, texts, options, error, words):
        with pytest.raises(error, match=words):
            count_ngrams(texts, **options)

    def test_a_str_is_its_characters_whatever_it_says(self, backend):
        assert count_ngrams([Liar("ab"), "a"], (1, 2)).to_dict() == {"a": 2, "b": 1, "ab": 1}
        assert count_ngrams(iter([Liar("ab")]), 1, split=re.compile("b")).to_dict() == {"a": 1}
        for texts in ([Liar("a b")], [[Liar("a"), "b"]]):
            assert count_ngrams(texts, 2, unit="token").to_dict() == {("a", "b"): 1}

    def test_a_table_is_not_made_by_hand(self):
        with pytest.raises(TypeError, match="made by count_ngrams"):
            NgramTable()

    def test_kernels_refuse_inconsistent_shapes(self, backend):
        kernel = kernels("ngrams.rows")
        if not backend.compiled:
            return
        keys, counts = np.ones((2, 1), np.uint64), np.ones(3, np.int64)
        with pytest.raises(ValueError, match="one length"):
            kernel.prefixes(keys, counts, 2, 2, 16)
        with pytest.raises(ValueError, match="must have 2 words"):
            kernel.unpack(keys, 4, 2, 16)
        with pytest.raises(ValueError, match="no such layout"):
            kernel.unpack(keys, 4, 4, 1)
        with pytest.raises(ValueError, match="one width"):
            kernel.merge_runs([keys, np.ones((2, 2), np.uint64)], [counts[:2], counts[:2]])


class TestTable:
    def test_lookup(self, backend):
        table = count_ngrams(["banana"], (2, 3))
        assert table["an"] == 2 and table.get("na") == 2
        assert "ban" in table and "a" not in table and "bana" not in table and "xx" not in table
        assert 5 not in table and ("a", "n") not in table and [] not in table
        assert table.get("ab") is None
        with pytest.raises(KeyError, match="nope"):
            table["nope"]

    def test_every_key_finds_its_count(self, backend):
        texts = poems()[500 : 500 + backend.size(1000, 20)]
        table = count_ngrams(texts, (1, 7))
        some = list(table.items())[:: backend.size(97, 11)]
        assert all(table[k] == v for k, v in some)

    def test_most_common(self, backend):
        table = count_ngrams(["bbaac"], (1, 2))
        assert table.most_common() == [("b", 2), ("a", 2), ("c", 1), ("bb", 1), ("ba", 1), ("aa", 1), ("ac", 1)]
        assert table.most_common(2) == [("b", 2), ("a", 2)]
        assert table.most_common(1, order=2) == [("bb", 1)]
        assert table.most_common(0) == []
        with pytest.raises(ValueError, match="order must be between 1 and 2"):
            table.most_common(1, order=3)

    def test_prefix(self, backend):
        table = count_ngrams(["abcabd", "b"], (1, 3))
        assert table.prefix("ab") == {"ab": 2, "abc": 1, "abd": 1}
        assert table.prefix("d") == {"d": 1}
        assert table.prefix("x") == table.prefix("abcd") == {}
        assert table.prefix("") == table.to_dict()
        with pytest.raises(TypeError, match="p must be a str"):
            table.prefix(("a",))
        tokens = count_ngrams(["a b c"], (1, 2), unit="token")
        assert tokens.prefix(("a",)) == {("a",): 1, ("a", "b"): 1}

    def test_order(self, backend):
        table = count_ngrams(["banana"], (1, 3))
        assert table.order(2).to_dict() == {"ba": 1, "an": 2, "na": 2}
        assert table.order(2).totals == {2: 5}
        assert table.order(2).pmi().tolist() == table.pmi()[3:6].tolist()
        with pytest.raises(ValueError, match="k must be between 1 and 3"):
            table.order(4)

    def test_arrays(self, backend):
        table = count_ngrams(["banana"], (1, 2))
        assert table.symbols == ["b", "a", "n"]
        assert table.ids(2).tolist() == [[1, 2], [2, 3], [3, 2]]
        assert table.counts(2).tolist() == [1, 2, 2] and table.counts().tolist() == [1, 3, 2, 1, 2, 2]
        assert table.counts().dtype == np.int64

    def test_mapping(self, backend):
        table = count_ngrams(["aba"], (1, 2))
        assert list(table.keys()) == list(table) == ["a", "b", "ab", "ba"]
        assert list(table.values()) == [2, 1, 1, 1]
        assert ("ab", 1) in table.items() and ("ab", 2) not in table.items() and len(table.items()) == 4
        assert table == {"a": 2, "b": 1, "ab": 1, "ba": 1}
        assert table != count_ngrams(["abab"], (1, 2)) and table != {"a": 2} and table != 5
        assert repr(table) == "NgramTable(n=(1, 2), unit='char'): 4 n-grams of 2 symbols"

    def test_views(self, backend, monkeypatch):
        monkeypatch.setattr("fastcore.ngrams._table.SLICE", 3)
        table = count_ngrams(["banana", "bandana"], (1, 3), unit="char")
        plain = table.to_dict()
        assert list(table.values()) == list(plain.values()) == table.counts().tolist()
        assert all(type(count) is int for count in table.values())
        assert len(table.values()) == len(table.items()) == len(table.keys()) == len(plain)
        assert 6 in table.values() and 6.0 in table.values() and np.uint64(6) in table.values()
        for absent in (5, 5.5, float("nan"), -1, 2**70, "6", None, [6]):
            assert absent not in table.values(), absent
        for absent in (("a", 5), ("x", None), ("a",), "a6", ["a", 6], 5, ([], 6)):
            assert absent not in table.items(), absent
        assert table.items() & {("a", 6), ("a", 5)} == {("a", 6)} and table.keys() - plain.keys() == set()
        assert table.items() == plain.items() and table.keys() == plain.keys()
        second = table.order(2)
        assert dict(zip(second.keys(), second.values(), strict=True)) == second.to_dict()
        assert list(count_ngrams([]).values()) == [] and 0 not in count_ngrams([]).values()

    def test_views_look_nothing_up(self, backend, monkeypatch):
        table = count_ngrams(["banana"], (1, 3))
        plain = table.to_dict()
        monkeypatch.setattr(NgramTable, "__getitem__", None)
        assert sum(table.values()) == 15 and max(table.values()) == 3 and 3 in table.values()
        assert dict(table.items()) == plain and sorted(table.keys()) == sorted(plain) and table == plain

    def test_prune(self, backend):
        table = count_ngrams(["banana"], (1, 3))
        pruned = table.prune(2)
        assert pruned.to_dict() == {"a": 3, "n": 2, "an": 2, "na": 2, "ana": 2}
        assert pruned.totals == table.totals and pruned.min_count == 2
        assert pruned.prune(1) is pruned
        assert count_ngrams(["banana"], (1, 3), min_count=2) == pruned
        rows = [i for i, k in enumerate(table) if k in pruned]
        for score in ("pmi", "npmi", "cohesion", "left_entropy", "right_entropy"):
            assert getattr(pruned, score)().tolist() == getattr(table, score)()[rows].tolist(), score
        assert pruned.prune(3).right_entropy().tolist() == [0.0]
        with pytest.raises(ValueError, match="must not be pruned"):
            pruned.merge(table)
        with pytest.raises(ValueError, match="must not be pruned"):
            table.merge(pruned)

    @given(TEXTS, TEXTS, TEXTS)
    def test_merge_is_associative_and_equals_counting_all(self, a, b, c):
        for name in ("compiled", "reference"):
            with use_backend(name):
                ta, tb, tc = (count_ngrams(t, (1, 3)) for t in (a, b, c))
                left, right = ta.merge(tb).merge(tc), ta.merge(tb.merge(tc))
                both = count_ngrams([*a, *b, *c], (1, 3))
                assert list(left.items()) == list(right.items()) == list(both.items())
                assert left.totals == both.totals
                assert left.left_entropy().tolist() == both.left_entropy().tolist()

    def test_views_of_one_order_merge(self, backend):
        a, b = count_ngrams(["abc"], (1, 3)).order(2), count_ngrams(["cab"], (1, 4)).order(2)
        assert a.merge(b).to_dict() == {"ab": 2, "bc": 1, "ca": 1}
        assert a.merge(b).right_entropy().tolist() == count_ngrams(["abc", "cab"], 2).right_entropy().tolist()

    def test_merge_refuses(self, backend):
        table = count_ngrams(["a"], (1, 2))
        with pytest.raises(TypeError, match="other must be an NgramTable"):
            table.merge({})
        with pytest.raises(ValueError, match="same n-grams"):
            table.merge(count_ngrams(["a"], (1, 3)))
        with pytest.raises(ValueError, match="same n-grams"):
            table.merge(count_ngrams([["a"]], (1, 2), unit="token"))

    def test_tokens_merge(self, backend):
        a, b = [["x", "y"]], [["y", "x", "y", "z"]]
        merged = count_ngrams(a, 2, unit="token").merge(count_ngrams(b, 2, unit="token"))
        assert list(merged.items()) == list(count_ngrams(a + b, 2, unit="token").items())

    def test_pickle(self, backend):
        table = count_ngrams(["banana 中"], (1, 3))
        for name in ("compiled", "reference"):
            with use_backend(name):
                loaded = pickle.loads(pickle.dumps(table))
                assert loaded._backend == name
                assert loaded == table and loaded["ana"] == 2 and loaded.prune(2).to_dict() == table.prune(2).to_dict()

    def test_pandas_and_arrow(self, backend):
        table = count_ngrams(["ab\0a"], (1, 2))
        frame = table.to_pandas()
        assert frame.columns.tolist() == ["ngram", "order", "count"]
        assert dict(zip(frame["ngram"], frame["count"])) == table.to_dict()
        assert frame["order"].tolist() == [1, 1, 1, 2, 2, 2]
        arrow = table.to_arrow()
        assert arrow.column("ngram").to_pylist() == list(table)
        assert arrow.column("count").to_pylist() == list(table.values())
        tokens = count_ngrams(["a b"], (1, 2), unit="token")
        assert tokens.to_arrow().column("ngram").to_pylist() == [["a"], ["b"], ["a", "b"]]
        assert tokens.to_pandas()["ngram"].tolist() == [("a",), ("b",), ("a", "b")]


class TestScores:
    def test_pmi_by_hand(self, backend):
        table = count_ngrams(["abab"], (1, 3))
        score = dict(zip(table, table.pmi().tolist()))
        assert score["ab"] == pytest.approx(math.log((2 / 3) / (1 / 2 * 1 / 2)), rel=1e-14)
        assert score["aba"] == pytest.approx(math.log((1 / 2) / (1 / 8)), rel=1e-14)
        assert score["a"] == 0

    def test_npmi(self, backend):
        table = count_ngrams(["ab"] * 3 + ["cd"] * 5, (1, 2))
        score = dict(zip(table, table.npmi().tolist()))
        # Symbols that occur only together, as often in bigrams as in unigrams of half the total each.
        pmi = math.log((3 / 8) / (3 / 16) ** 2)
        assert score["ab"] == pytest.approx(pmi / -math.log(3 / 8), rel=1e-14)
        assert count_ngrams(["aa"], 2).npmi().tolist() == [1.0]

    def test_cohesion_is_the_least_over_cuts(self, backend):
        texts = poems()[300 : 300 + backend.size(300, 30)]
        table = count_ngrams(texts, (1, 4))
        p = {k: math.log(v / table.totals[len(k)]) for k, v in table.items()}
        for ngram, value in zip(table, table.cohesion().tolist()):
            cuts = [p[ngram] - p[ngram[:i]] - p[ngram[i:]] for i in range(1, len(ngram))]
            assert value == pytest.approx(min(cuts, default=0.0), rel=1e-12, abs=1e-12)

    def test_entropies_by_hand(self, backend):
        texts = ["xay", "xaz", "waz", "a"]
        table = count_ngrams(texts, (1, 3))
        left, right = (dict(zip(table, s().tolist())) for s in (table.left_entropy, table.right_entropy))
        third = -(1 / 3) * math.log(1 / 3) - (2 / 3) * math.log(2 / 3)
        assert left["a"] == pytest.approx(third, rel=1e-14) and right["a"] == pytest.approx(third, rel=1e-14)
        assert right["xa"] == pytest.approx(math.log(2), rel=1e-14)
        assert left["x"] == right["y"] == left["xay"] == 0

    @given(TEXTS, st.integers(1, 3))
    def test_entropies_of_every_order(self, texts, high):
        table = count_ngrams(texts, (1, high))
        longer = by_hand(texts, 2, high + 1)
        for side, score in (("left", table.left_entropy()), ("right", table.right_entropy())):
            for ngram, value in zip(table, score.tolist()):
                part = slice(1, None) if side == "left" else slice(None, -1)
                counts = [n for k, n in longer.items() if len(k) == len(ngram) + 1 and k[part] == ngram]
                total = sum(counts)
                expected = -sum(n / total * math.log(n / total) for n in counts)
                assert value == pytest.approx(expected, abs=1e-12)

    def test_mutual_information_is_the_mean_pmi(self, backend):
        # Church and Hanks (1990): averaged over all bigrams pmi is the mutual information, never negative.
        table = count_ngrams(poems()[: backend.size(5000, 200)], 2)
        weights = table.counts() / table.totals[2]
        assert float(weights @ table.pmi()) > 0


class TestCounter:
    @pytest.mark.skipif(ONLY_REFERENCE, reason="only kernels look for Ctrl-C")
    def test_ctrl_c_at_any_time_and_again_while_it_tidies_up(self, monkeypatch):
        counted, refused = ([" ".join(f"{word}{i}" for i in range(6000))] for word in "ab")
        with use_backend("compiled"):
            counter, other = NgramCounter(2, unit="token"), NgramCounter(2, unit="token")
            expected = count_ngrams(counted, 2, unit="token").to_dict()
            counter.update(counted)
            other.update(refused)
            for change in (lambda: counter.update(refused), lambda: counter.merge(other)):
                for at in range(100):
                    try:
                        with ctrl_c(monkeypatch, at):
                            change()
                        break
                    except KeyboardInterrupt:
                        pass
                    assert counter.finish().to_dict() == expected
                assert 0 < at < 99
                expected = expected | {
                    pair: 1 + expected.get(pair, 0) for pair in count_ngrams(refused, 2, unit="token").to_dict()
                }
                assert counter.finish().to_dict() == expected

    def test_progress(self, backend, tmp_path, monkeypatch):
        monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 5000)
        told: list[tuple[int, int | None]] = []
        table = count_ngrams(["abcd"] * 3000, 2, progress=lambda *done: told.append(done))
        assert table == count_ngrams(["abcd"] * 3000, 2)
        assert len(told) > 2 and told == sorted(told) and {total for _, total in told} == {None}
        assert 12_000 <= told[-1][0] < 15_100
        for name in "ab":
            (tmp_path / name).write_text("abcd\n")
        told.clear()
        count_ngrams(tmp_path, 2, workers=map, progress=lambda *done: told.append(done))
        assert told == [(1, 2), (2, 2)]
        with pytest.raises(TypeError, match="progress must be"):
            count_ngrams(["ab"], 1, progress=3)

    @given(st.lists(TEXTS, max_size=4))
    def test_updates_add_up(self, batches):
        for name in ("compiled", "reference"):
            with use_backend(name):
                counter = NgramCounter((1, 3))
                for batch in batches:
                    counter.update(batch)
                assert list(counter.finish().items()) == list(
                    count_ngrams([t for batch in batches for t in batch], (1, 3)).items()
                )

    def test_counting_goes_on_after_finish(self, backend):
        counter = NgramCounter(2)
        counter.update(["ab"])
        assert counter.finish().to_dict() == {"ab": 1}
        counter.update(["ab", "bc"])
        assert counter.finish().to_dict() == {"ab": 2, "bc": 1}
        assert counter.finish(2).to_dict() == {"ab": 2}

    def test_a_failed_update_changes_nothing(self, backend, monkeypatch):
        monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 64)
        counter = NgramCounter((1, 2))
        counter.update(["abcab"] * 50)
        before = counter.finish().to_dict()
        with pytest.raises(TypeError, match=r"texts\[200\]"):
            counter.update(["xyz"] * 200 + [5])
        assert counter.finish().to_dict() == before
        counter.update(["q"])
        assert counter.finish().to_dict() == {**before, "q": 1}

    def test_repr(self, backend):
        assert repr(NgramCounter((1, 2))) == "NgramCounter(n=(1, 2), unit='char'): 0 symbols so far"

    def test_many_runs_of_growing_alphabets(self, backend, monkeypatch):
        # Each new plane of characters widens the keys: runs of different layouts must merge.
        monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 200)
        monkeypatch.setattr("fastcore.ngrams._runs.PART_ROWS", 100)
        monkeypatch.setattr("fastcore.ngrams._runs.FAN_IN", 3)
        rng = np.random.default_rng(1)
        texts = ["".join(map(chr, 0x4E00 + rng.integers(0, 4 + 9 * i, 30))) for i in range(backend.size(600, 60))]
        assert count_ngrams(texts, (1, 5)).to_dict() == by_hand(texts, 1, 5)
        assert count_ngrams(texts, (7, 9)).to_dict() == by_hand(texts, 7, 9)


class TestProcess:
    def test_memory_is_flat(self):
        setup = "from fastcore.ngrams import count_ngrams; t = ['banana bandana'] * 300"
        assert memory_growth(setup, "count_ngrams(t, (1, 3)).prune(2).pmi()", 300) < 50
        assert (
            memory_growth(
                setup, "count_ngrams(t, (1, 3), unit='token').merge(count_ngrams(t, (1, 3), unit='token'))", 300
            )
            < 50
        )

    @pytest.mark.compiled
    def test_each_variant(self):
        for isa in fastcore._isa.available():
            result = run_script(
                "from fastcore._data import poems; from fastcore.ngrams import count_ngrams; import zlib\n"
                "t = count_ngrams(poems()[:3000], (1, 5)); print(len(t), zlib.crc32(t._keys[4].tobytes()))",
                env={"FASTCORE_ISA": isa},
            )
            assert result.returncode == 0, result.stderr
            expected = count_ngrams(poems()[:3000], (1, 5))
            assert result.stdout.split() == [str(len(expected)), str(zlib.crc32(expected._keys[4].tobytes()))]
