"""Scans of complex numbers, of matrices, of logarithms, and selective ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import use_backend
from fastcore.recurrence import (
    affine_scan,
    affine_scan_vjp,
    linear_scan,
    linear_scan_vjp,
    log_linear_scan,
    log_linear_scan_vjp,
    selective_scan,
    selective_scan_vjp,
)

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


def affine_by_hand(A: np.ndarray, b: np.ndarray, y0: np.ndarray, reverse: bool = False) -> np.ndarray:
    """Whatever broadcasts, by NumPy's own products."""
    shape = np.broadcast_shapes(A.shape[:-1], b.shape)
    A, b = np.broadcast_to(A, (*shape, shape[-1])), np.broadcast_to(b, shape)
    y, order = [None] * shape[-2], range(shape[-2])[:: -1 if reverse else 1]
    state = np.broadcast_to(y0, (*shape[:-2], shape[-1]))
    for t in order:
        state = np.einsum("...ij,...j->...i", A[..., t, :, :], state) + b[..., t, :]
        y[t] = state
    return np.stack(y, axis=-2)


AFFINE = [((3, 3), (5, 3)), ((5, 3, 3), (3,)), ((5, 2, 2), (4, 5, 2)), ((4, 1, 2, 2), (5, 2)), ((2, 2), (2, 3, 5, 2))]


