"""A cancel flag a worker thread: kernels ask it while they run (pyx/shared/_signals.pxd)."""

import threading

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
