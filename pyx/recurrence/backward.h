/* Gradients of a cell's outputs: the sequences forward, every step kept, then backward in time, then each weight's
 * gradient as one product over all steps. Included by cells.h once for each kind of number. */

/* Weights the other way round. */
typedef struct {
    REAL *to_x;    /* (gates * padded, inputs) */
    REAL *to_h;    /* (gates * padded, states); of a GRU the first two gates' */
    REAL *to_n;    /* (padded, states) of a GRU */
    REAL *to_cell; /* (states, hidden) of a projection */
    REAL *zeros;
} NAME(Turned);

/* The sums over all steps, padded as the weights are. */
typedef struct {
    REAL *of_x, *of_h, *of_n, *to_h; /* (inputs, columns), (states, columns), (states, padded), (hidden, states) */
    REAL *bias, *bias_n;             /* (width): of x W and, of a GRU's candidate, of h U */
} NAME(Sums);

/* What a group leaves behind of each step: rows by time, in each time the sequences that are still running. */
typedef struct {
    ptrdiff_t total;
    REAL *z;     /* (total, inputs) */
    REAL *gates; /* (total, width): the gates, then the gradients of what went into them */
    REAL *h;     /* (rows + total, stride): the states before the first step, then those after each */
    REAL *cell;  /* (rows + total, padded) */
    REAL *grad;  /* (total, stride): of h, for a projection */
    REAL *spare; /* (total, padded): r h of a GRU with the reset before, o tanh(c) of a projection */
    REAL *turned, *packed; /* of a block of rows */
    REAL* out;             /* (total, widest): what comes of a product */
    REAL *dh, *dc;         /* a row for each sequence */
} NAME(Trace);

FC_INLINE int NAME(is_gru)(const NAME(Cell)* c) { return c->kind == CELL_GRU || c->kind == CELL_GRU_BEFORE; }

FC_INLINE ptrdiff_t NAME(widest)(const NAME(Cell)* c)
{
    const ptrdiff_t all[3] = {NAME(panels)(c->inputs), c->stride, NAME(panels)(c->padded)};
    const ptrdiff_t most = all[0] > all[1] ? all[0] : all[1];
    return most > all[2] ? most : all[2];
}

/* Numbers of zeroed memory for the weights the other way round and the sums. */
static ptrdiff_t NAME(measure_back)(const NAME(Cell)* c)
{
    const ptrdiff_t K = c->gates * c->padded, P = c->padded;
    return K * (NAME(panels)(c->inputs) + c->stride) + P * c->stride + c->states * NAME(panels)(P)
           + NAME(widest)(c) + (c->inputs + c->states) * c->columns + c->states * NAME(panels)(P)
           + c->hidden * c->stride + 2 * c->width + LINE;
}

/* Numbers of memory for the largest group. */
static ptrdiff_t NAME(scratch_back)(const NAME(Cell)* c, const int64_t* offsets, const int64_t* order, ptrdiff_t n)
{
    ptrdiff_t first, r, most = 0, wide = NAME(widest)(c);
    for (first = 0; first < n; first += FEW) {
        NAME(Group) group;
        ptrdiff_t total = 0;
        NAME(gather)(&group, offsets, order, first, n, FEW, 0);
        for (r = 0; r < group.rows; r++)
            total += group.length[r];
        most = total > most ? total : most;
    }
    return most * (c->inputs + c->width + 2 * c->stride + 2 * c->padded + wide)
           + FEW * (2 * c->stride + 2 * c->padded) + BLOCK * (c->width + 2 * wide) + LINE;
}

