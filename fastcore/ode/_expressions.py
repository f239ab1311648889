"""Systems written as equations, one expression a variable; they run on what runs rates of reactions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import active_backend
from .._validation import as_number
from ..reactions import ReactionNetwork
from ..reactions._expressions import Expression
from ..reactions._laws import Law, Laws
from ..reactions._states import State, as_amounts

_EQUATION = re.compile(r"\s*(?:d\s*([^\W\d]\w*)\s*/\s*dt|([^\W\d]\w*)\s*')\s*=(?!=)(.*)", re.DOTALL)


class Equations(ReactionNetwork):
    """A network that makes every variable from nothing at the rate that its equation gives, of any sign."""

    def _law(self, laws: Laws, rate: Expression, reactants: Mapping[str, int], scale: float) -> Law:
        return laws.program(rate)

    def written(self, values: Mapping[str, str]) -> dict[str, str]:
        """Each variable's right-hand side, with other texts for some names."""
        return {
            name: self.written_program(j, values)[1:-1]
            for j, reaction in enumerate(self.reactions)
            for name in reaction.products
        }


class ExpressionSystem:
    """Ordinary differential equations as expressions, ``x' = sigma*(y - x)``.

    Parameters
    ----------
    equations : str or mapping of str to str
        Text with an equation a line, ``x' = ...`` or ``dx/dt = ...``; ``name = number`` gives a parameter, or the
        initial value if it names a variable, which may also be an expression; ``k = ?`` declares a parameter whose
        value comes with the call; ``#`` starts a comment and ``;`` may stand for a line end. Or a mapping of variables
        to their right-hand sides.
    params : mapping of str to float, optional
        Values of parameters; they go before those in the text.

    Attributes
    ----------
    species : tuple of str
        The variables, in order.
    params : Mapping of str to float
        The parameters' default values, in order; NaN for one that has none.
    x0 : Mapping of str to float or None
        Initial values of all variables, if the text gave any.

    Raises
    ------
    TypeError, ValueError
        If the equations can't be read (the line is named), a variable has two, or a name has no value.

    Notes
    -----
    Expressions are those of rates of reactions (see `fastcore.reactions.ReactionNetwork`), compiled once to flat
    programs; their derivatives are exact. ``t`` is the time.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.ode import ExpressionSystem, solve
    >>> lorenz = ExpressionSystem('''
    ...     x' = sigma*(y - x)
    ...     y' = x*(rho - z) - y
    ...     z' = x*y - beta*z
    ...     sigma = 10; rho = 28; beta = 8/3
    ... ''')
    >>> lorenz
    ExpressionSystem(x, y, z)
    >>> np.round(solve(lorenz, [1, 1, 1], (0, 1), [1]).x, 3)
    array([[-9.379, -8.357, 29.362]])
    """

    def __init__(self, equations: str | Mapping[str, str], *, params: Mapping[str, float] | None = None) -> None:
        if isinstance(equations, Mapping):
            lines = []
            for name, text in equations.items():
                if not isinstance(name, str) or not name.isidentifier() or not isinstance(text, str):
                    raise TypeError(f"equations must map names to expressions, got {name!r}: {text!r}")
                lines.append(f"0 -> {name} @ {text}")
            text = "\n".join(lines)
        elif isinstance(equations, str):
            text = _as_reactions(equations)
        else:
            raise TypeError(f"equations must be a str or a mapping, got {type(equations).__name__}")
        if "->" not in text:
            raise ValueError('equations must hold at least one, such as "x\' = -k*x", got none')
        self._network = Equations(text, params=params)
        given = [name for reaction in self._network.reactions for name in reaction.products]
        for name in given:
            if given.count(name) > 1:
                raise ValueError(f"equations must give {name!r} one right-hand side, got {given.count(name)}")

    @property
    def network(self) -> ReactionNetwork:
        """What runs it."""
        return self._network

    @property
    def species(self) -> tuple[str, ...]:
        return self._network.species

    @property
    def params(self) -> Mapping[str, float]:
        return self._network.params

    @property
    def x0(self) -> Mapping[str, float] | None:
        return self._network.x0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.species[:8])}{', ...' if len(self.species) > 8 else ''})"

    def with_params(self, params: Mapping[str, float]) -> ExpressionSystem:
        """The same equations with other default values of some parameters."""
        changed = copy(self)
        network = self._network.with_params(params)
        assert isinstance(network, Equations)
        changed._network = network
        return changed

    def rhs(self, x: State, t: float = 0.0, params: Mapping[str, Any] | ArrayLike | None = None) -> NDArray[np.float64]:
        """The right-hand side, dx/dt, shape (n_species,)."""
        return self._network.rhs(x, t, params)


