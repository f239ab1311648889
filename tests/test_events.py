"""Events: amounts that are set whenever a condition becomes true."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fastcore import use_backend
from fastcore.ode import as_scipy, euler_rnn, fit, solve, steady_state
from fastcore.reactions import ReactionNetwork, fsp, simulate

from .helpers import sized

METHODS = ["direct", "first_reaction", "rssacr"]
REFILL = ReactionNetwork("A -> B @ 1; at A == 0: A = 100; A = 10")


def both(network: ReactionNetwork, *arguments, **options):
    """The same runs on both twins, equal to the bit."""
    found = []
    for name in ("compiled", "reference"):
        with use_backend(name):
            found.append(simulate(network, *arguments, **options))
    assert found[0].x.tolist() == found[1].x.tolist()
    assert found[0].n_events.tolist() == found[1].n_events.tolist()
    assert found[0].status.tolist() == found[1].status.tolist()
    return found[0]


class TestReading:
    def test_text(self):
        network = ReactionNetwork("""
            A -> B @ k
            at A == low and t < until: A = A + dose, B = max(B - 1, 0)   # a refill
            at total > 5: B = 0; at t >= 2*pi: A = 1
            total := A + B
            k = 1; low = 2; until = 50; dose = 10
        """)
        assert network.events == (
            "at A == low and t < until: A = A + dose, B = max(B - 1, 0)",
            "at 5 < A + B: B = 0",
            "at t >= 2*pi: A = 1",
        )
        assert ReactionNetwork(str(network)).events == network.events
        assert pickle.loads(pickle.dumps(network)).events == network.events

    def test_names_that_begin_like_an_event(self):
        network = ReactionNetwork("A -> B @ at; at = 3; attack := at*A")
        assert dict(network.params) == {"at": 3} and network.events == ()

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("at A == 0: A", "line 2: expected 'at condition: A = amount, B = amount', got 'A'"),
            ("at A == 0: ", "line 2: expected 'at condition"),
            ("at A == 0: A = 1, ", "line 2: expected 'at condition"),
            ("at A ==: A = 1", "line 2: 'A ==' is not an arithmetic expression"),
            ("at A == 0: A = 1 +", "line 2: '1 \\+' is not an arithmetic expression"),
            ("at a == 0: A = 1", "line 2: the event names 'a', which has no value; did you mean 'A'"),
            ("at A == 0: A = b", "line 2: the event names 'b', which has no value; did you mean 'B'"),
            ("at A == 0: k = 1", "line 2: an event can set species alone, and 'k' is none"),
            ("at A == 0: v = 1; v := A", "line 2: an event can set species alone, and 'v' is none"),
            ("at sin(t) > 0: A = 1", r"line 2: the condition 'sin\(t\) > 0' must compare t itself with numbers"),
            ("at t > A: A = 1", "must compare t itself"),
            ("at t: A = 1", "must compare t itself"),
            ("at t + 1: A = 1", "must compare t itself"),
            ("at 2*t > 5: A = 1", "must compare t itself"),
            ("at min(t, 5) > 3: A = 1", "must compare t itself"),
            ("at (t > 5)*t > 3: A = 1", "must compare t itself"),
            ("at t > t: A = 1", "must compare t itself"),
        ],
    )
    def test_refused(self, line, words):
        with pytest.raises(ValueError, match=words):
            ReactionNetwork(f"A -> B @ k; k = 1\n{line}")

    def test_elsewhere(self):
        for call in (
            lambda: fsp(REFILL, None, 1),
            lambda: solve(REFILL, None, (0, 1), sensitivities=["A"]),
            lambda: steady_state(REFILL, None),
            lambda: as_scipy(REFILL),
            lambda: euler_rnn(REFILL, [0, 1], {"A": [1, 2]}, x0={"A": 1}, step=0.5),
            lambda: fit(REFILL, [0, 1], {"A": [1, 2]}, x0={"A": 1}, free=[], start=[]),
            lambda: simulate(REFILL, None, (0, 1), record="jumps"),
        ):
            with pytest.raises(ValueError, match="takes no events, and the network has 'at A == 0: A = 100'"):
                call()


@pytest.mark.parametrize("method", METHODS)
class TestFiring:
    def test_once_whenever_it_becomes_true(self, method):
        sol = both(REFILL, None, (0, 40), n=5, rng=1, method=method)
        assert (sol["A"] > 0).all() and (sol["A"].max(axis=1) > 80).all()
        # Ten first, then 100s: B counts all that decayed.
        assert (sol["A"] + sol["B"])[:, 0].tolist() == [10] * 5
        assert set(np.unique(sol["A"] + sol["B"]).tolist()) <= {10 + 100 * i for i in range(40)}
        assert (sol.status == "finished").all()

    def test_not_where_it_held_before(self, method):
        sol = both(REFILL, {"A": 0, "B": 3}, (0, 10), n=2, rng=1, method=method)
        assert (sol.x == [0, 3]).all() and (sol.status == "absorbed").all()
        # It has to be false in between.
        once = ReactionNetwork("0 -> A @ 5; at A >= 3: B = B + 1", species=["A", "B"])
        assert (both(once, {"A": 0}, (0, 20), [20], n=3, rng=1, method=method)["B"] == 1).all()

    def test_at_a_time(self, method):
        network = ReactionNetwork("A -> 0 @ 1; at t >= 3: A = 1000; at t > 5: A = 0; A = 50")
        sol = both(network, None, (0, 10), [2.999, 3, 5, np.nextafter(5, 6), 10], n=4, rng=2, method=method)
        assert (sol["A"][:, 0] < 50).all() and (sol["A"][:, 1] == 1000).all()
        assert (sol["A"][:, 2] > 0).all() and (sol["A"][:, 3:] == 0).all()

    def test_windows(self, method):
        network = ReactionNetwork("0 -> A @ 0; at t >= 1 and t < 2 or t == 4: A = A + 1\n"
                                  "at t < 3 and t >= 1: B = B + 1; at t != 4: C = C + 1; at not t <= 6: D = D + 1\n"
                                  "at t != 4 and t > 0: E = E + 1",
                                  species=["A", "B", "C", "D", "E"])  # fmt: skip
        times = [0.5, 1, 2, 3.5, 4, 4.5, 6, 7]
        sol = both(network, {"A": 0}, (0, 8), times, rng=0, method=method)
        assert sol["A"].tolist() == [[0, 1, 1, 1, 2, 2, 2, 2]]
        assert sol["B"].tolist() == [[0, 1, 1, 1, 1, 1, 1, 1]]
        assert sol["C"].tolist() == [[0, 0, 0, 0, 0, 1, 1, 1]]
        assert sol["D"].tolist() == [[0, 0, 0, 0, 0, 0, 0, 1]]
        assert sol["E"].tolist() == [[1, 1, 1, 1, 1, 2, 2, 2]]
        assert (sol.status == "absorbed").all()

    def test_moments_at_the_ends(self, method):
        network = ReactionNetwork("0 -> A @ 0; at t >= 2: A = A + 1; at t >= 5: A = A + 10; at t > 5: A = A + 100")
        for span, expected in (((0, 2), 1), ((2, 5), 11 - 1), ((2.5, 5), 10), ((0, 1), 0), ((5, 6), 100)):
            sol = both(network, {"A": 0}, span, [span[1]], rng=0, method=method)
            assert sol["A"].tolist() == [[expected]], span

    def test_moments_of_parameters(self, method):
        network = ReactionNetwork("0 -> A @ 0; at t >= when + 1: A = amount; when = ?; amount = 5")
        sets = {"when": [0.0, 1.0, 9.0], "amount": [7.0, 8.0, 9.0]}
        sol = both(network, {"A": 0}, (0, 4), [1, 2, 3], params=sets, rng=0, method=method)
        assert sol["A"].tolist() == [[7, 7, 7], [0, 8, 8], [0, 0, 0]]

    def test_amounts_are_computed_before_any_is_set(self, method):
        lines = "at t >= 1: A = B, B = A; at t >= 1: C = A + B, A = A"
        network = ReactionNetwork(f"0 -> C @ 0; {lines}; A = 3; B = 5", species=["A", "B", "C"])
        # Both at the same moment: the second sets A to what it was.
        assert both(network, None, (0, 2), [2], rng=0, method=method).x.tolist() == [[[3, 3, 8]]]

    def test_one_sets_off_another(self, method):
        network = ReactionNetwork(
            "0 -> A @ 0; at t >= 1: A = 1; at A == 1: B = 1; at B == 1: A = 0, B = 7", species=["A", "B"]
        )
        assert both(network, {"A": 0}, (0, 2), [2], rng=0, method=method).x.tolist() == [[[0, 7]]]

    def test_rates_follow(self, method):
        # From 0 nothing can happen until the event.
        network = ReactionNetwork("A -> B @ k*A/(1 + A); at t >= 10: A = 30; k = 50; A = 0")
        sol = both(network, None, (0, 20), [9, 10, 20], n=3, rng=1, method=method)
        assert (sol["A"] == [0, 30, 0]).all() and (sol.status == "absorbed").all() and (sol.n_events == 30).all()

    def test_stops(self, method):
        network = ReactionNetwork("A -> 0 @ 1; at t >= 2: A = 77; A = 1000")
        sol = both(network, None, (0, 5), [1, 5], n=3, rng=1, stop="A == 77", method=method)
        assert (sol["A"][:, 1] == 77).all() and (sol.status == "stopped").all()
        network = ReactionNetwork("A -> 0 @ 1; at A == 20: B = 5", species=["A", "B"])
        sol = both(network, {"A": 30}, (0, 50), [50], n=3, rng=1, stop="B == 5", method=method)
        assert (sol.x[:, 0] == [20, 5]).all() and (sol.n_events == 10).all()
        held = ReactionNetwork("A -> 0 @ 1; at A == 20: A = 19; A = 30")
        sol = both(held, None, (0, 50), [50], n=3, rng=1, stop="A == 20", method=method)
        assert (sol["A"] == 0).all() and (sol.n_events == 29).all()

    def test_max_events(self, method):
        sol = both(REFILL, None, (0, 1e6), [0, 1e6], rng=1, max_events=500, method=method)
        assert sol.n_events.tolist() == [500] and sol.status.tolist() == ["max_events"]
        assert sol["A"].tolist() == [[10, -1]]

    def test_amounts_near_whole_ones(self, method):
        network = ReactionNetwork("0 -> A @ 0; at t >= 1: A = 0.1*30*(1 - 1e-12); at t >= 2: A = -1e-12")
        assert both(network, {"A": 0}, (0, 2), [1, 2], rng=0, method=method)["A"].tolist() == [[3, 0]]

    @pytest.mark.parametrize(
        ("value", "shown"),
        [("1.5", "1.5"), ("-1", "-1.0"), ("1/0", "inf"), ("0/0", "nan"), ("1e16", "1e\\+16"), ("-1/0", "-inf")],
    )
    def test_amounts_that_cant_be(self, backend, method, value, shown):
        network = ReactionNetwork(f"0 -> A @ 0; at t >= 1: A = 3, A = {value}")
        with pytest.raises(
            ValueError, match=f"run 0: at t = 1.0, 'at t >= 1: .*': an amount must be whole, .* {shown}"
        ):
            simulate(network, {"A": 0}, (0, 2), rng=0, method=method)

    def test_events_without_end(self, backend, method):
        network = ReactionNetwork("A -> 0 @ 1; at A < 5: A = 5; at A == 5: A = 4; A = 8")
        with pytest.raises(ValueError, match=r"run 0: at t = .*: events set each other off without end"):
            simulate(network, None, (0, 50), rng=0, method=method)

    def test_a_rate_that_cant_be_afterwards(self, backend, method):
        network = ReactionNetwork("A -> 0 @ 5*A - 50; at t >= 1: A = 3; A = 1000")
        with pytest.raises(ValueError, match=r"the rate of 'A -> 0 .*' must be finite and at least 0"):
            simulate(network, None, (0, 5), rng=0, method=method)


class TestDistribution:
    def test_nothing_changes_without_them(self):
        # A condition that never holds: the same draws, hence the same states.
        plain = ReactionNetwork("A + B -> 2 B @ 0.01; B -> A @ 0.3; A = 40; B = 20")
        watched = ReactionNetwork("A + B -> 2 B @ 0.01; B -> A @ 0.3; A = 40; B = 20; at A > 1000: A = 0")
        for method in METHODS:
            found = [both(network, None, (0, 30), n=3, rng=5, method=method) for network in (plain, watched)]
            assert found[0].x.tolist() == found[1].x.tolist()

    @pytest.mark.parametrize("method", METHODS)
    def test_reset(self, method):
        """Immigration and death, set to 50 at 25: Poisson before, a sum of Poisson and binomial after."""
        network, n = ReactionNetwork("0 -> X @ 1; X -> 0 @ 0.1; at t >= 25: X = 50; X = 0"), sized(4000, 100)
        x = simulate(network, None, (0, 40), [10, 24, 30], n=n, rng=3, method=method)["X"]
        for i, (since, start) in enumerate([(10, 0), (24, 0), (5, 50)]):
            stay = math.exp(-0.1 * since)
            mean = 10 * (1 - stay) + start * stay
            variance = 10 * (1 - stay) + start * stay * (1 - stay)
            assert abs(x[:, i].mean() - mean) < 5 * math.sqrt(variance / n)
            assert abs(x[:, i].var() / variance - 1) < 5 * math.sqrt(3 / n)

    @pytest.mark.parametrize("method", METHODS)
    def test_times_to_the_next_reaction_have_no_memory(self, method):
        """Moments at which nothing is set change no distribution."""
        moments = "\n".join(f"at t >= {i / 7}: B = B" for i in range(1, 40))
        network, n = ReactionNetwork(f"A -> B @ 0.5; A = 1\n{moments}"), sized(4000, 100)
        times = np.linspace(0, 5, 101)
        x = simulate(network, None, (0, 5), times, n=n, rng=3, method=method)["A"]
        first = times[np.argmin(x, axis=1)][x[:, -1] == 0]
        exact = stats.truncexpon(10 / 4, scale=2)
        assert stats.kstest(first - 0.025, exact.cdf).pvalue > 1e-6 or abs(first.mean() - exact.mean()) < 0.05

    @settings(max_examples=30)
    @given(st.data())
    def test_twins(self, data):
        level, other = data.draw(st.integers(0, 12)), data.draw(st.integers(0, 12))
        kinds = st.sampled_from(["<", "<=", "==", "!=", ">=", ">"])
        moments = st.floats(0, 3).map(lambda t: round(t, 2))
        changes = st.sampled_from(["A = 7", "A = A + 2, B = A", "B = min(B, 3)", "A = B, B = s"])
        triggers = [
            f"A {data.draw(kinds)} {level}",
            f"t {data.draw(kinds)} {data.draw(moments)} and B {data.draw(kinds)} {other}",
            f"A + B {data.draw(kinds)} s or t > 2",
        ]
        lines = "\n".join(f"at {trigger}: {data.draw(changes)}" for trigger in triggers)
        reactions = "A -> B @ 1; B -> A @ 2; 0 -> A @ 3; A -> 0 @ B/(1 + B)"
        network = ReactionNetwork(f"{reactions}\ns = 9; A = 5; B = 2\n{lines}")
        for method in METHODS:
            found = []
            for name in ("compiled", "reference"):
                with use_backend(name):
                    try:
                        sol = simulate(network, None, (0, 3), n=2, rng=1, max_events=300, method=method)
                        found.append((sol.x.tolist(), sol.n_events.tolist(), sol.status.tolist()))
                    except ValueError as error:
                        found.append(str(error))
            assert found[0] == found[1]
