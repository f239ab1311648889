"""The selective scan of Mamba's state-space layers, and its exact gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import kernels
from .._validation import as_flag, as_real
from ._numbers import logistic

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class SelectiveScanGradients:
    """The gradient of a scalar by everything that went into a selective scan, each part of its argument's shape.

    Attributes
    ----------
    x, delta, A, B, C : ndarray
    D, z : ndarray or None
        None where there was none.
    h0 : ndarray
        By the state before the first step.
    """

    x: Array
    delta: Array
    A: Array
    B: Array
    C: Array
    D: Array | None
    z: Array | None
    h0: Array


@dataclass(frozen=True, slots=True)
class _Input:
    """What went in, checked, as a batch."""

    x: Array
    delta: Array
    A: Array
    B: Array
    C: Array
    D: Array | None
    z: Array | None
    h0: Array
    reverse: bool
    single: bool

    def scanned(self) -> tuple[Array, Array]:
        """The outputs before the gate, and the last state."""
        y, last = np.zeros_like(self.x), self.h0.copy()
        if self.x.size:
            skip = np.zeros(self.x.shape[2], self.x.dtype) if self.D is None else self.D
            kernels("recurrence.selective").selective_scan(
                self.x, self.delta, self.A, self.B, self.C, skip, self.h0, self.reverse, y, last
            )
        return y, last

    def back(self, value: Array) -> Array:
        """A batch in the form of the input."""
        found: Array = value[0] if self.single else value
        return found


def selective_scan(
    x: ArrayLike,
    delta: ArrayLike,
    A: ArrayLike,
    B: ArrayLike,
    C: ArrayLike,
    D: ArrayLike | None = None,
    z: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    reverse: bool = False,
) -> tuple[Array, Array]:
    """Run a state-space layer whose step size, input and output weights change with the step, as Mamba's do.

    For each channel h[t] = exp(delta[t] A) h[t-1] + delta[t] x[t] B[t], y[t] = sum(C[t] h[t]) + D x[t], with a gate
    times z[t] / (1 + exp(-z[t])).

    Parameters
    ----------
    x : array_like, shape (T, M) or (batch, T, M)
        The input, M channels a step.
    delta : array_like, shape of `x`
        The step sizes, at least 0: in models the softplus of a projection.
    A : array_like, shape (M, N)
        The rates of each channel's N states, at most 0: in models -exp(A_log).
    B, C : array_like, shape (T, N) or (batch, T, N)
        How the input goes into the states, and how they make the output.
    D : array_like, shape (M,), optional
        What of the input goes straight to the output. Default 0.
    z : array_like, shape of `x`, optional
        The gate. Default none.
    h0 : array_like, shape (M, N) or (batch, M, N), optional
        The state before the first step. Default 0.
    reverse : bool, default False
        Start at the last step and go towards the first.

    Returns
    -------
    y : ndarray, shape of `x`
        The outputs, float64, or float32 if all arrays are.
    state : ndarray, shape (M, N) or (batch, M, N)
        The last state, from which the next piece of the sequence can go on.

    Raises
    ------
    TypeError
        If the input isn't real numbers.
    ValueError
        If shapes don't fit, numbers aren't finite, `delta` is below 0 or `A` above 0.

    Notes
    -----
    O(T M N) time for each sequence; no array of states is made. exp is within an ulp or so, 0 below exp(-708) (float32:
    exp(-86)), and several terms may be rounded at once.

    Source: A. Gu, T. Dao, *Mamba: linear-time sequence modeling with selective state spaces*, 2023,
    https://arxiv.org/abs/2312.00752.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import selective_scan
    >>> x, delta, ones = np.ones((3, 1)), np.full((3, 1), np.log(2.0)), np.ones((3, 1))
    >>> y, state = selective_scan(x / np.log(2.0), delta, [[-1.0]], ones, ones)
    >>> y[:, 0].round(12)
    array([1.  , 1.5 , 1.75])
    """
    given = _checked(x, delta, A, B, C, D, z, h0, reverse)
    y, last = given.scanned()
    if given.z is not None:
        y *= given.z * logistic(given.z)
    return given.back(y), given.back(last)


def selective_scan_vjp(
    x: ArrayLike,
    delta: ArrayLike,
    A: ArrayLike,
    B: ArrayLike,
    C: ArrayLike,
    D: ArrayLike | None = None,
    z: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    dy: ArrayLike | None = None,
    dh: ArrayLike | None = None,
    reverse: bool = False,
) -> SelectiveScanGradients:
    """Take a gradient back through `selective_scan`: of sum(dy * y) + sum(dh * state).

    Parameters
    ----------
    x, delta, A, B, C, D, z, h0, reverse
        As in `selective_scan`.
    dy : array_like, shape of `x`, optional
        The gradient of a loss by the outputs. Default 0.
    dh : array_like, shape of the state, optional
        That by the last state. Default 0.

    Returns
    -------
    SelectiveScanGradients
        The loss's gradient by all that went in.

    Raises
    ------
    TypeError, ValueError
        As in `selective_scan`.

    Notes
    -----
    States aren't kept but computed again, some steps at a time: about five times the work of `selective_scan`. Sums are
    of the arrays' own type.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import selective_scan_vjp
    >>> ones = np.ones((3, 1))
    >>> selective_scan_vjp(ones, ones, [[0.0]], ones, ones, dh=[[1.0]]).A
    array([[3.]])
    """
    given = _checked(x, delta, A, B, C, D, z, h0, reverse)
    dtype = given.x.dtype
    outer = 0 if given.single else 1
    form, state = given.x.shape[1 - outer :], given.h0.shape[1 - outer :]
    by_y = np.zeros(form, dtype) if dy is None else as_real(dy, "dy", shape=form, dtype=dtype, inf=False)
    by_last = np.zeros(state, dtype) if dh is None else as_real(dh, "dh", shape=state, dtype=dtype, inf=False)
    by_y, by_last = by_y.reshape(given.x.shape), by_last.reshape(given.h0.shape)
    by_z = None
    if given.z is not None:
        y, gate = given.scanned()[0], logistic(given.z)
        by_z = given.back(by_y * y * gate * (1 + given.z * (1 - gate)))
        by_y = by_y * given.z * gate
    dx, ddelta, dA, dB, dC, dh0 = (
        np.zeros_like(v) for v in (given.x, given.delta, given.A, given.B, given.C, given.h0)
    )
    if given.x.size:
        kernels("recurrence.selective").selective_scan_vjp(
            given.x,
            given.delta,
            given.A,
            given.B,
            given.C,
            given.h0,
            given.reverse,
            by_y,
            by_last,
            dx,
            ddelta,
            dA,
            dB,
            dC,
            dh0,
        )
    else:
        dh0 = by_last.copy()
    by_skip = None
    if given.D is not None:
        dx += by_y * given.D
        by_skip = (by_y * given.x).sum(axis=(0, 1))
    back = given.back
    # One state that all sequences began with has one gradient.
    by_start = dh0.sum(axis=0) if h0 is not None and np.ndim(h0) == 2 and not given.single else back(dh0)
    return SelectiveScanGradients(back(dx), back(ddelta), dA, back(dB), back(dC), by_skip, by_z, by_start)


def _checked(
    x: ArrayLike,
    delta: ArrayLike,
    A: ArrayLike,
    B: ArrayLike,
    C: ArrayLike,
    D: ArrayLike | None,
    z: ArrayLike | None,
    h0: ArrayLike | None,
    reverse: bool,
) -> _Input:
    inputs, rates = as_real(x, "x", ndim=(2, 3), inf=False), as_real(A, "A", ndim=2, inf=False)
    form, (channels, states) = inputs.shape, rates.shape
    if not states:
        raise ValueError(f"A must have at least one state a channel, got shape {rates.shape}")
    if channels != form[-1]:
        raise ValueError(f"A must have a row for each of x's {form[-1]} channels, got shape {rates.shape}")
    sizes = as_real(delta, "delta", shape=form, inf=False)
    into, out = (as_real(v, name, shape=(*form[:-1], states), inf=False) for v, name in ((B, "B"), (C, "C")))
    skip = None if D is None else as_real(D, "D", shape=(channels,), inf=False)
    gate = None if z is None else as_real(z, "z", shape=form, inf=False)
    begin = None
    if h0 is not None:
        one = np.ndim(h0) == 2 or len(form) == 2
        begin = as_real(h0, "h0", shape=(channels, states) if one else (form[0], channels, states), inf=False)
    if (rates > 0).any():
        raise ValueError(f"A must be at most 0 (in models, -exp(A_log)), got {rates.max()}")
    if (sizes < 0).any():
        raise ValueError(f"delta must be at least 0 (in models, the softplus of a projection), got {sizes.min()}")
    parts = [v for v in (inputs, sizes, rates, into, out, skip, gate, begin) if v is not None]
    dtype = np.result_type(*parts)
    batch = 1 if len(form) == 2 else form[0]

    def whole(value: Array) -> Array:
        return value.astype(dtype, copy=False).reshape(batch, form[-2], value.shape[-1])

    start = np.zeros((), dtype) if begin is None else begin.astype(dtype)
    return _Input(
        whole(inputs),
        whole(sizes),
        rates.astype(dtype, copy=False),
        whole(into),
        whole(out),
        None if skip is None else skip.astype(dtype, copy=False),
        None if gate is None else whole(gate),
        np.ascontiguousarray(np.broadcast_to(start, (batch, channels, states))),
        as_flag(reverse, "reverse"),
        len(form) == 2,
    )
