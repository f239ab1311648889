"""Kernels of skip-grams: tokens to ids, and the pairs within a window counted one first token at a time."""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DecodeUTF8
from cython cimport view
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from _interner cimport (
    FASTCORE_PREFETCH, Interner, fastcore_spread, interner_fetch, interner_free, interner_id, interner_init,
    interner_key,
)
from _signals cimport poll
from _sorting cimport sort_few
from _utf8 cimport first_invalid_byte, space_at, utf8_of

cdef extern from "bits.h" nogil:
    ctypedef struct SortedSet:
        pass
    int sorted_set_init(SortedSet *set, int64_t n)
    void sorted_set_free(SortedSet *set)
    void sorted_set_add(SortedSet *set, int64_t member)
    void sorted_set_take(SortedSet *set, int32_t *out)

ctypedef fused number:
    int32_t
    int64_t

ctypedef fused place:
    int32_t
    int64_t

cdef enum:
    BLOCK = 1048576  # bytes or pairs between two looks for Ctrl-C: a few milliseconds
    AHEAD = 32  # how many steps early memory is fetched
    SOON = 8  # the same, for what hangs on memory fetched before
    BEYOND = 3  # what is fetched of a window
    FEW = 24  # so many are sorted by insertion
    BATCH = 32  # tokens looked up together


def first_invalid(data: bytes):
    """Where the first byte that isn't UTF-8 stands, or -1."""
    cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef Py_ssize_t n = PyBytes_GET_SIZE(data), found
    with nogil:
        found = first_invalid_byte(text, n)
    return found


cdef class TokenStream:
    """Texts made into one stream of token ids, numbered by first occurrence."""

    cdef Interner table
    cdef int32_t *ids
    cdef Py_ssize_t length, room
    cdef int64_t *offsets
    cdef Py_ssize_t texts, texts_room
    cdef uint8_t *scratch
    cdef Py_ssize_t scratch_room
    # Tokens found but not yet looked up, so that their slots arrive from memory meanwhile.
    cdef const uint8_t *waiting[BATCH]
    cdef Py_ssize_t sizes[BATCH]
    cdef int n_waiting

    def __cinit__(self):
        self.room = 65536
        self.texts_room = 4096
        self.ids = <int32_t *>malloc(self.room * sizeof(int32_t))
        self.offsets = <int64_t *>malloc(self.texts_room * sizeof(int64_t))
        if interner_init(&self.table) < 0 or self.ids == NULL or self.offsets == NULL:
            raise MemoryError
        self.offsets[0] = 0

    def __dealloc__(self):
        interner_free(&self.table)
        free(self.ids)
        free(self.offsets)
        free(self.scratch)

    cdef int add(self, const uint8_t *text, Py_ssize_t length) except -1 nogil:
        """Append one token, whose bytes stay where they are until `look_up`."""
        self.waiting[self.n_waiting] = text
        self.sizes[self.n_waiting] = length
        self.n_waiting += 1
        interner_fetch(&self.table, interner_key(text, length), length)
        if self.n_waiting == BATCH:
            self.look_up()
        return 0

    cdef int look_up(self) except -1 nogil:
        """Give the waiting tokens their ids."""
        cdef Py_ssize_t room, found, i
        cdef int32_t *ids
        if self.length + BATCH > self.room:
            room = self.room + self.room // 2
            ids = <int32_t *>realloc(self.ids, room * sizeof(int32_t))
            if ids == NULL:
                raise MemoryError
            self.ids = ids
            self.room = room
        for i in range(self.n_waiting):
            found = interner_id(&self.table, self.waiting[i], self.sizes[i])
            if found < 0:
                raise MemoryError("no memory, or no id, is left for another token")
            self.ids[self.length + i] = <int32_t>found
        self.length += self.n_waiting
        self.n_waiting = 0
        return 0

    cdef int close(self) except -1 nogil:
        """End the text if it has a token."""
        cdef Py_ssize_t room, length = self.length + self.n_waiting
        cdef int64_t *offsets
        if self.offsets[self.texts] == length:
            return 0
        if self.texts + 2 > self.texts_room:
            room = self.texts_room + self.texts_room // 2
            offsets = <int64_t *>realloc(self.offsets, room * sizeof(int64_t))
            if offsets == NULL:
                raise MemoryError
            self.offsets = offsets
            self.texts_room = room
        self.texts += 1
        self.offsets[self.texts] = length
        return 0

    cdef int split(self, const uint8_t *text, Py_ssize_t n, bint lines) except -1 nogil:
        """Append what stands between white space; line ends also end texts, if `lines`."""
        cdef Py_ssize_t start = 0, i = 0, width, looked = 0
        while i < n:
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
            if i - looked > BLOCK:
                looked = i
                poll()
        if n > start:
            self.add(text + start, n - start)
        self.look_up()
        return 0

    cdef int add_tokens(self, text, Py_ssize_t number) except -1:
        cdef Py_ssize_t size, since = 0
        cdef const uint8_t *utf8
        try:
            items = text if type(text) is list else list(text)
        except TypeError:
            raise TypeError(
                f"token_lists[{number}] must be a list of tokens or a str to split, got {type(text).__name__}"
            ) from None
        for token in <list>items:
            if not PyUnicode_Check(token):
                raise TypeError(f"token_lists[{number}] must hold str tokens, got {type(token).__name__}")
            utf8 = utf8_of(token, &size, &self.scratch, &self.scratch_room)
            self.add(utf8, size)
            since += 1
            if utf8 == self.scratch or since & 65535 == 0:
                self.look_up()
            if since & 65535 == 0:
                poll()
        self.look_up()
        return 0

    def add_texts(self, texts, Py_ssize_t number):
        """Append texts: lists of tokens, or str that are split at white space; errors call the first texts[number]."""
        cdef Py_ssize_t size
        cdef const uint8_t *utf8
        try:
            for text in texts:
                if PyUnicode_Check(text):
                    utf8 = utf8_of(text, &size, &self.scratch, &self.scratch_room)
                    self.split(utf8, size, False)
                else:
                    self.add_tokens(text, number)
                self.close()
                number += 1
        except BaseException:
            self.n_waiting = 0
            raise

    def add_bytes(self, data: bytes):
        """Append UTF-8 that doesn't end inside a token: each line a text, the last one still open."""
        cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        with nogil:
            self.split(text, size, True)

    def end_text(self):
        """End the text that add_bytes left open."""
        self.close()

    def finish(self):
        """Return the ids of all tokens, the texts' offsets in them, and the tokens in the order of their ids."""
        ids = np.empty(self.length, dtype=np.int32)
        offsets = np.empty(self.texts + 1, dtype=np.int64)
        cdef int32_t[::1] to_ids = ids
        cdef int64_t[::1] to_offsets = offsets
        cdef Py_ssize_t i, start
        cdef list vocabulary = []
        if self.length:
            memcpy(&to_ids[0], self.ids, self.length * sizeof(int32_t))
        memcpy(&to_offsets[0], self.offsets, (self.texts + 1) * sizeof(int64_t))
        for i in range(self.table.count):
            start = self.table.ends[i]
            vocabulary.append(PyUnicode_DecodeUTF8(
                <const char *>self.table.arena + start, self.table.ends[i + 1] - start, "surrogatepass"))
        return ids, offsets, vocabulary


