"""Slow twin of the n-gram kernels: dictionaries from tuples of ids to counts.

A row is an n-gram's key: `per_word` ids a 64-bit word, each word one number in base `radix`, the first id
highest. Id 0 is no symbol: it separates in a stream of ids, and pads a row whose text ended early.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]
Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]


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


class _Encoder:
    """What both encoders do alike with bytes."""

    def encode_utf8(self, data: NDArray[np.uint8], out: Ids, last: bool, lines: bool) -> tuple[int, int, bool]:
        raise NotImplementedError

    def _spans(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], index: int, position: int, out: Ids, number: int
    ) -> tuple[int, int, int]:
        _check_offsets(data, offsets)
        filled = 0
        while index + 1 < len(offsets) and filled < len(out):
            text = data[offsets[index] + position : offsets[index + 1]]
            consumed, more, invalid = self.encode_utf8(text, out[filled:], True, False)
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

    def symbols(self) -> Ids:
        """The code points, in the order of their ids."""
        return np.array(list(self._ids), np.uint32)

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

    def encode_utf8(self, data: NDArray[np.uint8], out: Ids, last: bool, lines: bool) -> tuple[int, int, bool]:
        """Write the ids of UTF-8 until `out` is full; where `lines`, a line's end (\\n or \\r\\n) gives a 0.

        Returns how many bytes were consumed (what is left may be the beginning of a code point, unless `last`),
        how many ids were written, and whether the byte after the consumed ones makes no UTF-8.
        """
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

    def encode_spans(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], index: int, position: int, out: Ids, number: int
    ) -> tuple[int, int, int]:
        """Like `encode` for texts that lie as UTF-8 between offsets in `data`; positions count bytes."""
        return self._spans(data, offsets, index, position, out, number)


class Vocabulary(_Encoder):
    """Tokens to ids 1, 2, ... by first occurrence."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def symbols(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The tokens in the order of their ids: their UTF-8 end to end, and the offsets of their ends."""
        encoded = [token.encode() for token in self._ids]
        return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64)

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
            if position == len(tokens) and filled < len(out):
                out[filled] = 0
                filled += 1
                index, position = index + 1, 0
        return index, position, filled

    def encode_utf8(self, data: NDArray[np.uint8], out: Ids, last: bool, lines: bool) -> tuple[int, int, bool]:
        """Write the ids of UTF-8 split at white space until `out` is full; where `lines`, \\n gives a 0.

        Returns how many bytes were consumed (what is left may be the beginning of a token, unless `last`), how
        many ids were written, and whether the byte after the consumed ones makes no UTF-8.
        """
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

    def encode_spans(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], index: int, position: int, out: Ids, number: int
    ) -> tuple[int, int, int]:
        """Like `encode` for texts that lie as UTF-8 between offsets in `data`; positions count bytes."""
        return self._spans(data, offsets, index, position, out, number)


def _pack(ids: Iterable[int], per_word: int, radix: int) -> tuple[int, ...]:
    ids, words = list(ids), []
    for first in range(0, len(ids), per_word):
        number = 0
        for symbol in ids[first : first + per_word]:
            number = number * radix + symbol
        words.append(number)
    return tuple(words)


def _unpack(row: Iterable[int], order: int, per_word: int, radix: int) -> tuple[int, ...]:
    ids: list[int] = []
    for number in row:
        digits: list[int] = []
        for _ in range(min(per_word, order - len(ids))):
            number, digit = divmod(number, radix)
            digits.append(digit)
        ids += reversed(digits)
    return tuple(ids)


def _rows(keys: Keys) -> list[tuple[int, ...]]:
    return [tuple(row) for row in keys.tolist()]


def _arrays(counted: dict[tuple[int, ...], int], words: int) -> tuple[Keys, Counts]:
    rows = sorted(counted)
    keys = np.array(rows, np.uint64).reshape(len(rows), words)
    return keys, np.array([counted[row] for row in rows], np.int64)


