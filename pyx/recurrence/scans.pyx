"""Kernels of linear scans (chains.h)."""

from _signals cimport Pace, new_pace, spend
from _types cimport real

cdef extern from "scans.h" nogil:
    int rows_f32(
        const float* a, Py_ssize_t da, Py_ssize_t ka, const float* b, Py_ssize_t db, Py_ssize_t kb, const float* y0,
        float* y, Py_ssize_t rows, Py_ssize_t n, int reverse, Pace* pace
    ) except -1
    int rows_f64(
        const double* a, Py_ssize_t da, Py_ssize_t ka, const double* b, Py_ssize_t db, Py_ssize_t kb, const double* y0,
        double* y, Py_ssize_t rows, Py_ssize_t n, int reverse, Pace* pace
    ) except -1
    void across_f32(
        const float* a, Py_ssize_t da, const float* b, Py_ssize_t db, const float* last, float* y, Py_ssize_t m
    ) noexcept
    void across_f64(
        const double* a, Py_ssize_t da, const double* b, Py_ssize_t db, const double* last, double* y, Py_ssize_t m
    ) noexcept


def linear_scan(
    const real[:, :, :] a, const real[:, :, :] b, const real[:, ::1] y0, bint reverse, real[:, :, ::1] y
):
    """y[t] = a[t] * y[t-1] + b[t] along the middle dimension (downwards if `reverse`), from y0; fill y and return it.

    Where the last dimension is longer than 1, a and b lie in it side by side, or are one number for all of it.
    """
    cdef Py_ssize_t outer = y.shape[0], n = y.shape[1], m = y.shape[2], o, t, row, width = sizeof(real)
    cdef Py_ssize_t da = a.strides[2] // width, db = b.strides[2] // width
    cdef const real* last
    cdef Pace pace = new_pace()
    if outer == 0 or n == 0 or m == 0:
        return y.base
    with nogil:
        if m == 1:
            if real is float:
                rows_f32(
                    &a[0, 0, 0], a.strides[1] // width, a.strides[0] // width, &b[0, 0, 0], b.strides[1] // width,
                    b.strides[0] // width, &y0[0, 0], &y[0, 0, 0], outer, n, reverse, &pace
                )
            else:
                rows_f64(
                    &a[0, 0, 0], a.strides[1] // width, a.strides[0] // width, &b[0, 0, 0], b.strides[1] // width,
                    b.strides[0] // width, &y0[0, 0], &y[0, 0, 0], outer, n, reverse, &pace
                )
        else:
            for o in range(outer):
                last = &y0[o, 0]
                for t in range(n):
                    row = n - 1 - t if reverse else t
                    if real is float:
                        across_f32(&a[o, row, 0], da, &b[o, row, 0], db, last, &y[o, row, 0], m)
                    else:
                        across_f64(&a[o, row, 0], da, &b[o, row, 0], db, last, &y[o, row, 0], m)
                    last = &y[o, row, 0]
                    spend(&pace, m + 8)
    return y.base
