"""Kernels of the CRF's training sequence by sequence: one pass over a training set for each algorithm.

The weights are those of the features (attribute, label) by attribute, then of the pairs of labels, and are updated in
place after each sequence.
"""

import numpy as np

from libc.math cimport INFINITY, NAN, exp, log, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from _owned cimport Pool, free_all, spread, zeros
from _rng cimport Rng, next_u64, rng_stream
from _signals cimport Pace, new_pace, spend

cdef extern from "memory_hints.h" nogil:
    void FASTCORE_PREFETCH(const void* p)

cdef extern from "steps.h" nogil:
    void fo_best(const double* before, const double* moves, Py_ssize_t labels, double* after)
    Py_ssize_t fo_argmax(const double* before, const double* moves, Py_ssize_t labels, Py_ssize_t label)
    void fo_add(double* out, double share, const double* x, Py_ssize_t n)
    void fo_times(const double* row, const double* matrix, Py_ssize_t labels, double* out)
    double fo_share(double* x, Py_ssize_t n)
    double fo_powers(const double* x, Py_ssize_t n, double* out)

cdef enum:
    FAR = 16   # attributes ahead whose place in the table of features is fetched,
    NEAR = 8   # and whose features are: rare attributes lie all over memory
    LINEAR = 1  # passive-aggressive with slack that costs in proportion,
    SQUARE = 2  # and with slack that costs its square

cdef double LEAST = 1e-200  # sums of shares below which what was lost to underflow may matter


cdef class _Problem:
    # A training set and its features. Never changed: any number of calls may read it.
    cdef const int64_t[::1] offsets, items, feature_offsets
    cdef const int32_t[::1] attributes, y, feature_labels
    cdef const double[::1] values
    # Of the pairs of labels from * L + to that are features, in order; and for each pair its feature, or -1.
    cdef int64_t[::1] cells, features_of_cells
    cdef Py_ssize_t labels, states, size, longest, most
    cdef bint plain


cdef struct Room:
    # Memory of one call.
    double* scores   # of labels at steps,
    double* ahead    # the best or summed up to each step,
    double* powers   # exponentials of the scores
    double* moves    # scores of transitions,
    double* factors  # their exponentials, and those with rows and columns changed
    double* turned
    double* pairs    # expected transitions
    double* line
    double* next_line
    int32_t* path
    # What the features on the right path have more than those on the found one, and which features these are.
    double* more
    uint8_t* touched
    int64_t* features
    Py_ssize_t n


def prepare(const int64_t[::1] offsets, const int64_t[::1] items, const int32_t[::1] attributes,
            const double[::1] values, const int32_t[::1] y, const int64_t[::1] feature_offsets,
            const int32_t[::1] feature_labels, const int64_t[:, ::1] transitions, Py_ssize_t labels):
    """Make a training set ready for passes over it; opaque to callers.

    Sequence s has steps offsets[s] to offsets[s + 1] with labels y; step p the attributes
    attributes[items[p]:items[p + 1]], each with a value, or 1 if `values` is empty. Attribute a has the features
    feature_offsets[a] to feature_offsets[a + 1], of labels in ascending order; then come the pairs of labels.
    """
    cdef _Problem p = _Problem()
    cdef Py_ssize_t s, i, length, held
    cdef Pace pace = new_pace()
    p.offsets, p.items, p.attributes, p.values, p.y = offsets, items, attributes, values, y
    p.feature_offsets, p.feature_labels = feature_offsets, feature_labels
    p.plain = values.shape[0] == 0
    p.labels, p.states = labels, feature_labels.shape[0]
    p.size = p.states + transitions.shape[0]
    p.cells = np.empty(transitions.shape[0], np.int64)
    p.features_of_cells = np.full(labels * labels, -1, np.int64)
    with nogil:
        for i in range(transitions.shape[0]):
            p.cells[i] = transitions[i, 0] * labels + transitions[i, 1]
            p.features_of_cells[p.cells[i]] = p.states + i
        for s in range(offsets.shape[0] - 1):
            length = offsets[s + 1] - offsets[s]
            held = items[offsets[s + 1]] - items[offsets[s]]
            p.longest = max(p.longest, length)
            p.most = max(p.most, 2 * (held + length))
            spend(&pace, 1)
    return p


