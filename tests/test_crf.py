"""The feature CRF and the word segmenter."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import tracemalloc
from collections import UserDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from fastcore import _data, active_backend, chain, use_backend
from fastcore._backend import kernels
from fastcore.compat import pycrfsuite
from fastcore.crf import CRF, ItemSequence, Segmenter
from fastcore.crf._features import AttributeIds, index_chunks
from fastcore.crf._search import search
from fastcore.crf._training import Objective, make_blocks, select_features
from fastcore.reference.crf.items import _attributes_of as attributes_of

from .conftest import Backend
from .helpers import memory_growth

X = [
    [{"w": "the", "cap": False}, {"w": "old", "len": 0.5}, {"w": "man", "len": 1.5}],
    [{"w": "the"}, {"w": "man", "len": 1.5}, {"w": "boats"}],
    [{"w": "boats"}, {"w": "old", "len": 0.5}],
    [{"w": "the"}],
]
Y = [["D", "A", "N"], ["D", "V", "N"], ["N", "A"], ["D"]]

# What python-crfsuite 0.9.12 finds on these data: lbfgs, epsilon 1e-9, delta 1e-12; first c2 0.3 and
# feature.possible_transitions, then c1 0.3 and c2 0.
CRFSUITE_LOSS = 6.654453
CRFSUITE_STATES = {("w:the", "D"): 1.642935, ("len", "A"): -0.081968, ("w:boats", "N"): 1.289025}
CRFSUITE_TRANSITIONS = {("D", "D"): -0.241233, ("A", "N"): 0.637556, ("V", "N"): 0.650123, ("V", "V"): -0.252573}
CRFSUITE_L1_LOSS = 5.656231


def objective_of(X, y, backend, c2=0.3, steps=4, **options):
    ids = AttributeIds()
    blocks = make_blocks(index_chunks(X, ids, steps), np.float64, backend.name)
    classes = sorted({label for labels in y for label in labels})
    labels = np.array([classes.index(label) for row in y for label in row])
    choices = {"min_freq": 0, "all_states": False, "all_transitions": False, **options}
    features, observed = select_features(blocks, labels, len(classes), len(ids), **choices, backend=backend.name)
    return Objective(features, blocks, observed, c2, np.dtype("float64"), 1, backend.name)


def _sent(task):
    return (pickle.loads(pickle.dumps(task)),)


def by_hand(crf, x):
    """Scores of the labels and transitions of one sequence from the public weights."""
    states, moves = crf.state_features_, crf.transition_features_
    emissions = np.zeros((len(x), len(crf.classes_)))
    for t, item in enumerate(x):
        for name, value in attributes_of(item):
            emissions[t] += [value * states.get((name, label), 0.0) for label in crf.classes_]
    return emissions, np.array([[moves.get((a, b), 0.0) for b in crf.classes_] for a in crf.classes_])


class TestItems:
    @pytest.mark.parametrize(
        ("item", "expected"),
        [
            # As printed by python-crfsuite's ItemSequence.
            ({"a": "b", "c": True, "d": False, "e": 2.5, "n": 3}, {"a:b": 1, "c": 1, "d": 0, "e": 2.5, "n": 3}),
            ({"f": {"g": "h", "i": 1, "l": {"x": ["u"]}}}, {"f:g:h": 1, "f:i": 1, "f:l:x:u": 1}),
            ({"k": ["x", "y"], "s": {"q"}}, {"k:x": 1, "k:y": 1, "s:q": 1}),
            (["p", "q"], {"p": 1, "q": 1}),
            ({"z"}, {"z": 1}),
            ({"": "x"}, {":x": 1}),
            ({"e": np.float32(0.5), "b": np.True_}, {"e": 0.5, "b": 1}),
            ({}, {}),
        ],
    )
    def test_names_and_weights(self, item, expected):
        assert dict(attributes_of(item)) == expected

    @pytest.mark.parametrize(
        ("item", "error", "words"),
        [
            ({"a": None}, TypeError, "'a': NoneType"),
            ({1: "a"}, TypeError, "names of attributes must be str, got int"),
            ({"a": math.nan}, ValueError, "must be finite"),
            ({"a": [1]}, TypeError, "names of attributes must be str, got int"),
            ("word", TypeError, "an item must be a mapping or a list"),
            (7, TypeError, "an item must be a mapping or a list"),
        ],
    )
    def test_bad_items(self, item, error, words):
        with pytest.raises(error, match=words):
            CRF().fit([[item]], [["a"]])

    def test_item_sequence_like(self, backend):
        class ItemSequence:
            def __init__(self, items):
                self.held = items

            def items(self):
                return self.held

        crf = CRF().fit([ItemSequence(x) for x in X], Y)
        assert crf.state_features_ == CRF().fit(X, Y).state_features_


def names_of(arrays, names):
    """Each item's (name, weight), from what `Names.read` gives."""
    offsets, rows, ids, weights = (part.tolist() for part in arrays)
    pairs = list(zip((names[i] for i in ids), weights or [1.0] * len(ids)))
    items = [pairs[a:b] for a, b in itertools.pairwise(rows)]
    return [items[a:b] for a, b in itertools.pairwise(offsets)]


class Named(str):
    def __str__(self):
        return "shown otherwise"

    __format__ = __repr__ = lambda self, *_: "shown otherwise"


texts = st.text(st.sampled_from("abcdefgh:é字𝄞\ud800"), max_size=12) | st.text("ab", min_size=9, max_size=20)
names = texts | texts.map(Named) | st.text("ab字", max_size=12).map(lambda text: text.encode())
numbers = st.floats(-10, 10) | st.integers(-3, 3) | st.booleans() | st.sampled_from([np.float32(0.5), np.int8(3), 1.0])
lists = st.lists(names, max_size=5) | st.lists(names, max_size=3).map(tuple) | st.frozensets(texts, max_size=3)
values = st.recursive(names | numbers | lists, lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=8)
mappings = st.dictionaries(names, values, max_size=8)
sequences = st.lists(st.lists(lists | mappings | mappings.map(UserDict), max_size=5), max_size=4)


