# The k best segmentations of a text that differ once runs of letters and digits are joined, in O(k) a position.
#
# At each position lie the best readings up to it, falling, at most k in each of the two states of the joining; what
# tells them apart is what is read off them, not the words inside a run. What has been passed keeps eight bytes a
# reading, to trace it back by.
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from _signals cimport Pace, spend

cdef struct Reading:
    double base  # the sum over the pieces before this one
    double sum  # of this piece's words, from 1, so that rounding falls as in `best_path`
    int64_t start  # where the last token begins
    int64_t before  # the number, among what is read up to there, of what is read before that token
    int64_t number  # of what is read up to here
    int32_t place  # of the reading that the last word goes on from, among those where it begins
    uint32_t length  # of the last word
    bint joining
    bint grown  # whether the last word only made the last token longer

cdef struct Readings:
    Reading* at
    Py_ssize_t n, room
    bint shared  # whether two of them read the same, in different states

cdef struct Trace:
    int32_t place
    uint32_t edge  # the length of the last word and whether it grew the token, as the lowest bit

cdef struct Known:
    # An entry of a table that says what was met since it was last emptied, which is a new `turn`.
    int64_t start, before, turn, value
    bint joining

cdef struct Nbest:
    Readings* lines  # one a position
    Trace* traces
    int64_t* offsets  # of each position's traces
    Py_ssize_t length, n_traces, traces_room
    Reading* merged
    Py_ssize_t merged_room
    Known* known
    Py_ssize_t known_mask
    int64_t turn


cdef inline void nbest_free(Nbest* self) noexcept nogil:
    cdef Py_ssize_t i
    if self.lines != NULL:
        for i in range(self.length + 1):
            free(self.lines[i].at)
    free(self.lines)
    free(self.traces)
    free(self.offsets)
    free(self.merged)
    free(self.known)


cdef inline int nbest_init(Nbest* self, Py_ssize_t length) except -1 nogil:
    # Of a struct that is all zero; what fails is freed by `nbest_free` all the same.
    self.lines = <Readings*>calloc(length + 1, sizeof(Readings))
    if self.lines == NULL:
        raise MemoryError
    self.length = length
    self.offsets = <int64_t*>calloc(length + 2, sizeof(int64_t))
    self.lines[0].at = <Reading*>calloc(1, sizeof(Reading))
    if self.offsets == NULL or self.lines[0].at == NULL:
        raise MemoryError
    self.lines[0].at[0].sum = 1.0
    self.lines[0].n = self.lines[0].room = 1
    return 0


cdef inline int _make_room(Nbest* self, Py_ssize_t n) except -1 nogil:
    # For a merge of n readings.
    cdef Reading* merged
    cdef Py_ssize_t size = 64
    if n <= self.merged_room:
        return 0
    merged = <Reading*>realloc(self.merged, 2 * n * sizeof(Reading))
    if merged == NULL:
        raise MemoryError
    self.merged, self.merged_room = merged, 2 * n
    while size < 4 * n:
        size *= 2
    free(self.known)
    self.known = <Known*>calloc(size, sizeof(Known))
    if self.known == NULL:
        raise MemoryError
    self.known_mask = size - 1
    return 0


cdef inline Known* _look_up(Nbest* self, int64_t start, int64_t before, bint joining) noexcept nogil:
    # The entry of what was met in this turn, or a free one.
    cdef uint64_t at = <uint64_t>start * <uint64_t>0x9E3779B97F4A7C15 + <uint64_t>before
    cdef Known* entry
    at *= <uint64_t>0xD6E8FEB86659FD93
    at ^= at >> 32
    while True:
        entry = &self.known[at & self.known_mask]
        if entry.turn != self.turn or (
            entry.start == start and entry.before == before and entry.joining == joining
        ):
            return entry
        at += 1


cdef inline bint _first_of_its_kind(Nbest* self, const Reading* reading) noexcept nogil:
    cdef Known* entry = _look_up(self, reading.start, reading.before, reading.joining)
    if entry.turn == self.turn:
        return False
    entry[0] = Known(reading.start, reading.before, self.turn, 0, reading.joining)
    return True


