/* One prediction of negative sampling: a hidden vector against the vectors of a few targets, of which the first is
 * true and the others are noise.
 *
 * Rows are a whole number of blocks of 16 floats, what is beyond their dimensions being zeros. An inner product has 16
 * partial sums on whatever instruction set, added up in the same order, so that all of them give the same bits. All inner
 * products are taken before a row changes; then rows change one target after the other, so that one which occurs twice
 * is right. */
#ifndef FASTCORE_PREDICTIONS_H
#define FASTCORE_PREDICTIONS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "memory_hints.h"

#if defined(__GNUC__)
#if defined(__AVX512F__)
#include <immintrin.h>
#define FP_W 16
#elif defined(__AVX__)
#include <immintrin.h>
#define FP_W 8
#else
#define FP_W 4
#endif
typedef float fp_vec __attribute__((vector_size(4 * FP_W), may_alias));
typedef float fp_quad __attribute__((vector_size(16), may_alias));
typedef int32_t fp_int __attribute__((vector_size(4 * FP_W), may_alias));
#define FP_INLINE static inline __attribute__((always_inline))
#define FP_NOINLINE static __attribute__((noinline))
#define FP_UNROLL _Pragma("GCC unroll 16")
#else
#define FP_W 1
typedef float fp_vec;
typedef int32_t fp_int;
#define FP_INLINE static inline
#define FP_NOINLINE static
#define FP_UNROLL
#endif

enum {
    FP_BLOCK = 16,              /* floats of a block */
    FP_PARTS = FP_BLOCK / FP_W, /* vectors of a block */
    FP_GROUP = 8,               /* rows whose changes are made in one pass */
    /* Inner products taken in one pass: as many as have room for their sums. */
    FP_DOTS = FP_PARTS == 1 ? 8 : FP_PARTS == 2 ? 6 : 3,
    FP_FACTORS = 100            /* at most 2 each: their product is a float */
};

/* The loss of predictions: sum of max(y, 0) + log(1 + exp(-|y|)), y being the logit of the wrong answer. */
typedef struct {
    double sum;
    float linear[FP_BLOCK], product[FP_BLOCK]; /* what isn't in the sum yet */
    int factors;
} fp_loss;

FP_INLINE fp_vec fp_load(const float* p)
{
    fp_vec x;
    memcpy(&x, p, sizeof x);
    return x;
}

FP_INLINE void fp_store(float* p, fp_vec x) { memcpy(p, &x, sizeof x); }

FP_INLINE fp_vec fp_splat(float x)
{
    const fp_vec zero = {0};
    return zero + x;
}

FP_INLINE fp_int fp_bits(fp_vec x)
{
    fp_int r;
    memcpy(&r, &x, sizeof r);
    return r;
}

FP_INLINE fp_vec fp_from_bits(fp_int x)
{
    fp_vec r;
    memcpy(&r, &x, sizeof r);
    return r;
}

/* The sum of a block: lanes half as many at a time down to four, then neighbours. */
FP_INLINE float fp_total(const fp_vec* parts)
{
#if FP_W > 1
    float four[4];
    fp_quad quad;
#if FP_W == 4
    quad = (parts[0] + parts[2]) + (parts[1] + parts[3]);
#else
#if FP_W == 16
    const __m512 whole = (__m512)parts[0];
    const __m256 half = _mm512_castps512_ps256(whole)
        + _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(whole), 1));
#else
    const __m256 half = (__m256)(parts[0] + parts[1]);
#endif
    quad = (fp_quad)(_mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1));
#endif
    memcpy(four, &quad, sizeof four);
    return (four[0] + four[1]) + (four[2] + four[3]);
#else
    float x[FP_BLOCK];
    int k, i;
    memcpy(x, parts, sizeof x);
    for (k = 8; k >= 4; k /= 2)
        for (i = 0; i < k; i++)
            x[i] += x[i + k];
    return (x[0] + x[1]) + (x[2] + x[3]);
#endif
}

FP_INLINE void fp_dots_of(int n, const float* hidden, float* const* rows, ptrdiff_t width, float* logits)
{
    fp_vec sums[FP_DOTS][FP_PARTS];
    ptrdiff_t at;
    int t, p;
    FP_UNROLL for (t = 0; t < n; t++)
        FP_UNROLL for (p = 0; p < FP_PARTS; p++) sums[t][p] = fp_splat(0.0f);
    for (at = 0; at < width; at += FP_BLOCK)
        FP_UNROLL for (p = 0; p < FP_PARTS; p++) {
            const fp_vec h = fp_load(hidden + at + p * FP_W);
            FP_UNROLL for (t = 0; t < n; t++) sums[t][p] += h * fp_load(rows[t] + at + p * FP_W);
        }
    FP_UNROLL for (t = 0; t < n; t++) logits[t] = fp_total(sums[t]);
}

/* A case for each number of rows up to FP_GROUP, each with its own unrolled loops. */
#define FP_CASES(n, call) \
    switch (n) {          \
    case 1: call(1)       \
    case 2: call(2)       \
    case 3: call(3)       \
    case 4: call(4)       \
    case 5: call(5)       \
    case 6: call(6)       \
    case 7: call(7)       \
    default: call(8)      \
    }

