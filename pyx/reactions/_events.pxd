# Events of a network (fastcore/reactions/_events.py): what is set at once when a condition becomes true.
from libc.math cimport INFINITY, fabs, nextafter, rint
from libc.stdint cimport int8_t, int32_t, int64_t

from _programs cimport Instruction, evaluated

cdef enum:
    MOST_ROUNDS = 1000  # of events that set each other off at one moment

cdef struct Events:
    Py_ssize_t count  # 0: there are none, and nothing else is set
    Py_ssize_t n_species
    Py_ssize_t n_changes
    Py_ssize_t n_reads
    Py_ssize_t n_moments
    Py_ssize_t longest
    Py_ssize_t work  # instructions of all triggers
    const Instruction* program
    const int64_t* trigger_at
    const int64_t* event_at
    const int64_t* change_at
    const int64_t* changed
    const int64_t* before
    const int64_t* read
    const int64_t* moment
    const int64_t* after

# One trajectory's events: which triggers held when they were last looked at.
cdef struct Watch:
    const Events* events
    double* frame
    double* values
    int8_t* held
    int8_t* fires
    Py_ssize_t wrong  # the event that couldn't be, or -1
    double value  # what it would have set
    bint endless


cdef inline void reset(Watch* watch, const double* slots, Py_ssize_t n_slots) noexcept nogil:
    cdef const Events* events = watch.events
    cdef Py_ssize_t i
    watch.wrong = -1
    watch.endless = False
    for i in range(n_slots):
        watch.frame[events.n_species + 1 + events.longest + i] = slots[i]
    for i in range(events.count):
        watch.held[i] = <int8_t>events.before[i]


cdef inline double next_moment(const Watch* watch, double t) noexcept nogil:
    # The first moment after t at which a trigger may change by the time alone.
    cdef const Events* events = watch.events
    cdef const double* slots = watch.frame + events.n_species + 1 + events.longest
    cdef double found = INFINITY, moment
    cdef Py_ssize_t i
    for i in range(events.n_moments):
        moment = slots[events.moment[i]]
        if events.after[i]:
            moment = nextafter(moment, INFINITY)
        if t < moment and moment < found:
            found = moment
    return found


cdef inline double said(const Watch* watch, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    return evaluated(watch.events.program + first, last - first, watch.frame, watch.events.n_species + 1)


cdef inline bint look(Watch* watch, const double* x, double t) noexcept nogil:
    # Whether any trigger became true.
    cdef const Events* events = watch.events
    cdef bint holds, found = False
    cdef double truth
    cdef Py_ssize_t i
    for i in range(events.n_reads):
        watch.frame[events.read[i]] = x[events.read[i]]
    watch.frame[events.n_species] = t
    for i in range(events.count):
        truth = said(watch, events.trigger_at[i], events.trigger_at[i + 1])
        holds = truth < 0 or truth > 0  # NaN is neither
        watch.fires[i] = holds and not watch.held[i]
        watch.held[i] = holds
        found = found or watch.fires[i]
    return found


cdef inline bint is_count(double value, double whole) noexcept nogil:
    # Whether a computed amount is meant to be a whole number from 0 to 2**53 - 2**31.
    return 0 <= whole and whole <= 9007197107257344.0 and fabs(value - whole) <= 1e-9 * max(whole, 1.0)


cdef inline void change(Watch* watch, double* x) noexcept nogil:
    # Set what the events that fire say: all amounts are computed before any is set.
    cdef const Events* events = watch.events
    cdef double value, whole
    cdef Py_ssize_t e, a
    for e in range(events.count):
        if watch.fires[e]:
            for a in range(events.event_at[e], events.event_at[e + 1]):
                watch.values[a] = said(watch, events.change_at[a], events.change_at[a + 1])
    for e in range(events.count):
        if not watch.fires[e]:
            continue
        for a in range(events.event_at[e], events.event_at[e + 1]):
            value = watch.values[a]
            whole = rint(value)
            if not is_count(value, whole):
                watch.wrong = e
                watch.value = value
                return
            x[events.changed[a]] = whole + 0.0  # no negative zero


cdef inline bint settled(Watch* watch, double* x, double t) noexcept nogil:
    # Let events fire until no trigger becomes true any more; whether any did. What can't be is in `wrong`.
    cdef Py_ssize_t _round
    if not look(watch, x, t):
        return False
    for _round in range(MOST_ROUNDS):
        change(watch, x)
        if watch.wrong >= 0 or not look(watch, x, t):
            return True
    watch.endless = True
    watch.wrong = 0
    while watch.wrong < watch.events.count - 1 and not watch.fires[watch.wrong]:
        watch.wrong += 1
    return True
