"""The parameters of python-crfsuite's trainers: names, defaults, what they mean, and which of `CRF`'s they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

ALIASES = {"ap": "averaged-perceptron", "pa": "passive-aggressive"}
# By CRFsuite's names, the library's.
ALGORITHMS = {
    "lbfgs": "lbfgs",
    "l2sgd": "l2sgd",
    "averaged-perceptron": "ap",
    "passive-aggressive": "pa",
    "arow": "arow",
}
# What lbfgs takes for no limit.
ENDLESS = 2**31 - 1


class Parameter(NamedTuple):
    """What a parameter is called here and there, what it is if nothing is set, and what it means."""

    name: str
    ours: str
    default: bool | float | str
    meaning: str

    def cast(self, value: Any) -> bool | float | str:
        """A value as the parameter has it, or a ValueError."""
        if isinstance(self.default, str):
            return str(value)
        if isinstance(value, bytes):
            value = value.decode()
        try:
            number = float(value)
            if isinstance(self.default, bool):
                return bool(int(number))
            return int(number) if isinstance(self.default, int) else number
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"parameter {self.name} must be a number, got {value!r}") from None

    def shown(self, value: Any) -> str:
        """A value as the training's messages have it."""
        if isinstance(value, str):
            return value
        return f"{value:f}" if isinstance(value, float) else str(int(value))


FEATURES = (
    Parameter("feature.minfreq", "min_freq", 0.0, "Features that occur less often are left out."),
    Parameter(
        "feature.possible_states",
        "all_possible_states",
        False,
        "Also features of attributes with labels that they don't occur with.",
    ),
    Parameter(
        "feature.possible_transitions",
        "all_possible_transitions",
        False,
        "Also features of pairs of labels that don't follow one another.",
    ),
)
C2 = Parameter("c2", "c2", 1.0, "Weight of the L2 norm, squared, in what is minimised.")
PERIOD = Parameter("period", "period", 10, "Iterations over which the loss must fall by `delta`.")


def _passes(default: int) -> Parameter:
    return Parameter("max_iterations", "max_iterations", default, "Most iterations, passes over the data.")


def _delta(default: float) -> Parameter:
    return Parameter("delta", "delta", default, "Training stops when the loss fell by less than this share of it.")


def _epsilon(what: str, default: float) -> Parameter:
    return Parameter("epsilon", "epsilon", default, f"Training stops when {what} is below this.")


TABLE: dict[str, tuple[Parameter, ...]] = {
    "lbfgs": (
        Parameter("c1", "c1", 0.0, "Weight of the L1 norm in what is minimised."),
        C2,
        Parameter("max_iterations", "max_iterations", ENDLESS, "Most iterations."),
        Parameter("num_memories", "num_memories", 6, "Steps whose curvature is remembered."),
        _epsilon("the gradient's norm, relative to that of the weights,", 1e-5),
        PERIOD,
        _delta(1e-5),
        Parameter(
            "linesearch",
            "linesearch",
            "MoreThuente",
            "Line search: MoreThuente, Backtracking or StrongBacktracking. One, which holds what all promise, is made.",
        ),
        Parameter("max_linesearch", "max_linesearch", 20, "Most trials of a line search."),
    ),
    "l2sgd": (
        C2,
        _passes(1000),
        PERIOD,
        _delta(1e-6),
        Parameter("calibration.eta", "calibration_eta", 0.1, "The first learning rate that is tried."),
        Parameter("calibration.rate", "calibration_rate", 2.0, "By what it is multiplied or divided for the next one."),
        Parameter("calibration.samples", "calibration_samples", 1000.0, "Most sequences on which rates are tried."),
        Parameter("calibration.candidates", "calibration_candidates", 10, "How many rates must lower the loss."),
        Parameter("calibration.max_trials", "calibration_max_trials", 20, "Most rates that are tried."),
    ),
    "averaged-perceptron": (_passes(100), _epsilon("the share of wrong labels", 0.0)),
    "passive-aggressive": (
        Parameter("type", "pa_type", 1, "0: without slack, 1: slack costs in proportion, 2: its square."),
        Parameter("c", "c", 1.0, "The price of slack."),
        Parameter("error_sensitive", "error_sensitive", True, "Whether the number of wrong labels widens the margin."),
        Parameter("averaging", "averaging", True, "Whether weights are averaged over all steps."),
        _passes(100),
        _epsilon("the mean loss", 0.0),
    ),
    "arow": (
        Parameter("variance", "variance", 1.0, "Variance of each weight at the start."),
        Parameter("gamma", "gamma", 1.0, "How much is given for staying near."),
        _passes(100),
        _epsilon("the mean loss", 0.0),
    ),
}


def parameters(algorithm: str) -> dict[str, Parameter]:
    """The parameters of an algorithm by name, in CRFsuite's order."""
    return {it.name: it for it in (*FEATURES, *TABLE[algorithm])}


def options(algorithm: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What `CRF` is made with: values that are the default are left to it."""
    found: dict[str, Any] = {"algorithm": ALGORITHMS[algorithm]}
    for name, it in parameters(algorithm).items():
        if given[name] != it.default:
            value = given[name]
            found[it.ours] = int(value) if it.ours == "calibration_samples" else value
    # To liblbfgs no iterations are no limit either.
    if algorithm == "lbfgs" and found.get("max_iterations") == 0:
        del found["max_iterations"]
    return found
