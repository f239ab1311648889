"""Texts of any kind become one stream of ids with a 0 after each text."""

import codecs
import io
import os
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from mmap import mmap
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._characters import kept_ranges as kept_ranges
from .._extras import require
from .._texts import files_of, reading

Ids = NDArray[np.uint32]

# Texts of a batch, and bytes that are read at a time.
CHUNK = 4096
READ = 1 << 20


def check_split(split: Any) -> None:
    """Refuse what isn't a compiled regex for str."""
    if split is not None and not (isinstance(split, re.Pattern) and isinstance(split.pattern, str)):
        raise TypeError(f"split must be a compiled regular expression for str, got {type(split).__name__}")


def check_texts(texts: Any) -> None:
    """Refuse a bare str and what can't be iterated over."""
    if isinstance(texts, str):
        raise TypeError("texts must be an iterable of str, got a bare str: put it into a list")
    if not isinstance(texts, Iterable | os.PathLike):
        raise TypeError(f"texts must be an iterable of texts or a path, got {type(texts).__name__}")


class Batch(Protocol):
    """Some texts on their way into the stream of ids."""

    def encode(self, encoder: Any, out: Ids) -> tuple[int, bool]:
        """Write ids into `out`; return how many, and whether all of the batch was written."""


class Texts:
    """A list of str, or of lists of tokens."""

    def __init__(self, texts: list[Any], number: int) -> None:
        self.texts, self.number = texts, number
        self.index = self.position = 0

    def encode(self, encoder: Any, out: Ids) -> tuple[int, bool]:
        self.index, self.position, filled = encoder.encode(self.texts, self.index, self.position, out, self.number)
        return filled, self.index == len(self.texts)


class Spans:
    """Texts that lie as UTF-8 between offsets in one array of bytes."""

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64], number: int) -> None:
        self.data, self.offsets, self.number = data, offsets, number
        self.index = self.position = 0

    def encode(self, encoder: Any, out: Ids) -> tuple[int, bool]:
        self.index, self.position, filled = encoder.encode_spans(
            self.data, self.offsets, self.index, self.position, out, self.number
        )
        return filled, self.index + 1 >= len(self.offsets)


class Block:
    """A piece of a stream of UTF-8 whose lines are texts."""

    def __init__(self, data: bytes, last: bool) -> None:
        self.raw, self.data, self.last = data, np.frombuffer(data, np.uint8), last
        self.consumed = 0
        self.invalid = False

    def encode(self, encoder: Any, out: Ids) -> tuple[int, bool]:
        consumed, filled, self.invalid = encoder.encode_utf8(self.data[self.consumed :], out, self.last, True)
        self.consumed += consumed
        return filled, self.invalid or filled < len(out)


END_OF_TEXT = np.zeros(0, np.uint8), np.zeros(2, np.int64)


def batches(texts: Any, split: "re.Pattern[str] | None", errors: str, size: int) -> Iterator[Batch]:
    """Cut texts of any kind into batches; `size` bounds the symbols of a batch as far as texts can be told apart."""
    if isinstance(texts, os.PathLike):
        yield from file_batches(texts, split, errors)
    elif isinstance(texts, bytes | bytearray | memoryview | mmap):
        yield from stream_batches(io.BytesIO(texts), "texts", split, errors)
    elif type(texts).__module__.startswith("pyarrow"):
        for number, data, offsets in arrow_spans(texts):
            yield from span_batches(data, offsets, number, split, errors)
    else:
        for number, chunk in chunks(texts, size):
            first = chunk[0]
            if isinstance(first, bytes):
                if not all(isinstance(text, bytes) for text in chunk):
                    raise TypeError("texts must not mix bytes with other types")
                offsets = np.cumsum([0, *map(len, chunk)], dtype=np.int64)
                yield from span_batches(np.frombuffer(b"".join(chunk), np.uint8), offsets, number, split, errors)
            elif isinstance(first, os.PathLike):
                for path in chunk:
                    if not isinstance(path, os.PathLike):
                        raise TypeError(f"texts must not mix paths with other types, got {type(path).__name__}")
                for path in chunk:
                    yield from file_batches(path, split, errors)
            elif split is not None:
                yield from (Texts(list(pieces(text, split, number + i)), number + i) for i, text in enumerate(chunk))
            else:
                yield Texts(chunk, number)


def chunks(texts: Iterable[Any], size: int) -> Iterator[tuple[int, list[Any]]]:
    """Yield lists of texts, of about `size` characters or tokens at most, and the number of the first."""
    if isinstance(texts, list):
        for number in range(0, len(texts), CHUNK):
            yield number, texts[number : number + CHUNK]
        return
    number, chunk, held = 0, list[Any](), 0
    for text in texts:
        chunk.append(text)
        held += len(text) if hasattr(text, "__len__") else 1
        if held >= size or len(chunk) == CHUNK:
            yield number, chunk
            number, chunk, held = number + len(chunk), [], 0
    if chunk:
        yield number, chunk


