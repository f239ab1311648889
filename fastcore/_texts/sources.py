"""One door for texts: whatever a caller brings becomes batches of three kinds, which every domain reads alike.

What each public function takes as texts: an iterable of `str` or of `bytes`; an Arrow array of strings; the path of a
file, each of its lines a text, or of a folder of such files; an iterable of paths; `bytes` of lines; an open file.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from itertools import pairwise
from mmap import mmap
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._extras import require
from .._validation import as_choice
from .files import files_of, reading

Texts: TypeAlias = "Iterable[Any] | os.PathLike[str]"

# Texts of a batch, and bytes that are read at a time.
CHUNK = 4096
READ = 1 << 20
ERRORS = ("strict", "replace", "ignore")
_UTF8 = ("utf-8", "utf-8-sig")
# Codecs for names of hosts: they take no other way with errors and lines than their own.
_OF_NAMES = ("idna", "punycode")
_BYTES = (bytes, bytearray, memoryview, mmap)


@dataclass(frozen=True)
class Manner:
    """How texts are read: what errors call them, the encoding of bytes, and which files of a folder are meant."""

    name: str = "texts"
    encoding: str = "utf-8"
    errors: str = "strict"
    pattern: str | None = None
    cure: str = "; pass errors='replace' to let it be"  # what an error about a bad byte adds

    def __post_init__(self) -> None:
        as_choice(self.errors, "errors", ERRORS)
        if not isinstance(self.encoding, str):
            raise TypeError(f"encoding must be the name of a text encoding, got {type(self.encoding).__name__}")
        try:
            "".encode(self.encoding)
            known = self.codec not in _OF_NAMES
        except (LookupError, UnicodeError):
            known = False
        if not known:
            raise ValueError(f"encoding must be the name of a text encoding, got {self.encoding!r}")
        if self.pattern is not None and not isinstance(self.pattern, str):
            raise TypeError(f"pattern must be a str or None, got {type(self.pattern).__name__}")

    @property
    def codec(self) -> str:
        """The codec's own name."""
        return codecs.lookup(self.encoding).name

    @property
    def as_is(self) -> bool:
        """Whether bytes are UTF-8 in which nothing is to be mended."""
        return self.errors == "strict" and self.codec in _UTF8


@dataclass
class Listed:
    """Texts as Python objects; errors call the first one texts[number]."""

    texts: list[Any]
    number: int

    def strings(self, manner: Manner) -> Iterator[list[str]]:
        """Give them, all of them str, as one list."""
        kinds = set(map(type, self.texts))
        if kinds != {str}:
            for number, text in enumerate(self.texts, self.number):
                if not isinstance(text, str):
                    raise TypeError(f"{manner.name}[{number}] must be a str, got {type(text).__name__}")
            # A subclass may say of itself what isn't so.
            self.texts = [str.__str__(text) for text in self.texts]
        yield self.texts


