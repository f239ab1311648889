"""Labelled input is read by its labels, never by its position: pandas, polars, Arrow, xarray, structured arrays.

None of these libraries is imported here; what they hand over is known by its attributes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHOWN = 20
# Names this alike may be meant for one another: one letter of two.
_ALIKE = 0.5
# What most calls give, and needn't be asked for labels.
_UNLABELLED = frozenset((dict, float, int, list, tuple, type(None)))


def by_label(value: Any, name: str) -> Any:
    """Return a dict of a Series' labels to its values, of a table's columns to arrays; anything else as it is.

    A Series or a table whose labels are the default 0, 1, 2, ... has none: it is read by position.
    """
    if type(value) in _UNLABELLED:
        return value
    if hasattr(value, "dims") and hasattr(value, "to_pandas"):
        value = value.to_pandas()  # xarray
    fields = getattr(getattr(value, "dtype", None), "names", None)
    if fields:
        return {field: value[field] for field in fields}
    labels = _labels(value)
    if labels is None:
        return value
    for label in labels:
        if not isinstance(label, str):
            raise TypeError(f"{name} must be labelled with names, got the label {_shown(label)}")
    if len(set(labels)) < len(labels):
        counts = Counter(labels)
        twice = next(label for label in labels if counts[label] > 1)
        raise ValueError(f"{name} must have each label once, got {twice!r} twice")
    if is_table(value):
        return {label: np.asarray(value[label]) for label in labels}
    return dict(zip(labels, np.asarray(value).tolist()))


def complete(value: Any, name: str, known: Collection[str], what: str) -> Any:
    """`by_label`, where labels must name all of `known`: unlike a dict, a Series is never a part of the whole."""
    labelled = by_label(value, name)
    if labelled is value or not isinstance(labelled, dict):
        return labelled
    names = frozenset(known)
    for label in labelled:
        if label not in names:
            raise ValueError(f"{name} must name {what} of {shown(known)}, got {label!r}{meant(label, known)}")
    missing = [label for label in known if label not in labelled]
    if missing:
        raise ValueError(
            f"{name} must have a label for each of {shown(known)}, but {missing[0]!r} is missing (a dict needn't)"
        )
    return labelled


def in_order(value: Any, name: str, columns: Sequence[str], what: str) -> Any:
    """An array of a table's columns in a given order; anything without labels as it is."""
    labelled = complete(value, name, columns, what)
    if not isinstance(labelled, dict) or labelled is value:
        return labelled
    return np.stack([np.asarray(labelled[column]) for column in columns], axis=-1)


def columns_of(value: Any, name: str) -> tuple[str, ...] | None:
    """The names of a table's columns; None for what isn't a table with names."""
    labelled = by_label(value, name) if is_table(value) else None
    return tuple(labelled) if isinstance(labelled, dict) else None


def is_table(value: Any) -> bool:
    """Whether it has named columns: a DataFrame of pandas or polars, an Arrow table."""
    return hasattr(value, "columns") and hasattr(value, "__getitem__") and not isinstance(value, Mapping)


def rows_of(value: Any, name: str) -> Any:
    """Rows of a table, tuples of what stands in its columns; anything else as it is."""
    if not is_table(value):
        return value
    labelled = by_label(value, name)
    if not isinstance(labelled, dict):
        return labelled
    return list(zip(*(np.asarray(column, object).tolist() for column in labelled.values())))


def row_labels(value: Any) -> NDArray[Any] | None:
    """The labels of a Series' or a table's rows; None if they are the default, or there are none."""
    index = getattr(value, "index", None)
    return None if index is None or callable(index) or _is_default(index) else np.asarray(index)


def same_rows(values: Mapping[str, Any]) -> None:
    """Refuse values that are read row by row and whose rows have different labels."""
    _same({name: row_labels(value) for name, value in values.items()}, "row labels")


def same_labels(values: Mapping[str, Any]) -> None:
    """Refuse values that are read element by element and whose rows or columns have different labels."""
    same_rows(values)
    _same({name: _labels(value) for name, value in values.items() if is_table(value)}, "columns")


def same_axes(columns: Mapping[str, Any], rows: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> Any:
    """Refuse tables' columns and tables' or Series' rows that stand for the same things and have different labels.

    `known` are labels found before. Returns those that there are, None where nothing has any.
    """
    labels = {**(known or {}), **{name: _labels(value) for name, value in columns.items() if is_table(value)}}
    labels |= {f"rows of {name}" if name in labels else name: row_labels(value) for name, value in rows.items()}
    return _same(labels, "labels")


def _same(labels: Mapping[str, Any], what: str) -> Any:
    known = {name: found for name, found in labels.items() if found is not None}
    first = next(iter(known), "")
    for name, found in known.items():
        if not np.array_equal(found, known[first]):
            raise ValueError(f"{first} and {name} must have the same {what} in the same order")
    return known.get(first)


def _labels(value: Any) -> list[Any] | None:
    if is_table(value):
        columns = getattr(value, "column_names", None)  # Arrow's `columns` are the data
        columns = value.columns if columns is None else columns
        return None if _is_default(columns) else list(columns)
    index = getattr(value, "index", None)
    if index is None or callable(index) or not hasattr(value, "items") or _is_default(index):
        return None
    return list(index)


def _is_default(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and (index.start, index.step) == (0, 1)


def _shown(label: Any) -> str:
    return repr(label.item() if isinstance(label, np.generic) else label)


def shown(names: Collection[str]) -> str:
    """Names as an error shows them: not a hundred thousand."""
    first = list(names)[:_SHOWN]
    return f"{first}" if len(names) <= _SHOWN else f"{str(first)[:-1]}, ...] ({len(names)} in all)"


def meant(name: Any, known: Iterable[str]) -> str:
    """What an error adds about an unknown name: the nearest known one, or nothing."""
    if not isinstance(name, str):
        return ""
    from difflib import get_close_matches

    folded: dict[str, str] = {}
    for other in known:
        folded.setdefault(other.casefold(), other)
    near = get_close_matches(name.casefold(), folded, 1, _ALIKE)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""
