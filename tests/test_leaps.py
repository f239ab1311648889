"""Leaps of several trajectories side by side: every one has the bits that it has alone."""

from __future__ import annotations

import numpy as np
import pytest

from fastcore.reactions import ReactionNetwork, simulate

from .side_by_side import NUMBERS, check, row

SIR = ReactionNetwork("S + I -> 2 I @ beta; I -> R @ gamma; beta = 4e-6; gamma = 0.1")
NETWORKS = {
    "one reaction": ("A -> 0 @ 1; A = 30000", 9.0),
    "pairs": ("2 A -> B @ 1e-5; B -> 2 A @ 0.2; A = 100000", 5.0),
    "orders": ("3 A -> B @ 1e-8; A + 2 B -> C @ 1e-9; 4 C -> A @ 1e-12; A = 40000; B = 30000; C = 20000", 3.0),
    "coming and going": ("0 -> A @ 5000; A -> 0 @ 1; 2 A -> B @ 1e-4; B -> 0 @ 0.5; A = 1000", 6.0),
    "catalyst": ("G + A -> G + B @ 1e-2; B -> A @ 0.5; G = 3; A = 50000", 20.0),
    "a few of what is used": ("A -> B @ 1; B -> A @ 30; B + C -> C + A @ 1e-3; A = 60000; B = 9; C = 40", 2.0),
    "nothing reads it": ("0 -> A @ 40; A -> A + B @ 300; A = 50", 3.0),
    "nothing changes": ("A -> A @ 5; B -> 0 @ 1; A = 50; B = 4000", 3.0),
    "wide": ("; ".join(f"X{i} -> X{(i + 1) % 40} @ {i + 1}; X{i} = {900 * (i % 7 + 1)}" for i in range(40)), 0.5),
    "oscillating": ("X -> 2 X @ 10; X + Y -> 2 Y @ 0.001; Y -> 0 @ 10; X = 10000; Y = 10000", 2.0),
    "dying": ("A -> 2 A @ 1; A -> 0 @ 1.5; A = 4000", 30.0),
}


def epidemic(n: int, times, **options):
    return check(SIR, [99_500, 500, 0], (0, times[-1]), times, n=n, method="tau", twin=False, **options)


