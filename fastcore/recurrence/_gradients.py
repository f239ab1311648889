"""Exact gradients of the recurrent cells: back through time, every step of a sequence at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_flag
from ._cells import Cell, GRUCell, LSTMCell, SimpleRNNCell, swapped
from ._sequences import sequences


@dataclass(frozen=True, slots=True)
class CellGradients:
    """The gradient of a scalar by everything that went into a cell.

    Attributes
    ----------
    x
        By the input, in its form; 0 in the padding.
    W, U, b : ndarray
        By the weights and biases, of their shapes and in their order.
    h0 : ndarray
        By the state before the first step; one row a sequence unless all began with the same (H,).
    c0 : ndarray or None
        By an LSTM's cell before the first step.
    projection : ndarray or None
    """

    x: Any
    W: NDArray[Any]
    U: NDArray[Any]
    b: NDArray[Any]
    h0: NDArray[Any]
    c0: NDArray[Any] | None = None
    projection: NDArray[Any] | None = None


def simple_rnn_vjp(
    x: Any,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    activation: str = "tanh",
    *,
    dy: Any = None,
    dh: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
) -> CellGradients:
    """Take a gradient back through `simple_rnn`: of sum(dy * outputs) + sum(dh * state).

    Parameters
    ----------
    x, W, U, b, h0, activation, lengths, mask, reverse
        As in `simple_rnn`.
    dy : optional
        The gradient of a loss by the outputs, in their form. Default 0.
    dh : array_like, shape (B, H) or (H,), optional
        That by the last states. Default 0.

    Returns
    -------
    CellGradients
        The loss's gradient by all that went in. Of ReLU at 0 it is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    Three to six times the work of `simple_rnn`, and memory for every step of eight sequences at a time. Sums over steps
    are of the weights' own type. Truncated back-propagation is the same call on pieces of a sequence, each from the
    state that the piece before left.

    Examples
    --------
    >>> from fastcore.recurrence import simple_rnn_vjp
    >>> simple_rnn_vjp([[1.0], [1.0]], [[1.0]], [[0.5]], activation="relu", dh=[1.0]).U
    array([[1.]])
    """
    cell = SimpleRNNCell(W, U, b, activation)
    return pulled_back(cell, x, {"h0": h0}, dy, {"dh": dh}, lengths, mask, reverse)


def gru_vjp(
    x: Any,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    dy: Any = None,
    dh: ArrayLike | None = None,
    reset: str = "after",
    order: str = "rzn",
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
) -> CellGradients:
    """Take a gradient back through `gru`: of sum(dy * outputs) + sum(dh * state).

    Parameters
    ----------
    x, W, U, b, h0, reset, order, lengths, mask, reverse
        As in `gru`.
    dy : optional
        The gradient of a loss by the outputs, in their form. Default 0.
    dh : array_like, shape (B, H) or (H,), optional
        That by the last states. Default 0.

    Returns
    -------
    CellGradients
        The loss's gradient by all that went in.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    As for `simple_rnn_vjp`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import gru_vjp
    >>> gru_vjp(np.ones((4, 1)), np.ones((1, 3)), np.ones((1, 3)), dh=[1.0]).h0.round(6)
    array([0.283911])
    """
    cell = GRUCell(W, U, b, reset=reset, order=order)
    return pulled_back(cell, x, {"h0": h0}, dy, {"dh": dh}, lengths, mask, reverse)


def lstm_vjp(
    x: Any,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    dy: Any = None,
    dh: ArrayLike | None = None,
    dc: ArrayLike | None = None,
    projection: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
) -> CellGradients:
    """Take a gradient back through `lstm`: of sum(dy * outputs) + sum(dh * h) + sum(dc * c).

    Parameters
    ----------
    x, W, U, b, h0, c0, projection, lengths, mask, reverse
        As in `lstm`.
    dy : optional
        The gradient of a loss by the outputs, in their form. Default 0.
    dh, dc : array_like, shape (B, H) or (H,), optional
        Those by the last states and cells. Default 0.

    Returns
    -------
    CellGradients
        The loss's gradient by all that went in.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    As for `simple_rnn_vjp`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import lstm_vjp
    >>> lstm_vjp(np.ones((4, 1)), np.ones((1, 4)), np.ones((1, 4)), dc=[1.0]).c0.round(6)
    array([0.665683])
    """
    cell = LSTMCell(W, U, b, projection=projection)
    return pulled_back(cell, x, {"h0": h0, "c0": c0}, dy, {"dh": dh, "dc": dc}, lengths, mask, reverse)


def pulled_back(
    cell: Cell,
    x: Any,
    start: dict[str, Any],
    dy: Any,
    ends: dict[str, Any],
    lengths: Any,
    mask: Any,
    reverse: Any,
) -> CellGradients:
    backwards = as_flag(reverse, "reverse")
    batch = sequences(x, lengths, mask)
    cell.check_width(batch.rows, f"x {batch.rows.shape}")
    dtype = np.result_type(batch.rows, cell.W)
    states = cell.start(start, len(batch), dtype)
    grads = cell.start(ends, len(batch), dtype)
    width = cell.states
    by_outputs = np.zeros((len(batch.rows), width), dtype) if dy is None else batch.forth(dy, "dy", width, dtype)
    rows = np.ascontiguousarray(batch.rows, dtype)
    both = len(states) > 1
    dx, dW, dU, db, dprojection, dh0, dc0 = cell.kernel(dtype).vjp(
        rows,
        batch.offsets,
        states[0],
        states[1] if both else None,
        backwards,
        np.ascontiguousarray(by_outputs, dtype),
        grads[0],
        grads[1] if both else None,
    )
    if isinstance(cell, GRUCell) and cell.order == "zrn":
        dW, dU, db = map(swapped, (dW, dU, db))
    first = [of_state(grad, given, batch.form) for grad, given in zip((dh0, dc0), start.values()) if grad is not None]
    return CellGradients(
        batch.back(dx), dW, dU, db if cell.b.ndim == 2 else db[0], first[0], first[1] if both else None, dprojection
    )


def of_state(grad: NDArray[Any], given: Any, form: str) -> NDArray[Any]:
    """One row a sequence, but for one sequence, or one state that all began with."""
    if form == "one":
        found: NDArray[Any] = grad[0]
    else:
        found = grad.sum(axis=0) if given is not None and np.ndim(given) == 1 else grad
    return found
