"""The deterministic limit of a network, or any right-hand side in Python, integrated in time."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._extras import require
from .._labelled import by_label, meant, shown
from .._validation import as_names, as_real
from .._workers import Workers, check_workers
from ..reactions import ReactionNetwork
from ..reactions._states import State, as_amounts, as_span, as_times
from ..reactions._variables import NOTHING_OBSERVED, Observed
from ._events import Event, located, watched
from ._expressions import ExpressionSystem, network_of
from ._functions import solve_function
from ._integrate import STATUS, How, Params, as_how, integrate
from ._resets import check_triggers, follow

RightHandSide: TypeAlias = Callable[..., ArrayLike]
Events: TypeAlias = Event | str | Callable[[float, NDArray[np.float64]], float] | Sequence[Any] | None

_REASONS = {
    "max_steps": "it took more than max_steps={limit} steps",
    "step_too_small": "its step became too small, as before a pole, or where the Jacobian is infinite",
    "not_finite": "the right-hand side, or what sensitivities ask of it, isn't finite there",
}


class Solved(NamedTuple):
    """What one integration gives, of a network or a function."""

    x: NDArray[np.float64]
    slopes: NDArray[np.float64] | None
    nfev: Any
    status: Any
    ends: NDArray[np.float64]


class OfNetwork(NamedTuple):
    """A network to be integrated, for any times: steps don't depend on where output is asked for."""

    network: ReactionNetwork
    start: NDArray[np.float64] | None
    span: tuple[float, float]
    params: Params
    by: tuple[str, ...] | None
    how: How

    def at(self, times: NDArray[np.float64], workers: Workers = 1, keep: bool = False) -> Solved:
        raw = integrate(self.network, self.start, self.span, times, self.params, self.by, self.how, workers, keep)
        status = STATUS[raw.codes] if isinstance(raw.codes, int) else np.array(STATUS)[raw.codes]
        return Solved(raw.x, raw.slopes, raw.nfev, status, raw.ends)


class OfEvents(OfNetwork):
    """The same for a network with events of its own."""

    def at(self, times: NDArray[np.float64], workers: Workers = 1, keep: bool = False) -> Solved:
        x, nfev, codes, ends = follow(self.network, self.start, self.span, times, self.params, self.how)
        status = STATUS[codes] if isinstance(codes, int) else np.array(STATUS)[codes]
        return Solved(x, None, nfev, status, ends)


class OfFunction(NamedTuple):
    """The same for a right-hand side in Python."""

    function: RightHandSide
    start: NDArray[np.float64]
    span: tuple[float, float]
    arguments: tuple[Any, ...]
    how: How

    def at(self, times: NDArray[np.float64], workers: Workers = 1, keep: bool = False) -> Solved:
        x, status, nfev, ends = solve_function(self.function, self.start, self.span, times, self.arguments, self.how)
        return Solved(x, None, nfev, status, np.array(ends))


