"""The deterministic limit of a network, or any right-hand side in Python, integrated in time."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import active_backend
from .._extras import require
from .._labelled import by_label, meant, shown
from .._validation import as_choice, as_index, as_names, as_number, as_real
from .._workers import Workers, call_kernel, check_workers, n_threads, run
from ..reactions import ReactionNetwork
from ..reactions._states import State, as_amounts, as_span, as_times
from ..reactions._variables import NOTHING_OBSERVED, Observed
from ._functions import solve_function

RightHandSide: TypeAlias = Callable[..., ArrayLike]
Params: TypeAlias = Mapping[str, Any] | ArrayLike | None

METHODS = {"dopri5": 0, "rodas4": 1, "auto": 2}
# By the kernels' codes; 3 is theirs alone.
STATUS = np.array(["finished", "max_steps", "step_too_small", "", "not_finite"])
_REASONS = {
    "max_steps": "it took more than max_steps={limit} steps",
    "step_too_small": "its step became too small, as before a pole",
    "not_finite": "the right-hand side isn't finite there",
}


@dataclass(frozen=True, repr=False)
class Solution:
    """Amounts (and sensitivities) at given times.

    Attributes
    ----------
    t : ndarray of shape (n_t,)
    x : ndarray of shape (n_t, n_species) or (p, n_t, n_species)
        Amounts; NaN at times that were never reached.
    status : str, or ndarray of str of shape (p,)
        ``"finished"``, ``"max_steps"``, ``"step_too_small"`` (the solution probably has a pole there) or
        ``"not_finite"`` (the right-hand side has no finite value there).
    nfev : int, or ndarray of int64 of shape (p,)
        Evaluations of the right-hand side.
    species : tuple of str
    sensitivities : ndarray of shape (n_t, n_species, k) or (p, n_t, n_species, k), or None
        Derivatives of `x` by the parameters named in `params`.
    params : tuple of str
    """

    t: NDArray[np.float64]
    x: NDArray[np.float64]
    status: Any
    nfev: Any
    species: tuple[str, ...]
    sensitivities: NDArray[np.float64] | None = None
    params: tuple[str, ...] = ()
    observed: Observed = field(default=NOTHING_OBSERVED, repr=False)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Amounts of one species, or values of a variable of the network, shape (n_t,) or (p, n_t)."""
        return self.observed.value(name, self.species, self.x, self.t)

    def __repr__(self) -> str:
        sets = f"{len(self.x)} sets of parameters, " if self.x.ndim == 3 else ""
        status = sorted(set(np.atleast_1d(self.status).tolist()))
        return f"Solution({sets}{len(self.t)} times, species {', '.join(self.species)}, {', '.join(status)})"

    def to_pandas(self) -> Any:
        """A DataFrame with a column a species, indexed by (params and) t."""
        pandas = require("pandas", "pandas", "to_pandas")
        index = pandas.Index(self.t, name="t")
        if self.x.ndim == 3:
            index = pandas.MultiIndex.from_product([range(len(self.x)), self.t], names=["params", "t"])
        return pandas.DataFrame(self.x.reshape(-1, len(self.species)), index=index, columns=list(self.species))

    def to_xarray(self) -> Any:
        """A DataArray with dimensions (params,) t, species."""
        xarray = require("xarray", "xarray", "to_xarray")
        dims = ["t", "species"] if self.x.ndim == 2 else ["params", "t", "species"]
        return xarray.DataArray(self.x, coords={"t": self.t, "species": list(self.species)}, dims=dims)

    def plot(self, axes: Any = None) -> Any:
        """Draw the amounts over time; return the axes."""
        if axes is None:
            axes = require("matplotlib.figure", "plot", "plot").Figure(layout="constrained").subplots()
        for i, name in enumerate(self.species):
            lines = self[name].reshape(-1, len(self.t))
            axes.plot(self.t, lines.T, color=f"C{i % 10}", label=[name] + ["_"] * (len(lines) - 1))
        axes.set(xlabel="t", ylabel="amount")
        axes.legend()
        return axes


