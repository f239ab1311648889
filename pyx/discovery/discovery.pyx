"""Kernels of word discovery: adjacent pairs counted, texts cut where they are weak, redundant words removed.

Texts come as int32 numbers of characters, -1 between texts and wherever a character separates.
"""

import numpy as np

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_FromKindAndData, PyUnicode_KIND
from libc.math cimport INFINITY, exp, log
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from _signals cimport Pace, must_stop, new_pace, spend

cdef extern from "memory_hints.h":
    void FASTCORE_PREFETCH(const void* address) noexcept nogil
    void* fastcore_spread(size_t bytes) noexcept nogil

# Code points end at POINTS. AHEAD positions before a table is asked, its line is fetched; texts go through tables in
# pieces of CHUNK for the same reason. BLOCK characters or words are spent at a time where less would cost.
cdef enum:
    BLOCK = 4096
    POINTS = 1114112
    AHEAD = 12
    CHUNK = 256
    DENSE = 16384
    REACH = 4


# The base of hashes of words, and what tells the beginning of a word from a word.
cdef extern from *:
    """
    #define FASTCORE_FACTOR 0xD6E8FEB86659FD93u
    #define FASTCORE_BEGINS 0x5851F42D4C957F2Du
    """
    const uint64_t FACTOR "FASTCORE_FACTOR"
    const uint64_t BEGINS "FASTCORE_BEGINS"


cdef inline uint64_t mix(uint64_t x) noexcept nogil:
    """Scramble a key, so that its low bits are fit for a table."""
    x *= <uint64_t>0x9E3779B97F4A7C15
    return x ^ (x >> 32)


cdef inline uint64_t pair_key(int32_t a, int32_t b) noexcept nogil:
    return <uint64_t>(<unsigned int>a) << 32 | <uint64_t>(<unsigned int>b)


ctypedef fused Char:
    uint8_t
    uint16_t
    uint32_t


cdef class Encoder:
    """Characters numbered in the order in which they are first seen.

    keep[code point] says whether a character is part of words; all others separate.
    """

    cdef int32_t* numbers
    cdef int32_t* codes
    cdef int32_t size

    def __init__(self, const uint8_t[::1] keep):
        cdef int64_t k
        self.numbers = <int32_t*>malloc(POINTS * sizeof(int32_t))
        self.codes = <int32_t*>malloc(POINTS * sizeof(int32_t))
        if self.numbers == NULL or self.codes == NULL:
            raise MemoryError
        for k in range(POINTS):
            self.numbers[k] = -2 if k < keep.shape[0] and keep[k] else -1

    def __dealloc__(self):
        free(self.numbers)
        free(self.codes)

    cdef int64_t write(self, const Char* text, int64_t n, int32_t* ids, int64_t m) except -1 nogil:
        """Number n characters; ids[m - 1] is what came before, if anything. Return where the numbers end."""
        cdef int64_t i
        cdef int32_t number, before = ids[m - 1] if m else 0
        for i in range(n):
            number = self.numbers[text[i]]
            if number == -2:
                number = self.numbers[text[i]] = self.size
                self.codes[self.size] = <int32_t>text[i]
                self.size += 1
            ids[m] = number
            m += (number >= 0) | (before >= 0)
            before = number
        return m

    def encode(self, str text):
        """Return the text as numbers, one -1 for each run of characters that separate."""
        cdef int64_t n = len(text), start = 0, size, m = 0
        cdef int kind = PyUnicode_KIND(text)
        cdef void* data = PyUnicode_DATA(text)
        result = np.empty(n + 1, np.int32)
        cdef int32_t[::1] numbers = result
        cdef int32_t* ids = &numbers[0]
        cdef Pace pace = new_pace()
        with nogil:
            while start < n:
                size = min(n - start, BLOCK)
                if kind == 1:
                    m = self.write(<const uint8_t*>data + start, size, ids, m)
                elif kind == 2:
                    m = self.write(<const uint16_t*>data + start, size, ids, m)
                else:
                    m = self.write(<const uint32_t*>data + start, size, ids, m)
                start += size
                spend(&pace, size)
        return result[:m].copy()

    def symbols(self):
        """Return the code point of each number."""
        result = np.empty(self.size, np.int32)
        cdef int32_t[::1] codes = result
        if self.size:
            memcpy(&codes[0], self.codes, self.size * sizeof(int32_t))
        return result


cdef struct Slot:
    # value: what belongs to the key; 0 marks a free slot.
    uint64_t key
    int64_t value


cdef struct Table:
    # An open-addressing table, at most half full.
    Slot* slots
    int64_t size, mask


cdef int table_init(Table* table) except -1:
    table.size, table.mask = 0, 1023
    table.slots = <Slot*>calloc(1024, sizeof(Slot))
    if table.slots == NULL:
        raise MemoryError
    return 0


cdef inline Slot* table_find(const Table* table, uint64_t key) noexcept nogil:
    """The slot that holds a key or would hold it, where equal keys are equal things."""
    cdef uint64_t at = mix(key) & table.mask
    while table.slots[at].value and table.slots[at].key != key:
        at = (at + 1) & table.mask
    return &table.slots[at]