class TestReading:
    @given(sequences)
    def test_twins(self, sequences):
        expected = [[list(attributes_of(item)) for item in sequence] for sequence in sequences]
        distinct = list(dict.fromkeys(name for x in expected for item in x for name, _ in item))
        known = distinct[::2]
        left = [[[pair for pair in item if pair[0] in known] for item in x] for x in expected]
        for backend in ("compiled", "reference"):
            kernel = kernels("crf.items", backend)
            growing = kernel.Names()
            assert names_of(growing.read(iter(sequences), -1), distinct) == expected
            assert growing.names() == distinct and len(growing) == len(distinct)
            fixed = kernel.Names(known)
            arrays = fixed.read(iter(sequences), -1)
            assert [a.dtype for a in arrays] == [np.int64, np.int64, np.int32, np.float64]
            assert names_of(arrays, known) == left
            assert bool(arrays[3].size) == any(w != 1.0 for x in left for item in x for _, w in item)
            read = [kernel.Sequence(x) for x in sequences]
            assert [x.items() for x in read] == expected and [len(x) for x in read] == [len(x) for x in sequences]
            assert names_of(fixed.read(iter(read), -1), known) == left
            assert names_of(kernel.Names().read(iter(read), -1), distinct) == expected
            with pytest.raises(ValueError, match="names must differ"):
                kernel.Names([*known, "a", "a"])

    def test_runs_end(self, backend):
        # After three items, or 48 attributes.
        x = [[["a"]], [["b"], ["c"]], [[str(k) for k in range(60)]], [["a"]], [["a"]]]
        names, sequences = kernels("crf.items", backend.name).Names(), iter(x)
        runs = [names.read(sequences, 3)[0].tolist() for _ in range(4)]
        assert runs == [[0, 1, 3], [0, 1], [0, 1, 2], [0]]

    def test_many_names(self, backend):
        n = backend.size(200_000, 2000)
        names = [f"name number {i}" for i in range(n)]
        known = kernels("crf.items", backend.name).Names(names)
        ids = known.read(iter([[names[::-1], ["name number -1", "x"]]]), -1)[2]
        assert ids.tolist() == list(range(n))[::-1] and known.names() == names

    def test_long_names_move_what_waits(self, backend):
        items = [["a" * k, "字" * k] for k in range(0, 3000, 100)]
        assert kernels("crf.items", backend.name).Sequence(items).items() == [[(n, 1.0) for n in it] for it in items]
        known = [name for item in items[1:] for name in item]
        ids = kernels("crf.items", backend.name).Names(known).read(iter([items[1:]]), -1)[2]
        assert ids.tolist() == list(range(len(known)))

    def test_nested_without_end(self, backend):
        item = {}
        item["a"] = item
        with pytest.raises(RecursionError):
            CRF().fit([[item]], [["A"]])
        crf = CRF().fit(X, Y)
        with pytest.raises(RecursionError):
            crf.predict([[item]])
        assert len(crf.predict(X)) == 4

    def test_an_item_that_changes_while_it_is_read(self, backend):
        class Number(float):
            def __float__(self):
                item["b"] = 1.0
                return 2.0

        item = {"a": Number(1.0)}
        with pytest.raises(RuntimeError, match="changed size"):
            CRF().fit([[item]], [["A"]])

    def test_bytes(self, backend):
        crf = CRF().fit([[{b"w": b"the"}, ["é".encode()]]], [["A", "B"]])
        assert set(crf.attributes_) == {"w:the", "é"}
        for item in ({"w": b"\xff"}, {b"\xff": 1.0}, [b"\xff"]):
            with pytest.raises(ValueError, match="that are bytes must be UTF-8"):
                crf.predict([[item]])

    def test_item_sequences(self, backend):
        crf, read = CRF(c2=0.1).fit(X, Y), [ItemSequence(x) for x in X]
        assert crf.predict(read) == crf.predict(X)
        assert CRF(c2=0.1).fit(read, Y).state_features_ == crf.state_features_
        again = pickle.loads(pickle.dumps(read[0]))
        assert again.items() == read[0].items() and len(again) == 3 and repr(again) == "<ItemSequence of 3 items>"
        assert ItemSequence([["a", "a"]]).items() == [{"a": 2.0}]
        other = "compiled" if backend.name == "reference" else "reference"
        with use_backend(other):
            assert crf.predict([ItemSequence(x) for x in X]) == crf.predict(X)

    def test_values_too_large_for_the_scores(self, backend):
        small = CRF(dtype="float32").fit(X, Y)
        for ask in (small.predict, small.predict_marginals):
            with pytest.raises(
                ValueError, match=r"X must hold values of at most 3.4e\+38 with dtype 'float32', got 1e\+39"
            ):
                ask([[{"len": 1e39}]])
        wide = CRF(c2=1e-6).fit(X, Y)
        with pytest.raises(ValueError, match="X must hold smaller values: the scores of labels overflow"):
            wide.predict([[{"len": 1.7e308}] * 2])
        with pytest.raises(ValueError, match="X must hold smaller values: the scores of labels overflow"):
            wide.predict([[{"len": 2e307}] * 200])
        # A label that minus infinity rules out is no reason to take another one.
        alone = CRF(c2=1e-9).fit([[{"a": 1.0}, {"b": 1.0}]] * 9, [["A", "B"]] * 9)
        assert alone.state_features_["a", "A"] > 1.1
        with pytest.raises(ValueError, match="X must hold smaller values: the scores of labels overflow"):
            alone.predict([[{"a": -1.7e308}]])

    def test_made_ready_once_for_each_training(self, backend):
        crf = CRF(c2=0.01).fit(X, Y)
        assert crf.predict(X) == Y and crf._labels() is crf._labels()
        crf.fit(X, [["Z"] * len(y) for y in Y])
        assert crf.predict_single(X[0]) == ["Z"] * 3
        crf.set_params(dtype="float32")
        assert crf._labels().decoder.dtype == np.float32


class TestObjective:
    @pytest.mark.parametrize("options", [{}, {"all_states": True, "all_transitions": True}, {"min_freq": 2}])
    def test_gradient_against_finite_differences(self, backend, options):
        objective = objective_of(X, Y, backend, **options)
        weights = np.random.default_rng(0).normal(size=objective.features.size)
        _, gradient = objective(weights)
        for k in range(len(weights)):
            step = np.zeros(len(weights))
            step[k] = 1e-5
            slope = (objective(weights + step)[0] - objective(weights - step)[0]) / 2e-5
            assert gradient[k] == pytest.approx(slope, abs=1e-8)

    def test_zero_weights(self, backend):
        # Every labelling is equally likely: 9 steps, 4 labels.
        assert objective_of(X, Y, backend)(np.zeros(objective_of(X, Y, backend).features.size))[0] == pytest.approx(
            9 * math.log(4), rel=1e-14
        )

    def test_features_are_counted(self, backend):
        objective = objective_of(X, Y, backend)
        assert objective.observed.sum() == sum(v for x in X for i in x for _, v in attributes_of(i)) + 5

    def test_against_chain(self, backend):
        crf = CRF(c2=0.3, all_possible_transitions=True).fit(X, Y)
        loss = 0.3 * sum(w**2 for w in [*crf.state_features_.values(), *crf.transition_features_.values()])
        for x, y in zip(X, Y):
            emissions, transitions = by_hand(crf, x)
            loss += chain.loss_and_grad(emissions, transitions, [crf.classes_.index(label) for label in y])[0]
        assert crf.loss_ == pytest.approx(loss, rel=1e-12)

    def test_workers_and_chunks(self, monkeypatch):
        monkeypatch.setattr("fastcore.crf._crf.BLOCK_STEPS", 3)
        fits = [CRF(workers=w).fit(X, Y) for w in (1, 2, 3, 7, map)]
        with ThreadPoolExecutor(2) as pool:
            fits.append(CRF(workers=pool).fit(X, Y))
        # Other processes give copies back.
        fits.append(CRF(workers=lambda f, tasks: [pickle.loads(pickle.dumps(f))(*_sent(t)) for t in tasks]).fit(X, Y))
        for fit in fits[1:]:
            assert fit.state_features_ == fits[0].state_features_ and fit.loss_ == fits[0].loss_
        monkeypatch.undo()
        assert CRF().fit(X, Y).loss_ == pytest.approx(fits[0].loss_, rel=1e-6)


