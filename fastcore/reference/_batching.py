"""Slow twin of exact simulation in batches of meetings.

Molecules meet two by two, each ordered pair of them at one rate, and what has met may react, each reaction with a
chance of its own. Catalysts stand among the molecules, so that reactions of one molecule, or of none, are meetings too.
While no molecule meets twice, the order of meetings doesn't matter: who met whom is drawn for all of them at once. Each
meeting leaves as many molecules as the most productive reaction would, what is missing being waste, so that when a
molecule meets again doesn't depend on who met before. A batch ends with that meeting.

Sources: P. Berenbrink, D. Hammer, D. Kaaser, U. Meyer, M. Penschuck and H. Tran, *Simulating population protocols in
sub-constant time per interaction*, ESA 2020; J. Petrack and D. Doty, *Exactly simulating stochastic chemical reaction
networks in sub-constant time per reaction*, arXiv 2508.04079; G. Marsaglia and W. W. Tsang, *A simple method for
generating gamma variables*, ACM Trans. Math. Softw. 26 (2000) 363.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._draws import binomial, hypergeometric
from ._langevin import Normals
from ._leaping import ABSORBED, FINISHED, MAX_EVENTS, OVERFLOW, RESUM, SINGLE, UNRESOLVED, Leaping
from ._rng import Rng
from ._runs import LARGEST_COUNT, NetworkLists, exponential, resolved

# Ticks of a batch that are no meetings, at most; what a batch costs, in single events; what is never worth a batch.
MOST_VOIDS = 64
PRICE = 64
FEW_MOLECULES = 100
# Events that a batch must hold: some, and some for each pair of kinds, with what it costs.
WORTH = 10.0, 15.0
# The mean length of a batch, in units of the root of the molecules over what a meeting touches.
MEAN_LENGTH = 0.886
# In a batch: numbers, and sums of them, are exact.
MOST_MOLECULES = 4e15
MOST_CATALYSTS = 1e15
# Lower rates of a pair have few digits left.
SLOWEST = 1e-290


class Batching(Leaping):
    """A trajectory in batches of meetings."""

    def __init__(
        self, network: NetworkLists, constants: NDArray[np.float64], x0: NDArray[np.int64], stops: list[Any]
    ) -> None:
        super().__init__(network, constants, x0, stops)
        self.active = sorted({i for factors in network.factors for i, _ in factors})
        place = {i: k for k, i in enumerate(self.active)}
        last = self.last = len(self.active)
        # The reactions of a pair of kinds that meet; catalysts stand last.
        self.meetings: dict[tuple[int, int], list[int]] = {}
        self.growth = 0.0
        for j, (factors, changes) in enumerate(zip(network.factors, network.changes)):
            a, b = ([place[i] for i, _ in factors] + [last, last])[:2]
            self.meetings.setdefault((min(a, b), max(a, b)), []).append(j)
            # A rate of x**2 is one of x*(x - 1) and one of x.
            if a == b < last and factors[1][1] == 0:
                self.meetings.setdefault((a, last), []).append(j)
            self.growth = max(self.growth, float(sum(by for i, by in changes if i in place)))
        self.clean, self.voids = 0.0, list[float]()
        self.two = self.one = self.none = 0.0
        for (a, b), reactions in self.meetings.items():
            rate = 0.0
            for j in reactions:
                rate += self.constants[j]
            if a == last:
                self.none = rate
            elif b == last:
                self.one = max(self.one, 0.5 * rate)
            else:
                self.two = max(self.two, rate if a == b else 0.5 * rate)

    def run(
        self, rng: Rng, number: int, span: tuple[float, float], times: list[float], most: int, epsilon: float
    ) -> tuple[list[list[Any]], int, int]:
        """States at the grid's times as far as it got, how many reactions fired, and the status."""
        self.rng, self.times, self.states, self.normals = rng, times, [], Normals(rng)
        self.t, end = span
        self.number = number
        self.fired, single, moves, price, status = 0, 0, 0, 0, FINISHED
        while status == FINISHED:
            self.record(self.t)
            if self.t >= end:
                break
            total = self.set_rates()
            if not total < math.inf:
                status = OVERFLOW
                break
            if total == 0:
                status = ABSORBED
                break
            if price >= most:
                status = MAX_EVENTS
                break
            made = 0
            if single == 0:
                grid = self.times[len(self.states)] if len(self.states) < len(self.times) else math.inf
                made = self.batched(total, min(grid, end))
                if made == UNRESOLVED:
                    status = UNRESOLVED
                    break
                single = 0 if made else SINGLE
            if made:
                price += PRICE
            else:
                single -= 1
                following = self.t + exponential(rng) / total
                if following > end:
                    self.t = end
                    continue
                self.record(math.nextafter(following, -math.inf))
                self.fire(self.chosen(self.rates, total))
                self.t = following
                self.fired += 1
                price += 1
            moves += 1
            if max(self.x) > LARGEST_COUNT:
                status = OVERFLOW
            elif moves % RESUM == 0 and not resolved(span[0], self.t, end - span[0], moves):
                status = UNRESOLVED
        return self.states, self.fired, self.ended(status, span, moves)

    def rate_of_pairs(self, catalysts: float) -> float:
        """The rate at which each ordered pair must meet: either of the two may be the first."""
        rate = self.two
        if self.one > 0:
            rate = max(rate, self.one / catalysts)
        if self.none > 0:
            rate = max(rate, self.none / (catalysts * (catalysts - 1.0)))
        return rate

    def best_catalysts(self, molecules: float) -> float:
        """As many as make batches few.

        That is where one of the largest rates takes over from another, or what it alone asks for.
        """
        fewest = 2.0 if self.none > 0 else 1.0 if self.one > 0 else 0.0
        some = [
            2.0 * molecules,
            self.one / self.two if self.two > 0 else 0.0,
            math.sqrt(self.none / self.two) if self.two > 0 else 0.0,
            self.none / self.one if self.one > 0 else 0.0,
            1e6,
        ]
        lowest, best = math.inf, fewest
        for given in some:
            catalysts = max(float(math.floor(min(given, MOST_CATALYSTS))), fewest)
            population = molecules + catalysts
            cost = self.rate_of_pairs(catalysts) * population * math.sqrt(population)
            if cost < lowest:
                lowest, best = cost, catalysts
        return best

    def batched(self, total: float, horizon: float) -> int:
        """Make a batch, up to the horizon at most; 0 if it would hold too few events, or UNRESOLVED."""
        last, rng = self.last, self.rng
        self.left = [float(self.x[i]) for i in self.active]
        molecules = 0.0
        for count in self.left:
            molecules += count
        catalysts = self.best_catalysts(molecules)
        self.left.append(catalysts)
        population = molecules + catalysts
        if not FEW_MOLECULES <= population <= MOST_MOLECULES:
            return 0
        rate = self.rate_of_pairs(catalysts)
        if rate < SLOWEST:
            return 0
        length = math.sqrt(population / (2.0 + self.growth))
        # What a batch costs goes with the kinds that may meet.
        held = MEAN_LENGTH * length * (total / (rate * population * (population - 1.0)))
        if not min(held, total * (horizon - self.t)) >= WORTH[0] + WORTH[1] * (last + 1) ** 2:
            return 0
        most = float(math.floor(2.0 * length))
        largest = population + self.growth * most
        pairs = largest * (largest - 1.0)
        collides = self.until_met_again(population, most, pairs)
        ticks = self.clean + len(self.voids) + collides
        tau = self.gamma(ticks) / (rate * pairs)
        if self.t + tau == self.t:
            return UNRESOLVED
        if self.t + tau <= horizon:
            self.t += tau
        else:
            # All ticks but the last are anywhere in the time that they take together.
            ticks = binomial(rng, ticks - 1.0, (horizon - self.t) / tau)
            self.clean, collides = ticks - sum(void < ticks for void in self.voids), False
            self.t = horizon
        self.chances: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for (a, b), reactions in self.meetings.items():
            ways = catalysts * (catalysts - 1.0) if a == last else 2.0 * catalysts if b == last else 1.0 + (a < b)
            self.chances[a, b] = [(j, self.constants[j] / (rate * ways)) for j in reactions]
        self.react(self.meet(population))
        if collides:
            self.meet_again(population, catalysts)
        return 1

    def until_met_again(self, population: float, most: float, pairs: float) -> bool:
        """How many meetings there are until one takes part in its second, and whether it came to that.

        The clock ticks as if the population were already as large as it can become: ticks that are no meetings are
        void. Both are thinned from their common bound.
        """
        largest, left = population + self.growth * most, population - 2.0 * most
        bound = (largest - left) * (largest + left - 1.0)
        scale = 1.0 / math.log1p(-bound / pairs)
        self.clean, self.voids = 0.0, []
        while len(self.voids) < MOST_VOIDS:
            self.clean += math.floor(math.log(1.0 - self.rng.next_double()) * scale)
            if self.clean >= most:
                self.clean = most
                break
            left, now = population - 2.0 * self.clean, population + self.growth * self.clean
            share = self.rng.next_double() * bound - (now - left) * (now + left - 1.0)
            if share < 0:
                return True
            if share < (largest - now) * (largest + now - 1.0):
                self.voids.append(self.clean + len(self.voids))
            else:
                self.clean += 1.0
                if self.clean == most:
                    break
        return False

    def gamma(self, shape: float) -> float:
        """The time of so many ticks."""
        d = shape - 0.3333333333333333
        c = 1.0 / math.sqrt(9.0 * d)
        while True:
            x = self.normals.next()
            v = 1.0 + c * x
            if v <= 0:
                continue
            v = v * v * v
            u = 1.0 - self.rng.next_double()
            if u < 1.0 - 0.0331 * (x * x) * (x * x) or math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
                return d * v

    def meet(self, population: float) -> dict[tuple[int, int], float]:
        """Who meets whom: the first of each two, then whom those of each kind meet."""
        rest, remaining, first = population, self.clean, []
        for a, count in enumerate(self.left):
            some = hypergeometric(self.rng, count, rest - count, remaining)
            rest -= count
            remaining -= some
            first.append(some)
            self.left[a] -= some
        population -= self.clean
        met: dict[tuple[int, int], float] = {}
        for a, remaining in enumerate(first):
            rest = population
            population -= remaining
            for b, count in enumerate(self.left):
                if remaining == 0:
                    break
                some = hypergeometric(self.rng, count, rest - count, remaining)
                rest -= count
                remaining -= some
                self.left[b] -= some
                pair = min(a, b), max(a, b)
                met[pair] = met.get(pair, 0.0) + some
        return met

    def react(self, met: dict[tuple[int, int], float]) -> None:
        """What the meetings lead to."""
        for pair, rest in sorted(met.items()):
            share = 1.0
            for j, chance in self.chances.get(pair, ()) if rest else ():
                if chance == 0:
                    continue
                times = binomial(self.rng, rest, chance / share if chance < share else 1.0)
                rest -= times
                share -= chance
                self.fired += int(times)
                for i, by in self.network.changes[j]:
                    self.x[i] += by * int(times)

    def meet_again(self, population: float, catalysts: float) -> None:
        """The meeting that ends a batch: of two of which at least one has met before."""
        left, touched = population - 2.0 * self.clean, (2.0 + self.growth) * self.clean
        met = [self.x[i] - count for i, count in zip(self.active, self.left)] + [catalysts - self.left[-1]]
        share = self.rng.next_double() * (2.0 * left + touched - 1.0)
        a = self.picked(met, touched)
        if share < 2.0 * left:
            b = self.picked(self.left, left)
        else:
            if a >= 0:
                met[a] -= 1.0
            b = self.picked(met, touched - 1.0)
        share = self.rng.next_double()
        if a < 0 or b < 0:
            return
        for j, chance in self.chances.get((min(a, b), max(a, b)), ()):
            share -= chance
            if share < 0:
                self.fire(j)
                self.fired += 1
                return

    def picked(self, weights: list[float], whole: float) -> int:
        """One of the kinds, or -1 for waste, which stands after them."""
        share = self.rng.next_double() * whole
        for k, weight in enumerate(weights):
            share -= weight
            if share < 0:
                return k
        return -1
