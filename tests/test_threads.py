"""Eight threads on one object of every class: turns, or an error that names it; never a crash, a lost count, a wait
for ever. And calls from within a call."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from fastcore._backend import KERNELS, active_backend, kernels, use_backend
from fastcore._random import stream_key
from fastcore.compat import nlp_zero
from fastcore.crf import CRF, Segmenter
from fastcore.discovery import WordFinder
from fastcore.hmm import CategoricalHMM
from fastcore.lexicon import Lexicon, Tokenizer
from fastcore.ngrams import NgramCounter, count_ngrams
from fastcore.reactions import ReactionNetwork
from fastcore.templates import Parser, Template, TemplateFinder, TemplateTrie
from fastcore.vectorizer import NgramVectorizer

from .helpers import memory_growth, run_script

# These tests start threads of their own, and set how often they change.
pytestmark = pytest.mark.parallel_threads(1)

THREADS = 8
TEXTS = ["天地玄黄宇宙洪荒", "日月盈昃辰宿列张", "看电影去电影院看电影", "abc 看书 abc 书店"]
TOKENS = [text.split() for text in ("to be or not to be", "that is the question", "to be is to do")]
CLASSES = {
    kernel: [
        name
        for name, value in vars(kernels(kernel)).items()
        if isinstance(value, type) and name[0] != "_" and value.__module__ != "_thread"  # a lock is one since 3.13
    ]
    for kernel in KERNELS
}


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Let threads change as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(*works: Callable[[], Any], seconds: float = 120) -> list[Any]:
    """Run functions in threads that begin together; return what each returned or raised."""
    start, backend = threading.Barrier(len(works)), active_backend()
    found: list[Any] = [None] * len(works)

    def run(i: int, work: Callable[[], Any]) -> None:
        with use_backend(backend):
            start.wait()
            try:
                found[i] = work()
            except Exception as error:
                found[i] = error

    threads = [threading.Thread(target=run, args=it, daemon=True) for it in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    return found


def all_well(*works: Callable[[], Any]) -> list[Any]:
    found = at_once(*works)
    for it in found:
        if isinstance(it, Exception):
            raise it
    return found


def often_enough(times: int, work: Callable[[], Any]) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(times):
            work()

    return repeat


class TestNgramCounter:
    @pytest.mark.parametrize(("unit", "texts"), [("char", TEXTS), ("token", TOKENS)])
    def test_updates(self, backend, unit, texts):
        counter, times = NgramCounter(2, unit=unit), backend.size(20, 5)
        # Symbols of its own for each thread, so that tables grow while others count.
        own = [[text + (chr(0x5000 + i) if unit == "char" else [f"w{i}"]) for text in texts] for i in range(THREADS)]
        all_well(*(often_enough(times, lambda some=some: counter.update(iter(some))) for some in own))
        expected = count_ngrams([text for some in own for text in some], 2, unit=unit)
        assert counter.finish().to_dict() == {ngram: times * count for ngram, count in expected.items()}

    def test_long_updates(self, backend):
        text = "".join(map(chr, range(0x4E00, 0x4E00 + backend.size(20000, 500)))) * 4
        counter = NgramCounter(1)
        all_well(*[lambda: counter.update([text])] * THREADS)
        assert set(counter.finish().counts().tolist()) == {4 * THREADS}

    def test_every_merge_arrives(self, backend):
        counter, part = NgramCounter(1), NgramCounter(1)
        part.update(TEXTS)
        all_well(*[often_enough(5, lambda: counter.merge(part))] * THREADS)
        assert counter.finish().to_dict() == {k: 5 * THREADS * v for k, v in part.finish().items()}

    def test_merged_into_each_other_and_into_itself(self, backend):
        a, b = NgramCounter(1), NgramCounter(1)
        a.update(["a"])
        b.update(["b"])
        all_well(*[lambda: a.merge(b), lambda: b.merge(a)] * (THREADS // 2))
        assert a.finish()["b"] >= THREADS // 2
        before = a.finish().to_dict()
        a.merge(a)
        assert a.finish().to_dict() == {ngram: 2 * count for ngram, count in before.items()}

    def test_copies_and_tables_hold_whole_updates(self, backend):
        counter, times = NgramCounter(2), backend.size(30, 5)
        one = count_ngrams(TEXTS, 2).to_dict()

        def look() -> None:
            for other in (pickle.loads(pickle.dumps(counter)), copy.copy(counter), copy.deepcopy(counter), counter):
                found = other.finish().to_dict()
                number = found.get("天地", 0)
                assert found == {ngram: number * count for ngram, count in one.items() if number}
                repr(other)

        update = often_enough(times, lambda: counter.update(TEXTS))
        all_well(*[update, often_enough(times, look)] * (THREADS // 2))
        assert counter.finish()["天地"] == THREADS // 2 * times

    def test_refused_updates_among_others(self, backend):
        counter = NgramCounter(1)
        found = at_once(*[lambda: counter.update(["新", "\ud800"]), lambda: counter.update(["旧"])] * (THREADS // 2))
        assert [type(it) for it in found] == [ValueError, type(None)] * (THREADS // 2)
        assert counter.finish().to_dict() == {"旧": THREADS // 2}
        assert "1 symbols" in repr(counter)


@pytest.mark.parametrize("method", ["adjacent", "ngram", "entropy"])
class TestWordFinder:
    def test_partial_fits(self, backend, method):
        finder, times, size = (
            WordFinder(1e-4, method=method),
            backend.size(4, 2),
            backend.size(300_000 if method == "adjacent" else 20000, 200),
        )
        texts = [*TEXTS, "".join(chr(0x4E00 + i * i * 7919 % 5003) for i in range(size))]
        all_well(*[often_enough(times, lambda: finder.partial_fit(iter(texts)))] * THREADS)
        expected = WordFinder(1e-4, method=method).partial_fit(texts * (THREADS * times))
        assert finder.finish(TEXTS).words_ == expected.finish(TEXTS).words_
        learned, alone = (it.__getstate__()["_learned"] for it in (finder, expected))
        if method == "adjacent":
            assert learned[3] == alone[3]
            assert [learned[k].tolist() for k in (5, 7)] == [alone[k].tolist() for k in (5, 7)]
        else:
            assert sum(map(len, learned[4])) == sum(map(len, alone[4]))

    def test_all_it_can_do_at_once(self, backend, method):
        finder = WordFinder(1e-4, method=method).partial_fit(TEXTS * 3)
        expected = finder.finish(TEXTS).words_
        new = ["".join(map(chr, range(0x7000, 0x7020)))]
        works = [
            lambda: finder.finish(TEXTS).words_,
            lambda: finder.finish([*TEXTS, *new]),
            lambda: pickle.loads(pickle.dumps(finder)).finish(TEXTS).words_,
            lambda: copy.deepcopy(finder).finish(TEXTS).words_,
        ]
        found = all_well(*works * (THREADS // 4))
        assert all(it == expected for i, it in enumerate(found) if i % 4 >= 2)
        assert finder.finish(TEXTS).words_ == expected


class TestEstimators:
    def test_templates(self, backend):
        finder = TemplateFinder(min_pmi=0)
        expected = [TemplateFinder(min_pmi=0).fit(some).templates_ for some in (TOKENS * 2, TOKENS * 3)]
        fits = [lambda: finder.fit(TOKENS * 2).templates_, lambda: finder.fit(iter(TOKENS * 3)).templates_]
        for found in all_well(*fits * (THREADS // 2)):
            assert found in expected
        assert finder.total_ in (len(TOKENS) * 2, len(TOKENS) * 3)

    def test_crf(self, backend):
        x = [[["a"], ["b"]], [["b"], ["a"], ["c"]]] * 3
        labels = {"a": "A", "b": "B", "c": "B"}, {"a": "C", "b": "D", "c": "C"}
        answers = [[[to[item[0]] for item in sequence] for sequence in x] for to in labels]
        crf = CRF(c2=0.1, max_iterations=10).fit(x, answers[0])

        def look() -> None:
            assert crf.predict(x) in answers
            assert sorted(crf.predict_marginals_single(x[0])[0]) in (["A", "B"], ["C", "D"])
            assert {label for _, label in pickle.loads(pickle.dumps(crf)).state_features_} in ({"A", "B"}, {"C", "D"})

        works = [lambda: crf.fit(x, answers[0]), lambda: crf.fit(x, answers[1])]
        all_well(*works * 2, *[often_enough(backend.size(20, 5), look)] * (THREADS - 4))

    def test_hmm(self, backend):
        X = np.array([0, 1, 1, 0, 2, 2, 0, 1])
        fewer, more = (CategoricalHMM(2, n_features=size, random_state=0, n_iter=3) for size in (3, 7))
        expected = [it.fit(X).score(X) for it in (fewer, more)]
        model = CategoricalHMM(2, n_features=3, random_state=0, n_iter=3).fit(X)

        def fit(size: int) -> None:
            model.n_features = size
            model.fit(X)

        def look() -> None:
            # Whatever was asked for last: transitions and emissions are of one fit.
            with suppress(ValueError):
                assert model.score(X) in expected
            pickle.loads(pickle.dumps(model))

        works = [lambda: fit(3), lambda: fit(7)]
        all_well(*works * 2, *[often_enough(backend.size(20, 5), look)] * (THREADS - 4))

    def test_segmenter(self, backend):
        coarse, fine = [["ab", "cd"]] * 4, [["a", "b", "c", "d"]] * 4
        segmenter = Segmenter(min_freq=1).fit(coarse)

        def look() -> None:
            assert segmenter.segment("abcd") in (coarse[0], fine[0])
            assert segmenter.evaluate(coarse).f1 in (0.0, 1.0)

        works = [lambda: segmenter.fit(coarse), lambda: segmenter.fit(fine)]
        all_well(*works * 2, *[often_enough(backend.size(20, 5), look)] * (THREADS - 4))

    def test_vectorizer(self, backend):
        corpora = ["ab", "bcd"], ["wxyz", "xyz"]
        vectorizer = NgramVectorizer(analyzer="char").fit(corpora[0])
        expected = [NgramVectorizer(analyzer="char").fit(some).vocabulary_ for some in corpora]
        assert len({len(it) for it in expected}) == 1

        def look() -> None:
            assert vectorizer.vocabulary_ in expected
            assert vectorizer.transform(["abxy"]).toarray().sum() == 2
            assert list(vectorizer.get_feature_names_out()) in [list(it) for it in expected]

        works = [often_enough(20, lambda some=some: vectorizer.fit(some)) for some in corpora]
        all_well(*works * 2, *[often_enough(40, look)] * (THREADS - 4))
        vectorizer.fit(corpora[0])
        assert vectorizer.vocabulary_ == expected[0]

    def test_what_doesnt_change(self, backend):
        lexicon = Lexicon({"看": 3, "电影": 5, "电影院": 2})
        tokenizer, parser = Tokenizer(lexicon), Parser(TemplateTrie([Template(["to", None])]))
        counts = count_ngrams(TEXTS, (1, 2))

        def look() -> tuple[Any, ...]:
            tree = str(parser.parse(["to", "be"]))
            return tokenizer.tokenize("看电影"), tree, counts["天地"], list(lexicon.prefix("电")), counts.symbols

        found = all_well(*[look] * THREADS)
        assert all(it == found[0] for it in found)

    def test_no_two_threads_draw_the_same(self):
        rng = np.random.default_rng(7)
        found = all_well(*[lambda: [stream_key(rng).tobytes() for _ in range(200)]] * THREADS)
        assert len({key for keys in found for key in keys}) == 200 * THREADS


class TestNlpZero:
    def test_word_finder(self, backend):
        finder, times = nlp_zero.Word_Finder(1e-4), backend.size(20, 5)
        all_well(*[often_enough(times, lambda: finder.train(iter(TEXTS)))] * THREADS)
        alone = nlp_zero.Word_Finder(1e-4)
        alone.train(TEXTS * (times * THREADS))
        assert (finder.chars, finder.pairs) == (alone.chars, alone.pairs)
        all_well(*[lambda: finder.find(TEXTS)] * THREADS)
        for _ in range(THREADS):
            alone.find(TEXTS)
        assert finder.words == alone.words

    def test_template_finder(self, backend):
        texts, times = ["看的书", "看书"], backend.size(20, 5)
        finder, alone = nlp_zero.Template_Finder(list, min_pmi=0.5), nlp_zero.Template_Finder(list, min_pmi=0.5)
        all_well(*[often_enough(times, lambda: finder.train(texts))] * THREADS)
        alone.train(texts * (times * THREADS))
        assert (finder.words, finder.skip_grams) == (alone.words, alone.skip_grams)
        all_well(*[lambda: finder.find(texts)] * THREADS)
        alone.find(texts * THREADS)
        assert finder.templates == alone.templates

    def test_trie_and_tokenizer(self, backend):
        trie = nlp_zero.Trie()
        tokenizer = nlp_zero.Tokenizer(trie)
        words = ["".join(map(chr, range(0x4E00 + k, 0x4E03 + k))) for k in range(backend.size(300, 40))]

        def work(i: int) -> None:
            for word in words:
                trie[word + str(i)] = 2
                assert "".join(tokenizer.tokenize(word)) == word
            trie.update((word + str(i), 3) for word in words)
            del trie[words[0] + str(i)]
            assert all(count in (2, 3) for _, count in trie)

        all_well(*(lambda i=i: work(i) for i in range(THREADS)))
        assert (trie.num_items, trie.total_items) == (THREADS * (len(words) - 1), 3 * THREADS * (len(words) - 1))
        assert len(list(trie)) == trie.num_items


# ---- kernel classes ----------------------------------------------------------------------------------------

MANY = 1 << 17
BUSY = "is at work in another call: one at a time"


def numbers(size: int) -> np.ndarray:
    return (np.arange(size, dtype=np.int32) * 7919) % 5003


def of(*words: str) -> tuple[np.ndarray, np.ndarray]:
    raw = [word.encode() for word in words]
    return np.frombuffer(b"".join(raw), np.uint8), np.cumsum([0, *map(len, raw)], dtype=np.int64)


def encoders(kernel: Any, cls: str, size: int) -> tuple[Any, list[Callable[[], Any]], Callable[[int], Any]]:
    make = {"Alphabet": lambda: kernel.Alphabet(np.array([[0, 0x110000]])), "Vocabulary": kernel.Vocabulary}[cls]
    it, room = make(), size + 16
    text = " ".join(f"{chr(0x4E00 + i % 4001)}{i % 1999}" for i in range(size // 8))
    raw = np.frombuffer(text.encode(), np.uint8)
    symbols = (np.array([97, 98], np.uint32),) if cls == "Alphabet" else of("a", "b")
    works = [
        lambda: it.encode([text], 0, 0, np.empty(room, np.uint32), 0),
        lambda: it.encode_utf8(raw, np.empty(room, np.uint32), True, True),
        lambda: it.encode_spans(raw, np.array([0, len(raw)]), 0, 0, np.empty(room, np.uint32), 0),
        lambda: it.add(*symbols),
        it.symbols,
    ]
    alone = make()
    alone.encode([text], 0, 0, np.empty(room, np.uint32), 0)
    alone.add(*symbols)

    def same(_: int) -> bool:
        it.encode([text], 0, 0, np.empty(room, np.uint32), 0)
        it.add(*symbols)

        def listed(encoder: Any) -> list[Any]:
            found = encoder.symbols()
            if cls == "Alphabet":
                return sorted(found.tolist())
            return sorted(found[0][a:b].tobytes() for a, b in zip(found[1], found[1][1:]))

        return listed(it) == listed(alone)

    return it, works, same


def discovered(kernel: Any, cls: str, size: int) -> tuple[Any, list[Callable[[], Any]], Callable[[int], Any]]:
    ids = numbers(size)
    if cls == "Encoder":
        text = "".join(chr(0x4E00 + i) for i in ids.tolist())
        it = kernel.Encoder(np.ones(0x110000, np.uint8), True)
        return it, [lambda: it.encode(text), it.symbols], lambda _: len(it.symbols()[1]) == len(set(text)) + 1
    if cls == "PairCounter":
        it, one = kernel.PairCounter(), kernel.PairCounter()
        one.update(ids)
        more = one.result()
        works = [lambda: it.update(ids), lambda: it.merge(*more), it.result]
        return it, works, lambda done: it.result()[0].sum() == size * done and it.result()[2].sum() == (size - 1) * done
    joined = (np.arange(size) % 3 > 0).astype(np.uint8)
    it, one = kernel.WordCounter(), kernel.WordCounter()
    one.update(ids, joined)
    words = int(one.result()[2].sum())
    return it, [lambda: it.update(ids, joined), it.result], lambda done: it.result()[2].sum() == words * done


def symbols(kernel: Any, cls: str, size: int) -> tuple[Any, list[Callable[[], Any]], Callable[[int], Any]]:
    it, text = kernel.Symbols(), "ab cd " * (size // 64)
    works = [lambda: it.add_words(text), lambda: it.drop(["ab"]), it.finish]
    return it, works, lambda done: len(it.finish()[2]) == done + 1


def tokens(kernel: Any, cls: str, size: int) -> tuple[Any, list[Callable[[], Any]], Callable[[int], Any]]:
    it = kernel.TokenStream()
    words = [f"w{i}" for i in range(size // 8)]
    line = " ".join(words).encode() + b"\n"
    works = [lambda: it.add_texts(iter([words]), 0), lambda: it.add_bytes(line), it.end_text, it.finish]
    return it, works, lambda done: len(it.finish()[0]) == done * len(words) and it.finish()[2] == words


def attribute_names(kernel: Any, cls: str, size: int) -> tuple[Any, list[Callable[[], Any]], Callable[[int], Any]]:
    it, x = kernel.Names(), [[[f"w{i}" for i in range(size // 8)]]]
    return (
        it,
        [lambda: it.read(iter(x), -1), it.names],
        lambda _: it.read(iter(x), -1)[2].tolist() == list(range(len(it))),
    )


def template_names(kernel: Any, cls: str, size: int) -> tuple[Any, list[Callable[[], Any]], Callable[[int], Any]]:
    it, x = kernel.Names([(("", ""), ((0, 0),))], False), [[f"w{i}" for i in range(size // 8)]]
    return (
        it,
        [lambda: it.read(iter(x), -1, 0), it.names],
        lambda _: it.read(iter(x), -1, 0)[2].tolist() == list(range(len(it))),
    )


def vectors(kernel: Any, cls: str, size: int) -> tuple[Any, list[Callable[[], Any]], Callable[[int], Any]]:
    keep, table = np.full(3, 2**32, np.uint64), kernels("nce").alias_table(np.ones(3))
    it = kernel.Trainer(np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32), keep, table)
    words, offsets = np.arange(size // 64, dtype=np.int32) % 3, np.array([0, size // 64])
    rest = (words, offsets, stream_key(0), 0, 2, True, 5, 0.0, 0.0)
    return it, [lambda: it.skipgram(*rest), lambda: it.cbow(*rest), it.vectors], lambda _: it.vectors()[0].min() == 1.0


# What makes one: the object, its calls, and whether all is right after `done` calls that count.
STATEFUL = {
    ("ngrams.symbols", "Alphabet"): (encoders, ()),
    ("ngrams.symbols", "Vocabulary"): (encoders, ()),
    ("skipgrams", "TokenStream"): (tokens, (0, 1)),
    ("vectorizer.symbols", "Symbols"): (symbols, (0,)),
    ("crf.items", "Names"): (attribute_names, ()),
    ("crf.columns", "Names"): (template_names, ()),
    ("discovery.symbols", "Encoder"): (discovered, ()),
    ("discovery.pairs", "PairCounter"): (discovered, (0, 1)),
    ("discovery.words", "WordCounter"): (discovered, (0,)),
    ("embeddings", "Trainer"): (vectors, ()),
}


def trie(kernel: Any) -> Any:
    codes, offsets = np.frombuffer("abcab".encode("utf-32-le"), np.uint32), np.array([0, 1, 3, 5])
    return kernel.Trie(codes, offsets, np.array([1, 2, 3]), np.empty(0, np.uint8))


def settled(domain: str, cls: str) -> Callable[[], Any]:
    """Ask an object that doesn't change once it is made for something."""
    kernel = kernels(domain)
    if cls == "Trie":
        it = trie(kernel)
        return lambda: (it.words(0, 3), it.search("abcab" * 50), it.find("bc"))
    if cls == "Segmenter":
        it = kernel.Segmenter(trie(kernels("lexicon.trie")), np.array([44], np.uint32), 1, -20.0)
        return lambda: it.words(["abcab," * 50])
    if cls == "TemplateTrie":
        it = kernel.TemplateTrie(np.array([0, -1]), np.array([0, 2]), np.array([-5]))
        return lambda: it.parse(np.array([0, 1, 2]), -20)
    if cls == "Network":
        it = kernel.Network(ReactionNetwork("A -> B @ 1; B -> A @ 1; A + B -> 2 B @ 0.01").tables)
        stops, key = np.empty((0, 3), np.int64), np.arange(4, dtype=np.uint64)
        rest = (np.ones((1, 3)), np.array([[50, 50]]), (0.0, 1e9), key, 0, 1, 1, 0, stops, 1000)
        return lambda: kernel.simulate_jumps(it, *rest)
    if cls == "System":
        it = kernel.System(ReactionNetwork("A -> B @ 1; B -> A @ 1; A + B -> 2 B @ 0.01").tables)
        constants, slopes, x = np.ones((1, 3)), np.zeros((1, 3, 0)), np.full((1, 1, 2), 50.0)
        rest = ((0.0, 9.0), np.linspace(0, 9, 99), 0, 1e-9, np.full(2, 1e-9), 10**6, 1e-3, False)
        return lambda: (
            it.rhs(constants[0], x[0, 0]).tolist(),
            it.jacobian(constants[0], x[0, 0]).tolist(),
            kernel.integrate(it, constants, slopes, x, *rest),
        )
    if cls == "Cell":
        rng = np.random.default_rng(0)
        W, U, x, h = (rng.normal(size=size) for size in ((3, 16), (4, 16), (50, 3), (1, 4)))
        it, whole = kernel.Cell("lstm", W, U, np.zeros((2, 16)), None), np.array([0, 50])
        return lambda: (it.run(x, whole, h, h, False), it.vjp(x, whole, h, h, False, np.ones((50, 4)), h, h))
    if cls == "Sequence":
        it = kernel.Sequence([{"w": f"a{i}", "n": i} for i in range(100)])
        names = kernel.Names(f"w:a{i}" for i in range(50))
        return lambda: (it.items(), [part.tolist() for part in names.read(iter([it]), -1)])
    if cls in ("Windows", "Cutter"):
        kinds = np.array([[0, 0x110000, 3]])
        known = np.sort(kernel.count_windows(["abcab"], kinds)[0])
        it, weights = kernel.Windows(known, kinds), np.arange(4.0 * len(known)).reshape(-1, 4) % 7
        if cls == "Windows":
            return lambda: [part.tolist() for part in it.read(["abcab" * 100])]
        cutter = kernel.Cutter(it, weights, np.zeros((4, 4)))
        return lambda: (cutter.cut(["abcab" * 100]), [part.tolist() for part in cutter.label(["abcab" * 100])])
    it = getattr(kernel, cls)(np.array([[0, 2916], [2916, 5]], np.int32))
    return lambda: it.holds(numbers(MANY)) if cls == "PairSet" else it.find(numbers(MANY))


