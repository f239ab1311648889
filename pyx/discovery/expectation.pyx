"""Kernel of expected counts: how often each word occurs, over all ways to cut a text, weighted by their probability."""

from libc.math cimport INFINITY, exp, log
from libc.stdint cimport int32_t, int64_t

from _owned cimport Pool, free_all, spread
from _signals cimport Pace, new_pace, spend


cdef double log_sum(double *terms, int64_t n) noexcept nogil:
    """log of the sum of exp of the terms, minus infinity for none."""
    cdef double most = -INFINITY, total = 0
    cdef int64_t k
    for k in range(n):
        if terms[k] > most:
            most = terms[k]
    if most == -INFINITY:
        return most
    for k in range(n):
        total += exp(terms[k] - most)
    return most + log(total)


def expected_counts(const int32_t[:, ::1] grams, const double[::1] scores, double[::1] counts):
    """Add to counts how often each n-gram is expected as a word; return the log-likelihood.

    grams as in `cover` of `discovery.pairs`, -1 at orders above the first where the n-gram is no candidate;
    scores[number] is a word's log-probability. Each stretch between separators is a lattice of its own: the words that
    can begin at each position, all segmentations weighted by their probability (forward and backward in log space).
    """
    cdef int64_t orders = grams.shape[0], n = grams.shape[1], i = 0, j, m, t, k, w, gram
    cdef double likelihood = 0
    cdef double *forward
    cdef double *backward
    cdef double *terms
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Pace pace = new_pace()
    try:
        with nogil:
            forward = <double *>spread(&pool, n + 1, sizeof(double))
            backward = <double *>spread(&pool, n + 1, sizeof(double))
            terms = <double *>spread(&pool, orders, sizeof(double))
            while i < n:
                j = i
                while j < n and grams[0, j] >= 0:
                    j += 1
                m = j - i
                forward[0] = 0
                for t in range(1, m + 1):
                    w = 0
                    for k in range(min(orders, t)):
                        gram = grams[k, i + t - 1 - k]
                        if gram >= 0:
                            terms[w] = forward[t - 1 - k] + scores[gram]
                            w += 1
                    forward[t] = log_sum(terms, w)
                    spend(&pace, 8 * orders)
                backward[m] = 0
                for t in range(m - 1, -1, -1):
                    w = 0
                    for k in range(min(orders, m - t)):
                        gram = grams[k, i + t]
                        if gram >= 0:
                            terms[w] = scores[gram] + backward[t + 1 + k]
                            w += 1
                    backward[t] = log_sum(terms, w)
                    spend(&pace, 8 * orders)
                for t in range(m):
                    for k in range(min(orders, m - t)):
                        gram = grams[k, i + t]
                        if gram >= 0:
                            counts[gram] += exp(forward[t] + scores[gram] + backward[t + 1 + k] - forward[m])
                    spend(&pace, 8 * orders)
                likelihood += forward[m]
                spend(&pace, 8)
                i = j + 1
    finally:
        free_all(&pool)
    return likelihood
