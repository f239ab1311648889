"""Slow twin of the skip-gram kernels."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._turns import TakesTurns, alone


def first_invalid(data: bytes) -> int:
    """Where the first byte that isn't UTF-8 stands, or -1."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return -1


class TokenStream(TakesTurns):
    """Texts made into one stream of token ids, numbered by first occurrence."""

    def __init__(self) -> None:
        self._vocabulary: dict[str, int] = {}
        self._ids: list[int] = []
        self._offsets = [0]

    def _add(self, token: str) -> None:
        self._ids.append(self._vocabulary.setdefault(token, len(self._vocabulary)))

    def _close(self) -> None:
        if len(self._ids) > self._offsets[-1]:
            self._offsets.append(len(self._ids))

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Forget, after an error, the text that isn't whole."""
        try:
            yield
        except BaseException:
            del self._ids[self._offsets[-1] :]
            raise

    @alone
    def add_texts(self, texts: Iterable[Any], number: int) -> None:
        """Append texts: lists of tokens, or str that are split at white space; errors call the first texts[number]."""
        with self._whole():
            for place, text in enumerate(texts, number):
                try:
                    tokens = str.split(text) if isinstance(text, str) else list(text)
                except TypeError:
                    raise TypeError(
                        f"token_lists[{place}] must be a list of tokens or a str to split, got {type(text).__name__}"
                    ) from None
                for token in tokens:
                    if not isinstance(token, str):
                        raise TypeError(f"token_lists[{place}] must hold str tokens, got {type(token).__name__}")
                    # The join makes an exact str of a subclass.
                    self._add("".join([token]))
                self._close()

    @alone
    def add_bytes(self, data: bytes) -> None:
        """Append UTF-8 that doesn't end inside a token: each line a text, the last one still open."""
        *whole, last = data.decode("utf-8").split("\n")
        for line in whole:
            for token in line.split():
                self._add(token)
            self._close()
        for token in last.split():
            self._add(token)

    @alone
    def end_text(self) -> None:
        """End the text that add_bytes left open."""
        self._close()

    @alone
    def take(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the ids and offsets of the texts that are whole, and forget those texts; tokens keep their ids."""
        n, offsets = self._offsets[-1], np.array(self._offsets, np.int64)
        ids = np.array(self._ids[:n], np.int32)
        self._ids, self._offsets = self._ids[n:], [0]
        return ids, offsets

    @alone
    def finish(self) -> tuple[NDArray[np.int32], NDArray[np.int64], list[str]]:
        """Return the ids of all tokens, the texts' offsets in them, and the tokens in the order of their ids."""
        return np.array(self._ids, np.int32), np.array(self._offsets, np.int64), list(self._vocabulary)


def count_pairs(
    ids: NDArray[np.int32] | NDArray[np.int64],
    offsets: NDArray[np.int64],
    n_ids: int,
    window: int,
    min_count: int,
    low: int,
    high: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Count pairs (i, j), 1 <= j - i <= window, of one text each, whose first id lies in [low, high).

    Returns how often each first occurs, the rows' offsets, the seconds, rising in each row, and their counts.
    """
    rows: list[dict[int, int]] = [{} for _ in range(low, high)]
    occurrences = [0] * (high - low)
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist()):
        text = ids[start:end].tolist()
        for i, first in enumerate(text):
            if low <= first < high:
                row = rows[first - low]
                occurrences[first - low] += 1
                for second in text[i + 1 : i + 1 + window]:
                    row[second] = row.get(second, 0) + 1
    kept = [[(second, row[second]) for second in sorted(row) if row[second] >= min_count] for row in rows]
    seconds = [second for row in kept for second, _ in row]
    counts = [count for row in kept for _, count in row]
    ends = np.cumsum([0, *map(len, kept)])
    found = np.array(occurrences, np.int64), ends.astype(np.int64)
    return *found, np.array(seconds, np.int32), np.array(counts, np.int64)
