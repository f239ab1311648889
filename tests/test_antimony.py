"""Antimony, by way of its own library: here one that answers as it does, with the SBML that it gives."""

from __future__ import annotations

import gzip
import sys
from types import SimpleNamespace

import pytest

from fastcore.reactions import ReactionNetwork, from_antimony, write_sbml

TEXT = "model decay\n A -> B; k*A; k = 0.5; A = 100; B = 0;\nend\n"


@pytest.fixture
def library(monkeypatch):
    """A library that keeps texts until they are cleared."""
    loaded: list[str] = []

    def load(text: str) -> int:
        if "->" not in text:
            return -1
        loaded.append(text)
        return len(loaded)

    fake = SimpleNamespace(
        loaded=loaded,
        loadAntimonyString=load,
        clearPreviousLoads=loaded.clear,
        getLastError=lambda: "Error in model string, line 1:\n  syntax error",
        getMainModuleName=lambda: "decay" if len(loaded) == 1 else "another",
        getSBMLString=lambda name: (
            write_sbml(ReactionNetwork("A -> B @ k*A; k = 0.5; A = 100")) if name == "decay" else ""
        ),
    )
    monkeypatch.setitem(sys.modules, "antimony", fake)
    return fake


def test_is_read(library, tmp_path):
    (tmp_path / "m.txt").write_text(TEXT)
    (tmp_path / "m.gz").write_bytes(gzip.compress(TEXT.encode()))
    for source in (TEXT, TEXT.encode(), "A -> B; k*A", tmp_path / "m.txt", str(tmp_path / "m.gz")):
        network = from_antimony(source)
        assert network.species == ("A", "B") and str(network.reactions[0]) == "A -> B @ k*A"
        assert not library.loaded


def test_what_isnt_antimony(library, tmp_path):
    (tmp_path / "bad").write_bytes(b"A ->\xff")
    (tmp_path / "m").write_text("nothing")
    for source, error, words in (
        ("A = ;", ValueError, "the text: not Antimony: Error in model string, line 1: syntax error"),
        (tmp_path / "m", ValueError, "m: not Antimony"),
        (tmp_path / "bad", ValueError, "bad must be UTF-8, byte 4 isn't"),
        (tmp_path / "absent", FileNotFoundError, "absent"),
        (3, TypeError, "source must be a path"),
    ):
        with pytest.raises(error, match=words):
            from_antimony(source)
        assert not library.loaded
    library.getSBMLString = lambda name: "<sbml/>"
    with pytest.raises(ValueError, match="the text, as SBML: "):
        from_antimony(TEXT)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "antimony", None)
    with pytest.raises(ImportError, match=r"from_antimony needs antimony: pip install 'fastcore-kernels\[antimony\]'"):
        from_antimony(TEXT)
