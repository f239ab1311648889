"""Skip-grams of English words in a window of five."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bench._data import lines, unpacked
from bench._harness import Workload
from fastcore.skipgrams import SkipGrams, count_skipgrams

TEXT = "text/en_30mb.txt.xz"
WINDOW = 5


@cache
def _lists() -> list[list[str]]:
    return [line.split() for line in lines(TEXT)]


@cache
def _ids() -> tuple[np.ndarray, np.ndarray]:
    seen: dict[str, int] = {}
    ids = np.array([seen.setdefault(token, len(seen)) for text in _lists() for token in text])
    return ids, np.array([len(text) for text in _lists()])


def dict_loop(texts: Any) -> dict[Any, int]:
    """Count in a dict, as nlp-zero does."""
    counts: dict[Any, int] = {}
    for text in texts:
        for i, first in enumerate(text):
            for second in text[i + 1 : i + 1 + WINDOW]:
                counts[first, second] = counts.get((first, second), 0) + 1
    return counts


def packed(ids: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Pack each pair into one integer and let numpy.unique sort and count."""
    size = int(ids.max()) + 1
    text = np.repeat(np.arange(len(lengths)), lengths)
    keys = []
    for k in range(1, WINDOW + 1):
        same = text[k:] == text[:-k]
        keys.append((ids[:-k] * size + ids[k:])[same])
    return *np.unique(np.concatenate(keys), return_counts=True), size


def _mapped(texts: Any) -> tuple[np.ndarray, np.ndarray]:
    seen: dict[str, int] = {}
    flat = [seen.setdefault(token, len(seen)) for text in texts for token in text]
    return np.array(flat), np.array([len(text) for text in texts])


def _split(path: Any) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="\n") as file:
        return [line.split() for line in file]


def _slice_of_ids(data: tuple[np.ndarray, np.ndarray]) -> list[list[int]]:
    ids, lengths = data
    ends = np.cumsum(lengths).tolist()
    flat = ids.tolist()
    return [flat[end - length : end] for end, length in zip(ends, lengths.tolist())]


def _equal(ours: SkipGrams, theirs: Any, name: str) -> bool:
    if isinstance(theirs, dict):
        return len(theirs) == len(ours) and sum(theirs.values()) == ours.total
    keys, counts, size = theirs
    rows = np.repeat(np.arange(size), np.diff(ours.matrix.indptr))
    return bool(np.array_equal(keys, rows * size + ours.matrix.indices) and np.array_equal(counts, ours.matrix.data))


def _pairs(lengths: np.ndarray) -> float:
    reach = np.minimum(WINDOW, np.maximum(lengths - 1, 0))
    return float((reach * lengths - reach * (reach + 1) // 2).sum()) / 1e6


WORKLOADS = [
    Workload(
        name="skipgrams.ids",
        make=_ids,
        runners={
            "fastcore": lambda data: count_skipgrams(data[0], WINDOW, lengths=data[1]),
            "NumPy packed keys": lambda data: packed(*data),
            "dict loop": lambda data: dict_loop(_slice_of_ids(data)),
        },
        equal=_equal,
        twin_make=lambda: (_ids()[0][: _ids()[1][:20_000].sum()], _ids()[1][:20_000]),
        amount=lambda data: (_pairs(data[1]), "M pairs"),
        heavy=frozenset({"dict loop"}),
    ),
    Workload(
        name="skipgrams.file",
        make=lambda: unpacked(TEXT),
        runners={
            "fastcore": lambda path: count_skipgrams(path, WINDOW),
            "NumPy packed keys": lambda path: packed(*_mapped(_split(path))),
            "dict loop": lambda path: dict_loop(_split(path)),
        },
        equal=_equal,
        twin=False,
        amount=lambda path: (path.stat().st_size / 1e6, "MB"),
        heavy=frozenset({"dict loop"}),
    ),
    Workload(
        name="skipgrams.lists",
        make=_lists,
        runners={
            "fastcore": lambda texts: count_skipgrams(texts, WINDOW),
            "NumPy packed keys": lambda texts: packed(*_mapped(texts)),
            "dict loop": dict_loop,
        },
        equal=_equal,
        twin_make=lambda: _lists()[:20_000],
        amount=lambda texts: (sum(map(len, texts)) / 1e6, "M tokens"),
        heavy=frozenset({"dict loop"}),
    ),
]
