"""Reaction networks and their stochastic simulation."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats

from fastcore import use_backend
from fastcore._backend import kernels
from fastcore._data import reaction_models
from fastcore.reactions import Jumps, Reaction, ReactionNetwork, Trajectories, _fsp, fsp, simulate
from fastcore.reactions._fsp import _poisson

from .helpers import dsmts, memory_growth, nasty_forms, run_script, sized

METHODS = ["direct", "first_reaction", "rssacr"]
GENE = ReactionNetwork("0 -> m @ 20\nm -> m + n @ 2.5\nm -> 0 @ 1\nn -> 0 @ 1")
SIR = ReactionNetwork("S + I -> 2 I @ beta\nI -> R @ gamma\nbeta = 5e-5\ngamma = 0.1")


def model(name: str) -> tuple[ReactionNetwork, dict[str, int], float]:
    found = reaction_models()["models"][name]
    triples = [(r["reactants"], r["products"], r["rate"]) for r in found["reactions"]]
    return ReactionNetwork(triples, species=found["species"]), found["x0"], found["t_end"]


def same(a, b) -> bool:
    """Whether two results hold the same numbers to the bit."""
    fields = ("t", "x") if isinstance(a, Trajectories) else ("times", "reactions", "offsets")
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in (*fields, "n_events", "status"))


def both(*arguments, **options):
    results = []
    for name in ("compiled", "reference"):
        with use_backend(name):
            results.append(simulate(*arguments, **options))
    return results


class TestReactionNetwork:
    def test_text(self):
        assert SIR.species == ("S", "I", "R")
        assert dict(SIR.params) == {"beta": 5e-5, "gamma": 0.1}
        assert [str(r) for r in SIR.reactions] == ["S + I -> 2 I @ beta", "I -> R @ gamma"]
        assert repr(SIR) == "ReactionNetwork(2 reactions, 3 species: S, I, R)"

    def test_text_comments_separators_and_nothing(self):
        network = ReactionNetwork("# a comment\n\n0 -> A @ 1; A->@2 # death\n ∅ -> 2*A @ 1/4\n")
        assert [(dict(r.reactants), dict(r.products), r.rate) for r in network.reactions] == [
            ({}, {"A": 1}, "1"),
            ({"A": 1}, {}, "2"),
            ({}, {"A": 2}, "1/4"),
        ]
        assert network.constants().tolist() == [1, 2, 0.25]

    def test_text_initial_counts(self):
        network = ReactionNetwork("A -> B @ k\nA = 10\nk = 2")
        assert dict(network.x0) == {"A": 10, "B": 0}
        assert dict(network.params) == {"k": 2}
        assert SIR.x0 is None

    def test_text_gives_the_network_back(self):
        text = str(ReactionNetwork("A + 2 B -> B @ k**2/3\nA = 10\nk = 2"))
        assert str(ReactionNetwork(text)) == text

    def test_triples_and_matrices_mean_the_same(self):
        a = ReactionNetwork([({"S": 1, "I": 1}, {"I": 2}, 0.5), ("I", "R", "gamma")], params={"gamma": 0.1})
        b = ReactionNetwork(
            species=["S", "I", "R"],
            reactants=[[1, 1, 0], [0, 1, 0]],
            products=[[0, 2, 0], [0, 0, 1]],
            rates=[0.5, "gamma"],
            params={"gamma": 0.1},
        )
        c = ReactionNetwork([(["S", "I"], ["I", "I"], 0.5), (["I"], ["R"], 0.1)])
        for network in (a, b, c):
            assert network.species == ("S", "I", "R")
            assert network.reactants.tolist() == [[1, 1, 0], [0, 1, 0]]
            assert network.products.tolist() == [[0, 2, 0], [0, 0, 1]]
            assert network.stoichiometry.tolist() == [[-1, 0], [1, -1], [0, 1]]
            assert network.constants().tolist() == [0.5, 0.1]

    def test_species_sets_the_order_and_may_add(self):
        network = ReactionNetwork("A -> B @ 1", species=["C", "B", "A"])
        assert network.stoichiometry.tolist() == [[0], [1], [-1]]

    def test_propensities_are_falling_factorials(self):
        network = ReactionNetwork("3 A + B -> 0 @ 2")
        assert network.propensities({"A": 5, "B": 7}).tolist() == [2 * 5 * 4 * 3 * 7]
        assert network.propensities([2, 7]).tolist() == [0]
        assert math.copysign(1, network.propensities([1, 7])[0]) == 1

    def test_rhs_is_powers(self):
        network = ReactionNetwork("3 A + B -> A + C @ 2")
        rate = 2 * 1.5**3 * 4
        np.testing.assert_allclose(network.rhs([1.5, 4, 0]), [-2 * rate, -rate, rate], rtol=1e-15)

    def test_volume_and_combinatorial(self):
        text = "0 -> A @ 2; A -> 0 @ 2; 2 A -> 0 @ 2; 3 A -> 0 @ 2"
        assert ReactionNetwork(text, volume=10).constants().tolist() == [20, 2, 0.2, 0.02]
        assert ReactionNetwork(text, combinatorial=True).constants().tolist() == [2, 2, 1, 2 / 6]

    def test_parameter_expressions_and_their_derivatives(self):
        network = ReactionNetwork(
            "0 -> A @ a*b\nA -> 0 @ a/b + 2\n2 A -> 0 @ sqrt(a)*exp(-b)\n0 -> 2 A @ log(b) + a**b\na = 3; b = 2"
        )
        a, b = 3.0, 2.0
        expected = [a * b, a / b + 2, math.sqrt(a) * math.exp(-b), math.log(b) + a**b]
        np.testing.assert_allclose(network.constants(), expected, rtol=1e-15)
        slopes = [
            [b, a],
            [1 / b, -a / b**2],
            [0.5 / math.sqrt(a) * math.exp(-b), -math.sqrt(a) * math.exp(-b)],
            [b * a ** (b - 1), 1 / b + a**b * math.log(a)],
        ]
        np.testing.assert_allclose(network.constants_gradient(), slopes, rtol=1e-14)
        assert network.constants_gradient(names=["b"]).tolist() == network.constants_gradient()[:, 1:].tolist()

    def test_params_one_set_or_many(self):
        assert SIR.constants({"beta": 1.0}).tolist() == [1, 0.1]
        assert SIR.constants([1, 2]).tolist() == [1, 2]
        assert SIR.constants([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
        assert SIR.constants({"gamma": [1, 2]}).tolist() == [[5e-5, 1], [5e-5, 2]]

    def test_with_params(self):
        changed = SIR.with_params({"beta": 1.0})
        assert dict(changed.params) == {"beta": 1.0, "gamma": 0.1} and dict(SIR.params)["beta"] == 5e-5
        assert changed.constants().tolist() == [1, 0.1]
        with pytest.raises(ValueError, match="must be numbers here"):
            SIR.with_params({"beta": [1, 2]})
        with pytest.raises(ValueError, match="at least 0"):
            SIR.with_params({"beta": -1})

    def test_pickling(self):
        again = pickle.loads(pickle.dumps(SIR))
        assert str(again) == str(SIR)
        assert again.constants().tolist() == SIR.constants().tolist()
        assert pickle.loads(pickle.dumps(SIR.reactions[0])) == SIR.reactions[0]
        assert isinstance(SIR.reactions[0], Reaction)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "at least one reaction"),
            ("0 -> 0 @ 1", "at least one species"),
            ("A -> B @ 1\nA -> B", r"line 2: expected 'A \+ B -> C @ rate'"),
            ("A -> B -> C @ 1", "line 1: expected"),
            ("A -> B @ 1\nnonsense", "line 2: expected .* got 'nonsense'"),
            ("A -> 1.5 B @ 1", "line 1: '1.5 B' is not a species"),
            ("A + -> B @ 1", "line 1: '' is not a species"),
            ("A -> B @ k", "line 1: the rate 'k' names 'k', which has no value"),
            ("A -> B @ A*a", "line 1: the rate 'A\\*a' names 'a', which has no value.* did you mean 'A'"),
            ("A -> B @ k\nk = 1\nk = 2", "line 3: 'k' is given twice"),
            ("A -> B @ k\nk = k", "line 2: the value of 'k' must be a number"),
            ("A -> B @ 1/0", "must be finite"),
            ("A -> B @ -1", "must be finite and at least 0, got -1"),
            ("A -> B @ 1 +", "line 1: the rate '1 \\+' is not an arithmetic expression"),
            ("A -> B @ 2^3", r"write a power as a\*\*b"),
            ("A -> B @ __import__('os')", "is not allowed"),
            ("A -> B @ (1).real", "is not allowed"),
            ("A -> B @ 1 if 1 else 2", "is not allowed"),
            ("A -> B @ True", "names 'True', which has no value"),
            ("A -> B @ " + "(" * 400 + "1" + ")" * 400, "is not an arithmetic expression"),
            ("A -> B @ " + "1+" * 500_000 + "1", "shorter than 1000000"),
            ("A -> B @ " + "(" * 1000, r"'\({200}'\.\.\. \(1000 characters\) is not an arithmetic"),
            ("101 A -> B @ 1", "at most 100 reactants"),
            ("A -> 2000000 B @ 1", "coefficient of 'B' must be an int from 0 to 1000000"),
            ("S -> R @ k\nk = 1\ns = 990", "line 3: 's' gets a value that nothing uses.* did you mean 'S'"),
            ("S -> R @ k_1\nk_1 = 1; k_2 = 3", "line 2: 'k_2' gets a value that nothing uses.* did you mean 'k_1'"),
            ("S -> R @ beta\nbetta = 1", "names 'beta', which has no value.* did you mean 'betta'"),
        ],
    )
    def test_bad_text(self, text, words):
        with pytest.raises(ValueError, match=words):
            ReactionNetwork(text)

    @pytest.mark.parametrize(
        ("arguments", "options", "error", "words"),
        [
            ((), {}, TypeError, "reactions must be given"),
            ((), {"species": ["A"]}, TypeError, "reactions must be given, or all of"),
            (("A -> B @ 1",), {"rates": [1]}, TypeError, "not both"),
            ((5,), {}, TypeError, "reactions must be text or"),
            (([("A", "B")],), {}, TypeError, r"reaction 0: expected \(reactants, products, rate\)"),
            (([("A", 5, 1)],), {}, TypeError, "reactants and products must be text or a mapping, got int"),
            (([({"A": -1}, {}, 1)],), {}, ValueError, "coefficient of 'A'"),
            (([({"A": 1.5}, {}, 1)],), {}, ValueError, "coefficient of 'A'"),
            (([({5: 1}, {}, 1)],), {}, ValueError, "a species must be a name, got 5"),
            (([("A", "B", -1.0)],), {}, ValueError, "reaction 0: the rate must be finite and at least 0"),
            (([("A", "B", math.nan)],), {}, ValueError, "reaction 0: the rate must be finite"),
            (([("A", "B", None)],), {}, TypeError, "reaction 0: the rate must be a number or an expression"),
            (("A -> B @ 1",), {"species": ["A"]}, ValueError, "'B' is missing"),
            (("A -> B @ 1",), {"species": ["A", "B", "A"]}, ValueError, "species must be distinct"),
            (("A -> B @ 1",), {"species": "AB"}, TypeError, "species must be a sequence of names"),
            (("A -> B @ 1",), {"volume": 0}, ValueError, "volume must be finite and above 0"),
            (("A -> B @ 1",), {"volume": math.inf}, ValueError, "volume"),
            (("A -> B @ k",), {"params": {"k": math.nan}}, ValueError, r"params\['k'\] must be finite"),
            (("A -> B @ k",), {"params": [1]}, TypeError, "params must be a mapping"),
            (("A -> B @ k",), {"params": {"k": 1, "A": 1}}, ValueError, "got 'A'"),
            (("A -> B @ k",), {"params": {"k": 1, "K": 1}}, ValueError, "params: 'K' gets a value .* did you mean 'k'"),
            (("A -> B @ 1",), {"species": ["a", "B"]}, ValueError, "'A' is missing; did you mean 'a'"),
        ],
    )
    def test_bad_input(self, arguments, options, error, words):
        with pytest.raises(error, match=words):
            ReactionNetwork(*arguments, **options)

    def test_bad_matrices(self):
        with pytest.raises(ValueError, match=r"reactants must have shape \(1, 2\)"):
            ReactionNetwork(species=["A", "B"], reactants=[[1]], products=[[0, 1]], rates=[1])
        with pytest.raises(ValueError, match=r"products must hold whole numbers, got 1\.5"):
            ReactionNetwork(species=["A", "B"], reactants=[[1, 0]], products=[[0, 1.5]], rates=[1])
        with pytest.raises(ValueError, match="reactants must lie in"):
            ReactionNetwork(species=["A", "B"], reactants=[[-1, 0]], products=[[0, 1]], rates=[1])

    def test_bad_params(self):
        with pytest.raises(ValueError, match="params must have 2 columns"):
            SIR.constants([1, 2, 3])
        with pytest.raises(ValueError, match="params must name parameters of the network"):
            SIR.constants({"delta": 1})
        with pytest.raises(ValueError, match="arrays of one length"):
            SIR.constants({"beta": [1, 2], "gamma": [1, 2, 3]})
        with pytest.raises(ValueError, match="must be finite and at least 0, got -1"):
            SIR.constants({"beta": [1, -1]})
        with pytest.raises(ValueError, match="one set of values here, got 2 sets"):
            SIR.propensities([1, 1, 1], params=[[1, 2], [3, 4]])

    def test_bad_states(self):
        for x, words in [
            ([1, 2], r"shape \(3,\)"),
            ([1, 2, -3], "got -3.0 for the species 'R'"),
            ([1, 2, 0.5], "whole numbers from 0 to .*, got 0.5 for the species"),
            ([1, 2, 2**60], "whole numbers from 0 to"),
            ([1, 2, math.nan], "NaN"),
            ({"X": 1}, "must name species"),
        ]:
            with pytest.raises(ValueError, match=words):
                SIR.propensities(x)


class TestSimulate:
    def test_shapes(self, backend):
        sol = simulate(SIR, {"S": 90, "I": 10}, (0, 20), n=4, rng=0)
        assert sol.t.tolist() == np.linspace(0, 20, 101).tolist()
        assert sol.x.shape == (4, 101, 3)
        assert sol.x.dtype == np.int64
        assert sol["I"].shape == (4, 101)
        assert (sol.x.sum(axis=2) == 100).all()
        assert (sol.x[:, 0] == [90, 10, 0]).all()
        assert sol.n_events.shape == sol.status.shape == (4,)
        with pytest.raises(KeyError, match="no species 'X'"):
            sol["X"]

    def test_parameter_sets(self, backend):
        sets = [[5e-3, 0.1], [1e-2, 0.2], [0, 0.1]]
        sol = simulate(SIR, [90, 10, 0], (0, 5), [1, 5], params=sets, rng=0)
        assert sol.x.shape == (3, 2, 3)
        assert (sol["S"][2] == 90).all()
        sol = simulate(SIR, [90, 10, 0], (0, 5), [1, 5], params=sets, n=4, rng=0)
        assert sol.x.shape == (3, 4, 2, 3)
        assert sol.n_events.shape == sol.status.shape == (3, 4)
        assert (sol["S"][2] == 90).all()
        one = simulate(SIR, [90, 10, 0], (0, 5), [1, 5], params={"beta": 5e-3}, n=4, rng=0)
        assert one.x.tolist() == sol.x[0].tolist()

    def test_grid_and_jumps_are_the_same_trajectories(self, backend):
        options = {"n": 3, "rng": 5}
        grid = simulate(GENE, [2, 3], (1, 4), np.linspace(1, 4, 37), **options)
        jumps = simulate(GENE, [2, 3], (1, 4), record="jumps", **options)
        assert isinstance(jumps, Jumps)
        assert jumps.n_events.tolist() == grid.n_events.tolist() == np.diff(jumps.offsets).tolist()
        for run in range(3):
            times, states = jumps.path(run)
            assert times[0] == 1 and (np.diff(times) > 0).all() and times[-1] <= 4
            last = np.searchsorted(times, grid.t, side="right") - 1
            assert states[last].tolist() == grid.x[run].tolist()
        with pytest.raises(IndexError, match="run must lie in"):
            jumps.path(3)

    def test_absorbed(self, backend):
        sol = simulate(SIR, [5, 1, 0], (0, 1e6), [0, 1e6], n=5, rng=0)
        assert (sol.status == "absorbed").all()
        assert (sol["I"][:, -1] == 0).all()
        assert (sol.x[:, -1].sum(axis=1) == 6).all()
        nothing = simulate(SIR, [5, 0, 0], (0, 10), n=2)
        assert (nothing.x == [5, 0, 0]).all() and (nothing.n_events == 0).all()
        assert (nothing.status == "absorbed").all()

    @pytest.mark.parametrize("method", METHODS)
    def test_a_rate_of_zero_never_fires(self, backend, method):
        network = ReactionNetwork("A -> B @ 0; A -> C @ 1; 2 D -> B @ 1; D + B -> A @ 5")
        sol = simulate(network, {"A": 50, "D": 1}, (0, 100), n=20, method=method, rng=0)
        assert (sol.status == "absorbed").all()
        assert (sol["B"] == 0).all() and (sol["D"] == 1).all()

    @pytest.mark.parametrize("method", METHODS)
    def test_stop(self, backend, method):
        options = {"n": 6, "rng": 1, "method": method}
        sol = simulate(SIR, [99, 1, 0], (0, 1e5), stop="I == 0 or R >= 20", params={"beta": 2e-3}, **options)
        ended = (sol["I"][:, -1] == 0) | (sol["R"][:, -1] == 20)
        assert ended.all() and (sol.status == "stopped").all()
        at_once = simulate(SIR, [99, 1, 0], (0, 10), stop="I <= 1", **options)
        assert (at_once.n_events == 0).all() and (at_once.status == "stopped").all()
        for condition, holds in {"I > 3": 4, "I != 1": None, "I >= 4": 4}.items():
            last = simulate(SIR, [99, 1, 0], (0, 1e5), stop=condition, params=[0.1, 0.0], **options)["I"][:, -1]
            assert (last == (holds or 2)).all(), condition
        less = simulate(SIR, [99, 5, 0], (0, 1e5), stop="I < 3", params=[0.0, 1.0], **options)
        assert (less["I"][:, -1] == 2).all()

    @pytest.mark.parametrize("record", ["grid", "jumps"])
    def test_explosions_end(self, backend, monkeypatch, record):
        """Without `max_events` a run ends after so many events that it might never have ended, and says so."""
        import fastcore.reactions._simulate as module

        assert min(module.MOST_EVENTS.values()) >= 100_000_000
        monkeypatch.setattr(module, "MOST_EVENTS", {"grid": 500, "jumps": 500})
        grows, options = ReactionNetwork("A -> 2 A @ 1"), {"record": record, "rng": 0}
        with pytest.warns(RuntimeWarning, match="3 of 3 runs ended early, after 500 events") as said:
            sol = simulate(grows, [1], (0, 1e6), n=3, **options)
        assert (sol.status == "max_events").all() and (sol.n_events == 500).all() and len(said) == 1
        # Another end is asked for, not warned about; nothing else changes.
        assert simulate(grows, [1], (0, 1e6), max_events=600, **options).n_events.tolist() == [600]
        assert simulate(grows, [1], (0, 7), max_events=math.inf, **options).status.tolist() == ["finished"]

    def test_max_events(self, backend):
        sol = simulate(GENE, [0, 0], (0, 10), n=3, max_events=50, rng=0)
        assert (sol.n_events == 50).all() and (sol.status == "max_events").all()
        assert (sol.x[:, -1] == -1).all() and (sol.x[:, 0] == 0).all()
        jumps = simulate(GENE, [0, 0], (0, 10), record="jumps", max_events=50, rng=0)
        assert len(jumps.times) == 50
        assert simulate(GENE, [0, 0], (0, 10), max_events=0, rng=0).n_events.tolist() == [0]

    def test_species_picks_columns(self, backend):
        whole = simulate(SIR, [90, 10, 0], (0, 5), n=2, rng=3)
        some = simulate(SIR, [90, 10, 0], (0, 5), n=2, rng=3, species=["R", "S"])
        assert some.species == ("R", "S")
        assert some.x.tolist() == whole.x[..., [2, 0]].tolist()

    def test_time_edges(self, backend):
        assert simulate(GENE, [1, 1], (2, 2), rng=0).x.tolist() == [[[1, 1]] * 101]
        assert simulate(GENE, [1, 1], (0, 1), [], rng=0).x.shape == (1, 0, 2)
        twice = simulate(GENE, [1, 1], (0, 1), [0.5, 0.5, 1], rng=0).x[0]
        assert twice[0].tolist() == twice[1].tolist()

    def test_an_event_at_the_very_time_counts(self, backend):
        first = simulate(GENE, [0, 0], (0, 5), record="jumps", max_events=1, rng=0).times[0]
        sol = simulate(GENE, [0, 0], (0, 5), [np.nextafter(first, 0), first], rng=0)
        assert sol["m"].tolist() == [[0, 1]]

    def test_own_initial_state(self, backend):
        network = ReactionNetwork("A -> 0 @ 1\nA = 7")
        assert simulate(network, None, (0, 1), rng=0)["A"][0, 0] == 7
        with pytest.raises(ValueError, match="x0 must be given"):
            simulate(GENE, None, (0, 1))

    def test_rng(self, backend):
        arguments = (GENE, [3, 3], (0, 2))
        assert same(simulate(*arguments, rng=1), simulate(*arguments, rng=1))
        assert not same(simulate(*arguments, rng=1), simulate(*arguments, rng=2))
        generator = np.random.default_rng(5)
        a, b = (simulate(*arguments, rng=generator) for _ in range(2))
        assert not same(a, b)
        assert same(a, simulate(*arguments, rng=np.random.default_rng(5)))
        legacy = np.random.Generator(np.random.MT19937(np.random.SeedSequence(1)))
        assert simulate(*arguments, rng=legacy).x.shape == (1, 101, 2)

    @pytest.mark.parametrize("record", ["grid", "jumps"])
    def test_workers_do_not_change_results(self, backend, record):
        arguments = {"n": 11, "rng": 4, "record": record, "params": [[5e-3, 0.1], [1e-2, 0.2]]}
        one = simulate(SIR, [90, 10, 0], (0, 5), **arguments)
        assert same(one, simulate(SIR, [90, 10, 0], (0, 5), workers=3, **arguments))
        assert same(one, simulate(SIR, [90, 10, 0], (0, 5), workers=map, **arguments))
        with ThreadPoolExecutor(2) as pool:
            assert same(one, simulate(SIR, [90, 10, 0], (0, 5), workers=pool, **arguments))

    def test_some_of_the_runs(self, backend):
        """Parts of an ensemble have the bits of the whole, each set of parameters with a start of its own too."""
        network = ReactionNetwork("S + I -> 2 I @ beta; I -> R @ 0.1; S = 90*beta; I = 10; beta = 1")
        options = {"params": [[0.1], [0.2]], "n": 5, "rng": 4}
        for x0 in ([90, 10, 0], None):
            whole = simulate(network, x0, (0, 5), **options)
            parts = [simulate(network, x0, (0, 5), runs=range(*part), **options) for part in ((0, 3), (3, 8), (8, 10))]
            assert [part.x.shape[0] for part in parts] == [len(part.status) for part in parts] == [3, 5, 2]
            assert np.concatenate([part.x for part in parts]).tolist() == whole.x.reshape(10, 101, 3).tolist()
            jumps = simulate(network, x0, (0, 5), record="jumps", **options)
            some = simulate(network, x0, (0, 5), record="jumps", runs=range(3, 8), workers=2, **options)
            for run in range(5):
                for ours, theirs in zip(some.path(run), jumps.path(3 + run)):
                    assert ours.tolist() == theirs.tolist()
        assert simulate(SIR, [90, 10, 0], (0, 5), n=3, rng=1, runs=range(2, 2)).x.shape == (0, 101, 3)
        with pytest.raises(ValueError, match="run 4: the rate of"):
            simulate(ReactionNetwork("A -> 0 @ 1/(A - 3)"), [3], (0, 5), n=9, rng=1, runs=range(4, 6))
        with pytest.raises(OverflowError, match="run 4 overflowed"):
            simulate(ReactionNetwork("3 A -> 4 A @ 1e300"), [10**6], (0, 1), n=9, rng=1, runs=range(4, 6))

    def test_progress(self, backend):
        seen = []
        options = {"n": 50, "rng": 0}
        quiet = simulate(SIR, [9, 1, 0], (0, 5), **options)
        told = simulate(SIR, [9, 1, 0], (0, 5), progress=lambda *now: seen.append(now), **options)
        assert seen[-1] == (50, 50) and len(seen) > 1
        assert same(quiet, told)

    def test_layouts_and_types_of_x0(self, backend):
        expected = simulate(SIR, [90, 10, 0], (0, 5), rng=0)
        for name, form in nasty_forms(np.array([90.0, 10.0, 0.0])):
            assert same(expected, simulate(SIR, form, (0, 5), rng=0)), name
        for dtype in (np.int8, np.uint16, np.int64, np.float32, ">i4"):
            assert same(expected, simulate(SIR, np.array([90, 10, 0]).astype(dtype), (0, 5), rng=0)), dtype
        for name, form in nasty_forms(np.linspace(0, 5, 101)):
            assert same(expected, simulate(SIR, [90, 10, 0], (0, 5), form, rng=0)), name

    def test_overflow(self, backend):
        burst = ReactionNetwork([("", "1000000 A", 1e9), ("A", "", 1e-300)])
        start = 2**53 - 2**32
        with pytest.raises(OverflowError, match="run 0 overflowed"):
            simulate(burst, [start], (0, 1), n=2, rng=0)
        for method in METHODS:
            with pytest.raises(OverflowError, match="a rate became infinite"):
                simulate(ReactionNetwork("3 A -> 4 A @ 1e300"), [10**6], (0, 1), method=method, rng=0)

    def test_rates_that_fall_to_nothing_leave_no_rounding_behind(self, backend):
        network = ReactionNetwork("A -> 0 @ 1e12; B -> 0 @ 1e-3")
        sol = simulate(network, {"A": 3000, "B": 3}, (0, 1e9), n=8, rng=0)
        assert (sol.status == "absorbed").all() and (sol.n_events == 3003).all()
        waits = simulate(network, {"A": 300, "B": 1}, (0, 1e9), n=200, rng=0, record="jumps")
        last = waits.times[waits.offsets[1:] - 1]
        assert stats.kstest(last, "expon", (0, 1e3)).pvalue > 1e-6

    def test_results_pickle_and_convert(self, backend):
        sol = simulate(SIR, [90, 10, 0], (0, 5), n=3, rng=0)
        assert same(pickle.loads(pickle.dumps(sol)), sol)
        frame = sol.to_pandas()
        assert frame.shape == (303, 3)
        assert frame.loc[(2, 5.0), "I"] == sol["I"][2, -1]
        array = sol.to_xarray()
        assert array.dims == ("run", "t", "species")
        assert int(array.sel(run=2, t=5.0, species="I")) == sol["I"][2, -1]
        assert repr(sol).startswith("Trajectories(3 runs, 101 times, species S, I, R, ")
        assert len(sol.plot().get_lines()) == 12
        sets = simulate(SIR, [90, 10, 0], (0, 5), n=3, rng=0, params=[[1e-3, 0.1]])
        assert sets.to_pandas().index.names == ["params", "run", "t"]
        assert sets.to_xarray().dims == ("params", "run", "t", "species")
        jumps = simulate(SIR, [90, 10, 0], (0, 5), n=3, rng=0, record="jumps")
        assert same(pickle.loads(pickle.dumps(jumps)), jumps)
        assert jumps.to_pandas()["run"].tolist() == np.repeat([0, 1, 2], jumps.n_events).tolist()
        assert repr(jumps) == f"Jumps(3 runs, species S, I, R, {len(jumps.times)} events)"

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"network": "A -> B @ 1"}, TypeError, "network must be a ReactionNetwork, got str"),
            ({"x0": [1, 2, -1]}, ValueError, "x0 must hold whole numbers"),
            ({"x0": [1, 2, math.nan]}, ValueError, "x0 must not hold NaN"),
            ({"x0": "abc"}, TypeError, "x0 must be real numbers"),
            ({"x0": {"Q": 1}}, ValueError, "x0 must name species"),
            ({"x0": []}, ValueError, r"x0 must have shape \(3,\), got \(0,\)"),
            ({"t_span": (1, 0)}, ValueError, "start <= end"),
            ({"t_span": (0, math.inf)}, ValueError, r"t_span\[1\] must be finite"),
            ({"t_span": 5}, ValueError, r"t_span must be \(start, end\)"),
            ({"t_eval": [2, 1]}, ValueError, "t_eval must rise"),
            ({"t_eval": [0, 11]}, ValueError, "t_eval must lie in t_span"),
            ({"t_eval": [[1]]}, ValueError, "t_eval must have 1 dimensions"),
            ({"t_eval": [math.nan]}, ValueError, "t_eval must not hold NaN"),
            ({"n": 0}, ValueError, "n must be at least 1"),
            ({"n": 1.5}, TypeError, "n must be an int"),
            ({"method": "leap"}, ValueError, "method must be one of"),
            ({"record": "all"}, ValueError, "record must be one of"),
            ({"record": "jumps", "t_eval": [1]}, ValueError, "t_eval, species and reduce must be None"),
            ({"rng": "x"}, TypeError, "rng must be"),
            ({"rng": -1}, ValueError, "rng must be"),
            ({"workers": 0}, ValueError, "workers must be at least 1"),
            ({"params": {"x": 1}}, ValueError, "params must name parameters"),
            ({"params": [[-1, 1]]}, ValueError, "must be finite and at least 0"),
            ({"stop": "I"}, ValueError, "stop must compare"),
            ({"stop": "Q == 1"}, ValueError, "stop must compare species.* got 'Q'"),
            ({"stop": "I == 0 and S*t > 3"}, ValueError, "stop: the condition .* must compare t itself"),
            ({"stop": "I +"}, ValueError, "stop: .* is not an arithmetic expression"),
            ({"x0": [[1, 2], [3, 4]]}, ValueError, "x0 must have 3 columns"),
            ({"x0": [[1, 2, 3]] * 4, "n": 3}, ValueError, r"x0 must have shape \(n_species,\) or \(3, n_species\)"),
            ({"x0": [[1, 2, 0.5]]}, ValueError, "x0 must hold whole numbers"),
            ({"stop": 3}, TypeError, "stop must be a str"),
            ({"species": ["Q"]}, ValueError, "species must name some of"),
            ({"species": []}, ValueError, "species must name some of"),
            ({"max_events": -1}, ValueError, "max_events must be"),
            ({"runs": 3, "rng": 1}, TypeError, "runs must be a range, got int"),
            ({"runs": range(3), "rng": 1}, ValueError, r"0 <= a <= b <= 1, the number of all runs, got range\(0, 3\)"),
            ({"runs": range(-1, 0), "rng": 1}, ValueError, "runs must be range"),
            ({"runs": range(1)}, ValueError, "rng must be given with runs"),
            ({"events": ()}, TypeError, "events"),
            ({"reduce": "mean"}, ValueError, "reduce must be None"),
            ({"reduce": 3}, TypeError, "reduce must be None, .* got int"),
        ],
    )
    def test_bad_input(self, backend, options, error, words):
        arguments = {"network": SIR, "x0": [90, 10, 0], "t_span": (0, 10), **options}
        with pytest.raises(error, match=words):
            simulate(**arguments)


class TestTwins:
    """The kernel gives the twin's events to the bit."""

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("name", ["sir", "lv", "dimers", "mm", "schlogl", "vilar"])
    def test_models(self, name, method):
        network, x0, t_end = model(name)
        # Past the 1,024 events after which the total is summed afresh.
        a, b = both(network, x0, (0, t_end), n=2, method=method, record="jumps", max_events=2500, rng=7)
        assert len(a.times) > 500
        assert same(a, b)

    def test_many_reactions(self):
        ring = ReactionNetwork([({f"X{i}": 1}, {f"X{(i + 1) % 40}": 1}, 1.0 + i % 3) for i in range(40)])
        hub = ReactionNetwork([("H", {"H": 1, f"X{i}": 1}, 1.0) for i in range(30)] + [("2 H", "H", 0.1)])
        for network, x0 in ((ring, [100] * 40), (hub, {"H": 50})):
            a, b = both(network, x0, (0, 5), record="jumps", max_events=3000, rng=1)
            assert same(a, b)

    @settings(max_examples=60)
    @given(st.data())
    def test_any_network(self, data):
        n_species, n_reactions = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 20))
        side = st.lists(st.integers(0, 3), min_size=n_species, max_size=n_species)
        sides = st.lists(side, min_size=n_reactions, max_size=n_reactions)
        rates = st.lists(st.floats(0, 1e3), min_size=n_reactions, max_size=n_reactions)
        network = ReactionNetwork(
            species=[f"X{i}" for i in range(n_species)],
            reactants=data.draw(sides),
            products=data.draw(sides),
            rates=data.draw(rates),
            volume=data.draw(st.sampled_from([1.0, 0.37])),
        )
        x0 = data.draw(st.lists(st.integers(0, 50), min_size=n_species, max_size=n_species))
        stop = data.draw(st.sampled_from([None, "X0 == 7", "X0 > 60 or X0 < 2"]))
        method = data.draw(st.sampled_from(METHODS))
        options = {"n": 2, "rng": data.draw(st.integers(0, 10**6)), "method": method, "stop": stop, "max_events": 80}
        a, b = both(network, x0, (0, 3), record="jumps", **options)
        assert same(a, b)
        for run in range(2):
            assert (a.path(run)[1] >= 0).all()
        a, b = both(network, x0, (0, 3), [0, 0.1, 0.1, 2, 3], **options)
        assert same(a, b)


