"""Deterministic solutions, sensitivities and fits."""

from __future__ import annotations

import math
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fastcore import use_backend
from fastcore.ode import Solution, _descent, equations, fit, solve
from fastcore.ode._search import starts
from fastcore.reactions import ReactionNetwork

from .helpers import memory_growth, nasty_forms

DECAY = ReactionNetwork("A -> B @ k; k = 0.5")
# x1' = r1 x1 (1 - k1 x1) - a1 x1 x2 and the mirror image.
COMPETITION = ReactionNetwork("""
    X1 -> 2 X1 @ r1; 2 X1 -> X1 @ r1 * k1; X1 + X2 -> X2 @ a1
    X2 -> 2 X2 @ r2; 2 X2 -> X2 @ r2 * k2; X1 + X2 -> X1 @ a2
    r1 = 0.1; r2 = 0.3; a1 = 1e-4; a2 = 2e-4; k1 = 0.002; k2 = 0.003
""")
TIMES = [0, 10, 15, 30, 36, 40, 42]
DATA = {"X1": [100, 165, 197, 280, 305, 318, 324], "X2": [150, 283, 290, 276, 269, 266, 264]}
# Where the source begins: all rates alike.
START = {"r1": 0.1, "r2": 0.1, "a1": 0.001, "a2": 0.001, "k1": 0.001, "k2": 0.001}
ROBERTSON = ReactionNetwork("A -> B @ 0.04; 2 B -> B + C @ 3e7; B + C -> A + C @ 1e4")
METHODS = ["dopri5", "rodas4", "auto"]


def competition(t, x):
    r1, r2, a1, a2, k1, k2 = 0.1, 0.3, 1e-4, 2e-4, 0.002, 0.003
    return [r1 * x[0] * (1 - k1 * x[0]) - a1 * x[0] * x[1], r2 * x[1] * (1 - k2 * x[1]) - a2 * x[0] * x[1]]


def same(a: Solution, b: Solution) -> bool:
    """Whether two solutions hold the same numbers to the bit."""
    if (a.sensitivities is None) != (b.sensitivities is None):
        return False
    if a.sensitivities is not None and a.sensitivities.tobytes() != b.sensitivities.tobytes():
        return False
    return a.x.tobytes() == b.x.tobytes() and np.array_equal(a.nfev, b.nfev) and np.array_equal(a.status, b.status)


