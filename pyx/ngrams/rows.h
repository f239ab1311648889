/* Rows of one or more 64-bit words, compared word by word: build, sort, combine, merge.

   Included by ngrams.h once a width: ROW_WORDS is the number of words of a row (a constant, or the variable
   `words`), ROW(name) the name of a function for that width. A row of a window of symbols holds `per` symbols a
   word as one number in base `radix`, first symbol highest; 0 is no symbol, and only 0 follows a 0.

   What takes a pace returns -1 with a Python exception set if it must stop (shared/pace.h). */

static inline int ROW(compare)(const uint64_t *a, const uint64_t *b, int words)
{
    (void)words;
    for (int w = 0; w < ROW_WORDS; w++)
        if (a[w] != b[w]) return a[w] < b[w] ? -1 : 1;
    return 0;
}

static inline void ROW(copy)(uint64_t *to, const uint64_t *from, int words)
{
    (void)words;
    for (int w = 0; w < ROW_WORDS; w++) to[w] = from[w];
}

/* One row for each of the first `starts` ids that isn't 0: the window of up to `order` symbols that begins there
   and ends before a 0. `rows` must have room for starts + 1 rows. Returns the number of rows. */
static Py_ssize_t ROW(windows)(const uint32_t *ids, Py_ssize_t size, Py_ssize_t starts, int order, int per,
                               uint64_t radix, uint64_t *rows, Pace *pace, int words)
{
    uint32_t s[NG_BLOCK + NG_MAX_ORDER], left[NG_BLOCK + NG_MAX_ORDER];
    uint64_t number[NG_BLOCK];
    Py_ssize_t n = 0;
    (void)words;
    for (Py_ssize_t from = 0; from < starts; from += NG_BLOCK) {
        const Py_ssize_t block = starts - from < NG_BLOCK ? starts - from : NG_BLOCK;
        const Py_ssize_t wanted = block + order - 1;
        const Py_ssize_t there = size - from < wanted ? size - from : wanted;
        memcpy(s, ids + from, (size_t)there * sizeof(*s));
        if (there < wanted) memset(s + there, 0, (size_t)(wanted - there) * sizeof(*s));
        uint32_t run = 0;
        for (Py_ssize_t i = wanted - 1; i >= 0; i--) {
            run = s[i] ? run + 1 : 0;
            left[i] = run;
        }
        for (int w = 0; w < ROW_WORDS; w++) {
            const int first = w * per, last = order < first + per ? order : first + per;
            memset(number, 0, (size_t)block * sizeof(*number));
            for (int j = first; j < last; j++)
                for (Py_ssize_t i = 0; i < block; i++)
                    number[i] = number[i] * radix + (left[i] > (uint32_t)j ? s[i + j] : 0);
            Py_ssize_t m = n;
            for (Py_ssize_t i = 0; i < block; i++) {
                rows[m * ROW_WORDS + w] = number[i];
                m += left[i] != 0;
            }
            if (w == ROW_WORDS - 1) n = m;
        }
        if (spend(pace, block * order)) return -1;
    }
    return n;
}

static void ROW(insertion)(uint64_t *rows, Py_ssize_t n, int words)
{
    uint64_t held[NG_MAX_WORDS];
    for (Py_ssize_t i = 1; i < n; i++) {
        if (ROW(compare)(rows + (i - 1) * ROW_WORDS, rows + i * ROW_WORDS, words) <= 0) continue;
        ROW(copy)(held, rows + i * ROW_WORDS, words);
        Py_ssize_t j = i;
        do {
            ROW(copy)(rows + j * ROW_WORDS, rows + (j - 1) * ROW_WORDS, words);
            j--;
        } while (j > 0 && ROW(compare)(rows + (j - 1) * ROW_WORDS, held, words) > 0);
        ROW(copy)(rows + j * ROW_WORDS, held, words);
    }
}

