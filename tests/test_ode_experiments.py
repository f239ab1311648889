"""Fits of several experiments: weights, initial amounts, profiles, ranks; equations trained as a recurrent network."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pandas as pd
import pytest

from fastcore.ode import Experiment, ExpressionSystem, euler_rnn, fit, solve
from fastcore.reactions import ReactionNetwork

from .test_ode import COMPETITION, DATA, START, TIMES

DECAY = ReactionNetwork("A -> B @ k; k = 0.5")
T = np.array([0.0, 1, 2, 4])
SEEN = {"A": [100.0, 61, 36, 13]}


class TestWeights:
    def test_a_weight_of_two_is_the_same_point_twice(self, backend):
        twice = fit(DECAY, [0, 1, 1, 2, 4], {"A": [100, 61, 61, 36, 13]}, x0=[100, 0])
        weighed = fit(DECAY, T, SEEN, x0=[100, 0], weights={"A": [1, 2, 1, 1]})
        assert weighed.params["k"] == pytest.approx(twice.params["k"], rel=1e-8)
        assert weighed.sse == pytest.approx(twice.sse, rel=1e-8)
        # Residuals are in units of the data.
        assert weighed.residuals["A"][1] == pytest.approx(twice.residuals["A"][1], rel=1e-6)

    def test_nothing_is_missing(self, backend):
        nothing = fit(DECAY, T, {"A": [100, 1e6, 36, 13]}, x0=[100, 0], weights={"A": [1, 0, 1, 1]})
        missing = fit(DECAY, T, {"A": [100, np.nan, 36, 13]}, x0=[100, 0])
        assert nothing.params == missing.params and nothing.dof == missing.dof == 2
        assert np.isnan(nothing.residuals["A"][1])

    def test_errors_of_their_own_size(self):
        """Measurements of sizes that differ a hundredfold: weights 1 / sigma**2 make standard errors right."""
        rng = np.random.default_rng(0)
        t, sigma = np.linspace(0, 4, 12), np.tile([0.05, 5.0], 6)
        truth = 100 * np.exp(-0.5 * t)
        plain, weighed = [], []
        for _ in range(60):
            data = {"A": truth + sigma * rng.normal(size=12)}
            plain.append(fit(DECAY, t, data, x0=[100, 0], rtol=1e-6).params["k"])
            found = fit(DECAY, t, data, x0=[100, 0], weights=pd.DataFrame({"A": sigma**-2}), rtol=1e-6)
            weighed.append((found.params["k"] - 0.5) / found.stderr["k"])
        assert np.std(plain) > 0.005
        assert 0.5 < np.std(weighed) < 1.6  # t with 11 degrees of freedom: 1.1, five standard deviations

    @pytest.mark.parametrize(
        ("weights", "error", "words"),
        [
            ([1, 2, 3, 4], TypeError, "weights must map species to weights"),
            ({"B": 1}, ValueError, "weights must name species of the data"),
            ({"A": -1}, ValueError, "weights must not be negative"),
            ({"A": [1, 2]}, ValueError, r"weights\['A'\] must have shape \(4,\)"),
            ({"A": math.nan}, ValueError, r"weights\['A'\] must not hold NaN"),
            ({"A": 0}, ValueError, "at least 1 observations"),
        ],
    )
    def test_bad_weights(self, weights, error, words):
        with pytest.raises(error, match=words):
            fit(DECAY, T, SEEN, x0=[100, 0], weights=weights)


class TestExperiments:
    NETWORK = ReactionNetwork("A -> B @ k*exp(-e*cold); B -> A @ r; k = 1; e = 1; r = 0.1; cold = 0")

    def data(self):
        t = np.linspace(0, 5, 9)
        made = []
        for x0, cold in ((10, 0), (20, 0), (10, 2)):
            params = {"k": 0.8, "e": 0.7, "r": 0.2, "cold": cold}
            sol = solve(self.NETWORK, [x0, 0], (0, 5), t, params=params, rtol=1e-10)
            made.append(Experiment(t, {"B": sol["B"]}, {"A": x0}, {"cold": cold} if cold else None))
        return made

    def test_parameters_that_no_single_one_determines(self, backend):
        found = fit(self.NETWORK, experiments=self.data(), free=["k", "e", "r"], start={"k": 1.5, "e": 1.2, "r": 0.1})
        assert found.params == pytest.approx({"k": 0.8, "e": 0.7, "r": 0.2}, rel=1e-5)
        assert found.success and found.dof == 24 and len(found.residuals) == 3
        np.testing.assert_allclose(found.solve([5], experiment=1)["B"], 2 * found.solve([5])["B"], rtol=1e-6)
        assert found.solve([5], experiment=2)["B"][0] < found.solve([5])["B"][0]
        assert len(found.plot(experiment=2).get_lines()) == 3
        assert pickle.loads(pickle.dumps(found)).solve([5], 2)["B"] == found.solve([5], 2)["B"]
        with pytest.raises(ValueError, match="experiment must be between 0 and 2"):
            found.solve([5], experiment=3)

    def test_one_is_as_without(self, backend):
        alone = fit(DECAY, T, SEEN, x0=[100, 0])
        listed = fit(DECAY, experiments=[Experiment(T, SEEN, [100, 0])])
        assert alone.params == listed.params and alone.stderr == listed.stderr

    def test_a_hill_function_that_begins_at_nothing(self, backend):
        system = ReactionNetwork("0 -> X @ v / (1 + (Y/K)**n); X -> 0 @ 1; 0 -> Y @ X; Y -> 0 @ 0.5; v=20; K=5; n=2")
        t = np.linspace(0, 10, 21)
        data = solve(system, [0, 0], (0, 10), t, rtol=1e-10)
        found = fit(system, t, {"X": data["X"]}, x0=[0, 0], start={"v": 10, "K": 8, "n": 1.3})
        assert found.params == pytest.approx({"v": 20, "K": 5, "n": 2}, rel=1e-5) and found.success

    def test_halves_are_the_whole(self, backend):
        whole = fit(DECAY, T, SEEN, x0=[100, 0])
        halves = [
            Experiment(T[:2], {"A": SEEN["A"][:2]}, [100, 0]),
            Experiment(T[2:], {"A": SEEN["A"][2:]}, [100, 0], t0=0),
        ]
        found = fit(DECAY, experiments=halves)
        assert found.params["k"] == pytest.approx(whole.params["k"], rel=1e-7)
        assert found.stderr["k"] == pytest.approx(whole.stderr["k"], rel=1e-5)
        for log in (False, True):
            again = fit(DECAY, T, SEEN, x0=[100, 0], log=log)
            assert again.params["k"] == pytest.approx(whole.params["k"], rel=1e-6)
            assert again.stderr["k"] == pytest.approx(whole.stderr["k"], rel=1e-4)

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"experiments": []}, ValueError, "experiments must hold at least one"),
            ({"experiments": [3]}, TypeError, "experiments must hold Experiment, got int"),
            ({"experiments": 3}, TypeError, "experiments must be a list of Experiment"),
            ({"experiments": [Experiment(T, SEEN, [1])]}, ValueError, r"experiments\[0\]: x0 must have shape"),
            (
                {"experiments": [Experiment(T, {"Q": T}, [1, 0])]},
                ValueError,
                r"experiments\[0\]: data must name species",
            ),
            (
                {"experiments": [Experiment(T, SEEN, [1, 0], {"k": 1})]},
                ValueError,
                "params must name parameters that aren't",
            ),
            ({"experiments": [Experiment(T, SEEN, [1, 0])], "t": T}, TypeError, "t must be given in the experiments"),
            ({"data": SEEN}, TypeError, "t must be given, or experiments"),
            ({"t": T}, TypeError, "data must be given, or experiments"),
        ],
    )
    def test_bad_experiments(self, options, error, words):
        with pytest.raises(error, match=words):
            fit(DECAY, **options)


class TestInitialAmounts:
    def test_found_with_the_rate(self, backend):
        exact = {"A": 80 * np.exp(-0.7 * T)}
        found = fit(DECAY, T, exact, x0=[50, 0], free=["k", "A"])
        assert found.params == pytest.approx({"k": 0.7, "A": 80}, rel=1e-6)
        assert found.x0.tolist() == [found.params["A"], 0] and found.success
        assert found.solve([0, 1])["A"] == pytest.approx(80 * np.exp(-0.7 * np.array([0, 1])), rel=1e-5)
        assert found.equations()[0].startswith("dA/dt = -0.7*A")

    def test_against_a_straight_line(self, backend):
        """A constant source: amounts are a line whose errors are known."""
        source = ReactionNetwork("0 -> A @ a; a = 1; A = 1")
        y = np.array([1.0, 3.2, 4.9, 9.1])
        found = fit(source, T, {"A": y}, free=["a", "A"], log=False)
        design = np.stack([T, np.ones(4)], axis=1)
        best, sse = np.linalg.lstsq(design, y)[:2]
        assert [found.params["a"], found.params["A"]] == pytest.approx(best.tolist(), rel=1e-6)
        np.testing.assert_allclose(found.covariance, sse[0] / 2 * np.linalg.inv(design.T @ design), rtol=1e-5)

    def test_a_start_that_depends_on_parameters(self, backend):
        network = ReactionNetwork("A -> B @ k; k = 0.5; n = 100; A = n - B; B = 0")
        exact = {"A": 80 * np.exp(-0.7 * T)}
        found = fit(network, T, exact, free=["k", "n"], start={"n": 60})
        assert found.params == pytest.approx({"k": 0.7, "n": 80}, rel=1e-6)
        # A given amount goes before the expression, and then nothing depends on n.
        own = fit(network, T, exact, free=["k", "n", "A"], start={"A": 60})
        assert own.params["A"] == pytest.approx(80, rel=1e-6)
        assert own.stderr["n"] == math.inf and own.stderr["k"] < 1e-3


class TestRank:
    def test_fewer_observations_than_parameters(self, backend):
        with pytest.warns(RuntimeWarning, match=r"3 observations for 6 free parameters: at most 3 .* \(the rank\)"):
            found = fit(
                COMPETITION, [0, 10, 20], {"X1": [np.nan, 165, 250], "X2": [np.nan, np.nan, 285]}, x0=[100, 150]
            )
        assert found.dof == -3 and found.sse < 1e-6 and all(math.isinf(error) for error in found.stderr.values())
        with pytest.raises(ValueError, match="a profile needs more observations"):
            found.profile("r1")

    def test_start_outside_the_bounds(self):
        with pytest.raises(
            ValueError, match=r"bounds\['k'\] must be low < high around the start, 0.5, .* got \(1.0, 2.0\)"
        ):
            fit(DECAY, T, SEEN, x0=[100, 0], bounds={"k": (1, 2)})


class TestProfile:
    def test_a_line_has_its_own_interval(self, backend):
        """Where the model is linear, the profile is a parabola and the interval that of `confint`."""
        source = ReactionNetwork("0 -> A @ a; a = 1; A = 1")
        found = fit(source, T, {"A": [1.0, 3.2, 4.9, 9.1]}, free=["a", "A"], log=False)
        profile = found.profile("a")
        assert profile.interval == pytest.approx(found.confint()["a"], rel=1e-4)
        parabola = found.sse + ((profile.values - found.params["a"]) / found.stderr["a"]) ** 2 * found.sse / found.dof
        np.testing.assert_allclose(profile.sse, parabola, rtol=1e-4)
        assert (np.diff(profile.values) > 0).all() and profile.params.shape == (len(profile.values), 2)

    def test_competition(self):
        found = fit(COMPETITION, TIMES, DATA, x0=[100, 150], start=START)
        profile = found.profile("r1", level=0.9)
        low, high = profile.interval
        assert low < found.params["r1"] < high and "r1" in repr(profile)
        assert profile.interval == pytest.approx(found.confint(0.9)["r1"], rel=0.05)
        at_end = COMPETITION.with_params({"r1": low})
        start = {name: value for name, value in found.params.items() if name != "r1"}
        refit = fit(at_end, TIMES, DATA, x0=[100, 150], free=list(start), start=start)
        assert refit.sse == pytest.approx(profile.threshold, rel=1e-3)

    def test_what_isnt_determined_has_no_end(self, backend):
        network = ReactionNetwork("A -> 0 @ a*b; a = 1; b = 0.5")
        found = fit(network, [0, 1, 2, 3], {"A": [10, 6, 4, 2.2]}, x0={"A": 10})
        assert found.profile("a").interval == (0, math.inf)
        bounded = fit(network, [0, 1, 2, 3], {"A": [10, 6, 4, 2.2]}, x0={"A": 10}, bounds={"a": (0.2, 3)})
        assert bounded.profile("a").interval == pytest.approx((0.2, 3), rel=1e-9)

    def test_one_parameter(self, backend):
        found = fit(DECAY, T, SEEN, x0=[100, 0])
        assert found.profile("k").interval == pytest.approx(found.confint()["k"], rel=0.02)
        for options, words in (
            ({"name": "q"}, "name must be one of"),
            ({"level": 2}, "level must be"),
            ({"n": 0}, "n must be"),
        ):
            with pytest.raises(ValueError, match=words):
                found.profile(**{"name": "k", **options})


class TestEulerRNN:
    def test_the_best_of_the_recursion(self, backend):
        """Euler's steps of 1/2: x times (1 - k/2)**2 a unit of time."""
        found = euler_rnn(DECAY, [0, 1], {"A": [100, 49]}, x0=[100, 0], step=0.5, learning_rate=0.01, n_iterations=300)
        assert found.params["k"] == pytest.approx(0.6, abs=1e-3) and found.sse < 0.02
        assert found.losses.shape == (301,) and found.losses[0] == pytest.approx((100 * 0.75**2 - 49) ** 2)
        assert repr(found).startswith("TrainedRNN(k=0.")

    def test_as_fit_by_the_same_steps(self):
        """`fit` with Euler's steps finds the same minimum, and better with the true solution."""
        options = {"x0": [100, 150], "start": {**COMPETITION.params}}
        same = fit(COMPETITION, TIMES, DATA, method="euler", step=1.0, **options)
        trained = euler_rnn(COMPETITION, TIMES, DATA, learning_rate=1e-5, n_iterations=1500, **options)
        assert trained.losses[0] > trained.sse > 0.999 * same.sse
        assert solve(COMPETITION, [100, 150], (0, 42), TIMES, method="euler", step=1, params=same.params).x[-1] == (
            pytest.approx(same.solve(TIMES).x[-1], rel=1e-12)
        )

    def test_steps_that_overflow_are_taken_back(self):
        network = ReactionNetwork("2 A -> 3 A @ a; a = 1e-3")
        found = euler_rnn(network, [0, 5], {"A": [100, 120]}, x0=[100], learning_rate=1e3, n_iterations=40)
        assert found.sse <= found.losses[0] and np.isnan(found.losses).any()

    def test_a_start_below_zero(self):
        """As a rate of change may have it."""
        growth = ExpressionSystem("x' = a*x; a = -1")
        found = euler_rnn(growth, [0, 1, 2], {"x": [100, 61, 36]}, x0=[100], step=0.1, learning_rate=0.01,
                          n_iterations=300)  # fmt: skip
        assert abs(found.params["a"] + 0.51) < 0.02 and found.sse < 2

    def test_progress_and_bad_input(self):
        calls = []
        euler_rnn(DECAY, T, SEEN, x0=[100, 0], n_iterations=3, progress=lambda *done: calls.append(done))
        assert calls == [(1, 3), (2, 3), (3, 3)]
        with pytest.raises(ValueError, match="begin nearer, or shorten step"):
            euler_rnn(ReactionNetwork("2 A -> 3 A @ a; a = 1e3"), [0, 50], {"A": [1, 2]}, x0=[100])
        with pytest.raises(ValueError, match="data must hold at least 1 observation, got 0"):
            euler_rnn(DECAY, T, {"A": np.full(len(T), np.nan)}, x0=[100, 0])
        for options, words in (
            ({"step": 0}, "step must be"),
            ({"step": 1e-300}, "at most 10,000,000 steps"),
            ({"n_iterations": 0}, "n_iterations must be"),
            ({"learning_rate": -1}, "learning_rate must be"),
        ):
            with pytest.raises(ValueError, match=words):
                euler_rnn(DECAY, T, SEEN, x0=[100, 0], **options)


