"""Slow twin of the stochastic simulation kernels: the direct method, the first reaction method, and rejection.

Sources: D. T. Gillespie, *A general method for numerically simulating the stochastic time evolution of coupled
chemical reactions*, J. Comput. Phys. 22 (1976) 403 and J. Phys. Chem. 81 (1977) 2340; V. H. Thanh, R. Zunino and
C. Priami, *Efficient constant-time complexity algorithm for stochastic simulation of large reaction networks*,
IEEE/ACM Trans. Comput. Biol. Bioinform. 14 (2017) 657.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._programs import BadEvent as _BadEvent
from .._programs import BadRate as _BadRate
from .._ziggurat import HEIGHT, INSIDE, WIDTH, R
from ._programs import evaluated
from ._rng import Rng

if TYPE_CHECKING:
    from ..reactions._events import Events
    from ..reactions._tables import Tables

FINISHED, ABSORBED, STOPPED, MAX_EVENTS, OVERFLOW = range(5)
# The running total of the rates is summed afresh every so many events, and when it has fallen by this factor.
RESUM = 1024
FALL = 1.0 / 1024
# Rejection: how far an interval reaches, as a part of the count; the largest bound; and what a factor may take off.
SLACK = 1.0 / 8
LARGEST_RATE = 2.0**1000
MOST_MINUS = 5
LARGEST_COUNT = 2**53 - 2**31
# Events that set each other off at one moment end after so many rounds; amounts so near to a whole number are meant to
# be that number.
MOST_ROUNDS = 1000
NEAR = 1e-9


def exponentials(key: NDArray[np.uint64], stream: int, count: int) -> NDArray[np.float64]:
    """The first `count` exponential random numbers of a stream."""
    rng = Rng(key.tolist(), stream)
    return np.array([_exponential(rng) for _ in range(count)], np.float64)


def _exponential(rng: Rng) -> float:
    """One exponential random number of mean 1, by the ziggurat method."""
    beyond = 0.0
    while True:
        bits = rng.next_u64()
        layer, position = bits & 255, bits >> 11
        x = position * WIDTH[layer]
        if position < INSIDE[layer]:
            return beyond + x
        if layer == 0:
            beyond += R  # no memory: beyond R the tail is the whole again
        elif HEIGHT[layer] + rng.next_double() * (HEIGHT[layer + 1] - HEIGHT[layer]) < math.exp(-x):
            return beyond + x


class Network:
    """A network as lists: factors and changes of each reaction, each species' readers, and events."""

    def __init__(self, tables: "Tables", events: "Events | None" = None) -> None:
        self.factors = _lists(tables.factor_at, tables.factor, tables.minus)
        self.changes = _lists(tables.change_at, tables.changed, tables.by)
        self.readers = _lists(tables.reader_at, tables.reader)
        self.needs = _lists(tables.need_at, tables.need, tables.least)
        self.programs = [tables.program[a:b].tolist() for a, b in pairwise(tables.program_at.tolist())]
        self.longest = max(map(len, self.programs))
        self.events = None if events is None else _EventLists(events)


class _EventLists:
    """Events as lists: triggers, what each sets, and when the time alone may set one off."""

    def __init__(self, events: "Events") -> None:
        code = events.program.tolist()
        self.triggers = [code[a:b] for a, b in pairwise(events.trigger_at.tolist())]
        values = [code[a:b] for a, b in pairwise(events.change_at.tolist())]
        changes = list(zip(events.changed.tolist(), values))
        self.changes = [changes[a:b] for a, b in pairwise(events.event_at.tolist())]
        self.before = [bool(held) for held in events.before.tolist()]
        self.moments = list(zip(events.moment.tolist(), events.after.tolist()))
        self.longest = events.longest


def _lists(offsets: NDArray[np.int64], *columns: NDArray[np.int64]) -> list[list[Any]]:
    rows, bounds = list(zip(*(column.tolist() for column in columns))), offsets.tolist()
    return [rows[a:b] for a, b in pairwise(bounds)]


