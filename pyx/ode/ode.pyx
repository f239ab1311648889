"""Kernels of deterministic networks: explicit and linearly implicit Runge-Kutta, with forward sensitivities."""

from libc.math cimport INFINITY, fabs, pow, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t

import numpy as np

from _owned cimport Pool, free_all, zeros
from _programs cimport Instruction, differentiated, evaluated
from _signals cimport Pace, new_pace, spend

cdef enum:
    FINISHED = 0
    MAX_STEPS = 1
    STEP_TOO_SMALL = 2
    STIFF = 3
    NOT_FINITE = 4
    DOPRI5 = 0
    RODAS4 = 1
    AUTO = 2
    STIFF_STEPS = 15
    CALM_STEPS = 6

cdef double EPSILON = 2.0 ** -52
cdef double TINY = 1e-300


# A network, and the state (x, s_1, ..., s_k): amounts, then derivatives of the amounts by each parameter.
cdef struct System:
    Py_ssize_t n_species
    Py_ssize_t n_reactions
    Py_ssize_t n_params
    Py_ssize_t size
    const int64_t* factor_at
    const int64_t* factor
    const double* shift
    const int64_t* change_at
    const int64_t* changed
    const int64_t* by
    const double* constants
    const double* slopes  # of the constants, n_columns by n_params
    # Reactions whose rates are programs, and frames for these: values, derivatives along two directions and both.
    Py_ssize_t n_columns  # reactions, then slots
    Py_ssize_t n_programs
    Py_ssize_t* programmed
    const int64_t* program_at
    const Instruction* program
    const int64_t* read_at
    const int64_t* read
    Py_ssize_t results
    Py_ssize_t slots
    double* frame
    double* one
    double* two
    double* both
    double* unit  # zeros, one a species


cdef inline double without(const System* s, const double* x, double c, Py_ssize_t j, Py_ssize_t f,
                           Py_ssize_t g) noexcept nogil:
    # c times the factors of reaction j but the ones at f and g.
    cdef Py_ssize_t i
    for i in range(s.factor_at[j], s.factor_at[j + 1]):
        if i != f and i != g:
            c *= x[s.factor[i]] - s.shift[i]
    return c


cdef inline double program_rate(const System* s, const double* x, Py_ssize_t r) noexcept nogil:
    # What program r gives for amounts x.
    cdef Py_ssize_t j = s.programmed[r], i
    for i in range(s.read_at[j], s.read_at[j + 1]):
        s.frame[s.read[i]] = x[s.read[i]]
    return evaluated(s.program + s.program_at[j], s.program_at[j + 1] - s.program_at[j], s.frame, s.results)


cdef inline double along(const System* s, Py_ssize_t r, const double* first, const double* second) noexcept nogil:
    # The derivative of evaluated program r along a change of amounts; along two of them, if there is a second. Slots
    # change as the frames `one` and `two` say.
    cdef Py_ssize_t j = s.programmed[r], i, n = s.program_at[j + 1] - s.program_at[j]
    for i in range(s.read_at[j], s.read_at[j + 1]):
        s.one[s.read[i]] = first[s.read[i]]
        if second != NULL:
            s.two[s.read[i]] = second[s.read[i]]
    differentiated(
        s.program + s.program_at[j], n, s.frame, s.one, s.two if second != NULL else NULL, s.both, s.results
    )
    return s.both[s.results + n - 1] if second != NULL else s.one[s.results + n - 1]


cdef inline void move_slots(const System* s, Py_ssize_t p) noexcept nogil:
    # Slots change as parameter p makes them; not at all if there is none.
    cdef Py_ssize_t i
    for i in range(s.n_columns - s.n_reactions):
        s.one[s.slots + i] = s.slopes[(s.n_reactions + i) * s.n_params + p] if p >= 0 else 0.0


