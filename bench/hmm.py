"""Hidden Markov models: iterations of a fit, on many sequences and on few long ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench._harness import Workload, prepared
from fastcore import hmm

ITERATIONS = 5


def _drawn(kind: str, states: int, sequences: int, steps: int) -> dict[str, Any]:
    """Observations drawn from a model, and another model to begin at."""
    rng = np.random.default_rng(0)
    truth, begin = _parameters(kind, states, rng), _parameters(kind, states, rng)
    model = _model(hmm, kind, states, truth)
    X = np.concatenate([model.sample(steps, random_state=seed)[0] for seed in range(sequences)])
    return {"kind": kind, "states": states, "X": X, "lengths": np.full(sequences, steps), "begin": begin}


def _parameters(kind: str, states: int, rng: np.random.Generator) -> dict[str, Any]:
    found = {
        "startprob_": np.full(states, 1 / states),
        "transmat_": 0.3 * rng.dirichlet(np.ones(states), size=states) + 0.7 * np.eye(states),
    }
    if kind == "categorical":
        found["emissionprob_"] = rng.dirichlet(np.full(12, 0.5), size=states)
    elif kind == "poisson":
        found["lambdas_"] = rng.uniform(1, 20, size=(states, 2))
    else:
        found["means_"] = rng.normal(scale=3, size=(states, 2))
        found["covars_"] = np.ones((states, 2)) if kind == "diag" else np.tile(np.eye(2), (states, 1, 1))
    return found


def _model(module: Any, kind: str, states: int, parameters: dict[str, Any], **options: Any) -> Any:
    options = {"n_iter": ITERATIONS, "tol": -np.inf, "init_params": "", **options}
    if kind == "categorical":
        model = module.CategoricalHMM(states, **options)
    elif kind == "poisson":
        model = module.PoissonHMM(states, **options)
    else:
        model = module.GaussianHMM(states, kind, **options)
    for name, value in parameters.items():
        setattr(model, name, value.copy())
    return model


def _fit(module: Any, data: dict[str, Any], **options: Any) -> np.ndarray:
    model = _model(module, data["kind"], data["states"], data["begin"], **options)
    return np.array(model.fit(data["X"], data["lengths"]).monitor_.history)


def _fastcore(data):
    return _fit(hmm, data)


def _hmmlearn(implementation: str):
    @prepared
    def make(data):
        from hmmlearn import hmm as theirs

        return lambda: _fit(theirs, data, implementation=implementation)

    return make


def _workload(kind: str, states: int, sequences: int, steps: int) -> Workload:
    return Workload(
        name=f"hmm.{kind}_{states}_{sequences}x{steps}",
        make=lambda: _drawn(kind, states, sequences, steps),
        runners={"fastcore": _fastcore, "hmmlearn scaling": _hmmlearn("scaling"), "hmmlearn log": _hmmlearn("log")},
        equal=lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=1e-8, atol=0)),
        twin_make=lambda: _drawn(kind, states, 2, 100),
        amount=lambda data: (len(data["X"]) * ITERATIONS / 1e6, "M steps"),
        heavy=frozenset({"hmmlearn log"}),
    )


WORKLOADS = [
    _workload(kind, states, sequences, steps)
    for kind in ("categorical", "diag", "full", "poisson")
    for states in (4, 16)
    for sequences, steps in ((100, 500), (5, 20_000))
]
