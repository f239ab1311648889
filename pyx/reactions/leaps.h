/* Leaps (leaping.pxi) of trajectories side by side, and the single events between them: the same operations in the same
 * order as for one alone, so the same bits. A lane whose leap isn't a plain one, or whose event isn't, stays where it is,
 * its stream too, and is left to one alone. */
#ifndef FASTCORE_LEAPS_H
#define FASTCORE_LEAPS_H

#include "flight.h"
#include "poisson.h"

typedef struct {
    int64_t species;
    double by;
} Change;

typedef struct {
    double order; /* of a reaction */
    int32_t times; /* that a species stands in it */
} Pair;

typedef struct {
    Flight* flight;
    double epsilon, critical, fewest, largest, most;
    const int64_t* change_at; /* of each reaction */
    const Change* changes;
    const int64_t* pair_at; /* of each species */
    const Pair* pairs;
    double *mean, *variance, *used, *middle, *following;     /* rows of species, `middle` with one of 1.0 behind it */
    double* expected;                                        /* rows of reactions */
    double* fired;                                           /* so far, about */
    int64_t* n_events;                                       /* and exactly */
    double* left;                                            /* steps until the lane is looked at */
} Leapers;

/* Lanes of which nothing else is due */
FC_INLINE fc_mask leaps_ready(const Leapers* it, int v)
{
    return fm_less(fc_splat(0.0), fc_load(it->left + v * FC_W))
           & fm_less(fc_load(it->flight->t + v * FC_W), fc_load(it->flight->limit + v * FC_W))
           & fm_less(fc_load(it->fired + v * FC_W), fc_splat(it->most));
}

/* Keep what lanes did in whose counts nothing is wrong; return a bit for each of them. */
FC_INLINE unsigned leaps_keep(Leapers* it, fc_mask* good, const fc_vec* now, const fc_vec* fired, const Streams* streams)
{
    const Flight* flight = it->flight;
    const fc_vec zero = fc_splat(0.0);
    double count[LANES];
    unsigned kept = 0;
    ptrdiff_t i;
    int v, k;
    for (i = 0; i < flight->n_species; i++) {
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            const fc_vec x = fc_load(it->following + i * LANES + v * FC_W);
            good[v] &= fm_not_above(zero, x) & fm_not_above(x, fc_splat(it->largest));
        }
    }
    for (i = 0; i < flight->n_species; i++) {
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            double* x = flight->x + i * LANES + v * FC_W;
            fc_store(x, fm_pick(good[v], fc_load(it->following + i * LANES + v * FC_W), fc_load(x)));
        }
    }
    streams_store(streams, good, flight->rng);
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        double *t = flight->t + v * FC_W, *left = it->left + v * FC_W, *events = it->fired + v * FC_W;
        const fc_vec more = fm_pick(good[v], fired[v], zero);
        fc_store(t, fm_pick(good[v], now[v], fc_load(t)));
        fc_store(left, fc_load(left) - fm_pick(good[v], fc_splat(1.0), zero));
        fc_store(events, fc_load(events) + more);
        fc_store(count + v * FC_W, more);
        kept |= fm_bits(good[v]) << (v * FC_W);
    }
    for (k = 0; k < LANES; k++)
        it->n_events[k] += (int64_t)count[k];
    return kept;
}

