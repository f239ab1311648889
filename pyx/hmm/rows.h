/* What the kernels of hidden Markov models do with each row of observations: the states lie along the vector, so that
 * all tables have the states last. */
#ifndef FASTCORE_HMM_ROWS_H
#define FASTCORE_HMM_ROWS_H

#include <stddef.h>

/* out[j] -= sum over d of (x[d] - means[d, j])^2 * halves[d, j] */
static void fh_diagonal(const double *restrict x, const double *restrict means, const double *restrict halves,
                        ptrdiff_t D, ptrdiff_t L, double *restrict out)
{
    ptrdiff_t d, j;
    for (d = 0; d < D; d++) {
        const double value = x[d], *restrict m = means + d * L, *restrict h = halves + d * L;
        for (j = 0; j < L; j++) {
            const double off = value - m[j];
            out[j] -= off * off * h[j];
        }
    }
}

/* out[j] -= half the squared length of factors[j] (x - means[j]), where factors[j] is lower triangular and lies at
 * [c, r, j], column before row; room for D * L numbers in `turned`. */
static void fh_full(const double *restrict x, const double *restrict means, const double *restrict factors,
                    ptrdiff_t D, ptrdiff_t L, double *restrict turned, double *restrict out)
{
    ptrdiff_t c, r, j;
    for (c = 0; c < D * L; c++)
        turned[c] = 0.0;
    for (c = 0; c < D; c++) {
        const double value = x[c], *restrict m = means + c * L;
        for (r = c; r < D; r++) {
            const double *restrict f = factors + (c * D + r) * L;
            double *restrict y = turned + r * L;
            for (j = 0; j < L; j++)
                y[j] += f[j] * (value - m[j]);
        }
        /* Row c is complete: later columns are zero there. */
        for (j = 0; j < L; j++)
            out[j] -= 0.5 * turned[c * L + j] * turned[c * L + j];
    }
}

/* out[j] += sum over d of x[d] * logs[d, j]; nothing times minus infinity is nothing */
static void fh_poisson(const double *restrict x, const double *restrict logs, ptrdiff_t D, ptrdiff_t L,
                       double *restrict out)
{
    ptrdiff_t d, j;
    for (d = 0; d < D; d++) {
        const double value = x[d], *restrict row = logs + d * L;
        if (value > 0.0)
            for (j = 0; j < L; j++)
                out[j] += value * row[j];
    }
}

/* into[j] += scale * row[j] */
static void fh_add(const double *restrict row, double scale, ptrdiff_t L, double *restrict into)
{
    ptrdiff_t j;
    for (j = 0; j < L; j++)
        into[j] += scale * row[j];
}

/* Weighted sums of what is off the centers: first[d, j], and second[d, j] or, with `pairs`, second[c, r, j], r >= c.
 * Room for (D + 1) * L numbers in `off`. */
static void fh_moments(const double *restrict weights, const double *restrict x, const double *restrict centers,
                       ptrdiff_t D, ptrdiff_t L, int squares, int pairs, double *restrict off, double *restrict first,
                       double *restrict second)
{
    double *restrict shares = off + D * L;
    ptrdiff_t c, r, j;
    for (c = 0; c < D; c++)
        for (j = 0; j < L; j++)
            off[c * L + j] = x[c] - centers[c * L + j];
    for (c = 0; c < D; c++) {
        for (j = 0; j < L; j++) {
            shares[j] = weights[j] * off[c * L + j];
            first[c * L + j] += shares[j];
        }
        if (squares)
            for (j = 0; j < L; j++)
                second[c * L + j] += shares[j] * off[c * L + j];
        if (pairs)
            for (r = c; r < D; r++)
                for (j = 0; j < L; j++)
                    second[(c * D + r) * L + j] += shares[j] * off[r * L + j];
    }
}

#endif
