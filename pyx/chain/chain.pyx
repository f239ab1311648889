"""Kernels of linear chains: forward, backward and Viterbi recursions over ragged batches.

A batch is one array of emissions (N, L), float64 or float32, and offsets: sequence s holds rows offsets[s] to
offsets[s + 1]. Transitions are float64 (L, L), or each step's own (M, L, L), those of all steps but the sequences'
first, of the emissions' type. All is computed in float64, but for the log-partition of float32 scores; what has a value
a step is then given the emissions' type. The recursions themselves are in C headers: scaled.h for one sequence, lanes.h
for one a vector element, single.h for both in single precision, wide.h for what those can't hold.
"""

import numpy as np

from libc.float cimport DBL_MAX
from libc.math cimport INFINITY, NAN, exp, log
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from _owned cimport Pool, drop, free_all, spread, zeros
from _rng cimport Rng, next_double, rng_stream
from _signals cimport Pace, new_pace, spend
from _types cimport real

include "batch.pxi"


cdef object NDARRAY = np.ndarray

cdef enum:
    STRETCH = 16384  # numbers that are looked through between two looks for Ctrl-C


def is_plain(emissions, transitions, start, end):
    """Whether one sequence's scores can be taken as they come.

    They can if all are aligned, contiguous float64 arrays of matching shapes without NaN or plus infinity, and no sum
    over a path is too large for a float.
    """
    cdef const double[:, ::1] rows, moves
    cdef const double[::1] first, last
    cdef Py_ssize_t T, L
    if not (type(emissions) is NDARRAY and type(transitions) is NDARRAY and type(start) is NDARRAY
            and type(end) is NDARRAY):
        return False
    try:
        rows, moves, first, last = emissions, transitions, start, end
    except (BufferError, TypeError, ValueError):
        return False
    T, L = rows.shape[0], rows.shape[1]
    if not (T and L and moves.shape[0] == L and moves.shape[1] == L and first.shape[0] == L and last.shape[0] == L):
        return False
    if (<size_t>&rows[0, 0] | <size_t>&moves[0, 0] | <size_t>&first[0] | <size_t>&last[0]) % sizeof(double):
        return False
    cdef Pace pace = new_pace()
    cdef double most
    with nogil:
        most = (_highest(&rows[0, 0], T * L, &pace) * T + _highest(&moves[0, 0], L * L, &pace) * (T - 1)
                + _highest(&first[0], L, &pace) + _highest(&last[0], L, &pace))
    # Not so for NaN.
    return most <= DBL_MAX


cdef double _highest(const double* scores, Py_ssize_t n, Pace* pace) except? -1 nogil:
    # The largest of 0 and the scores; NaN if one is NaN or plus infinity.
    cdef double most = 0.0
    cdef Py_ssize_t i, begin = 0, beyond
    cdef int legal = 1
    while begin < n:
        beyond = min(begin + STRETCH, n)
        for i in range(begin, beyond):
            most = scores[i] if scores[i] > most else most
            legal &= scores[i] < INFINITY
        spend(pace, (beyond - begin) >> 2)
        begin = beyond
    return most if legal else NAN


def are_labels(paths, Py_ssize_t size):
    """Whether `paths` can be taken as they come: an aligned, contiguous int64 array of labels below `size`."""
    cdef const int64_t[::1] labels
    cdef Py_ssize_t t, begin = 0, beyond
    cdef Pace pace = new_pace()
    cdef bint legal = True
    if type(paths) is not NDARRAY:
        return False
    try:
        labels = paths
    except (BufferError, TypeError, ValueError):
        return False
    if labels.shape[0] == 0 or <size_t>&labels[0] % sizeof(int64_t):
        return False
    with nogil:
        while begin < labels.shape[0]:
            beyond = min(begin + STRETCH, labels.shape[0])
            for t in range(begin, beyond):
                legal &= 0 <= labels[t] < size
            spend(&pace, (beyond - begin) >> 2)
            begin = beyond
    return legal


