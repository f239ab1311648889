"""Kernels of scans of logarithms (logsteps.h)."""

from _signals cimport Pace, new_pace
from _types cimport real

cdef extern from "logs.h" nogil:
    int log_scan_f32(
        const float* a, const Py_ssize_t* sa, const float* b, const Py_ssize_t* sb, const float* y0, float* y,
        Py_ssize_t outer, Py_ssize_t n, Py_ssize_t m, int reverse, Pace* pace
    ) except -1
    int log_scan_f64(
        const double* a, const Py_ssize_t* sa, const double* b, const Py_ssize_t* sb, const double* y0, double* y,
        Py_ssize_t outer, Py_ssize_t n, Py_ssize_t m, int reverse, Pace* pace
    ) except -1


def log_linear_scan(
    const real[:, :, :] log_a, const real[:, :, :] log_b, const real[:, ::1] y0, bint reverse, real[:, :, ::1] y
):
    """y[t] = log(exp(log_a[t] + y[t-1]) + exp(log_b[t])) along the middle dimension (downwards if `reverse`), from y0.

    Fill y and return it.
    """
    cdef Py_ssize_t outer = y.shape[0], n = y.shape[1], m = y.shape[2], i
    cdef Py_ssize_t sa[3]
    cdef Py_ssize_t sb[3]
    cdef Pace pace = new_pace()
    if outer == 0 or n == 0 or m == 0:
        return y.base
    for i in range(3):
        sa[i] = log_a.strides[i] // <Py_ssize_t> sizeof(real)
        sb[i] = log_b.strides[i] // <Py_ssize_t> sizeof(real)
    with nogil:
        if real is float:
            log_scan_f32(
                &log_a[0, 0, 0], sa, &log_b[0, 0, 0], sb, &y0[0, 0], &y[0, 0, 0], outer, n, m, reverse, &pace
            )
        else:
            log_scan_f64(
                &log_a[0, 0, 0], sa, &log_b[0, 0, 0], sb, &y0[0, 0], &y[0, 0, 0], outer, n, m, reverse, &pace
            )
    return y.base
