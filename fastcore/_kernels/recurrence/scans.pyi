from typing import Any

from numpy.typing import NDArray

def linear_scan(a: NDArray[Any], b: NDArray[Any], y0: NDArray[Any], reverse: bool, y: NDArray[Any]) -> NDArray[Any]: ...
def affine_scan(
    A: NDArray[Any],
    of_A: NDArray[Any],
    b: NDArray[Any],
    of_b: NDArray[Any],
    y0: NDArray[Any],
    reverse: bool,
    y: NDArray[Any],
) -> NDArray[Any]: ...
