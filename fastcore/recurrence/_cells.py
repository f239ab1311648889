"""Recurrent cells: weights that are packed once, whole sequences or one step at a time."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import active_backend, kernels
from .._immutable import Immutable
from .._validation import as_choice, as_flag, as_real
from .._workers import Workers, gathered, n_threads, run
from ._sequences import Array, Sequences, as_numpy, sequences

# Sequences a task, when a batch is shared among workers.
_BATCH = 32


class Cell(Immutable):
    """What the cells have in common. Never changes, so that any number of threads may use one.

    Attributes
    ----------
    W, U, b : ndarray
        As given, read-only; a GRU's in the order r, z, n.
    projection : ndarray or None
    """

    gates: ClassVar[int] = 1
    # The parts of its state.
    parts: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(
        self, kind: str, W: ArrayLike, U: ArrayLike, b: ArrayLike | None, projection: ArrayLike | None = None
    ) -> None:
        W, U = (as_real(as_numpy(v), name, ndim=2, inf=False) for v, name in ((W, "W"), (U, "U")))
        dtype = np.result_type(W, U)
        gates = self.gates
        if gates * (U.shape[1] // gates) != U.shape[1] or (projection is None and U.shape[1] != gates * len(U)):
            wanted = "H" if gates == 1 else f"{gates} H"
            raise ValueError(f"U must have shape ({'H' if projection is None else 'P'}, {wanted}), got {U.shape}")
        if W.shape[1] != U.shape[1]:
            raise ValueError(f"W must have shape (D, {U.shape[1]}) to match U {U.shape}, got {W.shape}")
        shape = self._bias_shape(U.shape[1])
        bias = np.zeros(shape, dtype) if b is None else as_real(as_numpy(b), "b", shape=shape, dtype=dtype, inf=False)
        self.projection = None
        if projection is not None:
            size = (U.shape[1] // gates, len(U))
            self.projection = _kept(as_real(as_numpy(projection), "projection", shape=size, dtype=dtype, inf=False))
        self.kind = kind
        self.W, self.U, self.b = _kept(W.astype(dtype, copy=False)), _kept(U.astype(dtype, copy=False)), _kept(bias)
        self._backend = active_backend()
        self._set_up()

    def _set_up(self) -> None:
        self._kernels: dict[Any, Any] = {}
        # What the short way of a step compares with.
        self._dtype = self.W.dtype
        self._step = self.kernel(self._dtype).step

    def _bias_shape(self, columns: int) -> tuple[int, ...]:
        return (columns,)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_kernels", "_step", "_dtype")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for array in (self.W, self.U, self.b, self.projection):
            if array is not None:
                array.flags.writeable = False  # which pickle forgets
        self._set_up()

    def __repr__(self) -> str:
        to = "" if self.projection is None else f" -> {self.states}"
        return f"<{type(self).__name__} {self.inputs} -> {self.hidden}{to}, {self._dtype}>"

    @property
    def inputs(self) -> int:
        """Number of features of x."""
        return len(self.W)

    @property
    def hidden(self) -> int:
        """Number of units."""
        return int(self.W.shape[1]) // self.gates

    @property
    def states(self) -> int:
        """Number of outputs: of units, or of what they are projected to."""
        return len(self.U)

    def kernel(self, dtype: Any) -> Any:
        """The kernel's object for this type of numbers, made once."""
        dtype = np.dtype(dtype)
        found = self._kernels.get(dtype)
        if found is None:
            W, U, b, projection = (
                None if v is None else np.ascontiguousarray(v, dtype)
                for v in (self.W, self.U, self._biases(), self.projection)
            )
            found = kernels("recurrence.cells", self._backend).Cell(self.kind, W, U, b, projection)
            self._kernels[dtype] = found
        return found

    def _biases(self) -> Array:
        """Of x W and of h U, (2, G H)."""
        return np.stack([self.b, np.zeros_like(self.b)]) if self.b.ndim == 1 else self.b

    def check_width(self, x: Array, name: str) -> None:
        if x.shape[-1] != self.inputs:
            raise ValueError(f"W must have shape {(x.shape[-1], self.W.shape[1])} to match {name}, got {self.W.shape}")

    def sizes(self) -> tuple[int, ...]:
        """The widths of the parts of the state."""
        return (self.states, self.hidden)[: len(self.parts)]

    def start(self, given: dict[str, Any], batch: int, dtype: Any) -> list[Array]:
        """The parts of the state, checked, one row a sequence."""
        parts = []
        for (name, value), width in zip(given.items(), self.sizes()):
            shape = (batch, width)
            if value is None:
                parts.append(np.zeros(shape, dtype))
                continue
            state = as_real(as_numpy(value), name, dtype=dtype, inf=False)
            if state.shape not in ((width,), shape):
                raise ValueError(f"{name} must have shape {shape} or {(width,)}, got {state.shape}")
            parts.append(np.ascontiguousarray(np.broadcast_to(state, shape)))
        return parts

    def rows(self, batch: Sequences, start: list[Array], reverse: bool, workers: Workers) -> tuple[Array, list[Array]]:
        """Run checked sequences: outputs (N, P) and the parts of the last states."""
        dtype = start[0].dtype
        x = np.ascontiguousarray(batch.rows, dtype)
        kernel = self.kernel(dtype)
        if type(workers) is int and workers == 1:
            y, *state = kernel.run(x, batch.offsets, start[0], start[1] if len(start) > 1 else None, reverse)
            return y, state[: len(start)]
        count = len(batch)
        size = _BATCH if n_threads(workers) > 1 else max(count, 1)
        tasks = []
        for i in range(0, max(count, 1), size):
            offsets = batch.offsets[i : i + size + 1]
            piece = x[offsets[0] : offsets[-1]]
            tasks.append((self, piece, offsets - offsets[0], [part[i : i + size] for part in start], reverse))
        y, *state = gathered(run(_run_piece, tasks, workers))
        return y, state

    def run_dict(
        self, x: Any, given: dict[str, Any], lengths: Any, mask: Any, reverse: Any, workers: Workers
    ) -> tuple[Any, list[Array]]:
        """Run sequences in the caller's form; `given`: the parts of the state by the names that callers know."""
        backwards = as_flag(reverse, "reverse")
        batch = sequences(x, lengths, mask)
        self.check_width(batch.rows, f"x {np.shape(x) if batch.form in ('one', 'padded') else batch.rows.shape}")
        dtype = np.result_type(batch.rows, self.W)
        start = self.start(given, len(batch), dtype)
        try:
            rows, state = self.rows(batch, start, backwards, workers)
        except ValueError:
            as_real(batch.rows, "x", inf=False)  # says which
            raise
        return batch.back(rows), [part[0] for part in state] if batch.form == "one" else state

    def _one(self, x: Any, given: dict[str, Any]) -> list[Array]:
        """One step, whatever the arguments are."""
        array = as_real(as_numpy(x), "x", ndim=(1, 2), inf=False)
        self.check_width(array, f"x {array.shape}")
        dtype = np.result_type(array, self.W)
        rows = np.ascontiguousarray(np.atleast_2d(array), dtype)
        start = self.start(given, len(rows), dtype)
        state: tuple[Array, ...] = self.kernel(dtype).step(rows, start[0], start[1] if len(start) > 1 else None)
        return [part[0] if array.ndim == 1 else part for part in state[: len(start)]]


