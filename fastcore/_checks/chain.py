"""Checks of the linear-chain kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..chain import (
    ViterbiDecoder,
    backward,
    backward_scaled,
    entropy,
    forward,
    forward_scaled,
    log_partition,
    loss_and_grad,
    marginals,
    path_score,
    sample,
    viterbi,
    viterbi_nbest,
)
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


def _pairs(data: _Data) -> list[Any]:
    """Under transitions of each step's own."""
    n = len(data.emissions) - len(data.lengths)
    moves = data.transitions + np.random.default_rng(1).normal(size=(n, 1, 9))
    found = marginals(data.emissions, moves, lengths=data.lengths, pairs=True)
    return [found.nodes, found.pairs, found.transitions, found.log_partition]


def _loss_and_grad(data: _Data) -> list[Any]:
    loss, grads = loss_and_grad(data.emissions, data.transitions, data.paths, lengths=data.lengths)
    return [loss, grads.emissions, grads.transitions]


def _one(data: _Data) -> Any:
    n = int(data.lengths[0])
    return path_score(data.emissions[:n].copy(), data.transitions, data.paths[:n].copy())


def _nbest(data: _Data) -> Any:
    paths, scores = viterbi_nbest(data.emissions, data.transitions, 3, lengths=data.lengths)
    return [path.tolist() for path in paths], [score.tolist() for score in scores]


def _streamed(data: _Data) -> Any:
    """In two pieces, with labels that can't wait as long as they would."""
    decoder = ViterbiDecoder(data.transitions, max_delay=2)
    pieces = [decoder.push(data.emissions[:1000]), decoder.push(data.emissions[1000:])]
    labels, score = decoder.finish()
    return [labels.tolist() for labels in (*pieces, labels)], score


def _sampled(data: _Data) -> Any:
    return sample(data.emissions, data.transitions, 2, lengths=data.lengths, rng=1).tolist()


def _over_batch(function: Callable[..., Any]) -> Callable[[_Data], Any]:
    return lambda data: function(data.emissions, data.transitions, lengths=data.lengths)


CHECKS = [
    Check(
        "chain.log_partition",
        _batch,
        _over_batch(log_partition),
        largest_difference,
        1e-12,
    ),
    Check("chain.viterbi", _batch, _viterbi, exact),
    # In the sequence of huge scores a probability loses what rounding takes from its exponent.
    Check("chain.marginals", _batch, _marginals, largest_difference, 1e-8),
    Check("chain.pair_marginals", _tame, _pairs, largest_difference, 1e-10),
    Check("chain.viterbi_nbest", _batch, _nbest, exact),
    Check("chain.decode", _batch, _streamed, exact),
    Check("chain.sample", _tame, _sampled, exact),
    Check("chain.forward", _batch, _over_batch(forward), largest_difference, 1e-11),
    Check("chain.backward", _batch, _over_batch(backward), largest_difference, 1e-11),
    Check("chain.forward_scaled", _tame, _over_batch(forward_scaled), largest_difference, 1e-11),
    Check("chain.backward_scaled", _tame, _over_batch(backward_scaled), largest_difference, 1e-11),
    Check("chain.entropy", _tame, _over_batch(entropy), largest_difference, 1e-10),
    Check("chain.path_score", _tame, _one, largest_difference, 1e-12),
    Check("chain.loss_and_grad", _tame, _loss_and_grad, largest_difference, 1e-11),
]