class TestAffine:
    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("shapes", AFFINE)
    def test_by_hand(self, backend, shapes, reverse):
        rng = np.random.default_rng(0)
        A, b = (rng.normal(size=s) for s in shapes)
        y0 = rng.normal(size=b.shape[-1])
        expected = affine_by_hand(A, b, y0, reverse)
        np.testing.assert_allclose(affine_scan(A, b, y0, reverse=reverse), expected, rtol=1e-10, atol=1e-12)
        assert affine_scan(A, b).shape == expected.shape

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("d", [*range(1, 18), 33])
    def test_twins_agree_to_the_bit(self, dtype, d):
        rng = np.random.default_rng(d)
        b, y0 = drawn(rng, (2, 4, d), dtype), drawn(rng, (2, d), dtype)
        for shape in ((d, d), (2, 1, d, d), (4, d, d)):
            A = drawn(rng, shape, dtype, 0.5)
            for reverse in (False, True):
                first, second = on_both(lambda A=A, reverse=reverse: affine_scan(A, b, y0, reverse=reverse))
                assert first.dtype == dtype
                assert first.tobytes() == second.tobytes()

    def test_one_matrix_is_the_same_every_step(self, backend):
        rng = np.random.default_rng(0)
        A, b = rng.normal(size=(5, 5)) / 3, rng.normal(size=(20, 5))
        assert affine_scan(A, b).tobytes() == affine_scan(np.tile(A, (20, 1, 1)), b).tobytes()

    def test_diagonal_is_a_linear_scan(self, backend):
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(7, 3)), rng.normal(size=(7, 3))
        y = affine_scan(a[:, :, None] * np.eye(3), b, 1.0)
        np.testing.assert_allclose(y, linear_scan(a, b, 1.0, axis=0), rtol=1e-13)

    def test_kalman_filter(self, backend):
        # With its gains given, a filter's means are an affine scan. They are those of the joint normal distribution.
        F, H, Q, R = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]]), np.diag([0.1, 0.2]), np.array([[0.5]])
        n, P, gains = 6, np.eye(2), []
        z = np.random.default_rng(0).normal(size=(n, 1))
        for _ in range(n):
            P = F @ P @ F.T + Q
            gains.append(P @ H.T / (H @ P @ H.T + R))
            P = P - gains[-1] @ H @ P
        A = [F - K @ H @ F for K in gains]
        means = affine_scan(A, [K @ zt for K, zt in zip(gains, z)])
        # x[t] = F x[t-1] + w, all from independent normals.
        powers = [np.linalg.matrix_power(F, k) for k in range(n + 1)]
        rows = np.block(
            [[powers[t + 1]] + [powers[t - k] if k <= t else np.zeros((2, 2)) for k in range(n)] for t in range(n)]
        )
        sources = np.zeros((2 * n + 2, 2 * n + 2))
        sources[:2, :2] = np.eye(2)
        for k in range(n):
            sources[2 + 2 * k : 4 + 2 * k, 2 + 2 * k : 4 + 2 * k] = Q
        covariance = rows @ sources @ rows.T
        seen = covariance[::2, ::2] + R * np.eye(n)
        expected = covariance[-2:, ::2] @ np.linalg.solve(seen, z[:, 0])
        np.testing.assert_allclose(means[-1], expected, rtol=1e-10)

    def test_types_and_out(self, backend):
        A, b = np.eye(2, dtype=np.float32), np.ones((3, 2), np.float32)
        assert affine_scan(A, b, 1.0).dtype == np.float32
        assert affine_scan(A.astype(float), b).dtype == np.float64
        out = np.empty((3, 2), np.float32)
        assert affine_scan(A, b, out=out) is out
        assert out.tolist() == [[1, 1], [2, 2], [3, 3]]
        assert affine_scan(A, b, out=b) is b
        assert b.tolist() == out.tolist()
        with pytest.raises(ValueError, match="out must be writeable and C-contiguous, of shape"):
            affine_scan(A, b, out=out[:2])

    def test_empty(self, backend):
        assert affine_scan(np.eye(2), np.empty((0, 2))).shape == (0, 2)
        assert affine_scan(np.empty((0, 0)), np.empty((3, 0))).shape == (3, 0)
        assert affine_scan(np.eye(2), np.empty((0, 3, 2))).shape == (0, 3, 2)
        found = affine_scan_vjp(np.eye(2), np.empty((3, 0, 2)), dy=np.empty((3, 0, 2)))
        assert [g.shape for g in found] == [(2, 2), (3, 0, 2), (3, 2)]

    @pytest.mark.parametrize("place", [0, 2, 4])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_nan(self, backend, place, reverse):
        b = np.ones((5, 2))
        b[place, 1] = np.nan
        A = np.zeros((5, 2, 2))
        with pytest.raises(ValueError, match="b must not hold NaN"):
            affine_scan(A, b, reverse=reverse)
        A[place, 0, 1] = np.nan
        with pytest.raises(ValueError, match="A must not hold NaN"):
            affine_scan(A, np.ones((5, 2)), reverse=reverse)
        with pytest.raises(ValueError, match="y0 must not hold NaN"):
            affine_scan(np.eye(2), np.ones((5, 2)), [0, np.nan], reverse=reverse)

    @pytest.mark.parametrize(
        ("A", "b", "y0", "words"),
        [
            (np.ones((2, 3)), np.ones((4, 3)), None, r"A must be square in its last two dimensions, got shape"),
            (2.0, np.ones((4, 1)), None, "A must be square"),
            (np.eye(2), np.ones((4, 3)), None, "b must have 2 elements in its last dimension, as A has, got"),
            (np.eye(2), 1.0, None, "b must have 2 elements"),
            (np.eye(2), np.ones(2), None, "A or b must have a dimension that is time"),
            (np.ones((3, 2, 2)), np.ones((4, 2)), None, "A and b must broadcast to one shape"),
            (np.eye(2), np.ones((4, 2)), np.ones(3), r"y0 must broadcast to \(2,\), got \(3,\)"),
        ],
    )
    def test_bad_shapes(self, backend, A, b, y0, words):
        with pytest.raises(ValueError, match=words):
            affine_scan(A, b, y0)

    def test_bad_types(self, backend):
        with pytest.raises(TypeError, match="A must be real numbers"):
            affine_scan([["x"]], [[1.0]])
        with pytest.raises(TypeError, match="y0 must be real numbers, got dtype complex128"):
            affine_scan([[1.0]], [[1.0]], 1j)
        with pytest.raises(TypeError, match="reverse must be a bool"):
            affine_scan([[1.0]], [[1.0]], reverse=1)

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("shapes", [*AFFINE, ((2, 2), (1, 2)), ((1, 2, 2), (1, 2))])
    def test_gradient(self, backend, shapes, reverse):
        rng = np.random.default_rng(0)
        A, b = (rng.normal(size=s) for s in shapes)
        parts = [A, b, rng.normal(size=b.shape[-1])]
        dy = rng.normal(size=np.broadcast_shapes(A.shape[:-1], b.shape))
        found = affine_scan_vjp(*parts, dy=dy, reverse=reverse)
        for k, grad in enumerate(found):
            expected = by_complex_step(lambda *moved: (dy * affine_by_hand(*moved, reverse)).sum(), parts, k)
            assert grad.shape == parts[k].shape
            np.testing.assert_allclose(grad, expected, rtol=1e-10, atol=1e-11)
        assert affine_scan_vjp(A, b, dy=dy, reverse=reverse)[2].shape == (*dy.shape[:-2], dy.shape[-1])