def _run_piece(task: tuple[Cell, Array, NDArray[np.int64], list[Array], bool]) -> tuple[Array, ...]:
    cell, x, offsets, start, reverse = task
    kernel = cell.kernel(x.dtype)
    found: tuple[Array, ...] = kernel.run(x, offsets, start[0], start[1] if len(start) > 1 else None, reverse)
    return found[: 1 + len(start)]


def _kept(array: Array) -> Array:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


class _OnePart(Cell):
    """A cell whose state is h."""

    def __call__(self, x: ArrayLike, h: ArrayLike | None = None) -> Array:
        """One step.

        Parameters
        ----------
        x : array_like, shape (B, D) or (D,)
        h : array_like, shape (B, H) or (H,), optional
            The state before. Default 0.

        Returns
        -------
        ndarray, shape (B, H) or (H,)
            The state after, which is the output.

        Raises
        ------
        TypeError, ValueError
            If an argument isn't of that kind or shape, or is NaN or infinite.
        """
        # Arrays that need nothing done to them go straight to the kernel.
        if (
            type(x) is np.ndarray
            and type(h) is np.ndarray
            and x.dtype is self._dtype
            and h.dtype is self._dtype
            and x.ndim == 2
            and h.shape == (x.shape[0], self.U.shape[0])
            and x.shape[1] == self.W.shape[0]
            and x.flags.c_contiguous
            and x.flags.aligned
            and h.flags.c_contiguous
        ):
            after: Array = self._step(x, h, None)[0]
            return after
        return self._one(x, {"h": h})[0]

    def run(
        self,
        x: Any,
        h0: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        reverse: bool = False,
        workers: Workers = 1,
    ) -> tuple[Any, Array]:
        """Run sequences.

        Parameters
        ----------
        x : array_like, list of ndarray, or PackedSequence
            A batch (B, T, D) of sequences or one (T, D); a list of sequences (T_i, D); sequences one after the other
            (N, D) with `lengths`; or PyTorch's PackedSequence.
        h0 : array_like, shape (B, H) or (H,), optional
            State before the first step. Default 0.
        lengths : array_like of int, shape (B,), optional
            The number of steps of each sequence of a batch; what lies behind is never looked at.
        mask : array_like of bool, shape (B, T), optional
            The same as a mask, left-aligned and without holes.
        reverse : bool, default False
            Step from each sequence's last element to its first; outputs stand where their inputs did.
        workers : int, executor or map-like callable, default 1
            Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Tasks are runs of sequences.

        Returns
        -------
        outputs
            All states, in the form of `x`; 0 in the padding.
        state : ndarray, shape (B, H) or (H,)
            Each sequence's last one.

        Raises
        ------
        TypeError, ValueError
            If an argument isn't of that kind or shape, or is NaN or infinite.
        """
        outputs, (h,) = self.run_dict(x, {"h0": h0}, lengths, mask, reverse, workers)
        return outputs, h