@dataclass(frozen=True, repr=False)
class Solution:
    """Amounts (and sensitivities) at given times; ``sol(t)`` gives them at others.

    Attributes
    ----------
    t : ndarray of shape (n_t,)
    x : ndarray of shape (n_t, n_species) or (p, n_t, n_species)
        Amounts; NaN at times that were never reached.
    status : str, or ndarray of str of shape (p,)
        ``"finished"``, ``"event"`` (a terminal event ended it), ``"max_steps"``, ``"step_too_small"`` (the solution
        probably has a pole there) or
        ``"not_finite"`` (the right-hand side has no finite value there).
    nfev : int, or ndarray of int64 of shape (p,)
        Evaluations of the right-hand side.
    species : tuple of str
    sensitivities : ndarray of shape (n_t, n_species, k) or (p, n_t, n_species, k), or None
        Derivatives of `x` by the parameters (and initial amounts) named in `params`.
    params : tuple of str
    t_events : tuple of ndarray
        Times of each event, rising.
    x_events : tuple of ndarray of shape (n_times, n_species)
        Amounts there.
    """

    t: NDArray[np.float64]
    x: NDArray[np.float64]
    status: Any
    nfev: Any
    species: tuple[str, ...]
    sensitivities: NDArray[np.float64] | None = None
    params: tuple[str, ...] = ()
    t_events: tuple[NDArray[np.float64], ...] = ()
    x_events: tuple[NDArray[np.float64], ...] = ()
    observed: Observed = field(default=NOTHING_OBSERVED, repr=False)
    _again: OfNetwork | OfFunction | None = None
    _stop: float = np.inf

    def __getstate__(self) -> dict[str, Any]:
        """A function that was solved stays behind: few of them pickle."""
        return {**vars(self), "_again": None if isinstance(self._again, OfFunction) else self._again}

    def __call__(self, t: ArrayLike) -> NDArray[np.float64]:
        """Amounts at any times within the span, in any order.

        Parameters
        ----------
        t : float or array_like of shape (m,)

        Returns
        -------
        ndarray of shape (n_species,), (m, n_species) or (p, m, n_species)
            What `x` would hold had these been the times of output (the system is integrated again, in the same steps);
            NaN where the solution had ended.

        Raises
        ------
        TypeError, ValueError
            If `t` isn't within the span, or the solution was pickled and its system is a function.
        """
        if self._again is None:
            raise ValueError("a pickled solution of a function can't be asked for other times: solve it again")
        asked = as_real(t, "t", ndim=(0, 1), dtype=np.float64, inf=False)
        times, back = np.unique(asked.ravel(), return_inverse=True)
        begin, end = self._again.span
        if len(times) and not begin <= times[0] <= times[-1] <= end:
            raise ValueError(f"t must lie in {self._again.span}, got times from {times[0]} to {times[-1]}")
        found = self._again.at(times).x[..., back.ravel(), :]
        found[..., asked.ravel() > self._stop, :] = np.nan
        return found if asked.ndim else found[..., 0, :]

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
    system: ReactionNetwork | ExpressionSystem | RightHandSide,
    x0: State | None,
    t_span: Sequence[float],
    t_eval: ArrayLike | None = None,
    *,
    params: Params = None,
    method: str = "auto",
    rtol: float = 1e-6,
    atol: ArrayLike = 1e-9,
    step: float | None = None,
    sensitivities: bool | Sequence[str] = False,
    events: Events = None,
    max_steps: int = 100_000,
    workers: Workers = 1,
) -> Solution:
    """Solve dx/dt = f(t, x) for a reaction network, for equations, or for a Python function.

    Parameters
    ----------
    system : ReactionNetwork, ExpressionSystem or callable
        A network or equations, whose right-hand side and Jacobian run compiled, or ``f(t, x)`` or ``f(t, x, params)``,
        which SciPy integrates.
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
    method : {"auto", "dopri5", "dop853", "rodas4", "euler", "rk4"}
        Explicit Runge-Kutta of order 5 or 8, or a Rosenbrock method of order 4 for stiff problems. "auto" begins with
        the first and goes over to the third when it finds the problem stiff. Euler's method and the classical one of
        order 4 take steps of one length. For a function: SciPy's LSODA, RK45, DOP853, Radau, and the latter two.
    rtol : float
        Relative tolerance of the local error: ``atol + rtol * |x|`` for each amount.
    atol : float, array_like of shape (n_species,) or mapping
        Absolute tolerance, one for all or one a species.
    step : float, optional
        Length of the steps of "euler" and "rk4". Default: a hundredth of the span.
    sensitivities : bool or sequence of str
        Also integrate the derivatives of the amounts by all parameters, or by those that are named; a species' name
        stands for its initial amount. They take part in the control of the error, in units of the parameter's value.
    events : Event, str, callable, or a list of these, optional
        Conditions whose changes of sign are located: expressions such as ``"S - 50"``, functions ``g(t, x)``, or
        `Event` with a direction, or to stop at. For one set of parameters.
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
        Once, if the status (of any solution) is neither "finished" nor "event".

    Notes
    -----
    A step costs six evaluations of the right-hand side, each O(number of reactions); the Rosenbrock method also
    factorises a matrix of the number of species. Sensitivities s = dx/dp follow ds/dt = J s + df/dp exactly. Twin
    and kernel take the same steps and agree to the bit. A change of sign that lasts for less than a quarter of a step
    is no event.

    A network's own events, ``at t >= 5: A = 50``, set amounts whenever their conditions become true: the solution is
    integrated from one to the next, and the moment found like a change of sign; sets of parameters are taken one after
    the other. Amounts may be any finite numbers, and conditions that compare amounts by ``==`` or ``!=`` are refused:
    what changes smoothly passes a number in no time. A state at the very time of an event is the one after it.
    Sources: Hairer, Norsett and Wanner, *Solving Ordinary Differential Equations I*, II.4-6, II.10 and
    *II*, IV.2 and IV.7.

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
    check_workers(workers)
    network = network_of(system)
    again: OfNetwork | OfFunction
    if network is None:
        if not callable(system):
            raise TypeError(f"system must be a ReactionNetwork or a callable, got {type(system).__name__}")
        if sensitivities is not False:
            raise ValueError("sensitivities need a ReactionNetwork, got a callable")
        start, species = _components(x0)
        how = as_how(method, rtol, atol, max_steps, step, species, span)
        again = OfFunction(system, start, span, () if params is None else (params,), how)
        names = None
    else:
        species = network.species
        how = as_how(method, rtol, atol, max_steps, step, species, span)
        names = None if sensitivities is False else _sensitivity_names(network, sensitivities)
        kind = OfNetwork
        if network.has_events:
            if names is not None:
                network.without_events("ode.solve with sensitivities", "ode.solve without them")
            kind = OfEvents
            check_triggers(network)
        again = kind(network, None if x0 is None else as_amounts(x0, species), span, params, names, how)
    if events is not None:
        return _with_events(again, times, events, species, names)
    found = again.at(times, workers)
    _warn(found.status, how.limit)
    solution = object.__new__(Solution)
    # At once: a frozen object's own way of being made costs as much as a small system's first steps.
    solution.__dict__.update(
        t=times, x=found.x, status=found.status, nfev=found.nfev, species=species, sensitivities=found.slopes,
        params=names or (), t_events=(), x_events=(), observed=_observed(again), _again=again, _stop=np.inf,
    )  # fmt: skip
    return solution


def _observed(again: OfNetwork | OfFunction) -> Observed:
    return again.network.observed(again.params) if isinstance(again, OfNetwork) else NOTHING_OBSERVED


def _with_events(
    again: OfNetwork | OfFunction,
    times: NDArray[np.float64],
    events: Events,
    species: tuple[str, ...],
    names: tuple[str, ...] | None,
) -> Solution:
    """Solve, and look for events; what comes after a terminal one wasn't reached."""
    params = again.network.param_values(again.params) if isinstance(again, OfNetwork) else {}
    if any(np.ndim(value) for value in params.values()):
        raise ValueError("events need one set of parameters, got several")
    listed = watched(events, species, params)
    found = again.at(times, keep=True)
    t_events, stop = located(listed, again.span[0], found.ends, lambda asked: again.at(asked).x)
    x_events = tuple(again.at(asked).x for asked in t_events)
    status, x, slopes = found.status, found.x, found.slopes
    if stop is None:
        _warn(status, again.how.limit)
    else:
        status = "event"
        x[times > stop] = np.nan
        if slopes is not None:
            slopes[times > stop] = np.nan
    return Solution(
        times, x, status, found.nfev, species, slopes, names or (), tuple(t_events), x_events,
        _observed(again), again, np.inf if stop is None else stop,
    )  # fmt: skip


def _warn(status: Any, limit: int) -> None:
    """Say once if a solution, or how many of several, ended early."""
    if isinstance(status, str) and status == "finished":
        return
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
        if name not in network.params and name not in network.species:
            known = (*network.params, *network.species)
            raise ValueError(
                f"sensitivities must name parameters or species of {shown(known)}, got {name!r}{meant(name, known)}"
            )
    return names


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
