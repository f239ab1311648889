"""Texts: the one door through which they come in, the files they lie in, and the characters that are kept of them."""

from .files import COMPRESSED, AnyPath, files_of, packing, reading
from .sources import (
    READ,
    Batch,
    Lines,
    Listed,
    Manner,
    Spans,
    Texts,
    bad_byte,
    batches,
    check_texts,
    decoded,
    files_among,
    how_many,
    string_lists,
    strings,
)

__all__ = [
    "COMPRESSED",
    "READ",
    "AnyPath",
    "Batch",
    "Lines",
    "Listed",
    "Manner",
    "Spans",
    "Texts",
    "bad_byte",
    "batches",
    "check_texts",
    "decoded",
    "files_among",
    "files_of",
    "how_many",
    "packing",
    "reading",
    "string_lists",
    "strings",
]
