"""Single paths: the best, the n best, a given one's score, random ones."""

from typing import Any

from numpy.typing import ArrayLike

from .._random import RNG, stream_key
from .._validation import as_index
from .._workers import Workers, gathered
from ._batch import Batch, Scores, joined, make_batch

# Numbers of 8 bytes that the n best paths and the way back to them may take.
MOST_CELLS = 1 << 30


def viterbi(
    emissions: Scores,
    transitions: Scores,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    workers: Workers = 1,
) -> tuple[Any, Any]:
    """Best path and its score.

    Parameters
    ----------
    emissions : array_like or list of array_like
        Scores of each label at each step: ``(T, L)``, ``(B, T, L)``, a list of ``(T_i, L)``, or concatenated
        ``(N, L)`` with `lengths`.
    transitions : array_like, shape (L, L), or list of array_like
        ``transitions[i, j]`` goes from label i to label j. Or each step's own, those to the second step first:
        ``(T - 1, L, L)``, ``(B, T - 1, L, L)``, a list of ``(T_i - 1, L, L)``, or concatenated.
    lengths : array_like of int, shape (B,), optional
        Lengths of the sequences of a padded or concatenated batch.
    mask : array_like of bool, shape (B, T), optional
        Instead of `lengths` for a padded batch: True where there is a step.
    holes : bool, default False
        Let `mask` have holes: steps that it leaves out are skipped, and those around them follow one another.
    start, end : array_like, shape (L,), optional
        Scores of the first and of the last label. Default zeros.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Returns
    -------
    paths : ndarray of int64 or list of them
        A label a step, in the form of `emissions`; padding holds -1.
    scores : float or ndarray, shape (B,)
        Score of each path.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    Of equally good paths the one with the smallest label is taken, decided at each step of the trace-back, from the
    end. Where no path is legal all labels are -1 and the score is minus infinity. O(N L^2) time: maxima forward,
    and the argument of each maximum found again on the way back. Source: Viterbi, IEEE Transactions on Information
    Theory 13 (1967).

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import viterbi
    >>> stay = np.log([[0.9, 0.1], [0.1, 0.9]])
    >>> paths, scores = viterbi(np.log([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]]), stay)
    >>> paths
    array([0, 0, 0])
    >>> float(scores.round(3))
    -1.456
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    parts = batch.run("viterbi", workers)
    paths, scores = gathered(parts)
    return batch.per_step(paths, -1), batch.per_sequence(scores)


def viterbi_nbest(
    emissions: Scores,
    transitions: Scores,
    n: int,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    workers: Workers = 1,
) -> tuple[Any, Any]:
    """The n best paths and their scores.

    Parameters
    ----------
    emissions : array_like or list of array_like
        Scores of each label at each step: ``(T, L)``, ``(B, T, L)``, a list of ``(T_i, L)``, or concatenated
        ``(N, L)`` with `lengths`.
    transitions : array_like, shape (L, L), or list of array_like
        ``transitions[i, j]`` goes from label i to label j. Or each step's own, those to the second step first:
        ``(T - 1, L, L)``, ``(B, T - 1, L, L)``, a list of ``(T_i - 1, L, L)``, or concatenated.
    n : int
        How many paths.
    lengths : array_like of int, shape (B,), optional
        Lengths of the sequences of a padded or concatenated batch.
    mask : array_like of bool, shape (B, T), optional
        Instead of `lengths` for a padded batch: True where there is a step.
    holes : bool, default False
        Let `mask` have holes: steps that it leaves out are skipped, and those around them follow one another.
    start, end : array_like, shape (L,), optional
        Scores of the first and of the last label. Default zeros.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Returns
    -------
    paths : ndarray of int64 or list of them
        ``(n, T)`` for one sequence, ``(B, n, T)`` for a padded batch, a list of ``(n, T_i)``, or ``(n, N)``
        concatenated; best first. Where there are fewer than n legal paths, the rest holds -1; n is at most the
        number of paths, ``L**T``, of the longest sequence.
    scores : ndarray, shape (n,) or (B, n)
        Falling; minus infinity where there is no path.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, a score is NaN or plus infinity, or n paths need more than 8 GiB.

    Notes
    -----
    Of equally good paths the one with the smaller label comes first, decided from the end; the first path is that of
    `viterbi`. O(N L^2 n) time, O(T L n) memory.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import viterbi_nbest
    >>> paths, scores = viterbi_nbest([[1.0, 0.0], [0.5, 0.0]], np.zeros((2, 2)), 3)
    >>> paths.tolist(), scores.tolist()
    ([[0, 0], [0, 1], [1, 0]], [1.5, 1.0, 0.5])
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    parts = batch.run("viterbi_nbest", workers, _places(batch, as_index(n, "n", low=1)))
    paths, scores = joined([part[0] for part in parts], axis=1), joined([part[1] for part in parts])
    return batch.draws_per_step(paths, -1), batch.per_sequence(scores)


