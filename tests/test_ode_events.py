"""Networks with events of their own, integrated from one to the next."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from fastcore import use_backend
from fastcore.ode import solve
from fastcore.reactions import ReactionNetwork, simulate

from .helpers import sized

DECAY = "A -> 0 @ k; k = 1; A = 10"
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


class TestMoments:
    def test_doses(self, backend):
        """Each dose decays by itself; a state at the time of an event is the one after it."""
        network = ReactionNetwork(f"{DECAY}; at t >= 1: A = A + 5; at t >= 2.5 or t < 0: A = A + 7")
        times = np.array([0, 0.5, 1, 2, 2.5, 4])
        sol = solve(network, None, (0, 4), times, **TIGHT)
        doses = [(0, 10), (1, 5), (2.5, 7)]
        exact = sum(amount * np.exp(-(times - at)) * (times >= at) for at, amount in doses)
        assert sol.status == "finished" and np.abs(sol["A"] - exact).max() < 1e-8

    def test_the_very_moments(self, backend):
        network = ReactionNetwork("0 -> A @ 0; at t > 1: A = A + 1; at t == 2: B = B + 1; at t != 2: C = C + 1",
                                  species=["A", "B", "C"])  # fmt: skip
        times = [1, np.nextafter(1, 2), 2, np.nextafter(2, 3), 3]
        sol = solve(network, {"A": 0}, (0, 3), times)
        assert sol.x.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]

    def test_moments_at_the_ends_and_of_parameters(self, backend):
        network = ReactionNetwork("0 -> A @ 0; at t >= when: A = A + dose; when = 2; dose = 3.25; A = 0")
        for span, expected in (((0, 2), 3.25), ((2, 3), 0), ((0, 1.5), 0)):
            assert solve(network, None, span, [span[1]])["A"].tolist() == [expected]
        sets = {"when": [0.5, 9.0], "dose": [1.0, 2.0]}
        sol = solve(network, None, (0, 1), [0, 1], params=sets)
        assert sol["A"].tolist() == [[0, 1], [0, 0]] and sol.status.tolist() == ["finished"] * 2
        assert sol.nfev.shape == (2,) and sol.nfev.dtype == np.int64

    def test_rates_of_the_time(self, backend):
        network = ReactionNetwork("0 -> A @ 1 + sin(t); at t >= 2: A = 0; A = 3")
        sol = solve(network, None, (0, 5), [1, 5], **TIGHT)
        assert sol["A"] == pytest.approx([3 + 1 + 1 - math.cos(1), 3 + math.cos(2) - math.cos(5)], abs=1e-8)

    def test_late_and_slow(self, backend):
        """After an event the first step is longer than the clock's."""
        network = ReactionNetwork("A -> 0 @ 1e-12; at t >= 2e12: A = 7")
        sol = solve(network, {"A": 3}, (0, 4e12), [0, 2e12, 3e12])
        assert sol["A"] == pytest.approx([3, 7, 7 / math.e], rel=1e-5)


class TestStates:
    def test_when_an_amount_has_fallen(self, backend):
        network = ReactionNetwork(f"{DECAY}; at A < 2: A = 7")
        first, again = math.log(5), math.log(3.5)
        times = [first - 1e-6, first + 1e-6, first + again - 1e-6, first + again + 0.1]
        sol = solve(network, None, (0, 4), times, **TIGHT)
        assert sol["A"] == pytest.approx([2, 7, 2, 7 * math.exp(-0.1)], abs=2e-5)
        assert sol(times[3]) == pytest.approx(sol.x[3], abs=0) and sol([0.0, 4.0]).shape == (2, 1)

    def test_many(self):
        """The time of each is exact, and the work is linear in their number."""
        network = ReactionNetwork(f"{DECAY}; at A < 1: A = 2, n = n + 1; n -> 0 @ 0")
        last = sized(60, 30)
        few, many = (solve(network, None, (0, end), [end], **TIGHT) for end in (last / 3, last))
        passed = math.floor((last - math.log(10)) / math.log(2)) + 1
        assert many["n"].tolist() == [passed]
        assert many["A"] == pytest.approx(2 * math.exp(-(last - math.log(10) - (passed - 1) * math.log(2))), rel=1e-6)
        assert many.nfev < 3.3 * few.nfev

    def test_only_when_it_becomes_true(self, backend):
        once = ReactionNetwork(f"{DECAY}; at A < 5: B = B + 1; at A <= 20: C = 1", species=["A", "B", "C"])
        assert solve(once, None, (0, 9), [9]).x[0, 1:].tolist() == [1, 0]

    def test_with_the_time(self, backend):
        """False until a moment, at which the amounts have long been so; or true until one."""
        network = ReactionNetwork(
            f"{DECAY}; at A < 5 and t >= 3: B = A; at A < 2 and t < 1: B = 99", species=["A", "B"]
        )
        assert solve(network, None, (0, 4), [2.9, 4], **TIGHT)["B"] == pytest.approx([0, 10 * math.exp(-3)], abs=1e-8)

    def test_amounts_are_computed_before_any_is_set(self, backend):
        lines = "at t >= 1: A = B, B = A"
        network = ReactionNetwork(f"0 -> C @ 0; {lines}; at t >= 1: C = A + B; at C > 7: C = C/2; A = 3; B = 5.5",
                                  species=["A", "B", "C"])  # fmt: skip
        assert solve(network, None, (0, 2), [2]).x.tolist() == [[5.5, 3, 4.25]]

    def test_variables_and_events_of_the_call(self, backend):
        network = ReactionNetwork(f"{DECAY}; total := 2*A; at total < 4: A = 7")
        sol = solve(network, None, (0, 2.5), [0, 2.5], events=["A - 5", "A - 6.5"])
        fallen = math.log(5)
        assert sol["total"][0] == 20
        assert sol.t_events[0] == pytest.approx([math.log(2), fallen, fallen + math.log(7 / 5)], abs=1e-4)
        assert len(sol.t_events[1]) == 3 and len(pickle.loads(pickle.dumps(sol))(1.0)) == 1

    def test_as_the_means_of_the_stochastic_model(self):
        """Of the first order, and set at moments, where means obey the same equations."""
        network = ReactionNetwork(
            "0 -> X @ 10; X -> Y @ 1; Y -> 0 @ 0.3; at t >= 2: X = 40, Y = 3; at t >= 3: Y = 0; X = 5"
        )
        times, n = [1, 2, 2.9, 3, 5], sized(4000, 100)
        means = simulate(network, None, (0, 5), times, n=n, rng=1)
        exact = solve(network, None, (0, 5), times, **TIGHT).x
        spread = np.sqrt(means.x.var(axis=0) / n)
        assert (np.abs(means.x.mean(axis=0) - exact) <= 5 * spread + 1e-9).all()


