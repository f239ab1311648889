"""N-gram counting: exact tables of character and token n-grams, and scores read off them.

Formulas and sources: Church and Hanks, "Word association norms, mutual information, and lexicography", 1990
(pmi); Bouma, "Normalized (pointwise) mutual information in collocation extraction", 2009 (npmi); Jin and
Tanaka-Ishii, "Unsupervised segmentation of Chinese text by use of branching entropy", 2006 (entropies); Su
Jianlin (苏剑林), *重新写了之前的新词发现算法：更快更好的新词发现*, 2019, https://kexue.fm/archives/6920 (a faster
and better way to find new words: cohesion as the minimum over split points).
"""

from .._public import at_home
from ..skipgrams import SkipGrams, count_skipgrams
from ..vectorizer import NgramVectorizer
from ._counter import NgramCounter, count_ngrams
from ._table import NgramTable

__all__ = ["NgramCounter", "NgramTable", "NgramVectorizer", "SkipGrams", "count_ngrams", "count_skipgrams"]

at_home(__name__, NgramCounter, NgramTable, count_ngrams)
