"""Slow twin of the kernel of discovery's symbols: a dictionary from characters and runs to numbers."""

import numpy as np
from numpy.typing import NDArray

from ..._turns import TakesTurns, alone

Numbers = NDArray[np.int32]
Integers = NDArray[np.int64]


class Encoder(TakesTurns):
    """Symbols numbered in the order in which they are first seen: characters and, with `join`, runs.

    keep[code point] says whether a character is part of words; all others separate. A run is two or more ASCII
    letters and digits in a row, as many as there are.
    """

    def __init__(self, keep: NDArray[np.uint8], join: bool) -> None:
        self._keep = keep
        self._join = join
        self._numbers: dict[str, int] = {}

    @alone
    def encode(self, text: str) -> Numbers:
        """Return the text as numbers, one -1 for each run of characters that separate."""
        ids: list[int] = []
        for symbol in self._cut(text):
            if self._keep[ord(symbol[0])]:
                ids.append(self._numbers.setdefault(symbol, len(self._numbers)))
            elif not ids or ids[-1] >= 0:
                ids.append(-1)
        return np.array(ids, np.int32)

    def _cut(self, text: str) -> list[str]:
        cut: list[str] = []
        before = False
        for character in text:
            inside = self._join and character.isascii() and character.isalnum() and bool(self._keep[ord(character)])
            if inside and before:
                cut[-1] += character
            else:
                cut.append(character)
            before = inside
        return cut

    @alone
    def symbols(self) -> tuple[Numbers, Integers]:
        """Return the code points of all symbols, number after number, and where each one's begin and end in them."""
        codes = [ord(character) for symbol in self._numbers for character in symbol]
        return np.array(codes, np.int32), np.cumsum([0, *map(len, self._numbers)], dtype=np.int64)
