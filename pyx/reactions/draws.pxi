# Binomial and hypergeometric random numbers: one by one or by inversion where they are small, else by the ratio of
# uniforms (Stadlober 1990).

cdef double WIDTH_OF_UNIFORMS = 1.7155277699214135  # 2 sqrt(2 / e)
cdef double WIDER = 0.8989161620588988  # 3 - 2 sqrt(3 / e)

cdef double[10] SMALL_TAILS
for _i in range(9):
    SMALL_TAILS[_i + 1] = TAILS[_i]


cdef inline double tail(double n) noexcept nogil:
    # What Stirling's formula leaves of log (n - 1)!; the next term of the series is below 1e-10.
    cdef double per, square
    if n < 10.0:
        return SMALL_TAILS[<int>n]
    per = 1.0 / n
    square = per * per
    return per * (0.08333333333333333 - square * (0.002777777777777778 - square * 0.0007936507936507937))


# The chance of k as a part of the mode's: factorials of some + sign * k below, and a power of k above. Held are these
# factorials' arguments, and one more, at the mode.
cdef struct Chances:
    int count
    double mode
    double[4] sign
    double[4] at
    double slope
    double tails


cdef inline void add_factorial(Chances* chances, double sign, double argument) noexcept nogil:
    chances.sign[chances.count], chances.at[chances.count] = sign, argument + 1.0
    chances.tails += tail(argument + 1.0)
    chances.count += 1


cdef inline double log_part(const Chances* chances, double k) noexcept nogil:
    # Logarithms of ratios of factorials, which lose nothing where the factorials are of large numbers.
    cdef double by = k - chances.mode, total = chances.tails - by * chances.slope, n, off
    cdef int i
    for i in range(chances.count):
        off = chances.sign[i] * by
        n = chances.at[i] + off
        total -= (n - 0.5) * log1p(off / chances.at[i]) + tail(n)
    return total


cdef double by_ratio(Rng* rng, const Chances* chances, double mean, double variance, double most) noexcept nogil:
    cdef double width = WIDTH_OF_UNIFORMS * sqrt(variance + 0.5) + WIDER
    cdef double u, v, place, gain
    while True:
        u = 1.0 - next_double(rng)
        v = next_double(rng)
        place = mean + 0.5 + width * (v - 0.5) / u
        if place < 0 or place >= most + 1.0:
            continue
        place = trunc(place)
        gain = log_part(chances, place)
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
    chances.count, chances.tails, chances.mode = 0, 0.0, trunc((n + 1.0) * p)
    add_factorial(&chances, 1.0, chances.mode)
    add_factorial(&chances, -1.0, n - chances.mode)
    chances.slope = log(chances.at[0] / chances.at[1] * ((1.0 - p) / p))
    return by_ratio(rng, &chances, n * p, n * p * (1.0 - p), n)


cdef double hypergeometric(Rng* rng, double good, double bad, double draws) noexcept nogil:
    """How many of `draws` without replacement are good."""
    cdef double total = good + bad, few, left, k = 0.0
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
    chances.count, chances.tails, chances.mode = 0, 0.0, trunc((draws + 1.0) * ((good + 1.0) / (total + 2.0)))
    add_factorial(&chances, 1.0, chances.mode)
    add_factorial(&chances, -1.0, good - chances.mode)
    add_factorial(&chances, -1.0, draws - chances.mode)
    add_factorial(&chances, 1.0, bad - draws + chances.mode)
    chances.slope = log(chances.at[0] / chances.at[1] * (chances.at[3] / chances.at[2]))
    return by_ratio(rng, &chances, draws * (good / total),
                    draws * (good / total) * (bad / total) * ((total - draws) / (total - 1.0)), few)


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
