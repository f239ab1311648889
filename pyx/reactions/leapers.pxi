# Several trajectories in leaps at once (leaps.h). Those that leap do it together, and those that have single events to
# make: one kind has its turn while there are enough of it to fill the lanes, and the other waits. What is neither a
# plain leap nor a plain event is done here, one lane at a time, as `leaping` does it.

cdef extern from "leaps.h" nogil:
    ctypedef struct Leapers:
        Flight* flight
        double epsilon
        double critical
        double fewest
        double largest
        double most
        const int64_t* change_at
        const Change* changes
        const int64_t* pair_at
        const Pair* pairs
        double* mean
        double* variance
        double* used
        double* middle
        double* following
        double* expected
        double* fired
        int64_t* n_events
        double* left
    unsigned leaps_plain(Leapers*)
    unsigned leaps_single(Leapers*)

cdef enum:
    FEWEST_LEAPERS = 4  # from which on lanes are faster than one alone, the others empty
    MOST_LEAPING = 4096  # reactions and species, for each of which lanes and those that wait have numbers
    MOST_STARTED = 64  # trajectories that have begun and not ended
    EMPTY = 2

# A trajectory that waits for a lane.
cdef struct Waiting:
    Lane lane
    double* x
    double* c
    double t
    Rng rng
    int64_t steps
    int64_t fired
    Py_ssize_t single

cdef struct Band:
    Flight flight
    Leapers leapers
    Lane* lanes
    Waiting* waiting  # MOST_STARTED of them, in three lists: for lanes that leap, for those that don't, and empty ones
    Py_ssize_t[3] length
    Py_ssize_t[3][MOST_STARTED] of
    bint turn  # of single events
    const Structure* network
    const Ensemble* ensemble
    const Sink* sink
    Run* run  # room for one trajectory
    Pace* pace
    Py_ssize_t boarded  # trajectories so far
    Py_ssize_t flying


cdef bint leap_together(const Structure* network, const Run* run, const Sink* sink, Py_ssize_t count) noexcept nogil:
    return (apart(run, sink, network) and network.n_reactions + network.n_species <= MOST_LEAPING
            and count >= FEWEST_LEAPERS)


cdef int prepare_band(Band* band, Pool* pool) except -1 nogil:
    cdef const Structure* network = band.network
    cdef Leaps* leaps = band.run.leaps
    cdef Leapers* leapers = &band.leapers
    cdef Py_ssize_t n = network.n_reactions, n_species = network.n_species, at = 0, i, j, k
    cdef int64_t* change_at = <int64_t*>zeros(pool, n + 1, sizeof(int64_t))
    cdef Change* changes = <Change*>zeros(pool, network.reactions[n - 1].change_end if n else 0, sizeof(Change))
    for j in range(n):
        for i in range(network.reactions[j].change_start, network.reactions[j].change_end):
            if network.changes[i].species < n_species:
                changes[at] = network.changes[i]
                at += 1
        change_at[j + 1] = at
    prepare_flight(network, &band.flight, pool)
    leaps.aside = n + n_species <= MOST_FLOWN
    if leaps.aside:
        prepare_changes(network, &band.flight, pool)
    leapers.flight = &band.flight
    leapers.epsilon, leapers.critical, leapers.fewest = leaps.epsilon, CRITICAL, FEWEST
    leapers.largest, leapers.most = LARGEST_COUNT, 0.5 * MOST_FIRED
    leapers.change_at, leapers.changes = change_at, changes
    leapers.pair_at, leapers.pairs = leaps.pair_at, leaps.pairs
    leapers.mean, leapers.variance = lined(pool, n_species), lined(pool, n_species)
    leapers.used, leapers.following = lined(pool, n_species), lined(pool, n_species)
    leapers.middle, leapers.expected = lined(pool, n_species + 1), lined(pool, n)
    leapers.fired, leapers.n_events = lined(pool, 1), <int64_t*>lined(pool, 1)
    leapers.left = lined(pool, 1)
    for k in range(LANES):
        leapers.middle[n_species * LANES + k] = 1.0
    band.waiting = <Waiting*>zeros(pool, MOST_STARTED, sizeof(Waiting))
    for k in range(MOST_STARTED):
        band.waiting[k].x = <double*>zeros(pool, n_species, sizeof(double))
        band.waiting[k].c = <double*>zeros(pool, n, sizeof(double))
        band.of[EMPTY][k] = k
    band.length[0] = band.length[1] = 0
    band.length[EMPTY] = MOST_STARTED
    return 0


