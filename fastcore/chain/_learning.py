"""Expectations over paths, and the loss whose gradient they are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._backend import kernels
from .._validation import as_flag
from .._workers import Workers, gathered
from ._batch import Array, Batch, Scores, joined, lowest, make_batch


@dataclass(frozen=True)
class Marginals:
    """Posterior expectations.

    Attributes
    ----------
    nodes : ndarray or list of ndarray
        Probability of each label at each step, in the form of the emissions; padding holds 0.
    transitions : ndarray, shape (L, L) or (B, L, L)
        Expected number of times that each transition is taken, summed over the steps of a sequence.
    log_partition : float or ndarray, shape (B,)
        log Z.
    pairs : ndarray or list of ndarray, or None
        If asked for, the probability of each two labels that follow one another, ``pairs[t - 1, i, j]`` that of label
        i at step t - 1 and j at step t: ``(T - 1, L, L)``, ``(B, T - 1, L, L)``, a list of ``(T_i - 1, L, L)``, or
        concatenated; padding holds 0.
    """

    nodes: Any
    transitions: Array
    log_partition: Any
    pairs: Any = None


@dataclass(frozen=True)
class Gradients:
    """Derivatives of a loss by each group of scores.

    Attributes
    ----------
    emissions : ndarray or list of ndarray
        In the form of the emissions; padding holds 0.
    transitions : ndarray, shape (L, L), or list of ndarray
        Summed over steps and sequences; each step's own in the form of the transitions, if they were given so.
    start, end : ndarray, shape (L,), or None
        Summed over the sequences; None where these scores weren't given.
    """

    emissions: Any
    transitions: Any
    start: Array | None
    end: Array | None


def marginals(
    emissions: Scores,
    transitions: Scores,
    *,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    holes: bool = False,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    pairs: bool = False,
    workers: Workers = 1,
) -> Marginals:
    """Posterior probabilities of labels and expected counts of transitions.

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
    pairs : bool, default False
        Give the probabilities of labels that follow one another at each step too: L^2 numbers a step.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Returns
    -------
    Marginals
        With `nodes`, `transitions`, `log_partition` and, if asked for, `pairs`.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, or a score is NaN or plus infinity.

    Notes
    -----
    Forward and backward recursion, O(N L^2) time. A sequence without a legal path has zeros, and minus infinity as its
    log-partition. Rows of `nodes` sum to 1, `transitions` to the number of steps minus 1. They are the derivatives
    of the log-partition by emissions and transitions. Source: Rabiner (1989).

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import marginals
    >>> found = marginals(np.log([[0.9, 0.1], [0.5, 0.5]]), np.log([[0.8, 0.2], [0.2, 0.8]]))
    >>> found.nodes.round(3)
    array([[0.9 , 0.1 ],
           [0.74, 0.26]])
    >>> found.transitions.round(3)
    array([[0.72, 0.18],
           [0.02, 0.08]])
    >>> marginals(np.zeros((3, 2)), [[0.0, -np.inf], [0.0, 0.0]], pairs=True).pairs
    array([[[0.25, 0.  ],
            [0.25, 0.5 ]],
    <BLANKLINE>
           [[0.5 , 0.  ],
            [0.25, 0.25]]])
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    if as_flag(pairs, "pairs"):
        nodes, steps, counts, log_z = gathered(batch.run("pair_marginals", workers))
        found = batch.per_step(nodes, 0.0), batch.stacked(counts), batch.per_sequence(log_z)
        return Marginals(*found, batch.per_move(steps))
    parts = batch.run("marginals", workers, False)
    nodes, counts, log_z = gathered(parts)
    return Marginals(batch.per_step(nodes, 0.0), batch.stacked(counts), batch.per_sequence(log_z))


