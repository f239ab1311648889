# Included by chain.pyx: single paths, the best, the n best, a given one's score, random ones.

def path_score(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
               const double[::1] end, const int64_t[::1] paths):
    """Score of one given path a sequence."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end, 0)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, s, t, a, b
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
                elif batch.moves == NULL:
                    step += batch.model.trans[paths[t - 1] * P + paths[t]]
                else:
                    step += fc_score(batch.moves, batch.single,
                                     (batch.move(s, t - a) * L + paths[t - 1]) * L + paths[t])
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


def viterbi(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
            const double[::1] end):
    """Best path and its score; of equal ones the smallest label, decided from the end."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end, 0)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, i = 0, k, s, count, t, block, size, room = 0
    labels = np.empty(batch.total, dtype=np.int64)
    result = np.zeros(batch.sequences)
    cdef int64_t[::1] paths = labels
    cdef double[::1] found = result
    cdef double* best = NULL
    cdef int64_t* into[FC_W]
    cdef double scores[FC_W]
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
                    into[k] = &paths[batch.offsets[batch.order[i + k]]]
                fc_lane_trace_back(&batch.model, &group, best, into, scores)
                for k in range(count):
                    found[batch.order[i + k]] = scores[k]
                i += count
                continue
            i += 1
            if batch.length(s) == 0:
                break
            block = batch.steps(1)
            while t < batch.length(s):
                batch.turn(s, t, 0)
                fc_row_viterbi(&batch.model, batch.first(s), batch.single, batch.length(s), t,
                               min(t + block, batch.length(s)), best)
                batch.spent((min(t + block, batch.length(s)) - t) * batch.cost(1))
                t += block
            if batch.moves == NULL:
                found[s] = fc_trace_back(&batch.model, best, batch.length(s), &paths[batch.offsets[s]])
            else:
                found[s] = _trace_back(batch, s, best, &paths[batch.offsets[s]])
    return labels, result


cdef double _trace_back(_Batch batch, Py_ssize_t s, const double* best, int64_t* path) except? -1 nogil:
    # fc_trace_back for transitions that differ from step to step.
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, t = batch.length(s) - 1, stride, label
    cdef const double* into
    cdef double score
    label = fc_last_label(best + t * P, 1, L, &score)
    path[t] = label
    while t > 0:
        if label >= 0:
            into = batch.into(s, t, label, &stride)
            label = fc_origin(best + (t - 1) * P, into, stride, L)
        t -= 1
        path[t] = label
        batch.spent(4 * L)
    return score


def viterbi_nbest(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
                  const double[::1] end, Py_ssize_t n):
    """The n best paths (n, N) and scores (S, n); of equal ones the smaller label first, decided from the end."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end, 0)
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
                batch.turn(s, t, 0)
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


def sample(emissions, const int64_t[::1] offsets, transitions, const double[::1] start,
           const double[::1] end, Py_ssize_t size, const uint64_t[::1] key, Py_ssize_t first):
    """Draw `size` paths a sequence, (size, N), -1 without a legal path."""
    cdef _Batch batch = _Batch()
    batch.take(emissions, offsets, transitions, start, end)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, s, t, k, length, label, into, stride
    labels = np.full((size, batch.total), -1, dtype=np.int64)
    cdef int64_t[:, ::1] paths = labels
    cdef double* columns = <double*>spread(&batch.pool, batch.longest * P, sizeof(double))
    cdef double* twos = <double*>spread(&batch.pool, batch.longest * P, sizeof(double))
    cdef double* weights = batch.room(2 * L)
    cdef double* nothing = weights + L
    cdef const double* into_label
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
                        into_label = batch.into(s, t + 1, label, &stride)
                        label = _draw(columns + t * P, into_label, stride, L, weights, next_double(&rng))
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
