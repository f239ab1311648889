import numpy as np
from numpy.typing import NDArray

def best_reading(
    gap: NDArray[np.int64],
    first: NDArray[np.int64],
    words: NDArray[np.int64],
    targets: NDArray[np.int64],
    scores: NDArray[np.float64],
    sizes: NDArray[np.int64],
    slots_first: NDArray[np.int64],
    slots: NDArray[np.int64],
    ids: NDArray[np.int64],
    null_score: float,
) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]: ...
