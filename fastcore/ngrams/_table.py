"""The table of n-grams and counts."""

import os
from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from itertools import pairwise
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels
from .._extras import require
from .._texts import packing
from .._validation import as_index
from .._whole import whole_file, whole_folder
from . import _files, _merging, _saved, _scores
from ._layout import Counts, Keys, Layout, Symbols, as_tuple

Ngram: TypeAlias = str | tuple[str, ...]
# N-grams that are made into Python objects at a time.
SLICE = 1 << 14


class NgramTable(Mapping[Any, int]):
    """N-grams and their counts, made by :func:`count_ngrams`.

    A mapping from n-gram (a `str` of characters, or a tuple of tokens) to count, in the order of their length,
    then of their symbols, which are ordered by first occurrence. Arrays of scores follow that order.

    Attributes
    ----------
    orders : (int, int)
        The lowest and the highest order.
    unit : {"char", "token"}
        What n-grams are made of.
    symbols : list of str
        The distinct characters or tokens, by first occurrence; symbol i has the id i + 1 in :meth:`ids`.
    min_count : int
        The least count that an n-gram needed to stay; 1 if the table was never pruned.
    totals : dict
        Order to the number of n-grams of that order that the texts hold, before pruning.

    Notes
    -----
    An n-gram is found by binary search in O(log n). One order more than the highest is kept inside, for the
    entropies of the highest.

    Examples
    --------
    >>> from fastcore.ngrams import count_ngrams
    >>> table = count_ngrams(["banana"], (1, 3))
    >>> table["ana"], "nab" in table, len(table)
    (2, False, 9)
    >>> table.totals
    {1: 6, 2: 5, 3: 4}
    >>> table.prefix("an")
    {'an': 2, 'ana': 2}
    """

    orders: tuple[int, int]
    unit: str
    min_count: int
    # Code points, or the tokens' UTF-8 and offsets; and the symbols as str, made when first needed.
    _symbols: Symbols
    _listed: list[str] | None
    _layout: Layout
    _keys: Sequence[Keys]
    _counts: Sequence[Counts]
    _totals: Sequence[int]
    _entropy: dict[tuple[str, int], NDArray[np.float64]]
    _backend: str
    # Where arrays made of this table go.
    _place: _files.Place

    def __init__(self) -> None:
        raise TypeError("an NgramTable is made by count_ngrams, NgramCounter.finish or NgramTable.load")

    @classmethod
    def _make(
        cls,
        *,
        orders: tuple[int, int],
        unit: str,
        symbols: Symbols,
        layout: Layout,
        keys: Sequence[Keys],
        counts: Sequence[Counts],
        totals: Sequence[int] | None = None,
        min_count: int = 1,
        entropy: dict[tuple[str, int], NDArray[np.float64]] | None = None,
        backend: str | None = None,
        place: _files.Place | None = None,
    ) -> Self:
        table = cls.__new__(cls)
        table.orders = orders
        table.unit = unit
        table.min_count = min_count
        table._symbols = symbols
        table._listed = None
        table._layout = layout
        table._keys = keys
        table._counts = counts
        table._totals = totals if totals is not None else [int(c.sum(dtype=np.int64)) for c in counts]
        table._entropy = entropy or {}
        table._backend = backend or active_backend()
        table._place = place or _files.Place()
        table._ids = None
        return table

    # Symbol to id, made when first needed.
    _ids: dict[str, int] | None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.update(
            _ids=None,
            _listed=None,
            _keys=[np.array(k) for k in self._keys],
            _counts=[np.array(c) for c in self._counts],
        )
        del state["_backend"], state["_place"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._backend = active_backend()
        self._place = _files.Place()

    # -- the mapping

    @property
    def symbols(self) -> list[str]:
        """The distinct characters or tokens, by first occurrence."""
        return list(self._strings())

    def _strings(self) -> list[str]:
        if self._listed is None:
            if isinstance(self._symbols, tuple):
                raw, offsets = self._symbols[0].tobytes(), self._symbols[1].tolist()
                self._listed = [raw[a:b].decode() for a, b in pairwise(offsets)]
            else:
                self._listed = list(_text(self._symbols))
        return self._listed

    @property
    def totals(self) -> dict[int, int]:
        """Order to the number of n-grams of that order in the texts, before pruning."""
        return {k: self._totals[k - 1] for k in self._each()}

    def _each(self) -> range:
        return range(self.orders[0], self.orders[1] + 1)

    def _size(self, order: int) -> int:
        return len(self._counts[order - 1])

    def __len__(self) -> int:
        return sum(self._size(k) for k in self._each())

    def _row(self, ngram: Any) -> tuple[int, int] | None:
        """Order and row of an n-gram, or None."""
        if self.unit == "char":
            if not isinstance(ngram, str):
                return None
        elif not isinstance(ngram, tuple):
            return None
        order = len(ngram)
        if not self.orders[0] <= order <= self.orders[1]:
            return None
        ids = self._ids_of(ngram)
        if ids is None:
            return None
        row = self._search(ids, order)
        return row if row is None else (order, row)

    def _search(self, ids: list[int], order: int) -> int | None:
        kernel = kernels("ngrams.rows", self._backend)
        wanted = kernel.pack(np.array([ids], np.uint32), *self._layout)
        row = int(kernel.find(self._keys[order - 1], wanted)[0])
        if row < self._size(order) and (self._keys[order - 1][row] == wanted[0]).all():
            return row
        return None

    def _ids_of(self, ngram: Sequence[str]) -> list[int] | None:
        if self._ids is None:
            self._ids = {symbol: i for i, symbol in enumerate(self._strings(), 1)}
        try:
            return [self._ids[symbol] for symbol in ngram]
        except (KeyError, TypeError):
            return None

    def __getitem__(self, ngram: Any) -> int:
        found = self._row(ngram)
        if found is None:
            raise KeyError(ngram)
        return int(self._counts[found[0] - 1][found[1]])

    def __contains__(self, ngram: object) -> bool:
        return self._row(ngram) is not None

    def __iter__(self) -> Iterator[Any]:
        for k in self._each():
            for start in range(0, self._size(k), SLICE):
                yield from self._ngrams(k, slice(start, start + SLICE))

    def items(self) -> ItemsView[Any, int]:
        """A view of pairs of n-gram and count, in the order of the table."""
        return _Items(self)

    def values(self) -> ValuesView[int]:
        """A view of the counts, in the order of the table; :meth:`counts` gives them as an array."""
        return _Values(self)

    def _pairs(self) -> Iterator[tuple[Any, int]]:
        return zip(self, self.values(), strict=True)

    def _ngrams(self, order: int, rows: Any) -> list[Any]:
        """The n-grams in some rows of one order."""
        ids = kernels("ngrams.rows", self._backend).unpack(
            np.ascontiguousarray(self._keys[order - 1][rows]), order, *self._layout
        )
        if not isinstance(self._symbols, tuple):
            text = _text(self._symbols[ids.astype(np.int64) - 1])
            return [text[i : i + order] for i in range(0, len(text), order)]
        tokens = self._strings()
        return [tuple(tokens[i - 1] for i in row) for row in ids.tolist()]

    def __eq__(self, other: object) -> bool:
        if (
            isinstance(other, NgramTable)
            and (self.orders, self.unit, self._layout) == (other.orders, other.unit, other._layout)
            and all(map(np.array_equal, as_tuple(self._symbols), as_tuple(other._symbols)))
        ):
            return all(
                np.array_equal(self._keys[k - 1], other._keys[k - 1])
                and np.array_equal(self._counts[k - 1], other._counts[k - 1])
                for k in self._each()
            )
        return Mapping.__eq__(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        low, high = self.orders
        pruned = f", min_count={self.min_count}" if self.min_count > 1 else ""
        return (
            f"NgramTable(n=({low}, {high}), unit={self.unit!r}{pruned}): {len(self):,} n-grams of "
            f"{self._n_symbols():,} symbols"
        )

    def _n_symbols(self) -> int:
        return len(self._symbols[1]) - 1 if isinstance(self._symbols, tuple) else len(self._symbols)

    # -- parts of it

    def order(self, k: int) -> Self:
        """Return the table of one order only; it shares memory with this one.

        Parameters
        ----------
        k : int
            The order, between the lowest and the highest of this table.

        Returns
        -------
        NgramTable
            The n-grams of order k, with the same scores.
        """
        k = as_index(k, "k", low=self.orders[0], high=self.orders[1])
        return self._replace(orders=(k, k))

    def _replace(self, **changed: Any) -> Self:
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.__dict__.update(changed)
        return new

    def ids(self, k: int) -> NDArray[np.uint32]:
        """Return the n-grams of order k as an array (n-grams, k) of ids; id i stands for ``symbols[i - 1]``."""
        k = as_index(k, "k", low=self.orders[0], high=self.orders[1])
        ids: NDArray[np.uint32] = kernels("ngrams.rows", self._backend).unpack(self._keys[k - 1], k, *self._layout)
        return ids

    def counts(self, k: int | None = None) -> NDArray[np.int64]:
        """Return the counts of order k, or of all orders one after the other."""
        if k is not None:
            k = as_index(k, "k", low=self.orders[0], high=self.orders[1])
            return self._counts[k - 1].astype(np.int64)
        return np.concatenate([self._counts[k - 1].astype(np.int64) for k in self._each()])

    def most_common(self, k: int | None = None, order: int | None = None) -> list[tuple[Any, int]]:
        """Return the k n-grams of highest count, of one order or of all; ties as they come in the table.

        Parameters
        ----------
        k : int, optional
            How many; all by default.
        order : int, optional
            Only n-grams of this order.

        Returns
        -------
        list of (n-gram, count)
            By falling count.
        """
        orders = self._each() if order is None else [as_index(order, "order", low=self.orders[0], high=self.orders[1])]
        sizes = [self._size(o) for o in orders]
        counts = np.concatenate([self._counts[o - 1] for o in orders])
        k = len(counts) if k is None else min(as_index(k, "k"), len(counts))
        if k == 0:
            return []
        least = np.partition(counts, len(counts) - k)[len(counts) - k]
        found = np.flatnonzero(counts >= least)
        found = found[np.argsort(-counts[found].astype(np.int64), kind="stable")][:k]
        starts = np.cumsum([0, *sizes])
        ngrams: dict[int, Any] = {}
        for i, o in enumerate(orders):
            rows = found[(found >= starts[i]) & (found < starts[i + 1])]
            ngrams.update(zip(rows.tolist(), self._ngrams(o, rows - starts[i]), strict=True))
        return [(ngrams[row], count) for row, count in zip(found.tolist(), counts[found].tolist(), strict=True)]

    def prefix(self, p: Any) -> dict[Any, int]:
        """Return the n-grams that begin with `p`, itself included, and their counts.

        Parameters
        ----------
        p : str or tuple of str
            Characters or tokens.

        Returns
        -------
        dict
            N-gram to count, in the order of the table.
        """
        if not isinstance(p, str if self.unit == "char" else tuple):
            wanted = "str" if self.unit == "char" else "tuple of tokens"
            raise TypeError(f"p must be a {wanted}, got {type(p).__name__}")
        ids = self._ids_of(p)
        found: dict[Any, int] = {}
        if ids is None:
            return found
        for k in self._each():
            if k >= len(ids):
                start, stop = self._range(ids, k)
                counts = self._counts[k - 1][start:stop].tolist()
                found.update(zip(self._ngrams(k, slice(start, stop)), counts, strict=True))
        return found

    def _range(self, ids: list[int], order: int) -> tuple[int, int]:
        """The rows of one order that begin with these ids."""
        more = order - len(ids)
        ends = np.array([ids + [0] * more, ids + [self._layout.radix - 1] * more], np.uint32)
        kernel = kernels("ngrams.rows", self._backend)
        wanted = kernel.pack(ends, *self._layout)
        start, stop = kernel.find(self._keys[order - 1], wanted).tolist()
        if stop < self._size(order) and (self._keys[order - 1][stop] == wanted[1]).all():
            stop += 1
        return start, stop

    # -- other tables

    def prune(self, min_count: int, *, out: "os.PathLike[str] | str | None" = None) -> Self:
        """Return the table of the n-grams that occur at least `min_count` times.

        Totals stay, and entropies remain those of all n-grams.

        Parameters
        ----------
        min_count : int
            The least count that stays.
        out : path-like, optional
            A folder to be made, that the new table's arrays are written into.

        Returns
        -------
        NgramTable
            A new table; pruned ones can't be merged.
        """
        min_count = as_index(min_count, "min_count", low=1)
        if min_count <= self.min_count and out is None:
            return self
        min_count = max(min_count, self.min_count)
        if out is None:
            return self._pruned(min_count, self._place)
        with whole_folder(out) as folder:
            place = _files.Place(self._place.spill_dir, folder)
            self._pruned(min_count, place)._describe(place)
        return self._mapped(out)

    def _pruned(self, min_count: int, place: _files.Place) -> Self:
        keys, counts, entropy = [], [], {}
        # A table that isn't pruned after all keeps the order above, which its entropies are read off.
        held = len(self._keys) if min_count == 1 else self.orders[1]
        for k in range(1, held + 1):
            names = [f"keys_{k}", f"counts_{k}"]
            columns: list[NDArray[Any]] = [self._keys[k - 1], self._counts[k - 1]]
            scored = min_count > 1 and k in self._each()
            if scored:
                names += [f"left_{k}", f"right_{k}"]
                columns += [self._entropies("left", k), self._entropies("right", k)]
            with place.writing() as begin:
                writers = [
                    begin(n, c.dtype, c.shape[1] if c.ndim > 1 else None) for n, c in zip(names, columns, strict=True)
                ]
                for start in range(0, len(columns[1]), _scores.SLICE):
                    part = slice(start, start + _scores.SLICE)
                    kept = np.flatnonzero(columns[1][part] >= min_count)
                    for writer, column in zip(writers, columns, strict=True):
                        writer.append(column[part][kept])
                made = [writer.done() for writer in writers]
            keys.append(made[0])
            counts.append(made[1])
            if scored:
                entropy["left", k], entropy["right", k] = made[2:]
        return self._replace(min_count=min_count, _keys=keys, _counts=counts, _entropy=entropy)

    def merge(self, other: "NgramTable") -> Self:
        """Return the table of both tables' texts, as if `other`'s had been counted after this one's.

        Parameters
        ----------
        other : NgramTable
            A table of the same unit and orders.

        Returns
        -------
        NgramTable
            A new table.

        Raises
        ------
        ValueError
            If a table is pruned (what it left out can't be added up), or unit or orders differ.
        """
        if not isinstance(other, NgramTable):
            raise TypeError(f"other must be an NgramTable, got {type(other).__name__}")
        if self.min_count > 1 or other.min_count > 1:
            raise ValueError("other and this table must not be pruned: their counts can't be added up exactly")
        if (self.unit, self.orders) != (other.unit, other.orders):
            raise ValueError(
                f"other must count the same n-grams, got unit={other.unit!r}, n={other.orders} "
                f"to merge with unit={self.unit!r}, n={self.orders}"
            )
        return self._make(**_merging.merged(self, other))

    # -- scores

    def _scored(self, score: Any) -> NDArray[np.float64]:
        return np.concatenate([score(self, k) for k in self._each()])

    def pmi(self) -> NDArray[np.float64]:
        """Pointwise mutual information ln p(g) - sum of ln p(s) over the symbols s of each n-gram g.

        Returns
        -------
        ndarray
            A float an n-gram, in nats, in the order of the table; 0 for unigrams.

        Notes
        -----
        p is the count divided by the total of its order. For bigrams this is Church and Hanks' measure, for
        longer ones the pointwise total correlation.

        Examples
        --------
        >>> from fastcore.ngrams import count_ngrams
        >>> count_ngrams(["abab"], 2).pmi().round(3).tolist()
        [0.981, 0.288]
        """
        return self._scored(_scores.pmi)

    def npmi(self) -> NDArray[np.float64]:
        """Normalised pmi: pmi / (-(k - 1) ln p(g)) for an n-gram g of order k.

        Returns
        -------
        ndarray
            A float an n-gram in the order of the table; 1 where symbols occur only together, 0 for unigrams.
        """
        return self._scored(_scores.npmi)

    def cohesion(self) -> NDArray[np.float64]:
        """The least pmi over the places where an n-gram can be cut in two.

        Returns
        -------
        ndarray
            min over cuts of ln p(g) - ln p(left) - ln p(right), a float an n-gram, in nats, in the order of the
            table; 0 for unigrams.
        """
        return self._scored(_scores.cohesion)

    def left_entropy(self) -> NDArray[np.float64]:
        """The entropy of the symbol before each n-gram.

        Returns
        -------
        ndarray
            A float an n-gram, in nats, in the order of the table. Only occurrences that have a symbol before
            them in the same text (and no separator between) count; 0 where there is none.
        """
        return np.concatenate([self._entropies("left", k) for k in self._each()])

    def right_entropy(self) -> NDArray[np.float64]:
        """The entropy of the symbol after each n-gram; see :meth:`left_entropy`."""
        return np.concatenate([self._entropies("right", k) for k in self._each()])

    def _entropies(self, side: str, order: int) -> NDArray[np.float64]:
        if (side, order) in self._entropy:
            return self._entropy[side, order]
        return _scores.neighbour_entropy(self, order, side)

    # -- other forms

    def to_dict(self) -> dict[Any, int]:
        """Return a dict from n-gram to count."""
        return dict(self._pairs())

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame with the columns ngram, order and count."""
        pandas = require("pandas", "pandas", "to_pandas()")
        return pandas.DataFrame({"ngram": pandas.Series(list(self), dtype=object), **self._columns()})

    def to_arrow(self) -> Any:
        """Return a pyarrow Table with the columns ngram (string, or list of string), order and count."""
        arrow = require("pyarrow", "arrow", "to_arrow()")
        kind = arrow.string() if self.unit == "char" else arrow.list_(arrow.string())
        return arrow.table({"ngram": arrow.array(list(self), kind), **self._columns()})

    def _columns(self) -> dict[str, NDArray[np.int64]]:
        sizes = [self._size(k) for k in self._each()]
        return {"order": np.repeat(np.arange(self.orders[0], self.orders[1] + 1), sizes), "count": self.counts()}

    # -- files

    def save(self, path: "os.PathLike[str] | str") -> None:
        """Write the table into a file.

        Parameters
        ----------
        path : path-like
            The file: an uncompressed npz of plain arrays, without pickles. It appears under this name when it is
            wholly on disk; an older file of the name is replaced.

        Raises
        ------
        OSError
            If the file can't be written.
        """
        meta, arrays = _saved.describe(self)
        _files.TABLE.write(path, meta, arrays)

    def _describe(self, place: _files.Place) -> None:
        """Write what isn't in the folder yet: symbols and description."""
        assert place.folder is not None
        _files.write_described(place.folder, *_saved.describe(self), place.checksums)

    @classmethod
    def _mapped(cls, path: "os.PathLike[str] | str") -> Self:
        """Map a folder that was just written."""
        return cls._make(**_saved.parts(*_files.read_table(path, check=False), check=False))

    @classmethod
    def load(cls, path: "os.PathLike[str] | str") -> Self:
        """Read a table that :meth:`save` wrote, or map one that ``count_ngrams(out=...)`` made.

        Parameters
        ----------
        path : path-like
            The file, or the folder.

        Returns
        -------
        NgramTable
            The table; the arrays of a folder stay on disk and are mapped into memory.

        Raises
        ------
        ValueError
            If it isn't a table, or not a whole one: checksums, sizes, order and ranges are checked.
        """
        meta, arrays = _files.read_table(path)
        try:
            return cls._make(**_saved.parts(meta, arrays))
        except (KeyError, TypeError, IndexError, OverflowError) as error:
            raise ValueError(f"{path} is no whole n-gram table: {error!r}") from error
        except ValueError as error:
            raise ValueError(f"{path} is no whole n-gram table: {error}") from error

    def write_counts(self, path: "os.PathLike[str] | str") -> None:
        """Write the counts as text, as language-model toolkits do: symbols, a tab, the count.

        Parameters
        ----------
        path : path-like
            The file, compressed by suffix (.gz, .bz2, .xz, .zst): UTF-8, an n-gram a line, its symbols separated by
            spaces, in the order of the table (lower orders first). SRILM's ``ngram-count -read`` and its relatives take
            it.

        Raises
        ------
        ValueError
            If a symbol holds white space, or is empty: the format can't tell it from a separator.
        """
        for symbol in self._strings():
            if not symbol or symbol.split() != [symbol]:
                raise ValueError(f"symbols must not be empty or hold white space in a file of counts, got {symbol!r}")
        with whole_file(path) as file, packing(file, os.fspath(path)) as stream:
            for ngram, count in self._pairs():
                stream.write(f"{' '.join(ngram)}\t{count}\n".encode())


class _Items(ItemsView[Any, int]):
    """Pairs in one pass, without a look-up each."""

    _mapping: NgramTable

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        return self._mapping._pairs()

    def __contains__(self, pair: object) -> bool:
        return isinstance(pair, tuple) and len(pair) == 2 and super().__contains__(pair)


class _Values(ValuesView[int]):
    """Counts in one pass, without a look-up each."""

    _mapping: NgramTable

    def _slices(self) -> Iterator[Counts]:
        for k in self._mapping._each():
            for start in range(0, self._mapping._size(k), SLICE):
                yield self._mapping._counts[k - 1][start : start + SLICE]

    def __iter__(self) -> Iterator[int]:
        for counts in self._slices():
            yield from counts.tolist()

    def __contains__(self, count: object) -> bool:
        return isinstance(count, int | float | np.number) and any((part == count).any() for part in self._slices())


def _text(points: NDArray[np.uint32]) -> str:
    """The code points as one str, NULs and all."""
    return np.ascontiguousarray(points, "<u4").tobytes().decode("utf-32-le")
