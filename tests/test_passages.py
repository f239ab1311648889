"""What ends a run, when and where; and runs that go on from others."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fastcore.reactions import ReactionNetwork, first_passage, read_net, simulate
from fastcore.reactions._stopping import as_stop

SIR = ReactionNetwork("S + I -> 2 I @ beta; I -> R @ gamma; beta = 0.002; gamma = 1; sick := I + R; S = 190; I = 10")
NOISE = ReactionNetwork(
    "0 -> A @ 20; A -> 0 @ 1; 0 -> B @ 5; B -> 0 @ 0.5; low = 7; when = 2.5; both := A + B; set := low*when"
)


def at_once(condition, a, b, t, low=7):
    return eval(condition, {"A": a, "B": b, "t": t, "low": low, "both": a + b, "when": 2.5})


class TestStop:
    @pytest.mark.parametrize(
        "condition",
        [
            "A > 14 and B > 6",
            "A + B > 22",
            "both > 22",
            "2*A > low + 11 or B == 5",
            "not A < 12",
            "A == 16 and B >= 3",
        ],
    )
    @pytest.mark.parametrize("method", ["direct", "first_reaction", "rssacr", "nrm"])
    def test_is_the_first_event_at_which_it_holds(self, backend, condition, method):
        options = {"n": 5, "rng": 3, "method": method}
        jumps = simulate(NOISE, [0, 0], (0, 9), record="jumps", **options)
        stopped = simulate(NOISE, [0, 0], (0, 9), [9], stop=condition, **options)
        passed = first_passage(NOISE, [0, 0], condition, (0, 9), **options)
        cut = simulate(NOISE, [0, 0], (0, 9), record="jumps", stop=condition, **options)
        for i in range(5):
            times, states = jumps.path(i)
            holds = [at_once(condition, int(a), int(b), t) for t, (a, b) in zip(times, states)]
            k = holds.index(True)
            assert stopped.x[i, 0].tolist() == passed.x[i].tolist() == states[k].tolist()
            assert stopped.n_events[i] == passed.n_events[i] == cut.n_events[i] == k
            assert passed.t[i] == times[k]
            assert cut.path(i)[0].tolist() == times[: k + 1].tolist()
        assert (stopped.status == "stopped").all() and passed.reached.all() and (cut.status == "stopped").all()

    @pytest.mark.parametrize(
        ("condition", "moment"), [("t >= 4", 4.0), ("t > when and A >= 0", 2.5), ("when < t", 2.5)]
    )
    @pytest.mark.parametrize("method", ["direct", "first_reaction", "rssacr", "nrm", "tau"])
    def test_knows_the_time(self, backend, condition, moment, method):
        passed = first_passage(NOISE, {"A": 3}, condition, (0, 9), n=3, rng=1, method=method)
        assert passed.t == pytest.approx(np.full(3, moment), abs=1e-12)
        grid = simulate(NOISE, {"A": 3}, (0, 9), [moment - 1e-9, 9], n=3, rng=1, stop=condition, method=method)
        assert (grid.status == "stopped").all()
        # Nothing happened between the two, and after the moment nothing happens.
        assert (grid.x[:, 0] == grid.x[:, 1]).all()
        assert method == "tau" or (passed.x == grid.x[:, 1]).all()  # a leap ends at times that are kept

    def test_takes_parameters_of_the_call(self):
        sets = {"low": [3.0, 7.0, 11.0]}
        passed = first_passage(NOISE, [0, 0], "B >= low", (0, 200), params=sets, n=4, rng=1)
        assert passed.x.shape == (3, 4, 2) and passed.t.shape == (3, 4)
        assert passed["B"].tolist() == [[3] * 4, [7] * 4, [11] * 4]
        again = NOISE.with_params({"low": 4.0})
        assert first_passage(again, [0, 0], "B >= low", (0, 200), rng=1)["B"].tolist() == [4]
        assert first_passage(NOISE, [0, 0], "B >= low", (0, 200), rng=1)["B"].tolist() == [7]

    def test_holds_at_the_start(self, backend):
        passed = first_passage(NOISE, {"A": 7}, "A == low", (2, 9), n=3, rng=1)
        assert passed.t.tolist() == [2.0] * 3 and passed.n_events.tolist() == [0] * 3 and passed.reached.all()

    def test_with_events_of_the_network(self, backend):
        network = ReactionNetwork("A -> 0 @ 1; at t >= 0.4: A = 40; at A == 20: A = 10; A = 30")
        passed = first_passage(network, None, "A < 15 or A > 35", (0, 50), n=12, rng=2)
        early = passed.t < 0.4
        assert (passed["A"][early] == 10).all() and (passed["A"][~early] == 40).all()
        assert (passed.t[~early] == 0.4).all() and early.any() and not early.all()

    def test_names_that_no_text_can_have(self):
        net = read_net(
            "begin species\n1 A(x~0) 50\n2 A(x~1) 0\nend species\nbegin reactions\n1 1 2 1\nend reactions\n"
            "begin groups\n1 done 2\nend groups\n"
        )
        assert first_passage(net, None, "done >= 20 and t > 0", (0, 9), rng=1)["done"].tolist() == [20.0]

    def test_large_networks(self, backend):
        ring = ReactionNetwork([(f"S{i}", f"S{(i + 1) % 80}", 1.0) for i in range(80)])
        n, found = backend.size(2000, 100), []
        for method in ("auto", "direct"):
            passed = first_passage(ring, {"S0": 9}, "S3 + S4 == 4 and t > 2", (0, 60), n=n, rng=1, method=method)
            assert passed.method == ("rssacr" if method == "auto" else "direct")
            assert (passed["S3"] + passed["S4"] == 4)[passed.reached].all() and passed.t.min() >= 2
            found.append(passed.t)
        assert stats.ks_2samp(*found).pvalue > 1e-6 and np.isfinite(found[0]).mean() > 0.5


class TestFirstPassage:
    def test_shares_and_workers(self):
        whole = first_passage(SIR, None, "I == 0", (0, 100), n=40, rng=5)
        part = first_passage(SIR, None, "I == 0", (0, 100), n=40, rng=5, runs=range(10, 20))
        assert part.t.tolist() == whole.t[10:20].tolist() and (part.x == whole.x[10:20]).all()
        two = first_passage(SIR, None, "I == 0", (0, 100), n=40, rng=5, workers=2)
        assert two.t.tolist() == whole.t.tolist()

    def test_what_never_comes(self, backend):
        sol = first_passage(SIR, None, "R > 500", (0, 1e6), n=3, rng=1)
        assert sol.status.tolist() == ["absorbed"] * 3 and (sol.t == np.inf).all() and (sol["I"] == 0).all()
        sol = first_passage(SIR, None, "I == 0", (0, 0.01), n=3, rng=1)
        assert sol.status.tolist() == ["finished"] * 3 and not sol.reached.any() and (sol.x.sum(axis=1) == 200).all()
        sol = first_passage(SIR, None, "I == 0", (0, 9), n=3, rng=1, max_events=4)
        assert sol.status.tolist() == ["max_events"] * 3 and (sol.x == -1).all() and np.isnan(sol["sick"]).all()

    @pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
    @pytest.mark.parametrize("start", [0.0, -3.0])
    def test_times_of_any_size(self, scale, start):
        network = ReactionNetwork(f"A -> B @ {1 / scale}; A = 500")
        span = (start * scale, (start + 1000) * scale)
        jumps = simulate(network, None, span, record="jumps", rng=4)
        for k in (1, 7, 250, 500):
            passed = first_passage(network, None, f"B >= {k}", span, rng=4)
            exact = jumps.times[k - 1]
            assert passed.t[0] == exact if not start else abs(passed.t[0] - exact) <= 1e-15 * scale * 1000

    def test_distribution_of_a_waiting_time(self):
        # The time until 3 of 3 have decayed: P(t < 1) = (1 - 1/e)^3, mean 1 + 1/2 + 1/3.
        t = first_passage(ReactionNetwork("A -> 0 @ 1"), {"A": 3}, "A == 0", (0, 1e9), n=20_000, rng=7).t
        assert abs(t.mean() - 11 / 6) < 5 * np.sqrt((1 + 1 / 4 + 1 / 9) / 20_000)
        share = (1 - np.exp(-1)) ** 3
        assert abs((t < 1).mean() - share) < 5 * np.sqrt(share * (1 - share) / 20_000)

    def test_result(self):
        passed = first_passage(SIR, None, "I == 0", (0, 100), n=4, rng=5)
        assert repr(passed) == "Passages(4 runs, 4 reached, species S, I, R)"
        assert (passed["sick"] == passed["R"]).all() and passed["R"].shape == (4,)
        with pytest.raises(KeyError, match="no species 'Q'"):
            passed["Q"]
        frame = passed.to_pandas()
        assert list(frame.columns) == ["t", "status", "S", "I", "R"] and frame.index.name == "run"
        assert (frame["R"] == passed["R"]).all()
        sets = first_passage(SIR, None, "I == 0", (0, 100), n=2, params={"gamma": [1.0, 2.0]}, rng=5).to_pandas()
        assert sets.index.names == ["params", "run"] and len(sets) == 4
        again = pickle.loads(pickle.dumps(passed))
        assert again.t.tolist() == passed.t.tolist()

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            (("SIR", None, "I == 0", (0, 9)), TypeError, "network must be a ReactionNetwork, got str"),
            ((SIR, None, 3, (0, 9)), TypeError, "stop must be a str"),
            ((SIR, None, "I", (0, 9)), ValueError, "stop must compare amounts"),
            ((SIR, None, "J == 0", (0, 9)), ValueError, "got 'J'"),
            ((SIR, None, "I == 0", (0,)), ValueError, "t_span must be"),
            ((SIR, None, "I == 0", (0, np.inf)), ValueError, r"t_span\[1\] must be"),
            ((SIR, None, "I == 0", (0, "x")), TypeError, r"t_span\[1\] must be"),
            ((SIR, None, "I == 0", (-np.inf, 0)), ValueError, r"t_span\[0\] must be"),
            ((SIR, None, "I == 0", (0, 9), None, "cle"), ValueError, "method must be one that counts molecules"),
        ],
    )
    def test_bad_input(self, arguments, error, words):
        network, x0, stop, span, *more = arguments
        with pytest.raises(error, match=words):
            first_passage(network, x0, stop, span, **dict(zip(("n", "method"), more)))

    def test_conditions_from_many_threads(self):
        """Networks with a condition are kept, the latest few: more conditions than those, all at once."""
        network = ReactionNetwork("A -> 0 @ 1; A = 3")
        stops = [f"A + 0 < {i}" for i in range(1, 12)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(lambda i: as_stop(network, stops[i % 11]).network, range(600)))
        finally:
            sys.setswitchinterval(interval)
        assert all(str(i % 11 + 1) in str(made.events[-1]) for i, made in enumerate(found))
        assert len(network.structure.stopping) <= 8


class TestStarts:
    def test_a_row_a_run(self, backend):
        x0 = [[190, 10, 0], [50, 1, 149], [0, 0, 200], [0, 200, 0]]
        sol = simulate(SIR, x0, (0, 3), [0, 3], rng=1)
        assert sol.x[:, 0].tolist() == x0 and sol.x.shape == (4, 2, 3)
        # Each is what it would be by itself: the stream is the run's.
        for i in range(4):
            alone = simulate(SIR, x0[i], (0, 3), [0, 3], n=4, rng=1, runs=range(i, i + 1))
            assert (alone.x[0] == sol.x[i]).all()
        part = simulate(SIR, x0, (0, 3), [0, 3], rng=1, runs=range(1, 3))
        assert (part.x == sol.x[1:3]).all()
        jumps = simulate(SIR, np.array(x0), (0, 3), n=4, record="jumps", rng=1)
        assert [jumps.path(i)[1][-1].tolist() for i in range(4)] == sol.x[:, 1].tolist()
        tail = simulate(SIR, x0, (0, 3), record="jumps", rng=1, runs=range(2, 4))
        assert tail.path(1)[1][-1].tolist() == sol.x[3, 1].tolist()

    def test_a_row_a_set_and_both(self, backend):
        sets, x0 = {"gamma": [1.0, 2.0]}, np.array([[190, 10, 0], [0, 9, 0]])
        assert simulate(SIR, x0, (0, 1), [0], params=sets).x[:, 0].tolist() == x0.tolist()
        by_set = simulate(SIR, x0, (0, 1), [0], params=sets, n=3)
        assert by_set.x.shape == (2, 3, 1, 3) and (by_set.x[:, :, 0] == x0[:, None]).all()
        rows = np.arange(18).reshape(2, 3, 3)
        both = simulate(SIR, rows, (0, 1), [0, 1], params=sets, rng=1)
        assert (both.x[:, :, 0] == rows).all()
        one = simulate(SIR, rows[1, 2], (0, 1), [0, 1], params={"gamma": 2.0}, n=6, rng=1, runs=range(5, 6))
        assert (both.x[1, 2] == one.x[0]).all()

    def test_a_table_is_read_by_its_columns(self):
        frame = pd.DataFrame({"I": [10, 1], "R": [0, 5], "S": [190, 4]})
        assert simulate(SIR, frame, (0, 1), [0]).x[:, 0].tolist() == [[190, 10, 0], [4, 1, 5]]
        with pytest.raises(ValueError, match="x0 must name species"):
            simulate(SIR, frame.rename(columns={"R": "Q"}), (0, 1), [0])

    def test_trajectories_go_on(self, backend):
        first = simulate(SIR, None, (0, 2), n=4, rng=1)
        on = simulate(SIR, first, (2, 5), [2, 5], rng=2)
        assert on.x.shape == (4, 2, 3) and (on.x[:, 0] == first.last).all()
        sets = simulate(SIR, None, (0, 2), n=2, rng=1, params={"gamma": [0.0, 2.0]})
        on = simulate(SIR, sets, (2, 5), [2], params={"gamma": [0.0, 2.0]})
        assert (on.x[:, :, 0] == sets.last).all()
        with pytest.raises(ValueError, match="trajectories of all species"):
            simulate(SIR, simulate(SIR, None, (0, 2), species=["I", "S"]), (2, 5))
        with pytest.raises(ValueError, match="max_events ended some"):
            simulate(SIR, simulate(SIR, None, (0, 2), max_events=3), (2, 5))
        with pytest.raises(ValueError, match="t must hold at least one time"):
            simulate(SIR, simulate(SIR, None, (0, 2), []), (2, 5))

    def test_go_on_in_distribution(self):
        whole = simulate(NOISE, [0, 0], (0, 2), [2], n=4000, rng=1)["A"][:, 0]
        half = simulate(NOISE, [0, 0], (0, 1), [1], n=4000, rng=2)
        on = simulate(NOISE, half, (1, 2), [2], rng=3)["A"][:, 0]
        spread = np.sqrt(2 * whole.var() / 4000)
        assert abs(whole.mean() - on.mean()) < 5 * spread

    def test_stop_with_rows(self):
        sol = first_passage(SIR, [[190, 10, 0], [0, 3, 0]], "I + S == 0 or t >= 3", (0, 9), rng=1)
        assert sol.t.shape == (2,) and sol.reached.all()
