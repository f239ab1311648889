"""Optional dependencies: imported where they are used, and named when they are missing."""

from importlib import import_module
from typing import Any


def require(module: str, extra: str, what: str) -> Any:
    """Import an optional module, or raise an ImportError that says what needs it and how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what} needs {module.partition('.')[0]}: pip install 'fastcore-kernels[{extra}]'"
        ) from error
