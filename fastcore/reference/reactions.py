"""Slow twin of the stochastic simulation kernels: direct, first reaction, rejection, next reaction, batches.

Sources: D. T. Gillespie, *A general method for numerically simulating the stochastic time evolution of coupled
chemical reactions*, J. Comput. Phys. 22 (1976) 403 and J. Phys. Chem. 81 (1977) 2340; V. H. Thanh, R. Zunino and
C. Priami, *Efficient constant-time complexity algorithm for stochastic simulation of large reaction networks*,
IEEE/ACM Trans. Comput. Biol. Bioinform. 14 (2017) 657; `_next_reaction`, `_batching`.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._batching import Batching
from ._draws import binomial, hypergeometric
from ._langevin import Langevin, Normals
from ._leaping import Leaping
from ._next_reaction import NextReaction
from ._poisson import poisson
from ._rng import Rng
from ._runs import LARGEST_COUNT, NetworkLists, Run, exponential, resolved

FINISHED, ABSORBED, STOPPED, MAX_EVENTS, OVERFLOW, UNRESOLVED = range(6)
# The running total of the rates is summed afresh every so many events, and when it has fallen by this factor.
RESUM = 1024
FALL = 1.0 / 1024
# Rejection: how far an interval reaches, as a part of the count; the largest bound; and what a factor may take off.
SLACK = 1.0 / 8
LARGEST_RATE = 2.0**1000
MOST_MINUS = 5


class Network(NetworkLists):
    """A network as lists, made once."""


def exponentials(key: NDArray[np.uint64], stream: int, count: int) -> NDArray[np.float64]:
    """The first `count` exponential random numbers of a stream."""
    rng = Rng(key.tolist(), stream)
    return np.array([exponential(rng) for _ in range(count)], np.float64)


def poissons(key: NDArray[np.uint64], stream: int, mean: float, count: int) -> NDArray[np.float64]:
    """The first `count` Poisson random numbers of a stream, of a mean from 0 to 1e15."""
    rng = Rng(key.tolist(), stream)
    return np.array([poisson(rng, mean) for _ in range(count)], np.float64)


def normals(key: NDArray[np.uint64], stream: int, count: int) -> NDArray[np.float64]:
    """The first `count` normal random numbers of a stream."""
    made = Normals(Rng(key.tolist(), stream))
    return np.array([made.next() for _ in range(count)], np.float64)


def binomials(key: NDArray[np.uint64], stream: int, n: float, p: float, count: int) -> NDArray[np.float64]:
    """The first `count` binomial random numbers of a stream, of n from 0 to 1e15."""
    rng = Rng(key.tolist(), stream)
    return np.array([binomial(rng, n, p) for _ in range(count)], np.float64)


def hypergeometrics(
    key: NDArray[np.uint64], stream: int, good: float, bad: float, draws: float, count: int
) -> NDArray[np.float64]:
    """The first `count` hypergeometric random numbers of a stream, of whole numbers from 0 to 1e15."""
    rng = Rng(key.tolist(), stream)
    return np.array([hypergeometric(rng, good, bad, draws) for _ in range(count)], np.float64)


class _Direct(Run):
    """The direct method: when, then which."""

    def start(self, rng: Rng) -> None:
        self.rng = rng
        self.rates = [self.rate(j) for j in range(len(self.constants))]
        self.resum()

    def resum(self) -> None:
        total = 0.0
        for rate in self.rates:
            total += rate
        self.total, self.floor = total, total * FALL

    def renew(self) -> None:
        """All rates, after events that set amounts."""
        self.start(self.rng)

    def following(self, t: float, end: float) -> float:
        """The time of the next event, infinite if none can come, NaN if a rate overflowed."""
        if not self.floor < self.total < math.inf:
            self.resum()
            if not self.floor < self.total < math.inf:
                return math.inf if self.total == 0 else math.nan
        return t + exponential(self.rng) / self.total

    def next(self) -> int:
        """The next event's reaction: the first whose cumulative rate exceeds a uniform share of the total."""
        share = self.rng.next_double() * self.total
        cumulative = 0.0
        for j, rate in enumerate(self.rates):
            cumulative += rate
            if cumulative > share:
                return j
        return max(j for j, rate in enumerate(self.rates) if rate > 0)  # rounding: the share is the whole

    def update(self, j: int, n_events: int) -> None:
        for i in self.dependants(j):
            new = self.rate(i)
            self.total += new - self.rates[i]
            self.rates[i] = new
        if self.total * FALL > self.floor:
            self.floor = self.total * FALL
        if n_events % RESUM == 0:
            self.resum()


