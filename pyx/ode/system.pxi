# A network laid out for the inner loops, its right-hand side and derivatives. The state is (x, s_1, ..., s_k): amounts,
# then derivatives of the amounts by each parameter.

cdef enum:
    SMALL_NETWORK = 64

cdef enum:
    # What a rate is: a constant times none, one or two amounts, times any number of factors, or a program.
    NO_FACTOR = 0
    ONE_FACTOR = 1
    TWO_FACTORS = 2
    FACTORS = 3
    PROGRAM = 4


cdef struct Rate:
    # The first amounts that a product has; where it has fewer, the place behind the last amount.
    int32_t kind
    int32_t a
    int32_t b


cdef struct Term:
    # What a reaction adds to an amount: so often its constant times amounts.
    double by
    double constant
    int32_t a
    int32_t b


cdef struct Network:
    Py_ssize_t n_species
    Py_ssize_t n_reactions
    Py_ssize_t n_params
    Py_ssize_t size
    Py_ssize_t most_factors
    bint plain  # no rate has more than two factors, or is a program
    Rate* rates
    const int64_t* factor_at
    const int64_t* factor
    const double* shift
    # What each reaction changes by how much, and the same by species.
    const int64_t* change_at
    const int64_t* changed
    double* by
    int64_t* into_at
    int32_t* into
    double* into_by
    # Programs, and frames for these: values, derivatives along two directions and both.
    Py_ssize_t n_slots
    const int64_t* program_at
    const Instruction* program
    const int64_t* read_at
    const int64_t* read
    Py_ssize_t results
    Py_ssize_t slots
    bint small  # so few plain reactions that their rates are computed anew for each amount that they change
    # Of one call.
    Term* terms  # where a small network has no parameters: by amount, as `into`
    const double* constants  # of reactions, then slots
    const double* slopes  # of the constants, by each parameter
    double* flux  # rates, then their derivatives by each parameter
    double* partial  # one a factor of a reaction
    double* amounts  # and 1 behind them, where what has fewer than two factors finds the others
    double* frame
    double* one
    double* two
    double* both
    double* unit  # zeros, one a species


cdef inline double without(const Network* s, const double* x, double c, Py_ssize_t j, Py_ssize_t f,
                           Py_ssize_t g) noexcept nogil:
    # c times the factors of reaction j but the ones at f and g.
    cdef Py_ssize_t i
    for i in range(s.factor_at[j], s.factor_at[j + 1]):
        if i != f and i != g:
            c *= x[s.factor[i]] - s.shift[i]
    return c


cdef inline double program_of(const Network* s, Py_ssize_t j) noexcept nogil:
    # What the program of reaction j gives for the amounts in the frame.
    return evaluated(s.program + s.program_at[j], s.program_at[j + 1] - s.program_at[j], s.frame, s.results)


cdef inline double program_rate(const Network* s, const double* x, Py_ssize_t j) noexcept nogil:
    # What it gives for amounts x.
    cdef Py_ssize_t i
    for i in range(s.read_at[j], s.read_at[j + 1]):
        s.frame[s.read[i]] = x[s.read[i]]
    return program_of(s, j)


cdef double along(const Network* s, Py_ssize_t j, const double* first, const double* second) noexcept nogil:
    # The derivative of an evaluated program along a change of amounts; along two of them, if there is a second. Slots
    # change as the frames `one` and `two` say.
    cdef Py_ssize_t i, n = s.program_at[j + 1] - s.program_at[j]
    for i in range(s.read_at[j], s.read_at[j + 1]):
        s.one[s.read[i]] = first[s.read[i]]
        if second != NULL:
            s.two[s.read[i]] = second[s.read[i]]
    differentiated(
        s.program + s.program_at[j], n, s.frame, s.one, s.two if second != NULL else NULL, s.both, s.results
    )
    return s.both[s.results + n - 1] if second != NULL else s.one[s.results + n - 1]


cdef inline void move_slots(const Network* s, Py_ssize_t p) noexcept nogil:
    # Slots change as parameter p makes them; not at all if there is none.
    cdef Py_ssize_t i
    for i in range(s.n_slots):
        s.one[s.slots + i] = s.slopes[(s.n_reactions + i) * s.n_params + p] if p >= 0 else 0.0


cdef inline double scaled(const Network* s, const double* x, double c, Py_ssize_t j) noexcept nogil:
    # c times the factors of reaction j.
    cdef const Rate* rate = &s.rates[j]
    if rate.kind == TWO_FACTORS:
        return c * x[rate.a] * x[rate.b]
    if rate.kind == ONE_FACTOR:
        return c * x[rate.a]
    return c if rate.kind == NO_FACTOR else without(s, x, c, j, -1, -1)


