from typing import Any

from numpy.typing import NDArray

from fastcore.reactions._tables import Tables

def integrate(
    tables: Tables,
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
