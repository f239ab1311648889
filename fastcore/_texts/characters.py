"""Classes of characters that texts are cut to: what `keep=` names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODE_POINTS = 0x110000
# Half-open ranges of code points.
CLASSES = {
    "cjk": [(0x4E00, 0x9FA6)],
    "alnum": [(0x30, 0x3A), (0x41, 0x5B), (0x61, 0x7B)],
}


def kept_ranges(keep: Any, spelled: bool = False) -> NDArray[np.int64]:
    """Return the half-open ranges of code points that `keep` stands for, rising and apart.

    None stands for all, "cjk+alnum" for classes, a collection for its characters; with `spelled` so does any other
    str.
    """
    if keep is None:
        return np.array([[0, CODE_POINTS]], np.int64)
    if isinstance(keep, str):
        names = keep.split("+")
        if all(name in CLASSES for name in names):
            return np.array(sorted({r for name in names for r in CLASSES[name]}), np.int64)
        if not spelled:
            known = "', '".join([*CLASSES, "+".join(CLASSES)])
            raise ValueError(f"keep must be one of '{known}' or a set of characters, got {keep!r}")
    if not isinstance(keep, Iterable):
        raise TypeError(f"keep must be the name of a class or a set of characters, got {type(keep).__name__}")
    points = set()
    for character in keep:
        if not isinstance(character, str) or len(character) != 1:
            raise ValueError(f"keep must hold single characters, got {character!r}")
        points.add(ord(character))
    found = np.array(sorted(points), np.int64)
    starts = found[np.diff(found, prepend=-2) > 1]
    stops = found[np.diff(found, append=CODE_POINTS + 2) > 1] + 1
    return np.ascontiguousarray(np.stack([starts, stops], axis=1))
