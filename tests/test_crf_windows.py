"""The word segmenter's kernels: attributes from windows of characters, and words by their weights."""

from __future__ import annotations

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import _data, use_backend
from fastcore._backend import kernels
from fastcore.chain import viterbi
from fastcore.crf import Segmenter, _segmenter
from fastcore.crf._features import Items
from fastcore.crf._model import Decoder
from fastcore.crf._segmenter import _KINDS, _labels, _runs

from .helpers import Liar

# Few characters, so that windows come again: of all kinds, of one to four bytes, and a lone surrogate.
ALPHABET = "我们喜欢0９aＺ，.é𠀀😀\ud800 "
TEXTS = st.lists(st.text(ALPHABET, max_size=30), max_size=6)
OFFSETS = [(-2,), (-1,), (0,), (1,), (2,), (-2, -1), (-1, 0), (0, 1), (1, 2), (-1, 1)]


def kind_of(character: str | None) -> int:
    """Other, digit, letter, ideograph, punctuation, nothing: as the guide says it."""
    if character is None:
        return 5
    if character in "，。、；：？！…—·“”‘’（）《》〈〉「」『』【】〔〕,.;:?!\"'()[]<>-/%":
        return 4
    if character in "0123456789０１２３４５６７８９":
        return 1
    if "a" <= character.lower() <= "z" or "Ａ" <= character <= "ｚ":
        return 2
    return 3 if "㐀" <= character <= "鿿" or "\U00020000" <= character <= "\U0003ffff" else 0


def named(text: str) -> list[list[tuple]]:
    """The attributes of each character, by template and what stands there."""
    padded = [None, None, *text, None, None]
    rows = []
    for i in range(2, len(text) + 2):
        row = [(t, *(padded[i + d] for d in ds)) for t, ds in enumerate(OFFSETS)]
        row += [(10, kind_of(padded[i])), (11, *(kind_of(padded[i + d]) for d in (-1, 0, 1)))]
        rows.append(row)
    return rows


def key_of(attribute: tuple) -> int:
    template, *parts = attribute
    if template >= 10:
        return template << 42 | sum(kind << 3 * i for i, kind in enumerate(reversed(parts)))
    codes = [0x110000 if part is None else ord(part) for part in parts]
    return template << 42 | sum(code << 21 * i for i, code in enumerate(reversed(codes)))


def model(texts: list[str], seed: int = 0, share: float = 0.7):
    """Weights by name of some of the attributes of texts, the known keys, weights as the kernels take them, moves."""
    rng = np.random.default_rng(seed)
    names = sorted({a for text in texts for row in named(text) for a in row}, key=key_of)
    names = [name for name in names if rng.random() < share]
    weights = rng.normal(size=(len(names), 4))
    moves = rng.normal(size=(4, 4))
    return dict(zip(names, weights)), np.array([key_of(n) for n in names], np.int64), weights, moves


def cutter_of(known, weights, moves, name=None):
    kernel = kernels("crf.windows", name)
    return kernel.Cutter(kernel.Windows(known, _KINDS), weights, moves)


def generic(texts: list[str], known, weights, moves, backend: str):
    """Labels and scores of texts by the CRF's kernels, from the attributes that are read."""
    items = Items(*kernels("crf.windows", backend).Windows(known, _KINDS).read(texts), np.empty(0))
    n = len(known)
    scores = kernels("crf.features", backend).state_scores(
        items.rows, items.attributes, items.values, np.arange(n + 1) * 4, np.tile(np.arange(4, dtype=np.int32), n),
        weights.ravel(), 4,
    )  # fmt: skip
    legal = np.full((4, 4), -np.inf)
    for i, j in ((0, 1), (0, 2), (1, 1), (1, 2), (2, 0), (2, 3), (3, 0), (3, 3)):
        legal[i, j] = moves[i, j]
    start, end = np.array([0, -np.inf, -np.inf, 0]), np.array([-np.inf, -np.inf, 0, 0])
    with use_backend(backend):
        return viterbi(scores, legal, lengths=np.diff(items.offsets), start=start, end=end)


