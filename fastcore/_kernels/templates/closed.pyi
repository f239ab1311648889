import numpy as np
from numpy.typing import NDArray

def find_closed(
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    pairs_first: NDArray[np.int64],
    pairs_second: NDArray[np.int64],
    window: int,
    by_path: bool,
    min_count: int,
    min_share: float,
    longest: int,
    max_steps: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int, int]: ...