@pytest.mark.parametrize("method", ["auto", "dopri5", "dop853", "rodas4", "rk4"])
def test_twins(method):
    text = "S + I -> 2 I @ 0.004; I -> R @ 1; R -> S @ R/(50 + R); at t >= 4: S = 500"
    text += "; at I > 300: I = I - 250, R = R + 250"
    network, found = ReactionNetwork(f"{text}; S = 990; I = 10"), []
    for name in ("compiled", "reference"):
        with use_backend(name):
            found.append(
                solve(
                    network,
                    None,
                    (0, 6),
                    [1, 2, 4, 6],
                    method=method,
                    rtol=1e-4,
                    step=0.05 if method == "rk4" else None,
                )
            )
    assert found[0].x.tobytes() == found[1].x.tobytes() and found[0].nfev == found[1].nfev
    assert found[0].status == "finished" and found[0]["I"].max() < 300


class TestEnds:
    def test_steps_are_counted_over_all(self, backend):
        network = ReactionNetwork(f"{DECAY}; at A < 1: A = 2")
        with pytest.warns(RuntimeWarning, match="max_steps"):
            sol = solve(network, None, (0, 1e6), [0, 1, 1e6], max_steps=200)
        assert sol.status == "max_steps" and sol["A"][:2] == pytest.approx([10, 10 / math.e], rel=1e-5)
        assert np.isnan(sol["A"][2])

    def test_a_pole_after_an_event(self, backend):
        network = ReactionNetwork("2 A -> 4 A @ k; k = 0.5; at t >= 1: A = 1; A = 0")
        with pytest.warns(RuntimeWarning, match="ended early"):
            sol = solve(network, None, (0, 5), [0.5, 1, 1.5, 5])
        assert sol["A"][:3] == pytest.approx([0, 1, 2], rel=1e-4) and np.isnan(sol["A"][3])

    def test_events_a_few_numbers_of_the_clock_apart(self, backend):
        """A + B stays, so that both conditions come true together, but for rounding."""
        rng = np.random.default_rng(0)
        for _ in range(60 if backend.name == "compiled" else 4):
            rate, half = rng.uniform(0.1, 2), round(rng.uniform(2, 50), 3)
            text = f"A -> B @ {rate}; C -> 0 @ 0; D -> 0 @ 0; at A <= {half}: C = C + 1; at B >= {half}: D = D + 1"
            sol = solve(ReactionNetwork(text), {"A": 2 * half}, (0, 12), [0, 12])
            assert sol.status == "finished" and sol.x[1, 2:].tolist() == [1, 1]
        near = ReactionNetwork("A -> 0 @ 0.1; C -> 0 @ 0; at A <= 5: C = C + 1; at A <= 4.999999999999998: C = C + 10")
        assert solve(near, {"A": 10}, (0, 10), [10])["C"].tolist() == [11]

    def test_no_sets_of_parameters(self, backend):
        network = ReactionNetwork(f"{DECAY}; at A < 1: A = 5")
        sol = solve(network, None, (0, 1), [0, 0.5, 1], params={"k": np.empty(0)})
        assert sol.x.shape == (0, 3, 1) and len(sol.status) == len(sol.nfev) == 0

    def test_refused(self, backend):
        for text in ("at A == 3: A = 1", "at t > 1 and A != 3: A = 1", "at A - 1 == 2 or t > 5: A = 1"):
            with pytest.raises(ValueError, match=r"compares amounts by '==' or '!='"):
                solve(ReactionNetwork(f"{DECAY}; {text}"), None, (0, 1))
        with pytest.raises(
            ValueError, match=r"at t = 1\.0, 'at t >= 1: A = 1/\(A - A\)': an amount must be finite, got inf"
        ):
            solve(ReactionNetwork(f"{DECAY}; at t >= 1: A = 1/(A - A)"), None, (0, 2))
        with pytest.raises(ValueError, match="events set each other off without end"):
            solve(ReactionNetwork(f"{DECAY}; at A < 5: A = 6; at A > 5.5: A = 4"), None, (0, 2))
