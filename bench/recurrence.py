"""Linear scans and recurrent cells."""

from __future__ import annotations

import numpy as np

from bench._harness import Workload, prepared
from fastcore.recurrence import (
    GRUCell,
    LSTMCell,
    affine_scan,
    linear_scan,
    log_linear_scan,
    lru,
    selective_scan,
    simple_rnn,
    sru,
)


def _coefficients(n: int = 1_000_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, n), rng.normal(size=n)


@prepared
def _numba(data):
    from numba import njit

    @njit
    def scan(a, b):
        y = np.empty_like(b)
        last = 0.0
        for t in range(len(b)):
            last = a[t] * last + b[t]
            y[t] = last
        return y

    scan(*data)
    return lambda: scan(*data)


@prepared
def _lfilter(data):
    """A constant coefficient only: what SciPy's filter can do."""
    from scipy.signal import lfilter

    a, b = data
    return lambda: lfilter([1.0], [1.0, -a], b)


def _constant() -> tuple[float, np.ndarray]:
    return 0.9, _coefficients()[1]


def _table(shape: tuple[int, int], axis: int, dtype: type) -> Workload:
    """Many recurrences side by side, or one in each row."""

    def make() -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        return rng.uniform(-1, 1, shape).astype(dtype), rng.normal(size=shape).astype(dtype)

    @prepared
    def loop(data):
        from numba import njit

        if axis == 0:

            @njit
            def scan(a, b):
                y = np.empty_like(b)
                y[0] = b[0]
                for t in range(1, len(b)):
                    for j in range(b.shape[1]):
                        y[t, j] = a[t, j] * y[t - 1, j] + b[t, j]
                return y

        else:

            @njit
            def scan(a, b):
                y = np.empty_like(b)
                for i in range(len(b)):
                    last = b[i, 0] - b[i, 0]
                    for t in range(b.shape[1]):
                        last = a[i, t] * last + b[i, t]
                        y[i, t] = last
                return y

        scan(*data)
        return lambda: scan(*data)

    return Workload(
        name=f"recurrence.linear_scan_{shape[0]}x{shape[1]}_axis{axis}_{np.dtype(dtype).name}",
        make=make,
        runners={"fastcore": lambda data: linear_scan(*data, axis=axis), "numba": loop},
        equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=1e-4, atol=1e-5)),
        twin=False,
        amount=lambda data: (data[0].size / 1e6, "M steps"),
    )


def _matrices(size: int, steps: int = 200_000) -> Workload:
    """One matrix for all steps: an autoregression, a state space."""

    def make() -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        return rng.normal(size=(size, size)) / (2 * np.sqrt(size)), rng.normal(size=(steps, size))

    @prepared
    def loop(data):
        from numba import njit

        @njit
        def scan(A, b):
            y = np.empty_like(b)
            last = np.zeros(len(A))
            for t in range(len(b)):
                for i in range(len(A)):
                    total = b[t, i]
                    for j in range(len(A)):
                        total += A[i, j] * last[j]
                    y[t, i] = total
                last = y[t]
            return y

        scan(*data)
        return lambda: scan(*data)

    return Workload(
        name=f"recurrence.affine_scan_{size}",
        make=make,
        runners={"fastcore": lambda data: affine_scan(*data), "numba": loop},
        equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=1e-9)),
        twin=False,
        amount=lambda data: (steps / 1e6, "M steps"),
    )


def _logarithms(shape: tuple[int, int]) -> Workload:
    """Weights as their logarithms: one chain, or many side by side."""

    def make() -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        return np.log(rng.uniform(size=shape)), rng.normal(size=shape)

    @prepared
    def loop(data):
        import math

        from numba import njit

        @njit
        def scan(a, b):
            y = np.empty_like(b)
            y[0] = b[0]
            for t in range(1, len(b)):
                for j in range(b.shape[1]):
                    first, second = a[t, j] + y[t - 1, j], b[t, j]
                    y[t, j] = max(first, second) + math.log1p(math.exp(-abs(first - second)))
            return y

        scan(*data)
        return lambda: scan(*data)

    return Workload(
        name=f"recurrence.log_linear_scan_{shape[0]}x{shape[1]}",
        make=make,
        runners={"fastcore": lambda data: log_linear_scan(*data, axis=0), "numba": loop},
        equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=1e-12)),
        twin=False,
        amount=lambda data: (data[0].size / 1e6, "M steps"),
    )


