"""Kernel that counts every path of strong pairs through sentences by what it reads, in the order in which they come."""

include "paths.pxi"

from _owned cimport resized
from _table cimport Cell, Table, table_find, table_init, table_took

cdef enum:
    LISTS = 16  # the readings of all words of a sentence may be so many times as many as those of one


cdef struct Reading:
    # What is read from a word to the end, in how many ways.
    int64_t tail
    int64_t count


cdef struct Work:
    # A tail is a word, with whether a slot follows it, and the tail behind; equal ones are one.
    Pool pool
    Table tails
    int64_t *heads
    int64_t *behind  # -1 for none
    int64_t *place_of  # where a tail was last put among the readings of a sentence
    int64_t *found_of  # of each tail, from the sentence's start or behind a slot, its place among what was found plus 1
    Reading *readings
    int64_t *found  # twice the tail, plus one if a slot stands before it
    int64_t *counts
    Py_ssize_t n_tails, n_readings, n_found
    Py_ssize_t heads_room, behind_room, place_room, of_room, readings_room, found_room, counts_room


def count_readings(
    const int32_t[::1] ids,
    const int64_t[::1] offsets,
    const int64_t[::1] pairs_first,
    const int64_t[::1] pairs_second,
    Py_ssize_t window,
    Py_ssize_t limit,
):
    """Count the paths of strong pairs by what they read, in the order in which they come.

    Return symbols, offsets, counts (2**62 for more), and -1, or else the first sentence with more than `limit`
    different readings from one of its words on, or sixteen times as many from all of them. Paths of a sentence come in
    order of the tokens on them. `pairs_second[pairs_first[a]:]` are, in rising order, the words that are strong after
    word a.
    """
    cdef Work work
    cdef Pairs pairs
    cdef Pace pace = new_pace()
    cdef Py_ssize_t s, refused = -1
    cdef int64_t[::1] on_first
    cdef int32_t[::1] on
    cdef char[::1] entered = np.zeros(ids.shape[0] + 1, np.int8)
    check_length(ids.shape[0])
    _signs = pairs_of(&pairs, pairs_first, pairs_second, &pace)
    on_first, on = join(ids, offsets, &pairs, window, &pace)
    memset(&work, 0, sizeof(Work))
    try:
        with nogil:
            table_init(&work.tails, &work.pool, &pace, 0, sizeof(Cell))
            for s in range(offsets.shape[0] - 1):
                if not read_sentence(
                    &ids[0] if ids.shape[0] else NULL, offsets[s], offsets[s + 1], &on_first[0], &on[0], &entered[0],
                    limit, &work, &pace
                ):
                    refused = s
                    break
        return (*spelled(&work, &pace), refused)
    finally:
        free_all(&work.pool)


cdef int read_sentence(
    const int32_t *ids, int64_t start, int64_t end, const int64_t *on_first, const int32_t *on, char *entered,
    Py_ssize_t limit, Work *work, Pace *pace
) except -1 nogil:
    # False if it has too many readings.
    cdef int64_t i, j, k, step, first
    cdef int64_t *list_first
    if start == end:
        return True
    # Lists lie one before the other: that of a token begins at its number plus one, and ends at its number.
    list_first = <int64_t *>resized(&work.pool, NULL, end - start + 1, sizeof(int64_t))
    work.n_readings = 0
    for i in range(end - 1, start - 1, -1):
        first = list_first[i + 1 - start] = work.n_readings
        for k in range(on_first[i], on_first[i + 1]):
            entered[on[k]] = 1
            step = 2 * <int64_t>ids[i] + (on[k] > i + 1)
            for j in range(list_first[on[k] + 1 - start], list_first[on[k] - start]):
                add_reading(work, tail_of(work, step, work.readings[j].tail), work.readings[j].count, first)
            spend(pace, 4 * (list_first[on[k] - start] - list_first[on[k] + 1 - start]) + 4)
            if work.n_readings - first > limit or work.n_readings > LISTS * limit:
                drop(&work.pool, list_first)
                return False
        if work.n_readings == first:
            add_reading(work, tail_of(work, 2 * <int64_t>ids[i] + (i + 1 < end), -1), 1, first)
    list_first[0] = work.n_readings
    for i in range(start, end):
        if not entered[i]:
            spend(pace, 4 * (list_first[i - start] - list_first[i + 1 - start]) + 4)
            for k in range(list_first[i + 1 - start], list_first[i - start]):
                add_found(work, 2 * work.readings[k].tail + (i > start), work.readings[k].count)
    drop(&work.pool, list_first)
    return True


