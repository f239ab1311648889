"""The best nested reading of a sentence by templates."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from .._texts import Manner, Texts
from .._validation import as_number
from ._sentences import sentence_lists
from ._template import Template, Tokenize, as_words
from ._tree import SentenceTree
from ._trie import UNIT, TemplateTrie

# Bytes that the table of a sentence takes without a word.
_LARGE = 300e6


class Parser:
    """Read sentences as trees of nested templates.

    Parameters
    ----------
    templates : TemplateTrie, mapping of Template to int, or iterable of Template
        What may occur, with counts.
    tokenize : callable, optional
        Cuts a str into words, for example ``Tokenizer(...).tokenize``. Without it, `parse` takes lists of words.
    null_score : float, default -20
        What each word after the first costs in a stretch that no template reads; not above 0.

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind.

    Notes
    -----
    The score of a reading is the sum of its templates' log-probabilities plus `null_score` times (words - 1) for each
    stretch of plain words; the best of all readings is found exactly, over all spans: O(n**3 a) for n words and a
    partly matched templates at a time, O(n**2) memory. Scores are whole multiples of 2**-20, so equal readings tie:
    then a template wins over plain words, one with more words over one with fewer, one with fewer slots over one with
    more, the one given first over a later one; and its slots, from the last to the first, begin as early as the score
    allows.

    nlp-zero's ``Parser`` takes a template wherever one matches, even where plain words would score better, rounds
    scores to 4 places, and needs time exponential in the words.

    Examples
    --------
    >>> from fastcore.templates import Parser, Template
    >>> parser = Parser([Template.parse("[X] 和 [X]"), Template.parse("[X] 的 颜色 是 什么"), Template.parse("[X] 呢")])
    >>> print(parser.parse("雪梨 和 苹果 和 香蕉 的 颜色 是 什么 呢".split()))
    (雪梨和苹果和香蕉的颜色是什么) 呢
    └─ (雪梨和苹果和香蕉) 的 颜色 是 什么
       └─ (雪梨) 和 (苹果和香蕉)
          ├─ 雪梨
          └─ (苹果) 和 (香蕉)
             ├─ 苹果
             └─ 香蕉
    """

    def __init__(
        self,
        templates: TemplateTrie | Mapping[Template, int] | Iterable[Template],
        tokenize: Tokenize | None = None,
        *,
        null_score: float = -20.0,
    ) -> None:
        self.templates = templates if isinstance(templates, TemplateTrie) else TemplateTrie(templates)
        if tokenize is not None and not callable(tokenize):
            raise TypeError(f"tokenize must be callable, got {type(tokenize).__name__}")
        self.tokenize = tokenize
        self.null_score = null_score

    @property
    def null_score(self) -> float:
        """What each word that stays as it is costs."""
        return self._null_score

    @null_score.setter
    def null_score(self, value: float) -> None:
        self._null_score = as_number(value, "null_score", low=-1e6, high=0.0)

    def __repr__(self) -> str:
        return f"<Parser with {len(self.templates)} templates, null_score {self.null_score:g}>"

    def parse(self, text: str | Sequence[str]) -> SentenceTree:
        """Return the best reading of a sentence.

        Parameters
        ----------
        text : str or list of str
            A sentence, or its words.

        Raises
        ------
        TypeError
            If it is neither, or a str where there is no `tokenize`.
        ValueError
            If a word is empty.

        Warns
        -----
        RuntimeWarning
            If it is so long, above 5,000 words, that more than 300 MB are needed.
        """
        if isinstance(text, str):
            if self.tokenize is None:
                raise TypeError("text must be a list of words, since this Parser was made without tokenize; got str")
            text = self.tokenize(text)
        words = as_words(text)
        if "" in words:
            raise ValueError("words must not be empty")
        warn_of_memory(len(words), 12)
        trie = self.templates
        nodes = trie._trie.parse(trie._encode(words), round(self.null_score / UNIT)).tolist()
        return SentenceTree(words, nodes, {t: trie._list[t] for _, _, t, _, _ in nodes if t >= 0})

    def equivalence_classes(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> dict[tuple[Template, int], Counter[tuple[str, ...]]]:
        """Return what takes the same place: for each slot of the templates that read some sentences, what was in it.

        Parameters
        ----------
        texts : iterable, path, bytes, open file or pyarrow array
            Sentences as str or bytes, or lists of their words. A path is a file, each of its lines a sentence,
            uncompressed by its suffix (gz, xz, bz2, zst), or a folder of such files.
        encoding : str, default "utf-8"
            What bytes and files are encoded in.
        errors : {"strict", "replace", "ignore"}, default "strict"
            Bytes that can't be decoded raise, become U+FFFD, or are left out.
        pattern : str, optional
            Of a folder only the files whose names match, as ``"*.txt"``.

        Returns
        -------
        dict of (Template, int) to Counter
            For each template in some tree, and the number of a slot, the words that were in it, with counts; those
            first that were used most.

        Raises
        ------
        TypeError
            If a sentence is neither a str nor a list of str, or a str where there is no `tokenize`.

        Notes
        -----
        What replaces one another in a frame is alike, which is how ADIOS (Solan et al., "Unsupervised learning of
        natural languages", PNAS 2005) calls classes of words equivalent.

        Examples
        --------
        >>> from fastcore.templates import Parser, Template
        >>> parser = Parser([Template.parse("[X] 的 颜色")])
        >>> classes = parser.equivalence_classes([["雪梨", "的", "颜色"], ["苹果", "的", "颜色"]])
        >>> [(str(template), slot, sorted(words)) for (template, slot), words in classes.items()]
        [('[X]的颜色', 0, [('苹果',), ('雪梨',)])]
        """
        classes: dict[tuple[Template, int], Counter[tuple[str, ...]]] = {}
        number = 0
        for sentences, called in sentence_lists(
            texts, Manner(encoding=encoding, errors=errors, pattern=pattern), self.tokenize
        ):
            for i, words in enumerate(sentences, number):
                for tree in self.parse(as_words(words, called.format(i))).walk():
                    for slot, child in enumerate(tree.children):
                        if tree.template is not None:
                            classes.setdefault((tree.template, slot), Counter())[child.words] += 1
            number += len(sentences)
        return dict(sorted(classes.items(), key=lambda one: -one[1].total()))


def warn_of_memory(n_words: int, pair: int) -> None:
    """Say so if a table of all stretches of a sentence, with so many bytes for each, is large."""
    size = pair * (n_words + 1) ** 2
    if size > _LARGE:
        warnings.warn(
            f"a sentence of {n_words:,} words takes {size / 1e6:,.0f} MB, and time that grows as their cube",
            RuntimeWarning,
            stacklevel=3,
        )
