"""Linear recurrent units: a diagonal complex state between two products, and their exact gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_flag, as_real
from ._gradients import of_state
from ._rows import first_states, given_rows, of_one, scanned, scanned_vjp, weight
from ._sequences import Array, Sequences


@dataclass(frozen=True, slots=True)
class LRUGradients:
    """The gradient of a scalar by everything that went into a linear recurrent unit.

    Of complex arguments dL/d(real part) - i dL/d(imaginary part), as `linear_scan_vjp` has it.

    Attributes
    ----------
    x
        By the input, in its form; 0 in the padding.
    nu_log, theta_log, gamma_log : ndarray
    B, C : ndarray
        Complex if the argument is.
    D : ndarray or None
        None where there was none.
    h0 : ndarray
        By the state before the first step; one row a sequence unless all began with the same (H,). Complex.
    """

    x: Any
    nu_log: NDArray[Any]
    theta_log: NDArray[Any]
    gamma_log: NDArray[Any]
    B: NDArray[Any]
    C: NDArray[Any]
    D: NDArray[Any] | None
    h0: NDArray[Any]


def lru(
    x: Any,
    nu_log: ArrayLike,
    theta_log: ArrayLike,
    gamma_log: ArrayLike,
    B: ArrayLike,
    C: ArrayLike,
    D: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
) -> tuple[Any, NDArray[Any]]:
    """Run a linear recurrent unit: h[t] = a h[t-1] + exp(gamma_log) (x[t] B), y[t] = Re(h[t] C) + D x[t].

    Parameters
    ----------
    x : array_like, list of ndarray, or PackedSequence
        A batch (B, T, D) of sequences or one (T, D); a list of sequences (T_i, D); sequences one after the other
        (N, D) with `lengths`; or PyTorch's PackedSequence.
    nu_log, theta_log : array_like, shape (H,)
        The state's factors are a = exp(-exp(nu_log) + i exp(theta_log)), whose absolute value is always below 1.
    gamma_log : array_like, shape (H,)
        What the input is scaled by, as a logarithm; models begin with log(sqrt(1 - abs(a)^2)).
    B : array_like, shape (D, H)
        Weights of the input, complex or real.
    C : array_like, shape (H, P)
        Weights of the output, complex or real.
    D : array_like, shape (D,), optional
        What of the input goes straight to the output; then P is D. Default 0.
    h0 : array_like, shape (B, H) or (H,), optional
        State before the first step, complex or real. Default 0.
    lengths : array_like of int, shape (B,), optional
        The number of steps of each sequence of a batch; what lies behind is never looked at.
    mask : array_like of bool, shape (B, T), optional
        The same as a mask, left-aligned and without holes.
    reverse : bool, default False
        Step from each sequence's last element to its first; outputs stand where their inputs did.

    Returns
    -------
    outputs : ndarray, list of ndarray, or PackedSequence
        All y, in the form of `x`, P in the place of D; float64, or float32 if all arrays are of single precision.
        Padding is 0.
    state : ndarray, shape (B, H) or (H,)
        Each sequence's last h, complex.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite, or its exponential would be.

    Notes
    -----
    O(steps H (D + P)): two products and a `linear_scan`, one for all sequences if they are of one length, else one
    each. The products are NumPy's, whose order of summation is its own.

    Source: A. Orvieto and others, *Resurrecting recurrent neural networks for long sequences*, ICML 2023,
    https://arxiv.org/abs/2303.06349.

    Examples
    --------
    A factor of i/2 turns and halves the state:

    >>> import numpy as np
    >>> from fastcore.recurrence import lru
    >>> nu, theta = np.log(np.log(2.0)), np.log(np.pi / 2)
    >>> y, state = lru([[1.0], [0.0], [0.0]], [nu], [theta], [0.0], [[1.0]], [[1.0]])
    >>> np.abs(y[:, 0]).round(12), state.round(12)
    (array([1.  , 0.  , 0.25]), array([-0.25+0.j]))
    """
    unit = _checked(x, nu_log, theta_log, gamma_log, B, C, D, h0, lengths, mask, reverse)
    states, last = unit.run()
    outputs = _real_part(states, unit.C)
    if unit.D is not None:
        outputs += unit.batch.rows * unit.D
    return unit.batch.back(outputs), of_one(last, unit.batch)


def lru_vjp(
    x: Any,
    nu_log: ArrayLike,
    theta_log: ArrayLike,
    gamma_log: ArrayLike,
    B: ArrayLike,
    C: ArrayLike,
    D: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    dy: Any = None,
    dh: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reverse: bool = False,
) -> LRUGradients:
    """Take a gradient back through `lru`: of sum(dy * outputs) + Re(sum(dh * state)).

    Parameters
    ----------
    x, nu_log, theta_log, gamma_log, B, C, D, h0, lengths, mask, reverse
        As in `lru`.
    dy : optional
        The gradient of a loss by the outputs, in their form. Default 0.
    dh : array_like, shape (B, H) or (H,), optional
        That by the last states, dL/d(real part) - i dL/d(imaginary part). Default 0.

    Returns
    -------
    LRUGradients
        The loss's gradient by all that went in.

    Raises
    ------
    TypeError, ValueError
        As in `lru`.

    Notes
    -----
    About three times the work of `lru`. States and sums are of the weights' own type. Truncated back-propagation is the
    same call on pieces of a sequence, each from the state that the piece before left.

    Examples
    --------
    The last state of 1, 1 is a + 1:

    >>> import numpy as np
    >>> from fastcore.recurrence import lru_vjp
    >>> nu, theta = np.log(np.log(2.0)), np.log(np.pi / 2)
    >>> grads = lru_vjp([[1.0], [1.0]], [nu], [theta], [0.0], [[1.0]], [[1.0]], dy=[[0.0], [1.0]])
    >>> grads.x.round(12) + 0.0, grads.C.round(12)
    (array([[0.],
           [1.]]), array([[1.]]))
    """
    unit = _checked(x, nu_log, theta_log, gamma_log, B, C, D, h0, lengths, mask, reverse)
    batch, rows, dtype = unit.batch, unit.batch.rows, unit.batch.rows.dtype
    by_y = np.zeros((len(rows), unit.C.shape[1]), dtype)
    if dy is not None:
        by_y = np.ascontiguousarray(batch.forth(dy, "dy", unit.C.shape[1], dtype), dtype)
    by_last = first_states(dh, "dh", len(batch), len(unit.factors), unit.factors.dtype)
    states, _ = unit.run()
    by_states = _product(by_y, unit.C.T)
    by_factors, by_forcing, by_start = scanned_vjp(
        batch, unit.factors, unit.forcing, unit.start, unit.reverse, by_states, by_last
    )
    by_input = by_forcing * unit.scale
    by_exponent = by_factors * unit.factors
    dx = _real_part(by_input, unit.B.T)
    by_skip = None
    if unit.D is not None:
        dx += by_y * unit.D
        by_skip = (by_y * rows).sum(axis=0)
    by_C = (_parts(states).T @ by_y).reshape(-1, 2, by_y.shape[1])
    return LRUGradients(
        batch.back(dx),
        -by_exponent.real * unit.decay,
        -by_exponent.imag * unit.phase,
        (by_forcing * unit.forcing).real.sum(axis=0),
        _of(B, (rows.T @ _parts(by_input)).view(by_input.dtype)),
        _of(C, by_C[:, 0] + 1j * by_C[:, 1]),
        by_skip,
        of_state(by_start, h0, batch.form),
    )


@dataclass(frozen=True, slots=True)
class _Unit:
    """What went in, checked, and of one precision."""

    batch: Sequences
    decay: Array  # exp(nu_log)
    phase: Array  # exp(theta_log)
    scale: Array  # exp(gamma_log)
    factors: Array
    forcing: Array
    B: Array
    C: Array
    D: Array | None
    start: Array
    reverse: bool

    def run(self) -> tuple[Array, Array]:
        return scanned(self.batch, self.factors, self.forcing, self.start, self.reverse)


def _checked(
    x: Any,
    nu_log: ArrayLike,
    theta_log: ArrayLike,
    gamma_log: ArrayLike,
    B: ArrayLike,
    C: ArrayLike,
    D: ArrayLike | None,
    h0: ArrayLike | None,
    lengths: Any,
    mask: Any,
    reverse: Any,
) -> _Unit:
    backwards = as_flag(reverse, "reverse")
    batch = given_rows(x, lengths, mask)
    inputs = batch.rows.shape[1]
    nu = as_real(weight(nu_log, "nu_log"), "nu_log", ndim=1)
    units = len(nu)
    theta, gamma = (weight(v, name, (units,)) for v, name in ((theta_log, "theta_log"), (gamma_log, "gamma_log")))
    into = weight(B, "B", (inputs, units), numbers="complex")
    out = weight(C, "C", numbers="complex")
    if out.ndim != 2 or len(out) != units:
        raise ValueError(f"C must have shape ({units}, P) to match nu_log {nu.shape}, got {out.shape}")
    skip = None if D is None else weight(D, "D", (inputs,))
    if skip is not None and out.shape[1] != inputs:
        raise ValueError(f"C must have shape {(units, inputs)} where there is D, got {out.shape}")
    parts = [batch.rows, nu, theta, gamma, into, out] + ([] if skip is None else [skip])
    dtype = np.result_type(*(v.real.dtype for v in parts))
    numbers = np.result_type(dtype, np.complex64)
    batch.rows = batch.rows.astype(dtype, copy=False)
    decay, phase, scale = (
        _exponential(v.astype(dtype, copy=False), name)
        for v, name in ((nu, "nu_log"), (theta, "theta_log"), (gamma, "gamma_log"))
    )
    into, out = (np.ascontiguousarray(v, numbers) for v in (into, out))
    return _Unit(
        batch,
        decay,
        phase,
        scale,
        np.exp(-decay + 1j * phase),
        _product(batch.rows, into) * scale,
        into,
        out,
        None if skip is None else skip.astype(dtype, copy=False),
        first_states(h0, "h0", len(batch), units, numbers),
        backwards,
    )


def _exponential(value: Array, name: str) -> Array:
    with np.errstate(over="ignore"):
        found: Array = np.exp(value)
    if not np.isfinite(found).all():
        most = np.log(np.finfo(value.dtype).max)
        raise ValueError(f"{name} must have a finite exponential, at most {most:.0f}, got {value.max()}")
    return found


def _parts(value: Array) -> Array:
    """Complex rows as real ones, twice as long."""
    found: Array = value.view(value.real.dtype)
    return found


def _product(x: Array, weights: Array) -> Array:
    """Real rows times complex weights, as one product of real numbers."""
    weights = np.ascontiguousarray(weights)
    found: Array = (x @ _parts(weights)).view(weights.dtype)
    return found


def _real_part(states: Array, weights: Array) -> Array:
    """Re(states @ weights), as one product of real numbers."""
    both = np.stack([weights.real, -weights.imag], axis=1).reshape(2 * len(weights), weights.shape[1])
    found: Array = _parts(states) @ both
    return found


def _of(argument: ArrayLike, grad: Array) -> Array:
    """Of a real argument the real part."""
    return grad if np.iscomplexobj(argument) else np.ascontiguousarray(grad.real)
