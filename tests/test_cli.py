"""The command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fastcore import cli
from fastcore._backend import DOMAINS
from fastcore._checks import Check, largest_difference, run


def command(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fastcore", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        input=stdin,
        check=False,
    )


def test_help_has_examples(capsys):
    for arguments in (["--help"], ["demo", "--help"], ["check", "--help"], ["config", "--help"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 0
        assert "examples:" in capsys.readouterr().out


def test_config(capsys):
    assert cli.main(["config"]) == 0
    assert "isa_selected" in capsys.readouterr().out
    assert cli.main(["config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kernels"].keys() == set(DOMAINS)


def test_module_and_version():
    assert command("--version").stdout.startswith("fastcore ")


def test_check_one_domain(capsys):
    assert cli.main(["check", "recurrence"]) == 0
    assert "0 failed" in capsys.readouterr().out


def test_check_covers_every_domain_and_passes(capsys):
    assert cli.main(["check", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {check["name"].partition(".")[0] for check in report["checks"]} == set(DOMAINS)
    assert all(check["passed"] for check in report["checks"])


def test_check_fails_when_twins_differ(capsys, monkeypatch):
    from fastcore import _checks, active_backend

    wrong = Check("x.y", lambda: 1, lambda one: one + (active_backend() == "compiled"), largest_difference)
    monkeypatch.setattr(_checks, "run_all", lambda domains: [run(wrong)])
    assert cli.main(["check", "chain"]) == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_wrong_use_says_what_is_wrong(capsys):
    assert cli.main(["check", "nonsense"]) == 2
    assert "no domain 'nonsense'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.main(["nonsense"])
    assert stop.value.code == 2


def test_bench_outside_a_checkout(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench", "recurrence"]) == 2
    assert "source checkout" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error():
    script = f"{sys.executable} -m fastcore check recurrence chain | head -c 1"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr
