"""Weights of recurrent cells from files: safetensors and ONNX, against what PyTorch and onnxruntime compute."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fastcore.recurrence import GRUCell, LSTMCell, RecurrentStack, SimpleRNNCell, from_onnx, from_safetensors

from .weights.write import NODES, X, onnx_model, waves

FOLDER = Path(__file__).parent / "weights"
TORCH = json.loads((FOLDER / "torch.json").read_text())
ONNXRUNTIME = json.loads((FOLDER / "onnxruntime.json").read_text())
CELLS = {"rnn_cell": SimpleRNNCell, "gru_cell": GRUCell, "lstm_cell": LSTMCell}


def packed(tensors, header=None, **changes):
    """A safetensors file of arrays, whose header may be changed."""
    entries, data = {}, b""
    names = {"float64": "F64", "float32": "F32", "float16": "F16", "uint16": "BF16", "int64": "I64"}
    for name, array in tensors.items():
        end = len(data) + array.nbytes
        entries[name] = {"dtype": names[array.dtype.name], "shape": [*array.shape], "data_offsets": [len(data), end]}
        data += array.tobytes()
    entries.update(changes)
    text = json.dumps(entries).encode() if header is None else header
    return len(text).to_bytes(8, "little") + text + data


def close(found, expected):
    np.testing.assert_allclose(found, np.array(expected), rtol=2e-6, atol=5e-7)


def agrees(stack, expected):
    y, state = stack(X)
    assert y.dtype == np.float32
    close(y, expected["y"])
    for ours, theirs in zip(state if stack.kind == "LSTM" else (state,), expected["state"], strict=True):
        close(ours, theirs)


class TestSafetensors:
    @pytest.mark.parametrize("name", [name for name in TORCH if name not in CELLS])
    def test_what_torch_computed(self, backend, name):
        options = {"activation": "relu"} if name == "rnn_relu" else {}
        agrees(from_safetensors(FOLDER / f"{name}.safetensors", **options), TORCH[name])

    @pytest.mark.parametrize("name", CELLS)
    def test_cells(self, backend, name):
        cell = from_safetensors((FOLDER / f"{name}.safetensors").read_bytes())
        assert type(cell) is CELLS[name]
        state = cell(X[:, 0])
        for ours, theirs in zip(state if name == "lstm_cell" else (state,), TORCH[name]["state"], strict=True):
            close(ours, theirs)

    def test_one_module_of_several(self):
        tensors = {
            "a.rnn.weight_ih_l0": waves(3, 2),
            "a.rnn.weight_hh_l0": waves(3, 3),
            "b.weight_ih_l0": waves(12, 2),
            "b.weight_hh_l0": waves(12, 3),
            "b.bias_ih_l0": waves(12),
            "b.bias_hh_l0": waves(12, phase=1),
            "head.weight": waves(2, 3),
            "steps": np.arange(3),
        }
        file = packed(tensors, __metadata__={"format": "pt"})
        for prefix in ("b", "b."):
            (cell,) = from_safetensors(file, prefix).layers[0]
            assert type(cell) is LSTMCell
            np.testing.assert_array_equal(cell.b, tensors["b.bias_ih_l0"] + tensors["b.bias_hh_l0"])
        assert repr(from_safetensors(file, "a.rnn")) == "<RecurrentStack RNN_TANH 2 -> 3, 1 layers>"
        with pytest.raises(
            ValueError, match="must hold the weights of one RNN, GRU or LSTM, or prefix name one; it hol"
        ):
            from_safetensors(file)
        with pytest.raises(ValueError, match=r"prefix must be one of .*a\.rnn.*, got 'c'"):
            from_safetensors(file, "c")
        with pytest.raises(ValueError, match="it holds none"):
            from_safetensors(packed({"weight": waves(3)}))

    def test_types_of_numbers(self):
        values = np.array([[1.0, -0.5], [3.140625, 2.0**-126], [0.0, 65280.0]])
        U = np.eye(2)
        for kind, wide in ((np.float64, np.float64), (np.float32, np.float32), (np.float16, np.float32)):
            with np.errstate(under="ignore"):
                W = values.astype(kind)
            cell = from_safetensors(packed({"weight_ih": W[:2], "weight_hh": U.astype(kind)}))
            assert cell.W.dtype == wide
            assert cell.W.tolist() == W[:2].T.tolist()
        upper = (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        one = (U.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        cell = from_safetensors(packed({"weight_ih": upper[1:], "weight_hh": one}))
        assert cell.W.dtype == np.float32
        assert cell.W.tolist() == [[3.140625, 0.0], [2.0**-126, 65280.0]]
        with pytest.raises(ValueError, match="'weight_ih' of source must be F64, F32, F16 or BF16, got I64"):
            from_safetensors(packed({"weight_ih": np.zeros((2, 2), np.int64), "weight_hh": U}))

    @pytest.mark.parametrize(
        "change, words",
        [
            (
                {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 8]},
                r"F32 of shape \[2, 2\], can't lie in bytes 0 to 8",
            ),
            ({"dtype": "F32", "shape": [2, 2], "data_offsets": [16, 0]}, "can't lie in bytes 16 to 0"),
            ({"dtype": "F32", "shape": [2, 2], "data_offsets": [8, 24]}, "don't begin where those before end, at 0"),
            ({"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}, "don't begin where those before end, at 8"),
            ({"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]}, "don't begin where those before end, at 32"),
            ({"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}, "bad dtype, shape or data_offsets"),
            ({"dtype": "F32", "shape": [2.0, 2], "data_offsets": [0, 16]}, "bad dtype, shape or data_offsets"),
            ({"dtype": "F32", "shape": [True, 4], "data_offsets": [0, 16]}, "bad dtype, shape or data_offsets"),
            ({"dtype": "F32", "shape": [2**63, 0], "data_offsets": [0, 0]}, "bad dtype, shape or data_offsets"),
            ({"dtype": "F32", "shape": [10**400] * 5000, "data_offsets": [0, 16]}, "bad dtype, shape or data_offsets"),
            ({"dtype": 3, "shape": [2, 2], "data_offsets": [0, 16]}, "bad dtype, shape or data_offsets"),
            ({"dtype": "F32", "shape": [2, 2]}, "no dtype, shape and data_offsets of 'weight_ih'"),
            ({"dtype": "F32", "shape": 4, "data_offsets": [0, 16]}, "no dtype, shape and data_offsets"),
            ({"dtype": "F32", "shape": [4], "data_offsets": [0, 8, 16]}, "no dtype, shape and data_offsets"),
            ([1, 2], "no dtype, shape and data_offsets"),
        ],
    )
    def test_headers_that_lie(self, change, words):
        tensors = {"weight_ih": np.eye(2, dtype=np.float32), "weight_hh": np.eye(2, dtype=np.float32)}
        assert type(from_safetensors(packed(tensors))) is SimpleRNNCell
        with pytest.raises(ValueError, match=r"source must be a safetensors file, but .*" + words):
            from_safetensors(packed(tensors, weight_ih=change))

    def test_damaged_files(self, tmp_path):
        file = packed({"weight_ih": np.eye(2), "weight_hh": np.eye(2)})
        for data, words in [
            (b"", "it has less than 8 bytes"),
            (b"\xff" * 8 + file[8:], "its header is longer than the file"),
            (file[:40], "its header is longer than the file"),
            (file[:-1], "its tensors take 64 bytes, and there are 63"),
            (file + b"x", "its tensors take 64 bytes, and there are 65"),
            (packed({}, b"[" * 100_000), "its header can't be read"),
            (packed({}, b'{"a": 1'), "its header can't be read"),
            (packed({}, b'{"\xff": 1}'), "its header can't be read"),
            (packed({}, b'{"a": {}, "a": {}}'), "a name stands there twice"),
            (packed({}, b"[]"), "its header isn't an object"),
        ]:
            path = tmp_path / "file.safetensors"
            path.write_bytes(data)
            with pytest.raises(ValueError, match=f"file.safetensors must be a safetensors file, but .*{words}"):
                from_safetensors(path)
        with pytest.raises(FileNotFoundError):
            from_safetensors(tmp_path / "none")

    def test_weights_that_do_not_belong_together(self):
        layer = {"weight_ih_l0": waves(3, 2), "weight_hh_l0": waves(3, 3)}
        for more, words in [
            ({"bias_ih_l0": waves(3)}, "source must hold a bias_hh_l0"),
            (
                {"bias_ih_l0": waves(3), "bias_hh_l0": waves(4)},
                r"bias_hh_l0 of source must have shape \(3,\), got \(4,\)",
            ),
            ({"weight_ih_l0_reverse": waves(3, 2)}, "must hold a weight_hh_l0_reverse"),
            (
                {"weight_ih_l2": waves(3, 3), "weight_hh_l2": waves(3, 3)},
                "must hold weights of layer 1, since it does of",
            ),
            ({"weight_ih_l999999": waves(3, 3)}, "must hold weights of layer 1"),
            ({"weight_ih_l1": waves(3, 2), "weight_hh_l1": waves(3, 3)}, "expected a cell of 3 features"),
            ({"weight_ih_l1": waves(4, 3), "weight_hh_l1": waves(4, 4)}, "with states of .3,. units"),
            ({"weight_ih": waves(3, 3)}, "of a cell or of layers, not of both"),
            ({"weight_hh_l0": waves(6, 3)}, r"must hold a weight_hh_l0 of shape \(H, H\), .* got \(6, 3\)"),
            ({"weight_ih_l0": waves(6)}, r"weight_ih_l0 of 2 dimensions, got shape \(6,\)"),
            ({"weight_ih_l0": waves(4, 2)}, "W must have shape"),
            ({"weight_ih_l0": np.full((3, 2), np.nan, np.float32)}, "W must not hold NaN"),
        ]:
            with pytest.raises(ValueError, match=words):
                from_safetensors(packed({**layer, **more}))

    def test_arguments(self):
        with pytest.raises(TypeError, match="source must be a path or bytes, got int"):
            from_safetensors(3)
        with pytest.raises(TypeError, match="prefix must be a str, got int"):
            from_safetensors(b"", 3)
        with pytest.raises(ValueError, match="activation must be"):
            from_safetensors(b"", activation="sigmoid")


def changed(op="LSTM", **attributes):
    return onnx_model(op, attributes, True)


def with_input(place, array, op="LSTM"):
    """A model whose node has one more input."""
    model = changed(op)
    node = model.graph.node[0]
    node.input.extend([""] * (place + 1 - len(node.input)))
    node.input[place] = "more"
    model.graph.initializer.append(numpy_helper.from_array(array, "more"))
    return model


def with_nodes(nodes, stored, outputs=()):
    graph = helper.make_graph(nodes, "g", [], list(outputs), [numpy_helper.from_array(v, k) for k, v in stored.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class TestONNX:
    @pytest.mark.parametrize("name", ["rnn_tanh", "rnn_relu", "gru", "lstm"])
    def test_what_torch_exported(self, backend, name):
        path = FOLDER / f"{name}.onnx"
        stack = from_onnx(path)
        agrees(stack, TORCH[name])
        for again in (from_onnx(path.read_bytes()), from_onnx(onnx.load(path)), pickle.loads(pickle.dumps(stack))):
            assert again(X)[0].tolist() == stack(X)[0].tolist()

    @pytest.mark.parametrize("name", NODES)
    def test_what_onnxruntime_computed(self, backend, name):
        agrees(from_onnx(onnx_model(*NODES[name])), ONNXRUNTIME[name])

    def test_a_reverse_stack(self, backend):
        stack = from_onnx(onnx_model("GRU", {"direction": "reverse"}, True))
        assert repr(stack) == "<RecurrentStack GRU 2 -> 3, 1 layers, reverse>"
        with pytest.raises(ValueError, match="a stack with a reverse direction can't step"):
            stack.step(X[:, 0])
        forward = from_onnx(onnx_model("GRU", {}, True))
        close(stack(X)[0], forward(X[:, ::-1])[0][:, ::-1])

    def test_layers_that_are_chosen(self, backend):
        stored = {}
        nodes = []
        for name, inputs in (("one", 2), ("two", 3), ("aside", 2)):
            stored |= {f"{name}W": waves(1, 3, inputs), f"{name}R": waves(1, 3, 3)}
            begin = "moved" if name == "two" else "X"
            nodes.append(helper.make_node("RNN", [begin, f"{name}W", f"{name}R"], [f"{name}Y"], hidden_size=3))
            if name == "one":
                nodes.append(helper.make_node("Squeeze", ["oneY", "axis"], ["moved"]))
        stored["axis"] = np.array([1])
        alone = with_nodes(nodes[:3], stored)
        whole = from_onnx(alone)
        assert len(whole.layers) == 2
        model = with_nodes(nodes, stored)
        with pytest.raises(ValueError, match=r"nodes must be given where .* they are .*oneY.*twoY.*asideY"):
            from_onnx(model)
        assert from_onnx(model, ["oneY", "twoY"])(X)[0].tolist() == whole(X)[0].tolist()
        assert len(from_onnx(model, "asideY").layers) == 1
        with pytest.raises(ValueError, match="expected a cell of 3 features"):
            from_onnx(model, ["oneY", "asideY"])
        with pytest.raises(ValueError, match=r"nodes must be among .*, got 'threeY'"):
            from_onnx(model, ["threeY"])
        with pytest.raises(ValueError, match="nodes must name at least one"):
            from_onnx(model, [])
        nodes[-1].op_type, nodes[-1].input[1:] = "GRU", ["gruW", "gruR"]
        stored |= {"gruW": waves(1, 9, 2), "gruR": waves(1, 9, 3)}
        with pytest.raises(ValueError, match="must be of one kind, got RNN_TANH, GRU"):
            from_onnx(with_nodes(nodes, stored), ["oneY", "asideY"])

    @pytest.mark.parametrize(
        ("directions", "layout", "moves", "fits"),
        [
            (1, 0, [("Squeeze", [1])], True),
            (1, 0, [("Squeeze", None)], True),
            (1, 1, [("Squeeze", [2])], True),
            (1, 0, [("Reshape", [4, 3, 5])], True),
            (1, 0, [("Transpose", [0, 2, 1, 3]), ("Reshape", [0, 0, -1])], True),
            (2, 0, [("Transpose", [0, 2, 1, 3]), ("Reshape", [0, 0, -1])], True),
            (2, 0, [("Transpose", [0, 2, 1, 3]), ("Reshape", [4, 3, 10])], True),
            (2, 1, [("Reshape", [0, 0, -1])], True),
            (1, 0, [("Squeeze", [1]), ("Transpose", [1, 0, 2]), ("Cast", 11), ("Transpose", [1, 0, 2])], True),
            (1, 0, [("Squeeze", [1]), ("Unsqueeze", [0, -1]), ("Squeeze", [0, 4])], True),
            (1, 0, [("Squeeze", [1]), ("Identity", None), ("Dropout", None), ("Cast", 1)], True),
            # The second one would go along sequences, or take parts of other steps, or whole numbers.
            (1, 0, [("Squeeze", [1]), ("Transpose", [1, 0, 2])], False),
            (1, 0, [("Squeeze", [1]), ("Transpose", None), ("Transpose", [1, 2, 0])], False),
            (1, 0, [("Reshape", [0, 0, -1])], False),
            (1, 0, [("Squeeze", [1]), ("Cast", 6)], False),
            (2, 0, [("Reshape", [0, 3, 10])], False),
            (2, 0, [("Reshape", [0, 0, -1])], False),
            (2, 0, [("Transpose", [0, 2, 3, 1]), ("Reshape", [0, 0, -1])], False),
            (1, 0, [], False),
        ],
    )
    def test_what_moves_between_layers(self, backend, directions, layout, moves, fits):
        stored = {"W1": waves(directions, 5, 2), "R1": waves(directions, 5, 5), "W2": waves(1, 5, 5 * directions)}
        stored["R2"] = waves(1, 5, 5)
        which = "forward" if directions == 1 else "bidirectional"
        nodes = [helper.make_node("RNN", ["X", "W1", "R1"], ["Y"], direction=which, layout=layout, hidden_size=5)]
        at = "Y"
        for i, (kind, numbers) in enumerate(moves):
            more = {"perm": numbers} if kind == "Transpose" and numbers else {"to": numbers} if kind == "Cast" else {}
            inputs = [at]
            if kind in ("Reshape", "Squeeze", "Unsqueeze") and numbers:
                inputs.append(f"n{i}")
                stored[f"n{i}"] = np.array(numbers)
            at = f"moved{i}"
            nodes.append(helper.make_node(kind, inputs, [at], **more))
        nodes.append(helper.make_node("RNN", [at, "W2", "R2"], ["Z"], layout=layout, hidden_size=5))
        model = with_nodes(nodes, stored)
        if fits:
            assert from_onnx(model)(X)[0].tolist() == from_onnx(model, ["Y", "Z"])(X)[0].tolist()
        else:
            with pytest.raises(ValueError, match="nodes must be given where the model's aren't layers of one another"):
                from_onnx(model)

    @pytest.mark.parametrize("made", ["Expand", "ConstantOfShape", "Tile", "given"])
    def test_a_start_that_is_spread_out(self, made):
        """A learned state, repeated as often as there are sequences."""
        stored = {"W": waves(1, 3, 2), "R": waves(1, 3, 3), "one": np.ones((1, 1, 3), np.float32), "at": np.array([1])}
        stored |= {"ends": np.array([1]), "units": np.array([3])}
        nodes = [
            helper.make_node("Shape", ["X"], ["shape"]),
            helper.make_node("Gather", ["shape", "at"], ["count"]),
            helper.make_node("Concat", ["ends", "count", "units"], ["wanted"], axis=0),
        ]
        if made == "ConstantOfShape":
            value = helper.make_tensor("v", TensorProto.FLOAT, [1], [3.0])
            nodes.append(helper.make_node(made, ["wanted"], ["start"], value=value))
        elif made != "given":
            nodes.append(helper.make_node(made, ["one", "wanted"], ["start"]))
        nodes.append(helper.make_node("RNN", ["X", "W", "R", "", "", "start"], ["Y"], hidden_size=3, name="cell"))
        if made == "given":
            assert from_onnx(with_nodes(nodes, stored)).kind == "RNN_TANH"
            return
        with pytest.warns(RuntimeWarning, match="the RNN node 'cell' begins with a state that the model holds"):
            from_onnx(with_nodes(nodes, stored))
        stored["one"] *= 0
        nodes[3].ClearField("attribute")
        assert from_onnx(with_nodes(nodes, stored)).kind == "RNN_TANH"

    def test_lengths_in_the_model(self):
        with pytest.warns(
            RuntimeWarning, match=r"the LSTM node 'cell' has sequence_lens that the model holds"
        ) as caught:
            from_onnx(with_input(4, np.array([2, 1], np.int32)))
        assert caught[0].filename == __file__

    def test_weights_that_are_made_of_constants(self, backend):
        """As exporters write them that put PyTorch's tensors into ONNX' order of gates themselves."""
        W, R, B = waves(1, 9, 2), waves(1, 9, 3, phase=1), waves(1, 18, phase=2)
        parts = [helper.make_node("Split", ["flat"], ["W0", "W1", "W2"], axis=0)]
        parts.append(helper.make_node("Concat", ["W1", "W0", "W2"], ["joined"], axis=0))
        parts.append(helper.make_node("Unsqueeze", ["joined", "zero"], ["W"]))
        parts.append(
            helper.make_node("Constant", [], ["raw"], value=numpy_helper.from_array(R.astype(np.float16)[0].T))
        )
        parts.append(helper.make_node("Transpose", ["raw"], ["turned"], perm=[1, 0]))
        parts.append(helper.make_node("Constant", [], ["shape"], value_ints=[1, 9, 3]))
        parts.append(helper.make_node("Cast", ["turned"], ["wide"], to=TensorProto.FLOAT))
        parts.append(helper.make_node("Reshape", ["wide", "shape"], ["R"]))
        gru = helper.make_node("GRU", ["X", "W", "R", "B"], ["Y"], linear_before_reset=1, hidden_size=3)
        flat = W[0].reshape(3, 3, 2)[[1, 0, 2]].reshape(9, 2)
        found = from_onnx(with_nodes([*parts, gru], {"flat": flat, "zero": np.array([0]), "B": B}))
        half = R.astype(np.float16).astype(np.float32)
        expected = from_onnx(with_nodes([gru], {"W": W, "R": half, "B": B}))
        assert found(X)[0].tolist() == expected(X)[0].tolist()

    def test_half_precision_becomes_single(self, backend):
        node = helper.make_node("RNN", ["X", "W", "R"], ["Y"], hidden_size=3)
        for kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16):
            model = with_nodes([node], {})
            values = [0.5, -1.0, 2.0, 0.25, 3.0, 1.0]
            model.graph.initializer.append(helper.make_tensor("W", kind, [1, 3, 2], values))
            model.graph.initializer.append(helper.make_tensor("R", kind, [1, 3, 3], [0.5] * 9))
            (cell,) = from_onnx(model).layers[0]
            assert cell.W.dtype == np.float32
            assert cell.W.T.ravel().tolist() == values

    def test_external_data(self, tmp_path):
        model = onnx_model(*NODES["lstm"])
        expected = from_onnx(model)(X)[0].tolist()
        onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
        assert from_onnx(tmp_path / "m.onnx")(X)[0].tolist() == expected
        with pytest.raises(ValueError, match=r"can't be read"):
            from_onnx((tmp_path / "m.onnx").read_bytes())

    def test_a_start_in_the_model(self):
        assert from_onnx(with_input(5, np.zeros((1, 2, 3), np.float32))).kind == "LSTM"
        with pytest.warns(RuntimeWarning, match="the LSTM node 'cell' begins with a state") as caught:
            from_onnx(with_input(6, np.ones((1, 2, 3), np.float32)))
        assert caught[0].filename == __file__

    @pytest.mark.parametrize(
        "make, words",
        [
            (lambda: changed(clip=3.0), "the LSTM node 'cell' must be without clip"),
            (lambda: changed(input_forget=1), "must be without input_forget"),
            (lambda: changed(direction="up"), "must be forward, reverse or bidirectional"),
            (lambda: changed(direction=[1, 2]), "must be forward, reverse or bidirectional"),
            (lambda: changed(activations=[1, 2, 3]), "its operator's own activations"),
            (lambda: changed("GRU", linear_before_reset="no"), "linear_before_reset 0 or 1, got b'no'"),
            (lambda: changed(activations=["Sigmoid", "Relu", "Tanh"]), r"its operator's own activations .* 'relu'"),
            (lambda: changed("RNN", activations=["Tanh", "Relu"]), "its operator's own activations"),
            (lambda: changed("GRU", activations=["Affine", "Tanh"]), "its operator's own activations"),
            (lambda: with_input(7, np.ones((1, 9), np.float32)), "must be without peepholes"),
            (lambda: with_input(1, waves(1, 16, 2)), "W must have shape"),
            (lambda: with_input(1, waves(1, 10, 2)), "weights must have 4 H rows"),
            (lambda: with_input(1, waves(12, 2)), "must have weights"),
            (lambda: with_input(1, waves(2, 12, 2)), "must have weights"),
            (lambda: with_input(3, waves(1, 12)), r"must have biases of shape \(1, 24\), got \(1, 12\)"),
            (
                lambda: with_input(1, np.ones((1, 12, 2), np.int32)),
                "must have constant floats as its input 1, .* got int32",
            ),
            (lambda: with_input(1, np.full((1, 12, 2), np.inf, np.float32)), "'cell': W must be finite"),
        ],
    )
    def test_what_no_cell_here_does(self, make, words):
        with pytest.raises(ValueError, match=words):
            from_onnx(make())

    def test_weights_that_are_not_constant(self):
        model = changed()
        model.graph.node[0].input[1] = "X"
        with pytest.raises(ValueError, match="must have constant floats as its input 1, 'X', got something else"):
            from_onnx(model)
        del model.graph.node[0].input[1:]
        with pytest.raises(ValueError, match="must have constant floats as its input 1"):
            from_onnx(model)

    def test_what_is_no_model(self, tmp_path):
        (tmp_path / "bad.onnx").write_bytes(b"\xff" * 100)
        with pytest.raises(ValueError, match=r"bad.onnx must be an ONNX model, but it can't be read"):
            from_onnx(tmp_path / "bad.onnx")
        with pytest.raises(FileNotFoundError):
            from_onnx(tmp_path / "none.onnx")
        with pytest.raises(ValueError, match="must hold a node that is an RNN, GRU or LSTM, got none"):
            from_onnx(b"")
        with pytest.raises(TypeError, match=r"model must be a path, bytes or an onnx.ModelProto, got int"):
            from_onnx(3)
        model = changed()
        model.graph.node[0].domain = "com.example"
        with pytest.raises(ValueError, match="got none"):
            from_onnx(model)

    def test_tensors_that_lie(self):
        model = changed()
        model.graph.initializer[0].dims[1] = 2**60
        with pytest.raises(ValueError, match="the tensor 'W' can't be read"):
            from_onnx(model)

    def test_a_small_file_stays_small(self):
        """A tensor that is joined with itself forty times would take a terabyte."""
        nodes = [helper.make_node("Concat", [f"W{i}"] * 2, [f"W{i + 1}"], axis=0) for i in range(40)]
        nodes.append(helper.make_node("RNN", ["X", "W40", "R"], ["Y"], hidden_size=3))
        with pytest.raises(ValueError, match=r"'W40' can't be computed: it is .* times as large as all tensors"):
            from_onnx(with_nodes(nodes, {"W0": waves(1, 3, 2), "R": waves(1, 3, 3)}))

    def test_weights_that_wait_for_themselves(self):
        nodes = [helper.make_node("Identity", ["W"], ["V"]), helper.make_node("Identity", ["V"], ["W"])]
        nodes.append(helper.make_node("RNN", ["X", "W", "R"], ["Y"], hidden_size=3))
        with pytest.raises(ValueError, match="'W' can't be computed"):
            from_onnx(with_nodes(nodes, {"R": waves(1, 3, 3)}))


def test_layers_of_a_stack_fit():
    one, other = SimpleRNNCell(np.ones((2, 3)), np.eye(3)), SimpleRNNCell(np.ones((2, 3)), np.eye(3))
    with pytest.raises(ValueError, match=r"expected a cell of 3 features with states of \(3,\) units, got <SimpleRNN"):
        RecurrentStack("RNN_TANH", [[one], [other]])
    for layers in ([], [[]]):
        with pytest.raises(ValueError, match="layers must hold at least one layer"):
            RecurrentStack("GRU", layers)
    with pytest.raises(ValueError, match="kind must be one of 'RNN_TANH'"):
        RecurrentStack("FOO", [[one]])
