/* Vectors of doubles (fc_) and floats (fs_): as wide as the instruction set, one element without GCC's extensions. */
#ifndef FASTCORE_SIMD_H
#define FASTCORE_SIMD_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#if defined(__AVX512F__)
#include <immintrin.h>
#define FC_BYTES 64
#elif defined(__AVX__)
#include <immintrin.h>
#define FC_BYTES 32
#else
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#define FC_BYTES 16
#endif
typedef double fc_vec __attribute__((vector_size(FC_BYTES), may_alias));
typedef double fc_loose __attribute__((vector_size(FC_BYTES), may_alias, aligned(8)));
typedef uint64_t fc_int __attribute__((vector_size(FC_BYTES), may_alias));
#define FC_INLINE static inline __attribute__((always_inline))
#define FC_UNROLL _Pragma("GCC unroll 8")
#else
#define FC_BYTES 8
typedef double fc_vec;
typedef double fc_loose;
typedef uint64_t fc_int;
#define FC_INLINE static inline
#define FC_UNROLL
#endif

enum { FC_W = FC_BYTES / 8 };

/* a * b + c, rounded as often as the same expression of vectors: a scalar sum in a loop may lose its fused form */
FC_INLINE double fc_fma(double a, double b, double c)
{
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

FC_INLINE fc_vec fc_load(const double* p) { return *(const fc_loose*)p; }
FC_INLINE void fc_store(double* p, fc_vec x) { *(fc_loose*)p = x; }
FC_INLINE fc_int fc_bits(fc_vec x) { fc_int r; memcpy(&r, &x, sizeof r); return r; }
FC_INLINE fc_vec fc_from_bits(fc_int x) { fc_vec r; memcpy(&r, &x, sizeof r); return r; }
/* x - 0 is x whatever its sign, so that nothing of the subtraction is left; 0 + x isn't. */
FC_INLINE fc_vec fc_splat(double x) { fc_vec zero = {0}; return x - zero; }

FC_INLINE fc_vec fc_max(fc_vec a, fc_vec b)
{
#if FC_BYTES == 64
    return _mm512_max_pd(a, b);
#elif FC_BYTES == 32
    return _mm256_max_pd(a, b);
#elif FC_BYTES == 16 && defined(__SSE2__)
    return _mm_max_pd(a, b);
#elif FC_BYTES == 16
    fc_int above = a > b;
    return fc_from_bits((above & fc_bits(a)) | (~above & fc_bits(b)));
#else
    return a > b ? a : b;
#endif
}

FC_INLINE fc_vec fc_min(fc_vec a, fc_vec b) { return -fc_max(-a, -b); }

/* x where test >= bound, else 0 */
FC_INLINE fc_vec fc_keep(fc_vec x, fc_vec test, fc_vec bound)
{
#if FC_BYTES == 64
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(test, bound, _CMP_GE_OQ), x);
#elif FC_BYTES > 8
    return fc_from_bits(fc_bits(x) & (fc_int)(test >= bound));
#else
    return test >= bound ? x : 0.0;
#endif
}

/* yes where a > b, else no */
FC_INLINE fc_int fc_choose(fc_vec a, fc_vec b, fc_int yes, fc_int no)
{
#if FC_BYTES == 64
    return (fc_int)_mm512_mask_mov_epi64((__m512i)no, _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ), (__m512i)yes);
#elif FC_BYTES > 8
    const fc_int above = (fc_int)(a > b);
    return (above & yes) | (~above & no);
#else
    return a > b ? yes : no;
#endif
}

/* base[index] for each of FC_W indices, which are below 8 if `few` */
FC_INLINE fc_vec fc_gather(const double* base, fc_int index, int few)
{
#if FC_BYTES == 64
    return few ? _mm512_permutexvar_pd((__m512i)index, fc_load(base)) : _mm512_i64gather_pd((__m512i)index, base, 8);
#elif defined(__AVX2__)
    (void)few;
    return _mm256_i64gather_pd(base, (__m256i)index, 8);
#else
    double found[FC_W];
    uint64_t at[FC_W];
    int k;
    memcpy(at, &index, sizeof at);
    for (k = 0; k < FC_W; k++)
        found[k] = base[at[k]];
    (void)few;
    return fc_load(found);
#endif
}

FC_INLINE double fc_horizontal_max(fc_vec x)
{
    double parts[FC_W], most;
    int k;
    fc_store(parts, x);
    most = parts[0];
    for (k = 1; k < FC_W; k++)
        most = parts[k] > most ? parts[k] : most;
    return most;
}

#define FC_MAGIC 6755399441055744.0 /* 1.5 * 2^52: adding it rounds, and leaves the integer in the low bits */
#define FS_MAGIC 12582912.0f        /* 1.5 * 2^23 */
#define FC_LN2_HIGH 6.93147180369123816490e-01
#define FC_LN2_LOW 1.90821492927058770002e-10
#define FS_LN2_HIGH 0.693359375f
#define FS_LN2_LOW -2.12194440e-4f

/* (exp(r) - 1) / r for abs(r) <= log(2) / 2, correct to about an ulp: 1 + r / 2, and what Chebyshev's points give for
 * the rest */
