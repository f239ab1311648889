"""Conditions that end a run: comparisons that kernels know, and any other as an event that sets a hidden species."""

from __future__ import annotations

import re
import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._labelled import meant, shown
from ._events import Event, moments
from ._expressions import Expression
from ._laws import TIME
from ._network import ReactionNetwork
from ._states import LARGEST_COUNT
from ._variables import NUMBERS

_KINDS = {"<=": 0, ">=": 1, "==": 2, "!=": 3}
_CONDITION = re.compile(r"([^\W\d]\w*)\s*(<=|>=|==|!=|<|>)\s*(\d+)")
_TRUTHS = ("less", "less_equal", "equal", "not_equal", "and", "or", "not")
# Hidden species: no file and no text can have such names. The last two hold the time of the end, see `clocked`.
_STOPPED, _TICKS, _REST = " stopped", " ticks", " rest"
_BITS = 52
# Networks that are kept with the conditions that were added to them.
_MOST_KEPT = 8
_KEEPING = threading.Lock()


class Stop(NamedTuple):
    """The network to be simulated, rows (species, kind, value) for its kernel, and how many species are hidden."""

    network: ReactionNetwork
    rows: NDArray[np.int64]
    hidden: int = 0

    def kept(self, keep: NDArray[np.int64]) -> NDArray[np.int64]:
        """What is kept of the states, with the time, where it is hidden there."""
        n = len(self.network.species)
        return np.append(keep, [n - 2, n - 1]) if self.hidden > 1 else keep


def as_stop(network: ReactionNetwork, stop: str | None) -> Stop:
    """Read a condition, or refuse by name."""
    if stop is None:
        return Stop(network, np.empty((0, 3), np.int64))
    if not isinstance(stop, str):
        raise TypeError(f"stop must be a str such as 'I == 0', got {type(stop).__name__}")
    rows = _rows(network, stop)
    return Stop(network, rows) if rows is not None else _hidden(network, _condition(network, stop), 1)


def _rows(network: ReactionNetwork, stop: str) -> NDArray[np.int64] | None:
    """Comparisons of species with whole numbers, joined by 'or'; strict ones become the others."""
    rows = []
    place = network.places
    for part in re.split(r"\bor\b", stop):
        match = _CONDITION.fullmatch(part.strip())
        if match is None or match[1] not in place:
            return None
        value = min(int(match[3]), LARGEST_COUNT)
        kind, less = {"<": ("<=", 1), ">": (">=", -1)}.get(match[2], (match[2], 0))
        rows.append((place[match[1]], _KINDS[kind], value - less))
    return np.array(rows, np.int64)


def _condition(network: ReactionNetwork, stop: str) -> Expression:
    try:
        condition = Expression(stop)
    except ValueError as error:
        raise ValueError(f"stop: {error}") from None
    known = {*network.species, *network.params, *network.variable_inputs}
    for name in condition.names:
        if name not in known and name not in (TIME, *NUMBERS):
            raise ValueError(
                f"stop must compare species, variables, parameters of {shown(sorted(known))} and {TIME!r}, got {name!r}"
                f"{meant(name, known)}"
            )
    if condition.nodes[-1][0] not in _TRUTHS:
        raise ValueError(f"stop must compare amounts, such as '{network.species[0]} == 0', got {stop!r}")
    condition = network.written_out(condition)
    try:
        moments(condition, network.places)
    except ValueError as error:
        raise ValueError(f"stop: {error}") from None
    return condition


def clocked(network: ReactionNetwork, stop: str, span: tuple[float, float]) -> Stop:
    """The condition with the time when it came true in two more hidden species.

    They hold whole numbers alone. A tick is a power of two, so that the time from the start is so many of them and a
    rest without rounding: 52 bits of whole ticks, and 52 below.
    """
    if not isinstance(stop, str):
        raise TypeError(f"stop must be a str such as 'I == 0', got {type(stop).__name__}")
    tick = _tick(span)
    since = f"(t - {span[0]!r})*{1 / tick!r}" if span[0] else f"t*{1 / tick!r}"
    changes = (
        (_TICKS, Expression(f"floor({since})")),
        (_REST, Expression(f"floor(({since} - floor({since}))*{2**_BITS})")),
    )
    return _hidden(network, _condition(network, stop), 3, changes)


def _tick(span: tuple[float, float]) -> float:
    """The least power of two of which a span has no more than 2**52."""
    return float(np.ldexp(1.0, max(int(np.frexp(span[1] - span[0])[1]) - _BITS, -1000)))


def times_of(hidden: NDArray[np.int64], span: tuple[float, float]) -> NDArray[np.float64]:
    """The times in the two last columns of hidden species."""
    tick = _tick(span)
    found: NDArray[np.float64] = span[0] + (hidden[..., 0] * tick + hidden[..., 1] * (tick / 2**_BITS))
    return found


def _hidden(
    network: ReactionNetwork, condition: Expression, hidden: int, changes: tuple[tuple[str, Expression], ...] = ()
) -> Stop:
    """The network with one more event, which says that the run ends."""
    event = Event(condition, ((_STOPPED, Expression("1")), *changes), before=False)
    kept, key = network.structure.stopping, (condition, changes)
    with _KEEPING:
        found = kept.get(key)
    if found is None:
        found = network.with_event(event, (_STOPPED, _TICKS, _REST)[:hidden])
        with _KEEPING:
            while len(kept) >= _MOST_KEPT:
                kept.pop(next(iter(kept)))
            kept[key] = found
    n = len(network.species)
    return Stop(found, np.array([[n, _KINDS[">="], 1]], np.int64), hidden)


def unhidden_start(counts: NDArray[np.int64], hidden: int) -> NDArray[np.int64]:
    """Counts with zeros for hidden species."""
    return np.ascontiguousarray(np.pad(counts, ((0, 0), (0, hidden)))) if hidden else counts
