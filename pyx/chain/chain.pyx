"""Kernels of linear chains: forward, backward and Viterbi recursions over ragged batches.

A batch is one array of emissions (N, L), float64 or float32, and offsets: sequence s holds rows offsets[s] to
offsets[s + 1]. All is computed in float64; what has a value a step is then given the emissions' type. The recursions
themselves are in C headers: scaled.h for one sequence, lanes.h for one a vector element, wide.h for what those two
can't hold.
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


def log_partition(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
                  const double[::1] end):
    """Log of the sum over all paths of exp(score), one a sequence."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t P = batch.model.padded, i = 0, k, s, count
    result = np.zeros(batch.sequences)
    cdef double[::1] found = result
    cdef double* memory = batch.room((3 * FC_W + 2) * P)
    cdef double* spare = memory + P * FC_W
    cdef double* weights = memory + 2 * P * FC_W
    cdef FcGroup group
    cdef FcScale scale
    with nogil:
        while i < batch.sequences and batch.length(batch.order[i]):
            count = batch.gather(i, 0, &group) if batch.model.usable else 0
            if count:
                batch.lane_forward(&group, 0, memory, weights, spare)
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


def forward(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
            const double[::1] end):
    """Log forward variables (N, L); the last row of a sequence includes the end scores."""
    return _columns(emissions, offsets, transitions, start, end, False, False)


def backward(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
             const double[::1] end):
    """Log backward variables (N, L); the last row of a sequence is zero."""
    return _columns(emissions, offsets, transitions, start, end, True, False)


def forward_scaled(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
                   const double[::1] end):
    """Forward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    return _columns(emissions, offsets, transitions, start, end, False, True)


def backward_scaled(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
                    const double[::1] end):
    """Backward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    return _columns(emissions, offsets, transitions, start, end, True, True)


