"""What several test files share: nasty arrays, and scripts run in a fresh interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fastcore import active_backend


def sized(compiled: int, reference: int) -> int:
    """Pick a workload's size where no fixture says which twin runs: the reference, if it is forced, gets less."""
    return compiled if active_backend() == "compiled" else reference


def dsmts(case: str) -> dict[str, list[float]]:
    """Exact results of a case of the Discrete Stochastic Models Test Suite: ``"X-mean"`` to values at t = 0..50."""
    text = Path(__file__).with_name("dsmts").joinpath(f"{case}-results.csv").read_text("utf-8")
    head, *rows = ([cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip())
    return {name: [float(value) for value in column] for name, column in zip(head, zip(*rows))}


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


# What runs in the background ignores Ctrl-C, and so do its children, unless they ask for it. A loop's own jump back
# isn't covered by a `try` around it in some versions of Python: hence a function.
FOREVER = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
def forever(work):
    while True:
        work()
"""


def seconds_to_interrupt(source: str, after: float = 0.5) -> float:
    """Run a script that prints 'ready' and then works long; send Ctrl-C; return seconds until it raised.

    The script must catch KeyboardInterrupt, check that its objects are still usable, and print 'usable'. What it
    does over and over it gives to `forever`.
    """
    source = FOREVER + source
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FASTCORE_BACKEND": "compiled"},
    )
    watchdog = threading.Timer(120, process.kill)
    watchdog.daemon = True
    watchdog.start()
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    time.sleep(after)
    assert process.poll() is None, "the work ended before Ctrl-C was sent: make it longer"
    start = time.perf_counter()
    process.send_signal(signal.SIGINT)
    line = process.stdout.readline().strip()
    seconds = time.perf_counter() - start
    # Not communicate(), which would lose what readline has read ahead.
    assert process.stderr is not None
    with process:
        rest, errors = process.stdout.read(), process.stderr.read()
    watchdog.cancel()
    assert line == "interrupted", line + rest + errors
    assert "usable" in rest, rest + errors
    return seconds


def memory_growth(setup: str, statement: str, repeats: int = 200) -> float:
    """Return by how many KB resident memory grows over `repeats` runs of a statement, after a warm-up."""
    script = f"""
import gc
def resident():
    gc.collect()
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * 4
{setup}
def work():
    {statement}
for _ in range(50): work()
before = resident()
for _ in range({repeats}): work()
print(resident() - before)
"""
    # Under the address sanitizer freed memory is held back for a while: keep that small.
    # Kernels are what may leak: they run whatever backend is forced.
    env = {"ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=1", "FASTCORE_BACKEND": "compiled"}
    result = run_script(script, env=env)
    assert result.returncode == 0, result.stderr
    return float(result.stdout)
