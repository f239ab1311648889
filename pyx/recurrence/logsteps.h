/* y[t] = log(exp(a[t] + y[t-1]) + exp(b[t])) for one kind of number, many chains at a time. Included by logs.h. */

/* log(1 + u) for u from 0 to 1: 2 atanh(u / (2 + u)) */
FC_INLINE VEC NAME(log_of_more)(VEC u)
{
    const VEC s = u / (u + V(splat)((REAL)2)), z = s * s, twice = s + s;
    return twice + twice * (z * V(atanh_rest)(z));
}

/* log(exp(x) + exp(y)). Both infinite alike, or one not a number: x + y is what comes out. */
FC_INLINE VEC NAME(joined)(VEC x, VEC y)
{
    const VEC apart = x - y, sum = x + y;
    const VEC down = V(from_bits)(V(bits)(apart) | SIGN);
    const VEC made = V(max)(x, y) + NAME(log_of_more)(V(exp)(down));
#if FC_BYTES > 8
    const INT known = (INT)(apart == apart);
    return V(from_bits)((V(bits)(made) & known) | (V(bits)(sum) & ~known));
#else
    return apart == apart ? made : sum;
#endif
}

/* Up to W numbers that lie `stride` apart. */
FC_INLINE VEC NAME(taken)(const REAL* from, ptrdiff_t stride, ptrdiff_t lanes)
{
    REAL part[W] = {0};
    ptrdiff_t k;
    if (stride == 1 && lanes >= W)
        return V(load)(from);
    if (lanes >= W)
        for (k = 0; k < W; k++)
            part[k] = from[k * stride];
    else
        for (k = 0; k < lanes; k++)
            part[k] = from[k * stride];
    return V(load)(part);
}

FC_INLINE void NAME(put)(REAL* to, ptrdiff_t stride, ptrdiff_t lanes, VEC value)
{
    REAL part[W];
    ptrdiff_t k;
    if (stride == 1 && lanes >= W) {
        V(store)(to, value);
        return;
    }
    V(store)(part, value);
    for (k = 0; k < lanes && k < W; k++)
        to[k * stride] = part[k];
}

/* `lanes` chains, at most SIDE vectors, whose first elements lie ka, kb, ky apart and their steps da, db, dy. */
static int NAME(together)(const REAL* a, ptrdiff_t da, ptrdiff_t ka, const REAL* b, ptrdiff_t db, ptrdiff_t kb,
                          const REAL* y0, REAL* y, ptrdiff_t dy, ptrdiff_t ky, ptrdiff_t n, ptrdiff_t lanes, Pace* pace)
{
    VEC states[SIDE];
    ptrdiff_t t, k;
    for (k = 0; k * W < lanes; k++)
        states[k] = NAME(taken)(y0 + k * W, 1, lanes - k * W);
    for (t = 0; t < n; t++) {
        for (k = 0; k * W < lanes; k++) {
            const ptrdiff_t first = k * W, count = lanes - first;
            states[k] = NAME(joined)(NAME(taken)(a + first * ka, ka, count) + states[k],
                                     NAME(taken)(b + first * kb, kb, count));
            NAME(put)(y + first * ky, ky, count, states[k]);
        }
        a += da;
        b += db;
        y += dy;
        if (spend(pace, 8 * k + 8) < 0)
            return -1;
    }
    return 0;
}

/* y0 (outer, m), y (outer, n, m) contiguous; a, b of y's shape with the steps between elements that sa, sb say. */
static int NAME(log_scan)(const REAL* a, const ptrdiff_t* sa, const REAL* b, const ptrdiff_t* sb, const REAL* y0,
                          REAL* y, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t m, int reverse, Pace* pace)
{
    /* Chains side by side are the last dimension's, or, where that is one, the first's. */
    const int rows = m == 1;
    const ptrdiff_t ka = sa[rows ? 0 : 2], kb = sb[rows ? 0 : 2], ky = rows ? n : 1, width = rows ? outer : m;
    const ptrdiff_t back = reverse ? n - 1 : 0, sign = reverse ? -1 : 1;
    ptrdiff_t o, first;
    for (o = 0; o < (rows ? 1 : outer); o++)
        for (first = 0; first < width; first += SIDE * W) {
            const ptrdiff_t lanes = width - first < SIDE * W ? width - first : SIDE * W;
            if (NAME(together)(a + o * sa[0] + back * sa[1] + first * ka, sign * sa[1], ka,
                               b + o * sb[0] + back * sb[1] + first * kb, sign * sb[1], kb, y0 + o * m + first,
                               y + o * n * m + back * m + first * ky, sign * m, ky, n, lanes, pace) < 0)
                return -1;
        }
    return 0;
}
