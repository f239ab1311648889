/* Poisson random numbers of lanes: those that poisson.pxi draws, from the same streams.
 *
 * Its decisions hang on logarithms and an exponential, which come out a little differently here. Where a decision is so
 * close that this could matter, a lane is said to be unsure, and is left to one alone. */
#ifndef FASTCORE_POISSON_H
#define FASTCORE_POISSON_H

#include "lanes.h"

#define UNSURE 1e-6           /* how close a decision may be, by logarithms of nine digits */
#define UNSURE_SHARE 1e-13    /* and by sums of up to 1 */
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

/* log(x / y), by s = (x - y) / (x + y) from -1/2 to 1/2, to eight digits, and to all of them where s is small; what the
 * series leaves after two terms is interpolated at Chebyshev's points. */
FC_INLINE fc_vec fc_log_ratio(fc_vec s)
{
    const fc_vec z = s * s, square = z * z;
    const fc_vec low = fc_splat(0.3999998712918667) + z * fc_splat(0.28573091734181144);
    const fc_vec middle = fc_splat(0.22164715280650216) + z * fc_splat(0.18995525673932437);
    const fc_vec high = fc_splat(0.10053121339005883) + z * fc_splat(0.28697112467489205);
    const fc_vec rest = low + square * (middle + square * high);
    return s * (fc_splat(2.0) + z * (fc_splat(2.0 / 3) + z * rest));
}

/* log(x) for x > 0, to eight digits: a power of two, and log(1 + f) / f as interpolated at Chebyshev's points between the
 * roots of 1/2 and 2 */
FC_INLINE fc_vec fc_log(fc_vec x)
{
    const uint64_t root = 0x3fe6a09e667f3bcdu; /* of 1/2 */
    const fc_int shifted = fc_bits(x) + (0x3ff0000000000000u - root);
    const fc_vec power = fv_whole(shifted >> 52) - fc_splat(1023.0);
    const fc_vec f = fc_from_bits((shifted & 0xfffffffffffffu) + root) - fc_splat(1.0), z = f * f, square = z * z;
    const fc_vec first = fc_splat(0.9999999742674376) - f * fc_splat(0.49999987032284887);
    const fc_vec second = fc_splat(0.33334183338524814) - f * fc_splat(0.2500215346094928);
    const fc_vec third = fc_splat(0.1995697748303217) - f * fc_splat(0.16560695992202645);
    const fc_vec fourth = fc_splat(0.14949095476738028) - f * fc_splat(0.14377330566379237);
    const fc_vec low = first + z * second, high = third + z * fourth + square * fc_splat(0.08743945349124257);
    return power * fc_splat(0.6931471805599453) + f * (low + square * high);
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
            const fc_mask more = fm_less(fc_splat(UNSURE_SHARE), apart);
            unsure[v] |= alive[v] & ~more & ~fm_less(apart, fc_splat(-UNSURE_SHARE));
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

/* By transformed rejection with a squeeze, for means from 10 on */
FC_INLINE void lanes_large(Streams* streams, const fc_vec* mean, const fc_mask* wanted, fc_vec* drawn, fc_mask* unsure)
{
    const fc_vec zero = fc_splat(0.0), half = fc_splat(0.5);
    fc_vec a[VECTORS], b[VECTORS], inverse[VECTORS], squeeze[VECTORS];
    fc_mask alive[VECTORS];
    unsigned left = 0;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        const fc_vec wide = fc_splat(0.931) + fc_splat(2.53) * fc_sqrt(mean[v]);
        const fc_vec x = wide - fc_splat(3.4), y = wide - fc_splat(2.0), per = fc_splat(1.0) / (x * y);
        a[v] = fc_splat(-0.059) + fc_splat(0.02483) * wide;
        b[v] = wide;
        inverse[v] = fc_splat(1.1239) + fc_splat(1.1328) * (y * per);
        squeeze[v] = fc_splat(0.9277) - fc_splat(3.6224) * (x * per);
        alive[v] = wanted[v];
        left |= fm_bits(alive[v]);
    }
    while (left) {
        left = 0;
        for (v = 0; v < VECTORS; v++) {
            fc_vec x, y, within, square, place, k, off, both, bottom, all, per, height, tail, gain, close;
            fc_mask refused, inner, squeezed, open, doubtful, yes, no;
            if (!fm_bits(alive[v]))
                continue;
            x = streams_uniform(streams, v, alive[v]) - half;
            y = streams_uniform(streams, v, alive[v]);
            within = half - fc_max(x, zero - x);
            place = (fc_splat(2.0) * a[v] / within + b[v]) * x + mean[v] + fc_splat(0.43);
            k = fc_floor(place);
            refused = fm_not_above(within, zero) | fm_less(place, zero)
                      | (fm_less(within, fc_splat(0.013)) & fm_less(within, y));
            inner = fm_not_above(fc_splat(0.07), within);
            squeezed = inner & fm_less(y, squeeze[v] - fc_splat(UNSURE_SHARE));
            open = alive[v] & ~refused & ~squeezed;
            yes = squeezed;
            if (fm_bits(open)) {
                /* Three divisions in one: by k, by k + mean, and by the bottom of the height */
                square = within * within;
                off = k - mean[v];
                both = k + mean[v];
                bottom = a[v] + b[v] * square;
                all = fc_splat(1.0) / (k * both * bottom);
                per = both * bottom * all;
                height = y * inverse[v] * square * (k * both * all);
                tail = per * (fc_splat(1.0 / 12) - per * per * (fc_splat(1.0 / 360) - per * per * fc_splat(1.0 / 1260)));
                gain = off - k * fc_log_ratio(off * (k * bottom * all)) - tail
                       - half * fc_log(height * height * (fc_splat(6.283185307179586) * k));
                close = fc_splat(UNSURE) + fc_splat(UNSURE_SHARE) * fc_max(off, zero - off);
                /* Where the series is short, the ratio large, or y on the squeeze's edge */
                doubtful = fm_less(k, fc_splat(3.0)) | fm_less(k * fc_splat(3.0), mean[v])
                           | fm_less(mean[v] * fc_splat(3.0), k) | fm_not_above(y, zero)
                           | (inner & fm_less(y, squeeze[v] + fc_splat(UNSURE_SHARE)));
                yes |= ~doubtful & fm_less(close, gain);
                no = ~doubtful & fm_less(gain, zero - close);
                unsure[v] |= open & ~yes & ~no;
            }
            yes &= alive[v] & ~refused;
            drawn[v] = fm_pick(yes, k, drawn[v]);
            alive[v] &= ~yes & ~unsure[v];
            left |= fm_bits(alive[v]);
        }
    }
}

/* A number of each lane of `wanted`, 0 in others; `unsure` grows by lanes whose numbers aren't to be trusted, whose
 * streams may have gone anywhere. */
FC_INLINE void lanes_poisson(Streams* streams, const fc_vec* mean, const fc_mask* wanted, fc_vec* drawn, fc_mask* unsure)
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
        lanes_large(streams, high, large, drawn, unsure);
}

#endif
