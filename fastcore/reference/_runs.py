"""What the twins of all simulation methods share: the network as lists, one trajectory's state, exponential numbers."""

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

LARGEST_COUNT = 2**53 - 2**31
# Events that set each other off at one moment end after so many rounds; amounts so near to a whole number are meant to
# be that number.
MOST_ROUNDS = 1000
NEAR = 1e-9
# The time between two moves of a clock must be so many steps between doubles, in the mean; fewer moves are always fine.
FINEST = 32.0
FEW_MOVES = 16


def resolved(start: float, t: float, covered: float, moves: int) -> bool:
    """Whether doubles near t are fine enough for so many moves of the clock in so much time: each is rounded."""
    return moves <= FEW_MOVES or FINEST * moves * math.ulp(max(abs(start), abs(t))) <= covered


def exponential(rng: Rng) -> float:
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


class NetworkLists:
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
        self.read: list[int] = events.read.tolist()


def _lists(offsets: NDArray[np.int64], *columns: NDArray[np.int64]) -> list[list[Any]]:
    rows, bounds = list(zip(*(column.tolist() for column in columns))), offsets.tolist()
    return [rows[a:b] for a, b in pairwise(bounds)]


class Run:
    """One trajectory: counts and rates now, and what to do when reaction j fires."""

    def __init__(
        self, network: NetworkLists, constants: NDArray[np.float64], x0: NDArray[np.int64], stops: list[Any]
    ) -> None:
        self.network = network
        n = len(network.factors)
        self.constants, self.slots = constants[:n].tolist(), constants[n:].tolist()
        self.stops = stops
        self.x = x0.tolist()
        self.events = network.events
        self.held = [] if self.events is None else list(self.events.before)
        self.t, self.span = 0.0, (0.0, 0.0)  # where rates that depend on the time are looked at, and may be

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
            if self.lacks(j):
                return 0.0
            given = self.program(j)
            return given if given >= 0 else math.nan
        rate: float = self.constants[j]
        for species, minus in self.network.factors[j]:
            rate *= x[species] - minus
        return rate

    def lacks(self, j: int) -> bool:
        """Whether reactants of reaction j, whose rate is a program, are missing."""
        return any(self.x[species] < least for species, least in self.network.needs[j])

    def program(self, j: int) -> float:
        """What the program of reaction j gives."""
        return evaluated(self.network.programs[j], self.frame(self.t), len(self.x) + 1)

    def frame(self, t: float) -> list[float]:
        """What programs read: counts, the time, results, slots."""
        return [*map(float, self.x), t, *([0.0] * self.network.longest), *self.slots]

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
