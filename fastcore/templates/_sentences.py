"""Sentences as lists of words, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .._texts import Listed, Manner, Texts, batches
from ._template import Tokenize, as_words


def sentence_lists(texts: Texts, manner: Manner, tokenize: Tokenize | None) -> Iterator[list[Any]]:
    """Lists of sentences; that one which isn't a list holds str is for the reader to see."""
    number = 0
    for batch in batches(texts, manner):
        for part in [batch.texts] if isinstance(batch, Listed) else batch.strings(manner):
            if {*map(type, part)} <= {list, tuple}:
                yield part
            else:
                yield [_cut(text, number + i, tokenize) for i, text in enumerate(part)]
            number += len(part)


def _cut(text: Any, number: int, tokenize: Tokenize | None) -> Sequence[str]:
    if not isinstance(text, str):
        return as_words(text, f"texts[{number}]")
    if tokenize is None:
        raise TypeError(f"texts[{number}] must be a list of words, since there is no tokenize; got str")
    return as_words(tokenize(text), f"what tokenize gives for texts[{number}]")
