"""Layers of recurrent cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_choice, as_real
from .._workers import Workers
from ._cells import Cell, GRUCell, LSTMCell, SimpleRNNCell, as_pair
from ._sequences import Array, as_numpy, sequences

# The class of a kind's cells, and their activation.
_CELLS: dict[str, tuple[type[Cell], str]] = {
    "RNN_TANH": (SimpleRNNCell, "tanh"),
    "RNN_RELU": (SimpleRNNCell, "relu"),
    "GRU": (GRUCell, ""),
    "LSTM": (LSTMCell, ""),
}


class RecurrentStack:
    """Layers of recurrent cells, made by `from_torch`, `from_safetensors` or `from_onnx`.

    Never changes: any number of threads may use one.

    Attributes
    ----------
    kind : {"RNN_TANH", "RNN_RELU", "GRU", "LSTM"}
    layers : list of list
        For each layer, for each direction, its cell, with the weights packed.
    reverse : list of list of bool
        For each of these cells whether it steps from the last element to the first.
    """

    def __init__(self, kind: str, layers: list[list[Any]], reverse: list[list[bool]] | None = None) -> None:
        self.kind = as_choice(kind, "kind", ("RNN_TANH", "RNN_RELU", "GRU", "LSTM"))
        if not layers or not all(layers):
            raise ValueError("layers must hold at least one layer, and each a cell, got none")
        wanted, activation = _CELLS[kind]
        for cell in (cell for layer in layers for cell in layer):
            if type(cell) is not wanted or activation not in ("", cell.kind):
                raise ValueError(
                    f"the layers of a stack of kind {kind!r} must be {wanted.__name__}s of it, got {cell!r}"
                )
        self.layers: list[list[Cell]] = layers
        self.reverse = [[False, True][: len(layer)] for layer in layers] if reverse is None else reverse
        if [*map(len, self.reverse)] != [*map(len, layers)] or max(map(len, layers)) > 2:
            raise ValueError("layers must hold one cell or two each, and reverse a direction for each of them")
        sizes = layers[0][0].sizes()
        for before, layer in zip([[], *layers], layers):
            width = sum(cell.states for cell in before) or layer[0].inputs
            for cell in layer:
                if (cell.inputs, cell.sizes()) != (width, sizes):
                    raise ValueError(
                        f"the layers of a stack must fit: expected a cell of {width} features with states of {sizes} "
                        f"units, got {cell!r}"
                    )

    def __repr__(self) -> str:
        first = self.layers[0][0]
        what = {(False,): "", (True,): ", reverse", (False, True): ", both directions"}
        directions = ", ".join(dict.fromkeys(what[tuple(layer)][2:] for layer in self.reverse))
        text = f"{self.kind} {first.inputs} -> {first.states}, {len(self.layers)} layers"
        return f"<RecurrentStack {text}{directions and ', '}{directions}>"

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
            raise ValueError(f"x must have 3 dimensions, (B, T, D), got shape {batch.rows.shape}: give x[None]")
        given = batch.rows
        dtype = self._type(given, x)
        starts = self._starts(state, len(batch), dtype)
        ends: list[list[Array]] = []
        for layer, reverse in zip(self.layers, self.reverse):
            outputs = []
            for cell, backwards in zip(layer, reverse):
                try:
                    output, end = cell.rows(batch, starts[len(ends)], backwards, workers)
                except ValueError:
                    as_real(given, "x", inf=False)  # says which
                    raise self._overflow(dtype) from None
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
            If a shape doesn't match, there is NaN or infinity, or a direction of the stack begins at the end.
        """
        if any(True in layer for layer in self.reverse):
            both = "both directions" if len(self.layers[0]) == 2 else "a reverse direction"
            raise ValueError(f"a stack with {both} can't step: it needs each sequence's end")
        y = as_real(as_numpy(x), "x", ndim=2, inf=False)
        y = np.ascontiguousarray(y, self._type(y, y))
        ends = []
        for (cell,), start in zip(self.layers, self._starts(state, len(y), y.dtype)):
            try:
                new = cell.kernel(y.dtype).step(y, start[0], start[1] if len(start) > 1 else None)
            except ValueError:
                raise self._overflow(y.dtype) from None
            y = new[0]
            ends.append(list(new[: len(start)]))
        return y, self._state(ends)

    def _type(self, rows: Array, x: Any) -> Any:
        """The type that is computed in, of x whose rows have as many features as the first layer asks for."""
        wanted = self.layers[0][0].inputs
        if rows.shape[1] != wanted:
            got = np.shape(x) if isinstance(x, np.ndarray) else rows.shape
            raise ValueError(f"x must have {wanted} features, got shape {got}")
        return np.result_type(rows, *(cell.W for layer in self.layers for cell in layer))

    def _overflow(self, dtype: Any) -> ValueError:
        # Only what a ReLU gives may be that large.
        return ValueError(f"x must hold smaller numbers: what a layer gives overflows {np.dtype(dtype).name}")

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
