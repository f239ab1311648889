"""Slow twin of Poisson random numbers.

Source: W. Hoermann, *The transformed rejection method for generating Poisson random variables*, Insur. Math. Econ. 12
(1993) 39: PTRS, from means of 10 on.
"""

import math

from ._rng import Rng

SMALLEST_TERM = 1e-18


def _log_chance(k: float, mean: float) -> float:
    """The logarithm of the chance of k.

    By the factorial up to 9!, then by Stirling's series, whose next term is below 1e-10, in a form that loses nothing
    where both are large.
    """
    if k < 10:
        return k * math.log(mean) - mean - math.log(math.factorial(int(k)))
    off, per = k - mean, 1.0 / k
    square = per * per
    return (
        k * math.log1p(-off * per)
        + off
        - 0.5 * math.log(6.283185307179586 * k)
        - per * (0.08333333333333333 - square * (0.002777777777777778 - square * 0.0007936507936507937))
    )


def _small(rng: Rng, mean: float) -> float:
    """By inversion."""
    share, term, k = rng.next_double(), math.exp(-mean), 0.0
    while share >= term:
        share -= term
        k += 1.0
        term *= mean / k
        if term < SMALLEST_TERM:
            break  # rounding: nothing is left
    return k


def _large(rng: Rng, mean: float) -> float:
    """By transformed rejection with a squeeze."""
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse, squeeze = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u = rng.next_double() - 0.5
        v = rng.next_double()
        within = 0.5 - abs(u)
        if within == 0:
            continue
        place = (2.0 * a / within + b) * u + mean + 0.43
        if place < 0:
            continue
        k = float(math.floor(place))
        if within >= 0.07 and v <= squeeze:
            return k
        if within < 0.013 and v > within:
            continue
        chance = v * inverse / (a / (within * within) + b)
        if (math.log(chance) if chance > 0 else -math.inf) <= _log_chance(k, mean):
            return k


def poisson(rng: Rng, mean: float) -> float:
    """One Poisson random number."""
    return _small(rng, mean) if mean < 10 else _large(rng, mean)
