# What a network looks like to the inner loops; a law (flight.h) is a rate.
cdef extern from "flight.h" nogil:
    ctypedef struct Law:
        int32_t a
        int32_t b
        double minus
        int64_t more_start
        int32_t more  # further factors, or instructions
        int32_t program

cdef extern from "leaps.h" nogil:
    ctypedef struct Change:
        int64_t species
        double by
    ctypedef struct Pair:
        double order
        int32_t times

cdef struct Reaction:
    int64_t change_start
    int64_t change_end
    int64_t dependant_start  # -1: too many to be listed beforehand, merged whenever the reaction fires
    int64_t dependant_end

cdef struct Structure:
    Py_ssize_t n_species
    Py_ssize_t n_reactions
    Law* laws
    Reaction* reactions
    Change* changes
    int32_t* dependants
    const int64_t* more_species
    const int64_t* more_minus
    const int64_t* reader_at
    const int64_t* reader
    bint merges
    const Instruction* program
    Py_ssize_t longest  # program
    const int64_t* need_at
    const int64_t* need
    const int64_t* least


cdef Py_ssize_t merged(const Structure* network, Py_ssize_t j, int32_t** found, int32_t** spare) noexcept nogil:
    # The dependants of a reaction, rising: the readers of the species that it changes, merged one list after another.
    cdef const Reaction* reaction = &network.reactions[j]
    cdef Py_ssize_t count = 0, i, at, into, begin, end, species
    cdef int32_t k
    cdef int32_t* out
    for i in range(reaction.change_start, reaction.change_end):
        species = network.changes[i].species
        if species >= network.n_species:
            continue
        begin, end = network.reader_at[species], network.reader_at[species + 1]
        if begin == end:
            continue
        out = spare[0]
        at = into = 0
        while at < count or begin < end:
            if begin == end or at < count and found[0][at] <= network.reader[begin]:
                k = found[0][at]
                begin += begin < end and network.reader[begin] == k
                at += 1
            else:
                k = <int32_t>network.reader[begin]
                begin += 1
            out[into] = k
            into += 1
        spare[0] = found[0]
        found[0] = out
        count = into
    return count


cdef const int64_t* pointer(const int64_t[::1] array) except? NULL:
    return &array[0] if array.shape[0] else NULL


