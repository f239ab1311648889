"""Objects that keep state, against all of it counted again from scratch: calls in any order, refused ones, pickles."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fastcore import use_backend
from fastcore.compat import nlp_zero
from fastcore.crf import CRF, Segmenter
from fastcore.discovery import WordFinder
from fastcore.discovery import _blocks as blocks_module
from fastcore.ngrams import NgramCounter
from fastcore.templates import TemplateFinder
from fastcore.vectorizer import NgramVectorizer

from .conftest import TWINS

# A state machine's class is one at a time.
pytestmark = pytest.mark.parallel_threads(1)

QUICK = settings(max_examples=10, stateful_step_count=10)
TEXT = st.text(alphabet="天地人看电影院书ab。", max_size=9)
TEXTS = st.lists(TEXT, max_size=4)
COPIES = {"pickle": lambda it: pickle.loads(pickle.dumps(it)), "copy": copy.copy, "deepcopy": copy.deepcopy}


class Broken(Exception):
    """What an iterator of texts dies of."""


def breaks_off(texts: list[Any]) -> Iterator[Any]:
    yield from texts
    raise Broken


def grams(texts: list[Any], low: int, high: int) -> Counter[Any]:
    return Counter(text[i : i + n] for text in texts for n in range(low, high + 1) for i in range(len(text) - n + 1))


def machine(cls: type, **attributes: Any) -> Any:
    """A test of a machine on each twin."""
    tests = {}
    for twin in TWINS:
        made = type(cls.__name__, (cls,), {**attributes, "backend": twin})
        made.TestCase.settings = QUICK
        tests[twin] = made.TestCase

    @pytest.mark.parametrize("twin", TWINS)
    def test(twin):
        with use_backend(twin):
            tests[twin]("runTest").runTest()

    return test


class CounterMachine(RuleBasedStateMachine):
    """`update`, `merge`, `prune`, `finish` of an n-gram counter."""

    unit: ClassVar[str]

    def made(self) -> NgramCounter:
        return NgramCounter((1, 2), unit=self.unit)

    def given(self, texts: list[str]) -> list[Any]:
        return texts if self.unit == "char" else [tuple(text) for text in texts]

    @initialize()
    def begin(self) -> None:
        self.counter, self.texts, self.least = self.made(), list[Any](), 1

    @rule(texts=TEXTS)
    def update(self, texts):
        self.counter.update(iter(self.given(texts)))
        self.texts += self.given(texts)

    @rule(texts=TEXTS, bad=st.sampled_from([7, "\ud800", None]))
    def refused(self, texts, bad):
        bad = bad if bad != "\ud800" or self.unit == "char" else ["\ud800"]
        with pytest.raises((TypeError, ValueError)):
            self.counter.update([*self.given(texts), "新的" if self.unit == "char" else ["新的"], bad])
        with pytest.raises(Broken):
            self.counter.update(breaks_off([*self.given(texts), "新" if self.unit == "char" else ["新"]]))

    @rule(texts=TEXTS, how=st.sampled_from(sorted(COPIES)))
    def merge(self, texts, how):
        other = self.made()
        other.update(self.given(texts))
        self.counter.merge(COPIES[how](other))
        self.texts += self.given(texts)

    @rule()
    @precondition(lambda self: len(self.texts) < 100)
    def merge_itself(self):
        self.counter.merge(self.counter)
        self.texts *= 2

    @rule()
    def refused_merge(self):
        for other in (NgramCounter(3, unit=self.unit), {}):
            with pytest.raises((TypeError, ValueError)):
                self.counter.merge(other)

    @rule(how=st.sampled_from(sorted(COPIES)))
    def copied(self, how):
        before, self.counter = self.counter, COPIES[how](self.counter)
        before.update(self.given(["天地人" * 3]))

    @rule(least=st.integers(1, 3))
    def prune(self, least):
        self.counter.prune(least)
        self.least = max(self.least, least)

    @invariant()
    def same(self):
        counts = grams(self.texts, 1, 2)
        assert self.counter.finish().to_dict() == {k: n for k, n in counts.items() if n >= self.least}
        assert repr(self.counter).endswith(f": {len(grams(self.texts, 1, 1))} symbols so far")


test_ngram_counter_of_characters = machine(CounterMachine, unit="char")
test_ngram_counter_of_tokens = machine(CounterMachine, unit="token")


class FinderMachine(RuleBasedStateMachine):
    """`fit`, `partial_fit`, `finish` of a word finder."""

    method: ClassVar[str]

    def made(self) -> WordFinder:
        return WordFinder(1e-3, 0.5, method=self.method, min_count=1)

    @initialize()
    def begin(self) -> None:
        self.finder, self.learned, self.words = self.made(), list[str](), None

    @rule(texts=TEXTS)
    def partial_fit(self, texts):
        self.finder.partial_fit(iter(texts))
        self.learned += texts

    @rule(texts=TEXTS, call=st.sampled_from(["fit", "partial_fit", "finish"]))
    def refused(self, texts, call):
        new = ["新的字", *texts]
        if call != "finish" or any(set(text) - {"。"} for text in self.learned):
            with pytest.raises(TypeError, match=rf"texts\[{len(new)}\] must be a str"):
                getattr(self.finder, call)([*new, 7])
            with pytest.raises(Broken):
                getattr(self.finder, call)(breaks_off(new))
        with pytest.raises(ValueError, match="min_proba must be"):
            getattr(self.finder.set_params(min_proba=2), call)(texts)
        self.finder.set_params(min_proba=1e-3)

    @rule(texts=TEXTS)
    def fit(self, texts):
        alone = self.made()
        if any(set(text) - {"。"} for text in texts):
            self.words = self.finder.fit(iter(texts)).words_
            assert list(self.words.items()) == list(alone.partial_fit(texts).finish(texts).words_.items())
            self.learned = []
        else:
            with pytest.raises(ValueError, match="at least one character"):
                self.finder.fit(texts)

    @rule(texts=TEXTS, new=st.sampled_from(["", "新字", "x新"]))
    def finish(self, texts, new):
        read = [*texts, new]
        if any(set(text) - {"。"} for text in self.learned):
            self.words = self.finder.finish(iter(read)).words_
            expected = self.made().partial_fit(self.learned).finish(read).words_
            assert list(self.words.items()) == list(expected.items())
        else:
            with pytest.raises(ValueError, match="at least one character"):
                self.finder.finish(read)

    @rule(how=st.sampled_from(sorted(COPIES)))
    def copied(self, how):
        before, self.finder = self.finder, COPIES[how](self.finder)
        before.partial_fit(["天地", "影书"])

    @invariant()
    def same(self):
        assert getattr(self.finder, "words_", None) == self.words


test_word_finder_adjacent = machine(FinderMachine, method="adjacent")
test_word_finder_ngram = machine(FinderMachine, method="ngram")
test_word_finder_entropy = machine(FinderMachine, method="entropy")


@pytest.mark.parametrize("method", ["adjacent", "ngram", "entropy"])
class TestWordFinderFiles:
    """What came to light with whole corpora."""

    def test_mended_and_given_again(self, backend, method, tmp_path):
        lines = ["看电影去电影院", "看书去书店", "电影院看电影"] * 5
        good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
        good.write_text("\n".join(lines), encoding="utf-8")
        bad.write_bytes("\n".join(lines).encode() + b"\n\xff\n")
        expected = WordFinder(1e-3, method=method).partial_fit(good).finish(good).words_
        finder = WordFinder(1e-3, method=method)
        with pytest.raises(ValueError, match="not UTF-8"):
            finder.partial_fit(bad)
        assert finder.partial_fit(good).finish(good).words_ == expected
        for call in (finder.fit, finder.partial_fit, finder.finish):
            with pytest.raises(ValueError, match="not UTF-8"):
                call(bad)
        assert finder.words_ == expected
        assert finder.finish(good).words_ == expected

    def test_undone_in_the_temporary_file_too(self, backend, method, monkeypatch):
        monkeypatch.setattr(blocks_module, "BLOCK", 10)
        monkeypatch.setattr(blocks_module, "IN_MEMORY", 25)
        texts = [f"看电影{chr(0x5000 + k)}去书店" for k in range(9)]
        expected = WordFinder(1e-3, method=method).partial_fit(texts * 2).finish(texts).words_
        finder = WordFinder(1e-3, method=method)
        for _ in range(2):
            with pytest.raises(Broken):
                finder.partial_fit(breaks_off(texts[::-1] * 2))
            finder.partial_fit(iter(texts))
        assert pickle.loads(pickle.dumps(finder)).finish(texts).words_ == expected
        assert finder.finish(texts).words_ == expected

    def test_fit_then_learn(self, backend, method):
        first, second = ["天地玄黄"], ["看电影", "电影院", "看书"] * 3
        finder = WordFinder(1e-3, method=method, min_count=1).fit(first)
        expected = WordFinder(1e-3, method=method, min_count=1).partial_fit(second).finish(second).words_
        assert expected
        assert finder.partial_fit(second).finish(second).words_ == expected

    def test_what_was_learned_holds_for_its_method_and_characters(self, backend, method):
        finder = WordFinder(1e-3, method=method).partial_fit(["看电影"])
        other = "ngram" if method == "adjacent" else "adjacent"
        for change in ({"method": other}, {"keep": "cjk"}):
            before = finder.get_params()
            for call in (finder.partial_fit, finder.finish):
                finder.set_params(**change)
                with pytest.raises(ValueError, match="method, keep and join_alnum must be what they were"):
                    call(["看电影"])
            finder.set_params(**before)
        assert finder.set_params(min_count=1).finish(["看电影"]).words_


def test_blocks_stay_in_order(monkeypatch):
    import numpy as np

    monkeypatch.setattr(blocks_module, "IN_MEMORY", 10)
    blocks, given = blocks_module.Blocks(), [np.arange(n, dtype=np.int32) for n in (6, 7, 2, 3)]
    for block in given:
        blocks.add(block)
    assert [block.tolist() for block in blocks] == [block.tolist() for block in given]
    blocks.cut(2)
    blocks.add(given[3])
    assert [block.tolist() for block in blocks] == [given[k].tolist() for k in (0, 1, 3)]
    blocks.cut(0)
    assert list(blocks) == []


# ---- what is only fitted -----------------------------------------------------------------------------------

X = [[["a"], ["b"]], [["b"], ["a"], ["c"]]] * 2
SENTENCES = [["to", "be", "or", "not", "to", "be"], ["that", "is", "the", "question"], ["to", "be", "is", "to", "do"]]

# Makes one; what fits it, in two ways; what it refuses, with the words of the error; what is to be seen of it.
FITTED: dict[str, tuple[Any, list[tuple[Any, ...]], list[tuple[Any, ...]], Any]] = {
    "CRF": (
        lambda: CRF(c2=0.1, max_iterations=8),
        [(X, [["A", "B"], ["B", "A", "C"]] * 2), (X[:1], [["N", "V"]])],
        [(X, [["A", "B"]]), (X, [["A", "B"], ["B", "A", 3]] * 2), (7, []), (breaks_off(X), [])],
        lambda it: (it.state_features_, it.transition_features_, it.loss_, it.predict(X)),
    ),
    "Segmenter": (
        lambda: Segmenter(min_freq=1, max_iterations=8),
        [([["ab", "cd"]] * 3,), ([["a", "b"], ["cd"]],)],
        [([["ab", ""]],), ([["ab", 3]],), ("ab",), (breaks_off([["ab"]]),)],
        lambda it: (it.segment("abcd"), it.loss_, it.evaluate([["ab", "cd"]])),
    ),
    "TemplateFinder": (
        lambda: TemplateFinder(min_pmi=0, min_count=1),
        [(SENTENCES,), (SENTENCES[:1] * 2,)],
        [([["to"], "be"],), ([],), ([["to", 3]],), (breaks_off(SENTENCES),)],
        lambda it: (it.templates_, it.total_),
    ),
    "NgramVectorizer": (
        lambda: NgramVectorizer(ngram_range=(1, 2)),
        [(["the cat sat", "the dog"],), (iter(["no pets"]),)],
        [(["", "."],), ("the",), (["the", 3],), (breaks_off(["a new word"]),)],
        lambda it: (it.vocabulary_, it.transform(["the cat and no pets"]).toarray().tolist(), it.fixed_vocabulary_),
    ),
    "Word_Finder": (
        lambda: nlp_zero.Word_Finder(1e-3, 0.5),
        [(["看电影", "电影院"],), (["看书", ""],)],
        [(["看", 7],), (breaks_off(["看", "新"]),), ([],)],
        lambda it: (it.chars, it.pairs, it.words),
    ),
    "Template_Finder": (
        lambda: nlp_zero.Template_Finder(list, min_pmi=0.5),
        [(["看的书", "看书"],), (["电影", ""],)],
        [(["看", 7],), (breaks_off(["看", "新"]),), ([],)],
        lambda it: (it.words, it.skip_grams, it.templates),
    ),
}


def fitting(it: Any) -> list[str]:
    return ["train", "find"] if hasattr(it, "train") else ["fit"]


class FittedMachine(RuleBasedStateMachine):
    """Calls that succeeded, made again on a fresh object, give the same."""

    name: ClassVar[str]

    @initialize()
    def begin(self) -> None:
        self.it, self.calls = FITTED[self.name][0](), list[tuple[str, tuple[Any, ...]]]()
        self.made_of, self.expected = 0, None

    def seen(self, it: Any) -> Any:
        return FITTED[self.name][3](it) if self.calls else None

    @rule(which=st.integers(0, 1), call=st.integers(0, 1))
    def fit(self, which, call):
        names = fitting(self.it)
        name = names[call % len(names)] if self.calls else names[0]
        # One-shot iterators are read into lists once, and given as iterators each time.
        given = tuple(list(it) if isinstance(it, Iterator) else it for it in FITTED[self.name][1][which])
        if any(isinstance(it, Iterator) for it in FITTED[self.name][1][which]):
            FITTED[self.name][1][which] = given
        getattr(self.it, name)(*given)
        self.calls.append((name, given))

    @rule(which=st.integers(0, 3), call=st.integers(0, 1))
    def refused(self, which, call):
        names, bad = fitting(self.it), FITTED[self.name][2]
        given = bad[which % len(bad)]
        if names[call % len(names)] == "find" and (given == ([],) or not self.calls):
            return
        given = tuple(breaks_off(["看", "新"]) if isinstance(it, Iterator) else it for it in given)
        with pytest.raises((TypeError, ValueError, AttributeError, Broken)):
            getattr(self.it, names[call % len(names)])(*given)

    @rule(how=st.sampled_from(["pickle", "deepcopy"]))
    def copied(self, how):
        self.it = COPIES[how](self.it)

    @invariant()
    def same(self):
        if self.made_of != len(self.calls):
            alone = FITTED[self.name][0]()
            for name, given in self.calls if hasattr(alone, "train") else self.calls[-1:]:
                getattr(alone, name)(*given)
            self.made_of, self.expected = len(self.calls), self.seen(alone)
        assert self.seen(self.it) == self.expected


test_crf = machine(FittedMachine, name="CRF")
test_segmenter = machine(FittedMachine, name="Segmenter")
test_template_finder = machine(FittedMachine, name="TemplateFinder")
test_vectorizer = machine(FittedMachine, name="NgramVectorizer")
test_nlp_zero_word_finder = machine(FittedMachine, name="Word_Finder")
test_nlp_zero_template_finder = machine(FittedMachine, name="Template_Finder")


def test_warm_start_after_a_refused_fit(backend):
    y = [["A", "B"], ["B", "A", "C"]] * 2
    alone, crf = (CRF(c2=0.1, max_iterations=3, warm_start=True).fit(X, y) for _ in range(2))
    for bad in ([["A"]], [["A", "B"], ["B", "A", 7]] * 2):
        with pytest.raises((TypeError, ValueError)):
            crf.fit(X, bad)
    with pytest.raises(ValueError, match="c2 must be"):
        crf.set_params(c2=-1).fit(X, y)
    assert crf.set_params(c2=0.1).fit(X, y).state_features_ == alone.fit(X, y).state_features_
    assert crf.n_iter_ == alone.n_iter_


class TrieMachine(RuleBasedStateMachine):
    """nlp-zero's trie against a dict."""

    words = st.text(alphabet="ab", min_size=1, max_size=3)

    @initialize()
    def begin(self) -> None:
        self.trie, self.model = nlp_zero.Trie(), dict[str, int]()

    @rule(word=words, count=st.integers(0, 5))
    def put(self, word, count):
        self.trie[word] = count
        self.model.pop(word, None)
        if count:
            self.model[word] = count

    @rule(word=words)
    def delete(self, word):
        del self.trie[word]
        self.model.pop(word, None)

    @rule(pairs=st.dictionaries(words, st.integers(1, 5)))
    def update(self, pairs):
        with pytest.raises(Broken):
            self.trie.update(breaks_off([("new", 3), *pairs.items()]))
        self.trie.update(nlp_zero.Trie(pairs.items()))
        self.model.update(pairs)

    @rule(how=st.sampled_from(["pickle", "deepcopy"]))
    def copied(self, how):
        self.trie = COPIES[how](self.trie)

    @invariant()
    def same(self):
        assert dict(self.trie) == self.model
        assert (self.trie.num_items, self.trie.total_items) == (len(self.model), sum(self.model.values()))


test_nlp_zero_trie = machine(TrieMachine)


class TestNlpZeroEmptyCorpora:
    def test_texts_without_a_word(self, backend):
        finder = nlp_zero.Word_Finder()
        finder.train([""])
        finder.find([""])
        assert (dict(finder.words), dict(finder.chars)) == ({}, {})
        finder.train(["。", "看电影"])
        finder.find(["看电影"])
        assert finder.words == {"看电影": 1}

    def test_templates_of_texts_without_a_word(self, backend):
        finder = nlp_zero.Template_Finder(list)
        finder.train(iter(["", "，"]))
        finder.find([""])
        assert (dict(finder.words), dict(finder.templates)) == ({}, {})

    def test_no_text_at_all(self, backend):
        for finder in (nlp_zero.Word_Finder(), nlp_zero.Template_Finder(list)):
            with pytest.raises(ValueError, match="sents must hold at least one text, got none"):
                finder.train(iter([]))
            with pytest.raises(ValueError, match=r"train\(sents\) must come before find"):
                finder.find(["看"])
