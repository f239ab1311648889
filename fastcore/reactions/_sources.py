"""Where a file of a network comes from: a path, or the text itself."""

from __future__ import annotations

import os


def source_bytes(source: str | bytes | os.PathLike[str], mark: str = "\n") -> tuple[str, bytes]:
    """What errors call the source, and its bytes; a str with the mark in it is the text itself, any other a path."""
    if isinstance(source, bytes):
        return "the text", source
    if isinstance(source, str) and ("\n" in source or mark in source):
        return "the text", source.encode()
    if isinstance(source, str | os.PathLike):
        from .._texts.files import reading  # with compressors, which fastcore.ode has no use for

        with reading(source) as file:
            return os.fsdecode(source), file.read()
    raise TypeError(f"source must be a path, or the text as str or bytes, got {type(source).__name__}")
