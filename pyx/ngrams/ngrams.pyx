"""Kernels of n-gram counting: texts to ids, windows of ids to sorted counted rows, and what is read off them.

A row is an n-gram's key: `per_word` ids a 64-bit word, each word one number in base `radix`, the first id
highest. Id 0 is no symbol: it separates in a stream of ids, and pads a row whose text ended early.
"""

import numpy as np

from cpython.list cimport PyList_Check, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy

from _signals cimport poll

cdef extern from "Python.h":
    int PyUnicode_KIND(object text)
    void *PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int PyUnicode_IS_ASCII(object text)
    uint32_t PyUnicode_READ(int kind, const void *data, Py_ssize_t index)
    Py_ssize_t Py_SIZE(object sequence)

cdef extern from "ngrams.h" nogil:
    enum: NG_MAX_ORDER
    enum: NG_MAX_WORDS
    ctypedef struct ng_divisor:
        pass
    ctypedef struct ng_scan:
        uint64_t current[1]
        uint64_t *rows[1]
        int64_t *counts[1]
        Py_ssize_t size[1]
    ng_divisor ng_divide_by(uint64_t by)
    uint64_t ng_quotient(uint64_t x, ng_divisor d)
    Py_ssize_t ng_windows(const uint32_t *ids, Py_ssize_t size, Py_ssize_t starts, int order, int per, uint64_t radix,
                          uint64_t *rows, int words)
    void ng_sort(uint64_t *rows, uint64_t *spare, Py_ssize_t n, int payload, int words)
    Py_ssize_t ng_combine(uint64_t *rows, Py_ssize_t n, uint32_t *counts, int words)
    Py_ssize_t ng_gather(const uint64_t *counted, Py_ssize_t n, uint64_t *rows, int64_t *counts, int words)
    Py_ssize_t ng_merge(const uint64_t *a, const int64_t *count_a, Py_ssize_t size_a, const uint64_t *b,
                        const int64_t *count_b, Py_ssize_t size_b, uint64_t *rows, int64_t *counts, int words)
    Py_ssize_t ng_bound(const uint64_t *rows, Py_ssize_t n, const uint64_t *row, int words)
    Py_ssize_t ng_seek(const uint64_t *rows, Py_ssize_t n, const uint64_t *row, Py_ssize_t start, int words)
    int ng_compare(const uint64_t *a, const uint64_t *b, int words)
    int ng_words(int order, int per)
    void ng_unpack(const uint64_t *row, int order, int per, ng_divisor radix, uint32_t *symbols)
    void ng_pack(const uint32_t *symbols, int order, int per, uint64_t radix, uint64_t *row)
    void ng_prefetch(const void *address)
    uint64_t ng_hash(const char *text, Py_ssize_t size)
    int ng_write_utf8(uint32_t point, char *to)
    int ng_read_utf8(const uint8_t *text, Py_ssize_t size, uint32_t *point)
    int ng_is_space(uint32_t point)
    void ng_prefixes(const uint64_t *rows, const int64_t *counts, Py_ssize_t n, int order, int per, uint64_t by,
                     ng_scan *scan)

cdef enum:
    CODE_POINTS = 0x110000
    # Tokens that wait for the cache.
    GROUP = 32

# Loops over rows look for Ctrl-C every 65536.

ctypedef fused unit:
    uint8_t
    uint16_t
    uint32_t


cdef object lone_surrogate(Py_ssize_t number, uint32_t point):
    return ValueError(
        f"texts[{number}] must be valid Unicode, got the lone surrogate U+{point:04X}: "
        "encode it with errors='replace' first"
    )


cdef object bad_utf8(Py_ssize_t number, Py_ssize_t position, uint8_t byte):
    return ValueError(
        f"texts[{number}], byte {position + 1}: not UTF-8 (0x{byte:02x}); pass errors='replace' to let it be"
    )


cdef int check_offsets(const uint8_t[::1] data, const int64_t[::1] offsets) except -1:
    """Refuse offsets that don't rise within the data."""
    cdef Py_ssize_t i
    cdef int64_t before = 0
    for i in range(offsets.shape[0]):
        if not before <= offsets[i] <= data.shape[0]:
            raise ValueError(f"offsets must rise from 0 to at most {data.shape[0]}, got {offsets[i]} at {i}")
        before = offsets[i]
    return 0


