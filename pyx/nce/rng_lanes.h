/* Eight xoshiro256++ generators side by side, one a vector lane: the same numbers as eight streams of
 * _rng.pxd, faster. With GCC's vector extensions the loop body is a handful of vector instructions;
 * elsewhere the plain loops below do the same. */
#ifndef FASTCORE_LANES_H
#define FASTCORE_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 8

typedef struct {
    uint64_t s[4][LANES];
} lanes_t;

#if defined(__GNUC__) && !defined(__clang__)
typedef uint64_t lanes_word __attribute__((vector_size(8 * LANES)));

static inline void lanes_fill(lanes_t *state, uint64_t *out, ptrdiff_t steps)
{
    lanes_word a, b, c, d;
    memcpy(&a, state->s[0], sizeof a);
    memcpy(&b, state->s[1], sizeof b);
    memcpy(&c, state->s[2], sizeof c);
    memcpy(&d, state->s[3], sizeof d);
    for (ptrdiff_t i = 0; i < steps; i++) {
        lanes_word sum = a + d;
        lanes_word result = ((sum << 23) | (sum >> 41)) + a;
        lanes_word t = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= t;
        d = (d << 45) | (d >> 19);
        memcpy(out + i * LANES, &result, sizeof result);
    }
    memcpy(state->s[0], &a, sizeof a);
    memcpy(state->s[1], &b, sizeof b);
    memcpy(state->s[2], &c, sizeof c);
    memcpy(state->s[3], &d, sizeof d);
}
#else
static inline void lanes_fill(lanes_t *state, uint64_t *out, ptrdiff_t steps)
{
    for (int j = 0; j < LANES; j++) {
        uint64_t a = state->s[0][j], b = state->s[1][j], c = state->s[2][j], d = state->s[3][j];
        for (ptrdiff_t i = 0; i < steps; i++) {
            uint64_t sum = a + d, t = b << 17;
            out[i * LANES + j] = ((sum << 23) | (sum >> 41)) + a;
            c ^= a;
            d ^= b;
            b ^= c;
            a ^= d;
            c ^= t;
            d = (d << 45) | (d >> 19);
        }
        state->s[0][j] = a;
        state->s[1][j] = b;
        state->s[2][j] = c;
        state->s[3][j] = d;
    }
}
#endif

#endif
