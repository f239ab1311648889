"""The CRF's training algorithms beside L-BFGS, their parameters, and what a training tells of itself."""

from __future__ import annotations

import inspect
import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcore import chain, use_backend
from fastcore._backend import kernels
from fastcore.crf import CRF

from .test_crf import X, Y, objective_of

# One sequence that no weights label right. Three times over, it comes in the same order however it is shuffled.
ITEMS = [{"w": w, "len": n} for w, n in zip("abacabbacab", [1, 0.5, 1.5, 2, 0.5, 1, 0.25, 1, 1.5, 0.5, 1])]
LABELS = list("PQPRQPQRRPQ")
# What python-crfsuite 0.9.12 finds there: losses of the iterations, and weights of features.
CRFSUITE = [
    (
        {"algorithm": "ap", "max_iterations": 4},
        [1.909091, 0.727273, 1.0, 1.181818],
        {("len", "P"): -0.5, ("len", "Q"): -2.346154, ("w:b", "Q"): 4.0, ("w:c", "R"): 3.846154},
        {("P", "Q"): 6.076923, ("R", "R"): -0.846154},
    ),
    (
        {"algorithm": "pa", "max_iterations": 4, "pa_type": 0},
        [9.544846, 9.951517, 8.692469, 10.497588],
        {("len", "P"): 0.003475, ("len", "Q"): -0.109274, ("w:b", "Q"): 0.171701, ("w:c", "R"): 0.244574},
        {("P", "Q"): 0.234349, ("R", "R"): -0.025673},
    ),
    (
        {"algorithm": "pa", "max_iterations": 4, "c": 0.1},
        [9.544846, 9.951517, 8.692469, 7.265842],
        {("len", "P"): -0.009802, ("len", "Q"): -0.087963, ("w:b", "Q"): 0.185987, ("w:c", "R"): 0.244402},
        {("P", "Q"): 0.234349, ("R", "R"): -0.049036},
    ),
    (
        {"algorithm": "pa", "max_iterations": 4, "pa_type": 2, "error_sensitive": False, "averaging": False},
        [3.98525, 4.68097, 5.790954, 4.595146],
        {("len", "P"): 0.004633, ("len", "Q"): -0.068272, ("w:b", "Q"): 0.146066, ("w:c", "R"): 0.208789},
        {("P", "Q"): 0.211136, ("R", "R"): -0.003228},
    ),
    (
        {"algorithm": "arow", "max_iterations": 4, "variance": 0.5, "gamma": 2},
        [26.497966, 20.238626, 4.909202, 6.625993],
        {("len", "P"): -0.205142, ("len", "Q"): -0.760556, ("w:b", "Q"): 0.568369, ("w:c", "R"): 0.559484},
        {("P", "Q"): 0.518674, ("R", "R"): -0.296317},
    ),
    (
        # The learning rate that calibration chose is 0.4.
        {"algorithm": "l2sgd", "max_iterations": 4, "c2": 0.3},
        [29.090446, 20.809759, 19.413861, 18.585406],
        {("len", "P"): 0.170679, ("len", "Q"): -1.103575, ("w:b", "Q"): 1.624901, ("w:c", "R"): 1.61528},
        {("P", "Q"): 2.172812, ("R", "R"): -0.070094},
    ),
]
ALGORITHMS = "l2sgd", "ap", "pa", "arow"
# sklearn-crfsuite's parameters, in its order.
POSITIONS = [
    "algorithm",
    "min_freq",
    "all_possible_states",
    "all_possible_transitions",
    "c1",
    "c2",
    "max_iterations",
    "num_memories",
    "epsilon",
    "period",
    "delta",
    "linesearch",
    "max_linesearch",
    "calibration_eta",
    "calibration_rate",
    "calibration_samples",
    "calibration_candidates",
    "calibration_max_trials",
    "pa_type",
    "c",
    "error_sensitive",
    "averaging",
    "variance",
    "gamma",
    "verbose",
]


