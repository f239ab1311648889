"""Kernels of skip-grams: tokens to ids, and the pairs within a window counted one first token at a time."""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH
from cython cimport final, view
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memmove

from _interner cimport BATCH, Batch, Interner, batch_add, batch_ids, interner_init, interner_strings
from _owned cimport Pool, free_all, let_go, resized, roomy, spread_zeros, zeros
from _signals cimport Pace, new_pace, spend
from _sorting cimport sort_few
from _turns cimport enter, leave
from _types cimport place, whole
from _utf8 cimport PyUnicode_IS_ASCII, Scratch, first_invalid_byte, space_at, utf8_moves, utf8_of

cdef extern from "memory_hints.h" nogil:
    void FASTCORE_PREFETCH(const void *p)

cdef extern from "bits.h" nogil:
    ctypedef struct SortedSet:
        pass
    int64_t sorted_set_words(int64_t n)
    void sorted_set_init(SortedSet *set, uint64_t *memory, int64_t n)
    void sorted_set_add(SortedSet *set, int64_t member)
    void sorted_set_take(SortedSet *set, int32_t *out)

cdef enum:
    BLOCK = 4096  # places between two words on what was spent
    PIECE = 65536  # bytes
    AHEAD = 32  # how many steps early memory is fetched
    SOON = 8  # the same, for what hangs on memory fetched before
    BEYOND = 3  # what is fetched of a window
    FEW = 24  # so many are sorted by insertion


def first_invalid(data: bytes):
    """Where the first byte that isn't UTF-8 stands, or -1."""
    cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef Py_ssize_t n = PyBytes_GET_SIZE(data), start = 0, size, found = -1
    cdef Pace pace = new_pace()
    with nogil:
        while start < n and found < 0:
            size = min(n - start, <Py_ssize_t>PIECE)
            found = first_invalid_byte(text + start, size)
            if found >= 0:
                start += found
                # A code point that the piece cuts in two is looked at again.
                if found > size - 4 and found > 0:
                    found = -1
            else:
                start += size
            spend(&pace, size)
    return start if found >= 0 else -1


