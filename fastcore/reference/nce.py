"""Slow twin of the kernels of noise contrastive estimation."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._rng import Rng

CHUNK = 65536
LANES = 8


def alias_table(weights: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Walker's alias table by Vose's method: threshold in the upper, other outcome in the lower half of a word."""
    values = weights.tolist()
    n, largest = len(values), max(values)
    share = [w / largest for w in values]
    total = 0.0
    for s in share:
        total += s
    share = [s * (n / total) for s in share]
    small = [i for i in range(n) if share[i] < 1.0]
    large = [i for i in range(n) if share[i] >= 1.0]
    table = [0] * n
    while small and large:
        s, g = small.pop(), large.pop()
        threshold = min(int(share[s] * 2.0**32 + 0.5), 2**32 - 1)
        table[s] = threshold << 32 | g
        share[g] = (share[g] + share[s]) - 1.0
        (small if share[g] < 1.0 else large).append(g)
    for g in large:
        table[g] = g
    for s in small:  # left over by rounding: full, unless it must never be drawn
        table[s] = s if values[s] > 0.0 else values.index(largest)
    return np.array(table, dtype=np.uint64)


def alias_draw(table: NDArray[np.uint64], key: NDArray[np.uint64], chunk: int, size: int) -> NDArray[np.int32]:
    """Draw `size` outcomes, the first being the first of chunk number `chunk` of the key's draws."""
    entries, columns = table.tolist(), len(table)
    drawn: list[int] = []
    while len(drawn) < size:
        lanes = [Rng(key.tolist(), chunk * LANES + lane) for lane in range(LANES)]
        for i in range(min(CHUNK, size - len(drawn))):
            product = lanes[i % LANES].next_u64() * columns
            column, coin = product >> 64, product >> 32 & 0xFFFFFFFF
            entry = entries[column]
            drawn.append(column if coin < entry >> 32 else entry & 0xFFFFFFFF)
        chunk += 1
    return np.array(drawn, dtype=np.int32)


def logistic(
    features: NDArray[np.float64], offset: NDArray[np.float64], theta: NDArray[np.float64], n_data: int
) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """Loss, gradient and Hessian of a logistic regression of the first `n_data` rows against the others.

    The logit of a row is its features times `theta`, whose last element is the intercept, plus its offset.
    """
    size = len(theta)
    parameters = theta.tolist()
    loss, gradient, hessian = 0.0, [0.0] * size, [[0.0] * size for _ in range(size)]
    for i, (values, logit) in enumerate(zip(features.tolist(), offset.tolist())):
        row = [*values, 1.0]
        logit += sum(x * t for x, t in zip(row, parameters))
        small = math.exp(-abs(logit))
        data = 1.0 / (1.0 + small) if logit >= 0.0 else small / (1.0 + small)  # P(the row is data)
        slope = small / (1.0 + small) ** 2
        if i < n_data:
            loss += math.log1p(small) + max(-logit, 0.0)
            residual = data - 1.0
        else:
            loss += math.log1p(small) + max(logit, 0.0)
            residual = data
        for j in range(size):
            gradient[j] += residual * row[j]
            for l in range(size):
                hessian[j][l] += slope * row[j] * row[l]
    return loss, np.array(gradient), np.array(hessian)
