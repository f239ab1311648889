"""Skip-grams: ordered pairs of tokens at most a window apart.

Source: Su Jianlin (苏剑林), *最小熵原理（三）：“飞象过河”之句模版和语言结构*, 2018,
https://kexue.fm/archives/5577 (sentence templates, which are found in them);
Guthrie, Allison, Liu, Guthrie and Wilks, "A closer look at skip-gram modelling", LREC 2006.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from numbers import Integral
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._backend import active_backend, kernels
from ._extras import require
from ._texts import Lines, Listed, Manner, batches
from ._validation import as_index, as_integers
from ._widths import index_dtype
from ._workers import Workers, call_kernel, n_threads, run

__all__ = ["SkipGrams", "count_skipgrams"]

Ids: TypeAlias = "NDArray[np.int32] | NDArray[np.int64]"
TokenLists: TypeAlias = "Iterable[Sequence[str] | str] | os.PathLike[str] | ArrayLike"

# Bytes of a file read at once.
_BLOCK = 1 << 22
# Ids are 32-bit.
_MAX_ID = 2**31 - 2


@dataclass(frozen=True, repr=False, eq=False)
class SkipGrams:
    """What `count_skipgrams` found.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array
        Counts (int64), shape (V, V): row the first token, column the second; column indices rise in each row.
    vocabulary : sequence of str
        Tokens by id, in order of first occurrence; for integer ids, the names given, or ``range(V)``.
    token_counts : ndarray of int64, shape (V,)
        How often each token occurs.
    total : int
        Number of pairs counted, before `min_count`.
    window : int
        The largest distance within a pair.
    min_count : int
        Pairs that are rarer were dropped.

    Examples
    --------
    >>> from fastcore.skipgrams import count_skipgrams
    >>> pairs = count_skipgrams(["a b a b"], window=2)
    >>> pairs["a", "b"], pairs["b", "a"], pairs["a", "c"]
    (2, 1, 0)
    >>> pairs.most_common(1)
    [(('a', 'b'), 2)]
    """

    matrix: Any
    vocabulary: Sequence[Any]
    token_counts: NDArray[np.int64]
    total: int
    window: int
    min_count: int

    @cached_property
    def _ids(self) -> dict[Any, int]:
        return {token: i for i, token in enumerate(self.vocabulary)}

    def __len__(self) -> int:
        """Return the number of distinct pairs."""
        return int(self.matrix.nnz)

    def __getitem__(self, pair: tuple[Any, Any]) -> int:
        """Return the count of a pair (first, second): 0 if it, or a token of it, wasn't seen."""
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"a pair must be a tuple (first, second), got {pair!r}")
        row, column = (self._ids.get(token) for token in pair)
        return 0 if row is None or column is None else int(self.matrix[row, column])

    def items(self) -> Iterator[tuple[tuple[Any, Any], int]]:
        """Yield ((first, second), count) in order of ids."""
        yield from self._named(np.arange(len(self)))

    def most_common(self, k: int | None = None) -> list[tuple[tuple[Any, Any], int]]:
        """Return the `k` most frequent pairs, ((first, second), count); equal counts in order of ids."""
        k = len(self) if k is None else as_index(k, "k")
        return list(self._named(np.argsort(-self.matrix.data, kind="stable")[:k]))

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame with columns first, second and count."""
        names = np.array(self.vocabulary, dtype=object)
        rows, columns = self.matrix.nonzero()
        return require("pandas", "pandas", "to_pandas()").DataFrame(
            {"first": names[rows], "second": names[columns], "count": self.matrix.data}
        )

    def _named(self, places: NDArray[Any]) -> Iterator[tuple[tuple[Any, Any], int]]:
        rows = np.searchsorted(self.matrix.indptr, places, side="right") - 1
        columns, counts = self.matrix.indices[places], self.matrix.data[places]
        for row, column, count in zip(rows.tolist(), columns.tolist(), counts.tolist()):
            yield (self.vocabulary[row], self.vocabulary[column]), count

    def __repr__(self) -> str:
        return (
            f"<SkipGrams: {len(self):,} pairs of {len(self.vocabulary):,} tokens, "
            f"{self.total:,} counted, window {self.window}>"
        )


def count_skipgrams(
    token_lists: TokenLists,
    window: int,
    *,
    lengths: ArrayLike | None = None,
    vocabulary: Sequence[Any] | None = None,
    min_count: int = 1,
    encoding: str = "utf-8",
    errors: str = "strict",
    pattern: str | None = None,
    workers: Workers = 1,
) -> SkipGrams:
    """Count ordered pairs of tokens that stand at most `window` apart in one text.

    Parameters
    ----------
    token_lists : iterable, os.PathLike or array of int
        Texts, each a list of str, or a str (or `bytes`, or an element of a pyarrow array) that is split at white
        space; a one-shot generator will do. Or the path of a file whose lines are texts, decompressed by suffix (a
        folder: every file below it, in sorted order), an iterable of paths, an open file, or bare `bytes` of
        lines. Or integer ids: a list of lists or arrays, or one array of all, texts one after another, with
        `lengths`; ids are row numbers, so they should be dense.
    window : int
        Pairs (i, j) have 1 <= j - i <= window.
    lengths : array_like of int, optional
        For ids: how many tokens each text has. Default: one text.
    vocabulary : sequence, optional
        For ids: the names of 0, 1, ...; it sets the size of the matrix.
    min_count : int, default 1
        Drop rarer pairs; `total` and `token_counts` still count all.
    encoding : str, default "utf-8"
        What bytes and files are encoded in.
    errors : {"strict", "replace", "ignore"}, default "strict"
        Bytes that can't be decoded raise, become U+FFFD, or are left out.
    pattern : str, optional
        Of a folder only the files whose names match, as ``"*.txt"``.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Returns
    -------
    SkipGrams
        Matrix, vocabulary, token counts and total.

    Raises
    ------
    TypeError
        If `token_lists` is a bare str, or something in it isn't a text or a token.
    ValueError
        If a number is out of range, `lengths` don't add up, or a byte can't be decoded (named with line and byte).
    OSError
        If a file can't be read, or its compression is damaged.

    Notes
    -----
    O(tokens * window) time; memory of 12 bytes a token (16 for ids) and 12 a distinct pair, with one worker. The
    kernel lists where each token stands, counts what stands after it in one small table, and reads a row off a set
    of bits in order, so hardly anything is sorted and nothing is hashed but the tokens themselves. A token is what
    ``str.split()`` gives; pairs never cross from text to text; a line ends at a line feed.

    Examples
    --------
    >>> from fastcore.skipgrams import count_skipgrams
    >>> pairs = count_skipgrams([["to", "be", "or", "not", "to", "be"]], window=2)
    >>> pairs.vocabulary
    ['to', 'be', 'or', 'not']
    >>> pairs.matrix.toarray()
    array([[0, 2, 1, 0],
           [0, 0, 1, 1],
           [1, 0, 0, 1],
           [1, 1, 0, 0]])
    >>> count_skipgrams([0, 1, 2, 0], 1, lengths=[3, 1]).matrix.nnz
    2
    """
    window = as_index(window, "window", low=1)
    min_count = as_index(min_count, "min_count", low=1)
    manner = Manner("token_lists", encoding, errors, pattern)
    names: Sequence[Any]
    if isinstance(token_lists, np.ndarray) and token_lists.dtype.kind in "OSUT":
        token_lists = token_lists.tolist()
    if lengths is None and _are_ids(token_lists):
        token_lists, lengths = _joined(token_lists)
    if lengths is not None or isinstance(token_lists, np.ndarray):
        ids, offsets, names = _from_ids(token_lists, lengths, vocabulary)
    elif vocabulary is not None:
        raise ValueError("vocabulary names integer ids: give those, with lengths")
    else:
        ids, offsets, names = _from_texts(token_lists, manner)
    return count_ids(ids, offsets, names, window, min_count, workers)


def _are_ids(texts: Any) -> TypeGuard[Sequence[Any]]:
    """Whether texts are lists or arrays of integers, as the first token shows."""
    if not isinstance(texts, list | tuple):
        return False
    first = next((text for text in texts if isinstance(text, list | tuple | np.ndarray) and len(text)), [""])[0]
    return isinstance(first, Integral) and not isinstance(first, bool | np.bool_)


def _joined(texts: Sequence[Any]) -> tuple[NDArray[Any], list[int]]:
    arrays = [np.asarray(text) if len(text) else np.empty(0, np.int64) for text in texts]
    for array in arrays:
        if array.dtype.kind not in "iu" or array.ndim != 1:
            raise TypeError(f"each text must be a list of integers like the first, got dtype {array.dtype}")
    return np.concatenate(arrays), [len(array) for array in arrays]


def _from_ids(
    token_lists: Any, lengths: ArrayLike | None, vocabulary: Sequence[Any] | None
) -> tuple[Ids, NDArray[np.int64], Sequence[Any]]:
    size = None if vocabulary is None else len(vocabulary)
    ids = as_integers(token_lists, "token_lists", ndim=1, low=0, high=_MAX_ID + 1 if size is None else size)
    sizes = as_integers([ids.size] if lengths is None else lengths, "lengths", ndim=1, low=0, high=ids.size + 1)
    if sizes.sum() != ids.size:
        raise ValueError(f"lengths must add up to the {ids.size} ids, got {sizes.sum()}")
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    names = range(int(ids.max()) + 1 if ids.size else 0) if vocabulary is None else vocabulary
    return ids, offsets, names


def _from_texts(token_lists: Any, manner: Manner) -> tuple[Ids, NDArray[np.int64], Sequence[str]]:
    stream = kernels("skipgrams").TokenStream()
    for _ in fill(stream, token_lists, manner, active_backend()):
        pass
    ids, offsets, names = stream.finish()
    return ids, offsets, names


def fill(stream: Any, token_lists: Any, manner: Manner, backend: str) -> Iterator[None]:
    """Let a kernel's `TokenStream` have texts, and pause now and then, where whoever wants may take what there is."""
    first_invalid = kernels("skipgrams", backend).first_invalid
    for batch in batches(token_lists, manner):
        if isinstance(batch, Listed):
            stream.add_texts(batch.texts, batch.number)
            yield
        elif isinstance(batch, Lines):
            for piece in batch.pieces(b"\n ", _BLOCK):
                bad = first_invalid(piece)
                if bad >= 0:
                    raise batch.bad(piece, bad)
                stream.add_bytes(piece)
                batch.take(piece)
                yield
            stream.end_text()
        else:
            for texts in batch.strings(manner):
                stream.add_texts(texts, 0)
                yield


