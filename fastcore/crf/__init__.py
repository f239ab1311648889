"""Conditional random fields: CRFsuite's model for sequences of items, and a word segmenter built on it."""

from .._public import at_home
from ._crf import CRF
from ._segmenter import Scores, Segmenter

__all__ = ["CRF", "Scores", "Segmenter"]

at_home(__name__, CRF, Scores, Segmenter)
