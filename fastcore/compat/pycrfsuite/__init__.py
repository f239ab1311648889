"""python-crfsuite on this library: ``from fastcore.compat import pycrfsuite`` replaces ``import pycrfsuite``.

The same classes, names, defaults, messages and model files as python-crfsuite 0.9.12. Programs that import it
themselves (usaddress, probablepeople) get it by ``sys.modules["pycrfsuite"] = fastcore.compat.pycrfsuite`` before.
"""

from ._sequence import ItemSequence
from ._tagger import Tagger
from ._trainer import BaseTrainer, Trainer

__all__ = ["CRFSUITE_VERSION", "BaseTrainer", "CRFSuiteError", "ItemSequence", "Tagger", "Trainer"]

# Whose files and messages these are.
CRFSUITE_VERSION = "0.12.2"


class CRFSuiteError(Exception):
    """An error by CRFsuite's number; nothing here raises it: ValueError and the like say more.

    Parameters
    ----------
    code : int
        The number.
    """

    _messages = {  # noqa: RUF012 as in what this replaces
        -(1 << 31) + number: message
        for number, message in enumerate(
            [
                "Unknown error occurred",
                "Insufficient memory",
                "Unsupported operation",
                "Incompatible data",
                "Internal error",
                "Overflow",
                "Not implemented",
            ]
        )
    }

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(self._messages.get(code, "Unexpected error"))

    def __reduce__(self) -> tuple[type["CRFSuiteError"], tuple[int]]:
        return type(self), (self.code,)


for _thing in (BaseTrainer, CRFSuiteError, ItemSequence, Tagger, Trainer):
    _thing.__module__ = __name__
