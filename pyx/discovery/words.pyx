"""Kernels of words as runs of symbols: counted where texts are cut, the frequent ones chosen, and spelled.

Texts are int32 numbers of symbols, -1 wherever one separates, as `discovery.symbols` makes them.
"""

import numpy as np

from cpython.unicode cimport PyUnicode_FromKindAndData
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from _interner cimport interner_key
from _keys cimport PACKED, as_hash, is_hash, packed
from _logs cimport log_count
from _owned cimport Pool, free_all, roomy, spread
from _signals cimport Pace, new_pace, spend
from _table cimport (
    FASTCORE_PREFETCH, Cell, Table, table_after, table_fetch, table_find, table_home, table_init, table_took,
)
from _turns cimport enter, leave

cdef enum:
    CHUNK = 256  # texts go through tables in pieces, so that memory can be fetched before it is asked


cdef class WordCounter:
    """Counts of the words into which texts fall when they are cut, in the order of first occurrence."""

    cdef Pool pool
    cdef Pace pace
    cdef Table table  # a mark: the number of the word, plus one
    cdef bint wide  # whether there are numbers that can't be packed
    # Word k is symbols[offsets[k]:offsets[k + 1]].
    cdef int64_t *counts
    cdef int64_t *offsets
    cdef int32_t *symbols
    cdef Py_ssize_t n, counts_room, offsets_room, symbols_room
    cdef long busy

    def __cinit__(self):
        self.pace = new_pace()
        table_init(&self.table, &self.pool, &self.pace, 0, sizeof(Cell))
        # What is fetched early for a key without a word is that of the first one, be there one or not.
        self.counts = <int64_t *>roomy(&self.pool, NULL, &self.counts_room, 1, sizeof(int64_t))
        self.offsets = <int64_t *>roomy(&self.pool, NULL, &self.offsets_room, 1, sizeof(int64_t))
        self.symbols = <int32_t *>roomy(&self.pool, NULL, &self.symbols_room, 1, sizeof(int32_t))
        self.offsets[0] = 0

    def __dealloc__(self):
        free_all(&self.pool)

    cdef inline uint64_t key(self, const int32_t *word, int64_t length, const int32_t *last) noexcept nogil:
        """The key of a word in a text whose last symbol is at `last`."""
        cdef uint64_t key = 0
        cdef int64_t k
        cdef bint fits = length <= 3
        if fits and self.wide:
            for k in range(length):
                fits = fits and word[k] < PACKED - 1
        if fits:
            # Three characters, those too many shifted out again: lengths can't be foretold, so no branches.
            key = packed(word[0]) << 42
            key |= packed((word + 1 if word < last else last)[0]) << 21
            key |= packed((word + 2 if word + 1 < last else last)[0])
            return key >> (21 * (3 - length))
        return as_hash(interner_key(<const uint8_t *>word, length * sizeof(int32_t)))

    cdef inline int64_t candidate(self, uint64_t key) noexcept nogil:
        """The number of the word that a key most probably stands for, some number if there is none."""
        cdef uint64_t mark = table_home(&self.table, key, sizeof(Cell)).mark
        return mark - (mark > 0)

    cdef inline bint same(self, int64_t number, const int32_t *word, int64_t length) noexcept nogil:
        cdef int64_t start = self.offsets[number]
        return (
            self.offsets[number + 1] - start == length
            and memcmp(self.symbols + start, word, length * sizeof(int32_t)) == 0
        )

    cdef inline int add(self, uint64_t key, const int32_t *word, int64_t length) except -1 nogil:
        cdef Cell *cell = table_find(&self.table, key, sizeof(Cell))
        while cell.mark:
            if not is_hash(key) or self.same(cell.mark - 1, word, length):
                self.counts[cell.mark - 1] += 1
                return 0
            cell = table_after(&self.table, cell, key, sizeof(Cell))
        return self.put(cell, key, word, length)

    cdef int put(self, Cell *cell, uint64_t key, const int32_t *word, int64_t length) except -1 nogil:
        """Keep a new word, and give it a free cell."""
        cdef int64_t used = self.offsets[self.n]
        self.symbols = <int32_t *>roomy(
            &self.pool, self.symbols, &self.symbols_room, used + length, sizeof(int32_t))
        self.offsets = <int64_t *>roomy(&self.pool, self.offsets, &self.offsets_room, self.n + 2, sizeof(int64_t))
        self.counts = <int64_t *>roomy(&self.pool, self.counts, &self.counts_room, self.n + 1, sizeof(int64_t))
        memcpy(self.symbols + used, word, length * sizeof(int32_t))
        self.offsets[self.n + 1] = used + length
        self.counts[self.n] = 1
        self.n += 1
        cell.key, cell.mark = key, self.n
        return table_took(&self.table, sizeof(Cell))

    def update(self, const int32_t[::1] ids, const uint8_t[::1] joined):
        """Count the words of a block where joined[i] says that characters i and i + 1 belong together."""
        enter(&self.busy, self)
        try:
            self._update(ids, joined)
        finally:
            leave(&self.busy)

    cdef _update(self, const int32_t[::1] ids, const uint8_t[::1] joined):
        cdef int64_t i, k, m, first = 0, start, stop = 0, n = min(ids.shape[0], joined.shape[0])
        # Whether a word ends at a place of the chunk; the words that end there, and their keys.
        cdef uint8_t[CHUNK] ending
        cdef int64_t[CHUNK] begins, lengths
        cdef uint64_t[CHUNK] keys
        if n == 0:
            return
        cdef const int32_t *text = &ids[0]
        cdef const uint8_t *goes_on = &joined[0]
        cdef int32_t most = 0
        with nogil:
            for i in range(n):
                most = max(most, text[i])
            self.wide = self.wide or most >= PACKED - 1
            while stop < n:
                start, stop, m = stop, min(stop + CHUNK, n), 0
                for i in range(start, min(stop, n - 1)):
                    ending[i - start] = (text[i] >= 0) & ((text[i + 1] < 0) | (goes_on[i] == 0))
                if stop == n:
                    ending[n - 1 - start] = text[n - 1] >= 0
                # Written at every place, kept where a word ends: nobody could foretell where that is.
                for i in range(start, stop):
                    lengths[m] = i + 1
                    m += ending[i - start]
                for k in range(m):
                    while text[first] < 0:
                        first += 1
                    begins[k] = first
                    lengths[k] -= first
                    first += lengths[k]
                    keys[k] = self.key(text + begins[k], lengths[k], text + n - 1)
                    table_fetch(&self.table, keys[k], sizeof(Cell))
                for k in range(m):
                    FASTCORE_PREFETCH(&self.counts[self.candidate(keys[k])])
                    FASTCORE_PREFETCH(&self.offsets[self.candidate(keys[k])])
                for k in range(m):
                    if lengths[k] > 3:
                        FASTCORE_PREFETCH(&self.symbols[self.offsets[self.candidate(keys[k])]])
                for k in range(m):
                    self.add(keys[k], text + begins[k], lengths[k])
                spend(&self.pace, 8 * CHUNK)

    def result(self):
        """Return (numbers of the symbols of all words one after another, offsets, counts)."""
        enter(&self.busy, self)
        try:
            return self._result()
        finally:
            leave(&self.busy)

    cdef _result(self):
        cdef int64_t used = self.offsets[self.n]
        symbols, offsets, counts = np.empty(used, np.int32), np.empty(self.n + 1, np.int64), np.empty(self.n, np.int64)
        cdef int32_t[::1] to_symbols = symbols
        cdef int64_t[::1] to_offsets = offsets, to_counts = counts
        memcpy(&to_offsets[0], self.offsets, (self.n + 1) * sizeof(int64_t))
        if self.n:
            memcpy(&to_symbols[0], self.symbols, used * sizeof(int32_t))
            memcpy(&to_counts[0], self.counts, self.n * sizeof(int64_t))
        return symbols, offsets, counts


