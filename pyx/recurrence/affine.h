/* out = bias + z * weights for four rows at a time, the step of a recurrent cell.
 *
 * Weights (k, n) are packed in panels of AFFINE_WIDTH columns, zero-padded, so that a panel's accumulators stay in
 * registers while it streams past once for four rows. Each element is summed in the order of k whatever the block
 * it falls in, so that results don't depend on how a batch is cut. */
#ifndef FASTCORE_AFFINE_H
#define FASTCORE_AFFINE_H

#include <stddef.h>
#include <string.h>

#define AFFINE_ROWS 4
#ifdef __AVX512F__
#define AFFINE_BYTES 128
#else
#define AFFINE_BYTES 64
#endif
#define AFFINE_WIDTH(real) ((ptrdiff_t)(AFFINE_BYTES / sizeof(real)))

/* Twins agree to a tolerance here, so a*b+c may be one instruction, unlike in the module's other kernels. */
#if defined(__GNUC__) && !defined(__clang__)
#define AFFINE_FUNCTION __attribute__((noinline, optimize("fp-contract=fast"))) static void
#else
#define AFFINE_FUNCTION static void
#endif

#define AFFINE_PACK(name, real) \
    static inline void name(const real *weights, ptrdiff_t k, ptrdiff_t n, real *packed) \
    { \
        const ptrdiff_t width = AFFINE_WIDTH(real); \
        for (ptrdiff_t first = 0; first < n; first += width) \
            for (ptrdiff_t i = 0; i < k; i++) \
                for (ptrdiff_t j = first; j < first + width; j++) \
                    *packed++ = j < n ? weights[i * n + j] : 0; \
    }

AFFINE_PACK(affine_pack_f32, float)
AFFINE_PACK(affine_pack_f64, double)

#if defined(__GNUC__) && !defined(__clang__)
#define AFFINE(name, real, vector) \
    typedef real vector __attribute__((vector_size(AFFINE_BYTES / 2), aligned(sizeof(real)), may_alias)); \
    AFFINE_FUNCTION name( \
        const real *packed, const real *bias, const real *z, ptrdiff_t k, ptrdiff_t columns, real *out) \
    { \
        const ptrdiff_t half = AFFINE_WIDTH(real) / 2; \
        for (ptrdiff_t first = 0; first < columns; first += 2 * half) { \
            vector a0 = *(const vector *)(bias + first), b0 = *(const vector *)(bias + first + half); \
            vector a1 = a0, a2 = a0, a3 = a0, b1 = b0, b2 = b0, b3 = b0; \
            for (ptrdiff_t i = 0; i < k; i++) { \
                vector wa = *(const vector *)packed, wb = *(const vector *)(packed + half); \
                packed += 2 * half; \
                a0 += wa * z[i]; \
                b0 += wb * z[i]; \
                a1 += wa * z[k + i]; \
                b1 += wb * z[k + i]; \
                a2 += wa * z[2 * k + i]; \
                b2 += wb * z[2 * k + i]; \
                a3 += wa * z[3 * k + i]; \
                b3 += wb * z[3 * k + i]; \
            } \
            *(vector *)(out + first) = a0; \
            *(vector *)(out + first + half) = b0; \
            *(vector *)(out + columns + first) = a1; \
            *(vector *)(out + columns + first + half) = b1; \
            *(vector *)(out + 2 * columns + first) = a2; \
            *(vector *)(out + 2 * columns + first + half) = b2; \
            *(vector *)(out + 3 * columns + first) = a3; \
            *(vector *)(out + 3 * columns + first + half) = b3; \
        } \
    }
#else
#define AFFINE(name, real, vector) \
    AFFINE_FUNCTION name( \
        const real *packed, const real *bias, const real *z, ptrdiff_t k, ptrdiff_t columns, real *out) \
    { \
        const ptrdiff_t width = AFFINE_WIDTH(real); \
        for (ptrdiff_t first = 0; first < columns; first += width, packed += k * width) \
            for (int r = 0; r < AFFINE_ROWS; r++) { \
                real *row = out + r * columns + first; \
                memcpy(row, bias + first, width * sizeof(real)); \
                for (ptrdiff_t i = 0; i < k; i++) \
                    for (ptrdiff_t j = 0; j < width; j++) \
                        row[j] += packed[i * width + j] * z[r * k + i]; \
            } \
    }
#endif

AFFINE(affine_f32, float, affine_vector_f32)
AFFINE(affine_f64, double, affine_vector_f64)

#endif
