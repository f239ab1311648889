"""Kernels of the vectorizer: documents to symbols, n-grams of symbols to features, features to rows."""

import numpy as np

from cpython.unicode cimport (
    PyUnicode_DATA, PyUnicode_DecodeUTF8, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_READ,
    Py_UNICODE_ISALNUM, Py_UNICODE_ISSPACE,
)
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from _interner cimport FASTCORE_PREFETCH, Interner, fastcore_spread, interner_free, interner_id, interner_init
from _signals cimport Pace, must_stop, new_pace, spend
from _sorting cimport sort_few
from _utf8 cimport utf8_of

cdef enum:
    BLOCK = 4096  # n-grams between two words on what was spent
    AHEAD = 16  # how many steps early memory is fetched
    FEW = 40  # so many numbers are faster sorted by insertion

cdef uint64_t EMPTY = 0xffffffffffffffff


cdef struct Numbers:
    int64_t *data
    Py_ssize_t length, room


cdef int append(Numbers *numbers, int64_t value) except -1 nogil:
    cdef Py_ssize_t room
    cdef int64_t *data
    if numbers.length == numbers.room:
        room = 2 * numbers.room + 64
        data = <int64_t *>realloc(numbers.data, room * sizeof(int64_t))
        if data == NULL:
            raise MemoryError
        numbers.data = data
        numbers.room = room
    numbers.data[numbers.length] = value
    numbers.length += 1
    return 0


cdef numbers_array(Numbers *numbers):
    array = np.empty(numbers.length, dtype=np.int64)
    cdef int64_t[::1] to_array = array
    if numbers.length:
        memcpy(&to_array[0], numbers.data, numbers.length * sizeof(int64_t))
    return array


