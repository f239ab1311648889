"""Kernel of discovery's symbols: texts made into int32 numbers of symbols, -1 wherever a character separates."""

import numpy as np

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from _interner cimport Interner, interner_id, interner_init
from _owned cimport Pool, free_all, roomy, spread
from _points cimport CODE_POINTS
from _signals cimport Pace, new_pace, spend
from _turns cimport enter, leave
from _types cimport unit

cdef extern from "Python.h":
    uint32_t PyUnicode_READ(int kind, const void *data, Py_ssize_t index) noexcept nogil

cdef enum:
    BLOCK = 4096  # characters between two words on what was spent
    # What an encoder knows of a code point instead of a number.
    SEPARATES = -1
    NEW = -2
    IN_RUN = -3


cdef class Encoder:
    """Symbols numbered in the order in which they are first seen: characters and, with `join`, runs.

    keep[code point] says whether a character is part of words; all others separate. A run is two or more ASCII
    letters and digits in a row, as many as there are.
    """

    # numbers[code point]: its number, SEPARATES, NEW or, where runs are joined, IN_RUN for a letter or digit, whose
    # own number is in `alone`.
    cdef int32_t *numbers
    cdef int32_t[128] alone
    # Of each symbol the code point, or minus one minus the run's place in `runs`; and the number of each run.
    cdef int32_t *codes
    cdef int32_t *run_numbers
    cdef int64_t size, n_runs
    cdef Py_ssize_t room, runs_room, scratch_room
    cdef uint8_t *scratch
    cdef Pool pool
    cdef Interner runs
    cdef Pace pace
    cdef long busy

    def __cinit__(self, const uint8_t[::1] keep, bint join):
        cdef int64_t k
        self.pace = new_pace()
        interner_init(&self.runs, &self.pool, &self.pace, 0x7FFFFFFF)
        self.numbers = <int32_t *>spread(&self.pool, CODE_POINTS, sizeof(int32_t))
        for k in range(CODE_POINTS):
            self.numbers[k] = NEW if k < keep.shape[0] and keep[k] else SEPARATES
        for k in range(128):
            self.alone[k] = NEW
            if join and self.numbers[k] == NEW and chr(k).isalnum():
                self.numbers[k] = IN_RUN

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int32_t meet(self, int32_t code) except -1 nogil:
        """Number a new symbol."""
        self.codes = <int32_t *>roomy(&self.pool, self.codes, &self.room, self.size + 1, sizeof(int32_t))
        self.codes[self.size] = code
        self.size += 1
        return <int32_t>(self.size - 1)

    cdef int32_t run(self, const unit *text, int64_t n) except -1 nogil:
        """The number of a run."""
        cdef int64_t i, id
        if n == 1:
            if self.alone[text[0]] == NEW:
                self.alone[text[0]] = self.meet(<int32_t>text[0])
            return self.alone[text[0]]
        self.scratch = <uint8_t *>roomy(&self.pool, self.scratch, &self.scratch_room, n, 1)
        for i in range(n):
            self.scratch[i] = <uint8_t>text[i]
        id = interner_id(&self.runs, self.scratch, n)
        # One at a time, unless Ctrl-C came while the table grew.
        while self.n_runs <= id:
            self.run_numbers = <int32_t *>roomy(
                &self.pool, self.run_numbers, &self.runs_room, self.n_runs + 1, sizeof(int32_t))
            self.run_numbers[self.n_runs] = self.meet(<int32_t>(-1 - self.n_runs))
            self.n_runs += 1
        return self.run_numbers[id]

    cdef int64_t write(self, const unit *text, int64_t n, int32_t *ids, int64_t m) except -1 nogil:
        """Number n characters; ids[m - 1] is what came before, if anything. Return where the numbers end."""
        cdef int64_t i = 0, start
        cdef int32_t number, before = ids[m - 1] if m else 0
        while i < n:
            number = self.numbers[text[i]]
            if number < SEPARATES:
                if number == NEW:
                    number = self.numbers[text[i]] = self.meet(<int32_t>text[i])
                else:
                    start = i
                    while i + 1 < n and text[i + 1] < 128 and self.numbers[text[i + 1]] == IN_RUN:
                        i += 1
                    number = self.run(text + start, i + 1 - start)
            ids[m] = number
            m += (number >= 0) | (before >= 0)
            before = number
            i += 1
        return m

    def encode(self, str text):
        """Return the text as numbers, one -1 for each run of characters that separate."""
        enter(&self.busy, self)
        try:
            return self._encode(text)
        finally:
            leave(&self.busy)

    cdef _encode(self, str text):
        cdef int64_t n = len(text), start = 0, end, m = 0
        cdef int kind = PyUnicode_KIND(text)
        cdef void *data = PyUnicode_DATA(text)
        result = np.empty(n + 1, np.int32)
        cdef int32_t[::1] numbers = result
        cdef int32_t *ids = &numbers[0]
        with nogil:
            while start < n:
                end = min(start + BLOCK, n)
                # A run isn't cut in two.
                while end < n and self.numbers[PyUnicode_READ(kind, data, end)] == IN_RUN:
                    end += 1
                    if end % BLOCK == 0:
                        spend(&self.pace, BLOCK)
                if kind == 1:
                    m = self.write(<const uint8_t *>data + start, end - start, ids, m)
                elif kind == 2:
                    m = self.write(<const uint16_t *>data + start, end - start, ids, m)
                else:
                    m = self.write(<const uint32_t *>data + start, end - start, ids, m)
                spend(&self.pace, end - start)
                start = end
        return result[:m].copy()

    def symbols(self):
        """Return the code points of all symbols, number after number, and where each one's begin and end in them."""
        enter(&self.busy, self)
        try:
            return self._symbols()
        finally:
            leave(&self.busy)

    cdef _symbols(self):
        cdef int64_t k, i, at = 0, run, start
        cdef int64_t total = self.size - self.n_runs + self.runs.ends[self.n_runs]
        result, bounds = np.empty(total, np.int32), np.zeros(self.size + 1, np.int64)
        cdef int32_t[::1] codes = result
        cdef int64_t[::1] offsets = bounds
        for k in range(self.size):
            spend(&self.pace, 4 + at - offsets[k - 1] if k else 4)
            if self.codes[k] >= 0:
                codes[at] = self.codes[k]
                at += 1
            else:
                run = -1 - <int64_t>self.codes[k]
                start = self.runs.ends[run]
                for i in range(start, self.runs.ends[run + 1]):
                    codes[at] = self.runs.arena[i]
                    at += 1
            offsets[k + 1] = at
        return result, bounds
