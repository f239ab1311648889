"""Kernels of the word segmenter: what stands in the window around each character, and words by its weights.

Each of a character's twelve attributes has a key, its template << 42 | what stands there. Templates 0 to 4: the
character at -2 to 2, by code point, 0x110000 outside the text; 5 to 9: the characters at (-2, -1), (-1, 0), (0, 1),
(1, 2), (-1, 1), the first << 21 | the second; 10: the kind of the character; 11: the kinds at -1, 0, 1, as
first << 6 | second << 3 | third. `kinds` says a character's kind, 0 to 7: rows (first, last + 1, kind), the last one
that holds it counts; 0 for what is in none.

What stands in a window is looked up once for all templates that ask for it, a character or two neighbours in the five
or four windows they are in: they lead to a slot, and the attributes lie in this and the next ones.
"""

import numpy as np

from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from _numbers cimport Numbers, append
from _owned cimport Pool, free_all, roomy, spread, zeros
from _signals cimport Pace, new_pace, spend
from _table cimport Cell, Table, table_fetch, table_find, table_init, table_took

cdef extern from "Python.h":
    uint32_t PyUnicode_READ(int kind, const void *data, Py_ssize_t index) noexcept nogil
    object PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t end)

cdef extern from "memory_hints.h" nogil:
    void FASTCORE_PREFETCH(const void *p)

cdef enum:
    BITS = 21
    OUTSIDE = 0x110000
    TEMPLATES = 12
    SKIP = 9          # the template of the pair around a character
    KIND = 10
    NOTHING = 0       # five slots of what nobody knows,
    KINDS = 8         # those of the kinds,
    TRIPLES = 16      # those of three kinds,
    FIRST = 528       # and those of characters and pairs from here on
    BLOCK = 256       # characters that are looked up together: their rows stay near
    AHEAD = 8         # cells that are asked for early
    KEPT_BITS = 12
    KEPT = 4096       # words that are kept
    GROUP = 65536     # characters of several texts that are labelled without the interpreter's lock

cdef enum:
    B, M, E, S
    S_BEFORE_B = 1    # the best label before, one bit for each label; E, B, B, E where it isn't set
    M_BEFORE_M = 2
    M_BEFORE_E = 4
    S_BEFORE_S = 8

cdef struct Character:
    uint32_t slot
    uint32_t kind

cdef struct Text:
    const void *data
    Py_ssize_t length
    int kind

cdef struct Block:
    # What stands around some characters, two places more on both sides: place k is that of character k - 2. Slots of
    # the characters there, of the pairs of them and the next, and of the pairs around them.
    uint32_t[BLOCK + 4] codes
    uint32_t[BLOCK + 4] kinds
    uint32_t[BLOCK + 4] characters
    uint32_t[BLOCK + 4] pairs
    uint32_t[BLOCK + 4] around


cdef Text text_of(object text) except *:
    if not PyUnicode_Check(text):
        raise TypeError(f"texts must be str, got {type(text).__name__}")
    return Text(PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text), PyUnicode_KIND(text))


cdef inline uint64_t pair_key(uint64_t around, uint64_t first, uint64_t second) noexcept nogil:
    return around << 2 * BITS | first << BITS | second


cdef inline void slots_at(const Block *block, Py_ssize_t k, uint32_t *slots) noexcept nogil:
    # The slots of the attributes at a place, in the order of the templates.
    slots[0] = block.characters[k - 2]
    slots[1] = block.characters[k - 1] + 1
    slots[2] = block.characters[k] + 2
    slots[3] = block.characters[k + 1] + 3
    slots[4] = block.characters[k + 2] + 4
    slots[5] = block.pairs[k - 2]
    slots[6] = block.pairs[k - 1] + 1
    slots[7] = block.pairs[k] + 2
    slots[8] = block.pairs[k + 1] + 3
    slots[9] = block.around[k]
    slots[10] = KINDS + block.kinds[k]
    slots[11] = TRIPLES + (block.kinds[k - 1] << 6 | block.kinds[k] << 3 | block.kinds[k + 1])