def frequent(const int64_t[::1] counts, double log_min_proba):
    """Which counts have log(count / total) > log_min_proba."""
    cdef int64_t k, total = 0
    cdef double log_total
    result = np.zeros(counts.shape[0], np.bool_)
    cdef uint8_t[::1] chosen = result
    cdef Pace pace = new_pace()
    for k in range(counts.shape[0]):
        spend(&pace, 1)
        total += counts[k]
    log_total = log_count(total)
    for k in range(counts.shape[0]):
        spend(&pace, 10)
        chosen[k] = log_count(counts[k]) - log_total > log_min_proba
    return result


def word_counts(
    const int32_t[::1] ids,
    const int64_t[::1] offsets,
    const int64_t[::1] counts,
    const int32_t[::1] symbols,
    const int64_t[::1] bounds,
    const int64_t[::1] order,
):
    """Return a dict of the words, as str, and their counts, in an order given by their numbers.

    symbols[bounds[number]:bounds[number + 1]] are a symbol's code points.
    """
    cdef int64_t n = order.shape[0], k, i, j, at, word, longest = 0
    cdef dict result = {}
    cdef uint32_t *text
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Pace pace = new_pace()
    for k in range(n):
        at = 0
        for i in range(offsets[order[k]], offsets[order[k] + 1]):
            at += bounds[ids[i] + 1] - bounds[ids[i]]
        longest = max(longest, at)
    try:
        text = <uint32_t *>spread(&pool, longest, sizeof(uint32_t))
        for k in range(n):
            word = order[k]
            at = 0
            for i in range(offsets[word], offsets[word + 1]):
                for j in range(bounds[ids[i]], bounds[ids[i] + 1]):
                    text[at] = <uint32_t>symbols[j]
                    at += 1
            result[PyUnicode_FromKindAndData(4, text, at)] = counts[word]
            spend(&pace, 100)
    finally:
        free_all(&pool)
    return result
