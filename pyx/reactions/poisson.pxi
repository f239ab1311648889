# Poisson random numbers: by inversion for small means, by transformed rejection with a squeeze (PTRS, Hoermann 1993)
# from 10 on.

cdef double SMALLEST_TERM = 1e-18


cdef inline double log_chance(double k, double mean) noexcept nogil:
    # The logarithm of the chance of k: by the factorial up to 9!, then by Stirling's series, whose next term is below
    # 1e-10, in a form that loses nothing where both are large.
    cdef double product = 1.0, left = k, off = k - mean, per, square
    if k < 10:
        while left > 1:
            product *= left
            left -= 1.0
        return k * log(mean) - mean - log(product)
    per = 1.0 / k
    square = per * per
    return (k * log1p(-off * per) + off - 0.5 * log(6.283185307179586 * k)
            - per * (0.08333333333333333 - square * (0.002777777777777778 - square * 0.0007936507936507937)))


cdef double small_poisson(Rng* rng, double mean) noexcept nogil:
    cdef double share = next_double(rng), term = exp(-mean), k = 0.0
    while share >= term:
        share -= term
        k += 1.0
        term *= mean / k
        if term < SMALLEST_TERM:
            break  # rounding: nothing is left
    return k


cdef double large_poisson(Rng* rng, double mean) noexcept nogil:
    cdef double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b
    cdef double inverse = 1.1239 + 1.1328 / (b - 3.4), squeeze = 0.9277 - 3.6224 / (b - 2.0)
    cdef double u, v, within, k
    while True:
        u = next_double(rng) - 0.5
        v = next_double(rng)
        within = 0.5 - fabs(u)
        if within == 0:
            continue
        k = (2.0 * a / within + b) * u + mean + 0.43
        if k < 0:
            continue
        k = trunc(k)
        if within >= 0.07 and v <= squeeze:
            return k
        if within < 0.013 and v > within:
            continue
        if log(v * inverse / (a / (within * within) + b)) <= log_chance(k, mean):
            return k


cdef inline double poisson(Rng* rng, double mean) noexcept nogil:
    return small_poisson(rng, mean) if mean < 10.0 else large_poisson(rng, mean)


def poissons(const uint64_t[::1] key, uint64_t stream, double mean, Py_ssize_t count):
    """The first `count` Poisson random numbers of a stream, of a mean from 0 to 1e15."""
    out = np.empty(count)
    cdef double[::1] x = out
    cdef Rng rng = rng_stream(&key[0], stream)
    cdef Py_ssize_t i
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(count):
            if i % RESUM == 0:
                spend(&pace, 32 * RESUM)
            x[i] = poisson(&rng, mean)
    return out