cdef class _Places:
    # Where what stands in windows has its slots; no room is ever given back.
    cdef Pool pool
    cdef Pace pace
    cdef Character *characters
    cdef Table pairs
    cdef Numbers codes  # of the characters that have slots
    cdef uint32_t slots

    def __cinit__(self, *args, **kwargs):
        self.pace = new_pace()
        self.characters = <Character *>zeros(&self.pool, OUTSIDE + 1, sizeof(Character))
        self.slots = FIRST

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int begin(self, const int64_t[:, ::1] kinds, Py_ssize_t expected) except -1:
        """Say the kinds of characters, and how many pairs may come."""
        cdef Py_ssize_t i, code
        for i in range(kinds.shape[0]):
            if not (0 <= kinds[i, 0] <= kinds[i, 1] <= OUTSIDE + 1 and 0 <= kinds[i, 2] < 8):
                raise ValueError("kinds must be rows of first code point, last + 1 and a kind below 8")
            for code in range(kinds[i, 0], kinds[i, 1]):
                self.characters[code].kind = <uint32_t>kinds[i, 2]
        table_init(&self.pairs, &self.pool, &self.pace, expected, sizeof(Cell))
        return 0

    cdef uint32_t taken(self, uint32_t count) except 0 nogil:
        """The first of so many new slots."""
        if self.slots > <uint32_t>0x7FFFFFFF - count:
            with gil:
                raise ValueError("texts must hold fewer different characters and pairs: 2**31 attributes at most")
        self.slots += count
        return self.slots - count

    cdef uint32_t character(self, uint32_t code) except 0 nogil:
        if self.characters[code].slot == NOTHING:
            append(&self.codes, &self.pool, code)
            self.characters[code].slot = self.taken(5)
        return self.characters[code].slot

    cdef uint32_t pair(self, uint64_t key) except 0 nogil:
        cdef Cell *cell = table_find(&self.pairs, key, sizeof(Cell))
        cdef uint32_t slot
        if cell.mark:
            return <uint32_t>cell.mark
        slot = self.taken(1 if key >> 2 * BITS else 4)
        cell.key = key
        cell.mark = slot
        table_took(&self.pairs, sizeof(Cell))
        return slot

    cdef uint32_t slot_of(self, int64_t key) except 0:
        """The slot of an attribute, a new one if it had none."""
        cdef int64_t rest = key & ((<int64_t>1 << 2 * BITS) - 1)
        cdef int64_t template = key >> 2 * BITS
        if 0 <= template < 5 and rest <= OUTSIDE:
            return self.character(<uint32_t>rest) + <uint32_t>template
        if 5 <= template < SKIP:
            return self.pair(<uint64_t>rest) + <uint32_t>(template - 5)
        if template == SKIP:
            return self.pair(<uint64_t>1 << 2 * BITS | <uint64_t>rest)
        if template == KIND and rest < 8:
            return <uint32_t>(KINDS + rest)
        if template == KIND + 1 and rest < 512:
            return <uint32_t>(TRIPLES + rest)
        raise ValueError(f"keys must be those of attributes, got {key}")

    cdef Py_ssize_t look_up(self, const Text *text, Py_ssize_t at, Block *block) noexcept nogil:
        """Look up what stands around the characters from `at` on; return how many they are."""
        cdef Py_ssize_t n = min(<Py_ssize_t>BLOCK, text.length - at), k
        cdef const Character *found
        self.read(text, at, n, block)
        for k in range(n + 4):
            found = &self.characters[block.codes[k]]
            block.kinds[k] = found.kind
            block.characters[k] = found.slot
        for k in range(min(<Py_ssize_t>AHEAD, n + 3)):
            self.fetch(block, k)
        for k in range(n + 3):
            if k + AHEAD < n + 3:
                self.fetch(block, k + AHEAD)
            block.pairs[k] = <uint32_t>table_find(
                &self.pairs, pair_key(0, block.codes[k], block.codes[k + 1]), sizeof(Cell)).mark
            if 2 <= k < n + 2:
                block.around[k] = <uint32_t>table_find(
                    &self.pairs, pair_key(1, block.codes[k - 1], block.codes[k + 1]), sizeof(Cell)).mark
        return n

    cdef Py_ssize_t meet(self, const Text *text, Py_ssize_t at, Block *block) except -1 nogil:
        """The same, and what wasn't there gets slots."""
        cdef Py_ssize_t n = min(<Py_ssize_t>BLOCK, text.length - at), k
        self.read(text, at, n, block)
        for k in range(n + 4):
            block.characters[k] = self.character(block.codes[k])
            block.kinds[k] = self.characters[block.codes[k]].kind
        for k in range(min(<Py_ssize_t>AHEAD, n + 3)):
            self.fetch(block, k)
        for k in range(n + 3):
            if k + AHEAD < n + 3:
                self.fetch(block, k + AHEAD)
            block.pairs[k] = self.pair(pair_key(0, block.codes[k], block.codes[k + 1]))
            if 2 <= k < n + 2:
                block.around[k] = self.pair(pair_key(1, block.codes[k - 1], block.codes[k + 1]))
        return n

    cdef inline void read(self, const Text *text, Py_ssize_t at, Py_ssize_t n, Block *block) noexcept nogil:
        cdef Py_ssize_t i, first = max(at - 2, <Py_ssize_t>0), last = min(at + n + 2, text.length)
        block.codes[0] = block.codes[1] = block.codes[n + 2] = block.codes[n + 3] = OUTSIDE
        for i in range(first, last):
            block.codes[i - at + 2] = PyUnicode_READ(text.kind, text.data, i)

    cdef inline void fetch(self, const Block *block, Py_ssize_t k) noexcept nogil:
        table_fetch(&self.pairs, pair_key(0, block.codes[k], block.codes[k + 1]), sizeof(Cell))
        if k >= 1:
            table_fetch(&self.pairs, pair_key(1, block.codes[k - 1], block.codes[k + 1]), sizeof(Cell))


