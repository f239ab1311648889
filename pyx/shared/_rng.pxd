# xoshiro256++ (Blackman and Vigna 2021, https://doi.org/10.1145/3460772), one state a stream.
# Stream i of a 256-bit key: word k of the state is output number i of SplitMix64 seeded with key[k].
# fastcore/reference/_rng.py is the twin and agrees bit for bit.
from libc.stdint cimport uint64_t


cdef struct Rng:
    uint64_t s0
    uint64_t s1
    uint64_t s2
    uint64_t s3


cdef inline uint64_t splitmix64(uint64_t seed, uint64_t i) noexcept nogil:
    # Output number i (from 0) of SplitMix64 (Steele, Lea and Flood 2014).
    cdef uint64_t z = seed + (i + 1) * <uint64_t>0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline Rng rng_stream(const uint64_t* key, uint64_t i) noexcept nogil:
    cdef Rng rng
    rng.s0 = splitmix64(key[0], i)
    rng.s1 = splitmix64(key[1], i)
    rng.s2 = splitmix64(key[2], i)
    rng.s3 = splitmix64(key[3], i)
    if (rng.s0 | rng.s1 | rng.s2 | rng.s3) == 0:
        rng.s0 = 1  # the one state that xoshiro never leaves
    return rng


cdef inline uint64_t rotl64(uint64_t x, int k) noexcept nogil:
    return (x << k) | (x >> (64 - k))


cdef inline uint64_t next_u64(Rng* rng) noexcept nogil:
    cdef uint64_t result = rotl64(rng.s0 + rng.s3, 23) + rng.s0
    cdef uint64_t t = rng.s1 << 17
    rng.s2 ^= rng.s0
    rng.s3 ^= rng.s1
    rng.s1 ^= rng.s2
    rng.s0 ^= rng.s3
    rng.s2 ^= t
    rng.s3 = rotl64(rng.s3, 45)
    return result


cdef inline double next_double(Rng* rng) noexcept nogil:
    # Uniform on [0, 1): 53 bits.
    return <double>(next_u64(rng) >> 11) * (1.0 / 9007199254740992.0)


cdef inline uint64_t next_below(Rng* rng, uint64_t n) noexcept nogil:
    # Uniform on 0..n-1 for n < 2**32 (Lemire's multiply-shift on the upper 32 bits, bias below n / 2**32).
    return ((next_u64(rng) >> 32) * n) >> 32
