"""Kernels of neighbouring symbols: pairs counted, scored and found again.

Texts are int32 numbers of symbols, -1 wherever one separates, as `discovery.symbols` makes them.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from _logs cimport log_count
from _owned cimport Pool, free_all, roomy, zeros
from _signals cimport Pace, new_pace, spend
from _table cimport Cell, Table, table_fetch, table_find, table_init, table_took
from _turns cimport enter, leave

# AHEAD positions before a table is asked, its line is fetched; texts go through tables in pieces of CHUNK for the same
# reason. BLOCK characters are spent at a time where less would cost.
cdef enum:
    BLOCK = 4096
    AHEAD = 12
    CHUNK = 256
    DENSE = 16384


cdef inline uint64_t pair_key(int32_t a, int32_t b) noexcept nogil:
    return <uint64_t>(<uint32_t>a) << 32 | <uint64_t>(<uint32_t>b)


cdef inline uint64_t mark_of(int64_t count) noexcept nogil:
    """The mark of a pair with a count, which may be 0; marks add up as counts do."""
    return <uint64_t>count ^ <uint64_t>1 << 63


cdef inline int64_t count_of(uint64_t mark) noexcept nogil:
    return <int64_t>(mark ^ <uint64_t>1 << 63)


cdef class PairCounter:
    """Counts of characters and of adjacent pairs, the pairs in the order of their first occurrence."""

    cdef Pool pool
    cdef Pace pace
    cdef Table pairs
    cdef uint64_t *order
    # chars[0] counts what separates.
    cdef int64_t *chars
    cdef int64_t n_chars
    cdef Py_ssize_t room, order_room
    cdef long busy

    def __cinit__(self):
        self.pace = new_pace()
        table_init(&self.pairs, &self.pool, &self.pace, 0, sizeof(Cell))

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int reach(self, int64_t number) except -1 nogil:
        """Make ready to count a character of this number, and all below."""
        cdef Py_ssize_t room = self.room
        self.chars = <int64_t *>roomy(&self.pool, self.chars, &self.room, number + 2, sizeof(int64_t))
        memset(self.chars + room, 0, (self.room - room) * sizeof(int64_t))
        self.n_chars = max(self.n_chars, number + 1)
        return 0

    cdef int put(self, Cell *cell, uint64_t key, int64_t count) except -1 nogil:
        """Give a free cell to a new pair."""
        self.order = <uint64_t *>roomy(
            &self.pool, self.order, &self.order_room, self.pairs.size + 1, sizeof(uint64_t))
        self.order[self.pairs.size] = cell.key = key
        cell.mark = mark_of(count)
        return table_took(&self.pairs, sizeof(Cell))

    def update(self, const int32_t[::1] ids):
        """Count a block of text; pairs don't reach from one block into the next."""
        enter(&self.busy, self)
        try:
            self._update(ids)
        finally:
            leave(&self.busy)

    cdef _update(self, const int32_t[::1] ids):
        cdef int64_t i, start, stop = 0, n = ids.shape[0], k, m
        cdef int32_t before = -1, number, most = -1
        cdef uint64_t[CHUNK] keys
        cdef uint64_t key
        cdef Cell *cell
        with nogil:
            for i in range(n):
                most = max(most, ids[i])
            self.reach(most)
            # Keys first, then the table: its lines are on their way meanwhile.
            while stop < n:
                start, stop, m = stop, min(stop + CHUNK, n), 0
                for i in range(start, stop):
                    number = ids[i]
                    key = pair_key(before, number)
                    keys[m] = key
                    table_fetch(&self.pairs, key, sizeof(Cell))
                    m += (before | number) >= 0
                    self.chars[number + 1] += 1
                    before = number
                for k in range(m):
                    cell = table_find(&self.pairs, keys[k], sizeof(Cell))
                    if cell.mark:
                        cell.mark += 1
                    else:
                        self.put(cell, keys[k], 1)
                spend(&self.pace, 8 * CHUNK)

    def merge(self, const int64_t[::1] char_counts, const int32_t[:, ::1] pairs, const int64_t[::1] pair_counts):
        """Add counts such as `result` gives."""
        enter(&self.busy, self)
        try:
            self._merge(char_counts, pairs, pair_counts)
        finally:
            leave(&self.busy)

    cdef _merge(self, const int64_t[::1] char_counts, const int32_t[:, ::1] pairs, const int64_t[::1] pair_counts):
        cdef int64_t k
        cdef uint64_t key
        cdef Cell *cell
        self.reach(char_counts.shape[0] - 1)
        for k in range(char_counts.shape[0]):
            self.chars[k + 1] += char_counts[k]
        for k in range(pairs.shape[0]):
            spend(&self.pace, 10)
            key = pair_key(pairs[k, 0], pairs[k, 1])
            cell = table_find(&self.pairs, key, sizeof(Cell))
            if cell.mark:
                cell.mark += <uint64_t>pair_counts[k]
            else:
                self.put(cell, key, pair_counts[k])

    def result(self):
        """Return (counts of the characters, pairs as rows of two numbers, their counts)."""
        enter(&self.busy, self)
        try:
            return self._result()
        finally:
            leave(&self.busy)

    cdef _result(self):
        cdef int64_t k, n = self.pairs.size
        chars = np.zeros(self.n_chars, np.int64)
        pairs = np.zeros((n, 2), np.int32)
        counts = np.zeros(n, np.int64)
        cdef int32_t[:, ::1] pair = pairs
        cdef int64_t[::1] char_count = chars, count = counts
        if self.n_chars:
            memcpy(&char_count[0], self.chars + 1, self.n_chars * sizeof(int64_t))
        for k in range(n):
            spend(&self.pace, 10)
            if k + AHEAD < n:
                table_fetch(&self.pairs, self.order[k + AHEAD], sizeof(Cell))
            pair[k, 0] = <int32_t>(self.order[k] >> 32)
            pair[k, 1] = <int32_t><uint32_t>self.order[k]
            count[k] = count_of(table_find(&self.pairs, self.order[k], sizeof(Cell)).mark)
        return chars, pairs, counts


