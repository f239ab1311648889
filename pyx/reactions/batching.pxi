# Exact simulation in batches (Berenbrink, Hammer, Kaaser, Meyer, Penschuck and Tran 2020, for population protocols;
# Petrack and Doty 2025, for reactions). Molecules meet two by two, each ordered pair of them at one rate, and what has
# met may react, each reaction with a chance of its own. Catalysts stand among the molecules, so that reactions of one
# molecule, or of none, are meetings too. While no molecule meets twice, the order of meetings doesn't matter: who met
# whom is drawn for all of them at once, by hypergeometric numbers. Each meeting leaves as many molecules as the most
# productive reaction would, what is missing being waste, so that when a molecule meets again doesn't depend on who met
# before. A batch ends with that meeting, which is drawn by itself.

cdef enum:
    MOST_VOIDS = 64  # of a batch
    PRICE = 64  # of a batch, in single events
    FEW_MOLECULES = 100  # are never worth a batch

cdef double MEAN_LENGTH = 0.886  # of a batch, in units of the root of the molecules over what a meeting touches
cdef double MOST_MOLECULES = 4e15  # in a batch: their numbers, and sums of them, are exact
cdef double MOST_CATALYSTS = 1e15
cdef double SLOWEST = 1e-290  # of the rates of a pair: lower ones have few digits left

# A reaction of two that meet: places among the active species, or the catalysts, which stand last.
cdef struct Meeting:
    int32_t reaction
    int32_t a
    int32_t b

cdef struct Batches:
    Py_ssize_t n_active
    int64_t* active  # the species that rates read
    int64_t* pair_at  # where the meetings of a pair (a <= b) begin, at a * (n_active + 1) + b
    Meeting* meetings
    double growth  # of the population by a meeting
    double two  # the largest rate of a pair of molecules, of a molecule by itself, and of nothing
    double one
    double none
    double* chance  # of each meeting, that the reaction happens
    double* left  # who has met nobody in this batch, of each kind
    double* first  # the first of two, of each kind
    double* met  # how often each pair did
    double* touched
    double clean  # meetings of a batch in which nobody meets again
    bint collides
    Py_ssize_t n_voids
    double[64] voids  # the ticks that are no meetings
    int64_t fired


cdef int meetings_of(const Structure* network, Py_ssize_t j, const int32_t* place, Py_ssize_t last,
                     Meeting* found) noexcept nogil:
    # One, but two for a rate of x**2, which is one of x*(x - 1) and one of x.
    cdef const Law* law = &network.laws[j]
    cdef int32_t a = place[law.a], b = place[law.b]
    found[0].reaction = found[1].reaction = <int32_t>j
    found[0].a, found[0].b = min(a, b), max(a, b)
    found[1].a, found[1].b = a, <int32_t>last
    return 2 if a == b and a < last and law.minus == 0 else 1


cdef int prepare_batches(const Structure* network, Batches* batches, Pool* pool, Pace* pace) except -1:
    cdef Py_ssize_t n = network.n_reactions, n_species = network.n_species, last = 0, j, i, kinds, pair
    cdef int32_t* place = <int32_t*>zeros(pool, n_species + 1, sizeof(int32_t))
    cdef int64_t* following
    cdef Meeting[2] found
    cdef int k
    cdef double change
    for j in range(n):
        place[network.laws[j].a] = place[network.laws[j].b] = 1
    batches.active = <int64_t*>zeros(pool, n_species, sizeof(int64_t))
    for i in range(n_species):
        if place[i]:
            batches.active[last] = i
            place[i] = <int32_t>last
            last += 1
        else:
            place[i] = -1
    place[n_species] = <int32_t>last
    kinds = last + 1
    batches.n_active, batches.growth = last, 0.0
    # Meetings by their pairs, in the order of reactions: counted, then placed.
    batches.pair_at = <int64_t*>zeros(pool, kinds * kinds + 1, sizeof(int64_t))
    for j in range(n):
        spend(pace, 16)
        for k in range(meetings_of(network, j, place, last, found)):
            batches.pair_at[found[k].a * kinds + found[k].b + 1] += 1
        change = 0.0
        for i in range(network.reactions[j].change_start, network.reactions[j].change_end):
            if network.changes[i].species < n_species and place[network.changes[i].species] >= 0:
                change += network.changes[i].by
        batches.growth = max(batches.growth, change)
    for pair in range(kinds * kinds):
        batches.pair_at[pair + 1] += batches.pair_at[pair]
    batches.meetings = <Meeting*>zeros(pool, batches.pair_at[kinds * kinds], sizeof(Meeting))
    following = <int64_t*>zeros(pool, kinds * kinds, sizeof(int64_t))
    memcpy(following, batches.pair_at, kinds * kinds * sizeof(int64_t))
    for j in range(n):
        spend(pace, 16)
        for k in range(meetings_of(network, j, place, last, found)):
            pair = found[k].a * kinds + found[k].b
            batches.meetings[following[pair]] = found[k]
            following[pair] += 1
    batches.chance = <double*>zeros(pool, batches.pair_at[kinds * kinds], sizeof(double))
    batches.left = <double*>zeros(pool, kinds, sizeof(double))
    batches.first = <double*>zeros(pool, kinds, sizeof(double))
    batches.touched = <double*>zeros(pool, kinds, sizeof(double))
    batches.met = <double*>zeros(pool, kinds * kinds, sizeof(double))
    return 0


