# Code points to dense ids 1, 2, ... in order of first occurrence; 0 for what lies outside the kept ranges and so
# separates. A code point's entry is found out when it is first met: pages that no text touches cost nothing.
from libc.stdint cimport int64_t, uint32_t

from _owned cimport Pool, zeros
from _types cimport unit

cdef enum:
    CODE_POINTS = 0x110000


cdef struct Points:
    uint32_t *known  # of a code point: 0 not met yet, else one more than its id
    uint32_t *points  # points[i]: what has id i + 1
    Py_ssize_t n
    const int64_t *ranges  # n_ranges half-open ranges, first and last + 1 of each, which must stay where they are
    Py_ssize_t n_ranges


cdef inline int points_init(Points *self, Pool *pool, const int64_t[:, ::1] ranges) except -1:
    self.known = <uint32_t *>zeros(pool, CODE_POINTS, sizeof(uint32_t))
    self.points = <uint32_t *>zeros(pool, CODE_POINTS, sizeof(uint32_t))
    self.n = 0
    self.n_ranges = ranges.shape[0]
    self.ranges = &ranges[0, 0] if self.n_ranges else NULL
    return 0


cdef inline uint32_t _met(Points *self, uint32_t point) noexcept nogil:
    # The entry of a new code point.
    cdef Py_ssize_t r
    self.known[point] = 1
    for r in range(self.n_ranges):
        if self.ranges[2 * r] <= point < self.ranges[2 * r + 1]:
            self.points[self.n] = point
            self.n += 1
            self.known[point] = <uint32_t>self.n + 1
            break
    return self.known[point]


cdef inline uint32_t point_id(Points *self, uint32_t point) noexcept nogil:
    # The id of a code point, 0 if it separates.
    cdef uint32_t known = self.known[point]
    if known == 0:
        known = _met(self, point)
    return known - 1


cdef inline Py_ssize_t points_write(
    Points *self, const unit *text, Py_ssize_t size, uint32_t *ids, uint32_t base, bint strict, uint32_t *last,
    uint32_t *surrogate
) noexcept nogil:
    # Write the ids of a piece of text, each less `base`, one for separators in a row; return how many. `last` is the id
    # before the piece (any but 0 if none), then that of its end. Where `strict`, a lone surrogate ends it and is told.
    cdef Py_ssize_t i, n = 0
    cdef uint32_t known, id, before = last[0]
    for i in range(size):
        known = self.known[text[i]]
        if known == 0:
            if strict and 0xD800 <= text[i] <= 0xDFFF:
                surrogate[0] = text[i]
                return n
            known = _met(self, text[i])
        id = known - 1
        ids[n] = id - base
        n += (id | before) != 0
        before = id
    last[0] = before
    return n
