"""Slow twin of tau-leaping: many events in one step, while rates hardly change.

Rates are those in the middle of a leap, as it is expected, and a leap uses up no larger part of a reactant than what
comes in and goes out may change.

Sources: Y. Cao, D. T. Gillespie and L. R. Petzold, *Efficient step size selection for the tau-leaping simulation
method*, J. Chem. Phys. 124 (2006) 044109; D. T. Gillespie, *Approximate accelerated stochastic simulation of chemically
reacting systems*, J. Chem. Phys. 115 (2001) 1716, for the middle.
"""

import math
from typing import Any

from ._poisson import poisson
from ._rng import Rng
from ._runs import LARGEST_COUNT, NetworkLists, Run, exponential, resolved

FINISHED, ABSORBED, STOPPED, MAX_EVENTS, OVERFLOW, UNRESOLVED = range(6)
# A reaction that can fire fewer times than this before its reactants are used up fires alone.
CRITICAL = 10
# Steps that would hold fewer events than this are made one event at a time, so many of them.
FEWEST = 10.0
SINGLE = 100
# The clock is looked at after so many steps.
RESUM = 1024
MOST_FIRED = 4 * 10**18
# An expression counts as a reaction of this order in whatever it reads.
ORDER_OF_PROGRAMS = 3


def orders(network: NetworkLists, stops: list[Any]) -> list[list[tuple[int, int]]]:
    """For each species: orders of the reactions that it enters, and how often it stands in each; none twice.

    Species that events or stops read are as if they entered a reaction by themselves.
    """
    found: list[list[tuple[int, int]]] = []
    looked = {species for species, _, _ in stops} | set(network.events.read if network.events else ())
    for species, readers in enumerate(network.readers):
        pairs: list[tuple[int, int]] = []
        for (j,) in readers:
            factors = [name for name, _ in network.factors[j]]
            pair = (ORDER_OF_PROGRAMS, 1) if network.programs[j] else (len(factors), factors.count(species))
            if pair not in pairs:
                pairs.append(pair)
        if species in looked and (1, 1) not in pairs:
            pairs.append((1, 1))
        found.append(pairs)
    return found


