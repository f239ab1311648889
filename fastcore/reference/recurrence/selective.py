"""Slow twin of the kernels of selective scans."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def selective_scan(
    x: Array, delta: Array, A: Array, B: Array, C: Array, skip: Array, h0: Array, reverse: bool, y: Array, last: Array
) -> None:
    """h[t] = exp(delta[t] A) h[t-1] + delta[t] x[t] B[t], y[t] = sum(C[t] h[t]) + skip x[t], from h0: fill y and last.

    x, delta, y: (batch, steps, channels), all at least 1; A (channels, states), at most 0; B, C (batch, steps, states);
    skip (channels,); h0 and the last h (batch, channels, states). `reverse`: from the last step to the first.
    """
    h = h0
    for t in _order(x, reverse):
        h = np.exp(delta[:, t, :, None] * A) * h + (delta[:, t] * x[:, t])[:, :, None] * B[:, t, None]
        y[:, t] = (C[:, t, None] * h).sum(axis=2) + skip * x[:, t]
    last[...] = h


def selective_scan_vjp(
    x: Array,
    delta: Array,
    A: Array,
    B: Array,
    C: Array,
    h0: Array,
    reverse: bool,
    dy: Array,
    dlast: Array,
    dx: Array,
    ddelta: Array,
    dA: Array,
    dB: Array,
    dC: Array,
    dh0: Array,
) -> None:
    """From the gradients dy by sum(C[t] h[t]) and dlast by the last h to those by everything that went in: fill those.

    dA, dB and dC begin as zeros; the others as in `selective_scan`.
    """
    states, order = [h0], _order(x, reverse)
    for t in order:
        fed = (delta[:, t] * x[:, t])[:, :, None] * B[:, t, None]
        states.append(np.exp(delta[:, t, :, None] * A) * states[-1] + fed)
    grad = dlast
    for i in range(len(order) - 1, -1, -1):
        t = order[i]
        grad = grad + dy[:, t, :, None] * C[:, t, None]
        dC[:, t] = (dy[:, t, :, None] * states[i + 1]).sum(axis=1)
        dB[:, t] = (grad * (delta[:, t] * x[:, t])[:, :, None]).sum(axis=1)
        by_fed = (grad * B[:, t, None]).sum(axis=2)
        grad = grad * np.exp(delta[:, t, :, None] * A)
        by_product = grad * states[i]
        dA += (by_product * delta[:, t, :, None]).sum(axis=0)
        dx[:, t] = by_fed * delta[:, t]
        ddelta[:, t] = by_fed * x[:, t] + (by_product * A).sum(axis=2)
    dh0[...] = grad


def _order(x: Array, reverse: bool) -> list[int]:
    steps = list(range(x.shape[1]))
    return steps[::-1] if reverse else steps
