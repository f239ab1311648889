# A kernel object that keeps state refuses a second call while one is under way: from another thread, which runs
# whenever a call gives up the GIL or looks for Ctrl-C, or from an iterator that the call reads. A method begins with
# `enter(&self.busy, self)` and ends, whatever happens, with `leave(&self.busy)`. Who reads one number needs neither.
cdef extern from *:
    """
    #ifdef _MSC_VER
    #include <intrin.h>
    #define FASTCORE_TAKE(flag) _InterlockedExchange((volatile long *)(flag), 1)
    #define FASTCORE_GIVE(flag) _InterlockedExchange((volatile long *)(flag), 0)
    #else
    #define FASTCORE_TAKE(flag) __atomic_exchange_n((flag), 1, __ATOMIC_ACQUIRE)
    #define FASTCORE_GIVE(flag) __atomic_store_n((flag), 0, __ATOMIC_RELEASE)
    #endif
    """
    long FASTCORE_TAKE(long* flag) noexcept nogil
    void FASTCORE_GIVE(long* flag) noexcept nogil


cdef inline int enter(long* busy, object owner) except -1:
    if FASTCORE_TAKE(busy):
        raise RuntimeError(f"this {type(owner).__name__} is at work in another call: one at a time")
    return 0


cdef inline void leave(long* busy) noexcept nogil:
    FASTCORE_GIVE(busy)
