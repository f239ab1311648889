# Several trajectories of the direct method at once (flight.h): each takes a lane, and the next one takes it over when
# the trajectory ends. What is seldom is done here, one lane at a time, as `direct` does it.

cdef extern from "flight.h" nogil:
    enum:
        LANES
    ctypedef struct Flight:
        Py_ssize_t n_species
        Py_ssize_t n_reactions
        const Law* laws
        const int64_t* more_species
        const int64_t* more_minus
        const double* width
        const double* inside
        const double* by
        double* c
        double* x
        double* rates
        double* t
        double* total
        double* floor
        double* limit
        double* following
        uint64_t* rng
        uint64_t* bits
        uint64_t* found
        unsigned flying
    unsigned flight_when(Flight*)
    void flight_which(Flight*)

cdef enum:
    MOST_FLOWN = 96  # reactions and species: every event costs all of them

cdef double[256] WIDTHS
cdef double[256] INSIDES
for _i in range(256):
    WIDTHS[_i] = WIDTH[_i]
    INSIDES[_i] = INSIDE[_i]


cdef inline Py_ssize_t fewest(const Structure* network) noexcept nogil:
    # Trajectories from which on the lanes are faster than one alone, the others empty.
    return min(3 + (network.n_reactions + network.n_species) // 16, 3 * LANES // 4)


cdef inline bint apart(const Run* run, const Sink* sink, const Structure* network) noexcept nogil:
    # Whether nothing depends on each event, or on programs, which is left to one at a time.
    return not (sink.jumps or sink.n_stops > 0 or run.watch.events.count > 0 or network.longest > 0)


cdef inline bint flies(const Structure* network, const Run* run, const Sink* sink, Py_ssize_t count) noexcept nogil:
    if not apart(run, sink, network):
        return False
    return network.n_reactions + network.n_species <= MOST_FLOWN and count >= fewest(network)


cdef double* lined(Pool* pool, Py_ssize_t rows) except NULL nogil:
    # Rows of a number a lane, where no vector lies in two cache lines.
    cdef double* block = <double*>zeros(pool, (rows + 1) * LANES, sizeof(double))
    return <double*>((<uintptr_t>block + 63) // 64 * 64)


cdef int prepare_changes(const Structure* network, Flight* flight, Pool* pool) except -1 nogil:
    # Of every species by every reaction, for events.
    cdef Py_ssize_t n = network.n_reactions, n_species = network.n_species, i, j
    cdef const Change* change
    cdef double* by = <double*>zeros(pool, (n + 1) * n_species, sizeof(double))
    for j in range(n):
        for i in range(network.reactions[j].change_start, network.reactions[j].change_end):
            change = &network.changes[i]
            if change.species < n_species:
                by[j * n_species + change.species] += change.by
    flight.by = by
    return 0


cdef int prepare_flight(const Structure* network, Flight* flight, Pool* pool) except -1 nogil:
    cdef Py_ssize_t n = network.n_reactions, n_species = network.n_species
    flight.n_species, flight.n_reactions = n_species, n
    flight.laws = network.laws
    flight.more_species, flight.more_minus = network.more_species, network.more_minus
    flight.width, flight.inside = WIDTHS, INSIDES
    flight.c, flight.x = lined(pool, n), lined(pool, n_species + 1)
    flight.rates = lined(pool, n)
    flight.t, flight.total, flight.floor = lined(pool, 1), lined(pool, 1), lined(pool, 1)
    flight.limit, flight.following = lined(pool, 1), lined(pool, 1)
    flight.rng, flight.bits = <uint64_t*>lined(pool, 4), <uint64_t*>lined(pool, 1)
    flight.found = <uint64_t*>lined(pool, 1)
    flight.flying = 0  # at first
    return 0


# What a lane's trajectory has beside its numbers.
cdef struct Lane:
    Sink sink
    Py_ssize_t number
    int64_t began  # the round of its first event
    int64_t due  # the round, or step, after which it is looked at
    Py_ssize_t single  # events to be made one at a time after that

cdef struct Fleet:
    Flight flight
    Lane* lanes
    const Structure* network
    const Ensemble* ensemble
    const Sink* sink
    Run* run  # room for one trajectory
    Pace* pace
    Py_ssize_t boarded  # trajectories so far
    Py_ssize_t flying
    int64_t now  # rounds so far: in each, every lane has an event
    int64_t due  # the round after which some lane is looked at


cdef inline Rng rng_of(const Flight* flight, Py_ssize_t k) noexcept nogil:
    cdef Rng rng
    rng.s0, rng.s1 = flight.rng[k], flight.rng[LANES + k]
    rng.s2, rng.s3 = flight.rng[2 * LANES + k], flight.rng[3 * LANES + k]
    return rng


cdef inline void keep_rng(Flight* flight, Py_ssize_t k, Rng rng) noexcept nogil:
    flight.rng[k], flight.rng[LANES + k] = rng.s0, rng.s1
    flight.rng[2 * LANES + k], flight.rng[3 * LANES + k] = rng.s2, rng.s3


cdef inline void expect(Fleet* fleet, Py_ssize_t k) noexcept nogil:
    # When a lane is to be looked at, by events and by time.
    cdef Lane* lane = &fleet.lanes[k]
    cdef int64_t n_events = fleet.now - lane.began, left = fleet.run.max_events - n_events
    lane.due = fleet.now + RESUM - n_events % RESUM
    if 0 < left < RESUM:
        lane.due = min(lane.due, fleet.now + left)
    fleet.due = min(fleet.due, lane.due)
    fleet.flight.limit[k] = min(next_time(&lane.sink), fleet.run.end) if left > 0 else -INFINITY


cdef void into_lane(Flight* flight, Py_ssize_t k, const Run* run) noexcept nogil:
    # A trajectory that has been one alone.
    cdef Py_ssize_t i
    for i in range(flight.n_species):
        flight.x[i * LANES + k] = run.x[i]
    flight.x[flight.n_species * LANES + k] = 1.0
    for i in range(flight.n_reactions):
        flight.c[i * LANES + k] = run.c[i]
        flight.rates[i * LANES + k] = run.rates[i]
    flight.t[k] = run.t
    keep_rng(flight, k, run.rng)
    flight.flying |= 1u << k


cdef void out_of_lane(const Flight* flight, Py_ssize_t k, Run* run) noexcept nogil:
    # A lane's trajectory as one alone.
    cdef Py_ssize_t i
    for i in range(flight.n_species):
        run.x[i] = flight.x[i * LANES + k]
    for i in range(flight.n_reactions):
        run.c[i] = flight.c[i * LANES + k]
        run.rates[i] = flight.rates[i * LANES + k]
    run.t = flight.t[k]
    run.rng = rng_of(flight, k)


cdef void vacate(Flight* flight, Py_ssize_t k) noexcept nogil:
    # Nothing happens ever more in a lane: a share of no rates finds no reaction.
    cdef Py_ssize_t i
    flight.flying &= ~(1u << k)
    flight.total[k], flight.floor[k], flight.limit[k] = 1.0, 0.0, INFINITY
    flight.t[k] = 0.0
    for i in range(flight.n_species):
        flight.x[i * LANES + k] = 0.0
    flight.x[flight.n_species * LANES + k] = 1.0
    for i in range(flight.n_reactions):
        flight.c[i * LANES + k] = flight.rates[i * LANES + k] = 0.0


cdef void take(
    const Ensemble* ensemble, const Structure* network, const Sink* sink, Run* run, Lane* lane, Py_ssize_t number
) noexcept nogil:
    # What a lane has beside its numbers, of trajectory `number`, which begins.
    begin(ensemble, network, run, number)
    lane.sink = sink[0]
    lane.sink.states += number * sink.n_times * sink.n_keep
    lane.number = number


cdef int board(Fleet* fleet, Py_ssize_t k) noexcept nogil:
    # A lane takes the next trajectory, if there is one; whether there was.
    cdef Flight* flight = &fleet.flight
    cdef Lane* lane = &fleet.lanes[k]
    if fleet.boarded == fleet.ensemble.count:
        vacate(flight, k)
        lane.due = INT64_MAX
        return False
    take(fleet.ensemble, fleet.network, fleet.sink, fleet.run, lane, fleet.boarded)
    fleet.boarded += 1
    fleet.flying += 1
    flight.total[k] = renewed(fleet.network, fleet.run)
    flight.floor[k] = flight.total[k] * FALL
    into_lane(flight, k, fleet.run)
    lane.began = fleet.now
    expect(fleet, k)
    return True


cdef Lane* alight(Fleet* fleet, Py_ssize_t k) noexcept nogil:
    # A lane's trajectory as one alone.
    cdef Run* run = fleet.run
    out_of_lane(&fleet.flight, k, run)
    run.total, run.floor = fleet.flight.total[k], fleet.flight.floor[k]
    run.n_events = fleet.now - fleet.lanes[k].began
    return &fleet.lanes[k]


cdef int land(Fleet* fleet, Py_ssize_t k, int status) except -1 nogil:
    # A trajectory ends, and the next one boards.
    cdef Lane* lane = alight(fleet, k)
    ended(fleet.network, fleet.run, &lane.sink, fleet.run.t, fleet.run.n_events, status, fleet.pace)
    keep_end(fleet.ensemble, lane.number, fleet.run, status)
    fleet.flying -= 1
    return board(fleet, k)


cdef int foreseen(Fleet* fleet, Py_ssize_t k) noexcept nogil:
    # What is seldom about a draw; the status if it ends the trajectory, FLYING if not.
    cdef Flight* flight = &fleet.flight
    cdef Sink* sink = &fleet.lanes[k].sink
    cdef uint64_t bits = flight.bits[k]
    cdef double waiting = <double><int64_t>(bits >> 11) * WIDTHS[bits & 255]
    cdef Rng rng
    if not flight.floor[k] < flight.total[k] < INFINITY:
        flight.total[k] = summed(flight.rates + k, flight.n_reactions, LANES)
        flight.floor[k] = flight.total[k] * FALL
        if not flight.floor[k] < flight.total[k] < INFINITY:
            return ABSORBED if flight.total[k] == 0 else OVERFLOW
    if bits >> 11 >= LAYERS[bits & 255].inside:
        rng = rng_of(flight, k)
        waiting = unlucky(&rng, bits)
        keep_rng(flight, k, rng)
    flight.following[k] = flight.t[k] + waiting / flight.total[k]
    if flight.following[k] > fleet.run.end:
        return FINISHED
    while next_time(sink) < flight.following[k]:
        record(sink, flight.x + k, LANES)
    if fleet.now - fleet.lanes[k].began == fleet.run.max_events:
        return MAX_EVENTS
    expect(fleet, k)
    return FLYING


cdef int attend(Fleet* fleet, Py_ssize_t k) except -1 nogil:
    cdef int status = foreseen(fleet, k)
    cdef Rng rng
    while status != FLYING and land(fleet, k, status):
        rng = rng_of(&fleet.flight, k)
        fleet.flight.bits[k] = next_u64(&rng)
        keep_rng(&fleet.flight, k, rng)
        status = foreseen(fleet, k)
    return 0


cdef int refresh(Fleet* fleet) except -1 nogil:
    # What is due after so many events.
    cdef Flight* flight = &fleet.flight
    cdef Py_ssize_t k, n = flight.n_reactions
    cdef int status
    fleet.due = INT64_MAX
    for k in range(LANES):
        if not flight.flying >> k & 1:
            continue
        if (fleet.now - fleet.lanes[k].began) % RESUM == 0:
            flight.total[k] = summed(flight.rates + k, n, LANES)
            flight.floor[k] = flight.total[k] * FALL
            spend(fleet.pace, RESUM * (16 + n // 8))
            status = sound(fleet.network, fleet.run, flight.x + k, LANES, flight.t[k], fleet.now - fleet.lanes[k].began)
            if status != FINISHED:
                land(fleet, k, status)
                continue
        expect(fleet, k)
    return 0


cdef int fly(
    const Structure* network, const Ensemble* ensemble, const Sink* sink, Run* run, Pool* pool, Pace* pace
) except -1 nogil:
    # All trajectories of an ensemble; the last few one after the other.
    cdef Fleet fleet
    cdef Py_ssize_t k, few = fewest(network)
    cdef unsigned seldom
    cdef Lane* lane
    cdef int status
    fleet.network, fleet.ensemble, fleet.sink, fleet.run, fleet.pace = network, ensemble, sink, run, pace
    fleet.lanes = <Lane*>zeros(pool, LANES, sizeof(Lane))
    fleet.boarded = fleet.flying = 0
    fleet.now, fleet.due = 0, INT64_MAX
    prepare_flight(network, &fleet.flight, pool)
    prepare_changes(network, &fleet.flight, pool)
    opened(run, sink)
    for k in range(LANES):
        board(&fleet, k)
    while fleet.flying >= few:
        seldom = flight_when(&fleet.flight)
        k = 0
        while seldom:
            if seldom & 1:
                attend(&fleet, k)
            seldom >>= 1
            k += 1
        flight_which(&fleet.flight)
        fleet.now += 1
        if fleet.now == fleet.due:
            refresh(&fleet)
    for k in range(LANES):
        if fleet.flight.flying >> k & 1:
            lane = alight(&fleet, k)
            status = advanced(network, run, &lane.sink, FINISHED, pace)
            keep_end(ensemble, lane.number, run, status)
    return 0
