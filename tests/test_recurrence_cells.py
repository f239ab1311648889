"""Recurrent cells: variants, forms of input, single steps, gradients."""

from __future__ import annotations

import copy
import math
import pickle
import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import use_backend
from fastcore.recurrence import (
    GRUCell,
    LSTMCell,
    RecurrentStack,
    SimpleRNNCell,
    from_torch,
    gru,
    gru_vjp,
    lstm,
    lstm_vjp,
    simple_rnn,
    simple_rnn_vjp,
)

from .helpers import sized
from .test_recurrence import Module, Tensor

KINDS = ["tanh", "relu", "gru", "gru_before", "lstm", "lstm_projected"]
GATES = {"tanh": 1, "relu": 1, "gru": 3, "gru_before": 3, "lstm": 4, "lstm_projected": 4}


def logistic(v):
    return 1 / (1 + np.exp(-v))


def one_sequence(kind, x, p, h, c):
    """The cells in NumPy, as their papers write them; complex numbers go through."""
    n = p["U"].shape[1] // GATES[kind]
    outputs = []
    for xt in x:
        b = p["b"] if kind.startswith("gru") else [p["b"], 0 * p["b"]]
        a, g = xt @ p["W"] + b[0], h @ p["U"] + b[1]
        if kind.startswith("gru"):
            r, z = logistic(a[:n] + g[:n]), logistic(a[n : 2 * n] + g[n : 2 * n])
            part = r * g[2 * n :] if kind == "gru" else (r * h) @ p["U"][:, 2 * n :] + b[1][2 * n :]
            h = (1 - z) * np.tanh(a[2 * n :] + part) + z * h
        elif kind.startswith("lstm"):
            i, f, new, o = np.split(a + g, 4)
            c = logistic(f) * c + logistic(i) * np.tanh(new)
            h = logistic(o) * np.tanh(c)
            if kind == "lstm_projected":
                h = h @ p["projection"]
        else:
            h = np.tanh(a + g) if kind == "tanh" else np.where((a + g).real > 0, a + g, 0)
        outputs.append(h)
    return np.array(outputs).reshape(len(x), len(h)), h, c


def made(kind, lengths, inputs, hidden, seed=0, dtype=np.float64):
    """Sequences of these lengths, weights and first states."""
    rng = np.random.default_rng(seed)
    states, columns = hidden - 1 if kind == "lstm_projected" else hidden, GATES[kind] * hidden
    shapes = {
        "W": (inputs, columns),
        "U": (states, columns),
        "b": (2, columns) if kind.startswith("gru") else (columns,),
        "h0": (len(lengths), states),
        "c0": (len(lengths), hidden),
        "projection": (hidden, states),
    }
    scale = 1 / math.sqrt(inputs + hidden)
    p = {name: (rng.normal(size=shape) * scale).astype(dtype) for name, shape in shapes.items()}
    x = [rng.normal(size=(n, inputs)).astype(dtype) for n in lengths]
    return x, p


def run_cell(kind, x, p, **options):
    """Outputs and (h, c), c None but for an LSTM."""
    if kind in ("tanh", "relu"):
        y, h = simple_rnn(x, p["W"], p["U"], p["b"], p["h0"], kind, **options)
        return y, (h, None)
    if kind.startswith("gru"):
        reset = "before" if kind == "gru_before" else "after"
        y, h = gru(x, p["W"], p["U"], p["b"], p["h0"], reset=reset, **options)
        return y, (h, None)
    projection = p["projection"] if kind == "lstm_projected" else None
    return lstm(x, p["W"], p["U"], p["b"], p["h0"], p["c0"], projection=projection, **options)


def vjp(kind, x, p, dy, dh, dc, **options):
    if kind in ("tanh", "relu"):
        return simple_rnn_vjp(x, p["W"], p["U"], p["b"], p["h0"], kind, dy=dy, dh=dh, **options)
    if kind.startswith("gru"):
        reset = "before" if kind == "gru_before" else "after"
        return gru_vjp(x, p["W"], p["U"], p["b"], p["h0"], dy=dy, dh=dh, reset=reset, **options)
    projection = p["projection"] if kind == "lstm_projected" else None
    return lstm_vjp(x, p["W"], p["U"], p["b"], p["h0"], p["c0"], dy=dy, dh=dh, dc=dc, projection=projection, **options)


