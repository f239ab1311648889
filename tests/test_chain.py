"""Linear chains."""

from __future__ import annotations

import itertools
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fastcore import chain, use_backend

from .helpers import memory_growth, nasty_forms, run_script, sized

INF = np.inf
EVERY = [
    chain.log_partition,
    chain.forward,
    chain.backward,
    chain.forward_scaled,
    chain.backward_scaled,
    chain.entropy,
    chain.viterbi,
    chain.marginals,
]


def random_batch(seed, lengths, labels, scale=2.0, forbidden=0.0):
    rng = np.random.default_rng(seed)
    emissions = [rng.normal(scale=scale, size=(length, labels)) for length in lengths]
    transitions = rng.normal(scale=scale, size=(labels, labels))
    transitions[rng.random((labels, labels)) < forbidden] = -INF
    start, end = rng.normal(scale=scale, size=(2, labels))
    return emissions, transitions, {"start": start, "end": end}


def enumerate_paths(emissions, transitions, start=None, end=None):
    """All paths with their scores, added up with fsum."""
    length, labels = np.shape(emissions)
    start = np.zeros(labels) if start is None else start
    end = np.zeros(labels) if end is None else end
    found = []
    for path in itertools.product(range(labels), repeat=length):
        terms = [emissions[t][y] for t, y in enumerate(path)]
        terms += [transitions[a][b] for a, b in itertools.pairwise(path)]
        if path:
            terms += [start[path[0]], end[path[-1]]]
        found.append((path, -INF if -INF in terms else math.fsum(terms)))
    return found


def flat(result):
    """All numbers of a result, in one array."""
    if isinstance(result, chain.Marginals):
        return flat((result.nodes, result.transitions, result.log_partition))
    if isinstance(result, chain.Gradients):
        return flat([v for v in (result.emissions, result.transitions, result.start, result.end) if v is not None])
    if isinstance(result, (list, tuple)):
        return np.concatenate([np.empty(0), *map(flat, result)])
    return np.ravel(result).astype(float)


def assert_close(result, expected, tolerance=1e-12):
    result, expected = flat(result), flat(expected)
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


class TestBruteForce:
    @pytest.mark.parametrize("labels", [1, 2, 3, 4])
    @pytest.mark.parametrize("length", [1, 2, 3, 5])
    @pytest.mark.parametrize("forbidden", [0.0, 0.4])
    def test_all_against_enumeration(self, backend, labels, length, forbidden):
        (emissions,), transitions, ends = random_batch(labels * 10 + length, [length], labels, forbidden=forbidden)
        paths = enumerate_paths(emissions, transitions, **ends)
        top = max(score for _, score in paths)
        if top == -INF:
            assert chain.log_partition(emissions, transitions, **ends) == -INF
            return
        log_z = top + math.log(math.fsum(math.exp(score - top) for _, score in paths))
        assert_close(chain.log_partition(emissions, transitions, **ends), log_z)

        legal = [(path, math.exp(score - log_z), score) for path, score in paths if score > -INF]
        nodes, counts = np.zeros((length, labels)), np.zeros((labels, labels))
        for path, probability, _ in legal:
            for t, y in enumerate(path):
                nodes[t, y] += probability
            for a, b in itertools.pairwise(path):
                counts[a, b] += probability
        assert_close(chain.marginals(emissions, transitions, **ends), (nodes, counts, log_z))
        assert_close(
            chain.entropy(emissions, transitions, **ends), -math.fsum(p * math.log(p) for _, p, _ in legal), 1e-11
        )

        best, score = chain.viterbi(emissions, transitions, **ends)
        assert tuple(best) == max(legal, key=lambda entry: entry[2])[0]
        assert_close(score, top)
        n = 6
        several, scores = chain.viterbi_nbest(emissions, transitions, n, **ends)
        expected = sorted(legal, key=lambda entry: -entry[2])[:n]
        assert [tuple(p) for p in several[: len(expected)]] == [p for p, _, _ in expected]
        assert_close(scores[: len(expected)], [s for _, _, s in expected])
        assert (several[len(expected) :] == -1).all() and (scores[len(expected) :] == -INF).all()
        for path, _, score in legal[::7]:
            assert_close(chain.path_score(emissions, transitions, path, **ends), score)

    def test_forward_and_backward_of_partial_paths(self, backend):
        (emissions,), transitions, ends = random_batch(5, [4], 3)
        alpha = chain.forward(emissions, transitions, **ends)
        beta = chain.backward(emissions, transitions, **ends)
        for t in range(4):
            upto = enumerate_paths(emissions[: t + 1], transitions, ends["start"], ends["end"] if t == 3 else None)
            for j in range(3):
                into = [score for path, score in upto if path[-1] == j]
                assert_close(alpha[t, j], math.log(math.fsum(map(math.exp, into))))
            after = enumerate_paths(emissions[t:], transitions, None, ends["end"] if t < 3 else None)
            for i in range(3):
                out = [score - emissions[t, i] for path, score in after if path[0] == i]
                assert_close(beta[t, i], math.log(math.fsum(map(math.exp, out))))

    def test_scaled_variables_are_the_same_numbers(self, backend):
        emissions, transitions, ends = random_batch(6, [7, 1, 0, 4], 3)
        pairs = [(chain.forward, chain.forward_scaled), (chain.backward, chain.backward_scaled)]
        for plain, scaled in pairs:
            values, scales = scaled(emissions, transitions, **ends)
            for log_rows, rows, scale in zip(plain(emissions, transitions, **ends), values, scales):
                assert_close(rows.sum(axis=1), np.ones(len(rows)))
                assert_close(np.log(rows) + scale[:, None], log_rows)
        last = [s[-1] if len(s) else 0.0 for s in chain.forward_scaled(emissions, transitions, **ends).log_scale]
        assert_close(chain.log_partition(emissions, transitions, **ends), last)