cdef void weigh(Batches* batches, const double* c) noexcept nogil:
    # The largest rates, which decide how often two must meet: either may be the first.
    cdef Py_ssize_t last = batches.n_active, kinds = last + 1, a, b, m
    cdef double rate
    batches.two = batches.one = batches.none = 0.0
    for a in range(kinds):
        for b in range(a, kinds):
            rate = 0.0
            for m in range(batches.pair_at[a * kinds + b], batches.pair_at[a * kinds + b + 1]):
                rate += c[batches.meetings[m].reaction]
            if a == last:
                batches.none = rate
            elif b == last:
                batches.one = max(batches.one, 0.5 * rate)
            else:
                batches.two = max(batches.two, rate if a == b else 0.5 * rate)


cdef inline double rate_of_pairs(const Batches* batches, double catalysts) noexcept nogil:
    # The rate at which each ordered pair must meet.
    cdef double rate = batches.two
    if batches.one > 0:
        rate = max(rate, batches.one / catalysts)
    if batches.none > 0:
        rate = max(rate, batches.none / (catalysts * (catalysts - 1.0)))
    return rate


cdef double best_catalysts(const Batches* batches, double molecules) noexcept nogil:
    # As many as make batches few: where one of the largest rates takes over from another, or where it alone asks for.
    cdef double fewest = 2.0 if batches.none > 0 else 1.0 if batches.one > 0 else 0.0
    cdef double[5] some
    cdef double catalysts, cost, lowest = INFINITY, best = fewest
    cdef int k
    some[0] = 2.0 * molecules
    some[1] = batches.one / batches.two if batches.two > 0 else 0.0
    some[2] = sqrt(batches.none / batches.two) if batches.two > 0 else 0.0
    some[3] = batches.none / batches.one if batches.one > 0 else 0.0
    some[4] = 1e6
    for k in range(5):
        catalysts = max(trunc(min(some[k], MOST_CATALYSTS)), fewest)
        cost = rate_of_pairs(batches, catalysts) * (molecules + catalysts) * sqrt(molecules + catalysts)
        if cost < lowest:
            lowest, best = cost, catalysts
    return best


cdef double gamma(Rng* rng, Normals* made, double shape) noexcept nogil:
    # The time of so many ticks: Marsaglia and Tsang 2000, for shapes from 1 on.
    cdef double d = shape - 0.3333333333333333, c = 1.0 / sqrt(9.0 * d), x, v, u
    while True:
        x = normal(rng, made)
        v = 1.0 + c * x
        if v <= 0:
            continue
        v = v * v * v
        u = 1.0 - next_double(rng)
        if u < 1.0 - 0.0331 * (x * x) * (x * x) or log(u) < 0.5 * x * x + d * (1.0 - v + log(v)):
            return d * v


