/* y[t] = A[t] y[t-1] + b[t] for one kind of real number and the complex ones made of two of it: each element is b's with
 * the products added in the order of A's columns, each product and sum rounded on its own (`step`), however it is
 * computed. Included by scans.h.
 *
 * A complex number is two real ones that lie side by side, and a complex matrix one of twice as many rows and columns:
 * of each state first the real part is multiplied with both parts of a column, then the imaginary one. */

/* As many whole vectors of one step. */
FC_INLINE void NAME(wide)(const REAL* columns, const REAL* b, const REAL* last, REAL* y, ptrdiff_t d,
                          const int vectors)
{
    VEC sums[2];
    ptrdiff_t i;
    int v;
    for (v = 0; v < vectors; v++)
        sums[v] = V(load)(b + v * W);
    for (i = 0; i < d; i++) {
        const VEC factor = V(splat)(last[i]);
        for (v = 0; v < vectors; v++)
            sums[v] = V(load)(columns + i * d + v * W) * factor + sums[v];
    }
    for (v = 0; v < vectors; v++)
        V(store)(y + v * W, sums[v]);
}

/* `width` elements of one step from a matrix whose columns lie in memory one after the other, d apart. */
FC_INLINE_SCAN void NAME(part)(const REAL* columns, const REAL* b, const REAL* last, REAL* y, ptrdiff_t d,
                               const int width)
{
    REAL sums[4];
    ptrdiff_t i, j;
    memcpy(sums, b, width * sizeof(REAL));
    for (i = 0; i < d; i++)
        for (j = 0; j < width; j++)
            sums[j] = NAME(step)(columns[i * d + j], last[i], sums[j]);
    memcpy(y, sums, width * sizeof(REAL));
}

/* One step by columns, whose sums stay in registers. */
FC_SCAN NAME(by_columns)(const REAL* columns, const REAL* b, const REAL* last, REAL* y, ptrdiff_t d)
{
    ptrdiff_t i = 0;
    for (; i + 2 * W <= d; i += 2 * W)
        NAME(wide)(columns + i, b + i, last, y + i, d, 2);
    for (; i + W <= d; i += W)
        NAME(wide)(columns + i, b + i, last, y + i, d, 1);
    for (; i + 4 <= d; i += 4)
        NAME(part)(columns + i, b + i, last, y + i, d, 4);
    if (i + 2 <= d) {
        NAME(part)(columns + i, b + i, last, y + i, d, 2);
        i += 2;
    }
    if (i < d)
        NAME(part)(columns + i, b + i, last, y + i, d, 1);
}

/* One step by rows, as a matrix comes that serves but once. */
FC_SCAN NAME(by_rows)(const REAL* A, const REAL* b, const REAL* last, REAL* y, ptrdiff_t d)
{
    ptrdiff_t i, j;
    for (i = 0; i < d; i++) {
        REAL sum = b[i];
        for (j = 0; j < d; j++)
            sum = NAME(step)(A[i * d + j], last[j], sum);
        y[i] = sum;
    }
}

/* The same of a complex matrix of d rows: (re, im) after (re, im). */
FC_SCAN NAME(by_complex_rows)(const REAL* A, const REAL* b, const REAL* last, REAL* y, ptrdiff_t d)
{
    ptrdiff_t i, j;
    for (i = 0; i < 2 * d; i += 2) {
        const REAL* row = A + i * d;
        REAL re = b[i], im = b[i + 1];
        for (j = 0; j < 2 * d; j += 2)
            re = NAME(step)(-row[j + 1], last[j + 1], NAME(step)(row[j], last[j], re));
        for (j = 0; j < 2 * d; j += 2)
            im = NAME(step)(row[j], last[j + 1], NAME(step)(row[j + 1], last[j], im));
        y[i] = re;
        y[i + 1] = im;
    }
}

/* A matrix of d rows by its columns; of complex numbers (parts == 2) as real ones, twice as many. */
static void NAME(turn)(const REAL* matrix, ptrdiff_t d, int parts, REAL* columns)
{
    ptrdiff_t i, j;
    for (i = 0; i < d; i++)
        for (j = 0; j < d; j++) {
            const REAL* from = matrix + (i * d + j) * parts;
            REAL* to = columns + (j * parts * d + i) * parts;
            to[0] = from[0];
            if (parts == 2) {
                to[1] = from[1];
                to[2 * d] = -from[1];
                to[2 * d + 1] = from[0];
            }
        }
}

/* Matrices A (., n, d, d) and vectors b (., n, d), of which each of the `outer` chains takes those that of_A and of_b say;
 * the steps between elements of their first two dimensions in sA, sb, the others contiguous; y0 (outer, d) and
 * y (outer, n, d) contiguous. Numbers have 1 or 2 parts, and steps are counted in these. `columns` has room for one
 * matrix of real numbers. Returns -1 if the call must stop. */
static int NAME(affine)(const REAL* A, const int64_t* of_A, const ptrdiff_t* sA, const REAL* b, const int64_t* of_b,
                        const ptrdiff_t* sb, const REAL* y0, REAL* y, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t d,
                        int parts, int reverse, REAL* columns, Pace* pace)
{
    const int constant = sA[1] == 0;
    const ptrdiff_t width = d * parts;
    ptrdiff_t o, t;
    for (o = 0; o < outer; o++) {
        const REAL* last = y0 + o * width;
        const REAL* matrix = A + of_A[o] * sA[0];
        if (constant && (o == 0 || of_A[o] != of_A[o - 1]))
            NAME(turn)(matrix, d, parts, columns);
        for (t = 0; t < n; t++) {
            const ptrdiff_t row = reverse ? n - 1 - t : t;
            const REAL* forcing = b + of_b[o] * sb[0] + row * sb[1];
            REAL* now = y + (o * n + row) * width;
            if (constant)
                NAME(by_columns)(columns, forcing, last, now, width);
            else if (parts == 1)
                NAME(by_rows)(matrix + row * sA[1], forcing, last, now, d);
            else
                NAME(by_complex_rows)(matrix + row * sA[1], forcing, last, now, d);
            last = now;
            if (spend(pace, width * width + 8) < 0)
                return -1;
        }
    }
    return 0;
}
