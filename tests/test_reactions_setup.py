"""What is set up from a network: once, in steps and memory that are linear in its terms."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcore import use_backend
from fastcore._backend import active_backend, kernels
from fastcore.ode import solve
from fastcore.reactions import ReactionNetwork, _tables, simulate
from fastcore.reactions._expressions import Expression

from .helpers import memory_growth


class Name(str):
    """A name that counts with how many others it was compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def chain(n: int, name: Callable[[str], str] = str) -> list[tuple[dict[str, int], dict[str, int], str]]:
    """S0 -> S1 -> S2 ..., each mention of a species an object of its own."""
    return [({name(f"S{i}"): 1}, {name(f"S{i + 1}"): 1}, f"k * {i % 3 + 1}") for i in range(n)]


def hub(n: int) -> list[tuple[str, str, float]]:
    """An enzyme that binds n substrates: each binding changes what all others read."""
    bound = [(f"E + S{i}", f"C{i}", 0.1 + i / 7) for i in range(n)]
    return bound + [(f"C{i}", f"E + P{i}", 0.3) for i in range(n)]


def dense(network: ReactionNetwork) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients of reactants and products, from the reactions."""
    sides = np.zeros((2, len(network.reactions), len(network.species)), np.int64)
    for j, reaction in enumerate(network.reactions):
        for side, listed in zip(sides, (reaction.reactants, reaction.products)):
            for name, n in listed.items():
                side[j, network.species.index(name)] = n
    return sides[0], sides[1]


def peak(call: Callable[[], Any]) -> float:
    """The most memory in MB that a call held at once."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


class TestLinear:
    def test_comparisons_of_names(self):
        counts = []
        for n in (200, 2000):
            reactions = chain(n, Name)
            Name.compared = 0
            network = ReactionNetwork(reactions, params={"k": 1.0})
            state = {Name("S0"): 10}
            for record in ("grid", "jumps"):
                simulate(network, state, (0, 1), record=record, rng=0)
            simulate(network, state, (0, 1), stop="S7 == 3", species=[Name(f"S{n}")], rng=0)
            solve(network, state, (0, 1), method="dopri5")
            counts.append(Name.compared)
        assert counts[0] > 200
        assert counts[1] < 11 * counts[0]

    def test_comparisons_of_labels(self):
        import pandas

        counts = []
        for n in (200, 2000):
            network = ReactionNetwork(chain(n), params={"k": 1.0})
            labels = pandas.Index([Name(name) for name in network.species], dtype=object)
            series = pandas.Series(np.ones(n + 1), index=labels)
            Name.compared = 0
            simulate(network, series, (0, 0), rng=0)
            counts.append(Name.compared)
        assert counts[0] > 200
        assert counts[1] < 11 * counts[0]

    @pytest.mark.parametrize("reactions", [chain, hub])
    def test_entries(self, reactions):
        sizes = []
        for n in (100, 1000):
            tables = ReactionNetwork(reactions(n), params={"k": 1.0} if reactions is chain else None).tables
            sizes.append(sum(map(len, tables)))
        assert sizes[1] < 10.1 * sizes[0]

    @pytest.mark.parametrize("reactions", [chain, hub])
    def test_memory(self, reactions):
        # Where it was quadratic, this took gigabytes. The twin's lists are larger than the kernels' arrays.
        n = 20_000 if reactions is chain else 10_000
        listed = reactions(n)

        def call() -> None:
            network = ReactionNetwork(listed, params={"k": 1.0} if reactions is chain else None)
            first = network.species[0]
            simulate(network, {first: 100}, (0, 1), [1], rng=0)
            simulate(network, {first: 100}, (0, 1), record="jumps", max_events=10, rng=0)
            network.rhs({first: 100})
            network.propensities({first: 100})
            solve(network, {first: 100}, (0, 0.1), [0.1], method="dopri5")

        assert peak(call) < (50 if active_backend() == "compiled" else 100)

    @pytest.mark.compiled
    def test_memory_of_the_kernel(self):
        # Lists of all dependants would take 11 MB.
        setup = """
import numpy as np
from fastcore._backend import active_backend, kernels
from fastcore.reactions import ReactionNetwork
n = 1200
reactions = [(f"E + S{i}", f"C{i}", 1.0) for i in range(n)] + [(f"C{i}", f"E + P{i}", 1.0) for i in range(n)]
tables, compiled, kept = ReactionNetwork(reactions).tables, kernels("reactions"), []
c, x0, stops = np.ones((1, 2 * n)), np.zeros((1, 1 + 3 * n), np.int64), np.zeros((0, 3), np.int64)

def call(method):
    network = compiled.Network(tables)
    compiled.simulate_jumps(network, c, x0, (0.0, 1.0), np.zeros(4, np.uint64), 0, 1, 1, method, stops, 10)
    kept.append(network)
"""
        direct = memory_growth(setup, "call(0)", 3)
        assert 1e6 < direct < 5e6
        # What only some methods read is made for them.
        assert memory_growth(setup, "call(2)", 3) < direct / 2

    def test_first_call_from_many_threads(self, backend):
        # More reactions than are flown side by side.
        reactions = chain(3000 if active_backend() == "compiled" else 50)

        def network() -> ReactionNetwork:
            return ReactionNetwork(reactions, params={"k": 1.0})

        def call(network: ReactionNetwork) -> np.ndarray:
            return simulate(network, {"S0": 9}, (0, 5), [1, 5], n=4, method="direct", rng=1)["S1"]

        expected, shared = call(network()), network()
        with ThreadPoolExecutor(8) as pool:
            for found in pool.map(call, [shared] * 8):
                np.testing.assert_array_equal(found, expected)