cdef void flux_slopes(const Network* s, const double* y, Py_ssize_t j) noexcept nogil:
    # The total derivatives of rate j by each parameter; a program must be evaluated.
    cdef Py_ssize_t p, f, start = s.factor_at[j], end = s.factor_at[j + 1]
    cdef const double* sens = y
    cdef double* flux = &s.flux[j]
    cdef double slope
    if s.rates[j].kind == PROGRAM:
        for p in range(s.n_params):
            sens += s.n_species
            flux += s.n_reactions
            move_slots(s, p)
            flux[0] = along(s, j, sens, NULL)
        return
    for f in range(start, end):
        s.partial[f - start] = without(s, y, s.constants[j], j, f, -1)
    for p in range(s.n_params):
        sens += s.n_species
        flux += s.n_reactions
        slope = s.slopes[j * s.n_params + p]
        if slope != 0.0:
            slope = scaled(s, y, slope, j)
        for f in range(start, end):
            slope += s.partial[f - start] * sens[s.factor[f]]
        flux[0] = slope


cdef void plain_fluxes(const Network* s, const double* y) noexcept nogil:
    # Rates, and their total derivatives by each parameter, without a branch between reactions.
    cdef Py_ssize_t j, p, a, b, n = s.n_species, n_reactions = s.n_reactions, n_params = s.n_params
    cdef const Rate* rates = s.rates
    cdef const double* constants = s.constants
    cdef const double* sens
    cdef double* amounts = s.amounts
    cdef double* flux = s.flux
    cdef double slope, by_a, by_b
    for j in range(n):
        amounts[j] = y[j]
    for j in range(n_reactions):
        flux[j] = constants[j] * amounts[rates[j].a] * amounts[rates[j].b]
    if n_params == 0:
        return
    for j in range(n_reactions):
        a, b = rates[j].a, rates[j].b
        by_a, by_b = constants[j] * amounts[b], constants[j] * amounts[a]
        sens, flux = y, &s.flux[j]
        for p in range(n_params):
            sens += n
            flux += n_reactions
            slope = s.slopes[j * n_params + p]
            if slope != 0.0:
                slope = slope * amounts[a] * amounts[b]
            if a < n:
                slope += by_a * sens[a]
            if b < n:
                slope += by_b * sens[b]
            flux[0] = slope


cdef void fluxes(const Network* s, const double* y) noexcept nogil:
    # The same for rates of any kind.
    cdef Py_ssize_t j, i
    for i in range(s.n_species):
        s.frame[i] = y[i]
    for j in range(s.n_reactions):
        s.flux[j] = program_of(s, j) if s.rates[j].kind == PROGRAM else scaled(s, y, s.constants[j], j)
        if s.n_params:
            flux_slopes(s, y, j)


cdef void rhs(const Network* s, const double* y, double* out) noexcept nogil:
    # Rates into the amounts, and their total derivatives into the sensitivities.
    cdef Py_ssize_t i, e, end, block, n = s.n_species
    cdef const int64_t* into_at = s.into_at
    cdef const int32_t* into = s.into
    cdef const double* by = s.into_by
    cdef const double* flux = s.flux
    cdef double total
    if s.plain:
        plain_fluxes(s, y)
    else:
        fluxes(s, y)
    for block in range(s.n_params + 1):
        e = 0
        for i in range(n):
            total, end = 0.0, into_at[i + 1]
            while e < end:
                total += by[e] * flux[into[e]]
                e += 1
            out[i] = total
        flux += s.n_reactions
        out += n


cdef inline void rhs_of(const Network* s, double* y, double* out) noexcept nogil:
    # The same, where there is room for a 1 behind the amounts: for a small network nothing is written that is read
    # again at once, which is what each stage of a step would wait for.
    cdef Py_ssize_t i, e = 0, n = s.n_species
    cdef const Term* terms = s.terms
    cdef double total
    if terms == NULL:
        rhs(s, y, out)
        return
    y[n] = 1.0
    for i in range(n):
        total = 0.0
        while e < s.into_at[i + 1]:
            total += terms[e].by * (terms[e].constant * y[terms[e].a] * y[terms[e].b])
            e += 1
        out[i] = total


