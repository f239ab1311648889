# The modified next reaction method (Anderson 2007), which takes rates that depend on the time.
#
# Each reaction has an internal clock, which goes as fast as its rate; at exponential internal times it happens. Where a
# rate depends on the time, its clock goes by a bound that holds until some time, found by interval arithmetic on its
# program; at exponential times of that clock the reaction is proposed, and happens with the probability that the rate
# is of the bound: thinning. Clocks stand in a heap by when they are to be looked at, then by their numbers.

cdef enum:
    MOST_IDLE = 10000000  # a run ends when so many proposals and new bounds in a row came to nothing

cdef struct Clock:
    double next  # when it is to be looked at: when it is due, or when the bound ends
    double left  # of internal time, at `since`, until the reaction happens or is proposed
    double since
    double bound  # of the rate; the rate where it doesn't depend on the time
    double until  # the bound holds
    double width  # how far a bound reached last
    bint due  # at `next`

cdef struct Clocks:
    Clock* clocks
    bint* timed  # whether the rate depends on the time
    int32_t* heap
    int32_t* place  # of each clock in the heap
    Py_ssize_t n
    double* low  # frames of programs, with the time from here
    double* high  # to here
    Py_ssize_t slots  # of a frame
    bint broken  # a rate can't be


cdef int prepare_clocks(const Structure* network, Clocks* clocks, Py_ssize_t slots, Pool* pool) except -1 nogil:
    cdef Py_ssize_t n = network.n_reactions, j, i
    cdef int32_t time = <int32_t>network.n_species + 1
    cdef const Law* law
    cdef const Instruction* code
    clocks.n, clocks.slots = n, slots
    clocks.clocks = <Clock*>zeros(pool, n, sizeof(Clock))
    clocks.timed = <bint*>zeros(pool, n, sizeof(bint))
    clocks.heap = <int32_t*>zeros(pool, n, sizeof(int32_t))
    clocks.place = <int32_t*>zeros(pool, n, sizeof(int32_t))
    clocks.low = <double*>zeros(pool, slots, sizeof(double))
    clocks.high = <double*>zeros(pool, slots, sizeof(double))
    for j in range(n):
        law = &network.laws[j]
        for i in range(law.more if law.program else 0):
            code = &network.program[law.more_start + i]
            clocks.timed[j] |= code.a == time or code.b == time or code.c == time
    return 0


cdef inline bint sooner(const Clocks* clocks, int32_t a, int32_t b) noexcept nogil:
    cdef double first = clocks.clocks[a].next, second = clocks.clocks[b].next
    return first < second or first == second and a < b


cdef inline void sink_down(Clocks* clocks, Py_ssize_t at) noexcept nogil:
    cdef int32_t j = clocks.heap[at], child
    cdef Py_ssize_t below = 2 * at + 1
    while below < clocks.n:
        if below + 1 < clocks.n and sooner(clocks, clocks.heap[below + 1], clocks.heap[below]):
            below += 1
        child = clocks.heap[below]
        if not sooner(clocks, child, j):
            break
        clocks.heap[at] = child
        clocks.place[child] = <int32_t>at
        at = below
        below = 2 * at + 1
    clocks.heap[at] = j
    clocks.place[j] = <int32_t>at


cdef inline void moved(Clocks* clocks, Py_ssize_t j) noexcept nogil:
    # Bring the heap into order after `next` of clock j has changed.
    cdef Py_ssize_t at = clocks.place[j], above
    cdef int32_t me = <int32_t>j, parent
    while at > 0:
        above = (at - 1) // 2
        parent = clocks.heap[above]
        if not sooner(clocks, me, parent):
            break
        clocks.heap[at] = parent
        clocks.place[parent] = <int32_t>at
        at = above
    clocks.heap[at] = me
    clocks.place[me] = <int32_t>at
    sink_down(clocks, at)


cdef inline void set_next(Clock* clock) noexcept nogil:
    cdef double due = clock.since + clock.left / clock.bound if clock.bound > 0 else INFINITY
    clock.due = due <= clock.until
    clock.next = due if clock.due else clock.until


cdef int enclose_rate(const Structure* network, Run* run, Py_ssize_t j, double rate, Pace* pace) except -1 nogil:
    # Bound a rate from now on for as long as the bound is at most twice as high, or proposes at most once.
    cdef Clocks* clocks = run.clocks
    cdef Clock* clock = &clocks.clocks[j]
    cdef Py_ssize_t time = network.n_species + 1
    cdef const Law* law = &network.laws[j]
    cdef double t = run.x[time], until, bound
    cdef Interval span
    while True:
        until = min(t + clock.width, run.end)
        if t >= run.end:
            bound = rate
            break
        if until <= nextafter(t, INFINITY):
            # There are no numbers in between.
            run.x[time] = until = nextafter(t, INFINITY)
            bound = rate_of(network, run.c, run.x, j)
            if not bound < INFINITY:
                clocks.broken = True
                return 0
            run.x[time] = t
            break
        clocks.low[time], clocks.high[time] = t, until
        span = enclosed(network.program + law.more_start, law.more, clocks.low, clocks.high, network.n_species + 2)
        spend(pace, 16 + 8 * law.more)
        bound = span.high
        if bound < LARGEST_RATE and (bound <= 2.0 * span.low or bound * (until - t) <= 1.0):
            break
        clock.width = 0.5 * (until - t)
    clock.bound = max(bound, rate)
    clock.until = until if until < run.end else INFINITY
    return 0


