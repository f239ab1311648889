"""Where the means of a fit begin: at the centers of k clusters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows that are clustered: centers of more aren't better beginnings.
MOST_ROWS = 20_000
TRIES = 10
ROUNDS = 100


def cluster_centers(x: NDArray[Any], k: int, random: np.random.RandomState) -> NDArray[Any]:
    """Centers (k, D) of the best of some runs of Lloyd's algorithm, each begun by k-means++."""
    if len(x) > MOST_ROWS:
        x = x[np.sort(random.choice(len(x), MOST_ROWS, replace=False))]
    middle = x.mean(axis=0)
    x = x - middle
    best, least = x[:1], np.inf
    for _ in range(TRIES if k > 1 else 1):
        centers, error = _lloyd(x, _spread(x, k, random))
        if error < least:
            best, least = centers, error
    found: NDArray[Any] = best + middle
    return found


def _spread(x: NDArray[Any], k: int, random: np.random.RandomState) -> NDArray[Any]:
    """Draw k rows, each with probability by its squared distance from those before (Arthur and Vassilvitskii 2007)."""
    centers = [x[random.randint(len(x))]]
    near = np.full(len(x), np.inf)
    for _ in range(k - 1):
        near = np.minimum(near, ((x - centers[-1]) ** 2).sum(axis=1))
        total = near.sum()
        # Where all rows are centers already, any may come again.
        chosen = random.choice(len(x), p=near / total) if total > 0 else random.randint(len(x))
        centers.append(x[chosen])
    return np.array(centers)


def _lloyd(x: NDArray[Any], centers: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """Move centers to the means of the rows that are nearest to them, until none changes its center."""
    owners = np.full(len(x), -1)
    for _ in range(ROUNDS):
        distances = (centers**2).sum(axis=1) - 2 * x @ centers.T
        nearest = distances.argmin(axis=1)
        if (nearest == owners).all():
            break
        owners = nearest
        counts = np.bincount(owners, minlength=len(centers))
        sums = np.stack([np.bincount(owners, column, len(centers)) for column in x.T], axis=1)
        centers = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centers)
    return centers, float(((x - centers[owners]) ** 2).sum())
