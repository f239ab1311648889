"""Best paths of sequences that come in pieces and never need to be held whole."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._backend import active_backend, kernels
from .._labelled import is_table, same_axes
from .._turns import TakesTurns, in_turn
from .._validation import as_index, as_real
from ._batch import Array, highest, lowest

# Scores are to be small enough for sums of a few.
MOST = 1e300


class ViterbiDecoder(TakesTurns):
    """Best path of a sequence whose emissions come in pieces.

    A label is given as soon as all paths that may still win agree on it, so labels come a few steps late, and together
    they are the path of `viterbi`. If more than `max_delay` steps would be waiting, the oldest gets the label of the
    path that is best by then, and paths that say otherwise are given up: the labels are always those of one path, but
    from there on it may not be the best. `n_forced` counts such labels; none means that the path is exact.

    Parameters
    ----------
    transitions : array_like, shape (L, L)
        ``transitions[i, j]`` goes from label i to label j.
    start : array_like, shape (L,), optional
        Scores of the first label. Default zeros.
    max_delay : int, default 1000
        At most so many steps wait for their label.

    Attributes
    ----------
    n_steps : int
        Steps of this sequence so far.
    n_pending : int
        Those that wait for their label.
    n_forced : int
        Labels given because of `max_delay`.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity, or finite and larger than 1e300.

    Notes
    -----
    Labels don't depend on how the sequence is cut into pieces, nor on the type that emissions have. Memory is that of a
    piece and of the pending steps, O((n + max_delay) L). O(L^2) a step, and O(L) a pending step for each piece, or for
    each step where `max_delay` is reached. Where no path is left, labels are -1. A decoder can be pickled in the middle
    of a sequence; calls from several threads take turns. After an error or Ctrl-C it is as before the call.

    Source: Šrámek, Brejová and Vinař, *On-line Viterbi algorithm for analysis of long biological sequences*, WABI 2007,
    who show that the pending steps stay few.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import ViterbiDecoder
    >>> decoder = ViterbiDecoder(np.log([[0.9, 0.1], [0.1, 0.9]]))
    >>> rows = np.log([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9]])
    >>> [decoder.push(row).tolist() for row in rows]
    [[], [0], [], [0, 0], [], []]
    >>> labels, score = decoder.finish()
    >>> labels, round(score, 3)
    (array([1, 1, 1]), -4.285)
    """

    # The labels of the tables that were given, if they have any; older pickles don't say.
    _names: Any = None

    def __init__(self, transitions: ArrayLike, *, start: ArrayLike | None = None, max_delay: int = 1000) -> None:
        matrix = as_real(transitions, "transitions", ndim=2, nan=True, dtype=np.float64)
        size = len(matrix)
        if matrix.shape != (size, size) or size == 0:
            raise ValueError(f"transitions must be a square matrix with at least one label, got shape {matrix.shape}")
        self._transitions = _checked(matrix, "transitions").copy()
        self._start = np.zeros(size) if start is None else self._ends(start, "start").copy()
        self._backend = active_backend()
        self.max_delay = as_index(max_delay, "max_delay")
        self._names = same_axes({"transitions": transitions}, {"transitions": transitions, "start": start})
        self._begin()

    def _begin(self) -> None:
        # One tuple, so that Ctrl-C finds the state before a call or after it: columns of best scores, how many steps
        # there were, are pending, have forced labels, and what was taken out of the columns.
        self._state: tuple[Array, int, int, int, float] = np.empty((0, len(self._transitions))), 0, 0, 0, 0.0

    @property
    def n_steps(self) -> int:
        return self._state[1]

    @property
    def n_pending(self) -> int:
        return self._state[2]

    @property
    def n_forced(self) -> int:
        return self._state[3]

    def _ends(self, scores: ArrayLike, name: str) -> Array:
        shape = (len(self._transitions),)
        return _checked(as_real(scores, name, shape=shape, nan=True, dtype=np.float64), name)

    def __repr__(self) -> str:
        return f"ViterbiDecoder({len(self._transitions)} labels, {self.n_steps} steps, {self.n_pending} pending)"

    @in_turn
    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    @in_turn
    def push(self, emissions: ArrayLike) -> Array:
        """Take some more steps.

        Parameters
        ----------
        emissions : array_like, shape (n, L) or (L,)
            Scores of each label at each step, or at one step.

        Returns
        -------
        ndarray of int64
            The labels that are certain by now, from the first step on that had none.
        """
        if self._names is not None:
            axis = {"emissions": emissions}
            same_axes(*((axis, {}) if is_table(emissions) else ({}, axis)), {"transitions": self._names})
        rows = as_real(emissions, "emissions", ndim=(1, 2), nan=True)
        size = len(self._transitions)
        if rows.shape[-1] != size:
            raise ValueError(f"emissions must have {size} labels to match transitions, got shape {rows.shape}")
        rows = _checked(rows.reshape(-1, size), "emissions")
        columns, steps, pending, forced, taken = self._state
        labels: Array
        labels, columns, pending, more, away = kernels("chain", self._backend).decode(
            rows, self._transitions, self._start, columns, pending, self.max_delay
        )
        self._state = columns, steps + len(rows), pending, forced + more, taken + away
        return labels

    @in_turn
    def finish(self, end: ArrayLike | None = None) -> tuple[Array, float]:
        """End the sequence, and begin anew.

        Parameters
        ----------
        end : array_like, shape (L,), optional
            Scores of the last label. Default zeros.

        Returns
        -------
        labels : ndarray of int64
            Those of all pending steps.
        score : float
            Score of the whole path; minus infinity if none is legal, 0 for an empty sequence.
        """
        if self._names is not None:
            same_axes({}, {"end": end}, {"transitions": self._names})
        scores = np.zeros(len(self._transitions)) if end is None else self._ends(end, "end")
        columns, steps, pending, _, taken = self._state
        labels, score = np.empty(0, np.int64), 0.0
        if steps:
            labels, score = kernels("chain", self._backend).decode_end(self._transitions, columns, pending, scores)
        self._begin()
        return labels, score + taken


def _checked(scores: Array, name: str) -> Array:
    most = max(highest(scores, name), lowest(scores)) if scores.size else 0.0
    if most > MOST:
        raise ValueError(f"{name} must be of size {MOST:.0e} at most, got {most:.2g}")
    return scores
