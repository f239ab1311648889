"""Kernel that finds templates: the paths of strong pairs through sentences, counted by what they spell."""

include "paths.pxi"


cdef struct Found:
    Pool pool
    int64_t *path
    int64_t *symbols
    int64_t *lengths
    int64_t *counts
    Py_ssize_t path_room, symbols_room, lengths_room, counts_room
    Py_ssize_t n_symbols, n


def find_templates(
    const int32_t[::1] ids,
    const int64_t[::1] offsets,
    const int64_t[::1] pairs_first,
    const int64_t[::1] pairs_second,
    Py_ssize_t window,
    bint by_path,
    int64_t min_count,
    double min_share,
    Py_ssize_t longest,
    Py_ssize_t limit,
    int64_t max_steps,
):
    """Count the templates that paths of strong pairs spell, by sentences or by paths.

    Return symbols, offsets, counts, the number of all sentences or paths, and -1. `pairs_second[pairs_first[a]:]` are,
    in rising order, the words that are strong after word a. A step is a place to which a frequent beginning is carried
    on, or a word of a template that is found. Where all templates of up to `longest` words (0: any number) would be
    more than `limit`, or take more than `max_steps` steps, the last number is the largest number of words such that all
    templates of up to so many don't, and these are returned.
    """
    cdef Py_ssize_t complete = -1
    cdef Graph graph
    cdef Search search
    cdef Found found
    cdef Pace pace = new_pace()
    memset(&search, 0, sizeof(Search))
    memset(&found, 0, sizeof(Found))
    held = graph_of(&graph, ids, offsets, pairs_first, pairs_second, window, by_path, &pace)
    min_count = least_count(&graph, min_count, min_share)
    try:
        if graph.n:
            with nogil:
                complete = settle(&graph, &search, &found, min_count, longest or graph.n, limit, max_steps, &pace)
        return (*found_arrays(&found), graph.paths if by_path else graph.n_sentences, complete)
    finally:
        free_all(&search.pool)
        free_all(&found.pool)
        del held


cdef Py_ssize_t settle(
    Graph *graph, Search *search, Found *found, int64_t min_count, Py_ssize_t longest, Py_ssize_t limit,
    int64_t max_steps, Pace *pace
) except -2 nogil:
    # Everything (-1), or else templates of up to so many words as the bounds allow: doubled, then halved.
    cdef Py_ssize_t low = 0, high = 1, middle
    if explore(graph, search, found, min_count, longest, limit, max_steps, pace):
        return -1
    while high < longest and explore(graph, search, found, min_count, high, limit, max_steps, pace):
        low = high
        high *= 2
    high = min(high, longest)
    while high - low > 1:
        middle = low + (high - low) // 2
        if explore(graph, search, found, min_count, middle, limit, max_steps, pace):
            low = middle
        else:
            high = middle
    if low > 0:
        explore(graph, search, found, min_count, low, limit, max_steps, pace)
    else:
        found.n_symbols = found.n = 0
    return low


cdef int explore(
    Graph *graph, Search *search, Found *found, int64_t min_count, Py_ssize_t longest, Py_ssize_t limit,
    int64_t max_steps, Pace *pace
) except -1 nogil:
    # Depth first over beginnings of templates of up to `longest` words: one that is too rare can't have an ending that
    # is frequent. False as soon as there are too many templates or steps.
    cdef Py_ssize_t first, last
    cdef int64_t count
    cdef int kind
    found.n_symbols = found.n = 0
    first_steps(graph, search, pace)
    if search.taken > max_steps:
        return False
    while search.n_levels > 0:
        first = search.levels[search.n_levels - 1].next
        if first == search.levels[search.n_levels - 1].end:
            leave_level(search)
            continue
        last = next_key(search)
        spend(pace, 4 * (last - first))
        if weight(graph, search.steps, first, last, -1) < min_count:
            continue
        found.path = <int64_t *>roomy(&found.pool, found.path, &found.path_room, search.n_levels, sizeof(int64_t))
        found.path[search.n_levels - 1] = search.steps[first].key
        for kind in range(2):
            count = weight(graph, search.steps, first, last, kind)
            if count >= min_count:
                search.taken += search.n_levels
                if found.n == limit or search.taken > max_steps:
                    return False
                emit(found, search.n_levels, kind, count)
        if search.n_levels == longest:
            continue
        search.taken += steps_on(graph, search, first, last)
        if search.taken > max_steps:
            return False
        go_on(graph, search, first, last, pace)
    return True


cdef int first_steps(const Graph *graph, Search *search, Pace *pace) except -1 nogil:
    # Paths begin where no strong pair leads to.
    cdef Py_ssize_t i
    search.n_steps = search.n_levels = 0
    for i in range(graph.n):
        if is_first(graph, i):
            add_step(search, key_of(graph, i, not begins(graph, i)), i, 1)
    search.taken = search.n_steps
    add_level(search, 0, pace)
    # No other level is as long.
    drop(&search.pool, search.spare)
    search.spare, search.spare_room = NULL, 0
    return 0


cdef int emit(Found *found, Py_ssize_t n_words, int trailing, int64_t count) except -1 nogil:
    cdef Py_ssize_t i, before = found.n_symbols
    found.symbols = <int64_t *>roomy(
        &found.pool, found.symbols, &found.symbols_room, found.n_symbols + 2 * n_words + 1, sizeof(int64_t))
    for i in range(n_words):
        if found.path[i] & 1:
            found.symbols[found.n_symbols] = -1
            found.n_symbols += 1
        found.symbols[found.n_symbols] = found.path[i] >> 1
        found.n_symbols += 1
    if trailing:
        found.symbols[found.n_symbols] = -1
        found.n_symbols += 1
    found.lengths = <int64_t *>roomy(&found.pool, found.lengths, &found.lengths_room, found.n + 1, sizeof(int64_t))
    found.counts = <int64_t *>roomy(&found.pool, found.counts, &found.counts_room, found.n + 1, sizeof(int64_t))
    found.lengths[found.n] = found.n_symbols - before
    found.counts[found.n] = count
    found.n += 1
    return 0


cdef found_arrays(Found *found):
    cdef Py_ssize_t i
    symbols, offsets = np.empty(found.n_symbols, np.int64), np.zeros(found.n + 1, np.int64)
    counts = np.empty(found.n, np.int64)
    cdef int64_t[::1] a = symbols, b = offsets, c = counts
    for i in range(found.n_symbols):
        a[i] = found.symbols[i]
    for i in range(found.n):
        b[i + 1] = b[i] + found.lengths[i]
        c[i] = found.counts[i]
    return symbols, offsets, counts
