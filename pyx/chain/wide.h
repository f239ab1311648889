/* Linear-chain recursions on numbers of any magnitude, for sequences that scaled.h can't hold.
 *
 * A wide number is a mantissa times 2^exponent, the exponent an integer in a double; zero has the mantissa 0 and an
 * exponent that loses against any other. A sum takes the largest exponent and shifts the other terms to it: what
 * falls 1000 twos below is zero beside it. So nothing underflows that could ever matter, and a step takes no
 * logarithm. A column's largest exponent is taken out and counted, so that rounding doesn't grow with the length. */
#ifndef FASTCORE_CHAIN_WIDE_H
#define FASTCORE_CHAIN_WIDE_H

#include "lanes.h"

#define FC_DEAD (-1e300) /* an exponent below it is zero's */

/* The mantissa of exp(x) for x <= 0, about 0.7 to 1.4, and its exponent */
FC_INLINE fc_vec fc_wide_exp(fc_vec x, fc_vec* exponent)
{
    const fc_vec magic = fc_splat(FC_MAGIC), clamped = fc_max(x, fc_splat(-1.2e308));
    const fc_vec v = clamped * fc_splat(1.4426950408889634);
    /* Below -2^51 there's nothing to round, and nothing of the remainder is right: it is kept in bounds. */
    const fc_vec rounded = (v + magic) - magic;
    const fc_vec n = fc_keep(rounded, v, fc_splat(-2251799813685247.75)) + fc_keep(v, -v, fc_splat(2251799813685248.0));
    fc_vec r = clamped - n * fc_splat(FC_LN2_HIGH);
    r = fc_min(fc_max(r - n * fc_splat(FC_LN2_LOW), fc_splat(-0.4)), fc_splat(0.4));
    *exponent = n + (fc_keep(fc_splat(DBL_MAX), x, fc_splat(-DBL_MAX)) - fc_splat(DBL_MAX));
    return fc_keep(fc_series(r) * r + fc_splat(1.0), x, fc_splat(-DBL_MAX));
}

/* x * 2^d for an integer d <= 0; zero if d < -1000 */
FC_INLINE fc_vec fc_shifted(fc_vec x, fc_vec d)
{
#if FC_BYTES == 64
    return _mm512_maskz_scalef_pd(_mm512_cmp_pd_mask(d, fc_splat(-1000.0), _CMP_GE_OQ), x, d);
#else
    const fc_int power = (fc_bits(d + fc_splat(FC_MAGIC)) << 52) + fc_bits(fc_splat(1.0));
    return fc_keep(x * fc_from_bits(power), d, fc_splat(-1000.0));
#endif
}

/* Bring mantissas into [1, 2) */
FC_INLINE fc_vec fc_wide_tidy(fc_vec mantissa, fc_vec* exponent)
{
    fc_int taken;
    const fc_vec factor = fc_rescale(mantissa, &taken), magic = fc_splat(FC_MAGIC);
    *exponent += fc_from_bits(taken + fc_bits(magic)) - magic;
    return mantissa * factor;
}

/* Mantissas and exponents of exp(transitions - top) as (labels, padded), or the same of trans_t behind them: the
 * caller gives memory for four times labels * padded doubles. */
static void fc_fill_wide(const FcModel* model, int transposed)
{
    const ptrdiff_t size = model->labels * model->padded;
    const double* in = transposed ? model->trans_t : model->trans;
    double* out = model->wide + (transposed ? 2 * size : 0);
    ptrdiff_t i;
    for (i = 0; i < size; i += FC_W) {
        fc_vec exponent;
        fc_store(out + i, fc_wide_exp(fc_load(in + i) - model->top, &exponent));
        fc_store(out + size + i, exponent);
    }
}

/* Exponentials of the scores of step t; their maximum is added to the scale. */
FC_INLINE void fc_wide_weights(const FcModel* model, const void* emissions, int single, ptrdiff_t t, ptrdiff_t length,
                               double* man, double* twos, FcScale* scale)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    fc_vec most = fc_splat(-DBL_MAX);
    double top;
    ptrdiff_t j;
    fc_scores(model, emissions, single, t, length, 1, man);
    for (j = L; j < P; j++)
        man[j] = -INFINITY;
    for (j = 0; j < P; j += FC_W)
        most = fc_max(fc_load(man + j), most);
    top = fc_horizontal_max(most);
    if (!(top > -DBL_MAX))
        top = 0.0; /* all forbidden */
    fc_add_one(&scale->total, &scale->rest, top);
    for (j = 0; j < P; j += FC_W) {
        fc_vec exponent;
        fc_store(man + j, fc_wide_exp(fc_load(man + j) - top, &exponent));
        fc_store(twos + j, exponent);
    }
}

