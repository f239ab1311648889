# Included by chain.pyx: the recursions of the C headers, and the batch that all kernels run them over.
cdef extern from "float_mode.h" nogil:
    unsigned int fastcore_keep_subnormals()
    void fastcore_restore_subnormals(unsigned int flushes)

cdef extern from "wide.h" nogil:
    enum:
        FC_W

    ctypedef struct FcModel:
        Py_ssize_t labels
        Py_ssize_t padded
        const double* start
        const double* end
        double* exp_trans
        double* trans
        double* wide
        int watched
        int usable

    ctypedef struct FcScale:
        int lost

    ctypedef struct FcGroup:
        const char* rows[FC_W]
        Py_ssize_t length[FC_W]
        Py_ssize_t longest
        Py_ssize_t shortest
        double sum[FC_W]
        double lost[FC_W]
        FcScale done[FC_W]

    void fc_model(FcModel* model, const double* transitions, double* memory)
    void fc_scores(const FcModel* model, const void* emissions, int single, Py_ssize_t t, Py_ssize_t length,
                   Py_ssize_t stride, double* out)
    void fc_add_one(double* total, double* rest, double x)
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
    void fc_settle(double* sums, Py_ssize_t size)
    void fc_group_start(FcGroup* group)
    void fc_lane_forward(const FcModel* model, FcGroup* group, int single, Py_ssize_t t0, Py_ssize_t t1, int keep,
                         double* alpha, double* weights, double* spare)
    void fc_lane_backward(const FcModel* model, FcGroup* group, Py_ssize_t t0, Py_ssize_t t1, double* alpha,
                          const double* weights, double* beta, double* spare, double* counts)
    void fc_lane_viterbi(const FcModel* model, const FcGroup* group, int single, Py_ssize_t t0, Py_ssize_t t1,
                         double* best)
    void fc_wide_model(FcModel* model, double* memory)
    void fc_wide_forward(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                         Py_ssize_t t1, int keep, double* man, double* twos, double* spare, FcScale* scale,
                         double* out, double* log_scales)
    void fc_wide_backward(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                          Py_ssize_t t1, double* man, const double* twos, double* state, double* counts,
                          FcScale* scale, double* out, double* log_scales)
    double fc_wide_sum(const FcModel* model, const double* man, const double* twos)
    void fc_wide_logs(const FcModel* model, const double* man, const double* twos, double* out)

cdef enum:
    BUDGET = 4000000      # multiplications in one stretch of steps: about a millisecond
    WIDE_PRICE = 8        # what a step on wide numbers costs against a scaled one
    LOG_PRICE = 40        # what a step of logs and exponentials costs
    GROUP_BYTES = 33554432  # columns of a group of lanes; longer sequences are computed one at a time


