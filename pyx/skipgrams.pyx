"""Kernels of skip-grams: tokens to ids, and the pairs within a window counted one second token at a time."""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DecodeUTF8
from cython cimport view
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from _interner cimport (
    FASTCORE_PREFETCH, Interner, fastcore_spread, interner_fetch, interner_free, interner_id, interner_init,
    interner_key,
)
from _signals cimport poll
from _utf8 cimport first_invalid_byte, space_at, utf8_of

ctypedef fused number:
    int32_t
    int64_t

cdef enum:
    BLOCK = 1048576  # bytes or pairs between two looks for Ctrl-C: a few milliseconds
    AHEAD = 16  # how many steps early memory is fetched
    SOON = 6  # the same, for what hangs on memory fetched before
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

    cdef int add_tokens(self, text) except -1:
        cdef Py_ssize_t size, since = 0
        cdef const uint8_t *utf8
        try:
            items = text if type(text) is list else list(text)
        except TypeError:
            raise TypeError(f"each text must be a list of str, or a str, got {type(text).__name__}") from None
        for token in <list>items:
            if not PyUnicode_Check(token):
                raise TypeError(f"tokens must be str, got {type(token).__name__}")
            utf8 = utf8_of(token, &size, &self.scratch, &self.scratch_room)
            self.add(utf8, size)
            since += 1
            if utf8 == self.scratch or since & 65535 == 0:
                self.look_up()
            if since & 65535 == 0:
                poll()
        self.look_up()
        return 0

    def add_texts(self, texts):
        """Append texts: lists of tokens, or str that are split at white space."""
        cdef Py_ssize_t size
        cdef const uint8_t *utf8
        try:
            for text in texts:
                if PyUnicode_Check(text):
                    utf8 = utf8_of(text, &size, &self.scratch, &self.scratch_room)
                    self.split(utf8, size, False)
                else:
                    self.add_tokens(text)
                self.close()
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


cdef struct Pairs:
    int32_t *firsts
    void *counts
    Py_ssize_t length, room


cdef int reserve(Pairs *pairs, Py_ssize_t more, Py_ssize_t width) except -1 nogil:
    """Make room for `more` pairs, whose counts take `width` bytes."""
    cdef Py_ssize_t room
    cdef int32_t *firsts
    cdef void *counts
    if pairs.length + more <= pairs.room:
        return 0
    room = pairs.length + more + pairs.room
    firsts = <int32_t *>fastcore_spread(room * sizeof(int32_t))
    counts = fastcore_spread(room * width)
    if firsts == NULL or counts == NULL:
        free(firsts)
        free(counts)
        raise MemoryError
    if pairs.length:
        memcpy(firsts, pairs.firsts, pairs.length * sizeof(int32_t))
        memcpy(counts, pairs.counts, pairs.length * width)
    free(pairs.firsts)
    free(pairs.counts)
    pairs.firsts = firsts
    pairs.counts = counts
    pairs.room = room
    return 0


cdef int separate(const int32_t[::1] ids, const int64_t[::1] offsets, int32_t[::1] stream) except -1 nogil:
    """Copy the ids with a -1 after each text, so that a window sees where its text begins."""
    cdef Py_ssize_t text, i, at = 0, looked = 0
    for text in range(offsets.shape[0] - 1):
        for i in range(offsets[text], offsets[text + 1]):
            stream[at] = ids[i]
            at += 1
        stream[at] = -1
        at += 1
        if at - looked > BLOCK:
            looked = at
            poll()
    return 0


cdef int group(
    const int32_t[::1] stream, number *starts, number *next, number[::1] places, Py_ssize_t low, Py_ssize_t high
) except -1 nogil:
    """List where each id from low to high stands; the list of id low + i begins at starts[i]."""
    cdef Py_ssize_t i, n = stream.shape[0]
    cdef int32_t id
    for i in range(n):
        id = stream[i]
        if low <= id < high:
            starts[id - low + 1] += 1
    for i in range(high - low):
        starts[i + 1] += starts[i]
    memcpy(next, starts, (high - low) * sizeof(number))
    for i in range(n):
        if i + AHEAD < n:
            id = stream[i + AHEAD]
            if low <= id < high:
                FASTCORE_PREFETCH(&places[0] + next[id - low])
        id = stream[i]
        if low <= id < high:
            places[next[id - low]] = <number>i
            next[id - low] += 1
        if i & (BLOCK - 1) == 0:
            poll()
    return 0


