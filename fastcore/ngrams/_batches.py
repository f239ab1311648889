"""Batches of texts on their way into one stream of ids, with a 0 after each text."""

import re
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import _texts
from .._texts import READ, Lines, Manner, Spans

Ids = NDArray[np.uint32]


def check_split(split: Any) -> None:
    """Refuse what isn't a compiled regex for str."""
    if split is not None and not (isinstance(split, re.Pattern) and isinstance(split.pattern, str)):
        raise TypeError(f"split must be a compiled regular expression for str, got {type(split).__name__}")


class Batch(Protocol):
    """Some texts on their way into the stream of ids."""

    def encode(self, encoder: Any, out: Ids) -> tuple[int, bool]:
        """Write ids into `out`; return how many, and whether all of the batch was written."""


class ListBatch:
    """A list of str, or of lists of tokens."""

    def __init__(self, texts: list[Any], number: int) -> None:
        self.texts, self.number = texts, number
        self.index = self.position = 0

    def encode(self, encoder: Any, out: Ids) -> tuple[int, bool]:
        self.index, self.position, filled = encoder.encode(self.texts, self.index, self.position, out, self.number)
        return filled, self.index == len(self.texts)


class SpanBatch:
    """Texts that lie as UTF-8 between offsets in one array of bytes."""

    def __init__(self, spans: Spans) -> None:
        self.data, self.offsets, self.number = spans.data, spans.offsets, spans.number
        self.index = self.position = 0

    def encode(self, encoder: Any, out: Ids) -> tuple[int, bool]:
        self.index, self.position, filled = encoder.encode_spans(
            self.data, self.offsets, self.index, self.position, out, self.number
        )
        return filled, self.index + 1 >= len(self.offsets)


class Block:
    """A piece of a stream of UTF-8 whose lines are texts."""

    def __init__(self, data: bytes, last: bool) -> None:
        self.raw, self.data, self.last = data, np.frombuffer(data, np.uint8), last
        self.consumed = 0
        self.invalid = False

    def encode(self, encoder: Any, out: Ids) -> tuple[int, bool]:
        consumed, filled, self.invalid = encoder.encode_utf8(self.data[self.consumed :], out, self.last, True)
        self.consumed += consumed
        return filled, self.invalid or filled < len(out)


END_OF_TEXT = Spans(np.zeros(0, np.uint8), np.zeros(2, np.int64), 0)


def batches(texts: Any, split: "re.Pattern[str] | None", manner: Manner, size: int) -> Iterator[Batch]:
    """Cut texts of any kind into batches; `size` bounds the symbols of a batch as far as texts can be told apart."""
    number = 0
    for batch in _texts.batches(texts, manner, None if isinstance(texts, list) else size):
        if split is not None:
            for part in batch.strings(manner):
                yield from (ListBatch(list(pieces(text, split)), number + i) for i, text in enumerate(part))
                number += len(part)
        elif isinstance(batch, Lines):
            yield from line_batches(batch)
        elif not isinstance(batch, Spans):
            yield ListBatch(batch.texts, batch.number)
        elif manner.as_is:
            yield SpanBatch(batch)
        else:
            for part in batch.strings(manner):
                yield ListBatch(part, number)
                number += len(part)


def pieces(text: str, split: "re.Pattern[str]") -> Iterator[str]:
    """What stands between the matches of a regex in one text."""
    start = 0
    for match in split.finditer(text):
        if match.start() > start:
            yield text[start : match.start()]
        start = match.end()
    if start < len(text):
        yield text[start:]


def line_batches(lines: Lines) -> Iterator[Batch]:
    """The lines of a stream of UTF-8, a block at a time."""
    left, last = b"", False
    while not last:
        # What isn't whole is read again with more after it: twice as much each time, lest that go on for ever.
        more = lines.read(max(READ, len(left)))
        last = not more
        block = Block(left + more, last)
        yield block
        if block.invalid:
            raise lines.bad(block.raw, block.consumed)
        lines.take(block.raw[: block.consumed])
        left = block.raw[block.consumed :]
    yield SpanBatch(END_OF_TEXT)
