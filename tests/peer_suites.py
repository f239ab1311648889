"""Run a peer's own tests on the face that stands in for it, in an environment that has the peer.

``python tests/peer_suites.py hmmlearn`` takes the tests that hmmlearn installs, ``python tests/peer_suites.py torchcrf
FILE`` those of pytorch-crf's sources, ``pycrfsuite FOLDER`` and ``sklearn_crfsuite FOLDER`` the folder of tests in
python-crfsuite's and sklearn-crfsuite's. More arguments are pytest's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Those of its mixtures, and of variational Gaussians, take very long.
HMMLEARN = (
    "base",
    "categorical_hmm",
    "gaussian_hmm",
    "multinomial_hmm",
    "poisson_hmm",
    "utils",
    "variational_categorical",
)
INSTALL = "from fastcore.compat import hmmlearn\nhmmlearn.install()\n"
# A face in the place of what it stands in for, its modules too.
REPLACE = """import importlib, pkgutil, sys
face = importlib.import_module("fastcore.compat.{face}")
for found in pkgutil.iter_modules(face.__path__):
    name = "{face}." + found.name
    sys.modules[name] = importlib.import_module("fastcore.compat." + name)
sys.modules["{face}"] = face
"""


def main(face: str, *more: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        if face == "hmmlearn":
            Path(folder, "on_our_kernels.py").write_text(INSTALL, encoding="utf-8")
            tests = ["-p", "on_our_kernels", "--pyargs", *(f"hmmlearn.tests.test_{name}" for name in HMMLEARN)]
        elif face == "torchcrf":
            text = Path(more[0]).read_text(encoding="utf-8")
            ours = text.replace("from torchcrf import", "from fastcore.compat.torchcrf import")
            Path(folder, "test_crf.py").write_text(ours, encoding="utf-8")
            tests, more = ["test_crf.py"], more[1:]
        elif face in ("pycrfsuite", "sklearn_crfsuite"):
            Path(folder, "on_our_kernels.py").write_text(REPLACE.format(face=face), encoding="utf-8")
            # The folder may be one of a repository's own configuration.
            shutil.copytree(more[0], Path(folder, "tests"))
            tests, more = ["-p", "on_our_kernels", "-c", "/dev/null", "--rootdir", folder, "tests"], more[1:]
        else:
            raise SystemExit(f"there is no face {face!r}: hmmlearn, torchcrf, pycrfsuite or sklearn_crfsuite")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), folder))}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, *more]
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
