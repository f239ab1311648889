import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]
Points = NDArray[np.uint32]

def find_ngrams(
    symbols: Ints, pieces: Offsets, documents: Offsets, ranks: Ints, min_n: int, max_n: int, short: bool
) -> tuple[Ints, Offsets, Offsets, Offsets, Ints]: ...
def count_rows(keys: Ints, bounds: Offsets) -> tuple[Offsets, Ints, Offsets]: ...
def spell(
    symbols: Ints, starts: Offsets, lengths: Offsets, letters: Points, ends: Offsets, joined: bool
) -> tuple[Points, Offsets]: ...
def match(points: Points, offsets: Offsets, other_points: Points, other_offsets: Offsets) -> Ints: ...