def pieces(text: Any, split: "re.Pattern[str]", number: int) -> Iterator[str]:
    """What stands between the matches of a regex in one text."""
    if not isinstance(text, str):
        raise TypeError(f"texts[{number}] must be a str where split= is given, got {type(text).__name__}")
    # A subclass may say of itself what isn't so.
    text, start = str.__str__(text), 0
    for match in split.finditer(text):
        if match.start() > start:
            yield text[start : match.start()]
        start = match.end()
    if start < len(text):
        yield text[start:]


def span_batches(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], number: int, split: "re.Pattern[str] | None", errors: str
) -> Iterator[Batch]:
    """Texts that lie between offsets; made into str only where a regex or bad bytes ask for it."""
    if split is None and errors == "strict":
        yield Spans(data, offsets, number)
        return
    for i, (start, stop) in enumerate(pairwise(offsets.tolist())):
        try:
            text = data[start:stop].tobytes().decode("utf-8", errors)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"texts[{number + i}] must be UTF-8, got an invalid byte at {error.start}: "
                "pass errors='replace' to let it be"
            ) from None
        yield Texts([text] if split is None else list(pieces(text, split, number + i)), number + i)


def arrow_spans(array: Any) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int64]]]:
    """The bytes and offsets of each chunk of a pyarrow array of strings; a null is an empty text."""
    arrow = require("pyarrow", "arrow", "a pyarrow array")
    kind = getattr(array, "type", None)
    if kind is None or not (
        arrow.types.is_string(kind) or arrow.types.is_large_string(kind) or arrow.types.is_string_view(kind)
    ):
        raise TypeError(f"texts must be a pyarrow array of strings, got {kind or type(array).__name__}")
    number = 0
    for chunk in array.chunks if isinstance(array, arrow.ChunkedArray) else [array]:
        if len(chunk):
            if arrow.types.is_string_view(chunk.type):
                chunk = chunk.cast(arrow.large_string())
            # What lies under a null may be anything.
            if chunk.null_count:
                chunk = chunk.fill_null("")
            _, offsets, data = chunk.buffers()
            wide = np.int64 if arrow.types.is_large_string(chunk.type) else np.int32
            rising = np.frombuffer(offsets, wide)[chunk.offset : chunk.offset + len(chunk) + 1].astype(np.int64)
            yield number, np.frombuffer(data if data is not None else b"", np.uint8), rising
        number += len(chunk)


def files_among(texts: Any) -> list[Path]:
    """All files, if texts are a path or a list of paths; otherwise none."""
    if isinstance(texts, os.PathLike):
        return files_of(texts)
    if isinstance(texts, list | tuple) and texts and all(isinstance(path, os.PathLike) for path in texts):
        return [file for path in texts for file in files_of(path)]
    return []


def file_batches(path: "os.PathLike[str]", split: "re.Pattern[str] | None", errors: str) -> Iterator[Batch]:
    """The lines of a file, or of every file of a folder."""
    for file in files_of(path):
        with reading(file) as stream:
            yield from stream_batches(stream, str(file), split, errors)


def stream_batches(stream: Any, name: str, split: "re.Pattern[str] | None", errors: str) -> Iterator[Batch]:
    """The lines of a stream of UTF-8, a block at a time."""
    if split is not None:
        yield from split_lines(stream, name, split, errors)
        return
    mend = codecs.getincrementaldecoder("utf-8")(errors) if errors != "strict" else None
    left, last, first_line, place = b"", False, 1, 0
    while not last:
        # What isn't whole is read again with more after it: twice as much each time, lest that go on for ever.
        more = stream.read(max(READ, len(left)))
        last = not more
        if mend is not None:
            more = mend.decode(more, last).encode()
        if not place and not left:
            more, whole = more.removeprefix(codecs.BOM_UTF8), len(more)
            place = whole - len(more)
        block = Block(left + more, last)
        yield block
        if block.invalid:
            at = block.consumed
            here = first_line + block.raw.count(b"\n", 0, at)
            raise bad_byte(name, here, int(block.data[at]), place + at)
        left = block.raw[block.consumed :]
        place += block.consumed
        first_line += block.raw.count(b"\n", 0, block.consumed)
    yield Spans(*END_OF_TEXT, 0)


def split_lines(stream: Any, name: str, split: "re.Pattern[str]", errors: str) -> Iterator[Batch]:
    """The lines of a stream of UTF-8 made into str, for a regex to cut."""
    place = 0
    with io.BufferedReader(stream, READ) as lines:
        for number, raw in enumerate(lines):
            data = raw if number else raw.removeprefix(codecs.BOM_UTF8)
            place += len(raw) - len(data)
            try:
                line = data.decode("utf-8", errors)
            except UnicodeDecodeError as error:
                raise bad_byte(name, number + 1, data[error.start], place + error.start) from None
            yield Texts(list(pieces(line.removesuffix("\n").removesuffix("\r"), split, number)), number)
            place += len(data)


def bad_byte(name: str, line: int, byte: int, place: int) -> ValueError:
    """The error that says where bytes cease to be UTF-8."""
    return ValueError(
        f"{name}, line {line}: not UTF-8, byte 0x{byte:02x} at {place}; pass errors='replace' to let it be"
    )