cdef int count_columns(
    const int32_t *stream, const number *places, const number *starts, Py_ssize_t low, Py_ssize_t high,
    Py_ssize_t n_ids, Py_ssize_t window, int64_t min_count, uint8_t *dense, int64_t *carry, Pairs *pairs,
    int64_t *ends
) except -1 nogil:
    """Count, for each id from low to high, what stands up to `window` before its places."""
    cdef Py_ssize_t second, p, at, back, reach, new, kept, i, work = 0, most, total = starts[high - low]
    cdef int32_t first
    cdef number count
    cdef int32_t *firsts
    cdef number *counts
    cdef bint carried
    # Untouched memory costs nothing: begin with what will do for most texts.
    reserve(pairs, min(total * min(window, 8), 33554432), sizeof(number))
    for second in range(low, high):
        most = starts[second - low + 1] - starts[second - low]
        # At most `window` new pairs a place, and n_ids in all; one slot more takes the branch-free write.
        reserve(pairs, (most * window if most < n_ids // window + 1 else n_ids) + 1, sizeof(number))
        firsts = pairs.firsts + pairs.length
        counts = <number *>pairs.counts + pairs.length
        new = 0
        carried = False
        for p in range(starts[second - low], starts[second - low + 1]):
            if p + AHEAD < total:
                FASTCORE_PREFETCH(stream + places[p + AHEAD] - 4)
                at = places[p + SOON]
                if at > 3:
                    FASTCORE_PREFETCH(dense + stream[at - 1] + 1)
                    FASTCORE_PREFETCH(dense + stream[at - 2] + 1)
                    FASTCORE_PREFETCH(dense + stream[at - 3] + 1)
            at = places[p]
            reach = at if at < window else window
            for back in range(1, reach + 1):
                first = stream[at - back]
                if first < 0:
                    break
                firsts[new] = first
                new += dense[first] == 0
                if dense[first] == 255:
                    dense[first] = 1
                    carry[first] += 254
                    carried = True
                dense[first] += 1
            work += reach
            if work > BLOCK:
                work = 0
                poll()
        kept = 0
        for i in range(new):
            first = firsts[i]
            count = dense[first]
            dense[first] = 0
            if carried:
                count += <number>carry[first]
                carry[first] = 0
            firsts[kept] = first
            counts[kept] = count
            kept += count >= min_count
        pairs.length += kept
        ends[second - low + 1] = pairs.length
    return 0


cdef taken(void **data, Py_ssize_t length, str format, Py_ssize_t width):
    """Hand memory over to an array, which frees it."""
    cdef void *fitted
    cdef view.array owner
    if length == 0:
        return np.empty(0, dtype=format)
    fitted = realloc(data[0], length * width)
    owner = view.array((length,), width, format.encode(), allocate_buffer=False)
    owner.data = <char *>(fitted if fitted != NULL else data[0])
    owner.callback_free_data = free
    data[0] = NULL
    return np.asarray(owner)


cdef counted(
    const int32_t[::1] stream, number[::1] places, Py_ssize_t low, Py_ssize_t high, Py_ssize_t n_ids,
    Py_ssize_t window, int64_t min_count
):
    cdef _Memory starts = _Memory(high - low + 1, sizeof(number))
    cdef _Memory next = _Memory(high - low + 1, sizeof(number))
    # A count's low byte, so that all of them stay in cache, and the rest.
    cdef _Memory dense = _Memory(n_ids, 1)
    cdef _Memory carry = _Memory(n_ids, sizeof(int64_t))
    ends = np.zeros(high - low + 1, dtype=np.int64)
    cdef int64_t[::1] to_ends = ends
    cdef Pairs pairs
    cdef str format = "i" if number is int32_t else "q"
    pairs.firsts = NULL
    pairs.counts = NULL
    pairs.length = pairs.room = 0
    try:
        with nogil:
            group(stream, <number *>starts.data, <number *>next.data, places, low, high)
            count_columns(&stream[0], &places[0], <number *>starts.data, low, high, n_ids, window, min_count,
                          <uint8_t *>dense.data, <int64_t *>carry.data, &pairs, &to_ends[0])
        firsts = taken(<void **>&pairs.firsts, pairs.length, "i", sizeof(int32_t))
        counts = taken(&pairs.counts, pairs.length, format, sizeof(number))
    finally:
        free(pairs.firsts)
        free(pairs.counts)
    return firsts, counts, ends


def count_pairs(
    const int32_t[::1] ids, const int64_t[::1] offsets, Py_ssize_t n_ids, Py_ssize_t window, int64_t min_count,
    Py_ssize_t low, Py_ssize_t high
):
    """Count pairs (i, j), 1 <= j - i <= window, of one text each, whose second id lies in [low, high).

    Returns, column by column (second by second): the firsts, their counts, and the columns' offsets in them.
    """
    cdef Py_ssize_t length = ids.shape[0] + offsets.shape[0]
    stream = np.empty(length, dtype=np.int32)
    cdef int32_t[::1] to_stream = stream
    to_stream[length - 1] = -1
    with nogil:
        separate(ids, offsets, to_stream)
    # Neither a place nor a count can exceed the product: small ones touch half the memory.
    if length < 0x7fffffff // window:
        return counted[int32_t](stream, np.empty(length, dtype=np.int32), low, high, n_ids, window, min_count)
    return counted[int64_t](stream, np.empty(length, dtype=np.int64), low, high, n_ids, window, min_count)


cdef int scatter(
    const int32_t[::1] firsts, const number[::1] counts, const int64_t[::1] ends, number *next, number[:, ::1] pairs
) except -1 nogil:
    """Put (second, count) where the row's next pair goes: one place in memory each, rather than two."""
    cdef Py_ssize_t n = firsts.shape[0], second, i
    cdef number at
    for second in range(ends.shape[0] - 1):
        for i in range(ends[second], ends[second + 1]):
            if i + 2 * AHEAD < n:
                FASTCORE_PREFETCH(next + firsts[i + 2 * AHEAD])
                FASTCORE_PREFETCH(&pairs[0, 0] + 2 * next[firsts[i + AHEAD]])
            at = next[firsts[i]]
            next[firsts[i]] += 1
            pairs[at, 0] = <number>second
            pairs[at, 1] = counts[i]
            if i & (BLOCK - 1) == 0:
                poll()
    return 0


def to_rows(const int32_t[::1] firsts, const number[::1] counts, const int64_t[::1] ends, Py_ssize_t n_ids):
    """Turn columns of (first, count) into rows of (second, count), seconds rising: offsets, seconds, counts."""
    cdef Py_ssize_t n = firsts.shape[0], i, row
    row_offsets = np.zeros(n_ids + 1, dtype=np.int64)
    seconds = np.empty(n, dtype=np.int32)
    sums = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] offsets = row_offsets
    cdef int32_t[::1] to_seconds = seconds
    cdef int64_t[::1] to_sums = sums
    cdef number[:, ::1] pairs = np.empty((n, 2), dtype=np.int32 if number is int32_t else np.int64)
    cdef _Memory memory = _Memory(n_ids + 1, sizeof(number))
    cdef number *next = <number *>memory.data
    with nogil:
        for i in range(n):
            next[firsts[i] + 1] += 1
        for row in range(n_ids):
            next[row + 1] += next[row]
            offsets[row + 1] = next[row + 1]
        scatter(firsts, counts, ends, next, pairs)
        for i in range(n):
            to_seconds[i] = <int32_t>pairs[i, 0]
            to_sums[i] = pairs[i, 1]
    return row_offsets, seconds, sums