cdef int table_put(Table* table, Slot* slot, uint64_t key, int64_t value, Pace* pace) except -1 nogil:
    """Give a free slot to a new key; afterwards there is room for one more."""
    cdef int64_t mask = 4 * table.mask + 3, k
    cdef uint64_t at
    cdef Slot* slots
    slot.key = key
    slot.value = value
    table.size += 1
    if 2 * table.size <= table.mask:
        return 0
    slots = <Slot*>fastcore_spread((mask + 1) * sizeof(Slot))
    if slots == NULL:
        raise MemoryError
    memset(slots, 0, (mask + 1) * sizeof(Slot))
    for k in range(table.mask + 1):
        if k % BLOCK == 0:
            # The key is in its place already, and the table as good as before, if a little fuller.
            if must_stop(pace, 8 * BLOCK):
                free(slots)
                return -1
        if table.slots[k].value:
            at = mix(table.slots[k].key) & mask
            while slots[at].value:
                at = (at + 1) & mask
            slots[at] = table.slots[k]
    free(table.slots)
    table.slots, table.mask = slots, mask
    return 0


cdef class PairCounter:
    """Counts of characters and of adjacent pairs, the pairs in the order of their first occurrence."""

    cdef Table pairs
    cdef uint64_t* order
    # chars[0] counts what separates.
    cdef int64_t* chars
    cdef int64_t n_chars, room, order_room

    def __cinit__(self):
        table_init(&self.pairs)

    def __dealloc__(self):
        free(self.pairs.slots)
        free(self.order)
        free(self.chars)

    cdef int reach(self, int64_t number) except -1 nogil:
        cdef int64_t k
        cdef int64_t* chars
        if number + 2 > self.room:
            chars = <int64_t*>realloc(self.chars, (2 * number + 64) * sizeof(int64_t))
            if chars == NULL:
                raise MemoryError
            for k in range(self.room, 2 * number + 64):
                chars[k] = 0
            self.chars, self.room = chars, 2 * number + 64
        self.n_chars = max(self.n_chars, number + 1)
        return 0

    cdef int put(self, Slot* slot, uint64_t key, int64_t count, Pace* pace) except -1 nogil:
        cdef uint64_t* order
        if self.pairs.size == self.order_room:
            order = <uint64_t*>realloc(self.order, (2 * self.order_room + 512) * sizeof(uint64_t))
            if order == NULL:
                raise MemoryError
            self.order, self.order_room = order, 2 * self.order_room + 512
        self.order[self.pairs.size] = key
        table_put(&self.pairs, slot, key, count, pace)
        return 0

    def update(self, const int32_t[::1] ids):
        """Count a block of text; pairs don't reach from one block into the next."""
        cdef int64_t i, start, stop = 0, n = ids.shape[0], k, m
        cdef int32_t before = -1, number, most = -1
        cdef uint64_t keys[CHUNK]
        cdef uint64_t key
        cdef Slot* slot
        cdef Pace pace = new_pace()
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
                    FASTCORE_PREFETCH(&self.pairs.slots[mix(key) & self.pairs.mask])
                    m += (before | number) >= 0
                    self.chars[number + 1] += 1
                    before = number
                for k in range(m):
                    slot = table_find(&self.pairs, keys[k])
                    if slot.value:
                        slot.value += 1
                    else:
                        self.put(slot, keys[k], 1, &pace)
                spend(&pace, 8 * CHUNK)

    def merge(self, const int64_t[::1] char_counts, const int32_t[:, ::1] pairs, const int64_t[::1] pair_counts):
        """Add counts such as `result` gives."""
        cdef int64_t k
        cdef uint64_t key
        cdef Slot* slot
        cdef Pace pace = new_pace()
        self.reach(char_counts.shape[0] - 1)
        for k in range(char_counts.shape[0]):
            self.chars[k + 1] += char_counts[k]
        for k in range(pairs.shape[0]):
            spend(&pace, 10)
            key = pair_key(pairs[k, 0], pairs[k, 1])
            slot = table_find(&self.pairs, key)
            if slot.value:
                slot.value += pair_counts[k]
            else:
                self.put(slot, key, pair_counts[k], &pace)

    def result(self):
        """Return (counts of the characters, pairs as rows of two numbers, their counts)."""
        cdef int64_t k
        chars = np.zeros(self.n_chars, np.int64)
        pairs = np.zeros((self.pairs.size, 2), np.int32)
        counts = np.zeros(self.pairs.size, np.int64)
        cdef int32_t[:, ::1] pair = pairs
        cdef int64_t[::1] char_count = chars, count = counts
        cdef Pace pace = new_pace()
        if self.n_chars:
            memcpy(&char_count[0], self.chars + 1, self.n_chars * sizeof(int64_t))
        for k in range(self.pairs.size):
            spend(&pace, 10)
            if k + AHEAD < self.pairs.size:
                FASTCORE_PREFETCH(&self.pairs.slots[mix(self.order[k + AHEAD]) & self.pairs.mask])
            pair[k, 0] = <int32_t>(self.order[k] >> 32)
            pair[k, 1] = <int32_t><uint32_t>self.order[k]
            count[k] = table_find(&self.pairs, self.order[k]).value
        return chars, pairs, counts


