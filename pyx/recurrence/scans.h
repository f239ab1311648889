/* Linear scans of floats and of doubles: chains.h twice. */
#ifndef FASTCORE_SCANS_H
#define FASTCORE_SCANS_H

#include <stddef.h>
#include <string.h>

#include "pace.h"

enum {
    LANES = 4,
    PIECE = 2056, /* steps that a guess is good for; pieces a power of two apart would share few lines of the cache */
    MOST_PATIENT = 64
};

#if defined(__GNUC__)
#define FC_SCAN __attribute__((noinline)) static void
#define FC_INLINE_SCAN static inline
#else
#define FC_SCAN static void
#define FC_INLINE_SCAN static
#endif

#define REAL float
#define NAME(name) name##_f32
#include "chains.h"
#undef REAL
#undef NAME

#define REAL double
#define NAME(name) name##_f64
#include "chains.h"

#endif
