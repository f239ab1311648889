"""xoshiro256++ streams, bit for bit those of ``pyx/shared/_rng.pxd``.

Stream i of a 256-bit key: word k of the state is output number i of SplitMix64 seeded with key[k]. Sources:
Blackman and Vigna, *Scrambled linear pseudorandom number generators*, ACM TOMS 47 (2021); Steele, Lea and
Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014.
"""

from collections.abc import Sequence

MASK = 2**64 - 1


def splitmix64(seed: int, i: int) -> int:
    """Return output number `i` (from 0) of SplitMix64 seeded with `seed`."""
    z = (seed + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def rotl64(x: int, k: int) -> int:
    return ((x << k) | (x >> (64 - k))) & MASK


class Rng:
    """Stream `i` of a key of four 64-bit words."""

    def __init__(self, key: Sequence[int], i: int) -> None:
        self.state = [splitmix64(int(word), int(i)) for word in key]
        if not any(self.state):
            self.state[0] = 1

    def next_u64(self) -> int:
        s0, s1, s2, s3 = self.state
        result = (rotl64((s0 + s3) & MASK, 23) + s0) & MASK
        t = (s1 << 17) & MASK
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = rotl64(s3, 45)
        self.state = [s0, s1, s2, s3]
        return result

    def next_double(self) -> float:
        """Uniform on [0, 1), 53 bits."""
        return (self.next_u64() >> 11) * (1.0 / 9007199254740992.0)

    def next_below(self, n: int) -> int:
        """Uniform on 0..n-1 for n < 2**32."""
        return ((self.next_u64() >> 32) * n) >> 32