cdef class PairIndex:
    """Pairs found again: the row of each in a table of distinct ones."""

    cdef Table rows

    def __cinit__(self):
        table_init(&self.rows)

    def __dealloc__(self):
        free(self.rows.slots)

    def __init__(self, const int32_t[:, ::1] pairs):
        cdef int64_t k
        cdef uint64_t key
        cdef Pace pace = new_pace()
        for k in range(pairs.shape[0]):
            spend(&pace, 10)
            key = pair_key(pairs[k, 0], pairs[k, 1])
            table_put(&self.rows, table_find(&self.rows, key), key, k + 1, &pace)

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
                    FASTCORE_PREFETCH(&self.rows.slots[mix(pair_key(ids[i], ids[i + 1])) & self.rows.mask])
                for i in range(start, stop):
                    if (ids[i] | ids[i + 1]) >= 0:
                        found[i] = <int32_t>table_find(&self.rows, pair_key(ids[i], ids[i + 1])).value - 1
                spend(&pace, 8 * CHUNK)
        return result


cdef class PairSet:
    """Pairs of which it can be asked whether they are in the set."""

    cdef Table table
    # A bit for every pair of two numbers below size, one more than given, so that -1 has a place: it is in no pair.
    cdef uint64_t* bits
    cdef uint64_t size, words

    def __cinit__(self):
        table_init(&self.table)

    def __dealloc__(self):
        free(self.table.slots)
        free(self.bits)

    def __init__(self, const int32_t[:, ::1] pairs):
        cdef int64_t k, most = -1
        cdef uint64_t key
        cdef Pace pace = new_pace()
        for k in range(pairs.shape[0]):
            most = max(most, pairs[k, 0], pairs[k, 1])
        if most < DENSE:
            self.size = most + 2
            self.words = self.size // 64 + 1
            self.bits = <uint64_t*>calloc(self.size * self.words, sizeof(uint64_t))
            if self.bits == NULL:
                raise MemoryError
        for k in range(pairs.shape[0]):
            spend(&pace, 10)
            if self.bits != NULL:
                self.bits[(pairs[k, 0] + 1) * self.words + (pairs[k, 1] + 1) // 64] |= (
                    <uint64_t>1 << ((pairs[k, 1] + 1) % 64)
                )
            else:
                key = pair_key(pairs[k, 0], pairs[k, 1])
                table_put(&self.table, table_find(&self.table, key), key, 1, &pace)

    def holds(self, const int32_t[::1] ids):
        """Return for each position whether the pair that begins there is in the set."""
        cdef int64_t i, start, stop = 0, n = ids.shape[0]
        cdef uint64_t a, b, size = self.size, words = self.words
        cdef const uint64_t* bits = self.bits
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
                        FASTCORE_PREFETCH(&self.table.slots[mix(pair_key(ids[i], ids[i + 1])) & self.table.mask])
                    for i in range(start, stop):
                        held[i] = (ids[i] | ids[i + 1]) >= 0 and table_find(
                            &self.table, pair_key(ids[i], ids[i + 1])
                        ).value > 0
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


cdef double log_count(int64_t count) noexcept nogil:
    """log, where the log of nothing is -100."""
    return -100.0 if count == 0 else log(<double>count)


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


