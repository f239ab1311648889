"""Linear chains step by step: transitions of each step's own, pairs of labels, masks with holes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fastcore import chain

from .helpers import nasty_forms
from .test_chain import EVERY, INF, assert_close, flat, random_batch

LENGTHS = (4, 0, 1, 6, 2)
LABELS = 3


def brute_force(emissions, moves, start, end):
    """All paths of one sequence over transitions of each step's own, with their scores."""
    length, labels = np.shape(emissions)
    for path in itertools.product(range(labels), repeat=length):
        terms = [emissions[t][y] for t, y in enumerate(path)]
        terms += [move[a][b] for move, (a, b) in zip(moves, itertools.pairwise(path))]
        terms += [start[path[0]], end[path[-1]]] if path else []
        yield path, -INF if -INF in terms else math.fsum(terms)


def own_transitions(seed, lengths, labels=LABELS, scale=2.0, forbidden=0.0):
    rng = np.random.default_rng(seed)
    found = []
    for length in lengths:
        moves = rng.normal(scale=scale, size=(max(0, length - 1), labels, labels))
        moves[rng.random(moves.shape) < forbidden] = -INF
        found.append(moves)
    return found


def padded(parts, fill, rows):
    array = np.full((len(parts), rows, *parts[0].shape[1:]), fill)
    for row, part in zip(array, parts):
        row[: len(part)] = part
    return array


class TestBruteForce:
    # Spans that scaled numbers hold, that are watched, and that neither holds.
    @pytest.mark.parametrize(("scale", "forbidden"), [(2.0, 0.0), (2.0, 0.3), (150.0, 0.0), (1000.0, 0.2)])
    @pytest.mark.parametrize("length", [1, 2, 5])
    @pytest.mark.parametrize("own", [False, True])
    def test_all_against_enumeration(self, backend, length, scale, forbidden, own):
        (emissions,), matrix, ends = random_batch(length, [length], LABELS, scale, forbidden)
        moves = own_transitions(length, [length], LABELS, scale, forbidden)[0] if own else [matrix] * (length - 1)
        given = moves if own else matrix
        paths = list(brute_force(emissions, moves, **ends))
        top = max(score for _, score in paths)
        if top == -INF:
            assert chain.log_partition(emissions, given, **ends) == -INF
            assert not flat(chain.marginals(emissions, given, pairs=True, **ends).pairs).any()
            return
        log_z = top + math.log(math.fsum(math.exp(score - top) for _, score in paths))
        legal = [(path, math.exp(score - log_z), score) for path, score in paths if score > -INF]
        nodes, pairs = np.zeros((length, LABELS)), np.zeros((length - 1, LABELS, LABELS))
        for path, probability, _ in legal:
            nodes[np.arange(length), path] += probability
            pairs[np.arange(length - 1), path[:-1], path[1:]] += probability
        found = chain.marginals(emissions, given, pairs=True, **ends)
        assert_close(found.log_partition, log_z)
        assert_close(found.nodes, nodes, 1e-11)
        assert found.pairs.shape == pairs.shape
        assert_close(found.pairs, pairs, 1e-11)
        assert_close(found.transitions, pairs.sum(axis=0), 1e-11)
        summed = chain.marginals(emissions, given, **ends)
        assert summed.pairs is None
        assert_close(summed.transitions, pairs.sum(axis=0), 1e-11)
        assert summed.nodes.tolist() == found.nodes.tolist()
        assert_close(chain.log_partition(emissions, given, **ends), log_z)
        expected = -math.fsum(p * math.log(p) for _, p, _ in legal if p)
        assert_close(chain.entropy(emissions, given, **ends), expected, 1e-11)
        forward = chain.forward(emissions, given, **ends)
        backward = chain.backward(emissions, given, **ends)
        joint = forward + backward
        assert_close(np.exp(joint - log_z), nodes, 1e-11)

        best, score = chain.viterbi(emissions, given, **ends)
        assert tuple(best) == max(legal, key=lambda entry: entry[2])[0]
        assert_close(score, top)
        several, scores = chain.viterbi_nbest(emissions, given, 6, **ends)
        ranked = sorted(legal, key=lambda entry: -entry[2])[:6]
        assert [tuple(p) for p in several[: len(ranked)]] == [p for p, _, _ in ranked]
        assert_close(scores[: len(ranked)], [s for _, _, s in ranked])
        for path, _, score in legal[::7]:
            assert_close(chain.path_score(emissions, given, path, **ends), score)