cdef inline void spread(const System* s, Py_ssize_t j, double flux, double* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(s.change_at[j], s.change_at[j + 1]):
        out[s.changed[i]] += <double>s.by[i] * flux


cdef void program_rhs(const System* s, const double* y, double* out) noexcept nogil:
    # What programs add to the right-hand side.
    cdef Py_ssize_t r, p, n = s.n_species
    for r in range(s.n_programs):
        spread(s, s.programmed[r], program_rate(s, y, r), out)
        for p in range(s.n_params):
            move_slots(s, p)
            spread(s, s.programmed[r], along(s, r, &y[(p + 1) * n], NULL), &out[(p + 1) * n])


cdef void program_jacobian(const System* s, const double* x, double* matrix) noexcept nogil:
    # What programs take from minus the Jacobian.
    cdef Py_ssize_t r, j, f, i, n = s.n_species
    cdef double partial
    move_slots(s, -1)
    for r in range(s.n_programs):
        j = s.programmed[r]
        program_rate(s, x, r)
        for f in range(s.read_at[j], s.read_at[j + 1]):
            s.unit[s.read[f]] = 1.0
            partial = along(s, r, s.unit, NULL)
            s.unit[s.read[f]] = 0.0
            for i in range(s.change_at[j], s.change_at[j + 1]):
                matrix[s.changed[i] * n + s.read[f]] -= <double>s.by[i] * partial


cdef void program_second(const System* s, const double* y, const double* u, Py_ssize_t p, double* out) noexcept nogil:
    # What programs add to the derivative of sensitivity p's right-hand side.
    cdef Py_ssize_t r
    move_slots(s, p)
    for r in range(s.n_programs):
        program_rate(s, y, r)
        spread(s, s.programmed[r], along(s, r, &y[(p + 1) * s.n_species], u), out)


cdef void rhs(const System* s, const double* y, double* out) noexcept nogil:
    # Fluxes into the amounts; with parameters also their total derivatives into the sensitivities.
    cdef Py_ssize_t i, j, f, p, n = s.n_species
    cdef double flux
    for i in range(s.size):
        out[i] = 0.0
    for j in range(s.n_reactions):
        spread(s, j, without(s, y, s.constants[j], j, -1, -1), out)
        for p in range(s.n_params):
            flux = without(s, y, s.slopes[j * s.n_params + p], j, -1, -1)
            for f in range(s.factor_at[j], s.factor_at[j + 1]):
                flux += without(s, y, s.constants[j], j, f, -1) * y[(p + 1) * n + s.factor[f]]
            spread(s, j, flux, &out[(p + 1) * n])
    if s.n_programs:
        program_rhs(s, y, out)


cdef void minus_jacobian(const System* s, const double* x, double* matrix) noexcept nogil:
    cdef Py_ssize_t i, j, f, n = s.n_species
    cdef double partial
    for i in range(n * n):
        matrix[i] = 0.0
    for j in range(s.n_reactions):
        for f in range(s.factor_at[j], s.factor_at[j + 1]):
            partial = without(s, x, s.constants[j], j, f, -1)
            for i in range(s.change_at[j], s.change_at[j + 1]):
                matrix[s.changed[i] * n + s.factor[f]] -= <double>s.by[i] * partial
    if s.n_programs:
        program_jacobian(s, x, matrix)


cdef void second(const System* s, const double* y, const double* u, Py_ssize_t p, double* out) noexcept nogil:
    # Add to out the derivative along u (a change of amounts) of the right-hand side of sensitivity p.
    cdef Py_ssize_t j, f, g, n = s.n_species
    cdef const double* sens = &y[(p + 1) * n]
    cdef double flux
    for j in range(s.n_reactions):
        flux = 0.0
        for g in range(s.factor_at[j], s.factor_at[j + 1]):
            flux += without(s, y, s.slopes[j * s.n_params + p], j, g, -1) * u[s.factor[g]]
            for f in range(s.factor_at[j], s.factor_at[j + 1]):
                if f != g:
                    flux += without(s, y, s.constants[j], j, f, g) * sens[s.factor[f]] * u[s.factor[g]]
        spread(s, j, flux, out)
    if s.n_programs:
        program_second(s, y, u, p, out)


cdef double norm(const System* s, const double* v, const double* a, const double* b, double rtol,
                 double atol) noexcept nogil:
    # Root mean square of v in units of the tolerance, the largest over the amounts and each sensitivity.
    cdef Py_ssize_t block, i, n = s.n_species
    cdef double largest = 0.0, total, ratio, size_a, size_b
    for block in range(s.n_params + 1):
        total = 0.0
        for i in range(block * n, (block + 1) * n):
            size_a = fabs(a[i])
            size_b = fabs(b[i])
            ratio = v[i] / (atol + rtol * (size_a if size_a > size_b else size_b))
            total += ratio * ratio
        if not total < INFINITY:
            return INFINITY
        if total > largest:
            largest = total
    return sqrt(largest / <double>n)


cdef double first_step(const System* s, const double* y, const double* slope, double* moved, double* following,
                       double span, double order, double rtol, double atol) noexcept nogil:
    # Hairer, Norsett and Wanner I, section II.4; uses two work vectors.
    cdef Py_ssize_t i
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
    return h if h < span else span


cdef bint finite(const double* v, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if not fabs(v[i]) < INFINITY:
            return False
    return True


# Where an integration stands, and its output.
cdef struct State:
    double t
    double h  # 0 before the first step
    Py_ssize_t n_steps
    Py_ssize_t nfev
    Py_ssize_t at  # the next output
    Pace pace


cdef int dopri5(
    const System* s, double* y, double* w, State* state, double end, const double* times, Py_ssize_t n_times,
    double* out, double rtol, double atol, Py_ssize_t max_steps, bint watch,
) except -1 nogil:
    # Dormand and Prince 5(4) with Shampine's dense output and a PI controller (Hairer, Norsett and Wanner I, II.5).
    cdef Py_ssize_t n = s.size, i, stiff = 0, calm = 0
    cdef double* k1 = w
    cdef double* k2 = w + n
    cdef double* k3 = w + 2 * n
    cdef double* k4 = w + 3 * n
    cdef double* k5 = w + 4 * n
    cdef double* k6 = w + 5 * n
    cdef double* k7 = w + 6 * n
    cdef double* moved = w + 7 * n
    cdef double* new = w + 8 * n
    cdef double* error = w + 9 * n
    cdef double* swap
    cdef double t = state.t, h = state.h, err, factor, before = 1e-4, share, rest, difference, bend, quintic
    cdef double top, bottom
    cdef bint last, rejected = False
    rhs(s, y, k1)
    state.nfev += 1
    if end > t and not finite(k1, n):
        return NOT_FINITE
    if h == 0.0 and end > t:
        h = first_step(s, y, k1, moved, k2, end - t, 5.0, rtol, atol)
        state.nfev += 1
    while t < end:
        if state.n_steps >= max_steps:
            return MAX_STEPS
        if not 0.1 * h > fabs(t) * EPSILON + TINY:
            return STEP_TOO_SMALL
        last = t + 1.01 * h >= end
        if last:
            h = end - t
        state.n_steps += 1
        spend(&state.pace, 40 * n)
        for i in range(n):
            moved[i] = y[i] + h * (1.0 / 5.0 * k1[i])
        rhs(s, moved, k2)
        for i in range(n):
            moved[i] = y[i] + h * (3.0 / 40.0 * k1[i] + 9.0 / 40.0 * k2[i])
        rhs(s, moved, k3)
        for i in range(n):
            moved[i] = y[i] + h * (44.0 / 45.0 * k1[i] - 56.0 / 15.0 * k2[i] + 32.0 / 9.0 * k3[i])
        rhs(s, moved, k4)
        for i in range(n):
            moved[i] = y[i] + h * (
                19372.0 / 6561.0 * k1[i] - 25360.0 / 2187.0 * k2[i] + 64448.0 / 6561.0 * k3[i] - 212.0 / 729.0 * k4[i]
            )
        rhs(s, moved, k5)
        for i in range(n):
            moved[i] = y[i] + h * (
                9017.0 / 3168.0 * k1[i] - 355.0 / 33.0 * k2[i] + 46732.0 / 5247.0 * k3[i] + 49.0 / 176.0 * k4[i]
                - 5103.0 / 18656.0 * k5[i]
            )
        rhs(s, moved, k6)
        for i in range(n):
            new[i] = y[i] + h * (
                35.0 / 384.0 * k1[i] + 500.0 / 1113.0 * k3[i] + 125.0 / 192.0 * k4[i] - 2187.0 / 6784.0 * k5[i]
                + 11.0 / 84.0 * k6[i]
            )
        rhs(s, new, k7)
        state.nfev += 6
        for i in range(n):
            error[i] = h * (
                71.0 / 57600.0 * k1[i] - 71.0 / 16695.0 * k3[i] + 71.0 / 1920.0 * k4[i] - 17253.0 / 339200.0 * k5[i]
                + 22.0 / 525.0 * k6[i] - 1.0 / 40.0 * k7[i]
            )
        err = norm(s, error, y, new, rtol, atol)
        if not err <= 1.0:
            factor = pow(err, 0.17) / 0.9 if err < INFINITY else 10.0
            h = h / (factor if factor < 10.0 else 10.0)
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
        factor = pow(err, 0.17) / pow(before, 0.04) / 0.9
        factor = factor if factor > 0.1 else 0.1
        factor = factor if factor < 5.0 else 5.0
        if rejected and factor < 1.0:
            factor = 1.0
        h = h / factor
        before = err if err > 1e-4 else 1e-4
        rejected = False
        state.t = t
        state.h = h
        if stiff >= STIFF_STEPS:
            return STIFF
    return FINISHED


cdef bint decompose(double* matrix, Py_ssize_t* order, Py_ssize_t n) noexcept nogil:
    # LU with partial pivoting in place; False if singular.
    cdef Py_ssize_t i, j, k, pivot
    cdef double best, value
    for k in range(n):
        pivot = k
        best = fabs(matrix[k * n + k])
        for i in range(k + 1, n):
            if fabs(matrix[i * n + k]) > best:
                best = fabs(matrix[i * n + k])
                pivot = i
        order[k] = pivot
        if not 0.0 < best < INFINITY:
            return False
        if pivot != k:
            for j in range(n):
                value = matrix[k * n + j]
                matrix[k * n + j] = matrix[pivot * n + j]
                matrix[pivot * n + j] = value
        for i in range(k + 1, n):
            value = matrix[i * n + k] / matrix[k * n + k]
            matrix[i * n + k] = value
            if value != 0.0:
                for j in range(k + 1, n):
                    matrix[i * n + j] -= value * matrix[k * n + j]
    return True


cdef void back_substitute(const double* matrix, const Py_ssize_t* order, double* v, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double value
    for i in range(n):
        value = v[order[i]]
        v[order[i]] = v[i]
        v[i] = value
    for i in range(n):
        for j in range(i):
            v[i] -= matrix[i * n + j] * v[j]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            v[i] -= matrix[i * n + j] * v[j]
        v[i] /= matrix[i * n + i]


cdef void stage(const System* s, const double* y, const double* matrix, const Py_ssize_t* order,
                double* u) noexcept nogil:
    # Solve (1 / (gamma h) - Jacobian) u = u for the amounts, then for each sensitivity, which the amounts drive.
    cdef Py_ssize_t p, n = s.n_species
    back_substitute(matrix, order, u, n)
    for p in range(s.n_params):
        second(s, y, u, p, &u[(p + 1) * n])
        back_substitute(matrix, order, &u[(p + 1) * n], n)


cdef int rodas4(
    const System* s, double* y, double* w, double* matrix, Py_ssize_t* order, State* state, double end,
    const double* times, Py_ssize_t n_times, double* out, double rtol, double atol, Py_ssize_t max_steps,
) except -1 nogil:
    # RODAS, a stiffly accurate Rosenbrock method of order 4(3) (Hairer and Wanner II, IV.7), autonomous form.
    cdef Py_ssize_t n = s.size, m = s.n_species, i
    cdef double* slope = w
    cdef double* u1 = w + n
    cdef double* u2 = w + 2 * n
    cdef double* u3 = w + 3 * n
    cdef double* u4 = w + 4 * n
    cdef double* u5 = w + 5 * n
    cdef double* u6 = w + 6 * n
    cdef double* moved = w + 7 * n
    cdef double* new = w + 8 * n
    cdef double t = state.t, h = state.h, err, factor, share, rest
    cdef bint last, rejected = False
    while t < end:
        rhs(s, y, slope)
        state.nfev += 1
        if not finite(slope, n):
            return NOT_FINITE
        if h == 0.0:
            h = first_step(s, y, slope, moved, u1, end - t, 4.0, rtol, atol)
            state.nfev += 1
        while True:
            if state.n_steps >= max_steps:
                return MAX_STEPS
            if not 0.1 * h > fabs(t) * EPSILON + TINY:
                return STEP_TOO_SMALL
            last = t + 1.01 * h >= end
            if last:
                h = end - t
            state.n_steps += 1
            spend(&state.pace, 40 * (n + m * m))
            minus_jacobian(s, y, matrix)
            for i in range(m):
                matrix[i * m + i] += 1.0 / (0.25 * h)
            if not decompose(matrix, order, m):
                h = 0.5 * h
                rejected = True
                continue
            for i in range(n):
                u1[i] = slope[i]
            stage(s, y, matrix, order, u1)
            for i in range(n):
                moved[i] = y[i] + 1.544 * u1[i]
            rhs(s, moved, u2)
            for i in range(n):
                u2[i] += -5.6688 / h * u1[i]
            stage(s, y, matrix, order, u2)
            for i in range(n):
                moved[i] = y[i] + 0.9466785280815826 * u1[i] + 0.2557011698983284 * u2[i]
            rhs(s, moved, u3)
            for i in range(n):
                u3[i] += -2.430093356833875 / h * u1[i] - 0.2063599157091915 / h * u2[i]
            stage(s, y, matrix, order, u3)
            for i in range(n):
                moved[i] = (
                    y[i] + 3.314825187068521 * u1[i] + 2.896124015972201 * u2[i] + 0.9986419139977817 * u3[i]
                )
            rhs(s, moved, u4)
            for i in range(n):
                u4[i] += (
                    -0.1073529058151375 / h * u1[i] - 9.594562251023355 / h * u2[i] - 20.47028614809616 / h * u3[i]
                )
            stage(s, y, matrix, order, u4)
            for i in range(n):
                moved[i] = (
                    y[i] + 1.221224509226641 * u1[i] + 6.019134481288629 * u2[i] + 12.53708332932087 * u3[i]
                    - 0.6878860361058950 * u4[i]
                )
            rhs(s, moved, u5)
            for i in range(n):
                u5[i] += (
                    7.496443313967647 / h * u1[i] - 10.24680431464352 / h * u2[i] - 33.99990352819905 / h * u3[i]
                    + 11.70890893206160 / h * u4[i]
                )
            stage(s, y, matrix, order, u5)
            for i in range(n):
                moved[i] += u5[i]
            rhs(s, moved, u6)
            for i in range(n):
                u6[i] += (
                    8.083246795921522 / h * u1[i] - 7.981132988064893 / h * u2[i] - 31.52159432874371 / h * u3[i]
                    + 16.31930543123136 / h * u4[i] - 6.058818238834054 / h * u5[i]
                )
            stage(s, y, matrix, order, u6)
            for i in range(n):
                new[i] = moved[i] + u6[i]
            state.nfev += 5
            err = norm(s, u6, y, new, rtol, atol)
            factor = pow(err, 0.25) / 0.9 if err < INFINITY else 6.0
            factor = factor if factor > 1.0 / 6.0 else 1.0 / 6.0
            factor = factor if factor < 5.0 else 5.0
            if err <= 1.0:
                break
            h = h / factor
            rejected = True
        while state.at < n_times and (times[state.at] <= t + h or last):
            share = (times[state.at] - t) / h
            rest = 1.0 - share
            for i in range(n):
                slope[i] = (
                    10.12623508344586 * u1[i] - 7.487995877610167 * u2[i] - 34.80091861555747 * u3[i]
                    - 7.992771707568823 * u4[i] + 1.025137723295662 * u5[i]
                )
                moved[i] = (
                    -0.6762803392806898 * u1[i] + 6.087714651680015 * u2[i] + 16.43084320892478 * u3[i]
                    + 24.76722511418386 * u4[i] - 6.594389125716872 * u5[i]
                )
                out[state.at * n + i] = y[i] * rest + share * (new[i] + rest * (slope[i] + share * moved[i]))
            state.at += 1
        t = end if last else t + h
        for i in range(n):
            y[i] = new[i]
        if rejected and factor < 1.0:
            factor = 1.0
        h = h / factor
        rejected = False
        state.t = t
        state.h = h
    return FINISHED


cdef int lay_programs(System* s, tables, Pool* pool) except -1:
    # Places of frames as `Tables` has them: amounts and the time, results, slots.
    cdef Py_ssize_t j, longest = 0, first = len(tables.reader_at), size
    s.programmed = <Py_ssize_t*>zeros(pool, s.n_reactions, sizeof(Py_ssize_t))
    s.n_programs = 0
    for j in range(s.n_reactions):
        if s.program_at[j + 1] > s.program_at[j]:
            s.programmed[s.n_programs] = j
            s.n_programs += 1
            longest = max(longest, s.program_at[j + 1] - s.program_at[j])
    s.results, s.slots = first, first + longest
    size = s.slots + s.n_columns - s.n_reactions
    s.frame = <double*>zeros(pool, 4 * size + first, sizeof(double))
    s.one, s.two, s.both, s.unit = s.frame + size, s.frame + 2 * size, s.frame + 3 * size, s.frame + 4 * size
    return 0


def integrate(
    tables, const double[:, ::1] constants, const double[:, :, ::1] slopes, const double[:, :, ::1] x0, span,
    const double[::1] times, int method, double rtol, double atol, Py_ssize_t max_steps,
):
    """Integrate from x0 for each row of constants (of reactions, then slots); amounts and sensitivities at given times.

    `x0` has rows (or only one) of amounts and their sensitivities. Method 0 is the explicit one, 1 the linearly
    implicit one, 2 the first until it finds the problem stiff, then the second. Returns states (rows, times,
    1 + parameters, species), NaN where never reached, numbers of evaluations and steps, and statuses.
    """
    cdef const int64_t[::1] factor_at = tables.factor_at, factor = tables.factor
    cdef const int64_t[::1] change_at = tables.change_at, changed = tables.changed, by = tables.by
    cdef const double[::1] shift = tables.shift
    cdef const int64_t[::1] program_at = tables.program_at, read_at = tables.read_at, read = tables.read
    cdef const int32_t[:, ::1] program = tables.program
    cdef Py_ssize_t rows = constants.shape[0], n = x0.shape[2], k = slopes.shape[2], n_times = times.shape[0], row, i
    cdef double start = span[0], end = span[1]
    result = np.full((rows, n_times, 1 + k, n), np.nan)
    evaluations, steps, statuses = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int8)
    cdef double[::1] out = result.reshape(-1)
    cdef int64_t[::1] nfev = evaluations, n_steps = steps
    cdef int8_t[::1] status = statuses
    cdef double[::1] y = np.empty((1 + k) * n), work = np.empty(10 * (1 + k) * n)
    # What only the linearly implicit method needs, made when it is first taken: quadratic in the species.
    cdef Pool pool = Pool(NULL, 0, 0)
    cdef double* matrix = NULL
    cdef Py_ssize_t* order = NULL
    cdef System system
    cdef State state
    cdef int code
    cdef double* target
    cdef const double* asked = &times[0] if n_times > 0 else NULL
    system.n_species, system.n_reactions, system.n_params, system.size = n, len(change_at) - 1, k, (1 + k) * n
    system.factor_at, system.change_at = &factor_at[0], &change_at[0]
    system.factor = &factor[0] if factor.shape[0] > 0 else NULL
    system.changed = &changed[0] if changed.shape[0] > 0 else NULL
    system.by = &by[0] if by.shape[0] > 0 else NULL
    system.shift = &shift[0] if shift.shape[0] > 0 else NULL
    system.program_at, system.read_at = &program_at[0], &read_at[0]
    system.read = &read[0] if read.shape[0] > 0 else NULL
    # An instruction is four of these numbers.
    system.program = <const Instruction*>&program[0, 0] if program.shape[0] > 0 else NULL
    system.n_columns = constants.shape[1]
    try:
        lay_programs(&system, tables, &pool)
        with nogil:
            state.pace = new_pace()
            for row in range(rows):
                spend(&state.pace, n_times + 8)
                system.constants = &constants[row, 0]
                system.slopes = &slopes[row, 0, 0] if k > 0 else NULL
                for i in range(system.size):
                    y[i] = x0[row if x0.shape[0] > 1 else 0, i // n, i % n]
                for i in range(system.n_columns - system.n_reactions):
                    system.frame[system.slots + i] = constants[row, system.n_reactions + i]
                target = &out[row * n_times * system.size] if n_times > 0 else NULL
                state.t, state.h, state.n_steps, state.nfev, state.at = start, 0.0, 0, 0, 0
                while state.at < n_times and asked[state.at] <= start:
                    for i in range(system.size):
                        target[state.at * system.size + i] = y[i]
                    state.at += 1
                code = STIFF
                if method != RODAS4:
                    code = dopri5(
                        &system, &y[0], &work[0], &state, end, asked, n_times, target, rtol, atol, max_steps,
                        method == AUTO,
                    )
                if code == STIFF:
                    if matrix == NULL:
                        matrix = <double*>zeros(&pool, n * n, sizeof(double))
                        order = <Py_ssize_t*>zeros(&pool, n, sizeof(Py_ssize_t))
                    code = rodas4(
                        &system, &y[0], &work[0], matrix, order, &state, end, asked, n_times, target, rtol, atol,
                        max_steps,
                    )
                nfev[row], n_steps[row], status[row] = state.nfev, state.n_steps, code
    finally:
        free_all(&pool)
    return result, evaluations, steps, statuses
