"""A clock adds up waiting times: where doubles are too coarse for them, runs are refused."""

from __future__ import annotations

import pytest

from fastcore.reactions import ReactionNetwork, first_passage, simulate

METHODS = ["direct", "first_reaction", "rssacr", "nrm", "tau"]
BIRTHS = ReactionNetwork("0 -> A @ 10; A -> 0 @ 0.1; A = 100")
DEATHS = ReactionNetwork("A -> 0 @ 1; A = 200")
FAR = 1e15  # where doubles are an eighth apart


@pytest.mark.parametrize("method", METHODS)
class TestTooCoarse:
    def test_to_the_end(self, backend, method):
        with pytest.raises(ValueError, match=r"t_span must lie nearer to 0: in run 0 .* 0\.125 long there, got \(1000"):
            simulate(BIRTHS, None, (FAR, FAR + 70), [FAR + 70], rng=1, method=method)
        with pytest.raises(ValueError, match="t_span must lie nearer to 0"):
            simulate(BIRTHS, None, (-FAR, 70 - FAR), [70 - FAR], rng=1, method=method)

    def test_time_that_stands_still(self, backend, method):
        """The run ends soon, and not after a thousand million events."""
        fast = ReactionNetwork("A -> B @ 1e9; B -> A @ 1e9; A = 1")
        with pytest.raises(ValueError, match="t_span must lie nearer to 0"):
            simulate(fast, None, (FAR, FAR + 1000), rng=1, method=method)

    @pytest.mark.parametrize("options", [{}, {"stop": "A <= 20"}, {"max_events": 100}])
    def test_runs_that_end_early(self, backend, method, options):
        """What counts is the time until then: the span is long enough."""
        with pytest.raises(ValueError, match="t_span must lie nearer to 0"):
            simulate(DEATHS, None, (FAR, FAR + 1e7), [FAR + 1e7], rng=1, method=method, **options)


class TestRefused:
    def test_the_run_is_named(self, backend):
        sets = {"k": [0.0, 0.0, 1e3]}
        network = ReactionNetwork("0 -> A @ k; k = 1")
        span, options = (FAR, FAR + 100), {"params": sets, "n": 5, "rng": 1}
        with pytest.raises(ValueError, match="in run 10 waiting times"):
            simulate(network, [0], span, **options)
        with pytest.raises(ValueError, match="in run 12 waiting times"):
            simulate(network, [0], span, runs=range(12, 14), **options)

    def test_all_ways_to_keep_runs(self, backend):
        for options in ({"record": "jumps"}, {"reduce": "moments", "n": 20}, {"reduce": lambda part: part["A"][:, -1]}):
            with pytest.raises(ValueError, match="t_span must lie nearer to 0"):
                simulate(BIRTHS, None, (FAR, FAR + 70), rng=1, **options)
        with pytest.raises(ValueError, match="t_span must lie nearer to 0"):
            first_passage(DEATHS, None, "A == 0", (FAR, FAR + 1e7), rng=1)

    def test_spans_of_few_doubles(self, backend):
        for span in ((FAR, FAR + 1), (-1.0, -1 + 1e-14), (0.0, 5e-324)):
            with pytest.raises(ValueError, match="t_span must be longer than 512 steps from one double to the next"):
                simulate(DEATHS, None, span)
            with pytest.raises(ValueError, match="t_span must be longer than 512 steps"):
                first_passage(DEATHS, None, "A == 0", span)


class TestFineEnough:
    def test_far_from_the_start(self, backend):
        """At the rate of what is allowed nothing is lost: a Poisson number of events."""
        network = ReactionNetwork("0 -> A @ 0.2")
        for method in METHODS:
            n = backend.size(40, 2)
            sol = simulate(network, [0], (FAR, FAR + 5e3), [FAR + 5e3], n=n, rng=1, method=method)
            assert abs(sol["A"].mean() - 1000) < 5 * (1000 / n) ** 0.5

    def test_few_events(self, backend):
        for method in METHODS:
            sol = simulate(ReactionNetwork("A -> 0 @ 1; A = 16"), None, (FAR, FAR + 1e3), n=9, rng=1, method=method)
            assert (sol.status == "absorbed").all()
        assert simulate(DEATHS, None, (5, 5), rng=1)["A"].tolist() == [[200] * 101]

    def test_at_once_from_0(self, backend):
        """Near 0 doubles are as fine as any rate is fast."""
        for method in METHODS:
            sol = simulate(ReactionNetwork("A -> 0 @ 1e250; A = 40"), None, (0, 1e30), rng=1, method=method)
            assert sol.status.tolist() == ["absorbed"]

    def test_seconds_since_1970(self, backend):
        sol = simulate(BIRTHS, None, (1.7e9, 1.7e9 + 50), n=backend.size(20, 4), rng=1)
        assert abs(sol["A"][:, -1].mean() - 100) < 5 * (100 / len(sol.x)) ** 0.5