def shuffled(const uint64_t[::1] key, Py_ssize_t stream, Py_ssize_t n):
    """0 to n - 1 in an order drawn from a stream of the key: Fisher and Yates's shuffle, from the last place down.

    Place i changes with place r * (i + 1) >> 32 for the upper 32 bits r of a draw.
    """
    cdef Rng rng = rng_stream(&key[0], stream)
    cdef Pace pace = new_pace()
    cdef Py_ssize_t i, other
    result = np.arange(n, dtype=np.int64)
    cdef int64_t[::1] order = result
    with nogil:
        for i in range(n - 1, 0, -1):
            other = <Py_ssize_t>((next_u64(&rng) >> 32) * <uint64_t>(i + 1) >> 32)
            order[i], order[other] = order[other], order[i]
            spend(&pace, 4)
    return result


cdef int take_room(_Problem p, Pool* pool, Room* room, bint expects) except -1:
    cdef Py_ssize_t L = p.labels
    room.scores = <double*>spread(pool, p.longest * L, sizeof(double))
    room.ahead = <double*>spread(pool, p.longest * L, sizeof(double))
    room.moves = <double*>zeros(pool, L * L, sizeof(double))
    room.n = 0
    if expects:
        room.powers = <double*>spread(pool, p.longest * L, sizeof(double))
        room.factors = <double*>spread(pool, L * L, sizeof(double))
        room.turned = <double*>spread(pool, L * L, sizeof(double))
        room.pairs = <double*>spread(pool, L * L, sizeof(double))
        room.line = <double*>spread(pool, L, sizeof(double))
        room.next_line = <double*>spread(pool, L, sizeof(double))
    else:
        room.path = <int32_t*>spread(pool, p.longest, sizeof(int32_t))
        room.more = <double*>zeros(pool, p.size, sizeof(double))
        room.touched = <uint8_t*>zeros(pool, p.size, 1)
        room.features = <int64_t*>spread(pool, p.most, sizeof(int64_t))
    return 0


cdef int find_scores(_Problem p, Py_ssize_t s, const double* weights, double scale, Room* room,
                     Pace* pace) except -1 nogil:
    # scores[t, y] of sequence s: values times weights times the scale.
    cdef Py_ssize_t L = p.labels, total = p.attributes.shape[0], t, i, k, first, last, y, ahead
    cdef double value = 1
    cdef double* row = room.scores
    for t in range(p.offsets[s], p.offsets[s + 1]):
        for y in range(L):
            row[y] = 0
        for i in range(p.items[t], p.items[t + 1]):
            if i + FAR < total and p.states:
                FASTCORE_PREFETCH(&p.feature_offsets[p.attributes[i + FAR]])
                ahead = p.feature_offsets[p.attributes[i + NEAR]]
                FASTCORE_PREFETCH(&p.feature_labels[0] + ahead)
                FASTCORE_PREFETCH(weights + ahead)
            first = p.feature_offsets[p.attributes[i]]
            last = p.feature_offsets[p.attributes[i] + 1]
            if not p.plain:
                value = p.values[i]
            if last - first == L:
                fo_add(row, value, weights + first, L)
            else:
                for k in range(first, last):
                    row[p.feature_labels[k]] += value * weights[k]
        if scale != 1:
            for y in range(L):
                row[y] *= scale
        row += L
        spend(pace, 8 * (p.items[t + 1] - p.items[t]) + L)
    return 0


cdef Py_ssize_t find_path(_Problem p, Py_ssize_t s, Room* room, Pace* pace) except -1 nogil:
    # The best path of sequence s, of equal ones that with the smallest labels from the end on; how many are wrong.
    cdef Py_ssize_t L = p.labels, begin = p.offsets[s], T = p.offsets[s + 1] - p.offsets[s], t, y, wrong = 0
    cdef double* row = room.ahead
    for y in range(L):
        row[y] = room.scores[y]
    for t in range(1, T):
        fo_best(row, room.moves, L, row + L)
        row += L
        fo_add(row, 1.0, room.scores + t * L, L)
        spend(pace, (L * L >> 2) + L)
    y = fo_argmax(row, NULL, L, 0)
    for t in range(T - 1, -1, -1):
        room.path[t] = <int32_t>y
        wrong += y != p.y[begin + t]
        if t:
            row -= L
            y = fo_argmax(row, room.moves, L, y)
            spend(pace, L)
    return wrong


