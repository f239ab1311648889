"""Vectors of words in files: npz, and the text and binary files of the word2vec program.

The latter begin with a line ``words dimensions``. In a text each word has a line of its own, it and its numbers
separated by blanks; in a binary file a blank follows the word, and then float32 in little-endian order, after which
some writers put a line end.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._npz import Arrays, Kind
from .._texts import READ, AnyPath, Lines, Manner, bad_byte, packing, reading
from .._whole import whole_file

Found: TypeAlias = tuple[list[str], NDArray[np.float32]]

DTYPES = {
    "words": ("|u1",),
    "word_ends": ("<i8",),
    "counts": ("<i8",),
    "vectors": ("<f4",),
    "context_vectors": ("<f4",),
    "loss": ("<f8",),
}
VECTORS = Kind("word vectors", "word vectors", 1, (1,), DTYPES.get)
# Bytes of the longest word of a binary file: what is longer is a file of another kind.
LONGEST = 1 << 16
# Dimensions of vectors that are read.
MOST = 1 << 20
# Words that are written at a time.
ROWS = 1 << 12


def described(
    model: str,
    params: Mapping[str, Any],
    words: Sequence[str],
    counts: NDArray[np.int64] | None,
    arrays: Mapping[str, NDArray[Any]],
) -> tuple[dict[str, Any], Arrays]:
    """Return vectors, and those parameters that are plain values, as a description and arrays."""
    encoded = [word.encode("utf-8", "surrogatepass") for word in words]
    found: Arrays = {
        "words": np.frombuffer(b"".join(encoded), np.uint8),
        "word_ends": np.cumsum([len(word) for word in encoded], dtype="<i8"),
    }
    if counts is not None:
        found["counts"] = counts.astype("<i8")
    found |= {name: it.astype("<f8" if name == "loss" else "<f4") for name, it in arrays.items()}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}
    kept = {k: v for k, v in plain.items() if v is None or isinstance(v, bool | int | float | str)}
    return {"model": model, "params": kept}, found


def restored(source: Path) -> tuple[dict[str, Any], list[str], NDArray[np.int64] | None, Arrays]:
    """Read what `described` describes: the description, words, counts and arrays; ValueError if a file is none."""
    meta, arrays = VECTORS.read(source)
    try:
        if not {"words", "word_ends", "vectors"} <= set(arrays) or not isinstance(meta["params"], dict):
            raise ValueError("something is missing")
        words = _words(arrays["words"], arrays["word_ends"])
        shape = arrays["vectors"].shape
        others = [arrays[name].shape for name in ("context_vectors",) if name in arrays]
        if len(shape) != 2 or shape[0] != len(words) or any(it != shape for it in others):
            raise ValueError("vectors don't fit the words")
        if not all(np.isfinite(arrays[name]).all() for name in ("vectors", "context_vectors") if name in arrays):
            raise ValueError("vectors aren't finite")
        counts = arrays.get("counts")
        if counts is not None and (counts.shape != (len(words),) or int(counts.min(initial=0)) < 0):
            raise ValueError("counts don't fit the words")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{source} isn't a whole file of word vectors: {error}") from None
    return meta, words, counts, arrays


def _words(text: NDArray[Any], ends: NDArray[Any]) -> list[str]:
    sizes = np.diff(ends, prepend=0)
    if text.ndim != 1 or ends.ndim != 1 or len(text) != (ends[-1] if len(ends) else 0) or (sizes < 0).any():
        raise ValueError("ends of words don't fit them")
    data, words, start = text.tobytes(), [], 0
    for end in ends.tolist():
        words.append(data[start:end].decode("utf-8", "surrogatepass"))
        start = end
    if len(set(words)) < len(words):
        raise ValueError("words occur twice")
    return words


def write_word2vec(path: AnyPath, words: Sequence[str], vectors: NDArray[np.float32], binary: bool) -> None:
    """Write a file of word2vec, whole or not at all."""
    encoded = [_as_bytes(word) for word in words]
    dim = vectors.shape[1]
    # Nine digits tell any two float32 apart.
    line = " ".join(["%s", *["%.9g"] * dim]) + "\n"
    with whole_file(path) as file, packing(file, path) as stream:
        stream.write(f"{len(words)} {dim}\n".encode())
        for start in range(0, len(words), ROWS):
            rows = vectors[start : start + ROWS]
            some = encoded[start : start + ROWS]
            if binary:
                numbers = rows.astype("<f4")
                stream.write(b"".join(b"%s %s\n" % (word, row.tobytes()) for word, row in zip(some, numbers)))
            else:
                lines = (line % (word.decode(), *row) for word, row in zip(some, rows.tolist()))
                stream.write("".join(lines).encode())


def _as_bytes(word: str) -> bytes:
    if not word or "\0" in word or any(character.isspace() for character in word):
        raise ValueError(
            f"{word!r} can't be saved for word2vec, since it is empty or holds white space or NUL: save() can"
        )
    try:
        return word.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{word!r} can't be saved for word2vec: {error.reason}; save() can") from None


def _sizes(line: bytes, name: str) -> tuple[int, int]:
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() and len(part) < 19 for part in parts):
        raise ValueError(f"{name}, line 1: expected 'words dimensions', got {line[:60]!r}")
    if int(parts[1]) > MOST:
        raise ValueError(f"{name}, line 1: expected at most {MOST} dimensions, got {int(parts[1])}")
    return int(parts[0]), int(parts[1])


class _Found:
    """Words and numbers as they are read."""

    def __init__(self, name: str, errors: str) -> None:
        self.name, self.errors = name, errors
        self.words: dict[str, None] = {}
        self.numbers = bytearray()

    def add(self, word: str, numbers: NDArray[np.float32], where: str) -> None:
        if word in self.words:
            if self.errors != "strict":
                return
            raise ValueError(f"{self.name}, {where}: the word {word!r} occurs twice")
        if not np.isfinite(numbers).all():
            raise ValueError(f"{self.name}, {where}: numbers of {word!r} must be finite in float32")
        self.words[word] = None
        self.numbers += numbers.tobytes()

    def result(self, dim: int) -> Found:
        return list(self.words), np.frombuffer(self.numbers, np.float32).reshape(len(self.words), dim)


def read_text(path: AnyPath, errors: str) -> Found:
    """Read a text file of word2vec."""
    name = os.fspath(path)
    manner = Manner(name, errors=errors)
    found = _Found(name, errors)
    with reading(path) as stream:
        lines = chain.from_iterable(Lines(stream, name, manner).strings(manner))
        count, dim = _sizes(next(lines, "").encode(), name)
        number = 1
        for number, line in enumerate(lines, 2):
            parts = line.rstrip(" ").split(" ")
            if number > count + 1:
                if line:
                    raise ValueError(f"{name}, line {number}: more than the {count} words that line 1 says")
                continue
            if len(parts) != dim + 1 or not parts[0]:
                wanted = f"a word and {dim} numbers, separated by one blank each"
                raise ValueError(f"{name}, line {number}: expected {wanted}, got {line[:60]!r}")
            try:
                # Python also reads underscores and the digits of all scripts.
                if "_" in line[len(parts[0]) :] or not line[len(parts[0]) :].isascii():
                    raise ValueError(f"expected {dim} numbers, got {line[:60]!r}")
                numbers = np.array(array("d", map(float, parts[1:])), np.float64)
            except ValueError as error:
                raise ValueError(f"{name}, line {number}: {error}") from None
            with np.errstate(over="ignore"):
                found.add(parts[0], numbers.astype(np.float32), f"line {number}")
    if number < count + 1:
        raise ValueError(f"{name} is cut short: line 1 says {count} words, got {number - 1}")
    return found.result(dim)


def read_binary(path: AnyPath, errors: str) -> Found:
    """Read a binary file of word2vec."""
    name = os.fspath(path)
    Manner(name, errors=errors)
    found = _Found(name, errors)
    with reading(path) as stream:
        buffer = _Buffer(stream)
        line = buffer.until(b"\n", LONGEST)
        count, dim = _sizes(b"" if line is None else line, name)
        for number in range(1, count + 1):
            where = f"word {number}"
            text = buffer.until(b" ", LONGEST)
            numbers = None if text is None else buffer.take(4 * dim)
            if text is None or numbers is None:
                raise ValueError(f"{name} is cut short or no binary file: {where} of {count} isn't whole")
            # The line end may stand after the numbers of the word before.
            text = text.removeprefix(b"\n")
            try:
                word = text.decode("utf-8", errors)
            except UnicodeDecodeError as error:
                raise bad_byte(f"{name}, {where}", error.start, text[error.start]) from None
            if not word:
                raise ValueError(f"{name}, {where}: expected a word before the blank, got none")
            found.add(word, np.frombuffer(numbers, "<f4").astype(np.float32), where)
        if buffer.rest().strip(b"\n"):
            raise ValueError(f"{name}: more than the {count} words that line 1 says")
    return found.result(dim)


class _Buffer:
    """A stream of bytes, taken in pieces."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._data, self._at = b"", 0

    def _more(self) -> bool:
        block = self._stream.read(READ)
        self._data, self._at = self._data[self._at :] + block, 0
        return bool(block)

    def until(self, end: bytes, most: int) -> bytes | None:
        """What stands before the next `end`, which is skipped; None if there is none, or not so near."""
        while (found := self._data.find(end, self._at)) < 0 or found - self._at > most:
            if len(self._data) - self._at > most or not self._more():
                return None
        piece = self._data[self._at : found]
        self._at = found + 1
        return piece

    def take(self, size: int) -> bytes | None:
        """So many bytes, or None if there aren't."""
        while len(self._data) - self._at < size:
            if not self._more():
                return None
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece

    def rest(self) -> bytes:
        """A few bytes of what is left."""
        while self._at == len(self._data) and self._more():
            pass
        return self._data[self._at : self._at + 16]
