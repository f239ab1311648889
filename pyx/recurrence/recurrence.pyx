"""Kernels of recurrences: linear scans and recurrent cells."""

import numpy as np

from libc.math cimport exp, expf, tanh, tanhf
from libc.string cimport memcpy, memset
from _signals cimport Pace, new_pace, spend

ctypedef fused real:
    float
    double

cdef extern from "affine.h":
    enum:
        AFFINE_ROWS
        AFFINE_BYTES
    void affine_pack_f32(const float* weights, Py_ssize_t k, Py_ssize_t n, float* packed) noexcept nogil
    void affine_pack_f64(const double* weights, Py_ssize_t k, Py_ssize_t n, double* packed) noexcept nogil
    void affine_f32(
        const float* packed, const float* bias, const float* z, Py_ssize_t k, Py_ssize_t columns, float* out
    ) noexcept nogil
    void affine_f64(
        const double* packed, const double* bias, const double* z, Py_ssize_t k, Py_ssize_t columns, double* out
    ) noexcept nogil

cdef enum:
    BLOCK = 4096  # elements between two words on what was spent
    SIMPLE_TANH = 0
    SIMPLE_RELU = 1
    GRU = 2
    LSTM = 3


def linear_scan(const real[:, ::1] a, const real[:, ::1] b, const real[::1] y0, bint reverse):
    """y[t] = a[t] * y[t-1] + b[t] down the rows (up, if `reverse`), from y0; one recurrence a column."""
    cdef Py_ssize_t n = b.shape[0], m = b.shape[1], t, j, row, before
    result = np.empty((n, m), dtype=np.float32 if real is float else np.float64)
    cdef real[:, ::1] y = result
    cdef real last
    cdef Pace pace = new_pace()
    with nogil:
        if m == 1:
            last = y0[0]
            for t in range(n):
                row = n - 1 - t if reverse else t
                last = a[row, 0] * last + b[row, 0]
                y[row, 0] = last
                if t % BLOCK == BLOCK - 1:
                    spend(&pace, BLOCK)
        else:
            for t in range(n):
                row = n - 1 - t if reverse else t
                before = row + 1 if reverse else row - 1
                if t == 0:
                    for j in range(m):
                        y[row, j] = a[row, j] * y0[j] + b[row, j]
                else:
                    for j in range(m):
                        y[row, j] = a[row, j] * y[before, j] + b[row, j]
                spend(&pace, m)
    return result


def simple_rnn(
    const real[:, :, ::1] x, const real[:, ::1] weights, const real[::1] bias, const real[:, ::1] h0, bint relu
):
    """h[t] = tanh(bias + [x[t], h[t-1]] weights), or relu of it, for each sequence of a batch; return all h."""
    result = np.empty((x.shape[0], x.shape[1], h0.shape[1]), dtype=np.float32 if real is float else np.float64)
    cdef real[:, :, ::1] y = result
    # The cell state is a formality here.
    run_cell[real](SIMPLE_RELU if relu else SIMPLE_TANH, x, weights, bias, h0, y, np.empty((0, 0), result.dtype))
    return result


def gru(const real[:, :, ::1] x, const real[:, ::1] weights, const real[::1] bias, const real[:, ::1] h0):
    """Gated recurrent units; columns: r, z, then what the candidate takes from x and from r * h."""
    result = np.empty((x.shape[0], x.shape[1], h0.shape[1]), dtype=np.float32 if real is float else np.float64)
    cdef real[:, :, ::1] y = result
    run_cell[real](GRU, x, weights, bias, h0, y, np.empty((0, 0), result.dtype))
    return result


def lstm(
    const real[:, :, ::1] x,
    const real[:, ::1] weights,
    const real[::1] bias,
    const real[:, ::1] h0,
    const real[:, ::1] c0,
):
    """Long short-term memory; columns: input, forget, cell, output gate. Return all h, and the last c."""
    dtype = np.float32 if real is float else np.float64
    result = np.empty((x.shape[0], x.shape[1], h0.shape[1]), dtype=dtype)
    cell = np.array(c0, dtype=dtype)
    cdef real[:, :, ::1] y = result
    run_cell[real](LSTM, x, weights, bias, h0, y, cell)
    return result, cell


