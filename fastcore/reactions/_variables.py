"""Variables: names for expressions of amounts, parameters and the time, which rates may use and results show."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._labelled import meant, shown
from ._expressions import Expression
from ._laws import TIME

# Names that are numbers unless the network has something of that name.
NUMBERS = {"pi": np.pi}


def read_variables(
    given: Mapping[str, Expression], places: Mapping[str, str], known: Collection[str]
) -> dict[str, Expression]:
    """Write variables out until they name species, parameters and the time only; in the order given."""
    for name, expression in given.items():
        for other in expression.names:
            if other not in given and other not in known and other not in (TIME, *NUMBERS):
                raise ValueError(
                    f"{places.get(name, name)}: {name!r} names {other!r}, which is neither a species, a parameter nor "
                    f"another variable{meant(other, (*known, *given))}"
                )
    numbers = {name: value for name, value in NUMBERS.items() if name not in known and name not in given}
    before = {name: [other for other in expression.names if other in given] for name, expression in given.items()}
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError as error:
        name = error.args[1][0]
        raise ValueError(f"{places.get(name, name)}: {name!r} depends on itself") from None
    found: dict[str, Expression] = {}
    for name in order:
        found[name] = given[name].with_numbers(numbers).with_expressions(found)
    return {name: found[name] for name in given}


class Observed(NamedTuple):
    """A network's variables at some parameters: what results show beside species."""

    variables: Mapping[str, Expression]
    params: Mapping[str, Any]

    def value(
        self, name: str, species: tuple[str, ...], x: NDArray[Any], t: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """A species' amounts, or a variable's values, shape (..., n_t), of amounts ``x[..., n_t, n_species]``."""
        place = {other: i for i, other in enumerate(species)}
        if name in place:
            return x[..., place[name]]
        if name not in self.variables:
            names = (*species, *self.variables)
            raise KeyError(f"no species {name!r} in {shown(names)}{meant(name, names)}")
        values: dict[str, Any] = {}
        for other in self.variables[name].names:
            if other in place:
                values[other] = x[..., place[other]]
            elif other == TIME:
                values[other] = t
            elif other in self.params:
                value = np.asarray(self.params[other], np.float64)
                values[other] = value.reshape(value.shape + (1,) * (x.ndim - 1 - value.ndim))
            else:
                raise KeyError(f"{name!r} needs {other!r}, which isn't among the species kept, {shown(species)}")
        found = np.array(np.broadcast_to(self.variables[name].value(values), x.shape[:-1]), np.float64)
        if x.dtype.kind == "i":
            found[(x < 0).any(axis=-1)] = np.nan  # times never reached
        return found


NOTHING_OBSERVED = Observed({}, {})
