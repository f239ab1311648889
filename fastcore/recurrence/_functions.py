"""Recurrent cells as functions: the weights come with each call."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from .._workers import Workers
from ._cells import GRUCell, LSTMCell, SimpleRNNCell


def simple_rnn(
    x: Any,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    activation: str = "tanh",
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
    workers: Workers = 1,
) -> tuple[Any, NDArray[Any]]:
    """Run Elman's recurrent network: h[t] = activation(x[t] W + h[t-1] U + b).

    Parameters
    ----------
    x : array_like, list of ndarray, or PackedSequence
        A batch (B, T, D) of sequences or one (T, D); a list of sequences (T_i, D); sequences one after the other
        (N, D) with `lengths`; or PyTorch's PackedSequence.
    W : array_like, shape (D, H)
        Weights of the input (PyTorch's ``weight_ih`` transposed).
    U : array_like, shape (H, H)
        Weights of the state before.
    b : array_like, shape (H,), optional
        Bias. Default 0.
    h0 : array_like, shape (B, H) or (H,), optional
        State before the first step. Default 0.
    activation : {"tanh", "relu"}
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
    outputs : ndarray, list of ndarray, or PackedSequence
        All states, in the form of `x`, H in the place of D; float64, or float32 if x, W and U are. Padding is 0.
    state : ndarray, shape (B, H) or (H,)
        Each sequence's last one.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    O(steps H (D + H)). Sums run in one order whatever the batch, but several terms may be rounded at once, and gates
    are within a few units in the last place: the twins agree to 1e-12 (1e-5 in float32) for weights of ordinary size.
    Weights are packed in every call: `SimpleRNNCell` packs them once.

    Examples
    --------
    >>> from fastcore.recurrence import simple_rnn
    >>> outputs, state = simple_rnn([[1.0], [1.0]], [[1.0]], [[0.5]], activation="relu")
    >>> outputs, state
    (array([[1. ],
           [1.5]]), array([1.5]))
    """
    cell = SimpleRNNCell(W, U, b, activation)
    return cell.run(x, h0, lengths=lengths, mask=mask, reverse=reverse, workers=workers)


def gru(
    x: Any,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    reset: str = "after",
    order: str = "rzn",
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
    workers: Workers = 1,
) -> tuple[Any, NDArray[Any]]:
    """Run gated recurrent units.

    Parameters
    ----------
    x : array_like, list of ndarray, or PackedSequence
        A batch (B, T, D) of sequences or one (T, D); a list of sequences (T_i, D); sequences one after the other
        (N, D) with `lengths`; or PyTorch's PackedSequence.
    W, U : array_like, shapes (D, 3 H) and (H, 3 H)
        Weights of the input and of the state, columns for reset gate r, update gate z, candidate n (PyTorch's
        ``weight_ih`` and ``weight_hh`` transposed).
    b : array_like, shape (2, 3 H), optional
        Biases added to x W and to h U. Default 0.
    reset : {"after", "before"}
        Whether the reset gate multiplies what comes out of the candidate's product with the state (PyTorch, cuDNN,
        Keras' ``reset_after=True``, ONNX' ``linear_before_reset=1``), or the state that goes into it (the paper).
    order : {"rzn", "zrn"}
        In which order the gates' columns come: PyTorch's, or that of Keras and ONNX.
    h0, lengths, mask, reverse, workers
        As in `simple_rnn`.

    Returns
    -------
    outputs, state
        As in `simple_rnn`.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    r = s(x W_r + h U_r), z = s(x W_z + h U_z), n = tanh(x W_n + r (h U_n)), h' = (1 - z) n + z h, each with its
    biases, s the logistic function; with ``reset="before"`` n = tanh(x W_n + (r h) U_n). Weights are packed in every
    call: `GRUCell` packs them once. Source: Cho et al., EMNLP 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import gru
    >>> outputs, state = gru(np.ones((4, 1)), np.ones((1, 3)), np.ones((1, 3)))
    >>> state.round(6)
    array([0.532541])
    """
    cell = GRUCell(W, U, b, reset=reset, order=order)
    return cell.run(x, h0, lengths=lengths, mask=mask, reverse=reverse, workers=workers)


def lstm(
    x: Any,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    projection: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
    workers: Workers = 1,
) -> tuple[Any, tuple[NDArray[Any], NDArray[Any]]]:
    """Run a long short-term memory.

    Parameters
    ----------
    x : array_like, list of ndarray, or PackedSequence
        A batch (B, T, D) of sequences or one (T, D); a list of sequences (T_i, D); sequences one after the other
        (N, D) with `lengths`; or PyTorch's PackedSequence.
    W, U : array_like, shapes (D, 4 H) and (H, 4 H), or (P, 4 H) with a projection
        Weights of the input and of the state, columns for input gate, forget gate, cell, output gate (PyTorch's
        ``weight_ih`` and ``weight_hh`` transposed; the order of Keras too).
    b : array_like, shape (4 H,), optional
        Bias. Default 0.
    h0, c0 : array_like, shape (B, H) or (H,), optional
        State and cell before the first step. Default 0. With a projection h0 has P columns.
    projection : array_like, shape (H, P), optional
        Multiplies h, which then has P columns (PyTorch's ``weight_hr`` transposed).
    lengths, mask, reverse, workers
        As in `simple_rnn`.

    Returns
    -------
    outputs : ndarray, list of ndarray, or PackedSequence
        All h, in the form of `x`; 0 in the padding.
    state : tuple of two ndarrays, shape (B, H) or (H,)
        Each sequence's last h and c.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    i, f, o = s(...), g = tanh(...), c' = f c + i g, h' = o tanh(c'), s the logistic function. Weights are packed in
    every call: `LSTMCell` packs them once. Source: Hochreiter and Schmidhuber, Neural Computation 9 (1997), with the
    forget gate of Gers et al. (2000).

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import lstm
    >>> outputs, (h, c) = lstm(np.ones((4, 1)), np.ones((1, 4)), np.ones((1, 4)))
    >>> h.round(6), c.round(6)
    (array([0.839741]), array([2.300544]))
    """
    cell = LSTMCell(W, U, b, projection=projection)
    return cell.run(x, h0, c0, lengths=lengths, mask=mask, reverse=reverse, workers=workers)
