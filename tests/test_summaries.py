"""What many runs are together, kept whole or reduced as they are made."""

from __future__ import annotations

import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import use_backend
from fastcore.reactions import ReactionNetwork, _reduced, _summaries, simulate

SIR = ReactionNetwork("S + I -> 2 I @ beta; I -> R @ gamma; beta = 0.002; gamma = 1; sick := I + R; S = 190; I = 10")
SETS = {"gamma": [0.5, 1.0, 2.0]}


@pytest.fixture
def small_shares(monkeypatch):
    monkeypatch.setattr(_reduced, "SHARE", 100)


class TestStatistics:
    def test_are_numpys(self):
        sol = simulate(SIR, None, (0, 4), [0, 1, 4], n=50, rng=1)
        assert sol.mean().x.tolist() == sol.x.mean(axis=0).tolist()
        assert np.allclose(sol.var().x, sol.x.var(axis=0, ddof=1), rtol=1e-12)
        assert np.allclose(sol.var(ddof=0)["I"], sol["I"].var(axis=0), rtol=1e-12)
        assert sol.quantile(0.5)["I"].tolist() == np.quantile(sol["I"], 0.5, axis=0).tolist()
        two = sol.quantile([0.1, 0.9], ["R", "sick"])
        assert two.species == ("R", "sick") and two.x.shape == (2, 3, 2)
        assert two["sick"].tolist() == np.quantile(sol["sick"], [0.1, 0.9], axis=0).tolist()
        assert sol.mean("sick")["sick"].tolist() == sol["sick"].mean(axis=0).tolist()

    def test_of_sets(self):
        sol = simulate(SIR, None, (0, 4), [0, 4], n=5, params=SETS, rng=1)
        assert np.array_equal(sol.mean().x, sol.x.mean(axis=1)) and sol.mean()["I"].shape == (3, 2)
        assert sol.quantile([0.25, 0.5, 0.75]).x.shape == (3, 3, 2, 3)

    def test_say_nothing_of_times_never_reached(self):
        sol = simulate(SIR, None, (0, 4), [0, 4], n=5, rng=1, max_events=3)
        for found in (sol.mean(), sol.var(), sol.quantile(0.5)):
            assert np.isnan(found.x[1]).all() and not np.isnan(found.x[0]).any()
        sol = simulate(SIR, None, (0, 4), [0, 4], rng=1)
        assert np.isnan(sol.var().x).all() and not np.isnan(sol.var(ddof=0).x).any()
        assert np.isnan(simulate(SIR, None, (0, 4), [0], n=2, rng=1, runs=range(0)).mean().x).all()

    def test_are_shown(self):
        sol = simulate(SIR, None, (0, 4), [0, 4], n=5, rng=1)
        mean = sol.mean()
        assert repr(mean) == "Curves(mean, 2 times, species S, I, R)"
        assert np.asarray(mean).tolist() == mean.x.tolist()
        assert mean.to_pandas()["I"].tolist() == mean["I"].tolist()
        assert sol.quantile([0.1, 0.5]).to_pandas().shape == (4, 3)
        assert (
            sol.quantile([0.1, 0.5]).to_xarray().sel(species="R", axis0=1).values.tolist()
            == sol.quantile(0.5)["R"].tolist()
        )
        assert pickle.loads(pickle.dumps(mean)).what == "mean"

    @pytest.mark.parametrize(
        ("call", "error", "words"),
        [
            (lambda sol: sol.mean()["Q"], KeyError, "no species 'Q'"),
            (lambda sol: sol.mean(["Q"]), KeyError, "no species 'Q'"),
            (lambda sol: sol.mean([]), ValueError, "names must name at least one"),
            (lambda sol: sol.mean([3]), TypeError, "names must hold str"),
            (lambda sol: sol.quantile(1.5), ValueError, r"q must lie in \[0, 1\], got 1.5"),
            (lambda sol: sol.quantile([[0.5]]), ValueError, "q must have 0 or 1 dimensions"),
            (lambda sol: sol.var(ddof=-1), ValueError, "ddof must be"),
        ],
    )
    def test_bad_input(self, call, error, words):
        with pytest.raises(error, match=words):
            call(simulate(SIR, None, (0, 1), [1], n=2, rng=1))


