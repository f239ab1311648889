"""Checks of the stochastic simulation kernels."""

from __future__ import annotations

from typing import Any

from ..reactions import ReactionNetwork, simulate
from . import Check, largest_difference

_GENE = "0 -> m @ 20\nm -> m + n @ 2.5\nm -> 0 @ 1\nn -> 0 @ 1"


def _gene() -> ReactionNetwork:
    return ReactionNetwork(_GENE)


def _simulated(method: str, n: int) -> Any:
    def call(network: ReactionNetwork) -> Any:
        return simulate(network, {"m": 20, "n": 50}, (0, 50), n=n, method=method, rng=0).x

    return call


CHECKS = [
    Check("reactions.simulate, direct", _gene, _simulated("direct", 16), largest_difference),
    Check("reactions.simulate, first reaction", _gene, _simulated("first_reaction", 4), largest_difference),
]
