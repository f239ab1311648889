"""States and times, as `simulate`, `fsp` and `ode` take them: checked, and read by name where they have names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labelled import complete, in_order, is_table, meant, shown
from .._validation import as_number, as_real

if TYPE_CHECKING:
    from ._network import ReactionNetwork

State: TypeAlias = Mapping[str, Any] | ArrayLike

# Doubles that a span must have for a clock: 16 moves of 32 steps each, as the kernels ask for, fit in it.
FEWEST_STEPS = 512
_FLOAT64 = np.dtype(np.float64)
# Lists so short are looked through sooner here than by NumPy.
_SHORT = 16
_PLAIN = (float, int)
# Counts are doubles inside the kernels: exact up to here.
LARGEST_COUNT = 2**53 - 2**32


def _row(x: State, species: Sequence[str], name: str) -> NDArray[np.float64]:
    if type(x) not in (dict, list, tuple):  # these have no labels of their own
        x = complete(x, name, species, "species")
    if _are_numbers(x, len(species)):
        return np.array(x, np.float64)
    if type(x) is not dict and not isinstance(x, Mapping):
        return as_real(x, name, shape=(len(species),), dtype=np.float64, inf=False)
    known = frozenset(species)
    for key in x:
        if key not in known:
            raise ValueError(
                f"{name} must name species of the network, {shown(species)}, got {key!r}{meant(key, species)}"
            )
    amounts = as_real(list(x.values()), name, shape=(len(x),), dtype=np.float64, inf=False)
    found = dict(zip(x, amounts.tolist()))
    return np.array([found.get(key, 0.0) for key in species])


def _are_numbers(x: Any, count: int) -> bool:
    """Whether x is a list of so many plain numbers that a float holds, and a short one."""
    short = type(x) is list and len(x) == count <= _SHORT
    return short and all(type(value) in _PLAIN and -LARGEST_COUNT < value < LARGEST_COUNT for value in x)


def as_counts(x: State, species: Sequence[str], name: str = "x0") -> NDArray[np.int64]:
    """Return whole non-negative counts of all species, or refuse by name."""
    return _whole(_row(x, species, name), species, name)


def _whole(amounts: NDArray[np.float64], species: Sequence[str], name: str) -> NDArray[np.int64]:
    wrong = (amounts < 0) | (amounts != np.floor(amounts)) | (amounts > LARGEST_COUNT)
    if wrong.any():
        where = tuple(np.argwhere(wrong)[0])
        raise ValueError(
            f"{name} must hold whole numbers from 0 to 2**53 - 2**32, "
            f"got {float(amounts[where])} for the species {species[where[-1]]!r}"
        )
    return amounts.astype(np.int64)


def as_amounts(x: State, species: Sequence[str], name: str = "x0") -> NDArray[np.float64]:
    """Return finite amounts of all species, or refuse by name."""
    return _row(x, species, name)


def initial_counts(network: ReactionNetwork, x0: State | None, params: Any) -> NDArray[np.int64]:
    """Counts, `x0` or the network's own, shape (n_species,), or (p, n_species) if sets of parameters differ in them."""
    if x0 is not None:
        return as_counts(x0, network.species)
    return _whole(network.starts(None, params)[0], network.species, "x0")


def starts_of_runs(
    network: ReactionNetwork, x0: Any, params: Any, sets: tuple[int, ...], n: int | None
) -> tuple[NDArray[np.int64], int, bool]:
    """Counts as rows (one, one a set of parameters, or one a run), the runs of each set, and whether they are theirs.

    `x0` of more than one dimension holds a row a set if there are several sets, and after that a row a run.
    """
    listed = isinstance(x0, Sequence) and len(x0) > 0 and not isinstance(x0, str) and np.ndim(x0[0]) > 0
    if not (listed or is_table(x0) or getattr(x0, "ndim", 1) > 1):
        return np.atleast_2d(initial_counts(network, x0, params)), 1 if n is None else n, False
    species = network.species
    table = as_real(in_order(x0, "x0", species, "species"), "x0", ndim=(2, 3), dtype=np.float64, inf=False)
    if table.shape[-1] != len(species):
        raise ValueError(f"x0 must have {len(species)} columns, one a species, got shape {table.shape}")
    counts = _whole(table, species, "x0").reshape(-1, len(species))
    head, p = table.shape[:-1], sets[0] if sets else 1
    by_set = head[: len(sets)] == sets
    if by_set and len(head) == len(sets):
        return counts, 1 if n is None else n, False
    if by_set and len(head) == len(sets) + 1 and n in (None, head[-1]):
        return counts, head[-1], True
    wanted = ["(n_species,)", *([f"({p}, n_species)"] if sets else [])]
    wanted.append("(" + ", ".join(map(str, [*sets, "n" if n is None else n, "n_species"])) + ")")
    raise ValueError(f"x0 must have shape {', '.join(wanted[:-1])} or {wanted[-1]}, got {table.shape}")


def as_span(t_span: Sequence[float]) -> tuple[float, float]:
    """Return start <= end as floats, or refuse by name."""
    try:
        start, end = t_span
    except (TypeError, ValueError):
        raise ValueError(f"t_span must be (start, end), got {t_span!r}") from None
    span = as_number(start, "t_span[0]"), as_number(end, "t_span[1]")
    if span[0] > span[1]:
        raise ValueError(f"t_span must be (start, end) with start <= end, got {span}")
    return span


def as_clock(t_span: Sequence[float]) -> tuple[float, float]:
    """Return a span in which a clock that adds up waiting times can tell them apart, or refuse by name."""
    span = as_span(t_span)
    step = _step(span)
    if 0 < span[1] - span[0] < FEWEST_STEPS * step:
        raise ValueError(
            f"t_span must be longer than {FEWEST_STEPS} steps from one double to the next, which are {step:.3g} long "
            f"there, or nearer to 0, got {span}"
        )
    return span


def unresolved(span: tuple[float, float], run: int) -> str:
    """What to say of a run whose waiting times were too short for its clock."""
    return (
        f"t_span must lie nearer to 0: in run {run} waiting times were, in the mean, shorter than 32 steps from one "
        f"double to the next, which are up to {_step(span):.3g} long there, got {span}; or events follow one another "
        "ever faster, as in an explosion"
    )


def _step(span: tuple[float, float]) -> float:
    return math.ulp(max(map(abs, span)))


def as_times(t_eval: ArrayLike | None, span: tuple[float, float]) -> NDArray[np.float64]:
    """Return rising times inside the span (101 of them by default), or refuse by name."""
    if t_eval is None:
        return np.linspace(*span, 101)
    if type(t_eval) is np.ndarray and t_eval.dtype is _FLOAT64 and t_eval.ndim == 1 and t_eval.flags.carray:
        # The usual case in one look: what rises from and to numbers within the span holds no other.
        n = len(t_eval)
        rising = n > 0 and np.count_nonzero(t_eval[1:] >= t_eval[:-1]) == n - 1
        if rising and span[0] <= t_eval[0] and t_eval[-1] <= span[1]:
            return t_eval
    times: NDArray[np.float64] = as_real(t_eval, "t_eval", ndim=1, dtype=np.float64, inf=False)
    if np.count_nonzero(times[1:] < times[:-1]):
        raise ValueError("t_eval must rise")
    if len(times) and (times[0] < span[0] or times[-1] > span[1]):
        raise ValueError(f"t_eval must lie in t_span, {span}, got times from {times[0]} to {times[-1]}")
    return times
