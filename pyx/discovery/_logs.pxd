# Logarithms of counts.
from libc.math cimport log
from libc.stdint cimport int64_t


cdef inline double log_count(int64_t count) noexcept nogil:
    # log, where the log of nothing is -100.
    return -100.0 if count == 0 else log(<double>count)