def solve(
    system: ReactionNetwork | RightHandSide,
    x0: State | None,
    t_span: Sequence[float],
    t_eval: ArrayLike | None = None,
    *,
    params: Params = None,
    method: str = "auto",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    sensitivities: bool | Sequence[str] = False,
    max_steps: int = 100_000,
    workers: Workers = 1,
) -> Solution:
    """Solve dx/dt = f(t, x) for a reaction network, or dx/dt = f(t, x) for a Python function.

    Parameters
    ----------
    system : ReactionNetwork or callable
        A network, whose right-hand side (`ReactionNetwork.rhs`) and Jacobian run compiled, or ``f(t, x)`` or
        ``f(t, x, params)``, which SciPy integrates.
    x0 : mapping, array_like of shape (n_species,), or None
        Initial amounts; species that a mapping doesn't name are 0; a Series is read by its labels, which must name all;
        None takes those of the network's text. For a function, keys or labels name the components.
    t_span : (float, float)
        Start and end.
    t_eval : array_like, optional
        Rising times of output. Default: 101 points from start to end.
    params : mapping or array_like of shape (k,) or (p, k), optional
        Values instead of the network's defaults; p sets give p solutions; a Series or a table is read by its labels,
        which must name all parameters. For a function, its third argument, as it is.
    method : {"auto", "dopri5", "rodas4"}
        Explicit Runge-Kutta of order 5, or a Rosenbrock method of order 4 for stiff problems. "auto" begins with the
        first and goes over to the second when it finds the problem stiff. For a function: SciPy's LSODA, RK45, Radau.
    rtol, atol : float
        Tolerances of the local error: ``atol + rtol * |x|`` for each amount.
    sensitivities : bool or sequence of str
        Also integrate the derivatives of the amounts by all (or the named) parameters. They take part in the control
        of the error, in units of the parameter's value.
    max_steps : int
        Give up after so many steps, accepted or not.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Tasks are sets of parameters.

    Returns
    -------
    Solution

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used.

    Warns
    -----
    RuntimeWarning
        Once, if the status (of any solution) isn't "finished".

    Notes
    -----
    A step costs six evaluations of the right-hand side, each O(number of reactions); the Rosenbrock method also
    factorises a matrix of the number of species. Sensitivities s = dx/dp follow ds/dt = J s + df/dp exactly. Twin
    and kernel take the same steps and agree to the bit. Sources: Hairer, Norsett and Wanner, *Solving Ordinary
    Differential Equations I*, II.4-6 and *II*, IV.2 and IV.7.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.ode import solve
    >>> from fastcore.reactions import ReactionNetwork
    >>> decay = ReactionNetwork("A -> 0 @ k; k = 0.5")
    >>> sol = solve(decay, {"A": 10}, (0, 2), [0, 1, 2], sensitivities=True)
    >>> np.round(sol["A"], 5)
    array([10.     ,  6.06531,  3.67879])
    >>> np.round(sol.sensitivities[:, 0, 0], 4)  # -10 t exp(-k t)
    array([ 0.    , -6.0653, -7.3576])
    """
    span = as_span(t_span)
    times = as_times(t_eval, span)
    as_choice(method, "method", tuple(METHODS))
    tolerances = as_number(rtol, "rtol", low=0), as_number(atol, "atol", low=0, open_low=True)
    limit = as_index(max_steps, "max_steps", low=1)
    check_workers(workers)
    if not isinstance(system, ReactionNetwork):
        if not callable(system):
            raise TypeError(f"system must be a ReactionNetwork or a callable, got {type(system).__name__}")
        if sensitivities is not False:
            raise ValueError("sensitivities need a ReactionNetwork, got a callable")
        start, species = _components(x0)
        arguments = () if params is None else (params,)
        x, status, nfev = solve_function(system, start, span, times, arguments, method, tolerances, limit)
        _warn(status, limit)
        return Solution(times, x, status, nfev, species)
    system.without_events("ode.solve")
    names = None if sensitivities is False else _sensitivity_names(system, sensitivities)
    amounts = None if x0 is None else as_amounts(x0, system.species)
    sol = integrate(system, amounts, span, times, params, names, method, tolerances, limit, workers)
    _warn(sol.status, limit)
    return sol


