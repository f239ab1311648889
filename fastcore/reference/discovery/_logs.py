"""Logarithms of counts."""

import math


def log_count(count: int) -> float:
    """log, where the log of nothing is -100."""
    return math.log(count) if count else -100.0
