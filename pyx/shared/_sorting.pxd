# Sorting of what is too short for anything cleverer.
from libc.stdint cimport int32_t


cdef inline void sort_few(int32_t *keys, Py_ssize_t n) noexcept nogil:
    """Insertion sort."""
    cdef Py_ssize_t i, j
    cdef int32_t key
    for i in range(1, n):
        key = keys[i]
        j = i
        while j > 0 and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key
