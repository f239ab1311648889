"""Kernels of linear chains: forward, backward and Viterbi recursions over ragged batches.

A batch is one array of emissions (N, L) and offsets: sequence s holds rows offsets[s] to offsets[s + 1].
Transitions, start and end scores are float64; results have the emissions' type. The recursions themselves are in
C headers: scaled.h for one sequence, lanes.h for one a vector element.
"""

import numpy as np

from libc.math cimport INFINITY, NAN, exp, log
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from _rng cimport Rng, next_double, rng_stream
from _signals cimport Pace, new_pace, spend

ctypedef fused real:
    float
    double

cdef extern from "lanes.h" nogil:
    enum:
        FC_W

    ctypedef struct FcModel:
        Py_ssize_t labels
        Py_ssize_t padded
        const double* start
        const double* end
        double* exp_trans
        double* trans
        double top
        int every
        int watched
        int usable

    ctypedef struct FcScale:
        double shift
        int64_t twos
        int lost

    ctypedef struct FcGroup:
        const char* rows[1]
        Py_ssize_t length[1]
        Py_ssize_t longest
        Py_ssize_t shortest
        double sum[1]
        double lost[1]
        FcScale done[1]

    void fc_model(FcModel* model, const double* transitions, double* memory)
    void fc_scores(const FcModel* model, const void* emissions, int single, Py_ssize_t t, Py_ssize_t length,
                   Py_ssize_t stride, double* out)
    void fc_row_forward(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                        Py_ssize_t t1, int keep, double* alpha, double* weights, double* spare, FcScale* scale)
    double fc_log_partition(const FcModel* model, double total, Py_ssize_t length, const FcScale* scale)
    double fc_row_log_partition(const FcModel* model, const double* alpha, Py_ssize_t length, const FcScale* scale)
    void fc_row_backward(const FcModel* model, Py_ssize_t length, Py_ssize_t t0, Py_ssize_t t1, double* alpha,
                         const double* weights, double* beta, double* spare, double* counts, FcScale* scale)
    void fc_row_viterbi(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                        Py_ssize_t t1, double* best)
    double fc_trace_back(const FcModel* model, const double* best, Py_ssize_t length, Py_ssize_t row,
                         Py_ssize_t step, int64_t* path)
    void fc_log_forward(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                        Py_ssize_t t1, double* alpha, double* spare)
    void fc_log_backward(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                         Py_ssize_t t1, double* beta, double* spare)
    void fc_log_marginals(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                          Py_ssize_t t1, double log_z, double* alpha, const double* beta, double* spare,
                          double* counts)
    double fc_log_row_sum(const double* row, Py_ssize_t L)
    void fc_group_start(FcGroup* group)
    void fc_lane_forward(const FcModel* model, FcGroup* group, int single, Py_ssize_t t0, Py_ssize_t t1, int keep,
                         double* alpha, double* weights, double* spare)
    void fc_lane_backward(const FcModel* model, FcGroup* group, Py_ssize_t t0, Py_ssize_t t1, double* alpha,
                          const double* weights, double* beta, double* spare, double* counts)
    void fc_lane_viterbi(const FcModel* model, const FcGroup* group, int single, Py_ssize_t t0, Py_ssize_t t1,
                         double* best)

cdef enum:
    BUDGET = 4000000      # multiplications in one stretch of steps: about a millisecond
    LOG_PRICE = 40        # what a step in log space costs against one in scaled space
    GROUP_BYTES = 33554432  # columns of a group of lanes; longer sequences are computed one at a time


