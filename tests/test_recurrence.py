"""Recurrences."""

from __future__ import annotations

import itertools
import math
import pickle
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fastcore import use_backend
from fastcore._random import stream_key
from fastcore.reactions import ReactionNetwork, simulate
from fastcore.recurrence import from_torch, gru, linear_scan, linear_scan_vjp, lstm, scan, simple_rnn
from fastcore.reference._rng import Rng
from fastcore.reference._runs import exponential

from .helpers import memory_growth, nasty_forms

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
        with pytest.raises(ValueError, match="axis must be between -1 and 0, got 1"):
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

    @given(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 3), st.integers(0, 7), st.integers(1, 4)),
        st.integers(0, 2),
        st.lists(st.booleans(), min_size=6, max_size=6),
        st.booleans(),
    )
    def test_twins_agree_whatever_is_broadcast(self, dtype, shape, axis, single, reverse):
        rng = np.random.default_rng(0)
        a, b = (
            rng.normal(size=[1 if one else n for one, n in zip(ones, shape)]).astype(dtype)
            for ones in (single[:3], single[3:])
        )
        results = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                results.append(linear_scan(a, b, 0.5, axis=axis, reverse=reverse))
        assert results[0].tobytes() == results[1].tobytes()
        full = np.broadcast_shapes(a.shape, b.shape)
        with use_backend("reference"):
            plain = linear_scan(
                *(np.ascontiguousarray(np.broadcast_to(v, full)) for v in (a, b)), 0.5, axis=axis, reverse=reverse
            )
        assert results[0].tobytes() == plain.tobytes()

    @pytest.mark.parametrize("factors", ["forgetting", "sum", "growing", "both", "constant"])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_long_chains_are_right_to_the_bit(self, factors, dtype, reverse):
        # Long enough for pieces whose first states are guessed, whether or not those come right.
        n = 40_000
        rng = np.random.default_rng(0)
        a = {
            "forgetting": rng.uniform(-1, 1, n),
            "sum": np.ones(n),
            "growing": rng.uniform(0.99, 1.0101, n),
            "both": np.where(np.arange(n) // 9000 % 2, 1.0, 0.5),
            "constant": np.full(n, 0.9),
        }[factors].astype(dtype)
        b = rng.normal(size=n).astype(dtype)
        expected, state = np.empty(n, dtype), dtype(3)
        for t in range(n)[:: -1 if reverse else 1]:
            state = a[t] * state + b[t]
            expected[t] = state
        assert linear_scan(a, b, 3.0, reverse=reverse).tobytes() == expected.tobytes()
        if factors == "constant":
            assert linear_scan(float(a[0]) if dtype == np.float64 else a[0], b, 3.0, reverse=reverse).tobytes() == (
                expected.tobytes()
            )
        # Rows side by side, and the last ones alone.
        rows = linear_scan(np.tile(a[:9000], (6, 1)), b[:9000], 3.0, reverse=reverse)
        alone = linear_scan(a[:9000], b[:9000], 3.0, reverse=reverse)
        assert all(row.tobytes() == alone.tobytes() for row in rows)

    def test_a_python_number_has_no_type(self, backend):
        b = np.ones(3, np.float32)
        assert linear_scan(0.5, b).dtype == np.float32
        assert linear_scan(1, b, 2).dtype == np.float32
        assert linear_scan(b, 0.5).dtype == np.float32
        assert linear_scan(np.float64(0.5), b).dtype == np.float64
        assert linear_scan([0.5], b).dtype == np.float64

    def test_out(self, backend):
        a, b = np.full((2, 3), 0.5), np.ones((2, 3))
        expected = linear_scan(a, b).tolist()
        out = np.empty((2, 3))
        assert linear_scan(a, b, out=out) is out
        assert out.tolist() == expected
        assert linear_scan(a, b, out=b).tolist() == expected
        assert b.tolist() == expected
        for wrong, error, words in [
            (np.empty((2, 3), np.float32), TypeError, "out must be an array of float64, got float32"),
            ([0.0] * 3, TypeError, "out must be an array of float64, got list"),
            (np.empty((3, 2)), ValueError, "out must be writeable and C-contiguous, of shape"),
            (np.empty((3, 2)).T, ValueError, "out must be writeable and C-contiguous, of shape"),
        ]:
            with pytest.raises(error, match=words):
                linear_scan(a, b, out=wrong)

    def test_out_may_be_an_input_of_a_long_chain(self):
        rng = np.random.default_rng(0)
        a, b = rng.uniform(-1, 1, 20_000), rng.normal(size=20_000)
        expected = linear_scan(a, b)
        assert linear_scan(a, b.copy(), out=b).tobytes() == expected.tobytes()
        assert linear_scan(a, b.copy() * 0 + expected, out=a) is a

    @pytest.mark.parametrize("place", [0, 2, 4])
    @pytest.mark.parametrize("axis", [0, 1])
    def test_nan_is_found_wherever_it_is(self, backend, place, axis):
        b = np.ones((5, 5))
        b[place, 3] = np.nan
        with pytest.raises(ValueError, match="b must not hold NaN"):
            linear_scan(0.0, b, axis=axis)
        with pytest.raises(ValueError, match="a must not hold NaN"):
            linear_scan(b, 0.0, axis=axis, reverse=True)
        with pytest.raises(ValueError, match="y0 must not hold NaN"):
            linear_scan(np.ones(2), 0.0, np.nan)

    def test_infinities_are_numbers(self, backend):
        with np.errstate(invalid="ignore"):
            y = linear_scan([1.0, 1.0], [np.inf, -np.inf])
        assert y[0] == np.inf
        assert np.isnan(y[1])

    def test_memory_is_flat(self):
        setup = "import numpy as np; from fastcore.recurrence import linear_scan; a = np.ones(10000)"
        assert memory_growth(setup, "linear_scan(a, a)", 1000) < 50


class TestLinearScanGradient:
    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize(
        "shapes",
        [((4,), (4,), ()), ((), (4,), None), ((3, 4), (4,), (3,)), ((4,), (3, 4), ()), ((2, 4, 1), (4, 3), (2, 1))],
    )
    @pytest.mark.parametrize("time", [4, 1])
    def test_complex_step(self, backend, shapes, reverse, time):
        rng = np.random.default_rng(0)
        axis = -2 if len(shapes[0]) == 3 else -1
        parts = [None if s is None else rng.normal(size=[min(n, time) if n == 4 else n for n in s]) for s in shapes]
        full = np.broadcast_shapes(parts[0].shape, parts[1].shape)
        dy = rng.normal(size=full)

        def loss(a, b, y0):
            a, b = (np.moveaxis(np.broadcast_to(v, full), axis, 0) for v in (a, b))
            weights, total = np.moveaxis(dy, axis, 0), 0
            y = np.broadcast_to(0.0 if y0 is None else y0, a.shape[1:])
            for t in range(len(a))[:: -1 if reverse else 1]:
                y = a[t] * y + b[t]
                total = total + (weights[t] * y).sum()
            return total

        found = linear_scan_vjp(*parts, dy=dy, axis=axis, reverse=reverse)
        for k, (grad, part) in enumerate(zip(found, parts)):
            if part is None:
                continue
            assert grad.shape == part.shape
            for place in np.ndindex(grad.shape):
                moved = [None if v is None else v.astype(complex) for v in parts]
                moved[k][place] += 1e-200j
                assert grad[place] == pytest.approx(loss(*moved).imag / 1e-200, rel=1e-12, abs=1e-14)

    def test_types_and_errors(self, backend):
        b = np.ones((2, 3), np.float32)
        assert [g.dtype for g in linear_scan_vjp(0.5, b, dy=b)] == [np.float32] * 3
        assert [g.shape for g in linear_scan_vjp(np.ones((2, 0)), 1.0, dy=np.ones((2, 0)))] == [(2, 0), (), (2,)]
        with pytest.raises(ValueError, match="dy must have shape"):
            linear_scan_vjp(0.5, b, dy=b[:1])
        with pytest.raises(ValueError, match="b must not hold NaN"):
            linear_scan_vjp(0.5, b * np.nan, dy=b)


class TestScan:
    def test_any_state(self):
        def step(state, x):
            words, total = state
            return ([*words, x], total + len(x)), total

        state, ys = scan(step, ([], 0), iter(["a", "bcd", "ef"]))
        assert state == (["a", "bcd", "ef"], 6)
        assert ys.tolist() == [0, 1, 4]

    def test_linear_scan_is_one(self):
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))

        def step(y, x):
            y = x[0] * y + x[1]
            return y, y

        last, ys = scan(step, np.ones(3), (a, b))
        assert ys.tolist() == linear_scan(a, b, 1.0, axis=0).tolist()
        assert last.tolist() == ys[-1].tolist()
        _, back = scan(step, np.ones(3), (a, b), reverse=True)
        assert back.tolist() == linear_scan(a, b, 1.0, axis=0, reverse=True).tolist()

    def test_several_outputs_and_none(self):
        state, (first, second) = scan(lambda s, x: (s + x, (s, [x, -x])), 0, np.arange(3))
        assert (state, first.tolist(), second.tolist()) == (3, [0, 0, 1], [[0, 0], [1, -1], [2, -2]])
        assert scan(lambda s, x: (s + 1, None), 0, length=5) == (5, None)

    def test_empty(self):
        state, ys = scan(lambda s, x: (s + x, s), 7, [])
        assert (state, ys.shape) == (7, (0,))

    def test_names_are_kept(self):
        Pair = namedtuple("Pair", "a b")

        def step(state, x):
            y = x.a * state + x.b
            return y, Pair(y, {"twice": 2 * y, "none": None})

        a, b = np.array([2.0, 3.0, 4.0]), np.ones(3)
        state, ys = scan(step, 1.0, Pair(a, b))
        assert type(ys) is Pair
        assert ys.a.tolist() == linear_scan(a, b, 1.0).tolist()
        assert ys.b["twice"].tolist() == (2 * ys.a).tolist()
        assert ys.b["none"] is None
        assert state == ys.a[-1]

        def by_name(state, x):
            y = x["a"] * state + x["b"]
            return y, y

        for xs in ({"a": a, "b": b}, {"b": b.tolist(), "a": a}):
            assert scan(by_name, 1.0, xs)[1].tolist() == ys.a.tolist()
        assert scan(by_name, 1.0, {"a": a, "b": b}, reverse=True)[1].tolist() == (
            linear_scan(a, b, 1.0, reverse=True).tolist()
        )
        with pytest.raises(ValueError, match="equally long"):
            scan(by_name, 1.0, {"a": a, "b": b[:2]})
        with pytest.raises(TypeError, match="a mapping xs must hold arrays"):
            scan(by_name, 1.0, {})
        with pytest.raises(ValueError, match="must keep the same names"):
            scan(lambda s, x: (s, {str(x): x}), 0, [1, 2])

    def test_the_clock_of_a_simulation(self):
        # Decay A -> 0: the state is time and count, what is kept the times of firing; the mean of the k-th is a sum.
        rng = np.random.default_rng(0)

        def fire(state, wait):
            t, n = state
            t = t + wait / (0.5 * n)
            return (t, n - 1), t

        times = np.array([scan(fire, (0.0, 10), rng.exponential(size=10))[1] for _ in range(4000)])
        expected = np.cumsum([1 / (0.5 * n) for n in range(10, 0, -1)])
        spread = np.sqrt(np.cumsum([1 / (0.5 * n) ** 2 for n in range(10, 0, -1)]) / 4000)
        assert (abs(times.mean(axis=0) - expected) < 6 * spread).all()

    def test_a_simulation(self, backend):
        """Gillespie's direct method, event by event that of `simulate`: an element is what one event draws."""
        run = simulate(ReactionNetwork("S + I -> 2 I @ 1; I -> R @ 3"), [20, 2, 0], (0, 100), rng=5, record="jumps")
        rng = Rng(stream_key(5).tolist(), 0)
        draws = ((exponential(rng), rng.next_double()) for _ in range(len(run.times)))

        def fire(state, draw):
            t, s, i = state
            # Whole numbers, so that no sum is rounded.
            infect, total = s * i, s * i + 3 * i
            j = int(draw[1] * total >= infect)
            t = t + draw[0] / total
            return (t, s - (j == 0), i + 1 - 2 * j), (t, j)

        (_, _, i), (times, reactions) = scan(fire, (0.0, 20, 2), draws)
        assert len(times) > 10 and i == 0
        assert times.tolist() == run.times.tolist()
        assert reactions.tolist() == run.reactions.tolist()

    def test_crf_denominator(self):
        rng = np.random.default_rng(1)
        emissions, transitions = rng.normal(size=(6, 3)) * 5, rng.normal(size=(3, 3)) * 5

        def forward(alpha, emission):
            return np.logaddexp.reduce(alpha[:, None] + transitions, axis=0) + emission, None

        alpha, _ = scan(forward, emissions[0], emissions[1:])
        scores = [
            sum(emissions[t, label] for t, label in enumerate(path))
            + sum(transitions[pair] for pair in itertools.pairwise(path))
            for path in itertools.product(range(3), repeat=6)
        ]
        top = max(scores)
        expected = top + math.log(math.fsum(math.exp(s - top) for s in scores))
        assert np.logaddexp.reduce(alpha) == pytest.approx(expected, rel=1e-13)

    def test_euler(self):
        # x' = k x: each step multiplies by 1 + k h, and the error is of order h against the exponential.
        def error(n):
            h = 1 / n

            def euler(state, _):
                t, x = state
                x = x + h * (-2.0 * x)
                return (t + h, x), x

            (t, x), path = scan(euler, (0.0, 3.0), length=n)
            assert t == pytest.approx(1)
            np.testing.assert_allclose(path, 3 * (1 - 2 * h) ** np.arange(1, n + 1), rtol=1e-12)
            np.testing.assert_allclose(path, linear_scan(np.full(n, 1 - 2 * h), np.zeros(n), 3.0), rtol=1e-12)
            return abs(x - 3 * math.exp(-2))

        assert error(1000) < 1e-3
        assert error(100) / error(200) == pytest.approx(2, rel=0.05)

    def test_simple_rnn_is_one(self, backend):
        rng = np.random.default_rng(2)
        x, W, U, b = rng.normal(size=(7, 4)), rng.normal(size=(4, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)

        def cell(h, x):
            h = np.tanh(x @ W + h @ U + b)
            return h, h

        state, outputs = scan(cell, np.zeros(3), x)
        ours, ours_state = simple_rnn(x, W, U, b)
        np.testing.assert_allclose(ours, outputs, rtol=1e-12)
        np.testing.assert_allclose(ours_state, state, rtol=1e-12)

    @pytest.mark.parametrize(
        ("arguments", "options", "error", "words"),
        [
            ((3, 0, [1]), {}, TypeError, "step must be callable"),
            ((max, 0), {}, TypeError, "either xs or length"),
            ((max, 0, [1]), {"length": 1}, TypeError, "either xs or length"),
            ((max, 0, 1), {}, TypeError, "xs must be an array"),
            ((max, 0, ()), {}, TypeError, "a tuple xs must hold arrays"),
            ((max, 0, ([1, 2], [1])), {}, ValueError, "equally long"),
            ((max, 0), {"length": -1}, ValueError, "length must be at least 0"),
            ((lambda s, x: s, 0, [1]), {}, TypeError, "step must return a pair"),
        ],
    )
    def test_bad_input(self, arguments, options, error, words):
        with pytest.raises(error, match=words):
            scan(*arguments, **options)


def logistic(v):
    return 1 / (1 + np.exp(-v))


def by_formula(kind, x, W, U, b, h0, c0):
    """The three cells in NumPy, as their papers write them, for one sequence."""
    n, h, c, outputs = len(U), h0, c0, []
    for xt in x:
        if kind == "gru":
            a, g = xt @ W + b[0], h @ U + b[1]
            r, z = logistic(a[:n] + g[:n]), logistic(a[n : 2 * n] + g[n : 2 * n])
            h = (1 - z) * np.tanh(a[2 * n :] + r * g[2 * n :]) + z * h
        elif kind == "lstm":
            i, f, g, o = np.split(xt @ W + h @ U + b, 4)
            c = logistic(f) * c + logistic(i) * np.tanh(g)
            h = logistic(o) * np.tanh(c)
        else:
            a = xt @ W + h @ U + b
            h = np.tanh(a) if kind == "tanh" else np.maximum(a, 0)
        outputs.append(h)
    return np.array(outputs).reshape(len(x), n), h, c


CELLS = {"tanh": 1, "relu": 1, "gru": 3, "lstm": 4}


def run_cell(kind, x, W, U, b=None, h0=None, c0=None, **options):
    """Call a cell by name; return outputs and a tuple of states."""
    if kind == "gru":
        outputs, state = gru(x, W, U, b, h0, **options)
    elif kind == "lstm":
        return lstm(x, W, U, b, h0, c0, **options)
    else:
        outputs, state = simple_rnn(x, W, U, b, h0, kind, **options)
    return outputs, (state,)


def arguments(kind, batch, steps, inputs, hidden, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    gates = CELLS[kind] * hidden
    shapes = [
        (batch, steps, inputs),
        (inputs, gates),
        (hidden, gates),
        (2, gates) if kind == "gru" else (gates,),
        (batch, hidden),
        (batch, hidden),
    ]
    scale = (1 / math.sqrt(inputs + hidden)) if inputs + hidden else 1.0
    return [(rng.normal(size=shape) * (scale if k in (1, 2) else 1)).astype(dtype) for k, shape in enumerate(shapes)]


@pytest.mark.parametrize("kind", CELLS)
class TestCells:
    @pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 4, 5), (5, 4, 3, 17), (4, 2, 7, 16), (3, 2, 0, 2)])
    def test_formula(self, backend, kind, shape):
        x, W, U, b, h0, c0 = arguments(kind, *shape)
        outputs, states = run_cell(kind, x, W, U, b, h0, c0)
        for i in range(len(x)):
            expected = by_formula(kind, x[i], W, U, b, h0[i], c0[i])
            np.testing.assert_allclose(outputs[i], expected[0], rtol=1e-12, atol=1e-14)
            for ours, theirs in zip(states, expected[1:]):
                np.testing.assert_allclose(ours[i], theirs, rtol=1e-12, atol=1e-14)

    @given(
        st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 5), st.integers(1, 9)),
        st.integers(0, 2**32 - 1),
        st.sampled_from([np.float32, np.float64]),
        st.booleans(),
    )
    def test_twins_agree(self, kind, shape, seed, dtype, reverse):
        data = arguments(kind, *shape, seed=seed, dtype=dtype)
        results = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                outputs, states = run_cell(kind, *data, reverse=reverse)
                assert outputs.dtype == dtype
                results.append([outputs, *states])
        tolerance = 1e-12 if dtype == np.float64 else 1e-5
        for fast, slow in zip(*results):
            assert fast.shape == slow.shape
            np.testing.assert_allclose(fast, slow, rtol=tolerance, atol=tolerance)

    def test_defaults_are_zero(self, backend, kind):
        x, W, U, b, h0, c0 = arguments(kind, 2, 3, 2, 3)
        given = run_cell(kind, x, W, U, 0 * b, 0 * h0, 0 * c0)
        default = run_cell(kind, x, W, U)
        assert default[0].tolist() == given[0].tolist()

    def test_one_sequence_and_one_start(self, backend, kind):
        x, W, U, b, h0, c0 = arguments(kind, 1, 3, 2, 3)
        batch = run_cell(kind, x, W, U, b, h0, c0)
        single = run_cell(kind, x[0], W, U, b, h0[0], c0[0])
        assert single[0].tolist() == batch[0][0].tolist()
        assert [s.tolist() for s in single[1]] == [s[0].tolist() for s in batch[1]]

    def test_state_goes_on_where_it_stopped(self, backend, kind):
        x, W, U, b, h0, c0 = arguments(kind, 3, 6, 2, 4)
        whole = run_cell(kind, x, W, U, b, h0, c0)
        first = run_cell(kind, x[:, :2], W, U, b, h0, c0)
        second = run_cell(kind, x[:, 2:], W, U, b, *first[1])
        assert np.concatenate([first[0], second[0]], axis=1).tolist() == whole[0].tolist()
        assert [s.tolist() for s in second[1]] == [s.tolist() for s in whole[1]]

    def test_reverse(self, backend, kind):
        x, W, U, b, h0, c0 = arguments(kind, 2, 4, 2, 3)
        forward = run_cell(kind, x[:, ::-1], W, U, b, h0, c0)
        backward = run_cell(kind, x, W, U, b, h0, c0, reverse=True)
        assert backward[0].tolist() == forward[0][:, ::-1].tolist()
        assert [s.tolist() for s in backward[1]] == [s.tolist() for s in forward[1]]

    def test_a_batch_is_its_sequences(self, backend, kind):
        x, W, U, b, h0, c0 = arguments(kind, 7, 3, 4, 5)
        whole = run_cell(kind, x, W, U, b, h0, c0)[0]
        for i in range(7):
            assert run_cell(kind, x[i], W, U, b, h0[i], c0[i])[0].tolist() == whole[i].tolist()

    @pytest.mark.parametrize("workers", [2, 3, map])
    def test_workers_change_nothing(self, kind, workers):
        x, W, U, b, h0, c0 = arguments(kind, 100, 5, 4, 5)
        one = run_cell(kind, x, W, U, b, h0, c0)
        two = run_cell(kind, x, W, U, b, h0, c0, workers=workers)
        assert one[0].tolist() == two[0].tolist()
        assert [s.tolist() for s in one[1]] == [s.tolist() for s in two[1]]

    def test_saturated(self, backend, kind):
        x, W, U, b, h0, c0 = arguments(kind, 2, 2, 2, 3)
        outputs, _ = run_cell(kind, x, W * 1e4, U, b, h0, c0)
        assert np.isfinite(outputs).all()
        if kind != "relu":
            assert abs(outputs).max() <= 1 + abs(h0).max()

    def test_layouts(self, backend, kind):
        x, W, U, b, _, _ = arguments(kind, 2, 3, 2, 3)
        expected = run_cell(kind, x, W, U, b)[0].tolist()
        for (name, xs), (_, ws), (_, us) in zip(nasty_forms(x), nasty_forms(W), nasty_forms(U)):
            kept = xs.tolist()
            assert run_cell(kind, xs, ws, us, b)[0].tolist() == expected, name
            assert xs.tolist() == kept, name

    def test_bad_input(self, backend, kind):
        x, W, U, b, h0, _ = arguments(kind, 2, 3, 2, 3)
        cases = [
            ((x[0, 0], W, U), ValueError, "x must have 2 or 3 dimensions"),
            ((x, W[:1], U), ValueError, "W must have shape"),
            ((x, W[:, :1], U), ValueError, "W must have shape"),
            ((x, W, U[:, :2]), ValueError, "U must have shape"),
            ((x, W, U, b[..., :-1]), ValueError, "b must have shape"),
            ((x, W, U, b, h0[:, :1]), ValueError, "h0 must have shape"),
            ((x, W, U, b, h0[:1]), ValueError, "h0 must have shape"),
            ((x * math.nan, W, U), ValueError, "x must not hold NaN"),
            ((x, W + math.inf, U), ValueError, "W must be finite"),
            ((x, W, U * math.nan), ValueError, "U must not hold NaN"),
            ((x.astype(str), W, U), TypeError, "x must be real numbers"),
            ((x, W * 1j, U), TypeError, "W must be real numbers"),
        ]
        for call, error, words in cases:
            with pytest.raises(error, match=words):
                run_cell(kind, *call)