class TestOwnTransitions:
    @pytest.mark.parametrize("function", EVERY, ids=lambda f: f.__name__)
    def test_one_matrix_repeated_is_that_matrix(self, backend, function):
        emissions, matrix, ends = random_batch(1, LENGTHS, LABELS)
        moves = [np.stack([matrix] * (n - 1)) if n > 1 else np.empty((0, LABELS, LABELS)) for n in LENGTHS]
        assert_close(flat(function(emissions, moves, **ends)), flat(function(emissions, matrix, **ends)), 1e-13)

    @pytest.mark.parametrize("function", EVERY, ids=lambda f: f.__name__)
    @pytest.mark.parametrize("workers", [1, 2])
    def test_forms_and_workers_agree(self, backend, function, workers, monkeypatch):
        monkeypatch.setattr("fastcore.chain._batch.TASK_CELLS", 3 * LABELS)
        emissions, moves = random_batch(2, LENGTHS, LABELS)[0], own_transitions(3, LENGTHS)
        alone = [flat(function(e, m)).tolist() for e, m in zip(emissions, moves)]
        batch = function(emissions, moves, workers=workers)
        joined = function(np.concatenate(emissions), np.concatenate(moves), lengths=np.array(LENGTHS), workers=workers)
        assert flat(batch).tolist() == flat(joined).tolist()
        filled = function(padded(emissions, np.nan, 6), padded(moves, np.nan, 5), lengths=LENGTHS, workers=workers)
        assert np.isin(flat(batch), flat(filled)).all()
        assert sorted(itertools.chain.from_iterable(alone)) == sorted(flat(batch).tolist())

    def test_padded_pairs_and_full_batches(self, backend):
        emissions, moves = random_batch(2, LENGTHS, LABELS)[0], own_transitions(3, LENGTHS)
        expected = chain.marginals(emissions, moves, pairs=True).pairs
        found = chain.marginals(padded(emissions, 0.0, 6), padded(moves, 0.0, 5), lengths=LENGTHS, pairs=True).pairs
        assert found.tolist() == padded(expected, 0.0, 5).tolist()
        same = chain.marginals(np.stack([emissions[3]] * 2), np.stack([moves[3]] * 2), pairs=True).pairs
        assert same.tolist() == [expected[3].tolist()] * 2
        empty = chain.marginals(np.empty((2, 0, 3)), np.empty((2, 0, 3, 3)), pairs=True)
        assert empty.pairs.shape == (2, 0, 3, 3) and empty.transitions.shape == (2, 3, 3)
        assert chain.marginals(np.empty((0, 3)), np.empty((0, 3, 3)), pairs=True).pairs.shape == (0, 3, 3)

    def test_gradient_against_finite_differences(self, backend):
        lengths = [3, 1, 4, 0]
        emissions, _, ends = random_batch(4, lengths, LABELS)
        moves = own_transitions(4, lengths)
        paths = [np.arange(n) % LABELS for n in lengths]
        loss, grads = chain.loss_and_grad(emissions, moves, paths, **ends)

        def value(moves):
            log_z = chain.log_partition(emissions, moves, **ends)
            return (log_z - chain.path_score(emissions, moves, paths, **ends)).sum()

        assert loss == pytest.approx(value(moves), rel=1e-13)
        assert [g.shape for g in grads.transitions] == [m.shape for m in moves]
        for k, part in enumerate(moves):
            for place in np.ndindex(part.shape):
                slopes = []
                for step in (1e-5, -1e-5):
                    changed = [m.copy() for m in moves]
                    changed[k][place] += step
                    slopes.append(value(changed))
                slope = (slopes[0] - slopes[1]) / 2e-5
                assert grads.transitions[k][place] == pytest.approx(slope, abs=1e-7)
        summed = chain.loss_and_grad(emissions, np.zeros((3, 3)), paths)[1]
        same = chain.loss_and_grad(emissions, [0 * m for m in moves], paths)[1]
        assert_close(sum(g.sum(axis=0) for g in same.transitions), summed.transitions)
        assert_close(same.emissions, summed.emissions)

    def test_samples(self, backend):
        # Each step forbids staying, or going: only one path of labels is left after the first.
        stay, go = np.array([[0.0, -INF], [-INF, 0.0]]), np.array([[-INF, 0.0], [0.0, -INF]])
        moves = np.stack([stay, go, go, stay, go])
        paths = chain.sample(np.zeros((6, 2)), moves, 40, rng=0)
        assert {tuple(p) for p in paths} == {(0, 0, 1, 0, 0, 1), (1, 1, 0, 1, 1, 0)}

    def test_layouts_and_types(self, backend):
        rng = np.random.default_rng(5)
        emissions, moves = rng.normal(size=(4, 3)), rng.normal(size=(3, 3, 3))
        expected = flat(chain.marginals(emissions, moves, pairs=True))
        for name, form in nasty_forms(moves):
            kept = form.copy()
            assert flat(chain.marginals(emissions, form, pairs=True)).tolist() == expected.tolist(), name
            assert form.tolist() == kept.tolist(), name
        single = chain.marginals(emissions.astype(np.float32), moves.astype(np.float32), pairs=True)
        assert {single.nodes.dtype, single.pairs.dtype, single.transitions.dtype} == {np.dtype(np.float32)}
        np.testing.assert_allclose(flat(single), expected, rtol=1e-5, atol=1e-6)
        assert chain.marginals(emissions.astype(np.float32), moves, pairs=True).pairs.dtype == np.float64
        _, grads = chain.loss_and_grad(emissions.astype(np.float32), moves.astype(np.float32), [0, 1, 2, 0])
        assert grads.transitions.dtype == np.float32
        nested = chain.log_partition(emissions.tolist(), moves.tolist())
        assert nested == chain.log_partition(emissions, moves)

    def test_a_step_without_a_way(self, backend):
        moves = np.zeros((2, 2, 2))
        moves[1] = -INF
        found = chain.marginals([np.zeros((3, 2))], [moves], pairs=True)
        assert found.log_partition.tolist() == [-INF] and not found.pairs[0].any() and not found.nodes[0].any()
        assert chain.viterbi(np.zeros((3, 2)), moves)[0].tolist() == [-1] * 3
        with pytest.raises(ValueError, match="sequence 0 has no legal path"):
            chain.loss_and_grad(np.zeros((3, 2)), moves, [0, 0, 0])

    def test_long_sequences_settle(self, backend):
        length = backend.size(20_000, 1500)
        rng = np.random.default_rng(6)
        emissions, moves = rng.normal(size=(length, 2)), rng.normal(size=(length - 1, 2, 2))
        found = chain.marginals(emissions, moves, pairs=True)
        np.testing.assert_allclose(found.pairs.sum(axis=(1, 2)), 1.0, rtol=1e-12)
        np.testing.assert_allclose(found.pairs.sum(axis=1), found.nodes[1:], atol=1e-12)
        np.testing.assert_allclose(found.pairs.sum(axis=2), found.nodes[:-1], atol=1e-12)
        np.testing.assert_allclose(found.transitions, found.pairs.sum(axis=0), rtol=1e-12)

    @pytest.mark.parametrize(
        ("emissions", "moves", "options", "words"),
        [
            (np.zeros((3, 2)), np.zeros((3, 2, 2)), {}, r"shape \(2, 2\) or \(2, 2, 2\) to match emissions, got \(3"),
            (np.zeros((2, 3, 2)), np.zeros((2, 2, 2)), {}, r"\(2, 2\) or \(2, 2, 2, 2\) to match emissions, got"),
            (np.zeros((2, 3, 2)), [np.zeros((2, 2, 2))] * 2, {}, "got a list of 2"),
            (np.zeros((3, 2)), np.zeros((3, 2, 2)), {"lengths": [2, 1]}, r"\(1, 2, 2\) to match emissions"),
            ([np.zeros((3, 2))], [np.zeros((1, 2, 2))], {}, r"transitions\[0\] must have length 2"),
            ([np.zeros((3, 2))], np.zeros((2, 2, 2)), {}, "a matrix or a list of 1 sequences"),
            ([np.zeros((3, 2))], [np.zeros((2, 2, 3))], {}, r"transitions\[0\] must hold square matrices"),
            (np.zeros((3, 2)), np.zeros((2, 2, 3)), {}, "transitions must hold square matrices"),
            (np.zeros((3, 2)), np.full((2, 2, 2), np.nan), {}, "transitions must not hold NaN"),
            (np.zeros((3, 2)), np.full((2, 2, 2), INF), {}, "transitions must not hold plus infinity"),
            (np.zeros((3, 2)), np.full((2, 2, 2), 1e308), {}, "must sum to less than"),
        ],
    )
    def test_bad_input(self, backend, emissions, moves, options, words):
        for function in EVERY:
            with pytest.raises(ValueError, match=words):
                function(emissions, moves, **options)

    def test_bad_flags(self, backend):
        with pytest.raises(TypeError, match="pairs must be a bool"):
            chain.marginals(np.zeros((3, 2)), np.zeros((2, 2)), pairs="yes")
        with pytest.raises(TypeError, match="holes must be a bool"):
            chain.viterbi(np.zeros((1, 3, 2)), np.zeros((2, 2)), mask=[[1, 0, 1]], holes=1)


