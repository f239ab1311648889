/* Linear-chain recursions in scaled linear space, for one sequence (labels across the vector) and for a group
 * of FC_W sequences (one a vector element). Both do the same operations on the same numbers in the same order,
 * so a result doesn't depend on which of the two computed it, nor on the sequence's neighbours.
 *
 * A row of scores becomes exp(score - row maximum); a column of forward variables is multiplied by a power of
 * two every few steps. What has become zero is lost, so a sequence is only trusted here
 *   - if all transitions are finite and span at most 300: any label can be replaced in a path at a price of twice
 *     that span, so whatever falls below e^-600 of its column's maximum stays negligible to the end; or
 *   - if a watch has seen no finite score 230 below its row's maximum, and no nonzero variable below e^-200 of its
 *     column's: then no product of nonzero numbers has underflown.
 * All other sequences are computed in wide.h, by numbers that cannot underflow. */
#ifndef FASTCORE_CHAIN_SCALED_H
#define FASTCORE_CHAIN_SCALED_H

#include "transpose.h"

#define FC_SPAN_DENSE 300.0
#define FC_SPAN_WATCHED 230.0
#define FC_LEAST_WATCHED 1.4e-87 /* e^-200 */
#define FC_LN2 0.69314718055994530942

typedef struct {
    ptrdiff_t labels, padded;  /* padded: labels rounded up to whole vectors */
    const double* start;
    const double* end;
    double* exp_trans;         /* (labels, padded) exp(transitions - top), zeros beyond labels */
    double* exp_trans_t;       /* the same transposed */
    double* trans;             /* (labels, padded) transitions, -inf beyond labels */
    double* trans_t;           /* the same transposed */
    double* wide;              /* tables of wide.h, once they are needed */
    double top;                /* largest transition, 0 if all are -inf */
    int every;                 /* steps between two rescalings */
    int watched;               /* whether columns are watched */
    int usable;                /* whether scaled space can be trusted at all */
} FcModel;

/* What is known of transitions that have been looked through; start with {-INFINITY, INFINITY, 0}. */
typedef struct {
    double most, least;        /* of the finite ones */
    int forbidden;             /* whether any is minus infinity */
} FcReach;

static void fc_reach(FcReach* reach, const void* scores, int single, ptrdiff_t begin, ptrdiff_t beyond)
{
    const fc_vec none = fc_splat(-INFINITY);
    fc_vec most = none, least = -none, lowest = -none;
    ptrdiff_t i = begin;
    int k;
    for (; i + FC_W <= beyond; i += FC_W) {
        const fc_vec x = fc_load_scores((const char*)scores, single, i);
        most = fc_max(x, most);
        lowest = fc_min(x, lowest);
        least = fc_min(fc_from_bits(fc_choose(x, none, fc_bits(x), fc_bits(-none))), least);
    }
    {
        double parts[3][FC_W];
        fc_store(parts[0], most);
        fc_store(parts[1], least);
        fc_store(parts[2], lowest);
        for (k = 0; k < FC_W; k++) {
            reach->most = parts[0][k] > reach->most ? parts[0][k] : reach->most;
            reach->least = parts[1][k] < reach->least ? parts[1][k] : reach->least;
            reach->forbidden |= parts[2][k] == -INFINITY;
        }
    }
    for (; i < beyond; i++) {
        const double x = fc_score(scores, single, i);
        if (x == -INFINITY) {
            reach->forbidden = 1;
            continue;
        }
        reach->most = x > reach->most ? x : reach->most;
        reach->least = x < reach->least ? x : reach->least;
    }
}

/* Give the tables their places: the memory is four times labels * padded doubles. */
static void fc_place(FcModel* model, double* memory)
{
    const ptrdiff_t size = model->labels * model->padded;
    model->exp_trans = memory;
    model->exp_trans_t = memory + size;
    model->trans = memory + 2 * size;
    model->trans_t = memory + 3 * size;
    model->wide = NULL;
}

/* Decide what may be computed here. */
static void fc_trust(FcModel* model, const FcReach* reach)
{
    const int any = reach->most > -INFINITY;
    const double span = any ? reach->most - reach->least : 0.0;
    const int dense = !reach->forbidden && span <= FC_SPAN_DENSE;
    model->top = any ? reach->most : 0.0;
    model->watched = !dense;
    model->usable = dense || span <= FC_SPAN_WATCHED;
    model->every = 1;
    if (dense) {
        const double steps = 600.0 / (span > 1.0 ? span : 1.0) - 1.0;
        model->every = steps > 8.0 ? 8 : steps < 1.0 ? 1 : (int)steps;
    }
}

