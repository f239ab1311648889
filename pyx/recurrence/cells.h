/* Recurrent cells in floats and in doubles: the same code (affine.h, gates.h, forward.h, backward.h) twice.
 *
 * The units of a gate are padded to whole vectors, with weights of zero, so that every element is computed alike
 * wherever it stands; rows of gates are padded to whole panels. */
#ifndef FASTCORE_CELLS_H
#define FASTCORE_CELLS_H

#include "pace.h"
#include "simd.h"

/* Rows of a tile: with its two columns of vectors, what registers hold. And panels that one row takes at once. */
#if FC_BYTES == 64
#define TALL 8
#define ALONE 2
#else
#define TALL 4
#define ALONE 4
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

#define BITS 32
#include "precision.h"
#define MANTISSA 23
#define EXPONENT 0x7f800000u
#define LIMIT 20.0f
#define MOST 86.0f
#include "affine.h"
#include "gates.h"
#include "forward.h"
#include "backward.h"
#undef BITS
#undef MANTISSA
#undef EXPONENT
#undef LIMIT
#undef MOST

#define BITS 64
#include "precision.h"
#define MANTISSA 52
#define EXPONENT 0x7ff0000000000000u
#define LIMIT 40.0
#define MOST 700.0
#include "affine.h"
#include "gates.h"
#include "forward.h"
#include "backward.h"

#endif
