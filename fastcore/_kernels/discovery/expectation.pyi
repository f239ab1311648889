import numpy as np
from numpy.typing import NDArray

def expected_counts(grams: NDArray[np.int32], scores: NDArray[np.float64], counts: NDArray[np.float64]) -> float: ...