class Packed(NamedTuple):
    """As much of PyTorch's PackedSequence as is asked for."""

    data: object
    batch_sizes: object
    sorted_indices: object = None
    unsorted_indices: object = None


class Data(Tensor):
    def new_tensor(self, array):
        return Data(np.array(array, np.asarray(self).dtype))

    def double(self):
        return Data(np.asarray(self).astype(np.float64))

    def float(self):
        return Data(np.asarray(self).astype(np.float32))


def packed(x):
    """As torch.nn.utils.rnn.pack_sequence(x, enforce_sorted=False) packs."""
    order = sorted(range(len(x)), key=lambda i: -len(x[i]))
    sizes = [sum(len(s) > t for s in x) for t in range(max(map(len, x)))]
    data = np.array([x[i][t] for t, n in enumerate(sizes) for i in order[:n]])
    return Packed(Data(data), Tensor(np.array(sizes)), Tensor(np.array(order)), Tensor(np.argsort(order)))


@pytest.mark.parametrize("kind", KINDS)
class TestForms:
    @pytest.mark.parametrize("reverse", [False, True])
    def test_every_form_is_its_sequences(self, backend, kind, reverse):
        lengths = [2, 5, 0, 4, 1]
        x, p = made(kind, lengths, 3, 4)
        alone = [one_sequence(kind, s[::-1] if reverse else s, p, p["h0"][i], p["c0"][i]) for i, s in enumerate(x)]
        outputs = [y[::-1] if reverse else y for y, _, _ in alone]
        padded = np.full((5, 5, 3), np.nan)
        expected = np.zeros((5, 5, outputs[0].shape[1]))
        for i, s in enumerate(x):
            padded[i, : len(s)], expected[i, : len(s)] = s, outputs[i]
        mask = np.arange(5) < np.array(lengths)[:, None]
        found = [
            run_cell(kind, padded, p, lengths=lengths, reverse=reverse),
            run_cell(kind, padded, p, mask=mask, reverse=reverse),
            run_cell(kind, x, p, reverse=reverse),
            run_cell(kind, np.concatenate(x), p, lengths=lengths, reverse=reverse),
        ]
        for y in (found[0][0], found[1][0]):
            np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
            assert (y[~mask] == 0).all()
        assert isinstance(found[2][0], list)
        np.testing.assert_allclose(np.concatenate(found[2][0]), np.concatenate(outputs), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(found[3][0], np.concatenate(outputs), rtol=1e-12, atol=1e-14)
        for _, (h, c) in found:
            np.testing.assert_allclose(h, [last for _, last, _ in alone], rtol=1e-12, atol=1e-14)
            if c is not None:
                np.testing.assert_allclose(c, [last for _, _, last in alone], rtol=1e-12, atol=1e-14)

    def test_packed(self, backend, kind):
        x, p = made(kind, [2, 5, 4, 1], 3, 4)
        whole, state = run_cell(kind, x, p)
        found, last = run_cell(kind, packed(x), p)
        assert type(found) is Packed
        np.testing.assert_array_equal(found.data.array, packed(whole).data.array)
        np.testing.assert_array_equal(last[0], state[0])

    @pytest.mark.parametrize("hidden", [1, 7, 8, 16, 33])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_sizes_of_blocks(self, backend, kind, hidden, dtype):
        if kind == "lstm_projected" and hidden == 1:
            hidden = 2
        # More sequences than step side by side, and more steps than are multiplied at once.
        x, p = made(kind, [3, 1, 2] * 13 + [70], 2, hidden, dtype=dtype)
        y, _ = run_cell(kind, x, p)
        tolerance = 1e-12 if dtype == np.float64 else 2e-5
        for i in (0, 1, 31, 32, 39):
            expected = one_sequence(kind, x[i], p, p["h0"][i], p["c0"][i])[0]
            np.testing.assert_allclose(y[i], expected, rtol=tolerance, atol=tolerance)

    def test_single_sequences_and_workers_change_nothing(self, kind):
        x, p = made(kind, [6, 1, 9, 3] * 20, 3, 5)
        y, (h, c) = run_cell(kind, x, p)
        for i in (0, 41, 79):
            alone = {**p, "h0": p["h0"][i], "c0": p["c0"][i]}
            assert run_cell(kind, x[i], alone)[0].tolist() == y[i].tolist()
        for workers in (2, map):
            again, (h_again, c_again) = run_cell(kind, x, p, workers=workers)
            assert all((a == b).all() for a, b in zip(y, again))
            assert h_again.tolist() == h.tolist()
            assert c is None or c_again.tolist() == c.tolist()

    def test_bad_input(self, backend, kind):
        x, p = made(kind, [2, 2], 3, 4)
        both = np.stack(x)
        for options, words in [
            ({"lengths": [3, 1]}, "lengths must lie in"),
            ({"lengths": [1]}, "lengths must have shape"),
            ({"lengths": [1, 1], "mask": np.ones((2, 2), bool)}, "must not both be given"),
            ({"mask": np.ones((2, 3), bool)}, "mask must be booleans of shape"),
            ({"mask": np.array([[False, True], [True, True]])}, "mask must be left-aligned"),
        ]:
            with pytest.raises(ValueError, match=words):
                run_cell(kind, both, p, **options)
        with pytest.raises(ValueError, match="lengths and mask must be None"):
            run_cell(kind, x, p, lengths=[2, 2])
        with pytest.raises(ValueError, match="mask must be None"):
            run_cell(kind, both[0], p, mask=[True, True])
        with pytest.raises(ValueError, match="lengths must sum to the 2 rows"):
            run_cell(kind, both[0], p, lengths=[1])
        with pytest.raises(ValueError, match="equally many features"):
            run_cell(kind, [x[0], x[1][:, :2]], p)
        both[1, 1, 2] = math.inf
        with pytest.raises(ValueError, match="x must be finite"):
            run_cell(kind, both, p)
        assert np.isfinite(run_cell(kind, both, p, lengths=[2, 1])[0]).all()


class TestVariants:
    def test_order_of_gates(self, backend):
        x, p = made("gru", [4], 3, 2)
        other = {
            name: np.concatenate([v[..., 2:4], v[..., :2], v[..., 4:]], axis=-1)
            for name, v in p.items()
            if name in "WUb"
        }
        expected = gru(x[0], p["W"], p["U"], p["b"])[0]
        assert gru(x[0], **other, order="zrn")[0].tolist() == expected.tolist()
        grads = gru_vjp(x[0], **other, order="zrn", dy=expected)
        plain = gru_vjp(x[0], p["W"], p["U"], p["b"], dy=expected)
        for name in "WUb":
            ours, theirs = getattr(grads, name), getattr(plain, name)
            assert ours[..., :2].tolist() == theirs[..., 2:4].tolist()
            assert ours[..., 2:4].tolist() == theirs[..., :2].tolist()
        with pytest.raises(ValueError, match="order must be one of"):
            gru(x[0], **other, order="nrz")
        with pytest.raises(ValueError, match="reset must be one of"):
            gru(x[0], **other, reset="never")

    def test_projection_of_the_wrong_shape(self, backend):
        x, p = made("lstm_projected", [4], 3, 4)
        with pytest.raises(ValueError, match="projection must have shape"):
            lstm(x[0], p["W"], p["U"], projection=p["projection"].T)
        with pytest.raises(ValueError, match="U must have shape"):
            lstm(x[0], p["W"], p["U"])

    @pytest.mark.parametrize("dtype, ulps", [(np.float32, 4), (np.float64, 4)])
    def test_functions_of_the_gates(self, backend, dtype, ulps):
        rng = np.random.default_rng(0)
        size = np.concatenate([np.linspace(-30, 30, 4001), 10.0 ** rng.uniform(-20, 1, 2000), [0.0, 60.0, -60.0, 1e30]])
        values = np.concatenate([size, -size]).astype(dtype)
        one, zero = np.ones((1, 1), dtype), np.zeros((1, 1), dtype)
        h, _ = simple_rnn(values[:, None], one, zero)
        expected = np.array([math.tanh(float(v)) for v in values])
        eps = np.finfo(dtype).eps
        assert (abs(h[:, 0] - expected) <= ulps * eps * abs(expected)).all()
        # The update gate of a unit whose candidate is 0 and whose state is 1.
        update = np.array([[0, 1, 0]], dtype)
        found = gru(values[:, None, None], update, np.zeros((1, 3), dtype), h0=np.ones(1, dtype))[0][:, 0, 0]
        within = abs(values) < 80
        exact = np.array([1 / (1 + math.exp(-float(v))) if abs(v) < 700 else float(v > 0) for v in values])
        assert (abs(found - exact) <= ulps * eps * exact)[within].all()
        np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-30)

    def test_what_overflows_is_not_hidden(self, backend):
        # Infinity less infinity, before ReLU and before tanh.
        h, _ = simple_rnn(np.full((2, 1), 1e300), [[1e300]], [[-1.0]], activation="relu")
        assert h[0, 0] == np.inf
        assert np.isnan(h[1, 0])
        assert np.isnan(gru([[1e300]], [[0.0, 0.0, 1e300]], [[0.0, 0.0, -1e300]], h0=[1e300])[1]).all()


