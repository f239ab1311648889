"""Best paths of sequences that come in pieces."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

from fastcore import chain, use_backend

from .helpers import nasty_forms
from .test_chain import INF, random_batch


def decoded(decoder, emissions, sizes, end=None):
    """All labels and the score of a sequence that is cut into pieces of these sizes, again and again."""
    found, at, turn = [], 0, 0
    while at < len(emissions):
        found.append(decoder.push(emissions[at : at + sizes[turn % len(sizes)]]))
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    labels, score = decoder.finish(end)
    return np.concatenate([*found, labels]), score


class TestExact:
    @pytest.mark.parametrize("labels", [1, 2, 3, 9, 17])
    @pytest.mark.parametrize("forbidden", [0.0, 0.4])
    @pytest.mark.parametrize("sizes", [[1], [7, 1, 20], [1000]])
    def test_is_viterbis_path(self, backend, labels, forbidden, sizes):
        (emissions,), matrix, ends = random_batch(labels, [backend.size(400, 60)], labels, 1.0, forbidden)
        decoder = chain.ViterbiDecoder(matrix, start=ends["start"])
        path, score = chain.viterbi(emissions, matrix, **ends)
        for _ in range(2):
            found, total = decoded(decoder, emissions, sizes, ends["end"])
            assert found.tolist() == path.tolist()
            assert total == pytest.approx(score, rel=1e-14)
            assert decoder.n_forced == decoder.n_steps == decoder.n_pending == 0

    def test_ties_too(self, backend):
        rng = np.random.default_rng(1)
        emissions, matrix = rng.integers(0, 3, (200, 4)).astype(float), rng.integers(0, 2, (4, 4)).astype(float)
        found, score = decoded(chain.ViterbiDecoder(matrix), emissions, [3])
        path, total = chain.viterbi(emissions, matrix)
        assert found.tolist() == path.tolist() and score == total

    def test_labels_come_as_soon_as_paths_agree(self, backend):
        decoder = chain.ViterbiDecoder(np.log([[0.5, 0.5], [0.5, 0.5]]))
        # Label by label alone, but for the choice of the last: which is known once another step has come.
        rows = np.log([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        assert [decoder.push(row).tolist() for row in rows] == [[], [0], [1]]
        assert decoder.n_pending == 1 and decoder.n_steps == 3
        assert decoder.finish()[0].tolist() == [0]
        # An only label is certain at once.
        decoder = chain.ViterbiDecoder(np.zeros((2, 2)))
        assert decoder.push([[0.0, -INF], [-INF, 0.0]]).tolist() == [0, 1]
        assert decoder.n_pending == 0
        assert decoder.push([1.0, 0.0]).tolist() == []
        assert decoder.finish()[0].tolist() == [0]

    def test_pending_steps_wait_for_the_end(self, backend):
        # Two labels that never mix: all is open until the end scores decide.
        decoder = chain.ViterbiDecoder([[0.0, -INF], [-INF, 0.0]])
        assert decoder.push(np.zeros((50, 2))).tolist() == [] and decoder.n_pending == 50
        state = pickle.dumps(decoder)
        assert decoder.finish([0.0, 1.0])[0].tolist() == [1] * 50
        assert pickle.loads(state).finish([1.0, 0.0])[0].tolist() == [0] * 50

    def test_long_streams_keep_their_score(self, backend):
        # Scores far beyond what is kept in a column, which is taken out exactly.
        length, size = backend.size(300_000, 400), 1000.0 if backend.name == "compiled" else 1e6
        rng = np.random.default_rng(2)
        emissions = rng.normal(size=(length, 3)) - size
        matrix = rng.normal(size=(3, 3))
        path, score = chain.viterbi(emissions + size, matrix)
        decoder = chain.ViterbiDecoder(matrix)
        found, total = decoded(decoder, emissions, [length // 3])
        assert (found == path).mean() > 0.9999
        assert total == pytest.approx(score - size * length, rel=1e-13)

    def test_types_and_layouts(self, backend):
        rng = np.random.default_rng(3)
        emissions, matrix = rng.normal(size=(30, 3)).astype(np.float32), rng.normal(size=(3, 3))
        expected = chain.viterbi(emissions.astype(float), matrix)[0].tolist()
        assert decoded(chain.ViterbiDecoder(matrix), emissions, [4])[0].tolist() == expected
        for name, form in nasty_forms(emissions.astype(float)):
            assert decoded(chain.ViterbiDecoder(matrix), form, [30])[0].tolist() == expected, name


class TestMaxDelay:
    @pytest.mark.parametrize("max_delay", [0, 1, 3, 10])
    def test_labels_are_one_path_whatever_the_pieces(self, backend, max_delay):
        (emissions,), matrix, ends = random_batch(4, [backend.size(300, 60)], 4, 1.0, 0.3)
        np.fill_diagonal(matrix, 2.0)
        end = np.where(np.isfinite(ends["end"]), ends["end"], 0.0)
        results = []
        for sizes in ([1], [7, 2], [300]):
            decoder = chain.ViterbiDecoder(matrix, start=ends["start"], max_delay=max_delay)
            found, at = [], 0
            for turn in range(len(emissions)):
                piece = emissions[at : at + sizes[turn % len(sizes)]]
                at += len(piece)
                found += decoder.push(piece).tolist()
                assert decoder.n_pending <= max_delay
                assert len(found) + decoder.n_pending == decoder.n_steps == at
            forced = decoder.n_forced
            labels, score = decoder.finish(end)
            found += labels.tolist()
            results.append((found, score, forced))
            # What was said is a path, and has the score that is given.
            assert chain.path_score(emissions, matrix, found, start=ends["start"], end=end) == pytest.approx(score)
        assert results[0] == results[1] == results[2]
        best = chain.viterbi(emissions, matrix, start=ends["start"], end=end)[1]
        assert results[0][1] <= best + 1e-9
        assert results[0][2] > 0 or results[0][1] == pytest.approx(best)
        assert results[0][2] > 0 or max_delay > 1

    def test_the_oldest_label_is_the_best_paths(self, backend):
        # Two labels that never mix: the first is better for three steps, the second afterwards.
        decoder = chain.ViterbiDecoder([[0.0, -INF], [-INF, 0.0]], max_delay=2)
        rows = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 9.0], [0.0, 9.0]]
        assert [decoder.push(row).tolist() for row in rows] == [[], [], [0, 0, 0], [0], [0]]
        assert decoder.n_forced == 1
        labels, score = decoder.finish()
        assert labels.tolist() == [] and score == 3.0


class TestNoPath:
    def test_labels_are_missing_from_where_it_ends(self, backend):
        decoder = chain.ViterbiDecoder([[0.0, 0.0], [0.0, 0.0]])
        assert decoder.push([[0.0, 0.0], [-INF, -INF]]).tolist() == [-1, -1]
        assert decoder.push([[0.0, 0.0]]).tolist() == [-1]
        labels, score = decoder.finish()
        assert labels.tolist() == [] and score == -INF
        # The end scores may end it too.
        decoder = chain.ViterbiDecoder([[0.0, -INF], [-INF, 0.0]])
        decoder.push(np.zeros((2, 2)))
        labels, score = decoder.finish([-INF, -INF])
        assert labels.tolist() == [-1, -1] and score == -INF

    def test_empty(self, backend):
        decoder = chain.ViterbiDecoder([[0.0]])
        assert decoder.push(np.empty((0, 1))).tolist() == []
        labels, score = decoder.finish()
        assert labels.tolist() == [] and score == 0.0 and labels.dtype == np.int64


class TestObject:
    def test_pickles_in_the_middle(self, backend):
        (emissions,), matrix, ends = random_batch(6, [60], 3)
        decoder = chain.ViterbiDecoder(matrix, start=ends["start"])
        first = decoder.push(emissions[:31]).tolist()
        again = pickle.loads(pickle.dumps(decoder))
        assert repr(again) == repr(decoder) and "3 labels, 31 steps" in repr(again)
        rest = [d.push(emissions[31:]).tolist() + d.finish()[0].tolist() for d in (decoder, again)]
        assert rest[0] == rest[1]
        assert first + rest[0] == chain.viterbi(emissions, matrix, start=ends["start"])[0].tolist()

    def test_keeps_the_twin_it_was_made_with(self):
        with use_backend("reference"):
            decoder = chain.ViterbiDecoder(np.zeros((2, 2)))
        assert decoder._backend == "reference"
        assert decoder.push([[1.0, 0.0]]).tolist() == []

    def test_threads_take_turns(self, backend):
        decoder, found = chain.ViterbiDecoder(np.zeros((2, 2))), []

        def work():
            for _ in range(20):
                found.extend(decoder.push([[1.0, 0.0]] * 3).tolist())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert decoder.n_steps == 240
        assert len(found) + len(decoder.finish()[0]) == 240

    def test_refused_steps_change_nothing(self, backend):
        decoder = chain.ViterbiDecoder(np.zeros((2, 2)))
        decoder.push([[1.0, 0.0], [0.0, 2.0]])
        for bad, words in [
            (np.zeros((3, 3)), "emissions must have 2 labels"),
            ([[0.0, np.nan]], "emissions must not hold NaN"),
            ([[0.0, INF]], "emissions must not hold plus infinity"),
            ([[0.0, -1e301]], r"emissions must be of size 1e\+300 at most"),
        ]:
            with pytest.raises(ValueError, match=words):
                decoder.push(bad)
        with pytest.raises(ValueError, match="end must have shape"):
            decoder.finish([0.0])
        assert decoder.n_steps == 2
        assert decoder.push([[0.0, 0.0]]).tolist() == [1] and decoder.finish()[1] == 3.0

    @pytest.mark.parametrize(
        ("transitions", "options", "error", "words"),
        [
            (np.zeros((2, 3)), {}, ValueError, "transitions must be a square matrix"),
            ([[np.nan]], {}, ValueError, "transitions must not hold NaN"),
            ("text", {}, TypeError, "transitions must be real numbers"),
            (np.zeros((2, 2)), {"start": [0.0]}, ValueError, "start must have shape"),
            (np.zeros((2, 2)), {"max_delay": -1}, ValueError, "max_delay must be at least 0"),
            (np.zeros((2, 2)), {"max_delay": 2.5}, TypeError, "max_delay must be an int"),
        ],
    )
    def test_bad_input(self, backend, transitions, options, error, words):
        with pytest.raises(error, match=words):
            chain.ViterbiDecoder(transitions, **options)
