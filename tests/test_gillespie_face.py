"""The classes of the post's simulator."""

from __future__ import annotations

import numpy as np
import pytest

from fastcore.compat.gillespie import Reaction, System
from fastcore.reactions import ReactionNetwork


def dimers() -> System:
    system = System(2)
    system.add_reaction(0.01, [2, 0], [0, 1])
    system.add_reaction(1.0, [0, 1], [2, 0])
    return system


class TestReaction:
    def test_propensity(self):
        # Of ten, two can be chosen in 45 ways, and three in 120.
        assert Reaction(0.5, [2, 0], [0, 1]).propensity([10, 7]) == 22.5
        assert Reaction(2.0, [3, 1], [0, 0]).propensity([10, 7]) == 2 * 120 * 7
        assert Reaction(2.0, [3, 1], [0, 0]).propensity([2, 7]) == 0
        assert Reaction(1.5, [0, 0], [1, 0]).propensity([10, 7]) == 1.5
        assert Reaction(1.0, [2, 0], [0, 1]).num_diff.tolist() == [-2, 1]

    @pytest.mark.parametrize("sides", [([1], [1, 2]), ([[1]], [1]), ([-1], [1]), ([0.5], [1]), (["a"], [1])])
    def test_refused(self, sides):
        with pytest.raises(ValueError, match="num_"):
            Reaction(1.0, *sides)
        with pytest.raises(TypeError, match="num_lefts"):
            Reaction(1.0)


class TestSystem:
    def test_rates_and_numbers_that_cannot_be(self):
        for rate in (float("nan"), -1.0, float("inf")):
            with pytest.raises(ValueError, match="rate must be"):
                Reaction(rate, [1], [0])
        for many in (1e300, np.inf, np.nan):
            with pytest.raises(ValueError, match=r"num_lefts must be whole numbers from 0 to 2\*\*53"):
                Reaction(1.0, [many], [0])

    def test_events(self, backend):
        system = dimers()
        system.evolute([100, 0], 500, rng=1)
        assert system.t.shape == (501,) and system.n.shape == (501, 2)
        assert system.t[0] == 0 and (np.diff(system.t) > 0).all()
        assert (system.n @ [1, 2] == 100).all()
        # Each event is one of the reactions.
        assert {tuple(change) for change in np.diff(system.n, axis=0).tolist()} == {(-2, 1), (2, -1)}
        first = system.n.copy()
        system.evolute([100, 0], 500, rng=1)
        assert (system.n == first).all()

    def test_propensities_are_those_of_the_kernel(self):
        system = System(3)
        system.add_reaction(0.3, [3, 0, 1], [0, 1, 0])
        system.add_reaction(0.7, [0, 2, 0], [1, 0, 1])
        given = [7, 5, 2]
        network = system._network(system.reactions)
        assert isinstance(network, ReactionNetwork)
        kernel = network.propensities(dict(zip(network.species, given)))
        np.testing.assert_allclose(kernel, [one.propensity(given) for one in system.reactions], rtol=1e-15)

    def test_equilibrium(self):
        # Bound pairs at equilibrium, weighed by time: from the balance of each state with the next.
        system = dimers()
        system.evolute([100, 0], 200_000, rng=2)
        waits = np.diff(system.t)
        mean = (system.n[:-1, 1] * waits).sum() / waits.sum()
        weights = [1.0]
        for k in range(50):
            free = 100 - 2 * k
            weights.append(weights[-1] * 0.01 * free * (free - 1) / 2 / (k + 1))
        assert abs(mean - np.average(np.arange(51), weights=weights)) < 0.2

    def test_end(self, backend):
        system = System(1)
        system.add_reaction(1.0, [1], [0])
        with pytest.warns(RuntimeWarning, match="nothing can react any more after 5 of 10 steps"):
            system.evolute([5], 10, rng=1)
        assert system.n[:, 0].tolist() == [5, 4, 3, 2, 1, 0]
        system.evolute([5], 5, rng=1)
        assert len(system.t) == 6
        system.evolute([5], 0)
        assert system.t.tolist() == [0] and system.n.tolist() == [[5]]

    def test_refused(self):
        with pytest.raises(ValueError, match="num_elements"):
            System(0)
        system = System(2)
        with pytest.raises(ValueError, match="add_reaction"):
            system.evolute([1, 1], 5)
        for given in [(1.0, [1], [0, 1]), (1.0, [1, 0], [0]), (float("nan"), [1, 0], [0, 1]), (-1.0, [1, 0], [0, 1])]:
            with pytest.raises(ValueError):
                system.add_reaction(*given)
        assert system.reactions == []
        system = dimers()
        system.evolute([10, 0], 5, rng=1)
        before = system.n
        for inits in ([1], [1, -1], [1, 0.5], [1, np.nan], [1, 1e300]):
            with pytest.raises(ValueError, match="inits"):
                system.evolute(inits, 5)
        with pytest.raises(ValueError, match="steps"):
            system.evolute([1, 1], -1)
        assert system.n is before

    def test_many_reactions_are_added_in_linear_time(self, monkeypatch):
        system, seen = System(2), []
        network = System._network
        monkeypatch.setattr(System, "_network", lambda self, given: seen.append(len(given)) or network(self, given))
        for _ in range(20):
            system.add_reaction(1.0, [1, 0], [0, 1])
        assert sum(seen) == 20
