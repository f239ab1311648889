"""Checks of the lexicon kernels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
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


def _looked_up(data: Data) -> list[Any]:
    lexicon = data[0][active_backend()].lexicon
    return [(word, lexicon.id(word)) for text in data[1] for word in (text[:2], text[-2:]) if word in lexicon]


def _longest(data: Data) -> list[Any]:
    lexicon = data[0][active_backend()].lexicon
    return [lexicon.longest(text, i) for text in data[1][:100] for i in range(len(text))]


def _spelt(data: Data) -> list[str]:
    return list(data[0][active_backend()].lexicon)


def _saved(data: Data) -> list[tuple[str, int]]:
    with TemporaryDirectory() as folder:
        file = Path(folder, "lexicon.bin")
        data[0][active_backend()].lexicon.save(file, binary=True)
        return list(Lexicon.load(file).items())


def _spans(data: Data) -> list[Any]:
    return [data[0][active_backend()].spans(text).tolist() for text in data[1]]


def _nbest(data: Data) -> list[list[tuple[list[str], float]]]:
    return [data[0][active_backend()].nbest(text, 3) for text in data[1][:100]]


def _nbest_difference(fast: Any, slow: Any) -> float:
    words, scores = [[[[way[part] for way in best] for best in result] for result in (fast, slow)] for part in (0, 1)]
    return max(exact(*words), largest_difference(*scores))


def _sampled(data: Data) -> list[Any]:
    return [data[0][active_backend()].sample_many(text, 3, rng=i) for i, text in enumerate(data[1][:100])]


def _best_counts(data: Data) -> list[np.ndarray]:
    counts, score = data[0][active_backend()].lexicon._trie.best_counts(*_training(data))
    return [counts, np.array(score)]


def _expected(data: Data) -> list[np.ndarray]:
    counts, likelihood = data[0][active_backend()].lexicon._trie.expected_counts(*_training(data))
    return [counts, np.array(likelihood)]


def _training(data: Data) -> tuple[Any, ...]:
    """Texts as the trie takes them, the words' log-probabilities, and that of a character which is no word."""
    lexicon = data[0][active_backend()].lexicon
    codes = np.frombuffer("".join(data[1]).encode("utf-32-le"), "<u4").astype(np.uint32)
    offsets = np.cumsum([0, *map(len, data[1])], dtype=np.int64)
    return codes, offsets, np.log(lexicon._counts / lexicon.total), -100.0


CHECKS = [
    Check("lexicon.tokenize", _tokenizers_and_texts, _segmented, exact),
    Check("lexicon.encode", _tokenizers_and_texts, _encoded, exact),
    Check("lexicon.search", _tokenizers_and_texts, _found, exact),
    Check("lexicon.spans", _tokenizers_and_texts, _spans, exact),
    Check("lexicon.nbest", _tokenizers_and_texts, _nbest, _nbest_difference, 1e-12),
    Check("lexicon.sample_many", _tokenizers_and_texts, _sampled, exact),
    Check("lexicon.id", _tokenizers_and_texts, _looked_up, exact),
    Check("lexicon.longest", _tokenizers_and_texts, _longest, exact),
    Check("lexicon.words", _tokenizers_and_texts, _spelt, exact),
    Check("lexicon.save and load", _tokenizers_and_texts, _saved, exact),
    Check("lexicon.best_counts", _tokenizers_and_texts, _best_counts, largest_difference, 1e-12),
    Check("lexicon.expected_counts", _tokenizers_and_texts, _expected, largest_difference, 1e-9),
]