def pieces(text: str):
    """All ways to cut a text into words."""
    for cuts in itertools.product((False, True), repeat=max(len(text) - 1, 0)):
        ends = [i + 1 for i, here in enumerate(cuts) if here] + [len(text)] * (len(text) > 0)
        yield [text[a:b] for a, b in itertools.pairwise([0, *ends])]


def labels_of(words: list[str]) -> list[int]:
    return [n for word in words for n in ([3] if len(word) == 1 else [0, *[1] * (len(word) - 2), 2])]


class TestWindows:
    @given(TEXTS)
    def test_attributes_by_name(self, backend, texts):
        kernel = kernels("crf.windows")
        keys, counts = kernel.count_windows(texts, _KINDS)
        expected: dict[int, int] = {}
        for name in (name for text in texts for row in named(text) for name in row):
            expected[key_of(name)] = expected.get(key_of(name), 0) + 1
        assert dict(zip(keys.tolist(), counts.tolist(), strict=True)) == expected
        assert len(keys) == len(expected)

        known = np.array(sorted(expected)[::2], np.int64)
        offsets, rows, ids = kernel.Windows(known, _KINDS).read(texts)
        assert offsets.tolist() == [0, *itertools.accumulate(map(len, texts))]
        of_known = {key: i for i, key in enumerate(known.tolist())}
        wanted = [
            [of_known[key] for key in map(key_of, row) if key in of_known] for text in texts for row in named(text)
        ]
        assert [ids[a:b].tolist() for a, b in itertools.pairwise(rows.tolist())] == wanted
        assert (offsets.dtype, rows.dtype, ids.dtype) == (np.int64, np.int64, np.int32)

    def test_many_texts_and_long_ones(self):
        words = [w for line in _data.segmented("dev") for w in line]
        texts = [*words[:2000], "".join(words[:8000]), "", *("𠀀" * n + "ab" * 200 for n in range(250, 262))]
        found = []
        for name in ("compiled", "reference"):
            kernel = kernels("crf.windows", name)
            keys, counts = kernel.count_windows(texts, _KINDS)
            order = np.argsort(keys)
            known = keys[order][counts[order] > 1]
            found.append((keys[order], counts[order], *kernel.Windows(known, _KINDS).read(texts)))
        for ours, twins in zip(*found):
            np.testing.assert_array_equal(ours, twins)

    def test_order_of_the_known_is_free(self, backend):
        _, known, _, _ = model(["我们ab", "喜欢"])
        kernel, turned = kernels("crf.windows"), np.ascontiguousarray(known[::-1])
        one, other = (kernel.Windows(k, _KINDS).read(["我们喜欢"]) for k in (known, turned))
        assert known[one[2]].tolist() == turned[other[2]].tolist()

    @pytest.mark.parametrize("key", [-1, 0x110001, 4 << 42 | 1 << 21, 10 << 42 | 8, 11 << 42 | 512, 12 << 42, 1 << 62])
    def test_keys_of_nothing(self, backend, key):
        with pytest.raises(ValueError, match=f"keys must be those of attributes, got {key}"):
            kernels("crf.windows").Windows(np.array([key]), _KINDS)

    def test_bad_input(self, backend):
        kernel = kernels("crf.windows")
        nothing = np.empty(0, np.int64)
        for bad in ([-1, 5, 0], [5, 4, 0], [0, 0x110002, 0], [0, 5, 8], [0, 5, -1]):
            with pytest.raises(ValueError, match="kinds must be rows of first code point"):
                kernel.Windows(nothing, np.array([bad]))
            with pytest.raises(ValueError, match="kinds must be rows of first code point"):
                kernel.count_windows([], np.array([bad]))
        windows = kernel.Windows(nothing, _KINDS)
        cutter = kernel.Cutter(windows, np.empty((0, 4)), np.zeros((4, 4)))
        for call in (windows.read, cutter.cut, cutter.label, lambda texts: kernel.count_windows(texts, _KINDS)):
            with pytest.raises(TypeError, match="texts must be str, got bytes"):
                call(["a", b"b"])
        for weights, moves, words in (
            (np.zeros((1, 4)), np.zeros((4, 4)), "weights must have shape"),
            (np.zeros((0, 3)), np.zeros((4, 4)), "weights must have shape"),
            (np.zeros((0, 4)), np.zeros((4, 3)), "moves must have shape"),
        ):
            with pytest.raises(ValueError, match=words):
                kernel.Cutter(windows, weights, moves)


