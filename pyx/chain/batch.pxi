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

    ctypedef struct FcReach:
        double most
        double least
        int forbidden

    double fc_score(const void* scores, int single, Py_ssize_t i)
    void fc_reach(FcReach* reach, const void* scores, int single, Py_ssize_t begin, Py_ssize_t beyond)
    void fc_place(FcModel* model, double* memory)
    void fc_trust(FcModel* model, const FcReach* reach)
    void fc_fill(const FcModel* model, const void* transitions, int single, int transposed)
    void fc_fill_exp(const FcModel* model, int transposed)
    void fc_fill_wide(const FcModel* model, int transposed)
    void fc_scores(const FcModel* model, const void* emissions, int single, Py_ssize_t t, Py_ssize_t length,
                   Py_ssize_t stride, double* out)
    void fc_add_one(double* total, double* rest, double x)
    void fc_row_forward(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                        Py_ssize_t t1, int keep, double* alpha, double* weights, double* spare, FcScale* scale)
    double fc_log_partition(const FcModel* model, double total, Py_ssize_t length, const FcScale* scale)
    double fc_row_log_partition(const FcModel* model, const double* alpha, Py_ssize_t length, const FcScale* scale)
    void fc_row_backward(const FcModel* model, Py_ssize_t length, Py_ssize_t t0, Py_ssize_t t1, double* alpha,
                         const double* weights, double* beta, double* spare, double* counts, FcScale* scale)
    void fc_best_into(const FcModel* model, const double* last, double* now)
    void fc_row_viterbi(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                        Py_ssize_t t1, double* best)
    Py_ssize_t fc_origin(const double* column, const double* into, Py_ssize_t stride, Py_ssize_t L)
    Py_ssize_t fc_last_label(const double* column, Py_ssize_t step, Py_ssize_t L, double* score)
    double fc_trace_back(const FcModel* model, const double* best, Py_ssize_t length, int64_t* path)
    void fc_settle(double* sums, Py_ssize_t size)
    Py_ssize_t fc_ahead(Py_ssize_t labels)
    void fc_group_start(FcGroup* group)
    void fc_lane_forward(const FcModel* model, FcGroup* group, int single, Py_ssize_t t0, Py_ssize_t t1, int keep,
                         double* alpha, double* weights)
    void fc_lane_backward(const FcModel* model, FcGroup* group, Py_ssize_t t0, Py_ssize_t t1, double* alpha,
                          const double* weights, double* beta, double* spare, double* counts)
    void fc_lane_viterbi(const FcModel* model, const FcGroup* group, int single, Py_ssize_t t0, Py_ssize_t t1,
                         double* best)
    void fc_lane_trace_back(const FcModel* model, const FcGroup* group, const double* best, int64_t** paths,
                            double* scores)
    void fc_wide_forward(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                         Py_ssize_t t1, int keep, double* man, double* twos, double* spare, FcScale* scale,
                         double* out, double* log_scales)
    void fc_wide_backward(const FcModel* model, const void* emissions, int single, Py_ssize_t length, Py_ssize_t t0,
                          Py_ssize_t t1, double* man, const double* twos, double* state, double* counts,
                          FcScale* scale, double* out, double* log_scales)
    double fc_wide_sum(const FcModel* model, const double* man, const double* twos)
    void fc_wide_logs(const FcModel* model, const double* man, const double* twos, double* out)

cdef extern from "single.h" nogil:
    enum:
        FS_W

    ctypedef struct FsModel:
        Py_ssize_t padded
        int usable

    ctypedef struct FsGroup:
        const char* rows[FS_W]
        Py_ssize_t length[FS_W]
        Py_ssize_t longest
        Py_ssize_t shortest
        double sum[FS_W]
        FcScale done[FS_W]

    void fs_model(FsModel* single, const FcModel* model, double span, float* memory)
    void fs_row_forward(const FcModel* model, const FsModel* single, const char* emissions, Py_ssize_t length,
                        Py_ssize_t t0, Py_ssize_t t1, float* alpha, FcScale* scale)
    double fs_sum(const float* column, Py_ssize_t labels, Py_ssize_t stride)
    void fs_group_start(FsGroup* group)
    void fs_lane_forward(const FcModel* model, const FsModel* single, FsGroup* group, Py_ssize_t t0, Py_ssize_t t1,
                         float* alpha, float* weights)

