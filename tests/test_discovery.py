"""Words found without labels."""

from __future__ import annotations

import gzip
import hashlib
import math
import pickle
import re
from collections import Counter, defaultdict
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import use_backend
from fastcore._backend import kernels
from fastcore._data import english_verse, poems, segmented
from fastcore._metrics import span_f1
from fastcore.compat.nlp_zero import Word_Finder
from fastcore.discovery import WordFinder, _blocks, _grams
from fastcore.discovery._adjacent import PUNCTUATION
from fastcore.discovery._entropy import autonomy, branching_entropies
from fastcore.discovery._grams import Grams
from fastcore.discovery._words import Words, kinds_of, spelled
from fastcore.lexicon import Lexicon, Tokenizer

from .conftest import ONLY_REFERENCE
from .helpers import ctrl_c, memory_growth

TEXTS = ["看电影", "电影院", "看书", "书店", "电影票"]
small_texts = st.lists(st.text("天地人a1。x,", max_size=12), min_size=1, max_size=12)


def log(x):
    return math.log(x) if x else -100


def slow_adjacent(texts, min_proba, min_pmi):
    """The adjacent method written from its description, with dicts: (words before, words after removal)."""
    pieces = [s for text in texts for s in re.split("[^\u4e00-\u9fa50-9a-zA-Z]+", text) if s]
    chars, pairs, words = defaultdict(int), defaultdict(int), defaultdict(int)
    for piece in pieces:
        for c in piece:
            chars[c] += 1
        for pair in pairwise(piece):
            pairs[pair] += 1
    n_chars, n_pairs = log(sum(chars.values())), log(sum(pairs.values()))

    def strong(a, b):
        p = log(pairs[a, b]) - n_pairs
        return p > log(min_proba) and p - (log(chars[a]) - n_chars) - (log(chars[b]) - n_chars) > min_pmi

    for piece in pieces:
        word = piece[0]
        for a, b in pairwise(piece):
            if strong(a, b):
                word += b
            else:
                words[word] += 1
                word = b
        words[word] += 1
    total = log(sum(words.values()))
    return {word: count for word, count in words.items() if log(count) - total > log(min_proba)}


def best_parts(word, words, log_total):
    """All segmentations by brute force: (score, parts) of the best, and whether another one is as good."""
    found = []
    for mask in range(2 ** (len(word) - 1)):
        cuts = [0, *(i + 1 for i in range(len(word) - 1) if mask >> i & 1), len(word)]
        parts = [word[a:b] for a, b in pairwise(cuts)]
        if all(part in words for part in parts):
            found.append((sum(math.log(words[part]) - log_total for part in parts), parts))
    found.sort(reverse=True)
    return *found[0], len(found) > 1 and found[0][0] - found[1][0] < 1e-9


