"""Kernel of word embeddings: two vectors a word, trained by negative sampling."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from _owned cimport Pool, free_all, roomy, spread, zeros
from _rng cimport Rng, next_below, next_u64, rng_stream
from _signals cimport Pace, new_pace, spend
from _turns cimport enter, leave

cdef extern from "predictions.h" nogil:
    enum:
        FP_BLOCK
    ctypedef struct fp_loss:
        double sum
        float linear[16]
        float product[16]
        int factors
    void fp_dots(const float *hidden, float **rows, int n, Py_ssize_t width, float *logits)
    void fp_steps(float *logits, int n, float rate, fp_loss *loss)
    void fp_changes(const float *hidden, float **rows, const float *steps, int n, Py_ssize_t width, float *change)
    void fp_add(float *row, const float *change, float factor, Py_ssize_t width)
    void fp_fetch(const float *row, Py_ssize_t width)
    void fp_settle(fp_loss *loss)

cdef enum:
    QUEUE = 64  # predictions that are drawn before they are made, so that their rows can be fetched
    AHEAD = 2  # predictions
    BLOCK = 4096  # tokens between two words on what was spent


cdef struct Prediction:
    # Of the words in kept[low:high], without the one at `place`, or of one of them.
    Py_ssize_t low, high, place
    float rate


cdef class Trainer:
    """Vectors of words as inputs and as outputs (targets), float32, and how words are drawn.

    Word i is kept with probability keep[i] / 2**32; `table` is the alias table of the noise.
    """

    cdef Pool pool
    cdef Pace pace
    cdef long busy
    cdef float *inputs
    cdef float *outputs
    cdef Py_ssize_t n, dim, width
    cdef const uint64_t[::1] keep, table
    # What is kept of a text: words, and the places of their tokens.
    cdef int32_t *kept
    cdef Py_ssize_t *places
    cdef Py_ssize_t kept_room, places_room
    cdef Prediction *queue
    cdef Py_ssize_t queued
    # Per prediction the targets in the queue; of the one that is being made, vectors, logits and rows of targets.
    cdef int32_t *targets
    cdef float *mean
    cdef float *change
    cdef float *logits
    cdef float **rows
    cdef int n_targets
    cdef fp_loss loss

    def __cinit__(
        self, const float[:, ::1] inputs, const float[:, ::1] outputs, const uint64_t[::1] keep,
        const uint64_t[::1] table
    ):
        self.pace = new_pace()
        self.n = inputs.shape[0]
        self.dim = inputs.shape[1]
        self.width = (self.dim + FP_BLOCK - 1) // FP_BLOCK * FP_BLOCK
        self.keep = keep
        self.table = table
        self.inputs = self.filled(inputs)
        self.outputs = self.filled(outputs)
        self.mean = self.aligned(self.width)
        self.change = self.aligned(self.width)
        self.queue = <Prediction *>zeros(&self.pool, QUEUE, sizeof(Prediction))

    def __dealloc__(self):
        free_all(&self.pool)

    cdef float *aligned(self, Py_ssize_t size) except NULL:
        """Zeros that begin with a line of memory."""
        cdef float *memory = <float *>spread(&self.pool, size + FP_BLOCK, sizeof(float))
        memset(memory, 0, (size + FP_BLOCK) * sizeof(float))
        return <float *>((<uintptr_t>memory + 63) & ~<uintptr_t>63)

    cdef float *filled(self, const float[:, ::1] vectors) except NULL:
        """Rows with room for whole blocks."""
        cdef float *rows = self.aligned(self.n * self.width)
        cdef Py_ssize_t i
        for i in range(self.n if self.dim else 0):
            spend(&self.pace, self.width >> 3)
            memcpy(rows + i * self.width, &vectors[i, 0], self.dim * sizeof(float))
        return rows

    def vectors(self):
        """Return copies of the inputs and the outputs."""
        enter(&self.busy, self)
        try:
            return self.copied(self.inputs), self.copied(self.outputs)
        finally:
            leave(&self.busy)

    cdef copied(self, const float *rows):
        vectors = np.empty((self.n, self.dim), dtype=np.float32)
        cdef float[:, ::1] to = vectors
        cdef Py_ssize_t i
        for i in range(self.n if self.dim else 0):
            spend(&self.pace, self.width >> 3)
            memcpy(&to[i, 0], rows + i * self.width, self.dim * sizeof(float))
        return vectors

    def skipgram(
        self, const int32_t[::1] words, const int64_t[::1] offsets, const uint64_t[::1] key, uint64_t first,
        Py_ssize_t window, bint dynamic, Py_ssize_t negative, double rate, double fall
    ):
        """Let each kept word predict each of its neighbours; return the loss's sum and the number of predictions.

        Words are -1 where a token has none. Text t draws from stream number first + t of the key: for each word that
        isn't always kept, whether it is; then for each kept word, if `dynamic`, by how much its window is narrower,
        and for each neighbour from the left to the right the noise. The learning rate is `rate` at the first token and
        falls by `fall` a token.
        """
        return self.train(words, offsets, key, first, window, dynamic, negative, rate, fall, False)

    def cbow(
        self, const int32_t[::1] words, const int64_t[::1] offsets, const uint64_t[::1] key, uint64_t first,
        Py_ssize_t window, bint dynamic, Py_ssize_t negative, double rate, double fall
    ):
        """The same, but that the mean of its neighbours' inputs predicts each kept word that has some."""
        return self.train(words, offsets, key, first, window, dynamic, negative, rate, fall, True)

    cdef train(
        self, const int32_t[::1] words, const int64_t[::1] offsets, const uint64_t[::1] key, uint64_t first,
        Py_ssize_t window, bint dynamic, Py_ssize_t negative, double rate, double fall, bint bag
    ):
        cdef Py_ssize_t t, n_texts = offsets.shape[0] - 1, made = 0
        cdef Rng rng
        enter(&self.busy, self)
        try:
            self.prepare(negative)
            with nogil:
                for t in range(n_texts):
                    rng = rng_stream(&key[0], first + <uint64_t>t)
                    made += self.train_text(
                        &words[0] + offsets[t] if words.shape[0] else NULL, offsets[t + 1] - offsets[t], &rng, window,
                        dynamic, rate - fall * offsets[t], fall, bag)
                fp_settle(&self.loss)
            return self.loss.sum, made
        finally:
            leave(&self.busy)

    cdef int prepare(self, Py_ssize_t negative) except -1:
        cdef Py_ssize_t room, i
        self.queued = 0
        self.loss.sum = 0.0
        for i in range(FP_BLOCK):
            self.loss.linear[i] = 0.0
            self.loss.product[i] = 1.0
        self.loss.factors = 0
        if self.n_targets != negative + 1:
            room = (negative + FP_BLOCK) // FP_BLOCK * FP_BLOCK
            self.targets = <int32_t *>zeros(&self.pool, QUEUE * (negative + 1), sizeof(int32_t))
            self.rows = <float **>zeros(&self.pool, negative + 1, sizeof(float *))
            self.logits = self.aligned(room)
            self.n_targets = <int>negative + 1
        return 0

    cdef Py_ssize_t train_text(
        self, const int32_t *words, Py_ssize_t length, Rng *rng, Py_ssize_t window, bint dynamic, double rate,
        double fall, bint bag
    ) except -1 nogil:
        """Train on one text; return the number of predictions."""
        cdef Py_ssize_t n = self.keep_some(words, length, rng), at, other, low, high, reach, made = 0
        cdef float now
        if n < 2:
            return 0
        for at in range(n):
            spend(&self.pace, 8)
            reach = window
            if dynamic:
                reach -= <Py_ssize_t>next_below(rng, <uint64_t>window)
            low = max(at - reach, 0)
            # Not at + reach: the window may be as large as a number can be.
            high = n if reach >= n - at else at + reach + 1
            now = <float>(rate - fall * self.places[at])
            if bag:
                made += 1
                self.draw(self.kept[at], Prediction(low, high, at, now), rng)
                if self.queued == QUEUE:
                    self.make(bag)
                continue
            for other in range(low, high):
                if other == at:
                    continue
                made += 1
                self.draw(self.kept[other], Prediction(low, high, at, now), rng)
                if self.queued == QUEUE:
                    self.make(bag)
        self.make(bag)
        return made

    cdef Py_ssize_t keep_some(self, const int32_t *words, Py_ssize_t length, Rng *rng) except -1 nogil:
        """List the words that are kept, and where they stand; return how many they are."""
        cdef Py_ssize_t i, n = 0
        cdef uint64_t share
        self.kept = <int32_t *>roomy(&self.pool, self.kept, &self.kept_room, length, sizeof(int32_t))
        self.places = <Py_ssize_t *>roomy(&self.pool, self.places, &self.places_room, length, sizeof(Py_ssize_t))
        for i in range(length):
            if i % BLOCK == BLOCK - 1:
                spend(&self.pace, BLOCK)
            if words[i] < 0:
                continue
            share = self.keep[words[i]]
            if share >> 32 or next_u64(rng) >> 32 < share:
                self.kept[n] = words[i]
                self.places[n] = i
                n += 1
        return n

    cdef void draw(self, int32_t target, Prediction prediction, Rng *rng) noexcept nogil:
        """Queue a prediction with its noise."""
        cdef int32_t *targets = self.targets + self.queued * self.n_targets
        cdef uint64_t word, columns = <uint64_t>self.n, product, entry
        cdef int i
        targets[0] = target
        for i in range(1, self.n_targets):
            # As nce.alias_draw: the upper 32 bits of word * columns are the column, the next 32 the coin.
            word = next_u64(rng)
            product = (word >> 32) * columns + ((<uint64_t><uint32_t>word * columns) >> 32)
            entry = self.table[product >> 32]
            targets[i] = <int32_t>((product >> 32) if <uint32_t>product < <uint32_t>(entry >> 32) else entry)
        self.queue[self.queued] = prediction
        self.queued += 1

    cdef void fetch(self, Py_ssize_t number) noexcept nogil:
        cdef int t
        for t in range(self.n_targets):
            fp_fetch(self.outputs + self.targets[number * self.n_targets + t] * self.width, self.width)
        fp_fetch(self.inputs + self.kept[self.queue[number].place] * self.width, self.width)

    cdef int make(self, bint bag) except -1 nogil:
        """Make the predictions of the queue."""
        cdef Py_ssize_t number, n = self.queued
        self.queued = 0
        for number in range(min(n, <Py_ssize_t>AHEAD)):
            self.fetch(number)
        for number in range(n):
            if number + AHEAD < n:
                self.fetch(number + AHEAD)
            if bag:
                spend(&self.pace, (self.queue[number].high - self.queue[number].low) * (4 + self.width // FP_BLOCK))
                self.of_mean(number)
            else:
                self.predict(self.inputs + self.kept[self.queue[number].place] * self.width, number)
                fp_add(self.inputs + self.kept[self.queue[number].place] * self.width, self.change, 1.0, self.width)
            spend(&self.pace, (self.n_targets + 2) * (4 + self.width // FP_BLOCK))
        return 0

    cdef void predict(self, const float *hidden, Py_ssize_t number) noexcept nogil:
        """Move the targets' rows, and leave in `change` what the hidden vector is to move by."""
        cdef int t
        for t in range(self.n_targets):
            self.rows[t] = self.outputs + self.targets[number * self.n_targets + t] * self.width
        fp_dots(hidden, self.rows, self.n_targets, self.width, self.logits)
        fp_steps(self.logits, self.n_targets, self.queue[number].rate, &self.loss)
        fp_changes(hidden, self.rows, self.logits, self.n_targets, self.width, self.change)

    cdef void of_mean(self, Py_ssize_t number) noexcept nogil:
        """Predict a word by the mean of its neighbours, each of which takes its share of the change."""
        cdef Prediction it = self.queue[number]
        cdef Py_ssize_t other
        cdef float share = <float>(1.0 / (it.high - it.low - 1))
        memset(self.mean, 0, self.width * sizeof(float))
        for other in range(it.low, it.high):
            if other != it.place:
                fp_add(self.mean, self.inputs + self.kept[other] * self.width, share, self.width)
        self.predict(self.mean, number)
        for other in range(it.low, it.high):
            if other != it.place:
                fp_add(self.inputs + self.kept[other] * self.width, self.change, share, self.width)
