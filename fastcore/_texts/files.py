"""Files that texts lie in: which ones a path stands for, and how they are opened, (de)compressed by suffix."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, cast

from .._extras import require
from .._whole import AnyPath as AnyPath
from .._whole import check_path

# Suffixes that files are (de)compressed by.
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
# Compressed bytes that are read at a time (they may stand for thirty thousand times as many), and what is made of them.
PACKED = 1 << 14
UNPACKED = 1 << 20


def files_of(path: AnyPath, pattern: str | None = None) -> list[Path]:
    """Return the file, or every file below the folder, in sorted order; links to folders aren't followed.

    With a `pattern` ("*.txt"; "raw/*.txt" looks at the folder too) only those files of a folder that it matches.

    Raises
    ------
    OSError
        If there is nothing of that name, a link leads nowhere, or a folder can't be read.
    ValueError
        If the folder holds no file.
    """
    os.stat(path)  # also of no name, which a Path would take for this folder
    found = Path(path)
    if not found.is_dir():
        return [found]
    entries = (Path(folder, name) for folder, _, names in os.walk(found, onerror=_give_up) for name in names)
    if pattern is not None:
        entries = (entry for entry in entries if entry.relative_to(found).match(pattern))
    files = sorted(entry for entry in entries if S_ISREG(entry.stat().st_mode))
    if not files:
        raise ValueError(f"the folder {found} holds no file" + (f" that matches {pattern!r}" if pattern else ""))
    return files


def _give_up(error: OSError) -> None:
    raise error


def reading(path: AnyPath) -> BinaryIO:
    """Open a file to read bytes, decompressed by suffix (.gz .bz2 .xz .zst).

    Raises
    ------
    OSError
        If it can't be read; also, while it is read, if its compression is damaged or it has none.
    """
    check_path(path)
    suffix = Path(path).suffix
    if suffix not in COMPRESSED:
        return open(path, "rb")
    new: Callable[[], Any]
    if suffix == ".gz":
        new = _Gzip
    elif suffix == ".bz2":
        new = bz2.BZ2Decompressor
    elif suffix == ".xz":
        # Not whatever the library knows: a flipped bit would make it an older format, which has no checks.
        new = _xz
    else:
        zstandard = require("zstandard", "zstd", ".zst files")
        new = lambda: _Zstd(zstandard)  # noqa: E731
    return cast(BinaryIO, io.BufferedReader(_Unpacked(path, suffix, new), 1 << 17))


class _Unpacked(io.RawIOBase):
    """All streams of a compressed file, each to its end: the libraries' own readers are content with less."""

    _file: BinaryIO | None = None  # until it is open

    def __init__(self, path: AnyPath, suffix: str, new: Callable[[], Any]) -> None:
        self._path, self._suffix, self._new = path, suffix, new
        self._stream: Any = None
        self._streams = 0
        self._padding = 0
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
            try:
                more = self._more()
            except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
                # What the system says has a number; what a decompressor says has none.
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise OSError(f"{os.fspath(self._path)} is damaged: {error}") from error
            if more is None:
                return 0
            self._ready = memoryview(more)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _more(self) -> bytes | None:
        """Unpack some more; None at the end."""
        assert self._file is not None
        if self._stream is None:
            self._packed = self._packed or self._file.read(PACKED)
            if self._streams and self._suffix in (".gz", ".xz"):
                self._skip_padding()
            if not self._packed:
                if not self._streams:
                    raise EOFError("it is empty")
                return None
            self._stream = self._new()
        if self._stream.needs_input and not self._packed:
            self._packed = self._file.read(PACKED)
        ended = self._stream.needs_input and not self._packed
        packed, self._packed = self._packed, b""
        more: bytes = self._stream.decompress(packed, UNPACKED)
        if self._stream.eof:
            self._packed = self._stream.unused_data
            self._stream = None
            self._streams += 1
        elif ended and not more:
            raise EOFError("it is cut short")
        return more

    def _skip_padding(self) -> None:
        """Zeros may follow a stream; .xz counts them by fours."""
        assert self._file is not None
        while self._packed:
            rest = self._packed.lstrip(b"\0")
            self._padding += len(self._packed) - len(rest)
            self._packed = rest or self._file.read(PACKED)
            if rest:
                break
        if self._suffix == ".xz" and self._padding % 4:
            raise EOFError("the zeros after its end don't come by fours")
        self._padding = 0


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ)


class _Gzip:
    """A gzip member, by the interface of the other decompressors."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail or data, most)


class _Zstd:
    """A zstd frame, by the interface of the other decompressors."""

    needs_input = True

    def __init__(self, zstandard: Any) -> None:
        self._error = zstandard.ZstdError
        self._inner = zstandard.ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, most: int) -> bytes:
        try:
            return bytes(self._inner.decompress(data))
        except self._error as error:
            raise OSError(str(error)) from error


@contextmanager
def packing(stream: BinaryIO, path: AnyPath) -> Iterator[BinaryIO]:
    """What is written comes to `stream` compressed as the suffix of `path` says; equal content makes equal files."""
    suffix = Path(path).suffix
    packer: Any
    if suffix == ".gz":
        packer = gzip.GzipFile("", "wb", fileobj=stream, mtime=0)
    elif suffix == ".bz2":
        packer = bz2.BZ2File(stream, "wb")
    elif suffix == ".xz":
        packer = lzma.LZMAFile(stream, "wb")  # noqa: SIM115
    elif suffix == ".zst":
        zstandard = require("zstandard", "zstd", ".zst files")
        packer = zstandard.ZstdCompressor(write_checksum=True).stream_writer(stream, closefd=False)
    else:
        yield stream
        return
    with packer:
        yield packer
