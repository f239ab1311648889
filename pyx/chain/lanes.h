/* The recursions of scaled.h for FC_W sequences at once, one in each vector element ("lane").
 *
 * All lanes start at step 0 together. A lane whose sequence has ended goes on with weights of 1 and is not looked at
 * again. A column holds label j of lane k at [j * FC_W + k]. */
#ifndef FASTCORE_CHAIN_LANES_H
#define FASTCORE_CHAIN_LANES_H

#include "scaled.h"

typedef struct {
    const char* rows[FC_W];   /* each lane's first row of emissions */
    ptrdiff_t length[FC_W];   /* 0: an empty lane */
    ptrdiff_t longest, shortest;
    double shift[FC_W], total[FC_W], rest[FC_W], sum[FC_W]; /* see FcScale */
    int64_t twos[FC_W];
    double lost[FC_W];
    FcScale done[FC_W];       /* scale at each lane's last step */
} FcGroup;

static void fc_group_start(FcGroup* group)
{
    int k;
    for (k = 0; k < FC_W; k++) {
        group->shift[k] = group->total[k] = group->rest[k] = group->lost[k] = group->sum[k] = 0.0;
        group->twos[k] = 0;
    }
}

FC_INLINE void fc_lane_scores(const FcModel* model, const FcGroup* group, int single, ptrdiff_t t, double* out)
{
    const ptrdiff_t L = model->labels;
    ptrdiff_t j;
    int k;
    for (k = 0; k < FC_W; k++)
        if (t < group->length[k])
            fc_scores(model, group->rows[k], single, t, group->length[k], FC_W, out + k);
        else
            for (j = 0; j < L; j++)
                out[j * FC_W + k] = 0.0;
}

/* How many steps' scores are taken in at once: some 16 KiB */
FC_INLINE ptrdiff_t fc_ahead(ptrdiff_t labels)
{
    const ptrdiff_t steps = 2048 / (labels * FC_W);
    return steps > 32 ? 32 : steps < 1 ? 1 : steps;
}

/* Scores of steps t0 to before t1, (steps, labels, FC_W). While no sequence ends, they are turned as they lie. */
static void fc_lane_rows(const FcModel* model, const FcGroup* group, int single, ptrdiff_t t0, ptrdiff_t t1, double* out)
{
    const ptrdiff_t L = model->labels, C = L * FC_W, whole = t1 < group->shortest - 1 ? t1 : group->shortest - 1;
    ptrdiff_t t = t0, i = 0;
    int k;
    if (whole > t0) {
        const ptrdiff_t at = t0 * L, n = (whole - t0) * L;
        if (single)
            for (; i + FC_W <= n; i += FC_W)
                fc_transpose(group->rows, 1, at + i, out + i * FC_W);
        else
            for (; i + FC_W <= n; i += FC_W)
                fc_transpose(group->rows, 0, at + i, out + i * FC_W);
        for (; i < n; i++)
            for (k = 0; k < FC_W; k++)
                out[i * FC_W + k] = fc_score(group->rows[k], single, at + i);
        if (t0 == 0)
            for (i = 0; i < L; i++)
                fc_store(out + i * FC_W, fc_load(out + i * FC_W) + model->start[i]);
        t = whole;
    }
    for (; t < t1; t++)
        fc_lane_scores(model, group, single, t, out + (t - t0) * C);
}

/* 1 where a <= bound < or = 0, keeping what was seen before */
FC_INLINE fc_vec fc_saw(fc_vec before, fc_vec a, fc_vec above, fc_vec bound)
{
    /* above <= a <= bound */
    return fc_max(before, fc_keep(fc_keep(fc_splat(1.0), bound, a), a, above));
}

/* n columns of the product below: each is a chain of additions, and several hide one another's latency */
FC_INLINE void fc_lane_columns(const int n, const double* in, const double* table, ptrdiff_t L, ptrdiff_t P,
                               const double* factors, double* out)
{
    fc_vec sums[8];
    ptrdiff_t i;
    int j;
    FC_UNROLL for (j = 0; j < n; j++)
        sums[j] = fc_load(in) * table[j];
    for (i = 1; i < L; i++) {
        const fc_vec x = fc_load(in + i * FC_W);
        const double* e = table + i * P;
        FC_UNROLL for (j = 0; j < n; j++)
            sums[j] += x * e[j];
    }
    if (factors) {
        FC_UNROLL for (j = 0; j < n; j++)
            sums[j] *= fc_load(factors + j * FC_W);
    }
    FC_UNROLL for (j = 0; j < n; j++)
        fc_store(out + j * FC_W, sums[j]);
}

