"""Slow twin of the kernels that read items: named, weighted attributes, made into flat arrays of the names' ids."""

from collections.abc import Iterable, Iterator, Mapping
from math import inf, isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._turns import TakesTurns, alone

Pair: TypeAlias = tuple[str, float]
Arrays: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]


def _plain(text: str | bytes) -> str:
    """The str that a str, a subclass of it (which may show itself otherwise) or bytes holds."""
    if isinstance(text, str):
        return str.__str__(text)
    try:
        return bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"names and values of attributes that are bytes must be UTF-8, got {text!r}") from None


def _name(name: Any) -> str:
    if not isinstance(name, str | bytes):
        raise TypeError(f"names of attributes must be str, got {type(name).__name__} {name!r}")
    return _plain(name)


def _weight(name: Any, value: Any) -> float:
    try:
        weight = float(value)
    except OverflowError:
        weight = inf
    if not isfinite(weight):
        raise ValueError(f"weights of attributes must be finite, got {name!r}: {value!r}")
    return weight


def _number(value: Any) -> float | None:
    """What a number of another kind, as a Decimal, is as a float; None for what is no number."""
    if not hasattr(value, "__float__") or getattr(value, "ndim", False):
        return None
    try:
        return float(value)
    except OverflowError:
        return inf
    except (TypeError, ValueError):
        return None


def _is_named(item: Any) -> bool:
    """Whether it has names for what it holds without being a Mapping: a Series, unless its labels are 0, 1, ..."""
    return hasattr(item, "keys") and hasattr(item, "items") and type(item.keys()).__name__ != "RangeIndex"


def _attributes_of(item: Any) -> Iterator[Pair]:
    """Yield (name, weight) of one item.

    A mapping's value may be a str ("name:value", weight 1), a number or bool (its weight), a mapping (names
    joined with ":") or a list or set of names; an item that is a list or set of names gives each weight 1.
    """
    if isinstance(item, Mapping) or _is_named(item):
        for name, value in item.items():
            outer = _name(name)
            if isinstance(value, str | bytes):
                yield f"{outer}:{_plain(value)}", 1.0
            elif isinstance(value, bool | int | float | np.number | np.bool_):
                yield outer, _weight(name, value)
            elif isinstance(value, Mapping | list | set | frozenset | tuple):
                for inner, weight in _attributes_of(value):
                    yield f"{outer}:{inner}", weight
            elif (number := _number(value)) is not None:
                yield outer, _weight(name, number)
            else:
                raise TypeError(
                    f"an attribute's value must be a str, a number, or a mapping or list of attributes, "
                    f"got {name!r}: {type(value).__name__}"
                )
    elif isinstance(item, Iterable) and not isinstance(item, str | bytes):
        for name in item:
            yield _name(name), 1.0
    else:
        raise TypeError(f"an item must be a mapping or a list of attributes, got {type(item).__name__}")


def _items_of(sequence: Any) -> Iterable[Any]:
    """The items of one sequence, which may be a list of them or an object whose ``items()`` lists them."""
    if hasattr(sequence, "items") and not hasattr(sequence, "keys"):
        sequence = sequence.items()
    if isinstance(sequence, Mapping | str | bytes) or not isinstance(sequence, Iterable):
        raise TypeError(f"a sequence must be a list of items, got {type(sequence).__name__}")
    return sequence


class Sequence:
    """A sequence of items, read once for all models."""

    def __init__(self, items: Any = ()) -> None:
        self._items = [list(_attributes_of(item)) for item in _items_of(items)]

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> list[list[Pair]]:
        """The items as lists of (name, weight)."""
        return [list(item) for item in self._items]


class Names(TakesTurns):
    """Names of attributes and their ids 0, 1, ...: of those given and no others, or of all in order of occurrence.

    Names that are given are looked up by any number of calls at a time; calls that number new ones come one by one.
    """

    def __init__(self, known: Iterable[str] | None = None) -> None:
        self._grows = known is None
        self._ids: dict[str, int] = {}
        for number, name in enumerate(known or ()):
            if not isinstance(name, str):
                raise TypeError(f"names must be str, got {type(name).__name__}")
            if self._ids.setdefault(_plain(name), number) != number:
                raise ValueError(f"names must differ, got {name!r} twice")

    def __len__(self) -> int:
        return len(self._ids)

    @alone
    def names(self) -> list[str]:
        """The names in the order of their ids."""
        return list(self._ids)

    def read(self, sequences: Iterator[Any], steps: int) -> Arrays:
        """Read sequences of items from an iterator: (offsets, rows, ids, weights).

        Until there are that many items, or 16 times as many attributes (below 0: all). Sequence s has the items
        offsets[s] to offsets[s + 1], item t the attributes ids[rows[t]:rows[t + 1]], of weight 1 if there are no
        weights. Names that are neither known nor numbered are left out.
        """
        return self._number(sequences, steps) if self._grows else self._read(sequences, steps)

    @alone
    def _number(self, sequences: Iterator[Any], steps: int) -> Arrays:
        return self._read(sequences, steps)

    def _read(self, sequences: Iterator[Any], steps: int) -> Arrays:
        offsets, rows, ids, weights = [0], [0], [], []
        met = 0
        for sequence in sequences:
            items = sequence.items() if isinstance(sequence, Sequence) else map(_attributes_of, _items_of(sequence))
            for item in items:
                for name, weight in item:
                    met += 1
                    if self._grows:
                        self._ids.setdefault(name, len(self._ids))
                    if name in self._ids:
                        ids.append(self._ids[name])
                        weights.append(weight)
                rows.append(len(ids))
            offsets.append(len(rows) - 1)
            if steps >= 0 and (len(rows) > steps or met >= 16 * steps):
                break
        return (
            np.array(offsets, np.int64),
            np.array(rows, np.int64),
            np.array(ids, np.int32),
            np.array(weights if any(weight != 1.0 for weight in weights) else [], np.float64),
        )
