"""What several test files share: nasty arrays, and scripts run in a fresh interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np

from fastcore import active_backend
from fastcore._config import config

# Whether this build reports each line of the kernels that runs, which takes a thousand times as long.
TRACED = "trace" in config()["build"]


def sized(compiled: int, reference: int) -> int:
    """Pick a workload's size where no fixture says which twin runs: the reference, if it is forced, gets less."""
    return compiled if active_backend() == "compiled" and not TRACED else reference


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
