"""What the demo collects while it prints."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Report:
    """Numbers for the JSON file, arrays for the picture, and whatever wasn't as it must be.

    Attributes
    ----------
    small : bool
        Whether the reference backend runs, which gets smaller sizes.
    data : dict
        JSON-able numbers by section.
    series : dict
        Arrays that the picture draws.
    mismatches : list of str
        What failed.
    """

    small: bool
    data: dict[str, Any] = field(default_factory=dict)
    series: dict[str, Any] = field(default_factory=dict)
    mismatches: list[str] = field(default_factory=list)

    def size(self, compiled: int, reference: int) -> int:
        """Pick a workload's size."""
        return reference if self.small else compiled

    def expect(self, holds: bool, what: str) -> None:
        """Note a mismatch unless `holds`."""
        if not holds:
            self.mismatches.append(what)


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Return seconds and the result of a call."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def width(text: str) -> int:
    """Columns that a text takes on a terminal: wide characters take two."""
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, columns: int) -> str:
    """Pad with spaces to a number of columns."""
    return text + " " * max(0, columns - width(text))