/* out[j] = sum over i of in[i] * table[i, j], in the order of i, times factors[j] if there are any */
FC_INLINE void fc_lane_product(const double* in, const double* table, ptrdiff_t L, ptrdiff_t P, const double* factors,
                               double* out)
{
    ptrdiff_t j = 0;
    for (; j + 8 <= L; j += 8)
        fc_lane_columns(8, in, table + j, L, P, factors ? factors + j * FC_W : NULL, out + j * FC_W);
#define FC_REST(n) \
    case n: fc_lane_columns(n, in, table + j, L, P, factors ? factors + j * FC_W : NULL, out + j * FC_W); break;
    switch (L - j) {
        FC_REST(1) FC_REST(2) FC_REST(3) FC_REST(4) FC_REST(5) FC_REST(6) FC_REST(7)
    }
#undef FC_REST
}

/* The largest of a column, in two chains */
FC_INLINE fc_vec fc_lane_max(const double* column, ptrdiff_t L, fc_vec least)
{
    fc_vec most = least, other = least;
    ptrdiff_t j = 0;
    for (; j + 4 <= L; j += 4) {
        const double* c = column + j * FC_W;
        most = fc_max(fc_max(fc_load(c), fc_load(c + FC_W)), most);
        other = fc_max(fc_max(fc_load(c + 2 * FC_W), fc_load(c + 3 * FC_W)), other);
    }
    for (; j < L; j++)
        most = fc_max(fc_load(column + j * FC_W), most);
    return fc_max(most, other);
}

FC_INLINE void fc_lane_rescale(const FcModel* model, FcGroup* group, double* column)
{
    const ptrdiff_t L = model->labels;
    fc_vec most = fc_lane_max(column, L, fc_splat(0.0)), factor;
    fc_int exponent, twos;
    ptrdiff_t j;
    factor = fc_rescale(most, &exponent);
    memcpy(&twos, group->twos, sizeof twos);
    twos += exponent;
    memcpy(group->twos, &twos, sizeof twos);
    for (j = 0; j < L; j++)
        fc_store(column + j * FC_W, fc_load(column + j * FC_W) * factor);
    if (model->watched) {
        fc_vec lost = fc_load(group->lost);
        for (j = 0; j < L; j++)
            lost = fc_saw(lost, fc_load(column + j * FC_W), fc_splat(DBL_TRUE_MIN), fc_splat(FC_LEAST_WATCHED));
        fc_store(group->lost, lost);
    }
}

/* exp(scores - maximum) in place */
FC_INLINE void fc_lane_exp(const FcModel* model, FcGroup* group, double* column)
{
    const ptrdiff_t L = model->labels;
    const fc_vec most = fc_lane_max(column, L, fc_splat(-DBL_MAX));
    ptrdiff_t j;
    fc_store(group->shift, fc_load(group->shift) + most);
    if (model->watched) {
        fc_vec lost = fc_load(group->lost);
        for (j = 0; j < L; j++)
            lost = fc_saw(lost, fc_load(column + j * FC_W) - most, fc_splat(-DBL_MAX), fc_splat(-FC_SPAN_WATCHED));
        fc_store(group->lost, lost);
    }
    for (j = 0; j < L; j++)
        fc_store(column + j * FC_W, fc_exp(fc_load(column + j * FC_W) - most));
}

/* Forward from step t0 to before t1. With keep, alpha and weights hold all columns, (longest, labels, FC_W); without,
 * alpha the last two in turn, and weights fc_ahead of them. */