def count_ids(
    ids: Ids, offsets: NDArray[np.int64], names: Sequence[Any], window: int, min_count: int = 1, workers: Workers = 1
) -> SkipGrams:
    """Count the pairs of texts that are ids already, text i at offsets[i]:offsets[i + 1]."""
    size = len(names)
    lengths = np.diff(offsets)
    # A window over the longest text and a larger one see the same.
    near = max(1, min(window, int(lengths.max(initial=0)) - 1))
    backend = active_backend()
    tasks = [
        ("skipgrams", "count_pairs", backend, (ids, offsets, size, near, min_count, low, high))
        for low, high in pairwise(_bounds(ids, size, n_threads(workers)))
    ]
    token_counts, indptr, indices, data = _stacked(run(call_kernel, tasks, workers))
    from scipy.sparse import csr_array

    index = index_dtype(len(data))
    matrix = csr_array((data, indices.astype(index, copy=False), indptr.astype(index)), shape=(size, size))
    matrix.has_canonical_format = True
    return SkipGrams(matrix, names, token_counts, n_pairs(lengths, window), window, min_count)


def n_pairs(lengths: NDArray[np.int64], window: int) -> int:
    """How many pairs texts of these lengths have."""
    reach = np.minimum(window, np.maximum(lengths - 1, 0))
    return int((reach * lengths - reach * (reach + 1) // 2).sum())


def _bounds(ids: Ids, size: int, parts: int) -> list[int]:
    """Cut the first tokens into ranges that occur about equally often in all."""
    if parts == 1:
        return [0, size]
    reached = np.cumsum(np.bincount(ids, minlength=size))
    cuts = np.searchsorted(reached, np.arange(1, parts) * (ids.size / parts)) + 1
    return sorted({0, size, *np.minimum(cuts, size).tolist()})


def _stacked(parts: list[Any]) -> Any:
    """Put the rows of one range after those of the last: occurrences, offsets, seconds and counts."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return np.empty(0, np.int64), np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int64)
    occurrences, ends, seconds, counts = zip(*parts)
    starts = np.cumsum([0, *map(len, seconds)])
    offsets = [np.zeros(1, np.int64), *(end[1:] + start for end, start in zip(ends, starts))]
    return tuple(np.concatenate(part) for part in (occurrences, offsets, seconds, counts))
