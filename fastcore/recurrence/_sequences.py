"""Sequences in the forms that callers have them, one concatenated form inside, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import as_array, as_integers, as_real

Array = NDArray[Any]


@dataclass(slots=True)
class Sequences:
    """Rows (N, D) of all sequences, one after the other, and how to give rows the caller's form."""

    form: str  # "one", "padded", "list", "concatenated" or "packed"
    rows: Array
    offsets: NDArray[np.int64]
    shape: tuple[int, int] = (0, 0)
    # Which places of a padded batch hold a step; None if all do.
    present: Array | None = None
    # A PackedSequence, and where each of our rows stands in it.
    packed: Any = None
    places: Array | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def back(self, rows: Array) -> Any:
        """Rows in the caller's form; zeros in a padded batch's padding, as PyTorch has them."""
        if self.form == "list":
            return [rows[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:])]
        if self.form == "packed":
            data = np.empty_like(rows)
            data[self.places] = rows
            given = self.packed
            # A tensor where the numbers given are, and of our type, whatever theirs is.
            like = given.data.double() if data.dtype == np.float64 else given.data.float()
            return type(given)(like.new_tensor(data), given.batch_sizes, given.sorted_indices, given.unsorted_indices)
        if self.form != "padded":
            return rows
        if self.present is None:
            return rows.reshape(*self.shape, rows.shape[1])
        padded = np.zeros((*self.shape, rows.shape[1]), rows.dtype)
        padded[self.present] = rows
        return padded

    def forth(self, value: Any, name: str, width: int, dtype: Any) -> Array:
        """Rows (N, width) of what comes in the same form, such as gradients; padding may be anything finite."""
        if self.form == "list":
            if not isinstance(value, list | tuple) or len(value) != len(self):
                raise ValueError(f"{name} must be a list of {len(self)} sequences to match x")
            shapes = [(int(n), width) for n in np.diff(self.offsets)]
            parts = [
                as_real(as_numpy(v), f"{name}[{i}]", shape=shape, dtype=dtype, inf=False)
                for i, (v, shape) in enumerate(zip(value, shapes))
            ]
            return np.concatenate([np.empty((0, width), dtype), *parts])
        if self.form == "packed":
            if not _is_packed(value):
                raise TypeError(f"{name} must be a PackedSequence, as x is, got {type(value).__name__}")
            if not self._packed_alike(value):
                raise ValueError(f"{name} must be packed as x is: in the same batch sizes and order")
            array = as_real(as_numpy(value.data), name, shape=(len(self.rows), width), dtype=dtype, inf=False)
            return np.ascontiguousarray(array[self.places])
        value = as_numpy(value)
        if self.form == "padded":
            array = as_real(value, name, shape=(*self.shape, width), dtype=dtype, inf=False)
            return array.reshape(-1, width) if self.present is None else array[self.present]
        return as_real(value, name, shape=(len(self.rows), width), dtype=dtype, inf=False)

    def _packed_alike(self, value: Any) -> bool:
        """Whether rows of another PackedSequence stand where those of x do."""
        for name in ("batch_sizes", "unsorted_indices"):
            own, other = (getattr(packed, name, None) for packed in (self.packed, value))
            if own is None or other is None:
                # Without an order sequences stand as they came.
                given = own if other is None else other
                if given is not None and not np.array_equal(as_numpy(given), np.arange(len(self))):
                    return False
            elif not np.array_equal(as_numpy(own), as_numpy(other)):
                return False
        return True