cdef inline int wind(const Structure* network, Run* run, Py_ssize_t j, Pace* pace) except -1 nogil:
    # Bring clock j to the time now, and its bound to the state now.
    cdef Clocks* clocks = run.clocks
    cdef Clock* clock = &clocks.clocks[j]
    cdef double t = run.x[network.n_species + 1]
    cdef double rate = rate_of(network, run.c, run.x, j)
    clock.left = max(clock.left - clock.bound * (t - clock.since), 0.0)
    clock.since = t
    if not rate < INFINITY:
        clocks.broken = True
    if clocks.broken:
        return 0
    clock.bound, clock.until = rate, INFINITY
    if clocks.timed[j] and not lacks(network, run.x, j):
        enclose_rate(network, run, j, rate, pace)
    set_next(clock)
    return 0


cdef int wind_all(const Structure* network, Run* run, Pace* pace) except -1 nogil:
    cdef Clocks* clocks = run.clocks
    cdef Py_ssize_t j
    memcpy(clocks.low, run.x, clocks.slots * sizeof(double))
    memcpy(clocks.high, run.x, clocks.slots * sizeof(double))
    for j in range(clocks.n):
        wind(network, run, j, pace)
        clocks.heap[j] = clocks.place[j] = <int32_t>j
    for j in range(clocks.n // 2 - 1, -1, -1):
        sink_down(clocks, j)
    spend(pace, 32 * clocks.n)
    return 0


cdef inline bint none_goes(const Clocks* clocks) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(clocks.n):
        if clocks.clocks[j].bound > 0:
            return False
    return True


cdef int next_reaction(const Structure* network, Run* run, Sink* sink, Pace* pace) except -1 nogil:
    cdef Rng rng = run.rng
    cdef Clocks* clocks = run.clocks
    cdef Clock* clock
    cdef Py_ssize_t n = network.n_reactions, time = network.n_species + 1, idle = 0, j, i, k, count
    cdef int64_t n_events = 0
    cdef double rate, following, t = run.start
    cdef double recorded = next_time(sink)
    cdef double* x = run.x
    cdef const int32_t* dependants
    cdef bint watched = run.watch.events.count > 0, happens
    cdef int status = opened(run, sink)
    for j in range(n):
        clock = &clocks.clocks[j]
        clock.left, clock.since, clock.bound = exponential(&rng), t, 0.0
        clock.width = run.end - t
    x[time] = t
    clocks.broken = False
    wind_all(network, run, pace)
    while status == FINISHED:
        if clocks.broken:
            status = OVERFLOW
            break
        j = clocks.heap[0]
        clock = &clocks.clocks[j]
        following = clock.next
        if following > run.until:
            if run.moment > run.end:
                if none_goes(clocks):
                    status = ABSORBED
                break
            if passed(run, sink):
                x[time] = run.t
                wind_all(network, run, pace)
                status = looked(run, sink, status)
            t = run.t
            recorded = next_time(sink)
            spend(pace, 16 + run.watch.events.work)
            continue
        x[time] = following
        happens = clock.due
        if happens:
            if clocks.timed[j]:
                rate = rate_of(network, run.c, x, j)
                if not rate < INFINITY:
                    status = OVERFLOW
                    break
                happens = next_double(&rng) * clock.bound < rate
            clock.left, clock.since = exponential(&rng), following
            set_next(clock)
        else:
            clock.width *= 2.0
            wind(network, run, j, pace)
        moved(clocks, j)
        if not happens:
            idle += 1
            if idle > MOST_IDLE:
                while recorded < following:
                    recorded = record(sink, x, 1)
                status = MAX_EVENTS
                break
            spend(pace, 32)
            continue
        while recorded < following:
            recorded = record(sink, x, 1)
        if n_events == run.max_events:
            status = MAX_EVENTS
            break
        fire(network, x, j)
        for i in range(network.reactions[j].change_start, network.reactions[j].change_end):
            clocks.low[network.changes[i].species] = x[network.changes[i].species]
            clocks.high[network.changes[i].species] = x[network.changes[i].species]
        n_events += 1
        idle = 0
        t = following
        if network.merges and network.reactions[j].dependant_start < 0:
            count = merged(network, j, &run.merged, &run.spare)
            dependants = run.merged
            spend(pace, 8 * count)
        else:
            dependants = network.dependants + network.reactions[j].dependant_start
            count = network.reactions[j].dependant_end - network.reactions[j].dependant_start
        for i in range(count):
            k = dependants[i]
            if k == n:
                break  # padding
            wind(network, run, k, pace)
            moved(clocks, k)
        spend(pace, 32 + 32 * count)
        if sink.jumps:
            note(sink, t, j)
        if n_events % RESUM == 0:
            status = sound(network, run, x, 1, t, n_events)
        if watched and settled(&run.watch, x, t):
            wind_all(network, run, pace)
        if watched or sink.n_stops > 0:
            status = looked(run, sink, status)
    return ended(network, run, sink, x[time] if status == OVERFLOW else t, n_events, status, pace)
