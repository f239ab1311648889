"""Alias sampling, and a fit by noise contrastive estimation."""

from __future__ import annotations

import numpy as np

from bench._harness import Workload, prepared
from fastcore.nce import AliasSampler, ExponentialFamily


def _weights(outcomes: int) -> np.ndarray:
    return 1.0 / np.arange(1, outcomes + 1)


def _same_distribution(ours: np.ndarray, theirs: np.ndarray, name: str) -> bool:
    """Compare the counts of two samples by their chi-square statistic, a normal deviate below 6."""
    top = int(max(ours.max(), theirs.max())) + 1
    a, b = np.bincount(ours, minlength=top).astype(float), np.bincount(theirs, minlength=top).astype(float)
    both = a + b >= 20
    a, b = np.append(a[both], a[~both].sum()), np.append(b[both], b[~both].sum())
    total = a + b
    statistic = ((a - b) ** 2)[total > 0] / total[total > 0]
    freedom = len(statistic) - 1
    return bool((statistic.sum() - freedom) / np.sqrt(2 * freedom) < 6)


@prepared
def _fastcore(data):
    weights, size = data
    sampler = AliasSampler(weights)
    return lambda: sampler.draw(size, rng=1)


@prepared
def _choice(data):
    weights, size = data
    p, rng = weights / weights.sum(), np.random.default_rng(0)
    return lambda: rng.choice(len(p), size, p=p)


@prepared
def _search(data):
    weights, size = data
    total, rng = np.cumsum(weights), np.random.default_rng(0)
    return lambda: np.searchsorted(total, rng.random(size) * total[-1], side="right")


@prepared
def _numba(data):
    from numba import njit

    weights, size = data
    n = len(weights)
    table = AliasSampler(weights)._table
    share, alias = (table >> np.uint64(32)) / 2.0**32, (table & np.uint64(0xFFFFFFFF)).astype(np.int32)

    @njit
    def draw(share, alias, size):
        out = np.empty(size, np.int32)
        for i in range(size):
            u = np.random.random() * n  # noqa: NPY002
            column = int(u)
            out[i] = column if u - column < share[column] else alias[column]
        return out

    draw(share, alias, 10)
    return lambda: draw(share, alias, size)


@prepared
def _torch(data):
    import torch

    weights, size = data
    w = torch.from_numpy(weights)
    return lambda: torch.multinomial(w, size, replacement=True).numpy()


def _samples(n: int = 10_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(4 * n)
    return x[rng.random(len(x)) < np.exp(-(x**4) / 4)][:n]


def _fit(x: np.ndarray) -> np.ndarray:
    model = ExponentialFamily([lambda x: -(x**2), lambda x: -(x**4)]).fit(x, rng=1)
    return np.append(model.params, model.log_z)


def _scipy_fit(x: np.ndarray) -> np.ndarray:
    """The same objective in NumPy, minimised by SciPy's Newton conjugate gradients."""
    from scipy.optimize import minimize
    from scipy.special import expit

    rng, nu = np.random.default_rng(2), 10
    mean, sd = x.mean(), x.std()
    both = np.concatenate([x, rng.normal(mean, sd, nu * len(x))])
    rows = np.stack([-(both**2), -(both**4), np.ones(len(both))], axis=1)
    offset = 0.5 * ((both - mean) / sd) ** 2 + np.log(sd * np.sqrt(2 * np.pi)) - np.log(nu)
    sign = np.where(np.arange(len(both)) < len(x), 1.0, -1.0)

    def loss(theta):
        g = rows @ theta + offset
        return np.logaddexp(0, -sign * g).sum() / len(x), rows.T @ (-sign * expit(-sign * g)) / len(x)

    def hessian(theta):
        h = expit(rows @ theta + offset)
        return (rows * (h * (1 - h))[:, None]).T @ rows / len(x)

    found = minimize(loss, np.zeros(3), jac=True, hess=hessian, method="trust-exact").x
    return np.append(found[:2], -found[2])


def _alias(name: str, outcomes: int, size: int) -> Workload:
    return Workload(
        name=name,
        make=lambda: (_weights(outcomes), size),
        runners={
            "fastcore": _fastcore,
            "numba, same table": _numba,
            "Generator.choice": _choice,
            "cumsum + searchsorted": _search,
            "torch.multinomial": _torch,
        },
        equal=_same_distribution,
        twin_make=lambda: (_weights(outcomes), 200_000),
        amount=lambda data: (data[1] / 1e6, "M draws"),
    )


WORKLOADS = [
    _alias("nce.alias_1000", 1000, 5_000_000),
    _alias("nce.alias_1000000", 1_000_000, 5_000_000),
    Workload(
        name="nce.fit",
        make=_samples,
        runners={"fastcore": _fit, "NumPy + SciPy": _scipy_fit},
        equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, atol=0.1)),
        twin_make=lambda: _samples(2000),
        amount=lambda x: (len(x) / 1e3, "k samples"),
    ),
]