@st.composite
def training_sets(draw):
    """What `prepare` takes: sequences, some empty, of attributes with features for some labels."""
    labels, attributes = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    lengths = draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    steps = int(offsets[-1])
    held = [draw(st.lists(st.integers(0, attributes - 1), max_size=4)) for _ in range(steps)]
    items = np.concatenate([[0], np.cumsum([len(row) for row in held])]).astype(np.int64)
    found = np.array([a for row in held for a in row], np.int32)
    valued = draw(st.booleans())
    weights = np.array([draw(st.sampled_from([0.5, 1.0, -1.5, 2.0])) for _ in found]) if valued else np.empty(0)
    y = np.array([draw(st.integers(0, labels - 1)) for _ in range(steps)], np.int32)
    own = [sorted(draw(st.sets(st.integers(0, labels - 1)))) for _ in range(attributes)]
    pairs = draw(st.sets(st.tuples(st.integers(0, labels - 1), st.integers(0, labels - 1))))
    feature_offsets = np.concatenate([[0], np.cumsum([len(row) for row in own])]).astype(np.int64)
    feature_labels = np.array([k for row in own for k in row], np.int32)
    transitions = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return offsets, items, found, weights, y, feature_offsets, feature_labels, transitions, labels


def size_of(parts):
    return len(parts[6]) + len(parts[7])


