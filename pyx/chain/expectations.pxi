# Included by chain.pyx: expectations over paths, summed over the steps or step by step.

cdef class _Expectations:
    # What `marginals` fills, and the columns it works in, as long as the longest sequence so far.
    cdef _Batch batch
    cdef object node_array, count_array, log_array, pair_array
    cdef char* nodes
    cdef char* pairs       # NULL unless each step's are asked for
    cdef double[:, :, ::1] counts
    cdef double[::1] found
    cdef double* alpha
    cdef double* weights
    cdef double* beta
    cdef double* spare
    cdef double* sums
    cdef double* lanes     # sums of groups
    cdef double* parts     # sums of pairs, of few steps and of many
    cdef bint total, joint
    cdef Py_ssize_t room, since

    cdef int take(self, _Batch batch, bint total) except -1:
        cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, W = FC_W
        self.pairs = NULL
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
        self.parts = batch.room(2 * L * L)
        self.spare = self.beta + P * W
        self.sums = self.beta + 2 * P * W
        self.lanes = self.sums + 2 * L * P * W
        return 0

    cdef int take_pairs(self) except -1:
        # Make room for each step's pairs of labels.
        cdef Py_ssize_t L = self.batch.model.labels, count
        cdef float[:, :, ::1] pairs32
        cdef double[:, :, ::1] pairs64
        self.batch.count_before()
        count = self.batch.total - self.batch.before[self.batch.sequences]
        self.pair_array = np.zeros((count, L, L), dtype=np.float32 if self.batch.single else np.float64)
        if count and self.batch.single:
            pairs32 = self.pair_array
            self.pairs = <char*>&pairs32[0, 0, 0]
        elif count:
            pairs64 = self.pair_array
            self.pairs = <char*>&pairs64[0, 0, 0]
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
        self.batch.lane_forward(group, 1, self.alpha, self.weights)
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
        cdef Py_ssize_t L = self.batch.model.labels, P = self.batch.model.padded
        cdef Py_ssize_t i, j, into = 0 if self.total else s
        cdef FcScale scale
        memset(self.sums, 0, 2 * L * P * sizeof(double))
        self.batch.wide_forward(s, 1, self.alpha, self.weights, &scale)
        self.found[s] = self.wide_sum(s, &scale)
        self.batch.wide_backward(s, self.alpha, self.weights, self.sums)
        self.put_nodes(s, self.alpha, P, 1)
        for i in range(L):
            for j in range(L):
                self.counts[into, i, j] += self.sums[j * P + i] + self.sums[(L + j) * P + i]
        return 0

    cdef int step_by_step(self, Py_ssize_t s) except -1 nogil:
        # Like `one`, with the pairs of each step.
        cdef Py_ssize_t P = self.batch.model.padded, L = self.batch.model.labels, length = self.batch.length(s), t, i
        cdef double* counts = &self.counts[0 if self.total else s, 0, 0]
        cdef FcScale scale
        cdef bint kept
        self.batch.begin(s)
        kept = self.batch.model.usable
        if kept:
            memset(self.parts, 0, 2 * L * L * sizeof(double))
            self.batch.row_forward(s, 1, self.alpha, self.weights, self.spare, &scale)
            self.found[s] = fc_row_log_partition(&self.batch.model, self.alpha + (length - 1) * P, length, &scale)
            for t in range(length - 1, -1, -1):
                memset(self.sums, 0, 2 * L * P * sizeof(double))
                self.batch.row_back(s, t, t + 1, self.alpha, self.weights, self.beta, self.spare, self.sums, &scale)
                if t < length - 1:
                    self.put_pair(s, t + 1, self.batch.model.exp_trans, P, 1)
            kept = not scale.lost
        if not kept:
            memset(self.parts, 0, 2 * L * L * sizeof(double))
            self.batch.wide_forward(s, 1, self.alpha, self.weights, &scale)
            self.found[s] = self.wide_sum(s, &scale)
            memset(&scale, 0, sizeof(FcScale))
            for t in range(length - 1, -1, -1):
                memset(self.sums, 0, 2 * L * P * sizeof(double))
                self.batch.wide_back(s, t, t + 1, self.alpha, self.weights, self.sums, &scale, NULL, NULL)
                if t < length - 1:
                    self.put_pair(s, t + 1, NULL, 1, P)
        self.put_nodes(s, self.alpha, P, 1)
        for i in range(L * L):
            counts[i] += self.parts[i] + self.parts[L * L + i]
        return 0

    cdef double wide_sum(self, Py_ssize_t s, const FcScale* scale) noexcept nogil:
        # The log-partition at the end of `wide_forward`.
        cdef Py_ssize_t P = self.batch.model.padded, last = self.batch.length(s) - 1
        return fc_log_partition(
            &self.batch.model, fc_wide_sum(&self.batch.model, self.alpha + last * P, self.weights + last * P), last + 1,
            scale)

    cdef void put_pair(self, Py_ssize_t s, Py_ssize_t t, const double* factors, Py_ssize_t row,
                       Py_ssize_t step) noexcept nogil:
        # The sums of the move to step t, added to all steps'; of labels i and j they are at i * row + j * step, as are
        # factors. If pairs are asked for, they go there in the emissions' type.
        cdef Py_ssize_t L = self.batch.model.labels, P = self.batch.model.padded, i, j, at
        cdef char* into = NULL
        cdef double found
        if self.pairs != NULL:
            into = self.pairs + self.batch.move(s, t) * L * L * self.batch.item
        for i in range(L):
            for j in range(L):
                at = i * row + j * step
                found = self.sums[at] + self.sums[L * P + at]
                if factors != NULL:
                    found *= factors[at]
                found = min(found, 1.0)
                self.parts[i * L + j] += found
                if into == NULL:
                    continue
                if self.batch.single:
                    (<float*>into)[i * L + j] = <float>found
                else:
                    (<double*>into)[i * L + j] = found
        if t % 1024 == 0:
            fc_settle(self.parts, L * L)

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


def marginals(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
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
            elif batch.moves == NULL:
                into.one(batch.order[i])
            else:
                into.step_by_step(batch.order[i])
            i += max(count, <Py_ssize_t>1)
        into.finish()
    return into.node_array, into.count_array, into.log_array


def pair_marginals(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
                   const double[::1] end):
    """Posterior label probabilities (N, L), those of each move's two labels (M, L, L), their sums, log-partition."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef _Expectations into = _Expectations()
    into.take(batch, False)
    into.take_pairs()
    cdef Py_ssize_t s
    with nogil:
        into.grow(batch.longest * batch.model.padded)
        for s in range(batch.sequences):
            if batch.length(s):
                into.step_by_step(s)
    return into.node_array, into.pair_array, into.count_array, into.log_array