cdef class WordCounter:
    """Counts of the words into which texts fall when they are cut, in the order of first occurrence."""

    # Keys are up to three characters packed, or a hash with the top bit set; values are numbers of words, + 1.
    cdef Table table
    cdef int64_t* counts
    cdef int64_t* offsets
    cdef int32_t* pool
    cdef int64_t room, pool_room

    def __cinit__(self):
        table_init(&self.table)
        self.room, self.pool_room = 512, 4096
        self.counts = <int64_t*>malloc(512 * sizeof(int64_t))
        self.offsets = <int64_t*>calloc(513, sizeof(int64_t))
        self.pool = <int32_t*>malloc(4096 * sizeof(int32_t))
        if self.counts == NULL or self.offsets == NULL or self.pool == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.table.slots)
        free(self.counts)
        free(self.offsets)
        free(self.pool)

    cdef inline uint64_t key(self, const int32_t* word, int64_t length, const int32_t* last) noexcept nogil:
        """The key of a word in a text whose last character is at `last`."""
        cdef uint64_t key = 0
        cdef int64_t k
        if length <= 3:
            # Three characters, those too many shifted out again: lengths can't be foretold, so no branches.
            key = <uint64_t>(word[0] + 1) << 42
            key |= <uint64_t>((word + 1 if word < last else last)[0] + 1) << 21
            key |= <uint64_t>((word + 2 if word + 1 < last else last)[0] + 1)
            return key >> (21 * (3 - length))
        for k in range(length):
            key = mix(key ^ <uint64_t>word[k]) * FACTOR
        return key | <uint64_t>1 << 63

    cdef inline int64_t candidate(self, uint64_t key) noexcept nogil:
        """The number of the word that a key most probably stands for, some number if there is none."""
        cdef Slot* slot = &self.table.slots[mix(key) & self.table.mask]
        return slot.value - (slot.value > 0)

    cdef inline bint same(self, int64_t number, const int32_t* word, int64_t length) noexcept nogil:
        cdef int64_t start = self.offsets[number]
        return (
            self.offsets[number + 1] - start == length
            and memcmp(self.pool + start, word, length * sizeof(int32_t)) == 0
        )

    cdef inline int add(self, uint64_t key, const int32_t* word, int64_t length, Pace* pace) except -1 nogil:
        cdef uint64_t at = mix(key) & self.table.mask
        cdef Slot* slot = &self.table.slots[at]
        while slot.value:
            if slot.key == key and (length <= 3 or self.same(slot.value - 1, word, length)):
                self.counts[slot.value - 1] += 1
                return 0
            at = (at + 1) & self.table.mask
            slot = &self.table.slots[at]
        self.append(word, length)
        table_put(&self.table, slot, key, self.table.size + 1, pace)
        return 0

    cdef int append(self, const int32_t* word, int64_t length) except -1 nogil:
        """Keep the characters of a new word."""
        cdef int64_t n = self.table.size, used = self.offsets[n], room
        cdef int32_t* pool
        cdef int64_t* offsets
        cdef int64_t* counts
        if used + length > self.pool_room:
            room = 2 * self.pool_room + length
            pool = <int32_t*>realloc(self.pool, room * sizeof(int32_t))
            if pool == NULL:
                raise MemoryError
            self.pool, self.pool_room = pool, room
        if n == self.room:
            offsets = <int64_t*>realloc(self.offsets, (2 * self.room + 1) * sizeof(int64_t))
            if offsets != NULL:
                self.offsets = offsets
            counts = <int64_t*>realloc(self.counts, 2 * self.room * sizeof(int64_t))
            if counts != NULL:
                self.counts = counts
            if offsets == NULL or counts == NULL:
                raise MemoryError
            self.room *= 2
        memcpy(self.pool + used, word, length * sizeof(int32_t))
        self.offsets[n + 1] = used + length
        self.counts[n] = 1
        return 0

    def update(self, const int32_t[::1] ids, const uint8_t[::1] joined):
        """Count the words of a block where joined[i] says that characters i and i + 1 belong together."""
        cdef int64_t i, k, m, first = 0, start, stop = 0, n = min(ids.shape[0], joined.shape[0])
        # Whether a word ends at a place of the chunk; the words that end there, and their keys.
        cdef uint8_t ending[CHUNK]
        cdef int64_t begins[CHUNK]
        cdef int64_t lengths[CHUNK]
        cdef uint64_t keys[CHUNK]
        cdef Pace pace = new_pace()
        if n == 0:
            return
        cdef const int32_t* text = &ids[0]
        cdef const uint8_t* goes_on = &joined[0]
        with nogil:
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
                    FASTCORE_PREFETCH(&self.table.slots[mix(keys[k]) & self.table.mask])
                for k in range(m):
                    FASTCORE_PREFETCH(&self.counts[self.candidate(keys[k])])
                    FASTCORE_PREFETCH(&self.offsets[self.candidate(keys[k])])
                for k in range(m):
                    if lengths[k] > 3:
                        FASTCORE_PREFETCH(&self.pool[self.offsets[self.candidate(keys[k])]])
                for k in range(m):
                    self.add(keys[k], text + begins[k], lengths[k], &pace)
                spend(&pace, 8 * CHUNK)

    def result(self):
        """Return (numbers of the characters of all words one after another, offsets, counts)."""
        cdef int64_t n = self.table.size, used = self.offsets[self.table.size]
        characters = np.zeros(used, np.int32)
        offsets = np.zeros(n + 1, np.int64)
        counts = np.zeros(n, np.int64)
        cdef int32_t[::1] character = characters
        cdef int64_t[::1] offset = offsets, count = counts
        memcpy(&offset[0], self.offsets, (n + 1) * sizeof(int64_t))
        if n:
            memcpy(&character[0], self.pool, used * sizeof(int32_t))
            memcpy(&count[0], self.counts, n * sizeof(int64_t))
        return characters, offsets, counts


def frequent(const int64_t[::1] counts, double log_min_proba):
    """Which counts have log(count / total) > log_min_proba."""
    cdef int64_t k, total = 0
    cdef double log_total
    result = np.zeros(counts.shape[0], np.bool_)
    cdef uint8_t[::1] chosen = result
    cdef Pace pace = new_pace()
    for k in range(counts.shape[0]):
        total += counts[k]
    log_total = log_count(total)
    for k in range(counts.shape[0]):
        spend(&pace, 10)
        chosen[k] = log_count(counts[k]) - log_total > log_min_proba
    return result


cdef struct Entry:
    # A word: its key (0: a free slot), its count and the log of that, where it begins in `ids`.
    uint64_t key
    int64_t count, start
    double log_count