class TestKernels:
    @settings(deadline=None, max_examples=60)
    @given(training_sets(), st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 1000.0]))
    def test_twins(self, parts, seed, unit):
        rng = np.random.default_rng(seed)
        start = unit * rng.normal(size=size_of(parts))
        order = rng.permutation(len(parts[0]) - 1)
        found = []
        for name in ("compiled", "reference"):
            k = kernels("crf.online", name)
            problem, results = k.prepare(*parts), []
            for call in (
                lambda w, s, k=k, p=problem: k.perceptron_epoch(p, order, w, s, 3),
                lambda w, s, k=k, p=problem: k.aggressive_epoch(p, order, w, s, 3, 0, 0.5, True),
                lambda w, s, k=k, p=problem: k.aggressive_epoch(p, order, w, s, 3, 1, 0.1, True),
                lambda w, s, k=k, p=problem: k.aggressive_epoch(p, order, w, s, 3, 2, 0.5, False),
                lambda w, s, k=k, p=problem: k.arow_epoch(p, order, w, s, 0.7),
                lambda w, s, k=k, p=problem: k.gradient_epoch(p, order, w, 0.2, 0.3, 4.0),
            ):
                weights, sums = start.copy(), np.ones_like(start)
                results.append((call(weights, sums), weights, sums))
            found.append(results)
        for ours, theirs in zip(*found):
            for a, b in zip(ours, theirs):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * max(unit, 1.0))

    def test_orders(self, backend):
        shuffled = kernels("crf.online").shuffled
        key = np.arange(4, dtype=np.uint64)
        assert [sorted(shuffled(key, i, n).tolist()) for i, n in enumerate((0, 1, 50))] == [[], [0], list(range(50))]
        orders = [tuple(shuffled(key, i, 3).tolist()) for i in range(6000)]
        counts = [orders.count(order) for order in itertools.permutations(range(3))]
        assert sum((n - 1000) ** 2 / 1000 for n in counts) < 40  # chi-squared of 5 degrees: once in ten million
        with use_backend("reference"):
            assert kernels("crf.online").shuffled(key, 7, 20).tolist() == shuffled(key, 7, 20).tolist()

    @pytest.mark.parametrize("unit", [1.0, 30.0, 3e4])
    def test_a_step_goes_down_the_slope(self, backend, unit):
        # Three labels, one attribute for all and one for two, all transitions but one; scores that underflow too.
        k = kernels("crf.online")
        steps, y = 5, np.array([0, 2, 1, 1, 0], np.int32)
        items, attributes = np.arange(steps + 1) * 2, np.tile([0, 1], steps).astype(np.int32)
        values = np.random.default_rng(0).normal(size=2 * steps)
        moves = np.array([(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 0)])
        labels = np.array([0, 1, 2, 0, 2], np.int32)
        problem = k.prepare(np.array([0, steps]), items, attributes, values, y, np.array([0, 3, 5]), labels, moves, 3)
        weights = unit * np.random.default_rng(1).normal(size=13)
        emissions, matrix = np.zeros((steps, 3)), np.zeros((3, 3))
        for t in range(steps):
            emissions[t] += values[2 * t] * weights[:3]
            emissions[t, [0, 2]] += values[2 * t + 1] * weights[3:5]
        matrix[moves[:, 0], moves[:, 1]] = weights[5:]
        # The weights that the gradient is of have already shrunk by what the norm takes.
        shrunk = 1 - 0.25 * 0.5
        loss, grads = chain.loss_and_grad(shrunk * emissions, shrunk * matrix, y)
        slope = np.concatenate(
            [
                values[0::2] @ grads.emissions,
                values[1::2] @ grads.emissions[:, [0, 2]],
                grads.transitions[tuple(moves.T)],
            ]
        )
        after = weights.copy()
        assert k.gradient_epoch(problem, np.array([0]), after, 0.25, 0.5, 0.0) == pytest.approx(loss, rel=1e-10)
        np.testing.assert_allclose(after, shrunk * weights - 0.25 * slope, rtol=1e-10, atol=1e-10)
        still = weights.copy()
        k.gradient_epoch(problem, np.array([0]), still, 0.0, 0.5, 0.0)
        np.testing.assert_array_equal(still, weights)

    def test_sums_from_behind_that_underflow(self, backend):
        # Either way to the end costs exp(-372) at one step and no more than that at the others; from behind, where
        # labels are weighed by what comes after them, both come to its square.
        k, far = kernels("crf.online"), -372.0
        emissions = np.array([[-2000, -2000, 0], [0, far, -1000], [-2000, -2000, 0]])
        matrix = np.array([[far, far, far], [far, far, 0], [far, far, far]])
        y = np.array([2, 0, 2], np.int32)
        parts = np.arange(4), np.arange(3, dtype=np.int32), np.empty(0), y, np.arange(0, 12, 3)
        moves = np.array([(i, j) for i in range(3) for j in range(3)])
        problem = k.prepare(np.array([0, 3]), *parts, np.tile(np.arange(3, dtype=np.int32), 3), moves, 3)
        loss, grads = chain.loss_and_grad(emissions, matrix, y)
        weights = np.concatenate([emissions.ravel(), matrix.ravel()])
        after = weights.copy()
        assert k.gradient_epoch(problem, np.array([0]), after, 0.5, 0.0, 0.0) == pytest.approx(loss, rel=1e-12)
        slope = np.concatenate([grads.emissions.ravel(), grads.transitions.ravel()])
        np.testing.assert_allclose(after, weights - 0.5 * slope, rtol=1e-12, atol=1e-10)


