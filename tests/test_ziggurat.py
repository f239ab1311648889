"""The exponential random numbers: tables computed again, twins equal, the right distribution."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from fastcore import _ziggurat
from fastcore._backend import kernels

KEY = np.array([1, 2, 3, 4], np.uint64)


def layers(r: Decimal) -> list[Decimal]:
    """Right edges of 256 layers of equal area whose base begins at r; the top may miss height 1."""
    area = (r + 1) * (-r).exp()
    x = [area * r.exp(), r]
    while len(x) < 256:
        x.append(-((-x[-1]).exp() + area / x[-1]).ln())
    return x


def miss(r: Decimal) -> Decimal:
    """By how much the top of the last layer misses height 1."""
    x = layers(r)
    return (-x[-1]).exp() + (r + 1) * (-r).exp() / x[-1] - 1


def test_tables_computed_again():
    with localcontext() as context:
        context.prec = 50
        a, b = Decimal("7.697117470"), Decimal("7.697117471")
        miss_a, miss_b = miss(a), miss(b)
        while abs(b - a) > Decimal("1e-40"):
            a, miss_a, b = b, miss_b, b - miss_b * (b - a) / (miss_b - miss_a)
            miss_b = miss(b)
        x = [*layers(b), Decimal(0)]
        assert float(b) == _ziggurat.R
        assert tuple(int(after / before * 2**53) for before, after in pairwise(x)) == _ziggurat.INSIDE
        assert tuple(float(edge / 2**53) for edge in x[:256]) == _ziggurat.WIDTH
        assert tuple(float((-edge).exp()) for edge in x) == _ziggurat.HEIGHT


def test_twins_draw_the_same_bits():
    drawn = [kernels("reactions", name).exponentials(KEY, 7, 20_000) for name in ("compiled", "reference")]
    assert drawn[0].tobytes() == drawn[1].tobytes()
    assert drawn[0].max() > _ziggurat.R  # the tail was reached


def test_distribution():
    x = kernels("reactions").exponentials(KEY, 0, 2_000_000)
    assert x.min() >= 0
    assert stats.kstest(x, "expon").pvalue > 1e-6
    tail = x[x > _ziggurat.R] - _ziggurat.R
    assert stats.kstest(tail, "expon").pvalue > 1e-6
    assert stats.binomtest(len(tail), len(x), float(np.exp(-_ziggurat.R))).pvalue > 1e-6


def test_streams_differ():
    x = np.array([kernels("reactions").exponentials(KEY, i, 1)[0] for i in range(5000)])
    assert len(set(x.tolist())) == 5000
    assert stats.kstest(x, "expon").pvalue > 1e-6


@pytest.mark.parametrize("name", ["compiled", "reference"])
def test_none(name):
    assert kernels("reactions", name).exponentials(KEY, 0, 0).shape == (0,)
