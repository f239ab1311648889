/* Scans of real and complex numbers, single and double, and of matrices of them: chains.h and matrices.h for each. */
#ifndef FASTCORE_SCANS_H
#define FASTCORE_SCANS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "memory_hints.h"
#include "pace.h"
#include "simd.h"

enum {
    LANES = 4,
    PIECE = 2056, /* steps that a guess is good for; pieces a power of two apart would share few lines of the cache */
    MOST_PATIENT = 64,
    LINE = 64,  /* bytes of a line of the cache */
    AHEAD = 512, /* bytes ahead of which lines are asked for: pieces begin and end where the processor doesn't foresee it */
    FAR_AHEAD = 8192 /* the same for rows, at whose ends it looks no further than a page */
};

#if defined(__GNUC__)
#define FC_SCAN __attribute__((noinline)) static void
#define FC_INLINE_SCAN static inline __attribute__((always_inline))
#else
#define FC_SCAN static void
#define FC_INLINE_SCAN static inline
#endif

/* C's own complex product looks for infinities in every call; and MSVC has none. */
typedef struct {
    float re, im;
} Complex_f32;

typedef struct {
    double re, im;
} Complex_f64;

/* a * y + b */
FC_INLINE_SCAN float step_f32(float a, float y, float b) { return a * y + b; }
FC_INLINE_SCAN double step_f64(double a, double y, double b) { return a * y + b; }

FC_INLINE_SCAN Complex_f32 step_c64(Complex_f32 a, Complex_f32 y, Complex_f32 b)
{
    const Complex_f32 made = {a.re * y.re - a.im * y.im + b.re, a.re * y.im + a.im * y.re + b.im};
    return made;
}

FC_INLINE_SCAN Complex_f64 step_c128(Complex_f64 a, Complex_f64 y, Complex_f64 b)
{
    const Complex_f64 made = {a.re * y.re - a.im * y.im + b.re, a.re * y.im + a.im * y.re + b.im};
    return made;
}

/* y[j] = value for all j below m, where `value` may say j. Of complex numbers first all real parts: GCC 12 fuses the
 * products and sums of both parts in one loop, whatever it is told about rounding. */
#define ASSIGN(y, m, value) \
    do { \
        ptrdiff_t j; \
        for (j = 0; j < (m); j++) \
            (y)[j] = value; \
    } while (0)

/* Whether rows go line by line, each asked for ahead: GCC 12 would fuse what so few complex numbers are made of. */
#define BY_LINE 1

#define BITS 32
#include "precision.h"
#include "chains.h"
#include "matrices.h"
#undef BITS

#define BITS 64
#include "precision.h"
#include "chains.h"
#include "matrices.h"

#undef BY_LINE
#define BY_LINE 0
#undef ASSIGN
#define ASSIGN(y, m, value) \
    do { \
        ptrdiff_t j; \
        for (j = 0; j < (m); j++) \
            (y)[j].re = (value).re; \
        for (j = 0; j < (m); j++) \
            (y)[j].im = (value).im; \
    } while (0)
#undef REAL
#undef NAME
#define REAL Complex_f32
#define NAME(name) name##_c64
#include "chains.h"
#undef REAL
#undef NAME

#define REAL Complex_f64
#define NAME(name) name##_c128
#include "chains.h"

#endif