SETTLED = [
    ("crf.items", "Sequence"),
    ("crf.windows", "Windows"),
    ("crf.windows", "Cutter"),
    ("discovery.pairs", "PairIndex"),
    ("discovery.pairs", "PairSet"),
    ("lexicon.trie", "Trie"),
    ("lexicon.segmenter", "Segmenter"),
    ("templates.trie", "TemplateTrie"),
    ("reactions", "Network"),
    ("ode", "System"),
    ("recurrence.cells", "Cell"),
]


@pytest.mark.compiled
def test_every_kernel_class_is_listed():
    listed = {(domain, name) for domain, names in CLASSES.items() for name in names}
    assert {*STATEFUL, *SETTLED} == listed


class TestKernels:
    @pytest.mark.parametrize(("domain", "cls"), STATEFUL)
    def test_one_call_at_a_time(self, backend, domain, cls):
        make, counting = STATEFUL[domain, cls]
        it, works, right = make(kernels(domain), cls, backend.size(MANY, 1 << 11))
        done = []

        def work(i: int) -> None:
            for turn in range(6):
                which = (i + turn) % len(works)
                try:
                    works[which]()
                except RuntimeError as error:
                    assert str(error) == f"this {type(it).__name__} {BUSY}"
                else:
                    done.append(which)

        all_well(*(lambda i=i: work(i) for i in range(THREADS)))
        assert right(sum(which in counting for which in done))

    @pytest.mark.parametrize(("domain", "cls"), SETTLED)
    def test_what_doesnt_change(self, backend, domain, cls):
        ask = settled(domain, cls)
        found = all_well(*[ask] * THREADS)
        assert all(repr(it) == repr(found[0]) for it in found)

    def test_from_within(self, backend):
        stream = kernels("skipgrams").TokenStream()

        def texts() -> Iterator[list[str]]:
            yield ["a"]
            stream.finish()

        with pytest.raises(RuntimeError, match=f"this TokenStream {BUSY}"):
            stream.add_texts(texts(), 0)
        stream.add_texts([["a"]], 0)
        assert stream.finish()[2] == ["a"]


