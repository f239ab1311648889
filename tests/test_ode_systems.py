"""Equations as expressions, further methods, dense output, events, steady states, derivatives."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fastcore import use_backend
from fastcore.ode import (
    Event,
    ExpressionSystem,
    PolynomialSystem,
    as_scipy,
    equations,
    fit,
    jacobian,
    solve,
    steady_state,
)
from fastcore.reactions import ReactionNetwork

LORENZ = ExpressionSystem("""
    x' = sigma*(y - x)
    y' = x*(rho - z) - y
    dz/dt = x*y - beta*z
    sigma = 10; rho = 28; beta = 8/3
""")
VAN_DER_POL = ExpressionSystem("x' = v; v' = mu*(1 - x**2)*v - x; mu = 3; x = 2")
PREY = ReactionNetwork("X -> 2 X @ a; X + Y -> 2 Y @ b; Y -> 0 @ c; a = 1; b = 0.01; c = 1")


def prey(t, x):
    return [x[0] - 0.01 * x[0] * x[1], 0.01 * x[0] * x[1] - x[1]]


class TestExpressionSystem:
    def test_lorenz(self, backend):
        def slope(t, x):
            return [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]]

        sol = solve(LORENZ, [1, 1, 1], (0, 3), [0.5, 3], rtol=1e-10)
        peer = solve_ivp(slope, (0, 3), [1, 1, 1], "DOP853", t_eval=[0.5, 3], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(sol.x, peer.y.T, rtol=1e-6)
        np.testing.assert_allclose(LORENZ.rhs([1, 2, 3]), slope(0, [1, 2, 3]), rtol=1e-15)
        assert repr(LORENZ) == "ExpressionSystem(x, y, z)" and LORENZ.species == ("x", "y", "z")
        assert equations(LORENZ)[0] == "dx/dt = 10*(y - x)"

    @pytest.mark.parametrize("method", ["auto", "rodas4"])
    def test_van_der_pol(self, backend, method):
        """Negative values, a start of its own, and sensitivities against differences."""
        sol = solve(VAN_DER_POL, None, (0, 6), [1, 6], method=method, rtol=1e-9, sensitivities=True)
        up, down = (
            solve(VAN_DER_POL, None, (0, 6), [1, 6], method=method, rtol=1e-10, params={"mu": 3 + d}).x
            for d in (1e-4, -1e-4)
        )
        np.testing.assert_allclose(sol.sensitivities[..., 0], (up - down) / 2e-4, rtol=1e-4, atol=1e-5)
        assert sol.x.min() < 0 and VAN_DER_POL.x0 == {"x": 2, "v": 0}

    def test_twins_take_the_same_steps(self):
        found = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                found.append(solve(VAN_DER_POL, None, (0, 2), sensitivities=True))
        assert found[0].x.tobytes() == found[1].x.tobytes() and found[0].nfev == found[1].nfev
        assert found[0].sensitivities.tobytes() == found[1].sensitivities.tobytes()

    def test_constants_time_and_mappings(self, backend):
        system = ExpressionSystem({"x": "-k", "y": "2*t", "z": "y"}, params={"k": 3})
        sol = solve(system, [0, 0, 0], (0, 2), [2], rtol=1e-10)
        np.testing.assert_allclose(sol.x, [[-6, 4, 8 / 3]], rtol=1e-9)
        assert system.with_params({"k": 1}).params == {"k": 1}
        assert pickle.loads(pickle.dumps(system)).params == {"k": 3}
        assert equations(system) == ["dx/dt = -3", "dy/dt = 2*t", "dz/dt = y"]

    def test_fits(self, backend):
        decay = ExpressionSystem("x' = -k*x; k = 1; x = 100")
        found = fit(decay, [0, 1, 2, 3], {"x": [100, 61, 36, 22]})
        assert found.params["k"] == pytest.approx(0.5043, abs=1e-4)
        assert found.equations() == ["dx/dt = -0.5043*x"]

    @pytest.mark.parametrize(
        ("text", "error", "words"),
        [
            (3, TypeError, "equations must be a str or a mapping, got int"),
            ("", ValueError, "equations must hold at least one"),
            ("k = 3", ValueError, "equations must hold at least one"),
            ("x' =", ValueError, 'line 1: expected "x\' = expression"'),
            ("y' = 1\nx'' = -x", ValueError, "line 2: equations must be of the first order"),
            ("x' = 1\nA -> B @ 1", ValueError, "line 2: expected"),
            ("x' = y", ValueError, "names 'y', which has no value"),
            ("x' = 1; x' = 2", ValueError, "equations must give 'x' one right-hand side, got 2"),
            ({"x": 3}, TypeError, "equations must map names to expressions"),
            ({"2x": "1"}, TypeError, "equations must map names to expressions"),
            ("x' = q(x)", ValueError, r"'q\(' is not allowed"),
        ],
    )
    def test_bad_equations(self, text, error, words):
        with pytest.raises(error, match=words):
            ExpressionSystem(text)


class TestPolynomialSystem:
    def test_many_terms(self):
        # Longer than a text that anybody writes.
        exponents = np.eye(30, dtype=int)[:, None] + np.eye(30, dtype=int)
        coefficients = np.random.default_rng(0).normal(size=(30, 900))
        x = np.linspace(0.5, 1, 30)
        system = PolynomialSystem(coefficients, exponents.reshape(900, 30))
        np.testing.assert_allclose(system.rhs(x), coefficients @ np.outer(x, x).ravel(), rtol=1e-10)

    def test_right_hand_side_and_derivatives(self, backend):
        """Against the definition, at values of both signs, of terms with up to four variables."""
        rng = np.random.default_rng(0)
        exponents = rng.integers(0, 4, (7, 4))
        exponents[0] = 0
        coefficients = rng.normal(size=(4, 7)) * (rng.random((4, 7)) < 0.7)
        coefficients[2] = 0
        system = PolynomialSystem(coefficients, exponents)
        assert system.species == ("x0", "x1", "x2", "x3")
        for x in rng.normal(size=(5, 4)):
            terms = (x**exponents).prod(axis=1)
            np.testing.assert_allclose(system.rhs(x), coefficients @ terms, rtol=1e-12, atol=1e-13)
            slopes = np.stack([exponents[:, j] * terms / x[j] for j in range(4)], axis=1)
            np.testing.assert_allclose(jacobian(system, x), coefficients @ slopes, rtol=1e-11, atol=1e-12)

    def test_solution_and_sensitivities_are_those_of_the_network(self, backend):
        system = PolynomialSystem(
            [["a", "-b", 0], [0, "b", "-c"]], [[1, 0], [1, 1], [0, 1]], species=["X", "Y"], params=PREY.params
        )
        ours, theirs = (
            solve(s, {"X": 50, "Y": 100}, (0, 5), [1, 5], rtol=1e-10, sensitivities=["a", "b", "c", "X"])
            for s in (system, PREY)
        )
        np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-8)
        np.testing.assert_allclose(ours.sensitivities, theirs.sensitivities, rtol=1e-6)
        found = fit(system, [1, 5], {"X": theirs["X"], "Y": theirs["Y"]}, x0=[50, 100], t0=0, free=["a", "b"])
        assert found.params["b"] == pytest.approx(0.01, rel=1e-5)

    def test_parameters(self):
        system = PolynomialSystem([["2*k"]], [[1]], params={"k": 1.5})
        other = pickle.loads(pickle.dumps(system.with_params({"k": 2})))
        assert repr(other) == "PolynomialSystem(x0)" and other.params == {"k": 2}
        assert other.exponents.tolist() == [[1]] and system.params == {"k": 1.5}
        assert jacobian(other, [3]).tolist() == [[4]] and system.rhs([1]).tolist() == [3]

    @pytest.mark.parametrize(
        "arguments, error, words",
        [
            (([[1, 2]], [[1]]), ValueError, r"coefficients must have shape \(1, 1\) to match exponents \(1, 1\)"),
            (([[1], [2]], [[1]]), ValueError, r"coefficients must have shape \(1, 1\)"),
            (([[1]], [[1.0]]), TypeError, "exponents must be integers"),
            (([[1]], [[-1]]), ValueError, "exponents"),
            (([[1]], [1]), ValueError, "exponents must have 2 dimensions"),
            (([[math.nan]], [[1]]), ValueError, "coefficients must be finite"),
            (([[None]], [[1]]), TypeError, "coefficients must be a number"),
            (([1], [[1]]), TypeError, "coefficients must be lists"),
            ((3, [[1]]), TypeError, "coefficients must be a list of lists"),
            (([["2*x0"]], [[1]]), ValueError, r"numbers or expressions of parameters, got '2\*x0'"),
            (([["2*"]], [[1]]), ValueError, "coefficients: "),
            (([["k"]], [[1]]), ValueError, "names 'k', which has no value"),
        ],
    )
    def test_refused(self, arguments, error, words):
        with pytest.raises(error, match=words):
            PolynomialSystem(*arguments)

    def test_names(self):
        with pytest.raises(ValueError, match="species must name the 1 variables"):
            PolynomialSystem([[1]], [[1]], species=["a", "b"])
        with pytest.raises(ValueError, match="species must be different names"):
            PolynomialSystem([[1], [1]], [[1, 1]], species=["a", "a"])


class TestMethods:
    def test_dop853(self, backend):
        times = np.linspace(0, 12, 13)
        exact = solve_ivp(prey, (0, 12), [50, 100], "DOP853", t_eval=times, rtol=1e-13, atol=1e-11).y.T
        work = []
        for rtol in (1e-6, 1e-9):
            sol = solve(PREY, [50, 100], (0, 12), times, method="dop853", rtol=rtol)
            assert np.abs(sol.x / exact - 1).max() < 100 * rtol
            work.append(sol.nfev)
        # Order 8: three digits more cost 10**(3 / 8) of the work.
        assert 1.5 < work[1] / work[0] < 3.5

    @pytest.mark.parametrize(("method", "order"), [("euler", 1), ("rk4", 4)])
    def test_fixed_steps_have_their_order(self, backend, method, order):
        times = [0.37, 1.5, 2.0]  # between steps, at one, at the end
        exact = solve_ivp(prey, (0, 2), [50, 100], "DOP853", t_eval=times, rtol=1e-13, atol=1e-12).y.T
        errors = []
        for step in (0.1, 0.05):
            sol = solve(PREY, [50, 100], (0, 2), times, method=method, step=step)
            errors.append(np.abs(sol.x - exact).max(axis=1))
            assert sol.nfev == 1 + round(2 / step) * (4 if method == "rk4" else 1)
        assert np.all(np.abs(np.log2(errors[0] / errors[1]) - order) < 0.75)

    def test_euler_by_hand(self, backend):
        sol = solve(ReactionNetwork("A -> 0 @ 0.5"), [8], (0, 2.5), [0, 1, 1.5, 2, 2.5], method="euler", step=1)
        assert sol["A"].tolist() == [8, 4, 3, 2, 1.5]
        own = solve(lambda t, x: -0.5 * x, [8], (0, 2.5), [0, 1, 1.5, 2, 2.5], method="euler", step=1)
        assert own.x.tolist() == sol.x.tolist()

    def test_functions_take_the_same_fixed_steps(self):
        for method in ("euler", "rk4"):
            ours = solve(PREY, [50, 100], (0, 2), [0.33, 2], method=method, step=0.05).x
            theirs = solve(prey, [50, 100], (0, 2), [0.33, 2], method=method, step=0.05).x
            np.testing.assert_allclose(theirs, ours, rtol=1e-12)
        peer = solve_ivp(prey, (0, 2), [50, 100], "DOP853", t_eval=[2], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(solve(prey, [50, 100], (0, 2), [2], method="dop853").x, peer.y.T, rtol=1e-12)

    @pytest.mark.parametrize("method", ["dop853", "euler", "rk4"])
    def test_twins_agree_to_the_bit(self, method):
        found = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                found.append(solve(PREY, [50, 100], (0, 3), [0.2, 1, 3], method=method, sensitivities=["b", "X"]))
        assert found[0].x.tobytes() == found[1].x.tobytes()
        assert found[0].sensitivities.tobytes() == found[1].sensitivities.tobytes()
        assert found[0].nfev == found[1].nfev

    @pytest.mark.parametrize("method", ["dop853", "euler", "rk4"])
    def test_every_call_ends(self, backend, method):
        with pytest.warns(RuntimeWarning, match="max_steps"):
            assert solve(PREY, [50, 100], (0, 12), [12], method=method, max_steps=3).status == "max_steps"
        pole = ReactionNetwork("2 X -> 3 X @ 1")
        with pytest.warns(RuntimeWarning, match="ended early"):
            sol = solve(pole, [1], (0, 20), [0.5, 20], method=method)
        assert sol.status in ("step_too_small", "not_finite") and np.isnan(sol.x[1, 0])
        with pytest.warns(RuntimeWarning, match="ended early"):
            assert solve(pole, [1e200], (0, 1), [1], method=method).status == "not_finite"
        assert solve(PREY, [50, 100], (1, 1), [1], method=method).status == "finished"

    def test_tolerances_by_species(self, backend):
        loose, tight = (
            solve(PREY, [50, 100], (0, 4), rtol=0, atol=atol).nfev for atol in ([1, 1], {"Y": 1e-7, "X": 1})
        )
        assert tight > 3 * loose
        same = [solve(PREY, [50, 100], (0, 4), rtol=0, atol=atol).nfev for atol in (1e-5, [1e-5, 1e-5])]
        assert same[0] == same[1]

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"atol": [1e-3]}, ValueError, r"atol must have shape \(2,\)"),
            ({"atol": [1e-3, 0]}, ValueError, "atol must be above 0"),
            ({"atol": {"X": 1e-3}}, ValueError, "atol must"),
            ({"step": 0.1}, ValueError, "step must be None for 'auto'"),
            ({"method": "euler", "step": 0}, ValueError, "step must be finite and above 0"),
            ({"events": 3}, TypeError, "events must be an Event"),
            ({"events": [3]}, TypeError, r"events\[0\] must be an expression or a function"),
            ({"events": "Q - 1"}, ValueError, r"events\[0\] must name species or parameters"),
            ({"events": "X -"}, ValueError, "not an arithmetic expression"),
            ({"events": Event("X - 1", direction=2)}, ValueError, r"events\[0\].direction must be between -1 and 1"),
            ({"events": Event("X - 1", terminal=1)}, TypeError, r"events\[0\].terminal must be a bool"),
            ({"events": "X - 1", "params": {"a": [1, 2]}}, ValueError, "events need one set of parameters"),
        ],
    )
    def test_bad_input(self, options, error, words):
        with pytest.raises(error, match=words):
            solve(PREY, [50, 100], (0, 1), **options)


class TestStart:
    def test_sensitivities_for_the_initial_state(self, backend):
        options = {"t_span": (0, 4), "t_eval": [1, 4], "rtol": 1e-9}
        sol = solve(PREY, [50, 100], sensitivities=["Y", "b", "X"], **options)
        assert sol.params == ("Y", "b", "X")
        for i, change in ((0, [0, 1e-2]), (2, [1e-2, 0])):
            up, down = (solve(PREY, np.array([50, 100]) + sign * np.array(change), **options).x for sign in (1, -1))
            np.testing.assert_allclose(sol.sensitivities[..., i], (up - down) / 2e-2, rtol=1e-4, atol=1e-5)
        alone = solve(PREY, [50, 100], sensitivities=["b"], **options)
        np.testing.assert_allclose(sol.sensitivities[..., 1], alone.sensitivities[..., 0], rtol=1e-6)
        still = ReactionNetwork("A -> 0 @ k; k = 2")  # an amount of 0 has one too
        zero = solve(still, [0], (0, 1), [1], sensitivities=["A"], rtol=1e-9)
        assert zero.sensitivities[0, 0, 0] == pytest.approx(math.exp(-2), rel=1e-7)

    def test_several_sets(self, backend):
        sets = {"b": [0.01, 0.02]}
        sol = solve(PREY, [50, 100], (0, 1), [1], params=sets, sensitivities=["Y", "b"])
        one = solve(PREY, [50, 100], (0, 1), [1], params={"b": 0.02}, sensitivities=["Y", "b"])
        assert sol.sensitivities[1].tolist() == one.sensitivities.tolist()


class TestDense:
    @pytest.mark.parametrize("method", ["auto", "dop853", "rodas4", "rk4"])
    def test_other_times(self, backend, method):
        asked = np.array([3.3, 0, 1.1, 3.3])
        sol = solve(PREY, [50, 100], (0, 4), [4], method=method)
        wanted = solve(PREY, [50, 100], (0, 4), [0, 1.1, 3.3], method=method).x
        assert sol(asked).tolist() == wanted[[2, 0, 1, 2]].tolist()
        assert sol(1.1).tolist() == wanted[1].tolist() and sol([]).shape == (0, 2)
        many = solve(PREY, [50, 100], (0, 4), [4], method=method, params={"b": [0.01, 0.02]})
        assert many(1.1).shape == (2, 2) and many(1.1)[0].tolist() == wanted[1].tolist()
        assert pickle.loads(pickle.dumps(sol))(1.1).tolist() == wanted[1].tolist()
        with pytest.raises(ValueError, match=r"t must lie in \(0.0, 4.0\)"):
            sol(5)

    def test_functions(self):
        sol = solve(prey, [50, 100], (0, 4), [4])
        np.testing.assert_allclose(sol(1.1), solve(PREY, [50, 100], (0, 4), rtol=1e-9)(1.1), rtol=1e-4)
        with pytest.raises(ValueError, match="solve it again"):
            pickle.loads(pickle.dumps(sol))(1)


class TestEvents:
    def test_half_life(self, backend):
        decay = ReactionNetwork("A -> B @ k; k = 0.5")
        sol = solve(decay, [8, 0], (0, 10), events=["A - 4", "A - 2*B", Event("B - A", direction=-1)], rtol=1e-10)
        assert sol.t_events[0] == pytest.approx([2 * math.log(2)], rel=1e-9)
        assert sol.t_events[1] == pytest.approx([2 * math.log(1.5)], rel=1e-9)
        assert sol.t_events[2].tolist() == [] and sol.x_events[2].shape == (0, 2)
        assert sol.x_events[0][0] == pytest.approx([4, 4], rel=1e-9) and sol.status == "finished"

    def test_against_scipy(self, backend):
        event = lambda t, x: x[0] - 100  # noqa: E731
        peer = solve_ivp(prey, (0, 14), [50, 100], "DOP853", rtol=1e-11, atol=1e-10, events=event).t_events[0]
        for system in (PREY, prey):
            sol = solve(
                system, [50, 100], (0, 14), method="dopri5", rtol=1e-9, events=["X - 100" if system is PREY else event]
            )
            assert sol.t_events[0] == pytest.approx(peer, rel=1e-6) and len(peer) >= 3
        up = solve(PREY, [50, 100], (0, 14), events=Event(event, direction=1)).t_events[0]
        down = solve(PREY, [50, 100], (0, 14), events=Event(event, direction=-1)).t_events[0]
        np.testing.assert_allclose(np.sort([*up, *down]), peer, rtol=1e-3)
        # It begins below.
        assert up[0] < down[0]

    def test_terminal(self, backend):
        fall = ExpressionSystem("h' = v; v' = -9.81; h = 20")
        end = math.sqrt(40 / 9.81)
        sol = solve(
            fall,
            None,
            (0, 5),
            [0, 1, 2, 3],
            events=[Event("h", terminal=True), "h - 30", "v + 9.81"],
            sensitivities=["h"],
        )
        assert sol.status == "event" and sol.t_events[0] == pytest.approx([end], rel=1e-9)
        assert sol.t_events[2] == pytest.approx([1], rel=1e-9)
        assert np.isnan(sol["h"]).tolist() == [False, False, end < 2, True]
        assert np.isnan(sol.sensitivities[3]).all() and np.isnan(sol(4.0)).all() and not np.isnan(sol(1.5)).any()

    def test_a_pole_after_the_end_is_no_matter(self, backend):
        sol = solve(ReactionNetwork("2 X -> 3 X @ 1"), [1], (0, 2), [0.5, 1.5], events=Event("X - 10", terminal=True))
        assert sol.status == "event" and sol.t_events[0] == pytest.approx([0.9], rel=1e-5)

    def test_at_the_start_is_none(self):
        sol = solve(ReactionNetwork("A -> 0 @ 1"), [4], (0, 1), events="A - 4")
        assert sol.t_events[0].tolist() == []


class TestDerivatives:
    @pytest.mark.parametrize("system", [PREY, LORENZ, VAN_DER_POL, ReactionNetwork("A -> 0 @ A*sin(t)/(1 + A)")])
    def test_jacobian(self, backend, system):
        x = np.arange(1.0, 1 + len(system.species))
        found = jacobian(system, x, 0.7)
        columns = []
        for i in range(len(x)):
            step = np.zeros(len(x))
            step[i] = 1e-5
            columns.append((system.rhs(x + step, 0.7) - system.rhs(x - step, 0.7)) / 2e-5)
        np.testing.assert_allclose(found, np.array(columns).T, rtol=1e-7, atol=1e-8)

    def test_as_scipy(self, backend):
        functions = as_scipy(PREY, {"b": 0.02})
        assert functions.fun(0, [50, 100]).tolist() == PREY.rhs([50, 100], 0, {"b": 0.02}).tolist()
        again = pickle.loads(pickle.dumps(functions))
        peer = solve_ivp(again.fun, (0, 3), [50, 100], "Radau", jac=again.jac, t_eval=[3], rtol=1e-8, atol=1e-8)
        ours = solve(PREY, [50, 100], (0, 3), [3], params={"b": 0.02}, rtol=1e-9)
        np.testing.assert_allclose(peer.y.T, ours.x, rtol=1e-5)
        timed = as_scipy(ReactionNetwork("0 -> A @ 1 + t"))
        assert timed.fun(2.0, [0]).tolist() == [3] and timed.jac(2.0, [0]).tolist() == [[0]]
        with pytest.raises(ValueError, match=r"x must have shape \(2,\)"):
            functions.fun(0, [1])
        with pytest.raises(ValueError, match="one set of values"):
            as_scipy(PREY, {"b": [1, 2]})
        with pytest.raises(TypeError, match="system must be a ReactionNetwork or an ExpressionSystem"):
            as_scipy(prey)


class TestSteadyState:
    @pytest.mark.parametrize(
        ("text", "x0", "expected"),
        [
            # Rates, not sums that are conserved, decide where these end.
            ("A -> B @ 1; A -> C @ 2", {"A": 30}, [0, 10, 20]),
            ("A -> B @ 1; A -> C @ 2", {"A": 4, "B": 100}, [0, 100 + 4 / 3, 8 / 3]),
            ("A -> B @ 1e-9; A -> C @ 2e-9", {"A": 3e12}, [0, 1e12, 2e12]),
            ("A + E -> B + E @ 1; A -> C @ 1", {"A": 6, "E": 2}, [0, 2, 4, 2]),
            ("S + I -> 2 I @ 0.01; I -> R @ 2", {"S": 150, "I": 5, "R": 0}, None),
            ("S + I -> 2 I @ 0.01; I -> R @ 0.2", {"S": 99, "I": 1, "R": 0}, None),
        ],
    )
    def test_one_of_many(self, backend, text, x0, expected):
        network = ReactionNetwork(text)
        found = steady_state(network, x0)
        if expected is None:
            # What never changes along the way: I + S - (gamma / beta) log S.
            ratio = float(network.reactions[1].rate) / float(network.reactions[0].rate)
            s = found.x[0]
            assert abs(s - ratio * math.log(s) - (x0["S"] + x0["I"] - ratio * math.log(x0["S"]))) < 1e-7
            expected = [s, 0, sum(x0.values()) - s]
        assert found.success
        np.testing.assert_allclose(found.x, expected, rtol=1e-9, atol=1e-9 * max(expected))

    def test_conserved_sums(self, backend):
        found = steady_state(ReactionNetwork("A + B -> C @ 2; C -> A + B @ 1"), [3, 2, 0])
        c = found["C"]
        assert 2 * (3 - c) * (2 - c) == pytest.approx(c, rel=1e-9)
        assert found["A"] + c == pytest.approx(3, rel=1e-12) and found.success
        assert np.sum(np.abs(found.eigenvalues) < 1e-9) == 2

    def test_the_one_that_the_start_leads_to(self, backend):
        switch = ExpressionSystem("x' = x - x**3")
        assert steady_state(switch, [0.01])["x"] == pytest.approx(1, rel=1e-9)
        assert steady_state(switch, [-0.5])["x"] == pytest.approx(-1, rel=1e-9)
        logistic = ReactionNetwork("X -> 2 X @ r; 2 X -> X @ r*k; r = 1; k = 0.01")
        assert steady_state(logistic, [1e-3], params={"k": 0.02})["X"] == pytest.approx(50, rel=1e-9)

    def test_stiff(self, backend):
        stiff = ReactionNetwork("A -> B @ 1e6; B -> A @ 1; B -> C @ 1e-3; C -> B @ 1e-3")
        found = steady_state(stiff, {"A": 3})
        assert found.success
        np.testing.assert_allclose(found.x, np.array([1e-6, 1, 1]) * 3 / (2 + 1e-6), rtol=1e-8)

    def test_no_rest(self):
        for system, x0 in ((PREY, [50, 100]), (ReactionNetwork("A -> 2 A @ 1"), [1]), (VAN_DER_POL, None)):
            found = steady_state(system, x0, max_steps=2000)
            assert not found.success and "not at rest" in repr(found)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="must not name the time"):
            steady_state(ReactionNetwork("0 -> A @ t"), [0])
        with pytest.raises(TypeError, match="system must be a ReactionNetwork or an ExpressionSystem"):
            steady_state(prey, [1, 1])
        with pytest.raises(KeyError, match="no species 'Q'"):
            steady_state(ReactionNetwork("A -> B @ 1"), [1, 0])["Q"]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0 -> A @ 1; A -> 0 @ 1", 1),
        ("0 -> A @ 1; A -> 0 @ sqrt(A)", 1),
        ("0 -> A @ 0.1 + A/(1 + A); A -> 0 @ 1", 0.3701562),
        ("0 -> A @ 2*A**2/(9 + A**2) + 0.1; A -> 0 @ 1", 0.10232401),
        ("0 -> A @ 1e-12; A -> 0 @ 1e-3", 1e-9),
        ("0 -> A @ 1e12; A -> 0 @ 1e3", 1e9),
    ],
)
def test_rest_that_is_reached_from_nothing(backend, text, amount):
    found = steady_state(ReactionNetwork(text), {"A": 0})
    assert found.success and found.x[0] == pytest.approx(amount, rel=1e-6)
