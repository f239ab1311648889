"""Recurrences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fastcore import use_backend
from fastcore.recurrence import linear_scan

from .helpers import memory_growth, nasty_forms, seconds_to_interrupt

numbers = st.floats(-2, 2, width=32)


def by_hand(a, b, y0):
    y = [y0]
    for at, bt in zip(a, b):
        y.append(at * y[-1] + bt)
    return y[1:]


class TestLinearScan:
    def test_cumulative_sum(self, backend):
        assert linear_scan(np.ones(5), np.arange(5.0)).tolist() == [0, 1, 3, 6, 10]

    def test_geometric_series(self, backend):
        y = linear_scan(np.full(60, 0.5), np.ones(60))
        np.testing.assert_allclose(y, 2 - 0.5 ** np.arange(60), rtol=1e-15)

    def test_start_and_reverse(self, backend):
        a, b = np.array([2.0, 3.0]), np.array([1.0, 1.0])
        assert linear_scan(a, b, 1.0).tolist() == [3, 10]
        assert linear_scan(a, b, 1.0, reverse=True).tolist() == [9, 4]

    @pytest.mark.parametrize("axis", [0, 1, 2, -1])
    def test_axis(self, backend, axis):
        rng = np.random.default_rng(1)
        a, b = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 4, 5))
        y = linear_scan(a, b, axis=axis)
        rows = zip(*(np.moveaxis(v, axis, -1).reshape(-1, v.shape[axis]) for v in (a, b, y)))
        for at, bt, yt in rows:
            assert yt.tolist() == by_hand(at, bt, 0.0)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_dtype_is_kept(self, backend, dtype):
        assert linear_scan(np.ones(2, dtype), np.ones(2, dtype)).dtype == dtype

    def test_layouts(self, backend):
        b = np.random.default_rng(2).normal(size=(4, 6))
        expected = linear_scan(0.5, b, axis=1)
        for name, form in nasty_forms(b):
            kept = form.copy()
            assert linear_scan(0.5, form, axis=1).tolist() == expected.tolist(), name
            assert form.tolist() == kept.tolist(), name

    def test_empty(self, backend):
        assert linear_scan([], []).shape == (0,)
        assert linear_scan(np.empty((0, 3)), np.empty((0, 3)), axis=0).shape == (0, 3)
        assert linear_scan(np.empty((2, 0)), np.empty((2, 0)), axis=0).shape == (2, 0)

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            (([1.0], [1.0, 2.0, 3.0], None), None, ""),
            (([1.0, 2.0], [1.0, 2.0, 3.0]), ValueError, "broadcast"),
            ((1.0, 2.0), ValueError, "at least 1 dimension"),
            (([np.nan], [1.0]), ValueError, "a must not hold NaN"),
            ((["x"], [1.0]), TypeError, "a must be real numbers"),
            (([1j], [1.0]), TypeError, "a must be real numbers"),
            (([1.0], [1.0], [1.0, 2.0]), ValueError, "y0 must broadcast"),
        ],
    )
    def test_bad_input(self, backend, arguments, error, words):
        if error is None:
            linear_scan(*arguments)
            return
        with pytest.raises(error, match=words):
            linear_scan(*arguments)

    def test_axis_out_of_range(self, backend):
        with pytest.raises(ValueError, match="axis must lie in"):
            linear_scan([1.0], [1.0], axis=1)

    @given(st.data())
    def test_twins_agree_to_the_bit(self, data):
        dtype = data.draw(st.sampled_from([np.float32, np.float64]))
        shape = data.draw(st.tuples(st.integers(0, 8), st.integers(0, 5)))
        a, b = (data.draw(arrays(dtype, shape, elements=numbers)) for _ in range(2))
        y0 = data.draw(arrays(dtype, shape[1], elements=numbers))
        reverse = data.draw(st.booleans())
        results = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                results.append(linear_scan(a, b, y0, axis=0, reverse=reverse).tobytes())
        assert results[0] == results[1]

    def test_memory_is_flat(self):
        setup = "import numpy as np; from fastcore.recurrence import linear_scan; a = np.ones(10000)"
        assert memory_growth(setup, "linear_scan(a, a)", 1000) < 2000

    @pytest.mark.slow
    def test_interrupt(self):
        script = """
import numpy as np
from fastcore.recurrence import linear_scan
a = np.full(100_000_000, 0.5)
print("ready")
try:
    while True: linear_scan(a, a)
except KeyboardInterrupt:
    print("interrupted")
assert linear_scan(a[:3], a[:3]).tolist() == [0.5, 0.75, 0.875]
print("usable")
"""
        assert seconds_to_interrupt(script) < 1.0
