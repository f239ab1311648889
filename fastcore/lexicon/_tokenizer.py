"""Segmentation: the most probable path through the lattice of a lexicon's words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels, use_backend
from .._immutable import Immutable, stream_with
from .._progress import Progress, progress_bar
from .._random import RNG, stream_key
from .._texts import Manner, Texts, how_many, string_lists
from .._validation import as_flag, as_index, as_number
from .._workers import Workers
from ._files import jieba_dictionary
from ._lexicon import Lexicon

PUNCTUATION = "。，、！？\n "
CHUNK = 1024  # texts a task
COLDEST = 1e-200  # the best path already, and scores divided by it stay finite
LARGEST_SCORE = 1e100
MOST_PATHS = 2**31 - 1


class Tokenizer(Immutable):
    """Cut text into words: the path of largest probability through the lattice of a lexicon's words.

    Parameters
    ----------
    lexicon : Lexicon, optional
        Words with counts. Default: jieba's dictionary (the extra ``zh``).
    join_alnum : bool, default True
        Join neighbouring tokens of ASCII letters and digits.
    punctuation : str, optional
        Characters that are tokens of their own and that no word crosses.
    join_fullwidth : bool, default False
        Join full-width letters and digits like ASCII ones, and in numbers of either width also a mark between
        digits (``.:/·``, as in 3.14 and 12:30) and a per cent sign after one. Needs `join_alnum`.
    null_score : float, default -100
        Log-probability of a character that no word covers.

    Raises
    ------
    ImportError
        If no lexicon is given and jieba isn't installed.
    TypeError
        If an argument has a wrong type.

    Notes
    -----
    The text is cut at punctuation. Between, it is a lattice: each occurrence of a word is an edge of its
    log-probability, and a character at whose end no word ends is an edge of `null_score`. The best path is
    found in one pass over positions, O(text * longest match) time and O(text) memory. Ties go as in nlp-zero:
    a path whose last word starts later must be strictly better (sums start at 1, so that rounding falls
    alike). Then letters and digits are joined, left to right: a token that ends in one opens a run, and the
    next ones join it while they end so too and hold only letters, digits and dots. So with nlp-zero's
    dictionary the segmentation is nlp-zero's.

    The tokens of a text, joined, are the text. A tokenizer never changes, so copies of it, and of its bound methods,
    share it.

    Examples
    --------
    >>> from fastcore.lexicon import Lexicon, Tokenizer
    >>> tokenizer = Tokenizer(Lexicon({"研究": 9, "研究生": 5, "生命": 8, "命": 2, "起源": 6}))
    >>> tokenizer.tokenize("研究生命起源, 见v2.0")
    ['研究', '生命', '起源', ',', ' ', '见', 'v2', '.', '0']
    """

    def __init__(
        self,
        lexicon: Lexicon | None = None,
        *,
        join_alnum: bool = True,
        punctuation: str = PUNCTUATION,
        join_fullwidth: bool = False,
        null_score: float = -100.0,
    ) -> None:
        if lexicon is None:
            lexicon = _default_lexicon(active_backend())
        if not isinstance(lexicon, Lexicon):
            raise TypeError(f"lexicon must be a Lexicon, got {type(lexicon).__name__}")
        if not isinstance(punctuation, str):
            raise TypeError(f"punctuation must be a str, got {type(punctuation).__name__}")
        join_alnum, join_fullwidth = as_flag(join_alnum, "join_alnum"), as_flag(join_fullwidth, "join_fullwidth")
        if join_fullwidth and not join_alnum:
            raise ValueError("join_fullwidth=True needs join_alnum=True")
        self.lexicon = lexicon
        self._options: dict[str, Any] = {
            "join_alnum": join_alnum,
            "punctuation": punctuation,
            "join_fullwidth": join_fullwidth,
            "null_score": as_number(null_score, "null_score", low=-LARGEST_SCORE, high=LARGEST_SCORE),
        }
        self._segmenter = kernels("lexicon.segmenter", lexicon._backend).Segmenter(
            lexicon._trie,
            np.array(sorted(set(map(ord, punctuation))), np.uint32),
            2 if join_fullwidth else int(join_alnum),
            self._options["null_score"],
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.lexicon, self._options)

    def __repr__(self) -> str:
        return f"<Tokenizer: {len(self.lexicon)} words>"

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text.

        Parameters
        ----------
        text : str
            Any text; a lone surrogate is a character like others.

        Returns
        -------
        list of str
            The tokens; joined, they are the text.
        """
        words: list[str] = self._segmenter.words([_checked(text)])[0]
        return words

    def tokenize_many(
        self,
        texts: Texts,
        *,
        encoding: str = "utf-8",
        errors: str = "strict",
        pattern: str | None = None,
        workers: Workers = 1,
        progress: Progress = False,
    ) -> list[list[str]]:
        """Return the words of each text, in order.

        Parameters
        ----------
        texts : iterable, path, bytes, open file or pyarrow array
            Each str (or bytes) is a text; a path is a file whose lines are texts, uncompressed by its suffix (gz, xz,
            bz2, zst), or a folder of such files. A bare str is refused.
        encoding : str, default "utf-8"
            What bytes and files are encoded in.
        errors : {"strict", "replace", "ignore"}, default "strict"
            Bytes that can't be decoded raise, become U+FFFD, or are left out.
        pattern : str, optional
            Of a folder only the files whose names match, as ``"*.txt"``.
        workers : int, executor or map-like callable, default 1
            Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it. Threads share the lexicon,
            other processes get it once.
        progress : bool or callable, default False
            True shows a bar (needs tqdm); a function is called with (done, total or None). Counted are texts.
        """
        manner = Manner(encoding=encoding, errors=errors, pattern=pattern)
        found: list[list[str]] = []
        with progress_bar(progress, how_many(texts), "text") as step:
            for part in stream_with(_words, self, _chunks(texts, manner), workers):
                found += part
                step(len(part))
        return found

    def spans(self, text: str) -> NDArray[np.int64]:
        """Return the (start, end) of each token as rows of an array."""
        ends = self._segmenter.ends(_checked(text))
        spans = np.zeros((len(ends), 2), np.int64)
        spans[:, 1] = ends
        spans[1:, 0] = ends[:-1]
        return spans

    def encode(self, text: str) -> NDArray[np.int32]:
        """Return the ids in the lexicon of the tokens, -1 for a token that isn't one of its words."""
        ids: NDArray[np.int32] = self._segmenter.encode([_checked(text)])[0]
        return ids

    def encode_many(
        self,
        texts: Texts,
        *,
        encoding: str = "utf-8",
        errors: str = "strict",
        pattern: str | None = None,
        workers: Workers = 1,
        progress: Progress = False,
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the ids of all texts, concatenated, and the offsets of each text's first, with the end.

        Parameters are those of `tokenize_many`.
        """
        manner = Manner(encoding=encoding, errors=errors, pattern=pattern)
        parts = []
        with progress_bar(progress, how_many(texts), "text") as step:
            for part in stream_with(_ids, self, _chunks(texts, manner), workers):
                parts.append(part)
                step(len(part[1]) - 1)
        if len(parts) == 1:
            return parts[0]
        ids = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, np.int32)
        lengths = [np.diff(part[1]) for part in parts]
        offsets = np.concatenate([np.zeros(1, np.int64), *lengths])
        return ids, np.cumsum(offsets)

    def nbest(self, text: str, k: int) -> list[tuple[list[str], float]]:
        """Return the k best segmentations, each with its score, best first.

        Parameters
        ----------
        text : str
            Any text.
        k : int
            How many, at least 1.

        Returns
        -------
        list of (list of str, float)
            Distinct segmentations and the sums of their words' log-probabilities (punctuation counts nothing;
            a run of letters has the score of its best reading); the first is that of `tokenize`. Fewer than k
            if there are no more.

        Notes
        -----
        Exact: each position keeps the k best readings that differ once runs are joined, or as many as there are, in
        O(text * longest match * k) time; memory is 8 bytes a reading and position, and what is returned.
        Of equal sums the one whose last word starts earlier comes first.

        Examples
        --------
        >>> from fastcore.lexicon import Lexicon, Tokenizer
        >>> tokenizer = Tokenizer(Lexicon({"研究": 4, "研究生": 4, "生命": 4, "命": 4}))
        >>> [(words, round(score, 3)) for words, score in tokenizer.nbest("研究生命", 2)]
        [(['研究', '生命'], -2.773), (['研究生', '命'], -2.773)]
        """
        text, k = _checked(text), min(as_index(k, "k", low=1), MOST_PATHS)
        ends, offsets, scores = self._segmenter.nbest(text, k)
        return [
            ([text[i:j] for i, j in itertools.pairwise((0, *ends[a:b].tolist()))], score)
            for (a, b), score in zip(itertools.pairwise(offsets.tolist()), scores.tolist())
        ]

    def sample(self, text: str, rng: RNG = None, temperature: float = 1.0) -> list[str]:
        """Return one segmentation, drawn with probability in proportion to exp(score / temperature).

        Parameters
        ----------
        text : str
            Any text.
        rng : None, int, SeedSequence or Generator
            Source of randomness (SPEC 7): an int repeats, the others move on.
        temperature : float, default 1
            Above 0; small ones give the best path, large ones all paths alike.

        Notes
        -----
        The sums over all paths from each position to the end are taken backward, then words are drawn from left
        to right, each by its share (Scott, *Bayesian methods for hidden Markov models*, 2002), one uniform
        number a word. Both twins draw the same.

        Examples
        --------
        >>> from fastcore.lexicon import Lexicon, Tokenizer
        >>> tokenizer = Tokenizer(Lexicon({"研究": 4, "研究生": 4, "生命": 4, "命": 4}))
        >>> tokenizer.sample("研究生命", rng=0)
        ['研究', '生命']
        """
        return self.sample_many(text, 1, rng, temperature)[0]

    def sample_many(self, text: str, size: int, rng: RNG = None, temperature: float = 1.0) -> list[list[str]]:
        """Return `size` independent draws of `sample`, which cost one backward pass in all."""
        text, size = _checked(text), as_index(size, "size")
        heat = max(as_number(temperature, "temperature", low=0.0, open_low=True), COLDEST)
        ends, offsets = self._segmenter.sample(text, stream_key(rng), size, heat)
        bounds = offsets.tolist()
        return [
            [text[i:j] for i, j in itertools.pairwise([0, *ends[a:b].tolist()])] for a, b in itertools.pairwise(bounds)
        ]


@cache
def _default_lexicon(backend: str) -> Lexicon:
    with use_backend(backend):
        return Lexicon(jieba_dictionary())


def _rebuild(lexicon: Lexicon, options: dict[str, Any]) -> Tokenizer:
    return Tokenizer(lexicon, **options)


def _checked(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, got {type(text).__name__}")
    return str.__str__(text)  # a subclass may lie about its length


def _chunks(texts: Texts, manner: Manner) -> Iterator[list[str]]:
    """Lists of `CHUNK` texts."""
    for part in string_lists(texts, manner):
        for start in range(0, len(part), CHUNK):
            yield part[start : start + CHUNK]


def _words(task: tuple[Tokenizer, list[str]]) -> list[list[str]]:
    words: list[list[str]] = task[0]._segmenter.words(task[1])
    return words


def _ids(task: tuple[Tokenizer, list[str]]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    ids, offsets = task[0]._segmenter.encode(task[1])
    return ids, offsets
