"""Kernels of sentence templates: the best nested reading of a sentence, strict matches, and finding templates."""

import numpy as np

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from _signals cimport Pace, new_pace, spend

cdef int64_t UNREACHED = -4611686018427387904


cdef struct Track:
    # A slot that is open: its node of the trie, where it may have begun, and the best reading up to here.
    int32_t node
    int32_t first
    int32_t last
    int64_t value


cdef struct Source:
    # One place where a slot may have begun, and the score of what stands before it.
    int32_t start
    int32_t next
    int64_t score


cdef struct Active:
    int32_t node
    int64_t value


cdef struct Found:
    int64_t start
    int64_t end
    int64_t template


cdef struct Work:
    Track* tracks
    int32_t* track_of  # node -> its track plus one, 0 for none
    Source* sources
    Active* active
    Active* following
    Found* found
    Py_ssize_t n_tracks, n_sources, n_active, n_found, sources_size, found_size
    Pace pace


cdef class TemplateTrie:
    """Templates as symbols (-1 for a slot) with offsets, and each one's score."""

    cdef const int64_t[::1] symbols, offsets, scores
    cdef int32_t[::1] edge_first, edge_symbol, edge_target, slot_child, terminal
    # Of equal scores the template with the larger rank wins: more words, then fewer slots.
    cdef int64_t[::1] rank
    cdef Py_ssize_t n_nodes, longest

    def __init__(self, const int64_t[::1] symbols, const int64_t[::1] offsets, const int64_t[::1] scores):
        self.symbols, self.offsets, self.scores = symbols, offsets, scores
        edges, node, n_nodes, ends = {}, 0, 1, []
        rank = np.zeros(len(scores), np.int64)
        self.longest = 0
        cdef Pace pace = new_pace()
        for t in range(len(scores)):
            node = 0
            spend(&pace, 200 * (offsets[t + 1] - offsets[t] + 1))
            for i in range(offsets[t], offsets[t + 1]):
                key = (node, symbols[i])
                node = edges.get(key, 0)
                if node == 0:
                    node = edges[key] = n_nodes
                    n_nodes += 1
                rank[t] += 1 << 32 if symbols[i] >= 0 else -1
            ends.append(node)
            self.longest = max(self.longest, offsets[t + 1] - offsets[t])
        self.n_nodes = n_nodes
        slots, terminal = np.full(n_nodes, -1, np.int32), np.full(n_nodes, -1, np.int32)
        terminal[ends] = np.arange(len(ends))
        counts = np.zeros(n_nodes + 1, np.int32)
        of_words = []
        for (node, symbol), target in sorted(edges.items()):
            if symbol < 0:
                slots[node] = target
            else:
                of_words.append((symbol, target))
                counts[node + 1] += 1
        table = np.array(of_words, np.int32).reshape(-1, 2)
        self.edge_first = np.cumsum(counts, dtype=np.int32)
        self.edge_symbol, self.edge_target = np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])
        self.slot_child, self.terminal, self.rank = slots, terminal, rank

    def parse(self, const int64_t[::1] ids, int64_t null_score):
        """Return the score of the best nested reading and its (start, end, template) in preorder, -1 for none."""
        cdef Py_ssize_t n = ids.shape[0]
        cdef Work work
        if n == 0:
            return 0, np.array([[0, 0, -1]], np.int64)
        # best[q, p] is the score of the words from p up to q: a slot's beginnings lie side by side.
        best_array = np.empty((n + 1, n + 1), np.int64)
        choice_array = np.empty((n + 1, n + 1), np.int32)
        cdef int64_t[:, ::1] best = best_array
        cdef int32_t[:, ::1] choice = choice_array
        self.open(&work)
        try:
            with nogil:
                self.sweep(&ids[0], n, null_score, &best[0, 0], &choice[0, 0], &work)
        finally:
            close(&work)
        return best_array[n, 0].item(), self.trace(ids, best, choice)

    def search(self, const int64_t[::1] ids):
        """Return every (start, end, template) such that the template reads exactly those words."""
        cdef Py_ssize_t n = ids.shape[0], i
        cdef Work work
        cdef int64_t[:, ::1] out
        if n == 0:
            return np.empty((0, 3), np.int64)
        self.open(&work)
        try:
            with nogil:
                self.sweep(&ids[0], n, 0, NULL, NULL, &work)
            result = np.empty((work.n_found, 3), np.int64)
            out = result
            for i in range(work.n_found):
                spend(&work.pace, 4)
                out[i, 0], out[i, 1], out[i, 2] = work.found[i].start, work.found[i].end, work.found[i].template
        finally:
            close(&work)
        return result[np.lexsort(result.T[::-1])]

    cdef int open(self, Work* work) except -1:
        # A node is active, or has an open slot, once at most; untouched pages of these arrays cost nothing.
        work.pace = new_pace()
        work.n_tracks = work.n_sources = work.n_active = work.n_found = 0
        work.sources_size, work.found_size = 64, 64
        work.tracks = <Track*>malloc(self.n_nodes * sizeof(Track))
        work.track_of = <int32_t*>calloc(self.n_nodes, sizeof(int32_t))
        work.sources = <Source*>malloc(work.sources_size * sizeof(Source))
        work.active = <Active*>malloc(self.n_nodes * sizeof(Active))
        work.following = <Active*>malloc(self.n_nodes * sizeof(Active))
        work.found = <Found*>malloc(work.found_size * sizeof(Found))
        if not (work.tracks and work.track_of and work.sources and work.active and work.following and work.found):
            close(work)
            raise MemoryError
        return 0

    cdef inline int32_t child(self, int32_t node, int64_t symbol) noexcept nogil:
        # The node that a word leads to, or -1.
        cdef int32_t low = self.edge_first[node], end = self.edge_first[node + 1], high = end, middle
        while low < high:
            middle = low + (high - low) // 2
            if self.edge_symbol[middle] < symbol:
                low = middle + 1
            else:
                high = middle
        return self.edge_target[low] if low < end and self.edge_symbol[low] == symbol else -1

    cdef int sweep(
        self, const int64_t* ids, Py_ssize_t n, int64_t null_score, int64_t* best, int32_t* choice, Work* work
    ) except -1 nogil:
        # For each first word, from the last one back, walk the trie along all ends at once. Without `best`, list
        # what matches instead.
        cdef Py_ssize_t turn, start, end, i, opened
        cdef int32_t node, source, pick, root_slot = self.slot_child[0]
        cdef int64_t score, value
        for turn in range(n):
            start = turn if best == NULL else n - 1 - turn
            for i in range(work.n_tracks):
                work.track_of[work.tracks[i].node] = 0
            work.n_tracks = work.n_sources = work.n_active = 0
            node = self.child(0, ids[start])
            if node >= 0:
                work.active[0].node, work.active[0].value = node, 0
                work.n_active = 1
            for end in range(start + 1, n + 1):
                score, pick = null_score * (end - start - 1), -1
                for i in range(work.n_active):
                    self.consider(start, end, work.active[i].node, work.active[i].value, &score, &pick, best, work)
                opened = work.n_tracks
                for i in range(opened):
                    value = 0
                    if best != NULL:
                        value = UNREACHED
                        source = work.tracks[i].first
                        while source >= 0:
                            value = max(
                                value, work.sources[source].score + best[end * (n + 1) + work.sources[source].start]
                            )
                            source = work.sources[source].next
                            spend(&work.pace, 1)
                    work.tracks[i].value = value
                    self.consider(start, end, work.tracks[i].node, value, &score, &pick, best, work)
                if best != NULL:
                    best[end * (n + 1) + start] = score
                    choice[end * (n + 1) + start] = pick
                spend(&work.pace, 2 * (work.n_active + opened + 1))
                for i in range(work.n_active):
                    node = self.slot_child[work.active[i].node]
                    if node >= 0:
                        add_source(work, node, <int32_t>end, work.active[i].value, best == NULL)
                if end == n:
                    break
                self.follow(ids[end], root_slot, score, opened, work)
        return 0

    cdef int consider(
        self, Py_ssize_t start, Py_ssize_t end, int32_t node, int64_t value, int64_t* score, int32_t* pick,
        const int64_t* best, Work* work
    ) except -1 nogil:
        # A template that ends here: the better score, of equal ones the larger rank, then the one given first.
        cdef int32_t t = self.terminal[node]
        cdef int64_t total
        if t < 0:
            return 0
        if best == NULL:
            if work.n_found == work.found_size:
                work.found = <Found*>grown(work.found, &work.found_size, sizeof(Found))
            work.found[work.n_found].start, work.found[work.n_found].end = start, end
            work.found[work.n_found].template = t
            work.n_found += 1
            return 0
        total = value + self.scores[t]
        if total > score[0] or (
            total == score[0]
            and (
                pick[0] < 0
                or self.rank[t] > self.rank[pick[0]]
                or (self.rank[t] == self.rank[pick[0]] and t < pick[0])
            )
        ):
            score[0], pick[0] = total, t
        return 0

    cdef void follow(
        self, int64_t symbol, int32_t root_slot, int64_t whole, Py_ssize_t opened, Work* work
    ) noexcept nogil:
        # The nodes that the next word leads to, from words and from slots that may close here.
        cdef Py_ssize_t i, count = 0
        cdef int32_t node
        cdef Active* swap
        for i in range(work.n_active):
            node = self.child(work.active[i].node, symbol)
            if node >= 0:
                work.following[count].node, work.following[count].value = node, work.active[i].value
                count += 1
        for i in range(opened):
            node = self.child(work.tracks[i].node, symbol)
            if node >= 0:
                work.following[count].node, work.following[count].value = node, work.tracks[i].value
                count += 1
        if root_slot >= 0:
            node = self.child(root_slot, symbol)
            if node >= 0:
                work.following[count].node, work.following[count].value = node, whole
                count += 1
        swap = work.active
        work.active = work.following
        work.following = swap
        work.n_active = count

    cdef trace(self, const int64_t[::1] ids, int64_t[:, ::1] best, int32_t[:, ::1] choice):
        # Read the best readings back; a template's slots are placed from the last to the first, each beginning as
        # early as its score allows.
        cdef Py_ssize_t n = ids.shape[0], top = 0, count = 0, size, start, end, k, p, q, first
        cdef int32_t t
        result = np.empty((2 * n + 1, 3), np.int64)
        cdef int64_t[:, ::1] out = result
        cdef int64_t[:, ::1] stack = np.empty((2 * n + 1, 2), np.int64)
        # reach[k, p]: the best score of a template's first k symbols reading up to p.
        cdef int64_t[:, ::1] reach = np.empty((self.longest + 1, n + 1), np.int64)
        cdef Pace pace = new_pace()
        stack[0, 0], stack[0, 1], top = 0, n, 1
        while top > 0:
            top -= 1
            start, end = stack[top, 0], stack[top, 1]
            t = choice[end, start]
            out[count, 0], out[count, 1], out[count, 2] = start, end, t
            count += 1
            spend(&pace, 1)
            if t < 0:
                continue
            first, size = self.offsets[t], self.offsets[t + 1] - self.offsets[t]
            with nogil:
                reach[0, start:end + 1] = UNREACHED
                reach[0, start] = 0
                for k in range(size):
                    reach[k + 1, start:end + 1] = UNREACHED
                    for p in range(start, end):
                        spend(&pace, 1)
                        if reach[k, p] == UNREACHED:
                            continue
                        if self.symbols[first + k] >= 0:
                            if ids[p] == self.symbols[first + k]:
                                reach[k + 1, p + 1] = reach[k, p]
                            continue
                        spend(&pace, end - p if k + 1 < size else 1)
                        for q in range(p + 1 if k + 1 < size else end, end + 1):
                            if p > start or q < end:
                                reach[k + 1, q] = max(reach[k + 1, q], reach[k, p] + best[q, p])
                q = end
                for k in range(size - 1, -1, -1):
                    if self.symbols[first + k] >= 0:
                        q -= 1
                        continue
                    p = start
                    for p in range(start, q):
                        if reach[k, p] != UNREACHED and reach[k, p] + best[q, p] == reach[k + 1, q]:
                            break
                    stack[top, 0], stack[top, 1] = p, q
                    top += 1
                    q = p
        return result[:count].copy()