cdef class Symbols:
    """Documents made into symbols (code points or tokens), numbered by first occurrence.

    N-grams don't leave their piece: a document, or a word of it with a space on either side.
    """

    cdef Interner table
    cdef int32_t *point_ids  # one more than a code point's id
    cdef int32_t *ids
    cdef Py_ssize_t length, room
    cdef Numbers pieces, documents
    cdef list points
    cdef uint8_t *scratch
    cdef Py_ssize_t scratch_room, dropped
    cdef Pace pace

    def __cinit__(self):
        self.point_ids = <int32_t *>calloc(0x110000, sizeof(int32_t))
        if interner_init(&self.table) < 0 or self.point_ids == NULL:
            raise MemoryError
        self.points = []
        self.pace = new_pace()
        append(&self.pieces, 0)
        append(&self.documents, 0)

    def __dealloc__(self):
        interner_free(&self.table)
        free(self.point_ids)
        free(self.ids)
        free(self.pieces.data)
        free(self.documents.data)
        free(self.scratch)

    cdef int reserve(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t room
        cdef int32_t *ids
        if self.length + more > self.room:
            room = self.length + more + self.room // 2
            ids = <int32_t *>realloc(self.ids, room * sizeof(int32_t))
            if ids == NULL:
                raise MemoryError
            self.ids = ids
            self.room = room
        return 0

    cdef inline int add_point(self, Py_UCS4 point) except -1:
        """Append one code point, for which there is room."""
        spend(&self.pace, 4)
        if self.point_ids[point] == 0:
            self.points.append(chr(point))
            self.point_ids[point] = <int32_t>len(self.points)
        self.ids[self.length] = self.point_ids[point] - 1
        self.length += 1
        return 0

    cdef int add_token(self, const uint8_t *text, Py_ssize_t size) except -1:
        """Append one token, if it isn't one to drop."""
        cdef Py_ssize_t found = interner_id(&self.table, text, size, &self.pace)
        if found >= self.dropped:
            if self.length == self.room:
                self.reserve(1024)
            self.ids[self.length] = <int32_t>found
            self.length += 1
        return 0

    cdef int close(self) except -1:
        """End the piece."""
        append(&self.pieces, self.length)
        return 0

    cdef int end_document(self) except -1:
        append(&self.documents, self.pieces.length - 1)
        return 0

    def add_chars(self, text: str):
        """Append a document's code points; runs of white space become one space."""
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
        cdef Py_ssize_t size
        cdef const uint8_t *utf8
        for token in tokens:
            spend(&self.pace, 16)
            utf8 = utf8_of(token, &size, &self.scratch, &self.scratch_room)
            interner_id(&self.table, utf8, size, &self.pace)
        self.dropped = self.table.count

    def add_words(self, text: str):
        """Append a document's tokens: runs of two or more letters, digits and underscores."""
        cdef Py_ssize_t n = PyUnicode_GET_LENGTH(text), i, size, at = 0, begin = 0, width, points = 0
        cdef int kind = PyUnicode_KIND(text)
        cdef void *data = PyUnicode_DATA(text)
        cdef const uint8_t *utf8 = utf8_of(text, &size, &self.scratch, &self.scratch_room)
        cdef Py_UCS4 point
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
            if i % BLOCK == 0:
                spend(&self.pace, 4 * BLOCK)
        if points > 1:
            self.add_token(utf8 + begin, at - begin)
        self.close()
        self.end_document()

    def finish(self):
        """Return symbols, the pieces' offsets in them, the documents' offsets in pieces, and the alphabet."""
        cdef Py_ssize_t i, start
        cdef list alphabet = self.points
        symbols = np.empty(self.length, dtype=np.int32)
        cdef int32_t[::1] to_symbols = symbols
        if self.length:
            memcpy(&to_symbols[0], self.ids, self.length * sizeof(int32_t))
        if not alphabet:
            for i in range(self.table.count):
                spend(&self.pace, 100)
                start = self.table.ends[i]
                alphabet.append(PyUnicode_DecodeUTF8(
                    <const char *>self.table.arena + start, self.table.ends[i + 1] - start, "surrogatepass"))
        return symbols, numbers_array(&self.pieces), numbers_array(&self.documents), alphabet


cdef inline bint is_word(Py_UCS4 point) noexcept:
    if point < 0x80:
        return c'a' <= point <= c'z' or c'0' <= point <= c'9' or c'A' <= point <= c'Z' or point == c'_'
    return Py_UNICODE_ISALNUM(point)


cdef struct Slot:
    uint64_t key  # the node one symbol shorter, and the last symbol
    int64_t node


cdef class _Level:
    """The distinct n-grams of one length: nodes of a tree, whose parents are one symbol shorter."""

    cdef int32_t *at  # the node that begins at each place, -1 where none does
    cdef int32_t *parent
    cdef int32_t *symbol
    cdef int32_t *feature  # the id of a node that counts, else -1
    cdef int32_t *sorted  # the nodes in the order of their symbols
    cdef int32_t *place  # where each node stands in `sorted`
    cdef int64_t *children  # where the children of each place begin in the next level's `sorted`
    cdef Py_ssize_t count, room

    def __dealloc__(self):
        free(self.at)
        free(self.parent)
        free(self.symbol)
        free(self.feature)
        free(self.sorted)
        free(self.place)
        free(self.children)

    cdef int grow(self) except -1 nogil:
        cdef Py_ssize_t room = 2 * self.room + 1024
        cdef void *bigger
        if self.count >= 0x7ffffffe:
            raise MemoryError("no id is left for another n-gram")
        bigger = realloc(self.parent, room * sizeof(int32_t))
        if bigger != NULL:
            self.parent = <int32_t *>bigger
            bigger = realloc(self.symbol, room * sizeof(int32_t))
        if bigger == NULL:
            raise MemoryError
        self.symbol = <int32_t *>bigger
        self.room = room
        return 0


cdef int32_t *int32s(Py_ssize_t count) except NULL nogil:
    cdef int32_t *data = <int32_t *>fastcore_spread(count * sizeof(int32_t))
    if data == NULL:
        with gil:
            raise MemoryError
    return data


cdef Slot *slots(Py_ssize_t count) except NULL nogil:
    cdef Slot *data = <Slot *>fastcore_spread(count * sizeof(Slot))
    if data == NULL:
        with gil:
            raise MemoryError
    memset(data, 0xff, count * sizeof(Slot))
    return data


cdef inline Py_ssize_t home(uint64_t key, int shift) noexcept nogil:
    return (key ^ (key >> 29)) * <uint64_t>0x9e3779b97f4a7c15 >> shift


cdef int find_level(
    const int32_t *stream, Py_ssize_t places, Py_ssize_t n, _Level shorter, _Level level, Pace *pace
) except -1 nogil:
    """Number the n-grams of `n` symbols by first occurrence."""
    cdef Py_ssize_t i, at, mask = 4095, j
    cdef int shift = 64 - 12
    cdef uint64_t key
    cdef const int32_t *last = stream + n - 1
    cdef Slot *table = slots(mask + 1)
    cdef Slot *bigger
    try:
        for i in range(places):
            level.at[i] = -1
        spend(pace, places)
        for i in range(places - n + 1):
            if i + AHEAD < places - n + 1 and shorter.at[i + AHEAD] >= 0:
                key = <uint64_t>shorter.at[i + AHEAD] << 32 | <uint32_t>last[i + AHEAD]
                FASTCORE_PREFETCH(table + home(key, shift))
            if shorter.at[i] < 0 or last[i] < 0:
                continue
            key = <uint64_t>shorter.at[i] << 32 | <uint32_t>last[i]
            at = home(key, shift)
            while table[at].key != key:
                if table[at].key == EMPTY:
                    if level.count == level.room:
                        level.grow()
                    level.parent[level.count] = shorter.at[i]
                    level.symbol[level.count] = last[i]
                    table[at].key = key
                    table[at].node = level.count
                    level.count += 1
                    break
                at = (at + 1) & mask
            level.at[i] = <int32_t>table[at].node
            if 5 * level.count > 3 * mask:
                bigger = slots(2 * (mask + 1))
                mask = 2 * mask + 1
                shift -= 1
                for j in range((mask + 1) // 2):
                    if j % BLOCK == 0 and must_stop(pace, 8 * BLOCK):
                        free(bigger)
                        return -1
                    if table[j].key != EMPTY:
                        at = home(table[j].key, shift)
                        while bigger[at].key != EMPTY:
                            at = (at + 1) & mask
                        bigger[at] = table[j]
                free(table)
                table = bigger
            if i & (BLOCK - 1) == 0:
                spend(pace, 8 * BLOCK)
    finally:
        free(table)
    return 0


cdef int sort_level(
    _Level shorter, _Level level, Py_ssize_t n_symbols, const int32_t *ranks, Pace *pace
) except -1 nogil:
    """Put nodes in the order of their parents, then of their last symbols, by counting twice."""
    cdef Py_ssize_t i, at, node, size = max(n_symbols, shorter.count) + 2
    cdef int32_t *by_symbol = int32s(level.count + 1)
    cdef int64_t *next = <int64_t *>calloc(size, sizeof(int64_t))
    shorter.children = <int64_t *>calloc(shorter.count + 2, sizeof(int64_t))
    try:
        if next == NULL or shorter.children == NULL:
            raise MemoryError
        level.sorted = int32s(level.count + 1)
        level.place = int32s(level.count + 1)
        for node in range(level.count):
            next[ranks[level.symbol[node]] + 1] += 1
        for i in range(n_symbols):
            next[i + 1] += next[i]
        for node in range(level.count):
            i = ranks[level.symbol[node]]
            by_symbol[next[i]] = <int32_t>node
            next[i] += 1
            if node & (BLOCK - 1) == 0:
                spend(pace, 8 * BLOCK)
        for node in range(level.count):
            shorter.children[shorter.place[level.parent[node]] + 1] += 1
        for i in range(shorter.count):
            shorter.children[i + 1] += shorter.children[i]
        memcpy(next, shorter.children, (shorter.count + 1) * sizeof(int64_t))
        for i in range(level.count):
            node = by_symbol[i]
            at = shorter.place[level.parent[node]]
            level.sorted[next[at]] = <int32_t>node
            level.place[node] = <int32_t>next[at]
            next[at] += 1
            if i & (BLOCK - 1) == 0:
                spend(pace, 8 * BLOCK)
    finally:
        free(by_symbol)
        free(next)
    return 0


cdef struct Tree:
    # The levels' arrays, level by level from 1.
    int32_t **at
    int32_t **feature
    int32_t **sorted
    int64_t **children


cdef class _Found:
    """Instances of features as they are met, and each feature's first place."""

    cdef int32_t *instances  # not its own
    cdef Py_ssize_t count
    cdef Numbers starts, lengths
    cdef Pace pace

    def __dealloc__(self):
        free(self.starts.data)
        free(self.lengths.data)


cdef inline int emit(
    _Found found, int32_t *feature, const int32_t *at, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t piece, Py_ssize_t n
) except -1 nogil:
    """Append the features of `n` symbols that begin from begin to end."""
    cdef Py_ssize_t i
    cdef int32_t node
    for i in range(begin, end):
        spend(&found.pace, 2)
        if i + AHEAD < end:
            FASTCORE_PREFETCH(feature + at[i + AHEAD])
        node = at[i]
        if feature[node] < 0:
            feature[node] = <int32_t>found.starts.length
            append(&found.starts, i - piece)
            append(&found.lengths, n)
        found.instances[found.count] = feature[node]
        found.count += 1
    return 0


cdef int emit_all(
    Tree tree, const int64_t[::1] pieces, const int64_t[::1] documents, Py_ssize_t min_n, Py_ssize_t max_n, bint short,
    _Found found, int64_t[::1] bounds
) except -1 nogil:
    """Append the features of all documents, piece by piece, short ones first."""
    cdef Py_ssize_t document, piece, begin, size, n
    for document in range(documents.shape[0] - 1):
        for piece in range(documents[document], documents[document + 1]):
            # A separator stands after each piece.
            begin = pieces[piece] + piece
            size = pieces[piece + 1] - pieces[piece]
            if short and 0 < size < min_n:
                emit(found, tree.feature[size], tree.at[size], begin, begin + 1, piece, size)
            for n in range(min_n, min(max_n, size) + 1):
                emit(found, tree.feature[n], tree.at[n], begin, begin + size - n + 1, piece, n)
            spend(&found.pace, 8)
        bounds[document + 1] = found.count
    return 0


cdef int walk(Tree tree, Py_ssize_t levels, Py_ssize_t roots, int32_t[::1] order, Pace *pace) except -1 nogil:
    """List the features as a walk through the tree meets them, parents before children."""
    cdef Py_ssize_t n = 1, k = 0
    cdef int32_t feature
    cdef int64_t *next = <int64_t *>malloc((levels + 2) * sizeof(int64_t))
    cdef int64_t *end = <int64_t *>malloc((levels + 2) * sizeof(int64_t))
    try:
        if next == NULL or end == NULL:
            raise MemoryError
        next[1] = 0
        end[1] = roots
        while n > 0:
            if next[n] == end[n]:
                n -= 1
                continue
            feature = tree.feature[n][tree.sorted[n][next[n]]]
            if feature >= 0:
                order[k] = feature
                k += 1
            spend(pace, 8)
            next[n] += 1
            if n < levels:
                next[n + 1] = tree.children[n][next[n] - 1]
                end[n + 1] = tree.children[n][next[n]]
                n += 1
    finally:
        free(next)
        free(end)
    return 0


def find_ngrams(
    const int32_t[::1] symbols, const int64_t[::1] pieces, const int64_t[::1] documents, const int32_t[::1] ranks,
    Py_ssize_t min_n, Py_ssize_t max_n, bint short
):
    """Number the n-grams of min_n to max_n symbols inside pieces: first piece first, short before long, then by place.

    With `short`, a piece of fewer than min_n symbols counts once, whole. `ranks` order the symbols.

    Returns: the id of each instance, the documents' offsets in those, each id's first place in symbols and its
    length, and the ids in the order of their symbols' ranks.
    """
    cdef Py_ssize_t n_symbols = ranks.shape[0], places = symbols.shape[0] + pieces.shape[0], i, j, at = 0, n
    cdef Py_ssize_t longest = 0, room = 0, size
    cdef _Level level, shorter
    cdef list levels = [None]
    cdef Tree tree
    cdef _Found found = _Found()
    stream = np.empty(places, dtype=np.int32)
    bounds = np.zeros(documents.shape[0], dtype=np.int64)
    cdef int32_t[::1] to_stream = stream, to_order
    cdef int64_t[::1] to_bounds = bounds
    cdef Pace pace = new_pace()
    found.pace = new_pace()
    for i in range(pieces.shape[0] - 1):
        spend(&pace, pieces[i + 1] - pieces[i] + 8)
        for j in range(pieces[i], pieces[i + 1]):
            to_stream[at] = symbols[j]
            at += 1
        to_stream[at] = -1
        at += 1
        size = pieces[i + 1] - pieces[i]
        longest = max(longest, size)
        if short and 0 < size < min_n:
            room += 1
        for n in range(min_n, min(max_n, size) + 1):
            room += size - n + 1
    to_stream[at] = -1
    max_n = min(max_n, longest)

    shorter = _Level()
    shorter.at = int32s(places)
    memcpy(shorter.at, &to_stream[0], places * sizeof(int32_t))
    shorter.count = n_symbols
    shorter.sorted = int32s(n_symbols + 1)
    shorter.place = int32s(n_symbols + 1)
    for i in range(n_symbols):
        shorter.place[i] = ranks[i]
        shorter.sorted[ranks[i]] = <int32_t>i
    levels.append(shorter)
    for n in range(2, max_n + 1):
        level = _Level()
        level.at = int32s(places)
        with nogil:
            find_level(&to_stream[0], places, n, shorter, level, &pace)
        levels.append(level)
        shorter = level
    for level in levels[1:]:
        level.feature = int32s(level.count + 1)
        memset(level.feature, 0xff, (level.count + 1) * sizeof(int32_t))

    instances = np.empty(room, dtype=np.int32)
    cdef int32_t[::1] to_instances = instances
    found.instances = &to_instances[0] if room else NULL
    pointers = np.zeros((4, len(levels)), dtype=np.uint64)
    cdef uint64_t[:, ::1] to_pointers = pointers
    tree.at = <int32_t **>&to_pointers[0, 0]
    tree.feature = <int32_t **>&to_pointers[1, 0]
    tree.sorted = <int32_t **>&to_pointers[2, 0]
    tree.children = <int64_t **>&to_pointers[3, 0]
    for n in range(1, len(levels)):
        level = levels[n]
        tree.at[n] = level.at
        tree.feature[n] = level.feature
    with nogil:
        emit_all(tree, pieces, documents, min_n, max_n, short, found, to_bounds)
    shorter = None
    for level in levels[1:]:
        free(level.at)
        level.at = NULL
        if shorter is not None:
            with nogil:
                sort_level(shorter, level, n_symbols, &ranks[0], &pace)
        shorter = level
    for n in range(1, len(levels)):
        level = levels[n]
        tree.sorted[n] = level.sorted
        tree.children[n] = level.children
    order = np.empty(found.starts.length, dtype=np.int32)
    to_order = order
    n = len(levels) - 1
    with nogil:
        walk(tree, n, n_symbols, to_order, &pace)
    return instances, bounds, numbers_array(&found.starts), numbers_array(&found.lengths), order


cdef void sort_by_digits(int32_t *keys, int32_t *spare, Py_ssize_t n, int32_t most) noexcept nogil:
    """Sort numbers from 0 to `most`, eight bits at a time."""
    cdef Py_ssize_t counts[256]
    cdef Py_ssize_t i, total, here
    cdef int shift = 0
    cdef int32_t *to = spare
    cdef int32_t *source = keys
    while most >> shift > 0:
        memset(counts, 0, sizeof(counts))
        for i in range(n):
            counts[source[i] >> shift & 255] += 1
        total = 0
        for i in range(256):
            here = counts[i]
            counts[i] = total
            total += here
        for i in range(n):
            here = source[i] >> shift & 255
            to[counts[here]] = source[i]
            counts[here] += 1
        source, to = to, source
        shift += 8
        if shift > 24:
            break
    if source != keys:
        memcpy(keys, source, n * sizeof(int32_t))


cdef Py_ssize_t fill_rows(
    const int32_t[::1] keys, const int64_t[::1] bounds, int64_t[::1] offsets, int32_t[::1] columns, int64_t[::1] counts,
    int32_t *row, int32_t *spare
) except -1 nogil:
    cdef Py_ssize_t document, i, n, at = 0
    cdef int32_t most
    cdef Pace pace = new_pace()
    for document in range(bounds.shape[0] - 1):
        n = 0
        most = 0
        for i in range(bounds[document], bounds[document + 1]):
            row[n] = keys[i]
            n += keys[i] >= 0
            most = max(most, keys[i])
        if n > FEW:
            sort_by_digits(row, spare, n, most)
        else:
            sort_few(row, n)
        i = 0
        while i < n:
            columns[at] = row[i]
            counts[at] = 1
            i += 1
            while i < n and row[i] == columns[at]:
                counts[at] += 1
                i += 1
            at += 1
        offsets[document + 1] = at
        spend(&pace, 8 * (bounds[document + 1] - bounds[document] + 1))
    return at


def count_rows(const int32_t[::1] keys, const int64_t[::1] bounds):
    """Count each document's keys, leaving out negative ones: offsets, keys rising in each row, and their counts."""
    cdef Py_ssize_t n = keys.shape[0], longest = 0, i, used
    cdef int32_t *row
    cdef int32_t *spare
    offsets = np.zeros(bounds.shape[0], dtype=np.int64)
    columns = np.empty(n, dtype=np.int32)
    counts = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] to_offsets = offsets
    cdef int32_t[::1] to_columns = columns
    cdef int64_t[::1] to_counts = counts
    for i in range(bounds.shape[0] - 1):
        longest = max(longest, bounds[i + 1] - bounds[i])
    row = <int32_t *>malloc((longest + 1) * sizeof(int32_t))
    spare = <int32_t *>malloc((longest + 1) * sizeof(int32_t))
    try:
        if row == NULL or spare == NULL:
            raise MemoryError
        with nogil:
            used = fill_rows(keys, bounds, to_offsets, to_columns, to_counts, row, spare)
    finally:
        free(row)
        free(spare)
    to_columns = None
    to_counts = None
    columns.resize(used, refcheck=False)
    counts.resize(used, refcheck=False)
    return offsets, columns, counts


cdef inline void fetch(
    const int32_t[::1] symbols, const int64_t[::1] starts, Py_ssize_t i, Py_ssize_t n
) noexcept nogil:
    """Let the symbols of an n-gram arrive that is soon to be read."""
    if i + AHEAD < n:
        FASTCORE_PREFETCH(&symbols[0] + starts[i + AHEAD])


def spell(
    const int32_t[::1] symbols, const int64_t[::1] starts, const int64_t[::1] lengths, const uint32_t[::1] letters,
    const int64_t[::1] ends, bint joined
):
    """Write n-grams as code points: symbol s is letters[ends[s]:ends[s + 1]]; spaces between symbols, if `joined`.

    Returns the code points of all and the n-grams' offsets in them.
    """
    cdef Py_ssize_t n = starts.shape[0], i, j, k, at = 0
    cdef int32_t symbol
    offsets = np.zeros(n + 1, dtype=np.int64)
    cdef int64_t[::1] to_offsets = offsets
    cdef uint32_t[::1] to_points
    # The sizes first: they are the lengths, if every symbol is one code point.
    cdef bint single = not joined
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(ends.shape[0] - 1):
            single = single and ends[i + 1] - ends[i] == 1
        for i in range(n):
            if single:
                at += lengths[i]
            else:
                fetch(symbols, starts, i, n)
                for j in range(starts[i], starts[i] + lengths[i]):
                    at += ends[symbols[j] + 1] - ends[symbols[j]]
                at += lengths[i] - 1 if joined else 0
            to_offsets[i + 1] = at
            spend(&pace, lengths[i] + 8)
    points = np.empty(at, dtype=np.uint32)
    to_points = points
    at = 0
    with nogil:
        for i in range(n):
            fetch(symbols, starts, i, n)
            for j in range(lengths[i]):
                if joined and j:
                    to_points[at] = c' '
                    at += 1
                symbol = symbols[starts[i] + j]
                for k in range(ends[symbol], ends[symbol + 1]):
                    to_points[at] = letters[k]
                    at += 1
            spend(&pace, 2 * lengths[i] + 8)
    return points, offsets


cdef inline int compare(
    const uint32_t[::1] a, Py_ssize_t a_at, Py_ssize_t a_end, const uint32_t[::1] b, Py_ssize_t b_at, Py_ssize_t b_end
) noexcept nogil:
    """Negative, 0 or positive as one string stands before, at or after another."""
    while a_at < a_end and b_at < b_end:
        if a[a_at] != b[b_at]:
            return -1 if a[a_at] < b[b_at] else 1
        a_at += 1
        b_at += 1
    return (a_at < a_end) - (b_at < b_end)


def match(
    const uint32_t[::1] points, const int64_t[::1] offsets, const uint32_t[::1] other_points,
    const int64_t[::1] other_offsets
):
    """Find strings among others, -1 for none; both are sorted by code points and without duplicates."""
    cdef Py_ssize_t n = offsets.shape[0] - 1, others = other_offsets.shape[0] - 1, i, low = 0, high, step, middle
    cdef int sign
    found = np.full(n, -1, dtype=np.int32)
    cdef int32_t[::1] to_found = found
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(n):
            # The first other that isn't before this string lies in [low, high], found by doubling and halving.
            step = 1
            high = low
            while high < others and compare(
                other_points, other_offsets[high], other_offsets[high + 1], points, offsets[i], offsets[i + 1]
            ) < 0:
                low = high + 1
                high = min(high + step, others)
                step *= 2
            while low < high:
                middle = (low + high) // 2
                sign = compare(
                    other_points, other_offsets[middle], other_offsets[middle + 1], points, offsets[i], offsets[i + 1])
                if sign < 0:
                    low = middle + 1
                else:
                    high = middle
            if low == others:
                break
            sign = compare(other_points, other_offsets[low], other_offsets[low + 1], points, offsets[i], offsets[i + 1])
            if sign == 0:
                to_found[i] = <int32_t>low
            spend(&pace, 20)
    return found
