# Byte strings to dense ids 0, 1, ... in order of first occurrence. A cell of the table keeps a short string's bytes, or
# a long one's hash, so that most look-ups touch one cache line; the bytes of all strings lie end to end in an arena.
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from _owned cimport Pool, roomy
from _signals cimport Pace, spend
from _table cimport FASTCORE_PREFETCH, Cell, Table, table_after, table_fetch, table_find, table_init, table_settle

cdef enum:
    BATCH = 32  # strings looked up together


cdef struct Interner:
    # A cell's mark: one more than the string's length (at most 2**32 - 1) in the upper half, its id in the lower.
    Table table
    Pool *pool
    Py_ssize_t count, most  # distinct strings, and how many there may be
    uint8_t *arena
    Py_ssize_t arena_room
    Py_ssize_t *ends  # string i lies in arena[ends[i]:ends[i + 1]]
    Py_ssize_t ends_room


cdef struct Batch:
    # Strings that wait to be looked up, while their cells arrive from memory. Their bytes must stay till then.
    const uint8_t *texts[BATCH]
    Py_ssize_t lengths[BATCH]
    uint64_t keys[BATCH]
    int n


cdef inline int interner_init(Interner *self, Pool *pool, Pace *pace, Py_ssize_t most) except -1 nogil:
    # An empty table for at most `most` strings (below 2**32), in the memory and at the pace of its owner.
    self.pool = pool
    self.most = most
    self.count = 0
    table_init(&self.table, pool, pace, 0, sizeof(Cell))
    self.ends = <Py_ssize_t *>roomy(pool, NULL, &self.ends_room, 1, sizeof(Py_ssize_t))
    self.arena = <uint8_t *>roomy(pool, NULL, &self.arena_room, 1, 1)
    self.ends[0] = 0
    return 0


cdef inline uint64_t interner_key(const uint8_t *text, Py_ssize_t length) noexcept nogil:
    # One to one with the bytes, given the length, if there are up to eight of them; a hash of more.
    cdef uint64_t word = 0, key = 0
    cdef uint32_t low = 0, high = 0
    if length <= 8:
        # Two overlapping loads where a byte-wise copy would need a call.
        if length >= 4:
            memcpy(&low, text, 4)
            memcpy(&high, text + length - 4, 4)
            return (<uint64_t>high << 32) | low
        if length > 0:
            return text[0] | <uint64_t>text[length >> 1] << (8 * (length >> 1)) | (
                <uint64_t>text[length - 1] << (8 * (length - 1)))
        return 0
    while length > 8:
        memcpy(&word, text, 8)
        key = (key ^ word) * <uint64_t>0x9e3779b97f4a7c15
        key ^= key >> 29
        text += 8
        length -= 8
    memcpy(&word, text + length - 8, 8)
    key = (key ^ word) * <uint64_t>0xd6e8feb86659fd93
    return key ^ (key >> 32)


cdef inline uint64_t _stored(Py_ssize_t length) noexcept nogil:
    return <uint64_t>(length + 1 if length < <Py_ssize_t>0xfffffffe else <Py_ssize_t>0xffffffff)


cdef inline bint _holds(const Interner *self, const Cell *cell, const uint8_t *text, Py_ssize_t length) noexcept nogil:
    # Whether a cell with the string's key is the string's.
    cdef Py_ssize_t id = <uint32_t>cell.mark, start
    if cell.mark >> 32 != _stored(length):
        return False
    if length <= 8:
        return True
    start = self.ends[id]
    return self.ends[id + 1] - start == length and memcmp(self.arena + start, text, length) == 0


cdef inline int _append(Interner *self, const uint8_t *text, Py_ssize_t length) except -1 nogil:
    cdef Py_ssize_t used = self.ends[self.count]
    self.arena = <uint8_t *>roomy(self.pool, self.arena, &self.arena_room, used + length, 1)
    self.ends = <Py_ssize_t *>roomy(
        self.pool, self.ends, &self.ends_room, self.count + 2, sizeof(Py_ssize_t))
    if length:
        memcpy(self.arena + used, text, length)
    self.ends[self.count + 1] = used + length
    self.count += 1
    return 0


