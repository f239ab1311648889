"""Kernels of symbols: the characters or tokens of texts made into streams of ids 1, 2, ..., a 0 after each text."""

import numpy as np

from cpython.list cimport PyList_Check, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_READ
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from _interner cimport BATCH, Batch, Interner, batch_add, batch_ids, interner_init
from _owned cimport Pool, free_all
from _points cimport CODE_POINTS, Points, point_id, points_init, points_write
from _signals cimport Pace, new_pace, spend
from _turns cimport enter, leave
from _utf8 cimport Scratch, is_space, read_utf8, utf8_moves, utf8_of

cdef extern from "Python.h":
    Py_ssize_t Py_SIZE(object sequence)

cdef enum:
    CHUNK = 4096  # characters between two words on what was spent


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
    cdef Pace pace = new_pace()
    for i in range(offsets.shape[0]):
        spend(&pace, 1)
        if not before <= offsets[i] <= data.shape[0]:
            raise ValueError(f"offsets must rise from 0 to at most {data.shape[0]}, got {offsets[i]} at {i}")
        before = offsets[i]
    return 0


cdef class _Encoder:
    """What the two ways to number symbols share: a span of bytes is read by the one's or the other's `byte_span`."""

    cdef Pool pool
    cdef Pace pace
    cdef long busy

    def __dealloc__(self):
        free_all(&self.pool)

    cdef Py_ssize_t byte_span(self, const uint8_t *text, Py_ssize_t size, uint32_t[::1] out, Py_ssize_t filled,
                              bint last, bint lines, bint *invalid, Py_ssize_t *consumed) except -1 nogil:
        with gil:
            raise NotImplementedError

    def encode_utf8(self, const uint8_t[::1] data, uint32_t[::1] out, bint last, bint lines):
        """Write the ids of UTF-8 until `out` is full; where `lines`, a line's end gives a 0.

        Returns how many bytes were consumed (what is left may be the beginning of a symbol, unless `last`),
        how many ids were written, and whether the byte after the consumed ones makes no UTF-8.
        """
        enter(&self.busy, self)
        try:
            return self._encode_utf8(data, out, last, lines)
        finally:
            leave(&self.busy)

    cdef _encode_utf8(self, const uint8_t[::1] data, uint32_t[::1] out, bint last, bint lines):
        cdef Py_ssize_t filled = 0, consumed = 0
        cdef bint invalid = False
        with nogil:
            if data.shape[0]:
                filled = self.byte_span(&data[0], data.shape[0], out, 0, last, lines, &invalid, &consumed)
        return consumed, filled, invalid

    def encode_spans(self, const uint8_t[::1] data, const int64_t[::1] offsets, Py_ssize_t index,
                     Py_ssize_t position, uint32_t[::1] out, Py_ssize_t number):
        """Like `encode` for texts that lie as UTF-8 between offsets in `data`; positions count bytes."""
        enter(&self.busy, self)
        try:
            return self._encode_spans(data, offsets, index, position, out, number)
        finally:
            leave(&self.busy)

    cdef _encode_spans(self, const uint8_t[::1] data, const int64_t[::1] offsets, Py_ssize_t index,
                     Py_ssize_t position, uint32_t[::1] out, Py_ssize_t number):
        cdef Py_ssize_t filled = 0, consumed = 0, size
        cdef bint invalid = False
        check_offsets(data, offsets)
        with nogil:
            while index + 1 < offsets.shape[0] and filled < out.shape[0]:
                spend(&self.pace, 10)
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

    cdef Points table
    cdef const int64_t[:, ::1] ranges

    def __cinit__(self, const int64_t[:, ::1] ranges):
        self.ranges = ranges
        self.pace = new_pace()
        points_init(&self.table, &self.pool, ranges)

    def __len__(self):
        return self.table.n

    def symbols(self):
        """The code points, in the order of their ids."""
        enter(&self.busy, self)
        try:
            return self._symbols()
        finally:
            leave(&self.busy)

    cdef _symbols(self):
        return np.array(<uint32_t[:self.table.n]>self.table.points) if self.table.n else np.empty(0, np.uint32)

    def add(self, const uint32_t[::1] symbols):
        """Give ids to code points that have none, and return the ids of all."""
        enter(&self.busy, self)
        try:
            return self._add(symbols)
        finally:
            leave(&self.busy)

    cdef _add(self, const uint32_t[::1] symbols):
        result = np.empty(symbols.shape[0], np.uint32)
        cdef uint32_t[::1] ids = result
        cdef Py_ssize_t i
        for i in range(symbols.shape[0]):
            spend(&self.pace, 1)
            if symbols[i] >= CODE_POINTS or 0xD800 <= symbols[i] <= 0xDFFF:
                raise ValueError(f"symbols must be Unicode scalar values, got {symbols[i]:#x}")
            ids[i] = point_id(&self.table, symbols[i])
        return result

    cdef Py_ssize_t write(self, int kind, const void *text, Py_ssize_t start, Py_ssize_t size, uint32_t *ids,
                          uint32_t *last, uint32_t *surrogate) noexcept:
        if kind == 1:
            return points_write(&self.table, <const uint8_t *>text + start, size, ids, 0, True, last, surrogate)
        if kind == 2:
            return points_write(&self.table, <const uint16_t *>text + start, size, ids, 0, True, last, surrogate)
        return points_write(&self.table, <const uint32_t *>text + start, size, ids, 0, True, last, surrogate)

    def encode(self, list texts, Py_ssize_t index, Py_ssize_t position, uint32_t[::1] out, Py_ssize_t number):
        """Write the ids of texts[index][position:], texts[index + 1], ..., a 0 after each, until `out` is full.

        Returns the index and the position to go on with, and how many ids were written. `number` is what
        messages call texts[0].
        """
        enter(&self.busy, self)
        try:
            return self._encode(texts, index, position, out, number)
        finally:
            leave(&self.busy)

    cdef _encode(self, list texts, Py_ssize_t index, Py_ssize_t position, uint32_t[::1] out, Py_ssize_t number):
        cdef Py_ssize_t filled = 0, size, take, room = out.shape[0], count = PyList_GET_SIZE(texts)
        cdef uint32_t surrogate = 0, last = 1
        while index < count and filled < room:
            text = <object> PyList_GET_ITEM(texts, index)
            if not PyUnicode_Check(text):
                raise TypeError(f"texts[{number + index}] must be a str, got {type(text).__name__}")
            size = PyUnicode_GET_LENGTH(text)
            take = min(size - position, room - filled, <Py_ssize_t>16 * CHUNK)
            spend(&self.pace, take + 20)
            filled += self.write(
                PyUnicode_KIND(text), PyUnicode_DATA(text), position, take, &out[filled], &last, &surrogate)
            if surrogate:
                raise lone_surrogate(number + index, surrogate)
            position += take
            if position == size and filled < room:
                out[filled] = 0
                filled += 1
                position = 0
                index += 1
                last = 1
        return index, position, filled

    cdef Py_ssize_t byte_span(self, const uint8_t *text, Py_ssize_t size, uint32_t[::1] out, Py_ssize_t filled,
                              bint last, bint lines, bint *invalid, Py_ssize_t *consumed) except -1 nogil:
        """Write ids of UTF-8 until `out` is full, or what is left isn't whole, or is invalid; return `filled`."""
        cdef Py_ssize_t i = 0, room = out.shape[0], looked = 0
        cdef uint32_t point = 0, id, before = 1
        cdef int length
        while i < size and filled < room:
            if i - looked > CHUNK:
                spend(&self.pace, i - looked)
                looked = i
            length = read_utf8(text + i, size - i, &point)
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
            id = point_id(&self.table, point)
            out[filled] = id
            filled += (id | before) != 0
            before = id
            i += length
        consumed[0] = i
        spend(&self.pace, i - looked)
        return filled


