/* How this thread treats subnormal numbers. A host program may have told it to flush them to zero (for the speed of
 * its own work), which changes results; kernels that count on them set that aside while they run. */
#ifndef FASTCORE_FLOAT_MODE_H
#define FASTCORE_FLOAT_MODE_H

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#define FASTCORE_FLUSHES 0x8040u /* flush-to-zero, denormals-are-zero */

/* Keep subnormal numbers from here on; returns what `fastcore_restore_subnormals` needs. */
static inline unsigned fastcore_keep_subnormals(void)
{
    const unsigned mode = _mm_getcsr();
    if (mode & FASTCORE_FLUSHES)
        _mm_setcsr(mode & ~FASTCORE_FLUSHES);
    return mode & FASTCORE_FLUSHES;
}

static inline void fastcore_restore_subnormals(unsigned flushes)
{
    if (flushes)
        _mm_setcsr(_mm_getcsr() | flushes);
}
#else
static inline unsigned fastcore_keep_subnormals(void) { return 0; }
static inline void fastcore_restore_subnormals(unsigned flushes) { (void)flushes; }
#endif

#endif
