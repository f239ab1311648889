"""The chemical Langevin equation, and normal random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastcore import use_backend
from fastcore._backend import kernels
from fastcore._random import stream_key
from fastcore.ode import solve
from fastcore.reactions import ReactionNetwork, first_passage, simulate

from .helpers import sized

SIR = "S + I -> 2 I @ 4e-6; I -> R @ 0.1; S = 99500; I = 500"
SCARCE = "A -> B @ 1; B -> A @ 1; A + B -> C @ 0.1; 2 C -> A @ 1e-3; A = 4"


class TestNormals:
    def test_numbers(self, backend):
        numbers = kernels("reactions").normals(stream_key(1), 0, backend.size(400_000, 20_000))
        assert stats.kstest(numbers, "norm").pvalue > 1e-6
        # Of the two that are made at a time neither says anything of the other, nor of the next.
        for lag in (1, 2):
            for power in (1, 2):
                a, b = numbers[:-lag] ** power, numbers[lag:] ** power
                assert abs(np.corrcoef(a, b)[0, 1]) < 5 / len(numbers) ** 0.5

    def test_twins(self):
        ours, twin = (kernels("reactions", name).normals(stream_key(3), 1, 3001) for name in ("compiled", "reference"))
        assert ours.tobytes() == twin.tobytes()


class TestSimulate:
    @pytest.mark.parametrize(
        ("text", "end"),
        [
            (SIR, 60),
            (SCARCE, 20),  # below 0 at times
            ("S -> P @ 900*S/(200 + S); P -> 0 @ 0.5; 5 P -> S @ 1e-9*P**2; S = 30000", 40),
            ("; ".join(f"X{i} -> X{(i + 1) % 12} @ {i + 1}; X{i} = {500 * i}" for i in range(12)), 2),
            ("2 A -> B @ 1e-6; A = 100000", 3),
            ("A -> 0 @ 1; A = 30", 60),  # until nothing is left
        ],
    )
    def test_twins(self, text, end):
        network, results = ReactionNetwork(text), []
        for name in ("compiled", "reference"):
            with use_backend(name):
                results.append(
                    simulate(network, None, (0, end), [0, end / 2, end], n=2, rng=1, method="cle", max_events=4000)
                )
        ours, twin = results
        assert ours.method == "cle" and ours.x.dtype == np.float64
        assert np.array_equal(ours.x, twin.x, equal_nan=True) and ours.n_events.tolist() == twin.n_events.tolist()
        assert ours.status.tolist() == twin.status.tolist()
        if text == SCARCE:
            assert (ours.x < 0).any()

    def test_moments_of_births_and_deaths(self, backend):
        """Means and variances of a linear network are those of the exact process: Poisson's here."""
        network = ReactionNetwork("0 -> A @ 4000; A -> 0 @ 1; total := 2*A")
        options = {"n": backend.size(4000, 60), "rng": 3, "method": "cle"}
        sol = simulate(network, [4000], (0, 8), [8], **options)
        amounts = sol["A"][:, 0]
        assert (amounts != np.floor(amounts)).any() and (sol["total"][:, 0] == 2 * amounts).all()
        assert abs(amounts.mean() - 4000) < 5 * (4000 / len(amounts)) ** 0.5 + 4
        assert abs(amounts.var() / 4000 - 1) < 7 * (2 / len(amounts)) ** 0.5 + 0.05
        moments = simulate(network, [4000], (0, 8), [8], reduce="moments", **options)
        assert np.allclose(moments.mean()["A"], amounts.mean()) and np.allclose(moments.var()["A"], amounts.var(ddof=1))
        kept = simulate(network, [4000], (0, 8), [8], reduce=lambda part: part.x[:, 0, 0], **options)
        assert (kept == amounts).all()

    def test_moments_of_an_epidemic(self):
        network, n = ReactionNetwork(SIR), sized(400, 10)
        sol = simulate(network, None, (0, 60), [20, 30, 60], n=n, rng=1, method="cle")
        if n < 400:
            return
        exact = simulate(network, None, (0, 60), [20, 30, 60], n=n, rng=2)
        for name in network.species:
            ours, theirs = sol[name].mean(axis=0), exact[name].mean(axis=0)
            error = 5 * np.hypot(sol[name].std(axis=0), exact[name].std(axis=0)) / n**0.5
            assert (np.abs(ours - theirs) < 0.01 * theirs + error).all()
            assert (np.abs(sol[name].std(axis=0) / exact[name].std(axis=0) - 1) < 0.25).all()

    def test_large_amounts_follow_the_equations(self, backend):
        network = ReactionNetwork("A -> B @ 1; B -> A @ 0.5; A = 1000000000000")
        sol = simulate(network, None, (0, 3), [3], rng=1, method="cle", epsilon=0.01)
        assert np.allclose(sol.x[0], solve(network, None, (0, 3), [3]).x, rtol=1e-2)

    def test_what_is_conserved_stays(self, backend):
        for text, total in ((SIR, 100_000), ("A -> B @ 1; B -> A @ 1; A = 3", 3)):
            sol = simulate(ReactionNetwork(text), None, (0, 30), [0, 0, 7.5, 30, 30], rng=1, method="cle")
            assert np.allclose(sol.x.sum(axis=-1), total, rtol=1e-12)
            assert (sol.x[0, 0] == sol.x[0, 1]).all() and (sol.x[0, 3] == sol.x[0, 4]).all()

    def test_parts_of_an_ensemble(self):
        network = ReactionNetwork(SIR)
        options = {"n": 3, "rng": 4, "method": "cle", "params": None}
        whole = simulate(network, None, (0, 20), [10, 20], **options)
        part = simulate(network, None, (0, 20), [10, 20], runs=range(1, 3), **options)
        threads = simulate(network, None, (0, 20), [10, 20], workers=2, **options)
        assert (part.x == whole.x[1:]).all() and (threads.x == whole.x).all()

    def test_statuses(self, backend):
        network = ReactionNetwork("A -> 0 @ 1; A = 5000")
        gone = simulate(network, None, (0, 60), [0, 60], rng=1, method="cle")
        assert gone.status.tolist() == ["absorbed"] and gone["A"][0, 0] == 5000 and -9 < gone["A"][0, 1] <= 0
        short = simulate(network, None, (0, 60), [0, 60], rng=1, method="cle", max_events=3)
        assert short.status.tolist() == ["max_events"] and short.n_events.tolist() == [3]
        assert short["A"][0, 0] == 5000 and np.isnan(short["A"][0, 1]) and np.isnan(short.mean()["A"][1])
        assert simulate(network, None, (2, 2), [2], rng=1, method="cle")["A"].tolist() == [[5000.0]]
        assert gone.to_pandas()["A"].dtype == np.float64

    def test_bad_input(self, backend):
        network = ReactionNetwork("A -> 0 @ 1; A = 50")
        for options, message in (
            ({"record": "jumps"}, "record must be 'grid' for method='cle'"),
            ({"epsilon": 0}, "epsilon must"),
            ({"stop": "A < 3"}, "stop must be None for method='cle', whose amounts are real"),
            ({"reduce": "histogram"}, "reduce must not be 'histogram' for method='cle'"),
        ):
            with pytest.raises(ValueError, match=message):
                simulate(network, None, (0, 1), method="cle", **options)
        with pytest.raises(ValueError, match="x0 must be trajectories of counts, got those of method='cle'"):
            simulate(network, simulate(network, None, (0, 1), method="cle"), (1, 2))
        with pytest.raises(TypeError, match="reduce must be None, 'moments'"):
            simulate(network, None, (0, 1), method="cle", reduce=np.array([1, 2]))
        with pytest.raises(ValueError, match="method must be one that counts molecules, got 'cle'"):
            first_passage(network, None, "A < 3", (0, 1), method="cle")
        with pytest.raises(ValueError, match="method='cle' takes no events"):
            simulate(ReactionNetwork("A -> 0 @ 1; A = 50; at A < 3: A = 9"), None, (0, 1), method="cle")
