"""What importing a public module loads: NumPy and little else."""

from __future__ import annotations

import inspect

import pytest

import fastcore

from .helpers import run_script

MODULES = [
    "fastcore",
    "fastcore.cli",
    "fastcore.compat.hmmlearn",
    "fastcore.compat.nlp_zero",
    "fastcore.compat.pycrfsuite",
    "fastcore.compat.sklearn_crfsuite",
    "fastcore.discovery",
    "fastcore.skipgrams",
    "fastcore.vectorizer",
    *(f"fastcore.{name}" for name in fastcore.__all__ if inspect.ismodule(getattr(fastcore, name))),
]
# Each takes from a tenth of a second to a second: loaded by the call that needs it, never by an import.
HEAVY = [
    "asyncio", "difflib", "dask", "joblib", "jieba", "matplotlib", "multiprocessing", "numba", "numpy.testing",
    "pandas", "polars", "pyarrow", "scipy", "sklearn", "tqdm", "torch", "unittest", "xarray",
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(MODULES)))
def test_imports_are_light(name):
    script = f"""
import sys
import numpy
before = set(sys.modules)
import {name}
heavy = [module for module in {HEAVY} if module in sys.modules and module not in before]
# How many the standard library has of its own differs from one Python to the next.
new = [module for module in set(sys.modules) - before if module.partition(".")[0] not in sys.stdlib_module_names]
print(heavy, len(new) < 75)
"""
    done = run_script(script)
    assert done.stdout.strip() == "[] True", done.stderr
