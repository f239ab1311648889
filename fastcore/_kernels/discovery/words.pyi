import numpy as np
from numpy.typing import NDArray

class WordCounter:
    def __init__(self) -> None: ...
    def update(self, ids: NDArray[np.int32], joined: NDArray[np.uint8]) -> None: ...
    def result(self) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]: ...

def frequent(counts: NDArray[np.int64], log_min_proba: float) -> NDArray[np.bool_]: ...
def word_counts(
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    symbols: NDArray[np.int32],
    bounds: NDArray[np.int64],
    order: NDArray[np.int64],
) -> dict[str, int]: ...
