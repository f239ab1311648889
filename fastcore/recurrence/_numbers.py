"""Coefficients of scans: real or complex numbers of one common type, and what a gradient owes to broadcasting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_array, as_real

Array = NDArray[Any]


def as_numbers(value: ArrayLike, name: str, *, nan: bool = False) -> Array:
    """Return a C-contiguous array of float64, complex128 or, where it comes in single precision, the half of that."""
    array = value if isinstance(value, np.ndarray) else as_array(value, name)
    if array.dtype.kind != "c":
        return as_real(array, name, nan=nan)
    array = as_array(value, name)
    dtype = np.complex64 if array.dtype.itemsize == 8 else np.complex128
    array = np.require(array, dtype, ["C", "A"]).reshape(array.shape)
    if not nan and np.isnan(array).any():
        raise ValueError(f"{name} must not hold NaN")
    return array


def common(
    values: Mapping[str, ArrayLike], y0: ArrayLike | None, *, real: bool = False
) -> tuple[list[Array], np.dtype[Any]]:
    """Coefficients and, if given, y0 as arrays, NaN among them, and the states' type.

    That is complex if one of them is (refused where they must be `real`), in the coefficients' precision, with either
    of which a Python number goes.
    """
    given = values if y0 is None else {**values, "y0": y0}
    arrays = [(as_real if real else as_numbers)(value, name, nan=True) for name, value in given.items()]
    plain = [isinstance(v, int | float | complex) and not isinstance(v, np.generic) for v in values.values()]
    precise = [v.real.dtype for v, is_plain in zip(arrays, plain) if not is_plain]
    dtype = np.result_type(*precise) if precise else np.dtype(np.float64)
    return arrays, np.result_type(dtype, np.complex64) if any(v.dtype.kind == "c" for v in arrays) else dtype


def start(y0: ArrayLike | None, shape: tuple[int, ...], dtype: np.dtype[Any], *, zero: float = 0.0) -> Array:
    """The state before the first step, of this shape and type, NaN in it; `zero` where none is given."""
    if y0 is None:
        return np.full(shape, zero, dtype)
    given = as_numbers(y0, "y0", nan=True)
    try:
        return np.ascontiguousarray(np.broadcast_to(given.astype(dtype, copy=False), shape)).reshape(shape)
    except ValueError:
        raise ValueError(f"y0 must broadcast to {shape}, got {given.shape}") from None


def checked_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        raise TypeError(f"out must be an array of {dtype}, got {getattr(out, 'dtype', type(out).__name__)}")
    if out.shape != shape or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be writeable and C-contiguous, of shape {shape}, got shape {out.shape}")
    return out


def made_in(out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], read: list[Array]) -> tuple[Array, Array]:
    """The array that is returned, and the one that a kernel fills: another one if that would change what it reads."""
    y = np.empty(shape, dtype) if out is None else checked_out(out, shape, dtype)
    shared = out is not None and any(np.may_share_memory(out, v) for v in read)
    return y, np.empty(shape, dtype) if shared else y


def gradient_of(dy: ArrayLike, y: Array) -> Array:
    """A gradient by the states, of their shape and type."""
    grad = as_numbers(dy, "dy") if np.iscomplexobj(y) else as_real(dy, "dy", shape=y.shape)
    if grad.shape != y.shape:
        raise ValueError(f"dy must have shape {y.shape}, got {grad.shape}")
    return grad.astype(y.dtype, copy=False)


def summed(grad: Array, like: Array) -> Array:
    """Summed over what an argument was broadcast along; of a real one the real part."""
    shape = like.shape
    leading = grad.ndim - len(shape)
    grown = [*range(leading), *(leading + i for i, n in enumerate(shape) if n == 1 and grad.shape[leading + i] != 1)]
    found: Array = grad.sum(axis=tuple(grown)).reshape(shape)
    return found if np.iscomplexobj(like) else np.ascontiguousarray(found.real).reshape(shape)


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), which nothing overflows in."""
    found: Array = 0.5 + 0.5 * np.tanh(0.5 * x)
    return found
