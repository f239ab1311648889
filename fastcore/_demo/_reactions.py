"""Stochastic gene expression against its exact distribution, and two competing species fitted to data."""

from __future__ import annotations

import numpy as np

from .. import ode, reactions
from ._report import Report, timed

# Transcription, translation, and the decay of both: Su Jianlin (苏剑林), python简单实现gillespie模拟,
# 2018, https://kexue.fm/archives/5607.
GENE_EXPRESSION = """
0 -> m     @ 20
m -> m + n @ 2.5
m -> 0     @ 1
n -> 0     @ 1
"""
# Exact stationary moments: m is Poisson; var n = mean (1 + b / (1 + 1)) with b = 2.5 proteins a messenger's life.
EXACT = {"m": (20.0, 20.0), "n": (50.0, 112.5)}

# Two species that compete, parameters inferred from data; k1 and k2 are 1 / capacity: Su Jianlin (苏剑林),
# 貌离神合的RNN与ODE：花式RNN简介, 2018, https://kexue.fm/archives/5643.
COMPETITION = """
X1 -> 2 X1 @ r1
2 X1 -> X1 @ r1 * k1
X1 + X2 -> X2 @ a1
X2 -> 2 X2 @ r2
2 X2 -> X2 @ r2 * k2
X1 + X2 -> X1 @ a2
"""
# The source begins with all rates alike.
START = {"r1": 0.1, "r2": 0.1, "a1": 0.001, "a2": 0.001, "k1": 0.001, "k2": 0.001}
TRUE = {"r1": 0.1, "r2": 0.3, "a1": 1e-4, "a2": 2e-4, "k1": 0.002, "k2": 0.003}
TIMES = [0, 10, 15, 30, 36, 40, 42]
DATA = {"X1": [100, 165, 197, 280, 305, 318, 324], "X2": [150, 283, 290, 276, 269, 266, 264]}


def run(report: Report) -> None:
    report.data["reactions"] = {}
    _gene_expression(report)
    _competition(report)


def _gene_expression(report: Report) -> None:
    network = reactions.ReactionNetwork(GENE_EXPRESSION)
    runs = report.size(10_000, 200)
    seconds, sol = timed(lambda: reactions.simulate(network, {"m": 0, "n": 0}, (0, 15), [0, 15], n=runs, rng=2018))
    events = int(sol.n_events.sum())
    print(
        f"Gene expression, {runs:,} runs of the direct method: {events:,} events, "
        f"{events / seconds / 1e6:.1f} M events/s."
    )
    print(f"  {'species':<10}{'mean':>9}{'exact':>9}{'variance':>11}{'exact':>9}")
    numbers = {}
    for name, (mean, variance) in EXACT.items():
        last = sol[name][:, -1]
        got_mean, got_variance = float(last.mean()), float(last.var(ddof=1))
        print(f"  {name:<10}{got_mean:>9.3f}{mean:>9.3f}{got_variance:>11.2f}{variance:>9.2f}")
        numbers[name] = {"mean": got_mean, "variance": got_variance, "exact_mean": mean, "exact_variance": variance}
        # Five standard errors: a false alarm in a million.
        report.expect(abs(got_mean - mean) < 5 * np.sqrt(variance / runs), f"the mean of {name} is off")
        report.expect(abs(got_variance / variance - 1) < 6 * np.sqrt(2.5 / runs), f"the variance of {name} is off")
    counts = np.bincount(sol["n"][:, -1])
    exact = reactions.fsp(network, {"m": 0, "n": 0}, 15, limits={"m": 60, "n": 140}).marginal("n")
    width = max(len(counts), len(exact))
    expected = np.pad(exact, (0, width - len(exact))) * runs
    counts = np.pad(counts, (0, width - len(counts)))
    common = expected > 5
    chi2 = float((((counts - expected) ** 2)[common] / expected[common]).sum())
    freedom = int(common.sum())
    print(f"  protein histogram against the exact distribution: chi-square {chi2:.1f} with {freedom} bins")
    report.expect(chi2 < freedom + 6 * np.sqrt(2 * freedom), "the protein histogram is not the exact distribution")
    report.data["reactions"]["gene_expression"] = {
        "runs": runs,
        "events": events,
        "seconds": seconds,
        "chi2": chi2,
        **numbers,
    }
    report.series["protein"] = (counts, exact)


def _competition(report: Report) -> None:
    network = reactions.ReactionNetwork(COMPETITION, params=TRUE)
    x0 = {name: values[0] for name, values in DATA.items()}
    seconds, fit = timed(lambda: ode.fit(network, TIMES, DATA, x0=x0, start=START))
    print(f"\nCompetition of two species, fitted from the source's start in {seconds * 1e3:.0f} ms:")
    print(f"  {'parameter':<11}{'fitted':>11}{'95% interval':>26}{'published':>12}")
    intervals = fit.confint()
    for name, value in TRUE.items():
        low, high = intervals[name]
        print(f"  {name:<11}{fit.params[name]:>11.3g}{f'{low:.3g} to {high:.3g}':>26}{value:>12.3g}")
    print(f"  sum of squares {fit.sse:.2f}")
    truth = ode.solve(network, x0, (0, 42), TIMES)
    at_truth = sum(float(np.sum((truth[name] - values) ** 2)) for name, values in DATA.items())
    report.expect(fit.success and fit.sse <= at_truth, "the fit is worse than the published parameters")
    t = np.linspace(0, 42, 200)
    curve = ode.solve(network, x0, (0, 42), t, params=fit.params)
    report.data["reactions"]["competition"] = {
        "params": dict(fit.params),
        "stderr": dict(fit.stderr),
        "sse": fit.sse,
        "sse_published": at_truth,
        "seconds": seconds,
    }
    report.series["competition"] = {
        "t": t, "x1": curve["X1"], "x2": curve["X2"], "data_t": TIMES, "data_x1": DATA["X1"], "data_x2": DATA["X2"],
    }  # fmt: skip
