/* Rows of packed symbols (see rows.h), their digits, and searches among them. */
#ifndef FASTCORE_NGRAMS_H
#define FASTCORE_NGRAMS_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "pace.h"

#define NG_MAX_ORDER 64
#define NG_MAX_WORDS 65
#define NG_BLOCK 512
#define NG_FEW 24
#define NG_DIGIT 11
#define NG_SLACK 4
/* Rows between two words on how much was done. */
#define NG_CHUNK 16384

#if defined(__GNUC__)
#define ROW_NOINLINE __attribute__((noinline))
#else
#define ROW_NOINLINE
#endif

static inline int ng_high_bit(uint64_t x)
{
#if defined(__GNUC__)
    return 63 - __builtin_clzll(x);
#else
    int bit = 0;
    while (x >>= 1) bit++;
    return bit;
#endif
}

/* Division by a number that stays the same. */
typedef struct {
    uint64_t by, inverse;
} ng_divisor;

static inline ng_divisor ng_divide_by(uint64_t by)
{
    ng_divisor d = {by, UINT64_MAX / by};
    return d;
}

static inline uint64_t ng_quotient(uint64_t x, ng_divisor d)
{
#if defined(__SIZEOF_INT128__)
    uint64_t q = (uint64_t)((unsigned __int128)x * d.inverse >> 64), rest = x - q * d.by;
    while (rest >= d.by) { /* at most twice */
        rest -= d.by;
        q++;
    }
    return q;
#else
    return x / d.by;
#endif
}

/* memcpy in pieces. */
static int ng_copy(void *to, const void *from, size_t bytes, Pace *pace)
{
    const size_t piece = (size_t)1 << 20;
    for (size_t at = 0; at < bytes; at += piece) {
        memcpy((char *)to + at, (const char *)from + at, bytes - at < piece ? bytes - at : piece);
        if (spend(pace, NG_CHUNK)) return -1;
    }
    return 0;
}

#define ROW_WORDS 1
#define ROW(name) ng_##name##_1
#include "rows.h"
#undef ROW_WORDS
#undef ROW
#define ROW_WORDS 2
#define ROW(name) ng_##name##_2
#include "rows.h"
#undef ROW_WORDS
#undef ROW
#define ROW_WORDS words
#define ROW(name) ng_##name##_n
#include "rows.h"
#undef ROW_WORDS
#undef ROW

#define NG_WIDTH(name, ...) \
    (words == 1 ? ng_##name##_1(__VA_ARGS__, words) : words == 2 ? ng_##name##_2(__VA_ARGS__, words) : ng_##name##_n(__VA_ARGS__, words))

static Py_ssize_t ng_windows(const uint32_t *ids, Py_ssize_t size, Py_ssize_t starts, int order, int per,
                             uint64_t radix, uint64_t *rows, Pace *pace, int words)
{
    return NG_WIDTH(windows, ids, size, starts, order, per, radix, rows, pace);
}

static int ng_sort(uint64_t *rows, uint64_t *spare, Py_ssize_t n, int payload, Pace *pace, int words)
{
    return NG_WIDTH(sort, rows, spare, n, 0, payload, pace);
}

static Py_ssize_t ng_combine(uint64_t *rows, Py_ssize_t n, uint32_t *counts, Pace *pace, int words)
{
    return NG_WIDTH(combine, rows, n, counts, pace);
}

static Py_ssize_t ng_gather(const uint64_t *counted, Py_ssize_t n, uint64_t *rows, int64_t *counts, Pace *pace,
                            int words)
{
    return NG_WIDTH(gather, counted, n, rows, counts, pace);
}

static Py_ssize_t ng_merge(const uint64_t *a, const int64_t *count_a, Py_ssize_t size_a, const uint64_t *b,
                           const int64_t *count_b, Py_ssize_t size_b, uint64_t *rows, int64_t *counts, Pace *pace,
                           int words)
{
    return NG_WIDTH(merge, a, count_a, size_a, b, count_b, size_b, rows, counts, pace);
}

static Py_ssize_t ng_bound(const uint64_t *rows, Py_ssize_t n, const uint64_t *row, int words)
{
    return NG_WIDTH(bound, rows, n, row);
}

static Py_ssize_t ng_seek(const uint64_t *rows, Py_ssize_t n, const uint64_t *row, Py_ssize_t from, int words)
{
    return NG_WIDTH(seek, rows, n, row, from);
}

static int ng_compare(const uint64_t *a, const uint64_t *b, int words)
{
    return NG_WIDTH(compare, a, b);
}

static inline int ng_words(int order, int per)
{
    return (order + per - 1) / per;
}

/* The symbols of a row of `order` symbols. */
static inline void ng_unpack(const uint64_t *row, int order, int per, ng_divisor radix, uint32_t *symbols)
{
    for (int first = 0; first < order; first += per) {
        const int last = order < first + per ? order : first + per;
        uint64_t number = *row++;
        for (int k = last - 1; k >= first; k--) {
            const uint64_t q = ng_quotient(number, radix);
            symbols[k] = (uint32_t)(number - q * radix.by);
            number = q;
        }
    }
}

static inline void ng_pack(const uint32_t *symbols, int order, int per, uint64_t radix, uint64_t *row)
{
    for (int first = 0; first < order; first += per) {
        const int last = order < first + per ? order : first + per;
        uint64_t number = 0;
        for (int k = first; k < last; k++) number = number * radix + symbols[k];
        *row++ = number;
    }
}

/* What a scan of sorted rows has reached: per order 1..order, the last word of the current row's prefix, the
   arrays that distinct prefixes and their counts go to, and how many there are. */
typedef struct {
    uint64_t current[NG_MAX_ORDER + 2];
    uint64_t *rows[NG_MAX_ORDER + 2];
    int64_t *counts[NG_MAX_ORDER + 2];
    Py_ssize_t size[NG_MAX_ORDER + 2];
} ng_scan;

static void ng_prefixes(const uint64_t *rows, const int64_t *counts, Py_ssize_t n, int order, int per, uint64_t by,
                        ng_scan *scan)
{
    const ng_divisor radix = ng_divide_by(by);
    const int words = ng_words(order, per);
    uint64_t prefix[NG_MAX_ORDER + 1];
    for (Py_ssize_t i = 0; i < n; i++) {
        const uint64_t *row = rows + i * words;
        int fresh = 0, k = 0;
        for (int w = 0; w < words && k == w * per; w++) {
            const int width = order - k < per ? order - k : per;
            prefix[0] = 0;
            prefix[width] = row[w];
            for (int d = width; d > 1; d--) prefix[d - 1] = ng_quotient(prefix[d], radix);
            for (int d = 1; d <= width && prefix[d] != prefix[d - 1] * by; d++) {
                k++;
                fresh |= prefix[d] != scan->current[k];
                if (fresh) {
                    uint64_t *to = scan->rows[k] + scan->size[k] * (w + 1);
                    for (int v = 0; v < w; v++) to[v] = row[v];
                    to[w] = prefix[d];
                    scan->current[k] = prefix[d];
                    scan->counts[k][scan->size[k]++] = counts[i];
                } else
                    scan->counts[k][scan->size[k] - 1] += counts[i];
            }
        }
        /* A shorter row ends what was longer: the next longer one is new even if this word repeats. */
        scan->current[k + 1] = 0;
    }
}
#endif