class TestAllocation:
    def test_what_was_never_initialised(self):
        """An object without `__init__` works or can't be made; nothing crashes."""
        script = """
from fastcore import _isa
from fastcore._backend import KERNELS
for kernel in KERNELS:
    for cls in vars(_isa.load(kernel)).values():
        if not isinstance(cls, type) or not cls.__module__.startswith("fastcore"):
            continue
        try:
            made = cls.__new__(cls)
        except TypeError as error:
            assert "__cinit__" in str(error), error
            continue
        for name in dir(cls):
            if name.startswith("__") and name != "__len__":
                continue
            for arguments in ((), ("a",), ([],)):
                try:
                    getattr(made, name)(*arguments)
                except (TypeError, ValueError, NotImplementedError):
                    pass
print("alive")
"""
        result = run_script(script, env={"FASTCORE_BACKEND": "compiled"})
        assert result.stdout.strip() == "alive", result.stderr

    @pytest.mark.parametrize(
        ("domain", "arguments"),
        [
            ("discovery.symbols.Encoder", "np.ones(100, np.uint8), True"),
            ("discovery.pairs.PairIndex", "np.array([[0, 1], [1, 2]], np.int32)"),
            ("discovery.pairs.PairSet", "np.array([[0, 100]], np.int32)"),
            ("lexicon.trie.Trie", "np.array([97], np.uint32), np.array([0, 1]), np.array([1]), np.empty(0, np.uint8)"),
            ("templates.trie.TemplateTrie", "np.array([0, -1]), np.array([0, 2]), np.array([-5])"),
        ],
    )
    def test_init_again_keeps_no_memory(self, domain, arguments):
        module, _, cls = domain.rpartition(".")
        setup = f"import numpy as np\nfrom fastcore import _isa\ngiven = ({arguments},)\n"
        setup += f"it = _isa.load({module!r}).{cls}(*given)"
        assert memory_growth(setup, "it.__init__(*given)", repeats=100) < 50

    def test_a_table_whose_growth_is_stopped(self):
        """Each try to grow takes 16 MB, and gives them back where Ctrl-C or another worker's failure ends the call."""
        setup = """
import threading
import numpy as np
from fastcore import _interrupt, _isa
counter, ids = _isa.load("discovery.pairs").PairCounter(), np.arange(1 << 17, dtype=np.int32)
counter.update(ids)
flag, later = threading.Event(), iter(range(2, 1 << 17))
flag.set()
_interrupt.set_flag(flag)
def stopped(ids):
    try:
        counter.update(ids)
    except _interrupt.Cancelled:
        return True
    return False
while not stopped(ids):
    pass
"""
        assert memory_growth(setup, "assert stopped(np.array([next(later), 0], np.int32))", repeats=50) < 100_000


