"""A temporary file whose errors say where it lies: it has no name that the system could give."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ._whole import naming


class Scratch:
    """A file for what doesn't stay in memory."""

    def __init__(self) -> None:
        # Unbuffered: blocks are large, and closing it has nothing left to write to a disk that is full.
        self.file: Any = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 closed by `close`

    def write(self, data: Any) -> None:
        """Write all of an array."""
        rest = memoryview(data).cast("B") if len(data) else b""
        with naming(tempfile.gettempdir()):
            while len(rest):
                rest = rest[self.file.write(rest) :]

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        return bytes(self.file.read(size))

    def seek(self, at: int) -> None:
        """Read or write there next."""
        self.file.seek(at, os.SEEK_SET)

    def close(self) -> None:
        """Close it; what it held is gone."""
        self.file.close()