class TestOnce:
    def test_expressions(self, monkeypatch):
        evaluated = []
        forward = Expression._forward
        monkeypatch.setattr(Expression, "_forward", lambda *args: evaluated.append(args) or forward(*args))
        network = ReactionNetwork(chain(1000), params={"k": 1.0})
        assert len(evaluated) == 3
        simulate(network, {"S0": 10}, (0, 1), rng=0)
        solve(network, {"S0": 10}, (0, 1), method="dopri5")
        assert len(evaluated) == 3
        simulate(network, {"S0": 10}, (0, 1), params=[2.0], rng=0)
        assert len(evaluated) == 6
        for _ in range(2):
            solve(network, {"S0": 10}, (0, 1), method="dopri5", sensitivities=True)
        assert len(evaluated) == 9

    def test_slopes_are_those_that_are_asked_for(self):
        network = ReactionNetwork("A -> B @ k * c; B -> 0 @ c", params={"k": 2.0, "c": 3.0})
        whole = network.constants_gradient()
        assert whole.tolist() == [[3, 2], [0, 1]]
        whole[...] = 7
        assert network.constants_gradient(names=["c"]).tolist() == [[2], [1]]
        assert network.constants_gradient(names=["k"]).tolist() == [[3], [0]]
        assert network.constants_gradient().tolist() == [[3, 2], [0, 1]]
        assert network.with_params({"c": 5.0}).constants_gradient().tolist() == [[5, 2], [0, 1]]
        assert network.constants_gradient({"c": 5.0}).tolist() == [[5, 2], [0, 1]]
        assert network.constants_gradient().tolist() == [[3, 2], [0, 1]]

    def test_prepared(self, backend, monkeypatch):
        made = []

        def counted(*args: str) -> Any:
            made.append(args)
            return kernels(*args)

        monkeypatch.setattr(_tables, "kernels", counted)
        network = ReactionNetwork(chain(10), params={"k": 1.0})
        for workers in (1, 2):
            simulate(network, {"S0": 10}, (0, 1), n=4, rng=0, workers=workers)
            simulate(network.with_params({"k": 2.0}), {"S0": 10}, (0, 1), n=4, rng=0, workers=workers)
        assert made == [("reactions", backend.name)]

    def test_constants_are_the_callers_own(self):
        network = ReactionNetwork("A -> B @ 2")
        network.constants()[0] = 5
        assert network.constants().tolist() == [2.0]
        assert network.propensities([3, 0]).tolist() == [6.0] == network.propensities([3, 0]).tolist()

    def test_other_values(self):
        network = ReactionNetwork("A -> B @ k; B -> A @ 2 * k; C -> A @ 3; k = 1")
        changed = network.with_params({"k": 5.0})
        assert changed.constants().tolist() == [5, 10, 3]
        assert network.constants().tolist() == [1, 2, 3]
        assert changed.structure is network.structure

    def test_pickled(self, backend):
        network = ReactionNetwork("A -> B @ k; B -> A @ 2 * k; k = 1")
        found = simulate(network, {"A": 50}, (0, 5), record="jumps", rng=3)
        for again in (pickle.loads(pickle.dumps(network)), pickle.loads(pickle.dumps(network.structure))):
            assert all(a.tolist() == b.tolist() for a, b in zip(again.tables, network.tables))
        again = pickle.loads(pickle.dumps(found))
        assert all(a.tolist() == b.tolist() for a, b in zip(again.path(0), found.path(0)))
        once_more = simulate(pickle.loads(pickle.dumps(network)), {"A": 50}, (0, 5), record="jumps", rng=3)
        assert once_more.times.tolist() == found.times.tolist()