cdef class Network:
    """A network laid out for the inner loops, in memory that is linear in its terms; made once, then only read.

    Dependants, the largest part of it by far, are listed for the first run that asks for them.
    """

    cdef Pool pool
    cdef Structure structure
    cdef Events events
    cdef const int64_t[::1] factor, minus, reader_at, reader, need_at, need, least
    cdef const int32_t[:, ::1] program
    cdef tuple kept  # what the events point into
    cdef object listing  # held by the thread that lists dependants
    cdef bint listed

    def __cinit__(self, tables, events=None):
        cdef Pace pace = new_pace()
        self.pool = Pool(NULL, 0, 0)
        self.listing = Lock()
        self.factor, self.minus = tables.factor, tables.minus
        self.reader_at, self.reader = tables.reader_at, tables.reader
        self.structure.n_species = len(self.reader_at) - 1
        self.structure.n_reactions = len(tables.factor_at) - 1
        self.structure.more_species = &self.factor[0] if len(self.factor) else NULL
        self.structure.more_minus = &self.minus[0] if len(self.minus) else NULL
        self.structure.reader_at = &self.reader_at[0]
        self.structure.reader = &self.reader[0] if len(self.reader) else NULL
        self.need_at, self.need, self.least = tables.need_at, tables.need, tables.least
        self.program = tables.program
        self.structure.need_at = &self.need_at[0]
        self.structure.need = &self.need[0] if len(self.need) else NULL
        self.structure.least = &self.least[0] if len(self.least) else NULL
        self.structure.reactions = <Reaction*>zeros(&self.pool, self.structure.n_reactions, sizeof(Reaction))
        self.lay_laws(tables.factor_at, tables.program_at, &pace)
        self.lay_programs(&pace)
        self.lay_changes(tables.change_at, tables.changed, tables.by, &pace)
        if events is not None:
            self.lay_events(events)

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int lay_events(self, given) except -1:
        cdef Events* events = &self.events
        self.kept = tuple(given)
        events.n_species, events.longest = self.structure.n_species, given.longest
        events.count, events.n_changes = len(given.before), len(given.changed)
        events.n_reads, events.n_moments = len(given.read), len(given.moment)
        events.trigger_at, events.event_at = pointer(given.trigger_at), pointer(given.event_at)
        events.change_at, events.changed = pointer(given.change_at), pointer(given.changed)
        events.before, events.read = pointer(given.before), pointer(given.read)
        events.moment, events.after = pointer(given.moment), pointer(given.after)
        events.work = events.trigger_at[events.count] + events.n_reads
        events.program = self.instructions(given.program)
        return 0

    cdef Instruction* instructions(self, const int32_t[:, ::1] given) except? NULL:
        cdef Instruction* program = <Instruction*>zeros(&self.pool, given.shape[0], sizeof(Instruction))
        cdef Py_ssize_t i
        for i in range(given.shape[0]):
            program[i] = Instruction(given[i, 0], given[i, 1], given[i, 2], given[i, 3])
        return program

    cdef int lay_laws(self, const int64_t[::1] factor_at, const int64_t[::1] program_at, Pace* pace) except -1:
        # One more than there are reactions: a law whose rate is 0, which pads lists of dependants.
        cdef Py_ssize_t n = self.structure.n_reactions, j, start, end
        cdef Law* laws = <Law*>zeros(&self.pool, n + 1, sizeof(Law))
        self.structure.laws = laws
        for j in range(n + 1):
            spend(pace, 8)
            laws[j].a = laws[j].b = <int32_t>self.structure.n_species
            if j == n:
                break
            start, end = factor_at[j], factor_at[j + 1]
            if end > start:
                laws[j].a = <int32_t>self.factor[start]
            if end > start + 1:
                laws[j].b = <int32_t>self.factor[start + 1]
                laws[j].minus = <double>self.minus[start + 1]
            laws[j].more_start, laws[j].more = min(start + 2, end), <int32_t>max(end - start - 2, 0)
            if program_at[j + 1] > program_at[j]:
                laws[j].more_start, laws[j].more = program_at[j], <int32_t>(program_at[j + 1] - program_at[j])
                laws[j].program = True
                self.structure.longest = max(self.structure.longest, laws[j].more)
        return 0

    cdef int lay_programs(self, Pace* pace) except -1:
        # The frame begins with the counts and two places more, 1.0 and the time, where changes of nothing go too.
        cdef Py_ssize_t n = self.structure.n_species, i
        cdef Instruction* program = <Instruction*>zeros(&self.pool, self.program.shape[0], sizeof(Instruction))
        for i in range(self.program.shape[0]):
            spend(pace, 4)
            program[i] = Instruction(self.program[i, 0], self.program[i, 1], self.program[i, 2], self.program[i, 3])
            program[i].a += program[i].a >= n
            program[i].b += program[i].b >= n
            program[i].c += program[i].c >= n
        self.structure.program = program
        return 0

    cdef int lay_changes(
        self, const int64_t[::1] change_at, const int64_t[::1] changed, const int64_t[::1] by, Pace* pace
    ) except -1:
        # All lists as long as the longest by changes of nothing, if that is short.
        cdef Py_ssize_t n = self.structure.n_reactions, longest = 0, at = 0, j, i
        for j in range(n):
            longest = max(longest, change_at[j + 1] - change_at[j])
        cdef Py_ssize_t width = longest if longest <= SHORT_CHANGE else 0
        cdef Change* changes = <Change*>zeros(&self.pool, max(len(changed), n * width), sizeof(Change))
        self.structure.changes = changes
        for j in range(n):
            spend(pace, 8)
            self.structure.reactions[j].change_start = at
            for i in range(change_at[j], change_at[j + 1]):
                changes[at] = Change(changed[i], <double>by[i])
                at += 1
            while at < self.structure.reactions[j].change_start + width:
                changes[at].species = self.structure.n_species + 1
                at += 1
            self.structure.reactions[j].change_end = at
        return 0

    cdef int list_dependants(self, Pace* pace) except -1:
        # Once, by whichever thread comes first; one that is interrupted leaves it to the next.
        cdef Pool lists
        with self.listing:
            if not self.listed:
                lists = Pool(NULL, 0, 0)
                try:
                    self.lay_dependants(&lists, pace)
                finally:
                    free_all(&lists)
                self.listed = True
        return 0

    cdef int lay_dependants(self, Pool* lists, Pace* pace) except -1:
        # Listed while they are few for the terms that there are: a hub that all reactions change and read would have
        # as many as there are pairs of reactions.
        cdef Structure* network = &self.structure
        cdef Py_ssize_t n = network.n_reactions, longest = 0, room = 0, at = 0, left, most, count, j, i
        cdef Reaction* reaction
        cdef int32_t* found = <int32_t*>zeros(lists, n, sizeof(int32_t))
        cdef int32_t* spare = <int32_t*>zeros(lists, n, sizeof(int32_t))
        cdef int32_t* padded
        # What an interrupted listing has left behind.
        drop(&self.pool, network.dependants)
        network.dependants = NULL
        network.merges = False
        left = LISTED * (n + len(self.factor) + (network.reactions[n - 1].change_end if n else 0))
        for j in range(n):
            reaction = &network.reactions[j]
            most = 0
            for i in range(reaction.change_start, reaction.change_end):
                if network.changes[i].species < network.n_species:
                    most += network.reader_at[network.changes[i].species + 1]
                    most -= network.reader_at[network.changes[i].species]
            spend(pace, 16 + 4 * min(most, left))
            if most > left:
                reaction.dependant_start = -1
                network.merges = True
                continue
            left -= most
            count = merged(network, j, &found, &spare)
            network.dependants = <int32_t*>roomy(&self.pool, network.dependants, &room, at + count, sizeof(int32_t))
            memcpy(network.dependants + at, found, count * sizeof(int32_t))
            reaction.dependant_start = at
            at += count
            reaction.dependant_end = at
            longest = max(longest, count)
        if network.merges or longest > SHORT_DEPENDANTS:
            network.dependants = <int32_t*>resized(&self.pool, network.dependants, at, sizeof(int32_t))
            return 0
        # All lists as long as the longest by the reaction that isn't there.
        padded = <int32_t*>zeros(&self.pool, n * longest, sizeof(int32_t))
        for j in range(n):
            spend(pace, 8)
            reaction = &network.reactions[j]
            count = reaction.dependant_end - reaction.dependant_start
            for i in range(longest):
                padded[j * longest + i] = network.dependants[reaction.dependant_start + i] if i < count else <int32_t>n
            reaction.dependant_start, reaction.dependant_end = j * longest, (j + 1) * longest
        drop(&self.pool, network.dependants)
        network.dependants = padded
        return 0


