"""Networks handed to the kernels: constants, starts and tolerances in arrays, and solutions out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import active_backend, kernels
from .._labelled import complete
from .._validation import as_choice, as_index, as_number, as_real
from .._workers import Workers, gathered, n_threads, run
from ..reactions import ReactionNetwork
from ..reactions._tables import Structure

Params: TypeAlias = Mapping[str, Any] | ArrayLike | None
Array: TypeAlias = NDArray[np.float64]

METHODS = {"dopri5": 0, "rodas4": 1, "auto": 2, "dop853": 3, "euler": 4, "rk4": 5}
_CHOICES = tuple(METHODS)
FIXED = ("euler", "rk4")
# By the kernels' codes; 3 is theirs alone.
STATUS = ("finished", "max_steps", "step_too_small", "", "not_finite")


class How(NamedTuple):
    """How to integrate: a method, tolerances (absolute ones by species), a bound, and the length of fixed steps."""

    method: str
    rtol: float
    atol: Array
    limit: int
    step: float


class Raw(NamedTuple):
    """What came out, of one or of several sets of parameters: shapes as in `Solution`."""

    x: Array
    slopes: Array | None
    nfev: Any
    codes: Any
    ends: Array  # of accepted steps, if asked for


def as_how(
    method: str,
    rtol: float,
    atol: ArrayLike,
    max_steps: int,
    step: float | None,
    species: Sequence[str],
    span: tuple[float, float],
) -> How:
    """Check how to integrate, or refuse by name."""
    as_choice(method, "method", _CHOICES)
    limit = as_index(max_steps, "max_steps", low=1)
    if type(rtol) is not float or not 0 <= rtol < np.inf:
        rtol = as_number(rtol, "rtol", low=0)
    if type(atol) is float and 0 < atol < np.inf:
        absolute = np.array([atol] * len(species))
    elif np.ndim(atol) == 0 and not isinstance(atol, Mapping):
        absolute = np.full(len(species), as_number(atol, "atol", low=0, open_low=True))
    else:
        named = complete(atol, "atol", species, "species")
        if isinstance(named, Mapping):
            named = [named.get(name, np.nan) for name in species] if set(named) == set(species) else []
        absolute = as_real(named, "atol", shape=(len(species),), dtype=np.float64, inf=False)
        if not (absolute > 0).all():
            raise ValueError(f"atol must be above 0, got {absolute.min()}")
    if method not in FIXED:
        if step is not None:
            raise ValueError(f"step must be None for {method!r}, which chooses its steps, got {step}")
        return How(method, rtol, absolute, limit, 0.0)
    length = (span[1] - span[0]) / 100 if step is None else as_number(step, "step", low=0, open_low=True)
    return How(method, rtol, absolute, limit, length)


def integrate(
    network: ReactionNetwork,
    start: Array | None,
    span: tuple[float, float],
    times: Array,
    params: Params,
    by: Sequence[str] | None,
    how: How,
    workers: Workers = 1,
    keep: bool = False,
    own: Mapping[str, float] | None = None,
) -> Raw:
    """Solve a network whose arguments are checked, with sensitivities `by` parameters and initial amounts.

    `own` are initial amounts instead of those of the start. The time, if a rate names it, is integrated as one more
    amount.
    """
    names = () if by is None else tuple(name for name in by if name in network.params)
    structure, n = network.structure, len(network.species)
    sizes = slopes_of_start = None
    defaults = params is None
    if not defaults or by is not None:
        params = network.param_values(params)
    constants, slopes = network.columns(None if defaults else params, names)
    if start is None:
        start, slopes_of_start = network.starts(None, params, names)
    if own:
        places = [network.species.index(name) for name in own]
        start = start.copy()
        start[..., places] = list(own.values())
        if slopes_of_start is not None:
            slopes_of_start[..., places] = 0.0
    sets = constants.shape[:-1]
    if by is not None:
        slopes, slopes_of_start, sizes = _in_units(network, by, params, start, slopes, slopes_of_start)
        start = np.broadcast_to(start, (*sets, start.shape[-1])) if sets else start
    atol = how.atol
    if structure.timed:
        at = len(network.reactions)
        constants, slopes = np.insert(constants, at, 1.0, axis=-1), np.insert(slopes, at, 0.0, axis=-2)
        start = np.append(start, np.full((*start.shape[:-1], 1), span[0]), axis=-1)
        if slopes_of_start is not None:
            slopes_of_start = np.append(slopes_of_start, np.zeros((*slopes_of_start.shape[:-1], 1)), axis=-1)
        atol = np.append(atol, atol.max())
    if sizes is None or slopes_of_start is None:
        begins = start.reshape(-1, 1, start.shape[-1])
    else:
        begins = np.concatenate((start[..., None, :], slopes_of_start), axis=-2)
        begins = begins.reshape(-1, begins.shape[-2], begins.shape[-1])
    rest = (span, times, METHODS[how.method], how.rtol, atol, how.limit, how.step, keep)
    if not sets:
        constants, slopes = constants[None], slopes[None]
    states, nfev, _, codes, ends = _called_for(structure, constants, slopes, begins, rest, workers)
    if not sets:
        states, nfev, codes = states[0], int(nfev[0]), int(codes[0])
    if sizes is None:
        return Raw(np.ascontiguousarray(states[..., 0, :n]), None, nfev, codes, ends)
    found = states[..., 1:, :n] / sizes[..., None, :, None]
    return Raw(
        np.ascontiguousarray(states[..., 0, :n]), np.ascontiguousarray(found.swapaxes(-1, -2)), nfev, codes, ends
    )


def _in_units(
    network: ReactionNetwork, by: Sequence[str], values: Any, start: Array, slopes: Array, of_start: Array | None
) -> tuple[Array, Array, Array]:
    """Derivatives of constants and of the start in units of each parameter, so that one tolerance fits all.

    Returns these, and the units: sizes of parameters and initial amounts, 1 for 0.
    """
    sets, k = slopes.shape[:-2], len(by)
    sizes = np.empty((*sets, k))
    by_all, start_by_all = slopes, np.zeros((*sets, k, start.shape[-1])) if of_start is None else of_start
    if slopes.shape[-1] < k:
        by_all, start_by_all = np.zeros((*slopes.shape[:-1], k)), np.zeros((*sets, k, start.shape[-1]))
        places = [i for i, name in enumerate(by) if name in network.params]
        by_all[..., places] = slopes
        if of_start is not None:
            start_by_all[..., places, :] = of_start
    for i, name in enumerate(by):
        if name in values:
            sizes[..., i] = values[name]
        else:
            place = network.species.index(name)
            sizes[..., i] = start[..., place]
            start_by_all[..., i, place] = 1.0
    sizes = np.abs(sizes)
    sizes[sizes == 0] = 1.0
    return by_all * sizes[..., None, :], start_by_all * sizes[..., None], sizes


def _called_for(
    structure: Structure, constants: Array, slopes: Array, begins: Array, rest: tuple[Any, ...], workers: Workers
) -> Any:
    """Call the kernel, for several sets in as many tasks as there are threads to take them."""
    backend, n_sets = active_backend(), len(constants)
    constants, slopes, begins = map(np.ascontiguousarray, (constants, slopes, begins))
    if workers == 1:
        return _called((backend, structure, (constants, slopes, begins, *rest)))
    structure.integrable(backend)  # before threads ask for it
    size = -(-n_sets // (4 * n_threads(workers))) or 1
    tasks = []
    for i in range(0, max(n_sets, 1), size):
        rows = slice(i, i + size)
        begin = begins[rows] if len(begins) > 1 else begins
        tasks.append((backend, structure, (constants[rows], slopes[rows], begin, *rest)))
    return gathered(run(_called, tasks, workers))


def _called(task: tuple[str, Structure, tuple[Any, ...]]) -> Any:
    """Call the kernel with a network that is prepared once in each process."""
    backend, structure, arguments = task
    return kernels("ode", backend).integrate(structure.integrable(backend), *arguments)
