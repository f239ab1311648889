/* Hints to the processor and the kernel about memory, where there is a way to give them. */
#ifndef FASTCORE_MEMORY_HINTS_H
#define FASTCORE_MEMORY_HINTS_H

#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* Ask for a cache line early. */
#if defined(__GNUC__) || defined(__clang__)
#define FASTCORE_PREFETCH(p) __builtin_prefetch(p)
#else
#define FASTCORE_PREFETCH(p) ((void)(p))
#endif

/* Let what lies within some memory, once it is touched, come in large pages: fewer faults, fewer waits for addresses. */
static inline void fastcore_large_pages(void *memory, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const size_t large = (size_t)1 << 21;
    const size_t first = ((size_t)memory + large - 1) & ~(large - 1), last = ((size_t)memory + bytes) & ~(large - 1);
    if (bytes >= 4 * large && last > first) /* less isn't worth the call */
        madvise((void *)first, last - first, MADV_HUGEPAGE);
#else
    (void)memory;
    (void)bytes;
#endif
}

/* Memory for `free`; of many megabytes in large pages, since random access over small ones waits for addresses. */
static inline void *fastcore_spread(size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const size_t large = (size_t)1 << 21;
    if (bytes >= large) {
        void *memory = aligned_alloc(large, (bytes + large - 1) & ~(large - 1));
        if (memory != NULL)
            madvise(memory, bytes, MADV_HUGEPAGE);
        return memory;
    }
#endif
    return malloc(bytes ? bytes : 1);
}

#endif
