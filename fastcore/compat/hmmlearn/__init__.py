"""hmmlearn on this library's kernels: ``install()`` replaces ``hmmlearn._hmmc``, the compiled part of hmmlearn 0.3.

All of hmmlearn's models then run as they are, those that `fastcore.hmm` lacks (GMMHMM, the variational ones) too.
"""

import sys
from importlib import import_module
from threading import Lock
from types import ModuleType, TracebackType

from ..._extras import require
from . import _hmmc

__all__ = ["Installation", "install", "uninstall"]

_lock = Lock()
_theirs: ModuleType | None = None


class Installation:
    """What `install` returns: a context manager that undoes it, unless it was installed already."""

    def __init__(self, undo: bool) -> None:
        self._undo = undo

    def __enter__(self) -> "Installation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._undo:
            uninstall()


def install() -> Installation:
    """Let hmmlearn compute by this library's kernels.

    Returns
    -------
    Installation
        For a ``with`` block, at whose end hmmlearn computes as before.

    Raises
    ------
    ImportError
        If hmmlearn isn't installed.

    Notes
    -----
    It holds for the whole process and all threads. A second call changes nothing.

    Examples
    --------
    .. code-block:: python

        from fastcore.compat import hmmlearn

        with hmmlearn.install():
            model = hmmlearn.hmm.GaussianHMM(3).fit(X)
    """
    global _theirs
    require("hmmlearn", "hmmlearn", "fastcore.compat.hmmlearn.install")
    import_module("hmmlearn.base")
    with _lock:
        if _theirs is not None:
            return Installation(False)
        _theirs = import_module("hmmlearn._hmmc")
        _replace(_theirs, _hmmc)
    return Installation(True)


def uninstall() -> None:
    """Let hmmlearn compute by its own compiled part again; without `install` nothing happens."""
    global _theirs
    with _lock:
        if _theirs is not None:
            _replace(_hmmc, _theirs)
            _theirs = None


def _replace(old: ModuleType, new: ModuleType) -> None:
    """Put one module in another's place wherever hmmlearn has it."""
    sys.modules["hmmlearn._hmmc"] = new
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "hmmlearn" and getattr(module, "_hmmc", None) is old:
            module._hmmc = new  # type: ignore[attr-defined]
