"""Kernels of stochastic simulation: the direct method and the first reaction method."""

from libc.math cimport INFINITY, exp
from libc.stdint cimport int8_t, int32_t, int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

import numpy as np

from _rng cimport Rng, next_double, next_u64, rng_stream
from _signals cimport Pace, new_pace, spend

from fastcore._ziggurat import HEIGHT, INSIDE, WIDTH, R

cdef enum:
    FINISHED = 0
    ABSORBED = 1
    STOPPED = 2
    MAX_EVENTS = 3
    OVERFLOW = 4
    RESUM = 1024  # events after which the running total of the rates is summed afresh
    SHORT_CHANGE = 4  # lists up to these lengths are padded to one length, so that no branch is mispredicted
    SHORT_DEPENDANTS = 8
    FEW = 8  # up to so many reactions the search counts instead of branching

cdef double FALL = 1.0 / 1024
cdef double LARGEST_COUNT = 9007199254740992.0 - 2147483648.0

cdef struct Layer:
    uint64_t inside
    double width
    double height

cdef Layer[257] LAYERS
cdef double TAIL = R
cdef int _i
for _i in range(257):
    LAYERS[_i] = Layer(INSIDE[_i], WIDTH[_i], HEIGHT[_i]) if _i < 256 else Layer(0, 0.0, HEIGHT[_i])


cdef double unlucky(Rng* rng, uint64_t bits) noexcept nogil:
    # The hundredth draw that doesn't fall inside its layer: wedge, tail, or another try.
    cdef double beyond = 0.0, x
    cdef uint64_t layer, position
    while True:
        layer = bits & 255
        position = bits >> 11
        x = <double><int64_t>position * LAYERS[layer].width
        if position < LAYERS[layer].inside:
            return beyond + x
        if layer == 0:
            beyond += TAIL  # no memory: beyond R the tail is the whole again
        elif LAYERS[layer].height + next_double(rng) * (LAYERS[layer + 1].height - LAYERS[layer].height) < exp(-x):
            return beyond + x
        bits = next_u64(rng)


cdef inline double exponential(Rng* rng) noexcept nogil:
    cdef uint64_t bits = next_u64(rng)
    cdef uint64_t position = bits >> 11
    cdef Layer* layer = &LAYERS[bits & 255]
    cdef Rng copy
    cdef double x
    if position < layer.inside:
        return <double><int64_t>position * layer.width
    copy = rng[0]  # so that the caller's state may live in registers
    x = unlucky(&copy, bits)
    rng[0] = copy
    return x


def exponentials(const uint64_t[::1] key, uint64_t stream, Py_ssize_t count):
    """The first `count` exponential random numbers of a stream."""
    out = np.empty(count)
    cdef double[::1] x = out
    cdef Rng rng = rng_stream(&key[0], stream)
    cdef Py_ssize_t i
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(count):
            if i % RESUM == 0:
                spend(&pace, 4 * RESUM)
            x[i] = exponential(&rng)
    return out


# What a network looks like to the inner loops. A rate is c * x[a] * (x[b] - minus), with x[pad] = 1.0 where there is no
# such reactant; reactions of higher order go on through a list. Multiplying by 1.0 is exact, so the twin's shorter
# product is the same number.
cdef struct Law:
    int32_t a
    int32_t b
    double minus
    int64_t more_start
    int64_t more_end

cdef struct Reaction:
    int64_t change_start
    int64_t change_end
    int64_t dependant_start
    int64_t dependant_end

cdef struct Change:
    int64_t species
    double by

cdef struct Stop:
    int64_t species
    int64_t kind
    double value

cdef struct Network:
    Py_ssize_t n_species
    Py_ssize_t n_reactions
    Py_ssize_t n_stops
    const Law* laws
    const Reaction* reactions
    const Change* changes
    const int64_t* dependants
    const int64_t* more_species
    const int64_t* more_minus
    const Stop* stops

LAW = np.dtype([("a", np.int32), ("b", np.int32), ("minus", float), ("start", np.int64), ("end", np.int64)])
REACTION = np.dtype([(name, np.int64) for name in ("change", "change_end", "dependant", "dependant_end")])
CHANGE = np.dtype([("species", np.int64), ("by", float)])
STOP = np.dtype([("species", np.int64), ("kind", np.int64), ("value", float)])


