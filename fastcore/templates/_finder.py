"""Templates found in sentences: words that stand together more often than chance, joined along paths."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels
from .._estimator import Estimator, not_fitted
from .._progress import Progress, progress_bar
from .._texts import Manner, Texts
from .._turns import in_turn
from .._validation import as_choice, as_flag, as_index, as_number
from .._workers import Workers
from ..skipgrams import count_ids, n_pairs
from ._frames import frames_of
from ._numbers import Numbers
from ._sentences import sentence_lists
from ._template import Template, Tokenize, as_words
from ._trie import TemplateTrie

# A template and what is in its slots.
Reading: TypeAlias = tuple[Template, tuple[tuple[str, ...], ...]]

# What `min_count=None` asks of a template found in sentences: in one alone every path is a template.
_TWICE = 2
# Steps that a search may take by default.
_STEPS, _STEPS_A_WORD = 20_000_000, 20
# How often what one word always stands with may be due to chance.
_BY_CHANCE = 1e-3
# More than logarithms of counts are off by, and less than they differ by.
_ROUNDING = 1e-12


class TemplateFinder(Estimator):
    """Find templates in sentences.

    Parameters
    ----------
    tokenize : callable, optional
        Cuts a str into words. Without it, sentences are lists of words.
    window : int, default 5
        Words that stand together are at most so far apart.
    min_proba : float, default 1e-5
        Pairs of words whose share of all pairs isn't above it are left out; templates likewise.
    min_pmi : float, default 2
        A pair is strong if log p(a, b) - log p(a) - log p(b) is above it (natural logarithms).
    min_count : int, optional
        Templates counted less often are left out. Default: 2 with ``count="sentence"``, 1 with ``count="path"``.
    count : {"sentence", "path"}
        What a template's count is: the number of sentences in which at least one path reads it, or the number of all
        such paths (which may grow exponentially with a sentence; counts stop at 2**62).
    trivial : bool, default False
        Keep templates of one word between two slots, which say nothing of structure, among the others.
    closed : bool, optional
        Find each pattern once (the default with ``count="sentence"``): of templates whose paths end at the same words,
        only the one with the most words (then the fewest slots, then the one met first, so that another order of the
        texts may keep another), and none that another, found in the same sentences, extends. Pairs must stand together
        `min_count` times, and words that a slot begins or ends with in all sentences of a template are spelled (and any
        that stand at the same place of slots that are equally long in all). Otherwise every shorter way to leave out
        words is a template of its own.
    min_confidence : float, optional
        A pair is strong too if b follows at least this share of all a within the window, and a goes before at least
        this share of all b; or one of both, where that would happen by chance once in a thousand times at most. Words
        of one frame that all sentences share have a pmi near 0. Default: 0.9 with `closed`, otherwise no such pairs.
    max_words : int, optional
        Find templates of up to so many words only, as they are: no slot is spelled.
    max_templates : int, default 1_000_000
        Where there are more, only those that explain most are kept (without `closed`: the shorter ones are found), and
        a warning says so.
    max_steps : int, optional
        Where the search would take more steps, likewise. A step is a place to which a frequent beginning of a template
        is carried on, or without `closed` a word of a template that is found. Default: twenty million, and twenty a
        word of the texts.

    Attributes
    ----------
    templates_ : dict of Template to int
        What was found, those with a slot first, in the order of what they explain: the words that sentences needn't
        spell where the template is spelled once, (count - 1) times its words.
    words_ : dict of str to int
        Isolated words: what stood alone between two slots, most frequent first.
    total_ : int
        Number of sentences, or of paths.
    complete_up_to_ : int or None
        None if all templates were found. Where that was too much, the number of words up to which all were, and no
        longer ones: the largest number that keeps within `max_templates` and `max_steps`. Only without `closed`.
    complete_from_ : int or None
        None if all templates were found. Where that was too much, the least count from which on all were; rarer ones
        are those that came first, since beginnings that explain most are carried on first. Only with `closed`.

    Raises
    ------
    TypeError, ValueError
        In `fit`, if an argument isn't of that kind.

    Notes
    -----
    Threads take turns to `fit`, which `tokenize` and the texts' own iterator must not call (RuntimeError); a `fit` that
    fails changes nothing.

    In each sentence the strong pairs join words to a graph. A path from a word that no pair leads to, to one from which
    none leads on, spells a template, with a slot wherever it leaves words out. Paths aren't enumerated: beginnings of
    templates grow word by word, and one that is too rare is dropped with all its continuations, since none can be more
    frequent (as in PrefixSpan, Pei et al. 2001). With `closed`, beginnings that lead to the same words of the texts are
    one from there on (the equivalence of projections of CloSpan, Yan, Han and Afshar 2003), and only the one with the
    most words is spelled, so that a stretch of n words that sentences share takes about n steps and not 2^n. Where
    `max_steps` is reached all the same, the search ends; without `closed` it is repeated for shorter templates, about
    ten times at most. Memory: with `closed` some 15 bytes a word of the texts and one or two a place that a beginning
    leads to, of which there are at most `max_steps`: 40 bytes a word on four million words of news.

    Source: Su Jianlin (苏剑林), *最小熵原理（三）：“飞象过河”之句模版和语言结构*, 2018,
    https://kexue.fm/archives/5577 (sentence templates).

    Examples
    --------
    >>> from fastcore.templates import TemplateFinder
    >>> fruits, frames = ["雪梨", "苹果", "香蕉", "西瓜"], ["的 颜色 是 什么", "好吃 吗"]
    >>> sentences = [[fruit, *frame.split()] for fruit in fruits for frame in frames]
    >>> finder = TemplateFinder(min_pmi=1.0, min_count=3).fit(sentences)
    >>> for template, count in finder.templates_.items():
    ...     print(template, count)
    [X]的颜色是什么 4
    [X]好吃吗 4
    """

    def __init__(
        self,
        tokenize: Tokenize | None = None,
        window: int = 5,
        min_proba: float = 1e-5,
        min_pmi: float = 2.0,
        min_count: int | None = None,
        count: str = "sentence",
        *,
        trivial: bool = False,
        closed: bool | None = None,
        min_confidence: float | None = None,
        max_words: int | None = None,
        max_templates: int = 1_000_000,
        max_steps: int | None = None,
    ) -> None:
        self.tokenize = tokenize
        self.window = window
        self.min_proba = min_proba
        self.min_pmi = min_pmi
        self.min_count = min_count
        self.count = count
        self.trivial = trivial
        self.closed = closed
        self.min_confidence = min_confidence
        self.max_words = max_words
        self.max_templates = max_templates
        self.max_steps = max_steps
        self._backend = active_backend()

    @in_turn
    def fit(
        self,
        texts: Texts,
        *,
        encoding: str = "utf-8",
        errors: str = "strict",
        pattern: str | None = None,
        workers: Workers = 1,
        progress: Progress = False,
    ) -> TemplateFinder:
        """Find the templates of some sentences.

        Parameters
        ----------
        texts : iterable, path, bytes, open file or pyarrow array
            Sentences as str or bytes, or lists of their words; a one-shot iterator will do: the texts are read once,
            and kept as 4 bytes a word, in a temporary file beyond four million words. A path is a file, each of its
            lines a sentence, uncompressed by its suffix (gz, xz, bz2, zst), or a folder of such files.
        encoding : str, default "utf-8"
            What bytes and files are encoded in.
        errors : {"strict", "replace", "ignore"}, default "strict"
            Bytes that can't be decoded raise, become U+FFFD, or are left out.
        pattern : str, optional
            Of a folder only the files whose names match, as ``"*.txt"``.
        workers : int, executor or map-like callable, default 1
            Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Pairs are counted so.
        progress : bool or callable, default False
            True shows a bar (needs tqdm); a function is called with (done, total or None). Sentences read are counted.

        Returns
        -------
        TemplateFinder
            Itself.

        Raises
        ------
        TypeError
            If a sentence is neither a str nor a list of str, or a str where there is no `tokenize`.
        ValueError
            If there is no word at all, or an empty one.

        Warns
        -----
        RuntimeWarning
            If not all templates could be found, see `complete_up_to_`.
        """
        if self.tokenize is not None and not callable(self.tokenize):
            raise TypeError(f"tokenize must be callable, got {type(self.tokenize).__name__}")
        window = as_index(self.window, "window", low=1)
        min_proba = as_number(self.min_proba, "min_proba", low=0.0, high=1.0)
        min_pmi = as_number(self.min_pmi, "min_pmi")
        by_path = as_choice(self.count, "count", ("sentence", "path")) == "path"
        least = (1 if by_path else _TWICE) if self.min_count is None else as_index(self.min_count, "min_count", low=1)
        trivial = as_flag(self.trivial, "trivial")
        closed = not by_path if self.closed is None else as_flag(self.closed, "closed")
        confidence = 0.9 if closed else math.inf
        if self.min_confidence is not None:
            confidence = as_number(self.min_confidence, "min_confidence", low=0.0)
        longest = 0 if self.max_words is None else as_index(self.max_words, "max_words", low=1)
        most = as_index(self.max_templates, "max_templates", low=1)
        steps = None if self.max_steps is None else as_index(self.max_steps, "max_steps", low=1)
        manner = Manner(encoding=encoding, errors=errors, pattern=pattern)
        with progress_bar(progress, None, " sentences") as step:
            tokens, offsets, vocabulary = self._numbered(texts, manner, step)
        if not len(tokens):
            raise ValueError("texts must hold at least one word")
        if "" in vocabulary:
            i = np.searchsorted(offsets, np.argmax(tokens == vocabulary.index("")), side="right")
            words = [vocabulary[token] for token in tokens[offsets[i - 1] : offsets[i]].tolist()]
            raise ValueError(f"texts must not hold an empty word, got one in {words!r:.80}")
        steps = _STEPS + _STEPS_A_WORD * len(tokens) if steps is None else steps
        rarest = least if closed else 1
        arguments = (
            tokens,
            offsets,
            *_strong(tokens, offsets, len(vocabulary), window, min_proba, min_pmi, confidence, rarest, workers),
            window,
            by_path,
            least,
            min_proba,
        )
        if closed:
            kernel = kernels("templates.closed", self._backend)
            symbols, offsets, counts, total, bound = kernel.find_closed(*arguments, longest, steps)
        else:
            kernel = kernels("templates.finder", self._backend)
            symbols, offsets, counts, total, bound = kernel.find_templates(*arguments, longest, most, steps)
        more = self._keep(symbols, offsets, counts, [*vocabulary, None], trivial, most)
        self.total_ = total
        self.complete_from_: int | None = max(bound, more) if closed and max(bound, more) >= 0 else None
        self.complete_up_to_: int | None = None if closed or bound < 0 else bound
        if closed and max(bound, more) >= 0:
            left_out = f"of those counted less than {self.complete_from_} times, some were left out"
        elif bound >= 0:
            left_out = f"only those of up to {bound} words were found"
        else:
            return self
        warnings.warn(
            f"not all templates are here: {left_out}, since all would be more than max_templates={most:,} or take more "
            f"than max_steps={steps:,} steps; raise min_count, min_pmi, or these",
            RuntimeWarning,
            stacklevel=3,  # whoever waited for a turn
        )
        return self

    def _keep(self, symbols: Any, offsets: Any, counts: Any, names: list[str | None], trivial: bool, most: int) -> int:
        """Put what was found in order, isolated words apart; the count from which on all of it is kept, or -1."""
        n_words = np.diff(np.concatenate([[0], np.cumsum(symbols >= 0)])[offsets])
        listed, bounds, counted = [names[symbol] for symbol in symbols.tolist()], offsets.tolist(), counts.tolist()
        trivials = ((n_words == 1) & (np.diff(offsets) == 3)).tolist()
        found: dict[Template, int] = {}
        words: dict[str, int] = {}
        # Two that sentences come to on different ways may be filled alike: the first one has the larger count.
        for i in _in_order(symbols, offsets, counts, n_words, names):
            spelled = tuple(listed[bounds[i] : bounds[i + 1]])
            if trivials[i]:
                words.setdefault(str(spelled[1]), counted[i])
            if trivial or not trivials[i]:
                found.setdefault(Template._of(spelled), counted[i])
        self.words_ = words
        self.templates_ = found if len(found) <= most else dict(islice(found.items(), most))
        return max(islice(found.values(), most, None), default=-2) + 1

    def to_trie(self, *, min_words: int = 2) -> TemplateTrie:
        """Return what was found, for a `Parser`.

        Parameters
        ----------
        min_words : int, default 2
            Templates of fewer words are left out: there is one for nearly every word, and a parser would peel words
            off the ends of a sentence with them, since a template costs less than a word that none reads.

        Raises
        ------
        ValueError
            If nothing was found, or nothing of so many words.
        NotFittedError
            If `fit` wasn't called; it is a ValueError, and scikit-learn's where that is loaded.
        """
        if not hasattr(self, "templates_"):
            raise not_fitted("this TemplateFinder isn't fitted yet: call fit first")
        low = as_index(min_words, "min_words", low=1)
        kept = {template: count for template, count in self.templates_.items() if template.n_words >= low}
        if not self.templates_:
            raise ValueError("no template was found, so there is none to parse with")
        if not kept:
            raise ValueError(f"no template of min_words={low} words or more was found, only shorter ones")
        return TemplateTrie(kept)

    def predict(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> list[Template | None]:
        """Return for each sentence the template that reads all of it.

        Parameters
        ----------
        texts, encoding, errors, pattern
            As for `fit`.

        Returns
        -------
        list of Template or None
            Of several templates the one with the most words, then the most frequent; None where none does. Where it
            spells a frequent value of a slot that has many, the template with that slot instead (see Notes).

        Raises
        ------
        NotFittedError
            If `fit` wasn't called.

        Notes
        -----
        ``user root logged in`` and ``user [X] logged in`` explain a line of root's equally well. They are one if what
        else is found for the slot makes up less than nine tenths of the sentences with it (the rest is rare: it is a
        parameter), or ten values of it are found. Otherwise each value is a template: of ``session [X] for user [X]``
        those with ``opened`` and ``closed``.
        """
        found = self._readings(texts, Manner(encoding=encoding, errors=errors, pattern=pattern))
        return [reading and reading[0] for reading in found]

    def fillers(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> dict[Template, list[Counter[tuple[str, ...]]]]:
        """Return what stands in the slots of the templates, with counts.

        Parameters
        ----------
        texts, encoding, errors, pattern
            As for `fit`.

        Returns
        -------
        dict of Template to list of Counter
            For each template that `predict` gives for a sentence, and each of its slots, what `Template.match` finds in
            it, with the number of sentences.

        Raises
        ------
        NotFittedError
            If `fit` wasn't called.

        Examples
        --------
        >>> from fastcore.templates import TemplateFinder
        >>> lines = [f"user {user} logged in".split() for user in ("ann", "bob", "ann", "eve")]
        >>> for template, slots in TemplateFinder(min_count=3).fit(lines).fillers(lines).items():
        ...     print(template.words, slots[0].most_common(1))
        ('user', None, 'logged', 'in') [(('ann',), 2)]
        """
        counted: dict[Template, list[Counter[tuple[str, ...]]]] = {}
        for reading in self._readings(texts, Manner(encoding=encoding, errors=errors, pattern=pattern)):
            if reading is not None:
                template, slots = reading
                for counter, words in zip(counted.setdefault(template, [Counter() for _ in slots]), slots, strict=True):
                    counter[words] += 1
        return counted

    def _readings(self, texts: Texts, manner: Manner) -> Iterator[Reading | None]:
        if not hasattr(self, "templates_"):
            raise not_fitted("this TemplateFinder isn't fitted yet: call fit first")
        templates, under, frames = self._reader()
        number = 0
        for sentences, called in sentence_lists(texts, manner, self.tokenize):
            for i, words in enumerate(sentences, number):
                if {*map(type, words)} - {str}:
                    as_words(words, called.format(i))
                possible = sorted(k for word in {*words} for k in under.get(word, ()))
                found = next((templates[k] for k in possible if templates[k]._match(words) is not None), None)
                # A frame reads whatever its values do.
                frame = frames.get(found, found) if found is not None else None
                slots = frame._match(words) if frame is not None else None
                yield (frame, slots) if frame is not None and slots is not None else None
            number += len(sentences)

    def _reader(self) -> _Reader:
        """What reads sentences, made once for what was found."""
        kept = self.__dict__.get("_kept_reader")
        if kept is None or kept[0] is not self.templates_:
            kept = self._kept_reader = self.templates_, _Reader.of(self.templates_)
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_kept_reader"}

    def _numbered(
        self, texts: Texts, manner: Manner, step: Callable[[int], object]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], list[str]]:
        """All words as numbers, where each sentence begins, and the words."""
        number = 0
        with Numbers(kernels("skipgrams", self._backend).TokenStream()) as numbers:
            for sentences, called in sentence_lists(texts, manner, self.tokenize):
                try:
                    numbers.add(sentences, number)
                except TypeError:
                    for i, words in enumerate(sentences, number):
                        as_words(words, called.format(i))
                    raise
                number += len(sentences)
                step(len(sentences))
            return numbers.finish()


class _Reader(NamedTuple):
    """Templates, those with the most words first; which have each word as the rarest of theirs; their frames."""

    templates: list[Template]
    under: dict[str, list[int]]
    frames: dict[Template, Template]

    @classmethod
    def of(cls, counts: Mapping[Template, int]) -> _Reader:
        templates = sorted(counts, key=lambda template: (-template.n_words, -counts[template]))
        held = Counter(word for template in templates for word in {*template.words} - {None})
        under: dict[str, list[int]] = {}
        for i, template in enumerate(templates):
            rarest = min({*template.words} - {None}, key=lambda word: (held[word], word))
            under.setdefault(str(rarest), []).append(i)
        return cls(templates, under, frames_of(counts))


def _in_order(symbols: Any, offsets: Any, counts: Any, n_words: Any, names: list[str | None]) -> list[int]:
    """Where templates stand: with a slot first, then by what they explain, by counts, and by their words."""
    # As bytes they compare as their symbols do: words as their names, and slots behind them all.
    ranks = np.full(len(names), len(names), ">u4")
    used = sorted(np.unique(symbols[symbols >= 0]).tolist(), key=names.__getitem__)
    ranks[used] = np.arange(len(used))
    letters, bounds = ranks[symbols].tobytes(), (4 * offsets).tolist()
    spelled = [letters[a:b] for a, b in pairwise(bounds)]
    by_words = np.array(sorted(range(len(spelled)), key=spelled.__getitem__), np.int64)
    explained = (counts - 1.0) * n_words
    keys = -counts[by_words], -explained[by_words], (n_words == np.diff(offsets))[by_words]
    order: list[int] = by_words[np.lexsort(keys)].tolist()
    return order


def _strong(
    tokens: NDArray[np.int32],
    offsets: NDArray[np.int64],
    n_words: int,
    window: int,
    min_proba: float,
    min_pmi: float,
    min_confidence: float,
    min_count: int,
    workers: Workers,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the strong pairs, row by row."""
    # Most pairs are too rare: they aren't even listed. A little below what the logarithms below ask for.
    rarest = max(min_count, int((1 - 1e-6) * min_proba * n_pairs(np.diff(offsets), window)))
    pairs = count_ids(tokens, offsets, range(n_words), window, rarest, workers)
    if not pairs.total:
        return np.zeros(n_words + 1, np.int64), np.zeros(0, np.int64)
    matrix, counts = pairs.matrix, pairs.token_counts
    first, second = matrix.nonzero()
    word = np.log(counts) - math.log(len(tokens))
    pair = np.log(matrix.data) - math.log(pairs.total)
    floor = math.log(min_proba) if min_proba else -math.inf
    # Whether a word has the other with it nearly always, and more often than chance: 1 - (1 - p)^window, in so many
    # independent places.
    always = [matrix.data >= min_confidence * counts[one] for one in (first, second)]
    chance = -np.expm1(window * np.log1p(-np.minimum(counts / len(tokens), 1 - 1e-9)))
    beyond = [matrix.data * np.log(chance[other]) < math.log(_BY_CHANCE) for other in (second, first)]
    sure = (always[0] & always[1]) | (always[0] & beyond[0]) | (always[1] & beyond[1])
    # Above, and not by rounding alone: a corpus said twice has the same pairs.
    strong = (pair - word[first] - word[second] > min_pmi + _ROUNDING) | sure
    kept = (pair > floor + _ROUNDING) & (matrix.data >= min_count) & strong
    starts = np.concatenate([[0], np.cumsum(np.bincount(first[kept], minlength=n_words))])
    return starts.astype(np.int64), second[kept].astype(np.int64)