cdef class _Batch:
    # What all recursions need: the batch, the model's tables, an order of the sequences by falling length.
    cdef FcModel model
    cdef const char* rows
    cdef int single
    cdef Py_ssize_t sequences, longest, total, item
    cdef Pace pace
    cdef const int64_t* offsets
    cdef const int64_t* order
    cdef double* pair      # room for two columns of wide numbers
    cdef double* spare     # what the wide recursions keep between calls
    cdef Pool pool
    cdef unsigned int flushes
    # What the pointers above lead to stays alive with these.
    cdef const double[:, ::1] rows64, kept_transitions
    cdef const float[:, ::1] rows32
    cdef const double[::1] kept_start, kept_end
    cdef const int64_t[::1] kept_offsets, kept_order

    def __cinit__(self):
        self.flushes = fastcore_keep_subnormals()

    def __dealloc__(self):
        fastcore_restore_subnormals(self.flushes)
        free_all(&self.pool)

    cdef double* room(self, Py_ssize_t count) except NULL nogil:
        # Zeroed numbers that live as long as the batch.
        return <double*>zeros(&self.pool, count, sizeof(double))

    cdef int take(self, emissions, const int64_t[::1] offsets, const double[:, ::1] transitions,
                  const double[::1] start, const double[::1] end) except -1:
        cdef Py_ssize_t L = transitions.shape[0], lanes = FC_W, s
        cdef Py_ssize_t padded = (L + lanes - 1) // lanes * lanes
        self.kept_offsets, self.kept_transitions, self.kept_start, self.kept_end = offsets, transitions, start, end
        self.item = emissions.itemsize
        self.single = self.item == 4
        self.rows = NULL
        if self.single:
            self.rows32 = emissions
            self.total = self.rows32.shape[0]
            if self.total:
                self.rows = <const char*>&self.rows32[0, 0]
        else:
            self.rows64 = emissions
            self.total = self.rows64.shape[0]
            if self.total:
                self.rows = <const char*>&self.rows64[0, 0]
        self.sequences = offsets.shape[0] - 1
        self.offsets = &offsets[0]
        self.longest = 0
        for s in range(self.sequences):
            self.longest = max(self.longest, self.length(s))
        self.order = NULL
        if self.sequences == 1:
            self.order = <int64_t*>zeros(&self.pool, 1, sizeof(int64_t))
        elif self.sequences:
            self.kept_order = np.argsort(-np.diff(offsets), kind="stable").astype(np.int64, copy=False)
            self.order = &self.kept_order[0]
        self.model.labels = L
        self.model.padded = padded
        self.model.start = &start[0]
        self.model.end = &end[0]
        fc_model(&self.model, &transitions[0, 0], self.room(4 * L * padded))
        self.pace = new_pace()
        return 0

    cdef inline Py_ssize_t length(self, Py_ssize_t s) noexcept nogil:
        return self.offsets[s + 1] - self.offsets[s]

    cdef inline const char* first(self, Py_ssize_t s) noexcept nogil:
        return self.rows + self.offsets[s] * self.model.labels * self.item

    cdef cast(self, array):
        # What has a value a step, in the emissions' type.
        return array.astype(np.float32) if self.single else array

    cdef inline int spent(self, Py_ssize_t work) except -1 nogil:
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

    cdef int widen(self) except -1 nogil:
        # Make the tables of wide numbers, when a sequence first needs them.
        cdef Py_ssize_t L = self.model.labels, P = self.model.padded
        cdef double* memory
        if self.model.wide != NULL:
            return 0
        memory = self.room(4 * L * P + (6 + L) * P + 4 * P)
        fc_wide_model(&self.model, memory)
        self.spare = memory + 4 * L * P
        self.pair = self.spare + (6 + L) * P
        return 0

    cdef int wide_forward(self, Py_ssize_t s, int keep, double* man, double* twos, FcScale* scale, double* out=NULL,
                          double* log_scales=NULL) except -1 nogil:
        cdef Py_ssize_t length = self.length(s), t = 0, block = self.steps(WIDE_PRICE)
        self.widen()
        memset(scale, 0, sizeof(FcScale))
        while t < length:
            fc_wide_forward(&self.model, self.first(s), self.single, length, t, min(t + block, length), keep, man,
                            twos, self.spare, scale, out, log_scales)
            t += block
            self.spent(BUDGET if t < length else (length % block) * BUDGET // block)
        return 0

    cdef int wide_backward(self, Py_ssize_t s, double* man, const double* twos, double* counts, double* out=NULL,
                           double* log_scales=NULL) except -1 nogil:
        cdef Py_ssize_t length = self.length(s), t = length, block = self.steps(WIDE_PRICE)
        cdef FcScale scale
        self.widen()
        memset(&scale, 0, sizeof(FcScale))
        while t > 0:
            fc_wide_backward(&self.model, self.first(s), self.single, length, max(t - block, 0), t, man, twos,
                             self.spare, counts, &scale, out, log_scales)
            t -= block
            self.spent(BUDGET if t > 0 else (length % block) * BUDGET // block)
        return 0

    cdef double wide_log_partition(self, Py_ssize_t s) except? -1 nogil:
        cdef Py_ssize_t P = self.model.padded, last = (self.length(s) - 1) & 1
        cdef FcScale scale
        self.widen()
        self.wide_forward(s, 0, self.pair, self.pair + 2 * P, &scale)
        return fc_log_partition(&self.model, fc_wide_sum(&self.model, self.pair + last * P, self.pair + (2 + last) * P),
                                self.length(s), &scale)

    cdef int log_columns(self, Py_ssize_t s, double* columns, double* twos) except -1 nogil:
        # Log forward columns (length, padded), each less its own divisor; 0 if there is no legal path.
        cdef Py_ssize_t P = self.model.padded, length = self.length(s), t
        cdef FcScale scale
        self.wide_forward(s, 1, columns, twos, &scale)
        if fc_wide_sum(&self.model, columns + (length - 1) * P, twos + (length - 1) * P) == 0.0:
            return 0
        for t in range(length):
            fc_wide_logs(&self.model, columns + t * P, twos + t * P, columns + t * P)
        return 1

    cdef int row_forward(self, Py_ssize_t s, int keep, double* alpha, double* weights, double* spare,
                         FcScale* scale) except -1 nogil:
        cdef Py_ssize_t length = self.length(s), t = 0, block = self.steps(1)
        memset(scale, 0, sizeof(FcScale))
        while t < length:
            fc_row_forward(&self.model, self.first(s), self.single, length, t, min(t + block, length), keep,
                           alpha, weights, spare, scale)
            t += block
            self.spent(BUDGET if t < length else (length % block) * BUDGET // block)
        return 0

    cdef int row_backward(self, Py_ssize_t s, double* alpha, const double* weights, double* beta, double* spare,
                          double* counts, FcScale* scale) except -1 nogil:
        cdef Py_ssize_t length = self.length(s), t = length, block = self.steps(2)
        while t > 0:
            fc_row_backward(&self.model, length, max(t - block, 0), t, alpha, weights, beta, spare, counts, scale)
            t -= block
            self.spent(BUDGET if t > 0 else (length % block) * BUDGET // block)
        return 0

    cdef int lane_forward(self, FcGroup* group, int keep, double* alpha, double* weights,
                          double* spare) except -1 nogil:
        cdef Py_ssize_t t = 0, block = self.steps(FC_W)
        while t < group.longest:
            fc_lane_forward(&self.model, group, self.single, t, min(t + block, group.longest), keep, alpha, weights,
                            spare)
            t += block
            self.spent(BUDGET if t < group.longest else (group.longest % block) * BUDGET // block)
        return 0

    cdef int lane_backward(self, FcGroup* group, double* alpha, const double* weights, double* beta, double* spare,
                           double* counts) except -1 nogil:
        cdef Py_ssize_t t = group.longest, block = self.steps(2 * FC_W), k
        for k in range(FC_W):
            group.lost[k] = 0.0
        while t > 0:
            fc_lane_backward(&self.model, group, max(t - block, 0), t, alpha, weights, beta, spare, counts)
            t -= block
            self.spent(BUDGET if t > 0 else (group.longest % block) * BUDGET // block)
        return 0
