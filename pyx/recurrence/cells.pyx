"""Kernels of recurrent cells: weights packed once (affine.h), gates in vectors (gates.h), forward.h, backward.h."""

import numpy as np

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t
from _owned cimport Pool, free_all, spread, zeros
from _signals cimport Pace, new_pace

cdef extern from "cells.h" nogil:
    enum:
        CELL_TANH
        CELL_RELU
        CELL_GRU
        CELL_GRU_BEFORE
        CELL_LSTM
        CELL_BAD_INPUT
        CELL_BAD_STATE
    ctypedef struct Cell_f32:
        pass
    ctypedef struct Cell_f64:
        pass
    Py_ssize_t measure_f32(Cell_f32* c, int kind, Py_ssize_t inputs, Py_ssize_t hidden, Py_ssize_t states) noexcept
    Py_ssize_t measure_f64(Cell_f64* c, int kind, Py_ssize_t inputs, Py_ssize_t hidden, Py_ssize_t states) noexcept
    void fill_f32(
        Cell_f32* c, const float* weights, const float* recurrent, const float* bias, const float* projection,
        float* memory
    ) noexcept
    void fill_f64(
        Cell_f64* c, const double* weights, const double* recurrent, const double* bias, const double* projection,
        double* memory
    ) noexcept
    Py_ssize_t scratch_f32(const Cell_f32* c, Py_ssize_t n) noexcept
    Py_ssize_t scratch_f64(const Cell_f64* c, Py_ssize_t n) noexcept
    int run_f32(
        const Cell_f32* c, const float* x, const int64_t* offsets, const int64_t* order, Py_ssize_t n, int reverse,
        float* h, float* cell, float* y, float* memory, Pace* pace
    ) except -1
    int run_f64(
        const Cell_f64* c, const double* x, const int64_t* offsets, const int64_t* order, Py_ssize_t n, int reverse,
        double* h, double* cell, double* y, double* memory, Pace* pace
    ) except -1
    ctypedef struct Turned_f32:
        pass
    ctypedef struct Sums_f32:
        pass
    Py_ssize_t measure_back_f32(const Cell_f32* c) noexcept
    Py_ssize_t scratch_back_f32(
        const Cell_f32* c, const int64_t* offsets, const int64_t* order, Py_ssize_t n
    ) noexcept
    void turn_f32(const Cell_f32* c, Turned_f32* turned, Sums_f32* sums, float* memory) noexcept
    int back_f32(
        const Cell_f32* c, const float* x, const int64_t* offsets, const int64_t* order, Py_ssize_t n, int reverse,
        const float* h, const float* cell, const float* dy, float* dh, float* dc, float* dx,
        const Turned_f32* turned, Sums_f32* sums, float* memory, Pace* pace
    ) except -1
    void hand_over_f32(
        const Cell_f32* c, const Sums_f32* sums, float* dW, float* dU, float* dbias, float* dprojection
    ) noexcept
    ctypedef struct Turned_f64:
        pass
    ctypedef struct Sums_f64:
        pass
    Py_ssize_t measure_back_f64(const Cell_f64* c) noexcept
    Py_ssize_t scratch_back_f64(
        const Cell_f64* c, const int64_t* offsets, const int64_t* order, Py_ssize_t n
    ) noexcept
    void turn_f64(const Cell_f64* c, Turned_f64* turned, Sums_f64* sums, double* memory) noexcept
    int back_f64(
        const Cell_f64* c, const double* x, const int64_t* offsets, const int64_t* order, Py_ssize_t n, int reverse,
        const double* h, const double* cell, const double* dy, double* dh, double* dc, double* dx,
        const Turned_f64* turned, Sums_f64* sums, double* memory, Pace* pace
    ) except -1
    void hand_over_f64(
        const Cell_f64* c, const Sums_f64* sums, double* dW, double* dU, double* dbias, double* dprojection
    ) noexcept

KINDS = {"tanh": CELL_TANH, "relu": CELL_RELU, "gru": CELL_GRU, "gru_before": CELL_GRU_BEFORE, "lstm": CELL_LSTM}


cdef struct Numbers:
    # A contiguous array's memory, until it is given back.
    Py_buffer view
    bint held


cdef void* borrow(Numbers* numbers, object array, const char* kind, bint write=False) except? NULL:
    # A memoryview would cost a microsecond.
    PyObject_GetBuffer(array, &numbers.view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if write else 0))
    numbers.held = True
    if numbers.view.format[0] != kind[0]:
        raise TypeError(f"the array must hold {kind.decode()}, got {numbers.view.format.decode()}")
    return numbers.view.buf


