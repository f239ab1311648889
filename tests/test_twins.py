"""The twin rule: both packages have the same public names with the same parameters."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import fastcore._kernels
import fastcore.reference
from fastcore import _isa
from fastcore._backend import KERNELS


def modules_of(package: ModuleType) -> list[str]:
    """Public modules at any depth below a package, by their names from there."""
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    names = [module.name.removeprefix(f"{package.__name__}.") for module in found if not module.ispkg]
    return sorted(name for name in names if not name.rpartition(".")[2].startswith("_"))


TWINS = modules_of(fastcore.reference)


def public(module: ModuleType) -> dict[str, object]:
    """Functions and classes that a module defines itself and doesn't hide."""
    own = {module.__name__, re.sub(r"_kernels\.v\d\.", "_kernels.", module.__name__)}

    def defined_here(value: object) -> bool:
        home = getattr(value, "__module__", "") or ""
        return home in own or any(home.startswith(f"{name}.") for name in own)

    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and defined_here(value)
    }


def parameters(function: object) -> list[str]:
    names = list(inspect.signature(function).parameters)  # type: ignore[arg-type]
    return [name for name in names if name != "self"]


def methods(cls: type) -> dict[str, object]:
    own = {name: value for base in reversed(cls.__mro__[:-1]) for name, value in vars(base).items()}
    return {
        name: value
        for name, value in own.items()
        if not name.startswith("_") and callable(value) and not isinstance(value, type)
    }


def test_every_kernel_has_a_twin_and_the_other_way_round():
    # What was built, not the sources: the suite also runs against an installed wheel.
    built = {name for name in modules_of(fastcore._kernels) if not name.startswith(("v3.", "v4."))}
    assert built == set(TWINS) == set(KERNELS)


@pytest.mark.parametrize("module", TWINS)
def test_same_names_and_parameters(module):
    twin, kernel = importlib.import_module(f"fastcore.reference.{module}"), _isa.load(module)
    ours, theirs = public(twin), public(kernel)
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        if isinstance(value, type):
            assert set(methods(value)) == set(methods(theirs[name])), name
            pairs = [(m, methods(theirs[name])[k]) for k, m in methods(value).items()]
        else:
            pairs = [(value, theirs[name])]
        for a, b in pairs:
            assert parameters(a) == parameters(b), f"{module}.{name}: {a} against {b}"


@pytest.mark.parametrize("module", TWINS)
def test_stub_names_what_the_kernel_has(module):
    stub = Path(fastcore._kernels.__path__[0], f"{module.replace('.', '/')}.pyi").read_text(encoding="utf-8")
    for name in public(_isa.load(module)):
        assert f"def {name}(" in stub or f"class {name}" in stub, f"{name} is missing in the stub of {module}"