cdef class PairIndex:
    """Pairs found again: the row of each in a table of distinct ones."""

    cdef Pool pool
    cdef Pace pace  # of the set-up only: look-ups may run side by side
    cdef Table rows  # a mark: the row, plus one

    def __dealloc__(self):
        free_all(&self.pool)

    def __cinit__(self, const int32_t[:, ::1] pairs):
        cdef int64_t k
        cdef Cell *cell
        cdef uint64_t key
        self.pace = new_pace()
        table_init(&self.rows, &self.pool, &self.pace, pairs.shape[0], sizeof(Cell))
        for k in range(pairs.shape[0]):
            spend(&self.pace, 10)
            key = pair_key(pairs[k, 0], pairs[k, 1])
            cell = table_find(&self.rows, key, sizeof(Cell))
            cell.key, cell.mark = key, k + 1
            table_took(&self.rows, sizeof(Cell))

    def find(self, const int32_t[::1] ids):
        """Return for each position the row of the pair that begins there, -1 if it has none."""
        cdef int64_t i, start, stop = 0, n = ids.shape[0]
        result = np.full(n, -1, np.int32)
        cdef int32_t[::1] found = result
        cdef Pace pace = new_pace()
        with nogil:
            while stop < n - 1:
                start, stop = stop, min(stop + CHUNK, n - 1)
                for i in range(start, stop):
                    table_fetch(&self.rows, pair_key(ids[i], ids[i + 1]), sizeof(Cell))
                for i in range(start, stop):
                    if (ids[i] | ids[i + 1]) >= 0:
                        found[i] = <int32_t>table_find(
                            &self.rows, pair_key(ids[i], ids[i + 1]), sizeof(Cell)).mark - 1
                spend(&pace, 8 * CHUNK)
        return result


