"""Tau-leaping, and Poisson random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastcore import use_backend
from fastcore._backend import kernels
from fastcore._random import stream_key
from fastcore.ode import solve
from fastcore.reactions import ReactionNetwork, first_passage, simulate

from .helpers import fits, sized

SIR = "S + I -> 2 I @ 4e-6; I -> R @ 0.1; S = 99500; I = 500"


class TestPoisson:
    @pytest.mark.parametrize("mean", [0.0, 1e-300, 0.3, 2.0, 9.99, 10.0, 10.5, 33.0, 1000.0])
    def test_distribution(self, backend, mean):
        numbers = kernels("reactions").poissons(stream_key(1), 0, mean, backend.size(200_000, 20_000))
        assert (numbers == np.floor(numbers)).all()
        assert fits(numbers.astype(int), stats.poisson(mean).pmf(np.arange(int(mean + 12 * mean**0.5) + 12)))

    @pytest.mark.parametrize("mean", [1e6, 1e10, 1e15])
    def test_large_means_are_normal(self, backend, mean):
        numbers = kernels("reactions").poissons(stream_key(2), 0, mean, backend.size(200_000, 20_000))
        scaled = (numbers - mean) / mean**0.5
        assert stats.kstest(scaled, "norm").pvalue > 1e-6
        assert abs(scaled.mean()) < 5 / len(scaled) ** 0.5 and abs(scaled.var() - 1) < 8 / len(scaled) ** 0.5

    def test_twins(self):
        for mean in (0.5, 9.0, 10.0, 12.0, 77.0, 1e5, 1e13):
            ours, twin = (
                kernels("reactions", name).poissons(stream_key(3), 1, mean, 3000) for name in ("compiled", "reference")
            )
            assert ours.tobytes() == twin.tobytes()


class TestTwins:
    @pytest.mark.parametrize(
        ("text", "end"),
        [
            (SIR, 60),
            ("0 -> A @ 500; A -> 0 @ 1; 2 A -> B @ 1e-3; 3 B -> 2 A @ 1e-6; A = 100; B = 5", 20),  # single events too
            ("A -> B @ 10; B -> A @ 10; A + B -> C @ 1e-6; 2 C -> 0 @ 1e-3; A = 40000; B = 9", 3),
            ("S -> P @ 900*S/(200 + S); P -> 0 @ 0.5; 5 P -> S @ 1e-9*P**2; S = 30000", 40),
            ("X -> 2 X @ 10; X + Y -> 2 Y @ 0.01; Y -> 0 @ 10; X = 1000; Y = 1000", 3),
            ("; ".join(f"X{i} -> X{(i + 1) % 12} @ {i + 1}; X{i} = {500 * i}" for i in range(12)), 2),
            ("A -> 0 @ 1; A = 3000", 20),
            ("2 A -> B @ 1e-6; A = 100000", 3),
            ("20 A -> 0 @ 1e-90; A -> 3 A @ 1; A = 3000", 3),
        ],
    )
    def test_twins(self, text, end):
        network, results = ReactionNetwork(text), []
        for name in ("compiled", "reference"):
            with use_backend(name):
                results.append(
                    simulate(network, None, (0, end), [0, end / 2, end], n=2, rng=1, method="tau", max_events=4000)
                )
        ours, twin = results
        assert ours.method == "tau"
        assert ours.x.tobytes() == twin.x.tobytes() and ours.n_events.tolist() == twin.n_events.tolist()
        assert ours.status.tolist() == twin.status.tolist()
        reached = ours.x[..., 0] >= 0
        assert (ours.x[reached] >= 0).all()


class TestDistribution:
    def test_means_of_an_epidemic(self):
        """Within 1 % of the exact ones, in far fewer steps than there are events."""
        network, times, n = ReactionNetwork(SIR), [20, 30, 60], sized(400, 10)
        leaps = simulate(network, None, (0, 60), times, n=n, rng=1, method="tau")
        if n < 400:
            return
        exact = simulate(network, None, (0, 60), times, n=n, rng=2)
        for name in network.species:
            ours, theirs = leaps[name].mean(axis=0), exact[name].mean(axis=0)
            error = 5 * np.hypot(leaps[name].std(axis=0), exact[name].std(axis=0)) / n**0.5
            assert (np.abs(ours - theirs) < 0.01 * theirs + error).all()
        short = simulate(network, None, (0, 60), [60], rng=1, method="tau", max_events=5000)
        assert short.status.tolist() == ["finished"] and short.n_events[0] > 100_000

    def test_births_and_deaths(self, backend):
        """The stationary state is Poisson."""
        sol = simulate(
            ReactionNetwork("0 -> A @ 4000; A -> 0 @ 1"),
            [4000],
            (0, 8),
            [8],
            n=backend.size(4000, 60),
            rng=3,
            method="tau",
        )
        counts = sol["A"][:, 0]
        assert abs(counts.mean() - 4000) < 5 * (4000 / len(counts)) ** 0.5 + 4
        assert abs(counts.var() / 4000 - 1) < 7 * (2 / len(counts)) ** 0.5 + 0.05

    def test_smaller_epsilon_less_bias(self):
        network, ends = ReactionNetwork("A -> 0 @ 1; A = 1000000"), {}
        for epsilon in (0.5, 0.005):
            sol = simulate(network, None, (0, 3), [3], n=sized(50, 5), rng=4, method="tau", epsilon=epsilon)
            ends[epsilon] = abs(sol["A"].mean() / solve(network, None, (0, 3), [3], rtol=1e-9)["A"][0] - 1)
        assert ends[0.005] < 0.01 < ends[0.5]

    def test_small_counts_are_exact(self, backend):
        """Everything is critical, or too small a leap: single events, a death process here."""
        sol = simulate(
            ReactionNetwork("A -> 0 @ 1"), [9], (0, 1), [1], n=backend.size(20_000, 500), rng=5, method="tau"
        )
        assert fits(sol["A"][:, 0], stats.binom(9, np.exp(-1)).pmf(np.arange(10)))


class TestSimulate:
    def test_statuses(self, backend):
        network = ReactionNetwork("A -> 0 @ 1; A = 5000")
        gone = simulate(network, None, (0, 60), [0, 60], rng=1, method="tau")
        assert gone.status.tolist() == ["absorbed"] and gone["A"].tolist() == [[5000, 0]] and gone.n_events[0] == 5000
        stopped = simulate(network, None, (0, 60), [60], rng=1, method="tau", stop="A <= 100")
        assert stopped.status.tolist() == ["stopped"] and 0 < stopped["A"][0, 0] <= 100
        short = simulate(network, None, (0, 60), [0, 60], rng=1, method="tau", max_events=3)
        assert short.status.tolist() == ["max_events"] and short["A"].tolist() == [[5000, -1]]
        assert simulate(network, None, (2, 2), [2], rng=1, method="tau")["A"].tolist() == [[5000]]

    def test_the_grid_is_a_part_of_the_run(self, backend):
        sol = simulate(ReactionNetwork(SIR), None, (0, 30), [0, 0, 7.5, 30, 30], rng=1, method="tau")
        assert sol["S"][0, 0] == sol["S"][0, 1] == 99500 and (sol.x[0, 3] == sol.x[0, 4]).all()
        assert (sol.x.sum(axis=-1) == 100_000).all()

    @pytest.mark.parametrize("method", ["tau", "cle"])
    def test_too_much(self, backend, method):
        for text in ("0 -> A @ 1e300; A = 1", "0 -> A @ 1e15; A = 1", "A -> 2 A @ 1; A = 1000000000"):
            with pytest.raises(OverflowError, match="run 0 overflowed"):
                simulate(ReactionNetwork(text), None, (0, 100), [100], rng=1, method=method)
        with pytest.raises(ValueError, match=r"must be finite and at least 0, got -\d"):
            simulate(ReactionNetwork("A -> 0 @ A - 50.5; A = 5000"), None, (0, 100), rng=1, method=method)
        with pytest.raises(ValueError, match="t_span must lie nearer to 0: in run 0"):  # ever shorter steps
            simulate(
                ReactionNetwork("2 A -> 3 A @ 1; A -> 0 @ 1; A = 20"),
                None,
                (0, 100),
                rng=1,
                method=method,
                max_events=10**5,
            )

    def test_refused(self):
        network = ReactionNetwork("A -> 0 @ 1; A = 50")
        with pytest.raises(ValueError, match="record must be 'grid' for method='tau'"):
            simulate(network, None, (0, 1), method="tau", record="jumps")
        for epsilon in (0, -1, 2, np.nan):
            with pytest.raises(ValueError, match="epsilon must"):
                simulate(network, None, (0, 1), method="tau", epsilon=epsilon)
        with pytest.raises(ValueError, match="epsilon must be None for method='direct'"):
            simulate(network, None, (0, 1), epsilon=0.1)
        with pytest.raises(ValueError, match=r"changes with the time: method='nrm'"):
            simulate(ReactionNetwork("A -> 0 @ t; A = 50"), None, (0, 1), method="tau")
        with pytest.raises(ValueError, match="method='tau' takes no events"):
            simulate(ReactionNetwork("A -> 0 @ 1; A = 50; at A < 3: A = 9"), None, (0, 1), method="tau")

    @pytest.mark.parametrize(
        ("text", "stop"),
        [
            (SIR, "I + R > 30000 and t > 5"),
            (SIR, "t >= 7.25 and S > 5 or t > 1000"),
            (SIR, "S - I < 100"),
            (SIR, "S + I < 0 or t >= 7.25"),
            ("A -> 0 @ 1; A = 3000", "A < 1000 and t >= 3.3"),
            ("A -> 0 @ 1; A = 3000", "t > 400 or t == 1.5 and A > 2999"),  # long after nothing can happen any more
            ("A -> B @ 1; B -> A @ 1; A = 3", "A == 0 and t > 0.7"),  # single events
        ],
    )
    def test_stops_of_all_kinds(self, text, stop):
        network, found = ReactionNetwork(text), []
        for name in ("compiled", "reference"):
            with use_backend(name):
                found.append(first_passage(network, None, stop, (0, 500), n=3, rng=3, method="tau"))
        ours, twin = found
        assert ours.reached.all() and ours.t.tolist() == twin.t.tolist() and ours.x.tolist() == twin.x.tolist()
        assert ours.n_events.tolist() == twin.n_events.tolist()
        for t, x in zip(ours.t.tolist(), ours.x.tolist()):
            values = {**dict(zip(network.species, x)), "t": t}
            assert eval(stop, values) and ("7.25" not in stop or t == 7.25)

    @pytest.mark.parametrize("stop", ["A >= 5", "A + 0 >= 5", "A > 4 and t > 0"])
    def test_what_no_rate_reads_but_a_stop(self, stop):
        """Leaps are as short as what is looked at asks for: the time of the fifth birth."""
        births = ReactionNetwork("0 -> A @ 1")
        passed = first_passage(births, {"A": 0}, stop, (0, 50), n=2000, rng=3, method="tau")
        assert abs(passed.t.mean() - 5) < 0.25 and abs(passed.t.var() - 5) < 0.8
        many = first_passage(ReactionNetwork("0 -> A @ 1000"), {"A": 0}, stop.replace("5", "5000").replace("4", "4999"),
                             (0, 50), n=20, rng=3, method="tau")  # fmt: skip
        assert abs(many.t.mean() - 5) < 0.2 and many.x.max() < 5400
        found = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                found.append(first_passage(births, {"A": 0}, stop, (0, 50), n=3, rng=5, method="tau").t.tolist())
                sol = simulate(births, {"A": 0}, (0, 50), [50], n=3, rng=5, method="tau", stop=stop)
                assert sol.x[:, 0, 0].tolist() == [5, 5, 5]
        assert found[0] == found[1]

    def test_a_stop_at_the_end_and_at_a_kept_time(self, backend):
        network = ReactionNetwork(SIR)
        for end, status in ((7.25, "stopped"), (np.nextafter(7.25, 0), "finished")):
            sol = simulate(network, None, (0, end), [3, end], rng=1, method="tau", stop="t >= 7.25")
            assert sol.status.tolist() == [status] and sol["R"][0, 1] > sol["R"][0, 0] > 0
        sol = simulate(network, None, (0, 20), [7.25, 20], rng=1, method="tau", stop="t >= 7.25")
        assert sol.status.tolist() == ["stopped"] and sol["R"][0, 1] == sol["R"][0, 0] > 0
        first = simulate(network, None, (0, 9), rng=1, method="tau", stop="S + I > 0 and t >= 0")
        assert first.n_events.tolist() == [0] and first.status.tolist() == ["stopped"]

    def test_workers_and_parts(self, backend):
        options = {"n": 3, "rng": 4, "method": "tau", "params": [[0.1], [0.2]]}
        network = ReactionNetwork("S + I -> 2 I @ 4e-5; I -> R @ g; S = 9900; I = 100; g = 0.1")
        whole = simulate(network, None, (0, 30), **options)
        assert whole.x.tobytes() == simulate(network, None, (0, 30), workers=3, **options).x.tobytes()
        part = simulate(network, None, (0, 30), runs=range(2, 5), **options)
        assert part.x.tolist() == whole.x.reshape(-1, 101, 3)[2:5].tolist()
