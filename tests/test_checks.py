"""What ``fastcore check`` compares: every kernel, and nothing that can't differ."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable

import pytest

from fastcore._backend import DOMAINS, KERNELS
from fastcore._checks import exact, largest_difference
from fastcore._checks import run as run_check

from .test_twins import methods, public


@pytest.mark.parametrize("domain", DOMAINS)
def test_check_runs_every_kernel_and_passes(domain, monkeypatch):
    # Methods of a compiled class can't be watched, the same calls of its twin can: those that don't come from twins.
    kernels, run = set(), set()

    def watched(function: Callable, name: str) -> Callable:
        @functools.wraps(function)
        def wrapper(*args: object, **kwargs: object) -> object:
            if not sys._getframe(1).f_globals["__name__"].startswith("fastcore.reference"):
                run.add(name)
            return function(*args, **kwargs)

        return wrapper

    for kernel in KERNELS:
        if kernel.partition(".")[0] != domain:
            continue
        twin = importlib.import_module(f"fastcore.reference.{kernel}")
        for name, value in public(twin).items():
            owner, functions = (value, methods(value)) if isinstance(value, type) else (twin, {name: value})
            for key, function in functions.items():
                full = f"{name}.{key}" if owner is value else name
                kernels.add(full)
                monkeypatch.setattr(owner, key, watched(function, full))
    assert kernels
    for check in importlib.import_module(f"fastcore._checks.{domain}").CHECKS:
        assert run_check(check).passed, check.name
    assert not sorted(kernels - run)


def test_differences():
    assert exact([1], [1]) == 0.0
    assert exact([1], [2]) == float("inf")
    assert largest_difference([1.0, float("-inf")], [1.0, float("-inf")]) == 0.0
    assert largest_difference([1.5, 200.0], [1.0, 210.0]) == 0.5
    assert largest_difference(([1.0], [2.0]), ([1.0], [2.25])) == 0.25 / 2.25
    for a, b in (([1.0], [1.0, 2.0]), ([[1.0]], [[1.0], [2.0]]), ([float("nan")], [float("nan")])):
        assert largest_difference(a, b) == float("inf")
