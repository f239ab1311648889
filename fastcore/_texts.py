"""Texts in files: which files a path stands for, how they are opened, and their lines."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, TypeAlias, cast

from ._extras import require

AnyPath: TypeAlias = "str | os.PathLike[str]"
STDIN = "-"
# Suffixes that files are (de)compressed by.
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
# Compressed bytes that are read at a time: they may stand for thirty thousand times as many.
ZSTD_READ = 1 << 14


def files_of(path: AnyPath) -> list[Path]:
    """Return the file, or every file below the folder, in sorted order; links to folders aren't followed.

    Raises
    ------
    OSError
        If there is nothing of that name, a link leads nowhere, or a folder can't be read.
    ValueError
        If the folder holds no file.
    """
    found = Path(path)
    if not found.is_dir():
        found.stat()
        return [found]
    entries = (Path(folder, name) for folder, _, names in os.walk(found, onerror=_give_up) for name in names)
    files = sorted(entry for entry in entries if S_ISREG(entry.stat().st_mode))
    if not files:
        raise ValueError(f"the folder {found} holds no file")
    return files


def _give_up(error: OSError) -> None:
    raise error


def open_binary(path: AnyPath, mode: str = "rb") -> BinaryIO:
    """Open a file to read or write bytes, (de)compressed by suffix (.gz .bz2 .xz .zst)."""
    suffix = Path(path).suffix
    if suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, mode))
    if suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path, mode))
    if suffix == ".xz":
        return cast(BinaryIO, lzma.open(path, mode))
    if suffix == ".zst":
        zstandard = require("zstandard", "zstd", ".zst files")
        return cast(BinaryIO, _ZstdReader(path, zstandard) if "r" in mode else zstandard.open(path, mode))
    return cast(BinaryIO, open(path, mode))


@contextmanager
def reading(path: AnyPath) -> Iterator[BinaryIO]:
    """Open a file to read bytes as `open_binary` does; an OSError that names it says that it is damaged."""
    with open_binary(path) as stream:
        try:
            yield stream
        except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
            # What the system says has a number; what a decompressor says has none.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise OSError(f"{os.fspath(path)} is damaged: {error}") from error


class _ZstdReader(io.BufferedReader):
    """All frames of a .zst file, each to its end: the library's own reader is content with part of one."""

    def __init__(self, path: AnyPath, zstandard: Any) -> None:
        super().__init__(_ZstdFrames(path, zstandard), 1 << 17)


class _ZstdFrames(io.RawIOBase):
    _file: BinaryIO | None = None  # until it is open

    def __init__(self, path: AnyPath, zstandard: Any) -> None:
        self._zstandard = zstandard
        self._frame: Any = None
        self._packed = b""
        self._ready = memoryview(b"")
        self._file = open(path, "rb")  # noqa: SIM115 closed with this

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            assert self._file is not None
            self._packed = self._packed or self._file.read(ZSTD_READ)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("the file ends within a frame")
                return 0
            if self._frame is None:
                self._frame = self._zstandard.ZstdDecompressor().decompressobj()
            try:
                self._ready = memoryview(self._frame.decompress(self._packed))
            except self._zstandard.ZstdError as error:
                raise OSError(str(error)) from error
            self._packed = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def lines_of(path: AnyPath, errors: str = "strict") -> Iterator[str]:
    r"""Yield the lines of a UTF-8 file (or of every file of a folder) without their ends (\n or \r\n).

    The str "-" is standard input; a file of that name is ``Path("-")``.

    Raises
    ------
    OSError
        If a file can't be read, or its compression is damaged.
    ValueError
        If bytes aren't UTF-8, naming file, line and byte; with ``errors="replace"`` they become U+FFFD.
    """
    for file in [STDIN] if path == STDIN else files_of(path):
        # Standard input stays open: it isn't ours.
        with nullcontext(sys.stdin.buffer) if file == STDIN else reading(file) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    text = line.decode("utf-8", errors)
                except UnicodeDecodeError as error:
                    raise ValueError(
                        f"{file}, line {number}, byte {error.start + 1} of the line: not UTF-8 ({error.reason})"
                    ) from None
                if number == 1:
                    text = text.removeprefix("\ufeff")  # the byte order mark some editors write
                yield text.removesuffix("\n").removesuffix("\r")