def sequences(x: Any, lengths: Any = None, mask: Any = None) -> Sequences:
    """Take x (T, D), (B, T, D) with or without `lengths` or `mask`, a list of (T_i, D), (N, D) with `lengths`, or a
    PackedSequence. That numbers are finite is left to the kernel, which reads them anyway.
    """
    packed = _is_packed(x)
    if packed or _is_list(x):
        if lengths is not None or mask is not None:
            raise ValueError("lengths and mask must be None where x is a list of sequences or a PackedSequence")
        return _packed(x) if packed else _listed(x)
    array = _real(x, "x", (2, 3))
    if array.ndim == 2:
        if mask is not None:
            raise ValueError("mask must be None where x has 2 dimensions: give lengths")
        if lengths is None:
            return Sequences("one", array, np.array([0, len(array)], np.int64))
        counts = as_integers(lengths, "lengths", ndim=1, low=0, high=len(array) + 1)
        if counts.sum() != len(array):
            raise ValueError(f"lengths must sum to the {len(array)} rows of x, got {counts.sum()}")
        return Sequences("concatenated", array, _offsets(counts))
    shape, width = array.shape[:2], array.shape[2]
    present = _present(lengths, mask, shape)
    if present is None or present.all():
        offsets = np.arange(shape[0] + 1, dtype=np.int64) * shape[1]
        return Sequences("padded", array.reshape(shape[0] * shape[1], width), offsets, shape)
    return Sequences("padded", array[present], _offsets(present.sum(axis=1, dtype=np.int64)), shape, present)


def as_numpy(value: Any) -> Any:
    """A tensor's numbers, in float32 if it holds half precision or bfloat16; anything else as it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(getattr(value, "dtype", "")) in ("torch.float16", "torch.bfloat16"):
            value = value.float()
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value


def _real(value: Any, name: str, ndim: int | tuple[int, ...]) -> Array:
    return as_real(as_numpy(value), name, ndim=ndim, nan=True)


def _is_packed(x: Any) -> bool:
    return hasattr(x, "batch_sizes") and hasattr(x, "data")


def _is_list(x: Any) -> bool:
    # Arrays or tensors: lists of lists of numbers are an array of their own.
    return isinstance(x, list | tuple) and len(x) > 0 and all(getattr(part, "ndim", 0) == 2 for part in x)


def _listed(x: Any) -> Sequences:
    parts = [_real(part, f"x[{i}]", 2) for i, part in enumerate(x)]
    widths = {part.shape[1] for part in parts}
    if len(widths) > 1:
        raise ValueError(f"the sequences of x must have equally many features, got {sorted(widths)}")
    rows = np.ascontiguousarray(np.concatenate(parts))
    return Sequences("list", rows, _offsets(np.array([len(part) for part in parts], np.int64)))


def _packed(x: Any) -> Sequences:
    """A PackedSequence has its rows by time, in each time the sequences that are still running, longest first."""
    data = _real(x.data, "x.data", 2)
    sizes = as_integers(as_numpy(x.batch_sizes), "x.batch_sizes", ndim=1, low=1)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    if starts[-1] != len(data) or (sizes[1:] > sizes[:-1]).any():
        raise ValueError(f"x must be a PackedSequence of {len(data)} rows in falling batch sizes, got {sizes.tolist()}")
    count = int(sizes[0]) if len(sizes) else 0
    unsorted = getattr(x, "unsorted_indices", None)
    order = np.arange(count) if unsorted is None else as_integers(as_numpy(unsorted), "x.unsorted_indices", ndim=1)
    # Of the sequence in place k as many as there are times with more than k.
    counts = (len(sizes) - np.searchsorted(sizes[::-1], np.arange(count), side="right"))[order]
    places = np.concatenate([np.empty(0, np.int64), *(starts[:n] + k for n, k in zip(counts.tolist(), order.tolist()))])
    return Sequences("packed", np.ascontiguousarray(data[places]), _offsets(counts), packed=x, places=places)


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _present(lengths: Any, mask: Any, shape: tuple[int, ...]) -> Array | None:
    if mask is not None:
        if lengths is not None:
            raise ValueError("lengths and mask must not both be given")
        array = as_array(mask, "mask")
        if array.dtype.kind not in "bui" or array.shape != shape:
            raise ValueError(f"mask must be booleans of shape {shape} to match x, got {array.dtype} {array.shape}")
        present = array.astype(bool)
        if (present[:, 1:] & ~present[:, :-1]).any():
            raise ValueError("mask must be left-aligned and without holes: each row True up to its length, then False")
        return present
    if lengths is None:
        return None
    counts = as_integers(as_numpy(lengths), "lengths", ndim=1, low=0, high=shape[1] + 1)
    if len(counts) != shape[0]:
        raise ValueError(f"lengths must have shape ({shape[0]},) to match x, got {counts.shape}")
    found: Array = np.arange(shape[1]) < counts[:, None]
    return found
