"""Slow twin of the kernel of word embeddings."""

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._turns import TakesTurns, alone
from ._rng import Rng

Vector: TypeAlias = list[float]


def _dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b))


class Trainer(TakesTurns):
    """Vectors of words as inputs and as outputs (targets), and how words are drawn.

    Word i is kept with probability keep[i] / 2**32; `table` is the alias table of the noise. Numbers are float64 here.
    """

    def __init__(
        self,
        inputs: NDArray[np.float32],
        outputs: NDArray[np.float32],
        keep: NDArray[np.uint64],
        table: NDArray[np.uint64],
    ) -> None:
        self._inputs: list[Vector] = inputs.tolist()
        self._outputs: list[Vector] = outputs.tolist()
        self._shape = inputs.shape
        self._keep: list[int] = keep.tolist()
        self._table: list[int] = table.tolist()

    @alone
    def vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return copies of the inputs and the outputs."""
        inputs, outputs = (np.array(it, np.float32).reshape(self._shape) for it in (self._inputs, self._outputs))
        return inputs, outputs

    @alone
    def skipgram(
        self,
        words: NDArray[np.int32],
        offsets: NDArray[np.int64],
        key: NDArray[np.uint64],
        first: int,
        window: int,
        dynamic: bool,
        negative: int,
        rate: float,
        fall: float,
    ) -> tuple[float, int]:
        """Let each kept word predict each of its neighbours; return the loss's sum and the number of predictions.

        Words are -1 where a token has none. Text t draws from stream number first + t of the key: for each word that
        isn't always kept, whether it is; then for each kept word, if `dynamic`, by how much its window is narrower,
        and for each neighbour from the left to the right the noise. The learning rate is `rate` at the first token and
        falls by `fall` a token.
        """
        loss, made = 0.0, 0
        for rng, word, neighbours, now in self._centres(words, offsets, key, first, window, dynamic, rate, fall):
            for neighbour in neighbours:
                change, wrong = self._predict(self._inputs[word], neighbour, negative, now, rng)
                self._add(word, change, 1.0)
                loss, made = loss + wrong, made + 1
        return loss, made

    @alone
    def cbow(
        self,
        words: NDArray[np.int32],
        offsets: NDArray[np.int64],
        key: NDArray[np.uint64],
        first: int,
        window: int,
        dynamic: bool,
        negative: int,
        rate: float,
        fall: float,
    ) -> tuple[float, int]:
        """The same, but that the mean of its neighbours' inputs predicts each kept word that has some."""
        loss, made = 0.0, 0
        for rng, word, neighbours, now in self._centres(words, offsets, key, first, window, dynamic, rate, fall):
            share = 1.0 / len(neighbours)
            mean = [share * sum(column) for column in zip(*(self._inputs[it] for it in neighbours))]
            change, wrong = self._predict(mean, word, negative, now, rng)
            for neighbour in neighbours:
                self._add(neighbour, change, share)
            loss, made = loss + wrong, made + 1
        return loss, made

    def _centres(
        self, words: Any, offsets: Any, key: Any, first: int, window: int, dynamic: bool, rate: float, fall: float
    ) -> Iterator[tuple[Rng, int, list[int], float]]:
        """Yield each kept word that has neighbours: its text's stream, itself, they, and the learning rate."""
        ends = offsets.tolist()
        for t in range(len(ends) - 1):
            rng = Rng(key.tolist(), first + t)
            text = enumerate(words[ends[t] : ends[t + 1]].tolist(), ends[t])
            kept = [(place, word) for place, word in text if word >= 0 and self._kept(word, rng)]
            for at, (place, word) in enumerate(kept if len(kept) > 1 else []):
                reach = window - rng.next_below(window) if dynamic else window
                near = kept[max(at - reach, 0) : at] + kept[at + 1 : at + reach + 1]
                yield rng, word, [neighbour for _, neighbour in near], rate - fall * place

    def _kept(self, word: int, rng: Rng) -> bool:
        share = self._keep[word]
        return share >= 2**32 or rng.next_u64() >> 32 < share

    def _noise(self, rng: Rng) -> int:
        product = rng.next_u64() * len(self._table)
        column, coin = product >> 64, product >> 32 & 0xFFFFFFFF
        entry = self._table[column]
        return column if coin < entry >> 32 else entry & 0xFFFFFFFF

    def _predict(self, hidden: Vector, true: int, negative: int, rate: float, rng: Rng) -> tuple[Vector, float]:
        """Move the targets' vectors; return what the hidden vector is to move by, and the loss.

        All inner products are taken before a vector moves.
        """
        targets = [true] + [self._noise(rng) for _ in range(negative)]
        wrong = [_dot(hidden, self._outputs[target]) for target in targets]
        wrong[0] = -wrong[0]  # the logit of the wrong answer
        change, loss = [0.0] * len(hidden), 0.0
        for i, (target, logit) in enumerate(zip(targets, wrong)):
            small = math.exp(-abs(logit))
            loss += max(logit, 0.0) + math.log1p(small)
            step = rate * (1.0 if logit > 0.0 else small) / (1.0 + small)
            step = step if i == 0 else -step
            row = self._outputs[target]
            change = [c + step * x for c, x in zip(change, row)]
            self._outputs[target] = [x + step * h for x, h in zip(row, hidden)]
        return change, loss

    def _add(self, word: int, change: Vector, share: float) -> None:
        self._inputs[word] = [x + share * c for x, c in zip(self._inputs[word], change)]
