"""Events: what a network does at once when a condition becomes true, and the arrays that kernels take of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._labelled import meant
from ._expressions import Expression
from ._laws import TIME, Instruction, Laws, placed

_COMPARISONS = ("less", "less_equal", "equal", "not_equal")


@dataclass(frozen=True, slots=True)
class Event:
    """What happens when a condition becomes true.

    Attributes
    ----------
    trigger : Expression
        It happens whenever this becomes true, of amounts, parameters and the time.
    assignments : tuple of (str, Expression)
        Species and the amounts that they get, all computed before any is set.
    before : bool
        Whether the trigger counts as true before the start, so that one that holds there doesn't fire.
    """

    trigger: Expression
    assignments: tuple[tuple[str, Expression], ...]
    before: bool = True

    def __str__(self) -> str:
        changes = ", ".join(f"{name} = {value.text}" for name, value in self.assignments)
        return f"at {self.trigger.text}: {changes}" + ("" if self.before else "  # also if it holds at the start")

    def with_expressions(self, others: Mapping[str, Expression]) -> Event:
        """The event with others in the place of some names."""
        changes = tuple((name, value.with_expressions(others)) for name, value in self.assignments)
        return Event(self.trigger.with_expressions(others), changes, self.before)

    def with_numbers(self, numbers: Mapping[str, float]) -> Event:
        """The event where some names are numbers."""
        changes = tuple((name, value.with_numbers(numbers)) for name, value in self.assignments)
        return Event(self.trigger.with_numbers(numbers), changes, self.before)

    @property
    def names(self) -> set[str]:
        """What its expressions name."""
        return {name for value in (self.trigger, *(value for _, value in self.assignments)) for name in value.names}


def check_event(event: Event, species: Collection[str], known: Collection[str]) -> None:
    """Refuse an event that names what isn't there, or whose moment can't be known beforehand."""
    for name in sorted(event.names):
        if name != TIME and name not in known:
            raise ValueError(f"the event names {name!r}, which has no value{meant(name, known)}")
    for name, _ in event.assignments:
        if name not in species:
            raise ValueError(f"an event can set species alone, and {name!r} is none{meant(name, species)}")
    moments(event.trigger, species)


def moments(trigger: Expression, species: Collection[str]) -> list[tuple[Expression, bool]]:
    """When a trigger may change by the time alone: times, and whether it is just after them.

    The time may only be compared with what depends on parameters alone: no moment could be missed then.
    """
    nodes = trigger.nodes
    timed = [node == ("name", TIME) for node in nodes]
    constant: list[bool] = []
    for kind, *operands in nodes:
        if kind in ("number", "name"):
            constant.append(kind == "number" or (operands[0] != TIME and operands[0] not in species))
        else:
            constant.append(all(constant[i] for i in operands))
    wrong = ValueError(
        f"the condition {trigger.text!r} must compare {TIME} itself with numbers or parameters, such as '{TIME} >= 25'"
    )
    if timed[-1]:
        raise wrong
    found: list[tuple[Expression, bool]] = []
    for kind, *operands in nodes:
        if kind in ("number", "name") or not any(timed[i] for i in operands):
            continue
        a, b = operands[0], operands[-1]
        clock, other = (a, b) if timed[a] else (b, a)
        if kind not in _COMPARISONS or not constant[other]:
            raise wrong
        moment = Expression.of(nodes[: other + 1])
        if kind in ("equal", "not_equal"):
            found += [(moment, False), (moment, True)]
        else:
            # From t < 5 and 5 <= t on the other holds at 5 itself; from t <= 5 and 5 < t just after it.
            found.append((moment, (kind == "less") == (clock == b)))
    return found


class Events(NamedTuple):
    """A network's events in arrays.

    The trigger of event e is what the last of the instructions ``trigger_at[e] <= i < trigger_at[e + 1]`` of `program`
    gives; when it becomes true, the species ``changed[a]`` get what the instructions from ``change_at[a]`` to
    ``change_at[a + 1]`` give, with ``event_at[e] <= a < event_at[e + 1]``. Before the start it counts as ``before[e]``.
    Places of a frame are the species, the time, `longest` results, and the slots. Programs take the amounts of
    the species in `read`. Triggers may change by the time alone at what the slots `moment` hold, or just after it where
    `after` is 1.
    """

    program: NDArray[np.int32]
    trigger_at: NDArray[np.int64]
    event_at: NDArray[np.int64]
    change_at: NDArray[np.int64]
    changed: NDArray[np.int64]
    before: NDArray[np.int64]
    read: NDArray[np.int64]
    moment: NDArray[np.int64]
    after: NDArray[np.int64]
    longest: int

    @classmethod
    def of(cls, events: Sequence[Event], place: Mapping[str, int], laws: Laws) -> Events:
        """Compile events of species whose places are given; their constants become slots of the laws."""
        programs: list[Sequence[Instruction]] = []
        reads: set[int] = set()

        def compiled(value: Expression) -> None:
            code, read = laws.compiled(value)
            programs.append(code)
            reads.update(read)

        for event in events:
            compiled(event.trigger)
        event_at, changed = [0], []
        for event in events:
            for name, value in event.assignments:
                compiled(value)
                changed.append(place[name])
            event_at.append(len(changed))
        times = [moment for event in events for moment in moments(event.trigger, place)]
        longest = max((len(code) for code in programs), default=0)
        ends = np.cumsum([0, *map(len, programs)])
        code = [row for program in programs for row in placed(program, len(place), longest)]
        n = len(events)
        return cls(
            program=np.array(code, np.int32).reshape(-1, 4),
            trigger_at=np.array(ends[: n + 1], np.int64),
            event_at=np.array(event_at, np.int64),
            change_at=np.array(ends[n:], np.int64),
            changed=np.array(changed, np.int64),
            before=np.array([event.before for event in events], np.int64),
            read=np.array(sorted(reads - {len(place)}), np.int64),
            moment=np.array([laws.slot(value) for value, _ in times], np.int64),
            after=np.array([after for _, after in times], np.int64),
            longest=longest,
        )
