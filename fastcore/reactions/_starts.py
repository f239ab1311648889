"""Initial amounts that a network has of its own: numbers, or expressions of parameters and other initial amounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._labelled import meant
from ._expressions import Expression, Gradient

# A computed amount this near to a whole number, for its size, is meant to be that number.
_NEAR = 1e-9


def _snapped(value: Any) -> Any:
    whole = np.round(value)
    return np.where(np.abs(value - whole) <= _NEAR * np.maximum(np.abs(whole), 1.0), whole, value)


@dataclass(frozen=True)
class Starts:
    """Numbers by species (0 for those not named), and expressions in an order in which they can be evaluated."""

    species: tuple[str, ...]
    numbers: Mapping[str, float]
    computed: Mapping[str, Expression]

    @classmethod
    def of(
        cls,
        species: tuple[str, ...],
        given: Mapping[str, Expression | None],
        places: Mapping[str, str],
        params: Collection[str],
    ) -> Starts:
        """Check what a text gave; a name must be a parameter or a species, and no amount may depend on itself."""
        known = {*species, *params}
        numbers: dict[str, float] = {}
        waiting: dict[str, Expression] = {}
        for name, value in given.items():
            if value is None:
                raise ValueError(f"{places[name]}: the initial amount of {name!r} must have a value, got '?'")
            if not value.names:
                numbers[name] = float(value.value({}))
                continue
            waiting[name] = value
            for other in value.names:
                if other not in known:
                    raise ValueError(
                        f"{places[name]}: the initial amount of {name!r} names {other!r}, which is neither a species "
                        f"nor a parameter with a value{meant(other, known)}"
                    )
        before = {name: [other for other in value.names if other in waiting] for name, value in waiting.items()}
        try:
            order = list(TopologicalSorter(before).static_order())
        except CycleError as error:
            name = error.args[1][0]
            raise ValueError(f"{places[name]}: the initial amount of {name!r} depends on itself") from None
        return cls(species, numbers, {name: waiting[name] for name in order})

    @property
    def empty(self) -> bool:
        return not self.numbers and not self.computed

    @property
    def names(self) -> set[str]:
        return {name for value in self.computed.values() for name in value.names}

    def at(
        self, values: Mapping[str, Any], names: Sequence[str] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Amounts, shape (..., n_species), and their derivatives by the named parameters, (..., k, n_species)."""
        known: dict[str, Any] = {**values, **{name: self.numbers.get(name, 0.0) for name in self.species}}
        slopes: dict[str, Gradient] = {}
        for name, expression in self.computed.items():
            value, gradient = expression.gradient(known)
            if not np.isfinite(value).all():
                shown = float(np.asarray(value)[~np.isfinite(value)].flat[0])
                raise ValueError(f"the initial amount of {name!r}, {expression.text}, must be finite, got {shown}")
            known[name] = _snapped(value)
            total = {other: slope for other, slope in gradient.items() if other in values}
            for other, factor in gradient.items():
                for parameter, slope in slopes.get(other, {}).items():
                    total[parameter] = total.get(parameter, 0.0) + factor * slope
            slopes[name] = total
        shape = np.broadcast_shapes(*(np.shape(value) for value in known.values()))
        amounts = np.stack([np.broadcast_to(known[name], shape) for name in self.species], axis=-1)
        by = np.zeros((*shape, len(names), len(self.species)))
        for i, name in enumerate(self.species):
            for k, parameter in enumerate(names):
                by[..., k, i] = slopes.get(name, {}).get(parameter, 0.0)
        return amounts.astype(np.float64), by

    def defaults(self, params: Mapping[str, float]) -> dict[str, float]:
        """All amounts at given values; NaN where one depends on a parameter without a value."""
        found = {name: float(self.numbers.get(name, 0.0)) for name in self.species}
        for name, expression in self.computed.items():
            found[name] = float(_snapped(expression.value({**params, **found})))
        return found

    def texts(self) -> dict[str, str]:
        """What a network's text says of them."""
        if self.empty:
            return {}
        return {
            name: self.computed[name].text if name in self.computed else repr(float(self.numbers.get(name, 0.0)))
            for name in self.species
        }
