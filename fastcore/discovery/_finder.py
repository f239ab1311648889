"""`WordFinder`: three ways to find words in text without labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._backend import active_backend
from .._estimator import Estimator, not_fitted
from .._progress import Progress, progress_bar
from .._texts import Manner, Texts
from .._turns import in_turn
from .._validation import as_choice, as_flag, as_index, as_number
from .._workers import Workers, check_workers
from ._adjacent import PUNCTUATION, chains, without_redundant
from ._blocks import Blocks, Numbers
from ._entropy import entropy_words
from ._learned import Learned
from ._ngram import ngram_words
from ._words import Symbols, Words, kinds_of

if TYPE_CHECKING:
    from ..lexicon import Lexicon

# Characters of the n-grams that the method "entropy" looks at, a pass over the text each.
LONGEST = 64
METHODS = ("adjacent", "ngram", "entropy")


class _Settings(NamedTuple):
    """Parameters that were looked at."""

    method: str
    min_proba: float
    thresholds: tuple[float, ...]
    min_count: int | None
    min_length: int
    max_length: int | None
    join_alnum: bool
    excluded: Collection[str]


class WordFinder(Estimator):
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
        Length of the longest words wanted, a joined run counting as one. ``"entropy"`` looks at n-grams up to it,
        default 5, at most 64.
    exclude : collection of str, or os.PathLike, optional
        Words that aren't wanted, for example a known `Lexicon`, so that only new ones are left. A path is a file of
        them, a line each (a count and a tag may follow, as for `Lexicon.load`).
    keep : str or set of str, default "cjk+alnum"
        The characters that words are made of: ``"cjk"`` (U+4E00 to U+9FA5), ``"alnum"`` (ASCII letters and
        digits), both, a collection of characters, or None for all. Everything else separates.
    join_alnum : bool, default True
        Take a run of ASCII letters and digits as one character that no word divides, as `Tokenizer` joins it.
        False for text that is to be cut within such runs.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. For ``"entropy"``, whose model is
        estimated block by block.
    progress : bool or callable, default False
        True shows a bar (needs tqdm); a function is called with (done, total or None). Counted are the characters read
        so far, in all passes.

    Attributes
    ----------
    words_ : dict of str to int
        The words and their counts, by falling count; of equal counts, what occurs first comes first.

    Raises
    ------
    TypeError
        In `fit`, `partial_fit` and `finish`: if an argument has a wrong type, or texts aren't an iterable of str or a
        path.
    ValueError
        There, if an argument is out of range, or there is no text.
    NotFittedError
        If words are asked for before they were found; it is a ValueError, and scikit-learn's where that is loaded.

    Notes
    -----
    ``"adjacent"`` (Su 2018) counts characters and pairs of neighbours; a pair is strong if
    log p(ab) > log min_proba and log p(ab) - log p(a) - log p(b) > min_pmi. Words are the maximal chains of
    strong neighbours, those with log p > log min_proba. Then, longest first, a word goes if the others spell
    it well: log p(word) - sum of log p(part) < length - 1, the parts being its best segmentation by the others
    (runs of letters and digits in one piece); its count goes to the parts. With ``join_alnum=False``, same words and
    counts as nlp-zero's ``Word_Finder``, but that a part which is no word keeps the word.
    Time O(text + words * length**2).

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

    A finder keeps the backend that was active when it was made, and pickles. Calls that fail change nothing. Threads
    take turns: while one calls `fit`, `partial_fit` or `finish` or pickles the finder, the others wait; `words_` is
    what the last call found. Texts that come from an iterator must not use the finder (RuntimeError).

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
        join_alnum: bool = True,
        workers: Workers = 1,
        progress: Progress = False,
    ) -> None:
        self.min_proba = min_proba
        self.min_pmi = min_pmi
        self.method = method
        self.min_count = min_count
        self.min_length = min_length
        self.max_length = max_length
        self.exclude = exclude
        self.keep = keep
        self.join_alnum = join_alnum
        self.workers = workers
        self.progress = progress
        self._backend = active_backend()
        self._learned: Learned | None = None
        self._words: dict[str, int] | None = None

    def _checked(self) -> _Settings:
        """Return the parameters, refused by name if out of range."""
        method = as_choice(self.method, "method", METHODS)
        min_length = as_index(self.min_length, "min_length", low=1)
        settings = _Settings(
            method,
            as_number(self.min_proba, "min_proba", low=0, high=1),
            _as_thresholds(self.min_pmi, method),
            None if self.min_count is None else as_index(self.min_count, "min_count", low=1),
            min_length,
            None if self.max_length is None else as_index(self.max_length, "max_length", low=min_length),
            as_flag(self.join_alnum, "join_alnum"),
            _as_words(self.exclude),
        )
        if method == "entropy" and (settings.max_length or 0) > LONGEST:
            raise ValueError(f"max_length must be at most {LONGEST} where method is 'entropy', got {self.max_length}")
        check_workers(self.workers)
        return settings

    def _so_far(self, settings: _Settings) -> Learned:
        """What was learned before, if it was learned for the same method and characters."""
        counts_only = settings.method == "adjacent"
        if self._learned is None:
            return Learned(self.keep, settings.join_alnum, counts_only, self._backend)
        before = self._learned
        if (before.counts_only, before.keep, before.join) != (counts_only, self.keep, settings.join_alnum):
            raise ValueError(
                "method, keep and join_alnum must be what they were in the first partial_fit, or fit must come first: "
                f"got {self.method!r}, {self.keep!r} and {self.join_alnum!r}"
            )
        return self._learned

    @property
    def words_(self) -> dict[str, int]:
        if self._words is None:
            raise not_fitted("there are no words yet: call fit(texts), or partial_fit(texts) and finish(texts)")
        return self._words

    def __sklearn_is_fitted__(self) -> bool:
        return self._words is not None

    @in_turn
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
        settings = self._checked()
        manner = Manner(encoding=encoding, errors=errors, pattern=pattern)
        read, blocks = Learned(self.keep, settings.join_alnum, settings.method == "adjacent", self._backend), Blocks()
        with progress_bar(self.progress, None, "char") as step:
            for ids in read.read(texts, manner):
                if read.counts_only:
                    read.counter.update(ids)
                blocks.add(ids)
                step(len(ids))
            words = self._find(settings, read, blocks, blocks, step)
        self._words, self._learned = words, None
        return self

    @in_turn
    def partial_fit(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> WordFinder:
        """Learn from `texts` (as for `fit`), on top of what was learned before; `finish` then finds words.

        Method ``"adjacent"`` counts characters and pairs; the others keep the text, as `fit` does. Texts that are
        refused, be it in their last line, aren't learned at all.
        """
        manner = Manner(encoding=encoding, errors=errors, pattern=pattern)
        learned = self._so_far(self._checked())
        with progress_bar(self.progress, None, "char") as step:
            learned.learn(texts, manner, step)
        self._learned = learned
        return self

    @in_turn
    def finish(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> WordFinder:
        """Find the words of `texts` (as for `fit`) by what `partial_fit` has learned, which stays as it is.

        For ``"ngram"`` and ``"entropy"`` characters that weren't among it separate.
        """
        manner = Manner(encoding=encoding, errors=errors, pattern=pattern)
        settings = self._checked()
        learned = self._so_far(settings)
        learned.forget()
        try:
            with progress_bar(self.progress, None, "char") as step:
                blocks: Iterable[Numbers] = learned.read(texts, manner)
                if settings.method == "entropy":
                    kept_blocks = Blocks()
                    for ids in blocks:
                        kept_blocks.add(ids)
                    blocks = kept_blocks
                words = self._find(settings, learned, learned.blocks, blocks, step)
        finally:
            learned.forget()
        self._words = words
        return self

    def _find(
        self,
        settings: _Settings,
        known: Learned,
        learned: Iterable[Numbers],
        blocks: Iterable[Numbers],
        step: Callable[[int], object],
    ) -> dict[str, int]:
        if settings.method == "ngram":
            words = ngram_words(learned, blocks, settings.thresholds, settings.min_count or 4, step, self._backend)
            return self._wanted(settings, words, known.symbols())
        if settings.method == "entropy":
            runs = np.diff(known.symbols()[1]) > 1
            most = settings.max_length or 5
            words = entropy_words(learned, blocks, most, runs, self.workers, step, self._backend)
            return self._wanted(settings, words, known.symbols())
        words = chains(known.counter, blocks, settings.min_proba, settings.thresholds[-1], step, self._backend)
        symbols = known.symbols()
        words = without_redundant(words, settings.min_proba, kinds_of(symbols, PUNCTUATION), self._backend)
        return self._wanted(settings, words, symbols)

    def _wanted(self, settings: _Settings, words: Words, symbols: Symbols) -> dict[str, int]:
        """Keep words of the lengths and counts that are wanted, by falling count, without the excluded ones."""
        chosen = words.counts >= (settings.min_count or 1)
        if settings.min_length > 1:
            chosen &= words.characters(symbols) >= settings.min_length
        if settings.max_length is not None:
            chosen &= words.lengths <= settings.max_length
        found = words.take(chosen).to_sorted_dict(symbols, self._backend)
        excluded = settings.excluded
        return {word: n for word, n in found.items() if word not in excluded} if excluded else found

    def to_lexicon(self) -> Lexicon:
        """Return the words and counts as a `fastcore.lexicon.Lexicon`."""
        from ..lexicon import Lexicon

        return Lexicon(self.words_)

    @in_turn
    def __getstate__(self) -> dict[str, Any]:
        learned = None if self._learned is None else self._learned.state()
        return {**self.__dict__, "_learned": learned}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._learned is not None:
            self._learned = Learned.of_state(state["_learned"], self._backend)


def _as_words(exclude: Any) -> Collection[str]:
    """The words that aren't wanted."""
    if isinstance(exclude, os.PathLike):
        from ..lexicon import Lexicon

        return Lexicon.load(exclude)
    if isinstance(exclude, str) or not isinstance(exclude, Collection | None):
        raise TypeError(f"exclude must be a collection of str or a path, got {type(exclude).__name__}")
    if exclude is None or isinstance(exclude, Set | Mapping):
        return exclude or ()
    for word in exclude:
        if not isinstance(word, str):
            raise TypeError(f"exclude must hold str, got {type(word).__name__}")
    # A list would be looked through for each word, and a pandas Series asked for its labels.
    return frozenset(exclude)


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