class TestSteps:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("kind", KINDS)
    def test_steps_are_the_run(self, backend, kind, dtype):
        x, p = made(kind, [4, 4, 4], 3, 5, dtype=dtype)
        y, state = run_cell(kind, np.stack(x), p)
        cell = {
            "tanh": lambda: SimpleRNNCell(p["W"], p["U"], p["b"]),
            "relu": lambda: SimpleRNNCell(p["W"], p["U"], p["b"], "relu"),
            "gru": lambda: GRUCell(p["W"], p["U"], p["b"]),
            "gru_before": lambda: GRUCell(p["W"], p["U"], p["b"], reset="before"),
            "lstm": lambda: LSTMCell(p["W"], p["U"], p["b"]),
            "lstm_projected": lambda: LSTMCell(p["W"], p["U"], p["b"], projection=p["projection"]),
        }[kind]()
        pair = kind.startswith("lstm")
        for own in (cell, pickle.loads(pickle.dumps(cell)), copy.deepcopy(cell)):
            now = (p["h0"], p["c0"]) if pair else p["h0"]
            alone = (p["h0"][1], p["c0"][1]) if pair else p["h0"][1]
            for t in range(4):
                kept = [np.array(v) for v in (now if pair else (now,))]
                at = np.ascontiguousarray(np.stack(x)[:, t])
                after = own(at, now)
                for v, w in zip(now if pair else (now,), kept):
                    assert (v == w).all()
                now, alone = after, own(x[1][t].tolist() if dtype == np.float64 else x[1][t], alone)
                h = now[0] if pair else now
                assert h.dtype == dtype
                assert h.tolist() == y[:, t].tolist()
                assert (alone[0] if pair else alone).tolist() == h[1].tolist()
            assert (now[0] if pair else now).tolist() == state[0].tolist()
            if pair:
                assert now[1].tolist() == state[1].tolist()

    def test_the_state_is_zero_unless_given(self, backend):
        _, p = made("lstm", [1], 3, 2)
        cell = LSTMCell(p["W"], p["U"], p["b"])
        x = np.ones((2, 3))
        given = cell(x, (np.zeros((2, 2)), np.zeros((2, 2))))
        assert [v.tolist() for v in cell(x)] == [v.tolist() for v in given]
        assert repr(cell) == "<LSTMCell 3 -> 2, float64>"
        assert not cell.W.flags.writeable

    def test_other_types_of_numbers(self, backend):
        _, p = made("gru", [1], 3, 2, dtype=np.float32)
        cell = GRUCell(p["W"], p["U"], p["b"])
        assert cell(np.ones((1, 3), np.float16)).dtype == np.float32
        assert cell(np.ones((1, 3))).dtype == np.float64
        assert cell(np.ones((1, 3), np.float32)).dtype == np.float32

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_bad_input(self, backend, bad):
        _, p = made("lstm", [1], 3, 2)
        cell, rnn = LSTMCell(p["W"], p["U"]), SimpleRNNCell(np.ones((3, 2)), np.ones((2, 2)))
        good, state = np.ones((1, 3)), np.zeros((1, 2))
        for call, words in [
            (lambda: cell(good * bad, (state, state)), "x must"),
            (lambda: cell(good, (state + bad, state)), "state must be finite"),
            (lambda: cell(good, (state, state + bad)), "state must be finite"),
            (lambda: cell(good, (state[0] + bad, state)), "h must"),
            (lambda: rnn(good, state + bad), "state must be finite"),
            (lambda: rnn(good[:, :2], state), "W must have shape"),
            (lambda: rnn(good, state[:, :1]), "h must have shape"),
            (lambda: rnn(good[None], state), "x must have 1 or 2 dimensions"),
        ]:
            with pytest.raises(ValueError, match=words):
                call()
        with pytest.raises(TypeError, match="state must be a pair"):
            cell(good, state)

    def test_stack(self, backend):
        for mode in ("RNN_TANH", "GRU", "LSTM"):
            stack = from_torch(Module(mode, bidirectional=False))
            x = np.cos(np.arange(24.0)).reshape(2, 6, 2)
            whole, last = stack(x)
            state = None
            for t in range(6):
                y, state = stack.step(x[:, t], state)
                assert y.tolist() == whole[:, t].tolist()
            assert np.array(state).tolist() == np.array(last).tolist()
        with pytest.raises(ValueError, match="both directions can't step"):
            from_torch(Module("GRU")).step(x[:, 0])