static void fc_lane_forward(const FcModel* model, FcGroup* group, int single, ptrdiff_t t0, ptrdiff_t t1, int keep,
                            double* alpha, double* weights)
{
    const ptrdiff_t L = model->labels, P = model->padded, C = L * FC_W, ahead = fc_ahead(L);
    ptrdiff_t t, j;
    int k;
    for (t = t0; t < t1; t++) {
        const ptrdiff_t since = (t - t0) % ahead;
        double* w = weights + (keep ? t : since) * C;
        double* a = alpha + (keep ? t : t & 1) * C;
        if (since == 0)
            fc_lane_rows(model, group, single, t, t + ahead < t1 ? t + ahead : t1, w);
        fc_lane_exp(model, group, w);
        if (t == 0)
            memcpy(a, w, C * sizeof *a);
        else
            fc_lane_product(alpha + (keep ? t - 1 : ~t & 1) * C, model->exp_trans, L, P, w, a);
        if (t % model->every == 0)
            fc_lane_rescale(model, group, a);
        if (t >= group->shortest - 1)
            for (k = 0; k < FC_W; k++)
                if (t == group->length[k] - 1) {
                    double sum = 0.0;
                    for (j = 0; j < L; j++)
                        sum += a[j * FC_W + k];
                    group->sum[k] = sum;
                    group->done[k].shift = group->shift[k];
                    group->done[k].total = group->total[k];
                    group->done[k].rest = group->rest[k];
                    group->done[k].twos = (double)group->twos[k];
                    group->done[k].lost = group->lost[k] > 0.0;
                }
        if (FC_CARRY(t)) {
            fc_vec total = fc_load(group->total), rest = fc_load(group->rest);
            fc_add(&total, &rest, fc_load(group->shift));
            fc_store(group->total, total);
            fc_store(group->rest, rest);
            fc_store(group->shift, fc_splat(0.0));
        }
    }
}

/* Backward from step t1 - 1 down to t0: node probabilities replace alpha; sums of outer products, still to be
 * multiplied by exp_trans, are added to counts (labels, labels, FC_W), which settle. */
static void fc_lane_backward(const FcModel* model, FcGroup* group, ptrdiff_t t0, ptrdiff_t t1, double* alpha,
                             const double* weights, double* beta, double* spare, double* counts)
{
    const ptrdiff_t L = model->labels, P = model->padded, C = L * FC_W;
    ptrdiff_t t, i, j;
    int k;
    for (t = t1 - 1; t >= t0; t--) {
        double* a = alpha + t * C;
        double inverse[FC_W], active[FC_W];
        fc_vec norm = fc_splat(0.0);
        const int ends = t >= group->shortest - 1;
        if (t < group->longest - 1) {
            const double* w = weights + (t + 1) * C;
            for (j = 0; j < C; j += FC_W)
                fc_store(spare + j, fc_load(w + j) * fc_load(beta + j));
            fc_lane_product(spare, model->exp_trans_t, L, P, NULL, beta);
        }
        if (ends)
            for (k = 0; k < FC_W; k++)
                if (t >= group->length[k] - 1)
                    for (j = 0; j < L; j++)
                        beta[j * FC_W + k] = 1.0;
        for (i = 0; i < C; i += FC_W)
            norm += fc_load(a + i) * fc_load(beta + i);
        fc_store(inverse, norm);
        for (k = 0; k < FC_W; k++) {
            inverse[k] = inverse[k] > 0.0 ? 1.0 / inverse[k] : 0.0;
            active[k] = t < group->length[k] - 1 ? inverse[k] : 0.0;
        }
        if (t < group->longest - 1)
            for (i = 0; i < L; i++) {
                const fc_vec share = fc_load(a + i * FC_W) * fc_load(active);
                double* row = counts + i * C;
                for (j = 0; j < C; j += FC_W)
                    fc_store(row + j, fc_load(row + j) + share * fc_load(spare + j));
            }
        for (j = 0; j < C; j += FC_W)
            fc_store(a + j, fc_min(fc_load(a + j) * fc_load(beta + j) * fc_load(inverse), fc_splat(1.0)));
        if (FC_SETTLE(t))
            fc_settle(counts, L * C);
        fc_lane_rescale(model, group, beta);
    }
}

