# Where each word's slots lie in a double array (_trie_layout.pxd).
#
# Symbols are numbered by falling frequency and families placed by falling weight: what running text visits lies
# together.
from libc.math cimport log2
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from _owned cimport Pool, drop, resized, spread, zeros
from _signals cimport Pace, spend
from _table cimport Cell, Table, table_find, table_init, table_took
from _trie_layout cimport LIMIT

cdef enum:
    LARGE = 24  # children of a large family
    TRIED = 64  # blocks of 64 bases, when placing a family

cdef struct Node:
    double weight
    int32_t parent
    int32_t word
    int32_t first  # child
    int32_t next  # sibling
    int32_t slot
    uint32_t symbol

cdef struct Ranked:
    double weight
    int32_t item


cdef inline int _falling(const void* a, const void* b) noexcept nogil:
    cdef const Ranked* x = <const Ranked*>a
    cdef const Ranked* y = <const Ranked*>b
    if x.weight != y.weight:
        return -1 if x.weight > y.weight else 1
    return (x.item > y.item) - (x.item < y.item)


cdef inline int _rising(const void* a, const void* b) noexcept nogil:
    cdef uint32_t x = (<const uint32_t*>a)[0], y = (<const uint32_t*>b)[0]
    return (x > y) - (x < y)


cdef inline uint64_t _free_bits(const uint64_t* used, Py_ssize_t start) noexcept nogil:
    # Bit k: slot start + k is free.
    cdef Py_ssize_t word = start >> 6
    cdef int shift = start & 63
    if shift == 0:
        return ~used[word]
    return ~((used[word] >> shift) | (used[word + 1] << (64 - shift)))


cdef struct Builder:
    # What the construction needs; all zero at first but for the pace, and its memory is the pool's.
    Pool pool
    Pace pace
    Node* nodes
    Table children  # by parent and symbol, but for the newest of each parent
    uint64_t* used
    uint32_t* symbol_of
    Ranked* order
    int32_t* bases
    uint32_t* family
    Py_ssize_t n_nodes, n_symbols, capacity, n_families
    int32_t highest_base, highest_slot


cdef inline int number_symbols(Builder* self, const uint32_t* codes, Py_ssize_t n) except -1 nogil:
    # Symbols 1, 2, ... by falling number of occurrences, then by code point.
    cdef Ranked* ranked
    cdef Py_ssize_t i, k = 0
    self.symbol_of = <uint32_t*>zeros(&self.pool, 0x110000, sizeof(uint32_t))
    for i in range(n):
        spend(&self.pace, 1)
        if codes[i] > 0x10FFFF:
            raise ValueError(f"codes must be code points below 0x110000, got {codes[i]:#x}")
        self.symbol_of[codes[i]] += 1
    for i in range(0x110000):
        k += self.symbol_of[i] != 0
    self.n_symbols = k
    ranked = <Ranked*>spread(&self.pool, k, sizeof(Ranked))
    k = 0
    for i in range(0x110000):
        if self.symbol_of[i]:
            ranked[k].weight = self.symbol_of[i]
            ranked[k].item = <int32_t>i
            k += 1
    qsort(ranked, k, sizeof(Ranked), _falling)
    for i in range(k):
        self.symbol_of[ranked[i].item] = <uint32_t>(i + 1)
    drop(&self.pool, ranked)
    return 0


cdef inline int32_t _child(Builder* self, int32_t node, uint32_t symbol) except -1 nogil:
    # The child of a node by a symbol, a new one if there is none.
    cdef int32_t newest = self.nodes[node].first, child
    cdef uint64_t key = <uint64_t>node << 21
    cdef Cell* cell
    if newest and self.nodes[newest].symbol == symbol:
        return newest
    child = <int32_t>table_find(&self.children, key | symbol, sizeof(Cell)).mark
    if child == 0:
        if newest:
            key |= self.nodes[newest].symbol
            cell = table_find(&self.children, key, sizeof(Cell))
            cell.key, cell.mark = key, <uint64_t>newest
            table_took(&self.children, sizeof(Cell))
        child = <int32_t>self.n_nodes
        self.n_nodes += 1
        self.nodes[child] = Node(0, node, -1, 0, newest, 0, symbol)
        self.nodes[node].first = child
    return child


cdef inline int insert_words(
    Builder* self, const uint32_t* codes, const int64_t* offsets, const int64_t* counts, Py_ssize_t n_words
) except -1 nogil:
    # A trie of nodes. The newest child of each node hangs on it, the older ones are found in a table: so that holds
    # fewer than there are words, whatever these share.
    cdef Py_ssize_t w, k
    cdef int32_t node
    table_init(&self.children, &self.pool, &self.pace, n_words, sizeof(Cell))
    self.nodes = <Node*>spread(&self.pool, offsets[n_words] + 1, sizeof(Node))
    self.nodes[0] = Node(0, -1, -1, 0, 0, 0, 0)
    self.n_nodes = 1
    for w in range(n_words):
        node = 0
        for k in range(offsets[w], offsets[w + 1]):
            node = _child(self, node, self.symbol_of[codes[k]])
            self.nodes[node].weight += <double>counts[w]
        if self.nodes[node].word >= 0:
            raise ValueError(f"words {self.nodes[node].word} and {w} are the same")
        self.nodes[node].word = <int32_t>w
        spend(&self.pace, 20 * (offsets[w + 1] - offsets[w]))
    drop(&self.pool, self.children.cells)
    return 0