def count_windows(texts, const int64_t[:, ::1] kinds):
    """How often each attribute occurs in texts: keys, in any order, and counts."""
    cdef _Places places = _Places()
    cdef Block block
    cdef Text text
    cdef int64_t *counts = NULL
    cdef Py_ssize_t room = 0, had, at, k, n, t
    cdef uint32_t[TEMPLATES] slots
    places.begin(kinds, 0)
    for one in tuple(texts):
        text = text_of(one)
        at = 0
        with nogil:
            while at < text.length:
                n = places.meet(&text, at, &block)
                had = room
                counts = <int64_t *>roomy(&places.pool, counts, &room, places.slots, sizeof(int64_t))
                memset(counts + had, 0, (room - had) * sizeof(int64_t))
                for k in range(2, n + 2):
                    slots_at(&block, k, slots)
                    for t in range(TEMPLATES):
                        counts[slots[t]] += 1
                at += n
                spend(&places.pace, 32 * n)
        spend(&places.pace, 32)
    return listed(places, counts)


cdef tuple listed(_Places places, const int64_t *counts):
    """The keys of all slots that were counted, and their counts."""
    cdef Py_ssize_t i, n = 0, t, slot
    cdef const Cell *cell
    cdef int64_t[::1] keys, sums
    found = np.empty(places.slots, np.int64), np.empty(places.slots, np.int64)
    keys, sums = found
    if counts == NULL:
        return found[0][:0], found[1][:0]
    for i in range(8):
        n = keep(keys, sums, n, 10, i, counts[KINDS + i])
    for i in range(512):
        n = keep(keys, sums, n, 11, i, counts[TRIPLES + i])
    for i in range(places.codes.length):
        slot = places.characters[places.codes.data[i]].slot
        for t in range(5):
            n = keep(keys, sums, n, t, places.codes.data[i], counts[slot + t])
    for i in range(<Py_ssize_t>places.pairs.mask + 1):
        cell = <const Cell *>places.pairs.cells + i
        slot = <Py_ssize_t>cell.mark
        if slot == NOTHING:
            pass
        elif cell.key >> 2 * BITS:
            n = keep(keys, sums, n, SKIP, cell.key & ((<uint64_t>1 << 2 * BITS) - 1), counts[slot])
        else:
            for t in range(4):
                n = keep(keys, sums, n, 5 + t, cell.key, counts[slot + t])
        if i % 1024 == 0:
            spend(&places.pace, 4096)
    return found[0][:n].copy(), found[1][:n].copy()


