# Long loops call poll() every few milliseconds of work. In the main thread it lets Ctrl-C raise; in a
# worker it asks the flag that fastcore/_interrupt.py keeps for that thread.
from cpython.exc cimport PyErr_CheckSignals


cdef inline int poll() except -1 nogil:
    with gil:
        PyErr_CheckSignals()
        from fastcore._interrupt import raise_if_cancelled
        raise_if_cancelled()
    return 0