cdef void set_off(Band* band, Py_ssize_t k) noexcept nogil:
    # A lane takes what was one alone, until it is to be looked at: by steps and by time.
    cdef Run* run = band.run
    cdef Leaps* leaps = run.leaps
    cdef Lane* lane = &band.lanes[k]
    cdef int64_t left = min(RESUM - leaps.steps % RESUM, run.max_events - leaps.steps)
    if band.turn:
        left = min(left, <int64_t>leaps.single)
    lane.due = leaps.steps + left
    lane.single = leaps.single - left if band.turn else 0
    into_lane(&band.flight, k, run)
    band.flight.limit[k] = min(next_time(&lane.sink), run.end)
    band.leapers.n_events[k], band.leapers.fired[k] = leaps.fired, <double>leaps.fired
    band.leapers.left[k] = <double>left
    band.flying += 1


cdef Lane* take_over(Band* band, Py_ssize_t k) noexcept nogil:
    # A lane's trajectory as one alone.
    cdef Lane* lane = &band.lanes[k]
    cdef Leaps* leaps = band.run.leaps
    cdef int64_t left = <int64_t>band.leapers.left[k]
    out_of_lane(&band.flight, k, band.run)
    leaps.steps, leaps.fired = lane.due - left, band.leapers.n_events[k]
    leaps.single = lane.single + left if band.turn else 0
    band.flight.flying &= ~(1u << k)
    band.flying -= 1
    return lane


cdef void wait(Band* band, const Lane* lane) noexcept nogil:
    # What is one alone waits for its turn.
    cdef const Run* run = band.run
    cdef int kind = run.leaps.single > 0
    band.length[EMPTY] -= 1
    cdef Py_ssize_t i = band.of[EMPTY][band.length[EMPTY]]
    cdef Waiting* waiting = &band.waiting[i]
    waiting.lane = lane[0]
    memcpy(waiting.x, run.x, band.network.n_species * sizeof(double))
    memcpy(waiting.c, run.c, band.network.n_reactions * sizeof(double))
    waiting.t, waiting.rng = run.t, run.rng
    waiting.steps, waiting.fired, waiting.single = run.leaps.steps, run.leaps.fired, run.leaps.single
    band.of[kind][band.length[kind]] = i
    band.length[kind] += 1


cdef Lane called(Band* band, int kind) noexcept nogil:
    # One that has waited is one alone.
    cdef Run* run = band.run
    band.length[kind] -= 1
    cdef Py_ssize_t i = band.of[kind][band.length[kind]]
    cdef const Waiting* waiting = &band.waiting[i]
    memcpy(run.x, waiting.x, band.network.n_species * sizeof(double))
    memcpy(run.c, waiting.c, band.network.n_reactions * sizeof(double))
    run.t, run.rng = waiting.t, waiting.rng
    run.leaps.steps, run.leaps.fired, run.leaps.single = waiting.steps, waiting.fired, waiting.single
    band.of[EMPTY][band.length[EMPTY]] = i
    band.length[EMPTY] += 1
    return waiting.lane


cdef inline Py_ssize_t started(const Band* band) noexcept nogil:
    return band.flying + MOST_STARTED - band.length[EMPTY]


