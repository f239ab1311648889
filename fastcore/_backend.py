"""Which of the two twins, compiled or reference, a call runs on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType

from . import _isa
from ._name import check_name

check_name()

BACKENDS = ("compiled", "reference")
# The kernel modules, each with a twin of the same name, in the order in which they build on one another.
KERNELS = (
    "ngrams.symbols",
    "ngrams.rows",
    "skipgrams",
    "vectorizer.symbols",
    "vectorizer.features",
    "lexicon.trie",
    "lexicon.segmenter",
    "discovery.symbols",
    "discovery.pairs",
    "discovery.words",
    "discovery.redundancy",
    "discovery.expectation",
    "templates.trie",
    "templates.finder",
    "templates.closed",
    "templates.readings",
    "templates.loose",
    "chain",
    "crf.items",
    "crf.features",
    "crf.online",
    "crf.columns",
    "crf.windows",
    "hmm",
    "reactions",
    "ode",
    "recurrence.scans",
    "recurrence.logs",
    "recurrence.selective",
    "recurrence.cells",
    "nce",
    "embeddings",
)
DOMAINS = tuple(dict.fromkeys(name.partition(".")[0] for name in KERNELS))


def _checked(name: str, source: str) -> str:
    if name not in BACKENDS:
        raise ValueError(f"{source} must be one of {', '.join(BACKENDS)}, got {name!r}")
    return name


_active: ContextVar[str] = ContextVar(
    "fastcore_backend", default=_checked(os.environ.get("FASTCORE_BACKEND") or "compiled", "FASTCORE_BACKEND")
)


def active_backend() -> str:
    """Return the name of the active backend, ``"compiled"`` or ``"reference"``."""
    return _active.get()


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run the calls in a ``with`` block on one twin.

    Parameters
    ----------
    name : {"compiled", "reference"}
        The compiled kernels, or their slow twin in plain Python.

    Raises
    ------
    ValueError
        If there is no backend of that name.

    Notes
    -----
    The choice is a context variable: it holds in the current thread or task only, and nests. Objects with a
    state keep the backend that was active when they were made. ``FASTCORE_BACKEND=reference`` sets it for a
    whole process.

    Examples
    --------
    >>> import fastcore
    >>> with fastcore.use_backend("reference"):
    ...     fastcore.recurrence.linear_scan([0.5, 0.5], [1.0, 1.0])
    array([1. , 1.5])
    """
    token = _active.set(_checked(name, "the backend"))
    try:
        yield
    finally:
        _active.reset(token)


def kernels(name: str, backend: str | None = None) -> ModuleType:
    """Return a kernel module, of the given or else of the active backend."""
    if (backend or active_backend()) == "reference":
        return import_module(f"fastcore.reference.{name}")
    return _isa.load(name)
