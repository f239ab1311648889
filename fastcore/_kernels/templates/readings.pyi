import numpy as np
from numpy.typing import NDArray

def count_readings(
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    pairs_first: NDArray[np.int64],
    pairs_second: NDArray[np.int64],
    window: int,
    limit: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]: ...
