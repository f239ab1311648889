"""Ctrl-C stops every kernel: one long call each, stopped soon after it has begun, and the object goes on.

Time is the process's own, and what stops the call is its timer: a busy machine changes neither. That the exception
comes from within the kernel, and not after it, its traceback says. Inputs are made before, so that nothing else is
stopped.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fastcore import _interrupt, _isa
from fastcore._config import config
from fastcore.lexicon import Lexicon, Tokenizer
from fastcore.reactions import ReactionNetwork
from fastcore.reactions._tables import Tables

from .test_twins import TWINS, methods, public

pytestmark = pytest.mark.compiled

BEGUN = 0.01  # seconds of work before Ctrl-C: calls are to last ten times as long, on a quick machine too
# Sanitizers make code several times slower, and poison what is freed.
PROMISED = 1.0 if "sanitize" in config()["build"] else 0.2

Call = Callable[[], object]
Entry = Callable[[Any], tuple[Call, Call] | Call]
LONG: dict[str, Entry] = {}

# What has no loop over its input, or only as much of it as the caller's own loop: nothing to stop.
SHORT = {
    "lexicon.trie.Trie.layout": "hands out what is there",
    "lexicon.trie.Trie.find": "one word",
    "lexicon.trie.Trie.longest": "one match",
    "lexicon.segmenter.Segmenter": "at most 0x110000 code points",
    "crf.features.new_gradient": "zeros",
    "discovery.words.WordCounter.result": "three copies of memory",
    "discovery.pairs.PairCounter": "starts empty",
    "discovery.words.WordCounter": "starts empty",
    "discovery.symbols.Encoder": "at most 0x110000 code points",
    "ngrams.symbols.Alphabet": "starts empty",
    "ngrams.symbols.Alphabet.symbols": "at most 0x110000 code points",
    "ngrams.symbols.Vocabulary": "starts empty",
    "ngrams.symbols.Vocabulary.symbols": "two copies of memory",
    "ode.System.rhs": "one pass over the reactions",
    "ode.System.jacobian": "one matrix",
    "recurrence.cells.Cell": "a copy of the weights",
    "skipgrams.TokenStream": "starts empty",
    "skipgrams.TokenStream.end_text": "one number",
    "skipgrams.TokenStream.take": "two copies of memory",
    "vectorizer.symbols.Symbols": "starts empty",
}

KEY = np.arange(1, 5, dtype=np.uint64)
NONE = np.empty(0, np.uint8)


def long(*names: str) -> Callable[[Entry], Entry]:
    """Say how a kernel is called so that it takes long; an entry may also give a short call for afterwards."""

    def keep(entry: Entry) -> Entry:
        for name in names:
            LONG[name] = entry
        return entry

    return keep


def each(name: str, *kernels: str) -> Callable[[Callable[[Any, str], Any]], None]:
    """The same for several kernels of one domain that take the same arguments."""

    def keep(entry: Callable[[Any, str], Any]) -> None:
        for kernel in kernels:
            LONG[f"{name}.{kernel}"] = lambda k, kernel=kernel: entry(k, kernel)  # type: ignore[misc]

    return keep


# chain, crf


def batch(steps: int, labels: int) -> tuple[np.ndarray, ...]:
    e = np.zeros((steps, labels))
    return e, np.array([0, steps]), np.zeros((labels, labels)), np.zeros(labels), np.zeros(labels)


@each(
    "chain",
    "forward",
    "backward",
    "forward_scaled",
    "backward_scaled",
    "entropy",
    "log_partition",
    "viterbi",
)
def _(k: Any, name: str) -> Any:
    steps = batch(2_000_000, 24)
    return lambda: getattr(k, name)(*steps), lambda: getattr(k, name)(*batch(3, 2))


@long("chain.marginals")
def _(k: Any) -> Any:
    steps = batch(300_000, 24)
    return lambda: k.marginals(*steps, True)


@long("chain.pair_marginals")
def _(k: Any) -> Any:
    e, offsets, _, *ends = batch(400_000, 4)
    moves = np.zeros((399_999, 4, 4))
    return lambda: k.pair_marginals(e, offsets, moves, *ends)


@long("chain.path_score")
def _(k: Any) -> Any:
    steps, path = batch(80_000_000, 1), np.zeros(80_000_000, np.int64)
    return lambda: k.path_score(*steps, path)


@long("chain.is_plain")
def _(k: Any) -> Any:
    e, _, t, start, end = batch(50_000_000, 8)
    return lambda: k.is_plain(e, t, start, end)


@long("chain.are_labels")
def _(k: Any) -> Any:
    path = np.zeros(400_000_000, np.int64)
    return lambda: k.are_labels(path, 1)


@long("chain.subtract_paths")
def _(k: Any) -> Any:
    steps, path = batch(80_000_000, 1), np.zeros(80_000_000, np.int64)
    return lambda: k.subtract_paths(*steps[0:3:2], steps[1], path)


@long("chain.decode")
def _(k: Any) -> Any:
    e, _, matrix, start, _ = batch(1_000_000, 24)
    return (
        lambda: k.decode(e, matrix, start, e[:0], 0, 100),
        lambda: k.decode(e[:3], matrix, start, e[:0], 0, 100),
    )


@long("chain.decode_end")
def _(k: Any) -> Any:
    columns, _, matrix, end, _ = batch(10_000_000, 8)
    return lambda: k.decode_end(matrix, columns, len(columns), end)


@long("chain.sample")
def _(k: Any) -> Any:
    return lambda: k.sample(*batch(1000, 9), 5000, KEY, 0)


@long("chain.viterbi_nbest")
def _(k: Any) -> Any:
    return lambda: k.viterbi_nbest(*batch(6000, 9), 200)


# hmm


@long("hmm.diagonal_scores")
def _(k: Any) -> Any:
    x, table = np.zeros((1_000_000, 20)), np.zeros((16, 20))
    return lambda: k.diagonal_scores(x, table, table, np.zeros(16))


@long("hmm.full_scores")
def _(k: Any) -> Any:
    x = np.zeros((300_000, 20))
    return lambda: k.full_scores(x, np.zeros((16, 20)), np.zeros((16, 20, 20)), np.zeros(16))


@long("hmm.poisson_scores")
def _(k: Any) -> Any:
    x = np.ones((1_500_000, 20))
    table, rates, first = np.zeros((16, 20)), np.zeros(16), x[:, 0].copy()
    return lambda: k.poisson_scores(x, table, rates, first)


@long("hmm.count_symbols")
def _(k: Any) -> Any:
    weights, symbols = np.zeros((8_000_000, 16)), np.arange(8_000_000) * 7919 % 100_003
    return lambda: k.count_symbols(weights, symbols, 100_003)


@long("hmm.weighted_sums")
def _(k: Any) -> Any:
    weights, x = np.zeros((200_000, 16)), np.zeros((200_000, 20))
    return lambda: k.weighted_sums(weights, x, np.zeros((16, 20)), 2)


@each("hmm", "forward_scaling", "backward_scaling", "transition_sums")
def _(k: Any, name: str) -> Any:
    shown, moves = np.ones((2_000_000, 24)), np.full((24, 24), 1 / 24)
    first = {"forward_scaling": [moves[0].copy(), moves], "backward_scaling": [moves]}.get(name, [shown, moves, shown])
    last = {"forward_scaling": [1e-300], "backward_scaling": [np.ones(len(shown))]}.get(name, [])
    return lambda: getattr(k, name)(*first, shown, *last)


def attributes(steps: int) -> tuple[np.ndarray, ...]:
    items = np.arange(steps + 1) * 8
    return items, np.zeros(8 * steps, np.int32), np.empty(0), np.array([0, 50]), np.arange(50, dtype=np.int32)


@long("crf.features.state_scores")
def _(k: Any) -> Any:
    parts, weights = attributes(1_000_000), np.zeros(50)
    return lambda: k.state_scores(*parts, weights, 50)


def turned(k: Any, steps: int) -> tuple[np.ndarray, ...]:
    return k.by_attribute(np.arange(steps + 1), np.arange(steps, dtype=np.int32), np.empty(0))


@long("crf.features.by_attribute")
def _(k: Any) -> Any:
    items, attributes = np.arange(5_000_001), np.arange(5_000_000, dtype=np.int32)
    return lambda: k.by_attribute(items, attributes, np.empty(0))


@long("crf.features.count_labels")
def _(k: Any) -> Any:
    n = 30_000_000
    parts, y = turned(k, n), np.zeros(n, np.int32)
    sums, seen = np.zeros((n, 1)), np.zeros((n, 1), np.uint8)
    return lambda: k.count_labels(*parts, y, 0, sums, seen)


def features(n: int) -> tuple[np.ndarray, ...]:
    """Four of five labels for each of n attributes."""
    return np.arange(n + 1) * 4, np.tile(np.arange(4, dtype=np.int32), n)


@long("crf.features.plan_features")
def _(k: Any) -> Any:
    n = 30_000_000
    parts = np.arange(n + 1), np.zeros(n, np.int32)
    return lambda: k.plan_features(*parts, 5)


@long("crf.features.lay_out")
def _(k: Any) -> Any:
    n = 12_000_000
    parts, plan = turned(k, n), k.plan_features(*features(n), 5)
    return lambda: k.lay_out(*parts, plan)


@long("crf.features.spread_weights")
def _(k: Any) -> Any:
    n = 4_000_000
    plan, weights = k.plan_features(*features(n), 5), np.zeros(4 * n)
    return lambda: k.spread_weights(plan, weights)


@long("crf.features.scores_by_attribute")
def _(k: Any) -> Any:
    n = 12_000_000
    plan = k.plan_features(*features(n), 5)
    layout, spread = k.lay_out(*turned(k, n), plan), k.spread_weights(plan, np.zeros(4 * n))
    return lambda: k.scores_by_attribute(plan, layout, spread, n)


@long("crf.features.gradient_by_attribute")
def _(k: Any) -> Any:
    n = 12_000_000
    plan = k.plan_features(*features(n), 5)
    layout, nodes, gradient = k.lay_out(*turned(k, n), plan), np.zeros((n, 5)), k.new_gradient(plan, 0, n)
    return lambda: k.gradient_by_attribute(plan, layout, nodes, gradient, 0, n)


@long("crf.features.gathered")
def _(k: Any) -> Any:
    n = 12_000_000
    plan = k.plan_features(*features(n), 5)
    gradient = k.new_gradient(plan, 0, n)
    return lambda: k.gathered(plan, gradient, 0, n)


@each("crf.features", "inner_product", "add_scaled", "steepest_slope", "step_in_orthant")
def _(k: Any, name: str) -> Any:
    def call(n: int) -> Call:
        x, y = np.zeros(n), np.zeros(n)
        parts = {
            "inner_product": (x, y),
            "add_scaled": (x, 1.0, y, y),
            "steepest_slope": (x, y, 1.0),
            "step_in_orthant": (x, y, 1.0, y),
        }
        return lambda: getattr(k, name)(*parts[name])

    return call(150_000_000), call(3)


def passes(k: Any, steps: int, sequences: int) -> Any:
    """What `prepare` makes of sequences of eight attributes a step, each with all of five labels, the last wrong."""
    items, y = np.arange(steps + 1) * 8, np.zeros(steps, np.int32)
    y[steps - 1 :] = 1
    moves = np.array([(i, j) for i in range(5) for j in range(5)])
    parts = np.zeros(8 * steps, np.int32), np.empty(0), y, np.array([0, 5]), np.arange(5, dtype=np.int32), moves
    return k.prepare(np.linspace(0, steps, sequences + 1).astype(np.int64), items, *parts, 5)


@long("crf.online.prepare")
def _(k: Any) -> Any:
    offsets, moves = np.zeros(60_000_001, np.int64), np.empty((0, 2), np.int64)
    parts = np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0), np.empty(0, np.int32), np.zeros(1, np.int64)
    return lambda: k.prepare(offsets, *parts, np.empty(0, np.int32), moves, 1)


@long("crf.online.shuffled")
def _(k: Any) -> Any:
    return lambda: k.shuffled(KEY, 0, 10_000_000), lambda: k.shuffled(KEY, 0, 3)


@each("crf.online", "perceptron_epoch", "aggressive_epoch", "arow_epoch", "gradient_epoch")
def _(k: Any, name: str) -> Any:
    def call(order: np.ndarray) -> Call:
        weights, sums = np.zeros(30), np.ones(30)
        rest = {
            "perceptron_epoch": (sums, 1),
            "aggressive_epoch": (sums, 1, 1, 1.0, True),
            "arow_epoch": (sums, 1.0),
            "gradient_epoch": (0.1, 0.1, 0.0),
        }
        return lambda: getattr(k, name)(problem, order, weights, *rest[name])

    # Few sequences of many steps: also within one there is a look.
    problem = passes(k, 400_000, 4)
    return call(np.arange(40) % 4), call(np.empty(0, np.int64))


LINES = [["w=a", "t=b", "w|t=ab"] * 10] * 1_000_000


@long("crf.items.Sequence")
def _(k: Any) -> Any:
    return lambda: k.Sequence(LINES), lambda: k.Sequence([["a"]])


@long("crf.items.Sequence.items")
def _(k: Any) -> Any:
    return k.Sequence(LINES[:200_000]).items


@long("crf.items.Names")
def _(k: Any) -> Any:
    names = list(map(str, range(8_000_000)))
    return lambda: k.Names(names), lambda: k.Names(["a"])


@long("crf.items.Names.names")
def _(k: Any) -> Any:
    return k.Names(map(str, range(6_000_000))).names


@long("crf.items.Names.read")
def _(k: Any) -> Any:
    names = k.Names()
    return lambda: names.read(iter([LINES]), -1), lambda: names.read(iter([[["a"]]]), -1)


WORDS = [(str(i % 100_000), "t") for i in range(1_000_000)]
PAIR = [(("", "/", ""), ((-1, 0), (0, 0)))]


@long("crf.columns.Names")
def _(k: Any) -> Any:
    names = list(map(str, range(8_000_000)))
    return lambda: k.Names(PAIR, False, names), lambda: k.Names(PAIR, False, ["a"])


@long("crf.columns.Names.names")
def _(k: Any) -> Any:
    names = k.Names([(("", ""), ((0, 0),))], False)
    names.read(iter([list(map(str, range(3_000_000)))]), -1, 0)
    return names.names


@long("crf.columns.Names.read")
def _(k: Any) -> Any:
    names = k.Names(PAIR * 4, False)
    return lambda: names.read(iter([WORDS]), -1, 0), lambda: names.read(iter([WORDS[:1]]), -1, 0)


CHARACTERS = np.array([[0, 0x20000, 3]])


def windows(k: Any) -> Any:
    """All attributes of a few characters, and weights for them."""
    known = np.sort(k.count_windows(["天地ab"] * 2, CHARACTERS)[0])
    return k.Windows(known, CHARACTERS), np.zeros((len(known), 4)), np.zeros((4, 4))


@long("crf.windows.count_windows")
def _(k: Any) -> Any:
    text = "天地ab" * 5_000_000
    return lambda: k.count_windows([text], CHARACTERS), lambda: k.count_windows(["a"], CHARACTERS)


@long("crf.windows.Windows")
def _(k: Any) -> Any:
    known = np.arange(5_000_000) + (5 << 42)
    return lambda: k.Windows(known, CHARACTERS), lambda: k.Windows(known[:5], CHARACTERS)


@long("crf.windows.Windows.read")
def _(k: Any) -> Any:
    text, it = "天地ab" * 2_500_000, windows(k)[0]
    return lambda: it.read([text]), lambda: it.read(["a"])


@long("crf.windows.Cutter")
def _(k: Any) -> Any:
    known = np.arange(4_000_000) + (5 << 42)
    parts = k.Windows(known, CHARACTERS), np.zeros((len(known), 4)), np.zeros((4, 4))
    return lambda: k.Cutter(*parts), lambda: k.Cutter(*windows(k))


@each("crf.windows.Cutter", "label", "cut")
def _(k: Any, name: str) -> Any:
    text, it = "天地ab" * 5_000_000, k.Cutter(*windows(k))
    return lambda: getattr(it, name)([text]), lambda: getattr(it, name)(["a"])


# discovery

KEEP = np.ones(0x110000, np.uint8)


def pairs(n: int) -> np.ndarray:
    return np.stack([np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32)], axis=1)


@long("discovery.symbols.Encoder.encode")
def _(k: Any) -> Any:
    encoder = k.Encoder(KEEP, True)
    text = "天地ab" * 10_000_000
    return lambda: encoder.encode(text), lambda: encoder.encode("天")


@long("discovery.symbols.Encoder.symbols")
def _(k: Any) -> Any:
    encoder = k.Encoder(KEEP, True)
    encoder.encode(" ".join(str(i).rjust(1000, "0") for i in range(160_000)))
    return encoder.symbols


def spread(n: int) -> np.ndarray:
    return (np.arange(n, dtype=np.int64) * 7919 % 1_000_003).astype(np.int32)


@long("discovery.pairs.PairCounter.update")
def _(k: Any) -> Any:
    counter, ids = k.PairCounter(), spread(6_000_000)
    return lambda: counter.update(ids), counter.result


@long("discovery.pairs.PairCounter.merge")
def _(k: Any) -> Any:
    counter, rows, ones = k.PairCounter(), pairs(3_000_000), np.ones(3_000_000, np.int64)
    return lambda: counter.merge(ones, rows, ones), counter.result


@long("discovery.pairs.PairCounter.result")
def _(k: Any) -> Any:
    counter = k.PairCounter()
    ones = np.ones(7_000_000, np.int64)
    counter.merge(ones, pairs(7_000_000), ones)
    return counter.result, counter.result


@long("discovery.pairs.PairIndex")
def _(k: Any) -> Any:
    rows = pairs(4_000_000)
    return lambda: k.PairIndex(rows)


@long("discovery.pairs.PairIndex.find")
def _(k: Any) -> Any:
    index, ids = k.PairIndex(pairs(100_000)), spread(10_000_000)
    return lambda: index.find(ids), lambda: index.find(ids[:9])


@long("discovery.pairs.PairSet")
def _(k: Any) -> Any:
    rows = pairs(4_000_000)
    return lambda: k.PairSet(rows)


@long("discovery.pairs.PairSet.holds")
def _(k: Any) -> Any:
    index, ids = k.PairSet(pairs(100_000)), spread(10_000_000)
    return lambda: index.holds(ids), lambda: index.holds(ids[:9])


@long("discovery.words.WordCounter.update")
def _(k: Any) -> Any:
    counter, ids = k.WordCounter(), spread(8_000_000)
    joined = np.zeros(len(ids), np.uint8)
    return lambda: counter.update(ids, joined), counter.result


@long("discovery.pairs.cover")
def _(k: Any) -> Any:
    grams = np.zeros((4, 100_000_000), np.int32)
    return lambda: k.cover(grams, np.zeros(1, np.uint8))


@long("discovery.expectation.expected_counts")
def _(k: Any) -> Any:
    grams = np.zeros((4, 3_000_000), np.int32)
    return lambda: k.expected_counts(grams, np.zeros(1), np.zeros(1))


@long("discovery.words.frequent")
def _(k: Any) -> Any:
    counts = np.ones(50_000_000, np.int64)
    return lambda: k.frequent(counts, 0.0)


@long("discovery.pairs.pair_scores")
def _(k: Any) -> Any:
    rows, counts = np.zeros((20_000_000, 2), np.int32), np.ones(20_000_000, np.int64)
    return lambda: k.pair_scores(np.ones(2, np.int64), rows, counts)


@long("discovery.redundancy.remove_redundant")
def _(k: Any) -> Any:
    n = 1_500_000
    ids = np.stack([np.arange(n) // 1500, np.arange(n) % 1000, np.arange(n) % 7], axis=1).astype(np.int32).ravel()
    offsets, counts, kinds = np.arange(n + 1) * 3, np.ones(n, np.int64), np.zeros(1000, np.uint8)
    return lambda: k.remove_redundant(ids, offsets, counts, kinds)


@long("discovery.words.word_counts")
def _(k: Any) -> Any:
    n = 3_000_000
    ids = np.tile(np.arange(3, dtype=np.int32), n)
    symbols = np.array([65, 66, 67], np.int32)
    offsets, counts, order = np.arange(n + 1) * 3, np.ones(n, np.int64), np.arange(n)
    return lambda: k.word_counts(ids, offsets, counts, symbols, np.arange(4), order)


# lexicon


def words(n: int, length: int = 4) -> tuple[np.ndarray, ...]:
    digits = np.arange(n)[:, None] // 64 ** np.arange(length) % 64
    return (0x4E00 + digits).astype(np.uint32).ravel(), np.arange(n + 1) * length, np.ones(n, np.int64)


TEXT = "".join(map(chr, range(0x4E00, 0x4E40)))


def trie(k: Any) -> Any:
    # Words of up to 40 equal characters, so that a run of them has many readings.
    texts = ["一" * length for length in range(1, 41)]
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    return k.Trie(codes, np.cumsum([0, *map(len, texts)]), np.ones(40, np.int64), NONE)


@long("lexicon.trie.Trie")
def _(k: Any) -> Any:
    arrays = words(1_000_000)
    return lambda: k.Trie(*arrays, NONE)


@long("lexicon.trie.Trie.words")
def _(k: Any) -> Any:
    found = k.Trie(*words(1_500_000), NONE)
    return lambda: found.words(0, 1_500_000), lambda: found.words(0, 3)


@long("lexicon.trie.Trie.search")
def _(k: Any) -> Any:
    found = trie(k)
    return lambda: found.search("一" * 5_000_000), lambda: found.search("一二")


def codes_of(n: int) -> tuple[np.ndarray, ...]:
    return np.full(n, ord("一"), np.uint32), np.array([0, n]), np.full(40, -1.0), -100.0


@each("lexicon.trie.Trie", "expected_counts", "best_counts")
def _(k: Any, name: str) -> Any:
    found = trie(k)
    codes = codes_of(3_000_000)
    return lambda: getattr(found, name)(*codes), lambda: getattr(found, name)(*codes_of(3))


def segmenter(k: Any) -> Any:
    return k.Segmenter(trie(_isa.load("lexicon.trie")), np.array([ord("。")], np.uint32), 2, -100.0)


# Long runs, many short pieces, and letters to be joined: each is a loop of its own.
TEXTS = ["一" * 3_000_000, "一。" * 10_000_000, "a" * 30_000_000]


WAYS = [f"{name} {i}" for name in ("words", "ends", "encode", "sample") for i in range(3)]


@each("lexicon.segmenter.Segmenter", *WAYS)
def _(k: Any, name: str) -> Any:
    cut = segmenter(k)
    method, _, i = name.partition(" ")

    def call(text: str) -> object:
        if method == "sample":
            return cut.sample(text, KEY, 1, 1.0)
        return cut.ends(text) if method == "ends" else getattr(cut, method)([text])

    return lambda: call(TEXTS[int(i)]), lambda: call("一二")


@each("lexicon.segmenter.Segmenter", *(f"nbest {i}" for i in range(3)))
def _(k: Any, name: str) -> Any:
    cut, i = segmenter(k), int(name[-1])
    return lambda: cut.nbest(TEXTS[i][:3_000_000], 20), lambda: cut.nbest("一一", 2)


# nce


@long("nce.alias_table")
def _(k: Any) -> Any:
    weights = np.arange(1, 10_000_001, dtype=float)
    return lambda: k.alias_table(weights)


@long("nce.alias_draw")
def _(k: Any) -> Any:
    table = k.alias_table(np.ones(1000))
    return lambda: k.alias_draw(table, KEY, 0, 300_000_000)


@long("nce.logistic")
def _(k: Any) -> Any:
    features = np.zeros((500_000, 50))
    offset, theta = np.zeros(500_000), np.zeros(51)
    return lambda: k.logistic(features, offset, theta, 250_000)


# embeddings


@each("embeddings.Trainer", "skipgram", "cbow", "skipgram of rare words", "skipgram in a wide window")
def _(k: Any, name: str) -> Any:
    keep = np.full(1000, 1 if "rare" in name else 2**32, np.uint64)
    table = np.arange(1000, dtype=np.uint64) | np.uint64(0xFFFFFFFF << 32)
    trained = k.Trainer(np.zeros((1000, 100), np.float32), np.zeros((1000, 100), np.float32), keep, table)
    words = (np.arange(100_000_000 if "rare" in name else 2_000_000) % 1000).astype(np.int32)
    window = 2**31 - 1 if "wide" in name else 5

    def call(n: int) -> object:
        method = getattr(trained, name.split()[0])
        return method(words[:n], np.array([0, n]), KEY, 0, window, True, 5, 0.025, 0.0)

    return lambda: call(len(words)), lambda: call(9)


@long("embeddings.Trainer")
def _(k: Any) -> Any:
    rows, keep = np.zeros((3_000_000, 20), np.float32), np.zeros(3_000_000, np.uint64)
    return lambda: k.Trainer(rows, rows, keep, keep)


@long("embeddings.Trainer.vectors")
def _(k: Any) -> Any:
    rows, keep = np.zeros((2_000_000, 20), np.float32), np.zeros(2_000_000, np.uint64)
    trained = k.Trainer(rows, rows, keep, keep)
    return trained.vectors, trained.vectors


# ngrams


def alphabet(k: Any) -> Any:
    return k.Alphabet(np.array([[0, 0x110000]]))


ROOM = 200_000_000


@long("ngrams.symbols.Alphabet.add")
def _(k: Any) -> Any:
    symbols, encoder = np.zeros(ROOM, np.uint32), alphabet(k)
    return lambda: encoder.add(symbols), lambda: encoder.add(symbols[:3])


@each(
    "ngrams.symbols",
    *(f"{name}.{kind}" for name in ("Alphabet", "Vocabulary") for kind in ("encode", "encode_utf8", "encode_spans")),
)
def _(k: Any, name: str) -> Any:
    encoder = alphabet(k) if name.startswith("Alphabet") else k.Vocabulary()
    out = np.empty(ROOM, np.uint32)
    if name.endswith("encode"):
        texts = ["天地 人" * 25_000_000]
        return lambda: encoder.encode(texts, 0, 0, out, 0), lambda: encoder.encode(["天 地"], 0, 0, out, 0)
    data = np.tile(np.frombuffer("天地 人".encode(), np.uint8), 10_000_000)
    if name.endswith("utf8"):
        return lambda: encoder.encode_utf8(data, out, True, True), lambda: encoder.encode_utf8(
            data[:10], out, True, True
        )
    return (
        lambda: encoder.encode_spans(data, np.array([0, len(data)]), 0, 0, out, 0),
        lambda: encoder.encode_spans(data, np.array([0, 10]), 0, 0, out, 0),
    )


@long("ngrams.symbols.Vocabulary.add")
def _(k: Any) -> Any:
    vocabulary = k.Vocabulary()
    text, offsets = np.tile(np.arange(100, 108, dtype=np.uint8), 1_500_000), np.arange(12_000_001)
    return lambda: vocabulary.add(text, offsets), lambda: vocabulary.add(text[:2], np.arange(3))


@long("ngrams.rows.count_windows")
def _(k: Any) -> Any:
    ids = np.arange(1, 10_000_001, dtype=np.uint32) % 1000
    return lambda: k.count_windows(ids, len(ids), 4, 4, 2000)


def rows_of(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.uint64)[:, None]


@long("ngrams.rows.sort_rows")
def _(k: Any) -> Any:
    rows, ones = rows_of(5_000_000)[::-1].copy(), np.ones(5_000_000, np.int64)
    return lambda: k.sort_rows(rows, ones)


@long("ngrams.rows.merge_runs")
def _(k: Any) -> Any:
    rows = rows_of(30_000_000)
    return lambda: k.merge_runs([rows, rows], [rows.view(np.int64)[:, 0]] * 2)


@long("ngrams.rows.prefixes")
def _(k: Any) -> Any:
    rows, ones = rows_of(20_000_000), np.ones(20_000_000, np.int64)
    return lambda: k.prefixes(rows, ones, 4, 4, 2000)


@long("ngrams.rows.unpack")
def _(k: Any) -> Any:
    rows = rows_of(20_000_000)
    return lambda: k.unpack(rows, 4, 4, 2000)


@long("ngrams.rows.pack")
def _(k: Any) -> Any:
    ids = np.zeros((80_000_000, 4), np.uint32)
    return lambda: k.pack(ids, 4, 2000)


@long("ngrams.rows.find")
def _(k: Any) -> Any:
    rows = rows_of(10_000_000)
    wanted = rows[::-1].copy()
    return lambda: k.find(rows, wanted)


@each("ngrams.rows", "heads", "tails")
def _(k: Any, name: str) -> Any:
    rows = rows_of(15_000_000)
    return lambda: getattr(k, name)(rows, rows, 4, 4, 2000)


@long("ngrams.rows.is_sorted")
def _(k: Any) -> Any:
    rows = rows_of(50_000_000)
    return lambda: [k.is_sorted(rows) for _ in range(30)]


# ode, reactions

NETWORK = ReactionNetwork("A -> B @ 1\nB -> A @ 1\nA + B -> B + B @ 0.001")


PROGRAMMED = ReactionNetwork("A -> B @ A/(1 + exp(-A)); B -> A @ 1 + sqrt(B)")


def system() -> tuple[Any, ...]:
    return NETWORK.tables, np.array([[1.0, 1.0, 0.001]])


@each("ode", *(f"integrate {method}" for method in range(6)))
def _(k: Any, name: str) -> Any:
    tables, constants = system()
    x0, times, slopes = np.full((1, 1, 2), 500.0), np.linspace(0, 1e6, 3_000_000), np.zeros((1, 3, 0))
    network, atol = k.System(tables), np.full(2, 1e-12)
    rest = (int(name[-1]), 1e-12, atol, 2 * 10**7, 1e-3, False)
    return lambda: k.integrate(network, constants, slopes, x0, (0.0, 1e300), times, *rest)


@each("ode", *(f"integrate programs {method}" for method in range(2)))
def _(k: Any, name: str) -> Any:
    columns, network = PROGRAMMED.columns()[0][None], k.System(PROGRAMMED.tables)
    rest = (
        np.full((1, 1, 2), 500.0),
        (0.0, 1e300),
        np.linspace(0, 1e6, 3_000_000),
        int(name[-1]),
        1e-12,
        np.full(2, 1e-12),
        2 * 10**6,
        0.0,
        False,
    )
    return lambda: k.integrate(network, columns, np.zeros((1, columns.shape[1], 0)), *rest)


@long("reactions.exponentials")
def _(k: Any) -> Any:
    return lambda: k.exponentials(KEY, 0, 200_000_000)


@each("reactions", *(f"poissons {mean}" for mean in (5, 500)))
def _(k: Any, name: str) -> Any:
    return lambda: k.poissons(KEY, 0, float(name.split()[1]), 50_000_000)


@each("reactions", *(f"binomials {n}" for n in (20, 5000)))
def _(k: Any, name: str) -> Any:
    return lambda: k.binomials(KEY, 0, float(name.split()[1]), 0.3, 30_000_000)


@each("reactions", *(f"hypergeometrics {n}" for n in (8, 5000)))
def _(k: Any, name: str) -> Any:
    return lambda: k.hypergeometrics(KEY, 0, float(name.split()[1]), 1e6, 1e5, 30_000_000)


@long("reactions.normals")
def _(k: Any) -> Any:
    return lambda: k.normals(KEY, 0, 100_000_000)


@long("reactions.reachable")
def _(k: Any) -> Any:
    nothing, ids = np.zeros(0, np.int64), np.arange(2)
    rest = (np.zeros(2, np.int64), np.full(2, 2000), 10**7)
    return lambda: k.reachable(np.zeros(3, np.int64), nothing, nothing, np.arange(3), ids, np.ones(2, np.int64), *rest)


def ring(n: int) -> Tables:
    """n species, each made of the one before."""
    ids, ends = np.arange(n), np.arange(n + 1)
    changed, by = np.repeat(ids, 2), np.tile([-1, 1], n)
    changed[1::2] = np.roll(ids, -1)
    none, nothing = np.zeros(n + 1, np.int64), np.zeros(0, np.int64)
    plain = (none, np.empty((0, 4), np.int32), none, nothing, none, nothing, nothing)
    return Tables(ends, ids, np.zeros(n, np.int64), 2 * ends, changed, by, ends, ids, np.zeros(n), *plain)


@long("reactions.Network")
def _(k: Any) -> Any:
    tables = ring(4_000_000)
    return lambda: k.Network(tables), lambda: k.Network(NETWORK.tables)


@long("ode.System")
def _(k: Any) -> Any:
    tables = ring(6_000_000)
    return lambda: k.System(tables), lambda: k.System(NETWORK.tables)


@long("reactions.Network programs")
def _(k: Any) -> Any:
    tables = PROGRAMMED.tables
    n = 4_000_000
    program = np.zeros((n, 4), np.int32)
    return lambda: k.Network(tables._replace(program=program)), lambda: k.Network(tables)


NO_STOPS = np.empty((0, 3), np.int64)


@each("reactions", *(f"simulate_jumps programs {method}" for method in range(4)))
def _(k: Any, name: str) -> Any:
    network, columns = k.Network(PROGRAMMED.tables), PROGRAMMED.columns()[0][None]
    rest = (np.array([[500, 500]]), (0.0, 1e9), KEY, 0, 1, 1, int(name[-1]), NO_STOPS, 3 * 10**7)
    return lambda: k.simulate_jumps(network, columns, *rest)


@each("reactions", *(f"simulate_grid leaping {runs} {count}" for runs in (1, 16) for count in (60, 10**6)))
def _(k: Any, name: str) -> Any:
    # Single events, and leaps.
    network, constants = k.Network(NETWORK.tables), np.array([[1.0, 1.0, 0.0]])
    runs, count = map(int, name.split()[-2:])
    x0, times, keep = np.full((1, 2), count), np.array([0.0, 1e9]), np.arange(2)
    return lambda: k.simulate_grid(
        network, constants, x0, (0.0, 1e9), times, KEY, 0, runs, runs, 4, NO_STOPS, 10**7, keep, 0.03
    )


@long("reactions.simulate_grid langevin")
def _(k: Any) -> Any:
    network, constants = k.Network(NETWORK.tables), np.array([[1.0, 1.0, 0.0]])
    x0, times, keep = np.full((1, 2), 1000), np.array([0.0, 1e9]), np.arange(2)
    return lambda: k.simulate_grid(
        network, constants, x0, (0.0, 1e9), times, KEY, 0, 1, 1, 5, NO_STOPS, 10**9, keep, 0.03
    )


@each("reactions", *(f"simulate_grid batches {count}" for count in (60, 10**9)))
def _(k: Any, name: str) -> Any:
    # Single events, and batches.
    network, constants = k.Network(NETWORK.tables), np.array([[1.0, 1.0, 0.0]])
    x0, times, keep = np.full((1, 2), int(name.split()[-1])), np.array([0.0, 1e6]), np.arange(2)
    return lambda: k.simulate_grid(network, constants, x0, (0.0, 1e6), times, KEY, 0, 1, 1, 6, NO_STOPS, 10**8, keep)


@long("reactions.simulate_grid idle")
def _(k: Any) -> Any:
    # Bounds that hold for a millionth of the time, and events that never come.
    idle = ReactionNetwork("0 -> A @ max(1e12*t - 1e12*t, 0) + 1e-9")
    network, columns = k.Network(idle.tables), idle.columns()[0][None]
    rest = (np.zeros((1, 1), np.int64), (0.0, 1e9), np.zeros(1), KEY, 0, 1, 1, 3, NO_STOPS, 10**7, np.arange(1))
    return lambda: k.simulate_grid(network, columns, *rest)


@each("reactions", *(f"simulate_grid events {method}" for method in range(4)))
def _(k: Any, name: str) -> Any:
    # Each reaction sets off an event.
    refilled = ReactionNetwork("A -> 0 @ 1; at A < 1000: A = 1000; at t >= 5: A = A")
    network, columns = k.Network(refilled.tables, refilled.structure.events), refilled.columns()[0][None]
    times, keep = np.array([0.0, 1e9]), np.arange(1)
    rest = (np.array([[1000]]), (0.0, 1e9), times, KEY, 0, 1, 1, int(name[-1]), NO_STOPS, 10**7, keep)
    return lambda: k.simulate_grid(network, columns, *rest)


@long("reactions.simulate_grid side by side")
def _(k: Any) -> Any:
    tables, constants = system()
    network, times, keep = k.Network(tables), np.array([0.0, 1e9]), np.arange(2)
    rest = (np.array([[500, 500]]), (0.0, 1e9), times, KEY, 0, 16, 16, 0, NO_STOPS, 3 * 10**7, keep)
    return lambda: k.simulate_grid(network, constants, *rest)


@each("reactions", *(f"simulate_{kind} {method}" for kind in ("grid", "jumps") for method in range(4)))
def _(k: Any, name: str) -> Any:
    tables, constants = system()
    network, span, x0, method = k.Network(tables), (0.0, 1e9), np.array([[500, 500]]), int(name[-1])
    if "jumps" in name:
        return lambda: k.simulate_jumps(network, constants, x0, span, KEY, 0, 1, 1, method, NO_STOPS, 3 * 10**7)
    times, keep = np.array([0.0, 1e9]), np.arange(2)
    return lambda: k.simulate_grid(network, constants, x0, span, times, KEY, 0, 1, 1, method, NO_STOPS, 3 * 10**7, keep)


# recurrence


@long("recurrence.scans.linear_scan")
def _(k: Any) -> Any:
    # A sum, whose pieces never meet what was guessed.
    a, y = np.ones((1, 200_000_000, 1), np.float32), np.empty((1, 200_000_000, 1), np.float32)
    return lambda: k.linear_scan(a, a, np.zeros((1, 1), np.float32), False, y)


@long("recurrence.scans.linear_scan rows")
def _(k: Any) -> Any:
    a, y = np.zeros((8, 25_000_000, 1), np.float32), np.empty((8, 25_000_000, 1), np.float32)
    return lambda: k.linear_scan(a, a, np.zeros((8, 1), np.float32), False, y)


@long("recurrence.scans.linear_scan wide")
def _(k: Any) -> Any:
    a, y = np.zeros((1, 50_000_000, 8), np.float32), np.empty((1, 50_000_000, 8), np.float32)
    return lambda: k.linear_scan(a, a, np.zeros((1, 8), np.float32), False, y)


@long("recurrence.scans.affine_scan")
def _(k: Any) -> Any:
    A, b, y0 = (
        np.zeros((1, 1, 4, 4), np.float32),
        np.zeros((1, 30_000_000, 4), np.float32),
        np.zeros((1, 4), np.float32),
    )
    steps, y = np.broadcast_to(A, (1, len(b[0]), 4, 4)), np.empty_like(b)
    one = np.zeros(1, np.int64)
    return lambda: k.affine_scan(steps, one, b, one, y0, False, y)


@long("recurrence.scans.affine_scan rows")
def _(k: Any) -> Any:
    A, b, y0 = np.zeros((1, 5_000_000, 4, 4)), np.zeros((1, 5_000_000, 4)), np.zeros((1, 4))
    y, one = np.empty_like(b), np.zeros(1, np.int64)
    return lambda: k.affine_scan(A, one, b, one, y0, False, y)


@long("recurrence.logs.log_linear_scan")
def _(k: Any) -> Any:
    a, y = np.zeros((1, 10_000_000, 1), np.float32), np.empty((1, 10_000_000, 1), np.float32)
    return lambda: k.log_linear_scan(a, a, np.zeros((1, 1), np.float32), False, y)


def selected(steps: int) -> tuple[np.ndarray, ...]:
    x, pieces, state = np.zeros((1, steps, 16)), np.zeros((1, steps, 16)), np.zeros((1, 16, 16))
    return x, x, np.zeros((16, 16)), pieces, pieces, state


@long("recurrence.selective.selective_scan")
def _(k: Any) -> Any:
    *inputs, h = selected(1_000_000)
    y, skip = np.empty_like(inputs[0]), np.zeros(16)
    return lambda: k.selective_scan(*inputs, skip, h, False, y, h.copy())


@long("recurrence.selective.selective_scan_vjp")
def _(k: Any) -> Any:
    *inputs, h = selected(200_000)
    outs = [np.zeros_like(v) for v in (*inputs, h)]
    return lambda: k.selective_scan_vjp(*inputs, h, False, inputs[0], h, *outs)


def cell_of(k: Any) -> Any:
    W, U = np.zeros((8, 256)), np.zeros((64, 256))
    return k.Cell("lstm", W, U, np.zeros((2, 256)), None)


@long("recurrence.cells.Cell.run")
def _(k: Any) -> Any:
    cell, x, h = cell_of(k), np.zeros((400_000, 8)), np.zeros((1, 64))
    few = np.array([0, 3])
    return (
        lambda: cell.run(x, np.array([0, len(x)]), h, h, False),
        lambda: cell.run(x[:3], few, h, h, False),
    )


@long("recurrence.cells.Cell.step")
def _(k: Any) -> Any:
    cell, x, h = cell_of(k), np.zeros((200_000, 8)), np.zeros((200_000, 64))
    return lambda: cell.step(x, h, h), lambda: cell.step(x[:3], h[:3], h[:3])


@long("recurrence.cells.Cell.vjp")
def _(k: Any) -> Any:
    cell, x, h = cell_of(k), np.zeros((30_000, 8)), np.zeros((1, 64))
    dy, few = np.ones((30_000, 64)), np.array([0, 3])
    return (
        lambda: cell.vjp(x, np.array([0, len(x)]), h, h, False, dy, h, h),
        lambda: cell.vjp(x[:3], few, h, h, False, dy[:3], h, h),
    )


# skipgrams


@long("skipgrams.first_invalid")
def _(k: Any) -> Any:
    data = "é".encode() * 100_000_000
    return lambda: k.first_invalid(data)


@long("skipgrams.TokenStream.add_texts")
def _(k: Any) -> Any:
    stream = k.TokenStream()
    return lambda: stream.add_texts(["a b cd " * 20_000_000], 0), lambda: stream.add_texts(["a b"], 0)


@long("skipgrams.TokenStream.add_texts of tokens")
def _(k: Any) -> Any:
    stream = k.TokenStream()
    return lambda: stream.add_texts([["a", "b"] * 10_000_000], 0), lambda: stream.add_texts([["a"]], 0)


@long("skipgrams.TokenStream.add_bytes")
def _(k: Any) -> Any:
    stream = k.TokenStream()
    return lambda: stream.add_bytes(b"a b cd\n" * 20_000_000), lambda: stream.add_bytes(b"a b")


@long("skipgrams.TokenStream.finish")
def _(k: Any) -> Any:
    stream = k.TokenStream()
    stream.add_texts([" ".join(map(str, range(2_500_000)))], 0)
    return stream.finish, stream.finish


@long("skipgrams.count_pairs")
def _(k: Any) -> Any:
    ids = np.zeros(20_000_000, np.int32)
    return lambda: k.count_pairs(ids, np.array([0, len(ids)]), 1, 20, 1, 0, 1)


# templates


@long("templates.trie.TemplateTrie")
def _(k: Any) -> Any:
    n = 3_000_000
    symbols = np.stack([np.arange(n) // 1000, np.full(n, -1), np.arange(n) % 1000], axis=1).ravel()
    offsets, scores = np.arange(n + 1) * 3, np.zeros(n, np.int64)
    return lambda: k.TemplateTrie(symbols, offsets, scores)


def template_trie(k: Any) -> Any:
    return k.TemplateTrie(np.array([1, -1, 1, -1]), np.array([0, 3, 4]), np.array([-1, -2]))


@each("templates.trie.TemplateTrie", "parse", "search")
def _(k: Any, name: str) -> Any:
    found = template_trie(k)
    rest = (-10,) if name == "parse" else ()
    return (
        lambda: getattr(found, name)(np.ones(3000, np.int64), *rest),
        lambda: getattr(found, name)(np.ones(4, np.int64), *rest),
    )


@each("templates.finder", "find_templates of many", "find_templates joining")
def _(k: Any, name: str) -> Any:
    # Two words that are strong after each other spell ever more templates; or nothing is strong at all.
    ids = np.arange(60, dtype=np.int32) % 2 if "many" in name else np.zeros(3_000_000, np.int32)
    offsets, first = np.array([0, len(ids)]), np.array([0, 2, 4] if "many" in name else [0, 1])
    second = np.array([0, 1, 0, 1] if "many" in name else [1])
    return lambda: k.find_templates(ids, offsets, first, second, 20, False, 1, 0.0, 0, 10**6, 10**12)


@each("templates.closed", "find_closed of many", "find_closed joining", "find_closed spelling")
def _(k: Any, name: str) -> Any:
    # Two words that stand in many orders; or nothing is strong at all; or two long sentences are alike.
    if "many" in name:
        ids = np.random.default_rng(0).integers(0, 2, 100_000, np.int32)
    elif "joining" in name:
        ids = np.zeros(3_000_000, np.int32)
    else:
        ids = np.tile(np.arange(1_000_000, dtype=np.int32), 2)
    n = len(ids)
    offsets = np.arange(0, n + 1, {"many": 20, "joining": n, "spelling": n // 2}[name.split()[-1]])
    if "spelling" in name:
        first, second = np.append(np.arange(n // 2), n // 2 - 1), np.arange(1, n // 2)
    else:
        first, second = np.array([0, 2, 4] if "many" in name else [0, 1]), np.array([0, 1, 0, 1])
    return lambda: k.find_closed(ids, offsets, first, second, 20, False, 1, 0.0, 0, 10**12)


@each("templates.readings", "count_readings of many", "count_readings joining")
def _(k: Any, name: str) -> Any:
    # As for find_templates.
    ids = np.arange(60, dtype=np.int32) % 2 if "many" in name else np.zeros(3_000_000, np.int32)
    offsets, first = np.array([0, len(ids)]), np.array([0, 2, 4] if "many" in name else [0, 1])
    second = np.array([0, 1, 0, 1] if "many" in name else [1])
    return lambda: k.count_readings(ids, offsets, first, second, 20, 10**12)


@long("templates.loose.best_reading")
def _(k: Any) -> Any:
    # The template "[X] a", with any number of words between.
    automaton = [np.array(numbers) for numbers in ([1, 1, 2], [0, 0, 1, 1], [0], [2])]
    ends = [np.array([np.nan, np.nan, 0.0]), np.array([0, 0, 1]), np.array([0, 0, 0, 2]), np.array([1, 0])]
    ids = np.zeros(2000, np.int64)
    return lambda: k.best_reading(*automaton, *ends, ids, -20.0)


# vectorizer


@each("vectorizer.symbols.Symbols", "add_chars", "add_words", "add_words_of_chars")
def _(k: Any, name: str) -> Any:
    symbols = k.Symbols()
    text = "ab cde  " * 12_000_000
    return lambda: getattr(symbols, name)(text), lambda: getattr(symbols, name)("ab c")


@long("vectorizer.symbols.Symbols.drop")
def _(k: Any) -> Any:
    tokens, symbols = ["ab"] * 20_000_000, k.Symbols()
    return lambda: symbols.drop(tokens)


@long("vectorizer.symbols.Symbols.finish")
def _(k: Any) -> Any:
    symbols = k.Symbols()
    symbols.add_words(" ".join(map(str, range(10, 2_500_000))))
    return symbols.finish


@long("vectorizer.features.find_ngrams")
def _(k: Any) -> Any:
    symbols = spread(3_000_000)
    whole = np.array([0, len(symbols)])
    ranks = np.arange(1_000_003, dtype=np.int32)
    return lambda: k.find_ngrams(symbols, whole, np.array([0, 1]), ranks, 1, 3, False)


@long("vectorizer.features.count_rows")
def _(k: Any) -> Any:
    keys, bounds = spread(20_000_000), np.arange(0, 20_000_001, 100)
    return lambda: k.count_rows(keys, bounds)


@long("vectorizer.features.spell")
def _(k: Any) -> Any:
    n = 20_000_000
    symbols, letters = np.zeros(2, np.int32), np.array([97], np.uint32)
    starts, lengths = np.zeros(n, np.int64), np.full(n, 2)
    return lambda: k.spell(symbols, starts, lengths, letters, np.array([0, 1]), True)


@long("vectorizer.features.match")
def _(k: Any) -> Any:
    n = 20_000_000
    points, offsets = np.arange(n, dtype=np.uint32), np.arange(n + 1)
    return lambda: k.match(points, offsets, points, offsets)


# The walk.


def names() -> Iterator[str]:
    """Every public kernel: functions, classes (their making) and methods."""
    for kernel in TWINS:
        for name, value in public(_isa.load(kernel)).items():
            yield f"{kernel}.{name}"
            if isinstance(value, type):
                yield from (f"{kernel}.{name}.{method}" for method in methods(value))


def test_every_kernel_is_walked():
    known = {name.partition(" ")[0] for name in LONG} | set(SHORT)
    assert set(names()) == known


def stop(call: Call) -> tuple[float, bool]:
    """Let Ctrl-C come once the process has worked a little: by how much it was late, and whether a kernel raised it."""
    armed = True

    def handler(*_: object) -> None:
        if armed:
            raise KeyboardInterrupt

    # An exception in a callback of the collector would be lost.
    gc.disable()
    before = signal.signal(signal.SIGPROF, handler)
    start = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, BEGUN)
        call()
        armed = False
    except KeyboardInterrupt as error:
        late, trace, within = time.process_time() - start - BEGUN, error.__traceback__, False
        while trace is not None:
            within = within or trace.tb_frame.f_code.co_filename.endswith((".pyx", ".pxd", ".pxi"))
            trace = trace.tb_next
        return late, within
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        gc.enable()
    pytest.fail("the call ended before Ctrl-C: make it longer")


@pytest.mark.parametrize("name", sorted(LONG))
def test_ctrl_c_stops_a_kernel(name):
    kernel = next(kernel for kernel in TWINS if name.startswith(f"{kernel}."))
    for _ in range(3):
        entry = LONG[name](_isa.load(kernel))
        call, afterwards = entry if isinstance(entry, tuple) else (entry, None)
        late, within = stop(call)
        # A kernel that never looks is never within, and one that looks too rarely is always late; one that looks may by
        # chance be met before or after it, or be kept by a system short of memory.
        if within and late < PROMISED:
            break
    assert within, "Ctrl-C was seen only after the kernel, or the call is too short"
    assert late < PROMISED
    if afterwards is not None:
        afterwards()


def test_a_workers_flag_stops_a_kernel():
    flag, result = threading.Event(), []

    def work() -> None:
        _interrupt.set_flag(flag)
        try:
            segmenter(_isa.load("lexicon.segmenter")).ends(TEXTS[1])
        except BaseException as error:
            result.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    flag.set()
    thread.join(60)
    assert result == [_interrupt.Cancelled]


def test_what_is_left_of_a_call_is_freed_meanwhile(monkeypatch):
    left = []
    monkeypatch.setattr(_interrupt, "free_slowly", lambda lists: left.extend(map(len, lists)))
    with pytest.raises(TypeError):
        segmenter(_isa.load("lexicon.segmenter")).words(["？" * 200_000, "", "？", 3])
    assert left == [200_000, 0, 1]


def test_much_is_freed_in_a_thread_and_little_where_it_is():
    little, much = [[1, 2], [3]], [[0] * _interrupt.MANY, [1]]
    _interrupt.free_slowly(little)
    assert little == [[1, 2], [3]]
    _interrupt.free_slowly(much)
    deadline = time.monotonic() + 30
    while much and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not much


def test_ctrl_c_while_threads_work():
    tokenizer = Tokenizer(Lexicon({"一": 3, "一一": 5}))
    late, _ = stop(lambda: tokenizer.encode_many(["一。" * 3_000_000] * 8, workers=2))
    # Two threads spend twice the time.
    assert late < 2 * PROMISED
    assert tokenizer.tokenize("一一") == ["一一"]
