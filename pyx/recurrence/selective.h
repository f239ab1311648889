/* Selective scans of floats and of doubles: selectsteps.h twice. */
#ifndef FASTCORE_SELECTIVE_H
#define FASTCORE_SELECTIVE_H

#include "pace.h"
#include "simd.h"

enum { PART = 32 /* steps whose states are computed again and kept on the way back */ };

/* What all loops need to know of the arrays' shapes. */
typedef struct {
    ptrdiff_t batch, steps, channels, states;
    int reverse;
} Shape;

#define BITS 32
#include "precision.h"
#include "selectsteps.h"
#undef BITS

#define BITS 64
#include "precision.h"
#include "selectsteps.h"

#endif
