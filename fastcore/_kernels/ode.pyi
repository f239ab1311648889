from typing import Any

from numpy.typing import NDArray

from fastcore.reactions._tables import Tables

class System:
    def __init__(self, tables: Tables) -> None: ...
    def rhs(self, constants: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]: ...
    def jacobian(self, constants: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]: ...

def integrate(
    system: System,
    constants: NDArray[Any],
    slopes: NDArray[Any],
    x0: NDArray[Any],
    span: tuple[float, float],
    times: NDArray[Any],
    method: int,
    rtol: float,
    atol: NDArray[Any],
    max_steps: int,
    step: float,
    keep: bool,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]: ...