def _padded(offsets, columns, fill, longest):
    """Lists as starts, ends and columns: all made as long as the longest by repeating `fill`, if that is short."""
    lengths = np.diff(offsets)
    width = int(lengths.max())
    if width > longest:
        return offsets[: len(lengths)], offsets[1:], columns
    out = []
    inside = np.arange(width) < lengths[:, None]
    for column, value in zip(columns, fill):
        table = np.full((len(lengths), width), value, column.dtype)
        table[inside] = column
        out.append(table.reshape(-1))
    starts = np.arange(len(lengths)) * width
    return starts, starts + width, out


cdef class _Prepared:
    """A network's tables laid out for the inner loops."""

    cdef object owned
    cdef Network network

    def __init__(self, tables, Py_ssize_t n_species, stops):
        factor_at, factor, minus, change_at, changed, by, dependant_at, dependant = tables
        cdef Py_ssize_t n = len(factor_at) - 1, j, start, end
        cdef Pace pace = new_pace()
        pad = n_species
        laws = np.zeros(n + 1, LAW)
        laws["a"] = laws["b"] = pad
        for j in range(n):
            spend(&pace, 1000)
            start, end = factor_at[j], factor_at[j + 1]
            if end > start:
                laws[j]["a"] = factor[start]
            if end > start + 1:
                laws[j]["b"], laws[j]["minus"] = factor[start + 1], minus[start + 1]
            laws[j]["start"], laws[j]["end"] = min(start + 2, end), end
        reactions = np.zeros(n, REACTION)
        starts, ends, columns = _padded(change_at, (changed, by), (pad + 1, 0), SHORT_CHANGE)
        reactions["change"], reactions["change_end"] = starts, ends
        changes = np.zeros(len(columns[0]), CHANGE)
        changes["species"], changes["by"] = columns
        starts, ends, columns = _padded(dependant_at, (dependant,), (n,), SHORT_DEPENDANTS)
        reactions["dependant"], reactions["dependant_end"] = starts, ends
        dependants = np.ascontiguousarray(columns[0])
        stop = np.zeros(len(stops), STOP)
        stop["species"], stop["kind"], stop["value"] = np.asarray(stops).T
        factor, minus = np.ascontiguousarray(factor), np.ascontiguousarray(minus)
        self.owned = (laws, reactions, changes, dependants, factor, minus, stop)
        cdef size_t law_at = laws.ctypes.data, reaction_at = reactions.ctypes.data, changes_at = changes.ctypes.data
        cdef size_t dependants_at = dependants.ctypes.data, species_at = factor.ctypes.data
        cdef size_t minus_at = minus.ctypes.data, stop_at = stop.ctypes.data
        self.network = Network(
            n_species, n, len(stops), <const Law*>law_at, <const Reaction*>reaction_at, <const Change*>changes_at,
            <const int64_t*>dependants_at, <const int64_t*>species_at, <const int64_t*>minus_at, <const Stop*>stop_at,
        )


cdef inline double rate_of(const Network* network, const double* c, const double* x, Py_ssize_t j) noexcept nogil:
    cdef const Law* law = &network.laws[j]
    cdef double rate = (c[j] * x[law.a]) * (x[law.b] - law.minus)
    cdef Py_ssize_t f
    for f in range(law.more_start, law.more_end):
        rate *= x[network.more_species[f]] - <double>network.more_minus[f]
    return rate


cdef inline bint stopped(const Network* network, const double* x) noexcept nogil:
    cdef Py_ssize_t i
    cdef double count, value
    cdef int64_t kind
    for i in range(network.n_stops):
        count = x[network.stops[i].species]
        value = network.stops[i].value
        kind = network.stops[i].kind
        if kind == 0 and count <= value or kind == 1 and count >= value:
            return True
        if kind == 2 and count == value or kind == 3 and count != value:
            return True
    return False


# Where a trajectory goes: states at given times, or all events.
cdef struct Sink:
    const double* times
    Py_ssize_t n_times
    const int64_t* keep
    Py_ssize_t n_keep
    int64_t* states
    bint jumps
    double* event_times
    int32_t* event_reactions
    Py_ssize_t n_events
    Py_ssize_t capacity


