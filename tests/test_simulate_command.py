"""``fastcore simulate``."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import os
import stat
import sys

import numpy as np
import pytest

from fastcore import cli
from fastcore.reactions import ReactionNetwork, simulate

SIR = "S + I -> 2 I @ beta; I -> R @ gamma\nbeta = 0.002; gamma = 1; sick := I + R; S = 190; I = 10\n"
NET = "begin parameters\n1 k 0.5\nend parameters\nbegin species\n1 A(x~0,y) 20\n2 B 0\nend species\n" + (
    "begin reactions\n1 1 2 k\nend reactions\nbegin groups\n1 total 1,2\nend groups\n"
)
SBML = """<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model>
<listOfCompartments><compartment id="c" size="1" constant="true"/></listOfCompartments>
<listOfSpecies><species id="X" compartment="c" initialAmount="9" hasOnlySubstanceUnits="true"
boundaryCondition="false" constant="false"/></listOfSpecies>
<listOfReactions><reaction id="d" reversible="false" fast="false"><listOfReactants>
<speciesReference species="X" stoichiometry="1" constant="true"/></listOfReactants>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>X</ci></math></kineticLaw></reaction>
</listOfReactions></model></sbml>"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "sir.txt"
    path.write_text(SIR)
    return str(path)


def table(text: str) -> tuple[list[str], np.ndarray]:
    head, *rows = csv.reader(io.StringIO(text))
    return head, np.array(rows, float)


class TestTable:
    def test_one_run(self, model, capsys):
        assert cli.main(["simulate", model, "--t-end", "5", "--seed", "3", "--points", "6"]) == 0
        head, rows = table(capsys.readouterr().out)
        sol = simulate(ReactionNetwork(SIR), None, (0, 5), np.linspace(0, 5, 6), rng=3)
        assert head == ["t", "S", "I", "R"]
        assert (rows[:, 0] == sol.t).all() and (rows[:, 1:] == sol.x[0]).all()

    def test_means(self, model, tmp_path):
        out = tmp_path / "means.csv"
        arguments = ["--t-end", "5", "--points", "6", "--n", "40", "--seed", "3", "--out", str(out)]
        arguments += ["--species", "sick", "--species", "S"]
        assert cli.main(["simulate", model, *arguments]) == 0
        head, rows = table(out.read_text())
        sol = simulate(ReactionNetwork(SIR), None, (0, 5), np.linspace(0, 5, 6), n=40, rng=3)
        assert head == ["t", "sick mean", "sick sd", "S mean", "S sd"]
        assert np.allclose(rows[:, 1], sol["sick"].mean(axis=0)) and np.allclose(
            rows[:, 4], sol["S"].std(axis=0, ddof=1)
        )

    def test_all_runs_as_json(self, model, capsys):
        arguments = ["--t-end", "5", "--points", "3", "--n", "4", "--seed", "3", "--all", "--json", "--species", "sick"]
        assert cli.main(["simulate", model, *arguments]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        sol = simulate(ReactionNetwork(SIR), None, (0, 5), [0, 2.5, 5], n=4, rng=3)
        assert [row["run"] for row in rows] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
        assert [row["sick"] for row in rows] == sol["sick"].ravel().tolist()

    def test_options(self, model, capsys):
        arguments = ["--t-start", "1", "--t-end", "50", "--points", "2", "--set", "S=90", "--set", "gamma=2"]
        arguments += ["--stop", "R >= 3 and t > 0", "--method", "first_reaction", "--seed", "1", "--workers", "2"]
        assert cli.main(["simulate", model, *arguments]) == 0
        rows = table(capsys.readouterr().out)[1]
        assert rows[:, 0].tolist() == [1, 50] and rows[0, 1:].tolist() == [90, 10, 0] and rows[1, 3] == 3

    def test_what_was_never_reached(self, model, capsys):
        arguments = ["--t-end", "5", "--points", "2", "--n", "3", "--max-events", "2", "--json"]
        assert cli.main(["simulate", model, *arguments]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[1])["I mean"] is None

    def test_warnings(self, tmp_path, capsys, monkeypatch):
        from fastcore.reactions import _simulate

        monkeypatch.setitem(_simulate.MOST_EVENTS, "grid", 50)
        (tmp_path / "m").write_text("A -> 2 A @ 1; A = 1")
        assert cli.main(["simulate", str(tmp_path / "m"), "--t-end", "20", "--points", "2"]) == 0
        assert "fastcore simulate: 1 of 1 runs ended early" in capsys.readouterr().err


class TestModels:
    @pytest.mark.parametrize(
        ("name", "data", "species"),
        [
            ("m.net", NET.encode(), ["A(x~0,y)", "B"]),
            ("m.net.gz", gzip.compress(NET.encode()), ["A(x~0,y)", "B"]),
            ("m.txt.bz2", bz2.compress(SIR.encode()), ["S", "I", "R"]),
            ("m", b"\xef\xbb\xbf" + SIR.encode(), ["S", "I", "R"]),
            ("m.xml", SBML.encode(), ["X"]),
            ("m.SBML", SBML.encode(), ["X"]),
            ("m", b"\n" + SBML.encode(), ["X"]),
        ],
    )
    def test_of_all_kinds(self, tmp_path, capsys, name, data, species):
        (tmp_path / name).write_bytes(data)
        assert cli.main(["simulate", str(tmp_path / name), "--t-end", "1", "--points", "2"]) == 0
        head, _ = table(capsys.readouterr().out)
        assert head == ["t", *species]

    def test_from_standard_input(self, monkeypatch, capsys):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SIR.encode())))
        assert cli.main(["simulate", "-", "--t-end", "1", "--points", "2"]) == 0
        assert capsys.readouterr().out.startswith("t,S,I,R\n0.0,190,10,0\n")

    @pytest.mark.parametrize(
        ("text", "arguments", "words"),
        [
            ("A -> B @\n", [], "model, line 1: expected 'A + B -> C @ rate'"),
            ("A -> B @ 1", [], "x0 must be given"),
            (SIR, ["--set", "gama=1"], "did you mean 'gamma'?"),
            (SIR, ["--set", "gamma"], "--set must be NAME=NUMBER, got 'gamma'"),
            (SIR, ["--set", "S=0.5"], "x0 must hold whole numbers"),
            (SIR, ["--species", "Sik"], "--species must name species or variables"),
            (SIR, ["--species", "Q", "--n", "3"], "--species must name species or variables"),
            (SIR, ["--method", "quick"], "method must be"),
            (SIR, ["--stop", "Q == 1"], "stop must compare"),
            (SIR, ["--plot", "x.docx"], "--plot must be a file of one of the kinds"),
            (SIR, ["--t-start", "2"], "t_span must be"),
            ("\xff", [], "model must be UTF-8, byte 0 isn't"),
        ],
    )
    def test_bad_input(self, tmp_path, capsys, text, arguments, words):
        (tmp_path / "model").write_bytes(text.encode("latin-1"))
        out = tmp_path / "out"
        assert cli.main(["simulate", str(tmp_path / "model"), "--t-end", "1", "-o", str(out), *arguments]) == 2
        assert words in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    def test_wrong_numbers(self, model, capsys):
        for arguments in (["--n", "0"], ["--points", "-1"]):
            with pytest.raises(SystemExit):
                cli.main(["simulate", model, "--t-end", "1", *arguments])
            assert "must be at least 1" in capsys.readouterr().err
        assert cli.main(["simulate", model + "x", "--t-end", "1"]) == 2
        assert "No such file" in capsys.readouterr().err


