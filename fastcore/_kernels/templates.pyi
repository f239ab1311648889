import numpy as np
from numpy.typing import NDArray

class TemplateTrie:
    def __init__(self, symbols: NDArray[np.int64], offsets: NDArray[np.int64], scores: NDArray[np.int64]) -> None: ...
    def parse(self, ids: NDArray[np.int64], null_score: int) -> tuple[int, NDArray[np.int64]]: ...
    def search(self, ids: NDArray[np.int64]) -> NDArray[np.int64]: ...

def find_templates(
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    pairs_first: NDArray[np.int64],
    pairs_second: NDArray[np.int64],
    window: int,
    by_path: bool,
    min_count: int,
    min_share: float,
    limit: int,
    max_steps: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int, int]: ...