def _selective(batch: int, steps: int, channels: int, states: int) -> Workload:
    """A layer of Mamba: as many channels and states a channel."""

    def make() -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        x, delta = rng.normal(size=(batch, steps, channels)), rng.exponential(size=(batch, steps, channels)) / 10
        A, pieces = -np.arange(1.0, states + 1) * np.ones((channels, 1)), rng.normal(size=(2, batch, steps, states))
        return [v.astype(np.float32) for v in (x, delta, A, *pieces)]

    @prepared
    def loop(data):
        import math

        from numba import njit

        @njit(fastmath=True)
        def scan(x, delta, A, B, C):
            y, h = np.empty_like(x), np.zeros_like(A)
            for i in range(len(x)):
                h[:] = 0
                for t in range(x.shape[1]):
                    for m in range(x.shape[2]):
                        d, total = delta[i, t, m], x[i, t, m] - x[i, t, m]
                        fed = d * x[i, t, m]
                        for n in range(A.shape[1]):
                            h[m, n] = math.exp(d * A[m, n]) * h[m, n] + fed * B[i, t, n]
                            total += C[i, t, n] * h[m, n]
                        y[i, t, m] = total
            return y

        scan(*data)
        return lambda: scan(*data)

    return Workload(
        name=f"recurrence.selective_scan_{batch}x{steps}x{channels}x{states}",
        make=make,
        runners={"fastcore": lambda data: selective_scan(*data)[0], "numba": loop},
        equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=1e-4, atol=1e-4)),
        twin=False,
        amount=lambda data: (data[0].size * states / 1e6, "M states"),
    )


def _batch(batch: int, steps: int, inputs: int, hidden: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    scale = 1 / np.sqrt(hidden)
    return (
        rng.normal(size=(batch, steps, inputs)).astype(np.float32),
        rng.normal(size=(inputs, hidden)).astype(np.float32) * scale,
        rng.normal(size=(hidden, hidden)).astype(np.float32) * scale,
    )


def _numpy_rnn(data):
    x, W, U = data
    projected, h, outputs = x @ W, np.zeros((len(x), len(U)), x.dtype), np.empty((*x.shape[:2], len(U)), x.dtype)
    for t in range(x.shape[1]):
        h = np.tanh(projected[:, t] + h @ U)
        outputs[:, t] = h
    return outputs


@prepared
def _torch_rnn(data):
    import torch

    x, W, U = data
    torch.set_num_threads(1)
    module = torch.nn.RNN(len(W), len(U), batch_first=True)
    with torch.no_grad():
        for name, values in (("weight_ih_l0", W.T), ("weight_hh_l0", U.T), ("bias_ih_l0", 0), ("bias_hh_l0", 0)):
            getattr(module, name).copy_(torch.as_tensor(np.ascontiguousarray(values)))

    def run():
        with torch.no_grad():
            return module(torch.from_numpy(x))[0].numpy()

    return run


def _weights(kind: str, inputs: int, hidden: int) -> tuple[np.ndarray, ...]:
    """As PyTorch draws them, W and U for columns of gates, two biases."""
    rng, columns = np.random.default_rng(1), {"GRU": 3, "LSTM": 4}[kind] * hidden
    drawn = rng.uniform(-1, 1, (inputs + hidden + 2, columns)).astype(np.float32) / np.float32(np.sqrt(hidden))
    return drawn[:inputs], drawn[inputs:-2], drawn[-2:]


def _cell(kind: str, inputs: int, hidden: int):
    W, U, b = _weights(kind, inputs, hidden)
    return GRUCell(W, U, b) if kind == "GRU" else LSTMCell(W, U, b.sum(axis=0))


def _module(name: str, kind: str, inputs: int, hidden: int, **options):
    """PyTorch's module of the same weights."""
    import torch

    torch.set_num_threads(1)
    module = getattr(torch.nn, name)(inputs, hidden, **options)
    W, U, b = _weights(kind, inputs, hidden)
    with torch.no_grad():
        for parameter, values in zip(module.parameters(), (W.T, U.T, *b)):
            parameter.copy_(torch.as_tensor(np.ascontiguousarray(values)))
    return module


def _torch_cell(kind: str, shape: tuple[int, int, int, int]) -> Workload:
    batch, steps, inputs, hidden = shape

    @prepared
    def ours(x):
        cell = _cell(kind, inputs, hidden)
        return lambda: cell.run(x)[0]

    @prepared
    def theirs(x):
        import torch

        module = _module(kind, kind, inputs, hidden, batch_first=True)

        def run():
            with torch.no_grad():
                return module(torch.from_numpy(x))[0].numpy()

        return run

    return Workload(
        name=f"recurrence.{kind.lower()}_{batch}x{steps}x{inputs}x{hidden}",
        make=lambda: _batch(*shape)[0],
        runners={"fastcore": ours, "torch, 1 thread": theirs},
        equal=_close,
        twin_make=lambda: _batch(2, 20, inputs, hidden)[0],
        amount=lambda x: (x.shape[0] * x.shape[1] / 1e3, "k steps"),
    )


def _steps(kind: str, size: int, count: int = 1000) -> Workload:
    """One step a call, the state carried."""

    @prepared
    def ours(x):
        cell, zero = _cell(kind, size, size), np.zeros((1, size), np.float32)

        def run():
            state = (zero, zero) if kind == "LSTM" else zero
            for _ in range(count):
                state = cell(x, state)
            return state[0] if kind == "LSTM" else state

        return run

    @prepared
    def theirs(x):
        import torch

        cell, data, zero = _module(f"{kind}Cell", kind, size, size), torch.from_numpy(x), torch.zeros(1, size)

        def run():
            state = (zero, zero) if kind == "LSTM" else zero
            with torch.no_grad():
                for _ in range(count):
                    state = cell(data, state)
            return (state[0] if kind == "LSTM" else state).numpy()

        return run

    return Workload(
        name=f"recurrence.{kind.lower()}_step_{size}",
        make=lambda: _batch(1, 1, size, size)[0][0],
        runners={"fastcore": ours, "torch, 1 thread": theirs},
        equal=_close,
        twin=False,
        amount=lambda x: (count / 1e3, "k steps"),
    )


def _linear_units(batch: int, steps: int, size: int) -> list[Workload]:
    """Units whose steps are linear scans, beside their definitions stepped by NumPy."""

    def make_lru() -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        B, C = (rng.normal(size=(2, size, size, 2)) / size).view(np.complex128)[..., 0]
        return [rng.normal(size=(batch, steps, size)), *rng.uniform(-2, -1, (3, size)), B, C]

    def stepped_lru(data):
        x, nu, theta, gamma, B, C = data
        a, fed, h, y = np.exp(-np.exp(nu) + 1j * np.exp(theta)), np.exp(gamma) * (x @ B), 0.0, np.empty_like(x)
        for t in range(steps):
            h = a * h + fed[:, t]
            y[:, t] = (h @ C).real
        return y

    def make_sru() -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        return [rng.normal(size=(batch, steps, size)), rng.normal(size=(size, 3 * size)) / np.sqrt(size)]

    def stepped_sru(data):
        x, W = data
        new, f, r = np.split(x @ W, 3, axis=2)
        f, r, c, y = 1 / (1 + np.exp(-f)), 1 / (1 + np.exp(-r)), 0.0, np.empty_like(x)
        for t in range(steps):
            c = f[:, t] * c + (1 - f[:, t]) * new[:, t]
            y[:, t] = r[:, t] * c + (1 - r[:, t]) * x[:, t]
        return y

    return [
        Workload(
            name=f"recurrence.{unit.__name__}_{batch}x{steps}x{size}",
            make=make,
            runners={"fastcore": lambda data, unit=unit: unit(*data)[0], "NumPy": stepped},
            equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=1e-9, atol=1e-10)),
            twin=False,
            amount=lambda data: (batch * steps / 1e3, "k steps"),
        )
        for unit, make, stepped in ((lru, make_lru, stepped_lru), (sru, make_sru, stepped_sru))
    ]


