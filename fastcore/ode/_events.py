"""When something happens along a solution: changes of sign, found between the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._labelled import meant, shown
from .._validation import as_flag, as_index
from ..reactions._expressions import Expression

Array: TypeAlias = NDArray[np.float64]

# Points at which a step is looked at for a change of sign, and into how many parts a bracket is cut at a time.
_LOOKS = 4
_PARTS = 64


@dataclass(frozen=True)
class Event:
    """Something to be noted, or to stop at, where a condition's value goes through 0.

    Attributes
    ----------
    condition : str or callable
        An expression of species, parameters and ``t``, such as ``"S - 50"``; or a function ``g(t, x)``.
    direction : {0, 1, -1}
        Only where the value rises (1) or falls (-1).
    terminal : bool
        Whether the solution ends there.
    """

    condition: str | Callable[[float, Array], float]
    direction: int = 0
    terminal: bool = False


class Watched:
    """An event whose condition can be evaluated in many states at once."""

    def __init__(self, event: Event, species: Sequence[str], params: Mapping[str, Any], name: str) -> None:
        self.direction = as_index(event.direction, f"{name}.direction", low=-1, high=1)
        self.terminal = as_flag(event.terminal, f"{name}.terminal")
        self.species, self.params = species, params
        self.condition = event.condition
        self.expression: Expression | None = None
        if isinstance(event.condition, str):
            try:
                self.expression = Expression(event.condition)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            known = (*species, *params, "t")
            for other in self.expression.names:
                if other not in known:
                    raise ValueError(f"{name} must name species or parameters of {shown(known)}, got {other!r}"
                                     f"{meant(other, known)}")  # fmt: skip
        elif not callable(event.condition):
            raise TypeError(f"{name} must be an expression or a function of t and x, got {event.condition!r}")

    def values(self, t: Array, x: Array) -> Array:
        if self.expression is not None:
            known = {**self.params, **dict(zip(self.species, x.T)), "t": t}
            return np.asarray(self.expression.value(known), np.float64) * np.ones(len(t))
        condition: Any = self.condition
        return np.array([float(condition(float(time), state)) for time, state in zip(t, x)])


def watched(events: Any, species: Sequence[str], params: Mapping[str, Any]) -> list[Watched]:
    """Read one event or several, or refuse by name."""
    if isinstance(events, str | Event) or callable(events):
        events = [events]
    if not isinstance(events, Iterable):
        raise TypeError(f"events must be an Event, an expression, a function, or a list, got {type(events).__name__}")
    found = []
    for i, event in enumerate(events):
        found.append(Watched(event if isinstance(event, Event) else Event(event), species, params, f"events[{i}]"))
    return found


def located(
    events: Sequence[Watched], begin: float, ends: Array, at: Callable[[Array], Array]
) -> tuple[list[Array], float | None]:
    """The times of each event, and where the first terminal one ends the solution.

    `ends` are those of the steps; `at` gives the states at rising times.
    """
    steps = np.append(begin, ends)
    shares = np.arange(_LOOKS) / _LOOKS
    times = np.unique(np.append((steps[:-1, None] + np.diff(steps)[:, None] * shares).ravel(), steps[-1]))
    states = at(times)
    which: list[int] = []
    brackets: list[tuple[float, float, float]] = []
    for i, event in enumerate(events):
        signs = np.sign(event.values(times, states))
        before, after = signs[:-1], signs[1:]
        crossed = (np.abs(before) == 1) & (before != after) & ~np.isnan(after)
        if event.direction:
            crossed &= before == -event.direction
        for k in np.flatnonzero(crossed):
            which.append(i)
            brackets.append((times[k], times[k + 1], before[k]))
    found = _narrowed(events, which, np.array(brackets, np.float64).reshape(-1, 3), at)
    of = np.array(which, np.intp)
    stops = [t for t, i in zip(found, which) if events[i].terminal]
    stop = min(stops, default=None)
    kept = found <= (np.inf if stop is None else stop)
    return [np.sort(found[kept & (of == i)]) for i in range(len(events))], stop


def _narrowed(events: Sequence[Watched], which: Sequence[int], brackets: Array, at: Callable[[Array], Array]) -> Array:
    """Cut all brackets at once into parts, keep the part in which the sign changes, until no double lies between."""
    low, sign = brackets[:, 0].copy(), brackets[:, 2]
    high: Array = brackets[:, 1].copy()
    while len(low):
        wide = high - low > 4 * np.finfo(float).eps * np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-300)
        if not wide.any():
            break
        grid = low[:, None] + (high - low)[:, None] * (np.arange(1, _PARTS + 1) / _PARTS)
        grid[:, -1] = high
        times, place = np.unique(grid.ravel(), return_inverse=True)
        states = at(times)[place.reshape(grid.shape)]
        narrower = False
        for k, i in enumerate(which):
            signs = np.sign(events[i].values(grid[k], states[k]))
            first = int(np.argmax(signs != sign[k]))
            least = low[k] if first == 0 else grid[k, first - 1]
            narrower = narrower or grid[k, first] - least < high[k] - low[k]
            low[k], high[k] = least, grid[k, first]
        if not narrower:
            break
    return high
