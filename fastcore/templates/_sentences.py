"""Sentences as lists of words, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .._texts import Listed, Manner, Texts, batches
from ._template import LISTS, Tokenize, as_words

# What errors call the words of a text.
_GIVEN, _MADE = "texts[{}]", "what tokenize gives for texts[{}]"


def sentence_lists(texts: Texts, manner: Manner, tokenize: Tokenize | None) -> Iterator[tuple[list[Any], str]]:
    """Lists of sentences, and what errors call one: that those which are lists hold str is for the reader to see."""
    number = 0
    for batch in batches(texts, manner):
        for part in [batch.texts] if isinstance(batch, Listed) else batch.strings(manner):
            kinds = {*map(type, part)}
            if kinds <= {list, tuple}:
                yield part, _GIVEN
            elif kinds == {str} and tokenize is not None:
                yield _tokenized(part, number, tokenize), _MADE
            else:
                yield [_cut(text, number + i, tokenize) for i, text in enumerate(part)], _GIVEN
            number += len(part)


def _tokenized(part: Sequence[str], number: int, tokenize: Tokenize) -> list[tuple[str, ...]]:
    # Copies, since a tokenizer may use its list again.
    return [
        tuple(words) if type(words := tokenize(text)) in LISTS else as_words(words, _MADE.format(number + i))
        for i, text in enumerate(part)
    ]


def _cut(text: Any, number: int, tokenize: Tokenize | None) -> Sequence[str]:
    if not isinstance(text, str):
        return as_words(text, _GIVEN.format(number))
    if tokenize is None:
        raise TypeError(f"texts[{number}] must be a list of words, since there is no tokenize; got str")
    return as_words(tokenize(text), _MADE.format(number))