class TestHoles:
    mask = np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0]], bool)

    def test_skipped_steps_are_as_if_not_there(self, backend):
        rng = np.random.default_rng(7)
        emissions, matrix = rng.normal(size=(5, 5, 3)), rng.normal(size=(3, 3))
        kept = [e[m] for e, m in zip(emissions, self.mask)]
        emissions[~self.mask] = np.nan
        options = {"mask": self.mask, "holes": True}
        for function in (chain.log_partition, chain.entropy):
            assert function(emissions, matrix, **options).tolist() == function(kept, matrix).tolist()
        for function, fill in ((chain.forward, -INF), (chain.backward, -INF)):
            found = function(emissions, matrix, **options)
            assert found[self.mask].tolist() == np.concatenate(function(kept, matrix)).tolist()
            assert (found[~self.mask] == fill).all()
        paths, scores = chain.viterbi(emissions, matrix, **options)
        expected = chain.viterbi(kept, matrix)
        assert paths[self.mask].tolist() == np.concatenate(expected[0]).tolist()
        assert (paths[~self.mask] == -1).all() and scores.tolist() == expected[1].tolist()
        assert_close(chain.path_score(emissions, matrix, paths.clip(0), **options), scores)
        drawn = chain.sample(emissions, matrix, 2, rng=1, **options)
        again = chain.sample(kept, matrix, 2, rng=1)
        assert all((drawn[s][:, m] == again[s]).all() for s, m in enumerate(self.mask))
        assert (drawn.transpose(0, 2, 1)[~self.mask] == -1).all()
        found, same = chain.marginals(emissions, matrix, pairs=True, **options), chain.marginals(kept, matrix)
        assert found.nodes[self.mask].tolist() == np.concatenate(same.nodes).tolist()
        assert_close(found.transitions, same.transitions)
        # A pair stands where its later step does.
        assert (found.pairs.any(axis=(2, 3)).sum(axis=1) == [2, 1, 4, 0, 0]).all()
        assert found.pairs[1, 3].any() and found.pairs[0, 1].any() and not found.pairs[0, 0].any()
        loss, grads = chain.loss_and_grad(emissions, matrix, paths, **options)
        other, kept_grads = chain.loss_and_grad(kept, matrix, [p[m] for p, m in zip(paths, self.mask)])
        assert loss == other and grads.transitions.tolist() == kept_grads.transitions.tolist()
        assert not grads.emissions[~self.mask].any()

    def test_own_transitions_are_the_later_steps(self, backend):
        rng = np.random.default_rng(8)
        emissions, moves = rng.normal(size=(1, 4, 3)), rng.normal(size=(1, 3, 3, 3))
        found = chain.viterbi(emissions, moves, mask=[[1, 0, 1, 1]], holes=True)[1]
        assert found == chain.viterbi(emissions[:, [0, 2, 3]], moves[:, 1:])[1]

    def test_refused_by_default(self, backend):
        with pytest.raises(ValueError, match="holes=True skips"):
            chain.viterbi(np.zeros((1, 3, 2)), np.zeros((2, 2)), mask=[[1, 0, 1]])
