"""Write what `test_recurrence_files.py` reads: small files of weights, and what their own libraries compute with them.

``python tests/weights/write.py torch`` needs torch, safetensors and onnx, ``python tests/weights/write.py onnxruntime``
onnx and onnxruntime; each writes its answers beside the files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
X = np.cos(np.arange(12.0)).reshape(2, 3, 2).astype(np.float32)
# For each model that is made of one node: operator, attributes, and whether it has biases.
NODES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "gru before": ("GRU", {}, True),
    "gru after, reverse": ("GRU", {"linear_before_reset": 1, "direction": "reverse"}, True),
    "gru before, both": ("GRU", {"direction": "bidirectional"}, True),
    "gru after, both, no biases": ("GRU", {"linear_before_reset": 1, "direction": "bidirectional"}, False),
    "lstm": ("LSTM", {"direction": "forward"}, True),
    "lstm reverse, no biases": ("LSTM", {"direction": "reverse"}, False),
    "lstm both": ("LSTM", {"direction": "bidirectional"}, True),
    "rnn": ("RNN", {}, True),
    "rnn both, relu": ("RNN", {"direction": "bidirectional", "activations": ["Relu", "Relu"]}, True),
}


def waves(*shape: int, phase: float = 0.0) -> np.ndarray:
    return np.sin(phase + 1.7 * np.arange(np.prod(shape))).reshape(shape).astype(np.float32)


def onnx_model(op: str, attributes: dict[str, Any], biases: bool, inputs: int = 2, units: int = 3) -> Any:
    """A model of one node, of weights that are sines."""
    from onnx import TensorProto, helper, numpy_helper

    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = {"RNN": 1, "GRU": 3, "LSTM": 4}[op] * units
    arrays = {"W": waves(directions, rows, inputs), "R": waves(directions, rows, units, phase=1)}
    if biases:
        arrays["B"] = waves(directions, 2 * rows, phase=2)
    outputs = ["Y", "Y_h", "Y_c"][: 3 if op == "LSTM" else 2]
    node = helper.make_node(op, ["X", *arrays], outputs, name="cell", hidden_size=units, **attributes)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, None, inputs])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def by_onnxruntime() -> dict[str, Any]:
    import onnxruntime

    answers = {}
    for name, node in NODES.items():
        session = onnxruntime.InferenceSession(onnx_model(*node).SerializeToString())
        y, *state = session.run(None, {"X": X.transpose(1, 0, 2)})
        # (T, directions, B, H) as (B, T, directions * H).
        answers[name] = {"y": y.transpose(2, 0, 1, 3).reshape(2, 3, -1).tolist(), "state": [s.tolist() for s in state]}
    return answers


def by_torch() -> dict[str, Any]:
    import torch
    from safetensors.torch import save_file
    from torch.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

    both = {"num_layers": 2, "bidirectional": True}
    modules = {
        "rnn_tanh": RNN(2, 3, batch_first=True),
        "rnn_relu": RNN(2, 3, num_layers=2, nonlinearity="relu", batch_first=True, bias=False),
        "gru": GRU(2, 3, batch_first=True, **both),
        "lstm": LSTM(2, 3, batch_first=True, **both),
        "lstm_projected": LSTM(2, 3, proj_size=2, batch_first=True),
        "gru_half": GRU(2, 3, batch_first=True).half(),
        "lstm_bfloat16": LSTM(2, 3, batch_first=True).bfloat16(),
        "rnn_cell": RNNCell(2, 3),
        "gru_cell": GRUCell(2, 3),
        "lstm_cell": LSTMCell(2, 3),
    }
    answers, x = {}, torch.tensor(X)
    for name, module in modules.items():
        count = 0
        with torch.no_grad():
            for parameter in module.parameters():
                values = np.sin(1.7 * np.arange(count, count + parameter.numel())).reshape(parameter.shape)
                parameter.copy_(torch.tensor(values))
                count += parameter.numel()
        before = "" if name.endswith("cell") else "model.rnn."
        save_file({before + key: value for key, value in module.state_dict().items()}, FOLDER / f"{name}.safetensors")
        # Half precision is rounded, and computed with in float32.
        module.float()
        if name.endswith("cell"):
            y, state = None, module(x[:, 0])
        else:
            y, state = module(x)
            if name in ("rnn_tanh", "rnn_relu", "gru", "lstm"):
                torch.onnx.export(module.eval(), (x,), str(FOLDER / f"{name}.onnx"), dynamo=False)
        states = state if isinstance(state, tuple) else (state,)
        answers[name] = {"y": y if y is None else y.tolist(), "state": [s.tolist() for s in states]}
    return answers


if __name__ == "__main__":
    library = sys.argv[1]
    found = {"torch": by_torch, "onnxruntime": by_onnxruntime}[library]()
    (FOLDER / f"{library}.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