cdef class _Memory:
    """Zeroed memory that is freed whatever happens."""

    cdef void *data

    def __cinit__(self, Py_ssize_t count, Py_ssize_t width):
        self.data = fastcore_spread((count + 1) * width)
        if self.data == NULL:
            raise MemoryError
        memset(self.data, 0, (count + 1) * width)

    def __dealloc__(self):
        free(self.data)


cdef class _Members:
    """A sorted set that is freed whatever happens."""

    cdef SortedSet set

    def __cinit__(self, Py_ssize_t n):
        if sorted_set_init(&self.set, n) < 0:
            raise MemoryError

    def __dealloc__(self):
        sorted_set_free(&self.set)


cdef struct Pairs:
    int32_t *seconds
    int64_t *counts
    Py_ssize_t length, room


cdef int reserve(Pairs *pairs, Py_ssize_t more) except -1 nogil:
    """Make room for `more` pairs."""
    cdef Py_ssize_t room
    cdef int32_t *seconds
    cdef int64_t *counts
    if pairs.length + more <= pairs.room:
        return 0
    room = pairs.length + more + pairs.room
    seconds = <int32_t *>fastcore_spread(room * sizeof(int32_t))
    counts = <int64_t *>fastcore_spread(room * sizeof(int64_t))
    if seconds == NULL or counts == NULL:
        free(seconds)
        free(counts)
        raise MemoryError
    if pairs.length:
        memcpy(seconds, pairs.seconds, pairs.length * sizeof(int32_t))
        memcpy(counts, pairs.counts, pairs.length * sizeof(int64_t))
    free(pairs.seconds)
    free(pairs.counts)
    pairs.seconds = seconds
    pairs.counts = counts
    pairs.room = room
    return 0


cdef inline Py_ssize_t row_of(int64_t id, int64_t low, Py_ssize_t n) noexcept nogil:
    """The row of an id, n for those that have none: other ranges' ids and separators."""
    cdef uint64_t row = <uint64_t>(id - low)
    return <Py_ssize_t>row if row < <uint64_t>n else n


