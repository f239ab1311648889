/* h[t] = exp(delta[t] A) h[t-1] + delta[t] x[t] B[t], y[t] = sum(C[t] h[t]) + skip x[t], forth and back, for one kind of
 * number. Included by selective.h.
 *
 * x, delta, y: (batch, steps, channels); A: (channels, states), at most 0; B, C: (batch, steps, states); h: (batch,
 * channels, states). A vector holds as many channels: each runs through all steps with its states at hand. */

FC_INLINE VEC NAME(some)(const REAL* from, ptrdiff_t lanes)
{
    REAL part[W] = {0};
    if (lanes >= W)
        return V(load)(from);
    memcpy(part, from, lanes * sizeof(REAL));
    return V(load)(part);
}

FC_INLINE void NAME(keep)(REAL* to, ptrdiff_t lanes, VEC value)
{
    REAL part[W];
    V(store)(part, value);
    memcpy(to, part, (lanes < W ? lanes : W) * sizeof(REAL));
}

FC_INLINE REAL NAME(total)(VEC value)
{
    REAL part[W];
    int half, k;
    V(store)(part, value);
    for (half = W / 2; half; half /= 2)
        for (k = 0; k < half; k++)
            part[k] += part[k + half];
    return part[0];
}

/* States of up to W channels, one after the other, as vectors of channels; 0 where there is none. */
static void NAME(turned)(const REAL* values, ptrdiff_t states, ptrdiff_t lanes, REAL* packed)
{
    ptrdiff_t k, n;
    for (n = 0; n < states; n++)
        for (k = 0; k < W; k++)
            packed[n * W + k] = k < lanes ? values[k * states + n] : 0;
}

/* The other way round; added to what stands there if `add`. */
static void NAME(turned_back)(const REAL* packed, ptrdiff_t states, ptrdiff_t lanes, REAL* values, int add)
{
    ptrdiff_t k, n;
    for (k = 0; k < W && k < lanes; k++)
        for (n = 0; n < states; n++)
            values[k * states + n] = packed[n * W + k] + (add ? values[k * states + n] : 0);
}

/* One step of W channels from `before` to `after` (which may be the same); what the states fade by goes to `fading`, if
 * it is wanted. The sum of C's products. */
FC_INLINE VEC NAME(stepped)(VEC delta, VEC x, const REAL* rates, const REAL* B, const REAL* C, const REAL* before,
                            REAL* after, REAL* fading, ptrdiff_t states)
{
    const VEC fed = delta * x;
    VEC sum = V(splat)((REAL)0);
    ptrdiff_t n;
    for (n = 0; n < states; n++) {
        const VEC fade = V(exp)(delta * V(load)(rates + n * W));
        const VEC h = fade * V(load)(before + n * W) + fed * V(splat)(B[n]);
        V(store)(after + n * W, h);
        if (fading)
            V(store)(fading + n * W, fade);
        sum += h * V(splat)(C[n]);
    }
    return sum;
}

static ptrdiff_t NAME(room)(const Shape* s) { return 2 * s->states * W; }

/* Fill y and the last h. Returns -1 if the call must stop. */
static int NAME(forth)(const Shape* s, const REAL* x, const REAL* delta, const REAL* A, const REAL* B, const REAL* C,
                       const REAL* skip, const REAL* h0, REAL* y, REAL* last, REAL* memory, Pace* pace)
{
    const ptrdiff_t M = s->channels, N = s->states;
    REAL* const rates = memory;
    REAL* const h = rates + N * W;
    ptrdiff_t i, first, t;
    for (i = 0; i < s->batch; i++)
        for (first = 0; first < M; first += W) {
            const ptrdiff_t lanes = M - first;
            const VEC straight = NAME(some)(skip + first, lanes);
            NAME(turned)(A + first * N, N, lanes, rates);
            NAME(turned)(h0 + (i * M + first) * N, N, lanes, h);
            for (t = 0; t < s->steps; t++) {
                const ptrdiff_t row = i * s->steps + (s->reverse ? s->steps - 1 - t : t), at = row * M + first;
                const VEC now = NAME(some)(x + at, lanes);
                const VEC sum = NAME(stepped)(NAME(some)(delta + at, lanes), now, rates, B + row * N, C + row * N, h, h,
                                              NULL, N);
                NAME(keep)(y + at, lanes, sum + now * straight);
                if (spend(pace, 8 * N + 8) < 0)
                    return -1;
            }
            NAME(turned_back)(h, N, lanes, last + (i * M + first) * N, 0);
        }
    return 0;
}

