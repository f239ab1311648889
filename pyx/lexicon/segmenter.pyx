# The strings that a trie hands out are made when first needed, under the interpreter's lock.
# cython: freethreading_compatible = False
"""The kernel of segmentation: best, several best and random paths through the lattice of a trie's words over a text.

The passes over the lattice are in _lattice.pxd, the n best in _nbest.pxd, and what characters are beside symbols, and
how that joins runs of them, in _character_classes.pxd.
"""

import numpy as np

from cpython.list cimport PyList_GET_ITEM, PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from _character_classes cimport (
    ALNUM, BREAK, CLASSES, DIGIT, INNER, MARK, PERCENT, joins, piece_end, read_span,
)
from _lattice cimport best_path, draw, log_beta
from _nbest cimport Nbest, nbest_all, nbest_edges, nbest_tokens
from _owned cimport Pool, free_all, resized, spread
from _rng cimport Rng, rng_stream
from _signals cimport Pace, new_pace, spend
from _trie_layout cimport PAGE, PAGES, Layout, Unit, id_at, layout_of, longest_word, walk

cdef extern from "Python.h":
    object PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t end)
    bint Py_UNICODE_ISDECIMAL(uint32_t symbol) noexcept nogil

cdef enum:
    BLOCK = 4096  # characters or tokens between two words on what was spent
    STRETCH = 65536  # characters of a text that are segmented at a time
    TAIL = 2048  # characters at the end of a stretch where a place is looked for that no word crosses

cdef struct Token:
    int64_t end
    int32_t id
    int32_t slot

cdef struct Text:
    const void* data
    Py_ssize_t length
    int kind


cdef Text _text(str text):
    return Text(PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text), PyUnicode_KIND(text))