class TestAlgorithms:
    @pytest.mark.parametrize(("params", "losses", "states", "transitions"), CRFSUITE)
    def test_numbers_of_crfsuite(self, backend, params, losses, states, transitions):
        crf = CRF(**params).fit([ITEMS] * 3, [LABELS] * 3)
        np.testing.assert_allclose([entry["loss"] for entry in crf.training_log_], losses, atol=1e-6)
        for pair, weight in states.items():
            assert crf.state_features_[pair] == pytest.approx(weight, abs=2e-6)
        for pair, weight in transitions.items():
            assert crf.transition_features_[pair] == pytest.approx(weight, abs=2e-6)
        assert (crf.n_iter_, crf.message_) == (4, "the most iterations were made")
        assert crf.loss_ == pytest.approx(losses[-1], abs=1e-6)
        assert crf.training_log_[-1].get("learning_rate") in (None, pytest.approx(0.4 / (1 + 0.2 * 0.4 * 11)))

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_learns(self, backend, algorithm):
        crf = CRF(algorithm, max_iterations=20).fit([*X, []], [*Y, []])
        assert crf.predict([*X, []]) == [*Y, []]
        assert pickle.loads(pickle.dumps(crf)).predict(X) == Y
        assert crf.classes_ == ["D", "A", "N", "V"]

    def test_descends_to_the_optimum(self, backend):
        best = CRF(c2=0.3, epsilon=1e-8, delta=1e-10).fit(X, Y)
        found = CRF("l2sgd", c2=0.3, delta=1e-5).fit(X, Y)
        objective = objective_of(X, Y, backend)
        assert found.message_ == "the loss has stopped falling"
        assert found.loss_ == min(entry["loss"] for entry in found.training_log_)
        assert len(found.training_log_) == found.n_iter_ > 10
        assert objective.features.size == len(found.state_features_) + len(found.transition_features_) + 1  # "cap"
        for pair, weight in best.state_features_.items():
            assert found.state_features_[pair] == pytest.approx(weight, abs=0.1)

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_orders_come_from_rng(self, backend, algorithm):
        sequences = [ITEMS[i:j] for i, j in ((0, 4), (3, 9), (5, 11), (2, 3))]
        labels = [LABELS[i:j] for i, j in ((0, 4), (3, 9), (5, 11), (2, 3))]

        def weights(**options):
            return CRF(algorithm, max_iterations=3, **options).fit(sequences, labels).state_features_

        assert weights() == weights(rng=0) == weights(workers=3) == weights(dtype="float32")
        assert weights(rng=1) != weights()
        generator = np.random.default_rng(5)
        assert weights(rng=generator) == weights(rng=np.random.default_rng(5)) != weights(rng=generator)
        with use_backend("reference"):
            expected = weights(rng=1)
        assert weights(rng=1) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_warm_start(self, backend, algorithm):
        crf = CRF(algorithm, max_iterations=1, warm_start=True).fit(X, Y)
        first = crf.loss_
        assert CRF(algorithm, max_iterations=1).fit(X, Y).loss_ == first
        for _ in range(5):
            crf.fit(X, Y)
        assert crf.loss_ < first
        crf.set_params(max_iterations=0)
        before = crf.state_features_
        assert crf.fit(X, Y).state_features_ == before
        assert math.isnan(crf.loss_) and crf.training_log_ == []

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    @pytest.mark.parametrize("value", [1e160, 1e308])
    def test_values_too_large_are_refused(self, backend, algorithm, value):
        crf = CRF(algorithm, max_iterations=5)
        with pytest.raises(ValueError, match="X must hold smaller values"):
            crf.fit([[{"a": value, "b": -value}, {"a": -value}]] * 3, [["p", "q"]] * 3)

    def test_rates_that_would_take_all_weights_away(self, backend):
        # decay * rate is 2 for the first rate and 1 for the second: no step can be made with either.
        crf = CRF("l2sgd", c2=10, max_iterations=3).fit([ITEMS], [LABELS])
        assert crf.loss_ < 11 * math.log(3)
        one = CRF("l2sgd", c2=10, max_iterations=3, calibration_max_trials=1).fit([ITEMS], [LABELS])
        assert math.isfinite(one.loss_)
        free = CRF("l2sgd", c2=0, max_iterations=3).fit([ITEMS] * 3, [LABELS] * 3)
        assert free.training_log_[0]["learning_rate"] == free.training_log_[2]["learning_rate"]

    def test_features_of_the_right_labels_only(self, backend):
        # No feature is left that a step could change: nothing moves, and it ends.
        for algorithm in ALGORITHMS:
            crf = CRF(algorithm, min_freq=100, max_iterations=2).fit(X, Y)
            assert crf.state_features_ == {} and crf.predict([X[3]]) == [["D"]]

    def test_when_passes_end(self, backend):
        sequences, labels = [ITEMS] * 3, [LABELS] * 3
        assert CRF("ap", epsilon=0.64).fit(sequences, labels).n_iter_ == 1
        assert CRF("ap", epsilon=0.63).fit(sequences, labels).n_iter_ == 2
        ended = CRF("pa", epsilon=3.0, pa_type=0).fit(sequences, labels)
        assert (ended.n_iter_, ended.message_) == (3, "the mean loss is small")
        # Nothing is wrong after the first pass: AROW ends, an average goes on.
        assert CRF("arow").fit(X, Y).training_log_[-1]["loss"] == 0
        assert CRF("arow").fit(X, Y).n_iter_ < 100
        assert CRF("pa").fit(X, Y).n_iter_ == CRF("ap").fit(X, Y).n_iter_ == 100

    def test_calibration(self, backend):
        def rate(**options):
            crf = CRF("l2sgd", max_iterations=1, c2=0.3, **options).fit([ITEMS] * 3, [LABELS] * 3)
            last = crf.training_log_[0]["learning_rate"]
            return last / (1 - 2 * 0.2 * last)  # of the third step: rate / (1 + 2 * decay * rate), decay 0.2

        assert rate() == pytest.approx(0.4)
        assert rate(calibration_max_trials=2) == pytest.approx(0.1)
        assert rate(calibration_max_trials=3) == pytest.approx(0.2)
        assert rate(calibration_rate=3) == pytest.approx(0.3)
        assert rate(calibration_eta=0.01, calibration_candidates=2) == pytest.approx(0.02)
        assert rate(calibration_eta=3.2) == pytest.approx(0.4)
        # 0.8 lowers the loss and 1.6 doesn't; the third one is below the first.
        assert rate(calibration_eta=0.8, calibration_max_trials=4) == pytest.approx(0.4)
        assert rate(calibration_samples=1) == pytest.approx(0.4)