static void NAME(turn)(const NAME(Cell)* c, NAME(Turned)* turned, NAME(Sums)* sums, REAL* memory)
{
    const ptrdiff_t P = c->padded, K = c->gates * P, D = c->inputs, S = c->states, H = c->hidden;
    const ptrdiff_t own = NAME(is_gru)(c) ? 2 * P : K;
    ptrdiff_t i, j;
    turned->to_x = NAME(aligned)(memory);
    turned->to_h = turned->to_x + K * NAME(panels)(D);
    turned->to_n = turned->to_h + K * c->stride;
    turned->to_cell = turned->to_n + P * c->stride;
    turned->zeros = turned->to_cell + S * NAME(panels)(P);
    sums->of_x = turned->zeros + NAME(widest)(c);
    sums->of_h = sums->of_x + D * c->columns;
    sums->of_n = sums->of_h + S * c->columns;
    sums->to_h = sums->of_n + S * NAME(panels)(P);
    sums->bias = sums->to_h + H * c->stride;
    sums->bias_n = sums->bias + c->width;
    for (i = 0; i < D; i++)
        for (j = 0; j < K; j++)
            turned->to_x[NAME(place)(K, j, i)] = c->of_x[NAME(place)(D, i, j)];
    for (i = 0; i < S; i++)
        for (j = 0; j < own; j++)
            turned->to_h[NAME(place)(own, j, i)] = c->of_h[NAME(place)(S, i, j)];
    if (NAME(is_gru)(c))
        for (i = 0; i < S; i++)
            for (j = 0; j < P; j++)
                turned->to_n[NAME(place)(P, j, i)] = c->of_n[NAME(place)(S, i, j)];
    if (c->to_h != NULL)
        for (i = 0; i < H; i++)
            for (j = 0; j < S; j++)
                turned->to_cell[NAME(place)(S, j, i)] = c->to_h[NAME(place)(H, i, j)];
}

/* Gradients of one row: from dh (and dc), of what is new, to those of what went into the gates, which take the gates'
 * place, and to what goes straight into the old state. m: of o tanh(c). */
FC_INLINE void NAME(retreat)(const NAME(Cell)* c, REAL* g, const REAL* before, const REAL* after,
                             const REAL* cell_before, const REAL* cell_after, REAL* dh, REAL* dc, const REAL* m)
{
    const ptrdiff_t P = c->padded;
    const VEC one = V(splat)((REAL)1), zero = V(splat)((REAL)0);
    ptrdiff_t j;
    for (j = 0; j < P; j += W) {
        if (c->kind == CELL_TANH || c->kind == CELL_RELU) {
            const VEC y = V(load)(after + j), grad = V(load)(dh + j);
            if (c->kind == CELL_TANH)
                V(store)(g + j, grad * (one - y * y));
            else
                V(store)(g + j, NAME(where_positive)(grad, y));
            V(store)(dh + j, zero);
        } else if (c->kind == CELL_LSTM) {
            const VEC in = V(load)(g + j), forget = V(load)(g + P + j), candidate = V(load)(g + 2 * P + j);
            const VEC out = V(load)(g + 3 * P + j), grad = V(load)(m + j);
            const VEC t = NAME(hyperbolic)(V(load)(cell_after + j));
            const VEC kept = V(load)(dc + j) + grad * out * (one - t * t);
            V(store)(g + j, kept * candidate * in * (one - in));
            V(store)(g + P + j, kept * V(load)(cell_before + j) * forget * (one - forget));
            V(store)(g + 2 * P + j, kept * in * (one - candidate * candidate));
            V(store)(g + 3 * P + j, grad * t * out * (one - out));
            V(store)(dc + j, kept * forget);
        } else {
            const VEC reset = V(load)(g + j), update = V(load)(g + P + j), candidate = V(load)(g + 2 * P + j);
            const VEC old = V(load)(before + j), grad = V(load)(dh + j);
            const VEC into = grad * (one - update) * (one - candidate * candidate);
            V(store)(g + P + j, grad * (old - candidate) * update * (one - update));
            V(store)(g + 2 * P + j, into);
            if (c->kind == CELL_GRU) {
                V(store)(g + j, into * V(load)(g + c->columns + j) * reset * (one - reset));
                V(store)(g + c->columns + j, into * reset);
            }
            V(store)(dh + j, grad * update);
        }
    }
}

/* sums (n, width) += a^T b for a block of rows a (count, n) and what `packed` holds, b (count, width) */
static void NAME(outer)(const NAME(Trace)* trace, ptrdiff_t count, const REAL* a, ptrdiff_t stride, ptrdiff_t n,
                        ptrdiff_t width, REAL* sums, ptrdiff_t row)
{
    ptrdiff_t i, j;
    for (i = 0; i < count; i++)
        for (j = 0; j < n; j++)
            trace->turned[j * count + i] = a[i * stride + j];
    NAME(affine)(trace->packed, count, width, trace->turned, count, n, sums, row, sums, row, 0);
}

