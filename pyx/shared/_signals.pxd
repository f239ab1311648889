# Long loops say what they spend (pace.h), with or without the interpreter's lock, and a look for Ctrl-C follows every
# few milliseconds: in the main thread it lets Ctrl-C raise; in a worker it asks the flag that
# fastcore/_interrupt.py keeps for that thread. How much work that is, is measured: units needn't be of equal price
# in different loops, or on different machines.
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t

cdef extern from "pace.h" nogil:
    ctypedef struct Pace:
        int64_t left
        int64_t budget
        int64_t last
        int (*look)(Pace*) except -1 nogil
    int64_t fastcore_nanoseconds()
    int spend(Pace* pace, int64_t work) except -1
    # The same for who has something to free before returning -1 too.
    int must_stop "spend"(Pace* pace, int64_t work) noexcept

cdef enum:
    FIRST = 32768  # units of work before the first look
    PERIOD = 8000000  # nanoseconds between two looks
    MOST = 1 << 30  # units of work between two looks


cdef inline int look(Pace* pace) except -1 nogil:
    cdef int64_t now
    with gil:
        PyErr_CheckSignals()
        from fastcore._interrupt import raise_if_cancelled
        raise_if_cancelled()
    now = fastcore_nanoseconds()
    if pace.last:
        # At most eight times as much or as little at once: what stopped the thread for a while isn't its work's price.
        pace.budget = <int64_t>(pace.budget * min(max(<double>PERIOD / max(now - pace.last, 1), 0.125), 8.0)) + 1
        pace.budget = min(pace.budget, <int64_t>MOST)
    pace.last = now
    pace.left = pace.budget
    return 0


cdef inline Pace new_pace() noexcept nogil:
    # A call's own, or an object's.
    cdef Pace pace
    pace.left = pace.budget = FIRST
    pace.last = 0
    pace.look = look
    return pace
