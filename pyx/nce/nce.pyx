"""Kernels of noise contrastive estimation: alias sampling, the logistic objective."""

import numpy as np

from libc.math cimport log
from libc.stdint cimport int32_t, uint32_t, uint64_t
from _rng cimport Rng, rng_stream
from _signals cimport Pace, new_pace, spend

cdef extern from "rng_lanes.h":
    enum:
        LANES
    ctypedef struct lanes_t:
        uint64_t s[4][8]
    void lanes_fill(lanes_t* state, uint64_t* out, Py_ssize_t steps) noexcept nogil

cdef extern from "logistic.h" nogil:
    enum:
        LR_ROWS
    void lr_chances(const double* g, double* e, double* h, double* w)

# Draws that share one group of streams; part of what a seed means, so never changed.
cdef enum:
    CHUNK = 65536
    BUFFER = 1024
    BLOCK = 4096  # outcomes between two words on what was spent


def alias_table(const double[::1] weights):
    """Walker's alias table by Vose's method: threshold in the upper, other outcome in the lower half of a word."""
    cdef Py_ssize_t n = weights.shape[0], i, small = 0, large = 0, s, g
    cdef double largest = 0.0, total = 0.0, scale
    table_array = np.empty(n, dtype=np.uint64)
    share_array = np.empty(n, dtype=np.float64)
    # One buffer holds both stacks: small grows from the left, large from the right.
    stack_array = np.empty(n, dtype=np.int32)
    cdef uint64_t[::1] table = table_array
    cdef double[::1] share = share_array
    cdef int32_t[::1] stack = stack_array
    cdef int32_t heaviest = 0
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(n):
            if i % BLOCK == 0:
                spend(&pace, BLOCK)
            if weights[i] > largest:
                largest = weights[i]
                heaviest = <int32_t>i
        for i in range(n):
            if i % BLOCK == 0:
                spend(&pace, BLOCK)
            share[i] = weights[i] / largest
            total += share[i]
        scale = n / total
        for i in range(n):
            if i % BLOCK == 0:
                spend(&pace, BLOCK)
            share[i] = share[i] * scale
            if share[i] < 1.0:
                stack[small] = <int32_t>i
                small += 1
            else:
                large += 1
                stack[n - large] = <int32_t>i
        while small > 0 and large > 0:
            spend(&pace, 8)
            small -= 1
            s = stack[small]
            g = stack[n - large]
            large -= 1
            table[s] = (threshold(share[s]) << 32) | <uint64_t>g
            share[g] = (share[g] + share[s]) - 1.0
            if share[g] < 1.0:
                stack[small] = <int32_t>g
                small += 1
            else:
                large += 1
                stack[n - large] = <int32_t>g
        while large > 0:
            spend(&pace, 1)
            g = stack[n - large]
            large -= 1
            table[g] = <uint64_t>g
        while small > 0:
            # Left over by rounding: full, unless it must never be drawn.
            spend(&pace, 1)
            small -= 1
            s = stack[small]
            table[s] = <uint64_t>(s if weights[s] > 0.0 else heaviest)
    return table_array


cdef inline uint64_t threshold(double share) noexcept nogil:
    cdef double scaled = share * 4294967296.0 + 0.5
    return <uint64_t>4294967295u if scaled >= 4294967295.0 else <uint64_t>scaled


