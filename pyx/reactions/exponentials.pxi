# Exponential random numbers by the ziggurat method.

cdef struct Layer:
    uint64_t inside
    double width
    double height

cdef Layer[257] LAYERS
cdef double TAIL = R
cdef int _i
for _i in range(257):
    LAYERS[_i] = Layer(INSIDE[_i], WIDTH[_i], HEIGHT[_i]) if _i < 256 else Layer(0, 0.0, HEIGHT[_i])


cdef double unlucky(Rng* rng, uint64_t bits) noexcept nogil:
    # The hundredth draw that doesn't fall inside its layer: wedge, tail, or another try.
    cdef double beyond = 0.0, x
    cdef uint64_t layer, position
    while True:
        layer = bits & 255
        position = bits >> 11
        x = <double><int64_t>position * LAYERS[layer].width
        if position < LAYERS[layer].inside:
            return beyond + x
        if layer == 0:
            beyond += TAIL  # no memory: beyond R the tail is the whole again
        elif LAYERS[layer].height + next_double(rng) * (LAYERS[layer + 1].height - LAYERS[layer].height) < exp(-x):
            return beyond + x
        bits = next_u64(rng)


cdef inline double exponential(Rng* rng) noexcept nogil:
    cdef uint64_t bits = next_u64(rng)
    cdef uint64_t position = bits >> 11
    cdef Layer* layer = &LAYERS[bits & 255]
    cdef Rng copy
    cdef double x
    if position < layer.inside:
        return <double><int64_t>position * layer.width
    copy = rng[0]  # so that the caller's state may live in registers
    x = unlucky(&copy, bits)
    rng[0] = copy
    return x


def exponentials(const uint64_t[::1] key, uint64_t stream, Py_ssize_t count):
    """The first `count` exponential random numbers of a stream."""
    out = np.empty(count)
    cdef double[::1] x = out
    cdef Rng rng = rng_stream(&key[0], stream)
    cdef Py_ssize_t i
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(count):
            if i % RESUM == 0:
                spend(&pace, 4 * RESUM)
            x[i] = exponential(&rng)
    return out