/* The tables of transitions themselves: those from a label, or transposed those into one. */
static void fc_fill(const FcModel* model, const void* transitions, int single, int transposed)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    double* out = transposed ? model->trans_t : model->trans;
    ptrdiff_t i, j;
    for (i = 0; i < L; i++) {
        j = 0;
        if (!transposed)
            for (; j + FC_W <= L; j += FC_W)
                fc_store(out + i * P + j, fc_load_scores((const char*)transitions, single, i * L + j));
        for (; j < L; j++)
            out[i * P + j] = fc_score(transitions, single, transposed ? j * L + i : i * L + j);
        for (; j < P; j++)
            out[i * P + j] = -INFINITY;
    }
}

/* The same of their exponentials */
static void fc_fill_exp(const FcModel* model, int transposed)
{
    const ptrdiff_t size = model->labels * model->padded;
    const double* in = transposed ? model->trans_t : model->trans;
    double* out = transposed ? model->exp_trans_t : model->exp_trans;
    ptrdiff_t i;
    for (i = 0; i < size; i += FC_W)
        fc_store(out + i, fc_exp(fc_load(in + i) - model->top));
}

/* Scores of step t of a sequence of `length` steps, start and end scores added, -inf beyond labels. */
FC_INLINE void fc_scores(const FcModel* model, const void* emissions, int single, ptrdiff_t t, ptrdiff_t length,
                         ptrdiff_t stride, double* out)
{
    const ptrdiff_t L = model->labels;
    ptrdiff_t j;
    if (single) {
        const float* row = (const float*)emissions + t * L;
        for (j = 0; j < L; j++)
            out[j * stride] = row[j];
    } else {
        const double* row = (const double*)emissions + t * L;
        for (j = 0; j < L; j++)
            out[j * stride] = row[j];
    }
    if (t == 0)
        for (j = 0; j < L; j++)
            out[j * stride] += model->start[j];
    if (t == length - 1)
        for (j = 0; j < L; j++)
            out[j * stride] += model->end[j];
}

/* What runs along with a recursion: the sum of row maxima, the count of twos, and what the watch has seen. */
typedef struct {
    double shift;       /* of the last few steps; before them it is total + rest, so that rounding doesn't add up */
    double total, rest;
    double twos;        /* an integer */
    int lost;           /* nonzero once the result can't be trusted */
} FcScale;

#define FC_CARRY(t) ((t) % 64 == 63) /* whether shift is added to total after step t */

/* total + rest becomes total + rest + x without an error worth mentioning (Knuth's sum of two) */
FC_INLINE void fc_add(fc_vec* total, fc_vec* rest, fc_vec x)
{
    const fc_vec sum = *total + x, part = sum - *total;
    *rest += (*total - (sum - part)) + (x - part);
    *total = sum;
}

static inline void fc_add_one(double* total, double* rest, double x)
{
    const double sum = *total + x, part = sum - *total;
    *rest += (*total - (sum - part)) + (x - part);
    *total = sum;
}

/* ---- one sequence, labels across the vector ---- */

/* exp(scores - maximum) in place; the maximum is returned. */
FC_INLINE double fc_row_exp(const FcModel* model, double* row, FcScale* scale)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    fc_vec most = fc_splat(-DBL_MAX);
    double top;
    ptrdiff_t j;
    for (j = L; j < P; j++)
        row[j] = -INFINITY;
    for (j = 0; j < P; j += FC_W)
        most = fc_max(fc_load(row + j), most);
    top = fc_horizontal_max(most);
    if (model->watched)
        for (j = 0; j < L; j++)
            scale->lost |= row[j] > -INFINITY && row[j] - top <= -FC_SPAN_WATCHED;
    for (j = 0; j < P; j += FC_W)
        fc_store(row + j, fc_exp(fc_load(row + j) - top));
    return top;
}

