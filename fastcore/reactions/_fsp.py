"""Finite state projection: the master equation on the states within limits, solved with a known error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import kernels
from .._labelled import complete, meant, shown
from .._validation import as_index, as_list, as_number, as_real
from ._network import ReactionNetwork
from ._states import State, initial_counts

_MOST_STATES = 2_000_000
_MOST_PLACES = 100_000_000
# The kernel's code of a reaction that leads out of the limits.
_BEYOND = -2
# What a jump costs besides its states, in steps.
_JUMP = 1000


@dataclass(frozen=True, repr=False)
class Distribution:
    """Probabilities of the states that can be reached within limits, at one or several times.

    Attributes
    ----------
    t : float or ndarray of shape (n_t,)
    states : ndarray of int64, shape (n_states, n_species)
        The states that lead on from the first to one another.
    probabilities : ndarray of shape (n_states,) or (n_t, n_states)
        Their probabilities.
    error : float or ndarray of shape (n_t,)
        One minus the sum of `probabilities`: none is too large, and none too small by more than this.
    species : tuple of str
    shape : tuple of int
        One more than the largest count of each species: the limits, or, where a box up to them would have more than
        2,000,000 states, what is reached.
    """

    t: Any
    states: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    error: Any
    species: tuple[str, ...]
    shape: tuple[int, ...]

    @cached_property
    def p(self) -> NDArray[np.float64]:
        """Probabilities in a box, shape (n_1, ..., n_species) or (n_t, n_1, ..., n_species).

        ``p[..., i, j]`` is the probability of i of the first species and j of the second.

        Raises
        ------
        ValueError
            If the box has more than 100,000,000 places, nearly all of them empty.
        """
        head = self.probabilities.shape[:-1]
        places = math.prod(self.shape) * math.prod(head)
        if places > _MOST_PLACES:
            raise ValueError(
                f"p would have {places:,} places, most of them empty: use states and probabilities, or marginal"
            )
        box = np.zeros((*head, *self.shape))
        box[(..., *self.states.T)] = self.probabilities
        return box

    def marginal(self, name: str) -> NDArray[np.float64]:
        """Probabilities of 0, 1, 2, ... of one species, shape (n,) or (n_t, n)."""
        if name not in self.species:
            raise KeyError(f"no species {name!r} in {shown(self.species)}{meant(name, self.species)}")
        i = self.species.index(name)
        counts, n = self.states[:, i], self.shape[i]
        rows = np.atleast_2d(self.probabilities)
        found = np.array([np.bincount(counts, row, n) for row in rows]).reshape(len(rows), n)
        return found.reshape(*self.probabilities.shape[:-1], n)

    def mean(self, name: str) -> Any:
        """Mean count of a species within the limits, one number a time."""
        marginal = self.marginal(name)
        return marginal @ np.arange(marginal.shape[-1])

    def variance(self, name: str) -> Any:
        """Variance of the count of a species within the limits, one number a time."""
        marginal = self.marginal(name)
        counts = np.arange(marginal.shape[-1])
        return marginal @ counts**2 - (marginal @ counts) ** 2

    def __repr__(self) -> str:
        times = (self.probabilities.shape[:-1] or (1,))[0]
        plural, error = "s" * (times != 1), float(np.max(self.error, initial=0.0))
        return (
            f"Distribution({times} time{plural}, {len(self.states):,} states of {', '.join(self.species)}, "
            f"error {error:.2g})"
        )


def fsp(
    network: ReactionNetwork,
    x0: State | None,
    t: ArrayLike,
    *,
    limits: Mapping[str, int] | Sequence[int] | None = None,
    tol: float = 1e-6,
    params: Mapping[str, Any] | ArrayLike | None = None,
    max_steps: int = 1_000_000_000,
) -> Distribution:
    """Solve the chemical master equation on the states that can be reached within limits.

    Parameters
    ----------
    network : ReactionNetwork
    x0 : mapping, array_like of shape (n_species,), or None
        The state at time 0; species that a mapping doesn't name are 0; a Series is read by its labels, which must name
        all; None takes that of the network's text.
    t : float or array_like of shape (n_t,)
        Rising times at which the distribution is wanted.
    limits : mapping or sequence of int, optional
        The largest count of each species. Default: limits that grow until the error is below `tol`.
    tol : float, default 1e-6
        Largest probability that may have left the limits by the last time, when they are chosen here.
    params : mapping or array_like of shape (k,), optional
        Values instead of the network's defaults; a Series is read by its labels, which must name all parameters.
    max_steps : int, default 1,000,000,000
        Give up after so many steps, each about the work for one state in one jump of uniformisation.

    Returns
    -------
    Distribution

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used, more than 2,000,000 states can be reached within the limits, or more than
        `max_steps` steps are needed.

    Notes
    -----
    States are found from the first one by the reactions that can fire in each, O(states * reactions); what is conserved
    makes them few. Probability that leaves the limits is lost, and its amount is the error (Munsky and Khammash,
    J. Chem. Phys. 124 (2006) 044104). Time is stepped by uniformisation: a Poisson mixture of powers of a stochastic
    matrix, hence nothing is negative; O(states * reactions * (q t)) for the largest total rate q.

    Examples
    --------
    >>> from fastcore.reactions import ReactionNetwork, fsp
    >>> birth_death = ReactionNetwork("0 -> A @ 2; A -> 0 @ 1")
    >>> found = fsp(birth_death, {"A": 0}, 30)  # Poisson with mean 2
    >>> found.marginal("A")[:3].round(6)
    array([0.135335, 0.270671, 0.270671])
    >>> bool(found.error < 1e-6)
    True
    """
    if not isinstance(network, ReactionNetwork):
        raise TypeError(f"network must be a ReactionNetwork, got {type(network).__name__}")
    network.without_events("fsp")
    network.without_rate_rules("fsp")
    if network.structure.timed:
        raise ValueError(
            f"fsp needs rates that don't change with the time, but {network.timed_reaction()} does: simulate with "
            "method='nrm' takes it, and ode.solve"
        )
    times = as_real(t, "t", ndim=(0, 1), dtype=np.float64, inf=False)
    steps = np.atleast_1d(times)
    if len(steps) and (steps[0] < 0 or (np.diff(steps) < 0).any()):
        raise ValueError("t must rise and not be negative")
    tolerance = as_number(tol, "tol", low=0, high=1, open_low=True)
    constants, values = network.one_set(params), network.param_values(params)
    start = initial_counts(network, x0, params)
    work = _Work(as_index(max_steps, "max_steps", low=1))
    if limits is not None:
        box = _limits(network, limits, start)
        states, p, _ = _probabilities(network, constants, values, start, box, steps, work)
    else:
        # A species that can't change needs no room; the others begin with a little.
        moves = np.zeros(len(start), bool)
        moves[network.tables.changed] = True
        box = np.where(moves, start + 15, start)
        while True:
            states, p, crossed = _probabilities(network, constants, values, start, box, steps, work, tolerance)
            if p is not None:
                break
            grown = box + np.where(crossed > tolerance / (4 * len(box)), np.maximum(box // 2, 8), 0)
            box = grown if (grown > box).any() else box + moves * np.maximum(box // 2, 8)
    assert p is not None
    error = np.maximum(1 - p.sum(axis=1), 0.0)
    small = math.prod(n + 1 for n in box.tolist()) <= _MOST_STATES
    shape = tuple(int(n) + 1 for n in (box if small else states.max(axis=0)))
    if times.ndim == 0:
        return Distribution(float(times), states, p[0], float(error[0]), network.species, shape)
    return Distribution(times, states, p, error, network.species, shape)


def _limits(
    network: ReactionNetwork, limits: Mapping[str, int] | Sequence[int], start: NDArray[np.int64]
) -> NDArray[np.int64]:
    limits = complete(limits, "limits", network.species, "species")
    if isinstance(limits, Mapping):
        if set(limits) != set(network.species):
            near = "".join(meant(name, network.species) for name in limits if name not in network.species)
            raise ValueError(f"limits must name each of {shown(network.species)}, got {shown(limits)}{near}")
        listed = [limits[name] for name in network.species]
    else:
        listed = as_list(limits, "limits", "a mapping or a list of numbers")
        if len(listed) != len(network.species):
            raise ValueError(f"limits must hold one number for each of {list(network.species)}, got {listed}")
    box = np.array([as_index(n, f"limits of {name}") for name, n in zip(network.species, listed)], np.int64)
    if (start > box).any():
        raise ValueError(f"limits must leave room for x0, {start.tolist()}, got {box.tolist()}")
    return box


def _probabilities(
    network: ReactionNetwork,
    constants: NDArray[np.float64],
    values: Mapping[str, Any],
    start: NDArray[np.int64],
    box: NDArray[np.int64],
    times: NDArray[np.float64],
    work: _Work,
    tolerance: float = np.inf,
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None, NDArray[np.float64]]:
    """States, their probabilities at each time, and for each species how much left across its limit.

    None instead of the probabilities as soon as more than `tolerance` has left.
    """
    from scipy import sparse

    states, generator, leaving = _generator(network, constants, values, start, box)
    p = np.zeros(len(states))
    p[0] = 1.0  # the start
    rows, crossed, now = np.tile(p, (len(times), 1)), np.zeros(len(box)), 0.0
    q = float(-generator.diagonal().min(initial=0.0))
    if q == 0:  # nothing can happen
        return states, rows, crossed
    # Column-stochastic but for what leaves the box, which is counted apart.
    jump = (sparse.identity(generator.shape[0], format="csr") + generator / q).tocsr()
    for row, until in zip(rows, times):
        while until > now:
            # In pieces, so that the Poisson weights stay short.
            step = min(until - now, 1000.0 / q)
            p, stay = _uniformised(jump, p, q * step, work)
            crossed += leaving @ stay / q
            if 1 - p.sum() > tolerance:
                return states, None, crossed
            now = until if step == until - now else now + step
        row[:] = p
    return states, rows, crossed


def _uniformised(
    jump: Any, p: NDArray[np.float64], mean: float, work: _Work
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distribution after a Poisson number of jumps, and the expected number of jumps from each state."""
    weights, beyond = _poisson(mean)
    total, stay = weights[0] * p, beyond[0] * p
    for weight, more in zip(weights[1:], beyond[1:]):
        work.spend(len(p) + _JUMP)
        p = jump @ p
        total += weight * p
        stay += more * p
    return total, stay


