"""Slow twin of the symbols' kernels: dictionaries from characters or tokens to ids 1, 2, ..., a 0 after each text."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._turns import TakesTurns, alone

Ids = NDArray[np.uint32]


def _check_scalar(text: str, number: int) -> None:
    for character in text:
        if "\ud800" <= character <= "\udfff":
            raise ValueError(
                f"texts[{number}] must be valid Unicode, got the lone surrogate U+{ord(character):04X}: "
                "encode it with errors='replace' first"
            )


def _whole(data: NDArray[np.uint8], last: bool) -> tuple[str, bool]:
    """The longest beginning of some bytes that is UTF-8, and whether what follows can't become so."""
    raw = bytes(data)
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError as error:
        return raw[: error.start].decode("utf-8"), last or error.reason != "unexpected end of data"


def _bad_utf8(number: int, position: int, byte: int) -> ValueError:
    return ValueError(
        f"texts[{number}], byte {position + 1}: not UTF-8 (0x{byte:02x}); pass errors='replace' to let it be"
    )


def _check_offsets(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
    """Refuse offsets that don't rise within the data."""
    before = 0
    for i, offset in enumerate(offsets.tolist()):
        if not before <= offset <= len(data):
            raise ValueError(f"offsets must rise from 0 to at most {len(data)}, got {offset} at {i}")
        before = offset


class _Encoder(TakesTurns):
    """What the two ways to number symbols share: bytes are read by the one's or the other's `_read`."""

    def _read(self, data: NDArray[np.uint8], out: Ids, last: bool, lines: bool) -> tuple[int, int, bool]:
        raise NotImplementedError

    @alone
    def encode_utf8(self, data: NDArray[np.uint8], out: Ids, last: bool, lines: bool) -> tuple[int, int, bool]:
        """Write the ids of UTF-8 until `out` is full; where `lines`, a line's end gives a 0.

        Returns how many bytes were consumed (what is left may be the beginning of a symbol, unless `last`),
        how many ids were written, and whether the byte after the consumed ones makes no UTF-8.
        """
        return self._read(data, out, last, lines)

    @alone
    def encode_spans(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], index: int, position: int, out: Ids, number: int
    ) -> tuple[int, int, int]:
        """Like `encode` for texts that lie as UTF-8 between offsets in `data`; positions count bytes."""
        _check_offsets(data, offsets)
        filled = 0
        while index + 1 < len(offsets) and filled < len(out):
            text = data[offsets[index] + position : offsets[index + 1]]
            consumed, more, invalid = self._read(text, out[filled:], True, False)
            position += consumed
            filled += more
            if invalid:
                raise _bad_utf8(number + index, position, int(data[offsets[index] + position]))
            if consumed == len(text) and filled < len(out):
                out[filled] = 0
                filled += 1
                index, position = index + 1, 0
        return index, position, filled