class TestPublishedNumbers:
    def test_rabiner_weather(self, backend):
        # Rabiner (1989), section II: the Markov chain of the weather, P(sun sun sun rain rain sun cloud sun | model,
        # first day sunny) = 1.536e-4. States rain, cloud, sun; a forbidden label has minus infinity.
        transitions = np.log([[0.4, 0.3, 0.3], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8]])
        days = [2, 2, 2, 0, 0, 2, 1, 2]
        emissions = np.full((8, 3), -INF)
        emissions[np.arange(8), days] = 0.0
        assert math.exp(chain.log_partition(emissions, transitions)) == pytest.approx(1.536e-4, rel=1e-12)
        assert chain.viterbi(emissions, transitions)[0].tolist() == days

    def test_umbrella_world(self, backend):
        # Russell and Norvig, Artificial Intelligence: A Modern Approach, section 15.2: umbrella seen on two days.
        # Filtering gives 0.818 and 0.883, smoothing the first day 0.883.
        transitions = np.log([[0.7, 0.3], [0.3, 0.7]])
        umbrella = np.log([[0.9, 0.2], [0.9, 0.2]])
        start = np.log([0.5, 0.5])
        filtered = chain.forward_scaled(umbrella, transitions, start=start).values[:, 0]
        assert filtered.round(3).tolist() == [0.818, 0.883]
        assert round(chain.marginals(umbrella, transitions, start=start).nodes[0, 0], 3) == 0.883

    def test_healthy_or_fever(self, backend):
        # Wikipedia, "Viterbi algorithm": normal, cold, dizzy; most likely healthy, healthy, fever with 0.01512.
        transitions = np.log([[0.7, 0.3], [0.4, 0.6]])
        emissions = np.log([[0.5, 0.1], [0.4, 0.3], [0.1, 0.6]])
        path, score = chain.viterbi(emissions, transitions, start=np.log([0.6, 0.4]))
        assert path.tolist() == [0, 0, 1]
        assert math.exp(score) == pytest.approx(0.01512, rel=1e-12)

    def test_fibonacci(self, backend):
        # Binary strings of length T without two ones in a row: Fibonacci number T + 2.
        transitions = np.log([[1.0, 1.0], [1.0, 1e-320]])
        transitions[1, 1] = -INF
        counts = [math.exp(chain.log_partition(np.zeros((t, 2)), transitions)) for t in (1, 2, 3, 10, 30)]
        assert_close(counts, [2, 3, 5, 144, 2178309], 1e-11)