/* out[j] = sum over i of in[i] * table[i, j], in the order of i */
FC_INLINE void fc_row_product(const double* in, const double* table, ptrdiff_t L, ptrdiff_t P, double* out)
{
    ptrdiff_t i, j = 0;
    for (; j + 2 * FC_W <= P; j += 2 * FC_W) {
        fc_vec a = fc_splat(in[0]) * fc_load(table + j), b = fc_splat(in[0]) * fc_load(table + j + FC_W);
        for (i = 1; i < L; i++) {
            const fc_vec x = fc_splat(in[i]);
            a += x * fc_load(table + i * P + j);
            b += x * fc_load(table + i * P + j + FC_W);
        }
        fc_store(out + j, a);
        fc_store(out + j + FC_W, b);
    }
    for (; j < P; j += FC_W) {
        fc_vec a = fc_splat(in[0]) * fc_load(table + j);
        for (i = 1; i < L; i++)
            a += fc_splat(in[i]) * fc_load(table + i * P + j);
        fc_store(out + j, a);
    }
}

FC_INLINE void fc_row_rescale(const FcModel* model, double* row, FcScale* scale)
{
    const ptrdiff_t P = model->padded;
    fc_vec most = fc_splat(0.0), factor;
    fc_int exponent;
    double top;
    ptrdiff_t j;
    for (j = 0; j < P; j += FC_W)
        most = fc_max(fc_load(row + j), most);
    top = fc_horizontal_max(most);
    factor = fc_rescale(fc_splat(top), &exponent);
    memcpy(&top, &exponent, sizeof top); /* the first element's bits */
    {
        int64_t twos;
        memcpy(&twos, &top, sizeof twos);
        scale->twos += (double)twos;
    }
    for (j = 0; j < P; j += FC_W)
        fc_store(row + j, fc_load(row + j) * factor);
    if (model->watched)
        for (j = 0; j < P; j++)
            scale->lost |= row[j] > 0.0 && row[j] <= FC_LEAST_WATCHED;
}

/* Forward from step t0 to before t1. alpha: the last column if `columns` is 1, else all of them, (length, padded);
 * weights likewise, the exponentials of the scores. */
static void fc_row_forward(const FcModel* model, const void* emissions, int single, ptrdiff_t length, ptrdiff_t t0,
                           ptrdiff_t t1, int keep, double* alpha, double* weights, double* spare, FcScale* scale)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    ptrdiff_t t, j;
    for (t = t0; t < t1; t++) {
        double* w = keep ? weights + t * P : weights;
        double* a = keep ? alpha + t * P : alpha;
        fc_scores(model, emissions, single, t, length, 1, w);
        scale->shift += fc_row_exp(model, w, scale);
        if (t == 0) {
            memcpy(a, w, P * sizeof *a);
        } else {
            fc_row_product(keep ? a - P : a, model->exp_trans, L, P, spare);
            for (j = 0; j < P; j += FC_W)
                fc_store(a + j, fc_load(spare + j) * fc_load(w + j));
        }
        if (t % model->every == 0)
            fc_row_rescale(model, a, scale);
        if (FC_CARRY(t)) {
            fc_add_one(&scale->total, &scale->rest, scale->shift);
            scale->shift = 0.0;
        }
    }
}

/* The log of what a variable after `moves` transitions was divided by: total + rest. */
FC_INLINE void fc_divisor(const FcModel* model, ptrdiff_t moves, const FcScale* scale, double* total, double* rest)
{
    *total = scale->total;
    *rest = scale->rest;
    fc_add_one(total, rest, scale->shift);
    fc_add_one(total, rest, (double)moves * model->top);
    fc_add_one(total, rest, scale->twos * FC_LN2);
}

static double fc_log_partition(const FcModel* model, double sum, ptrdiff_t length, const FcScale* scale)
{
    double total, rest;
    if (!(sum > 0.0))
        return -INFINITY;
    fc_divisor(model, length - 1, scale, &total, &rest);
    return total + (rest + log(sum));
}

static double fc_row_log_partition(const FcModel* model, const double* alpha, ptrdiff_t length, const FcScale* scale)
{
    double sum = 0.0;
    ptrdiff_t j;
    for (j = 0; j < model->labels; j++)
        sum += alpha[j];
    return fc_log_partition(model, sum, length, scale);
}

/* Sums of many steps are made of sums of some, `size` numbers, which at each FC_SETTLE step are added to as many that
 * follow them in memory, so that rounding doesn't add up; both together are the sums. */
#define FC_SETTLE(t) ((t) % 1024 == 0 && (t))

FC_INLINE void fc_settle(double* sums, ptrdiff_t size)
{
    ptrdiff_t i;
    for (i = 0; i < size; i++) {
        sums[size + i] += sums[i];
        sums[i] = 0.0;
    }
}

