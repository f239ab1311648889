# Included by chain.pyx: best paths of sequences that come in pieces.

cdef enum:
    FAR = 1 << 20  # a column's best score beyond this is taken out of it: exactly, as both have the same last bit


cdef class _Window:
    # The columns of best scores of all steps without a label, and of the steps that come.
    cdef _Batch batch
    cdef double* columns     # (rows, padded)
    cdef int64_t* labels     # of the rows before `oldest`, from row `first` on
    cdef int64_t* ancestor   # of each label of the newest column, at some step before
    cdef int64_t* origin     # of each label of one column
    cdef Py_ssize_t first, oldest, forced

    cdef int agreed(self, Py_ssize_t row, Py_ssize_t* reached) except -1 nogil:
        # Walk back from a row, down to `oldest`, until the paths of all its labels are one; whether they are, and the
        # row that was reached, with their label there in ancestor[0], or else the labels of all paths, -1 for none.
        cdef Py_ssize_t L = self.batch.model.labels, P = self.batch.model.padded, i, at = row, distinct = 0
        cdef int64_t label
        cdef bint one = True
        for i in range(L):
            self.ancestor[i] = i if self.columns[row * P + i] > -INFINITY else -1
        while True:
            label = -1
            one = True
            for i in range(L):
                if self.ancestor[i] >= 0:
                    one = one and (label < 0 or label == self.ancestor[i])
                    label = self.ancestor[i]
            if one or at == self.oldest:
                break
            at -= 1
            for i in range(L):
                self.origin[i] = -1
            distinct = 0
            for i in range(L):
                label = self.ancestor[i]
                if label < 0:
                    continue
                if self.origin[label] < 0:
                    distinct += 1
                    self.origin[label] = fc_origin(self.columns + at * P, self.batch.model.trans + label, P, L)
                self.ancestor[i] = self.origin[label]
            self.batch.spent(4 * L * (distinct + 1))
        if one:
            self.ancestor[0] = label
        reached[0] = at
        return one

    cdef int settle(self, Py_ssize_t row, Py_ssize_t most) except -1 nogil:
        # Give labels to the steps on which all paths into a row agree, or to the oldest if more than `most` are left.
        cdef Py_ssize_t L = self.batch.model.labels, P = self.batch.model.padded, at, i
        cdef int64_t label
        cdef double score
        if self.agreed(row, &at):
            label = self.ancestor[0]
            for i in range(at, self.oldest - 1, -1):
                if i < at and label >= 0:
                    label = fc_origin(self.columns + i * P, self.batch.model.trans + label, P, L)
                self.labels[i - self.first] = label
                self.batch.spent(4 * L)
            self.oldest = at + 1
        elif row - self.oldest + 1 > most:
            label = self.ancestor[fc_last_label(self.columns + row * P, 1, L, &score)]
            self.labels[self.oldest - self.first] = label
            self.oldest += 1
            self.forced += 1
            # What has been said stands: paths that say otherwise end here.
            for i in range(L):
                if self.ancestor[i] != label:
                    self.columns[row * P + i] = -INFINITY
        return 0


def decode(emissions, transitions, const double[::1] start, const double[:, ::1] columns, Py_ssize_t pending,
           Py_ssize_t max_delay):
    """Go on with a best path by some steps.

    Takes the columns of the `pending` steps without a label, or only the last step's if there is none, or no column
    at the beginning. Gives the labels that can be said (of steps of which no path is left, -1), the columns as they are
    then, the number of pending steps, how many labels were said without all paths agreeing, because more than
    `max_delay` steps would have been pending, and what was taken out of the columns.
    """
    cdef _Batch batch = _Batch()
    cdef _Window window = _Window()
    offsets = np.array([0, len(emissions)], dtype=np.int64)
    batch.take(emissions, offsets, transitions, start, start, 0)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, before = columns.shape[0], i, j, row, kept
    cdef double* now
    cdef double most, taken = 0.0
    window.batch = batch
    window.first = window.oldest = before - pending
    window.forced = 0
    window.columns = <double*>spread(&batch.pool, (before + batch.total) * P, sizeof(double))
    window.labels = <int64_t*>spread(&batch.pool, pending + batch.total, sizeof(int64_t))
    window.ancestor = <int64_t*>spread(&batch.pool, 2 * L, sizeof(int64_t))
    window.origin = window.ancestor + L
    with nogil:
        for i in range(before):
            for j in range(P):
                window.columns[i * P + j] = columns[i, j] if j < L else -INFINITY
        for i in range(batch.total):
            row = before + i
            now = window.columns + row * P
            for j in range(P):
                now[j] = fc_score(batch.rows, batch.single, i * L + j) if j < L else -INFINITY
            if row:
                fc_best_into(&batch.model, now - P, now)
            else:
                for j in range(L):
                    now[j] += start[j]
            most = -INFINITY
            for j in range(L):
                most = max(most, now[j])
            if most > -INFINITY and not -FAR <= most <= FAR:
                taken += most
                for j in range(L):
                    now[j] -= most
            if row - window.oldest + 1 > max_delay or most == -INFINITY:
                window.settle(row, max_delay)
            batch.spent(batch.cost(1))
        if before + batch.total > window.oldest:
            window.settle(before + batch.total - 1, max_delay)
    kept = min(window.oldest, max(before + batch.total - 1, 0))
    labels = np.empty(window.oldest - window.first, dtype=np.int64)
    rest = np.empty((before + batch.total - kept, L))
    cdef int64_t[::1] labels_out = labels
    cdef double[:, ::1] rest_out = rest
    with nogil:
        for i in range(labels_out.shape[0]):
            labels_out[i] = window.labels[i]
        for i in range(rest_out.shape[0]):
            for j in range(L):
                rest_out[i, j] = window.columns[(kept + i) * P + j]
    return labels, rest, before + batch.total - window.oldest, window.forced, taken


def decode_end(transitions, const double[:, ::1] columns, Py_ssize_t pending, const double[::1] end):
    """Labels of the steps that `decode` left pending, and the last column's best score, with these end scores."""
    cdef _Batch batch = _Batch()
    last = np.asarray(columns)[columns.shape[0] - 1:] + np.asarray(end)
    batch.take(last, np.array([0, 1], dtype=np.int64), transitions, end, end, 0)
    cdef Py_ssize_t L = batch.model.labels, P = batch.model.padded, t = columns.shape[0] - 1, label
    cdef double score
    labels = np.empty(pending, dtype=np.int64)
    cdef int64_t[::1] out = labels
    with nogil:
        label = fc_last_label(<const double*>batch.rows, 1, L, &score)
        while pending:
            pending -= 1
            out[pending] = label
            if pending and label >= 0:
                t -= 1
                label = fc_origin(&columns[t, 0], batch.model.trans + label, P, L)
            batch.spent(4 * L)
    return labels, score