# ---- who waits, and who doesn't ----------------------------------------------------------------------------

X, Y = [[["a"], ["b"]]] * 2, [["A", "B"]] * 2


def counter() -> NgramCounter:
    made = NgramCounter(1)
    made.update(TEXTS)
    return made


def trained(cls: Any, *arguments: Any) -> Any:
    made = cls(*arguments)
    made.train(TEXTS)
    return made


def spelled() -> nlp_zero.Trie:
    return nlp_zero.Trie([("a", 1), ("b", 2)])


WAIT: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = [
    (counter, lambda it: it.update(["a"])),
    (counter, lambda it: it.merge(counter())),
    (counter, lambda it: NgramCounter(1).merge(it)),
    (counter, lambda it: it.finish()),
    (counter, lambda it: it.prune(2)),
    (counter, pickle.dumps),
    (lambda: WordFinder().fit(TEXTS), lambda it: it.fit(TEXTS)),
    (lambda: WordFinder().partial_fit(TEXTS), lambda it: it.partial_fit(TEXTS)),
    (lambda: WordFinder().partial_fit(TEXTS), lambda it: it.finish(TEXTS)),
    (lambda: WordFinder().partial_fit(TEXTS), pickle.dumps),
    (TemplateFinder, lambda it: it.fit(TOKENS)),
    (lambda: CRF().fit(X, Y), lambda it: it.fit(X, Y)),
    (lambda: Segmenter(min_freq=1).fit(TOKENS), lambda it: it.fit(TOKENS)),
    (NgramVectorizer, lambda it: it.fit(["ab"])),
    (NgramVectorizer, lambda it: it.fit_transform(["ab"])),
    (lambda: trained(nlp_zero.Word_Finder), lambda it: it.train(TEXTS)),
    (lambda: trained(nlp_zero.Word_Finder), lambda it: it.find(TEXTS)),
    (lambda: trained(nlp_zero.Template_Finder, list), lambda it: it.train(TEXTS)),
    (lambda: trained(nlp_zero.Template_Finder, list), lambda it: it.find(TEXTS)),
    (spelled, lambda it: it.__setitem__("c", 1)),
    (spelled, lambda it: it.__delitem__("a")),
    (spelled, lambda it: it.update([("c", 1)])),
    (spelled, list),
    (lambda: nlp_zero.Tokenizer(spelled()), lambda it: it.tokenize("ab")),
]
DONT_WAIT: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = [
    (counter, repr),
    (lambda: WordFinder().fit(TEXTS), lambda it: (it.words_, it.to_lexicon(), repr(it), it.get_params())),
    (lambda: TemplateFinder(min_pmi=0, min_count=1).fit(TOKENS), lambda it: (it.to_trie(), it.templates_, repr(it))),
    (lambda: CRF().fit(X, Y), lambda it: (it.predict(X), it.predict_marginals(X), it.score(X, Y), pickle.dumps(it))),
    (
        lambda: Segmenter(min_freq=1).fit(TOKENS),
        lambda it: (it.segment("tobe"), it.evaluate(TOKENS), pickle.dumps(it), it.score(TOKENS)),
    ),
    (lambda: NgramVectorizer().fit(["ab"]), lambda it: (it.transform(["ab"]), it.vocabulary_, pickle.dumps(it))),
    (spelled, lambda it: (it["a"], it.search("ab"), it.get_proba("a"))),
]