FC_INLINE fc_vec fc_series(fc_vec r)
{
    fc_vec p = fc_splat(2.510038549551032e-08);
    p = p * r + fc_splat(2.7620088445409746e-07);
    p = p * r + fc_splat(2.7557268459997064e-06);
    p = p * r + fc_splat(2.4801521295954376e-05);
    p = p * r + fc_splat(0.00019841269863053618);
    p = p * r + fc_splat(0.0013888888917213717);
    p = p * r + fc_splat(0.008333333333330062);
    p = p * r + fc_splat(0.04166666666662413);
    p = p * r + fc_splat(0.16666666666666669);
    p = p * r + fc_splat(0.5);
    return p * r + fc_splat(1.0);
}

/* exp(x) for x <= 0, correct to about an ulp; 0 below -708. exp(x) = 2^n exp(r), abs(r) <= log(2) / 2. */
FC_INLINE fc_vec fc_exp(fc_vec x)
{
    const fc_vec least = fc_splat(-708.0), magic = fc_splat(FC_MAGIC);
    const fc_vec clamped = fc_max(x, least);
    const fc_vec shifted = clamped * fc_splat(1.4426950408889634) + magic;
    const fc_vec n = shifted - magic;
    fc_vec r = clamped - n * fc_splat(FC_LN2_HIGH), p;
    r = r - n * fc_splat(FC_LN2_LOW);
    p = fc_series(r) * r + fc_splat(1.0);
    /* n sits in the low bits of shifted; moved to the exponent field it multiplies by 2^n. */
#if FC_BYTES == 64
    return (fc_vec)_mm512_maskz_add_epi64(_mm512_cmp_pd_mask(x, least, _CMP_GE_OQ), (__m512i)p,
                                          _mm512_slli_epi64((__m512i)shifted, 52));
#else
    p = fc_from_bits(fc_bits(p) + (fc_bits(shifted) << 52));
    return fc_keep(p, x, least);
#endif
}

/* The power of two that brings x > 0 into [1, 2), and in *exponent what to add to the count of twos taken out. */
FC_INLINE fc_vec fc_rescale(fc_vec x, fc_int* exponent)
{
    const fc_int biased = (fc_bits(x) >> 52) & 0x7ff;
    *exponent = biased - 1023;
    return fc_from_bits((2046 - biased) << 52);
}

/* ---- the same for floats ---- */

#if FC_BYTES > 8
typedef float fs_vec __attribute__((vector_size(FC_BYTES), may_alias));
typedef float fs_loose __attribute__((vector_size(FC_BYTES), may_alias, aligned(4)));
typedef uint32_t fs_int __attribute__((vector_size(FC_BYTES), may_alias));
enum { FS_W = FC_BYTES / 4 };
#else
typedef float fs_vec;
typedef float fs_loose;
typedef uint32_t fs_int;
enum { FS_W = 1 };
#endif

FC_INLINE fs_vec fs_load(const float* p) { return *(const fs_loose*)p; }
FC_INLINE void fs_store(float* p, fs_vec x) { *(fs_loose*)p = x; }
FC_INLINE fs_int fs_bits(fs_vec x) { fs_int r; memcpy(&r, &x, sizeof r); return r; }
FC_INLINE fs_vec fs_from_bits(fs_int x) { fs_vec r; memcpy(&r, &x, sizeof r); return r; }
FC_INLINE fs_vec fs_splat(float x) { fs_vec zero = {0}; return x - zero; }

FC_INLINE fs_vec fs_max(fs_vec a, fs_vec b)
{
#if FC_BYTES == 64
    return _mm512_max_ps(a, b);
#elif FC_BYTES == 32
    return _mm256_max_ps(a, b);
#elif FC_BYTES == 16 && defined(__SSE2__)
    return _mm_max_ps(a, b);
#elif FC_BYTES == 16
    fs_int above = (fs_int)(a > b);
    return fs_from_bits((above & fs_bits(a)) | (~above & fs_bits(b)));
#else
    return a > b ? a : b;
#endif
}

FC_INLINE fs_vec fs_series(fs_vec r)
{
    fs_vec p = fs_splat(0.0013926183587713494f);
    p = p * r + fs_splat(0.008363179052722578f);
    p = p * r + fs_splat(0.041666554617204574f);
    p = p * r + fs_splat(0.16666576989698775f);
    p = p * r + fs_splat(0.5f);
    return p * r + fs_splat(1.0f);
}

/* exp(x) for x <= 0, as fc_exp does it; 0 below -86 */
FC_INLINE fs_vec fs_exp(fs_vec x)
{
    const fs_vec least = fs_splat(-86.0f), magic = fs_splat(FS_MAGIC);
    const fs_vec clamped = fs_max(x, least);
    const fs_vec shifted = clamped * fs_splat(1.44269504f) + magic;
    const fs_vec n = shifted - magic;
    fs_vec r = clamped - n * fs_splat(FS_LN2_HIGH), p;
    r = r - n * fs_splat(FS_LN2_LOW);
    p = fs_series(r) * r + fs_splat(1.0f);
#if FC_BYTES == 64
    return (fs_vec)_mm512_maskz_add_epi32(_mm512_cmp_ps_mask(x, least, _CMP_GE_OQ), (__m512i)p,
                                          _mm512_slli_epi32((__m512i)shifted, 23));
#elif FC_BYTES > 8
    return fs_from_bits((fs_bits(p) + (fs_bits(shifted) << 23)) & (fs_int)(x >= least));
#else
    return x >= least ? fs_from_bits(fs_bits(p) + (fs_bits(shifted) << 23)) : 0.0f;
#endif
}

#endif