class TestEdges:
    def test_empty_sequence(self, backend):
        empty, transitions = np.empty((0, 2)), np.zeros((2, 2))
        assert chain.log_partition(empty, transitions) == 0.0
        assert chain.entropy(empty, transitions) == 0.0
        path, score = chain.viterbi(empty, transitions)
        assert path.shape == (0,) and score == 0.0
        paths, scores = chain.viterbi_nbest(empty, transitions, 2)
        assert paths.shape == (1, 0) and scores.tolist() == [0.0]
        found = chain.marginals(empty, transitions, start=[-INF, -INF])
        assert found.nodes.shape == (0, 2) and found.log_partition == 0 and not found.transitions.any()
        assert chain.forward(empty, transitions).shape == (0, 2)
        assert chain.sample(empty, transitions, 3, rng=1).shape == (3, 0)
        assert chain.path_score(empty, transitions, []) == 0.0
        loss, grads = chain.loss_and_grad(empty, transitions, [], start=[0.0, 1.0])
        assert loss == 0.0 and grads.start.tolist() == [0.0, 0.0] and grads.end is None

    def test_empty_batches(self, backend):
        transitions = np.zeros((2, 2))
        assert chain.log_partition([], transitions).shape == (0,)
        assert chain.viterbi([], transitions)[0] == []
        assert chain.viterbi(np.empty((0, 5, 2)), transitions)[0].shape == (0, 5)
        assert chain.viterbi(np.empty((3, 0, 2)), transitions)[0].shape == (3, 0)
        assert chain.marginals(np.empty((0, 2)), transitions, lengths=[]).transitions.shape == (0, 2, 2)
        assert chain.loss_and_grad([], transitions, [])[0] == 0.0

    def test_one_label(self, backend):
        found = chain.marginals([[1.0], [2.0], [3.0]], [[0.5]], start=[0.25])
        assert found.log_partition == 7.25
        assert found.nodes.tolist() == [[1.0]] * 3 and found.transitions.tolist() == [[2.0]]

    @pytest.mark.parametrize("forms", ["one", "many"])
    def test_no_legal_path(self, backend, forms):
        # Label 0 may not follow anything and label 1 is forbidden at the second step; also rows all forbidden.
        transitions = np.array([[-INF, 0.0], [-INF, 0.0]])
        emissions = np.array([[0.0, 0.0], [0.0, -INF], [0.0, 0.0]])
        batch = [emissions] if forms == "one" else [emissions, np.full((2, 2), -INF)] * 20
        assert (chain.log_partition(batch, transitions) == -INF).all()
        assert np.isnan(chain.entropy(batch, transitions)).all()
        paths, scores = chain.viterbi(batch, transitions)
        assert all((p == -1).all() for p in paths) and (scores == -INF).all()
        assert (flat(chain.sample(batch, transitions, rng=0)) == -1).all()
        found = chain.marginals(batch, transitions)
        assert not flat(found.nodes).any() and not found.transitions.any() and (found.log_partition == -INF).all()
        with pytest.raises(ValueError, match="sequence 0 has no legal path"):
            chain.loss_and_grad(batch, transitions, [np.zeros(len(e), int) for e in batch])

    def test_forbidden_path_has_infinite_loss(self, backend):
        loss, grads = chain.loss_and_grad(np.zeros((2, 2)), [[-INF, 0.0], [0.0, 0.0]], [0, 0])
        assert loss == INF
        assert np.isfinite(flat(grads)).all()

    def test_ties_take_the_smallest_label_from_the_end(self, backend):
        zeros = np.zeros((3, 3))
        assert chain.viterbi(zeros, zeros)[0].tolist() == [0, 0, 0]
        assert chain.viterbi([zeros] * 20, zeros)[0][7].tolist() == [0, 0, 0]
        # (0, 1) and (1, 0) tie: from the end, label 0 is smaller, and it comes from 1.
        transitions = [[-1.0, 0.0], [0.0, -1.0]]
        assert chain.viterbi(np.zeros((2, 2)), transitions)[0].tolist() == [1, 0]
        paths, scores = chain.viterbi_nbest(np.zeros((2, 2)), transitions, 4)
        assert paths.tolist() == [[1, 0], [0, 1], [0, 0], [1, 1]]
        assert scores.tolist() == [0, 0, -1, -1]

    @pytest.mark.parametrize("many", [1, 40])
    @pytest.mark.parametrize("scale", [1e5, -1e5])
    def test_huge_scores(self, backend, scale, many):
        # All scores equal: log Z is their sum and log L^T.
        log_z = chain.log_partition([np.full((50, 4), scale)] * many, np.full((4, 4), scale))
        assert_close(log_z, np.full(many, 99 * scale + 50 * math.log(4)))

    @pytest.mark.parametrize("many", [1, 40])
    @pytest.mark.parametrize("off", [-INF, -1e3, -1e5])
    def test_what_underflows_may_win_later(self, backend, off, many):
        # Two labels that hardly mix: the second loses 800 at once and then wins it back in small steps.
        emissions = np.zeros((400, 2))
        emissions[0, 1] = -800.0
        emissions[1:, 0] = -5.0
        transitions = np.array([[0.0, off], [off, 0.0]])
        found = chain.marginals([emissions] * many, transitions)
        assert_close(chain.log_partition([emissions] * many, transitions), np.full(many, -800.0), 1e-9)
        assert_close(found.log_partition, np.full(many, -800.0), 1e-9)
        assert_close(found.nodes[-1][:, 1], np.ones(400), 1e-9)
        assert_close(found.transitions[-1], [[0, 0], [0, 399]], 1e-9)

    @pytest.mark.parametrize("many", [1, 40])
    def test_reducible_chain_decays_without_end(self, backend, many):
        # Left to right: the first state stays alive at e^-3 a step beside the last one at 1.
        transitions = np.array([[-3.0, 0.0], [-INF, 0.0]])
        emissions = [np.zeros((300, 2))] * many
        emissions[-1] = emissions[-1].copy()
        emissions[-1][299, 1] = -INF
        assert_close(chain.log_partition(emissions, transitions)[-1], -3.0 * 299, 1e-9)

    def test_wide_emissions(self, backend):
        rng = np.random.default_rng(8)
        emissions = [rng.normal(scale=3000, size=(20, 3)) for _ in range(20)]
        transitions = rng.normal(scale=50, size=(3, 3))
        found = chain.log_partition(emissions, transitions)
        _, scores = chain.viterbi(emissions, transitions)
        assert (found >= scores - 1e-9).all() and (found <= scores + 20 * math.log(3) + 1e-9).all()


