"""Kernel of redundancy: words that are better explained as a row of other words give these their counts."""

import numpy as np

from libc.math cimport INFINITY, log
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp

from _keys cimport PACKED, as_hash, is_hash, packed
from _owned cimport Pool, drop, free_all, spread, zeros
from _signals cimport Pace, new_pace, spend
from _table cimport (
    FASTCORE_PREFETCH, Cell, Table, table_after, table_fetch, table_find, table_home, table_init, table_scrambled,
)

cdef enum:
    AHEAD = 12  # words before a table is asked, its line is fetched
    REACH = 4  # characters of the stretches that are fetched before a word is segmented

# The base of hashes of words, and what tells the beginning of a word from a word.
cdef extern from *:
    """
    #define FASTCORE_FACTOR 0xD6E8FEB86659FD93u
    #define FASTCORE_BEGINS 0x5851F42D4C957F2Du
    """
    const uint64_t FACTOR "FASTCORE_FACTOR"
    const uint64_t BEGINS "FASTCORE_BEGINS"


cdef struct Entry:
    # A cell of the table: a word, its mark one more than where it begins in `ids`; its count and the log of that.
    uint64_t key
    uint64_t mark
    int64_t count
    double log_count


cdef class _Lattice:
    """Words in a table by their characters, and the best segmentation of one of them by the others.

    A filter of bits (Bloom 1970, with one hash), small enough for a near cache, knows the keys of all words and of what
    they begin with, 2, 4, 8, ... characters: most stretches of a word are no words, and most searches for longer ones
    end early.
    """

    cdef Pool pool
    cdef Pace pace
    cdef Table words
    cdef uint64_t *filter
    cdef int shift
    # Polynomial hashes of what the open word begins with, and powers of their base.
    cdef uint64_t *powers
    cdef uint64_t *hashes
    # Where words are: single characters by number (NULL: no word), and words as they come.
    cdef Entry **singles
    cdef Entry **entries
    # The best path to each place: from where, by which word (NULL: by none), and its score.
    cdef int64_t *back
    cdef Entry **via
    cdef double *scores
    # A segmentation: where the parts end, and the words they are.
    cdef int64_t *parts
    cdef Entry **chosen
    cdef int64_t total
    cdef double log_total, most
    # Whether two words share a key, so that `value` can't tell them apart.
    cdef bint ambiguous
    cdef bint wide  # whether there are numbers that can't be packed
    cdef const int32_t *ids
    cdef const uint8_t *kinds
    # All lengths of words, rising.
    cdef const int64_t[::1] lengths

    def __cinit__(self, int64_t n_words, const int64_t[::1] lengths, int64_t n_symbols):
        cdef int64_t k, most = lengths[lengths.shape[0] - 1] + 1
        self.lengths = lengths
        self.pace = new_pace()
        self.wide = n_symbols >= PACKED - 1
        # It doesn't grow, and so may be fuller than half: two thirds at most.
        table_init(&self.words, &self.pool, &self.pace, (3 * n_words + 3) // 4, sizeof(Entry))
        # Eight bits of the filter for each cell.
        self.shift = self.words.shift - 3
        self.filter = <uint64_t *>zeros(&self.pool, (self.words.mask + 1) // 8, sizeof(uint64_t))
        self.powers = <uint64_t *>spread(&self.pool, most, sizeof(uint64_t))
        self.hashes = <uint64_t *>spread(&self.pool, most, sizeof(uint64_t))
        self.singles = <Entry **>zeros(&self.pool, n_symbols, sizeof(Entry *))
        self.entries = <Entry **>spread(&self.pool, n_words, sizeof(Entry *))
        self.back = <int64_t *>spread(&self.pool, most, sizeof(int64_t))
        self.via = <Entry **>spread(&self.pool, most, sizeof(Entry *))
        self.scores = <double *>spread(&self.pool, most, sizeof(double))
        self.parts = <int64_t *>spread(&self.pool, most, sizeof(int64_t))
        self.chosen = <Entry **>spread(&self.pool, most, sizeof(Entry *))
        self.powers[0] = 1
        for k in range(1, most):
            self.powers[k] = self.powers[k - 1] * FACTOR

    def __dealloc__(self):
        free_all(&self.pool)

    cdef inline void open(self, const int32_t *word, int64_t length) noexcept nogil:
        """Make ready to ask for stretches of a word."""
        cdef int64_t k
        self.hashes[0] = 0
        for k in range(length):
            self.hashes[k + 1] = self.hashes[k] * FACTOR + packed(word[k])

    cdef inline uint64_t key(self, const int32_t *word, int64_t first, int64_t length) noexcept nogil:
        """The key of a stretch of the open word."""
        word += first
        if length == 1:
            return packed(word[0])
        if not self.wide:
            if length == 2:
                return packed(word[0]) << 21 | packed(word[1])
            if length == 3:
                return (packed(word[0]) << 21 | packed(word[1])) << 21 | packed(word[2])
        return as_hash(self.hashes[first + length] - self.hashes[first] * self.powers[length])

    cdef inline bint known(self, uint64_t key) noexcept nogil:
        """Whether the filter has met a key: if not, surely no word has it."""
        cdef uint64_t bit = table_scrambled(key) >> self.shift
        return self.filter[bit >> 6] >> (bit & 63) & 1

    cdef inline void meet(self, uint64_t key) noexcept nogil:
        cdef uint64_t bit = table_scrambled(key) >> self.shift
        self.filter[bit >> 6] |= <uint64_t>1 << (bit & 63)

    cdef int fill(self, const int64_t[::1] offsets, const int64_t[::1] counts) except -1 nogil:
        """Put all words into the table, without `table_took`: their cells must stay where they are."""
        cdef int64_t n = counts.shape[0], k, length, begin
        cdef Entry *entry
        cdef const int32_t *word
        # Keys first, so that the lines of the table can be fetched early.
        cdef uint64_t *keys = <uint64_t *>spread(&self.pool, n, sizeof(uint64_t))
        for k in range(n):
            word, length = self.ids + offsets[k], offsets[k + 1] - offsets[k]
            self.open(word, length)
            keys[k] = self.key(word, 0, length)
            self.meet(keys[k])
            begin = 2
            while begin < length:
                self.meet(self.key(word, 0, begin) ^ BEGINS)
                begin *= 2
            spend(&self.pace, 10 + 4 * length)
        for k in range(n):
            spend(&self.pace, 10)
            if k + AHEAD < n:
                table_fetch(&self.words, keys[k + AHEAD], sizeof(Entry))
            entry = <Entry *>table_find(&self.words, keys[k], sizeof(Entry))
            while entry.mark:
                self.ambiguous = True
                entry = <Entry *>table_after(&self.words, <Cell *>entry, keys[k], sizeof(Entry))
            entry[0] = Entry(keys[k], offsets[k] + 1, counts[k], log(<double>counts[k]))
            self.entries[k] = entry
            self.total += counts[k]
            self.most = max(self.most, entry.log_count)
            if offsets[k + 1] - offsets[k] == 1:
                self.singles[self.ids[offsets[k]]] = entry
        self.log_total = log(<double>self.total)
        drop(&self.pool, keys)
        return 0

    cdef inline const Cell *home(self, uint64_t key) noexcept nogil:
        """Where a key may be, if the filter knows it; without a branch, which nobody could foretell.

        Who asks fetches it: a compiler may drop a function that does nothing else.
        """
        return table_home(&self.words, key & -<uint64_t>self.known(key), sizeof(Entry))

    cdef void scout(self, const Entry *entry, const int32_t *word, int64_t length) noexcept nogil:
        """Fetch the lines of the table that judging a word will ask for."""
        cdef int64_t size
        FASTCORE_PREFETCH(entry)
        if length > 4 or self.wide:
            self.open(word, length)
        for size in range(2, length):
            FASTCORE_PREFETCH(self.home(self.key(word, 0, size)))
            FASTCORE_PREFETCH(self.home(self.key(word, length - size, size)))

    cdef inline void explore(self, const int32_t *word, int64_t length) noexcept nogil:
        """Fetch the lines of short stretches of the open word."""
        cdef int64_t i, size
        for i in range(1, length - 2):
            for size in range(2, min(length - i - 1, REACH) + 1):
                FASTCORE_PREFETCH(self.home(self.key(word, i, size)))

    cdef inline Entry *find(self, const int32_t *word, int64_t first, int64_t length, uint64_t key) noexcept nogil:
        """A stretch of the open word, NULL if it is no word."""
        cdef Entry *entry = <Entry *>table_find(&self.words, key, sizeof(Entry))
        while entry.mark:
            if (
                not is_hash(key)
                or memcmp(self.ids + (entry.mark - 1), word + first, length * sizeof(int32_t)) == 0
            ):
                return entry
            entry = <Entry *>table_after(&self.words, <Cell *>entry, key, sizeof(Entry))
        return NULL

    cdef inline double value(self, const int32_t *word, int64_t first, int64_t length) noexcept nogil:
        """The log of the count of a stretch of the open word, minus infinity if it is no living word.

        It may be that of a word with the same key if the stretch is no word: more than it should be, never less.
        """
        cdef const Entry *entry
        cdef uint64_t key
        if length == 1:
            entry = self.singles[word[first]]
            return entry.log_count if entry != NULL and entry.count else -INFINITY
        key = self.key(word, first, length)
        if not self.known(key):
            return -INFINITY
        entry = <const Entry *>table_find(&self.words, key, sizeof(Entry))
        return entry.log_count if entry.count else -INFINITY

    cdef bint stays(self, const int32_t *word, int64_t length, double log_count) noexcept nogil:
        """Whether the open word surely stays, since no two words that it begins and ends with are frequent enough.

        Whatever parts lie between them, the most frequent word is as probable as one of them can be.
        """
        cdef int64_t cut
        cdef double begin, end, before = -INFINITY, best = -INFINITY
        for cut in range(1, length):
            begin = self.value(word, 0, cut)
            if begin > -INFINITY or before > -INFINITY:
                end = self.value(word, cut, length - cut)
                best = max(best, max(begin, before + self.most - self.log_total) + end)
            before = max(before, begin)
        # A margin for what rounding may do to the score of `judge`.
        return log_count + self.log_total - best > (length - 1) + 1e-6 * length

    cdef inline void arrive(self, int64_t i, int64_t j, Entry *entry) noexcept nogil:
        """If there is a word and it lives, it goes from i to j: keep it if that is better."""
        cdef double score
        if entry != NULL and entry.count:
            score = self.scores[i] + (entry.log_count - self.log_total)
            if self.back[j] < 0 or score > self.scores[j]:
                self.scores[j] = score
                self.back[j] = i
                self.via[j] = entry

    cdef int path(self, const int32_t *word, int64_t first, int64_t stop) except -1 nogil:
        """Best path over characters first .. stop of the open word: back[e] is where the part that ends at e begins.

        via[e] is that part, NULL where no word ends.
        """
        cdef int64_t i, k = 0, length, begin
        cdef uint64_t key
        for i in range(first + 1, stop + 1):
            self.back[i] = -1
        self.scores[first] = 1.0
        for i in range(first, stop):
            self.arrive(i, i + 1, self.singles[word[i]])
            begin = 1
            for k in range(self.lengths[0] == 1, self.lengths.shape[0]):
                length = self.lengths[k]
                if length > stop - i:
                    break
                if length > 2 * begin:
                    while 2 * begin < length:
                        begin *= 2
                    if not self.known(self.key(word, i, begin) ^ BEGINS):
                        break
                key = self.key(word, i, length)
                if self.known(key):
                    self.arrive(i, i + length, self.find(word, i, length, key))
            spend(&self.pace, 8 * k + 8)
            if self.back[i + 1] < 0:
                self.scores[i + 1] = self.scores[i] - 100.0
                self.back[i + 1] = i
                self.via[i + 1] = NULL
        return 0

    cdef int64_t segment(self, const int32_t *word, int64_t length) except -1 nogil:
        """Segment the open word: where the parts end, the words they are; their number."""
        cdef int64_t n = 0, stop, first = 0, at, k
        while first < length:
            stop = first + 1
            # Punctuation splits, and each of its characters is a part.
            if self.kinds[word[first]] & 4:
                self.back[stop] = first
                self.via[stop] = self.singles[word[first]]
            else:
                while stop < length and not self.kinds[word[stop]] & 4:
                    stop += 1
                self.path(word, first, stop)
            at = stop
            while at > first:
                n += 1
                at = self.back[at]
            at, k = stop, n
            while at > first:
                k -= 1
                self.parts[k] = at
                self.chosen[k] = self.via[at]
                at = self.back[at]
            first = stop
        return self.joined(word, n)

    cdef int64_t joined(self, const int32_t *word, int64_t n) noexcept nogil:
        """Join parts that are letters and digits to the run before them; return how many are left."""
        cdef int64_t k, at, stop, first = 0, kept = 0, begin = 0
        cdef bint combine = False, whole
        for k in range(n):
            stop = self.parts[k]
            whole = combine and self.kinds[word[stop - 1]] & 1
            if whole:
                for at in range(first, stop):
                    whole = whole and self.kinds[word[at]] & 2
            if whole:
                kept -= 1
                self.chosen[kept] = self.find(word, begin, stop - begin, self.key(word, begin, stop - begin))
            else:
                combine = not combine and self.kinds[word[stop - 1]] & 1
                begin = first
                self.chosen[kept] = self.chosen[k]
            self.parts[kept] = stop
            kept += 1
            first = stop
        return kept

    cdef int judge(self, Entry *entry, const int32_t *word, int64_t length) except -1 nogil:
        """Drop a word that its parts explain, and give them its count."""
        cdef int64_t n, k, count
        cdef double score
        cdef bint spelled = True
        self.open(word, length)
        if not self.ambiguous and self.stays(word, length, entry.log_count):
            return 0
        count = entry.count
        score = entry.log_count - self.log_total
        entry.count = 0
        self.explore(word, length)
        n = self.segment(word, length)
        for k in range(n):
            # A part that is no word itself: only this word has it.
            spelled = spelled and self.chosen[k] != NULL and self.chosen[k].count > 0
            if spelled:
                score -= self.chosen[k].log_count - self.log_total
        if spelled and score < length - 1:
            for k in range(n):
                entry = self.chosen[k]
                entry.count += count
                entry.log_count = log(<double>entry.count)
                self.most = max(self.most, entry.log_count)
            self.total += (n - 1) * count
            self.log_total = log(<double>self.total)
        else:
            entry.count = count
        return 0


cdef longest_first(const int64_t[::1] offsets):
    """Return the words, longest first, those of one length as they come; and all lengths that occur, rising."""
    cdef int64_t n = offsets.shape[0] - 1, k, length, longest = 0, n_lengths = 0, before = 0, here
    for k in range(n):
        longest = max(longest, offsets[k + 1] - offsets[k])
    cdef int64_t[::1] order = np.empty(n, np.int64), starts = np.zeros(longest + 1, np.int64)
    for k in range(n):
        starts[offsets[k + 1] - offsets[k]] += 1
    cdef int64_t[::1] lengths = np.empty(np.count_nonzero(starts), np.int64)
    for length in range(longest + 1):
        if starts[length]:
            lengths[n_lengths] = length
            n_lengths += 1
    for length in range(longest, -1, -1):
        here = starts[length]
        starts[length] = before
        before += here
    for k in range(n):
        length = offsets[k + 1] - offsets[k]
        order[starts[length]] = k
        starts[length] += 1
    return order, lengths


def remove_redundant(
    const int32_t[::1] ids, const int64_t[::1] offsets, const int64_t[::1] counts, const uint8_t[::1] kinds
):
    """Return the words' counts after the redundant ones, longest first, gave theirs to their parts (0: removed).

    The words are distinct, their counts positive. kinds[number of a character] says whether it ends a run of
    letters and digits (1), may go on with one (2), is punctuation (4).
    """
    cdef int64_t n = counts.shape[0], k, word
    if n == 0:
        return np.zeros(0, np.int64)
    cdef int64_t[::1] order, lengths
    order, lengths = longest_first(offsets)
    cdef _Lattice lattice = _Lattice(n, lengths, kinds.shape[0])
    lattice.ids = &ids[0]
    lattice.kinds = &kinds[0]
    result = np.zeros(n, np.int64)
    cdef int64_t[::1] left = result
    with nogil:
        lattice.fill(offsets, counts)
        for k in range(n):
            # The further ahead, the less is there yet to say what will be asked for.
            if k + 24 < n:
                FASTCORE_PREFETCH(&offsets[order[k + 24]])
                FASTCORE_PREFETCH(&lattice.entries[order[k + 24]])
            if k + 16 < n:
                FASTCORE_PREFETCH(&ids[offsets[order[k + 16]]])
            if k + 6 < n:
                word = order[k + 6]
                lattice.scout(lattice.entries[word], &ids[offsets[word]], offsets[word + 1] - offsets[word])
            word = order[k]
            if offsets[word + 1] - offsets[word] < 2:
                break
            lattice.judge(lattice.entries[word], &ids[offsets[word]], offsets[word + 1] - offsets[word])
            spend(&lattice.pace, 20 * (offsets[word + 1] - offsets[word]))
        for k in range(n):
            if k + AHEAD < n:
                FASTCORE_PREFETCH(lattice.entries[k + AHEAD])
            left[k] = lattice.entries[k].count
    return result