cdef void close(Work* work) noexcept:
    free(work.tracks)
    free(work.track_of)
    free(work.sources)
    free(work.active)
    free(work.following)
    free(work.found)


cdef void* grown(void* array, Py_ssize_t* size, size_t item) except NULL nogil:
    cdef void* larger = realloc(array, 2 * size[0] * item)
    if larger == NULL:
        with gil:
            raise MemoryError
    size[0] *= 2
    return larger


cdef int add_source(Work* work, int32_t node, int32_t start, int64_t score, bint once) except -1 nogil:
    # A slot at `node` may begin at `start`; a search needs to know only of the first time.
    cdef int32_t index = work.track_of[node] - 1
    cdef Track* track
    if index < 0:
        index = <int32_t>work.n_tracks
        work.n_tracks += 1
        work.track_of[node] = index + 1
        work.tracks[index].node = node
        work.tracks[index].first = work.tracks[index].last = -1
    elif once:
        return 0
    if work.n_sources == work.sources_size:
        work.sources = <Source*>grown(work.sources, &work.sources_size, sizeof(Source))
    track = &work.tracks[index]
    work.sources[work.n_sources].start = start
    work.sources[work.n_sources].score = score
    work.sources[work.n_sources].next = -1
    if track.last >= 0:
        work.sources[track.last].next = <int32_t>work.n_sources
    else:
        track.first = <int32_t>work.n_sources
    track.last = <int32_t>work.n_sources
    work.n_sources += 1
    return 0