def _poisson(mean: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of k events and of more than k, up to the first k with less than 1e-15 beyond it, and one more."""
    from scipy.special import gammaln, pdtrc

    k = np.arange(int(mean + 10 * np.sqrt(mean)) + 60)
    beyond = np.asarray(pdtrc(k, mean), np.float64)
    last = int(np.argmax(beyond <= 1e-15)) + 1
    k = k[: last + 1]
    return np.exp(k * np.log(mean) - mean - gammaln(k + 1)), beyond[: last + 1]


class _Work:
    """Counts steps and ends what would take more than `most` of them."""

    def __init__(self, most: int) -> None:
        self.most = self.left = most

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise ValueError(
                f"the distribution takes more than max_steps={self.most:,} steps: give limits, a shorter t or a larger "
                "tol, or raise max_steps"
            )


def _generator(
    network: ReactionNetwork,
    constants: NDArray[np.float64],
    values: Mapping[str, Any],
    start: NDArray[np.int64],
    box: NDArray[np.int64],
) -> tuple[NDArray[np.int64], Any, NDArray[np.float64]]:
    """The states, the generator on them (columns are where from), and rates of leaving by each species' limit."""
    from scipy import sparse

    tables, place = network.tables, {name: i for i, name in enumerate(network.species)}
    changes = [slice(a, b) for a, b in pairwise(tables.change_at.tolist())]
    # What changes nothing, or never fires, leads nowhere.
    moving = [j for j, c in enumerate(changes) if c.start < c.stop and (constants[j] != 0 or j in network.programs)]
    needs = [[(place[name], n) for name, n in network.reactions[j].reactants.items()] for j in moving]
    found = kernels("reactions").reachable(
        *_listed(needs),
        *_listed([list(zip(tables.changed[changes[j]].tolist(), tables.by[changes[j]].tolist())) for j in moving]),
        start,
        box,
        _MOST_STATES,
    )
    if found is None:
        raise ValueError(
            f"at most {_MOST_STATES:,} states can be taken, but more can be reached within {box.tolist()}: set limits"
        )
    states, targets = found
    size = len(states)
    x = np.ascontiguousarray(states.T)
    leaving, diagonal = np.zeros((len(box), size)), np.zeros(size)
    parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    for j, target in zip(moving, targets.T):
        rate = np.full(size, constants[j])
        for f in range(tables.factor_at[j], tables.factor_at[j + 1]):
            rate *= np.maximum(x[tables.factor[f]] - tables.minus[f], 0)
        if j in network.programs:
            rate = network.programmed(j, x.astype(np.float64), 0.0, values, True)
            _refuse_bad(rate, network, j, x)
        diagonal -= rate
        (beyond,) = np.nonzero(target == _BEYOND)
        species = tables.changed[changes[j]]
        over = x[np.ix_(species, beyond)] + tables.by[changes[j], None] > box[species, None]
        leaving[np.ix_(species, beyond)] += over * rate[beyond]
        (inside,) = np.nonzero((target >= 0) & (rate > 0))
        parts.append((rate[inside], target[inside], inside))
    rates, rows, columns = (np.concatenate([part[i] for part in parts] or [np.empty(0)]) for i in range(3))
    matrix = sparse.coo_matrix((rates, (rows.astype(np.int64), columns.astype(np.int64))), (size, size))
    return states, (matrix + sparse.diags(diagonal)).tocsr(), leaving


def _listed(rows: list[list[tuple[int, int]]]) -> tuple[NDArray[np.int64], ...]:
    """Rows of pairs as offsets and two columns."""
    flat = np.array([pair for row in rows for pair in row], np.int64).reshape(-1, 2)
    offsets = np.concatenate(([0], np.cumsum([len(row) for row in rows], dtype=np.int64)))
    return offsets, np.ascontiguousarray(flat[:, 0]), np.ascontiguousarray(flat[:, 1])


def _refuse_bad(rate: NDArray[np.float64], network: ReactionNetwork, j: int, states: NDArray[np.int64]) -> None:
    wrong = ~((rate >= 0) & (rate < np.inf))
    if wrong.any():
        i = int(np.argmax(wrong))
        state = ", ".join(f"{name} = {n}" for name, n in zip(network.species, states[:, i].tolist()))
        raise ValueError(
            f"the rate of '{network.reactions[j]}' must be finite and at least 0, got {float(rate[i])} where {state}"
        )