def integrate(
    network: ReactionNetwork,
    start: NDArray[np.float64] | None,
    span: tuple[float, float],
    times: NDArray[np.float64],
    params: Params,
    by: tuple[str, ...] | None,
    method: str,
    tolerances: tuple[float, float],
    limit: int,
    workers: Workers = 1,
) -> Solution:
    """Solve a network whose arguments are checked, with sensitivities `by` parameters, without a warning.

    The time, if a rate names it, is integrated as one more amount.
    """
    names = by or ()
    constants, slopes = network.columns(params, names)
    amounts, slopes_of_start = start, np.zeros((len(names), len(network.species)))
    if amounts is None:
        amounts, slopes_of_start = network.starts(None, params, names)
    # In units of each parameter, so that one tolerance fits all.
    sizes = parameter_sizes(network, params, names)
    slopes = slopes * sizes[..., None, :]
    if slopes_of_start.ndim == 2 and sizes.ndim == 2:  # a start that all sets share
        slopes_of_start = slopes_of_start * (sizes[0] if len(sizes) else np.ones(len(names)))[:, None]
    else:
        slopes_of_start = slopes_of_start * sizes[..., None]
    sets = constants.shape[:-1]
    structure = network.structure
    if structure.timed:
        at = len(network.reactions)
        constants, slopes = np.insert(constants, at, 1.0, axis=-1), np.insert(slopes, at, 0.0, axis=-2)
        amounts = np.append(amounts, np.full((*amounts.shape[:-1], 1), span[0]), axis=-1)
        slopes_of_start = np.append(slopes_of_start, np.zeros((*slopes_of_start.shape[:-1], 1)), axis=-1)
    n_columns, k = slopes.shape[-2:]
    n_sets = sets[0] if sets else 1
    constants, slopes = constants.reshape(n_sets, n_columns), slopes.reshape(n_sets, n_columns, k)
    begins = np.concatenate((amounts[..., None, :], slopes_of_start), axis=-2).reshape(-1, 1 + k, amounts.shape[-1])
    constants, slopes, begins = (np.ascontiguousarray(array) for array in (constants, slopes, begins))
    most = 1 if workers == 1 else 4 * n_threads(workers)
    size = -(-n_sets // most) or 1
    backend = active_backend()
    shared = (span, times, METHODS[method], *tolerances, limit)
    tasks = []
    for i in range(0, max(n_sets, 1), size):
        rows = slice(i, i + size)
        begin = begins[rows] if len(begins) > 1 else begins
        tasks.append(("ode", "integrate", backend, (structure.clocked, constants[rows], slopes[rows], begin, *shared)))
    parts = run(call_kernel, tasks, workers)
    states, nfev, _, codes = (np.concatenate([part[i] for part in parts]) for i in range(4))
    states = states.reshape(*sets, *states.shape[1:])[..., : len(network.species)]
    x = np.ascontiguousarray(states[..., 0, :])
    slopes_of_x = None
    if by is not None:
        slopes_of_x = np.ascontiguousarray(np.moveaxis(states[..., 1:, :], -2, -1) / sizes[..., None, None, :])
    status = STATUS[codes]
    observed = network.observed(params)
    if sets:
        return Solution(times, x, status, nfev, network.species, slopes_of_x, names, observed)
    return Solution(times, x, str(status[0]), int(nfev[0]), network.species, slopes_of_x, names, observed)


def _warn(status: Any, limit: int) -> None:
    """Say once if a solution, or how many of several, ended early."""
    wrong = Counter(name for name in np.atleast_1d(status).tolist() if name != "finished")
    if not wrong:
        return
    what = [f"{name} ({_REASONS[name].format(limit=limit)})" for name in wrong]
    if isinstance(status, str):
        text = f"the solution ended early: {what[0]}; times that weren't reached are NaN"
    else:
        parts = [f"{count} with {reason}" for reason, count in zip(what, wrong.values())]
        text = f"of {len(status)} solutions {sum(wrong.values())} ended early: {', '.join(parts)}"
    warnings.warn(text, RuntimeWarning, stacklevel=3)


def _sensitivity_names(network: ReactionNetwork, sensitivities: bool | Sequence[str]) -> tuple[str, ...]:
    if sensitivities is True:
        return tuple(network.params)
    names = as_names(sensitivities, "sensitivities")
    for name in names:
        if name not in network.params:
            known = network.params
            raise ValueError(f"sensitivities must name parameters of {shown(known)}, got {name!r}{meant(name, known)}")
    return names


def parameter_sizes(network: ReactionNetwork, params: Params, names: Sequence[str]) -> NDArray[np.float64]:
    """Absolute values of the named parameters (1 for 0), shape (k,) or (p, k)."""
    values = network.param_values(params)
    shape = np.broadcast_shapes(*(np.shape(value) for value in values.values()))
    sizes = np.ones((*shape, len(names)))
    for i, name in enumerate(names):
        sizes[..., i] = np.abs(values[name])
    return np.where(sizes == 0, 1.0, sizes)


def _components(x0: State | None) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The start and the names of a function's components."""
    if x0 is None:
        raise ValueError("x0 must be given for a callable")
    x0 = by_label(x0, "x0")
    if isinstance(x0, Mapping):
        names = tuple(map(str, x0))
        start = as_real(list(x0.values()), "x0", ndim=1, dtype=np.float64, inf=False)
    else:
        start = as_real(x0, "x0", ndim=1, dtype=np.float64, inf=False)
        names = tuple(f"x{i}" for i in range(len(start)))
    if not len(start):
        raise ValueError("x0 must have at least one component, got none")
    return start, names
