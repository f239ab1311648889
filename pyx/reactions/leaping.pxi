# Tau-leaping (Cao, Gillespie and Petzold 2006): many events in one step, while rates hardly change. Reactions that
# could use up what they take fire one at a time; a leap that would make a count negative is tried again, half as long;
# leaps that would hold few events are made one event at a time. Rates are those in the middle of a leap, as it is
# expected (Gillespie 2001), and a leap uses up no larger part of a reactant than what comes in and goes out may change.

cdef enum:
    CRITICAL = 10  # a reaction that can fire fewer times than this fires alone
    SINGLE = 100  # so many single events follow where a leap would hold too few
    ORDER_OF_PROGRAMS = 3  # an expression counts as a reaction of this order in whatever it reads

cdef double FEWEST = 10.0
cdef double MOST_FIRED = 4e18

cdef struct Leaps:
    double epsilon
    double* critical  # rates, 0 for other reactions
    double* others
    double* mean  # of the change of each species in a unit of time
    double* variance
    double* used  # of each species, in a unit of time
    double* middle  # rates in the middle of a leap
    double* before  # counts before a leap
    int64_t* pair_at
    Pair* pairs  # for each species: orders of the reactions that it enters, and how often it stands in each
    int64_t fired
    int64_t steps
    Py_ssize_t single  # events still to be made one at a time
    int64_t alone  # steps that are made here, at least; then plain ones are left to lanes
    bint aside  # single events, too


cdef int add_pair(
    Leaps* leaps, Py_ssize_t first, Py_ssize_t* at, Py_ssize_t* room, Pair pair, Pool* pool
) except -1 nogil:
    # One more of a species whose pairs begin at `first`, if it isn't there yet.
    cdef Py_ssize_t k = first
    while k < at[0] and (leaps.pairs[k].order != pair.order or leaps.pairs[k].times != pair.times):
        k += 1
    if k == at[0]:
        leaps.pairs = <Pair*>roomy(pool, leaps.pairs, room, k + 1, sizeof(Pair))
        leaps.pairs[k] = pair
        at[0] += 1
    return 0


cdef int prepare_leaps(
    const Structure* network, const Events* events, const Stop* stops, Py_ssize_t n_stops, Leaps* leaps, Pool* pool,
    Pace* pace
) except -1 nogil:
    cdef Py_ssize_t n = network.n_reactions, n_species = network.n_species, room = 0, at = 0, i, f, k
    cdef bint* looked = <bint*>zeros(pool, n_species, sizeof(bint))  # species that decide what happens when
    cdef const Law* law
    cdef Pair pair
    for i in range(n_stops):
        looked[stops[i].species] = True
    if events.count > 0:
        for i in range(events.n_reads):
            looked[events.read[i]] = True
    leaps.critical = <double*>zeros(pool, n, sizeof(double))
    leaps.others = <double*>zeros(pool, n, sizeof(double))
    leaps.mean = <double*>zeros(pool, n_species + 2, sizeof(double))
    leaps.variance = <double*>zeros(pool, n_species + 2, sizeof(double))
    leaps.used = <double*>zeros(pool, n_species + 2, sizeof(double))
    leaps.middle = <double*>zeros(pool, n, sizeof(double))
    leaps.before = <double*>zeros(pool, n_species, sizeof(double))
    leaps.pair_at = <int64_t*>zeros(pool, n_species + 1, sizeof(int64_t))
    leaps.pairs = NULL
    for i in range(n_species):
        for f in range(network.reader_at[i], network.reader_at[i + 1]):
            law = &network.laws[network.reader[f]]
            pair.order, pair.times = ORDER_OF_PROGRAMS, 1
            if not law.program:
                pair.order = (law.a < n_species) + (law.b < n_species) + law.more
                pair.times = (law.a == i) + (law.b == i)
                for k in range(law.more_start, law.more_start + law.more):
                    pair.times += network.more_species[k] == i
                spend(pace, law.more)
            add_pair(leaps, leaps.pair_at[i], &at, &room, pair, pool)
            spend(pace, 16)
        if looked[i]:
            pair.order, pair.times = 1, 1
            add_pair(leaps, leaps.pair_at[i], &at, &room, pair, pool)
        leaps.pair_at[i + 1] = at
    return 0


