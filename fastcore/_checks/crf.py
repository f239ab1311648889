"""Checks of the CRF's kernels: a segmenter's training set, its objective and gradient, and scores of new text."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._backend import active_backend, kernels
from .._data import segmented
from ..crf._crf import CRF
from ..crf._features import AttributeIds, index_items
from ..crf._segmenter import _KINDS, compiled_training_set
from ..crf._sequence import ItemSequence
from ..crf._template import FeatureTemplate, names_of
from ..crf._training import Objective
from . import Check, exact, largest_difference


def _lines() -> list[list[str]]:
    return segmented("dev")[:60]


def _gradient(lines: list[list[str]]) -> Any:
    features, blocks, observed, _ = compiled_training_set(lines, 1, active_backend())
    weights = np.random.default_rng(0).normal(scale=0.3, size=features.size)
    return Objective(features, blocks, observed, 0.1, np.dtype(np.float64), 1, active_backend())(weights)


def _words(lines: list[list[str]]) -> Any:
    kernel, texts = kernels("crf.windows"), ["".join(words) for words in lines]
    keys, counts = kernel.count_windows(texts[:40], _KINDS)
    counted = dict(zip(keys.tolist(), counts.tolist()))
    known = np.sort(keys)
    windows, rng = kernel.Windows(known, _KINDS), np.random.default_rng(0)
    cutter = kernel.Cutter(windows, rng.normal(size=(len(known), 4)), rng.normal(size=(4, 4)))
    arrays = [part.tolist() for found in (windows.read(texts), cutter.label(texts)) for part in found]
    return counted, arrays, cutter.cut(texts)


def _sentences() -> list[list[dict[str, float]]]:
    return [[{f"word:{word}": 1.0, "length": float(len(word))} for word in line] for line in segmented("dev")[:40]]


def _marginals(sentences: list[list[dict[str, float]]], c1: float = 0.0) -> Any:
    labels = [["long" if item["length"] > 1 else "short" for item in sentence] for sentence in sentences]
    crf = CRF(c1=c1, max_iterations=3).fit(sentences, labels)
    return [p for steps in crf.predict_marginals(sentences) for step in steps for p in step.values()]


def _sparse(sentences: list[list[dict[str, float]]]) -> Any:
    return _marginals(sentences, 0.5)


def _online(sentences: list[list[dict[str, float]]]) -> Any:
    labels = [["BMS"[t * t % 5 % 3] for t in range(len(sentence))] for sentence in sentences]
    fits = [
        CRF("l2sgd", max_iterations=2, calibration_max_trials=3),
        CRF("ap", max_iterations=2),
        CRF("pa", max_iterations=2),
        CRF("arow", max_iterations=2),
    ]
    return [w for crf in fits for w in crf.fit(sentences, labels).state_features_.values()]


def _read(sentences: list[list[dict[str, float]]]) -> Any:
    ids = AttributeIds()
    read = [ItemSequence(x) for x in sentences]
    found = [index_items(sequences, ids) for sequences in (sentences, read)]
    arrays = [part.tolist() for it in found for part in (it.offsets, it.rows, it.attributes, it.values)]
    return arrays, list(ids), [x.items() for x in read]


def _template(sentences: list[list[dict[str, float]]]) -> Any:
    # Lines with few macros, which are known by numbers, and with many; at the sentences' ends too.
    template = FeatureTemplate("U0:%x[0,0]\nU1:%x[-1,0]/%x[0,0]/%x[1,1]\nU2:%x[-2,0]/%x[-1,1]/%x[0,0]/%x[1,0]")
    rows = [[(name, str(len(name))) for item in sentence for name in item] for sentence in sentences]
    names = names_of(template, None)
    read = [part.tolist() for part in names.read(iter(rows), -1, 0)]
    known = names_of(template, names.names()[::2])
    return read, names.names(), [part.tolist() for part in known.read(iter(rows), -1, 0)]


CHECKS = [
    Check("crf.items", _sentences, _read, exact),
    Check("crf.template", _sentences, _template, exact),
    Check("crf.words", _lines, _words, exact),
    Check("crf.gradient", _lines, _gradient, largest_difference, 1e-10),
    Check("crf.marginals", _sentences, _marginals, largest_difference, 1e-8),
    Check("crf.online", _sentences, _online, largest_difference, 1e-8),
    Check("crf.marginals, L1", _sentences, _sparse, largest_difference, 1e-8),
]