cdef class _Encoder:
    """What the two ways to number symbols share: a span of bytes is read by the one's or the other's `byte_span`."""

    cdef Py_ssize_t byte_span(self, const uint8_t *text, Py_ssize_t size, uint32_t[::1] out, Py_ssize_t filled,
                              bint last, bint lines, bint *invalid, Py_ssize_t *consumed) except -1 nogil:
        with gil:
            raise NotImplementedError

    def encode_utf8(self, const uint8_t[::1] data, uint32_t[::1] out, bint last, bint lines):
        """Write the ids of UTF-8 until `out` is full; where `lines`, a line's end gives a 0.

        Returns how many bytes were consumed (what is left may be the beginning of a symbol, unless `last`),
        how many ids were written, and whether the byte after the consumed ones makes no UTF-8.
        """
        cdef Py_ssize_t filled = 0, consumed = 0
        cdef bint invalid = False
        poll()
        with nogil:
            if data.shape[0]:
                filled = self.byte_span(&data[0], data.shape[0], out, 0, last, lines, &invalid, &consumed)
        return consumed, filled, invalid

    def encode_spans(self, const uint8_t[::1] data, const int64_t[::1] offsets, Py_ssize_t index,
                     Py_ssize_t position, uint32_t[::1] out, Py_ssize_t number):
        """Like `encode` for texts that lie as UTF-8 between offsets in `data`; positions count bytes."""
        cdef Py_ssize_t filled = 0, consumed = 0, size
        cdef bint invalid = False
        poll()
        check_offsets(data, offsets)
        with nogil:
            while index + 1 < offsets.shape[0] and filled < out.shape[0]:
                size = offsets[index + 1] - offsets[index]
                if position < size:
                    filled = self.byte_span(&data[offsets[index] + position], size - position, out, filled, True,
                                            False, &invalid, &consumed)
                    position += consumed
                    if invalid:
                        break
                if position >= size and filled < out.shape[0]:
                    out[filled] = 0
                    filled += 1
                    position = 0
                    index += 1
        if invalid:
            raise bad_utf8(number + index, position, data[offsets[index] + position])
        return index, position, filled


