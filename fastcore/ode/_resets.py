"""Networks with events of their own: integrated from one event to the next, where amounts are set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..reactions import ReactionNetwork
from ..reactions._events import Event, moments
from ._events import Array, Watched, located
from ._integrate import STATUS, How, Params, integrate

# Events that set each other off at one moment end after so many rounds.
_MOST_ROUNDS = 1000
# Between events the clock must have so many numbers at least for a stretch to be integrated.
_SHORTEST = 256
_FINISHED, _MAX_STEPS = STATUS.index("finished"), STATUS.index("max_steps")


class Trigger(Watched):
    """A condition that is looked for where it becomes true: its value is 1 where it holds, else -1."""

    def __init__(self, event: Event, species: Sequence[str], params: Mapping[str, Any]) -> None:
        self.direction, self.terminal = 1, True
        self.species, self.params, self.expression = species, params, event.trigger

    def values(self, t: Array, x: Array) -> Array:
        truth = super().values(t, x)
        return np.where((truth < 0) | (truth > 0), 1.0, -1.0)


def check_triggers(network: ReactionNetwork) -> None:
    """Refuse conditions that amounts which change smoothly meet at no time, or for no time."""
    for event in network.event_expressions:
        reads: list[bool] = []
        for kind, *operands in event.trigger.nodes:
            if kind == "name":
                reads.append(operands[0] in network.places)
            else:
                reads.append(kind != "number" and any(reads[i] for i in operands))
            if kind in ("equal", "not_equal") and reads[-1]:
                raise ValueError(
                    f"'{event}' compares amounts by '==' or '!=', and amounts that change smoothly pass a number in no "
                    "time: ode.solve needs <, <=, > or >= there"
                )


@dataclass
class Followed:
    """One set of parameters, from one event to the next."""

    network: ReactionNetwork
    params: Mapping[str, Any]
    how: How

    def __post_init__(self) -> None:
        self.events = self.network.event_expressions
        self.triggers = [Trigger(event, self.network.species, self.params) for event in self.events]
        found = [moment for event in self.events for moment in moments(event.trigger, self.network.places)]
        times = [(float(value.value(self.params)), after) for value, after in found]
        self.moments = sorted({float(np.nextafter(t, np.inf)) if after else t for t, after in times})
        self.of_states = [any(name in self.network.places for name in event.trigger.names) for event in self.events]

    def solve(self, x: Array, span: tuple[float, float], times: Array) -> tuple[Array, int, int, Array]:
        """Amounts at rising times, evaluations of the right-hand side, the status' code, and where steps end."""
        t, end = span
        out, done = np.full((len(times), len(x)), np.nan), 0
        held = [event.before for event in self.events]
        x = self.settled(t, x, held)
        nfev, ends, since, stride = 0, [np.empty(0)], t, np.inf
        while True:
            while done < len(times) and times[done] <= t:
                out[done] = x
                done += 1
            if t >= end:
                return out, nfev, _FINISHED, np.concatenate(ends)
            steps = sum(map(len, ends))
            if steps >= self.how.limit:
                return out, nfev, _MAX_STEPS, np.concatenate(ends)
            horizon = min(end, next((moment for moment in self.moments if moment > t), end))
            reach = min(horizon, t + stride)
            if not reach > t + 4 * np.spacing(max(abs(t), abs(reach))):  # the horizon: strides are longer
                t, x = reach, self.settled(reach, x, held)
                continue
            how = self.how._replace(limit=self.how.limit - steps)
            raw = integrate(self.network, x, (t, reach), np.array([reach]), self.params, None, how, keep=True)
            nfev += raw.nfev
            stop = self.first(t, raw.ends, x, reach, how)
            if stop is None and raw.codes != _FINISHED:
                rest = times[done : np.searchsorted(times, reach, "right")]
                out[done : done + len(rest)] = integrate(
                    self.network, x, (t, reach), rest, self.params, None, how
                ).x  # fmt: skip
                return out, nfev, raw.codes, np.concatenate([*ends, raw.ends])
            now = reach if stop is None else stop
            kept = times[done : np.searchsorted(times, now)]
            states = integrate(self.network, x, (t, reach), np.append(kept, now), self.params, None, how).x
            out[done : done + len(kept)] = states[:-1]
            done += len(kept)
            ends.append(np.append(raw.ends[raw.ends < now], now))
            # After an event the next may be as near: so far, and then twice as far, and so on.
            stride = 2 * stride if stop is None else max(2 * (now - since), _SHORTEST * np.spacing(abs(now)))
            since = since if stop is None else now
            t, x = now, self.settled(now, states[-1], held)

    def first(self, t: float, ends: Array, x: Array, reach: float, how: How) -> float | None:
        """When the first condition of amounts becomes true within these steps."""
        watched = [trigger for trigger, of in zip(self.triggers, self.of_states) if of]
        if not watched or not len(ends):
            return None
        span = (t, reach)
        return located(
            watched, t, ends, lambda asked: integrate(self.network, x, span, asked, self.params, None, how).x
        )[1]

    def settled(self, t: float, x: Array, held: list[bool]) -> Array:
        """Let events happen until no condition becomes true any more; `held` is which held, and then hold."""
        x = x.copy()
        for _ in range(_MOST_ROUNDS):
            holds = [bool(trigger.values(np.array([t]), x[None])[0] > 0) for trigger in self.triggers]
            fires = [event for event, now, before in zip(self.events, holds, held) if now and not before]
            held[:] = holds
            if not fires:
                return x
            known = {**self.params, **dict(zip(self.network.species, x.tolist())), "t": t}
            changes = [(event, name, float(value.value(known))) for event in fires for name, value in event.assignments]
            for event, name, amount in changes:
                if not np.isfinite(amount):
                    raise ValueError(f"at t = {t}, '{event}': an amount must be finite, got {amount}")
                x[self.network.places[name]] = amount
        raise ValueError(f"at t = {t}, '{fires[0]}': events set each other off without end")


def follow(
    network: ReactionNetwork, start: Array | None, span: tuple[float, float], times: Array, params: Params, how: How
) -> tuple[Array, Any, Any, Array]:
    """Amounts, evaluations, codes and ends of steps, of one set of parameters or of several."""
    values = network.param_values(params)
    begins = network.starts(None, values)[0] if start is None else start
    sizes = {np.shape(value) for value in values.values()} - {()}
    if not sizes:
        return Followed(network, values, how).solve(begins, span, times)
    (p,) = sizes.pop()
    n = begins.shape[-1]
    begins = np.broadcast_to(begins, (p, n))
    found = []
    for i in range(p):
        one = {name: float(value[i]) if np.ndim(value) else value for name, value in values.items()}
        found.append(Followed(network, one, how).solve(begins[i], span, times))
    x, nfev, codes, _ = zip(*found) if found else ((), (), (), ())
    shape = (p, len(times), n)
    return np.array(x).reshape(shape), np.array(nfev, np.int64), np.array(codes, np.int64), np.empty(0)