def _as_reactions(text: str) -> str:
    """Equations as reactions that make a variable from nothing; all other lines as they are."""
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.partition("#")[0].split(";")
        for i, part in enumerate(parts):
            if "->" in part:
                raise ValueError(
                    f"line {number}: expected \"x' = expression\" or 'name = number', got {part.strip()!r}"
                )
            if "''" in part:
                raise ValueError(
                    f"line {number}: equations must be of the first order, x' = v and v' = ..., got {part.strip()!r}"
                )
            if match := _EQUATION.fullmatch(part):
                if not match[3].strip():
                    raise ValueError(f'line {number}: expected "x\' = expression", got {part.strip()!r}')
                parts[i] = f"0 -> {match[1] or match[2]} @ {match[3].strip()}"
        lines.append(";".join(parts))
    return "\n".join(lines)


def network_of(system: object) -> ReactionNetwork | None:
    """What runs a system, or None for a function."""
    if isinstance(system, ExpressionSystem):
        return system.network
    return system if isinstance(system, ReactionNetwork) else None


def a_network(system: object) -> ReactionNetwork:
    """What runs a system, or an error for anything else."""
    found = network_of(system)
    if found is None:
        raise TypeError(f"system must be a ReactionNetwork or an ExpressionSystem, got {type(system).__name__}")
    return found


def jacobian(
    system: ReactionNetwork | ExpressionSystem,
    x: State,
    t: float = 0.0,
    params: Mapping[str, Any] | ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Exact derivatives of the right-hand side by the amounts.

    Parameters
    ----------
    system : ReactionNetwork or ExpressionSystem
    x : mapping or array_like of shape (n_species,)
        Amounts; species that a mapping doesn't name are 0.
    t : float
        The time, for rates that name it.
    params : mapping or array_like of shape (k,), optional
        Values instead of the defaults.

    Returns
    -------
    ndarray of shape (n_species, n_species)
        Row i holds the derivatives of dx_i/dt.

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used.

    Examples
    --------
    >>> from fastcore.ode import jacobian
    >>> from fastcore.reactions import ReactionNetwork
    >>> jacobian(ReactionNetwork("2 A -> B @ 0.5"), {"A": 10})
    array([[-20.,   0.],
           [ 10.,   0.]])
    """
    network = a_network(system)
    return Functions(network, columns_of(network, params)).jac(as_number(t, "t"), as_amounts(x, network.species, "x"))


def columns_of(network: ReactionNetwork, params: Any) -> NDArray[np.float64]:
    """What a kernel takes for one set of parameters, with the clock's rate if there is a clock."""
    columns = network.columns(params)[0]
    if columns.ndim != 1:
        raise ValueError(f"params must be one set of values here, got {columns.shape[0]} sets")
    if network.structure.timed:
        columns = np.insert(columns, len(network.reactions), 1.0)
    return np.ascontiguousarray(columns)


class Functions:
    """A system at given parameters as SciPy takes it: ``fun(t, x)`` and ``jac(t, x)``, both compiled.

    Attributes
    ----------
    fun : callable
        ``fun(t, x)``, the right-hand side, shape (n_species,).
    jac : callable
        ``jac(t, x)``, its derivatives by x, shape (n_species, n_species).
    """

    def __init__(self, network: ReactionNetwork, columns: NDArray[np.float64]) -> None:
        self._structure, self._columns, self._n = network.structure, columns, len(network.species)

    def _state(self, t: float, x: ArrayLike) -> NDArray[np.float64]:
        state = np.ascontiguousarray(x, np.float64)
        if state.shape != (self._n,):
            raise ValueError(f"x must have shape ({self._n},), got {state.shape}")
        return np.append(state, t) if self._structure.timed else state

    def fun(self, t: float, x: ArrayLike) -> NDArray[np.float64]:
        kernel = self._structure.integrable(active_backend())
        found: NDArray[np.float64] = kernel.rhs(self._columns, self._state(t, x))
        return found[: self._n]

    def jac(self, t: float, x: ArrayLike) -> NDArray[np.float64]:
        kernel = self._structure.integrable(active_backend())
        found: NDArray[np.float64] = kernel.jacobian(self._columns, self._state(t, x))
        return found[: self._n, : self._n]


def as_scipy(
    system: ReactionNetwork | ExpressionSystem, params: Mapping[str, Any] | ArrayLike | None = None
) -> Functions:
    """The right-hand side and the Jacobian of a system as functions for `scipy.integrate.solve_ivp` and its like.

    Parameters
    ----------
    system : ReactionNetwork or ExpressionSystem
    params : mapping or array_like of shape (k,), optional
        Values instead of the defaults.

    Returns
    -------
    Functions
        With ``.fun(t, x)`` and ``.jac(t, x)``; it pickles.

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used.

    Examples
    --------
    >>> from scipy.integrate import solve_ivp
    >>> from fastcore.ode import as_scipy
    >>> from fastcore.reactions import ReactionNetwork
    >>> decay = as_scipy(ReactionNetwork("A -> 0 @ k; k = 0.5"))
    >>> solve_ivp(decay.fun, (0, 2), [10.0], "Radau", jac=decay.jac).y[0, -1].round(2)
    np.float64(3.68)
    """
    network = a_network(system)
    network.without_events("ode.as_scipy", "ode.solve")
    return Functions(network, columns_of(network, params))