/* sum[j] * 2^most[j] = sum over i of in[i] * table[i, j], in the order of i; with terms, those go there, (labels,
 * padded). */
FC_INLINE void fc_wide_product(const FcModel* model, const double* in_man, const double* in_twos, const double* table,
                               double* sum, double* most, double* terms)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    const double* exponents = table + L * P;
    ptrdiff_t i, j;
    for (j = 0; j < P; j += FC_W) {
        fc_vec top = fc_splat(-DBL_MAX), total = fc_splat(0.0);
        for (i = 0; i < L; i++)
            top = fc_max(fc_splat(in_twos[i]) + fc_load(exponents + i * P + j), top);
        for (i = 0; i < L; i++) {
            const fc_vec below = fc_splat(in_twos[i]) + fc_load(exponents + i * P + j) - top;
            const fc_vec term = fc_shifted(fc_splat(in_man[i]) * fc_load(table + i * P + j), below);
            if (terms)
                fc_store(terms + i * P + j, term);
            total += term;
        }
        fc_store(sum + j, total);
        fc_store(most + j, top);
    }
}

/* Take a column's largest exponent out of it. */
FC_INLINE void fc_wide_rescale(const FcModel* model, double* twos, FcScale* scale)
{
    const ptrdiff_t P = model->padded;
    fc_vec most = fc_splat(-DBL_MAX);
    double top;
    ptrdiff_t j;
    for (j = 0; j < P; j += FC_W)
        most = fc_max(fc_load(twos + j), most);
    top = fc_horizontal_max(most);
    if (!(top > FC_DEAD))
        return;
    scale->twos += top;
    for (j = 0; j < P; j += FC_W)
        fc_store(twos + j, fc_load(twos + j) - top);
}

/* The sum of a column whose largest exponent is 0; 0 if all of it is zero */
static double fc_wide_sum(const FcModel* model, const double* man, const double* twos)
{
    double parts[FC_W], sum = 0.0;
    ptrdiff_t j;
    int k;
    for (j = 0; j < model->padded; j += FC_W) {
        fc_store(parts, fc_shifted(fc_load(man + j), fc_load(twos + j)));
        for (k = 0; k < FC_W; k++)
            sum += parts[k];
    }
    return sum;
}

/* The logs of a column, less their divisor's */
static void fc_wide_logs(const FcModel* model, const double* man, const double* twos, double* out)
{
    ptrdiff_t j;
    for (j = 0; j < model->labels; j++)
        out[j] = man[j] > 0.0 ? twos[j] * FC_LN2 + log(man[j]) : -INFINITY;
}

static void fc_wide_out(const FcModel* model, const double* man, const double* twos, ptrdiff_t moves,
                        const FcScale* scale, double* out, double* log_scale)
{
    const ptrdiff_t L = model->labels;
    double total, rest;
    ptrdiff_t j;
    fc_divisor(model, moves, scale, &total, &rest);
    if (log_scale) {
        const double sum = fc_wide_sum(model, man, twos);
        for (j = 0; j < L; j++)
            out[j] = man[j] > 0.0 ? ldexp(man[j], twos[j] < -2000.0 ? -2000 : (int)twos[j]) / sum : 0.0;
        *log_scale = sum > 0.0 ? total + (rest + log(sum)) : -INFINITY;
    } else {
        fc_wide_logs(model, man, twos, out);
        for (j = 0; j < L; j++)
            out[j] = out[j] > -INFINITY ? total + (rest + out[j]) : -INFINITY;
    }
}

/* Forward from step t0 to before t1. With keep, man and twos hold all columns, (length, padded), else the last two
 * in turn. With out, log forward variables (length, labels) go there, or if there are log_scales, scaled ones.
 * spare: twice padded. */