cdef double score_of(const int32_t* path, Py_ssize_t T, Py_ssize_t L, const Room* room) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t t
    for t in range(T):
        total += room.scores[t * L + path[t]]
        if t:
            total += room.moves[path[t - 1] * L + path[t]]
    return total


cdef inline void touch(Room* room, int64_t feature, double value) noexcept nogil:
    if not room.touched[feature]:
        room.touched[feature] = 1
        room.features[room.n] = feature
        room.n += 1
    room.more[feature] += value


cdef inline int64_t feature_of(_Problem p, Py_ssize_t attribute, int32_t label) noexcept nogil:
    # The feature of an attribute and a label, or -1.
    cdef int64_t low = p.feature_offsets[attribute], high = p.feature_offsets[attribute + 1], middle
    while low < high:
        middle = (low + high) >> 1
        if p.feature_labels[middle] < label:
            low = middle + 1
        else:
            high = middle
    return low if low < p.feature_offsets[attribute + 1] and p.feature_labels[low] == label else -1


cdef int compare(_Problem p, Py_ssize_t s, Room* room, Pace* pace) except -1 nogil:
    # What features the right path of sequence s has more than the found one. Where these agree, neither has more.
    cdef Py_ssize_t begin = p.offsets[s], t, i
    cdef const int32_t* right = &p.y[begin]
    cdef const int32_t* found = room.path
    cdef int64_t k
    cdef double value = 1
    for t in range(p.offsets[s + 1] - begin):
        if right[t] != found[t]:
            for i in range(p.items[begin + t], p.items[begin + t + 1]):
                if not p.plain:
                    value = p.values[i]
                k = feature_of(p, p.attributes[i], right[t])
                if k >= 0:
                    touch(room, k, value)
                k = feature_of(p, p.attributes[i], found[t])
                if k >= 0:
                    touch(room, k, -value)
            spend(pace, 16 * (p.items[begin + t + 1] - p.items[begin + t]))
        if t and (right[t] != found[t] or right[t - 1] != found[t - 1]):
            k = p.features_of_cells[right[t - 1] * p.labels + right[t]]
            if k >= 0:
                touch(room, k, 1)
            k = p.features_of_cells[found[t - 1] * p.labels + found[t]]
            if k >= 0:
                touch(room, k, -1)
        spend(pace, 1)
    return 0


cdef Py_ssize_t find_wrong(_Problem p, Py_ssize_t s, const double* weights, Room* room, double* ahead,
                           Pace* pace) except -1 nogil:
    # How many labels the best path of sequence s has wrong. If any: by how much its score is ahead of the right path's,
    # and in the room what features the right path has more.
    cdef Py_ssize_t T = p.offsets[s + 1] - p.offsets[s], wrong
    if T == 0:
        return 0
    find_scores(p, s, weights, 1.0, room, pace)
    wrong = find_path(p, s, room, pace)
    if wrong:
        ahead[0] = score_of(room.path, T, p.labels, room) - score_of(&p.y[p.offsets[s]], T, p.labels, room)
        compare(p, s, room, pace)
    return wrong


cdef inline void set_back(_Problem p, Room* room, int64_t k, const double* weights) noexcept nogil:
    # Once a feature's weight is updated: its transition gets it, and nothing is more any longer.
    if k >= p.states:
        room.moves[p.cells[k - p.states]] = weights[k]
    room.touched[k] = 0
    room.more[k] = 0


cdef void set_moves(_Problem p, const double* weights, double scale, Room* room) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(p.cells.shape[0]):
        room.moves[p.cells[i]] = scale * weights[p.states + i]


