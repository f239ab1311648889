/* out = start + z * weights, the step of a recurrent cell. Included by cells.h once for each kind of number.
 *
 * Weights (k, columns) are packed in panels two vectors wide, whose accumulators stay in registers while the panel
 * streams past once for up to TALL rows; where rows are few, several panels stream at once, so that no product waits
 * for the one before. Each element is summed in the order of k, whatever the tile it falls in: results don't depend on
 * how a batch is cut. */

/* Where column `column` of row `i` lies. */
FC_INLINE ptrdiff_t NAME(place)(ptrdiff_t k, ptrdiff_t i, ptrdiff_t column)
{
    return column / (2 * W) * (2 * W) * k + i * (2 * W) + column % (2 * W);
}

/* Write n columns of row `i`, from `column` on. */
static void NAME(put)(REAL* packed, ptrdiff_t k, ptrdiff_t i, ptrdiff_t column, const REAL* values, ptrdiff_t n)
{
    while (n > 0) {
        const ptrdiff_t room = 2 * W - column % (2 * W), count = n < room ? n : room;
        memcpy(packed + NAME(place)(k, i, column), values, count * sizeof(REAL));
        column += count;
        values += count;
        n -= count;
    }
}

FC_INLINE void NAME(tile)(const REAL* panel, ptrdiff_t k, const REAL* z, ptrdiff_t dz, const REAL* start, ptrdiff_t ds,
                          REAL* out, ptrdiff_t dout, const int rows, const int panels)
{
    VEC sums[TALL][8];
    ptrdiff_t i;
    int r, p;
    FC_UNROLL
    for (r = 0; r < rows; r++)
        FC_UNROLL
        for (p = 0; p < 2 * panels; p++)
            sums[r][p] = V(load)(start + r * ds + p * W);
    for (i = 0; i < k; i++) {
        FC_UNROLL
        for (p = 0; p < panels; p++) {
            const REAL* row = panel + (p * k + i) * 2 * W;
            const VEC first = V(load)(row), second = V(load)(row + W);
            FC_UNROLL
            for (r = 0; r < rows; r++) {
                const VEC factor = V(splat)(z[r * dz + i]);
                sums[r][2 * p] += first * factor;
                sums[r][2 * p + 1] += second * factor;
            }
        }
    }
    FC_UNROLL
    for (r = 0; r < rows; r++)
        FC_UNROLL
        for (p = 0; p < 2 * panels; p++)
            V(store)(out + r * dout + p * W, sums[r][p]);
}

/* `start` and `out` may be the same; ds == 0: one start for all rows. columns: whole panels. `back`: from the last panels
 * to the first, which changes nothing but what is found in a cache that holds nearly all weights: a step that begins
 * where the last one ended finds most of them there, and one that always begins at the same end finds none. */
static void NAME(affine)(const REAL* packed, ptrdiff_t k, ptrdiff_t columns, const REAL* z, ptrdiff_t dz,
                         ptrdiff_t rows, const REAL* start, ptrdiff_t ds, REAL* out, ptrdiff_t dout, int back)
{
    const ptrdiff_t blocks = (rows + TALL - 1) / TALL;
    /* Columns that are taken at once, and the rest by panels. One row's products wait for memory sooner than for one
     * another where vectors are long. */
    const ptrdiff_t wide = rows == 1 ? ALONE * 2 * W : rows == 2 ? 4 * W : 2 * W;
    const ptrdiff_t n = columns / wide, rest = columns % wide / (2 * W);
    ptrdiff_t i, first, r;
    for (i = 0; i < n + rest; i++) {
        const ptrdiff_t at = back ? n + rest - 1 - i : i;
        const ptrdiff_t column = at < n ? at * wide : n * wide + (at - n) * 2 * W;
        if (rows == 1 && at < n)
            NAME(tile)(packed + column * k, k, z, dz, start + column, ds, out + column, dout, 1, ALONE);
        else if (rows == 2 && at < n)
            NAME(tile)(packed + column * k, k, z, dz, start + column, ds, out + column, dout, 2, 2);
        else
            for (first = 0; first < rows; first += r) {
                const REAL* panel = packed + column * k;
                const REAL* zs = z + first * dz;
                const REAL* s = start + first * ds + column;
                REAL* o = out + first * dout + column;
                r = (rows + blocks - 1) / blocks;
                r = r < rows - first ? r : rows - first;
                switch (r) {
                case 1: NAME(tile)(panel, k, zs, dz, s, ds, o, dout, 1, 1); break;
                case 2: NAME(tile)(panel, k, zs, dz, s, ds, o, dout, 2, 1); break;
                case 3: NAME(tile)(panel, k, zs, dz, s, ds, o, dout, 3, 1); break;
                case 4: NAME(tile)(panel, k, zs, dz, s, ds, o, dout, 4, 1); break;
#if TALL > 4
                case 5: NAME(tile)(panel, k, zs, dz, s, ds, o, dout, 5, 1); break;
                case 6: NAME(tile)(panel, k, zs, dz, s, ds, o, dout, 6, 1); break;
                case 7: NAME(tile)(panel, k, zs, dz, s, ds, o, dout, 7, 1); break;
                default: NAME(tile)(panel, k, zs, dz, s, ds, o, dout, 8, 1); break;
#endif
                }
            }
    }
}
