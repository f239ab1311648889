"""Checks of the lexicon kernels."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from .._backend import BACKENDS, active_backend, use_backend
from .._data import segmented
from ..lexicon import Lexicon, Tokenizer
from . import Check, exact, largest_difference

Data = tuple[dict[str, Tokenizer], list[str]]


def _tokenizers_and_texts() -> Data:
    # A lexicon binds its backend when it is made; building it isn't what is compared.
    counts = Counter(word for words in segmented("train") for word in words)
    tokenizers = {}
    for backend in BACKENDS:
        with use_backend(backend):
            tokenizers[backend] = Tokenizer(Lexicon(counts))
    return tokenizers, ["".join(words) for words in segmented("test")]


def _segmented(data: Data) -> list[list[str]]:
    return data[0][active_backend()].tokenize_many(data[1])


def _encoded(data: Data) -> list[Any]:
    ids, offsets = data[0][active_backend()].encode_many(data[1])
    return [ids.tolist(), offsets.tolist()]


def _found(data: Data) -> list[Any]:
    trie = data[0][active_backend()].lexicon._trie
    return [[part.tolist() for part in trie.search(text)] for text in data[1]]


def _expected(data: Data) -> list[np.ndarray]:
    lexicon = data[0][active_backend()].lexicon
    codes = np.frombuffer("".join(data[1]).encode("utf-32-le"), "<u4").astype(np.uint32)
    offsets = np.cumsum([0, *map(len, data[1])], dtype=np.int64)
    scores = np.log(lexicon._counts / lexicon.total)
    counts, likelihood = lexicon._trie.expected_counts(codes, offsets, scores, -100.0)
    return [counts, np.array(likelihood)]


CHECKS = [
    Check("lexicon.tokenize", _tokenizers_and_texts, _segmented, exact),
    Check("lexicon.encode", _tokenizers_and_texts, _encoded, exact),
    Check("lexicon.search", _tokenizers_and_texts, _found, exact),
    Check("lexicon.expected_counts", _tokenizers_and_texts, _expected, largest_difference, 1e-9),
]
