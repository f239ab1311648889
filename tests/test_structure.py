"""What a network's structure says: dependencies, conservation laws, derivatives, and how a notebook shows it."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import ode
from fastcore.reactions import ReactionNetwork, _structure, simulate


def rank(matrix: np.ndarray) -> int:
    """By elimination in fractions."""
    rows = [[Fraction(int(n)) for n in row] for row in matrix]
    found = 0
    for column in range(matrix.shape[1]):
        pivot = next((row for row in rows[found:] if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(found, pivot)
        for i in range(found + 1, len(rows)):
            times = rows[i][column] / pivot[column]
            rows[i] = [a - times * b for a, b in zip(rows[i], pivot)]
        found += 1
    return found


sides = st.dictionaries(st.sampled_from("ABCDEF"), st.integers(1, 3), max_size=3)
networks = st.lists(st.tuples(sides, sides), min_size=1, max_size=8).filter(
    lambda listed: any(left or right for left, right in listed)
)


def network_of(listed: list[tuple[dict[str, int], dict[str, int]]]) -> ReactionNetwork:
    return ReactionNetwork([(left, right, 0.5 + j) for j, (left, right) in enumerate(listed)], species=list("ABCDEF"))


class TestStoichiometry:
    @given(networks)
    def test_is_the_dense_one(self, listed):
        network = network_of(listed)
        assert network.sparse_stoichiometry.shape == (6, len(listed))
        assert (network.sparse_stoichiometry.toarray() == network.stoichiometry).all()
        assert network.sparse_stoichiometry.dtype == np.int64


class TestLaws:
    @given(networks)
    def test_are_all_there_and_no_more(self, listed):
        network = network_of(listed)
        found = network.conservation_laws()
        laws = found.toarray()
        assert not (laws @ network.stoichiometry).any()
        assert len(laws) == 6 - rank(network.stoichiometry)
        assert rank(laws) == len(laws)
        assert all(gcd(*row) == 1 for row in laws.tolist())
        assert found.has_sorted_indices
        assert found.dtype == np.int64

    @pytest.mark.parametrize(
        ("text", "laws"),
        [
            ("E + S <-> ES @ 1, 1; ES -> E + P @ 1", {"E + ES", "S + ES + P"}),
            ("2 A <-> D @ 1, 1", {"A + 2 D"}),
            ("A -> B @ 1; B -> C @ 1; C -> A @ 1", {"A + B + C"}),
            ("A + B -> C + D @ 1", {"A + C", "A + D", "B + C"}),
            ("3 A -> 2 B @ 1; C -> 0 @ 1", {"2 A + 3 B"}),
            ("0 -> A @ 1", set()),
            ("A + B -> A + B + C @ 1", {"A", "B"}),
            ("A + B -> 0 @ 1", {"A + -1 B"}),
        ],
    )
    def test_are_sums_where_they_can_be(self, text, laws):
        network = ReactionNetwork(text)
        found = network.conservation_laws().toarray().tolist()
        written = {
            " + ".join(f"{n} {name}" if n != 1 else name for n, name in zip(row, network.species) if n) for row in found
        }
        assert written == laws

    def test_are_sums_by_the_choice_of_rows(self):
        network = ReactionNetwork("C -> D + A @ 1; 2 E -> 2 A + D @ 1; E -> 2 B @ 1", species=list("ABCDE"))
        assert network.conservation_laws().toarray().tolist() == [[1, 1, 3, 2, 2], [0, 1, 4, 4, 2]]

    def test_have_no_common_divisor(self):
        text = "C + 4 D + 2 B -> 0 @ 1; 4 C + 2 E + 2 D -> 3 A + 6 E @ 1; 6 D + 6 B + C -> E @ 1"
        laws = ReactionNetwork(text, species=list("ABCDE")).conservation_laws().toarray()
        assert laws.tolist() == [[8, -1, 2, 0, -4], [22, 0, 12, -3, -6]]

    def test_hold_along_a_trajectory(self):
        network = ReactionNetwork("E + S <-> ES @ 0.01, 1; ES -> E + P @ 1; 2 P <-> D @ 0.1, 1")
        x = simulate(network, {"E": 20, "S": 300}, (0, 10), n=3, rng=1).x
        kept = network.conservation_laws() @ x.reshape(-1, len(network.species)).T
        assert (kept == kept[:, :1]).all()
        assert kept[:, 0].tolist() == [20, 300]

    def test_of_a_large_network(self):
        # A chain of reactions there and back, and an enzyme that binds all: what is quadratic would take minutes.
        n = 3000
        listed = [(f"S{i}", f"S{i + 1}", 1.0) for i in range(n)] + [(f"S{i + 1}", f"S{i}", 1.0) for i in range(n)]
        listed += [(f"E + S{i}", f"C{i}", 1.0) for i in range(n)]
        network = ReactionNetwork(listed)
        found = network.conservation_laws()
        assert found.shape == (2, 2 * n + 2)
        assert found.nnz == (2 * n + 1) + (n + 1)
        assert (found.data == 1).all()

    def test_end(self, monkeypatch):
        generator = np.random.default_rng(1)
        left, right = generator.integers(0, 4, (2, 40, 45))
        network = ReactionNetwork(
            species=[f"S{i}" for i in range(45)], reactants=left, products=right, rates=[1.0] * 40
        )
        with pytest.raises(OverflowError, match="64 bits"):
            network.conservation_laws()
        monkeypatch.setattr(_structure, "MOST_TERMS", 10_000)
        with pytest.raises(ValueError, match="more than 10,000 terms"):
            network.conservation_laws()


class TestDependencies:
    @given(networks)
    def test_are_what_changes_what_is_read(self, listed):
        network = network_of(listed)
        found = network.dependency_graph()
        assert found.dtype == bool
        for i, (left, right) in enumerate(listed):
            changed = {name for name in "ABCDEF" if left.get(name, 0) != right.get(name, 0)}
            for j, (needed, _) in enumerate(listed):
                assert found[i, j] == bool(changed & needed.keys())

    def test_of_expressions(self):
        network = ReactionNetwork("A -> B @ k*A/(C + 1); C -> 0 @ 1; 0 -> B @ piecewise(1, A > 2, t); k = 1")
        assert network.dependency_graph().toarray().tolist() == [
            [True, False, True],
            [True, True, False],
            [False, False, False],
        ]

    def test_end(self, monkeypatch):
        monkeypatch.setattr(_structure, "MOST_PAIRS", 3)
        ReactionNetwork("A -> B @ 1; B -> C @ 1").dependency_graph()
        with pytest.raises(ValueError, match="made of 5 pairs of reactions, and at most 3"):
            ReactionNetwork("S + I -> 2 I @ 0.1; S -> R @ 1").dependency_graph()


class TestJacobian:
    @given(networks, st.lists(st.integers(0, 9), min_size=6, max_size=6))
    def test_of_mass_action(self, listed, x):
        network = network_of(listed)
        found = network.jacobian(x)
        assert np.allclose(found.toarray(), ode.jacobian(network, x), rtol=1e-12, atol=0)
        assert found.data.all()

    @pytest.mark.parametrize(
        "text",
        [
            "S -> P @ vmax*S/(km + S); 0 -> S @ P; vmax = 3; km = 5",
            "2 A + B -> C @ 0.3*(1 + 0.5*sin(t)); C -> A @ piecewise(C, C > 2, 0)",
            "A -> B @ k*A*(A - 1)*B; B -> 0 @ k; k = 0.7",
            "A + B -> C @ exp(-t); C -> 0 @ B/t",
        ],
    )
    def test_of_expressions(self, text, backend):
        network = ReactionNetwork(text)
        for x in ([7.5, 3.25, 1.5], [0, 2, 3], [4, 0, 0]):
            x = x[: len(network.species)]
            found, dense = network.jacobian(x, 1.5), ode.jacobian(network, x, 1.5)
            assert np.allclose(found.toarray(), dense, rtol=1e-12, atol=1e-14)

    def test_takes_volume_parameters_and_names(self):
        network = ReactionNetwork("2 A -> B @ k; k = 1", volume=4.0, combinatorial=True)
        assert network.jacobian({"A": 10}, params={"k": 3}).toarray().tolist() == [[-15.0, 0.0], [7.5, 0.0]]
        wrong = [([{"C": 1}], "name species"), ([[1, 2], "x"], "t must"), ([[1, 2], 0, [[1], [2]]], "one set")]
        for arguments, error in wrong:
            with pytest.raises((TypeError, ValueError), match=error):
                network.jacobian(*arguments)


class TestNotebook:
    def test_shows_what_there_is(self):
        network = ReactionNetwork(
            "A -> B @ piecewise(k, A > 3 and A < 9, 0)*A; k = ?; A = 5; B = A; all := A + B; at A == 0: A = 5"
        )
        shown = network._repr_html_()
        for text in ("A -&gt; B", "A &gt; 3 and A &lt; 9", "left'>?</td>", "A + B", "at A == 0: A"):
            assert text in shown, text
        assert " < " not in shown

    def test_is_short(self):
        network = ReactionNetwork([(f"S{i}", f"S{i + 1}", 1.0) for i in range(5000)])
        assert len(network._repr_html_()) < 10_000
        assert "and 4,950 more" in network._repr_html_()
