"""Networks beyond reactions: variables that have names, and BioNetGen's .net files."""

from __future__ import annotations

import gzip
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from fastcore.ode import solve
from fastcore.reactions import ReactionNetwork, fsp, read_net, simulate

SIR = """
    S + I -> 2 I @ beta
    I -> R @ gamma
    total := S + I + R
    force := beta*I
    twice := 2*force + t
    beta = 0.001; gamma = 0.1
    S = 95; I = 5
"""

# Binding, a reaction of two alike, a rate that is a function, and a species that is held fixed.
NET = """# Created by hand
begin parameters
    1 k1     0.002  # Constant
    2 n      2
    3 k2     k1*n   # ConstantExpression
    4 A0     60
    5 vmax   3e0
end parameters
begin functions
    1 busy() half+1
    2 law() vmax/(10+busy()^2)
end functions
begin species
    1 A(b,x~0)  A0
    2 B(a) 40
    3 A(b!1,x~0).B(a!1) 0
    4 $F() 7
    5 A(b,x~1) 3
end species
begin reactions
    1 1,2 3 k2 #_R1
    2 3 1,2 0.5*k1 #_reverse__R1
    3 1,1 5,5 0.5*k1
    4 5 1 law
    5 4,5 1 k1
    6 0 5 n
    7 1 4,4,5 law()
end reactions
begin groups
    1 A_all                1,3,5
    2 half                 2*1,0.5*3
    3 none
    4 pairs                3,3
end groups
"""
A, B, AB, F, A1 = "A(b,x~0)", "B(a)", "A(b!1,x~0).B(a!1)", "F()", "A(b,x~1)"


