"""The twin rule: both packages have the same public names with the same parameters."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import fastcore._kernels
import fastcore.reference
from fastcore import _isa

DOMAINS = sorted(m.name for m in pkgutil.iter_modules(fastcore.reference.__path__) if not m.name.startswith("_"))


def public(module: ModuleType) -> dict[str, object]:
    """Functions and classes that a module defines itself and doesn't hide."""
    own = {module.__name__, f"fastcore._kernels.{module.__name__.rpartition('.')[2]}"}

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
    kernels = {m.name for m in pkgutil.iter_modules(fastcore._kernels.__path__) if not m.name.startswith("_")}
    assert kernels - {"v3", "v4"} == set(DOMAINS)


@pytest.mark.parametrize("domain", DOMAINS)
def test_same_names_and_parameters(domain):
    twin, kernel = importlib.import_module(f"fastcore.reference.{domain}"), _isa.load(domain)
    ours, theirs = public(twin), public(kernel)
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        if isinstance(value, type):
            assert set(methods(value)) == set(methods(theirs[name])), name
            pairs = [(m, methods(theirs[name])[k]) for k, m in methods(value).items()]
        else:
            pairs = [(value, theirs[name])]
        for a, b in pairs:
            assert parameters(a) == parameters(b), f"{domain}.{name}: {a} against {b}"


@pytest.mark.parametrize("domain", DOMAINS)
def test_stub_names_what_the_kernel_has(domain):
    stub = Path(fastcore._kernels.__path__[0], f"{domain}.pyi").read_text(encoding="utf-8")
    for name in public(_isa.load(domain)):
        assert f"def {name}(" in stub or f"class {name}" in stub, f"{name} is missing in the stub of {domain}"
