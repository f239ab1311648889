/* Inner products of long vectors, for the search of the weights. */
#ifndef FASTCORE_CRF_SUMS_H
#define FASTCORE_CRF_SUMS_H

#include "rows.h"

#define FS_JOINED(a, b) a##b
#define FS_NAME(a, b) FS_JOINED(a, b)
#define FS_DOUBLES FS_NAME(fr_double, FR_W)
#define FS_WIDEN FS_NAME(FR_WIDEN, FR_W)

#define FS_DEFINE(real)                                                                                     \
    /* Inner product, in four vectors of sums. */                                                           \
    static double fs_dot_##real(const real* a, const real* b, ptrdiff_t n)                                  \
    {                                                                                                       \
        typedef FS_NAME(fr_##real, FR_W) reals;                                                             \
        const FS_DOUBLES zero = {0};                                                                        \
        FS_DOUBLES sums[4] = {zero, zero, zero, zero};                                                      \
        double parts[FR_W], total = 0.0;                                                                    \
        ptrdiff_t i = 0, k;                                                                                 \
        int j;                                                                                              \
        for (; i + 4 * FR_W <= n; i += 4 * FR_W)                                                            \
            FR_UNROLL for (j = 0; j < 4; j++)                                                               \
                sums[j] += FS_WIDEN(*(const reals*)(a + i + j * FR_W)) * FS_WIDEN(*(const reals*)(b + i + j * FR_W)); \
        *(FS_DOUBLES*)parts = (sums[0] + sums[1]) + (sums[2] + sums[3]);                                    \
        for (k = 0; k < FR_W; k++)                                                                          \
            total += parts[k];                                                                              \
        for (; i < n; i++)                                                                                  \
            total += (double)a[i] * b[i];                                                                   \
        return total;                                                                                       \
    }                                                                                                       \
    /* Add share * x to out; the inner product of out, as it is then, with y. */                            \
    static double fs_add_##real(double* out, double share, const real* x, const real* y, ptrdiff_t n)       \
    {                                                                                                       \
        typedef FS_NAME(fr_##real, FR_W) reals;                                                             \
        const FS_DOUBLES zero = {0};                                                                        \
        FS_DOUBLES sums[4] = {zero, zero, zero, zero};                                                      \
        double parts[FR_W], total = 0.0;                                                                    \
        ptrdiff_t i = 0, k;                                                                                 \
        int j;                                                                                              \
        for (; i + 4 * FR_W <= n; i += 4 * FR_W)                                                            \
            FR_UNROLL for (j = 0; j < 4; j++) {                                                             \
                FS_DOUBLES* own = (FS_DOUBLES*)(out + i + j * FR_W);                                        \
                const FS_DOUBLES now = *own + (zero + share) * FS_WIDEN(*(const reals*)(x + i + j * FR_W)); \
                *own = now;                                                                                 \
                sums[j] += now * FS_WIDEN(*(const reals*)(y + i + j * FR_W));                               \
            }                                                                                               \
        *(FS_DOUBLES*)parts = (sums[0] + sums[1]) + (sums[2] + sums[3]);                                    \
        for (k = 0; k < FR_W; k++)                                                                          \
            total += parts[k];                                                                              \
        for (; i < n; i++) {                                                                                \
            out[i] += share * x[i];                                                                         \
            total += out[i] * y[i];                                                                         \
        }                                                                                                   \
        return total;                                                                                       \
    }
FS_DEFINE(float)
FS_DEFINE(double)

#endif
