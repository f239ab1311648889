"""Words found in text without labels.

Sources: Su Jianlin (苏剑林), *最小熵原理（二）：“当机立断”之词库构建*, 2018, https://kexue.fm/archives/5476 (making a
lexicon: the method ``adjacent``), *【中文分词系列】 8. 更好的新词发现算法*, 2017,
https://kexue.fm/archives/4256, and *重新写了之前的新词发现算法：更快更好的新词发现*, 2019,
https://kexue.fm/archives/6920 (a better way to find new words, and a faster one: ``ngram``); for ``entropy``: Harris,
"From phoneme to morpheme", 1955; Magistry and Sagot, "Unsupervized word segmentation: the case for Mandarin
Chinese", ACL 2012; Kudo, "Subword regularization", ACL 2018.
"""

from .._public import at_home
from ._finder import WordFinder

__all__ = ["WordFinder"]

at_home(__name__, WordFinder)
