"""Kernels of counted rows: windows of ids become sorted rows with counts, and what is read off them.

A row is an n-gram's key: `per_word` ids a 64-bit word, each word one number in base `radix`, the first id
highest. Id 0 is no symbol: it separates in a stream of ids, and pads a row whose text ended early.
"""

import numpy as np

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _signals cimport Pace, new_pace, spend

cdef extern from "ngrams.h" nogil:
    enum: NG_MAX_ORDER
    enum: NG_MAX_WORDS
    ctypedef struct ng_divisor:
        pass
    ctypedef struct ng_scan:
        uint64_t current[66]
        uint64_t *rows[66]
        int64_t *counts[66]
        Py_ssize_t size[66]
    ng_divisor ng_divide_by(uint64_t by)
    Py_ssize_t ng_windows(const uint32_t *ids, Py_ssize_t size, Py_ssize_t starts, int order, int per, uint64_t radix,
                          uint64_t *rows, Pace *pace, int words) except -1
    int ng_sort(uint64_t *rows, uint64_t *spare, Py_ssize_t n, int payload, Pace *pace, int words) except -1
    Py_ssize_t ng_combine(uint64_t *rows, Py_ssize_t n, uint32_t *counts, Pace *pace, int words) except -1
    Py_ssize_t ng_gather(const uint64_t *counted, Py_ssize_t n, uint64_t *rows, int64_t *counts, Pace *pace,
                         int words) except -1
    Py_ssize_t ng_merge(const uint64_t *a, const int64_t *count_a, Py_ssize_t size_a, const uint64_t *b,
                        const int64_t *count_b, Py_ssize_t size_b, uint64_t *rows, int64_t *counts, Pace *pace,
                        int words) except -1
    Py_ssize_t ng_bound(const uint64_t *rows, Py_ssize_t n, const uint64_t *row, int words)
    Py_ssize_t ng_seek(const uint64_t *rows, Py_ssize_t n, const uint64_t *row, Py_ssize_t start, int words)
    int ng_compare(const uint64_t *a, const uint64_t *b, int words)
    int ng_words(int order, int per)
    void ng_unpack(const uint64_t *row, int order, int per, ng_divisor radix, uint32_t *symbols)
    void ng_pack(const uint32_t *symbols, int order, int per, uint64_t radix, uint64_t *row)
    void ng_prefixes(const uint64_t *rows, const int64_t *counts, Py_ssize_t n, int order, int per, uint64_t by,
                     ng_scan *scan)

cdef enum:
    # Rows between two words on what was spent (a step of range must be a literal: 4096 there).
    CHUNK = 4096


cdef int check_layout(int order, int per_word, uint64_t radix) except -1:
    if not 1 <= order <= NG_MAX_ORDER or not 1 <= per_word <= NG_MAX_ORDER or not 2 <= radix <= <uint64_t> 1 << 32:
        raise ValueError(f"no such layout: order {order}, {per_word} symbols a word in base {radix}")
    return ng_words(order, per_word)


cdef int check_width(const uint64_t[:, ::1] keys, int words) except -1:
    if keys.shape[1] != words:
        raise ValueError(f"keys must have {words} words a row, got {keys.shape[1]}")
    return 0


def count_windows(const uint32_t[::1] ids, Py_ssize_t starts, int order, int per_word, uint64_t radix):
    """Count the windows of up to `order` ids that begin at the first `starts` places and end before a 0.

    Returns the rows in order, and their counts.
    """
    cdef int words = check_layout(order, per_word, radix)
    cdef Py_ssize_t n = 0, size = ids.shape[0]
    starts = min(starts, size)
    rows = np.empty((starts + 1, words), np.uint64)
    spare = np.empty((starts + 1, words), np.uint64)
    cdef uint64_t[:, ::1] row = rows, other = spare
    cdef uint32_t[::1] count
    cdef Pace pace = new_pace()
    with nogil:
        if starts:
            n = ng_windows(&ids[0], size, starts, order, per_word, radix, &row[0, 0], &pace, words)
            ng_sort(&row[0, 0], &other[0, 0], n, 0, &pace, words)
    del spare, other
    counts = np.empty(n + 1, np.uint32)
    count = counts
    with nogil:
        n = ng_combine(&row[0, 0], n, &count[0], &pace, words)
    return rows[:n].copy(), counts[:n].copy()


