"""Reaction networks under mass action: how they are written, and what their rates are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labelled import by_label, complete, meant, same_rows, shown
from .._validation import as_flag, as_names, as_number, as_real
from ._expressions import Expression
from ._reading import Rate, Reaction, Side, from_matrices, from_text, from_triples, names_of
from ._states import State, as_amounts, as_counts
from ._tables import Structure, Tables

# What a pickle holds: the rest follows from it.
_KEPT = ("_species", "_reactions", "_x0", "_params", "_volume", "_combinatorial")


class ReactionNetwork:
    """Species and the reactions between them, under mass action.

    Parameters
    ----------
    reactions : str or iterable of (reactants, products, rate)
        Text with a reaction a line, ``S + I -> 2 I @ beta``, where ``0`` stands for nothing; ``name = number``
        gives a parameter, or the initial count if it names a species; ``#`` starts a comment and ``;`` may stand
        for a line end. Or triples, whose sides are written the same way or are mappings
        ``{"S": 1, "I": 1}``.
    species : sequence of str, optional
        All species in the wished order. Default: the order of first appearance.
    reactants, products : array_like of int, shape (n_reactions, n_species), optional
        The coefficients, instead of `reactions`; `species` and `rates` must be given too.
    rates : sequence of float or str, optional
        Rate constants that belong to the matrices.
    params : mapping of str to float, optional
        Values of the parameters named by rates; they go before those in the text.
    volume : float, default 1.0
        Size of the system. A rate constant is for concentrations, x / volume.
    combinatorial : bool, default False
        Count unordered sets of reactants: m equal reactants divide the propensity (and the deterministic rate) by m!.

    Attributes
    ----------
    species : tuple of str
    reactions : tuple of Reaction
    params : Mapping of str to float
        The parameters' default values, in order.
    x0 : Mapping of str to float or None
        Initial amounts of all species, if the text gave any.
    volume : float
    combinatorial : bool

    Raises
    ------
    TypeError, ValueError
        If the network can't be read (the line is named), a coefficient isn't a non-negative int, a rate is
        negative or not finite, or names something unknown.

    Notes
    -----
    With rate constant k, order m (the number of reactants) and volume V, the propensity is
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
        reactants: ArrayLike | None = None,
        products: ArrayLike | None = None,
        rates: Sequence[Rate] | None = None,
        params: Mapping[str, float] | None = None,
        volume: float = 1.0,
        combinatorial: bool = False,
    ) -> None:
        values: dict[str, float] = {}
        places: dict[str, str] = {}
        matrices = (reactants, products, rates)
        if reactions is None:
            if species is None or any(given is None for given in matrices):
                raise TypeError("reactions must be given, or all of species, reactants, products and rates")
            found = from_matrices(names_of(species), reactants, products, rates)  # type: ignore[arg-type]
        elif any(given is not None for given in matrices):
            raise TypeError("reactions must be given, or reactants, products and rates, not both")
        elif isinstance(reactions, str):
            found, values, places = from_text(reactions)
        else:
            found = from_triples(reactions)
        if not found:
            raise ValueError("reactions must hold at least one reaction, got none")
        appeared = {name: None for _, r in found for side in (r.reactants, r.products) for name in side}
        self._species = tuple(appeared) if species is None else names_of(species)
        if not self._species:
            raise ValueError("reactions must have at least one species, got none")
        self._place = {name: i for i, name in enumerate(self._species)}
        unknown = [name for name in appeared if name not in self._place]
        if unknown:
            near = meant(unknown[0], self._species)
            raise ValueError(f"species must name all species of the reactions, but {unknown[0]!r} is missing{near}")
        self._reactions = tuple(reaction for _, reaction in found)
        given = {name: value for name, value in values.items() if name in self._place}
        self._x0 = {name: given.get(name, 0.0) for name in self._species} if given else None
        self._params = {name: value for name, value in values.items() if name not in given}
        given_params = _checked_params(by_label(params, "params"), self._place)
        self._params.update(given_params)
        self._volume = as_number(volume, "volume", low=0, open_low=True)
        self._combinatorial = as_flag(combinatorial, "combinatorial")
        self._read_rates(found)
        self._refuse_unused(places | dict.fromkeys(given_params, "params"))
        self._constants = self._evaluated(self._params, ())[0]

    def _read_rates(self, found: Sequence[tuple[str, Reaction]]) -> None:
        """Each distinct expression once; those without names have their value now."""
        numbers: dict[str, int] = {}
        expressions: list[Expression] = []
        for where, reaction in found:
            if numbers.setdefault(reaction.rate, len(numbers)) == len(expressions):
                expressions.append(self._rate_expression(where, reaction))
        self._rate_of = np.array([numbers[reaction.rate] for _, reaction in found], np.int64)
        self._rates = np.array([0.0 if e.names else e.value({}) for e in expressions], np.float64)
        self._expressions = {i: e for i, e in enumerate(expressions) if e.names}

    def _rate_expression(self, where: str, reaction: Reaction) -> Expression:
        try:
            expression = Expression(reaction.rate)
        except ValueError as error:
            raise ValueError(f"{where}: the rate {error}") from None
        for name in expression.names:
            if name in self._place:
                raise ValueError(
                    f"{where}: the rate {reaction.rate!r} names the species {name!r}; a rate is a constant under mass "
                    "action (other rate laws aren't supported)"
                )
            if name not in self._params:
                raise ValueError(
                    f"{where}: the rate {reaction.rate!r} names {name!r}, which has no value: add a line "
                    f"'{name} = ...' or give it in params{meant(name, self._params)}"
                )
        return expression

    def _refuse_unused(self, places: Mapping[str, str]) -> None:
        """A value that nothing uses was meant for another name."""
        used = {name for expression in self._expressions.values() for name in expression.names}
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
    def x0(self) -> Mapping[str, float] | None:
        return None if self._x0 is None else MappingProxyType(self._x0)

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

        Made, dense, when asked for; nothing else in the library needs it.
        """
        tables = self.tables
        matrix = np.zeros((len(self._species), len(self._reactions)), np.int64)
        matrix[tables.changed, np.repeat(np.arange(len(self._reactions)), np.diff(tables.change_at))] = tables.by
        return matrix

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

    def __str__(self) -> str:
        """The network as text that gives it back."""
        lines = [str(reaction) for reaction in self._reactions]
        lines += [f"{name} = {value!r}" for name, value in {**self._params, **(self._x0 or {})}.items()]
        return "\n".join(lines)

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in _KEPT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update((name, state[name]) for name in _KEPT)
        self._place = {name: i for i, name in enumerate(self._species)}
        self._read_rates([(f"reaction {j}", reaction) for j, reaction in enumerate(self._reactions)])
        self._constants = self._evaluated(self._params, ())[0]

    def with_params(self, params: Mapping[str, float]) -> ReactionNetwork:
        """The same network with other default values of some parameters."""
        changed = object.__new__(type(self))
        vars(changed).update(vars(self), structure=self.structure)  # with what kernels prepared from it
        named = complete(params, "params", self._params, "parameters")
        changed._params = {**self._params, **_checked_params(named, self._place, self._params)}
        if any(np.ndim(value) for value in changed._params.values()):
            raise ValueError("params must be numbers here, got an array")
        changed._constants = changed._evaluated(changed._params, ())[0]
        return changed

    # Rates

    def param_values(self, params: Mapping[str, Any] | ArrayLike | None = None) -> dict[str, Any]:
        """Return all parameters' values where `params` goes before the defaults.

        A mapping gives some of them, a value or an array of p values each; an array of shape (k,) or (p, k) gives all
        k in order; a Series or a table, read by its labels, gives all k in any order.
        """
        if params is None:
            return dict(self._params)
        params = complete(params, "params", self._params, "parameters")
        if isinstance(params, Mapping):
            return {**self._params, **_checked_params(params, self._place, self._params)}
        k = len(self._params)
        table = as_real(params, "params", ndim=(1, 2), dtype=np.float64, inf=False)
        if table.shape[-1] != k:
            raise ValueError(f"params must have {k} columns, one for each of {shown(self._params)}, got {table.shape}")
        return {name: table[..., i] for i, name in enumerate(self._params)}

    def constants(self, params: Mapping[str, Any] | ArrayLike | None = None) -> NDArray[np.float64]:
        """The rate constants of counts, ``k V**(1 - m)`` (over m! if `combinatorial`), for given parameters.

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
        if params is None and not names:
            return self._constants.copy(), np.zeros((len(self._reactions), 0))
        return self._evaluated(self.param_values(params), names)

    def _evaluated(
        self, values: Mapping[str, Any], names: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        shape = np.broadcast_shapes(*(np.shape(value) for value in values.values()))
        rates = np.broadcast_to(self._rates, (*shape, len(self._rates))).copy()
        gradients = np.zeros((*shape, len(self._rates), len(names)))
        for i, expression in self._expressions.items():
            rates[..., i], gradient = expression.gradient(values)
            for k, name in enumerate(names):
                gradients[..., i, k] = gradient.get(name, 0.0)
        constants = np.take(rates, self._rate_of, axis=-1) * self._scales
        wrong = ~(np.isfinite(constants) & (constants >= 0))
        if wrong.any():
            j = int(np.argmax(wrong.reshape(-1, len(self._reactions)).any(axis=0)))
            value = constants[..., j][wrong[..., j]].flat[0]
            raise ValueError(f"the rate of '{self._reactions[j]}' must be finite and at least 0, got {value}")
        slopes = np.take(gradients, self._rate_of, axis=-2) * self._scales[:, None]
        if not np.isfinite(slopes).all():
            raise ValueError("a rate has no finite derivative by a parameter at these values")
        return constants, slopes

    @cached_property
    def _scales(self) -> NDArray[np.float64]:
        """What turns a rate constant of concentrations into one of counts."""
        scales = []
        for reaction in self._reactions:
            scale = self._volume ** (1 - sum(reaction.reactants.values()))
            if self._combinatorial:
                for n in reaction.reactants.values():
                    if n > 1:
                        scale /= float(np.prod(np.arange(1.0, n + 1)))
            scales.append(scale)
        return np.array(scales)

    def propensities(
        self, x: State, t: float = 0.0, params: Mapping[str, Any] | ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Stochastic rates of all reactions in a state, events a unit of time.

        Parameters
        ----------
        x : mapping or array_like of shape (n_species,)
            Counts; species that a mapping doesn't name are 0.
        t : float
            The time (mass action doesn't depend on it).
        params : mapping or array_like of shape (k,), optional
            Values instead of the defaults.

        Returns
        -------
        ndarray of shape (n_reactions,)

        Examples
        --------
        >>> from fastcore.reactions import ReactionNetwork
        >>> ReactionNetwork("2 A -> B @ 0.5").propensities({"A": 10})
        array([45.])
        """
        as_number(t, "t")
        counts = as_counts(x, self._species, "x").astype(np.float64)
        rates = self.tables.products_of(self._one_set(params), counts, less=True)
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
        as_number(t, "t")
        amounts = as_amounts(x, self._species, "x")
        tables = self.tables
        rates = tables.products_of(self._one_set(params), amounts, less=False)
        changes = tables.by * np.repeat(rates, np.diff(tables.change_at))
        total = np.bincount(tables.changed, changes, minlength=len(self._species))
        return total.astype(np.float64)

    def _one_set(self, params: Mapping[str, Any] | ArrayLike | None) -> NDArray[np.float64]:
        constants = self.constants(params)
        if constants.ndim != 1:
            raise ValueError(f"params must be one set of values here, got {constants.shape[0]} sets")
        return constants

    @property
    def tables(self) -> Tables:
        """The structure in arrays: factors, changes and, for each species, the reactions that read it."""
        return self.structure.tables

    @cached_property
    def structure(self) -> Structure:
        """The tables, with what kernels prepare from them; networks with other parameters share it."""
        return Structure(Tables.of(self._reactions, self._place))


def _checked_params(
    params: Mapping[str, Any] | None, species: Collection[str], known: Mapping[str, float] | None = None
) -> dict[str, Any]:
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise TypeError(f"params must be a mapping of names to numbers, got {type(params).__name__}")
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
        if known is not None and np.ndim(value) == 1:
            checked[name] = as_real(value, f"params[{name!r}]", dtype=np.float64, inf=False)
            sizes.add(len(checked[name]))
        else:
            checked[name] = as_number(value, f"params[{name!r}]")
    if len(sizes) > 1:
        raise ValueError(f"params must hold arrays of one length, got lengths {sorted(sizes)}")
    return checked