class TestAdjacent:
    def test_by_hand(self, backend):
        # p(电影) = 3/9 of the pairs, p(电) = p(影) = 3/14 of the characters: pmi = log(1/3 * 196/9) = 1.98.
        # 影院 and 影票 have the same, 书店 has 2.39, 看书 1.69, 看电 1.29.
        words = WordFinder(min_proba=1e-4, min_pmi=1.9).fit(TEXTS).words_
        assert words == {"看": 2, "电影": 1, "电影院": 1, "书": 1, "书店": 1, "电影票": 1}
        split = WordFinder(min_proba=1e-4, min_pmi=2).fit(TEXTS).words_
        assert split == {"看": 2, "电": 3, "影": 3, "院": 1, "书": 1, "书店": 1, "票": 1}

    def test_order_is_by_count_then_first_occurrence(self, backend):
        words = WordFinder(min_proba=0, min_pmi=100, join_alnum=False).fit(["ab", "ba", "c"]).words_
        assert list(words.items()) == [("a", 2), ("b", 2), ("c", 1)]

    def test_filter(self, backend):
        words = WordFinder(min_pmi=100).fit(["天é地\u9fa6人１カ", "z\U0001f600\ud800"]).words_
        assert set(words) == set("天地人z")

    def test_texts_are_apart(self, backend):
        texts = ["天", "地"] * 50
        assert set(WordFinder(min_pmi=-100).fit(texts).words_) == {"天", "地"}
        assert set(WordFinder(min_pmi=-100, keep=None).fit(texts).words_) == {"天", "地"}

    def test_keep(self, backend):
        texts = ["the\ncat", "the\ncat"] * 3
        words = WordFinder(min_pmi=0.1, keep="abcdefghijklmnopqrstuvwxyz").fit(texts).words_
        assert not any("\n" in word for word in words)
        assert "\n" in "".join(WordFinder(min_pmi=-100, keep=None).fit(texts).words_)
        assert set(WordFinder(min_pmi=100, keep={"t", "天"}).fit(["the 天 cat"]).words_) == {"t", "天"}
        assert set(WordFinder(min_pmi=100, keep="alnum").fit(["a天1"]).words_) == {"a", "1"}

    @given(small_texts, st.sampled_from([1e-7, 1e-2, 0.05]), st.sampled_from([-1, 0.2, 1]))
    def test_twins_agree(self, texts, min_proba, min_pmi):
        texts = [*texts, "天"]
        found = {}
        for name in ("compiled", "reference"):
            with use_backend(name):
                found[name] = list(WordFinder(min_proba, min_pmi).fit(texts).words_.items())
        assert found["compiled"] == found["reference"]

    @given(small_texts, st.sampled_from([-1, 0.2, 1]))
    def test_chains_against_a_direct_count(self, texts, min_pmi):
        texts = [*texts, "天"]
        expected = slow_adjacent(texts, 1e-2, min_pmi)
        finder = Word_Finder(1e-2, min_pmi)
        finder.train(texts)
        before = dict(finder.words)
        finder.find(texts)
        assert before == {}
        # The removal only moves counts from words to their parts.
        assert set(finder.words) <= set(expected)
        assert all(finder.words[word] >= expected[word] for word in finder.words)
        characters = sum(len(word) * count for word, count in expected.items())
        assert sum(len(word) * count for word, count in finder.words.items()) == characters

    @given(st.lists(st.tuples(st.text("天地人山", min_size=1, max_size=6), st.integers(1, 50)), max_size=15))
    def test_removal_against_all_segmentations(self, backend, pairs):
        words = dict(pairs)
        for character in "天地人山":
            words.setdefault(character, 3)
        expected = dict(words)
        for word in sorted(words, key=len, reverse=True):
            if len(word) > 1:
                log_total = math.log(sum(expected.values()))
                count = expected.pop(word)
                score, parts, tie = best_parts(word, expected, log_total)
                surplus = math.log(count) - log_total - score - (len(word) - 1)
                if tie or abs(surplus) < 1e-9:
                    return
                for part in parts if surplus < 0 else [word]:
                    expected[part] = expected.get(part, 0) + count
        ids = np.array(["天地人山".index(c) for word in words for c in word], np.int32)
        offsets = np.cumsum([0, *map(len, words)], dtype=np.int64)
        counts = np.array(list(words.values()), np.int64)
        left = kernels("discovery.redundancy").remove_redundant(ids, offsets, counts, np.zeros(4, np.uint8))
        assert left.tolist() == [expected.get(word, 0) for word in words]

    @given(
        st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40), st.integers(1, 300)), min_size=1, max_size=25),
        st.sampled_from(["天地", "天地人山水", "天a1.，"]),
        st.integers(0, 2**32),
    )
    def test_removal_of_long_words(self, stretches, characters, seed):
        # Stretches of one text hold one another, so that words have words as parts.
        text = np.random.default_rng(seed).choice(list(characters), 100)
        words = {"".join(text[start : start + length]): count for start, length, count in stretches}
        for character in characters:
            words.setdefault(character, 40)
        symbols = np.array([ord(character) for character in characters], np.int32)
        ids = np.array([characters.index(c) for word in words for c in word], np.int32)
        offsets = np.cumsum([0, *map(len, words)], dtype=np.int64)
        counts = np.array(list(words.values()), np.int64)
        kinds = kinds_of((symbols, np.arange(len(symbols) + 1)), PUNCTUATION)
        left = [
            kernels("discovery.redundancy", name).remove_redundant(ids, offsets, counts, kinds).tolist()
            for name in ("compiled", "reference")
        ]
        assert left[0] == left[1]

    def test_a_part_that_became_frequent(self, backend):
        # The first word's count makes a so frequent that bac falls apart too: 2 log 21201 - 2 log 150 - log 20900 < 2.
        words = {"a" * 20: 1000, "bac": 1, "a": 900, "b": 150, "c": 150}
        ids = np.array(["abc".index(c) for word in words for c in word], np.int32)
        offsets = np.cumsum([0, *map(len, words)], dtype=np.int64)
        counts = np.array(list(words.values()), np.int64)
        left = kernels("discovery.redundancy").remove_redundant(ids, offsets, counts, np.zeros(3, np.uint8))
        assert left.tolist() == [0, 0, 20901, 151, 151]

    def test_words_with_one_hash(self, backend):
        # Strings of Thue and Morse have one polynomial hash modulo 2**64, whatever its base.
        one = np.array([number.bit_count() % 2 for number in range(1024)])
        words = [one, 1 - one, np.append(1 - one, 0), [0], [1]]
        ids = np.concatenate(words).astype(np.int32)
        offsets = np.cumsum([0, *map(len, words)], dtype=np.int64)
        counts = np.array([9, 90, 1, 5, 5], np.int64)
        left = kernels("discovery.redundancy").remove_redundant(ids, offsets, counts, np.zeros(2, np.uint8))
        assert left.tolist() == [9, 91, 0, 6, 5]

    @given(
        st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=30),
        st.lists(st.integers(-1, 120), max_size=700),
        st.sampled_from([0, 100_000]),
    )
    def test_pair_set(self, backend, pairs, numbers, rare):
        # Bits serve for small numbers, a table for larger ones.
        held = {(a + rare, b + rare) for a, b in pairs}
        ids = np.array([number + rare if number >= 0 else -1 for number in numbers], np.int32)
        index = kernels("discovery.pairs").PairSet(np.array([*held], np.int32).reshape(-1, 2))
        assert index.holds(ids).tolist() == [*(pair in held for pair in pairwise(ids.tolist())), False][: len(ids)]

    def test_numbers_beyond_the_pair_set(self, backend):
        index = kernels("discovery.pairs").PairSet(np.array(list(product(range(8), repeat=2)), np.int32))
        ids = np.random.default_rng(1).integers(-1, 150, backend.size(40_000, 4_000)).astype(np.int32)
        inside = (ids >= 0) & (ids < 8)
        assert index.holds(ids).tolist() == [*(inside[:-1] & inside[1:]), False]

    def test_pairs_that_were_never_met(self, backend):
        # A count of 0 is a count: the pair has one row, and further counts go there.
        counter = kernels("discovery.pairs").PairCounter()
        pairs = np.array([[0, 1], [1, 0]], np.int32)
        for counts in ([0, 2], [0, 3], [4, 0]):
            counter.merge(np.array([1, 1]), pairs, np.array(counts))
        chars, found, counts = counter.result()
        assert (chars.tolist(), found.tolist(), counts.tolist()) == ([3, 3], pairs.tolist(), [4, 5])

    @given(st.lists(st.tuples(st.integers(-1, 5), st.booleans()), max_size=600))
    def test_word_counter(self, backend, places):
        ids = np.array([number for number, _ in places], np.int32)
        joined = np.array([goes_on for _, goes_on in places], np.uint8)
        words, word = Counter(), ()
        for (number, goes_on), (after, _) in pairwise([*places, (-1, False)]):
            word += (number,) if number >= 0 else ()
            if word and (number < 0 or not goes_on or after < 0):
                words[word] += 1
                word = ()
        counter = kernels("discovery.words").WordCounter()
        counter.update(ids, joined)
        spelled, offsets, counts = counter.result()
        found = [tuple(spelled[a:b].tolist()) for a, b in pairwise(offsets.tolist())]
        assert list(zip(found, counts.tolist())) == list(words.items())

    def test_dict_of_words(self, backend):
        symbols = np.array([ord("a"), 0xE9, 0x5929, 0x1F600, 0xD800, *b"v2"], np.int32), np.array([0, 1, 2, 3, 4, 5, 7])
        words = ["a", "é", "天", "\U0001f600", "\ud800", "aé", "a天", "a\U0001f600天", "天v2"]
        ids = np.array([0, 1, 2, 3, 4, 0, 1, 0, 2, 0, 3, 2, 2, 5], np.int32)
        offsets = np.array([0, 1, 2, 3, 4, 5, 7, 9, 12, 14], np.int64)
        counts = np.array([3, 70_000, 3, 2**40, 65_535, 1, 65_536, 3, 3])
        found = Words(ids, offsets, counts)
        assert list(found.to_dict(symbols, backend.name).items()) == list(zip(words, counts.tolist()))
        expected = sorted(zip(words, counts.tolist()), key=lambda item: -item[1])
        assert list(found.to_sorted_dict(symbols, backend.name).items()) == expected

    def test_poems_are_the_same_on_both_twins(self):
        verses = poems()[:1500]
        with use_backend("reference"):
            slow = WordFinder(min_proba=1e-5).fit(verses)
        assert list(WordFinder(min_proba=1e-5).fit(verses).words_.items()) == list(slow.words_.items())