class TestLogarithms:
    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize(
        ("shape", "axis"), [((40,), 0), ((9, 67), 0), ((67, 9), 1), ((3, 5, 4), 1), ((2, 6, 1), 1)]
    )
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_is_the_linear_scans_logarithm(self, backend, shape, axis, reverse, dtype):
        rng = np.random.default_rng(0)
        a, b = rng.uniform(size=shape), rng.uniform(size=shape)
        expected = np.log(linear_scan(a, b, 2.0, axis=axis, reverse=reverse))
        y = log_linear_scan(
            np.log(a).astype(dtype), np.log(b).astype(dtype), dtype(np.log(2.0)), axis=axis, reverse=reverse
        )
        assert y.dtype == dtype
        np.testing.assert_allclose(y, expected, atol=1e-13 if dtype == np.float64 else 2e-6)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_each_step_is_within_a_few_units(self, dtype):
        # One step from everywhere, far apart and close together.
        rng = np.random.default_rng(0)
        x = rng.normal(size=200_000) * 10.0 ** rng.uniform(-3, 2, 200_000)
        z = np.concatenate([x[:100_000] + rng.exponential(size=100_000) * 40, rng.permutation(x)[:100_000]])
        x, z = x.astype(dtype), z.astype(dtype)
        wide = np.longdouble
        expected = np.logaddexp(x.astype(wide), z.astype(wide))
        larger = np.maximum(np.maximum(abs(x), abs(z)), np.log(2)).astype(dtype)
        y = log_linear_scan(x[:, None], z[:, None], dtype(0))[:, 0]
        assert (abs(y - expected) <= 4 * np.spacing(larger)).all()

    def test_huge_weights(self, backend):
        y = log_linear_scan(np.full(5, 1e5), np.zeros(5))
        assert y.tolist() == [0, 1e5, 2e5, 3e5, 4e5]
        y = log_linear_scan(np.full(5, -1e5), np.full(5, -3.0))
        assert y.tolist() == [-3] * 5

    def test_weights_of_zero(self, backend):
        minus = -np.inf
        assert log_linear_scan([0.0, 0.0, 0.0], [minus, minus, 1.0]).tolist() == [minus, minus, 1]
        assert log_linear_scan([0.0, minus, 0.0], [1.0, minus, minus]).tolist() == [1, minus, minus]
        assert log_linear_scan(np.zeros((3, 20)), minus, 2.0, axis=0).tolist() == np.full((3, 20), 2.0).tolist()
        # A state of weight 0 before the first step is the default.
        assert log_linear_scan(0.0, [1.0]).tolist() == log_linear_scan(0.0, [1.0], minus).tolist() == [1]

    @given(st.data())
    def test_twins_agree(self, data):
        dtype = data.draw(st.sampled_from([np.float32, np.float64]))
        shape = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 70)))
        axis, single = data.draw(st.integers(0, 2)), data.draw(st.tuples(*[st.booleans()] * 3))
        rng = np.random.default_rng(data.draw(st.integers(0, 100)))
        a = drawn(rng, [min(n, 1) if one else n for one, n in zip(single, shape)], dtype, 3)
        b, reverse = drawn(rng, shape, dtype, 3), data.draw(st.booleans())
        for values in (a, b):
            values[rng.uniform(size=values.shape) < 0.1] = -np.inf
        first, second = on_both(lambda: log_linear_scan(a, b, axis=axis, reverse=reverse))
        # A step is right to a few units of the larger of its terms, which may nearly cancel.
        largest = max([1.0, *(abs(values[np.isfinite(values)]).max(initial=0) for values in (a, b, second))])
        bound = 4 * max(shape) * np.finfo(dtype).eps * largest
        np.testing.assert_allclose(first, second, rtol=0, atol=bound)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize("place", [0, 2, 4])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_what_has_no_logarithm(self, backend, value, place, reverse):
        b = np.full((5, 3), -np.inf)
        b[place, 1] = value
        a = np.zeros((5, 1))
        with pytest.raises(ValueError, match=r"log_b must not hold NaN or \+inf"):
            log_linear_scan(a, b, axis=0, reverse=reverse)
        a[place] = value
        with pytest.raises(ValueError, match=r"log_a must not hold NaN or \+inf"):
            log_linear_scan(a, np.zeros((5, 3)), axis=0, reverse=reverse)
        with pytest.raises(ValueError, match=r"y0 must not hold NaN or \+inf"):
            log_linear_scan(0.0, np.zeros(5), value)

    def test_overflow_of_good_input_is_infinite(self, backend):
        assert log_linear_scan(np.full(2, 1.5e308), np.full(2, 1.0), 1.0).tolist() == [1.5e308, np.inf]

    def test_types_out_and_errors(self, backend):
        b = np.zeros((2, 3), np.float32)
        assert log_linear_scan(0.5, b).dtype == np.float32
        assert log_linear_scan(np.float64(0.5), b).dtype == np.float64
        expected = log_linear_scan(0.5, b).tolist()
        assert log_linear_scan(0.5, b, out=b) is b
        assert b.tolist() == expected
        assert log_linear_scan(np.empty((2, 0)), np.empty((2, 0))).shape == (2, 0)
        for call, error, words in [
            (lambda: log_linear_scan(1j, b), TypeError, "log_a must be real numbers, got dtype complex128"),
            (lambda: log_linear_scan(1.0, b, 1j), TypeError, "y0 must be real numbers, got dtype complex128"),
            (lambda: log_linear_scan([0.0] * 2, b), ValueError, "log_a and log_b must broadcast to one shape"),
            (lambda: log_linear_scan(1.0, 2.0), ValueError, "log_a and log_b must have at least 1 dimension"),
            (lambda: log_linear_scan(1.0, b, [0.0] * 5), ValueError, "y0 must broadcast"),
            (lambda: log_linear_scan(1.0, b, axis=2), ValueError, "axis must be between -2 and 1"),
            (lambda: log_linear_scan_vjp(1.0, b, dy=b[:1]), ValueError, "dy must have shape"),
        ]:
            with pytest.raises(error, match=words):
                call()

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize(
        ("shapes", "axis"),
        [(((4,), (4,), ()), 0), (((), (4,), ()), 0), (((3, 1), (3, 4), (3,)), 1), (((4, 2), (4, 1), (2,)), 0)],
    )
    def test_gradient(self, backend, shapes, axis, reverse):
        rng = np.random.default_rng(0)
        parts = [rng.normal(size=s) for s in shapes]
        full = np.broadcast_shapes(*shapes[:2])
        dy = rng.normal(size=full)

        def loss(a, b, y):
            a, b = (np.moveaxis(np.broadcast_to(v, full), axis, 0) for v in (a, b))
            weights, total = np.moveaxis(dy, axis, 0), 0
            for t in range(len(a))[:: -1 if reverse else 1]:
                y = np.log(np.exp(a[t] + y) + np.exp(b[t]))
                total = total + (weights[t] * y).sum()
            return total

        found = log_linear_scan_vjp(*parts, dy=dy, axis=axis, reverse=reverse)
        for k, grad in enumerate(found):
            assert grad.shape == parts[k].shape
            np.testing.assert_allclose(grad, by_complex_step(loss, parts, k), rtol=1e-11, atol=1e-13)
        # From a weight of 0, the default.
        _, db, dy0 = log_linear_scan_vjp(*parts[:2], dy=dy, axis=axis, reverse=reverse)
        expected = by_complex_step(lambda a, b: loss(a, b, np.full(dy0.shape, -1e4)), parts[:2], 1)
        np.testing.assert_allclose(db, expected, rtol=1e-11, atol=1e-13)
        assert not dy0.any()

    def test_nothing_goes_through_a_weight_of_zero(self, backend):
        minus = -np.inf
        da, db, dy0 = log_linear_scan_vjp([0.0, minus, 0.0], [minus, minus, 1.0], dy=[1.0, 1.0, 1.0])
        assert (da.tolist(), db.tolist(), dy0) == ([0, 0, 0], [0, 0, 1], 0)
        b = np.zeros((2, 3), np.float32)
        assert [g.dtype for g in log_linear_scan_vjp(0.5, b, dy=b)] == [np.float32] * 3
        nothing = log_linear_scan_vjp(np.empty((2, 0)), 0.0, dy=np.empty((2, 0)))
        assert [g.shape for g in nothing] == [(2, 0), (), (2,)]


