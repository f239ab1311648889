"""Sentence templates and the nested trees they make of sentences.

A template is words and slots, ``[X]的颜色是什么[X]``. A sentence is read by covering it with templates nested in each
other's slots so that the templates' probabilities have the largest product.

Source: Su Jianlin (苏剑林), *最小熵原理（三）：“飞象过河”之句模版和语言结构*, 2018,
https://kexue.fm/archives/5577 (minimum entropy, third part: sentence templates and the structure of language).
"""

from .._public import at_home
from ._finder import TemplateFinder
from ._parser import Parser
from ._template import SLOT, Template
from ._tree import SentenceTree
from ._trie import Match, TemplateTrie

__all__ = ["SLOT", "Match", "Parser", "SentenceTree", "Template", "TemplateFinder", "TemplateTrie"]

at_home(__name__, Match, Parser, SentenceTree, Template, TemplateFinder, TemplateTrie)