/* How far rates may go until each has changed by about a part epsilon */
FC_INLINE void leaps_longest(const Leapers* it, fc_vec* longest)
{
    const Flight* flight = it->flight;
    ptrdiff_t i, k;
    int32_t less;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++)
        longest[v] = fc_splat(INFINITY);
    for (i = 0; i < flight->n_species; i++) {
        const fc_vec one = fc_splat(1.0), zero = fc_splat(0.0);
        fc_vec highest[VECTORS];
        if (it->pair_at[i] == it->pair_at[i + 1])
            continue;
        FC_UNROLL for (v = 0; v < VECTORS; v++)
            highest[v] = one;
        for (k = it->pair_at[i]; k < it->pair_at[i + 1]; k++) {
            const Pair* pair = &it->pairs[k];
            if (pair->times == 1) {
                FC_UNROLL for (v = 0; v < VECTORS; v++)
                    highest[v] = fc_max(highest[v], fc_splat(pair->order)); /* also where x is 0, and highest unused */
                continue;
            }
            FC_UNROLL for (v = 0; v < VECTORS; v++) {
                const fc_vec x = fc_load(flight->x + i * LANES + v * FC_W), times = fc_splat(pair->times);
                fc_vec total = zero;
                for (less = 0; less < pair->times; less++)
                    total += x / (x - fc_splat(less));
                total = fc_splat(pair->order) * total / times;
                highest[v] = fc_max(highest[v], fm_pick(fm_less(x, times), one, total));
            }
        }
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            const ptrdiff_t at = i * LANES + v * FC_W;
            const fc_vec mean = fc_load(it->mean + at), variance = fc_load(it->variance + at);
            const fc_vec change = fc_max(fc_splat(it->epsilon) * fc_load(flight->x + at) / highest[v], one);
            const fc_vec moved = fc_max(fc_max(mean, zero - mean), fc_load(it->used + at));
            longest[v] = fc_min(longest[v], change / moved);
            longest[v] = fc_min(longest[v], change * change / variance);
        }
    }
}

/* A leap of every lane where it is a plain one; return a bit for each of them. */
static unsigned leaps_plain(Leapers* it)
{
    const Flight* flight = it->flight;
    const ptrdiff_t n_species = flight->n_species, n = flight->n_reactions;
    const fc_vec zero = fc_splat(0.0);
    fc_vec total[VECTORS], longest[VECTORS], now[VECTORS], tau[VECTORS], fired[VECTORS], rate[VECTORS], drawn[VECTORS];
    fc_mask good[VECTORS], unsure[VECTORS], wanted[VECTORS];
    Streams streams;
    unsigned leaping = 0;
    ptrdiff_t i, j;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        total[v] = fired[v] = zero;
        good[v] = leaps_ready(it, v);
    }
    memset(it->mean, 0, (size_t)(n_species * LANES) * sizeof(double));
    memset(it->variance, 0, (size_t)(n_species * LANES) * sizeof(double));
    memset(it->used, 0, (size_t)(n_species * LANES) * sizeof(double));
    for (j = 0; j < n; j++) {
        flight_rate(flight, flight->x, j, rate);
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            fc_store(flight->rates + j * LANES + v * FC_W, rate[v]);
            total[v] += rate[v];
        }
        for (i = it->change_at[j]; i < it->change_at[j + 1]; i++) {
            const ptrdiff_t row = it->changes[i].species * LANES;
            const double by = it->changes[i].by;
            FC_UNROLL for (v = 0; v < VECTORS; v++) {
                const ptrdiff_t at = row + v * FC_W;
                fc_store(it->mean + at, fc_load(it->mean + at) + fc_splat(by) * rate[v]);
                fc_store(it->variance + at, fc_load(it->variance + at) + fc_splat(by * by) * rate[v]);
                if (by < 0) {
                    const fc_mask few = fm_less(fc_load(flight->x + at), fc_splat(-it->critical * by));
                    fc_store(it->used + at, fc_load(it->used + at) - fc_splat(by) * rate[v]);
                    good[v] &= ~(fm_less(zero, rate[v]) & few);
                }
            }
        }
    }
    leaps_longest(it, longest);
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        const fc_vec t = fc_load(flight->t + v * FC_W);
        now[v] = fc_min(t + longest[v], fc_load(flight->limit + v * FC_W));
        tau[v] = now[v] - t;
        good[v] &= fm_less(zero, total[v]) & fm_less(total[v], fc_splat(INFINITY));
        good[v] &= fm_not_above(fc_splat(it->fewest), longest[v] * total[v]) & fm_less(zero, tau[v]);
    }
    for (i = 0; i < n_species; i++) {
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            const ptrdiff_t at = i * LANES + v * FC_W;
            const fc_vec x = fc_load(flight->x + at);
            fc_store(it->middle + at, fc_max(x + fc_splat(0.5) * tau[v] * fc_load(it->mean + at), zero));
            fc_store(it->following + at, x);
        }
    }
    FC_UNROLL for (v = 0; v < VECTORS; v++)
        total[v] = zero;
    for (j = 0; j < n; j++) {
        flight_rate(flight, it->middle, j, rate);
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            const ptrdiff_t at = j * LANES + v * FC_W;
            const fc_mask fires = fm_less(zero, fc_load(flight->rates + at));
            const fc_vec expected = fm_pick(fires, rate[v] * tau[v], zero);
            good[v] &= ~fires | (fm_not_above(zero, rate[v]) & fm_less(rate[v], fc_splat(INFINITY)));
            total[v] += expected;
            fc_store(it->expected + at, expected);
        }
    }
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        good[v] &= fm_not_above(total[v], fc_splat(it->largest));
        unsure[v] = fm_less(zero, zero);
        leaping |= fm_bits(good[v]);
    }
    if (!leaping)
        return 0;
    streams_load(&streams, flight->rng);
    for (j = 0; j < n; j++) {
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            rate[v] = fc_load(it->expected + j * LANES + v * FC_W);
            wanted[v] = good[v] & fm_less(zero, fc_load(flight->rates + j * LANES + v * FC_W));
        }
        lanes_poisson(&streams, rate, wanted, drawn, unsure);
        FC_UNROLL for (v = 0; v < VECTORS; v++)
            fired[v] += drawn[v];
        for (i = it->change_at[j]; i < it->change_at[j + 1]; i++) {
            double* following = it->following + it->changes[i].species * LANES;
            FC_UNROLL for (v = 0; v < VECTORS; v++)
                fc_store(following + v * FC_W,
                         fc_load(following + v * FC_W) + fc_splat(it->changes[i].by) * drawn[v]);
        }
    }
    FC_UNROLL for (v = 0; v < VECTORS; v++)
        good[v] &= ~unsure[v];
    return leaps_keep(it, good, now, fired, &streams);
}

