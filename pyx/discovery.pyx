"""Kernels of word discovery: adjacent pairs counted, texts cut where they are weak, redundant words removed.

Texts come as int32 numbers of characters, -1 between texts and wherever a character separates.
"""

import numpy as np

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND
from libc.math cimport INFINITY, exp, log
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy

from _signals cimport poll

cdef extern from "Python.h":
    # Only reads memory, so it needs no lock.
    unsigned int PyUnicode_READ(int kind, void* data, Py_ssize_t index) noexcept nogil

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define fc_prefetch(address) __builtin_prefetch(address)
    #else
    #define fc_prefetch(address) ((void)(address))
    #endif
    """
    void fc_prefetch(const void* address) noexcept nogil

# Steps between two looks for Ctrl-C: about a millisecond. Code points end at POINTS. AHEAD positions before a
# table is asked, its line is fetched; words are looked up in batches of BATCH for the same reason. From the
# depth DEEP on, the trie of `remove_redundant` knows where no living word goes on.
cdef enum:
    BLOCK = 65536
    POINTS = 1114112
    AHEAD = 12
    BATCH = 32
    DEEP = 32


cdef inline uint64_t mix(uint64_t x) noexcept nogil:
    """Scramble a key, so that its low bits are fit for a table."""
    x *= <uint64_t>0x9E3779B97F4A7C15
    return x ^ (x >> 32)


cdef inline uint64_t pair_key(int32_t a, int32_t b) noexcept nogil:
    return <uint64_t>(<unsigned int>a) << 32 | <uint64_t>(<unsigned int>b)


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

    def encode(self, str text):
        """Return the text as numbers, one -1 for each run of characters that separate."""
        cdef int64_t n = len(text), i, m = 0
        cdef int32_t number, code
        cdef int kind = PyUnicode_KIND(text)
        cdef void* data = PyUnicode_DATA(text)
        result = np.empty(n, np.int32)
        cdef int32_t[::1] ids = result
        with nogil:
            for i in range(n):
                code = <int32_t>PyUnicode_READ(kind, data, i)
                number = self.numbers[code]
                if number == -2:
                    number = self.numbers[code] = self.size
                    self.codes[self.size] = code
                    self.size += 1
                if number >= 0 or m == 0 or ids[m - 1] >= 0:
                    ids[m] = number
                    m += 1
                if i % (16 * BLOCK) == 0:
                    poll()
        return result[:m].copy()

    def symbols(self):
        """Return the code point of each number."""
        result = np.empty(self.size, np.int32)
        cdef int32_t[::1] codes = result
        if self.size:
            memcpy(&codes[0], self.codes, self.size * sizeof(int32_t))
        return result


cdef struct Pair:
    uint64_t key
    int64_t count


cdef class _Pairs:
    """Counted pairs in an open-addressing table, and the order in which they were first seen."""

    cdef Pair* slots
    cdef uint64_t* order
    cdef int64_t size, mask

    def __cinit__(self):
        self.mask = 1023
        self.slots = <Pair*>calloc(1024, sizeof(Pair))
        self.order = <uint64_t*>malloc(512 * sizeof(uint64_t))
        if self.slots == NULL or self.order == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.slots)
        free(self.order)

    cdef inline Pair* find(self, uint64_t key) noexcept nogil:
        """The slot that holds a key or would hold it."""
        cdef uint64_t at = mix(key) & self.mask
        while self.slots[at].count and self.slots[at].key != key:
            at = (at + 1) & self.mask
        return &self.slots[at]

    cdef inline int add(self, uint64_t key) except -1 nogil:
        """Count a key once more."""
        cdef Pair* slot = self.find(key)
        if slot.count:
            slot.count += 1
            return 0
        return self.put(key, 1)

    cdef int put(self, uint64_t key, int64_t count) except -1 nogil:
        """Give a key a count, if it has none yet."""
        cdef Pair* slot = self.find(key)
        if slot.count == 0:
            slot.key = key
            slot.count = count
            self.order[self.size] = key
            self.size += 1
            if 2 * self.size > self.mask:
                self.grow()
        return 0

    cdef int grow(self) except -1 nogil:
        cdef int64_t mask = 4 * self.mask + 3, k
        cdef uint64_t at
        cdef Pair* slots = <Pair*>calloc(mask + 1, sizeof(Pair))
        cdef uint64_t* order = <uint64_t*>realloc(self.order, (mask + 1) // 2 * sizeof(uint64_t))
        if order != NULL:
            self.order = order
        if slots == NULL or order == NULL:
            free(slots)
            raise MemoryError
        for k in range(self.mask + 1):
            if self.slots[k].count:
                at = mix(self.slots[k].key) & mask
                while slots[at].count:
                    at = (at + 1) & mask
                slots[at] = self.slots[k]
        free(self.slots)
        self.slots, self.mask = slots, mask
        return 0


cdef class PairCounter:
    """Counts of characters and of adjacent pairs, the pairs in the order of their first occurrence."""

    cdef _Pairs pairs
    cdef int64_t* chars
    cdef int64_t n_chars, room

    def __init__(self):
        self.pairs = _Pairs()

    def __dealloc__(self):
        free(self.chars)

    cdef int reach(self, int64_t number) except -1 nogil:
        cdef int64_t k
        cdef int64_t* chars
        if number >= self.room:
            chars = <int64_t*>realloc(self.chars, (2 * number + 64) * sizeof(int64_t))
            if chars == NULL:
                raise MemoryError
            for k in range(self.room, 2 * number + 64):
                chars[k] = 0
            self.chars, self.room = chars, 2 * number + 64
        self.n_chars = max(self.n_chars, number + 1)
        return 0

    def update(self, const int32_t[::1] ids):
        """Count a block of text; pairs don't reach from one block into the next."""
        cdef int64_t i, n = ids.shape[0]
        cdef int32_t before = -1, number
        with nogil:
            for i in range(n):
                number = ids[i]
                if i + AHEAD < n:
                    fc_prefetch(
                        &self.pairs.slots[mix(pair_key(ids[i + AHEAD - 1], ids[i + AHEAD])) & self.pairs.mask]
                    )
                if number >= 0:
                    if number >= self.n_chars:
                        self.reach(number)
                    self.chars[number] += 1
                    if before >= 0:
                        self.pairs.add(pair_key(before, number))
                before = number
                if i % BLOCK == 0:
                    poll()

    def merge(self, const int64_t[::1] char_counts, const int32_t[:, ::1] pairs, const int64_t[::1] pair_counts):
        """Add counts such as `result` gives."""
        cdef int64_t k
        cdef Pair* slot
        if char_counts.shape[0]:
            self.reach(char_counts.shape[0] - 1)
        for k in range(char_counts.shape[0]):
            self.chars[k] += char_counts[k]
        for k in range(pairs.shape[0]):
            slot = self.pairs.find(pair_key(pairs[k, 0], pairs[k, 1]))
            if slot.count:
                slot.count += pair_counts[k]
            else:
                self.pairs.put(pair_key(pairs[k, 0], pairs[k, 1]), pair_counts[k])

    def result(self):
        """Return (counts of the characters, pairs as rows of two numbers, their counts)."""
        cdef int64_t k
        chars = np.zeros(self.n_chars, np.int64)
        pairs = np.zeros((self.pairs.size, 2), np.int32)
        counts = np.zeros(self.pairs.size, np.int64)
        cdef int32_t[:, ::1] pair = pairs
        cdef int64_t[::1] char_count = chars, count = counts
        if self.n_chars:
            memcpy(&char_count[0], self.chars, self.n_chars * sizeof(int64_t))
        for k in range(self.pairs.size):
            if k + AHEAD < self.pairs.size:
                fc_prefetch(&self.pairs.slots[mix(self.pairs.order[k + AHEAD]) & self.pairs.mask])
            pair[k, 0] = <int32_t>(self.pairs.order[k] >> 32)
            pair[k, 1] = <int32_t>(self.pairs.order[k] & 0xFFFFFFFF)
            count[k] = self.pairs.find(self.pairs.order[k]).count
        return chars, pairs, counts


