# A list of numbers that grows.
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from _owned cimport Pool, roomy


cdef struct Numbers:
    int64_t *data
    Py_ssize_t length, room


cdef inline int append(Numbers *numbers, Pool *pool, int64_t value) except -1 nogil:
    numbers.data = <int64_t *>roomy(pool, numbers.data, &numbers.room, numbers.length + 1, sizeof(int64_t))
    numbers.data[numbers.length] = value
    numbers.length += 1
    return 0


cdef inline numbers_array(Numbers *numbers):
    cdef int64_t[::1] to_array
    from numpy import empty
    array = empty(numbers.length, "int64")
    to_array = array
    if numbers.length:
        memcpy(&to_array[0], numbers.data, numbers.length * sizeof(int64_t))
    return array
