"""What a training says of each iteration: its loss, norms, time, and how well held-out sequences are labelled."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from time import perf_counter
from typing import Any

from .._workers import Workers
from ._features import Array, Items
from ._model import Decoder, Features
from ._search import dot

Entry = dict[str, Any]
Trials = list[tuple[float, float]]  # learning rates and the losses that they came to


@dataclass(frozen=True)
class Holdout:
    """Sequences with labels that training doesn't see."""

    items: Items
    labels: list[list[str]]
    classes: list[str]
    dtype: str
    workers: Workers
    backend: str

    def scores(self, features: Features, weights: Array) -> Entry:
        """Precision, recall and F1 of each label, their averages, and the shares of items and sequences all right.

        As CRFsuite has it, averages are over all labels of either set; those that the held-out set hasn't count 0.
        """
        decoder = Decoder(features, weights, self.dtype, self.backend)
        found = [[self.classes[k] for k in path] for path in decoder.paths(self.items, self.workers)]
        match: dict[str, int] = {}
        model: dict[str, int] = {}
        ref: dict[str, int] = {}
        for truth, guess in zip(self.labels, found):
            for a, b in zip(truth, guess):
                ref[a] = ref.get(a, 0) + 1
                model[b] = model.get(b, 0) + 1
                if a == b:
                    match[a] = match.get(a, 0) + 1
        names = list(dict.fromkeys([*self.classes, *ref]))
        table = {name: _score(match.get(name, 0), model.get(name, 0), ref.get(name, 0)) for name in names}
        counted = [row for row in table.values() if row["ref"]]
        averages = {
            f"avg_{kind}": sum(row[kind] for row in counted) / len(names) for kind in ("precision", "recall", "f1")
        }
        return {
            "scores": table,
            **averages,
            "item_accuracy": sum(match.values()) / sum(ref.values()),
            "instance_accuracy": sum(a == b for a, b in zip(self.labels, found)) / len(found),
        }


def _score(match: int, model: int, ref: int) -> Entry:
    precision, recall = match / model if model else 0.0, match / ref if ref else 0.0
    f1 = 2 * precision * recall / (precision + recall) if match else 0.0
    return {"match": match, "model": model, "ref": ref, "precision": precision, "recall": recall, "f1": f1}


class TrainingLog:
    """The entries of a training, one an iteration, told to whoever wants to know as they come."""

    def __init__(self, verbose: bool, step: Callable[[int], object], holdout: Holdout | None, features: Features):
        self.entries: list[Entry] = []
        self._verbose, self._step = verbose, step
        self._holdout, self._features = holdout, features
        self.start()

    def start(self) -> None:
        """An iteration begins; the next one will when this one has been told."""
        self._since = perf_counter()

    def calibrated(self, initial: float, trials: Trials, best: float) -> None:
        """Take what came of trying learning rates, and the one that was chosen."""

    def __call__(self, loss: float, weights: Array, **more: Any) -> None:
        """Take an iteration: the loss and weights after it, and what else its algorithm tells."""
        now = perf_counter()
        entry = {
            "num": len(self.entries) + 1,
            "loss": loss,
            "feature_norm": sqrt(dot(weights, weights)),
            **more,
            "time": now - self._since,
        }
        if self._holdout is not None:
            entry.update(self._holdout.scores(self._features, weights))
        self.entries.append(entry)
        if self._verbose:
            print(_line(entry), file=sys.stderr, flush=True)
        self._step(1)
        self.start()


def _line(entry: Entry) -> str:
    parts = [f"iteration {entry['num']:<4d} loss={entry['loss']:<12.6g} time={entry['time']:<6.3g}"]
    for name, value in entry.items():
        if name not in ("num", "loss", "time", "scores"):
            parts.append(f"{name}={value:<9.4g}")
    return " ".join(parts).rstrip()