def sort_rows(const uint64_t[:, ::1] keys, const int64_t[::1] counts):
    """Sort rows, adding the counts of equal ones."""
    cdef Py_ssize_t n = keys.shape[0], i
    cdef int words = keys.shape[1]
    if counts.shape[0] != n or not 1 <= words < NG_MAX_WORDS:
        raise ValueError(f"keys and counts must have one length, got {n} and {counts.shape[0]}")
    counted = np.empty((n + 1, words + 1), np.uint64)
    spare = np.empty((n + 1, words + 1), np.uint64)
    rows, sums = np.empty((n + 1, words), np.uint64), np.empty(n + 1, np.int64)
    cdef uint64_t[:, ::1] both = counted, other = spare, row = rows
    cdef int64_t[::1] total = sums
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(n):
            if i % CHUNK == 0:
                spend(&pace, CHUNK * words)
            memcpy(&both[i, 0], &keys[i, 0], words * sizeof(uint64_t))
            both[i, words] = <uint64_t> counts[i]
        ng_sort(&both[0, 0], &other[0, 0], n, 1, &pace, words + 1)
        n = ng_gather(&both[0, 0], n, &row[0, 0], &total[0], &pace, words)
    return rows[:n].copy(), sums[:n].copy()


def merge_runs(list keys, list counts):
    """Merge sorted runs of distinct rows into one, adding the counts of equal rows."""
    runs = sorted(zip(keys, counts, strict=True), key=lambda run: -len(run[0]))
    while len(runs) > 1:
        (a, count_a), (b, count_b) = runs.pop(), runs.pop()
        runs.append(merge_two(a, count_a, b, count_b))
        runs.sort(key=lambda run: -len(run[0]))
    return runs[0]


cdef tuple merge_two(const uint64_t[:, ::1] a, const int64_t[::1] count_a,
                     const uint64_t[:, ::1] b, const int64_t[::1] count_b):
    cdef Py_ssize_t size_a = a.shape[0], size_b = b.shape[0], n
    cdef int words = a.shape[1]
    if words != b.shape[1] or count_a.shape[0] != size_a or count_b.shape[0] != size_b:
        raise ValueError("runs must have rows of one width and a count for each row")
    rows, sums = np.empty((size_a + size_b + 1, words), np.uint64), np.empty(size_a + size_b + 1, np.int64)
    cdef uint64_t[:, ::1] row = rows
    cdef int64_t[::1] total = sums
    cdef Pace pace = new_pace()
    with nogil:
        n = ng_merge(&a[0, 0] if size_a else NULL, &count_a[0] if size_a else NULL, size_a,
                     &b[0, 0] if size_b else NULL, &count_b[0] if size_b else NULL, size_b,
                     &row[0, 0], &total[0], &pace, words)
    return rows[:n], sums[:n]


def prefixes(const uint64_t[:, ::1] keys, const int64_t[::1] counts, int order, int per_word, uint64_t radix):
    """Add up sorted rows by their first 1, 2, ..., order ids: a list of keys and a list of counts."""
    cdef int words = check_layout(order, per_word, radix), k
    cdef Py_ssize_t n = keys.shape[0], i
    cdef Pace pace = new_pace()
    cdef ng_scan scan
    cdef uint64_t[:, ::1] row
    cdef int64_t[::1] total
    check_width(keys, words)
    if counts.shape[0] != n:
        raise ValueError(f"keys and counts must have one length, got {n} and {counts.shape[0]}")
    rows = [np.empty((n + 1, ng_words(k, per_word)), np.uint64) for k in range(1, order + 1)]
    sums = [np.empty(n + 1, np.int64) for _ in rows]
    for k in range(NG_MAX_ORDER + 2):
        scan.current[k] = 0
    for k in range(1, order + 1):
        row, total = rows[k - 1], sums[k - 1]
        scan.rows[k], scan.counts[k], scan.size[k] = &row[0, 0], &total[0], 0
    with nogil:
        for i in range(0, n, 4096):
            spend(&pace, 4096 * order)
            ng_prefixes(&keys[i, 0], &counts[i], min(n - i, <Py_ssize_t> 4096), order, per_word, radix, &scan)
    return ([rows[k - 1][:scan.size[k]].copy() for k in range(1, order + 1)],
            [sums[k - 1][:scan.size[k]].copy() for k in range(1, order + 1)])