class TestSearch:
    def test_quadratic(self):
        centre = np.array([3.0, -2.0, 0.1])
        found = search(
            lambda w: (float(((w - centre) ** 2).sum()), 2 * (w - centre)),
            np.zeros(3),
            c1=1.0,
            max_iterations=None,
            epsilon=1e-9,
            period=10,
            delta=0.0,
        )
        # Soft thresholding by c1 / 2.
        np.testing.assert_allclose(found.weights, [2.5, -1.5, 0.0], atol=1e-7)
        assert found.weights[2] == 0.0
        assert found.message == "the gradient is small"

    def test_stops_by_delta(self):
        found = search(
            lambda w: (1 + float((w**4).sum()), 4 * w**3),
            np.ones(2),
            c1=0.0,
            max_iterations=None,
            epsilon=0.0,
            period=3,
            delta=1e-5,
        )
        assert found.message == "the loss has stopped falling"

    def test_a_step_to_where_the_loss_rises_again(self):
        """It is lower there, but less than it falls before: the step is shortened, as CRFsuite's is."""
        steps, tried = [], []

        def objective(w):
            tried.append(w[0])
            return 1 - w[0] + 0.9 * w[0] ** 3, np.array([-1 + 2.7 * w[0] ** 2])

        def log(loss, weights, **figures):
            steps.append((figures["linesearch_trials"], loss, weights[0]))

        choices = {"c1": 0.0, "max_iterations": 1, "epsilon": 0.0, "period": 0, "delta": 0.0}
        search(objective, np.zeros(1), log=log, **choices)
        assert tried[:2] == [0.0, 1.0]
        # Where a line through both slopes is level, which is nearer than where the cubic is least.
        trials, loss, weight = steps[0]
        assert trials == 2 and weight == pytest.approx(1 / 2.7, rel=1e-12) and loss < 0.7

    def test_a_loss_that_rises_wherever_it_is_looked_at(self):
        """Slopes that are wrong, as rounding makes them, cost some trials and no more."""
        tried = []

        def objective(w):
            tried.append(w[0])
            return 10 - w[0], np.array([-1.0 if w[0] == 0 else 100.0])

        search(objective, np.zeros(1), c1=0.0, max_iterations=1, epsilon=0.0, period=0, delta=0.0)
        assert len(tried) <= 8

    def test_nothing_to_do(self):
        found = search(lambda w: (1.0, w), np.ones(2), c1=0.0, max_iterations=0, epsilon=0, period=1, delta=0)
        assert found.iterations == 0 and found.weights.tolist() == [1, 1]

    @pytest.mark.parametrize("many", [1, None])
    @pytest.mark.parametrize("c1", [0.0, 0.5])
    def test_optimum(self, c1, many, monkeypatch):
        # With what is remembered in float32, as for many weights, and in float64.
        tight = 1.0 if many is None else 10.0
        if many is not None:
            monkeypatch.setattr("fastcore.crf._search.MANY", many)
        # Ridge-regularised logistic regression with columns of very different sizes.
        rng = np.random.default_rng(5)
        table = rng.normal(size=(300, 40)) * np.geomspace(0.1, 10, 40)
        signs = np.sign(table @ rng.normal(size=40) + rng.normal(size=300))

        def objective(w):
            margins = signs * (table @ w)
            loss = float(np.logaddexp(0.0, -margins).sum()) + 0.05 * float(w @ w)
            return loss, table.T @ (-signs / (1 + np.exp(margins))) + 0.1 * w

        # Only the gradient ends it: so near the optimum the loss stands still for many iterations.
        choices = {"max_iterations": 3000, "epsilon": 1e-8 * tight, "period": 1000, "delta": 0.0}
        found = search(objective, np.zeros(40), c1=c1, **choices)
        gradient, held = objective(found.weights)[1], found.weights != 0
        assert found.message == "the gradient is small"
        np.testing.assert_allclose(gradient[held], -c1 * np.sign(found.weights[held]), atol=1e-6)
        assert (np.abs(gradient[~held]) <= c1 + 1e-6).all()
        if not c1:
            peer = minimize(objective, np.zeros(40), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
            # The gradients that are still there, over the least curvature, are how far off the weights may be.
            far = (np.linalg.norm(gradient) + np.linalg.norm(peer.jac)) / 0.1
            np.testing.assert_allclose(found.weights, peer.x, rtol=0, atol=far)
            assert found.iterations <= 2 * peer.nit
        else:
            assert 0 < held.sum() < 40

    @pytest.mark.parametrize("seed", [1, 3, 4])
    def test_weights_that_depend_on_each_other(self, seed):
        # A lasso of 60 columns, nearly sums of 8: cut to where each descends by itself 2,000 steps don't end it.
        rng = np.random.default_rng(seed)
        columns = rng.normal(size=(200, 8)) @ rng.normal(size=(8, 60)) + 0.05 * rng.normal(size=(200, 60))
        bowl = columns.T @ columns / 200
        slope = bowl @ (rng.normal(size=60) * (rng.random(60) < 0.4)) + 0.01 * rng.normal(size=60)
        found = search(
            lambda w: (10 + float(0.5 * w @ bowl @ w - slope @ w), bowl @ w - slope),
            np.zeros(60),
            c1=0.01,
            max_iterations=1600,
            epsilon=1e-7,
            period=10,
            delta=0.0,
        )
        assert found.message == "the gradient is small"

    @pytest.mark.parametrize("c1", [0.0, 0.1])
    def test_a_step_that_cannot_descend_is_said(self, c1):
        # A gradient that points uphill.
        with pytest.warns(RuntimeWarning, match="training stopped early: no step along the gradient lowers the loss"):
            found = search(
                lambda w: (float(((w - 1) ** 2).sum()), -2 * (w - 1)),
                np.zeros(3),
                c1=c1,
                max_iterations=None,
                epsilon=1e-9,
                period=10,
                delta=0.0,
            )
        assert "no step along the gradient lowers the loss of 3" in found.message
        assert found.weights.tolist() == [0, 0, 0] and found.iterations == 0

    @pytest.mark.parametrize("c1", [0.0, 0.1])
    def test_rounding_ends_a_search(self, c1):
        # Noise of 1e-9 in the loss: no rule is ever met, and every call ends.
        rng = np.random.default_rng(0)
        scale, centre = np.arange(1.0, 6.0), np.sqrt(np.arange(2.0, 7.0))
        found = search(
            lambda w: (1 + float((scale * (w - centre) ** 2).sum()) + 1e-9 * rng.random(), 2 * scale * (w - centre)),
            np.ones(5),
            c1=c1,
            max_iterations=None,
            epsilon=0.0,
            period=10,
            delta=0.0,
            noise=1e-6,
        )
        assert found.message in ("the loss can't be lowered beyond its rounding", "the loss has stopped falling")
        np.testing.assert_allclose(found.weights, centre - c1 / (2 * scale), atol=1e-3)

    @pytest.mark.parametrize("unit", [1e-20, 1e-10, 1.0, 1e8])
    def test_any_unit(self, unit, monkeypatch):
        # What is remembered as float32 is so far from 1.
        monkeypatch.setattr("fastcore.crf._search.MANY", 1)
        scale, centre = np.arange(1.0, 6.0), np.sqrt(np.arange(2.0, 7.0))

        def objective(w):
            return float((scale * (w * unit - centre) ** 2).sum()), 2 * scale * (w * unit - centre) * unit

        choices = {"max_iterations": 100, "epsilon": 0.0, "period": 10, "delta": 1e-14}
        found = search(objective, np.zeros(5), c1=0.0, **choices)
        np.testing.assert_allclose(found.weights * unit, centre, rtol=1e-5)
        assert found.iterations < 40

    def test_steps_into_nan_are_shortened(self):
        def objective(w):
            return (float((w**2).sum()), 2 * w) if np.abs(w).max() < 2 else (math.nan, w * math.nan)

        choices = {"max_iterations": None, "epsilon": 1e-9, "period": 10, "delta": 0.0}
        np.testing.assert_allclose(search(objective, np.full(3, 1.9), c1=0.0, **choices).weights, 0, atol=1e-6)
        with pytest.raises(ValueError, match="X must hold smaller values: where training starts the loss is nan"):
            search(objective, np.full(3, 2.0), c1=0.0, **choices)

    def test_values_too_large_are_refused(self, backend):
        with pytest.raises(ValueError, match="X must hold smaller values"):
            CRF().fit([[{"a": 1e200}, {"b": 1.0}]], [["P", "Q"]])

    def test_the_sequence_without_a_legal_path_is_named(self, backend):
        # Three blocks; only a sequence of one step is legal.
        objective = objective_of(
            [[["a"]], [["a"]], [["a"], ["b"]]], [["P"], ["Q"], ["P", "Q"]], backend, steps=1, all_transitions=True
        )
        assert len(objective.runs) == 3
        objective.features = replace(objective.features, fixed=np.full((2, 2), -np.inf))
        with pytest.raises(ValueError, match="sequence 2 has no legal path"):
            objective(np.zeros(objective.features.size))


class TestMemory:
    def test_partial_results_are_not_as_large_as_the_model(self):
        # Each step has attributes of its own: 40,000 features in 100 blocks.
        X = [[[f"{s}.{t}.{k}" for k in range(20)] for t in range(20)] for s in range(100)]
        labels = [["A", "B"] * 10] * 100
        objective = objective_of(X, labels, Backend("compiled"), steps=10)
        assert len(objective.runs) == 100
        weights = np.zeros(objective.features.size)
        objective(weights)
        tracemalloc.start()
        try:
            objective(weights)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4 * weights.nbytes

    @pytest.mark.compiled
    def test_a_model_keeps_no_object_for_a_name(self):
        tracemalloc.start()
        try:
            crf = CRF(max_iterations=1).fit([[[f"name{k}" for k in range(20000)]]], [["A"]])
            crf.predict([[["name3"]]])
            kept = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert len(crf.attributes_) == 20000
        assert kept < 50 * 20000

    def test_a_numeric_value_takes_at_most_16_bytes(self):
        names = [f"x{k}" for k in range(50)]
        X = [[dict(zip(names, np.random.default_rng(t).random(50).tolist())) for t in range(200)]]
        ids = AttributeIds()
        blocks = make_blocks(index_chunks(X, ids, 50), np.float64, active_backend())
        taken = sum(a.nbytes for b in blocks for a in (b.offsets, b.owners, b.starts, b.steps, b.values))
        assert taken <= 16 * 50 * 200


class TestCRF:
    def test_fits_its_training_set(self, backend):
        crf = CRF(c2=0.01).fit(X, Y)
        assert crf.predict(X) == Y
        assert crf.score(X, Y) == 1.0
        assert crf.predict_single(X[1]) == Y[1]
        assert crf.classes_ == ["D", "A", "N", "V"]
        assert crf.attributes_[:2] == ["len", "w:the"]

    def test_predictions_follow_the_public_weights(self, backend):
        crf = CRF(c2=0.1).fit(X, Y)
        for x, probabilities in zip(X, crf.predict_marginals(X)):
            emissions, transitions = by_hand(crf, x)
            path = chain.viterbi(emissions, transitions)[0]
            assert crf.predict_single(x) == [crf.classes_[k] for k in path]
            nodes = chain.marginals(emissions, transitions).nodes
            np.testing.assert_allclose([list(p.values()) for p in probabilities], nodes, atol=1e-13)
            assert list(probabilities[0]) == crf.classes_
        assert crf.predict_marginals_single(X[0]) == crf.predict_marginals(X)[0]

    def test_numbers_of_crfsuite(self, backend):
        crf = CRF(c2=0.3, all_possible_transitions=True, epsilon=1e-9, delta=1e-12).fit(X, Y)
        assert crf.loss_ == pytest.approx(CRFSUITE_LOSS, rel=1e-6)
        for pair, weight in CRFSUITE_TRANSITIONS.items():
            assert crf.transition_features_[pair] == pytest.approx(weight, abs=2e-5)
        for pair, weight in CRFSUITE_STATES.items():
            assert crf.state_features_[pair] == pytest.approx(weight, abs=2e-5)
        sparse = CRF(c1=0.3, c2=0.0, epsilon=1e-9, delta=1e-12).fit(X, Y)
        assert sparse.loss_ == pytest.approx(CRFSUITE_L1_LOSS, rel=1e-6)

    def test_l1_gives_zeros(self, backend):
        crf = CRF(c1=0.3, c2=0.0, epsilon=1e-8, delta=1e-10).fit(X, Y)
        dense = CRF(c1=0.0, c2=0.3).fit(X, Y)
        assert 0 < len(crf.state_features_) < len(dense.state_features_)
        # At the optimum the gradient of the likelihood balances c1 wherever a weight isn't 0.
        objective = objective_of(X, Y, backend, c2=0.0)
        weights = search(
            objective,
            np.zeros(objective.features.size),
            c1=0.3,
            max_iterations=None,
            epsilon=1e-10,
            period=10,
            delta=0.0,
        ).weights
        gradient = objective(weights)[1]
        held = weights != 0
        np.testing.assert_allclose(gradient[held], -0.3 * np.sign(weights[held]), atol=1e-5)
        assert (np.abs(gradient[~held]) <= 0.3 + 1e-5).all()

    def test_options_choose_features(self, backend):
        attributes, labels = 6, 4
        full = CRF(all_possible_states=True, all_possible_transitions=True, c2=0.1).fit(X, Y)
        assert len(full.transition_features_) == labels**2
        assert len(full.state_features_) == (attributes - 1) * labels  # "cap" always has weight 0
        rare = CRF(min_freq=2, c2=0.1).fit(X, Y)
        assert set(rare.state_features_) == {("w:the", "D"), ("w:old", "A"), ("w:boats", "N")}
        assert rare.transition_features_ == {}
        assert rare.predict(X)[3] == ["D"]

    def test_unknown_attributes_and_empty_sequences(self, backend):
        crf = CRF().fit([*X, []], [*Y, []])
        assert crf.predict([]) == []
        assert crf.predict([[], [{"never": "seen"}]])[0] == []
        assert len(crf.predict([[["x", "y"]]])[0]) == 1

    def test_float32_is_close(self, backend):
        a, b = (CRF(c2=0.3, dtype=dtype).fit(X, Y) for dtype in ("float64", "float32"))
        assert a.loss_ == pytest.approx(b.loss_, rel=1e-5)
        assert a.predict(X) == b.predict(X)

    def test_warm_start(self, backend):
        crf = CRF(c2=0.3, warm_start=True).fit(X, Y)
        first = crf.n_iter_
        assert crf.fit(X, Y).n_iter_ < first
        crf.fit([*X, [{"w": "new"}]], [*Y, ["NEW"]])
        assert "NEW" in crf.classes_

    def test_max_iterations(self, backend):
        crf = CRF(max_iterations=2).fit(X, Y)
        assert crf.n_iter_ == 2
        assert CRF(max_iterations=0).fit(X, Y).state_features_ == {}

    def test_params_copy_and_repr(self, backend):
        crf = CRF(c2=0.25)
        assert crf.get_params()["c2"] == 0.25
        assert CRF(**crf.get_params()).get_params() == crf.get_params()
        assert crf.set_params(c1=0.5).c1 == 0.5
        assert repr(crf) == "CRF(c1=0.5, c2=0.25)"
        assert copy.deepcopy(crf.fit(X, Y)).predict(X) == crf.predict(X)
        with pytest.raises(ValueError, match="CRF has no parameter 'c3'"):
            crf.set_params(c3=1)

    def test_pickles_and_binds_again(self):
        with use_backend("reference"):
            crf = CRF(c2=0.1).fit(X, Y)
        data = pickle.dumps(crf)
        assert b"reference" not in data
        again = pickle.loads(data)
        assert again._backend == active_backend()
        assert again.predict(X) == crf.predict(X)
        assert again.state_features_ == crf.state_features_

    @pytest.mark.parametrize("algorithm", ["lbfgs", "ap"])
    def test_names_of_all_kinds_stay_as_they_are(self, algorithm, backend):
        names = ["", "a", "\0", "é", "词", "\U0001f600", "\ud800", "a" * 300, "a b\n"]
        items = [[name] * (k + 1) for k, name in enumerate(names)]
        crf = CRF(algorithm, max_iterations=3).fit([items], [list("ABABABABA")])
        assert crf.attributes_ == names[::-1]
        assert {name for name, _ in crf.state_features_} <= set(names)
        for again in pickle.loads(pickle.dumps(crf)), copy.deepcopy(crf):
            assert again.attributes_ == crf.attributes_
            assert again.state_features_ == crf.state_features_
            assert again.predict([items]) == crf.predict([items])

    def test_numbers_of_other_kinds(self, backend):
        class Odd:
            def __float__(self):
                raise ValueError

        class Several:
            ndim = 1

            def __float__(self):
                return 1.0

        for value in Decimal("1.5"), Fraction(3, 2), np.array(1.5), np.float16(1.5):
            assert ItemSequence([{"a": value}]).items() == [{"a": 1.5}]
        for value in np.ones(1), 1j, None, Odd(), Several():
            with pytest.raises(TypeError, match="an attribute's value must be a str, a number, or"):
                ItemSequence([{"a": value}])
        with pytest.raises(ValueError, match="weights of attributes must be finite"):
            ItemSequence([{"a": Fraction(10**400)}])

    @pytest.mark.parametrize("algorithm", ["lbfgs", "l2sgd"])
    def test_period_0_never_looks_whether_the_loss_falls(self, algorithm):
        looked = CRF(algorithm, delta=0.9, period=1, max_iterations=30).fit(X, Y)
        assert looked.message_ == "the loss has stopped falling" and looked.n_iter_ < 5
        found = CRF(algorithm, delta=0.9, period=0, max_iterations=6).fit(X, Y)
        assert found.message_ != looked.message_ and found.n_iter_ > looked.n_iter_

    def test_keeps_its_backend(self):
        with use_backend("reference"):
            crf = CRF()
        assert crf._backend == "reference"
        assert crf.fit(X, Y).predict(X) == Y

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            (("text", Y), TypeError, "X must be a list of sequences"),
            ((["text"], [["a"]]), TypeError, "a sequence must be a list of items"),
            ((X, Y[:2]), ValueError, "same number of sequences, got 4 and 2"),
            ((X, [["D"]] * 4), ValueError, r"y\[0\] must have 3 labels"),
            ((X, "DAN"), TypeError, "y must be a list of lists"),
            ((X, ["DAN", "DVN", "NA", "D"]), TypeError, r"y\[0\] must be a list of labels"),
            (([[["a"]]], [[1]]), TypeError, r"y\[0\]\[0\] must be a label .*, got int 1"),
            (([], []), ValueError, "at least one item"),
            (([[]], [[]]), ValueError, "at least one item"),
        ],
    )
    def test_bad_training_sets(self, backend, arguments, error, words):
        with pytest.raises(error, match=words):
            CRF().fit(*arguments)

    @pytest.mark.parametrize(
        ("params", "error", "words"),
        [
            ({"algorithm": "sgd"}, ValueError, "algorithm must be one of 'lbfgs'"),
            ({"c1": -1}, ValueError, "c1 must be finite and at least 0"),
            ({"c2": math.nan}, ValueError, "c2 must be finite"),
            ({"period": -1}, ValueError, "period must be at least 0"),
            ({"max_iterations": 1.5}, TypeError, "max_iterations must be an int"),
            ({"dtype": "int"}, ValueError, "dtype must be one of"),
            ({"workers": 0}, ValueError, "workers must be at least 1"),
        ],
    )
    def test_bad_parameters(self, params, error, words):
        with pytest.raises(error, match=words):
            CRF(**params).fit(X, Y)

    def test_not_fitted(self):
        with pytest.raises(ValueError, match="isn't fitted"):
            CRF().predict(X)
        with pytest.raises(ValueError, match="y must have a label for each item"):
            CRF().fit(X, Y).score(X, Y[:1])

    def test_a_failed_fit_leaves_the_model(self):
        crf = CRF().fit(X, Y)
        before = crf.state_features_
        with pytest.raises(ValueError, match="same number"):
            crf.fit(X, Y[:1])
        assert crf.state_features_ == before and crf.predict(X)


