"""What the CRF's parameters mean for each algorithm: CRFsuite's names and defaults."""

from typing import Any

from .._random import stream_key
from .._validation import as_choice, as_flag, as_index, as_number
from .._workers import check_workers

# What each algorithm takes, and what it takes if nothing is given.
ALGORITHMS: dict[str, dict[str, Any]] = {
    "lbfgs": {
        "c1": 0.0,
        "c2": 1.0,
        "max_iterations": None,
        "num_memories": 6,
        "epsilon": 1e-5,
        "period": 10,
        "delta": 1e-5,
        "linesearch": "MoreThuente",
        "max_linesearch": 40,
    },
    "l2sgd": {
        "c2": 1.0,
        "max_iterations": 1000,
        "period": 10,
        "delta": 1e-6,
        "calibration_eta": 0.1,
        "calibration_rate": 2.0,
        "calibration_samples": 1000,
        "calibration_candidates": 10,
        "calibration_max_trials": 20,
    },
    "ap": {"max_iterations": 100, "epsilon": 0.0},
    "pa": {
        "max_iterations": 100,
        "epsilon": 0.0,
        "pa_type": 1,
        "c": 1.0,
        "error_sensitive": True,
        "averaging": True,
    },
    "arow": {"max_iterations": 100, "epsilon": 0.0, "variance": 1.0, "gamma": 1.0},
}
_ALL: dict[str, Any] = {"min_freq": 0.0, "all_possible_states": False, "all_possible_transitions": False}
_SEARCHES = "MoreThuente", "Backtracking", "StrongBacktracking"

_LOWEST = {"period": 0, "num_memories": 1, "max_linesearch": 1, "max_iterations": 0}
_LOWEST |= {"calibration_samples": 1, "calibration_candidates": 1, "calibration_max_trials": 1}
_FLAGS = {"all_possible_states", "all_possible_transitions", "error_sensitive", "averaging"}
_ABOVE_0 = {"calibration_eta", "c", "variance", "gamma"}


def checked_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return what training takes, refused by name if it is out of range or of no use to the algorithm."""
    algorithm = "lbfgs" if given["algorithm"] is None else given["algorithm"]
    taken = ALGORITHMS[as_choice(algorithm, "algorithm", tuple(ALGORITHMS))]
    names = {name for each in ALGORITHMS.values() for name in each}
    useless = sorted(name for name in names - set(taken) if given[name] is not None)
    if useless:
        raise ValueError(
            f"{useless[0]} must be None with algorithm {algorithm!r}, which takes {', '.join(sorted(taken))}; "
            f"got {given[useless[0]]!r}"
        )
    options = {
        name: default if given[name] is None else _checked(name, given[name])
        for name, default in {**_ALL, **taken}.items()
    }
    return {
        "algorithm": algorithm,
        "dtype": as_choice(given["dtype"], "dtype", ("float64", "float32")),
        "workers": check_workers(given["workers"]),
        "warm_start": as_flag(given["warm_start"], "warm_start"),
        "verbose": as_flag(
            bool(given["verbose"]) if isinstance(given["verbose"], int) else given["verbose"], "verbose"
        ),
        "key": stream_key(given["rng"]),
        **options,
    }


def _checked(name: str, value: Any) -> Any:
    if name == "linesearch":
        return as_choice(value, name, _SEARCHES)
    if name == "pa_type":
        return as_index(value, name, high=2)
    if name in _LOWEST:
        return as_index(value, name, low=_LOWEST[name])
    if name in _FLAGS:
        return as_flag(value, name)
    if name == "calibration_rate":
        return as_number(value, name, low=1, open_low=True)
    return as_number(value, name, low=0, open_low=name in _ABOVE_0)