cdef class _Batch:
    # What all recursions need: the batch, the model's tables, an order of the sequences by falling length.
    cdef FcModel model
    cdef const char* rows
    cdef int single
    cdef Py_ssize_t sequences, longest, item
    cdef Pace pace
    cdef const int64_t* offsets
    cdef const int64_t* order
    cdef object kept

    cdef int take(self, emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
                  const double[::1] start, const double[::1] end) except -1:
        cdef Py_ssize_t L = transitions.shape[0], lanes = FC_W
        cdef Py_ssize_t padded = (L + lanes - 1) // lanes * lanes
        cdef double[::1] tables = np.empty(4 * L * padded)
        lengths = np.diff(offsets)
        cdef const int64_t[::1] order = np.argsort(-lengths, kind="stable").astype(np.int64)
        cdef const float[:, ::1] f
        cdef const double[:, ::1] d
        self.kept = (emissions, offsets, transitions, start, end, tables, order)
        self.single = emissions.dtype == np.float32
        self.item = 4 if self.single else 8
        self.rows = NULL
        if emissions.shape[0]:
            if self.single:
                f = emissions
                self.rows = <const char*>&f[0, 0]
            else:
                d = emissions
                self.rows = <const char*>&d[0, 0]
        self.sequences = order.shape[0]
        self.longest = lengths.max(initial=0)
        self.offsets = &offsets[0]
        self.order = &order[0] if self.sequences else NULL
        self.model.labels = L
        self.model.padded = padded
        self.model.start = &start[0]
        self.model.end = &end[0]
        fc_model(&self.model, &transitions[0, 0], &tables[0])
        self.pace = new_pace()
        return 0

    cdef inline Py_ssize_t length(self, Py_ssize_t s) noexcept nogil:
        return self.offsets[s + 1] - self.offsets[s]

    cdef inline const char* first(self, Py_ssize_t s) noexcept nogil:
        return self.rows + self.offsets[s] * self.model.labels * self.item

    cdef inline int spend(self, Py_ssize_t work) except -1 nogil:
        # A multiplication is a small part of a nanosecond.
        return spend(&self.pace, work >> 4)

    cdef inline Py_ssize_t steps(self, Py_ssize_t price) noexcept nogil:
        # How many steps at that price (times L * (L + 16)) are one stretch.
        cdef Py_ssize_t cost = price * self.model.labels * (self.model.labels + 16)
        return max(<Py_ssize_t>1, BUDGET // cost)

    cdef Py_ssize_t gather(self, Py_ssize_t i, Py_ssize_t columns, FcGroup* group) noexcept nogil:
        # Put sequences i, i + 1, ... of the order into lanes; 0 if they are better computed one at a time.
        cdef Py_ssize_t k, s, total = 0, longest = self.length(self.order[i])
        cdef Py_ssize_t count = min(<Py_ssize_t>FC_W, self.sequences - i)
        if longest == 0 or FC_W == 1 or longest * self.model.labels * FC_W * 8 * columns > GROUP_BYTES:
            return 0
        while count and self.length(self.order[i + count - 1]) == 0:
            count -= 1
        for k in range(FC_W):
            if k < count:
                s = self.order[i + k]
                group.rows[k] = self.first(s)
                group.length[k] = self.length(s)
                total += group.length[k]
            else:
                group.rows[k] = NULL
                group.length[k] = 0
        if count == 1 or 4 * total < longest * FC_W:
            return 0
        group.longest = longest
        group.shortest = group.length[count - 1] if count == FC_W else 0
        fc_group_start(group)
        return count

    cdef double log_forward(self, Py_ssize_t s, double* alpha, double* spare) except? -1 nogil:
        # Log forward columns (length, labels) of sequence s; returns its log-partition. Spare: 2 * padded.
        cdef Py_ssize_t length = self.length(s), t = 0, block = self.steps(LOG_PRICE)
        if length == 0:
            return 0.0
        while t < length:
            fc_log_forward(&self.model, self.first(s), self.single, length, t, min(t + block, length), alpha,
                           spare)
            t += block
            self.spend(BUDGET if t < length else (length % block) * BUDGET // block)
        return fc_log_row_sum(alpha + (length - 1) * self.model.labels, self.model.labels)

    cdef int log_backward(self, Py_ssize_t s, double* beta, double* spare) except -1 nogil:
        cdef Py_ssize_t length = self.length(s), t = length, block = self.steps(LOG_PRICE)
        while t > 0:
            fc_log_backward(&self.model, self.first(s), self.single, length, max(t - block, 0), t, beta, spare)
            t -= block
            self.spend(BUDGET if t > 0 else (length % block) * BUDGET // block)
        return 0

    cdef int row_forward(self, Py_ssize_t s, int keep, double* alpha, double* weights, double* spare,
                         FcScale* scale) except -1 nogil:
        cdef Py_ssize_t length = self.length(s), t = 0, block = self.steps(1)
        memset(scale, 0, sizeof(FcScale))
        while t < length:
            fc_row_forward(&self.model, self.first(s), self.single, length, t, min(t + block, length), keep,
                           alpha, weights, spare, scale)
            t += block
            self.spend(BUDGET if t < length else (length % block) * BUDGET // block)
        return 0

    cdef int row_backward(self, Py_ssize_t s, double* alpha, const double* weights, double* beta, double* spare,
                          double* counts, FcScale* scale) except -1 nogil:
        cdef Py_ssize_t length = self.length(s), t = length, block = self.steps(2)
        while t > 0:
            fc_row_backward(&self.model, length, max(t - block, 0), t, alpha, weights, beta, spare, counts, scale)
            t -= block
            self.spend(BUDGET if t > 0 else (length % block) * BUDGET // block)
        return 0

    cdef int lane_forward(self, FcGroup* group, int keep, double* alpha, double* weights,
                          double* spare) except -1 nogil:
        cdef Py_ssize_t t = 0, block = self.steps(FC_W)
        while t < group.longest:
            fc_lane_forward(&self.model, group, self.single, t, min(t + block, group.longest), keep, alpha, weights,
                            spare)
            t += block
            self.spend(BUDGET if t < group.longest else (group.longest % block) * BUDGET // block)
        return 0

    cdef int lane_backward(self, FcGroup* group, double* alpha, const double* weights, double* beta, double* spare,
                           double* counts) except -1 nogil:
        cdef Py_ssize_t t = group.longest, block = self.steps(2 * FC_W), k
        for k in range(FC_W):
            group.lost[k] = 0.0
        while t > 0:
            fc_lane_backward(&self.model, group, max(t - block, 0), t, alpha, weights, beta, spare, counts)
            t -= block
            self.spend(BUDGET if t > 0 else (group.longest % block) * BUDGET // block)
        return 0


cdef inline dtype_of(int single):
    return np.float32 if single else np.float64


def log_partition(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
                  const double[::1] start, const double[::1] end):
    """Log of the sum over all paths of exp(score), one a sequence."""
    cdef _Batch batch = _Batch()
    batch.take(emissions.base, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, i = 0, k, s, count
    result = np.empty(batch.sequences, dtype=dtype_of(batch.single))
    cdef real[::1] found = result
    cdef double[::1] memory = np.zeros((3 * FC_W + 2) * P)
    cdef double* spare = &memory[P * FC_W]
    cdef double* weights = &memory[2 * P * FC_W]
    cdef double[::1] columns = np.empty(0)
    cdef FcGroup group
    cdef FcScale scale
    with nogil:
        while i < batch.sequences:
            count = batch.gather(i, 0, &group) if batch.model.usable else 0
            if count:
                batch.lane_forward(&group, 0, &memory[0], weights, spare)
            for k in range(max(count, <Py_ssize_t>1)):
                s = batch.order[i + k]
                if count:
                    scale = group.done[k]
                    found[s] = <real>fc_log_partition(&batch.model, group.sum[k], group.length[k], &scale)
                elif batch.length(s) == 0:
                    found[s] = 0.0
                    continue
                elif batch.model.usable:
                    batch.row_forward(s, 0, &memory[0], weights, spare, &scale)
                    found[s] = <real>fc_row_log_partition(&batch.model, &memory[0], batch.length(s), &scale)
                if not batch.model.usable or scale.lost:
                    if columns.shape[0] == 0:
                        with gil:
                            columns = np.empty(batch.longest * L)
                    found[s] = <real>batch.log_forward(s, &columns[0], spare)
            i += max(count, <Py_ssize_t>1)
    return result


def forward(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
            const double[::1] start, const double[::1] end):
    """Log forward variables (N, L); the last row of a sequence includes the end scores."""
    return _log_columns(emissions.base, offsets, transitions, start, end, False)


def backward(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
             const double[::1] start, const double[::1] end):
    """Log backward variables (N, L); the last row of a sequence is zero."""
    return _log_columns(emissions.base, offsets, transitions, start, end, True)


def forward_scaled(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
                   const double[::1] start, const double[::1] end):
    """Forward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    return _scaled_rows(_log_columns(emissions.base, offsets, transitions, start, end, False, np.float64),
                        emissions.base.dtype)


def backward_scaled(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
                    const double[::1] start, const double[::1] end):
    """Backward variables scaled to rows that sum to 1, and the log of what each row was divided by."""
    return _scaled_rows(_log_columns(emissions.base, offsets, transitions, start, end, True, np.float64),
                        emissions.base.dtype)


cdef _log_columns(emissions, const int64_t[::1] offsets, const double[:, ::1] transitions, const double[::1] start,
                  const double[::1] end, bint reverse, dtype=None):
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, s
    columns = np.empty((emissions.shape[0], L))
    cdef double[:, ::1] out = columns
    cdef double[::1] spare = np.empty(2 * batch.model.padded)
    with nogil:
        for s in range(batch.sequences):
            if batch.length(s) == 0:
                continue
            if reverse:
                batch.log_backward(s, &out[batch.offsets[s], 0], &spare[0])
            else:
                batch.log_forward(s, &out[batch.offsets[s], 0], &spare[0])
    return columns.astype(dtype or emissions.dtype, copy=False)


cdef _scaled_rows(columns, dtype):
    cdef double[:, ::1] rows = columns
    cdef Py_ssize_t n = rows.shape[0], L = rows.shape[1], t, j
    scales = np.empty(n)
    cdef double[::1] scale = scales
    cdef Pace pace = new_pace()
    with nogil:
        for t in range(n):
            scale[t] = fc_log_row_sum(&rows[t, 0], L)
            for j in range(L):
                rows[t, j] = exp(rows[t, j] - scale[t]) if scale[t] > -INFINITY else 0.0
            spend(&pace, 8 * L)
    return columns.astype(dtype, copy=False), scales.astype(dtype, copy=False)


def path_score(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
               const double[::1] start, const double[::1] end, const int64_t[::1] paths):
    """Score of one given path a sequence."""
    cdef Py_ssize_t n = offsets.shape[0] - 1, s, t, a, b
    result = np.empty(n, dtype=np.float32 if real is float else np.float64)
    cdef real[::1] found = result
    cdef double score, step
    cdef Pace pace = new_pace()
    with nogil:
        for s in range(n):
            spend(&pace, 8)
            a = offsets[s]
            b = offsets[s + 1]
            score = 0.0
            for t in range(a, b):
                if t > a:
                    score += transitions[paths[t - 1], paths[t]]
                step = emissions[t, paths[t]]
                if t == a:
                    step += start[paths[t]]
                if t == b - 1:
                    step += end[paths[t]]
                score += step
                if t % 4096 == 4095:
                    spend(&pace, 4 * 4096)
            found[s] = <real>score
    return result


def viterbi(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
            const double[::1] start, const double[::1] end):
    """Best path and its score; of equal ones the smallest label, decided from the end."""
    cdef _Batch batch = _Batch()
    batch.take(emissions.base, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, i = 0, k, s, count, t, block, size = 0
    labels = np.empty(emissions.shape[0], dtype=np.int64)
    result = np.empty(batch.sequences, dtype=dtype_of(batch.single))
    cdef int64_t[::1] paths = labels
    cdef real[::1] found = result
    cdef double[::1] best = np.empty(0)
    cdef FcGroup group
    with nogil:
        while i < batch.sequences:
            s = batch.order[i]
            count = batch.gather(i, 1, &group)
            # The order is by falling length, but lanes give way to rows and back: room for either.
            size = batch.length(s) * max(P, L * FC_W if count else 0)
            if size > best.shape[0]:
                with gil:
                    best = np.empty(size)
            t = 0
            if count:
                block = batch.steps(FC_W)
                while t < group.longest:
                    fc_lane_viterbi(&batch.model, &group, batch.single, t, min(t + block, group.longest), &best[0])
                    t += block
                    batch.spend(BUDGET if t < group.longest else (group.longest % block) * BUDGET // block)
                for k in range(count):
                    s = batch.order[i + k]
                    found[s] = <real>fc_trace_back(&batch.model, &best[k], group.length[k], L * FC_W, FC_W,
                                                   &paths[batch.offsets[s]])
                i += count
                continue
            i += 1
            if batch.length(s) == 0:
                found[s] = 0.0
                continue
            block = batch.steps(1)
            while t < batch.length(s):
                fc_row_viterbi(&batch.model, batch.first(s), batch.single, batch.length(s), t,
                               min(t + block, batch.length(s)), &best[0])
                t += block
                batch.spend(BUDGET if t < batch.length(s) else (batch.length(s) % block) * BUDGET // block)
            found[s] = <real>fc_trace_back(&batch.model, &best[0], batch.length(s), P, 1, &paths[batch.offsets[s]])
    return labels, result


def marginals(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
              const double[::1] start, const double[::1] end, bint total):
    """Posterior label probabilities (N, L), expected transition counts, log-partition."""
    cdef _Batch batch = _Batch()
    batch.take(emissions.base, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, W = FC_W, i = 0, j, k, m, s, t, count
    cdef Py_ssize_t size = 0, needed, length, into
    dtype = dtype_of(batch.single)
    node_array = np.empty((emissions.shape[0], L), dtype=dtype)
    count_array = np.zeros((1 if total else batch.sequences, L, L))
    result = np.empty(batch.sequences, dtype=dtype)
    cdef real[:, ::1] nodes = node_array
    cdef double[:, :, ::1] counts = count_array
    cdef real[::1] found = result
    cdef double[::1] small = np.zeros((2 * P + L * P) * W)
    cdef double* beta = &small[0]
    cdef double* spare = &small[P * W]
    cdef double* sums = &small[2 * P * W]
    cdef double[::1] alpha = np.empty(0)
    cdef double[::1] weights = np.empty(0)
    cdef FcGroup group
    cdef FcScale scale
    cdef double log_z = 0.0
    with nogil:
        while i < batch.sequences:
            s = batch.order[i]
            count = batch.gather(i, 2, &group) if batch.model.usable else 0
            needed = batch.length(s) * max(P, L * W if count else 0)
            if needed > size:
                size = needed
                with gil:
                    alpha = weights = None
                    alpha = np.empty(size)
                    weights = np.empty(size)
            if count:
                memset(sums, 0, L * L * W * sizeof(double))
                batch.lane_forward(&group, 1, &alpha[0], &weights[0], spare)
                batch.lane_backward(&group, &alpha[0], &weights[0], beta, spare, sums)
                for k in range(count):
                    s = batch.order[i + k]
                    if group.done[k].lost or group.lost[k] > 0.0:
                        group.done[k].lost = 1
                        continue
                    scale = group.done[k]
                    found[s] = <real>fc_log_partition(&batch.model, group.sum[k], group.length[k], &scale)
                    into = batch.offsets[s]
                    for t in range(group.length[k]):
                        for j in range(L):
                            nodes[into + t, j] = <real>alpha[(t * L + j) * W + k]
                    into = 0 if total else s
                    for j in range(L):
                        for m in range(L):
                            counts[into, j, m] += sums[(j * L + m) * W + k] * batch.model.exp_trans[j * P + m]
                # Last, because it overwrites the group's columns.
                for k in range(count):
                    if group.done[k].lost:
                        _log_marginals(batch, batch.order[i + k], &alpha[0], &weights[0], beta, sums, nodes, counts,
                                       found, total)
                i += count
                continue
            i += 1
            length = batch.length(s)
            if length == 0:
                found[s] = 0.0
                continue
            if batch.model.usable:
                memset(sums, 0, L * P * sizeof(double))
                batch.row_forward(s, 1, &alpha[0], &weights[0], spare, &scale)
                log_z = fc_row_log_partition(&batch.model, &alpha[(length - 1) * P], length, &scale)
                batch.row_backward(s, &alpha[0], &weights[0], beta, spare, sums, &scale)
            if not batch.model.usable or scale.lost:
                _log_marginals(batch, s, &alpha[0], &weights[0], beta, sums, nodes, counts, found, total)
                continue
            found[s] = <real>log_z
            into = batch.offsets[s]
            for t in range(length):
                for j in range(L):
                    nodes[into + t, j] = <real>alpha[t * P + j]
            into = 0 if total else s
            for j in range(L):
                for m in range(L):
                    counts[into, j, m] += sums[j * P + m] * batch.model.exp_trans[j * P + m]
    return node_array, count_array.astype(dtype, copy=False), result


cdef int _log_marginals(_Batch batch, Py_ssize_t s, double* alpha, double* beta, double* spare, double* sums,
                        real[:, ::1] nodes, double[:, :, ::1] counts, real[::1] found, bint total) except -1 nogil:
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, t = 0, j, m, into
    cdef Py_ssize_t length = batch.length(s), block = batch.steps(LOG_PRICE)
    cdef double log_z = batch.log_forward(s, alpha, spare)
    batch.log_backward(s, beta, spare)
    memset(sums, 0, L * P * sizeof(double))
    while t < length:
        fc_log_marginals(&batch.model, batch.first(s), batch.single, length, t, min(t + block, length), log_z, alpha,
                         beta, spare, sums)
        t += block
        batch.spend(BUDGET if t < length else (length % block) * BUDGET // block)
    found[s] = <real>log_z
    into = batch.offsets[s]
    for t in range(length):
        for j in range(L):
            nodes[into + t, j] = <real>alpha[t * L + j]
    into = 0 if total else s
    for j in range(L):
        for m in range(L):
            counts[into, j, m] += sums[j * P + m]
    return 0


def entropy(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
            const double[::1] start, const double[::1] end):
    """Entropy of each sequence's distribution over paths in nats; NaN without a legal path."""
    cdef _Batch batch = _Batch()
    batch.take(emissions.base, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, s, t, j, length
    result = np.empty(batch.sequences, dtype=dtype_of(batch.single))
    cdef real[::1] found = result
    cdef double[::1] columns = np.empty(batch.longest * L + 1)
    cdef double[::1] small = np.zeros(3 * L + 2 * P)
    cdef double* h = &small[0]
    cdef double* after = &small[L]
    cdef double* zeros = &small[2 * L]
    cdef double* spare = &small[3 * L]
    cdef double log_z
    with nogil:
        for s in range(batch.sequences):
            length = batch.length(s)
            batch.spend(64)
            if length == 0:
                found[s] = 0.0
                continue
            log_z = batch.log_forward(s, &columns[0], spare)
            if log_z == -INFINITY:
                found[s] = NAN
                continue
            for j in range(L):
                h[j] = 0.0
            for t in range(length - 1):
                for j in range(L):
                    after[j] = _mixed(&columns[t * L], batch.model.trans + j, P, h, L)
                memcpy(h, after, L * sizeof(double))
                batch.spend(LOG_PRICE * L * L)
            found[s] = <real>_mixed(&columns[(length - 1) * L], zeros, 1, h, L)
    return result


cdef double _mixed(const double* a, const double* b, Py_ssize_t stride, const double* h,
                   Py_ssize_t L) noexcept nogil:
    # Entropy of a mixture of parts with log weights a + b and own entropies h.
    cdef double most = -INFINITY, weight = 0.0, total = 0.0, x, w
    cdef Py_ssize_t i
    for i in range(L):
        most = max(most, a[i] + b[i * stride])
    if most == -INFINITY:
        return 0.0
    for i in range(L):
        x = a[i] + b[i * stride] - most
        if x > -INFINITY:
            w = exp(x)
            weight += w
            total += w * (h[i] - x)
    return total / weight + log(weight)


def viterbi_nbest(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
                  const double[::1] start, const double[::1] end, Py_ssize_t n):
    """The n best paths (n, N) and scores (S, n); of equal ones the smaller label first, decided from the end."""
    cdef _Batch batch = _Batch()
    batch.take(emissions.base, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, s, t, j, k, length, choice, label, into
    labels = np.full((n, emissions.shape[0]), -1, dtype=np.int64)
    result = np.full((batch.sequences, n), -np.inf, dtype=dtype_of(batch.single))
    cdef int64_t[:, ::1] paths = labels
    cdef real[:, ::1] found = result
    # Per label its n best scores, falling; where each came from is previous label * n + rank.
    cdef double[::1] memory = np.empty((2 * L + 1) * n + L)
    cdef double* last = &memory[0]
    cdef double* now = &memory[L * n]
    cdef double* into_score = &memory[2 * L * n]
    cdef double* row = &memory[(2 * L + 1) * n]
    cdef double* swap
    cdef double* zeros
    cdef double[::1] nothing = np.zeros(L)
    cdef int64_t[:, ::1] back = np.empty((batch.longest, L * n), dtype=np.int64)
    cdef int64_t[::1] head = np.empty(L, dtype=np.int64)
    cdef int64_t[::1] chosen = np.empty(n, dtype=np.int64)
    zeros = &nothing[0]
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
                    _merge(last, batch.model.trans + j, P, L, n, &head[0], now + j * n, &back[t, j * n])
                    for k in range(n):
                        now[j * n + k] += row[j]
                swap = last
                last = now
                now = swap
                batch.spend(L * L * n)
            _merge(last, zeros, 1, L, n, &head[0], into_score, &chosen[0])
            for k in range(n):
                if into_score[k] == -INFINITY:
                    break
                found[s, k] = <real>into_score[k]
                choice = chosen[k]
                batch.spend(16 * length)
                for t in range(length - 1, -1, -1):
                    label = choice // n
                    paths[k, into + t] = label
                    if t:
                        choice = back[t, choice]
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


def sample(const real[:, ::1] emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
           const double[::1] start, const double[::1] end, Py_ssize_t size, const uint64_t[::1] key,
           Py_ssize_t first):
    """Draw `size` paths a sequence, (size, N), -1 without a legal path."""
    cdef _Batch batch = _Batch()
    batch.take(emissions.base, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, s, t, k, length, label, into
    labels = np.full((size, emissions.shape[0]), -1, dtype=np.int64)
    cdef int64_t[:, ::1] paths = labels
    cdef double[::1] columns = np.empty(batch.longest * L + 1)
    cdef double[::1] small = np.zeros(2 * L + 2 * P)
    cdef double* weights = &small[0]
    cdef double* zeros = &small[L]
    cdef double* spare = &small[2 * L]
    cdef Rng rng
    with nogil:
        for s in range(batch.sequences):
            length = batch.length(s)
            if length == 0 or batch.log_forward(s, &columns[0], spare) == -INFINITY:
                continue
            into = batch.offsets[s]
            for k in range(size):
                rng = rng_stream(&key[0], (first + s) * size + k)
                label = -1
                for t in range(length - 1, -1, -1):
                    if label < 0:
                        label = _draw(&columns[t * L], zeros, 1, L, weights, next_double(&rng))
                    else:
                        label = _draw(&columns[t * L], batch.model.trans + label, P, L, weights, next_double(&rng))
                    paths[k, into + t] = label
                    batch.spend(20 * L)
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
