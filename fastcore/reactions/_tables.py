"""The structure of a network as the kernels read it: in arrays that are as long as the reactions have terms."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from ._events import Events
from ._laws import Instruction, Law, placed
from ._reading import Reaction


class Tables(NamedTuple):
    """Factors, changes and readers, each as offsets and columns, and programs.

    Factor f of reaction j, with ``factor_at[j] <= f < factor_at[j + 1]``, multiplies its rate by
    ``x[factor[f]] - minus[f]`` (2 A has factors A - 0 and A - 1), and its deterministic rate by
    ``x[factor[f]] - shift[f]`` (which is 0 under mass action, and `minus` where the rate was written out). When it
    fires, the species ``changed[i]`` change by ``by[i]``, with ``change_at[j] <= i < change_at[j + 1]``. The reactions
    whose rates species i enters are ``reader[reader_at[i]:reader_at[i + 1]]``, rising.

    The rate of a reaction with ``program_at[j] < program_at[j + 1]`` is what the last of these instructions of
    `program` gives (see `fastcore._programs`; places are the species, the time, as many results as the longest program
    has, and the slots); it depends on the species ``read[read_at[j]:read_at[j + 1]]``, where the number of species
    stands for the time. It is 0 while some ``x[need[i]] < least[i]``, with ``need_at[j] <= i < need_at[j + 1]``.
    """

    factor_at: NDArray[np.int64]
    factor: NDArray[np.int64]
    minus: NDArray[np.int64]
    change_at: NDArray[np.int64]
    changed: NDArray[np.int64]
    by: NDArray[np.int64]
    reader_at: NDArray[np.int64]
    reader: NDArray[np.int64]
    shift: NDArray[np.float64]
    program_at: NDArray[np.int64]
    program: NDArray[np.int32]
    read_at: NDArray[np.int64]
    read: NDArray[np.int64]
    need_at: NDArray[np.int64]
    need: NDArray[np.int64]
    least: NDArray[np.int64]

    @classmethod
    def of(
        cls, reactions: Sequence[Reaction], place: Mapping[str, int], laws: Sequence[Law], counted: bool = False
    ) -> Tables:
        """Read reactions of species whose places are given, each term once; `counted`: as stochastic rates."""
        programs = [law.counted or law.program if counted else law.program for law in laws]
        n, longest = len(place), max(map(len, programs))
        # Arrays that grow, not lists: 8 bytes a number.
        listed = {name: array("q") for name in cls._fields if name not in ("reader_at", "reader", "shift", "program")}
        factor, minus, changed, by = (listed[name] for name in ("factor", "minus", "changed", "by"))
        read, need, least = (listed[name] for name in ("read", "need", "least"))
        ends = [(listed[f"{name}_at"], listed[name]) for name in ("factor", "read", "need")]
        ends.append((listed["change_at"], changed))
        shift, reading, whose = array("d"), array("q"), array("q")
        program: list[Instruction] = []
        for at, _ in ends:
            at.append(0)
        listed["program_at"].append(0)
        for j, (reaction, law) in enumerate(zip(reactions, laws)):
            reactants, products = reaction.reactants, reaction.products
            entering = set(law.reads)
            for i, less in law.factors:
                factor.append(i)
                minus.append(less)
                shift.append(less if law.whole else 0)
                entering.add(i)
            for name, count in reactants.items():
                net = products.get(name, 0) - count
                if net:
                    changed.append(place[name])
                    by.append(net)
                if law.program and (law.whole or counted):
                    need.append(place[name])
                    least.append(count)
                    entering.add(place[name])
            for name, count in products.items():
                if name not in reactants:
                    changed.append(place[name])
                    by.append(count)
            if law.program:
                program += placed(programs[j], n, longest)
                read.extend(law.reads)
                entering.discard(n)
            reading.extend(entering)
            whose.extend([j] * len(entering))
            for at, column in ends:
                at.append(len(column))
            listed["program_at"].append(len(program))
        species, readers = np.frombuffer(reading, np.int64), np.frombuffer(whose, np.int64)
        reader_at = np.zeros(n + 1, np.int64)
        np.cumsum(np.bincount(species, minlength=n), out=reader_at[1:])
        return cls(
            **{name: np.array(column, np.int64) for name, column in listed.items()},
            reader_at=reader_at,
            reader=readers[np.argsort(species, kind="stable")],
            shift=np.array(shift, np.float64),
            program=np.array(program, np.int32).reshape(-1, 4),
        )

    def products_of(self, constants: NDArray[np.float64], x: NDArray[np.float64], less: bool) -> NDArray[np.float64]:
        """The constants times each reaction's factors from left to right, stochastic if `less`."""
        rates = constants.copy()
        lengths = np.diff(self.factor_at)
        which, position = np.flatnonzero(lengths), 0
        taken = self.minus if less else self.shift
        while len(which):
            factors = self.factor_at[which] + position
            rates[which] *= x[self.factor[factors]] - taken[factors]
            position += 1
            which = which[lengths[which] > position]
        return rates

    @property
    def timed(self) -> bool:
        """Whether a rate depends on the time."""
        return bool((self.read == len(self.reader_at) - 1).any())

    def with_clock(self) -> Tables:
        """With the time as a last species, which a last reaction of rate 1 makes."""
        n = len(self.reader_at) - 1
        more = {name: np.append(at, at[-1]) for name, at in self._asdict().items() if name.endswith("_at")}
        del more["reader_at"]
        more["change_at"][-1] += 1
        return self._replace(**more, changed=np.append(self.changed, n), by=np.append(self.by, 1))


class Structure:
    """A network's tables and events, and what each backend makes of them once."""

    def __init__(self, tables: Tables, events: Events | None = None, counted: Tables | None = None) -> None:
        self.tables, self.events = tables, events
        self.counted = counted or tables  # for stochastic rates
        self.timed = tables.timed
        self._prepared: dict[str, Any] = {}
        self._integrable: dict[str, Any] = {}
        self.stopping: dict[Any, Any] = {}  # networks with conditions that end a run

    def __getstate__(self) -> tuple[Tables, Events | None, Tables]:
        return self.tables, self.events, self.counted

    def __setstate__(self, state: tuple[Tables, Events | None, Tables]) -> None:
        Structure.__init__(self, *state)

    @cached_property
    def clocked(self) -> Tables:
        """The tables, with a clock if a rate asks for the time."""
        return self.tables.with_clock() if self.timed else self.tables

    def prepared(self, backend: str) -> Any:
        """The network as the kernels of that backend take it."""
        if backend not in self._prepared:
            self._prepared[backend] = kernels("reactions", backend).Network(self.counted, self.events)
        return self._prepared[backend]

    def integrable(self, backend: str) -> Any:
        """The network as the kernels of `ode` of that backend take it."""
        if backend not in self._integrable:
            self._integrable[backend] = kernels("ode", backend).System(self.clocked)
        return self._integrable[backend]
