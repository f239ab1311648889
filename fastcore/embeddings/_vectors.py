"""Vectors of words: looked up, compared, kept in files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._immutable import Immutable
from .._validation import as_flag, as_index, as_integers, as_list, as_real
from .._whole import AnyPath
from ._files import VECTORS, described, read_binary, read_text, restored, write_word2vec

Words: TypeAlias = "str | ArrayLike | Iterable[str | NDArray[Any]]"


class WordVectors(Immutable):
    """Words and their vectors.

    Parameters
    ----------
    vocabulary : sequence of str
        Distinct words.
    vectors : array_like, shape (V, dim)
        A finite row a word; kept as float32.
    counts : array_like of int, shape (V,), optional
        How often each word occurred.

    Attributes
    ----------
    vocabulary : tuple of str
        The words, in the order of the rows.
    vectors : ndarray of float32, shape (V, dim)
        Read-only.
    counts : ndarray of int64, shape (V,), or None

    Raises
    ------
    TypeError
        If a word isn't a str, or vectors or counts aren't numbers.
    ValueError
        If words repeat, vectors aren't a finite row a word, or counts don't fit.

    Notes
    -----
    Doesn't change once it is made, so any number of threads may use it. A look-up is O(dim); `most_similar` is
    O(V dim), and its first call normalises all rows.

    Examples
    --------
    >>> from fastcore.embeddings import WordVectors
    >>> words = WordVectors(["one", "two", "ten"], [[1, 0], [2, 1], [0, 5]])
    >>> words["two"]
    array([2., 1.], dtype=float32)
    >>> round(words.similarity("one", "two"), 3)
    0.894
    >>> [word for word, _ in words.most_similar("one")]
    ['two', 'ten']
    """

    vocabulary: tuple[str, ...]
    vectors: NDArray[np.float32]
    counts: NDArray[np.int64] | None
    _places: dict[str, int]

    def __init__(self, vocabulary: Sequence[str], vectors: ArrayLike, counts: ArrayLike | None = None) -> None:
        words = as_list(vocabulary, "vocabulary", "a sequence of str")
        for word in words:
            if not isinstance(word, str):
                raise TypeError(f"vocabulary must hold str, got {type(word).__name__}")
        places = {word: i for i, word in enumerate(words)}
        if len(places) < len(words):
            twice = next(word for i, word in enumerate(words) if places[word] != i)
            raise ValueError(f"vocabulary must hold each word once, got {twice!r} twice")
        with np.errstate(over="ignore"):  # said below
            rows = as_real(vectors, "vectors", ndim=2, dtype=np.float32, inf=False)
        if len(rows) != len(words):
            raise ValueError(f"vectors must have a row for each of the {len(words)} words, got {len(rows)}")
        rows = rows.copy()
        rows.setflags(write=False)
        numbers = None
        if counts is not None:
            numbers = as_integers(counts, "counts", ndim=1, low=0)
            if len(numbers) != len(words):
                raise ValueError(f"counts must have a number for each of the {len(words)} words, got {len(numbers)}")
            numbers = numbers.copy()
            numbers.setflags(write=False)
        vars(self).update(vocabulary=tuple(words), _places=places, vectors=rows, counts=numbers)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("WordVectors can't be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("WordVectors can't be changed")

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return word in self._places

    def __getitem__(self, word: str | list[str]) -> NDArray[np.float32]:
        """Return the vector of a word, shape (D,), or those of a list of words, shape (n, D).

        Raises
        ------
        KeyError
            If there is no such word.
        """
        place = [self._place(each) for each in word] if isinstance(word, list) else self._place(word)
        row: NDArray[np.float32] = self.vectors[place]
        return row

    def _place(self, word: Any) -> int:
        try:
            return self._places[word]
        except (KeyError, TypeError):
            raise KeyError(f"{word!r} isn't among the {len(self):,} words") from None

    @cached_property
    def _units(self) -> NDArray[np.float32]:
        """Rows of length one, or zero where they were."""
        lengths = np.linalg.norm(self.vectors.astype(np.float64), axis=1)
        return (self.vectors / np.where(lengths > 0, lengths, 1.0)[:, None]).astype(np.float32)

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of the angle between two words' vectors; 0 if one of them is zero.

        Raises
        ------
        KeyError
            If there is no such word.
        """
        first, second = (self._units[self._place(word)].astype(np.float64) for word in (a, b))
        return float(np.clip(first @ second, -1.0, 1.0))

    def most_similar(self, positive: Words, negative: Words = (), topn: int = 10) -> list[tuple[str, float]]:
        """Return the words whose vectors have the smallest angle with a sum of others.

        Parameters
        ----------
        positive : str, vector, or iterable of these
            What is added up, each with length one.
        negative : str, vector, or iterable of these
            What is subtracted: ``most_similar(["king", "woman"], "man")``.
        topn : int, default 10
            How many words are wanted.

        Returns
        -------
        list of (str, float)
            Words and cosines, the largest first, of equal ones the first in the vocabulary; none of those given.

        Raises
        ------
        KeyError
            If there is no such word.
        TypeError, ValueError
            If something is neither a word nor a vector of this dimension, or nothing is given.
        """
        topn = as_index(topn, "topn")
        query, given = np.zeros(self.vectors.shape[1]), set[int]()
        items = [(1.0, item, "positive") for item in self._listed(positive)]
        items += [(-1.0, item, "negative") for item in self._listed(negative)]
        if not items:
            raise ValueError("positive must hold a word or a vector, got none")
        for sign, item, name in items:
            if isinstance(item, str):
                place = self._place(item)
                given.add(place)
                unit = self._units[place].astype(np.float64)
            else:
                unit = as_real(item, name, shape=(len(query),), dtype=np.float64, inf=False)
                unit = unit / (np.abs(unit).max(initial=0.0) or 1.0)  # so that no square overflows
                unit = unit / (np.linalg.norm(unit) or 1.0)
            query += sign * unit
        query /= np.linalg.norm(query) or 1.0
        scores = np.clip(self._units @ query.astype(np.float32), -1.0, 1.0)
        # Those among which the best are, ties included.
        wanted = min(topn + len(given), len(scores))
        least = np.partition(scores, -wanted)[-wanted] if wanted else np.inf
        best = np.flatnonzero(scores >= least)
        order = best[np.argsort(-scores[best], kind="stable")].tolist()
        chosen = [i for i in order if i not in given][:topn]
        return [(self.vocabulary[i], float(scores[i])) for i in chosen]

    @staticmethod
    def _listed(items: Any) -> list[Any]:
        if isinstance(items, str) or (isinstance(items, np.ndarray) and items.ndim == 1 and items.dtype.kind in "fiu"):
            return [items]
        return as_list(items, "positive and negative", "words or vectors")

    def save(self, path: AnyPath) -> None:
        """Write words, vectors and counts into one npz file, without pickle.

        Raises
        ------
        OSError
            If the file can't be written.
        """
        VECTORS.write(path, *described("WordVectors", {}, self.vocabulary, self.counts, {"vectors": self.vectors}))

    @classmethod
    def load(cls, path: AnyPath) -> WordVectors:
        """Read what `save` wrote, or the words' vectors of a saved model.

        Raises
        ------
        OSError
            If the file can't be read.
        ValueError
            If it is no such file, or isn't whole.
        """
        _, words, counts, arrays = restored(Path(path))
        return cls(words, arrays["vectors"], counts)

    def save_word2vec(self, path: AnyPath, *, binary: bool = False) -> None:
        """Write the file of the word2vec program, which gensim's `KeyedVectors` and many others read.

        Parameters
        ----------
        path : str or os.PathLike
            Compressed by suffix (gz, xz, bz2, zst).
        binary : bool, default False
            Four bytes a number, instead of as many digits as tell float32 apart.

        Raises
        ------
        ValueError
            If a word is empty or holds white space, NUL or a lone surrogate: such a file couldn't be read again.
        OSError
            If the file can't be written.
        """
        write_word2vec(path, self.vocabulary, self.vectors, as_flag(binary, "binary"))

    @classmethod
    def load_word2vec(cls, path: AnyPath, *, binary: bool = False, errors: str = "strict") -> WordVectors:
        """Read a file of the word2vec program, as gensim's `KeyedVectors.save_word2vec_format` writes them.

        Parameters
        ----------
        path : str or os.PathLike
            Uncompressed by suffix (gz, xz, bz2, zst).
        binary : bool, default False
            Whether numbers are four bytes each, or digits.
        errors : {"strict", "replace", "ignore"}, default "strict"
            Bytes that can't be decoded raise, become U+FFFD, or are left out. Unless "strict", of words that are alike
            then the first holds.

        Raises
        ------
        ValueError
            If the file isn't whole or of that kind, a number isn't finite, a word occurs twice, or a byte can't be
            decoded.
        OSError
            If it can't be read.
        """
        read = read_binary if as_flag(binary, "binary") else read_text
        return cls(*read(path, errors))

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("vocabulary", "vectors", "counts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"<WordVectors: {len(self):,} words, {self.vectors.shape[1]} dimensions>"
