"""From a document to its n-grams, in Python: what the kernels tabulate for the usual settings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ._stop_words import ENGLISH

DEFAULT_PATTERN = r"(?u)\b\w\w+\b"
_SPACES = re.compile(r"\s\s+")


def strip_accents_unicode(text: str) -> str:
    """Decompose characters (NFKD) and drop the combining ones."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def strip_accents_ascii(text: str) -> str:
    """Decompose characters (NFKD) and keep what is ASCII."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


@dataclass(frozen=True)
class Preprocessor:
    """Lowercase, then strip accents."""

    lowercase: bool
    strip_accents: Callable[[str], str] | None

    def __call__(self, document: Any) -> Any:
        if self.lowercase:
            document = document.lower()
        return document if self.strip_accents is None else self.strip_accents(document)


def stop_words(given: Any) -> frozenset[Any] | None:
    """Return the effective stop words of the parameter."""
    if given is None:
        return None
    return ENGLISH if isinstance(given, str) and given == "english" else frozenset(given)


def tokenizer(pattern: str) -> Callable[[str], list[str]]:
    """Return the function that finds a pattern's matches (its group, if it has one)."""
    compiled = re.compile(pattern)
    if compiled.groups > 1:
        raise ValueError(f"token_pattern may have one capturing group, got {compiled.groups}")
    return compiled.findall


def word_ngrams(tokens: Sequence[Any], low: int, high: int) -> list[Any]:
    """Return n-grams of tokens joined by spaces: all short ones, then longer ones."""
    if high == 1:
        return list(tokens)
    ngrams = list(tokens) if low == 1 else []
    for n in range(max(low, 2), min(high, len(tokens)) + 1):
        ngrams += [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return ngrams


def char_ngrams(text: str, low: int, high: int) -> list[str]:
    """Return windows of code points, after runs of white space became one space."""
    text = _SPACES.sub(" ", text)
    return [text[i : i + n] for n in range(low, min(high, len(text)) + 1) for i in range(len(text) - n + 1)]


def word_bounded_ngrams(text: str, low: int, high: int) -> list[str]:
    """Return windows inside words padded with a space at each end; a word shorter than `low` counts whole."""
    ngrams = []
    for word in text.split():
        padded = f" {word} "
        if len(padded) < low:
            ngrams.append(padded)
        for n in range(low, min(high, len(padded)) + 1):
            ngrams += [padded[i : i + n] for i in range(len(padded) - n + 1)]
    return ngrams


@dataclass(frozen=True)
class Analyzer:
    """Decode, then either a caller's analysis or preprocess, tokenize, drop stop words, make n-grams."""

    decode: Callable[[Any], Any]
    analyze: Callable[[Any], Any] | None = None
    preprocess: Callable[[Any], Any] | None = None
    tokenize: Callable[[Any], Any] | None = None
    stop_words: frozenset[Any] | None = None
    ngrams: Callable[[Any, int, int], list[Any]] = word_ngrams
    ngram_range: tuple[int, int] = (1, 1)

    def __call__(self, document: Any) -> Any:
        document = self.decode(document)
        if self.analyze is not None:
            return self.analyze(document)
        return self.ngrams(self.tokens(document), *self.ngram_range)

    def tokens(self, document: Any) -> Any:
        """Return what n-grams are made of."""
        if self.preprocess is not None:
            document = self.preprocess(document)
        if self.tokenize is None:
            return document
        tokens = self.tokenize(document)
        if self.stop_words is not None:
            tokens = [token for token in tokens if token not in self.stop_words]
        return tokens
