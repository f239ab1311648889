"""The training set compiled to flat arrays, its features, and the objective of training."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from .._workers import Workers, check_workers, n_threads, run
from ._features import Items
from ._labels import Labels, Restriction
from ._model import Features
from ._search import dot

Array: TypeAlias = NDArray[Any]

# Steps a block: fixed, so that no sum depends on the number of workers; few enough for a block's scores to stay near.
BLOCK_STEPS = 8192
# Blocks that a worker is given between two additions to the gradient, for which all wait for the slowest; and the
# most numbers that these hold for it.
WAVE, WAVE_CELLS = 16, 3 << 20
# Numbers of a table that counts labels of some attributes at a time.
COUNTED_CELLS = 1 << 19


@dataclass(frozen=True)
class Block:
    """A run of sequences, by attribute: so weights and gradient are walked once, in order, and sums stay in cache.

    Attributes
    ----------
    offsets : ndarray
        Sequence s holds steps ``offsets[s]`` to ``offsets[s + 1]``.
    owners, starts, steps, values : ndarray
        Attribute ``owners[j]``, ascending, occurs at ``steps[starts[j]:starts[j + 1]]``; values are empty if all are 1.
    """

    offsets: Array
    owners: Array
    starts: Array
    steps: Array
    values: Array

    @property
    def length(self) -> int:
        return int(self.offsets[-1])

    def between(self, first: int, last: int) -> tuple[Array, Array, Array, Array]:
        """The attributes first to last, as the kernels take them."""
        i, j = np.searchsorted(self.owners, (first, last))
        return self.owners[i:j], self.starts[i : j + 1], self.steps, self.values


def make_blocks(chunks: Iterable[Items], dtype: Any, backend: str) -> list[Block]:
    """Turn runs of sequences around, one by one; values get the type in which scores are computed."""
    turn = kernels("crf.features", backend).by_attribute
    blocks = []
    for chunk in chunks:
        values = chunk.checked(dtype).values.astype(dtype, copy=False)
        blocks.append(Block(chunk.offsets, *turn(chunk.rows, chunk.attributes, values)))
    return blocks


def select_features(
    blocks: Sequence[Block],
    y: Array,
    labels: int,
    attributes: int,
    min_freq: float,
    all_states: bool,
    all_transitions: bool,
    backend: str,
    restrictions: Sequence[Restriction | None] = (),
    by_sums: bool = False,
) -> tuple[Features, Array]:
    """Choose features; return them and the sums of their values in the sequences labelled in full.

    The sum of a feature's values must reach `min_freq`, unless that is 0. CRFsuite asks for it then too (`by_sums`): so
    features whose values are below 0 are none.

    What a label is possible for counts as if it had it. Labels are counted for some attributes at a time, in a table of
    bounded size.
    """
    count = kernels("crf.features", backend).count_labels
    full, steps = y.astype(np.int32), _places(blocks)
    for first, restriction in zip(steps, restrictions):
        if restriction is not None:
            full[first + restriction.steps] = -1
    labels_of = [full[a : a + block.length] for a, block in zip(steps, blocks)]
    sizes, names, sums = [], [], []
    width = max(1, COUNTED_CELLS // labels)
    for first in range(0, attributes, width):
        last = min(first + width, attributes)
        table, seen = np.zeros((last - first, labels)), np.zeros((last - first, labels), np.uint8)
        for block, own in zip(blocks, labels_of):
            count(*block.between(first, last), own, first, table, seen)
        possible = table
        if any(restrictions):
            possible = table.copy()
            for block, restriction in zip(blocks, restrictions):
                for own in _possible(restriction, block.length):
                    count(*block.between(first, last), own, first, possible, seen)
        kept = possible >= min_freq if min_freq > 0 or by_sums else np.ones(possible.shape, bool)
        if not all_states:
            kept &= seen.astype(bool)
        sizes.append(kept.sum(axis=1))
        names.append(np.nonzero(kept)[1].astype(np.int32))
        sums.append(table[kept])

    inside = np.ones(len(full), bool)
    for a, block in zip(steps, blocks):
        inside[a + block.offsets[:-1][np.diff(block.offsets) > 0]] = False
    after = np.flatnonzero(inside & (full >= 0))
    moves = np.bincount(full[after - 1] * labels + full[after], minlength=labels * labels)
    possible = moves + sum((_possible_moves(r) for r in restrictions if r is not None), np.zeros(labels * labels))
    chosen = np.flatnonzero((possible >= min_freq) & ((possible > 0) | all_transitions))
    features = Features(
        labels,
        np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([np.zeros(0, np.int64), *sizes]))]),
        np.concatenate([np.zeros(0, np.int32), *names]),
        np.stack([chosen // labels, chosen % labels], axis=1),
        np.zeros((labels, labels)),
        np.zeros(labels),
        np.zeros(labels),
    )
    return features, np.concatenate([*sums, moves[chosen]]).astype(np.float64)


def restrictions_of(blocks: Sequence[Block], y: Labels) -> list[Restriction | None]:
    """What is known of the sequences of each block that aren't labelled in full."""
    return [y.restriction(block.offsets, first) for first, block in zip(_places(blocks), blocks)]


def _places(blocks: Sequence[Block]) -> list[int]:
    """The item at which each block begins."""
    lengths = [block.length for block in blocks]
    return [0, *accumulate(lengths[:-1])] if lengths else []


def _possible(restriction: Restriction | None, length: int) -> Iterator[Array]:
    """Yield for each label the steps of a block that may have it and aren't labelled in full."""
    if restriction is not None:
        for k, may in enumerate(restriction.allowed.T):
            own = np.full(length, -1, np.int32)
            own[restriction.steps[may]] = k
            yield own