class SimpleRNNCell(_OnePart):
    """Elman's recurrent cell with its weights packed once: h[t] = activation(x[t] W + h[t-1] U + b).

    Parameters
    ----------
    W, U, b, activation
        As in `simple_rnn`.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Examples
    --------
    >>> from fastcore.recurrence import SimpleRNNCell
    >>> cell = SimpleRNNCell([[1.0]], [[0.5]], activation="relu")
    >>> h = cell([1.0])
    >>> cell([1.0], h)
    array([1.5])
    """

    def __init__(self, W: ArrayLike, U: ArrayLike, b: ArrayLike | None = None, activation: str = "tanh") -> None:
        super().__init__(as_choice(activation, "activation", ("tanh", "relu")), W, U, b)


class GRUCell(_OnePart):
    """Gated recurrent units with their weights packed once.

    Parameters
    ----------
    W, U, b, reset, order
        As in `gru`.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    Called, it makes one step; `run` runs sequences. A step of ready arrays (C-contiguous, of the weights' type, two
    dimensions) costs some two microseconds besides the products.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import GRUCell
    >>> cell = GRUCell(np.ones((1, 3)), np.ones((1, 3)))
    >>> h = np.zeros((1, 1))
    >>> for _ in range(4):
    ...     h = cell(np.ones((1, 1)), h)
    >>> h.round(6)
    array([[0.532541]])
    """

    gates: ClassVar[int] = 3

    def __init__(
        self, W: ArrayLike, U: ArrayLike, b: ArrayLike | None = None, *, reset: str = "after", order: str = "rzn"
    ) -> None:
        after = as_choice(reset, "reset", ("after", "before")) == "after"
        self.order = as_choice(order, "order", ("rzn", "zrn"))
        if self.order == "zrn":
            W, U, b = (  # type: ignore[assignment]
                None if v is None else swapped(as_real(as_numpy(v), name, nan=True))
                for v, name in ((W, "W"), (U, "U"), (b, "b"))
            )
        super().__init__("gru" if after else "gru_before", W, U, b)

    def _bias_shape(self, columns: int) -> tuple[int, ...]:
        return (2, columns)


def swapped(array: Array) -> Array:
    """The first two blocks of columns the other way round; what has no three blocks is refused later, as it is."""
    if array.ndim == 0 or array.shape[-1] % 3:
        return array
    first, second, third = np.split(array, 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)