class TestDistribution:
    """Fixed seeds, and bounds that a right sampler passes in all but one of a million."""

    def test_gene_expression(self):
        """m is Poisson with mean 20; n has mean 20 * 2.5 = 50 and variance 50 (1 + 2.5 / (1 + 1)) = 112.5."""
        runs = sized(10_000, 300)
        sol = simulate(GENE, [0, 0], (0, 25), [25], n=runs, rng=2)
        m, n = sol["m"][:, 0], sol["n"][:, 0]
        assert abs(m.mean() - 20) < 5 * math.sqrt(20 / runs)
        assert abs(n.mean() - 50) < 5 * math.sqrt(112.5 / runs)
        # The variance of a sample variance is (mu4 - var**2) / runs; mu4 of these is below 3.3 var**2.
        assert abs(m.var() - 20) < 5 * 20 * math.sqrt(2.3 / runs)
        assert abs(n.var() - 112.5) < 5 * 112.5 * math.sqrt(2.3 / runs)
        edges = np.arange(10, 32)
        observed = np.bincount(np.searchsorted(edges, m), minlength=len(edges) + 1)
        cumulative = np.concatenate(([0], stats.poisson(20).cdf(edges), [1]))
        assert stats.chisquare(observed, runs * np.diff(cumulative)).pvalue > 1e-6

    CASES = {  # noqa: RUF012
        "00001": ("X -> 2 X @ 0.1; X -> 0 @ 0.11", {"X": 100}),
        "00003": ("X -> 2 X @ 1; X -> 0 @ 1.1", {"X": 100}),
        "00020": ("0 -> X @ 1; X -> 0 @ 0.1", {"X": 0}),
        "00030": ("2 P -> P2 @ 0.001; P2 -> 2 P @ 0.01", {"P": 100}),
        "00031": ("2 P -> P2 @ 0.0002; P2 -> 2 P @ 0.004", {"P": 1000}),
        "00037": ("0 -> 5 X @ 1; X -> 0 @ 0.2", {"X": 0}),
    }

    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("method", METHODS)
    def test_stochastic_test_suite(self, case, method):
        text, x0 = self.CASES[case]
        network, expected, n = ReactionNetwork(text, combinatorial=True), dsmts(case), sized(4000, 200)
        sol = simulate(network, x0, (0, 50), expected["time"], n=n, method=method, rng=11)
        for name in network.species:
            mean, sd = np.array(expected[f"{name}-mean"]), np.array(expected[f"{name}-sd"])
            still = sd == 0
            assert (sol[name][:, still] == mean[still]).all()
            values = sol[name][:, ~still]
            z = math.sqrt(n) * (values.mean(axis=0) - mean[~still]) / sd[~still]
            y = math.sqrt(n / 2) * (values.var(axis=0, ddof=1) / sd[~still] ** 2 - 1)
            assert np.abs(z).max() < 5.5
            # The sample variance of a skewed distribution varies more than a normal's: 00003 dies out.
            kurtosis = np.maximum(stats.kurtosis(values, axis=0), 0)
            assert (np.abs(y) < 5.5 * np.sqrt(1 + kurtosis / 2)).all()

    def test_methods_agree_in_distribution(self):
        network, x0, _ = model("dimers")
        runs = [
            simulate(network, x0, (0, 0.2), [0.2], n=sized(4000, 200), method=method, rng=3).x[:, 0]
            for method in METHODS
        ]
        for i in (1, 2, 3):
            for other in runs[1:]:
                assert stats.ks_2samp(runs[0][:, i], other[:, i]).pvalue > 1e-6

    def test_the_twin_samples_the_same_distribution(self, backend):
        sol = simulate(ReactionNetwork("A -> 0 @ 1"), [1], (0, 1), [1], n=backend.size(20_000, 3000), rng=8)
        survivors = int(sol["A"].sum())
        assert stats.binomtest(survivors, len(sol.x), math.exp(-1)).pvalue > 1e-6


