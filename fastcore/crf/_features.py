"""Items with named, weighted attributes, as CRFsuite takes them, made into flat arrays."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import inf, isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Pair: TypeAlias = tuple[str, float]


def attributes_of(item: Any) -> Iterator[Pair]:
    """Yield (name, weight) of one item.

    A mapping's value may be a str ("name:value", weight 1), a number or bool (its weight), a mapping (names
    joined with ":") or a list or set of names; an item that is a list or set of names gives each weight 1.
    """
    if isinstance(item, Mapping):
        for name, value in item.items():
            if not isinstance(name, str):
                raise TypeError(f"names of attributes must be str, got {type(name).__name__} {name!r}")
            if isinstance(value, str):
                yield f"{name}:{value}", 1.0
            elif isinstance(value, bool | int | float | np.number | np.bool_):
                try:
                    weight = float(value)
                except OverflowError:
                    weight = inf
                if not isfinite(weight):
                    raise ValueError(f"weights of attributes must be finite, got {name!r}: {value!r}")
                yield name, weight
            elif isinstance(value, Mapping | list | set | frozenset | tuple):
                for inner, weight in attributes_of(value):
                    yield f"{name}:{inner}", weight
            else:
                raise TypeError(
                    f"an attribute's value must be a str, a number, or a mapping or list of attributes, "
                    f"got {name!r}: {type(value).__name__}"
                )
    elif isinstance(item, Iterable) and not isinstance(item, str | bytes):
        for name in item:
            if not isinstance(name, str):
                raise TypeError(f"names of attributes must be str, got {type(name).__name__} {name!r}")
            yield name, 1.0
    else:
        raise TypeError(f"an item must be a mapping or a list of attributes, got {type(item).__name__}")


def items_of(sequence: Any) -> Sequence[Any]:
    """The items of one sequence, which may be a list of them or an object whose ``items()`` lists them."""
    if hasattr(sequence, "items") and not isinstance(sequence, Mapping):
        sequence = sequence.items()
    if isinstance(sequence, Mapping | str | bytes) or not isinstance(sequence, Iterable):
        raise TypeError(f"a sequence must be a list of items, got {type(sequence).__name__}")
    return sequence if isinstance(sequence, Sequence) else list(sequence)


@dataclass(frozen=True)
class Items:
    """Concatenated sequences of items: CSR rows of attribute ids, with weights unless all are 1."""

    offsets: Array
    rows: Array
    attributes: Array
    values: Array


class AttributeIds(dict[str, int]):
    """Numbers of attributes; a name that isn't there yet gets the next one."""

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self)
        return number


def index_items(X: Any, ids: dict[str, int]) -> Items:
    """Number the attributes of all sequences; those without an id are left out."""
    [items] = _indexed(X, ids.get, None)
    return items


def index_chunks(X: Any, ids: AttributeIds, steps: int) -> Iterator[Items]:
    """Number the attributes, giving new ones ids, and yield runs of sequences.

    A run has at least so many steps, or 16 times as many attributes, which bounds what it takes while it is worked on.
    """
    return _indexed(X, ids.__getitem__, steps)


def _indexed(X: Any, number_of: Callable[[str], int | None], steps: int | None) -> Iterator[Items]:
    if isinstance(X, Mapping | str | bytes) or not isinstance(X, Iterable):
        raise TypeError(f"X must be a list of sequences, got {type(X).__name__}")
    run = _Run()
    for sequence in X:
        for item in items_of(sequence):
            if type(item) is list and all(type(name) is str for name in item):
                # The common case without a generator.
                run.found.extend([number for number in map(number_of, item) if number is not None])
            else:
                for name, weight in attributes_of(item):
                    number = number_of(name)
                    if number is not None:
                        run.add(number, weight)
            run.rows.append(len(run.found))
        run.offsets.append(len(run.rows) - 1)
        if steps is not None and (len(run.rows) > steps or len(run.found) >= 16 * steps):
            yield run.items()
            run = _Run()
    if steps is None or len(run.offsets) > 1:
        yield run.items()


class _Run:
    """Items as they grow, in arrays that take no more than their numbers."""

    def __init__(self) -> None:
        self.offsets, self.rows = array("q", [0]), array("q", [0])
        self.found, self.values = array("i"), array("d")

    def add(self, number: int, weight: float) -> None:
        if weight != 1.0:
            self._fill()
            self.values.append(weight)
        self.found.append(number)

    def _fill(self) -> None:
        # Values are kept from the first that isn't 1 on; ones since the last such are still to be written.
        missing = len(self.found) - len(self.values)
        if missing:
            self.values.extend(repeat(1.0, missing))

    def items(self) -> Items:
        if self.values:
            self._fill()
        return Items(
            np.frombuffer(self.offsets, np.int64),
            np.frombuffer(self.rows, np.int64),
            np.frombuffer(self.found, np.int32) if self.found else np.empty(0, np.int32),
            np.frombuffer(self.values, np.float64) if self.values else np.empty(0),
        )
