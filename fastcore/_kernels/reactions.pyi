from typing import Any

from numpy.typing import NDArray

from fastcore.reactions._events import Events
from fastcore.reactions._tables import Tables

class Network:
    def __init__(self, tables: Tables, events: Events | None = None) -> None: ...

def exponentials(key: NDArray[Any], stream: int, count: int) -> NDArray[Any]: ...
def poissons(key: NDArray[Any], stream: int, mean: float, count: int) -> NDArray[Any]: ...
def binomials(key: NDArray[Any], stream: int, n: float, p: float, count: int) -> NDArray[Any]: ...
def hypergeometrics(
    key: NDArray[Any], stream: int, good: float, bad: float, draws: float, count: int
) -> NDArray[Any]: ...
def normals(key: NDArray[Any], stream: int, count: int) -> NDArray[Any]: ...
def simulate_grid(
    network: Network,
    constants: NDArray[Any],
    x0: NDArray[Any],
    span: tuple[float, float],
    times: NDArray[Any],
    key: NDArray[Any],
    first: int,
    count: int,
    per: int,
    method: int,
    stops: NDArray[Any],
    max_events: int,
    keep: NDArray[Any],
    epsilon: float = 0.03,
    states: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def simulate_jumps(
    network: Network,
    constants: NDArray[Any],
    x0: NDArray[Any],
    span: tuple[float, float],
    key: NDArray[Any],
    first: int,
    count: int,
    per: int,
    method: int,
    stops: NDArray[Any],
    max_events: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def reachable(
    need_at: NDArray[Any],
    need: NDArray[Any],
    least: NDArray[Any],
    change_at: NDArray[Any],
    changed: NDArray[Any],
    by: NDArray[Any],
    start: NDArray[Any],
    limits: NDArray[Any],
    most: int,
) -> tuple[NDArray[Any], NDArray[Any]] | None: ...
