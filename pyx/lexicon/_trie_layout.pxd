# How a trie lies in memory: a double array (Aoe 1989, An efficient digital search algorithm by using a double-array
# structure) and what belongs to it, one block that is saved and mapped as it is.
#
# Header and page index; pages of symbols by code point; code points by symbol; units; marks of the slots where words
# end; those words' ids in the order of their slots; and the slot of each word. Every part begins at a multiple of 64
# bytes. A unit is 16 bytes: base and check side by side with the word's score, so that a step down the trie and the
# edge that it gives to a lattice are one load.
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from _signals cimport Pace, spend

cdef extern from "bits.h" nogil:
    int set_bits(uint64_t word)

cdef extern from "Python.h":
    # Unlike Cython's own it takes const data and may be called without the interpreter's lock.
    uint32_t PyUnicode_READ(int kind, const void* data, Py_ssize_t index) noexcept nogil

cdef enum:
    LIMIT = 1 << 30  # slots: indices are int32
    PAGE = 256  # code points a page of the symbol table
    PAGES = 4352  # 0x110000 / PAGE
    HEADER = 128  # bytes
    MAGIC = 0x32726174736166  # "fastar2"

cdef struct Unit:
    int32_t base
    int32_t check
    double score  # of the word that ends here, minus infinity if none does

cdef struct Mark:
    uint64_t bits  # of 64 slots: whether a word ends there
    uint64_t rank  # how many end before

cdef struct Parts:
    # Where the parts begin, and the size of all.
    Py_ssize_t pages, codes, units, marks, by_slot, slots, size

cdef struct Layout:
    const Unit* units
    const Mark* marks
    const int32_t* by_slot
    const int32_t* slots
    const uint16_t* index
    const uint32_t* pages
    const uint32_t* codes
    Py_ssize_t n_words, n_symbols, n_slots, n_pages
    Py_ssize_t deepest  # characters of the longest word, -1 until somebody asks


cdef inline Py_ssize_t _align(Py_ssize_t size) noexcept nogil:
    return (size + 63) // 64 * 64


cdef inline Parts layout_parts(
    Py_ssize_t n_pages, Py_ssize_t n_symbols, Py_ssize_t n_slots, Py_ssize_t n_words
) noexcept nogil:
    cdef Parts at
    at.pages = _align(HEADER + PAGES * 2)
    at.codes = _align(at.pages + n_pages * PAGE * 4)
    at.units = _align(at.codes + (n_symbols + 1) * 4)
    at.marks = _align(at.units + n_slots * sizeof(Unit))
    at.by_slot = _align(at.marks + (n_slots + 63) // 64 * sizeof(Mark))
    at.slots = _align(at.by_slot + n_words * 4)
    at.size = _align(at.slots + n_words * 4)
    return at


cdef inline int layout_init(Layout* self, const uint8_t[::1] block) except -1:
    # Point into a block; every index in it is checked, so that a forged one can be wrong but not unsafe.
    cdef const int64_t* header
    cdef const uint8_t* start
    cdef Parts at
    if block.shape[0] < HEADER + PAGES * 2 or <size_t>&block[0] % 16:
        raise ValueError("the layout of the trie is cut short or not aligned")
    start = &block[0]
    header = <const int64_t*>start
    if header[0] != MAGIC:
        raise ValueError("the layout of the trie has an unknown version or byte order")
    self.n_words, self.n_symbols, self.n_slots, self.n_pages = header[1], header[2], header[3], header[4]
    if not (
        0 <= self.n_words < LIMIT
        and 0 <= self.n_symbols < self.n_slots < LIMIT + 0x110000
        and 0 < self.n_pages <= PAGES + 1
    ):
        raise ValueError("the layout of the trie has impossible sizes")
    at = layout_parts(self.n_pages, self.n_symbols, self.n_slots, self.n_words)
    if block.shape[0] != at.size:
        raise ValueError("the layout of the trie is cut short or too long")
    self.index = <const uint16_t*>(start + HEADER)
    self.pages = <const uint32_t*>(start + at.pages)
    self.codes = <const uint32_t*>(start + at.codes)
    self.units = <const Unit*>(start + at.units)
    self.marks = <const Mark*>(start + at.marks)
    self.by_slot = <const int32_t*>(start + at.by_slot)
    self.slots = <const int32_t*>(start + at.slots)
    self.deepest = -1
    if not _stays_inside(self):
        raise ValueError("the layout of the trie points outside itself")
    return 0


cdef inline bint _stays_inside(const Layout* self) noexcept nogil:
    cdef Py_ssize_t i, before = 0
    cdef bint good = True, inside
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
        good &= self.marks[i].rank == <uint64_t>before
        before += set_bits(self.marks[i].bits)
    good &= before == self.n_words
    for i in range(self.n_words):
        good &= 0 <= self.by_slot[i] and self.by_slot[i] < self.n_words
        good &= 0 < self.slots[i] and self.slots[i] < self.n_slots
    return good


# A trie lends its layout, which it has checked, to kernels of other modules by a capsule.

cdef inline object layout_capsule(Layout* self):
    return PyCapsule_New(self, "fastcore.lexicon.Layout", NULL)


cdef inline Layout* layout_of(object trie) except NULL:
    # It lives as long as the trie.
    return <Layout*>PyCapsule_GetPointer(trie._layout_capsule(), "fastcore.lexicon.Layout")


cdef inline uint32_t symbol_of(const Layout* self, uint32_t character) noexcept nogil:
    return self.pages[self.index[character >> 8] * PAGE + (character & 255)]


cdef inline Py_ssize_t child(const Layout* self, Py_ssize_t slot, uint32_t symbol) noexcept nogil:
    # The slot one step further, or -1.
    cdef Py_ssize_t to = self.units[slot].base + <Py_ssize_t>symbol
    return to if symbol and self.units[to].check == slot else -1


cdef inline Py_ssize_t walk(
    const Layout* self, int kind, const void* data, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    # The slot reached from the root along text[start:end], or -1.
    cdef Py_ssize_t slot = 0, i
    for i in range(start, end):
        slot = child(self, slot, symbol_of(self, PyUnicode_READ(kind, data, i)))
        if slot < 0:
            break
    return slot


cdef inline Py_ssize_t rank(const Mark* marks, Py_ssize_t slot) noexcept nogil:
    # How many words end before a slot.
    cdef uint64_t before = (<uint64_t>1 << (slot & 63)) - 1
    return <Py_ssize_t>marks[slot >> 6].rank + set_bits(marks[slot >> 6].bits & before)


cdef inline int32_t id_at(const Layout* self, Py_ssize_t slot) noexcept nogil:
    # The word that ends at a slot, or -1.
    if slot < 0 or not self.marks[slot >> 6].bits >> (slot & 63) & 1:
        return -1
    return self.by_slot[rank(self.marks, slot)]


cdef inline Py_ssize_t longest_word(Layout* self, Pace* pace) except -1 nogil:
    # How many characters the longest word has.
    cdef Py_ssize_t i, slot, length, most = 0
    if self.deepest < 0:
        for i in range(self.n_words):
            slot, length = self.slots[i], 0
            while slot > 0 and length <= self.n_slots:
                slot = self.units[slot].check
                length += 1
                spend(pace, 4)
            most = max(most, length)
        self.deepest = most
    return self.deepest
