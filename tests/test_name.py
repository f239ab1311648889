"""Another distribution is imported as fastcore too: any mix of both is named, with its cure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import scipy

import fastcore

# What the other distribution has; only __init__.py is in both.
THEIRS = {
    "__init__.py": "__version__ = '1.8.0'\n",
    "basics.py": "from .imports import *\n",
    "foundation.py": "",
    "imports.py": "",
    "xtras.py": "",
    "parallel.py": "",
    "_modidx.py": "",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder to import from that ours is copied into, and what it needs beside it."""
    source = Path(fastcore.__file__).parent
    shutil.copytree(source, tmp_path / "fastcore", ignore=shutil.ignore_patterns("data", "__pycache__"))
    for needed in (numpy, scipy):
        folder = Path(needed.__file__).parent
        for path in (folder, folder.with_name(folder.name + ".libs")):
            if path.exists():
                (tmp_path / path.name).symlink_to(path)
    return tmp_path


def install_theirs(site: Path, *, over_ours: bool) -> None:
    for name, text in THEIRS.items():
        target = site / "fastcore" / name
        if over_ours or not target.exists():
            target.write_text(text)


def run(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    # Without site-packages (-S): the suite may run against an installed fastcore.
    env = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-S", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=site, env=env, check=False)


def assert_named(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode != 0
    assert "ImportError" in result.stderr
    assert "pip uninstall -y fastcore fastcore-kernels" in result.stderr


def test_alone_it_imports(site):
    result = run(site, "import fastcore; print(fastcore.__distribution__, fastcore.__file__)")
    assert result.stdout.split() == ["fastcore-kernels", str(site / "fastcore" / "__init__.py")]


def test_ours_installed_last(site):
    install_theirs(site, over_ours=False)
    assert_named(run(site, "import fastcore"))


def test_theirs_installed_last(site):
    install_theirs(site, over_ours=True)
    # Their __init__ runs, so theirs works; the first of our modules raises.
    assert run(site, "import fastcore; print(fastcore.__version__)").stdout.strip() == "1.8.0"
    for module in ("chain", "ngrams", "cli"):
        assert_named(run(site, f"import fastcore.{module}"))


def test_theirs_uninstalled_afterwards(site):
    install_theirs(site, over_ours=True)
    for name in THEIRS:
        (site / "fastcore" / name).unlink()
    assert_named(run(site, "import fastcore.chain"))


def test_no_module_has_a_name_of_theirs():
    taken = {
        "all", "aio", "ansi", "basics", "dispatch", "docments", "docscrape", "foundation", "imghdr", "imports",
        "meta", "nb_imports", "nbio", "net", "parallel", "py2pyi", "script", "shutil", "style", "test", "tools",
        "transform", "utils", "xdg", "xml", "xtras", "_modidx", "_nbdev",
    }  # fmt: skip
    ours = {path.stem for path in Path(fastcore.__file__).parent.iterdir()}
    assert not taken & ours
