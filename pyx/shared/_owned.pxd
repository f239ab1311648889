# Memory that is freed with its owner: a Pool stands in an object, or in a function, and frees whatever it gave in one
# call, so that no array is forgotten and none is freed by hand. A Pool begins as zeros; it isn't thread-safe.
from libc.stdint cimport SIZE_MAX
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

cdef extern from "memory_hints.h":
    void *fastcore_spread(size_t size) noexcept nogil
    void fastcore_large_pages(void *memory, size_t size) noexcept nogil


cdef struct Pool:
    void **blocks
    Py_ssize_t n, room


cdef inline int no_memory() except -1 nogil:
    with gil:
        raise MemoryError


cdef inline void *_kept(Pool *pool, void *block) except NULL nogil:
    # Take a new block into the pool, which must have a place for it.
    if block == NULL:
        no_memory()
    pool.blocks[pool.n] = block
    pool.n += 1
    return block


cdef inline int _place(Pool *pool, size_t count, size_t width) except -1 nogil:
    # Make a place for one more block, and refuse sizes that no address reaches.
    cdef void *larger
    if width and count > SIZE_MAX // 2 // width:
        no_memory()
    if pool.n == pool.room:
        larger = realloc(pool.blocks, (2 * pool.room + 8) * sizeof(void *))
        if larger == NULL:
            no_memory()
        pool.blocks = <void **>larger
        pool.room = 2 * pool.room + 8
    return 0


cdef inline void *zeros(Pool *pool, size_t count, size_t width) except NULL nogil:
    # `count` zeroed items of `width` bytes; pages that nobody touches cost nothing.
    _place(pool, count, width)
    return _kept(pool, calloc(count + (count == 0), width))


cdef inline void *spread(Pool *pool, size_t count, size_t width) except NULL nogil:
    # Items to be written before they are read, in large pages if they are many.
    _place(pool, count, width)
    return _kept(pool, fastcore_spread(count * width))


cdef inline void *spread_zeros(Pool *pool, size_t count, size_t width) except NULL nogil:
    # Zeroed items that will be read all over: in large pages, written now.
    return memset(spread(pool, count, width), 0, count * width)


cdef inline Py_ssize_t _index(const Pool *pool, const void *block) noexcept nogil:
    # The last blocks are the likeliest to be looked for.
    cdef Py_ssize_t i = pool.n - 1
    while pool.blocks[i] != block:
        i -= 1
    return i


cdef inline void *resized(Pool *pool, void *block, size_t count, size_t width) except NULL nogil:
    # The block (NULL: a new one) with room for `count` items; without memory it stays as it was.
    cdef Py_ssize_t i = _index(pool, block) if block != NULL else pool.n
    cdef void *other
    _place(pool, count, width)
    other = realloc(block, count * width + 1)
    if other == NULL:
        no_memory()
    pool.blocks[i] = other
    pool.n = max(pool.n, i + 1)
    fastcore_large_pages(other, count * width)
    return other


cdef inline void *roomy(Pool *pool, void *block, Py_ssize_t *room, Py_ssize_t needed, size_t width) except NULL nogil:
    # The block, grown if there isn't room for `needed` items: by half at least, so that appending is linear.
    cdef Py_ssize_t wanted
    if needed <= room[0] and block != NULL:
        return block
    wanted = max(needed, room[0] + room[0] // 2 + 64)
    block = resized(pool, block, wanted, width)
    room[0] = wanted
    return block


cdef inline void let_go(Pool *pool, void *block) noexcept nogil:
    # Take a block out of the pool without freeing it: whoever has it now will.
    cdef Py_ssize_t i
    if block != NULL:
        i = _index(pool, block)
        pool.n -= 1
        pool.blocks[i] = pool.blocks[pool.n]


cdef inline void drop(Pool *pool, void *block) noexcept nogil:
    # Free one block early; NULL is none.
    let_go(pool, block)
    free(block)


cdef inline void free_all(Pool *pool) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(pool.n):
        free(pool.blocks[i])
    free(pool.blocks)
    pool.blocks = NULL
    pool.n = pool.room = 0