class TestCutter:
    @given(TEXTS, st.integers(0, 5))
    def test_same_labels_and_scores_as_any_field(self, backend, texts, seed):
        _, known, weights, moves = model([*texts, "我们喜欢0"], seed)
        # What training didn't hold as well.
        texts = [*texts, "我欢a", "龘龘龘龘龘龘", "𪚥龘們"]
        cutter = cutter_of(known, weights, moves)
        labels, scores = cutter.label(texts)
        expected_labels, expected = generic(texts, known, weights, moves, backend.name)
        assert labels.tolist() == expected_labels.tolist()
        assert scores.tolist() == expected.tolist()
        words = cutter.cut(texts)
        assert ["".join(w) for w in words] == texts
        assert [n for w in words for n in labels_of(w)] == labels.tolist()

    @pytest.mark.parametrize("text", ["", "我", "𠀀a", "我们a", "我们喜欢0，𠀀", "aaaaaa"])
    def test_all_ways_to_cut(self, backend, text):
        for seed in range(5):
            by_name, known, weights, moves = model(["我们喜欢0，𠀀", "aaaa"], seed)

            def score(words: list[str], by_name=by_name, moves=moves) -> float:
                labels = labels_of(words)
                steps = sum(moves[a, b] for a, b in itertools.pairwise(labels))
                return steps + sum(
                    by_name.get(name, np.zeros(4))[label] for row, label in zip(named(text), labels) for name in row
                )

            cutter = cutter_of(known, weights, moves)
            best = max(pieces(text), key=score)
            assert cutter.cut([text]) == [best]
            assert cutter.label([text])[1][0] == pytest.approx(score(best), abs=1e-12)

    def test_ties(self, backend):
        cutter = cutter_of(np.empty(0, np.int64), np.empty((0, 4)), np.zeros((4, 4)))
        # Of equally good labels the smaller one, from the end: E before S, B before M.
        assert cutter.cut(["abcd", "abc", "ab", "a"]) == [["ab", "cd"], ["a", "bc"], ["ab"], ["a"]]

    def test_company_doesnt_matter(self, backend):
        _, known, weights, moves = model(["我们喜欢0，𠀀"], 1)
        cutter = cutter_of(known, weights, moves)
        texts = ["我们喜欢", "", "a", "我们𠀀，", "é", "们喜"] * 3
        assert cutter.cut(texts) == [cutter.cut([text])[0] for text in texts]
        assert cutter.cut(iter(texts)) == cutter.cut(tuple(texts))
        assert cutter.cut([]) == []
        assert [part.tolist() for part in cutter.label([])] == [[], []]
        assert [part.tolist() for part in cutter.label(["", ""])] == [[], [0.0, 0.0]]

    @pytest.mark.compiled
    def test_a_million_characters(self):
        lines = ["".join(words) for words in _data.segmented("dev")]
        _, known, weights, moves = model(lines[:20], 3)
        cutter = cutter_of(known, weights, moves)
        text = "".join(lines)
        text = "𠀀".join([text] * (1_000_000 // len(text) + 1))
        for texts in ([text], list(text[:70_000]), [text[i : i + 3] for i in range(0, 70_000, 3)]):
            labels, scores = cutter.label(texts)
            expected_labels, expected = generic(texts, known, weights, moves, "compiled")
            np.testing.assert_array_equal(labels, expected_labels)
            np.testing.assert_array_equal(scores, expected)
            assert "".join(w for words in cutter.cut(texts) for w in words) == "".join(texts)

    def test_twins_at_the_edges_of_blocks(self):
        lines = ["".join(words) for words in _data.segmented("dev")]
        _, known, weights, moves = model(lines[:20], 4)
        text = "".join(lines)
        texts = [text[n : 2 * n] for n in (*range(252, 260), *range(510, 515), 0, 1, 2, 3)]
        ours, twins = (cutter_of(known, weights, moves, name) for name in ("compiled", "reference"))
        for a, b in zip(ours.label(texts), twins.label(texts)):
            np.testing.assert_array_equal(a, b)
        assert ours.cut(texts) == twins.cut(texts)

    def test_infinite_and_large_weights(self, backend):
        _, known, weights, moves = model(["我们喜欢"], 2)
        cutter = cutter_of(known, 1e300 * weights, moves)
        assert "".join(cutter.cut(["我们喜欢"])[0]) == "我们喜欢"
        cutter = cutter_of(known, np.full_like(weights, -np.inf), moves)
        assert "".join(cutter.cut(["我们喜欢"])[0]) == "我们喜欢"


class TestSegmenter:
    def test_as_any_field(self, backend):
        train = _data.segmented("train")[: backend.size(300, 10)]
        test = _data.segmented("test")[: backend.size(500, 10)]
        segmenter = Segmenter(min_freq=2, max_iterations=backend.size(10, 2)).fit(train)
        trained = segmenter._trained
        texts = ["".join(words) for words in test]
        items = Items(*kernels("crf.windows").Windows(trained.known, _KINDS).read(texts), np.empty(0))
        paths = Decoder(trained.features, trained.weights, np.float64, backend.name).paths(items, 1)
        found = segmenter.segment_many(texts)
        assert [labels_of(words) for words in found] == paths
        assert ["".join(words) for words in found] == texts

    def test_workers(self, backend, monkeypatch):
        monkeypatch.setattr(_segmenter, "_SHARE", 20)
        train = [["我们", "喜欢", "音乐"], ["他们", "喜欢", "电影"], ["", "a"][1:]] * 5
        segmenter = Segmenter(min_freq=1, max_iterations=5).fit(train)
        texts = ["我们喜欢电影", "", "他" * 50, "a", "他们"] * 20
        alone = segmenter.segment_many(texts)
        sent = []

        def away(function, tasks):
            for task in tasks:
                sent.append(pickle.dumps((function, task)))
                function, task = pickle.loads(sent[-1])
                yield pickle.loads(pickle.dumps(function(task)))

        with ThreadPoolExecutor(2) as pool:
            for workers in (2, -1, pool, map, away):
                segmenter.workers = workers
                assert segmenter.segment_many(texts) == alone
                assert segmenter.segment_many([]) == []
        assert len(sent) > 20
        # The model goes once, not with each task.
        assert max(map(len, sent)) < 1000

    def test_a_new_fit_is_taken_up(self, backend):
        segmenter = Segmenter(min_freq=1).fit([["ab", "cd"]] * 4)
        assert segmenter.segment("abcd") == ["ab", "cd"]
        assert pickle.loads(pickle.dumps(segmenter)).segment("abcd") == ["ab", "cd"]
        assert segmenter.fit([["a", "b", "c", "d"]] * 4).segment("abcd") == ["a", "b", "c", "d"]

    def test_words_that_lie(self, backend):
        lines = [[Liar("ab"), Liar("c")], ["ab", "c"]] * 3
        one, other = (Segmenter(min_freq=1, max_iterations=5).fit(x) for x in (lines, [["ab", "c"]] * 6))
        assert one.loss_ == other.loss_
        assert one.segment(Liar("abc")) == ["ab", "c"]
        assert one.set_params(workers=2).segment_many([Liar("abc")]) == [["ab", "c"]]

    def test_labels_and_runs(self):
        assert _labels([["我们", "是"], [], ["二维码", "一二三四"]]).tolist() == [0, 2, 3, 0, 1, 2, 0, 1, 1, 2]
        assert _labels([]).tolist() == []
        assert list(_runs(["ab", "c", "", "defg", "h", "i"], 3)) == [["ab", "c", ""], ["defg"], ["h", "i"]]
        assert list(_runs([], 3)) == []
        assert list(_runs(["", ""], 1)) == [["", ""]]
