from typing import Any

from numpy.typing import NDArray

def is_plain(emissions: Any, transitions: Any, start: Any, end: Any) -> bool: ...
def are_labels(paths: Any, size: int) -> bool: ...
def subtract_paths(nodes: NDArray[Any], counts: NDArray[Any], offsets: NDArray[Any], paths: NDArray[Any]) -> None: ...
def log_partition(
    emissions: NDArray[Any], offsets: NDArray[Any], transitions: NDArray[Any], start: NDArray[Any], end: NDArray[Any]
) -> NDArray[Any]: ...
def forward(
    emissions: NDArray[Any], offsets: NDArray[Any], transitions: NDArray[Any], start: NDArray[Any], end: NDArray[Any]
) -> NDArray[Any]: ...
def backward(
    emissions: NDArray[Any], offsets: NDArray[Any], transitions: NDArray[Any], start: NDArray[Any], end: NDArray[Any]
) -> NDArray[Any]: ...
def forward_scaled(
    emissions: NDArray[Any], offsets: NDArray[Any], transitions: NDArray[Any], start: NDArray[Any], end: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]: ...
def backward_scaled(
    emissions: NDArray[Any], offsets: NDArray[Any], transitions: NDArray[Any], start: NDArray[Any], end: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]: ...
def path_score(
    emissions: NDArray[Any],
    offsets: NDArray[Any],
    transitions: NDArray[Any],
    start: NDArray[Any],
    end: NDArray[Any],
    paths: NDArray[Any],
) -> NDArray[Any]: ...
def viterbi(
    emissions: NDArray[Any], offsets: NDArray[Any], transitions: NDArray[Any], start: NDArray[Any], end: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]: ...
def viterbi_nbest(
    emissions: NDArray[Any],
    offsets: NDArray[Any],
    transitions: NDArray[Any],
    start: NDArray[Any],
    end: NDArray[Any],
    n: int,
) -> tuple[NDArray[Any], NDArray[Any]]: ...
def marginals(
    emissions: NDArray[Any],
    offsets: NDArray[Any],
    transitions: NDArray[Any],
    start: NDArray[Any],
    end: NDArray[Any],
    total: bool,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def pair_marginals(
    emissions: NDArray[Any], offsets: NDArray[Any], transitions: NDArray[Any], start: NDArray[Any], end: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def entropy(
    emissions: NDArray[Any], offsets: NDArray[Any], transitions: NDArray[Any], start: NDArray[Any], end: NDArray[Any]
) -> NDArray[Any]: ...
def decode(
    emissions: NDArray[Any],
    transitions: NDArray[Any],
    start: NDArray[Any],
    columns: NDArray[Any],
    pending: int,
    max_delay: int,
) -> tuple[NDArray[Any], NDArray[Any], int, int, float]: ...
def decode_end(
    transitions: NDArray[Any], columns: NDArray[Any], pending: int, end: NDArray[Any]
) -> tuple[NDArray[Any], float]: ...
def sample(
    emissions: NDArray[Any],
    offsets: NDArray[Any],
    transitions: NDArray[Any],
    start: NDArray[Any],
    end: NDArray[Any],
    size: int,
    key: NDArray[Any],
    first: int,
) -> NDArray[Any]: ...