# What nlp-zero 0.1.6 finds in the first 3000 verses: (min_proba, min_pmi, (words, sum of counts, digest)).
NLP_ZERO = [
    (1e-5, 1, (6894, 7075, "3c257a0079bd8fdb")),
    (1e-4, 0, (2053, 31235, "8a7bc974acaea39b")),
]


def slow_ngram(texts, thresholds, min_count):
    """The n-gram method written from its description, with dicts of strings."""
    pieces = [s for text in texts for s in re.split("[^\u4e00-\u9fa50-9a-zA-Z]+", text) if s]
    counts = Counter(s[i : i + n] for s in pieces for n in range(1, len(thresholds) + 1) for i in range(len(s) - n + 1))
    total = sum(count for gram, count in counts.items() if len(gram) == 1)

    def passes(gram):
        if len(gram) == 1:
            return True
        if counts[gram] < min_count:
            return False
        ratios = [total * counts[gram] / (counts[gram[:i]] * counts[gram[i:]]) for i in range(1, len(gram))]
        return math.log(min(ratios)) >= thresholds[len(gram) - 1] - 1e-12

    words = Counter()
    for s in pieces:
        joined = set()
        for n in range(2, len(thresholds) + 1):
            for i in range(len(s) - n + 1):
                if passes(s[i : i + n]):
                    joined |= set(range(i + 1, i + n))
        cuts = [0, *(i for i in range(1, len(s)) if i not in joined), len(s)]
        words.update(s[a:b] for a, b in pairwise(cuts))

    def known(word):
        n = min(len(word), len(thresholds))
        return all(passes(word[i : i + n]) for i in range(len(word) - n + 1))

    return {word: count for word, count in words.items() if count >= min_count and known(word)}


