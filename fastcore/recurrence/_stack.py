"""Layers of recurrent cells, and how they are made of PyTorch's modules."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_real
from .._workers import Workers
from ._cells import Cell, GRUCell, LSTMCell, SimpleRNNCell, as_pair
from ._sequences import Array, as_numpy, sequences

_KINDS = ("RNN_TANH", "RNN_RELU", "GRU", "LSTM")


class RecurrentStack:
    """Layers of recurrent cells, made by `from_torch`. Never changes: any number of threads may use one.

    Attributes
    ----------
    kind : {"RNN_TANH", "RNN_RELU", "GRU", "LSTM"}
    layers : list of list
        For each layer, for each direction, its cell, with the weights packed.
    """

    def __init__(self, kind: str, layers: list[list[Any]]) -> None:
        self.kind = kind
        self.layers: list[list[Cell]] = layers

    def __repr__(self) -> str:
        first = self.layers[0][0]
        both = ", both directions" if len(self.layers[0]) == 2 else ""
        return f"<RecurrentStack {self.kind} {first.inputs} -> {first.states}, {len(self.layers)} layers{both}>"

    def __call__(
        self,
        x: Any,
        state: Any = None,
        *,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        workers: Workers = 1,
    ) -> tuple[Any, Any]:
        """Run all layers.

        Parameters
        ----------
        x : array_like (B, T, D), list of ndarray (T_i, D), or PackedSequence
        state : array_like (layers * directions, B, H), or a pair of them for LSTM, optional
            Before the first step. Default 0.
        lengths : array_like of int, shape (B,), optional
            The number of steps of each sequence of a batch; what lies behind is never looked at: the backward direction
            begins with each sequence's own last step.
        mask : array_like of bool, shape (B, T), optional
            The same as a mask, left-aligned and without holes.
        workers : int, executor or map-like callable, default 1
            Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Tasks are runs of sequences.

        Returns
        -------
        outputs
            In the form of `x`, directions * H in the place of D; 0 in the padding.
        state : ndarray (layers * directions, B, H), or a pair of them for LSTM
            After each sequence's own last step.

        Raises
        ------
        TypeError, ValueError
            If an argument isn't of that kind or shape, or is NaN or infinite.
        """
        batch = sequences(x, lengths, mask)
        if batch.form == "one":
            raise ValueError(f"x must have 3 dimensions, got shape {batch.rows.shape}")
        first = self.layers[0][0]
        first.check_width(batch.rows, f"x {batch.rows.shape}")
        dtype = np.result_type(batch.rows, first.W)
        starts = self._starts(state, len(batch), dtype)
        ends: list[list[Array]] = []
        for layer in self.layers:
            outputs = []
            for direction, cell in enumerate(layer):
                try:
                    output, end = cell.rows(batch, starts[len(ends)], direction == 1, workers)
                except ValueError:
                    as_real(batch.rows, "x", inf=False)  # says which
                    raise
                outputs.append(output)
                ends.append(end)
            batch.rows = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)
        return batch.back(batch.rows), self._state(ends)

    def step(self, x: ArrayLike, state: Any = None) -> tuple[NDArray[Any], Any]:
        """One step of all layers, for sequences that come in pieces.

        Parameters
        ----------
        x : array_like, shape (B, D)
        state : array_like (layers, B, H), or a pair of them for LSTM, optional
            What the call before returned. Default 0.

        Returns
        -------
        outputs : ndarray, shape (B, H)
        state : ndarray (layers, B, H), or a pair of them for LSTM

        Raises
        ------
        TypeError
            If an argument isn't of that kind.
        ValueError
            If a shape doesn't match, there is NaN or infinity, or the stack has both directions: its last direction
            begins at the end.
        """
        if len(self.layers[0]) == 2:
            raise ValueError("a stack with both directions can't step: it needs each sequence's end")
        y = as_real(as_numpy(x), "x", ndim=2, inf=False)
        first = self.layers[0][0]
        first.check_width(y, f"x {y.shape}")
        y = np.ascontiguousarray(y, np.result_type(y, first.W))
        ends = []
        for (cell,), start in zip(self.layers, self._starts(state, len(y), y.dtype)):
            new = cell.kernel(y.dtype).step(y, start[0], start[1] if len(start) > 1 else None)
            y = new[0]
            ends.append(list(new[: len(start)]))
        return y, self._state(ends)

    def _starts(self, state: Any, count: int, dtype: Any) -> list[list[Array]]:
        """The parts of the state of each layer and direction."""
        cells = [cell for layer in self.layers for cell in layer]
        widths = cells[0].sizes()
        if state is None:
            return [[np.zeros((count, width), dtype) for width in widths] for _ in cells]
        parts = as_pair(state) if self.kind == "LSTM" else (state,)
        checked = [
            as_real(as_numpy(part), "state", shape=(len(cells), count, width), dtype=dtype, inf=False)
            for part, width in zip(parts, widths)
        ]
        return [[part[i] for part in checked] for i in range(len(cells))]

    def _state(self, ends: list[list[Array]]) -> Any:
        last = tuple(np.stack(parts) for parts in zip(*ends))
        return last if self.kind == "LSTM" else last[0]


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
        return _cell(name, weights, "")
    assert isinstance(kind, str)
    layers = []
    for layer in range(module.num_layers):
        suffixes = ("", "_reverse")[: 2 if module.bidirectional else 1]
        layers.append([_cell(kind, weights, f"_l{layer}{suffix}") for suffix in suffixes])
    return RecurrentStack(kind, layers)


def _cell(kind: str, weights: dict[str, Array], suffix: str) -> Cell:
    """The cell whose weights end in `suffix`."""
    W, U = weights[f"weight_ih{suffix}"].T, weights[f"weight_hh{suffix}"].T
    biases = np.zeros((2, W.shape[1]), W.dtype)
    if f"bias_ih{suffix}" in weights:
        biases[:] = [weights[f"bias_{part}{suffix}"] for part in ("ih", "hh")]
    if kind == "GRU":
        return GRUCell(W, U, biases)
    if kind == "LSTM":
        projection = weights.get(f"weight_hr{suffix}")
        return LSTMCell(W, U, biases.sum(axis=0), projection=None if projection is None else projection.T)
    return SimpleRNNCell(W, U, biases.sum(axis=0), kind[4:].lower())
