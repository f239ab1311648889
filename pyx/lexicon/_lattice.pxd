# The lattice of a trie's words over a text, given as symbols: symbols[n] is 0, which no child has.
from libc.math cimport INFINITY, exp, log
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from _rng cimport Rng, next_double
from _signals cimport Pace, spend
from _trie_layout cimport Unit

cdef extern from "memory_hints.h":
    void FASTCORE_PREFETCH(const void* p) noexcept nogil

cdef enum:
    # Positions between two words on what was spent.
    BLOCK = 1024


cdef inline int best_path(
    const Unit* units, const uint32_t* symbols, Py_ssize_t n, double null_score, double first, double* score,
    uint64_t* back, Pace* pace
) except -1 nogil:
    # score[j]: the best sum up to j; back[j]: length and slot of its last edge. No word may reach beyond n. Sums
    # start at `first`, which is 1 where a piece begins, and a later start must be strictly better, as in nlp-zero: so
    # ties, and sums that only rounding tells apart, fall as there.
    cdef Py_ssize_t i, j
    cdef int32_t slot, parent
    cdef double start, candidate
    cdef bint better
    score[0] = first
    for j in range(1, n + 1):
        score[j] = -INFINITY
        back[j] = <uint64_t>1 << 32
        # The second step from each position: most of the waiting is for these.
        FASTCORE_PREFETCH(units + units[symbols[j - 1]].base + symbols[j])
        if j % BLOCK == 0:
            spend(pace, 2 * BLOCK)
    for i in range(n):
        start = score[i]
        parent = 0
        slot = <int32_t>symbols[i]
        j = i
        while units[slot].check == parent:
            j += 1
            candidate = start + units[slot].score
            better = candidate > score[j]
            score[j] = candidate if better else score[j]
            back[j] = (<uint64_t>(j - i) << 32 | <uint32_t>slot) if better else back[j]
            parent = slot
            slot = units[slot].base + <int32_t>symbols[j]
        if score[i + 1] == -INFINITY:
            score[i + 1] = start + null_score
        if i % BLOCK == 0:
            spend(pace, 8 * BLOCK)
    return 0


cdef inline int log_beta(
    const Unit* units, const uint32_t* symbols, Py_ssize_t n, double null_score, double scale,
    uint8_t* reached, double* beta, double* edges, Pace* pace
) except -1 nogil:
    # beta[i]: the logarithm of the summed exp(scale * score) of all paths from i to n; reached[j]: a word ends at j.
    # An edge of null_score goes where no word ends. Edges are summed by rising end.
    cdef Py_ssize_t i, j, k, m
    cdef int32_t slot, parent
    cdef double most, total
    memset(reached, 0, n + 1)
    for i in range(n):
        if i % BLOCK == 0:
            spend(pace, 8 * BLOCK)
        parent = 0
        slot = <int32_t>symbols[i]
        j = i
        while units[slot].check == parent:
            j += 1
            reached[j] |= units[slot].score > -INFINITY
            parent = slot
            slot = units[slot].base + <int32_t>symbols[j]
    beta[n] = 0
    for i in range(n - 1, -1, -1):
        m = 0
        most = -INFINITY
        if not reached[i + 1]:
            edges[0] = most = null_score * scale + beta[i + 1]
            m = 1
        parent = 0
        slot = <int32_t>symbols[i]
        j = i
        while units[slot].check == parent:
            j += 1
            if units[slot].score > -INFINITY:
                edges[m] = units[slot].score * scale + beta[j]
                most = max(most, edges[m])
                m += 1
            parent = slot
            slot = units[slot].base + <int32_t>symbols[j]
        total = 0
        for k in range(m):
            if most > -INFINITY:
                total += exp(edges[k] - most)
        beta[i] = most + log(total) if most > -INFINITY else -INFINITY
        if i % BLOCK == 0:
            spend(pace, 8 * BLOCK)
    return 0


cdef inline int expect(
    const Unit* units, const uint32_t* symbols, Py_ssize_t n, double null_score, const uint8_t* reached,
    const double* beta, double* passed, double* weights, Pace* pace
) except -1 nogil:
    # passed[i]: the probability that a path goes through i; each edge's is added to its slot's weight.
    cdef Py_ssize_t i, j
    cdef int32_t slot, parent
    cdef double probability
    memset(passed, 0, (n + 1) * sizeof(double))
    passed[0] = 1.0
    for i in range(n):
        if i % BLOCK == 0:
            spend(pace, 8 * BLOCK)
        if passed[i] == 0:
            continue
        if not reached[i + 1]:
            passed[i + 1] += passed[i] * exp(null_score + beta[i + 1] - beta[i])
        parent = 0
        slot = <int32_t>symbols[i]
        j = i
        while units[slot].check == parent:
            j += 1
            if units[slot].score > -INFINITY:
                probability = passed[i] * exp(units[slot].score + beta[j] - beta[i])
                passed[j] += probability
                weights[slot] += probability
            parent = slot
            slot = units[slot].base + <int32_t>symbols[j]
    return 0


cdef inline Py_ssize_t draw(
    const Unit* units, const uint32_t* symbols, Py_ssize_t i, double null_score, double scale,
    const uint8_t* reached, const double* beta, Rng* rng
) noexcept nogil:
    # The end of an edge that leaves i, drawn by its share of the paths from there: one uniform number, against
    # the shares summed by rising end.
    cdef Py_ssize_t j = i, last = i + 1
    cdef int32_t slot, parent = 0
    cdef double rest = next_double(rng)
    if not reached[i + 1]:
        rest -= exp(null_score * scale + beta[i + 1] - beta[i])
        if rest < 0:
            return i + 1
    slot = <int32_t>symbols[i]
    while units[slot].check == parent:
        j += 1
        if units[slot].score > -INFINITY and beta[j] > -INFINITY:
            rest -= exp(units[slot].score * scale + beta[j] - beta[i])
            last = j
            if rest < 0:
                return j
        parent = slot
        slot = units[slot].base + <int32_t>symbols[j]
    return last
