"""Templates: words and slots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from .._validation import as_list

SLOT = "[X]"
"""How a slot is written in a template's text."""

Tokenize: TypeAlias = Callable[[str], Sequence[str]]

# What an error calls the words that a tokenizer made.
_GIVEN = "what tokenize gives"
LISTS, _STR = (list, tuple), frozenset({str})
_set = object.__setattr__


class Template:
    """Words and slots; a slot stands for one or more words.

    Parameters
    ----------
    words : iterable of str or None
        None is a slot. Neighbouring slots count as one. At least one word is needed.

    Raises
    ------
    TypeError
        If `words` is a str (see `Template.parse`) or holds anything but str and None.
    ValueError
        If there is no word, or an empty one.

    Notes
    -----
    Templates are immutable, equal by content, and hash accordingly.

    Examples
    --------
    >>> from fastcore.templates import Template
    >>> template = Template([None, None, "的", "颜色"])
    >>> print(template)
    [X]的颜色
    >>> template == Template.parse("[X] 的 颜色")
    True
    """

    __slots__ = ("words",)
    words: tuple[str | None, ...]

    def __init__(self, words: Iterable[str | None]) -> None:
        if isinstance(words, str):
            raise TypeError("words must be an iterable of words and None, got a str: use Template.parse")
        kept: list[str | None] = []
        for word in as_list(words, "words", "an iterable of words and None"):
            if word is not None and not isinstance(word, str):
                raise TypeError(f"words must hold str and None, got {type(word).__name__}")
            if word == "":
                raise ValueError("words must not hold an empty word")
            if word is not None or not kept or kept[-1] is not None:
                kept.append(word)
        if not any(kept):
            raise ValueError("a template must have at least one word")
        _set(self, "words", tuple(kept))

    @classmethod
    def _of(cls, words: tuple[str | None, ...]) -> Template:
        """Make a template of what is known to be words and slots that don't touch."""
        template = object.__new__(cls)
        _set(template, "words", words)
        return template

    @classmethod
    def parse(cls, text: str, tokenize: Tokenize | None = None) -> Template:
        """Make a template from text in which ``[X]`` stands for a slot.

        Parameters
        ----------
        text : str
            Such as ``"[X]的颜色是什么[X]"``.
        tokenize : callable, optional
            Cuts what is between slots into words. Default: at white space.

        Raises
        ------
        TypeError, ValueError
            If it isn't a str or holds no word, or `tokenize` gives no list of str.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        if tokenize is not None and not callable(tokenize):
            raise TypeError(f"tokenize must be callable, got {type(tokenize).__name__}")
        words: list[str | None] = []
        for i, stretch in enumerate(text.split(SLOT)):
            if i:
                words.append(None)
            if stretch.strip():
                words.extend(stretch.split() if tokenize is None else as_words(tokenize(stretch), _GIVEN))
        return cls(words)

    def match(self, words: Sequence[str]) -> tuple[tuple[str, ...], ...] | None:
        """What is in the slots where the template reads a whole sentence.

        Parameters
        ----------
        words : sequence of str
            The sentence's words.

        Returns
        -------
        tuple of tuple of str, or None
            The words in each slot, one at least; None if the template doesn't read the sentence. Of several ways, each
            slot takes as few words as it may, the first one first.

        Raises
        ------
        TypeError
            If it isn't a list of str.

        Examples
        --------
        >>> from fastcore.templates import Template
        >>> Template.parse("[X] 的 颜色").match(["红", "苹果", "的", "颜色"])
        (('红', '苹果'),)
        """
        return self._match(as_words(words))

    def _match(self, words: Sequence[str]) -> tuple[tuple[str, ...], ...] | None:
        # Runs of words between slots stand as early as they may; the last one is held to the end.
        slots: list[tuple[str, ...]] = []
        at, run, open_slot = 0, list[str](), False
        for word in (*self.words, None):
            if word is not None:
                run.append(word)
                continue
            n = len(run)
            if n:
                last = len(slots) + open_slot == self.n_slots  # the template's end
                first = len(words) - n if last else at + open_slot
                if not open_slot:
                    starts = range(at, at + 1) if not last or first == at else range(0)
                else:
                    starts = range(max(first, at + 1), len(words) - n + 1)
                found = next((i for i in starts if list(words[i : i + n]) == run), None)
                if found is None:
                    return None
                if open_slot:
                    slots.append(tuple(words[at:found]))
                at = found + n
            open_slot, run = True, []
        if self.words[-1] is None:
            return (*slots, tuple(words[at:])) if at < len(words) else None
        return tuple(slots)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a Template can't be changed")

    def __reduce__(self) -> tuple[type[Template], tuple[tuple[str | None, ...]]]:
        return Template, (self.words,)

    def __eq__(self, other: object) -> bool:
        return self.words == other.words if isinstance(other, Template) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.words)

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.words)

    def __str__(self) -> str:
        return "".join(SLOT if word is None else word for word in self.words)

    def __repr__(self) -> str:
        return f"Template({list(self.words)!r})"

    @property
    def text(self) -> str:
        """The template as text that `parse` reads back: words and ``[X]`` with a space between them.

        Raises
        ------
        ValueError
            If a word holds white space or ``[X]``.
        """
        for word in self.words:
            if word is not None and (SLOT in word or word.split() != [word]):
                raise ValueError(f"a word of a template's text must not hold white space or {SLOT}, got {word!r}")
        return " ".join(SLOT if word is None else word for word in self.words)

    @property
    def n_words(self) -> int:
        """Number of words, slots not counted."""
        return sum(word is not None for word in self.words)

    @property
    def n_slots(self) -> int:
        """Number of slots."""
        return len(self.words) - self.n_words

    @property
    def is_trivial(self) -> bool:
        """Whether it is one word with a slot on both sides, which says nothing of structure."""
        return len(self.words) == 3 and self.n_words == 1


def as_words(words: Any, name: str = "words") -> tuple[str, ...]:
    # Lists and tuples, and all words str: that is seen at once.
    if type(words) not in LISTS and (isinstance(words, str | bytes) or not isinstance(words, Sequence | np.ndarray)):
        raise TypeError(f"{name} must be a list of str, got {type(words).__name__}")
    listed = tuple(words)
    if not _STR.issuperset(map(type, listed)):
        for word in listed:
            if not isinstance(word, str):
                raise TypeError(f"{name} must hold str, got {type(word).__name__}")
    return listed
