"""Any recurrence: a state that steps along a sequence."""

from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from typing import Any, TypeVar

import numpy as np

from .._labelled import is_table
from .._validation import as_flag, as_index

State = TypeVar("State")


def scan(
    step: Callable[[State, Any], tuple[State, Any]],
    state: State,
    xs: Any = None,
    *,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[State, Any]:
    """Run any recurrence: a state that steps along a sequence.

    Parameters
    ----------
    step : callable
        ``step(state, x) -> (state, y)``: from the state before and one element, the state after and what to keep.
    state : any
        The first state: a number, an array, a tuple of them, any object. It is never copied or looked into.
    xs : array, tuple or mapping of arrays, or iterable, optional
        What is stepped along. Of an array the rows; of a tuple of arrays tuples of rows, side by side; of a namedtuple
        namedtuples, of a mapping dicts, whose values are rows; of any other iterable its elements. Without it,
        `length` steps are made with x = None.
    length : int, optional
        The number of steps, where `xs` is None.
    reverse : bool, default False
        Step from the last element to the first; what is kept stands where its element did.

    Returns
    -------
    state
        The last state.
    ys : ndarray, tuple or dict of ndarray, or None
        What was kept, stacked along a new first axis; a tuple of arrays if `step` gives tuples (named as they are), a
        dict if it gives mappings, None if it gives None. An empty array, shape (0,), if there was no step.

    Raises
    ------
    TypeError
        If `step` isn't callable or doesn't return a pair, or `xs` and `length` are both given or both missing.
    ValueError
        If the arrays of a tuple or mapping differ in length, or what is kept differs in its names.

    Notes
    -----
    One Python call a step: this is the shape that all recurrences of this library have, for those that have no
    kernel of their own. The contract is that of ``jax.lax.scan``.

    Examples
    --------
    The state of Euler's method is (t, x); what it keeps is x:

    >>> from fastcore.recurrence import scan
    >>> def euler(state, h):
    ...     t, x = state
    ...     return (t + h, x + h * -x), x
    >>> (t, x), path = scan(euler, (0.0, 1.0), [0.5] * 4)
    >>> t, x, path
    (2.0, 0.0625, array([1.   , 0.5  , 0.25 , 0.125]))

    The denominator of a linear-chain CRF is one too: the state is the logarithm of the weight of all paths that
    end in each label.

    >>> import numpy as np
    >>> transitions = np.log([[1.0, 2.0], [3.0, 4.0]])
    >>> def forward(alpha, emission):
    ...     return np.logaddexp.reduce(alpha[:, None] + transitions, axis=0) + emission, None
    >>> alpha, _ = scan(forward, np.zeros(2), np.zeros((2, 2)))
    >>> round(np.exp(np.logaddexp.reduce(alpha)))
    54
    """
    if not callable(step):
        raise TypeError(f"step must be callable, got {type(step).__name__}")
    if (xs is None) == (length is None):
        raise TypeError("scan takes either xs or length")
    elements = _elements(xs, length)
    if as_flag(reverse, "reverse"):
        elements = reversed(list(elements))
    ys: list[Any] = []
    for x in elements:
        after = step(state, x)
        if not isinstance(after, tuple) or len(after) != 2:
            raise TypeError(f"step must return a pair (state, y), got {type(after).__name__}")
        state, y = after
        ys.append(y)
    if reverse:
        ys.reverse()
    return state, _stacked(ys)


def _elements(xs: Any, length: int | None) -> Iterable[Any]:
    if length is not None:
        return repeat(None, as_index(length, "length"))
    if isinstance(xs, Mapping):
        names = list(xs)
        return (dict(zip(names, row)) for row in _side_by_side(list(xs.values()), "mapping"))
    if isinstance(xs, tuple):
        rows = _side_by_side(list(xs), "tuple")
        # A namedtuple is made of its fields, not of one iterable.
        return map(type(xs)._make, rows) if hasattr(xs, "_make") else rows
    if is_table(xs):
        raise TypeError(
            f"xs must be an array, a tuple or a mapping of arrays, got {type(xs).__name__}: give its values"
        )
    if not isinstance(xs, Iterable) or (isinstance(xs, np.ndarray) and not xs.ndim):
        raise TypeError(f"xs must be an array, a tuple of arrays or an iterable, got {type(xs).__name__}")
    return xs


def _side_by_side(parts: list[Any], what: str) -> Iterable[tuple[Any, ...]]:
    arrays = [np.asarray(part) for part in parts]
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise TypeError(f"a {what} xs must hold arrays of at least 1 dimension")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"the arrays of xs must be equally long, got lengths {lengths}")
    return zip(*arrays)


def _stacked(ys: list[Any]) -> Any:
    if not ys:
        return np.empty(0)
    first = ys[0]
    if all(y is None for y in ys):
        return None
    if isinstance(first, Mapping):
        for y in ys:
            if not isinstance(y, Mapping) or y.keys() != first.keys():
                names = list(y) if isinstance(y, Mapping) else type(y).__name__
                raise ValueError(f"step must keep the same names in every step, got {list(first)} and {names}")
        return {name: _stacked([y[name] for y in ys]) for name in first}
    if isinstance(first, tuple):
        parts = [_stacked(list(part)) for part in zip(*ys, strict=True)]
        return type(first)._make(parts) if hasattr(first, "_make") else tuple(parts)
    return np.stack([np.asarray(y) for y in ys])
