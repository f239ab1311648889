# Keys of words in tables: up to three symbols packed, or a hash that has the top bit.
from libc.stdint cimport int32_t, uint64_t

cdef enum:
    PACKED = 1 << 21  # numbers of symbols below it fit three to a key, with one to spare


cdef inline uint64_t packed(int32_t symbol) noexcept nogil:
    # What stands for a symbol in a key: 0 is none.
    return <uint64_t>(symbol + 1)


cdef inline uint64_t as_hash(uint64_t key) noexcept nogil:
    return key | <uint64_t>1 << 63


cdef inline bint is_hash(uint64_t key) noexcept nogil:
    # Whether other words may have the key too.
    return key >> 63
