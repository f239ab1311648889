"""What was measured: times, amounts and weights of one experiment or several, read by label and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labelled import by_label, meant, row_labels, shown
from .._validation import as_number, as_real
from ..reactions import ReactionNetwork
from ..reactions._states import State, as_amounts

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Experiment:
    """One of several experiments whose parameters are the same: the arguments of `fit` that are its own.

    Attributes
    ----------
    t : array_like of shape (n_t,)
        Rising times of the measurements.
    data : mapping of str to array_like of shape (n_t,), or table
        Species to measured amounts, NaN where missing.
    x0 : mapping, array_like or None
        The state at `t0`; None is the network's own.
    params : mapping of str to float, optional
        Values in this experiment of parameters that aren't fitted: a temperature, a dose.
    weights : mapping of str to float or array_like of shape (n_t,), optional
        What squared residuals are multiplied by; default 1.
    t0 : float, optional
        When the state is `x0`. Default: the first of `t`.

    Examples
    --------
    Two runs of a decay, one warm:

    >>> from fastcore.ode import Experiment, fit
    >>> from fastcore.reactions import ReactionNetwork
    >>> decay = ReactionNetwork("A -> 0 @ k * c**warm; k = 1; c = 1; warm = 0")
    >>> runs = [
    ...     Experiment([0, 1, 2], {"A": [100, 61, 36]}, {"A": 100}),
    ...     Experiment([0, 1, 2], {"A": [100, 37, 13]}, {"A": 100}, params={"warm": 1}),
    ... ]
    >>> found = fit(decay, experiments=runs, free=["k", "c"])
    >>> {name: round(value, 2) for name, value in found.params.items()}
    {'k': 0.5, 'c': 1.99}
    """

    t: ArrayLike
    data: Mapping[str, ArrayLike] | Any
    x0: State | None = None
    params: Mapping[str, float] | None = None
    weights: Mapping[str, ArrayLike] | Any | None = None
    t0: float | None = None


@dataclass(frozen=True)
class Measured:
    """An experiment whose arrays are checked."""

    t: Array
    t0: float
    data: dict[str, Array]
    x0: Array | None
    params: dict[str, float]
    amounts: Array  # (n_t, n_measured)
    present: NDArray[np.bool_]
    roots: Array  # of the weights, (n_t, n_measured)
    # Of what is present: where it stands in states (n_t, n_species) laid end to end, what was measured, the roots.
    places: NDArray[np.intp]
    wanted: Array
    factors: Array

    @property
    def n(self) -> int:
        """How many observations count."""
        return int(self.present.sum())

    @property
    def span(self) -> tuple[float, float]:
        return self.t0, float(self.t[-1])

    def noise(self, rtol: float, atol: float) -> float:
        """The size of residuals that integration with these tolerances makes."""
        largest = np.abs(self.wanted * self.factors).max(initial=0.0)
        return float(atol * self.factors.max(initial=0.0) + rtol * largest)

    def table(self, residuals: Array) -> dict[str, Array]:
        """Residuals (in units of the weights) as model minus data, by species; NaN where nothing counts."""
        found = np.full(self.amounts.shape, np.nan)
        found[self.present] = residuals / self.roots[self.present]
        return {name: found[:, i].copy() for i, name in enumerate(self.data)}


def measured(network: ReactionNetwork, given: Experiment, free: Sequence[str], where: str = "") -> Measured:
    """Check an experiment, or refuse by name; `where` stands before the names."""
    times: Array = as_real(given.t, f"{where}t", ndim=1, dtype=np.float64, inf=False)
    if not len(times) or (times[1:] < times[:-1]).any():
        raise ValueError(f"{where}t must hold rising times, at least one")
    t0 = float(times[0]) if given.t0 is None else as_number(given.t0, f"{where}t0", high=float(times[0]))
    data = _observations(network, given.t, times, given.data, f"{where}data")
    x0 = None if given.x0 is None else as_amounts(given.x0, network.species, f"{where}x0")
    if x0 is None and network.x0 is None:
        network.starts(None)  # an error
    params = by_label(given.params, f"{where}params") or {}
    if not isinstance(params, Mapping):
        raise TypeError(f"{where}params must be a mapping of parameters, got {type(params).__name__}")
    for name in params:
        if name not in network.params or name in free:
            known = [other for other in network.params if other not in free]
            raise ValueError(
                f"{where}params must name parameters that aren't free, {shown(known)}, got {name!r}{meant(name, known)}"
            )
    fixed = {name: as_number(value, f"{where}params[{name!r}]") for name, value in params.items()}
    amounts = np.stack(list(data.values()), axis=1)
    roots = np.sqrt(_weights(given.weights, data, len(times), f"{where}weights"))
    columns = np.array([network.species.index(name) for name in data])
    present = ~np.isnan(amounts) & (roots > 0)
    places = (np.arange(len(times))[:, None] * len(network.species) + columns)[present]
    return Measured(times, t0, data, x0, fixed, amounts, present, roots, places, amounts[present], roots[present])


def _observations(network: ReactionNetwork, t: ArrayLike, times: Array, data: Any, name: str) -> dict[str, Array]:
    _check_rows(t, times, data, name)
    data = by_label(data, name)
    if not isinstance(data, Mapping):
        raise TypeError(f"{name} must map species to measured amounts, got {type(data).__name__}")
    observed = {}
    for species, given in data.items():
        if species not in network.species:
            known = network.species
            raise ValueError(f"{name} must name species of {shown(known)}, got {species!r}{meant(species, known)}")
        _check_rows(t, times, given, f"{name}[{species!r}]")
        observed[species] = as_real(
            given, f"{name}[{species!r}]", shape=(len(times),), dtype=np.float64, nan=True, inf=False
        ).copy()
    if not observed:
        raise ValueError(f"{name} must hold at least one species, got none")
    return observed


def _check_rows(t: ArrayLike, times: Array, given: Any, name: str) -> None:
    """Rows that have labels must be in the order of the times: labelled by them, or as `t` is."""
    rows = row_labels(given)
    if rows is None or np.array_equal(rows, times):
        return
    of_times = row_labels(t)
    if of_times is None or not np.array_equal(rows, of_times):
        raise ValueError(f"the rows of {name} must be labelled with the times, or as t is, got {rows.tolist()[:5]}")


def _weights(given: Any, data: Mapping[str, Array], n: int, name: str) -> Array:
    """Weights of all observations, shape (n_t, n_measured)."""
    weights = np.ones((n, len(data)))
    if given is None:
        return weights
    named = by_label(given, name)
    if not isinstance(named, Mapping):
        raise TypeError(f"{name} must map species to weights, got {type(named).__name__}")
    places = {species: i for i, species in enumerate(data)}
    for species, value in named.items():
        if species not in places:
            raise ValueError(f"{name} must name species of the data, {shown(places)}, got {species!r}"
                             f"{meant(species, places)}")  # fmt: skip
        shape = () if np.ndim(value) == 0 else (n,)
        weights[:, places[species]] = as_real(value, f"{name}[{species!r}]", shape=shape, dtype=np.float64, inf=False)
    if (weights < 0).any():
        raise ValueError(f"{name} must not be negative, got {weights.min()}")
    return weights