def _possible_moves(restriction: Restriction) -> Array:
    """How often each pair of labels may follow each other."""
    inside = np.ones(len(restriction.steps), bool)
    inside[restriction.offsets[:-1]] = False
    after = np.flatnonzero(inside)
    may = restriction.allowed.astype(np.float64)
    found: Array = (may[after - 1].T @ may[after]).ravel()
    return found


def occurrences(blocks: Sequence[Block], attributes: int) -> Array:
    """How often each attribute occurs."""
    counts = np.zeros(attributes, np.int64)
    for block in blocks:
        counts[block.owners] += np.diff(block.starts)
    return counts


def _expectations(task: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Node probabilities, expected transitions and log-partitions of a run of sequences.

    Of sequences whose labels are known in part: less the same over the labels that are possible.
    """
    features, plan, offsets, restriction, layout, spread, matrix, backend = task
    emissions = kernels("crf.features", backend).scores_by_attribute(plan, layout, spread, int(offsets[-1]))
    expect = kernels("chain", backend).marginals
    nodes, counts, log_z = expect(emissions, offsets, matrix, features.start, features.end, True)
    if restriction is not None:
        possible = emissions[restriction.steps]
        possible[~restriction.allowed] = -np.inf
        own = expect(possible, restriction.offsets, matrix, features.start, features.end, True)
        nodes[restriction.steps] -= own[0]
        counts -= own[1]
        log_z[restriction.sequences] -= own[2]
    return nodes, counts[0], log_z


def _sums(task: tuple[Any, ...]) -> Any:
    """Add what the attributes first to last expect in some runs of sequences, one after the other."""
    plan, layouts, nodes, sums, first, last, backend = task
    add = kernels("crf.features", backend).gradient_by_attribute
    for layout, own in zip(layouts, nodes):
        sums = add(plan, layout, own, sums, first, last)
    return sums


class Objective:
    """Regularised negative log-likelihood of a training set, as CRFsuite defines it.

    sum over sequences of (log Z - score of the labels) + c2 * sum of squared weights

    Where only some labels are known, the score is the log Z over the labellings that are possible.

    Some blocks at a time: first the node probabilities of each, then their sums into the one gradient, each worker
    having attributes of its own. So no partial result is as large as the model, and a sum's terms come in the order
    of the blocks for any number of workers.

    The blocks are laid out for this and taken from the list, since both together would take twice the memory.
    """

    def __init__(
        self,
        features: Features,
        blocks: list[Block],
        observed: Array,
        c2: float,
        dtype: Any,
        workers: Workers,
        backend: str,
        restrictions: Sequence[Restriction | None] = (),
    ) -> None:
        self.features, self.observed, self.c2 = features, observed, c2
        self.dtype, self.workers, self.backend = dtype, workers, backend
        # Attributes by worker, with as many occurrences each.
        counts = np.cumsum(occurrences(blocks, len(features.offsets) - 1))
        self._alone = check_workers(workers) == 1
        shares = 1 if self._alone else n_threads(workers)
        total = counts[-1] if len(counts) else 0
        bounds = np.searchsorted(counts, total * np.arange(1, shares) / shares, "right").tolist()
        self._shares = list(zip([0, *bounds], [*bounds, len(counts)]))
        self._kernels = kernels("crf.features", backend)
        self._plan = self._kernels.plan_features(features.offsets, features.state_labels, features.labels)
        self.runs: list[tuple[Array, Restriction | None, Any]] = []
        known = iter(restrictions)
        blocks.reverse()
        while blocks:
            block, restriction = blocks.pop(), next(known, None)
            parts = block.owners, block.starts, block.steps, block.values
            self.runs.append((block.offsets, restriction, self._kernels.lay_out(*parts, self._plan)))

    def __call__(self, weights: Array) -> tuple[float, Array]:
        """Return the objective and its gradient."""
        states = len(self.features.state_labels)
        spread = self._kernels.spread_weights(self._plan, np.ascontiguousarray(weights[:states], self.dtype))
        matrix = self.features.matrix(weights)
        loss = self.c2 * dot(weights, weights) - dot(self.observed, weights)
        gradient = 2.0 * self.c2 * weights
        gradient -= self.observed
        pairs = self.features.transitions
        sums = [self._kernels.new_gradient(self._plan, *share) for share in self._shares]
        rest, done = iter(self.runs), 0
        each = min(WAVE, max(1, WAVE_CELLS // (BLOCK_STEPS * self.features.labels)))
        while wave := list(islice(rest, 1 if self._alone else each * len(self._shares))):
            tasks = [(self.features, self._plan, *run_, spread, matrix, self.backend) for run_ in wave]
            found = run(_expectations, tasks, self.workers)
            for _, counts, log_z in found:
                if np.isneginf(log_z).any():
                    raise ValueError(f"sequence {done + int(np.isneginf(log_z).argmax())} has no legal path")
                loss += float(log_z.sum())
                gradient[states:] += counts[pairs[:, 0], pairs[:, 1]]
                done += len(log_z)
            # Each worker has attributes of its own, and takes the blocks one after the other.
            layouts, nodes = [layout for *_, layout in wave], [nodes for nodes, _, _ in found]
            adding = [(self._plan, layouts, nodes, own, *share, self.backend) for own, share in zip(sums, self._shares)]
            sums = run(_sums, adding, self.workers)
        for own, (first, last) in zip(sums, self._shares):
            place = slice(self.features.offsets[first], self.features.offsets[last])
            gradient[place] += self._kernels.gathered(self._plan, own, first, last)
        return loss, gradient
