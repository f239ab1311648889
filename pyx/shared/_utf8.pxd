# UTF-8 as kernels read it: where it is invalid, where white space stands, and a str's bytes.
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_READ
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)

cdef extern from *:
    """
    #include <stdint.h>
    /* 1 is white space of one byte; 2 is a byte that white space of two or three may start with. */
    static const uint8_t fastcore_space[256] = {
        [9] = 1, [10] = 1, [11] = 1, [12] = 1, [13] = 1, [28] = 1, [29] = 1, [30] = 1, [31] = 1, [32] = 1,
        [0xC2] = 2, [0xE1] = 2, [0xE2] = 2, [0xE3] = 2};
    """
    const uint8_t[256] fastcore_space


cdef inline Py_ssize_t space_at(const uint8_t *text, Py_ssize_t i, Py_ssize_t n) noexcept nogil:
    """How many bytes of white space, as str.split() knows it, begin at text[i]: 0 to 3."""
    cdef uint8_t kind = fastcore_space[text[i]], a, b
    if kind < 2:
        return kind
    if text[i] == 0xC2:
        return 2 if i + 1 < n and (text[i + 1] == 0x85 or text[i + 1] == 0xA0) else 0
    if i + 2 >= n:
        return 0
    a = text[i + 1]
    b = text[i + 2]
    if text[i] == 0xE1:
        return 3 if a == 0x9A and b == 0x80 else 0
    if text[i] == 0xE3:
        return 3 if a == 0x80 and b == 0x80 else 0
    if a == 0x81:
        return 3 if b == 0x9F else 0
    return 3 if a == 0x80 and (0x80 <= b <= 0x8A or b == 0xA8 or b == 0xA9 or b == 0xAF) else 0


cdef inline Py_ssize_t first_invalid_byte(const uint8_t *text, Py_ssize_t n) noexcept nogil:
    """Where the first sequence begins that isn't UTF-8, or -1."""
    cdef Py_ssize_t i = 0, width
    cdef uint64_t eight
    cdef uint32_t a, b
    while i < n:
        if text[i] < 0x80:
            i += 1
            while i + 8 <= n:
                memcpy(&eight, text + i, 8)
                if eight & <uint64_t>0x8080808080808080:
                    break
                i += 8
            continue
        a = text[i]
        width = 2 if 0xC2 <= a < 0xE0 else 3 if a >= 0xE0 and a < 0xF0 else 4 if a >= 0xF0 and a < 0xF5 else 0
        if width == 0 or i + width > n:
            return i
        b = text[i + 1]
        if (
            b & 0xC0 != 0x80
            or (a == 0xE0 and b < 0xA0) or (a == 0xED and b > 0x9F)
            or (a == 0xF0 and b < 0x90) or (a == 0xF4 and b > 0x8F)
            or (width > 2 and text[i + 2] & 0xC0 != 0x80) or (width > 3 and text[i + 3] & 0xC0 != 0x80)
        ):
            return i
        i += width
    return -1


cdef inline Py_ssize_t put_utf8(uint8_t *out, uint32_t point) noexcept nogil:
    """Write a code point (a lone surrogate too) as one to four bytes; return how many."""
    if point < 0x80:
        out[0] = <uint8_t>point
        return 1
    if point < 0x800:
        out[0] = <uint8_t>(0xC0 | point >> 6)
        out[1] = <uint8_t>(0x80 | point & 0x3F)
        return 2
    if point < 0x10000:
        out[0] = <uint8_t>(0xE0 | point >> 12)
        out[1] = <uint8_t>(0x80 | point >> 6 & 0x3F)
        out[2] = <uint8_t>(0x80 | point & 0x3F)
        return 3
    out[0] = <uint8_t>(0xF0 | point >> 18)
    out[1] = <uint8_t>(0x80 | point >> 12 & 0x3F)
    out[2] = <uint8_t>(0x80 | point >> 6 & 0x3F)
    out[3] = <uint8_t>(0x80 | point & 0x3F)
    return 4


cdef inline const uint8_t *utf8_of(
    object text, Py_ssize_t *size, uint8_t **scratch, Py_ssize_t *room
) except NULL:
    """The UTF-8 of a str: its own bytes if it is ASCII, else written into `scratch`, which grows as needed."""
    cdef Py_ssize_t length = PyUnicode_GET_LENGTH(text), i, at = 0
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef uint8_t *bigger
    if PyUnicode_IS_ASCII(text):
        size[0] = length
        return <const uint8_t *>data
    if 4 * length > room[0]:
        bigger = <uint8_t *>realloc(scratch[0], 4 * length)
        if bigger == NULL:
            raise MemoryError
        scratch[0] = bigger
        room[0] = 4 * length
    for i in range(length):
        at += put_utf8(scratch[0] + at, PyUnicode_READ(kind, data, i))
    size[0] = at
    return scratch[0]