def subtract_paths(real[:, ::1] nodes, double[:, ::1] counts, const int64_t[::1] offsets, const int64_t[::1] paths):
    """Take given paths' labels from the expected ones, and their transitions from the expected ones, in place."""
    cdef Py_ssize_t s, t
    cdef Pace pace = new_pace()
    with nogil:
        for s in range(offsets.shape[0] - 1):
            for t in range(offsets[s], offsets[s + 1]):
                nodes[t, paths[t]] -= 1
                if t > offsets[s]:
                    counts[paths[t - 1], paths[t]] -= 1
                if t % 4096 == 4095:
                    spend(&pace, 4096)
            spend(&pace, 4)


def log_partition(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
                  const double[::1] end):
    """Log of the sum over all paths of exp(score), one a sequence."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t P = batch.model.padded, i = 0, k, s, count
    result = np.zeros(batch.sequences)
    cdef double[::1] found = result
    cdef double* memory = batch.room(2 * P * FC_W + max(P, fc_ahead(batch.model.labels) * batch.model.labels * FC_W))
    cdef double* spare = memory + P * FC_W
    cdef double* weights = memory + 2 * P * FC_W
    cdef FcGroup group
    cdef FcScale scale
    if batch.single and batch.moves == NULL and _single_log_partition(batch, found):
        return result
    with nogil:
        while i < batch.sequences and batch.length(batch.order[i]):
            batch.begin(batch.order[i])
            count = batch.gather(i, 0, &group) if batch.model.usable else 0
            if count:
                batch.lane_forward(&group, 0, memory, weights)
            for k in range(max(count, <Py_ssize_t>1)):
                s = batch.order[i + k]
                if count:
                    scale = group.done[k]
                    found[s] = fc_log_partition(&batch.model, group.sum[k], group.length[k], &scale)
                elif batch.model.usable:
                    batch.row_forward(s, 0, memory, weights, spare, &scale)
                    found[s] = fc_row_log_partition(&batch.model, memory, batch.length(s), &scale)
                if not batch.model.usable or scale.lost:
                    found[s] = batch.wide_log_partition(s)
            i += max(count, <Py_ssize_t>1)
    return result


cdef bint _single_log_partition(_Batch batch, double[::1] found) except -1:
    # The same in single precision, where the transitions allow it.
    cdef Py_ssize_t L = batch.model.labels, P = (L + FS_W - 1) // FS_W * FS_W, i = 0, k, s, t, count, block, beyond
    cdef float* memory = <float*>zeros(&batch.pool, L * P + 2 * L, sizeof(float))
    cdef float* alpha = <float*>zeros(&batch.pool, 3 * P + (2 + fc_ahead(L)) * L * FS_W, sizeof(float))
    cdef FsModel model
    cdef FsGroup group
    cdef FcScale scale
    fs_model(&model, &batch.model, batch.span, memory)
    if not model.usable:
        return False
    with nogil:
        while i < batch.sequences and batch.length(batch.order[i]):
            count, t = batch.gather_single(i, &group), 0
            s = batch.order[i]
            block = batch.steps(FC_W if count else 1)
            memset(&scale, 0, sizeof(FcScale))
            while t < batch.length(s):
                beyond = min(t + block, batch.length(s))
                if count:
                    fs_lane_forward(&batch.model, &model, &group, t, beyond, alpha, alpha + 2 * L * FS_W)
                else:
                    fs_row_forward(&batch.model, &model, batch.first(s), batch.length(s), t, beyond, alpha, &scale)
                batch.spent((beyond - t) * batch.cost(FC_W if count else 1))
                t = beyond
            for k in range(count):
                found[batch.order[i + k]] = fc_log_partition(
                    &batch.model, group.sum[k], group.length[k], &group.done[k])
            if not count:
                found[s] = fc_log_partition(
                    &batch.model, fs_sum(alpha + ((t - 1) & 1) * P, L, 1), t, &scale)
            i += max(count, <Py_ssize_t>1)
    return True


def forward(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
            const double[::1] end):
    """Log forward variables (N, L); the last row of a sequence includes the end scores."""
    return _columns(emissions, offsets, transitions, start, end, False, False)


def backward(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
             const double[::1] end):
    """Log backward variables (N, L); the last row of a sequence is zero."""
    return _columns(emissions, offsets, transitions, start, end, True, False)


def forward_scaled(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
                   const double[::1] end):
    """Forward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    return _columns(emissions, offsets, transitions, start, end, False, True)


