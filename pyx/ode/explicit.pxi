# Explicit Runge-Kutta methods, and what all methods share.


# Where an integration stands, and its output.
cdef struct State:
    double t
    double h  # 0 before the first step
    Py_ssize_t n_steps
    Py_ssize_t nfev
    Py_ssize_t at  # the next output
    Pace pace
    # Where steps ended, if asked for.
    bint keep
    double* ends
    Py_ssize_t n_ends
    Py_ssize_t room
    Pool* pool


cdef inline int arrive(State* state, double t, double h) except -1 nogil:
    # An accepted step has led to t, and the next is to be h long.
    state.t, state.h = t, h
    if state.keep:
        state.ends = <double*>roomy(state.pool, state.ends, &state.room, state.n_ends + 1, sizeof(double))
        state.ends[state.n_ends] = t
        state.n_ends += 1
    return 0


cdef inline double norm(const Network* s, const double* v, const double* a, const double* b, double rtol,
                        const double* atol) noexcept nogil:
    # Root mean square of v in units of the tolerance, the largest over the amounts and each sensitivity.
    return sqrt(mean_square(s, v, a, b, rtol, atol))


cdef double mean_square(const Network* s, const double* v, const double* a, const double* b, double rtol,
                        const double* atol) noexcept nogil:
    cdef Py_ssize_t block, i, n = s.n_species
    cdef double largest = 0.0, total, ratio, size_a, size_b
    for block in range(s.n_params + 1):
        total = 0.0
        for i in range(block * n, (block + 1) * n):
            size_a = fabs(a[i])
            size_b = fabs(b[i])
            ratio = v[i] / (atol[i - block * n] + rtol * (size_a if size_a > size_b else size_b))
            total += ratio * ratio
        if not total < INFINITY:
            return INFINITY
        if total > largest:
            largest = total
    return largest / <double>n


cdef inline bint too_small(double h, double t, double end) noexcept nogil:
    # The clock has too few numbers for such a step, and it isn't the last.
    return not (0.1 * h > fabs(t) * EPSILON + TINY or h >= end - t)


cdef double first_step(const Network* s, const double* y, const double* slope, double* moved, double* following,
                       double t, double end, double order, double rtol, const double* atol) noexcept nogil:
    # Hairer, Norsett and Wanner I, section II.4; uses two work vectors. No less than the clock can tell: a first guess
    # in absolute numbers may be.
    cdef Py_ssize_t i
    cdef double span = end - t, least = 100.0 * (fabs(t) * EPSILON + TINY)
    cdef double size = norm(s, y, y, y, rtol, atol), speed = norm(s, slope, y, y, rtol, atol), bend, steepest, h, longer
    if not (size < INFINITY and speed < INFINITY):
        return 0.0
    h = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
    h = h if h < span else span
    for i in range(s.size):
        moved[i] = y[i] + h * slope[i]
    rhs(s, moved, following)
    for i in range(s.size):
        following[i] -= slope[i]
    bend = norm(s, following, y, y, rtol, atol) / h
    steepest = speed if speed > bend else bend
    if steepest <= 1e-15 or not bend < INFINITY:
        longer = 1e-6 if 1e-6 > h * 1e-3 else h * 1e-3
    else:
        longer = pow(0.01 / steepest, 1.0 / (order + 1.0))
    h = 100.0 * h if 100.0 * h < longer else longer
    h = h if h > least else least
    return h if h < span else span