def _close(ours, theirs, name):
    return bool(np.allclose(ours, theirs, rtol=1e-4, atol=1e-5))


def _rnn(batch: int, steps: int, inputs: int, hidden: int) -> Workload:
    return Workload(
        name=f"recurrence.simple_rnn_{batch}x{steps}x{inputs}x{hidden}",
        make=lambda: _batch(batch, steps, inputs, hidden),
        runners={"fastcore": lambda data: simple_rnn(*data)[0], "NumPy": _numpy_rnn, "torch, 1 thread": _torch_rnn},
        equal=_close,
        twin_make=lambda: _batch(2, 20, inputs, hidden),
        amount=lambda data: (batch * steps / 1e3, "k steps"),
    )


WORKLOADS = [
    Workload(
        name="recurrence.linear_scan",
        make=_coefficients,
        runners={"fastcore": lambda data: linear_scan(*data), "numba": _numba},
        equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=1e-12)),
        twin_make=lambda: _coefficients(100_000),
        amount=lambda data: (len(data[0]) / 1e6, "M steps"),
    ),
    Workload(
        name="recurrence.linear_scan_constant",
        make=_constant,
        runners={"fastcore": lambda data: linear_scan(*data), "scipy.signal.lfilter": _lfilter},
        equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=1e-9)),
        twin=False,
        amount=lambda data: (len(data[1]) / 1e6, "M steps"),
    ),
    _table((4096, 512), 0, np.float64),
    _table((4096, 512), 0, np.float32),
    _table((512, 4096), 1, np.float64),
    _table((4096, 256), 0, np.complex64),
    *(_matrices(size) for size in (2, 4, 16)),
    _logarithms((200_000, 1)),
    _logarithms((4096, 64)),
    _selective(1, 1000, 768, 16),
    _rnn(1, 1000, 16, 32),
    _rnn(32, 100, 64, 128),
    *(_torch_cell(kind, (batch, 200, n, n)) for kind in ("GRU", "LSTM") for n in (64, 128, 256) for batch in (1, 32)),
    *_linear_units(1, 10_000, 64),
    *_linear_units(32, 200, 64),
    *(_steps(kind, n) for kind in ("GRU", "LSTM") for n in (64, 256)),
]