cdef class _Room:
    # What segmenting a stretch of a text needs, kept from stretch to stretch and text to text.
    cdef Pool pool
    cdef uint32_t* symbols
    cdef uint8_t* classes
    cdef double* score
    cdef uint64_t* back
    cdef Token* tokens
    cdef Py_ssize_t capacity  # characters
    cdef Pace pace
    # The text so far: where the next stretch begins, the best sum and the class of the last character there, whether
    # a run of letters and digits is open, and so its token held back.
    cdef Py_ssize_t at
    cdef double sum
    cdef uint8_t before
    cdef bint joining
    cdef Py_ssize_t held  # 0 or 1: the first of `tokens`
    cdef Py_ssize_t held_start
    # The tokens that are ready, and where the first one begins.
    cdef Py_ssize_t found, start

    def __cinit__(self):
        self.pace = new_pace()

    def __dealloc__(self):
        free_all(&self.pool)

    cdef void begin(self) noexcept nogil:
        # Make ready for a new text.
        self.at = self.held = self.found = self.start = 0
        self.sum = 1.0
        self.before = 0
        self.joining = False

    cdef int need(self, Py_ssize_t n) except -1 nogil:
        # Room for a stretch of n characters; the token held back stays.
        cdef Pool* pool = &self.pool
        if self.symbols != NULL and n <= self.capacity:
            return 0
        n = max(n, self.capacity + self.capacity // 2)
        self.symbols = <uint32_t*>resized(pool, self.symbols, n + 1, sizeof(uint32_t))
        self.classes = <uint8_t*>resized(pool, self.classes, n + 1, sizeof(uint8_t))
        self.score = <double*>resized(pool, self.score, n + 1, sizeof(double))
        self.back = <uint64_t*>resized(pool, self.back, n + 1, sizeof(uint64_t))
        self.tokens = <Token*>resized(pool, self.tokens, n + 2, sizeof(Token))
        self.capacity = n
        return 0


cdef class Segmenter:
    """Best segmentations over a trie's lattice.

    `punctuation`: code points that are tokens of their own and that no word crosses. `join`: 0 nothing, 1 runs of
    ASCII letters and digits, 2 also their full-width forms and the marks inside numbers.
    """

    cdef object trie
    cdef Layout* at  # the trie's own
    cdef double null_score
    cdef int join
    cdef uint16_t[::1] index
    cdef uint32_t[::1] pages  # entry: the symbol, and the classes above it

    def __cinit__(self, trie, const uint32_t[::1] punctuation, int join, double null_score):
        cdef Py_ssize_t i, page, n_pages
        self.trie, self.at, self.join, self.null_score = trie, layout_of(trie), join, null_score
        classes = {}
        for i in range(punctuation.shape[0]):
            classes[punctuation[i]] = BREAK
        for i in range(256):
            if chr(i).isalnum() and i < 128:
                classes[i] = classes.get(i, 0) | ALNUM | INNER | (DIGIT if chr(i).isdigit() else 0)
        classes[ord(".")] = classes.get(ord("."), 0) | INNER
        for mark in ".:/·":
            classes[ord(mark)] = classes.get(ord(mark), 0) | MARK
        for mark in "%‰":
            classes[ord(mark)] = classes.get(ord(mark), 0) | PERCENT
        if join == 2:
            for i in range(0xFF01, 0xFF5F):
                classes[i] = classes.get(i, 0) | (classes.get(i - 0xFEE0, 0) & ~BREAK)
        index = np.array(<const uint16_t[:PAGES]>self.at.index)
        pages = [np.array(<const uint32_t[:self.at.n_pages * PAGE]>self.at.pages)]
        n_pages = self.at.n_pages
        for page in sorted({symbol // PAGE for symbol in classes}):
            if index[page] == 0:
                index[page] = n_pages
                n_pages += 1
                pages.append(np.zeros(PAGE, np.uint32))
        self.index = index
        self.pages = np.concatenate(pages)
        # Other scripts' decimal digits may stand inside a run; only words of the trie can bring them there.
        for page in range(PAGES):
            if index[page]:
                for i in range(PAGE):
                    if Py_UNICODE_ISDECIMAL(page * PAGE + i):
                        classes[page * PAGE + i] = classes.get(page * PAGE + i, 0) | INNER
        for character, value in classes.items():
            i = int(index[character // PAGE]) * PAGE + character % PAGE
            self.pages[i] |= <uint32_t>value << CLASSES

    cdef int read(self, const Text* text, Py_ssize_t start, Py_ssize_t length, _Room room) except -1 nogil:
        # Symbols and classes of a stretch of a text; returns the classes that occur.
        cdef Py_ssize_t i = 0, n
        cdef uint8_t seen = 0
        cdef const char* data = <const char*>text.data + start * text.kind
        cdef const uint16_t* index = &self.index[0]
        cdef const uint32_t* pages = &self.pages[0]
        room.symbols[length] = 0
        room.classes[length] = 0
        while i < length:
            n = min(length - i, <Py_ssize_t>BLOCK)
            if text.kind == 1:
                seen |= read_span(<const uint8_t*>data + i, n, index, pages, room.symbols + i, room.classes + i)
            elif text.kind == 2:
                seen |= read_span(<const uint16_t*>data + i, n, index, pages, room.symbols + i, room.classes + i)
            else:
                seen |= read_span(<const uint32_t*>data + i, n, index, pages, room.symbols + i, room.classes + i)
            i += n
            spend(&room.pace, 2 * n)
        return seen

    cdef bint advance(self, const Text* text, _Room room) except -1 nogil:
        # The tokens of the next stretch of a text, as far as no run can join more to them; False after the last one.
        cdef Py_ssize_t rest = text.length - room.at, size = min(rest, <Py_ssize_t>STRETCH), n, start = 0, end
        cdef Py_ssize_t found = room.held, slot
        cdef int seen
        if rest == 0:
            return False
        while True:
            # One character more, which decides whether a mark stands between digits.
            n = min(size + 1, rest)
            room.need(n)
            seen = self.read(text, room.at, n, room)
            if size == rest:
                break
            n = self.uncrossed(room, size)
            if n > 0:
                size = n
                break
            size = min(2 * size, rest)
        while start < size:
            spend(&room.pace, 16)
            end = piece_end(room.classes, start, size)
            if room.classes[start] & BREAK:
                slot = walk(self.at, text.kind, text.data, room.at + start, room.at + end)
                room.tokens[found] = Token(room.at + end, id_at(self.at, slot), 0)
                found += 1
                room.sum = 1.0
            else:
                found = self.cut_piece(room, start, end, found)
            start = end
        room.start = room.held_start if room.held else room.at
        if self.join and (seen & ALNUM or room.joining):
            found = self.join_runs(text, room, found, size)
        else:
            room.joining = False
        room.before = room.classes[size - 1]
        room.at += size
        room.found = found
        return True

    cdef Py_ssize_t uncrossed(self, _Room room, Py_ssize_t size) except -1 nogil:
        # The last place near a stretch's end that no word crosses, so that all paths lead through it; 0 if there is
        # none.
        cdef const Unit* units = self.at.units
        cdef Py_ssize_t i, j, longest, last, reach = 0, place = 0
        cdef int32_t slot, parent
        for i in range(size, size - TAIL, -1):
            if room.classes[i - 1] & BREAK:
                return i
        longest = longest_word(self.at, &room.pace)
        # What begins after `last` may have its end beyond what was read.
        last = size - longest
        if last < longest + TAIL:
            return 0
        for i in range(last - TAIL - longest, last):
            parent, slot, j = 0, <int32_t>room.symbols[i], i
            while units[slot].check == parent:
                j += 1
                if units[slot].score > -INFINITY:
                    reach = max(reach, j)
                parent, slot = slot, units[slot].base + <int32_t>room.symbols[j]
            spend(&room.pace, 4 * (j - i + 1))
            if i >= last - TAIL and reach <= i + 1:
                place = i + 1
        return place

    cdef Py_ssize_t cut_piece(self, _Room room, Py_ssize_t start, Py_ssize_t end, Py_ssize_t found) except -1 nogil:
        # One piece between punctuation: forward, then back, the tokens laid down from the piece's end, where no
        # token can be yet, and moved to their place.
        cdef Py_ssize_t j = end - start, last = end + 1
        cdef Token* tokens = room.tokens
        cdef uint64_t step
        cdef uint32_t after = room.symbols[end]
        # Nothing leads from here to what stands behind.
        room.symbols[end] = 0
        try:
            best_path(
                self.at.units, room.symbols + start, j, self.null_score, room.sum, room.score, room.back, &room.pace
            )
        finally:
            room.symbols[end] = after
        room.sum = room.score[j]
        while j > 0:
            step = room.back[j]
            last -= 1
            tokens[last].end = room.at + start + j
            tokens[last].slot = <int32_t>step
            j -= <Py_ssize_t>(step >> 32)
            if last % BLOCK == 0:
                spend(&room.pace, 4 * BLOCK)
        for j in range(last, end + 1):
            tokens[found] = Token(tokens[j].end, id_at(self.at, tokens[j].slot), 0)
            found += 1
            if found % BLOCK == 0:
                spend(&room.pace, 8 * BLOCK)
        return found

    cdef Py_ssize_t join_runs(self, const Text* text, _Room room, Py_ssize_t found, Py_ssize_t size) except -1 nogil:
        # Join the tokens of a stretch; the last one is held back if the next stretch may go on with it.
        cdef Py_ssize_t k, kept = room.held, start = 0, end, slot, last_start = room.held_start
        cdef bint joined = False
        for k in range(room.held, found):
            if k % BLOCK == 0:
                spend(&room.pace, 4 * BLOCK)
            end = room.tokens[k].end - room.at
            if joins(
                self.join, room.classes, room.classes[start - 1] if start else room.before, start, end, &room.joining
            ):
                room.tokens[kept - 1].end = room.tokens[k].end
                room.tokens[kept - 1].id = -2
                joined = True
            else:
                room.tokens[kept] = room.tokens[k]
                kept += 1
                last_start = room.at + start
            start = end
        if joined or (room.held and room.tokens[0].id == -2):
            start = room.start
            for k in range(kept):
                if room.tokens[k].id == -2:
                    slot = walk(self.at, text.kind, text.data, start, room.tokens[k].end)
                    room.tokens[k].id = id_at(self.at, slot)
                start = room.tokens[k].end
        room.held = room.joining and room.at + size < text.length
        if room.held:
            kept -= 1
            room.held_start = last_start
        return kept

    cdef void take_back(self, _Room room) noexcept nogil:
        # Put the token that is held back where the next stretch begins with it.
        if room.held:
            room.tokens[0] = room.tokens[room.found]

    def nbest(self, str text, Py_ssize_t k):
        """The k best segmentations that differ once runs are joined: (ends, offsets, scores), best first.

        The tokens of number r end at ends[offsets[r]:offsets[r + 1]]; its score is the sum of the edges' of its best
        path, punctuation counting nothing. Of equal sums the one whose last edge starts earlier comes first, then the
        one of the better rank there.
        """
        cdef Text whole = _text(text)
        cdef Py_ssize_t n = whole.length, r, edges, found
        cdef _Room room = _Room()
        cdef Nbest best
        cdef int64_t* ends
        cdef list paths = [], scores = []
        room.need(n)
        memset(&best, 0, sizeof(Nbest))
        best.units, best.symbols, best.classes = self.at.units, room.symbols, room.classes
        best.null_score, best.join, best.length, best.k = self.null_score, self.join, n, k
        best.pool, best.pace = &room.pool, &room.pace
        with nogil:
            self.read(&whole, 0, n, room)
            nbest_all(&best)
        ends = <int64_t*>room.back
        for r in range(best.lines[n].n):
            if best.lines[n].at[r].number == r:
                edges = nbest_edges(&best, r, ends)
                scores.append(nbest_tokens(&best, ends, edges, &found))
                paths.append(np.array(<int64_t[:found]>ends) if found else np.empty(0, np.int64))
                if len(paths) == k:
                    break
        offsets = np.zeros(len(paths) + 1, np.int64)
        np.cumsum([len(path) for path in paths], out=offsets[1:])
        # Rounding must not let a sum that is added up anew overtake a better one.
        return np.concatenate(paths), offsets, np.minimum.accumulate(scores)

    def sample(self, str text, const uint64_t[::1] key, Py_ssize_t n, double temperature):
        """n segmentations drawn by exp(score / temperature): (ends, offsets).

        Draw i takes from stream i of the key one uniform number an edge, from left to right.
        """
        cdef Text whole = _text(text)
        cdef Py_ssize_t length = whole.length, start, end, i, t, found
        cdef _Room room = _Room()
        cdef double scale = 1.0 / temperature
        cdef double* edges
        cdef uint8_t* reached
        cdef Rng rng
        cdef list paths = []
        cdef int64_t[::1] path
        room.need(length + 1)
        room.begin()
        with nogil:
            edges = <double*>spread(&room.pool, length + 1, sizeof(double))
            reached = <uint8_t*>spread(&room.pool, length + 2, 1)
            self.read(&whole, 0, length, room)
            # A piece of m characters takes m + 1 places: the last is punctuation's, or the end's.
            start = 0
            while start < length:
                end = piece_end(room.classes, start, length)
                if not room.classes[start] & BREAK:
                    log_beta(
                        self.at.units, room.symbols + start, end - start, self.null_score, scale, reached + start,
                        room.score + start, edges, &room.pace,
                    )
                start = end
                spend(&room.pace, 16)
        for t in range(n):
            rng = rng_stream(&key[0], t)
            found = 0
            with nogil:
                start = 0
                while start < length:
                    end = piece_end(room.classes, start, length)
                    if room.classes[start] & BREAK:
                        room.tokens[found] = Token(end, 0, 0)
                        found += 1
                    else:
                        i = 0
                        while start + i < end:
                            spend(&room.pace, 32)
                            i = draw(
                                self.at.units, room.symbols + start, i, self.null_score, scale, reached + start,
                                room.score + start, &rng,
                            )
                            room.tokens[found] = Token(start + i, 0, 0)
                            found += 1
                    start = end
                    spend(&room.pace, 16)
                if self.join:
                    room.joining = False
                    found = self.join_runs(&whole, room, found, length)
            drawn = np.empty(found, np.int64)
            path = drawn
            for i in range(found):
                path[i] = room.tokens[i].end
            paths.append(drawn)
        offsets = np.zeros(n + 1, np.int64)
        np.cumsum([len(drawn) for drawn in paths], out=offsets[1:])
        return np.concatenate([np.empty(0, np.int64), *paths]), offsets

    cdef list strings(
        self, str text, list objects, const Token* tokens, Py_ssize_t n, Py_ssize_t start, Pace* pace
    ):
        # Tokens as str; a word's object is made once and handed out again.
        cdef list result = PyList_New(n)
        cdef Py_ssize_t k
        cdef int32_t id
        cdef object word
        for k in range(n):
            id = tokens[k].id
            if id >= 0:
                word = <object>PyList_GET_ITEM(objects, id)
                if word is None:
                    word = PyUnicode_Substring(text, start, tokens[k].end)
                    objects[id] = word
            else:
                word = PyUnicode_Substring(text, start, tokens[k].end)
            Py_INCREF(word)
            PyList_SET_ITEM(result, k, word)
            start = tokens[k].end
        spend(pace, 32 * n)
        return result

    def words(self, list texts):
        """The tokens of each text, a list of str each."""
        cdef Py_ssize_t t, n = len(texts)
        cdef Text text
        cdef _Room room = _Room()
        cdef list result = [], tokens, more, objects = self.trie._strings()
        try:
            for t in range(n):
                string = <str?>texts[t]
                text = _text(string)
                room.begin()
                tokens = None
                while self.advance(&text, room):
                    more = self.strings(string, objects, room.tokens, room.found, room.start, &room.pace)
                    self.take_back(room)
                    if tokens is None:
                        tokens = more
                        result.append(tokens)
                    else:
                        tokens.extend(more)
                if tokens is None:
                    result.append([])
                spend(&room.pace, 64)
        except BaseException:
            from fastcore._interrupt import free_slowly
            free_slowly(result)
            raise
        return result

    def ends(self, str text):
        """Where each token of a text ends."""
        cdef Text whole = _text(text)
        cdef _Room room = _Room()
        cdef Py_ssize_t k
        cdef bint more = True
        cdef int64_t[::1] end
        cdef list parts = []
        room.begin()
        while True:
            with nogil:
                more = self.advance(&whole, room)
            if not more:
                break
            part = np.empty(room.found, np.int64)
            end = part
            for k in range(room.found):
                end[k] = room.tokens[k].end
            self.take_back(room)
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int64), *parts])

    def encode(self, list texts):
        """The ids of all tokens, (ids, offsets): text t's are offsets[t]:offsets[t + 1]; -1 for what is no word."""
        cdef Py_ssize_t t, k, n = len(texts), total = 0, found = 0
        cdef _Room room = _Room()
        cdef Text* text = <Text*>spread(&room.pool, n, sizeof(Text))
        cdef int64_t[::1] offset
        cdef int32_t[::1] id
        offsets = np.zeros(n + 1, np.int64)
        offset = offsets
        for t in range(n):
            text[t] = _text(<str?>texts[t])
            total += text[t].length
        # What isn't touched costs nothing.
        ids = np.empty(total, np.int32)
        id = ids
        with nogil:
            for t in range(n):
                room.begin()
                while self.advance(&text[t], room):
                    for k in range(room.found):
                        id[found + k] = room.tokens[k].id
                    found += room.found
                    self.take_back(room)
                    spend(&room.pace, 2 * room.found)
                offset[t + 1] = found
                spend(&room.pace, 8)
        id = None
        ids.resize(found, refcheck=False)
        return ids, offsets