@dataclass
class Spans:
    """Texts that lie as UTF-8 between offsets in one array of bytes."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    number: int

    def strings(self, manner: Manner) -> Iterator[list[str]]:
        """Give them as lists of str."""
        manner = replace(manner, encoding="utf-8")  # whatever other texts would be encoded in
        for start in range(0, len(self.offsets) - 1, CHUNK):
            rows = pairwise(self.offsets[start : start + CHUNK + 1].tolist())
            yield [
                decoded(self.data[a:b].tobytes(), f"{manner.name}[{self.number + start + i}]", manner)
                for i, (a, b) in enumerate(rows)
            ]


class Lines:
    """A stream of bytes whose lines are texts: read as UTF-8, whatever it is encoded in."""

    def __init__(self, stream: BinaryIO, name: str, manner: Manner) -> None:
        self._name, self._manner = name, manner
        self._stream = stream
        self._decoder: Any = None if manner.as_is else codecs.getincrementaldecoder(manner.encoding)(manner.errors)
        self._begun = False
        # Where the next byte stands that is to be taken, or with a decoder to be read: behind its mark, if it has one.
        self._line, self._column = 1, 0 if self._decoder is None else len("".encode(manner.encoding))

    def read(self, size: int, *, soon: bool = False) -> bytes:
        """Return `size` more bytes, or what is left, without a byte order mark; if `soon`, what is there by now."""
        read = getattr(self._stream, "read1", self._stream.read) if soon else self._stream.read
        data = self._raw(read, size) if self._decoder is None else self._decoded(read, size)
        if not self._begun:
            self._begun = True
            while 0 < len(data) < len(codecs.BOM_UTF8) and codecs.BOM_UTF8.startswith(data):
                if not (more := self.read(size, soon=soon)):
                    break
                data += more
            if data.startswith(codecs.BOM_UTF8):
                data = data[len(codecs.BOM_UTF8) :] or self.read(size, soon=soon)
                self._column += len(codecs.BOM_UTF8) if self._decoder is None else 0
        return data

    def _raw(self, read: Callable[[int], Any], size: int) -> bytes:
        data = read(size)
        if not isinstance(data, bytes | bytearray):
            # None: a file that doesn't block, which has nothing for us yet.
            raise TypeError(f"{self._name} must give bytes when it is read, got {type(data).__name__}")
        return bytes(data)

    def _decoded(self, read: Callable[[int], bytes], size: int) -> bytes:
        while True:
            raw = self._raw(read, size)
            before = self._decoder.getstate()
            try:
                text = self._decoder.decode(raw, not raw)
            except UnicodeError as error:
                # From Python 3.13 on a missing mark is a UnicodeDecodeError too.
                if not isinstance(error, UnicodeDecodeError) or "BOM" in error.reason:
                    codec = self._manner.codec.upper()
                    raise ValueError(f"{self._name}: {codec} must begin with a byte order mark") from None
                self._decoder.setstate(before)
                fine = self._decoder.decode(raw[: max(0, error.start - len(before[0]))])
                self._count(fine)
                raise self._bad(error.object[error.start]) from None
            self._count(text)
            if text or not raw:
                return text.encode("utf-8", "surrogatepass")  # type: ignore[no-any-return]

    def _count(self, text: str) -> None:
        """Move the place over decoded text, in bytes of the stream."""
        if self._manner.errors != "strict":
            return
        lines, tail = text.count("\n"), text[text.rfind("\n") + 1 :]
        width = len(tail.encode(self._manner.encoding, "replace")) - len("".encode(self._manner.encoding))
        self._line += lines
        self._column = width + (0 if lines else self._column)

    def take(self, data: bytes) -> None:
        """Count what was made use of, so that a bad byte further on can be said where it stands."""
        if self._decoder is None:
            lines = data.count(b"\n")
            self._line += lines
            self._column = len(data) - data.rfind(b"\n") - 1 + (0 if lines else self._column)

    def bad(self, data: bytes, at: int) -> ValueError:
        """The error of a byte of `data`, which comes after all that was taken."""
        self.take(data[:at])
        return self._bad(data[at])

    def _bad(self, byte: int) -> ValueError:
        return bad_byte(f"{self._name}, line {self._line}", self._column, byte, self._manner)

    def pieces(self, ends: bytes = b"\n", size: int | None = None) -> Iterator[bytes]:
        """Give all of it in pieces that end with one of the bytes `ends`, but for the last."""
        pending: list[bytes] = []
        while block := self.read(size or READ, soon=True):
            cut = 1 + max(block.rfind(end) for end in ends)
            if cut:
                pending.append(block[:cut])
                yield _joined(pending)
            pending.append(block[cut:])
        if any(pending):
            yield _joined(pending)

    def strings(self, manner: Manner) -> Iterator[list[str]]:
        r"""Give the lines without their ends (\n or \r\n) as lists of str."""
        for piece in self.pieces():
            try:
                text = piece.decode()
            except UnicodeDecodeError as error:
                raise self.bad(piece, error.start) from None
            self.take(piece)
            if b"\r" in piece:
                text = text.replace("\r\n", "\n")
            lines = text.split("\n")
            if not lines[-1]:
                lines.pop()
            # A line may be very long.
            del piece, text
            yield lines


Batch: TypeAlias = Listed | Spans | Lines


def _joined(parts: list[bytes]) -> bytes:
    """Join parts, and let them go."""
    whole = b"".join(parts)
    parts.clear()
    return whole


def is_source(texts: Any) -> bool:
    """Whether these aren't texts one by one, but something that texts are read from."""
    return (
        isinstance(texts, (os.PathLike, *_BYTES))
        or hasattr(texts, "readline")
        or type(texts).__module__.startswith("pyarrow")
    )


