# Rejection with composition, for large networks: RSSACR (Thanh, Zunino and Priami 2017) in one step.
#
# Each species has an interval that holds its count. A reaction's bound is its rate where every count is as high as its
# interval goes, and reactions stand in groups by the power of two next above their bounds, their group's cap. Events
# are proposed as often as if all rates were their caps; a proposal is a place on the line of all caps laid end to end:
# it says which group, which member of it, and by what is left over whether the reaction happens, which it does up to
# its rate. So nothing that grows with the network is summed or searched, and a reaction is bounded afresh only when a
# count leaves its interval. Counts that programs read are their own intervals, since a program may rise or fall.

cdef enum:
    LEVELS = 2047  # the exponents of doubles
    NOWHERE = -1
    MOST_MINUS = 5  # a factor that takes off no more is nowhere 0 in an interval but where the count is

cdef double SLACK = 1.0 / 8
cdef double LARGEST_RATE = ldexp(1.0, 1000)  # sums don't overflow

cdef struct Group:
    double size  # of its part of the line
    double cap
    double per_cap
    int32_t* members
    Py_ssize_t count
    Py_ssize_t room

cdef struct Bounds:
    Pool* pool
    double* low  # of each species' interval
    double* high  # a frame as programs take it
    Py_ssize_t slots  # of the frame
    bint* exact  # species whose intervals hold nothing but the count
    double* bound
    int16_t* level  # the group of each reaction
    int32_t* place  # and where it stands there
    int32_t* left  # species whose counts left their intervals
    Group* groups  # by the exponents of the bounds
    Py_ssize_t top  # no group above or below these has members
    Py_ssize_t bottom
    double total
    double floor
    bint broken  # a bound can't be a rate


cdef int prepare_bounds(const Structure* network, Bounds* bounds, Py_ssize_t slots, Pool* pool) except -1 nogil:
    cdef Py_ssize_t n_species = network.n_species, n = network.n_reactions, i, j, f
    cdef const Law* law
    bounds.pool = pool
    bounds.slots = slots
    bounds.low = <double*>zeros(pool, n_species + 2, sizeof(double))
    bounds.high = <double*>zeros(pool, slots, sizeof(double))
    bounds.exact = <bint*>zeros(pool, n_species, sizeof(bint))
    bounds.bound = <double*>zeros(pool, n, sizeof(double))
    bounds.level = <int16_t*>zeros(pool, n, sizeof(int16_t))
    bounds.place = <int32_t*>zeros(pool, n, sizeof(int32_t))
    bounds.left = <int32_t*>zeros(pool, n_species, sizeof(int32_t))
    bounds.groups = <Group*>zeros(pool, LEVELS, sizeof(Group))
    bounds.bottom, bounds.top = LEVELS, NOWHERE
    for i in range(n_species):
        for f in range(network.reader_at[i], network.reader_at[i + 1]):
            bounds.exact[i] |= network.laws[network.reader[f]].program
    for j in range(n):
        law = &network.laws[j]
        if not law.program:
            for f in range(law.more_start, law.more_start + law.more):
                bounds.exact[network.more_species[f]] |= network.more_minus[f] > MOST_MINUS
    return 0


cdef inline void enclose(Bounds* bounds, const double* x, Py_ssize_t species) noexcept nogil:
    # An interval about the count now. What is too high costs proposals, what is too low only tightness.
    cdef double slack = 0.0 if bounds.exact[species] else trunc(SLACK * x[species])
    bounds.low[species] = x[species] - 2.0 * slack
    bounds.high[species] = x[species] + slack


cdef inline void leave(Bounds* bounds, Py_ssize_t j) noexcept nogil:
    # The last member of the group takes the place.
    cdef Group* group = &bounds.groups[bounds.level[j]]
    cdef int32_t last
    group.count -= 1
    last = group.members[group.count]
    group.members[bounds.place[j]] = last
    bounds.place[last] = bounds.place[j]
    group.size = <double>group.count * group.cap
    bounds.total -= group.cap


cdef inline int enter(Bounds* bounds, Py_ssize_t j, Py_ssize_t level) except -1 nogil:
    cdef Group* group = &bounds.groups[level]
    if group.count == group.room:
        group.cap = ldexp(1.0, <int>level - 1022)
        group.per_cap = 1.0 / group.cap
        group.members = <int32_t*>roomy(bounds.pool, group.members, &group.room, group.count + 1, sizeof(int32_t))
    group.members[group.count] = <int32_t>j
    bounds.place[j] = <int32_t>group.count
    group.count += 1
    group.size = <double>group.count * group.cap
    bounds.total += group.cap
    bounds.top = max(bounds.top, level)
    bounds.bottom = min(bounds.bottom, level)
    return 0


cdef inline int rebound(const Structure* network, const double* c, Bounds* bounds, Py_ssize_t j) except -1 nogil:
    cdef double bound = rate_of(network, c, bounds.high, j)
    cdef Py_ssize_t level = NOWHERE
    cdef uint64_t bits
    if not bound < LARGEST_RATE:
        bounds.broken = True
        return 0
    bounds.bound[j] = bound
    if bound > 0:
        memcpy(&bits, &bound, sizeof(bits))
        level = <Py_ssize_t>(bits >> 52)
    if level != bounds.level[j]:
        if bounds.level[j] != NOWHERE:
            leave(bounds, j)
        if level != NOWHERE:
            enter(bounds, j, level)
        bounds.level[j] = <int16_t>level
    return 0