class _Run:
    """One trajectory: counts and rates now, and what to do when reaction j fires."""

    def __init__(
        self, network: Network, constants: NDArray[np.float64], x0: NDArray[np.int64], stops: list[Any]
    ) -> None:
        self.network = network
        n = len(network.factors)
        self.constants, self.slots = constants[:n].tolist(), constants[n:].tolist()
        self.stops = stops
        self.x = x0.tolist()
        self.events = network.events
        self.held = [] if self.events is None else list(self.events.before)

    def settle(self, number: int, t: float) -> bool:
        """Let events fire until no trigger becomes true any more; return whether any did."""
        if self.events is None:
            return False
        for rounds in range(MOST_ROUNDS + 1):
            holds = [value < 0 or value > 0 for value in (self.said(code, t) for code in self.events.triggers)]
            fires = [now and not before for now, before in zip(holds, self.held)]
            self.held = holds
            if not any(fires):
                return rounds > 0
            if rounds == MOST_ROUNDS:
                break
            changes = [(e, self.events.changes[e]) for e, fired in enumerate(fires) if fired]
            values = [[self.said(code, t) for _, code in listed] for _, listed in changes]
            for (e, listed), computed in zip(changes, values):
                for (species, _), value in zip(listed, computed):
                    self.x[species] = self.amount(number, e, t, value)
        raise _BadEvent(number, fires.index(True), t, None)

    def amount(self, number: int, event: int, t: float, value: float) -> int:
        """The count that a computed amount is meant to be."""
        whole = round(value) if math.isfinite(value) else -1
        if not 0 <= whole <= LARGEST_COUNT or abs(value - whole) > NEAR * max(whole, 1):
            raise _BadEvent(number, event, t, value)
        return whole

    def said(self, code: list[Any], t: float) -> float:
        """What a program of the events gives; a frame holds counts, the time, results, slots."""
        assert self.events is not None
        frame = [*map(float, self.x), t, *([0.0] * self.events.longest), *self.slots]
        return evaluated(code, frame, len(self.x) + 1)

    def next_moment(self, t: float) -> float:
        """The first moment after t at which a trigger may change by the time alone."""
        if self.events is None:
            return math.inf
        times = [
            math.nextafter(self.slots[i], math.inf) if after else self.slots[i] for i, after in self.events.moments
        ]
        return min((time for time in times if time > t), default=math.inf)

    def rate(self, j: int) -> float:
        """The propensity of reaction j."""
        return self.rate_at(j, self.x)

    def rate_at(self, j: int, x: list[int]) -> float:
        """The propensity in a state, multiplied from left to right, or by its program; NaN if it can't be."""
        if self.network.programs[j]:
            if any(x[species] < least for species, least in self.network.needs[j]):
                return 0.0
            given = self.program(j)
            return given if given >= 0 else math.nan
        rate: float = self.constants[j]
        for species, minus in self.network.factors[j]:
            rate *= x[species] - minus
        return rate

    def program(self, j: int) -> float:
        """What the program of reaction j gives; a frame holds counts, the time (not asked for here), results, slots."""
        frame = [*map(float, self.x), 0.0, *([0.0] * self.network.longest), *self.slots]
        return evaluated(self.network.programs[j], frame, len(self.x) + 1)

    def blame(self, run: int, t: float) -> None:
        """Raise if the rate that can't be was a program's."""
        for j, code in enumerate(self.network.programs):
            if code and not self.rate(j) < math.inf:
                raise _BadRate(run, j, t, self.program(j))

    def fire(self, j: int) -> None:
        for species, by in self.network.changes[j]:
            self.x[species] += by

    def dependants(self, j: int) -> list[int]:
        """The reactions whose rates reaction j changes, in rising order."""
        return sorted({i for species, _ in self.network.changes[j] for (i,) in self.network.readers[species]})

    def stopped(self) -> bool:
        """Whether any stop condition (species, kind, value) holds: kind 0 is <=, 1 is >=, 2 is ==, 3 is !=."""
        holds = (int.__le__, int.__ge__, int.__eq__, int.__ne__)
        return any(holds[kind](self.x[species], value) for species, kind, value in self.stops)


class _Direct(_Run):
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
        return t + _exponential(self.rng) / self.total

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


class _FirstReaction(_Run):
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
                waiting = _exponential(self.rng) / rate
                if waiting < best:
                    best, self.first = waiting, j
            elif math.isnan(rate):
                return rate
        return t + best

    def next(self) -> int:
        return self.first

    def update(self, j: int, n_events: int) -> None:
        pass


class _Rssacr(_Run):
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
            waiting += _exponential(self.rng) / self.total
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
        for species, _ in self.network.changes[j]:
            if not self.low[species] <= self.x[species] <= self.high[species]:
                self.enclose(species)
                for (i,) in self.network.readers[species]:
                    self.rebound(i)
        if self.total * FALL > self.floor:
            self.floor = self.total * FALL
        if n_events % RESUM == 0:
            self.resum()


# By the codes that callers know.
_METHODS = (_Direct, _FirstReaction, _Rssacr)


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
    run.settle(number, t)
    moment = run.next_moment(t)
    run.start(rng)
    status = STOPPED if run.stopped() else FINISHED
    while status == FINISHED:
        following = run.following(t, end)
        if math.isnan(following):
            status = OVERFLOW
            break
        if following > moment and moment <= end:
            # Exponential times have no memory: from the moment on the next one is drawn anew.
            while len(states) < len(times) and times[len(states)] < moment:
                states.append(run.x.copy())
            t = moment
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
        t = following
        run.update(j, n)
        events.append((t, j))
        too_large = n % RESUM == 0 and max(run.x) > LARGEST_COUNT
        if run.settle(number, t):
            run.renew()
        if run.stopped():
            status = STOPPED
        elif too_large:
            status = OVERFLOW
    if status == OVERFLOW:
        run.blame(number, t)
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
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]:
    """Trajectories first..first+count-1 at given times: states (-1 where never reached), numbers of events, statuses.

    Trajectory i has row i // per of `constants` (of reactions, then slots) and of `x0` (or its only one), and random
    stream i.
    """
    x = np.full((count, len(times), len(keep)), -1, np.int64)
    n_events, statuses = np.zeros(count, np.int64), np.zeros(count, np.int8)
    for k in range(count):
        row = (first + k) // per
        run = _METHODS[method](network, constants[row], x0[row if len(x0) > 1 else 0], stops.tolist())
        rng = Rng(key.tolist(), first + k)
        states, n_events[k], statuses[k] = _simulate(run, rng, first + k, span, times.tolist(), max_events, [])
        for row, state in zip(x[k], states):
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
