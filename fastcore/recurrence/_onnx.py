"""Weights from ONNX models."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from .._extras import require
from .._labelled import shown
from .._validation import as_names
from ._cells import Cell, GRUCell, LSTMCell, SimpleRNNCell
from ._sequences import Array, as_numpy
from ._stack import RecurrentStack

# For each operator where its blocks of rows stand in our order, and its activations.
_GATES = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1]}
_ACTIVATIONS = {"RNN": [["tanh"], ["relu"]], "GRU": [["sigmoid", "tanh"]], "LSTM": [["sigmoid", "tanh", "tanh"]]}
_DOMAINS = ("", "ai.onnx")
# What only moves numbers about on their way from one layer to the next, or from a file's tensors to a node. None of
# these makes more of them but Concat.
_MOVES = ("Cast", "Dropout", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
# What spreads a tensor out.
_SPREADS = ("Expand", "Tile", "Gather", "ConstantOfShape")
_MAKES = (*_MOVES, "Concat", "Constant", "DequantizeLinear", "Slice", "Split")
# By how much what is made of a file's tensors may be larger than these.
_ROOM = 16


def from_onnx(model: Any, nodes: Sequence[str] | str | None = None) -> RecurrentStack:
    """Take over the weights of the RNN, GRU or LSTM nodes of an ONNX model; needs the extra ``onnx``.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        A file (large models' external data are read from beside it), or its bytes.
    nodes : str or sequence of str, optional
        The nodes that are the layers, in order, by their names or those of an output. Default: all, which must be
        layers of one another.

    Returns
    -------
    RecurrentStack
        Called on an array (B, T, D), whatever the nodes' ``layout``, it gives (outputs, state). Half precision and
        bfloat16 become float32.

    Raises
    ------
    ImportError
        If onnx is missing.
    OSError
        If the file can't be read.
    TypeError, ValueError
        If it isn't such a model, holds no such nodes or several that aren't layers of one another, or a node has
        weights that aren't constant, a form that there is no cell for (peepholes, ``clip``, ``input_forget``, other
        activations), or a size unlike the others.

    Warns
    -----
    RuntimeWarning
        If a node begins with a state that the model holds and that isn't 0: give it to the call as ``state``. If the
        model holds the sequences' lengths: give them as ``lengths``.

    Notes
    -----
    Gates are put into PyTorch's order; ``linear_before_reset`` and each direction are kept. Weights may be initializers
    or made of constants by operators that move numbers about (Slice, Concat, Unsqueeze and their like,
    DequantizeLinear). Nodes within loops and branches aren't looked for. Source: the operators' specification,
    https://onnx.ai/onnx/operators.

    Examples
    --------
    >>> import numpy as np
    >>> from onnx import helper, numpy_helper
    >>> from fastcore.recurrence import from_onnx
    >>> W, R = np.ones((1, 1, 1), np.float32), np.full((1, 1, 1), 0.5, np.float32)
    >>> node = helper.make_node("RNN", ["X", "W", "R"], ["Y"], activations=["Relu"], hidden_size=1)
    >>> weights = [numpy_helper.from_array(W, "W"), numpy_helper.from_array(R, "R")]
    >>> model = helper.make_model(helper.make_graph([node], "rnn", [], [], weights))
    >>> from_onnx(model)(np.ones((1, 3, 1)))[0].ravel()
    array([1.  , 1.5 , 1.75])
    """
    onnx = require("onnx", "onnx", "from_onnx")
    names = None if nodes is None else as_names(nodes, "nodes")
    found = _load(onnx, model)
    recurrent = [node for node in found.graph.node if node.op_type in _GATES and node.domain in _DOMAINS]
    if not recurrent:
        raise ValueError("model must hold a node that is an RNN, GRU or LSTM, got none")
    constants = _Constants(onnx, found)
    chosen = _layers(onnx, constants, found.graph, recurrent) if names is None else _named(recurrent, names)
    layers = []
    for node in chosen:
        layers.append(_layer(onnx, constants, node))
    kinds = [kind for kind, _, _ in layers]
    if len(set(kinds)) > 1:
        raise ValueError(f"the layers of a stack must be of one kind, got {', '.join(kinds)}")
    return RecurrentStack(kinds[0], [cells for _, cells, _ in layers], [reverse for _, _, reverse in layers])


def _load(onnx: Any, model: Any) -> Any:
    """The model, with the data of its tensors."""
    if isinstance(model, onnx.ModelProto):
        return model
    if not isinstance(model, str | os.PathLike | bytes):
        raise TypeError(f"model must be a path, bytes or an onnx.ModelProto, got {type(model).__name__}")
    from google.protobuf.message import DecodeError

    try:
        if isinstance(model, bytes):
            return onnx.load_model_from_string(model)
        return onnx.load(os.fsdecode(model), format="protobuf")
    except (DecodeError, ValueError, onnx.checker.ValidationError) as error:
        name = "model" if isinstance(model, bytes) else os.fsdecode(model)
        raise ValueError(f"{name} must be an ONNX model, but it can't be read: {error}") from None


def _called(node: Any) -> str:
    """What a node is called, in errors and by callers: names may be missing."""
    return str(node.name or next(filter(None, node.output), ""))


def _named(recurrent: list[Any], names: Sequence[str]) -> list[Any]:
    found = {name: node for node in recurrent for name in (*node.output, node.name) if name}
    for name in names:
        if name not in found:
            raise ValueError(f"nodes must be among {shown([_called(node) for node in recurrent])}, got {name!r}")
    if not names:
        raise ValueError("nodes must name at least one, got none")
    return [found[name] for name in names]


# What runs along an axis: time, sequences, directions, units; several that were made one, or nothing where it is one
# element long.
_T, _B, _D, _H = ("T",), ("B",), ("D",), ("H",)
_Axes: TypeAlias = list[tuple[str, ...]]


def _layers(onnx: Any, constants: _Constants, graph: Any, recurrent: list[Any]) -> list[Any]:
    """All recurrent nodes in order, if each gets what the one before gives, step by step."""
    # Of each value the recurrent node whose output it holds, with its axes; nodes stand in the order of computation.
    held: dict[str, tuple[int, _Axes]] = {}
    whole, i = True, 0
    for node in graph.node:
        if node.op_type in _GATES and node.domain in _DOMAINS:
            given = _attributes(onnx, node)
            first = [_B, _T] if given.get("layout") else [_T, _B]
            before, axes = held.get(next(iter(node.input), ""), (None, None))
            whole &= before == (i - 1 if i else None) and (not i or axes in ([*first, _H], [*first, (*_D, *_H)]))
            if node.output:
                directions = _D if given.get("direction") == b"bidirectional" else ()
                held[node.output[0]] = i, [_B, _T, directions, _H] if given.get("layout") else [_T, directions, _B, _H]
            i += 1
        elif node.op_type in _MOVES and node.domain in _DOMAINS and node.input and node.input[0] in held:
            number, known = held[node.input[0]]
            moved = _moved(onnx, constants, node, known)
            if moved is not None and node.output:
                held[node.output[0]] = number, moved
    if not whole:
        listed = shown([_called(node) for node in recurrent])
        raise ValueError(f"nodes must be given where the model's aren't layers of one another: they are {listed}")
    return recurrent


def _moved(onnx: Any, constants: _Constants, node: Any, axes: _Axes) -> _Axes | None:
    """The axes of what a node makes of a value with such ones; None if it does more than move them."""
    given = _attributes(onnx, node)
    if node.op_type == "Cast":
        # Among floats, or numbers would be cut.
        floats = onnx.TensorProto
        return axes if given.get("to") in (floats.FLOAT, floats.FLOAT16, floats.DOUBLE, floats.BFLOAT16) else None
    if node.op_type == "Transpose":
        order = _integers(given.get("perm", range(len(axes))[::-1]))
        return [axes[k] for k in order] if sorted(order) == [*range(len(axes))] else None
    if node.op_type not in ("Reshape", "Squeeze", "Unsqueeze"):
        return axes
    second = constants.find(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    numbers = _integers(given.get("axes", []) if second is None else second.ravel().tolist())
    if node.op_type == "Reshape":
        return _reshaped(axes, numbers)
    if node.op_type == "Squeeze":
        places = {n % len(axes) for n in numbers} if numbers else {k for k, axis in enumerate(axes) if not axis}
        return [axis for k, axis in enumerate(axes) if k not in places] if not any(axes[k] for k in places) else None
    if not numbers:
        return None
    rank = len(axes) + len(numbers)
    rest, places = iter(axes), {n % rank for n in numbers}
    return [() if k in places else next(rest) for k in range(rank)] if len(places) == len(numbers) else None


def _integers(values: Any) -> list[int]:
    """What a well-formed attribute holds; nothing of another."""
    return [*values] if isinstance(values, Iterable) and all(isinstance(n, int) for n in values) else []


def _reshaped(axes: _Axes, shape: list[int]) -> _Axes | None:
    """Axes in another shape, where each stays or the last ones become one."""
    if any(n == 0 and k >= len(axes) for k, n in enumerate(shape)) or not shape:
        return None
    if all(n == 0 for n in shape[:-1]) and len(shape) <= len(axes):
        return [*axes[: len(shape) - 1], tuple(name for axis in axes[len(shape) - 1 :] for name in axis)]
    # Axes of one element come and go; of the others, each has its place.
    longer = [axis for axis in axes if axis]
    extra = len(shape) - len(longer)
    if extra > shape.count(1):
        return None
    made: _Axes = []
    for n in shape:
        if extra > 0 and n == 1:
            extra -= 1
            made.append(())
        elif longer:
            made.append(longer.pop(0))
        else:
            return None
    made[-1] = tuple(name for axis in [made[-1], *longer] for name in axis)
    return made


class _Constants:
    """Values of a graph that don't depend on what goes into it."""

    def __init__(self, onnx: Any, model: Any) -> None:
        self._onnx, self._model = onnx, model
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._maker = {name: i for i, node in enumerate(model.graph.node) for name in node.output if name}
        constants = [a.t for node in model.graph.node if node.op_type == "Constant" for a in node.attribute]
        self._room = _ROOM * (64 + sum(_count(tensor) for tensor in (*self._stored.values(), *constants)))

    def find(self, name: str) -> Array | None:
        """A value, or None if it isn't constant."""
        if name in self._stored:
            return self._array(self._stored[name])
        wanted, makers, tensors = [name], set[int](), dict[str, Any]()
        while wanted:
            needed = wanted.pop()
            if needed in self._stored:
                tensors[needed] = self._stored[needed]
                continue
            if needed not in self._maker:
                return None
            i = self._maker[needed]
            node = self._model.graph.node[i]
            if node.op_type not in _MAKES or node.domain not in _DOMAINS:
                return None
            if i not in makers:
                makers.add(i)
                wanted.extend(filter(None, node.input))
        # In the order of computation.
        nodes = [self._model.graph.node[i] for i in sorted(makers)]
        self._check_room(nodes, tensors, name)
        helper = self._onnx.helper
        graph = helper.make_graph(
            nodes, "constants", [], [helper.make_empty_tensor_value_info(name)], list(tensors.values())
        )
        model = helper.make_model(graph, opset_imports=self._model.opset_import)
        model.ir_version = self._model.ir_version or model.ir_version
        evaluate = require("onnx.reference", "onnx", "from_onnx").ReferenceEvaluator
        try:
            return _widened(np.asarray(evaluate(model).run(None, {})[0]))
        except Exception as error:
            raise ValueError(f"{name!r} can't be computed: {error}") from None

    def _array(self, tensor: Any) -> Array:
        try:
            return _widened(self._onnx.numpy_helper.to_array(tensor))
        except Exception as error:
            raise ValueError(f"the tensor {tensor.name!r} can't be read: {error}") from None

    def _check_room(self, nodes: list[Any], tensors: dict[str, Any], name: str) -> None:
        """Refuse what a small file would blow up, as by joining a tensor with itself again and again."""
        sizes = {key: _count(tensor) for key, tensor in tensors.items()}
        used = 0
        for node in nodes:
            into = [sizes.get(key, 0) for key in node.input]
            size = sum(_count(a.t) for a in node.attribute) + (
                sum(into) if node.op_type == "Concat" else max(into, default=0)
            )
            sizes.update(dict.fromkeys(node.output, size))
            used += size
        if used > self._room:
            raise ValueError(
                f"{name!r} can't be computed: it is {used / self._room * _ROOM:.0f} times as large as all tensors"
            )

    def holds_floats(self, name: str) -> bool:
        """Whether a value is spread out from a tensor that isn't 0, however often: that needn't be constant."""
        wanted, seen = [name], set[str]()
        while wanted:
            needed = wanted.pop()
            if needed in seen:
                continue
            seen.add(needed)
            stored = self._stored.get(needed)
            node = (
                None
                if stored is not None
                else self._model.graph.node[self._maker[needed]]
                if needed in self._maker
                else None
            )
            if node is not None and node.op_type in ("Constant", "ConstantOfShape"):
                stored = next((a.t for a in node.attribute if a.name == "value"), None)
            if stored is not None:
                array = self._array(stored)
                if array.dtype.kind == "f" and array.any():
                    return True
            elif node is not None and node.op_type in (*_MAKES, *_SPREADS) and node.domain in _DOMAINS:
                # What comes behind it says where and how often.
                wanted.extend(node.input if node.op_type == "Concat" else node.input[:1])
        return False