class TestNgram:
    @given(
        st.lists(st.text("天地人a。", max_size=16), max_size=15),
        st.sampled_from([(0, 0.5), (0, 0.3, 0.6), (0, 0.3, 0.5, 0.9), (0, -9, 0.2)]),
        st.sampled_from([1, 2, 3]),
    )
    def test_against_dicts(self, backend, texts, thresholds, min_count):
        texts = [*texts, "天"]
        finder = WordFinder(min_pmi=thresholds, method="ngram", min_count=min_count, join_alnum=False)
        found = finder.fit(texts).words_
        assert found == slow_ngram(texts, thresholds, min_count)

    def test_one_number_stands_for_all_orders(self, backend):
        verses = poems()[:300]
        expected = WordFinder(min_pmi=(0, 3, 6, 9), method="ngram").fit(verses).words_
        assert WordFinder(min_pmi=1.5, method="ngram").fit(verses).words_ == expected
        assert max(map(len, expected)) > 1

    def test_defaults_on_poems(self):
        verses = poems()[:3000]
        assert WordFinder(method="ngram").fit(verses).words_ == slow_ngram(verses, (0, 2, 4, 6), 4)

    def test_partial_fit_and_pickle(self, backend):
        verses = poems()[:400]
        finder = WordFinder(method="ngram").partial_fit(verses[:150]).partial_fit(iter(verses[150:]))
        finder = pickle.loads(pickle.dumps(finder))
        expected = WordFinder(method="ngram").fit(verses).words_
        assert finder.finish(verses).words_ == expected
        assert sum(finder.finish(verses[:40]).words_.values()) < sum(expected.values())

    def test_spooled(self, backend, monkeypatch):
        verses = poems()[:200]
        expected = WordFinder(method="ngram").fit(verses).words_
        monkeypatch.setattr(_blocks, "BLOCK", 300)
        monkeypatch.setattr(_blocks, "IN_MEMORY", 1000)
        assert WordFinder(method="ngram").fit(iter(verses)).words_ == expected

    def test_nothing_is_frequent(self, backend):
        assert WordFinder(method="ngram").fit(["天地"]).words_ == {}

    def test_bad_thresholds(self, backend):
        with pytest.raises(ValueError, match="min_pmi must have a threshold for each order"):
            WordFinder(min_pmi=[1], method="ngram").fit(TEXTS)
        with pytest.raises(TypeError, match="min_pmi must be a number unless"):
            WordFinder(min_pmi=[0, 1]).fit(TEXTS)
        with pytest.raises(TypeError, match="min_pmi must be a number"):
            WordFinder(min_pmi="12", method="ngram").fit(TEXTS)


def segmentations(text, longest):
    """All ways to cut a text into parts of at most `longest` characters."""
    if not text:
        return [[]]
    return [
        [text[:n], *rest] for n in range(1, min(longest, len(text)) + 1) for rest in segmentations(text[n:], longest)
    ]


def lattice_of(text, words, longest):
    """The array of candidate words that begin at each position, as the kernels take it."""
    rows = np.full((longest, len(text)), -1, np.int32)
    for i in range(len(text)):
        for n in range(1, min(longest, len(text) - i) + 1):
            rows[n - 1, i] = words.get(text[i : i + n], -1)
    return rows


