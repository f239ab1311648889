from typing import Any

from numpy.typing import NDArray

def log_linear_scan(
    log_a: NDArray[Any], log_b: NDArray[Any], y0: NDArray[Any], reverse: bool, y: NDArray[Any]
) -> NDArray[Any]: ...
