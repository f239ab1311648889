"""Lexicons on disk: lines of text, and a binary form that is mapped into memory."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from .._texts import COMPRESSED, AnyPath, Lines, Manner, packing, reading
from .._whole import whole_file

MAGIC = b"fastcore lexicon 1\n".ljust(32, b"\0")
# Bytes that are written at a time.
PIECE = 1 << 16
# What may be a tag where no count is: anything else could be the rest of a word, or a count gone wrong.
TAG = re.compile("[a-z][a-z0-9]*")
Arrays = tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]


def read_lexicon(path: AnyPath) -> Arrays | dict[str, int]:
    """The arrays of a binary file, mapped if it lies on disk as it is; or words and counts of lines of text."""
    with reading(path) as file:
        name = os.fspath(path)
        head = file.read(len(MAGIC))
        if head == MAGIC and Path(path).suffix not in COMPRESSED and file.seekable():
            return parse_binary(np.memmap(path, np.uint8, mode="r"), name)
        data = head + file.read()
    if b" " in data and MAGIC.startswith(data):
        raise ValueError(f"{name} isn't a whole lexicon file: it is cut short")
    if head == MAGIC:
        return parse_binary(np.frombuffer(data, np.uint8), name)
    return parse_text(data, name)


def parse_text(data: bytes, name: str) -> dict[str, int]:
    """Words and counts of lines ``word [count] [tag]``; the last count of a repeated word holds.

    A word without a count gets 1, the least there is; a tag without a count is of small Latin letters and digits.
    """
    if not data:
        raise ValueError(f"{name} is no lexicon: it is empty")
    words: dict[str, int] = {}
    manner = Manner(name, cure="")
    for number, line in enumerate(chain.from_iterable(Lines(BytesIO(data), name, manner).strings(manner)), 1):
        parts = line.replace("\t", " ").strip(" ").split(" ", 2)
        if len(parts) == 3 and not parts[1]:
            parts = re.split(" +", line.replace("\t", " ").strip(" "), maxsplit=2)
        word, count = parts[0], parts[1] if len(parts) > 1 else None
        if "\0" in line:
            raise ValueError(f"{name}, line {number}: holds NUL, so this is no text, or a damaged lexicon")
        if count is None or (len(parts) == 2 and TAG.fullmatch(count)):
            if word:
                words.setdefault(word, 1)
        elif not (count.isascii() and count.isdigit()) or not 0 < (value := int(count.lstrip("0")[:20] or "0")) < 2**63:
            wanted = "expected 'word [count] [tag]' with a count in [1, 2**63)"
            raise ValueError(f"{name}, line {number}: {wanted}, got {count!r} in {line!r}")
        else:
            words[word] = value
    return words


def fits_text(word: str) -> bool:
    """Whether a text file's line may hold the word: without white space and NUL."""
    return not any(character.isspace() or character == "\0" for character in word)


def write_text(path: AnyPath, items: Iterable[tuple[str, int]]) -> None:
    """Write lines ``word count``."""
    lines = []
    for word, count in items:
        if not fits_text(word):
            raise ValueError(
                f"{word!r} can't be saved as text, since it holds white space or NUL: save with binary=True"
            )
        lines.append(f"{word} {count}\n")
    try:
        # A word may begin with what a reader takes for a byte order mark: then the file gets one of its own.
        mark = "\ufeff" if lines and lines[0].startswith("\ufeff") else ""
        data = "".join([mark, *lines]).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"a word can't be saved as text, since it holds a lone surrogate: {error.reason}") from None
    # A file of nothing is what a failure leaves behind, so no lexicon is written like that.
    _write(path, [data or b"\n"])


def write_binary(
    path: AnyPath,
    codes: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    layout: NDArray[np.uint8],
) -> None:
    """Write magic, the sizes and a checksum, then each array, at multiples of 64 bytes."""
    parts, checksum = [], 0
    for array in (offsets.astype("<i8"), counts.astype("<i8"), codes.astype("<u4"), layout):
        parts.append(array.tobytes())
        parts.append(bytes(-len(parts[-1]) % 64))
    for part in parts:
        checksum = crc32(part, checksum)
    sizes = np.array([len(counts), len(codes), len(layout), checksum], "<i8")
    _write(path, [MAGIC + sizes.tobytes(), *parts])


