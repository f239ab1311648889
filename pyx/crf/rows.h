/* Rows of labels added up: a row of weights to the scores of many steps, and the rows of many steps to one of sums.
 *
 * A row is taken in vectors as wide as the instruction set has them and the row fills; the last one overlaps the one
 * before where the row's length is no multiple. All of a row's vectors are read before one is written, so what is
 * computed twice is the same. Sums stay in registers over all steps. */
#ifndef FASTCORE_CRF_ROWS_H
#define FASTCORE_CRF_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include "memory_hints.h"

#if defined(__GNUC__)
#define FR_INLINE static inline __attribute__((always_inline))
#define FR_UNROLL _Pragma("GCC unroll 8")
#if defined(__AVX512F__)
#define FR_W 8
#elif defined(__AVX__)
#define FR_W 4
#else
#define FR_W 2
#endif
#else
#define FR_INLINE static inline
#define FR_UNROLL
#define FR_W 1
#endif

enum {
    FR_MOST = 6,     /* vectors of one pass */
    FR_AHEAD = 8,    /* steps ahead whose row is fetched */
    FR_TOGETHER = 4, /* attributes of a panel */
    /* Vectors of one pass over a panel: as many sums as stay in registers. */
    FR_BROAD = FR_W == 8 ? 6 : 3
};

typedef double fr_double1;
typedef float fr_float1;
#define FR_WIDEN1(x) ((double)(x))
#if FR_W > 1
/* As narrow a type for the rows as for the sums: a float row is widened, never a sum narrowed. */
#define FR_VECTORS(W)                                                                      \
    typedef double fr_double##W __attribute__((vector_size(8 * W), may_alias, aligned(8))); \
    typedef float fr_float##W __attribute__((vector_size(4 * W), may_alias, aligned(4)));
FR_VECTORS(2)
FR_VECTORS(4)
FR_VECTORS(8)
#define FR_WIDEN2(x) __builtin_convertvector(x, fr_double2)
#define FR_WIDEN4(x) __builtin_convertvector(x, fr_double4)
#define FR_WIDEN8(x) __builtin_convertvector(x, fr_double8)
#endif