# Counts of paths stop here instead of overflowing.
cdef int64_t MOST = 4611686018427387904


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
    const int64_t* ids
    int64_t* on_first
    int64_t* on
    int32_t* sentence
    int64_t* sentence_end
    int64_t* completions
    bint by_path


cdef struct Search:
    Step* steps
    Level* levels
    int64_t* path
    int64_t* symbols
    int64_t* lengths
    int64_t* counts
    Py_ssize_t steps_size, levels_size, path_size, symbols_size, lengths_size, counts_size
    Py_ssize_t n_steps, n_levels, n_symbols, n_found


cdef int by_key_and_place(const void* a, const void* b) noexcept nogil:
    cdef const Step* x = <const Step*>a
    cdef const Step* y = <const Step*>b
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
):
    """Count the templates that paths of strong pairs spell, by sentences or by paths.

    Return symbols, offsets, counts, and the number of all sentences or paths. `pairs_second[pairs_first[a]:]` are, in
    rising order, the words that are strong after word a. More than `limit` templates are an error.
    """
    cdef Py_ssize_t n = ids.shape[0], n_sentences = offsets.shape[0] - 1, s, i, j
    cdef int64_t total = 0, paths = 0
    cdef Graph graph
    cdef Search search
    cdef Pace pace = new_pace()
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
    begin(&search)
    try:
        if n:
            with nogil:
                first_steps(&graph, &offsets[0], &entered[0], &search, &pace)
                explore(&graph, &search, min_count, limit, &pace)
        return (*found_arrays(&search), total)
    finally:
        free(search.steps)
        free(search.levels)
        free(search.path)
        free(search.symbols)
        free(search.lengths)
        free(search.counts)