class TestEdgesOfFits:
    T = np.arange(6.0)
    DATA = 100 * np.exp(-0.5 * T) * (1 + 0.01 * np.random.default_rng(0).standard_normal(6))
    FREE = ReactionNetwork("A -> 0 @ k; k = 1")

    @pytest.mark.parametrize("rate", ["k1*k2", "k1/k2", "k1+k2"])
    @pytest.mark.parametrize("options", [{"log": True}, {"log": False}])
    def test_profiles_of_what_nothing_determines(self, rate, options):
        found = fit(ReactionNetwork(f"A -> 0 @ {rate}; k1 = 1; k2 = 1"), self.T, {"A": self.DATA}, x0=[100], **options)
        for reach in (1e3, 1e6):
            low, high = found.profile("k1", reach=reach).interval
            assert high == np.inf and low <= 1e-12

    @pytest.mark.parametrize("start", [{"k": 0.3, "A": 0}, {"k": 2, "A": 0}, {"k": 1, "A": 1}])
    def test_amounts_and_constants_stop_at_nothing(self, start):
        found = fit(self.FREE, self.T, {"A": self.DATA}, x0=[start["A"]], start=start, free=["k", "A"], log=False)
        assert found.success and found.params == pytest.approx({"k": 0.4998, "A": 100.09}, rel=1e-3)

    def test_parameters_far_from_wide_bounds_do_not_stand_there(self):
        for bounds in ((0, 1e6), (0.499, 1e6), (-1e9, 0.51), np.array([0.0, 0.6])):
            found = fit(
                self.FREE, self.T, {"A": self.DATA}, x0=[100], log=False, bounds={"k": bounds}, start={"k": 0.505}
            )
            assert found.success and "bound" not in found.message
        near = fit(self.FREE, self.T, {"A": self.DATA}, x0=[100], start={"k": 0.0005})
        assert near.success and near.params["k"] == pytest.approx(0.4994, rel=1e-3)
        short = fit(self.FREE, self.T, {"A": self.DATA}, x0=[100], start={"k": 0.0004})
        assert not short.success and "k ended at a bound of start / 1000" in short.message

    @pytest.mark.parametrize("unit", [1e-12, 1e-6, 1e6])
    def test_units_of_amounts(self, unit):
        plain = fit(self.FREE, self.T, {"A": self.DATA}, x0=[100])
        for weights in (None, {"A": unit**-2}):
            found = fit(self.FREE, self.T, {"A": unit * self.DATA}, x0=[100 * unit], weights=weights)
            assert found.params["k"] == pytest.approx(plain.params["k"], rel=1e-6)
            assert found.stderr["k"] == pytest.approx(plain.stderr["k"], rel=1e-4) and found.success
