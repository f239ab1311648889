"""What a training tells, in CRFsuite's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from time import process_time
from typing import Any

import numpy as np

from ...crf import CRF
from ...crf._features import Array
from ...crf._log import Entry, Holdout, TrainingLog, Trials
from ...crf._model import Features, Model
from ._parameters import FEATURES, TABLE

Tell = Callable[[str], object]

TITLES = {
    "lbfgs": "L-BFGS optimization",
    "l2sgd": "Stochastic Gradient Descent (SGD)",
    "averaged-perceptron": "Averaged perceptron",
    "passive-aggressive": "Passive Aggressive",
    "arow": "Adaptive Regularization of Weights (AROW)",
}
# How two parameters of lbfgs are called there, and which one comes first.
SHOWN = {"period": "stop", "max_linesearch": "linesearch.max_iterations"}
FIRST = {"c1": 0, "c2": 1, "num_memories": 2}
STOPPED = {
    "the gradient is small": "L-BFGS resulted in convergence",
    "the loss has stopped falling": "L-BFGS terminated with the stopping criteria",
    "the most iterations were made": "L-BFGS terminated with the maximum number of iterations",
    "no iterations were asked for": "L-BFGS terminated with the maximum number of iterations",
    "there are no features": "L-BFGS terminated with error code (-1020)",
}
# A line search that can't go on.
STUCK = "L-BFGS terminated with error code (-1001)"


class Messages:
    """Tells one training, from the making of features to the model's file."""

    def __init__(self, tell: Tell, algorithm: str, values: Mapping[str, Any], count: int, holdout: int) -> None:
        """`count` is that of the sequences to train on."""
        self.tell, self.algorithm, self.values, self.count = tell, algorithm, dict(values), count
        if algorithm == "l2sgd":
            self.values["calibration.samples"] = min(int(values["calibration.samples"]), count)
        self.began = process_time()
        self._calibrates = False  # rates are going to be tried
        if holdout >= 0:
            tell(f"Holdout group: {holdout + 1}\n")
            tell("\n")
        tell("Feature generation\n")
        tell("type: CRF1d\n")
        self._parameters(FEATURES)

    def _parameters(self, parameters: Any) -> None:
        for it in parameters:
            name = SHOWN.get(it.name, it.name) if self.algorithm == "lbfgs" else it.name
            self.tell(f"{name}: {it.shown(self.values[it.name])}\n")

    def _took(self, what: str) -> None:
        self.tell(f"{what}: {process_time() - self.began:.3f}\n")
        self.tell("\n")
        self.began = process_time()

    def made(self, features: int) -> None:
        """Features were made."""
        for fiftieth in range(51):
            self.tell("." if fiftieth % 5 else str(fiftieth // 5))
        self.tell("\n")
        self.tell(f"Number of features: {features}\n")
        self._took("Seconds required")
        self.tell(f"{TITLES[self.algorithm]}\n")
        own = sorted(TABLE[self.algorithm], key=lambda it: FIRST.get(it.name, len(FIRST)))
        calibrated = [it for it in own if it.name.startswith("calibration.")]
        self._parameters(it for it in own if it not in calibrated)
        self.tell("\n")
        if calibrated:
            self.tell("Calibrating the learning rate (eta)\n")
            self._parameters(calibrated)
            self._calibrates = True

    def calibrated(self, initial: float, trials: Trials, best: float) -> None:
        """Learning rates were tried."""
        self._calibrates = False
        self.tell(f"Initial loss: {initial:f}\n")
        for number, (rate, loss) in enumerate(trials, 1):
            self.tell(f"Trial #{number} (eta = {rate:f}): {loss:f}{'' if loss < initial else ' (worse)'}\n")
        self.tell(f"Best learning rate (eta): {best:f}\n")
        self._took("Seconds required")

    def iteration(self, entry: Entry, active: int) -> None:
        """An iteration was made."""
        title = "Epoch" if self.algorithm == "l2sgd" else "Iteration"
        self.tell(f"***** {title} #{entry['num']} *****\n")
        self.tell(f"Loss: {entry['loss']:f}\n")
        norm = "Feature L2-norm" if self.algorithm == "l2sgd" else "Feature norm"
        self.tell(f"{norm}: {entry['feature_norm']:f}\n")
        if "learning_rate" in entry:
            self.tell(f"Learning rate (eta): {entry['learning_rate']:f}\n")
            self.tell(f"Total number of feature updates: {entry['num'] * self.count}\n")
        if "error_norm" in entry:
            self.tell(f"Error norm: {entry['error_norm']:f}\n")
            self.tell(f"Active features: {active}\n")
            self.tell(f"Line search trials: {entry['linesearch_trials']}\n")
            self.tell(f"Line search step: {entry['linesearch_step']:f}\n")
        self.tell(f"Seconds required for this iteration: {entry['time']:.3f}\n")
        if "scores" in entry:
            for line in _performance(entry):
                self.tell(f"{line}\n")
        self.tell("\n")

    def trained(self, message: str, loss: float) -> None:
        """The training has ended."""
        if self._calibrates:
            self.tell("\n")
        if self.algorithm == "lbfgs":
            self.tell(f"{STOPPED.get(message, STUCK)}\n")
        elif self.algorithm == "l2sgd":
            stopped = "stopping criteria" if "fall" in message else "maximum number of iterations"
            self.tell(f"SGD terminated with the {stopped}\n")
            self.tell(f"Loss: {loss:f}\n")
        elif "small" in message:
            self.tell("Terminated with the stopping criterion\n")
            self.tell("\n")
        self._took("Total seconds required for training")

    def storing(self, model: Model) -> Iterator[None]:
        """The model is going to be written; what comes after the first step, has been."""
        features, weights = model.features, model.weights
        states, labels = len(features.state_labels), len(model.classes)
        owners = np.repeat(np.arange(len(model.attributes)), np.diff(features.offsets))
        active = len(np.unique(owners[weights[:states] != 0]))
        self.tell("Storing the model\n")
        self.tell(f"Number of active features: {np.count_nonzero(weights)} ({len(weights)})\n")
        self.tell(f"Number of active attributes: {active} ({len(model.attributes)})\n")
        self.tell(f"Number of active labels: {labels} ({labels})\n")
        self.tell("Writing labels\n")
        self.tell("Writing attributes\n")
        self.tell("Writing feature references for transitions\n")
        self.tell("Writing feature references for attributes\n")
        yield
        self._took("Seconds required")


def check_names(what: str, names: Iterable[str]) -> None:
    """Refuse names that CRFsuite's files can't hold, before anything is trained."""
    for name in names:
        if "\0" in name:
            raise ValueError(f"{what} must not have a NUL, which ends a name in CRFsuite's files, got {name!r}")
        if not name.isascii():
            try:
                name.encode("utf-8")
            except UnicodeEncodeError as error:
                # As python-crfsuite's, with the name.
                reason = f"{error.reason}, and {what} must be UTF-8, got {name!r}"
                raise UnicodeEncodeError(error.encoding, name, error.start, error.end, reason) from None


def _performance(entry: Entry) -> Iterator[str]:
    """How well held-out sequences are labelled."""
    yield "Performance by label (#match, #model, #ref) (precision, recall, F1):"
    scores = entry["scores"]
    for label, it in scores.items():
        shares = f"{it['precision']:.4f}, {it['recall']:.4f}, {it['f1']:.4f}" if it["ref"] else "******, ******, ******"
        yield f"    {label}: ({it['match']}, {it['model']}, {it['ref']}) ({shares})"
    averages = ", ".join(f"{entry[f'avg_{kind}']:f}" for kind in ("precision", "recall", "f1"))
    yield f"Macro-average precision, recall, F1: ({averages})"
    for title, kind in (("Item", "item"), ("Instance", "instance")):
        right, count = entry[f"{kind}s"]
        yield f"{title} accuracy: {right} / {count} ({right / count:.4f})"


class ToldCRF(CRF):
    """A CRF whose training is told as it goes on."""

    told: Messages
    _by_sums = True

    def _begin_log(
        self,
        verbose: bool,
        step: Callable[[int], object],
        holdout: Holdout | None,
        features: Features,
        names: Iterable[str],
    ) -> TrainingLog:
        check_names("attributes", names)
        self.told.made(features.size)
        return _Told(self.told, step, holdout, features)


class _Told(TrainingLog):
    """A log that is told too."""

    def __init__(
        self, told: Messages, step: Callable[[int], object], holdout: Holdout | None, features: Features
    ) -> None:
        super().__init__(False, step, holdout, features)
        self._told = told
        self._counts: tuple[int, int] | None = None
        if holdout is not None:
            self._counts = sum(map(len, holdout.labels)), len(holdout.labels)

    def calibrated(self, initial: float, trials: Trials, best: float) -> None:
        self._told.calibrated(initial, trials, best)

    def __call__(self, loss: float, weights: Array, **more: Any) -> None:
        super().__call__(loss, weights, **more)
        entry = dict(self.entries[-1])
        if self._counts is not None:
            for kind, count in zip(("item", "instance"), self._counts):
                entry[f"{kind}s"] = round(entry[f"{kind}_accuracy"] * count), count
        self._told.iteration(entry, int(np.count_nonzero(weights)))
