"""Calls that are broken off: a cancel flag a worker thread, which kernels ask while they run
(pyx/shared/_signals.pxd), and what is left of a call's results.
"""

import threading
from contextlib import suppress

# Objects that are freed between two chances for other threads to run.
PIECE = 1 << 16
# Fewer aren't worth a thread.
MANY = 1 << 20

_local = threading.local()


class Cancelled(Exception):
    """Raised inside a worker whose caller has given up; never seen by the caller itself."""


def set_flag(flag: threading.Event | None) -> None:
    """Let `flag`, once set, cancel what the calling thread runs."""
    _local.flag = flag


def raise_if_cancelled() -> None:
    """Raise `Cancelled` if the calling thread's flag is set."""
    flag = getattr(_local, "flag", None)
    if flag is not None and flag.is_set():
        raise Cancelled


def free_slowly(lists: list[list[object]]) -> None:
    """Free what lists hold, in a thread of its own: a call that is broken off needn't wait for a hundred million."""
    if sum(map(len, lists)) >= MANY:
        with suppress(RuntimeError):  # no more threads
            threading.Thread(target=_free, args=(lists,), daemon=True).start()


def _free(lists: list[list[object]]) -> None:
    while lists:
        part = lists.pop()
        while part:
            del part[-PIECE:]