class _FirstReaction(Run):
    """The first reaction method: a waiting time for each reaction, and the shortest wins."""

    def start(self, rng: Rng) -> None:
        self.rng = rng

    def renew(self) -> None:
        pass

    def following(self, t: float, end: float) -> float:
        best, self.first = math.inf, -1
        for j in range(len(self.constants)):
            rate = self.rate(j)
            if rate > 0:
                if rate == math.inf:
                    return math.nan
                waiting = exponential(self.rng) / rate
                if waiting < best:
                    best, self.first = waiting, j
            elif math.isnan(rate):
                return rate
        return t + best

    def next(self) -> int:
        return self.first

    def update(self, j: int, n_events: int) -> None:
        pass


class _Rssacr(Run):
    """Rejection with composition: events are proposed as often as bounds of the rates allow, and happen or don't.

    A bound holds while counts stay in their intervals. Reactions stand in groups by the power of two next above their
    bound, the group's cap; a proposal is a place on the line of all caps.
    """

    def start(self, rng: Rng) -> None:
        self.rng = rng
        network, self.exact = self.network, set()
        for species, readers in enumerate(network.readers):
            if any(network.programs[j] for (j,) in readers):
                self.exact.add(species)
        for j, factors in enumerate(network.factors):
            if not network.programs[j]:
                self.exact.update(species for species, minus in factors if minus > MOST_MINUS)
        self.low, self.high = self.x.copy(), self.x.copy()
        self.levels: list[int | None] = [None] * len(self.constants)
        self.groups: dict[int, list[int]] = {}
        self.total, self.broken = 0.0, False
        for species in range(len(self.x)):
            self.enclose(species)
        for j in range(len(self.constants)):
            self.rebound(j)
        self.resum()

    def renew(self) -> None:
        """All bounds, after events that set amounts."""
        self.start(self.rng)

    def enclose(self, species: int) -> None:
        """Put an interval about a count."""
        slack = 0 if species in self.exact else int(SLACK * self.x[species])
        self.low[species] = self.x[species] - 2 * slack
        self.high[species] = self.x[species] + slack

    def rebound(self, j: int) -> None:
        """Put reaction j into the group of its bound, the last there; who was last where it stood takes its place."""
        bound = self.rate_at(j, self.high)
        if not bound < LARGEST_RATE:
            self.broken = True
            return
        before, after = self.levels[j], max(math.frexp(bound)[1], -1022) if bound > 0 else None
        if after == before:
            return
        if before is not None:
            group = self.groups[before]
            last = group.pop()
            if last != j:
                group[group.index(j)] = last
            self.total -= math.ldexp(1, before)
        if after is not None:
            self.groups.setdefault(after, []).append(j)
            self.total += math.ldexp(1, after)
        self.levels[j] = after

    def resum(self) -> None:
        total = 0.0
        for level in sorted(self.groups, reverse=True):
            total += len(self.groups[level]) * math.ldexp(1, level)
        self.total, self.floor = total, total * FALL

    def following(self, t: float, end: float) -> float:
        if self.broken:
            return math.nan
        if not self.floor < self.total:
            self.resum()
            if self.total == 0:
                return math.inf
        waiting = 0.0
        while True:
            waiting += exponential(self.rng) / self.total
            if t + waiting > end or self.happens(self.rng.next_double() * self.total):
                return t + waiting

    def happens(self, share: float) -> bool:
        """Whether a reaction happens at this place of the line."""
        for level in sorted(self.groups, reverse=True):
            group, cap = self.groups[level], math.ldexp(1, level)
            if share < len(group) * cap:
                member = int(share / cap)
                self.chosen = group[member]
                return share - member * cap < self.rate(self.chosen)
            share -= len(group) * cap
        return False  # rounding

    def next(self) -> int:
        return self.chosen

    def update(self, j: int, n_events: int) -> None:
        left = [i for i, _ in self.network.changes[j] if not self.low[i] <= self.x[i] <= self.high[i]]
        for species in left:
            self.enclose(species)
        for species in left:
            for (i,) in self.network.readers[species]:
                self.rebound(i)
        if self.total * FALL > self.floor:
            self.floor = self.total * FALL
        if n_events % RESUM == 0:
            self.resum()


