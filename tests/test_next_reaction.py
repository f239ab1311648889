"""The modified next reaction method: rates that depend on the time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats

import fastcore.reference._next_reaction as twin
from fastcore import use_backend
from fastcore._programs import CODE
from fastcore.reactions import ReactionNetwork, fsp, simulate
from fastcore.reactions._expressions import Expression
from fastcore.reactions._laws import Laws, placed
from fastcore.reference._intervals import enclosed
from fastcore.reference._programs import evaluated

from .helpers import fits, sized

# Rates of the time, and the same for NumPy: all operations, jumps, what touches 0, what is infinite nearby.
RATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "1 + sin(t)": lambda t: 1 + np.sin(t),
    "3*cos(5*t)**2": lambda t: 3 * np.cos(5 * t) ** 2,
    "40*exp(-(t - 5)**2/0.02)": lambda t: 40 * np.exp(-((t - 5) ** 2) / 0.02),
    "piecewise(1e7, t >= 5 and t < 5 + 1e-6, 0.1)": lambda t: 0.1 + 0 * t,
    "if(floor(t/2) == 2*floor(t/4), 3, 1)": lambda t: np.where(np.floor(t / 2) == 2 * np.floor(t / 4), 3.0, 1.0),
    "max(0, 4 - t) + min(t/4, 1)": lambda t: np.maximum(0, 4 - t) + np.minimum(t / 4, 1),
    "abs(t - 5)": lambda t: np.abs(t - 5),
    "piecewise(log(t - 4) + sqrt(t - 5), t > 5 and not t > 9, 2, t != 3, 1)": lambda t: np.where(
        (t > 5) & (t <= 9), np.log(np.maximum(t - 4, 1)) + np.sqrt(np.maximum(t - 5, 0)), 2.0
    ),
    "t/(1 + t) + 2**(-t) + log10(1 + t)": lambda t: t / (1 + t) + 2 ** (-t) + np.log10(1 + t),
    "tan(t/7) + atan(t) + tanh(t) + sinh(t/5)": lambda t: np.tan(t / 7) + np.arctan(t) + np.tanh(t) + np.sinh(t / 5),
    "cosh(t - 5)/20 + acos(t/10) + asin(t/10)": lambda t: np.cosh(t - 5) / 20 + np.pi / 2 + 0 * t,
    "(5 - t)**2 - 1/(t - 20) + if(t > 6, (t - 5)**(-2), 0)": lambda t: (
        (5 - t) ** 2 - 1 / (t - 20) + np.where(t > 6, 1 / np.maximum(t - 5, 1) ** 2, 0)
    ),
    "ceil(t) + (t < 2 or t >= 8) + (t <= 1)": lambda t: np.ceil(t) + ((t < 2) | (t >= 8)) + (t <= 1),
}


# Products and quotients whose upper ends lie at each of the four corners, and their lower ends at the one across.
CORNERS = [
    "(1 + t)*(2 + 3*t)",
    "(t - 12)*(2*t - 31)",
    "400 + (1 + t)*(2*t - 31)",
    "400 + (2*t - 31)*(1 + t)",
    "(1 + t)/(13 - t)",
    "(t - 12)/(-1 - t)",
    "20 + (1 + t)/(t - 12)",
    "20 + (t - 31)/(3 + t)",
    "300 + (t - 3)*(2*t - 11)*(t - 7)",  # factors that change their signs
    "300 + (3 - t)*(2*t - 11)*(t - 7)",
    "4 + (t - 3)/(t - 12) - (t - 6)/(1 + t)",
]


def both(text: str, x0, span, **options):
    """The same call on both twins, which agree to the bit."""
    results = []
    for name in ("compiled", "reference"):
        with use_backend(name):
            results.append(simulate(ReactionNetwork(text), x0, span, method="nrm", **options))
    ours, other = results
    assert ours.status.tolist() == other.status.tolist() and ours.n_events.tolist() == other.n_events.tolist()
    if options.get("record") == "jumps":
        assert ours.times.tobytes() == other.times.tobytes() and ours.reactions.tobytes() == other.reactions.tobytes()
    else:
        assert ours.x.tobytes() == other.x.tobytes()
    return ours


class TestTwins:
    @pytest.mark.parametrize("rate", RATES)
    def test_rates_of_the_time(self, rate):
        both(f"0 -> A @ {rate}; A -> B @ A*(1 + sin(A*t))/4; B -> 0 @ 1", [20, 0], (0, 10), record="jumps", rng=1, n=2)

    @pytest.mark.parametrize("rate", CORNERS)
    def test_corners(self, rate):
        """A bound that forgot one would propose other events."""
        both(f"0 -> A @ {rate}; A -> 0 @ 1", [0], (0, 10), record="jumps", rng=3, max_events=400)

    def test_without_the_time(self):
        text = "A -> B @ 3; B -> A @ 1; 2 B -> C @ 0.01; C -> 2 B @ 1; A + C -> 2 A @ 0.002; C -> 0 @ C/(3 + C)"
        jumps = both(text, [500, 0, 9], (0, 10), n=2, rng=1, max_events=1500, record="jumps")
        assert len(jumps.times) == 3000

    def test_many_reactions(self):
        """A heap of several levels, of rates whose order changes all the time."""
        text = "; ".join(f"X{i} -> X{(i + 1) % 40} @ {1 + i % 7}*(1 + sin({1 + i % 3}*t))" for i in range(40))
        both(text, np.arange(40), (0, 5), rng=2, max_events=1500, record="jumps")

    def test_events(self):
        text = "0 -> A @ 5*(1 + sin(t)); A -> 0 @ A/3; B -> 0 @ 1 + t"
        text += "; at t >= 5: A = 30; at A == 0: A = 3; at t > 7: B = A"
        sol = both(text, [2, 0], (0, 10), n=10, rng=3)
        assert sol["A"].max() >= 30

    def test_dependants_that_are_merged(self):
        """A hub that every reaction changes and reads."""
        text = "; ".join(["H -> H + H @ 0.1*(1 + sin(t))", *(f"H + X{i} -> X{i} @ 0.01*{i}" for i in range(300))])
        both(text, np.ones(301, int) * 9, (0, 1), rng=4, record="jumps")


class TestDistribution:
    @pytest.mark.parametrize("rate", RATES)
    def test_numbers_of_events_are_poisson(self, rate):
        """With the integral of the rate as their mean, in each half of the time."""
        n = sized(20_000, 500)
        sol = simulate(ReactionNetwork(f"0 -> A @ {rate}"), [0], (0, 10), [5, 10], n=n, rng=5)
        assert sol.method == "nrm"
        grid = np.linspace(0, 10, 1_000_001)
        middle = (grid[1:] + grid[:-1]) / 2
        halves = RATES[rate](middle).reshape(2, -1).sum(axis=1) * 1e-5 + [0, 10 * ("1e7" in rate)]
        counts = np.diff(sol["A"], axis=1, prepend=0)
        for half in range(2):
            assert fits(counts[:, half], stats.poisson(halves[half]).pmf(np.arange(int(halves[half] * 2) + 30)))

    def test_mean_of_the_cycle(self, backend):
        """As JumpProcesses' issue 28 has it."""
        sol = simulate(ReactionNetwork("0 -> A @ 1 + sin(t)"), [0], (0, 10), [10], n=backend.size(40_000, 1000), rng=6)
        exact = 11 - math.cos(10)
        assert abs(sol.x.mean() - exact) < 5 * math.sqrt(exact / sol.x.size)

    def test_decay_by_a_rate_of_the_time(self, backend):
        """Each molecule for itself: a binomial number is left."""
        n = backend.size(20_000, 300)
        sol = simulate(ReactionNetwork("A -> 0 @ t*exp(-t)"), [30], (0, 3), [3], n=n, rng=7)
        left = math.exp(-integrate.quad(lambda t: t * math.exp(-t), 0, 3)[0])
        assert fits(sol["A"][:, 0], stats.binom(30, left).pmf(np.arange(31)))

    def test_pairs(self, backend):
        """A rate constant of the time multiplies falling factorials, x (x - 1)."""
        text, n = "2 A -> B @ {}; B -> 2 A @ 1", backend.size(20_000, 400)
        exact = fsp(ReactionNetwork(text.format(0.2)), [9, 0], 1.5, limits=[9, 9]).marginal("B")
        sol = simulate(ReactionNetwork(text.format("0.2 + 0*t")), [9, 0], (0, 1.5), [1.5], n=n, rng=8)
        assert sol.method == "nrm" and fits(sol["B"][:, 0], exact)
        alone = simulate(ReactionNetwork("2 A -> B @ 1 + t; 3 B -> A @ 1/t"), [1, 2], (0, 5), rng=1)
        assert alone.n_events.tolist() == [0] and alone.status.tolist() == ["absorbed"]

    def test_against_the_master_equation(self, backend):
        """Without the time: the same as all other exact methods."""
        text = "0 -> A @ 9; A -> 0 @ 1; 2 A -> B @ 0.1; B -> 2 A @ 0.5; A + 2 B -> A + B @ 0.05; B -> 0 @ B/(4 + B)"
        network = ReactionNetwork(text)
        exact = fsp(network, [5, 3], 1.5, limits=[40, 30])
        sol = simulate(network, [5, 3], (0, 1.5), [1.5], n=backend.size(20_000, 400), rng=9, method="nrm")
        for name in network.species:
            assert fits(sol[name][:, 0], exact.marginal(name))

    def test_against_the_direct_method(self):
        network, runs = ReactionNetwork("S + I -> 2 I @ 0.01; I -> R @ 0.3; R -> S @ 0.1"), []
        for method in ("direct", "nrm"):
            runs.append(simulate(network, [90, 10, 0], (0, 4), [4], n=sized(10_000, 500), rng=10, method=method)["I"])
        table = np.array([np.bincount(run[:, 0], minlength=101) for run in runs])
        common = table.sum(axis=0) > 20
        table = np.column_stack((table[:, common], table[:, ~common].sum(axis=1)))
        assert stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue > 1e-6

    def test_a_switch_at_an_event(self, backend):
        """From an event on, which sets what the rate reads, the number of events is another Poisson number."""
        network = ReactionNetwork("0 -> A @ on*(1 + cos(t)); at t >= 4: on = 2; on -> 0 @ 0")
        sol = simulate(network, {"on": 1}, (0, 10), [10], n=backend.size(20_000, 400), rng=11)
        mean = 4 + math.sin(4) + 2 * (6 + math.sin(10) - math.sin(4))
        assert fits(sol["A"][:, 0], stats.poisson(mean).pmf(np.arange(50)))


