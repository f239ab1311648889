"""Lexicons and what is done with them: search, segmentation over the lattice of their words, discovery.

Sources: Su Jianlin (苏剑林), *基于最小熵原理的NLP库：nlp zero*, 2018,
https://kexue.fm/archives/5597 (nlp zero, a library on the principle of minimum entropy); Aoe, *An
efficient digital search algorithm by using a double-array structure*, 1989.
"""

from typing import TYPE_CHECKING, Any

from .._public import at_home
from ._lexicon import Lexicon
from ._tokenizer import Tokenizer

if TYPE_CHECKING:
    from ..discovery import WordFinder

__all__ = ["Lexicon", "Tokenizer", "WordFinder"]

at_home(__name__, Lexicon, Tokenizer)


def __getattr__(name: str) -> Any:
    # Discovery makes lexicons, so it is imported after them and only when asked for.
    if name == "WordFinder":
        from importlib import import_module

        return import_module("..discovery", __name__).WordFinder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