class TestShortWay:
    @pytest.mark.parametrize("cell", [SimpleRNNCell, GRUCell, LSTMCell])
    def test_numbers_that_lie_across(self, backend, cell):
        gates = {SimpleRNNCell: 1, GRUCell: 3, LSTMCell: 4}[cell]
        made = cell(np.ones((3, gates * 2)) / 9, np.ones((2, gates * 2)) / 9)
        x, h = np.arange(6.0).reshape(2, 3), np.ones((2, 2))
        odd = np.ndarray((2, 3), float, bytearray(8 * 6 + 1), 1)
        odd[:] = x
        assert not odd.flags.aligned
        given = (h, h) if cell is LSTMCell else h
        np.testing.assert_array_equal(made(odd, given), made(x, given))

    def test_masked_weights(self, backend):
        W = np.ma.array(np.ones((3, 3)), mask=np.eye(3))
        for order in ("rzn", "zrn"):
            with pytest.raises((TypeError, ValueError), match="W must"):
                GRUCell(W, np.ones((1, 3)), order=order)
            with pytest.raises((TypeError, ValueError), match="W must"):
                GRUCell([[1, 2, 3], [1, 2]], np.ones((1, 3)), order=order)

    def test_unpickled_weights_do_not_change(self, backend):
        cell = LSTMCell(np.ones((1, 8)), np.ones((1, 8)), projection=np.ones((2, 1)))
        again = pickle.loads(pickle.dumps(cell))
        for array in (again.W, again.U, again.b, again.projection):
            assert not array.flags.writeable


