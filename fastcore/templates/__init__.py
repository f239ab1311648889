"""Sentence templates and the nested trees they make of sentences.

A template is words and slots, ``[X]的颜色是什么[X]``. A sentence is read by covering it with templates nested in each
other's slots so that the templates' probabilities have the largest product.

Source: Su Jianlin, "The principle of minimum entropy (3): sentence templates and language structure", 2018.
"""

from ._finder import TemplateFinder
from ._parser import Match, Parser, SentenceTree, TemplateTrie
from ._template import SLOT, Template

__all__ = ["SLOT", "Match", "Parser", "SentenceTree", "Template", "TemplateFinder", "TemplateTrie"]