class TestIntervals:
    @pytest.mark.parametrize(
        "rate", [*RATES, "(t - 5)**3", "(t - 5)**(t > 2)", "-t*(t - 9)", "(3 - t)/(t + 1)", "abs(2 - t)**t"]
    )
    def test_they_hold_all_values(self, rate):
        laws = Laws({"X": 0})
        code = placed(laws.compiled(Expression(rate))[0], 1, 40)
        slots = [float(value.value({})) for _, value in laws.slots.values()]
        rng = np.random.default_rng(1)

        def frame(t: float) -> list[float]:
            return [3.0, t, *([0.0] * 40), *slots]

        bounded = 0
        for start, width in zip(rng.uniform(0, 10, 300), 10 ** rng.uniform(-6, 1, 300)):
            end = min(start + width, 10.0)
            low, high = enclosed(code, frame(start), frame(end), 2)
            for t in [start, end, *rng.uniform(start, end, 20)]:
                value = evaluated(code, frame(t), 2)
                assert low <= value <= high or (math.isnan(value) and (low, high) == (-math.inf, math.inf))
            bounded += high < math.inf
        assert bounded > 150

    @pytest.mark.parametrize("operation", ["*", "/"])
    def test_products_and_quotients_lie_between_their_corners(self, operation):
        """And reach them: whatever the signs, the ends are those of the four."""
        code = placed(Laws({"X": 0}).compiled(Expression(f"X {operation} t"))[0], 1, 4)
        ends = [-7.0, -2.5, -1.0, 0.0, 0.5, 3.0, 9.0]
        pairs = [(a, b) for a in ends for b in ends if a <= b]
        decisive = set()
        for x, t in itertools.product(pairs, pairs):
            low, high = enclosed(code, [x[0], t[0], *[0.0] * 4], [x[1], t[1], *[0.0] * 4], 2)
            if operation == "/" and t[0] <= 0 <= t[1]:
                assert (low, high) == (-math.inf, math.inf)
                continue
            corners = [a * b if operation == "*" else a / b for a in x for b in t]
            assert (low, high) == (min(corners), max(corners))
            decisive.update(("low", i) for i in range(4) if corners.count(low) == 1 and corners[i] == low)
            decisive.update(("high", i) for i in range(4) if corners.count(high) == 1 and corners[i] == high)
        assert len(decisive) == 8

    def test_what_may_be_no_number_is_unbounded(self):
        for text in ("sqrt(t - 1)", "log(t - 1)", "1/(t - 1)", "acos(t)", "(t - 1)**0.5", "(t - 1)**(-1)", "tan(t*2)"):
            laws = Laws({"X": 0})
            code = placed(laws.compiled(Expression(text))[0], 1, 9)
            slots = [float(value.value({})) for _, value in laws.slots.values()]
            frames = ([3.0, t, *([0.0] * 9), *slots] for t in (0.5, 1.5))
            assert enclosed(code, *frames, 2) == (-math.inf, math.inf)
        assert CODE["not"] - CODE["less"] == 6  # what the kernels take for logic


