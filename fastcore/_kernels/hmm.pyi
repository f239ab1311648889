from typing import Any

from numpy.typing import NDArray

def diagonal_scores(
    x: NDArray[Any], means: NDArray[Any], precisions: NDArray[Any], constants: NDArray[Any]
) -> NDArray[Any]: ...
def full_scores(
    x: NDArray[Any], means: NDArray[Any], factors: NDArray[Any], constants: NDArray[Any]
) -> NDArray[Any]: ...
def poisson_scores(
    x: NDArray[Any], logs: NDArray[Any], constants: NDArray[Any], taken: NDArray[Any]
) -> NDArray[Any]: ...
def count_symbols(weights: NDArray[Any], symbols: NDArray[Any], size: int) -> NDArray[Any]: ...
def weighted_sums(
    weights: NDArray[Any], x: NDArray[Any], centers: NDArray[Any], order: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