cdef inline bint lacks(const Structure* network, const double* x, Py_ssize_t j) noexcept nogil:
    # Whether reactants are missing, of a reaction whose rate is a program.
    cdef Py_ssize_t i
    for i in range(network.need_at[j], network.need_at[j + 1]):
        if x[network.need[i]] < <double>network.least[i]:
            return True
    return False


cdef double further(const Structure* network, double* x, Py_ssize_t j, double rate) noexcept nogil:
    # What two factors aren't enough for. NaN is a rate that can't be: it turns the total into NaN.
    cdef const Law* law = &network.laws[j]
    cdef Py_ssize_t f
    if law.program:
        if lacks(network, x, j):
            return 0.0
        rate = evaluated(network.program + law.more_start, law.more, x, network.n_species + 2)
        return rate if rate >= 0.0 else NAN
    for f in range(law.more_start, law.more_start + law.more):
        rate *= x[network.more_species[f]] - <double>network.more_minus[f]
    return rate


cdef inline double rate_of(const Structure* network, const double* c, double* x, Py_ssize_t j) noexcept nogil:
    cdef const Law* law = &network.laws[j]
    cdef double rate = (c[j] * x[law.a]) * (x[law.b] - law.minus)
    return rate if law.more == 0 else further(network, x, j, rate)


cdef inline void fire(const Structure* network, double* x, Py_ssize_t j) noexcept nogil:
    cdef const Reaction* reaction = &network.reactions[j]
    cdef Py_ssize_t i
    for i in range(reaction.change_start, reaction.change_end):
        x[network.changes[i].species] += network.changes[i].by