class TestSimulate:
    def test_auto_goes_by_the_time(self, backend):
        assert simulate(ReactionNetwork("0 -> A @ t"), [0], (0, 1), rng=1).method == "nrm"
        jumps = simulate(ReactionNetwork("0 -> A @ t"), [0], (0, 1), rng=1, record="jumps")
        assert jumps.method == "nrm"
        assert simulate(ReactionNetwork("0 -> A @ 1"), [0], (0, 1), rng=1).method == "direct"

    @pytest.mark.parametrize("method", ["direct", "first_reaction", "rssacr"])
    def test_others_refuse(self, method):
        with pytest.raises(
            ValueError, match=rf"method='{method}'.*'0 -> A @ 1 \+ sin\(t\)' changes with the time.*'nrm'"
        ):
            simulate(ReactionNetwork("0 -> A @ 1 + sin(t)"), [0], (0, 1), method=method)

    @pytest.mark.parametrize(
        ("rate", "words"),
        [
            ("sqrt(5 - t)", r"got nan at t = 5\.00000000000000\d"),
            ("1/(5 - t)", r"got inf at t = 5\.0"),
            ("9*sin(t)", r"got -\d.*at t = [345]\."),
            ("t - 1", r"got -1\.0 at t = 0\.0"),
            ("1/t", r"got inf at t = 0\.0"),
            ("piecewise(1, t < 2)", r"got nan at t = 2\.0"),
        ],
    )
    def test_rates_that_cant_be(self, backend, rate, words):
        with pytest.raises(ValueError, match=f"run 0: .*{words}"):
            simulate(ReactionNetwork(f"0 -> A @ {rate}; A -> 0 @ 1"), [0], (0, 10), rng=2)

    def test_only_the_span_counts(self, backend):
        """What a rate is after the end, or while reactants are missing, is no matter."""
        for text, end in (("0 -> A @ sqrt(4 - t)", 4), ("A -> 0 @ 1/(9 - t)", 20), ("B + A -> B @ B*log(t)", 2)):
            sol = simulate(ReactionNetwork(text), {"A": 0} if "B" in text or "/" in text else [0], (0, end), rng=3)
            assert sol.status[0] in ("finished", "absorbed")
        assert simulate(ReactionNetwork("0 -> A @ sqrt(-t)"), [0], (0, 0), rng=3).n_events.tolist() == [0]

    def test_statuses(self, backend):
        pulse = ReactionNetwork("0 -> A @ piecewise(5, t > 8, 0)")
        assert simulate(pulse, [0], (0, 7), rng=1).status.tolist() == ["absorbed"]
        assert simulate(pulse, [0], (0, 20), rng=1).status.tolist() == ["finished"]
        stopped = simulate(pulse, [0], (0, 20), [0, 20], rng=1, stop="A >= 9")
        assert stopped.status.tolist() == ["stopped"] and stopped["A"].tolist() == [[0, 9]]
        ended = simulate(pulse, [0], (0, 20), [0, 20], rng=1, max_events=4)
        assert ended.status.tolist() == ["max_events"] and ended["A"].tolist() == [[0, -1]]

    @pytest.mark.parametrize("record", ["grid", "jumps"])
    def test_workers_and_parts(self, backend, record):
        network = ReactionNetwork("A -> B @ k*(1 + sin(t)); B -> A @ 1; k = 1")
        options = {"n": 5, "rng": 4, "record": record, "params": [[1.0], [2.0]]}
        whole = simulate(network, [60, 20], (0, 3), **options)
        again = simulate(network, [60, 20], (0, 3), workers=3, **options)
        part = simulate(network, [60, 20], (0, 3), runs=range(3, 7), **options)
        if record == "grid":
            assert whole.x.tobytes() == again.x.tobytes()
            assert part.x.tolist() == whole.x.reshape(-1, 101, 2)[3:7].tolist()
        else:
            assert whole.times.tobytes() == again.times.tobytes()
            assert part.times.tolist() == whole.times[whole.offsets[3] : whole.offsets[7]].tolist()

    def test_bounds_that_say_nothing_end(self, backend, monkeypatch):
        """The bound of t - t grows with what it is asked for: a million times for nothing in a unit of time."""
        monkeypatch.setattr(twin, "MOST_IDLE", 1000)
        network = ReactionNetwork("0 -> A @ max(1e12*t - 1e12*t, 0) + 1e-9")
        with pytest.warns(RuntimeWarning, match=r"2 of 2 runs ended early, where ten million proposals in a row"):
            sol = simulate(network, [0], (0, 1e9), [0, 1e9], n=2, rng=1)
        assert sol.status.tolist() == ["max_events"] * 2 and sol["A"].tolist() == [[0, -1]] * 2

    @pytest.mark.parametrize("scale", [1e-12, 1e12])
    def test_other_units(self, backend, scale):
        network = ReactionNetwork(f"0 -> A @ (1 + sin(t/{scale}))/{scale}")
        sol = simulate(network, [0], (0, 10 * scale), [10 * scale], n=backend.size(4000, 200), rng=12)
        assert fits(sol["A"][:, 0], stats.poisson(11 - math.cos(10)).pmf(np.arange(40)))
