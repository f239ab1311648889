"""Word embeddings: vectors of words, trained to tell neighbours from noise.

Sources: Mikolov, Sutskever, Chen, Corrado and Dean, *Distributed representations of words and phrases and their
compositionality*, NIPS 2013; Su Jianlin (苏剑林), *“噪声对比估计”杂谈：曲径通幽之妙*, 2018,
https://kexue.fm/archives/5617 (what negative sampling estimates); Levy and Goldberg, *Neural word embedding as implicit
matrix factorization*, NIPS 2014; İrsoy, Benton and Stratos, *Corrected CBOW performs as well as skip-gram*, 2021.
"""

from .._public import at_home
from ._models import CBOW, SkipGram
from ._vectors import WordVectors

__all__ = ["CBOW", "SkipGram", "WordVectors"]

at_home(__name__, CBOW, SkipGram, WordVectors)
