"""Where the benchmarks' data lies: ``FASTCORE_DATA``, or where ``python -m bench standins`` writes it."""

from __future__ import annotations

import lzma
import os
import tempfile
from functools import cache
from pathlib import Path

# Beside this package, and not under version control.
OWN = Path(__file__).parents[1] / "bench-data"


def folder() -> Path:
    """Return the folder of the data."""
    return Path(os.environ.get("FASTCORE_DATA") or OWN)


def path(name: str) -> Path:
    """Return the path of a data file; FileNotFoundError names it if it isn't there, and says what to do."""
    found = folder() / name
    if not found.exists():
        raise FileNotFoundError(f"{found}: set FASTCORE_DATA, or run python -m bench standins")
    return found


@cache
def lines(name: str) -> list[str]:
    """Return the lines of an xz-compressed UTF-8 text, without line ends."""
    with lzma.open(path(name), "rt", encoding="utf-8", newline="\n") as file:
        return file.read().splitlines()


@cache
def unpacked(name: str) -> Path:
    """Return the path of an uncompressed copy, made once in the folder for temporary files."""
    source = path(name)
    target = Path(tempfile.gettempdir()) / "fastcore-bench" / source.with_suffix("").name
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(lzma.decompress(source.read_bytes()))
    return target