def backward_scaled(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
                    const double[::1] end):
    """Backward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    return _columns(emissions, offsets, transitions, start, end, True, True)


cdef _columns(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
              const double[::1] end, bint reverse, bint scaled):
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, s, a
    columns = np.empty((batch.total, L))
    scales = np.empty(batch.total) if scaled else None
    cdef double[:, ::1] out = columns
    cdef double[::1] log_scale
    cdef double* into
    cdef FcScale scale
    if scaled:
        log_scale = scales
    with nogil:
        batch.widen()
        for s in range(batch.sequences):
            if batch.length(s) == 0:
                continue
            batch.begin(s)
            a = batch.offsets[s]
            into = &log_scale[a] if scaled else NULL
            if reverse:
                batch.wide_backward(s, NULL, NULL, NULL, &out[a, 0], into)
            else:
                batch.wide_forward(s, 0, batch.pair, batch.pair + 2 * P, &scale, &out[a, 0], into)
    return (batch.cast(columns), batch.cast(scales)) if scaled else batch.cast(columns)


def entropy(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
            const double[::1] end):
    """Entropy of each sequence's distribution over paths in nats; NaN without a legal path."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, s, t, j
    result = np.zeros(batch.sequences)
    cdef double[::1] found = result
    cdef double* columns = <double*>spread(&batch.pool, batch.longest * P, sizeof(double))
    cdef double* twos = <double*>spread(&batch.pool, batch.longest * P, sizeof(double))
    cdef double* h = batch.room(3 * L)
    cdef double* after = h + L
    cdef double* nothing = h + 2 * L
    cdef double least, total, rest
    with nogil:
        for s in range(batch.sequences):
            if batch.length(s) == 0:
                continue
            if not batch.log_columns(s, columns, twos):
                found[s] = NAN
                continue
            total = rest = 0.0
            memset(h, 0, L * sizeof(double))
            for t in range(batch.length(s) - 1):
                least = INFINITY
                batch.turn(s, t + 1, 0)
                for j in range(L):
                    after[j] = _mixed(columns + t * P, batch.model.trans + j, P, h, L)
                    least = min(least, after[j])
                for j in range(L):
                    h[j] = after[j] - least if after[j] < INFINITY else 0.0
                fc_add_one(&total, &rest, least)
                batch.spent(LOG_PRICE * L * L)
            found[s] = total + (rest + _mixed(columns + (batch.length(s) - 1) * P, nothing, 1, h, L))
    return result


cdef double _mixed(const double* a, const double* b, Py_ssize_t stride, const double* h,
                   Py_ssize_t L) noexcept nogil:
    # Entropy of a mixture of parts with log weights a + b and own entropies h; infinity if all are forbidden.
    cdef double most = -INFINITY, weight = 0.0, total = 0.0, x, w
    cdef Py_ssize_t i
    for i in range(L):
        most = max(most, a[i] + b[i * stride])
    if most == -INFINITY:
        return INFINITY
    for i in range(L):
        x = a[i] + b[i * stride] - most
        if x > -INFINITY:
            w = exp(x)
            weight += w
            total += w * (h[i] - x)
    return total / weight + log(weight)


include "expectations.pxi"
include "paths.pxi"
include "stream.pxi"
