"""Kernels of stochastic simulation: direct, first reaction, rejection with composition, next reaction, batches."""

from libc.math cimport INFINITY, NAN, exp, fabs, ldexp, log, log1p, nextafter, sqrt, trunc
from libc.stdint cimport INT64_MAX, int8_t, int16_t, int32_t, int64_t, uint64_t, uintptr_t
from libc.string cimport memcpy

from threading import Lock

import numpy as np

from _events cimport Events, Watch, next_moment, reset, settled
from _intervals cimport Interval, enclosed
from _owned cimport Pool, drop, free_all, resized, roomy, zeros
from _programs cimport Instruction, evaluated
from _rng cimport Rng, next_double, next_u64, rng_stream, splitmix64
from _signals cimport Pace, new_pace, spend

from fastcore._programs import BadEvent as _BadEvent
from fastcore._programs import BadRate as _BadRate
from fastcore._stirling import TAILS
from fastcore._ziggurat import HEIGHT, INSIDE, WIDTH, R

cdef enum:
    FINISHED = 0
    ABSORBED = 1
    STOPPED = 2
    MAX_EVENTS = 3
    OVERFLOW = 4
    UNRESOLVED = 5
    FLYING = 6
    DIRECT = 0
    FIRST_REACTION = 1
    RSSACR = 2
    NEXT_REACTION = 3
    LEAPING = 4
    LANGEVIN = 5
    BATCHING = 6
    RESUM = 1024  # events after which the running total of the rates is summed afresh
    SHORT_CHANGE = 4  # lists up to these lengths are padded to one length, so that no branch is mispredicted
    SHORT_DEPENDANTS = 8
    FEW = 8  # up to so many reactions the search counts instead of branching
    FEW_MOVES = 16  # of a clock, that are fine wherever the span itself is
    LISTED = 64  # dependants that are listed beforehand, at most, for each term of the network

cdef double FALL = 1.0 / 1024
cdef double FINEST = 32.0  # steps between doubles that the time between two moves of a clock must have, in the mean
cdef double LARGEST_COUNT = 9007199254740992.0 - 2147483648.0

include "exponentials.pxi"
include "poisson.pxi"
include "draws.pxi"
include "network.pxi"


# Where a trajectory goes, states at given times or all events, and when it stops.
cdef struct Stop:
    int64_t species
    int64_t kind
    int64_t value

cdef struct Sink:
    const Stop* stops
    Py_ssize_t n_stops
    const double* times
    Py_ssize_t n_times
    Py_ssize_t at  # the next time
    const int64_t* keep
    Py_ssize_t n_keep
    int64_t* states
    bint real  # what is kept of a state are doubles, in the same memory
    bint jumps
    Pool pool
    double* event_times
    int32_t* event_reactions
    Py_ssize_t n_events
    Py_ssize_t capacity


cdef inline bint stopped(const Sink* sink, const double* x) noexcept nogil:
    cdef Py_ssize_t i
    cdef double count, value
    cdef int64_t kind
    for i in range(sink.n_stops):
        count = x[sink.stops[i].species]
        value = <double>sink.stops[i].value
        kind = sink.stops[i].kind
        if kind == 0 and count <= value or kind == 1 and count >= value:
            return True
        if kind == 2 and count == value or kind == 3 and count != value:
            return True
    return False


cdef inline double next_time(const Sink* sink) noexcept nogil:
    return sink.times[sink.at] if sink.at < sink.n_times else INFINITY


cdef inline double record(Sink* sink, const double* x, Py_ssize_t stride) noexcept nogil:
    # Keep the state at the next time; return the one after it.
    cdef Py_ssize_t i
    cdef int64_t* row = &sink.states[sink.at * sink.n_keep]
    if sink.real:
        for i in range(sink.n_keep):
            (<double*>row)[i] = x[sink.keep[i] * stride]
    else:
        for i in range(sink.n_keep):
            row[i] = <int64_t>x[sink.keep[i] * stride]
    sink.at += 1
    return next_time(sink)


cdef int grow(Sink* sink) except -1 nogil:
    cdef Py_ssize_t capacity = 2 * sink.capacity + 1024
    sink.event_times = <double*>resized(&sink.pool, sink.event_times, capacity, sizeof(double))
    sink.event_reactions = <int32_t*>resized(&sink.pool, sink.event_reactions, capacity, sizeof(int32_t))
    sink.capacity = capacity
    return 0


cdef inline int note(Sink* sink, double t, Py_ssize_t j) except -1 nogil:
    if sink.n_events == sink.capacity:
        grow(sink)
    sink.event_times[sink.n_events] = t
    sink.event_reactions[sink.n_events] = <int32_t>j
    sink.n_events += 1
    return 0


