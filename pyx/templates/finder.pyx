"""Kernel that finds templates: the paths of strong pairs through sentences, counted by what they spell."""

import numpy as np

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from _owned cimport Pool, free_all, roomy
from _signals cimport Pace, new_pace, spend

# Counts of paths stop here instead of overflowing.
cdef extern from *:
    """
    #define FASTCORE_MOST ((int64_t)1 << 62)
    """
    const int64_t MOST "FASTCORE_MOST"


cdef inline int64_t plus(int64_t a, int64_t b) noexcept nogil:
    return MOST if a > MOST - b else a + b


cdef inline int64_t times(int64_t a, int64_t b) noexcept nogil:
    return MOST if b > 0 and a > MOST // b else a * b


cdef struct Step:
    # One way on: the word with whether a slot precedes it, the token it stands at, the paths that come this way.
    int64_t key
    int64_t place
    int64_t ways


cdef struct Level:
    # Steps still to be taken at one length of the template.
    Py_ssize_t next
    Py_ssize_t end


cdef struct Graph:
    # Tokens joined by strong pairs; `on` are the tokens that follow each token on a path.
    Py_ssize_t n
    const int64_t *ids
    int64_t *on_first
    int64_t *on
    int32_t *sentence
    int64_t *sentence_end
    int64_t *completions
    bint by_path


cdef struct Search:
    Pool pool
    Step *steps
    Level *levels
    int64_t *path
    int64_t *symbols
    int64_t *lengths
    int64_t *counts
    int64_t taken  # steps so far
    Py_ssize_t steps_room, levels_room, path_room, symbols_room, lengths_room, counts_room
    Py_ssize_t n_steps, n_levels, n_symbols, n_found


cdef int by_key_and_place(const void *a, const void *b) noexcept nogil:
    cdef const Step *x = <const Step *>a
    cdef const Step *y = <const Step *>b
    if x.key != y.key:
        return -1 if x.key < y.key else 1
    return -1 if x.place < y.place else x.place > y.place


def find_templates(
    const int64_t[::1] ids,
    const int64_t[::1] offsets,
    const int64_t[::1] pairs_first,
    const int64_t[::1] pairs_second,
    Py_ssize_t window,
    bint by_path,
    int64_t min_count,
    double min_share,
    Py_ssize_t limit,
    int64_t max_steps,
):
    """Count the templates that paths of strong pairs spell, by sentences or by paths.

    Return symbols, offsets, counts, the number of all sentences or paths, and -1. `pairs_second[pairs_first[a]:]` are,
    in rising order, the words that are strong after word a. A step is a place to which a frequent beginning is carried
    on, or a word of a template that is found. Where all templates would be more than `limit`, or take more than
    `max_steps` steps, the last number is the largest number of words such that all templates of up to so many don't,
    and these are returned.
    """
    cdef Py_ssize_t n = ids.shape[0], n_sentences = offsets.shape[0] - 1, s, i, j
    cdef int64_t total = 0, paths = 0
    cdef Py_ssize_t complete = -1
    cdef Graph graph
    cdef Search search
    cdef Pace pace = new_pace()
    memset(&search, 0, sizeof(Search))
    on_first_array, on_array = join(ids, offsets, pairs_first, pairs_second, window, &pace)
    cdef int64_t[::1] on_first = on_first_array, on = on_array
    cdef int32_t[::1] sentence = np.zeros(n + 1, np.int32)
    cdef int64_t[::1] completions = np.zeros(n + 1, np.int64)
    cdef char[::1] entered = np.zeros(n + 1, np.int8)
    cdef int64_t[::1] ends = np.array(offsets[1:])
    with nogil:
        for s in range(n_sentences):
            spend(&pace, offsets[s + 1] - offsets[s] + 4)
            for i in range(offsets[s], offsets[s + 1]):
                sentence[i] = <int32_t>s
        for i in range(n - 1, -1, -1):
            spend(&pace, 2 * (on_first[i + 1] - on_first[i] + 1))
            if on_first[i] == on_first[i + 1]:
                completions[i] = 1
            for j in range(on_first[i], on_first[i + 1]):
                completions[i] = plus(completions[i], completions[on[j]])
                entered[on[j]] = 1
        for i in range(n):
            if not entered[i]:
                paths = plus(paths, completions[i])
    total = paths if by_path else n_sentences
    min_count = max(min_count, 1, <int64_t>(min(min_share * total, 4.6e18)) + 1 if min_share > 0 else 1)
    graph.n, graph.by_path = n, by_path
    graph.ids, graph.on_first, graph.on = &ids[0] if n else NULL, &on_first[0], &on[0]
    graph.sentence, graph.completions = &sentence[0], &completions[0]
    graph.sentence_end = &ends[0] if n_sentences else NULL
    try:
        if n:
            with nogil:
                complete = settle(&graph, &offsets[0], &entered[0], &search, min_count, limit, max_steps, &pace)
        return (*found_arrays(&search), total, complete)
    finally:
        free_all(&search.pool)


