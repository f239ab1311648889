"""Conditional random fields: CRFsuite's model for sequences of items, and a word segmenter built on it."""

from .._public import at_home
from ._crf import CRF
from ._segmenter import Scores, Segmenter
from ._sequence import ItemSequence
from ._template import FeatureTemplate

__all__ = ["CRF", "FeatureTemplate", "ItemSequence", "Scores", "Segmenter"]

at_home(__name__, CRF, FeatureTemplate, ItemSequence, Scores, Segmenter)
