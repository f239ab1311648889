/* y[t] = A[t] y[t-1] + b[t] for one kind of real number: each element is b's with the products added in the order of A's
 * columns, each product and sum rounded on its own (`step`), however it is computed. Included by scans.h. */

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

/* A (outer, n, d, d), b (outer, n, d), their first two dimensions' steps between elements in sA, sb, the others
 * contiguous; y0 (outer, d) and y (outer, n, d) contiguous. `columns` has room for d * d. Returns -1 if the call must
 * stop. */
static int NAME(affine)(const REAL* A, const ptrdiff_t* sA, const REAL* b, const ptrdiff_t* sb, const REAL* y0, REAL* y,
                        ptrdiff_t outer, ptrdiff_t n, ptrdiff_t d, int reverse, REAL* columns, Pace* pace)
{
    const int constant = sA[1] == 0;
    ptrdiff_t o, t, i, j;
    for (o = 0; o < outer; o++) {
        const REAL* last = y0 + o * d;
        const REAL* matrix = A + o * sA[0];
        if (constant && (o == 0 || sA[0] != 0))
            for (i = 0; i < d; i++)
                for (j = 0; j < d; j++)
                    columns[j * d + i] = matrix[i * d + j];
        for (t = 0; t < n; t++) {
            const ptrdiff_t row = reverse ? n - 1 - t : t;
            const REAL* forcing = b + o * sb[0] + row * sb[1];
            REAL* now = y + (o * n + row) * d;
            if (constant)
                NAME(by_columns)(columns, forcing, last, now, d);
            else
                NAME(by_rows)(matrix + row * sA[1], forcing, last, now, d);
            last = now;
            if (spend(pace, d * d + 8) < 0)
                return -1;
        }
    }
    return 0;
}
