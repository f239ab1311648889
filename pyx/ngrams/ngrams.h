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
#if defined(__GNUC__)
#define ng_prefetch(address) __builtin_prefetch(address)
#else
#define ng_prefetch(address) ((void)(address))
#endif

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

/* A hash of bytes; only this process ever sees it. */
static inline uint64_t ng_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 32;
    return x;
}

static inline uint64_t ng_hash(const char *text, Py_ssize_t size)
{
    uint64_t hash = (uint64_t)size * UINT64_C(0x9E3779B97F4A7C15), word = 0;
    while (size >= 8) {
        memcpy(&word, text, 8);
        hash = (ng_mix(hash) ^ word) * UINT64_C(0xD6E8FEB86659FD93);
        text += 8;
        size -= 8;
    }
    if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, text, 4);
        memcpy(&last, text + size - 4, 4);
        word = (uint64_t)first << 32 | last;
    } else {
        word = 0;
        for (Py_ssize_t i = 0; i < size; i++) word = word << 8 | (unsigned char)text[i];
    }
    return ng_mix((ng_mix(hash) ^ word) * UINT64_C(0xD6E8FEB86659FD93));
}

static inline int ng_write_utf8(uint32_t point, char *to)
{
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (char)(0xC0 | point >> 6);
        to[1] = (char)(0x80 | (point & 63));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (char)(0xE0 | point >> 12);
        to[1] = (char)(0x80 | (point >> 6 & 63));
        to[2] = (char)(0x80 | (point & 63));
        return 3;
    }
    to[0] = (char)(0xF0 | point >> 18);
    to[1] = (char)(0x80 | (point >> 12 & 63));
    to[2] = (char)(0x80 | (point >> 6 & 63));
    to[3] = (char)(0x80 | (point & 63));
    return 4;
}

/* Read one code point. Returns its length; 0 if the bytes end within it; -1 if they aren't UTF-8. */
static inline int ng_read_utf8(const uint8_t *text, Py_ssize_t size, uint32_t *point)
{
    const uint8_t lead = text[0];
    if (lead < 0x80) {
        *point = lead;
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) return -1;
    /* No overlong forms, no surrogates, nothing past U+10FFFF: all decided by the second byte. */
    const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (size < 2) return 0;
    if (text[1] < low || text[1] > high) return -1;
    if (lead < 0xE0) {
        *point = (uint32_t)(lead & 31) << 6 | (text[1] & 63);
        return 2;
    }
    if (size < 3) return 0;
    if ((text[2] & 0xC0) != 0x80) return -1;
    if (lead < 0xF0) {
        *point = (uint32_t)(lead & 15) << 12 | (uint32_t)(text[1] & 63) << 6 | (text[2] & 63);
        return 3;
    }
    if (size < 4) return 0;
    if ((text[3] & 0xC0) != 0x80) return -1;
    *point = (uint32_t)(lead & 7) << 18 | (uint32_t)(text[1] & 63) << 12 | (uint32_t)(text[2] & 63) << 6 | (text[3] & 63);
    return 4;
}

/* White space as str.split() knows it. */
static inline int ng_is_space(uint32_t point)
{
    if (point <= 32) return (point >= 9 && point <= 13) || point >= 28;
    if (point < 0x85) return 0;
    return point == 0x85 || point == 0xA0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200A)
        || point == 0x2028 || point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}
#endif