class TestOptions:
    def test_order_of_positions(self):
        kinds = inspect.signature(CRF).parameters
        assert [name for name, it in kinds.items() if it.kind is it.POSITIONAL_OR_KEYWORD] == POSITIONS
        assert CRF("lbfgs", 2).min_freq == 2
        assert all(CRF().get_params()[name] is None for name in POSITIONS[:-1])

    def test_none_is_the_algorithms_own(self, backend):
        own = CRF(c1=0, c2=1, epsilon=1e-5, period=10, delta=1e-5, num_memories=6, algorithm="lbfgs", min_freq=0)
        assert own.fit(X, Y).state_features_ == CRF(None).fit(X, Y).state_features_
        assert CRF("l2sgd", c2=1, delta=1e-6).fit(X, Y).state_features_ == CRF("l2sgd").fit(X, Y).state_features_

    @pytest.mark.parametrize(
        ("params", "error", "words"),
        [
            ({"algorithm": "ap", "c1": 0.1}, ValueError, "c1 must be None with algorithm 'ap', which takes epsilon"),
            ({"algorithm": "lbfgs", "gamma": 1}, ValueError, "gamma must be None with algorithm 'lbfgs'"),
            ({"algorithm": "l2sgd", "epsilon": 0}, ValueError, "epsilon must be None with algorithm 'l2sgd'"),
            ({"algorithm": "pa", "pa_type": 3}, ValueError, "pa_type must be between 0 and 2"),
            ({"algorithm": "pa", "c": 0}, ValueError, "c must be finite and above 0"),
            ({"algorithm": "pa", "averaging": 1.0}, TypeError, "averaging must be a bool"),
            ({"algorithm": "arow", "variance": -1}, ValueError, "variance must be finite and above 0"),
            ({"algorithm": "arow", "gamma": 0}, ValueError, "gamma must be finite and above 0"),
            ({"algorithm": "l2sgd", "calibration_rate": 1}, ValueError, "calibration_rate must be finite and above 1"),
            ({"algorithm": "l2sgd", "calibration_samples": 0}, ValueError, "calibration_samples must be at least 1"),
            ({"algorithm": "sgd"}, ValueError, "algorithm must be one of 'lbfgs', 'l2sgd'"),
            ({"linesearch": "Armijo"}, ValueError, "linesearch must be one of 'MoreThuente'"),
            ({"num_memories": 0}, ValueError, "num_memories must be at least 1"),
            ({"rng": "no"}, TypeError, "rng must be None, an int"),
            ({"verbose": "no"}, TypeError, "verbose must be a bool"),
        ],
    )
    def test_bad_parameters(self, params, error, words):
        with pytest.raises(error, match=words):
            CRF(**params).fit(X, Y)

    def test_the_search_takes_its_own(self):
        options = {"c2": 0.01, "epsilon": 1e-9, "delta": 0, "max_iterations": 12}
        fits = [CRF(**options, num_memories=n).fit(X, Y).loss_ for n in (1, 6, 30)]
        assert fits[0] > fits[1] and fits[0] > fits[2]
        with pytest.warns(RuntimeWarning, match="training stopped early"):
            short = CRF(c1=0.01, max_linesearch=1, c2=0, delta=0, epsilon=1e-12).fit(X, Y)
        assert short.n_iter_ < CRF(c1=0.01, c2=0, delta=0, epsilon=1e-6).fit(X, Y).n_iter_

    def test_bytes_are_labels_too(self, backend):
        crf = CRF(c2=0.1).fit(X, [[label.encode() for label in labels] for labels in Y])
        assert crf.predict(X) == Y
        assert crf.score(X, [[label.encode() for label in labels] for labels in Y]) == 1
        with pytest.raises(ValueError, match=r"y\[0\]\[0\] must be UTF-8 where it is bytes"):
            CRF().fit([[["a"]]], [[b"\xff"]])

    def test_older_pickles_have_fewer_parameters(self):
        crf = CRF(c2=0.1).fit(X, Y)
        state = crf.__getstate__()
        state = {name: value for name, value in state.items() if name not in ("verbose", "rng", "gamma")}
        again = CRF.__new__(CRF)
        again.__setstate__({**state, "_trained": type(crf._trained)(*crf._trained[:-1])})
        assert again.predict(X) == Y and again.training_log_ == []
        assert again.get_params()["gamma"] is None and again.fit(X, Y).predict(X) == Y

    def test_weights_by_name_are_made_once(self, backend):
        crf = CRF(c2=0.1, warm_start=True).fit(X, Y)
        assert crf.state_features_ is crf.state_features_
        assert crf.transition_features_ is crf.transition_features_
        before = dict(crf.state_features_)
        crf.state_features_.clear()
        assert pickle.loads(pickle.dumps(crf)).state_features_ == before
        assert crf.fit(X, Y).state_features_ == pytest.approx(before, abs=1e-2)
        assert crf.predict(X) == Y

    def test_float32_names_what_is_too_large(self, backend):
        with pytest.raises(
            ValueError, match=r"X must hold values of at most 3\.4e\+38 with dtype 'float32', got 1e\+39"
        ):
            CRF(dtype="float32").fit([[{"a": 1e39}]], [["p"]])
        CRF("ap", dtype="float32", max_iterations=1).fit([[{"a": 1e39}]], [["p"]])


