"""A lexicon: words with counts in a trie, as a read-only mapping."""

from __future__ import annotations

import math
import os
from bisect import bisect_left
from collections.abc import ItemsView, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels
from .._immutable import Immutable
from .._validation import as_index
from ._files import MappedFile, mapped_file, read_lexicon, write_binary, write_text

EMPTY = np.empty(0, np.uint8)


class Lexicon(Immutable, Mapping[str, int]):
    """Words with counts in a double-array trie: a read-only mapping from word to count that searches text.

    Parameters
    ----------
    words : mapping of str to int
        Words, not empty, and their counts, at least 1. A word's place in the mapping's order is its id.

    Attributes
    ----------
    total : int
        The sum of the counts.

    Raises
    ------
    TypeError
        If a word isn't a str or a count isn't an int.
    ValueError
        If a word is empty, or a count (or the sum of all) lies outside [1, 2**63).

    Notes
    -----
    A trie over code points as a double array (Aoe 1989) whose units hold the word's score too: 16 bytes a unit.
    350,000 words take about 16 MB in all and are built in 0.4 seconds; a trie of nested dicts takes
    136 MB. Search takes O(text * longest match). Saved in binary form and loaded again, it is mapped from the
    file, not read.

    A lexicon never changes, so copies of it are itself. It keeps the backend that was active when it was made. It
    pickles as its double array, which isn't built again; one that is mapped from a file pickles as the file's path,
    and unpickles only while that file is the same.

    Examples
    --------
    >>> from fastcore.lexicon import Lexicon
    >>> lexicon = Lexicon({"中国": 30, "国人": 2, "中国人": 8})
    >>> lexicon["中国"], lexicon.total, "国" in lexicon
    (30, 40, False)
    >>> lexicon.search("中国人")
    [(0, 2, '中国', 30), (0, 3, '中国人', 8), (1, 3, '国人', 2)]
    """

    def __init__(self, words: Mapping[str, int]) -> None:
        if not isinstance(words, Mapping):
            raise TypeError(f"words must be a mapping of str to int, got {type(words).__name__}")
        names = list(words)
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"words must have str as keys, got {type(name).__name__}")
            if not str.__str__(name):
                raise ValueError("words must not hold an empty word")
        # A subclass may say what it likes about itself.
        names = [str.__str__(name) for name in names]
        counts = _as_counts(list(words.values()), names)
        self._set(*_as_arrays(names), counts, EMPTY)

    def _set(
        self,
        codes: NDArray[np.uint32],
        offsets: NDArray[np.int64],
        counts: NDArray[np.int64],
        layout: NDArray[np.uint8],
    ) -> None:
        self._backend = active_backend()
        self._trie = kernels("lexicon.trie", self._backend).Trie(codes, offsets, counts, layout)
        self.total = int(counts.sum())
        # A mapped array is left where it is.
        narrow = counts.flags.owndata and self.total < 2**32
        self._counts: NDArray[Any] = counts.astype(np.uint32) if narrow else counts
        self._file: MappedFile | None = None
        self._sorted: list[int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        if self._file is not None:
            return {"file": self._file}
        layout = self._trie.layout()
        if layout.size:
            return {"layout": layout, "counts": self._counts}
        return {"words": list(self), "counts": self._counts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "file" in state:
            mapped = Lexicon.load(state["file"].checked())
            self.__dict__ = mapped.__dict__
            return
        words, layout = state.get("words"), _aligned(state.get("layout", EMPTY))
        if words is None and active_backend() == "reference":
            # The twin has its own way to keep words.
            empty = np.empty(0, np.uint32), np.zeros(1, np.int64)
            compiled = kernels("lexicon.trie", "compiled").Trie(*empty, state["counts"].astype(np.int64), layout)
            words, layout = compiled.words(0, len(state["counts"])), EMPTY
        self._set(*_as_arrays(words or []), state["counts"].astype(np.int64), layout)

    # The mapping.

    def __len__(self) -> int:
        return len(self._counts)

    def __getitem__(self, word: str) -> int:
        id = self.id(word)
        if id < 0:
            raise KeyError(word)
        return int(self._counts[id])

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self._trie.find(str.__str__(word)) >= 0

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), 4096):
            yield from self._trie.words(start, start + 4096)

    def items(self) -> ItemsView[str, int]:
        return _Items(self)

    def __repr__(self) -> str:
        return f"<Lexicon: {len(self)} words, total {self.total}>"

    # What a trie can do.

    def id(self, word: str) -> int:
        """Return the id of a word, its place in the order of the lexicon, or -1 if it isn't one."""
        if not isinstance(word, str):
            raise TypeError(f"word must be a str, got {type(word).__name__}")
        return int(self._trie.find(str.__str__(word)))

    def word(self, id: int) -> str:
        """Return the word of an id in [0, len(lexicon))."""
        i = as_index(id, "id", high=len(self) - 1)
        return str(self._trie.words(i, i + 1)[0])

    def log_proba(self, word: str) -> float:
        """Return the natural logarithm of count / total, minus infinity for what isn't a word."""
        id = self.id(word)
        return math.log(int(self._counts[id])) - math.log(self.total) if id >= 0 else -math.inf

    def search(self, text: str) -> list[tuple[int, int, str, int]]:
        """Return (start, end, word, count) of every occurrence of every word, by rising start, then end."""
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        text = str.__str__(text)
        starts, ends, ids = self._trie.search(text)
        return [
            (start, end, text[start:end], count)
            for start, end, count in zip(starts.tolist(), ends.tolist(), self._counts[ids].tolist())
        ]

    def longest(self, text: str, i: int = 0) -> tuple[int, int, str, int] | None:
        """Return (start, end, word, count) of the longest word that starts at text[i], or None."""
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        text = str.__str__(text)
        start = as_index(i, "i", high=len(text))
        end, id = self._trie.longest(text, start)
        return None if id < 0 else (start, end, text[start:end], int(self._counts[id]))

    def prefix(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (word, count) of the words that begin with `prefix`, in the order of their code points.

        The first call sorts the words, once; each one then takes O(log(words) + matches).
        """
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be a str, got {type(prefix).__name__}")
        return self._prefix(prefix)

    def _prefix(self, prefix: str) -> Iterator[tuple[str, int]]:
        if self._sorted is None:
            words = list(self)
            self._sorted = sorted(range(len(words)), key=words.__getitem__)
        order = self._sorted
        for place in range(bisect_left(order, prefix, key=self.word), len(order)):
            word = self.word(order[place])
            if not word.startswith(prefix):
                return
            yield word, int(self._counts[order[place]])

    # Files.

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Lexicon:
        """Load a lexicon from a file, text or binary.

        Parameters
        ----------
        path : str or path-like
            UTF-8 text of lines ``word [count] [tag]``, as in jieba's dictionary and user dictionaries, or the binary
            form that `save` writes, which is mapped into memory. Uncompressed by suffix (.gz, .bz2, .xz, .zst); then
            nothing is mapped. Tags are dropped (one that follows a word directly is of small Latin letters and
            digits, as ``nz``), empty lines are skipped, of a repeated word the last count holds. A word without a count
            gets 1, as if it had been seen once: in a lexicon of large counts give it one that it can win with.

        Raises
        ------
        OSError
            If the file can't be read, or its compression is damaged.
        ValueError
            If a count isn't a positive integer or the text isn't UTF-8 (both naming file and line), if the file is
            empty, or if a binary file is cut short or damaged.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp(), "words.txt")
        >>> _ = path.write_text("雪梨 3 n\\n颜色 5 n\\n", encoding="utf-8")
        >>> Lexicon.load(path)["雪梨"]
        3
        """
        found = read_lexicon(path)
        if isinstance(found, dict):
            return cls(found)
        lexicon = cls.__new__(cls)
        try:
            lexicon._set(*found)
            lexicon._file = mapped_file(path)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)} isn't a whole lexicon file: {error}") from None
        return lexicon

    def save(self, path: str | os.PathLike[str], *, binary: bool = False) -> None:
        """Write the lexicon to a file, whole or not at all: on an error an older file of the name is as it was.

        Parameters
        ----------
        path : str or path-like
            Where to; compressed by suffix (.gz, .bz2, .xz, .zst). Links are followed, devices and pipes written into,
            and an older file keeps its mode; one with several names is written in place, so that a lexicon that is
            mapped from it must not be used any more.
        binary : bool, default False
            Write the form that `load` maps into memory, instead of lines ``word count``, which jieba's
            ``load_userdict`` and ``set_dictionary`` read too.

        Raises
        ------
        ValueError
            If a word can't stand in a text file: it holds white space, NUL or a lone surrogate.
        """
        if binary:
            write_binary(path, *_as_arrays(list(self)), self._counts, self._trie.layout())
        else:
            write_text(path, self.items())


class _Items(ItemsView[str, int]):
    """Pairs in one pass, without a look-up each."""

    _mapping: Lexicon

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return zip(self._mapping, self._mapping._counts.tolist())


def _aligned(layout: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The layout where the kernel can use it: what a pickle brings lies anywhere."""
    if layout.ctypes.data % 64 == 0:
        return layout
    room = np.empty(layout.size + 64, np.uint8)
    start = -room.ctypes.data % 64
    room[start : start + layout.size] = layout
    return room[start : start + layout.size]


