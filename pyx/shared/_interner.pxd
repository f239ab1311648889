# Byte strings to dense ids in order of first occurrence: open addressing with linear probing. A slot keeps a short
# string's bytes, or a long one's hash, so that most look-ups touch one cache line; the bytes of all strings lie end
# to end in an arena.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from _signals cimport Pace, must_stop

cdef extern from "memory_hints.h":
    void FASTCORE_PREFETCH(const void *p) noexcept nogil
    void *fastcore_spread(size_t size) noexcept nogil


cdef struct Slot:
    uint64_t key
    uint32_t length  # one more than the string's, at most 2**32 - 1; 0 marks an empty slot
    uint32_t id


cdef struct Interner:
    Slot *slots
    Py_ssize_t mask  # number of slots, a power of two, minus one
    Py_ssize_t count  # distinct strings
    uint8_t *arena
    Py_ssize_t arena_room
    Py_ssize_t *ends  # string i lies in arena[ends[i]:ends[i + 1]]
    Py_ssize_t ends_room


cdef inline int interner_init(Interner *table) noexcept nogil:
    """Make an empty table; -1 if there is no memory (then free it still)."""
    table.mask = 4095
    table.count = 0
    table.arena_room = 65536
    table.ends_room = 2048
    table.slots = <Slot *>calloc(table.mask + 1, sizeof(Slot))
    table.arena = <uint8_t *>malloc(table.arena_room)
    table.ends = <Py_ssize_t *>malloc(table.ends_room * sizeof(Py_ssize_t))
    if table.slots == NULL or table.arena == NULL or table.ends == NULL:
        return -1
    table.ends[0] = 0
    return 0


cdef inline void interner_free(Interner *table) noexcept nogil:
    free(table.slots)
    free(table.arena)
    free(table.ends)
    table.slots = NULL
    table.arena = NULL
    table.ends = NULL


cdef inline uint64_t _mixed(uint64_t x) noexcept nogil:
    x = (x ^ (x >> 32)) * <uint64_t>0xd6e8feb86659fd93
    x = (x ^ (x >> 32)) * <uint64_t>0xd6e8feb86659fd93
    return x ^ (x >> 32)


cdef inline uint64_t interner_key(const uint8_t *text, Py_ssize_t length) noexcept nogil:
    """What is one to one with the bytes, up to eight of them; a hash of more."""
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
    return _mixed(key ^ word)


cdef inline uint32_t _stored(Py_ssize_t length) noexcept nogil:
    return <uint32_t>(length + 1 if length < <Py_ssize_t>0xfffffffe else <Py_ssize_t>0xffffffff)


cdef inline void interner_fetch(Interner *table, uint64_t key, Py_ssize_t length) noexcept nogil:
    """Let the slot where a look-up will begin arrive in the cache."""
    FASTCORE_PREFETCH(table.slots + (_mixed(key + _stored(length)) & table.mask))


cdef inline int _grow_slots(Interner *table, Pace *pace) except -1 nogil:
    cdef Py_ssize_t size = 2 * (table.mask + 1), i, at
    cdef Slot *bigger = <Slot *>fastcore_spread(size * sizeof(Slot))
    if bigger == NULL:
        raise MemoryError
    for i in range(0, size, 65536):
        memset(bigger + i, 0, min(size - i, <Py_ssize_t>65536) * sizeof(Slot))
        if must_stop(pace, 65536):
            free(bigger)
            return -1
    for i in range(table.mask + 1):
        if i & 4095 == 0 and must_stop(pace, 32768):
            free(bigger)
            return -1
        if table.slots[i].length:
            at = _mixed(table.slots[i].key + table.slots[i].length) & (size - 1)
            while bigger[at].length:
                at = (at + 1) & (size - 1)
            bigger[at] = table.slots[i]
    free(table.slots)
    table.slots = bigger
    table.mask = size - 1
    return 0


cdef inline int _append(Interner *table, const uint8_t *text, Py_ssize_t length) except -1 nogil:
    cdef Py_ssize_t used = table.ends[table.count], room
    cdef uint8_t *arena
    cdef Py_ssize_t *ends
    if used + length > table.arena_room:
        room = 2 * table.arena_room + length
        arena = <uint8_t *>realloc(table.arena, room)
        if arena == NULL:
            raise MemoryError
        table.arena = arena
        table.arena_room = room
    if table.count + 2 > table.ends_room:
        room = 2 * table.ends_room
        ends = <Py_ssize_t *>realloc(table.ends, room * sizeof(Py_ssize_t))
        if ends == NULL:
            raise MemoryError
        table.ends = ends
        table.ends_room = room
    if length:
        memcpy(table.arena + used, text, length)
    table.ends[table.count + 1] = used + length
    table.count += 1
    return 0


cdef inline Py_ssize_t interner_id(
    Interner *table, const uint8_t *text, Py_ssize_t length, Pace *pace
) except -1 nogil:
    """The id of a string, a new one if it wasn't there."""
    cdef uint64_t key = interner_key(text, length)
    cdef uint32_t stored = _stored(length)
    cdef Py_ssize_t at = _mixed(key + stored) & table.mask, start
    cdef Slot *slot
    while True:
        slot = table.slots + at
        if slot.length == 0:
            break
        if slot.key == key and slot.length == stored:
            if length <= 8:
                return slot.id
            start = table.ends[slot.id]
            if table.ends[slot.id + 1] - start == length and memcmp(table.arena + start, text, length) == 0:
                return slot.id
        at = (at + 1) & table.mask
    if table.count >= 0x7fffffff:
        raise MemoryError("no id is left for another token")
    _append(table, text, length)
    slot.key = key
    slot.length = stored
    slot.id = <uint32_t>(table.count - 1)
    if 2 * table.count > table.mask:
        # Without it the table would be as good, if a little fuller.
        _grow_slots(table, pace)
    return table.count - 1