@final
cdef class TokenStream:
    """Texts made into one stream of token ids, numbered by first occurrence."""

    cdef Pool pool
    cdef Interner table
    cdef int32_t *ids
    cdef Py_ssize_t length, room
    cdef int64_t *offsets
    cdef Py_ssize_t texts, texts_room
    cdef Scratch scratch
    cdef Batch batch
    cdef Pace pace
    cdef long busy

    def __cinit__(self):
        self.pace = new_pace()
        interner_init(&self.table, &self.pool, &self.pace, 0x7FFFFFFF)
        self.offsets = <int64_t *>roomy(&self.pool, NULL, &self.texts_room, 1, sizeof(int64_t))
        self.offsets[0] = 0

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int add(self, const uint8_t *text, Py_ssize_t length) except -1 nogil:
        """Append one token, whose bytes stay where they are until `look_up`."""
        if batch_add(&self.batch, &self.table, text, length):
            self.look_up()
        return 0

    cdef int look_up(self) except -1 nogil:
        """Give the waiting tokens their ids."""
        cdef int n = self.batch.n
        self.ids = <int32_t *>roomy(&self.pool, self.ids, &self.room, self.length + BATCH, sizeof(int32_t))
        batch_ids(&self.batch, &self.table, <uint32_t *>self.ids + self.length)
        self.length += n
        return 0

    cdef int close(self) except -1 nogil:
        """End the text if it has a token."""
        cdef Py_ssize_t length = self.length + self.batch.n
        if self.offsets[self.texts] == length:
            return 0
        self.offsets = <int64_t *>roomy(
            &self.pool, self.offsets, &self.texts_room, self.texts + 2, sizeof(int64_t))
        self.texts += 1
        self.offsets[self.texts] = length
        return 0

    cdef int split(self, const uint8_t *text, Py_ssize_t n, bint lines) except -1 nogil:
        """Append what stands between white space; line ends also end texts, if `lines`."""
        cdef Py_ssize_t start = 0, i = 0, width, looked = 0
        while i < n:
            if i - looked > BLOCK:
                spend(&self.pace, i - looked)
                looked = i
            width = space_at(text, i, n)
            if width == 0:
                i += 1
                continue
            if i > start:
                self.add(text + start, i - start)
            if lines and text[i] == 10:
                self.close()
            i += width
            start = i
        if n > start:
            self.add(text + start, n - start)
        self.look_up()
        return 0

    cdef int add_tokens(self, text, Py_ssize_t number) except -1:
        try:
            items = text if type(text) is list else list(text)
        except TypeError:
            raise TypeError(
                f"token_lists[{number}] must be a list of tokens or a str to split, got {type(text).__name__}"
            ) from None
        for token in <list>items:
            if not PyUnicode_Check(token):
                raise TypeError(f"token_lists[{number}] must hold str tokens, got {type(token).__name__}")
            if PyUnicode_IS_ASCII(token):
                self.add(<const uint8_t *>PyUnicode_DATA(token), PyUnicode_GET_LENGTH(token))
            else:
                self.add_str(token, False)
        self.look_up()
        return 0

    cdef int add_str(self, text, bint split) except -1:
        """Append a str: a token, or what stands between white space."""
        cdef Py_ssize_t size, length = PyUnicode_GET_LENGTH(text)
        cdef const uint8_t *utf8
        if utf8_moves(text, length, &self.scratch):
            self.look_up()
            self.scratch.used = 0
        utf8 = utf8_of(text, 0, length, &size, &self.scratch, &self.pool)
        if split:
            self.split(utf8, size, False)
        else:
            self.add(utf8, size)
        return 0

    def add_texts(self, texts, Py_ssize_t number):
        """Append texts: lists of tokens, or str that are split at white space; errors call the first texts[number]."""
        enter(&self.busy, self)
        try:
            self._add_texts(texts, number)
        finally:
            leave(&self.busy)

    cdef _add_texts(self, texts, Py_ssize_t number):
        try:
            for text in texts:
                if PyUnicode_Check(text):
                    self.add_str(text, True)
                else:
                    self.add_tokens(text, number)
                self.close()
                number += 1
        except BaseException:
            self.abandon()
            raise

    def add_bytes(self, data: bytes):
        """Append UTF-8 that doesn't end inside a token: each line a text, the last one still open."""
        enter(&self.busy, self)
        try:
            self._add_bytes(data)
        finally:
            leave(&self.busy)

    cdef _add_bytes(self, bytes data):
        cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        try:
            with nogil:
                self.split(text, size, True)
        except BaseException:
            self.abandon()
            raise

    cdef void abandon(self) noexcept:
        """Forget the tokens that wait, whose bytes nobody will keep, and the texts that hold them or aren't whole."""
        self.batch.n = 0
        while self.offsets[self.texts] > self.length:
            self.texts -= 1
        self.length = self.offsets[self.texts]

    def end_text(self):
        """End the text that add_bytes left open."""
        enter(&self.busy, self)
        try:
            self._end_text()
        finally:
            leave(&self.busy)

    cdef _end_text(self):
        self.close()

    def take(self):
        """Return the ids and offsets of the texts that are whole, and forget those texts; tokens keep their ids."""
        enter(&self.busy, self)
        try:
            return self._take()
        finally:
            leave(&self.busy)

    cdef _take(self):
        cdef Py_ssize_t n = self.offsets[self.texts]
        ids, offsets = self.copied(n)
        if self.length > n:
            memmove(self.ids, self.ids + n, (self.length - n) * sizeof(int32_t))
        self.length -= n
        self.texts = 0
        return ids, offsets

    cdef copied(self, Py_ssize_t n):
        """Copy the first ids, and the offsets."""
        ids = np.empty(n, dtype=np.int32)
        offsets = np.empty(self.texts + 1, dtype=np.int64)
        cdef int32_t[::1] to_ids = ids
        cdef int64_t[::1] to_offsets = offsets
        if n:
            memcpy(&to_ids[0], self.ids, n * sizeof(int32_t))
        memcpy(&to_offsets[0], self.offsets, (self.texts + 1) * sizeof(int64_t))
        return ids, offsets

    def finish(self):
        """Return the ids of all tokens, the texts' offsets in them, and the tokens in the order of their ids."""
        enter(&self.busy, self)
        try:
            return self._finish()
        finally:
            leave(&self.busy)

    cdef _finish(self):
        ids, offsets = self.copied(self.length)
        return ids, offsets, interner_strings(&self.table)


cdef struct Pairs:
    int32_t *seconds
    int64_t *counts
    Py_ssize_t length, room


cdef int reserve(Pairs *pairs, Pool *pool, Py_ssize_t more) except -1 nogil:
    """Make room for `more` pairs."""
    cdef Py_ssize_t room = pairs.room
    pairs.seconds = <int32_t *>roomy(pool, pairs.seconds, &room, pairs.length + more, sizeof(int32_t))
    if room > pairs.room:
        pairs.counts = <int64_t *>resized(pool, pairs.counts, room, sizeof(int64_t))
        pairs.room = room
    return 0


