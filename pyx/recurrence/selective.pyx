"""Kernels of selective scans (selectsteps.h)."""

from _owned cimport Pool, free_all, spread
from _signals cimport Pace, new_pace
from _types cimport real

cdef extern from "selective.h" nogil:
    ctypedef struct Shape:
        Py_ssize_t batch, steps, channels, states
        int reverse
    Py_ssize_t room_f32(const Shape* s) noexcept
    Py_ssize_t room_back_f32(const Shape* s) noexcept
    int forth_f32(
        const Shape* s, const float* x, const float* delta, const float* A, const float* B, const float* C,
        const float* skip, const float* h0, float* y, float* last, float* memory, Pace* pace
    ) except -1
    int back_f32(
        const Shape* s, const float* x, const float* delta, const float* A, const float* B, const float* C,
        const float* h0, const float* dy, const float* dlast, float* dx, float* ddelta, float* dA, float* dB,
        float* dC, float* dh0, float* memory, Pace* pace
    ) except -1
    Py_ssize_t room_f64(const Shape* s) noexcept
    Py_ssize_t room_back_f64(const Shape* s) noexcept
    int forth_f64(
        const Shape* s, const double* x, const double* delta, const double* A, const double* B, const double* C,
        const double* skip, const double* h0, double* y, double* last, double* memory, Pace* pace
    ) except -1
    int back_f64(
        const Shape* s, const double* x, const double* delta, const double* A, const double* B, const double* C,
        const double* h0, const double* dy, const double* dlast, double* dx, double* ddelta, double* dA, double* dB,
        double* dC, double* dh0, double* memory, Pace* pace
    ) except -1


def selective_scan(
    const real[:, :, ::1] x, const real[:, :, ::1] delta, const real[:, ::1] A, const real[:, :, ::1] B,
    const real[:, :, ::1] C, const real[::1] skip, const real[:, :, ::1] h0, bint reverse, real[:, :, ::1] y,
    real[:, :, ::1] last
):
    """h[t] = exp(delta[t] A) h[t-1] + delta[t] x[t] B[t], y[t] = sum(C[t] h[t]) + skip x[t], from h0: fill y and last.

    x, delta, y: (batch, steps, channels), all at least 1; A (channels, states), at most 0; B, C (batch, steps, states);
    skip (channels,); h0 and the last h (batch, channels, states). `reverse`: from the last step to the first.
    """
    cdef Shape shape = Shape(x.shape[0], x.shape[1], x.shape[2], A.shape[1], reverse)
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Pace pace = new_pace()
    cdef void* memory = spread(&pool, room_f32(&shape) if real is float else room_f64(&shape), sizeof(real))
    try:
        with nogil:
            if real is float:
                forth_f32(
                    &shape, &x[0, 0, 0], &delta[0, 0, 0], &A[0, 0], &B[0, 0, 0], &C[0, 0, 0], &skip[0], &h0[0, 0, 0],
                    &y[0, 0, 0], &last[0, 0, 0], <float*> memory, &pace
                )
            else:
                forth_f64(
                    &shape, &x[0, 0, 0], &delta[0, 0, 0], &A[0, 0], &B[0, 0, 0], &C[0, 0, 0], &skip[0], &h0[0, 0, 0],
                    &y[0, 0, 0], &last[0, 0, 0], <double*> memory, &pace
                )
    finally:
        free_all(&pool)


def selective_scan_vjp(
    const real[:, :, ::1] x, const real[:, :, ::1] delta, const real[:, ::1] A, const real[:, :, ::1] B,
    const real[:, :, ::1] C, const real[:, :, ::1] h0, bint reverse, const real[:, :, ::1] dy,
    const real[:, :, ::1] dlast, real[:, :, ::1] dx, real[:, :, ::1] ddelta, real[:, ::1] dA, real[:, :, ::1] dB,
    real[:, :, ::1] dC, real[:, :, ::1] dh0
):
    """From the gradients dy by sum(C[t] h[t]) and dlast by the last h to those by everything that went in: fill those.

    dA, dB and dC begin as zeros; the others as in `selective_scan`.
    """
    cdef Shape shape = Shape(x.shape[0], x.shape[1], x.shape[2], A.shape[1], reverse)
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Pace pace = new_pace()
    cdef void* memory = spread(&pool, room_back_f32(&shape) if real is float else room_back_f64(&shape), sizeof(real))
    try:
        with nogil:
            if real is float:
                back_f32(
                    &shape, &x[0, 0, 0], &delta[0, 0, 0], &A[0, 0], &B[0, 0, 0], &C[0, 0, 0], &h0[0, 0, 0],
                    &dy[0, 0, 0], &dlast[0, 0, 0], &dx[0, 0, 0], &ddelta[0, 0, 0], &dA[0, 0], &dB[0, 0, 0],
                    &dC[0, 0, 0], &dh0[0, 0, 0], <float*> memory, &pace
                )
            else:
                back_f64(
                    &shape, &x[0, 0, 0], &delta[0, 0, 0], &A[0, 0], &B[0, 0, 0], &C[0, 0, 0], &h0[0, 0, 0],
                    &dy[0, 0, 0], &dlast[0, 0, 0], &dx[0, 0, 0], &ddelta[0, 0, 0], &dA[0, 0], &dB[0, 0, 0],
                    &dC[0, 0, 0], &dh0[0, 0, 0], <double*> memory, &pace
                )
    finally:
        free_all(&pool)