cdef inline double summed(const double* rates, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    cdef double total = 0.0
    cdef Py_ssize_t j
    for j in range(n):
        total += rates[j * stride]
    return total


cdef inline bint too_large(const Structure* network, const double* x, Py_ssize_t stride) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(network.n_species):
        if x[i * stride] > LARGEST_COUNT:
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


cdef struct Bounds
cdef struct Clocks
cdef struct Leaps
cdef struct Batches


# What a trajectory begins with, and how it ended.
cdef struct Run:
    double* c
    double* x  # the frame of programs
    double* rates
    int32_t* merged  # room for two lists of dependants
    int32_t* spare
    Bounds* bounds
    Clocks* clocks
    Leaps* leaps
    Batches* batches
    double start
    double end
    int64_t max_events
    int64_t n_events
    Rng rng
    double total  # of the rates
    double floor  # where it is summed afresh
    double t  # the last event's, or where events were last looked at
    double moment  # the next at which the time alone may set off an event
    double until  # that, or the end
    Watch watch


cdef inline bint resolved(const Run* run, double t, double covered, int64_t moves) noexcept nogil:
    # Whether doubles near t are fine enough for so many moves of the clock in so much time: each is rounded.
    cdef double largest = max(fabs(run.start), fabs(t))
    return moves <= FEW_MOVES or FINEST * <double>moves * (nextafter(largest, INFINITY) - largest) <= covered


cdef inline int sound(const Structure* network, const Run* run, const double* x, Py_ssize_t stride, double t,
                      int64_t n_events) noexcept nogil:
    # The status after what is looked at once in many events: what can't be well any more.
    if too_large(network, x, stride):
        return OVERFLOW
    return FINISHED if resolved(run, t, run.end - run.start, n_events) else UNRESOLVED


cdef inline int ended(const Structure* network, Run* run, Sink* sink, double t, int64_t n_events, int status,
                      Pace* pace) except -1 nogil:
    if status != OVERFLOW and not resolved(
        run, t, run.end - run.start if status == FINISHED else t - run.start, n_events
    ):
        status = UNRESOLVED
    if status == FINISHED or status == ABSORBED or status == STOPPED:
        while sink.at < sink.n_times:
            record(sink, run.x, 1)
    run.n_events = n_events
    run.t = t
    # What is left over, and a trajectory's own price.
    spend(pace, (16 + network.n_reactions // 8) * (n_events % RESUM) + 16 * network.n_reactions + 4 * sink.n_times
          + 1024)
    return status


cdef int looked(Run* run, const Sink* sink, int status) noexcept nogil:
    # What a run is after events, or at the start.
    if run.watch.wrong >= 0:
        return OVERFLOW
    return STOPPED if stopped(sink, run.x) else status


cdef int opened(Run* run, const Sink* sink) noexcept nogil:
    # The status at the start, where events may fire already.
    run.moment = INFINITY
    if run.watch.events.count > 0:
        settled(&run.watch, run.x, run.start)
        run.moment = next_moment(&run.watch, run.start)
    run.until = min(run.moment, run.end)
    return looked(run, sink, FINISHED)


cdef bint passed(Run* run, Sink* sink) noexcept nogil:
    # Let the time pass to the next moment of events, without a reaction; whether an event fired there.
    while next_time(sink) < run.moment:
        record(sink, run.x, 1)
    run.t = run.moment
    cdef bint fired = settled(&run.watch, run.x, run.t)
    run.moment = next_moment(&run.watch, run.t)
    run.until = min(run.moment, run.end)
    return fired


cdef double renewed(const Structure* network, Run* run) noexcept nogil:
    # All rates, and their sum.
    cdef Py_ssize_t i
    for i in range(network.n_reactions + 1):
        run.rates[i] = rate_of(network, run.c, run.x, i)
    return summed(run.rates, network.n_reactions, 1)


cdef int advanced(const Structure* network, Run* run, Sink* sink, int status, Pace* pace) except -1 nogil:
    # The direct method from where a run is: when, then which.
    cdef Rng rng = run.rng
    cdef Py_ssize_t n = network.n_reactions, j, i, k, count
    cdef int64_t n_events = run.n_events
    cdef double total = run.total, floor = run.floor, following, fresh, t = run.t
    cdef double recorded = next_time(sink)
    cdef const double* c = run.c
    cdef double* x = run.x
    cdef double* rates = run.rates
    cdef const int32_t* dependants
    cdef bint watched = run.watch.events.count > 0
    cdef bint looks = watched or sink.n_stops > 0
    while status == FINISHED:
        if not (floor < total and total < INFINITY):
            total = summed(rates, n, 1)
            floor = total * FALL
            if not (floor < total and total < INFINITY):
                if total != 0 or run.moment > run.end:
                    status = ABSORBED if total == 0 else OVERFLOW
                    break
        following = t + exponential(&rng) / total if total > 0 else INFINITY
        if following > run.until:
            if run.moment > run.end:
                break
            # Exponential times have no memory: from the moment on the next one is drawn anew.
            if passed(run, sink):
                total = renewed(network, run)
                floor = total * FALL
                status = looked(run, sink, status)
            t = run.t
            recorded = next_time(sink)
            spend(pace, 16 + 4 * n + run.watch.events.work)
            continue
        while recorded < following:
            recorded = record(sink, x, 1)
        if n_events == run.max_events:
            status = MAX_EVENTS
            break
        j = search(rates, n, next_double(&rng) * total)
        fire(network, x, j)
        n_events += 1
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
            fresh = rate_of(network, c, x, k)
            total += fresh - rates[k]
            rates[k] = fresh
        if total * FALL > floor:
            floor = total * FALL
        if sink.jumps:
            note(sink, t, j)
        if n_events % RESUM == 0:
            total = summed(rates, n, 1)
            floor = total * FALL
            status = sound(network, run, x, 1, t, n_events)
            spend(pace, RESUM * (16 + n // 8 + run.watch.events.work))
        if looks:
            if watched and settled(&run.watch, x, t):
                total = renewed(network, run)
                floor = total * FALL
                spend(pace, 4 * n)
            status = looked(run, sink, status)
    return ended(network, run, sink, t, n_events, status, pace)


cdef int direct(const Structure* network, Run* run, Sink* sink, Pace* pace) except -1 nogil:
    cdef int status = opened(run, sink)
    run.total = renewed(network, run)
    run.floor = run.total * FALL
    return advanced(network, run, sink, status, pace)


cdef int first_reaction(const Structure* network, Run* run, Sink* sink, Pace* pace) except -1 nogil:
    # The first reaction method: a waiting time for each reaction, and the shortest wins.
    cdef Rng rng = run.rng
    cdef Py_ssize_t n = network.n_reactions, j, i
    cdef int64_t n_events = 0
    cdef double rate, waiting, best, following, t = run.start
    cdef double recorded = next_time(sink)
    cdef double* x = run.x
    cdef bint watched = run.watch.events.count > 0
    cdef int status = opened(run, sink)
    while status == FINISHED:
        spend(pace, 16 * n)
        best = INFINITY
        j = -1
        for i in range(n):
            rate = rate_of(network, run.c, x, i)
            if rate > 0:
                if not rate < INFINITY:
                    status = OVERFLOW
                    break
                waiting = exponential(&rng) / rate
                if waiting < best or j < 0:
                    best = waiting
                    j = i
            elif rate != 0:  # NaN
                status = OVERFLOW
                break
        if status == OVERFLOW:
            break
        if j < 0 and run.moment > run.end:
            status = ABSORBED
            break
        following = t + best
        if following > run.until:
            if run.moment > run.end:
                break
            passed(run, sink)
            status = looked(run, sink, status)
            t = run.t
            recorded = next_time(sink)
            continue
        while recorded < following:
            recorded = record(sink, x, 1)
        if n_events == run.max_events:
            status = MAX_EVENTS
            break
        fire(network, x, j)
        n_events += 1
        t = following
        if sink.jumps:
            note(sink, t, j)
        if n_events % RESUM == 0:
            status = sound(network, run, x, 1, t, n_events)
            spend(pace, RESUM * (16 + n // 8))
        if watched:
            settled(&run.watch, x, t)
        if watched or sink.n_stops > 0:
            status = looked(run, sink, status)
    return ended(network, run, sink, t, n_events, status, pace)


include "rssacr.pxi"
include "next_reaction.pxi"
include "leaping.pxi"
include "langevin.pxi"
include "batching.pxi"


# The trajectories of a call, and how they ended.
cdef struct Ensemble:
    const double* constants  # rows of reactions, then slots
    Py_ssize_t n_slots
    const int64_t* x0
    bint one_x0
    const uint64_t* key
    uint64_t first
    Py_ssize_t per
    Py_ssize_t count
    int64_t* n_events
    int8_t* statuses


cdef void begin(const Ensemble* ensemble, const Structure* network, Run* run, Py_ssize_t k) noexcept nogil:
    # What trajectory k starts with.
    cdef Py_ssize_t n = network.n_reactions, n_species = network.n_species, slots = n_species + 2 + network.longest, i
    cdef uint64_t number = ensemble.first + k
    cdef Py_ssize_t row = <Py_ssize_t>(number // ensemble.per)
    cdef const double* constants = ensemble.constants + row * (n + ensemble.n_slots)
    cdef const int64_t* x0 = ensemble.x0 + (0 if ensemble.one_x0 else row * n_species)
    for i in range(n):
        run.c[i] = constants[i]
    for i in range(n_species):
        run.x[i] = <double>x0[i]
    run.x[n_species] = 1.0
    run.x[n_species + 1] = 0.0
    for i in range(ensemble.n_slots):
        run.x[slots + i] = constants[n + i]
    if run.watch.events.count > 0:
        reset(&run.watch, run.x + slots, ensemble.n_slots)
    run.rng = rng_stream(ensemble.key, number)
    run.t = run.start
    run.n_events = 0


cdef inline void keep_end(const Ensemble* ensemble, Py_ssize_t k, const Run* run, int status) noexcept nogil:
    ensemble.n_events[k] = run.n_events
    ensemble.statuses[k] = <int8_t>status


include "flight.pxi"
include "leapers.pxi"


cdef int blame(const Structure* network, Run* run, Py_ssize_t trajectory) except -1 nogil:
    # The event, or the program of a rate, that gave what can't be, if it was one: an error of its own.
    cdef Py_ssize_t j
    cdef double rate
    if run.watch.wrong >= 0:
        with gil:
            raise _BadEvent(trajectory, run.watch.wrong, run.t, None if run.watch.endless else run.watch.value)
    for j in range(network.n_reactions):
        if not network.laws[j].program:
            continue
        rate = rate_of(network, run.c, run.x, j)
        if not rate < INFINITY:
            rate = evaluated(
                network.program + network.laws[j].more_start, network.laws[j].more, run.x, network.n_species + 2
            )
            with gil:
                raise _BadRate(trajectory, j, run.t, rate)
    return 0


cdef class _Simulation:
    """Trajectories first..first+count-1 into a sink; owns the sink's memory."""

    cdef Sink sink

    def __cinit__(self):
        self.sink.pool = Pool(NULL, 0, 0)

    def __dealloc__(self):
        free_all(&self.sink.pool)

    cdef run(
        self, Network network, const double[:, ::1] constants, const int64_t[:, ::1] x0, double start, double end,
        const uint64_t[::1] key, uint64_t first, Py_ssize_t count, Py_ssize_t per, int method,
        const int64_t[:, ::1] stops, int64_t max_events, int64_t[::1] n_events, int8_t[::1] statuses,
        double epsilon=0.0,
    ):
        cdef const Structure* structure = &network.structure
        cdef Py_ssize_t n_species = structure.n_species, n = structure.n_reactions, k
        cdef Py_ssize_t n_slots = constants.shape[1] - n, size = n_species + 2 + structure.longest + n_slots
        cdef Pool* pool = &self.sink.pool
        cdef Pace pace = new_pace()
        cdef Run run
        cdef Bounds bounds
        cdef Ensemble ensemble
        cdef Clocks clocks
        cdef Leaps leaps
        cdef Batches batches
        cdef int status
        if count == 0:
            return
        ensemble.constants, ensemble.n_slots = &constants[0, 0], n_slots
        ensemble.x0, ensemble.one_x0 = &x0[0, 0], x0.shape[0] == 1
        ensemble.key, ensemble.first, ensemble.per, ensemble.count = &key[0], first, per, count
        ensemble.n_events, ensemble.statuses = &n_events[0], &statuses[0]
        run.bounds, run.clocks, run.leaps, run.batches = &bounds, &clocks, &leaps, &batches
        if method == DIRECT or method == NEXT_REACTION:
            network.list_dependants(&pace)
        if method == RSSACR:
            prepare_bounds(structure, &bounds, size, pool)
        if method == NEXT_REACTION:
            prepare_clocks(structure, &clocks, size, pool)
        if method == BATCHING:
            prepare_batches(structure, &batches, pool, &pace)
        self.sink.real = method == LANGEVIN
        run.start, run.end, run.max_events = start, end, max_events
        run.c = <double*>zeros(pool, n + 1, sizeof(double))
        run.x = <double*>zeros(pool, size, sizeof(double))
        run.rates = <double*>zeros(pool, n + 1, sizeof(double))
        run.merged = <int32_t*>zeros(pool, n if structure.merges else 0, sizeof(int32_t))
        run.spare = <int32_t*>zeros(pool, n if structure.merges else 0, sizeof(int32_t))
        cdef const Events* events = &network.events
        run.watch.events = events
        run.watch.wrong = -1
        if events.count > 0:
            run.watch.frame = <double*>zeros(pool, n_species + 1 + events.longest + n_slots, sizeof(double))
            run.watch.values = <double*>zeros(pool, events.n_changes, sizeof(double))
            run.watch.held = <int8_t*>zeros(pool, events.count, sizeof(int8_t))
            run.watch.fires = <int8_t*>zeros(pool, events.count, sizeof(int8_t))
        self.sink.n_stops = stops.shape[0]
        self.sink.stops = <const Stop*>&stops[0, 0] if stops.shape[0] else NULL
        if method == LEAPING or method == LANGEVIN:
            leaps.epsilon = epsilon
            prepare_leaps(structure, events, self.sink.stops, self.sink.n_stops, &leaps, pool, &pace)
        if method == DIRECT and flies(structure, &run, &self.sink, count):
            with nogil:
                fly(structure, &ensemble, &self.sink, &run, pool, &pace)
            return
        if method == LEAPING and leap_together(structure, &run, &self.sink, count):
            with nogil:
                leap_all(structure, &ensemble, &self.sink, &run, pool, &pace)
            return
        cdef Py_ssize_t stride = self.sink.n_times * self.sink.n_keep
        with nogil:
            for k in range(count):
                begin(&ensemble, structure, &run, k)
                self.sink.at = 0
                if method == DIRECT:
                    status = direct(structure, &run, &self.sink, &pace)
                elif method == RSSACR:
                    status = rssacr(structure, &run, &self.sink, &pace)
                elif method == NEXT_REACTION:
                    status = next_reaction(structure, &run, &self.sink, &pace)
                elif method == LEAPING:
                    status = leaping(structure, &run, &self.sink, INT64_MAX, &pace)
                elif method == LANGEVIN:
                    status = langevin(structure, &run, &self.sink, &pace)
                elif method == BATCHING:
                    status = batching(structure, &run, &self.sink, &pace)
                else:
                    status = first_reaction(structure, &run, &self.sink, &pace)
                if status == OVERFLOW:
                    blame(structure, &run, first + k)
                keep_end(&ensemble, k, &run, status)
                self.sink.states += stride


def simulate_grid(
    Network network not None, const double[:, ::1] constants, const int64_t[:, ::1] x0, span, const double[::1] times,
    const uint64_t[::1] key, Py_ssize_t first, Py_ssize_t count, Py_ssize_t per, int method,
    const int64_t[:, ::1] stops, int64_t max_events, const int64_t[::1] keep, double epsilon=0.03, states=None,
):
    """Trajectories first..first+count-1 at given times: states (-1 where never reached), numbers of events, statuses.

    States go into `states`, of shape (count, times, keep), if that is given.

    Trajectory i has row i // per of `constants` (of reactions, then slots) and of `x0` (or its only one), and random
    stream i. Tau-leaping takes `epsilon`, and counts steps for `max_events`. So does the Langevin equation, whose
    states are doubles in the same memory (NaN where never reached), and whose numbers of events are those of steps.
    Batching counts a batch as 64 events there, and takes rates of at most two factors, and no stops.
    """
    if states is None:
        states = np.empty((count, times.shape[0], keep.shape[0]), np.int64)
    states.fill(-1)
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
        network, constants, x0, span[0], span[1], key, first, count, per, method, stops, max_events, n_events, statuses,
        epsilon,
    )
    return states, n_events, statuses


def simulate_jumps(
    Network network not None, const double[:, ::1] constants, const int64_t[:, ::1] x0, span, const uint64_t[::1] key,
    Py_ssize_t first, Py_ssize_t count, Py_ssize_t per, int method, const int64_t[:, ::1] stops, int64_t max_events,
):
    """All events of trajectories first..first+count-1: times, reactions, numbers of events, statuses."""
    n_events, statuses = np.zeros(count, np.int64), np.zeros(count, np.int8)
    cdef _Simulation simulation = _Simulation()
    simulation.sink.jumps = True
    simulation.run(
        network, constants, x0, span[0], span[1], key, first, count, per, method, stops, max_events, n_events, statuses
    )
    cdef Py_ssize_t total = simulation.sink.n_events
    times, reactions = np.empty(total), np.empty(total, np.int32)
    cdef double[::1] to_times = times
    cdef int32_t[::1] to_reactions = reactions
    if total > 0:
        memcpy(&to_times[0], simulation.sink.event_times, total * sizeof(double))
        memcpy(&to_reactions[0], simulation.sink.event_reactions, total * sizeof(int32_t))
    return times, reactions, n_events, statuses


include "states.pxi"