cdef inline Py_ssize_t _id(Interner *self, const uint8_t *text, Py_ssize_t length, uint64_t key) except -1 nogil:
    # Whoever calls lets the table grow when that may let others run: their doings may take the string away.
    cdef Cell *cell = table_find(&self.table, key, sizeof(Cell))
    while cell.mark:
        if _holds(self, cell, text, length):
            return <uint32_t>cell.mark
        cell = table_after(&self.table, cell, key, sizeof(Cell))
    if self.count >= self.most:
        with gil:
            raise ValueError(f"texts must hold at most {self.most} distinct tokens")
    _append(self, text, length)
    cell.key = key
    cell.mark = _stored(length) << 32 | <uint64_t>(self.count - 1)
    self.table.size += 1
    return self.count - 1


cdef inline Py_ssize_t interner_id(Interner *self, const uint8_t *text, Py_ssize_t length) except -1 nogil:
    # The id of a string, a new one if it wasn't there.
    cdef Py_ssize_t id = _id(self, text, length, interner_key(text, length))
    table_settle(&self.table, sizeof(Cell))
    return id


cdef inline list interner_strings(const Interner *self):
    # All strings as str, in the order of their ids.
    cdef Py_ssize_t i, start
    cdef list strings = []
    for i in range(self.count):
        spend(self.table.pace, 100)
        start = self.ends[i]
        strings.append(PyUnicode_DecodeUTF8(
            <const char *>self.arena + start, self.ends[i + 1] - start, "surrogatepass"))
    return strings


cdef inline bint batch_add(Batch *batch, const Interner *table, const uint8_t *text, Py_ssize_t length) noexcept nogil:
    # Let one more string wait; whether the batch is full now.
    batch.texts[batch.n] = text
    batch.lengths[batch.n] = length
    batch.keys[batch.n] = interner_key(text, length)
    table_fetch(&table.table, batch.keys[batch.n], sizeof(Cell))
    batch.n += 1
    return batch.n == BATCH


cdef inline void batch_find(Batch *batch, const Interner *table, int32_t *ids) noexcept nogil:
    # The ids of all that wait, -1 for strings that aren't there, and an empty batch. Nothing changes in the table, so
    # that any number of threads may look up at a time.
    cdef int i, n = batch.n
    cdef Cell *cell
    batch.n = 0
    for i in range(n):
        cell = table_find(&table.table, batch.keys[i], sizeof(Cell))
        ids[i] = <int32_t><uint32_t>cell.mark if cell.mark else -1
        if ids[i] >= 0 and batch.lengths[i] > 8:
            FASTCORE_PREFETCH(&table.ends[ids[i]])
    for i in range(n):
        if ids[i] >= 0 and batch.lengths[i] > 8:
            FASTCORE_PREFETCH(table.arena + table.ends[ids[i]])
    for i in range(n):
        if ids[i] < 0:
            continue
        cell = table_find(&table.table, batch.keys[i], sizeof(Cell))
        while cell.mark and not _holds(table, cell, batch.texts[i], batch.lengths[i]):
            cell = table_after(&table.table, cell, batch.keys[i], sizeof(Cell))
        ids[i] = <int32_t><uint32_t>cell.mark if cell.mark else -1


cdef inline int batch_ids(Batch *batch, Interner *table, uint32_t *ids) except -1 nogil:
    # The ids of all that wait, and an empty batch.
    cdef int i, n = batch.n
    cdef Cell *cell
    batch.n = 0
    for i in range(n):
        if batch.lengths[i] > 8:
            cell = table_find(&table.table, batch.keys[i], sizeof(Cell))
            if cell.mark:
                FASTCORE_PREFETCH(&table.ends[<uint32_t>cell.mark])
    for i in range(n):
        ids[i] = <uint32_t>_id(table, batch.texts[i], batch.lengths[i], batch.keys[i])
    # Not before: whoever runs meanwhile may take away what waits.
    table_settle(&table.table, sizeof(Cell))
    spend(table.table.pace, 20 * n)
    return 0
