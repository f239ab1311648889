"""Skip-grams."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import skipgrams, use_backend
from fastcore._backend import kernels
from fastcore._data import english_verse, poems
from fastcore.skipgrams import count_skipgrams

from .helpers import Liar, memory_growth, nasty_forms

# Few enough to repeat, of every width in UTF-8, with a NUL, a combining mark and a lone surrogate.
TOKENS = [
    "a",
    "b",
    "",
    "\0",
    "abcdefgh",
    "abcdefghi",
    "abcdefghj",
    "é",
    "e\u0301",
    "中",
    "中文",
    "😀",
    "\ud800",
    "Ω" * 40,
]
tokens = st.sampled_from(TOKENS)
text_lists = st.lists(st.lists(tokens, max_size=12), max_size=8)


def by_hand(lists, window):
    """The loop everyone writes first."""
    counts = Counter()
    for text in lists:
        for i, first in enumerate(text):
            for second in text[i + 1 : i + 1 + window]:
                counts[first, second] += 1
    return counts


def same(a, b):
    return (
        list(a.vocabulary) == list(b.vocabulary)
        and a.total == b.total
        and a.token_counts.tolist() == b.token_counts.tolist()
        and all(
            getattr(a.matrix, part).dtype == getattr(b.matrix, part).dtype
            and getattr(a.matrix, part).tolist() == getattr(b.matrix, part).tolist()
            for part in ("indptr", "indices", "data")
        )
    )


class TestCounts:
    def test_example(self, backend):
        pairs = count_skipgrams([["to", "be", "or", "not", "to", "be"]], 2)
        assert pairs.vocabulary == ["to", "be", "or", "not"]
        assert pairs.matrix.toarray().tolist() == [[0, 2, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1], [1, 1, 0, 0]]
        assert pairs.token_counts.tolist() == [2, 2, 1, 1]
        assert (pairs.total, pairs.window, pairs.min_count, len(pairs)) == (9, 2, 1, 8)

    def test_skip_grams_of_guthrie(self, backend):
        # Guthrie and others (2006), section 2: the 2-skip-bi-grams of this sentence number 9.
        sentence = ["insurgents", "killed", "in", "ongoing", "fighting"]
        pairs = count_skipgrams([sentence], 3)
        assert len(pairs) == pairs.total == 9
        assert pairs["insurgents", "ongoing"] == pairs["killed", "fighting"] == 1
        assert pairs["insurgents", "fighting"] == 0

    @given(text_lists, st.integers(1, 15))
    def test_against_a_counter(self, backend, lists, window):
        pairs = count_skipgrams(iter(lists), window)
        expected = by_hand(lists, window)
        assert dict(pairs.items()) == dict(expected)
        assert pairs.total == sum(expected.values())
        seen = Counter(token for text in lists for token in text)
        assert dict(zip(pairs.vocabulary, pairs.token_counts.tolist())) == dict(seen)
        assert pairs.vocabulary == list(seen)

    @given(text_lists, st.integers(1, 6), st.integers(1, 3), st.integers(1, 4))
    def test_twins_and_workers_agree(self, lists, window, min_count, workers):
        results = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                results += [count_skipgrams(lists, window, min_count=min_count, workers=w) for w in (1, workers)]
        assert all(same(results[0], other) for other in results[1:])

    def test_real_text(self, backend):
        lines = [*english_verse()[: backend.size(3000, 300)], *poems()[: backend.size(3000, 300)]]
        lists = [line.split() for line in lines]
        pairs = count_skipgrams(lines, 5)
        assert dict(pairs.items()) == dict(by_hand(lists, 5))
        assert same(pairs, count_skipgrams(lists, 5))
        assert pairs.matrix.has_sorted_indices
        assert pairs.matrix.indices.dtype == np.int32

    def test_lists_of_ids(self, backend):
        expected = count_skipgrams([0, 1, 2, 1, 2], 2, lengths=[3, 0, 2])
        for texts in (
            [[0, 1, 2], [], [1, 2]],
            [np.array([0, 1, 2]), np.array([]), np.array([1, 2])],
            ([0, 1, 2], (1, 2)),
        ):
            assert (count_skipgrams(texts, 2).matrix != expected.matrix).nnz == 0
        with pytest.raises(TypeError, match="each text must be a list of integers"):
            count_skipgrams([[0, 1], ["a"]], 2)

    def test_arrays_of_str(self, backend):
        expected = count_skipgrams(["to be", "be to"], 2)
        assert same(count_skipgrams(np.array(["to be", "be to"]), 2), expected)
        assert same(count_skipgrams(np.array([["to", "be"], ["be", "to"]], dtype=object), 2), expected)

    def test_lengths_whose_sum_wraps(self, backend):
        with pytest.raises(ValueError, match="lengths"):
            count_skipgrams([0, 1, 2, 0], 1, lengths=[2**62] * 4 + [4])

    def test_counts_past_a_byte(self, backend):
        # One row whose counts cross 255, 256 and 65,536, and a neighbour that must start from nothing.
        n = backend.size(70_000, 700)
        pairs = count_skipgrams([["a", "b"] * n + ["c"], ["c"] * 257, ["b"] * 256], 1)
        assert pairs["a", "b"] == n
        assert pairs["b", "a"] == n - 1
        assert (pairs["c", "c"], pairs["b", "b"], pairs["b", "c"]) == (256, 255, 1)

    @pytest.mark.parametrize("n", [126, 127, 128, 129, 254, 255, 256, 257, 383, 384, 385, 511, 512, 513])
    def test_counts_around_half_a_byte(self, backend, n):
        # A row of several such counts beside small ones, then a row that must start from nothing.
        lists = [["a", "b"]] * n + [["a", "c"]] * (n + 1) + [["a", "d"]] + [["e", "b"], ["e", "c"]]
        expected = {("a", "b"): n, ("a", "c"): n + 1, ("a", "d"): 1, ("e", "b"): 1, ("e", "c"): 1}
        assert dict(count_skipgrams(lists, 1).items()) == expected

    def test_long_rows_of_far_ids(self, backend):
        # Rows of 1 to 300 seconds, spread over ids up to a million: sorted by insertion or read off a set of bits.
        rng = np.random.default_rng(5)
        sizes = [*range(1, 40), 100, 300]
        texts = [np.concatenate([[i], rng.choice(1_000_000, size=size)]) for i, size in enumerate(sizes)]
        ids, lengths = np.concatenate(texts), [len(text) for text in texts]
        pairs = count_skipgrams(ids, 300, lengths=lengths, vocabulary=range(1_000_000))
        assert pairs.matrix.has_sorted_indices
        expected = by_hand([text.tolist() for text in texts], 300)
        rows = np.repeat(np.arange(1_000_000), np.diff(pairs.matrix.indptr)).tolist()
        assert dict(zip(zip(rows, pairs.matrix.indices.tolist()), pairs.matrix.data.tolist())) == dict(expected)
        assert pairs.token_counts.sum() == len(ids)

    def test_min_count_is_of_pairs(self, backend):
        lists = ["a b c", "a b", "b a"]
        whole, pruned = count_skipgrams(lists, 2), count_skipgrams(lists, 2, min_count=2)
        assert dict(pruned.items()) == {("a", "b"): 2}
        assert pruned.total == whole.total == 5
        assert pruned.vocabulary == whole.vocabulary
        assert pruned.matrix.shape == (3, 3)

    def test_window_larger_than_any_text(self, backend):
        assert same(count_skipgrams(["a b c"], 2), count_skipgrams(["a b c"], 2)) and dict(
            count_skipgrams(["a b c"], 2**40).items()
        ) == {("a", "b"): 1, ("a", "c"): 1, ("b", "c"): 1}

    @pytest.mark.parametrize("empty", [[], [[]], ["", " \n\t"], [[], []]])
    def test_nothing(self, backend, empty):
        pairs = count_skipgrams(empty, 3)
        assert (len(pairs), pairs.total, pairs.vocabulary, pairs.matrix.shape) == (0, 0, [], (0, 0))
        assert pairs.most_common() == []

    def test_one_token_has_no_pair(self, backend):
        pairs = count_skipgrams(["a"], 3)
        assert (len(pairs), pairs.matrix.shape) == (0, (1, 1))

    def test_many_distinct_tokens(self, backend):
        n = backend.size(200_000, 2000)
        lists = [[f"token number {i}" if i % 2 else str(i) for i in range(n)]] * 2
        pairs = count_skipgrams(lists, 1)
        assert pairs.vocabulary == lists[0]
        assert pairs.matrix.nnz == n - 1
        assert (pairs.matrix.data == 2).all()
        assert (pairs.matrix.indices == np.arange(1, n)).all()


class TestTexts:
    def test_white_space_is_that_of_str_split(self, backend):
        for point in [*range(0xD800), *range(0xE000, 0x11000), 0x1F600, 0xE0020]:
            line = f"a{chr(point)}b"
            if chr(point).isspace() or point in (0, 0x200B, 0xFEFF, 0x180E, 0x2027, 0x2030, 0x3001, 0x84, 0xA1, 0x1681):
                assert count_skipgrams([line], 1).vocabulary == list(dict.fromkeys(line.split())), hex(point)

    def test_every_code_point_survives(self, backend):
        step = backend.size(1, 37)
        line = "".join(map(chr, [*range(0, 0xD800, step), *range(0xE000, 0x110000, step)]))
        assert count_skipgrams([line], 1).vocabulary == list(dict.fromkeys(line.split()))

    @given(
        st.lists(
            st.text(st.sampled_from("ab \n\r\t\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u3000é中😀"), max_size=30)
        )
    )
    def test_lines_are_split_like_str(self, backend, lines):
        assert same(count_skipgrams(lines, 2), count_skipgrams([line.split() for line in lines], 2))

    def test_str_subclass_and_other_sequences(self, backend):
        pairs = count_skipgrams([np.array(["a", "b"]), ("a", "b"), iter(["a", "b"]), [np.str_("a")]], 1)
        assert pairs["a", "b"] == 3
        assert [type(token) for token in pairs.vocabulary] == [str, str]

    @given(st.text(st.sampled_from("ab \n\r\t\u2003\u3000é中😀"), max_size=60))
    def test_file(self, backend, text):
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "text")
            path.write_bytes(text.encode())
            assert same(count_skipgrams(path, 3), count_skipgrams(text.split("\n"), 3))

    def test_blocks_of_a_file(self, backend, tmp_path, monkeypatch):
        lines = poems()[:40] + english_verse()[:20] + ["x" * 100, "", "one line without end"]
        path = tmp_path / "text"
        path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
        expected = count_skipgrams(lines, 3)
        for size in (1, 2, 7, 64):
            monkeypatch.setattr(skipgrams, "_BLOCK", size)
            assert same(count_skipgrams(path, 3), expected)

    def test_folder(self, backend, tmp_path):
        (tmp_path / "deeper").mkdir()
        for name, text in {"b": "c d", "a": "a b", "deeper/c": "e f\n"}.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        pairs = count_skipgrams(tmp_path, 9)
        assert pairs.vocabulary == list("abcdef")
        assert pairs.total == 3

    def test_compressed_file(self, backend, tmp_path):
        import lzma

        (tmp_path / "text.xz").write_bytes(lzma.compress(b"a b\nb a\n"))
        assert dict(count_skipgrams(tmp_path / "text.xz", 1).items()) == {("a", "b"): 1, ("b", "a"): 1}

    def test_file_that_is_not_utf8(self, backend, tmp_path):
        path = tmp_path / "latin"
        path.write_bytes(b"good line\nanother\ncaf\xe9 au lait\n")
        with pytest.raises(ValueError, match=r"latin, line 3, byte 4: not UTF-8 \(0xe9\)"):
            count_skipgrams(path, 1)
        assert count_skipgrams(path, 1, errors="replace").vocabulary[3] == "caf\ufffd"

    @pytest.mark.parametrize(
        "bad",
        [
            *(b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf"),
            *(b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xc3", b"\xe4\xb8", b"\xf0\x9f\x98"),
            *(b"\xc3a", b"\xe4\xb8a", b"\xf0\x9f\x98a"),
        ],
    )
    def test_invalid_utf8_is_found(self, backend, tmp_path, bad):
        for before in ("", "abcdefghijk", "中文é😀"):
            path = tmp_path / "text"
            path.write_bytes(before.encode() + bad + b" end")
            with pytest.raises(ValueError, match=f"text, line 1, byte {len(before.encode()) + 1}: not UTF-8"):
                count_skipgrams(path, 1)

    @given(st.binary(max_size=40))
    def test_validity_is_what_python_says(self, data):
        assert kernels("skipgrams", "compiled").first_invalid(data) == kernels("skipgrams", "reference").first_invalid(
            data
        )

    def test_missing_file(self, backend, tmp_path):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            count_skipgrams(tmp_path / "nowhere", 1)

    def test_a_str_is_its_characters_whatever_it_says(self, backend):
        expected = count_skipgrams([["a", "b", "a"]], 1)
        for texts in ([[Liar("a"), "b", Liar("a")]], [Liar("a b a")]):
            assert dict(count_skipgrams(texts, 1).items()) == dict(expected.items())

    @pytest.mark.parametrize("tokens", [1, 40])
    def test_a_text_that_is_refused_leaves_nothing_in_the_next(self, backend, tokens):
        stream = kernels("skipgrams").TokenStream()
        stream.add_texts([["a", "b"]], 0)
        with pytest.raises(TypeError, match="must hold str tokens"):
            stream.add_texts([["a"] * tokens + [3]], 1)
        stream.add_texts([["b", "a"]], 1)
        ids, offsets, _ = stream.finish()
        assert (ids.tolist(), offsets.tolist()) == ([0, 1, 1, 0], [0, 2, 4])

    def test_whole_texts_can_be_taken(self, backend):
        """What is taken is gone, tokens keep their ids, and a text that isn't whole stays."""
        stream = kernels("skipgrams").TokenStream()
        assert [it.tolist() for it in stream.take()] == [[], [0]]
        stream.add_bytes(b"a b\nc\nb d")
        assert [it.tolist() for it in stream.take()] == [[0, 1, 2], [0, 2, 3]]
        assert [it.tolist() for it in stream.take()] == [[], [0]]
        stream.add_bytes(b" a\n")
        stream.add_texts([["e", "c"]], 0)
        assert [it.tolist() for it in stream.take()] == [[1, 3, 0, 4, 2], [0, 3, 5]]
        with pytest.raises(TypeError, match="must hold str tokens"):
            stream.add_texts([["f", "a", 3]], 0)
        stream.add_bytes(b"f e")
        stream.end_text()
        ids, offsets, names = stream.finish()
        assert (ids.tolist(), offsets.tolist()) == ([names.index("f"), 4], [0, 2])


