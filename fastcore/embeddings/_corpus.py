"""Texts as blocks of token ids, read once and kept for more passes: in memory, beyond a limit in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels
from .._scratch import Scratch
from .._texts import Manner
from ..skipgrams import TokenLists, fill

Ids: TypeAlias = NDArray[np.int32]
Offsets: TypeAlias = NDArray[np.int64]

# Tokens of a block, if no text is longer, and bytes kept in memory.
BLOCK = 1 << 20
IN_MEMORY = 1 << 27


class Spool:
    """Blocks of ids and offsets that can be read as often as needed; what lies in a file goes when this does."""

    def __init__(self) -> None:
        self._held: list[tuple[Ids, Offsets]] = []
        self._bytes = 0
        self._sizes: list[tuple[int, int]] = []
        self._file: Scratch | None = None

    def add(self, ids: Ids, offsets: Offsets) -> None:
        """Keep one more block."""
        self._bytes += ids.nbytes + offsets.nbytes
        if self._bytes <= IN_MEMORY:
            self._held.append((ids, offsets))
            return
        if self._file is None:
            self._file = Scratch()
        self._file.write(ids)
        self._file.write(offsets)
        self._sizes.append((ids.nbytes, offsets.nbytes))

    def __iter__(self) -> Iterator[tuple[Ids, Offsets]]:
        yield from self._held
        if self._file is None:
            return
        self._file.seek(0)
        for sizes in self._sizes:
            ids, offsets = map(self._file.read, sizes)
            yield np.frombuffer(ids, np.int32), np.frombuffer(offsets, np.int64)


class Corpus:
    """The texts of a corpus, and the words that are frequent enough: by falling count, equal ones as they come.

    Attributes
    ----------
    vocabulary : list of str
    counts : ndarray of int64
    tokens, texts : int
        How many there are, those of rare words included.
    """

    def __init__(self, token_lists: TokenLists, manner: Manner, min_count: int, backend: str) -> None:
        self._spool = Spool()
        self.tokens = self.texts = 0
        stream = kernels("skipgrams", backend).TokenStream()
        taken: list[tuple[Ids, Offsets]] = []
        waiting = 0
        for _ in fill(stream, token_lists, manner, backend):
            taken.append(stream.take())
            waiting += len(taken[-1][0])
            if waiting >= BLOCK:
                self._keep(taken)
                taken, waiting = [], 0
        *rest, names = stream.finish()
        self._keep([*taken, (rest[0], rest[1])])
        occurrences = np.zeros(len(names), np.int64)
        for ids, _ in self._spool:
            occurrences += np.bincount(ids, minlength=len(names))
        order = np.argsort(-occurrences, kind="stable")
        order = order[: int((occurrences >= min_count).sum())]
        self.vocabulary: list[str] = [names[i] for i in order.tolist()]
        self.counts: NDArray[np.int64] = occurrences[order]
        if not self.vocabulary:
            most = int(occurrences.max(initial=0))
            raise ValueError(
                f"token_lists must hold a token at least min_count={min_count} times, got none"
                + (f" that occurs more than {most} times" if most else "")
            )
        # What a token's id becomes: its place by frequency, or -1.
        self._places = np.full(len(names), -1, np.int32)
        self._places[order] = np.arange(len(order), dtype=np.int32)

    def _keep(self, blocks: list[tuple[Ids, Offsets]]) -> None:
        ids = np.concatenate([block[0] for block in blocks])
        lengths = np.concatenate([np.diff(block[1]) for block in blocks])
        if len(lengths):
            self._spool.add(ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        self.tokens += len(ids)
        self.texts += len(lengths)

    def __iter__(self) -> Iterator[tuple[Ids, Offsets]]:
        """Yield blocks: the places of their tokens' words in the vocabulary, -1 for rare ones, and the offsets."""
        for ids, offsets in self._spool:
            yield self._places[ids], offsets
