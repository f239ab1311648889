"""Texts in files: which files a path stands for, how they are opened, and their lines."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from ._extras import require

AnyPath: TypeAlias = "str | os.PathLike[str]"
STDIN = "-"


def files_of(path: AnyPath) -> list[Path]:
    """Return the file, or every file below the folder, in sorted order.

    Raises
    ------
    FileNotFoundError
        If there is nothing of that name.
    ValueError
        If the folder holds no file.
    """
    found = Path(path)
    if not found.is_dir():
        found.stat()
        return [found]
    files = sorted(p for p in found.rglob("*") if p.is_file())
    if not files:
        raise ValueError(f"the folder {found} holds no file")
    return files


def open_binary(path: AnyPath, mode: str = "rb") -> BinaryIO:
    """Open a file to read or write bytes, (de)compressed by suffix (.gz .bz2 .xz .zst); "-" is stdin or stdout."""
    if os.fspath(path) == STDIN:
        return sys.stdin.buffer if "r" in mode else sys.stdout.buffer
    suffix = Path(path).suffix
    if suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, mode))
    if suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path, mode))
    if suffix == ".xz":
        return cast(BinaryIO, lzma.open(path, mode))
    if suffix == ".zst":
        return cast(BinaryIO, require("zstandard", "zstd", ".zst files").open(path, mode))
    return cast(BinaryIO, open(path, mode))


def lines_of(path: AnyPath, errors: str = "strict") -> Iterator[str]:
    r"""Yield the lines of a UTF-8 file (or of every file of a folder) without their ends (\n or \r\n).

    Raises
    ------
    ValueError
        If bytes aren't UTF-8, naming file, line and byte; with ``errors="replace"`` they become U+FFFD.
    """
    for file in [Path(path)] if os.fspath(path) == STDIN else files_of(path):
        with open_binary(file) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    text = line.decode("utf-8", errors)
                except UnicodeDecodeError as error:
                    raise ValueError(
                        f"{file}, line {number}, byte {error.start + 1} of the line: not UTF-8 ({error.reason}); "
                        "errors='replace' puts U+FFFD there"
                    ) from None
                if number == 1:
                    text = text.removeprefix("\ufeff")  # the byte order mark some editors write
                yield text.removesuffix("\n").removesuffix("\r")
