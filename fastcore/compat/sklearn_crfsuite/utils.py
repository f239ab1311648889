"""sklearn-crfsuite's helper."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

__all__ = ["flatten"]


def flatten(y: Iterable[Iterable[Any]]) -> list[Any]:
    """Return what some lists hold as one list.

    Examples
    --------
    >>> from fastcore.compat.sklearn_crfsuite.utils import flatten
    >>> flatten([[1, 2], [3, 4]])
    [1, 2, 3, 4]
    """
    return list(chain.from_iterable(y))
