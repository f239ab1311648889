"""Kernels that read sentences by templates: the best nested reading of a sentence, and strict matches."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy

from _owned cimport Pool, free_all, resized, roomy, zeros
from _signals cimport Pace, new_pace, spend
from _table cimport Cell, Table, table_find, table_init, table_took

# A score that no reading has.
cdef extern from *:
    """
    #define FASTCORE_UNREACHED (-((int64_t)1 << 62))
    """
    const int64_t UNREACHED "FASTCORE_UNREACHED"


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
    # A match, as a row of the result.
    int64_t start
    int64_t end
    int64_t template


cdef struct Span:
    Py_ssize_t start
    Py_ssize_t end


cdef struct Work:
    Pool pool
    Pace pace
    Track *tracks
    int32_t *track_of  # node -> its track plus one, 0 for none
    Source *sources
    Active *active
    Active *following
    Found *found
    Py_ssize_t n_tracks, n_sources, n_active, n_found, sources_room, found_room


cdef inline uint64_t edge(int32_t node, int64_t symbol) noexcept nogil:
    return <uint64_t>(<uint32_t>node) << 32 | <uint32_t>symbol


cdef int by_template(const void *a, const void *b) noexcept nogil:
    cdef int64_t x = (<const Found *>a).template, y = (<const Found *>b).template
    return (x > y) - (x < y)


cdef class TemplateTrie:
    """Templates as symbols (-1 for a slot, others below 2**32) with offsets, and each one's score."""

    cdef Pool pool
    cdef Pace pace
    cdef const int64_t[::1] symbols, offsets, scores
    # From a node, by a word, to a node; a mark is that node, which is never the root, node 0.
    cdef Table edges
    # Of each node: where a slot leads to, and the template that ends there; -1 for none.
    cdef int32_t *slot_child
    cdef int32_t *terminal
    # Of equal scores the template with the larger rank wins: more words, then fewer slots.
    cdef int64_t *rank
    cdef Py_ssize_t n_nodes, nodes_room, terminals_room, longest

    def __cinit__(self, const int64_t[::1] symbols, const int64_t[::1] offsets, const int64_t[::1] scores):
        cdef Py_ssize_t t, i, n = scores.shape[0]
        cdef int32_t node
        self.symbols, self.offsets, self.scores = symbols, offsets, scores
        self.pace = new_pace()
        table_init(&self.edges, &self.pool, &self.pace, 0, sizeof(Cell))
        self.rank = <int64_t *>zeros(&self.pool, n, sizeof(int64_t))
        with nogil:
            self.new_node()
            for t in range(n):
                node = 0
                for i in range(offsets[t], offsets[t + 1]):
                    node = self.grown(node, symbols[i])
                    self.rank[t] += <int64_t>1 << 32 if symbols[i] >= 0 else -1
                self.terminal[node] = <int32_t>t
                self.longest = max(self.longest, offsets[t + 1] - offsets[t])
                spend(&self.pace, 20 * (offsets[t + 1] - offsets[t] + 1))

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int32_t new_node(self) except -1 nogil:
        if self.n_nodes == 0x7FFFFFFF:
            with gil:
                raise ValueError("templates must make at most 2**31 - 1 nodes of a trie")
        self.slot_child = <int32_t *>roomy(
            &self.pool, self.slot_child, &self.nodes_room, self.n_nodes + 1, sizeof(int32_t))
        self.terminal = <int32_t *>roomy(
            &self.pool, self.terminal, &self.terminals_room, self.n_nodes + 1, sizeof(int32_t))
        self.slot_child[self.n_nodes] = self.terminal[self.n_nodes] = -1
        self.n_nodes += 1
        return <int32_t>(self.n_nodes - 1)

    cdef int32_t grown(self, int32_t node, int64_t symbol) except -1 nogil:
        """The node that a symbol leads to, a new one if there was none."""
        cdef Cell *cell
        cdef int32_t child
        if symbol < 0:
            if self.slot_child[node] < 0:
                child = self.new_node()
                self.slot_child[node] = child
            return self.slot_child[node]
        cell = table_find(&self.edges, edge(node, symbol), sizeof(Cell))
        if cell.mark:
            return <int32_t>cell.mark
        child = self.new_node()
        cell.key, cell.mark = edge(node, symbol), child
        table_took(&self.edges, sizeof(Cell))
        return child

    def parse(self, const int64_t[::1] ids, int64_t null_score):
        """Return the best nested reading: (start, end, template, rows, score) in preorder, -1 for no template.

        `rows` are how many the tree has that begins with one, itself included.
        """
        cdef Py_ssize_t n = ids.shape[0]
        cdef Work work
        if n == 0:
            return np.array([[0, 0, -1, 1, 0]], np.int64)
        cdef int64_t *best
        cdef int32_t *choice
        work.pool = Pool(NULL, 0, 0)
        try:
            with nogil:
                self.open(&work)
                # best[q, p] is the score of the words from p up to q: a slot's beginnings lie side by side.
                best = <int64_t *>resized(&work.pool, NULL, (n + 1) * (n + 1), sizeof(int64_t))
                choice = <int32_t *>resized(&work.pool, NULL, (n + 1) * (n + 1), sizeof(int32_t))
                self.sweep(&ids[0], n, null_score, best, choice, &work)
                self.trace(&ids[0], n, best, choice, &work)
            return tree_rows(&work, n, best)
        finally:
            free_all(&work.pool)

    def search(self, const int64_t[::1] ids):
        """Return every (start, end, template) such that the template reads exactly those words."""
        cdef Py_ssize_t n = ids.shape[0]
        cdef Work work
        if n == 0:
            return np.empty((0, 3), np.int64)
        work.pool = Pool(NULL, 0, 0)
        try:
            with nogil:
                self.open(&work)
                self.sweep(&ids[0], n, 0, NULL, NULL, &work)
            return found_rows(&work)
        finally:
            free_all(&work.pool)

    cdef int open(self, Work *work) except -1 nogil:
        # A node is active, or has an open slot, once at most; untouched pages of these arrays cost nothing.
        work.pace = new_pace()
        work.n_tracks = work.n_sources = work.n_active = work.n_found = work.sources_room = work.found_room = 0
        work.tracks = <Track *>resized(&work.pool, NULL, self.n_nodes, sizeof(Track))
        work.track_of = <int32_t *>zeros(&work.pool, self.n_nodes, sizeof(int32_t))
        work.active = <Active *>resized(&work.pool, NULL, self.n_nodes, sizeof(Active))
        work.following = <Active *>resized(&work.pool, NULL, self.n_nodes, sizeof(Active))
        work.sources = <Source *>roomy(&work.pool, NULL, &work.sources_room, 1, sizeof(Source))
        work.found = <Found *>roomy(&work.pool, NULL, &work.found_room, 1, sizeof(Found))
        return 0

    cdef inline int32_t child(self, int32_t node, int64_t symbol) noexcept nogil:
        # The node that a word leads to, or -1.
        cdef const Cell *cell
        if symbol < 0:
            return -1
        cell = table_find(&self.edges, edge(node, symbol), sizeof(Cell))
        return <int32_t>cell.mark if cell.mark else -1

    cdef int sweep(
        self, const int64_t *ids, Py_ssize_t n, int64_t null_score, int64_t *best, int32_t *choice, Work *work
    ) except -1 nogil:
        # For each first word, from the last one back, walk the trie along all ends at once. Without `best`, list
        # what matches instead, in order.
        cdef Py_ssize_t turn, start, end, i, opened, listed
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
                score, pick, listed = null_score * (end - start - 1), -1, work.n_found
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
                elif work.n_found - listed > 1:
                    qsort(work.found + listed, work.n_found - listed, sizeof(Found), &by_template)
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
        self, Py_ssize_t start, Py_ssize_t end, int32_t node, int64_t value, int64_t *score, int32_t *pick,
        const int64_t *best, Work *work
    ) except -1 nogil:
        # A template that ends here: the better score, of equal ones the larger rank, then the one given first.
        cdef int32_t t = self.terminal[node]
        cdef int64_t total
        if t < 0:
            return 0
        if best == NULL:
            return add_found(work, start, end, t)
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
        self, int64_t symbol, int32_t root_slot, int64_t whole, Py_ssize_t opened, Work *work
    ) noexcept nogil:
        # The nodes that the next word leads to, from words and from slots that may close here.
        cdef Py_ssize_t i, count = 0
        cdef int32_t node
        cdef Active *swap
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

    cdef int trace(
        self, const int64_t *ids, Py_ssize_t n, const int64_t *best, const int32_t *choice, Work *work
    ) except -1 nogil:
        # Read the best readings back as what is found; a template's slots are placed from the last to the first, each
        # beginning as early as its score allows.
        cdef Py_ssize_t row = n + 1, top, size, start, end, k, p, q
        cdef int32_t t
        cdef const int64_t *symbols
        cdef Span *stack = <Span *>resized(&work.pool, NULL, 2 * n + 1, sizeof(Span))
        # reach[k * row + p]: the best score of a template's first k symbols reading up to p.
        cdef int64_t *reach = <int64_t *>resized(&work.pool, NULL, (self.longest + 1) * row, sizeof(int64_t))
        cdef int64_t *now
        cdef int64_t *then
        stack[0].start, stack[0].end, top = 0, n, 1
        while top > 0:
            top -= 1
            start, end = stack[top].start, stack[top].end
            t = choice[end * row + start]
            add_found(work, start, end, t)
            spend(&work.pace, 1)
            if t < 0:
                continue
            symbols, size = &self.symbols[self.offsets[t]], self.offsets[t + 1] - self.offsets[t]
            for p in range(start, end + 1):
                reach[p] = UNREACHED
            reach[start] = 0
            for k in range(size):
                now, then = reach + k * row, reach + (k + 1) * row
                for p in range(start, end + 1):
                    then[p] = UNREACHED
                for p in range(start, end):
                    spend(&work.pace, 1)
                    if now[p] == UNREACHED:
                        continue
                    if symbols[k] >= 0:
                        if ids[p] == symbols[k]:
                            then[p + 1] = now[p]
                        continue
                    spend(&work.pace, end - p if k + 1 < size else 1)
                    for q in range(p + 1 if k + 1 < size else end, end + 1):
                        if p > start or q < end:
                            then[q] = max(then[q], now[p] + best[q * row + p])
            q = end
            for k in range(size - 1, -1, -1):
                if symbols[k] >= 0:
                    q -= 1
                    continue
                now, then = reach + k * row, reach + (k + 1) * row
                p = start
                for p in range(start, q):
                    if now[p] != UNREACHED and now[p] + best[q * row + p] == then[q]:
                        break
                stack[top].start, stack[top].end = p, q
                top += 1
                q = p
        return 0