cdef class Alphabet(_Encoder):
    """Code points to ids 1, 2, ... by first occurrence; a code point outside the kept ranges separates."""

    # 0: not met yet; 1: separates; i + 1: id i.
    cdef uint32_t *known
    cdef uint32_t *points
    cdef Py_ssize_t n
    cdef const int64_t[:, ::1] ranges

    def __cinit__(self, const int64_t[:, ::1] ranges):
        self.known = <uint32_t *> calloc(CODE_POINTS, sizeof(uint32_t))
        self.points = <uint32_t *> calloc(CODE_POINTS, sizeof(uint32_t))
        if self.known == NULL or self.points == NULL:
            raise MemoryError
        self.ranges = ranges

    def __dealloc__(self):
        free(self.known)
        free(self.points)

    def __len__(self):
        return self.n

    def symbols(self):
        """The code points, in the order of their ids."""
        return np.asarray(<uint32_t[:self.n]> self.points).copy() if self.n else np.empty(0, np.uint32)

    def add(self, const uint32_t[::1] symbols):
        """Give ids to code points that have none, and return the ids of all."""
        result = np.empty(symbols.shape[0], np.uint32)
        cdef uint32_t[::1] ids = result
        cdef Py_ssize_t i
        for i in range(symbols.shape[0]):
            if symbols[i] >= CODE_POINTS or 0xD800 <= symbols[i] <= 0xDFFF:
                raise ValueError(f"symbols must be Unicode scalar values, got {symbols[i]:#x}")
            if self.known[symbols[i]] == 0:
                self.meet(symbols[i])
            ids[i] = self.known[symbols[i]] - 1
        return result

    cdef void meet(self, uint32_t point) noexcept nogil:
        """Find out what a new code point is."""
        cdef Py_ssize_t r
        self.known[point] = 1
        for r in range(self.ranges.shape[0]):
            if self.ranges[r, 0] <= point < self.ranges[r, 1]:
                self.points[self.n] = point
                self.n += 1
                self.known[point] = <uint32_t> self.n + 1
                break

    cdef Py_ssize_t span(self, const unit *text, Py_ssize_t size, uint32_t *ids, uint32_t *surrogate) noexcept nogil:
        """Write the ids of a piece of text, one 0 for separators in a row; return how many ids."""
        cdef Py_ssize_t i, n = 0
        cdef uint32_t point, known, before = 1
        for i in range(size):
            point = text[i]
            known = self.known[point]
            if known == 0:
                if 0xD800 <= point <= 0xDFFF:
                    surrogate[0] = point
                    return n
                self.meet(point)
                known = self.known[point]
            known -= 1
            ids[n] = known
            n += (known | before) != 0
            before = known
        return n

    def encode(self, list texts, Py_ssize_t index, Py_ssize_t position, uint32_t[::1] out, Py_ssize_t number):
        """Write the ids of texts[index][position:], texts[index + 1], ..., a 0 after each, until `out` is full.

        Returns the index and the position to go on with, and how many ids were written. `number` is what
        messages call texts[0].
        """
        cdef Py_ssize_t filled = 0, size, take, room = out.shape[0], count = PyList_GET_SIZE(texts)
        cdef uint32_t surrogate = 0
        cdef int kind
        cdef const void *data
        poll()
        while index < count and filled < room:
            text = <object> PyList_GET_ITEM(texts, index)
            if not PyUnicode_Check(text):
                raise TypeError(f"texts[{number + index}] must be a str, got {type(text).__name__}")
            size = PyUnicode_GET_LENGTH(text)
            take = min(size - position, room - filled)
            kind = PyUnicode_KIND(text)
            data = PyUnicode_DATA(text)
            if kind == 1:
                filled += self.span(<const uint8_t *> data + position, take, &out[filled], &surrogate)
            elif kind == 2:
                filled += self.span(<const uint16_t *> data + position, take, &out[filled], &surrogate)
            else:
                filled += self.span(<const uint32_t *> data + position, take, &out[filled], &surrogate)
            if surrogate:
                raise lone_surrogate(number + index, surrogate)
            position += take
            if position == size and filled < room:
                out[filled] = 0
                filled += 1
                position = 0
                index += 1
        return index, position, filled

    cdef Py_ssize_t byte_span(self, const uint8_t *text, Py_ssize_t size, uint32_t[::1] out, Py_ssize_t filled,
                              bint last, bint lines, bint *invalid, Py_ssize_t *consumed) except -1 nogil:
        """Write ids of UTF-8 until `out` is full, or what is left isn't whole, or is invalid; return `filled`."""
        cdef Py_ssize_t i = 0, room = out.shape[0]
        cdef uint32_t point = 0, known, before = 1
        cdef int length
        while i < size and filled < room:
            length = ng_read_utf8(text + i, size - i, &point)
            if length <= 0:
                invalid[0] = length < 0 or last
                break
            if point <= 13 and lines:
                if point == 10:
                    out[filled] = 0
                    filled += before != 0
                    before = 0
                    i += 1
                    continue
                if point == 13:
                    if i + 1 == size and not last:
                        break
                    if i + 1 < size and text[i + 1] == 10:
                        i += 1
                        continue
            known = self.known[point]
            if known == 0:
                self.meet(point)
                known = self.known[point]
            known -= 1
            out[filled] = known
            filled += (known | before) != 0
            before = known
            i += length
        consumed[0] = i
        return filled


cdef struct Slot:
    # The high half of a token's hash, its id (0: free), where it begins, and its length as far as 24 bits hold it.
    uint32_t tag
    uint32_t id
    uint64_t place


cdef struct Waiting:
    const char *text
    Py_ssize_t size
    Py_ssize_t place
    uint64_t hash


