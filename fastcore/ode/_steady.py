"""Steady states: where a solution comes to rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labelled import meant, shown
from .._validation import as_index, as_number
from ..reactions import ReactionNetwork
from ..reactions._states import State, as_amounts
from ._expressions import ExpressionSystem, Functions, a_network, columns_of
from ._integrate import as_how, integrate

Array = NDArray[np.float64]

# A solution is followed for this many periods of ten times the length.
_PERIODS = 24
# Newton's first step from where the solution has come to must be smaller than this share of the amounts.
_NEAR = 0.05
# And so near where states of rest aren't alone, as a share.
_NEARER = 1e-6
_TURNS = 50


@dataclass(frozen=True, repr=False)
class SteadyState:
    """Where a solution comes to rest.

    Attributes
    ----------
    x : ndarray of shape (n_species,)
        Amounts; where the solution was last, if it found no rest.
    species : tuple of str
    rhs : ndarray of shape (n_species,)
        What is left of the right-hand side there.
    eigenvalues : ndarray of complex of shape (n_species,)
        Of the Jacobian there; 0 for each conserved sum.
    success : bool
    t : float
        How long the solution was followed.
    """

    x: Array
    species: tuple[str, ...]
    rhs: Array
    eigenvalues: NDArray[np.complex128]
    success: bool
    t: float

    def __getitem__(self, name: str) -> float:
        """The amount of one species."""
        if name not in self.species:
            raise KeyError(f"no species {name!r} in {shown(self.species)}{meant(name, self.species)}")
        return float(self.x[self.species.index(name)])

    def __repr__(self) -> str:
        amounts = ", ".join(f"{name}={value:.6g}" for name, value in zip(self.species[:8], self.x))
        return f"SteadyState({amounts}{'' if self.success else '; not at rest'})"


def steady_state(
    system: ReactionNetwork | ExpressionSystem,
    x0: State | None,
    *,
    params: Mapping[str, Any] | ArrayLike | None = None,
    rtol: float = 1e-10,
    max_steps: int = 100_000,
) -> SteadyState:
    """Follow the solution from `x0` until it rests.

    Parameters
    ----------
    system : ReactionNetwork or ExpressionSystem
        Whose right-hand side doesn't name the time.
    x0 : mapping, array_like of shape (n_species,), or None
        Initial amounts; None takes the system's own.
    params : mapping or array_like of shape (k,), optional
        Values instead of the defaults.
    rtol : float, default 1e-10
        How exact the amounts are to be, as a share of the largest.
    max_steps : int
        Bound on the steps of each period that the solution is followed.

    Returns
    -------
    SteadyState
        ``success`` is False if the solution doesn't rest (it oscillates, or grows).

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used, or the right-hand side names the time.

    Notes
    -----
    The solution is followed for times that grow tenfold, and from where it has come to Newton's method is tried, with
    the sums that the reactions conserve held; what it finds counts if it is near and no eigenvalue has a positive real
    part. Where states of rest form a line or more beyond such sums (an epidemic that dies out may leave any number
    untouched), the solution is followed to within a millionth, and again at `rtol`.

    Examples
    --------
    >>> from fastcore.ode import steady_state
    >>> from fastcore.reactions import ReactionNetwork
    >>> steady_state(ReactionNetwork("A -> B @ 2; B -> A @ 1"), {"A": 30})
    SteadyState(A=10, B=20)
    """
    network = a_network(system)
    network.without_events("ode.steady_state")
    if network.structure.timed:
        raise ValueError("system must not name the time in its rates: nothing rests then")
    limit = as_index(max_steps, "max_steps", low=1)
    share = as_number(rtol, "rtol", low=0, open_low=True)
    x = network.starts(None, params)[0] if x0 is None else as_amounts(x0, network.species)
    functions = Functions(network, columns_of(network, params))
    held = _conserved(network)
    least, speed, t = float(np.abs(x).max()), float(np.abs(functions.fun(0.0, x)).max()), 0.0
    length = least / speed if 0 < speed < np.inf else 1.0
    if not least:
        # From nothing on the slopes alone say what is long, and so what is large.
        with np.errstate(divide="ignore", invalid="ignore"):
            steepest = float(np.abs(functions.jac(0.0, x)).max())
        length = 1 / steepest if 0 < steepest < np.inf else 1.0
        least = length * speed if 0 < speed < np.inf else 1.0
    start, (found, alone) = x, _rest(functions, x, held, share)
    for _ in range(_PERIODS):
        if found is not None or not np.isfinite(x).all():
            break
        size = max(float(np.abs(x).max()), 1e-10 * least, 1e-290)
        how = as_how("auto", 1e-8, 1e-10 * size, limit, None, network.species, (0.0, length))
        raw = integrate(network, x, (0.0, length), np.array([length]), params, None, how)
        if raw.codes != 0:
            break
        x, t, length = raw.x[0], t + length, 10 * length
        found, alone = _rest(functions, x, held, share)
    if found is not None and not alone and t:
        # Where the solution ends among states that all rest is as exact as it was followed.
        how = as_how("auto", max(0.01 * share, 1e-13), 0.01 * share * size, limit, None, network.species, (0.0, t))
        raw = integrate(network, start, (0.0, t), np.array([t]), params, None, how)
        found = _rest(functions, raw.x[0], held, share)[0] if raw.codes == 0 else None
    at = x if found is None else found
    left, matrix = functions.fun(0.0, at), functions.jac(0.0, at)
    finite = np.isfinite(matrix).all()
    eigenvalues = np.linalg.eigvals(matrix).astype(np.complex128) if finite else np.full(len(x), np.nan + 0j)
    return SteadyState(at, network.species, left, eigenvalues, found is not None, t)


def _conserved(network: ReactionNetwork) -> Array:
    """Rows of sums of species that no reaction changes."""
    stoichiometry = network.stoichiometry.astype(np.float64)
    left, sizes, _ = np.linalg.svd(stoichiometry)
    rank = int((sizes > 1e-10 * max(sizes.max(initial=0.0), 1.0)).sum())
    rows: Array = left[:, rank:].T
    return rows


def _rest(functions: Functions, x: Array, held: Array, rtol: float) -> tuple[Array | None, bool]:
    """A stable state of rest near x, by Newton's method, or None; and whether it is the only one near."""
    nothing = None, True
    at = x
    for turn in range(_TURNS):
        slope, matrix = functions.fun(0.0, at), functions.jac(0.0, at)
        if not (np.isfinite(slope).all() and np.isfinite(matrix).all()):
            return nothing
        size = float(np.abs(at).max())
        # Rows in units of their own, so that least squares mean the equations alike.
        rows, right = np.concatenate([matrix, held]), np.append(-slope, held @ (x - at))
        units = np.linalg.norm(rows, axis=1)
        units[units == 0] = 1.0
        step = np.linalg.lstsq(rows / units[:, None], right / units, rcond=None)[0]
        moved = float(np.abs(step).max())
        if not moved < np.inf or (turn == 0 and moved > _NEAR * size and moved > 0):
            return nothing
        at = at + step
        if moved <= rtol * float(np.abs(at).max()):
            break
    else:
        return nothing
    matrix = functions.jac(0.0, at)
    rows = np.concatenate([matrix, held])
    units = np.linalg.norm(rows, axis=1)
    alone = bool(np.linalg.matrix_rank(rows / np.where(units == 0, 1.0, units)[:, None]) == len(x))
    if not alone:
        # Rates, not sums, decide which of the states that rest the solution comes to: it moves in the range of the
        # matrix, up to second order.
        if float(np.abs(at - x).max()) > _NEARER * float(np.abs(x).max()):
            return nothing
        directions, sizes, _ = np.linalg.svd(matrix)
        moving = directions[:, sizes > len(x) * 2.3e-16 * sizes[0]]
        at = x + moving @ np.linalg.lstsq(matrix @ moving, -functions.fun(0.0, x), rcond=None)[0]
    eigenvalues = np.linalg.eigvals(functions.jac(0.0, at))
    rising = eigenvalues.real.max() > 1e-7 * max(float(np.abs(eigenvalues).max()), 1e-300)
    left = np.abs(functions.fun(0.0, at)).max()
    flow = np.abs(functions.jac(0.0, at)).max() * max(float(np.abs(at).max()), 1e-300)
    return nothing if rising or not left <= 1e-6 * flow else (at, alone)