class TestForms:
    lengths = (4, 0, 1, 6, 6)

    def batch(self):
        return random_batch(11, self.lengths, 3)

    def padded(self, emissions, fill):
        array = np.full((len(emissions), max(self.lengths), 3), fill)
        for row, e in zip(array, emissions):
            row[: len(e)] = e
        return array

    @pytest.mark.parametrize("function", EVERY, ids=lambda f: f.__name__)
    def test_four_forms_agree(self, backend, function):
        emissions, transitions, ends = self.batch()
        one = [function(e, transitions, **ends) for e in emissions]
        as_list = function(emissions, transitions, **ends)
        joined = function(np.concatenate(emissions), transitions, lengths=self.lengths, **ends)
        padded = function(self.padded(emissions, np.nan), transitions, lengths=self.lengths, **ends)
        mask = np.arange(6) < np.array(self.lengths)[:, None]
        masked = function(self.padded(emissions, INF), transitions, mask=mask, **ends)
        assert np.array_equal(flat(as_list), flat(joined))
        assert np.array_equal(flat(padded), flat(masked), equal_nan=True)
        if function in (chain.log_partition, chain.entropy):
            assert as_list.tolist() == padded.tolist() == [float(v) for v in one]
            return
        if isinstance(as_list, chain.Marginals):
            one, per_step, padded = [o.nodes for o in one], as_list.nodes, padded.nodes
        elif isinstance(as_list, tuple):
            one, per_step, padded = [o[0] for o in one], as_list[0], padded[0]
        else:
            per_step = as_list
        fill = {chain.viterbi: -1, chain.forward: -INF, chain.backward: -INF}.get(function, 0.0)
        for k, length in enumerate(self.lengths):
            assert np.array_equal(per_step[k], one[k])
            assert np.array_equal(padded[k, :length], one[k])
            assert (padded[k, length:] == fill).all()

    def test_paths_in_four_forms(self, backend):
        emissions, transitions, ends = self.batch()
        paths = chain.viterbi(emissions, transitions, **ends)[0]
        padded_paths = np.full((5, 6), 99)
        for row, p in zip(padded_paths, paths):
            row[: len(p)] = p
        padded = self.padded(emissions, np.nan)
        joined = np.concatenate(emissions)
        for function in (chain.path_score, chain.loss_and_grad):
            a = function(emissions, transitions, paths, **ends)
            b = function(joined, transitions, np.concatenate(paths), lengths=self.lengths, **ends)
            c = function(padded, transitions, padded_paths, lengths=self.lengths, **ends)
            assert np.array_equal(flat(a), flat(b))
            if function is chain.path_score:
                assert a.tolist() == c.tolist()
            else:
                assert a[0] == c[0] and np.array_equal(a[1].transitions, c[1].transitions)
                assert np.array_equal(c[1].emissions[3], a[1].emissions[3])

    def test_nbest_and_sample_shapes(self, backend):
        emissions, transitions, _ = self.batch()
        full = np.zeros((2, 4, 3))
        assert chain.viterbi_nbest(emissions[0], transitions, 2)[0].shape == (2, 4)
        assert chain.viterbi_nbest(full, transitions, 2)[0].shape == (2, 2, 4)
        assert chain.viterbi_nbest(full, transitions, 2)[1].shape == (2, 2)
        assert [p.shape for p in chain.viterbi_nbest(emissions, transitions, 2)[0]] == [(2, n) for n in self.lengths]
        joined = np.concatenate(emissions)
        assert chain.viterbi_nbest(joined, transitions, 2, lengths=self.lengths)[0].shape == (2, 17)
        assert chain.sample(emissions[0], transitions, rng=0).shape == (4,)
        assert chain.sample(full, transitions, rng=0).shape == (2, 4)
        assert chain.sample(full, transitions, 7, rng=0).shape == (2, 7, 4)
        assert chain.sample(full, transitions, 0, rng=0).shape == (2, 0, 4)
        assert chain.sample(joined, transitions, 7, lengths=self.lengths, rng=0).shape == (7, 17)

    @pytest.mark.parametrize("function", EVERY, ids=lambda f: f.__name__)
    def test_layouts(self, backend, function):
        rng = np.random.default_rng(3)
        emissions, transitions = rng.normal(size=(5, 3)), rng.normal(size=(3, 3))
        expected = flat(function(emissions, transitions))
        for name, form in nasty_forms(emissions):
            kept = form.copy()
            assert flat(function(form, transitions)).tolist() == expected.tolist(), name
            assert form.tolist() == kept.tolist(), name
        for name, form in nasty_forms(transitions):
            assert flat(function(emissions, form)).tolist() == expected.tolist(), name

    def test_dtypes(self, backend):
        e32, t32 = np.ones((4, 2), np.float32), np.ones((2, 2), np.float32)
        assert chain.log_partition(e32, t32).dtype == np.float32
        assert chain.log_partition(e32, t32, start=np.ones(2)).dtype == np.float64
        assert chain.log_partition(e32, t32.astype(float)).dtype == np.float64
        found = chain.marginals([e32], t32)
        assert {found.nodes[0].dtype, found.transitions.dtype, found.log_partition.dtype} == {np.dtype(np.float32)}
        assert chain.viterbi(e32, t32)[1].dtype == np.float32
        assert chain.log_partition(np.ones((4, 2), int), [[1, 1], [1, 1]]).dtype == np.float64
        _, grads = chain.loss_and_grad(e32, t32, [0, 1, 0, 1], end=np.ones(2, np.float32))
        assert grads.emissions.dtype == grads.transitions.dtype == grads.end.dtype == np.float32

    def test_float32_is_close(self, backend):
        emissions, transitions, ends = random_batch(4, [30] * 5, 9)
        exact = chain.log_partition(emissions, transitions, **ends)
        rounded = chain.log_partition(
            [e.astype(np.float32) for e in emissions],
            transitions.astype(np.float32),
            **{k: v.astype(np.float32) for k, v in ends.items()},
        )
        np.testing.assert_allclose(rounded, exact, rtol=1e-5)


