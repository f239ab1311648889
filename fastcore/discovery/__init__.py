"""Words found in text without labels.

Sources: Su Jianlin, "Minimum-entropy principle (II): the unsupervised construction of a lexicon", 2018, and
"A better new-word discovery algorithm", 2019 (the methods ``adjacent`` and ``ngram``); for ``entropy``: Harris,
"From phoneme to morpheme", 1955; Magistry and Sagot, "Unsupervized word segmentation: the case for Mandarin
Chinese", ACL 2012; Kudo, "Subword regularization", ACL 2018.
"""

from ._finder import WordFinder

__all__ = ["WordFinder"]