class TestFsp:
    def test_birth_and_death_is_poisson(self):
        network = ReactionNetwork("0 -> A @ 3; A -> 0 @ 0.5")
        found = fsp(network, [0], [0, 1, 10], tol=1e-9)
        assert found.p.shape[0] == 3 and found.error.shape == (3,)
        for row, t in zip(found.marginal("A"), [0, 1, 10]):
            exact = stats.poisson(6 * (1 - math.exp(-t / 2))).pmf(np.arange(len(row)))
            assert np.abs(row - exact).max() < 1e-9
        assert (found.error < 1e-9).all() and (found.p >= 0).all()

    def test_gene_expression_moments_and_histogram(self):
        found = fsp(GENE, {"m": 0, "n": 0}, 20, limits={"m": 60, "n": 150})
        assert found.p.shape == (61, 151) and isinstance(found.t, float) and found.error < 1e-8
        assert found.mean("m") == pytest.approx(20, rel=1e-6)
        assert found.mean("n") == pytest.approx(50, rel=1e-6)
        assert found.variance("n") == pytest.approx(112.5, rel=1e-5)
        runs = sized(10_000, 300)
        counts = simulate(GENE, [0, 0], (0, 20), [20], n=runs, rng=9)["n"][:, 0]
        edges = np.arange(25, 86, 3)
        observed = np.bincount(np.searchsorted(edges, counts), minlength=len(edges) + 1)
        cumulative = np.cumsum(found.marginal("n"))[edges]
        expected = runs * np.diff(np.concatenate(([0], cumulative, [1])))
        assert stats.chisquare(observed, expected).pvalue > 1e-6

    @pytest.mark.parametrize(
        ("text", "t", "options"),
        [
            ("0 -> A @ 1e5", 1, {}),  # the box would have to grow to a hundred thousand
            ("0 -> A @ 1e12; A -> 0 @ 1", 1, {"limits": {"A": 10}}),  # 10**12 jumps
            ("A -> 2 A @ 1", 30, {}),
        ],
    )
    def test_endless_ones_end(self, text, t, options):
        with pytest.raises(ValueError, match=r"takes more than max_steps=1,000,000 steps: give limits, a shorter t"):
            fsp(ReactionNetwork(text), [1], t, max_steps=1_000_000, **options)

    def test_a_box_that_is_too_small_is_left_at_once(self):
        """What has leaked by an early time can't come back: the rest of a long time isn't stepped in vain."""
        network = ReactionNetwork("0 -> A @ 100; A -> 0 @ 1")
        found = fsp(network, [0], [10, 100], max_steps=100_000_000)
        np.testing.assert_allclose(found.mean("A"), [100 * (1 - math.exp(-10)), 100], rtol=1e-4)
        assert (found.error < 1e-6).all()

    def test_poisson_weights(self):
        for mean in (1e-3, 0.5, 20.0, 1000.0):
            weights, beyond = _poisson(mean)
            exact = stats.poisson(mean)
            k = np.arange(len(weights))
            np.testing.assert_allclose(weights, exact.pmf(k), rtol=1e-11)
            np.testing.assert_allclose(beyond, exact.sf(k), rtol=1e-9, atol=1e-300)
            assert len(k) == exact.isf(1e-15) + 2

    def test_stochastic_test_suite(self):
        """Means and standard deviations of case 00030, given with six decimals."""
        expected = dsmts("00030")
        network = ReactionNetwork("2 P -> P2 @ 0.001; P2 -> 2 P @ 0.01", combinatorial=True)
        found = fsp(network, {"P": 100}, expected["time"], limits={"P": 100, "P2": 50})
        for name in ("P", "P2"):
            np.testing.assert_allclose(found.mean(name), expected[f"{name}-mean"], atol=2e-6)
            np.testing.assert_allclose(np.sqrt(np.abs(found.variance(name))), expected[f"{name}-sd"], atol=2e-5)

    def test_what_leaves_the_box_is_the_error(self):
        network = ReactionNetwork("0 -> A @ 1")
        found = fsp(network, [0], 2.0, limits=[3])
        assert found.error == pytest.approx(stats.poisson(2).sf(3), rel=1e-9)
        np.testing.assert_allclose(found.p, stats.poisson(2).pmf(range(4)), rtol=1e-9)

    def test_edges(self):
        still = fsp(ReactionNetwork("A -> B @ 0"), {"A": 2}, [0, 5], limits=[2, 2])
        assert still.p[:, 2, 0].tolist() == [1, 1]
        assert fsp(ReactionNetwork("A -> B @ 1"), {"A": 2}, []).p.shape[0] == 0
        again = pickle.loads(pickle.dumps(still))
        assert again.p.tolist() == still.p.tolist()
        assert repr(still) == "Distribution(2 times, 1 states of A, B, error 0)"
        with pytest.raises(KeyError, match="no species 'Q'"):
            still.marginal("Q")

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"network": "A"}, TypeError, "network must be"),
            ({"x0": [-1, 0]}, ValueError, "x0 must hold whole numbers"),
            ({"t": -1}, ValueError, "t must rise and not be negative"),
            ({"t": [2, 1]}, ValueError, "t must rise"),
            ({"t": [[1]]}, ValueError, "t must have 0 or 1 dimensions"),
            ({"t": math.nan}, ValueError, "t must not hold NaN"),
            ({"limits": {"m": 5}}, ValueError, "limits must name each"),
            ({"limits": [5]}, ValueError, "limits must hold one number for each"),
            ({"limits": [5, -1]}, ValueError, "limits of n must be at least 0"),
            ({"limits": [5, 5], "x0": [6, 0]}, ValueError, "limits must leave room for x0"),
            ({"tol": 0}, ValueError, "tol must be finite and above 0"),
            ({"params": {"k": 1}}, ValueError, "params must name"),
        ],
    )
    def test_bad_input(self, options, error, words):
        arguments = {"network": GENE, "x0": [0, 0], "t": 1.0, **options}
        with pytest.raises(error, match=words):
            fsp(**arguments)