class TestVariables:
    def test_written_out(self):
        network = ReactionNetwork(SIR)
        assert network.variables == {"total": "S + I + R", "force": "beta*I", "twice": "2*(beta*I) + t"}
        assert dict(network.params) == {"beta": 0.001, "gamma": 0.1}
        again = ReactionNetwork(str(network))
        assert str(again) == str(network) and again.variables == network.variables

    def test_in_rates(self, backend):
        # A rate that names a variable is the rate with the variable written out.
        plain = ReactionNetwork("A -> B @ k*A*B/(A + B + 1); B -> A @ 2*k; k = 3")
        named = ReactionNetwork("A -> B @ v; B -> A @ double; v := k*A*share; share := B/rest; rest := A + B + 1\n"
                                "double := 2*k; k = 3")  # fmt: skip
        x0 = {"A": 30, "B": 5}
        assert named.propensities(x0).tolist() == pytest.approx(plain.propensities(x0).tolist(), rel=1e-15)
        found = [simulate(network, x0, (0, 5), n=3, rng=2) for network in (plain, named)]
        assert found[0].n_events.sum() > 20
        assert found[0].x.tolist() == found[1].x.tolist()
        assert fsp(named, x0, 0.1, limits=[35, 35]).mean("A") == pytest.approx(fsp(plain, x0, 0.1).mean("A"), rel=1e-5)

    def test_in_starts(self):
        network = ReactionNetwork("A -> B @ 1; A = rest; B = 5; rest := N - B; N = 20")
        assert dict(network.x0) == {"A": 15, "B": 5}
        assert simulate(network, None, (0, 0), [0], params={"N": 8}).x[0, 0].tolist() == [3, 5]

    def test_simulated(self, backend):
        sol = simulate(ReactionNetwork(SIR), None, (0, 20), n=3, rng=0)
        assert sol["total"].shape == (3, 101) and (sol["total"] == 100).all()
        assert sol["force"].tolist() == (0.001 * sol["I"]).tolist()
        assert sol["twice"].tolist() == (2 * (0.001 * sol["I"]) + sol.t).tolist()
        assert sol["I"].dtype == np.int64 and sol["total"].dtype == np.float64
        again = pickle.loads(pickle.dumps(sol))
        assert again["force"].tolist() == sol["force"].tolist()

    def test_parameter_sets(self, backend):
        network, sets = ReactionNetwork(SIR), [[0.001, 0.1], [0.01, 0.2]]
        for options in ({}, {"n": 4}):
            sol = simulate(network, None, (0, 5), [1, 3, 5], params=sets, rng=0, **options)
            beta = np.array([0.001, 0.01]).reshape(2, *[1] * (sol.x.ndim - 2))
            assert sol["force"].tolist() == (beta * sol["I"]).tolist()
        deterministic = solve(network, None, (0, 5), [1, 3, 5], params=sets)
        assert deterministic["force"].tolist() == (beta[:, 0] * deterministic["I"]).tolist()
        one = simulate(network, None, (0, 5), [5], params={"beta": 0.5}, rng=0)
        assert one["force"].tolist() == (0.5 * one["I"]).tolist()

    def test_times_never_reached(self, backend):
        sol = simulate(ReactionNetwork(SIR), None, (0, 100), [0, 100], max_events=2, rng=0)
        assert sol["I"][0, 1] == -1 and math.isnan(sol["total"][0, 1]) and sol["total"][0, 0] == 100

    def test_some_species(self, backend):
        sol = simulate(ReactionNetwork(SIR), None, (0, 10), species=["I"], rng=0)
        assert sol["force"].tolist() == (0.001 * sol["I"]).tolist()
        with pytest.raises(KeyError, match=r"'total' needs 'S', which isn't among the species kept, \[.I.\]"):
            sol["total"]

    def test_integrated(self, backend):
        sol = solve(ReactionNetwork(SIR), None, (0, 20), sensitivities=True)
        np.testing.assert_allclose(sol["total"], 100, rtol=1e-9)
        assert sol["force"].tolist() == (0.001 * sol["I"]).tolist()
        with pytest.raises(KeyError, match=r"no species 'forse' in .*; did you mean 'force'"):
            sol["forse"]

    def test_long_ones_are_linear(self):
        lines = "\n".join(f"v{i} := v{i - 1} + v{i - 1}" for i in range(1, 60))
        network = ReactionNetwork(f"A -> B @ v59; v0 := 2*A\n{lines}")
        assert network.propensities({"A": 3}).tolist() == [6 * 2.0**59]
        assert network.variables["v2"] == "2*A + 2*A + (2*A + 2*A)" and network.variables["v59"] == "<62 operations>"
        assert "v59 := <62 operations>" in str(network)
        again = pickle.loads(pickle.dumps(network))
        assert again.propensities({"A": 3}).tolist() == [6 * 2.0**59]

    def test_pi(self):
        network = ReactionNetwork("A -> B @ 1; turn := 2*pi*A")
        assert solve(network, {"A": 1}, (0, 0), [0])["turn"].tolist() == [2 * math.pi]

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            ("v := A + C", "line 2: 'v' names 'C', which is neither a species, a parameter nor another variable"),
            ("v := 2*w; w := v + 1", "line 2: '[vw]' depends on itself"),
            ("v := v + A", "line 2: 'v' depends on itself"),
            ("A := 3", "line 2: 'A' is a species and can't be a variable too"),
            ("v := A; v := B", "line 2: 'v' is given twice"),
            ("v := A; v = 2", "line 2: 'v' is given twice"),
            ("v := A +", "line 2: 'A \\+' is not an arithmetic expression"),
            ("v := ?", "line 2: .*'\\?' is not allowed"),
            ("t := A", "'t' is reserved"),
            ("2v := A", "line 2: expected"),
            ("vol := 2*vul; vul2 = 3", "line 2: 'vol' names 'vul', .*; did you mean 'vul2'"),
        ],
    )
    def test_refused(self, lines, words):
        with pytest.raises(ValueError, match=words):
            ReactionNetwork(f"A -> B @ 1\n{lines}")

    def test_given_twice(self):
        with pytest.raises(ValueError, match="line 1: 'v' is a parameter and can't be a variable too"):
            ReactionNetwork("A -> B @ v; v := 2*A", params={"v": 1.0})


