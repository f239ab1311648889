"""Linear scans of logarithms, and their exact gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import kernels
from .._labelled import same_labels
from ._numbers import common, gradient_of, start, summed
from ._scans import linear_scan_vjp, stepped

Array = NDArray[Any]


def log_linear_scan(
    log_a: ArrayLike,
    log_b: ArrayLike,
    y0: ArrayLike | None = None,
    *,
    axis: int = -1,
    reverse: bool = False,
    out: Array | None = None,
) -> Array:
    """Solve y[t] = log(exp(log_a[t] + y[t-1]) + exp(log_b[t])): a linear scan of weights whose logarithms are at hand.

    Parameters
    ----------
    log_a, log_b : array_like
        Logarithms of weights, -inf for a weight of 0; they broadcast to one shape, whose dimension `axis` is time. They
        are read by position: two Series or DataFrames must have the same labels in the same order.
    y0 : array_like, optional
        The logarithm of the state before the first step, of that shape without `axis`, or broadcast to it. Default
        -inf.
    axis : int, default -1
        The dimension that is time.
    reverse : bool, default False
        Start at the last element and step towards the first.
    out : ndarray, optional
        Where the states go: C-contiguous, of the result's shape and type. It may be `log_a` or `log_b`. Of a call that
        raises it holds nothing of use.

    Returns
    -------
    ndarray
        All states y[t] (`out`, if given), float64, or float32 if `log_a` and `log_b` both are. A Python number goes
        with either.

    Raises
    ------
    TypeError
        If the input isn't real numbers, or `out` no such array.
    ValueError
        If shapes don't broadcast, labels differ, `axis` is out of range, or there is NaN or +inf.

    Notes
    -----
    O(size) time, one output array; nothing overflows or underflows but the logarithms themselves. Each step is within
    four units in the last place of its larger term, or of log 2 where that is nearer to 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import log_linear_scan
    >>> np.exp(log_linear_scan(np.log([0.5, 0.5, 0.5]), np.zeros(3))).round(12)
    array([1.  , 1.5 , 1.75])
    """
    same_labels({"log_a": log_a, "log_b": log_b})
    given = {"log_a": log_a, "log_b": log_b}
    (first, second, *_), dtype = common(given, y0, real=True)
    run, names = kernels("recurrence.logs").log_linear_scan, {"log_a": first, "log_b": second}
    return stepped(run, names, y0, -np.inf, dtype, axis, reverse, out, _no_logarithm, "not hold NaN or +inf")


def log_linear_scan_vjp(
    log_a: ArrayLike,
    log_b: ArrayLike,
    y0: ArrayLike | None = None,
    *,
    dy: ArrayLike,
    axis: int = -1,
    reverse: bool = False,
) -> tuple[Array, Array, Array]:
    """Take a gradient back through `log_linear_scan`: of sum(dy * log_linear_scan(log_a, log_b, y0)).

    Parameters
    ----------
    log_a, log_b, y0, axis, reverse
        As in `log_linear_scan`.
    dy : array_like
        The gradient of a loss by the states, of their shape.

    Returns
    -------
    dlog_a, dlog_b, dy0 : ndarray
        The loss's gradient by `log_a`, `log_b` and `y0`, each of its argument's own shape (without `y0`: of a state's).

    Raises
    ------
    TypeError, ValueError
        As in `log_linear_scan`.

    Notes
    -----
    Of a state's weight the share p[t] = exp(log_a[t] + y[t-1] - y[t]) came from the one before. So the states'
    gradients g[t] = dy[t] + p[t+1] g[t+1] are a linear scan the other way round; dlog_a = g p,
    dlog_b = g exp(log_b - y), dy0 = p[0] g[0], summed over what was broadcast. Nothing goes through a state that is
    -inf.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import log_linear_scan_vjp
    >>> log_linear_scan_vjp(np.log([0.5, 0.5]), [0.0, 0.0], dy=[0.0, 1.0])[1].round(6)
    array([0.333333, 0.666667])
    """
    y = log_linear_scan(log_a, log_b, y0, axis=axis, reverse=reverse)
    grad = gradient_of(dy, y)
    (first, second, *given), _ = common({"log_a": log_a, "log_b": log_b}, y0)
    axis = axis % y.ndim
    begin = start(y0, (*y.shape[:axis], *y.shape[axis + 1 :]), y.dtype, zero=-np.inf)
    like = given[0] if given else begin
    if not y.shape[axis]:
        return summed(grad, first), summed(grad, second), np.zeros_like(like)
    parts = [np.expand_dims(begin, axis), y]
    ends = slice(1, None) if reverse else slice(None, -1)
    before = np.concatenate(parts[::-1] if reverse else parts, axis=axis)[(slice(None),) * axis + (ends,)]
    with np.errstate(invalid="ignore"):
        share, rest = (
            np.where(y == -np.inf, 0, np.exp(v - y)).astype(y.dtype, copy=False) for v in (first + before, second)
        )
    _, by_state, by_start = linear_scan_vjp(share, np.zeros_like(y), dy=grad, axis=axis, reverse=reverse)
    return summed(by_state * share, first), summed(by_state * rest, second), summed(by_start, like)


def _no_logarithm(value: Array) -> Array:
    """Where it isn't below infinity: NaN or +inf."""
    found: Array = ~(value < np.inf)
    return found