class LSTMCell(Cell):
    """A long short-term memory with its weights packed once.

    Parameters
    ----------
    W, U, b, projection
        As in `lstm`.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    Called, it makes one step; `run` runs sequences. A step of ready arrays (C-contiguous, of the weights' type, two
    dimensions) costs some two microseconds besides the products.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import LSTMCell
    >>> cell = LSTMCell(np.ones((1, 4)), np.ones((1, 4)))
    >>> state = None
    >>> for _ in range(4):
    ...     state = cell(np.ones(1), state)
    >>> state[0].round(6), state[1].round(6)
    (array([0.839741]), array([2.300544]))
    """

    gates: ClassVar[int] = 4
    parts: ClassVar[tuple[str, ...]] = ("h", "c")

    def __init__(
        self, W: ArrayLike, U: ArrayLike, b: ArrayLike | None = None, *, projection: ArrayLike | None = None
    ) -> None:
        super().__init__("lstm", W, U, b, projection)

    def __call__(self, x: ArrayLike, state: Any = None) -> tuple[Array, Array]:
        """One step.

        Parameters
        ----------
        x : array_like, shape (B, D) or (D,)
        state : pair of array_like, shapes (B, P) and (B, H), or (P,) and (H,), optional
            h and c before. Default 0. P is H unless h is projected.

        Returns
        -------
        tuple of two ndarrays
            h, which is the output, and c after.

        Raises
        ------
        TypeError, ValueError
            If an argument isn't of that kind or shape, or is NaN or infinite.
        """
        if type(state) is tuple and len(state) == 2:
            h, c = state
            if (
                type(x) is np.ndarray
                and type(h) is np.ndarray
                and type(c) is np.ndarray
                and x.dtype is self._dtype
                and h.dtype is self._dtype
                and c.dtype is self._dtype
                and x.ndim == 2
                and h.shape == (x.shape[0], self.U.shape[0])
                and c.shape == (x.shape[0], self.U.shape[1] >> 2)
                and x.shape[1] == self.W.shape[0]
                and x.flags.c_contiguous
                and x.flags.aligned
                and h.flags.c_contiguous
                and c.flags.c_contiguous
            ):
                after: tuple[Array, Array] = self._step(x, h, c)
                return after
        h, c = as_pair(state)
        new_h, new_c = self._one(x, {"h": h, "c": c})
        return new_h, new_c

    def run(
        self,
        x: Any,
        h0: ArrayLike | None = None,
        c0: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        reverse: bool = False,
        workers: Workers = 1,
    ) -> tuple[Any, tuple[Array, Array]]:
        """Run sequences.

        Parameters
        ----------
        x : array_like, list of ndarray, or PackedSequence
            A batch (B, T, D) of sequences or one (T, D); a list of sequences (T_i, D); sequences one after the other
            (N, D) with `lengths`; or PyTorch's PackedSequence.
        h0 : array_like, shape (B, P) or (P,), optional
            State before the first step. Default 0. P is H unless h is projected.
        c0 : array_like, shape (B, H) or (H,), optional
            Cell before the first step. Default 0.
        lengths : array_like of int, shape (B,), optional
            The number of steps of each sequence of a batch; what lies behind is never looked at.
        mask : array_like of bool, shape (B, T), optional
            The same as a mask, left-aligned and without holes.
        reverse : bool, default False
            Step from each sequence's last element to its first; outputs stand where their inputs did.
        workers : int, executor or map-like callable, default 1
            Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Tasks are runs of sequences.

        Returns
        -------
        outputs
            All h, in the form of `x`; 0 in the padding.
        state : tuple of two ndarrays, shapes (B, P) and (B, H), or (P,) and (H,)
            Each sequence's last h and c.

        Raises
        ------
        TypeError, ValueError
            If an argument isn't of that kind or shape, or is NaN or infinite.
        """
        outputs, (h, c) = self.run_dict(x, {"h0": h0, "c0": c0}, lengths, mask, reverse, workers)
        return outputs, (h, c)


def as_pair(state: Any) -> tuple[Any, Any]:
    """An LSTM's h and c, both None by default."""
    if state is None:
        return None, None
    if not isinstance(state, tuple | list) or len(state) != 2:
        raise TypeError(f"state must be a pair (h, c) for an LSTM, got {type(state).__name__}")
    return state[0], state[1]