static void NAME(pack)(const NAME(Trace)* trace, ptrdiff_t count, const REAL* rows, ptrdiff_t stride, ptrdiff_t n)
{
    ptrdiff_t i;
    for (i = 0; i < count; i++)
        NAME(put)(trace->packed, count, i, 0, rows + i * stride, n);
}

/* A block's part of each sum: rows from `first` on. before: the states before each row's step. */
static void NAME(collect)(const NAME(Cell)* c, const NAME(Trace)* trace, ptrdiff_t first, ptrdiff_t count,
                          const REAL* before, NAME(Sums)* sums)
{
    const ptrdiff_t P = c->padded, K = c->gates * P, wide = NAME(panels)(P);
    const REAL *gates = trace->gates + first * c->width, *states = before + first * c->stride;
    const REAL* spare = trace->spare + first * P;
    const int gru = NAME(is_gru)(c);
    ptrdiff_t i, j;
    NAME(pack)(trace, count, gates, c->width, c->columns);
    NAME(outer)(trace, count, trace->z + first * c->inputs, c->inputs, c->inputs, c->columns, sums->of_x, c->columns);
    NAME(outer)(trace, count, states, c->stride, c->states, gru ? 2 * P : c->columns, sums->of_h, c->columns);
    if (gru) {
        memset(trace->packed, 0, count * wide * sizeof(REAL));
        NAME(pack)(trace, count, gates + (c->kind == CELL_GRU ? c->columns : 2 * P), c->width, P);
        if (c->kind == CELL_GRU)
            NAME(outer)(trace, count, states, c->stride, c->states, wide, sums->of_n, wide);
        else
            NAME(outer)(trace, count, spare, P, c->states, wide, sums->of_n, wide);
    }
    if (c->to_h != NULL) {
        NAME(pack)(trace, count, trace->grad + first * c->stride, c->stride, c->stride);
        NAME(outer)(trace, count, spare, P, c->hidden, c->stride, sums->to_h, c->stride);
    }
    for (i = 0; i < count; i++) {
        const REAL* row = gates + i * c->width;
        for (j = 0; j < K; j++)
            sums->bias[j] += row[j];
        if (c->kind == CELL_GRU)
            for (j = 0; j < P; j++)
                sums->bias_n[j] += row[c->columns + j];
    }
}

/* The gradient of the sum of dy * y, dh * h and dc * c, outputs and last states of `run`: dx (N, inputs), and in the
 * place of dh (n, states) and dc (n, hidden) those of the first states; sums for the weights. Returns as `run` does. */
