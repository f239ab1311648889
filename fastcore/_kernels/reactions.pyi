from typing import Any

from numpy.typing import NDArray

def exponentials(key: NDArray[Any], stream: int, count: int) -> NDArray[Any]: ...
def simulate_grid(
    tables: tuple[NDArray[Any], ...],
    constants: NDArray[Any],
    x0: NDArray[Any],
    span: tuple[float, float],
    times: NDArray[Any],
    key: NDArray[Any],
    first: int,
    count: int,
    per: int,
    first_reaction: bool,
    stops: NDArray[Any],
    max_events: int,
    keep: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def simulate_jumps(
    tables: tuple[NDArray[Any], ...],
    constants: NDArray[Any],
    x0: NDArray[Any],
    span: tuple[float, float],
    key: NDArray[Any],
    first: int,
    count: int,
    per: int,
    first_reaction: bool,
    stops: NDArray[Any],
    max_events: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]: ...
