# What characters are to a segmenter beside symbols of the trie, and how that joins tokens to runs.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from _trie_layout cimport PAGE
from _types cimport unit

cdef enum:
    SYMBOL = 0x1FFFFF  # mask of the symbol in a page's entry; classes lie above
    CLASSES = 21  # the lowest bit of the classes there
    ALNUM = 1  # starts and ends a run that is joined
    INNER = 2  # may stand inside such a run
    BREAK = 4  # punctuation: a token of its own, which no word crosses
    DIGIT = 8
    MARK = 16  # stands between the digits of a number, a date, a time, a ratio
    PERCENT = 32


cdef inline uint8_t read_span(
    const unit* text, Py_ssize_t n, const uint16_t* index, const uint32_t* pages, uint32_t* symbols, uint8_t* classes
) noexcept nogil:
    # The symbols and classes of some characters; returns the classes that occur. Punctuation gets no symbol, so that
    # no word crosses it.
    cdef Py_ssize_t i
    cdef uint32_t entry, classed, seen = 0
    for i in range(n):
        entry = pages[<uint32_t>index[<uint32_t>text[i] >> 8] * PAGE + (<uint32_t>text[i] & 255)]
        classed = entry >> CLASSES
        seen |= classed
        classes[i] = <uint8_t>classed
        symbols[i] = 0 if classed & BREAK else entry & SYMBOL
    return <uint8_t>seen


cdef inline Py_ssize_t piece_end(const uint8_t* classes, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    # The end of the piece that starts at `start`: one punctuation character, or what lies up to the next.
    cdef Py_ssize_t end = start + 1
    if not classes[start] & BREAK:
        while end < n and not classes[end] & BREAK:
            end += 1
    return end


cdef inline bint joins(
    int join, const uint8_t* classes, uint8_t before, Py_ssize_t start, Py_ssize_t end, bint* joining
) noexcept nogil:
    # Whether a token joins the one before it, and the state after it. Left to right: a token that ends in a letter
    # or digit opens a run, and the next ones join it while they end so too and hold only letters, digits and
    # dots. With join == 2 a mark between digits and a per cent sign after one join as well.
    cdef Py_ssize_t i
    cdef uint8_t last = classes[end - 1]
    if last & ALNUM:
        if not joining[0]:
            joining[0] = True
            return False
        for i in range(start, end):
            if not classes[i] & INNER:
                joining[0] = False
                return False
        return True
    if joining[0] and join == 2 and end == start + 1 and before & DIGIT and (
        last & MARK and classes[end] & DIGIT or last & PERCENT
    ):
        joining[0] = not last & PERCENT
        return True
    joining[0] = False
    return False