class TestWaiting:
    @pytest.mark.parametrize(("make", "call"), WAIT)
    def test_until_the_turn_comes(self, make, call):
        it = make()
        thread = threading.Thread(target=call, args=(it,), daemon=True)
        with it._turns.lock:
            thread.start()
            thread.join(0.05)
            assert thread.is_alive()
        thread.join(60)
        assert not thread.is_alive()
        assert not it._turns.lock.locked()

    @pytest.mark.parametrize(("make", "call"), DONT_WAIT)
    def test_what_only_reads_waits_for_nobody(self, make, call):
        it = make()
        with it._turns.lock:
            assert call(it) is not None

    @pytest.mark.parametrize(("domain", "cls"), STATEFUL)
    def test_twins_refuse(self, domain, cls):
        with use_backend("reference"):
            it, works, _ = STATEFUL[domain, cls][0](kernels(domain), cls, 64)
        with it._turns.lock:
            for work in works:
                with pytest.raises(RuntimeError, match=f"this {cls} {BUSY}"):
                    work()


# ---- calls from within a call ------------------------------------------------------------------------------


def named(it: Any) -> str:
    return f"this {type(it).__name__} is at work in a call that waits for this one"


def feeds(call: Callable[[], Any], first: Any, second: Any) -> Iterator[Any]:
    yield first
    call()
    yield second


