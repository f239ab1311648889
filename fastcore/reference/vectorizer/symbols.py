"""Slow twin of the kernels of the vectorizer's symbols."""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..._turns import TakesTurns, alone

_SPACES = re.compile(r"\s\s+")
_WORDS = re.compile(r"(?u)\b\w\w+\b")

Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]


class Symbols(TakesTurns):
    """Documents made into symbols (code points or tokens), numbered by first occurrence.

    N-grams don't leave their piece: a document, or a word of it with a space on either side.
    """

    def __init__(self) -> None:
        self._alphabet: dict[str, int] = {}
        self._symbols: list[int] = []
        self._pieces = [0]
        self._documents = [0]
        self._dropped = 0

    def _add_piece(self, symbols: Iterable[str]) -> None:
        ids = (self._alphabet.setdefault(symbol, len(self._alphabet)) for symbol in symbols)
        self._symbols += [i for i in ids if i >= self._dropped]
        self._pieces.append(len(self._symbols))

    def _end_document(self) -> None:
        self._documents.append(len(self._pieces) - 1)

    @alone
    def add_chars(self, text: str) -> None:
        """Append a document's code points; runs of white space become one space."""
        self._add_piece(_SPACES.sub(" ", text))
        self._end_document()

    @alone
    def add_words_of_chars(self, text: str) -> None:
        """Append a document's words, each a piece of code points between two spaces."""
        for word in text.split():
            self._add_piece(f" {word} ")
        self._end_document()

    @alone
    def drop(self, tokens: Iterable[str]) -> None:
        """Leave these tokens out of documents from now on; to be said before any document."""
        for token in tokens:
            if not isinstance(token, str):
                raise TypeError(f"tokens must be str, got {type(token).__name__}")
            token = "".join([token])  # a subclass may lie about itself
            self._alphabet.setdefault(token, len(self._alphabet))
        self._dropped = len(self._alphabet)

    @alone
    def add_words(self, text: str) -> None:
        """Append a document's tokens: runs of two or more letters, digits and underscores."""
        self._add_piece(_WORDS.findall(text))
        self._end_document()

    @alone
    def finish(self) -> tuple[Ints, Offsets, Offsets, list[str]]:
        """Return symbols, the pieces' offsets in them, the documents' offsets in pieces, and the alphabet."""
        return (
            np.array(self._symbols, np.int32),
            np.array(self._pieces, np.int64),
            np.array(self._documents, np.int64),
            list(self._alphabet),
        )
