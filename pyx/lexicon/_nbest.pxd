# The k best segmentations of a text that differ once runs of letters and digits are joined, in O(k) a position.
#
# At each position lie the best readings up to it, falling, at most k in each of the two states of the joining; what
# tells them apart is what is read off them, not the words inside a run. What has been passed keeps eight bytes a
# reading, to trace it back by.
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _character_classes cimport BREAK, joins
from _owned cimport Pool, drop, resized, roomy, zeros
from _signals cimport Pace, spend
from _trie_layout cimport Unit

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
    # An entry of a table that says what was met since it was last emptied. It isn't the common one, since it is emptied
    # for every word of the lattice: a new `turn` does that.
    int64_t start, before, turn, value
    bint joining

cdef struct Nbest:
    # Given by the caller, the rest all zero: the text as symbols and classes, and what is asked.
    const Unit* units
    const uint32_t* symbols
    const uint8_t* classes
    double null_score
    int join
    Py_ssize_t length, k
    Pool* pool
    Pace* pace
    # Our own.
    Readings* lines  # one a position
    Trace* traces
    int64_t* offsets  # of each position's traces
    Py_ssize_t n_traces, traces_room
    Reading* merged
    Py_ssize_t merged_room
    Known* known
    Py_ssize_t known_mask
    int64_t turn


cdef inline int _make_room(Nbest* self, Py_ssize_t n) except -1 nogil:
    # For a merge of n readings.
    cdef Py_ssize_t size = 64
    if n <= self.merged_room:
        return 0
    self.merged = <Reading*>resized(self.pool, self.merged, 2 * n, sizeof(Reading))
    while size < 4 * n:
        size *= 2
    drop(self.pool, self.known)
    self.known = NULL
    self.known = <Known*>zeros(self.pool, size, sizeof(Known))
    self.known_mask = size - 1
    self.merged_room = 2 * n
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


cdef inline int _arrive(Nbest* self, Py_ssize_t i) except -1 nogil:
    # All readings up to i are there: number what is read, and keep how each got there.
    cdef Readings* line = &self.lines[i]
    cdef Py_ssize_t r
    cdef Reading* reading
    cdef Known* entry
    cdef bint both = False
    self.traces = <Trace*>roomy(self.pool, self.traces, &self.traces_room, self.n_traces + line.n, sizeof(Trace))
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


cdef inline int _go(
    Nbest* self, Py_ssize_t i, Py_ssize_t j, double score, bint ends_piece, const bint* grows, const bint* joining
) except -1 nogil:
    # Let a word go from i to j. grows[s], joining[s]: whether it grows the token of a reading in state s, and the state
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
    spend(self.pace, 16 * (into.n + line.n))
    kept[0] = kept[1] = 0
    self.turn += 1
    while True:
        if not ready and new < line.n:
            more = line.at[new]
            more.grown = grows[more.joining]
            if not more.grown:
                more.start, more.before = i, more.number
            more.joining = joining[more.joining]
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
        if kept[there.joining] < self.k and (distinct or _first_of_its_kind(self, there)):
            kept[there.joining] += 1
            self.merged[n] = there[0]
            n += 1
    if n > into.room:
        room = max(n, min(2 * into.room, 2 * self.k))
        into.at = <Reading*>resized(self.pool, into.at, room, sizeof(Reading))
        into.room = room
    memcpy(into.at, self.merged, n * sizeof(Reading))
    into.n = n
    return 0


cdef inline int _step(Nbest* self, Py_ssize_t i, Py_ssize_t j, double score, bint ends_piece) except -1 nogil:
    # Let a word go from i to j, whatever state the readings up to i are in.
    cdef bint[2] grows
    cdef bint[2] joining
    cdef int state
    for state in range(2):
        grows[state], joining[state] = False, False
        if self.join:
            joining[state] = state
            grows[state] = joins(
                self.join, self.classes, self.classes[i - 1] if i else 0, i, j, &joining[state]
            )
    return _go(self, i, j, score, ends_piece, grows, joining)


cdef inline int nbest_all(Nbest* self) except -1 nogil:
    # The readings of the whole text, at its last position.
    cdef const Unit* units = self.units
    cdef Py_ssize_t i, j
    cdef int32_t slot, parent
    self.lines = <Readings*>zeros(self.pool, self.length + 1, sizeof(Readings))
    self.offsets = <int64_t*>zeros(self.pool, self.length + 2, sizeof(int64_t))
    self.lines[0].at = <Reading*>zeros(self.pool, 1, sizeof(Reading))
    self.lines[0].at[0].sum = 1.0
    self.lines[0].n = self.lines[0].room = 1
    for i in range(self.length):
        spend(self.pace, 16)
        _arrive(self, i)
        if self.classes[i] & BREAK:
            _step(self, i, i + 1, 0.0, True)
        else:
            parent, slot, j = 0, <int32_t>self.symbols[i], i
            while units[slot].check == parent:
                j += 1
                if units[slot].score > -INFINITY:
                    _step(self, i, j, units[slot].score, False)
                parent, slot = slot, units[slot].base + <int32_t>self.symbols[j]
            if self.lines[i + 1].n == 0:
                _step(self, i, i + 1, self.null_score, False)
        # All words that begin here have gone.
        drop(self.pool, self.lines[i].at)
        self.lines[i] = Readings(NULL, 0, 0, False)
    return _arrive(self, self.length)


cdef inline Py_ssize_t nbest_edges(const Nbest* self, Py_ssize_t place, int64_t* ends) except -1 nogil:
    # The edges of a reading from the last one back, each as its end and whether the next one grows its token; returns
    # how many.
    cdef Py_ssize_t at = self.length, edges = 0
    cdef bint grown = False
    cdef Trace trace
    while at > 0:
        spend(self.pace, 8)
        trace = self.traces[self.offsets[at] + place]
        ends[edges] = at << 1 | grown
        grown = trace.edge & 1
        edges += 1
        at -= trace.edge >> 1
        place = trace.place
    return edges


cdef inline double nbest_tokens(
    const Nbest* self, int64_t* ends, Py_ssize_t edges, Py_ssize_t* found
) except? 1.0 nogil:
    # Turn the edges of a reading into the ends of its tokens, in order, and return its score.
    cdef Py_ssize_t k, at, end, start = 0
    cdef int32_t slot, parent
    cdef int64_t edge
    cdef double total = 0.0, piece = 0.0
    for k in range(edges // 2):
        ends[k], ends[edges - 1 - k] = ends[edges - 1 - k], ends[k]
    found[0] = 0
    for k in range(edges):
        edge = ends[k]
        end = edge >> 1
        spend(self.pace, 8 * (end - start))
        if self.classes[start] & BREAK:
            total += piece
            piece = 0.0
        else:
            parent, slot, at = 0, <int32_t>self.symbols[start], start
            while at + 1 < end and self.units[slot].check == parent:
                at += 1
                parent, slot = slot, self.units[slot].base + <int32_t>self.symbols[at]
            if self.units[slot].check == parent and self.units[slot].score > -INFINITY:
                piece += self.units[slot].score
            else:
                piece += self.null_score
        if not edge & 1:
            ends[found[0]] = end
            found[0] += 1
        start = end
    return total + piece
