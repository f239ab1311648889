"""Units made of linear scans: the linear recurrent unit and the simple one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from fastcore.recurrence import lru, lru_vjp, sru, sru_vjp

TINY = 1e-200


def by_complex_step(loss: Callable[..., Any], parts: dict[str, np.ndarray], name: str) -> np.ndarray:
    """The gradient of a real loss by one argument."""
    found = np.empty(parts[name].shape)
    for place in np.ndindex(found.shape):
        moved = {key: part.astype(complex) for key, part in parts.items()}
        moved[name][place] += 1j * TINY
        found[place] = loss(**moved).imag / TINY
    return found


def order(steps: int, reverse: bool) -> range:
    return range(steps)[:: -1 if reverse else 1]


def in_parts(p: dict[str, Any]) -> dict[str, np.ndarray]:
    """Complex arguments as two real ones, which a complex step can move one at a time."""
    parts = {}
    for name, value in p.items():
        if np.iscomplexobj(value):
            parts[name + "_re"], parts[name + "_im"] = value.real.copy(), value.imag.copy()
        else:
            parts[name] = value
    return parts


def lru_arguments(rng: np.random.Generator, inputs: int = 3, units: int = 4, *, skip: bool = True) -> dict[str, Any]:
    def numbers(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    return {
        "nu_log": rng.normal(size=units) - 1,
        "theta_log": rng.normal(size=units),
        "gamma_log": rng.normal(size=units) / 3,
        "B": numbers(inputs, units),
        "C": numbers(units, inputs if skip else 2),
        **({"D": rng.normal(size=inputs)} if skip else {}),
    }


def lru_loop(x, nu_log, theta_log, gamma_log, B_re, B_im, C_re, C_im, h0_re, h0_im, D=None, reverse=False):
    """One sequence, every product in real numbers."""
    size, angle, y = np.exp(-np.exp(nu_log)), np.exp(theta_log), [None] * len(x)
    a_re, a_im = size * np.cos(angle), size * np.sin(angle)
    for t in order(len(x), reverse):
        old_re, old_im = h0_re, h0_im
        h0_re = a_re * old_re - a_im * old_im + np.exp(gamma_log) * (x[t] @ B_re)
        h0_im = a_re * old_im + a_im * old_re + np.exp(gamma_log) * (x[t] @ B_im)
        y[t] = h0_re @ C_re - h0_im @ C_im + (0 if D is None else D * x[t])
    return np.array(y), h0_re, h0_im


def sru_arguments(rng: np.random.Generator, inputs: int = 3, units: int = 4) -> dict[str, Any]:
    p = {"W": rng.normal(size=(inputs, 3 * units)), "b": rng.normal(size=2 * units)}
    return p if inputs == units else {**p, "highway": rng.normal(size=(inputs, units))}


def sru_loop(x, W, b, c0, highway=None, activation="identity", scale=1.0, reverse=False):
    units, y = W.shape[1] // 3, [None] * len(x)
    for t in order(len(x), reverse):
        new, forget, reset = np.split(x[t] @ W, 3)
        forget, reset = (1 / (1 + np.exp(-v)) for v in (forget + b[:units], reset + b[units:]))
        c0 = forget * c0 + (1 - forget) * new
        past = x[t] if highway is None else x[t] @ highway
        y[t] = reset * (np.tanh(c0) if activation == "tanh" else c0) + (1 - reset) * scale * past
    return np.array(y), c0


def lru_by_loop(x, h0, reverse=False, **p):
    y, re, im = lru_loop(x, **in_parts({**p, "h0": h0 + 0j}), reverse=reverse)
    return y, re + 1j * im


UNITS = {
    "lru": (lru, lru_by_loop, lru_arguments, "h0", np.array([0.5, 1j, -1.0, 2 - 1j])),
    "sru": (sru, sru_loop, sru_arguments, "c0", np.array([0.5, 1.0, -1.0, 2.0])),
}


@pytest.mark.parametrize("name", UNITS)
class TestForms:
    @pytest.mark.parametrize("reverse", [False, True])
    def test_loop(self, backend, name, reverse):
        unit, loop, arguments, state, start = UNITS[name]
        rng = np.random.default_rng(0)
        p = arguments(rng)
        lengths = [5, 1, 0, 5]
        parts = [rng.normal(size=(n, 3)) for n in lengths]
        starts = start + rng.normal(size=(4, 1))
        padded = np.full((4, 5, 3), 7.0)
        for row, part in zip(padded, parts):
            row[: len(part)] = part
        made = {
            "list": unit(parts, **p, **{state: starts}, reverse=reverse),
            "rows": unit(np.concatenate(parts), **p, **{state: starts}, lengths=lengths, reverse=reverse),
            "padded": unit(padded, **p, **{state: starts}, lengths=lengths, reverse=reverse),
            "mask": unit(padded, **p, **{state: starts}, mask=np.arange(5) < np.c_[lengths], reverse=reverse),
        }
        assert (made["padded"][0][1, 1:] == 0).all()
        for i, part in enumerate(parts):
            y, last = loop(part, **p, **{state: starts[i]}, reverse=reverse)
            offset = sum(lengths[:i])
            rows = [made["list"][0][i], made["rows"][0][offset : offset + len(part)]]
            rows += [made[form][0][i, : len(part)] for form in ("padded", "mask")]
            for found in rows:
                np.testing.assert_allclose(found, y.reshape(found.shape), rtol=1e-12, atol=1e-13)
            for _, states in made.values():
                np.testing.assert_allclose(states[i], last, rtol=1e-12, atol=1e-13)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_batch_and_one(self, backend, name, reverse):
        unit, loop, arguments, state, start = UNITS[name]
        rng = np.random.default_rng(1)
        p, x = arguments(rng), rng.normal(size=(2, 6, 3))
        outputs, last = unit(x, **p, **{state: start}, reverse=reverse)
        assert (outputs.shape[:2], last.shape) == ((2, 6), (2, 4))
        for i in range(2):
            y, end = loop(x[i], **p, **{state: start}, reverse=reverse)
            one, of_one = unit(x[i].tolist(), **p, **{state: start}, reverse=reverse)
            for found, expected in ((outputs[i], y), (last[i], end), (one, y), (of_one, end)):
                np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)

    def test_pieces(self, backend, name):
        unit, _, arguments, state, _ = UNITS[name]
        rng = np.random.default_rng(2)
        p, x = arguments(rng), rng.normal(size=(2, 6, 3))
        whole, last = unit(x, **p)
        first, kept = unit(x[:, :4], **p)
        rest, end = unit(x[:, 4:], **p, **{state: kept})
        np.testing.assert_allclose(np.concatenate([first, rest], axis=1), whole, rtol=1e-12)
        np.testing.assert_allclose(end, last, rtol=1e-12)

    def test_types(self, backend, name):
        unit, _, arguments, _, _ = UNITS[name]
        p, x = arguments(np.random.default_rng(3)), np.ones((2, 4, 3), np.float32)
        single = {k: v.astype(np.complex64 if v.dtype.kind == "c" else np.float32) for k, v in p.items()}
        wide, wide_state = unit(x, **p)
        outputs, state = unit(x, **single)
        assert (wide.dtype, wide_state.dtype) == (np.float64, np.complex128 if name == "lru" else np.float64)
        assert (outputs.dtype, state.dtype) == (np.float32, np.complex64 if name == "lru" else np.float32)
        np.testing.assert_allclose(outputs, wide, rtol=1e-4, atol=1e-5)

    def test_empty(self, backend, name):
        unit, _, arguments, state, start = UNITS[name]
        p = arguments(np.random.default_rng(4))
        outputs, last = unit(np.empty((2, 0, 3)), **p, **{state: start})
        assert (outputs.shape[:2], last.tolist()) == ((2, 0), [start.tolist()] * 2)
        assert unit(np.empty((0, 5, 3)), **p)[1].shape == (0, 4)

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"x": np.ones(3)}, ValueError, "x must have 2 or 3 dimensions"),
            ({"x": np.full((4, 3), np.inf)}, ValueError, "x must be finite"),
            ({"x": np.full((4, 3), np.nan)}, ValueError, "x must not hold NaN"),
            ({"x": [["a"]]}, TypeError, "x must be real numbers"),
            ({"x": 1j * np.ones((4, 3))}, TypeError, "x must be real numbers"),
            ({"reverse": 1}, TypeError, "reverse must be a bool"),
            ({"lengths": [2]}, ValueError, "lengths must sum to the 4 rows of x"),
        ],
    )
    def test_bad_input(self, backend, name, changes, error, words):
        unit, _, arguments, state, _ = UNITS[name]
        vjp = {"lru": lru_vjp, "sru": sru_vjp}[name]
        data = {"x": np.ones((4, 3)), **arguments(np.random.default_rng(5))}
        for function in (unit, vjp):
            with pytest.raises(error, match=words):
                function(**{**data, **changes})
            with pytest.raises(ValueError, match=rf"{state} must have shape \(1, 4\) or \(4,\), got \(3,\)"):
                function(**data, **{state: np.ones(3)})
            with pytest.raises(ValueError, match=f"{state} must be finite"):
                function(**data, **{state: np.full(4, np.inf)})
        with pytest.raises(ValueError, match="dy must have shape"):
            vjp(**data, dy=np.ones((4, 7)))


class TestLRU:
    def test_is_a_bank_of_filters(self, backend):
        # Each state is a filter with one complex pole; SciPy's filters say the same.
        rng = np.random.default_rng(0)
        p, x = lru_arguments(rng, skip=False), rng.normal(size=(300, 3))
        poles = np.exp(-np.exp(p["nu_log"]) + 1j * np.exp(p["theta_log"]))
        fed = np.exp(p["gamma_log"]) * (x @ p["B"])
        states = np.stack([lfilter([1.0], [1.0, -pole], fed[:, k]) for k, pole in enumerate(poles)], axis=1)
        y, last = lru(x, **p)
        np.testing.assert_allclose(y, (states @ p["C"]).real, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(last, states[-1], rtol=1e-10)

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("skip", [False, True])
    def test_gradient(self, backend, reverse, skip):
        rng = np.random.default_rng(0)
        p = {**lru_arguments(rng, skip=skip), "h0": rng.normal(size=4) + 1j * rng.normal(size=4)}
        x = rng.normal(size=(4, 3))
        dy, dh = rng.normal(size=(4, p["C"].shape[1])), rng.normal(size=4) + 1j * rng.normal(size=4)

        def loss(**parts):
            y, re, im = lru_loop(**parts, reverse=reverse)
            return (dy * y).sum() + (dh.real * re - dh.imag * im).sum()

        parts = in_parts({"x": x, **p})
        found = lru_vjp(x, **p, dy=dy, dh=dh, reverse=reverse)
        assert (found.D is None) == (not skip)
        for name in ("x", *p):
            grad = getattr(found, name)
            if name in parts:
                expected = by_complex_step(loss, parts, name)
            else:
                expected = by_complex_step(loss, parts, name + "_re") - 1j * by_complex_step(loss, parts, name + "_im")
            np.testing.assert_allclose(grad, expected, rtol=1e-10, atol=1e-12, err_msg=name)

    def test_gradient_of_batches(self, backend):
        rng = np.random.default_rng(1)
        p = lru_arguments(rng)
        parts = [rng.normal(size=(n, 3)) for n in (4, 0, 2)]
        dys, h0 = [rng.normal(size=v.shape) for v in parts], rng.normal(size=4)
        dh = rng.normal(size=(3, 4)) + 1j
        found = lru_vjp(parts, **p, h0=h0, dy=dys, dh=dh)
        each = [lru_vjp(v, **p, h0=h0, dy=dy, dh=end) for v, dy, end in zip(parts, dys, dh)]
        for name in ("nu_log", "theta_log", "gamma_log", "B", "C", "D", "h0"):
            total = sum(getattr(one, name) for one in each)
            np.testing.assert_allclose(getattr(found, name), total, rtol=1e-10, atol=1e-12, err_msg=name)
        for row, one in zip(found.x, each):
            np.testing.assert_allclose(row, one.x, rtol=1e-10)
        same = lru_vjp(np.stack([parts[0]] * 2), **p, dy=np.stack([dys[0]] * 2))
        np.testing.assert_allclose(same.B, 2 * lru_vjp(parts[0], **p, dy=dys[0]).B, rtol=1e-10)
        assert same.h0.shape == (2, 4)

    def test_real_weights_have_real_gradients(self, backend):
        rng = np.random.default_rng(2)
        p, x = lru_arguments(rng), rng.normal(size=(5, 3))
        real = {**p, "B": p["B"].real, "C": p["C"].real}
        grads = lru_vjp(x, **real, dy=np.ones((5, 3)))
        wide = lru_vjp(x, **{**real, "B": real["B"] + 0j, "C": real["C"] + 0j}, dy=np.ones((5, 3)))
        assert (grads.B.dtype, grads.C.dtype, wide.B.dtype) == (np.float64, np.float64, np.complex128)
        np.testing.assert_array_equal(grads.B, wide.B.real)
        np.testing.assert_array_equal(grads.C, wide.C.real)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"nu_log": np.ones((4, 1))}, "nu_log must have 1 dimension"),
            ({"nu_log": np.full(4, 800.0)}, "nu_log must have a finite exponential, at most 710, got 800.0"),
            ({"theta_log": np.ones(3)}, r"theta_log must have shape \(4,\), got \(3,\)"),
            ({"gamma_log": np.full(4, np.nan)}, "gamma_log must not hold NaN"),
            ({"B": np.ones((2, 4))}, r"B must have shape \(3, 4\), got \(2, 4\)"),
            ({"B": np.full((3, 4), complex(0, np.inf))}, "B must be finite"),
            ({"C": np.ones((3, 3))}, r"C must have shape \(4, P\) to match nu_log \(4,\), got \(3, 3\)"),
            ({"C": np.ones((4, 2))}, r"C must have shape \(4, 3\) where there is D, got \(4, 2\)"),
            ({"D": np.ones(2)}, r"D must have shape \(3,\)"),
        ],
    )
    def test_bad_weights(self, backend, changes, words):
        data = {"x": np.ones((4, 3)), **lru_arguments(np.random.default_rng(3)), **changes}
        for function in (lru, lru_vjp):
            with pytest.raises(ValueError, match=words):
                function(**data)


class TestSRU:
    @pytest.mark.parametrize("options", [{}, {"activation": "tanh"}, {"scale": 1.5, "activation": "tanh"}])
    @pytest.mark.parametrize("inputs", [3, 4])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_loop_and_gradient(self, backend, options, inputs, reverse):
        rng = np.random.default_rng(0)
        p, x, c0 = sru_arguments(rng, inputs), rng.normal(size=(4, inputs)), rng.normal(size=4)
        y, last = sru(x, **p, c0=c0, **options, reverse=reverse)
        expected, end = sru_loop(x, **p, c0=c0, **options, reverse=reverse)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(last, end, rtol=1e-12, atol=1e-13)
        dy, dc = rng.normal(size=(4, 4)), rng.normal(size=4)

        def loss(**parts):
            outputs, state = sru_loop(**parts, **options, reverse=reverse)
            return (dy * outputs).sum() + (dc * state).sum()

        found = sru_vjp(x, **p, c0=c0, dy=dy, dc=dc, **options, reverse=reverse)
        parts = {"x": x, "c0": c0, **p}
        for name, part in parts.items():
            grad = getattr(found, name)
            assert grad.shape == part.shape
            np.testing.assert_allclose(grad, by_complex_step(loss, parts, name), rtol=1e-10, atol=1e-12, err_msg=name)

    def test_gradient_of_batches(self, backend):
        rng = np.random.default_rng(1)
        p = sru_arguments(rng)
        parts = [rng.normal(size=(n, 3)) for n in (4, 0, 2)]
        dys, dc = [rng.normal(size=(len(v), 4)) for v in parts], rng.normal(size=(3, 4))
        found = sru_vjp(parts, **p, dy=dys, dc=dc)
        each = [sru_vjp(v, **p, dy=dy, dc=end) for v, dy, end in zip(parts, dys, dc)]
        for name in ("W", "b", "highway"):
            total = sum(getattr(one, name) for one in each)
            np.testing.assert_allclose(getattr(found, name), total, rtol=1e-10, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(found.c0, [one.c0 for one in each], rtol=1e-10)
        assert found.c0[1].tolist() == dc[1].tolist()

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"W": np.ones((3, 8))}, ValueError, r"W must have shape \(3, 3 H\) to match x, got \(3, 8\)"),
            ({"W": np.ones((2, 12))}, ValueError, "W must have shape"),
            ({"highway": None}, ValueError, "highway must be given where x has 3 features and the unit 4 states"),
            ({"highway": np.ones((4, 4))}, ValueError, r"highway must have shape \(3, 4\)"),
            ({"b": np.ones(4)}, ValueError, r"b must have shape \(8,\)"),
            ({"activation": "relu"}, ValueError, "activation must be one of"),
            ({"scale": np.ones(2)}, ValueError, "scale must have 0 dimensions"),
            ({"scale": np.inf}, ValueError, "scale must be finite"),
        ],
    )
    def test_bad_weights(self, backend, changes, error, words):
        data = {"x": np.ones((4, 3)), **sru_arguments(np.random.default_rng(2)), **changes}
        for function in (sru, sru_vjp):
            with pytest.raises(error, match=words):
                function(**data)