static ptrdiff_t NAME(room_back)(const Shape* s)
{
    return (2 * PART + 5 + s->steps / PART) * s->states * W;
}

/* From the gradients dy by the sums of C's products and dlast by the last h to those by everything; dA, dB and dC begin
 * as zeros. Of the way forth only the state before each part is kept. Returns -1 if the call must stop. */
static int NAME(back)(const Shape* s, const REAL* x, const REAL* delta, const REAL* A, const REAL* B, const REAL* C,
                      const REAL* h0, const REAL* dy, const REAL* dlast, REAL* dx, REAL* ddelta, REAL* dA, REAL* dB,
                      REAL* dC, REAL* dh0, REAL* memory, Pace* pace)
{
    const ptrdiff_t M = s->channels, N = s->states, size = N * W;
    REAL* const rates = memory;
    REAL* const grads = rates + size;
    REAL* const sums = grads + size;
    REAL* const fading = sums + size;
    REAL* const h = fading + PART * size; /* one more than a part has steps */
    REAL* const kept = h + (PART + 1) * size;
    ptrdiff_t i, first, part, t, n;
    for (i = 0; i < s->batch; i++)
        for (first = 0; first < M; first += W) {
            const ptrdiff_t lanes = M - first;
            NAME(turned)(A + first * N, N, lanes, rates);
            NAME(turned)(h0 + (i * M + first) * N, N, lanes, h);
            NAME(turned)(dlast + (i * M + first) * N, N, lanes, grads);
            for (t = 0; t < s->steps; t++) {
                const ptrdiff_t row = i * s->steps + (s->reverse ? s->steps - 1 - t : t), at = row * M + first;
                if (t % PART == 0)
                    memcpy(kept + t / PART * size, h, size * sizeof(REAL));
                NAME(stepped)(NAME(some)(delta + at, lanes), NAME(some)(x + at, lanes), rates, B + row * N, C + row * N,
                              h, h, NULL, N);
                if (spend(pace, 8 * N + 8) < 0)
                    return -1;
            }
            for (part = (s->steps - 1) / PART; part >= 0 && s->steps; part--) {
                const ptrdiff_t from = part * PART, count = s->steps - from < PART ? s->steps - from : PART;
                memcpy(h, kept + part * size, size * sizeof(REAL));
                memset(sums, 0, size * sizeof(REAL));
                for (t = 0; t < count; t++) {
                    const ptrdiff_t step = s->reverse ? s->steps - 1 - from - t : from + t;
                    const ptrdiff_t row = i * s->steps + step, at = row * M + first;
                    NAME(stepped)(NAME(some)(delta + at, lanes), NAME(some)(x + at, lanes), rates, B + row * N,
                                  C + row * N, h + t * size, h + (t + 1) * size, fading + t * size, N);
                }
                for (t = count - 1; t >= 0; t--) {
                    const ptrdiff_t step = s->reverse ? s->steps - 1 - from - t : from + t;
                    const ptrdiff_t row = i * s->steps + step, at = row * M + first;
                    const VEC now = NAME(some)(x + at, lanes), span = NAME(some)(delta + at, lanes);
                    const VEC out = NAME(some)(dy + at, lanes), fed = now * span;
                    VEC by_fed = V(splat)((REAL)0), by_delta = by_fed;
                    for (n = 0; n < N; n++) {
                        const VEC grad = V(load)(grads + n * W) + out * V(splat)(C[row * N + n]);
                        const VEC before = grad * V(load)(fading + t * size + n * W);
                        const VEC by_rate = before * V(load)(h + t * size + n * W);
                        dC[row * N + n] += NAME(total)(out * V(load)(h + (t + 1) * size + n * W));
                        dB[row * N + n] += NAME(total)(grad * fed);
                        by_fed += grad * V(splat)(B[row * N + n]);
                        by_delta += by_rate * V(load)(rates + n * W);
                        V(store)(sums + n * W, V(load)(sums + n * W) + by_rate * span);
                        V(store)(grads + n * W, before);
                    }
                    NAME(keep)(dx + at, lanes, by_fed * span);
                    NAME(keep)(ddelta + at, lanes, by_fed * now + by_delta);
                    if (spend(pace, 32 * N + 8) < 0)
                        return -1;
                }
                NAME(turned_back)(sums, N, lanes, dA + first * N, 1);
            }
            NAME(turned_back)(grads, N, lanes, dh0 + (i * M + first) * N, 0);
        }
    return 0;
}
