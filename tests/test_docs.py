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


# The articles that the systems grew from, by their true titles: https://kexue.fm/archives/NUMBER.
ARTICLES = {
    4256: "【中文分词系列】 8. 更好的新词发现算法",
    5476: "最小熵原理（二）：“当机立断”之词库构建",
    5542: "简明条件随机场CRF介绍（附带纯Keras实现）",
    5577: "最小熵原理（三）：“飞象过河”之句模版和语言结构",
    5597: "基于最小熵原理的NLP库：nlp zero",
    5607: "python简单实现gillespie模拟",
    5617: "“噪声对比估计”杂谈：曲径通幽之妙",
    5643: "貌离神合的RNN与ODE：花式RNN简介",
    6920: "重新写了之前的新词发现算法：更快更好的新词发现",
}


def test_sources_are_cited_by_their_true_titles():
    """Each address of an article stands behind its title, and its author is never named without an address."""
    cited = set()
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *Path(fastcore.__file__).parent.rglob("*.py")]
    for path in texts:
        text = re.sub(r"[\s#]+", " ", path.read_text("utf-8"))
        addresses = [(match.start(), int(match[1])) for match in re.finditer(r"kexue\.fm/archives/(\d+)", text)]
        for at, number in addresses:
            assert ARTICLES[number] in text[max(at - 120, 0) : at], (path.name, number)
            cited.add(number)
        for match in re.finditer("Su Jianlin|苏剑林", text):
            assert any(0 < at - match.start() < 120 for at, _ in addresses), (path.name, text[match.start() :][:120])
    assert cited == set(ARTICLES)


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