def count_windows(ids: Ids, starts: int, order: int, per_word: int, radix: int) -> tuple[Keys, NDArray[np.uint32]]:
    """Count the windows of up to `order` ids that begin at the first `starts` places and end before a 0.

    Returns the rows in order, and their counts.
    """
    stream = ids.tolist()
    counted: Counter[tuple[int, ...]] = Counter()
    for i in range(min(starts, len(stream))):
        window = stream[i : i + order]
        if 0 in window:
            window = window[: window.index(0)]
        if window:
            counted[(*window, *[0] * (order - len(window)))] += 1
    packed = {_pack(window, per_word, radix): count for window, count in counted.items()}
    keys, counts = _arrays(packed, -(-order // per_word))
    return keys, counts.astype(np.uint32)


def sort_rows(keys: Keys, counts: Counts) -> tuple[Keys, Counts]:
    """Sort rows, adding the counts of equal ones."""
    counted: Counter[tuple[int, ...]] = Counter()
    for row, count in zip(_rows(keys), counts.tolist(), strict=True):
        counted[row] += count
    return _arrays(counted, keys.shape[1])


def merge_runs(keys: list[Keys], counts: list[Counts]) -> tuple[Keys, Counts]:
    """Merge sorted runs of distinct rows into one, adding the counts of equal rows."""
    return sort_rows(np.concatenate(keys), np.concatenate(counts))


def prefixes(keys: Keys, counts: Counts, order: int, per_word: int, radix: int) -> tuple[list[Keys], list[Counts]]:
    """Add up sorted rows by their first 1, 2, ..., order ids: a list of keys and a list of counts."""
    counted: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order)]
    for row, count in zip(_rows(keys), counts.tolist(), strict=True):
        ids = _unpack(row, order, per_word, radix)
        for k in range(1, order + 1):
            if ids[k - 1] == 0:
                break
            counted[k - 1][ids[:k]] += count
    found = [
        _arrays({_pack(ids, per_word, radix): n for ids, n in counter.items()}, -(-k // per_word))
        for k, counter in enumerate(counted, 1)
    ]
    return [k for k, _ in found], [n for _, n in found]


def unpack(keys: Keys, order: int, per_word: int, radix: int) -> Ids:
    """The ids of each row, as an array (rows, order)."""
    return np.array([_unpack(row, order, per_word, radix) for row in _rows(keys)], np.uint32).reshape(-1, order)


def pack(ids: Ids, per_word: int, radix: int) -> Keys:
    """The row of each tuple of ids, all of them below `radix`."""
    words = -(-ids.shape[1] // per_word)
    return np.array([_pack(row, per_word, radix) for row in ids.tolist()], np.uint64).reshape(-1, words)


def find(keys: Keys, wanted: Keys) -> NDArray[np.int64]:
    """For each wanted row the first of the sorted `keys` that isn't below it."""
    found = [bisect_left(range(len(keys)), row, key=lambda i: tuple(keys[i].tolist())) for row in _rows(wanted)]
    return np.array(found, np.int64)


def heads(keys: Keys, shorter: Keys, order: int, per_word: int, radix: int) -> NDArray[np.int64]:
    """For each row of `order` ids the row of `shorter` that holds all but the last; -1 if there is none."""
    row_of = {_unpack(row, order - 1, per_word, radix): i for i, row in enumerate(_rows(shorter))}
    return np.array([row_of.get(_unpack(row, order, per_word, radix)[:-1], -1) for row in _rows(keys)], np.int64)


def tails(keys: Keys, shorter: Keys, order: int, per_word: int, radix: int) -> NDArray[np.int64]:
    """For each row of `order` ids the row of `shorter` that holds all but the first; -1 if there is none."""
    row_of = {_unpack(row, order - 1, per_word, radix): i for i, row in enumerate(_rows(shorter))}
    return np.array([row_of.get(_unpack(row, order, per_word, radix)[1:], -1) for row in _rows(keys)], np.int64)


def is_sorted(keys: Keys) -> bool:
    """Whether each row is above the one before it."""
    rows = _rows(keys)
    return all(a < b for a, b in pairwise(rows))