cdef void until_met_again(Batches* batches, double population, double most, double pairs, Rng* rng) noexcept nogil:
    # How many meetings there are until one takes part in its second. The clock ticks as if the population were already
    # as large as it can become: ticks that are no meetings are void. Both are thinned from their common bound.
    cdef double largest = population + batches.growth * most, left = population - 2.0 * most, now, share
    cdef double bound = (largest - left) * (largest + left - 1.0)
    cdef double scale = 1.0 / log1p(-bound / pairs)
    batches.clean, batches.collides, batches.n_voids = 0.0, False, 0
    while batches.n_voids < MOST_VOIDS:
        batches.clean += trunc(log(1.0 - next_double(rng)) * scale)
        if batches.clean >= most:
            batches.clean = most
            return
        left = population - 2.0 * batches.clean
        now = population + batches.growth * batches.clean
        share = next_double(rng) * bound - (now - left) * (now + left - 1.0)
        if share < 0:
            batches.collides = True
            return
        if share < (largest - now) * (largest + now - 1.0):
            batches.voids[batches.n_voids] = batches.clean + batches.n_voids
            batches.n_voids += 1
        else:
            batches.clean += 1.0
            if batches.clean == most:
                return


cdef void meet(Batches* batches, double population, Rng* rng) noexcept nogil:
    # Who meets whom: the first of each two, then whom those of each kind meet.
    cdef Py_ssize_t kinds = batches.n_active + 1, a, b
    cdef double rest = population, remaining = batches.clean, some
    for a in range(kinds * kinds):
        batches.met[a] = 0.0
    for a in range(kinds):
        some = hypergeometric(rng, batches.left[a], rest - batches.left[a], remaining)
        rest -= batches.left[a]
        remaining -= some
        batches.first[a] = some
        batches.left[a] -= some
    population -= batches.clean
    for a in range(kinds):
        rest, remaining = population, batches.first[a]
        population -= remaining
        for b in range(kinds):
            if remaining == 0:
                break
            some = hypergeometric(rng, batches.left[b], rest - batches.left[b], remaining)
            rest -= batches.left[b]
            remaining -= some
            batches.left[b] -= some
            batches.met[min(a, b) * kinds + max(a, b)] += some


cdef void react(const Structure* network, Run* run, Rng* rng) noexcept nogil:
    # What the meetings lead to.
    cdef Batches* batches = run.batches
    cdef Py_ssize_t kinds = batches.n_active + 1, pair, m, i
    cdef double rest, share, times
    cdef const Reaction* reaction
    for pair in range(kinds * kinds):
        rest, share = batches.met[pair], 1.0
        if rest == 0:
            continue
        for m in range(batches.pair_at[pair], batches.pair_at[pair + 1]):
            if batches.chance[m] == 0:
                continue
            times = binomial(rng, rest, batches.chance[m] / share if batches.chance[m] < share else 1.0)
            rest -= times
            share -= batches.chance[m]
            batches.fired += <int64_t>times
            reaction = &network.reactions[batches.meetings[m].reaction]
            for i in range(reaction.change_start, reaction.change_end):
                run.x[network.changes[i].species] += network.changes[i].by * times


cdef Py_ssize_t picked(const double* weights, Py_ssize_t n, double share) noexcept nogil:
    # One of the kinds, or -1 for waste, which stands after them.
    cdef Py_ssize_t k
    for k in range(n):
        share -= weights[k]
        if share < 0:
            return k
    return -1


cdef void meet_again(const Structure* network, Run* run, double population, double catalysts, Rng* rng) noexcept nogil:
    # The meeting that ends a batch: of two of which at least one has met before.
    cdef Batches* batches = run.batches
    cdef Py_ssize_t last = batches.n_active, k, a, b, m
    cdef double left = population - 2.0 * batches.clean, touched = (2.0 + batches.growth) * batches.clean, share
    for k in range(last):
        batches.touched[k] = run.x[batches.active[k]] - batches.left[k]
    batches.touched[last] = catalysts - batches.left[last]
    share = next_double(rng) * (2.0 * left + touched - 1.0)
    a = picked(batches.touched, last + 1, next_double(rng) * touched)
    if share < 2.0 * left:
        b = picked(batches.left, last + 1, next_double(rng) * left)
    else:
        if a >= 0:
            batches.touched[a] -= 1.0
        b = picked(batches.touched, last + 1, next_double(rng) * (touched - 1.0))
    share = next_double(rng)
    if a < 0 or b < 0:
        return
    k = min(a, b) * (last + 1) + max(a, b)
    for m in range(batches.pair_at[k], batches.pair_at[k + 1]):
        share -= batches.chance[m]
        if share < 0:
            fire(network, run.x, batches.meetings[m].reaction)
            batches.fired += 1
            return


