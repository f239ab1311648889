"""Each kernel beside its twin: the comparison that ``fastcore check`` and the demo print.

One module a domain with a list ``CHECKS``. A check is one call of the public API on inputs made once; it runs
on both backends, and `difference` says how far apart the results are (0.0 for equal).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .._backend import DOMAINS, use_backend


@dataclass(frozen=True)
class Check:
    """One public call to be made on both twins.

    Attributes
    ----------
    name : str
        Domain and function, ``"chain.viterbi"``.
    make : callable
        Makes the input; called once.
    call : callable
        The call under test, input -> result.
    difference : callable
        (compiled result, reference result) -> largest error, 0.0 when equal, inf when incomparable.
    tolerance : float
        The largest error that passes.
    """

    name: str
    make: Callable[[], Any]
    call: Callable[[Any], Any]
    difference: Callable[[Any, Any], float]
    tolerance: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What one check found: the largest error, and seconds on the kernel and on the twin."""

    name: str
    error: float
    tolerance: float
    seconds: float
    twin_seconds: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance

    @property
    def ratio(self) -> float:
        return self.twin_seconds / self.seconds

    def line(self) -> str:
        """One row of the table that people read."""
        if not self.passed:
            verdict = f"DIFFERS: {self.error:.2g}"
        elif self.error == 0:
            verdict = "equal"
        else:
            verdict = f"equal within {self.error:.1e}"
        return f"{self.name:<36}{verdict:<28}{self.seconds:>11.3g}{self.twin_seconds:>11.3g}{self.ratio:>9.0f}x"

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON, where infinity is written as null."""
        return {
            "name": self.name,
            "passed": self.passed,
            "error": self.error if self.error < float("inf") else None,
            "tolerance": self.tolerance,
            "seconds": self.seconds,
            "twin_seconds": self.twin_seconds,
            "ratio": self.ratio,
        }


def exact(a: Any, b: Any) -> float:
    """0.0 if a == b, otherwise inf."""
    return 0.0 if a == b else float("inf")


def largest_difference(a: Any, b: Any) -> float:
    """Largest |a - b| / max(1, |b|) over arrays (or sequences of arrays) of equal shape; inf if shapes differ."""
    import numpy as np

    if isinstance(a, (tuple, list)):
        if len(a) != len(b):
            return float("inf")
        return max((largest_difference(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        error = np.where(a == b, 0.0, np.abs(a - b) / np.maximum(1.0, np.abs(b)))
    return float("inf") if np.isnan(error).any() else float(error.max(initial=0.0))


def _seconds(call: Callable[[Any], Any], data: Any, repeats: int) -> tuple[float, Any]:
    best, result = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        result = call(data)
        best = min(best, time.perf_counter() - start)
    return best, result


def run(check: Check) -> Outcome:
    """Run one check: the kernel's best of five (after a warm-up) against one run of the twin."""
    data = check.make()
    with use_backend("compiled"):
        check.call(data)
        seconds, fast = _seconds(check.call, data, 5)
    with use_backend("reference"):
        twin_seconds, slow = _seconds(check.call, data, 1)
    return Outcome(check.name, check.difference(fast, slow), check.tolerance, seconds, twin_seconds)


def run_all(domains: Sequence[str] = DOMAINS) -> Iterator[Outcome]:
    """Run every check of the named domains."""
    for domain in domains:
        for check in import_module(f".{domain}", __name__).CHECKS:
            yield run(check)