cdef _columns(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
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
            a = batch.offsets[s]
            into = &log_scale[a] if scaled else NULL
            if reverse:
                batch.wide_backward(s, NULL, NULL, NULL, &out[a, 0], into)
            else:
                batch.wide_forward(s, 0, batch.pair, batch.pair + 2 * P, &scale, &out[a, 0], into)
    return (batch.cast(columns), batch.cast(scales)) if scaled else batch.cast(columns)


def path_score(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
               const double[::1] end, const int64_t[::1] paths):
    """Score of one given path a sequence."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, s, t, a, b
    result = np.zeros(batch.sequences)
    cdef double[::1] found = result
    cdef double total, rest, step
    with nogil:
        for s in range(batch.sequences):
            batch.spent(128)
            a = offsets[s]
            b = offsets[s + 1]
            total = rest = 0.0
            for t in range(a, b):
                if batch.single:
                    step = (<const float*>batch.rows)[t * L + paths[t]]
                else:
                    step = (<const double*>batch.rows)[t * L + paths[t]]
                if t == a:
                    step += start[paths[t]]
                else:
                    step += transitions[paths[t - 1], paths[t]]
                if t == b - 1:
                    step += end[paths[t]]
                if step == -INFINITY:
                    total = step
                    rest = 0.0
                    break
                fc_add_one(&total, &rest, step)
                if t % 4096 == 4095:
                    batch.spent(64 * 4096)
            found[s] = total + rest
    return result


def viterbi(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
            const double[::1] end):
    """Best path and its score; of equal ones the smallest label, decided from the end."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, i = 0, k, s, count, t, block, size, room = 0
    labels = np.empty(batch.total, dtype=np.int64)
    result = np.zeros(batch.sequences)
    cdef int64_t[::1] paths = labels
    cdef double[::1] found = result
    cdef double* best = NULL
    cdef FcGroup group
    with nogil:
        while i < batch.sequences:
            s = batch.order[i]
            count = batch.gather(i, 1, &group)
            # The order is by falling length, but lanes give way to rows and back: room for either.
            size = batch.length(s) * max(P, L * FC_W if count else 0)
            if size > room:
                drop(&batch.pool, best)
                best = NULL
                best = <double*>spread(&batch.pool, size, sizeof(double))
                room = size
            t = 0
            if count:
                block = batch.steps(FC_W)
                while t < group.longest:
                    fc_lane_viterbi(&batch.model, &group, batch.single, t, min(t + block, group.longest), best)
                    t += block
                    batch.spent(BUDGET if t < group.longest else (group.longest % block) * BUDGET // block)
                for k in range(count):
                    s = batch.order[i + k]
                    found[s] = fc_trace_back(&batch.model, best + k, group.length[k], L * FC_W, FC_W,
                                                   &paths[batch.offsets[s]])
                i += count
                continue
            i += 1
            if batch.length(s) == 0:
                break
            block = batch.steps(1)
            while t < batch.length(s):
                fc_row_viterbi(&batch.model, batch.first(s), batch.single, batch.length(s), t,
                               min(t + block, batch.length(s)), best)
                t += block
                batch.spent(BUDGET if t < batch.length(s) else (batch.length(s) % block) * BUDGET // block)
            found[s] = fc_trace_back(&batch.model, best, batch.length(s), P, 1, &paths[batch.offsets[s]])
    return labels, result


cdef class _Expectations:
    # What `marginals` fills, and the columns it works in, as long as the longest sequence so far.
    cdef _Batch batch
    cdef object node_array, count_array, log_array
    cdef char* nodes
    cdef double[:, :, ::1] counts
    cdef double[::1] found
    cdef double* alpha
    cdef double* weights
    cdef double* beta
    cdef double* spare
    cdef double* sums
    cdef double* lanes     # sums of groups
    cdef bint total, joint
    cdef Py_ssize_t room, since

    cdef int take(self, _Batch batch, bint total) except -1:
        cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, W = FC_W
        self.batch = batch
        self.total = total
        cdef float[:, ::1] nodes32
        cdef double[:, ::1] nodes64
        self.node_array = np.empty((batch.total, L), dtype=np.float32 if batch.single else np.float64)
        self.count_array = np.zeros((1 if total else batch.sequences, L, L))
        self.log_array = np.zeros(batch.sequences)
        self.counts, self.found = self.count_array, self.log_array
        if batch.total and batch.single:
            nodes32 = self.node_array
            self.nodes = <char*>&nodes32[0, 0]
        elif batch.total:
            nodes64 = self.node_array
            self.nodes = <char*>&nodes64[0, 0]
        # Groups that can't lose a sequence add to one total, which is taken apart once.
        self.joint = total and not batch.model.watched
        self.beta = batch.room((2 * P + 4 * L * P) * W)
        self.spare = self.beta + P * W
        self.sums = self.beta + 2 * P * W
        self.lanes = self.sums + 2 * L * P * W
        return 0

    cdef int grow(self, Py_ssize_t size) except -1 nogil:
        cdef Pool* pool = &self.batch.pool
        if self.room < size:
            drop(pool, self.alpha)
            self.alpha = NULL
            drop(pool, self.weights)
            self.weights = NULL
            self.room = 0
            self.alpha = <double*>spread(pool, size, sizeof(double))
            self.weights = <double*>spread(pool, size, sizeof(double))
            self.room = size
        return 0

    cdef int group(self, FcGroup* group, const int64_t* order, Py_ssize_t count) except -1 nogil:
        # Sequences order[0:count], one a lane; those that can't be trusted come last, as they overwrite the columns.
        cdef Py_ssize_t L = self.batch.model.labels, W = FC_W, k
        cdef FcScale scale
        if not self.joint:
            memset(self.lanes, 0, 2 * L * L * W * sizeof(double))
        self.batch.lane_forward(group, 1, self.alpha, self.weights, self.spare)
        self.batch.lane_backward(group, self.alpha, self.weights, self.beta, self.spare, self.lanes)
        self.since += group.longest
        if self.since >= 1024:
            # As FC_SETTLE does within one sequence.
            fc_settle(self.lanes, L * L * W)
            self.since = 0
        self.put_group(group, order)
        for k in range(count):
            if group.done[k].lost or group.lost[k] > 0.0:
                group.done[k].lost = 1
                continue
            scale = group.done[k]
            self.found[order[k]] = fc_log_partition(&self.batch.model, group.sum[k], group.length[k], &scale)
            if not self.joint:
                self.add_counts(order[k], self.lanes + k, L * L * W, L * W, W)
        for k in range(count):
            if group.done[k].lost:
                self.wide(order[k])
        return 0

    cdef int one(self, Py_ssize_t s) except -1 nogil:
        cdef Py_ssize_t L = self.batch.model.labels, P = self.batch.model.padded, length = self.batch.length(s)
        cdef FcScale scale
        cdef double log_z
        if self.batch.model.usable:
            memset(self.sums, 0, 2 * L * P * sizeof(double))
            self.batch.row_forward(s, 1, self.alpha, self.weights, self.spare, &scale)
            log_z = fc_row_log_partition(&self.batch.model, self.alpha + (length - 1) * P, length, &scale)
            self.batch.row_backward(s, self.alpha, self.weights, self.beta, self.spare, self.sums, &scale)
            if not scale.lost:
                self.found[s] = log_z
                self.put_nodes(s, self.alpha, P, 1)
                self.add_counts(s, self.sums, L * P, P, 1)
                return 0
        return self.wide(s)

    cdef int wide(self, Py_ssize_t s) except -1 nogil:
        cdef Py_ssize_t L = self.batch.model.labels, P = self.batch.model.padded, last = self.batch.length(s) - 1
        cdef Py_ssize_t i, j, into = 0 if self.total else s
        cdef FcScale scale
        memset(self.sums, 0, 2 * L * P * sizeof(double))
        self.batch.wide_forward(s, 1, self.alpha, self.weights, &scale)
        self.found[s] = fc_log_partition(
            &self.batch.model, fc_wide_sum(&self.batch.model, self.alpha + last * P, self.weights + last * P), last + 1,
            &scale)
        self.batch.wide_backward(s, self.alpha, self.weights, self.sums)
        self.put_nodes(s, self.alpha, P, 1)
        for i in range(L):
            for j in range(L):
                self.counts[into, i, j] += self.sums[j * P + i] + self.sums[(L + j) * P + i]
        return 0

    cdef void finish(self) noexcept nogil:
        cdef Py_ssize_t L = self.batch.model.labels, W = FC_W, k
        if self.joint:
            for k in range(W):
                self.add_counts(0, self.lanes + k, L * L * W, L * W, W)

    cdef void put_group(self, const FcGroup* group, const int64_t* order) noexcept nogil:
        # The columns of all lanes, step by step, while they are at hand.
        cdef Py_ssize_t L = self.batch.model.labels, W = FC_W, t, j, k
        cdef const double* columns
        cdef char* into
        for t in range(group.longest):
            for k in range(W):
                if t >= group.length[k]:
                    continue
                columns = &self.alpha[t * L * W + k]
                into = self.nodes + (self.batch.offsets[order[k]] + t) * L * self.batch.item
                if self.batch.single:
                    for j in range(L):
                        (<float*>into)[j] = <float>columns[j * W]
                else:
                    for j in range(L):
                        (<double*>into)[j] = columns[j * W]

    cdef void put_nodes(self, Py_ssize_t s, const double* columns, Py_ssize_t row, Py_ssize_t step) noexcept nogil:
        # Columns in the emissions' type; label j of step t is columns[t * row + j * step].
        cdef Py_ssize_t L = self.batch.model.labels, t, j
        cdef char* into = self.nodes + self.batch.offsets[s] * L * self.batch.item
        for t in range(self.batch.length(s)):
            if self.batch.single:
                for j in range(L):
                    (<float*>into)[t * L + j] = <float>columns[t * row + j * step]
            else:
                for j in range(L):
                    (<double*>into)[t * L + j] = columns[t * row + j * step]

    cdef void add_counts(self, Py_ssize_t s, const double* sums, Py_ssize_t size, Py_ssize_t row,
                         Py_ssize_t step) noexcept nogil:
        # Sums of outer products, each in two parts `size` apart, times the transitions they were taken over.
        cdef Py_ssize_t L = self.batch.model.labels, P = self.batch.model.padded, i, j, at, into
        into = 0 if self.total else s
        for i in range(L):
            for j in range(L):
                at = i * row + j * step
                self.counts[into, i, j] += (sums[at] + sums[size + at]) * self.batch.model.exp_trans[i * P + j]


def marginals(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
              const double[::1] end, bint total):
    """Posterior label probabilities (N, L), expected transition counts, log-partition."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef _Expectations into = _Expectations()
    into.take(batch, total)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, i = 0, count
    cdef FcGroup group
    with nogil:
        while i < batch.sequences and batch.length(batch.order[i]):
            count = batch.gather(i, 2, &group) if batch.model.usable else 0
            into.grow(batch.length(batch.order[i]) * max(P, L * FC_W if count else 0))
            if count:
                into.group(&group, batch.order + i, count)
            else:
                into.one(batch.order[i])
            i += max(count, <Py_ssize_t>1)
        into.finish()
    return into.node_array, into.count_array, into.log_array


def entropy(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
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


def viterbi_nbest(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
                  const double[::1] end, Py_ssize_t n):
    """The n best paths (n, N) and scores (S, n); of equal ones the smaller label first, decided from the end."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, s, t, j, k, length, choice, label, into
    labels = np.full((n, batch.total), -1, dtype=np.int64)
    result = np.full((batch.sequences, n), -np.inf)
    cdef int64_t[:, ::1] paths = labels
    cdef double[:, ::1] found = result
    # Per label its n best scores, falling; where each came from is previous label * n + rank.
    cdef double* last = batch.room((2 * L + 1) * n + 2 * L)
    cdef double* now = last + L * n
    cdef double* into_score = last + 2 * L * n
    cdef double* row = last + (2 * L + 1) * n
    cdef double* nothing = row + L
    cdef double* swap
    cdef int64_t* back = <int64_t*>spread(&batch.pool, batch.longest * L * n, sizeof(int64_t))
    cdef int64_t* head = <int64_t*>spread(&batch.pool, L + n, sizeof(int64_t))
    cdef int64_t* chosen = head + L
    with nogil:
        for s in range(batch.sequences):
            length = batch.length(s)
            if length == 0:
                found[s, 0] = 0.0
                continue
            into = batch.offsets[s]
            for t in range(length):
                fc_scores(&batch.model, batch.first(s), batch.single, t, length, 1, row)
                for j in range(L):
                    if t == 0:
                        for k in range(n):
                            now[j * n + k] = row[j] if k == 0 else -INFINITY
                        continue
                    _merge(last, batch.model.trans + j, P, L, n, head, now + j * n, back + (t * L + j) * n)
                    for k in range(n):
                        now[j * n + k] += row[j]
                swap = last
                last = now
                now = swap
                batch.spent(L * L * n)
            _merge(last, nothing, 1, L, n, head, into_score, chosen)
            for k in range(n):
                if into_score[k] == -INFINITY:
                    break
                found[s, k] = into_score[k]
                choice = chosen[k]
                batch.spent(16 * length)
                for t in range(length - 1, -1, -1):
                    label = choice // n
                    paths[k, into + t] = label
                    if t:
                        choice = back[t * L * n + choice]
    return labels, result


cdef void _merge(const double* scores, const double* added, Py_ssize_t stride, Py_ssize_t L, Py_ssize_t n,
                 int64_t* head, double* best, int64_t* origin) noexcept nogil:
    # The n best of L falling lists of n, each with a number added; equal ones by label, then rank.
    cdef Py_ssize_t i, k, choice
    cdef double x
    for i in range(L):
        head[i] = 0
    for k in range(n):
        best[k] = -INFINITY
        choice = -1
        for i in range(L):
            if head[i] < n:
                x = scores[i * n + head[i]] + added[i * stride]
                if x > best[k]:
                    best[k] = x
                    choice = i
        if choice >= 0:
            origin[k] = choice * n + head[choice]
            head[choice] += 1
        else:
            origin[k] = 0


def sample(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
           const double[::1] end, Py_ssize_t size, const uint64_t[::1] key, Py_ssize_t first):
    """Draw `size` paths a sequence, (size, N), -1 without a legal path."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, s, t, k, length, label, into
    labels = np.full((size, batch.total), -1, dtype=np.int64)
    cdef int64_t[:, ::1] paths = labels
    cdef double* columns = <double*>spread(&batch.pool, batch.longest * P, sizeof(double))
    cdef double* twos = <double*>spread(&batch.pool, batch.longest * P, sizeof(double))
    cdef double* weights = batch.room(2 * L)
    cdef double* nothing = weights + L
    cdef Rng rng
    with nogil:
        for s in range(batch.sequences):
            length = batch.length(s)
            if length == 0 or not batch.log_columns(s, columns, twos):
                continue
            into = batch.offsets[s]
            for k in range(size):
                rng = rng_stream(&key[0], (first + s) * size + k)
                label = -1
                for t in range(length - 1, -1, -1):
                    if label < 0:
                        label = _draw(columns + t * P, nothing, 1, L, weights, next_double(&rng))
                    else:
                        label = _draw(columns + t * P, batch.model.trans + label, P, L, weights, next_double(&rng))
                    paths[k, into + t] = label
                    batch.spent(20 * L)
    return labels


cdef Py_ssize_t _draw(const double* a, const double* b, Py_ssize_t stride, Py_ssize_t L, double* weights,
                      double uniform) noexcept nogil:
    cdef double most = -INFINITY, total = 0.0, reached = 0.0, target
    cdef Py_ssize_t i, chosen = -1
    for i in range(L):
        most = max(most, a[i] + b[i * stride])
    for i in range(L):
        weights[i] = exp(a[i] + b[i * stride] - most)
        total += weights[i]
    target = uniform * total
    for i in range(L):
        if weights[i] > 0.0:
            chosen = i
            reached += weights[i]
            if reached > target:
                break
    return chosen
