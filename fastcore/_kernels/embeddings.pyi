import numpy as np
from numpy.typing import NDArray

class Trainer:
    def __init__(
        self,
        inputs: NDArray[np.float32],
        outputs: NDArray[np.float32],
        keep: NDArray[np.uint64],
        table: NDArray[np.uint64],
    ) -> None: ...
    def vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
    def skipgram(
        self,
        words: NDArray[np.int32],
        offsets: NDArray[np.int64],
        key: NDArray[np.uint64],
        first: int,
        window: int,
        dynamic: bool,
        negative: int,
        rate: float,
        fall: float,
    ) -> tuple[float, int]: ...
    def cbow(
        self,
        words: NDArray[np.int32],
        offsets: NDArray[np.int64],
        key: NDArray[np.uint64],
        first: int,
        window: int,
        dynamic: bool,
        negative: int,
        rate: float,
        fall: float,
    ) -> tuple[float, int]: ...
