"""`WordFinder`: three ways to find words in text without labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .._backend import active_backend, kernels
from .._progress import Progress, progress_bar
from .._texts import Manner, Texts
from .._validation import as_choice, as_index, as_number
from .._workers import Workers, check_workers
from ._adjacent import PUNCTUATION, chains, without_redundant
from ._blocks import LAST, NOTHING, Blocks, Numbers, encoded, kept
from ._entropy import entropy_words
from ._ngram import ngram_words
from ._words import Words, kinds_of

if TYPE_CHECKING:
    from ..lexicon import Lexicon

# Characters of the n-grams that the method "entropy" looks at, a pass over the text each.
LONGEST = 64
METHODS = ("adjacent", "ngram", "entropy")


class WordFinder:
    """Find the words of a language in its text, without labels.

    Parameters
    ----------
    min_proba : float, default 1e-7
        Least probability of a pair of neighbours and of a word (method ``"adjacent"``).
    min_pmi : float, default 1, or sequence of float
        Least pointwise mutual information, in nats, of neighbours that stay together. For ``"ngram"`` an n-gram
        needs 2 (n - 1) times as much, or the n-th number of a sequence, whose length is the highest order.
    method : {"adjacent", "ngram", "entropy"}
        How words are found; see Notes. The third is the best and the slowest.
    min_count : int, optional
        Words that occur more rarely are left out; ``"ngram"`` leaves out n-grams too. Default 1, 4 for ``"ngram"``.
    min_length : int, default 1
        Length in characters of the shortest words wanted.
    max_length : int, optional
        Length of the longest words wanted. ``"entropy"`` looks at n-grams up to it, default 5, at most 64.
    exclude : collection of str, or os.PathLike, optional
        Words that aren't wanted, for example a known `Lexicon`, so that only new ones are left. A path is a file of
        them, a line each (a count and a tag may follow, as for `Lexicon.load`).
    keep : str or set of str, default "cjk+alnum"
        The characters that words are made of: ``"cjk"`` (U+4E00 to U+9FA5), ``"alnum"`` (ASCII letters and
        digits), both, a collection of characters, or None for all. Everything else separates.
    workers : int, map-like callable or executor, default 1
        What estimates the model of ``"entropy"``, block by block; words and counts don't depend on it.
    progress : bool or callable, default False
        A bar, or a function that is called with (characters read so far, in all passes; None).

    Attributes
    ----------
    words_ : dict of str to int
        The words and their counts, by falling count; of equal counts, what occurs first comes first.

    Raises
    ------
    TypeError
        If an argument has a wrong type, or texts aren't an iterable of str or a path.
    ValueError
        If an argument is out of range, or there is no text.

    Notes
    -----
    ``"adjacent"`` (Su 2018) counts characters and pairs of neighbours; a pair is strong if
    log p(ab) > log min_proba and log p(ab) - log p(a) - log p(b) > min_pmi. Words are the maximal chains of
    strong neighbours, those with log p > log min_proba. Then, longest first, a word goes if the others spell
    it well: log p(word) - sum of log p(part) < length - 1, the parts being its best segmentation by the others
    (runs of letters and digits in one piece); its count goes to the parts. Same words and counts as nlp-zero's
    ``Word_Finder``, but that a part which is no word keeps the word. Time O(text + words * length**2).

    ``"ngram"`` (Su 2019) counts the n-grams of up to four characters. One passes if it occurs `min_count` times and
    its mutual information, the smallest of log p(w) - log p(left) - log p(right) over its split points, reaches
    the threshold of its order (probabilities are counts over the number of characters). A text is cut where no
    passing n-gram lies over the gap. Words are what falls out `min_count` times, if it passes itself or, when
    longer than the highest order, all its n-grams of that order do. Time O(text * order).

    ``"entropy"`` estimates a unigram model of words. Every n-gram of up to `max_length` characters that occurs twice
    is a candidate, and every character. Its score is log p(w) + 12 (a(w) - 1/2 [w is one character]), where the
    autonomy a(w) is, summed over both sides, how much the entropy of the next character exceeds that after w
    without its outer character, less the mean of n-grams of that length, in units of the entropy of
    characters (Magistry and Sagot 2012). Four rounds of expectation and maximization over all segmentations
    estimate p; words are the candidates whose expected count rounds to 1 or more, and that is their count (ties:
    shorter words first). Time O(text * max_length), some 20 times that of ``"adjacent"``; memory for texts of up
    to 64 million candidates 4 bytes each, then less, but slower.

    A finder keeps the backend that was active when it was made, and pickles.

    Examples
    --------
    >>> from fastcore.discovery import WordFinder
    >>> finder = WordFinder(min_proba=1e-4, min_pmi=1.9).fit(["看电影", "电影院", "看书", "书店", "电影票"])
    >>> finder.words_
    {'看': 2, '电影': 1, '电影院': 1, '书': 1, '书店': 1, '电影票': 1}
    """

    def __init__(
        self,
        min_proba: float = 1e-7,
        min_pmi: float | Sequence[float] = 1,
        *,
        method: str = "adjacent",
        min_count: int | None = None,
        min_length: int = 1,
        max_length: int | None = None,
        exclude: Collection[str] | os.PathLike[str] | None = None,
        keep: Any = "cjk+alnum",
        workers: Workers = 1,
        progress: Progress = False,
    ) -> None:
        self.min_proba = as_number(min_proba, "min_proba", low=0, high=1)
        self.method = as_choice(method, "method", METHODS)
        self.min_pmi = _as_thresholds(min_pmi, self.method)
        self.min_count = None if min_count is None else as_index(min_count, "min_count", low=1)
        self.min_length = as_index(min_length, "min_length", low=1)
        self.max_length = None if max_length is None else as_index(max_length, "max_length", low=self.min_length)
        if self.method == "entropy" and (self.max_length or 0) > LONGEST:
            raise ValueError(f"max_length must be at most {LONGEST} where method is 'entropy', got {max_length}")
        self.exclude = exclude
        self._excluded = _as_words(exclude)
        self.keep = keep
        check_workers(workers)
        self.workers = workers
        self.progress = progress
        self._keep_table = kept(keep)
        self._separator = LAST if self._keep_table[ord("\n")] else "\n"
        self._backend = active_backend()
        self._reset()

    def _reset(self) -> None:
        kernel = kernels("discovery", self._backend)
        self._encoder = kernel.Encoder(self._keep_table)
        self._counter = kernel.PairCounter()
        self._learned = Blocks()
        self._words: dict[str, int] | None = None

    @property
    def words_(self) -> dict[str, int]:
        if self._words is None:
            raise ValueError("there are no words yet: call fit(texts), or partial_fit(texts) and finish(texts)")
        return self._words

    def fit(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> WordFinder:
        """Find the words of `texts`, forgetting what was counted before.

        Parameters
        ----------
        texts : iterable, path, bytes, open file or pyarrow array
            Each str (or bytes) is a text; a path is a file whose lines are texts, uncompressed by its suffix (gz, xz,
            bz2, zst), or a folder of such files. An iterator is read once: the text is kept as 4 bytes a character,
            beyond 128 MB in a temporary file.
        encoding : str, default "utf-8"
            What bytes and files are encoded in.
        errors : {"strict", "replace", "ignore"}, default "strict"
            Bytes that can't be decoded raise, become U+FFFD, or are left out.
        pattern : str, optional
            Of a folder only the files whose names match, as ``"*.txt"``.

        Returns
        -------
        WordFinder
            Itself.
        """
        manner = Manner(encoding=encoding, errors=errors, pattern=pattern)
        self._reset()
        blocks = Blocks()
        with progress_bar(self.progress, None, "char") as step:
            for ids in encoded(texts, self._encoder, self._separator, manner):
                if self.method == "adjacent":
                    self._counter.update(ids)
                blocks.add(ids)
                step(len(ids))
            self._words = self._find(blocks, blocks, step)
        self._counter = kernels("discovery", self._backend).PairCounter()
        return self

    def partial_fit(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> WordFinder:
        """Learn from `texts` (as for `fit`), on top of what was learned before; `finish` then finds words.

        Method ``"adjacent"`` counts characters and pairs; the others keep the text, as `fit` does.
        """
        manner = Manner(encoding=encoding, errors=errors, pattern=pattern)
        with progress_bar(self.progress, None, "char") as step:
            for ids in encoded(texts, self._encoder, self._separator, manner):
                if self.method == "adjacent":
                    self._counter.update(ids)
                else:
                    self._learned.add(ids)
                step(len(ids))
        return self

    def finish(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> WordFinder:
        """Find the words of `texts` (as for `fit`) by what `partial_fit` has learned.

        For ``"ngram"`` and ``"entropy"`` characters that weren't among it separate.
        """
        manner = Manner(encoding=encoding, errors=errors, pattern=pattern)
        with progress_bar(self.progress, None, "char") as step:
            blocks: Iterable[Numbers] = encoded(texts, self._encoder, self._separator, manner)
            if self.method == "entropy":
                kept_blocks = Blocks()
                for ids in blocks:
                    kept_blocks.add(ids)
                blocks = kept_blocks
            self._words = self._find(self._learned, blocks, step)
        return self

    def _find(
        self, learned: Iterable[Numbers], blocks: Iterable[Numbers], step: Callable[[int], object]
    ) -> dict[str, int]:
        if not len(self._encoder.symbols()):
            raise ValueError(NOTHING)
        if self.method == "ngram":
            words = ngram_words(learned, blocks, self.min_pmi, self.min_count or 4, step, self._backend)
            return self._wanted(words, self._encoder.symbols())
        if self.method == "entropy":
            words = entropy_words(learned, blocks, self.max_length or 5, self.workers, step, self._backend)
            return self._wanted(words, self._encoder.symbols())
        words = chains(self._counter, blocks, self.min_proba, self.min_pmi[-1], step, self._backend)
        symbols = self._encoder.symbols()
        words = without_redundant(words, self.min_proba, kinds_of(symbols, PUNCTUATION), self._backend)
        return self._wanted(words, symbols)

    def _wanted(self, words: Words, symbols: Numbers) -> dict[str, int]:
        """Keep words of the lengths and counts that are wanted, by falling count, without the excluded ones."""
        lengths = words.lengths
        chosen = (lengths >= self.min_length) & (words.counts >= (self.min_count or 1))
        if self.max_length is not None:
            chosen &= lengths <= self.max_length
        found = words.take(chosen).to_sorted_dict(symbols, self._backend)
        return {word: n for word, n in found.items() if word not in self._excluded} if self._excluded else found

    def to_lexicon(self) -> Lexicon:
        """Return the words and counts as a `fastcore.lexicon.Lexicon`."""
        from ..lexicon import Lexicon

        return Lexicon(self.words_)

    def __repr__(self) -> str:
        state = "not fitted" if self._words is None else f"{len(self._words)} words"
        return f"<WordFinder: {self.method}, {state}>"

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_encoder", "_counter", "_learned", "_keep_table"):
            del state[name]
        state["_counted"] = (self._encoder.symbols(), list(self._learned), *self._counter.result())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        symbols, learned, *counted = state.pop("_counted")
        self.__dict__.update(state)
        words = self._words
        self._keep_table = kept(self.keep)
        self._reset()
        self._words = words
        self._encoder.encode("".join(map(chr, symbols.tolist())))
        self._counter.merge(*counted)
        for ids in learned:
            self._learned.add(ids)


def _as_words(exclude: Any) -> Collection[str]:
    """The words that aren't wanted."""
    if isinstance(exclude, os.PathLike):
        from ..lexicon import Lexicon

        return Lexicon.load(exclude)
    if isinstance(exclude, str) or not isinstance(exclude, Collection | None):
        raise TypeError(f"exclude must be a collection of str or a path, got {type(exclude).__name__}")
    return () if exclude is None else exclude


def _as_thresholds(min_pmi: Any, method: str) -> tuple[float, ...]:
    """Least mutual information of n-grams by order; for the adjacent method, of pairs."""
    if isinstance(min_pmi, str | bytes) or not isinstance(min_pmi, Iterable):
        number = as_number(min_pmi, "min_pmi")
        return tuple(2 * number * order for order in range(4)) if method == "ngram" else (0.0, number)
    if method != "ngram":
        raise TypeError(f"min_pmi must be a number unless method is 'ngram', got {type(min_pmi).__name__}")
    thresholds = tuple(as_number(number, "min_pmi") for number in min_pmi)
    if len(thresholds) < 2:
        raise ValueError(f"min_pmi must have a threshold for each order, at least 2, got {len(thresholds)}")
    return thresholds