cdef class PairIndex:
    """Pairs found again: the row of each in a table of distinct ones."""

    cdef _Pairs rows

    def __init__(self, const int32_t[:, ::1] pairs):
        cdef int64_t k
        self.rows = _Pairs()
        for k in range(pairs.shape[0]):
            self.rows.put(pair_key(pairs[k, 0], pairs[k, 1]), k + 1)

    def find(self, const int32_t[::1] ids):
        """Return for each position the row of the pair that begins there, -1 if it has none."""
        cdef int64_t i, n = ids.shape[0]
        result = np.full(n, -1, np.int32)
        cdef int32_t[::1] found = result
        with nogil:
            for i in range(n - 1):
                if i + AHEAD < n:
                    fc_prefetch(&self.rows.slots[mix(pair_key(ids[i + AHEAD - 1], ids[i + AHEAD])) & self.rows.mask])
                if ids[i] >= 0 and ids[i + 1] >= 0:
                    found[i] = <int32_t>self.rows.find(pair_key(ids[i], ids[i + 1])).count - 1
                if i % BLOCK == 0:
                    poll()
        return result


def cover(const int32_t[:, ::1] grams, const uint8_t[::1] passing):
    """Return which characters i and i + 1 lie together in an n-gram that passes.

    grams[k, i] is the number of the n-gram of k + 1 characters that begins at i, or -1; passing[number] whether
    it passes.
    """
    cdef int64_t i, k, orders = grams.shape[0], n = grams.shape[1], reach = 0
    result = np.zeros(n, np.uint8)
    cdef uint8_t[::1] joined = result
    with nogil:
        for i in range(n):
            k = orders - 1
            while k > 0 and i + k > reach:
                if grams[k, i] >= 0 and passing[grams[k, i]]:
                    reach = i + k
                k -= 1
            joined[i] = i < reach
            if i % BLOCK == 0:
                poll()
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
    for k in range(char_counts.shape[0]):
        chars += char_counts[k]
    for k in range(pair_counts.shape[0]):
        total += pair_counts[k]
    log_chars, log_pairs = log_count(chars), log_count(total)
    for k in range(char_counts.shape[0]):
        single[k] = log_count(char_counts[k]) - log_chars
    for k in range(pairs.shape[0]):
        probability[k] = log_count(pair_counts[k]) - log_pairs
        score[k] = probability[k] - single[pairs[k, 0]] - single[pairs[k, 1]]
    return probabilities, scores