class TestMoments:
    @pytest.mark.parametrize("params", [None, SETS])
    def test_are_those_of_what_is_kept(self, backend, small_shares, params):
        options = {"n": 23, "params": params, "rng": 1}
        kept = simulate(SIR, None, (0, 4), [0, 1, 4], **options)
        found = simulate(SIR, None, (0, 4), [0, 1, 4], reduce="moments", **options)
        assert np.allclose(found.mean().x, kept.mean().x, rtol=1e-13)
        assert np.allclose(found.var().x, kept.var().x, rtol=1e-12)
        assert (found.n_events == kept.n_events).all() and (found.status == kept.status).all()
        assert found.n == 23 and found.method == "direct" and found.mean()["I"].shape == kept.mean()["I"].shape

    def test_of_variables(self, small_shares):
        options = {"n": 23, "params": {"gamma": [0.5, 2.0]}, "rng": 1}
        kept = simulate(SIR, None, (0, 4), [0, 4], **options)
        found = simulate(SIR, None, (0, 4), [0, 4], reduce="moments", species=["sick", "S"], **options)
        assert np.allclose(found.mean()["sick"], kept["sick"].mean(axis=1)) and found.species == ("sick", "S")
        with pytest.raises(ValueError, match=r"species must name some of .* got"):
            simulate(SIR, None, (0, 4), [0, 4], species=["sick"])

    def test_dont_depend_on_workers(self, small_shares):
        found = [
            simulate(SIR, None, (0, 4), [0, 1, 4], n=100, rng=1, reduce="moments", workers=workers).mean().x.tolist()
            for workers in (1, 2, 3, map)
        ]
        assert found.count(found[0]) == 4
        with ThreadPoolExecutor(2) as pool:
            other = simulate(SIR, None, (0, 4), [0, 1, 4], n=100, rng=1, reduce="moments", workers=pool)
        assert other.mean().x.tolist() == found[0]

    def test_of_few(self, small_shares):
        assert np.isnan(simulate(SIR, None, (0, 4), [4], reduce="moments").var().x).all()
        found = simulate(SIR, None, (0, 4), [0, 4], n=40, reduce="moments", max_events=3)
        assert np.isnan(found.mean().x[1]).all() and found.mean()["I"][0] == 10.0
        part = simulate(SIR, None, (0, 4), [4], n=40, rng=1, runs=range(10, 30), reduce="moments")
        whole = simulate(SIR, None, (0, 4), [4], n=40, rng=1)
        assert part.n == 20 and np.allclose(part.mean().x, whole.x[10:30].mean(axis=0))

    def test_hold_little(self):
        n = 20_000
        tracemalloc.start()
        try:
            with use_backend("compiled"):  # the twin's lists would take minutes under the tracer
                simulate(SIR, {"S": 3}, (0, 1), n=n, reduce="moments", rng=1)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < n * 101 * 3 * 8 / 2

    def test_far_from_zero(self, small_shares):
        big = ReactionNetwork("A -> B @ 1; B -> A @ 1")
        found = simulate(big, {"A": 4 * 10**15}, (0, 1e-15), [1e-15], n=60, rng=1, reduce="moments")
        kept = simulate(big, {"A": 4 * 10**15}, (0, 1e-15), [1e-15], n=60, rng=1)
        exact = np.var([int(a) - 4 * 10**15 for a in kept["A"][:, 0]], ddof=1)
        assert found.var()["A"][0] == pytest.approx(exact, rel=1e-9)
        assert kept.var()["A"][0] == pytest.approx(exact, rel=1e-9)


