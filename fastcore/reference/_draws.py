"""Slow twin of binomial and hypergeometric random numbers.

One by one or by inversion where they are small, else by the ratio of uniforms.

Source: E. Stadlober, *The ratio of uniforms approach for generating discrete random variates*, J. Comput. Appl. Math.
31 (1990) 181.
"""

import math

from .._stirling import TAILS
from ._poisson import SMALLEST_TERM
from ._rng import Rng

WIDTH_OF_UNIFORMS = 1.7155277699214135  # 2 sqrt(2 / e)
WIDER = 0.8989161620588988  # 3 - 2 sqrt(3 / e)


def _tail(n: float) -> float:
    """What Stirling's formula leaves of log (n - 1)!; the next term of the series is below 1e-10."""
    if n < 10:
        return TAILS[int(n) - 1]
    per = 1.0 / n
    square = per * per
    return per * (0.08333333333333333 - square * (0.002777777777777778 - square * 0.0007936507936507937))


class _Chances:
    """The chance of k as a part of the mode's: factorials of some + sign * k below, and a power of k above.

    Held are these factorials' arguments, and one more, at the mode.
    """

    def __init__(self, mode: float, factorials: list[tuple[float, float]], odds: float = 1.0) -> None:
        self.mode = mode
        self.factorials = [(sign, argument + 1.0) for sign, argument in factorials]
        self.tails = 0.0
        for _, at in self.factorials:
            self.tails += _tail(at)
        first, second, *others = [at for _, at in self.factorials]
        self.slope = math.log(first / second * (others[1] / others[0] if others else odds))

    def log_part(self, k: float) -> float:
        """Logarithms of ratios of factorials, which lose nothing where the factorials are of large numbers."""
        by = k - self.mode
        total = self.tails - by * self.slope
        for sign, at in self.factorials:
            off = sign * by
            n = at + off
            total -= (n - 0.5) * math.log1p(off / at) + _tail(n)
        return total


def _by_ratio(rng: Rng, chances: _Chances, mean: float, variance: float, most: float) -> float:
    width = WIDTH_OF_UNIFORMS * math.sqrt(variance + 0.5) + WIDER
    while True:
        u = 1.0 - rng.next_double()
        v = rng.next_double()
        place = mean + 0.5 + width * (v - 0.5) / u
        if place < 0 or place >= most + 1.0:
            continue
        k = float(math.floor(place))
        gain = chances.log_part(k)
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
    mode = float(math.floor((n + 1.0) * p))
    chances = _Chances(mode, [(1.0, mode), (-1.0, n - mode)], (1.0 - p) / p)
    return _by_ratio(rng, chances, n * p, n * p * (1.0 - p), n)


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
    mode = float(math.floor((draws + 1.0) * ((good + 1.0) / (total + 2.0))))
    chances = _Chances(mode, [(1.0, mode), (-1.0, good - mode), (-1.0, draws - mode), (1.0, bad - draws + mode)])
    variance = draws * (good / total) * (bad / total) * ((total - draws) / (total - 1.0))
    return _by_ratio(rng, chances, draws * (good / total), variance, few)
