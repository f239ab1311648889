"""Training that goes from sequence to sequence: CRFsuite's l2sgd, averaged perceptron, passive-aggressive and AROW."""

from math import inf, isfinite, nan
from typing import Any

import numpy as np

from .._backend import kernels
from ._features import Array, Items
from ._log import TrainingLog, Trials
from ._model import Features
from ._search import Fit, dot


class Passes:
    """A training set made ready for passes over it, each in an order of its own drawn from the key."""

    def __init__(
        self, chunks: list[Items], rank: Array, y: Array, features: Features, key: Array, backend: str
    ) -> None:
        """`rank` says which attribute of the features each number in the items is; the list is emptied."""
        self.kernels = kernels("crf.online", backend)
        self.features, self.key = features, key
        items = _joined(chunks)
        self.count = len(items.offsets) - 1
        self.problem = self.kernels.prepare(
            items.offsets,
            items.rows,
            rank[items.attributes],
            items.values,
            y.astype(np.int32),
            features.offsets,
            features.state_labels,
            features.transitions,
            features.labels,
        )

    def order(self, stream: int) -> Array:
        order: Array = self.kernels.shuffled(self.key, stream, self.count)
        return order


def _joined(chunks: list[Items]) -> Items:
    """All chunks as one, each let go once it is copied; where one has values, those of the others are 1."""
    valued = any(chunk.values.size for chunk in chunks)
    total = sum(len(chunk.attributes) for chunk in chunks)
    attributes, values = np.empty(total, np.int32), np.empty(total if valued else 0)
    offsets, rows = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    steps = at = 0
    chunks.reverse()
    while chunks:
        chunk = chunks.pop()
        n = len(chunk.attributes)
        offsets.append(chunk.offsets[1:] + steps)
        rows.append(chunk.rows[1:] + at)
        attributes[at : at + n] = chunk.attributes
        if valued:
            values[at : at + n] = chunk.values if chunk.values.size else 1.0
        steps, at = steps + int(chunk.offsets[-1]), at + n
    return Items(np.concatenate(offsets), np.concatenate(rows), attributes, values)


def train(passes: Passes, start: Array, options: dict[str, Any], log: TrainingLog) -> Fit:
    """Train by the algorithm of the options from the start on, iteration by iteration."""
    if options["max_iterations"] == 0:
        return Fit(start, nan, 0, "no iterations were asked for")
    return {"l2sgd": _descend, "ap": _perceptron, "pa": _aggressive, "arow": _arow}[options["algorithm"]](
        passes, start, options, log
    )


def _finite(loss: float, weights: Array, when: str) -> None:
    if not (isfinite(loss) and isfinite(dot(weights, weights))):
        raise ValueError(
            f"X must hold smaller values: the loss {when} is {loss} or the weights have grown beyond bounds"
        )


def _perceptron(passes: Passes, start: Array, options: dict[str, Any], log: TrainingLog) -> Fit:
    weights, sums = start.copy(), np.zeros_like(start)

    def epoch(order: Array, count: int) -> float:
        loss: float = passes.kernels.perceptron_epoch(passes.problem, order, weights, sums, count)
        return loss

    return _averaged(passes, weights, sums, epoch, options, log)


def _aggressive(passes: Passes, start: Array, options: dict[str, Any], log: TrainingLog) -> Fit:
    weights, sums = start.copy(), np.zeros_like(start)
    how = options["pa_type"], options["c"], options["error_sensitive"]

    def epoch(order: Array, count: int) -> float:
        loss: float = passes.kernels.aggressive_epoch(passes.problem, order, weights, sums, count, *how)
        return loss

    return _averaged(passes, weights, sums if options["averaging"] else None, epoch, options, log)


def _arow(passes: Passes, start: Array, options: dict[str, Any], log: TrainingLog) -> Fit:
    weights, variances = start.copy(), np.full_like(start, options["variance"])

    def epoch(order: Array, count: int) -> float:
        loss: float = passes.kernels.arow_epoch(passes.problem, order, weights, variances, options["gamma"])
        return loss

    return _averaged(passes, weights, None, epoch, options, log)


def _averaged(
    passes: Passes, weights: Array, sums: Array | None, epoch: Any, options: dict[str, Any], log: TrainingLog
) -> Fit:
    """Make passes until the mean loss is below epsilon; with sums, return the average of the weights of all steps.

    AROW stops at epsilon too, the others only below it: with 0 these go on with what is all right, which the average
    comes nearer to.
    """
    count = 1
    for number in range(1, options["max_iterations"] + 1):
        loss = epoch(passes.order(number), count)
        count += passes.count
        with np.errstate(over="ignore", invalid="ignore"):
            found = weights - sums / count if sums is not None else weights
        _finite(loss, found, f"of iteration {number}")
        log(loss, found)
        mean = loss / passes.count
        if mean < options["epsilon"] or (options["algorithm"] == "arow" and mean == options["epsilon"]):
            return Fit(found, loss, number, "the mean loss is small")
    return Fit(found, loss, number, "the most iterations were made")


def _descend(passes: Passes, start: Array, options: dict[str, Any], log: TrainingLog) -> Fit:
    decay = 2 * options["c2"] / passes.count
    rate = _calibrated(passes, start, decay, options, log)
    weights, best, least = start.copy(), start, inf
    losses: list[float] = []
    log.start()
    message = "the most iterations were made"
    for number in range(1, options["max_iterations"] + 1):
        steps = (number - 1) * passes.count
        loss = passes.kernels.gradient_epoch(passes.problem, passes.order(number), weights, rate, decay, float(steps))
        loss += 0.5 * decay * passes.count * dot(weights, weights)
        _finite(loss, weights, f"of iteration {number}")
        log(loss, weights, learning_rate=rate / (1 + decay * rate * (steps + passes.count - 1)))
        losses.append(loss)
        if loss < least:
            best, least = weights.copy(), loss
        period = options["period"]
        if period and number > period and losses[-1 - period] - loss < options["delta"] * abs(loss):
            message = "the loss has stopped falling"
            break
    return Fit(best, least, number, message)


def _calibrated(passes: Passes, start: Array, decay: float, options: dict[str, Any], log: TrainingLog) -> float:
    """The rate that lowers the loss most in a pass over some sequences, each tried from the start.

    From the first one up, as long as the loss is lowered, then down. A rate whose first step would take all of the
    weights away or more lowers nothing.
    """
    order = passes.order(0)[: options["calibration_samples"]]
    if len(order) == 1:
        order = order.repeat(2)  # what a step does is seen in what comes after it

    def loss_with(rate: float) -> tuple[float, Array]:
        weights = start.copy()
        loss = passes.kernels.gradient_epoch(passes.problem, order, weights, rate, decay, 0.0)
        return loss + 0.5 * decay * len(order) * dot(weights, weights), weights

    first, candidates = options["calibration_eta"], options["calibration_candidates"]
    bar = loss_with(0.0)[0]
    _finite(bar, start, "where training starts")
    rate, rising, left = first, True, candidates
    best, least = first, inf
    trials: Trials = []
    for _ in range(max(1, options["calibration_max_trials"] - 1)):
        loss = loss_with(rate)[0] if decay * rate < 1 else inf
        trials.append((rate, loss))
        better = loss < bar
        left -= better
        if loss < least:
            best, least = rate, loss
        if rising and (not better or not left):
            rising, left, rate = False, candidates, first
        elif not left:
            break
        rate = rate * options["calibration_rate"] if rising else rate / options["calibration_rate"]
    best = best if decay * best < 1 else 0.5 / decay
    log.calibrated(bar, trials, best)
    return best