cdef int64_t tail_of(Work *work, int64_t head, int64_t behind) except -1 nogil:
    cdef uint64_t key = <uint64_t>head << 32 | <uint64_t>(behind + 1)
    cdef Cell *cell = table_find(&work.tails, key, sizeof(Cell))
    cdef int64_t tail = work.n_tails
    if cell.mark:
        return <int64_t>cell.mark - 1
    work.heads = <int64_t *>roomy(&work.pool, work.heads, &work.heads_room, tail + 1, sizeof(int64_t))
    work.behind = <int64_t *>roomy(&work.pool, work.behind, &work.behind_room, tail + 1, sizeof(int64_t))
    work.place_of = <int64_t *>roomy(&work.pool, work.place_of, &work.place_room, tail + 1, sizeof(int64_t))
    work.found_of = <int64_t *>roomy(&work.pool, work.found_of, &work.of_room, 2 * tail + 2, sizeof(int64_t))
    work.heads[tail], work.behind[tail], work.place_of[tail] = head, behind, -1
    work.found_of[2 * tail] = work.found_of[2 * tail + 1] = 0
    work.n_tails += 1
    cell.key, cell.mark = key, <uint64_t>tail + 1
    table_took(&work.tails, sizeof(Cell))
    return tail


cdef int add_reading(Work *work, int64_t tail, int64_t count, int64_t first) except -1 nogil:
    # Among the readings of a word, which begin at `first`.
    cdef int64_t place = work.place_of[tail]
    if first <= place < work.n_readings and work.readings[place].tail == tail:
        work.readings[place].count = plus(work.readings[place].count, count)
        return 0
    work.readings = <Reading *>roomy(
        &work.pool, work.readings, &work.readings_room, work.n_readings + 1, sizeof(Reading))
    work.readings[work.n_readings].tail, work.readings[work.n_readings].count = tail, count
    work.place_of[tail] = work.n_readings
    work.n_readings += 1
    return 0


cdef int add_found(Work *work, int64_t whole, int64_t count) except -1 nogil:
    cdef int64_t place = work.found_of[whole] - 1
    if place >= 0:
        work.counts[place] = plus(work.counts[place], count)
        return 0
    work.found = <int64_t *>roomy(&work.pool, work.found, &work.found_room, work.n_found + 1, sizeof(int64_t))
    work.counts = <int64_t *>roomy(&work.pool, work.counts, &work.counts_room, work.n_found + 1, sizeof(int64_t))
    work.found[work.n_found], work.counts[work.n_found] = whole, count
    work.n_found += 1
    work.found_of[whole] = work.n_found
    return 0


cdef spelled(const Work *work, Pace *pace):
    # Symbols, offsets and counts of what was found.
    cdef Py_ssize_t i, turn, size = 0
    cdef int64_t tail
    offsets, counts = np.zeros(work.n_found + 1, np.int64), np.empty(work.n_found, np.int64)
    cdef int64_t[::1] a = np.empty(0, np.int64), b = offsets, c = counts
    for turn in range(2):
        if turn:
            a = np.empty(size, np.int64)
        size = 0
        with nogil:
            for i in range(work.n_found):
                if turn and work.found[i] & 1:
                    a[size] = -1
                size += work.found[i] & 1
                tail = work.found[i] >> 1
                while tail >= 0:
                    if turn:
                        a[size] = work.heads[tail] >> 1
                        if work.heads[tail] & 1:
                            a[size + 1] = -1
                    size += 1 + (work.heads[tail] & 1)
                    tail = work.behind[tail]
                    spend(pace, 2)
                b[i + 1] = size
                c[i] = work.counts[i]
    return np.asarray(a), offsets, counts