cdef class PairSet:
    """Pairs of which it can be asked whether they are in the set."""

    cdef Pool pool
    cdef Pace pace  # of the set-up only: look-ups may run side by side
    # A bit for every pair of two numbers below size, one more than given, so that -1 has a place: it is in no pair.
    cdef uint64_t *bits
    cdef uint64_t size, words
    # For larger numbers, instead of the bits.
    cdef Table table

    def __dealloc__(self):
        free_all(&self.pool)

    def __cinit__(self, const int32_t[:, ::1] pairs):
        cdef int64_t k, most = -1
        cdef uint64_t key
        cdef Cell *cell
        self.pace = new_pace()
        for k in range(pairs.shape[0]):
            most = max(most, pairs[k, 0], pairs[k, 1])
        if most < DENSE:
            self.size = most + 2
            self.words = self.size // 64 + 1
            self.bits = <uint64_t *>zeros(&self.pool, self.size * self.words, sizeof(uint64_t))
            for k in range(pairs.shape[0]):
                spend(&self.pace, 10)
                self.bits[(pairs[k, 0] + 1) * self.words + (pairs[k, 1] + 1) // 64] |= (
                    <uint64_t>1 << ((pairs[k, 1] + 1) % 64)
                )
            return
        table_init(&self.table, &self.pool, &self.pace, pairs.shape[0], sizeof(Cell))
        for k in range(pairs.shape[0]):
            spend(&self.pace, 10)
            key = pair_key(pairs[k, 0], pairs[k, 1])
            cell = table_find(&self.table, key, sizeof(Cell))
            if not cell.mark:
                cell.key, cell.mark = key, 1
                table_took(&self.table, sizeof(Cell))

    def holds(self, const int32_t[::1] ids):
        """Return for each position whether the pair that begins there is in the set."""
        cdef int64_t i, start, stop = 0, n = ids.shape[0]
        cdef uint64_t a, b, size = self.size, words = self.words
        cdef const uint64_t *bits = self.bits
        result = np.zeros(n, np.uint8)
        cdef uint8_t[::1] held = result
        cdef Pace pace = new_pace()
        with nogil:
            while stop < n - 1:
                start, stop = stop, min(stop + CHUNK, n - 1)
                if bits != NULL:
                    # No branches: half of them would be foretold wrongly.
                    for i in range(start, stop):
                        a = <uint64_t>(ids[i] + 1)
                        b = <uint64_t>(ids[i + 1] + 1)
                        a = a if a < size else 0
                        b = b if b < size else 0
                        held[i] = bits[a * words + (b >> 6)] >> (b & 63) & 1
                else:
                    for i in range(start, stop):
                        table_fetch(&self.table, pair_key(ids[i], ids[i + 1]), sizeof(Cell))
                    for i in range(start, stop):
                        held[i] = (ids[i] | ids[i + 1]) >= 0 and table_find(
                            &self.table, pair_key(ids[i], ids[i + 1]), sizeof(Cell)
                        ).mark > 0
                spend(&pace, 8 * CHUNK)
        return result


def cover(const int32_t[:, ::1] grams, const uint8_t[::1] passing):
    """Return which characters i and i + 1 lie together in an n-gram that passes.

    grams[k, i] is the number of the n-gram of k + 1 characters that begins at i, or -1; passing[number] whether
    it passes.
    """
    cdef int64_t i, k, orders = grams.shape[0], n = grams.shape[1], reach = 0
    result = np.zeros(n, np.uint8)
    cdef uint8_t[::1] joined = result
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(n):
            k = orders - 1
            while k > 0 and i + k > reach:
                if grams[k, i] >= 0 and passing[grams[k, i]]:
                    reach = i + k
                k -= 1
            joined[i] = i < reach
            if i % BLOCK == 0:
                spend(&pace, BLOCK * orders)
    return result


def pair_scores(const int64_t[::1] char_counts, const int32_t[:, ::1] pairs, const int64_t[::1] pair_counts):
    """Return log p(ab) and the pointwise mutual information log p(ab) - log p(a) - log p(b) of every pair."""
    cdef int64_t k, chars = 0, total = 0
    cdef double log_chars, log_pairs
    singles = np.zeros(char_counts.shape[0])
    probabilities = np.zeros(pairs.shape[0])
    scores = np.zeros(pairs.shape[0])
    cdef double[::1] single = singles, probability = probabilities, score = scores
    cdef Pace pace = new_pace()
    for k in range(char_counts.shape[0]):
        chars += char_counts[k]
    for k in range(pair_counts.shape[0]):
        total += pair_counts[k]
    log_chars, log_pairs = log_count(chars), log_count(total)
    for k in range(char_counts.shape[0]):
        single[k] = log_count(char_counts[k]) - log_chars
    for k in range(pairs.shape[0]):
        spend(&pace, 10)
        probability[k] = log_count(pair_counts[k]) - log_pairs
        score[k] = probability[k] - single[pairs[k, 0]] - single[pairs[k, 1]]
    return probabilities, scores
