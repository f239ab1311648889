/* A cell's weights, packed once, and sequences run through it. Included by cells.h once for each kind of number. */

typedef struct {
    int kind;
    ptrdiff_t inputs, hidden;
    ptrdiff_t states;  /* of h: as many as hidden units, unless they are projected */
    ptrdiff_t padded;  /* hidden units rounded up to whole vectors */
    ptrdiff_t gates;   /* blocks of `padded` columns */
    ptrdiff_t columns; /* of what the input gives: all gates, rounded up to whole panels */
    ptrdiff_t width;   /* of a row of gates; a GRU's has the candidate's part of the state behind the columns */
    ptrdiff_t stride;  /* of a row of h */
    REAL *of_x;        /* (inputs, columns) */
    REAL *of_h;        /* (states, columns); of a GRU the first two gates */
    REAL *of_n;        /* (hidden, padded) of a GRU: the candidate's */
    REAL *to_h;        /* (hidden, states), NULL without projection */
    REAL *bias;        /* (columns) */
    REAL *bias_n;      /* of a GRU: what the reset gate multiplies too; else zeros */
} NAME(Cell);

/* Vectors that lie across two lines of the cache cost twice; LINE numbers of room let them begin with one. */
FC_INLINE REAL* NAME(aligned)(REAL* memory) { return (REAL*)(((uintptr_t)memory + 63) / 64 * 64); }

FC_INLINE ptrdiff_t NAME(panels)(ptrdiff_t n) { return (n + 2 * W - 1) / (2 * W) * (2 * W); }

/* Sizes; return how many numbers of memory `fill` needs. */
static ptrdiff_t NAME(measure)(NAME(Cell)* c, int kind, ptrdiff_t inputs, ptrdiff_t hidden, ptrdiff_t states)
{
    const int gru = kind == CELL_GRU || kind == CELL_GRU_BEFORE;
    c->kind = kind;
    c->inputs = inputs;
    c->hidden = hidden;
    c->states = states;
    c->padded = (hidden + W - 1) / W * W;
    c->gates = gru ? 3 : kind == CELL_LSTM ? 4 : 1;
    c->columns = NAME(panels)(c->gates * c->padded);
    c->width = c->columns + (gru ? NAME(panels)(c->padded) : 0);
    c->stride = NAME(panels)(states);
    return (inputs + states) * c->columns + hidden * ((gru ? NAME(panels)(c->padded) : 0) + c->stride) + c->width
           + c->stride + LINE;
}

/* W (inputs, gates * hidden), U (states, the same), bias (2, the same), projection (hidden, states) or NULL;
 * zeroed memory */
static void NAME(fill)(NAME(Cell)* c, const REAL* weights, const REAL* recurrent, const REAL* bias,
                       const REAL* projection, REAL* memory)
{
    const int gru = c->kind == CELL_GRU || c->kind == CELL_GRU_BEFORE;
    const ptrdiff_t H = c->hidden, all = c->gates * H;
    ptrdiff_t g, i, j;
    c->of_x = NAME(aligned)(memory);
    c->of_h = c->of_x + c->inputs * c->columns;
    c->of_n = c->of_h + c->states * c->columns;
    c->bias = c->of_n + (gru ? H * NAME(panels)(c->padded) : 0);
    c->bias_n = c->bias + c->columns;
    c->to_h = projection == NULL ? NULL : c->bias_n + c->stride;
    for (g = 0; g < c->gates; g++) {
        const int apart = gru && g == 2;
        for (i = 0; i < c->inputs; i++)
            NAME(put)(c->of_x, c->inputs, i, g * c->padded, weights + i * all + g * H, H);
        for (i = 0; i < c->states; i++)
            NAME(put)(apart ? c->of_n : c->of_h, c->states, i, apart ? 0 : g * c->padded,
                      recurrent + i * all + g * H, H);
        for (j = 0; j < H; j++) {
            const REAL first = bias[g * H + j], second = bias[all + g * H + j];
            if (apart && c->kind == CELL_GRU) {
                c->bias[g * c->padded + j] = first;
                c->bias_n[j] = second;
            } else
                c->bias[g * c->padded + j] = first + second;
        }
    }
    if (projection != NULL)
        for (i = 0; i < H; i++)
            NAME(put)(c->to_h, H, i, 0, projection + i * c->states, c->states);
}

/* The candidate's part of the states, which its reset gate multiplies. */
FC_INLINE void NAME(candidate)(const NAME(Cell)* c, REAL* gates, ptrdiff_t rows, const REAL* h, int back)
{
    NAME(affine)(c->of_n, c->states, NAME(panels)(c->padded), h, c->stride, rows, c->bias_n, 0, gates + c->columns,
                 c->width, back);
}