/* The hidden vector's inner products with n rows. */
FP_NOINLINE void fp_dots(const float* hidden, float* const* rows, int n, ptrdiff_t width, float* logits)
{
    int done;
    for (done = 0; done < n; done += FP_DOTS) {
#define FP_CALL(m)                                                                              \
    if (m <= FP_DOTS)                                                                           \
        fp_dots_of(m <= FP_DOTS ? m : FP_DOTS, hidden, rows + done, width, logits + done);      \
    break;
        const int some = n - done < FP_DOTS ? n - done : FP_DOTS;
        FP_CASES(some, FP_CALL)
#undef FP_CALL
    }
}

FP_INLINE void fp_changes_of(
    int n, const float* hidden, float* const* rows, const float* steps, ptrdiff_t width, float* change, int first)
{
    ptrdiff_t at;
    int t;
    for (at = 0; at < width; at += FP_W) {
        const fp_vec h = fp_load(hidden + at);
        fp_vec sum = first ? fp_splat(0.0f) : fp_load(change + at);
        FP_UNROLL for (t = 0; t < n; t++) {
            const fp_vec row = fp_load(rows[t] + at), step = fp_splat(steps[t]);
            sum += step * row;
            fp_store(rows[t] + at, row + step * h);
        }
        fp_store(change + at, sum);
    }
}

/* Rows move by their steps along the hidden vector; `change` becomes the sum of steps along the rows as they were. */
FP_NOINLINE void fp_changes(
    const float* hidden, float* const* rows, const float* steps, int n, ptrdiff_t width, float* change)
{
    int done;
    for (done = 0; done < n; done += FP_GROUP) {
#define FP_CALL(m)                                                                            \
    fp_changes_of(m, hidden, rows + done, steps + done, width, change, done == 0);            \
    break;
        const int some = n - done < FP_GROUP ? n - done : FP_GROUP;
        FP_CASES(some, FP_CALL)
#undef FP_CALL
    }
}

static void fp_settle(fp_loss* loss)
{
    int i;
    for (i = 0; i < FP_BLOCK; i++) {
        loss->sum += (double)loss->linear[i] + log((double)loss->product[i]);
        loss->linear[i] = 0.0f;
        loss->product[i] = 1.0f;
    }
    loss->factors = 0;
}

/* Logits of n targets, with room for a multiple of FP_BLOCK, become their steps: rate times how wrong each answer is.
 *
 * exp is 2^k times Taylor's polynomial of degree 7 on |r| <= log(2) / 2, off by less than 2e-7 of its value. */
FP_NOINLINE void fp_steps(float* logits, int n, float rate, fp_loss* loss)
{
    int i;
    logits[0] = -logits[0];
    for (i = n; i % FP_BLOCK; i++)
        logits[i] = -1000.0f;
    for (i = 0; i < n; i += FP_W) {
        const fp_vec one = fp_splat(1.0f), zero = fp_splat(0.0f), shift = fp_splat(12582912.0f);
        const fp_vec y = fp_load(logits + i);
        const fp_int positive = (fp_int)(y > zero);
#if FP_W > 1
        const fp_vec above = fp_from_bits(fp_bits(y) & positive);
#else
        const fp_vec above = positive ? y : 0.0f;
#endif
        /* -|y|, at least -87, where exp is still a normal number; what isn't a number stays so. */
        fp_vec x = y - 2.0f * above;
#if FP_W > 1
        const fp_int low = (fp_int)(x < zero - 87.0f);
        x = fp_from_bits((fp_bits(zero - 87.0f) & low) | (fp_bits(x) & ~low));
#else
        x = x < -87.0f ? -87.0f : x;
#endif
        const fp_vec shifted = x * 1.44269504f + shift, k = shifted - shift;
        const fp_vec r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
        fp_vec e = r * (1.0f / 5040.0f) + 1.0f / 720.0f;
        e = e * r + 1.0f / 120.0f;
        e = e * r + 1.0f / 24.0f;
        e = e * r + 1.0f / 6.0f;
        e = e * r + 0.5f;
        e = e * r + 1.0f;
        e = e * r + 1.0f;
        e = fp_from_bits(fp_bits(e) + ((fp_bits(shifted) - fp_bits(shift)) << 23));
        const fp_vec sum = one + e;
#if FP_W > 1
        const fp_vec top = fp_from_bits((fp_bits(one) & positive) | (fp_bits(e) & ~positive));
#else
        const fp_vec top = positive ? one : e;
#endif
        const int lane = i % FP_BLOCK;
        if (lane == 0 && loss->factors++ == FP_FACTORS) {
            fp_settle(loss);
            loss->factors = 1;
        }
        fp_store(loss->linear + lane, fp_load(loss->linear + lane) + above);
        fp_store(loss->product + lane, fp_load(loss->product + lane) * sum);
        fp_store(logits + i, top / sum * -rate);
    }
    logits[0] = -logits[0];
}

FP_INLINE void fp_fetch(const float* row, ptrdiff_t width)
{
    ptrdiff_t at;
    for (at = 0; at < width; at += FP_BLOCK)
        FASTCORE_PREFETCH(row + at);
}

/* row += factor * change */
FP_NOINLINE void fp_add(float* row, const float* change, float factor, ptrdiff_t width)
{
    ptrdiff_t at;
    const fp_vec by = fp_splat(factor);
    for (at = 0; at < width; at += FP_W)
        fp_store(row + at, fp_load(row + at) + by * fp_load(change + at));
}

#endif
