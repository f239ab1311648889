"""Reaction networks under mass action: how they are written, and what their rates are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labelled import by_label, complete, meant, same_rows, shown
from .._validation import as_flag, as_names, as_number, as_real
from ._expressions import Expression
from ._reading import Rate, Reaction, Side, from_matrices, from_text, from_triples, names_of

Tables: TypeAlias = tuple[NDArray[np.int64], ...]
State: TypeAlias = Mapping[str, Any] | ArrayLike

# Counts are doubles inside the kernels: exact up to here.
LARGEST_COUNT = 2**53 - 2**32


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
        unknown = [name for name in appeared if name not in self._species]
        if unknown:
            near = meant(unknown[0], self._species)
            raise ValueError(f"species must name all species of the reactions, but {unknown[0]!r} is missing{near}")
        self._reactions = tuple(reaction for _, reaction in found)
        given = {name: value for name, value in values.items() if name in self._species}
        self._x0 = {name: given.get(name, 0.0) for name in self._species} if given else None
        self._params = {name: value for name, value in values.items() if name not in given}
        given_params = _checked_params(by_label(params, "params"), self._species)
        self._params.update(given_params)
        self._volume = as_number(volume, "volume", low=0, open_low=True)
        self._combinatorial = as_flag(combinatorial, "combinatorial")
        self._expressions = [self._rate_expression(where, reaction) for where, reaction in found]
        self._refuse_unused(places | dict.fromkeys(given_params, "params"))
        self.constants()

    def _rate_expression(self, where: str, reaction: Reaction) -> Expression:
        try:
            expression = Expression(reaction.rate)
        except ValueError as error:
            raise ValueError(f"{where}: the rate {error}") from None
        for name in expression.names:
            if name in self._species:
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
        used = {name for expression in self._expressions for name in expression.names}
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
        """Coefficients of the reactants, shape (n_reactions, n_species)."""
        return self._matrix("reactants")

    @property
    def products(self) -> NDArray[np.int64]:
        """Coefficients of the products, shape (n_reactions, n_species)."""
        return self._matrix("products")

    @property
    def stoichiometry(self) -> NDArray[np.int64]:
        """By how much each reaction changes each species, shape (n_species, n_reactions)."""
        return np.ascontiguousarray((self.products - self.reactants).T)

    def _matrix(self, side: str) -> NDArray[np.int64]:
        matrix = np.zeros((len(self._reactions), len(self._species)), np.int64)
        for row, reaction in zip(matrix, self._reactions):
            for name, n in getattr(reaction, side).items():
                row[self._species.index(name)] = n
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
        return {name: value for name, value in vars(self).items() if name != "_tables"}

    def with_params(self, params: Mapping[str, float]) -> ReactionNetwork:
        """The same network with other default values of some parameters."""
        changed = copy(self)
        named = complete(params, "params", self._params, "parameters")
        changed._params = {**self._params, **_checked_params(named, self._species, self._params)}
        if any(np.ndim(value) for value in changed._params.values()):
            raise ValueError("params must be numbers here, got an array")
        changed.constants()
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
            return {**self._params, **_checked_params(params, self._species, self._params)}
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
        values = self.param_values(params)
        shape = np.broadcast_shapes(*(np.shape(value) for value in values.values()))
        constants = np.empty((*shape, len(self._reactions)))
        slopes = np.zeros((*shape, len(self._reactions), len(names)))
        for j, (expression, scale) in enumerate(zip(self._expressions, self._scales)):
            rate, gradient = expression.gradient(values)
            constants[..., j] = rate * scale
            for i, name in enumerate(names):
                slopes[..., j, i] = gradient.get(name, 0.0) * scale
            wrong = ~(np.isfinite(constants[..., j]) & (constants[..., j] >= 0))
            if wrong.any():
                value = constants[..., j][wrong].flat[0]
                raise ValueError(f"the rate of '{self._reactions[j]}' must be finite and at least 0, got {value}")
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
        rates = self._one_set(params)
        offsets, factors, minus = self._tables[:3]
        for j in range(len(rates)):
            for f in range(offsets[j], offsets[j + 1]):
                rates[j] *= counts[factors[f]] - minus[f]
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
        rates = self._one_set(params)
        offsets, factors = self._tables[:2]
        for j in range(len(rates)):
            for f in range(offsets[j], offsets[j + 1]):
                rates[j] *= amounts[factors[f]]
        return np.asarray(self.stoichiometry @ rates)

    def _one_set(self, params: Mapping[str, Any] | ArrayLike | None) -> NDArray[np.float64]:
        constants = self.constants(params)
        if constants.ndim != 1:
            raise ValueError(f"params must be one set of values here, got {constants.shape[0]} sets")
        return constants

    @property
    def tables(self) -> Tables:
        """The structure as the kernels read it: offsets and ids of factors, changes and dependants.

        Factor f of reaction j multiplies its rate by ``x[species] - minus`` (2 A has factors A - 0 and A - 1). Its
        dependants are the reactions with a factor that it changes, in rising order.
        """
        return self._tables

    @cached_property
    def _tables(self) -> Tables:
        index = {name: i for i, name in enumerate(self._species)}
        factors: list[list[tuple[int, int]]] = []
        changes: list[list[tuple[int, int]]] = []
        for reaction in self._reactions:
            factors.append([(index[name], less) for name, n in reaction.reactants.items() for less in range(n)])
            names = dict.fromkeys([*reaction.reactants, *reaction.products])
            net = [(index[name], reaction.products.get(name, 0) - reaction.reactants.get(name, 0)) for name in names]
            changes.append([(i, by) for i, by in net if by])
        readers: dict[int, list[int]] = {}
        for j, listed in enumerate(factors):
            for i in {i for i, _ in listed}:
                readers.setdefault(i, []).append(j)
        dependants = [sorted({j for i, _ in listed for j in readers.get(i, ())}) for listed in changes]
        arrays = (
            _offsets(factors),
            [i for listed in factors for i, _ in listed],
            [less for listed in factors for _, less in listed],
            _offsets(changes),
            [i for listed in changes for i, _ in listed],
            [by for listed in changes for _, by in listed],
            _offsets(dependants),
            [j for listed in dependants for j in listed],
        )
        return tuple(np.array(array, np.int64) for array in arrays)


def _offsets(lists: Sequence[Sequence[Any]]) -> list[int]:
    offsets = [0]
    for listed in lists:
        offsets.append(offsets[-1] + len(listed))
    return offsets


def _checked_params(
    params: Mapping[str, Any] | None, species: Sequence[str], known: Mapping[str, float] | None = None
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


# States


def _row(x: State, species: Sequence[str], name: str) -> NDArray[Any]:
    x = complete(x, name, species, "species")
    if isinstance(x, Mapping):
        known = dict.fromkeys(species)
        for key in x:
            if key not in known:
                raise ValueError(
                    f"{name} must name species of the network, {shown(species)}, got {key!r}{meant(key, species)}"
                )
        return as_real([x.get(key, 0) for key in species], name, shape=(len(species),), dtype=np.float64, inf=False)
    return as_real(x, name, shape=(len(species),), dtype=np.float64, inf=False)


def as_counts(x: State, species: Sequence[str], name: str = "x0") -> NDArray[np.int64]:
    """Return whole non-negative counts of all species, or refuse by name."""
    row = _row(x, species, name)
    wrong = (row < 0) | (row != np.floor(row)) | (row > LARGEST_COUNT)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(
            f"{name} must hold whole numbers from 0 to 2**53 - 2**32, "
            f"got {float(row[i])} for the species {species[i]!r}"
        )
    return row.astype(np.int64)


def as_amounts(x: State, species: Sequence[str], name: str = "x0") -> NDArray[np.float64]:
    """Return finite amounts of all species, or refuse by name."""
    row: NDArray[np.float64] = _row(x, species, name)
    return row
