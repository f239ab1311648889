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
def by_attribute(
    items: NDArray[Any], attributes: NDArray[Any], values: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def count_labels(
    owners: NDArray[Any],
    starts: NDArray[Any],
    steps: NDArray[Any],
    values: NDArray[Any],
    y: NDArray[Any],
    first: int,
    sums: NDArray[Any],
    seen: NDArray[Any],
) -> None: ...
def scores_by_attribute(
    owners: NDArray[Any],
    starts: NDArray[Any],
    steps: NDArray[Any],
    values: NDArray[Any],
    feature_offsets: NDArray[Any],
    feature_labels: NDArray[Any],
    weights: NDArray[Any],
    n: int,
    labels: int,
) -> NDArray[Any]: ...
def gradient_by_attribute(
    owners: NDArray[Any],
    starts: NDArray[Any],
    steps: NDArray[Any],
    values: NDArray[Any],
    feature_offsets: NDArray[Any],
    feature_labels: NDArray[Any],
    nodes: NDArray[Any],
    gradient: NDArray[Any],
    beginning: int,
) -> NDArray[Any]: ...