class TestSolve:
    @pytest.mark.parametrize("method", METHODS)
    def test_exponential(self, backend, method):
        sol = solve(DECAY, {"A": 10}, (0, 4), method=method, rtol=1e-9)
        np.testing.assert_allclose(sol["A"], 10 * np.exp(-0.5 * sol.t), rtol=1e-8)
        np.testing.assert_allclose(sol.x.sum(axis=1), 10, rtol=1e-13)
        assert sol.status == "finished" and isinstance(sol.nfev, int)
        assert sol.t.tolist() == np.linspace(0, 4, 101).tolist()

    @pytest.mark.parametrize("method", METHODS)
    def test_logistic_with_sensitivities(self, backend, method):
        r, k, x0 = 0.7, 0.01, 5.0
        network = ReactionNetwork("X -> 2 X @ r; 2 X -> X @ r * k", params={"r": r, "k": k})
        sol = solve(network, [x0], (0, 12), method=method, rtol=1e-9, sensitivities=True)

        def exact(r, k):
            growth = np.exp(r * sol.t)
            return x0 * growth / (1 + k * x0 * (growth - 1))

        np.testing.assert_allclose(sol["X"], exact(r, k), rtol=1e-7)
        for i, (dr, dk) in enumerate([(1e-6, 0), (0, 1e-8)]):
            slope = (exact(r + dr, k + dk) - exact(r - dr, k - dk)) / (2 * (dr + dk))
            np.testing.assert_allclose(sol.sensitivities[:, 0, i], slope, rtol=1e-5, atol=1e-4)
        assert sol.params == ("r", "k") and sol.sensitivities.shape == (101, 1, 2)

    @pytest.mark.parametrize("method", METHODS)
    def test_against_scipy(self, backend, method):
        sol = solve(COMPETITION, [100, 150], (0, 42), TIMES, method=method, rtol=1e-9)
        peer = solve_ivp(competition, (0, 42), [100, 150], "DOP853", t_eval=TIMES, rtol=1e-12, atol=1e-10)
        np.testing.assert_allclose(sol.x, peer.y.T, rtol=1e-8)

    def test_published_curve(self, backend):
        """The rounded observations of the source lie within 1.1 of the curve of its parameters."""
        sol = solve(COMPETITION, [100, 150], (0, 42), TIMES)
        for name, values in DATA.items():
            assert np.abs(sol[name] - values).max() < 1.1

    @pytest.mark.parametrize("method", ["rodas4", "auto"])
    def test_robertson(self, backend, method):
        """The numbers that LSODE's documentation prints for this problem (Robertson 1966)."""
        sol = solve(ROBERTSON, {"A": 1}, (0, 4000), [0.4, 40, 4000], method=method, atol=1e-12)
        expected = [
            [9.8517e-01, 3.386e-05, 1.479e-02],
            [7.158e-01, 9.185e-06, 2.842e-01],
            [1.832e-01, 8.942e-07, 8.168e-01],
        ]
        np.testing.assert_allclose(sol.x, expected, rtol=5e-4)
        assert sol.nfev < 3000

    @pytest.mark.parametrize(("method", "order"), [("dopri5", 5), ("rodas4", 4)])
    def test_error_falls_with_the_tolerance(self, backend, method, order):
        errors, evaluations = [], []
        exact = solve_ivp(competition, (0, 42), [100, 150], "DOP853", t_eval=[42], rtol=1e-13, atol=1e-10).y[:, -1]
        for rtol in (1e-5, 1e-7, 1e-9):
            sol = solve(COMPETITION, [100, 150], (0, 42), [42], method=method, rtol=rtol)
            errors.append(np.abs(sol.x[0] / exact - 1).max())
            evaluations.append(sol.nfev)
        assert errors[0] < 1e-4 and errors[2] < 1e-8
        # A method of order p pays a factor of 100 in accuracy with 100**(1/p) in work.
        assert 0.6 < math.log(evaluations[2] / evaluations[0]) / math.log(10 ** (4 / order)) < 1.4

    def test_orders_above_two_and_volume(self, backend):
        network = ReactionNetwork("3 A + B -> C @ 2; 0 -> A @ 1; C -> 0 @ 0.1", volume=2.0)

        def slope(t, x):
            return network.rhs(x)

        for method in METHODS:
            sol = solve(network, [1.5, 2, 0.5], (0, 3), method=method, rtol=1e-9)
            peer = solve_ivp(slope, (0, 3), [1.5, 2, 0.5], "DOP853", t_eval=sol.t, rtol=1e-11, atol=1e-12)
            np.testing.assert_allclose(sol.x, peer.y.T, rtol=1e-7, atol=1e-8)

    @pytest.mark.parametrize(
        "text",
        [
            "3 A + B -> C @ a*b; 0 -> A @ a; C -> 0 @ b**2; 2 B -> A + C @ 0.3",
            # No rate has more than two amounts, nor is a program.
            "0 -> A @ a; A + B -> 2 B @ b; B -> C @ a*b; 2 C -> A @ a; A + C -> B @ 0.3; B + A -> A @ b",
        ],
    )
    @pytest.mark.parametrize("method", ["dopri5", "rodas4"])
    def test_sensitivities_against_differences(self, backend, method, text):
        network = ReactionNetwork(text, params={"a": 1.3, "b": 0.4})
        options = {"method": method, "rtol": 1e-10, "atol": 1e-12}
        sol = solve(network, [1.5, 2, 0.5], (0, 3), [1, 2, 3], sensitivities=["b", "a"], **options)
        for i, (name, value) in enumerate({"b": 0.4, "a": 1.3}.items()):
            step = 1e-4 * value
            up, down = (
                solve(network, [1.5, 2, 0.5], (0, 3), [1, 2, 3], params={name: value + d}, **options).x
                for d in (step, -step)
            )
            np.testing.assert_allclose(sol.sensitivities[..., i], (up - down) / (2 * step), rtol=1e-5, atol=1e-6)

    def test_a_parameter_of_zero_has_a_sensitivity(self, backend):
        network = ReactionNetwork("0 -> A @ a; a = 0")
        sol = solve(network, [0], (0, 2), [0, 1, 2], sensitivities=True)
        np.testing.assert_allclose(sol.sensitivities[:, 0, 0], [0, 1, 2], atol=1e-12)

    @pytest.mark.parametrize("method", ["auto", "dopri5", "dop853", "rodas4"])
    def test_any_units_of_time_from_any_start(self, backend, method):
        for unit in (1e-12, 1.0, 1e12):
            for begin in (0, 1, -3):
                span = begin * unit, (begin + 1) * unit
                sol = solve(ReactionNetwork(f"A -> 0 @ {1 / unit!r}"), {"A": 3}, span, [span[1]], method=method)
                assert sol.status == "finished" and sol["A"][0] == pytest.approx(3 / math.e, rel=1e-4)
        next_to = np.nextafter(1e12, 2e12)
        assert solve(ReactionNetwork("A -> 0 @ 1"), {"A": 3}, (1e12, next_to), [next_to], method=method)["A"] == (
            pytest.approx(3 * math.exp(1e12 - next_to), rel=1e-6)
        )

    @pytest.mark.parametrize(
        ("method", "n"),
        [("dopri5", 0.5), ("dopri5", 1.0), ("dop853", 1.5), ("dopri5", 3.0), ("rodas4", 1.5), ("rodas4", 2.0)],
    )
    def test_a_power_of_nothing_does_not_depend_on_the_power(self, backend, method, n):
        """As in a Hill function that begins without what it counts."""
        text = "0 -> X @ v / (1 + Y**n) + a**n; X -> 0 @ d; 0 -> Y @ X; v = 4; d = 1; a = 0; "
        options = {"method": method, "rtol": 1e-9, "atol": 1e-11}
        system = ReactionNetwork(text + f"n = {n}")
        sol = solve(system, [0, 0], (0, 3), [0, 1, 3], sensitivities=["n", "v"], **options)
        near = (solve(system, [0, 0], (0, 3), [0, 1, 3], params={"n": n + by}, **options).x for by in (1e-4, -1e-4))
        more, less = near
        np.testing.assert_allclose(sol.sensitivities[..., 0], (more - less) / 2e-4, rtol=2e-4, atol=1e-5)

    def test_parameter_sets_and_workers(self, backend):
        sets = np.array(list(COMPETITION.params.values())) * np.linspace(0.8, 1.2, 7)[:, None]
        options = {"params": sets, "sensitivities": ["a1"]}
        sol = solve(COMPETITION, [100, 150], (0, 42), TIMES, **options)
        assert sol.x.shape == (7, 7, 2) and sol.sensitivities.shape == (7, 7, 2, 1)
        assert sol["X1"].shape == (7, 7) and sol.status.shape == sol.nfev.shape == (7,)
        single = solve(COMPETITION, [100, 150], (0, 42), TIMES, params=sets[4], sensitivities=["a1"])
        assert sol.x[4].tolist() == single.x.tolist()
        assert sol.sensitivities[4].tolist() == single.sensitivities.tolist()
        for workers in (3, map):
            assert same(sol, solve(COMPETITION, [100, 150], (0, 42), TIMES, workers=workers, **options))
        with ThreadPoolExecutor(2) as pool:
            assert same(sol, solve(COMPETITION, [100, 150], (0, 42), TIMES, workers=pool, **options))

    @pytest.mark.parametrize("method", METHODS)
    def test_time_edges(self, backend, method):
        sol = solve(DECAY, [1, 0], (3, 3), [3, 3], method=method)
        assert sol.x.tolist() == [[1, 0], [1, 0]] and sol.status == "finished"
        assert solve(DECAY, [1, 0], (0, 1), [], method=method).x.shape == (0, 2)
        ends = solve(DECAY, [1, 0], (1, 2), [1, 1, 2, 2], method=method)
        assert ends.x[0].tolist() == ends.x[1].tolist() == [1, 0]
        assert ends.x[2].tolist() == ends.x[3].tolist()
        still = solve(DECAY, [0, 0], (0, 1e6), [1e6], method=method)
        assert still.x.tolist() == [[0, 0]]

    @pytest.mark.parametrize("method", METHODS)
    def test_blow_up_is_reported(self, backend, method):
        network = ReactionNetwork("2 X -> 3 X @ 1")  # x = 1 / (1 - t)
        with pytest.warns(RuntimeWarning, match=r"ended early: step_too_small .* before a pole") as said:
            sol = solve(network, [1], (0, 2), [0.5, 0.9, 1.5], method=method)
        assert sol.status == "step_too_small" and len(said) == 1
        np.testing.assert_allclose(sol["X"][:2], [2, 10], rtol=1e-4)
        assert np.isnan(sol["X"][2])

    def test_max_steps(self, backend):
        with pytest.warns(RuntimeWarning, match="ended early: max_steps .* more than max_steps=3 steps"):
            sol = solve(COMPETITION, [100, 150], (0, 42), max_steps=3)
        assert sol.status == "max_steps" and np.isnan(sol.x[-1]).all()

    def test_several_ends_are_one_warning(self, backend):
        network = ReactionNetwork("2 X -> 3 X @ k; k = 1")
        with pytest.warns(RuntimeWarning, match=r"of 3 solutions 2 ended early: 2 with step_too_small") as said:
            sol = solve(network, [1], (0, 2), params={"k": [1, 0.1, 2]}, sensitivities=True)
        assert sol.status.tolist() == ["step_too_small", "finished", "step_too_small"] and len(said) == 1

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("sensitivities", [False, True])
    def test_overflow_ends(self, backend, method, sensitivities):
        """An amount whose rate overflows has no slope: a status at once."""
        network = ReactionNetwork("3 X -> 4 X @ k; k = 1")
        with pytest.warns(RuntimeWarning, match="ended early: not_finite"):
            sol = solve(network, [1e200], (0, 1), [0, 1], method=method, sensitivities=sensitivities)
        assert sol.status == "not_finite" and sol.x[0, 0] == 1e200 and np.isnan(sol.x[1, 0]) and sol.nfev == 1

    def test_own_initial_state(self, backend):
        network = ReactionNetwork("A -> 0 @ 1; A = 2.5")
        assert solve(network, None, (0, 1), [0]).x.tolist() == [[2.5]]

    def test_layouts(self, backend):
        expected = solve(COMPETITION, [100.5, 150], (0, 42), [1, 5, 42])
        for name, form in nasty_forms(np.array([100.5, 150.0])):
            assert same(expected, solve(COMPETITION, form, (0, 42), [1, 5, 42])), name
        for name, form in nasty_forms(np.array([1.0, 5, 42])):
            assert same(expected, solve(COMPETITION, [100.5, 150], (0, 42), form)), name

    def test_functions(self, backend):
        sol = solve(competition, {"X1": 100, "X2": 150}, (0, 42), TIMES, rtol=1e-9)
        ours = solve(COMPETITION, [100, 150], (0, 42), TIMES, rtol=1e-9)
        np.testing.assert_allclose(sol.x, ours.x, rtol=1e-7)
        assert sol.species == ("X1", "X2") and sol.status == "finished"
        for method in METHODS:
            scaled = solve(lambda t, x, p: [-p["k"] * x[0]], [2.0], (0, 1), [1], params={"k": 3}, method=method)
            assert scaled["x0"][0] == pytest.approx(2 * math.exp(-3), rel=1e-4)

    def test_results_pickle_and_convert(self, backend):
        sol = solve(COMPETITION, [100, 150], (0, 42), TIMES, sensitivities=True)
        assert same(pickle.loads(pickle.dumps(sol)), sol)
        assert sol.to_pandas().loc[42.0, "X2"] == sol["X2"][-1]
        assert sol.to_xarray().dims == ("t", "species")
        assert repr(sol) == "Solution(7 times, species X1, X2, finished)"
        assert len(sol.plot().get_lines()) == 2
        many = solve(COMPETITION, [100, 150], (0, 42), TIMES, params={"r1": [0.1, 0.2]})
        assert many.to_pandas().index.names == ["params", "t"]
        assert many.to_xarray().dims == ("params", "t", "species")
        assert repr(many) == "Solution(2 sets of parameters, 7 times, species X1, X2, finished)"
        assert len(many.plot().get_lines()) == 4
        with pytest.raises(KeyError, match="no species 'Q'"):
            sol["Q"]

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"system": "A -> B"}, TypeError, "system must be a ReactionNetwork or a callable"),
            ({"x0": [1]}, ValueError, r"x0 must have shape \(2,\)"),
            ({"x0": [1, math.nan]}, ValueError, "x0 must not hold NaN"),
            ({"x0": [1.0, math.nan]}, ValueError, "x0 must not hold NaN"),
            ({"x0": [1.0, 1.0, 1.0]}, ValueError, r"x0 must have shape \(2,\)"),
            ({"x0": [1, math.inf]}, ValueError, "x0 must be finite"),
            ({"x0": ["a", "b"]}, TypeError, "x0 must be real numbers"),
            ({"x0": None}, ValueError, "x0 must be given"),
            ({"t_span": (0, math.nan)}, ValueError, r"t_span\[1\]"),
            ({"t_span": (2, 1)}, ValueError, "start <= end"),
            ({"t_eval": [0, 50]}, ValueError, "t_eval must lie in t_span"),
            ({"t_eval": [2, 1]}, ValueError, "t_eval must rise"),
            ({"t_eval": np.array([0.0, 50])}, ValueError, "t_eval must lie in t_span"),
            ({"t_eval": np.array([-1.0, 5])}, ValueError, "t_eval must lie in t_span"),
            ({"t_eval": np.array([0.0, 2, 1, 3])}, ValueError, "t_eval must rise"),
            ({"t_eval": np.array([0.0, math.nan, 3])}, ValueError, "t_eval must not hold NaN"),
            ({"t_eval": np.array([math.nan])}, ValueError, "t_eval must not hold NaN"),
            ({"method": "midpoint"}, ValueError, "method must be one of"),
            ({"rtol": -1}, ValueError, "rtol must be finite and at least 0"),
            ({"atol": 0}, ValueError, "atol must be finite and above 0"),
            ({"max_steps": 0}, ValueError, "max_steps must be at least 1"),
            ({"sensitivities": ["q"]}, ValueError, "sensitivities must name parameters"),
            ({"params": {"q": 1}}, ValueError, "params must name parameters"),
            ({"workers": 0}, ValueError, "workers must be at least 1"),
            ({"system": competition, "x0": None}, ValueError, "x0 must be given for a callable"),
            ({"system": competition, "x0": []}, ValueError, "at least one component"),
            ({"system": competition, "sensitivities": True}, ValueError, "sensitivities need a ReactionNetwork"),
            ({"system": lambda t, x: [1.0]}, ValueError, r"the value of f\(t, x\) must have shape \(2,\)"),
        ],
    )
    def test_bad_input(self, backend, options, error, words):
        arguments = {"system": COMPETITION, "x0": [100, 150], "t_span": (0, 42), **options}
        with pytest.raises(error, match=words):
            solve(**arguments)