/* An event of every lane where it is a plain one; return a bit for each of them. */
static unsigned leaps_single(Leapers* it)
{
    const Flight* flight = it->flight;
    const fc_vec zero = fc_splat(0.0), one = fc_splat(1.0);
    fc_vec total[VECTORS], now[VECTORS], share[VECTORS], cumulative[VECTORS], fired[VECTORS], rate[VECTORS];
    fc_int found[VECTORS];
    fc_mask ready[VECTORS], good[VECTORS];
    Streams streams;
    ptrdiff_t i, j;
    int v;
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        total[v] = zero;
        fired[v] = one;
        ready[v] = leaps_ready(it, v);
    }
    for (j = 0; j < flight->n_reactions; j++) {
        flight_rate(flight, flight->x, j, rate);
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            fc_store(flight->rates + j * LANES + v * FC_W, rate[v]);
            total[v] += rate[v];
        }
    }
    streams_load(&streams, flight->rng);
    FC_UNROLL for (v = 0; v < VECTORS; v++) {
        const fc_int bits = streams_next(&streams, v, ready[v]), layer = bits & 255;
        const fc_vec position = fv_whole(bits >> 11);
        now[v] = fc_load(flight->t + v * FC_W) + position * fc_gather(flight->width, layer, 0) / total[v];
        good[v] = ready[v] & fm_less(position, fc_gather(flight->inside, layer, 0)) & fm_less(zero, total[v])
                  & fm_less(total[v], fc_splat(INFINITY)) & ~fm_less(fc_load(flight->limit + v * FC_W), now[v]);
        share[v] = streams_uniform(&streams, v, ready[v]) * total[v];
    }
    flight_choose(flight, share, cumulative, found);
    FC_UNROLL for (v = 0; v < VECTORS; v++)
        good[v] &= fm_less(share[v], cumulative[v]);
    for (i = 0; i < flight->n_species; i++) {
        FC_UNROLL for (v = 0; v < VECTORS; v++) {
            const ptrdiff_t at = i * LANES + v * FC_W;
            fc_store(it->following + at, fc_load(flight->x + at) + fc_gather(flight->by + i, found[v], 0));
        }
    }
    return leaps_keep(it, good, now, fired, &streams);
}

#endif