class TestEntropy:
    @given(st.text("ab ", max_size=8), st.lists(st.floats(-5, 2), min_size=6, max_size=6))
    def test_expected_counts_against_all_segmentations(self, backend, text, scores):
        words = {word: number for number, word in enumerate(["a", "b", "ab", "aa", "bba", "abb"])}
        counts = np.zeros(6)
        likelihood = kernels("discovery.expectation").expected_counts(
            lattice_of(text, words, 3), np.array(scores), counts
        )
        expected, log_total = np.zeros(6), 0.0
        for piece in text.split():
            ways = [way for way in segmentations(piece, 3) if all(word in words for word in way)]
            weights = [math.exp(sum(scores[words[word]] for word in way)) for way in ways]
            log_total += math.log(sum(weights))
            for way, weight in zip(ways, weights):
                for word in way:
                    expected[words[word]] += weight / sum(weights)
        np.testing.assert_allclose(counts, expected, rtol=1e-10, atol=1e-12)
        assert likelihood == pytest.approx(log_total, rel=1e-10, abs=1e-10)

    @given(st.text("abc ", max_size=30), st.integers(0, 2**32))
    def test_expected_counts_are_equal_to_the_bit(self, text, seed):
        words = {
            "".join(w): k for k, w in enumerate([*product("abc"), *product("abc", "abc"), *product("ab", repeat=3)])
        }
        scores = np.random.default_rng(seed).normal(0, 30, len(words))
        results = []
        for name in ("compiled", "reference"):
            counts = np.zeros(len(words))
            likelihood = kernels("discovery.expectation", name).expected_counts(
                lattice_of(text, words, 3), scores, counts
            )
            results.append((likelihood, counts.tolist()))
        assert results[0] == results[1]

    def test_a_long_stretch_neither_overflows_nor_underflows(self, backend):
        text = "ab" * backend.size(50_000, 2_000)
        counts = np.zeros(3)
        kernel = kernels("discovery.expectation")
        likelihood = kernel.expected_counts(lattice_of(text, {"a": 0, "b": 1, "ab": 2}, 2), np.full(3, -7.0), counts)
        assert likelihood == pytest.approx(len(text) / 2 * np.logaddexp(-7, -14), rel=1e-12)
        assert counts[0] == counts[1]
        # Sums of logs of 3e5 leave errors of about 1e-7.
        assert counts[0] + counts[2] == pytest.approx(len(text) / 2, rel=1e-6)

    def test_branching_entropy_by_hand(self, backend):
        # After a: b twice, c once, an end once; before c: a and b.
        blocks = [kernels("discovery.symbols").Encoder(_blocks.kept("alnum"), False).encode("ab\nab\nac\na\nbc")]
        grams = Grams(blocks, 2, 1, lambda more: None, backend.name)
        right, left = branching_entropies(grams, 3)
        assert grams.counts[:3].tolist() == [4, 3, 2]
        assert right[0] == pytest.approx(math.log(4) - 2 * math.log(2) / 4)
        assert left[2] == pytest.approx(math.log(2))
        assert left[0] == pytest.approx(math.log(4))

    def test_autonomy_has_mean_zero_in_each_order(self, backend):
        encoder = kernels("discovery.symbols").Encoder(_blocks.kept("cjk"), True)
        blocks = list(_blocks.encoded(poems()[:200], encoder, "\n"))
        grams = Grams(blocks, 4, 2, lambda more: None, backend.name)
        scores = autonomy(grams, 3)
        for order, chosen in grams.orders():
            if order <= 3:
                assert scores[chosen].mean() == pytest.approx(0, abs=1e-12)

    @pytest.mark.parametrize("keep", ["cjk+alnum", "天地人"])
    def test_twins_agree(self, keep):
        verses = [*poems()[:150], "天地人天地人", "天地人"]
        found = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                found.append(list(WordFinder(method="entropy", keep=keep).fit(verses).words_.items()))
        assert found[0] == found[1]

    def test_workers_change_nothing(self, backend, monkeypatch):
        verses = poems()[:120]
        monkeypatch.setattr(_blocks, "BLOCK", 300)
        expected = list(WordFinder(method="entropy").fit(iter(verses)).words_.items())
        assert list(WordFinder(method="entropy", workers=3).fit(iter(verses)).words_.items()) == expected

    def test_spooled(self, backend, monkeypatch):
        verses = poems()[:100]
        monkeypatch.setattr(_blocks, "BLOCK", 300)
        expected = WordFinder(method="entropy").fit(verses).words_
        monkeypatch.setattr(_blocks, "IN_MEMORY", 1000)
        monkeypatch.setattr(_grams, "IN_MEMORY", 1000)
        assert WordFinder(method="entropy").fit(iter(verses)).words_ == expected

    def test_partial_fit(self, backend):
        verses = poems()[:100]
        expected = WordFinder(method="entropy").fit(verses).words_
        finder = WordFinder(method="entropy").partial_fit(verses[:30]).partial_fit(verses[30:])
        assert pickle.loads(pickle.dumps(finder)).finish(verses).words_ == expected

    def test_max_length_is_the_longest_candidate(self, backend):
        texts = ["abcdefgh", "xabcdefgh", "abcdefghy", "zabcdefghx"] * 5
        assert max(map(len, WordFinder(method="entropy", max_length=3, join_alnum=False).fit(texts).words_)) <= 3
        assert max(map(len, WordFinder(method="entropy", max_length=8, join_alnum=False).fit(texts).words_)) > 5

    def test_tiny_texts(self, backend):
        assert WordFinder(method="entropy").fit(["天"]).words_ == {"天": 1}
        assert WordFinder(method="entropy").fit(["天天天"]).words_ is not None
        assert set(WordFinder(method="entropy", max_length=1).fit(["天地"]).words_) == {"天", "地"}

    def test_english_without_spaces(self):
        letters = "abcdefghijklmnopqrstuvwxyz"
        verses = [re.sub("[^a-z ]+", "", verse.lower()).split() for verse in english_verse()[:3000]]
        raw = ["".join(words) for words in verses]
        finder = WordFinder(method="entropy", keep=letters, max_length=8, join_alnum=False).fit(raw)
        tokens = list(Tokenizer(finder.to_lexicon(), join_alnum=False).tokenize_many(raw[:500]))
        assert {"the", "god", "and"} <= set(tokens[0])
        assert span_f1(verses[:500], tokens)[2] > 0.6
        assert span_f1(verses[:500], [list(text) for text in raw[:500]])[2] < 0.1

    def test_better_than_the_others_on_labelled_text(self):
        raw = ["".join(words) for words in segmented("train")]
        gold = segmented("test")
        texts = ["".join(words) for words in gold]
        scores = []
        for options in ({"method": "adjacent", "min_proba": 1e-5}, {"method": "ngram"}, {"method": "entropy"}):
            tokenizer = Tokenizer(WordFinder(**options).fit(raw).to_lexicon(), join_fullwidth=True)
            scores.append(span_f1(gold, list(tokenizer.tokenize_many(texts)))[2])
        assert scores[2] > max(scores[:2]) + 0.02
        assert scores[2] > 0.6


