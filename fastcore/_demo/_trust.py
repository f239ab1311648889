"""Why the numbers can be believed: every kernel beside its twin, threads beside one thread."""

from __future__ import annotations

import numpy as np

from .. import chain, ngrams, reactions
from .._checks import run_all
from .._config import show_config
from .._data import poems
from ._report import Report


def run(report: Report) -> None:
    outcomes = []
    print(f"{'kernel':<36}{'against its twin':<28}{'kernel s':>11}{'twin s':>11}{'ratio':>10}")
    for outcome in run_all():
        print(outcome.line(), flush=True)
        report.expect(outcome.passed, f"{outcome.name} differs from its twin by {outcome.error:g}")
        outcomes.append(outcome)
    print("\nOne worker against two, bit for bit:")
    workers = {name: compare() for name, compare in WORKERS.items()}
    for name, same in workers.items():
        print(f"  {name:<32}{'equal' if same else 'DIFFERS'}")
        report.expect(same, f"{name} depends on the number of workers")
    print()
    show_config()
    report.data["trust"] = {"checks": [o.as_dict() for o in outcomes], "workers": workers}
    report.series["ratios"] = [(o.name, o.ratio) for o in outcomes]


def _counting() -> bool:
    texts = poems()[:2000]
    one, two = (ngrams.count_ngrams(texts, n=(1, 3), workers=w) for w in (1, 2))
    return bool(one.to_dict() == two.to_dict())


def _viterbi() -> bool:
    rng = np.random.default_rng(0)
    emissions, transitions = rng.normal(size=(40, 25, 5)), rng.normal(size=(5, 5))
    one, two = (chain.viterbi(emissions, transitions, workers=w) for w in (1, 2))
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def _simulation() -> bool:
    network = reactions.ReactionNetwork("0 -> m @ 20\nm -> 0 @ 1")
    one, two = (reactions.simulate(network, {"m": 0}, (0, 5), n=20, rng=1, workers=w) for w in (1, 2))
    return np.array_equal(one.x, two.x)


WORKERS = {"ngrams.count_ngrams": _counting, "chain.viterbi": _viterbi, "reactions.simulate": _simulation}
