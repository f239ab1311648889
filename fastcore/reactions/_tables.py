"""The structure of a network as the kernels read it: in arrays that are as long as the reactions have terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from ._reading import Reaction


class Tables(NamedTuple):
    """Factors, changes and readers, each as offsets and columns.

    Factor f of reaction j, with ``factor_at[j] <= f < factor_at[j + 1]``, multiplies its rate by
    ``x[factor[f]] - minus[f]`` (2 A has factors A - 0 and A - 1). When it fires, the species ``changed[i]`` change by
    ``by[i]``, with ``change_at[j] <= i < change_at[j + 1]``. The reactions that have species i as a factor are
    ``reader[reader_at[i]:reader_at[i + 1]]``, rising.
    """

    factor_at: NDArray[np.int64]
    factor: NDArray[np.int64]
    minus: NDArray[np.int64]
    change_at: NDArray[np.int64]
    changed: NDArray[np.int64]
    by: NDArray[np.int64]
    reader_at: NDArray[np.int64]
    reader: NDArray[np.int64]

    @classmethod
    def of(cls, reactions: Sequence[Reaction], place: Mapping[str, int]) -> Tables:
        """Read reactions of species whose places are given, each term once."""
        factor_at, factor, minus = [0], [], []
        change_at, changed, by = [0], [], []
        for reaction in reactions:
            reactants, products = reaction.reactants, reaction.products
            for name, n in reactants.items():
                i = place[name]
                for less in range(n):
                    factor.append(i)
                    minus.append(less)
                net = products.get(name, 0) - n
                if net:
                    changed.append(i)
                    by.append(net)
            for name, n in products.items():
                if name not in reactants:
                    changed.append(place[name])
                    by.append(n)
            factor_at.append(len(factor))
            change_at.append(len(changed))
        lists = (factor_at, factor, minus, change_at, changed, by)
        arrays = [np.array(listed, np.int64) for listed in lists]
        return cls(*arrays, *_readers(arrays[0], arrays[1], arrays[2], len(place)))  # type: ignore[call-arg]

    def products_of(self, constants: NDArray[np.float64], x: NDArray[np.float64], less: bool) -> NDArray[np.float64]:
        """The constants times each reaction's factors from left to right; `less` takes `minus` away from them."""
        rates = constants.copy()
        lengths = np.diff(self.factor_at)
        which, position = np.flatnonzero(lengths), 0
        while len(which):
            factors = self.factor_at[which] + position
            rates[which] *= x[self.factor[factors]] - (self.minus[factors] if less else 0)
            position += 1
            which = which[lengths[which] > position]
        return rates


def _readers(
    factor_at: NDArray[np.int64], factor: NDArray[np.int64], minus: NDArray[np.int64], n_species: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # The first of equal factors, which has nothing to subtract, stands for all of them.
    first = minus == 0
    reactions = np.repeat(np.arange(len(factor_at) - 1), np.diff(factor_at))[first]
    at = np.zeros(n_species + 1, np.int64)
    np.cumsum(np.bincount(factor[first], minlength=n_species), out=at[1:])
    return at, reactions[np.argsort(factor[first], kind="stable")]


class Structure:
    """A network's tables, and what each backend makes of them once."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._prepared: dict[str, Any] = {}

    def __getstate__(self) -> Tables:
        return self.tables

    def __setstate__(self, tables: Tables) -> None:
        Structure.__init__(self, tables)

    def prepared(self, backend: str) -> Any:
        """The network as the kernels of that backend take it."""
        if backend not in self._prepared:
            self._prepared[backend] = kernels("reactions", backend).Network(self.tables)
        return self._prepared[backend]
