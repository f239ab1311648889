"""Kernels of hidden Markov models: log-probabilities of observations in each state, and sums weighted by the states.

Observations are rows (N, D), what is found has a column a state. The loops over states are in rows.h.
"""

import numpy as np

from libc.math cimport log
from libc.stdint cimport int64_t

from _owned cimport Pool, free_all, zeros
from _signals cimport Pace, new_pace, spend

cdef extern from "rows.h" nogil:
    void fh_diagonal(const double* x, const double* means, const double* halves, Py_ssize_t D, Py_ssize_t L,
                     double* out)
    void fh_full(const double* x, const double* means, const double* factors, Py_ssize_t D, Py_ssize_t L,
                 double* turned, double* out)
    void fh_poisson(const double* x, const double* logs, Py_ssize_t D, Py_ssize_t L, double* out)
    void fh_add(const double* row, double scale, Py_ssize_t L, double* into)
    void fh_moments(const double* weights, const double* x, const double* centers, Py_ssize_t D, Py_ssize_t L,
                    int squares, int pairs, double* off, double* first, double* second)


cdef double[:, ::1] _states_last(const double[:, :] table):
    # (L, D) as (D, L).
    return np.array(np.asarray(table).T, order="C")


def diagonal_scores(const double[:, ::1] x, const double[:, ::1] means, const double[:, ::1] precisions,
                    const double[::1] constants):
    """Each state's constant, less half the squared distances from its mean, each times a precision."""
    cdef Py_ssize_t N = x.shape[0], D = x.shape[1], L = means.shape[0], t, j
    found = np.empty((N, L))
    if N == 0:
        return found
    cdef double[:, ::1] out = found
    cdef double[:, ::1] m = _states_last(means), halves = _states_last(0.5 * np.asarray(precisions))
    cdef Pace pace = new_pace()
    with nogil:
        for t in range(N):
            for j in range(L):
                out[t, j] = constants[j]
            fh_diagonal(&x[t, 0], &m[0, 0], &halves[0, 0], D, L, &out[t, 0])
            spend(&pace, (D * L >> 3) + 1)
    return found


def full_scores(const double[:, ::1] x, const double[:, ::1] means, const double[:, :, ::1] factors,
                const double[::1] constants):
    """Each state's constant, less half the squared length of its lower triangular factor times what is off its mean."""
    cdef Py_ssize_t N = x.shape[0], D = x.shape[1], L = means.shape[0], t, j
    found = np.empty((N, L))
    if N == 0:
        return found
    cdef double[:, ::1] out = found
    cdef double[:, ::1] m = _states_last(means)
    cdef double[:, :, ::1] f = np.array(np.asarray(factors).transpose(2, 1, 0), order="C")
    cdef double[::1] turned = np.empty(D * L)
    cdef Pace pace = new_pace()
    with nogil:
        for t in range(N):
            for j in range(L):
                out[t, j] = constants[j]
            fh_full(&x[t, 0], &m[0, 0], &f[0, 0, 0], D, L, &turned[0], &out[t, 0])
            spend(&pace, (D * (D + 1) * L >> 4) + 1)
    return found


def poisson_scores(const double[:, ::1] x, const double[:, ::1] logs, const double[::1] constants,
                   const double[::1] taken):
    """Each state's constant plus counts times logs of rates, less what is taken from a row; 0 times -inf is 0."""
    cdef Py_ssize_t N = x.shape[0], D = x.shape[1], L = logs.shape[0], t, j
    found = np.empty((N, L))
    if N == 0:
        return found
    cdef double[:, ::1] out = found
    cdef double[:, ::1] table = _states_last(logs)
    cdef Pace pace = new_pace()
    with nogil:
        for t in range(N):
            for j in range(L):
                out[t, j] = constants[j] - taken[t]
            fh_poisson(&x[t, 0], &table[0, 0], D, L, &out[t, 0])
            spend(&pace, (D * L >> 3) + 1)
    return found


def count_symbols(const double[:, ::1] weights, const int64_t[::1] symbols, Py_ssize_t size):
    """Sum of the weights (L, size) with which each state has each symbol."""
    cdef Py_ssize_t N = weights.shape[0], L = weights.shape[1], t
    found = np.zeros((size, L))
    cdef double[:, ::1] sums = found
    cdef Pace pace = new_pace()
    with nogil:
        for t in range(N):
            fh_add(&weights[t, 0], 1.0, L, &sums[symbols[t], 0])
            spend(&pace, (L >> 3) + 1)
    return np.array(found.T, order="C")


