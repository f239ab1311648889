# The strings that a trie hands out are made when first needed, under the interpreter's lock.
# cython: freethreading_compatible = False
"""The kernel of lexicons: words with counts in a double-array trie.

How it lies in memory is said in _trie_layout.pxd, where each word goes is found in _double_array.pxd, and the passes
over the lattice of its words are in _lattice.pxd.
"""

import numpy as np

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND
from libc.math cimport INFINITY, log
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from _double_array cimport Builder, Node, insert_words, number_symbols, place_families
from _lattice cimport best_path, expect, log_beta
from _owned cimport Pool, free_all, roomy, spread, zeros
from _signals cimport Pace, new_pace, spend
from _trie_layout cimport (
    HEADER, LIMIT, MAGIC, PAGE, PAGES, Layout, Mark, Parts, PyUnicode_READ, Unit, child, id_at, layout_capsule,
    layout_init, layout_parts, rank, set_bits, symbol_of, walk,
)

cdef extern from "Python.h":
    object PyUnicode_FromKindAndData(int kind, const void* data, Py_ssize_t size)


# ---- building ----------------------------------------------------------------------------------------------

cdef object _build(const uint32_t[::1] codes, const int64_t[::1] offsets, const int64_t[::1] counts):
    """Return the layout of a double array built anew."""
    cdef Builder build
    memset(&build, 0, sizeof(Builder))
    build.pace = new_pace()
    try:
        return _laid_out(&build, codes, offsets, counts)
    finally:
        free_all(&build.pool)


