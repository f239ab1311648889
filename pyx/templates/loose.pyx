"""Kernel that reads sentences by templates whose words may stand apart: the best nested reading, as nlp-zero has it."""

import numpy as np

from libc.math cimport fma, isnan, nearbyint
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcmp

from _owned cimport Pool, free_all, resized, roomy, zeros
from _signals cimport Pace, new_pace, spend

cdef enum:
    FRONT = 16  # beginnings of nearly equal score that are kept at most

# Scores are compared to four places; beginnings that are nearer than `SAME` are equal but for rounding.
cdef extern from *:
    """
    #define FASTCORE_NEAR (1e-4 + 1e-7)
    #define FASTCORE_SAME 1e-8
    """
    const double NEAR "FASTCORE_NEAR"
    const double SAME "FASTCORE_SAME"


cdef struct Entry:
    # A beginning of templates: where its last word stands, the state after it and after the words read since.
    double score
    int32_t place
    int32_t before  # the entry that it continues, -1 for none
    int32_t state
    int32_t now
    int32_t next  # another one of the same state and place, whose score is lower


cdef struct Span:
    int64_t start
    int64_t end


cdef struct Automaton:
    const int64_t *gap
    const int64_t *first
    const int64_t *words
    const int64_t *targets
    const double *scores
    const int64_t *sizes
    const int64_t *slots_first
    const int64_t *slots
    Py_ssize_t n_states


cdef struct Work:
    Pool pool
    Pace pace
    Entry *entries
    int64_t *asked  # for each state the turn in which it was asked what the next word leads to
    int64_t *led  # and what that is, -1 for nothing
    int64_t *seen  # for each state the turn in which an entry came to it
    int32_t *heads  # and the first of these
    int64_t *chosen  # for each span where its places begin
    int32_t *n_chosen  # and how many these are
    int32_t *places
    char *visits  # of two templates how a search meets their words and gaps
    int64_t turn
    Py_ssize_t n_entries, entries_room, n_places, places_room


def best_reading(
    const int64_t[::1] gap,
    const int64_t[::1] first,
    const int64_t[::1] words,
    const int64_t[::1] targets,
    const double[::1] scores,
    const int64_t[::1] sizes,
    const int64_t[::1] slots_first,
    const int64_t[::1] slots,
    const int64_t[::1] ids,
    double null_score,
):
    """Return the best nested reading of a sentence: its score, (start, end, number of places) in preorder, the places.

    Templates are an automaton that starts in state 0. From state s, a word in `words[first[s]:first[s + 1]]` (rising)
    leads to the state beside it in `targets`; a word in a gap leads to `gap[s]`. `sizes[s]` words of a template were
    read; `scores[s]` is that of a template that ends there, NaN if none does, and `slots[slots_first[s]:]` how many
    placeholders stand before each of its words and behind the last (where several end, of the one that comes first by
    that). A span takes a template wherever one reads it: the one with the highest sum of its score and those of the
    spans in its gaps, rounded to 4 places; then with more words; then the one that comes first where each word is taken
    for a word of the template, then a placeholder's, then one more. Other spans are plain words, all of them places,
    and cost `null_score` for each but the first.
    """
    cdef Py_ssize_t n = ids.shape[0], n_states = gap.shape[0]
    cdef Automaton automaton
    cdef Work work
    if n == 0:
        return -null_score, np.zeros((1, 3), np.int64), np.empty(0, np.int64)
    cdef double *best
    automaton.gap, automaton.first, automaton.scores, automaton.sizes = &gap[0], &first[0], &scores[0], &sizes[0]
    automaton.words = &words[0] if words.shape[0] else NULL
    automaton.targets = &targets[0] if words.shape[0] else NULL
    automaton.slots_first = &slots_first[0]
    automaton.slots = &slots[0] if slots.shape[0] else NULL
    automaton.n_states = n_states
    work.pool = Pool(NULL, 0, 0)
    try:
        with nogil:
            open_work(&work, n_states, n)
            best = <double *>resized(&work.pool, NULL, (n + 1) * (n + 1), sizeof(double))
            sweep(&automaton, &ids[0], n, null_score, best, &work)
        return best[n * (n + 1)], *trace(n, &work)
    finally:
        free_all(&work.pool)