cdef inline int _grow(Builder* self, Py_ssize_t slots) except -1 nogil:
    # Room for `slots` slots and two words of 64 more.
    cdef Py_ssize_t wanted = self.capacity
    if slots + 128 <= self.capacity:
        return 0
    if slots >= LIMIT:
        raise ValueError("the lexicon is too large: its trie needs more than 2**30 slots")
    while wanted < slots + 128:
        wanted = wanted + (wanted >> 1) + 65536
    wanted = (wanted + 63) // 64 * 64
    self.used = <uint64_t*>resized(&self.pool, self.used, wanted // 8, 1)
    memset(<char*>self.used + self.capacity // 8, 0, (wanted - self.capacity) // 8)
    self.capacity = wanted
    return 0


cdef inline int place_families(Builder* self) except -1 nogil:
    # First fit, 64 bases at a time: the free bits at base + symbol of all children, ANDed. Each size of
    # family starts where searches of its size stopped being long.
    cdef Py_ssize_t i, n, size, child
    cdef Py_ssize_t k = 0, tried
    cdef int64_t base
    cdef int32_t slot
    cdef int64_t[64] hint
    cdef uint64_t fits
    self.order = <Ranked*>spread(&self.pool, self.n_nodes, sizeof(Ranked))
    self.bases = <int32_t*>zeros(&self.pool, self.n_nodes, sizeof(int32_t))
    self.family = <uint32_t*>spread(&self.pool, self.n_symbols, sizeof(uint32_t))
    for i in range(64):
        hint[i] = 1
    _grow(self, self.n_symbols + self.n_nodes)
    self.used[0] |= 1
    child = self.nodes[0].first
    while child:
        slot = <int32_t>self.nodes[child].symbol
        self.nodes[child].slot = slot
        self.highest_slot = max(self.highest_slot, slot)
        self.used[slot >> 6] |= <uint64_t>1 << (slot & 63)
        child = self.nodes[child].next
    for i in range(1, self.n_nodes):
        spend(&self.pace, 8)
        if self.nodes[i].first:
            n = 0
            child = self.nodes[i].first
            while child:
                n += 1
                child = self.nodes[child].next
            # Large families first, while there is room for them, then what is visited most.
            self.order[self.n_families].weight = n * 1e30 if n >= LARGE else self.nodes[i].weight
            self.order[self.n_families].item = <int32_t>i
            self.n_families += 1
    qsort(self.order, self.n_families, sizeof(Ranked), _falling)
    for i in range(self.n_families):
        n = 0
        child = self.nodes[self.order[i].item].first
        while child:
            self.family[n] = self.nodes[child].symbol
            n += 1
            child = self.nodes[child].next
        qsort(self.family, n, sizeof(uint32_t), _rising)
        # Sizes below 32 have a hint each, larger ones one for every eighth of their size.
        size = n if n < 32 else 32 + <Py_ssize_t>(8 * log2(n / 32.0)) if n < 512 else 63
        base = max(<int64_t>0, hint[size] - <int64_t>self.family[0])
        tried = 0
        while True:
            _grow(self, base + self.family[n - 1] + 64)
            fits = ~(<uint64_t>0)
            for k in range(n):
                fits &= _free_bits(self.used, base + self.family[k])
                if fits == 0:
                    break
            spend(&self.pace, 4 * (k + 1))
            if fits:
                break
            base += 64
            tried += 1
        while not fits & 1:
            fits >>= 1
            base += 1
        # Where a search was long, the next of this size starts later; one slot is filled after the other by
        # families of one child, unless its symbol lies beyond the hint and so says nothing about slots between.
        if n == 1 and hint[1] >= <int64_t>self.family[0]:
            hint[1] = base + self.family[0]
        elif tried > (TRIED if n < LARGE else 64 * TRIED):
            hint[size] = max(hint[size], <int64_t>self.family[0]) + 64 * (tried // 4)
        self.bases[self.order[i].item] = <int32_t>base
        self.highest_base = max(self.highest_base, <int32_t>base)
        child = self.nodes[self.order[i].item].first
        while child:
            slot = <int32_t>(base + self.nodes[child].symbol)
            self.nodes[child].slot = slot
            self.highest_slot = max(self.highest_slot, slot)
            self.used[slot >> 6] |= <uint64_t>1 << (slot & 63)
            child = self.nodes[child].next
        spend(&self.pace, 20 * n)
    return 0
