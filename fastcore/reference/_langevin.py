"""Slow twin of the chemical Langevin equation, and of normal random numbers.

Amounts are real and may fall below 0; rates take such an amount for 0, so that it comes back, and what is conserved
stays so.

Sources: D. T. Gillespie, *The chemical Langevin equation*, J. Chem. Phys. 113 (2000) 297; G. Marsaglia and T. A. Bray,
*A convenient method for generating normal variables*, SIAM Review 6 (1964) 260.
"""

import math
from typing import Any

from ._leaping import ABSORBED, FINISHED, MAX_EVENTS, OVERFLOW, RESUM, UNRESOLVED, Leaping, orders
from ._rng import Rng
from ._runs import LARGEST_COUNT, resolved


class Normals:
    """Normal random numbers by the polar method, which makes two at a time."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._other: float | None = None

    def next(self) -> float:
        if self._other is not None:
            found, self._other = self._other, None
            return found
        square = 0.0
        while not 0 < square < 1:
            u = 2.0 * self._rng.next_double() - 1.0
            v = 2.0 * self._rng.next_double() - 1.0
            square = u * u + v * v
        factor = math.sqrt(-2.0 * math.log(square) / square)
        self._other = v * factor
        return u * factor


class Langevin(Leaping):
    """A trajectory of real amounts, in steps as long as leaps."""

    def run(
        self, rng: Rng, number: int, span: tuple[float, float], times: list[float], most: int, epsilon: float
    ) -> tuple[list[list[Any]], int, int]:
        """States at the grid's times as far as it got, the number of steps, and the status."""
        self.times, self.states, normals = times, [], Normals(rng)
        self.orders = orders(self.network, self.stops)
        self.x = [float(x) for x in self.x]
        self.t, end = span
        self.number = number
        steps, status = 0, FINISHED
        while status == FINISHED:
            self.record(self.t)
            if self.t >= end:
                break
            before = self.x
            self.x = [max(x, 0.0) for x in before]
            rates = [max(self.rate(j), 0.0) for j in range(len(self.constants))]
            total = 0.0
            for rate in rates:
                total += rate
            if not total < math.inf:
                status = OVERFLOW
                break
            self.x = before
            if total == 0:
                status = ABSORBED
            elif steps == most:
                status = MAX_EVENTS
            else:
                grid = self.times[len(self.states)] if len(self.states) < len(self.times) else math.inf
                now = min(self.t + self.longest_step(rates, epsilon), grid, end)
                status = self.moved(rates, now - self.t, normals) if now > self.t else UNRESOLVED
                if status == FINISHED:
                    self.t = now
                    steps += 1
                    if max(self.x) > LARGEST_COUNT:
                        status = OVERFLOW
                    elif steps % RESUM == 0 and not resolved(span[0], self.t, end - span[0], steps):
                        status = UNRESOLVED
        return self.states, steps, self.ended(status, span, steps)

    def longest_step(self, rates: list[float], epsilon: float) -> float:
        """As long as a leap, but no step uses up more than half of what there is.

        What is left of less than one molecule would else be nothing in the middle of the step, and stay.
        """
        longest = self.longest(rates, epsilon)
        for x, used in zip(self.x, self.used):
            if x > 0 and used > 0:
                longest = min(longest, 0.5 * x / used)
        return longest

    def moved(self, rates: list[float], tau: float, normals: Normals) -> int:
        """Make a step; return the status."""
        middle, expected = self.middle(rates, tau), 0.0
        for rate in middle:
            expected += rate * tau
        if expected > LARGEST_COUNT:
            return OVERFLOW
        self.x = self.x.copy()
        for j, rate in enumerate(middle):
            if rates[j] > 0:
                mean = rate * tau
                times = mean + math.sqrt(mean) * normals.next()
                for i, by in self.network.changes[j]:
                    self.x[i] += by * times
        return FINISHED
