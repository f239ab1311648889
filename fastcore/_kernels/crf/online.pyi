from typing import Any

from numpy.typing import NDArray

def prepare(
    offsets: NDArray[Any],
    items: NDArray[Any],
    attributes: NDArray[Any],
    values: NDArray[Any],
    y: NDArray[Any],
    feature_offsets: NDArray[Any],
    feature_labels: NDArray[Any],
    transitions: NDArray[Any],
    labels: int,
) -> Any: ...
def shuffled(key: NDArray[Any], stream: int, n: int) -> NDArray[Any]: ...
def perceptron_epoch(
    problem: Any, order: NDArray[Any], weights: NDArray[Any], sums: NDArray[Any], count: int
) -> float: ...
def aggressive_epoch(
    problem: Any,
    order: NDArray[Any],
    weights: NDArray[Any],
    sums: NDArray[Any],
    count: int,
    kind: int,
    c: float,
    error_sensitive: bool,
) -> float: ...
def arow_epoch(
    problem: Any, order: NDArray[Any], weights: NDArray[Any], variances: NDArray[Any], gamma: float
) -> float: ...
def gradient_epoch(
    problem: Any, order: NDArray[Any], weights: NDArray[Any], rate: float, decay: float, count: float
) -> float: ...