cdef inline void resum(Bounds* bounds) noexcept nogil:
    cdef Py_ssize_t level
    while bounds.top >= bounds.bottom and bounds.groups[bounds.top].count == 0:
        bounds.top -= 1
    while bounds.bottom < bounds.top and bounds.groups[bounds.bottom].count == 0:
        bounds.bottom += 1
    bounds.total = 0.0
    for level in range(bounds.top, bounds.bottom - 1, -1):
        bounds.total += bounds.groups[level].size
    bounds.floor = bounds.total * FALL


cdef int bound_all(const Structure* network, Run* run, Bounds* bounds) except -1 nogil:
    # What a trajectory begins with.
    cdef Py_ssize_t n_species = network.n_species, i, level
    for level in range(bounds.bottom, bounds.top + 1):
        bounds.groups[level].count = 0
        bounds.groups[level].size = 0.0
    bounds.bottom, bounds.top, bounds.broken = LEVELS, NOWHERE, False
    memcpy(bounds.high, run.x, bounds.slots * sizeof(double))
    for i in range(n_species):
        enclose(bounds, run.x, i)
    for i in range(network.n_reactions):
        bounds.level[i] = NOWHERE
        rebound(network, run.c, bounds, i)
    resum(bounds)
    return 0


cdef inline Py_ssize_t proposed(
    const Structure* network, const double* c, double* x, const Bounds* bounds, double share
) noexcept nogil:
    # The reaction that happens at this place of the line, NOWHERE if none does.
    cdef Py_ssize_t level = bounds.top, i, j
    cdef const Group* group
    cdef double rate
    while share >= bounds.groups[level].size:
        share -= bounds.groups[level].size
        level -= 1
        if level < bounds.bottom:
            return NOWHERE  # rounding
    group = &bounds.groups[level]
    i = <Py_ssize_t>(share * group.per_cap)
    j = group.members[i]
    rate = bounds.bound[j] if network.laws[j].program else rate_of(network, c, x, j)
    return j if share - <double>i * group.cap < rate else NOWHERE


cdef int waited(const Structure* network, Run* run, Sink* sink, Pace* pace) except -1 nogil:
    # Let the time pass to the next moment of events; the status there.
    spend(pace, 16 + run.watch.events.work)
    if not passed(run, sink):
        return FINISHED
    bound_all(network, run, run.bounds)
    spend(pace, 32 * network.n_reactions)
    return looked(run, sink, FINISHED)


cdef int rssacr(const Structure* network, Run* run, Sink* sink, Pace* pace) except -1 nogil:
    cdef Rng rng = run.rng
    cdef Bounds* bounds = run.bounds
    cdef Py_ssize_t j, i, f, species, n_left
    cdef int64_t n_events = 0
    cdef double waiting, following, t = run.start
    cdef double recorded = next_time(sink)
    cdef double* x = run.x
    cdef bint watched = run.watch.events.count > 0
    cdef bint looks = watched or sink.n_stops > 0
    cdef int status = opened(run, sink)
    bound_all(network, run, bounds)
    while status == FINISHED:
        if bounds.broken:
            status = OVERFLOW
            break
        if not bounds.floor < bounds.total:
            resum(bounds)
            if bounds.total == 0:
                if run.moment > run.end:
                    status = ABSORBED
                    break
                status = waited(network, run, sink, pace)
                t, recorded = run.t, next_time(sink)
                continue
        waiting = 0.0
        j = NOWHERE
        while j == NOWHERE:
            waiting += exponential(&rng) / bounds.total
            following = t + waiting
            if following > run.until:
                break
            j = proposed(network, run.c, x, bounds, next_double(&rng) * bounds.total)
        if j == NOWHERE:
            if run.moment > run.end:
                break
            # Exponential times have no memory: from the moment on the next one is drawn anew.
            status = waited(network, run, sink, pace)
            t, recorded = run.t, next_time(sink)
            continue
        while recorded < following:
            recorded = record(sink, x, 1)
        if n_events == run.max_events:
            status = MAX_EVENTS
            break
        fire(network, x, j)
        n_events += 1
        t = following
        # All intervals first: a program that reads several must not see a state that never is.
        n_left = 0
        for i in range(network.reactions[j].change_start, network.reactions[j].change_end):
            species = network.changes[i].species
            if not bounds.low[species] <= x[species] <= bounds.high[species]:
                enclose(bounds, x, species)
                bounds.left[n_left] = <int32_t>species
                n_left += 1
        for i in range(n_left):
            species = bounds.left[i]
            for f in range(network.reader_at[species], network.reader_at[species + 1]):
                rebound(network, run.c, bounds, network.reader[f])
            spend(pace, 8 * (network.reader_at[species + 1] - network.reader_at[species]))
        if bounds.total * FALL > bounds.floor:
            bounds.floor = bounds.total * FALL
        if sink.jumps:
            note(sink, t, j)
        if n_events % RESUM == 0:
            resum(bounds)
            status = sound(network, run, x, 1, t, n_events)
            spend(pace, RESUM * (32 + run.watch.events.work) + network.n_species)
        if looks:
            if watched and settled(&run.watch, x, t):
                bound_all(network, run, bounds)
                spend(pace, 32 * network.n_reactions)
            status = looked(run, sink, status)
    spend(pace, 32 * network.n_reactions)
    return ended(network, run, sink, t, n_events, status, pace)