cdef int open_work(Work *work, Py_ssize_t n_states, Py_ssize_t n) except -1 nogil:
    work.pace = new_pace()
    work.turn = 0
    work.n_entries = work.entries_room = work.n_places = work.places_room = 0
    work.entries = <Entry *>roomy(&work.pool, NULL, &work.entries_room, 64, sizeof(Entry))
    work.places = <int32_t *>roomy(&work.pool, NULL, &work.places_room, 64, sizeof(int32_t))
    # Untouched pages of these cost nothing.
    work.asked = <int64_t *>zeros(&work.pool, n_states, sizeof(int64_t))
    work.led = <int64_t *>resized(&work.pool, NULL, n_states, sizeof(int64_t))
    work.seen = <int64_t *>zeros(&work.pool, n_states, sizeof(int64_t))
    work.heads = <int32_t *>resized(&work.pool, NULL, n_states, sizeof(int32_t))
    work.chosen = <int64_t *>resized(&work.pool, NULL, (n + 1) * (n + 1), sizeof(int64_t))
    work.n_chosen = <int32_t *>zeros(&work.pool, (n + 1) * (n + 1), sizeof(int32_t))
    work.visits = <char *>zeros(&work.pool, 2 * n, 1)
    return 0


cdef int sweep(
    const Automaton *automaton, const int64_t *ids, Py_ssize_t n, double null_score, double *best, Work *work
) except -1 nogil:
    # For each first word, from the last one back, all beginnings of templates along all ends at once. best[q, p] is
    # the score of the words from p up to q, so that a gap's beginnings lie side by side.
    cdef Py_ssize_t start, end
    for start in range(n - 1, -1, -1):
        work.n_entries = 1
        work.entries[0] = Entry(0.0, <int32_t>start - 1, -1, 0, 0, -1)
        for end in range(start, n + 1):
            work.turn += 1
            spend(&work.pace, 3 * work.n_entries + 4)
            if end > start:
                best[end * (n + 1) + start] = choose(automaton, start, end, n, null_score, best, work)
            if end < n:
                read_word(automaton, ids[end], start, end, n, best, work)
    return 0


cdef inline double with_gap(const Entry *entry, Py_ssize_t end, Py_ssize_t n, const double *best) noexcept nogil:
    # The score of a beginning and of what stands behind it, up to `end`.
    return entry.score + (best[end * (n + 1) + entry.place + 1] if entry.place + 1 < end else 0.0)


cdef int read_word(
    const Automaton *automaton, int64_t word, Py_ssize_t start, Py_ssize_t end, Py_ssize_t n, const double *best,
    Work *work
) except -1 nogil:
    # Carry all beginnings on by the word at `end`, which is a word of the template or stands in a gap.
    cdef Py_ssize_t i, old = work.n_entries, kept = old
    cdef int64_t state, to
    for i in range(old):
        state = work.entries[i].now
        if work.asked[state] != work.turn:
            work.asked[state] = work.turn
            work.led[state] = led_to(automaton, state, word)
        to = work.led[state]
        if to >= 0:
            work.entries = <Entry *>roomy(
                &work.pool, work.entries, &work.entries_room, work.n_entries + 1, sizeof(Entry))
            work.entries[work.n_entries] = Entry(
                with_gap(&work.entries[i], end, n, best), <int32_t>end, <int32_t>i, <int32_t>to, <int32_t>to, -1)
            keep(work)
        work.entries[i].now = <int32_t>automaton.gap[state]
    # Nothing leads back yet to those that were just made: close the ranks of the ones that are left.
    for i in range(old, work.n_entries):
        if work.entries[i].state >= 0:
            work.entries[kept] = work.entries[i]
            kept += 1
    work.n_entries = kept
    return 0


