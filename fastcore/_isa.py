"""Pick the instruction set a kernel was compiled for, once, at its first import.

``FASTCORE_ISA`` is ``baseline``, ``v3`` (AVX2 and FMA) or ``v4`` (AVX-512) and forces one; without it the
newest that the processor has is taken. A kernel that is built once is the baseline under every name.
"""

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

LEVELS = {"baseline": 1, "v3": 3, "v4": 4}


@cache
def available() -> tuple[str, ...]:
    """Names of the instruction sets that this processor can run, oldest first."""
    platform = import_module("fastcore._kernels._platform")
    level: int = platform.cpu_level()
    return tuple(name for name, needed in LEVELS.items() if needed <= level)


@cache
def selected() -> str:
    """The name of the instruction set that kernels are taken from in this process."""
    forced = os.environ.get("FASTCORE_ISA", "")
    if not forced:
        return available()[-1]
    if forced not in LEVELS:
        raise ImportError(f"FASTCORE_ISA must be one of {', '.join(LEVELS)}, got {forced!r}")
    if forced not in available():
        raise ImportError(f"FASTCORE_ISA={forced} was asked for, but this processor has only {', '.join(available())}")
    return forced


@cache
def load(kernel: str) -> ModuleType:
    """Import a compiled kernel module, built for the selected instruction set."""
    isa, name = selected(), f"fastcore._kernels.{kernel}"
    if isa != "baseline" and is_built(f"{isa}.{kernel}"):
        return import_module(f"fastcore._kernels.{isa}.{kernel}")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(
            f"the compiled kernels '{name}' are missing: the package was not built. If you run "
            "inside a source checkout, install it in place with 'pip install -e .' (or set FASTCORE_BACKEND=reference "
            "to run on the slow twin)",
            name=error.name,
        ) from error


def is_built(kernel: str) -> bool:
    """Whether there is a compiled module of that name below ``fastcore._kernels``."""
    try:
        return find_spec(f"fastcore._kernels.{kernel}") is not None
    except ModuleNotFoundError:  # no such package
        return False


def variant(module: ModuleType) -> str:
    """The instruction set that a loaded kernel module was built for."""
    file = module.__spec__.name if module.__spec__ else module.__name__
    for name in ("v3", "v4"):
        if f"._kernels.{name}." in file:
            return name
    return "baseline"