NAMES = ("x", "delta", "A", "B", "C", "D", "z", "h0")


def selected(rng: np.random.Generator, batch: int | None, steps: int, channels: int, states: int) -> list[np.ndarray]:
    """What goes into a selective scan, in its order."""
    lead = (steps,) if batch is None else (batch, steps)
    x, z = rng.normal(size=(2, *lead, channels))
    B, C = rng.normal(size=(2, *lead, states))
    delta, A = rng.exponential(size=(*lead, channels)), -rng.exponential(size=(channels, states))
    h0 = rng.normal(size=(*lead[:-1], channels, states))
    return [x, delta, A, B, C, rng.normal(size=channels), z, h0]


def selected_by_hand(x, delta, A, B, C, D, z, h, reverse=False):
    """Of one sequence or a batch, element by element of the definition."""
    y, steps = [None] * x.shape[-2], range(x.shape[-2])[:: -1 if reverse else 1]
    for t in steps:
        d, xt, Bt, Ct, zt = (v[..., t, :] for v in (delta, x, B, C, z))
        h = np.exp(d[..., None] * A) * h + (d * xt)[..., None] * Bt[..., None, :]
        y[t] = ((h * Ct[..., None, :]).sum(axis=-1) + D * xt) * zt / (1 + np.exp(-zt))
    return np.stack(y, axis=-2), h