cdef inline void record(Sink* sink, const double* x, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t* row = &sink.states[at * sink.n_keep]
    for i in range(sink.n_keep):
        row[i] = <int64_t>x[sink.keep[i]]


cdef int grow(Sink* sink) except -1 nogil:
    cdef Py_ssize_t capacity = 2 * sink.capacity + 1024
    cdef double* times = <double*>realloc(sink.event_times, capacity * sizeof(double))
    cdef int32_t* reactions
    if times != NULL:
        sink.event_times = times
        reactions = <int32_t*>realloc(sink.event_reactions, capacity * sizeof(int32_t))
        if reactions != NULL:
            sink.event_reactions = reactions
            sink.capacity = capacity
            return 0
    with gil:
        raise MemoryError(f"no memory for {capacity} events")


cdef inline double summed(const double* rates, Py_ssize_t n) noexcept nogil:
    cdef double total = 0.0
    cdef Py_ssize_t j
    for j in range(n):
        total += rates[j]
    return total


cdef inline bint too_large(const Network* network, const double* x) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(network.n_species):
        if x[i] > LARGEST_COUNT:
            return True
    return False


cdef inline Py_ssize_t search(const double* rates, Py_ssize_t n, double share) noexcept nogil:
    # The first reaction whose cumulative rate exceeds the share; the last that can fire if rounding leaves none.
    cdef double cumulative = 0.0
    cdef Py_ssize_t j, found = 0
    if n <= FEW:
        for j in range(n):
            cumulative += rates[j]
            found += cumulative <= share
    else:
        found = n
        for j in range(n):
            cumulative += rates[j]
            if cumulative > share:
                found = j
                break
    if found == n:
        found = n - 1
        while found > 0 and rates[found] <= 0:
            found -= 1
    return found


cdef int simulate(
    const Network* network, const double* c, double* x, double* rates, double t, double end, Rng stream,
    bint first_reaction, int64_t max_events, Sink* sink, int64_t* counted, Pace* pace,
) except -1 nogil:
    # One trajectory from state x; returns its status.
    cdef Rng rng = stream
    cdef Py_ssize_t n = network.n_reactions, j = 0, i, k, at = 0
    cdef int64_t n_events = 0
    cdef double total = 0.0, floor = 0.0, waiting, best, following, fresh, next_time
    cdef const Reaction* reaction
    cdef int status = STOPPED if stopped(network, x) else FINISHED
    next_time = sink.times[0] if sink.n_times > 0 else INFINITY
    if not first_reaction:
        for i in range(n + 1):
            rates[i] = rate_of(network, c, x, i)
        total = summed(rates, n)
        floor = total * FALL
    while status == FINISHED:
        if first_reaction:
            spend(pace, 16 * n)
            best = INFINITY
            j = -1
            for i in range(n):
                fresh = rate_of(network, c, x, i)
                if fresh > 0:
                    if not fresh < INFINITY:
                        status = OVERFLOW
                        break
                    waiting = exponential(&rng) / fresh
                    if waiting < best or j < 0:
                        best = waiting
                        j = i
            if status == OVERFLOW:
                break
            if j < 0:
                status = ABSORBED
                break
            following = t + best
        else:
            if not (floor < total and total < INFINITY):
                total = summed(rates, n)
                floor = total * FALL
                if not (floor < total and total < INFINITY):
                    status = ABSORBED if total == 0 else OVERFLOW
                    break
            following = t + exponential(&rng) / total
        if following > end:
            break
        while next_time < following:
            record(sink, x, at)
            at += 1
            next_time = sink.times[at] if at < sink.n_times else INFINITY
        if n_events == max_events:
            status = MAX_EVENTS
            break
        if not first_reaction:
            j = search(rates, n, next_double(&rng) * total)
        reaction = &network.reactions[j]
        for i in range(reaction.change_start, reaction.change_end):
            x[network.changes[i].species] += network.changes[i].by
        n_events += 1
        t = following
        if not first_reaction:
            for i in range(reaction.dependant_start, reaction.dependant_end):
                k = network.dependants[i]
                fresh = rate_of(network, c, x, k)
                total += fresh - rates[k]
                rates[k] = fresh
            if total * FALL > floor:
                floor = total * FALL
        if sink.jumps:
            if sink.n_events == sink.capacity:
                grow(sink)
            sink.event_times[sink.n_events] = t
            sink.event_reactions[sink.n_events] = <int32_t>j
            sink.n_events += 1
        if n_events % RESUM == 0:
            if not first_reaction:
                total = summed(rates, n)
                floor = total * FALL
            if too_large(network, x):
                status = OVERFLOW
            spend(pace, RESUM * (16 + n // 8))
        if network.n_stops > 0 and stopped(network, x):
            status = STOPPED
    if status == FINISHED or status == ABSORBED or status == STOPPED:
        while at < sink.n_times:
            record(sink, x, at)
            at += 1
    counted[0] = n_events
    # What is left over, and a trajectory's own price.
    spend(pace, (16 + n // 8) * (n_events % RESUM) + 16 * n + 4 * sink.n_times + 1024)
    return status


cdef class _Simulation:
    """Trajectories first..first+count-1 into a sink; owns the sink's buffers of events."""

    cdef Sink sink

    def __cinit__(self):
        self.sink = Sink(NULL, 0, NULL, 0, NULL, False, NULL, NULL, 0, 0)

    def __dealloc__(self):
        free(self.sink.event_times)
        free(self.sink.event_reactions)

    cdef run(
        self, tables, const double[:, ::1] constants, const int64_t[::1] x0, double start, double end,
        const uint64_t[::1] key, uint64_t first, Py_ssize_t count, Py_ssize_t per, bint first_reaction, stops,
        int64_t max_events, int64_t[::1] n_events, int8_t[::1] statuses,
    ):
        cdef _Prepared prepared = _Prepared(tables, len(x0), stops)
        cdef Py_ssize_t n_species = x0.shape[0], n = constants.shape[1], k, i
        cdef Pace pace = new_pace()
        cdef double[::1] x = np.empty(n_species + 2), rates = np.empty(n + 1), c = np.zeros(n + 1)
        cdef Py_ssize_t stride = self.sink.n_times * self.sink.n_keep
        with nogil:
            for k in range(count):
                for i in range(n):
                    c[i] = constants[(first + k) // per, i]
                for i in range(n_species):
                    x[i] = <double>x0[i]
                x[n_species] = 1.0
                x[n_species + 1] = 0.0
                statuses[k] = <int8_t>simulate(
                    &prepared.network, &c[0], &x[0], &rates[0], start, end, rng_stream(&key[0], first + k),
                    first_reaction, max_events, &self.sink, &n_events[k], &pace,
                )
                self.sink.states += stride


def simulate_grid(
    tables, const double[:, ::1] constants, const int64_t[::1] x0, span, const double[::1] times,
    const uint64_t[::1] key, Py_ssize_t first, Py_ssize_t count, Py_ssize_t per, bint first_reaction, stops,
    int64_t max_events, const int64_t[::1] keep,
):
    """Trajectories first..first+count-1 at given times: states (-1 where never reached), numbers of events, statuses.

    Trajectory i has row i // per of `constants`, and random stream i.
    """
    states = np.full((count, times.shape[0], keep.shape[0]), -1, np.int64)
    n_events, statuses = np.zeros(count, np.int64), np.zeros(count, np.int8)
    cdef int64_t[::1] flat = states.reshape(-1)
    cdef _Simulation simulation = _Simulation()
    if flat.shape[0] > 0:
        simulation.sink.times = &times[0]
        simulation.sink.n_times = times.shape[0]
        simulation.sink.keep = &keep[0]
        simulation.sink.n_keep = keep.shape[0]
        simulation.sink.states = &flat[0]
    simulation.run(
        tables, constants, x0, span[0], span[1], key, first, count, per, first_reaction, stops, max_events, n_events,
        statuses,
    )
    return states, n_events, statuses


def simulate_jumps(
    tables, const double[:, ::1] constants, const int64_t[::1] x0, span, const uint64_t[::1] key, Py_ssize_t first,
    Py_ssize_t count, Py_ssize_t per, bint first_reaction, stops, int64_t max_events,
):
    """All events of trajectories first..first+count-1: times, reactions, numbers of events, statuses."""
    n_events, statuses = np.zeros(count, np.int64), np.zeros(count, np.int8)
    cdef _Simulation simulation = _Simulation()
    simulation.sink.jumps = True
    simulation.run(
        tables, constants, x0, span[0], span[1], key, first, count, per, first_reaction, stops, max_events, n_events,
        statuses,
    )
    cdef Py_ssize_t total = simulation.sink.n_events
    times, reactions = np.empty(total), np.empty(total, np.int32)
    cdef double[::1] to_times = times
    cdef int32_t[::1] to_reactions = reactions
    if total > 0:
        memcpy(&to_times[0], simulation.sink.event_times, total * sizeof(double))
        memcpy(&to_reactions[0], simulation.sink.event_reactions, total * sizeof(int32_t))
    return times, reactions, n_events, statuses
