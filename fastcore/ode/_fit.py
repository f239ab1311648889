"""Parameters of a network from measured amounts: nonlinear least squares with exact sensitivities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._extras import require
from .._labelled import by_label, meant, row_labels, shown
from .._random import RNG, stream_key
from .._validation import as_choice, as_flag, as_index, as_names, as_number, as_real
from ..reactions import ReactionNetwork
from ..reactions._states import State, as_amounts
from ._search import at_bounds, covariance_of, minimise, starts, units_of
from ._solve import METHODS, Solution, integrate, solve

# Without bounds, logarithms are fitted between the start over this and the start times this.
_WIDE = 1000.0


@dataclass(frozen=True, repr=False)
class Fit:
    """Fitted parameters.

    Attributes
    ----------
    params : dict of str to float
        Values of the free parameters.
    stderr : dict of str to float
        Their standard errors.
    sse : float
        Sum of squared residuals.
    covariance : ndarray of shape (k, k)
        ``sse / dof * inv(J.T @ J)`` in the order of `params`; infinite along what the data don't determine, and only
        there.
    dof : int
        Observations minus free parameters.
    residuals : dict of str to ndarray
        Model minus data for each observed species, NaN where the data are missing.
    nfev : int
        How often the system was integrated.
    success : bool
        Whether a minimum was found: no step wins more, and no parameter stands at a bound that wasn't asked for.
        (There may be a lower minimum elsewhere: try `n_starts`.)
    message : str
        Why the search ended, and which parameters stand at a bound.
    log : bool
        Whether logarithms of the parameters were fitted.
    sse_of_starts : ndarray of shape (n_starts,)
        Where each start led, NaN for one with which the system couldn't be integrated.
    """

    params: dict[str, float]
    stderr: dict[str, float]
    sse: float
    covariance: NDArray[np.float64]
    dof: int
    residuals: dict[str, NDArray[np.float64]]
    nfev: int
    success: bool
    message: str
    log: bool
    network: ReactionNetwork
    x0: NDArray[np.float64]
    t0: float
    t: NDArray[np.float64]
    data: dict[str, NDArray[np.float64]]
    sse_of_starts: NDArray[np.float64]

    def __repr__(self) -> str:
        values = ", ".join(f"{k}={v:.4g}±{self.stderr[k]:.2g}" for k, v in self.params.items())
        return f"Fit({values}, sse={self.sse:.4g}, dof={self.dof})"

    def confint(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Confidence intervals from the t distribution, symmetric on the scale that was fitted."""
        from scipy.special import stdtrit

        level = as_number(level, "level", low=0, high=1)
        found = {}
        quantile = float(stdtrit(self.dof, 0.5 + level / 2)) if self.dof > 0 else np.inf
        for name, value in self.params.items():
            with np.errstate(over="ignore", invalid="ignore"):
                if self.log:
                    half = np.exp(quantile * self.stderr[name] / value)
                    found[name] = (float(value / half), float(value * half))
                else:
                    half = quantile * self.stderr[name]
                    found[name] = (float(value - half), float(value + half))
        return found

    def solve(self, t_eval: ArrayLike) -> Solution:
        """The fitted curve at given times (not before t0)."""
        times = as_real(t_eval, "t_eval", ndim=1, dtype=np.float64, inf=False)
        end = float(times[-1]) if len(times) else self.t0
        return solve(self.network, self.x0, (self.t0, end), times, params=self.params)

    def equations(self) -> list[str]:
        """The fitted equations as text, one a species."""
        return equations(self.network, self.params)

    def plot(self, axes: Any = None) -> Any:
        """Draw data and fitted curves; return the axes."""
        if axes is None:
            axes = require("matplotlib.figure", "plot", "plot").Figure(layout="constrained").subplots()
        curve = self.solve(np.linspace(self.t0, self.t[-1], 201))
        for i, name in enumerate(self.network.species):
            axes.plot(curve.t, curve[name], color=f"C{i % 10}", label=name)
            if name in self.data:
                axes.plot(self.t, self.data[name], "o", color=f"C{i % 10}")
        axes.set(xlabel="t", ylabel="amount")
        axes.legend()
        return axes