cdef class Vocabulary(_Encoder):
    """Tokens to ids 1, 2, ... by first occurrence."""

    # Tokens lie end to end as UTF-8. A few of them wait until their slots have come into the cache.
    cdef Slot *slots
    cdef uint64_t mask
    cdef char *text
    cdef Py_ssize_t used, capacity
    cdef int64_t *offsets
    cdef Py_ssize_t n, room
    cdef char *scratch
    cdef Py_ssize_t scratch_size, scratch_used
    cdef Waiting[GROUP] waiting
    cdef int waits

    def __cinit__(self):
        self.mask = 1023
        self.capacity = 16384
        self.room = 512
        self.slots = <Slot *> calloc(self.mask + 1, sizeof(Slot))
        self.text = <char *> malloc(self.capacity)
        self.offsets = <int64_t *> calloc(self.room + 1, sizeof(int64_t))
        if self.slots == NULL or self.text == NULL or self.offsets == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.slots)
        free(self.text)
        free(self.offsets)
        free(self.scratch)

    def __len__(self):
        return self.n

    def symbols(self):
        """The tokens in the order of their ids: their UTF-8 end to end, and the offsets of their ends."""
        text, offsets = np.empty(self.used, np.uint8), np.empty(self.n + 1, np.int64)
        cdef uint8_t[::1] bytes_view = text
        cdef int64_t[::1] offset = offsets
        if self.used:
            memcpy(&bytes_view[0], self.text, self.used)
        memcpy(&offset[0], self.offsets, (self.n + 1) * sizeof(int64_t))
        return text, offsets

    def add(self, const uint8_t[::1] text, const int64_t[::1] offsets):
        """Give ids to tokens that have none, and return the ids of all."""
        check_offsets(text, offsets)
        cdef Py_ssize_t i, n = max(0, offsets.shape[0] - 1)
        cdef const char *data = ""
        if text.shape[0]:
            data = <const char *> &text[0]
        result = np.empty(n, np.uint32)
        cdef uint32_t[::1] ids = result
        self.waits = 0
        for i in range(n):
            self.put(data + offsets[i], offsets[i + 1] - offsets[i], i, ids)
        self.settle(ids)
        return result

    cdef int put(self, const char *token, Py_ssize_t size, Py_ssize_t place, uint32_t[::1] out) except -1 nogil:
        """Let the id of a token be written to out[place], now or soon: the bytes must stay until `settle`."""
        cdef Waiting *waiting = &self.waiting[self.waits]
        waiting.text, waiting.size, waiting.place = token, size, place
        waiting.hash = ng_hash(token, size)
        ng_prefetch(&self.slots[waiting.hash & self.mask])
        self.waits += 1
        if self.waits == GROUP:
            self.settle(out)
        return 0

    cdef int settle(self, uint32_t[::1] out) except -1 nogil:
        """Write the ids of all tokens that wait."""
        cdef int i, n = self.waits
        cdef Slot *slot
        for i in range(n):
            slot = &self.slots[self.waiting[i].hash & self.mask]
            if slot.id:
                ng_prefetch(self.text + (slot.place >> 24))
        self.waits = 0
        for i in range(n):
            out[self.waiting[i].place] = self.lookup(self.waiting[i].text, self.waiting[i].size, self.waiting[i].hash)
        self.scratch_used = 0
        return 0

    cdef uint32_t lookup(self, const char *token, Py_ssize_t size, uint64_t hashed) except? 0 nogil:
        """The id of a token, a new one if it wasn't met before."""
        cdef uint32_t tag = <uint32_t> (hashed >> 32)
        cdef uint64_t at = hashed & self.mask, short_size = min(size, <Py_ssize_t> 0xFFFFFF)
        cdef Slot *slot
        while True:
            slot = &self.slots[at]
            if slot.id == 0:
                break
            if (slot.tag == tag and (slot.place & 0xFFFFFF) == short_size
                    and (short_size < 0xFFFFFF or self.offsets[slot.id] - self.offsets[slot.id - 1] == size)
                    and memcmp(self.text + (slot.place >> 24), token, size) == 0):
                return slot.id
            at = (at + 1) & self.mask
        self.reserve(size)
        at = hashed & self.mask
        while self.slots[at].id:
            at = (at + 1) & self.mask
        slot = &self.slots[at]
        slot.tag = tag
        slot.place = <uint64_t> self.used << 24 | short_size
        memcpy(self.text + self.used, token, size)
        self.used += size
        self.n += 1
        self.offsets[self.n] = self.used
        slot.id = <uint32_t> self.n
        return slot.id

    cdef int reserve(self, Py_ssize_t size) except -1 nogil:
        """Make room for one more token."""
        cdef void *grown
        cdef Slot *slots
        cdef uint64_t mask, hashed, at
        cdef Py_ssize_t i
        if <uint64_t> self.n >= <uint64_t> 0xFFFFFFFE:
            with gil:
                raise ValueError("texts must hold fewer than 2**32 - 1 distinct tokens")
        if self.used + size > self.capacity:
            grown = realloc(self.text, 2 * (self.used + size))
            if grown == NULL:
                with gil:
                    raise MemoryError
            self.text = <char *> grown
            self.capacity = 2 * (self.used + size)
        if self.n == self.room:
            grown = realloc(self.offsets, (2 * self.room + 1) * sizeof(int64_t))
            if grown == NULL:
                with gil:
                    raise MemoryError
            self.offsets = <int64_t *> grown
            self.room *= 2
        if 3 * (<uint64_t> self.n + 1) > 2 * self.mask:
            mask = 2 * self.mask + 1
            slots = <Slot *> calloc(mask + 1, sizeof(Slot))
            if slots == NULL:
                with gil:
                    raise MemoryError
            for i in range(self.n):
                size = self.offsets[i + 1] - self.offsets[i]
                hashed = ng_hash(self.text + self.offsets[i], size)
                at = hashed & mask
                while slots[at].id:
                    at = (at + 1) & mask
                slots[at].tag = <uint32_t> (hashed >> 32)
                slots[at].id = <uint32_t> (i + 1)
                slots[at].place = <uint64_t> self.offsets[i] << 24 | <uint64_t> min(size, <Py_ssize_t> 0xFFFFFF)
            free(self.slots)
            self.slots = slots
            self.mask = mask
        return 0

    cdef int put_text(self, object text, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t place, uint32_t[::1] out,
                      Py_ssize_t number) except -1:
        """`put` for text[start:stop]."""
        cdef Py_ssize_t i, size
        cdef int kind
        cdef const void *data = PyUnicode_DATA(text)
        cdef uint32_t point
        cdef void *grown
        cdef char *to
        if PyUnicode_IS_ASCII(text):
            return self.put(<const char *> data + start, stop - start, place, out)
        size = 4 * (stop - start)
        if self.scratch_used + size > self.scratch_size:
            self.settle(out)
            if size > self.scratch_size:
                grown = realloc(self.scratch, 2 * size + 4096)
                if grown == NULL:
                    raise MemoryError
                self.scratch = <char *> grown
                self.scratch_size = 2 * size + 4096
        kind = PyUnicode_KIND(text)
        to = self.scratch + self.scratch_used
        size = 0
        for i in range(start, stop):
            point = PyUnicode_READ(kind, data, i)
            if 0xD800 <= point <= 0xDFFF:
                raise lone_surrogate(number, point)
            size += ng_write_utf8(point, to + size)
        self.scratch_used += size
        return self.put(to, size, place, out)

    def encode(self, list texts, Py_ssize_t index, Py_ssize_t position, uint32_t[::1] out, Py_ssize_t number):
        """Write the ids of the tokens of texts[index][position:], ..., a 0 after each text, until `out` is full.

        A text is a list or tuple of tokens, or a str that is split at white space. Returns the index and the
        position to go on with, and how many ids were written. `number` is what messages call texts[0].
        """
        cdef Py_ssize_t filled = 0, size, room = out.shape[0], count = PyList_GET_SIZE(texts), stop
        cdef int kind
        cdef const void *data
        cdef bint listed
        poll()
        self.waits = 0
        self.scratch_used = 0
        while index < count and filled < room:
            text = <object> PyList_GET_ITEM(texts, index)
            if PyList_Check(text) or PyTuple_Check(text):
                listed = PyList_Check(text)
                size = Py_SIZE(text)
                while position < size and filled < room:
                    token = <object> (PyList_GET_ITEM(text, position) if listed else PyTuple_GET_ITEM(text, position))
                    if not PyUnicode_Check(token):
                        raise TypeError(f"texts[{number + index}] must hold str tokens, got {type(token).__name__}")
                    self.put_text(token, 0, PyUnicode_GET_LENGTH(token), filled, out, number + index)
                    filled += 1
                    position += 1
            elif PyUnicode_Check(text):
                size = PyUnicode_GET_LENGTH(text)
                kind = PyUnicode_KIND(text)
                data = PyUnicode_DATA(text)
                while position < size and filled < room:
                    while position < size and ng_is_space(PyUnicode_READ(kind, data, position)):
                        position += 1
                    stop = position
                    while stop < size and not ng_is_space(PyUnicode_READ(kind, data, stop)):
                        stop += 1
                    if stop > position:
                        self.put_text(text, position, stop, filled, out, number + index)
                        filled += 1
                    position = stop
            else:
                raise TypeError(
                    f"texts[{number + index}] must be a list of tokens or a str to split, got {type(text).__name__}"
                )
            if position == size and filled < room:
                out[filled] = 0
                filled += 1
                position = 0
                index += 1
        self.settle(out)
        return index, position, filled

    cdef Py_ssize_t byte_span(self, const uint8_t *text, Py_ssize_t size, uint32_t[::1] out, Py_ssize_t filled,
                              bint last, bint lines, bint *invalid, Py_ssize_t *consumed) except -1 nogil:
        """Write ids of UTF-8 until `out` is full, or what is left isn't whole, or is invalid; return `filled`."""
        cdef Py_ssize_t i = 0, start = 0, room = out.shape[0]
        cdef uint32_t point = 0
        cdef int length
        self.waits = 0
        while filled < room:
            # A token begins at `start` and reaches to `i`.
            if i == size:
                if i > start and last:
                    self.put(<const char *> text + start, i - start, filled, out)
                    filled += 1
                    start = i
                break
            length = ng_read_utf8(text + i, size - i, &point)
            if length <= 0:
                if length < 0 or last:
                    invalid[0] = True
                    start = i
                break
            if not ng_is_space(point):
                i += length
            elif i > start:
                self.put(<const char *> text + start, i - start, filled, out)
                filled += 1
                start = i
            else:
                if point == 10 and lines:
                    out[filled] = 0
                    filled += 1
                i += length
                start = i
        consumed[0] = start
        self.settle(out)
        return filled