cdef join(
    const int64_t[::1] ids, const int64_t[::1] offsets, const int64_t[::1] pairs_first,
    const int64_t[::1] pairs_second, Py_ssize_t window, Pace *pace
):
    # For each token those up to `window` on with which it makes a strong pair.
    cdef Py_ssize_t n = ids.shape[0], s, i, j, last, turn, count = 0
    cdef int64_t low, high, end, middle
    first_array, on_array = np.zeros(n + 1, np.int64), np.zeros(1, np.int64)
    cdef int64_t[::1] first = first_array, on = on_array
    for turn in range(2):
        if turn:
            on_array = np.zeros(count + 1, np.int64)
            on = on_array
        count = 0
        with nogil:
            for s in range(offsets.shape[0] - 1):
                for i in range(offsets[s], offsets[s + 1]):
                    first[i] = count
                    last = min(offsets[s + 1], i + 1 + window)
                    end = pairs_first[ids[i] + 1]
                    if pairs_first[ids[i]] < end:
                        for j in range(i + 1, last):
                            low, high = pairs_first[ids[i]], end
                            while low < high:
                                middle = low + (high - low) // 2
                                if pairs_second[middle] < ids[j]:
                                    low = middle + 1
                                else:
                                    high = middle
                            if low < end and pairs_second[low] == ids[j]:
                                if turn:
                                    on[count] = j
                                count += 1
                    spend(pace, 4 * (last - i))
            first[n] = count
    return first_array, on_array


cdef inline int add_step(Search *search, int64_t key, int64_t place, int64_t ways) except -1 nogil:
    search.steps = <Step *>roomy(
        &search.pool, search.steps, &search.steps_room, search.n_steps + 1, sizeof(Step))
    search.steps[search.n_steps].key = key
    search.steps[search.n_steps].place = place
    search.steps[search.n_steps].ways = ways
    search.n_steps += 1
    return 0


cdef int first_steps(
    Graph *graph, const int64_t *offsets, const char *entered, Search *search, Pace *pace
) except -1 nogil:
    # Paths begin where no strong pair leads to.
    cdef Py_ssize_t i
    for i in range(graph.n):
        if not entered[i]:
            add_step(search, 2 * graph.ids[i] + (i != offsets[graph.sentence[i]]), i, 1)
    return add_level(search, 0, pace)


cdef int add_level(Search *search, Py_ssize_t first, Pace *pace) except -1 nogil:
    # Put the steps from `first` on in order, and make one of those that lead to the same place.
    cdef Py_ssize_t i, kept = first
    cdef Step *steps = search.steps
    spend(pace, 100 * (search.n_steps - first))
    qsort(steps + first, search.n_steps - first, sizeof(Step), &by_key_and_place)
    for i in range(first, search.n_steps):
        if kept > first and steps[kept - 1].key == steps[i].key and steps[kept - 1].place == steps[i].place:
            steps[kept - 1].ways = plus(steps[kept - 1].ways, steps[i].ways)
        else:
            steps[kept] = steps[i]
            kept += 1
    search.n_steps = kept
    search.levels = <Level *>roomy(
        &search.pool, search.levels, &search.levels_room, search.n_levels + 1, sizeof(Level))
    search.levels[search.n_levels].next, search.levels[search.n_levels].end = first, kept
    search.n_levels += 1
    return 0


cdef int64_t weight(Graph *graph, const Step *steps, Py_ssize_t first, Py_ssize_t last, int kind) noexcept nogil:
    # How much a stretch of steps with one key counts: all of it (kind -1), what ends there with the last word (0),
    # or with a slot after it (1). Steps are in order of place, so sentences are side by side.
    cdef Py_ssize_t i
    cdef int64_t count = 0, place
    cdef int32_t before = -1
    for i in range(first, last):
        place = steps[i].place
        if kind >= 0 and (
            graph.on_first[place] != graph.on_first[place + 1]
            or (place + 1 != graph.sentence_end[graph.sentence[place]]) != kind
        ):
            continue
        if graph.by_path:
            count = plus(count, times(steps[i].ways, graph.completions[place]))
        elif graph.sentence[place] != before:
            before = graph.sentence[place]
            count += 1
    return count


