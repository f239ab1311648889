# Which of the closed templates that end in the states of a lattice are kept, and how they are spelled.
from libc.stdlib cimport qsort

from _owned cimport spread, zeros

cdef enum:
    COMPARED = 1000  # templates that one is compared with at most


cdef int compared(const Lattice *lattice, Py_ssize_t x, Py_ssize_t y) noexcept nogil:
    # Which of two beginnings of equally many words, given by their last steps, comes first: below, at or above 0.
    cdef int result = 0
    while x != y:
        if lattice.edges[x].key != lattice.edges[y].key:
            result = -1 if lattice.edges[x].key < lattice.edges[y].key else 1
        x, y = lattice.states[lattice.edges[x].source].best, lattice.states[lattice.edges[y].source].best
    return result


cdef int by_first_place(const void *x, const void *y) noexcept nogil:
    cdef const State *a = (<State **>x)[0]
    cdef const State *b = (<State **>y)[0]
    return -1 if a.first_token < b.first_token else a.first_token > b.first_token


cdef int find_best(Lattice *lattice, Pace *pace) except -1 nogil:
    # For each state the beginning that stands for all, states after those that lead to them.
    cdef Py_ssize_t i, k
    cdef int32_t words, slots
    cdef State *state
    cdef State *target
    lattice.rising = <State **>spread(&lattice.pool, lattice.n_states, sizeof(State *))
    for i in range(lattice.n_states):
        lattice.rising[i] = &lattice.states[i]
    spend(pace, 100 * lattice.n_states)
    qsort(lattice.rising, lattice.n_states, sizeof(State *), &by_first_place)
    for i in range(lattice.n_states):
        state = lattice.rising[i]
        k = state.first_out
        while k >= 0:
            target = &lattice.states[lattice.edges[k].target]
            words, slots = state.words + 1, state.slots + <int32_t>(lattice.edges[k].key & 1)
            spend(pace, 16)
            if target.best >= 0 and words == target.words and slots == target.slots:
                spend(pace, words)
                if compared(lattice, k, target.best) < 0:
                    target.best = k
            elif words > target.words or (words == target.words and slots < target.slots):
                target.best, target.words, target.slots = k, words, slots
            k = lattice.edges[k].next
    return 0


cdef int by_places(const void *x, const void *y) noexcept nogil:
    return by_hash(&(<Ending **>x)[0].places, &(<Ending **>y)[0].places)


cdef int by_sentences(const void *x, const void *y) noexcept nogil:
    # Then longer ones first, and in the order of their spelling.
    cdef const Ending *a = (<Ending **>x)[0]
    cdef const Ending *b = (<Ending **>y)[0]
    cdef int order = by_hash(&a.sentences, &b.sentences)
    if order:
        return order
    if a.words != b.words:
        return -1 if a.words > b.words else 1
    return -1 if a.start < b.start else a.start > b.start


cdef inline int by_hash(const Hash *a, const Hash *b) noexcept nogil:
    if a.a != b.a:
        return -1 if a.a < b.a else 1
    return -1 if a.b < b.b else a.b > b.b


cdef int list_endings(Lattice *lattice, bint kept, int (*by)(const void *, const void *) noexcept nogil, Pace *pace
                      ) except -1 nogil:
    # All templates, or those that are kept, in some order.
    cdef Py_ssize_t i, n = 0
    lattice.order = <Ending **>roomy(
        &lattice.pool, lattice.order, &lattice.order_room, lattice.n_endings, sizeof(Ending *))
    for i in range(lattice.n_endings):
        if not kept or lattice.endings[i].kept:
            lattice.order[n] = &lattice.endings[i]
            n += 1
    spend(pace, 100 * n)
    qsort(lattice.order, n, sizeof(Ending *), by)
    lattice.n_kept = n
    return 0