cdef inline int64_t led_to(const Automaton *automaton, int64_t state, int64_t word) noexcept nogil:
    cdef int64_t low = automaton.first[state], high = automaton.first[state + 1], middle, end = high
    while low < high:
        middle = low + (high - low) // 2
        if automaton.words[middle] < word:
            low = middle + 1
        else:
            high = middle
    return automaton.targets[low] if low < end and automaton.words[low] == word else -1


cdef inline bint earlier(const Work *work, int32_t x, int32_t y) noexcept nogil:
    # Whether the words of a beginning come before those of another one, of as many words.
    cdef bint result = False
    while x != y:
        if work.entries[x].place != work.entries[y].place:
            result = work.entries[x].place < work.entries[y].place
        x, y = work.entries[x].before, work.entries[y].before
    return result


cdef int keep(Work *work) noexcept nogil:
    # Take the entry behind the last one among those of its state and place. Of equal scores the one whose words come
    # first is kept; one of a lower score that may yet round to the same, if its words come first. There are 16 at most.
    cdef int32_t made = <int32_t>work.n_entries, i, before = -1, count = 0
    cdef Entry *entry = &work.entries[made]
    cdef Entry *other
    if work.seen[entry.state] != work.turn:
        work.seen[entry.state] = work.turn
        work.heads[entry.state] = made
        work.n_entries += 1
        return 0
    # Behind those of higher scores, unless one of them or of equals makes it needless.
    i = work.heads[entry.state]
    if entry.score < work.entries[i].score - NEAR:
        return 0
    while i >= 0 and work.entries[i].score >= entry.score - SAME:
        other = &work.entries[i]
        if not earlier(work, made, i):
            return 0
        if other.score <= entry.score + SAME:
            break
        before, count, i = i, count + 1, other.next
    if count == FRONT:
        return 0
    entry.next = i
    if before >= 0:
        work.entries[before].next = made
    else:
        work.heads[entry.state] = made
    work.n_entries += 1
    # What it makes needless is behind it.
    before = made
    while i >= 0:
        other = &work.entries[i]
        count += 1
        if count == FRONT or other.score < work.entries[work.heads[entry.state]].score - NEAR or earlier(work, made, i):
            work.entries[before].next = other.next
            i = other.next
            other.state = -1
        else:
            before, i = i, other.next
    return 0


cdef double choose(
    const Automaton *automaton, Py_ssize_t start, Py_ssize_t end, Py_ssize_t n, double null_score, const double *best,
    Work *work
) except? -1.0 nogil:
    # The score of the best template that reads a span, whose places are noted, or else that of plain words.
    cdef Py_ssize_t i, size, span = end * (n + 1) + start
    cdef int32_t champion = -1, at
    cdef double score, rounded, highest = 0.0
    cdef int32_t *places
    cdef Entry *entry
    # The first entry has no words.
    for i in range(1, work.n_entries):
        entry = &work.entries[i]
        if isnan(automaton.scores[entry.now]):
            continue
        score = automaton.scores[entry.now] + with_gap(entry, end, n, best)
        if champion >= 0 and 1e4 * score < highest - 1:
            continue
        rounded = four_places(score)
        if champion < 0 or rounded > highest or (
            rounded == highest and precedes(automaton, start, end, entry, <int32_t>i, champion, work)
        ):
            champion, highest = <int32_t>i, rounded
    if champion < 0:
        return null_score * (end - start - 1)
    size = automaton.sizes[work.entries[champion].now]
    work.places = <int32_t *>roomy(
        &work.pool, work.places, &work.places_room, work.n_places + size, sizeof(int32_t))
    places = work.places + work.n_places
    work.chosen[span], work.n_chosen[span] = work.n_places, <int32_t>size
    work.n_places += size
    at = champion
    for i in range(size - 1, -1, -1):
        places[i] = work.entries[at].place
        at = work.entries[at].before
    # The sum anew, in the order of the gaps: not a bit of it depends on the way it was found.
    score = automaton.scores[work.entries[champion].now]
    for i in range(size + 1):
        at = places[i - 1] + 1 if i else <int32_t>start
        if at < (places[i] if i < size else end):
            score += best[(places[i] if i < size else end) * (n + 1) + at]
    return score