class TestBadInput:
    good = np.zeros((3, 2))

    @pytest.mark.parametrize(
        ("emissions", "options", "error", "words"),
        [
            ("text", {}, TypeError, "emissions must be real numbers"),
            (np.zeros(3), {}, ValueError, "emissions must have 2 or 3 dimensions"),
            (
                np.zeros((3, 5)),
                {},
                ValueError,
                r"transitions must have shape \(5, 5\) to match emissions \(3, 5\), got",
            ),
            ([np.zeros((3, 5))], {}, ValueError, r"to match emissions\[0\]"),
            ([np.zeros((3, 2)), np.zeros(2)], {}, ValueError, r"emissions\[1\] must have 2 dimensions"),
            (np.full((3, 2), np.nan), {}, ValueError, "emissions must not hold NaN"),
            (np.full((3, 2), INF), {}, ValueError, "emissions must not hold plus infinity"),
            (good, {"transitions": np.zeros((2, 3))}, ValueError, "transitions must be a square matrix"),
            (np.zeros((3, 0)), {"transitions": np.zeros((0, 0))}, ValueError, "at least one label"),
            (good, {"transitions": [[0.0, np.nan], [0.0, 0.0]]}, ValueError, "transitions must not hold NaN"),
            (good, {"transitions": [[0.0, INF], [0.0, 0.0]]}, ValueError, "transitions must not hold plus inf"),
            (good, {"start": [0.0]}, ValueError, r"start must have shape \(2,\)"),
            (good, {"end": [0.0, np.nan]}, ValueError, "end must not hold NaN"),
            (good, {"end": ["a", "b"]}, TypeError, "end must be real numbers"),
            (good, {"lengths": [1, 1]}, ValueError, "lengths must sum to the 3 rows"),
            (good, {"lengths": [4, -1]}, ValueError, "lengths must lie in"),
            (good, {"lengths": [1.5, 1.5]}, TypeError, "lengths must be integers"),
            (good, {"mask": [True, True, False]}, ValueError, "mask must be None"),
            ([good], {"lengths": [3]}, ValueError, "lengths and mask must be None"),
            (np.zeros((2, 3, 2)), {"lengths": [4, 1]}, ValueError, "lengths must lie in"),
            (np.zeros((2, 3, 2)), {"lengths": [1]}, ValueError, r"lengths must have shape \(2,\)"),
            (np.zeros((2, 3, 2)), {"mask": [[1, 0, 1], [1, 1, 1]]}, ValueError, "left-aligned"),
            (np.zeros((2, 3, 2)), {"mask": [[1, 0], [1, 1]]}, ValueError, "mask must be booleans of shape"),
            (np.zeros((2, 3, 2)), {"mask": np.ones((2, 3)), "lengths": [1, 1]}, ValueError, "not both"),
            (good, {"workers": 0}, ValueError, "workers must be at least 1"),
            (good, {"workers": "two"}, TypeError, "workers must be an int"),
        ],
    )
    def test_common(self, backend, emissions, options, error, words):
        options = {"transitions": np.zeros((2, 2)), **options}
        for function in EVERY:
            with pytest.raises(error, match=words):
                function(emissions, **options)

    @pytest.mark.parametrize("function", [chain.path_score, chain.loss_and_grad])
    def test_paths(self, backend, function):
        transitions = np.zeros((2, 2))
        for paths, error, words in [
            ([0, 1], ValueError, r"paths must have shape \(3,\)"),
            ([0, 1, 2], ValueError, r"paths must lie in \[0, 2\)"),
            ([0, 1, -1], ValueError, r"paths must lie in"),
            ([0.0, 1.0, 1.0], TypeError, "paths must be integers"),
        ]:
            with pytest.raises(error, match=words):
                function(self.good, transitions, paths)
        with pytest.raises(ValueError, match="list of 1 sequences"):
            function([self.good], transitions, [[0, 0, 0], [1]])
        with pytest.raises(ValueError, match=r"paths\[0\] must have length 3"):
            function([self.good], transitions, [[0, 0]])

    def test_counts(self, backend):
        with pytest.raises(ValueError, match="n must be at least 1"):
            chain.viterbi_nbest(self.good, np.zeros((2, 2)), 0)
        with pytest.raises(TypeError, match="size must be an int"):
            chain.sample(self.good, np.zeros((2, 2)), 1.5)
        with pytest.raises(TypeError, match="rng must be"):
            chain.sample(self.good, np.zeros((2, 2)), rng="seed")


class TestGradient:
    @pytest.mark.parametrize("seed", [1, 2])
    def test_against_finite_differences(self, backend, seed):
        lengths = [3, 1, 4]
        emissions, transitions, ends = random_batch(seed, lengths, 3)
        joined = np.concatenate(emissions)
        paths = np.random.default_rng(seed).integers(0, 3, len(joined))
        loss, grads = chain.loss_and_grad(joined, transitions, paths, lengths=lengths, **ends)
        arguments = {"emissions": joined, "transitions": transitions, **ends}

        def value(**changed):
            given = {**arguments, **changed}
            e, t = given.pop("emissions"), given.pop("transitions")
            log_z = chain.log_partition(e, t, lengths=lengths, **given)
            return (log_z - chain.path_score(e, t, paths, lengths=lengths, **given)).sum()

        assert loss == pytest.approx(value(), rel=1e-13)
        for name, array in arguments.items():
            gradient = getattr(grads, name)
            assert gradient.shape == array.shape
            for place in np.ndindex(array.shape):
                up, down = array.copy(), array.copy()
                up[place] += 1e-5
                down[place] -= 1e-5
                slope = (value(**{name: up}) - value(**{name: down})) / 2e-5
                assert gradient[place] == pytest.approx(slope, abs=1e-7)


