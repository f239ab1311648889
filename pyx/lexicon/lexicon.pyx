# The strings that a trie hands out are made when first needed, under the interpreter's lock.
# cython: freethreading_compatible = False
"""Kernels of lexicons: a double-array trie with counts, and the lattice of its words over a text.

The array itself is built in _double_array.pxd, and the passes over the lattice are in _lattice.pxd.
"""

import numpy as np

from cpython.list cimport PyList_GET_ITEM, PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND
from libc.math cimport INFINITY, log
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from _double_array cimport LIMIT, Builder, Node, Unit, free_builder, insert_words, number_symbols, place_families
from _lattice cimport Step, best_path, best_paths, draw, expect, log_beta
from _rng cimport Rng, rng_stream
from _signals cimport Pace, new_pace, spend

cdef extern from "bits.h" nogil:
    int set_bits(uint64_t word)

cdef extern from "Python.h":
    object PyUnicode_FromKindAndData(int kind, const void* data, Py_ssize_t size)
    object PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t end)
    uint32_t PyUnicode_READ(int kind, const void* data, Py_ssize_t index) noexcept nogil
    bint Py_UNICODE_ISDECIMAL(uint32_t symbol) noexcept nogil

cdef enum:
    PAGE = 256  # code points a page of the symbol table
    PAGES = 4352  # 0x110000 / PAGE
    HEADER = 128  # bytes
    BLOCK = 4096  # characters or tokens between two words on what was spent
    MAGIC = 0x32726174736166  # "fastar2"
    SYMBOL = 0x1FFFFF  # mask of the symbol in a page's entry; classes lie above
    # Classes of characters.
    ALNUM = 1  # starts and ends a run that is joined
    INNER = 2  # may stand inside such a run
    BREAK = 4  # punctuation: a token of its own, which no word crosses
    DIGIT = 8
    MARK = 16  # stands between the digits of a number, a date, a time, a ratio
    PERCENT = 32

cdef struct Mark:
    uint64_t bits  # of 64 slots: whether a word ends there
    uint64_t rank  # how many end before

cdef struct Parts:
    # Where the parts of a layout begin, and its size.
    Py_ssize_t pages, codes, units, marks, by_slot, slots, size

cdef struct Token:
    int64_t end
    int32_t id
    int32_t slot

cdef struct Text:
    const void* data
    Py_ssize_t length
    int kind


# ---- building ----------------------------------------------------------------------------------------------

cdef Py_ssize_t _align(Py_ssize_t size) noexcept nogil:
    return (size + 63) // 64 * 64