class Leaping(Run):
    """A trajectory in leaps."""

    def set_rates(self) -> float:
        """All rates; return their sum."""
        self.rates = [self.rate(j) for j in range(len(self.constants))]
        total = 0.0
        for rate in self.rates:
            total += rate
        return total

    def chosen(self, rates: list[float], total: float) -> int:
        """A reaction by its rate: the first whose cumulative rate exceeds a uniform share of the total."""
        share, cumulative = self.rng.next_double() * total, 0.0
        for j, rate in enumerate(rates):
            cumulative += rate
            if cumulative > share:
                return j
        return max(j for j, rate in enumerate(rates) if rate > 0)  # rounding

    def critical(self, j: int) -> bool:
        """Whether a few events of reaction j would use up what it takes."""
        return any(by < 0 and self.x[i] < CRITICAL * -by for i, by in self.network.changes[j])

    def longest(self, rates: list[float], epsilon: float) -> float:
        """The longest leap over which no rate is expected to change by more than about a part `epsilon`."""
        mean, variance, used = ([0.0] * len(self.x) for _ in range(3))
        for rate, changes in zip(rates, self.network.changes):
            if rate > 0:
                for i, by in changes:
                    mean[i] += by * rate
                    variance[i] += by * by * rate
                    if by < 0:
                        used[i] -= by * rate
        longest = math.inf
        for i, pairs in enumerate(self.orders):
            if not pairs or variance[i] == 0:
                continue
            highest = 1.0
            for order, times in pairs:
                if self.x[i] >= times:
                    total = 0.0
                    for less in range(times):
                        total += self.x[i] / (self.x[i] - less)
                    highest = max(highest, order * total / times)
            change = max(epsilon * self.x[i] / highest, 1.0)
            moved = max(abs(mean[i]), used[i])
            if moved > 0:
                longest = min(longest, change / moved)
            longest = min(longest, change * change / variance[i])
        self.mean, self.used = mean, used
        return longest

    def middle(self, rates: list[float], tau: float) -> list[float]:
        """Rates in the middle of a leap."""
        before = self.x
        self.x = [max(x + 0.5 * tau * mean, 0.0) for x, mean in zip(before, self.mean)]
        found = [self.rate(j) if rate > 0 else 0.0 for j, rate in enumerate(rates)]
        self.x = before
        return [new if 0 <= new < math.inf else rate for new, rate in zip(found, rates)]

    def run(
        self, rng: Rng, number: int, span: tuple[float, float], times: list[float], most: int, epsilon: float
    ) -> tuple[list[list[Any]], int, int]:
        """States at the grid's times as far as it got, how many reactions fired, and the status."""
        self.rng, self.times = rng, times
        self.states: list[list[Any]] = []
        self.orders = orders(self.network, self.stops)
        self.t, end = span
        self.number = number
        self.fired, self.steps, self.single = 0, 0, 0
        self.settle(number, self.t)
        self.moment = self.next_moment(self.t)
        status = STOPPED if self.stopped() else FINISHED
        while status == FINISHED:
            self.record(self.t)
            if self.t >= end:
                break
            total = self.set_rates()
            if not total < math.inf:
                status = OVERFLOW
            elif total == 0 and self.moment > end:
                status = ABSORBED
            elif self.steps == most:
                status = MAX_EVENTS
            else:
                status = self.step(total, epsilon, end)
            due = status == FINISHED and self.steps % RESUM == 0
            if due and not resolved(span[0], self.t, end - span[0], self.steps):
                status = UNRESOLVED
        return self.states, self.fired, self.ended(status, span, self.steps)

    def ended(self, status: int, span: tuple[float, float], moves: int) -> int:
        """The status of a run that is over, which keeps its last state to the end of the grid."""
        start, end = span
        if status == OVERFLOW:
            self.blame(self.number, self.t)
        elif not resolved(start, self.t, (end if status == FINISHED else self.t) - start, moves):
            status = UNRESOLVED
        if status in (FINISHED, ABSORBED, STOPPED):
            self.record(math.inf)
        return status

    def record(self, t: float) -> None:
        """Keep the state at the grid's times up to t."""
        while len(self.states) < len(self.times) and self.times[len(self.states)] <= t:
            self.states.append(self.x.copy())

    def step(self, total: float, epsilon: float, end: float) -> int:
        """One event, or one leap, or the time until events are looked at; return the status."""
        until = min(self.moment, end)
        if self.single == 0 and total > 0:
            critical = [rate if self.critical(j) else 0.0 for j, rate in enumerate(self.rates)]
            others = [rate if alone == 0 else 0.0 for rate, alone in zip(self.rates, critical)]
            leapt = self.leapt(critical, others, total, self.longest(others, epsilon), until)
            if leapt in (OVERFLOW, UNRESOLVED):
                return leapt
            if leapt:
                return self.looked()
            self.single = SINGLE
        following = math.inf
        if total > 0:
            self.single -= 1
            following = self.t + exponential(self.rng) / total
        if following > until:
            if self.moment <= end:
                self.record(math.nextafter(until, -math.inf))
            self.t = until
            return self.looked()
        self.record(math.nextafter(following, -math.inf))
        self.fire(self.chosen(self.rates, total))
        self.t = following
        self.fired += 1
        self.steps += 1
        return self.looked()

    def looked(self) -> int:
        """The status after a step, and after what events set."""
        self.settle(self.number, self.t)
        if self.t >= self.moment:
            self.moment = self.next_moment(self.t)
        return OVERFLOW if max(self.x) > LARGEST_COUNT else STOPPED if self.stopped() else FINISHED

    def leapt(self, critical: list[float], others: list[float], total: float, longest: float, end: float) -> int:
        """Try leaps, each half as long as the one before.

        Returns 1 if one was made, 0 if they would hold too few events, OVERFLOW if too many, and UNRESOLVED if they are
        too short for the clock, as in an explosion.
        """
        alone = 0.0
        for rate in critical:
            alone += rate
        grid = self.times[len(self.states)] if len(self.states) < len(self.times) else math.inf
        before, horizon = self.x.copy(), min(grid, end)
        while longest * total >= FEWEST:
            until = self.t + longest
            first = self.t + exponential(self.rng) / alone if alone > 0 else math.inf
            fires = first <= until and first < horizon
            now = min(until, first, horizon)
            tau = now - self.t
            if tau == 0:
                return UNRESOLVED
            middle, expected = self.middle(others, tau), 0.0
            for rate in middle:
                expected += rate * tau
            if expected > LARGEST_COUNT or self.fired > MOST_FIRED:
                return OVERFLOW
            fired = 0
            for j, rate in enumerate(middle):
                times = int(poisson(self.rng, rate * tau)) if others[j] > 0 else 0
                fired += times
                for i, by in self.network.changes[j] if times else ():
                    self.x[i] += by * times
            if fires:
                self.fire(self.chosen(critical, alone))
            if min(self.x) >= 0:
                self.t = now
                self.fired += fired + fires
                self.steps += 1
                return 1
            self.x = before.copy()
            longest = 0.5 * min(longest, tau)
        return 0
