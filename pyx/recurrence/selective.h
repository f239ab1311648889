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

#define REAL float
#define VEC fs_vec
#define W FS_W
#define V(name) fs_##name
#define NAME(name) name##_f32
#include "selectsteps.h"
#undef REAL
#undef VEC
#undef W
#undef V
#undef NAME

#define REAL double
#define VEC fc_vec
#define W FC_W
#define V(name) fc_##name
#define NAME(name) name##_f64
#include "selectsteps.h"

#endif
