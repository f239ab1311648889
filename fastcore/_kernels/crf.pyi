from typing import Any

from numpy.typing import NDArray

def state_scores(
    items: NDArray[Any],
    attributes: NDArray[Any],
    values: NDArray[Any],
    feature_offsets: NDArray[Any],
    feature_labels: NDArray[Any],
    weights: NDArray[Any],
    labels: int,
) -> NDArray[Any]: ...
def state_gradient(
    items: NDArray[Any],
    attributes: NDArray[Any],
    values: NDArray[Any],
    feature_offsets: NDArray[Any],
    feature_labels: NDArray[Any],
    nodes: NDArray[Any],
) -> NDArray[Any]: ...