cdef bint finite(const double* v, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if not fabs(v[i]) < INFINITY:
            return False
    return True


cdef int dopri5(
    const Network* s, double* y, double* w, State* state, double end, const double* times, Py_ssize_t n_times,
    double* out, double rtol, const double* atol, Py_ssize_t max_steps, bint watch,
) except -1 nogil:
    # Dormand and Prince 5(4) with Shampine's dense output and a PI controller (Hairer, Norsett and Wanner I, II.5).
    cdef Py_ssize_t n = s.size, m = n + 1, i, stiff = 0, calm = 0
    cdef double* k1 = w
    cdef double* k2 = w + m
    cdef double* k3 = w + 2 * m
    cdef double* k4 = w + 3 * m
    cdef double* k5 = w + 4 * m
    cdef double* k6 = w + 5 * m
    cdef double* k7 = w + 6 * m
    cdef double* moved = w + 7 * m
    cdef double* new = w + 8 * m
    cdef double* error = w + 9 * m
    cdef double* swap
    cdef double t = state.t, h = state.h, err, size, factor, before = SMALL, share, rest, difference, bend, quintic
    cdef double top, bottom
    cdef bint last, rejected = False
    rhs_of(s, y, k1)
    state.nfev += 1
    if end > t and not finite(k1, n):
        return NOT_FINITE
    if h == 0.0 and end > t:
        h = first_step(s, y, k1, moved, k2, t, end, 5.0, rtol, atol)
        state.nfev += 1
    while t < end:
        if state.n_steps >= max_steps:
            return MAX_STEPS
        if too_small(h, t, end):
            return STEP_TOO_SMALL
        last = t + 1.01 * h >= end
        if last:
            h = end - t
        state.n_steps += 1
        spend(&state.pace, 40 * n)
        # Each stage waits for the slope before it, and only for that: what is known earlier is summed apart.
        for i in range(n):
            moved[i] = y[i] + h * (1.0 / 5.0) * k1[i]
        rhs_of(s, moved, k2)
        for i in range(n):
            moved[i] = y[i] + h * (3.0 / 40.0 * k1[i]) + h * (9.0 / 40.0) * k2[i]
        rhs_of(s, moved, k3)
        for i in range(n):
            moved[i] = y[i] + h * (44.0 / 45.0 * k1[i] - 56.0 / 15.0 * k2[i]) + h * (32.0 / 9.0) * k3[i]
        rhs_of(s, moved, k4)
        for i in range(n):
            moved[i] = y[i] + h * (
                19372.0 / 6561.0 * k1[i] - 25360.0 / 2187.0 * k2[i] + 64448.0 / 6561.0 * k3[i]
            ) - h * (212.0 / 729.0) * k4[i]
        rhs_of(s, moved, k5)
        for i in range(n):
            moved[i] = y[i] + h * (
                9017.0 / 3168.0 * k1[i] - 355.0 / 33.0 * k2[i] + 46732.0 / 5247.0 * k3[i] + 49.0 / 176.0 * k4[i]
            ) - h * (5103.0 / 18656.0) * k5[i]
        rhs_of(s, moved, k6)
        for i in range(n):
            new[i] = y[i] + h * (
                35.0 / 384.0 * k1[i] + 500.0 / 1113.0 * k3[i] + 125.0 / 192.0 * k4[i] - 2187.0 / 6784.0 * k5[i]
            ) + h * (11.0 / 84.0) * k6[i]
        rhs_of(s, new, k7)
        state.nfev += 6
        for i in range(n):
            error[i] = h * (
                71.0 / 57600.0 * k1[i] - 71.0 / 16695.0 * k3[i] + 71.0 / 1920.0 * k4[i] - 17253.0 / 339200.0 * k5[i]
                + 22.0 / 525.0 * k6[i] - 1.0 / 40.0 * k7[i]
            )
        err = mean_square(s, error, y, new, rtol, atol)
        size = 0.5 * log(err if err > 1e-60 else 1e-60)  # of its root
        if not err <= 1.0:
            factor = 0.9 * exp(-0.17 * size) if err < INFINITY else 0.1
            h = h * (factor if factor > 0.1 else 0.1)
            rejected = True
            continue
        while state.at < n_times and (times[state.at] <= t + h or last):
            share = (times[state.at] - t) / h
            rest = 1.0 - share
            for i in range(n):
                difference = new[i] - y[i]
                bend = h * k1[i] - difference
                quintic = h * (
                    -12715105075.0 / 11282082432.0 * k1[i] + 87487479700.0 / 32700410799.0 * k3[i]
                    - 10690763975.0 / 1880347072.0 * k4[i] + 701980252875.0 / 199316789632.0 * k5[i]
                    - 1453857185.0 / 822651844.0 * k6[i] + 69997945.0 / 29380423.0 * k7[i]
                )
                out[state.at * n + i] = y[i] + share * (
                    difference + rest * (bend + share * (difference - h * k7[i] - bend + rest * quintic))
                )
            state.at += 1
        if watch:
            top = bottom = 0.0
            for i in range(s.n_species):
                top += (k7[i] - k6[i]) * (k7[i] - k6[i])
                bottom += (new[i] - moved[i]) * (new[i] - moved[i])
            if bottom > 0.0 and h * sqrt(top / bottom) > 3.25:
                calm = 0
                stiff += 1
            else:
                calm += 1
                if calm == CALM_STEPS:
                    stiff = 0
        t = end if last else t + h
        for i in range(n):
            y[i] = new[i]
        swap = k1
        k1 = k7
        k7 = swap
        factor = 0.9 * exp(0.04 * before - 0.17 * size)
        factor = factor if factor < 10.0 else 10.0
        factor = factor if factor > 0.2 else 0.2
        if rejected and factor > 1.0:
            factor = 1.0
        h = h * factor
        before = size if size > SMALL else SMALL
        rejected = False
        arrive(state, t, h)
        if stiff >= STIFF_STEPS:
            return STIFF
    return FINISHED


cdef struct Row:
    # A row of a table of weights without its zeros.
    Py_ssize_t n
    Py_ssize_t[16] stage
    double[16] weight


cdef Row[15] STAGE_ROWS
cdef Row[2] ERROR_ROWS
cdef Row[4] DENSE_ROWS


cdef int read_rows(Row* rows, table) except -1:
    cdef Py_ssize_t i, j
    for i, weights in enumerate(table):
        rows[i].n = 0
        for j, weight in enumerate(weights):
            if weight != 0:
                rows[i].stage[rows[i].n], rows[i].weight[rows[i].n] = j, weight
                rows[i].n += 1
    return 0


read_rows(STAGE_ROWS, _dop853.STAGES)
read_rows(ERROR_ROWS, _dop853.ERRORS)
read_rows(DENSE_ROWS, _dop853.DENSE)


cdef inline double weighed(const Row* row, const double* k, Py_ssize_t n, Py_ssize_t i) noexcept nogil:
    # The sum of component i of stages, each times its weight.
    cdef Py_ssize_t j
    cdef double total = 0.0
    for j in range(row.n):
        total += row.weight[j] * k[row.stage[j] * n + i]
    return total


cdef int dop853(
    const Network* s, double* y, double* w, State* state, double end, const double* times, Py_ssize_t n_times,
    double* out, double rtol, const double* atol, Py_ssize_t max_steps,
) except -1 nogil:
    # Dormand and Prince 8(5,3) with dense output of order 7 (Hairer, Norsett and Wanner I, II.10).
    cdef Py_ssize_t n = s.size, i, j
    cdef double* k = w
    cdef double* moved = w + 16 * n
    cdef double* new = w + 17 * n + 1
    cdef double* error = w + 18 * n + 2
    cdef double t = state.t, h = state.h, err, coarse, factor, share, rest, difference, bend, total
    cdef bint last, rejected = False, dense
    rhs_of(s, y, k)
    state.nfev += 1
    if end > t and not finite(k, n):
        return NOT_FINITE
    if h == 0.0 and end > t:
        h = first_step(s, y, k, moved, new, t, end, 8.0, rtol, atol)
        state.nfev += 1
    while t < end:
        if state.n_steps >= max_steps:
            return MAX_STEPS
        if too_small(h, t, end):
            return STEP_TOO_SMALL
        last = t + 1.01 * h >= end
        if last:
            h = end - t
        state.n_steps += 1
        spend(&state.pace, 90 * n)
        for j in range(12):
            for i in range(n):
                new[i] = y[i] + h * weighed(&STAGE_ROWS[j], k, n, i)
            rhs_of(s, new, &k[(j + 1) * n])
        state.nfev += 12
        for i in range(n):
            error[i] = h * weighed(&ERROR_ROWS[0], k, n, i)
        err = norm(s, error, y, new, rtol, atol)
        for i in range(n):
            error[i] = h * weighed(&ERROR_ROWS[1], k, n, i)
        coarse = norm(s, error, y, new, rtol, atol)
        if not coarse < INFINITY:
            err = INFINITY
        elif err > 0.0:
            err = err * err / sqrt(err * err + 0.01 * coarse * coarse)
        if not err <= 1.0:
            factor = pow(err, 0.125) / 0.9 if err < INFINITY else 3.0
            h = h / (factor if factor < 3.0 else 3.0)
            rejected = True
            continue
        dense = False
        while state.at < n_times and (times[state.at] <= t + h or last):
            if not dense:
                for j in range(12, 15):
                    for i in range(n):
                        moved[i] = y[i] + h * weighed(&STAGE_ROWS[j], k, n, i)
                    rhs_of(s, moved, &k[(j + 1) * n])
                state.nfev += 3
                dense = True
            share = (times[state.at] - t) / h
            rest = 1.0 - share
            for i in range(n):
                difference = new[i] - y[i]
                bend = h * k[i] - difference
                total = 0.0
                for j in range(3, -1, -1):
                    total = (total + h * weighed(&DENSE_ROWS[j], k, n, i)) * (share if j % 2 else rest)
                out[state.at * n + i] = y[i] + share * (
                    difference + rest * (bend + share * (difference - h * k[12 * n + i] - bend + total))
                )
            state.at += 1
        t = end if last else t + h
        for i in range(n):
            y[i] = new[i]
            k[i] = k[12 * n + i]
        factor = pow(err, 0.125) / 0.9
        factor = factor if factor > 1.0 / 6.0 else 1.0 / 6.0
        factor = factor if factor < 3.0 else 3.0
        if rejected and factor < 1.0:
            factor = 1.0
        h = h / factor
        rejected = False
        arrive(state, t, h)
    return FINISHED


cdef int fixed(
    const Network* s, double* y, double* w, State* state, double end, const double* times, Py_ssize_t n_times,
    double* out, double step, bint fourth, Py_ssize_t max_steps,
) except -1 nogil:
    # Steps of one length, by Euler or by the classical method of order 4, between them a line or a cubic.
    cdef Py_ssize_t n = s.size, i, turn = 0
    cdef double* slope = w
    cdef double* total = w + n
    cdef double* stage = w + 2 * n
    cdef double* moved = w + 3 * n
    cdef double* new = w + 4 * n
    cdef double* following = w + 5 * n
    cdef double start = state.t, t = state.t, reached, h, share, rest, difference, bend
    cdef bint last
    rhs(s, y, slope)
    state.nfev += 1
    if end > t and not finite(slope, n):
        return NOT_FINITE
    while t < end:
        if state.n_steps >= max_steps:
            return MAX_STEPS
        turn += 1
        reached = start + <double>turn * step
        if not reached > t:
            return STEP_TOO_SMALL
        # A last step that would be all rounding belongs to the one before.
        last = reached + 1e-9 * step >= end
        if last:
            reached = end
        h = reached - t
        state.n_steps += 1
        spend(&state.pace, 40 * n)
        if fourth:
            for i in range(n):
                moved[i] = y[i] + 0.5 * h * slope[i]
            rhs(s, moved, stage)
            for i in range(n):
                total[i] = slope[i] + 2.0 * stage[i]
                moved[i] = y[i] + 0.5 * h * stage[i]
            rhs(s, moved, stage)
            for i in range(n):
                total[i] += 2.0 * stage[i]
                moved[i] = y[i] + h * stage[i]
            rhs(s, moved, stage)
            for i in range(n):
                new[i] = y[i] + h / 6.0 * (total[i] + stage[i])
            state.nfev += 3
        else:
            for i in range(n):
                new[i] = y[i] + h * slope[i]
        rhs(s, new, following)
        state.nfev += 1
        if not (finite(new, n) and finite(following, n)):
            return NOT_FINITE
        while state.at < n_times and (times[state.at] <= reached or last):
            share = (times[state.at] - t) / h
            rest = 1.0 - share
            for i in range(n):
                if fourth and rest > 0.0:
                    difference = new[i] - y[i]
                    bend = h * slope[i] - difference
                    out[state.at * n + i] = y[i] + share * (
                        difference + rest * (bend + share * (difference - h * following[i] - bend))
                    )
                else:
                    out[state.at * n + i] = y[i] * rest + new[i] * share
            state.at += 1
        t = reached
        for i in range(n):
            y[i] = new[i]
            slope[i] = following[i]
        arrive(state, t, step)
    return FINISHED
