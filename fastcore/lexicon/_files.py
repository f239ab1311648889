"""Lexicons on disk: lines of text, and a binary form that is mapped into memory."""

from __future__ import annotations

import codecs
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from .._texts import COMPRESSED, open_binary, reading

MAGIC = b"fastcore lexicon 1\n".ljust(32, b"\0")
Arrays = tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """Lines of a UTF-8 file, or a ValueError naming file, line and byte."""
    with reading(Path(path)) as file:
        data = file.read()
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1)
        raise ValueError(f"{os.fspath(path)}, line {line}, byte {column}: not UTF-8 ({error.reason})") from None


def parse_text(lines: Iterable[str], name: str) -> dict[str, int]:
    """Words and counts of lines ``word count [tag]``; the last of a repeated word holds."""
    words: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        parts = line.rstrip("\r").replace("\t", " ").strip(" ").split(" ", 2)
        if len(parts) == 3 and not parts[1]:
            parts = re.split(" +", line.rstrip("\r").replace("\t", " ").strip(" "))
        if len(parts) < 2:
            if not parts[0]:
                continue
            raise ValueError(f"{name}, line {number}: expected 'word count [tag]', got no count in {line!r}")
        count = parts[1]
        if not (count.isascii() and count.isdigit()) or not 0 < (value := int(count.lstrip("0")[:20] or "0")) < 2**63:
            raise ValueError(f"{name}, line {number}: the count must be an integer in [1, 2**63), got {count!r}")
        words[parts[0]] = value
    return words


def write_text(path: str | os.PathLike[str], items: Iterable[tuple[str, int]]) -> None:
    """Write lines ``word count``."""
    lines = []
    for word, count in items:
        if any(character.isspace() for character in word):
            raise ValueError(f"{word!r} can't be saved as text, since it holds white space: save with binary=True")
        lines.append(f"{word} {count}\n")
    try:
        # A word may begin with what a reader takes for a byte order mark: then the file gets one of its own.
        mark = "\ufeff" if lines and lines[0].startswith("\ufeff") else ""
        data = "".join([mark, *lines]).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"a word can't be saved as text, since it holds a lone surrogate: {error.reason}") from None
    _replace(path, [data])


def write_binary(
    path: str | os.PathLike[str],
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
    _replace(path, [MAGIC + sizes.tobytes(), *parts])


def _replace(path: str | os.PathLike[str], parts: list[bytes]) -> None:
    """Write beside `path`, compressed by its suffix, and rename: a failure leaves nothing that looks whole."""
    target = Path(path)
    prefix, suffix = f".{target.name}.", target.suffix
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=prefix, suffix=suffix, delete=False) as file:
        try:
            file.close()
            with open_binary(file.name, "wb") as stream:
                for part in parts:
                    stream.write(part)
            os.chmod(file.name, 0o644)
            os.replace(file.name, target)
        except BaseException:
            file.close()
            os.unlink(file.name)
            raise


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


def mapped_file(path: str | os.PathLike[str]) -> MappedFile | None:
    """What is known of a binary file that can be mapped; None for a compressed one or another kind of file."""
    if Path(path).suffix in COMPRESSED:
        return None
    with open(path, "rb") as file:
        head = file.read(64)
        size = file.seek(0, os.SEEK_END)
    if len(head) < 64 or not head.startswith(MAGIC):
        return None
    return MappedFile(os.path.abspath(path), size, int(np.frombuffer(head, "<i8")[7]))


def parse_binary(path: str | os.PathLike[str]) -> Arrays | None:
    """Map a binary file's arrays, checked so far that they can be used; None if it isn't a binary file.

    A compressed one is read into memory.
    """
    with reading(Path(path)) as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        packed = Path(path).suffix in COMPRESSED
        data = np.frombuffer(MAGIC + file.read(), np.uint8) if packed else np.memmap(path, np.uint8, mode="r")
    name = os.fspath(path)
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
            return parse_text(read_lines(path), str(path))
    raise ImportError(
        "a Tokenizer without a lexicon uses jieba's dictionary: pip install 'fastcore-kernels[zh]', or give a lexicon"
    )
