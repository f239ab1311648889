"""Kernels of the vectorizer's features: n-grams of symbols numbered, counted a document at a time, and spelled."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from _numbers cimport Numbers, append, numbers_array
from _owned cimport Pool, drop, free_all, resized, roomy, spread, zeros
from _signals cimport Pace, new_pace, spend
from _sorting cimport sort_few
from _table cimport FASTCORE_PREFETCH, Cell, Table, table_fetch, table_find, table_init, table_took

cdef enum:
    BLOCK = 4096  # n-grams between two words on what was spent
    AHEAD = 16  # how many steps early memory is fetched
    FEW = 40  # so many numbers are faster sorted by insertion


cdef struct Level:
    # The distinct n-grams of one length: nodes of a tree, whose parents are one symbol shorter.
    int32_t *at  # the node that begins at each place, -1 where none does
    int32_t *parent
    int32_t *symbol
    int32_t *feature  # the id of a node that counts, else -1
    int32_t *sorted  # the nodes in the order of their symbols
    int32_t *place  # where each node stands in `sorted`
    int64_t *children  # where the children of each place begin in the next level's `sorted`
    Py_ssize_t count, room


cdef inline int32_t *int32s(Pool *pool, Py_ssize_t count) except NULL nogil:
    return <int32_t *>spread(pool, count, sizeof(int32_t))


cdef inline uint64_t node_key(int32_t parent, int32_t symbol) noexcept nogil:
    return <uint64_t>parent << 32 | <uint32_t>symbol


cdef int32_t new_node(Level *level, Pool *pool, int32_t parent, int32_t symbol) except -1 nogil:
    cdef Py_ssize_t room = level.room
    if level.count >= 0x7ffffffe:
        raise MemoryError("no id is left for another n-gram")
    level.parent = <int32_t *>roomy(pool, level.parent, &room, level.count + 1, sizeof(int32_t))
    if room > level.room:
        level.symbol = <int32_t *>resized(pool, level.symbol, room, sizeof(int32_t))
        level.room = room
    level.parent[level.count] = parent
    level.symbol[level.count] = symbol
    level.count += 1
    return <int32_t>(level.count - 1)


cdef int find_level(
    const int32_t *stream, Py_ssize_t places, Py_ssize_t n, Level *shorter, Level *level, Pool *pool, Pace *pace
) except -1 nogil:
    """Number the n-grams of `n` symbols by first occurrence."""
    cdef Py_ssize_t i, stop = places - n + 1
    cdef uint64_t key
    cdef const int32_t *last = stream + n - 1
    cdef Table table
    cdef Cell *cell
    # A cell's mark is one more than its node.
    table_init(&table, pool, pace, 0, sizeof(Cell))
    for i in range(places):
        level.at[i] = -1
    spend(pace, places)
    for i in range(stop):
        if i + AHEAD < stop and shorter.at[i + AHEAD] >= 0:
            table_fetch(&table, node_key(shorter.at[i + AHEAD], last[i + AHEAD]), sizeof(Cell))
        if i & (BLOCK - 1) == 0:
            spend(pace, 8 * BLOCK)
        if shorter.at[i] < 0 or last[i] < 0:
            continue
        key = node_key(shorter.at[i], last[i])
        cell = table_find(&table, key, sizeof(Cell))
        if cell.mark:
            level.at[i] = <int32_t>(cell.mark - 1)
            continue
        level.at[i] = new_node(level, pool, shorter.at[i], last[i])
        cell.key = key
        cell.mark = <uint64_t>level.count
        table_took(&table, sizeof(Cell))
    drop(pool, table.cells)
    return 0


cdef int sort_level(
    Level *shorter, Level *level, Py_ssize_t n_symbols, const int32_t *ranks, Pool *pool,
    Pace *pace
) except -1 nogil:
    """Put nodes in the order of their parents, then of their last symbols, by counting twice."""
    cdef Py_ssize_t i, at, node, size = max(n_symbols, shorter.count) + 2
    cdef int32_t *by_symbol = int32s(pool, level.count + 1)
    cdef int64_t *next = <int64_t *>zeros(pool, size, sizeof(int64_t))
    shorter.children = <int64_t *>zeros(pool, shorter.count + 2, sizeof(int64_t))
    level.sorted = int32s(pool, level.count + 1)
    level.place = int32s(pool, level.count + 1)
    for node in range(level.count):
        next[ranks[level.symbol[node]] + 1] += 1
    for i in range(n_symbols):
        next[i + 1] += next[i]
    for node in range(level.count):
        i = ranks[level.symbol[node]]
        by_symbol[next[i]] = <int32_t>node
        next[i] += 1
        if node & (BLOCK - 1) == 0:
            spend(pace, 8 * BLOCK)
    for node in range(level.count):
        shorter.children[shorter.place[level.parent[node]] + 1] += 1
    for i in range(shorter.count):
        shorter.children[i + 1] += shorter.children[i]
    memcpy(next, shorter.children, (shorter.count + 1) * sizeof(int64_t))
    for i in range(level.count):
        node = by_symbol[i]
        at = shorter.place[level.parent[node]]
        level.sorted[next[at]] = <int32_t>node
        level.place[node] = <int32_t>next[at]
        next[at] += 1
        if i & (BLOCK - 1) == 0:
            spend(pace, 8 * BLOCK)
    drop(pool, by_symbol)
    drop(pool, next)
    return 0


cdef struct Found:
    # Instances of features as they are met, and each feature's first place.
    int32_t *instances  # not its own
    Py_ssize_t count
    Numbers starts, lengths


cdef inline int emit(
    Found *found, Pool *pool, int32_t *feature, const int32_t *at, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t piece,
    Py_ssize_t n, Pace *pace
) except -1 nogil:
    """Append the features of `n` symbols that begin from begin to end."""
    cdef Py_ssize_t i
    cdef int32_t node
    for i in range(begin, end):
        if i & (BLOCK - 1) == 0:
            spend(pace, 2 * BLOCK)
        if i + AHEAD < end:
            FASTCORE_PREFETCH(feature + at[i + AHEAD])
        node = at[i]
        if feature[node] < 0:
            feature[node] = <int32_t>found.starts.length
            append(&found.starts, pool, i - piece)
            append(&found.lengths, pool, n)
        found.instances[found.count] = feature[node]
        found.count += 1
    return 0


cdef int emit_all(
    const Level *levels, const int64_t[::1] pieces, const int64_t[::1] documents, Py_ssize_t min_n, Py_ssize_t max_n,
    bint short, Found *found, Pool *pool, int64_t[::1] bounds, Pace *pace
) except -1 nogil:
    """Append the features of all documents, piece by piece, short ones first."""
    cdef Py_ssize_t document, piece, begin, size, n
    for document in range(documents.shape[0] - 1):
        for piece in range(documents[document], documents[document + 1]):
            # A separator stands after each piece.
            begin = pieces[piece] + piece
            size = pieces[piece + 1] - pieces[piece]
            if short and 0 < size < min_n:
                emit(found, pool, levels[size].feature, levels[size].at, begin, begin + 1, piece, size, pace)
            for n in range(min_n, min(max_n, size) + 1):
                emit(found, pool, levels[n].feature, levels[n].at, begin, begin + size - n + 1, piece, n,
                     pace)
            spend(pace, 8)
        bounds[document + 1] = found.count
    return 0


cdef int walk(
    const Level *levels, Py_ssize_t longest, Py_ssize_t roots, int32_t[::1] order, Pool *pool, Pace *pace
) except -1 nogil:
    """List the features as a walk through the tree meets them, parents before children."""
    cdef Py_ssize_t n = 1, k = 0
    cdef int32_t feature
    cdef int64_t *next = <int64_t *>zeros(pool, longest + 2, sizeof(int64_t))
    cdef int64_t *end = <int64_t *>zeros(pool, longest + 2, sizeof(int64_t))
    end[1] = roots
    while n > 0:
        if next[n] == end[n]:
            n -= 1
            continue
        feature = levels[n].feature[levels[n].sorted[next[n]]]
        if feature >= 0:
            order[k] = feature
            k += 1
        spend(pace, 8)
        next[n] += 1
        if n < longest:
            next[n + 1] = levels[n].children[next[n] - 1]
            end[n + 1] = levels[n].children[next[n]]
            n += 1
    return 0


cdef Py_ssize_t lay_out(
    const int32_t[::1] symbols, const int64_t[::1] pieces, Py_ssize_t min_n, Py_ssize_t max_n, bint short,
    int32_t[::1] stream, Py_ssize_t *longest, Pace *pace
) except -1 nogil:
    """Write the symbols with a -1 after each piece and two at the end; return how many instances there will be."""
    cdef Py_ssize_t i, j, at = 0, size, n, room = 0
    for i in range(pieces.shape[0] - 1):
        for j in range(pieces[i], pieces[i + 1]):
            stream[at] = symbols[j]
            at += 1
        stream[at] = -1
        at += 1
        size = pieces[i + 1] - pieces[i]
        longest[0] = max(longest[0], size)
        if short and 0 < size < min_n:
            room += 1
        for n in range(min_n, min(max_n, size) + 1):
            room += size - n + 1
        spend(pace, size + 8)
    stream[at] = -1
    return room


cdef int find_levels(
    Level *levels, Py_ssize_t longest, int32_t[::1] stream, const int32_t[::1] ranks, Pool *pool, Pace *pace
) except -1 nogil:
    """Find the n-grams of each length: of one symbol, they are the symbols."""
    cdef Py_ssize_t n, i, places = stream.shape[0], n_symbols = ranks.shape[0]
    levels[1].at = int32s(pool, places)
    memcpy(levels[1].at, &stream[0], places * sizeof(int32_t))
    levels[1].count = n_symbols
    levels[1].sorted = int32s(pool, n_symbols + 1)
    levels[1].place = int32s(pool, n_symbols + 1)
    for i in range(n_symbols):
        levels[1].place[i] = ranks[i]
        levels[1].sorted[ranks[i]] = <int32_t>i
    for n in range(2, longest + 1):
        levels[n].at = int32s(pool, places)
        find_level(&stream[0], places, n, &levels[n - 1], &levels[n], pool, pace)
    for n in range(1, longest + 1):
        levels[n].feature = int32s(pool, levels[n].count + 1)
        memset(levels[n].feature, 0xff, (levels[n].count + 1) * sizeof(int32_t))
    return 0


cdef int sort_levels(
    Level *levels, Py_ssize_t longest, const int32_t[::1] ranks, Pool *pool, Pace *pace
) except -1 nogil:
    cdef Py_ssize_t n
    for n in range(1, longest + 1):
        drop(pool, levels[n].at)
        levels[n].at = NULL
        if n > 1:
            sort_level(&levels[n - 1], &levels[n], ranks.shape[0], &ranks[0], pool, pace)
    return 0


def find_ngrams(
    const int32_t[::1] symbols, const int64_t[::1] pieces, const int64_t[::1] documents, const int32_t[::1] ranks,
    Py_ssize_t min_n, Py_ssize_t max_n, bint short
):
    """Number the n-grams of min_n to max_n symbols inside pieces: first piece first, short before long, then by place.

    With `short`, a piece of fewer than min_n symbols counts once, whole. `ranks` order the symbols.

    Returns: the id of each instance, the documents' offsets in those, each id's first place in symbols and its
    length, and the ids in the order of their symbols' ranks.
    """
    cdef Py_ssize_t places = symbols.shape[0] + pieces.shape[0], room, longest = 0
    cdef Level *levels
    cdef Found found
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef Pace pace = new_pace()
    stream = np.empty(places, dtype=np.int32)
    bounds = np.zeros(documents.shape[0], dtype=np.int64)
    cdef int32_t[::1] to_stream = stream, to_instances, to_order
    cdef int64_t[::1] to_bounds = bounds
    memset(&found, 0, sizeof(Found))
    with nogil:
        room = lay_out(symbols, pieces, min_n, max_n, short, to_stream, &longest, &pace)
    longest = max(1, min(max_n, longest))
    instances = np.empty(room, dtype=np.int32)
    to_instances = instances
    found.instances = &to_instances[0] if room else NULL
    try:
        with nogil:
            levels = <Level *>zeros(&pool, longest + 1, sizeof(Level))
            find_levels(levels, longest, to_stream, ranks, &pool, &pace)
            emit_all(levels, pieces, documents, min_n, max_n, short, &found, &pool, to_bounds, &pace)
            sort_levels(levels, longest, ranks, &pool, &pace)
        order = np.empty(found.starts.length, dtype=np.int32)
        to_order = order
        with nogil:
            walk(levels, longest, ranks.shape[0], to_order, &pool, &pace)
        return instances, bounds, numbers_array(&found.starts), numbers_array(&found.lengths), order
    finally:
        free_all(&pool)


cdef void sort_by_digits(int32_t *keys, int32_t *spare, Py_ssize_t n, int32_t most) noexcept nogil:
    """Sort numbers from 0 to `most`, eight bits at a time."""
    cdef Py_ssize_t counts[256]
    cdef Py_ssize_t i, total, here
    cdef int shift = 0
    cdef int32_t *to = spare
    cdef int32_t *source = keys
    while most >> shift > 0:
        memset(counts, 0, sizeof(counts))
        for i in range(n):
            counts[source[i] >> shift & 255] += 1
        total = 0
        for i in range(256):
            here = counts[i]
            counts[i] = total
            total += here
        for i in range(n):
            here = source[i] >> shift & 255
            to[counts[here]] = source[i]
            counts[here] += 1
        source, to = to, source
        shift += 8
        if shift > 24:
            break
    if source != keys:
        memcpy(keys, source, n * sizeof(int32_t))


cdef Py_ssize_t fill_rows(
    const int32_t[::1] keys, const int64_t[::1] bounds, int64_t[::1] offsets, int32_t[::1] columns, int64_t[::1] counts,
    int32_t *row, int32_t *spare
) except -1 nogil:
    cdef Py_ssize_t document, i, n, at = 0
    cdef int32_t most
    cdef Pace pace = new_pace()
    for document in range(bounds.shape[0] - 1):
        n = 0
        most = 0
        for i in range(bounds[document], bounds[document + 1]):
            row[n] = keys[i]
            n += keys[i] >= 0
            most = max(most, keys[i])
        if n > FEW:
            sort_by_digits(row, spare, n, most)
        else:
            sort_few(row, n)
        i = 0
        while i < n:
            columns[at] = row[i]
            counts[at] = 1
            i += 1
            while i < n and row[i] == columns[at]:
                counts[at] += 1
                i += 1
            at += 1
        offsets[document + 1] = at
        spend(&pace, 8 * (bounds[document + 1] - bounds[document] + 1))
    return at


def count_rows(const int32_t[::1] keys, const int64_t[::1] bounds):
    """Count each document's keys, leaving out negative ones: offsets, keys rising in each row, and their counts."""
    cdef Py_ssize_t n = keys.shape[0], longest = 0, i, used
    cdef Pool pool = Pool(NULL, 0, 0)
    offsets = np.zeros(bounds.shape[0], dtype=np.int64)
    columns = np.empty(n, dtype=np.int32)
    counts = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] to_offsets = offsets
    cdef int32_t[::1] to_columns = columns
    cdef int64_t[::1] to_counts = counts
    for i in range(bounds.shape[0] - 1):
        longest = max(longest, bounds[i + 1] - bounds[i])
    try:
        with nogil:
            used = fill_rows(
                keys, bounds, to_offsets, to_columns, to_counts, int32s(&pool, longest + 1), int32s(&pool, longest + 1))
    finally:
        free_all(&pool)
    to_columns = None
    to_counts = None
    columns.resize(used, refcheck=False)
    counts.resize(used, refcheck=False)
    return offsets, columns, counts


