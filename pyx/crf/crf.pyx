"""Kernels of the feature CRF: scores from sparse attributes, and the gradient back to the features.

Step p of the concatenated sequences has attributes attributes[items[p]:items[p + 1]], each with a value, or 1 if
`values` is empty. Attribute a owns the features feature_offsets[a] to feature_offsets[a + 1], feature k being
the pair of a and label feature_labels[k]; an attribute with a feature for every label has them in order.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t

from _signals cimport Pace, new_pace, spend

cdef extern from "memory_hints.h" nogil:
    void FASTCORE_PREFETCH(const void* p)

ctypedef fused real:
    float
    double

cdef enum:
    FAR = 16      # attributes ahead whose place in the table of features is fetched,
    NEAR = 8      # and whose features are: rare attributes lie all over memory


def state_scores(const int64_t[::1] items, const int32_t[::1] attributes, const real[::1] values,
                 const int64_t[::1] feature_offsets, const int32_t[::1] feature_labels, const real[::1] weights,
                 Py_ssize_t labels):
    """scores[p, y] = sum over attributes a of step p of value * weight of (a, y)."""
    cdef Py_ssize_t n = items.shape[0] - 1, total = attributes.shape[0], p, i, k, first, last, y, ahead
    cdef bint plain = values.shape[0] == 0
    result = np.zeros((n, labels), dtype=np.float32 if real is float else np.float64)
    cdef real[:, ::1] scores = result
    cdef real value = 1
    cdef real* row
    cdef const real* weight
    cdef Pace pace = new_pace()
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


def state_gradient(const int64_t[::1] items, const int32_t[::1] attributes, const real[::1] values,
                   const int64_t[::1] feature_offsets, const int32_t[::1] feature_labels, const real[:, ::1] nodes):
    """gradient[k] = sum over steps p with feature k's attribute of value * nodes[p, feature k's label]."""
    cdef Py_ssize_t n = items.shape[0] - 1, labels = nodes.shape[1], p, i, k, first, last, y
    cdef Py_ssize_t total = attributes.shape[0], ahead
    cdef bint plain = values.shape[0] == 0
    result = np.zeros(feature_labels.shape[0])
    cdef double[::1] gradient = result
    cdef double value = 1
    cdef double* sums
    cdef const real* row
    cdef Pace pace = new_pace()
    if feature_labels.shape[0] == 0:
        return result
    with nogil:
        for p in range(n):
            row = &nodes[p, 0]
            for i in range(items[p], items[p + 1]):
                if i + FAR < total:
                    FASTCORE_PREFETCH(&feature_offsets[attributes[i + FAR]])
                    ahead = feature_offsets[attributes[i + NEAR]]
                    FASTCORE_PREFETCH(&feature_labels[0] + ahead)
                    FASTCORE_PREFETCH(&gradient[0] + ahead)
                first = feature_offsets[attributes[i]]
                last = feature_offsets[attributes[i] + 1]
                if not plain:
                    value = values[i]
                if last - first == labels:
                    sums = &gradient[0] + first
                    for y in range(labels):
                        sums[y] += value * row[y]
                else:
                    for k in range(first, last):
                        gradient[k] += value * row[feature_labels[k]]
            spend(&pace, 8 * (items[p + 1] - items[p]) + labels)
    return result
