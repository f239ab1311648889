/* y[t] = a[t] * y[t-1] + b[t] for one kind of number, each product and sum rounded on its own (`step`). Included by
 * scans.h.
 *
 * A chain's steps wait for one another, so LANES chains go side by side: rows of an array, or pieces of one chain. Of a
 * piece the first state isn't known yet: it is guessed, and once the right one is there, the piece's steps are computed
 * again from it until they meet the guessed ones to the bit; from there on those are right. Where |a| is below 1 they
 * meet soon; where they don't, as in a sum, the next pieces are done one after the other. */

FC_SCAN NAME(side_by_side)(const REAL* a, ptrdiff_t da, ptrdiff_t ka, const REAL* b, ptrdiff_t db, ptrdiff_t kb,
                           REAL* y, ptrdiff_t dy, ptrdiff_t ky, ptrdiff_t n, REAL* last)
{
    const ptrdiff_t each = LINE / sizeof(REAL), ahead = AHEAD / sizeof(REAL);
    REAL first = last[0], second = last[1], third = last[2], fourth = last[3];
    ptrdiff_t t, end, k;
    for (t = 0; t < n; t = end) {
        end = n - t < each ? n : t + each;
        for (k = 0; k < LANES; k++) {
            FASTCORE_PREFETCH(a + k * ka + ahead * da);
            FASTCORE_PREFETCH(b + k * kb + ahead * db);
            FASTCORE_PREFETCH(y + k * ky + ahead * dy);
        }
        for (; t < end; t++) {
            first = NAME(step)(a[0], first, b[0]);
            second = NAME(step)(a[ka], second, b[kb]);
            third = NAME(step)(a[2 * ka], third, b[2 * kb]);
            fourth = NAME(step)(a[3 * ka], fourth, b[3 * kb]);
            y[0] = first;
            y[ky] = second;
            y[2 * ky] = third;
            y[3 * ky] = fourth;
            a += da;
            b += db;
            y += dy;
        }
    }
    last[0] = first;
    last[1] = second;
    last[2] = third;
    last[3] = fourth;
}

FC_SCAN NAME(alone)(const REAL* a, ptrdiff_t da, const REAL* b, ptrdiff_t db, REAL* y, ptrdiff_t dy, ptrdiff_t n,
                    REAL* last)
{
    REAL state = last[0];
    ptrdiff_t t;
    for (t = 0; t < n; t++)
        y[t * dy] = state = NAME(step)(a[t * da], state, b[t * db]);
    last[0] = state;
}

/* Recompute a piece from its right first state until it meets what stands there; return how many steps that took. */
FC_INLINE_SCAN ptrdiff_t NAME(mended)(const REAL* a, ptrdiff_t da, const REAL* b, ptrdiff_t db, REAL* y, ptrdiff_t dy,
                                      ptrdiff_t n, REAL state)
{
    ptrdiff_t t;
    for (t = 0; t < n; t++) {
        state = NAME(step)(a[t * da], state, b[t * db]);
        if (memcmp(&state, y + t * dy, sizeof state) == 0)
            break;
        y[t * dy] = state;
    }
    return t;
}

/* One chain; returns -1 if the call must stop. */
static int NAME(chain)(const REAL* a, ptrdiff_t da, const REAL* b, ptrdiff_t db, REAL* y, ptrdiff_t dy, ptrdiff_t n,
                       REAL last, Pace* pace)
{
    ptrdiff_t done = 0, wait = 0, patience = 1;
    while (done < n) {
        ptrdiff_t count = n - done < PIECE ? n - done : PIECE;
        if (wait || n - done < LANES * PIECE) {
            wait -= wait > 0;
            NAME(alone)(a + done * da, da, b + done * db, db, y + done * dy, dy, count, &last);
        } else {
            REAL states[LANES] = {last};
            ptrdiff_t k, again = 0;
            NAME(side_by_side)(a + done * da, da, PIECE * da, b + done * db, db, PIECE * db, y + done * dy, dy,
                               PIECE * dy, PIECE, states);
            for (k = 1; k < LANES; k++) {
                const ptrdiff_t from = done + k * PIECE;
                again += NAME(mended)(a + from * da, da, b + from * db, db, y + from * dy, dy, PIECE,
                                      y[(from - 1) * dy]);
            }
            count = LANES * PIECE;
            last = y[(done + count - 1) * dy];
            /* What was done twice must be little. */
            patience = again > PIECE ? (patience < MOST_PATIENT ? 2 * patience : patience) : 1;
            wait = again > PIECE ? LANES * patience : 0;
        }
        done += count;
        if (spend(pace, 2 * count) < 0)
            return -1;
    }
    return 0;
}

