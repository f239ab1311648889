# The open-addressing table: 64-bit keys to cells, linear probing, at most half full.
#
# A cell is any struct that begins as Cell does: its key, then a mark that isn't 0 once the cell is taken. Every
# function takes the size of the cell, a constant of the caller that the compiler folds. A key may be a hash of
# something longer: a caller that finds its key with something else goes on with `table_after`. Cells lie in the order
# of their scrambled keys, so that a table grows from one end to the other, as memory likes it.
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from _owned cimport Pool, drop, spread
from _signals cimport Pace, must_stop

cdef extern from "memory_hints.h":
    void FASTCORE_PREFETCH(const void *p) noexcept nogil


cdef struct Cell:
    uint64_t key
    uint64_t mark


cdef struct Table:
    Pool *pool
    Pace *pace
    char *cells
    uint64_t mask  # the number of cells, a power of two, minus one
    int shift
    Py_ssize_t size


cdef inline char *_blank(Table *table, uint64_t n, size_t width) except NULL nogil:
    # Free cells, in large pages: they will be asked all over.
    cdef char *cells = <char *>spread(table.pool, n, width)
    cdef uint64_t i, size
    for i in range(0, n, 65536):
        size = min(n - i, <uint64_t>65536)
        memset(cells + i * width, 0, size * width)
        if must_stop(table.pace, size):
            drop(table.pool, cells)
            return NULL
    return cells


cdef inline int table_init(
    Table *table, Pool *pool, Pace *pace, Py_ssize_t expected, size_t width
) except -1 nogil:
    # An empty table with room for so many keys before it grows, in the memory and at the pace of its owner.
    table.pool = pool
    table.pace = pace
    table.mask = 1023
    table.shift = 54
    table.size = 0
    while <uint64_t>expected > table.mask // 2:
        table.mask = 2 * table.mask + 1
        table.shift -= 1
    table.cells = _blank(table, table.mask + 1, width)
    return 0


cdef inline uint64_t table_scrambled(uint64_t key) noexcept nogil:
    # Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): the high bits of the product depend on all
    # bits of the key.
    return key * <uint64_t>0x9E3779B97F4A7C15


cdef inline Cell *table_home(const Table *table, uint64_t key, size_t width) noexcept nogil:
    # Where a look-up begins.
    return <Cell *>(table.cells + (table_scrambled(key) >> table.shift) * width)


cdef inline void table_fetch(const Table *table, uint64_t key, size_t width) noexcept nogil:
    # Let the cell where a look-up will begin arrive in the cache.
    FASTCORE_PREFETCH(table_home(table, key, width))


cdef inline Cell *_next(const Table *table, Cell *cell, size_t width) noexcept nogil:
    cdef char *after = <char *>cell + width
    return <Cell *>(after if after <= table.cells + table.mask * width else table.cells)


cdef inline Cell *table_find(const Table *table, uint64_t key, size_t width) noexcept nogil:
    # The cell that holds a key, or else the free one that would.
    cdef Cell *cell = table_home(table, key, width)
    while cell.mark and cell.key != key:
        cell = _next(table, cell, width)
    return cell


cdef inline Cell *table_after(const Table *table, Cell *cell, uint64_t key, size_t width) noexcept nogil:
    # The next cell with the same key, or else the free one.
    cell = _next(table, cell, width)
    while cell.mark and cell.key != key:
        cell = _next(table, cell, width)
    return cell


cdef inline int _grow(Table *table, size_t width) except -1 nogil:
    cdef int more = 2 if table.mask < 262144 else 1
    cdef uint64_t mask = ((table.mask + 1) << more) - 1, i
    cdef char *old = table.cells
    cdef char *cells = _blank(table, mask + 1, width)
    cdef Cell *cell
    cdef Cell *to
    for i in range(table.mask + 1):
        if i & 4095 == 0 and must_stop(table.pace, 32768):
            # The last key is in its place, and the table as good as before, if a little fuller.
            drop(table.pool, cells)
            return -1
        cell = <Cell *>(old + i * width)
        if cell.mark:
            to = <Cell *>(cells + (table_scrambled(cell.key) >> (table.shift - more)) * width)
            while to.mark:
                to = <Cell *>(<char *>to + width) if <char *>to < cells + mask * width else <Cell *>cells
            memcpy(to, cell, width)
    table.cells = cells
    table.mask = mask
    table.shift -= more
    drop(table.pool, old)
    return 0


cdef inline int table_settle(Table *table, size_t width) except -1 nogil:
    # Grow if the table is more than half full: cells may move, and meanwhile others may run.
    if 2 * <uint64_t>table.size > table.mask:
        _grow(table, width)
    return 0


cdef inline int table_took(Table *table, size_t width) except -1 nogil:
    # To be called when a free cell was filled: afterwards there is room for one more, and cells may have moved. Who
    # mustn't let others run yet counts in `size` what was filled, some hundred cells at most, and settles later.
    table.size += 1
    return table_settle(table, width)
