# The linearly implicit method for stiff problems.


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


cdef void stage(const Network* s, const double* y, const double* matrix, const Py_ssize_t* order,
                double* u) noexcept nogil:
    # Solve (1 / (gamma h) - Jacobian) u = u for the amounts, then for each sensitivity, which the amounts drive.
    cdef Py_ssize_t p, n = s.n_species
    back_substitute(matrix, order, u, n)
    for p in range(s.n_params):
        second(s, y, u, p, &u[(p + 1) * n])
        back_substitute(matrix, order, &u[(p + 1) * n], n)


cdef int rodas4(
    const Network* s, double* y, double* w, double* matrix, Py_ssize_t* order, State* state, double end,
    const double* times, Py_ssize_t n_times, double* out, double rtol, const double* atol, Py_ssize_t max_steps,
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
            h = first_step(s, y, slope, moved, u1, t, end, 4.0, rtol, atol)
            state.nfev += 1
        while True:
            if state.n_steps >= max_steps:
                return MAX_STEPS
            if too_small(h, t, end):
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
        arrive(state, t, h)
    return FINISHED
