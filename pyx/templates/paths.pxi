# Sentences as graphs, whose paths spell templates: tokens joined by strong pairs, and the steps of a search along them.
import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from _owned cimport Pool, drop, free_all, roomy
from _signals cimport Pace, new_pace, spend

cdef extern from "bits.h" nogil:
    int lowest_bit(uint64_t word)
    int set_bits(uint64_t word)

cdef enum:
    FEW = 48  # so many steps are sorted by insertion
    NEAR = 8  # so many tokens on have a bit each

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
    uint32_t key
    int32_t place
    int64_t ways


cdef struct Level:
    # Steps still to be taken at one length of the template.
    Py_ssize_t next
    Py_ssize_t end


cdef struct Block:
    # Sixty-four tokens, a bit each: those that begin a sentence, and those that a strong pair leads to.
    uint64_t starts
    uint64_t entered
    int64_t before  # sentences that begin before them


cdef struct Graph:
    # Tokens joined by strong pairs, so that some bits or bytes a token do. Which tokens follow each on a path: of the
    # next eight, a bit each; where the window is wider, lists.
    Py_ssize_t n
    Py_ssize_t n_words
    Py_ssize_t n_sentences
    const int32_t *ids
    const int64_t *offsets  # of sentences that have tokens
    Block *blocks
    const uint8_t *next
    const int64_t *on_first
    const int32_t *on
    const int64_t *completions  # where paths are counted
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


cdef struct Pairs:
    # Strong pairs: in rising order, the words that are strong after each; and a bit for each, of sixty-four that words
    # share, which most words that aren't among them are told by.
    const int64_t *first
    const int64_t *second
    const uint64_t *signs


cdef inline uint64_t sign_of(int64_t word) noexcept nogil:
    # The highest bits of a product: neighbouring words have different ones.
    return <uint64_t>1 << (<uint64_t>word * <uint64_t>0x9e3779b97f4a7c15 >> 58)


cdef inline bint is_strong(const Pairs *pairs, int64_t one, int64_t other) noexcept nogil:
    cdef int64_t low = pairs.first[one], end = pairs.first[one + 1], high = end, middle
    if not pairs.signs[one] & sign_of(other):
        return False
    while low < high:
        middle = low + (high - low) // 2
        if pairs.second[middle] < other:
            low = middle + 1
        else:
            high = middle
    return low < end and pairs.second[low] == other


cdef pairs_of(Pairs *pairs, const int64_t[::1] first, const int64_t[::1] second, Pace *pace):
    # Fill pairs; the array that they also point into is returned, to be kept as long.
    cdef Py_ssize_t i, k
    signs_array = np.zeros(first.shape[0], np.uint64)
    cdef uint64_t[::1] signs = signs_array
    with nogil:
        for i in range(first.shape[0] - 1):
            for k in range(first[i], first[i + 1]):
                signs[i] |= sign_of(second[k])
            spend(pace, 1 + first[i + 1] - first[i])
    pairs.first, pairs.second, pairs.signs = &first[0], &second[0] if second.shape[0] else NULL, &signs[0]
    return signs_array


cdef check_length(Py_ssize_t n):
    # Places are 32 bits.
    if n > 0x7fffffff:
        raise ValueError(f"texts must hold at most {0x7fffffff} words, got {n}")


cdef join(
    const int32_t[::1] ids, const int64_t[::1] offsets, const Pairs *pairs, Py_ssize_t window, Pace *pace
):
    # For each token those up to `window` on with which it makes a strong pair.
    cdef Py_ssize_t n = ids.shape[0], s, i, j, last, turn, count = 0
    first_array, on_array = np.zeros(n + 1, np.int64), np.zeros(1, np.int32)
    cdef int64_t[::1] first = first_array
    cdef int32_t[::1] on = on_array
    for turn in range(2):
        if turn:
            on_array = np.zeros(count + 1, np.int32)
            on = on_array
        count = 0
        with nogil:
            for s in range(offsets.shape[0] - 1):
                for i in range(offsets[s], offsets[s + 1]):
                    first[i] = count
                    last = min(offsets[s + 1], i + 1 + window)
                    if pairs.signs[ids[i]]:
                        for j in range(i + 1, last):
                            if is_strong(pairs, ids[i], ids[j]):
                                if turn:
                                    on[count] = <int32_t>j
                                count += 1
                    spend(pace, 4 * (last - i))
            first[n] = count
    return first_array, on_array


