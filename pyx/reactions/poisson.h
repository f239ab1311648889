/* Poisson random numbers of lanes: those that poisson.pxi draws, from the same streams.
 *
 * Its decisions hang on logarithms and an exponential, which come out a little differently here. Where a decision is so
 * close that this could matter, a lane is said to be unsure, and is left to one alone. */
#ifndef FASTCORE_POISSON_H
#define FASTCORE_POISSON_H

#include "lanes.h"

#define UNSURE 1e-12          /* how close a decision may be, beside numbers of about 1 */
#define LARGEST_DRAWN 0x1p50  /* above, whole numbers are left to one alone */
#define MOST_TERMS 96         /* of an inversion */

FC_INLINE fc_vec fc_sqrt(fc_vec x)
{
#if FC_BYTES == 64
    return (fc_vec)_mm512_sqrt_pd((__m512d)x);
#elif FC_BYTES == 32
    return (fc_vec)_mm256_sqrt_pd((__m256d)x);
#elif FC_BYTES == 16 && defined(__SSE2__)
    return (fc_vec)_mm_sqrt_pd((__m128d)x);
#elif FC_BYTES == 16
    return (fc_vec){sqrt(x[0]), sqrt(x[1])};
#else
    return sqrt(x);
#endif
}

/* The largest whole number that isn't above x, which lies between 0 and 2^51 */
FC_INLINE fc_vec fc_floor(fc_vec x)
{
    const fc_vec magic = fc_splat(0x1p52), nearest = (x + magic) - magic;
    return nearest - fm_pick(fm_less(x, nearest), fc_splat(1.0), fc_splat(0.0));
}

/* Twice the area tangent of s, whose square is at most 0.03, to 13 digits */
FC_INLINE fc_vec fc_artanh(fc_vec s)
{
    const fc_vec z = s * s;
    fc_vec p = fc_splat(2.0 / 17);
    p = p * z + fc_splat(2.0 / 15);
    p = p * z + fc_splat(2.0 / 13);
    p = p * z + fc_splat(2.0 / 11);
    p = p * z + fc_splat(2.0 / 9);
    p = p * z + fc_splat(2.0 / 7);
    p = p * z + fc_splat(2.0 / 5);
    p = p * z + fc_splat(2.0 / 3);
    return s * (p * z + fc_splat(2.0));
}

/* x > 0 as a power of two and a number between the roots of 1/2 and 2 */
FC_INLINE fc_vec fc_split(fc_vec x, fc_vec* power)
{
    const uint64_t root = 0x3fe6a09e667f3bcdu; /* of 1/2 */
    const fc_int shifted = fc_bits(x) + (0x3ff0000000000000u - root);
    *power = fv_whole(shifted >> 52) - fc_splat(1023.0);
    return fc_from_bits((shifted & 0xfffffffffffffu) + root);
}

/* log(x / y), which loses nothing where they are close */
FC_INLINE fc_vec fc_log_ratio(fc_vec x, fc_vec y, fc_vec ratio)
{
    fc_vec power;
    const fc_vec rest = fc_split(ratio, &power), zero = fc_splat(0.0);
    const fc_mask close = fm_not_above(power, zero) & fm_not_above(zero, power);
    const fc_vec one = fc_splat(1.0);
    const fc_vec over = fm_pick(close, x, rest), under = fm_pick(close, y, one);
    return power * fc_splat(0.6931471805599453) + fc_artanh((over - under) / (over + under));
}

/* By inversion, for means below 10 */
FC_INLINE void lanes_small(Streams* streams, const fc_vec* mean, const fc_mask* wanted, fc_vec* drawn, fc_mask* unsure)
{
    fc_vec share[VECTORS], term[VECTORS];
    fc_mask alive[VECTORS];
    unsigned left = 0;
    int v, k;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        alive[v] = wanted[v];
        share[v] = streams_uniform(streams, v, wanted[v]);
        term[v] = fc_exp(fc_splat(0.0) - mean[v]);
        left |= fm_bits(alive[v]);
    }
    for (k = 0; left; k++) {
        const double next = k + 1.0, per = 1.0 / next;
        left = 0;
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            const fc_vec apart = share[v] - term[v];
            const fc_mask more = fm_less(fc_splat(UNSURE), apart);
            unsure[v] |= alive[v] & ~more & ~fm_less(apart, fc_splat(-UNSURE));
            alive[v] &= more;
            drawn[v] = fm_pick(alive[v], fc_splat(next), drawn[v]);
            share[v] = apart;
            term[v] *= mean[v] * fc_splat(per);
            left |= fm_bits(alive[v]);
        }
        if (k == MOST_TERMS) {
            FC_UNROLL for (v = 0; v < VECTORS; v++)
                unsure[v] |= alive[v];
            break;
        }
    }
}