class TestNlpZero:
    TEXTS = [
        "我爱北京天安门",
        "天安门上太阳升",
        "北京天安门广场",
        "我爱太阳",
        "abc12 x",
        "abc12。天安门",
        "北京",
        "太阳",
    ] * 3

    @pytest.mark.parametrize(("min_proba", "min_pmi", "expected"), NLP_ZERO)
    def test_numbers_of_nlp_zero(self, min_proba, min_pmi, expected):
        verses = poems()[:3000]
        finder = Word_Finder(min_proba, min_pmi)
        finder.train(verses)
        finder.find(verses)
        digest = hashlib.sha256(repr(sorted(finder.words.items())).encode()).hexdigest()
        assert (len(finder.words), sum(finder.words.values()), digest[:16]) == expected
        assert WordFinder(min_proba, min_pmi).fit(verses).words_ == finder.words

    def test_words_of_nlp_zero(self, backend):
        finder = Word_Finder(min_proba=1e-3, min_pmi=1)
        finder.train(self.TEXTS)
        finder.find(self.TEXTS)
        words = {"我爱北京天安门": 3, "天安门上太阳升": 3, "北京天安门广场": 3, "我爱太阳": 3, "abc12": 6}
        words |= {"x": 3, "天安门": 3, "北京": 3, "太阳": 3}
        assert list(finder.words.items()) == list(words.items())

    def test_counts(self, backend):
        finder = Word_Finder()
        finder.train(["ab", "ba", "a"])
        assert dict(finder.chars) == {"a": 3, "b": 2}
        assert dict(finder.pairs) == {"ab": 1, "ba": 1}

    def test_training_goes_on(self, backend):
        one, two = Word_Finder(1e-3), Word_Finder(1e-3)
        one.train(self.TEXTS)
        two.train(self.TEXTS[:10])
        two.train(iter(self.TEXTS[10:]))
        assert one.chars == two.chars
        assert one.pairs == two.pairs
        one.find(self.TEXTS)
        assert one.pairs == two.pairs
        one.train(["天地"])
        assert one.pairs["天地"] == 1

    def test_weak_pairs_go(self, backend):
        finder = Word_Finder(min_proba=0.2)
        finder.train(["ab", "ab", "ab", "ab", "ac"])
        finder.find(["ab"], remove_weak_pairs=False)
        assert dict(finder.pairs) == {"ab": 4, "ac": 1}
        finder.find(["ab"])
        assert dict(finder.pairs) == {"ab": 4}

    def test_words_add_up(self, backend):
        finder = Word_Finder(min_proba=1e-3, min_pmi=100)
        finder.train(["天地"])
        finder.find(["天地"])
        finder.find(["天地"])
        assert finder.words == {"天": 2, "地": 2}
        finder.words = defaultdict(int)
        finder.find(["天地"])
        assert finder.words == {"天": 1, "地": 1}

    def test_without_the_filter(self, backend):
        finder = Word_Finder(min_proba=1e-3, min_pmi=0)
        finder.train(["a é", "é，"], filtering=False)
        assert set(finder.chars) == set("a é，")
        finder.find(["a é", "é，"], filtering=False)
        assert set("".join(finder.words)) == set("a é，")

    def test_long_ascii_words_stay(self, backend):
        texts = ["".join("abcdefghijklmnopqrstuvwxyz0123456789" for _ in range(4)), "天"]
        finder = Word_Finder(min_proba=1e-3, min_pmi=0.5)
        finder.train(texts)
        finder.find(texts)
        assert finder.words == {texts[0]: 1, "天": 1}

    def test_no_text(self, backend):
        with pytest.raises(ValueError, match="sents must hold"):
            Word_Finder().train([])
        with pytest.raises(ValueError, match="train"):
            Word_Finder().find(["天"])


class TestInput:
    def test_any_source(self, backend, tmp_path):
        expected = WordFinder(1e-4).fit(TEXTS).words_
        file = tmp_path / "a.txt"
        file.write_text("\n".join(TEXTS[:3]), encoding="utf-8")
        (tmp_path / "b.txt").write_text("\n".join(TEXTS[3:]) + "\n", encoding="utf-8")
        assert WordFinder(1e-4).fit(tmp_path).words_ == expected
        assert WordFinder(1e-4).fit(text for text in TEXTS).words_ == expected
        assert WordFinder(1e-4).fit(tuple(TEXTS)).words_ == expected

    def test_spooled(self, backend, monkeypatch):
        verses = poems()[:100]
        expected = WordFinder(1e-5).fit(verses).words_
        monkeypatch.setattr(_blocks, "BLOCK", 300)
        monkeypatch.setattr(_blocks, "IN_MEMORY", 1000)
        assert WordFinder(1e-5).fit(iter(verses)).words_ == expected

    def test_partial_fit(self, backend):
        expected = WordFinder(1e-4).fit(TEXTS).words_
        finder = WordFinder(1e-4).partial_fit(TEXTS[:2]).partial_fit(iter(TEXTS[2:]))
        assert finder.finish(TEXTS).words_ == expected
        assert sum(finder.finish(TEXTS[:1]).words_.values()) <= 3

    def test_lengths_counts_and_exclusion(self, backend):
        def found(**options):
            return WordFinder(1e-4, 1.9, **options).fit(TEXTS).words_

        everything = found()
        assert {len(word) for word in everything} == {1, 2, 3}
        assert found(min_length=2) == {w: n for w, n in everything.items() if len(w) > 1}
        assert found(max_length=2) == {w: n for w, n in everything.items() if len(w) < 3}
        assert found(min_count=2) == {"看": 2}

        class Listed(list):
            def __contains__(self, word: object) -> bool:
                raise AssertionError("looked through for each word")

        for words in ({"电影"}, {"电影": 3}, Listed(["电影"]), np.array(["电影"]), pd.Series(["电影"], index=["看"])):
            assert found(exclude=words) == {w: n for w, n in everything.items() if w != "电影"}

    def test_lexicon(self, backend):
        finder = WordFinder(1e-4).fit(TEXTS)
        assert dict(finder.to_lexicon()) == finder.words_
        assert WordFinder(1e-4, exclude=finder.to_lexicon()).fit(TEXTS).words_ == {}

    def test_pickle(self, backend):
        finder = WordFinder(1e-4).partial_fit(TEXTS)
        copy = pickle.loads(pickle.dumps(finder))
        assert copy.finish(TEXTS).words_ == finder.finish(TEXTS).words_
        assert pickle.loads(pickle.dumps(finder)).words_ == finder.words_

    def test_progress(self, backend):
        seen = []
        WordFinder(1e-4, progress=lambda done, total: seen.append(done)).fit(TEXTS)
        assert seen == sorted(seen)
        assert seen[-1] > 14

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"min_proba": -1}, ValueError, "min_proba must be"),
            ({"min_proba": "x"}, TypeError, "min_proba must be a number"),
            ({"min_pmi": math.nan}, ValueError, "min_pmi must be finite"),
            ({"method": "best"}, ValueError, "method must be one of"),
            ({"min_count": 0}, ValueError, "min_count must be at least 1"),
            ({"min_length": 0}, ValueError, "min_length must be at least 1"),
            ({"min_length": 3, "max_length": 2}, ValueError, "max_length must be at least 3"),
            ({"exclude": "天"}, TypeError, "exclude must be a collection"),
            ({"exclude": [["天"]]}, TypeError, "exclude must hold str, got list"),
            ({"keep": 7}, TypeError, "keep must be"),
            ({"keep": ""}, ValueError, "keep must hold at least one"),
            ({"keep": ["ab"]}, ValueError, "keep must hold single characters"),
            ({"progress": 3}, TypeError, "progress must be"),
        ],
    )
    def test_bad_options(self, backend, options, error, words):
        with pytest.raises(error, match=words):
            WordFinder(**options).fit(TEXTS)

    @pytest.mark.parametrize(
        ("texts", "error", "words"),
        [
            ("天地", TypeError, "bare str"),
            (7, TypeError, "texts must be an iterable of texts or a path, got int"),
            (["a", 1], TypeError, r"texts\[1\] must be a str, got int"),
            ([], ValueError, "at least one character"),
            (["。"], ValueError, "at least one character"),
        ],
    )
    def test_bad_texts(self, backend, texts, error, words):
        with pytest.raises(error, match=words):
            WordFinder().fit(texts)

    def test_not_utf8(self, backend, tmp_path):
        (tmp_path / "latin.txt").write_bytes(b"abc\n\xff\n")
        with pytest.raises(ValueError, match=r"latin\.txt, line 2, byte 1: not UTF-8"):
            WordFinder().fit(tmp_path / "latin.txt")
        with pytest.raises(FileNotFoundError):
            WordFinder().fit(tmp_path / "missing.txt")

    def test_not_fitted(self, backend):
        with pytest.raises(ValueError, match="no words yet"):
            _ = WordFinder().words_
        with pytest.raises(ValueError, match="at least one character"):
            WordFinder().finish([])
        assert not hasattr(WordFinder(), "words_")