cdef int add_found(Work *work, Py_ssize_t start, Py_ssize_t end, int32_t t) except -1 nogil:
    work.found = <Found *>roomy(&work.pool, work.found, &work.found_room, work.n_found + 1, sizeof(Found))
    work.found[work.n_found] = Found(start, end, t)
    work.n_found += 1
    return 0


cdef found_rows(const Work *work):
    cdef int64_t[:, ::1] out
    result = np.empty((work.n_found, 3), np.int64)
    if work.n_found:
        out = result
        memcpy(&out[0, 0], work.found, work.n_found * sizeof(Found))
    return result


cdef tree_rows(const Work *work, Py_ssize_t n, const int64_t *best):
    # What was found in preorder, with the size of each tree and its score.
    cdef Py_ssize_t i, below
    cdef const Found *found
    cdef int64_t[:, ::1] out
    result = np.empty((work.n_found, 5), np.int64)
    out = result
    for i in range(work.n_found - 1, -1, -1):
        found = &work.found[i]
        below = i + 1
        while below < work.n_found and work.found[below].start < found.end:
            below += out[below, 3]
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = found.start, found.end, found.template, below - i
        out[i, 4] = best[found.end * (n + 1) + found.start]
    return result


cdef int add_source(Work *work, int32_t node, int32_t start, int64_t score, bint once) except -1 nogil:
    # A slot at `node` may begin at `start`; a search needs to know only of the first time.
    cdef int32_t index = work.track_of[node] - 1
    cdef Track *track
    if index < 0:
        index = <int32_t>work.n_tracks
        work.n_tracks += 1
        work.track_of[node] = index + 1
        work.tracks[index].node = node
        work.tracks[index].first = work.tracks[index].last = -1
    elif once:
        return 0
    work.sources = <Source *>roomy(
        &work.pool, work.sources, &work.sources_room, work.n_sources + 1, sizeof(Source))
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