/* By transformed rejection with a squeeze, for means from 10 on; `tails` holds what Stirling's formula leaves of log k!
 * at k = 1 to 9, and is 16 long. */
FC_INLINE void lanes_large(
    Streams* streams, const double* tails, const fc_vec* mean, const fc_mask* wanted, fc_vec* drawn, fc_mask* unsure)
{
    fc_vec a[VECTORS], b[VECTORS], inverse[VECTORS], squeeze[VECTORS];
    fc_mask alive[VECTORS];
    unsigned left = 0;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        b[v] = fc_splat(0.931) + fc_splat(2.53) * fc_sqrt(mean[v]);
        a[v] = fc_splat(-0.059) + fc_splat(0.02483) * b[v];
        inverse[v] = fc_splat(1.1239) + fc_splat(1.1328) / (b[v] - fc_splat(3.4));
        squeeze[v] = fc_splat(0.9277) - fc_splat(3.6224) / (b[v] - fc_splat(2.0));
        alive[v] = wanted[v];
        left |= fm_bits(alive[v]);
    }
    while (left) {
        left = 0;
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            const fc_vec zero = fc_splat(0.0), half = fc_splat(0.5);
            const fc_vec x = streams_uniform(streams, v, alive[v]) - half, y = streams_uniform(streams, v, alive[v]);
            const fc_vec within = half - fc_max(x, zero - x), square = within * within;
            const fc_vec place = (fc_splat(2.0) * a[v] / within + b[v]) * x + mean[v] + fc_splat(0.43);
            const fc_vec k = fc_floor(place), per = fc_splat(1.0) / k, off = k - mean[v], further = per * per;
            const fc_vec series = per * (fc_splat(0.08333333333333333) - further * (fc_splat(0.002777777777777778)
                                         - further * fc_splat(0.0007936507936507937)));
            const fc_mask few = fm_less(k, fc_splat(10.0));
            const fc_int at = fc_bits(fc_min(k, fc_splat(9.0)) + fc_splat(0x1p52)) & 15;
            const fc_vec tail = fm_pick(few, fc_gather(tails, at, 0), series);
            const fc_vec height = y * inverse[v] * square / (a[v] + b[v] * square);
            const fc_vec spread = height * height * (fc_splat(6.283185307179586) * k);
            const fc_vec gain = k * fc_log_ratio(mean[v], k, mean[v] * per) + off - tail
                                - half * fc_log_ratio(spread, fc_splat(1.0), spread);
            const fc_vec close = fc_splat(UNSURE) * (fc_splat(1.0) + fc_max(off, zero - off));
            const fc_mask refused = fm_not_above(within, zero) | fm_less(place, zero)
                                    | (fm_less(within, fc_splat(0.013)) & fm_less(within, y));
            const fc_mask squeezed = fm_not_above(fc_splat(0.07), within) & fm_not_above(y, squeeze[v]);
            const fc_mask doubtful = fm_less(k, fc_splat(1.0)) | fm_not_above(y, zero);
            fc_mask taken = ~doubtful & fm_less(close, gain), clear = taken | (~doubtful & fm_less(gain, zero - close));
            taken = alive[v] & ~refused & (squeezed | taken);
            unsure[v] |= alive[v] & ~refused & ~squeezed & ~clear;
            drawn[v] = fm_pick(taken, k, drawn[v]);
            alive[v] &= ~taken & ~unsure[v];
            left |= fm_bits(alive[v]);
        }
    }
}

/* A number of each lane of `wanted`, 0 in others; `unsure` grows by lanes whose numbers aren't to be trusted, whose
 * streams may have gone anywhere. */
FC_INLINE void lanes_poisson(
    Streams* streams, const double* tails, const fc_vec* mean, const fc_mask* wanted, fc_vec* drawn, fc_mask* unsure)
{
    fc_mask small[VECTORS], large[VECTORS];
    fc_vec low[VECTORS], high[VECTORS];
    unsigned any_small = 0, any_large = 0;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        const fc_vec ten = fc_splat(10.0);
        small[v] = wanted[v] & fm_less(mean[v], ten);
        unsure[v] |= wanted[v] & ~fm_less(mean[v], fc_splat(LARGEST_DRAWN));
        large[v] = wanted[v] & ~small[v] & ~unsure[v];
        low[v] = fm_pick(small[v], mean[v], fc_splat(1.0));
        high[v] = fm_pick(large[v], mean[v], ten);
        drawn[v] = fc_splat(0.0);
        any_small |= fm_bits(small[v]);
        any_large |= fm_bits(large[v]);
    }
    if (any_small)
        lanes_small(streams, low, small, drawn, unsure);
    if (any_large)
        lanes_large(streams, tails, high, large, drawn, unsure);
}

#endif