cdef inline double four_places(double x) noexcept nogil:
    # The whole number of ten thousandths that is nearest, as exactly as if x were written out in decimals.
    cdef double product = 1e4 * x, rest = fma(1e4, x, -product), whole = nearbyint(product)
    if rest and product - whole in (0.5, -0.5):
        return product + (0.5 if rest > 0 else -0.5)
    return whole


cdef bint precedes(
    const Automaton *automaton, Py_ssize_t start, Py_ssize_t end, const Entry *entry, int32_t x, int32_t y, Work *work
) noexcept nogil:
    # Of two templates with equal scores, the one with more words, then the one that a search comes to first.
    cdef int64_t one = entry.now, other = work.entries[y].now
    cdef Py_ssize_t n = end - start
    if automaton.sizes[one] != automaton.sizes[other]:
        return automaton.sizes[one] > automaton.sizes[other]
    if one == other:
        return earlier(work, x, y)
    visit(automaton, start, end, x, work, work.visits)
    visit(automaton, start, end, y, work, work.visits + n)
    return memcmp(work.visits, work.visits + n, n) < 0


cdef void visit(
    const Automaton *automaton, Py_ssize_t start, Py_ssize_t end, int32_t x, const Work *work, char *visits
) noexcept nogil:
    # What each word of a span is for a template: 0 its word, 1 a placeholder's first word, 2 one more.
    cdef int64_t state = work.entries[x].now
    cdef Py_ssize_t i, k, at = end
    cdef int64_t slot
    for i in range(automaton.sizes[state], -1, -1):
        # The gap between this word and what was met last.
        slot = automaton.slots[automaton.slots_first[state] + i]
        for k in range(work.entries[x].place + 1, at):
            visits[k - start] = 1 if k - work.entries[x].place <= slot else 2
        at = work.entries[x].place
        if i:
            visits[at - start] = 0
            x = work.entries[x].before


cdef trace(Py_ssize_t n, Work *work):
    # The spans of the best reading from the top, each with its places.
    cdef Py_ssize_t count = 0, used = 0, top = 1, i, span, begin
    cdef int64_t start, end, size, at, gap_end
    nodes_array, places_array = np.empty((2 * n, 3), np.int64), np.empty(n, np.int64)
    cdef int64_t[:, ::1] nodes = nodes_array
    cdef int64_t[::1] places = places_array
    cdef Span *stack = <Span *>resized(&work.pool, NULL, 2 * n, sizeof(Span))
    stack[0] = Span(0, n)
    while top:
        top -= 1
        start, end = stack[top].start, stack[top].end
        span = end * (n + 1) + start
        size = work.n_chosen[span]
        nodes[count, 0], nodes[count, 1], nodes[count, 2] = start, end, size or end - start
        count += 1
        if not size:
            for i in range(start, end):
                places[used] = i
                used += 1
            continue
        begin = work.chosen[span]
        # Last in, first out: the last gap is put first.
        for i in range(size, -1, -1):
            at = work.places[begin + i - 1] + 1 if i else start
            gap_end = work.places[begin + i] if i < size else end
            if at < gap_end:
                stack[top] = Span(at, gap_end)
                top += 1
        for i in range(size):
            places[used] = work.places[begin + i]
            used += 1
    return nodes_array[:count].copy(), places_array
