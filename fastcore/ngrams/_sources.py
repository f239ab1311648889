"""Texts of any kind become one stream of ids with a 0 after each text."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODE_POINTS = 0x110000
CLASSES = {
    "cjk": [(0x4E00, 0x9FA6)],
    "alnum": [(0x30, 0x3A), (0x41, 0x5B), (0x61, 0x7B)],
}


def kept_ranges(keep: Any) -> NDArray[np.int64]:
    """Return the half-open ranges of code points that `keep` stands for."""
    if keep is None:
        return np.array([[0, CODE_POINTS]], np.int64)
    if isinstance(keep, str):
        names = keep.split("+")
        if not all(name in CLASSES for name in names):
            known = "', '".join([*CLASSES, "+".join(CLASSES)])
            raise ValueError(f"keep must be one of '{known}' or a set of characters, got {keep!r}")
        return np.array(sorted({r for name in names for r in CLASSES[name]}), np.int64)
    if not isinstance(keep, Iterable):
        raise TypeError(f"keep must be the name of a class or a set of characters, got {type(keep).__name__}")
    points = set()
    for character in keep:
        if not isinstance(character, str) or len(character) != 1:
            raise ValueError(f"keep must hold single characters, got {character!r}")
        points.add(ord(character))
    found = np.array(sorted(points), np.int64)
    starts = found[np.diff(found, prepend=-2) > 1]
    stops = found[np.diff(found, append=CODE_POINTS + 2) > 1] + 1
    return np.ascontiguousarray(np.stack([starts, stops], axis=1))


def check_split(split: Any) -> None:
    """Refuse what isn't a compiled regex for str."""
    if split is not None and not (isinstance(split, re.Pattern) and isinstance(split.pattern, str)):
        raise TypeError(f"split must be a compiled regular expression for str, got {type(split).__name__}")


def check_texts(texts: Any) -> None:
    """Refuse a bare str and what can't be iterated over."""
    if isinstance(texts, str):
        raise TypeError("texts must be an iterable of str, got a bare str: put it into a list")
    if not isinstance(texts, Iterable):
        raise TypeError(f"texts must be an iterable of texts, got {type(texts).__name__}")


def pieces(text: Any, split: "re.Pattern[str]", number: int) -> Iterator[str]:
    """What stands between the matches of a regex in one text."""
    if not isinstance(text, str):
        raise TypeError(f"texts[{number}] must be a str where split= is given, got {type(text).__name__}")
    start = 0
    for match in split.finditer(text):
        if match.start() > start:
            yield text[start : match.start()]
        start = match.end()
    if start < len(text):
        yield text[start:]


def chunks(texts: Iterable[Any], split: "re.Pattern[str] | None", size: int) -> Iterator[tuple[int, list[Any]]]:
    """Yield lists of texts, of about `size` characters or tokens at most, and the number of the first."""
    if split is not None:
        for number, text in enumerate(texts):
            yield number, list(pieces(text, split, number))
        return
    if isinstance(texts, list):
        for number in range(0, len(texts), 4096):
            yield number, texts[number : number + 4096]
        return
    iterator, number, chunk, held = iter(texts), 0, list[Any](), 0
    for text in iterator:
        chunk.append(text)
        held += len(text) if hasattr(text, "__len__") else 1
        if held >= size or len(chunk) == 4096:
            yield number, chunk
            number, chunk, held = number + len(chunk), [], 0
    if chunk:
        yield number, chunk
