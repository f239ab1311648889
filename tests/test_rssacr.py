"""Rejection with composition: the method for large networks."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from scipy import stats

from fastcore import use_backend
from fastcore.reactions import ReactionNetwork, fsp, simulate
from fastcore.reactions._simulate import MOST_DIRECT

from .helpers import sized


def ring(size: int, rate: float = 1.0) -> ReactionNetwork:
    return ReactionNetwork([({f"X{i}": 1}, {f"X{(i + 1) % size}": 1}, rate) for i in range(size)])


def both(*arguments, **options):
    """The same call on both twins, which agree to the bit."""
    results = []
    for name in ("compiled", "reference"):
        with use_backend(name):
            results.append(simulate(*arguments, method="rssacr", record="jumps", **options))
    ours, twin = results
    assert ours.times.tobytes() == twin.times.tobytes() and ours.reactions.tobytes() == twin.reactions.tobytes()
    assert ours.status.tolist() == twin.status.tolist()
    return ours


def fits(counts: np.ndarray, p: np.ndarray) -> bool:
    """Whether whole numbers come with these probabilities; rare ones are put together with what follows."""
    observed, expected = np.bincount(counts, minlength=len(p)), p * len(counts)
    assert len(observed) == len(p)
    group = np.concatenate(([0], np.cumsum(expected)[:-1] // 20)).astype(int)
    observed, expected = np.bincount(group, observed), np.bincount(group, expected)
    some = expected > 0
    assert observed[~some].sum() == 0
    return bool(stats.chisquare(observed[some], expected[some] * len(counts) / expected[some].sum()).pvalue > 1e-6)


class TestTwins:
    def test_large_counts(self):
        """Intervals that are left upwards and downwards, past the events after which the total is summed afresh."""
        network = ReactionNetwork("A -> B @ 3; B -> A @ 1; 2 B -> C @ 0.01; C -> 2 B @ 1; A + C -> 2 A @ 0.002")
        jumps = both(network, [500, 0, 9], (0, 10), n=2, rng=1, max_events=2500)
        assert len(jumps.times) > 4000
        assert np.ptp(jumps.path(0)[1], axis=0).min() > 50

    def test_many_reactions(self):
        both(ring(150), np.arange(150), (0, 5), rng=2, max_events=2500)
        hub = ReactionNetwork([("H", {"H": 1, f"X{i}": 1}, 1.0 + i) for i in range(90)] + [("2 H", "H", 0.1)])
        both(hub, {"H": 70}, (0, 5), rng=3, max_events=1500)

    def test_rates_of_all_magnitudes(self):
        text = "; ".join(f"A -> A @ 1e{k}; B -> A @ 1e{-k}" for k in range(0, 300, 30))
        network = ReactionNetwork(f"{text}; B -> 0 @ 5e-324; A -> 0 @ 1e250")
        jumps = both(network, [12, 9], (0, 1e300), n=2, rng=4, max_events=500)
        assert (jumps.n_events == 500).all() or (jumps.status == "absorbed").all()
        assert both(ReactionNetwork("B -> 0 @ 5e-324"), [9], (0, 1e300), rng=1).status.tolist() == ["finished"]

    def test_orders_that_intervals_cant_hold(self):
        """With 7 or more of a kind an interval could hold counts that fire and counts that don't."""
        for order, start in ((6, 40), (7, 40), (9, 44)):
            jumps = both(ReactionNetwork(f"{order} A -> 0 @ 1e-3"), [start], (0, 1e3), n=3, rng=5)
            assert (jumps.status == "absorbed").all() and (jumps.n_events == start // order).all()

    def test_programs_beside_products(self):
        text = "S -> P @ 10*S/(5 + S); P -> S @ 1; P -> P + Q @ 2; Q -> 0 @ 0.1*Q; 2 Q -> S @ 0.01*S"
        network = ReactionNetwork(text)
        jumps = both(network, {"S": 200}, (0, 40), n=2, rng=6, max_events=2000)
        assert len(jumps.times) > 2000
        text = "B -> A @ 10; 0 -> D @ max(A-3, 0); B -> E @ max(A-3, 0)"
        for seed in range(4):
            both(ReactionNetwork(text), {"A": 20, "B": 1000}, (0, 2), rng=seed, max_events=2000)

    @pytest.mark.parametrize(
        ("text", "start"),
        [
            ("on -> off @ 1; off -> on @ 1; 0 -> P @ 5/(on + off)", [1, 0, 0]),
            ("S + I -> 2 I @ 1; I -> S @ 1; 0 -> C @ 3*S*I/(S + I)", [0, 3, 0]),
            ("A + B -> 0 @ 0.01; 0 -> C @ A - B", [10, 10, 0]),
            ("A -> B @ 1; B -> A @ 1; 0 -> C @ sqrt(A + B - 10)", [10, 0, 0]),
            ("A + B -> AB @ 1; AB -> A + B @ 1; 0 -> C @ log(A + AB)", [1, 10, 0, 0]),
        ],
    )
    def test_programs_see_no_state_that_never_is(self, text, start):
        """Rates that are fine wherever a reaction leads, and not where half of its changes are made."""
        jumps = both(ReactionNetwork(text), start, (0, 20), n=3, rng=1)
        assert jumps.status.tolist() != ["stopped"] * 3 and len(jumps.times) > 9


class TestDistribution:
    def test_the_first_event(self, backend):
        """Its reaction comes as its rate is of the total, its time is exponential, and they are independent."""
        rates = np.r_[np.linspace(0.1, 3, 20), 40.0, 0.0]
        counts = np.r_[np.arange(20) * 7, 11, 500]
        network = ReactionNetwork([({f"X{i}": 1}, {}, rate) for i, rate in enumerate(rates)])
        n = backend.size(40_000, 2_000)
        jumps = simulate(network, counts, (0, 1e9), n=n, rng=1, method="rssacr", record="jumps", max_events=1)
        share = rates * counts / (rates * counts).sum()
        assert fits(jumps.reactions, share)
        times = jumps.times * (rates * counts).sum()
        assert stats.kstest(times, "expon").pvalue > 1e-6
        early = times < math.log(2)
        table = [np.bincount(jumps.reactions[which] // 3, minlength=8) for which in (early, ~early)]
        assert stats.chi2_contingency(np.array(table)[:, np.sum(table, axis=0) > 0]).pvalue > 1e-6

    def test_walkers_on_a_ring(self):
        """Walkers are independent: a place holds, of those that began k places before it, a binomial number."""
        size, t = 100, 2.0
        began = 30 + np.arange(size)
        steps = stats.poisson(t).pmf(np.arange(40))
        sol = simulate(ring(size), began, (0, t), [t], n=sized(3000, 200), rng=2)
        assert sol.method == "rssacr"
        for place in (3, 20, 50, 77, 99):
            p = np.ones(1)
            for k, step in enumerate(steps):
                p = np.convolve(p, stats.binom(began[place - k], step).pmf(np.arange(began[place - k] + 1)))
            assert fits(sol[f"X{place}"][:, 0], p)

    def test_against_the_master_equation(self):
        """Counts from 0 to a hundred, in reactions of up to the third order."""
        text = "0 -> A @ 90; A -> 0 @ 1; 2 A -> B @ 0.01; B -> 2 A @ 0.5; A + 2 B -> A + B @ 0.0005; B -> 0 @ 0.2"
        network = ReactionNetwork(text)
        exact = fsp(network, [20, 9], 1.5, limits=[150, 90])
        assert exact.error < 1e-9
        sol = simulate(network, [20, 9], (0, 1.5), [1.5], n=sized(20_000, 500), rng=3, method="rssacr")
        for name in network.species:
            assert fits(sol[name][:, 0], exact.marginal(name))

    def test_against_the_direct_method(self):
        """A large network of pairs that meet and part, in which every count is small."""
        names = [f"X{i}" for i in range(12)]
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        triples = [({a: 1, b: 1}, {f"{a}{b}": 1}, 0.02 + 0.01 * (i % 7)) for i, (a, b) in enumerate(pairs)]
        network = ReactionNetwork([*triples, *((right, left, 1.0) for left, right, _ in triples)])
        start = {name: 1 + 3 * (i % 5) for i, name in enumerate(names)}
        runs = [
            simulate(network, start, (0, 2), [2], n=sized(4000, 200), rng=4, method=method, species=names).x[:, 0]
            for method in ("auto", "direct")
        ]
        for i in range(len(names)):
            table = np.array([np.bincount(run[:, i], minlength=16) for run in runs])
            common = table.sum(axis=0) > 10
            table = np.column_stack((table[:, common], table[:, ~common].sum(axis=1)))
            assert stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue > 1e-6

    def test_rates_that_fall_to_nothing(self, backend):
        network = ReactionNetwork("A -> 0 @ 1e12; B -> 0 @ 1e-3")
        waits = simulate(network, {"A": 300, "B": 1}, (0, 1e9), n=200, rng=0, record="jumps", method="rssacr")
        assert (waits.status == "absorbed").all() and (waits.n_events == 301).all()
        assert stats.kstest(waits.times[waits.offsets[1:] - 1], "expon", (0, 1e3)).pvalue > 1e-6


class TestChoice:
    def test_auto_goes_by_size(self, backend):
        for size, name in ((MOST_DIRECT, "direct"), (MOST_DIRECT + 1, "rssacr")):
            network, x0 = ring(size), np.full(size, 5)
            auto = simulate(network, x0, (0, 1), n=2, rng=1)
            told = simulate(network, x0, (0, 1), n=2, rng=1, method=name)
            assert auto.method == told.method == name
            assert auto.x.tolist() == told.x.tolist()
            assert simulate(network, x0, (0, 1), rng=1, record="jumps").method == name

    def test_methods_stay_with_results(self):
        for record in ("grid", "jumps"):
            sol = simulate(ring(3), [1, 1, 1], (0, 1), rng=1, method="rssacr", record=record)
            assert pickle.loads(pickle.dumps(sol)).method == "rssacr"
            older = copy.copy(sol)
            del vars(older)["method"]  # as pickles of an older version give it back
            assert older.method == "direct"

    @pytest.mark.parametrize("record", ["grid", "jumps"])
    def test_workers_do_not_change_results(self, backend, record):
        options = {"n": 7, "rng": 4, "record": record, "method": "rssacr", "params": [[1.0], [2.0]]}
        network = ReactionNetwork("A -> B @ k; B -> A @ 1; k = 1")
        one, two = (simulate(network, [60, 20], (0, 3), workers=workers, **options) for workers in (1, 3))
        fields = ("x",) if record == "grid" else ("times", "reactions")
        assert all(getattr(one, field).tobytes() == getattr(two, field).tobytes() for field in fields)