/* `rows` chains (rows, n), each with its own strides in a and b; y contiguous. */
static int NAME(rows)(const REAL* a, ptrdiff_t da, ptrdiff_t ka, const REAL* b, ptrdiff_t db, ptrdiff_t kb,
                      const REAL* y0, REAL* y, ptrdiff_t rows, ptrdiff_t n, int reverse, Pace* pace)
{
    const ptrdiff_t dy = reverse ? -1 : 1;
    ptrdiff_t row = 0, t, k;
    if (n == 0)
        return 0;
    if (reverse) {
        a += (n - 1) * da;
        b += (n - 1) * db;
        y += n - 1;
        da = -da;
        db = -db;
    }
    for (; row + LANES <= rows; row += LANES) {
        REAL states[LANES];
        for (k = 0; k < LANES; k++)
            states[k] = y0[row + k];
        for (t = 0; t < n; t += PIECE) {
            const ptrdiff_t count = n - t < PIECE ? n - t : PIECE;
            NAME(side_by_side)(a + row * ka + t * da, da, ka, b + row * kb + t * db, db, kb, y + row * n + t * dy, dy,
                               n, count, states);
            if (spend(pace, 2 * LANES * count) < 0)
                return -1;
        }
    }
    for (; row < rows; row++)
        if (NAME(chain)(a + row * ka, da, b + row * kb, db, y + row * n, dy, n, y0[row], pace) < 0)
            return -1;
    return 0;
}

/* One step of m chains that lie side by side; da, db: 1, or 0 for one number for all. */
FC_SCAN NAME(across)(const REAL* restrict a, ptrdiff_t da, const REAL* restrict b, ptrdiff_t db,
                     const REAL* restrict last, REAL* restrict y, ptrdiff_t m)
{
    const ptrdiff_t each = LINE / sizeof(REAL), ahead = FAR_AHEAD / sizeof(REAL);
    if (da && db) {
        for (; BY_LINE && m >= each; m -= each) {
            FASTCORE_PREFETCH(a + ahead);
            FASTCORE_PREFETCH(b + ahead);
            FASTCORE_PREFETCH(y + ahead);
            ASSIGN(y, each, NAME(step)(a[j], last[j], b[j]));
            a += each;
            b += each;
            last += each;
            y += each;
        }
        ASSIGN(y, m, NAME(step)(a[j], last[j], b[j]));
    } else if (da)
        ASSIGN(y, m, NAME(step)(a[j], last[j], b[0]));
    else if (db)
        ASSIGN(y, m, NAME(step)(a[0], last[j], b[j]));
    else
        ASSIGN(y, m, NAME(step)(a[0], last[j], b[0]));
}

/* y0 (outer, m), y (outer, n, m) contiguous; a, b of y's shape with the steps between elements that sa, sb say: along
 * the last dimension 1, or 0 for one number for all of it, if that is longer than 1. Returns -1 if the call must stop. */
static int NAME(scan)(const REAL* a, const ptrdiff_t* sa, const REAL* b, const ptrdiff_t* sb, const REAL* y0, REAL* y,
                      ptrdiff_t outer, ptrdiff_t n, ptrdiff_t m, int reverse, Pace* pace)
{
    ptrdiff_t o, t;
    if (m == 1)
        return NAME(rows)(a, sa[1], sa[0], b, sb[1], sb[0], y0, y, outer, n, reverse, pace);
    for (o = 0; o < outer; o++) {
        const REAL* last = y0 + o * m;
        for (t = 0; t < n; t++) {
            const ptrdiff_t row = reverse ? n - 1 - t : t;
            REAL* now = y + (o * n + row) * m;
            NAME(across)(a + o * sa[0] + row * sa[1], sa[2], b + o * sb[0] + row * sb[1], sb[2], last, now, m);
            last = now;
            if (spend(pace, m + 8) < 0)
                return -1;
        }
    }
    return 0;
}