/* Backward from step t1 - 1 down to t0: node probabilities replace alpha; sums of outer products, still to be
 * multiplied by exp_trans, are added to counts (labels, padded), which settle. beta keeps its state between calls. */
static void fc_row_backward(const FcModel* model, ptrdiff_t length, ptrdiff_t t0, ptrdiff_t t1, double* alpha,
                            const double* weights, double* beta, double* spare, double* counts, FcScale* scale)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    ptrdiff_t t, i, j;
    for (t = t1 - 1; t >= t0; t--) {
        double* a = alpha + t * P;
        double norm = 0.0, inverse;
        if (t == length - 1) {
            for (j = 0; j < P; j++)
                beta[j] = j < L ? 1.0 : 0.0;
        } else {
            const double* w = weights + (t + 1) * P;
            for (j = 0; j < P; j += FC_W)
                fc_store(spare + j, fc_load(w + j) * fc_load(beta + j));
            fc_row_product(spare, model->exp_trans_t, L, P, beta);
        }
        for (i = 0; i < L; i++)
            norm = fc_fma(a[i], beta[i], norm);
        inverse = norm > 0.0 ? 1.0 / norm : 0.0;
        if (t < length - 1)
            for (i = 0; i < L; i++) {
                const fc_vec share = fc_splat(a[i] * inverse);
                for (j = 0; j < P; j += FC_W)
                    fc_store(counts + i * P + j, fc_load(counts + i * P + j) + share * fc_load(spare + j));
            }
        for (j = 0; j < P; j += FC_W)
            fc_store(a + j, fc_min(fc_load(a + j) * fc_load(beta + j) * fc_splat(inverse), fc_splat(1.0)));
        if (FC_SETTLE(t))
            fc_settle(counts, L * P);
        fc_row_rescale(model, beta, scale);
    }
}

/* now[j] += the largest last[i] + transitions[i, j] */
FC_INLINE void fc_best_into(const FcModel* model, const double* last, double* now)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    ptrdiff_t i, j;
    for (j = 0; j < P; j += FC_W) {
        fc_vec most = fc_splat(last[0]) + fc_load(model->trans + j);
        for (i = 1; i < L; i++)
            most = fc_max(fc_splat(last[i]) + fc_load(model->trans + i * P + j), most);
        fc_store(now + j, fc_load(now + j) + most);
    }
}

/* Viterbi's forward half: all columns of best scores, (length, padded). */
static void fc_row_viterbi(const FcModel* model, const void* emissions, int single, ptrdiff_t length, ptrdiff_t t0,
                           ptrdiff_t t1, double* best)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    ptrdiff_t t, j;
    for (t = t0; t < t1; t++) {
        double* now = best + t * P;
        fc_scores(model, emissions, single, t, length, 1, now);
        for (j = L; j < P; j++)
            now[j] = -INFINITY;
        if (t > 0)
            fc_best_into(model, now - P, now);
    }
}

/* The first of L labels with the largest column[i] + into[i * stride] */
FC_INLINE ptrdiff_t fc_origin(const double* column, const double* into, ptrdiff_t stride, ptrdiff_t L)
{
    double most = column[0] + into[0];
    ptrdiff_t i, from = 0;
    for (i = 1; i < L; i++) {
        const double score = column[i] + into[i * stride];
        if (score > most) {
            most = score;
            from = i;
        }
    }
    return from;
}

/* The label where a path with the column's best score ends, which goes to *score; -1 if there is no legal path. */
FC_INLINE ptrdiff_t fc_last_label(const double* column, ptrdiff_t step, ptrdiff_t L, double* score)
{
    ptrdiff_t i, label = 0;
    *score = column[0];
    for (i = 1; i < L; i++)
        if (column[i * step] > *score) {
            *score = column[i * step];
            label = i;
        }
    return *score == -INFINITY ? -1 : label;
}

/* The path back from the last column. Returns its score; -1 for every label if there is no legal path. */
static double fc_trace_back(const FcModel* model, const double* best, ptrdiff_t length, int64_t* path)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    double score;
    ptrdiff_t t, label = fc_last_label(best + (length - 1) * P, 1, L, &score);
    path[length - 1] = label;
    for (t = length - 2; t >= 0; t--) {
        if (label >= 0)
            label = fc_origin(best + t * P, model->trans + label, P, L);
        path[t] = label;
    }
    return score;
}

#endif
