"""Slow twin of the recurrent cells' kernels."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Row = list[float]
Array = NDArray[Any]
GATES = {"tanh": 1, "relu": 1, "gru": 3, "gru_before": 3, "lstm": 4}


class _Step(NamedTuple):
    """One step: what came in, the gates, what went out."""

    x: Row
    h: Row
    c: Row
    gates: list[Row]
    # Of a GRU what the reset gate multiplies or has multiplied; of an LSTM o tanh(c), which may be projected.
    inner: Row
    new_h: Row
    new_c: Row


class Cell:
    """A cell with its weights.

    kind: "tanh", "relu", "gru" (the reset gate after the product), "gru_before", "lstm". W (D, G H), U (P, G H), bias
    (2, G H) of x W and of h U, projection (H, P) or None (then P = H). All of one float type, as are the arguments of
    the methods; states are never changed. Any number of threads may run one cell.
    """

    def __init__(self, kind: str, W: Array, U: Array, bias: Array, projection: Array | None) -> None:
        self._kind, self._dtype = kind, W.dtype
        self._hidden = U.shape[1] // GATES[kind]
        self._W, self._U = W.tolist(), U.tolist()
        self._bias = bias.tolist()
        self._projection = None if projection is None else projection.tolist()
        self._inputs, self._states, self._columns = len(W), len(U), U.shape[1]

    def run(
        self, x: Array, offsets: NDArray[np.int64], h: Array, c: Array | None, reverse: bool
    ) -> tuple[Array, Array, Array | None]:
        """Run concatenated sequences x (N, D), offsets (B + 1), from h (B, P) and an LSTM's c (B, H), else None.

        Return all h (N, P), the last h (of an empty sequence the first) and the last c or None. `reverse`: from each
        sequence's last row to its first.
        """
        y, new_h, new_c = np.empty((len(x), self._states), self._dtype), h.copy(), None if c is None else c.copy()
        for i, rows in enumerate(self._orders(offsets, reverse)):
            for row, step in zip(rows, self._forward(x[rows], h[i], None if c is None else c[i])):
                y[row], new_h[i] = step.new_h, step.new_h
                if new_c is not None:
                    new_c[i] = step.new_c
        return y, new_h, new_c

    def step(self, x: Array, h: Array, c: Array | None) -> tuple[Array, Array | None]:
        """One step of B sequences: x (B, D), h (B, P), c (B, H) or None -> the new h and c."""
        return self.run(x, np.arange(len(h) + 1), h, c, False)[1:]

    def vjp(
        self,
        x: Array,
        offsets: NDArray[np.int64],
        h: Array,
        c: Array | None,
        reverse: bool,
        dy: Array,
        dh: Array,
        dc: Array | None,
    ) -> tuple[Array, Array, Array, Array, Array | None, Array, Array | None]:
        """The gradient of the sum of dy * y, dh * h and dc * c, what `run` returns.

        Return its parts by x, W, U, bias, projection (or None), the first h and the first c (or None).
        """
        sums = {name: np.zeros(shape) for name, shape in self._shapes().items()}
        dx = np.zeros(x.shape, self._dtype)
        first_h, first_c = np.empty_like(dh), None if dc is None else np.empty_like(dc)
        for i, rows in enumerate(self._orders(offsets, reverse)):
            steps = self._forward(x[rows], h[i], None if c is None else c[i])
            grad, kept = np.array(dh[i], float), np.zeros(self._hidden) if dc is None else np.array(dc[i], float)
            for row, step in zip(reversed(rows), reversed(steps)):
                dx[row], grad, kept = self._backward(step, grad + dy[row], kept, sums)
            first_h[i] = grad
            if first_c is not None:
                first_c[i] = kept
        made = {name: value.astype(self._dtype) for name, value in sums.items()}
        return dx, made["W"], made["U"], made["bias"], made.get("projection"), first_h, first_c

    def _shapes(self) -> dict[str, tuple[int, int]]:
        n = self._columns
        shapes = {"W": (self._inputs, n), "U": (self._states, n), "bias": (2, n)}
        return shapes if self._projection is None else {**shapes, "projection": (self._hidden, self._states)}

    def _orders(self, offsets: NDArray[np.int64], reverse: bool) -> list[list[int]]:
        """Each sequence's rows in the order in which they are stepped along."""
        rows = [list(range(a, b)) for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist())]
        return [r[::-1] for r in rows] if reverse else rows

    def _forward(self, x: Array, h: Array, c: Array | None) -> list[_Step]:
        if not np.isfinite(h).all() or (c is not None and not np.isfinite(c).all()):
            raise ValueError("the state must be finite")
        if not np.isfinite(x).all():
            raise ValueError("x must be finite")
        steps = []
        state: Row = h.tolist()
        cell: Row = [] if c is None else c.tolist()
        for xt in x.tolist():
            step = self._step(xt, state, cell)
            # States are of the cell's own type: what goes on from one is what a whole run does.
            with np.errstate(over="ignore"):
                state, cell = (np.array(part, self._dtype).tolist() for part in (step.new_h, step.new_c))
            steps.append(step._replace(new_h=state, new_c=cell))
        return steps

    def _step(self, x: Row, h: Row, c: Row) -> _Step:
        n = self._hidden
        a = _plus(self._bias[0], _product(x, self._W, self._columns))
        g = _plus(self._bias[1], _product(h, self._U, self._columns))
        if self._kind in ("tanh", "relu"):
            new = [math.tanh(v) if self._kind == "tanh" else max(v, 0.0) for v in _plus(a, g)]
            return _Step(x, h, c, [], [], new, [])
        if self._kind == "lstm":
            sums = _plus(a, g)
            i, f, o = ([_sigmoid(v) for v in sums[k * n : k * n + n]] for k in (0, 1, 3))
            candidate = [math.tanh(v) for v in sums[2 * n : 3 * n]]
            new_c = [f[j] * c[j] + i[j] * candidate[j] for j in range(n)]
            out = [o[j] * math.tanh(new_c[j]) for j in range(n)]
            new_h = out if self._projection is None else _product(out, self._projection, self._states)
            return _Step(x, h, c, [i, f, candidate, o], out, new_h, new_c)
        r = [_sigmoid(v) for v in _plus(a[:n], g[:n])]
        z = [_sigmoid(v) for v in _plus(a[n : 2 * n], g[n : 2 * n])]
        if self._kind == "gru":
            inner = g[2 * n :]
            candidate = [math.tanh(a[2 * n + j] + r[j] * inner[j]) for j in range(n)]
        else:
            inner = [r[j] * h[j] for j in range(n)]
            part = _plus(self._bias[1], _product(inner, self._U, self._columns))[2 * n :]
            candidate = [math.tanh(v) for v in _plus(a[2 * n :], part)]
        new = [(1 - z[j]) * candidate[j] + z[j] * h[j] for j in range(n)]
        return _Step(x, h, c, [r, z, candidate], inner, new, [])

    def _backward(self, step: _Step, dh: Array, dc: Array, sums: dict[str, Array]) -> tuple[Array, Array, Array]:
        """From the gradients of a step's new states to those of its x and old states; add those of the weights."""
        x, h, n = np.array(step.x), np.array(step.h), self._hidden
        W, U = np.array(self._W).reshape(-1, self._columns), np.array(self._U)
        straight, of_c = np.zeros(len(h)), dc
        if self._kind in ("tanh", "relu"):
            new = np.array(step.new_h)
            into = dh * (1 - new**2) if self._kind == "tanh" else dh * (new > 0)
            of_x = of_h = into
        elif self._kind == "lstm":
            i, f, g, o = map(np.array, step.gates)
            if self._projection is not None:
                sums["projection"] += np.outer(step.inner, dh)
                dh = np.array(self._projection) @ dh
            t = np.tanh(step.new_c)
            kept = dc + dh * o * (1 - t**2)
            of_c = kept * f
            parts = [kept * g * i * (1 - i), kept * step.c * f * (1 - f), kept * i * (1 - g**2), dh * t * o * (1 - o)]
            of_x = of_h = np.concatenate(parts)
        else:
            r, z, g = map(np.array, step.gates)
            inner = np.array(step.inner)
            into = dh * (1 - z) * (1 - g**2)
            update = dh * (h - g) * z * (1 - z)
            straight = dh * z
            if self._kind == "gru":
                of_x = np.concatenate([into * inner * r * (1 - r), update, into])
                of_h = np.concatenate([of_x[: 2 * n], into * r])
            else:
                through = U[:, 2 * n :] @ into
                straight = straight + through * r
                of_x = of_h = np.concatenate([through * h * r * (1 - r), update, into])
        sums["W"] += np.outer(x, of_x)
        sums["bias"] += [of_x, of_h]
        if self._kind == "gru_before":
            sums["U"][:, : 2 * n] += np.outer(h, of_h[: 2 * n])
            sums["U"][:, 2 * n :] += np.outer(step.inner, of_h[2 * n :])
            return W @ of_x, straight + U[:, : 2 * n] @ of_h[: 2 * n], of_c
        sums["U"] += np.outer(h, of_h)
        return W @ of_x, straight + U @ of_h, of_c


def _product(z: Row, weights: list[Row], columns: int) -> Row:
    sums = [0.0] * columns
    for value, row in zip(z, weights):
        sums = [s + value * w for s, w in zip(sums, row)]
    return sums


def _plus(a: Row, b: Row) -> Row:
    return [v + w for v, w in zip(a, b)]


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))