/* One step of `rows` sequences. Rows of gates hold what the input gives; with `keep` they are left holding the gates
 * themselves. h, cell: states, old before and new after; spare: a row of `padded` for each; back: see `affine`. */
FC_INLINE void NAME(advance)(const NAME(Cell)* c, REAL* gates, ptrdiff_t rows, REAL* h, REAL* cell, REAL* spare,
                             const int keep, int back)
{
    const ptrdiff_t P = c->padded, width = c->width;
    const int gru = c->kind == CELL_GRU || c->kind == CELL_GRU_BEFORE;
    const VEC one = V(splat)((REAL)1);
    ptrdiff_t r, j;
    if (c->kind == CELL_GRU && back)
        NAME(candidate)(c, gates, rows, h, back);
    NAME(affine)(c->of_h, c->states, gru ? 2 * P : c->columns, h, c->stride, rows, gates, width, gates, width, back);
    if (c->kind == CELL_GRU && !back)
        NAME(candidate)(c, gates, rows, h, back);
    if (c->kind == CELL_GRU_BEFORE) {
        for (r = 0; r < rows; r++)
            for (j = 0; j < P; j += W) {
                const VEC reset = NAME(sigmoid)(V(load)(gates + r * width + j));
                V(store)(gates + r * width + j, reset);
                V(store)(spare + r * P + j, reset * V(load)(h + r * c->stride + j));
            }
        NAME(affine)(c->of_n, c->states, NAME(panels)(P), spare, P, rows, gates + 2 * P, width, gates + c->columns,
                     width, back);
    }
    for (r = 0; r < rows; r++) {
        REAL* g = gates + r * width;
        REAL* hs = h + r * c->stride;
        REAL* cs = cell + r * P;
        REAL* to = c->to_h == NULL ? hs : spare + r * P;
        switch (c->kind) {
        case CELL_TANH:
            for (j = 0; j < P; j += W)
                V(store)(hs + j, NAME(hyperbolic)(V(load)(g + j)));
            break;
        case CELL_RELU:
            for (j = 0; j < P; j += W)
                V(store)(hs + j, NAME(rectified)(V(load)(g + j)));
            break;
        case CELL_GRU:
        case CELL_GRU_BEFORE:
            for (j = 0; j < P; j += W) {
                const VEC update = NAME(sigmoid)(V(load)(g + P + j)), of_h = V(load)(g + c->columns + j);
                VEC reset, sum, candidate;
                if (c->kind == CELL_GRU) {
                    reset = NAME(sigmoid)(V(load)(g + j));
                    sum = V(load)(g + 2 * P + j) + reset * of_h;
                    if (keep)
                        V(store)(g + j, reset);
                } else
                    sum = of_h;
                candidate = NAME(hyperbolic)(sum);
                if (keep) {
                    V(store)(g + P + j, update);
                    V(store)(g + 2 * P + j, candidate);
                }
                V(store)(hs + j, (one - update) * candidate + update * V(load)(hs + j));
            }
            break;
        default:
            for (j = 0; j < P; j += W) {
                const VEC in = NAME(sigmoid)(V(load)(g + j)), forget = NAME(sigmoid)(V(load)(g + P + j));
                const VEC candidate = NAME(hyperbolic)(V(load)(g + 2 * P + j));
                const VEC out = NAME(sigmoid)(V(load)(g + 3 * P + j));
                const VEC kept = forget * V(load)(cs + j) + in * candidate;
                V(store)(cs + j, kept);
                V(store)(to + j, out * NAME(hyperbolic)(kept));
                if (keep) {
                    V(store)(g + j, in);
                    V(store)(g + P + j, forget);
                    V(store)(g + 2 * P + j, candidate);
                    V(store)(g + 3 * P + j, out);
                }
            }
        }
    }
    if (c->to_h != NULL)
        NAME(affine)(c->to_h, c->hidden, c->stride, spare, P, rows, c->bias_n, 0, h, c->stride, back);
}

/* Sequences side by side: where each begins in x and y, and its length; the longest first. */
typedef struct {
    ptrdiff_t rows, longest;
    ptrdiff_t index[GROUP], begin[GROUP], length[GROUP];
    int reverse;
} NAME(Group);

/* offsets NULL: sequences of one step; order NULL: as they come */
static void NAME(gather)(NAME(Group)* group, const int64_t* offsets, const int64_t* order, ptrdiff_t first, ptrdiff_t n,
                         ptrdiff_t most, int reverse)
{
    ptrdiff_t r;
    group->rows = n - first < most ? n - first : most;
    group->reverse = reverse;
    group->longest = 0;
    for (r = 0; r < group->rows; r++) {
        const ptrdiff_t i = order == NULL ? first + r : order[first + r];
        group->index[r] = i;
        group->begin[r] = offsets == NULL ? i : offsets[i];
        group->length[r] = offsets == NULL ? 1 : offsets[i + 1] - offsets[i];
        group->longest = r ? group->longest : group->length[0];
    }
}

