"""Where templates match."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels
from .._immutable import Immutable
from .._texts import Lines, Manner, packing, reading
from .._validation import as_list
from .._whole import whole_file
from ._template import Template, as_words

# Scores are whole multiples of this (2**-20, a millionth), so that sums are exact and equal readings tie.
UNIT = 2.0**-20


class Match(NamedTuple):
    """A template that reads exactly the words from `start` up to `end`."""

    start: int
    end: int
    template: Template
    occurrences: int


class TemplateTrie(Immutable):
    """Templates with counts, and where they match.

    Parameters
    ----------
    templates : mapping of Template to int, or iterable of Template
        Counts of 1 or more; an iterable counts each time a template occurs.

    Raises
    ------
    TypeError
        If something isn't a `Template`, or a count isn't an int.
    ValueError
        If there is none, or a count is below 1.

    Notes
    -----
    Matching is strict: a slot takes one or more words, adjacent words of a template are adjacent in the sentence,
    and the template covers the span from its first to its last word (nlp-zero's ``XTrie`` lets slots stay empty and
    words stand apart). `search` takes O(n**2 a) for n words and a partly matched templates at a time.

    Examples
    --------
    >>> from fastcore.templates import Template, TemplateTrie
    >>> trie = TemplateTrie([Template.parse("[X] 和 [X]"), Template.parse("[X] 呢")])
    >>> for match in trie.search(["雪梨", "和", "苹果", "呢"]):
    ...     print(match.start, match.end, match.template)
    0 3 [X]和[X]
    0 4 [X]和[X]
    0 4 [X]呢
    1 4 [X]呢
    2 4 [X]呢
    """

    def __init__(self, templates: Mapping[Template, int] | Iterable[Template]) -> None:
        self._backend = active_backend()
        if isinstance(templates, str | Template):
            raise TypeError(f"templates must be a mapping or an iterable of Template, got {type(templates).__name__}")
        listed = as_list(templates, "templates", "a mapping or an iterable of Template")
        for template in listed:
            if not isinstance(template, Template):
                raise TypeError(f"templates must hold Template, got {type(template).__name__}")
        given = dict(templates) if isinstance(templates, Mapping) else Counter(listed)
        self._counts: dict[Template, int] = {}
        for template, count in given.items():
            if not isinstance(count, int | np.integer) or isinstance(count, bool):
                raise TypeError(f"the count of {template} must be an int, got {type(count).__name__}")
            if count < 1:
                raise ValueError(f"the count of {template} must be at least 1, got {count}")
            self._counts[template] = int(count)
        if not self._counts:
            raise ValueError("templates must hold at least one Template")
        self._prepare()

    def _prepare(self) -> None:
        self._list = list(self._counts)
        self._ids: dict[str, int] = {}
        symbols = [-1 if w is None else self._ids.setdefault(w, len(self._ids)) for t in self._list for w in t]
        # Never changes: what every call asks for is found once.
        self._total, self._each = sum(self._counts.values()), list(self._counts.values())
        log_total = math.log(self._total)
        self._scores = [round((math.log(count) - log_total) / UNIT) for count in self._counts.values()]
        self._trie = kernels("templates.trie", self._backend).TemplateTrie(
            np.array(symbols, np.int64),
            np.cumsum([0, *map(len, self._list)], dtype=np.int64),
            np.array(self._scores, np.int64),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TemplateTrie:
        """Read templates from a text file: on each line a template and, after a tab, its count (1 if it has none).

        Parameters
        ----------
        path : str or path-like
            The file, uncompressed by suffix (.gz, .bz2, .xz, .zst). Words of a template stand between spaces.

        Raises
        ------
        ValueError
            If a line is none of a template, a template stands twice, or there is none.
        OSError
            If the file can't be read.

        Examples
        --------
        >>> import tempfile
        >>> from fastcore.templates import Template, TemplateTrie
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     TemplateTrie({Template(["a", None]): 3}).save(f"{folder}/templates.txt")
        ...     list(TemplateTrie.load(f"{folder}/templates.txt"))
        [Template(['a', None])]
        """
        counts: dict[Template, int] = {}
        manner, name = Manner(cure=""), str(path)
        with reading(path) as file:
            lines = chain.from_iterable(Lines(file, name, manner).strings(manner))
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                text, tab, count = line.partition("\t")
                try:
                    if tab and not (count.isascii() and count.isdigit()):
                        raise ValueError(f"the count must be a whole number, got {count!r}")
                    template, n = Template.parse(text), int(count) if tab else 1
                    if n < 1 or template in counts:
                        raise ValueError("the count must be at least 1" if n < 1 else "it stood there before")
                except ValueError as error:
                    raise ValueError(f"{name}, line {number}: not a template and its count ({error})") from None
                counts[template] = n
        if not counts:
            raise ValueError(f"{path} holds no template")
        return cls(counts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write templates and counts as lines of text, which `load` reads.

        Parameters
        ----------
        path : str or path-like
            Where to; compressed by suffix. Written whole or not at all.

        Raises
        ------
        ValueError
            If a word holds white space, ``[X]`` or a lone surrogate.
        """
        text = "".join([f"{template.text}\t{count}\n" for template, count in self._counts.items()])
        # A word may begin with what a reader takes for a byte order mark: then the file gets one of its own.
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        try:
            data = (mark + text).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"templates can't be saved as text: a lone surrogate in a word ({error.reason})") from None
        with whole_file(path) as file, packing(file, os.fspath(path)) as stream:
            stream.write(data)

    def __getstate__(self) -> tuple[str, dict[Template, int]]:
        return self._backend, self._counts

    def __setstate__(self, state: tuple[str, dict[Template, int]]) -> None:
        self._backend, self._counts = state
        self._prepare()

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[Template]:
        return iter(self._counts)

    def __contains__(self, template: object) -> bool:
        return template in self._counts

    def __getitem__(self, template: Template) -> int:
        """Return a template's count, 0 if it isn't there."""
        if not isinstance(template, Template):
            raise TypeError(f"template must be a Template, got {type(template).__name__}")
        return self._counts.get(template, 0)

    def __repr__(self) -> str:
        return f"<TemplateTrie of {len(self)} templates>"

    @property
    def total(self) -> int:
        """Sum of all counts."""
        return self._total

    def log_proba(self, template: Template) -> float:
        """Return the logarithm of a template's share of all counts, minus infinity if it isn't there."""
        count = self[template]
        return math.log(count) - math.log(self.total) if count else -math.inf

    def search(self, words: Sequence[str]) -> list[Match]:
        """Return all matches in a list of words, ordered by start, end and the order in which templates were given.

        Raises
        ------
        TypeError
            If `words` isn't a list of str.
        """
        found = self._trie.search(self._encode(as_words(words)))
        return [Match(start, end, self._list[t], self._each[t]) for start, end, t in found.tolist()]

    def _encode(self, words: Sequence[str]) -> NDArray[np.int64]:
        return np.fromiter(map(self._ids.get, words, repeat(-1)), np.int64, len(words))