def _places(batch: Batch, n: int) -> int:
    """Return n, but not more than there are paths; refuse what doesn't fit in memory."""
    labels, longest = batch.labels, batch.longest
    # 2**63 is more than any n.
    places = min(n, int(labels ** min(longest, 63)))
    most = MOST_CELLS // max(1, len(batch.emissions) + longest * labels)
    if places > most:
        raise ValueError(f"n must be at most {most} for {len(batch.emissions)} steps over {labels} labels, got {n}")
    return places


def path_score(
    emissions: Scores,
    transitions: Scores,
    paths: Any,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    workers: Workers = 1,
) -> Any:
    """Score of given paths.

    Parameters
    ----------
    emissions : array_like or list of array_like
        Scores of each label at each step: ``(T, L)``, ``(B, T, L)``, a list of ``(T_i, L)``, or concatenated
        ``(N, L)`` with `lengths`.
    transitions : array_like, shape (L, L), or list of array_like
        ``transitions[i, j]`` goes from label i to label j. Or each step's own, those to the second step first:
        ``(T - 1, L, L)``, ``(B, T - 1, L, L)``, a list of ``(T_i - 1, L, L)``, or concatenated.
    paths : array_like of int or list of them
        A label a step, in the form of `emissions`; what stands in the padding is not looked at.
    lengths : array_like of int, shape (B,), optional
        Lengths of the sequences of a padded or concatenated batch.
    mask : array_like of bool, shape (B, T), optional
        Instead of `lengths` for a padded batch: True where there is a step.
    holes : bool, default False
        Let `mask` have holes: steps that it leaves out are skipped, and those around them follow one another.
    start, end : array_like, shape (L,), optional
        Scores of the first and of the last label. Default zeros.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Returns
    -------
    float or ndarray, shape (B,)
        Score of each path; 0 for an empty sequence.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    O(N) time.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import path_score
    >>> float(path_score([[1.0, 0.0], [0.0, 2.0]], [[0.0, 0.5], [0.0, 0.0]], [0, 1]))
    3.5
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    labels = batch.flatten(paths, "paths")
    parts = batch.run("path_score", workers, lambda a, b: labels[batch.offsets[a] : batch.offsets[b]])
    return batch.per_sequence(gathered(parts)[0])


def sample(
    emissions: Scores,
    transitions: Scores,
    size: int | None = None,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    rng: RNG = None,
    workers: Workers = 1,
) -> Any:
    """Draw paths from their distribution.

    Parameters
    ----------
    emissions : array_like or list of array_like
        Scores of each label at each step: ``(T, L)``, ``(B, T, L)``, a list of ``(T_i, L)``, or concatenated
        ``(N, L)`` with `lengths`.
    transitions : array_like, shape (L, L), or list of array_like
        ``transitions[i, j]`` goes from label i to label j. Or each step's own, those to the second step first:
        ``(T - 1, L, L)``, ``(B, T - 1, L, L)``, a list of ``(T_i - 1, L, L)``, or concatenated.
    size : int, optional
        How many paths a sequence; None: one, without the dimension.
    lengths : array_like of int, shape (B,), optional
        Lengths of the sequences of a padded or concatenated batch.
    mask : array_like of bool, shape (B, T), optional
        Instead of `lengths` for a padded batch: True where there is a step.
    holes : bool, default False
        Let `mask` have holes: steps that it leaves out are skipped, and those around them follow one another.
    start, end : array_like, shape (L,), optional
        Scores of the first and of the last label. Default zeros.
    rng : None, int, SeedSequence or Generator
        Source of randomness (SPEC 7): an int repeats, the others move on.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Returns
    -------
    ndarray of int64 or list of them
        Without `size` in the form of `emissions`; with it ``(size, T)`` for one sequence, ``(B, size, T)`` for a padded
        batch, a list of ``(size, T_i)``, or ``(size, N)`` concatenated. Padding holds -1, and so do all labels of
        a sequence without a legal path.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    Forward filtering, backward sampling: O(N L^2) once and O(N L) a draw. Draw k of sequence s has a random stream of
    its own, so a draw doesn't depend on the number of workers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import sample
    >>> paths = sample(np.log([[0.9, 0.1], [0.5, 0.5]]), np.log(np.eye(2) * 0.8 + 0.1), 1000, rng=0)
    >>> paths.shape
    (1000, 2)
    >>> bool(abs((paths[:, 0] == 0).mean() - 0.9) < 0.05)
    True
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    count = 1 if size is None else as_index(size, "size")
    parts = batch.run("sample", workers, count, stream_key(rng), lambda a, b: a)
    paths = joined([found for (found,) in parts], axis=1)
    return batch.per_step(paths[0], -1) if size is None else batch.draws_per_step(paths, -1)
