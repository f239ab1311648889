# Sentences as graphs, whose paths spell templates: tokens joined by strong pairs, and the steps of a search along them.
import numpy as np

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

from _owned cimport Pool, free_all, roomy
from _signals cimport Pace, new_pace, spend

cdef enum:
    FEW = 48  # so many steps are sorted by insertion

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
    Py_ssize_t n_sentences
    const int64_t *ids
    const int64_t *offsets
    int64_t *on_first
    int64_t *on
    int32_t *sentence
    int64_t *completions
    char *entered
    int64_t paths
    bint by_path


cdef struct Search:
    # Steps level by level, those of the last level last.
    Pool pool
    Step *steps
    Step *spare
    Level *levels
    int64_t taken  # steps so far
    Py_ssize_t steps_room, spare_room, levels_room
    Py_ssize_t n_steps, n_levels


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


cdef graph_of(
    Graph *graph, const int64_t[::1] ids, const int64_t[::1] offsets, const int64_t[::1] pairs_first,
    const int64_t[::1] pairs_second, Py_ssize_t window, bint by_path, Pace *pace
):
    # Fill a graph; the arrays that it points into are returned, to be kept as long.
    cdef Py_ssize_t n = ids.shape[0], n_sentences = offsets.shape[0] - 1, s, i, j
    cdef int64_t paths = 0
    arrays = (
        *join(ids, offsets, pairs_first, pairs_second, window, pace),
        np.zeros(n + 1, np.int32), np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int8),
    )
    cdef int64_t[::1] on_first = arrays[0], on = arrays[1], completions = arrays[3]
    cdef int32_t[::1] sentence = arrays[2]
    cdef char[::1] entered = arrays[4]
    with nogil:
        for s in range(n_sentences):
            spend(pace, offsets[s + 1] - offsets[s] + 4)
            for i in range(offsets[s], offsets[s + 1]):
                sentence[i] = <int32_t>s
        for i in range(n - 1, -1, -1):
            spend(pace, 2 * (on_first[i + 1] - on_first[i] + 1))
            if on_first[i] == on_first[i + 1]:
                completions[i] = 1
            for j in range(on_first[i], on_first[i + 1]):
                completions[i] = plus(completions[i], completions[on[j]])
                entered[on[j]] = 1
        for i in range(n):
            if not entered[i]:
                paths = plus(paths, completions[i])
    graph.n, graph.n_sentences, graph.paths, graph.by_path = n, n_sentences, paths, by_path
    graph.ids, graph.offsets = &ids[0] if n else NULL, &offsets[0]
    graph.on_first, graph.on = &on_first[0], &on[0]
    graph.sentence, graph.completions, graph.entered = &sentence[0], &completions[0], &entered[0]
    return arrays


cdef inline int64_t least_count(const Graph *graph, int64_t min_count, double min_share) noexcept nogil:
    # What a template must count at least, of so many sentences or paths.
    cdef int64_t total = graph.paths if graph.by_path else graph.n_sentences
    return max(min_count, 1, <int64_t>(min(min_share * total, 4.6e18)) + 1 if min_share > 0 else 1)


cdef inline bint precedes(const Step *x, const Step *y) noexcept nogil:
    return x.key < y.key or (x.key == y.key and x.place < y.place)


cdef int sort_steps(Search *search, Py_ssize_t first, Pace *pace) except -1 nogil:
    # By key and place: few by insertion, many digit by digit, the last digit first, without those that all have alike.
    cdef Py_ssize_t n = search.n_steps - first, i, j, at
    cdef Step *steps = search.steps + first
    cdef Step *other
    cdef Step step
    cdef int64_t keys = 0, places = 0, part
    cdef int digit, shift
    cdef Py_ssize_t[2048] starts
    if n <= FEW:
        for i in range(1, n):
            step = steps[i]
            j = i
            while j and precedes(&step, &steps[j - 1]):
                steps[j] = steps[j - 1]
                j -= 1
            steps[j] = step
        return 0
    search.spare = <Step *>roomy(&search.pool, search.spare, &search.spare_room, n, sizeof(Step))
    other = search.spare
    for i in range(n):
        keys |= steps[i].key ^ steps[0].key
        places |= steps[i].place ^ steps[0].place
    for digit in range(12):
        shift = 11 * (digit % 6)
        if not ((places if digit < 6 else keys) >> shift) & 2047:
            continue
        spend(pace, 4 * n)
        memset(starts, 0, sizeof(starts))
        for i in range(n):
            starts[((steps[i].place if digit < 6 else steps[i].key) >> shift) & 2047] += 1
        at = 0
        for i in range(2048):
            at += starts[i]
            starts[i] = at - starts[i]
        for i in range(n):
            part = ((steps[i].place if digit < 6 else steps[i].key) >> shift) & 2047
            other[starts[part]] = steps[i]
            starts[part] += 1
        steps, other = other, steps
    if steps == search.spare:
        memcpy(other, steps, n * sizeof(Step))
    return 0