def unpack(const uint64_t[:, ::1] keys, int order, int per_word, uint64_t radix):
    """The ids of each row, as an array (rows, order)."""
    cdef int words = check_layout(order, per_word, radix)
    cdef ng_divisor divisor = ng_divide_by(radix)
    cdef Pace pace = new_pace()
    cdef Py_ssize_t n = keys.shape[0], i, j
    check_width(keys, words)
    result = np.empty((n, order), np.uint32)
    cdef uint32_t[:, ::1] ids = result
    with nogil:
        for i in range(0, n, 4096):
            spend(&pace, 4096 * order)
            for j in range(i, min(n, i + 4096)):
                ng_unpack(&keys[j, 0], order, per_word, divisor, &ids[j, 0])
    return result


def pack(const uint32_t[:, ::1] ids, int per_word, uint64_t radix):
    """The row of each tuple of ids, all of them below `radix`."""
    cdef int order = ids.shape[1], words = check_layout(order, per_word, radix)
    cdef Py_ssize_t n = ids.shape[0], i, j
    cdef Pace pace = new_pace()
    result = np.empty((n, words), np.uint64)
    cdef uint64_t[:, ::1] keys = result
    with nogil:
        for i in range(0, n, 4096):
            spend(&pace, 4096 * order)
            for j in range(i, min(n, i + 4096)):
                ng_pack(&ids[j, 0], order, per_word, radix, &keys[j, 0])
    return result


def find(const uint64_t[:, ::1] keys, const uint64_t[:, ::1] wanted):
    """For each wanted row the first of the sorted `keys` that isn't below it."""
    cdef Py_ssize_t n = keys.shape[0], i, j, at = 0
    cdef int words = keys.shape[1]
    cdef Pace pace = new_pace()
    check_width(wanted, words)
    result = np.empty(wanted.shape[0], np.int64)
    cdef int64_t[::1] rows = result
    with nogil:
        for i in range(0, wanted.shape[0], 4096):
            spend(&pace, 20 * 4096)
            for j in range(i, min(wanted.shape[0], i + 4096)):
                at = ng_seek(&keys[0, 0], n, &wanted[j, 0], at, words) if n else 0
                rows[j] = at
    return result


def heads(const uint64_t[:, ::1] keys, const uint64_t[:, ::1] shorter, int order, int per_word, uint64_t radix):
    """For each row of `order` ids the row of `shorter` that holds all but the last; -1 if there is none."""
    return parts(keys, shorter, order, per_word, radix, 0)


def tails(const uint64_t[:, ::1] keys, const uint64_t[:, ::1] shorter, int order, int per_word, uint64_t radix):
    """For each row of `order` ids the row of `shorter` that holds all but the first; -1 if there is none."""
    return parts(keys, shorter, order, per_word, radix, 1)


cdef object parts(const uint64_t[:, ::1] keys, const uint64_t[:, ::1] shorter, int order, int per_word,
                  uint64_t radix, int start):
    cdef int words = check_layout(order, per_word, radix), fewer = check_layout(order - 1, per_word, radix)
    cdef ng_divisor divisor = ng_divide_by(radix)
    cdef Pace pace = new_pace()
    cdef Py_ssize_t n = keys.shape[0], m = shorter.shape[0], i, j, at = 0
    cdef uint32_t[NG_MAX_ORDER] ids
    cdef uint64_t[NG_MAX_WORDS] part
    check_width(keys, words)
    check_width(shorter, fewer)
    result = np.full(n, -1, np.int64)
    cdef int64_t[::1] rows = result
    if m == 0:
        return result
    with nogil:
        for i in range(0, n, 4096):
            spend(&pace, 4096 * order)
            for j in range(i, min(n, i + 4096)):
                ng_unpack(&keys[j, 0], order, per_word, divisor, ids)
                ng_pack(ids + start, order - 1, per_word, radix, part)
                at = ng_seek(&shorter[0, 0], m, part, at, fewer)
                if at < m and ng_compare(&shorter[at, 0], part, fewer) == 0:
                    rows[j] = at
    return result


def is_sorted(const uint64_t[:, ::1] keys):
    """Whether each row is above the one before it."""
    cdef Py_ssize_t n = keys.shape[0], i
    cdef int words = keys.shape[1]
    cdef bint fine = True
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(1, n):
            if i % CHUNK == 0:
                spend(&pace, CHUNK)
            if ng_compare(&keys[i - 1, 0], &keys[i, 0], words) >= 0:
                fine = False
                break
    return fine
