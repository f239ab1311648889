"""Labels of a training set: one an item, or where only some are known a set of them."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AnySet
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._labelled import is_table

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Restriction:
    """The sequences of a block whose labels are known in part.

    Attributes
    ----------
    sequences : ndarray
        Their numbers within the block.
    steps : ndarray, shape (n,)
        Their steps within the block, one sequence after the other.
    offsets : ndarray
        Where each begins within `steps`, and the end.
    allowed : ndarray of bool, shape (n, L)
        The labels that each step may have.
    """

    sequences: Array
    steps: Array
    offsets: Array
    allowed: Array


@dataclass(frozen=True)
class Labels:
    """The labels of concatenated sequences.

    Attributes
    ----------
    classes : list of str
        All labels, by first appearance (those of a set in alphabetical order).
    ids : ndarray of int64, shape (N,)
        The label of each item; -1 where more than one is possible.
    open_steps : ndarray of int64
        The items with more than one possible label, ascending.
    allowed : ndarray of bool, shape (len(open_steps), L)
        The labels that are possible there.
    """

    classes: list[str]
    ids: Array
    open_steps: Array
    allowed: Array

    def restriction(self, offsets: Array, first: int) -> Restriction | None:
        """Sequences with items of several labels, of the block that begins at item `first`; None: there is none."""
        i, j = np.searchsorted(self.open_steps, (first, first + offsets[-1]))
        if i == j:
            return None
        local = self.open_steps[i:j] - first
        sequences = np.unique(np.searchsorted(offsets, local, "right") - 1)
        sizes = np.diff(offsets)[sequences]
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        steps = np.repeat(offsets[sequences] - bounds[:-1], sizes) + np.arange(bounds[-1])
        allowed = self.ids[first + steps, None] == np.arange(len(self.classes))
        allowed[np.searchsorted(steps, local)] = self.allowed[i:j]
        return Restriction(sequences, steps, bounds, allowed)


def _listed(labels: Any, name: str, what: str) -> Any:
    """A list, tuple or array as it is, another iterable whose order means something as a list."""
    if isinstance(labels, list | tuple) or (isinstance(labels, np.ndarray) and labels.ndim):
        return labels
    if (
        isinstance(labels, str | bytes | Mapping | AnySet | np.ndarray)
        or is_table(labels)
        or not isinstance(labels, Iterable)
    ):
        raise TypeError(f"{name} must be a list of {what}, got {type(labels).__name__}")
    return list(labels)


def _rows(y: Any, lengths: list[int], items: str, name: str) -> Iterator[tuple[int, Any]]:
    """Yield each sequence's number and labels, which must be as many as its items."""
    y = _listed(y, name, "lists of labels")
    if len(y) != len(lengths):
        raise ValueError(f"{items} and {name} must have the same number of sequences, got {len(lengths)} and {len(y)}")
    for s, (labels, length) in enumerate(zip(y, lengths)):
        listed = _listed(labels, f"{name}[{s}]", "labels")
        if len(listed) != length:
            raise ValueError(f"{name}[{s}] must have {length} labels to match {items}[{s}], got {len(listed)}")
        yield s, listed


def as_label(label: Any, name: str, expected: str = "a label (str)") -> str:
    """A label as a plain str; bytes are taken for UTF-8."""
    if isinstance(label, str):
        return str(label)
    if isinstance(label, bytes):
        try:
            return label.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{name} must be UTF-8 where it is bytes, got {label!r}") from None
    raise TypeError(f"{name} must be {expected}, got {type(label).__name__} {label!r}")


def _possible(given: Any, name: str) -> tuple[str, ...] | None:
    """What stands for one item: a label, a set or list of possible ones, or None: any."""
    if given is None:
        return None
    if not isinstance(given, AnySet | list | tuple):
        return (as_label(given, name, "a label (str), a set of labels or None"),)
    if not given:
        raise ValueError(f"{name} must hold at least one label, got none")
    return tuple(sorted({as_label(label, name, "a set of labels (str)") for label in given}))


def label_lists(y: Any, lengths: list[int], items: str, name: str) -> list[list[str]]:
    """Labels of sequences of such lengths, one an item."""
    rows = _rows(y, lengths, items, name)
    return [[as_label(label, f"{name}[{s}][{t}]") for t, label in enumerate(labels)] for s, labels in rows]


def index_labels(y: Any, lengths: list[int]) -> Labels:
    """Number the labels of sequences of such lengths by first appearance."""
    ids: dict[str, int] = {}
    found: list[int] = []
    several: list[tuple[int, list[int] | None]] = []
    for s, labels in _rows(y, lengths, "X", "y"):
        for t, label in enumerate(labels):
            if isinstance(label, str):
                found.append(ids.setdefault(str(label), len(ids)))
                continue
            possible = _possible(label, f"y[{s}][{t}]")
            numbers = None if possible is None else [ids.setdefault(k, len(ids)) for k in possible]
            if numbers is not None and len(numbers) == 1:
                found.append(numbers[0])
            else:
                several.append((len(found), numbers))
                found.append(-1)
    allowed = np.zeros((len(several), len(ids)), bool)
    for row, (_, numbers) in zip(allowed, several):
        row[slice(None) if numbers is None else numbers] = True
    places = np.array([place for place, _ in several], np.int64)
    return Labels(list(ids), np.array(found, np.int64), places, allowed)


def allowed_labels(allowed: Any, classes: list[str], offsets: Array) -> Array:
    """The labels that each item may be given, (N, L): what `CRF.predict` takes as `allowed`."""
    allowed = _listed(allowed, "allowed", "lists of sets of labels")
    lengths = np.diff(offsets).tolist()
    if len(allowed) != len(lengths):
        raise ValueError(f"X and allowed must have the same number of sequences, got {len(lengths)} and {len(allowed)}")
    numbers = {label: k for k, label in enumerate(classes)}
    known: dict[tuple[str, ...], list[int]] = {}
    found = np.ones((int(offsets[-1]), len(classes)), bool)
    step = 0
    for s, (sets, length) in enumerate(zip(allowed, lengths)):
        if sets is None:
            step += length
            continue
        sets = _listed(sets, f"allowed[{s}]", "sets of labels")
        if len(sets) != length:
            raise ValueError(f"allowed[{s}] must have {length} entries to match X[{s}], got {len(sets)}")
        for t, given in enumerate(sets):
            possible = _possible(given, f"allowed[{s}][{t}]")
            if possible is not None:
                if possible not in known:
                    for label in possible:
                        if label not in numbers:
                            raise ValueError(f"allowed[{s}][{t}] must hold labels of the model, got {label!r}")
                    known[possible] = [numbers[label] for label in possible]
                found[step] = False
                found[step, known[possible]] = True
            step += 1
    return found


def forbidden_pairs(forbidden: Any, classes: list[str]) -> Array:
    """The pairs of labels that may not follow each other, (L, L): what `CRF.predict` takes as `forbidden`."""
    numbers = {label: k for k, label in enumerate(classes)}
    found = np.zeros((len(classes), len(classes)), bool)
    if isinstance(forbidden, str | bytes) or not isinstance(forbidden, AnySet | list | tuple):
        raise TypeError(f"forbidden must be a set or list of pairs of labels, got {type(forbidden).__name__}")
    for pair in forbidden:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"forbidden must hold pairs of labels, got {pair!r}")
        first, second = (as_label(label, "forbidden", "a set or list of pairs of labels (str)") for label in pair)
        for label in (first, second):
            if label not in numbers:
                raise ValueError(f"forbidden must hold labels of the model, got {label!r}")
        found[numbers[first], numbers[second]] = True
    return found