class TestSelective:
    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("shape", [(None, 7, 3, 4), (2, 5, 37, 3), (3, 70, 16, 1), (1, 1, 1, 1)])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_by_hand(self, backend, shape, reverse, dtype):
        data = selected(np.random.default_rng(0), *shape)
        expected = selected_by_hand(*data, reverse)
        found = selective_scan(*(v.astype(dtype) for v in data), reverse=reverse)
        for ours, theirs in zip(found, expected):
            assert ours.dtype == dtype
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-4 if dtype == np.float32 else 1e-11, atol=2e-5)

    def test_precision(self, backend):
        data = selected(np.random.default_rng(1), 2, 200, 20, 16)
        for ours, theirs in zip(selective_scan(*data), selected_by_hand(*data)):
            assert abs(ours - theirs).max() < 1e-12 * abs(theirs).max()

    def test_without_skip_gate_and_state(self, backend):
        x, delta, A, B, C, *_ = selected(np.random.default_rng(0), 2, 6, 3, 4)
        y, h = selective_scan(x, delta, A, B, C)
        expected = selected_by_hand(x, delta, A, B, C, np.zeros(3), np.full_like(x, 1e3), np.zeros((2, 3, 4)))
        np.testing.assert_allclose(y * 1e3, expected[0], rtol=1e-12)
        np.testing.assert_allclose(h, expected[1], rtol=1e-12)

    def test_is_a_linear_scan(self, backend):
        x, delta, A, B, C, *_ = selected(np.random.default_rng(0), None, 9, 3, 4)
        h = linear_scan(np.exp(delta[:, :, None] * A), (delta * x)[:, :, None] * B[:, None], axis=0)
        y, last = selective_scan(x, delta, A, B, C)
        np.testing.assert_allclose(y, (h * C[:, None]).sum(axis=2), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(last, h[-1], rtol=1e-12)

    def test_goes_on_where_it_stopped(self, backend):
        x, delta, A, B, C, D, z, h0 = selected(np.random.default_rng(0), 2, 9, 5, 4)
        whole = selective_scan(x, delta, A, B, C, D, z, h0)
        state, parts = h0, []
        for piece in (slice(0, 4), slice(4, 4), slice(4, 9)):
            steps = [v[:, piece] for v in (x, delta, B, C, z)]
            y, state = selective_scan(*steps[:2], A, *steps[2:4], D, steps[4], state)
            parts.append(y)
        assert np.concatenate(parts, axis=1).tolist() == whole[0].tolist()
        assert state.tolist() == whole[1].tolist()

    def test_states_that_fade_at_once(self, backend):
        # exp(-1e6) is 0, as is what it multiplies.
        y, h = selective_scan(
            np.ones((3, 1)), np.full((3, 1), 1e3), [[-1e3]], np.ones((3, 1)), np.ones((3, 1)), h0=[[5.0]]
        )
        assert y.tolist() == [[1e3]] * 3
        assert h.tolist() == [[1e3]]

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("shape", [(None, 3, 2, 2), (2, 3, 2, 1)])
    def test_gradient(self, backend, shape, reverse):
        rng = np.random.default_rng(0)
        parts = selected(rng, *shape)
        dy, dh = rng.normal(size=parts[0].shape), rng.normal(size=parts[7].shape)

        def loss(*moved):
            y, h = selected_by_hand(*moved, reverse)
            return (dy * y).sum() + (dh * h).sum()

        found = selective_scan_vjp(*parts, dy=dy, dh=dh, reverse=reverse)
        for k, name in enumerate(NAMES):
            grad = getattr(found, name)
            assert grad.shape == parts[k].shape
            np.testing.assert_allclose(grad, by_complex_step(loss, parts, k), rtol=1e-11, atol=1e-13, err_msg=name)

    def test_gradient_of_many_channels_and_parts(self):
        # Longer than a part, wider than a vector: the twin knows neither.
        rng = np.random.default_rng(0)
        for dtype, near in ((np.float64, 1e-11), (np.float32, 1e-4)):
            data = [v.astype(dtype) for v in selected(rng, 2, 75, 37, 5)]
            dy, dh = rng.normal(size=data[0].shape), rng.normal(size=data[7].shape)
            for reverse in (False, True):
                ours, twin = on_both(
                    lambda r=reverse, d=data, g=(dy, dh): selective_scan_vjp(*d, dy=g[0], dh=g[1], reverse=r)
                )
                for name in NAMES:
                    first, second = getattr(ours, name), getattr(twin, name)
                    assert first.dtype == second.dtype == dtype
                    assert abs(first - second).max() <= near * abs(second).max(), name

    def test_gradients_forms(self, backend):
        x, delta, A, B, C, D, z, h0 = selected(np.random.default_rng(0), 2, 4, 3, 2)
        dy = np.ones_like(x)
        found = selective_scan_vjp(x, delta, A, B, C, dy=dy)
        assert (found.D, found.z, found.h0.shape) == (None, None, (2, 3, 2))
        # One state that both sequences began with.
        one = selective_scan_vjp(x, delta, A, B, C, D, z, h0[0], dy=dy)
        each = selective_scan_vjp(x, delta, A, B, C, D, z, np.stack([h0[0]] * 2), dy=dy)
        np.testing.assert_allclose(one.h0, each.h0.sum(axis=0), rtol=1e-13)
        assert not selective_scan_vjp(x, delta, A, B, C).A.any()
        dh = np.arange(12.0).reshape(2, 3, 2)
        nothing = selective_scan_vjp(x[:, :0], delta[:, :0], A, B[:, :0], C[:, :0], D, dh=dh)
        assert nothing.h0.tolist() == dh.tolist()
        assert (nothing.x.shape, nothing.A.any(), nothing.D.tolist()) == ((2, 0, 3), False, [0, 0, 0])

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"x": np.ones(3)}, ValueError, "x must have 2 or 3 dimensions"),
            ({"x": [["a"]]}, TypeError, "x must be real numbers"),
            ({"x": np.full((4, 3), np.nan)}, ValueError, "x must not hold NaN"),
            ({"x": np.full((4, 3), np.inf)}, ValueError, "x must be finite"),
            ({"delta": np.ones((4, 1))}, ValueError, r"delta must have shape \(4, 3\), got \(4, 1\)"),
            (
                {"delta": np.full((4, 3), -0.5)},
                ValueError,
                "delta must be at least 0 .in models, the softplus .* got -0.5",
            ),
            ({"A": np.ones((3, 2))}, ValueError, r"A must be at most 0 .in models, -exp\(A_log\)., got 1.0"),
            ({"A": -np.ones((4, 2))}, ValueError, "A must have a row for each of x's 3 channels"),
            ({"A": np.empty((3, 0))}, ValueError, "A must have at least one state a channel"),
            ({"B": np.ones((4, 3))}, ValueError, "B must have shape"),
            ({"C": np.ones((2, 4, 2))}, ValueError, "C must have shape"),
            ({"D": np.ones(2)}, ValueError, "D must have shape"),
            ({"z": np.ones(3)}, ValueError, "z must have shape"),
            ({"h0": np.ones((1, 3, 2))}, ValueError, "h0 must have shape"),
            ({"reverse": 1}, TypeError, "reverse must be a bool"),
        ],
    )
    def test_bad_input(self, backend, changes, error, words):
        data = dict(zip(NAMES, selected(np.random.default_rng(0), None, 4, 3, 2)))
        for function in (selective_scan, selective_scan_vjp):
            with pytest.raises(error, match=words):
                function(**{**data, **changes})
        with pytest.raises(ValueError, match="dy must have shape"):
            selective_scan_vjp(**data, dy=np.ones((4, 2)))
        with pytest.raises(ValueError, match="dh must be finite"):
            selective_scan_vjp(**data, dh=np.full((3, 2), np.inf))