def _attributes(onnx: Any, node: Any) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _count(tensor: Any) -> int:
    count = 1
    for n in tensor.dims:
        # No file holds more; negative ones are refused where they are read.
        count = min(count * max(n, 0), 2**62)
    return count


def _widened(array: Array) -> Array:
    """In float32 if it holds half precision or bfloat16."""
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else np.asarray(as_numpy(array))


def _layer(onnx: Any, constants: _Constants, node: Any) -> tuple[str, list[Cell], list[bool]]:
    """The kind of a node, and its cells with their directions."""
    what = f"the {node.op_type} node {_called(node)!r}"
    given = _attributes(onnx, node)
    direction = given.get("direction", b"forward")
    reverse = {b"forward": [False], b"reverse": [True], b"bidirectional": [False, True]}.get(
        direction if isinstance(direction, bytes) else b""
    )
    if reverse is None:
        raise ValueError(f"{what} must be forward, reverse or bidirectional, got {direction!r}")
    wanted = [
        name.decode("utf-8", "replace").lower() if isinstance(name, bytes) else repr(name)
        for name in given.get("activations", [])
    ]
    activations = wanted[: len(wanted) // len(reverse)] or _ACTIVATIONS[node.op_type][0]
    if activations not in _ACTIVATIONS[node.op_type] or wanted not in ([], activations * len(reverse)):
        raise ValueError(f"{what} must have its operator's own activations (or Relu, of an RNN), got {wanted}")
    for name in ("clip", "input_forget"):
        if given.get(name, 0):
            raise ValueError(f"{what} must be without {name}: no cell here has it")
    inputs = [*node.input, *[""] * 8]
    W, R = (_constant(constants, inputs[i], i, what) for i in (1, 2))
    if W.ndim != 3 or R.ndim != 3 or len(W) != len(reverse) or len(R) != len(reverse):
        raise ValueError(f"{what} must have weights (directions, gates * H, D and H), got {W.shape} and {R.shape}")
    shape = (len(R), 2 * R.shape[1])
    bias = _constant(constants, inputs[3], 3, what) if inputs[3] else np.zeros(shape, R.dtype)
    if bias.shape != shape:
        raise ValueError(f"{what} must have biases of shape {shape}, got {bias.shape}")
    if node.op_type == "LSTM" and inputs[7] and _constant(constants, inputs[7], 7, what).any():
        raise ValueError(f"{what} must be without peepholes: no cell here has them")
    for state in inputs[5:7] if node.op_type == "LSTM" else inputs[5:6]:
        value = constants.find(state) if state else None
        if value.any() if value is not None else state and constants.holds_floats(state):
            text = f"{what} begins with a state that the model holds: it isn't taken over, give it to the call"
            warnings.warn(text, RuntimeWarning, stacklevel=3)
    if inputs[4] and constants.find(inputs[4]) is not None:
        text = (
            f"{what} has sequence_lens that the model holds: they aren't taken over, give them to the call as lengths"
        )
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    kind = f"RNN_{activations[0].upper()}" if node.op_type == "RNN" else node.op_type
    before = given.get("linear_before_reset", 0)
    if before not in (0, 1):
        raise ValueError(f"{what} must have linear_before_reset 0 or 1, got {before!r}")
    reset = "after" if before else "before"
    try:
        cells = [_cell(kind, *direction, reset) for direction in zip(W, R, bias.reshape(len(W), 2, -1))]
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    return kind, cells, reverse


def _constant(constants: _Constants, name: str, place: int, what: str) -> Array:
    value = constants.find(name) if name else None
    if value is None or value.dtype.kind != "f":
        got = "something else" if value is None else f"{value.dtype}"
        raise ValueError(f"{what} must have constant floats as its input {place}, {name!r}, got {got}")
    return value


def _cell(kind: str, W: Array, R: Array, biases: Array, reset: str) -> Cell:
    order = _GATES[kind[:4].rstrip("_")]

    def columns(rows: Array) -> Array:
        """Rows of gates as columns, in our order."""
        if rows.shape[0] % len(order):
            raise ValueError(f"weights must have {len(order)} H rows, got {rows.shape[0]}")
        blocks: Array = rows.reshape(len(order), -1, *rows.shape[1:])[order]
        return blocks.reshape(rows.shape).T

    W, R, biases = columns(W), columns(R), columns(biases.T)
    if kind == "GRU":
        return GRUCell(W, R, biases, reset=reset)
    if kind == "LSTM":
        return LSTMCell(W, R, biases.sum(axis=0))
    return SimpleRNNCell(W, R, biases.sum(axis=0), kind[4:].lower())
