"""Slow twin of the modified next reaction method, which takes rates that depend on the time.

Sources: D. F. Anderson, *A modified next reaction method for simulating chemical systems with time dependent
propensities and delays*, J. Chem. Phys. 127 (2007) 214107; P. A. W. Lewis and G. S. Shedler, *Simulation of
nonhomogeneous Poisson processes by thinning*, Naval Res. Logist. Quart. 26 (1979) 403; for the bounds R. E. Moore,
*Interval Analysis*, 1966.
"""

import math
from dataclasses import dataclass

from ._intervals import enclosed
from ._rng import Rng
from ._runs import Run, exponential

# A run ends when so many proposals and new bounds in a row came to nothing.
MOST_IDLE = 10_000_000
LARGEST_BOUND = 2.0**1000


@dataclass
class _Clock:
    """The internal clock of a reaction.

    It goes as fast as `bound`, which is its rate, or lies above it until `until` where that depends on the time; `left`
    is what is left at time `since` until the reaction happens, or is proposed. `width` is how far a bound reached last.
    """

    left: float
    since: float
    width: float
    bound: float = 0.0
    until: float = math.inf

    def due(self) -> float:
        """When it happens, or is proposed."""
        return self.since + self.left / self.bound if self.bound > 0 else math.inf

    def next(self) -> float:
        """When it is to be looked at."""
        return min(self.due(), self.until)


class NextReaction(Run):
    """The next reaction method: an internal clock for each reaction, and the first that is due wins.

    Where a rate depends on the time, the clock goes by a bound of it, and what is proposed happens with the probability
    that the rate is of the bound.
    """

    def start(self, rng: Rng) -> None:
        self.rng = rng
        self.broken = False
        self.idle = 0
        place = len(self.x)
        self.timed = [any(place in operands for _, *operands in code) for code in self.network.programs]
        start, end = self.span
        self.clocks = [_Clock(exponential(rng), start, end - start) for _ in self.constants]
        self.renew()

    def renew(self) -> None:
        for j in range(len(self.clocks)):
            self.wind(j)

    def wind(self, j: int) -> None:
        """Bring the clock of reaction j to the time now, and its bound to the state now."""
        clock = self.clocks[j]
        clock.left = max(clock.left - clock.bound * (self.t - clock.since), 0.0)
        clock.since = self.t
        rate = self.rate(j)
        if not rate < math.inf:
            self.broken = True
        elif not self.broken:
            clock.bound, clock.until = rate, math.inf
            if self.timed[j] and not self.lacks(j):
                self.enclose(j, rate)

    def enclose(self, j: int, rate: float) -> None:
        """Bound a rate from now on for as long as the bound is at most twice as high, or proposes at most once."""
        clock, t, end = self.clocks[j], self.t, self.span[1]
        while True:
            until = min(t + clock.width, end)
            if t >= end:
                bound = rate
                break
            if until <= math.nextafter(t, math.inf):
                # There are no numbers in between.
                self.t = until = math.nextafter(t, math.inf)
                bound = self.rate(j)
                if not bound < math.inf:
                    self.broken = True
                    return
                self.t = t
                break
            low, bound = enclosed(self.network.programs[j], self.frame(t), self.frame(until), len(self.x) + 1)
            if bound < LARGEST_BOUND and (bound <= 2 * low or bound * (until - t) <= 1):
                break
            clock.width = 0.5 * (until - t)
        clock.bound = max(bound, rate)
        clock.until = until if until < end else math.inf

    def following(self, t: float, until: float) -> float:
        while not self.broken:
            nexts = [clock.next() for clock in self.clocks]
            self.j = nexts.index(min(nexts))
            clock, now = self.clocks[self.j], nexts[self.j]
            if now > until:
                return now
            self.t = now
            if now < clock.due():
                clock.width *= 2
                self.wind(self.j)
            else:
                rate = self.rate(self.j) if self.timed[self.j] else clock.bound
                if not rate < math.inf:
                    break
                happens = not self.timed[self.j] or self.rng.next_double() * clock.bound < rate
                clock.left, clock.since = exponential(self.rng), now
                if happens:
                    self.idle = 0
                    return now
            self.idle += 1
            if self.idle > MOST_IDLE:
                return -math.inf
        return math.nan

    def next(self) -> int:
        return self.j

    def update(self, j: int, n_events: int) -> None:
        for i in self.dependants(j):
            self.wind(i)
