"""Kernels of linear scans, of numbers (chains.h) and of matrices (matrices.h)."""

from libc.stdint cimport int64_t

from _owned cimport Pool, free_all, spread
from _signals cimport Pace, new_pace

cdef extern from "scans.h" nogil:
    ctypedef struct Complex_f32:
        pass
    ctypedef struct Complex_f64:
        pass
    int scan_f32(
        const float* a, const Py_ssize_t* sa, const float* b, const Py_ssize_t* sb, const float* y0, float* y,
        Py_ssize_t outer, Py_ssize_t n, Py_ssize_t m, int reverse, Pace* pace
    ) except -1
    int scan_f64(
        const double* a, const Py_ssize_t* sa, const double* b, const Py_ssize_t* sb, const double* y0, double* y,
        Py_ssize_t outer, Py_ssize_t n, Py_ssize_t m, int reverse, Pace* pace
    ) except -1
    int scan_c64(
        const Complex_f32* a, const Py_ssize_t* sa, const Complex_f32* b, const Py_ssize_t* sb, const Complex_f32* y0,
        Complex_f32* y, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t m, int reverse, Pace* pace
    ) except -1
    int scan_c128(
        const Complex_f64* a, const Py_ssize_t* sa, const Complex_f64* b, const Py_ssize_t* sb, const Complex_f64* y0,
        Complex_f64* y, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t m, int reverse, Pace* pace
    ) except -1
    int affine_f32(
        const float* A, const int64_t* of_A, const Py_ssize_t* sA, const float* b, const int64_t* of_b,
        const Py_ssize_t* sb, const float* y0, float* y, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t d, int parts,
        int reverse, float* columns, Pace* pace
    ) except -1
    int affine_f64(
        const double* A, const int64_t* of_A, const Py_ssize_t* sA, const double* b, const int64_t* of_b,
        const Py_ssize_t* sb, const double* y0, double* y, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t d, int parts,
        int reverse, double* columns, Pace* pace
    ) except -1

ctypedef float complex single

ctypedef fused number:
    float
    double
    single
    double complex


def linear_scan(
    const number[:, :, :] a, const number[:, :, :] b, const number[:, ::1] y0, bint reverse, number[:, :, ::1] y
):
    """y[t] = a[t] * y[t-1] + b[t] along the middle dimension (downwards if `reverse`), from y0; fill y and return it.

    Where the last dimension is longer than 1, a and b lie in it side by side, or are one number for all of it.
    """
    cdef Py_ssize_t outer = y.shape[0], n = y.shape[1], m = y.shape[2], i
    cdef Py_ssize_t sa[3]
    cdef Py_ssize_t sb[3]
    cdef Pace pace = new_pace()
    if outer == 0 or n == 0 or m == 0:
        return y.base
    for i in range(3):
        sa[i] = a.strides[i] // <Py_ssize_t> sizeof(number)
        sb[i] = b.strides[i] // <Py_ssize_t> sizeof(number)
    with nogil:
        if number is float:
            scan_f32(&a[0, 0, 0], sa, &b[0, 0, 0], sb, &y0[0, 0], &y[0, 0, 0], outer, n, m, reverse, &pace)
        elif number is double:
            scan_f64(&a[0, 0, 0], sa, &b[0, 0, 0], sb, &y0[0, 0], &y[0, 0, 0], outer, n, m, reverse, &pace)
        elif number is single:
            scan_c64(
                <const Complex_f32*> &a[0, 0, 0], sa, <const Complex_f32*> &b[0, 0, 0], sb,
                <const Complex_f32*> &y0[0, 0], <Complex_f32*> &y[0, 0, 0], outer, n, m, reverse, &pace
            )
        else:
            scan_c128(
                <const Complex_f64*> &a[0, 0, 0], sa, <const Complex_f64*> &b[0, 0, 0], sb,
                <const Complex_f64*> &y0[0, 0], <Complex_f64*> &y[0, 0, 0], outer, n, m, reverse, &pace
            )
    return y.base


def affine_scan(
    const number[:, :, :, :] A, const int64_t[::1] of_A, const number[:, :, :] b, const int64_t[::1] of_b,
    const number[:, ::1] y0, bint reverse, number[:, :, ::1] y
):
    """y[t] = A[t] y[t-1] + b[t] along the second dimension (downwards if `reverse`), from y0; fill y and return it.

    The i-th of y and y0 goes with A[of_A[i]] and b[of_b[i]]. The last two dimensions of A and the last of b are
    contiguous.
    """
    cdef Py_ssize_t outer = y.shape[0], n = y.shape[1], d = y.shape[2], size, i
    cdef int parts = 1 if number is float or number is double else 2
    cdef Py_ssize_t sA[2]
    cdef Py_ssize_t sb[2]
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Pace pace = new_pace()
    cdef void* columns
    if outer == 0 or n == 0 or d == 0:
        return y.base
    size = <Py_ssize_t> sizeof(number) // parts
    for i in range(2):
        sA[i] = A.strides[i] // size
        sb[i] = b.strides[i] // size
    columns = spread(&pool, parts * d * parts * d, size)
    try:
        with nogil:
            if number is float or number is single:
                affine_f32(
                    <const float*> &A[0, 0, 0, 0], &of_A[0], sA, <const float*> &b[0, 0, 0], &of_b[0], sb,
                    <const float*> &y0[0, 0], <float*> &y[0, 0, 0], outer, n, d, parts, reverse, <float*> columns,
                    &pace
                )
            else:
                affine_f64(
                    <const double*> &A[0, 0, 0, 0], &of_A[0], sA, <const double*> &b[0, 0, 0], &of_b[0], sb,
                    <const double*> &y0[0, 0], <double*> &y[0, 0, 0], outer, n, d, parts, reverse, <double*> columns,
                    &pace
                )
    finally:
        free_all(&pool)
    return y.base