class TestSample:
    def test_frequencies(self, backend):
        (emissions,), transitions, ends = random_batch(9, [3], 2, scale=1.0)
        n = backend.size(20000, 4000)
        paths = chain.sample(emissions, transitions, n, rng=5, **ends)
        log_z = chain.log_partition(emissions, transitions, **ends)
        seen = np.bincount(paths @ [4, 2, 1], minlength=8)
        for path, score in enumerate_paths(emissions, transitions, **ends):
            p = math.exp(score - log_z)
            # Five and a half standard deviations: a false alarm in 3e-7 over the eight cells.
            assert abs(seen[np.dot(path, [4, 2, 1])] - n * p) < 5.5 * math.sqrt(n * p * (1 - p)) + 1

    def test_only_legal_paths(self, backend):
        transitions = np.array([[-INF, 0.0], [0.0, -INF]])
        paths = chain.sample(np.zeros((9, 2)), transitions, 50, rng=1)
        assert (np.abs(np.diff(paths, axis=1)) == 1).all()

    def test_reproducible_and_advancing(self, backend):
        zeros = np.zeros((30, 2))
        first, again = (chain.sample(zeros, np.zeros((2, 2)), 2, rng=3) for _ in range(2))
        assert first.tolist() == again.tolist()
        assert first[0].tolist() != first[1].tolist()
        rng = np.random.default_rng(3)
        a, b = (chain.sample(zeros, np.zeros((2, 2)), rng=rng) for _ in range(2))
        assert a.tolist() != b.tolist()


def both_twins(function, *arguments, **options):
    found = []
    for name in ("compiled", "reference"):
        with use_backend(name):
            found.append(function(*arguments, **options))
    return found


finite = st.floats(-50, 50, width=32)
scores = st.one_of(finite, finite, finite, st.just(-INF), st.sampled_from([0.0, 1e5, -1e5, 400.0, -400.0]))


@st.composite
def batches(draw, elements):
    labels = draw(st.integers(1, 10))
    lengths = draw(st.lists(st.integers(0, 6), max_size=11))
    dtype = draw(st.sampled_from([np.float64, np.float64, np.float32]))
    emissions = draw(arrays(dtype, (sum(lengths), labels), elements=elements))
    transitions = draw(arrays(dtype, (labels, labels), elements=elements))
    start, end = (draw(arrays(dtype, labels, elements=elements)) for _ in range(2))
    return emissions, transitions, {"lengths": lengths, "start": start, "end": end}


class TestTwins:
    @settings(max_examples=100)
    @given(st.one_of(batches(finite), batches(scores)))
    def test_log_partition(self, batch):
        emissions, transitions, options = batch
        fast, slow = both_twins(chain.log_partition, emissions, transitions, **options)
        assert fast.dtype == slow.dtype
        single = fast.dtype == np.float32
        for s, length in enumerate(options["lengths"]):
            a = sum(options["lengths"][:s])
            own = emissions[a : a + length].astype(float)
            size = np.abs(np.where(np.isinf(own), 0, own)).max(axis=1).sum() if length else 0.0
            ends = [transitions, options["start"], options["end"]]
            size += sum(np.abs(x[np.isfinite(x)]).max(initial=0) for x in ends[1:])
            size += max(length - 1, 0) * np.abs(transitions[np.isfinite(transitions)]).max(initial=0)
            tolerance = (1e-5 if single else 1e-12) * max(1, size, abs(slow[s]) if np.isfinite(slow[s]) else 0)
            assert fast[s] == slow[s] or abs(float(fast[s]) - float(slow[s])) <= tolerance

    @given(batches(scores), st.integers(1, 5))
    def test_best_paths_are_equal(self, batch, n):
        emissions, transitions, options = batch
        for function, more in ((chain.viterbi, ()), (chain.viterbi_nbest, (n,))):
            fast, slow = both_twins(function, emissions, transitions, *more, **options)
            assert fast[0].tolist() == slow[0].tolist()
            assert fast[1].tolist() == slow[1].tolist()

    @given(batches(st.floats(-8, 8, width=32)))
    def test_expectations(self, batch):
        emissions, transitions, options = batch
        tolerance = 1e-5 if emissions.dtype == np.float32 else 1e-11
        for function in (chain.marginals, chain.entropy, chain.forward, chain.backward, chain.forward_scaled):
            assert_close(*both_twins(function, emissions, transitions, **options), tolerance=tolerance)

    @given(batches(scores))
    def test_expectations_of_odd_scores(self, batch):
        emissions, transitions, options = batch
        fast, slow = both_twins(chain.marginals, emissions, transitions, **options)
        # Scores of 1e5 leave about 1e-10 of a probability to rounding; in float32 that's rounding of the result.
        np.testing.assert_allclose(
            flat(fast), flat(slow), rtol=1e-5 if emissions.dtype == np.float32 else 1e-8, atol=1e-8
        )

    @given(batches(st.floats(-8, 8, width=32)), st.integers(0, 2**32))
    def test_samples_are_equal(self, batch, seed):
        emissions, transitions, options = batch
        fast, slow = both_twins(chain.sample, emissions, transitions, 3, rng=seed, **options)
        assert fast.tolist() == slow.tolist()


