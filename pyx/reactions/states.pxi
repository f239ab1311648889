# The states that a network can reach.

cdef enum:
    IDLE = -1  # the reaction can't fire there
    BEYOND = -2  # it would lead out of the limits


cdef class _States:
    # States in the order in which they are met, and where each of them stands, by a hash that is linear: a reaction
    # changes it by the same number everywhere.
    cdef Pool pool
    cdef Py_ssize_t n_species, n, room, hash_room, target_room
    cdef int64_t* states  # n rows
    cdef uint64_t* hashes
    cdef int32_t* targets
    cdef int32_t* table  # one more than the number of a state, 0 where none is
    cdef uint64_t mask

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int begin(self, const int64_t[::1] start) except -1:
        cdef Py_ssize_t i
        cdef uint64_t hashed = 0
        self.n_species = start.shape[0]
        self.mask = 1023
        self.table = <int32_t*>zeros(&self.pool, 1024, sizeof(int32_t))
        self.make_room()
        for i in range(self.n_species):
            self.states[i] = start[i]
            hashed += factor_of(i) * <uint64_t>start[i]
        self.keep(self.states, hashed)
        return 0

    cdef int make_room(self) except -1 nogil:
        """Room for one more state; `states` may move."""
        self.states = <int64_t*>roomy(
            &self.pool, self.states, &self.room, (self.n + 1) * self.n_species, sizeof(int64_t))
        self.hashes = <uint64_t*>roomy(&self.pool, self.hashes, &self.hash_room, self.n + 1, sizeof(uint64_t))
        return 0

    cdef int32_t keep(self, const int64_t* state, uint64_t hashed) except -1 nogil:
        """The number of a state, which is kept if it is new; `state` may lie where the next would."""
        cdef uint64_t at = mixed(hashed) & self.mask
        cdef Py_ssize_t i
        while self.table[at]:
            i = self.table[at] - 1
            if self.hashes[i] == hashed and same(&self.states[i * self.n_species], state, self.n_species):
                return <int32_t>i
            at = (at + 1) & self.mask
        self.hashes[self.n] = hashed
        self.n += 1
        self.table[at] = <int32_t>self.n
        if 2 * <uint64_t>self.n > self.mask:
            self.grow()
        return <int32_t>(self.n - 1)

    cdef int grow(self) except -1 nogil:
        cdef uint64_t mask = 2 * self.mask + 1, at
        cdef int32_t* table = <int32_t*>zeros(&self.pool, mask + 1, sizeof(int32_t))
        cdef Py_ssize_t i
        for i in range(self.n):
            at = mixed(self.hashes[i]) & mask
            while table[at]:
                at = (at + 1) & mask
            table[at] = <int32_t>(i + 1)
        drop(&self.pool, self.table)
        self.table, self.mask = table, mask
        return 0


cdef inline uint64_t factor_of(Py_ssize_t species) noexcept nogil:
    return splitmix64(0, species) | 1


cdef inline uint64_t mixed(uint64_t hashed) noexcept nogil:
    # The low bits of a linear hash alone would follow a pattern.
    hashed *= <uint64_t>0x9E3779B97F4A7C15
    return hashed ^ hashed >> 32


cdef inline bint same(const int64_t* a, const int64_t* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if a[i] != b[i]:
            return False
    return True


def reachable(
    const int64_t[::1] need_at, const int64_t[::1] need, const int64_t[::1] least, const int64_t[::1] change_at,
    const int64_t[::1] changed, const int64_t[::1] by, const int64_t[::1] start, const int64_t[::1] limits,
    Py_ssize_t most,
):
    """States that lead on from `start` to one another within limits: (states, where each reaction leads from each).

    Reaction j can fire where x[need[i]] >= least[i] for need_at[j] <= i < need_at[j + 1], and then changes
    x[changed[i]] by by[i]. States have numbers in the order in which they are met, the reactions of each in turn; -1
    stands where a reaction can't fire, -2 where it would lead out of the limits. None if there are more than `most`.
    """
    cdef _States it = _States()
    cdef Pace pace = new_pace()
    cdef Py_ssize_t at = 0, j, i, n = start.shape[0], reactions = need_at.shape[0] - 1
    cdef int64_t* x
    cdef int64_t* further
    cdef uint64_t hashed
    cdef uint64_t[::1] shifts = np.zeros(reactions, np.uint64)
    cdef bint ready, inside
    most = min(most, <Py_ssize_t>0x7FFFFFFE)
    for j in range(reactions):
        for i in range(change_at[j], change_at[j + 1]):
            shifts[j] += factor_of(changed[i]) * <uint64_t>by[i]
    it.begin(start)
    with nogil:
        while at < it.n:
            it.targets = <int32_t*>roomy(
                &it.pool, it.targets, &it.target_room, (at + 1) * reactions, sizeof(int32_t))
            for j in range(reactions):
                it.make_room()
                x, further = &it.states[at * n], &it.states[it.n * n]
                ready = True
                for i in range(need_at[j], need_at[j + 1]):
                    ready &= x[need[i]] >= least[i]
                if not ready:
                    it.targets[at * reactions + j] = IDLE
                    continue
                memcpy(further, x, n * sizeof(int64_t))
                inside = True
                for i in range(change_at[j], change_at[j + 1]):
                    further[changed[i]] += by[i]
                    inside &= 0 <= further[changed[i]] <= limits[changed[i]]
                if not inside:
                    it.targets[at * reactions + j] = BEYOND
                    continue
                it.targets[at * reactions + j] = it.keep(further, it.hashes[at] + shifts[j])
            if it.n > most:
                break
            at += 1
            spend(&pace, (n + 8) * reactions)
    if it.n > most:
        return None
    states, targets = np.empty((it.n, n), np.int64), np.empty((it.n, reactions), np.int32)
    cdef int64_t[:, ::1] to_states = states
    cdef int32_t[:, ::1] to_targets = targets
    memcpy(&to_states[0, 0], it.states, it.n * n * sizeof(int64_t))
    if reactions:
        memcpy(&to_targets[0, 0], it.targets, it.n * reactions * sizeof(int32_t))
    return states, targets