def check_texts(texts: Any, name: str = "texts") -> None:
    """Refuse a bare str, tables and mappings (which would give names alone), and what can't be iterated over."""
    if isinstance(texts, str):
        raise TypeError(
            f"{name} must be an iterable of texts or a path, got a bare str: put it into a list, or make it a Path"
        )
    if hasattr(texts, "columns"):
        raise TypeError(f"{name} must be one column of a table, got all of a {type(texts).__name__}")
    if isinstance(texts, Mapping):
        raise TypeError(f"{name} must be an iterable of texts or a path, got a {type(texts).__name__}")
    if not isinstance(texts, os.PathLike):
        try:
            iter(texts)
        except TypeError:
            raise TypeError(f"{name} must be an iterable of texts or a path, got {type(texts).__name__}") from None


def batches(texts: Any, manner: Manner, size: int | None = None) -> Iterator[Batch]:
    """Cut texts of any kind into batches; `size` bounds the characters or tokens of a list, as far as texts allow."""
    check_texts(texts, manner.name)
    if isinstance(texts, os.PathLike):
        yield from _file_batches(texts, manner)
    elif isinstance(texts, _BYTES):
        _no_pattern(manner)
        yield Lines(io.BytesIO(texts), manner.name, manner)
    elif type(texts).__module__.startswith("pyarrow"):
        _no_pattern(manner)
        yield from _arrow_batches(texts, manner)
    elif not hasattr(texts, "readline"):
        yield from _item_batches(texts, manner, size)
    elif hasattr(texts, "encoding"):
        yield from _item_batches(map(_without_end, texts), manner, size)
    else:
        _no_pattern(manner)
        name = getattr(texts, "name", None)
        yield Lines(texts, name if isinstance(name, str) else manner.name, manner)


def _without_end(line: str) -> str:
    return line[:-2] if line.endswith("\r\n") else line.removesuffix("\n")


def _no_pattern(manner: Manner) -> None:
    if manner.pattern is not None:
        raise ValueError(f"pattern must be None where {manner.name} are no path: it chooses the files of a folder")


def string_lists(texts: Any, manner: Manner, size: int | None = None) -> Iterator[list[str]]:
    """Give texts of any kind as lists of str."""
    for batch in batches(texts, manner, size):
        yield from batch.strings(manner)


def strings(texts: Any, manner: Manner) -> Iterator[str]:
    """Give texts of any kind as str, one after the other."""
    for batch in string_lists(texts, manner):
        yield from batch


def how_many(texts: Any) -> int | None:
    """The number of texts, where it can be told before they are read."""
    check_texts(texts)
    if not isinstance(texts, Sized) or (is_source(texts) and not type(texts).__module__.startswith("pyarrow")):
        return None
    files = isinstance(texts, list | tuple) and len(texts) and isinstance(texts[0], os.PathLike)
    return None if files else len(texts)


def files_among(texts: Any, pattern: str | None) -> list[Path]:
    """All files, if texts are a path or a list of paths; otherwise none."""
    if isinstance(texts, os.PathLike):
        return files_of(texts, pattern)
    if isinstance(texts, list | tuple) and texts and all(isinstance(path, os.PathLike) for path in texts):
        return [file for path in texts for file in files_of(path, pattern)]
    return []


def _file_batches(path: os.PathLike[str], manner: Manner) -> Iterator[Batch]:
    for file in files_of(path, manner.pattern):
        with reading(file) as stream:
            yield Lines(stream, str(file), manner)


