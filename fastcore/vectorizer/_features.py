"""Features of documents as arrays: their instances, and their terms packed as code points."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._analysis import word_ngrams

_UTF32 = f"utf-32-{'le' if sys.byteorder == 'little' else 'be'}"
_AS_ONE = 1 << 16

# Symbols, pieces, documents, alphabet.
Stream: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any], list[Any]]


@dataclass(frozen=True)
class Packed:
    """Strings in the order of their code points, end to end in one array: a tenth of a dict's memory."""

    points: NDArray[np.uint32]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, strings: Sequence[str]) -> Packed:
        """Pack strings that are sorted already."""
        points = np.frombuffer("".join(strings).encode(_UTF32, "surrogatepass"), np.uint32)
        lengths = np.fromiter(map(len, strings), np.int64, len(strings))
        return cls(points, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[str]:
        for begin in range(0, len(self), _AS_ONE):
            ends = self.offsets[begin : begin + _AS_ONE + 1]
            text = self.points[ends[0] : ends[-1]].tobytes().decode(_UTF32, "surrogatepass")
            for a, b in pairwise((ends - ends[0]).tolist()):
                yield text[a:b]


@dataclass(frozen=True)
class Found:
    """What documents hold.

    `instances` are feature ids, document after document as `bounds` says; ids are in order of first occurrence.
    `order` lists ids in the order of their terms, and `terms(ids)` gives terms (packed if `ids` is in that order).
    """

    instances: NDArray[np.int32]
    bounds: NDArray[np.int64]
    order: NDArray[np.int32]
    terms: Callable[[NDArray[np.int32]], Packed | list[Any]]


def token_stream(documents: Iterable[Iterable[Any]]) -> Stream:
    """Number tokens of any type by first occurrence."""
    ids: dict[Any, int] = {}
    flat: list[int] = []
    ends = [0]
    for tokens in documents:
        flat += [ids.setdefault(token, len(ids)) for token in tokens]
        ends.append(len(flat))
    pieces = np.array(ends, np.int64)
    # A subclass may say of itself what isn't so.
    alphabet = ["".join([token]) if isinstance(token, str) else token for token in ids]
    return np.array(flat, np.int32), pieces, np.arange(len(ends), dtype=np.int64), alphabet


def find(
    kernel: ModuleType, stream: Stream, low: int, high: int, *, short: bool = False, joined: bool = False
) -> Found:
    """Find the n-grams of a stream; with `joined`, of tokens joined by spaces, else of code points."""
    symbols, pieces, documents, alphabet = stream
    if joined and (high > 1 or low > 1):
        # A token with a space, or a character before it, would make the terms ambiguous or change their order.
        if all(isinstance(token, str) and (not token or min(token) > " ") for token in alphabet):
            pass
        else:
            stream = token_stream(
                word_ngrams([alphabet[i] for i in symbols[a:b].tolist()], low, high) for a, b in pairwise(pieces)
            )
            return find(kernel, stream, 1, 1, joined=True)
    by_rank = sorted(range(len(alphabet)), key=alphabet.__getitem__)
    ranks = np.empty(len(alphabet), np.int32)
    ranks[by_rank] = np.arange(len(alphabet))
    instances, bounds, starts, lengths, order = kernel.find_ngrams(symbols, pieces, documents, ranks, low, high, short)

    def terms(ids: NDArray[np.int32]) -> Packed | list[Any]:
        if not all(isinstance(symbol, str) for symbol in alphabet):
            return [alphabet[symbols[start]] for start in starts[ids].tolist()]
        letters = Packed.of(alphabet)
        return Packed(*kernel.spell(symbols, starts[ids], lengths[ids], letters.points, letters.offsets, joined))

    return Found(instances, bounds, order, terms)


@dataclass(frozen=True)
class Vocabulary:
    """Terms and their columns: packed and sorted if all are str, else as a mapping."""

    packed: Packed | None
    columns: NDArray[np.int32]
    mapping: Mapping[Any, int] | None = None

    @classmethod
    def of_terms(cls, terms: Packed | list[Any]) -> Vocabulary:
        """Number terms as they come: sorted ones if packed."""
        columns = np.arange(len(terms), dtype=np.int32)
        if isinstance(terms, Packed):
            return cls(terms, columns)
        return cls(None, columns, {term: i for i, term in enumerate(terms)})

    @classmethod
    def of_mapping(cls, mapping: Mapping[Any, int]) -> Vocabulary:
        """Take a caller's mapping of terms to columns."""
        if not all(isinstance(term, str) for term in mapping):
            return cls(None, np.fromiter(mapping.values(), np.int32, len(mapping)), dict(mapping))
        terms = sorted(mapping)
        columns = np.fromiter((mapping[term] for term in terms), np.int32, len(terms))
        made = cls(Packed.of(["".join([term]) for term in terms]), columns)
        vars(made)["shown"] = dict(mapping)
        return made

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def shown(self) -> dict[Any, int]:
        """Term -> column, made once; a caller's mapping in its own order."""
        return self.to_dict()

    def __getstate__(self) -> dict[str, Any]:
        # The dictionary is made again from the packed terms.
        return {name: value for name, value in vars(self).items() if name != "shown"}

    def to_dict(self) -> dict[Any, int]:
        """Return term -> column."""
        if self.mapping is not None:
            return dict(self.mapping)
        assert self.packed is not None
        return dict(zip(self.packed, self.columns.tolist()))

    def names(self) -> list[Any]:
        """Return terms by column."""
        mapping = self.to_dict()
        return sorted(mapping, key=mapping.__getitem__)

    def columns_of(self, kernel: ModuleType, found: Found) -> NDArray[np.int32]:
        """Return each feature's column, -1 for those that aren't in the vocabulary."""
        terms = found.terms(found.order)
        if self.packed is not None and isinstance(terms, Packed):
            places = kernel.match(terms.points, terms.offsets, self.packed.points, self.packed.offsets)
            sorted_columns = np.where(places >= 0, self.columns.take(places, mode="clip"), -1)
        else:
            mapping = self.to_dict()
            sorted_columns = np.fromiter((mapping.get(term, -1) for term in terms), np.int32, len(terms))
        columns = np.empty(len(found.order), np.int32)
        columns[found.order] = sorted_columns
        return columns
