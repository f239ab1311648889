"""Templates found in sentences: words that stand together more often than chance, joined along paths."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from .._backend import active_backend, kernels
from .._estimator import Estimator, not_fitted
from .._texts import Listed, Manner, Texts, batches
from .._turns import in_turn
from .._validation import as_choice, as_flag, as_index, as_number
from ..skipgrams import count_skipgrams
from ._parser import TemplateTrie
from ._template import Template, Tokenize, as_words

# What `min_count=None` asks of a template found in sentences: in one alone every path is a template.
_TWICE = 2


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
        Keep templates of one word between two slots, which say nothing of structure.
    max_templates : int, default 1_000_000
        Where there are more, only the shorter ones are found, and a warning says so.
    max_steps : int, default 5_000_000
        Where the search would take more steps, likewise. A step is a place to which a frequent beginning of a template
        is carried on, or a word of a template that is found.

    Attributes
    ----------
    templates_ : dict of Template to int
        What was found, most frequent first.
    total_ : int
        Number of sentences, or of paths.
    complete_up_to_ : int or None
        None if all templates were found. Where that was too much, the number of words up to which all were, and no
        longer ones: the largest number that keeps within `max_templates` and `max_steps`.

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
    frequent (as in PrefixSpan, Pei et al. 2001). Their number may still double with each word of a stretch that two
    sentences share, hence `max_steps`; where that is reached, the search is repeated for shorter templates, about ten
    times at most. Source: Su Jianlin (苏剑林),
    *最小熵原理（三）：“飞象过河”之句模版和语言结构*, 2018, https://kexue.fm/archives/5577 (sentence templates).

    Examples
    --------
    >>> from fastcore.templates import TemplateFinder
    >>> fruits, frames = ["雪梨", "苹果", "香蕉", "西瓜"], ["的 颜色 是 什么", "好吃 吗"]
    >>> sentences = [[fruit, *frame.split()] for fruit in fruits for frame in frames]
    >>> finder = TemplateFinder(min_pmi=1.0, min_count=3).fit(sentences)
    >>> for template, count in finder.templates_.items():
    ...     print(template, count)
    [X]的颜色是什么 4
    [X]的颜色[X]什么 4
    [X]的[X]是什么 4
    [X]的[X]什么 4
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
        max_templates: int = 1_000_000,
        max_steps: int = 5_000_000,
    ) -> None:
        self.tokenize = tokenize
        self.window = window
        self.min_proba = min_proba
        self.min_pmi = min_pmi
        self.min_count = min_count
        self.count = count
        self.trivial = trivial
        self.max_templates = max_templates
        self.max_steps = max_steps
        self._backend = active_backend()

    @in_turn
    def fit(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> TemplateFinder:
        """Find the templates of some sentences.

        Parameters
        ----------
        texts : iterable, path, bytes, open file or pyarrow array
            Sentences as str or bytes, or lists of their words; a one-shot iterator will do. A path is a file, each of
            its lines a sentence, uncompressed by its suffix (gz, xz, bz2, zst), or a folder of such files.
        encoding : str, default "utf-8"
            What bytes and files are encoded in.
        errors : {"strict", "replace", "ignore"}, default "strict"
            Bytes that can't be decoded raise, become U+FFFD, or are left out.
        pattern : str, optional
            Of a folder only the files whose names match, as ``"*.txt"``.

        Returns
        -------
        TemplateFinder
            Itself.

        Raises
        ------
        TypeError
            If a sentence is neither a str nor a list of str, or a str where there is no `tokenize`.
        ValueError
            If there is no word at all.

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
        most = as_index(self.max_templates, "max_templates", low=1)
        steps = as_index(self.max_steps, "max_steps", low=1)
        vocabulary: dict[str, int] = {}
        ids: list[int] = []
        lengths: list[int] = []
        for words in self._sentences(texts, Manner(encoding=encoding, errors=errors, pattern=pattern)):
            ids.extend([vocabulary.setdefault(word, len(vocabulary)) for word in words])
            lengths.append(len(words))
        if not ids:
            raise ValueError("texts must hold at least one word")
        tokens = np.array(ids, dtype=np.int64)
        first, second = _strong(tokens, lengths, len(vocabulary), window, min_proba, min_pmi)
        symbols, offsets, counts, total, complete = kernels("templates.finder", self._backend).find_templates(
            tokens,
            np.cumsum([0, *lengths], dtype=np.int64),
            first,
            second,
            window,
            by_path,
            least,
            min_proba,
            most,
            steps,
        )
        names: list[str | None] = [*vocabulary, None]
        listed = [names[symbol] for symbol in symbols.tolist()]
        found = [Template(listed[a:b]) for a, b in zip(offsets.tolist(), offsets.tolist()[1:])]
        order = np.argsort(-counts, kind="stable")
        self.templates_ = {found[i]: int(counts[i]) for i in order.tolist() if trivial or not found[i].is_trivial}
        self.total_ = total
        self.complete_up_to_: int | None = None if complete < 0 else complete
        if complete >= 0:
            warnings.warn(
                f"only templates of up to {complete} words were found: longer ones would be more than max_templates="
                f"{most:,} or take more than max_steps={steps:,} steps; raise min_count, min_pmi, or these",
                RuntimeWarning,
                stacklevel=3,  # whoever waited for a turn
            )
        return self

    def to_trie(self) -> TemplateTrie:
        """Return what was found, for a `Parser`.

        Raises
        ------
        ValueError
            If nothing was.
        NotFittedError
            If `fit` wasn't called; it is a ValueError, and scikit-learn's where that is loaded.
        """
        if not hasattr(self, "templates_"):
            raise not_fitted("this TemplateFinder isn't fitted yet: call fit first")
        return TemplateTrie(self.templates_)

    def _sentences(self, texts: Texts, manner: Manner) -> Iterable[Sequence[str]]:
        number = 0
        for batch in batches(texts, manner):
            for part in [batch.texts] if isinstance(batch, Listed) else batch.strings(manner):
                for text in part:
                    if not isinstance(text, str):
                        yield as_words(text, f"texts[{number}]")
                    elif self.tokenize is None:
                        raise TypeError(f"texts[{number}] must be a list of words, since there is no tokenize; got str")
                    else:
                        yield as_words(self.tokenize(text), f"what tokenize gives for texts[{number}]")
                    number += 1


def _strong(
    tokens: np.ndarray, lengths: list[int], n_words: int, window: int, min_proba: float, min_pmi: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the strong pairs, row by row."""
    pairs = count_skipgrams(tokens, window, lengths=lengths, vocabulary=range(n_words))
    if not pairs.total:
        return np.zeros(n_words + 1, np.int64), np.zeros(0, np.int64)
    matrix = pairs.matrix
    first, second = matrix.nonzero()
    word = np.log(pairs.token_counts) - math.log(len(tokens))
    pair = np.log(matrix.data) - math.log(pairs.total)
    floor = math.log(min_proba) if min_proba else -math.inf
    kept = (pair > floor) & (pair - word[first] - word[second] > min_pmi)
    starts = np.concatenate([[0], np.cumsum(np.bincount(first[kept], minlength=n_words))])
    return starts.astype(np.int64), second[kept].astype(np.int64)
