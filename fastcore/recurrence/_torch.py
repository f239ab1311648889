"""Stacks and cells made of PyTorch's weights: of modules, and of tensors by the names that modules give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._cells import Cell, GRUCell, LSTMCell, SimpleRNNCell
from ._sequences import Array, as_numpy
from ._stack import RecurrentStack

_KINDS = ("RNN_TANH", "RNN_RELU", "GRU", "LSTM")


def from_torch(module: Any) -> Any:
    """Take over the weights of a ``torch.nn.RNN``, ``GRU`` or ``LSTM``, or of one of PyTorch's cells.

    Parameters
    ----------
    module : torch.nn.RNN, GRU, LSTM, RNNCell, GRUCell or LSTMCell
        With any number of layers, one or both directions, with or without biases and projections. Dropout is left
        out, as in evaluation. The weights are copied: later training doesn't reach the result.

    Returns
    -------
    RecurrentStack, SimpleRNNCell, GRUCell or LSTMCell
        A stack, called on an array (B, T, D), whatever the module's ``batch_first``, gives (outputs, state), NumPy
        arrays of the module's float type; those of modules in half precision or bfloat16 are float32. Of a
        PackedSequence the outputs are one too.

    Raises
    ------
    TypeError
        If it isn't such a module.
    ValueError
        If a weight isn't there by its name, as where it is made of others.

    Examples
    --------
    With PyTorch installed::

        module = torch.nn.LSTM(8, 16, num_layers=2, bidirectional=True)
        outputs, (h, c) = from_torch(module)(x)
    """
    names = [base.__name__ for base in type(module).__mro__]
    cell = next((name for name in ("RNNCell", "GRUCell", "LSTMCell") if name in names), None)
    kind = getattr(module, "mode", None)
    if (cell is None and kind not in _KINDS) or not hasattr(module, "state_dict"):
        raise TypeError(
            f"module must be a torch.nn.RNN, GRU or LSTM, or one of their cells, got {type(module).__name__}"
        )
    weights = {name: np.array(as_numpy(value)) for name, value in module.state_dict().items()}
    if cell is not None:
        relu = getattr(module, "nonlinearity", "tanh") == "relu"
        name = {"GRUCell": "GRU", "LSTMCell": "LSTM", "RNNCell": "RNN_RELU" if relu else "RNN_TANH"}[cell]
        return cell_of(name, weights, "", "module")
    assert isinstance(kind, str)
    return stack_of(kind, weights, module.num_layers, module.bidirectional, "module")


def stack_of(kind: str, weights: Mapping[str, Array], layers: int, both: bool, owner: str) -> RecurrentStack:
    """The stack of weights that are named as PyTorch's modules do."""
    suffixes = ("", "_reverse")[: 1 + both]
    return RecurrentStack(
        kind,
        [[cell_of(kind, weights, f"_l{layer}{suffix}", owner) for suffix in suffixes] for layer in range(layers)],
    )


def cell_of(kind: str, weights: Mapping[str, Array], suffix: str, owner: str) -> Cell:
    """The cell whose weights end in `suffix`; errors say whose they are."""

    def of(name: str, ndim: int) -> Array:
        found = weights.get(name + suffix)
        if found is None or found.ndim != ndim:
            got = "" if found is None else f", got shape {found.shape}"
            raise ValueError(f"{owner} must hold a {name}{suffix} of {ndim} dimensions{got}")
        return found

    W, U = of("weight_ih", 2).T, of("weight_hh", 2).T
    biases = np.zeros((2, U.shape[1]), U.dtype)
    if f"bias_ih{suffix}" in weights or f"bias_hh{suffix}" in weights:
        for row, name in zip(biases, ("bias_ih", "bias_hh")):
            bias = of(name, 1)
            if bias.shape != row.shape:
                raise ValueError(f"{name}{suffix} of {owner} must have shape {row.shape}, got {bias.shape}")
            row[:] = bias
    if kind == "GRU":
        return GRUCell(W, U, biases)
    if kind == "LSTM":
        projection = weights.get(f"weight_hr{suffix}")
        return LSTMCell(W, U, biases.sum(axis=0), projection=None if projection is None else projection.T)
    return SimpleRNNCell(W, U, biases.sum(axis=0), kind[4:].lower())
