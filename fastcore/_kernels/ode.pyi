from typing import Any

from numpy.typing import NDArray

def integrate(
    tables: tuple[NDArray[Any], ...],
    constants: NDArray[Any],
    slopes: NDArray[Any],
    x0: NDArray[Any],
    span: tuple[float, float],
    times: NDArray[Any],
    method: int,
    rtol: float,
    atol: float,
    max_steps: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]: ...
