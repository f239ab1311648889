/* Trajectories side by side, one in each vector element ("lane"). Number i of lane k stands at [i * LANES + k]. */
#ifndef FASTCORE_LANES_H
#define FASTCORE_LANES_H

#include "simd.h"

/* At least two vectors, so that one's latency hides the other's */
#define LANES (FC_BYTES == 64 ? 16 : 8)
#define VECTORS (LANES / FC_W)

FC_INLINE fc_int fv_load(const uint64_t* p) { fc_int r; memcpy(&r, p, sizeof r); return r; }
FC_INLINE void fv_store(uint64_t* p, fc_int x) { memcpy(p, &x, sizeof x); }

/* Whole numbers below 2^53: the halves as the last bits of 2^84 and 2^52 */
FC_INLINE fc_vec fv_whole(fc_int v)
{
#if FC_BYTES == 64
    return (fc_vec)_mm512_cvtepu64_pd((__m512i)v);
#elif FC_BYTES > 8
    const fc_vec high = fc_from_bits((v >> 32) | 0x4530000000000000u);
    const fc_vec low = fc_from_bits((v & 0xffffffffu) | 0x4330000000000000u);
    return (high - 19342813118337666422669312.0) + low; /* 2^84 + 2^52 */
#else
    return (double)(int64_t)v;
#endif
}

/* ---- a yes or no for each element ---- */

#if FC_BYTES == 64
typedef unsigned fc_mask;
FC_INLINE fc_mask fm_less(fc_vec a, fc_vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
FC_INLINE fc_mask fm_not_above(fc_vec a, fc_vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
FC_INLINE unsigned fm_bits(fc_mask m) { return m & 255; }
FC_INLINE fc_vec fm_pick(fc_mask m, fc_vec yes, fc_vec no) { return _mm512_mask_blend_pd((__mmask8)m, no, yes); }
FC_INLINE fc_int fm_pick_bits(fc_mask m, fc_int yes, fc_int no)
{
    return (fc_int)_mm512_mask_blend_epi64((__mmask8)m, (__m512i)no, (__m512i)yes);
}
#elif FC_BYTES > 8
typedef fc_int fc_mask;
FC_INLINE fc_mask fm_less(fc_vec a, fc_vec b) { return (fc_int)(a < b); }
FC_INLINE fc_mask fm_not_above(fc_vec a, fc_vec b) { return (fc_int)(a <= b); }
FC_INLINE unsigned fm_bits(fc_mask m)
{
#if FC_BYTES == 32
    return (unsigned)_mm256_movemask_pd((__m256d)m);
#elif defined(__SSE2__)
    return (unsigned)_mm_movemask_pd((__m128d)m);
#else
    return (unsigned)(m[0] & 1) | (unsigned)(m[1] & 2);
#endif
}
FC_INLINE fc_int fm_pick_bits(fc_mask m, fc_int yes, fc_int no)
{
#if FC_BYTES == 32
    return (fc_int)_mm256_blendv_pd((__m256d)no, (__m256d)yes, (__m256d)m);
#else
    return (m & yes) | (~m & no);
#endif
}
FC_INLINE fc_vec fm_pick(fc_mask m, fc_vec yes, fc_vec no)
{
    return fc_from_bits(fm_pick_bits(m, fc_bits(yes), fc_bits(no)));
}
#else
typedef unsigned fc_mask;
FC_INLINE fc_mask fm_less(fc_vec a, fc_vec b) { return a < b; }
FC_INLINE fc_mask fm_not_above(fc_vec a, fc_vec b) { return a <= b; }
FC_INLINE unsigned fm_bits(fc_mask m) { return m & 1; }
FC_INLINE fc_vec fm_pick(fc_mask m, fc_vec yes, fc_vec no) { return m & 1 ? yes : no; }
FC_INLINE fc_int fm_pick_bits(fc_mask m, fc_int yes, fc_int no) { return m & 1 ? yes : no; }
#endif

/* ---- random streams ---- */

/* A step of xoshiro256++ (_rng.pxd) */
FC_INLINE fc_int fv_xoshiro(fc_int* s0, fc_int* s1, fc_int* s2, fc_int* s3)
{
    const fc_int sum = *s0 + *s3, result = ((sum << 23) | (sum >> 41)) + *s0, shifted = *s1 << 17;
    *s2 ^= *s0;
    *s3 ^= *s1;
    *s1 ^= *s2;
    *s0 ^= *s3;
    *s2 ^= shifted;
    *s3 = (*s3 << 45) | (*s3 >> 19);
    return result;
}

/* Of the lanes of each vector */
typedef struct {
    fc_int s0[VECTORS], s1[VECTORS], s2[VECTORS], s3[VECTORS];
} Streams;

FC_INLINE void streams_load(Streams* streams, const uint64_t* rng)
{
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        streams->s0[v] = fv_load(rng + v * FC_W);
        streams->s1[v] = fv_load(rng + LANES + v * FC_W);
        streams->s2[v] = fv_load(rng + 2 * LANES + v * FC_W);
        streams->s3[v] = fv_load(rng + 3 * LANES + v * FC_W);
    }
}

FC_INLINE void streams_store(const Streams* streams, const fc_mask* where, uint64_t* rng)
{
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        uint64_t* at = rng + v * FC_W;
        fv_store(at, fm_pick_bits(where[v], streams->s0[v], fv_load(at)));
        fv_store(at + LANES, fm_pick_bits(where[v], streams->s1[v], fv_load(at + LANES)));
        fv_store(at + 2 * LANES, fm_pick_bits(where[v], streams->s2[v], fv_load(at + 2 * LANES)));
        fv_store(at + 3 * LANES, fm_pick_bits(where[v], streams->s3[v], fv_load(at + 3 * LANES)));
    }
}

/* The next number of each lane's stream in vector v; streams go on in the lanes of `where`. */
FC_INLINE fc_int streams_next(Streams* streams, int v, fc_mask where)
{
    fc_int s0 = streams->s0[v], s1 = streams->s1[v], s2 = streams->s2[v], s3 = streams->s3[v];
    const fc_int result = fv_xoshiro(&s0, &s1, &s2, &s3);
    streams->s0[v] = fm_pick_bits(where, s0, streams->s0[v]);
    streams->s1[v] = fm_pick_bits(where, s1, streams->s1[v]);
    streams->s2[v] = fm_pick_bits(where, s2, streams->s2[v]);
    streams->s3[v] = fm_pick_bits(where, s3, streams->s3[v]);
    return result;
}

/* Uniform on [0, 1): 53 bits */
FC_INLINE fc_vec streams_uniform(Streams* streams, int v, fc_mask where)
{
    return fv_whole(streams_next(streams, v, where) >> 11) * fc_splat(1.0 / 9007199254740992.0);
}

#endif
