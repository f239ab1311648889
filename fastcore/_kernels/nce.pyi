from typing import Any

import numpy as np
from numpy.typing import NDArray

def alias_table(weights: NDArray[np.float64]) -> NDArray[np.uint64]: ...
def alias_draw(table: NDArray[np.uint64], key: NDArray[np.uint64], chunk: int, size: int) -> NDArray[np.int32]: ...
def logistic(
    features: NDArray[np.float64], offset: NDArray[np.float64], theta: NDArray[np.float64], n_data: int
) -> tuple[float, NDArray[Any], NDArray[Any]]: ...
