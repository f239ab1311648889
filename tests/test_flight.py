"""Trajectories of the direct method side by side: every one has the bits that it has alone."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from fastcore._workers import gathered
from fastcore.reactions import ReactionNetwork, simulate
from fastcore.reactions._runs import parts_of

from .side_by_side import NUMBERS, check, row

SIR = ReactionNetwork("S + I -> 2 I @ beta; I -> R @ gamma; beta = 0.002; gamma = 0.1")
NETWORKS = {
    "one reaction": (ReactionNetwork("A -> 0 @ 1"), [3000], 12.0),
    "orders": (
        ReactionNetwork("0 -> A @ 30; 2 A -> B @ 0.02; 3 A -> C @ 1e-3; B + C -> 2 A @ 1; B -> 3 C @ 0.1"),
        0,
        9.0,
    ),
    "4 A": (ReactionNetwork("4 A + 2 B -> C @ 1e-4; C -> 4 A + 2 B @ 1; B -> 0 @ 0.1; 0 -> A @ 2"), [9, 9, 0], 20.0),
    "spectator": (
        ReactionNetwork("G -> G + M @ 20; M -> 0 @ 1; 2 M -> M @ 0.1", species=["Z", "M", "G"]),
        [7, 0, 2],
        9.0,
    ),
    "wide": (ReactionNetwork([({f"X{i}": 1}, {f"X{(i + 1) % 20}": 1}, 1.0 + i) for i in range(20)]), 3, 1.0),
    "long change": (
        ReactionNetwork("A -> B + C + D + E + F @ 1; B + C -> A @ 0.1; D -> 0 @ 1; E + F -> A @ 1"),
        30,
        3.0,
    ),
}


def start(network: ReactionNetwork, x0) -> np.ndarray:
    return np.full(len(network.species), x0) if np.ndim(x0) == 0 else np.array(x0)


class TestSideBySide:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_networks(self, name):
        network, x0, end = NETWORKS[name]
        sol = check(network, start(network, x0), (0, end), np.linspace(0, end, 23), n=17)
        assert sol.n_events.min() > 0

    @pytest.mark.parametrize("n", NUMBERS)
    def test_numbers_of_runs(self, n):
        check(SIR, [90, 3, 0], (1, 90), np.linspace(2, 90, 60), n=n)

    def test_past_the_events_after_which_totals_are_summed_afresh(self):
        network = ReactionNetwork("X -> 2 X @ 10.1; X + Y -> 2 Y @ 0.0101; Y -> 0 @ 9.9")
        sol = check(network, [1000, 1000], (0, 0.4), np.linspace(0, 0.4, 5), n=19, twin=False)
        assert sol.n_events.min() > 4096
        # By what is left of a large total, rounded at its size.
        falls = ReactionNetwork("A -> 0 @ 1.1; B -> 0 @ 1e-9; A + B -> B @ 1e6/3")
        sol = check(falls, [700, 5], (0, 1e9), [1e-5, 1e-3, 1, 1e9], n=17)
        assert (sol.x[:, 1:, 0] == 0).all() and sol.n_events.max() > 700
        # A total that rises and falls again, and would keep what was rounded up at its peak.
        peaks = ReactionNetwork("S -> A @ 1; A -> 0 @ 1e18/3; B -> 0 @ 1")
        check(peaks, {"S": 5, "B": 100}, (0, 5), np.linspace(0, 5, 51), n=17)

    def test_lengths_that_differ(self):
        """Lanes are taken over by the next run at different times, to which runs of other parameters belong."""
        sets = {"beta": [0.0, 0.05, 0.002, 1.0, 0.004, 0.0], "gamma": [0.0, 0.1, 100.0, 0.001, 0.1, 5.0]}
        sol = check(SIR, [60, 4, 0], (0, 50), np.linspace(0, 50, 11), n=7, params=sets)
        assert set(sol.status) == {"absorbed", "finished"}
        assert len(set(sol.n_events)) > 15 and sol.n_events.min() == 0
        starts = ReactionNetwork("A -> B @ k; B -> A @ 1; A = 10*k; k = 1")
        sol = check(starts, None, (0, 5), np.linspace(0, 5, 11), n=5, params={"k": [1.0, 3.0, 20.0, 0.0]})
        assert sol.x[:, 0, 0].tolist() == [10] * 5 + [30] * 5 + [200] * 5 + [0] * 5

    @pytest.mark.parametrize("most", [0, 1, 5, 1023, 1024, 1025, 2048])
    def test_max_events(self, most):
        network = ReactionNetwork("A -> 2 A @ k; 0 -> A @ 1; k = 1")
        sets = {"k": [1.0, 0.0, 3.0]}
        sol = check(network, [2], (0, 7), [0, 1, 2, 7], n=7, params=sets, max_events=most, twin=most < 9)
        assert "max_events" in sol.status and (most < 1000 or "finished" in sol.status)
        assert sol.n_events.max() == most

    def test_chains_that_die(self):
        """Some explode, most end early, one after the other in the same lanes."""
        network = ReactionNetwork("A -> 2 A @ 1; A -> 0 @ 1")
        sol = check(network, [3], (0, 1e9), [0, 1, 10, 1e9], n=60, max_events=3000, twin=False)
        assert (sol.status == "absorbed").sum() > 40 and (sol.status == "max_events").sum() > 0

    def test_times(self):
        """None, at the start, twice the same, the end alone; species that are kept."""
        for times in ([], [2.0], [2.0, 2.0, 3.0, 3.0], [7.0]):
            check(SIR, [50, 5, 0], (2, 7), times, n=9)
        sol = check(SIR, [50, 5, 0], (2, 7), [3, 4], n=9, species=["R", "S"])
        assert sol.species == ("R", "S")
        assert (simulate(SIR, [50, 5, 0], (2, 2), n=9, rng=1).x == [50, 5, 0]).all()

    def test_a_stop_that_never_holds_changes_nothing(self):
        arguments, options = (SIR, [90, 3, 0], (0, 90)), {"n": 20, "rng": 3}
        a, b = simulate(*arguments, **options), simulate(*arguments, stop="S >= 1000", **options)
        assert [row(a, i) for i in range(20)] == [row(b, i) for i in range(20)]

    @pytest.mark.parametrize(
        ("text", "x0", "sets", "run"),
        [
            ("A -> 1000000 A @ k; k = 1", [2**53 - 2**32], [1.0, 0.0], 0),
            ("A -> 1000000 A @ k; k = 1", [2**53 - 2**32], [0.0, 0.0, 1.0], 14),
            ("2 A -> 3 A @ k; k = 1", [10], [0.0, 1e308], 7),
            ("A -> 1000 A @ k; 9 A -> 0 @ 1e300; k = 1", [5], [0.0, 1.0], 7),
        ],
    )
    def test_overflow(self, backend, text, x0, sets, run):
        with pytest.raises(OverflowError, match=f"run {run} overflowed"):
            simulate(ReactionNetwork(text), x0, (0, 1e12), [0], n=7, rng=1, params={"k": sets}, max_events=5000)

    def test_workers_and_parts(self):
        arguments, options = (SIR, [90, 3, 0], (0, 90)), {"n": 70, "rng": 3}
        whole = simulate(*arguments, **options)
        for more in ({"workers": 2}, {"workers": 3}, {"workers": map}, {"progress": lambda done, total: None}):
            other = simulate(*arguments, **options, **more)
            assert [row(whole, i) for i in range(70)] == [row(other, i) for i in range(70)]
        part = simulate(*arguments, **options, runs=range(11, 43))
        assert [row(whole, i) for i in range(11, 43)] == [row(part, i) for i in range(32)]

    def test_expressions_and_large_networks_stay_one_by_one(self):
        law = ReactionNetwork("A -> B @ 3*A/(5 + A); B -> A @ 1")
        check(law, [40, 0], (0, 5), np.linspace(0, 5, 7), n=9)
        ring = ReactionNetwork([({f"X{i}": 1}, {f"X{(i + 1) % 60}": 1}, 1.0) for i in range(60)])
        check(ring, np.full(60, 3), (0, 0.5), [0.1, 0.5], n=9)
        half = ReactionNetwork([({f"X{i}": 1}, {f"X{(i + 1) % 48}": 1}, 1.0) for i in range(48)])
        check(half, np.full(48, 3), (0, 0.5), [0.1, 0.5], n=17)


class TestParts:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_threads_fill_one_array(self, workers):
        """Threads of this process hold the states once."""
        times = np.linspace(0, 10, 301)
        tracemalloc.start()
        try:
            sol = simulate(SIR, [90, 3, 0], (0, 10), times, n=2000, rng=1, workers=workers)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert sol.x.nbytes < peak < 1.1 * sol.x.nbytes

    def test_parts_are_let_go(self):
        """What comes in parts is put together as it is let go of."""
        parts = [(np.full((size, 3), size), np.full(1, -size)) for size in (5, 1, 4)]
        rows, ends = gathered(parts)
        assert not parts and rows[:, 0].tolist() == [5] * 5 + [1] + [4] * 4 and ends.tolist() == [-5, -1, -4]

    def test_runs_that_fly_together_stay_together(self):
        assert parts_of(1000, 1, True, False) == parts_of(1000, 1, False, False) == 1
        assert parts_of(1000, 2, True, False) == 16
        assert parts_of(100, 2, True, False) == 6
        assert parts_of(50, 2, True, False) == 2
        assert parts_of(50, 2, False, False) == 16
        assert parts_of(5, 2, True, False) == 16
        assert parts_of(1000, 1, True, True) == 8
        assert math.isfinite(parts_of(10**9, 64, True, True))
