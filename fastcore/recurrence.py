"""Recurrences: y[t] = f(y[t-1], x[t], t), linear scans first.

Source: Su Jianlin (苏剑林), *貌离神合的RNN与ODE：花式RNN简介*, 2018, https://kexue.fm/archives/5643 (RNNs and ODEs,
unlike in looks and one at heart).
"""

import math
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._backend import active_backend, kernels, use_backend
from ._labelled import same_labels
from ._validation import as_choice, as_flag, as_index, as_real
from ._workers import Workers, call_kernel, n_threads, run

__all__ = ["RecurrentStack", "from_torch", "gru", "linear_scan", "lstm", "scan", "simple_rnn"]

State = TypeVar("State")
# Sequences a task, when a batch is shared among workers.
_BATCH = 32


def linear_scan(
    a: ArrayLike, b: ArrayLike, y0: ArrayLike | None = None, *, axis: int = -1, reverse: bool = False
) -> NDArray[Any]:
    """Solve the linear recurrence y[t] = a[t] * y[t-1] + b[t].

    Parameters
    ----------
    a, b : array_like
        Coefficients; they broadcast to one shape, whose dimension `axis` is time. They are read by position: two
        Series or DataFrames must have the same labels in the same order.
    y0 : array_like, optional
        The state before the first step, of that shape without `axis`, or broadcast to it. Default 0.
    axis : int, default -1
        The dimension that is time.
    reverse : bool, default False
        Start at the last element and step towards the first.

    Returns
    -------
    ndarray
        All states y[t], float64, or float32 if `a` and `b` both are.

    Raises
    ------
    TypeError
        If the input isn't real numbers.
    ValueError
        If shapes don't broadcast, labels differ, `axis` is out of range, or there is NaN.

    Notes
    -----
    O(size) time, one output array. Both twins multiply and add in this order, each rounded on its own, so they
    agree to the bit.

    Examples
    --------
    >>> from fastcore.recurrence import linear_scan
    >>> linear_scan([0.5, 0.5, 0.5], [1.0, 1.0, 1.0])
    array([1.  , 1.5 , 1.75])
    """
    same_labels({"a": a, "b": b})
    a, b = as_real(a, "a"), as_real(b, "b")
    dtype = np.result_type(a, b)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(f"a and b must broadcast to one shape, got {a.shape} and {b.shape}") from None
    if not shape:
        raise ValueError("a and b must have at least 1 dimension, got two scalars")
    axis = as_index(axis, "axis", low=-len(shape), high=len(shape) - 1)
    backwards = as_flag(reverse, "reverse")

    others = tuple(np.delete(shape, axis).tolist())

    def rows(array: NDArray[Any]) -> NDArray[Any]:
        moved = np.moveaxis(np.broadcast_to(array, shape), axis, 0)
        return np.ascontiguousarray(moved, dtype=dtype).reshape(moved.shape[0], math.prod(others))

    start = np.zeros(others, dtype) if y0 is None else as_real(y0, "y0", dtype=dtype)
    try:
        start = np.ascontiguousarray(np.broadcast_to(start, others)).reshape(-1)
    except ValueError:
        raise ValueError(f"y0 must broadcast to {others}, got {start.shape}") from None
    y = kernels("recurrence").linear_scan(rows(a), rows(b), start, backwards)
    return np.ascontiguousarray(np.moveaxis(y.reshape((y.shape[0], *others)), 0, axis))