FED: list[tuple[Callable[[], Any], str, Any, Callable[[Any], list[Callable[[], Any]]], Callable[[Any], Any]]] = [
    (
        lambda: NgramCounter(1),
        "update",
        ("天", "地"),
        lambda it: [
            lambda: it.update(["人"]),
            it.finish,
            lambda: it.merge(NgramCounter(1)),
            lambda: it.merge(it),
            lambda: NgramCounter(1).merge(it),
            lambda: it.prune(2),
            lambda: pickle.dumps(it),
            lambda: copy.copy(it),
        ],
        lambda it: it.finish().to_dict(),
    ),
    *(
        (
            lambda method=method: WordFinder(1e-4, method=method),
            "partial_fit",
            (TEXTS[2], TEXTS[2]),
            lambda it: [
                lambda: it.partial_fit(TEXTS),
                lambda: it.fit(TEXTS),
                lambda: it.finish(TEXTS),
                lambda: pickle.dumps(it),
                lambda: copy.deepcopy(it),
            ],
            lambda it: repr(it.__getstate__()["_learned"]),
        )
        for method in ("adjacent", "ngram", "entropy")
    ),
    (
        lambda: TemplateFinder(min_pmi=0),
        "fit",
        (TOKENS[0], TOKENS[1]),
        lambda it: [lambda: it.fit(TOKENS)],
        lambda it: hasattr(it, "templates_"),
    ),
    (
        lambda: NgramVectorizer(),
        "fit",
        ("aa bb", "cc dd"),
        lambda it: [lambda: it.fit(["ab"]), lambda: it.fit_transform(["ab"])],
        lambda it: hasattr(it, "vocabulary_"),
    ),
    (
        lambda: Segmenter(min_freq=1),
        "fit",
        (["ab"], ["ab"]),
        lambda it: [lambda: it.fit([["ab"]])],
        lambda it: hasattr(it, "loss_"),
    ),
    (
        lambda: nlp_zero.Word_Finder(1e-4),
        "train",
        (TEXTS[0], TEXTS[1]),
        lambda it: [lambda: it.train(TEXTS), lambda: it.find(TEXTS)],
        lambda it: dict(it.chars),
    ),
    (
        lambda: nlp_zero.Template_Finder(list),
        "train",
        (TEXTS[0], TEXTS[1]),
        lambda it: [lambda: it.train(TEXTS), lambda: it.find(TEXTS)],
        lambda it: dict(it.words),
    ),
]


