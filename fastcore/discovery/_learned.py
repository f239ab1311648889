"""What a finder has learned of texts, added whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
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
        self.blocks = Blocks()
        # How many symbols and blocks were learned (more may have been read), and the counters of pairs with their
        # sizes. Replaced as a whole: what Ctrl-C leaves behind, even while we tidy up, isn't part of it.
        self._learned: tuple[int, int, list[tuple[int, Any]]] = (0, 0, [])

    def _new_encoder(self) -> Any:
        return self._symbols.Encoder(self._table, self.join)

    def __len__(self) -> int:
        return len(self.symbols()[1]) - 1

    def symbols(self) -> Symbols:
        """Return the code points of all symbols, and where each one's begin and end in them."""
        found: Symbols = self._encoder.symbols()
        return found

    @property
    def counter(self) -> Any:
        """The counter of all pairs learned."""
        known, blocks, counters = self._learned
        if len(counters) != 1:
            counters = [self._joined(counters)]
            self._learned = known, blocks, counters
        return counters[0][1]

    def _joined(self, counters: list[tuple[int, Any]]) -> tuple[int, Any]:
        whole = self._pairs.PairCounter()
        for _, part in counters:
            whole.merge(*part.result())
        return self._sized(whole)

    @staticmethod
    def _sized(counter: Any) -> tuple[int, Any]:
        return len(counter.result()[1]), counter

    def _know(self, symbols: list[str]) -> None:
        """Number symbols, in this order."""
        encoder = self._new_encoder()
        encoder.encode(self._separator.join(symbols))
        self._encoder = encoder

    def read(self, texts: Texts, manner: Manner) -> Iterator[Numbers]:
        """Yield texts as blocks of numbers; characters that are new get one."""
        return encoded(texts, self._encoder, self._separator, manner)

    def forget(self) -> None:
        """Keep what was learned only: what was but read leaves no trace."""
        known, blocks, _ = self._learned
        self.blocks.cut(blocks)
        if len(self) > known:
            self._know(spelled(self.symbols())[:known])

    def learn(self, texts: Texts, manner: Manner, step: Callable[[int], object]) -> None:
        """Add texts to what was learned."""
        self.forget()
        counter = self._pairs.PairCounter()
        try:
            for ids in self.read(texts, manner):
                if self.counts_only:
                    counter.update(ids)
                else:
                    self.blocks.add(ids)
                step(len(ids))
            # Never into a counter that is kept, which Ctrl-C would leave half done. Those of about one size are
            # joined, so that each pair is copied a few times only, however many texts come one by one.
            counters = [*self._learned[2], self._sized(counter)]
            while len(counters) > 1 and counters[-2][0] <= 2 * counters[-1][0]:
                counters[-2:] = [self._joined(counters[-2:])]
            self._learned = len(self), len(self.blocks), counters
        except BaseException:
            self.forget()
            raise

    def state(self) -> tuple[Any, ...]:
        """Return all that was learned as arrays."""
        return (
            self.keep,
            self.join,
            self.counts_only,
            spelled(self.symbols())[: self._learned[0]],
            list(islice(self.blocks, self._learned[1])),
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
        made._learned = len(symbols), len(blocks), [made._sized(made.counter)]
        return made