static int NAME(back)(const NAME(Cell)* c, const REAL* x, const int64_t* offsets, const int64_t* order, ptrdiff_t n,
                      int reverse, const REAL* h, const REAL* cell, const REAL* dy, REAL* dh, REAL* dc, REAL* dx,
                      const NAME(Turned)* turned, NAME(Sums)* sums, REAL* memory, Pace* pace)
{
    const ptrdiff_t D = c->inputs, P = c->padded, S = c->states, H = c->hidden, K = c->gates * P, stride = c->stride;
    const int gru = NAME(is_gru)(c);
    ptrdiff_t first, i, j, r, t;
    for (first = 0; first < n; first += FEW) {
        NAME(Group) group;
        NAME(Trace) trace;
        ptrdiff_t rows, at, count;
        REAL *h_now, *c_now;
        NAME(gather)(&group, offsets, order, first, n, FEW, reverse);
        rows = group.rows;
        trace.total = 0;
        for (r = 0; r < rows; r++)
            trace.total += group.length[r];
        trace.gates = NAME(aligned)(memory);
        trace.packed = trace.gates + trace.total * c->width;
        trace.h = trace.packed + BLOCK * (c->width + NAME(widest)(c));
        trace.grad = trace.h + (rows + trace.total) * stride;
        trace.cell = trace.grad + trace.total * stride;
        trace.spare = trace.cell + (rows + trace.total) * P;
        trace.out = trace.spare + trace.total * P;
        trace.turned = trace.out + trace.total * NAME(widest)(c);
        trace.z = trace.turned + BLOCK * NAME(widest)(c);
        trace.dh = trace.z + trace.total * D;
        trace.dc = trace.dh + rows * stride;
        memset(trace.h, 0, rows * stride * sizeof(REAL));
        memset(trace.cell, 0, rows * P * sizeof(REAL));
        memset(trace.dh, 0, rows * (stride + P) * sizeof(REAL));
        for (r = 0; r < rows; r++) {
            const ptrdiff_t k = group.index[r];
            int finite = NAME(copied)(trace.h + r * stride, h + k * S, S);
            memcpy(trace.dh + r * stride, dh + k * S, S * sizeof(REAL));
            if (cell != NULL) {
                finite &= NAME(copied)(trace.cell + r * P, cell + k * H, H);
                memcpy(trace.dc + r * P, dc + k * H, H * sizeof(REAL));
            }
            if (!finite)
                return CELL_BAD_STATE;
        }

        /* Forward. */
        at = 0;
        for (t = 0; t < group.longest; t++)
            for (r = NAME(active)(&group, rows, t), i = 0; i < r; i++)
                if (!NAME(copied)(trace.z + at++ * D, x + NAME(row)(&group, i, t) * D, D))
                    return CELL_BAD_INPUT;
        for (i = 0; i < trace.total; i += count) {
            count = trace.total - i < BLOCK ? trace.total - i : BLOCK;
            NAME(affine)(c->of_x, D, c->columns, trace.z + i * D, D, count, c->bias, 0, trace.gates + i * c->width,
                         c->width, 0);
            if (spend(pace, count * D * c->columns >> 5) < 0)
                return -1;
        }
        at = 0;
        h_now = trace.h;
        c_now = trace.cell;
        for (t = 0; t < group.longest; t++) {
            const ptrdiff_t more = NAME(active)(&group, rows, t);
            REAL *h_next = trace.h + (rows + at) * stride, *c_next = trace.cell + (rows + at) * P;
            memcpy(h_next, h_now, more * stride * sizeof(REAL));
            memcpy(c_next, c_now, more * P * sizeof(REAL));
            NAME(advance)(c, trace.gates + at * c->width, more, h_next, c_next, trace.spare + at * P, 1,
                          t & 1);
            h_now = h_next;
            c_now = c_next;
            at += more;
            if (spend(pace, (more * (D + S) * c->columns >> 5) + 2 * more * c->columns + 16) < 0)
                return -1;
        }

        /* Backward. */
        for (t = group.longest - 1; t >= 0; t--) {
            const ptrdiff_t more = NAME(active)(&group, rows, t);
            const ptrdiff_t was = t ? rows + at - more - NAME(active)(&group, rows, t - 1) : 0;
            REAL* gates;
            at -= more;
            gates = trace.gates + at * c->width;
            for (r = 0; r < more; r++) {
                const REAL* given = dy + NAME(row)(&group, r, t) * S;
                for (j = 0; j < S; j++)
                    trace.dh[r * stride + j] += given[j];
            }
            if (c->to_h != NULL) {
                memcpy(trace.grad + at * stride, trace.dh, more * stride * sizeof(REAL));
                NAME(affine)(turned->to_cell, S, NAME(panels)(P), trace.dh, stride, more, turned->zeros, 0, trace.out,
                             NAME(panels)(P), t & 1);
            } else if (c->kind == CELL_LSTM)
                for (r = 0; r < more; r++)
                    memcpy(trace.out + r * NAME(panels)(P), trace.dh + r * stride, P * sizeof(REAL));
            for (r = 0; r < more; r++) {
                NAME(retreat)(c, gates + r * c->width, trace.h + (was + r) * stride, trace.h + (rows + at + r) * stride,
                              trace.cell + (was + r) * P, trace.cell + (rows + at + r) * P, trace.dh + r * stride,
                              trace.dc + r * P, trace.out + r * NAME(panels)(P));
                if (c->kind == CELL_LSTM)
                    memset(trace.dh + r * stride, 0, stride * sizeof(REAL));
            }
            if (c->kind == CELL_GRU_BEFORE) {
                /* Through r h, which the candidate's weights multiply. */
                NAME(affine)(turned->to_n, P, stride, gates + 2 * P, c->width, more, turned->zeros, 0, trace.out,
                             stride, t & 1);
                for (r = 0; r < more; r++)
                    for (j = 0; j < P; j += W) {
                        const VEC reset = V(load)(gates + r * c->width + j), into = V(load)(trace.out + r * stride + j);
                        const VEC old = V(load)(trace.h + (was + r) * stride + j);
                        const VEC one = V(splat)((REAL)1);
                        V(store)(gates + r * c->width + j, into * old * reset * (one - reset));
                        V(store)(trace.dh + r * stride + j, V(load)(trace.dh + r * stride + j) + into * reset);
                    }
            } else if (c->kind == CELL_GRU)
                NAME(affine)(turned->to_n, P, stride, gates + c->columns, c->width, more, trace.dh, stride, trace.dh,
                             stride, t & 1);
            NAME(affine)(turned->to_h, gru ? 2 * P : K, stride, gates, c->width, more, trace.dh, stride, trace.dh,
                         stride, t & 1);
            if (spend(pace, (more * (D + S) * c->columns >> 4) + 2 * more * c->columns + 16) < 0)
                return -1;
        }
        for (r = 0; r < rows; r++) {
            memcpy(dh + group.index[r] * S, trace.dh + r * stride, S * sizeof(REAL));
            if (cell != NULL)
                memcpy(dc + group.index[r] * H, trace.dc + r * P, H * sizeof(REAL));
        }

        /* The states before each step, in the place of those after it. */
        at = trace.total;
        for (t = group.longest - 1; t >= 0; t--) {
            const ptrdiff_t more = NAME(active)(&group, rows, t);
            const ptrdiff_t was = t ? rows + at - more - NAME(active)(&group, rows, t - 1) : 0;
            at -= more;
            memmove(trace.h + (rows + at) * stride, trace.h + was * stride, more * stride * sizeof(REAL));
        }
        for (i = 0; i < trace.total; i += count) {
            count = trace.total - i < BLOCK ? trace.total - i : BLOCK;
            NAME(collect)(c, &trace, i, count, trace.h + rows * stride, sums);
            NAME(affine)(turned->to_x, K, NAME(panels)(D), trace.gates + i * c->width, c->width, count, turned->zeros,
                         0, trace.out + i * NAME(panels)(D), NAME(panels)(D), 0);
            if (spend(pace, count * (2 * D + S) * c->columns >> 4) < 0)
                return -1;
        }
        at = 0;
        for (t = 0; t < group.longest; t++)
            for (r = NAME(active)(&group, rows, t), i = 0; i < r; i++)
                memcpy(dx + NAME(row)(&group, i, t) * D, trace.out + at++ * NAME(panels)(D), D * sizeof(REAL));
    }
    return 0;
}