cdef inline int add_step(Search *search, int64_t key, int64_t place, int64_t ways) except -1 nogil:
    search.steps = <Step *>roomy(
        &search.pool, search.steps, &search.steps_room, search.n_steps + 1, sizeof(Step))
    search.steps[search.n_steps].key = key
    search.steps[search.n_steps].place = place
    search.steps[search.n_steps].ways = ways
    search.n_steps += 1
    return 0


cdef int first_steps(const Graph *graph, Search *search, Pace *pace) except -1 nogil:
    # Paths begin where no strong pair leads to.
    cdef Py_ssize_t i
    search.n_steps = search.n_levels = 0
    for i in range(graph.n):
        if not graph.entered[i]:
            add_step(search, 2 * graph.ids[i] + (i != graph.offsets[graph.sentence[i]]), i, 1)
    search.taken = search.n_steps
    return add_level(search, 0, pace)


cdef int64_t steps_on(const Graph *graph, const Search *search, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    # How many steps lead on from a stretch of steps.
    cdef Py_ssize_t i
    cdef int64_t place, count = 0
    for i in range(first, last):
        place = search.steps[i].place
        count += graph.on_first[place + 1] - graph.on_first[place]
    return count


cdef int go_on(const Graph *graph, Search *search, Py_ssize_t first, Py_ssize_t last, Pace *pace) except -1 nogil:
    # Take all steps that lead on from a stretch of steps, as a level of its own if there are any.
    cdef Py_ssize_t i, j = search.n_steps
    cdef int64_t place, ways, k
    for i in range(first, last):
        place, ways = search.steps[i].place, search.steps[i].ways
        for k in range(graph.on_first[place], graph.on_first[place + 1]):
            add_step(search, 2 * graph.ids[graph.on[k]] + (graph.on[k] > place + 1), graph.on[k], ways)
    if search.n_steps > j:
        add_level(search, j, pace)
        return True
    return False


cdef int add_level(Search *search, Py_ssize_t first, Pace *pace) except -1 nogil:
    # Put the steps from `first` on in order, and make one of those that lead to the same place.
    cdef Py_ssize_t i, kept = first
    cdef Step *steps = search.steps
    cdef Level *level
    spend(pace, 24 * (search.n_steps - first))
    sort_steps(search, first, pace)
    for i in range(first, search.n_steps):
        if kept > first and steps[kept - 1].key == steps[i].key and steps[kept - 1].place == steps[i].place:
            steps[kept - 1].ways = plus(steps[kept - 1].ways, steps[i].ways)
        else:
            steps[kept] = steps[i]
            kept += 1
    search.n_steps = kept
    search.levels = <Level *>roomy(
        &search.pool, search.levels, &search.levels_room, search.n_levels + 1, sizeof(Level))
    level = &search.levels[search.n_levels]
    level.next, level.end = first, kept
    search.n_levels += 1
    return 0


cdef inline void leave_level(Search *search) noexcept nogil:
    search.n_levels -= 1
    search.n_steps = search.levels[search.n_levels - 1].end if search.n_levels else 0


cdef inline Py_ssize_t next_key(Search *search) noexcept nogil:
    # The end of the steps that have the next key of the last level, which are taken out of it.
    cdef Level *level = &search.levels[search.n_levels - 1]
    cdef Py_ssize_t last = level.next + 1
    while last < level.end and search.steps[last].key == search.steps[level.next].key:
        last += 1
    level.next = last
    return last


cdef inline bint ends_at(const Graph *graph, int64_t place, int trailing) noexcept nogil:
    # Whether paths end at a token, with the sentence (0) or before its end (1), which is a slot.
    return graph.on_first[place] == graph.on_first[place + 1] and (
        place + 1 != graph.offsets[graph.sentence[place] + 1]) == trailing


cdef int64_t weight(const Graph *graph, const Step *steps, Py_ssize_t first, Py_ssize_t last, int kind) noexcept nogil:
    # How much a stretch of steps with one key counts: all of it (kind -1), what ends there with the last word (0),
    # or with a slot after it (1). Steps are in order of place, so sentences are side by side.
    cdef Py_ssize_t i
    cdef int64_t count = 0, place
    cdef int32_t before = -1
    for i in range(first, last):
        place = steps[i].place
        if kind >= 0 and not ends_at(graph, place, kind):
            continue
        if graph.by_path:
            count = plus(count, times(steps[i].ways, graph.completions[place]))
        elif graph.sentence[place] != before:
            before = graph.sentence[place]
            count += 1
    return count