cdef inline void fetch(
    const int32_t[::1] symbols, const int64_t[::1] starts, Py_ssize_t i, Py_ssize_t n
) noexcept nogil:
    """Let the symbols of an n-gram arrive that is soon to be read."""
    if i + AHEAD < n:
        FASTCORE_PREFETCH(&symbols[0] + starts[i + AHEAD])


def spell(
    const int32_t[::1] symbols, const int64_t[::1] starts, const int64_t[::1] lengths, const uint32_t[::1] letters,
    const int64_t[::1] ends, bint joined
):
    """Write n-grams as code points: symbol s is letters[ends[s]:ends[s + 1]]; spaces between symbols, if `joined`.

    Returns the code points of all and the n-grams' offsets in them.
    """
    cdef Py_ssize_t n = starts.shape[0], i, j, k, at = 0
    cdef int32_t symbol
    offsets = np.zeros(n + 1, dtype=np.int64)
    cdef int64_t[::1] to_offsets = offsets
    cdef uint32_t[::1] to_points
    # The sizes first: they are the lengths, if every symbol is one code point.
    cdef bint single = not joined
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(ends.shape[0] - 1):
            single = single and ends[i + 1] - ends[i] == 1
        for i in range(n):
            if single:
                at += lengths[i]
            else:
                fetch(symbols, starts, i, n)
                for j in range(starts[i], starts[i] + lengths[i]):
                    at += ends[symbols[j] + 1] - ends[symbols[j]]
                at += lengths[i] - 1 if joined else 0
            to_offsets[i + 1] = at
            spend(&pace, lengths[i] + 8)
    points = np.empty(at, dtype=np.uint32)
    to_points = points
    at = 0
    with nogil:
        for i in range(n):
            fetch(symbols, starts, i, n)
            for j in range(lengths[i]):
                if joined and j:
                    to_points[at] = c' '
                    at += 1
                symbol = symbols[starts[i] + j]
                for k in range(ends[symbol], ends[symbol + 1]):
                    to_points[at] = letters[k]
                    at += 1
            spend(&pace, 2 * lengths[i] + 8)
    return points, offsets