cdef enum:
    BUDGET = 4000000      # multiplications in one stretch of steps: about a millisecond
    WIDE_PRICE = 8        # what a step on wide numbers costs against a scaled one
    LOG_PRICE = 40        # what a step of logs and exponentials costs
    GROUP_BYTES = 33554432  # columns of a group of lanes; longer sequences are computed one at a time
    SCALED = 1            # exponentials of transitions
    WIDE = 2              # the same as wide numbers
    BACKWARD = 4          # all of them transposed too


cdef class _Batch:
    # What all recursions need: the batch, the model's tables, an order of the sequences by falling length.
    cdef FcModel model
    cdef double span       # of the transitions, if all steps share them
    cdef const char* rows
    cdef int single
    # Where each step has transitions of its own, the tables hold those of one step: of the one whose turn it is.
    cdef const char* moves
    cdef const int64_t* before  # how many sequences with steps come before each
    cdef double* column         # of one step's transitions
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
    cdef const double[:, :, ::1] moves64
    cdef const float[:, :, ::1] moves32
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

    cdef int take(self, emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
                  const double[::1] end, int tables=SCALED | BACKWARD) except -1:
        cdef Py_ssize_t L = start.shape[0], lanes = FC_W, s
        self.kept_offsets, self.kept_start, self.kept_end = offsets, start, end
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
        self.model.padded = (L + lanes - 1) // lanes * lanes
        self.model.start = &start[0]
        self.model.end = &end[0]
        self.pace = new_pace()
        self.take_transitions(transitions, tables)
        return 0

    cdef int take_transitions(self, transitions, int tables) except -1:
        cdef Py_ssize_t L = self.model.labels, count
        cdef FcReach reach = FcReach(-INFINITY, INFINITY, 0)
        fc_place(&self.model, self.room(4 * L * self.model.padded))
        self.moves = NULL
        if transitions.ndim == 2:
            self.kept_transitions = transitions
            fc_reach(&reach, &self.kept_transitions[0, 0], 0, 0, L * L)
            fc_trust(&self.model, &reach)
            self.span = reach.most - reach.least
            self.fill(&self.kept_transitions[0, 0], 0, tables)
            return 0
        if self.single:
            self.moves32 = transitions
            count = self.moves32.shape[0]
            if count:
                self.moves = <const char*>&self.moves32[0, 0, 0]
        else:
            self.moves64 = transitions
            count = self.moves64.shape[0]
            if count:
                self.moves = <const char*>&self.moves64[0, 0, 0]
        self.column = self.room(L)
        self.count_before()
        fc_trust(&self.model, &reach)
        return 0

    cdef int begin(self, Py_ssize_t s) except -1 nogil:
        # Before sequence s: where each step has its own transitions, what may be computed depends on the sequence's,
        # and not on others', or results would.
        cdef Py_ssize_t size, at, beyond
        cdef FcReach reach = FcReach(-INFINITY, INFINITY, 0)
        if self.moves != NULL:
            size = self.model.labels * self.model.labels
            at = self.move(s, 1) * size
            size = at + max(self.length(s) - 1, 0) * size
            while at < size:
                beyond = min(at + BUDGET, size)
                fc_reach(&reach, self.moves, self.single, at, beyond)
                self.spent(beyond - at)
                at = beyond
            fc_trust(&self.model, &reach)
        return 0

    cdef int count_before(self) except -1:
        cdef int64_t* before
        cdef Py_ssize_t s
        if self.before == NULL:
            before = <int64_t*>zeros(&self.pool, self.sequences + 1, sizeof(int64_t))
            for s in range(self.sequences):
                before[s + 1] = before[s] + (self.length(s) > 0)
            self.before = before
        return 0

    cdef inline Py_ssize_t move(self, Py_ssize_t s, Py_ssize_t t) noexcept nogil:
        # Which of all moves leads to step t of sequence s.
        return self.offsets[s] - self.before[s] + t - 1

    cdef inline void turn(self, Py_ssize_t s, Py_ssize_t t, int tables) noexcept nogil:
        # Before the transitions to step t are used: put them into the tables, where each step has its own.
        if self.moves != NULL and t > 0:
            self.fill(self.moves + self.move(s, t) * self.model.labels * self.model.labels * self.item, self.single,
                      tables)

    cdef void fill(self, const void* transitions, int single, int tables) noexcept nogil:
        cdef int transposed
        for transposed in range(2 if tables & BACKWARD else 1):
            fc_fill(&self.model, transitions, single, transposed)
            if tables & SCALED:
                fc_fill_exp(&self.model, transposed)
            if tables & WIDE:
                fc_fill_wide(&self.model, transposed)

    cdef inline const double* into(self, Py_ssize_t s, Py_ssize_t t, Py_ssize_t label,
                                   Py_ssize_t* stride) noexcept nogil:
        # The transitions to a label at step t, `stride` apart.
        cdef Py_ssize_t L = self.model.labels, i, at
        if self.moves == NULL:
            stride[0] = self.model.padded
            return self.model.trans + label
        stride[0] = 1
        at = self.move(s, t) * L * L + label
        for i in range(L):
            self.column[i] = fc_score(self.moves, self.single, at + i * L)
        return self.column

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
        # How many steps at that price (times L * (L + 16)) are one stretch; one if the tables hold one step.
        if self.moves != NULL:
            return 1
        return max(<Py_ssize_t>1, BUDGET // self.cost(price))

    cdef inline Py_ssize_t cost(self, Py_ssize_t price) noexcept nogil:
        return price * self.model.labels * (self.model.labels + 16)

    cdef Py_ssize_t gather(self, Py_ssize_t i, Py_ssize_t columns, FcGroup* group) noexcept nogil:
        # Put sequences i, i + 1, ... of the order into lanes; 0 if they are better computed one at a time.
        cdef Py_ssize_t count = 0
        if self.length(self.order[i]) * self.model.labels * FC_W * 8 * columns <= GROUP_BYTES:
            count = self.lanes(i, FC_W, group.rows, group.length)
        if count:
            group.longest = group.length[0]
            group.shortest = group.length[count - 1] if count == FC_W else 0
            fc_group_start(group)
        return count

    cdef Py_ssize_t gather_single(self, Py_ssize_t i, FsGroup* group) noexcept nogil:
        # The same for lanes of floats.
        cdef Py_ssize_t count = self.lanes(i, FS_W, group.rows, group.length)
        if count:
            group.longest = group.length[0]
            group.shortest = group.length[count - 1] if count == FS_W else 0
            fs_group_start(group)
        return count

    cdef Py_ssize_t lanes(self, Py_ssize_t i, Py_ssize_t width, const char** rows,
                          Py_ssize_t* lengths) noexcept nogil:
        cdef Py_ssize_t k, s, total = 0, count = min(width, self.sequences - i)
        if self.length(self.order[i]) == 0 or width == 1 or self.moves != NULL:
            return 0
        while count and self.length(self.order[i + count - 1]) == 0:
            count -= 1
        for k in range(width):
            if k < count:
                s = self.order[i + k]
                rows[k] = self.first(s)
                lengths[k] = self.length(s)
                total += lengths[k]
            else:
                rows[k] = NULL
                lengths[k] = 0
        return 0 if count == 1 or 4 * total < lengths[0] * width else count

    cdef int widen(self) except -1 nogil:
        # Make the tables of wide numbers, when a sequence first needs them.
        cdef Py_ssize_t L = self.model.labels, P = self.model.padded
        cdef double* memory
        if self.model.wide != NULL:
            return 0
        memory = self.room(4 * L * P + (6 + L) * P + 4 * P)
        self.model.wide = memory
        if self.moves == NULL:
            fc_fill_wide(&self.model, 0)
            fc_fill_wide(&self.model, 1)
        self.spare = memory + 4 * L * P
        self.pair = self.spare + (6 + L) * P
        return 0

    cdef int wide_forward(self, Py_ssize_t s, int keep, double* man, double* twos, FcScale* scale, double* out=NULL,
                          double* log_scales=NULL) except -1 nogil:
        cdef Py_ssize_t length = self.length(s), t = 0, block = self.steps(WIDE_PRICE), beyond
        self.widen()
        memset(scale, 0, sizeof(FcScale))
        while t < length:
            beyond = min(t + block, length)
            self.turn(s, t, WIDE)
            fc_wide_forward(&self.model, self.first(s), self.single, length, t, beyond, keep, man, twos, self.spare,
                            scale, out, log_scales)
            self.spent((beyond - t) * self.cost(WIDE_PRICE))
            t = beyond
        return 0

    cdef int wide_backward(self, Py_ssize_t s, double* man, const double* twos, double* counts, double* out=NULL,
                           double* log_scales=NULL) except -1 nogil:
        cdef Py_ssize_t t = self.length(s), block = self.steps(WIDE_PRICE), begin
        cdef FcScale scale
        memset(&scale, 0, sizeof(FcScale))
        while t > 0:
            begin = max(t - block, 0)
            self.wide_back(s, begin, t, man, twos, counts, &scale, out, log_scales)
            t = begin
        return 0

    cdef int wide_back(self, Py_ssize_t s, Py_ssize_t begin, Py_ssize_t beyond, double* man, const double* twos,
                       double* counts, FcScale* scale, double* out, double* log_scales) except -1 nogil:
        # One stretch of it, which goes on where the one after it ended.
        cdef Py_ssize_t length = self.length(s)
        self.widen()
        if beyond < length:
            self.turn(s, beyond, WIDE | BACKWARD)
        fc_wide_backward(&self.model, self.first(s), self.single, length, begin, beyond, man, twos, self.spare, counts,
                         scale, out, log_scales)
        return self.spent((beyond - begin) * self.cost(WIDE_PRICE))

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
        self.begin(s)
        self.wide_forward(s, 1, columns, twos, &scale)
        if fc_wide_sum(&self.model, columns + (length - 1) * P, twos + (length - 1) * P) == 0.0:
            return 0
        for t in range(length):
            fc_wide_logs(&self.model, columns + t * P, twos + t * P, columns + t * P)
        return 1

    cdef int row_forward(self, Py_ssize_t s, int keep, double* alpha, double* weights, double* spare,
                         FcScale* scale) except -1 nogil:
        cdef Py_ssize_t length = self.length(s), t = 0, block = self.steps(1), beyond
        memset(scale, 0, sizeof(FcScale))
        while t < length:
            beyond = min(t + block, length)
            self.turn(s, t, SCALED)
            fc_row_forward(&self.model, self.first(s), self.single, length, t, beyond, keep, alpha, weights, spare,
                           scale)
            self.spent((beyond - t) * self.cost(1))
            t = beyond
        return 0

    cdef int row_backward(self, Py_ssize_t s, double* alpha, const double* weights, double* beta, double* spare,
                          double* counts, FcScale* scale) except -1 nogil:
        cdef Py_ssize_t t = self.length(s), block = self.steps(2), begin
        while t > 0:
            begin = max(t - block, 0)
            self.row_back(s, begin, t, alpha, weights, beta, spare, counts, scale)
            t = begin
        return 0

    cdef int row_back(self, Py_ssize_t s, Py_ssize_t begin, Py_ssize_t beyond, double* alpha, const double* weights,
                      double* beta, double* spare, double* counts, FcScale* scale) except -1 nogil:
        # One stretch of it, which goes on where the one after it ended.
        if beyond < self.length(s):
            self.turn(s, beyond, SCALED | BACKWARD)
        fc_row_backward(&self.model, self.length(s), begin, beyond, alpha, weights, beta, spare, counts, scale)
        return self.spent((beyond - begin) * self.cost(2))

    cdef int lane_forward(self, FcGroup* group, int keep, double* alpha, double* weights) except -1 nogil:
        cdef Py_ssize_t t = 0, block = self.steps(FC_W)
        while t < group.longest:
            fc_lane_forward(&self.model, group, self.single, t, min(t + block, group.longest), keep, alpha, weights)
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
