"""How the ids of an n-gram are packed into 64-bit words."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from .._widths import count_dtype

Keys = NDArray[np.uint64]
Counts = NDArray[np.uint32] | NDArray[np.int64]
# Code points in the order of their ids, or the UTF-8 of tokens end to end and the offsets of their ends.
Symbols = NDArray[np.uint32] | tuple[NDArray[np.uint8], NDArray[np.int64]]

MAX_ORDER = 32


def as_tuple(symbols: Symbols) -> tuple[NDArray[Any], ...]:
    """The arrays that an encoder's `add` takes."""
    return symbols if isinstance(symbols, tuple) else (symbols,)


class Layout(NamedTuple):
    """`per_word` ids a word, as one number in base `radix`; every id is below `radix`."""

    per_word: int
    radix: int

    def words(self, order: int) -> int:
        return -(-order // self.per_word)


def largest_radix(per_word: int) -> int:
    """The largest base in which every number of `per_word` digits fits into 64 bits; ids have 32."""
    radix = int(2 ** (64 / per_word)) + 1
    while radix**per_word > 2**64:
        radix -= 1
    return min(radix, 2**32)


def layout_for(order: int, symbols: int) -> Layout:
    """The layout with the fewest words for n-grams of `order` out of so many symbols.

    The base is a power of two where one fits, so that it changes seldom while symbols are still being found.
    """
    for words in range(1, order + 1):
        per_word = -(-order // words)
        largest = largest_radix(per_word)
        if symbols < largest:
            return Layout(per_word, min(largest, max(16, 1 << symbols.bit_length())))
    raise ValueError(f"texts must hold fewer than 2**32 - 1 distinct symbols, got {symbols}")


def repack(keys: Keys, order: int, old: Layout, new: Layout, backend: str) -> Keys:
    """Return the same rows in another layout; their order stays."""
    if old == new:
        return np.ascontiguousarray(keys)
    kernel = kernels("ngrams.rows", backend)
    return kernel.pack(kernel.unpack(np.ascontiguousarray(keys), order, *old), *new)  # type: ignore[no-any-return]


def narrow(counts: NDArray[np.int64]) -> Counts:
    """Hold counts in 32 bits where they fit."""
    return counts.astype(count_dtype(int(counts.max(initial=0))), copy=False)


def lower_bound(ids: tuple[int, ...], layout: Layout) -> Keys:
    """The row below which, in this layout, all rows lie that come before `ids`, be its ids too large for it or not."""
    row: list[int] = []
    for first in range(0, len(ids), layout.per_word):
        number = 0
        digits = ids[first : first + layout.per_word]
        for place, digit in enumerate(digits):
            if digit >= layout.radix:
                # Everything that starts like this is below: one past the highest row that does.
                left = len(digits) - place
                number = number * layout.radix**left + layout.radix**left
                rest = layout.words(len(ids)) - len(row) - 1
                if number >= 2**64 or (place == 0 and row):
                    return np.array([[*row, *[2**64 - 1] * (rest + 1)]], np.uint64)
                return np.array([[*row, number, *[0] * rest]], np.uint64)
            number = number * layout.radix + digit
        row.append(number)
    return np.array([row], np.uint64)
