"""Documents to a sparse matrix of n-gram counts, with the parameters and results of scikit-learn's CountVectorizer.

Source: the behaviour of ``sklearn.feature_extraction.text.CountVectorizer`` (Pedregosa and others, "Scikit-learn:
machine learning in Python", JMLR 12, 2011), which the tests compare with, array by array.
"""

from .._public import at_home
from ._vectorizer import NgramVectorizer

__all__ = ["NgramVectorizer"]

at_home(__name__, NgramVectorizer)
