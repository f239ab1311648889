"""Systems whose right-hand sides are polynomials, given by their coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_integers, as_list, as_names, as_number
from ..reactions._expressions import Expression
from ._expressions import ExpressionSystem

# Beyond it a power of anything but 1 is 0 or infinite.
_HIGHEST = 1024


class PolynomialSystem(ExpressionSystem):
    """Ordinary differential equations with polynomial right-hand sides.

    The derivative of variable i is the sum over terms k of ``coefficients[i][k] * x[0]**exponents[k][0] *
    x[1]**exponents[k][1] ...``.

    Parameters
    ----------
    coefficients : array_like or list of list, shape (n_species, n_terms)
        Numbers, or expressions of parameters, such as ``"-b"``; where there is a number 0 there is no term.
    exponents : array_like of int, shape (n_terms, n_species)
        Each term's powers, from 0 to 1024.
    species : sequence of str, optional
        The variables' names. Default: x0, x1 and so on.
    params : mapping of str to float, optional
        Values of the parameters that coefficients name, None for those that come with the call.

    Attributes
    ----------
    exponents : ndarray of int64, shape (n_terms, n_species)
    species : tuple of str
    params : Mapping of str to float
        The parameters' default values, in order; NaN for one that has none.

    Raises
    ------
    TypeError, ValueError
        If the shapes don't match, an exponent isn't such an int, or a coefficient isn't finite or names something that
        has no value.

    Notes
    -----
    An `ExpressionSystem`: it goes wherever one does, with exact derivatives, and its parameters can be fitted. Terms
    that aren't there cost nothing.

    Examples
    --------
    The predator and its prey, where a term is x, xy or y:

    >>> import numpy as np
    >>> from fastcore.ode import PolynomialSystem, jacobian, solve
    >>> system = PolynomialSystem(
    ...     [["a", "-b", 0], [0, "b", -1]], [[1, 0], [1, 1], [0, 1]], species=["x", "y"], params={"a": 1, "b": 0.01}
    ... )
    >>> system
    PolynomialSystem(x, y)
    >>> jacobian(system, [50, 100])
    array([[ 0. , -0.5],
           [ 1. , -0.5]])
    >>> np.round(solve(system, [50, 100], (0, 1), [1], sensitivities=["b"]).sensitivities[0, :, 0], 1)
    array([-5669.6,  1714.7])
    """

    exponents: NDArray[np.int64]

    def __init__(
        self,
        coefficients: ArrayLike | Sequence[Sequence[float | str]],
        exponents: ArrayLike,
        *,
        species: Sequence[str] | None = None,
        params: Mapping[str, float] | None = None,
    ) -> None:
        powers = as_integers(exponents, "exponents", ndim=2, low=0, high=_HIGHEST + 1)
        terms, count = powers.shape
        names = tuple(f"x{i}" for i in range(count)) if species is None else as_names(species, "species")
        if len(names) != count:
            raise ValueError(f"species must name the {count} variables of exponents {powers.shape}, got {len(names)}")
        if len(set(names)) < len(names):
            raise ValueError(f"species must be different names, got {names}")
        rows = [
            as_list(row, "coefficients", "lists") for row in as_list(coefficients, "coefficients", "a list of lists")
        ]
        if len(rows) != count or any(len(row) != terms for row in rows):
            got = f"{len(rows)} rows of {sorted({len(row) for row in rows})}"
            raise ValueError(
                f"coefficients must have shape {(count, terms)} to match exponents {powers.shape}, got {got}"
            )
        products = [_product(names, row) for row in powers.tolist()]
        super().__init__(
            {
                name: " + ".join(
                    f"({text}){product}"
                    for text, product in zip((_coefficient(value, names) for value in row), products)
                    if text
                )
                or "0"
                for name, row in zip(names, rows)
            },
            params=params,
        )
        self.exponents = powers.copy()
        self.exponents.flags.writeable = False


def _product(names: Sequence[str], powers: Sequence[int]) -> str:
    """A term without its coefficient, as what goes behind that."""
    factors = [name if power == 1 else f"{name}**{power}" for name, power in zip(names, powers) if power]
    return "".join(f"*{factor}" for factor in factors)


def _coefficient(value: Any, names: Sequence[str]) -> str:
    """A coefficient's text, empty for 0."""
    if isinstance(value, str):
        try:
            found = Expression(value)
        except ValueError as error:
            raise ValueError(f"coefficients: {error}") from None
        for name in found.names:
            if name in names or name == "t":
                raise ValueError(f"coefficients must be numbers or expressions of parameters, got {value!r}")
        return str(value)
    number = as_number(value, "coefficients")
    return repr(number) if number else ""