cdef Parts _parts(Py_ssize_t n_pages, Py_ssize_t n_symbols, Py_ssize_t n_slots, Py_ssize_t n_words) noexcept nogil:
    cdef Parts at
    at.pages = _align(HEADER + PAGES * 2)
    at.codes = _align(at.pages + n_pages * PAGE * 4)
    at.units = _align(at.codes + (n_symbols + 1) * 4)
    at.marks = _align(at.units + n_slots * sizeof(Unit))
    at.by_slot = _align(at.marks + (n_slots + 63) // 64 * sizeof(Mark))
    at.slots = _align(at.by_slot + n_words * 4)
    at.size = _align(at.slots + n_words * 4)
    return at


cdef object _build(const uint32_t[::1] codes, const int64_t[::1] offsets, const int64_t[::1] counts):
    """Return the layout of a double array built anew."""
    cdef Builder build
    memset(&build, 0, sizeof(Builder))
    build.pace = new_pace()
    try:
        return _laid_out(&build, codes, offsets, counts)
    finally:
        free_builder(&build)


cdef object _laid_out(
    Builder* build, const uint32_t[::1] codes, const int64_t[::1] offsets, const int64_t[::1] counts
):
    """Return the layout, every part aligned to 64 bytes.

    Header and page index; pages of symbols by code point; code points by symbol; units; marks of the slots where
    words end; those words' ids in the order of their slots; and the slot of each word.
    """
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
    at = _parts(n_pages, build.n_symbols, n_slots, n_words)
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
    cdef Py_ssize_t i, rank = 0
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
        marks[i].rank = rank
        rank += set_bits(marks[i].bits)
    for i in range(n_words):
        by_slot[_rank(marks, slots[i])] = <int32_t>i


cdef inline Py_ssize_t _rank(const Mark* marks, Py_ssize_t slot) noexcept nogil:
    """How many words end before a slot."""
    cdef uint64_t before = (<uint64_t>1 << (slot & 63)) - 1
    return <Py_ssize_t>marks[slot >> 6].rank + set_bits(marks[slot >> 6].bits & before)


# ---- the trie ----------------------------------------------------------------------------------------------

cdef class Trie:
    """Words given by their code points: `codes` of all words, word i at offsets[i]:offsets[i + 1]; counts > 0.

    `layout` is what the method of that name returned for the same words, or empty to build it anew.
    """

    cdef const Unit* units
    cdef const Mark* marks
    cdef const int32_t* by_slot
    cdef const int32_t* slots
    cdef const uint16_t* index
    cdef const uint32_t* pages
    cdef const uint32_t* codes
    cdef Py_ssize_t n_words, n_symbols, n_slots, n_pages
    cdef object buffer
    cdef list objects  # the str of each word that was handed out, made when first needed

    def __init__(
        self,
        const uint32_t[::1] codes,
        const int64_t[::1] offsets,
        const int64_t[::1] counts,
        const uint8_t[::1] layout,
    ):
        if layout.shape[0] == 0:
            self.use(_build(codes, offsets, counts))
        else:
            self.use(np.asarray(layout))
        if self.n_words != counts.shape[0]:
            raise ValueError(f"the layout is of {self.n_words} words, the lexicon has {counts.shape[0]}")

    cdef int use(self, buffer) except -1:
        # Point into a layout; every index in it is checked, so that a forged one can be wrong but not unsafe.
        cdef const uint8_t[::1] view = buffer
        cdef const int64_t* header
        cdef Py_ssize_t i, rank = 0
        cdef Parts at
        cdef bint good = True, inside
        if view.shape[0] < HEADER + PAGES * 2 or <size_t>&view[0] % 16:
            raise ValueError("the layout of the trie is cut short or not aligned")
        header = <const int64_t*>&view[0]
        if header[0] != MAGIC:
            raise ValueError("the layout of the trie has an unknown version or byte order")
        self.n_words, self.n_symbols, self.n_slots = header[1], header[2], header[3]
        self.n_pages = header[4]
        if not (
            0 <= self.n_words < LIMIT
            and 0 <= self.n_symbols < self.n_slots < LIMIT + 0x110000
            and 0 < self.n_pages <= PAGES + 1
        ):
            raise ValueError("the layout of the trie has impossible sizes")
        at = _parts(self.n_pages, self.n_symbols, self.n_slots, self.n_words)
        if view.shape[0] != at.size:
            raise ValueError("the layout of the trie is cut short or too long")
        self.index = <const uint16_t*>(&view[0] + HEADER)
        self.pages = <const uint32_t*>(&view[0] + at.pages)
        self.codes = <const uint32_t*>(&view[0] + at.codes)
        self.units = <const Unit*>(&view[0] + at.units)
        self.marks = <const Mark*>(&view[0] + at.marks)
        self.by_slot = <const int32_t*>(&view[0] + at.by_slot)
        self.slots = <const int32_t*>(&view[0] + at.slots)
        with nogil:
            for i in range(PAGES):
                good &= self.index[i] < self.n_pages
            for i in range(self.n_pages * PAGE):
                good &= self.pages[i] <= <uint32_t>self.n_symbols
            for i in range(self.n_symbols + 1):
                good &= self.codes[i] < 0x110000
            for i in range(self.n_slots):
                inside = 0 <= self.units[i].base and self.units[i].base + self.n_symbols < self.n_slots
                good &= inside and -1 <= self.units[i].check and self.units[i].check < self.n_slots
                # Symbol 0, which stands at a text's end, must lead nowhere.
                good &= inside and self.units[self.units[i].base].check != i
            good &= self.units[0].base == 0 and self.units[0].check == -1
            for i in range((self.n_slots + 63) // 64):
                good &= self.marks[i].rank == <uint64_t>rank
                rank += set_bits(self.marks[i].bits)
            good &= rank == self.n_words
            for i in range(self.n_words):
                good &= 0 <= self.by_slot[i] and self.by_slot[i] < self.n_words
                good &= 0 < self.slots[i] and self.slots[i] < self.n_slots
        if not good:
            raise ValueError("the layout of the trie points outside itself")
        self.buffer = buffer
        self.objects = None
        return 0

    cdef inline uint32_t symbol(self, uint32_t character) noexcept nogil:
        return self.pages[self.index[character >> 8] * PAGE + (character & 255)]

    cdef inline Py_ssize_t step(self, Py_ssize_t slot, uint32_t symbol) noexcept nogil:
        # The child, or -1.
        cdef Py_ssize_t child = self.units[slot].base + <Py_ssize_t>symbol
        return child if symbol and self.units[child].check == slot else -1

    cdef Py_ssize_t walk(self, int kind, const void* data, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        # The slot reached from the root along text[start:end], or -1.
        cdef Py_ssize_t slot = 0, i
        for i in range(start, end):
            slot = self.step(slot, self.symbol(PyUnicode_READ(kind, data, i)))
            if slot < 0:
                break
        return slot

    cdef inline int32_t id_at(self, Py_ssize_t slot) noexcept nogil:
        # The word that ends at a slot, or -1.
        if slot < 0 or not self.marks[slot >> 6].bits >> (slot & 63) & 1:
            return -1
        return self.by_slot[_rank(self.marks, slot)]

    def words(self, Py_ssize_t start, Py_ssize_t stop):
        """The words whose ids lie in [start, stop)."""
        cdef Py_ssize_t i, slot, parent, length
        cdef uint32_t* letters = <uint32_t*>malloc(self.n_slots * sizeof(uint32_t))
        cdef list words = []
        cdef Pace pace = new_pace()
        if letters == NULL:
            raise MemoryError
        try:
            for i in range(max(start, 0), min(stop, self.n_words)):
                spend(&pace, 200)
                # From its end up to the root.
                slot = self.slots[i]
                length = 0
                while slot > 0:
                    parent = self.units[slot].check
                    length += 1
                    if parent < 0 or length > self.n_slots or not 0 < slot - self.units[parent].base <= self.n_symbols:
                        raise ValueError("the layout of the trie holds no such word")
                    letters[self.n_slots - length] = self.codes[slot - self.units[parent].base]
                    slot = parent
                words.append(PyUnicode_FromKindAndData(4, letters + self.n_slots - length, length))
        finally:
            free(letters)
        return words

    def layout(self):
        """The double array as bytes, to be saved and given back."""
        return self.buffer

    def find(self, str word):
        """The id of a word, -1 if it isn't one."""
        cdef Py_ssize_t slot = self.walk(
            PyUnicode_KIND(word), PyUnicode_DATA(word), 0, PyUnicode_GET_LENGTH(word)
        )
        return self.id_at(slot)

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
                        slot = self.step(slot, self.symbol(PyUnicode_READ(kind, data, j)))
                        if slot < 0:
                            break
                        j += 1
                        word = self.id_at(slot)
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
            slot = self.step(slot, self.symbol(PyUnicode_READ(kind, data, j)))
            if slot < 0:
                break
            j += 1
            word = self.id_at(slot)
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
        counts = np.zeros(self.n_words)
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
        counts = np.zeros(self.n_words)
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
                best_path(lattice.units, lattice.symbols, n, null_score, lattice.score, lattice.back, &pace)
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
    cdef Unit* units
    cdef uint32_t* symbols
    cdef double* score
    cdef double* beta
    cdef double* edges
    cdef double* weights
    cdef uint64_t* back
    cdef uint8_t* reached

    def __cinit__(self, Trie trie, const int64_t[::1] offsets, const double[::1] scores):
        cdef Py_ssize_t i, longest = 0
        self.trie = trie
        for i in range(offsets.shape[0] - 1):
            longest = max(longest, <Py_ssize_t>(offsets[i + 1] - offsets[i]))
        self.units = <Unit*>malloc(trie.n_slots * sizeof(Unit))
        self.weights = <double*>calloc(trie.n_slots, sizeof(double))
        self.symbols = <uint32_t*>malloc((longest + 1) * sizeof(uint32_t))
        self.score = <double*>malloc((longest + 1) * sizeof(double))
        self.beta = <double*>malloc((longest + 1) * sizeof(double))
        self.back = <uint64_t*>malloc((longest + 1) * sizeof(uint64_t))
        self.reached = <uint8_t*>malloc((longest + 1) * sizeof(uint8_t))
        self.edges = <double*>malloc((longest + 1) * sizeof(double))
        if (
            self.units == NULL or self.weights == NULL or self.symbols == NULL or self.score == NULL
            or self.beta == NULL or self.back == NULL or self.reached == NULL or self.edges == NULL
        ):
            raise MemoryError
        memcpy(self.units, trie.units, trie.n_slots * sizeof(Unit))
        for i in range(trie.n_words):
            self.units[trie.slots[i]].score = scores[i]

    def __dealloc__(self):
        free(self.units)
        free(self.weights)
        free(self.symbols)
        free(self.score)
        free(self.beta)
        free(self.back)
        free(self.reached)
        free(self.edges)

    cdef void read(self, const uint32_t* codes, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            self.symbols[i] = self.trie.symbol(codes[i]) if codes[i] < 0x110000 else 0
        self.symbols[n] = 0

    cdef int gather(self, double[::1] counts) except -1:
        # From weights of slots to weights of words.
        cdef Py_ssize_t i
        for i in range(self.trie.n_words):
            counts[i] += self.weights[self.trie.slots[i]]
        return 0


# ---- segmentation ------------------------------------------------------------------------------------------

cdef class _Room:
    # What segmenting one text needs, kept from text to text.
    cdef uint32_t* symbols
    cdef uint8_t* classes
    cdef double* score
    cdef uint64_t* back
    cdef Token* tokens
    cdef Py_ssize_t capacity
    cdef Pace pace

    def __cinit__(self):
        self.pace = new_pace()

    def __dealloc__(self):
        free(self.symbols)
        free(self.classes)
        free(self.score)
        free(self.back)
        free(self.tokens)

    cdef int need(self, Py_ssize_t n) except -1 nogil:
        # Room for a text of n characters.
        if n < self.capacity:
            return 0
        self.free_all()
        self.symbols = <uint32_t*>malloc((n + 1) * sizeof(uint32_t))
        self.classes = <uint8_t*>malloc((n + 1) * sizeof(uint8_t))
        self.score = <double*>malloc((n + 1) * sizeof(double))
        self.back = <uint64_t*>malloc((n + 1) * sizeof(uint64_t))
        self.tokens = <Token*>malloc((n + 1) * sizeof(Token))
        if (
            self.symbols == NULL or self.classes == NULL or self.score == NULL or self.back == NULL
            or self.tokens == NULL
        ):
            raise MemoryError
        self.capacity = n + 1
        return 0

    cdef void free_all(self) noexcept nogil:
        free(self.symbols)
        free(self.classes)
        free(self.score)
        free(self.back)
        free(self.tokens)
        self.symbols, self.classes, self.score, self.back, self.tokens = NULL, NULL, NULL, NULL, NULL
        self.capacity = 0


ctypedef fused character:
    uint8_t
    uint16_t
    uint32_t


cdef uint8_t _read(
    const character* text, Py_ssize_t n, const uint16_t* index, const uint32_t* pages, uint32_t* symbols,
    uint8_t* classes
) noexcept nogil:
    # Punctuation gets no symbol, so that no word crosses it.
    cdef Py_ssize_t i
    cdef uint32_t entry, classed, seen = 0
    for i in range(n):
        entry = pages[<uint32_t>index[<uint32_t>text[i] >> 8] * PAGE + (<uint32_t>text[i] & 255)]
        classed = entry >> 21
        seen |= classed
        classes[i] = <uint8_t>classed
        symbols[i] = 0 if classed & BREAK else entry & SYMBOL
    return <uint8_t>seen


cdef class Segmenter:
    """Best segmentations over a trie's lattice.

    `punctuation`: code points that are tokens of their own and that no word crosses. `join`: 0 nothing, 1 runs of
    ASCII letters and digits, 2 also their full-width forms and the marks inside numbers.
    """

    cdef Trie trie
    cdef double null_score
    cdef int join
    cdef uint16_t[::1] index
    cdef uint32_t[::1] pages  # entry: the symbol, and the classes above it

    def __init__(self, Trie trie, const uint32_t[::1] punctuation, int join, double null_score):
        cdef Py_ssize_t i, page, n_pages
        self.trie, self.join, self.null_score = trie, join, null_score
        classes = {}
        for i in range(punctuation.shape[0]):
            classes[punctuation[i]] = BREAK
        for i in range(256):
            if chr(i).isalnum() and i < 128:
                classes[i] = classes.get(i, 0) | ALNUM | INNER | (DIGIT if chr(i).isdigit() else 0)
        classes[ord(".")] = classes.get(ord("."), 0) | INNER
        for mark in ".:/·":
            classes[ord(mark)] = classes.get(ord(mark), 0) | MARK
        for mark in "%‰":
            classes[ord(mark)] = classes.get(ord(mark), 0) | PERCENT
        if join == 2:
            for i in range(0xFF01, 0xFF5F):
                classes[i] = classes.get(i, 0) | (classes.get(i - 0xFEE0, 0) & ~BREAK)
        index = np.array(<const uint16_t[:PAGES]>trie.index)
        pages = [np.array(<const uint32_t[:trie.n_pages * PAGE]>trie.pages)]
        n_pages = trie.n_pages
        for page in sorted({symbol // PAGE for symbol in classes}):
            if index[page] == 0:
                index[page] = n_pages
                n_pages += 1
                pages.append(np.zeros(PAGE, np.uint32))
        self.index = index
        self.pages = np.concatenate(pages)
        # Other scripts' decimal digits may stand inside a run; only words of the trie can bring them there.
        for page in range(PAGES):
            if index[page]:
                for i in range(PAGE):
                    if Py_UNICODE_ISDECIMAL(page * PAGE + i):
                        classes[page * PAGE + i] = classes.get(page * PAGE + i, 0) | INNER
        for character, value in classes.items():
            i = int(index[character // PAGE]) * PAGE + character % PAGE
            self.pages[i] |= <uint32_t>value << 21

    cdef int read(self, const Text* text, _Room room) except -1 nogil:
        # Symbols and classes of a text; returns the classes that occur.
        cdef Py_ssize_t i = 0, n
        cdef uint8_t seen = 0
        cdef const uint16_t* index = &self.index[0]
        cdef const uint32_t* pages = &self.pages[0]
        room.symbols[text.length] = 0
        room.classes[text.length] = 0
        while i < text.length:
            n = min(text.length - i, <Py_ssize_t>BLOCK)
            if text.kind == 1:
                seen |= _read(<const uint8_t*>text.data + i, n, index, pages, room.symbols + i, room.classes + i)
            elif text.kind == 2:
                seen |= _read(<const uint16_t*>text.data + i, n, index, pages, room.symbols + i, room.classes + i)
            else:
                seen |= _read(<const uint32_t*>text.data + i, n, index, pages, room.symbols + i, room.classes + i)
            i += n
            spend(&room.pace, 2 * n)
        return seen

    cdef Py_ssize_t cut(self, const Text* text, _Room room) except -1 nogil:
        # The text's tokens into the room; returns how many.
        cdef Py_ssize_t n = text.length, start = 0, end, found = 0, slot
        cdef int seen = self.read(text, room)
        while start < n:
            spend(&room.pace, 16)
            end = self.piece_end(room, start, n)
            if room.classes[start] & BREAK:
                slot = self.trie.walk(text.kind, text.data, start, end)
                room.tokens[found] = Token(end, self.trie.id_at(slot), 0)
                found += 1
            else:
                found = self.cut_piece(room, start, end, found)
            start = end
        if self.join and seen & ALNUM:
            found = self.join_runs(text, room, found)
        return found

    cdef Py_ssize_t cut_piece(self, _Room room, Py_ssize_t start, Py_ssize_t end, Py_ssize_t found) except -1 nogil:
        # One piece between punctuation: forward, then back, the tokens laid down from the piece's end, where no
        # token can be yet, and moved to their place.
        cdef Py_ssize_t j = end - start, last = end
        cdef Token* tokens = room.tokens
        cdef uint64_t step
        best_path(self.trie.units, room.symbols + start, j, self.null_score, room.score, room.back, &room.pace)
        while j > 0:
            step = room.back[j]
            last -= 1
            tokens[last].end = start + j
            tokens[last].slot = <int32_t>step
            j -= <Py_ssize_t>(step >> 32)
            if last % BLOCK == 0:
                spend(&room.pace, 4 * BLOCK)
        for j in range(last, end):
            tokens[found] = Token(tokens[j].end, self.trie.id_at(tokens[j].slot), 0)
            found += 1
            if found % BLOCK == 0:
                spend(&room.pace, 8 * BLOCK)
        return found

    cdef Py_ssize_t join_runs(self, const Text* text, _Room room, Py_ssize_t found) except -1 nogil:
        # Left to right: a token that ends in a letter or digit opens a run, and the next ones join it while they
        # end so too and hold only letters, digits and dots. With join == 2 a mark between digits and a per cent
        # sign after one join as well.
        cdef Py_ssize_t k, kept = 0, start = 0, end, i, slot
        cdef bint joining = False, joined = False, grow
        cdef uint8_t last
        for k in range(found):
            if k % BLOCK == 0:
                spend(&room.pace, 4 * BLOCK)
            end = room.tokens[k].end
            last = room.classes[end - 1]
            grow = False
            if last & ALNUM:
                if joining:
                    grow = True
                    for i in range(start, end):
                        if not room.classes[i] & INNER:
                            grow = joining = False
                            break
                else:
                    joining = True
            elif joining and self.join == 2 and end == start + 1 and room.classes[start - 1] & DIGIT and (
                last & MARK and room.classes[end] & DIGIT or last & PERCENT
            ):
                grow = True
                joining = not last & PERCENT
            else:
                joining = False
            if grow:
                room.tokens[kept - 1].end = end
                room.tokens[kept - 1].id = -2
                joined = True
            else:
                room.tokens[kept] = room.tokens[k]
                kept += 1
            start = end
        if joined:
            start = 0
            for k in range(kept):
                if room.tokens[k].id == -2:
                    slot = self.trie.walk(text.kind, text.data, start, room.tokens[k].end)
                    room.tokens[k].id = self.trie.id_at(slot)
                start = room.tokens[k].end
        return kept

    def nbest(self, str text, Py_ssize_t k):
        """The k best paths through a text without punctuation, unjoined: (ends, offsets, scores), best first.

        Path r's tokens end at ends[offsets[r]:offsets[r + 1]]; its score is the sum of its edges'. Of equal sums
        the one whose last edge starts earlier comes first, then the one of the better rank there.
        """
        cdef Text piece = Text(PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text), PyUnicode_KIND(text))
        cdef Py_ssize_t n = piece.length, r, m, j, at
        cdef _Room room = _Room()
        cdef Step* best = NULL
        cdef int64_t* filled = NULL
        cdef double total
        cdef list paths = [], scores = []
        room.need(n)
        try:
            if k < 1 or k > <Py_ssize_t>1 << 32 or n >= (<Py_ssize_t>1 << 56) // (32 * k):
                raise MemoryError
            best = <Step*>malloc((n + 1) * k * sizeof(Step))
            filled = <int64_t*>malloc((n + 1) * sizeof(int64_t))
            if best == NULL or filled == NULL:
                raise MemoryError
            with nogil:
                self.read(&piece, room)
                best_paths(self.trie.units, room.symbols, n, self.null_score, k, best, filled, &room.pace)
            for r in range(filled[n]):
                path = np.empty(n, np.int64)
                m, j, at = n, n, r
                while j > 0:
                    m -= 1
                    path[m] = j
                    room.score[j] = (
                        self.trie.units[best[j * k + at].slot].score if best[j * k + at].slot else self.null_score
                    )
                    j, at = j - best[j * k + at].length, best[j * k + at].rank
                path = path[m:].copy()
                total = 0
                for end in path.tolist():
                    total += room.score[<Py_ssize_t>end]
                paths.append(path)
                scores.append(total)
        finally:
            free(best)
            free(filled)
        offsets = np.zeros(len(paths) + 1, np.int64)
        np.cumsum([len(path) for path in paths], out=offsets[1:])
        return np.concatenate(paths), offsets, np.array(scores)

    def sample(self, str text, const uint64_t[::1] key, Py_ssize_t n, double temperature):
        """n segmentations drawn by exp(score / temperature): (ends, offsets).

        Draw i takes from stream i of the key one uniform number an edge, from left to right.
        """
        cdef Text whole = Text(PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text), PyUnicode_KIND(text))
        cdef Py_ssize_t length = whole.length, start, end, i, t, found
        cdef _Room room = _Room()
        cdef double scale = 1.0 / temperature
        cdef double* edges = <double*>malloc((length + 1) * sizeof(double))
        cdef uint8_t* reached = <uint8_t*>malloc(length + 2)
        cdef Rng rng
        cdef list paths = []
        cdef int64_t[::1] path
        room.need(length + 1)
        try:
            if edges == NULL or reached == NULL:
                raise MemoryError
            with nogil:
                self.read(&whole, room)
                # A piece of m characters takes m + 1 places: the last is punctuation's, or the end's.
                start = 0
                while start < length:
                    end = self.piece_end(room, start, length)
                    if not room.classes[start] & BREAK:
                        log_beta(
                            self.trie.units, room.symbols + start, end - start, self.null_score, scale,
                            reached + start, room.score + start, edges,
                            &room.pace,
                        )
                    start = end
                    spend(&room.pace, 16)
            for t in range(n):
                rng = rng_stream(&key[0], t)
                found = 0
                with nogil:
                    start = 0
                    while start < length:
                        end = self.piece_end(room, start, length)
                        if room.classes[start] & BREAK:
                            room.tokens[found] = Token(end, 0, 0)
                            found += 1
                        else:
                            i = 0
                            while start + i < end:
                                spend(&room.pace, 32)
                                i = draw(
                                    self.trie.units, room.symbols + start, i, self.null_score, scale,
                                    reached + start, room.score + start, &rng,
                                )
                                room.tokens[found] = Token(start + i, 0, 0)
                                found += 1
                        start = end
                        spend(&room.pace, 16)
                    if self.join:
                        found = self.join_runs(&whole, room, found)
                drawn = np.empty(found, np.int64)
                path = drawn
                for i in range(found):
                    path[i] = room.tokens[i].end
                paths.append(drawn)
        finally:
            free(edges)
            free(reached)
        offsets = np.zeros(n + 1, np.int64)
        np.cumsum([len(drawn) for drawn in paths], out=offsets[1:])
        return np.concatenate([np.empty(0, np.int64), *paths]), offsets

    def joined(self, str text, const int64_t[::1] ends):
        """Ends of tokens, rising to the text's length, once runs of letters and digits are joined."""
        cdef Text whole = Text(PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text), PyUnicode_KIND(text))
        cdef _Room room = _Room()
        cdef Py_ssize_t k, n = ends.shape[0]
        cdef int64_t last = 0
        if n > whole.length or n and ends[n - 1] > whole.length:
            raise ValueError("ends must lie in the text")
        for k in range(n):
            if ends[k] <= last:
                raise ValueError("ends must rise")
            last = ends[k]
        room.need(whole.length)
        self.read(&whole, room)
        for k in range(n):
            room.tokens[k] = Token(ends[k], 0, 0)
        if self.join:
            n = self.join_runs(&whole, room, n)
        return np.array([room.tokens[k].end for k in range(n)], np.int64)

    cdef Py_ssize_t piece_end(self, _Room room, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
        # The end of the piece that starts at `start`: one punctuation character, or what lies up to the next.
        cdef Py_ssize_t end = start + 1
        if not room.classes[start] & BREAK:
            while end < n and not room.classes[end] & BREAK:
                end += 1
        return end

    cdef list strings(self, str text, const Token* tokens, Py_ssize_t n, Pace* pace):
        # Tokens as str; a word's object is made once and handed out again.
        cdef list result = PyList_New(n)
        cdef list objects = self.trie.objects
        cdef Py_ssize_t k, start = 0
        cdef int32_t id
        cdef object word
        for k in range(n):
            spend(pace, 32)
            id = tokens[k].id
            if id >= 0:
                word = <object>PyList_GET_ITEM(objects, id)
                if word is None:
                    word = PyUnicode_Substring(text, start, tokens[k].end)
                    objects[id] = word
            else:
                word = PyUnicode_Substring(text, start, tokens[k].end)
            Py_INCREF(word)
            PyList_SET_ITEM(result, k, word)
            start = tokens[k].end
        return result

    def words(self, list texts):
        """The tokens of each text, a list of str each."""
        cdef Py_ssize_t t, n = len(texts), n_tokens
        cdef Text text
        cdef _Room room = _Room()
        cdef list result = []
        if self.trie.objects is None:
            self.trie.objects = [None] * self.trie.n_words
        for t in range(n):
            string = <str?>texts[t]
            text = Text(PyUnicode_DATA(string), PyUnicode_GET_LENGTH(string), PyUnicode_KIND(string))
            room.need(text.length)
            n_tokens = self.cut(&text, room)
            result.append(self.strings(string, room.tokens, n_tokens, &room.pace))
        return result

    def ends(self, str text):
        """Where each token of a text ends."""
        cdef Text whole = Text(PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text), PyUnicode_KIND(text))
        cdef _Room room = _Room()
        cdef Py_ssize_t k, n
        cdef int64_t[::1] end
        room.need(whole.length)
        with nogil:
            n = self.cut(&whole, room)
        ends = np.empty(n, np.int64)
        end = ends
        for k in range(n):
            end[k] = room.tokens[k].end
        return ends

    def encode(self, list texts):
        """The ids of all tokens, (ids, offsets): text t's are offsets[t]:offsets[t + 1]; -1 for what is no word."""
        cdef Py_ssize_t t, k, n = len(texts), n_tokens, total = 0, longest = 0, found = 0
        cdef _Room room = _Room()
        cdef Text* text = <Text*>malloc((n + 1) * sizeof(Text))
        cdef int64_t[::1] offset
        cdef int32_t[::1] id
        offsets = np.zeros(n + 1, np.int64)
        offset = offsets
        try:
            if text == NULL:
                raise MemoryError
            for t in range(n):
                string = <str?>texts[t]
                text[t] = Text(PyUnicode_DATA(string), PyUnicode_GET_LENGTH(string), PyUnicode_KIND(string))
                total += text[t].length
                longest = max(longest, text[t].length)
            room.need(longest)
            ids = np.empty(total, np.int32)
            id = ids
            with nogil:
                for t in range(n):
                    n_tokens = self.cut(&text[t], room)
                    for k in range(n_tokens):
                        id[found + k] = room.tokens[k].id
                    found += n_tokens
                    offset[t + 1] = found
                    spend(&room.pace, 2 * n_tokens + 8)
        finally:
            free(text)
        return ids[:found].copy(), offsets