def fit(
    system: ReactionNetwork,
    t: ArrayLike,
    data: Mapping[str, ArrayLike] | Any,
    *,
    x0: State | None,
    free: Sequence[str] | None = None,
    start: Mapping[str, float] | Any | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    log: bool = True,
    n_starts: int = 1,
    rng: RNG = None,
    t0: float | None = None,
    method: str = "auto",
    rtol: float = 1e-8,
    atol: float = 1e-9,
    max_steps: int = 100_000,
) -> Fit:
    """Fit parameters of a network to amounts measured over time.

    Parameters
    ----------
    system : ReactionNetwork
        Its rates name the parameters, ``2 X -> X @ r / N``.
    t : array_like of shape (n_t,)
        Rising times of the measurements.
    data : mapping of str to array_like of shape (n_t,), or table
        Species to measured amounts; NaN is missing, and a species may be wholly unobserved. Columns of a DataFrame are
        read by their names; labels of its rows, if it has any, must be the times or those of `t`.
    x0 : mapping, array_like or None
        The state at `t0`; a Series is read by its labels.
    free : sequence of str, optional
        Parameters to fit, the others stay at the network's values. Default: all.
    start : mapping of str to float, optional
        Where to begin; default the network's values.
    bounds : mapping of str to (low, high), optional
        Default: from start / 1000 to start * 1000, and none with ``log=False``.
    log : bool, default True
        Fit logarithms: parameters stay positive, and steps are relative.
    n_starts : int, default 1
        Begin also at so many points less one, each parameter drawn within a factor of 10 of its start (evenly on
        the scale that is fitted; with ``log=False`` within ten times its size) and inside the bounds. The best end is
        returned.
    rng : None, int, SeedSequence or Generator
        Source of randomness (SPEC 7): an int repeats, the others move on. For the further starts.
    t0 : float, optional
        When the state is `x0`. Default: the first of `t`.
    method, rtol, atol, max_steps
        As in `solve`.

    Returns
    -------
    Fit

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used, or there are fewer observations than free parameters.

    Notes
    -----
    Trust-region least squares (`scipy.optimize.least_squares`) whose Jacobian are the forward sensitivities; a trial
    point with which the system can't be integrated counts as a step too far. Errors and intervals are the linear
    approximation, for errors of measurement that are independent, normal and of one size.
    Source: Su Jianlin (苏剑林), *貌离神合的RNN与ODE：花式RNN简介*, 2018,
    https://kexue.fm/archives/5643 (RNNs and ODEs; the competition of two species).

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.ode import fit
    >>> from fastcore.reactions import ReactionNetwork
    >>> decay = ReactionNetwork("A -> 0 @ k; k = 1")
    >>> found = fit(decay, [0, 1, 2, 3], {"A": [100, 61, 36, 22]}, x0={"A": 100})
    >>> found
    Fit(k=0.5043±0.0038, sse=0.593, dof=3)
    >>> found.equations()
    ['dA/dt = -0.5043*A']
    """
    if not isinstance(system, ReactionNetwork):
        raise TypeError(f"system must be a ReactionNetwork, got {type(system).__name__}")
    system.without_events("ode.fit")
    names = _free_names(system, free)
    times: NDArray[np.float64] = as_real(t, "t", ndim=1, dtype=np.float64, inf=False)
    if not len(times) or (np.diff(times) < 0).any():
        raise ValueError("t must hold rising times, at least one")
    begin = float(times[0]) if t0 is None else as_number(t0, "t0", high=float(times[0]))
    observed = _observations(system, t, times, data)
    own = None if x0 is None else as_amounts(x0, system.species)
    if x0 is None and system.x0 is None:
        system.starts(None)  # an error
    log = as_flag(log, "log")
    tries = as_index(n_starts, "n_starts", low=1)
    as_choice(method, "method", tuple(METHODS))
    tolerances = as_number(rtol, "rtol", low=0), as_number(atol, "atol", low=0, open_low=True)
    limit = as_index(max_steps, "max_steps", low=1)
    first, low, high = _start_and_bounds(system, names, start, bounds, log)
    columns = [system.species.index(name) for name in observed]
    measured = np.stack(list(observed.values()), axis=1)
    present = ~np.isnan(measured)
    n_observed = int(present.sum())
    if n_observed < len(names):
        raise ValueError(
            f"data must hold at least {len(names)} observations for {len(names)} free parameters, got {n_observed}"
        )
    counter = [0]

    def values(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(theta) if log else theta

    def evaluate(theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        counter[0] += 1
        with np.errstate(over="ignore"):
            chosen = values(theta)
        try:
            sol = integrate(
                system, own, (begin, float(times[-1])), times, dict(zip(names, chosen.tolist())), names, method,
                tolerances, limit,
            )  # fmt: skip
        except ValueError:  # a parameter or a rate that isn't one
            return None
        assert sol.sensitivities is not None
        slopes = sol.sensitivities[:, columns][present]
        with np.errstate(over="ignore"):
            found = (sol.x[:, columns] - measured)[present], slopes * chosen if log else slopes
        return found if np.isfinite(found[0]).all() and np.isfinite(found[1]).all() else None

    noise = tolerances[1] + tolerances[0] * float(np.abs(measured[present]).max())
    begins = starts(first, low, high, log, tries, np.random.default_rng(stream_key(rng)))
    found = minimise(evaluate, begins, low, high, units_of(first, log), 10 * noise)
    if found is None:
        raise ValueError("start must be values with which the system can be integrated over all of t")
    best = values(found.theta)
    jacobian = found.jacobian / best if log else found.jacobian
    sse = float(found.residuals @ found.residuals)
    dof = n_observed - len(names)
    covariance = covariance_of(jacobian, sse, dof)
    pinned = [name for name, there in zip(names, at_bounds(found.theta, low, high)) if there]
    outside = [name for name in pinned if log and name not in (bounds or {})]
    message = found.message
    if pinned:
        message = f"{', '.join(pinned)} ended at a bound{' of start / 1000 or start * 1000' * bool(outside)}; {message}"
    table = np.full(measured.shape, np.nan)
    table[present] = found.residuals
    return Fit(
        params=dict(zip(names, best.tolist())),
        stderr=dict(zip(names, np.sqrt(np.diag(covariance)).tolist())),
        sse=sse,
        covariance=covariance,
        dof=dof,
        residuals={name: table[:, i].copy() for i, name in enumerate(observed)},
        nfev=counter[0],
        success=found.converged and not outside,
        message=message,
        log=log,
        network=system,
        x0=system.starts(own, dict(zip(names, best.tolist())))[0],
        t0=begin,
        t=times,
        data=observed,
        sse_of_starts=found.sse,
    )


def _free_names(network: ReactionNetwork, free: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(network.params) if free is None else as_names(free, "free")
    for name in names:
        if name not in network.params:
            known = network.params
            raise ValueError(f"free must name parameters of {shown(known)}, got {name!r}{meant(name, known)}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"free must name at least one parameter, each once, got {list(names)}")
    return names


def _observations(
    network: ReactionNetwork, t: ArrayLike, times: NDArray[np.float64], data: Any
) -> dict[str, NDArray[np.float64]]:
    _check_rows(t, times, data, "data")
    data = by_label(data, "data")
    if not isinstance(data, Mapping):
        raise TypeError(f"data must map species to measured amounts, got {type(data).__name__}")
    observed = {}
    for name, given in data.items():
        if name not in network.species:
            known = network.species
            raise ValueError(f"data must name species of {shown(known)}, got {name!r}{meant(name, known)}")
        _check_rows(t, times, given, f"data[{name!r}]")
        observed[name] = as_real(
            given, f"data[{name!r}]", shape=(len(times),), dtype=np.float64, nan=True, inf=False
        ).copy()
    if not observed:
        raise ValueError("data must hold at least one species, got none")
    return observed


def _check_rows(t: ArrayLike, times: NDArray[np.float64], given: Any, name: str) -> None:
    """Rows that have labels must be in the order of the times: labelled by them, or as `t` is."""
    rows = row_labels(given)
    if rows is None or np.array_equal(rows, times):
        return
    of_times = row_labels(t)
    if of_times is None or not np.array_equal(rows, of_times):
        raise ValueError(f"the rows of {name} must be labelled with the times, or as t is, got {rows.tolist()[:5]}")


def _start_and_bounds(
    network: ReactionNetwork,
    names: Sequence[str],
    start: Any,
    bounds: Mapping[str, tuple[float, float]] | None,
    log: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    start = by_label(start, "start")
    for label, given in (("start", start), ("bounds", bounds)):
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(f"{label} must be a mapping of parameters, got {type(given).__name__}")
        for name in given or ():
            if name not in names:
                raise ValueError(f"{label} must name free parameters, {shown(names)}, got {name!r}{meant(name, names)}")
    given_start, given_bounds = start or {}, bounds or {}
    rows = []
    for name in names:
        value = as_number(given_start.get(name, network.params[name]), f"start[{name!r}]", low=0 if log else None,
                          open_low=log)  # fmt: skip
        try:
            low, high = given_bounds.get(name, (value / _WIDE, value * _WIDE) if log else (-np.inf, np.inf))
            low, high = float(low), float(high)
        except (TypeError, ValueError):
            raise ValueError(f"bounds[{name!r}] must be (low, high), got {given_bounds[name]!r}") from None
        if not low < high or (log and low < 0) or not low <= value <= high:
            raise ValueError(
                f"bounds[{name!r}] must be low < high around the start, {value}"
                f"{', and not negative with log=True' if log else ''}, got ({low}, {high})"
            )
        rows.append((value, low, high))
    table = np.array(rows).T
    with np.errstate(divide="ignore"):
        value, low, high = np.log(table) if log else table
    return value, low, high


def equations(network: ReactionNetwork, params: Mapping[str, Any] | None = None) -> list[str]:
    """The deterministic equations of a network as text, one a species, ``dA/dt = 2 - 0.5*A``.

    Parameters
    ----------
    network : ReactionNetwork
    params : mapping, optional
        Values instead of the defaults.

    Returns
    -------
    list of str
        ``"dX/dt = ..."`` for each species, in the network's order.

    Raises
    ------
    ValueError
        If `params` names a parameter that the network doesn't have.

    Examples
    --------
    >>> from fastcore.ode import equations
    >>> from fastcore.reactions import ReactionNetwork
    >>> equations(ReactionNetwork("0 -> m @ 20; m -> 0 @ 1"))
    ['dm/dt = 20 - 1*m']
    """
    constants = network.one_set(params)
    values = {name: f"{float(value):.4g}" for name, value in network.param_values(params).items()}
    terms: list[dict[str, float]] = [{} for _ in network.species]
    tables = network.tables
    for j, constant in enumerate(constants):
        if j in network.programs:
            constant, monomial = 1.0, network.written_program(j, values)
        else:
            at = slice(tables.factor_at[j], tables.factor_at[j + 1])
            factors = Counter(zip(tables.factor[at].tolist(), tables.shift[at].tolist()))
            named = [(network.species[i] if not less else f"({network.species[i]} - {less:.0f})", n)
                     for (i, less), n in factors.items()]  # fmt: skip
            monomial = "*".join(name if n == 1 else f"{name}**{n}" for name, n in sorted(named))
        changes = slice(tables.change_at[j], tables.change_at[j + 1])
        for i, by in zip(tables.changed[changes].tolist(), tables.by[changes].tolist()):
            terms[i][monomial] = terms[i].get(monomial, 0.0) + by * float(constant)
    lines = []
    for name, found in zip(network.species, terms):
        text = ""
        for monomial, coefficient in found.items():
            sign = "-" if coefficient < 0 else "+"
            number = f"{abs(coefficient):.4g}" + (f"*{monomial}" if monomial else "")
            text += f" {sign} {number}" if text else ("-" if sign == "-" else "") + number
        lines.append(f"d{name}/dt = {text or '0'}")
    return lines
