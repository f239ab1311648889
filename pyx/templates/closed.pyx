"""Kernel that finds closed templates: beginnings that lead to the same tokens are one, and so are their endings."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport qsort

from _owned cimport spread
from _table cimport Cell, Table, table_after, table_find, table_init, table_took

include "paths.pxi"

cdef enum:
    COMPARED = 1000  # templates that one is compared with at most


cdef struct Hash:
    # Of a set of numbers; two sets of some million that come out alike by chance would be a wonder.
    uint64_t a
    uint64_t b


cdef struct StateCell:
    uint64_t key
    uint64_t mark
    uint64_t rest
    Py_ssize_t state


cdef struct State:
    # Tokens that beginnings of templates lead to: where they are listed, what a template of them counts, the words of
    # the beginning that came first; steps on; the last step of the beginning that stands for all (none leads to the
    # start), that one's words and slots; and the templates that end here.
    Py_ssize_t first_place
    Py_ssize_t n_places
    int64_t first_token
    int64_t count
    int64_t explained
    Py_ssize_t depth
    Py_ssize_t first_out
    Py_ssize_t last_out
    Py_ssize_t best
    int32_t words
    int32_t slots
    Py_ssize_t first_ending
    int32_t n_endings


cdef struct Edge:
    Py_ssize_t source
    Py_ssize_t target
    Py_ssize_t next  # of the same source
    int64_t key


cdef struct Ending:
    # A template: the state that it ends in, whether with a slot, its count, the tokens and the sentences.
    Py_ssize_t state
    int32_t trailing
    int32_t kept
    int64_t count
    Hash places
    Hash sentences
    Py_ssize_t start  # of its symbols
    Py_ssize_t length
    Py_ssize_t words
    uint64_t signature  # bits of its words


cdef struct Lattice:
    # All states and the steps between them, with the templates that end in them.
    Pool pool
    Table table
    State *states
    Edge *edges
    Ending *endings
    Ending **order
    int32_t *places
    int64_t *ways
    Py_ssize_t *heap  # states to go on from, that which explains most first
    State **rising  # states by their first token, and so after all that lead to them
    int64_t *symbols
    int64_t *path
    int64_t *taken
    Py_ssize_t *waiting
    Py_ssize_t states_room, edges_room, endings_room, order_room, places_room, ways_room, heap_room
    Py_ssize_t symbols_room, path_room, taken_room, waiting_room
    Py_ssize_t n_states, n_edges, n_endings, n_places, n_heap, n_symbols, n_kept


def find_closed(
    const int64_t[::1] ids,
    const int64_t[::1] offsets,
    const int64_t[::1] pairs_first,
    const int64_t[::1] pairs_second,
    Py_ssize_t window,
    bint by_path,
    int64_t min_count,
    double min_share,
    Py_ssize_t longest,
    int64_t max_steps,
):
    """Count the closed templates that paths of strong pairs spell, by sentences or by paths.

    Return symbols, offsets, counts, the number of all sentences or paths, and -1. `pairs_second[pairs_first[a]:]` are,
    in rising order, the words that are strong after word a. Of templates of up to `longest` words (0: any number) whose
    paths end at the same tokens, one stands for all: that with the most words, of these with the fewest slots, of these
    the first. Counting by sentence, and any number of words, what a slot begins or ends with in all sentences of a
    template is spelled, and what is at the same place of slots that are equally long in all (of several paths through a
    sentence, that which ends first, and goes as late as it may before). One is left out that another, of the same
    sentences, extends or equals; the thousand longest are looked at.
    Beginnings that lead to the same tokens are carried on as one, those first that explain most: (count - 1) times
    words. Before that would take more than `max_steps` steps, each a place carried on to, it ends with what was found,
    and the last number is the least count from which on that is all.
    """
    cdef Graph graph
    cdef Search search
    cdef Lattice lattice
    cdef Pace pace = new_pace()
    cdef int64_t least = -1
    memset(&search, 0, sizeof(Search))
    memset(&lattice, 0, sizeof(Lattice))
    if ids.shape[0] > 0x7fffffff:
        raise ValueError(f"texts must hold at most {0x7fffffff} words, got {ids.shape[0]}")
    held = graph_of(&graph, ids, offsets, pairs_first, pairs_second, window, by_path, &pace)
    min_count = least_count(&graph, min_count, min_share)
    try:
        if graph.n:
            with nogil:
                least = explore(&graph, &search, &lattice, min_count, longest, max_steps, &pace)
                find_best(&lattice, &pace)
                merge_ends(&lattice, &pace)
                spell(&graph, &lattice, not by_path and not longest, &pace)
                drop_extended(&lattice, &pace)
        return (*found_arrays(&lattice), graph.paths if by_path else graph.n_sentences, least)
    finally:
        free_all(&search.pool)
        free_all(&lattice.pool)
        del held


cdef inline uint64_t mixed(uint64_t x) noexcept nogil:
    # The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)


cdef inline void add_member(Hash *hash, uint64_t number, uint64_t ways) noexcept nogil:
    # One more member, in any order.
    number = mixed(number + 1) + ways
    hash.a += mixed(number)
    hash.b += mixed(number ^ <uint64_t>0x9E3779B97F4A7C15)


cdef Py_ssize_t add_state(
    const Graph *graph, Lattice *lattice, const Step *steps, Py_ssize_t first, Py_ssize_t last, int64_t count,
    Py_ssize_t depth
) except -1 nogil:
    cdef State *state
    cdef Py_ssize_t i, n = lattice.n_places
    lattice.states = <State *>roomy(
        &lattice.pool, lattice.states, &lattice.states_room, lattice.n_states + 1, sizeof(State))
    state = &lattice.states[lattice.n_states]
    state.first_out = state.last_out = state.best = -1
    state.words = state.slots = state.n_endings = 0
    state.first_ending = lattice.n_endings
    state.first_place, state.n_places = n, last - first
    state.count, state.depth, state.explained = count, depth, times(count - 1, depth)
    lattice.places = <int32_t *>roomy(
        &lattice.pool, lattice.places, &lattice.places_room, n + last - first, sizeof(int32_t))
    for i in range(first, last):
        lattice.places[n + i - first] = <int32_t>steps[i].place
    if graph.by_path:
        lattice.ways = <int64_t *>roomy(
            &lattice.pool, lattice.ways, &lattice.ways_room, n + last - first, sizeof(int64_t))
        for i in range(first, last):
            lattice.ways[n + i - first] = steps[i].ways
    lattice.n_places += last - first
    lattice.n_states += 1
    return lattice.n_states - 1


cdef inline bint sooner(const Lattice *lattice, Py_ssize_t x, Py_ssize_t y) noexcept nogil:
    # Whether one state is to be gone on from before another.
    if lattice.states[x].explained != lattice.states[y].explained:
        return lattice.states[x].explained > lattice.states[y].explained
    return x < y


cdef int push(Lattice *lattice, Py_ssize_t state) except -1 nogil:
    cdef Py_ssize_t i = lattice.n_heap
    lattice.heap = <Py_ssize_t *>roomy(&lattice.pool, lattice.heap, &lattice.heap_room, i + 1, sizeof(Py_ssize_t))
    lattice.n_heap += 1
    while i and sooner(lattice, state, lattice.heap[(i - 1) // 2]):
        lattice.heap[i] = lattice.heap[(i - 1) // 2]
        i = (i - 1) // 2
    lattice.heap[i] = state
    return 0


cdef Py_ssize_t pop(Lattice *lattice) noexcept nogil:
    cdef Py_ssize_t top = lattice.heap[0], last, i = 0, child = 1
    lattice.n_heap -= 1
    last = lattice.heap[lattice.n_heap]
    while child < lattice.n_heap:
        if child + 1 < lattice.n_heap and sooner(lattice, lattice.heap[child + 1], lattice.heap[child]):
            child += 1
        if not sooner(lattice, lattice.heap[child], last):
            break
        lattice.heap[i] = lattice.heap[child]
        i = child
        child = 2 * i + 1
    lattice.heap[i] = last
    return top


cdef inline int add_edge(Lattice *lattice, Py_ssize_t source, Py_ssize_t target, int64_t key) except -1 nogil:
    cdef Edge *edge
    cdef State *state = &lattice.states[source]
    lattice.edges = <Edge *>roomy(&lattice.pool, lattice.edges, &lattice.edges_room, lattice.n_edges + 1, sizeof(Edge))
    edge = &lattice.edges[lattice.n_edges]
    edge.source, edge.target, edge.key, edge.next = source, target, key, -1
    if state.first_out < 0:
        state.first_out = lattice.n_edges
    else:
        lattice.edges[state.last_out].next = lattice.n_edges
    state.last_out = lattice.n_edges
    lattice.n_edges += 1
    return 0


cdef int add_endings(
    const Graph *graph, Lattice *lattice, const Step *steps, Py_ssize_t first, Py_ssize_t last, Py_ssize_t state,
    int64_t min_count
) except -1 nogil:
    # The templates that end with a stretch of steps.
    cdef Ending *ending
    cdef Py_ssize_t i
    cdef int64_t count, place, ways
    cdef int kind
    for kind in range(2):
        count = weight(graph, steps, first, last, kind)
        if count < min_count:
            continue
        lattice.endings = <Ending *>roomy(
            &lattice.pool, lattice.endings, &lattice.endings_room, lattice.n_endings + 1, sizeof(Ending))
        ending = &lattice.endings[lattice.n_endings]
        lattice.n_endings += 1
        lattice.states[state].n_endings += 1
        memset(ending, 0, sizeof(Ending))
        ending.state, ending.trailing, ending.count = state, kind, count
        i = first
        while i < last:
            # The steps of one sentence.
            ways, place = 0, steps[i].place
            while i < last and graph.sentence[steps[i].place] == graph.sentence[place]:
                if ends_at(graph, steps[i].place, kind):
                    add_member(&ending.places, steps[i].place, steps[i].ways if graph.by_path else 1)
                    ways = plus(ways, steps[i].ways)
                i += 1
            if ways:
                add_member(&ending.sentences, graph.sentence[place], ways if graph.by_path else 1)
    return 0


cdef int64_t explore(
    const Graph *graph, Search *search, Lattice *lattice, int64_t min_count, Py_ssize_t longest, int64_t max_steps,
    Pace *pace
) except -2 nogil:
    # All frequent beginnings (-1), or else those that explain most, and the least count from which on these are all.
    cdef Py_ssize_t state, i, first
    cdef int64_t place, on, k, left_out = 0
    table_init(&lattice.table, &lattice.pool, pace, 0, sizeof(StateCell))
    add_state(graph, lattice, NULL, 0, 0, 1, 0)
    first_steps(graph, search, pace)
    arrive(graph, search, lattice, 0, min_count, longest, pace)
    while lattice.n_heap:
        state = pop(lattice)
        first = lattice.states[state].first_place
        on = 0
        for i in range(first, first + lattice.states[state].n_places):
            place = lattice.places[i]
            on += graph.on_first[place + 1] - graph.on_first[place]
        spend(pace, lattice.states[state].n_places)
        search.taken += on
        if search.taken > max_steps:
            left_out = lattice.states[state].count
            for i in range(lattice.n_heap):
                left_out = max(left_out, lattice.states[lattice.heap[i]].count)
            return plus(left_out, 1)
        search.n_steps = search.n_levels = 0
        for i in range(first, first + lattice.states[state].n_places):
            place = lattice.places[i]
            for k in range(graph.on_first[place], graph.on_first[place + 1]):
                add_step(
                    search, 2 * graph.ids[graph.on[k]] + (graph.on[k] > place + 1), graph.on[k],
                    lattice.ways[i] if graph.by_path else 1)
        if search.n_steps:
            add_level(search, 0, 0, pace)
            arrive(graph, search, lattice, state, min_count, longest, pace)
    return -1


cdef int arrive(
    const Graph *graph, Search *search, Lattice *lattice, Py_ssize_t source, int64_t min_count, Py_ssize_t longest,
    Pace *pace
) except -1 nogil:
    # The states that steps lead to from one, new or known.
    cdef Py_ssize_t first = 0, last, i, state, depth = lattice.states[source].depth + 1
    cdef int64_t count
    cdef Hash tokens
    cdef StateCell *cell
    while first < search.n_steps:
        last = next_key(search)
        spend(pace, 12 * (last - first))
        count = weight(graph, search.steps, first, last, -1)
        if count >= min_count:
            tokens.a = tokens.b = 0
            for i in range(first, last):
                add_member(&tokens, search.steps[i].place, search.steps[i].ways if graph.by_path else 1)
            if longest:
                # Beginnings of different lengths have different ways before them.
                add_member(&tokens, depth, 0)
            cell = <StateCell *>table_find(&lattice.table, tokens.a, sizeof(StateCell))
            while cell.mark and cell.rest != tokens.b:
                cell = <StateCell *>table_after(&lattice.table, <Cell *>cell, tokens.a, sizeof(StateCell))
            if cell.mark:
                add_edge(lattice, source, cell.state, search.steps[first].key)
            else:
                state = add_state(graph, lattice, search.steps, first, last, count, depth)
                cell.key, cell.mark, cell.rest, cell.state = tokens.a, 1, tokens.b, state
                table_took(&lattice.table, sizeof(StateCell))
                add_edge(lattice, source, state, search.steps[first].key)
                add_endings(graph, lattice, search.steps, first, last, state, min_count)
                if depth != longest:
                    push(lattice, state)
        first = last
    return 0


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
        lattice.states[i].first_token = lattice.places[lattice.states[i].first_place] if i else -1
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
    cdef int64_t place
    cdef int32_t before = -1
    cdef int64_t *row
    lattice.taken = <int64_t *>roomy(
        &lattice.pool, lattice.taken, &lattice.taken_room, ending.count * width, sizeof(int64_t))
    for i in range(state.first_place, state.first_place + state.n_places):
        place = lattice.places[i]
        if ends_at(graph, place, ending.trailing) and graph.sentence[place] != before:
            before = graph.sentence[place]
            row = lattice.taken + n * width
            row[0], row[n_words], row[n_words + 1] = graph.offsets[before] - 1, place, graph.offsets[before + 1]
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
    cdef Py_ssize_t i = source.first_place, end = source.first_place + source.n_places, k, j
    cdef int64_t to
    spend(pace, source.n_places + 4 * n)
    for k in range(n):
        to = lattice.taken[k * width + w]
        while i < end and lattice.places[i] < to:
            i += 1
        j = i - 1
        while not (lattice.places[j] < to - 1 if edge.key & 1 else lattice.places[j] == to - 1) or not leads(
            graph, lattice.places[j], to
        ):
            j -= 1
        lattice.taken[k * width + w - 1] = lattice.places[j]
    return 0


cdef inline bint leads(const Graph *graph, int64_t place, int64_t to) noexcept nogil:
    cdef int64_t k
    for k in range(graph.on_first[place], graph.on_first[place + 1]):
        if graph.on[k] == to:
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
