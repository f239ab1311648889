/* Trajectories of the direct method side by side: the same operations in the same order as for one alone, so the same
 * bits.
 *
 * What one trajectory does next waits for what its last event changed; several wait together. All lanes draw, choose
 * and fire at once, without a branch: the change of every species is looked up, where it is 0 too, and every rate is
 * computed afresh, also where it stays as it is and adds 0.0 to the total. What a lane needs seldom its caller does. */
#ifndef FASTCORE_FLIGHT_H
#define FASTCORE_FLIGHT_H

#include "lanes.h"

/* A rate is c * x[a] * (x[b] - minus), with x[pad] = 1.0 where there is no such reactant; reactions of higher order go on
 * through a list. Multiplying by 1.0 is exact, so the twin's shorter product is the same number. A rate that is a program
 * has its work ahead, too. */
typedef struct {
    int32_t a, b;
    double minus;
    int64_t more_start;
    int32_t more; /* further factors, or instructions */
    int32_t program;
} Law;

typedef struct {
    ptrdiff_t n_species, n_reactions;
    const Law* laws;
    const int64_t *more_species, *more_minus;
    const double *width, *inside; /* of the ziggurat's layers */
    const double* by;             /* the changes of all species by each reaction, then by none */
    double *c, *x, *rates;        /* x with a row of 1.0 behind it */
    double *t, *total, *floor;    /* the total is summed afresh where it isn't above the floor */
    double *limit;                /* the next time that is of interest */
    double *following;            /* the time of the next event */
    uint64_t *rng, *bits, *found;
    unsigned flying; /* a bit for each lane that has a trajectory */
} Flight;

/* count, and more where a <= b */
FC_INLINE fc_int fv_counted(fc_int count, fc_vec a, fc_vec b, uint64_t more)
{
#if FC_BYTES == 64
    return (fc_int)_mm512_mask_add_epi64((__m512i)count, _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ), (__m512i)count,
                                         _mm512_set1_epi64((int64_t)more));
#elif FC_BYTES > 8
    return count + ((fc_int)(a <= b) & more);
#else
    return count + (a <= b ? more : 0);
#endif
}

/* The next number of each lane's stream */
FC_INLINE fc_int fv_next(Flight* flight, int v)
{
    uint64_t* rng = flight->rng + v * FC_W;
    fc_int s0 = fv_load(rng), s1 = fv_load(rng + LANES), s2 = fv_load(rng + 2 * LANES), s3 = fv_load(rng + 3 * LANES);
    const fc_int result = fv_xoshiro(&s0, &s1, &s2, &s3);
    fv_store(rng, s0);
    fv_store(rng + LANES, s1);
    fv_store(rng + 2 * LANES, s2);
    fv_store(rng + 3 * LANES, s3);
    return result;
}

/* Draw when the next events come; return the lanes that must be looked at. */
FC_INLINE unsigned flight_when(Flight* flight)
{
    unsigned well = 0;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        const ptrdiff_t at = v * FC_W;
        const fc_int bits = fv_next(flight, v), layer = bits & 255;
        const fc_vec position = fv_whole(bits >> 11), total = fc_load(flight->total + at);
        const fc_vec following = fc_load(flight->t + at) + position * fc_gather(flight->width, layer, 0) / total;
        fc_mask good = fm_less(position, fc_gather(flight->inside, layer, 0));
        good &= fm_less(fc_load(flight->floor + at), total) & fm_less(total, fc_splat(INFINITY));
        good &= ~fm_less(fc_load(flight->limit + at), following);
        fv_store(flight->bits + at, bits);
        fc_store(flight->following + at, following);
        well |= fm_bits(good) << at;
    }
    return ~well & flight->flying;
}

/* Where rounding leaves no reaction, the last that can fire */
static void flight_last(Flight* flight, unsigned lanes)
{
    ptrdiff_t j;
    int k;
    for (k = 0; k < LANES; k++)
        if (lanes >> k & 1) {
            j = flight->n_reactions - 1;
            while (j > 0 && flight->rates[j * LANES + k] <= 0)
                j--;
            flight->found[k] = (uint64_t)(j * flight->n_species);
        }
}

