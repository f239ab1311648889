"""Checks of the skip-gram kernels."""

from __future__ import annotations

from typing import Any

from .._backend import kernels
from .._data import english_verse
from ..skipgrams import SkipGrams, count_skipgrams
from . import Check, exact


def _lists() -> list[list[str]]:
    return [line.split() for line in english_verse()[:4000]]


def _bytes() -> bytes:
    return "\n".join(english_verse()[:4000]).encode("utf-8")


def _stream(data: bytes) -> Any:
    kernel = kernels("skipgrams")
    stream = kernel.TokenStream()
    cut = data.index(b" ", len(data) // 2)
    stream.add_bytes(data[:cut])
    taken = stream.take()
    stream.add_bytes(data[cut:])
    stream.end_text()
    ids, offsets, tokens = stream.finish()
    return [it.tolist() for it in (*taken, ids, offsets)], list(tokens)


def _first_invalid(data: bytes) -> list[int]:
    return [kernels("skipgrams").first_invalid(data + end) for end in (b"", b"\xff", b"\xe4\xb8")]


def _content(pairs: SkipGrams) -> Any:
    matrix = pairs.matrix
    return matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist(), pairs.vocabulary, pairs.total


CHECKS = [
    Check(
        "skipgrams.count_skipgrams",
        _lists,
        lambda lists: count_skipgrams(lists, 5),
        lambda fast, slow: exact(_content(fast), _content(slow)),
    ),
    Check("skipgrams.tokens of bytes", _bytes, _stream, exact),
    Check("skipgrams.first_invalid", _bytes, _first_invalid, exact),
]