cdef void minus_jacobian(const Network* s, const double* x, double* matrix) noexcept nogil:
    # By the amounts alone.
    cdef Py_ssize_t i, j, f, n = s.n_species
    cdef double partial
    for i in range(n * n):
        matrix[i] = 0.0
    if s.n_slots:
        move_slots(s, -1)
    for j in range(s.n_reactions):
        for f in range(s.factor_at[j], s.factor_at[j + 1]):
            partial = without(s, x, s.constants[j], j, f, -1)
            for i in range(s.change_at[j], s.change_at[j + 1]):
                matrix[s.changed[i] * n + s.factor[f]] -= s.by[i] * partial
        if s.rates[j].kind == PROGRAM:
            program_rate(s, x, j)
            for f in range(s.read_at[j], s.read_at[j + 1]):
                s.unit[s.read[f]] = 1.0
                partial = along(s, j, s.unit, NULL)
                s.unit[s.read[f]] = 0.0
                for i in range(s.change_at[j], s.change_at[j + 1]):
                    matrix[s.changed[i] * n + s.read[f]] -= s.by[i] * partial


cdef void second(const Network* s, const double* y, const double* u, Py_ssize_t p, double* out) noexcept nogil:
    # Add to out the derivative along u (a change of amounts) of the right-hand side of sensitivity p.
    cdef Py_ssize_t j, f, g, i, n = s.n_species
    cdef const double* sens = &y[(p + 1) * n]
    cdef double flux
    if s.n_slots:
        move_slots(s, p)
    for j in range(s.n_reactions):
        flux = 0.0
        if s.rates[j].kind == PROGRAM:
            program_rate(s, y, j)
            flux = along(s, j, sens, u)
        for g in range(s.factor_at[j], s.factor_at[j + 1]):
            flux += without(s, y, s.slopes[j * s.n_params + p], j, g, -1) * u[s.factor[g]]
            for f in range(s.factor_at[j], s.factor_at[j + 1]):
                if f != g:
                    flux += without(s, y, s.constants[j], j, f, g) * sens[s.factor[f]] * u[s.factor[g]]
        for i in range(s.change_at[j], s.change_at[j + 1]):
            out[s.changed[i]] += s.by[i] * flux


cdef int lay_call(Network* s, Py_ssize_t n_columns, Py_ssize_t n_params, Pool* pool) except -1:
    # Room for one call, in one piece.
    cdef Py_ssize_t frame = s.slots + n_columns - s.n_reactions
    cdef double* room = <double*>zeros(
        pool, (1 + n_params) * s.n_reactions + s.most_factors + s.n_species + 1 + 4 * frame + s.results, sizeof(double)
    )
    s.n_slots, s.n_params, s.size = n_columns - s.n_reactions, n_params, (1 + n_params) * s.n_species
    s.terms = NULL
    if s.small and n_params == 0:
        s.terms = <Term*>zeros(pool, s.into_at[s.n_species] + 1, sizeof(Term))
    s.flux = room
    s.partial = s.flux + (1 + n_params) * s.n_reactions
    s.amounts = s.partial + s.most_factors
    s.amounts[s.n_species] = 1.0
    s.frame = s.amounts + s.n_species + 1
    s.one, s.two, s.both, s.unit = s.frame + frame, s.frame + 2 * frame, s.frame + 3 * frame, s.frame + 4 * frame
    return 0


cdef void take_constants(Network* s, const double* constants, const double* slopes) noexcept nogil:
    cdef Py_ssize_t i
    cdef const Rate* rate
    s.constants, s.slopes = constants, slopes
    if s.terms != NULL:
        for i in range(s.into_at[s.n_species]):
            rate = &s.rates[s.into[i]]
            s.terms[i].by, s.terms[i].constant = s.into_by[i], constants[s.into[i]]
            s.terms[i].a, s.terms[i].b = rate.a, rate.b
    for i in range(s.n_slots):
        s.frame[s.slots + i] = constants[s.n_reactions + i]