class TestNet:
    def test_read(self):
        network = read_net(NET)
        assert network.species == (A, B, AB, F, A1)
        assert dict(network.params) == {"k1": 0.002, "n": 2, "A0": 60, "vmax": 3}
        assert dict(network.x0) == {A: 60, B: 40, AB: 0, F: 7, A1: 3}
        assert network.variables["A_all"] == f"{A} + {AB} + {A1}"
        assert [dict(r.reactants) for r in network.reactions[:4]] == [{A: 1, B: 1}, {AB: 1}, {A: 2}, {A1: 1}]
        assert [dict(r.products) for r in network.reactions[:4]] == [{AB: 1}, {A: 1, B: 1}, {A1: 2}, {A: 1}]
        # Of F there is always as much as before.
        assert network.stoichiometry[network.species.index(F)].tolist() == [0] * 7
        assert str(network.reactions[4]) == f"F() + {A1} -> {A} + F() @ k1"

    def test_rates(self):
        network = read_net(NET)
        x = {A: 50, B: 20, AB: 4, F: 7, A1: 6}
        law = 3 / (10 + (2 * 50 + 0.5 * 4 + 1) ** 2)
        expected = [0.004 * 50 * 20, 0.001 * 4, 0.001 * 50 * 49, law * 6, 0.002 * 7 * 6, 2, law * 50]
        np.testing.assert_allclose(network.propensities(x), expected, rtol=1e-14)
        # What is computed from a parameter follows it.
        assert network.propensities(x, params={"n": 5})[0] == pytest.approx(0.002 * 5 * 50 * 20, rel=1e-14)

    def test_simulated(self, backend):
        network = read_net(NET)
        sol = simulate(network, None, (0, 3), n=3, rng=1)
        assert sol.n_events.min() > 20
        at = {name: sol[name].astype(float) for name in network.species}
        assert sol["A_all"].tolist() == (at[A] + at[AB] + at[A1]).tolist()
        assert sol["half"].tolist() == (2 * at[A] + 0.5 * at[AB]).tolist()
        assert (sol["none"] == 0).all() and sol["pairs"].tolist() == (2 * at[AB]).tolist()
        assert (sol[F] == 7).all()
        assert (at[B] + at[AB] == 40).all()
        once_more = simulate(pickle.loads(pickle.dumps(network)), None, (0, 3), n=3, rng=1)
        assert once_more.x.tolist() == sol.x.tolist() and once_more["half"].tolist() == sol["half"].tolist()

    def test_integrated(self, backend):
        sol = solve(read_net(NET), None, (0, 3))
        np.testing.assert_allclose(sol[B] + sol[AB], 40, rtol=1e-9)
        assert sol["k2"].tolist() == [0.004] * 101

    def test_means_of_a_linear_chain(self, backend):
        """A -> B -> nothing: means are exponentials, whoever reads the file."""
        text = (
            "begin parameters\n1 k 2\nend parameters\nbegin species\n1 A() 100\n2 B() 0\nend species\n"
            "begin reactions\n1 1 2 k\n2 2 0 k\nend reactions\nbegin groups\n1 all 1,2\nend groups\n"
        )
        sol = solve(read_net(text), None, (0, 2), [0.5, 2], rtol=1e-9)
        np.testing.assert_allclose(sol["all"], [100 * math.exp(-2 * t) * (1 + 2 * t) for t in (0.5, 2)], rtol=1e-7)

    def test_constants(self):
        text = NET.replace("0.5*k1\n", "_pi*k1\n").replace("6 0 5 n", "6 0 5 n*_e")
        network = read_net(text)
        assert network.constants()[2] == pytest.approx(0.002 * math.pi, rel=1e-15)
        assert network.constants()[5] == pytest.approx(2 * math.e, rel=1e-15)
        clocked = read_net(NET.replace("half+1", "time+1"))
        assert clocked.propensities({A1: 1}, t=2)[3] == pytest.approx(3 / (10 + 9), rel=1e-15)

    def test_fixed_within_a_compartment(self):
        plain, placed = read_net(NET), read_net(NET.replace("$F()", "@CP::$F()"))
        assert placed.species[3] == "@CP::F()" and (placed.stoichiometry == plain.stoichiometry).all()
        assert read_net(NET.replace("$F()", "F$()")).stoichiometry[3].tolist() != [0] * 7

    def test_laws(self, backend):
        """What the rate laws of BioNetGen's manual say, and a function of parameters, which two alike may have."""
        text = NET.replace("2 3 1,2 0.5*k1", "2 3,1 1,2 2*Sat vmax A0").replace("4 5 1 law", "4 5,2 1 Hill vmax k2 n")
        text = text.replace("5 4,5 1 k1", "5 1,2,3 1 MM vmax A0").replace("6 0 5 n", "6 0 5 3*Ele n")
        text = text.replace("7 1 4,4,5 law()", "7 3,2,1 5 Sat n 5 A0").replace(
            "3 1,1 5,5 0.5*k1", "3 1,1 5,5 0.5*twice()"
        )
        network = read_net(text.replace("2 law() vmax/(10+busy()^2)", "2 twice() 2*k1"))
        x = {A: 50, B: 20, AB: 4, F: 7, A1: 6}
        b = 50 - 60 - 24
        free = 0.5 * (b + math.sqrt(b * b + 4 * 60 * 50))
        expected = [
            0.004 * 50 * 20,
            2 * 3 * 4 * 50 / (60 + 4),
            0.002 * 50 * 49,
            3 * 36 / (0.004**2 + 36) * 20,
            3 * 24 * free / (60 + free),
            6,
            2 * 4 * 20 * 50 / (5 + 4) / (60 + 20),
        ]
        np.testing.assert_allclose(network.propensities(x), expected, rtol=1e-13)
        assert (simulate(network, None, (0, 0.1), n=3, rng=1).x >= 0).all()

    def test_an_enzyme_that_is_not_scarce(self, backend):
        """Michaelis and Menten's law for the free substrate, against its own equation written out."""
        sol = solve(read_net(
            "begin parameters\n1 k 1\n2 K 1\nend parameters\n"
            "begin species\n1 S() 100\n2 E() 100\n3 P() 0\nend species\n"
            "begin reactions\n1 1,2 3,2 MM k K\nend reactions\n"
        ), None, (0, 5), [0.25, 5], rtol=1e-9)  # fmt: skip
        many = NET.replace("5 4,5 1 k1", "5 1,2 1 MM vmax Km").replace("5 vmax   3e0", "5 vmax 3e0\n 6 Km 1e-3")
        assert read_net(many).propensities({A: 10, B: 10**9})[4] == pytest.approx(30, rel=1e-7)
        assert read_net(many.replace("1e-3", "0")).propensities({A: 9, B: 4})[4] == pytest.approx(12, rel=1e-12)
        # As BioNetGen 2.9 gives them for its test_MM.bngl, to its tolerance of 1e-8.
        np.testing.assert_allclose(sol["S()"][0], 79.08583802054, rtol=1e-6)

    def test_blocks_of_the_model_are_passed_over(self):
        more = (
            'substanceUnits("Number")\nbegin molecule types\n1 A(b,x~0~1)\nend molecule types\n'
            "begin compartments\n  EC 3 v\nend compartments\nbegin observables\n1 Molecules all A()\n"
            "end observables\nbegin energy patterns\nend energy patterns\n"
            "begin reaction rules\n  R: A(b) -> 0 k\nend reaction rules\n"
        )
        assert str(read_net(NET + more)) == str(read_net(NET))

    def test_sources(self, tmp_path: Path):
        plain, packed = tmp_path / "model.net", tmp_path / "model.net.gz"
        plain.write_text(NET, "utf-8")
        packed.write_bytes(gzip.compress(NET.encode()))
        expected = str(read_net(NET))
        for source in (plain, str(plain), packed, NET.encode(), NET.replace("\n", "\r\n")):
            assert str(read_net(source)) == expected
        with pytest.raises(FileNotFoundError):
            read_net(tmp_path / "none.net")
        with pytest.raises(TypeError, match="source must be a path, or the text as str or bytes, got int"):
            read_net(5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="the text must be UTF-8, byte 9 isn't"):
            read_net(b"begin spe\xff\n")
        plain.write_text(NET.replace("1 1,2 3 k2", "1 1,9 3 k2"), "utf-8")
        with pytest.raises(ValueError, match=r"model\.net, line 21: .* from 1 to 5, got '1,9'"):
            read_net(plain)

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("end reactions\n", "", r"line \d+: the block 'reactions' has no end"),
            ("species", "kinds", r"line \d+: the block 'kinds' isn't supported"),
            ("species", "compartments", "must hold blocks 'species' and 'reactions'"),
            ("functions", "parameters", "line 9: the block 'parameters' comes twice"),
            ("functions", "energies", "the block 'energies' isn't supported"),
            ("2 n      2", "3 n      2", "line 4: expected '2 name value', got '3 n      2'"),
            ("2 n      2", "2 n", "line 4: expected '2 name value'"),
            ("2 n      2", "2 k1     2", "line 4: 'k1' must be a name that isn't given twice"),
            ("2 n      2", "2 n+      2", "line 4: 'n\\+' must be a name"),
            ("2 n      2", "2 n      2*", "line 4: '2\\*' is not an arithmetic expression"),
            ("k1*n ", "k1*m ", "line 5: 'k2' names 'm', which is neither"),
            ("k1*n ", "k2*n ", "line 5: 'k2' depends on itself"),
            ("2 B(a) 40", "2 B(a)", "line 15: expected '2 name amount'"),
            ("2 B(a) 40", "2 A(b,x~0) 40", "line 15: the species .* comes twice"),
            ("2 B(a) 40", "2 B(a) B1", "line 15: the initial amount of 'B\\(a\\)' names 'B1'"),
            ("2 3 1,2 0.5*k1", "2 3 1,2", "line 22: expected '2 reactants products rate'"),
            ("2 3 1,2 0.5*k1", "2 3 1,x 0.5*k1", "line 22: expected numbers of species from 1 to 5, got '1,x'"),
            ("2 3 1,2 0.5*k1", "2 3 1,02 0.5*k1", "line 22: expected numbers of species from 1 to 5, got '1,02'"),
            ("2 3 1,2 0.5*k1", "2 3 1,2 0.5*k3", "line 22: the rate '0.5\\*k3' names 'k3', which has no value"),
            ("2 3 1,2 0.5*k1", "2 3 1,2 Sat k1", "line 22: expected 'Sat k K' for its reactants, got '3 1,2 Sat k1'"),
            ("2 3 1,2 0.5*k1", "2 3 1,2 Sat k1 n n", "line 22: expected 'Sat k K' for its reactants"),
            ("2 3 1,2 0.5*k1", "2 0 1,2 2*Sat k1 n", "line 22: expected 'Sat k K' for its reactants"),
            ("2 3 1,2 0.5*k1", "2 3 1,2 MM k1 n", "line 22: expected 'MM k K' for its reactants"),
            ("2 3 1,2 0.5*k1", "2 3 1,2 Hill k1 n", "line 22: expected 'Hill k K h' for its reactants"),
            ("2 3 1,2 0.5*k1", "2 3 1,2 Ele", "line 22: expected 'Ele k' for its reactants"),
            ("2 3 1,2 0.5*k1", "2 3 1,2 Sat k1 m", "line 22: .*names 'm'"),
            ("3 1,1 5,5 0.5*k1", "3 1,1 5,5 Sat k1 n", "line 23: the rate law 'Sat' isn't supported for two"),
            ("3 1,1 5,5 0.5*k1", "3 1,1 5,5 law", "line 23: a rate that is a function isn't supported for two"),
            ("2*1,0.5*3", "2*1,q*3", "line 31: expected a number times a species, got 'q'"),
            ("2*1,0.5*3", "2*1,6", "line 31: expected numbers of species from 1 to 5, got '6'"),
            ("3 none", "3 k1", "line 32: 'k1' must be a name that isn't given twice"),
            ("3 none", "3", "line 32: expected '3 name 1,2\\*3'"),
            ("vmax/(10", "vmax/sin", "line 11: .*'vmax/sin"),
        ],
    )
    def test_refused(self, old, new, words):
        text = NET.replace(old, new)
        assert text != NET
        with pytest.raises(ValueError, match=f"the text.*{words}"):
            read_net(text)

    def test_many_species(self):
        n = 20_000
        species = "\n".join(f"{i} S(x~{i}) {i % 3}" for i in range(1, n + 1))
        reactions = "\n".join(f"{i} {i} {i + 1} k" for i in range(1, n))
        text = (
            f"begin parameters\n1 k 1\nend parameters\nbegin species\n{species}\nend species\n"
            f"begin reactions\n{reactions}\nend reactions\n"
            f"begin groups\n1 all {','.join(map(str, range(1, n + 1)))}\nend groups\n"
        )
        sol = simulate(read_net(text), None, (0, 1e-3), [1e-3], rng=0)
        assert sol["all"][0, 0] == sum(i % 3 for i in range(1, n + 1))
