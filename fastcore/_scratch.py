"""A temporary file whose errors say where it lies: it has no name that the system could give."""

from __future__ import annotations

import io
import os
import tempfile
from typing import Any

from ._whole import naming


class _File(io.FileIO):
    """A file that is closed when nobody holds it any more, which is no oversight."""

    def __del__(self) -> None:
        self.close()


class Scratch:
    """A file for what doesn't stay in memory; gone when this is."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            # Unbuffered: blocks are large, and closing it has nothing left to write to a disk that is full.
            self.file = _File(os.dup(file.fileno()), "rb+")

    def write(self, data: Any) -> None:
        """Write all of an array."""
        rest = memoryview(data).cast("B") if len(data) else b""
        with naming(tempfile.gettempdir()):
            while len(rest):
                rest = rest[self.file.write(rest) or 0 :]

    def read(self, size: int) -> bytes:
        """Read so many bytes, or what is left."""
        parts = []
        while size and (part := self.file.read(size)):  # one call of the system gives no more than 2 GiB
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def seek(self, at: int) -> None:
        """Read or write there next."""
        self.file.seek(at, os.SEEK_SET)

    def close(self) -> None:
        """Close it; what it held is gone."""
        self.file.close()