def scan(
    step: Callable[[State, Any], tuple[State, Any]],
    state: State,
    xs: Any = None,
    *,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[State, Any]:
    """Run any recurrence: a state that steps along a sequence.

    Parameters
    ----------
    step : callable
        ``step(state, x) -> (state, y)``: from the state before and one element, the state after and what to keep.
    state : any
        The first state: a number, an array, a tuple of them, any object. It is never copied or looked into.
    xs : array, tuple of arrays, or iterable, optional
        What is stepped along. Of an array the rows; of a tuple of arrays tuples of rows, side by side; of any
        other iterable its elements. Without it, `length` steps are made with x = None.
    length : int, optional
        The number of steps, where `xs` is None.
    reverse : bool, default False
        Step from the last element to the first; what is kept stands where its element did.

    Returns
    -------
    state
        The last state.
    ys : ndarray, tuple of ndarray, or None
        What was kept, stacked along a new first axis; a tuple of arrays if `step` gives tuples, None if it gives
        None. An empty array, shape (0,), if there was no step.

    Raises
    ------
    TypeError
        If `step` isn't callable or doesn't return a pair, or `xs` and `length` are both given or both missing.
    ValueError
        If the arrays of a tuple differ in length.

    Notes
    -----
    One Python call a step: this is the shape that all recurrences of this library have, for those that have no
    kernel of their own. The contract is that of ``jax.lax.scan``.

    Examples
    --------
    The state of Euler's method is (t, x); what it keeps is x:

    >>> from fastcore.recurrence import scan
    >>> def euler(state, h):
    ...     t, x = state
    ...     return (t + h, x + h * -x), x
    >>> (t, x), path = scan(euler, (0.0, 1.0), [0.5] * 4)
    >>> t, x, path
    (2.0, 0.0625, array([1.   , 0.5  , 0.25 , 0.125]))

    The denominator of a linear-chain CRF is one too: the state is the logarithm of the weight of all paths that
    end in each label.

    >>> import numpy as np
    >>> transitions = np.log([[1.0, 2.0], [3.0, 4.0]])
    >>> def forward(alpha, emission):
    ...     return np.logaddexp.reduce(alpha[:, None] + transitions, axis=0) + emission, None
    >>> alpha, _ = scan(forward, np.zeros(2), np.zeros((2, 2)))
    >>> round(np.exp(np.logaddexp.reduce(alpha)))
    54
    """
    if not callable(step):
        raise TypeError(f"step must be callable, got {type(step).__name__}")
    if (xs is None) == (length is None):
        raise TypeError("scan takes either xs or length")
    elements = _elements(xs, length)
    if as_flag(reverse, "reverse"):
        elements = reversed(list(elements))
    ys: list[Any] = []
    for x in elements:
        after = step(state, x)
        if not isinstance(after, tuple) or len(after) != 2:
            raise TypeError(f"step must return a pair (state, y), got {type(after).__name__}")
        state, y = after
        ys.append(y)
    if reverse:
        ys.reverse()
    return state, _stacked(ys)


def _elements(xs: Any, length: int | None) -> Iterable[Any]:
    if length is not None:
        return repeat(None, as_index(length, "length"))
    if not isinstance(xs, tuple):
        if not isinstance(xs, Iterable) or (isinstance(xs, np.ndarray) and not xs.ndim):
            raise TypeError(f"xs must be an array, a tuple of arrays or an iterable, got {type(xs).__name__}")
        return xs
    arrays = [np.asarray(part) for part in xs]
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise TypeError("a tuple xs must hold arrays of at least 1 dimension")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"the arrays of xs must be equally long, got lengths {lengths}")
    return zip(*arrays)


def _stacked(ys: list[Any]) -> Any:
    if not ys:
        return np.empty(0)
    if all(y is None for y in ys):
        return None
    if isinstance(ys[0], tuple):
        return tuple(_stacked(list(parts)) for parts in zip(*ys, strict=True))
    return np.stack([np.asarray(y) for y in ys])


