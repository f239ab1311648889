import numpy as np
from numpy.typing import NDArray

def remove_redundant(
    ids: NDArray[np.int32], offsets: NDArray[np.int64], counts: NDArray[np.int64], kinds: NDArray[np.uint8]
) -> NDArray[np.int64]: ...
