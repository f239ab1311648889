"""The expectation step: observations in pieces, each answered by sums that are as small as the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from .._workers import Workers, stream

Array: TypeAlias = NDArray[Any]

# Rows times states a piece: fixed, so that sums over sequences don't depend on the number of workers.
PIECE_CELLS = 1 << 19


@dataclass(frozen=True)
class Observations:
    """Checked observations: arrays with an entry a row, and where each sequence begins and ends."""

    rows: tuple[Array, ...]
    offsets: Array

    @property
    def lengths(self) -> Array:
        lengths: Array = np.diff(self.offsets)
        return lengths

    def pieces(self, states: int) -> Iterator[tuple[tuple[Array, ...], Array]]:
        """Whole sequences of about PIECE_CELLS cells together: rows and offsets."""
        step, count, first = max(1, PIECE_CELLS // states), len(self.offsets) - 1, 0
        while first < count:
            beyond = int(np.searchsorted(self.offsets, self.offsets[first] + step, "right")) - 1
            last = min(count, max(first + 1, beyond))
            a, b = self.offsets[first], self.offsets[last]
            yield tuple(row[a:b] for row in self.rows), self.offsets[first : last + 1] - a
            first = last


class Emissions(Protocol):
    """How states show themselves, with parameters: picklable, made anew for each step."""

    def scores(self, rows: tuple[Array, ...], backend: str) -> Array:
        """Log-probability of each row in each state, (N, L)."""

    def sums(self, weights: Array, rows: tuple[Array, ...], backend: str) -> tuple[Array, ...]:
        """What the maximisation step needs to know of rows that belong to states with these weights."""


class Model(NamedTuple):
    """All that the recursions need: logs of the chain's probabilities, and the emissions."""

    log_start: Array
    log_transitions: Array
    emissions: Any


class Expected(NamedTuple):
    """What the expectation step found, summed over sequences."""

    log_prob: float
    start: Array
    transitions: Array
    sums: tuple[Array, ...]


def _expect_piece(task: tuple[Model, tuple[Array, ...], Array, str]) -> tuple[int, Expected]:
    """One piece's sums, and the first of its sequences that has probability 0 or -1."""
    model, rows, offsets, backend = task
    scores = model.emissions.scores(rows, backend)
    nodes, counts, log_z = kernels("chain", backend).marginals(
        scores, offsets, model.log_transitions, model.log_start, np.zeros(len(model.log_start)), True
    )
    impossible = int(np.isneginf(log_z).argmax()) if np.isneginf(log_z).any() else -1
    sums = model.emissions.sums(nodes, rows, backend)
    return impossible, Expected(float(log_z.sum()), nodes[offsets[:-1]].sum(axis=0), counts[0], sums)


def expect(model: Model, observations: Observations, backend: str, workers: Workers, updates: int = 0) -> Expected:
    """Expected starts, transitions and emissions' sums of all sequences, and their log-likelihood.

    `updates` is how often the model was maximised.

    Raises
    ------
    ValueError
        If a sequence has probability 0.
    """
    pieces = list(observations.pieces(len(model.log_start)))
    tasks = [(model, rows, offsets, backend) for rows, offsets in pieces]
    total: Expected | None = None
    done = 0
    for (impossible, found), (_, offsets) in zip(stream(_expect_piece, tasks, workers), pieces):
        if impossible >= 0:
            if updates:
                why = f"after iteration {updates}: priors below 1 make probabilities 0"
            else:
                why = "under the model, so it teaches nothing"
            raise ValueError(f"sequence {done + impossible} has probability 0 {why}")
        done += len(offsets) - 1
        total = found if total is None else _added(total, found)
    assert total is not None  # observations are never without a row
    return total


def _added(a: Expected, b: Expected) -> Expected:
    sums = tuple(x + y for x, y in zip(a.sums, b.sums))
    return Expected(a.log_prob + b.log_prob, a.start + b.start, a.transitions + b.transitions, sums)


def log_of(probabilities: Array) -> Array:
    """Natural logarithms; of 0 it is minus infinity, which forbids."""
    with np.errstate(divide="ignore"):
        logs: Array = np.log(probabilities)
    return logs