/* For `width` labels from `rows` on, in N vectors of W: W <= width <= N * W. Rows lie `labels` apart. */
#define FR_DEFINE(real, W)                                                                                          \
    FR_INLINE void fr_add_##real##W(int n, real* rows, ptrdiff_t labels, ptrdiff_t width, const int32_t* steps,     \
                                    const real* values, ptrdiff_t count, const real* weights)                       \
    {                                                                                                               \
        fr_##real##W w[FR_MOST], x[FR_MOST];                                                                        \
        const fr_##real##W zero = {0};                                                                              \
        ptrdiff_t at[FR_MOST], i;                                                                                   \
        int j;                                                                                                      \
        FR_UNROLL for (j = 0; j < n; j++) {                                                                         \
            at[j] = j < n - 1 ? (ptrdiff_t)j * W : width - W;                                                       \
            w[j] = *(const fr_##real##W*)(weights + at[j]);                                                         \
        }                                                                                                           \
        for (i = 0; i < count; i++) {                                                                               \
            real* row = rows + (ptrdiff_t)steps[i] * labels;                                                                   \
            const fr_##real##W value = zero + (values ? values[i] : (real)1);                                       \
            FASTCORE_PREFETCH(rows + (ptrdiff_t)steps[i + FR_AHEAD] * labels);                                                 \
            FR_UNROLL for (j = 0; j < n; j++) x[j] = *(const fr_##real##W*)(row + at[j]);                           \
            if (values) {                                                                                           \
                FR_UNROLL for (j = 0; j < n; j++) *(fr_##real##W*)(row + at[j]) = x[j] + value * w[j];              \
            } else {                                                                                                \
                FR_UNROLL for (j = 0; j < n; j++) *(fr_##real##W*)(row + at[j]) = x[j] + w[j];                      \
            }                                                                                                       \
        }                                                                                                           \
    }                                                                                                               \
    FR_INLINE void fr_sum_##real##W(int n, const real* rows, ptrdiff_t labels, ptrdiff_t width,                     \
                                    const int32_t* steps, const real* values, ptrdiff_t count, double* sums)        \
    {                                                                                                               \
        fr_double##W a[FR_MOST];                                                                                    \
        const fr_double##W zero = {0};                                                                              \
        ptrdiff_t at[FR_MOST], i;                                                                                   \
        int j;                                                                                                      \
        FR_UNROLL for (j = 0; j < n; j++) {                                                                         \
            at[j] = j < n - 1 ? (ptrdiff_t)j * W : width - W;                                                       \
            a[j] = zero;                                                                                            \
        }                                                                                                           \
        for (i = 0; i < count; i++) {                                                                               \
            const real* row = rows + (ptrdiff_t)steps[i] * labels;                                                             \
            const fr_double##W value = zero + (values ? (double)values[i] : 1.0);                                   \
            FASTCORE_PREFETCH(rows + (ptrdiff_t)steps[i + FR_AHEAD] * labels);                                                 \
            FR_UNROLL for (j = 0; j < n; j++) {                                                                     \
                const fr_double##W x = FR_WIDEN##W(*(const fr_##real##W*)(row + at[j]));                            \
                if (values)                                                                                         \
                    a[j] += value * x;                                                                              \
                else                                                                                                \
                    a[j] += x;                                                                                      \
            }                                                                                                       \
        }                                                                                                           \
        FR_UNROLL for (j = 0; j < n; j++) a[j] += *(const fr_double##W*)(sums + at[j]);                             \
        FR_UNROLL for (j = 0; j < n; j++) *(fr_double##W*)(sums + at[j]) = a[j];                                    \
    }

/* The same for a panel: the attributes FR_TOGETHER that occur at each of `count` steps, with values step by step. Their
 * weights, and sums, lie one row of `labels` after the other. So a row of scores is read and written once for all. */
#define FR_DEFINE_PANEL(real, W)                                                                                    \
    FR_INLINE void fr_add_panel_##real##W(int n, real* rows, ptrdiff_t labels, ptrdiff_t width, const real* values, \
                                          ptrdiff_t count, const real* weights)                                     \
    {                                                                                                               \
        fr_##real##W w[FR_TOGETHER][FR_MOST], x[FR_MOST];                                                           \
        const fr_##real##W zero = {0};                                                                              \
        ptrdiff_t at[FR_MOST], i;                                                                                   \
        int j, k;                                                                                                   \
        FR_UNROLL for (j = 0; j < n; j++) {                                                                         \
            at[j] = j < n - 1 ? (ptrdiff_t)j * W : width - W;                                                       \
            FR_UNROLL for (k = 0; k < FR_TOGETHER; k++) w[k][j] = *(const fr_##real##W*)(weights + k * labels + at[j]); \
        }                                                                                                           \
        for (i = 0; i < count; i++, rows += labels, values += FR_TOGETHER) {                                        \
            FR_UNROLL for (j = 0; j < n; j++) x[j] = *(const fr_##real##W*)(rows + at[j]);                          \
            FR_UNROLL for (k = 0; k < FR_TOGETHER; k++) {                                                           \
                const fr_##real##W value = zero + values[k];                                                        \
                FR_UNROLL for (j = 0; j < n; j++) x[j] += value * w[k][j];                                          \
            }                                                                                                       \
            FR_UNROLL for (j = 0; j < n; j++) *(fr_##real##W*)(rows + at[j]) = x[j];                                \
        }                                                                                                           \
    }                                                                                                               \
    FR_INLINE void fr_sum_panel_##real##W(int n, const real* rows, ptrdiff_t labels, ptrdiff_t width,               \
                                          const real* values, ptrdiff_t count, double* sums)                        \
    {                                                                                                               \
        fr_double##W a[FR_TOGETHER][FR_MOST];                                                                       \
        const fr_double##W zero = {0};                                                                              \
        ptrdiff_t at[FR_MOST], i;                                                                                   \
        int j, k;                                                                                                   \
        FR_UNROLL for (j = 0; j < n; j++) {                                                                         \
            at[j] = j < n - 1 ? (ptrdiff_t)j * W : width - W;                                                       \
            FR_UNROLL for (k = 0; k < FR_TOGETHER; k++) a[k][j] = zero;                                             \
        }                                                                                                           \
        for (i = 0; i < count; i++, rows += labels, values += FR_TOGETHER) {                                        \
            FR_UNROLL for (j = 0; j < n; j++) {                                                                     \
                const fr_double##W x = FR_WIDEN##W(*(const fr_##real##W*)(rows + at[j]));                           \
                FR_UNROLL for (k = 0; k < FR_TOGETHER; k++) a[k][j] += (zero + (double)values[k]) * x;              \
            }                                                                                                       \
        }                                                                                                           \
        FR_UNROLL for (k = 0; k < FR_TOGETHER; k++) {                                                               \
            double* own = sums + k * labels;                                                                        \
            FR_UNROLL for (j = 0; j < n; j++) a[k][j] += *(const fr_double##W*)(own + at[j]);                       \
            FR_UNROLL for (j = 0; j < n; j++) *(fr_double##W*)(own + at[j]) = a[k][j];                              \
        }                                                                                                           \
    }

FR_DEFINE(float, 1)
FR_DEFINE(double, 1)
FR_DEFINE_PANEL(float, 1)
FR_DEFINE_PANEL(double, 1)
#if FR_W > 1
FR_DEFINE(float, 2)
FR_DEFINE(double, 2)
FR_DEFINE_PANEL(float, 2)
FR_DEFINE_PANEL(double, 2)
#endif
#if FR_W > 2
FR_DEFINE(float, 4)
FR_DEFINE(double, 4)
FR_DEFINE_PANEL(float, 4)
FR_DEFINE_PANEL(double, 4)
#endif
#if FR_W > 4
FR_DEFINE(float, 8)
FR_DEFINE(double, 8)
FR_DEFINE_PANEL(float, 8)
FR_DEFINE_PANEL(double, 8)
#endif

/* The loop for each width of vectors, how many of them, and with values or without. */
#define FR_CASE(CALL, W, N) \
    case N: CALL(W, N); break;
#define FR_NARROW(CALL, W)                   \
    if (FR_W > W && width < 2 * W) {         \
        if (width == W) { CALL(W, 1); }      \
        else { CALL(W, 2); }                 \
    } else
#define FR_FULL(CALL, W)                     \
    switch ((width + W - 1) / W) {           \
        FR_CASE(CALL, W, 1)                  \
        FR_CASE(CALL, W, 2)                  \
        FR_CASE(CALL, W, 3)                  \
        FR_CASE(CALL, W, 4)                  \
        FR_CASE(CALL, W, 5)                  \
        FR_CASE(CALL, W, 6)                  \
    }
#if FR_W == 8
#define FR_CHOOSE(CALL) FR_NARROW(CALL, 1) FR_NARROW(CALL, 2) FR_NARROW(CALL, 4) FR_FULL(CALL, 8)
#elif FR_W == 4
#define FR_CHOOSE(CALL) FR_NARROW(CALL, 1) FR_NARROW(CALL, 2) FR_FULL(CALL, 4)
#elif FR_W == 2
#define FR_CHOOSE(CALL) FR_NARROW(CALL, 1) FR_FULL(CALL, 2)
#else
#define FR_CHOOSE(CALL) FR_FULL(CALL, 1)
#endif

/* rows[steps[i]] += values[i] * weights, and sums += sum of values[i] * rows[steps[i]], over rows of `labels`; without
 * values, all are 1. FR_AHEAD more steps must stand behind the last one. */
#define FR_ROWS(real)                                                                                             \
    static void fr_add_pass_##real(real* rows, ptrdiff_t labels, ptrdiff_t width, const int32_t* steps,           \
                                   const real* values, ptrdiff_t count, const real* weights)                      \
    {                                                                                                             \
        if (values) {                                                                                             \
            FR_CHOOSE(FR_ADD_VALUES_##real)                                                                       \
        } else {                                                                                                  \
            FR_CHOOSE(FR_ADD_PLAIN_##real)                                                                        \
        }                                                                                                         \
    }                                                                                                             \
    static void fr_sum_pass_##real(const real* rows, ptrdiff_t labels, ptrdiff_t width, const int32_t* steps,     \
                                   const real* values, ptrdiff_t count, double* sums)                             \
    {                                                                                                             \
        if (values) {                                                                                             \
            FR_CHOOSE(FR_SUM_VALUES_##real)                                                                       \
        } else {                                                                                                  \
            FR_CHOOSE(FR_SUM_PLAIN_##real)                                                                        \
        }                                                                                                         \
    }                                                                                                             \
    static inline void fr_add_rows_##real(real* rows, ptrdiff_t labels, const int32_t* steps, const real* values, \
                                          ptrdiff_t count, const real* weights)                                   \
    {                                                                                                             \
        ptrdiff_t first, width;                                                                                   \
        for (first = 0; first < labels; first += width) {                                                         \
            width = labels - first < FR_MOST * FR_W ? labels - first : FR_MOST * FR_W;                            \
            fr_add_pass_##real(rows + first, labels, width, steps, values, count, weights + first);               \
        }                                                                                                         \
    }                                                                                                             \
    static inline void fr_sum_rows_##real(const real* rows, ptrdiff_t labels, const int32_t* steps,               \
                                          const real* values, ptrdiff_t count, double* sums)                      \
    {                                                                                                             \
        ptrdiff_t first, width;                                                                                   \
        for (first = 0; first < labels; first += width) {                                                         \
            width = labels - first < FR_MOST * FR_W ? labels - first : FR_MOST * FR_W;                            \
            fr_sum_pass_##real(rows + first, labels, width, steps, values, count, sums + first);                  \
        }                                                                                                         \
    }

#define FR_ADD_VALUES_float(W, N) fr_add_float##W(N, rows, labels, width, steps, values, count, weights)
#define FR_ADD_PLAIN_float(W, N) fr_add_float##W(N, rows, labels, width, steps, NULL, count, weights)
#define FR_SUM_VALUES_float(W, N) fr_sum_float##W(N, rows, labels, width, steps, values, count, sums)
#define FR_SUM_PLAIN_float(W, N) fr_sum_float##W(N, rows, labels, width, steps, NULL, count, sums)
#define FR_ADD_VALUES_double(W, N) fr_add_double##W(N, rows, labels, width, steps, values, count, weights)
#define FR_ADD_PLAIN_double(W, N) fr_add_double##W(N, rows, labels, width, steps, NULL, count, weights)
#define FR_SUM_VALUES_double(W, N) fr_sum_double##W(N, rows, labels, width, steps, values, count, sums)
#define FR_SUM_PLAIN_double(W, N) fr_sum_double##W(N, rows, labels, width, steps, NULL, count, sums)
FR_ROWS(float)
FR_ROWS(double)

#define FR_ADD_PANEL_float(W, N) fr_add_panel_float##W(N, rows, labels, width, values, count, weights)
#define FR_SUM_PANEL_float(W, N) fr_sum_panel_float##W(N, rows, labels, width, values, count, sums)
#define FR_ADD_PANEL_double(W, N) fr_add_panel_double##W(N, rows, labels, width, values, count, weights)
#define FR_SUM_PANEL_double(W, N) fr_sum_panel_double##W(N, rows, labels, width, values, count, sums)
#define FR_PANELS(real)                                                                                             \
    static void fr_add_part_##real(real* rows, ptrdiff_t labels, ptrdiff_t width, const real* values,               \
                                   ptrdiff_t count, const real* weights)                                            \
    {                                                                                                               \
        FR_CHOOSE(FR_ADD_PANEL_##real)                                                                              \
    }                                                                                                               \
    static void fr_sum_part_##real(const real* rows, ptrdiff_t labels, ptrdiff_t width, const real* values,         \
                                   ptrdiff_t count, double* sums)                                                   \
    {                                                                                                               \
        FR_CHOOSE(FR_SUM_PANEL_##real)                                                                              \
    }                                                                                                               \
    static inline void fr_add_panel_##real(real* rows, ptrdiff_t labels, const real* values, ptrdiff_t count,       \
                                           const real* weights)                                                     \
    {                                                                                                               \
        ptrdiff_t first, width;                                                                                     \
        for (first = 0; first < labels; first += width) {                                                           \
            width = labels - first < FR_BROAD * FR_W ? labels - first : FR_BROAD * FR_W;                            \
            fr_add_part_##real(rows + first, labels, width, values, count, weights + first);                        \
        }                                                                                                           \
    }                                                                                                               \
    static inline void fr_sum_panel_##real(const real* rows, ptrdiff_t labels, const real* values, ptrdiff_t count, \
                                           double* sums)                                                            \
    {                                                                                                               \
        ptrdiff_t first, width;                                                                                     \
        for (first = 0; first < labels; first += width) {                                                           \
            width = labels - first < FR_BROAD * FR_W ? labels - first : FR_BROAD * FR_W;                            \
            fr_sum_part_##real(rows + first, labels, width, values, count, sums + first);                           \
        }                                                                                                           \
    }
FR_PANELS(float)
FR_PANELS(double)

/* The same for attributes of c labels each, c small: one attribute and step after the other, given by its first feature
 * and the step. */
#define FR_FEW(real)                                                                                              \
    FR_INLINE void fr_add_few_of_##real(const int c, real* rows, ptrdiff_t labels, const uint32_t* features,      \
                                        const int32_t* steps, const real* values, ptrdiff_t count,                \
                                        const int32_t* names, const real* weights)                                \
    {                                                                                                             \
        ptrdiff_t i;                                                                                              \
        int k;                                                                                                    \
        for (i = 0; i < count; i++) {                                                                             \
            const ptrdiff_t f = features[i];                                                                      \
            real* row = rows + (ptrdiff_t)steps[i] * labels;                                                                 \
            for (k = 0; k < c; k++)                                                                               \
                row[names[f + k]] += values ? values[i] * weights[f + k] : weights[f + k];                        \
        }                                                                                                         \
    }                                                                                                             \
    FR_INLINE void fr_sum_few_of_##real(const int c, const real* rows, ptrdiff_t labels, const uint32_t* features, \
                                        const int32_t* steps, const real* values, ptrdiff_t count,                \
                                        const int32_t* names, double* sums)                                       \
    {                                                                                                             \
        ptrdiff_t i;                                                                                              \
        int k;                                                                                                    \
        for (i = 0; i < count; i++) {                                                                             \
            const ptrdiff_t f = features[i];                                                                      \
            const real* row = rows + (ptrdiff_t)steps[i] * labels;                                                           \
            for (k = 0; k < c; k++)                                                                               \
                sums[f + k] += values ? (double)values[i] * row[names[f + k]] : row[names[f + k]];                \
        }                                                                                                         \
    }                                                                                                             \
    static inline void fr_add_few_##real(int c, real* rows, ptrdiff_t labels, const uint32_t* features,           \
                                         const int32_t* steps, const real* values, ptrdiff_t count,               \
                                         const int32_t* names, const real* weights)                               \
    {                                                                                                             \
        switch (c) {                                                                                              \
            case 1: fr_add_few_of_##real(1, rows, labels, features, steps, values, count, names, weights); break; \
            case 2: fr_add_few_of_##real(2, rows, labels, features, steps, values, count, names, weights); break; \
            case 3: fr_add_few_of_##real(3, rows, labels, features, steps, values, count, names, weights); break; \
            default: fr_add_few_of_##real(c, rows, labels, features, steps, values, count, names, weights);       \
        }                                                                                                         \
    }                                                                                                             \
    static inline void fr_sum_few_##real(int c, const real* rows, ptrdiff_t labels, const uint32_t* features,     \
                                         const int32_t* steps, const real* values, ptrdiff_t count,               \
                                         const int32_t* names, double* sums)                                      \
    {                                                                                                             \
        switch (c) {                                                                                              \
            case 1: fr_sum_few_of_##real(1, rows, labels, features, steps, values, count, names, sums); break;    \
            case 2: fr_sum_few_of_##real(2, rows, labels, features, steps, values, count, names, sums); break;    \
            case 3: fr_sum_few_of_##real(3, rows, labels, features, steps, values, count, names, sums); break;    \
            default: fr_sum_few_of_##real(c, rows, labels, features, steps, values, count, names, sums);          \
        }                                                                                                         \
    }
FR_FEW(float)
FR_FEW(double)

#endif