class TestFiles:
    @pytest.mark.skipif(sys.platform == "win32", reason="devices, pipes and modes of POSIX")
    def test_what_is_there_stays_what_it_is(self, model, tmp_path):
        run = ["simulate", model, "--t-end", "1", "--points", "2"]
        assert cli.main([*run, "--out", "/dev/null", "--plot", "/dev/null"]) == 0
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
        table_, picture = tmp_path / "t.csv", tmp_path / "p.svg"
        for path in (table_, picture):
            path.write_text("old")
            path.chmod(0o600)
            (tmp_path / f"link-{path.name}").symlink_to(path)
        assert cli.main([*run, "--out", str(tmp_path / "link-t.csv"), "--plot", str(tmp_path / "link-p.svg")]) == 0
        assert table_.read_text().startswith("t,S,I,R\n") and b"<svg" in picture.read_bytes()
        for path in (table_, picture):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600 and (tmp_path / f"link-{path.name}").is_symlink()

    def test_pictures(self, model, tmp_path):
        run = ["simulate", model, "--t-end", "1", "--points", "2", "--out", str(tmp_path / "t.csv.gz")]
        for more, name in (
            ([], "a.png"),
            (["--n", "5"], "b.svg"),
            (["--n", "5", "--all", "--species", "sick"], "c.pdf"),
        ):
            assert cli.main([*run, *more, "--plot", str(tmp_path / name)]) == 0
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "c.pdf").read_bytes().startswith(b"%PDF")
        assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()).startswith(b"run,t,sick\n")

    def test_nothing_is_half_written(self, tmp_path, capsys):
        (tmp_path / "model").write_text("A -> 0 @ if(A > 5, 1, -1)*A; A = 9")
        for name in ("t.csv", "p.png"):
            (tmp_path / name).write_text("old")
        run = ["simulate", str(tmp_path / "model"), "--t-end", "9", "--out", str(tmp_path / "t.csv")]
        assert cli.main([*run, "--plot", str(tmp_path / "p.png")]) == 2
        assert "must be finite and at least 0" in capsys.readouterr().err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "p.png", "t.csv"]
        assert (tmp_path / "t.csv").read_text() == (tmp_path / "p.png").read_text() == "old"

    def test_without_matplotlib(self, model, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)
        assert cli.main(["simulate", model, "--t-end", "1", "--plot", "x.png"]) == 2
        assert "--plot needs matplotlib: pip install 'fastcore-kernels[plot]'" in capsys.readouterr().err