class TestPacked:
    def test_one_long_sequence_among_many(self):
        """Time and memory go with the rows, not with steps times sequences."""
        sizes = np.ones(100_000, np.int64)
        sizes[0] = sized(3000, 1000)
        given = Packed(Data(np.ones((sizes.sum(), 1))), Tensor(sizes))
        cell = SimpleRNNCell([[1.0]], [[0.0]])
        tracemalloc.start()
        try:
            cell.run(given)
            # Rectangles of steps and sequences would be 2.4 GB, or 800 MB.
            assert tracemalloc.get_traced_memory()[1] < sized(30, 100) * 1e6
        finally:
            tracemalloc.stop()


class TestStack:
    def test_cells_that_are_no_stack(self):
        gru, lstm = GRUCell(np.ones((1, 3)), np.ones((1, 3))), LSTMCell(np.ones((1, 4)), np.ones((1, 4)))
        rnn = SimpleRNNCell([[1.0]], [[1.0]], activation="relu")
        for kind, layers, reverse, words in (
            ("LSTM", [[gru]], None, "must be LSTMCells of it"),
            ("GRU", [[lstm]], None, "must be GRUCells of it"),
            ("RNN_TANH", [[rnn]], None, "must be SimpleRNNCells of it"),
            ("GRU", [[gru, gru, gru]], None, "one cell or two each"),
            ("GRU", [[gru]], [], "a direction for each of them"),
            ("GRU", [[gru]], [[True, False]], "a direction for each of them"),
        ):
            with pytest.raises(ValueError, match=words):
                RecurrentStack(kind, layers, reverse)

    def test_the_widest_type_of_all(self, backend):
        single, double = (SimpleRNNCell(np.array([[0.3]], t), np.array([[0.7]], t)) for t in (np.float32, np.float64))
        stack = RecurrentStack("RNN_TANH", [[single], [double]])
        x = np.ones((1, 3, 1), np.float32)
        assert stack(x)[0].dtype == stack.step(x[:, 0])[0].dtype == np.float64

    def test_what_x_is_blamed_for(self):
        cells = [SimpleRNNCell(np.full((2, 2), 1e3, np.float32), np.zeros((2, 2), np.float32), activation="relu")] * 2
        stack = RecurrentStack("RNN_RELU", [[cell] for cell in cells])
        x = np.full((1, 2, 2), 1e36, np.float32)
        for call in (lambda: stack(x), lambda: stack.step(x[0])):
            with pytest.raises(ValueError, match="x must hold smaller numbers: what a layer gives overflows float32"):
                call()
        with pytest.raises(ValueError, match=r"x must have 2 features, got shape \(1, 4, 15\)"):
            stack(np.ones((1, 4, 15)))
        x[0, 1, 0] = np.nan
        with pytest.raises(ValueError, match="x must not hold NaN"):
            stack(x)

    @pytest.mark.parametrize("mode", ["RNN_TANH", "RNN_RELU", "GRU", "LSTM"])
    def test_padding_is_never_read(self, backend, mode):
        stack = from_torch(Module(mode))
        rng = np.random.default_rng(0)
        lengths = [3, 6, 1, 0]
        x = [rng.normal(size=(n, 2)) for n in lengths]
        alone = [stack(s[None]) for s in x]
        padded = np.full((4, 6, 2), np.nan)
        for i, s in enumerate(x):
            padded[i, : len(s)] = s
        for outputs, state in (stack(padded, lengths=lengths), stack(x)):
            for i, n in enumerate(lengths):
                np.testing.assert_allclose(outputs[i][:n], alone[i][0][0], rtol=1e-13, atol=1e-15)
                for ours, theirs in zip(np.atleast_1d(state), np.atleast_1d(alone[i][1])):
                    np.testing.assert_allclose(np.array(ours)[..., i, :], np.array(theirs)[..., 0, :], rtol=1e-13)
        found = stack(packed(x[:3]))[0]
        assert found.data.array.shape == (10, 6)

    @pytest.mark.parametrize("name", ["torch.float16", "torch.bfloat16"])
    def test_half_precision_becomes_single(self, backend, name):
        class Half(Tensor):
            dtype = name

            def __array__(self, dtype=None, copy=None):
                raise TypeError("Got unsupported ScalarType BFloat16")

            def float(self):
                return Tensor(self.array.astype(np.float32))

        module = Module("LSTM", 1, False)
        module.tensors = {key: Half(value.array) for key, value in module.tensors.items()}
        y, (h, c) = from_torch(module)(np.ones((1, 2, 2), np.float32))
        assert y.dtype == h.dtype == c.dtype == np.float32

    def test_projections(self, backend):
        rng = np.random.default_rng(0)
        module = Module("LSTM", 1, False)
        shapes = {"weight_ih": (12, 2), "weight_hh": (12, 2), "bias_ih": (12,), "bias_hh": (12,), "weight_hr": (2, 3)}
        module.tensors = {f"{name}_l0": Tensor(rng.normal(size=shape)) for name, shape in shapes.items()}
        t = {name: module.tensors[f"{name}_l0"].array for name in shapes}
        x = rng.normal(size=(1, 4, 2))
        y, (h, c) = from_torch(module)(x)
        expected = lstm(x, t["weight_ih"].T, t["weight_hh"].T, t["bias_ih"] + t["bias_hh"], projection=t["weight_hr"].T)
        assert y.tolist() == expected[0].tolist()
        assert (h[0].tolist(), c[0].tolist()) == (expected[1][0].tolist(), expected[1][1].tolist())
        assert h.shape == (1, 1, 2)
        assert c.shape == (1, 1, 3)

    @pytest.mark.parametrize("name, rows", [("RNNCell", 3), ("GRUCell", 9), ("LSTMCell", 12)])
    def test_cells(self, backend, name, rows):
        rng = np.random.default_rng(0)
        shapes = {"weight_ih": (rows, 2), "weight_hh": (rows, 3), "bias_ih": (rows,), "bias_hh": (rows,)}
        tensors = {key: Tensor(rng.normal(size=shape)) for key, shape in shapes.items()}
        cell = from_torch(type(name, (), {"state_dict": lambda self: tensors, "nonlinearity": "relu"})())
        kind = {"RNNCell": SimpleRNNCell, "GRUCell": GRUCell, "LSTMCell": LSTMCell}[name]
        assert type(cell) is kind
        assert cell.W.tolist() == tensors["weight_ih"].array.T.tolist()
        assert cell.kind == {"RNNCell": "relu", "GRUCell": "gru", "LSTMCell": "lstm"}[name]


