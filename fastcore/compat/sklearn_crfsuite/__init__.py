"""sklearn-crfsuite on this library: ``from fastcore.compat import sklearn_crfsuite`` for ``import sklearn_crfsuite``.

The same estimator, parameters, defaults and attributes as sklearn-crfsuite 0.5.0, over `fastcore.compat.pycrfsuite`;
``metrics`` and ``scorers`` need scikit-learn, the estimator doesn't. With
``sys.modules["sklearn_crfsuite"] = fastcore.compat.sklearn_crfsuite`` it also reads sklearn-crfsuite's pickles.
"""

from .estimator import CRF

__all__ = ["CRF"]
