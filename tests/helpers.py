"""What several test files share: nasty arrays, and scripts run in a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fastcore import _interrupt, active_backend


def sized(compiled: int, reference: int) -> int:
    """Pick a workload's size where no fixture says which twin runs: the reference, if it is forced, gets less."""
    return compiled if active_backend() == "compiled" else reference


def dsmts(case: str) -> dict[str, list[float]]:
    """Exact results of a case of the Discrete Stochastic Models Test Suite: ``"X-mean"`` to values at t = 0..50."""
    text = Path(__file__).with_name("dsmts").joinpath(f"{case}-results.csv").read_text("utf-8")
    head, *rows = ([cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip())
    return {name: [float(value) for value in column] for name, column in zip(head, zip(*rows))}


def fits(counts: np.ndarray, p: np.ndarray) -> bool:
    """Whether whole numbers come with these probabilities, the last of them or more with what is left."""
    observed = np.bincount(np.minimum(counts, len(p)), minlength=len(p) + 1)
    expected = np.append(p, max(1 - p.sum(), 0)) * len(counts)
    group = np.concatenate(([0], np.cumsum(expected)[:-1] // 20)).astype(int)
    observed, expected = np.bincount(group, observed), np.bincount(group, expected)
    some = expected > 0
    assert observed[~some].sum() == 0
    return some.sum() == 1 or bool(
        stats.chisquare(observed[some], expected[some] * len(counts) / expected[some].sum()).pvalue > 1e-6
    )


class Liar(str):
    """A str that says of itself what isn't so."""

    __slots__ = ()

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, index: object) -> str:
        return "?"

    def __iter__(self) -> Iterator[str]:
        return iter("???")

    def split(self, *args: object) -> list[str]:
        return ["?"]


def nasty_forms(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the same numbers in every memory layout that a caller may bring."""
    yield "C order", np.ascontiguousarray(array)
    yield "Fortran order", np.asfortranarray(array)
    big = np.zeros((*array.shape[:-1], array.shape[-1] * 2), array.dtype)
    big[..., ::2] = array
    yield "strided", big[..., ::2]
    yield "reversed", np.ascontiguousarray(array[::-1])[::-1]
    yield "byte-swapped", array.astype(array.dtype.newbyteorder())
    read_only = array.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only
    offset = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype.newbyteorder("=")).reshape(array.shape)
    offset[...] = array
    yield "unaligned", offset


def run_script(
    source: str, *, env: dict[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh interpreter and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
        env={**os.environ, **(env or {})},
    )


@contextmanager
def ctrl_c(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[None]:
    """Let a kernel's look number `at` for Ctrl-C, counted from 0, find one, and all that follow one more."""
    looks = count()

    def look() -> None:
        if next(looks) >= at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_interrupt, "raise_if_cancelled", look)
        yield


def memory_growth(setup: str, statement: str, repeats: int = 200) -> float:
    """Return by how many bytes a run of a statement lets memory grow, over `repeats` of them after a warm-up.

    What the C library has handed out is counted, Python's objects included, less 24 KB that caches sway by, so that
    some hundred bytes a run show. Where it can't say (not glibc, or under a sanitizer), resident memory is taken, less
    2 MB.
    """
    script = f"""
import ctypes, gc
FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]
library = ctypes.CDLL(None)
if hasattr(library, "mallinfo2"):
    library.mallinfo2.restype = Info
counts = hasattr(library, "mallinfo2") and library.mallinfo2().uordblks > 0
def held():
    gc.collect()
    if counts:
        info = library.mallinfo2()
        return info.uordblks + info.hblkhd
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * 4096
{setup}
def work():
    {statement}
for _ in range(50): work()
# A leak shows every time, what a cache keeps once.
growth = []
for _ in range(3):
    before = held()
    for _ in range({repeats} // 3): work()
    growth.append(held() - before)
print((min(growth) - (24 << 10 if counts else 2 << 20)) / ({repeats} // 3))
"""
    # Under the address sanitizer freed memory is held back for a while: keep that small.
    # Kernels are what may leak: they run whatever backend is forced.
    env = {
        "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=1",
        "FASTCORE_BACKEND": "compiled",
        "PYTHONMALLOC": "malloc",
        # What a thread keeps for itself of freed memory counts as handed out.
        "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
    }
    result = run_script(script, env=env)
    assert result.returncode == 0, result.stderr
    return float(result.stdout)
