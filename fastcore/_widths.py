"""How wide numbers must be: chosen here, so that a test can ask for sizes that nobody can afford."""

from __future__ import annotations

from typing import Any

import numpy as np


def count_dtype(total: int) -> Any:
    """The type that holds any count of a total."""
    return np.uint32 if total < 2**32 else np.int64


def index_dtype(entries: int) -> Any:
    """The type of a sparse matrix's offsets and columns, for so many entries."""
    return np.int32 if entries < 2**31 else np.int64