class TestCompany:
    """A sequence's result doesn't depend on its neighbours, on chunks or on workers."""

    @pytest.mark.parametrize("labels", [1, 2, 3, 4, 5, 8, 9, 17])
    @pytest.mark.parametrize("forbidden", [0.0, 0.3])
    def test_alone_or_in_a_batch(self, labels, forbidden):
        lengths = np.random.default_rng(0).integers(0, 25, 45)
        emissions, transitions, ends = random_batch(labels, lengths, labels, forbidden=forbidden)
        emissions[7] *= 1e4
        for function in EVERY:
            together = function(emissions, transitions, **ends)
            alone = [function(e, transitions, **ends) for e in emissions]
            if isinstance(together, chain.Marginals):
                assert together.transitions.tolist() == [a.transitions.tolist() for a in alone]
                together, alone = together.nodes, [a.nodes for a in alone]
            elif isinstance(together, tuple):
                together, alone = together[0], [a[0] for a in alone]
            for a, b in zip(together, alone):
                assert np.array_equal(a, b, equal_nan=True), function.__name__

    def test_workers(self, monkeypatch):
        # Some chunks either way.
        monkeypatch.setattr("fastcore.chain._batch.TASK_CELLS", sized(1 << 19, 1 << 12))
        lengths = np.random.default_rng(1).integers(1, 60, sized(6000, 60))
        emissions, transitions, ends = random_batch(2, [lengths.sum()], 5)
        emissions = emissions[0]
        paths = np.random.default_rng(2).integers(0, 5, len(emissions))
        calls = [lambda w, f=f: f(emissions, transitions, lengths=lengths, workers=w, **ends) for f in EVERY]
        calls += [
            lambda w: chain.sample(emissions, transitions, 2, rng=1, lengths=lengths, workers=w, **ends),
            lambda w: chain.loss_and_grad(emissions, transitions, paths, lengths=lengths, workers=w, **ends),
            lambda w: chain.path_score(emissions, transitions, paths, lengths=lengths, workers=w, **ends),
            lambda w: chain.viterbi_nbest(emissions, transitions, 2, lengths=lengths, workers=w, **ends),
        ]
        with ThreadPoolExecutor(2) as pool:
            for call in calls:
                alone = flat(call(1)).tobytes()
                assert flat(call(2)).tobytes() == alone
                assert flat(call(pool)).tobytes() == alone
                assert flat(call(map)).tobytes() == alone

    def test_results_pickle(self, backend):
        (emissions,), transitions, _ = random_batch(3, [4], 2)
        results = [chain.marginals(emissions, transitions), chain.loss_and_grad(emissions, transitions, [0, 1, 0, 1])]
        for result in [*results, chain.forward_scaled(emissions, transitions)]:
            assert np.array_equal(flat(pickle.loads(pickle.dumps(result))), flat(result))

    @pytest.mark.compiled
    @pytest.mark.slow
    @pytest.mark.parametrize("isa", ["baseline", "v3", "v4"])
    def test_every_instruction_set(self, isa):
        from fastcore import _isa

        if isa not in _isa.available():
            return
        script = """
import numpy as np
from fastcore import chain, use_backend
rng = np.random.default_rng(0)
lengths = rng.integers(0, 30, 60)
emissions = rng.normal(size=(lengths.sum(), 5))
transitions = rng.normal(size=(5, 5))
fast = chain.marginals(emissions, transitions, lengths=lengths)
best = chain.viterbi(emissions, transitions, lengths=lengths)
with use_backend("reference"):
    slow = chain.marginals(emissions, transitions, lengths=lengths)
    again = chain.viterbi(emissions, transitions, lengths=lengths)
assert np.allclose(fast.nodes, slow.nodes, atol=1e-12) and np.allclose(fast.transitions, slow.transitions)
assert np.allclose(fast.log_partition, slow.log_partition, rtol=1e-13)
assert best[0].tolist() == again[0].tolist() and best[1].tolist() == again[1].tolist()
"""
        result = run_script(script, env={"FASTCORE_ISA": isa})
        assert result.returncode == 0, result.stderr

    def test_memory_is_flat(self):
        setup = """
import numpy as np
from fastcore import chain
e, t = np.random.default_rng(0).normal(size=(60, 25, 5)), np.zeros((5, 5))
p = np.zeros((60, 25), int)
"""
        statement = (
            "chain.marginals(e, t); chain.viterbi(e, t); chain.log_partition(e, t); chain.loss_and_grad(e, t, p)"
        )
        assert memory_growth(setup, statement, 500) < 50


class TestDoors:
    def test_lengths_whose_sum_overflows(self, backend):
        # Four times 2**62 is 0 in 64 bits, the number of rows.
        with pytest.raises(ValueError, match="lengths must lie in"):
            chain.log_partition(np.zeros((0, 2)), np.zeros((2, 2)), lengths=[2**62] * 4)

    @pytest.mark.parametrize(
        ("arguments", "options", "message"),
        [
            ((np.zeros((2, 3, 2)), np.zeros((2, 2))), {"mask": [[1], [1, 0]]}, "mask must be a rectangular"),
            ((np.zeros((2, 3, 2)), np.zeros((2, 2))), {"lengths": [[1], [1, 0]]}, "lengths must be a rectangular"),
            (([[[0.0], [0.0, 1.0]]], np.zeros((2, 2))), {}, "emissions must be a rectangular"),
        ],
    )
    def test_ragged(self, arguments, options, message):
        with pytest.raises(ValueError, match=message):
            chain.log_partition(*arguments, **options)

    def test_huge_numbers_of_paths(self, backend):
        scores = np.zeros((3, 2)), np.zeros((2, 2))
        with pytest.raises(ValueError, match="n must be between 1 and"):
            chain.viterbi_nbest(*scores, 10**30)
        with pytest.raises(ValueError, match="size must be between 0 and"):
            chain.sample(*scores, 2**63)


