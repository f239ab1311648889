"""Simple recurrent units, whose gates don't wait for the state, and their exact gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_choice, as_flag, as_real
from ._gradients import of_state
from ._numbers import logistic
from ._rows import first_states, given_rows, of_one, scanned, scanned_vjp, weight
from ._sequences import Array, Sequences


@dataclass(frozen=True, slots=True)
class SRUGradients:
    """The gradient of a scalar by everything that went into a simple recurrent unit.

    Attributes
    ----------
    x
        By the input, in its form; 0 in the padding.
    W, b : ndarray
        By the weights and biases, of their shapes.
    c0 : ndarray
        By the state before the first step; one row a sequence unless all began with the same (H,).
    highway : ndarray or None
        None where there was none.
    """

    x: Any
    W: NDArray[Any]
    b: NDArray[Any]
    c0: NDArray[Any]
    highway: NDArray[Any] | None = None


def sru(
    x: Any,
    W: ArrayLike,
    b: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    activation: str = "identity",
    scale: float = 1.0,
    highway: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
) -> tuple[Any, NDArray[Any]]:
    """Run a simple recurrent unit: c[t] = f c[t-1] + (1 - f) x~, h[t] = r g(c[t]) + (1 - r) scale x[t].

    Parameters
    ----------
    x : array_like, list of ndarray, or PackedSequence
        A batch (B, T, D) of sequences or one (T, D); a list of sequences (T_i, D); sequences one after the other
        (N, D) with `lengths`; or PyTorch's PackedSequence.
    W : array_like, shape (D, 3 H)
        Weights of the input, columns for x~, forget gate f, reset gate r.
    b : array_like, shape (2 H,)
        Biases of f and r. Default 0.
    c0 : array_like, shape (B, H) or (H,), optional
        State before the first step. Default 0.
    activation : {"identity", "tanh"}
        The function g.
    scale : float, default 1
        What x is multiplied by on its way past the state, so that both ways carry as much: the paper has
        sqrt(1 + 2 exp(bias of r)).
    highway : array_like, shape (D, H), optional
        Weights of x on that way; needed where H isn't D.
    lengths : array_like of int, shape (B,), optional
        The number of steps of each sequence of a batch; what lies behind is never looked at.
    mask : array_like of bool, shape (B, T), optional
        The same as a mask, left-aligned and without holes.
    reverse : bool, default False
        Step from each sequence's last element to its first; outputs stand where their inputs did.

    Returns
    -------
    outputs : ndarray, list of ndarray, or PackedSequence
        All h, in the form of `x`, H in the place of D; float64, or float32 if all arrays are. Padding is 0.
    state : ndarray, shape (B, H) or (H,)
        Each sequence's last c.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    O(steps H D): a product, then a `linear_scan`, one for all sequences if they are of one length, else one each. The
    product is NumPy's, whose order of summation is its own.

    This is the unit of the paper's first version. The later one gives the gates v c[t-1] too, with a weight for each
    unit; then the steps are no linear scan any more (here v is 0).

    Source: T. Lei and others, *Simple recurrent units for highly parallelizable recurrence*, EMNLP 2018,
    https://arxiv.org/abs/1709.02755.

    Examples
    --------
    With gates of one half, states are halved and so is what is new:

    >>> import numpy as np
    >>> from fastcore.recurrence import sru
    >>> outputs, state = sru(np.ones((3, 1)), [[1.0, 0.0, 0.0]])
    >>> outputs[:, 0], state
    (array([0.75  , 0.875 , 0.9375]), array([0.875]))
    """
    unit = _checked(x, W, b, c0, activation, scale, highway, lengths, mask, reverse)
    states, last = unit.run()
    outputs = unit.reset * unit.activated(states) + (1 - unit.reset) * unit.past
    return unit.batch.back(outputs), of_one(last, unit.batch)


def sru_vjp(
    x: Any,
    W: ArrayLike,
    b: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    dy: Any = None,
    dc: ArrayLike | None = None,
    activation: str = "identity",
    scale: float = 1.0,
    highway: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
) -> SRUGradients:
    """Take a gradient back through `sru`: of sum(dy * outputs) + sum(dc * state).

    Parameters
    ----------
    x, W, b, c0, activation, scale, highway, lengths, mask, reverse
        As in `sru`.
    dy : optional
        The gradient of a loss by the outputs, in their form. Default 0.
    dc : array_like, shape (B, H) or (H,), optional
        That by the last states. Default 0.

    Returns
    -------
    SRUGradients
        The loss's gradient by all that went in.

    Raises
    ------
    TypeError, ValueError
        As in `sru`.

    Notes
    -----
    About three times the work of `sru`. Sums over steps are of the weights' own type. Truncated back-propagation is the
    same call on pieces of a sequence, each from the state that the piece before left.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import sru_vjp
    >>> sru_vjp(np.ones((3, 1)), [[1.0, 0.0, 0.0]], dc=[1.0]).c0
    array([0.125])
    """
    unit = _checked(x, W, b, c0, activation, scale, highway, lengths, mask, reverse)
    batch, dtype, units = unit.batch, unit.W.dtype, unit.new.shape[1]
    by_y = np.zeros(unit.new.shape, dtype) if dy is None else batch.forth(dy, "dy", units, dtype)
    by_last = first_states(dc, "dc", len(batch), units, dtype)
    states, _ = unit.run()
    made = unit.activated(states)
    through = by_y * unit.reset
    if unit.activation == "tanh":
        through = through * (1 - made * made)
    by_forget, by_forcing, by_start = scanned_vjp(
        batch, unit.forget, unit.forcing, unit.start, unit.reverse, through, by_last
    )
    by_sums = np.concatenate(
        [
            by_forcing * (1 - unit.forget),
            (by_forget - by_forcing * unit.new) * unit.forget * (1 - unit.forget),
            by_y * (made - unit.past) * unit.reset * (1 - unit.reset),
        ],
        axis=1,
    )
    by_past = by_y * (1 - unit.reset) * unit.scale
    dx = by_sums @ unit.W.T + (by_past if unit.highway is None else by_past @ unit.highway.T)
    return SRUGradients(
        batch.back(dx),
        batch.rows.T @ by_sums,
        by_sums[:, units:].sum(axis=0),
        of_state(by_start, c0, batch.form),
        None if unit.highway is None else batch.rows.T @ by_past,
    )


@dataclass(frozen=True, slots=True)
class _Unit:
    """What went in, checked, of one precision, and all that doesn't wait for the state."""

    batch: Sequences
    W: Array
    highway: Array | None
    new: Array  # x~
    forget: Array
    reset: Array
    forcing: Array
    past: Array  # what of x comes past the state
    start: Array
    activation: str
    scale: Any
    reverse: bool

    def run(self) -> tuple[Array, Array]:
        return scanned(self.batch, self.forget, self.forcing, self.start, self.reverse)

    def activated(self, states: Array) -> Array:
        return np.tanh(states) if self.activation == "tanh" else states


