"""Scans of complex numbers, of matrices, of logarithms, and selective ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import use_backend
from fastcore.recurrence import linear_scan, linear_scan_vjp

TINY = 1e-200


def drawn(rng: np.random.Generator, shape: Any, dtype: Any, scale: float = 1.0) -> np.ndarray:
    """Normal numbers, of a complex type with imaginary parts."""
    value = rng.normal(size=shape) + (1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else 0)
    return (scale * value).astype(dtype)


def on_both(call: Callable[[], Any]) -> list[Any]:
    results = []
    for name in ("compiled", "reference"):
        with use_backend(name):
            results.append(call())
    return results


def by_complex_step(loss: Callable[..., Any], parts: list[np.ndarray], k: int) -> np.ndarray:
    """The gradient of a real loss by its k-th argument."""
    found = np.empty(parts[k].shape)
    for place in np.ndindex(found.shape):
        moved = [part.astype(complex) for part in parts]
        moved[k][place] += 1j * TINY
        found[place] = loss(*moved).imag / TINY
    return found


class TestComplex:
    @pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_loop(self, backend, dtype, axis, reverse):
        rng = np.random.default_rng(0)
        a, b = drawn(rng, (6, 5), dtype), drawn(rng, (6, 5), dtype)
        y = linear_scan(a, b, 1 + 2j, axis=axis, reverse=reverse)
        assert y.dtype == dtype
        state = np.full(5 if axis == 0 else 6, 1 + 2j, dtype)
        for t in range(a.shape[axis])[:: -1 if reverse else 1]:
            state = a.take(t, axis) * state + b.take(t, axis)
            np.testing.assert_allclose(y.take(t, axis), state, rtol=1e-5 if dtype == np.complex64 else 1e-13)

    def test_rotation(self, backend):
        # Powers of a root of unity: the state goes round.
        root = np.exp(2j * np.pi / 12)
        y = linear_scan(root, np.zeros(24), 1.0)
        np.testing.assert_allclose(y, root ** np.arange(1, 25), rtol=1e-14)

    @given(st.data())
    def test_twins_agree_to_the_bit(self, data):
        dtype = data.draw(st.sampled_from([np.complex64, np.complex128]))
        shape = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 8), st.integers(0, 20)))
        single = data.draw(st.tuples(*[st.booleans()] * 3))
        rng = np.random.default_rng(data.draw(st.integers(0, 100)))
        a = drawn(rng, [min(n, 1) if one else n for one, n in zip(single, shape)], dtype)
        b, reverse = drawn(rng, shape, dtype), data.draw(st.booleans())
        first, second = on_both(lambda: linear_scan(a, b, 0.5j, axis=1, reverse=reverse).tobytes())
        assert first == second

    @pytest.mark.parametrize("size", [0.5, 1.0])
    @pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
    def test_long_chains_are_right_to_the_bit(self, size, dtype):
        n = 20_000
        rng = np.random.default_rng(0)
        a = (size * np.exp(1j * rng.uniform(-3, 3, n))).astype(dtype)
        b = drawn(rng, n, dtype)
        expected, state = np.empty(n, dtype), dtype(3)
        for t in range(n):
            state = a[t] * state + b[t]
            expected[t] = state
        assert linear_scan(a, b, 3.0).tobytes() == expected.tobytes()
        rows = linear_scan(np.tile(a[:9000], (6, 1)), b[:9000], 3.0)
        assert all(row.tobytes() == expected[:9000].tobytes() for row in rows)

    def test_types(self, backend):
        single, double = np.ones(3, np.float32), np.ones(3)
        assert linear_scan(1j, single).dtype == np.complex64
        assert linear_scan(1j, double).dtype == np.complex128
        assert linear_scan(0.5, single, 1j).dtype == np.complex64
        assert linear_scan(0.5, single, np.complex128(1j)).dtype == np.complex64
        assert linear_scan(np.complex128(1j), single).dtype == np.complex128
        assert linear_scan(np.complex64(1j), double).dtype == np.complex128
        assert linear_scan(0.5, single.astype(">c8")).dtype == np.complex64
        out = np.empty(3, np.complex64)
        assert linear_scan(1j, single, out=out) is out
        with pytest.raises(TypeError, match="out must be an array of complex128, got complex64"):
            linear_scan(1j, double, out=out)

    def test_nan(self, backend):
        b = np.ones(4, complex)
        b[1] = complex(0, np.nan)
        with pytest.raises(ValueError, match="b must not hold NaN"):
            linear_scan(0.0, b)
        with pytest.raises(ValueError, match="a must not hold NaN"):
            linear_scan(b, 0.0)
        with pytest.raises(ValueError, match="y0 must not hold NaN"):
            linear_scan(0.0, np.ones(4), complex(np.nan, 0))

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("shapes", [((4,), (4,), ()), ((), (4,), ()), ((3, 1), (3, 4), (3,))])
    def test_gradient(self, backend, shapes, reverse):
        # Of the real part of sum(dy * y), with every product written out in real numbers.
        rng = np.random.default_rng(0)
        a, b, y0 = (drawn(rng, s, complex) for s in shapes)
        dy = drawn(rng, b.shape, complex)

        def loss(ar, ai, br, bi, yr, yi):
            total, order = 0, range(b.shape[-1])[:: -1 if reverse else 1]
            ar, ai, br, bi = (np.broadcast_to(v, b.shape) for v in (ar, ai, br, bi))
            for t in order:
                at, bt = (ar[..., t], ai[..., t]), (br[..., t], bi[..., t])
                yr, yi = at[0] * yr - at[1] * yi + bt[0], at[0] * yi + at[1] * yr + bt[1]
                total = total + (dy.real[..., t] * yr - dy.imag[..., t] * yi).sum()
            return total

        parts = [np.array(part) for v in (a, b, y0) for part in (v.real, v.imag)]
        for k, (grad, part) in enumerate(zip(linear_scan_vjp(a, b, y0, dy=dy, reverse=reverse), (a, b, y0))):
            assert grad.shape == part.shape
            np.testing.assert_allclose(grad.real, by_complex_step(loss, parts, 2 * k), rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(-grad.imag, by_complex_step(loss, parts, 2 * k + 1), rtol=1e-12, atol=1e-14)
        # A real argument has a real gradient.
        real, _, _ = linear_scan_vjp(a.real, b, y0, dy=dy, reverse=reverse)
        parts[1][...] = 0
        assert real.dtype == np.float64
        np.testing.assert_allclose(real, by_complex_step(loss, parts, 0), rtol=1e-12, atol=1e-14)

    def test_gradients_have_their_arguments_types(self, backend):
        b = np.ones((2, 3), np.float32)
        assert [g.dtype for g in linear_scan_vjp(0.5j, b, dy=b)] == [np.complex64, np.float32, np.complex64]
        assert [g.dtype for g in linear_scan_vjp(0.5, b, 1j, dy=b)] == [np.float32, np.float32, np.complex64]
        with pytest.raises(TypeError, match="dy must be real numbers, got dtype complex64"):
            linear_scan_vjp(0.5, b, dy=b * 1j)
        with pytest.raises(ValueError, match="dy must have shape"):
            linear_scan_vjp(0.5j, b, dy=b[:1])
