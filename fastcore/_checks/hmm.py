"""Checks of the kernels of hidden Markov models: a few iterations of each kind of model."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compat.hmmlearn import _hmmc
from ..hmm import CategoricalHMM, GaussianHMM, PoissonHMM
from . import Check, largest_difference

LENGTHS = [60, 1, 39]


def _rows() -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(size=(100, 3)) + np.repeat([[0.0], [4.0]], 50, axis=0)


def _symbols(rows: Any) -> Any:
    model = CategoricalHMM(2, random_state=0, n_iter=3, tol=-np.inf).fit(np.digitize(rows[:, 0], [0, 2, 4]), LENGTHS)
    return [*model.monitor_.history, model.emissionprob_]


def _diagonal(rows: Any) -> Any:
    model = GaussianHMM(2, "diag", random_state=0, n_iter=3, tol=-np.inf).fit(rows, LENGTHS)
    return [*model.monitor_.history, model.means_, model.covars_]


def _full(rows: Any) -> Any:
    model = GaussianHMM(2, "full", random_state=0, n_iter=3, tol=-np.inf).fit(rows, LENGTHS)
    return [*model.monitor_.history, model.means_, model.covars_]


def _counts(rows: Any) -> Any:
    model = PoissonHMM(2, random_state=0, n_iter=3, tol=-np.inf).fit(np.floor(np.abs(rows)), LENGTHS)
    return [*model.monitor_.history, model.lambdas_]


def _face(rows: Any) -> Any:
    shown = np.abs(rows)
    start, moves = np.full(3, 1 / 3), np.full((3, 3), 0.25) + np.eye(3) / 4
    log_prob, forward, factors = _hmmc.forward_scaling(start, moves, shown)
    backward = _hmmc.backward_scaling(start, moves, shown, factors)
    return [log_prob, forward, _hmmc.compute_scaling_xi_sum(forward, moves, backward, shown)]


CHECKS = [
    Check("hmm.categorical", _rows, _symbols, largest_difference, 1e-9),
    Check("hmm.diagonal", _rows, _diagonal, largest_difference, 1e-9),
    Check("hmm.full", _rows, _full, largest_difference, 1e-9),
    Check("hmm.scaling", _rows, _face, largest_difference, 1e-11),
    Check("hmm.poisson", _rows, _counts, largest_difference, 1e-9),
]