def _write(path: AnyPath, parts: list[bytes]) -> None:
    """Write a file whole or not at all, compressed by its suffix."""
    with whole_file(path) as file, packing(file, path) as stream:
        for part in parts:
            # Compression is slow, and Ctrl-C waits for what it is given.
            for start in range(0, len(part), PIECE):
                stream.write(part[start : start + PIECE])


class MappedFile(NamedTuple):
    """A binary file that a lexicon is mapped from: where it is, and by what it is known again."""

    path: str
    size: int
    checksum: int

    def checked(self) -> str:
        """Return the path, or raise if the file isn't the same any more."""
        if mapped_file(self.path) != self:
            raise ValueError(f"{self.path} isn't the file that the lexicon was mapped from when it was pickled")
        return self.path


def mapped_file(path: AnyPath) -> MappedFile | None:
    """What is known of a binary file that can be mapped; None for any other."""
    if Path(path).suffix in COMPRESSED or not stat.S_ISREG(os.stat(path).st_mode):
        return None
    with open(path, "rb") as file:
        head = file.read(64)
        size = file.seek(0, os.SEEK_END)
    if len(head) < 64 or not head.startswith(MAGIC):
        return None
    return MappedFile(os.path.abspath(path), size, int(np.frombuffer(head, "<i8")[7]))


def parse_binary(data: NDArray[np.uint8], name: str) -> Arrays:
    """The arrays of a binary file's bytes, checked so far that they can be used."""
    if len(data) < 64:
        raise ValueError(f"{name} isn't a whole lexicon file: it is cut short")
    n_words, n_codes, n_layout, checksum = (int(n) for n in data[32:64].view("<i8"))
    arrays: list[NDArray[np.generic]] = []
    start = 64
    for size, dtype in ((n_words + 1, "<i8"), (n_words, "<i8"), (n_codes, "<u4"), (n_layout, "u1")):
        length = size * np.dtype(dtype).itemsize
        if not 0 <= size <= len(data) or start + length > len(data):
            raise ValueError(f"{name} isn't a whole lexicon file: it is cut short or its sizes are wrong")
        arrays.append(np.asarray(data[start : start + length]).view(dtype))
        start += length + -length % 64
    if start != len(data):
        raise ValueError(f"{name} isn't a whole lexicon file: {len(data) - start} bytes are left over")
    if crc32(data[64:].data) != checksum:
        raise ValueError(f"{name} isn't a whole lexicon file: its checksum is wrong")
    offsets, counts, codes, layout = arrays
    _check(name, offsets, counts, codes)  # type: ignore[arg-type]
    native = [a.astype(a.dtype.newbyteorder("="), copy=False) for a in (codes, offsets, counts, layout)]
    return native[0], native[1], native[2], native[3]


def _check(name: str, offsets: NDArray[np.int64], counts: NDArray[np.int64], codes: NDArray[np.uint32]) -> None:
    """Refuse arrays that no lexicon has."""
    good = (
        offsets[0] == 0
        and offsets[-1] == len(codes)
        and bool((np.diff(offsets) > 0).all())
        and bool((counts > 0).all())
        and (int((counts >> 32).sum()) << 32) + int((counts & 0xFFFFFFFF).sum()) < 2**63
        and bool((codes < 0x110000).all())
    )
    if not good:
        raise ValueError(f"{name} isn't a whole lexicon file: its words or counts are damaged")


def jieba_dictionary() -> Mapping[str, int]:
    """The dictionary inside the installed jieba, read as data: its code isn't imported."""
    from importlib.util import find_spec

    spec = find_spec("jieba")
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    for folder in folders:
        path = Path(folder, "dict.txt")
        if path.exists():
            return parse_text(path.read_bytes(), str(path))
    raise ImportError(
        "a Tokenizer without a lexicon uses jieba's dictionary: pip install 'fastcore-kernels[zh]', or give a lexicon"
    )