class Alphabet(_Encoder):
    """Code points to ids 1, 2, ... by first occurrence; a code point outside the kept ranges separates."""

    def __init__(self, ranges: NDArray[np.int64]) -> None:
        self._ranges = ranges.tolist()
        self._ids: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    @alone
    def symbols(self) -> Ids:
        """The code points, in the order of their ids."""
        return np.array(list(self._ids), np.uint32)

    @alone
    def add(self, symbols: Ids) -> Ids:
        """Give ids to code points that have none, and return the ids of all."""
        for symbol in symbols.tolist():
            if symbol >= 0x110000 or 0xD800 <= symbol <= 0xDFFF:
                raise ValueError(f"symbols must be Unicode scalar values, got {symbol:#x}")
        return np.array([self._id(symbol) for symbol in symbols.tolist()], np.uint32)

    def _id(self, point: int) -> int:
        if any(low <= point < high for low, high in self._ranges):
            return self._ids.setdefault(point, len(self._ids) + 1)
        return 0

    @alone
    def encode(self, texts: list[Any], index: int, position: int, out: Ids, number: int) -> tuple[int, int, int]:
        """Write the ids of texts[index][position:], texts[index + 1], ..., a 0 after each, until `out` is full.

        Returns the index and the position to go on with, and how many ids were written. `number` is what
        messages call texts[0].
        """
        filled = 0
        while index < len(texts) and filled < len(out):
            text = texts[index]
            if not isinstance(text, str):
                raise TypeError(f"texts[{number + index}] must be a str, got {type(text).__name__}")
            text = str.__str__(text)  # a subclass may lie about its length
            piece = text[position : position + len(out) - filled]
            _check_scalar(piece, number + index)
            for character in piece:
                out[filled] = self._id(ord(character))
                filled += 1
            position += len(piece)
            if position == len(text) and filled < len(out):
                out[filled] = 0
                filled += 1
                index, position = index + 1, 0
        return index, position, filled

    def _read(self, data: NDArray[np.uint8], out: Ids, last: bool, lines: bool) -> tuple[int, int, bool]:
        # A line ends with \n or \r\n.
        text, invalid = _whole(data, last)
        consumed = filled = 0
        for i, character in enumerate(text):
            if filled == len(out):
                return consumed, filled, False
            if lines and character == "\r":
                if i + 1 == len(text) and not last and not invalid:
                    break
                if text[i + 1 : i + 2] == "\n":
                    consumed += 1
                    continue
            out[filled] = 0 if lines and character == "\n" else self._id(ord(character))
            filled += 1
            consumed += len(character.encode())
        return consumed, filled, invalid


class Vocabulary(_Encoder):
    """Tokens to ids 1, 2, ... by first occurrence."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    @alone
    def symbols(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The tokens in the order of their ids: their UTF-8 end to end, and the offsets of their ends."""
        encoded = [token.encode() for token in self._ids]
        return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    @alone
    def add(self, text: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Ids:
        """Give ids to tokens that have none, and return the ids of all."""
        _check_offsets(text, offsets)
        raw = bytes(text)
        return np.array([self._id(raw[a:b].decode(), 0) for a, b in pairwise(offsets.tolist())], np.uint32)

    def _id(self, token: Any, number: int) -> int:
        if not isinstance(token, str):
            raise TypeError(f"texts[{number}] must hold str tokens, got {type(token).__name__}")
        token = str.__str__(token)
        if token not in self._ids:
            _check_scalar(token, number)
            self._ids[token] = len(self._ids) + 1
        return self._ids[token]

    @alone
    def encode(self, texts: list[Any], index: int, position: int, out: Ids, number: int) -> tuple[int, int, int]:
        """Write the ids of the tokens of texts[index][position:], ..., a 0 after each text, until `out` is full.

        A text is a list or tuple of tokens, or a str that is split at white space. Returns the index and the
        position to go on with, and how many ids were written. `number` is what messages call texts[0].
        """
        filled = 0
        while index < len(texts) and filled < len(out):
            text = texts[index]
            if isinstance(text, str):
                tokens: Any = str.split(text)
            elif isinstance(text, list | tuple):
                tokens = text
            else:
                raise TypeError(
                    f"texts[{number + index}] must be a list of tokens or a str to split, got {type(text).__name__}"
                )
            while position < len(tokens) and filled < len(out):
                out[filled] = self._id(tokens[position], number + index)
                filled += 1
                position += 1
            if position >= len(tokens) and filled < len(out):
                out[filled] = 0
                filled += 1
                index, position = index + 1, 0
        return index, position, filled

    def _read(self, data: NDArray[np.uint8], out: Ids, last: bool, lines: bool) -> tuple[int, int, bool]:
        # Split at white space.
        text, invalid = _whole(data, last)
        consumed = filled = 0
        for match in re.finditer(r"\S+|\s", text):
            if filled == len(out):
                return consumed, filled, False
            piece = match.group()
            if not piece.isspace():
                if match.end() == len(text) and (invalid or not last):
                    break
                out[filled] = self._id(piece, 0)
                filled += 1
            elif piece == "\n" and lines:
                out[filled] = 0
                filled += 1
            consumed += len(piece.encode())
        if invalid:
            consumed = len(text.encode())
        return consumed, filled, invalid