class TestShortCalls:
    """One sequence in arrays that kernels take as they come goes a way of its own."""

    @staticmethod
    def calls(paths, form):
        yield from EVERY
        for function in (chain.path_score, chain.loss_and_grad):
            yield lambda e, t, function=function, **more: function(e, t, form(paths), **more)
        yield lambda e, t, **more: chain.viterbi_nbest(e, t, 3, **more)
        for size in (None, 2):
            yield lambda e, t, size=size, **more: chain.sample(e, t, size, rng=1, **more)

    @pytest.mark.parametrize("with_ends", [False, True])
    @pytest.mark.parametrize("forbidden", [0.0, 0.4])
    def test_the_same_bits_as_in_a_list(self, backend, with_ends, forbidden):
        (emissions,), transitions, ends = random_batch(3, [7], 4, forbidden=forbidden)
        ends = ends if with_ends else {}
        # The best path: a finite loss also where transitions are forbidden.
        paths = chain.viterbi(emissions, transitions, **ends)[0]
        both = zip(self.calls(paths, lambda p: p), self.calls(paths, lambda p: [p]))
        for k, (short, long) in enumerate(both):
            found = flat(short(emissions, transitions, **ends))
            assert found.tolist() == flat(long([emissions], transitions, **ends)).tolist(), k

    def test_arguments_stay_as_they_are(self, backend):
        (emissions,), transitions, ends = random_batch(4, [5], 3)
        arrays = [emissions, transitions, ends["start"], ends["end"], np.array([0, 1, 2, 0, 1])]
        before = [array.tobytes() for array in arrays]
        for call in self.calls(arrays[-1], lambda p: p):
            call(emissions, transitions, **ends)
        assert [array.tobytes() for array in arrays] == before

    @pytest.mark.parametrize("value", [np.nan, INF])
    @pytest.mark.parametrize("name", ["emissions", "transitions", "start", "end"])
    def test_what_is_refused(self, backend, name, value):
        (emissions,), transitions, ends = random_batch(5, [5], 3)
        arrays = {"emissions": emissions, "transitions": transitions, **ends}
        arrays[name].flat[1] = value
        words = f"{name} must not hold {'NaN' if np.isnan(value) else 'plus infinity'}"
        for call in self.calls(np.zeros(5, int), lambda p: p):
            with pytest.raises(ValueError, match=words):
                call(arrays["emissions"], arrays["transitions"], start=arrays["start"], end=arrays["end"])

    def test_shapes_and_sums(self, backend):
        emissions, transitions = np.zeros((5, 3)), np.zeros((3, 3))
        for call in self.calls(np.zeros(5, int), lambda p: p):
            for more, words in [
                ({"start": np.zeros(2)}, "start must have shape"),
                ({"end": np.zeros(4)}, "end must have shape"),
                ({"end": np.zeros((3, 1))}, "end must have shape"),
            ]:
                with pytest.raises(ValueError, match=words):
                    call(emissions, transitions, **more)
            with pytest.raises(ValueError, match="transitions must have shape"):
                call(emissions, np.zeros((4, 4)))
            with pytest.raises(ValueError, match="transitions must be a square"):
                call(emissions, np.zeros((3, 4)))
            with pytest.raises(ValueError, match="sum to less than"):
                call(np.full((5, 3), 1e308), transitions)
            with pytest.raises(ValueError, match="masked"):
                call(np.ma.masked_equal(np.eye(3), 1), transitions)

    def test_paths(self, backend):
        emissions, transitions = np.zeros((5, 3)), np.zeros((3, 3))
        for function in (chain.path_score, chain.loss_and_grad):
            for wrong in ([0, 1, 2, 0, 3], [0, -1, 2, 0, 0]):
                with pytest.raises(ValueError, match="paths must lie in"):
                    function(emissions, transitions, np.array(wrong))
            with pytest.raises(ValueError, match=r"paths must have shape \(5,\)"):
                function(emissions, transitions, np.zeros(4, int))
            # Other integers than the kernel's own.
            narrow = function(emissions, transitions, np.ones(10, np.int16)[::2])
            assert flat(narrow).tolist() == flat(function(emissions, transitions, np.ones(5, np.int64))).tolist()

    @pytest.mark.parametrize("single", [False, True])
    def test_counts_that_a_gradient_takes_away(self, backend, single):
        # 0 -> 1 -> 1 | 1 -> 0, all paths equally likely: no transition goes from one sequence to the next.
        emissions = np.zeros((5, 2), np.float32 if single else np.float64)
        zeros = np.zeros((2, 2), emissions.dtype)
        grads = chain.loss_and_grad(emissions, zeros, [0, 1, 1, 1, 0], lengths=[3, 2])[1]
        assert grads.transitions.tolist() == [[0.75, -0.25], [-0.25, -0.25]]
        assert grads.emissions.tolist() == [[-0.5, 0.5], [0.5, -0.5], [0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]]
        assert grads.transitions.dtype == emissions.dtype