def weighted_sums(const double[:, ::1] weights, const double[:, ::1] x, const double[:, ::1] centers, int order):
    """Sums over rows of the weights (L), of them times what x is off each state's center (L, D), and of a third.

    That is of weights times nothing for order 0, times squares (L, D) for 1, times products of pairs (L, D, D) for 2.
    """
    cdef Py_ssize_t N = x.shape[0], D = x.shape[1], L = weights.shape[1], t, size
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Pace pace = new_pace()
    size = D * L * (D if order == 2 else 1 if order == 1 else 0)
    totals, first, second = np.zeros(L), np.zeros((D, L)), np.zeros(size)
    cdef double[::1] total = totals, twos = second
    cdef double[:, ::1] ones = first, middle = _states_last(centers)
    # Sums of some rows first, then of those: rounding doesn't grow with the number of rows.
    cdef double* part
    cdef Py_ssize_t all = L + D * L + size, begin = 0, beyond, i
    try:
        part = <double*>zeros(&pool, all + (D + 1) * L, sizeof(double))
        with nogil:
            while begin < N:
                beyond = min(begin + 1024, N)
                for i in range(all):
                    part[i] = 0.0
                for t in range(begin, beyond):
                    fh_add(&weights[t, 0], 1.0, L, part)
                    fh_moments(&weights[t, 0], &x[t, 0], &middle[0, 0], D, L, order == 1, order == 2, part + all,
                               part + L, part + L + D * L)
                    spend(&pace, (D * (D if order == 2 else 2) * L >> 3) + 1)
                for i in range(L):
                    total[i] += part[i]
                for i in range(D * L):
                    ones[i // L, i % L] += part[L + i]
                for i in range(size):
                    twos[i] += part[L + D * L + i]
                begin = beyond
    finally:
        free_all(&pool)
    if order == 1:
        second = np.array(second.reshape(D, L).T, order="C")
    elif order == 2:
        second = second.reshape(D, D, L)
        upper = np.triu_indices(D, 1)
        second[upper[1], upper[0]] = second[upper]
        second = np.array(second.transpose(2, 0, 1), order="C")
    return totals, np.array(first.T, order="C"), second


def forward_scaling(const double[::1] start, const double[:, ::1] transitions, const double[:, ::1] shown,
                    double least):
    """Forward variables divided by each row's sum, and what they were multiplied by, from plain probabilities.

    Returns the log-likelihood too, and the number of rows that were computed: a sum below `least` ends the work.
    """
    cdef Py_ssize_t N = shown.shape[0], L = shown.shape[1], t, i, j
    lattice, factors = np.zeros((N, L)), np.zeros(N)
    cdef double[:, ::1] out = lattice
    cdef double[::1] scale = factors
    cdef double total, log_prob = 0.0
    cdef Pace pace = new_pace()
    with nogil:
        for t in range(N):
            if t == 0:
                fh_add(&start[0], 1.0, L, &out[0, 0])
            else:
                for i in range(L):
                    fh_add(&transitions[i, 0], out[t - 1, i], L, &out[t, 0])
            total = 0.0
            for j in range(L):
                out[t, j] *= shown[t, j]
                total += out[t, j]
            if total < least:
                break
            scale[t] = 1.0 / total
            log_prob -= log(scale[t])
            for j in range(L):
                out[t, j] *= scale[t]
            spend(&pace, (L * L >> 3) + 8)
        else:
            t = N
    return log_prob, lattice, factors, t


def backward_scaling(const double[:, ::1] transitions, const double[:, ::1] shown, const double[::1] factors):
    """Backward variables, each row multiplied by its factor, from plain probabilities."""
    cdef Py_ssize_t N = shown.shape[0], L = shown.shape[1], t, j
    lattice = np.zeros((N, L))
    if N == 0:
        return lattice
    cdef double[:, ::1] out = lattice
    cdef double[:, ::1] turned = _states_last(transitions)
    cdef Pace pace = new_pace()
    with nogil:
        for j in range(L):
            out[N - 1, j] = factors[N - 1]
        for t in range(N - 2, -1, -1):
            for j in range(L):
                fh_add(&turned[j, 0], shown[t + 1, j] * out[t + 1, j], L, &out[t, 0])
            for j in range(L):
                out[t, j] *= factors[t]
            spend(&pace, (L * L >> 3) + 8)
    return lattice


def transition_sums(const double[:, ::1] forward, const double[:, ::1] transitions, const double[:, ::1] backward,
                    const double[:, ::1] shown):
    """Sums over steps (L, L) of forward times transition times what is shown next times backward."""
    cdef Py_ssize_t N = shown.shape[0], L = shown.shape[1], t, i, j
    found = np.zeros((L, L))
    cdef double[:, ::1] sums = found
    cdef double[::1] after = np.zeros(L)
    cdef Pace pace = new_pace()
    with nogil:
        for t in range(N - 1):
            for j in range(L):
                after[j] = shown[t + 1, j] * backward[t + 1, j]
            for i in range(L):
                fh_add(&after[0], forward[t, i], L, &sums[i, 0])
            spend(&pace, (L * L >> 3) + 8)
    return found * np.asarray(transitions)
