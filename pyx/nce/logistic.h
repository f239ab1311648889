/* What a logistic regression asks of its rows, vector by vector: chances and their slopes. */
#ifndef FASTCORE_LOGISTIC_H
#define FASTCORE_LOGISTIC_H

#include "simd.h"

enum { LR_ROWS = 64 }; /* rows at once: whole vectors, and not so many that a product of as many 2s overflows */

/* Of logits g: e = exp(-abs(g)), h = 1 / (1 + exp(-g)), w = h (1 - h). */
static void lr_chances(const double* g, double* e, double* h, double* w)
{
    const fc_vec one = fc_splat(1.0), zero = fc_splat(0.0);
    int i;
    for (i = 0; i < LR_ROWS; i += FC_W) {
        const fc_vec logit = fc_load(g + i), small = fc_exp(-fc_max(logit, -logit)), sum = one + small;
        fc_store(e + i, small);
        fc_store(h + i, fc_from_bits(fc_choose(zero, logit, fc_bits(small), fc_bits(one))) / sum);
        fc_store(w + i, small / (sum * sum));
    }
}

#endif