/* Take the padding out of a sum's rows: from (rows, row) blocks of `padded` to (rows, all), from block `skip` on. */
static void NAME(unpadded)(const NAME(Cell)* c, const REAL* sums, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t blocks,
                           ptrdiff_t skip, REAL* to)
{
    const ptrdiff_t all = c->gates * c->hidden;
    ptrdiff_t i, g;
    for (i = 0; i < rows; i++)
        for (g = 0; g < blocks; g++)
            memcpy(to + i * all + (skip + g) * c->hidden, sums + i * row + g * c->padded, c->hidden * sizeof(REAL));
}

/* dW (inputs, all), dU (states, all), dbias (2, all), dprojection (hidden, states) or NULL */
static void NAME(hand_over)(const NAME(Cell)* c, const NAME(Sums)* sums, REAL* dW, REAL* dU, REAL* dbias,
                            REAL* dprojection)
{
    const int gru = NAME(is_gru)(c);
    const ptrdiff_t all = c->gates * c->hidden;
    ptrdiff_t i;
    NAME(unpadded)(c, sums->of_x, c->inputs, c->columns, c->gates, 0, dW);
    NAME(unpadded)(c, sums->of_h, c->states, c->columns, gru ? 2 : c->gates, 0, dU);
    if (gru)
        NAME(unpadded)(c, sums->of_n, c->states, NAME(panels)(c->padded), 1, 2, dU);
    NAME(unpadded)(c, sums->bias, 1, c->width, c->gates, 0, dbias);
    NAME(unpadded)(c, sums->bias, 1, c->width, c->gates, 0, dbias + all);
    if (c->kind == CELL_GRU)
        NAME(unpadded)(c, sums->bias_n, 1, c->width, 1, 2, dbias + all);
    if (dprojection != NULL)
        for (i = 0; i < c->hidden; i++)
            memcpy(dprojection + i * c->states, sums->to_h + i * c->stride, c->states * sizeof(REAL));
}
