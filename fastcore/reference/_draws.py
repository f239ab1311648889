"""Slow twin of binomial and hypergeometric random numbers.

One by one or by inversion where they are small, else by the ratio of uniforms. Chances are products of Poisson chances,
which lose nothing where numbers are large.

Source: E. Stadlober, *The ratio of uniforms approach for generating discrete random variates*, J. Comput. Appl. Math.
31 (1990) 181.
"""

import math

from ._poisson import SMALLEST_TERM, log_chance
from ._rng import Rng

WIDTH_OF_UNIFORMS = 1.7155277699214135  # 2 sqrt(2 / e)
WIDER = 0.8989161620588988  # 3 - 2 sqrt(3 / e)

# (at, sign, mean): a Poisson chance of at + sign k.
Chances = list[tuple[float, float, float]]


def _log_chances(chances: Chances, k: float) -> float:
    """The logarithm of the chance of k, up to a constant."""
    total = 0.0
    for at, sign, mean in chances:
        total += log_chance(at + sign * k, mean)
    return total


def _by_ratio(rng: Rng, chances: Chances, mean: float, variance: float, mode: float, most: float) -> float:
    width = WIDTH_OF_UNIFORMS * math.sqrt(variance + 0.5) + WIDER
    highest = _log_chances(chances, mode)
    while True:
        u = 1.0 - rng.next_double()
        v = rng.next_double()
        place = mean + 0.5 + width * (v - 0.5) / u
        if place < 0 or place >= most + 1.0:
            continue
        k = float(math.floor(place))
        gain = _log_chances(chances, k) - highest
        # Two bounds of the logarithm, before the logarithm itself.
        if u * (4.0 - u) - 3.0 <= gain or (u * (u - gain) < 1.0 and 2.0 * math.log(u) <= gain):
            return k


def _small_binomial(rng: Rng, n: float, p: float) -> float:
    share, term, odds, k = rng.next_double(), math.exp(n * math.log1p(-p)), p / (1.0 - p), 0.0
    while share >= term and k < n:
        share -= term
        k += 1.0
        term *= (n - k + 1.0) / k * odds
        if term < SMALLEST_TERM:
            break  # rounding: nothing is left
    return k


def binomial(rng: Rng, n: float, p: float) -> float:
    """How many of n happen, each with chance p."""
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return n
    if p > 0.5:
        return n - binomial(rng, n, 1.0 - p)
    if n * p < 10.0:
        return _small_binomial(rng, n, p)
    chances = [(0.0, 1.0, n * p), (n, -1.0, n * (1.0 - p))]
    return _by_ratio(rng, chances, n * p, n * p * (1.0 - p), float(math.floor((n + 1.0) * p)), n)


def hypergeometric(rng: Rng, good: float, bad: float, draws: float) -> float:
    """How many of `draws` without replacement are good."""
    total = good + bad
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
        k = 0.0
        for _ in range(int(few)):
            if rng.next_double() * total < left:
                left -= 1.0
                k += 1.0
            total -= 1.0
        return k
    share = draws / total
    chances = [
        (0.0, 1.0, good * share),
        (good, -1.0, good * (1.0 - share)),
        (draws, -1.0, bad * share),
        (bad - draws, 1.0, bad * (1.0 - share)),
    ]
    variance = draws * (good / total) * (bad / total) * ((total - draws) / (total - 1.0))
    mode = float(math.floor((draws + 1.0) * ((good + 1.0) / (total + 2.0))))
    return _by_ratio(rng, chances, draws * (good / total), variance, mode, few)
