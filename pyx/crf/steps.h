/* Steps of a chain over rows of labels, for training that goes from sequence to sequence. */
#ifndef FASTCORE_CRF_STEPS_H
#define FASTCORE_CRF_STEPS_H

#include <math.h>
#include <stddef.h>

/* after[j] = max over i of before[i] + moves[i, j] */
static inline void fo_best(const double* restrict before, const double* restrict moves, ptrdiff_t labels,
                           double* restrict after)
{
    ptrdiff_t i, j;
    for (j = 0; j < labels; j++)
        after[j] = before[0] + moves[j];
    for (i = 1; i < labels; i++) {
        const double* restrict row = moves + i * labels;
        const double one = before[i];
        for (j = 0; j < labels; j++) {
            const double reached = one + row[j];
            after[j] = reached > after[j] ? reached : after[j];
        }
    }
}

/* The smallest i where before[i] + moves[i, label] is largest; without moves, where before[i] is. */
static inline ptrdiff_t fo_argmax(const double* before, const double* moves, ptrdiff_t labels, ptrdiff_t label)
{
    ptrdiff_t i, found = 0;
    double most = before[0] + (moves ? moves[label] : 0.0);
    for (i = 1; i < labels; i++) {
        const double reached = before[i] + (moves ? moves[i * labels + label] : 0.0);
        if (reached > most) {
            most = reached;
            found = i;
        }
    }
    return found;
}

/* out[j] += share * x[j] */
static inline void fo_add(double* restrict out, double share, const double* restrict x, ptrdiff_t n)
{
    ptrdiff_t j;
    for (j = 0; j < n; j++)
        out[j] += share * x[j];
}

/* out = row times matrix (labels, labels) */
static inline void fo_times(const double* restrict row, const double* restrict matrix, ptrdiff_t labels,
                            double* restrict out)
{
    ptrdiff_t i, j;
    for (j = 0; j < labels; j++)
        out[j] = row[0] * matrix[j];
    for (i = 1; i < labels; i++)
        fo_add(out, row[i], matrix + i * labels, labels);
}

/* x scaled so that its sum is 1; what the sum was */
static inline double fo_share(double* restrict x, ptrdiff_t n)
{
    ptrdiff_t j;
    double sum = 0.0;
    for (j = 0; j < n; j++)
        sum += x[j];
    for (j = 0; j < n; j++)
        x[j] /= sum;
    return sum;
}

/* out = exp(x - largest of x); the largest */
static inline double fo_powers(const double* restrict x, ptrdiff_t n, double* restrict out)
{
    ptrdiff_t j;
    double most = x[0];
    for (j = 1; j < n; j++)
        most = x[j] > most ? x[j] : most;
    for (j = 0; j < n; j++)
        out[j] = exp(x[j] - most);
    return most;
}

#endif
