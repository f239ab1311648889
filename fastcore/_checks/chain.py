"""Checks of the linear-chain kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..chain import log_partition, loss_and_grad, marginals, viterbi
from . import Check, exact, largest_difference


class _Data(NamedTuple):
    """A concatenated batch."""

    emissions: Any
    transitions: Any
    lengths: Any
    paths: Any


def _batch() -> _Data:
    """Sequences of 5 to 39 steps over 9 labels, some transitions forbidden, one sequence with huge scores."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 40, 150)
    emissions = rng.normal(scale=3, size=(lengths.sum(), 9))
    emissions[: lengths[0]] *= 1e4
    transitions = rng.normal(size=(9, 9))
    transitions[rng.random((9, 9)) < 0.2] = -np.inf
    return _Data(emissions, transitions, lengths, rng.integers(0, 9, len(emissions)))


def _tame() -> _Data:
    """The same without huge scores and with every path legal, so that any path has a finite loss."""
    data = _batch()
    data.emissions[: data.lengths[0]] /= 1e4
    return data._replace(transitions=np.maximum(data.transitions, -30))


def _viterbi(data: _Data) -> Any:
    paths, scores = viterbi(data.emissions, data.transitions, lengths=data.lengths)
    return paths.tolist(), scores.tolist()


def _marginals(data: _Data) -> list[Any]:
    found = marginals(data.emissions, data.transitions, lengths=data.lengths)
    return [found.nodes, found.transitions, found.log_partition]


def _loss_and_grad(data: _Data) -> list[Any]:
    loss, grads = loss_and_grad(data.emissions, data.transitions, data.paths, lengths=data.lengths)
    return [loss, grads.emissions, grads.transitions]


CHECKS = [
    Check(
        "chain.log_partition",
        _batch,
        lambda data: log_partition(data.emissions, data.transitions, lengths=data.lengths),
        largest_difference,
        1e-12,
    ),
    Check("chain.viterbi", _batch, _viterbi, exact),
    # In the sequence of huge scores a probability loses what rounding takes from its exponent.
    Check("chain.marginals", _batch, _marginals, largest_difference, 1e-8),
    Check("chain.loss_and_grad", _tame, _loss_and_grad, largest_difference, 1e-11),
]
