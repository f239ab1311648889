"""Exact simulation in batches, and binomial and hypergeometric random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastcore import use_backend
from fastcore._backend import kernels
from fastcore._random import stream_key
from fastcore.reactions import ReactionNetwork, first_passage, fsp, simulate
from fastcore.reference import _batching

from .helpers import fits, sized

PREY = "R -> 2 R @ 1; R + F -> 2 F @ 1e-6; F -> 0 @ 1; R = 1000000; F = 1000000"
# Reactions of nothing, of one and of two molecules, several of one pair, and x**2, which is both.
ALL_KINDS = """
    0 -> A @ 3e5; A -> B @ 1; A -> 0 @ 0.1; 2 A -> B @ 2e-7; 2 A -> 3 A @ 1e-7; A + B -> C @ 1e-7; A + B -> A @ 2e-7
    B -> 0 @ 1e-7*B*B; C -> A + 2 D @ 0.5; A = 2000000; B = 1000000
"""


class TestDraws:
    @pytest.mark.parametrize(
        ("n", "p"),
        [(0, 0.5), (7, 0.0), (7, 1.0), (7, 0.3), (1, 0.9), (25, 0.4), (30, 0.5), (1000, 0.01), (1000, 0.011), (90, 0.8),
         (5000, 0.5), (10**12, 3e-11)],
    )  # fmt: skip
    def test_binomial(self, backend, n, p):
        numbers = kernels("reactions").binomials(stream_key(1), 0, n, p, backend.size(200_000, 20_000))
        assert ((numbers == np.floor(numbers)) & (numbers >= 0) & (numbers <= n)).all()
        assert fits(numbers.astype(int), stats.binom(n, p).pmf(np.arange(int(min(n, n * p + 200)) + 1)))

    @pytest.mark.parametrize(
        ("good", "bad", "draws"),
        [(0, 5, 3), (5, 0, 3), (5, 3, 0), (5, 3, 8), (4, 60, 30), (40, 60, 9), (11, 11, 11), (30, 20, 25), (60, 40, 90),
         (500, 700, 300), (15, 10**6, 40_000), (10**6, 2 * 10**6, 500)],
    )  # fmt: skip
    def test_hypergeometric(self, backend, good, bad, draws):
        numbers = kernels("reactions").hypergeometrics(
            stream_key(2), 0, good, bad, draws, backend.size(200_000, 20_000)
        )
        assert ((numbers == np.floor(numbers)) & (numbers >= max(0, draws - bad)) & (numbers <= min(good, draws))).all()
        assert fits(numbers.astype(int), stats.hypergeom(good + bad, good, draws).pmf(np.arange(min(good, draws) + 1)))

    def test_large_numbers_are_normal(self, backend):
        count = backend.size(200_000, 10_000)
        for numbers, mean, variance in (
            (kernels("reactions").binomials(stream_key(3), 0, 1e15, 1e-4, count), 1e11, 1e11 * (1 - 1e-4)),
            (kernels("reactions").hypergeometrics(stream_key(3), 0, 1e15, 3e15, 4e8, count), 1e8, 0.75e8),
            (kernels("reactions").hypergeometrics(stream_key(3), 0, 2e10, 2e10, 1e10, count), 5e9, 1.875e9),
        ):
            scaled = (numbers - mean) / variance**0.5
            assert stats.kstest(scaled, "norm").pvalue > 1e-6
            assert abs(scaled.var() - 1) < 8 / count**0.5

    def test_twins(self):
        for call in (("binomials", 9, 0.3), ("binomials", 1e4, 0.7), ("binomials", 1e15, 1e-9),
                     ("hypergeometrics", 8, 70, 20), ("hypergeometrics", 3e4, 1e4, 2e4),
                     ("hypergeometrics", 1e15, 1e14, 1e8)):  # fmt: skip
            ours, twin = (
                getattr(kernels("reactions", name), call[0])(stream_key(4), 1, *call[1:], 3000)
                for name in ("compiled", "reference")
            )
            assert ours.tobytes() == twin.tobytes()


class TestTwins:
    @pytest.mark.parametrize(
        ("text", "end"),
        [
            (PREY, 0.01),
            (ALL_KINDS, 0.05),
            ("0 -> A @ 1e7; A = 0", 0.03),
            ("A -> 5 A @ 1; A = 300000", 0.3),
            ("A + B -> 0 @ 1e-6; A = 500000; B = 400000", 9),
            ("2 A -> 0 @ 1e-5; A = 400000", 1),
            ("A -> 0 @ 1; A = 40000", 30),  # until nothing is left
            ("0 -> A @ 100; A -> 0 @ 1; A = 60", 30),  # never worth a batch
            ("A -> 2 A @ 1; 2 A -> A @ 1e-5; A = 100000", 20),  # two that have met before meet again
        ],
    )
    def test_twins(self, text, end):
        network, results = ReactionNetwork(text), []
        for name in ("compiled", "reference"):
            with use_backend(name):
                results.append(
                    simulate(network, None, (0, end), [0, end / 3, end], n=2, rng=1, method="batch", max_events=150_000)
                )
        ours, twin = results
        assert ours.method == "batch"
        assert ours.x.tobytes() == twin.x.tobytes() and ours.n_events.tolist() == twin.n_events.tolist()
        assert ours.status.tolist() == twin.status.tolist()


class TestDistribution:
    @pytest.mark.parametrize(
        ("text", "end", "seen", "limits"),
        [
            ("S + I -> 2 I @ 0.05; I -> R @ 1; S = 70; I = 10", 1.0, "I", None),
            ("2 A -> B @ 0.01; B -> 2 A @ 1; A = 80", 0.7, "B", None),
            ("0 -> A @ 40; A -> 0 @ 1; 2 A -> 3 A @ 0.004; A = 30", 0.8, "A", {"A": 200}),
            ("A -> B @ 0.02*A*A; B -> A @ 1; A = 80", 0.5, "B", None),
            ("A + B -> C @ 0.02; A + B -> B @ 0.01; C -> A + B @ 1; A = 50; B = 50", 0.6, "C", None),
            ("A -> 4 A @ 0.5; A -> 0 @ 2; A = 60", 0.5, "A", {"A": 400}),
        ],
    )
    def test_small_batches_are_exact(self, monkeypatch, text, end, seen, limits):
        """By the twin, whose bits are the kernel's, made to take batches where they don't pay: any fault would show."""
        monkeypatch.setattr(_batching, "WORTH", (1.0, 0.0))
        monkeypatch.setattr(_batching, "FEW_MOLECULES", 20)
        network = ReactionNetwork(text)
        with use_backend("reference"):
            sol = simulate(network, None, (0, end), [end / 3, end], n=3000, rng=5, method="batch")
        exact = fsp(network, None, end, limits=limits)
        p = exact.marginal(seen)
        assert fits(sol[seen][:, 1], p)

    def test_death(self, backend):
        """What is left is binomial, at each of many times, and independent parts of it are."""
        n, times = backend.size(4000, 30), np.array([0.001, 0.5, 1.2])
        sol = simulate(ReactionNetwork("A -> 0 @ 1"), [200_000], (0, 1.2), times, n=n, rng=3, method="batch")
        for k, t in enumerate(times):
            p = np.exp(-t)
            scaled = (sol["A"][:, k] - 200_000 * p) / (200_000 * p * (1 - p)) ** 0.5
            assert stats.kstest(scaled, "norm").pvalue > 1e-6
        assert (sol.n_events == 200_000 - sol["A"][:, 2]).all()

    def test_births(self, backend):
        """Poisson, from nothing."""
        n = backend.size(4000, 30)
        sol = simulate(ReactionNetwork("0 -> A @ 1e6"), [0], (0, 0.5), [0.1, 0.5], n=n, rng=3, method="batch")
        for counts, mean in ((sol["A"][:, 0], 1e5), (sol["A"][:, 1] - sol["A"][:, 0], 4e5)):
            assert stats.kstest((counts - mean) / mean**0.5, "norm").pvalue > 1e-6

    def test_the_direct_method(self):
        """The same epidemic, at all of the times."""
        network = ReactionNetwork("S + I -> 2 I @ 2e-5; I -> R @ 0.4; S = 99000; I = 1000")
        n = sized(1500, 4)
        options = {"n": n, "t_eval": [1, 4, 12]}
        ours = simulate(network, None, (0, 12), rng=1, method="batch", **options)
        exact = simulate(network, None, (0, 12), rng=2, method="direct", **options)
        assert (ours.x.sum(axis=-1) == 100_000).all()
        for name in network.species:
            for k in range(3):
                assert stats.ks_2samp(ours[name][:, k], exact[name][:, k]).pvalue > 1e-6
        assert stats.ks_2samp(ours.n_events, exact.n_events).pvalue > 1e-6

    def test_units(self, backend):
        """Of the time, by a power of two, to the bit; and as many molecules as are counted exactly."""
        by = 2.0**40
        slow = simulate(ReactionNetwork(PREY), None, (0, 0.01), [0.01], rng=1, method="batch")
        fast = simulate(
            ReactionNetwork(f"R -> 2 R @ {by}; R + F -> 2 F @ {by * 1e-6!r}; F -> 0 @ {by}"),
            [10**6, 10**6],
            (0, 0.01 / by),
            [0.01 / by],
            rng=1,
            method="batch",
        )
        assert slow.x.tolist() == fast.x.tolist() and slow.n_events.tolist() == fast.n_events.tolist()
        tiny = simulate(
            ReactionNetwork("A -> B @ 1e-318"), [10**13, 0], (0, 1e308), [1e308], rng=1, method="batch", n=20
        )
        assert abs(tiny.n_events.mean() - 1000) < 6 * (1000 / 20) ** 0.5
        huge = simulate(
            ReactionNetwork("A -> B @ 1; B -> A @ 1"), [10**15, 10**15], (0, 1e-8), [1e-8], rng=1, method="batch"
        )
        assert huge.x.sum() == 2 * 10**15 and abs(huge.n_events[0] - 2e7) < 5 * 2e7**0.5


class TestSimulate:
    def test_statuses(self, backend):
        network = ReactionNetwork("A -> 0 @ 1; A = 50000")
        gone = simulate(network, None, (0, 90), [0, 90], rng=1, method="batch")
        assert gone.status.tolist() == ["absorbed"] and gone["A"].tolist() == [[50000, 0]]
        assert gone.n_events.tolist() == [50000]
        short = simulate(network, None, (0, 60), [0, 60], rng=1, method="batch", max_events=3)
        assert short.status.tolist() == ["max_events"] and short["A"].tolist() == [[50000, -1]]
        assert short.n_events[0] > 50
        assert simulate(network, None, (2, 2), [2], rng=1, method="batch")["A"].tolist() == [[50000]]
        still = simulate(ReactionNetwork("A -> 0 @ 0; A = 9"), None, (0, 1), [1], rng=1, method="batch")
        assert still.status.tolist() == ["absorbed"] and still["A"].tolist() == [[9]]

    def test_the_grid_is_a_part_of_the_run(self, backend):
        sol = simulate(ReactionNetwork(PREY), None, (0, 0.02), [0, 0, 0.005, 0.02, 0.02], rng=1, method="batch")
        assert sol["R"][0, 0] == sol["R"][0, 1] == 10**6 and (sol.x[0, 3] == sol.x[0, 4]).all()
        assert sol["R"][0, 2] != sol["R"][0, 3]

    def test_workers_and_parts(self, backend):
        options = {"n": 3, "rng": 4, "method": "batch", "params": [[1.0], [2.0]], "t_eval": [0.005, 0.01]}
        network = ReactionNetwork(PREY.replace("F -> 0 @ 1;", "F -> 0 @ g; g = 1;"))
        whole = simulate(network, None, (0, 0.01), **options)
        assert whole.x.tobytes() == simulate(network, None, (0, 0.01), workers=3, **options).x.tobytes()
        part = simulate(network, None, (0, 0.01), runs=range(2, 5), **options)
        assert part.x.tolist() == whole.x.reshape(-1, 2, 2)[2:5].tolist()
        assert whole["F"][0].mean() > whole["F"][1].mean()
        moments = simulate(network, None, (0, 0.01), reduce="moments", **options)
        assert np.allclose(moments.mean()["F"], whole["F"].mean(axis=1))
        on = simulate(network, simulate(network, None, (0, 0.01), n=2, rng=1), (0.01, 0.02), rng=1, method="batch")
        assert on.x.shape == (2, 101, 2)

    def test_too_much(self, backend):
        with pytest.raises(OverflowError, match="run 0 overflowed"):
            simulate(ReactionNetwork("A -> 1000000 A @ 1"), [2**53 - 2**32], (0, 1), rng=1, method="batch")
        with pytest.raises(ValueError, match="t_span must lie nearer to 0: in run 0"):
            simulate(ReactionNetwork("A -> 2 A @ 1e12; A = 1000000"), None, (1e6, 2e6), rng=1, method="batch")

    def test_refused(self):
        network = ReactionNetwork("A -> 0 @ 1; A = 50")
        for options, message in (
            ({"record": "jumps"}, "record must be 'grid' for method='batch'"),
            ({"epsilon": 0.1}, "epsilon must be None for method='batch'"),
            ({"stop": "A < 3"}, "stop must be None for method='batch'"),
        ):
            with pytest.raises(ValueError, match=message):
                simulate(network, None, (0, 1), method="batch", **options)
        with pytest.raises(ValueError, match="method must be one that looks after each step, got 'batch'"):
            first_passage(network, None, "A < 3", (0, 1), method="batch")
        for text, message in (
            ("A -> 0 @ 1; 3 A -> B @ 1; A = 9", "at most two amounts, but that of '3 A -> B"),
            ("A -> 0 @ A/(1 + A); A = 9", "at most two amounts, but that of 'A -> 0"),
            ("A -> 0 @ t; A = 9", "changes with the time: method='nrm' takes it"),
            ("A -> 0 @ 1; A = 50; at A < 3: A = 9", "method='batch' takes no events"),
            ("; ".join(f"A{i} -> 0 @ 1" for i in range(129)), "at most 128 species that rates depend on, got 129"),
        ):
            with pytest.raises(ValueError, match=message):
                simulate(ReactionNetwork(text), {}, (0, 1), method="batch")
