"""Kernels of deterministic networks: explicit and linearly implicit Runge-Kutta, with forward sensitivities."""

from libc.math cimport INFINITY, NAN, exp, fabs, log, pow, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t

import numpy as np

from _owned cimport Pool, free_all, roomy, zeros
from _programs cimport Instruction, differentiated, evaluated
from _signals cimport Pace, new_pace, spend

from fastcore import _dop853

cdef enum:
    FINISHED = 0
    MAX_STEPS = 1
    STEP_TOO_SMALL = 2
    STIFF = 3
    NOT_FINITE = 4
    DOPRI5 = 0
    RODAS4 = 1
    AUTO = 2
    DOP853 = 3
    EULER = 4
    RK4 = 5
    STIFF_STEPS = 15
    CALM_STEPS = 6
    WORK = 19  # vectors that the hungriest method works on, each with room for a number behind it

cdef double EPSILON = 2.0 ** -52
cdef double TINY = 1e-300
# The logarithm of 1e-4: errors below count as this in what the next step is made of.
cdef double SMALL = -9.210340371976182

include "system.pxi"
include "explicit.pxi"
include "stiff.pxi"


cdef int step_on(
    const Network* s, double* y, double* work, Pool* pool, double** matrix, State* state, double end,
    const double* times, Py_ssize_t n_times, double* out, int method, double rtol, const double* atol,
    Py_ssize_t max_steps, double step,
) except -1 nogil:
    # Integrate by a method, and by another where that finds the problem stiff.
    cdef Py_ssize_t n = s.n_species
    cdef int code = STIFF
    if method == DOP853:
        return dop853(s, y, work, state, end, times, n_times, out, rtol, atol, max_steps)
    if method == EULER or method == RK4:
        return fixed(s, y, work, state, end, times, n_times, out, step, method == RK4, max_steps)
    if method != RODAS4:
        code = dopri5(s, y, work, state, end, times, n_times, out, rtol, atol, max_steps, method == AUTO)
    if code == STIFF:
        # What only this method needs, made when it is first taken: quadratic in the species.
        if matrix[0] == NULL:
            matrix[0] = <double*>zeros(pool, n * n + n, sizeof(double))
        code = rodas4(
            s, y, work, matrix[0], <Py_ssize_t*>(matrix[0] + n * n), state, end, times, n_times, out, rtol, atol,
            max_steps,
        )
    return code


def integrate(
    System system, const double[:, ::1] constants, const double[:, :, ::1] slopes, const double[:, :, ::1] x0, span,
    const double[::1] times, int method, double rtol, const double[::1] atol, Py_ssize_t max_steps, double step,
    bint keep,
):
    """Integrate from x0 for each row of constants (of reactions, then slots); amounts and sensitivities at given times.

    `x0` has rows (or only one) of amounts and their sensitivities. Method 0 is the explicit one of order 5, 1 the
    linearly implicit one, 2 the first until it finds the problem stiff, then the second, 3 the explicit one of order 8;
    4 and 5 are Euler's and the classical one of order 4, in steps of length `step`. Returns states (rows, times,
    1 + parameters, species), NaN where never reached, numbers of evaluations and steps, statuses, and with `keep` where
    the steps ended.
    """
    cdef Py_ssize_t rows = constants.shape[0], k = slopes.shape[2], n_times = times.shape[0], row
    cdef double start = span[0], end = span[1]
    cdef Network s = system.network
    cdef Pool pool = Pool(NULL, 0, 0)
    result = np.empty((rows, n_times, 1 + k, s.n_species))
    counts, statuses = np.empty((2, rows), np.int64), np.empty(rows, np.int8)
    cdef int64_t[:, ::1] count = counts
    cdef int8_t[::1] status = statuses
    cdef double[:, :, :, ::1] states = result
    cdef double* y
    cdef double* target = NULL
    cdef double* matrix = NULL
    cdef const double* asked = &times[0] if n_times > 0 else NULL
    cdef State state
    cdef Py_ssize_t i
    state.keep, state.ends, state.n_ends, state.room, state.pool = keep, NULL, 0, 0, &pool
    try:
        lay_call(&s, constants.shape[1], k, &pool)
        y = <double*>zeros(&pool, (1 + WORK) * (s.size + 1), sizeof(double))
        with nogil:
            state.pace = new_pace()
            for row in range(rows):
                spend(&state.pace, n_times + 8)
                take_constants(&s, &constants[row, 0], &slopes[row, 0, 0] if k > 0 else NULL)
                for i in range(s.size):
                    y[i] = (&x0[row if x0.shape[0] > 1 else 0, 0, 0])[i]
                if n_times > 0:
                    target = &states[row, 0, 0, 0]
                state.t, state.h, state.n_steps, state.nfev, state.at = start, 0.0, 0, 0, 0
                while state.at < n_times and asked[state.at] <= start:
                    for i in range(s.size):
                        target[state.at * s.size + i] = y[i]
                    state.at += 1
                status[row] = step_on(
                    &s, y, y + s.size + 1, &pool, &matrix, &state, end, asked, n_times, target, method, rtol, &atol[0],
                    max_steps, step,
                )
                count[0, row], count[1, row] = state.nfev, state.n_steps
                for i in range(state.at * s.size, n_times * s.size):
                    target[i] = NAN
        ends = np.array(<double[:state.n_ends]>state.ends) if state.n_ends else np.empty(0)
    finally:
        free_all(&pool)
    return result, counts[0], counts[1], statuses, ends
