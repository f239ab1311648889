"""Texts as blocks of character numbers, kept for further passes: in memory, beyond a limit in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._scratch import Scratch
from .._texts import Manner, Texts, string_lists
from .._texts.characters import CODE_POINTS, kept_ranges

Numbers: TypeAlias = NDArray[np.int32]

# Characters of a block, and numbers kept in memory (4 bytes each).
BLOCK = 1 << 20
IN_MEMORY = 1 << 25
NOTHING = "texts must hold at least one character of those that keep= names, got none"
# What stands between texts in a block where no character is said to separate.
LAST = "\U0010ffff"


def kept(keep: Any) -> NDArray[np.uint8]:
    """Return for each code point whether `keep` stands for it; `LAST` always separates."""
    table = np.zeros(CODE_POINTS, np.uint8)
    for start, stop in kept_ranges(keep, spelled=True).tolist():
        table[start:stop] = 1
    table[ord(LAST)] = 0
    if not table.any():
        raise ValueError("keep must hold at least one character, got none")
    return table


def encoded(texts: Texts, encoder: Any, separator: str, manner: Manner | None = None) -> Iterator[Numbers]:
    """Yield the texts as blocks of numbers."""
    for block in string_lists(texts, manner or Manner(), BLOCK):
        yield encoder.encode(separator.join(block) + separator)


class Blocks:
    """Blocks that can be read as often as needed.

    Those beyond `IN_MEMORY` numbers lie in a temporary file, which goes when this does.
    """

    def __init__(self) -> None:
        self._held: list[Numbers] = []
        self._lengths: list[int] = []
        self._size = 0
        self._file: Scratch | None = None

    def add(self, block: Numbers) -> None:
        """Keep one more block."""
        # What comes after a block in the file goes there too, so that their order stays.
        if not self._lengths and self._size + len(block) <= IN_MEMORY:
            self._held.append(block)
            self._size += len(block)
            return
        if self._file is None:
            self._file = Scratch()
        self._file.seek(4 * sum(self._lengths))
        self._file.write(block)
        self._lengths.append(len(block))

    def cut(self, number: int) -> None:
        """Keep the first blocks only."""
        del self._lengths[max(0, number - len(self._held)) :]
        del self._held[number:]
        self._size = sum(map(len, self._held))

    def __iter__(self) -> Iterator[Numbers]:
        yield from self._held
        if self._file is None:
            return
        at = 0
        for length in self._lengths:
            self._file.seek(at)
            yield np.frombuffer(self._file.read(4 * length), np.int32)
            at += 4 * length

    def __len__(self) -> int:
        return len(self._held) + len(self._lengths)
