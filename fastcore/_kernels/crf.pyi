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
def plan_features(feature_offsets: NDArray[Any], feature_labels: NDArray[Any], labels: int) -> Any: ...
def lay_out(
    owners: NDArray[Any], starts: NDArray[Any], steps: NDArray[Any], values: NDArray[Any], plan: Any
) -> Any: ...
def spread_weights(plan: Any, weights: NDArray[Any]) -> NDArray[Any]: ...
def scores_by_attribute(plan: Any, layout: Any, spread: NDArray[Any], n: int) -> NDArray[Any]: ...
def new_gradient(plan: Any, first: int, last: int) -> Any: ...
def gradient_by_attribute(plan: Any, layout: Any, nodes: NDArray[Any], gradient: Any, first: int, last: int) -> Any: ...
def gathered(plan: Any, gradient: Any, first: int, last: int) -> NDArray[Any]: ...