def _checked(
    x: Any,
    W: ArrayLike,
    b: ArrayLike | None,
    c0: ArrayLike | None,
    activation: Any,
    scale: Any,
    highway: ArrayLike | None,
    lengths: Any,
    mask: Any,
    reverse: Any,
) -> _Unit:
    backwards, chosen = as_flag(reverse, "reverse"), as_choice(activation, "activation", ("identity", "tanh"))
    batch = given_rows(x, lengths, mask)
    inputs, weights = batch.rows.shape[1], weight(W, "W")
    if weights.ndim != 2 or len(weights) != inputs or weights.shape[1] % 3:
        raise ValueError(f"W must have shape ({inputs}, 3 H) to match x, got {weights.shape}")
    units = weights.shape[1] // 3
    if highway is None and units != inputs:
        raise ValueError(f"highway must be given where x has {inputs} features and the unit {units} states")
    past = None if highway is None else weight(highway, "highway", (inputs, units))
    bias = None if b is None else weight(b, "b", (2 * units,))
    dtype = np.result_type(*(v for v in (batch.rows, weights, past, bias) if v is not None))
    batch.rows, weights = (v.astype(dtype, copy=False) for v in (batch.rows, weights))
    past = None if past is None else past.astype(dtype, copy=False)
    factor = as_real(scale, "scale", ndim=0, inf=False).astype(dtype)
    new, forget, reset = np.split(batch.rows @ weights, 3, axis=1)
    if bias is not None:
        forget, reset = forget + bias[:units], reset + bias[units:]
    forget, reset = logistic(forget), logistic(reset)
    return _Unit(
        batch,
        weights,
        past,
        new,
        forget,
        reset,
        (1 - forget) * new,
        (batch.rows if past is None else batch.rows @ past) * factor,
        first_states(c0, "c0", len(batch), units, dtype),
        chosen,
        factor,
        backwards,
    )
