"""A large corpus made of a small one: copies with a tenth of their characters permuted."""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

import numpy as np


def write_corpus(source: Path, target: Path, megabytes: int = 640, share: float = 0.1, seed: int = 0) -> None:
    """Write copies of an xz-compressed UTF-8 text until `target` has so many megabytes.

    In each copy a random `share` of the characters that aren't line ends change places among themselves, so
    that new n-grams keep coming while the characters stay the same.
    """
    text = lzma.decompress(source.read_bytes()).decode("utf-8")
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    places = np.flatnonzero(points != ord("\n"))
    rng = np.random.default_rng(seed)
    with open(target, "wb") as file:
        while file.tell() < megabytes * 1_000_000:
            copy = points.copy()
            chosen = np.sort(rng.choice(places, int(share * len(places)), replace=False))
            copy[chosen] = rng.permutation(copy[chosen])
            file.write(copy.tobytes().decode("utf-32-le").encode("utf-8"))


if __name__ == "__main__":
    write_corpus(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 640)
