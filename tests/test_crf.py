"""The feature CRF and the word segmenter."""

from __future__ import annotations

import copy
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcore import _data, active_backend, chain, use_backend
from fastcore._backend import kernels
from fastcore.crf import CRF, Segmenter
from fastcore.crf._features import attributes_of, index_items
from fastcore.crf._model import Objective, search, select_features

from .helpers import memory_growth, seconds_to_interrupt

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


def objective_of(X, y, backend, c2=0.3, **options):
    ids = {}
    items = index_items(X, ids, grow=True)
    classes = sorted({label for labels in y for label in labels})
    labels = np.array([classes.index(label) for row in y for label in row])
    choices = {"min_freq": 0, "all_states": False, "all_transitions": False, **options}
    features, observed = select_features(items, labels, len(classes), len(ids), **choices)
    return Objective(features, items, observed, c2, np.dtype("float64"), 1, backend.name)


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
        monkeypatch.setattr("fastcore.crf._model.TASK_STEPS", 3)
        fits = [CRF(workers=w).fit(X, Y) for w in (1, 2)]
        with ThreadPoolExecutor(2) as pool:
            fits.append(CRF(workers=pool).fit(X, Y))
        assert fits[0].state_features_ == fits[1].state_features_ == fits[2].state_features_
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

    def test_nothing_to_do(self):
        found = search(lambda w: (1.0, w), np.ones(2), c1=0.0, max_iterations=0, epsilon=0, period=1, delta=0)
        assert found.iterations == 0 and found.weights.tolist() == [1, 1]


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
            (([[["a"]]], [[1]]), TypeError, "labels must be str, got int"),
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
            ({"algorithm": "l2sgd"}, ValueError, "algorithm must be one of 'lbfgs'"),
            ({"c1": -1}, ValueError, "c1 must be finite and at least 0"),
            ({"c2": math.nan}, ValueError, "c2 must be finite"),
            ({"period": 0}, ValueError, "period must be at least 1"),
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
    labels, attributes, steps = draw(st.integers(1, 9)), draw(st.integers(1, 6)), draw(st.integers(0, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    held = rng.random((attributes, labels)) < draw(st.sampled_from([0.3, 0.8, 1.0]))
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
            kernel = kernels("crf", name)
            scores = kernel.state_scores(*arrays, weights, labels)
            assert scores.dtype == dtype
            np.testing.assert_allclose(scores, table @ dense, atol=tolerance, rtol=tolerance)
            gradient = kernel.state_gradient(*arrays, nodes)
            np.testing.assert_allclose(gradient, (table.T @ nodes)[held], atol=tolerance, rtol=tolerance)

    def test_memory_is_flat(self):
        setup = f"from fastcore.crf import CRF; X, Y = {X!r}, {Y!r}; crf = CRF(max_iterations=2)"
        assert memory_growth(setup, "crf.fit(X, Y).predict(X)", 60) < 2000

    @pytest.mark.slow
    def test_interrupt(self):
        script = """
from fastcore import _data
from fastcore.crf import Segmenter
train = _data.segmented("train")
small = Segmenter(max_iterations=3).fit(train[:50])
before = small.segment("我们喜欢音乐")
print("ready")
try:
    small.max_iterations = None
    small.delta = 0.0
    small.fit(train)
except KeyboardInterrupt:
    print("interrupted")
assert small.segment("我们喜欢音乐") == before
print("usable")
"""
        assert seconds_to_interrupt(script, after=4.0) < 1.5


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
        assert repr(Segmenter()) == "Segmenter(not fitted)"

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
            Segmenter(**params)


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