cdef int check_layout(int order, int per_word, uint64_t radix) except -1:
    if not 1 <= order <= NG_MAX_ORDER or not 1 <= per_word <= NG_MAX_ORDER or not 2 <= radix <= <uint64_t> 1 << 32:
        raise ValueError(f"no such layout: order {order}, {per_word} symbols a word in base {radix}")
    return ng_words(order, per_word)


cdef int check_width(const uint64_t[:, ::1] keys, int words) except -1:
    if keys.shape[1] != words:
        raise ValueError(f"keys must have {words} words a row, got {keys.shape[1]}")
    return 0


def count_windows(const uint32_t[::1] ids, Py_ssize_t starts, int order, int per_word, uint64_t radix):
    """Count the windows of up to `order` ids that begin at the first `starts` places and end before a 0.

    Returns the rows in order, and their counts.
    """
    cdef int words = check_layout(order, per_word, radix)
    cdef Py_ssize_t n = 0, size = ids.shape[0]
    starts = min(starts, size)
    rows = np.empty((starts + 1, words), np.uint64)
    spare = np.empty((starts + 1, words), np.uint64)
    cdef uint64_t[:, ::1] row = rows, other = spare
    cdef uint32_t[::1] count
    poll()
    with nogil:
        if starts:
            n = ng_windows(&ids[0], size, starts, order, per_word, radix, &row[0, 0], words)
            ng_sort(&row[0, 0], &other[0, 0], n, 0, words)
    del spare, other
    counts = np.empty(n + 1, np.uint32)
    count = counts
    with nogil:
        n = ng_combine(&row[0, 0], n, &count[0], words)
    return rows[:n].copy(), counts[:n].copy()


