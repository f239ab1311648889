"""Kernel that finds closed templates: beginnings that lead to the same tokens are one, and so are their endings."""

from _table cimport Cell, Table, table_after, table_find, table_init, table_took

include "paths.pxi"


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
    # Tokens that beginnings of templates lead to: where they are packed, what a template of them counts, the words of
    # the beginning that came first; steps on; the last step of the beginning that stands for all (none leads to the
    # start), that one's words and slots; and the templates that end here.
    Py_ssize_t packed
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
    uint8_t *packed  # the places of states, each by how far it is from the one before; where paths count, their number
    int32_t *places  # those of one state
    Py_ssize_t *heap  # states to go on from, that which explains most first
    State **rising  # states by their first token, and so after all that lead to them
    int64_t *symbols
    int64_t *path
    int64_t *taken
    Py_ssize_t *waiting
    Py_ssize_t states_room, edges_room, endings_room, order_room, packed_room, places_room, heap_room
    Py_ssize_t symbols_room, path_room, taken_room, waiting_room
    Py_ssize_t n_states, n_edges, n_endings, n_packed, n_heap, n_symbols, n_kept


include "chosen.pxi"


def find_closed(
    const int32_t[::1] ids,
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
    number = mixed(number + ways * <uint64_t>0x9E3779B97F4A7C15)
    hash.a += number
    hash.b += mixed(number ^ <uint64_t>0xD1B54A32D192ED03)


cdef inline void write_number(Lattice *lattice, uint64_t number) noexcept nogil:
    # Seven bits a byte, the lowest first.
    while number >= 128:
        lattice.packed[lattice.n_packed] = <uint8_t>(number | 128)
        lattice.n_packed += 1
        number >>= 7
    lattice.packed[lattice.n_packed] = <uint8_t>number
    lattice.n_packed += 1


cdef inline uint64_t read_number(const uint8_t **at) noexcept nogil:
    cdef uint64_t number = at[0][0] & 127
    cdef int shift = 7
    while at[0][0] & 128:
        at[0] += 1
        number |= <uint64_t>(at[0][0] & 127) << shift
        shift += 7
    at[0] += 1
    return number


cdef Py_ssize_t add_state(
    const Graph *graph, Lattice *lattice, const Step *steps, Py_ssize_t first, Py_ssize_t last, int64_t count,
    Py_ssize_t depth
) except -1 nogil:
    cdef State *state
    cdef Py_ssize_t i
    cdef int64_t before = 0
    lattice.states = <State *>roomy(
        &lattice.pool, lattice.states, &lattice.states_room, lattice.n_states + 1, sizeof(State))
    state = &lattice.states[lattice.n_states]
    state.first_out = state.last_out = state.best = -1
    state.words = state.slots = state.n_endings = 0
    state.first_ending = lattice.n_endings
    state.packed, state.n_places = lattice.n_packed, last - first
    state.first_token = steps[first].place if last > first else -1
    state.count, state.depth, state.explained = count, depth, times(count - 1, depth)
    # A place takes five bytes at most, a number of ways nine; what isn't used costs nothing.
    lattice.packed = <uint8_t *>roomy(
        &lattice.pool, lattice.packed, &lattice.packed_room, lattice.n_packed + 14 * (last - first), 1)
    for i in range(first, last):
        write_number(lattice, steps[i].place - before)
        before = steps[i].place
        if graph.by_path:
            write_number(lattice, steps[i].ways)
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
    # The templates that end with a stretch of steps: without a slot, and with one.
    cdef Ending[2] endings
    cdef int64_t[2] ends
    cdef int64_t[2] ways
    cdef Py_ssize_t i
    cdef int64_t place
    cdef int kind
    memset(endings, 0, sizeof(endings))
    memset(ends, 0, sizeof(ends))
    memset(ways, 0, sizeof(ways))
    for i in range(first, last):
        place = steps[i].place
        if not is_last(graph, place):
            continue
        kind = not begins(graph, place + 1)
        if place >= ends[kind]:
            # The next sentence.
            add_sentence(graph, &endings[kind], ends[kind], ways[kind])
            ends[kind], ways[kind] = graph.offsets[sentence_of(graph, place) + 1], 0
        add_member(&endings[kind].places, place, steps[i].ways if graph.by_path else 1)
        ways[kind] = plus(ways[kind], steps[i].ways)
    for kind in range(2):
        add_sentence(graph, &endings[kind], ends[kind], ways[kind])
        if endings[kind].count < min_count:
            continue
        endings[kind].state, endings[kind].trailing = state, kind
        lattice.endings = <Ending *>roomy(
            &lattice.pool, lattice.endings, &lattice.endings_room, lattice.n_endings + 1, sizeof(Ending))
        lattice.endings[lattice.n_endings] = endings[kind]
        lattice.n_endings += 1
        lattice.states[state].n_endings += 1
    return 0


cdef inline void add_sentence(const Graph *graph, Ending *ending, int64_t end, int64_t ways) noexcept nogil:
    # So many ways end in the sentence that ends there.
    if ways:
        add_member(&ending.sentences, end, ways if graph.by_path else 1)
        ending.count = plus(ending.count, ways if graph.by_path else 1)


cdef int first_words(
    const Graph *graph, Search *search, Lattice *lattice, int64_t min_count, Py_ssize_t longest, Pace *pace
) except -1 nogil:
    # Paths begin where no strong pair leads to: such places key by key, without those of keys that are too rare.
    cdef Py_ssize_t i, n = 0, n_keys = 2 * graph.n_words, first = 0
    cdef uint32_t key
    cdef int32_t *ends = <int32_t *>zeros(&search.pool, n_keys, sizeof(int32_t))
    cdef int32_t *places
    cdef Py_ssize_t count
    for i in range(graph.n):
        if is_first(graph, i):
            ends[key_of(graph, i, not begins(graph, i))] += 1
            search.taken += 1
        spend(pace, 1)
    for key in range(n_keys):
        count = ends[key]
        # Of paths there may be more than places.
        if graph.by_path or count >= min_count:
            ends[key] = <int32_t>n
            n += count
        else:
            ends[key] = -1
        spend(pace, 1)
    places = <int32_t *>spread(&search.pool, n, sizeof(int32_t))
    for i in range(graph.n):
        if is_first(graph, i):
            key = key_of(graph, i, not begins(graph, i))
            if ends[key] >= 0:
                places[ends[key]] = <int32_t>i
                ends[key] += 1
        spend(pace, 1)
    for key in range(n_keys):
        if ends[key] <= first:
            continue
        search.n_steps = search.n_levels = 0
        for i in range(first, ends[key]):
            add_step(search, key, places[i], 1)
        first = ends[key]
        add_level(search, 0, pace)
        arrive(graph, search, lattice, 0, min_count, longest, pace)
    drop(&search.pool, places)
    drop(&search.pool, ends)
    return 0


cdef int64_t explore(
    const Graph *graph, Search *search, Lattice *lattice, int64_t min_count, Py_ssize_t longest, int64_t max_steps,
    Pace *pace
) except -2 nogil:
    # All frequent beginnings (-1), or else those that explain most, and the least count from which on these are all.
    cdef Py_ssize_t state, i, n
    cdef int64_t left_out = 0
    table_init(&lattice.table, &lattice.pool, pace, 0, sizeof(StateCell))
    add_state(graph, lattice, NULL, 0, 0, 1, 0)
    first_words(graph, search, lattice, min_count, longest, pace)
    while lattice.n_heap:
        state = pop(lattice)
        n = stand_on(graph, search, lattice, &lattice.states[state])
        spend(pace, n)
        search.taken += steps_on(graph, search, 0, n)
        if search.taken > max_steps:
            left_out = lattice.states[state].count
            for i in range(lattice.n_heap):
                left_out = max(left_out, lattice.states[lattice.heap[i]].count)
            return plus(left_out, 1)
        if go_on(graph, search, 0, n, pace):
            arrive(graph, search, lattice, state, min_count, longest, pace)
    return -1


cdef Py_ssize_t stand_on(
    const Graph *graph, Search *search, const Lattice *lattice, const State *state
) except -1 nogil:
    # The places of a state, and how many these are, as steps that the search goes on from.
    cdef const uint8_t *at = lattice.packed + state.packed
    cdef int64_t place = 0
    cdef Py_ssize_t _i
    search.n_steps = search.n_levels = 0
    for _i in range(state.n_places):
        place += read_number(&at)
        add_step(search, 0, place, read_number(&at) if graph.by_path else 1)
    return state.n_places


cdef int unpack(const Graph *graph, Lattice *lattice, const State *state) except -1 nogil:
    # The places of a state as `lattice.places`.
    cdef const uint8_t *at = lattice.packed + state.packed
    cdef int64_t place = 0
    cdef Py_ssize_t i
    lattice.places = <int32_t *>roomy(
        &lattice.pool, lattice.places, &lattice.places_room, state.n_places, sizeof(int32_t))
    for i in range(state.n_places):
        place += read_number(&at)
        lattice.places[i] = <int32_t>place
        if graph.by_path:
            read_number(&at)
    return 0


cdef int arrive(
    const Graph *graph, Search *search, Lattice *lattice, Py_ssize_t source, int64_t min_count, Py_ssize_t longest,
    Pace *pace
) except -1 nogil:
    # The states that steps lead to from one, new or known.
    cdef Py_ssize_t first = search.levels[search.n_levels - 1].next, last, i, state
    cdef Py_ssize_t depth = lattice.states[source].depth + 1
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
