"""sklearn-crfsuite's scores: scikit-learn's, of the labels of all sequences end to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..._extras import require
from .utils import flatten

__all__ = [
    "flat_accuracy_score",
    "flat_classification_report",
    "flat_f1_score",
    "flat_fbeta_score",
    "flat_precision_score",
    "flat_recall_score",
    "sequence_accuracy_score",
]

Labels = Sequence[Sequence[Any]]


def _score(name: str, y_true: Labels, y_pred: Labels, **options: Any) -> Any:
    metrics = require("sklearn.metrics", "sklearn", "fastcore.compat.sklearn_crfsuite.metrics")
    return getattr(metrics, name)(flatten(y_true), flatten(y_pred), **options)


def flat_accuracy_score(y_true: Labels, y_pred: Labels) -> Any:
    """Return the share of labels that are right."""
    return _score("accuracy_score", y_true, y_pred)


def flat_precision_score(y_true: Labels, y_pred: Labels, **kwargs: Any) -> Any:
    """Return scikit-learn's ``precision_score`` of all labels, with its options."""
    return _score("precision_score", y_true, y_pred, **kwargs)


def flat_recall_score(y_true: Labels, y_pred: Labels, **kwargs: Any) -> Any:
    """Return scikit-learn's ``recall_score`` of all labels, with its options."""
    return _score("recall_score", y_true, y_pred, **kwargs)


def flat_f1_score(y_true: Labels, y_pred: Labels, **kwargs: Any) -> Any:
    """Return scikit-learn's ``f1_score`` of all labels, with its options."""
    return _score("f1_score", y_true, y_pred, **kwargs)


def flat_fbeta_score(y_true: Labels, y_pred: Labels, beta: float, **kwargs: Any) -> Any:
    """Return scikit-learn's ``fbeta_score`` of all labels, with its options."""
    return _score("fbeta_score", y_true, y_pred, beta=beta, **kwargs)


def flat_classification_report(y_true: Labels, y_pred: Labels, labels: Any = None, **kwargs: Any) -> Any:
    """Return scikit-learn's ``classification_report`` of all labels, with its options."""
    return _score("classification_report", y_true, y_pred, labels=labels, **kwargs)


def sequence_accuracy_score(y_true: Labels, y_pred: Labels) -> float:
    """Return the share of sequences whose labels are all right."""
    right = sum(list(true) == list(guess) for true, guess in zip(y_true, y_pred))
    return right / len(y_true) if len(y_true) else 0.0
