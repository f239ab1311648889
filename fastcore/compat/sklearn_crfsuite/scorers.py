"""sklearn-crfsuite's scorers, for scikit-learn's searches and cross-validation; importing this needs scikit-learn."""

from ..._extras import require
from . import metrics

__all__ = ["flat_accuracy", "sequence_accuracy"]

_make = require("sklearn.metrics", "sklearn", "fastcore.compat.sklearn_crfsuite.scorers").make_scorer

flat_accuracy = _make(metrics.flat_accuracy_score)
sequence_accuracy = _make(metrics.sequence_accuracy_score)
