"""Drop-in for nlp-zero 0.1.6: the same names, arguments and results, much faster.

``from fastcore.compat.nlp_zero import *`` replaces ``from nlp_zero import *``. What nlp-zero plainly meant
otherwise is mended, and the guide lists each such place.

Source: Su Jianlin (苏剑林), *基于最小熵原理的NLP库：nlp zero*, 2018, https://kexue.fm/archives/5597.
"""

from importlib import import_module
from typing import Any

from ._lattice import DAG, Tokenizer, Trie, log

# Imported when first asked for, since each draws in more of the library.
_LATER = {
    "Word_Finder": "_finder",
    "Template": "_templates",
    "Template_Finder": "_templates",
    "XTrie": "_templates",
    "SentTree": "_templates",
    "Parser": "_templates",
}

__all__ = [
    "DAG",
    "Parser",
    "SentTree",
    "Template",
    "Template_Finder",
    "Tokenizer",
    "Trie",
    "Word_Finder",
    "XTrie",
    "log",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
