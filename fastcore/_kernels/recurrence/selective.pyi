from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def selective_scan(
    x: Array, delta: Array, A: Array, B: Array, C: Array, skip: Array, h0: Array, reverse: bool, y: Array, last: Array
) -> None: ...
def selective_scan_vjp(
    x: Array,
    delta: Array,
    A: Array,
    B: Array,
    C: Array,
    h0: Array,
    reverse: bool,
    dy: Array,
    dlast: Array,
    dx: Array,
    ddelta: Array,
    dA: Array,
    dB: Array,
    dC: Array,
    dh0: Array,
) -> None: ...