class TestHouse:
    def test_memory_is_given_back(self):
        setup = "from fastcore.discovery import WordFinder\ntexts = ['天地玄黄宇宙洪荒', '日月盈昃'] * 200"
        assert memory_growth(setup, "WordFinder(1e-5, 0).fit(texts)", 50) < 50


class TestLearnedBefore:
    @pytest.mark.skipif(ONLY_REFERENCE, reason="only kernels look for Ctrl-C")
    @pytest.mark.parametrize("method", ["adjacent", "ngram", "entropy"])
    @pytest.mark.parametrize("order", [1, -1])
    def test_ctrl_c_at_any_time_and_again_while_it_tidies_up(self, method, order, monkeypatch):
        rng = np.random.default_rng(2)

        def texts(first: int, common: str) -> list[str]:
            rare = rng.permutation(np.arange(first, first + 4000))
            return ["".join(map(chr, part)) for part in np.split(rare, 2)] + [common * 10000]

        # Characters that are common and pairs that aren't: half of these counts would change what a word is.
        learned, refused = texts(0x4E00, "看电影去电影院看电影"), texts(0x6E00, "看影影电")[::order]
        more = ["".join(map(chr, range(0x8E00, 0x9E00))), "看书去书店看书"]
        with use_backend("compiled"):
            saved = pickle.dumps(WordFinder(method=method).partial_fit(learned))
            expected = pickle.loads(saved).finish(learned).words_
            later = pickle.loads(saved).partial_fit(more).finish(learned + more).words_
            assert expected and later
            for at in range(100):
                # Anew, as a kernel that has run for a while looks less often.
                finder = pickle.loads(saved)
                try:
                    with ctrl_c(monkeypatch, at):
                        finder.partial_fit(refused)
                    break
                except KeyboardInterrupt:
                    pass
                for it in (finder, pickle.loads(pickle.dumps(finder))):
                    assert it.finish(learned).words_ == expected
                    assert it.partial_fit(more).finish(learned + more).words_ == later
            assert 0 < at < 99

    @pytest.mark.parametrize("method", ["adjacent", "ngram", "entropy"])
    def test_nothing_was_learned(self, backend, method):
        with pytest.raises(ValueError, match="at least one character"):
            WordFinder(method=method).finish(["电影电影"])
        with pytest.raises(ValueError, match="at least one character"):
            WordFinder(method=method).fit(["电影电影"]).finish(["电影电影"])

    @pytest.mark.parametrize("method", ["ngram", "entropy"])
    def test_new_characters_separate(self, backend, method):
        learned = ["看电影", "电影院", "看书", "书店", "电影票"] * 3
        finder = WordFinder(method=method, min_count=1).partial_fit(learned)
        new = "".join(map(chr, range(0x5000, 0x5100)))
        expected = finder.finish(["电影", "看书", "看"]).words_
        assert finder.finish([f"{new}电影{new}看书", f"看{new}"]).words_ == expected

    def test_longest(self, backend):
        with pytest.raises(ValueError, match="max_length must be at most 64"):
            WordFinder(method="entropy", max_length=65).partial_fit(TEXTS)


