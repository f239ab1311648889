"""A small Gillespie simulator's classes on this library's kernels.

``from fastcore.compat.gillespie import Reaction, System``: names, arguments and attributes are those of the program in
the post.

Source: Su Jianlin (苏剑林), *python简单实现gillespie模拟*, 2018, https://kexue.fm/archives/5607.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._progress import Progress
from .._random import RNG
from .._validation import as_index, as_number
from ..reactions import ReactionNetwork, simulate

__all__ = ["Reaction", "System"]


class Reaction:
    """A reaction that takes and gives so many of each substance.

    Parameters
    ----------
    rate : float
        Reaction rate constant, finite and at least 0.
    num_lefts, num_rights : array_like of int, shape (num_elements,)
        How many of each substance stand on the left and on the right.

    Attributes
    ----------
    rate, num_lefts, num_rights
        As given, the numbers as arrays of int64.
    num_diff : ndarray of int64
        What one event changes: right less left.

    Raises
    ------
    TypeError, ValueError
        If a number isn't whole and at least 0, or the two sides differ in length.
    """

    def __init__(self, rate: float = 0.0, num_lefts: ArrayLike | None = None, num_rights: ArrayLike | None = None):
        self.rate = as_number(rate, "rate", low=0)
        self.num_lefts = _numbers(num_lefts, "num_lefts")
        self.num_rights = _numbers(num_rights, "num_rights", len(self.num_lefts))
        self.num_diff = self.num_rights - self.num_lefts

    def combine(self, n: ArrayLike, s: ArrayLike) -> float:
        """In how many ways s things can be chosen of n, multiplied over the substances."""
        ways = 1.0
        for have, take in zip(_numbers(n, "n"), _numbers(s, "s"), strict=True):
            for i in range(int(take)):
                ways *= max(int(have) - i, 0) / (i + 1)
        return ways

    def propensity(self, n: ArrayLike) -> float:
        """The rate of the reaction where there are `n` of the substances."""
        return float(self.rate * self.combine(n, self.num_lefts))


class System:
    """Reactions between substances 0, 1, ..., and how their numbers evolve by chance.

    Parameters
    ----------
    num_elements : int
        How many substances there are.

    Attributes
    ----------
    num_elements : int
    reactions : list of Reaction
    t : ndarray of shape (steps + 1,)
        Times, after `evolute`: 0, then those of the events.
    n : ndarray of int64, shape (steps + 1, num_elements)
        Numbers of the substances at these times. (Both are lists in the post, of floats and of arrays.)

    Notes
    -----
    A step costs O(reactions) with a small constant, and no Python. `ReactionNetwork` and `simulate` are the same with
    names, ensembles, times, conditions and more.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.compat.gillespie import System
    >>> system = System(2)
    >>> system.add_reaction(20, [0, 0], [1, 0])   # transcription
    >>> system.add_reaction(2.5, [1, 0], [1, 1])  # translation
    >>> system.add_reaction(1, [1, 0], [0, 0])
    >>> system.add_reaction(1, [0, 1], [0, 0])
    >>> system.evolute([0, 0], 100_000, rng=1)
    >>> system.n.shape
    (100001, 2)
    >>> mean = np.average(system.n[:-1, 0], weights=np.diff(system.t))  # a state counts as long as it lasts
    >>> bool(abs(mean - 20) < 1)
    True
    """

    def __init__(self, num_elements: int):
        self.num_elements = as_index(num_elements, "num_elements", low=1)
        self.reactions: list[Reaction] = []
        self.t: NDArray[np.float64] = np.zeros(0)
        self.n: NDArray[np.int64] = np.zeros((0, self.num_elements), np.int64)

    def add_reaction(
        self, rate: float = 0.0, num_lefts: ArrayLike | None = None, num_rights: ArrayLike | None = None
    ) -> None:
        """Add a reaction, of which both sides name all substances."""
        _numbers(num_lefts, "num_lefts", self.num_elements)
        reaction = Reaction(rate, num_lefts, num_rights)
        self._network([reaction])  # refuses what can't be a reaction; all of them are put together by `evolute`
        self.reactions.append(reaction)

    def evolute(
        self, inits: Sequence[int] | NDArray[Any], steps: int, *, rng: RNG = None, progress: Progress = False
    ) -> None:
        """Let the system go through so many events, and keep them in `t` and `n`.

        Parameters
        ----------
        inits : array_like of int, shape (num_elements,)
            The numbers at time 0.
        steps : int
            How many events. Where nothing can react any more it ends early, with a warning (the post's program divides
            by 0 there).
        rng : None, int, SeedSequence or Generator
            Source of randomness; an int repeats.
        progress : bool or callable, default False
            As in `simulate`.

        Raises
        ------
        TypeError, ValueError
            If there are no reactions, or an argument can't be used; `t` and `n` are then as before.
        """
        if not self.reactions:
            raise ValueError("evolute needs reactions: add_reaction adds one")
        begins = _numbers(inits, "inits", self.num_elements)
        steps = as_index(steps, "steps")
        found = simulate(
            self._network(self.reactions),
            begins,
            (0.0, np.finfo(float).max),
            record="jumps",
            max_events=steps,
            rng=rng,
            progress=progress,
        )
        self.t, self.n = found.path(0)
        if len(self.t) <= steps:
            warnings.warn(
                f"nothing can react any more after {len(self.t) - 1} of {steps} steps", RuntimeWarning, stacklevel=2
            )

    def _network(self, reactions: list[Reaction]) -> ReactionNetwork:
        names = [f"n{i}" for i in range(self.num_elements)]
        sides = [
            [{name: int(k) for name, k in zip(names, side) if k} for side in (one.num_lefts, one.num_rights)]
            for one in reactions
        ]
        return ReactionNetwork(
            [(left, right, one.rate) for (left, right), one in zip(sides, reactions)], species=names, combinatorial=True
        )


def _numbers(numbers: ArrayLike | None, name: str, length: int | None = None) -> NDArray[np.int64]:
    if numbers is None:
        raise TypeError(f"{name} must be whole numbers, one a substance, got None")
    found = np.asarray(numbers)
    if found.ndim != 1 or (length is not None and len(found) != length):
        raise ValueError(f"{name} must have shape ({'n' if length is None else length},), got {found.shape}")
    if found.dtype.kind not in "iuf" or not np.all((found >= 0) & (found <= 2**53) & (found == np.floor(found))):
        raise ValueError(f"{name} must be whole numbers from 0 to 2**53, got {found.tolist()}")
    return found.astype(np.int64)