cdef join_near(
    const int32_t[::1] ids, const int64_t[::1] offsets, const Pairs *pairs, Py_ssize_t window, Pace *pace
):
    # The same for a window of up to eight: bit j of a token's byte says it of that j + 1 on.
    cdef Py_ssize_t s, i, j, last
    next_array = np.zeros(ids.shape[0] + 1, np.uint8)
    cdef uint8_t[::1] next = next_array
    with nogil:
        for s in range(offsets.shape[0] - 1):
            for i in range(offsets[s], offsets[s + 1]):
                last = min(offsets[s + 1], i + 1 + window)
                if pairs.signs[ids[i]]:
                    for j in range(i + 1, last):
                        if is_strong(pairs, ids[i], ids[j]):
                            next[i] |= <uint8_t>(1 << (j - i - 1))
                spend(pace, 2 * (last - i))
    return next_array


cdef graph_of(
    Graph *graph, const int32_t[::1] ids, const int64_t[::1] all_offsets, const int64_t[::1] pairs_first,
    const int64_t[::1] pairs_second, Py_ssize_t window, bint by_path, Pace *pace
):
    # Fill a graph; the arrays that it points into are returned, to be kept as long.
    cdef Py_ssize_t n = ids.shape[0], s, i
    cdef int64_t to
    cdef On ways
    cdef Pairs pairs
    check_length(n)
    lengths = np.diff(all_offsets)
    kept = np.append(np.asarray(all_offsets)[:len(lengths)][lengths > 0], n)
    cdef const int64_t[::1] offsets = kept
    # A window over the longest sentence and a larger one see the same.
    window = min(window, int(lengths.max(initial=1)))
    memset(graph, 0, sizeof(Graph))
    graph.n, graph.n_words, graph.n_sentences = n, pairs_first.shape[0] - 1, all_offsets.shape[0] - 1
    graph.ids, graph.offsets, graph.by_path = &ids[0] if n else NULL, &offsets[0], by_path
    _signs = pairs_of(&pairs, pairs_first, pairs_second, pace)
    if window <= NEAR:
        joined = (join_near(ids, offsets, &pairs, window, pace),)
        graph.next = <const uint8_t *>address(joined[0])
    else:
        joined = join(ids, offsets, &pairs, window, pace)
        graph.on_first, graph.on = <const int64_t *>address(joined[0]), <const int32_t *>address(joined[1])
    blocks = np.zeros((n // 64 + 1, 3), np.uint64)
    completed = np.zeros(n + 1 if by_path else 1, np.int64)
    cdef int64_t[::1] completions = completed
    graph.blocks, graph.completions = <Block *>address(blocks), &completions[0]
    with nogil:
        for s in range(offsets.shape[0]):
            # Where the last one ends another would begin.
            graph.blocks[offsets[s] >> 6].starts |= <uint64_t>1 << (offsets[s] & 63)
            spend(pace, 4)
        for i in range(n // 64):
            graph.blocks[i + 1].before = graph.blocks[i].before + set_bits(graph.blocks[i].starts)
            spend(pace, 8)
        for i in range(n - 1, -1, -1):
            ways = on_from(graph, i)
            spend(pace, 4 + 2 * how_many(graph, i))
            if by_path and is_last(graph, i):
                completions[i] = 1
            while another(graph, &ways):
                to = ways.to
                if by_path:
                    completions[i] = plus(completions[i], completions[to])
                graph.blocks[to >> 6].entered |= <uint64_t>1 << (to & 63)
        if by_path:
            for i in range(n):
                if is_first(graph, i):
                    graph.paths = plus(graph.paths, completions[i])
    return kept, joined, blocks, completed


cdef void *address(array) except NULL:
    return <void *><size_t>array.ctypes.data


cdef struct On:
    # Tokens that follow another on a path, one after the other.
    int64_t to
    int64_t from_
    int64_t k
    int64_t end
    uint32_t bits


cdef inline On on_from(const Graph *graph, int64_t place) noexcept nogil:
    cdef On ways
    ways.to = ways.from_ = place
    ways.k = ways.end = 0
    ways.bits = 0
    if graph.next != NULL:
        ways.bits = graph.next[place]
    else:
        ways.k, ways.end = graph.on_first[place], graph.on_first[place + 1]
    return ways


cdef inline bint another(const Graph *graph, On *ways) noexcept nogil:
    if graph.next != NULL:
        if not ways.bits:
            return False
        ways.to = ways.from_ + 1 + lowest_bit(ways.bits)
        ways.bits &= ways.bits - 1
        return True
    if ways.k == ways.end:
        return False
    ways.to = graph.on[ways.k]
    ways.k += 1
    return True


cdef inline Py_ssize_t how_many(const Graph *graph, int64_t place) noexcept nogil:
    # So many tokens follow one.
    if graph.next != NULL:
        return set_bits(graph.next[place])
    return graph.on_first[place + 1] - graph.on_first[place]


cdef inline bint is_last(const Graph *graph, int64_t place) noexcept nogil:
    # Whether paths end at a token.
    return not graph.next[place] if graph.next != NULL else graph.on_first[place + 1] == graph.on_first[place]


cdef inline bint is_first(const Graph *graph, int64_t place) noexcept nogil:
    # Whether paths begin there: no strong pair leads to it.
    return not graph.blocks[place >> 6].entered >> (place & 63) & 1


cdef inline bint begins(const Graph *graph, int64_t place) noexcept nogil:
    # Whether a sentence does.
    return graph.blocks[place >> 6].starts >> (place & 63) & 1


cdef inline int64_t sentence_of(const Graph *graph, int64_t place) noexcept nogil:
    cdef const Block *block = &graph.blocks[place >> 6]
    return block.before + set_bits(block.starts & ~<uint64_t>0 >> (63 - (place & 63))) - 1


cdef inline uint32_t key_of(const Graph *graph, int64_t place, bint slot) noexcept nogil:
    return 2 * <uint32_t>graph.ids[place] + slot


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
    cdef uint32_t keys = 0, places = 0, part
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
    in_place = put_in_place(steps, n)
    for i in range(n):
        keys |= steps[i].key ^ steps[0].key
        places |= <uint32_t>(steps[i].place ^ steps[0].place)
    for digit in range(6):
        shift = 11 * (digit % 3)
        if not ((places if digit < 3 else keys) >> shift) & 2047 or (digit < 3 and in_place):
            continue
        spend(pace, 4 * n)
        memset(starts, 0, sizeof(starts))
        for i in range(n):
            starts[((<uint32_t>steps[i].place if digit < 3 else steps[i].key) >> shift) & 2047] += 1
        at = 0
        for i in range(2048):
            at += starts[i]
            starts[i] = at - starts[i]
        for i in range(n):
            part = ((<uint32_t>steps[i].place if digit < 3 else steps[i].key) >> shift) & 2047
            other[starts[part]] = steps[i]
            starts[part] += 1
        steps, other = other, steps
    if steps == search.spare:
        memcpy(other, steps, n * sizeof(Step))
    return 0


cdef bint put_in_place(Step *steps, Py_ssize_t n) noexcept nogil:
    # By place, where that takes few moves, as it does for steps from places that stand far from one another.
    cdef Py_ssize_t i, j, moves = 4 * n
    cdef Step step
    for i in range(1, n):
        if steps[i - 1].place <= steps[i].place:
            continue
        step = steps[i]
        j = i
        while j and steps[j - 1].place > step.place:
            steps[j] = steps[j - 1]
            j -= 1
        steps[j] = step
        moves -= i - j
        if moves < 0:
            return False
    return True


cdef inline int add_step(Search *search, uint32_t key, int64_t place, int64_t ways) except -1 nogil:
    search.steps = <Step *>roomy(
        &search.pool, search.steps, &search.steps_room, search.n_steps + 1, sizeof(Step))
    search.steps[search.n_steps].key = key
    search.steps[search.n_steps].place = <int32_t>place
    search.steps[search.n_steps].ways = ways
    search.n_steps += 1
    return 0


cdef int64_t steps_on(const Graph *graph, const Search *search, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    # How many steps lead on from a stretch of steps.
    cdef Py_ssize_t i
    cdef int64_t count = 0
    for i in range(first, last):
        count += how_many(graph, search.steps[i].place)
    return count


cdef int go_on(const Graph *graph, Search *search, Py_ssize_t first, Py_ssize_t last, Pace *pace) except -1 nogil:
    # Take all steps that lead on from a stretch of steps, as a level of its own if there are any.
    cdef Py_ssize_t i, j = search.n_steps
    cdef int64_t place, ways
    cdef On on
    for i in range(first, last):
        place, ways = search.steps[i].place, search.steps[i].ways
        on = on_from(graph, place)
        while another(graph, &on):
            add_step(search, key_of(graph, on.to, on.to > place + 1), on.to, ways)
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
    return is_last(graph, place) and begins(graph, place + 1) != trailing


cdef int64_t weight(const Graph *graph, const Step *steps, Py_ssize_t first, Py_ssize_t last, int kind) noexcept nogil:
    # How much a stretch of steps with one key counts: all of it (kind -1), what ends there with the last word (0),
    # or with a slot after it (1). Steps are in order of place, so sentences are side by side.
    cdef Py_ssize_t i
    cdef int64_t count = 0, place, end = 0
    for i in range(first, last):
        place = steps[i].place
        if kind >= 0 and not ends_at(graph, place, kind):
            continue
        if graph.by_path:
            count = plus(count, times(steps[i].ways, graph.completions[place]))
        elif place >= end:
            end = graph.offsets[sentence_of(graph, place) + 1]
            count += 1
    return count
