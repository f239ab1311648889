"""Checks of the kernel of word embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..embeddings import CBOW, SkipGram
from . import Check, largest_difference


def _texts() -> list[list[str]]:
    ranks = np.minimum(np.random.default_rng(0).zipf(1.6, 3000), 100)
    return [[f"w{rank}" for rank in text] for text in ranks.reshape(-1, 10).tolist()]


def _vectors(model: type[SkipGram] | type[CBOW], texts: list[list[str]]) -> list[Any]:
    it = model(dim=20, min_count=1, epochs=1, alpha=0.1, subsample=0.1, rng=1).fit(texts)
    return [it.vectors, it.context_vectors_.vectors, it.loss_]


CHECKS = [
    # Single precision, whose roundings training carries on.
    Check("embeddings.skipgram", _texts, lambda texts: _vectors(SkipGram, texts), largest_difference, 1e-4),
    Check("embeddings.cbow", _texts, lambda texts: _vectors(CBOW, texts), largest_difference, 1e-4),
]