cdef join(
    const int64_t[::1] ids, const int64_t[::1] offsets, const int64_t[::1] pairs_first,
    const int64_t[::1] pairs_second, Py_ssize_t window, Pace* pace
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


cdef int begin(Search* search) except -1:
    search.n_steps = search.n_levels = search.n_symbols = search.n_found = 0
    search.steps_size = search.levels_size = search.path_size = 64
    search.symbols_size = search.lengths_size = search.counts_size = 64
    search.steps = <Step*>malloc(64 * sizeof(Step))
    search.levels = <Level*>malloc(64 * sizeof(Level))
    search.path = <int64_t*>malloc(64 * sizeof(int64_t))
    search.symbols = <int64_t*>malloc(64 * sizeof(int64_t))
    search.lengths = <int64_t*>malloc(64 * sizeof(int64_t))
    search.counts = <int64_t*>malloc(64 * sizeof(int64_t))
    if not (
        search.steps and search.levels and search.path and search.symbols and search.lengths and search.counts
    ):
        free(search.steps)
        free(search.levels)
        free(search.path)
        free(search.symbols)
        free(search.lengths)
        free(search.counts)
        raise MemoryError
    return 0


cdef inline int add_step(Search* search, int64_t key, int64_t place, int64_t ways) except -1 nogil:
    if search.n_steps == search.steps_size:
        search.steps = <Step*>grown(search.steps, &search.steps_size, sizeof(Step))
    search.steps[search.n_steps].key = key
    search.steps[search.n_steps].place = place
    search.steps[search.n_steps].ways = ways
    search.n_steps += 1
    return 0


cdef int first_steps(Graph* graph, const int64_t* offsets, const char* entered, Search* search, Pace* pace) except -1 nogil:
    # Paths begin where no strong pair leads to.
    cdef Py_ssize_t i
    for i in range(graph.n):
        if not entered[i]:
            add_step(search, 2 * graph.ids[i] + (i != offsets[graph.sentence[i]]), i, 1)
    return add_level(search, 0, pace)


cdef int add_level(Search* search, Py_ssize_t first, Pace* pace) except -1 nogil:
    # Put the steps from `first` on in order, and make one of those that lead to the same place.
    cdef Py_ssize_t i, kept = first
    cdef Step* steps = search.steps
    spend(pace, 100 * (search.n_steps - first))
    qsort(steps + first, search.n_steps - first, sizeof(Step), &by_key_and_place)
    for i in range(first, search.n_steps):
        if kept > first and steps[kept - 1].key == steps[i].key and steps[kept - 1].place == steps[i].place:
            steps[kept - 1].ways = plus(steps[kept - 1].ways, steps[i].ways)
        else:
            steps[kept] = steps[i]
            kept += 1
    search.n_steps = kept
    if search.n_levels == search.levels_size:
        search.levels = <Level*>grown(search.levels, &search.levels_size, sizeof(Level))
    search.levels[search.n_levels].next, search.levels[search.n_levels].end = first, kept
    search.n_levels += 1
    return 0


cdef int64_t weight(Graph* graph, const Step* steps, Py_ssize_t first, Py_ssize_t last, int kind) noexcept nogil:
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


cdef int explore(Graph* graph, Search* search, int64_t min_count, Py_ssize_t limit, Pace* pace) except -1 nogil:
    # Depth first over beginnings of templates: one that is too rare can't have an ending that is frequent.
    cdef Py_ssize_t first, last, i, j
    cdef int64_t key, place, count
    cdef Level* level
    cdef int kind
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
        if search.n_levels > search.path_size:
            search.path = <int64_t*>grown(search.path, &search.path_size, sizeof(int64_t))
        search.path[search.n_levels - 1] = key
        for kind in range(2):
            count = weight(graph, search.steps, first, last, kind)
            if count >= min_count:
                emit(search, kind, count, limit)
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
    return 0


cdef int emit(Search* search, int trailing, int64_t count, Py_ssize_t limit) except -1 nogil:
    cdef Py_ssize_t i, before = search.n_symbols
    if search.n_found == limit:
        with gil:
            raise ValueError(f"more than max_templates={limit} templates: raise min_count or min_pmi")
    while search.symbols_size < search.n_symbols + 2 * search.n_levels + 1:
        search.symbols = <int64_t*>grown(search.symbols, &search.symbols_size, sizeof(int64_t))
    for i in range(search.n_levels):
        if search.path[i] & 1:
            search.symbols[search.n_symbols] = -1
            search.n_symbols += 1
        search.symbols[search.n_symbols] = search.path[i] >> 1
        search.n_symbols += 1
    if trailing:
        search.symbols[search.n_symbols] = -1
        search.n_symbols += 1
    if search.n_found == search.lengths_size:
        search.lengths = <int64_t*>grown(search.lengths, &search.lengths_size, sizeof(int64_t))
    if search.n_found == search.counts_size:
        search.counts = <int64_t*>grown(search.counts, &search.counts_size, sizeof(int64_t))
    search.lengths[search.n_found] = search.n_symbols - before
    search.counts[search.n_found] = count
    search.n_found += 1
    return 0


cdef found_arrays(Search* search):
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