cdef struct Word:
    # key: up to three characters packed, or a hash with the top bit set. index: its place in order of occurrence.
    uint64_t key
    int64_t count, index


cdef class _Words:
    """Distinct words, numbered and counted in the order of their first occurrence."""

    cdef Word* slots
    cdef int64_t* offsets
    cdef int32_t* pool
    cdef int64_t size, mask, pool_room

    def __cinit__(self):
        self.mask, self.pool_room = 1023, 4096
        self.slots = <Word*>calloc(1024, sizeof(Word))
        self.offsets = <int64_t*>calloc(513, sizeof(int64_t))
        self.pool = <int32_t*>malloc(4096 * sizeof(int32_t))
        if self.slots == NULL or self.offsets == NULL or self.pool == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.slots)
        free(self.offsets)
        free(self.pool)

    cdef inline uint64_t key(self, const int32_t* word, int64_t length) noexcept nogil:
        cdef uint64_t key = 0
        cdef int64_t k
        if length <= 3:
            for k in range(length):
                key = key << 21 | <uint64_t>(word[k] + 1)
            return key
        for k in range(length):
            key = mix(key ^ <uint64_t>word[k]) * <uint64_t>0xD6E8FEB86659FD93
        return key | <uint64_t>1 << 63

    cdef inline bint same(self, Word* slot, uint64_t key, const int32_t* word, int64_t length) noexcept nogil:
        cdef int64_t start
        if slot.key != key:
            return False
        if length <= 3:
            return True
        start = self.offsets[slot.index]
        return (
            self.offsets[slot.index + 1] - start == length
            and memcmp(self.pool + start, word, length * sizeof(int32_t)) == 0
        )

    cdef inline int add(self, uint64_t key, const int32_t* word, int64_t length) except -1 nogil:
        cdef uint64_t at = mix(key) & self.mask
        while self.slots[at].count and not self.same(&self.slots[at], key, word, length):
            at = (at + 1) & self.mask
        self.slots[at].count += 1
        if self.slots[at].count == 1:
            self.slots[at].key = key
            self.slots[at].index = self.size
            self.append(word, length)
        return 0

    cdef int append(self, const int32_t* word, int64_t length) except -1 nogil:
        cdef int64_t used = self.offsets[self.size], room, k, mask
        cdef uint64_t at
        cdef int32_t* pool
        cdef Word* slots
        cdef int64_t* offsets
        if used + length > self.pool_room:
            room = 2 * self.pool_room + length
            pool = <int32_t*>realloc(self.pool, room * sizeof(int32_t))
            if pool == NULL:
                raise MemoryError
            self.pool, self.pool_room = pool, room
        memcpy(self.pool + used, word, length * sizeof(int32_t))
        self.size += 1
        self.offsets[self.size] = used + length
        if 2 * self.size > self.mask:
            mask = 4 * self.mask + 3
            offsets = <int64_t*>realloc(self.offsets, ((mask + 1) // 2 + 1) * sizeof(int64_t))
            slots = <Word*>calloc(mask + 1, sizeof(Word))
            if offsets != NULL:
                self.offsets = offsets
            if slots == NULL or offsets == NULL:
                free(slots)
                raise MemoryError
            for k in range(self.mask + 1):
                if self.slots[k].count:
                    at = mix(self.slots[k].key) & mask
                    while slots[at].count:
                        at = (at + 1) & mask
                    slots[at] = self.slots[k]
            free(self.slots)
            self.slots, self.mask = slots, mask
        return 0


cdef class WordCounter:
    """Counts of the words into which texts fall when they are cut, in the order of first occurrence."""

    cdef _Words words
    cdef const int32_t* waiting[BATCH]
    cdef int64_t lengths[BATCH]
    cdef uint64_t keys[BATCH]
    cdef int n_waiting

    def __init__(self):
        self.words = _Words()

    cdef int flush(self) except -1 nogil:
        cdef int k, n = self.n_waiting
        self.n_waiting = 0
        for k in range(n):
            self.words.add(self.keys[k], self.waiting[k], self.lengths[k])
        return 0

    cdef inline int put(self, const int32_t* word, int64_t length) except -1 nogil:
        cdef uint64_t key = self.words.key(word, length)
        fc_prefetch(&self.words.slots[mix(key) & self.words.mask])
        self.keys[self.n_waiting] = key
        self.waiting[self.n_waiting] = word
        self.lengths[self.n_waiting] = length
        self.n_waiting += 1
        if self.n_waiting == BATCH:
            self.flush()
        return 0

    def update(self, const int32_t[::1] ids, const uint8_t[::1] joined):
        """Count the words of a block where joined[i] says that characters i and i + 1 belong together."""
        cdef int64_t i, start = 0, n = min(ids.shape[0], joined.shape[0])
        self.n_waiting = 0
        with nogil:
            for i in range(n):
                if ids[i] < 0:
                    start = i + 1
                elif i + 1 == n or ids[i + 1] < 0 or not joined[i]:
                    self.put(&ids[start], i + 1 - start)
                    start = i + 1
                if i % BLOCK == 0:
                    poll()
            self.flush()

    def result(self):
        """Return (numbers of the characters of all words one after another, offsets, counts)."""
        cdef int64_t k, n = self.words.size, used = self.words.offsets[self.words.size]
        characters = np.zeros(used, np.int32)
        offsets = np.zeros(n + 1, np.int64)
        counts = np.zeros(n, np.int64)
        cdef int32_t[::1] character = characters
        cdef int64_t[::1] offset = offsets, count = counts
        if used:
            memcpy(&character[0], self.words.pool, used * sizeof(int32_t))
        memcpy(&offset[0], self.words.offsets, (n + 1) * sizeof(int64_t))
        for k in range(self.words.mask + 1):
            if self.words.slots[k].count:
                count[self.words.slots[k].index] = self.words.slots[k].count
        return characters, offsets, counts


def frequent(const int64_t[::1] counts, double log_min_proba):
    """Which counts have log(count / total) > log_min_proba."""
    cdef int64_t k, total = 0
    cdef double log_total
    result = np.zeros(counts.shape[0], np.bool_)
    cdef uint8_t[::1] chosen = result
    for k in range(counts.shape[0]):
        total += counts[k]
    log_total = log_count(total)
    for k in range(counts.shape[0]):
        chosen[k] = log_count(counts[k]) - log_total > log_min_proba
    return result


cdef struct Node:
    # A prefix. key: the node of the prefix one shorter and the character; word: which word ends here, + 1.
    uint64_t key
    int64_t word


cdef struct Weight:
    int64_t count
    double log_count


cdef class _Lattice:
    """Words as a changeable trie, and the best segmentation of one of them by the others.

    A node's number is its slot in one open-addressing table; those of single characters come before the table.
    """

    cdef Node* nodes
    cdef Weight* weights
    cdef int64_t* alive
    cdef int64_t* steps
    cdef int64_t* back
    cdef int64_t* via
    cdef double* scores
    cdef int64_t* parts
    cdef int64_t* chosen
    cdef int64_t n_symbols, mask, total, work
    cdef double log_total
    cdef const int32_t* ids
    cdef const int64_t* offsets
    cdef const uint8_t* kinds

    def __cinit__(self, int64_t n_symbols, int64_t n_words, int64_t n_characters, int64_t longest):
        self.n_symbols, self.mask = n_symbols, 1
        while 4 * self.mask < 5 * (n_characters - n_words) + 16:
            self.mask *= 2
        self.nodes = <Node*>calloc(n_symbols + self.mask, sizeof(Node))
        # How many living words go through a node, kept from the depth DEEP on.
        self.alive = <int64_t*>calloc(n_symbols + self.mask, sizeof(int64_t))
        self.mask -= 1
        self.weights = <Weight*>calloc(n_words + 1, sizeof(Weight))
        self.steps = <int64_t*>malloc((n_characters + 1) * sizeof(int64_t))
        self.back = <int64_t*>calloc(longest + 1, sizeof(int64_t))
        self.via = <int64_t*>calloc(longest + 1, sizeof(int64_t))
        self.scores = <double*>calloc(longest + 1, sizeof(double))
        self.parts = <int64_t*>calloc(longest + 1, sizeof(int64_t))
        self.chosen = <int64_t*>calloc(longest + 1, sizeof(int64_t))
        if NULL in (
            self.nodes, self.alive, self.weights, self.steps, self.back, self.via, self.scores, self.parts, self.chosen
        ):
            raise MemoryError

    def __dealloc__(self):
        free(self.nodes)
        free(self.alive)
        free(self.weights)
        free(self.steps)
        free(self.back)
        free(self.via)
        free(self.scores)
        free(self.parts)
        free(self.chosen)

    cdef inline uint64_t key(self, int64_t node, int32_t symbol) noexcept nogil:
        return (<uint64_t>node << 21 | <uint64_t>symbol) + 1

    cdef inline int64_t after(self, int64_t node, int32_t symbol) noexcept nogil:
        """The slot of a prefix and one more character, empty if no word goes on there."""
        cdef uint64_t key = self.key(node, symbol)
        cdef uint64_t at = mix(key) & self.mask
        while self.nodes[self.n_symbols + at].key and self.nodes[self.n_symbols + at].key != key:
            at = (at + 1) & self.mask
        return self.n_symbols + at

    cdef void insert(self, int64_t word, int64_t count) noexcept nogil:
        cdef int64_t k, first = self.offsets[word], node = self.ids[first], before
        self.steps[first] = node
        for k in range(first + 1, self.offsets[word + 1]):
            before = node
            node = self.after(before, self.ids[k])
            self.nodes[node].key = self.key(before, self.ids[k])
            self.steps[k] = node
        self.nodes[node].word = word + 1
        self.weights[word + 1] = Weight(count, log(<double>count))
        self.total += count
        self.enliven(word, 1)

    cdef void enliven(self, int64_t word, int64_t change) noexcept nogil:
        cdef int64_t k
        for k in range(self.offsets[word] + DEEP, self.offsets[word + 1]):
            self.alive[self.steps[k]] += change

    cdef void fetch(self, int64_t word) noexcept nogil:
        """Fetch the lines that `path` will ask for."""
        cdef int64_t k, first = self.offsets[word], stop = self.offsets[word + 1]
        for k in range(first, stop):
            fc_prefetch(&self.nodes[self.steps[k]])
            if k > first and k + 1 < stop:
                fc_prefetch(&self.nodes[self.n_symbols + (mix(self.key(self.ids[k], self.ids[k + 1])) & self.mask)])

    cdef inline void arrive(self, int64_t i, int64_t j, int64_t node) noexcept nogil:
        """If a word ends at the node, it goes from i to j: keep it if that is better."""
        cdef int64_t word = self.nodes[node].word
        cdef double score
        if word and self.weights[word].count:
            score = self.scores[i] + (self.weights[word].log_count - self.log_total)
            if self.back[j] < 0 or score > self.scores[j]:
                self.scores[j] = score
                self.back[j] = i
                self.via[j] = word

    cdef int path(self, int64_t start, int64_t length, int64_t whole) except -1 nogil:
        """Best path over characters start .. start + length: back[e] is where the word that ends at e begins.

        The nodes of the first `whole` prefixes from the first character on are known.
        """
        cdef int64_t i, j, node
        for i in range(1, length + 1):
            self.back[i] = -1
        self.scores[0] = 1.0
        for i in range(length):
            node = self.ids[start + i]
            self.arrive(i, i + 1, node)
            for j in range(i + 1, length):
                if i == 0 and j < whole:
                    node = self.steps[start + j]
                else:
                    node = self.after(node, self.ids[start + j])
                    if self.nodes[node].key == 0:
                        break
                if j - i >= DEEP and self.alive[node] == 0:
                    break
                self.arrive(i, j + 1, node)
                self.work += 1
                if self.work >= BLOCK:
                    self.work = 0
                    poll()
            if self.back[i + 1] < 0:
                self.scores[i + 1] = self.scores[i] - 100.0
                self.back[i + 1] = i
                self.via[i + 1] = 0
        return 0

    cdef int64_t segment(self, int64_t start, int64_t length) except -1 nogil:
        """Segment characters start .. start + length: where the parts end, which words they are; their number."""
        cdef int64_t n = 0, stop, first = 0, at, k
        while first < length:
            stop = first + 1
            # Punctuation splits, and each of its characters is a part.
            if self.kinds[self.ids[start + first]] & 4:
                self.back[1] = 0
                self.via[1] = self.nodes[self.ids[start + first]].word
            else:
                while stop < length and not self.kinds[self.ids[start + stop]] & 4:
                    stop += 1
                self.path(start + first, stop - first, stop if first == 0 else 0)
            at = stop - first
            while at > 0:
                n += 1
                at = self.back[at]
            at, k = stop - first, n
            while at > 0:
                k -= 1
                self.parts[k] = first + at
                self.chosen[k] = self.via[at]
                at = self.back[at]
            first = stop
        return self.joined(start, n)

    cdef int64_t joined(self, int64_t start, int64_t n) noexcept nogil:
        """Join parts that are letters and digits to the run before them; return how many are left."""
        cdef int64_t k, at, stop, first = 0, kept = 0, node, begin = 0
        cdef bint combine = False, whole
        for k in range(n):
            stop = self.parts[k]
            whole = combine and self.kinds[self.ids[start + stop - 1]] & 1
            if whole:
                for at in range(first, stop):
                    whole = whole and self.kinds[self.ids[start + at]] & 2
            if whole:
                kept -= 1
                node = self.ids[start + begin]
                for at in range(begin + 1, stop):
                    node = self.after(node, self.ids[start + at])
                    if self.nodes[node].key == 0:
                        break
                self.chosen[kept] = self.nodes[node].word
            else:
                combine = not combine and self.kinds[self.ids[start + stop - 1]] & 1
                begin = first
                self.chosen[kept] = self.chosen[k]
            self.parts[kept] = stop
            kept += 1
            first = stop
        return kept

    cdef int judge(self, int64_t word) except -1 nogil:
        """Drop a word that its parts explain, and give them its count."""
        cdef int64_t start = self.offsets[word], length = self.offsets[word + 1] - start
        cdef int64_t n, k, count
        cdef double score
        cdef bint spelled = True
        cdef Weight* weight = &self.weights[word + 1]
        count = weight.count
        score = weight.log_count - self.log_total
        weight.count = 0
        self.enliven(word, -1)
        n = self.segment(start, length)
        for k in range(n):
            # A part that is no word itself: only this word has it.
            spelled = spelled and self.weights[self.chosen[k]].count > 0
            score -= self.weights[self.chosen[k]].log_count - self.log_total
        if spelled and score < length - 1:
            for k in range(n):
                weight = &self.weights[self.chosen[k]]
                weight.count += count
                weight.log_count = log(<double>weight.count)
            self.total += (n - 1) * count
            self.log_total = log(<double>self.total)
        else:
            weight.count = count
            self.enliven(word, 1)
        return 0


def remove_redundant(
    const int32_t[::1] ids, const int64_t[::1] offsets, const int64_t[::1] counts, const uint8_t[::1] kinds
):
    """Return the words' counts after the redundant ones, longest first, gave theirs to their parts (0: removed).

    The words are distinct, their counts positive. kinds[number of a character] says whether it ends a run of
    letters and digits (1), may go on with one (2), is punctuation (4).
    """
    cdef int64_t n = counts.shape[0], k
    if n == 0:
        return np.zeros(0, np.int64)
    lengths = np.diff(offsets)
    order_array = np.argsort(-lengths, kind="stable").astype(np.int64)
    cdef const int64_t[::1] order = order_array, length = lengths
    cdef _Lattice lattice = _Lattice(kinds.shape[0], n, ids.shape[0], lengths.max())
    lattice.offsets = &offsets[0]
    lattice.ids = &ids[0]
    lattice.kinds = &kinds[0]
    result = np.zeros(n, np.int64)
    cdef int64_t[::1] left = result
    with nogil:
        for k in range(n):
            lattice.insert(k, counts[k])
            if k % 4096 == 0:
                poll()
        lattice.log_total = log(<double>lattice.total)
        for k in range(n):
            if length[order[k]] < 2:
                break
            if k + 4 < n:
                lattice.fetch(order[k + 4])
            lattice.judge(order[k])
            if k % 4096 == 0:
                poll()
        for k in range(n):
            left[k] = lattice.weights[k + 1].count
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
    cdef int64_t orders = grams.shape[0], n = grams.shape[1], i = 0, j, m, t, k, w, gram, work = 0
    cdef double likelihood = 0
    cdef double* forward = <double*>malloc((n + 1) * sizeof(double))
    cdef double* backward = <double*>malloc((n + 1) * sizeof(double))
    cdef double* terms = <double*>malloc((orders + 1) * sizeof(double))
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
                    if t % 8192 == 0:
                        poll()
                backward[m] = 0
                for t in range(m - 1, -1, -1):
                    w = 0
                    for k in range(min(orders, m - t)):
                        gram = grams[k, i + t]
                        if gram >= 0:
                            terms[w] = scores[gram] + backward[t + 1 + k]
                            w += 1
                    backward[t] = log_sum(terms, w)
                    if t % 8192 == 0:
                        poll()
                for t in range(m):
                    for k in range(min(orders, m - t)):
                        gram = grams[k, i + t]
                        if gram >= 0:
                            counts[gram] += exp(forward[t] + scores[gram] + backward[t + 1 + k] - forward[m])
                    if t % 8192 == 0:
                        poll()
                likelihood += forward[m]
                work += m + 1
                if work >= 8192:
                    work = 0
                    poll()
                i = j + 1
    finally:
        free(forward)
        free(backward)
        free(terms)
    return likelihood