def _as_arrays(words: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Code points of all words, and where each word begins and ends in them."""
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, words), np.int64, len(words)), out=offsets[1:])
    codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), "<u4")
    return codes.astype(np.uint32, copy=False), offsets


def _outside(counts: NDArray[Any]) -> bool:
    return bool(counts.size) and not (int(counts.min()) >= 1 and int(counts.max()) < 2**63)


def _as_counts(counts: list[Any], names: list[str]) -> NDArray[np.int64]:
    """Counts as int64, or an error that names the first word whose count is wrong."""
    try:
        array = np.array(counts, dtype=np.int64 if not counts else None)
    except (ValueError, TypeError, OverflowError):
        array = np.empty(0, object)
    # Among ints NumPy takes a bool for one.
    flags = not {bool, np.bool_}.isdisjoint(map(type, counts))
    if flags or array.dtype.kind not in "iu" or array.ndim != 1 or _outside(array):
        for name, count in zip(names, counts):
            if isinstance(count, bool | np.bool_) or not isinstance(count, int | np.integer):
                raise TypeError(f"the count of {name!r} must be an int, got {count!r} ({type(count).__name__})")
            if not 1 <= count < 2**63:
                raise ValueError(f"the count of {name!r} must lie in [1, 2**63), got {count}")
        array = np.array(counts, dtype=np.int64)
    if sum(array.tolist()) >= 2**63:
        raise ValueError(f"the counts of words must sum to less than 2**63, got {sum(array.tolist())}")
    return array.astype(np.int64)
