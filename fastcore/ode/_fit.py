"""Parameters of a network from measured amounts: nonlinear least squares with exact sensitivities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from .._extras import require
from .._validation import as_flag, as_names, as_number, as_real
from ..reactions import ReactionNetwork
from ..reactions._network import State, as_amounts
from ..reactions._simulate import initial_state
from ._solve import Solution, solve


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
        ``sse / dof * inv(J.T @ J)`` in the order of `params`; infinite where the data don't determine the parameters.
    dof : int
        Observations minus free parameters.
    residuals : dict of str to ndarray
        Model minus data for each observed species, NaN where the data are missing.
    nfev : int
        How often the system was integrated.
    success : bool
        Whether the optimiser converged.
    message : str
        What it said.
    log : bool
        Whether logarithms of the parameters were fitted.
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

    def __repr__(self) -> str:
        values = ", ".join(f"{k}={v:.4g}±{self.stderr[k]:.2g}" for k, v in self.params.items())
        return f"Fit({values}, sse={self.sse:.4g}, dof={self.dof})"

    def confint(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Confidence intervals from the t distribution, symmetric on the scale that was fitted."""
        level = as_number(level, "level", low=0, high=1)
        found = {}
        quantile = float(stats.t.ppf(0.5 + level / 2, self.dof)) if self.dof > 0 else np.inf
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
    data: Mapping[str, ArrayLike],
    *,
    x0: State | None,
    free: Sequence[str] | None = None,
    start: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    log: bool = True,
    t0: float | None = None,
    method: str = "auto",
    rtol: float = 1e-8,
    atol: float = 1e-9,
) -> Fit:
    """Fit parameters of a network to amounts measured over time.

    Parameters
    ----------
    system : ReactionNetwork
        Its rates name the parameters, ``2 X -> X @ r / N``.
    t : array_like of shape (n_t,)
        Rising times of the measurements.
    data : mapping of str to array_like of shape (n_t,)
        Species to measured amounts; NaN is missing, and a species may be wholly unobserved.
    x0 : mapping, array_like or None
        The state at `t0`.
    free : sequence of str, optional
        Parameters to fit, the others stay at the network's values. Default: all.
    start : mapping of str to float, optional
        Where to begin; default the network's values.
    bounds : mapping of str to (low, high), optional
    log : bool, default True
        Fit logarithms: parameters stay positive, and steps are relative.
    t0 : float, optional
        When the state is `x0`. Default: the first of `t`.
    method, rtol, atol
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
    Trust-region least squares (`scipy.optimize.least_squares`) whose Jacobian are the forward sensitivities. Errors
    and intervals are the linear approximation, for errors of measurement that are independent, normal and of one size.
    Source: Su Jianlin, "Chemical reaction models", 2019 (the competition of two species).

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
    names = _free_names(system, free)
    times: NDArray[np.float64] = as_real(t, "t", ndim=1, dtype=np.float64, inf=False)
    if not len(times) or (np.diff(times) < 0).any():
        raise ValueError("t must hold rising times, at least one")
    begin = float(times[0]) if t0 is None else as_number(t0, "t0", high=float(times[0]))
    observed = _observations(system, times, data)
    amounts = as_amounts(initial_state(system, x0), system.species)
    log = as_flag(log, "log")
    first, low, high = _start_and_bounds(system, names, start, bounds, log)
    columns = [system.species.index(name) for name in observed]
    measured = np.stack(list(observed.values()), axis=1)
    present = ~np.isnan(measured)
    n_observed = int(present.sum())
    if n_observed < len(names):
        raise ValueError(
            f"data must hold at least {len(names)} observations for {len(names)} free parameters, got {n_observed}"
        )
    last: dict[bytes, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    counter = [0]

    def values(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(theta) if log else theta

    def evaluate(theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        key = theta.tobytes()
        if key not in last:
            last.clear()
            counter[0] += 1
            chosen = values(theta)
            sol = solve(
                system, amounts, (begin, float(times[-1])), times, params=dict(zip(names, chosen.tolist())),
                method=method, rtol=rtol, atol=atol, sensitivities=names,
            )  # fmt: skip
            assert sol.sensitivities is not None
            slopes = sol.sensitivities[:, columns][present]
            last[key] = ((sol.x[:, columns] - measured)[present], slopes * chosen if log else slopes)
        return last[key]

    if not np.isfinite(evaluate(first)[0]).all():
        raise ValueError("start must be values with which the system can be integrated over all of t")

    def residuals_at(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return evaluate(theta)[0]

    def jacobian_at(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return evaluate(theta)[1]

    found = optimize.least_squares(
        residuals_at,
        first,
        jacobian_at,
        bounds=(low, high),
        x_scale="jac",
        ftol=1e-12,
        xtol=1e-12,
        gtol=1e-12,
    )
    best = values(found.x)
    residuals, jacobian = evaluate(found.x)
    if log:
        jacobian = jacobian / best
    sse = float(residuals @ residuals)
    dof = n_observed - len(names)
    covariance = _covariance(jacobian, sse, dof)
    table = np.full(measured.shape, np.nan)
    table[present] = residuals
    return Fit(
        params=dict(zip(names, best.tolist())),
        stderr=dict(zip(names, np.sqrt(np.diag(covariance)).tolist())),
        sse=sse,
        covariance=covariance,
        dof=dof,
        residuals={name: table[:, i].copy() for i, name in enumerate(observed)},
        nfev=counter[0],
        success=bool(found.success),
        message=str(found.message),
        log=log,
        network=system,
        x0=amounts,
        t0=begin,
        t=times,
        data=observed,
    )


def _free_names(network: ReactionNetwork, free: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(network.params) if free is None else as_names(free, "free")
    for name in names:
        if name not in network.params:
            raise ValueError(f"free must name parameters of {list(network.params)}, got {name!r}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"free must name at least one parameter, each once, got {list(names)}")
    return names


def _observations(
    network: ReactionNetwork, times: NDArray[np.float64], data: Mapping[str, ArrayLike]
) -> dict[str, NDArray[np.float64]]:
    if not isinstance(data, Mapping):
        raise TypeError(f"data must map species to measured amounts, got {type(data).__name__}")
    observed = {}
    for name, given in data.items():
        if name not in network.species:
            raise ValueError(f"data must name species of {list(network.species)}, got {name!r}")
        observed[name] = as_real(
            given, f"data[{name!r}]", shape=(len(times),), dtype=np.float64, nan=True, inf=False
        ).copy()
    if not observed:
        raise ValueError("data must hold at least one species, got none")
    return observed


def _start_and_bounds(
    network: ReactionNetwork,
    names: Sequence[str],
    start: Mapping[str, float] | None,
    bounds: Mapping[str, tuple[float, float]] | None,
    log: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    for label, given in (("start", start), ("bounds", bounds)):
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(f"{label} must be a mapping of parameters, got {type(given).__name__}")
        for name in given or ():
            if name not in names:
                raise ValueError(f"{label} must name free parameters, {list(names)}, got {name!r}")
    given_start, given_bounds = start or {}, bounds or {}
    rows = []
    for name in names:
        value = as_number(given_start.get(name, network.params[name]), f"start[{name!r}]", low=0 if log else None,
                          open_low=log)  # fmt: skip
        try:
            low, high = given_bounds.get(name, (0.0 if log else -np.inf, np.inf))
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


def _covariance(jacobian: NDArray[np.float64], sse: float, dof: int) -> NDArray[np.float64]:
    k = jacobian.shape[1]
    scale = np.linalg.norm(jacobian, axis=0)
    scale[scale == 0] = 1.0
    _, sizes, rotation = np.linalg.svd(jacobian / scale, full_matrices=False)
    if dof <= 0 or sizes[-1] <= sizes[0] * 1e-10:
        return np.full((k, k), np.inf)
    half = rotation / sizes[:, None] / scale
    return np.asarray(half.T @ half * (sse / dof))


def equations(network: ReactionNetwork, params: Mapping[str, Any] | None = None) -> list[str]:
    """The deterministic equations of a network as text, one a species, ``dA/dt = 2 - 0.5*A``.

    Parameters
    ----------
    network : ReactionNetwork
        A mass-action network.
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
    constants = network.constants(params)
    terms: list[dict[str, float]] = [{} for _ in network.species]
    for constant, reaction, change in zip(constants, network.reactions, network.stoichiometry.T):
        factors = [name if n == 1 else f"{name}**{n}" for name, n in sorted(reaction.reactants.items())]
        monomial = "*".join(factors)
        for i in np.flatnonzero(change):
            terms[i][monomial] = terms[i].get(monomial, 0.0) + float(change[i] * constant)
    lines = []
    for name, found in zip(network.species, terms):
        text = ""
        for monomial, coefficient in found.items():
            sign = "-" if coefficient < 0 else "+"
            number = f"{abs(coefficient):.4g}" + (f"*{monomial}" if monomial else "")
            text += f" {sign} {number}" if text else ("-" if sign == "-" else "") + number
        lines.append(f"d{name}/dt = {text or '0'}")
    return lines
