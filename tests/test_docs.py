"""Documentation: examples run, every public name has its page, docstrings name what they should."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import fastcore
from fastcore._backend import DOMAINS

ROOT = Path(__file__).parents[1]
PUBLIC = [name for name in fastcore.__all__ if inspect.ismodule(getattr(fastcore, name)) and name != "compat"]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fastcore.__path__, "fastcore.")
    # torch isn't among the tests' requirements.
    if not re.search(r"\._kernels|\.reference|\._demo|\.__main__|\.torchcrf", module.name)
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def has_examples(module_name: str) -> bool:
    return any(test.examples for test in doctest.DocTestFinder().find(importlib.import_module(module_name)))


def public_items(module_name: str) -> dict[str, object]:
    module = importlib.import_module(f"fastcore.{module_name}")
    found = {name: getattr(module, name) for name in module.__all__}
    # What another domain shows too has its page there.
    return {f"{module_name}.{name}": it for name, it in found.items() if home(it) in (module.__name__, None)}


def home(item: object) -> str | None:
    """The public module of a name; None for a constant."""
    return item.__module__ if inspect.isfunction(item) or inspect.isclass(item) else None


ITEMS = {key: value for module in PUBLIC for key, value in public_items(module).items()}


WITH_EXAMPLES = [name for name in MODULES if has_examples(name)]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
PAGES_WITH_EXAMPLES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("backends", "gallery", "texts")),
    *(p for p in PAGES if p.parent.name == "guide"),
]
# A fenced block of Python, or a plot's; what a comment says isn't run is left out.
BLOCK = re.compile(
    r"(?P<not_run><!-- not run: [^\n]*-->\n)?"
    r"^```(?:python\n(?P<python>.*?)|\{eval-rst\}\n\.\. plot::\n(?P<plot>.*?))^```$",
    re.MULTILINE | re.DOTALL,
)

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


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings(name):
    with np.printoptions(legacy=False):
        result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0


def test_every_public_function_has_an_example_that_runs():
    found = doctest.DocTestFinder(exclude_empty=False)
    ran = {test.name for name in WITH_EXAMPLES for test in found.find(importlib.import_module(name)) if test.examples}
    for name, item in ITEMS.items():
        # torch and antimony aren't among the tests' requirements.
        if inspect.isfunction(item) and name not in ("recurrence.from_torch", "reactions.from_antimony"):
            assert any(full.endswith("." + item.__name__) for full in ran), name


def run_script(source: str, scope: dict[str, object]) -> None:
    """Run statements; where a line's comment is a literal (or `near` a number), it must be the line's value."""
    # Places in a line are counted in bytes.
    lines = source.encode("utf-8").splitlines()
    for statement in ast.parse(source).body:
        comment = lines[statement.end_lineno - 1][statement.end_col_offset :].decode("utf-8").strip()
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), "<example>", "exec"), scope)
            continue
        value = eval(compile(ast.Expression(statement.value), "<example>", "eval"), scope)
        if comment.startswith("# near "):
            assert value == pytest.approx(float(comment.removeprefix("# near ")), rel=0.05), comment
        elif re.match(r"# [\d('\"\[{]", comment):
            assert value == ast.literal_eval(comment.removeprefix("# ")), comment


@pytest.mark.parametrize("path", PAGES_WITH_EXAMPLES, ids=lambda path: path.stem)
def test_examples_on_a_page(path, tmp_path, monkeypatch):
    plt.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text("床前明月光\n" * 10, encoding="utf-8")
    # One scope a page, as for a reader who types it all in.
    scope: dict[str, object] = {"__name__": "page", "plt": plt, "Path": Path}
    runner, ran = doctest.DocTestRunner(optionflags=FLAGS, verbose=False), 0
    for block in BLOCK.finditer(path.read_text(encoding="utf-8")):
        if block["not_run"]:
            continue
        source = block["python"] or textwrap.dedent(re.sub(r"^ +:.*\n", "", block["plot"], flags=re.MULTILINE))
        ran += 1
        if ">>> " in source:
            test = doctest.DocTestParser().get_doctest(source, scope, path.name, str(path), 0)
            runner.run(test, clear_globs=False)
            scope.update(test.globs)
        else:
            run_script(source, scope)
    plt.close("all")
    assert ran > 0
    assert runner.summarize(verbose=False).failed == 0


def test_every_page_of_the_guide_belongs_to_a_domain():
    assert {path.stem for path in PAGES if path.parent.name == "guide"} == set(DOMAINS)


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


# What parameters are that mean the same everywhere: type and first sentences, which may go on.
ALIKE = {
    "workers": (
        "int, executor or map-like callable, default 1",
        "Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.",
    ),
    "rng": (
        "None, int, SeedSequence or Generator",
        "Source of randomness (SPEC 7): an int repeats, the others move on.",
    ),
    "progress": (
        "bool or callable, default False",
        "True shows a bar (needs tqdm); a function is called with (done, total or None).",
    ),
    "encoding": ('str, default "utf-8"', "What bytes and files are encoded in."),
    "errors": (
        '{"strict", "replace", "ignore"}, default "strict"',
        "Bytes that can't be decoded raise, become U+FFFD, or are left out.",
    ),
    "pattern": ("str, optional", 'Of a folder only the files whose names match, as ``"*.txt"``.'),
}
# scikit-learn's parameter of that name, which is of single documents too.
ELSEWHERE = {("vectorizer.NgramVectorizer", "encoding")}


def documented() -> Iterator[tuple[str, str, str, str]]:
    """Every parameter that the docstring of a public function, class or method lists: its type and description."""
    for name, item in ITEMS.items():
        members = inspect.getmembers(item, inspect.isfunction) if inspect.isclass(item) else []
        for full, it in [(name, item), *((f"{name}.{key}", value) for key, value in members if key[0] != "_")]:
            section = re.search(
                r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", inspect.getdoc(it) or "", re.DOTALL | re.MULTILINE
            )
            for entry in re.findall(
                r"^(\S[^\n]*)\n((?: +[^\n]*\n|\n)*)", section[1] + "\n" if section else "", re.MULTILINE
            ):
                names, _, kind = entry[0].partition(" : ")
                for parameter in names.split(", "):
                    yield full, parameter, kind, " ".join(entry[1].split())


def test_equal_parameters_are_described_alike():
    seen = set()
    for full, parameter, kind, text in documented():
        if parameter in ALIKE and (full, parameter) not in ELSEWHERE:
            seen.add(parameter)
            wanted, begins = ALIKE[parameter]
            elsewhere = text.startswith(("As for ", "As in "))
            assert elsewhere or (kind == wanted and text.startswith(begins)), f"{full}: {parameter} : {kind}: {text}"
    assert seen == set(ALIKE)