cdef class System:
    """A network laid out for the inner loops, in memory that is linear in its terms; made once, then only read."""

    cdef Pool pool
    cdef Network network
    # What the network points into.
    cdef const int64_t[::1] factor_at, factor, change_at, changed, program_at, read_at, read
    cdef const double[::1] shift
    cdef const int32_t[:, ::1] program

    def __cinit__(self, tables):
        cdef Pace pace = new_pace()
        cdef Network* s = &self.network
        self.pool = Pool(NULL, 0, 0)
        self.factor_at, self.factor, self.shift = tables.factor_at, tables.factor, tables.shift
        self.change_at, self.changed = tables.change_at, tables.changed
        self.program_at, self.program = tables.program_at, tables.program
        self.read_at, self.read = tables.read_at, tables.read
        # Places of frames as `Tables` has them: amounts and the time, results, slots.
        s.n_reactions, s.results = len(self.change_at) - 1, len(tables.reader_at)
        s.n_species = s.results - 1 + tables.timed
        s.factor_at, s.change_at = &self.factor_at[0], &self.change_at[0]
        s.program_at, s.read_at = &self.program_at[0], &self.read_at[0]
        s.factor = &self.factor[0] if self.factor.shape[0] else NULL
        s.shift = &self.shift[0] if self.shift.shape[0] else NULL
        s.changed = &self.changed[0] if self.changed.shape[0] else NULL
        s.read = &self.read[0] if self.read.shape[0] else NULL
        # An instruction is four of these numbers.
        s.program = <const Instruction*>&self.program[0, 0] if self.program.shape[0] else NULL
        self.lay_rates(&pace)
        self.lay_changes(tables.by, &pace)

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int lay_rates(self, Pace* pace) except -1:
        cdef Network* s = &self.network
        cdef Py_ssize_t j, f, n, longest = 0
        cdef bint plain
        s.plain = True
        s.rates = <Rate*>zeros(&self.pool, s.n_reactions, sizeof(Rate))
        for j in range(s.n_reactions):
            n, plain = s.factor_at[j + 1] - s.factor_at[j], True
            spend(pace, n + 1)
            for f in range(s.factor_at[j], s.factor_at[j + 1]):
                plain = plain and s.shift[f] == 0.0
            s.most_factors = max(s.most_factors, n)
            s.rates[j].kind = <int32_t>n if plain and n <= 2 else FACTORS
            s.rates[j].a = <int32_t>(s.factor[s.factor_at[j]] if n else s.n_species)
            s.rates[j].b = <int32_t>(s.factor[s.factor_at[j] + 1] if n > 1 else s.n_species)
            if s.program_at[j + 1] > s.program_at[j]:
                s.rates[j].kind = PROGRAM
                longest = max(longest, s.program_at[j + 1] - s.program_at[j])
            s.plain = s.plain and s.rates[j].kind <= TWO_FACTORS
        s.slots = s.results + longest
        s.small = s.plain and s.n_reactions <= SMALL_NETWORK
        return 0

    cdef int lay_changes(self, const int64_t[::1] by, Pace* pace) except -1:
        cdef Network* s = &self.network
        cdef Py_ssize_t i, j, total = by.shape[0]
        s.by = <double*>zeros(&self.pool, total, sizeof(double))
        s.into_at = <int64_t*>zeros(&self.pool, s.n_species + 2, sizeof(int64_t))
        s.into = <int32_t*>zeros(&self.pool, total, sizeof(int32_t))
        s.into_by = <double*>zeros(&self.pool, total, sizeof(double))
        for i in range(total):
            spend(pace, 1)
            s.by[i] = <double>by[i]
            s.into_at[s.changed[i] + 2] += 1
        for i in range(s.n_species):
            spend(pace, 1)
            s.into_at[i + 2] += s.into_at[i + 1]
        for j in range(s.n_reactions):
            spend(pace, s.change_at[j + 1] - s.change_at[j] + 1)
            for i in range(s.change_at[j], s.change_at[j + 1]):
                s.into[s.into_at[s.changed[i] + 1]] = <int32_t>j
                s.into_by[s.into_at[s.changed[i] + 1]] = s.by[i]
                s.into_at[s.changed[i] + 1] += 1
        return 0

    def rhs(self, const double[::1] constants, const double[::1] x):
        """The right-hand side for amounts x; constants are those of reactions, then slots."""
        cdef Network s = self.network
        cdef Pool pool = Pool(NULL, 0, 0)
        result = np.empty(s.n_species)
        cdef double[::1] out = result
        try:
            lay_call(&s, constants.shape[0], 0, &pool)
            take_constants(&s, &constants[0], NULL)
            rhs(&s, &x[0], &out[0])
        finally:
            free_all(&pool)
        return result

    def jacobian(self, const double[::1] constants, const double[::1] x):
        """Derivatives of the right-hand side (rows) by the amounts (columns)."""
        cdef Network s = self.network
        cdef Pool pool = Pool(NULL, 0, 0)
        result = np.empty((s.n_species, s.n_species))
        cdef double[:, ::1] out = result
        try:
            lay_call(&s, constants.shape[0], 0, &pool)
            take_constants(&s, &constants[0], NULL)
            minus_jacobian(&s, &x[0], &out[0, 0])
        finally:
            free_all(&pool)
        return np.subtract(0.0, result, out=result)  # without negative zeros