def sort_rows(const uint64_t[:, ::1] keys, const int64_t[::1] counts):
    """Sort rows, adding the counts of equal ones."""
    cdef Py_ssize_t n = keys.shape[0], i
    cdef int words = keys.shape[1]
    if counts.shape[0] != n or not 1 <= words < NG_MAX_WORDS:
        raise ValueError(f"keys and counts must have one length, got {n} and {counts.shape[0]}")
    counted = np.empty((n + 1, words + 1), np.uint64)
    spare = np.empty((n + 1, words + 1), np.uint64)
    rows, sums = np.empty((n + 1, words), np.uint64), np.empty(n + 1, np.int64)
    cdef uint64_t[:, ::1] both = counted, other = spare, row = rows
    cdef int64_t[::1] total = sums
    poll()
    with nogil:
        for i in range(n):
            memcpy(&both[i, 0], &keys[i, 0], words * sizeof(uint64_t))
            both[i, words] = <uint64_t> counts[i]
        ng_sort(&both[0, 0], &other[0, 0], n, 1, words + 1)
        n = ng_gather(&both[0, 0], n, &row[0, 0], &total[0], words)
    return rows[:n].copy(), sums[:n].copy()


def merge_runs(list keys, list counts):
    """Merge sorted runs of distinct rows into one, adding the counts of equal rows."""
    runs = sorted(zip(keys, counts, strict=True), key=lambda run: -len(run[0]))
    while len(runs) > 1:
        (a, count_a), (b, count_b) = runs.pop(), runs.pop()
        runs.append(merge_two(a, count_a, b, count_b))
        runs.sort(key=lambda run: -len(run[0]))
    return runs[0]


