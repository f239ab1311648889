"""Checks of the stochastic simulation kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._backend import kernels
from .._random import stream_key
from ..reactions import ReactionNetwork, fsp, simulate
from . import Check, largest_difference

_GENE = "0 -> m @ 20\nm -> m + n @ 2.5\nm -> 0 @ 1\nn -> 0 @ 1"


# Laws that aren't mass action: the decays saturate, and each gene represses the other.
_TOGGLE = """
    0 -> m @ 40/(1 + (n/30)**2); 0 -> n @ 40*exp(-m/20) + if(m < 5, 9, 0)
    m -> 0 @ v*m/(k + m); n -> 0 @ v*n/(k + n); v = 50; k = 30
"""


def _toggle() -> ReactionNetwork:
    return ReactionNetwork(_TOGGLE)


# Saturating decay, refilled whenever it runs low and at a time.
_REFILLED = _TOGGLE + "; at m < 10: m = m + 30; at t >= 10: n = 0, m = n"


def _refilled() -> ReactionNetwork:
    return ReactionNetwork(_REFILLED)


def _gene() -> ReactionNetwork:
    return ReactionNetwork(_GENE)


def _simulated(method: str, n: int) -> Any:
    def call(network: ReactionNetwork) -> Any:
        return simulate(network, {"m": 20, "n": 50}, (0, 50), n=n, method=method, rng=0).x

    return call


# Rates that depend on the time, smoothly and in steps.
_RHYTHM = """
    0 -> m @ 20*(1 + sin(t)); m -> m + n @ piecewise(5, floor(t/3) == 2*floor(t/6), 0.5)
    m -> 0 @ 1; n -> 0 @ n*exp(-t/50)
"""


def _rhythm() -> ReactionNetwork:
    return ReactionNetwork(_RHYTHM)


# Large counts, and some that fall to nothing.
_CROWD = "S + I -> 2 I @ 2e-5; I -> R @ 0.3; R -> S @ R/(400 + R); 2 S -> S @ 1e-7; S = 50000; I = 20"


def _crowd() -> ReactionNetwork:
    return ReactionNetwork(_CROWD)


# Millions, of all orders that batches take.
_MILLIONS = "0 -> A @ 1e6; A -> B @ 1; B -> 2 A @ 0.1; 2 A -> B @ 1e-7; A + B -> A + C @ 1e-7; A = 3000000; B = 2000000"


def _millions() -> ReactionNetwork:
    return ReactionNetwork(_MILLIONS)


def _stepped(method: str, end: float = 60) -> Any:
    def call(network: ReactionNetwork) -> Any:
        found = simulate(network, None, (0, end), n=4, method=method, rng=0)
        return [found.x, found.n_events]

    return call


def _poisson_numbers(key: np.ndarray) -> Any:
    return [kernels("reactions").poissons(key, 0, mean, 20_000) for mean in (0.1, 3.0, 10.0, 250.0, 1e12)]


def _binomial_numbers(key: np.ndarray) -> Any:
    pairs = [(9, 0.3), (100, 0.02), (100, 0.4), (1e6, 0.9), (1e15, 1e-7)]
    return [kernels("reactions").binomials(key, 0, n, p, 10_000) for n, p in pairs]


def _hypergeometric_numbers(key: np.ndarray) -> Any:
    urns = [(5, 90, 30), (50, 60, 70), (1e5, 3e6, 2e3), (1e15, 2e15, 1e8)]
    return [kernels("reactions").hypergeometrics(key, 0, *urn, 10_000) for urn in urns]


def _normal_numbers(key: np.ndarray) -> Any:
    return kernels("reactions").normals(key, 0, 100_000)


def _jumps(network: ReactionNetwork) -> Any:
    found = simulate(network, {"m": 20, "n": 50}, (0, 20), n=4, record="jumps", rng=0)
    return [found.times, found.reactions, found.n_events]


def _waiting_times(key: np.ndarray) -> Any:
    return kernels("reactions").exponentials(key, 0, 100_000)


def _projected(network: ReactionNetwork) -> Any:
    found = fsp(network, {"m": 0, "n": 0}, 0.5, limits={"m": 30, "n": 30})
    return [found.states, found.probabilities]


CHECKS = [
    Check("reactions.simulate, direct", _gene, _simulated("direct", 16), largest_difference),
    Check("reactions.simulate, first reaction", _gene, _simulated("first_reaction", 4), largest_difference),
    Check("reactions.simulate, rssacr", _gene, _simulated("rssacr", 8), largest_difference),
    Check("reactions.simulate, nrm", _rhythm, _simulated("nrm", 8), largest_difference),
    Check("reactions.simulate, tau", _crowd, _stepped("tau"), largest_difference),
    Check("reactions.simulate, cle", _crowd, _stepped("cle"), largest_difference),
    Check("reactions.simulate, batch", _millions, _stepped("batch", 1), largest_difference),
    Check("reactions.binomials", lambda: stream_key(0), _binomial_numbers, largest_difference),
    Check("reactions.hypergeometrics", lambda: stream_key(0), _hypergeometric_numbers, largest_difference),
    Check("reactions.normals", lambda: stream_key(0), _normal_numbers, largest_difference),
    Check("reactions.poissons", lambda: stream_key(0), _poisson_numbers, largest_difference),
    Check("reactions.simulate, jumps", _gene, _jumps, largest_difference),
    Check("reactions.simulate, expressions", _toggle, _simulated("direct", 8), largest_difference),
    Check("reactions.simulate, events", _refilled, _simulated("direct", 8), largest_difference),
    Check("reactions.fsp", _gene, _projected, largest_difference),
    Check("reactions.exponentials", lambda: stream_key(0), _waiting_times, largest_difference),
]