@pytest.mark.parametrize("kind", KINDS)
class TestGradients:
    @pytest.mark.parametrize("reverse", [False, True])
    def test_complex_step(self, backend, kind, reverse):
        x, p = made(kind, [3, 0, 2], 2, 3, seed=3)
        rng = np.random.default_rng(1)
        states = p["U"].shape[0]
        dy = [rng.normal(size=(len(s), states)) for s in x]
        dh, dc = rng.normal(size=(3, states)), rng.normal(size=(3, 3))

        def loss(x, p):
            total = 0
            for i, s in enumerate(x):
                y, h, c = one_sequence(kind, s[::-1] if reverse else s, p, p["h0"][i], p["c0"][i])
                total += (dy[i] * (y[::-1] if reverse else y)).sum() + (dh[i] * h).sum()
                total += (dc[i] * c).sum() if kind.startswith("lstm") else 0
            return total

        found = vjp(kind, x, p, dy, dh, dc, reverse=reverse)
        for name in ("W", "U", "b", "h0", "c0", "projection"):
            grad = getattr(found, name)
            if grad is None:
                assert name in ("c0", "projection")
                continue
            assert grad.shape == p[name].shape
            for place in np.ndindex(grad.shape):
                moved = {**p, name: p[name].astype(complex)}
                moved[name][place] += 1e-200j
                assert grad[place] == pytest.approx(loss(x, moved).imag / 1e-200, rel=1e-11, abs=1e-13)
        for i, s in enumerate(x):
            for place in np.ndindex(s.shape):
                moved = [v.astype(complex) for v in x]
                moved[i][place] += 1e-200j
                assert found.x[i][place] == pytest.approx(loss(moved, p).imag / 1e-200, rel=1e-11, abs=1e-13)

    @given(
        lengths=st.lists(st.integers(0, 5), min_size=1, max_size=12),
        inputs=st.integers(0, 4),
        hidden=st.integers(2, 18),
        seed=st.integers(0, 2**32 - 1),
        dtype=st.sampled_from([np.float32, np.float64]),
        reverse=st.booleans(),
    )
    def test_twins_agree(self, kind, lengths, inputs, hidden, seed, dtype, reverse):
        x, p = made(kind, lengths, inputs, hidden, seed, dtype)
        rng = np.random.default_rng(seed)
        dy = [rng.normal(size=(len(s), len(p["U"]))).astype(dtype) for s in x]
        dh = rng.normal(size=p["h0"].shape).astype(dtype)
        found = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                found.append(vjp(kind, x, p, dy, dh, p["c0"], reverse=reverse))
        tolerance = 1e-11 if dtype == np.float64 else 2e-4
        for name in ("x", "W", "U", "b", "h0", "c0", "projection"):
            ours, theirs = (getattr(f, name) for f in found)
            if name == "x":
                ours, theirs = np.concatenate(ours), np.concatenate(theirs)
            if ours is not None:
                assert ours.dtype == dtype
                np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=name)

    def test_forms(self, backend, kind):
        x, p = made(kind, [2, 4, 3], 3, 4)
        states = len(p["U"])
        rng = np.random.default_rng(0)
        dy = [rng.normal(size=(len(s), states)) for s in x]
        expected = vjp(kind, x, p, dy, None, None)
        padded, padded_dy = np.full((3, 4, 3), np.nan), np.ones((3, 4, states))
        for i, s in enumerate(x):
            padded[i, : len(s)], padded_dy[i, : len(s)] = s, dy[i]
        batch = vjp(kind, padded, p, padded_dy, None, None, lengths=[2, 4, 3])
        assert batch.W.tolist() == expected.W.tolist()
        assert [batch.x[i, : len(s)].tolist() for i, s in enumerate(x)] == [g.tolist() for g in expected.x]
        assert batch.x[0, 2:].tolist() == [[0.0] * 3] * 2
        of_packed = vjp(kind, packed(x), p, packed(dy), None, None)
        assert of_packed.U.tolist() == expected.U.tolist()
        together = vjp(kind, np.concatenate(x), p, np.concatenate(dy), None, None, lengths=[2, 4, 3])
        assert together.U.tolist() == expected.U.tolist()
        one = vjp(kind, x[1], {**p, "h0": p["h0"][1], "c0": p["c0"][1]}, dy[1], None, None)
        assert one.h0.shape == (states,)
        shared = vjp(kind, x, {**p, "h0": p["h0"][0]}, dy, None, None)
        rows = vjp(kind, x, {**p, "h0": np.tile(p["h0"][0], (3, 1))}, dy, None, None)
        np.testing.assert_allclose(shared.h0, rows.h0.sum(axis=0), rtol=1e-13)
        with pytest.raises(ValueError, match="dy must be a list of 3"):
            vjp(kind, x, p, dy[:2], None, None)
        with pytest.raises(ValueError, match="dy must have shape"):
            vjp(kind, padded, p, padded_dy[:2], None, None, lengths=[2, 4, 3])

    def test_packed_in_another_way(self, kind):
        x, p = made(kind, [3, 1], 3, 4)
        ones = [np.ones((n, len(p["U"]))) for n in (2, 2)]
        for wrong in (packed(ones), packed([np.ones((1, len(p["U"]))), np.ones((3, len(p["U"])))])):
            with pytest.raises(ValueError, match="dy must be packed as x is"):
                vjp(kind, packed(x), p, wrong, None, None)
        for wrong in (np.ones((4, len(p["U"]))), ones):
            with pytest.raises(TypeError, match="dy must be a PackedSequence, as x is, got"):
                vjp(kind, packed(x), p, wrong, None, None)
        right = packed([np.ones((n, len(p["U"]))) for n in (3, 1)])
        expected = vjp(kind, packed(x), p, right, None, None)
        # Without an order the longest comes first.
        right = right._replace(sorted_indices=None, unsorted_indices=None)
        assert vjp(kind, packed(x), p, right, None, None).W.tolist() == expected.W.tolist()

    def test_numbers_of_another_type(self, backend, kind):
        """Of whole and short numbers states are what they are of the same ones in full."""
        x, p = made(kind, [2, 3], 3, 4)
        whole = [np.rint(3 * s).astype(int) for s in x]
        expected = run_cell(kind, [s.astype(float) for s in whole], p)[0]
        found = run_cell(kind, packed(whole), p)[0].data.array
        assert found.dtype == np.float64 and found.tolist() == packed(expected).data.array.tolist()
        short = run_cell(kind, packed([s.astype(np.float32) for s in whole]), p)[0].data.array
        assert short.dtype == np.float64 and short.tolist() == found.tolist()
        dy = packed([np.ones_like(y) for y in expected])
        grad = vjp(kind, packed(whole), p, dy, None, None).x.data.array
        assert grad.dtype == np.float64 and grad.any()

    def test_truncated(self, backend, kind):
        """The gradient of a piece by its first state, put in as the gradient of the piece before, gives the whole."""
        x, p = made(kind, [7], 3, 4)
        whole = vjp(kind, x[0][None], p, None, p["h0"], p["c0"])
        _, (h, c) = run_cell(kind, x[0][None, :3], p)
        later = vjp(kind, x[0][None, 3:], {**p, "h0": h, "c0": p["c0"] if c is None else c}, None, p["h0"], p["c0"])
        earlier = vjp(kind, x[0][None, :3], p, None, later.h0, p["c0"] if later.c0 is None else later.c0)
        np.testing.assert_allclose(earlier.W + later.W, whole.W, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(earlier.h0, whole.h0, rtol=1e-12, atol=1e-15)

    def test_many_steps(self, kind):
        # More than go into one product.
        x, p = made(kind, [300, 290], 2, 5)
        dy = [np.ones((len(s), len(p["U"]))) for s in x]
        found = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                found.append(vjp(kind, x, p, dy, None, None))
        np.testing.assert_allclose(found[0].U, found[1].U, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(found[0].W, found[1].W, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(found[0].x[1], found[1].x[1], rtol=1e-10, atol=1e-12)