def _item_batches(texts: Iterable[Any], manner: Manner, size: int | None) -> Iterator[Batch]:
    for number, chunk in _chunks(texts, size):
        first = chunk[0]
        if not isinstance(first, os.PathLike):
            _no_pattern(manner)
        if isinstance(first, bytes):
            for text in chunk:
                if not isinstance(text, bytes):
                    raise TypeError(f"{manner.name} must not mix bytes with other types, got {type(text).__name__}")
            # One after the other: each may have a byte order mark that utf-8-sig leaves out.
            if manner.as_is and manner.codec == "utf-8":
                offsets = np.cumsum([0, *map(len, chunk)], dtype=np.int64)
                yield Spans(np.frombuffer(b"".join(chunk), np.uint8), offsets, number)
            else:
                yield Listed([decoded(b, f"{manner.name}[{number + i}]", manner) for i, b in enumerate(chunk)], number)
        elif isinstance(first, os.PathLike):
            for path in chunk:
                if not isinstance(path, os.PathLike):
                    raise TypeError(f"{manner.name} must not mix paths with other types, got {type(path).__name__}")
            for path in chunk:
                yield from _file_batches(path, manner)
        else:
            yield Listed(chunk, number)


def _chunks(texts: Iterable[Any], size: int | None) -> Iterator[tuple[int, list[Any]]]:
    """Yield lists of texts, of about `size` characters or tokens at most, and the number of the first."""
    if isinstance(texts, list):
        for number in range(0, len(texts), CHUNK):
            chunk = texts[number : number + CHUNK]
            if size is None or (set(map(type, chunk)) == {str} and sum(map(len, chunk)) <= size):
                yield number, chunk
            else:
                yield from ((number + place, part) for place, part in _chunks(iter(chunk), size))
        return
    number, chunk, held = 0, list[Any](), 0
    for text in texts:
        chunk.append(text)
        held += len(text) if hasattr(text, "__len__") else 1
        if held >= (size or READ) or len(chunk) == CHUNK:
            yield number, chunk
            number, chunk, held = number + len(chunk), [], 0
    if chunk:
        yield number, chunk


def _arrow_batches(array: Any, manner: Manner) -> Iterator[Batch]:
    """The bytes and offsets of each chunk of a pyarrow array of strings; a null is an empty text."""
    arrow = require("pyarrow", "arrow", "a pyarrow array")
    kind = getattr(array, "type", None)
    if isinstance(kind, arrow.DictionaryType):
        kind = kind.value_type
    if kind is None or not (
        arrow.types.is_string(kind) or arrow.types.is_large_string(kind) or arrow.types.is_string_view(kind)
    ):
        raise TypeError(f"{manner.name} must be a pyarrow array of strings, got {kind or type(array).__name__}")
    number = 0
    for chunk in array.chunks if isinstance(array, arrow.ChunkedArray) else [array]:
        if len(chunk):
            if isinstance(chunk.type, arrow.DictionaryType):
                chunk = chunk.dictionary_decode()
            if arrow.types.is_string_view(chunk.type):
                chunk = chunk.cast(arrow.large_string())
            # What lies under a null may be anything.
            if chunk.null_count:
                chunk = chunk.fill_null("")
            _, offsets, data = chunk.buffers()
            wide = np.int64 if arrow.types.is_large_string(chunk.type) else np.int32
            rising = np.frombuffer(offsets, wide)[chunk.offset : chunk.offset + len(chunk) + 1].astype(np.int64)
            yield Spans(np.frombuffer(data if data is not None else b"", np.uint8), rising, number)
        number += len(chunk)


def decoded(data: bytes, where: str, manner: Manner) -> str:
    """Return the str of one text's bytes."""
    try:
        return data.decode(manner.encoding, manner.errors)
    except UnicodeDecodeError as error:
        # A codec may have taken a byte order mark off before it counts.
        place = len(data) - len(error.object) + error.start
        raise bad_byte(where, place, error.object[error.start], manner) from None


def bad_byte(where: str, place: int, byte: int, manner: Manner = Manner()) -> ValueError:
    """The error that says which byte, counted from 1 in its text or line, can't be read."""
    return ValueError(f"{where}, byte {place + 1}: not {manner.codec.upper()} (0x{byte:02x}){manner.cure}")
