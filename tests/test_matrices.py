"""Networks of matrices, dense and sparse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from fastcore.reactions import ReactionNetwork

FORMATS = ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"]
SIR = ReactionNetwork("S + I -> 2 I @ beta; I -> R @ 0.1; beta = 5e-5")


def same(network: ReactionNetwork, other: ReactionNetwork) -> None:
    assert network.species == other.species
    assert [str(reaction) for reaction in network.reactions] == [str(reaction) for reaction in other.reactions]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float32, np.float64])
def test_any_format(form, dtype):
    for kind in (sparse.coo_array, sparse.coo_matrix):
        left, right = (kind(side.astype(dtype)).asformat(form) for side in (SIR.reactants, SIR.products))
        network = ReactionNetwork.from_matrices(left, right, ["beta", 0.1], species=SIR.species, params={"beta": 5e-5})
        same(network, SIR)
        assert (network.sparse_stoichiometry != SIR.sparse_stoichiometry).nnz == 0
        named = ReactionNetwork(
            species=SIR.species, reactants=left, products=right, rates=["beta", 0.1], params={"beta": 5e-5}
        )
        same(named, SIR)


def test_dense_ones():
    network = ReactionNetwork.from_matrices([[1.0, 1, 0], [0, 1, 0]], [[0, 2, 0], [0, 0, 1]], np.array([5e-5, 0.1]))
    assert network.species == ("S0", "S1", "S2") and network.constants().tolist() == [5e-5, 0.1]
    assert str(network.reactions[0]) == "S0 + S1 -> 2 S1 @ 5e-05"
    options = {"volume": 2.0, "combinatorial": True}
    pairs = ReactionNetwork.from_matrices([[2]], [[0]], ["k*S0"], params={"k": 3}, **options)
    assert (pairs.volume, pairs.combinatorial) == (2.0, True) and pairs.propensities([5]).tolist() == [15.0]


def test_places_that_are_stored_twice_add_up():
    """Also where they wouldn't fit into the matrix's own type, and where a format keeps them apart."""
    twice = sparse.coo_array((np.array([100, 100, 0], np.int8), ([0, 0, 0], [1, 1, 0])), (1, 2))
    apart = sparse.csr_array((np.array([1, 2]), np.array([1, 1]), np.array([0, 2])), (1, 2))
    network = ReactionNetwork.from_matrices(apart, twice, [1])
    assert dict(network.reactions[0].reactants) == {"S1": 3} and dict(network.reactions[0].products) == {"S1": 200}


def test_tables():
    left = pd.DataFrame({"S": [1, 0], "I": [1, 1], "R": [0, 0]})
    right = pd.DataFrame({"R": [0, 1], "S": [0, 0], "I": [2, 0]})
    same(ReactionNetwork.from_matrices(left, right, ["beta", 0.1], params={"beta": 5e-5}), SIR)


def test_many_reactions():
    """Each with a rate of its own."""
    n = 20_000
    i = np.arange(n)
    left = sparse.coo_array((np.ones(n), (i, i)), (n, n))
    right = sparse.csc_array((np.full(n, 2), (i, (i + 1) % n)), (n, n))
    network = ReactionNetwork.from_matrices(left, right, 1.0 + i)
    assert (network.sparse_stoichiometry != (right - left).T).nnz == 0
    assert network.constants().tolist() == (1.0 + i).tolist()


@given(st.data())
def test_round_trip(data):
    n, s = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    row = st.lists(st.sampled_from([0, 0, 0, 1, 2, 7]), min_size=s, max_size=s)
    left, right = (np.array(data.draw(st.lists(row, min_size=n, max_size=n))) for _ in range(2))
    form = data.draw(st.sampled_from(FORMATS))
    network = ReactionNetwork.from_matrices(
        *(sparse.csr_array(side).asformat(form) for side in (left, right)), [1.0] * n
    )
    assert (network.stoichiometry == (right - left).T).all()
    assert network.reactants.tolist() == left.tolist() and network.products.tolist() == right.tolist()
    same(ReactionNetwork.from_matrices(network.reactants, network.products, [1.0] * n), network)


@pytest.mark.parametrize(
    ("left", "right", "rates", "options", "error", "words"),
    [
        ([[-1]], [[0]], [1], {}, ValueError, r"reactants must lie in \[0, 1000001\), got values from -1"),
        ([[1]], [[2_000_000]], [1], {}, ValueError, "products must lie in"),
        ([[1]], [[0.5]], [1], {}, ValueError, "products must hold whole numbers, got 0.5"),
        ([[np.nan]], [[0]], [1], {}, ValueError, "reactants must hold whole numbers, got nan"),
        ([[np.inf]], [[0]], [1], {}, ValueError, "reactants must hold whole numbers, got inf"),
        ([[1e300]], [[0]], [1], {}, ValueError, "reactants must hold whole numbers, got 1e[+]300"),
        ([[1j]], [[0]], [1], {}, TypeError, "reactants must be integers, got dtype complex128"),
        ([[True]], [[0]], [1], {}, TypeError, "reactants must be integers, got dtype bool"),
        ([[1, 0]], [[0]], [1], {}, ValueError, r"products must have shape \(1, 2\), rates by species, got \(1, 1\)"),
        ([[1, 0]], [[0, 1]], [1, 2], {}, ValueError, r"reactants must have shape \(2, 2\)"),
        (
            [[1], [0]], [[0], [1]], [1], {"species": ["A", "B"]}, ValueError,
            r"reactants must have shape \(1, 2\), rates by species, got \(2, 1\), its transpose",
        ),
        ([[1]], [[0]], 1, {}, TypeError, "rates must be a list of numbers and expressions, got int"),
        ([[1]], [[0]], [-1], {}, ValueError, "reaction 0: the rate must be finite and at least 0, got -1"),
        ([[1, 0]], [[0, 1]], [1], {"species": ["A", "A"]}, ValueError, "species must be distinct"),
        ([[1, 0]], [[0, 1]], ["k"], {}, ValueError, "the rate 'k' names 'k', which has no value"),
    ],
)  # fmt: skip
def test_bad_input(left, right, rates, options, error, words):
    with pytest.raises(error, match=words):
        ReactionNetwork.from_matrices(left, right, rates, **options)
    with pytest.raises(error, match=words):
        ReactionNetwork.from_matrices(sparse.coo_array(left), sparse.csr_array(right), rates, **options)


def test_other_bad_input():
    with pytest.raises(ValueError, match=r"reactants must have 2 dimensions, got shape \(2,\)"):
        ReactionNetwork.from_matrices([1, 0], [[0, 1]], [1])
    with pytest.raises(ValueError, match=r"reactants must have 2 dimensions, got shape \(1,\)"):
        ReactionNetwork.from_matrices(sparse.coo_array([1]), [[0]], [1])
    with pytest.raises(ValueError, match="reactants must be a rectangular array"):
        ReactionNetwork.from_matrices([[1, 0], [1]], [[0, 1]], [1])
    with pytest.raises(ValueError, match="reactions must hold at least one reaction"):
        ReactionNetwork.from_matrices(np.zeros((0, 2), int), np.zeros((0, 2), int), [])
    below = sparse.coo_array((np.array([3, -1]), ([0, 0], [0, 0])), (1, 1))
    with pytest.raises(ValueError, match="reactants must lie in"):
        ReactionNetwork.from_matrices(below, [[0]], [1])