cdef tuple merge_two(const uint64_t[:, ::1] a, const int64_t[::1] count_a,
                     const uint64_t[:, ::1] b, const int64_t[::1] count_b):
    cdef Py_ssize_t size_a = a.shape[0], size_b = b.shape[0], n
    cdef int words = a.shape[1]
    if words != b.shape[1] or count_a.shape[0] != size_a or count_b.shape[0] != size_b:
        raise ValueError("runs must have rows of one width and a count for each row")
    rows, sums = np.empty((size_a + size_b + 1, words), np.uint64), np.empty(size_a + size_b + 1, np.int64)
    cdef uint64_t[:, ::1] row = rows
    cdef int64_t[::1] total = sums
    poll()
    with nogil:
        n = ng_merge(&a[0, 0] if size_a else NULL, &count_a[0] if size_a else NULL, size_a,
                     &b[0, 0] if size_b else NULL, &count_b[0] if size_b else NULL, size_b,
                     &row[0, 0], &total[0], words)
    return rows[:n], sums[:n]


def prefixes(const uint64_t[:, ::1] keys, const int64_t[::1] counts, int order, int per_word, uint64_t radix):
    """Add up sorted rows by their first 1, 2, ..., order ids: a list of keys and a list of counts."""
    cdef int words = check_layout(order, per_word, radix), k
    cdef Py_ssize_t n = keys.shape[0], i
    cdef ng_scan scan
    cdef uint64_t[:, ::1] row
    cdef int64_t[::1] total
    check_width(keys, words)
    if counts.shape[0] != n:
        raise ValueError(f"keys and counts must have one length, got {n} and {counts.shape[0]}")
    rows = [np.empty((n + 1, ng_words(k, per_word)), np.uint64) for k in range(1, order + 1)]
    sums = [np.empty(n + 1, np.int64) for _ in rows]
    for k in range(NG_MAX_ORDER + 2):
        scan.current[k] = 0
    for k in range(1, order + 1):
        row, total = rows[k - 1], sums[k - 1]
        scan.rows[k], scan.counts[k], scan.size[k] = &row[0, 0], &total[0], 0
    with nogil:
        for i in range(0, n, 65536):
            poll()
            ng_prefixes(&keys[i, 0], &counts[i], min(n - i, <Py_ssize_t> 65536), order, per_word, radix, &scan)
    return ([rows[k - 1][:scan.size[k]].copy() for k in range(1, order + 1)],
            [sums[k - 1][:scan.size[k]].copy() for k in range(1, order + 1)])