cdef void split(const Structure* network, const Run* run) noexcept nogil:
    # Critical reactions, whose reactants a few events would use up, and the others.
    cdef Leaps* leaps = run.leaps
    cdef Py_ssize_t j, i
    cdef bint critical
    for j in range(network.n_reactions):
        critical = False
        for i in range(network.reactions[j].change_start, network.reactions[j].change_end):
            if network.changes[i].by < 0 and run.x[network.changes[i].species] < -CRITICAL * network.changes[i].by:
                critical = True
        leaps.critical[j] = run.rates[j] if critical else 0.0
        leaps.others[j] = 0.0 if critical else run.rates[j]


cdef double longest_leap(const Structure* network, const Run* run) noexcept nogil:
    # Over which no rate is expected to change by more than about a part `epsilon`.
    cdef Leaps* leaps = run.leaps
    cdef Py_ssize_t i, j, k
    cdef int32_t less
    cdef double rate, by, highest, total, change, x, longest = INFINITY
    for i in range(network.n_species + 2):
        leaps.mean[i] = leaps.variance[i] = leaps.used[i] = 0.0
    for j in range(network.n_reactions):
        rate = leaps.others[j]
        if rate > 0:
            for i in range(network.reactions[j].change_start, network.reactions[j].change_end):
                by = network.changes[i].by
                leaps.mean[network.changes[i].species] += by * rate
                leaps.variance[network.changes[i].species] += by * by * rate
                if by < 0:
                    leaps.used[network.changes[i].species] -= by * rate
    for i in range(network.n_species):
        if leaps.pair_at[i] == leaps.pair_at[i + 1] or leaps.variance[i] == 0:
            continue
        highest, x = 1.0, run.x[i]
        for k in range(leaps.pair_at[i], leaps.pair_at[i + 1]):
            if x >= leaps.pairs[k].times:
                total = 0.0
                for less in range(leaps.pairs[k].times):
                    total += x / (x - less)
                highest = max(highest, leaps.pairs[k].order * total / leaps.pairs[k].times)
        change = max(leaps.epsilon * x / highest, 1.0)
        total = max(fabs(leaps.mean[i]), leaps.used[i])
        if total > 0:
            longest = min(longest, change / total)
        longest = min(longest, change * change / leaps.variance[i])
    return longest


cdef double set_middle(const Structure* network, Run* run, double tau) noexcept nogil:
    # Rates in the middle of a leap; return how many events it is expected to hold.
    cdef Leaps* leaps = run.leaps
    cdef Py_ssize_t i, j
    cdef double rate, total = 0.0
    for i in range(network.n_species):
        run.x[i] = max(leaps.before[i] + 0.5 * tau * leaps.mean[i], 0.0)
    for j in range(network.n_reactions):
        if leaps.others[j] > 0:
            rate = rate_of(network, run.c, run.x, j)
            leaps.middle[j] = rate if 0 <= rate < INFINITY else leaps.others[j]
            total += leaps.middle[j] * tau
    memcpy(run.x, leaps.before, network.n_species * sizeof(double))
    return total


cdef int leapt(
    const Structure* network, Run* run, double alone, double longest, double total, double horizon, Rng* rng, Pace* pace
) except -1 nogil:
    # Try leaps, each half as long as the one before: 1 if one was made, 0 if they would hold too few events, OVERFLOW,
    # or UNRESOLVED if they are too short for the clock, as in an explosion.
    cdef Leaps* leaps = run.leaps
    cdef Py_ssize_t n = network.n_reactions, j, i
    cdef double until, first, now, tau, times, fired
    cdef bint fires, negative
    memcpy(leaps.before, run.x, network.n_species * sizeof(double))
    while longest * total >= FEWEST:
        until = run.t + longest
        first = run.t + exponential(rng) / alone if alone > 0 else INFINITY
        fires = first <= until and first < horizon
        now = min(min(until, first), horizon)
        tau = now - run.t
        if tau == 0:
            return UNRESOLVED
        if set_middle(network, run, tau) > LARGEST_COUNT or <double>leaps.fired > MOST_FIRED:
            return OVERFLOW
        fired = 0.0
        for j in range(n):
            if leaps.others[j] > 0:
                times = poisson(rng, leaps.middle[j] * tau)
                fired += times
                for i in range(network.reactions[j].change_start, network.reactions[j].change_end):
                    run.x[network.changes[i].species] += network.changes[i].by * times
        if fires:
            fire(network, run.x, search(leaps.critical, n, next_double(rng) * alone))
        spend(pace, 64 * n + 4 * network.n_species)
        negative = False
        for i in range(network.n_species):
            negative |= run.x[i] < 0
        if not negative:
            run.t = now
            leaps.fired += <int64_t>fired + fires
            return 1
        memcpy(run.x, leaps.before, network.n_species * sizeof(double))
        longest = 0.5 * min(longest, tau)
    return 0