cdef void give_back(Numbers* numbers, int n):
    cdef int i
    for i in range(n):
        if numbers[i].held:
            PyBuffer_Release(&numbers[i].view)


cdef const int64_t[::1] longest_first(const int64_t[::1] offsets):
    # The order in which sequences are taken; none if they stand so.
    cdef Py_ssize_t i
    cdef bint falling = True
    for i in range(1, offsets.shape[0] - 1):
        falling &= offsets[i + 1] - offsets[i] <= offsets[i] - offsets[i - 1]
    return np.empty(0, np.int64) if falling else np.argsort(-np.diff(offsets), kind="stable")


cdef object complaint(int problem):
    return ValueError("the state must be finite" if problem == CELL_BAD_STATE else "x must be finite")


cdef class Cell:
    """A cell with its weights.

    kind: "tanh", "relu", "gru" (the reset gate after the product), "gru_before", "lstm". W (D, G H), U (P, G H), bias
    (2, G H) of x W and of h U, projection (H, P) or None (then P = H). All of one float type, as are the arguments of
    the methods; states are never changed. Any number of threads may run one cell.
    """

    cdef Pool memory
    cdef Cell_f32 single
    cdef Cell_f64 double
    cdef bint is_double
    cdef Py_ssize_t hidden, states, inputs, columns
    cdef bint has_cell, is_projected
    cdef object dtype

    def __cinit__(self, str kind, W, U, bias, projection):
        cdef Numbers held[4]
        cdef void* weights
        cdef void* recurrent
        cdef void* biases
        cdef void* out = NULL
        cdef int code = KINDS[kind], i
        cdef Py_ssize_t size
        self.dtype = W.dtype
        self.is_double = self.dtype.itemsize == 8
        self.has_cell = code == CELL_LSTM
        self.is_projected = projection is not None
        self.inputs, self.states, self.columns = W.shape[0], U.shape[0], U.shape[1]
        self.hidden = self.columns // (4 if code == CELL_LSTM else 3 if code in (CELL_GRU, CELL_GRU_BEFORE) else 1)
        for i in range(4):
            held[i].held = False
        try:
            weights = borrow(&held[0], W, self.format())
            recurrent = borrow(&held[1], U, self.format())
            biases = borrow(&held[2], bias, self.format())
            if projection is not None:
                out = borrow(&held[3], projection, self.format())
            if self.is_double:
                size = measure_f64(&self.double, code, self.inputs, self.hidden, self.states)
                fill_f64(
                    &self.double, <double*> weights, <double*> recurrent, <double*> biases, <double*> out,
                    <double*> zeros(&self.memory, size, sizeof(double))
                )
            else:
                size = measure_f32(&self.single, code, self.inputs, self.hidden, self.states)
                fill_f32(
                    &self.single, <float*> weights, <float*> recurrent, <float*> biases, <float*> out,
                    <float*> zeros(&self.memory, size, sizeof(float))
                )
        finally:
            give_back(held, 4)

    def __dealloc__(self):
        free_all(&self.memory)

    cdef const char* format(self):
        return b"d" if self.is_double else b"f"

    def run(self, x, const int64_t[::1] offsets, h, c, bint reverse):
        """Run concatenated sequences x (N, D), offsets (B + 1), from h (B, P) and an LSTM's c (B, H), else None.

        Return all h (N, P), the last h (of an empty sequence the first) and the last c or None. `reverse`: from each
        sequence's last row to its first.
        """
        cdef const int64_t[::1] order = longest_first(offsets)
        return self.stepped(x, &offsets[0], &order[0] if order.shape[0] else NULL, h, c, reverse)

    def step(self, x, h, c):
        """One step of B sequences: x (B, D), h (B, P), c (B, H) or None -> the new h and c."""
        _, h, c = self.stepped(x, NULL, NULL, h, c, False)
        return h, c

    cdef tuple stepped(
        self, object x, const int64_t* offsets, const int64_t* order, object h, object c, bint reverse
    ):
        cdef Numbers held[4]
        cdef Pool pool = Pool(NULL, 0, 0)
        cdef Pace pace = new_pace()
        cdef Py_ssize_t n = len(h), size
        cdef int i, problem = 0
        cdef void* xs
        cdef void* hs
        cdef void* ys
        cdef void* cs = NULL
        cdef void* scratch
        h = h.copy()
        y = h if offsets == NULL else np.empty((len(x), self.states), self.dtype)
        for i in range(4):
            held[i].held = False
        try:
            xs = borrow(&held[0], x, self.format())
            hs = borrow(&held[1], h, self.format(), True)
            ys = borrow(&held[2], y, self.format(), True)
            if self.has_cell:
                c = c.copy()
                cs = borrow(&held[3], c, self.format(), True)
            size = scratch_f64(&self.double, n) if self.is_double else scratch_f32(&self.single, n)
            scratch = spread(&pool, size, sizeof(double) if self.is_double else sizeof(float))
            with nogil:
                if self.is_double:
                    problem = run_f64(
                        &self.double, <double*> xs, offsets, order, n, reverse, <double*> hs, <double*> cs,
                        <double*> ys, <double*> scratch, &pace
                    )
                else:
                    problem = run_f32(
                        &self.single, <float*> xs, offsets, order, n, reverse, <float*> hs, <float*> cs, <float*> ys,
                        <float*> scratch, &pace
                    )
        finally:
            give_back(held, 4)
            free_all(&pool)
        if problem:
            raise complaint(problem)
        return y, h, c

    def vjp(self, x, const int64_t[::1] offsets, h, c, bint reverse, dy, dh, dc):
        """The gradient of the sum of dy * y, dh * h and dc * c, what `run` returns.

        Return its parts by x, W, U, bias, projection (or None), the first h and the first c (or None).
        """
        cdef const int64_t[::1] order = longest_first(offsets)
        cdef const int64_t* places = &order[0] if order.shape[0] else NULL
        cdef Numbers held[11]
        cdef void* at[11]
        cdef Pool pool = Pool(NULL, 0, 0)
        cdef Pace pace = new_pace()
        cdef Py_ssize_t n = offsets.shape[0] - 1, columns = self.columns
        cdef int i, problem = 0
        cdef Turned_f32 turned_single
        cdef Turned_f64 turned_double
        cdef Sums_f32 sums_single
        cdef Sums_f64 sums_double
        cdef void* kept
        cdef void* scratch
        dh, dc = dh.copy(), None if dc is None else dc.copy()
        dx, dW = np.empty((len(x), self.inputs), self.dtype), np.empty((self.inputs, columns), self.dtype)
        dU, dbias = np.empty((self.states, columns), self.dtype), np.empty((2, columns), self.dtype)
        dprojection = np.empty((self.hidden, self.states), self.dtype) if self.is_projected else None
        arrays = x, h, c, dy, dh, dc, dx, dW, dU, dbias, dprojection
        for i in range(11):
            held[i].held = False
        try:
            for i in range(11):
                at[i] = NULL if arrays[i] is None else borrow(&held[i], arrays[i], self.format(), i > 3)
            if self.is_double:
                kept = zeros(&pool, measure_back_f64(&self.double), sizeof(double))
                scratch = spread(&pool, scratch_back_f64(&self.double, &offsets[0], places, n), sizeof(double))
            else:
                kept = zeros(&pool, measure_back_f32(&self.single), sizeof(float))
                scratch = spread(&pool, scratch_back_f32(&self.single, &offsets[0], places, n), sizeof(float))
            with nogil:
                if self.is_double:
                    turn_f64(&self.double, &turned_double, &sums_double, <double*> kept)
                    problem = back_f64(
                        &self.double, <double*> at[0], &offsets[0], places, n, reverse, <double*> at[1],
                        <double*> at[2], <double*> at[3], <double*> at[4], <double*> at[5], <double*> at[6],
                        &turned_double, &sums_double, <double*> scratch, &pace
                    )
                    hand_over_f64(
                        &self.double, &sums_double, <double*> at[7], <double*> at[8], <double*> at[9], <double*> at[10]
                    )
                else:
                    turn_f32(&self.single, &turned_single, &sums_single, <float*> kept)
                    problem = back_f32(
                        &self.single, <float*> at[0], &offsets[0], places, n, reverse, <float*> at[1], <float*> at[2],
                        <float*> at[3], <float*> at[4], <float*> at[5], <float*> at[6], &turned_single, &sums_single,
                        <float*> scratch, &pace
                    )
                    hand_over_f32(
                        &self.single, &sums_single, <float*> at[7], <float*> at[8], <float*> at[9], <float*> at[10]
                    )
        finally:
            give_back(held, 11)
            free_all(&pool)
        if problem:
            raise complaint(problem)
        return dx, dW, dU, dbias, dprojection, dh, dc