class TestReachableStates:
    SIR = ReactionNetwork("S + I -> 2 I @ 0.02; I -> R @ 1")

    def test_epidemic(self):
        # Against the master equation written out by hand.
        states = [(s, i) for s in range(13) for i in range(15 - s)]
        place = {state: k for k, state in enumerate(states)}
        generator = np.zeros((len(states), len(states)))
        for (s, i), k in place.items():
            for to, rate in (((s - 1, i + 1), 0.02 * s * i), ((s, i - 1), 1.0 * i)):
                if rate:
                    generator[place[to], k] += rate
                    generator[k, k] -= rate
        exact = linalg.expm(2.0 * generator)[:, place[12, 2]]
        found = fsp(self.SIR, {"S": 12, "I": 2}, 2.0)
        assert len(found.states) == len(states) and found.error < 1e-12
        assert {tuple(x) for x in found.states.tolist()} == {(s, i, 14 - s - i) for s, i in states}
        for (s, i, r), p in zip(found.states.tolist(), found.probabilities):
            assert p == pytest.approx(exact[place[s, i]], abs=1e-13)
            assert found.p[s, i, r] == p
        assert found.marginal("R").sum() == pytest.approx(1)

    def test_conserved_numbers_make_a_large_box_small(self):
        assert 10_000 < len(fsp(self.SIR, {"S": 200, "I": 2}, 2.0).states) <= 20_703
        found = fsp(self.SIR, {"S": 200, "I": 2}, [1.0, 2.0], limits=[200, 202, 202])
        assert len(found.states) == 203 * 204 // 2 - 3 and found.shape == (201, 203, 203)
        assert (found.error < 1e-9).all()
        # What S and I lose, R gets.
        assert found.mean("S") + found.mean("I") + found.mean("R") == pytest.approx([202, 202])
        runs = sized(4000, 50)
        counts = simulate(self.SIR, {"S": 200, "I": 2}, (0, 2), [2], n=runs, rng=4)["R"][:, 0]
        sd = math.sqrt(found.variance("R")[1] / runs)
        assert abs(counts.mean() - found.mean("R")[1]) < 5 * sd

    def test_a_box_that_no_memory_holds(self):
        network = ReactionNetwork("; ".join(f"A{i} -> A{i + 1} @ 1" for i in range(30)))
        found = fsp(network, {"A0": 1}, 3.0, limits=[10**15] * 31)
        assert found.shape == (2,) * 31 and len(found.states) == 31
        np.testing.assert_allclose(found.probabilities[:8], stats.poisson(3).pmf(range(8)), rtol=1e-12)
        assert found.mean("A3") == pytest.approx(stats.poisson(3).pmf(3))
        with pytest.raises(ValueError, match=r"p would have 2,147,483,648 places.*use states and probabilities"):
            found.p  # noqa: B018

    def test_too_many(self, monkeypatch):
        monkeypatch.setattr(_fsp, "_MOST_STATES", 1000)
        network = ReactionNetwork("0 -> A @ 1; 0 -> B @ 1")
        assert len(fsp(network, [0, 0], 1.0, limits=[9, 99]).states) == 1000
        with pytest.raises(ValueError, match=r"at most 1,000 states can be taken, but more .* \[10, 99\]: set limits"):
            fsp(network, [0, 0], 1.0, limits=[10, 99])

    def test_impossible_reactions_lead_nowhere(self):
        # B can't be reached while the constant is 0, nor C for want of a catalyst.
        network = ReactionNetwork("A -> B @ k; A + E -> C + E @ 1; k = 0")
        assert len(fsp(network, {"A": 3}, 1.0, limits=[5] * 4).states) == 1
        assert len(fsp(network, {"A": 3}, 1.0, limits=[5] * 4, params={"k": 1}).states) == 4

    @pytest.mark.hypothesis
    @settings(deadline=None)
    @given(st.data())
    def test_twin(self, data):
        small = st.integers(0, 2)
        n = data.draw(st.integers(1, 4))
        sides = st.lists(st.tuples(*[st.tuples(*[small] * n)] * 2), max_size=4)
        needs, changes = [], []
        for left, right in data.draw(sides):
            needs.append([(i, k) for i, k in enumerate(left) if k])
            changes.append([(i, b - a) for i, (a, b) in enumerate(zip(left, right)) if a != b])
        start = np.array(data.draw(st.tuples(*[st.integers(0, 4)] * n)), np.int64)
        limits = start + np.array(data.draw(st.tuples(*[st.integers(0, 4)] * n)), np.int64)
        arguments = (*_fsp._listed(needs), *_fsp._listed(changes), start, limits, data.draw(st.integers(1, 700)))
        found, expected = (kernels("reactions", name).reachable(*arguments) for name in ("compiled", "reference"))
        assert (found is None) == (expected is None)
        if found is not None:
            for one, other in zip(found, expected):
                assert one.dtype == other.dtype and one.shape == other.shape and (one == other).all()


