"""Reaction networks: how they are written, and what their rates are.

One class, and long: half of it are docstrings, and what a network says of itself. The work is done in modules near it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labelled import by_label, complete, meant, same_rows, shown
from .._validation import all_finite, as_flag, as_names, as_number, as_real
from ._events import Event, Events, check_event
from ._expressions import Expression
from ._laws import TIME, Law, Laws
from ._reading import Parts, Rate, Reaction, Side, from_matrices, from_text, from_triples, names_of
from ._starts import Starts
from ._states import State, as_amounts, as_counts
from ._structure import changes, dependencies, html, laws, slopes
from ._tables import Structure, Tables
from ._variables import NUMBERS, Observed, read_variables

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# What a pickle holds: the rest follows from it.
_KEPT = ("_species", "_reactions", "_starts", "_params", "_volume", "_combinatorial", "_variables", "_events")
# Derivatives at the default values are kept if they are no more than these.
_SLOPES_KEPT = 10_000


class ReactionNetwork:
    """Species and the reactions between them.

    Parameters
    ----------
    reactions : str or iterable of (reactants, products, rate)
        Text with a reaction a line, ``S + I -> 2 I @ beta``, where ``0`` stands for nothing; ``A <-> B @ there, back``
        is two reactions; ``name = number`` gives a parameter, or the initial count if it names a species, which may
        also be an expression, ``S = N - I``; ``k = ?`` declares a parameter whose value comes with the call;
        ``total := S + I`` is a variable, which rates may name and results show (``sol["total"]``);
        ``at A == 0: A = 100, B = B + 1`` sets amounts whenever a condition becomes true; ``#`` starts a comment and
        ``;`` may stand for a line end. Or triples, whose sides are written the same way or are mappings
        ``{"S": 1, "I": 1}``.
    species : sequence of str, optional
        All species in the wished order. Default: the order of first appearance.
    reactants, products : array_like or sparse of int, shape (n_reactions, n_species), optional
        The coefficients, instead of `reactions`; `species` and `rates` must be given too. See `from_matrices`.
    rates : sequence of float or str, optional
        Rates that belong to the matrices.
    params : mapping of str to float, optional
        Values of the parameters named by rates, None for those that come with the call; they go before those in the
        text.
    volume : float, default 1.0
        Size of the system. A rate constant is for concentrations, x / volume.
    combinatorial : bool, default False
        Count unordered sets of reactants: m equal reactants divide the propensity (and the deterministic rate) by m!.

    Attributes
    ----------
    species : tuple of str
    reactions : tuple of Reaction
    params : Mapping of str to float
        The parameters' default values, in order; NaN for one that has none.
    variables : Mapping of str to str
        Expressions of species, parameters and the time that have names.
    events : tuple of str
        What happens when a condition becomes true, ``at A == 0: A = 100``.
    x0 : Mapping of str to float or None
        Initial amounts of all species at these values, if the text gave any.
    volume : float
    combinatorial : bool

    Raises
    ------
    TypeError, ValueError
        If the network can't be read (the line is named), a coefficient isn't a non-negative int, a rate is
        negative or not finite, or names something unknown.

    Notes
    -----
    A rate that names no species is a rate constant, which mass action multiplies; one that names a species is the whole
    rate, of counts, which neither the volume nor `combinatorial` changes. Both may be expressions of numbers, names,
    ``+ - * / **``, comparisons, ``and``, ``or``, ``not``, ``piecewise(value, condition, ..., otherwise)``,
    ``if(condition, value, otherwise)``, ``min``, ``max``, ``abs``, ``floor``, ``ceil``, ``sqrt``, ``pow``, ``exp``,
    ``log``, ``log10`` and trigonometric and hyperbolic functions; ``t`` is the time. A reaction fires only while all
    its reactants are there, whatever its rate is.

    Under mass action with rate constant k, order m (the number of reactants) and volume V, the propensity is
    ``k V**(1 - m) x (x - 1) ...``, a falling factorial for each reactant, and the deterministic rate
    ``k V**(1 - m) x**2 ...``, powers of the same counts. Source: D. T. Gillespie,
    J. Phys. Chem. 81 (1977) 2340.

    Examples
    --------
    >>> from fastcore.reactions import ReactionNetwork
    >>> sir = ReactionNetwork('''
    ...     S + I -> 2 I @ beta    # infection
    ...     I -> R @ gamma         # recovery
    ...     beta = 5e-5; gamma = 0.1
    ... ''')
    >>> sir
    ReactionNetwork(2 reactions, 3 species: S, I, R)
    >>> sir.propensities([9990, 10, 0])
    array([4.995, 1.   ])
    >>> ReactionNetwork("S -> P @ vmax*S/(km + S); vmax = 10; km = 5").propensities({"S": 15})
    array([7.5])
    >>> sir.stoichiometry
    array([[-1,  0],
           [ 1, -1],
           [ 0,  1]])
    """

    def __init__(
        self,
        reactions: str | Iterable[tuple[Side, Side, Rate]] | None = None,
        *,
        species: Sequence[str] | None = None,
        reactants: Any = None,
        products: Any = None,
        rates: Sequence[Rate] | None = None,
        params: Mapping[str, float] | None = None,
        volume: float = 1.0,
        combinatorial: bool = False,
    ) -> None:
        matrices = (reactants, products, rates)
        if reactions is None:
            if species is None or any(given is None for given in matrices):
                raise TypeError("reactions must be given, or all of species, reactants, products and rates")
            parts = Parts(from_matrices(species, reactants, products, rates)[1])
        elif any(given is not None for given in matrices):
            raise TypeError("reactions must be given, or reactants, products and rates, not both")
        elif isinstance(reactions, str):
            parts = from_text(reactions)
        else:
            parts = Parts(from_triples(reactions))
        self._build(parts, None if species is None else names_of(species), params, volume, combinatorial)

    @classmethod
    def from_matrices(
        cls,
        reactants: Any,
        products: Any,
        rates: Sequence[Rate] | ArrayLike,
        *,
        species: Sequence[str] | None = None,
        params: Mapping[str, float] | None = None,
        volume: float = 1.0,
        combinatorial: bool = False,
    ) -> ReactionNetwork:
        """A network of the matrices of its reactants and its products, dense or sparse.

        Parameters
        ----------
        reactants, products : array_like or scipy.sparse array or matrix, shape (n_reactions, n_species)
            How many of each species a reaction takes and makes, a row a reaction. Whole numbers, of any type; what a
            sparse format stores twice for one place adds up. Catalyst's `substoichmat` and `prodstoichmat` and
            GillesPy2's have a column a reaction: give their transposes, ``.T``. A table is read by its columns' labels.
        rates : sequence of float or str, length n_reactions
            Rate constants, or expressions.
        species : sequence of str, optional
            Names in the order of the columns. Default: the columns' labels of a table, else ``S0``, ``S1``, ...
        params, volume, combinatorial
            As for `ReactionNetwork`.

        Returns
        -------
        ReactionNetwork

        Raises
        ------
        TypeError, ValueError
            If a coefficient isn't a whole number from 0 to 1,000,000, shapes don't fit (a transpose is called that), or
            a rate can't be used; and as `ReactionNetwork` does.

        Notes
        -----
        Linear in the numbers stored: 100,000 reactions take about a second. The difference of the matrices,
        `stoichiometry`, wouldn't do: what a reaction both takes and makes isn't in it.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastcore.reactions import ReactionNetwork
        >>> reactants, products = csr_array([[1, 1, 0], [0, 1, 0]]), csr_array([[0, 2, 0], [0, 0, 1]])
        >>> sir = ReactionNetwork.from_matrices(reactants, products, ["beta", 0.1], species=["S", "I", "R"],
        ...                                     params={"beta": 5e-5})
        >>> print(sir)
        S + I -> 2 I @ beta
        I -> R @ 0.1
        beta = 5e-05
        >>> bool((sir.stoichiometry == (products - reactants).T).all())
        True
        """
        names, reactions = from_matrices(species, reactants, products, rates)
        network = object.__new__(cls)
        network._build(Parts(reactions), names, params, volume, combinatorial)
        return network

    @classmethod
    def _of(cls, parts: Parts, species: tuple[str, ...]) -> ReactionNetwork:
        """A network of parts that a reader of files made; their species may have any names."""
        network = object.__new__(cls)
        network._build(parts, species, None, 1.0, False)
        return network

    def _build(
        self,
        parts: Parts,
        species: tuple[str, ...] | None,
        params: Mapping[str, float] | None,
        volume: float,
        combinatorial: bool,
    ) -> None:
        found, values, places = parts.reactions, parts.values, parts.places
        if not found:
            raise ValueError("reactions must hold at least one reaction, got none")
        appeared = {name: None for _, r in found for side in (r.reactants, r.products) for name in side}
        self._species = tuple(appeared) if species is None else species
        if not self._species:
            raise ValueError("reactions must have at least one species, got none")
        self._place = {name: i for i, name in enumerate(self._species)}
        unknown = [name for name in appeared if name not in self._place]
        if unknown:
            near = meant(unknown[0], self._species)
            raise ValueError(f"species must name all species of the reactions, but {unknown[0]!r} is missing{near}")
        self._reactions = tuple(reaction for _, reaction in found)
        self._params = {
            name: _number(name, value, places[name]) for name, value in values.items() if name not in self._place
        }
        given_params = _checked_params(by_label(params, "params"), self._place, missing=True)
        self._params.update(given_params)
        for name in (*self._species, *self._params, *parts.variables):
            if name == TIME:
                raise ValueError(f"{TIME!r} is reserved: it is the time, and can't be a species or a parameter")
        known = {**self._place, **self._params}
        for name in parts.variables:
            if name in known:
                kind = "species" if name in self._place else "parameter"
                raise ValueError(f"{places[name]}: {name!r} is a {kind} and can't be a variable too")
        self._variables = read_variables(parts.variables, places, known)
        starts = {
            name: value and value.with_expressions(self._variables)
            for name, value in values.items()
            if name in self._place
        }
        self._starts = Starts.of(self._species, starts, places, self._params)
        self._volume = as_number(volume, "volume", low=0, open_low=True)
        self._combinatorial = as_flag(combinatorial, "combinatorial")
        self._events = tuple([self._checked_event(*event) for event in parts.events])
        self._read_rates(found)
        if parts.strict:
            self._refuse_unused(places | dict.fromkeys(given_params, "params"))
        self._columns = self._default_columns()

    def _checked_event(self, where: str, event: Event) -> Event:
        """An event with variables written out."""
        known = {**self._place, **self._params}
        numbers = {name: value for name, value in NUMBERS.items() if name not in known and name not in self._variables}
        event = event.with_numbers(numbers).with_expressions(self._variables)
        try:
            check_event(event, self._place, known)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        return event

    def _read_rates(self, found: Sequence[tuple[str, Reaction]]) -> None:
        """Each distinct expression once; those without names have their value now.

        Columns are the constants of reactions, then the slots of programs.
        """
        rates: dict[str, Expression] = {}
        laws = Laws(self._place)
        self._laws: list[Law] = []
        self._rate_rule: Reaction | None = None
        scales = []
        for where, reaction in found:
            if reaction.rate not in rates:
                rates[reaction.rate] = self._rate_expression(where, reaction)
            scale = self._scale(reaction.reactants)
            if reaction.continuous:
                self._rate_rule = reaction
                self._laws.append(laws.program(rates[reaction.rate]))  # of either sign
            else:
                self._laws.append(self._law(laws, rates[reaction.rate], reaction.reactants, scale))
            scales.append(scale if self._laws[-1].scaled else 1.0)
        self._event_arrays = Events.of(self._events, self._place, laws) if self._events else None
        numbers: dict[Expression, int] = {}
        columns = [*(law.constant for law in self._laws), *(expression for _, expression in laws.slots.values())]
        self._rate_of = np.array([numbers.setdefault(column, len(numbers)) for column in columns], np.int64)
        self._scales = np.array(scales + [1.0] * len(laws.slots))
        self._rates = np.array([0.0 if e.names else e.value({}) for e in numbers], np.float64)
        self._expressions = {i: e for e, i in numbers.items() if e.names}
        self._programs = {j: rates[self._reactions[j].rate] for j, law in enumerate(self._laws) if law.program}

    def _law(self, laws: Laws, rate: Expression, reactants: Mapping[str, int], scale: float) -> Law:
        return laws.of(rate, reactants, scale)

    def _rate_expression(self, where: str, reaction: Reaction) -> Expression:
        try:
            expression = Expression(reaction.rate)
        except ValueError as error:
            raise ValueError(f"{where}: the rate {error}") from None
        if not expression.names:
            return expression
        expression = expression.with_expressions(self._variables)
        for name in expression.names:
            if name not in self._place and name not in self._params and name not in (TIME, *NUMBERS):
                near = meant(name, (*self._place, *self._params, *self._variables))
                raise ValueError(
                    f"{where}: the rate {reaction.rate!r} names {name!r}, which has no value: add a line "
                    f"'{name} = ...' ('{name} = ?' if it comes with the call) or give it in params{near}"
                )
        return self._with_numbers(expression)

    def _with_numbers(self, expression: Expression) -> Expression:
        """An expression where names of numbers, such as pi, that nothing here has are those numbers."""
        taken = (self._place, self._params, self._variables)
        numbers = {name: value for name, value in NUMBERS.items() if not any(name in known for known in taken)}
        return expression.with_numbers(numbers)

    def _scale(self, reactants: Mapping[str, int]) -> float:
        """What turns a rate constant of concentrations into one of counts."""
        scale: float = self._volume ** (1 - sum(reactants.values()))
        if self._combinatorial:
            for n in reactants.values():
                if n > 1:
                    scale /= float(np.prod(np.arange(1.0, n + 1)))
        return scale

    def _refuse_unused(self, places: Mapping[str, str]) -> None:
        """A value that nothing uses was meant for another name."""
        used = {name for expression in self._expressions.values() for name in expression.names}
        used.update(self._starts.names)
        used.update(name for expression in self._variables.values() for name in expression.names)
        used.update(name for event in self._events for name in event.names)
        for name in self._params:
            if name not in used:
                raise ValueError(
                    f"{places[name]}: {name!r} gets a value that nothing uses: it isn't a species, and no rate names it"
                    f"{meant(name, (*self._species, *used))}"
                )

    @property
    def species(self) -> tuple[str, ...]:
        return self._species

    @property
    def reactions(self) -> tuple[Reaction, ...]:
        return self._reactions

    @property
    def params(self) -> Mapping[str, float]:
        return MappingProxyType(self._params)

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables, written out in species, parameters and the time."""
        return {name: expression.text for name, expression in self._variables.items()}

    @property
    def events(self) -> tuple[str, ...]:
        """The events, in species, parameters and the time."""
        return tuple(map(str, self._events))

    def observed(self, params: Mapping[str, Any] | ArrayLike | None = None) -> Observed:
        """What results show of the variables at given parameters."""
        return Observed(self._variables, self.param_values(params) if self._variables else {})

    @property
    def places(self) -> Mapping[str, int]:
        """Where each species stands."""
        return MappingProxyType(self._place)

    @property
    def variable_inputs(self) -> Mapping[str, tuple[str, ...]]:
        """What each variable, written out, names."""
        return {name: expression.names for name, expression in self._variables.items()}

    @property
    def variable_expressions(self) -> Mapping[str, Expression]:
        """The variables, written out."""
        return MappingProxyType(self._variables)

    @property
    def event_expressions(self) -> tuple[Event, ...]:
        """The events, with variables written out."""
        return self._events

    @property
    def given_starts(self) -> Mapping[str, float]:
        """Initial amounts that are numbers."""
        return self._starts.numbers

    @property
    def computed_starts(self) -> Mapping[str, Expression]:
        """Initial amounts that are expressions."""
        return self._starts.computed

    @property
    def named_params(self) -> set[str]:
        """The parameters that anything names."""
        expressions = [*self._expressions.values(), *self._variables.values(), *self._starts.computed.values()]
        found = {name for expression in expressions for name in expression.names}
        return found.union(*(event.names for event in self._events)).intersection(self._params)

    def written_rate(self, j: int) -> tuple[Expression, bool, float]:
        """The rate of a reaction as it is written, whether it is the whole rate, and otherwise what scales it."""
        reaction = self._reactions[j]
        return Expression(reaction.rate), self._laws[j].whole, self._scale(reaction.reactants)

    def written_out(self, expression: Expression) -> Expression:
        """An expression in species, parameters and the time, without variables and names of numbers."""
        return self._with_numbers(expression).with_expressions(self._variables)

    def with_event(self, event: Event, hidden: Sequence[str]) -> ReactionNetwork:
        """The network with one more event, and species that it sets, whose names no text can have."""
        species = (*self._species, *hidden)
        state = {**self.__getstate__(), "_species": species, "_events": (*self._events, event)}
        state["_starts"] = replace(self._starts, species=species)
        made = object.__new__(type(self))
        made.__setstate__(state)
        return made

    @property
    def x0(self) -> Mapping[str, float] | None:
        return None if self._starts.empty else MappingProxyType(self._starts.defaults(self._params))

    @property
    def volume(self) -> float:
        return self._volume

    @property
    def combinatorial(self) -> bool:
        return self._combinatorial

    @property
    def reactants(self) -> NDArray[np.int64]:
        """Coefficients of the reactants, shape (n_reactions, n_species); made, dense, when asked for."""
        return self._matrix("reactants")

    @property
    def products(self) -> NDArray[np.int64]:
        """Coefficients of the products, shape (n_reactions, n_species); made, dense, when asked for."""
        return self._matrix("products")

    @property
    def stoichiometry(self) -> NDArray[np.int64]:
        """By how much each reaction changes each species, shape (n_species, n_reactions).

        Made, dense, when asked for; nothing else in the library needs it. `sparse_stoichiometry` is the same for large
        networks.
        """
        tables = self.tables
        matrix = np.zeros((len(self._species), len(self._reactions)), np.int64)
        matrix[tables.changed, np.repeat(np.arange(len(self._reactions)), np.diff(tables.change_at))] = tables.by
        return matrix

    @property
    def sparse_stoichiometry(self) -> csr_array[Any]:
        """`stoichiometry` as a scipy.sparse.csr_array, made when asked for, as large as the reactions have terms."""
        return changes(self.tables)

    def dependency_graph(self) -> csr_array[Any]:
        """Which rates may change when a reaction fires.

        Returns
        -------
        scipy.sparse.csr_array of bool, shape (n_reactions, n_reactions)
            True in row i and column j if reaction i changes a species that the rate of reaction j depends on.

        Raises
        ------
        ValueError
            If it would be made of more than 100,000,000 pairs: where many reactions read a species that many change.

        Notes
        -----
        O(pairs), which for n reactions may be n**2. Source: M. A. Gibson and J. Bruck, J. Phys. Chem. A 104 (2000)
        1876.

        Examples
        --------
        >>> from fastcore.reactions import ReactionNetwork
        >>> ReactionNetwork("S + I -> 2 I @ 0.1; I -> R @ 1").dependency_graph().toarray()
        array([[ True,  True],
               [ True,  True]])
        >>> ReactionNetwork("A -> B @ 1; B -> C @ 1").dependency_graph().toarray()
        array([[ True,  True],
               [False,  True]])
        """
        return dependencies(self.tables)

    def conservation_laws(self) -> csr_array[Any]:
        """What no reaction changes: sums of species with whole coefficients.

        Returns
        -------
        scipy.sparse.csr_array of int64, shape (n_laws, n_species)
            Independent laws, as many as there are: ``laws @ x`` is the same all along a trajectory without events. The
            coefficients of a row have no common divisor, and are positive where elimination finds it so.

        Raises
        ------
        ValueError
            If elimination takes more than 50,000,000 terms.
        OverflowError
            If a coefficient passes 64 bits.

        Notes
        -----
        A basis of the left null space of the stoichiometry, exact (elimination in whole numbers), without tolerances.
        Usual networks, where each species belongs to few laws, take time linear in their terms and laws: 58,276
        reactions of 3,744 species under a second. Source: for the problem, C. Reder, J. Theor. Biol. 135 (1988) 175.

        Examples
        --------
        >>> from fastcore.reactions import ReactionNetwork
        >>> enzyme = ReactionNetwork("E + S <-> ES @ 1, 2; ES -> E + P @ 0.1")
        >>> enzyme.species
        ('E', 'S', 'ES', 'P')
        >>> enzyme.conservation_laws().toarray()
        array([[1, 0, 1, 0],
               [0, 1, 1, 1]])
        """
        return laws(self.tables)

    def _matrix(self, side: str) -> NDArray[np.int64]:
        matrix = np.zeros((len(self._reactions), len(self._species)), np.int64)
        for row, reaction in zip(matrix, self._reactions):
            for name, n in getattr(reaction, side).items():
                row[self._place[name]] = n
        return matrix

    def __repr__(self) -> str:
        names = ", ".join(self._species[:8]) + (", ..." if len(self._species) > 8 else "")
        n, s = len(self._reactions), len(self._species)
        return f"ReactionNetwork({n} reaction{'s' * (n > 1)}, {s} species: {names})"

    def _repr_html_(self) -> str:
        return html(self)

    def __str__(self) -> str:
        """The network as text that gives it back."""
        lines = [str(reaction) for reaction in self._reactions]
        lines += [f"{name} = {'?' if np.isnan(value) else repr(value)}" for name, value in self._params.items()]
        lines += [f"{name} = {text}" for name, text in self._starts.texts().items()]
        lines += [f"{name} := {text}" for name, text in self.variables.items()]
        lines += self.events
        return "\n".join(lines)

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in _KEPT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_starts" not in state:  # of an older version
            state = {**state, "_starts": Starts(tuple(state["_species"]), state.get("_x0") or {}, {})}
        state = {"_variables": {}, "_events": (), **state}
        vars(self).update((name, state[name]) for name in _KEPT)
        self._place = {name: i for i, name in enumerate(self._species)}
        self._read_rates([(f"reaction {j}", reaction) for j, reaction in enumerate(self._reactions)])
        self._columns = self._default_columns()

    def with_params(self, params: Mapping[str, float]) -> ReactionNetwork:
        """The same network with other default values of some parameters."""
        changed = object.__new__(type(self))
        vars(changed).update(vars(self), structure=self.structure)  # with what kernels prepared from it
        named = complete(params, "params", self._params, "parameters")
        changed._params = {**self._params, **_checked_params(named, self._place, self._params)}
        if any(np.ndim(value) for value in changed._params.values()):
            raise ValueError("params must be numbers here, got an array")
        changed._columns = changed._default_columns()
        return changed

    # Rates

    def _default_columns(self) -> NDArray[np.float64] | None:
        """The columns at the default values; None while some parameter has none."""
        self._last_slopes: tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]] | None = None
        if any(np.isnan(value) for value in self._params.values()):
            return None
        return self._evaluated(self._params, ())[0]

    def param_values(self, params: Mapping[str, Any] | ArrayLike | None = None) -> dict[str, Any]:
        """Return all parameters' values where `params` goes before the defaults.

        A mapping gives some of them, a value or an array of p values each; an array of shape (k,) or (p, k) gives all
        k in order; a Series or a table, read by its labels, gives all k in any order.
        """
        if isinstance(params, _Values):
            return params
        if params is not None:
            params = complete(params, "params", self._params, "parameters")
        if params is None or isinstance(params, Mapping):
            values = _Values({**self._params, **_checked_params(params, self._place, self._params)})
            for name, value in values.items():
                if isinstance(value, float) and value != value:
                    raise ValueError(f"params must give {name!r}, which has no value of its own")
            return values
        k = len(self._params)
        table = as_real(params, "params", ndim=(1, 2), dtype=np.float64, inf=False)
        if table.shape[-1] != k:
            raise ValueError(f"params must have {k} columns, one for each of {shown(self._params)}, got {table.shape}")
        return _Values({name: table[..., i] for i, name in enumerate(self._params)})

    def constants(self, params: Mapping[str, Any] | ArrayLike | None = None) -> NDArray[np.float64]:
        """The rate constants of counts, ``k V**(1 - m)`` (over m! if `combinatorial`), for given parameters.

        What multiplies the amounts where a rate is written as a product of them; NaN where a rate is another
        expression of species or time, and has no constant.

        Parameters
        ----------
        params : mapping or array_like of shape (k,) or (p, k), optional
            Values instead of the defaults, see `param_values`.

        Returns
        -------
        ndarray of shape (n_reactions,) or (p, n_reactions)

        Raises
        ------
        ValueError
            If a rate comes out negative or not finite, or a parameter is unknown.
        """
        return self.rates(params)[0]

    def constants_gradient(
        self, params: Mapping[str, Any] | ArrayLike | None = None, names: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Derivatives of `constants` by the named (default: all) parameters, shape (..., n_reactions, k)."""
        names = tuple(self._params) if names is None else as_names(names, "names")
        return self.rates(params, names)[1]

    def rates(
        self, params: Mapping[str, Any] | ArrayLike | None = None, names: Sequence[str] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`constants` and, by the named parameters, `constants_gradient`, in one pass."""
        columns, slopes = self.columns(params, names)
        n = len(self._reactions)
        columns, slopes = columns[..., :n].copy(), slopes[..., :n, :].copy()
        none = list(self._programs)
        columns[..., none] = slopes[..., none, :] = np.nan
        return columns, slopes

    def columns(
        self, params: Mapping[str, Any] | ArrayLike | None = None, names: Sequence[str] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What kernels take: constants of reactions (0 for programs), then slots, and their derivatives."""
        if params is not None or self._columns is None:
            return self._evaluated(self.param_values(params), names)
        if not names:
            return self._columns.copy(), np.zeros((len(self._columns), 0))
        # Those of the default values are asked for again and again.
        last = self._last_slopes
        if last is None or last[0] != tuple(names):
            last = (tuple(names), *self._evaluated(self.param_values(), names))
            self._last_slopes = last if last[2].size <= _SLOPES_KEPT else None
        return last[1].copy(), last[2].copy()

    def _evaluated(
        self, values: Mapping[str, Any], names: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        shape = () if _all_numbers(values) else np.broadcast_shapes(*(np.shape(value) for value in values.values()))
        rates = np.empty((*shape, len(self._rates)))
        rates[...] = self._rates
        gradients = np.zeros((*shape, len(self._rates), len(names)))
        for i, expression in self._expressions.items():
            if not names:
                rates[..., i] = expression.value(values)
                continue
            rates[..., i], gradient = expression.gradient(values)
            for k, name in enumerate(names):
                if name in gradient:
                    gradients[..., i, k] = gradient[name]
        columns = rates.take(self._rate_of, axis=-1) * self._scales
        constants = columns[..., : len(self._reactions)]
        # NaN is neither.
        wrong = ~((constants >= 0) & (constants < np.inf))
        if np.count_nonzero(wrong):
            j = int(np.argmax(wrong.reshape(-1, len(self._reactions)).any(axis=0)))
            value = constants[..., j][wrong[..., j]].flat[0]
            raise ValueError(f"the rate of '{self._reactions[j]}' must be finite and at least 0, got {value}")
        slopes = gradients.take(self._rate_of, axis=-2) * self._scales[:, None]
        if not all_finite(slopes):
            raise ValueError("a rate has no finite derivative by a parameter at these values")
        return columns, slopes

    def programmed(
        self, j: int, x: NDArray[np.float64], t: float, values: Mapping[str, Any], stochastic: bool
    ) -> NDArray[np.float64]:
        """The rate of a reaction that is a program, in one or many states, x of shape (n_species, ...).

        The deterministic rate follows the expression everywhere; the stochastic one is 0 where reactants are missing.
        """
        expression, reactants = self._programs[j], self._reactions[j].reactants
        known = {
            name: x[self._place[name]] if name in self._place else values.get(name, t) for name in expression.names
        }
        rate = np.asarray(expression.value(known), np.float64) * np.ones(x.shape[1:])
        if not self._laws[j].whole:
            rate = rate * self._scale(reactants)
            for name, n in reactants.items():
                for less in range(n):
                    rate = rate * (x[self._place[name]] - less * stochastic)
        elif stochastic:
            for name, n in reactants.items():
                rate = np.where(x[self._place[name]] >= n, rate, 0.0)
        return rate

    def propensities(
        self, x: State, t: float = 0.0, params: Mapping[str, Any] | ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Stochastic rates of all reactions in a state, events a unit of time.

        Parameters
        ----------
        x : mapping or array_like of shape (n_species,)
            Counts; species that a mapping doesn't name are 0.
        t : float
            The time, for rates that name it.
        params : mapping or array_like of shape (k,), optional
            Values instead of the defaults.

        Returns
        -------
        ndarray of shape (n_reactions,)

        Raises
        ------
        ValueError
            If a rate comes out negative or not finite.

        Examples
        --------
        >>> from fastcore.reactions import ReactionNetwork
        >>> ReactionNetwork("2 A -> B @ 0.5").propensities({"A": 10})
        array([45.])
        """
        counts = as_counts(x, self._species, "x").astype(np.float64)
        rates = self._rates_of(counts, t, params, True)
        for j in self._programs:
            if not 0 <= rates[j] < np.inf:
                raise ValueError(f"the rate of '{self._reactions[j]}' must be finite and at least 0, got {rates[j]}")
        return rates + 0.0  # without negative zeros

    def rhs(self, x: State, t: float = 0.0, params: Mapping[str, Any] | ArrayLike | None = None) -> NDArray[np.float64]:
        """Deterministic rate of change of the species, dx/dt, for (real) amounts `x`.

        Parameters and errors are those of `propensities`; a reactant that stands m times is the power x**m.

        Examples
        --------
        >>> from fastcore.reactions import ReactionNetwork
        >>> ReactionNetwork("2 A -> B @ 0.5").rhs({"A": 10})
        array([-100.,   50.])
        """
        amounts = as_amounts(x, self._species, "x")
        tables = self.tables
        rates = self._rates_of(amounts, t, params, False)
        changes = tables.by * np.repeat(rates, np.diff(tables.change_at))
        total = np.bincount(tables.changed, changes, minlength=len(self._species))
        return total.astype(np.float64)

    def jacobian(self, x: State, t: float = 0.0, params: Mapping[str, Any] | ArrayLike | None = None) -> csr_array[Any]:
        """Exact derivatives of `rhs` by the amounts, sparse; `fastcore.ode.jacobian` gives them dense.

        Parameters and errors are those of `rhs`.

        Returns
        -------
        scipy.sparse.csr_array of shape (n_species, n_species)
            Row i holds the derivatives of dx_i/dt; what is 0 in this state isn't stored.

        Examples
        --------
        >>> from fastcore.reactions import ReactionNetwork
        >>> ReactionNetwork("2 A -> B @ 0.5").jacobian({"A": 10}).toarray()
        array([[-20.,   0.],
               [ 10.,   0.]])
        """
        amounts, time = as_amounts(x, self._species, "x"), as_number(t, "t")
        values = self.param_values(params) if self._programs else {}
        found: csr_array[Any] = changes(self.tables) @ slopes(self, self.one_set(params), amounts, time, values)
        found.eliminate_zeros()
        found.sort_indices()
        return found

    def program_slopes(
        self, j: int, x: NDArray[np.float64], t: float, values: Mapping[str, Any]
    ) -> dict[str, np.float64]:
        """Derivatives of the deterministic rate of a reaction that is a program by the species in it."""
        expression, reactants = self._programs[j], self._reactions[j].reactants
        known = {
            name: x[self._place[name]] if name in self._place else values.get(name, t) for name in expression.names
        }
        if self._laws[j].whole:
            return {name: slope for name, slope in expression.gradient(known)[1].items() if name in self._place}
        rate = expression.value(known) * self._scale(reactants)
        found = {}
        for name in reactants:
            others = [x[self._place[other]] ** (n - (other == name)) for other, n in reactants.items()]
            found[name] = rate * reactants[name] * np.prod(others)
        return found

    def _rates_of(
        self, x: NDArray[np.float64], t: float, params: Mapping[str, Any] | ArrayLike | None, stochastic: bool
    ) -> NDArray[np.float64]:
        time = as_number(t, "t")
        constants = self.one_set(params)
        rates = self.tables.products_of(constants, x, less=stochastic)
        values = self.param_values(params) if self._programs else {}
        for j in self._programs:
            rates[j] = self.programmed(j, x, time, values, stochastic)
        return rates

    def one_set(self, params: Mapping[str, Any] | ArrayLike | None) -> NDArray[np.float64]:
        """The constants of reactions, of one set of parameters."""
        columns = self.columns(params)[0]
        if columns.ndim != 1:
            raise ValueError(f"params must be one set of values here, got {columns.shape[0]} sets")
        return columns[: len(self._reactions)]

    def starts(
        self, x0: State | None, params: Mapping[str, Any] | ArrayLike | None = None, names: Sequence[str] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Initial amounts, shape (n_species,) or (p, n_species), and derivatives by parameters, (..., k, n_species).

        None is the network's own start, which may depend on parameters.
        """
        if x0 is None and self._starts.empty:
            raise ValueError("x0 must be given: the network has no initial state of its own")
        if x0 is None and self._starts.computed:
            return self._starts.at(self.param_values(params), names)
        amounts = as_amounts(self.x0 if x0 is None else x0, self._species)  # type: ignore[arg-type]
        return amounts, np.zeros((len(names), len(amounts)))

    def written_program(self, j: int, values: Mapping[str, str]) -> str:
        """The deterministic rate of a reaction that is a program, as text, with other texts for some names."""
        rate, reactants = f"({self._programs[j].shown(values)})", self._reactions[j].reactants
        if self._laws[j].whole:
            return rate
        scale = self._scale(reactants)
        factors = [name if n == 1 else f"{name}**{n}" for name, n in sorted(reactants.items())]
        return "*".join([rate, *([f"{scale:.4g}"] if scale != 1 else []), *factors])

    @property
    def has_events(self) -> bool:
        """Whether anything happens when a condition becomes true."""
        return bool(self._events)

    def without_events(self, what: str, other: str = "simulate") -> None:
        """Refuse a network with events where they aren't there."""
        if self._events:
            raise ValueError(f"{what} takes no events, and the network has '{self._events[0]}': {other} does")

    def without_rate_rules(self, what: str) -> None:
        """Refuse a network with amounts that change all the time where they change in events only."""
        if self._rate_rule:
            raise ValueError(
                f"{what} needs amounts that only reactions and events change, but '{self._rate_rule}' stands for a "
                "rate rule: ode.solve takes it"
            )

    def timed_reaction(self) -> str:
        """The first reaction whose rate names the time, as an error shows it."""
        j = next(j for j, expression in self._programs.items() if TIME in expression.names)
        return f"the rate of '{self._reactions[j]}'"

    @property
    def programs(self) -> Collection[int]:
        """The reactions whose rates are programs: neither mass action nor a product of amounts."""
        return self._programs.keys()

    @property
    def tables(self) -> Tables:
        """The structure in arrays: factors, changes and, for each species, the reactions that read it."""
        return self.structure.tables

    @cached_property
    def structure(self) -> Structure:
        """The tables, with what kernels prepare from them; networks with other parameters share it."""
        tables, counted = Tables.of(self._reactions, self._place, self._laws), None
        if tables.timed:
            counted = Tables.of(self._reactions, self._place, self._laws, counted=True)
        return Structure(tables, self._event_arrays, counted)


class _Values(dict[str, Any]):
    """Values of all parameters, as `ReactionNetwork.param_values` has checked them."""


def _all_numbers(values: Mapping[str, Any]) -> bool:
    return all(type(value) is float for value in values.values())


def _number(name: str, value: Expression | None, where: str) -> float:
    """The value of a parameter, NaN if it has none yet."""
    if value is None:
        return np.nan
    if value.names:
        raise ValueError(f"{where}: the value of {name!r} must be a number, got {value.text!r}")
    return float(value.value({}))


def _checked_params(
    params: Mapping[str, Any] | None,
    species: Collection[str],
    known: Mapping[str, float] | None = None,
    missing: bool = False,
) -> dict[str, Any]:
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise TypeError(f"params must be a mapping of names to numbers, got {type(params).__name__}")
    if known is not None and all(type(v) is float and isfinite(v) and name in known for name, v in params.items()):
        return dict(params)  # as fits ask again and again
    same_rows({f"params[{name!r}]": value for name, value in params.items()})
    checked: dict[str, Any] = {}
    sizes = set()
    for name, value in params.items():
        if not isinstance(name, str) or not name.isidentifier() or name in species:
            raise ValueError(f"params must map names of parameters to numbers, got {name!r}")
        if known is not None and name not in known:
            raise ValueError(
                f"params must name parameters of the network, {shown(known)}, got {name!r}{meant(name, known)}"
            )
        if missing and value is None:
            checked[name] = np.nan
        elif known is not None and np.ndim(value) == 1:
            checked[name] = as_real(value, f"params[{name!r}]", dtype=np.float64, inf=False)
            sizes.add(len(checked[name]))
        else:
            checked[name] = as_number(value, f"params[{name!r}]")
    if len(sizes) > 1:
        raise ValueError(f"params must hold arrays of one length, got lengths {sorted(sizes)}")
    return checked