class TestFromWithin:
    @pytest.mark.parametrize("fed", FED, ids=lambda fed: type(fed[0]()).__name__)
    def test_its_own_texts_cant_use_it(self, backend, fed):
        make, method, texts, calls, state = fed
        it = make()
        before = state(it)
        for call in calls(it):
            with pytest.raises(RuntimeError, match=named(it)):
                getattr(it, method)(feeds(call, *texts))
            assert state(it) == before
        getattr(it, method)(texts)
        assert state(it) != before

    def test_a_trie_updated_by_itself(self):
        trie = nlp_zero.Trie([("a", 1), ("b", 2)])
        trie.update(trie)
        trie.update((word * 2, count) for word, count in trie)
        assert dict(trie) == {"a": 1, "b": 2, "aa": 1, "bb": 2}

    def test_items_of_a_crf_cant_train_it(self):
        crf = CRF()

        class Items:
            def items(self):
                crf.fit([[["a"]]], [["A"]])

        with pytest.raises(RuntimeError, match=named(crf)):
            crf.fit([Items()], [["A"]])

    def test_texts_that_another_thread_reads(self):
        """A map-like `workers` may read the texts wherever it likes."""

        def elsewhere(function: Any, tasks: Any) -> list[Any]:
            with ThreadPoolExecutor(1) as pool:
                return list(map(function, pool.submit(list, tasks).result()))

        counter = NgramCounter(1, workers=elsewhere)
        with pytest.raises(RuntimeError, match=named(counter)):
            counter.update(feeds(counter.finish, "天", "地"))
        counter.update(["天"])
        assert counter.finish().to_dict() == {"天": 1}

    def test_callbacks(self, backend):
        counter = NgramCounter(1)
        with pytest.raises(RuntimeError, match=named(counter)):
            counter.update(["天"], progress=lambda done, total: counter.finish())
        counter.update(["天"], progress=lambda done, total: repr(counter))
        assert counter.finish().to_dict() == {"天": 1}

    def test_two_that_wait_for_each_other(self, backend):
        a, b, both = NgramCounter(1), WordFinder(1e-4), threading.Barrier(2)

        def meeting(call: Callable[[], Any]) -> Iterator[str]:
            yield TEXTS[0]
            both.wait(60)
            call()
            yield TEXTS[1]

        found = at_once(
            lambda: a.update(meeting(lambda: b.partial_fit(TEXTS))), lambda: b.partial_fit(meeting(a.finish))
        )
        refused = [it for it in found if isinstance(it, RuntimeError)]
        assert len(refused) == 1, found
        assert "is at work in a call that waits for this one" in str(refused[0])
        a.update(TEXTS)
        b.partial_fit(TEXTS).finish(TEXTS)

    def test_three_in_a_circle(self):
        counters, all_three = [NgramCounter(1) for _ in range(3)], threading.Barrier(3)

        def meeting(other: NgramCounter) -> Iterator[str]:
            yield "天"
            all_three.wait(60)
            other.update(["地"])

        def work(i: int) -> None:
            counters[i].update(meeting(counters[(i + 1) % 3]))

        found = at_once(*(lambda i=i: work(i) for i in range(3)))
        assert sum(isinstance(it, RuntimeError) for it in found) == 1, found
        # Two updates that weren't refused, each with the text of its own and another's.
        assert sum(sum(counter.finish().values()) for counter in counters) == 4


