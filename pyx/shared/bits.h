/* Bits of a word, and a set of small integers made of them. */
#ifndef FASTCORE_BITS_H
#define FASTCORE_BITS_H

#include <stdint.h>
#if defined(_MSC_VER)
#include <intrin.h>
#endif

static inline int lowest_bit(uint64_t word) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_ctzll(word);
#elif defined(_MSC_VER) && defined(_M_X64)
    unsigned long at;
    _BitScanForward64(&at, word);
    return (int)at;
#else
    int at = 0;
    while (!(word >> at & 1))
        at++;
    return at;
#endif
}

static inline int set_bits(uint64_t word) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_popcountll(word);
#else
    word -= word >> 1 & 0x5555555555555555ULL;
    word = (word & 0x3333333333333333ULL) + (word >> 2 & 0x3333333333333333ULL);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return (int)(word * 0x0101010101010101ULL >> 56);
#endif
}

/* A set that gives its members back in order: bits, with a bit for each word of bits, twice over. For k members
 * among n it takes about k + n / 2^18 steps, where sorting them would take k log k. */
typedef struct {
    uint64_t *low, *middle, *high;
    int64_t n_high;
} SortedSet;

/* How many words of memory a set of integers below n needs. */
static inline int64_t sorted_set_words(int64_t n) {
    const int64_t low = n / 64 + 1, middle = low / 64 + 1;
    return low + middle + middle / 64 + 1;
}

/* An empty set for integers below n, in zeroed memory. */
static inline void sorted_set_init(SortedSet *set, uint64_t *memory, int64_t n) {
    const int64_t low = n / 64 + 1, middle = low / 64 + 1;
    set->n_high = middle / 64 + 1;
    set->low = memory;
    set->middle = set->low + low;
    set->high = set->middle + middle;
}

static inline void sorted_set_add(SortedSet *set, int64_t member) {
    set->low[member >> 6] |= (uint64_t)1 << (member & 63);
    set->middle[member >> 12] |= (uint64_t)1 << (member >> 6 & 63);
    set->high[member >> 18] |= (uint64_t)1 << (member >> 12 & 63);
}

/* Write the members to `out` in order, and empty the set. */
static inline void sorted_set_take(SortedSet *set, int32_t *out) {
    for (int64_t h = 0; h < set->n_high; h++) {
        uint64_t high = set->high[h];
        set->high[h] = 0;
        for (; high; high &= high - 1) {
            const int64_t m = h * 64 + lowest_bit(high);
            uint64_t middle = set->middle[m];
            set->middle[m] = 0;
            for (; middle; middle &= middle - 1) {
                const int64_t l = m * 64 + lowest_bit(middle);
                uint64_t low = set->low[l];
                set->low[l] = 0;
                for (; low; low &= low - 1)
                    *out++ = (int32_t)(l * 64 + lowest_bit(low));
            }
        }
    }
}

#endif
