/* Recurrent cells in floats and in doubles: the same code (affine.h, gates.h, forward.h, backward.h) twice.
 *
 * The units of a gate are padded to whole vectors, with weights of zero, so that every element is computed alike
 * wherever it stands; rows of gates are padded to whole panels. */
#ifndef FASTCORE_CELLS_H
#define FASTCORE_CELLS_H

#include "pace.h"
#include "simd.h"

/* Rows of a tile: with its two columns of vectors, what registers hold. */
#if FC_BYTES == 64
#define TALL 8
#else
#define TALL 4
#endif

enum {
    CELL_TANH,
    CELL_RELU,
    CELL_GRU,        /* the reset gate after the product, as cuDNN has it */
    CELL_GRU_BEFORE, /* the reset gate before the product, as the paper has it */
    CELL_LSTM,
    CELL_BAD_INPUT = 1,
    CELL_BAD_STATE,
    GROUP = 32, /* sequences that step together */
    FEW = 8,    /* sequences that step back together, whose every step is kept */
    BLOCK = 256, /* steps whose part of a sum is one product */
    AHEAD = 64, /* rows of input that are multiplied at once */
    LINE = 16   /* floats, so that doubles have room enough */
};

#define REAL float
#define VEC fs_vec
#define INT fs_int
#define W FS_W
#define V(name) fs_##name
#define NAME(name) name##_f32
#define CONSTANT(name) FS_##name
#define MANTISSA 23
#define EXPONENT 0x7f800000u
#define UINT uint32_t
#define LIMIT 20.0f
#define MOST 86.0f
#include "affine.h"
#include "gates.h"
#include "forward.h"
#include "backward.h"
#undef REAL
#undef VEC
#undef INT
#undef W
#undef V
#undef NAME
#undef CONSTANT
#undef MANTISSA
#undef EXPONENT
#undef UINT
#undef LIMIT
#undef MOST

#define REAL double
#define VEC fc_vec
#define INT fc_int
#define W FC_W
#define V(name) fc_##name
#define NAME(name) name##_f64
#define CONSTANT(name) FC_##name
#define MANTISSA 52
#define EXPONENT 0x7ff0000000000000u
#define UINT uint64_t
#define LIMIT 40.0
#define MOST 700.0
#include "affine.h"
#include "gates.h"
#include "forward.h"
#include "backward.h"

#endif
