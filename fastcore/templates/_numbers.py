"""The words of sentences as numbers: in memory, or where they are many in a temporary file."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._scratch import Scratch

# Numbers kept in memory (4 bytes each).
IN_MEMORY = 1 << 22


class Numbers:
    """What a kernel's `TokenStream` makes of sentences, whose numbers go to a file once there are `IN_MEMORY` of them.

    What is read from the file after it is closed is what was mapped.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._file: Scratch | None = None
        self._waiting = self._written = 0
        self._offsets = [np.zeros(1, np.int64)]

    def __enter__(self) -> Numbers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, sentences: list[Any], number: int) -> None:
        """Take more sentences, lists of words; errors call the first one texts[number]."""
        self._stream.add_texts(sentences, number)
        self._waiting += sum(map(len, sentences))
        if self._waiting >= IN_MEMORY:
            self._write()

    def _write(self) -> None:
        if self._file is None:
            self._file = Scratch()
        ids, offsets = self._stream.take()
        self._file.write(ids)
        self._offsets.append(offsets[1:] + self._written)
        self._written += len(ids)
        self._waiting = 0

    def finish(self) -> tuple[NDArray[np.int32], NDArray[np.int64], list[str]]:
        """Return all words as numbers, where each sentence begins, and the words."""
        if self._file is not None:
            self._write()
        ids, offsets, names = self._stream.finish()
        if self._file is not None:
            ids, offsets = np.asarray(np.memmap(self._file.file, np.int32, "r")), np.concatenate(self._offsets)
        return ids, np.ascontiguousarray(offsets, np.int64), list(names)