class TestHistogram:
    @pytest.mark.parametrize("params", [None, SETS])
    def test_counts_runs(self, backend, small_shares, params):
        options = {"n": 23, "params": params, "rng": 1}
        kept = simulate(SIR, None, (0, 4), [0, 1, 4], **options)
        found = simulate(SIR, None, (0, 4), [0, 1, 4], reduce="histogram", **options)
        for name in "SIR":
            values = kept[name].reshape(-1, 23, 3)
            bins = values.max() + 1
            expected = [[np.bincount(rows[:, k], minlength=bins).tolist() for k in range(3)] for rows in values]
            assert found[name].tolist() == (expected if params else expected[0])
            assert found.edges(name).tolist() == list(range(bins + 1))
            assert found.probabilities(name).sum(axis=-1) == pytest.approx(1)
        assert found.widths == (1, 1, 1) and found.n == 23

    @given(
        st.lists(st.lists(st.integers(-1, 6000), min_size=2, max_size=2), min_size=2, max_size=30), st.integers(1, 29)
    )
    def test_in_parts(self, rows, cut):
        x = np.array(rows)[:, :, None]
        whole, parts = _summaries.HistogramParts(), _summaries.HistogramParts()
        whole.add(_summaries.HistogramParts.of(x))
        for part in (x[:cut], x[cut:]):
            if len(part):
                parts.add(_summaries.HistogramParts.of(part))
        (power, counts), (other, found) = whole.bins[0], parts.bins[0]
        assert power == other and counts.tolist() == found.tolist()
        assert counts.shape[-1] <= 1024
        for k in range(2):
            for value in {v for v in x[:, k, 0].tolist() if v >= 0}:
                same = sum(v >= 0 and v >> power == value >> power for v in x[:, k, 0].tolist())
                assert counts[k, value >> power] == same
        assert counts.sum() == (x >= 0).sum()

    def test_end(self, monkeypatch, small_shares):
        monkeypatch.setattr(_summaries.HistogramParts.__init__, "__defaults__", (300,))
        with pytest.raises(ValueError, match="more than 300 bins: keep fewer species"):
            simulate(SIR, None, (0, 4), [0, 1, 4], n=23, reduce="histogram", rng=1)

    def test_is_shown(self):
        found = simulate(SIR, None, (0, 4), [0, 4], n=7, reduce="histogram", species=["I"], params=SETS)
        assert repr(found) == "Histogram(3 sets of parameters, 7 runs, 2 times, species I)"
        moments = simulate(SIR, None, (0, 4), [0, 4], n=7, reduce="moments", species=["I"])
        assert repr(moments) == "Moments(7 runs, 2 times, species I)"
        with pytest.raises(KeyError, match="no species 'S'"):
            found["S"]
        with pytest.raises(ValueError, match="species must name some of"):
            simulate(SIR, None, (0, 4), [0, 4], n=7, reduce="histogram", species=["sick"])


class TestFunctions:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_give_a_row_a_run(self, small_shares, workers):
        kept = simulate(SIR, None, (0, 9), n=30, rng=1)
        peaks = simulate(SIR, None, (0, 9), n=30, rng=1, workers=workers, reduce=lambda part: part["sick"].max(axis=1))
        assert peaks.tolist() == kept["sick"].max(axis=1).tolist()
        sizes = []

        def last(part):
            sizes.append(len(part.x))
            return part.last

        found = simulate(SIR, None, (0, 9), [0, 3, 9], n=30, params=SETS, rng=1, reduce=last)
        assert (found == simulate(SIR, None, (0, 9), [9], n=30, params=SETS, rng=1).last).all()
        assert found.shape == (3, 30, 3) and sum(sizes) == 90 and max(sizes) == 11
        part = simulate(SIR, None, (0, 9), [0, 9], n=30, params=SETS, rng=1, runs=range(25, 65), reduce=last)
        assert (part == found.reshape(90, 3)[25:65]).all()

    def test_see_their_own_parameters(self, small_shares):
        network = ReactionNetwork("A -> 0 @ k; rate := k*A; k = 1")
        sol = simulate(network, {"A": 8}, (0, 1), [0], n=40, params={"k": [1.0, 2.0]}, reduce=lambda p: p["rate"][:, 0])
        assert sol.tolist() == [[8.0] * 40, [16.0] * 40]

    @pytest.mark.parametrize("wrong", [lambda part: 3, lambda part: part.x[:1], lambda part: part["I"].T])
    def test_bad_results(self, wrong):
        with pytest.raises(ValueError, match="reduce must return an array with a row for each of the 4 runs"):
            simulate(SIR, None, (0, 9), n=4, reduce=wrong)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="runs must be None for reduce='moments' of several sets"):
            simulate(SIR, None, (0, 9), n=4, reduce="moments", params=SETS, runs=range(3), rng=1)
        with pytest.raises(ValueError, match="reduce needs at least one run"):
            simulate(SIR, None, (0, 9), n=4, reduce="moments", runs=range(0), rng=1)
        with pytest.raises(ZeroDivisionError):
            simulate(SIR, None, (0, 9), n=4, reduce=lambda part: 1 / 0)