cdef inline int compare(
    const uint32_t[::1] a, Py_ssize_t a_at, Py_ssize_t a_end, const uint32_t[::1] b, Py_ssize_t b_at, Py_ssize_t b_end
) noexcept nogil:
    """Negative, 0 or positive as one string stands before, at or after another."""
    while a_at < a_end and b_at < b_end:
        if a[a_at] != b[b_at]:
            return -1 if a[a_at] < b[b_at] else 1
        a_at += 1
        b_at += 1
    return (a_at < a_end) - (b_at < b_end)


def match(
    const uint32_t[::1] points, const int64_t[::1] offsets, const uint32_t[::1] other_points,
    const int64_t[::1] other_offsets
):
    """Find strings among others, -1 for none; both are sorted by code points and without duplicates."""
    cdef Py_ssize_t n = offsets.shape[0] - 1, others = other_offsets.shape[0] - 1, i, low = 0, high, step, middle
    cdef int sign
    found = np.full(n, -1, dtype=np.int32)
    cdef int32_t[::1] to_found = found
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(n):
            # The first other that isn't before this string lies in [low, high], found by doubling and halving.
            step = 1
            high = low
            while high < others and compare(
                other_points, other_offsets[high], other_offsets[high + 1], points, offsets[i], offsets[i + 1]
            ) < 0:
                low = high + 1
                high = min(high + step, others)
                step *= 2
            while low < high:
                middle = (low + high) // 2
                sign = compare(
                    other_points, other_offsets[middle], other_offsets[middle + 1], points, offsets[i], offsets[i + 1])
                if sign < 0:
                    low = middle + 1
                else:
                    high = middle
            if low == others:
                break
            sign = compare(other_points, other_offsets[low], other_offsets[low + 1], points, offsets[i], offsets[i + 1])
            if sign == 0:
                to_found[i] = <int32_t>low
            spend(&pace, 20)
    return found