/* The row of x and y that sequence r is at in step t. */
FC_INLINE ptrdiff_t NAME(row)(const NAME(Group)* group, ptrdiff_t r, ptrdiff_t t)
{
    return group->begin[r] + (group->reverse ? group->length[r] - 1 - t : t);
}

/* How many sequences are longer than t, of at most `rows`. */
FC_INLINE ptrdiff_t NAME(active)(const NAME(Group)* group, ptrdiff_t rows, ptrdiff_t t)
{
    while (rows && group->length[rows - 1] <= t)
        rows--;
    return rows;
}

/* Copy n numbers; return whether they are finite. */
FC_INLINE int NAME(copied)(REAL* to, const REAL* from, ptrdiff_t n)
{
    UINT worst = 0;
    ptrdiff_t j;
    for (j = 0; j < n; j++) {
        UINT bits;
        memcpy(&bits, from + j, sizeof bits);
        bits &= EXPONENT;
        worst = bits > worst ? bits : worst;
        to[j] = from[j];
    }
    return worst != EXPONENT;
}

/* Numbers of scratch memory that `run` needs. */
static ptrdiff_t NAME(scratch)(const NAME(Cell)* c, ptrdiff_t n)
{
    const ptrdiff_t rows = n < GROUP ? n : GROUP;
    return AHEAD * (c->inputs + c->width) + rows * (c->stride + 2 * c->padded) + LINE;
}

/* x (N, inputs) -> y (N, states), n sequences side by side; h (n, states), cell (n, hidden) become the last states.
 * Returns -1 if the call must stop, CELL_BAD_INPUT or CELL_BAD_STATE if that isn't finite, else 0. */
static int NAME(run)(const NAME(Cell)* c, const REAL* x, const int64_t* offsets, const int64_t* order, ptrdiff_t n,
                     int reverse, REAL* h, REAL* cell, REAL* y, REAL* memory, Pace* pace)
{
    const ptrdiff_t D = c->inputs, P = c->padded, S = c->states;
    REAL* z = NAME(aligned)(memory);
    REAL* gates = z + AHEAD * D;
    REAL* hs = gates + AHEAD * c->width;
    ptrdiff_t first, r, s, t;
    for (first = 0; first < n; first += GROUP) {
        NAME(Group) group;
        ptrdiff_t rows;
        REAL *cs, *spare;
        NAME(gather)(&group, offsets, order, first, n, GROUP, reverse);
        rows = group.rows;
        cs = hs + rows * c->stride;
        spare = cs + rows * P;
        memset(hs, 0, rows * (c->stride + 2 * P) * sizeof(REAL));
        for (r = 0; r < rows; r++) {
            int finite = NAME(copied)(hs + r * c->stride, h + group.index[r] * S, S);
            if (cell != NULL)
                finite &= NAME(copied)(cs + r * P, cell + group.index[r] * c->hidden, c->hidden);
            if (!finite)
                return CELL_BAD_STATE;
        }
        for (t = 0; t < group.longest;) {
            ptrdiff_t total = 0, steps = 0, now[AHEAD];
            while (t + steps < group.longest) {
                const ptrdiff_t more = NAME(active)(&group, rows, t + steps);
                if (total + more > AHEAD)
                    break;
                for (r = 0; r < more; r++)
                    if (!NAME(copied)(z + (total + r) * D, x + NAME(row)(&group, r, t + steps) * D, D))
                        return CELL_BAD_INPUT;
                now[steps++] = more;
                total += more;
            }
            NAME(affine)(c->of_x, D, c->columns, z, D, total, c->bias, 0, gates, c->width, 0);
            total = 0;
            for (s = 0; s < steps; s++, t++) {
                const ptrdiff_t more = now[s];
                NAME(advance)(c, gates + total * c->width, more, hs, cs, spare, 0, t & 1);
                for (r = 0; r < more; r++)
                    memcpy(y + NAME(row)(&group, r, t) * S, hs + r * c->stride, S * sizeof(REAL));
                total += more;
                /* Thirty-two products are a nanosecond or so, a gate is two. */
                if (spend(pace, (more * (D + S) * c->columns >> 5) + 2 * more * c->columns + 16) < 0)
                    return -1;
            }
        }
        for (r = 0; r < rows; r++) {
            memcpy(h + group.index[r] * S, hs + r * c->stride, S * sizeof(REAL));
            if (cell != NULL)
                memcpy(cell + group.index[r] * c->hidden, cs + r * P, c->hidden * sizeof(REAL));
        }
    }
    return 0;
}
