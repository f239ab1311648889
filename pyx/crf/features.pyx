"""Kernels of the feature CRF: scores from sparse attributes, and the gradient back to the features.

Step p of the concatenated sequences has attributes attributes[items[p]:items[p + 1]], each with a value, or 1 if
`values` is empty. Attribute a owns the features feature_offsets[a] to feature_offsets[a + 1], feature k being
the pair of a and label feature_labels[k]; an attribute with a feature for every label has them in order.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from _signals cimport Pace, new_pace, spend
from _types cimport real

cdef extern from "memory_hints.h" nogil:
    void FASTCORE_PREFETCH(const void* p)

cdef enum:
    FAR = 16      # attributes ahead whose place in the table of features is fetched,
    NEAR = 8      # and whose features are: rare attributes lie all over memory
    RADIX_BITS = 11
    RADIX = 2048


def state_scores(const int64_t[::1] items, const int32_t[::1] attributes, const real[::1] values,
                 const int64_t[::1] feature_offsets, const int32_t[::1] feature_labels, const real[::1] weights,
                 Py_ssize_t labels):
    """scores[p, y] = sum over attributes a of step p of value * weight of (a, y)."""
    cdef Py_ssize_t n = items.shape[0] - 1, total = attributes.shape[0], p, i, k, first, last, y, ahead
    cdef bint plain = values.shape[0] == 0
    cdef Pace pace = new_pace()
    result = np.zeros((n, labels), dtype=np.float32 if real is float else np.float64)
    cdef real[:, ::1] scores = result
    cdef real value = 1
    cdef real* row
    cdef const real* weight
    if feature_labels.shape[0] == 0:
        return result
    with nogil:
        for p in range(n):
            row = &scores[p, 0]
            for i in range(items[p], items[p + 1]):
                if i + FAR < total:
                    FASTCORE_PREFETCH(&feature_offsets[attributes[i + FAR]])
                    ahead = feature_offsets[attributes[i + NEAR]]
                    FASTCORE_PREFETCH(&feature_labels[0] + ahead)
                    FASTCORE_PREFETCH(&weights[0] + ahead)
                first = feature_offsets[attributes[i]]
                last = feature_offsets[attributes[i] + 1]
                if not plain:
                    value = values[i]
                if last - first == labels:
                    weight = &weights[0] + first
                    for y in range(labels):
                        row[y] += value * weight[y]
                else:
                    for k in range(first, last):
                        row[feature_labels[k]] += value * weights[k]
            spend(&pace, 8 * (items[p + 1] - items[p]) + labels)
    return result


def by_attribute(const int64_t[::1] items, const int32_t[::1] attributes, const real[::1] values):
    """Turn steps' attributes into attributes' steps: (owners, starts, steps, values).

    Attribute owners[j], ascending, occurs at steps[starts[j]:starts[j + 1]], ascending, with those values. Linear:
    a radix sort.
    """
    cdef Py_ssize_t n = items.shape[0] - 1, total = attributes.shape[0], p, i, count = 0
    cdef bint plain = values.shape[0] == 0
    cdef Pace pace = new_pace()
    cdef uint64_t[::1] memory = np.empty(2 * total + 1, dtype=np.uint64)
    cdef uint64_t* pairs = &memory[0]
    cdef uint64_t* other = &memory[total]
    cdef int64_t[::1] places = np.zeros(RADIX, dtype=np.int64)
    cdef int32_t[::1] step_of = np.empty(total, dtype=np.int32)
    cdef uint64_t largest = 0
    cdef int64_t before, held
    cdef int shift = 32
    with nogil:
        for p in range(n):
            for i in range(items[p], items[p + 1]):
                step_of[i] = <int32_t>p
                pairs[i] = <uint64_t>attributes[i] << 32 | <uint64_t>i
                largest = max(largest, pairs[i])
            spend(&pace, 4 * (items[p + 1] - items[p]) + 1)
        while shift < 64 and largest >> shift:
            places[:] = 0
            for i in range(total):
                places[pairs[i] >> shift & (RADIX - 1)] += 1
            before = 0
            for i in range(RADIX):
                held = places[i]
                places[i] = before
                before += held
            for i in range(total):
                p = pairs[i] >> shift & (RADIX - 1)
                other[places[p]] = pairs[i]
                places[p] += 1
            pairs, other = other, pairs
            shift += RADIX_BITS
            spend(&pace, 4 * total)
        for i in range(total):
            count += i == 0 or pairs[i] >> 32 != pairs[i - 1] >> 32
    owner_array = np.empty(count, dtype=np.int32)
    start_array = np.empty(count + 1, dtype=np.int64)
    step_array = np.empty(total, dtype=np.int32)
    value_array = np.empty(0 if plain else total, dtype=np.float32 if real is float else np.float64)
    cdef int32_t[::1] owners = owner_array, steps = step_array
    cdef int64_t[::1] starts = start_array
    cdef real[::1] kept = value_array
    with nogil:
        count = 0
        for i in range(total):
            if i == 0 or pairs[i] >> 32 != pairs[i - 1] >> 32:
                owners[count] = <int32_t>(pairs[i] >> 32)
                starts[count] = i
                count += 1
            steps[i] = step_of[<uint32_t>pairs[i]]
            if not plain:
                kept[i] = values[<uint32_t>pairs[i]]
        starts[count] = total
    return owner_array, start_array, step_array, value_array


def count_labels(const int32_t[::1] owners, const int64_t[::1] starts, const int32_t[::1] steps,
                 const real[::1] values, const int32_t[::1] y, Py_ssize_t first, double[:, ::1] sums,
                 uint8_t[:, ::1] seen):
    """Add to sums[a - first, y] the values with which attribute a occurs at steps of label y, and mark seen."""
    cdef Py_ssize_t j, i, a
    cdef bint plain = values.shape[0] == 0
    cdef Pace pace = new_pace()
    with nogil:
        for j in range(owners.shape[0]):
            a = owners[j] - first
            for i in range(starts[j], starts[j + 1]):
                sums[a, y[steps[i]]] += 1.0 if plain else values[i]
                seen[a, y[steps[i]]] = 1
            spend(&pace, 8 * (starts[j + 1] - starts[j]) + 8)


def scores_by_attribute(const int32_t[::1] owners, const int64_t[::1] starts, const int32_t[::1] steps,
                        const real[::1] values, const int64_t[::1] feature_offsets,
                        const int32_t[::1] feature_labels, const real[::1] weights, Py_ssize_t n, Py_ssize_t labels):
    """What `state_scores` finds, (n, labels), from what `by_attribute` made: each weight is read once."""
    cdef Py_ssize_t j, i, k, first, last, y
    cdef bint plain = values.shape[0] == 0
    cdef Pace pace = new_pace()
    result = np.zeros((n, labels), dtype=np.float32 if real is float else np.float64)
    cdef real[:, ::1] scores = result
    cdef real value = 1
    cdef real* row
    cdef const real* weight
    with nogil:
        for j in range(owners.shape[0]):
            first = feature_offsets[owners[j]]
            last = feature_offsets[owners[j] + 1]
            if last == first:
                continue
            weight = &weights[0] + first
            for i in range(starts[j], starts[j + 1]):
                row = &scores[steps[i], 0]
                if not plain:
                    value = values[i]
                if last - first == labels:
                    for y in range(labels):
                        row[y] += value * weight[y]
                else:
                    for k in range(last - first):
                        row[feature_labels[first + k]] += value * weight[k]
            spend(&pace, 8 * (starts[j + 1] - starts[j]) + 8)
    return result


def gradient_by_attribute(const int32_t[::1] owners, const int64_t[::1] starts, const int32_t[::1] steps,
                          const real[::1] values, const int64_t[::1] feature_offsets,
                          const int32_t[::1] feature_labels, const real[:, ::1] nodes, gradient,
                          Py_ssize_t beginning):
    """Add to gradient[k - beginning] the sum over steps p with feature k's attribute of value * nodes[p, k's label].

    Returns `gradient`, for who gave a copy of it to another process.
    """
    cdef Py_ssize_t j, i, k, first, last, y, labels = nodes.shape[1]
    cdef bint plain = values.shape[0] == 0
    cdef Pace pace = new_pace()
    cdef double[::1] into = gradient
    cdef double value = 1
    cdef double* sums
    cdef const real* row
    with nogil:
        for j in range(owners.shape[0]):
            first = feature_offsets[owners[j]]
            last = feature_offsets[owners[j] + 1]
            if last == first:
                continue
            sums = &into[first - beginning]
            for i in range(starts[j], starts[j + 1]):
                row = &nodes[steps[i], 0]
                if not plain:
                    value = values[i]
                if last - first == labels:
                    for y in range(labels):
                        sums[y] += value * row[y]
                else:
                    for k in range(last - first):
                        sums[k] += value * row[feature_labels[first + k]]
            spend(&pace, 8 * (starts[j + 1] - starts[j]) + 8)
    return gradient