cdef int separate(
    const number[::1] ids, const int64_t[::1] offsets, int32_t[::1] stream, place *starts, int64_t low, Py_ssize_t n
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
        stream[at] = -1
        at += 1
        if at - looked > BLOCK:
            looked = at
            poll()
    # Fetching ahead looks a little beyond the end.
    for i in range(at, stream.shape[0]):
        stream[i] = -1
    return 0


cdef int group(
    const int32_t[::1] stream, const place *starts, place *next, place[::1] places, int64_t low, Py_ssize_t n
) except -1 nogil:
    """List the places of each row, which begin at starts[row]; what has no row goes behind them all."""
    cdef Py_ssize_t i, row, ahead, block, length = stream.shape[0]
    memcpy(next, starts, (n + 1) * sizeof(place))
    block = 0
    while block < length:
        poll()
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
    Pairs *pairs, int64_t *ends
) except -1 nogil:
    """Count, for each of n rows, what stands up to `window` after its places.

    A count's low byte is in `dense`, which stays in cache; from 128 on what it has overflowed by is in `carry`.
    """
    cdef Py_ssize_t row, p, at, i, new, kept, work = 0, most, total = starts[n]
    cdef int32_t second
    cdef int32_t *seconds
    cdef int64_t *counts
    cdef int64_t count
    cdef uint8_t seen
    # Untouched memory costs nothing: begin with what will do for most texts.
    reserve(pairs, min(total * min(window, 8), 33554432))
    for row in range(n):
        most = starts[row + 1] - starts[row]
        # At most `window` new pairs a place, and n_ids in all; one slot more takes the branch-free write.
        reserve(pairs, (most * window if most < n_ids // window + 1 else n_ids) + 1)
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
                work = 0
                poll()
        if new <= FEW:
            sort_few(seconds, new)
        else:
            for i in range(new):
                sorted_set_add(members, seconds[i])
            sorted_set_take(members, seconds)
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


cdef taken(void **data, Py_ssize_t length, dtype):
    """Hand memory over to an array, which frees it."""
    cdef Py_ssize_t width = dtype.itemsize
    cdef void *fitted
    cdef view.array owner
    if length == 0:
        return np.empty(0, dtype)
    fitted = realloc(data[0], length * width)
    if fitted != NULL:
        data[0] = fitted
    owner = view.array((length,), width, dtype.char.encode(), allocate_buffer=False)
    owner.data = <char *>data[0]
    owner.callback_free_data = free
    data[0] = NULL
    return np.asarray(owner)


cdef counted(
    const number[::1] ids, const int64_t[::1] offsets, place[::1] places, Py_ssize_t n_ids, Py_ssize_t window,
    int64_t min_count, int64_t low, Py_ssize_t n
):
    cdef int32_t[::1] stream = np.empty(places.shape[0], dtype=np.int32)
    cdef _Memory starts_memory = _Memory(n + 1, sizeof(place))
    cdef _Memory next = _Memory(n + 1, sizeof(place))
    cdef _Memory dense = _Memory(n_ids, 1)
    cdef _Memory carry = _Memory(n_ids, sizeof(int64_t))
    cdef _Members members = _Members(n_ids)
    cdef place *starts = <place *>starts_memory.data
    occurrences = np.empty(n, dtype=np.int64)
    ends = np.zeros(n + 1, dtype=np.int64)
    cdef int64_t[::1] to_occurrences = occurrences
    cdef int64_t[::1] to_ends = ends
    cdef Py_ssize_t row
    cdef Pairs pairs
    pairs.seconds = NULL
    pairs.counts = NULL
    pairs.length = pairs.room = 0
    try:
        with nogil:
            separate(ids, offsets, stream, starts, low, n)
            for row in range(n):
                to_occurrences[row] = starts[row + 1]
                starts[row + 1] += starts[row]
            group(stream, starts, <place *>next.data, places, low, n)
            count_rows(&stream[0], &places[0], starts, n, n_ids, window, min_count, <uint8_t *>dense.data,
                       <int64_t *>carry.data, &members.set, &pairs, &to_ends[0])
        seconds = taken(<void **>&pairs.seconds, pairs.length, np.dtype(np.int32))
        counts = taken(<void **>&pairs.counts, pairs.length, np.dtype(np.int64))
    finally:
        free(pairs.seconds)
        free(pairs.counts)
    return occurrences, ends, seconds, counts


def count_pairs(
    const number[::1] ids, const int64_t[::1] offsets, Py_ssize_t n_ids, Py_ssize_t window, int64_t min_count,
    Py_ssize_t low, Py_ssize_t high
):
    """Count pairs (i, j), 1 <= j - i <= window, of one text each, whose first id lies in [low, high).

    Returns how often each first occurs, the rows' offsets, the seconds, rising in each row, and their counts.
    """
    cdef Py_ssize_t length = ids.shape[0] + offsets.shape[0] + BEYOND
    cdef Py_ssize_t n = high - low
    if length < 0x7fffffff:
        return counted[number, int32_t](
            ids, offsets, np.empty(length, dtype=np.int32), n_ids, window, min_count, low, n)
    return counted[number, int64_t](ids, offsets, np.empty(length, dtype=np.int64), n_ids, window, min_count, low, n)
