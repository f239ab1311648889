from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

class Cell:
    def __init__(self, kind: str, W: Array, U: Array, bias: Array, projection: Array | None) -> None: ...
    def run(
        self, x: Array, offsets: NDArray[np.int64], h: Array, c: Array | None, reverse: bool
    ) -> tuple[Array, Array, Array | None]: ...
    def step(self, x: Array, h: Array, c: Array | None) -> tuple[Array, Array | None]: ...
    def vjp(
        self,
        x: Array,
        offsets: NDArray[np.int64],
        h: Array,
        c: Array | None,
        reverse: bool,
        dy: Array,
        dh: Array,
        dc: Array | None,
    ) -> tuple[Array, Array, Array, Array, Array | None, Array, Array | None]: ...
