"""The second unit of whatever comes in several: chunks, blocks, times, lines, merged parts, pickled options.

A fault in what one unit hands to the next shows only when there are two.
"""

from __future__ import annotations

import math
import pickle
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from fastcore import chain, nce
from fastcore._backend import kernels, use_backend
from fastcore._texts import READ
from fastcore.compat.nlp_zero import Word_Finder
from fastcore.crf import CRF
from fastcore.crf._search import search
from fastcore.discovery import WordFinder
from fastcore.lexicon import Lexicon, Tokenizer
from fastcore.lexicon._tokenizer import CHUNK
from fastcore.ngrams import NgramCounter, count_ngrams
from fastcore.ode import fit, solve
from fastcore.reactions import ReactionNetwork, fsp, simulate
from fastcore.recurrence import gru, lstm, simple_rnn
from fastcore.skipgrams import count_skipgrams
from fastcore.templates import Template, TemplateFinder, TemplateTrie
from fastcore.vectorizer import NgramVectorizer


class TestChunks:
    def test_texts_of_several_chunks_are_segmented_as_each_alone(self, backend):
        tokenizer = Tokenizer(Lexicon({"研究": 9, "研究生": 5, "生命": 8, "命": 2, "起源": 6}))
        texts = ["研究生命", "", "起源", "研究生", "命x"] * (2 * CHUNK // 5 + 7)
        alone = {text: tokenizer.encode(text).tolist() for text in set(texts)}
        for workers in (1, 2):
            ids, offsets = tokenizer.encode_many(texts, workers=workers)
            assert len(offsets) == len(texts) + 1
            assert [ids[a:b].tolist() for a, b in pairwise(offsets)] == [alone[text] for text in texts]
            assert tokenizer.tokenize_many(texts, workers=workers) == [tokenizer.tokenize(text) for text in texts]

    def test_a_chain_in_several_tasks_is_the_chain_at_once(self, backend, monkeypatch):
        from fastcore.chain import _batch

        rng = np.random.default_rng(0)
        lengths = np.array([5, 1, 0, 7, 4, 9, 3])
        emissions, transitions = rng.normal(size=(lengths.sum(), 3)), rng.normal(size=(3, 3))
        paths = rng.integers(0, 3, len(emissions))

        def everything(workers: int) -> list[np.ndarray]:
            loss, grads = chain.loss_and_grad(emissions, transitions, paths, lengths=lengths, workers=workers)
            found = chain.marginals(emissions, transitions, lengths=lengths, workers=workers)
            return [
                *chain.viterbi(emissions, transitions, lengths=lengths, workers=workers),
                *chain.viterbi_nbest(emissions, transitions, 3, lengths=lengths, workers=workers),
                chain.log_partition(emissions, transitions, lengths=lengths, workers=workers),
                chain.path_score(emissions, transitions, paths, lengths=lengths, workers=workers),
                chain.forward(emissions, transitions, lengths=lengths, workers=workers),
                chain.sample(emissions, transitions, 2, lengths=lengths, rng=0, workers=workers),
                *(np.asarray(part) for part in (loss, grads.emissions, grads.transitions)),
                *(np.asarray(part) for part in (found.nodes, found.transitions)),
            ]

        at_once = everything(1)
        monkeypatch.setattr(_batch, "TASK_CELLS", 20)
        for a, b in zip(at_once, everything(2), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)

    def test_parameter_sets_in_several_tasks(self, backend):
        network = ReactionNetwork("A -> 0 @ k; k = 1")
        rates = np.linspace(0.5, 2, 11)[:, None]
        for workers in (1, 2):
            sol = solve(network, {"A": 1}, (0, 1), [1], params=rates, workers=workers, rtol=1e-10, sensitivities=True)
            np.testing.assert_allclose(sol.x[:, 0, 0], np.exp(-rates[:, 0]), rtol=1e-7)
            np.testing.assert_allclose(sol.sensitivities[:, 0, 0, 0], -np.exp(-rates[:, 0]), rtol=1e-6)

    @pytest.mark.parametrize("bounds", [{"min_df": 3}, {"max_df": 5}, {"max_df": 0.25}])
    def test_documents_of_a_term_in_several_blocks(self, backend, bounds, monkeypatch):
        from fastcore.vectorizer import _vectorizer

        # Terms by turns, so that each occurs in many blocks of the matrix.
        texts = [f"aa bb c{i % 7}c d{i % 3}d" for i in range(21)]
        at_once = NgramVectorizer(**bounds).fit(texts)
        monkeypatch.setattr(_vectorizer, "_CHUNK", 2)
        assert NgramVectorizer(**bounds).fit(texts).vocabulary_ == at_once.vocabulary_
        assert 0 < len(at_once.vocabulary_) <= 12


class TestLastSmallBlock:
    @pytest.mark.parametrize("n", [1, 3, 4, 5, 6, 7, 8, 9])
    @pytest.mark.parametrize("cell, gates", [(simple_rnn, 1), (gru, 3), (lstm, 4)])
    def test_cells(self, cell, gates, n):
        # Rows are taken four at a time, columns as many as fit into a register.
        rng = np.random.default_rng(n)
        units = 7
        x, weights = rng.normal(size=(n, 5, 3)), rng.normal(size=(3, gates * units))
        recurrent = rng.normal(size=(units, gates * units))
        together, _ = cell(x, weights, recurrent)
        with use_backend("reference"):
            np.testing.assert_allclose(together, cell(x, weights, recurrent)[0], rtol=1e-10, atol=1e-12)
        for row, alone in zip(together, x):
            np.testing.assert_allclose(row, cell(alone[None], weights, recurrent)[0][0], rtol=1e-12, atol=1e-13)

    def test_rows_of_a_logistic_regression(self, backend, monkeypatch):
        rng = np.random.default_rng(0)
        rows, offset, theta = rng.normal(size=(107, 2)), rng.normal(size=107), rng.normal(size=3)
        monkeypatch.setattr(nce, "_ROWS", 25)
        g = offset + np.column_stack([rows, np.ones(107)]) @ theta
        expected = (np.logaddexp(0, -g[:60]).sum() + np.logaddexp(0, g[60:]).sum()) / 60
        assert nce._logistic(rows, offset, theta, 60, 1)[0] == pytest.approx(expected, rel=1e-12)

    def test_draws_past_the_first_chunk(self, backend, monkeypatch):
        weights = np.array([1.0, 0.0, 3.0])
        sampler = nce.AliasSampler(weights)
        many = sampler.draw(2 * nce._CHUNK + 5, rng=3)
        assert many.shape == (2 * nce._CHUNK + 5,)
        first, second, rest = np.split(many, [nce._CHUNK, 2 * nce._CHUNK])
        assert not np.array_equal(first, second), "each chunk has a stream of its own"
        assert set(rest.tolist()) <= {0, 2}
        for part in (first, second):
            assert stats.binomtest(int((part == 2).sum()), len(part), 0.75).pvalue > 1e-6


class TestSeveralTimes:
    def test_error_of_the_projection(self):
        network = ReactionNetwork("0 -> A @ 3")
        times = [0.0, 1.0, 2.5, 4.0]
        found = fsp(network, {"A": 0}, times, limits={"A": 6})
        np.testing.assert_allclose(found.error, stats.poisson.sf(6, 3 * np.array(times)), atol=1e-12)
        for k, t in enumerate(times):
            alone = fsp(network, {"A": 0}, t, limits={"A": 6})
            assert alone.error == pytest.approx(found.error[k], abs=1e-12)
            np.testing.assert_allclose(alone.marginal("A"), stats.poisson.pmf(np.arange(7), 3 * t), atol=1e-12)

    def test_pieces_of_a_long_time(self):
        # A fast cycle, so that time is stepped in pieces of a thousand events, beside slow births.
        network = ReactionNetwork("A -> B @ 2000; B -> A @ 2000; 0 -> C @ 1")
        found = fsp(network, {"A": 1, "B": 0, "C": 0}, [1.7, 3.1], limits={"A": 1, "B": 1, "C": 30})
        for k, t in enumerate((1.7, 3.1)):
            np.testing.assert_allclose(found.marginal("C")[k], stats.poisson.pmf(np.arange(31), t), atol=1e-9)
            np.testing.assert_allclose(found.marginal("A")[k], [0.5, 0.5], atol=1e-9)


class TestLines:
    """A fault past the first block that is read is named by its line and byte in the whole."""

    GOOD = "床前明月光\n".encode()

    def bad(self) -> tuple[bytes, str]:
        lines = int(1.5 * READ) // len(self.GOOD)
        data = self.GOOD * lines + b"ab\xffc\n" + self.GOOD
        return data, rf"line {lines + 1}, byte 3: not UTF-8 \(0xff\)"

    def test_characters(self, backend):
        data, words = self.bad()
        with pytest.raises(ValueError, match=words):
            count_ngrams(data, 1)

    def test_tokens_of_a_file(self, backend, tmp_path):
        data, words = self.bad()
        path = tmp_path / "corpus"
        path.write_bytes(data)
        with pytest.raises(ValueError, match=words):
            count_skipgrams(path, 2)

    def test_after_a_byte_order_mark(self, backend):
        data, words = self.bad()
        with pytest.raises(ValueError, match=words):
            count_ngrams(b"\xef\xbb\xbf" + data, 1)

    def test_networks(self):
        with pytest.raises(ValueError, match="line 3"):
            ReactionNetwork("A -> B @ 1\nB -> A @ 2; B -> C @ 3\nC -> @@ 4\n")


class TestMerges:
    """Parts that have something in common, and something that only one has."""

    def test_pairs_that_both_counters_have(self, backend):
        kernel = kernels("discovery.pairs")

        def counted(ids: list[int]) -> tuple:
            counter = kernel.PairCounter()
            counter.update(np.array(ids, np.int32))
            return counter.result()

        a, b = [0, 1, 0, 1, 2], [1, 0, 1, 3, 3, 3]
        counter = kernel.PairCounter()
        for part in (a, b):
            counter.merge(*counted(part))
        chars, pairs, counts = counter.result()
        assert chars.tolist() == [3, 4, 1, 3]
        expected = Counter(pairwise(a)) + Counter(pairwise(b))
        assert {tuple(pair): int(n) for pair, n in zip(pairs.tolist(), counts.tolist())} == expected

    @pytest.mark.parametrize("method", ["adjacent", "ngram", "entropy"])
    def test_a_finder_that_travels_between_its_parts(self, backend, method):
        texts = ["看电影去看书", "电影院里看电影", "看书看电影票", "书店买电影票"] * 5
        options = {"min_pmi": 0.1} if method == "adjacent" else {}
        finder = WordFinder(method=method, **options).partial_fit(texts[:11])
        finder = pickle.loads(pickle.dumps(finder)).partial_fit(texts[11:]).finish(texts)
        assert finder.words_ == WordFinder(method=method, **options).fit(texts).words_

    @pytest.mark.parametrize("unit", ["char", "token"])
    def test_tables(self, backend, unit):
        first, second = ["ab ba", "c ab"], ["ab d", "d ba ba ab"]
        whole = count_ngrams(first + second, (1, 3), unit=unit)
        merged = count_ngrams(first, (1, 3), unit=unit).merge(count_ngrams(second, (1, 3), unit=unit))
        assert (merged.to_dict(), merged.totals) == (whole.to_dict(), whole.totals)
        counters = [NgramCounter((1, 3), unit=unit) for _ in range(2)]
        for counter, texts in zip(counters, (first, second)):
            counter.update(texts)
        counters[0].merge(counters[1])
        table = counters[0].finish()
        assert (table.to_dict(), table.totals) == (whole.to_dict(), whole.totals)
        for score in ("pmi", "left_entropy", "right_entropy"):
            np.testing.assert_allclose(getattr(merged, score)(), getattr(whole, score)(), rtol=1e-12)

    def test_counters_of_which_one_was_pruned(self, backend):
        first, second = NgramCounter(1), NgramCounter(1)
        first.update(["aab"])
        second.update(["bccc"])
        second.prune(2)
        first.merge(second)
        assert first.finish().to_dict() == {"a": 2, "b": 2, "c": 3}
        first.update(["d"])
        assert "d" not in first.finish()

    def test_what_nlp_zero_learns_in_several_calls(self, backend):
        texts = ["看电影", "电影院", "看书", "书店", "电影票"]
        once, twice = Word_Finder(1e-4, 1.0), Word_Finder(1e-4, 1.0)
        once.train(texts + texts, remove_weak_pairs=False)
        for _ in range(2):
            twice.train(texts, remove_weak_pairs=False)
        assert (twice.chars, twice.pairs) == (once.chars, once.pairs)
        once.find(texts + texts)
        for _ in range(2):
            twice.find(texts)
        assert twice.words == once.words
        assert twice.words["电影院"] == 2

    def test_paths_of_a_template_that_meet(self, backend):
        # From x to b over either a: both lead to the same b after the same words.
        finder = TemplateFinder(str.split, 6, 1e-9, 0.0, 1, "path").fit(["x y a z a w b"])
        finder.min_pmi = -99.0
        finder.fit(["x y a z a w b"])
        assert {str(t): n for t, n in finder.templates_.items()}["x[X]a[X]b"] == 2


class TestOptionsTravel:
    """What an object was told stays told in its pickle."""

    def test_tokenizer(self, backend):
        lexicon = Lexicon({"ab": 3, "研究": 2, "，": 5, "研": 1})
        for options in ({"join_alnum": False}, {"punctuation": "研"}, {"join_fullwidth": True}, {"null_score": -1.0}):
            tokenizer = Tokenizer(lexicon, **options)
            copy = pickle.loads(pickle.dumps(tokenizer))
            for text in ("abc研究，ａｂ", "研究研研", "xyz研究"):
                assert copy.nbest(text, 4) == tokenizer.nbest(text, 4)
        assert Tokenizer(lexicon).tokenize("abc") != Tokenizer(lexicon, join_alnum=False).tokenize("abc")

    def test_counter(self, backend):
        counter = NgramCounter((2, 3), keep="cjk+alnum")
        counter.update(["ab，abc"])
        counter.prune(2)
        copy = pickle.loads(pickle.dumps(counter))
        for one in (counter, copy):
            one.update(["ab，c"])
        assert copy.finish().to_dict() == counter.finish().to_dict() == {"ab": 3}

    def test_template_trie(self, backend):
        trie = TemplateTrie({Template.parse("[X] 和 [X]"): 30, Template.parse("[X] 呢"): 10})
        copy = pickle.loads(pickle.dumps(trie))
        words = ["苹果", "和", "香蕉", "呢"]
        assert [(m.template, m.occurrences) for m in copy.search(words)] == [
            (m.template, m.occurrences) for m in trie.search(words)
        ]
        assert {m.occurrences for m in copy.search(words)} == {30, 10}

    def test_network(self):
        network = ReactionNetwork("2 A -> B @ k; k = 0.1; A = 9", volume=2.0, combinatorial=True)
        copy = pickle.loads(pickle.dumps(network))
        np.testing.assert_array_equal(copy.propensities([9, 0]), network.propensities([9, 0]))
        a = simulate(network, None, (0, 3), n=5, rng=0).x
        np.testing.assert_array_equal(simulate(copy, None, (0, 3), n=5, rng=0).x, a)

    def test_crf(self):
        options = {"c1": 0.2, "c2": 0.3, "period": 4, "delta": 1e-3, "max_iterations": 7, "min_freq": 1.0}
        model = CRF(**options)
        assert {k: v for k, v in pickle.loads(pickle.dumps(model)).get_params().items() if k in options} == options

    def test_vectorizer(self, backend):
        vectorizer = NgramVectorizer(analyzer="char", ngram_range=(1, 2), lowercase=False, binary=True)
        texts = ["aAb", "bbA"]
        fitted = vectorizer.fit(texts)
        copy = pickle.loads(pickle.dumps(fitted))
        assert (copy.transform(texts) != fitted.transform(texts)).nnz == 0
        assert copy.get_params() == fitted.get_params()


class TestConstants:
    """Constants of formulas, where another would pass unnoticed."""

    @pytest.mark.parametrize("nu", [1, 4])
    def test_the_share_of_the_noise_in_a_covariance(self, nu):
        # Where the noise is the model itself, the information about (theta, intercept) is nu / (1 + nu) times the
        # features' second moments, so that the noise's share takes all of log Z's variance away.
        x = np.random.default_rng(0).normal(size=20_000)
        found = nce.fit(lambda theta, x: theta[0] * x - x**2 / 2, x, [0.0], stats.norm(), nu, rng=1)
        assert found.log_z == pytest.approx(0.5 * math.log(2 * math.pi), abs=0.05)
        assert found.covariance[0, 0] == pytest.approx((1 + 1 / nu) / len(x), rel=0.05)
        assert abs(found.covariance[1, 1]) < 0.05 * (1 + 1 / nu) / len(x)

    def test_the_quantile_of_an_interval(self):
        decay = ReactionNetwork("A -> 0 @ k; k = 1")
        found = fit(decay, [0, 1, 2, 3], {"A": [100, 61, 36, 22]}, x0={"A": 100}, log=False)
        low, high = found.confint(0.9)["k"]
        assert found.dof == 3
        assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.95, 3) * found.stderr["k"], rel=1e-9)

    def test_the_rule_of_the_small_gradient_under_l1(self):
        # What a bound holds back doesn't count, what it leaves free does: also of weights that are zero.
        rng = np.random.default_rng(0)
        for _ in range(20):
            root, goal, c1, epsilon = rng.normal(size=(6, 6)), rng.normal(size=6) * 3, 2.0, 0.3

            def objective(w: np.ndarray, root: np.ndarray = root, goal: np.ndarray = goal) -> tuple[float, np.ndarray]:
                gradient = root.T @ (root @ (w - goal))
                return float(0.5 * (w - goal) @ gradient), gradient

            found = search(objective, np.zeros(6), c1=c1, max_iterations=None, epsilon=epsilon, period=10**6, delta=0.0)
            assert found.message == "the gradient is small"
            w, gradient = found.weights, objective(found.weights)[1]
            # The subgradient of least norm.
            held = np.where(w == 0, np.maximum(np.abs(gradient) - c1, 0.0), gradient + c1 * np.sign(w))
            assert np.linalg.norm(held) <= epsilon * max(1.0, np.linalg.norm(w)) * 1.01

    def test_the_rule_of_the_falling_loss(self):
        scales = np.logspace(0, 3, 8)

        def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
            return float((scales * (x - 1) ** 2).sum()) + 1.0, 2 * scales * (x - 1)

        def run(steps: int | None, period: int, delta: float):
            return search(objective, np.zeros(8), c1=0.0, max_iterations=steps, epsilon=0.0, period=period, delta=delta)

        losses = [run(k, 10**6, 0.0).loss for k in range(1, 60)]
        for period, delta in ((1, 0.2), (3, 0.1), (5, 0.02)):
            stop = next(
                k for k in range(period, len(losses)) if losses[k - period] - losses[k] < delta * abs(losses[k])
            )
            assert run(None, period, delta).iterations == stop + 1
