"""Where the benchmarks' own data lies: ``FASTCORE_DATA``, default ``../shared/data``."""

from __future__ import annotations

import lzma
import os
import tempfile
from functools import cache
from pathlib import Path


def path(name: str) -> Path:
    """Return the path of a data file; FileNotFoundError names it if it isn't there."""
    found = Path(os.environ.get("FASTCORE_DATA", "../shared/data")) / name
    if not found.exists():
        raise FileNotFoundError(found)
    return found


@cache
def lines(name: str) -> list[str]:
    """Return the lines of an xz-compressed UTF-8 text, without line ends."""
    with lzma.open(path(name), "rt", encoding="utf-8", newline="\n") as file:
        return file.read().splitlines()


@cache
def unpacked(name: str) -> Path:
    """Return the path of an uncompressed copy, made once in the folder for temporary files."""
    target = Path(tempfile.gettempdir()) / "fastcore-bench" / Path(name).with_suffix("").name
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(lzma.decompress(path(name).read_bytes()))
    return target
