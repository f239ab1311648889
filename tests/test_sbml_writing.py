"""Networks written as SBML: read again they are the same, and libsbml finds nothing wrong."""

from __future__ import annotations

import gzip

import libsbml
import numpy as np
import pytest

from fastcore.reactions import ReactionNetwork, read_net, read_sbml, simulate, write_sbml

TEXTS = {
    "variables": """
        S + I -> 2 I @ beta; I -> R @ gamma; beta = 0.002; gamma = 1; sick := I + R; S = N - I; N = 200; I = 10""",
    "expressions": """
        2 A -> B @ k/2; B -> A @ 1e-5*B*(A > 3 and not A == 7) + min(A, 3, B)*if(A < 2, 1, max(B, 0.5))
        B -> 0 @ piecewise(k, A > 5, B < 2, 3); A -> 0 @ 1e-5*(A - B)**2 - -k*B/(1 + A)/3; C -> 0 @ 0.01*A*C
        k = 0.7; A = 50; C = 9; at A + B == 20 and t > 0: A = A + 7, B = 0; at t >= 2: C = C + k*10""",
    "functions": """
        0 -> A @ exp(-k)*abs(-2)**0.5 + log10(100)/ln(3) + pi + sin(k) + tan(k) + floor(2.5) + ceil(k) + sqrt(k)
        0 -> A @ acos(0.5) + asin(0.5)*atan(k) + cos(k) + sinh(k) + cosh(k)*tanh(k)
        A -> 0 @ 2e-70*A + 1e300*A*1e-300; k = 0.3; A = 1""",
    "times": "A -> 0 @ A*(1 + sin(t)); A = 9",
}


def faults(text: str) -> list[str]:
    document = libsbml.readSBMLFromString(text)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)
    document.checkConsistency()
    return [document.getError(i).getMessage() for i in range(document.getNumErrors())]


@pytest.mark.parametrize("name", TEXTS)
def test_round_trip(name):
    network = ReactionNetwork(TEXTS[name])
    text = write_sbml(network)
    again = read_sbml(text)
    assert faults(text) == []
    assert again.species == network.species and dict(again.x0) == dict(network.x0)
    assert {key: again.params[key] for key in network.params} == dict(network.params)
    assert list(again.variables) == list(network.variables) and len(again.events) == len(network.events)
    for x in np.random.default_rng(1).integers(3, 40, (20, len(network.species))):
        assert np.allclose(again.propensities(x, 1.5), network.propensities(x, 1.5), rtol=1e-13, atol=0)
    # The compartment that the first has added serves again.
    assert write_sbml(again) == write_sbml(read_sbml(write_sbml(again)))
    assert list(again.params).count("compartment") == 1


@pytest.mark.parametrize("name", ["variables", "expressions"])
def test_simulates_alike(name):
    network = ReactionNetwork(TEXTS[name])
    again = read_sbml(write_sbml(network))
    mine, other = (simulate(which, None, (0, 5), n=20, rng=1) for which in (network, again))
    assert (mine.x == other.x).all() and (mine.n_events == other.n_events).all()
    if network.variables:
        more = {"N": 300.0}
        assert (again.starts(None, more)[0] == network.starts(None, more)[0]).all()


def test_volume_and_combinations():
    network = ReactionNetwork(
        "3 A + B -> C @ k; C -> 0 @ 1; 0 -> A @ k*(1 + 0*t); k = ?; A = 9", volume=2.0, combinatorial=True
    )
    again, powers = read_sbml(write_sbml(network)), read_sbml(write_sbml(network, deterministic=True))
    assert np.isnan(again.params["k"])
    for x in ([7, 3, 2], [2, 3, 0]):
        params = {"k": 0.3}
        assert np.allclose(again.propensities(x, 1.0, params), network.propensities(x, 1.0, params), rtol=1e-14)
        assert np.allclose(powers.rhs(x, 1.0, params), network.rhs(x, 1.0, params), rtol=1e-14)
    assert powers.propensities([2, 3, 0], 1.0, {"k": 0.3})[0] == 0.0  # there must still be three


def test_truths_and_numbers():
    # Only the newest SBML takes one for the other.
    text = write_sbml(ReactionNetwork("A -> 0 @ A*(A > 3) + if(A, 1, 2)*(A and not A)"))
    assert "<ci>A</ci><piecewise><piece><cn>1</cn><apply><lt/><cn>3</cn><ci>A</ci></apply></piece>" in text
    assert "<piece><cn>1</cn><apply><neq/><ci>A</ci><cn>0</cn></apply></piece>" in text
    assert "<apply><not/><apply><neq/><ci>A</ci><cn>0</cn></apply></apply>" in text


def test_names_that_cant_be_ids():
    network = read_net(
        "begin parameters\n1 k 0.5\nend parameters\nbegin species\n1 A(x~0) 20\n2 A(x~1) 3\n3 x_A_x_0_ 1\nend species\n"
        "begin reactions\n1 1 2 k\n2 2,3 1 k\nend reactions\nbegin groups\n1 total 1,2*2\nend groups\n"
    )
    text = write_sbml(network)
    again = read_sbml(text)
    assert faults(text) == [] and again.species == ("x_A_x_0__", "x_A_x_1_", "x_A_x_0_")
    assert 'name="A(x~0)"' in text and [*again.x0.values()] == [20.0, 3.0, 1.0]
    assert again.propensities([4, 5, 2]).tolist() == network.propensities([4, 5, 2]).tolist()
    greek = ReactionNetwork("α -> β @ r1; r1 = 2; α = 5; compartment = 3; β -> 0 @ compartment")
    again = read_sbml(write_sbml(greek))
    assert again.params["compartment"] == 3.0 and again.params["compartment_"] == 1.0
    assert again.propensities([5, 2]).tolist() == greek.propensities([5, 2]).tolist()


def test_long_sums_and_long_formulas():
    names = [f"S{i}" for i in range(3000)]
    network = ReactionNetwork(
        "; ".join(f"{name} -> 0 @ 1" for name in names) + f"; all := {' + '.join(names[:1300])}; S0 = 1"
    )
    assert read_sbml(write_sbml(network)).variables == network.variables
    doubled = "; ".join(f"v{i} := v{i - 1} + v{i - 1}*v{i - 1}" for i in range(1, 30))
    network = ReactionNetwork(f"A -> 0 @ v29; v0 := A; {doubled}; A = 1")
    with pytest.raises(ValueError, match="a formula of more than 1,000,000 characters"):
        write_sbml(network)


def test_files(tmp_path):
    network = ReactionNetwork(TEXTS["variables"])
    assert write_sbml(network, tmp_path / "m.xml") is None
    assert (tmp_path / "m.xml").read_text("utf-8") == write_sbml(network)
    write_sbml(network, str(tmp_path / "m.xml.gz"))
    assert gzip.decompress((tmp_path / "m.xml.gz").read_bytes()).decode() == write_sbml(network)
    assert str(read_sbml(tmp_path / "m.xml.gz")) == str(read_sbml(tmp_path / "m.xml"))
    with pytest.raises(FileNotFoundError):
        write_sbml(network, tmp_path / "no" / "m.xml")
    with pytest.raises(TypeError, match="network must be a ReactionNetwork, got str"):
        write_sbml("A -> B")