static void fc_wide_forward(const FcModel* model, const void* emissions, int single, ptrdiff_t length, ptrdiff_t t0,
                            ptrdiff_t t1, int keep, double* man, double* twos, double* spare, FcScale* scale,
                            double* out, double* log_scales)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    ptrdiff_t t, j;
    for (t = t0; t < t1; t++) {
        const ptrdiff_t now = (keep ? t : t & 1) * P, last = (keep ? t - 1 : (t & 1) ^ 1) * P;
        double* m = man + now;
        double* e = twos + now;
        if (t == 0) {
            fc_wide_weights(model, emissions, single, t, length, m, e, scale);
        } else {
            fc_wide_weights(model, emissions, single, t, length, spare, spare + P, scale);
            fc_wide_product(model, man + last, twos + last, model->wide, m, e, NULL);
            for (j = 0; j < P; j += FC_W) {
                fc_vec exponent = fc_load(e + j) + fc_load(spare + P + j);
                fc_store(m + j, fc_wide_tidy(fc_load(m + j) * fc_load(spare + j), &exponent));
                fc_store(e + j, exponent);
            }
        }
        fc_wide_rescale(model, e, scale);
        if (out)
            fc_wide_out(model, m, e, t, scale, out + t * L, log_scales ? log_scales + t : NULL);
    }
}

/* Node probabilities in place of a column's mantissas; sum becomes what each of its terms counts. */
FC_INLINE void fc_wide_nodes(const FcModel* model, double* man, const double* twos, const double* beta,
                             const double* power, double* node, double* sum)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    fc_vec most = fc_splat(-DBL_MAX);
    double top, total = 0.0;
    ptrdiff_t i;
    for (i = 0; i < P; i += FC_W)
        most = fc_max(fc_load(twos + i) + fc_load(power + i), most);
    top = fc_horizontal_max(most);
    for (i = 0; i < P; i += FC_W) {
        const fc_vec below = fc_load(twos + i) + fc_load(power + i) - top;
        fc_store(node + i, fc_shifted(fc_load(man + i) * fc_load(beta + i), below));
    }
    for (i = 0; i < L; i++)
        total += node[i];
    for (i = 0; i < P; i++) {
        man[i] = total > 0.0 ? node[i] / total : 0.0;
        sum[i] = sum[i] > 0.0 ? man[i] / sum[i] : 0.0;
    }
}

/* Backward from step t1 - 1 down to t0. With out as in fc_wide_forward; without, node probabilities replace man, and
 * expected transitions are added to counts, transposed, (labels, padded), which settle. state keeps itself between
 * calls: its first two rows hold beta; (6 + labels) * padded doubles. */
static void fc_wide_backward(const FcModel* model, const void* emissions, int single, ptrdiff_t length, ptrdiff_t t0,
                             ptrdiff_t t1, double* man, const double* twos, double* state, double* counts,
                             FcScale* scale, double* out, double* log_scales)
{
    const ptrdiff_t L = model->labels, P = model->padded;
    double *beta = state, *power = state + P, *in = state + 2 * P, *in_twos = state + 3 * P;
    double *sum = state + 4 * P, *terms = state + 6 * P;
    ptrdiff_t t, i, j;
    for (t = t1 - 1; t >= t0; t--) {
        if (t == length - 1) {
            for (i = 0; i < P; i++) {
                beta[i] = i < L ? 1.0 : 0.0;
                power[i] = i < L ? 0.0 : -INFINITY;
                sum[i] = 0.0;
            }
        } else {
            fc_wide_weights(model, emissions, single, t + 1, length, in, in_twos, scale);
            for (j = 0; j < P; j += FC_W) {
                fc_store(in + j, fc_load(in + j) * fc_load(beta + j));
                fc_store(in_twos + j, fc_load(in_twos + j) + fc_load(power + j));
            }
            fc_wide_product(model, in, in_twos, model->wide + 2 * L * P, sum, power, out ? NULL : terms);
            for (i = 0; i < P; i += FC_W) {
                fc_vec exponent = fc_load(power + i);
                fc_store(beta + i, fc_wide_tidy(fc_load(sum + i), &exponent));
                fc_store(power + i, exponent);
            }
            fc_wide_rescale(model, power, scale);
        }
        if (out) {
            fc_wide_out(model, beta, power, length - 1 - t, scale, out + t * L, log_scales ? log_scales + t : NULL);
        } else {
            fc_wide_nodes(model, man + t * P, twos + t * P, beta, power, state + 5 * P, sum);
            if (t < length - 1)
                for (j = 0; j < L; j++)
                    for (i = 0; i < P; i += FC_W)
                        fc_store(counts + j * P + i,
                                 fc_load(counts + j * P + i) + fc_load(sum + i) * fc_load(terms + j * P + i));
            if (FC_SETTLE(t))
                fc_settle(counts, L * P);
        }
    }
}

#endif