cdef int merge_ends(Lattice *lattice, Pace *pace) except -1 nogil:
    # Of templates that end at the same tokens keep one.
    cdef Py_ssize_t i
    cdef Ending *best = NULL
    cdef Ending *other
    cdef const State *x
    cdef const State *y
    list_endings(lattice, False, by_places, pace)
    for i in range(lattice.n_kept):
        other = lattice.order[i]
        spend(pace, 16)
        if best == NULL or by_hash(&best.places, &other.places):
            best = other
            best.kept = True
            continue
        # Alike in what follows their last word: the same tokens do.
        x, y = &lattice.states[best.state], &lattice.states[other.state]
        if x.words == y.words and x.slots == y.slots:
            spend(pace, x.words)
            if compared(lattice, x.best, y.best) <= 0:
                continue
        elif x.words > y.words or (x.words == y.words and x.slots < y.slots):
            continue
        best.kept = False
        best = other
        best.kept = True
    return 0


cdef int spell(const Graph *graph, Lattice *lattice, bint fill, Pace *pace) except -1 nogil:
    # The symbols of the templates that are kept, in order of their words. The best beginnings are a tree.
    cdef Py_ssize_t n_waiting = 1, i, k, before, edge
    cdef State *state
    lattice.waiting = <Py_ssize_t *>roomy(
        &lattice.pool, lattice.waiting, &lattice.waiting_room, lattice.n_edges + 1, sizeof(Py_ssize_t))
    lattice.waiting[0] = -1
    while n_waiting:
        n_waiting -= 1
        edge = lattice.waiting[n_waiting]
        state = &lattice.states[lattice.edges[edge].target if edge >= 0 else 0]
        lattice.path = <int64_t *>roomy(
            &lattice.pool, lattice.path, &lattice.path_room, state.words + 1, sizeof(int64_t))
        if edge >= 0:
            lattice.path[state.words - 1] = lattice.edges[edge].key
        for i in range(state.first_ending, state.first_ending + state.n_endings):
            if lattice.endings[i].kept:
                lattice.endings[i].start = lattice.n_symbols
                if fill:
                    fill_in(graph, lattice, &lattice.endings[i], state.words, pace)
                else:
                    write(lattice, &lattice.endings[i], state.words)
                spend(pace, 4 * state.words)
        # Last in, first out: the first step on is put last.
        before = n_waiting
        k = state.first_out
        while k >= 0:
            spend(pace, 8)
            if lattice.states[lattice.edges[k].target].best == k:
                lattice.waiting[n_waiting] = k
                n_waiting += 1
            k = lattice.edges[k].next
        for i in range((n_waiting - before) // 2):
            k = lattice.waiting[before + i]
            lattice.waiting[before + i] = lattice.waiting[n_waiting - 1 - i]
            lattice.waiting[n_waiting - 1 - i] = k
    return 0


cdef inline int write_symbol(Lattice *lattice, Ending *ending, int64_t symbol) except -1 nogil:
    lattice.symbols = <int64_t *>roomy(
        &lattice.pool, lattice.symbols, &lattice.symbols_room, lattice.n_symbols + 1, sizeof(int64_t))
    lattice.symbols[lattice.n_symbols] = symbol
    lattice.n_symbols += 1
    ending.length += 1
    if symbol >= 0:
        ending.signature |= <uint64_t>1 << (mixed(symbol) & 63)
        ending.words += 1
    return 0


cdef int write(Lattice *lattice, Ending *ending, Py_ssize_t n_words) except -1 nogil:
    cdef Py_ssize_t i
    for i in range(n_words):
        if lattice.path[i] & 1:
            write_symbol(lattice, ending, -1)
        write_symbol(lattice, ending, lattice.path[i] >> 1)
    if ending.trailing:
        write_symbol(lattice, ending, -1)
    return 0


cdef int fill_in(
    const Graph *graph, Lattice *lattice, Ending *ending, Py_ssize_t n_words, Pace *pace
) except -1 nogil:
    # Spell what a slot holds in all sentences. `taken` are the tokens of the words, a row a sentence.
    cdef const State *state = &lattice.states[ending.state]
    cdef Py_ssize_t i, w, n = 0, width = n_words + 2
    cdef int64_t place, end = 0
    cdef int64_t *row
    lattice.taken = <int64_t *>roomy(
        &lattice.pool, lattice.taken, &lattice.taken_room, ending.count * width, sizeof(int64_t))
    unpack(graph, lattice, state)
    for i in range(state.n_places):
        place = lattice.places[i]
        if place >= end and ends_at(graph, place, ending.trailing):
            row = lattice.taken + n * width
            row[0] = graph.offsets[sentence_of(graph, place)] - 1
            end = graph.offsets[sentence_of(graph, place) + 1]
            row[n_words], row[n_words + 1] = place, end
            n += 1
    spend(pace, state.n_places + n * width)
    for w in range(n_words, 1, -1):
        step_back(graph, lattice, state, w, n, width, pace)
        state = &lattice.states[lattice.edges[state.best].source]
    for w in range(n_words):
        if lattice.path[w] & 1:
            write_slot(graph, lattice, ending, w, n, width, pace)
        write_symbol(lattice, ending, lattice.path[w] >> 1)
    if ending.trailing:
        write_slot(graph, lattice, ending, n_words, n, width, pace)
    return 0


cdef int step_back(
    const Graph *graph, Lattice *lattice, const State *state, Py_ssize_t w, Py_ssize_t n, Py_ssize_t width, Pace *pace
) except -1 nogil:
    # For each sentence the last token of the state before from which a path comes to the w-th word's.
    cdef const Edge *edge = &lattice.edges[state.best]
    cdef const State *source = &lattice.states[edge.source]
    cdef Py_ssize_t i = 0, k, j
    cdef int64_t to
    unpack(graph, lattice, source)
    spend(pace, source.n_places + 4 * n)
    for k in range(n):
        to = lattice.taken[k * width + w]
        while i < source.n_places and lattice.places[i] < to:
            i += 1
        j = i - 1
        while not (lattice.places[j] < to - 1 if edge.key & 1 else lattice.places[j] == to - 1) or not leads(
            graph, lattice.places[j], to
        ):
            j -= 1
        lattice.taken[k * width + w - 1] = lattice.places[j]
    return 0


cdef inline bint leads(const Graph *graph, int64_t place, int64_t to) noexcept nogil:
    cdef On on = on_from(graph, place)
    while another(graph, &on):
        if on.to == to:
            return True
    return False


cdef int write_slot(
    const Graph *graph, Lattice *lattice, Ending *ending, Py_ssize_t w, Py_ssize_t n, Py_ssize_t width, Pace *pace
) except -1 nogil:
    # A slot between the w-th word (0: the sentence's start) and the next, with what it holds everywhere.
    cdef int64_t *row
    cdef Py_ssize_t k, early = 0, late = 0
    cdef int64_t shortest = graph.n, longest = 0, first
    for k in range(n):
        row = lattice.taken + k * width + w
        shortest, longest = min(shortest, row[1] - row[0] - 1), max(longest, row[1] - row[0] - 1)
    first = lattice.taken[w]
    if shortest == longest:
        # Of equal length everywhere: word by word.
        for k in range(longest):
            if alike(graph, lattice, first + 1 + k, w, n, width, 0, 1 + k, pace):
                write_symbol(lattice, ending, graph.ids[first + 1 + k])
            elif k == 0 or lattice.symbols[lattice.n_symbols - 1] >= 0:
                write_symbol(lattice, ending, -1)
        return 0
    # A slot holds a word at least.
    shortest -= 1
    while early < shortest and alike(graph, lattice, first + 1 + early, w, n, width, 0, 1 + early, pace):
        write_symbol(lattice, ending, graph.ids[first + 1 + early])
        early += 1
    write_symbol(lattice, ending, -1)
    shortest -= early
    first = lattice.taken[w + 1]
    while late < shortest and alike(graph, lattice, first - 1 - late, w, n, width, 1, -1 - late, pace):
        late += 1
    for k in range(late, 0, -1):
        write_symbol(lattice, ending, graph.ids[first - k])
    return 0


cdef bint alike(
    const Graph *graph, const Lattice *lattice, int64_t place, Py_ssize_t w, Py_ssize_t n, Py_ssize_t width,
    Py_ssize_t side, int64_t shift, Pace *pace
) except -1 nogil:
    # Whether all sentences have the same word so far from one side of a slot.
    cdef Py_ssize_t k
    spend(pace, n)
    for k in range(1, n):
        if graph.ids[lattice.taken[k * width + w + side] + shift] != graph.ids[place]:
            return False
    return True


cdef int drop_extended(Lattice *lattice, Pace *pace) except -1 nogil:
    # Leave out what another template of the same sentences extends.
    cdef Py_ssize_t first, last, i, j
    cdef Ending *ending
    list_endings(lattice, True, by_sentences, pace)
    first = 0
    while first < lattice.n_kept:
        last = first + 1
        while last < lattice.n_kept and not by_hash(
            &lattice.order[first].sentences, &lattice.order[last].sentences
        ):
            last += 1
        for i in range(first + 1, last):
            ending = lattice.order[i]
            spend(pace, min(i - first, <Py_ssize_t>COMPARED))
            for j in range(first, min(i, first + COMPARED)):
                if lattice.order[j].kept and not ending.signature & ~lattice.order[j].signature:
                    spend(pace, lattice.order[j].length)
                    if extends(
                        lattice.symbols + lattice.order[j].start, lattice.order[j].length,
                        lattice.symbols + ending.start, ending.length,
                    ):
                        ending.kept = False
                        break
        first = last
    return 0


cdef bint extends(const int64_t *longer, Py_ssize_t n, const int64_t *shorter, Py_ssize_t m) noexcept nogil:
    # Whether one template says all that another does: each slot of the other stands for one or more symbols of it.
    # Runs of words are looked for as early as they may stand, the last one at the end.
    cdef Py_ssize_t i = 0, j = 0, run = 0, k
    cdef bint slot = False
    while j < m:
        if shorter[j] < 0:
            slot = True
            j += 1
            continue
        run = j
        while run < m and shorter[run] >= 0:
            run += 1
        run -= j
        if j + run == m:
            # The rest must be this run, after a slot's one symbol at least.
            k = n - run
            if k < i + slot or (not slot and k != i):
                return False
        else:
            k = i + slot
        while True:
            if k + run > n:
                return False
            i = 0
            while i < run and longer[k + i] == shorter[j + i]:
                i += 1
            if i == run:
                break
            if not slot or j + run == m:
                return False
            k += 1
        i = k + run
        j += run
        slot = False
    # What is left is a last slot's.
    return n > i if slot else n == i


cdef found_arrays(Lattice *lattice):
    # Symbols, offsets and counts of what is kept, in order of spelling.
    cdef Py_ssize_t i, k, n = 0, size = 0
    for i in range(lattice.n_endings):
        if lattice.endings[i].kept:
            size += lattice.endings[i].length
            n += 1
    starts, counts = np.empty(n, np.int64), np.empty(n, np.int64)
    lengths = np.empty(n, np.int64)
    cdef int64_t[::1] a = starts, b = lengths, c = counts
    n = 0
    for i in range(lattice.n_endings):
        if lattice.endings[i].kept:
            a[n], b[n], c[n] = lattice.endings[i].start, lattice.endings[i].length, lattice.endings[i].count
            n += 1
    order = np.argsort(starts)
    starts, lengths, counts = starts[order], lengths[order], counts[order]
    a, b = starts, lengths
    symbols = np.empty(size, np.int64)
    cdef int64_t[::1] s = symbols
    size = 0
    for i in range(n):
        for k in range(b[i]):
            s[size] = lattice.symbols[a[i] + k]
            size += 1
    return symbols, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), counts
