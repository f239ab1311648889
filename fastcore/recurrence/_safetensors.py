"""Weights from safetensors files.

The format: the length of a header as eight bytes, the header in JSON (name -> dtype, shape, data_offsets), and the
bytes of all tensors, one after the other without gaps.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np

from .._labelled import shown
from .._validation import as_choice
from ._sequences import Array
from ._torch import cell_of, stack_of

# As much as the format allows.
_LONGEST_HEADER = 100_000_000
# Bytes a number of the types that are read; other types are passed over.
_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_NAME = re.compile(r"(?:(.*)\.)?(?:weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)(?:_l(0|[1-9]\d{0,5})(_reverse)?)?")


class SafeTensors:
    """The tensors of an open file, none of which is read before it is asked for."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise self._error("its header is longer than the file" if size >= 8 else "it has less than 8 bytes")
        try:
            header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise self._error(f"its header can't be read: {error}") from None
        if not isinstance(header, dict):
            raise self._error("its header isn't an object")
        header.pop("__metadata__", None)
        self._first = 8 + length
        self._entries = {key: self._entry(key, value) for key, value in header.items()}
        end = 0
        for begin, after, key in sorted((*entry[2], key) for key, entry in self._entries.items()):
            if begin != end:
                raise self._error(f"the bytes of {key!r} don't begin where those before end, at {end}, but at {begin}")
            end = after
        if end != size - self._first:
            raise self._error(f"its tensors take {end} bytes, and there are {size - self._first}")

    def _entry(self, key: str, value: Any) -> tuple[str, tuple[int, ...], tuple[int, int]]:
        """What the header says of a tensor: type, shape and place."""
        try:
            dtype, shape, (begin, end) = value["dtype"], tuple(value["shape"]), value["data_offsets"]
        except (TypeError, KeyError, ValueError):
            raise self._error(f"its header has no dtype, shape and data_offsets of {key!r}") from None
        numbers = (*shape, begin, end)
        # Longer ones can be nobody's, and multiplying them would take long.
        if (
            not isinstance(dtype, str)
            or len(shape) > 64
            or any(type(n) is not int or not 0 <= n < 2**63 for n in numbers)
        ):
            raise self._error(f"its header has a bad dtype, shape or data_offsets of {key!r}")
        if end < begin or (dtype in _SIZES and end - begin != math.prod(shape) * _SIZES[dtype]):
            raise self._error(f"{key!r}, {dtype} of shape {list(shape)}, can't lie in bytes {begin} to {end}")
        return dtype, shape, (begin, end)

    def _error(self, why: str) -> ValueError:
        return ValueError(f"{self._name} must be a safetensors file, but {why}")

    def names(self) -> Iterable[str]:
        return self._entries

    def read(self, key: str) -> Array:
        """A tensor's numbers; half precision and bfloat16 become float32."""
        dtype, shape, (begin, end) = self._entries[key]
        if dtype not in _SIZES:
            raise ValueError(f"{key!r} of {self._name} must be F64, F32, F16 or BF16, got {dtype}")
        self._file.seek(self._first + begin)
        data = self._file.read(end - begin)
        if dtype == "BF16":
            # The upper half of a float32.
            return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
        numbers = np.frombuffer(data, {"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype])
        return numbers.astype(np.float64 if dtype == "F64" else np.float32).reshape(shape)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def from_safetensors(
    source: str | os.PathLike[str] | bytes, prefix: str | None = None, *, activation: str = "tanh"
) -> Any:
    """Take over the weights of a ``torch.nn.RNN``, ``GRU`` or ``LSTM`` from a safetensors file, without PyTorch.

    Parameters
    ----------
    source : path or bytes
        A file, or its bytes. Only the weights that are wanted are read.
    prefix : str, optional
        What stands before the names of the module's weights, ``"encoder.rnn"`` in ``encoder.rnn.weight_ih_l0``.
        Default: the file must hold one such module, with whatever prefix.
    activation : {"tanh", "relu"}
        Of a simple RNN; the file doesn't say it.

    Returns
    -------
    RecurrentStack, SimpleRNNCell, GRUCell or LSTMCell
        As `from_torch` gives of the module whose weights they are: its kind, layers and directions follow from names
        and shapes. Half precision and bfloat16 become float32.

    Raises
    ------
    OSError
        If the file can't be read.
    TypeError, ValueError
        If it isn't such a file, or doesn't hold the weights of such a module, of which the missing one is named.

    Notes
    -----
    The header is checked before anything is read: types, shapes and places must agree, and the tensors must fill the
    file without gaps or overlaps, as the format wants it (https://github.com/huggingface/safetensors).

    Examples
    --------
    >>> import json
    >>> import numpy as np
    >>> from fastcore.recurrence import from_safetensors
    >>> header = json.dumps({
    ...     "rnn.weight_ih_l0": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]},
    ...     "rnn.weight_hh_l0": {"dtype": "F32", "shape": [1, 1], "data_offsets": [4, 8]},
    ... }).encode()
    >>> file = len(header).to_bytes(8, "little") + header + np.array([1, 0.5], "<f4").tobytes()
    >>> stack = from_safetensors(file, activation="relu")
    >>> stack
    <RecurrentStack RNN_RELU 1 -> 1, 1 layers>
    >>> stack(np.ones((1, 3, 1)))[0].ravel()
    array([1.  , 1.5 , 1.75])
    """
    as_choice(activation, "activation", ("tanh", "relu"))
    if prefix is not None and not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str, got {type(prefix).__name__}")
    if not isinstance(source, str | os.PathLike | bytes):
        raise TypeError(f"source must be a path or bytes, got {type(source).__name__}")
    if isinstance(source, bytes):
        return _read(SafeTensors(io.BytesIO(source), "source"), prefix, activation, "source")
    with open(source, "rb") as file:
        name = os.fsdecode(source)
        return _read(SafeTensors(file, name), prefix, activation, name)


def _read(tensors: SafeTensors, prefix: str | None, activation: str, file: str) -> Any:
    modules: dict[str, list[re.Match[str]]] = {}
    for key in tensors.names():
        if match := _NAME.fullmatch(key):
            modules.setdefault(match[1] or "", []).append(match)
    if prefix is None:
        if len(modules) != 1:
            raise ValueError(
                f"{file} must hold the weights of one RNN, GRU or LSTM, or prefix name one; "
                + (f"it holds those of {shown(list(modules))}" if modules else "it holds none")
            )
        (prefix,) = modules
    prefix = prefix.removesuffix(".")
    if prefix not in modules:
        raise ValueError(f"prefix must be one of {shown(list(modules))} of {file}, got {prefix!r}")
    before = prefix + "." if prefix else ""
    weights = {match[0][len(before) :]: tensors.read(match[0]) for match in modules[prefix]}
    owner = f"{prefix!r} of {file}" if prefix else file
    layers = {match[2] for match in modules[prefix]}
    if layers == {None}:
        return cell_of(_kind(weights, "", activation, owner), weights, "", owner)
    # Of n layers those from 0 to n - 1; of what is missing or too much the names don't agree below.
    last = max(int(layer) for layer in layers if layer is not None)
    both = any(match[3] for match in modules[prefix])
    for layer in range(last + 1):
        if str(layer) not in layers:
            raise ValueError(f"{owner} must hold weights of layer {layer}, since it does of layer {last}")
    if None in layers:
        raise ValueError(f"{owner} must hold the weights of a cell or of layers, not of both")
    return stack_of(_kind(weights, "_l0", activation, owner), weights, last + 1, both, owner)


def _kind(weights: Mapping[str, Array], suffix: str, activation: str, owner: str) -> str:
    """What gates there are, by the shape of the state's weights: (gates * H, H), or (4 H, P) with a projection."""
    if f"weight_hr{suffix}" in weights:
        return "LSTM"
    U = weights.get(f"weight_hh{suffix}", np.empty(()))
    for gates, kind in ((1, f"RNN_{activation.upper()}"), (3, "GRU"), (4, "LSTM")):
        if U.ndim == 2 and U.shape[0] == gates * U.shape[1]:
            return kind
    raise ValueError(f"{owner} must hold a weight_hh{suffix} of shape (H, H), (3 H, H) or (4 H, H), got {U.shape}")