class TestHouse:
    def test_memory_is_flat(self):
        setup = """
from fastcore.reactions import ReactionNetwork, simulate
network = ReactionNetwork("0 -> m @ 20; m -> 0 @ 1")
"""
        assert memory_growth(setup, "simulate(network, [0], (0, 50), record='jumps', n=5, rng=0)", 300) < 50
        assert memory_growth(setup, "simulate(network, [0], (0, 50), n=5, rng=0)", 300) < 50

    @pytest.mark.compiled
    def test_runs_on_the_baseline_instruction_set(self):
        result = run_script(
            "from fastcore.reactions import *; print(simulate(ReactionNetwork('A -> 0 @ 1'), [5], (0, 1), rng=0))",
            env={"FASTCORE_ISA": "baseline"},
        )
        assert "1 runs, 101 times" in result.stdout, result.stderr


class TestDoors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"species": 3}, "species must be a name or a list of names, got int"),
            ({"rates": 3.0}, "rates must be a list of numbers and expressions, got float"),
            ({"combinatorial": np.ones(2)}, "combinatorial must be a bool"),
            ({"combinatorial": "no"}, "combinatorial must be a bool"),
        ],
    )
    def test_network(self, options, message):
        good = {"species": ["A"], "reactants": [[0]], "products": [[1]], "rates": [1.0]}
        with pytest.raises(TypeError, match=message):
            ReactionNetwork(**{**good, **options})

    def test_simulate(self):
        network = ReactionNetwork("0 -> A @ 1")
        for options, message in (
            ({"species": 3}, "species must be a name"),
            ({"species": [["A"]]}, "species must hold str"),
            ({"method": np.ones(2)}, "method must be one of"),
            ({"record": None}, "record must be one of"),
        ):
            with pytest.raises(TypeError, match=message):
                simulate(network, [0], (0, 1), **options)

    def test_no_sets_of_parameters(self, backend):
        network = ReactionNetwork("0 -> A @ k; k = 1")
        assert simulate(network, [0], (0, 1), params=np.empty((0, 1))).x.shape == (0, 101, 1)

    def test_results(self):
        network = ReactionNetwork("0 -> A @ 1")
        with pytest.raises(TypeError, match="run must be an int, got str"):
            simulate(network, [0], (0, 1), record="jumps").path("a")
        with pytest.raises(TypeError, match="limits must be a mapping or a list"):
            fsp(network, [0], 1.0, limits=3)
        with pytest.raises(ValueError, match="a number is too large"):
            ReactionNetwork("0 -> A @ 1" + "0" * 400)