cdef void give_chances(Batches* batches, const double* c, double rate, double catalysts) noexcept nogil:
    cdef Py_ssize_t last = batches.n_active, kinds = last + 1, a, b, m
    cdef double ways
    for a in range(kinds):
        for b in range(a, kinds):
            ways = catalysts * (catalysts - 1.0) if a == last else 2.0 * catalysts if b == last else 1.0 + (a < b)
            for m in range(batches.pair_at[a * kinds + b], batches.pair_at[a * kinds + b + 1]):
                batches.chance[m] = c[batches.meetings[m].reaction] / (rate * ways)


cdef int batched(const Structure* network, Run* run, double total, double horizon, Rng* rng, Normals* made,
                 Pace* pace) except -1 nogil:
    # 1 if a batch was made, up to the horizon at most, 0 if it would hold too few events, or UNRESOLVED.
    cdef Batches* batches = run.batches
    cdef Py_ssize_t last = batches.n_active, kinds = last + 1, k
    cdef double population = 0.0, catalysts, rate, most, largest, pairs, length, tau, ticks
    for k in range(last):
        batches.left[k] = run.x[batches.active[k]]
        population += batches.left[k]
    catalysts = batches.left[last] = best_catalysts(batches, population)
    population += catalysts
    if not FEW_MOLECULES <= population <= MOST_MOLECULES:
        return 0
    rate = rate_of_pairs(batches, catalysts)
    if rate < SLOWEST:
        return 0
    length = sqrt(population / (2.0 + batches.growth))
    # What a batch costs goes with the kinds that may meet.
    if not min(MEAN_LENGTH * length * (total / (rate * population * (population - 1.0))),
               total * (horizon - run.t)) >= 10.0 + 15.0 * <double>(kinds * kinds):
        return 0
    spend(pace, 64 * kinds * kinds + 16 * network.n_reactions)
    most = trunc(2.0 * length)
    largest = population + batches.growth * most
    pairs = largest * (largest - 1.0)
    until_met_again(batches, population, most, pairs, rng)
    ticks = batches.clean + batches.n_voids + batches.collides
    tau = gamma(rng, made, ticks) / (rate * pairs)
    if run.t + tau == run.t:
        return UNRESOLVED
    if run.t + tau <= horizon:
        run.t += tau
    else:
        # All ticks but the last are anywhere in the time that they take together.
        ticks = binomial(rng, ticks - 1.0, (horizon - run.t) / tau)
        batches.clean, batches.collides = ticks, False
        for k in range(batches.n_voids):
            batches.clean -= batches.voids[k] < ticks
        run.t = horizon
    give_chances(batches, run.c, rate, catalysts)
    meet(batches, population, rng)
    react(network, run, rng)
    if batches.collides:
        meet_again(network, run, population, catalysts, rng)
    return 1


cdef int batching(const Structure* network, Run* run, Sink* sink, Pace* pace) except -1 nogil:
    cdef Rng rng = run.rng
    cdef Py_ssize_t n = network.n_reactions, single = 0
    cdef int64_t moves = 0, price = 0
    cdef int status = FINISHED, made
    cdef double total, following
    cdef Normals normals
    normals.held = False
    run.batches.fired = 0
    weigh(run.batches, run.c)
    while status == FINISHED:
        while next_time(sink) <= run.t:
            record(sink, run.x, 1)
        if run.t >= run.end:
            break
        total = renewed(network, run)
        if not total < INFINITY:
            status = OVERFLOW
            break
        if total == 0:
            status = ABSORBED
            break
        if price >= run.max_events:
            status = MAX_EVENTS
            break
        made = 0
        if single == 0:
            made = batched(network, run, total, min(next_time(sink), run.end), &rng, &normals, pace)
            if made == UNRESOLVED:
                status = UNRESOLVED
                break
            single = 0 if made else SINGLE
        if made:
            price += PRICE
        else:
            single -= 1
            following = run.t + exponential(&rng) / total
            spend(pace, 16 + 4 * n)
            if following > run.end:
                run.t = run.end
                continue
            while next_time(sink) < following:
                record(sink, run.x, 1)
            fire(network, run.x, search(run.rates, n, next_double(&rng) * total))
            run.t = following
            run.batches.fired += 1
            price += 1
        moves += 1
        if too_large(network, run.x, 1):
            status = OVERFLOW
        elif moves % RESUM == 0 and not resolved(run, run.t, run.end - run.start, moves):
            status = UNRESOLVED
    status = ended(network, run, sink, run.t, moves, status, pace)
    run.n_events = run.batches.fired
    return status