class TestIds:
    @given(st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=6), st.integers(1, 4))
    def test_like_tokens(self, backend, lists, window):
        flat = [i for text in lists for i in text]
        pairs = count_skipgrams(np.array(flat, int), window, lengths=[len(text) for text in lists])
        assert dict(pairs.items()) == dict(by_hand(lists, window))

    def test_vocabulary_sets_the_size(self, backend):
        pairs = count_skipgrams([0, 1, 0], 1, lengths=[3], vocabulary=["a", "b", "c"])
        assert pairs["a", "b"] == 1
        assert pairs.matrix.shape == (3, 3)
        assert pairs.token_counts.tolist() == [2, 1, 0]

    def test_one_text_without_lengths(self, backend):
        assert count_skipgrams(np.array([0, 1, 2]), 1).total == 2

    def test_layouts(self, backend):
        ids = np.array([3, 1, 2, 3, 1, 0])
        expected = count_skipgrams(ids, 2, lengths=[4, 2])
        for name, form in nasty_forms(ids):
            kept = form.copy()
            assert same(count_skipgrams(form, 2, lengths=[4, 2]), expected), name
            assert form.tolist() == kept.tolist(), name


class TestResult:
    def test_look_up(self, backend):
        pairs = count_skipgrams(["a b a b c"], 2)
        assert pairs["a", "b"] == 2
        assert pairs["c", "a"] == pairs["nowhere", "a"] == 0
        with pytest.raises(TypeError, match="a pair must be a tuple"):
            pairs["a"]
        assert pairs.most_common(2) == [(("a", "b"), 2), (("a", "a"), 1)]
        assert len(pairs.most_common()) == len(pairs)
        assert "pairs of 3 tokens" in repr(pairs)

    def test_to_pandas(self, backend):
        frame = count_skipgrams(["a b a"], 1).to_pandas()
        assert frame.to_dict("list") == {"first": ["a", "b"], "second": ["b", "a"], "count": [1, 1]}

    def test_pickles_and_is_frozen(self, backend):
        pairs = count_skipgrams(["a b a b c"], 2)
        assert same(pickle.loads(pickle.dumps(pairs)), pairs)
        with pytest.raises(AttributeError):
            pairs.window = 3

    def test_executor(self, backend):
        lists = [line.split() for line in english_verse()[:50]]
        with ThreadPoolExecutor(2) as pool:
            assert same(count_skipgrams(lists, 5, workers=pool), count_skipgrams(lists, 5))
        assert same(count_skipgrams(lists, 5, workers=map), count_skipgrams(lists, 5))


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "options", "error", "words"),
        [
            (("a b", 1), {}, TypeError, "token_lists must be an iterable of texts or a path, got a bare str"),
            ((5, 1), {}, TypeError, "got int"),
            (([5], 1), {}, TypeError, r"token_lists\[0\] must be a list of tokens or a str to split, got int"),
            ((["a", ["a", 5]], 1), {}, TypeError, r"token_lists\[1\] must hold str tokens, got int"),
            (([[b"a"]], 1), {}, TypeError, r"token_lists\[0\] must hold str tokens, got bytes"),
            (([["a", None]], 1), {}, TypeError, r"token_lists\[0\] must hold str tokens, got NoneType"),
            ((["a"], 0), {}, ValueError, "window must be at least 1, got 0"),
            ((["a"], 1.5), {}, TypeError, "window must be an int"),
            ((["a"], 1), {"min_count": 0}, ValueError, "min_count must be at least 1"),
            ((["a"], 1), {"errors": "skip"}, ValueError, "errors must be one of"),
            ((["a"], 1), {"workers": 0}, ValueError, "workers must be at least 1"),
            ((["a"], 1), {"vocabulary": ["a"]}, ValueError, "vocabulary names integer ids"),
            ((["a"], 1), {"lengths": [1]}, TypeError, "token_lists must be integers"),
            ((np.array([0.5]), 1), {}, TypeError, "token_lists must be integers"),
            ((np.array([-1]), 1), {}, ValueError, r"token_lists must lie in \[0"),
            ((np.array([2**31]), 1), {}, ValueError, "token_lists must lie in"),
            ((np.array([[1]]), 1), {}, ValueError, "token_lists must have 1 dimensions"),
            (([1, 2], 1), {"lengths": [1]}, ValueError, "lengths must add up to the 2 ids, got 1"),
            (([1, 2], 1), {"lengths": [3, -1]}, ValueError, "lengths must lie in"),
            (([3], 1), {"lengths": [1], "vocabulary": ["a"]}, ValueError, r"token_lists must lie in \[0, 1\)"),
        ],
    )
    def test_it_is_named(self, backend, arguments, options, error, words):
        with pytest.raises(error, match=words):
            count_skipgrams(*arguments, **options)

    def test_error_of_an_iterator_comes_through(self, backend):
        def texts():
            yield "a b"
            raise RuntimeError("from inside")

        with pytest.raises(RuntimeError, match="from inside"):
            count_skipgrams(texts(), 1)


def test_references_are_flat(backend):
    token = "".join(["a token", " of its own"])
    before = sys.getrefcount(token)
    for _ in range(10):
        count_skipgrams([[token] * 5], 2)
    assert sys.getrefcount(token) == before


def test_memory_is_flat():
    setup = "from fastcore.skipgrams import count_skipgrams; texts = ['a b c d e é 中文'] * 100 + [['x', 5]]"
    assert memory_growth(setup, "count_skipgrams(texts[:-1], 2)", 500) < 50
    failing = "try: count_skipgrams(texts, 2)\n    except TypeError: pass"
    assert memory_growth(setup, failing, 500) < 50


def test_byte_order_mark_is_no_token(backend, tmp_path):
    path = tmp_path / "marked.txt"
    path.write_bytes(b"\xef\xbb\xbfa b")
    assert count_skipgrams(path, 1).vocabulary == ["a", "b"]
    path.write_bytes(b"\xef\xbb\xbfa \xff")
    with pytest.raises(ValueError, match=r"line 1, byte 6: not UTF-8 \(0xff\)"):
        count_skipgrams(path, 1)
