"""Fast kernels for a state that steps along a sequence.

One module a domain, imported when first used: :mod:`~fastcore.ngrams`, :mod:`~fastcore.skipgrams`,
:mod:`~fastcore.vectorizer`, :mod:`~fastcore.lexicon`, :mod:`~fastcore.discovery`, :mod:`~fastcore.templates`,
:mod:`~fastcore.chain`, :mod:`~fastcore.crf`, :mod:`~fastcore.hmm`, :mod:`~fastcore.reactions`,
:mod:`~fastcore.ode`, :mod:`~fastcore.recurrence`, :mod:`~fastcore.nce`, :mod:`~fastcore.embeddings`. Each compiled
kernel has a slow twin in plain Python; :func:`use_backend` runs any program on it.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
# Another distribution on PyPI has this import name too: see fastcore/_name.py.
__distribution__ = "fastcore-kernels"

from ._backend import active_backend, use_backend
from ._config import show_config
from ._estimator import NotFittedError

if TYPE_CHECKING:
    from . import (
        chain,
        compat,
        crf,
        discovery,
        embeddings,
        hmm,
        lexicon,
        nce,
        ngrams,
        ode,
        reactions,
        recurrence,
        skipgrams,
        templates,
        vectorizer,
    )

_MODULES = (
    "chain",
    "compat",
    "crf",
    "discovery",
    "embeddings",
    "hmm",
    "lexicon",
    "nce",
    "ngrams",
    "ode",
    "reactions",
    "recurrence",
    "skipgrams",
    "templates",
    "vectorizer",
)

__all__ = [
    "NotFittedError",
    "active_backend",
    "chain",
    "compat",
    "crf",
    "discovery",
    "embeddings",
    "hmm",
    "lexicon",
    "nce",
    "ngrams",
    "ode",
    "reactions",
    "recurrence",
    "show_config",
    "skipgrams",
    "templates",
    "use_backend",
    "vectorizer",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return _import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
