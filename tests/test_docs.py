"""Documentation: examples run, every public name has its page, docstrings name what they should."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import fastcore

ROOT = Path(__file__).parents[1]
PUBLIC = [name for name in fastcore.__all__ if inspect.ismodule(getattr(fastcore, name)) and name != "compat"]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fastcore.__path__, "fastcore.")
    if not re.search(r"\._kernels|\.reference|\._demo|\.__main__", module.name)
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public_items(module_name: str) -> dict[str, object]:
    module = importlib.import_module(f"fastcore.{module_name}")
    return {f"{module_name}.{name}": getattr(module, name) for name in module.__all__}


ITEMS = {key: value for module in PUBLIC for key, value in public_items(module).items()}


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    with np.printoptions(legacy=False):
        result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts))
def test_examples_in_the_guide(page):
    (path,) = (p for p in (ROOT / "docs").rglob(page) if "_build" not in p.parts) if page != "index.md" else (None,)
    if path is None:
        return
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    examples = re.sub(r"^```.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    runner.run(parser.get_doctest(examples, {}, page, str(path), 0))
    assert runner.summarize(verbose=False).failed == 0


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs/api/index.md").read_text(encoding="utf-8")
    listed = set()
    for module, body in re.findall(
        r"currentmodule:: fastcore\.(\w+)\n(.*?)(?=\n\.\. currentmodule|\Z)", text, re.DOTALL
    ):
        listed |= {f"{module}.{name}" for name in re.findall(r"^   (\w+)$", body, re.MULTILINE)}
    assert listed == set(ITEMS)


@pytest.mark.parametrize("name", sorted(ITEMS))
def test_docstring_sections(name):
    item = ITEMS[name]
    doc = inspect.getdoc(item) or ""
    assert doc, f"{name} has no docstring"
    if inspect.isfunction(item) and inspect.signature(item).parameters:
        for section in ("Parameters", "Returns", "Raises", "Examples"):
            assert f"{section}\n{'-' * len(section)}" in doc, f"{name} has no section {section}"
        for parameter in inspect.signature(item).parameters:
            assert re.search(rf"\b{parameter}\b", doc), f"{name} doesn't document {parameter}"