# By the codes that callers know.
_METHODS = (_Direct, _FirstReaction, _Rssacr, NextReaction)
LEAPING, LANGEVIN, BATCHING = range(len(_METHODS), len(_METHODS) + 3)
_STEPPING = {LEAPING: Leaping, LANGEVIN: Langevin, BATCHING: Batching}


def _simulate(
    run: Any,
    rng: Rng,
    number: int,
    span: tuple[float, float],
    times: list[float],
    max_events: int,
    events: list[tuple[float, int]],
) -> tuple[list[list[int]], int, int]:
    """Run one trajectory; return states at the grid's times as far as it got, the number of events and the status."""
    t, end = span
    states: list[list[int]] = []
    n = 0
    run.t, run.span = t, span
    run.settle(number, t)
    moment = run.next_moment(t)
    run.start(rng)
    status = STOPPED if run.stopped() else FINISHED
    while status == FINISHED:
        following = run.following(t, min(moment, end))
        if math.isnan(following):
            status = OVERFLOW
            break
        if following == -math.inf:  # too much came to nothing, up to where the run has looked
            while len(states) < len(times) and times[len(states)] < run.t:
                states.append(run.x.copy())
            status = MAX_EVENTS
            break
        if following > moment and moment <= end:
            # Exponential times have no memory: from the moment on the next one is drawn anew.
            while len(states) < len(times) and times[len(states)] < moment:
                states.append(run.x.copy())
            run.t = t = moment
            if run.settle(number, t):
                run.renew()
                status = STOPPED if run.stopped() else FINISHED
            moment = run.next_moment(t)
            continue
        if following > end:
            if following == math.inf and not any(run.rate(j) > 0 for j in range(len(run.constants))):
                status = ABSORBED
            break
        while len(states) < len(times) and times[len(states)] < following:
            states.append(run.x.copy())
        if n == max_events:
            status = MAX_EVENTS
            break
        j = run.next()
        run.fire(j)
        n += 1
        run.t = t = following
        run.update(j, n)
        events.append((t, j))
        if n % RESUM == 0:
            too_large = max(run.x) > LARGEST_COUNT
            status = OVERFLOW if too_large else FINISHED if resolved(span[0], t, end - span[0], n) else UNRESOLVED
        if run.settle(number, t):
            run.renew()
        if run.stopped():
            status = STOPPED
    if status == OVERFLOW:
        run.blame(number, run.t)
    elif not resolved(span[0], t, end - span[0] if status == FINISHED else t - span[0], n):
        status = UNRESOLVED
    if status in (FINISHED, ABSORBED, STOPPED):
        states += [run.x.copy() for _ in range(len(times) - len(states))]
    return states, n, status