cdef object _laid_out(
    Builder* build, const uint32_t[::1] codes, const int64_t[::1] offsets, const int64_t[::1] counts
):
    cdef Py_ssize_t n_words = counts.shape[0], i, n_pages = 1, n_slots
    cdef const uint32_t* code = &codes[0] if codes.shape[0] else NULL
    cdef const int64_t* count = &counts[0] if n_words else NULL
    cdef double log_total
    cdef int64_t sum_counts = 0
    cdef uint8_t[::1] view
    cdef char* raw
    cdef int64_t* header
    cdef uint16_t* index
    cdef uint32_t* pages
    cdef Parts at
    if offsets[n_words] >= LIMIT:
        raise ValueError(f"the lexicon is too large: its words have {offsets[n_words]} characters")
    with nogil:
        number_symbols(build, code, offsets[n_words])
        insert_words(build, code, &offsets[0], count, n_words)
        place_families(build)
        for i in range(n_words):
            sum_counts += counts[i]
        log_total = log(<double>sum_counts) if n_words else 0
        n_slots = max(build.highest_slot, build.highest_base + <int32_t>build.n_symbols) + 1
    touched = np.zeros(PAGES, np.uint8)
    view = touched
    for i in range(codes.shape[0]):
        view[codes[i] // PAGE] = 1
    n_pages += int(touched.sum())
    at = layout_parts(n_pages, build.n_symbols, n_slots, n_words)
    room = np.zeros(at.size + 64, np.uint8)
    room = room[(-room.ctypes.data) % 64:][:at.size]
    view = room
    raw = <char*>&view[0]
    header = <int64_t*>raw
    header[0] = MAGIC
    header[1] = n_words
    header[2] = build.n_symbols
    header[3] = n_slots
    header[4] = n_pages
    index = <uint16_t*>(raw + HEADER)
    pages = <uint32_t*>(raw + at.pages)
    n_pages = 1
    view = touched
    with nogil:
        for i in range(PAGES):
            if view[i]:
                index[i] = <uint16_t>n_pages
                memcpy(pages + n_pages * PAGE, build.symbol_of + i * PAGE, PAGE * 4)
                n_pages += 1
        for i in range(0x110000):
            (<uint32_t*>(raw + at.codes))[build.symbol_of[i]] = <uint32_t>i
        _write_slots(build, count, log_total, n_slots, n_words, raw, &at)
    room.flags.writeable = False
    return room


cdef void _write_slots(
    const Builder* build, const int64_t* counts, double log_total, Py_ssize_t n_slots, Py_ssize_t n_words, char* raw,
    const Parts* at
) noexcept nogil:
    cdef Unit* units = <Unit*>(raw + at.units)
    cdef Mark* marks = <Mark*>(raw + at.marks)
    cdef int32_t* by_slot = <int32_t*>(raw + at.by_slot)
    cdef int32_t* slots = <int32_t*>(raw + at.slots)
    cdef const Node* node
    cdef Py_ssize_t i, before = 0
    cdef int32_t slot
    for i in range(n_slots):
        units[i] = Unit(0, -1, -INFINITY)
    for i in range(1, build.n_nodes):
        node = &build.nodes[i]
        slot = node.slot
        units[slot].base = build.bases[i]
        units[slot].check = build.nodes[node.parent].slot
        if node.word >= 0:
            slots[node.word] = slot
            marks[slot >> 6].bits |= <uint64_t>1 << (slot & 63)
            units[slot].score = log(<double>counts[node.word]) - log_total
    for i in range((n_slots + 63) // 64):
        marks[i].rank = before
        before += set_bits(marks[i].bits)
    for i in range(n_words):
        by_slot[rank(marks, slots[i])] = <int32_t>i


# ---- the trie ----------------------------------------------------------------------------------------------

cdef class Trie:
    """Words given by their code points: `codes` of all words, word i at offsets[i]:offsets[i + 1]; counts > 0.

    `layout` is what the method of that name returned for the same words, or empty to build it anew.
    """

    cdef Layout at
    cdef object block
    cdef list strings  # the str of each word that was handed out, made when first needed

    def __cinit__(
        self,
        const uint32_t[::1] codes,
        const int64_t[::1] offsets,
        const int64_t[::1] counts,
        const uint8_t[::1] layout,
    ):
        self.block = np.asarray(layout) if layout.shape[0] else _build(codes, offsets, counts)
        layout_init(&self.at, self.block)
        if self.at.n_words != counts.shape[0]:
            raise ValueError(f"the layout is of {self.at.n_words} words, the lexicon has {counts.shape[0]}")

    def _layout_capsule(self):
        return layout_capsule(&self.at)

    def _strings(self):
        if self.strings is None:
            self.strings = [None] * self.at.n_words
        return self.strings

    def words(self, Py_ssize_t start, Py_ssize_t stop):
        """The words whose ids lie in [start, stop)."""
        cdef const Layout* at = &self.at
        cdef Py_ssize_t i, k, slot, parent, length, room = 0
        cdef uint32_t* letters = NULL
        cdef list words = []
        cdef Pool pool = Pool(NULL, 0, 0)
        cdef Pace pace = new_pace()
        try:
            for i in range(max(start, 0), min(stop, at.n_words)):
                spend(&pace, 200)
                # From its end up to the root.
                slot = at.slots[i]
                length = 0
                while slot > 0:
                    parent = at.units[slot].check
                    if parent < 0 or length == at.n_slots or not 0 < slot - at.units[parent].base <= at.n_symbols:
                        raise ValueError("the layout of the trie holds no such word")
                    letters = <uint32_t*>roomy(&pool, letters, &room, length + 1, sizeof(uint32_t))
                    letters[length] = at.codes[slot - at.units[parent].base]
                    length += 1
                    slot = parent
                for k in range(length // 2):
                    letters[k], letters[length - 1 - k] = letters[length - 1 - k], letters[k]
                words.append(PyUnicode_FromKindAndData(4, letters, length))
        finally:
            free_all(&pool)
        return words

    def layout(self):
        """The double array as bytes, to be saved and given back."""
        return self.block

    def find(self, str word):
        """The id of a word, -1 if it isn't one."""
        cdef Py_ssize_t slot = walk(
            &self.at, PyUnicode_KIND(word), PyUnicode_DATA(word), 0, PyUnicode_GET_LENGTH(word)
        )
        return id_at(&self.at, slot)

    def search(self, str text):
        """Arrays (starts, ends, ids) of every occurrence of every word, by rising start, then end."""
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(text), i, j, slot, found = 0
        cdef int kind = PyUnicode_KIND(text)
        cdef void* data = PyUnicode_DATA(text)
        cdef int64_t[::1] start, end
        cdef int32_t[::1] id
        cdef int32_t word
        cdef int turn
        cdef Pace pace = new_pace()
        starts = ends = np.empty(0, np.int64)
        ids = np.empty(0, np.int32)
        # Once to count, once to fill.
        for turn in range(2):
            if turn:
                starts, ends, ids = np.empty(found, np.int64), np.empty(found, np.int64), np.empty(found, np.int32)
                found = 0
            start, end, id = starts, ends, ids
            with nogil:
                for i in range(n):
                    slot = 0
                    j = i
                    while j < n:
                        slot = child(&self.at, slot, symbol_of(&self.at, PyUnicode_READ(kind, data, j)))
                        if slot < 0:
                            break
                        j += 1
                        word = id_at(&self.at, slot)
                        if word >= 0:
                            if turn:
                                start[found], end[found], id[found] = i, j, word
                            found += 1
                    spend(&pace, 4 * (j - i + 1))
        return starts, ends, ids

    def longest(self, str text, Py_ssize_t start):
        """The (end, id) of the longest word that starts at `start`, (start, -1) if none does."""
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(text), j = start, slot = 0, end = start
        cdef int kind = PyUnicode_KIND(text)
        cdef void* data = PyUnicode_DATA(text)
        cdef int32_t id = -1, word
        while j < n:
            slot = child(&self.at, slot, symbol_of(&self.at, PyUnicode_READ(kind, data, j)))
            if slot < 0:
                break
            j += 1
            word = id_at(&self.at, slot)
            if word >= 0:
                end, id = j, word
        return end, id

    def expected_counts(
        self,
        const uint32_t[::1] codes,
        const int64_t[::1] offsets,
        const double[::1] scores,
        double null_score,
    ):
        """Expected occurrences of each word over all segmentations of each text, and the log-likelihood.

        Text t is codes[offsets[t]:offsets[t + 1]]; scores[i] is word i's log-probability (minus infinity drops
        it). A single character at whose end no word ends is an edge of `null_score`.
        """
        counts = np.zeros(self.at.n_words)
        cdef _Lattice lattice = _Lattice(self, offsets, scores)
        cdef Py_ssize_t t, n
        cdef Pace pace = new_pace()
        cdef double likelihood = 0
        with nogil:
            for t in range(offsets.shape[0] - 1):
                n = offsets[t + 1] - offsets[t]
                if n == 0:
                    continue
                lattice.read(&codes[offsets[t]], n)
                log_beta(lattice.units, lattice.symbols, n, null_score, 1.0, lattice.reached, lattice.beta,
                          lattice.edges, &pace)
                likelihood += lattice.beta[0]
                expect(lattice.units, lattice.symbols, n, null_score, lattice.reached, lattice.beta,
                        lattice.score, lattice.weights, &pace)
                spend(&pace, n)
        lattice.gather(counts)
        return counts, likelihood

    def best_counts(
        self,
        const uint32_t[::1] codes,
        const int64_t[::1] offsets,
        const double[::1] scores,
        double null_score,
    ):
        """Occurrences of each word in the best segmentation of each text, and the sum of its scores."""
        counts = np.zeros(self.at.n_words)
        cdef _Lattice lattice = _Lattice(self, offsets, scores)
        cdef Py_ssize_t t, n, j
        cdef Pace pace = new_pace()
        cdef double total = 0
        with nogil:
            for t in range(offsets.shape[0] - 1):
                n = offsets[t + 1] - offsets[t]
                if n == 0:
                    continue
                lattice.read(&codes[offsets[t]], n)
                best_path(lattice.units, lattice.symbols, n, null_score, 1.0, lattice.score, lattice.back, &pace)
                total += lattice.score[n] - 1.0
                j = n
                while j > 0:
                    lattice.weights[<uint32_t>lattice.back[j]] += 1
                    j -= lattice.back[j] >> 32
                spend(&pace, 8 * n)
        lattice.gather(counts)
        return counts.astype(np.int64), total


# ---- the lattice of a text ---------------------------------------------------------------------------------

cdef class _Lattice:
    # Texts as symbols, the trie with other scores than its counts give, and room for one text's sums.
    cdef Trie trie
    cdef Pool pool
    cdef Unit* units
    cdef uint32_t* symbols
    cdef double* score
    cdef double* beta
    cdef double* edges
    cdef double* weights
    cdef uint64_t* back
    cdef uint8_t* reached

    def __cinit__(self, Trie trie, const int64_t[::1] offsets, const double[::1] scores):
        cdef const Layout* at = &trie.at
        cdef Pool* pool = &self.pool
        cdef Py_ssize_t i, room = 1
        self.trie = trie
        for i in range(offsets.shape[0] - 1):
            room = max(room, <Py_ssize_t>(offsets[i + 1] - offsets[i]) + 1)
        self.units = <Unit*>spread(pool, at.n_slots, sizeof(Unit))
        self.weights = <double*>zeros(pool, at.n_slots, sizeof(double))
        self.symbols = <uint32_t*>spread(pool, room, sizeof(uint32_t))
        self.score = <double*>spread(pool, room, sizeof(double))
        self.beta = <double*>spread(pool, room, sizeof(double))
        self.edges = <double*>spread(pool, room, sizeof(double))
        self.back = <uint64_t*>spread(pool, room, sizeof(uint64_t))
        self.reached = <uint8_t*>spread(pool, room, sizeof(uint8_t))
        memcpy(self.units, at.units, at.n_slots * sizeof(Unit))
        for i in range(at.n_words):
            self.units[at.slots[i]].score = scores[i]

    def __dealloc__(self):
        free_all(&self.pool)

    cdef void read(self, const uint32_t* codes, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            self.symbols[i] = symbol_of(&self.trie.at, codes[i]) if codes[i] < 0x110000 else 0
        self.symbols[n] = 0

    cdef int gather(self, double[::1] counts) except -1:
        # From weights of slots to weights of words.
        cdef Py_ssize_t i
        for i in range(self.trie.at.n_words):
            counts[i] += self.weights[self.trie.at.slots[i]]
        return 0