def alias_draw(const uint64_t[::1] table, const uint64_t[::1] key, Py_ssize_t chunk, Py_ssize_t size):
    """Draw `size` outcomes, the first being the first of chunk number `chunk` of the key's draws."""
    cdef Py_ssize_t done = 0, n, i, left
    cdef uint64_t columns = table.shape[0]
    result = np.empty(size, dtype=np.int32)
    cdef int32_t[::1] out = result
    cdef uint64_t words[BUFFER]
    cdef lanes_t state
    cdef Rng rng
    cdef Pace pace = new_pace()
    with nogil:
        while done < size:
            for i in range(LANES):
                rng = rng_stream(&key[0], <uint64_t>(chunk * LANES + i))
                state.s[0][i] = rng.s0
                state.s[1][i] = rng.s1
                state.s[2][i] = rng.s2
                state.s[3][i] = rng.s3
            left = min(CHUNK, size - done)
            while left > 0:
                n = min(BUFFER, left)
                lanes_fill(&state, words, (n + LANES - 1) // LANES)
                look_up(&table[0], columns, words, &out[done], n)
                done += n
                left -= n
                spend(&pace, n)
            chunk += 1
    return result


cdef inline void look_up(
    const uint64_t* table, uint64_t columns, const uint64_t* words, int32_t* out, Py_ssize_t n
) noexcept nogil:
    # The 96-bit product word * columns: the upper 32 bits are the column, the middle 32 bits the coin.
    cdef Py_ssize_t i
    cdef uint64_t product, entry
    for i in range(n):
        product = (words[i] >> 32) * columns + ((<uint64_t><uint32_t>words[i] * columns) >> 32)
        entry = table[product >> 32]
        out[i] = <int32_t>((product >> 32) if <uint32_t>product < <uint32_t>(entry >> 32) else entry)


def logistic(
    const double[:, ::1] features, const double[::1] offset, const double[::1] theta, Py_ssize_t n_data
):
    """Loss, gradient and Hessian of a logistic regression of the first `n_data` rows against the others.

    The logit of a row is its features times `theta`, whose last element is the intercept, plus its offset.
    """
    cdef Py_ssize_t n = features.shape[0], k = features.shape[1], i, j, l, last, first = 0
    gradient_array = np.zeros(k + 1)
    hessian_array = np.zeros((k + 1, k + 1))
    block_array = np.zeros((k + 2) * (k + 1))
    cdef double[::1] gradient = gradient_array, block = block_array
    cdef double[:, ::1] hessian = hessian_array
    cdef double loss = 0.0, part, product, r
    cdef double[LR_ROWS] logits, small, chance, slope
    cdef const double* row
    cdef double* line
    cdef Pace pace = new_pace()
    with nogil:
        while first < n:
            # Partial sums over blocks of rows keep the rounding error small.
            last = min(n, first + LR_ROWS)
            part, product = 0.0, 1.0
            for j in range((k + 2) * (k + 1)):
                block[j] = 0.0
            for i in range(first, first + LR_ROWS):
                logits[i - first] = offset[i] + theta[k] if i < last else 0.0
            for i in range(first, last):
                row = &features[0, 0] + i * k if k else NULL
                for j in range(k):
                    logits[i - first] += row[j] * theta[j]
            lr_chances(logits, small, chance, slope)
            for i in range(first, last):
                row = &features[0, 0] + i * k if k else NULL
                # The sum of the logarithms of 1 + e is that of their product.
                product *= 1.0 + small[i - first]
                r = chance[i - first] - (i < n_data)
                part += max(-logits[i - first] if i < n_data else logits[i - first], 0.0)
                line = &block[0]
                for j in range(k):
                    line[j] += r * row[j]
                line[k] += r
                for j in range(k):
                    line += k + 1
                    for l in range(j + 1):
                        line[l] += slope[i - first] * row[j] * row[l]
                line += k + 1
                for l in range(k):
                    line[l] += slope[i - first] * row[l]
                line[k] += slope[i - first]
            part += log(product)
            loss += part
            for j in range(k + 1):
                gradient[j] += block[j]
                for l in range(j + 1):
                    hessian[j, l] += block[(j + 1) * (k + 1) + l]
            spend(&pace, (last - first) * (k + 4) * (k + 4) >> 2)
            first = last
        for j in range(k + 1):
            for l in range(j):
                hessian[l, j] = hessian[j, l]
    return loss, gradient_array, hessian_array