def simulate_grid(
    network: Network,
    constants: NDArray[np.float64],
    x0: NDArray[np.int64],
    span: tuple[float, float],
    times: NDArray[np.float64],
    key: NDArray[np.uint64],
    first: int,
    count: int,
    per: int,
    method: int,
    stops: NDArray[np.int64],
    max_events: int,
    keep: NDArray[np.int64],
    epsilon: float = 0.03,
    states: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]:
    """Trajectories first..first+count-1 at given times: states (-1 where never reached), numbers of events, statuses.

    States go into `states`, of shape (count, times, keep), if that is given.

    Trajectory i has row i // per of `constants` (of reactions, then slots) and of `x0` (or its only one), and random
    stream i. Tau-leaping takes `epsilon`, and counts steps for `max_events`. So does the Langevin equation, whose
    states are doubles in the same memory (NaN where never reached), and whose numbers of events are those of steps.
    Batching counts a batch as 64 events there, and takes rates of at most two factors, and no stops.
    """
    x = np.empty((count, len(times), len(keep)), np.int64) if states is None else states
    x.fill(-1)
    to = x.view(np.float64) if method == LANGEVIN else x
    n_events, statuses = np.zeros(count, np.int64), np.zeros(count, np.int8)
    for k in range(count):
        row = (first + k) // per
        given = (network, constants[row], x0[row if len(x0) > 1 else 0], stops.tolist())
        rng = Rng(key.tolist(), first + k)
        if method in _STEPPING:
            reached, n_events[k], statuses[k] = _STEPPING[method](*given).run(
                rng, first + k, span, times.tolist(), max_events, epsilon
            )
        else:
            run = _METHODS[method](*given)
            reached, n_events[k], statuses[k] = _simulate(run, rng, first + k, span, times.tolist(), max_events, [])
        for row, state in zip(to[k], reached):
            row[:] = [state[i] for i in keep]
    return x, n_events, statuses


def simulate_jumps(
    network: Network,
    constants: NDArray[np.float64],
    x0: NDArray[np.int64],
    span: tuple[float, float],
    key: NDArray[np.uint64],
    first: int,
    count: int,
    per: int,
    method: int,
    stops: NDArray[np.int64],
    max_events: int,
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int64], NDArray[np.int8]]:
    """All events of trajectories first..first+count-1: times, reactions, numbers of events, statuses."""
    events: list[tuple[float, int]] = []
    n_events, statuses = np.zeros(count, np.int64), np.zeros(count, np.int8)
    for k in range(count):
        row = (first + k) // per
        run = _METHODS[method](network, constants[row], x0[row if len(x0) > 1 else 0], stops.tolist())
        _, n_events[k], statuses[k] = _simulate(
            run, Rng(key.tolist(), first + k), first + k, span, [], max_events, events
        )
    return (
        np.array([t for t, _ in events], np.float64),
        np.array([j for _, j in events], np.int32),
        n_events,
        statuses,
    )


def reachable(
    need_at: NDArray[np.int64],
    need: NDArray[np.int64],
    least: NDArray[np.int64],
    change_at: NDArray[np.int64],
    changed: NDArray[np.int64],
    by: NDArray[np.int64],
    start: NDArray[np.int64],
    limits: NDArray[np.int64],
    most: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32]] | None:
    """States that lead on from `start` to one another within limits: (states, where each reaction leads from each).

    -1 stands where a reaction can't fire, -2 where it would lead out of the limits. None if there are more than `most`.
    """
    needs = [list(zip(need[a:b].tolist(), least[a:b].tolist())) for a, b in pairwise(need_at.tolist())]
    changes = [list(zip(changed[a:b].tolist(), by[a:b].tolist())) for a, b in pairwise(change_at.tolist())]
    bounds = limits.tolist()
    states, numbers, targets = [tuple(start.tolist())], {tuple(start.tolist()): 0}, []
    for x in states:
        if len(states) > most:
            return None
        row = []
        for needed, change in zip(needs, changes):
            further = list(x)
            for i, n in change:
                further[i] += n
            if any(x[i] < n for i, n in needed):
                row.append(-1)
            elif any(not 0 <= further[i] <= bounds[i] for i, _ in change):
                row.append(-2)
            else:
                state = tuple(further)
                row.append(numbers.setdefault(state, len(states)))
                if row[-1] == len(states):
                    states.append(state)
        targets.append(row)
    return np.array(states, np.int64), np.array(targets, np.int32).reshape(len(states), len(needs))