cdef class _Lattice:
    """Words in a table by their characters, and the best segmentation of one of them by the others.

    A filter of bits, small enough for a near cache, knows the keys of all words and of what they begin with, 2, 4,
    8, ... characters: most stretches of a word are no words, and most searches for longer ones end early.
    """

    cdef Entry* entries
    cdef uint64_t* filter
    cdef uint64_t* powers
    cdef uint64_t* hashes
    cdef int64_t* singles
    cdef int64_t* slots
    cdef int64_t* back
    cdef int64_t* via
    cdef double* scores
    cdef int64_t* parts
    cdef int64_t* chosen
    cdef int64_t mask, total
    cdef Pace pace
    cdef int shift
    cdef double log_total, most
    # Whether two words share a key, so that `value` can't tell them apart.
    cdef bint ambiguous
    cdef const int32_t* ids
    cdef const uint8_t* kinds
    # All lengths of words, rising.
    cdef const int64_t[::1] lengths

    def __cinit__(self, int64_t n_words, const int64_t[::1] lengths, int64_t n_symbols):
        cdef int64_t k, longest = lengths[lengths.shape[0] - 1], slots = 64
        self.lengths = lengths
        self.pace = new_pace()
        # Eight bits of the filter for each slot.
        self.shift = 64 - 9
        while 2 * slots < 3 * n_words:
            slots *= 2
            self.shift -= 1
        self.entries = <Entry*>fastcore_spread(slots * sizeof(Entry))
        self.filter = <uint64_t*>calloc(slots // 8, sizeof(uint64_t))
        self.powers = <uint64_t*>malloc((longest + 1) * sizeof(uint64_t))
        self.hashes = <uint64_t*>malloc((longest + 1) * sizeof(uint64_t))
        # Where words are: single characters by number, and words as they come.
        self.singles = <int64_t*>malloc((n_symbols + 1) * sizeof(int64_t))
        self.slots = <int64_t*>malloc((n_words + 1) * sizeof(int64_t))
        self.back = <int64_t*>malloc((longest + 1) * sizeof(int64_t))
        self.via = <int64_t*>malloc((longest + 1) * sizeof(int64_t))
        self.scores = <double*>malloc((longest + 1) * sizeof(double))
        self.parts = <int64_t*>malloc((longest + 1) * sizeof(int64_t))
        self.chosen = <int64_t*>malloc((longest + 1) * sizeof(int64_t))
        if NULL in (
            self.entries, self.filter, self.powers, self.hashes, self.singles, self.slots, self.back, self.via,
            self.scores, self.parts, self.chosen
        ):
            raise MemoryError
        memset(self.entries, 0, slots * sizeof(Entry))
        self.mask = slots - 1
        self.powers[0] = 1
        for k in range(longest):
            self.powers[k + 1] = self.powers[k] * FACTOR
        for k in range(n_symbols):
            self.singles[k] = -1

    def __dealloc__(self):
        free(self.entries)
        free(self.filter)
        free(self.powers)
        free(self.hashes)
        free(self.singles)
        free(self.slots)
        free(self.back)
        free(self.via)
        free(self.scores)
        free(self.parts)
        free(self.chosen)

    cdef inline void open(self, const int32_t* word, int64_t length) noexcept nogil:
        """Make ready to ask for stretches of a word."""
        cdef int64_t k
        self.hashes[0] = 0
        for k in range(length):
            self.hashes[k + 1] = self.hashes[k] * FACTOR + <uint64_t>(word[k] + 1)

    cdef inline uint64_t key(self, const int32_t* word, int64_t first, int64_t length) noexcept nogil:
        """The key of a stretch of the open word: up to three characters packed, or a hash with the top bit set."""
        word += first
        if length == 1:
            return <uint64_t>(word[0] + 1)
        if length == 2:
            return <uint64_t>(word[0] + 1) << 21 | <uint64_t>(word[1] + 1)
        if length == 3:
            return (<uint64_t>(word[0] + 1) << 21 | <uint64_t>(word[1] + 1)) << 21 | <uint64_t>(word[2] + 1)
        return (self.hashes[first + length] - self.hashes[first] * self.powers[length]) | <uint64_t>1 << 63

    cdef inline bint known(self, uint64_t mixed) noexcept nogil:
        """Whether the filter has met a scrambled key: if not, surely no word has it."""
        return self.filter[mixed >> self.shift >> 6] >> (mixed >> self.shift & 63) & 1

    cdef inline void meet(self, uint64_t mixed) noexcept nogil:
        self.filter[mixed >> self.shift >> 6] |= <uint64_t>1 << (mixed >> self.shift & 63)

    cdef int fill(self, const int64_t[::1] offsets, const int64_t[::1] counts) except -1 nogil:
        """Put all words into the table."""
        cdef int64_t n = counts.shape[0], k, length, begin
        cdef uint64_t at
        cdef const int32_t* word
        # Keys in the place of slots, so that the lines of the table can be fetched early.
        cdef uint64_t* keys = <uint64_t*>self.slots
        for k in range(n):
            word, length = self.ids + offsets[k], offsets[k + 1] - offsets[k]
            self.open(word, length)
            keys[k] = self.key(word, 0, length)
            self.meet(mix(keys[k]))
            begin = 2
            while begin < length:
                self.meet(mix(self.key(word, 0, begin) ^ BEGINS))
                begin *= 2
            spend(&self.pace, 10 + 4 * length)
        for k in range(n):
            spend(&self.pace, 10)
            if k + AHEAD < n:
                FASTCORE_PREFETCH(&self.entries[mix(keys[k + AHEAD]) & self.mask])
            at = mix(keys[k]) & self.mask
            while self.entries[at].key:
                self.ambiguous = self.ambiguous or self.entries[at].key == keys[k]
                at = (at + 1) & self.mask
            self.entries[at] = Entry(keys[k], counts[k], offsets[k], log(<double>counts[k]))
            self.slots[k] = at
            self.total += counts[k]
            self.most = max(self.most, self.entries[at].log_count)
            if offsets[k + 1] - offsets[k] == 1:
                self.singles[self.ids[offsets[k]]] = at
        self.log_total = log(<double>self.total)
        return 0

    cdef void scout(self, int64_t slot, const int32_t* word, int64_t length) noexcept nogil:
        """Fetch the lines of the table that judging a word will ask for."""
        cdef int64_t size
        FASTCORE_PREFETCH(&self.entries[slot])
        if length > 4:
            self.open(word, length)
        for size in range(2, length):
            FASTCORE_PREFETCH(self.place(self.key(word, 0, size)))
            FASTCORE_PREFETCH(self.place(self.key(word, length - size, size)))

    cdef inline Entry* place(self, uint64_t key) noexcept nogil:
        """Where a key is, if the filter knows it; without a branch, which nobody could foretell."""
        cdef uint64_t mixed = mix(key)
        return &self.entries[mixed & self.mask & -<uint64_t>self.known(mixed)]

    cdef inline void explore(self, const int32_t* word, int64_t length) noexcept nogil:
        """Fetch the lines of short stretches of the open word."""
        cdef int64_t i, size
        for i in range(1, length - 2):
            for size in range(2, min(length - i - 1, REACH) + 1):
                FASTCORE_PREFETCH(self.place(self.key(word, i, size)))

    cdef inline int64_t find(self, const int32_t* word, int64_t first, int64_t length, uint64_t key) noexcept nogil:
        """The slot of a stretch of the open word, -1 if it is no word."""
        cdef uint64_t at = mix(key) & self.mask
        while self.entries[at].key:
            if self.entries[at].key == key and (
                length <= 3
                or memcmp(self.ids + self.entries[at].start, word + first, length * sizeof(int32_t)) == 0
            ):
                return at
            at = (at + 1) & self.mask
        return -1

    cdef inline double value(self, const int32_t* word, int64_t first, int64_t length) noexcept nogil:
        """The log of the count of a stretch of the open word, minus infinity if it is no living word.

        It may be that of a word with the same key if the stretch is no word: more than it should be, never less.
        """
        cdef int64_t slot
        cdef uint64_t key, at
        if length == 1:
            slot = self.singles[word[first]]
            return self.entries[slot].log_count if slot >= 0 and self.entries[slot].count else -INFINITY
        key = self.key(word, first, length)
        at = mix(key)
        if not self.known(at):
            return -INFINITY
        at &= self.mask
        while self.entries[at].key and self.entries[at].key != key:
            at = (at + 1) & self.mask
        return self.entries[at].log_count if self.entries[at].count else -INFINITY

    cdef bint stays(self, const int32_t* word, int64_t length, double log_count) noexcept nogil:
        """Whether the open word surely stays, since no two words that it begins and ends with are frequent enough.

        Whatever parts lie between them, the most frequent word is as probable as one of them can be.
        """
        cdef int64_t cut
        cdef double begin, end, before = -INFINITY, best = -INFINITY
        for cut in range(1, length):
            begin = self.value(word, 0, cut)
            if begin > -INFINITY or before > -INFINITY:
                end = self.value(word, cut, length - cut)
                best = max(best, max(begin, before + self.most - self.log_total) + end)
            before = max(before, begin)
        # A margin for what rounding may do to the score of `judge`.
        return log_count + self.log_total - best > (length - 1) + 1e-6 * length

    cdef inline void arrive(self, int64_t i, int64_t j, int64_t slot) noexcept nogil:
        """If a living word is in the slot, it goes from i to j: keep it if that is better."""
        cdef double score
        if slot >= 0 and self.entries[slot].count:
            score = self.scores[i] + (self.entries[slot].log_count - self.log_total)
            if self.back[j] < 0 or score > self.scores[j]:
                self.scores[j] = score
                self.back[j] = i
                self.via[j] = slot

    cdef int path(self, const int32_t* word, int64_t first, int64_t stop) except -1 nogil:
        """Best path over characters first .. stop of the open word: back[e] is where the part that ends at e begins.

        via[e] is the slot of that part, -1 where no word ends.
        """
        cdef int64_t i, k = 0, length, begin
        cdef uint64_t key
        for i in range(first + 1, stop + 1):
            self.back[i] = -1
        self.scores[first] = 1.0
        for i in range(first, stop):
            self.arrive(i, i + 1, self.singles[word[i]])
            begin = 1
            for k in range(self.lengths[0] == 1, self.lengths.shape[0]):
                length = self.lengths[k]
                if length > stop - i:
                    break
                if length > 2 * begin:
                    while 2 * begin < length:
                        begin *= 2
                    if not self.known(mix(self.key(word, i, begin) ^ BEGINS)):
                        break
                key = self.key(word, i, length)
                if self.known(mix(key)):
                    self.arrive(i, i + length, self.find(word, i, length, key))
            spend(&self.pace, 8 * k + 8)
            if self.back[i + 1] < 0:
                self.scores[i + 1] = self.scores[i] - 100.0
                self.back[i + 1] = i
                self.via[i + 1] = -1
        return 0

    cdef int64_t segment(self, const int32_t* word, int64_t length) except -1 nogil:
        """Segment the open word: where the parts end, the slots of the words they are; their number."""
        cdef int64_t n = 0, stop, first = 0, at, k
        while first < length:
            stop = first + 1
            # Punctuation splits, and each of its characters is a part.
            if self.kinds[word[first]] & 4:
                self.back[stop] = first
                self.via[stop] = self.singles[word[first]]
            else:
                while stop < length and not self.kinds[word[stop]] & 4:
                    stop += 1
                self.path(word, first, stop)
            at = stop
            while at > first:
                n += 1
                at = self.back[at]
            at, k = stop, n
            while at > first:
                k -= 1
                self.parts[k] = at
                self.chosen[k] = self.via[at]
                at = self.back[at]
            first = stop
        return self.joined(word, n)

    cdef int64_t joined(self, const int32_t* word, int64_t n) noexcept nogil:
        """Join parts that are letters and digits to the run before them; return how many are left."""
        cdef int64_t k, at, stop, first = 0, kept = 0, begin = 0
        cdef bint combine = False, whole
        for k in range(n):
            stop = self.parts[k]
            whole = combine and self.kinds[word[stop - 1]] & 1
            if whole:
                for at in range(first, stop):
                    whole = whole and self.kinds[word[at]] & 2
            if whole:
                kept -= 1
                self.chosen[kept] = self.find(word, begin, stop - begin, self.key(word, begin, stop - begin))
            else:
                combine = not combine and self.kinds[word[stop - 1]] & 1
                begin = first
                self.chosen[kept] = self.chosen[k]
            self.parts[kept] = stop
            kept += 1
            first = stop
        return kept

    cdef int judge(self, int64_t slot, const int32_t* word, int64_t length) except -1 nogil:
        """Drop a word that its parts explain, and give them its count."""
        cdef int64_t n, k, count
        cdef double score
        cdef bint spelled = True
        cdef Entry* entry = &self.entries[slot]
        self.open(word, length)
        if not self.ambiguous and self.stays(word, length, entry.log_count):
            return 0
        count = entry.count
        score = entry.log_count - self.log_total
        entry.count = 0
        self.explore(word, length)
        n = self.segment(word, length)
        for k in range(n):
            # A part that is no word itself: only this word has it.
            spelled = spelled and self.chosen[k] >= 0 and self.entries[self.chosen[k]].count > 0
            if spelled:
                score -= self.entries[self.chosen[k]].log_count - self.log_total
        if spelled and score < length - 1:
            for k in range(n):
                entry = &self.entries[self.chosen[k]]
                entry.count += count
                entry.log_count = log(<double>entry.count)
                self.most = max(self.most, entry.log_count)
            self.total += (n - 1) * count
            self.log_total = log(<double>self.total)
        else:
            entry.count = count
        return 0


cdef longest_first(const int64_t[::1] offsets):
    """Return the words, longest first, those of one length as they come; and all lengths that occur, rising."""
    cdef int64_t n = offsets.shape[0] - 1, k, length, longest = 0, n_lengths = 0, before = 0, here
    for k in range(n):
        longest = max(longest, offsets[k + 1] - offsets[k])
    cdef int64_t[::1] order = np.empty(n, np.int64), starts = np.zeros(longest + 1, np.int64)
    for k in range(n):
        starts[offsets[k + 1] - offsets[k]] += 1
    cdef int64_t[::1] lengths = np.empty(np.count_nonzero(starts), np.int64)
    for length in range(longest + 1):
        if starts[length]:
            lengths[n_lengths] = length
            n_lengths += 1
    for length in range(longest, -1, -1):
        here = starts[length]
        starts[length] = before
        before += here
    for k in range(n):
        length = offsets[k + 1] - offsets[k]
        order[starts[length]] = k
        starts[length] += 1
    return order, lengths


def remove_redundant(
    const int32_t[::1] ids, const int64_t[::1] offsets, const int64_t[::1] counts, const uint8_t[::1] kinds
):
    """Return the words' counts after the redundant ones, longest first, gave theirs to their parts (0: removed).

    The words are distinct, their counts positive. kinds[number of a character] says whether it ends a run of
    letters and digits (1), may go on with one (2), is punctuation (4).
    """
    cdef int64_t n = counts.shape[0], k, word
    if n == 0:
        return np.zeros(0, np.int64)
    cdef int64_t[::1] order, lengths
    order, lengths = longest_first(offsets)
    cdef _Lattice lattice = _Lattice(n, lengths, kinds.shape[0])
    lattice.ids = &ids[0]
    lattice.kinds = &kinds[0]
    result = np.zeros(n, np.int64)
    cdef int64_t[::1] left = result
    with nogil:
        lattice.fill(offsets, counts)
        for k in range(n):
            # The further ahead, the less is there yet to say what will be asked for.
            if k + 24 < n:
                FASTCORE_PREFETCH(&offsets[order[k + 24]])
                FASTCORE_PREFETCH(&lattice.slots[order[k + 24]])
            if k + 16 < n:
                FASTCORE_PREFETCH(&ids[offsets[order[k + 16]]])
            if k + 6 < n:
                word = order[k + 6]
                lattice.scout(lattice.slots[word], &ids[offsets[word]], offsets[word + 1] - offsets[word])
            word = order[k]
            if offsets[word + 1] - offsets[word] < 2:
                break
            lattice.judge(lattice.slots[word], &ids[offsets[word]], offsets[word + 1] - offsets[word])
            spend(&lattice.pace, 20 * (offsets[word + 1] - offsets[word]))
        for k in range(n):
            if k + AHEAD < n:
                FASTCORE_PREFETCH(&lattice.entries[lattice.slots[k + AHEAD]])
            left[k] = lattice.entries[lattice.slots[k]].count
    return result


def word_counts(
    const int32_t[::1] ids,
    const int64_t[::1] offsets,
    const int64_t[::1] counts,
    const int32_t[::1] symbols,
    const int64_t[::1] order,
):
    """Return a dict of the words, as str, and their counts, in an order given by their numbers.

    symbols[number of a character] is its code point.
    """
    cdef int64_t n = order.shape[0], k, i, word, longest = 0
    cdef dict result = {}
    cdef Pace pace = new_pace()
    for k in range(n):
        longest = max(longest, offsets[order[k] + 1] - offsets[order[k]])
    cdef uint32_t* text = <uint32_t*>malloc((longest + 1) * sizeof(uint32_t))
    if text == NULL:
        raise MemoryError
    try:
        for k in range(n):
            word = order[k]
            for i in range(offsets[word], offsets[word + 1]):
                text[i - offsets[word]] = <uint32_t>symbols[ids[i]]
            result[PyUnicode_FromKindAndData(4, text, offsets[word + 1] - offsets[word])] = counts[word]
            spend(&pace, 100)
    finally:
        free(text)
    return result


cdef double log_sum(double* terms, int64_t n) noexcept nogil:
    """log of the sum of exp of the terms, minus infinity for none."""
    cdef double most = -INFINITY, total = 0
    cdef int64_t k
    for k in range(n):
        if terms[k] > most:
            most = terms[k]
    if most == -INFINITY:
        return most
    for k in range(n):
        total += exp(terms[k] - most)
    return most + log(total)


def expected_counts(const int32_t[:, ::1] grams, const double[::1] scores, double[::1] counts):
    """Add to counts how often each n-gram is expected as a word; return the log-likelihood.

    grams as in `cover`, -1 at orders above the first where the n-gram is no candidate; scores[number] is a word's
    log-probability. Each stretch between separators is a lattice of its own: the words that can begin at each
    position, all segmentations weighted by their probability (forward and backward in log space).
    """
    cdef int64_t orders = grams.shape[0], n = grams.shape[1], i = 0, j, m, t, k, w, gram
    cdef double likelihood = 0
    cdef double* forward = <double*>malloc((n + 1) * sizeof(double))
    cdef double* backward = <double*>malloc((n + 1) * sizeof(double))
    cdef double* terms = <double*>malloc((orders + 1) * sizeof(double))
    cdef Pace pace = new_pace()
    try:
        if forward == NULL or backward == NULL or terms == NULL:
            raise MemoryError
        with nogil:
            while i < n:
                j = i
                while j < n and grams[0, j] >= 0:
                    j += 1
                m = j - i
                forward[0] = 0
                for t in range(1, m + 1):
                    w = 0
                    for k in range(min(orders, t)):
                        gram = grams[k, i + t - 1 - k]
                        if gram >= 0:
                            terms[w] = forward[t - 1 - k] + scores[gram]
                            w += 1
                    forward[t] = log_sum(terms, w)
                    spend(&pace, 8 * orders)
                backward[m] = 0
                for t in range(m - 1, -1, -1):
                    w = 0
                    for k in range(min(orders, m - t)):
                        gram = grams[k, i + t]
                        if gram >= 0:
                            terms[w] = scores[gram] + backward[t + 1 + k]
                            w += 1
                    backward[t] = log_sum(terms, w)
                    spend(&pace, 8 * orders)
                for t in range(m):
                    for k in range(min(orders, m - t)):
                        gram = grams[k, i + t]
                        if gram >= 0:
                            counts[gram] += exp(forward[t] + scores[gram] + backward[t + 1 + k] - forward[m])
                    spend(&pace, 8 * orders)
                likelihood += forward[m]
                spend(&pace, 8)
                i = j + 1
    finally:
        free(forward)
        free(backward)
        free(terms)
    return likelihood
