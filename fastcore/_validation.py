"""Arguments made into the arrays kernels take, or refused by name."""

import sys
from math import isfinite
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Made once: a union of types is a new object wherever it is written.
_BOOLS = (bool, np.bool_)


def as_array(value: Any, name: str) -> NDArray[Any]:
    """Return any array of one shape; what a mask hides would come to light, so it is refused."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} must not be a masked array: fill it or leave the masked elements out")
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array of numbers: {error}") from None


def all_finite(array: NDArray[Any]) -> bool:
    """Whether there is neither NaN nor infinity; counting takes half as long as `all` on a few numbers."""
    return bool(np.count_nonzero(np.isfinite(array)) == array.size)


def as_real(
    value: ArrayLike,
    name: str,
    *,
    ndim: int | tuple[int, ...] | None = None,
    shape: tuple[int | None, ...] | None = None,
    dtype: Any = None,
    nan: bool = False,
    inf: bool = True,
) -> NDArray[Any]:
    """Return a C-contiguous array of native float64 (float32 stays) or refuse by name.

    Parameters
    ----------
    value : array_like
        Numbers; big-endian, strided, read-only and integer input is converted, complex and objects refused.
    name : str
        How the caller knows the argument.
    ndim : int or tuple of int, optional
        Allowed numbers of dimensions.
    shape : tuple, optional
        Expected shape; None stands for any length.
    dtype : dtype, optional
        Convert to this float type instead of keeping float32.
    nan, inf : bool
        Whether NaN and infinities may be in it.
    """
    array = as_array(value, name)
    if array.dtype.kind not in "fiub":
        if array.size == 0 and array.dtype.kind == "O":
            array = array.astype(np.float64)
        else:
            raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}")
    if dtype is None:
        dtype = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 4 else np.float64
    if ndim is not None and array.ndim not in ((ndim,) if isinstance(ndim, int) else ndim):
        wanted = str(ndim) if isinstance(ndim, int) else " or ".join(map(str, ndim))
        raise ValueError(f"{name} must have {wanted} dimensions, got shape {array.shape}")
    if (
        shape is not None
        and array.shape != shape
        and (array.ndim != len(shape) or any(w is not None and w != g for w, g in zip(shape, array.shape)))
    ):
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
        raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
    if array.dtype is not np.dtype(dtype) or not array.flags.carray:
        array = np.require(array, dtype, ["C", "A"]).reshape(array.shape)
    if not inf and all_finite(array):
        return array
    if not nan and np.isnan(array).any():
        raise ValueError(f"{name} must not hold NaN")
    if not inf and np.isinf(array).any():
        raise ValueError(f"{name} must be finite")
    return array


def as_integers(
    value: ArrayLike, name: str, *, ndim: int | None = None, low: int | None = None, high: int | None = None
) -> NDArray[np.int64]:
    """Return a C-contiguous int64 array, each element in [low, high), or refuse by name."""
    array = as_array(value, name)
    if array.size == 0 and array.dtype.kind in "fO":
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got dtype {array.dtype}")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimensions, got shape {array.shape}")
    if array.size:
        least, most = array.min(), array.max()
        if (low is not None and least < low) or (high is not None and most >= high) or most > 2**63 - 1:
            bounds = f"[{'-inf' if low is None else low}, {'inf' if high is None else high})"
            raise ValueError(f"{name} must lie in {bounds}, got values from {least} to {most}")
    return np.require(array, np.int64, ["C", "A"]).reshape(array.shape)


def as_index(value: Any, name: str, *, low: int = 0, high: int | None = None) -> int:
    """Return an int in [low, high] or refuse by name."""
    if isinstance(value, _BOOLS):
        raise TypeError(f"{name} must be an int, got bool")
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {type(value).__name__}") from None
    most = sys.maxsize if high is None else high
    if not low <= number <= most:
        bound = f"at least {low}" if number < low and high is None else f"between {low} and {most}"
        raise ValueError(f"{name} must be {bound}, got {number}")
    return number


def as_number(
    value: Any, name: str, *, low: float | None = None, high: float | None = None, open_low: bool = False
) -> float:
    """Return a finite float in [low, high] (or (low, high]) or refuse by name."""
    plain = type(value) in (float, int)
    if not plain and (
        isinstance(value, str | bytes | bool | np.bool_ | complex | np.complexfloating) or np.ndim(value)
    ):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}") from None
    except OverflowError:
        number = np.inf
    below = low is not None and (number <= low if open_low else number < low)
    if not isfinite(number) or below or (high is not None and number > high):
        wanted = ["finite"]
        if low is not None:
            wanted.append(f"{'above' if open_low else 'at least'} {low}")
        if high is not None:
            wanted.append(f"at most {high}")
        raise ValueError(f"{name} must be {' and '.join(wanted)}, got {value}")
    return number


def as_choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """Return a str that is one of `choices` or refuse by name."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(map(repr, choices))}, got {type(value).__name__}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return str(value)


def as_flag(value: Any, name: str) -> bool:
    """Return a bool or refuse by name: a str such as "no" would count as true."""
    if not isinstance(value, _BOOLS):
        raise TypeError(f"{name} must be a bool, got {type(value).__name__}")
    return bool(value)


def as_list(value: Any, name: str, expected: str) -> list[Any]:
    """Return what an iterable holds or refuse by name; a str or bytes is not meant as one."""
    if not isinstance(value, str | bytes):
        try:
            iterator = iter(value)
        except TypeError:
            pass
        else:
            return list(iterator)
    raise TypeError(f"{name} must be {expected}, got {type(value).__name__}")


def as_names(value: Any, name: str) -> tuple[str, ...]:
    """Return one name or several as a tuple of str, or refuse by name."""
    names = [value] if isinstance(value, str) else as_list(value, name, "a name or a list of names")
    for item in names:
        if not isinstance(item, str):
            raise TypeError(f"{name} must hold str, got {type(item).__name__}")
    return tuple(str(item) for item in names)