def simple_rnn(
    x: ArrayLike,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    activation: str = "tanh",
    *,
    reverse: bool = False,
    workers: Workers = 1,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Run Elman's recurrent network: h[t] = activation(x[t] W + h[t-1] U + b).

    Parameters
    ----------
    x : array_like, shape (B, T, D) or (T, D)
        A batch of sequences, or one.
    W : array_like, shape (D, H)
        Weights of the input (PyTorch's ``weight_ih`` transposed).
    U : array_like, shape (H, H)
        Weights of the state before.
    b : array_like, shape (H,), optional
        Bias. Default 0.
    h0 : array_like, shape (B, H) or (H,), optional
        State before the first step. Default 0.
    activation : {"tanh", "relu"}
    reverse : bool, default False
        Step from the last element to the first; outputs stand where their inputs did.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Tasks are runs of sequences.

    Returns
    -------
    outputs : ndarray, shape (B, T, H) or (T, H)
        All states, float64, or float32 if x, W and U are.
    state : ndarray, shape (B, H) or (H,)
        The last one.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    O(B T H (D + H)). Sums run in one order whatever the batch, but several terms may be rounded at once: the twins
    agree to 1e-12 (1e-5 in float32) for weights of ordinary size.

    Examples
    --------
    >>> from fastcore.recurrence import simple_rnn
    >>> outputs, state = simple_rnn([[1.0], [1.0]], [[1.0]], [[0.5]], activation="relu")
    >>> outputs, state
    (array([[1. ],
           [1.5]]), array([1.5]))
    """
    relu = as_choice(activation, "activation", ("tanh", "relu")) == "relu"
    call = _Cell(x, W, U, {"h0": h0}, 1, reverse)
    bias = call.bias(b, "b", (call.hidden,))
    outputs, (h,) = call.run("simple_rnn", call.stacked(), bias, (relu,), workers)
    return outputs, h


def gru(
    x: ArrayLike,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    reverse: bool = False,
    workers: Workers = 1,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Run gated recurrent units.

    Parameters
    ----------
    x : array_like, shape (B, T, D) or (T, D)
        A batch of sequences, or one.
    W, U : array_like, shapes (D, 3 H) and (H, 3 H)
        Weights of the input and of the state, columns for reset gate, update gate, candidate (PyTorch's
        ``weight_ih`` and ``weight_hh`` transposed).
    b : array_like, shape (2, 3 H), optional
        Biases added to x W and to h U. Default 0.
    h0, reverse, workers
        As in `simple_rnn`.

    Returns
    -------
    outputs, state
        As in `simple_rnn`.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    r = s(x W_r + h U_r), z = s(x W_z + h U_z), n = tanh(x W_n + r (h U_n)), h' = (1 - z) n + z h, each with its
    biases, s the logistic function: the variant of cuDNN, with the reset gate after the product. Source: Cho et
    al., EMNLP 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import gru
    >>> outputs, state = gru(np.ones((4, 1)), np.ones((1, 3)), np.ones((1, 3)))
    >>> state.round(6)
    array([0.532541])
    """
    call = _Cell(x, W, U, {"h0": h0}, 3, reverse)
    n = call.hidden
    biases = call.bias(b, "b", (2, 3 * n))
    # The candidate's two parts meet only after the reset gate: four blocks of columns.
    weights = np.zeros((len(call.W) + n, 4 * n), call.x.dtype)
    weights[: len(call.W), : 3 * n] = call.W
    weights[len(call.W) :, : 2 * n] = call.U[:, : 2 * n]
    weights[len(call.W) :, 3 * n :] = call.U[:, 2 * n :]
    bias = np.concatenate([biases[0, : 2 * n] + biases[1, : 2 * n], biases[0, 2 * n :], biases[1, 2 * n :]])
    outputs, (h,) = call.run("gru", weights, bias, (), workers)
    return outputs, h


def lstm(
    x: ArrayLike,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    reverse: bool = False,
    workers: Workers = 1,
) -> tuple[NDArray[Any], tuple[NDArray[Any], NDArray[Any]]]:
    """Run a long short-term memory.

    Parameters
    ----------
    x : array_like, shape (B, T, D) or (T, D)
        A batch of sequences, or one.
    W, U : array_like, shapes (D, 4 H) and (H, 4 H)
        Weights of the input and of the state, columns for input gate, forget gate, cell, output gate (PyTorch's
        ``weight_ih`` and ``weight_hh`` transposed; the order of Keras too).
    b : array_like, shape (4 H,), optional
        Bias. Default 0.
    h0, c0 : array_like, shape (B, H) or (H,), optional
        State and cell before the first step. Default 0.
    reverse, workers
        As in `simple_rnn`.

    Returns
    -------
    outputs : ndarray, shape (B, T, H) or (T, H)
        All h.
    state : tuple of two ndarrays, shape (B, H) or (H,)
        The last h and c.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or is NaN or infinite.

    Notes
    -----
    i, f, o = s(...), g = tanh(...), c' = f c + i g, h' = o tanh(c'), s the logistic function. Source: Hochreiter
    and Schmidhuber, Neural Computation 9 (1997), with the forget gate of Gers et al. (2000).

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.recurrence import lstm
    >>> outputs, (h, c) = lstm(np.ones((4, 1)), np.ones((1, 4)), np.ones((1, 4)))
    >>> h.round(6), c.round(6)
    (array([0.839741]), array([2.300544]))
    """
    call = _Cell(x, W, U, {"h0": h0, "c0": c0}, 4, reverse)
    bias = call.bias(b, "b", (4 * call.hidden,))
    outputs, (h, c) = call.run("lstm", call.stacked(), bias, (), workers)
    return outputs, (h, c)


class _Cell:
    """The arguments that cells share, checked, in the form that kernels take."""

    def __init__(
        self, x: ArrayLike, W: ArrayLike, U: ArrayLike, start: dict[str, ArrayLike | None], gates: int, reverse: bool
    ) -> None:
        x, W, U = (
            as_real(x, "x", ndim=(2, 3), inf=False),
            as_real(W, "W", ndim=2, inf=False),
            as_real(U, "U", ndim=2, inf=False),
        )
        dtype = np.result_type(x, W, U)
        self.single = x.ndim == 2
        self.x = np.ascontiguousarray(x[None] if self.single else x, dtype)
        self.hidden = n = len(U)
        if U.shape[1] != gates * n:
            wanted = "H" if gates == 1 else f"{gates} H"
            raise ValueError(f"U must have shape (H, {wanted}), got {U.shape}")
        if W.shape != (self.x.shape[2], gates * n):
            raise ValueError(
                f"W must have shape {(self.x.shape[2], gates * n)} to match x {x.shape} and U {U.shape}, got {W.shape}"
            )
        self.reverse = as_flag(reverse, "reverse")
        self.W, self.U = W.astype(dtype, copy=False), U.astype(dtype, copy=False)
        if self.reverse:
            self.x = np.ascontiguousarray(self.x[:, ::-1])
        shape = (len(self.x), n)
        self.start = []
        for name, value in start.items():
            state = as_real(0.0 if value is None else value, name, dtype=dtype, inf=False)
            if value is not None and state.shape not in ((n,), shape):
                raise ValueError(f"{name} must have shape {shape} or {(n,)}, got {state.shape}")
            self.start.append(np.ascontiguousarray(np.broadcast_to(state, shape)))

    def bias(self, b: ArrayLike | None, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        if b is None:
            return np.zeros(shape, self.x.dtype)
        return as_real(b, name, shape=shape, dtype=self.x.dtype, inf=False)

    def stacked(self) -> NDArray[Any]:
        return np.concatenate([self.W, self.U])

    def run(
        self, name: str, weights: NDArray[Any], bias: NDArray[Any], options: tuple[Any, ...], workers: Workers
    ) -> tuple[NDArray[Any], list[NDArray[Any]]]:
        batch = len(self.x)
        size = _BATCH if n_threads(workers) > 1 else max(batch, 1)
        tasks = [
            (
                "recurrence",
                name,
                active_backend(),
                (self.x[i : i + size], weights, bias, *(s[i : i + size] for s in self.start), *options),
            )
            for i in range(0, max(batch, 1), size)
        ]
        parts = [part if isinstance(part, tuple) else (part,) for part in run(call_kernel, tasks, workers)]
        outputs, *rest = (column[0] if len(column) == 1 else np.concatenate(column) for column in zip(*parts))
        states = [outputs[:, -1].copy() if outputs.shape[1] else self.start[0].copy(), *rest]
        if self.reverse:
            outputs = np.ascontiguousarray(outputs[:, ::-1])
        return (outputs[0], [s[0] for s in states]) if self.single else (outputs, states)


class RecurrentStack:
    """Layers of recurrent cells, made by `from_torch`.

    Attributes
    ----------
    kind : {"RNN_TANH", "RNN_RELU", "GRU", "LSTM"}
    layers : list of list of dict
        For each layer, for each direction, the arguments W, U, b of its cell.
    """

    def __init__(self, kind: str, layers: list[list[dict[str, NDArray[Any]]]]) -> None:
        self.kind = kind
        self.layers = layers
        self._backend = active_backend()

    def __repr__(self) -> str:
        first = self.layers[0][0]
        both = ", both directions" if len(self.layers[0]) == 2 else ""
        return f"<RecurrentStack {self.kind} {len(first['W'])} -> {len(first['U'])}, {len(self.layers)} layers{both}>"

    def __call__(self, x: ArrayLike, state: Any = None, *, workers: Workers = 1) -> tuple[NDArray[Any], Any]:
        """Run all layers.

        Parameters
        ----------
        x : array_like, shape (B, T, D)
        state : array_like (layers * directions, B, H), or a pair of them for LSTM, optional
            Before the first step. Default 0.
        workers : int, executor or map-like callable, default 1
            Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Tasks are runs of sequences.

        Returns
        -------
        outputs : ndarray, shape (B, T, directions * H)
        state : ndarray (layers * directions, B, H), or a pair of them for LSTM
        """
        y = as_real(x, "x", ndim=3, inf=False)
        directions = len(self.layers[0])
        shape = (len(self.layers) * directions, len(y), len(self.layers[0][0]["U"]))
        given = self._start(state, shape)
        ends: list[tuple[NDArray[Any], ...]] = []
        with use_backend(self._backend):
            for layer in self.layers:
                outputs = []
                for direction, arguments in enumerate(layer):
                    start = [part[len(ends)] for part in given]
                    output, end = self._cell(y, arguments, start, direction == 1, workers)
                    outputs.append(output)
                    ends.append(end if isinstance(end, tuple) else (end,))
                y = outputs[0] if directions == 1 else np.concatenate(outputs, axis=2)
        last = tuple(np.stack(parts) for parts in zip(*ends))
        return y, last if self.kind == "LSTM" else last[0]

    def _start(self, state: Any, shape: tuple[int, int, int]) -> list[NDArray[Any]]:
        if state is None:
            return []
        parts = state if self.kind == "LSTM" else (state,)
        if not isinstance(parts, tuple | list) or len(parts) != (2 if self.kind == "LSTM" else 1):
            raise TypeError(f"state must be a pair (h, c) for an LSTM, got {type(state).__name__}")
        return [as_real(part, "state", shape=shape, inf=False) for part in parts]

    def _cell(
        self,
        x: NDArray[Any],
        arguments: dict[str, NDArray[Any]],
        start: list[NDArray[Any]],
        reverse: bool,
        workers: Workers,
    ) -> tuple[NDArray[Any], Any]:
        W, U, b = arguments["W"], arguments["U"], arguments["b"]
        if self.kind == "LSTM":
            return lstm(x, W, U, b, *start, reverse=reverse, workers=workers)
        if self.kind == "GRU":
            return gru(x, W, U, b, *start, reverse=reverse, workers=workers)
        h0 = start[0] if start else None
        return simple_rnn(x, W, U, b, h0, self.kind[4:].lower(), reverse=reverse, workers=workers)


def from_torch(module: Any) -> RecurrentStack:
    """Take over the weights of a ``torch.nn.RNN``, ``GRU`` or ``LSTM``.

    Parameters
    ----------
    module : torch.nn.RNN, torch.nn.GRU or torch.nn.LSTM
        With any number of layers, one or both directions, with or without biases. Dropout is left out, as in
        evaluation. The weights are copied: later training doesn't reach the result.

    Returns
    -------
    RecurrentStack
        Called on an array (B, T, D), whatever the module's ``batch_first``, it gives (outputs, state), NumPy arrays
        of the module's float type.

    Raises
    ------
    TypeError
        If it isn't such a module.
    ValueError
        If it has projections (``proj_size``).

    Examples
    --------
    With PyTorch installed::

        module = torch.nn.LSTM(8, 16, num_layers=2, bidirectional=True)
        outputs, (h, c) = from_torch(module)(x)
    """
    kind = getattr(module, "mode", None)
    if kind not in ("RNN_TANH", "RNN_RELU", "GRU", "LSTM") or not hasattr(module, "state_dict"):
        raise TypeError(f"module must be a torch.nn.RNN, GRU or LSTM, got {type(module).__name__}")
    if getattr(module, "proj_size", 0):
        raise ValueError(f"module must not have projections, got proj_size={module.proj_size}")
    weights = {name: np.array(value.detach().cpu()) for name, value in module.state_dict().items()}
    layers = []
    for layer in range(module.num_layers):
        directions = []
        for suffix in ("", "_reverse")[: 2 if module.bidirectional else 1]:
            W, U = (np.ascontiguousarray(weights[f"weight_{part}_l{layer}{suffix}"].T) for part in ("ih", "hh"))
            biases = np.zeros((2, W.shape[1]), W.dtype)
            if module.bias:
                biases[:] = [weights[f"bias_{part}_l{layer}{suffix}"] for part in ("ih", "hh")]
            directions.append({"W": W, "U": U, "b": biases if kind == "GRU" else biases.sum(axis=0)})
        layers.append(directions)
    return RecurrentStack(kind, layers)
