"""Kernels of recurrences: linear scans."""

import numpy as np

from _signals cimport poll

ctypedef fused real:
    float
    double

# Elements between two looks for Ctrl-C: about a millisecond.
cdef enum:
    BLOCK = 1048576


def linear_scan(const real[:, ::1] a, const real[:, ::1] b, const real[::1] y0, bint reverse):
    """y[t] = a[t] * y[t-1] + b[t] down the rows (up, if `reverse`), from y0; one recurrence a column."""
    cdef Py_ssize_t n = b.shape[0], m = b.shape[1], t, j, row, before, since = 0
    result = np.empty((n, m), dtype=np.float32 if real is float else np.float64)
    cdef real[:, ::1] y = result
    cdef real last
    with nogil:
        if m == 1:
            last = y0[0]
            for t in range(n):
                row = n - 1 - t if reverse else t
                last = a[row, 0] * last + b[row, 0]
                y[row, 0] = last
                since += 1
                if since >= BLOCK:
                    since = 0
                    poll()
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
                since += m
                if since >= BLOCK:
                    since = 0
                    poll()
    return result
