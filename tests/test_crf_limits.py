"""Labels known in part, labels that are allowed, and the probabilities of labellings: against all labellings."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fastcore.crf import CRF, ItemSequence
from fastcore.crf import _crf as module
from fastcore.crf._features import AttributeIds, index_chunks
from fastcore.crf._labels import index_labels
from fastcore.crf._training import Objective, make_blocks, restrictions_of, select_features

X = [
    [{"w": "the"}, {"w": "old", "len": 0.5}, {"w": "man", "len": 1.5}],
    [{"w": "the"}, {"w": "man"}, {"w": "boats", "len": 2.0}, {"w": "old"}],
    [{"w": "boats"}, {"w": "old", "len": 0.5}],
    [],
    [{"w": "the"}],
]
Y = [["D", "A", "N"], ["D", {"N", "V"}, None, "A"], [None, "A"], [], [("D", "V")]]
FULL = [["D", "A", "N"], ["D", "V", "N", "A"], ["N", "A"], [], ["D"]]


def possible(y, classes):
    """All labellings that labels known in part leave."""
    sets = [classes if k is None else [k] if isinstance(k, str) else list(k) for k in y]
    return {tuple(map(classes.index, path)) for path in itertools.product(*sets)}


def objective_of(X, y, backend, steps=4, min_freq=0, all_states=False):
    """The objective of training, with everything it needs to be worked out by hand."""
    ids = AttributeIds()
    blocks = make_blocks(index_chunks(X, ids, steps), np.float64, backend.name)
    labels = index_labels(y, [len(x) for x in X])
    known = restrictions_of(blocks, labels)
    features, observed = select_features(
        blocks, labels.ids, len(labels.classes), len(ids), min_freq, all_states, False, backend.name, known
    )
    objective = Objective(features, blocks, observed, 0.3, np.dtype("float64"), 1, backend.name, known)
    return objective, features, labels.classes, list(ids)


def all_scores(X, features, classes, names, weights):
    """For each sequence the score of every labelling."""
    table = {}
    for a, name in enumerate(names):
        for f in range(features.offsets[a], features.offsets[a + 1]):
            table[name, int(features.state_labels[f])] = weights[f]
    matrix = features.matrix(weights)
    for x in X:
        items = [[(f"w:{i['w']}", 1.0)] + ([("len", i["len"])] if "len" in i else []) for i in x]
        scores = {}
        for path in itertools.product(range(len(classes)), repeat=len(x)):
            score = sum(v * table.get((name, k), 0.0) for k, item in zip(path, items) for name, v in item)
            scores[path] = score + sum(matrix[i, j] for i, j in itertools.pairwise(path))
        yield scores


def log_sum(values):
    most = max(values)
    return most + math.log(sum(math.exp(v - most) for v in values))


class TestPartialLabels:
    @pytest.mark.parametrize("steps", [1, 4, 100])
    def test_loss_and_gradient(self, backend, steps):
        objective, features, classes, names = objective_of(X, Y, backend, steps)
        weights = np.random.default_rng(0).normal(size=features.size)

        def by_hand(weights):
            total = 0.3 * float(weights @ weights)
            for y, scores in zip(Y, all_scores(X, features, classes, names, weights)):
                some = possible(y, classes)
                total += log_sum(scores.values()) - log_sum([s for path, s in scores.items() if path in some])
            return total

        loss, gradient = objective(weights)
        assert loss == pytest.approx(by_hand(weights), rel=1e-12)
        for k, step in enumerate(np.eye(features.size) * 1e-5):
            slope = (by_hand(weights + step) - by_hand(weights - step)) / 2e-5
            assert gradient[k] == pytest.approx(slope, abs=1e-8)

    def test_features_of_what_is_possible(self, backend):
        _, features, classes, names = objective_of(X, Y, backend)
        assert classes == ["D", "A", "N", "V"]
        made = {
            (names[a], classes[features.state_labels[f]])
            for a in range(len(names))
            for f in range(features.offsets[a], features.offsets[a + 1])
        }
        assert {k for name, k in made if name == "w:man"} == {"N", "V"}
        assert {k for name, k in made if name == "w:boats"} == set("DANV")
        assert {k for name, k in made if name == "w:old"} == {"A"}
        moves = {(classes[i], classes[j]) for i, j in features.transitions}
        assert moves == {("D", "A"), ("A", "N"), ("D", "N"), ("D", "V")} | {(i, j) for i in "NV" for j in "DANV"} | {
            (i, "A") for i in "DANV"
        }

    def test_least_frequency_counts_what_is_possible(self, backend):
        _, features, classes, names = objective_of(X, Y, backend, min_freq=3)
        owners = np.repeat(np.arange(len(names)), np.diff(features.offsets))
        made = {(names[a], classes[k]) for a, k in zip(owners, features.state_labels)}
        # `len` is 1.5 in the first sequence and up to 2.0 in the second, 0.5 twice with A.
        assert made == {("w:the", "D"), ("w:old", "A"), ("len", "A"), ("len", "N")}
        assert [(classes[i], classes[j]) for i, j in features.transitions] == [("D", "A"), ("N", "A"), ("V", "A")]

    def test_sets_of_one_are_labels(self, backend):
        sets = [[{k} if t % 2 else (k,) for t, k in enumerate(y)] for y in FULL]
        mine, plain = CRF().fit(X, sets), CRF().fit(X, FULL)
        assert mine.state_features_ == plain.state_features_
        assert mine.loss_ == plain.loss_

    def test_workers_and_blocks(self, backend, monkeypatch):
        one = CRF(c2=0.1, max_iterations=20).fit(X * 3, Y * 3)
        assert CRF(c2=0.1, max_iterations=20, workers=2).fit(X * 3, Y * 3).state_features_ == one.state_features_
        monkeypatch.setattr(module, "BLOCK_STEPS", 2)
        parts = CRF(c2=0.1, max_iterations=20).fit(X * 3, Y * 3)
        assert parts.loss_ == pytest.approx(one.loss_, rel=1e-8)

    def test_an_item_without_a_label(self, backend):
        crf = CRF().fit([[["a"], ["x"], ["b"]], [["a"], ["b"]]], [["A", None, "B"], ["A", "B"]])
        assert crf.classes_ == ["A", "B"]
        assert crf.predict([[["a"], ["b"]]]) == [["A", "B"]]

    def test_what_is_known_helps(self, backend):
        # "u" is never labelled, but what follows it tells it from "v".
        X = [[["u"], ["after-u"]], [["v"], ["after-v"]], [["start"], ["after-u"]]]
        y = [[{"U", "V"}, "AU"], [{"U", "V"}, "AV"], ["U", "AU"]]
        crf = CRF(c2=0.01).fit(X, y)
        assert crf.predict([[["u"], ["after-u"]]]) == [["U", "AU"]]

    @pytest.mark.parametrize("algorithm", ["l2sgd", "ap", "pa", "arow"])
    def test_other_algorithms(self, backend, algorithm):
        with pytest.raises(ValueError, match=f"y must hold one label an item with algorithm '{algorithm}'"):
            CRF(algorithm).fit(X, Y)

    @pytest.mark.parametrize(
        ("y", "error", "words"),
        [
            ([[None]], ValueError, "y must hold at least one label"),
            ([[set()]], ValueError, r"y\[0\]\[0\] must hold at least one label"),
            ([[{"a", 1}]], TypeError, r"y\[0\]\[0\] must be a set of labels \(str\), got int"),
            ([[1.5]], TypeError, r"y\[0\]\[0\] must be a label \(str\), a set of labels or None, got float 1.5"),
            ([["a", None]], ValueError, r"y\[0\] must have 1 labels"),
        ],
    )
    def test_bad_labels(self, backend, y, error, words):
        with pytest.raises(error, match=words):
            CRF().fit([[["a"]]], y)


@pytest.fixture(scope="module")
def trained():
    return CRF(c2=0.05).fit(X, FULL)


def labellings(crf, x, allowed=None, forbidden=()):
    """All labellings that are let through, with their probabilities among them, best first."""
    classes = crf.classes_
    states, moves = crf.state_features_, crf.transition_features_
    found = {}
    for path in itertools.product(classes, repeat=len(x)):
        if any(pair in forbidden for pair in itertools.pairwise(path)):
            continue
        if allowed is not None and any(a is not None and k not in a for k, a in zip(path, allowed)):
            continue
        score = sum(moves.get(pair, 0.0) for pair in itertools.pairwise(path))
        for k, item in zip(path, x):
            score += states.get((f"w:{item['w']}", k), 0.0) + item.get("len", 0.0) * states.get(("len", k), 0.0)
        found[path] = score
    log_z = log_sum(found.values())
    return sorted(((list(path), math.exp(s - log_z)) for path, s in found.items()), key=lambda entry: -entry[1])


ALLOWED = [[None, {"A", "N"}, None], ["D", ["N", "A"], None, ("V",)], None, [], None]
FORBIDDEN = {("D", "A"), ("N", "N")}


class TestLimits:
    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize("limited", [False, True])
    def test_against_all_labellings(self, backend, trained, workers, limited):
        limits = {"allowed": ALLOWED, "forbidden": FORBIDDEN} if limited else {}
        crf = CRF(c2=0.05, workers=workers).fit(X, FULL)
        best, nbest = crf.predict(X, **limits), crf.predict_nbest(X, 5, **limits)
        nodes = crf.predict_marginals(X, **limits)
        for s, x in enumerate(X):
            own = (ALLOWED[s], FORBIDDEN) if limited else ()
            expected = labellings(crf, x, *own)
            assert best[s] == expected[0][0]
            assert [p for _, p in nbest[s]] == pytest.approx([p for _, p in expected[:5]], rel=1e-9)
            everything = {tuple(path): p for path, p in expected}
            assert len({tuple(path) for path, _ in nbest[s]}) == len(nbest[s]) == min(5, len(expected))
            assert all(p == pytest.approx(everything[tuple(path)]) for path, p in nbest[s])
            for t in range(len(x)):
                of = {k: sum(p for path, p in expected if path[t] == k) for k in crf.classes_}
                assert nodes[s][t] == pytest.approx(of, rel=1e-9, abs=1e-15)

    def test_all_labellings_add_up_to_one(self, backend, trained):
        crf = CRF(c2=0.05).fit(X, FULL)
        for best, x in zip(crf.predict_nbest(X, 10**9), X):
            assert len(best) == 4 ** len(x)
            assert math.fsum(p for _, p in best) == pytest.approx(1.0, abs=1e-12)
            assert sorted((p for _, p in best), reverse=True) == [p for _, p in best]

    def test_log_proba(self, backend):
        crf = CRF(c2=0.05).fit(X, FULL)
        found = crf.log_proba(X, FULL)
        for p, x, y in zip(found, X, FULL):
            assert math.exp(p) == pytest.approx({tuple(path): q for path, q in labellings(crf, x)}[tuple(y)])
        assert found.max() <= 0
        unknown = crf.log_proba(X, [["D", "A", "?"], *FULL[1:]])
        assert unknown[0] == -math.inf
        assert (unknown[1:] == found[1:]).all()
        with pytest.raises(TypeError, match="y must hold one label for each item"):
            crf.log_proba(X, Y)
        assert crf.log_proba([], []).tolist() == []
        assert crf.log_proba([[], X[0]], [[], FULL[0]]).tolist() == [0.0, found[0]]

    def test_a_stream(self, backend):
        crf = CRF(c2=0.05).fit(X, FULL)
        long = [item for x in X for item in x] * 40
        for x in (long, iter(long), ItemSequence(long)):
            assert list(crf.predict_stream(x)) == crf.predict_single(long)
        assert list(crf.predict_stream([])) == []
        # Labels come before the end of what never ends.
        endless = crf.predict_stream(itertools.cycle(long))
        assert list(itertools.islice(endless, 500)) == crf.predict_single(long * 10)[:500]

    def test_a_stream_that_may_not_wait(self, backend):
        crf = CRF(c2=0.05).fit(X, FULL)
        with pytest.warns(RuntimeWarning, match=r"labels were given because more than max_delay=0 items waited"):
            assert len(list(crf.predict_stream(X[0] * 20, max_delay=0))) == 20 * len(X[0])
        with pytest.raises(ValueError, match="max_delay must be at least 0"):
            crf.predict_stream(X[0], max_delay=-1)
        for x in ("text", {"a": 1}, 3):
            with pytest.raises(TypeError, match="x must be an iterable of items"):
                crf.predict_stream(x)
        with pytest.raises(TypeError, match="an item must be a mapping or a list of attributes, got int"):
            next(crf.predict_stream([1]))

    def test_labels_as_bytes(self, backend):
        crf = CRF(c2=0.05).fit(X, FULL)
        pair = tuple(FULL[0][:2])
        limited = crf.predict(X, forbidden=[tuple(label.encode() for label in pair)])
        assert limited == crf.predict(X, forbidden={pair}) != crf.predict(X)

    @pytest.mark.parametrize(
        ("limits", "error", "words"),
        [
            ({"allowed": "D"}, TypeError, "allowed must be a list of lists of sets of labels"),
            ({"allowed": [None]}, ValueError, "same number of sequences, got 2 and 1"),
            ({"allowed": [["D"], None]}, ValueError, r"allowed\[0\] must have 3 entries"),
            ({"allowed": [None, [set(), None, None, None]]}, ValueError, r"allowed\[1\]\[0\] must hold at least one"),
            ({"allowed": [None, ["?", None, None, None]]}, ValueError, r"allowed\[1\]\[0\] must hold .*, got '\?'"),
            ({"allowed": [None, [7, None, None, None]]}, TypeError, r"allowed\[1\]\[0\] must be a label"),
            ({"forbidden": "DA"}, TypeError, "forbidden must be a set or list of pairs"),
            ({"forbidden": ["DA"]}, TypeError, "forbidden must hold pairs of labels, got 'DA'"),
            ({"forbidden": [("D", "?")]}, ValueError, r"forbidden must hold labels of the model, got '\?'"),
            (
                {"allowed": [None, ["D", "A", None, None]], "forbidden": [("D", "A")]},
                ValueError,
                r"X\[1\] has no labels that allowed and forbidden let through",
            ),
        ],
    )
    def test_bad_limits(self, backend, trained, limits, error, words):
        for call in (
            trained.predict,
            trained.predict_marginals,
            lambda X, **limits: trained.predict_nbest(X, 2, **limits),
        ):
            with pytest.raises(error, match=words):
                call(X[:2], **limits)

    def test_bad_n(self, trained):
        with pytest.raises(ValueError, match="n must be at least 1"):
            trained.predict_nbest(X, 0)