@st.composite
def sparse(draw):
    # Rows of one vector and of many, of attributes with few labels, with many, and with all.
    labels = draw(st.integers(1, 20) | st.sampled_from([31, 48, 49, 70]))
    attributes, steps = draw(st.integers(1, 6)), draw(st.integers(0, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    held = rng.random((attributes, labels)) < draw(st.sampled_from([0.1, 0.3, 0.8, 1.0]))
    counts = rng.integers(0, 4, steps)
    rows = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    owned = rng.integers(0, attributes, rows[-1]).astype(np.int32)
    values = rng.normal(size=rows[-1] if draw(st.booleans()) else 0).astype(dtype)
    offsets = np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int64)
    names = np.nonzero(held)[1].astype(np.int32)
    return rng, (rows, owned, values, offsets, names), dtype, labels, held


class TestKernels:
    @given(sparse())
    def test_twins_and_dense_algebra(self, case):
        rng, arrays, dtype, labels, held = case
        rows, owned, values, _, names = arrays
        weights = rng.normal(size=len(names)).astype(dtype)
        nodes = rng.random((len(rows) - 1, labels)).astype(dtype)
        table = np.zeros((len(rows) - 1, len(held)))
        steps = np.repeat(np.arange(len(rows) - 1), np.diff(rows))
        np.add.at(table, (steps, owned), values if len(values) else 1.0)
        dense = np.zeros(held.shape)
        dense[held] = weights
        tolerance = 1e-5 if dtype == np.float32 else 1e-12
        for name in ("compiled", "reference"):
            kernel = kernels("crf.features", name)
            scores = kernel.state_scores(*arrays, weights, labels)
            assert scores.dtype == dtype
            np.testing.assert_allclose(scores, table @ dense, atol=tolerance, rtol=tolerance)
            turned = kernel.by_attribute(rows, owned, values)
            owners, starts, places, kept = turned
            assert [a.dtype for a in turned[:3]] == [np.int32, np.int64, np.int32] and kept.dtype == values.dtype
            assert owners.tolist() == sorted(set(owned.tolist())) and starts[-1] == len(owned)
            again = np.zeros_like(table)
            np.add.at(again, (places, np.repeat(owners, np.diff(starts))), kept if len(kept) else 1.0)
            np.testing.assert_allclose(again, table, atol=1e-6 if dtype == np.float32 else 1e-12)
            plan = kernel.plan_features(*arrays[3:], labels)
            layout, spread = kernel.lay_out(*turned, plan), kernel.spread_weights(plan, weights)
            scores = kernel.scores_by_attribute(plan, layout, spread, len(table))
            assert scores.dtype == dtype
            np.testing.assert_allclose(scores, table @ dense, atol=tolerance, rtol=tolerance)
            # The attributes in two shares, each taken twice.
            offsets, cut = arrays[3], len(held) // 2
            for first, last in ((0, cut), (cut, len(held))):
                gradient = kernel.new_gradient(plan, first, last)
                for _ in range(2):
                    gradient = kernel.gradient_by_attribute(plan, layout, nodes, gradient, first, last)
                np.testing.assert_allclose(
                    kernel.gathered(plan, gradient, first, last),
                    2 * (table.T @ nodes)[held][offsets[first] : offsets[last]],
                    atol=tolerance,
                    rtol=tolerance,
                )
            y = rng.integers(0, labels, len(table)).astype(np.int32)
            sums, seen = np.zeros(held.shape), np.zeros(held.shape, np.uint8)
            kernel.count_labels(*turned, y, 0, sums, seen)
            np.testing.assert_allclose(sums, table.T @ np.eye(labels)[y], atol=tolerance, rtol=tolerance)
            assert set(zip(*np.nonzero(seen))) == set(zip(owned.tolist(), y[steps].tolist()))

    @given(
        st.integers(0, 2500),
        st.sampled_from([np.float32, np.float64]),
        st.integers(0, 2**32),
        st.floats(-2, 2),
        st.floats(0, 3),
    )
    @settings(max_examples=30)
    def test_twins_of_the_search(self, n, dtype, seed, share, c1):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(2, n)).astype(dtype)
        weights, gradient, direction = rng.normal(size=(3, n)) * rng.integers(0, 2, (3, n))
        found = []
        for name in ("compiled", "reference"):
            kernel, out = kernels("crf.features", name), weights.copy()
            along = kernel.add_scaled(out, share, x, y)
            steepest, norm = kernel.steepest_slope(weights, gradient, c1)
            moved = kernel.step_in_orthant(weights, direction, share, steepest)
            found.append((kernel.inner_product(x, y), along, norm, out, steepest, moved))
        for a, b in zip(*found):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-11)
        *_, out, steepest, moved = found[0]
        np.testing.assert_allclose(out, weights + share * x.astype(np.float64), atol=1e-14)
        zero = weights == 0
        np.testing.assert_array_equal(steepest[~zero], (gradient + c1 * np.sign(weights))[~zero])
        assert (np.abs(steepest[zero]) <= np.abs(gradient[zero])).all()
        side = np.where(zero, -np.sign(steepest), np.sign(weights))
        assert (moved * side >= 0).all()
        kept = (weights + share * direction) * side > 0
        np.testing.assert_allclose(moved, np.where(kept, weights + share * direction, 0.0), atol=1e-14)

    def test_many_attributes_are_sorted(self, backend):
        # More than one digit of the radix sort, and ids far apart.
        n = backend.size(20000, 2000)
        rng = np.random.default_rng(4)
        rows = np.arange(n + 1, dtype=np.int64)
        owned = rng.choice(2**31 - 1, n).astype(np.int32)
        owned[::3] = owned[1]
        owners, starts, steps, _ = kernels("crf.features", backend.name).by_attribute(rows, owned, np.empty(0))
        order = np.argsort(owned, kind="stable")
        assert steps.tolist() == order.tolist()
        assert np.repeat(owners, np.diff(starts)).tolist() == owned[order].tolist()

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("valued", [False, True])
    def test_attributes_of_every_step(self, backend, dtype, valued):
        # More steps than a kernel adds up at a time, for attributes of all labels, of many, and of few.
        n, labels = backend.size(150_000, 50), 5
        held = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [0, 1, 0, 1, 0]], bool)
        rng = np.random.default_rng(3)
        rows, owned = 3 * np.arange(n + 1), np.tile(np.arange(3, dtype=np.int32), n)
        values = rng.normal(size=3 * n if valued else 0).astype(dtype)
        kernel = kernels("crf.features", backend.name)
        offsets, names = np.concatenate([[0], np.cumsum(held.sum(axis=1))]), np.nonzero(held)[1].astype(np.int32)
        plan = kernel.plan_features(offsets, names, labels)
        layout = kernel.lay_out(*kernel.by_attribute(rows, owned, values), plan)
        weights, nodes = rng.normal(size=len(names)).astype(dtype), rng.random((n, labels)).astype(dtype)
        table, dense = values.reshape(n, 3) if valued else np.ones((n, 3)), np.zeros(held.shape)
        dense[held] = weights
        scores = kernel.scores_by_attribute(plan, layout, kernel.spread_weights(plan, weights), n)
        tolerance = 1e-5 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(scores, table @ dense, atol=tolerance)
        sums = kernel.gradient_by_attribute(plan, layout, nodes, kernel.new_gradient(plan, 0, 3), 0, 3)
        exact = (table.astype(np.float64).T @ nodes.astype(np.float64))[held]
        np.testing.assert_allclose(kernel.gathered(plan, sums, 0, 3), exact, rtol=1e-9, atol=1e-7)

    @given(
        st.integers(1, 26) | st.sampled_from([48, 49, 70]),
        st.integers(0, 9),
        st.integers(1, 40) | st.just(1500),
        st.sampled_from([np.float32, np.float64]),
        st.integers(0, 2**32),
    )
    @settings(max_examples=60, deadline=None)
    def test_measurements(self, labels, attributes, n, dtype, seed):
        # Attributes with a value at each step, of all labels, of some and of none, beside those that miss steps, come
        # twice in one, or end early; in shares that part them anywhere.
        rng = np.random.default_rng(seed)
        held = rng.random((attributes + 3, labels)) < rng.choice([0.0, 0.2, 0.7, 1.0], (attributes + 3, 1))
        table = rng.normal(size=(n, attributes + 3)).astype(dtype)
        found = np.ones(table.shape, int)
        found[:, attributes] = rng.random(n) < 0.7
        found[0, attributes + 1] = 2
        found[n // 2, attributes + 1] = rng.integers(0, 3)
        found[n // 2 :, attributes + 2] = 0
        names = rng.permutation(attributes + 3)  # in any order among the others
        held, table, found = held[names], table[:, names], found[:, names]
        steps, owned = np.nonzero(found)
        steps, owned = (np.repeat(it, found[steps, owned]) for it in (steps, owned))
        rows = np.searchsorted(steps, np.arange(n + 1))
        kernel = kernels("crf.features", "compiled")
        offsets, chosen = np.concatenate([[0], np.cumsum(held.sum(axis=1))]), np.nonzero(held)[1].astype(np.int32)
        plan = kernel.plan_features(offsets, chosen, labels)
        turned = kernel.by_attribute(rows, owned.astype(np.int32), table[steps, owned])
        layout = kernel.lay_out(*turned, plan)
        weights, nodes = rng.normal(size=len(chosen)).astype(dtype), rng.random((n, labels)).astype(dtype)
        dense, table = np.zeros(held.shape), table.astype(np.float64) * found
        dense[held] = weights
        scores = kernel.scores_by_attribute(plan, layout, kernel.spread_weights(plan, weights), n)
        tolerance = 1e-4 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(scores, table @ dense, atol=tolerance)
        cut = int(rng.integers(0, len(held) + 1))
        for first, last in ((0, cut), (cut, len(held))):
            gradient = kernel.new_gradient(plan, first, last)
            kernel.gradient_by_attribute(plan, layout, nodes, gradient, first, last)
            np.testing.assert_allclose(
                kernel.gathered(plan, gradient, first, last),
                (table.T @ nodes.astype(np.float64))[held][offsets[first] : offsets[last]],
                atol=1e-9,
            )

    def test_memory_is_flat(self):
        setup = f"from fastcore.crf import CRF; X, Y = {X!r}, {Y!r}; crf = CRF(max_iterations=2)"
        assert memory_growth(setup, "crf.fit(X, Y).predict(X)", 60) < 50


TOY = [["我们", "喜欢", "音乐"], ["他", "喜欢", "电影"], ["音乐", "是", "二维码"]]


class TestSegmenter:
    def test_learns_its_training_set(self, backend):
        segmenter = Segmenter(min_freq=1).fit(TOY)
        assert [segmenter.segment("".join(words)) for words in TOY] == TOY
        scores = segmenter.evaluate(TOY)
        assert (scores.precision, scores.recall, scores.f1, scores.oov_recall) == (1, 1, 1, 0)

    def test_real_text(self, backend):
        train = _data.segmented("train")[: backend.size(400, 20)]
        test = _data.segmented("test")[: backend.size(200, 10)]
        segmenter = Segmenter(max_iterations=backend.size(25, 6)).fit(train)
        scores = segmenter.evaluate(test)
        baseline = [list("".join(words)) for words in test]
        assert scores.f1 > backend.size(80, 50) / 100
        assert segmenter.segment_many(["".join(words) for words in test]) != baseline
        for words in test:
            assert "".join(segmenter.segment("".join(words))) == "".join(words)

    @settings(max_examples=20)
    @given(st.lists(st.text(max_size=12), max_size=5))
    def test_words_give_the_text_back(self, texts):
        found = fitted().segment_many(texts)
        assert ["".join(words) for words in found] == texts
        assert all(all(words) for words in found)

    def test_company_doesnt_matter(self):
        texts = ["我们喜欢电影", "", "他是二维码", "a1，二", "𠀀我们"]
        assert fitted().segment_many(texts) == [fitted().segment(text) for text in texts]

    def test_twins_agree(self):
        found = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                segmenter = Segmenter(min_freq=1, delta=1e-9).fit(TOY)
                found.append((segmenter.loss_, segmenter.segment("我们是音乐")))
        assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
        assert found[0][1] == found[1][1]

    def test_workers_and_pickle(self):
        assert Segmenter(min_freq=1, workers=2).fit(TOY).loss_ == fitted().loss_
        again = pickle.loads(pickle.dumps(fitted()))
        assert again.segment("我们喜欢电影") == fitted().segment("我们喜欢电影")
        assert repr(Segmenter(min_freq=1)) == "Segmenter(min_freq=1)"

    @pytest.mark.parametrize(
        ("call", "error", "words"),
        [
            (lambda s: s.fit("text"), TypeError, "iterable of texts or a path, got a bare str"),
            (
                lambda s: s.fit(["我们喜欢音乐", "电影"]),
                ValueError,
                "texts must be lists of words, or have white space",
            ),
            (lambda s: s.fit([5]), TypeError, r"texts\[0\] must be a list of words, got int"),
            (lambda s: s.fit([["a", 1]]), TypeError, r"texts\[0\] must be a list of str"),
            (lambda s: s.fit([["a", ""]]), ValueError, r"texts\[0\] must not hold an empty word"),
            (lambda s: s.fit([]), ValueError, "at least one word"),
            (lambda s: s.segment("a"), ValueError, "isn't fitted"),
            (lambda s: s.fit(TOY).segment(b"a"), TypeError, "text must be a str"),
            (
                lambda s: s.fit(TOY).segment_many("a"),
                TypeError,
                "texts must be an iterable of texts or a path, got a bare str",
            ),
            (lambda s: s.fit(TOY).segment_many([1]), TypeError, r"texts\[0\] must be a str"),
            (lambda s: s.fit(TOY).evaluate([["a", None]]), TypeError, r"gold\[0\]"),
        ],
    )
    def test_bad_input(self, call, error, words):
        with pytest.raises(error, match=words):
            call(Segmenter())

    @pytest.mark.parametrize("params", [{"c2": -1}, {"min_freq": 0}, {"delta": math.inf}, {"workers": 0}])
    def test_bad_parameters(self, params):
        with pytest.raises(ValueError, match=next(iter(params))):
            Segmenter(**params).fit(TOY)


def fitted(made=[]):  # noqa: B006
    """One small segmenter, trained once."""
    if not made:
        made.append(Segmenter(min_freq=1).fit(TOY))
    return made[0]


class TestDoors:
    def test_weight_beyond_a_double(self):
        with pytest.raises(ValueError, match="weights of attributes must be finite"):
            CRF().fit([[{"a": 10**400}]], [["p"]])

    def test_repr_of_any_parameter(self):
        assert "c1=array" in repr(CRF(c1=np.ones(2)))

    def test_texts_that_are_a_scalar_array(self):
        for call in (Segmenter().fit, Segmenter().evaluate):
            with pytest.raises(TypeError, match="must be an iterable of texts or a path, got ndarray"):
                call(np.array(1))

    def test_flags_and_labels(self):
        for name in ("all_possible_states", "all_possible_transitions", "warm_start"):
            with pytest.raises(TypeError, match=f"{name} must be a bool, got str"):
                CRF(**{name: "no"}).fit([[{"a": 1}]], [["p"]])
        fitted = CRF(max_iterations=1).fit([[{"a": 1}]], [["p"]])
        for y in (5, [5]):
            with pytest.raises(TypeError, match="y must be a list of lists of labels, got int"):
                fitted.score([[{"a": 1}]], y)


class TestValuesBelowZero:
    X, Y = [[{"logp": -8.0}], [{"logp": -1.0}]] * 20, [["rare"], ["common"]] * 20

    @pytest.mark.parametrize("options", [{}, {"all_possible_states": True}, {"algorithm": "ap"}])
    def test_are_features_like_others(self, options):
        crf = CRF(**options).fit(self.X, self.Y)
        assert {("logp", "rare"), ("logp", "common")} == set(crf.state_features_)
        assert crf.predict([[{"logp": -9.0}], [{"logp": 0.1}]]) == [["rare"], ["common"]] or options.get("algorithm")

    def test_min_freq_is_of_sums_where_it_is_asked_for(self):
        X = [[{"len": 0.1}]] * 10 + [[{"x": 5.0}]]
        crf = CRF(min_freq=2).fit(X, [["a"]] * 10 + [["b"]])
        assert set(crf.state_features_) == {("x", "b")}

    def test_faces_choose_as_crfsuite_does(self, tmp_path):
        trainer = pycrfsuite.Trainer(verbose=False)
        for x, y in zip(self.X, self.Y):
            trainer.append(x, y)
        trainer.train(str(tmp_path / "model"))
        assert not CRF.load_crfsuite(tmp_path / "model").state_features_


class TestNoLabels:
    """Models that were trained on nothing: errors, where kernels would have divided by the number of labels."""

    def model(self, tmp_path):
        trainer = pycrfsuite.Trainer(verbose=False)
        trainer.append([["a"]], ["x"])
        trainer.train(str(tmp_path / "model"), 0)  # all of it is held out
        return tmp_path / "model"

    def test_tagger(self, tmp_path):
        tagger = pycrfsuite.Tagger()
        tagger.open(str(self.model(tmp_path)))
        assert tagger.labels() == []
        with pytest.raises(ValueError, match="the model has no labels"):
            tagger.tag([["a"]])
        with pytest.raises(ValueError, match="the model has no labels"):
            tagger.set([["a"]])
            tagger.marginal("x", 0)

    def test_crf(self, tmp_path):
        crf = CRF.load_crfsuite(self.model(tmp_path))
        X = [[{"a": 1.0}]]
        for ask in (crf.predict, crf.predict_marginals, lambda X: crf.predict_nbest(X, 2),
                    lambda X: list(crf.predict_stream(X[0]))):  # fmt: skip
            with pytest.raises(ValueError, match="the model has no labels"):
                ask(X)


def test_numbers_of_any_kind_are_saved(tmp_path):
    options = {"c2": Decimal("0.5"), "c1": Fraction(1, 4), "max_iterations": np.int64(3)}
    CRF(**options).fit([[{"a": 1}]], [["x"]]).save(tmp_path / "model.npz")
    loaded = CRF.load(tmp_path / "model.npz")
    assert (loaded.c2, loaded.c1, loaded.max_iterations) == (0.5, 0.25, 3)
