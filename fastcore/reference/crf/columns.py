"""Slow twin of the kernels of feature templates: attributes whose names are put together from columns.

A line of a template is a pair of pieces of text, one more than macros, and macros (row, column): an item's attribute is
the pieces with the column's value so many rows from the item between them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._turns import TakesTurns, alone

Arrays: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]


class Names(TakesTurns):
    """Names that a template gives attributes, and their ids 0, 1, ...: of those known only, or of all in order.

    An item whose macro reaches outside its sequence has `_B-1`, `_B-2`, ... or `_B+1`, ... for the value there, or
    where `drop` is set, no attribute of that line. Names that are known are looked up by any number of calls at a time;
    calls that number new ones come one by one.
    """

    def __init__(self, lines: Iterable[tuple[Any, Any]], drop: bool, known: Iterable[str] | None = None) -> None:
        self._lines = [(tuple(pieces), tuple(macros)) for pieces, macros in lines]
        self._columns = 0
        for pieces, macros in self._lines:
            if len(pieces) != len(macros) + 1:
                raise ValueError(f"a line must have a piece more than macros, got {len(pieces)} and {len(macros)}")
            for row, column in macros:
                if not (-1000 <= row <= 1000 and 0 <= column < 1000):
                    raise ValueError(
                        f"a macro must have a row in -1000..1000 and a column in 0..999, got {(row, column)}"
                    )
                self._columns = max(self._columns, column + 1)
        self._drop, self._grows = drop, known is None
        self._ids: dict[str, int] = {}
        for number, name in enumerate(known or ()):
            if not isinstance(name, str):
                raise TypeError(f"names must be str, got {type(name).__name__}")
            if self._ids.setdefault(str.__str__(name), number) != number:
                raise ValueError(f"names must differ, got {name!r} twice")

    def __len__(self) -> int:
        return len(self._ids)

    @alone
    def names(self) -> list[str]:
        """The names in the order of their ids."""
        return list(self._ids)

    def read(self, sequences: Iterator[Any], steps: int, first: int) -> Arrays:
        """Read sequences of rows from an iterator: (offsets, rows, ids).

        Until there are that many rows, or 16 times as many attributes (below 0: all). Sequence s, X[first + s] in
        messages, has the rows offsets[s] to offsets[s + 1], row t the attributes ids[rows[t]:rows[t + 1]]. A sequence
        is an iterable of rows, a row a str (one column) or an iterable of str; so a str is one of its characters.
        """
        return self._number(sequences, steps, first) if self._grows else self._read(sequences, steps, first)

    @alone
    def _number(self, sequences: Iterator[Any], steps: int, first: int) -> Arrays:
        return self._read(sequences, steps, first)

    def _read(self, sequences: Iterator[Any], steps: int, first: int) -> Arrays:
        offsets, rows, ids = [0], [0], []
        met = 0
        for sequence in sequences:
            table = list(self._rows_of(first + len(offsets) - 1, sequence))
            for t in range(len(table)):
                for name in self._names_at(table, t):
                    met += 1
                    if self._grows:
                        self._ids.setdefault(name, len(self._ids))
                    if name in self._ids:
                        ids.append(self._ids[name])
                rows.append(len(ids))
            offsets.append(len(rows) - 1)
            if steps >= 0 and (len(rows) > steps or met >= 16 * steps):
                break
        return np.array(offsets, np.int64), np.array(rows, np.int64), np.array(ids, np.int32)

    def _rows_of(self, s: int, sequence: Any) -> Iterator[list[str]]:
        if isinstance(sequence, str):
            sequence = str.__str__(sequence)
            if sequence and self._columns > 1:
                raise ValueError(f"X[{s}] must have at least {self._columns} columns for this template, got a str")
        elif isinstance(sequence, Mapping | bytes) or not isinstance(sequence, Iterable):
            raise TypeError(f"X[{s}] must be a sequence of rows, got {type(sequence).__name__}")
        count = None
        for t, row in enumerate(sequence):
            if isinstance(row, str):
                row = [row]
            elif isinstance(row, Mapping | bytes) or not isinstance(row, Iterable):
                raise TypeError(f"X[{s}][{t}] must be a str or a row of str, got {type(row).__name__}")
            values = list(row)
            count = len(values) if count is None else count
            if len(values) != count:
                raise ValueError(f"X[{s}][{t}] must have {count} columns, as the row before, got {len(values)}")
            if count < self._columns:
                raise ValueError(
                    f"X[{s}][{t}] must have at least {self._columns} columns for this template, got {count}"
                )
            for value in values:
                if not isinstance(value, str):
                    raise TypeError(f"X[{s}][{t}] must hold str, got {type(value).__name__}")
            yield [str.__str__(value) for value in values]

    def _names_at(self, table: list[list[str]], t: int) -> Iterator[str]:
        """Yield the names of an item's attributes."""
        for pieces, macros in self._lines:
            name, left_out = pieces[0], False
            for (row, column), piece in zip(macros, pieces[1:]):
                at = t + row
                if 0 <= at < len(table):
                    name += table[at][column] + piece
                else:
                    left_out = self._drop
                    name += (f"_B-{-at}" if at < 0 else f"_B+{at - len(table) + 1}") + piece
                if left_out:
                    break
            if not left_out:
                yield name