/* The rate of reaction j at these counts */
FC_INLINE void flight_rate(const Flight* flight, const double* counts, ptrdiff_t j, fc_vec* rate)
{
    const Law* law = &flight->laws[j];
    const double *a = counts + law->a * LANES, *b = counts + law->b * LANES, *c = flight->c + j * LANES;
    ptrdiff_t f;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++)
        rate[v] = fc_load(c + v * FC_W) * fc_load(a + v * FC_W) * (fc_load(b + v * FC_W) - fc_splat(law->minus));
    for (f = law->more_start; f < law->more_start + law->more; f++) {
        const double *x = counts + flight->more_species[f] * LANES, minus = (double)flight->more_minus[f];
        FC_UNROLL for (v = 0; v < VECTORS; v++)
            rate[v] *= fc_load(x + v * FC_W) - fc_splat(minus);
    }
}

/* Every rate, and the totals */
FC_INLINE void flight_rates(const Flight* flight, fc_vec* total)
{
    fc_vec rate[VECTORS];
    ptrdiff_t j;
    int v;
    for (j = 0; j < flight->n_reactions; j++) {
        double* rates = flight->rates + j * LANES;
        flight_rate(flight, flight->x, j, rate);
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            total[v] += rate[v] - fc_load(rates + v * FC_W);
            fc_store(rates + v * FC_W, rate[v]);
        }
    }
}

/* The rows of changes of the reactions whose cumulative rates exceed the shares, and what the rates come to: where
 * rounding leaves no reaction, no more than the share */
FC_INLINE void flight_choose(const Flight* flight, const fc_vec* share, fc_vec* cumulative, fc_int* found)
{
    const uint64_t n_species = (uint64_t)flight->n_species;
    ptrdiff_t j;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        cumulative[v] = fc_splat(0.0);
        found[v] = fc_bits(cumulative[v]);
    }
    for (j = 0; j < flight->n_reactions; j++) {
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            cumulative[v] += fc_load(flight->rates + j * LANES + v * FC_W);
            found[v] = fv_counted(found[v], cumulative[v], share[v], n_species);
        }
    }
}

/* Choose the reactions, and let them fire. */
FC_INLINE void flight_which(Flight* flight)
{
    fc_vec total[VECTORS], share[VECTORS], cumulative[VECTORS];
    fc_int found[VECTORS];
    unsigned chosen = 0;
    ptrdiff_t i;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        total[v] = fc_load(flight->total + v * FC_W);
        share[v] = fv_whole(fv_next(flight, v) >> 11) * (1.0 / 9007199254740992.0) * total[v];
    }
    flight_choose(flight, share, cumulative, found);
    FC_UNROLL for (v = 0; v < VECTORS; v++)
        chosen |= fm_bits(fm_less(share[v], cumulative[v])) << (v * FC_W);
    if (flight->flying & ~chosen) {
        FC_UNROLL for (v = 0; v < VECTORS; v++)
            fv_store(flight->found + v * FC_W, found[v]);
        flight_last(flight, flight->flying & ~chosen);
        FC_UNROLL for (v = 0; v < VECTORS; v++)
            found[v] = fv_load(flight->found + v * FC_W);
    }
    for (i = 0; i < flight->n_species; i++) {
        double* x = flight->x + i * LANES;
        FC_UNROLL for (v = 0; v < VECTORS; v++)
            fc_store(x + v * FC_W, fc_load(x + v * FC_W) + fc_gather(flight->by + i, found[v], 0));
    }
    flight_rates(flight, total);
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        const ptrdiff_t at = v * FC_W;
        fc_store(flight->t + at, fc_load(flight->following + at));
        fc_store(flight->total + at, total[v]);
        fc_store(flight->floor + at, fc_max(total[v] * (1.0 / 1024), fc_load(flight->floor + at)));
    }
}

#endif