cdef inline Py_ssize_t keep(
    int64_t[::1] keys, int64_t[::1] sums, Py_ssize_t n, int64_t template, int64_t rest, int64_t count
) noexcept:
    if count == 0:
        return n
    keys[n] = template << 2 * BITS | rest
    sums[n] = count
    return n + 1


cdef class Windows:
    """The attributes with the keys `known`, numbered 0, 1, ... in that order."""

    cdef _Places places
    cdef int32_t *ids  # by slot, -1 where no attribute is
    cdef Py_ssize_t n

    def __cinit__(self, const int64_t[::1] known, const int64_t[:, ::1] kinds):
        cdef _Places places = _Places()
        cdef Py_ssize_t i, room = 0, had
        cdef uint32_t slot
        self.places = places
        self.n = known.shape[0]
        if self.n > 0x7FFFFFFF:
            raise ValueError(f"known must hold at most 2**31 - 1 keys, got {self.n}")
        places.begin(kinds, self.n // 3)
        self.ids = NULL
        for i in range(self.n + 1):
            # Room for what `slot_of` may take, and for the slots that are always there.
            had = room
            self.ids = <int32_t *>roomy(&places.pool, self.ids, &room, places.slots + 5, sizeof(int32_t))
            memset(self.ids + had, -1, (room - had) * sizeof(int32_t))
            if i < self.n:
                slot = places.slot_of(known[i])
                self.ids[slot] = <int32_t>i
                spend(&places.pace, 8)

    def read(self, texts):
        """The attributes of texts' characters: (offsets, rows, ids).

        Text s has the characters offsets[s] to offsets[s + 1], character t the attributes ids[rows[t]:rows[t + 1]],
        those that are known.
        """
        cdef Pace pace = new_pace()
        cdef Block block
        cdef Text text
        cdef Py_ssize_t s = 0, at, k, n, t, total = 0, count = 0
        cdef uint32_t[TEMPLATES] slots
        cdef int32_t id
        cdef int64_t[::1] offsets, rows
        cdef int32_t[::1] ids
        cdef tuple held = tuple(texts)
        bounds = np.zeros(len(held) + 1, np.int64)
        offsets = bounds
        for one in held:
            s += 1
            total += text_of(one).length
            offsets[s] = total
            spend(&pace, 8)
        limits, found = np.zeros(total + 1, np.int64), np.empty(TEMPLATES * total, np.int32)
        rows, ids = limits, found
        total = 0
        for one in held:
            text = text_of(one)
            at = 0
            with nogil:
                while at < text.length:
                    n = self.places.look_up(&text, at, &block)
                    for k in range(2, n + 2):
                        slots_at(&block, k, slots)
                        for t in range(TEMPLATES):
                            id = self.ids[slots[t]]
                            if id >= 0:
                                ids[count] = id
                                count += 1
                        total += 1
                        rows[total] = count
                    at += n
                    spend(&pace, 32 * n)
            spend(&pace, 32)
        return bounds, limits, found[:count].copy()


cdef struct Job:
    # A text to be labelled, and what was found: the best sum and how many words.
    Text text
    double score
    Py_ssize_t words


cdef class Cutter:
    """Cuts texts into words by weights (n, 4) of the attributes of `windows`, and `moves` (4, 4) between labels.

    Labels 0 to 3: a character begins a word, goes on with it, ends it, is one. Orders that no words have are left out.
    """

    cdef Windows windows
    cdef Pool pool
    cdef double *weights  # four for each slot
    cdef double[4][4] moves

    def __cinit__(self, Windows windows, const double[:, ::1] weights, const double[:, ::1] moves):
        cdef Pace pace = new_pace()
        cdef Py_ssize_t i, j, slots = windows.places.slots
        if weights.shape[0] != windows.n or weights.shape[1] != 4:
            raise ValueError(f"weights must have shape ({windows.n}, 4), got {np.shape(weights)}")
        if moves.shape[0] != 4 or moves.shape[1] != 4:
            raise ValueError(f"moves must have shape (4, 4), got {np.shape(moves)}")
        self.windows = windows
        for i in range(4):
            for j in range(4):
                self.moves[i][j] = moves[i, j]
        self.weights = <double *>spread(&self.pool, 4 * slots, sizeof(double))
        for i in range(slots):
            if windows.ids[i] >= 0:
                memcpy(self.weights + 4 * i, &weights[windows.ids[i], 0], 4 * sizeof(double))
            else:
                memset(self.weights + 4 * i, 0, 4 * sizeof(double))
            if i % 1024 == 0:
                spend(&pace, 4 * 1024)

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int label_one(self, Job *job, uint8_t *labels, Block *block, Pace *pace) except -1 nogil:
        """Best labels of a text; of equally good ones the smaller, decided from the end."""
        cdef Py_ssize_t length = job.text.length, at = 0, i, k, n, t
        cdef uint32_t[TEMPLATES] slots
        cdef const double *weights = self.weights
        cdef const double *row
        # Scores of the best paths that end in each label.
        cdef double b = -INFINITY, m = -INFINITY, e = -INFINITY, s = -INFINITY
        cdef double b_b, m_m, m_e, s_s, at_b, at_m, at_e, at_s, other
        cdef double e_to_b = self.moves[E][B], s_to_b = self.moves[S][B], b_to_m = self.moves[B][M]
        cdef double m_to_m = self.moves[M][M], b_to_e = self.moves[B][E], m_to_e = self.moves[M][E]
        cdef double e_to_s = self.moves[E][S], s_to_s = self.moves[S][S]
        cdef uint8_t before, label
        job.score, job.words = 0.0, 0
        if length == 0:
            return 0
        while at < length:
            n = self.windows.places.look_up(&job.text, at, block)
            for k in range(min(<Py_ssize_t>AHEAD, n)):
                self.fetch(block, k + 2)
            for k in range(2, n + 2):
                if k + AHEAD < n + 2:
                    self.fetch(block, k + AHEAD)
                slots_at(block, k, slots)
                at_b = at_m = at_e = at_s = 0.0
                for t in range(TEMPLATES):
                    row = weights + 4 * <Py_ssize_t>slots[t]
                    at_b += row[0]
                    at_m += row[1]
                    at_e += row[2]
                    at_s += row[3]
                if at == 0 and k == 2:
                    b, s = at_b, at_s
                    continue
                before = 0
                b_b, other = e + e_to_b, s + s_to_b
                if other > b_b:
                    b_b = other
                    before |= S_BEFORE_B
                m_m, other = b + b_to_m, m + m_to_m
                if other > m_m:
                    m_m = other
                    before |= M_BEFORE_M
                m_e, other = b + b_to_e, m + m_to_e
                if other > m_e:
                    m_e = other
                    before |= M_BEFORE_E
                s_s, other = e + e_to_s, s + s_to_s
                if other > s_s:
                    s_s = other
                    before |= S_BEFORE_S
                b, m, e, s = b_b + at_b, m_m + at_m, m_e + at_e, s_s + at_s
                labels[at + k - 2] = before
            at += n
            spend(pace, 32 * n)
        label = S if s > e else E
        job.score = s if s > e else e
        for i in range(length - 1, -1, -1):
            before = labels[i]
            labels[i] = label
            job.words += label >= E
            if label == B:
                label = S if before & S_BEFORE_B else E
            elif label == S:
                label = S if before & S_BEFORE_S else E
            elif label == M:
                label = M if before & M_BEFORE_M else B
            else:
                label = M if before & M_BEFORE_E else B
            if i % 4096 == 0:
                spend(pace, 2 * 4096)
        return 0

    cdef inline void fetch(self, const Block *block, Py_ssize_t k) noexcept nogil:
        # Ask for the weights of what stands at a place: a pair's take two lines.
        FASTCORE_PREFETCH(self.weights + 4 * <Py_ssize_t>block.pairs[k + 1])
        FASTCORE_PREFETCH(self.weights + 4 * <Py_ssize_t>block.pairs[k + 1] + 8)
        FASTCORE_PREFETCH(self.weights + 4 * <Py_ssize_t>block.around[k])

    def label(self, texts):
        """Labels of all characters, end to end, and the score of each text's best labels."""
        cdef tuple held = tuple(texts)
        cdef Py_ssize_t total = 0, i
        cdef _Group group = _Group(self)
        for one in held:
            total += text_of(one).length
        labels, scores = np.empty(total, np.uint8), np.empty(len(held))
        cdef uint8_t[::1] to_labels = labels
        cdef double[::1] to_scores = scores
        cdef Py_ssize_t done = 0, first = 0
        while first < len(held):
            group.take(held, first)
            for i in range(group.n):
                to_scores[first + i] = group.jobs[i].score
            if group.size:
                memcpy(&to_labels[done], group.labels, group.size)
            done += group.size
            first += group.n
        return labels, scores

    def cut(self, texts):
        """The words of each text."""
        cdef tuple held = tuple(texts)
        cdef Py_ssize_t first = 0, i, at
        cdef _Group group = _Group(self)
        cdef list found = []
        while first < len(held):
            group.take(held, first)
            at = 0
            for i in range(group.n):
                found.append(group.words(held[first + i], &group.jobs[i], group.labels + at))
                at += group.jobs[i].text.length
            first += group.n
        return found


cdef class _Group:
    # Texts that are labelled together, without the interpreter's lock. Words of up to three characters are kept for
    # when they come again, each in its place, where the next one that belongs there takes it.
    cdef Cutter cutter
    cdef Pool pool
    cdef Pace pace
    cdef Block block
    cdef Job *jobs
    cdef uint8_t *labels
    cdef Py_ssize_t n, size, jobs_room, labels_room
    cdef uint64_t *keys
    cdef list kept

    def __cinit__(self, Cutter cutter):
        self.cutter = cutter
        self.pace = new_pace()

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int take(self, tuple texts, Py_ssize_t first) except -1:
        """Label the texts from `first` on, one at least."""
        cdef Py_ssize_t i, at = 0
        cdef Text text
        self.n = self.size = 0
        while first + self.n < len(texts) and self.n < GROUP:
            text = text_of(texts[first + self.n])
            if self.n and self.size + text.length > GROUP:
                break
            self.jobs = <Job *>roomy(&self.pool, self.jobs, &self.jobs_room, self.n + 1, sizeof(Job))
            self.jobs[self.n].text = text
            self.size += text.length
            self.n += 1
        self.labels = <uint8_t *>roomy(&self.pool, self.labels, &self.labels_room, self.size, 1)
        if self.keys == NULL and self.size > KEPT:
            self.kept = [None] * KEPT
            self.keys = <uint64_t *>zeros(&self.pool, KEPT, sizeof(uint64_t))
        with nogil:
            for i in range(self.n):
                self.cutter.label_one(&self.jobs[i], self.labels + at, &self.block, &self.pace)
                at += self.jobs[i].text.length
                spend(&self.pace, 32)
        return 0

    cdef list words(self, object text, const Job *job, const uint8_t *labels):
        """Cut a text behind each end of a word."""
        cdef Py_ssize_t i, start = 0, k = 0
        cdef list found = PyList_New(job.words)
        for i in range(job.text.length):
            if labels[i] >= E:
                word = self.word(text, &job.text, start, i + 1)
                Py_INCREF(word)
                PyList_SET_ITEM(found, k, word)
                k += 1
                start = i + 1
                if k % 256 == 0:
                    spend(&self.pace, 256 * 32)
        return found

    cdef object word(self, object text, const Text *of, Py_ssize_t start, Py_ssize_t end):
        """A word as a str, the one that was made before if it is still kept."""
        cdef uint64_t key = 0
        cdef Py_ssize_t i, place
        if self.keys == NULL or end - start > 3:
            return PyUnicode_Substring(text, start, end)
        for i in range(start, end):
            key = key << BITS | (PyUnicode_READ(of.kind, of.data, i) + 1)
        place = <Py_ssize_t>(key * <uint64_t>0x9E3779B97F4A7C15 >> (64 - KEPT_BITS))
        if self.keys[place] != key:
            self.kept[place] = PyUnicode_Substring(text, start, end)
            self.keys[place] = key
        return self.kept[place]