class TestFiles:
    @pytest.mark.parametrize("keep", [None, "cjk"])
    @pytest.mark.parametrize("form", ["crlf", "mark", "gz"])
    def test_lines_are_texts(self, backend, tmp_path, keep, form):
        texts = ["看电影", "电影院", "", "看书"]
        data = "\n".join(texts).encode()
        path = tmp_path / ("texts.gz" if form == "gz" else "texts.txt")
        forms = {"crlf": data.replace(b"\n", b"\r\n"), "mark": b"\xef\xbb\xbf" + data, "gz": gzip.compress(data)}
        path.write_bytes(forms[form])
        assert WordFinder(keep=keep).fit(path).words_ == WordFinder(keep=keep).fit(texts).words_

    def test_errors_say_where(self, backend, tmp_path):
        (tmp_path / "latin.txt").write_bytes(b"abc\nx\xff\n")
        with pytest.raises(ValueError, match=r"latin\.txt, line 2, byte 2: not UTF-8"):
            WordFinder().fit(tmp_path / "latin.txt")
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValueError, match="holds no file"):
            WordFinder().fit(tmp_path / "empty")


class TestRuns:
    """Letters and digits in a row are one symbol."""

    TEXTS = ["Release版发布", "v2版Release发布", "发布Release", "版v2"] * 9

    @pytest.mark.parametrize("method", ["adjacent", "ngram", "entropy"])
    def test_no_word_holds_part_of_a_run(self, backend, method):
        words = WordFinder(method=method, min_pmi=0).fit(self.TEXTS).words_
        assert any("Release" in word for word in words)
        for word in words:
            assert set(re.findall("[A-Za-z0-9]+", word)) <= {"Release", "v2"}

    def test_it_can_be_switched_off(self, backend):
        words = WordFinder(min_pmi=100, join_alnum=False).fit(self.TEXTS).words_
        assert words["e"] == 3 * 27 and "Release" not in words
        assert WordFinder(min_pmi=100).fit(self.TEXTS).words_["Release"] == 27

    @given(st.lists(st.text("aZ09天é１.\n_-", max_size=12), min_size=1, max_size=6))
    def test_runs_are_those_of_the_tokenizer(self, texts):
        """Whatever is kept, symbols are the tokens of a tokenizer without words."""
        tokenizer = Tokenizer(Lexicon({"\0": 1}), punctuation="")
        keep = np.ones(0x110000, np.uint8)
        found = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                encoder = kernels("discovery.symbols").Encoder(keep, True)
                ids = [encoder.encode(text).tolist() for text in texts]
                symbols = spelled(encoder.symbols())
                found.append([[symbols[k] for k in numbers] for numbers in ids])
        assert found[0] == found[1] == tokenizer.tokenize_many(texts)

    @pytest.mark.parametrize("before", ["天", "a"])
    def test_a_run_across_the_blocks_of_a_kernel(self, backend, before):
        text = before * 4090 + " " + "b" * 5000 + "天"
        encoder = kernels("discovery.symbols").Encoder(_blocks.kept("cjk+alnum"), True)
        ids = encoder.encode(text)
        symbols = spelled(encoder.symbols())
        assert [symbols[k] for k in ids[-2:]] == ["b" * 5000, "天"]
        assert len(ids) == (3 if before == "a" else 4091) + 2 - (before == "a")

    def test_only_what_is_kept(self, backend):
        words = WordFinder(min_pmi=100, keep=set("ab天")).fit(["abc天ba天"]).words_
        assert words == {"天": 2, "ab": 1, "ba": 1}

    def test_lengths(self, backend):
        texts = ["天Release", "地v2"] * 5
        assert set(WordFinder(min_pmi=100, min_length=2).fit(texts).words_) == {"Release", "v2"}
        assert set(WordFinder(min_pmi=100, max_length=1).fit(texts).words_) == {"天", "地", "Release", "v2"}

    @pytest.mark.parametrize("method", ["adjacent", "ngram", "entropy"])
    def test_pickling_between_learning_and_finding(self, backend, method):
        finder = WordFinder(method=method, min_pmi=0).partial_fit(self.TEXTS)
        again = pickle.loads(pickle.dumps(finder))
        assert again.finish(self.TEXTS).words_ == finder.finish(self.TEXTS).words_

    def test_more_symbols_than_fit_three_to_a_key(self, backend):
        """Numbers that would meet in one packed key stay apart."""
        big = 1 << 21
        words = [[big - 1, 5], [1, 5], [big, big], [0, big - 1], [1], [big + 1, 4, 4], [2, 4, 4], [big + 1]]
        counter = kernels("discovery.words").WordCounter()
        for _ in range(2):
            for word in words:
                counter.update(np.array(word, np.int32), np.ones(len(word), np.uint8))
        ids, offsets, counts = counter.result()
        assert [ids[a:b].tolist() for a, b in pairwise(offsets)] == words
        assert counts.tolist() == [2] * len(words)

    def test_redundant_words_of_many_symbols(self, backend):
        big = 1 << 21
        words = [[big, 5], [0, 5], [big], [5], [0], [big, 5, 0]]
        ids = np.array([k for word in words for k in word], np.int32)
        offsets = np.cumsum([0, *map(len, words)], dtype=np.int64)
        low = np.where(ids == big, 7, ids).astype(np.int32)
        counts = np.array([30, 2, 9, 8, 9, 4])
        expected = kernels("discovery.redundancy").remove_redundant(low, offsets, counts, np.zeros(8, np.uint8))
        found = kernels("discovery.redundancy").remove_redundant(ids, offsets, counts, np.zeros(big + 1, np.uint8))
        assert found.tolist() == expected.tolist()