def perceptron_epoch(problem, const int64_t[::1] order, double[::1] weights, double[::1] sums, int64_t count):
    """Label the sequences in that order; after each add to the weights what features the right labels have more.

    The same, times the number of sequences so far, goes to `sums`: so weights - sums / count is their average, count
    being the number at the start. Returns the sum of the shares of wrong labels.

    Source: Collins, *Discriminative training methods for hidden Markov models*, EMNLP 2002.
    """
    cdef _Problem p = problem
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Room room
    cdef Pace pace = new_pace()
    cdef Py_ssize_t n, i, s, wrong
    cdef int64_t k
    cdef double loss = 0, ahead = 0
    cdef double* w = &weights[0] if p.size else NULL
    try:
        take_room(p, &pool, &room, False)
        with nogil:
            set_moves(p, w, 1.0, &room)
            for n in range(order.shape[0]):
                s = order[n]
                wrong = find_wrong(p, s, w, &room, &ahead, &pace)
                if wrong:
                    loss += wrong / <double>(p.offsets[s + 1] - p.offsets[s])
                    for i in range(room.n):
                        k = room.features[i]
                        w[k] += room.more[k]
                        sums[k] += count * room.more[k]
                        set_back(p, &room, k, w)
                    room.n = 0
                count += 1
                spend(&pace, 8)
    finally:
        free_all(&pool)
    return loss


def aggressive_epoch(problem, const int64_t[::1] order, double[::1] weights, double[::1] sums, int64_t count,
                     int kind, double c, bint error_sensitive):
    """As `perceptron_epoch`, but go only as far as makes the right labels win by a margin: passive-aggressive.

    The margin is the root of the number of wrong labels, or 1 if not error-sensitive. What is missing, divided by the
    squared length of the step, is how far to go: all the way (kind 0), at most c (1), or with 1 / 2c added to the
    divisor (2). Returns the sum of what was missing, infinite if a step's length is.

    Source: Crammer, Dekel, Keshet, Shalev-Shwartz and Singer, *Online passive-aggressive algorithms*, JMLR 7 (2006).
    """
    cdef _Problem p = problem
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Room room
    cdef Pace pace = new_pace()
    cdef Py_ssize_t n, i, s, wrong
    cdef int64_t k
    cdef double loss = 0, missing = 0, squares, far
    cdef double* w = &weights[0] if p.size else NULL
    try:
        take_room(p, &pool, &room, False)
        with nogil:
            set_moves(p, w, 1.0, &room)
            for n in range(order.shape[0]):
                s = order[n]
                wrong = find_wrong(p, s, w, &room, &missing, &pace)
                if wrong:
                    missing += sqrt(<double>wrong) if error_sensitive else 1.0
                    squares = 0
                    for i in range(room.n):
                        squares += room.more[room.features[i]] * room.more[room.features[i]]
                    loss += missing if squares < INFINITY else INFINITY
                    far = 0
                    if squares > 0:
                        if kind == SQUARE:
                            squares += 0.5 / c
                        far = missing / squares
                        if kind == LINEAR and far > c:
                            far = c
                    for i in range(room.n):
                        k = room.features[i]
                        w[k] += far * room.more[k]
                        sums[k] += far * count * room.more[k]
                        set_back(p, &room, k, w)
                    room.n = 0
                count += 1
                spend(&pace, 8)
    finally:
        free_all(&pool)
    return loss


def arow_epoch(problem, const int64_t[::1] order, double[::1] weights, double[::1] variances, double gamma):
    """As `perceptron_epoch`, but with a variance for each weight: what is uncertain moves far and is more certain then.

    The right labels are to win by the number of wrong ones. Returns the sum of what was missing, infinite if a step's
    length is.

    Source: Crammer, Kulesza and Dredze, *Adaptive regularization of weight vectors*, NIPS 2009.
    """
    cdef _Problem p = problem
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Room room
    cdef Pace pace = new_pace()
    cdef Py_ssize_t n, i, s, wrong
    cdef int64_t k
    cdef double loss = 0, missing = 0, doubt, far
    cdef double* w = &weights[0] if p.size else NULL
    try:
        take_room(p, &pool, &room, False)
        with nogil:
            set_moves(p, w, 1.0, &room)
            for n in range(order.shape[0]):
                s = order[n]
                wrong = find_wrong(p, s, w, &room, &missing, &pace)
                if wrong:
                    missing += wrong
                    doubt = gamma
                    for i in range(room.n):
                        k = room.features[i]
                        doubt += room.more[k] * room.more[k] * variances[k]
                    far = missing / doubt
                    loss += missing if doubt < INFINITY else INFINITY
                    for i in range(room.n):
                        k = room.features[i]
                        w[k] += far * variances[k] * room.more[k]
                        variances[k] /= 1.0 + variances[k] * (room.more[k] * room.more[k] / gamma)
                        set_back(p, &room, k, w)
                    room.n = 0
                spend(&pace, 8)
    finally:
        free_all(&pool)
    return loss