cdef inline Py_ssize_t row_of(int64_t id, int64_t low, Py_ssize_t n) noexcept nogil:
    """The row of an id, n for those that have none: other ranges' ids and separators."""
    cdef uint64_t row = <uint64_t>(id - low)
    return <Py_ssize_t>row if row < <uint64_t>n else n


cdef int separate(
    const whole[::1] ids, const int64_t[::1] offsets, int32_t[::1] stream, place *starts, int64_t low, Py_ssize_t n,
    Pace *pace
) except -1 nogil:
    """Copy the ids with a -1 after each text, so that a window sees where its text ends; count each row's places."""
    cdef Py_ssize_t text, i, at = 0, looked = 0
    cdef int64_t id
    for text in range(offsets.shape[0] - 1):
        for i in range(offsets[text], offsets[text + 1]):
            id = ids[i]
            stream[at] = <int32_t>id
            starts[row_of(id, low, n) + 1] += 1
            at += 1
            if at - looked > BLOCK:
                spend(pace, at - looked)
                looked = at
        stream[at] = -1
        at += 1
    # Fetching ahead looks a little beyond the end.
    for i in range(at, stream.shape[0]):
        stream[i] = -1
    return 0


cdef int group(
    const int32_t[::1] stream, const place *starts, place *next, place[::1] places, int64_t low, Py_ssize_t n,
    Pace *pace
) except -1 nogil:
    """List the places of each row, which begin at starts[row]; what has no row goes behind them all."""
    cdef Py_ssize_t i, row, ahead, block, length = stream.shape[0]
    memcpy(next, starts, (n + 1) * sizeof(place))
    block = 0
    while block < length:
        spend(pace, 8 * BLOCK)
        for i in range(block, min(block + BLOCK, length)):
            ahead = min(i + 2 * AHEAD, length - 1)
            FASTCORE_PREFETCH(next + row_of(stream[ahead], low, n))
            ahead = min(i + AHEAD, length - 1)
            FASTCORE_PREFETCH(&places[0] + next[row_of(stream[ahead], low, n)])
            row = row_of(stream[i], low, n)
            places[next[row]] = <place>i
            next[row] += 1
        block += BLOCK
    return 0


