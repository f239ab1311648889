/* Numbers that lie one after another in each of FC_W sequences, turned so that a vector holds one of each. */
#ifndef FASTCORE_CHAIN_TRANSPOSE_H
#define FASTCORE_CHAIN_TRANSPOSE_H

#include "simd.h"

FC_INLINE double fc_score(const void* scores, int single, ptrdiff_t i)
{
    return single ? ((const float*)scores)[i] : ((const double*)scores)[i];
}

/* FC_W scores from number `at` on */
FC_INLINE fc_vec fc_load_scores(const char* row, int single, ptrdiff_t at)
{
#if FC_BYTES == 64
    if (single)
        return _mm512_cvtps_pd(_mm256_loadu_ps((const float*)row + at));
#elif FC_BYTES == 32
    if (single)
        return _mm256_cvtps_pd(_mm_loadu_ps((const float*)row + at));
#else
    if (single) {
        double parts[FC_W];
        int k;
        for (k = 0; k < FC_W; k++)
            parts[k] = ((const float*)row)[at + k];
        return fc_load(parts);
    }
#endif
    return fc_load((const double*)row + at);
}

/* out[i * FC_W + k] is number at + i of row k, for i < FC_W */
FC_INLINE void fc_transpose(const char* const* rows, int single, ptrdiff_t at, double* out)
{
    int k;
#if FC_BYTES == 64
    __m512d pairs[8], fours[8];
    for (k = 0; k < 8; k += 2) {
        const __m512d a = fc_load_scores(rows[k], single, at), b = fc_load_scores(rows[k + 1], single, at);
        pairs[k] = _mm512_unpacklo_pd(a, b);
        pairs[k + 1] = _mm512_unpackhi_pd(a, b);
    }
    for (k = 0; k < 2; k++) {
        fours[k] = _mm512_shuffle_f64x2(pairs[k], pairs[k + 2], 0x88);
        fours[k + 2] = _mm512_shuffle_f64x2(pairs[k], pairs[k + 2], 0xdd);
        fours[k + 4] = _mm512_shuffle_f64x2(pairs[k + 4], pairs[k + 6], 0x88);
        fours[k + 6] = _mm512_shuffle_f64x2(pairs[k + 4], pairs[k + 6], 0xdd);
    }
    for (k = 0; k < 4; k++) {
        fc_store(out + k * 8, _mm512_shuffle_f64x2(fours[k], fours[k + 4], 0x88));
        fc_store(out + (k + 4) * 8, _mm512_shuffle_f64x2(fours[k], fours[k + 4], 0xdd));
    }
#elif FC_BYTES == 32
    __m256d pairs[4];
    for (k = 0; k < 4; k += 2) {
        const __m256d a = fc_load_scores(rows[k], single, at), b = fc_load_scores(rows[k + 1], single, at);
        pairs[k] = _mm256_unpacklo_pd(a, b);
        pairs[k + 1] = _mm256_unpackhi_pd(a, b);
    }
    for (k = 0; k < 2; k++) {
        fc_store(out + k * 4, _mm256_permute2f128_pd(pairs[k], pairs[k + 2], 0x20));
        fc_store(out + (k + 2) * 4, _mm256_permute2f128_pd(pairs[k], pairs[k + 2], 0x31));
    }
#elif FC_BYTES == 16 && defined(__SSE2__)
    const __m128d a = fc_load_scores(rows[0], single, at), b = fc_load_scores(rows[1], single, at);
    fc_store(out, _mm_unpacklo_pd(a, b));
    fc_store(out + 2, _mm_unpackhi_pd(a, b));
    (void)k;
#else
    int i;
    for (i = 0; i < FC_W; i++)
        for (k = 0; k < FC_W; k++)
            out[i * FC_W + k] = fc_score(rows[k], single, at + i);
#endif
}

#endif