class TestFunctions:
    """Right-hand sides in Python: every call ends with a status."""

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("factor", [math.nan, math.inf])
    def test_not_finite_at_once(self, method, factor):
        with pytest.warns(RuntimeWarning, match="ended early: not_finite"):
            sol = solve(lambda t, x: x * factor, [1.0], (0, 1), [0, 1], method=method)
        assert sol.status == "not_finite" and sol.nfev == 1
        assert sol.x[0, 0] == 1 and np.isnan(sol.x[1, 0])

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize(
        ("slope", "end"),
        [
            (lambda t, x: x**2, 1),  # a pole
            (lambda t, x: np.append(x[:-1] ** 2, 1.0), 1),
            (lambda t, x: x * (math.nan if t > 0.5 else 1), 0.5),
            (lambda t, x: x * 1000, 0.72),  # beyond the largest number
            (lambda t, x: -np.sqrt(x), 2.0),  # NaN below 0
        ],
    )
    def test_ends_with_a_status(self, method, slope, end):
        with pytest.warns(RuntimeWarning, match="the solution ended early") as said:
            sol = solve(slope, [1.0, 1.0], (0, 3), np.linspace(0, 3, 301), method=method)
        assert sol.status in ("step_too_small", "not_finite") and len(said) == 1
        reached = sol.t[~np.isnan(sol.x[:, 0])]
        # LSODA tries long steps, and doesn't take them back when their values are NaN.
        assert end - (0.6 if method == "auto" else 0.05) < reached[-1] < end + 0.05 and np.isnan(sol.x[-1, 0])

    @pytest.mark.parametrize("method", METHODS)
    def test_max_steps(self, method):
        with pytest.warns(RuntimeWarning, match="more than max_steps=7 steps"):
            sol = solve(lambda t, x: [x[1], -x[0]], [1, 0], (0, 100), method=method, max_steps=7)
        assert sol.status == "max_steps" and sol.nfev < 500
        assert not np.isnan(sol.x[0]).any() and np.isnan(sol.x[-1]).all()

    @pytest.mark.parametrize("method", METHODS)
    def test_own_errors_come_through(self, method):
        def slope(t, x):
            if t > 0.1:
                raise ValueError("mine")
            return -x

        with pytest.raises(ValueError, match="mine"):
            solve(slope, [1.0], (0, 1), method=method)

    @pytest.mark.parametrize("method", METHODS)
    def test_as_solve_ivp(self, method):
        """The same steps as SciPy's own driver."""
        names = {"auto": "LSODA", "dopri5": "RK45", "rodas4": "Radau"}
        times = np.array([0, 0.3, 7, 41.5, 42])
        sol = solve(competition, [100, 150], (0, 42), times, method=method)
        expected = solve_ivp(competition, (0, 42), [100, 150], names[method], t_eval=times, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(sol.x, expected.y.T, rtol=1e-12)
        assert sol.status == "finished"


class TestTwins:
    @settings(max_examples=40)
    @given(st.data())
    def test_same_steps_to_the_bit(self, data):
        n_species, n_reactions = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 5))
        side = st.lists(st.integers(0, 2), min_size=n_species, max_size=n_species)
        sides = st.lists(side, min_size=n_reactions, max_size=n_reactions)
        rates = data.draw(st.lists(st.floats(0, 10), min_size=n_reactions, max_size=n_reactions))
        network = ReactionNetwork(
            species=[f"X{i}" for i in range(n_species)],
            reactants=data.draw(sides),
            products=data.draw(sides),
            rates=[f"k{j % 2} * {rate!r} + 0 * k0 * k1" for j, rate in enumerate(rates)],
            params={"k0": 0.5, "k1": 2.0},
        )
        x0 = data.draw(st.lists(st.floats(0, 3), min_size=n_species, max_size=n_species))
        options = {
            "method": data.draw(st.sampled_from(METHODS)),
            "sensitivities": data.draw(st.booleans()),
            "rtol": data.draw(st.sampled_from([1e-3, 1e-6])),
            "max_steps": 60,
        }
        results = []
        for name in ("compiled", "reference"):
            with use_backend(name), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of statuses that aren't "finished": compared below
                results.append(solve(network, x0, (0, 2), [0, 0.3, 1.1, 2], **options))
        assert results[0].nfev == results[1].nfev and results[0].status == results[1].status
        assert same(*results)

    @pytest.mark.parametrize("n", [64, 65])
    def test_a_network_large_and_small(self, n):
        # Up to 64 reactions are computed anew for each amount that they change.
        text = "; ".join(f"X{i % 5} + X{(i + 2) % 5} -> 3 X{(i + 1) % 5} @ {0.01 + i / 1e4!r}" for i in range(n - 1))
        network = ReactionNetwork(f"{text}; X0 -> 0 @ 1")
        results = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                for method in ("dopri5", "dop853"):
                    results.append(solve(network, [1.0, 0.5, 2, 0, 1], (0, 1), np.linspace(0, 1, 5), method=method))
        assert same(results[0], results[2]) and same(results[1], results[3])

    def test_switching_to_the_stiff_method(self):
        results = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                results.append(solve(ROBERTSON, [1, 0, 0], (0, 1e3), atol=1e-12, sensitivities=True))
        assert same(*results)


