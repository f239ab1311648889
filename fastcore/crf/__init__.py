"""Conditional random fields: CRFsuite's model for sequences of items, and a word segmenter built on it."""

from ._crf import CRF
from ._segmenter import Scores, Segmenter

__all__ = ["CRF", "Scores", "Segmenter"]