cdef int count_rows(
    const int32_t *stream, const place *places, const place *starts, Py_ssize_t n, Py_ssize_t n_ids,
    Py_ssize_t window, int64_t min_count, uint8_t *dense, int64_t *carry, SortedSet *members,
    Pairs *pairs, Pool *pool, int64_t *ends, Pace *pace
) except -1 nogil:
    """Count, for each of n rows, what stands up to `window` after its places.

    A count's low byte is in `dense`, which stays in cache; from 128 on what it has overflowed by is in `carry`.
    """
    cdef Py_ssize_t row, p, at, i, new, kept, most, total = starts[n], work = 0
    cdef int32_t second
    cdef int32_t *seconds
    cdef int64_t *counts
    cdef int64_t count
    cdef uint8_t seen
    # Untouched memory costs nothing: begin with what will do for most texts.
    reserve(pairs, pool, min(total * min(window, 8), 33554432))
    for row in range(n):
        most = starts[row + 1] - starts[row]
        # At most `window` new pairs a place, and n_ids in all; one slot more takes the branch-free write.
        reserve(pairs, pool, (most * window if most < n_ids // window + 1 else n_ids) + 1)
        seconds = pairs.seconds + pairs.length
        counts = pairs.counts + pairs.length
        new = 0
        for p in range(starts[row], starts[row + 1]):
            if p + AHEAD < total:
                FASTCORE_PREFETCH(stream + places[p + AHEAD] + 1)
                FASTCORE_PREFETCH(stream + places[p + AHEAD] + 4)
                at = places[p + SOON]
                # Where the text ends this asks for a place that nobody needs, which does no harm.
                FASTCORE_PREFETCH(dense + stream[at + 1])
                FASTCORE_PREFETCH(dense + stream[at + 2])
                FASTCORE_PREFETCH(dense + stream[at + 3])
            at = places[p]
            for i in range(at + 1, at + 1 + window):
                second = stream[i]
                if second < 0:
                    break
                seen = dense[second]
                seconds[new] = second
                new += seen == 0
                if seen == 255:
                    seen = 127
                    carry[second] += 128
                dense[second] = seen + 1
            work += window
            if work > BLOCK:
                spend(pace, 4 * work)
                work = 0
        if new <= FEW:
            sort_few(seconds, new)
        else:
            for i in range(new):
                sorted_set_add(members, seconds[i])
            sorted_set_take(members, seconds)
        spend(pace, 20 * new + 20)
        kept = 0
        for i in range(new):
            second = seconds[i]
            count = dense[second]
            dense[second] = 0
            if count >= 128:
                count += carry[second]
                carry[second] = 0
            seconds[kept] = second
            counts[kept] = count
            kept += count >= min_count
        pairs.length += kept
        ends[row + 1] = pairs.length
    return 0


cdef taken(Pool *pool, void *data, Py_ssize_t length, dtype):
    """Hand a block over to an array, which frees it."""
    cdef Py_ssize_t width = dtype.itemsize
    cdef view.array owner
    if length == 0:
        return np.empty(0, dtype)
    owner = view.array((length,), width, dtype.char.encode(), allocate_buffer=False)
    data = resized(pool, data, length, width)
    let_go(pool, data)
    owner.data = <char *>data
    owner.callback_free_data = free
    return np.asarray(owner)


cdef counted(
    const whole[::1] ids, const int64_t[::1] offsets, place[::1] places, Py_ssize_t n_ids, Py_ssize_t window,
    int64_t min_count, int64_t low, Py_ssize_t n
):
    cdef int32_t[::1] stream = np.empty(places.shape[0], dtype=np.int32)
    occurrences = np.empty(n, dtype=np.int64)
    ends = np.zeros(n + 1, dtype=np.int64)
    cdef int64_t[::1] to_occurrences = occurrences
    cdef int64_t[::1] to_ends = ends
    cdef Py_ssize_t row
    cdef SortedSet members
    cdef place *starts
    cdef place *next
    cdef uint8_t *dense
    cdef int64_t *carry
    cdef Pairs pairs = Pairs(NULL, NULL, 0, 0)
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Pace pace = new_pace()
    try:
        with nogil:
            starts = <place *>spread_zeros(&pool, n + 2, sizeof(place))
            next = <place *>spread_zeros(&pool, n + 2, sizeof(place))
            dense = <uint8_t *>spread_zeros(&pool, n_ids + 1, 1)
            carry = <int64_t *>spread_zeros(&pool, n_ids + 1, sizeof(int64_t))
            sorted_set_init(&members, <uint64_t *>zeros(&pool, sorted_set_words(n_ids), sizeof(uint64_t)), n_ids)
            separate(ids, offsets, stream, starts, low, n, &pace)
            for row in range(n):
                to_occurrences[row] = starts[row + 1]
                starts[row + 1] += starts[row]
            group(stream, starts, next, places, low, n, &pace)
            count_rows(&stream[0], &places[0], starts, n, n_ids, window, min_count, dense, carry, &members,
                       &pairs, &pool, &to_ends[0], &pace)
        seconds = taken(&pool, pairs.seconds, pairs.length, np.dtype(np.int32))
        counts = taken(&pool, pairs.counts, pairs.length, np.dtype(np.int64))
    finally:
        free_all(&pool)
    return occurrences, ends, seconds, counts


def count_pairs(
    const whole[::1] ids, const int64_t[::1] offsets, Py_ssize_t n_ids, Py_ssize_t window, int64_t min_count,
    Py_ssize_t low, Py_ssize_t high
):
    """Count pairs (i, j), 1 <= j - i <= window, of one text each, whose first id lies in [low, high).

    Returns how often each first occurs, the rows' offsets, the seconds, rising in each row, and their counts.
    """
    cdef Py_ssize_t length = ids.shape[0] + offsets.shape[0] + BEYOND
    cdef Py_ssize_t n = high - low
    if _place_bytes(length) == 4:
        return counted[whole, int32_t](
            ids, offsets, np.empty(length, dtype=np.int32), n_ids, window, min_count, low, n)
    return counted[whole, int64_t](ids, offsets, np.empty(length, dtype=np.int64), n_ids, window, min_count, low, n)


cpdef int _place_bytes(Py_ssize_t length):
    """How wide the places of a stream must be."""
    return 4 if length < 0x7fffffff else 8


def _count_wide_pairs(
    const whole[::1] ids, const int64_t[::1] offsets, Py_ssize_t n_ids, Py_ssize_t window, int64_t min_count,
    Py_ssize_t low, Py_ssize_t high
):
    """What `count_pairs` does with texts of more than 2**31 tokens, for tests with fewer."""
    cdef Py_ssize_t length = ids.shape[0] + offsets.shape[0] + BEYOND
    return counted[whole, int64_t](
        ids, offsets, np.empty(length, dtype=np.int64), n_ids, window, min_count, low, high - low)
