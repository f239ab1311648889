# UTF-8 as kernels read and write it, and white space as str.split() knows it.
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_READ
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _owned cimport Pool, roomy

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


cdef inline int read_utf8(const uint8_t *text, Py_ssize_t n, uint32_t *point) noexcept nogil:
    # Read the code point that begins n bytes (at least one). Returns its width; 0 if the bytes end within it; -1 if
    # they aren't UTF-8. No overlong forms, no surrogates, nothing past U+10FFFF: the second byte decides it all.
    cdef uint32_t lead = text[0], low, high
    if lead < 0x80:
        point[0] = lead
        return 1
    if lead < 0xC2 or lead > 0xF4:
        return -1
    low = 0xA0 if lead == 0xE0 else 0x90 if lead == 0xF0 else 0x80
    high = 0x9F if lead == 0xED else 0x8F if lead == 0xF4 else 0xBF
    if n < 2:
        return 0
    if text[1] < low or text[1] > high:
        return -1
    if lead < 0xE0:
        point[0] = (lead & 31) << 6 | (text[1] & 63)
        return 2
    if n < 3:
        return 0
    if text[2] & 0xC0 != 0x80:
        return -1
    if lead < 0xF0:
        point[0] = (lead & 15) << 12 | <uint32_t>(text[1] & 63) << 6 | (text[2] & 63)
        return 3
    if n < 4:
        return 0
    if text[3] & 0xC0 != 0x80:
        return -1
    point[0] = (lead & 7) << 18 | <uint32_t>(text[1] & 63) << 12 | <uint32_t>(text[2] & 63) << 6 | (text[3] & 63)
    return 4


cdef inline Py_ssize_t write_utf8(uint8_t *out, uint32_t point) noexcept nogil:
    # Write a code point (a lone surrogate too) as one to four bytes; return how many.
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


cdef inline bint is_space(uint32_t point) noexcept nogil:
    if point < 0x80:
        return fastcore_space[point]
    if point < 0x1680:
        return point == 0x85 or point == 0xA0
    return (
        0x2000 <= point <= 0x200A or point == 0x3000 or point == 0x1680 or point == 0x2028 or point == 0x2029
        or point == 0x202F or point == 0x205F
    )


cdef inline Py_ssize_t space_at(const uint8_t *text, Py_ssize_t i, Py_ssize_t n) noexcept nogil:
    # How many bytes of white space begin at text[i]: 0 to 3.
    cdef int kind = fastcore_space[text[i]], width
    cdef uint32_t point = 0
    if kind < 2:
        return kind
    width = read_utf8(text + i, n - i, &point)
    return width if width > 0 and is_space(point) else 0


cdef inline Py_ssize_t first_invalid_byte(const uint8_t *text, Py_ssize_t n) noexcept nogil:
    # Where the first sequence begins that isn't UTF-8, or -1.
    cdef Py_ssize_t i = 0
    cdef uint64_t eight
    cdef uint32_t point
    cdef int width
    while i < n:
        if text[i] < 0x80:
            i += 1
            while i + 8 <= n:
                memcpy(&eight, text + i, 8)
                if eight & <uint64_t>0x8080808080808080:
                    break
                i += 8
            continue
        width = read_utf8(text + i, n - i, &point)
        if width <= 0:
            return i
        i += width
    return -1


cdef struct Scratch:
    # Where str become UTF-8: text[used:room] is free. The last lone surrogate that was written, 0 if none was.
    uint8_t *text
    Py_ssize_t used, room
    uint32_t surrogate


cdef inline const uint8_t *utf8_of(
    object text, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t *size, Scratch *scratch, Pool *pool
) except NULL:
    # The UTF-8 of text[start:stop]: its own bytes if it is ASCII, else appended to the scratch, where it stays until
    # the scratch moves: see `utf8_moves`.
    cdef Py_ssize_t i, at
    cdef uint32_t point
    cdef int kind = PyUnicode_KIND(text)
    cdef const void *data = PyUnicode_DATA(text)
    if PyUnicode_IS_ASCII(text):
        size[0] = stop - start
        return <const uint8_t *>data + start
    scratch.text = <uint8_t *>roomy(pool, scratch.text, &scratch.room, scratch.used + 4 * (stop - start), 1)
    at = scratch.used
    for i in range(start, stop):
        point = PyUnicode_READ(kind, data, i)
        if 0xD800 <= point <= 0xDFFF:
            scratch.surrogate = point
        at += write_utf8(scratch.text + at, point)
    size[0] = at - scratch.used
    scratch.used = at
    return scratch.text + at - size[0]


cdef inline bint utf8_moves(object text, Py_ssize_t length, const Scratch *scratch) noexcept:
    # Whether `utf8_of` so many code points of a str would move what the scratch holds.
    return not PyUnicode_IS_ASCII(text) and scratch.used + 4 * length > scratch.room