/* A stable radix sort by the bits [low, high) of one word. */
static ROW_NOINLINE int ROW(radix_sort)(uint64_t *rows, uint64_t *spare, Py_ssize_t n, int word, int low, int high,
                                        int width, Pace *pace, int words)
{
    const int passes = (high - low + width - 1) / width, digit = (high - low + passes - 1) / passes;
    const uint64_t mask = ((uint64_t)1 << digit) - 1;
    Py_ssize_t place[1 << NG_DIGIT];
    uint64_t *from = rows, *to = spare;
    (void)words;
    for (int pass = 0; pass < passes; pass++) {
        const int shift = low + pass * digit;
        memset(place, 0, sizeof(*place) << digit);
        for (Py_ssize_t i = 0; i < n;) {
            const Py_ssize_t end = n - i < NG_CHUNK ? n : i + NG_CHUNK;
            if (spend(pace, end - i)) return -1;
            for (; i < end; i++) place[from[i * ROW_WORDS + word] >> shift & mask]++;
        }
        Py_ssize_t sum = 0;
        for (Py_ssize_t d = 0; d <= (Py_ssize_t)mask; d++) {
            const Py_ssize_t here = place[d];
            place[d] = sum;
            sum += here;
        }
        for (Py_ssize_t i = 0; i < n;) {
            const Py_ssize_t end = n - i < NG_CHUNK ? n : i + NG_CHUNK;
            if (spend(pace, (end - i) * ROW_WORDS)) return -1;
            for (; i < end; i++) {
                const Py_ssize_t p = place[from[i * ROW_WORDS + word] >> shift & mask]++;
                ROW(copy)(to + p * ROW_WORDS, from + i * ROW_WORDS, words);
            }
        }
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    return from != rows && n ? ng_copy(rows, from, (size_t)n * ROW_WORDS * sizeof(*rows), pace) : 0;
}

/* Sort rows that agree in the words before `word`; the last `payload` words don't count. First by about as many
   of the highest differing bits as tell n rows apart, then each group of rows that still agree. */
static int ROW(sort)(uint64_t *rows, uint64_t *spare, Py_ssize_t n, int word, int payload, Pace *pace, int words)
{
    while (word < ROW_WORDS - payload) {
        if (n <= NG_FEW) {
            ROW(insertion)(rows, n, words);
            return spend(pace, n);
        }
        uint64_t differ = 0;
        for (Py_ssize_t i = 0; i < n; i++) differ |= rows[i * ROW_WORDS + word] ^ rows[word];
        if (!differ) {
            word++;
            continue;
        }
        const int high = ng_high_bit(differ) + 1, width = n < 4096 ? 8 : NG_DIGIT;
        int depth = width;
        while (depth < high && (Py_ssize_t)1 << depth < n << NG_SLACK) depth += width;
        const int low = depth < high ? high - depth : 0;
        if (ROW(radix_sort)(rows, spare, n, word, low, high, width, pace, words)) return -1;
        if (!low && word + 1 >= ROW_WORDS - payload) return 0;
        for (Py_ssize_t i = 0, j; i < n; i = j) {
            const uint64_t top = rows[i * ROW_WORDS + word] >> low;
            for (j = i + 1; j < n && rows[j * ROW_WORDS + word] >> low == top;) j++;
            if (j - i > 1 && ROW(sort)(rows + i * ROW_WORDS, spare, j - i, low ? word : word + 1, payload, pace, words))
                return -1;
            if (spend(pace, j - i)) return -1;
        }
        return 0;
    }
    return 0;
}

/* Make sorted rows distinct, in place, and count them. */
static Py_ssize_t ROW(combine)(uint64_t *rows, Py_ssize_t n, uint32_t *counts, Pace *pace, int words)
{
    if (!n) return 0;
    Py_ssize_t last = 0;
    counts[0] = 1;
    for (Py_ssize_t i = 1; i < n;) {
        const Py_ssize_t end = n - i < NG_CHUNK ? n : i + NG_CHUNK;
        if (spend(pace, end - i)) return -1;
        for (; i < end; i++) {
            const int more = ROW(compare)(rows + last * ROW_WORDS, rows + i * ROW_WORDS, words) != 0;
            last += more;
            ROW(copy)(rows + last * ROW_WORDS, rows + i * ROW_WORDS, words);
            counts[last] = more ? 1 : counts[last] + 1;
        }
    }
    return last + 1;
}

/* Merge two sorted runs of distinct rows, adding the counts of equal ones. */
static Py_ssize_t ROW(merge)(const uint64_t *a, const int64_t *count_a, Py_ssize_t size_a, const uint64_t *b,
                             const int64_t *count_b, Py_ssize_t size_b, uint64_t *rows, int64_t *counts, Pace *pace,
                             int words)
{
    Py_ssize_t i = 0, j = 0, n = 0;
    while (i < size_a && j < size_b) {
        const Py_ssize_t end = n + NG_CHUNK;
        if (spend(pace, NG_CHUNK)) return -1;
        while (i < size_a && j < size_b && n < end) {
            const int order = ROW(compare)(a + i * ROW_WORDS, b + j * ROW_WORDS, words);
            const int from_a = order <= 0, from_b = order >= 0;
            ROW(copy)(rows + n * ROW_WORDS, from_a ? a + i * ROW_WORDS : b + j * ROW_WORDS, words);
            counts[n++] = (-(int64_t)from_a & count_a[i]) + (-(int64_t)from_b & count_b[j]);
            i += from_a;
            j += from_b;
        }
    }
    const Py_ssize_t rest_a = size_a - i, rest_b = size_b - j;
    /* An empty run may have no address at all, which memcpy mustn't see. */
    if (rest_a) {
        if (ng_copy(rows + n * ROW_WORDS, a + i * ROW_WORDS, (size_t)rest_a * ROW_WORDS * sizeof(*rows), pace)
            || ng_copy(counts + n, count_a + i, (size_t)rest_a * sizeof(*counts), pace))
            return -1;
    }
    n += rest_a;
    if (rest_b) {
        if (ng_copy(rows + n * ROW_WORDS, b + j * ROW_WORDS, (size_t)rest_b * ROW_WORDS * sizeof(*rows), pace)
            || ng_copy(counts + n, count_b + j, (size_t)rest_b * sizeof(*counts), pace))
            return -1;
    }
    return n + rest_b;
}

/* Make sorted rows with counts distinct, in place, adding the counts. The count is the row's last word. */
static Py_ssize_t ROW(gather)(const uint64_t *counted, Py_ssize_t n, uint64_t *rows, int64_t *counts, Pace *pace,
                              int words)
{
    Py_ssize_t last = -1;
    for (Py_ssize_t i = 0; i < n;) {
        const Py_ssize_t end = n - i < NG_CHUNK ? n : i + NG_CHUNK;
        if (spend(pace, end - i)) return -1;
        for (; i < end; i++) {
            const uint64_t *row = counted + i * (ROW_WORDS + 1);
            if (last < 0 || ROW(compare)(rows + last * ROW_WORDS, row, words) != 0) {
                ROW(copy)(rows + ++last * ROW_WORDS, row, words);
                counts[last] = 0;
            }
            counts[last] += (int64_t)row[ROW_WORDS];
        }
    }
    return last + 1;
}

/* The first of n sorted rows that isn't below `row`. */
static Py_ssize_t ROW(bound)(const uint64_t *rows, Py_ssize_t n, const uint64_t *row, int words)
{
    Py_ssize_t low = 0;
    while (n > 0) {
        const Py_ssize_t half = n >> 1;
        if (ROW(compare)(rows + (low + half) * ROW_WORDS, row, words) < 0) {
            low += half + 1;
            n -= half + 1;
        } else
            n = half;
    }
    return low;
}

/* The same, looking near `from` first. */
static Py_ssize_t ROW(seek)(const uint64_t *rows, Py_ssize_t n, const uint64_t *row, Py_ssize_t from, int words)
{
    Py_ssize_t step = 1, low = from;
    if (from >= n || ROW(compare)(rows + from * ROW_WORDS, row, words) >= 0) {
        if (from == 0 || ROW(compare)(rows + (from - 1) * ROW_WORDS, row, words) < 0) return from;
        return ROW(bound)(rows, from, row, words);
    }
    while (low + step < n && ROW(compare)(rows + (low + step) * ROW_WORDS, row, words) < 0) {
        low += step;
        step <<= 1;
    }
    const Py_ssize_t end = low + step < n ? low + step : n;
    return low + 1 + ROW(bound)(rows + (low + 1) * ROW_WORDS, end - low - 1, row, words);
}