def loss_and_grad(
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
) -> tuple[float, Gradients]:
    """Negative log-likelihood of given paths and its gradient by all scores.

    Parameters
    ----------
    emissions : array_like or list of array_like
        Scores of each label at each step: ``(T, L)``, ``(B, T, L)``, a list of ``(T_i, L)``, or concatenated
        ``(N, L)`` with `lengths`.
    transitions : array_like, shape (L, L), or list of array_like
        ``transitions[i, j]`` goes from label i to label j. Or each step's own, those to the second step first:
        ``(T - 1, L, L)``, ``(B, T - 1, L, L)``, a list of ``(T_i - 1, L, L)``, or concatenated.
    paths : array_like of int or list of them
        The observed label of each step, in the form of `emissions`.
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
    loss : float
        Sum over sequences of log Z minus the path's score; plus infinity if a given path is forbidden.
    grads : Gradients
        Derivatives by emissions, transitions, and start and end scores if given.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If shapes don't match, a score is NaN or plus infinity, or a sequence has no legal path.

    Notes
    -----
    The gradient is what the model expects minus what the paths hold: `marginals` less ones. O(N L^2) time. Sums over
    sequences are made in fixed portions, so they have the same bits for any number of workers. Source: Lafferty,
    McCallum and Pereira, *Conditional random fields*, ICML 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.chain import loss_and_grad
    >>> loss, grads = loss_and_grad(np.zeros((2, 2)), np.zeros((2, 2)), [0, 1])
    >>> round(loss, 4)
    1.3863
    >>> grads.emissions
    array([[-0.5,  0.5],
           [ 0.5, -0.5]])
    >>> grads.transitions
    array([[ 0.25, -0.75],
           [ 0.25,  0.25]])
    """
    batch = make_batch(emissions, transitions, lengths, mask, start, end, holes)
    labels = batch.flatten(paths, "paths")
    scores = gathered(batch.run("path_score", workers, lambda a, b: labels[batch.offsets[a] : batch.offsets[b]]))[0]
    if batch.moving:
        nodes, moves, _, log_z = gathered(batch.run("pair_marginals", workers))
    else:
        parts = batch.run("marginals", workers, True, split=True)
        nodes, log_z = joined([part[0] for part in parts]), joined([part[2] for part in parts])
    if not (np.isfinite(log_z).all() and np.isfinite(scores).all()):
        # Minus infinity says that a path is forbidden: not that legal scores summed up to it.
        batch.refuse_overflow(*map(lowest, (batch.emissions, batch.transitions, batch.start, batch.end)))
    if log_z.min(initial=0.0) == -np.inf:
        raise ValueError(f"sequence {np.isneginf(log_z).argmax()} has no legal path, so its loss is undefined")
    loss = float((log_z - scores).sum())
    taken = np.zeros((batch.labels, batch.labels))
    kernels("chain").subtract_paths(nodes, taken, batch.offsets, labels)
    if batch.moving:
        first = np.zeros(len(labels) + 1, bool)
        first[batch.offsets] = True
        inner = np.flatnonzero(~first[:-1])
        moves[np.arange(len(moves)), labels[inner - 1], labels[inner]] -= 1
        gradient = batch.per_move(moves)
    else:
        counts = parts[0][1][0] if len(parts) == 1 else np.sum([part[1][0] for part in parts], axis=0)
        counts += taken
        gradient = counts if counts.dtype == batch.dtype else counts.astype(batch.dtype)
    return loss, Gradients(
        batch.per_step(nodes, 0.0),
        gradient,
        None if start is None else _summed(nodes, batch, 0),
        None if end is None else _summed(nodes, batch, 1),
    )


def _summed(nodes: Array, batch: Batch, side: int) -> Array:
    """Sum of the sequences' first (`side` 0) or last steps (`side` 1)."""
    if batch.form == "one" and len(nodes):
        only: Array = nodes[-side].copy()
        return only
    offsets = batch.offsets
    held = batch.lengths > 0
    steps = offsets[1:][held] - 1 if side else offsets[:-1][held]
    found: Array = nodes[steps].sum(axis=0, dtype=np.float64).astype(batch.dtype)
    return found
