"""What the messages of a training say, taken from them line by line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

NUMBER = r"(-?\d+(?:\.\d+)?)"
HEAD = re.compile(r"\*{5} (?:Iteration|Epoch) #(\d+) \*{5}$")
SECONDS = re.compile(rf"Seconds required: {NUMBER}")
TOTAL = re.compile(rf"Total seconds required for training: {NUMBER}")
FEATURES = re.compile(r"Number of features: (\d+)")
AVERAGES = re.compile(rf"Macro-average precision, recall, F1: \({NUMBER}, {NUMBER}, {NUMBER}\)")
LABEL = re.compile(r" {4}(.+): \((\d+), (\d+), (\d+)\) \((.+), (.+), (.+)\)$")
ACCURACY = re.compile(r"(Item|Instance) accuracy: (\d+) / (\d+)")
FIELDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "Loss": ("loss", float),
    "Feature norm": ("feature_norm", float),
    "Error norm": ("error_norm", float),
    "Active features": ("active_features", int),
    "Line search trials": ("linesearch_trials", int),
    "Line search step": ("linesearch_step", float),
    "Seconds required for this iteration": ("time", float),
}
# What is shown while features are made: tenths, and dots for fiftieths.
PROGRESS = {".", *map(str, range(11))}


class LabelScore(NamedTuple):
    """How a label fares in the held-out sequences: counts, and shares that are None if it isn't there."""

    match: int
    model: int
    ref: int
    precision: float | None
    recall: float | None
    f1: float | None


class TrainLogParser:
    """What a training has told so far.

    Attributes
    ----------
    state : str or None
        Which part of the training is under way.
    featgen_percent, featgen_num_features, featgen_seconds : int, int, float
        Of the making of features; None, and -2, before.
    training_seconds, storing_seconds : float
        What these took; None before.
    iterations : list of dict
        Of each iteration ``num``, ``loss``, ``feature_norm``, ``time``, ``scores``, and what else was told.
    last_iteration : dict
        The last of them.
    log : list of str
        All messages.
    events : list of (str, int, int)
        What happened, and which messages it is of.
    """

    def __init__(self) -> None:
        self.state: str | None = None
        self.featgen_percent = -2
        self.featgen_num_features: int | None = None
        self.featgen_seconds: float | None = None
        self.training_seconds: float | None = None
        self.storing_seconds: float | None = None
        self.iterations: list[dict[str, Any]] = []
        self.last_iteration: dict[str, Any] | None = None
        self.log: list[str] = []
        self.events: list[tuple[str, int, int]] = []

    @property
    def last_log(self) -> str:
        """The messages of the last event."""
        _, start, end = self.events[-1]
        return "".join(self.log[start:end])

    def feed(self, line: str) -> str | None:
        """Take a message; return the event that it completes, if any."""
        self.log.append(line)
        if self.state is None:
            self.state = "STARTING"
            self._starting(line)
            self.events.append(("start", 0, 1))
            return "start"
        event = {
            "STARTING": self._starting,
            "FEATGEN": self._making,
            "AFTER_FEATGEN": self._made,
            "ITERATION": self._iterating,
            "AFTER_ITERATION": self._iterated,
            "STORING": self._storing,
        }[self.state](line)
        if event is not None:
            # The line that begins what follows belongs to that.
            end = len(self.log) - (event in ("prepared", "optimization_end"))
            self.events.append((event, self.events[-1][2], end))
        return event

    def _starting(self, line: str) -> str | None:
        if line.startswith("Feature generation"):
            self.state = "FEATGEN"
        return None

    def _making(self, line: str) -> str | None:
        if line in PROGRESS:
            self.featgen_percent += 2
            return "featgen_progress"
        if found := FEATURES.match(line):
            self.featgen_num_features = int(found[1])
        elif found := SECONDS.match(line):
            self.featgen_seconds = float(found[1])
            self.state = "AFTER_FEATGEN"
            return "featgen_end"
        return None

    def _made(self, line: str) -> str | None:
        if HEAD.match(line):
            self._begin(line)
            return "prepared"
        if "terminated with error" in line:
            self.state = "AFTER_ITERATION"
            return "prepare_error"
        return None

    def _begin(self, line: str) -> None:
        self.state = "ITERATION"
        if found := HEAD.match(line):
            self.last_iteration = {"num": int(found[1]), "scores": {}}
            self.iterations.append(self.last_iteration)

    def _iterating(self, line: str) -> str | None:
        if line == "\n":
            self.state = "AFTER_ITERATION"
            return "iteration"
        if HEAD.match(line):
            self._begin(line)
        entry = self.last_iteration
        assert entry is not None
        name, _, rest = line.partition(": ")
        if name in FIELDS:
            key, kind = FIELDS[name]
            if found := re.match(NUMBER, rest):
                entry[key] = kind(found[1])
        elif found := AVERAGES.match(line):
            entry |= zip(("avg_precision", "avg_recall", "avg_f1"), map(float, found.groups()))
        elif found := ACCURACY.match(line):
            key = f"{found[1].lower()}_accuracy"
            from fractions import Fraction  # with all of decimal: for this only

            # Of none it is none of them.
            share = Fraction(int(found[2]), int(found[3]) or 1)
            entry[key], entry[f"{key}_float"] = share, float(share)
        elif found := LABEL.match(line):
            shares = [None if "*" in share else float(share) for share in found.groups()[4:]]
            entry["scores"][found[1]] = LabelScore(*map(int, found.groups()[1:4]), *shares)
        return None

    def _iterated(self, line: str) -> str | None:
        if HEAD.match(line):
            self._begin(line)
        elif found := TOTAL.match(line):
            self.training_seconds = float(found[1])
        elif line.startswith("Storing the model"):
            self.state = "STORING"
            return "optimization_end"
        return None

    def _storing(self, line: str) -> str | None:
        if line == "\n":
            return "end"
        if found := SECONDS.match(line):
            self.storing_seconds = float(found[1])
        return None