/* n columns of the largest sums below, as above */
FC_INLINE void fc_lane_largest(const int n, const double* in, const double* table, ptrdiff_t L, ptrdiff_t P, double* out)
{
    fc_vec most[8];
    ptrdiff_t i;
    int j;
    FC_UNROLL for (j = 0; j < n; j++)
        most[j] = fc_load(in) + table[j];
    for (i = 1; i < L; i++) {
        const fc_vec x = fc_load(in + i * FC_W);
        const double* e = table + i * P;
        FC_UNROLL for (j = 0; j < n; j++)
            most[j] = fc_max(x + e[j], most[j]);
    }
    FC_UNROLL for (j = 0; j < n; j++)
        fc_store(out + j * FC_W, fc_load(out + j * FC_W) + most[j]);
}

/* out[j] += the largest in[i] + table[i, j] */
FC_INLINE void fc_lane_best_into(const double* in, const double* table, ptrdiff_t L, ptrdiff_t P, double* out)
{
    ptrdiff_t j = 0;
    for (; j + 8 <= L; j += 8)
        fc_lane_largest(8, in, table + j, L, P, out + j * FC_W);
    switch (L - j) {
        case 1: fc_lane_largest(1, in, table + j, L, P, out + j * FC_W); break;
        case 2: fc_lane_largest(2, in, table + j, L, P, out + j * FC_W); break;
        case 3: fc_lane_largest(3, in, table + j, L, P, out + j * FC_W); break;
        case 4: fc_lane_largest(4, in, table + j, L, P, out + j * FC_W); break;
        case 5: fc_lane_largest(5, in, table + j, L, P, out + j * FC_W); break;
        case 6: fc_lane_largest(6, in, table + j, L, P, out + j * FC_W); break;
        case 7: fc_lane_largest(7, in, table + j, L, P, out + j * FC_W); break;
    }
}

/* Viterbi's forward half: all columns of best scores, (longest, labels, FC_W). */
static void fc_lane_viterbi(const FcModel* model, const FcGroup* group, int single, ptrdiff_t t0, ptrdiff_t t1,
                            double* best)
{
    const ptrdiff_t L = model->labels, P = model->padded, C = L * FC_W, ahead = fc_ahead(L);
    ptrdiff_t t;
    for (t = t0; t < t1; t++) {
        double* now = best + t * C;
        if ((t - t0) % ahead == 0)
            fc_lane_rows(model, group, single, t, t + ahead < t1 ? t + ahead : t1, now);
        if (t > 0)
            fc_lane_best_into(now - C, model->trans, L, P, now);
    }
}

/* The labels that the best path into each lane's label comes from */
FC_INLINE fc_int fc_lane_origins(const double* column, const double* table, ptrdiff_t L, ptrdiff_t P, fc_int labels,
                                 int few)
{
    const fc_int none = {0};
    fc_vec most = fc_load(column) + fc_gather(table, labels, few);
    fc_int from = none;
    ptrdiff_t i;
    for (i = 1; i < L; i++) {
        const fc_vec score = fc_load(column + i * FC_W) + fc_gather(table + i * P, labels, few);
        from = fc_choose(score, most, none + (uint64_t)i, from);
        most = fc_max(score, most);
    }
    return from;
}

/* fc_trace_back for all lanes at once: lane k's path goes to paths[k] and its score to scores[k]. */
static void fc_lane_trace_back(const FcModel* model, const FcGroup* group, const double* best, int64_t* const* paths,
                               double* scores)
{
    const ptrdiff_t L = model->labels, P = model->padded, C = L * FC_W;
    int64_t labels[FC_W] = {0}, dead[FC_W] = {0};
    fc_int at = {0};
    ptrdiff_t t;
    int k;
    for (t = group->longest - 1; t >= 0; t--) {
        if (t < group->longest - 1)
            at = L <= 8 ? fc_lane_origins(best + t * C, model->trans, L, P, at, 1)
                        : fc_lane_origins(best + t * C, model->trans, L, P, at, 0);
        memcpy(labels, &at, sizeof labels);
        if (t >= group->shortest - 1) {
            for (k = 0; k < FC_W; k++)
                if (t == group->length[k] - 1) {
                    const ptrdiff_t last = fc_last_label(best + t * C + k, FC_W, L, scores + k);
                    dead[k] = last < 0 ? -1 : 0;
                    labels[k] = last < 0 ? 0 : last;
                }
            memcpy(&at, labels, sizeof labels);
        }
        for (k = 0; k < FC_W; k++)
            if (t < group->length[k])
                paths[k][t] = labels[k] | dead[k];
    }
}

#endif