cdef Py_ssize_t settle(
    Graph *graph, const int64_t *offsets, const char *entered, Search *search, int64_t min_count, Py_ssize_t limit,
    int64_t max_steps, Pace *pace
) except -2 nogil:
    # Everything (-1), or else templates of up to so many words as the bounds allow: doubled, then halved.
    cdef Py_ssize_t low = 0, high = 1, middle
    if explore(graph, offsets, entered, search, min_count, graph.n, limit, max_steps, pace):
        return -1
    while explore(graph, offsets, entered, search, min_count, high, limit, max_steps, pace):
        low = high
        high *= 2
    while high - low > 1:
        middle = low + (high - low) // 2
        if explore(graph, offsets, entered, search, min_count, middle, limit, max_steps, pace):
            low = middle
        else:
            high = middle
    if low > 0:
        explore(graph, offsets, entered, search, min_count, low, limit, max_steps, pace)
    else:
        search.n_symbols = search.n_found = 0
    return low


cdef int explore(
    Graph *graph, const int64_t *offsets, const char *entered, Search *search, int64_t min_count, Py_ssize_t longest,
    Py_ssize_t limit, int64_t max_steps, Pace *pace
) except -1 nogil:
    # Depth first over beginnings of templates of up to `longest` words: one that is too rare can't have an ending that
    # is frequent. False as soon as there are too many templates or steps.
    cdef Py_ssize_t first, last, i, j
    cdef int64_t key, place, count
    cdef Level *level
    cdef int kind
    search.n_steps = search.n_levels = search.n_symbols = search.n_found = 0
    first_steps(graph, offsets, entered, search, pace)
    search.taken = search.n_steps
    if search.taken > max_steps:
        return False
    while search.n_levels > 0:
        level = &search.levels[search.n_levels - 1]
        first = level.next
        if first == level.end:
            search.n_levels -= 1
            search.n_steps = first if search.n_levels == 0 else search.levels[search.n_levels - 1].end
            continue
        key = search.steps[first].key
        last = first + 1
        while last < level.end and search.steps[last].key == key:
            last += 1
        level.next = last
        spend(pace, 4 * (last - first))
        if weight(graph, search.steps, first, last, -1) < min_count:
            continue
        search.path = <int64_t *>roomy(
            &search.pool, search.path, &search.path_room, search.n_levels, sizeof(int64_t))
        search.path[search.n_levels - 1] = key
        for kind in range(2):
            count = weight(graph, search.steps, first, last, kind)
            if count >= min_count:
                search.taken += search.n_levels
                if search.n_found == limit or search.taken > max_steps:
                    return False
                emit(search, kind, count)
        if search.n_levels == longest:
            continue
        for i in range(first, last):
            place = search.steps[i].place
            search.taken += graph.on_first[place + 1] - graph.on_first[place]
        if search.taken > max_steps:
            return False
        j = search.n_steps
        for i in range(first, last):
            place = search.steps[i].place
            count = search.steps[i].ways
            for key in range(graph.on_first[place], graph.on_first[place + 1]):
                add_step(
                    search, 2 * graph.ids[graph.on[key]] + (graph.on[key] > place + 1), graph.on[key], count
                )
        if search.n_steps > j:
            add_level(search, j, pace)
    return True


cdef int emit(Search *search, int trailing, int64_t count) except -1 nogil:
    cdef Py_ssize_t i, before = search.n_symbols
    search.symbols = <int64_t *>roomy(
        &search.pool, search.symbols, &search.symbols_room, search.n_symbols + 2 * search.n_levels + 1,
        sizeof(int64_t))
    for i in range(search.n_levels):
        if search.path[i] & 1:
            search.symbols[search.n_symbols] = -1
            search.n_symbols += 1
        search.symbols[search.n_symbols] = search.path[i] >> 1
        search.n_symbols += 1
    if trailing:
        search.symbols[search.n_symbols] = -1
        search.n_symbols += 1
    search.lengths = <int64_t *>roomy(
        &search.pool, search.lengths, &search.lengths_room, search.n_found + 1, sizeof(int64_t))
    search.counts = <int64_t *>roomy(
        &search.pool, search.counts, &search.counts_room, search.n_found + 1, sizeof(int64_t))
    search.lengths[search.n_found] = search.n_symbols - before
    search.counts[search.n_found] = count
    search.n_found += 1
    return 0


cdef found_arrays(Search *search):
    cdef Py_ssize_t i
    symbols, offsets = np.empty(search.n_symbols, np.int64), np.zeros(search.n_found + 1, np.int64)
    counts = np.empty(search.n_found, np.int64)
    cdef int64_t[::1] a = symbols, b = offsets, c = counts
    for i in range(search.n_symbols):
        a[i] = search.symbols[i]
    for i in range(search.n_found):
        b[i + 1] = b[i] + search.lengths[i]
        c[i] = search.counts[i]
    return symbols, offsets, counts