cdef inline int nbest_arrive(Nbest* self, Py_ssize_t i) except -1 nogil:
    # All readings up to i are there: number what is read, and keep how each got there.
    cdef Readings* line = &self.lines[i]
    cdef Py_ssize_t r, room
    cdef Trace* traces
    cdef Reading* reading
    cdef Known* entry
    cdef bint both = False
    if self.n_traces + line.n > self.traces_room:
        room = 2 * self.traces_room + line.n + 1024
        traces = <Trace*>realloc(self.traces, room * sizeof(Trace))
        if traces == NULL:
            raise MemoryError
        self.traces, self.traces_room = traces, room
    for r in range(line.n):
        reading = &line.at[r]
        reading.number = r
        both = both or reading.joining != line.at[0].joining
        self.traces[self.n_traces] = Trace(reading.place, reading.length << 1 | reading.grown)
        self.n_traces += 1
    self.offsets[i + 1] = self.n_traces
    if both:
        _make_room(self, line.n)
        self.turn += 1
        for r in range(line.n):
            reading = &line.at[r]
            entry = _look_up(self, reading.start, reading.before, False)
            if entry.turn == self.turn:
                reading.number = entry.value
                line.shared = True
            else:
                entry[0] = Known(reading.start, reading.before, self.turn, r, False)
    return 0


cdef inline double _total(const Reading* reading) noexcept nogil:
    return reading.base + (reading.sum - 1.0)


cdef inline int nbest_step(
    Nbest* self, Py_ssize_t i, Py_ssize_t j, double score, bint ends_piece, Py_ssize_t k, const bint* grows,
    const bint* joins, Pace* pace
) except -1 nogil:
    # Let a word go from i to j. grows[s], joins[s]: whether it grows the token of a reading in state s, and the state
    # after it. Of equal sums what was there first stays first.
    cdef Readings* line = &self.lines[i]
    cdef Readings* into = &self.lines[j]
    cdef Py_ssize_t old = 0, new = 0, n = 0, room
    cdef Py_ssize_t[2] kept
    cdef Reading more
    cdef Reading* there
    cdef bint distinct = not (grows[0] or grows[1] or line.shared), ready = False
    cdef double total, other
    _make_room(self, into.n + line.n)
    spend(pace, 16 * (into.n + line.n))
    kept[0] = kept[1] = 0
    self.turn += 1
    while True:
        if not ready and new < line.n:
            more = line.at[new]
            more.grown = grows[more.joining]
            if not more.grown:
                more.start, more.before = i, more.number
            more.joining = joins[more.joining]
            if ends_piece:
                more.base, more.sum = _total(&more), 1.0
            else:
                more.sum += score
            more.place, more.length = <int32_t>new, <uint32_t>(j - i)
            new += 1
            ready = True
        if old < into.n:
            there = &into.at[old]
            total, other = _total(there), _total(&more) if ready else 0.0
            if not ready or total > other or (total == other and there.sum >= more.sum):
                old += 1
            else:
                there = &more
                ready = False
        elif ready:
            there = &more
            ready = False
        else:
            break
        if kept[there.joining] < k and (distinct or _first_of_its_kind(self, there)):
            kept[there.joining] += 1
            self.merged[n] = there[0]
            n += 1
    if n > into.room:
        room = max(n, min(2 * into.room, 2 * k))
        there = <Reading*>realloc(into.at, room * sizeof(Reading))
        if there == NULL:
            raise MemoryError
        into.at, into.room = there, room
    memcpy(into.at, self.merged, n * sizeof(Reading))
    into.n = n
    return 0


cdef inline void nbest_leave(Nbest* self, Py_ssize_t i) noexcept nogil:
    # All words that begin at i have gone.
    free(self.lines[i].at)
    self.lines[i].at = NULL
    self.lines[i].n = self.lines[i].room = 0
