# The chemical Langevin equation (Gillespie 2000) by the method of Euler and Maruyama, in steps as long as leaps: each
# reaction fires a normal number of times, of the mean and the variance that a Poisson number would have. Amounts are
# real, and may fall below 0; rates take such an amount for 0, so that it comes back, and what is conserved stays so.

cdef struct Normals:
    double other
    bint held


cdef inline double normal(Rng* rng, Normals* normals) noexcept nogil:
    # Marsaglia's polar method, which makes two at a time.
    cdef double u, v, square = 0.0, factor
    if normals.held:
        normals.held = False
        return normals.other
    while not 0.0 < square < 1.0:
        u = 2.0 * next_double(rng) - 1.0
        v = 2.0 * next_double(rng) - 1.0
        square = u * u + v * v
    factor = sqrt(-2.0 * log(square) / square)
    normals.other, normals.held = v * factor, True
    return u * factor


def normals(const uint64_t[::1] key, uint64_t stream, Py_ssize_t count):
    """The first `count` normal random numbers of a stream."""
    out = np.empty(count)
    cdef double[::1] x = out
    cdef Rng rng = rng_stream(&key[0], stream)
    cdef Normals made
    cdef Py_ssize_t i
    cdef Pace pace = new_pace()
    made.held = False
    with nogil:
        for i in range(count):
            if i % RESUM == 0:
                spend(&pace, 16 * RESUM)
            x[i] = normal(&rng, &made)
    return out


cdef double real_rates(const Structure* network, Run* run) noexcept nogil:
    # Rates into `others`, none below 0, and their sum; if that is no number, amounts stay as the rates had them.
    cdef Leaps* leaps = run.leaps
    cdef Py_ssize_t i, j
    cdef double rate, total = 0.0
    memcpy(leaps.before, run.x, network.n_species * sizeof(double))
    for i in range(network.n_species):
        if run.x[i] < 0.0:
            run.x[i] = 0.0
    for j in range(network.n_reactions):
        rate = rate_of(network, run.c, run.x, j)
        leaps.others[j] = 0.0 if rate < 0.0 else rate
        total += leaps.others[j]
    if total < INFINITY:
        memcpy(run.x, leaps.before, network.n_species * sizeof(double))
    return total


cdef double longest_step(const Structure* network, const Run* run) noexcept nogil:
    # As long as a leap, but no step uses up more than half of what there is: what is left of less than one molecule
    # would else be nothing in the middle of the step, and stay.
    cdef Py_ssize_t i
    cdef double longest = longest_leap(network, run)
    for i in range(network.n_species):
        if run.x[i] > 0 and run.leaps.used[i] > 0:
            longest = min(longest, 0.5 * run.x[i] / run.leaps.used[i])
    return longest


cdef int langevin(const Structure* network, Run* run, Sink* sink, Pace* pace) except -1 nogil:
    cdef Rng rng = run.rng
    cdef Leaps* leaps = run.leaps
    cdef Py_ssize_t n = network.n_reactions, j, i
    cdef int64_t steps = 0
    cdef double total, now, tau, mean, times
    cdef Normals made
    cdef int status = FINISHED
    made.held = False
    while status == FINISHED:
        while next_time(sink) <= run.t:
            record(sink, run.x, 1)
        if run.t >= run.end:
            break
        total = real_rates(network, run)
        if not total < INFINITY:
            status = OVERFLOW
            break
        if total == 0:
            status = ABSORBED
            break
        if steps == run.max_events:
            status = MAX_EVENTS
            break
        now = min(min(run.t + longest_step(network, run), next_time(sink)), run.end)
        tau = now - run.t
        if tau == 0:
            status = UNRESOLVED
            break
        if set_middle(network, run, tau) > LARGEST_COUNT:
            status = OVERFLOW
            break
        for j in range(n):
            if leaps.others[j] > 0:
                mean = leaps.middle[j] * tau
                times = mean + sqrt(mean) * normal(&rng, &made)
                for i in range(network.reactions[j].change_start, network.reactions[j].change_end):
                    run.x[network.changes[i].species] += network.changes[i].by * times
        run.t = now
        steps += 1
        spend(pace, 64 * n + 4 * network.n_species)
        if too_large(network, run.x, 1):
            status = OVERFLOW
        elif steps % RESUM == 0 and not resolved(run, run.t, run.end - run.start, steps):
            status = UNRESOLVED
    return ended(network, run, sink, run.t, steps, status, pace)
