"""The functions of ``hmmlearn._hmmc`` 0.3, with its arguments, results and exceptions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import chain
from ..._backend import kernels

Array = NDArray[np.float64]

# A sum below it ends hmmlearn's scaled forward pass.
LEAST = 1e-300
# Numbers that the sums of pairs take at a time.
CELLS = 1 << 18
# Logs up to which numbers, and sums of many, are far from the largest float.
MOST = 600.0


def _array(value: Any, ndim: int) -> Array:
    try:
        array = np.ascontiguousarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"incompatible function arguments: {error}") from None
    if array.ndim != ndim:
        raise ValueError(f"array has incorrect number of dimensions: {array.ndim}; expected {ndim}")
    return array


def _checked(transmat: Any, shown: Any, *others: tuple[Any, tuple[str, ...]]) -> tuple[Array, ...]:
    """Arrays of shapes that match: (L, L), (T, L), and others of T and L."""
    transitions, rows = _array(transmat, 2), _array(shown, 2)
    sizes = {"T": rows.shape[0], "L": rows.shape[1]}
    found = [transitions, rows, *(_array(value, len(shape)) for value, shape in others)]
    shapes = [("L", "L"), ("T", "L"), *(shape for _, shape in others)]
    if any(a.shape != tuple(sizes[k] for k in shape) for a, shape in zip(found, shapes)) or not rows.size:
        raise ValueError("shape mismatch")
    return tuple(found)


def _log(probabilities: Array) -> Array:
    # log(0) = -inf without a warning.
    with np.errstate(divide="ignore"):
        logs: Array = np.log(probabilities)
    return logs


def forward_scaling(startprob_: Any, transmat_: Any, frameprob_: Any) -> tuple[float, Array, Array]:
    """Log-likelihood, forward variables in rows that sum to 1, and the factors that made them so."""
    transitions, shown, start = _checked(transmat_, frameprob_, (startprob_, ("L",)))
    log_prob, lattice, factors, rows = kernels("hmm").forward_scaling(start, transitions, shown, LEAST)
    if rows < len(shown):
        raise ValueError("forward pass failed with underflow; consider using implementation='log' instead")
    return log_prob, lattice, factors


def backward_scaling(startprob_: Any, transmat_: Any, frameprob_: Any, scaling_: Any) -> Array:
    """Backward variables with the forward pass's factors."""
    transitions, shown, _, factors = _checked(transmat_, frameprob_, (startprob_, ("L",)), (scaling_, ("T",)))
    found: Array = kernels("hmm").backward_scaling(transitions, shown, factors)
    return found


def compute_scaling_xi_sum(fwdlattice_: Any, transmat_: Any, bwdlattice_: Any, frameprob_: Any) -> Array:
    """Expected numbers of transitions, from scaled variables."""
    transitions, shown, forward, backward = _checked(
        transmat_, frameprob_, (fwdlattice_, ("T", "L")), (bwdlattice_, ("T", "L"))
    )
    found: Array = kernels("hmm").transition_sums(forward, transitions, backward, shown)
    return found


def forward_log(startprob_: Any, transmat_: Any, log_frameprob_: Any) -> tuple[float, Array]:
    """Log-likelihood and log forward variables."""
    transitions, shown, start = _checked(transmat_, log_frameprob_, (startprob_, ("L",)))
    lattice: Array = chain.forward(shown, _log(transitions), start=_log(start))
    return float(np.logaddexp.reduce(lattice[-1])), lattice


def backward_log(startprob_: Any, transmat_: Any, log_frameprob_: Any) -> Array:
    """Log backward variables."""
    transitions, shown, _ = _checked(transmat_, log_frameprob_, (startprob_, ("L",)))
    lattice: Array = chain.backward(shown, _log(transitions))
    return lattice


def compute_log_xi_sum(fwdlattice_: Any, transmat_: Any, bwdlattice_: Any, log_frameprob_: Any) -> Array:
    """Logs of the expected numbers of transitions, from log variables."""
    transitions, shown, forward, backward = _checked(
        transmat_, log_frameprob_, (fwdlattice_, ("T", "L")), (bwdlattice_, ("T", "L"))
    )
    after = shown + backward - np.logaddexp.reduce(forward[-1])
    # Each step's pairs are a product of two columns, which are brought to a maximum of 1; what was taken is given back.
    tops, next_tops = (np.maximum(rows.max(axis=1, keepdims=True), -1e300) for rows in (forward[:-1], after[1:]))
    taken = tops + next_tops
    if taken.size and taken.max() > MOST:
        return _pairs(forward, after) + _log(transitions)
    columns, next_columns = np.zeros_like(forward), np.zeros_like(after)
    np.exp(forward[:-1] - tops, out=columns[:-1])
    columns[:-1] *= np.exp(taken)
    np.exp(after[1:] - next_tops, out=next_columns[1:])
    ones = np.ones_like(transitions)
    return _log(kernels("hmm").transition_sums(columns, ones, next_columns, np.ones_like(after))) + _log(transitions)


def _pairs(forward: Array, after: Array) -> Array:
    """Logs of sums over steps, in logs all along: where a forbidden pair would be too large for a float."""
    length, size = after.shape
    found = np.full((size, size), -np.inf)
    step = max(1, CELLS // (size * size))
    for first in range(0, length - 1, step):
        last = min(first + step, length - 1)
        logs = forward[first:last, :, None] + after[first + 1 : last + 1, None, :]
        most = logs.max(axis=0)
        # Where all are minus infinity, so is their sum.
        logs -= np.where(most == -np.inf, 0.0, most)
        np.exp(logs, out=logs)
        np.logaddexp(found, most + _log(logs.sum(axis=0)), out=found)
    return found


def viterbi(startprob_: Any, transmat_: Any, log_frameprob_: Any) -> tuple[float, NDArray[np.int64]]:
    """Log-probability of the likeliest path, and the path: zeros if none is possible."""
    transitions, shown, start = _checked(transmat_, log_frameprob_, (startprob_, ("L",)))
    path, score = chain.viterbi(shown, _log(transitions), start=_log(start))
    return float(score), np.maximum(path, 0)
