"""Sums over all paths: log-partition, forward and backward variables, entropy."""

from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from .._workers import Workers, gathered
from ._batch import Scores, make_batch


class Scaled(NamedTuple):
    """Scaled variables: rows that sum to 1, and the log of what each row was divided by."""

    values: Any
    log_scale: Any


def log_partition(
    emissions: Scores,
    transitions: Scores,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    workers: Workers = 1,
) -> Any:
    """Log of the sum of exp(score) over all paths.

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
    float or ndarray, shape (B,)
        log Z of each sequence; minus infinity if no path is legal, 0 for an empty sequence.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    O(N L^2) time. The sum runs in scaled linear space, without a logarithm a step, forbidden transitions included; a
    sequence in which something underflows there is computed with an exponent a label, at several times the cost.
    Neither's rounding grows with the length. In float64 the error is at most
    1e-12 * max(1, abs(log Z), sum over steps of the largest abs(score)), in float32 some 2e-7 of the same: that sum
    runs in single precision, unless transitions are forbidden or span more than 17. Source: Rabiner, *A tutorial on
    hidden Markov models*, Proceedings of the IEEE 77 (1989).

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import log_partition
    >>> float(log_partition(np.zeros((3, 2)), np.zeros((2, 2))))  # 2**3 paths of score 0
    2.0794415416798357
    >>> log_partition(np.zeros((2, 3, 2)), np.zeros((2, 2)), lengths=[3, 1]).round(3)
    array([2.079, 0.693])
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    parts = batch.run("log_partition", workers)
    return batch.per_sequence(gathered(parts)[0])


def forward(
    emissions: Scores,
    transitions: Scores,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    workers: Workers = 1,
) -> Any:
    """Log forward variables.

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
    ndarray or list of ndarray, in the form of `emissions`
        alpha[t, j]: the log of the summed exp(score) of all partial paths that end in label j at step t.
        Padding holds minus infinity.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    O(N L^2) time, with an exponent a label: exact even where a scaled variable would underflow. The
    last row of a sequence includes `end`, so that its sum is Z. `forward_scaled` gives them scaled.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import forward
    >>> forward(np.zeros((3, 2)), np.zeros((2, 2))).round(3)
    array([[0.   , 0.   ],
           [0.693, 0.693],
           [1.386, 1.386]])
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    parts = batch.run("forward", workers)
    return batch.per_step(gathered(parts)[0], -float("inf"))


def backward(
    emissions: Scores,
    transitions: Scores,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    workers: Workers = 1,
) -> Any:
    """Log backward variables.

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
    ndarray or list of ndarray, in the form of `emissions`
        beta[t, i]: the log of the summed exp(score) of all that can follow label i at step t, `end` included.
        Padding holds minus infinity.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    O(N L^2) time, with an exponent a label: exact even where a scaled variable would underflow. The
    last row of a sequence is zero. `backward_scaled` gives them scaled.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import backward
    >>> backward(np.zeros((3, 2)), np.zeros((2, 2))).round(3)
    array([[1.386, 1.386],
           [0.693, 0.693],
           [0.   , 0.   ]])
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    parts = batch.run("backward", workers)
    return batch.per_step(gathered(parts)[0], -float("inf"))


def forward_scaled(
    emissions: Scores,
    transitions: Scores,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    workers: Workers = 1,
) -> Scaled:
    """Forward variables, scaled so that each row sums to 1.

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
    Scaled
        Named tuple of `values`, in the form of `emissions`, and `log_scale`, one a step; padding holds 0 and minus
        infinity.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    ``log(values) + log_scale[:, None]`` is what `forward` returns. A step that no legal path reaches has a row of
    zeros and a scale of minus infinity. O(N L^2) time. The row at step t is the distribution of the label at step
    t given the steps so far (the filter of a hidden Markov model), and the last step's `log_scale` is log Z.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import forward_scaled
    >>> filtered = forward_scaled(np.log([[0.5, 0.25], [0.5, 0.25]]), np.log([[0.9, 0.1], [0.1, 0.9]]))
    >>> filtered.values.round(3)
    array([[0.667, 0.333],
           [0.776, 0.224]])
    >>> filtered.log_scale.round(3)
    array([-0.288, -1.183])
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    parts = batch.run("forward_scaled", workers)
    values, log_scale = gathered(parts)
    return Scaled(batch.per_step(values, 0.0), batch.per_step(log_scale, -float("inf")))


def backward_scaled(
    emissions: Scores,
    transitions: Scores,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    workers: Workers = 1,
) -> Scaled:
    """Backward variables, scaled so that each row sums to 1.

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
    Scaled
        Named tuple of `values`, in the form of `emissions`, and `log_scale`, one a step; padding holds 0 and minus
        infinity.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    ``log(values) + log_scale[:, None]`` is what `backward` returns. A step that no legal path reaches has a row of
    zeros and a scale of minus infinity. O(N L^2) time.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import backward_scaled
    >>> backward_scaled(np.zeros((3, 2)), np.zeros((2, 2))).log_scale.round(3)
    array([2.079, 1.386, 0.693])
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    parts = batch.run("backward_scaled", workers)
    values, log_scale = gathered(parts)
    return Scaled(batch.per_step(values, 0.0), batch.per_step(log_scale, -float("inf")))


def entropy(
    emissions: Scores,
    transitions: Scores,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    workers: Workers = 1,
) -> Any:
    """Entropy of the distribution over paths, in nats.

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
    float or ndarray, shape (B,)
        Entropy of each sequence: 0 for an empty one, NaN where no path is legal.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    O(N L^2) time. The recursion carries the entropy of the paths into each label, so nothing cancels, as it would in
    log Z minus the expected score. Source: Hernando, Crespi and Cybenko, *Efficient computation of the hidden Markov
    model entropy for a given observation sequence*, IEEE Transactions on Information Theory 51 (2005).

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import entropy
    >>> float(entropy(np.zeros((3, 2)), np.zeros((2, 2))).round(6))  # 8 equal paths: log 8
    2.079442
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    parts = batch.run("entropy", workers)
    return batch.per_sequence(gathered(parts)[0])