cdef int fill(Band* band, Py_ssize_t k) except -1 nogil:
    # A lane takes one that waits, or else the next that begins, if there is one whose turn it is.
    cdef Lane* lane = &band.lanes[k]
    cdef int status
    while True:
        if band.length[band.turn] > 0:
            lane[0] = called(band, band.turn)
        elif band.boarded < band.ensemble.count and started(band) < MOST_STARTED:
            take(band.ensemble, band.network, band.sink, band.run, lane, band.boarded)
            band.boarded += 1
            status = leaping(band.network, band.run, &lane.sink, 0, band.pace)
            if status != FLYING:
                keep_end(band.ensemble, lane.number, band.run, status)
                continue
        else:
            vacate(&band.flight, k)
            band.leapers.left[k] = 0.0
            return 0
        if (band.run.leaps.single > 0) == band.turn:
            set_off(band, k)
            return 0
        wait(band, lane)


cdef int step_alone(Band* band, Lane* lane, int64_t steps) except -1 nogil:
    # So many steps of what is one alone, at least, and what is due first; whether it flies on.
    cdef Run* run = band.run
    cdef int status = FINISHED
    if run.leaps.steps % RESUM == 0 and not resolved(run, run.t, run.end - run.start, run.leaps.steps):
        status = UNRESOLVED
    run.leaps.alone = run.leaps.steps + min(steps, INT64_MAX - run.leaps.steps)
    status = leapt_on(band.network, run, &lane.sink, status, band.pace)
    if status == FLYING:
        return True
    keep_end(band.ensemble, lane.number, run, status)
    return False


cdef int attend_leaper(Band* band, Py_ssize_t k) except -1 nogil:
    # What isn't plain; or only what is due, after which it may be.
    cdef Lane* lane = &band.lanes[k]
    cdef double t = band.flight.t[k]
    cdef bint due = band.leapers.left[k] <= 0 or not t < band.flight.limit[k]
    if due and band.leapers.left[k] > 0 and t < band.run.end:
        while next_time(&lane.sink) <= t:
            record(&lane.sink, band.flight.x + k, LANES)
        band.flight.limit[k] = min(next_time(&lane.sink), band.run.end)
        return 0
    take_over(band, k)
    if step_alone(band, lane, not due):
        if (band.run.leaps.single > 0) == band.turn:
            set_off(band, k)
            return 0
        wait(band, lane)
    return fill(band, k)


cdef int take_turns(Band* band) except -1 nogil:
    cdef Py_ssize_t k
    for k in range(LANES):
        if band.flight.flying >> k & 1:
            wait(band, take_over(band, k))
    band.turn = not band.turn
    for k in range(LANES):
        fill(band, k)
    return 0


cdef int leap_all(
    const Structure* network, const Ensemble* ensemble, const Sink* sink, Run* run, Pool* pool, Pace* pace
) except -1 nogil:
    # All trajectories of an ensemble; the last few one after the other.
    cdef Band band
    cdef Py_ssize_t k
    cdef unsigned seldom
    cdef Lane lane
    band.network, band.ensemble, band.sink, band.run, band.pace = network, ensemble, sink, run, pace
    band.lanes = <Lane*>zeros(pool, LANES, sizeof(Lane))
    band.boarded = band.flying = 0
    band.turn = False
    prepare_band(&band, pool)
    for k in range(LANES):
        fill(&band, k)
    while started(&band) >= FEWEST_LEAPERS:
        if 4 * band.flying < 3 * LANES and band.length[not band.turn] > band.flying:
            take_turns(&band)
        seldom = leaps_single(&band.leapers) if band.turn else leaps_plain(&band.leapers)
        seldom = band.flight.flying & ~seldom
        spend(pace, LANES * (8 * network.n_reactions + network.n_species))
        k = 0
        while seldom:
            if seldom & 1:
                attend_leaper(&band, k)
            seldom >>= 1
            k += 1
    for k in range(LANES):
        if band.flight.flying >> k & 1:
            step_alone(&band, take_over(&band, k), INT64_MAX)
    for k in range(2):
        while band.length[k] > 0:
            lane = called(&band, <int>k)
            step_alone(&band, &lane, INT64_MAX)
    return 0