class TestFit:
    def test_competition(self, backend):
        start = {name: 0.7 * value for name, value in COMPETITION.params.items()}
        found = fit(COMPETITION, TIMES, DATA, x0={"X1": 100, "X2": 150}, start=start, free=list(start))
        assert found.success
        # The source's parameters give 1.39 on these rounded data; the best are near.
        curve = solve(COMPETITION, [100, 150], (0, 42), TIMES)
        published = sum(float(((curve[name] - values) ** 2).sum()) for name, values in DATA.items())
        assert published == pytest.approx(1.39, abs=0.01)
        assert found.sse < 0.53
        for name, (low, high) in found.confint(0.99).items():
            assert low < found.params[name] < high
        assert set(found.params) == set(found.stderr) == set(COMPETITION.params)
        assert found.dof == 8
        for name, value in COMPETITION.params.items():
            assert found.params[name] == pytest.approx(value, rel=0.06)

    def test_from_the_source(self, backend):
        """The start that the source gives, an order of magnitude away and outside the basin of a plain search."""
        found = fit(COMPETITION, TIMES, DATA, x0={"X1": 100, "X2": 150}, start=START)
        assert found.success and found.sse < 0.53
        for name, value in COMPETITION.params.items():
            assert found.params[name] == pytest.approx(value, rel=0.05)

    def test_sixty_starts(self):
        """From within a factor of ten of the truth at least 59 of 60 reach the minimum, and success tells which."""
        rng = np.random.default_rng(0)
        reached = 0
        for turn in range(60):
            start = {name: value * 10 ** rng.uniform(-1, 1) for name, value in COMPETITION.params.items()}
            found = fit(COMPETITION, TIMES, DATA, x0=[100, 150], start=start, n_starts=2, rng=turn)
            assert len(found.sse_of_starts) == 2 and np.nanmin(found.sse_of_starts) == pytest.approx(found.sse)
            reached += found.sse < 0.53 and found.success
        assert reached >= 59

    def test_further_starts(self, backend):
        options = {"x0": [10, 0], "start": {"k": 3.0}, "n_starts": 4}
        first, again, other = (fit(DECAY, [0, 1, 2], {"A": [10, 6, 4]}, rng=seed, **options) for seed in (1, 1, 2))
        assert first.params == again.params and first.params == pytest.approx(other.params, rel=1e-6)
        np.testing.assert_allclose(first.sse_of_starts, first.sse, rtol=1e-6)

    def test_starts_lie_around_the_first(self):
        low, high = np.log([1e-3, 2.0]), np.log([1e3, 3.0])
        drawn = np.array(starts(np.log([1.0, 2.5]), low, high, True, 1000, np.random.default_rng(0)))
        assert drawn.shape == (1000, 2) and drawn[0].tolist() == np.log([1.0, 2.5]).tolist()
        np.testing.assert_allclose(np.exp([drawn.min(axis=0), drawn.max(axis=0)]), [[0.1, 2], [10, 3]], rtol=0.02)

    def test_a_step_too_far_is_only_a_bad_step(self, backend):
        """Trial points with a pole, a negative rate or no finite parameter shorten the step; nothing is raised."""
        t, seen = [0, 1, 2, 3], {"A": [100, 150, 300, 1500]}
        grows = ReactionNetwork("2 A -> 3 A @ a; A -> 0 @ b; a = 1e-3; b = 1e-3")  # a pole at b = 0, t = 1 / (100 a)
        found = fit(grows, t, seen, x0=[100], start={"a": 2e-3, "b": 0.1})
        assert found.sse < 1300 and found.message.startswith("b ended at a bound")
        negative = ReactionNetwork("A -> 0 @ a - b; a = 1; b = 0.9")
        found = fit(negative, t, {"A": [100, 61, 36, 22]}, x0=[100], log=False)
        assert found.params["a"] - found.params["b"] == pytest.approx(0.5043, abs=1e-3)
        overflows = ReactionNetwork("A -> 0 @ exp(a); a = 3")
        found = fit(overflows, t, {"A": [100, 61, 36, 22]}, x0=[100], log=False, bounds={"a": (-1e6, 1e6)})
        assert math.exp(found.params["a"]) == pytest.approx(0.5043, abs=1e-3)

    def test_success_means_a_minimum(self, backend):
        flat = fit(DECAY, [0, 1, 2], {"A": [10, 10, 10]}, x0=[10, 0])  # nothing decays: k = 0 is out of reach
        assert not flat.success and "k ended at a bound of start / 1000" in flat.message
        steep = fit(DECAY, [0, 1e-4, 2e-4], {"A": [10, 1, 0.1]}, x0=[10, 0])  # k = 23,026
        assert not steep.success and "k ended at a bound of start / 1000 or start * 1000" in steep.message
        asked = fit(DECAY, [0, 1, 2], {"A": [10, 10, 10]}, x0=[10, 0], bounds={"k": (0.1, 1)})
        assert asked.success and asked.message.startswith("k ended at a bound;")

    def test_a_stopped_search_is_no_success(self, monkeypatch):
        for name, value in (("_SETTLED", 0.9), ("_MOST", 1)):
            with monkeypatch.context() as patched:
                patched.setattr(_descent, name, value)
                found = fit(COMPETITION, TIMES, DATA, x0=[100, 150], start=START)
            assert not found.success and "a step would still win" in found.message

    def test_linear_scale_agrees_and_scipy_too(self):
        log = fit(COMPETITION, TIMES, DATA, x0=[100, 150])
        linear = fit(COMPETITION, TIMES, DATA, x0=[100, 150], log=False)
        for name in COMPETITION.params:
            assert linear.params[name] == pytest.approx(log.params[name], rel=1e-5)
            assert linear.stderr[name] == pytest.approx(log.stderr[name], rel=1e-4)
        from scipy.optimize import curve_fit

        def model(t, *values):
            params = dict(zip(COMPETITION.params, values))
            return solve(COMPETITION, [100, 150], (0, 42), TIMES, params=params, rtol=1e-10).x.reshape(-1)

        values = np.stack([DATA["X1"], DATA["X2"]], axis=1).reshape(-1).astype(float)
        best, covariance = curve_fit(
            model, None, values, list(COMPETITION.params.values()), x_scale="jac", method="trf"
        )
        np.testing.assert_allclose(list(log.params.values()), best, rtol=1e-4)
        np.testing.assert_allclose(list(log.stderr.values()), np.sqrt(np.diag(covariance)), rtol=1e-2)
        np.testing.assert_allclose(log.covariance, covariance, rtol=5e-2, atol=1e-3 * np.abs(covariance).max())

    def test_missing_and_unobserved(self, backend):
        chain = ReactionNetwork("A -> B @ k1; B -> C @ k2; k1 = 1; k2 = 0.3")
        t = np.linspace(0, 6, 13)
        truth = solve(chain, [10, 0, 0], (0, 6), t, rtol=1e-10, params={"k1": 0.8, "k2": 0.5})
        missing = truth["B"].copy()
        missing[3::3] = np.nan
        kept = missing.copy()
        found = fit(chain, t, {"B": missing}, x0={"A": 10})
        assert found.params == pytest.approx({"k1": 0.8, "k2": 0.5}, rel=1e-5)
        np.testing.assert_array_equal(missing, kept)
        assert np.isnan(found.residuals["B"][3::3]).all() and found.dof == 13 - 4 - 2

    def test_some_fixed_bounds_and_t0(self, backend):
        chain = ReactionNetwork("A -> B @ k1; B -> C @ k2; k1 = 0.8; k2 = 0.3")
        t = np.array([1.0, 2, 4])
        truth = solve(chain, [10, 0, 0], (0, 4), t, params={"k2": 0.5}, rtol=1e-10)
        found = fit(chain, t, {"C": truth["C"]}, x0={"A": 10}, free=["k2"], t0=0)
        assert list(found.params) == ["k2"] and found.params["k2"] == pytest.approx(0.5, rel=1e-6)
        held = fit(chain, t, {"C": truth["C"]}, x0={"A": 10}, free=["k2"], t0=0, bounds={"k2": (0.1, 0.4)})
        assert held.params["k2"] == pytest.approx(0.4, rel=1e-3)

    def test_coverage(self):
        """95 % intervals cover the truth as often as they say (200 noisy data sets, five standard deviations)."""
        rng = np.random.default_rng(4)
        t = np.linspace(0, 5, 12)
        truth = solve(DECAY, [100, 0], (0, 5), t, rtol=1e-10)["A"]
        covered = 0
        for _ in range(200):
            low, high = fit(DECAY, t, {"A": truth + rng.normal(size=12)}, x0={"A": 100}, rtol=1e-6).confint()["k"]
            covered += low < 0.5 < high
        assert abs(covered - 190) < 5 * math.sqrt(200 * 0.95 * 0.05)

    def test_undetermined_parameters_have_no_error_bars(self, backend):
        network = ReactionNetwork("A -> 0 @ a*b; a = 1; b = 0.5")
        found = fit(network, [0, 1, 2], {"A": [10, 6, 4]}, x0={"A": 10})
        assert found.stderr == {"a": math.inf, "b": math.inf}
        assert found.params["a"] * found.params["b"] == pytest.approx(0.48, abs=0.05)
        assert found.confint()["a"] == (0, math.inf)

    def test_only_what_is_undetermined_has_no_error_bars(self, backend):
        data = {"A": [10, 6, 4], "B": [5, 3.1, 1.8]}
        network = ReactionNetwork("A -> 0 @ a*b; B -> 0 @ c + 0*d; a = 1; b = 0.5; c = 1; d = 2")
        found = fit(network, [0, 1, 2], data, x0={"A": 10, "B": 5})
        alone = fit(network, [0, 1, 2], data, x0={"A": 10, "B": 5}, free=["a", "c"])
        assert found.stderr["a"] == found.stderr["b"] == found.stderr["d"] == math.inf
        assert found.stderr["c"] == pytest.approx(alone.stderr["c"] * math.sqrt(alone.dof / found.dof), rel=1e-6)
        # a and b move against one another, d with none of them.
        assert found.covariance[0, 1] == -math.inf and np.isfinite(found.covariance[2:, :3]).all()
        assert found.success and found.params["d"] == 2

    def test_results(self, backend):
        found = fit(DECAY, [0, 1, 2, 3], {"A": [100, 61, 36, 22]}, x0={"A": 100})
        assert found.equations() == ["dA/dt = -0.5043*A", "dB/dt = 0.5043*A"]
        assert found.solve([0, 1]).x.shape == (2, 2)
        assert repr(found).startswith("Fit(k=0.5043±")
        again = pickle.loads(pickle.dumps(found))
        assert again.params == found.params
        assert len(found.plot().get_lines()) == 3

    def test_equations(self):
        assert equations(COMPETITION) == [
            "dX1/dt = 0.1*X1 - 0.0002*X1**2 - 0.0001*X1*X2",
            "dX2/dt = 0.3*X2 - 0.0009*X2**2 - 0.0002*X1*X2",
        ]
        assert equations(ReactionNetwork("0 -> A @ 2; E + A -> E @ 1")) == ["dA/dt = 2 - 1*A*E", "dE/dt = 0"]

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"system": competition}, TypeError, "system must be a ReactionNetwork"),
            ({"t": [0, 2, 1]}, ValueError, "t must hold rising times"),
            ({"t": []}, ValueError, "t must hold rising times"),
            ({"t": [0, 1, math.nan]}, ValueError, "t must not hold NaN"),
            ({"data": [1, 2, 3]}, TypeError, "data must map species"),
            ({"data": {}}, ValueError, "data must hold at least one species"),
            ({"data": {"Q": [1, 2, 3]}}, ValueError, "data must name species"),
            ({"data": {"A": [1, 2]}}, ValueError, r"data\['A'\] must have shape \(3,\)"),
            ({"data": {"A": [1, 2, math.inf]}}, ValueError, r"data\['A'\] must be finite"),
            ({"data": {"A": [math.nan] * 3}}, ValueError, "at least 1 observations"),
            ({"x0": None}, ValueError, "x0 must be given"),
            ({"free": ["q"]}, ValueError, "free must name parameters"),
            ({"free": []}, ValueError, "free must name at least one"),
            ({"free": ["k", "k"]}, ValueError, "each once"),
            ({"start": {"q": 1}}, ValueError, "start must name free parameters"),
            ({"start": [1]}, TypeError, "start must be a mapping"),
            ({"start": {"k": 0}}, ValueError, r"start\['k'\] must be finite and above 0"),
            ({"start": {"k": 1e200}}, ValueError, "can be integrated"),
            ({"bounds": {"k": 3}}, ValueError, r"bounds\['k'\] must be \(low, high\)"),
            ({"bounds": {"k": (1, 2)}}, ValueError, "around the start"),
            ({"bounds": {"k": (-1, 2)}}, ValueError, "not negative with log=True"),
            ({"t0": 1}, ValueError, "t0 must be"),
        ],
    )
    def test_bad_input(self, backend, options, error, words):
        arguments = {"system": DECAY, "t": [0, 1, 2], "data": {"A": [3, 2, 1]}, "x0": {"A": 3}, **options}
        with pytest.raises(error, match=words):
            fit(**arguments)