cdef inline real act_tanh(real v) noexcept nogil:
    if real is float:
        return tanhf(v)
    else:
        return tanh(v)


cdef inline real act_sigmoid(real v) noexcept nogil:
    if real is float:
        return 1 / (1 + expf(-v))
    else:
        return 1 / (1 + exp(-v))


cdef run_cell(
    int kind,
    const real[:, :, ::1] x,
    const real[:, ::1] weights,
    const real[::1] bias,
    const real[:, ::1] h0,
    real[:, :, ::1] y,
    real[:, ::1] cell,
):
    cdef Py_ssize_t n_batch = x.shape[0], n_steps = x.shape[1], d = x.shape[2], hidden = h0.shape[1]
    cdef Py_ssize_t k = d + hidden, n = weights.shape[1], width = AFFINE_BYTES // sizeof(real)
    cdef Py_ssize_t columns = (n + width - 1) // width * width
    cdef Py_ssize_t first = 0, rows, r, t
    if n_batch == 0 or n_steps == 0 or hidden == 0:
        return
    dtype = np.float32 if real is float else np.float64
    cdef real[::1] packed = np.empty(k * columns, dtype)
    cdef real[::1] padded = np.zeros(columns, dtype)
    # A row of z is [x[t], h[t-1]].
    cdef real[:, ::1] z = np.zeros((AFFINE_ROWS, k), dtype)
    cdef real[:, ::1] gates = np.empty((AFFINE_ROWS, columns), dtype)
    cdef Pace pace = new_pace()
    with nogil:
        memcpy(&padded[0], &bias[0], n * sizeof(real))
        if real is float:
            affine_pack_f32(&weights[0, 0], k, n, &packed[0])
        else:
            affine_pack_f64(&weights[0, 0], k, n, &packed[0])
        while first < n_batch:
            rows = min(AFFINE_ROWS, n_batch - first)
            memset(&z[0, 0], 0, AFFINE_ROWS * k * sizeof(real))
            for r in range(rows):
                memcpy(&z[r, d], &h0[first + r, 0], hidden * sizeof(real))
            for t in range(n_steps):
                if d:
                    for r in range(rows):
                        memcpy(&z[r, 0], &x[first + r, t, 0], d * sizeof(real))
                if real is float:
                    affine_f32(&packed[0], &padded[0], &z[0, 0], k, columns, &gates[0, 0])
                else:
                    affine_f64(&packed[0], &padded[0], &z[0, 0], k, columns, &gates[0, 0])
                for r in range(rows):
                    step[real](
                        kind, &gates[r, 0], &z[r, d], &cell[first + r, 0] if kind == LSTM else &z[r, d], hidden
                    )
                    memcpy(&y[first + r, t, 0], &z[r, d], hidden * sizeof(real))
                # A product is an eighth of a nanosecond or so.
                spend(&pace, (AFFINE_ROWS * k * columns >> 3) + AFFINE_ROWS * hidden)
            first += rows


cdef inline void step(int kind, const real* gates, real* h, real* c, Py_ssize_t hidden) noexcept nogil:
    # The new state from what the gates were given; for LSTM also the cell.
    cdef Py_ssize_t j
    cdef real r, z, candidate
    if kind == SIMPLE_TANH:
        for j in range(hidden):
            h[j] = act_tanh(gates[j])
    elif kind == SIMPLE_RELU:
        for j in range(hidden):
            h[j] = gates[j] if gates[j] > 0 else 0
    elif kind == GRU:
        for j in range(hidden):
            r = act_sigmoid(gates[j])
            z = act_sigmoid(gates[hidden + j])
            candidate = act_tanh(gates[2 * hidden + j] + r * gates[3 * hidden + j])
            h[j] = (1 - z) * candidate + z * h[j]
    else:
        for j in range(hidden):
            c[j] = act_sigmoid(gates[hidden + j]) * c[j] + act_sigmoid(gates[j]) * act_tanh(gates[2 * hidden + j])
            h[j] = act_sigmoid(gates[3 * hidden + j]) * act_tanh(c[j])