def unpack(const uint64_t[:, ::1] keys, int order, int per_word, uint64_t radix):
    """The ids of each row, as an array (rows, order)."""
    cdef int words = check_layout(order, per_word, radix)
    cdef ng_divisor divisor = ng_divide_by(radix)
    cdef Py_ssize_t n = keys.shape[0], i, j
    check_width(keys, words)
    result = np.empty((n, order), np.uint32)
    cdef uint32_t[:, ::1] ids = result
    with nogil:
        for i in range(0, n, 65536):
            poll()
            for j in range(i, min(n, i + 65536)):
                ng_unpack(&keys[j, 0], order, per_word, divisor, &ids[j, 0])
    return result


def pack(const uint32_t[:, ::1] ids, int per_word, uint64_t radix):
    """The row of each tuple of ids, all of them below `radix`."""
    cdef int order = ids.shape[1], words = check_layout(order, per_word, radix)
    cdef Py_ssize_t n = ids.shape[0], i, j
    result = np.empty((n, words), np.uint64)
    cdef uint64_t[:, ::1] keys = result
    with nogil:
        for i in range(0, n, 65536):
            poll()
            for j in range(i, min(n, i + 65536)):
                ng_pack(&ids[j, 0], order, per_word, radix, &keys[j, 0])
    return result


def find(const uint64_t[:, ::1] keys, const uint64_t[:, ::1] wanted):
    """For each wanted row the first of the sorted `keys` that isn't below it."""
    cdef Py_ssize_t n = keys.shape[0], i, j, at = 0
    cdef int words = keys.shape[1]
    check_width(wanted, words)
    result = np.empty(wanted.shape[0], np.int64)
    cdef int64_t[::1] rows = result
    with nogil:
        for i in range(0, wanted.shape[0], 65536):
            poll()
            for j in range(i, min(wanted.shape[0], i + 65536)):
                at = ng_seek(&keys[0, 0], n, &wanted[j, 0], at, words) if n else 0
                rows[j] = at
    return result


def heads(const uint64_t[:, ::1] keys, const uint64_t[:, ::1] shorter, int order, int per_word, uint64_t radix):
    """For each row of `order` ids the row of `shorter` that holds all but the last; -1 if there is none."""
    return parts(keys, shorter, order, per_word, radix, 0)


def tails(const uint64_t[:, ::1] keys, const uint64_t[:, ::1] shorter, int order, int per_word, uint64_t radix):
    """For each row of `order` ids the row of `shorter` that holds all but the first; -1 if there is none."""
    return parts(keys, shorter, order, per_word, radix, 1)


cdef object parts(const uint64_t[:, ::1] keys, const uint64_t[:, ::1] shorter, int order, int per_word,
                  uint64_t radix, int start):
    cdef int words = check_layout(order, per_word, radix), fewer = check_layout(order - 1, per_word, radix)
    cdef ng_divisor divisor = ng_divide_by(radix)
    cdef Py_ssize_t n = keys.shape[0], m = shorter.shape[0], i, j, at = 0
    cdef uint32_t[NG_MAX_ORDER] ids
    cdef uint64_t[NG_MAX_WORDS] part
    check_width(keys, words)
    check_width(shorter, fewer)
    result = np.full(n, -1, np.int64)
    cdef int64_t[::1] rows = result
    if m == 0:
        return result
    with nogil:
        for i in range(0, n, 65536):
            poll()
            for j in range(i, min(n, i + 65536)):
                ng_unpack(&keys[j, 0], order, per_word, divisor, ids)
                ng_pack(ids + start, order - 1, per_word, radix, part)
                at = ng_seek(&shorter[0, 0], m, part, at, fewer)
                if at < m and ng_compare(&shorter[at, 0], part, fewer) == 0:
                    rows[j] = at
    return result


def is_sorted(const uint64_t[:, ::1] keys):
    """Whether each row is above the one before it."""
    cdef Py_ssize_t n = keys.shape[0], i
    cdef int words = keys.shape[1]
    cdef bint fine = True
    with nogil:
        for i in range(1, n):
            if i % 65536 == 0:
                poll()
            if ng_compare(&keys[i - 1, 0], &keys[i, 0], words) >= 0:
                fine = False
                break
    return fine