cdef int leapt_on(const Structure* network, Run* run, Sink* sink, int status, Pace* pace) except -1 nogil:
    # Leaps from where a run is. FLYING, where lanes may go on with it.
    cdef Rng rng = run.rng
    cdef Leaps* leaps = run.leaps
    cdef Py_ssize_t n = network.n_reactions
    cdef int made
    cdef double total, alone, longest, following, recorded = next_time(sink)
    cdef double* x = run.x
    cdef bint watched = run.watch.events.count > 0
    while status == FINISHED:
        while recorded <= run.t:
            recorded = record(sink, x, 1)
        if run.t >= run.end:
            break
        total = renewed(network, run)
        if not total < INFINITY:
            status = OVERFLOW
            break
        if total == 0 and run.moment > run.end:
            status = ABSORBED
            break
        if leaps.steps == run.max_events:
            status = MAX_EVENTS
            break
        made = 0
        if leaps.single == 0 and total > 0:
            split(network, run)
            alone, longest = summed(leaps.critical, n, 1), longest_leap(network, run)
            if leaps.steps >= leaps.alone and alone == 0 and longest * total >= FEWEST:
                run.rng = rng
                return FLYING
            made = leapt(network, run, alone, longest, total, min(recorded, run.until), &rng, pace)
            if made == OVERFLOW or made == UNRESOLVED:
                status = made
                break
            if not made:
                leaps.single = SINGLE
        if not made:
            if leaps.steps >= leaps.alone and leaps.aside and total > 0:
                run.rng = rng
                return FLYING
            following = INFINITY
            if total > 0:
                leaps.single -= 1
                following = run.t + exponential(&rng) / total
            spend(pace, 16 + 4 * n + network.n_species + run.watch.events.work)
            if following > run.until:
                if run.moment > run.end:
                    run.t = run.end
                    continue
                passed(run, sink)
                recorded = next_time(sink)
                status = looked(run, sink, status)
                continue
            while recorded < following:
                recorded = record(sink, x, 1)
            fire(network, x, search(run.rates, n, next_double(&rng) * total))
            run.t = following
            leaps.fired += 1
        leaps.steps += 1
        if watched:
            settled(&run.watch, x, run.t)
            if run.t >= run.moment:
                run.moment = next_moment(&run.watch, run.t)
                run.until = min(run.moment, run.end)
        status = looked(run, sink, status)
        if too_large(network, x, 1):
            status = OVERFLOW
        elif status == FINISHED and leaps.steps % RESUM == 0 and not resolved(
            run, run.t, run.end - run.start, leaps.steps
        ):
            status = UNRESOLVED
    return leaps_ended(network, run, sink, status, pace)


cdef int leaps_ended(const Structure* network, Run* run, Sink* sink, int status, Pace* pace) except -1 nogil:
    status = ended(network, run, sink, run.t, run.leaps.steps, status, pace)
    run.n_events = run.leaps.fired
    return status


cdef int leaping(const Structure* network, Run* run, Sink* sink, int64_t alone, Pace* pace) except -1 nogil:
    run.leaps.fired = run.leaps.steps = run.leaps.single = 0
    run.leaps.alone = alone
    return leapt_on(network, run, sink, opened(run, sink), pace)