class TestSame:
    def test_dependants_that_are_merged(self):
        # Too many to be listed beforehand: the events are the twin's all the same.
        network = ReactionNetwork(hub(500))
        x0 = {"E": 200, **{f"S{i}": 2 for i in range(500)}}
        found = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                found.append(simulate(network, x0, (0, 5), record="jumps", max_events=400, rng=2, method="direct"))
        assert found[0].times.tobytes() == found[1].times.tobytes()
        assert found[0].reactions.tobytes() == found[1].reactions.tobytes()

    @settings(max_examples=100)
    @given(st.data())
    def test_dense_matrices(self, data):
        n_species, n_reactions = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 8))
        side = st.lists(st.integers(0, 3), min_size=n_species, max_size=n_species)
        sides = st.lists(side, min_size=n_reactions, max_size=n_reactions)
        left, right = np.array(data.draw(sides)), np.array(data.draw(sides))
        rates = data.draw(st.lists(st.integers(0, 9), min_size=n_reactions, max_size=n_reactions))
        names = [f"X{i}" for i in range(n_species)]
        network = ReactionNetwork(species=names, reactants=left, products=right, rates=rates)
        assert [side.tolist() for side in dense(network)] == [left.tolist(), right.tolist()]
        assert (network.stoichiometry == (right - left).T).all()
        x = np.array(data.draw(st.lists(st.integers(0, 9), min_size=n_species, max_size=n_species)))
        powers = rates * np.prod(x**left, axis=1)
        falling = [np.prod([x[i] - k for i in range(n_species) for k in range(row[i])]) for row in left]
        assert network.propensities(x).tolist() == (rates * np.array(falling)).tolist()
        assert network.rhs(x).tolist() == ((right - left).T @ powers).tolist()
        found = simulate(network, x, (0, 2), n=2, record="jumps", max_events=50, rng=1)
        for run in range(2):
            events = found.reactions[found.offsets[run] : found.offsets[run + 1]]
            states = np.cumsum([x, *(right - left)[events]], axis=0)
            assert (found.path(run)[1] == states).all()

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            *[("1", 1), ("0", 0), ("1.", 1), ("0.5", 0.5), ("1e3", 1e3), ("2.5E-3", 2.5e-3), (".5", 0.5), ("1_0", 10)],
            *[("0x10", 16), ("12345678901234567890123", 12345678901234567890123), ("2**3", 8)],
        ],
    )
    def test_numbers(self, text, value):
        assert ReactionNetwork(f"A -> B @ {text}").constants().tolist() == [float(value)]

    @pytest.mark.parametrize("text", ["007", "1e400", "1e", "٣", "1 0"])
    def test_no_numbers(self, text):
        with pytest.raises(ValueError, match=r"line 1: the rate|must be finite"):
            ReactionNetwork(f"A -> B @ {text}")