WAITING = """
import signal, threading
from fastcore.ngrams import NgramCounter
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
counter, go, held = NgramCounter(1), threading.Event(), threading.Event()
def texts():
    held.set()
    go.wait()
    yield "a"
thread = threading.Thread(target=lambda: counter.update(texts()))
thread.start()
held.wait()
print("ready", flush=True)
try:
    counter.update(["b"])
except KeyboardInterrupt:
    print("interrupted", flush=True)
go.set()
thread.join()
counter.update(["c"])
assert counter.finish().to_dict() == {"a": 1, "c": 1}, counter.finish().to_dict()
print("usable")
"""


CHANGING = """
import numpy as np
from fastcore import _interrupt
from fastcore._backend import kernels

# The table grows at 512 distinct tokens, in the middle of those that are looked up together.
tokens = ["t-and-some-more-letters-0"] * 10 + [f"t-and-some-more-letters-{i}" for i in range(2000)]
expected = list(dict.fromkeys(bytes(token, "ascii") for token in tokens))
others = []

def look():
    if tokens:
        tokens.clear()
        others.extend(f"another-token-like-these-{i}" for i in range(100000))

_interrupt.raise_if_cancelled = look
if KERNEL == "skipgrams":
    stream = kernels("skipgrams").TokenStream()
    stream.add_texts([tokens], 0)
    found = [token.encode() for token in stream.finish()[2]]
else:
    vocabulary = kernels("ngrams.symbols").Vocabulary()
    out = np.empty(4000, np.uint32)
    vocabulary.encode([tokens], 0, 0, out, 0)
    text, ends = vocabulary.symbols()
    found = [text[a:b].tobytes() for a, b in zip(ends, ends[1:])]
assert others, "nobody looked"
assert found == expected[: len(found)], found[-3:]
"""


@pytest.mark.skipif(active_backend() == "reference", reason="only kernels look for who else wants to run")
@pytest.mark.parametrize("kernel", ["skipgrams", "ngrams.symbols"])
def test_a_list_of_tokens_that_others_empty_meanwhile(kernel):
    # What runs whenever a kernel looks for Ctrl-C stands for a thread or a signal's handler.
    done = run_script(f"KERNEL = {kernel!r}\n{CHANGING}")
    assert done.returncode == 0, done.stderr


def test_ctrl_c_ends_the_waiting():
    with subprocess.Popen([sys.executable, "-u", "-c", WAITING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        # Promised are 0.2 seconds; the rest is for a busy machine. Nobody would come before the waiting is over.
        assert time.perf_counter() - start < 1.0
        assert process.stdout.read() == "usable\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="about fork")
def test_a_child_forked_while_threads_decide():
    script = """
import os, sys
from fastcore import _turns
from fastcore.ngrams import NgramCounter
counter = NgramCounter(1)
with _turns._deciding:
    child = os.fork()
    if not child:
        counter.update(["a"])
        os._exit(0 if counter.finish().to_dict() == {"a": 1} else 1)
print(os.waitpid(child, 0)[1])
"""
    assert run_script(script, timeout=60).stdout.strip() == "0"
