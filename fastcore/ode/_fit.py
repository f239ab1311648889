"""Parameters of a network from measured amounts: nonlinear least squares with exact sensitivities."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._extras import require
from .._labelled import by_label, meant, shown
from .._random import RNG, stream_key
from .._validation import all_finite, as_flag, as_index, as_list, as_names, as_number, as_real
from ..reactions import ReactionNetwork
from ..reactions._states import State
from ._expressions import Equations, ExpressionSystem, a_network
from ._integrate import How, as_how, integrate
from ._measured import Experiment, Measured, measured
from ._profile import Profile, profiled
from ._search import at_bounds, covariance_of, minimise, rank_of, reach_of, starts, units_of
from ._solve import Solution, solve

# Without bounds, logarithms are fitted between the start over this and the start times this.
_WIDE = 1000.0


@dataclass(frozen=True)
class Problem:
    """Residuals of all experiments as a function of what is fitted: parameters and initial amounts, or logarithms."""

    network: ReactionNetwork
    names: tuple[str, ...]
    log: bool
    experiments: tuple[Measured, ...]
    how: How

    @property
    def n(self) -> int:
        return sum(experiment.n for experiment in self.experiments)

    def values(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):
            return np.exp(theta) if self.log else theta

    def params(self, values: NDArray[np.float64]) -> dict[str, float]:
        """The parameters among the values, without initial amounts."""
        return {name: value for name, value in zip(self.names, values.tolist()) if name in self.network.params}

    def amounts(self, values: NDArray[np.float64]) -> dict[str, float]:
        """The initial amounts among the values."""
        return {name: value for name, value in zip(self.names, values.tolist()) if name not in self.network.params}

    def start_of(self, experiment: Measured, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How an experiment begins."""
        begin = self.network.starts(experiment.x0, {**experiment.params, **self.params(values)})[0].copy()
        for name, value in self.amounts(values).items():
            begin[self.network.species.index(name)] = value
        return begin

    def evaluate(self, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Weighted residuals and their derivatives, or None where a system can't be integrated."""
        values = self.values(theta)
        residuals, slopes = [], []
        for experiment in self.experiments:
            params = {**experiment.params, **self.params(values)}
            try:
                sol = integrate(
                    self.network, experiment.x0, experiment.span, experiment.t, params, self.names, self.how,
                    own=self.amounts(values),
                )  # fmt: skip
            except ValueError:  # a parameter or a rate that isn't one
                return None
            assert sol.slopes is not None
            places, factors = experiment.places, experiment.factors
            residuals.append((sol.x.ravel().take(places) - experiment.wanted) * factors)
            slopes.append(sol.slopes.reshape(-1, len(self.names)).take(places, axis=0) * factors[:, None])
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.concatenate(residuals), np.concatenate(slopes) * (values if self.log else 1.0)
        return found if all(map(all_finite, found)) else None


@dataclass(frozen=True, repr=False)
class Fit:
    """Fitted parameters.

    Attributes
    ----------
    params : dict of str to float
        Values of the free parameters (and initial amounts).
    stderr : dict of str to float
        Their standard errors.
    sse : float
        Sum of squared residuals, each times its weight.
    covariance : ndarray of shape (k, k)
        ``sse / dof * inv(J.T @ J)`` in the order of `params`; infinite along what the data don't determine, and only
        there.
    dof : int
        Observations minus free parameters.
    residuals : dict of str to ndarray, or tuple of such
        Model minus data for each observed species, NaN where the data are missing; one dict an experiment, if there are
        several.
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
    residuals: dict[str, NDArray[np.float64]] | tuple[dict[str, NDArray[np.float64]], ...]
    nfev: int
    success: bool
    message: str
    log: bool
    network: ReactionNetwork
    sse_of_starts: NDArray[np.float64]
    _problem: Problem
    _bounds: tuple[NDArray[np.float64], NDArray[np.float64]]
    _asked: tuple[str, ...]

    @property
    def x0(self) -> NDArray[np.float64]:
        """Initial amounts of the (first) experiment, fitted ones among them."""
        return self._begin(0)

    @property
    def t0(self) -> float:
        return self._problem.experiments[0].t0

    @property
    def t(self) -> NDArray[np.float64]:
        return self._problem.experiments[0].t

    @property
    def data(self) -> dict[str, NDArray[np.float64]]:
        return self._problem.experiments[0].data

    def _begin(self, i: int) -> NDArray[np.float64]:
        return self._problem.start_of(self._problem.experiments[i], np.array(list(self.params.values())))

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

    def profile(self, name: str, *, level: float = 0.95, n: int = 20, reach: float = 1000.0) -> Profile:
        """The least sum of squares for given values of one parameter, and the interval in which it is credible.

        Parameters
        ----------
        name : str
            One of `params`.
        level : float, default 0.95
            Level of confidence of the interval.
        n : int, default 20
            Values tried on either side at most.
        reach : float, default 1000
            An end of the interval that isn't found within this factor of the value (with ``log=False`` this many
            times its size) is infinite, or 0.

        Returns
        -------
        Profile

        Raises
        ------
        TypeError, ValueError
            If an argument can't be used, or no degree of freedom is left.

        Notes
        -----
        The interval holds the values with which the sum of squares, all else fitted anew, is at most
        ``sse * (1 + F / dof)``, where F is the quantile of the F distribution with 1 and `dof` degrees of freedom:
        other than `confint`, it doesn't take the model for linear. Source: Bates and Watts, *Nonlinear Regression
        Analysis and Its Applications*, 1988, 6.1.
        """
        if name not in self.params:
            raise ValueError(f"name must be one of {shown(self.params)}, got {name!r}{meant(name, self.params)}")
        level = as_number(level, "level", low=0, high=1)
        turns, reach = as_index(n, "n", low=1), as_number(reach, "reach", low=1, open_low=True)
        if self.dof <= 0:
            raise ValueError("a profile needs more observations than free parameters")
        values = np.array(list(self.params.values()))
        place = list(self.params).index(name)
        error = self.stderr[name] / values[place] if self.log else self.stderr[name]
        # Bounds that weren't asked for only kept the search together.
        asked = np.array([other in self._asked for other in self.params])
        bounds = np.where(asked, self._bounds[0], -np.inf), np.where(asked, self._bounds[1], np.inf)
        return profiled(self._problem, values, place, error, self.sse, self.dof, bounds, level, turns, reach)

    def solve(self, t_eval: ArrayLike, experiment: int = 0) -> Solution:
        """The fitted curve at given times (not before t0), of one of several experiments."""
        i = as_index(experiment, "experiment", high=len(self._problem.experiments) - 1)
        times = as_real(t_eval, "t_eval", ndim=1, dtype=np.float64, inf=False)
        of, how = self._problem.experiments[i], self._problem.how
        end = float(times[-1]) if len(times) else of.t0
        params = {**of.params, **self._problem.params(np.array(list(self.params.values())))}
        method, step = (how.method, how.step) if how.step else ("auto", None)
        return solve(self.network, self._begin(i), (of.t0, end), times, params=params, method=method, step=step)

    def equations(self) -> list[str]:
        """The fitted equations as text, one a species."""
        return equations(self.network, self._problem.params(np.array(list(self.params.values()))))

    def plot(self, axes: Any = None, experiment: int = 0) -> Any:
        """Draw data and fitted curves of one experiment; return the axes."""
        if axes is None:
            axes = require("matplotlib.figure", "plot", "plot").Figure(layout="constrained").subplots()
        i = as_index(experiment, "experiment", high=len(self._problem.experiments) - 1)
        of = self._problem.experiments[i]
        curve = self.solve(np.linspace(*of.span, 201), i)
        for i, name in enumerate(self.network.species):
            axes.plot(curve.t, curve[name], color=f"C{i % 10}", label=name)
            if name in of.data:
                axes.plot(of.t, of.data[name], "o", color=f"C{i % 10}")
        axes.set(xlabel="t", ylabel="amount")
        axes.legend()
        return axes


def fit(
    system: ReactionNetwork | ExpressionSystem,
    t: ArrayLike | None = None,
    data: Mapping[str, ArrayLike] | Any | None = None,
    *,
    x0: State | None = None,
    free: Sequence[str] | None = None,
    start: Mapping[str, float] | Any | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    log: bool = True,
    n_starts: int = 1,
    rng: RNG = None,
    t0: float | None = None,
    weights: Mapping[str, ArrayLike] | Any | None = None,
    experiments: Iterable[Experiment] | None = None,
    method: str = "auto",
    rtol: float = 1e-8,
    atol: ArrayLike | None = None,
    step: float | None = None,
    max_steps: int = 100_000,
) -> Fit:
    """Fit parameters of a network to amounts measured over time.

    Parameters
    ----------
    system : ReactionNetwork or ExpressionSystem
        Its rates name the parameters, ``2 X -> X @ r / N``.
    t : array_like of shape (n_t,)
        Rising times of the measurements.
    data : mapping of str to array_like of shape (n_t,), or table
        Species to measured amounts; NaN is missing, and a species may be wholly unobserved. Columns of a DataFrame are
        read by their names; labels of its rows, if it has any, must be the times or those of `t`.
    x0 : mapping, array_like or None
        The state at `t0`; a Series is read by its labels; None is the network's own.
    free : sequence of str, optional
        Parameters to fit, the others stay at the network's values; species among them: their initial amounts are
        fitted too (all experiments share them). Default: all parameters.
    start : mapping of str to float, optional
        Where to begin; default the network's values, and the amounts in `x0`.
    bounds : mapping of str to (low, high), optional
        Default: from start / 1000 to start * 1000. With ``log=False`` none, but from 0 on for initial amounts, and for
        parameters with which a rate would be refused below 0.
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
    weights : mapping of str to float or array_like of shape (n_t,), or table, optional
        What squared residuals of a species are multiplied by, 1 / sigma**2 for errors of size sigma; 0 leaves out.
        Default: 1.
    experiments : iterable of Experiment, optional
        Several experiments instead of `t`, `data`, `x0`, `t0` and `weights`.
    method, rtol, atol, step, max_steps
        As in `solve`; `atol` None is 1e-9, or 1e-10 of the largest amount that was measured where that is less.

    Returns
    -------
    Fit

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used, or no start can be integrated.

    Warns
    -----
    RuntimeWarning
        If there are fewer observations than free parameters: the rank says how many of them are determined.

    Notes
    -----
    Least squares by the method of Levenberg and Marquardt with a trust region, whose Jacobian are the forward
    sensitivities; a trial point with which the system can't be integrated counts as a step too far, and no step changes
    logarithms by more than about 1. Errors and intervals are the linear approximation, for errors of measurement that
    are independent, normal and of one size.
    Sources: J. J. Moré, *The Levenberg-Marquardt algorithm: implementation and theory*, in *Numerical Analysis*,
    Lecture Notes in Mathematics 630, 1978, 105-116;
    Su Jianlin (苏剑林), *貌离神合的RNN与ODE：花式RNN简介*, 2018,
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
    system = a_network(system)
    system.without_events("ode.fit")
    names = free_names(system, free)
    log = as_flag(log, "log")
    tries = as_index(n_starts, "n_starts", low=1)
    if experiments is None:
        runs = [measured(system, Experiment(_given(t, "t"), _given(data, "data"), x0, None, weights, t0), names)]
    else:
        for label, given in {"t": t, "data": data, "x0": x0, "t0": t0, "weights": weights}.items():
            if given is not None:
                raise TypeError(f"{label} must be given in the experiments, or instead of them")
        runs = _several(system, experiments, names)
    if atol is None:
        largest = max(float(np.abs(run.wanted).max(initial=0.0)) for run in runs)
        atol = min(1e-9, 1e-10 * largest) if largest > 1e-290 else 1e-9
    how = as_how(method, rtol, atol, max_steps, step, system.species, runs[0].span)
    problem = Problem(system, names, log, tuple(runs), how)
    if not problem.n:
        raise ValueError(f"data must hold at least 1 observations for {len(names)} free parameters, got 0")
    first, low, high = start_and_bounds(problem, start, bounds)
    noise = max(run.noise(how.rtol, float(how.atol.max())) for run in runs)
    counter = [0]

    def evaluate(theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        counter[0] += 1
        return problem.evaluate(theta)

    begins = starts(first, low, high, log, tries, np.random.default_rng(stream_key(rng)))
    found = minimise(evaluate, begins, low, high, units_of(first, log), reach_of(log), 10 * noise)
    if found is None:
        raise ValueError("start must be values with which the system can be integrated over all of t")
    best = problem.values(found.theta)
    jacobian = found.jacobian / best if log else found.jacobian
    sse = float(found.residuals @ found.residuals)
    dof = problem.n - len(names)
    if dof < 0:
        warnings.warn(
            f"{problem.n} observations for {len(names)} free parameters: at most {rank_of(jacobian)} combinations of "
            f"them are determined (the rank), and none has an error",
            RuntimeWarning,
            stacklevel=2,
        )
    covariance = covariance_of(jacobian, sse, dof)
    pinned = [name for name, there in zip(names, at_bounds(found.theta, low, high)) if there]
    outside = [name for name in pinned if log and name not in (bounds or {})]
    message = found.message
    if pinned:
        message = f"{', '.join(pinned)} ended at a bound{' of start / 1000 or start * 1000' * bool(outside)}; {message}"
    cuts = np.cumsum([run.n for run in runs])[:-1]
    tables = tuple(run.table(part) for run, part in zip(runs, np.split(found.residuals, cuts)))
    return Fit(
        params=dict(zip(names, best.tolist())),
        stderr=dict(zip(names, np.sqrt(np.diag(covariance)).tolist())),
        sse=sse,
        covariance=covariance,
        dof=dof,
        residuals=tables[0] if experiments is None else tables,
        nfev=counter[0],
        success=found.converged and not outside,
        message=message,
        log=log,
        network=system,
        sse_of_starts=found.sse,
        _problem=problem,
        _bounds=(low, high),
        _asked=tuple(bounds or ()),
    )


def _given(value: Any, name: str) -> Any:
    if value is None:
        raise TypeError(f"{name} must be given, or experiments")
    return value


def _several(network: ReactionNetwork, given: Iterable[Experiment], names: Sequence[str]) -> list[Measured]:
    runs = []
    for i, experiment in enumerate(as_list(given, "experiments", "a list of Experiment")):
        if not isinstance(experiment, Experiment):
            raise TypeError(f"experiments must hold Experiment, got {type(experiment).__name__}")
        runs.append(measured(network, experiment, names, f"experiments[{i}]: "))
    if not runs:
        raise ValueError("experiments must hold at least one, got none")
    return runs


def free_names(network: ReactionNetwork, free: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(network.params) if free is None else as_names(free, "free")
    for name in names:
        if name not in network.params and name not in network.species:
            known = (*network.params, *network.species)
            raise ValueError(
                f"free must name parameters or species of {shown(known)}, got {name!r}{meant(name, known)}"
            )
    if not names or len(set(names)) < len(names):
        raise ValueError(f"free must name at least one parameter, each once, got {list(names)}")
    return names


def start_and_bounds(
    problem: Problem, start: Any, bounds: Mapping[str, tuple[float, float]] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    names, log = problem.names, problem.log
    defaults = _defaults(problem)
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
        value = as_number(given_start.get(name, defaults[name]), f"start[{name!r}]", low=0 if log else None,
                          open_low=log)  # fmt: skip
        try:
            if name in given_bounds:
                low, high = given_bounds[name]
            else:
                low, high = (value / _WIDE, value * _WIDE) if log else (_lowest(problem, name, value), np.inf)
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


def _lowest(problem: Problem, name: str, value: float) -> float:
    """0 for initial amounts and for parameters that must not be below it, else minus infinity."""
    if value < 0:
        return -np.inf
    if name not in problem.network.params:
        return 0.0
    # Not if the limit is elsewhere, as of a in a rate a - b.
    fine, near = [], 1e-6 * value or 1.0
    for tried in (near, -near):
        try:
            problem.network.columns({**problem.network.params, **problem.experiments[0].params, name: tried}, ())
        except ValueError:
            fine.append(False)
        else:
            fine.append(True)
    return 0.0 if fine == [True, False] else -np.inf


def _defaults(problem: Problem) -> dict[str, float]:
    """Where parameters and initial amounts begin that have no start of their own."""
    network, run = problem.network, problem.experiments[0]
    found = dict(network.params)
    amounts = run.x0
    if amounts is None and any(name not in network.params for name in problem.names):
        amounts = network.starts(None, run.params)[0]
    if amounts is not None:
        found.update((name, float(value)) for name, value in zip(network.species, amounts))
    return found


def equations(network: ReactionNetwork | ExpressionSystem, params: Mapping[str, Any] | None = None) -> list[str]:
    """The deterministic equations of a network as text, one a species, ``dA/dt = 2 - 0.5*A``.

    Parameters
    ----------
    network : ReactionNetwork or ExpressionSystem
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
    network = a_network(network)
    constants = network.one_set(params)
    values = {name: f"{float(value):.4g}" for name, value in network.param_values(params).items()}
    if isinstance(network, Equations):
        written = network.written(values)
        return [f"d{name}/dt = {written.get(name, '0')}" for name in network.species]
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
