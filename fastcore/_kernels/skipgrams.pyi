from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

def first_invalid(data: bytes) -> int: ...

class TokenStream:
    def add_texts(self, texts: Iterable[Any]) -> None: ...
    def add_bytes(self, data: bytes) -> None: ...
    def end_text(self) -> None: ...
    def take(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]: ...
    def finish(self) -> tuple[NDArray[np.int32], NDArray[np.int64], list[str]]: ...

def count_pairs(
    ids: NDArray[np.int32] | NDArray[np.int64],
    offsets: NDArray[np.int64],
    n_ids: int,
    window: int,
    min_count: int,
    low: int,
    high: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]: ...