def gradient_epoch(problem, const int64_t[::1] order, double[::1] weights, double rate, double decay, double count):
    """Stochastic gradient descent: after each sequence a step down the slope of log Z - score + decay / 2 * |w|**2.

    Step number n, counted from `count` on, is of size rate / (1 + decay * rate * n); decay * rate must be below 1.
    Returns the sum of log Z - score, each by the weights before its step.

    The weights are kept as a multiple of what they are, so that a step is as short as its sequence.

    Source: Bottou, *Large-scale machine learning with stochastic gradient descent*, COMPSTAT 2010; Shalev-Shwartz,
    Singer and Srebro, *Pegasos*, ICML 2007.
    """
    cdef _Problem p = problem
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Room room
    cdef Pace pace = new_pace()
    cdef Py_ssize_t n, i, s, T
    cdef double loss = 0, scale = 1, size
    cdef double* w = &weights[0] if p.size else NULL
    try:
        take_room(p, &pool, &room, True)
        with nogil:
            for n in range(order.shape[0]):
                s = order[n]
                size = rate / (1 + decay * rate * (count + n))
                scale *= 1 - size * decay
                T = p.offsets[s + 1] - p.offsets[s]
                if T:
                    set_moves(p, w, scale, &room)
                    find_scores(p, s, w, scale, &room, &pace)
                    loss -= score_of(&p.y[p.offsets[s]], T, p.labels, &room)
                    loss += expect(p, T, &room, &pace)
                    if size:
                        descend(p, s, w, size / scale, &room, &pace)
                spend(&pace, 8)
            for i in range(p.size):
                w[i] *= scale
    finally:
        free_all(&pool)
    return loss


cdef int descend(_Problem p, Py_ssize_t s, double* weights, double size, Room* room, Pace* pace) except -1 nogil:
    # Add to the weights the features on the right path of sequence s less those expected, times the size.
    cdef Py_ssize_t L = p.labels, total = p.attributes.shape[0], begin = p.offsets[s], t, i, k, y, ahead, first, last
    cdef double* row = room.powers
    for t in range(begin, p.offsets[s + 1]):
        for y in range(L):
            row[y] = (<double>(y == p.y[t]) - row[y]) * size
        for i in range(p.items[t], p.items[t + 1]):
            if i + NEAR < total and p.states:
                ahead = p.feature_offsets[p.attributes[i + NEAR]]
                FASTCORE_PREFETCH(weights + ahead)
            first = p.feature_offsets[p.attributes[i]]
            last = p.feature_offsets[p.attributes[i] + 1]
            if last - first == L:
                fo_add(weights + first, 1.0 if p.plain else p.values[i], row, L)
            elif p.plain:
                for k in range(first, last):
                    weights[k] += row[p.feature_labels[k]]
            else:
                for k in range(first, last):
                    weights[k] += p.values[i] * row[p.feature_labels[k]]
        if t > begin:
            room.pairs[p.y[t - 1] * L + p.y[t]] -= 1
        row += L
        spend(pace, 8 * (p.items[t + 1] - p.items[t]) + L)
    for i in range(p.cells.shape[0]):
        weights[p.states + i] -= size * room.pairs[p.cells[i]]
    return 0


cdef double expect(_Problem p, Py_ssize_t T, Room* room, Pace* pace) except? -1 nogil:
    # log Z; `powers` becomes the probabilities of labels at steps, `pairs` the expected transitions.
    cdef double found
    if T > 1:
        found = expect_scaled(p, T, room, pace)
        if found == found:
            return found
    return expect_logs(p.labels, T, room, pace)


cdef double set_factors(_Problem p, Room* room) noexcept nogil:
    # The exponentials of the transitions' scores less the largest; the largest. What is no feature has a score of 0.
    cdef Py_ssize_t L = p.labels, i
    cdef double top = 0 if p.cells.shape[0] < L * L else room.moves[0], rest
    for i in range(p.cells.shape[0]):
        top = max(top, room.moves[p.cells[i]])
    rest = exp(-top)
    for i in range(L * L):
        room.factors[i] = rest
    for i in range(p.cells.shape[0]):
        room.factors[p.cells[i]] = exp(room.moves[p.cells[i]] - top)
    return top