class TestHouse:
    def test_memory_is_flat(self):
        setup = """
from fastcore.ode import solve
from fastcore.reactions import ReactionNetwork
network = ReactionNetwork("A -> B @ k; 2 B -> A @ 1; k = 2")
"""
        statement = "[solve(network, [1, 0], (0, 5), sensitivities=True, method=m) for m in ('dopri5', 'rodas4')]"
        assert memory_growth(setup, statement, 200) < 50


class TestDoors:
    def test_names(self):
        network = ReactionNetwork("A -> 0 @ k; k = 1")
        for names, message in ((3, "must be a name or a list of names, got int"), ([["k"]], "must hold str, got list")):
            with pytest.raises(TypeError, match=f"sensitivities {message}"):
                solve(network, [1], (0, 1), sensitivities=names)
            with pytest.raises(TypeError, match=f"free {message}"):
                fit(network, [0, 1, 2], {"A": [3, 2, 1]}, x0=[3], free=names)

    def test_options(self):
        network = ReactionNetwork("A -> 0 @ k; k = 1")
        with pytest.raises(TypeError, match="log must be a bool"):
            fit(network, [0, 1, 2], {"A": [3, 2, 1]}, x0=[3], log=np.ones(2))
        with pytest.raises(ValueError, match="max_steps must be between 1 and"):
            solve(network, [1], (0, 1), max_steps=10**30)
        with pytest.raises(ValueError, match="rtol must be finite"):
            solve(network, [1], (0, 1), rtol=10**400)
