"""What a finder has learned of texts, added whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .._backend import kernels
from ._blocks import LAST, Blocks, Numbers, Texts, encoded, kept


class Learned:
    """Numbers of characters, and of the texts that were learned the counts of pairs, or the texts themselves."""

    def __init__(self, keep: Any, counts_only: bool, backend: str) -> None:
        self.keep = keep
        self.counts_only = counts_only
        self._kernel = kernels("discovery", backend)
        self._table = kept(keep)
        self._separator = LAST if self._table[ord("\n")] else "\n"
        self._encoder = self._kernel.Encoder(self._table)
        self.counter = self._kernel.PairCounter()
        self.blocks = Blocks()

    def symbols(self) -> Numbers:
        """Return the code point of each number."""
        found: Numbers = self._encoder.symbols()
        return found

    def read(self, texts: Texts) -> Iterator[Numbers]:
        """Yield texts as blocks of numbers; characters that are new get one."""
        return encoded(texts, self._encoder, self._separator)

    def forget(self, known: int) -> None:
        """Keep the first numbers only: what was read but not learned leaves no trace."""
        symbols = self.symbols()
        if len(symbols) > known:
            self._encoder = self._kernel.Encoder(self._table)
            self._encoder.encode("".join(map(chr, symbols[:known].tolist())))

    def learn(self, texts: Texts, step: Callable[[int], object]) -> None:
        """Add texts to what was learned."""
        known, blocks = len(self.symbols()), len(self.blocks)
        counter = self._kernel.PairCounter()
        try:
            for ids in self.read(texts):
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
        return self.keep, self.counts_only, self.symbols(), list(self.blocks), *self.counter.result()

    @classmethod
    def of_state(cls, state: tuple[Any, ...], backend: str) -> Learned:
        """Return what `state` described."""
        keep, counts_only, symbols, blocks, *counted = state
        made = cls(keep, counts_only, backend)
        made._encoder.encode("".join(map(chr, symbols.tolist())))
        made.counter.merge(*counted)
        for ids in blocks:
            made.blocks.add(ids)
        return made
