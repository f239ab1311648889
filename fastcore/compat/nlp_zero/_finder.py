"""nlp-zero's ``Word_Finder`` on `fastcore.discovery`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..._backend import active_backend, kernels
from ..._texts import Manner
from ..._turns import TakesTurns, in_turn
from ...discovery._adjacent import PUNCTUATION, chains, log_threshold, without_redundant
from ...discovery._blocks import LAST, Numbers, encoded, kept
from ...discovery._words import Words, kinds_of, spelled


class Word_Finder(TakesTurns):
    """Drop-in for ``nlp_zero.Word_Finder``: new words as chains of strong neighbours, redundant ones removed.

    Parameters
    ----------
    min_proba : float, default 1e-7
        Least probability of a pair and of a word.
    min_pmi : float, default 1
        Least mutual information of a pair.

    Attributes
    ----------
    words : dict of str to int
        The words found; `find` adds to it. Set it to ``defaultdict(int)`` to start anew.
    chars, pairs : dict of str to int
        What `train` has counted.

    Notes
    -----
    The same words with the same counts, in the same order, as nlp-zero 0.1.6: none of texts that are empty. Mended: no
    text at all is a ValueError; `remove_weak_pairs` drops the weak pairs instead of all, and the object stays
    trainable; a word with a part that is no word stays, also if it is longer than about 101 characters. With
    ``filtering=False`` U+10FFFF separates. Threads take turns to `train` and to `find`; `sents` and `texts` must not do
    these (RuntimeError).

    Examples
    --------
    >>> from fastcore.compat.nlp_zero import Word_Finder
    >>> finder = Word_Finder(min_proba=1e-4, min_pmi=1.9)
    >>> texts = ["看电影", "电影院", "看书", "书店", "电影票"]
    >>> finder.train(texts)
    >>> finder.find(texts)
    >>> finder.words
    {'看': 2, '电影': 1, '电影院': 1, '书': 1, '书店': 1, '电影票': 1}
    """

    def __init__(self, min_proba: float = 1e-7, min_pmi: float = 1) -> None:
        self.min_proba = min_proba
        self.min_pmi = min_pmi
        self.words: dict[str, int] = defaultdict(int)
        self.chars: dict[str, int] = defaultdict(int)
        self.pairs: dict[str, int] = defaultdict(int)
        self._trained = False

    def texts(self, sents: Iterable[str], filtering: bool = True) -> Iterator[list[str]]:
        """Yield for each text its pieces, within which words lie.

        Another one may be set, or defined in a subclass, for a segmentation of one's own: `train` and `find` read what
        it yields.
        """
        for sent in sents:
            yield re.split("[^\u4e00-\u9fa50-9a-zA-Z]+", sent) if filtering else [sent]

    def _read(self, sents: Iterable[str], filtering: bool) -> tuple[Iterable[str], bool]:
        """The texts or, where `texts` was replaced, its pieces, and whether these are still to be filtered."""
        if getattr(self.texts, "__func__", None) is Word_Finder.texts:
            return sents, filtering
        # A text without pieces is one all the same.
        return (piece for pieces in self.texts(sents, filtering) for piece in [*pieces] or [""]), False

    @in_turn
    def train(self, sents: Iterable[str], filtering: bool = True, remove_weak_pairs: bool = True) -> None:
        """Count the characters and pairs of neighbours of `sents`."""
        backend = active_backend()
        sents, filtering = self._read(sents, filtering)
        encoder, counter = _encoder(filtering, backend), kernels("discovery.pairs", backend).PairCounter()
        any_text = False
        for ids in encoded(sents, encoder, _separator(filtering), Manner("sents")):
            counter.update(ids)
            any_text = True
        if not any_text:
            raise ValueError("sents must hold at least one text, got none")
        self._trained = True
        char_counts, pairs, pair_counts = counter.result()
        symbols = spelled(encoder.symbols())
        for symbol, count in zip(symbols, char_counts.tolist()):
            self.chars[symbol] = self.chars.get(symbol, 0) + count
        for (a, b), count in zip(pairs.tolist(), pair_counts.tolist()):
            pair = symbols[a] + symbols[b]
            self.pairs[pair] = self.pairs.get(pair, 0) + count

    @in_turn
    def find(self, sents: Iterable[str], filtering: bool = True, remove_weak_pairs: bool = True) -> None:
        """Cut `sents` where neighbours are weak, add what falls out to `words`, and remove the redundant ones."""
        if not self.chars:
            if not self._trained:
                raise ValueError("train(sents) must come before find(sents)")
            return
        backend = active_backend()
        kernel = kernels("discovery.pairs", backend)
        encoder = _encoder(False, backend)
        # Every character gets its number here, so that its count stands in that place.
        encoder.encode("".join(self.chars))
        counter = kernel.PairCounter()
        pairs = encoder.encode("".join(self.pairs)).reshape(-1, 2)
        if len(encoder.symbols()[0]) != len(self.chars) or len(pairs) != len(self.pairs):
            raise ValueError("chars must hold single characters, and pairs two of those")
        counts = np.fromiter(self.pairs.values(), np.int64, len(self.pairs))
        counter.merge(np.fromiter(self.chars.values(), np.int64, len(self.chars)), pairs, counts)
        strong = kernel.pair_scores(*counter.result())[0] > log_threshold(self.min_proba)
        sents, filtering = self._read(sents, filtering)
        blocks = _filtered(encoded(sents, encoder, LAST, Manner("sents")), encoder, filtering)
        found = chains(counter, blocks, self.min_proba, self.min_pmi, lambda more: None, backend)
        words = self._added(found, encoder, backend)
        kinds = kinds_of(encoder.symbols(), PUNCTUATION)
        self.words = without_redundant(words, self.min_proba, kinds, backend).to_dict(encoder.symbols(), backend)
        if remove_weak_pairs:
            self.pairs = defaultdict(int, {pair: n for (pair, n), keep in zip(self.pairs.items(), strong) if keep})

    def _added(self, found: Words, encoder: Any, backend: str) -> Words:
        """The words so far and those found, which come after them."""
        if not self.words:
            return found
        words = {word: count for word, count in self.words.items() if count > 0}
        for word, count in found.to_dict(encoder.symbols(), backend).items():
            words[word] = words.get(word, 0) + count
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        ids = encoder.encode("".join(words))
        if (ids < 0).any() or not lengths.all():
            raise ValueError(f"words must not be empty nor hold {LAST!r}")
        return Words(
            ids,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.fromiter(words.values(), np.int64, len(words)),
        )

    def export_trie(self) -> Any:
        """Return the words as a `Trie`."""
        from . import Trie

        return Trie(self.words.items())

    def export_tokenizer(self) -> Any:
        """Return a `Tokenizer` of the words."""
        from . import Tokenizer

        return Tokenizer(self.export_trie())


def _filtered(blocks: Iterable[Numbers], encoder: Any, filtering: bool) -> Iterable[Numbers]:
    """Let what the filter drops separate."""
    table = kept("cjk+alnum" if filtering else None).astype(bool)
    for ids in blocks:
        allowed = table[encoder.symbols()[0]]
        yield np.where(allowed[ids] & (ids >= 0), ids, np.int32(-1))


def _separator(filtering: bool) -> str:
    return "\n" if filtering else LAST


def _encoder(filtering: bool, backend: str) -> Any:
    return kernels("discovery.symbols", backend).Encoder(kept("cjk+alnum" if filtering else None), False)
