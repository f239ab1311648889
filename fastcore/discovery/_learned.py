"""What a finder has learned of texts, added whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .._backend import kernels
from .._texts import Manner, Texts
from ._blocks import LAST, Blocks, Numbers, encoded, kept
from ._words import Symbols, spelled


class Learned:
    """Numbers of characters, and of the texts that were learned the counts of pairs, or the texts themselves."""

    def __init__(self, keep: Any, join: bool, counts_only: bool, backend: str) -> None:
        self.keep = keep
        self.join = join
        self.counts_only = counts_only
        self._symbols, self._pairs = kernels("discovery.symbols", backend), kernels("discovery.pairs", backend)
        self._table = kept(keep)
        self._separator = LAST if self._table[ord("\n")] else "\n"
        self._encoder = self._new_encoder()
        self.counter = self._pairs.PairCounter()
        self.blocks = Blocks()

    def _new_encoder(self) -> Any:
        return self._symbols.Encoder(self._table, self.join)

    def __len__(self) -> int:
        return len(self.symbols()[1]) - 1

    def symbols(self) -> Symbols:
        """Return the code points of all symbols, and where each one's begin and end in them."""
        found: Symbols = self._encoder.symbols()
        return found

    def _know(self, symbols: list[str]) -> None:
        """Number symbols, in this order."""
        self._encoder = self._new_encoder()
        self._encoder.encode(self._separator.join(symbols))

    def read(self, texts: Texts, manner: Manner) -> Iterator[Numbers]:
        """Yield texts as blocks of numbers; characters that are new get one."""
        return encoded(texts, self._encoder, self._separator, manner)

    def forget(self, known: int) -> None:
        """Keep the first numbers only: what was read but not learned leaves no trace."""
        if len(self) > known:
            self._know(spelled(self.symbols())[:known])

    def learn(self, texts: Texts, manner: Manner, step: Callable[[int], object]) -> None:
        """Add texts to what was learned."""
        known, blocks = len(self), len(self.blocks)
        counter = self._pairs.PairCounter()
        try:
            for ids in self.read(texts, manner):
                if self.counts_only:
                    counter.update(ids)
                else:
                    self.blocks.add(ids)
                step(len(ids))
        except BaseException:
            self.blocks.cut(blocks)
            self.forget(known)
            raise
        if not known:
            self.counter = counter
        elif self.counts_only:
            self.counter.merge(*counter.result())

    def state(self) -> tuple[Any, ...]:
        """Return all that was learned as arrays."""
        return (
            self.keep,
            self.join,
            self.counts_only,
            spelled(self.symbols()),
            list(self.blocks),
            *self.counter.result(),
        )

    @classmethod
    def of_state(cls, state: tuple[Any, ...], backend: str) -> Learned:
        """Return what `state` described."""
        keep, join, counts_only, symbols, blocks, *counted = state
        made = cls(keep, join, counts_only, backend)
        made._know(symbols)
        made.counter.merge(*counted)
        for ids in blocks:
            made.blocks.add(ids)
        return made