cdef class Vocabulary(_Encoder):
    """Tokens to ids 1, 2, ... by first occurrence."""

    cdef Interner table
    # Tokens that wait for their cells to come into the cache, and the places in `out` that their ids go to.
    cdef Batch batch
    cdef Py_ssize_t[BATCH] places
    cdef Scratch scratch

    def __cinit__(self):
        self.pace = new_pace()
        interner_init(&self.table, &self.pool, &self.pace, 0xFFFFFFFE)

    def __len__(self):
        return self.table.count

    def symbols(self):
        """The tokens in the order of their ids: their UTF-8 end to end, and the offsets of their ends."""
        enter(&self.busy, self)
        try:
            return self._symbols()
        finally:
            leave(&self.busy)

    cdef _symbols(self):
        cdef Py_ssize_t i, n = self.table.count, used = self.table.ends[n]
        text, offsets = np.empty(used, np.uint8), np.empty(n + 1, np.int64)
        cdef uint8_t[::1] to_text = text
        cdef int64_t[::1] to_offsets = offsets
        if used:
            memcpy(&to_text[0], self.table.arena, used)
        for i in range(n + 1):
            to_offsets[i] = self.table.ends[i]
        return text, offsets

    def add(self, const uint8_t[::1] text, const int64_t[::1] offsets):
        """Give ids to tokens that have none, and return the ids of all."""
        enter(&self.busy, self)
        try:
            return self._add(text, offsets)
        finally:
            leave(&self.busy)

    cdef _add(self, const uint8_t[::1] text, const int64_t[::1] offsets):
        check_offsets(text, offsets)
        cdef Py_ssize_t i, n = max(0, offsets.shape[0] - 1)
        cdef const uint8_t *data = <const uint8_t *>b""
        if text.shape[0]:
            data = &text[0]
        result = np.empty(n, np.uint32)
        cdef uint32_t[::1] ids = result
        self.batch.n = 0
        for i in range(n):
            self.put(data + offsets[i], offsets[i + 1] - offsets[i], i, ids)
        self.settle(ids)
        return result

    cdef int put(self, const uint8_t *token, Py_ssize_t size, Py_ssize_t place, uint32_t[::1] out) except -1 nogil:
        """Let the id of a token be written to out[place], now or soon: the bytes must stay until `settle`."""
        self.places[self.batch.n] = place
        if batch_add(&self.batch, &self.table, token, size):
            self.settle(out)
        return 0

    cdef int settle(self, uint32_t[::1] out) except -1 nogil:
        """Write the ids of all tokens that wait."""
        cdef uint32_t[BATCH] ids
        cdef int i, n = self.batch.n
        batch_ids(&self.batch, &self.table, ids)
        for i in range(n):
            out[self.places[i]] = ids[i] + 1
        self.scratch.used = 0
        return 0

    cdef int put_text(self, object text, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t place, uint32_t[::1] out,
                      Py_ssize_t number) except -1:
        """`put` for text[start:stop]."""
        cdef Py_ssize_t size
        cdef const uint8_t *token
        if utf8_moves(text, stop - start, &self.scratch):
            self.settle(out)
        token = utf8_of(text, start, stop, &size, &self.scratch, &self.pool)
        if self.scratch.surrogate:
            raise lone_surrogate(number, self.scratch.surrogate)
        return self.put(token, size, place, out)

    def encode(self, list texts, Py_ssize_t index, Py_ssize_t position, uint32_t[::1] out, Py_ssize_t number):
        """Write the ids of the tokens of texts[index][position:], ..., a 0 after each text, until `out` is full.

        A text is a list or tuple of tokens, or a str that is split at white space. Returns the index and the
        position to go on with, and how many ids were written. `number` is what messages call texts[0].
        """
        enter(&self.busy, self)
        try:
            return self._encode(texts, index, position, out, number)
        finally:
            leave(&self.busy)

    cdef _encode(self, list texts, Py_ssize_t index, Py_ssize_t position, uint32_t[::1] out, Py_ssize_t number):
        cdef Py_ssize_t filled = 0, size, room = out.shape[0], count = PyList_GET_SIZE(texts), stop
        cdef int kind
        cdef const void *data
        cdef bint listed
        self.batch.n = 0
        self.scratch.used = self.scratch.surrogate = 0
        while index < count and filled < room:
            if self.batch.n == 0:
                spend(&self.pace, 10)
            text = <object> PyList_GET_ITEM(texts, index)
            if PyList_Check(text) or PyTuple_Check(text):
                listed = PyList_Check(text)
                # Asked each time: whoever runs while a word is spent may make a list shorter.
                while position < Py_SIZE(text) and filled < room:
                    token = <object> (PyList_GET_ITEM(text, position) if listed else PyTuple_GET_ITEM(text, position))
                    if not PyUnicode_Check(token):
                        raise TypeError(f"texts[{number + index}] must hold str tokens, got {type(token).__name__}")
                    self.put_text(token, 0, PyUnicode_GET_LENGTH(token), filled, out, number + index)
                    filled += 1
                    position += 1
                size = Py_SIZE(text)
            elif PyUnicode_Check(text):
                size = PyUnicode_GET_LENGTH(text)
                kind = PyUnicode_KIND(text)
                data = PyUnicode_DATA(text)
                while position < size and filled < room:
                    while position < size and is_space(PyUnicode_READ(kind, data, position)):
                        position += 1
                        if position % CHUNK == 0:
                            self.settle(out)
                            spend(&self.pace, CHUNK)
                    stop = position
                    while stop < size and not is_space(PyUnicode_READ(kind, data, stop)):
                        stop += 1
                        if stop % CHUNK == 0:
                            self.settle(out)
                            spend(&self.pace, CHUNK)
                    if stop > position:
                        self.put_text(text, position, stop, filled, out, number + index)
                        filled += 1
                    position = stop
            else:
                raise TypeError(
                    f"texts[{number + index}] must be a list of tokens or a str to split, got {type(text).__name__}"
                )
            if position >= size and filled < room:
                out[filled] = 0
                filled += 1
                position = 0
                index += 1
        self.settle(out)
        return index, position, filled

    cdef Py_ssize_t byte_span(self, const uint8_t *text, Py_ssize_t size, uint32_t[::1] out, Py_ssize_t filled,
                              bint last, bint lines, bint *invalid, Py_ssize_t *consumed) except -1 nogil:
        """Write ids of UTF-8 until `out` is full, or what is left isn't whole, or is invalid; return `filled`."""
        cdef Py_ssize_t i = 0, start = 0, room = out.shape[0], looked = 0
        cdef uint32_t point = 0
        cdef int length
        self.batch.n = 0
        while filled < room:
            if i - looked > CHUNK:
                spend(&self.pace, i - looked)
                looked = i
            # A token begins at `start` and reaches to `i`.
            if i == size:
                if i > start and last:
                    self.put(text + start, i - start, filled, out)
                    filled += 1
                    start = i
                break
            length = read_utf8(text + i, size - i, &point)
            if length <= 0:
                if length < 0 or last:
                    invalid[0] = True
                    start = i
                break
            if not is_space(point):
                i += length
            elif i > start:
                self.put(text + start, i - start, filled, out)
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
