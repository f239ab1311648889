# Binomial and hypergeometric random numbers: one by one or by inversion where they are small, else by the ratio of
# uniforms (Stadlober 1990). Chances are products of Poisson chances, which lose nothing where numbers are large.

cdef double WIDTH_OF_UNIFORMS = 1.7155277699214135  # 2 sqrt(2 / e)
cdef double WIDER = 0.8989161620588988  # 3 - 2 sqrt(3 / e)

# The chance of k, up to a constant: the product of Poisson chances of at[i] + sign[i] k, of their means.
cdef struct Chances:
    int count
    double[4] at
    double[4] sign
    double[4] mean


cdef inline double log_chances(const Chances* chances, double k) noexcept nogil:
    cdef double total = 0.0
    cdef int i
    for i in range(chances.count):
        total += log_chance(chances.at[i] + chances.sign[i] * k, chances.mean[i])
    return total


cdef double by_ratio(Rng* rng, const Chances* chances, double mean, double variance, double mode,
                     double most) noexcept nogil:
    cdef double width = WIDTH_OF_UNIFORMS * sqrt(variance + 0.5) + WIDER, highest = log_chances(chances, mode)
    cdef double u, v, place, gain
    while True:
        u = 1.0 - next_double(rng)
        v = next_double(rng)
        place = mean + 0.5 + width * (v - 0.5) / u
        if place < 0 or place >= most + 1.0:
            continue
        place = trunc(place)
        gain = log_chances(chances, place) - highest
        # Two bounds of the logarithm, before the logarithm itself.
        if u * (4.0 - u) - 3.0 <= gain:
            return place
        if u * (u - gain) < 1.0 and 2.0 * log(u) <= gain:
            return place


cdef double small_binomial(Rng* rng, double n, double p) noexcept nogil:
    cdef double share = next_double(rng), term = exp(n * log1p(-p)), odds = p / (1.0 - p), k = 0.0
    while share >= term and k < n:
        share -= term
        k += 1.0
        term *= (n - k + 1.0) / k * odds
        if term < SMALLEST_TERM:
            break  # rounding: nothing is left
    return k


cdef double binomial(Rng* rng, double n, double p) noexcept nogil:
    """How many of n happen, each with chance p."""
    cdef Chances chances
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return n
    if p > 0.5:
        return n - binomial(rng, n, 1.0 - p)
    if n * p < 10.0:
        return small_binomial(rng, n, p)
    chances.count = 2
    chances.at[0], chances.sign[0], chances.mean[0] = 0.0, 1.0, n * p
    chances.at[1], chances.sign[1], chances.mean[1] = n, -1.0, n * (1.0 - p)
    return by_ratio(rng, &chances, n * p, n * p * (1.0 - p), trunc((n + 1.0) * p), n)


cdef double hypergeometric(Rng* rng, double good, double bad, double draws) noexcept nogil:
    """How many of `draws` without replacement are good."""
    cdef double total = good + bad, few, left, k = 0.0, share
    cdef Chances chances
    if draws <= 0 or good <= 0:
        return 0.0
    if bad <= 0:
        return draws
    if 2.0 * draws > total:
        return good - hypergeometric(rng, good, bad, total - draws)
    if good > bad:
        return draws - hypergeometric(rng, bad, good, draws)
    few, left = min(good, draws), max(good, draws)
    if few <= 10.0:
        # Who is good and who is drawn may change places.
        while few > 0:
            if next_double(rng) * total < left:
                left -= 1.0
                k += 1.0
            total -= 1.0
            few -= 1.0
        return k
    share = draws / total
    chances.count = 4
    chances.at[0], chances.sign[0], chances.mean[0] = 0.0, 1.0, good * share
    chances.at[1], chances.sign[1], chances.mean[1] = good, -1.0, good * (1.0 - share)
    chances.at[2], chances.sign[2], chances.mean[2] = draws, -1.0, bad * share
    chances.at[3], chances.sign[3], chances.mean[3] = bad - draws, 1.0, bad * (1.0 - share)
    return by_ratio(rng, &chances, draws * (good / total),
                    draws * (good / total) * (bad / total) * ((total - draws) / (total - 1.0)),
                    trunc((draws + 1.0) * ((good + 1.0) / (total + 2.0))), few)


def binomials(const uint64_t[::1] key, uint64_t stream, double n, double p, Py_ssize_t count):
    """The first `count` binomial random numbers of a stream, of n from 0 to 1e15."""
    out = np.empty(count)
    cdef double[::1] x = out
    cdef Rng rng = rng_stream(&key[0], stream)
    cdef Py_ssize_t i
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(count):
            if i % RESUM == 0:
                spend(&pace, 64 * RESUM)
            x[i] = binomial(&rng, n, p)
    return out


def hypergeometrics(
    const uint64_t[::1] key, uint64_t stream, double good, double bad, double draws, Py_ssize_t count
):
    """The first `count` hypergeometric random numbers of a stream, of whole numbers from 0 to 1e15."""
    out = np.empty(count)
    cdef double[::1] x = out
    cdef Rng rng = rng_stream(&key[0], stream)
    cdef Py_ssize_t i
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(count):
            if i % RESUM == 0:
                spend(&pace, 128 * RESUM)
            x[i] = hypergeometric(&rng, good, bad, draws)
    return out