cdef double expect_scaled(_Problem p, Py_ssize_t T, Room* room, Pace* pace) except? -1 nogil:
    # As shares of 1 at each step; NaN if a share that may matter is too small for that.
    cdef double top = set_factors(p, room), log_z, both
    cdef double* row
    cdef double* powers
    cdef Py_ssize_t L = p.labels, t, i, j
    for i in range(L):
        for j in range(L):
            room.turned[j * L + i] = room.factors[i * L + j]
            room.pairs[i * L + j] = 0
    log_z = (T - 1) * top
    # Sums over the ways to each step.
    for t in range(T):
        row, powers = room.ahead + t * L, room.powers + t * L
        log_z += fo_powers(room.scores + t * L, L, powers)
        if t == 0:
            for i in range(L):
                row[i] = powers[i]
        else:
            fo_times(row - L, room.factors, L, row)
            for i in range(L):
                row[i] *= powers[i]
        both = fo_share(row, L)
        if not both >= LEAST:
            return NAN
        log_z += log(both)
        spend(pace, (L * L >> 2) + 8 * L)
    # Sums over the ways from each step on, their largest kept at 1; with both, probabilities.
    for i in range(L):
        room.line[i] = 1
    for t in range(T - 1, -1, -1):
        row, powers = room.ahead + t * L, room.powers + t * L
        both = 0
        for i in range(L):
            both += row[i] * room.line[i]
        if not both >= LEAST:
            return NAN
        if t < T - 1:
            # next_line still holds what comes with each label at t + 1.
            for i in range(L):
                fo_add(room.pairs + i * L, row[i] / both, room.next_line, L)
        top = 0
        for i in range(L):
            room.next_line[i] = powers[i] * room.line[i]
            powers[i] = row[i] * room.line[i] / both
        if t:
            fo_times(room.next_line, room.turned, L, room.line)
            for i in range(L):
                top = max(top, room.line[i])
            if not top >= LEAST:
                return NAN
            for i in range(L):
                room.line[i] /= top
                room.next_line[i] /= top
        spend(pace, (L * L >> 2) + 8 * L)
    for i in range(L * L):
        room.pairs[i] *= room.factors[i]
    return log_z


cdef inline double log_add(double a, double b) noexcept nogil:
    cdef double low = min(a, b), high = max(a, b)
    return high + log(1 + exp(low - high))


cdef double expect_logs(Py_ssize_t L, Py_ssize_t T, Room* room, Pace* pace) except? -1 nogil:
    # With logarithms of all sums: for scores of any size.
    cdef double log_z, total
    cdef double* row
    cdef double* scores
    cdef Py_ssize_t t, i, j
    for t in range(T):
        row, scores = room.ahead + t * L, room.scores + t * L
        for j in range(L):
            row[j] = scores[j]
            if t:
                total = row[-L] + room.moves[j]
                for i in range(1, L):
                    total = log_add(total, row[i - L] + room.moves[i * L + j])
                row[j] += total
        spend(pace, 16 * L * L)
    row = room.ahead + (T - 1) * L
    log_z = row[0]
    for j in range(1, L):
        log_z = log_add(log_z, row[j])
    for i in range(L):
        room.line[i] = 0
        for j in range(L):
            room.pairs[i * L + j] = 0
    for t in range(T - 1, -1, -1):
        row, scores = room.ahead + t * L, room.scores + t * L
        for j in range(L):
            room.powers[t * L + j] = exp(row[j] + room.line[j] - log_z)
            room.next_line[j] = room.line[j] + scores[j]
        if t:
            for i in range(L):
                room.line[i] = room.moves[i * L] + room.next_line[0]
                for j in range(1, L):
                    room.line[i] = log_add(room.line[i], room.moves[i * L + j] + room.next_line[j])
                for j in range(L):
                    room.pairs[i * L + j] += exp(row[i - L] + room.moves[i * L + j] + room.next_line[j] - log_z)
        spend(pace, 32 * L * L)
    return log_z