class TestLog:
    def test_of_the_search(self, backend):
        crf = CRF(c2=0.3).fit(X, Y)
        log = crf.training_log_
        assert [entry["num"] for entry in log] == list(range(1, crf.n_iter_ + 1))
        assert log[-1]["loss"] == crf.loss_
        norm = math.hypot(*crf.state_features_.values(), *crf.transition_features_.values())
        assert log[-1]["feature_norm"] == pytest.approx(norm)
        assert log[-1]["error_norm"] < 1e-2 < log[0]["error_norm"]
        assert {"linesearch_trials", "linesearch_step", "time"} < set(log[0]) and "active_features" not in log[0]
        assert all(entry["linesearch_trials"] >= 1 and entry["time"] >= 0 for entry in log)
        sparse = CRF(c1=0.3, c2=0).fit(X, Y)
        active = len(sparse.state_features_) + len(sparse.transition_features_)
        assert sparse.training_log_[-1]["active_features"] == active
        log[0].clear()
        assert crf.training_log_[0]

    def test_held_out_sequences(self, backend):
        # As python-crfsuite 0.9.12 prints it for the same sequences; "S" is unknown to training.
        dev, gold = [ITEMS[:4], ITEMS[4:7], ITEMS[7:]], [list("PQPR"), list("QPS"), list("RPPQ")]
        crf = CRF("ap", max_iterations=2).fit([ITEMS] * 3, [LABELS] * 3, dev, gold)
        last = crf.training_log_[-1]
        assert last["feature_norm"] == pytest.approx(8.383049, abs=1e-6)
        expected = {"avg_precision": 0.35, "avg_recall": 0.391667, "avg_f1": 0.35, "item_accuracy": 5 / 11}
        assert {name: last[name] for name in expected} == pytest.approx(expected, abs=1e-6)
        assert last["instance_accuracy"] == 0
        counts = {name: (row["match"], row["model"], row["ref"]) for name, row in last["scores"].items()}
        assert counts == {"P": (2, 3, 5), "Q": (2, 5, 3), "R": (1, 3, 2), "S": (0, 0, 1)}
        assert last["scores"]["P"]["f1"] == pytest.approx(0.5)
        assert last["scores"]["S"]["f1"] == last["scores"]["S"]["precision"] == 0
        for algorithm in ("lbfgs", "l2sgd"):
            crf = CRF(algorithm, max_iterations=3).fit([ITEMS] * 3, [LABELS] * 3, dev, gold)
            right = sum(a == b for x, y in zip(dev, gold) for a, b in zip(crf.predict_single(x), y))
            assert crf.training_log_[-1]["item_accuracy"] == pytest.approx(right / 11)
            assert crf.training_log_[-1]["num"] == 3

    @pytest.mark.parametrize(
        ("dev", "error", "words"),
        [
            ((X, None), ValueError, "X_dev and y_dev must be given together"),
            ((None, Y), ValueError, "X_dev and y_dev must be given together"),
            ((X, Y[:2]), ValueError, "X_dev and y_dev must have the same number of sequences, got 4 and 2"),
            ((X, [["D"]] * 4), ValueError, r"y_dev\[0\] must have 3 labels to match X_dev\[0\], got 1"),
            (([], []), ValueError, "X_dev must hold at least one item"),
            ((X, "DAN"), TypeError, "y_dev must be a list of lists of labels"),
        ],
    )
    def test_bad_held_out_sequences(self, dev, error, words):
        crf = CRF(max_iterations=1)
        with pytest.raises(error, match=words):
            crf.fit(X, Y, *dev)
        assert not crf.__sklearn_is_fitted__()

    @pytest.mark.parametrize("algorithm", ["lbfgs", "l2sgd", "ap"])
    def test_told_as_it_comes(self, backend, algorithm, capsys):
        told = []
        crf = CRF(algorithm, max_iterations=3, verbose=True, progress=lambda done, total: told.append((done, total)))
        crf.fit(X, Y, X, Y)
        assert told == [(1, 3), (2, 3), (3, 3)]
        lines = capsys.readouterr().err.splitlines()
        assert [line.split()[:2] for line in lines] == [["iteration", str(i)] for i in (1, 2, 3)]
        assert f"loss={crf.training_log_[-1]['loss']:<.6g}" in lines[-1] and "item_accuracy=" in lines[-1]
        CRF(algorithm, max_iterations=1).fit(X, Y)
        assert capsys.readouterr().err == ""

    def test_who_is_told_may_stop_it(self):
        crf = CRF("ap").fit(X, Y)
        before = crf.state_features_

        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            crf.set_params(progress=stop).fit(X[:2], Y[:2])
        assert crf.state_features_ is before