class TestSimpleRNN:
    def test_activation(self, backend):
        with pytest.raises(ValueError, match="activation must be one of 'tanh', 'relu'"):
            simple_rnn([[1.0]], [[1.0]], [[1.0]], activation="gelu")

    def test_executor(self, backend):
        x, W, U, b, _, _ = arguments("tanh", 9, 3, 2, 3)
        with ThreadPoolExecutor(2) as pool:
            assert simple_rnn(x, W, U, b, workers=pool)[0].tolist() == simple_rnn(x, W, U, b)[0].tolist()

    def test_memory_is_flat(self):
        setup = (
            "import numpy as np; from fastcore.recurrence import lstm; x = np.ones((4, 10, 8)); w = np.ones((8, 32))"
        )
        assert memory_growth(setup, "lstm(x, w, w)", 500) < 50


class Tensor:
    """As much of a tensor as is asked for."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)


class Module:
    """As much of a torch.nn.RNN, GRU or LSTM as is asked for: 2 inputs, 3 units, weights sin(1.7 i)."""

    def __init__(self, mode, num_layers=2, bidirectional=True, bias=True, dtype=np.float64):
        self.mode, self.num_layers, self.bidirectional, self.bias, self.proj_size = (
            mode,
            num_layers,
            bidirectional,
            bias,
            0,
        )
        rows = 3 * {"LSTM": 4, "GRU": 3}.get(mode, 1)
        self.tensors, count = {}, 0
        for layer in range(num_layers):
            inputs = 2 if layer == 0 else 3 * (1 + bidirectional)
            for suffix in ("", "_reverse")[: 1 + bidirectional]:
                shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, 3), "bias_ih": (rows,), "bias_hh": (rows,)}
                for name, shape in shapes.items():
                    if bias or name.startswith("weight"):
                        size = math.prod(shape)
                        values = np.sin(np.arange(count, count + size) * 1.7).reshape(shape).astype(dtype)
                        self.tensors[f"{name}_l{layer}{suffix}"] = Tensor(values)
                        count += size

    def state_dict(self):
        return self.tensors


# Sums over batch and time of the outputs, and over batch and units of the states, that PyTorch 2.13 computed with
# these weights (two layers, both directions) for x = cos(0), cos(1), ... of shape (2, 3, 2).
TORCH = {
    "RNN_TANH": (
        [
            -5.989103338037941,
            -0.35786733911974494,
            5.6696844044517825,
            -5.89634159389826,
            4.919498949055025,
            -0.5498660582197151,
        ],
        [[-1.2155146906472738, -3.281890394116398, -0.6520231442692603, 1.062010922913403]],
    ),
    "RNN_RELU": (
        [0.0, 8.4851090260362, 5.745225918546614, 0.0, 12.891194602170575, 0.7341178882526057],
        [[0.08474855470997045, 2.1654642928518983, 8.318408652445617, 6.777888244724756]],
    ),
    "GRU": (
        [
            -1.0773921085013476,
            -1.3428614535472256,
            2.1432026599953327,
            -1.1138521796257632,
            -3.0468179460419336,
            0.44725425929979146,
        ],
        [[1.4764611651458437, 1.404450358995292, 0.16956327425766154, -1.1497328759916534]],
    ),
    "LSTM": (
        [
            0.2862429737759035,
            -1.5465008677428937,
            -0.39742244401814086,
            1.7824619690941366,
            0.3837777949900803,
            -1.291646282540259,
        ],
        [
            [-0.06949718429564794, -0.16017537471278204, -0.6359375775437215, 0.45374449367211556],
            [-0.05309107634286789, -0.6382291944090375, -3.5355139920442973, 1.4300080530397898],
        ],
    ),
}


class TestFromTorch:
    @pytest.mark.parametrize("mode", TORCH)
    def test_what_torch_computed(self, backend, mode):
        x = np.cos(np.arange(12.0)).reshape(2, 3, 2)
        outputs, state = from_torch(Module(mode))(x)
        assert outputs.shape == (2, 3, 6)
        np.testing.assert_allclose(outputs.sum(axis=(0, 1)), TORCH[mode][0], rtol=1e-11, atol=1e-12)
        states = state if mode == "LSTM" else (state,)
        for ours, theirs in zip(states, TORCH[mode][1], strict=True):
            assert ours.shape == (4, 2, 3)
            np.testing.assert_allclose(ours.sum(axis=(1, 2)), theirs, rtol=1e-11)

    @pytest.mark.parametrize("mode", TORCH)
    def test_state_goes_on_where_it_stopped(self, backend, mode):
        stack = from_torch(Module(mode, bidirectional=False))
        x = np.cos(np.arange(24.0)).reshape(2, 6, 2)
        whole = stack(x)
        first = stack(x[:, :2])
        second = stack(x[:, 2:], first[1])
        np.testing.assert_array_equal(second[0], whole[0][:, 2:])
        np.testing.assert_array_equal(second[1], whole[1])

    def test_without_bias_and_in_float32(self, backend):
        stack = from_torch(Module("GRU", 1, False, bias=False, dtype=np.float32))
        assert repr(stack) == "<RecurrentStack GRU 2 -> 3, 1 layers>"
        outputs, state = stack(np.ones((2, 3, 2), np.float32))
        assert outputs.dtype == state.dtype == np.float32

    def test_pickle_keeps_the_backend(self, backend):
        stack = from_torch(Module("LSTM"))
        x = np.ones((1, 4, 2))
        again = pickle.loads(pickle.dumps(stack))
        assert again(x)[0].tolist() == stack(x)[0].tolist()
        assert again.layers[0][0]._backend == backend.name

    def test_weights_are_copied(self):
        module = Module("GRU", 1, False)
        stack = from_torch(module)
        before = stack(np.ones((1, 2, 2)))[0].tolist()
        for tensor in module.tensors.values():
            tensor.array[...] = 0
        assert stack(np.ones((1, 2, 2)))[0].tolist() == before

    def test_bad_input(self, backend):
        with pytest.raises(
            TypeError, match=r"module must be a torch.nn.RNN, GRU or LSTM, or one of their cells, got int"
        ):
            from_torch(3)
        stack = from_torch(Module("LSTM"))
        x = np.ones((1, 2, 2))
        with pytest.raises(ValueError, match="x must have 3 dimensions"):
            stack(x[0])
        with pytest.raises(ValueError, match="x must have 2 features"):
            stack(np.ones((1, 2, 5)))
        with pytest.raises(TypeError, match="state must be a pair"):
            stack(x, np.zeros((4, 1, 3)))
        with pytest.raises(ValueError, match="state must have shape"):
            stack(x, (np.zeros((2, 1, 3)), np.zeros((4, 1, 3))))


class TestDoors:
    @pytest.mark.parametrize("axis", ["0", None, 0.0, [0], np.ones(2)])
    def test_axis_of_the_wrong_type(self, axis):
        with pytest.raises(TypeError, match="axis must be an int"):
            linear_scan([1.0], [1.0], axis=axis)

    @pytest.mark.parametrize("reverse", ["no", np.ones(2), None])
    def test_reverse_of_the_wrong_type(self, reverse):
        ones = np.ones((2, 1))
        for call in (
            lambda: linear_scan([1.0], [1.0], reverse=reverse),
            lambda: scan(lambda s, x: (s, x), 0, [1], reverse=reverse),
            lambda: simple_rnn(ones, [[1.0]], [[1.0]], reverse=reverse),
        ):
            with pytest.raises(TypeError, match="reverse must be a bool"):
                call()

    def test_scan(self):
        with pytest.raises(TypeError, match="xs must be an array"):
            scan(lambda s, x: (s, x), 0, np.array(1.0))
        with pytest.raises(ValueError, match="length must be between 0 and"):
            scan(lambda s, x: (s, x), 0, length=10**30)
        assert scan(lambda s, x: (s + 1, s), 0, length=3, reverse=True)[0] == 3
