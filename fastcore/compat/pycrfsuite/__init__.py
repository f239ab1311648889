"""python-crfsuite on this library: ``from fastcore.compat import pycrfsuite`` replaces ``import pycrfsuite``.

The same classes, names, defaults, messages and model files as python-crfsuite 0.9.12. Programs that import it
themselves (usaddress, probablepeople) get it by ``sys.modules["pycrfsuite"] = fastcore.compat.pycrfsuite`` before.
"""

from ._errors import CRFSUITE_VERSION, CRFSuiteError
from ._sequence import ItemSequence
from ._tagger import Tagger
from ._trainer import BaseTrainer, Trainer

__all__ = ["CRFSUITE_VERSION", "BaseTrainer", "CRFSuiteError", "ItemSequence", "Tagger", "Trainer"]

for _thing in (BaseTrainer, CRFSuiteError, ItemSequence, Tagger, Trainer):
    _thing.__module__ = __name__
