"""``rng=`` as in SPEC 7, and the 256-bit key that all streams of one call grow from."""

from functools import lru_cache
from threading import Lock
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# NumPy counts what it has spawned without a lock: two threads could get the same numbers.
_spawning = Lock()

RNG: TypeAlias = int | np.integer | np.random.SeedSequence | np.random.Generator | None


def stream_key(rng: RNG) -> NDArray[np.uint64]:
    """Return four uint64 words that seed one call.

    An int gives the same key every time; a SeedSequence or Generator is spawned from, so that each call
    gets a new one, in whichever thread; a Generator whose bit generator has no seed sequence is drawn from.

    Raises
    ------
    TypeError
        If `rng` is none of None, int, SeedSequence, Generator.
    ValueError
        If an int is negative.
    """
    if isinstance(rng, np.random.Generator):
        seed = getattr(rng.bit_generator, "seed_seq", None)
        if not isinstance(seed, np.random.SeedSequence):
            return rng.integers(0, 2**64, 4, dtype=np.uint64)
    elif isinstance(rng, np.random.SeedSequence):
        seed = rng
    elif rng is None:
        seed = np.random.SeedSequence()
    elif isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        if rng < 0:
            raise ValueError(f"rng must be a non-negative int, got {rng}")
        return _key_of(int(rng)).copy()
    else:
        raise TypeError(
            f"rng must be None, an int, a numpy SeedSequence or a numpy Generator, got {type(rng).__name__}"
        )
    return _spawned(seed)


@lru_cache(64)
def _key_of(number: int) -> NDArray[np.uint64]:
    # Always the same, and slower to make than a short call is to answer.
    return _spawned(np.random.SeedSequence(number))


def _spawned(seed: np.random.SeedSequence) -> NDArray[np.uint64]:
    with _spawning:
        (child,) = seed.spawn(1)
    return child.generate_state(4, np.uint64).astype(np.uint64)
