"""Kernels of the vectorizer's symbols: documents made into streams of ids."""

import numpy as np

from cpython.unicode cimport (
    PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_READ,
    Py_UNICODE_ISALNUM, Py_UNICODE_ISSPACE,
)
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy

from _interner cimport Interner, interner_id, interner_init, interner_strings
from _numbers cimport Numbers, append, numbers_array
from _owned cimport Pool, free_all, roomy
from _points cimport CODE_POINTS, Points, point_id, points_init
from _signals cimport Pace, new_pace, spend
from _turns cimport enter, leave
from _utf8 cimport Scratch, utf8_of

cdef enum:
    CHUNK = 4096  # characters between two words on what was spent

# Every code point is a symbol.
cdef const int64_t[:, ::1] ALL = np.array([[0, CODE_POINTS]], np.int64)


cdef class Symbols:
    """Documents made into symbols (code points or tokens), numbered by first occurrence.

    N-grams don't leave their piece: a document, or a word of it with a space on either side.
    """

    cdef Pool pool
    cdef Interner table
    cdef Points points
    cdef int32_t *ids
    cdef Py_ssize_t length, room
    cdef Numbers pieces, documents
    cdef Scratch scratch
    cdef Py_ssize_t dropped
    cdef Pace pace
    cdef long busy

    def __cinit__(self):
        self.pace = new_pace()
        interner_init(&self.table, &self.pool, &self.pace, 0x7FFFFFFF)
        points_init(&self.points, &self.pool, ALL)
        append(&self.pieces, &self.pool, 0)
        append(&self.documents, &self.pool, 0)

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int reserve(self, Py_ssize_t more) except -1:
        self.ids = <int32_t *>roomy(&self.pool, self.ids, &self.room, self.length + more, sizeof(int32_t))
        return 0

    cdef inline int add_point(self, Py_UCS4 point) except -1:
        """Append one code point, for which there is room."""
        spend(&self.pace, 4)
        self.ids[self.length] = <int32_t>point_id(&self.points, point) - 1
        self.length += 1
        return 0

    cdef int add_token(self, const uint8_t *text, Py_ssize_t size) except -1:
        """Append one token, if it isn't one to drop."""
        cdef Py_ssize_t found
        spend(&self.pace, 20)
        found = interner_id(&self.table, text, size)
        if found >= self.dropped:
            self.reserve(1)
            self.ids[self.length] = <int32_t>found
            self.length += 1
        return 0

    cdef int close(self) except -1:
        """End the piece."""
        append(&self.pieces, &self.pool, self.length)
        return 0

    cdef int end_document(self) except -1:
        append(&self.documents, &self.pool, self.pieces.length - 1)
        return 0

    def add_chars(self, text: str):
        """Append a document's code points; runs of white space become one space."""
        enter(&self.busy, self)
        try:
            return self._add_chars(text)
        finally:
            leave(&self.busy)

    cdef _add_chars(self, str text):
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(text), i = 0, begin
        cdef int kind = PyUnicode_KIND(text)
        cdef void *data = PyUnicode_DATA(text)
        cdef Py_UCS4 point
        self.reserve(n)
        while i < n:
            point = PyUnicode_READ(kind, data, i)
            begin = i
            i += 1
            if Py_UNICODE_ISSPACE(point):
                while i < n and Py_UNICODE_ISSPACE(PyUnicode_READ(kind, data, i)):
                    i += 1
                    spend(&self.pace, 4)
                if i - begin > 1:
                    point = c' '
            self.add_point(point)
        self.close()
        self.end_document()

    def add_words_of_chars(self, text: str):
        """Append a document's words, each a piece of code points between two spaces."""
        enter(&self.busy, self)
        try:
            return self._add_words_of_chars(text)
        finally:
            leave(&self.busy)

    cdef _add_words_of_chars(self, str text):
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(text), i = 0
        cdef int kind = PyUnicode_KIND(text)
        cdef void *data = PyUnicode_DATA(text)
        cdef Py_UCS4 point
        cdef bint inside = False
        self.reserve(2 * n + 2)
        while i < n:
            point = PyUnicode_READ(kind, data, i)
            i += 1
            if not Py_UNICODE_ISSPACE(point):
                if not inside:
                    self.add_point(c' ')
                    inside = True
                self.add_point(point)
            elif inside:
                self.add_point(c' ')
                self.close()
                inside = False
            else:
                spend(&self.pace, 4)
        if inside:
            self.add_point(c' ')
            self.close()
        self.end_document()

    def drop(self, tokens):
        """Leave these tokens out of documents from now on; to be said before any document."""
        enter(&self.busy, self)
        try:
            return self._drop(tokens)
        finally:
            leave(&self.busy)

    cdef _drop(self, tokens):
        cdef Py_ssize_t size
        cdef const uint8_t *utf8
        for token in tokens:
            spend(&self.pace, 16)
            if not PyUnicode_Check(token):
                raise TypeError(f"tokens must be str, got {type(token).__name__}")
            self.scratch.used = 0
            utf8 = utf8_of(token, 0, PyUnicode_GET_LENGTH(token), &size, &self.scratch, &self.pool)
            interner_id(&self.table, utf8, size)
        self.dropped = self.table.count

    def add_words(self, text: str):
        """Append a document's tokens: runs of two or more letters, digits and underscores."""
        enter(&self.busy, self)
        try:
            return self._add_words(text)
        finally:
            leave(&self.busy)

    cdef _add_words(self, str text):
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(text), i, size, at = 0, begin = 0, width, points = 0
        cdef int kind = PyUnicode_KIND(text)
        cdef void *data = PyUnicode_DATA(text)
        cdef const uint8_t *utf8
        cdef Py_UCS4 point
        self.scratch.used = 0
        utf8 = utf8_of(text, 0, n, &size, &self.scratch, &self.pool)
        for i in range(n):
            point = PyUnicode_READ(kind, data, i)
            width = 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
            if is_word(point):
                points += 1
            else:
                if points > 1:
                    self.add_token(utf8 + begin, at - begin)
                points = 0
                begin = at + width
            at += width
            if i % CHUNK == 0:
                spend(&self.pace, 4 * CHUNK)
        if points > 1:
            self.add_token(utf8 + begin, at - begin)
        self.close()
        self.end_document()

    def finish(self):
        """Return symbols, the pieces' offsets in them, the documents' offsets in pieces, and the alphabet."""
        enter(&self.busy, self)
        try:
            return self._finish()
        finally:
            leave(&self.busy)

    cdef _finish(self):
        cdef Py_ssize_t i
        cdef list alphabet = [chr(self.points.points[i]) for i in range(self.points.n)]
        symbols = np.empty(self.length, dtype=np.int32)
        cdef int32_t[::1] to_symbols = symbols
        if self.length:
            memcpy(&to_symbols[0], self.ids, self.length * sizeof(int32_t))
        if not alphabet:
            alphabet = interner_strings(&self.table)
        return symbols, numbers_array(&self.pieces), numbers_array(&self.documents), alphabet


cdef inline bint is_word(Py_UCS4 point) noexcept:
    if point < 0x80:
        return c'a' <= point <= c'z' or c'0' <= point <= c'9' or c'A' <= point <= c'Z' or point == c'_'
    return Py_UNICODE_ISALNUM(point)