class TestSideBySide:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_networks(self, name):
        text, end = NETWORKS[name]
        sol = check(ReactionNetwork(text), None, (0, end), np.linspace(0, end, 9), n=19, method="tau", twin=False)
        assert sol.n_events.min() > 1000 and (sol.x >= 0).all()

    def test_twin(self):
        network = ReactionNetwork("S + I -> 2 I @ 4e-5; I -> R @ 0.1; S = 9900; I = 100")
        check(network, None, (0, 25), [5, 10, 15, 25], n=6, method="tau")

    @pytest.mark.parametrize("n", NUMBERS)
    def test_numbers_of_runs(self, n):
        epidemic(n, np.linspace(0, 40, 9))

    @pytest.mark.parametrize("rate", [0.02, 1.0, 5.0, 9.9, 10.0, 10.1, 14.0, 30.0, 200.0, 1e4, 1e7, 1e10, 1e13])
    def test_poisson_numbers(self, rate):
        """Nothing reads A, so that a leap ends where the state is kept: a number of mean `rate` each."""
        times = np.arange(1.0, 301.0)
        sol = check(ReactionNetwork(f"0 -> A @ {rate!r}"), [0], (0, 300), times, n=33, method="tau", twin=False)
        drawn = np.diff(sol.x[:, :, 0], axis=1) / rate
        assert abs(drawn.mean() - 1) < 5 * (1 / (rate * drawn.size)) ** 0.5
        assert abs(drawn.var() * rate - 1) < 5 * ((2 + 1 / rate) / drawn.size) ** 0.5

    def test_epsilons(self):
        for epsilon in (1.0, 0.3, 0.003):
            epidemic(17, [0, 8.0], epsilon=epsilon)
        # Leaps that would end below 0, and are tried again.
        few = ReactionNetwork("; ".join(f"X{i} -> 0 @ 1; X{i} = 11" for i in range(30)))
        check(few, None, (0, 2), [1, 2], n=33, method="tau", twin=False, epsilon=1.0)

    def test_lengths_that_differ(self):
        """Lanes are taken over at different times, by runs of other parameters; some never leap."""
        sets = {"beta": [0.0, 4e-6, 1e-3, 0.0, 2e-6, 1e-9], "gamma": [0.1, 0.1, 0.001, 0.0, 3.0, 0.1]}
        sol = check(SIR, [90_000, 300, 0], (0, 60), [20, 60], n=5, method="tau", twin=False, params=sets)
        assert set(sol.status) == {"absorbed", "finished"} and sol.n_events.min() == 0
        starts = ReactionNetwork("A -> B @ k; B -> A @ 1; A = 1000*k; k = 1")
        check(starts, None, (0, 5), [1, 5], n=6, method="tau", twin=False, params={"k": [1.0, 30.0, 0.01, 0.0]})

    @pytest.mark.parametrize("most", [0, 1, 5, 300, 1023, 1024, 1025, 2500])
    def test_max_events(self, most):
        network = ReactionNetwork("A -> B @ k; B -> A @ 1; A = 4000; k = 1")
        sets = {"k": [1.0, 0.0, 3.0]}
        sol = check(network, None, (0, 60), [1, 30, 60], n=7, method="tau", twin=False, params=sets, max_events=most)
        assert "max_events" in sol.status

    def test_single_events(self):
        """So few that leaps never hold enough of them, of which many are made one at a time."""
        network = ReactionNetwork("A -> B @ 1; B -> A @ 1; A = 40; B = 12")
        sol = check(network, None, (0, 90), np.linspace(0, 90, 31), n=70, method="tau", twin=False)
        assert sol.n_events.min() > 3000
        # About as many as a leap must hold: leaps and single events by turns.
        between = ReactionNetwork("0 -> A @ 167; A -> 0 @ 1; A = 167")
        check(between, None, (0, 60), np.linspace(0, 60, 7), n=40, method="tau", twin=False)
        large = "; ".join(f"X{i} -> X{(i + 1) % 60} @ {1 + i % 3}; X{i} = {300 if i < 3 else 0}" for i in range(60))
        check(ReactionNetwork(large), None, (0, 3), [1, 2, 3], n=9, method="tau", twin=False)

    def test_times(self):
        for times in ([], [20.0], [0.0, 2.0, 2.0, 3.0, 3.0], np.linspace(0, 20, 400)):
            check(SIR, [99_500, 500, 0], (0, 20), times, n=18, method="tau", twin=False)
        sol = check(SIR, [99_500, 500, 0], (2, 7), [3, 4], n=9, method="tau", twin=False, species=["R", "S"])
        assert sol.species == ("R", "S")

    @pytest.mark.parametrize(
        ("text", "start", "sets", "run"),
        [
            ("0 -> A @ k; k = 1", 5, [1.0, 1e300], 7),
            ("0 -> A @ k; k = 1", 5, [1.0, 0.0, 1e15], 14),
            ("A -> 2 A @ k; k = 1", 10**9, [0.001, 1.0], 7),
            ("A -> 3 A @ k; k = 1", 2**53 - 2**32, [0.0, 1e-7], 7),
        ],
    )
    def test_overflow(self, backend, text, start, sets, run):
        with pytest.raises(OverflowError, match=f"run {run} overflowed"):
            simulate(
                ReactionNetwork(text), [start], (0, 100), [100], n=7, rng=1, params={"k": sets}, method="tau",
                max_events=5000,
            )  # fmt: skip

    def test_a_clock_too_coarse(self):
        # The first few finish, and those that explode take ever shorter steps.
        network = ReactionNetwork("2 A -> 3 A @ k; A -> 0 @ 1; A = 20; k = 1")
        with pytest.raises(ValueError, match="t_span must lie nearer to 0: in run 7"):
            simulate(network, None, (0, 100), n=7, rng=1, method="tau", params={"k": [0.0, 1.0]}, max_events=10**5)
        clock = ReactionNetwork("A -> B @ 1e3; B -> A @ 1e3; A = 1000000")
        with pytest.raises(ValueError, match="t_span must lie nearer to 0: in run 0"):
            simulate(clock, None, (1e12, 1e12 + 1e3), n=20, rng=1, method="tau")

    def test_workers_and_parts(self):
        arguments, options = (SIR, [99_500, 500, 0], (0, 30)), {"n": 70, "rng": 3, "method": "tau"}
        whole = simulate(*arguments, **options)
        for more in ({"workers": 2}, {"workers": map}, {"progress": lambda done, total: None}):
            other = simulate(*arguments, **options, **more)
            assert [row(whole, i) for i in range(70)] == [row(other, i) for i in range(70)]
        part = simulate(*arguments, **options, runs=range(11, 43))
        assert [row(whole, i) for i in range(11, 43)] == [row(part, i) for i in range(32)]

    def test_a_stop_that_never_holds(self):
        # It asks for leaps in which S changes little, as the rates do already.
        arguments, options = (SIR, [99_500, 500, 0], (0, 30)), {"n": 20, "rng": 3, "method": "tau"}
        a, b = simulate(*arguments, **options), simulate(*arguments, stop="S >= 100000", **options)
        assert [row(a, i) for i in range(20)] == [row(b, i) for i in range(20)]
