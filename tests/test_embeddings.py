"""Word embeddings: the kernel beside its twin, gradients, draws, what is estimated, files, bad input."""

from __future__ import annotations

import importlib
import math
import pickle
import re
import threading
import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import NotFittedError, _isa, nce, use_backend
from fastcore._backend import kernels
from fastcore.embeddings import CBOW, SkipGram, WordVectors, _corpus
from fastcore.skipgrams import count_skipgrams

KEY = np.arange(1, 5, dtype=np.uint64)
ALWAYS = 2**32
TEXTS = ["the cat drinks milk", "the dog drinks water", "a cat and a dog", "milk and water"] * 5
MODELS = [SkipGram, CBOW]


def table(*weights: float) -> np.ndarray:
    return kernels("nce").alias_table(np.array(weights, float))


def trainer(backend: str | None, inputs: Any, outputs: Any, noise: np.ndarray | None = None, keep: Any = None) -> Any:
    """A kernel's trainer of vectors as they are given; by default all words are kept, and all are as good as noise."""
    n = len(inputs)
    return kernels("embeddings", backend).Trainer(
        np.array(inputs, np.float32),
        np.array(outputs, np.float32),
        np.full(n, ALWAYS, np.uint64) if keep is None else np.array(keep, np.uint64),
        table(*np.ones(n)) if noise is None else noise,
    )


def train(it: Any, texts: list[list[int]], method: str = "skipgram", **given: Any) -> tuple[float, int]:
    options = {"first": 0, "window": 2, "dynamic": False, "negative": 3, "rate": 0.1, "fall": 0.0} | given
    words = np.array([word for text in texts for word in text], np.int32)
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return getattr(it, method)(words, offsets, KEY, **options)


def some_vectors(n: int, dim: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim), scale=0.5), rng.normal(size=(n, dim), scale=0.5)


@pytest.mark.compiled
class TestTwins:
    @pytest.mark.parametrize("method", ["skipgram", "cbow"])
    @pytest.mark.parametrize("dim", [1, 3, 16, 17, 100])
    @pytest.mark.parametrize("negative", [1, 2, 5, 6, 7, 8, 15, 16, 40])
    def test_equal(self, method, dim, negative):
        vectors = some_vectors(7, dim, seed=negative)
        texts = np.random.default_rng(dim).integers(-1, 7, (6, 9)).tolist()
        found = []
        for backend in ("compiled", "reference"):
            it = trainer(backend, *vectors, table(3, 1, 4, 1, 5, 0, 2), [ALWAYS, 2**31, 2**30, ALWAYS, 0, 2**32 - 1, 1])
            sums = [train(it, texts, method, negative=negative, dynamic=True, fall=0.001, first=f) for f in (0, 6)]
            found.append((sums, it.vectors()))
        (sums, vectors), (other_sums, others) = found
        assert [made for _, made in sums] == [made for _, made in other_sums]
        assert sums[0][1] > 0
        np.testing.assert_allclose([loss for loss, _ in sums], [loss for loss, _ in other_sums], rtol=1e-5)
        for a, b in zip(vectors, others):
            assert a.dtype == b.dtype == np.float32
            np.testing.assert_allclose(a, b, atol=2e-5)

    @given(
        st.lists(st.lists(st.integers(-1, 4), max_size=8), max_size=5),
        st.integers(1, 12),
        st.booleans(),
        st.sampled_from(["skipgram", "cbow"]),
    )
    def test_any_texts(self, texts, window, dynamic, method):
        vectors = some_vectors(5, 4)
        found = []
        for backend in ("compiled", "reference"):
            it = trainer(backend, *vectors, keep=[ALWAYS, 2**31, ALWAYS, ALWAYS, 2**31])
            found.append((*train(it, texts, method, window=window, dynamic=dynamic), *it.vectors()))
        assert found[0][1] == found[1][1]
        np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[0][2:], found[1][2:], atol=1e-5)

    @pytest.mark.parametrize("method", ["skipgram", "cbow"])
    def test_all_instruction_sets_give_the_same_bits(self, method):
        for dim, negative in ((100, 5), (20, 17)):
            vectors, texts = some_vectors(9, dim), np.random.default_rng(0).integers(0, 9, (20, 9)).tolist()
            found = []
            for isa in _isa.available():
                name = "embeddings" if isa == "baseline" else f"{isa}.embeddings"
                if not _isa.is_built(name):
                    continue
                kernel = importlib.import_module(f"fastcore._kernels.{name}")
                it = kernel.Trainer(*(np.array(v, np.float32) for v in vectors), np.full(9, ALWAYS, np.uint64), table(*np.ones(9)))  # fmt: skip # noqa: E501
                found.append((train(it, texts, method, negative=negative), [v.tolist() for v in it.vectors()]))
            assert all(it == found[0] for it in found)

    def test_logits_of_any_size(self):
        """Steps and losses beside exact ones, where nothing is small or large enough to be left out."""
        for logit in (-200.0, -88.0, -87.0, -30.0, -5.0, -1e-3, 0.0, 1e-3, 0.4, 5.0, 30.0, 88.0, 200.0):
            results = []
            for backend in ("compiled", "reference"):
                it = trainer(backend, [[1.0], [1.0]], [[logit], [logit]])
                loss, _ = train(it, [[0, 1]], negative=1, rate=1e-3)
                results.append((loss, it.vectors()[0].tolist(), it.vectors()[1].tolist()))
            np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(results[0][2], results[1][2], rtol=1e-6, atol=1e-9)

    def test_the_sum_of_many_losses(self):
        """More than any product of factors holds, of equal size: what is lost would show."""
        it = trainer("compiled", np.zeros((2, 3)), np.zeros((2, 3)))
        loss, made = train(it, [[0, 1] * 5000], negative=20, rate=0.0)
        assert made == 2 * (2 * 9999 - 1)
        assert loss == pytest.approx(21 * made * math.log(2), rel=1e-7)


class TestTraining:
    @pytest.mark.parametrize("method", ["skipgram", "cbow"])
    def test_steps_go_down_the_gradient(self, backend, method):
        """The change by a tiny rate is minus the derivative of the loss, by central differences."""
        inputs, outputs = some_vectors(4, 3)
        texts, rate, h = [[0, 1, 2, 0], [3, 1]], 1e-3, 1e-2

        def loss(inputs: np.ndarray, outputs: np.ndarray) -> float:
            return train(trainer(None, inputs, outputs), texts, method, rate=0.0)[0]

        it = trainer(None, inputs, outputs)
        train(it, texts, method, rate=rate)
        for which, after in enumerate(it.vectors()):
            before = (inputs, outputs)[which]
            for place in np.ndindex(before.shape):
                up, down = [inputs.copy(), outputs.copy()], [inputs.copy(), outputs.copy()]
                up[which][place] += h
                down[which][place] -= h
                slope = (loss(*up) - loss(*down)) / (2 * h)
                assert (before[place] - after[place]) / rate == pytest.approx(slope, abs=0.02)

    def test_a_rate_that_falls(self, backend):
        """Each word's steps are of the size that its token's place gives, rare words and words not kept counted."""
        it = trainer(None, np.full((3, 1), 2.0**10), np.zeros((3, 1)), table(0, 0, 1), [ALWAYS, ALWAYS, 0])
        train(it, [[-1, 2, 0, 1]], window=1, negative=1, rate=2.0**-20, fall=2.0**-22)
        # Of word 1 by 0, at the rate of token 2, and of 0 by 1, at that of token 3.
        outputs = it.vectors()[1][:, 0].tolist()
        assert outputs[:2] == pytest.approx([2.0**10 / 2 * 2.0**-22, 2.0**10 / 2 * 2.0**-21], rel=1e-3)

    def test_neighbours(self, backend):
        """Who predicts whom: with all inputs one and no noise worth mention, outputs count predictions."""
        for window, texts in ((1, [[0, 1, 2], [0]]), (2, [[0, 1, 2, 0], [1, 2]]), (10**9, [[0, 1, 2, 2, 1]])):
            it = trainer(None, np.ones((4, 1)), np.zeros((4, 1)), table(0, 0, 0, 1))
            _, made = train(it, texts, window=window, negative=1, rate=2.0**-10)
            expected = np.zeros(3)
            for text in texts:
                for i, j in np.ndindex(len(text), len(text)):
                    if i != j and abs(i - j) <= window:
                        expected[text[j]] += 1
            assert made == expected.sum()
            np.testing.assert_allclose(it.vectors()[1][:3, 0] * 2**11, expected, rtol=0.02)

    def test_the_mean_of_neighbours(self, backend):
        it = trainer(None, [[1, 0], [3, 4], [0, 0]], np.zeros((3, 2)), table(1, 0, 0))
        train(it, [[0, 2, 1]], "cbow", window=1, negative=1, rate=2.0**-10)
        # Word 2 by the mean of 0 and 1; the others by word 2, whose vector is zero.
        np.testing.assert_allclose(it.vectors()[1][2] * 2**11, [2, 2], rtol=0.01)

    def test_noise_has_its_distribution(self, backend):
        weights, n = np.array([4.0, 1.0, 0.0, 10.0, 5.0]), backend.size(20_000, 2_000)
        it = trainer(None, np.ones((5, 1)), np.zeros((5, 1)), table(*weights))
        train(it, [[2, 2]] * (n // 2), negative=5, rate=2.0**-24)
        # A step is half the rate as long as logits are small.
        counts = -it.vectors()[1][:, 0].astype(float) * 2**25
        assert counts[2] == pytest.approx(-n, rel=1e-2)
        drawn = np.delete(counts, 2)
        expected = 5 * n * np.delete(weights, 2) / weights.sum()
        assert ((drawn - expected) ** 2 / expected).sum() < 40  # 3 degrees of freedom: 1e-8

    def test_words_are_kept_with_their_probability(self, backend):
        n, p, q = backend.size(100_000, 4_000), 0.3, 0.8
        it = trainer(None, np.zeros((2, 1)), np.zeros((2, 1)), keep=[int(p * 2**32), int(q * 2**32)])
        _, made = train(it, [[0, 1]] * n, negative=1)
        assert abs(made / 2 - n * p * q) < 5.5 * math.sqrt(n * p * q * (1 - p * q))

    def test_a_dynamic_window(self, backend):
        n, window = backend.size(30_000, 3_000), 5
        it = trainer(None, np.zeros((1, 1)), np.zeros((1, 1)))
        _, made = train(it, [[0] * n], window=window, dynamic=True, negative=1)
        # Reaches are uniform on 1..5: mean 3, variance 2; the ends of the text lose a few.
        assert abs(made - 2 * 3 * n) < 5.5 * 2 * math.sqrt(2 * n) + 2 * window**2

    def test_streams_belong_to_texts(self, backend):
        """The same in one call and in two."""
        vectors, texts = some_vectors(5, 4), [[0, 1, 2], [3, 4], [], [1, 2, 3, 4, 0]]
        one, two = trainer(None, *vectors), trainer(None, *vectors)
        train(one, texts, dynamic=True)
        train(two, texts[:1], dynamic=True)
        train(two, texts[1:], dynamic=True, first=1)
        for a, b in zip(one.vectors(), two.vectors()):
            assert a.tolist() == b.tolist()


@pytest.mark.parametrize("model", MODELS)
class TestModels:
    def test_fit(self, backend, model):
        it = model(dim=6, min_count=2, epochs=3, subsample=0, rng=1)
        assert it.fit(iter(TEXTS)) is it
        assert it.vocabulary == ("the", "cat", "drinks", "milk", "dog", "water", "a", "and")
        assert it.vectors.shape == (len(it.vocabulary), 6) == it.context_vectors_.vectors.shape
        assert it.word_vectors_.counts.tolist() == sorted(it.word_vectors_.counts.tolist(), reverse=True)
        assert it.loss_.shape == (3,)
        assert it.words_per_second_ > 0
        assert -1 <= it.similarity("cat", "dog") <= 1
        assert len(it.most_similar("cat", topn=3)) == 3

    def test_vocabulary(self, backend, model):
        texts = [["b", "a", "rare", "c"], ["a", "c", "a", "b"], ["b"]]
        it = model(dim=2, min_count=2, subsample=0, rng=0).fit(texts)
        assert it.vocabulary == ("b", "a", "c")
        assert it.word_vectors_.counts.tolist() == [3, 3, 2]

    def test_the_same_seed_gives_the_same_vectors(self, backend, model):
        fit = lambda seed, texts=TEXTS: model(dim=5, min_count=1, epochs=2, subsample=0.1, rng=seed).fit(texts)  # noqa: E731
        a, b, c = fit(3), fit(3, iter(TEXTS)), fit(4)
        assert a.vectors.tolist() == b.vectors.tolist() != c.vectors.tolist()
        assert a.context_vectors_.vectors.tolist() == b.context_vectors_.vectors.tolist()

    def test_a_generator_moves_on(self, backend, model):
        rng = np.random.default_rng(0)
        a, b = (model(dim=5, min_count=1, epochs=1, subsample=0, rng=rng).fit(TEXTS).vectors.tolist() for _ in range(2))
        assert a != b

    def test_blocks_and_files_make_no_difference(self, backend, model, monkeypatch):
        fit = lambda: model(dim=5, min_count=2, epochs=2, subsample=0.1, rng=1).fit(["x"] * 4200 + TEXTS * 3)  # noqa: E731
        expected = fit().vectors.tolist()
        monkeypatch.setattr(_corpus, "BLOCK", 50)
        assert fit().vectors.tolist() == expected
        for room in (0, 30_000):
            monkeypatch.setattr(_corpus, "IN_MEMORY", room)
            assert fit().vectors.tolist() == expected

    def test_loss_falls(self, backend, model):
        texts = [" ".join(pair) for pair in (("a", "b"), ("c", "d"))] * backend.size(200, 60)
        it = model(dim=4, min_count=1, epochs=8, alpha=0.2, subsample=0, rng=1).fit(texts)
        assert it.loss_[-1] < it.loss_[0] < 6.5 * math.log(2)

    def test_what_the_kernel_is_given(self, backend, model, monkeypatch):
        module, given = kernels("embeddings"), {}
        original = module.Trainer

        def recorded(inputs: Any, outputs: Any, keep: Any, noise: Any) -> Any:
            given.update(inputs=inputs, outputs=outputs, keep=keep, noise=noise)
            return original(inputs, outputs, keep, noise)

        monkeypatch.setattr(module, "Trainer", recorded)
        texts = ["a"] * 4 + ["b b"] * 50 + ["c"] * 1
        model(dim=400, min_count=2, epochs=1, subsample=0.01, noise_exponent=0.5, rng=0).fit(texts)
        share = np.array([100, 4]) / 104
        expected = np.minimum(np.sqrt(0.01 / share) + 0.01 / share, 1.0)
        np.testing.assert_allclose(given["keep"] / 2.0**32, expected, rtol=1e-6)
        assert given["noise"].tolist() == table(1.0, 0.2).tolist()
        assert not given["outputs"].any()
        assert abs(given["inputs"]).max() <= 1 / 400
        assert given["inputs"].std() == pytest.approx(1 / math.sqrt(3) / 400, rel=0.1)
        model(dim=2, epochs=1, subsample=0, rng=0).fit(texts)
        assert given["keep"].tolist() == [ALWAYS]

    def test_progress(self, backend, model, monkeypatch):
        monkeypatch.setattr(_corpus, "BLOCK", 1)
        seen = []
        it = model(dim=2, min_count=1, epochs=2, subsample=0, rng=0, progress=lambda *it: seen.append(it)).fit(TEXTS)
        tokens = len(" ".join(TEXTS).split())
        assert seen[-1] == (2 * tokens, 2 * tokens)
        assert it.progress is not None

    def test_a_bar_shows_the_loss(self, backend, model, capsys):
        model(dim=2, min_count=1, epochs=2, subsample=0, rng=0, progress=True).fit(TEXTS)
        said = capsys.readouterr().err
        assert "word" in said
        assert re.search(r"loss=\d", said)

    def test_not_fitted(self, backend, model):
        for ask in ("vectors", "vocabulary", "word_vectors_", "loss_"):
            with pytest.raises(NotFittedError, match="call fit"):
                getattr(model(), ask)
        with pytest.raises(NotFittedError):
            model().most_similar("a")
        with pytest.raises(NotFittedError):
            model().save("nowhere")

    @pytest.mark.parametrize(
        ("given", "error", "words"),
        [
            ({"dim": 0}, ValueError, "dim must be between 1 and"),
            ({"dim": 2.5}, TypeError, "dim must be an int"),
            ({"window": 0}, ValueError, "window must be between 1 and"),
            ({"negative": 0}, ValueError, "negative must be between 1 and"),
            ({"min_count": 0}, ValueError, "min_count must be at least 1"),
            ({"epochs": 0}, ValueError, "epochs must be at least 1"),
            ({"alpha": 0}, ValueError, "alpha must be finite and above 0"),
            ({"alpha": math.nan}, ValueError, "alpha must be finite"),
            ({"alpha": 0.1, "min_alpha": 0.2}, ValueError, "min_alpha must be finite and at least 0.0 and at most 0.1"),
            ({"noise_exponent": "1"}, TypeError, "noise_exponent must be a number"),
            ({"noise_exponent": 11}, ValueError, "noise_exponent must be finite"),
            ({"subsample": -1}, ValueError, "subsample must be finite and at least 0.0"),
            ({"dynamic_window": "no"}, TypeError, "dynamic_window must be a bool"),
            ({"rng": -1}, ValueError, "rng must be a non-negative int"),
            ({"progress": 3}, TypeError, "progress must be a bool or a callable"),
        ],
    )
    def test_bad_parameters(self, backend, model, given, error, words):
        with pytest.raises(error, match=words):
            model(**{"min_count": 1, **given}).fit(TEXTS)

    @pytest.mark.parametrize(
        ("texts", "error", "words"),
        [
            ([], ValueError, "token_lists must hold a token at least min_count=3 times, got none$"),
            ([[]], ValueError, "got none$"),
            (["a b a"], ValueError, "min_count=3 times, got none that occurs more than 2 times"),
            (["a"] * 5, ValueError, "token_lists must hold words with neighbours"),
            ("a a a", TypeError, "token_lists must be an iterable of texts or a path, got a bare str"),
            ([["a", 5]], TypeError, r"token_lists\[0\] must hold str tokens, got int"),
            ([7], TypeError, r"token_lists\[0\] must be"),
            (None, TypeError, "token_lists must be an iterable"),
        ],
    )
    def test_bad_texts(self, backend, model, texts, error, words):
        it = model(dim=2, min_count=3, rng=0, subsample=0)
        with pytest.raises(error, match=words):
            it.fit(texts)
        with pytest.raises(NotFittedError):
            it.vectors  # noqa: B018

    def test_a_failed_fit_changes_nothing(self, backend, model):
        it = model(dim=3, min_count=1, rng=0, subsample=0).fit(TEXTS)
        before = it.vectors
        for bad in ([], [["a"], 5]):
            with pytest.raises((TypeError, ValueError)):
                it.fit(bad)
        assert it.vectors is before

        def stop(done: int, total: int | None) -> None:
            raise KeyboardInterrupt

        it.progress = stop
        with pytest.raises(KeyboardInterrupt):
            it.fit(TEXTS)
        assert it.vectors is before

    def test_a_rate_that_blows_up(self, backend, model):
        it = model(dim=2, min_count=1, epochs=50, alpha=1e300, min_alpha=0, subsample=0, rng=0)
        with pytest.raises(ValueError, match="alpha must be smaller, got 1e"):
            it.fit(TEXTS)

    def test_epochs_without_predictions(self, backend, model, tmp_path):
        it = model(dim=4, min_count=1, rng=1, epochs=9).fit([["a", "b", "c"], ["a", "c"]] * 20)
        assert np.isnan(it.loss_).any() and np.nanmin(it.loss_) > 4
        it.save(tmp_path / "model.npz")
        np.testing.assert_array_equal(model.load(tmp_path / "model.npz").loss_, it.loss_)

    def test_progress_is_refused_before_texts_are_read(self, backend, model):
        texts = iter(TEXTS)
        with pytest.raises(TypeError, match="progress must be a bool or a callable, got int"):
            model(progress=5).fit(texts)
        assert len([*texts]) == len(TEXTS)

    def test_one_word(self, backend, model):
        it = model(dim=2, min_count=1, rng=0, subsample=0).fit(["a a a"] * 5)
        assert it.vocabulary == ("a",)
        assert it.most_similar("a") == []

    def test_pickles_and_copies(self, backend, model):
        it = model(dim=3, min_count=1, subsample=0, rng=0).fit(TEXTS)
        other = pickle.loads(pickle.dumps(it))
        assert other.vectors.tolist() == it.vectors.tolist()
        assert other.get_params() == it.get_params()
        assert other.fit(TEXTS).vectors.tolist() == it.vectors.tolist()
        assert "_kernels" not in repr(pickle.dumps(it))

    def test_files(self, backend, model, tmp_path):
        it = model(dim=3, min_count=1, epochs=2, subsample=0, rng=np.int64(0), alpha=0.1).fit(
            [*TEXTS, ["two words", "\ud800", ""]]
        )
        it.save(tmp_path / "model.npz")
        other = model.load(tmp_path / "model.npz")
        assert other.vocabulary == it.vocabulary
        assert other.vectors.tolist() == it.vectors.tolist()
        assert other.context_vectors_.vectors.tolist() == it.context_vectors_.vectors.tolist()
        assert other.loss_.tolist() == it.loss_.tolist()
        assert other.words_per_second_ is None
        assert (other.alpha, other.epochs, other.rng) == (0.1, 2, 0)
        words = WordVectors.load(tmp_path / "model.npz")
        assert words.vectors.tolist() == it.vectors.tolist()
        assert words.counts.tolist() == it.word_vectors_.counts.tolist()
        wrong = CBOW if model is SkipGram else SkipGram
        with pytest.raises(ValueError, match=f"must hold a {wrong.__name__}, got {model.__name__}"):
            wrong.load(tmp_path / "model.npz")
        it.word_vectors_.save(tmp_path / "words.npz")
        with pytest.raises(ValueError, match="got WordVectors"):
            model.load(tmp_path / "words.npz")

    def test_from_within(self, backend, model):
        it = model(dim=2, min_count=1, subsample=0, rng=0)

        def texts() -> Any:
            yield "a b"
            it.fit(["a b"])

        with pytest.raises(RuntimeError, match="is at work in a call that waits for this one"):
            it.fit(texts())

    def test_threads_take_turns(self, backend, model):
        it = model(dim=2, min_count=1, epochs=1, rng=0, subsample=0)
        expected = {name: model(**it.get_params()).fit([f"{name} b"] * 9).vectors.tolist() for name in "xyz"}

        def work(name: str) -> None:
            for _ in range(5):
                it.fit([f"{name} b"] * 9)
                words = it.word_vectors_
                assert words.vectors.tolist() == expected[next(n for n in "xyz" if n in words)]

        problems: list[BaseException] = []

        def run(name: str) -> None:
            try:
                work(name)
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=run, args=(name,)) for name in "xyz"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not problems


def test_domains_show_one_another():
    assert nce.SkipGram is SkipGram
    assert nce.CBOW is CBOW
    with pytest.raises(AttributeError, match="has no attribute 'Word2Vec'"):
        nce.Word2Vec  # noqa: B018


class TestWhatIsEstimated:
    def test_a_rate_with_which_nothing_is_learned(self):
        # What grows so fast grows in each twin's own way.
        with use_backend("compiled"):
            it = SkipGram(dim=4, min_count=1, subsample=0, epochs=2, negative=1000, rng=1)
        with pytest.warns(RuntimeWarning, match=r"alpha=0.025 may be too large: the loss rose to .*, 693.8") as said:
            it.fit([["a", "b", "c"], ["a", "c"]] * 20)
        assert said[0].filename == __file__ and it.loss_.max() > 800

    def test_pointwise_mutual_information(self, backend):
        """Noise as words are distributed, and enough dimensions: inner products are pmi less log k."""
        n, k = 5, 2
        rng = np.random.default_rng(0)
        move = rng.dirichlet(np.full(n, 2.0), n) * 0.8 + 0.2 / n
        length = backend.size(30_000, 2_500)
        word, text = 0, []
        for u in rng.random(length):
            word = int(np.searchsorted(np.cumsum(move[word]), u))
            text.append("abcde"[min(word, n - 1)])
        texts = [text[i : i + 50] for i in range(0, length, 50)]
        model = SkipGram(
            dim=8, window=1, negative=k, min_count=1, epochs=backend.size(60, 40), alpha=0.2, min_alpha=1e-3,
            noise_exponent=1, subsample=0, dynamic_window=False, rng=1,
        ).fit(texts)  # fmt: skip
        pairs = count_skipgrams(texts, 1)
        names = model.vocabulary
        counts = np.array([[pairs[a, b] + pairs[b, a] for b in names] for a in names], float)
        share = model.word_vectors_.counts / length
        expected = np.log(counts / counts.sum(axis=1, keepdims=True) / share) - math.log(k)
        found = model.vectors @ model.context_vectors_.vectors.T
        assert expected.max() - expected.min() > 0.8
        assert abs(found - expected).max() < backend.size(0.12, 0.3)

    def test_words_in_the_same_places_are_alike(self, backend):
        rng = np.random.default_rng(0)
        animals, drinks = ["cat", "dog", "cow"], ["tea", "milk", "wine"]
        texts = [
            f"the {rng.choice(animals)} sleeps" if rng.random() < 0.5 else f"he drinks {rng.choice(drinks)} now"
            for _ in range(backend.size(1500, 400))
        ]
        for model in (SkipGram(8, 2, alpha=0.1, epochs=10, subsample=0, rng=2), CBOW(8, 2, alpha=0.2, epochs=10, subsample=0, rng=2)):  # fmt: skip # noqa: E501
            model.fit(texts)
            assert {word for word, _ in model.most_similar("cat", topn=2)} == {"dog", "cow"}
            assert {word for word, _ in model.most_similar("tea", topn=2)} == {"milk", "wine"}


WORDS = ["看", "naïve", "x"]
VECTORS = np.array([[1, -0.5, 0.1], [1e-8, 3.25, -7], [1 / 3, 0, 123456.7]], np.float32)
# What gensim's KeyedVectors writes of these.
THEIR_TEXT = "3 3\n看 1.0 -0.5 0.1\nnaïve 1e-08 3.25 -7.0\nx 0.33333334 0.0 123456.7\n".encode()
THEIR_BINARY = b"3 3\n" + b"".join(word.encode() + b" " + row.tobytes() for word, row in zip(WORDS, VECTORS))


class TestWordVectors:
    def test_look_up(self):
        words = WordVectors(WORDS, VECTORS, [3, 2, 1])
        assert len(words) == 3
        assert "x" in words
        assert "y" not in words
        assert words["x"].tolist() == VECTORS[2].tolist()
        assert words[["x", WORDS[0], "x"]].tolist() == VECTORS[[2, 0, 2]].tolist() and words[[]].shape == (0, 3)
        assert words.vocabulary == tuple(WORDS)
        assert repr(words) == "<WordVectors: 3 words, 3 dimensions>"
        assert pickle.loads(pickle.dumps(words)).counts.tolist() == [3, 2, 1]
        for ask in (lambda: words["y"], lambda: words.similarity("x", "y"), lambda: words.most_similar("y"), lambda: words[["x", "y"]]):  # fmt: skip # noqa: E501
            with pytest.raises(KeyError, match="isn't among the 3 words"):
                ask()
        with pytest.raises(ValueError, match="read-only"):
            words.vectors[0, 0] = 1

    def test_they_do_not_change(self):
        words = WordVectors(WORDS, VECTORS)
        for change in (lambda: setattr(words, "vocabulary", ("a",)), lambda: delattr(words, "vectors")):
            with pytest.raises(AttributeError, match="WordVectors can't be changed"):
                change()
        assert words.most_similar("x") == pickle.loads(pickle.dumps(words)).most_similar("x")

    def test_what_is_given_may_change_afterwards(self):
        mine = VECTORS.copy()
        words = WordVectors(WORDS, mine)
        mine[0, 0] = 100
        assert words.vectors.tolist() == VECTORS.tolist()

    def test_similarity(self):
        vectors = np.random.default_rng(0).normal(size=(30, 7))
        words = WordVectors([f"w{i}" for i in range(30)], vectors)
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = units @ units.T
        for i, j in pairwise(range(30)):
            assert words.similarity(f"w{i}", f"w{j}") == pytest.approx(cosines[i, j], abs=1e-6)
        found = words.most_similar("w3", topn=29)
        assert [name for name, _ in found] == [f"w{i}" for i in np.argsort(-cosines[3]) if i != 3]
        query = units[1] + units[2] - units[3]
        expected = np.argsort(-units @ query)
        found = words.most_similar(["w1", "w2"], "w3", topn=5)
        assert [name for name, _ in found] == [f"w{i}" for i in expected if i not in (1, 2, 3)][:5]
        assert found[0][1] == pytest.approx(max(np.delete(units @ query, [1, 2, 3])) / np.linalg.norm(query), abs=1e-6)
        assert words.most_similar(5 * vectors[3], topn=1)[0][0] == "w3"
        assert words.most_similar([vectors[1], "w2"], [vectors[3]], topn=9)[0][1] > 0
        assert words.most_similar("w3", topn=0) == []

    def test_ties_and_zeros(self):
        words = WordVectors(["a", "b", "zero", "c"], [[1, 0], [2, 0], [0, 0], [3, 0]])
        assert words.most_similar("a") == [("b", 1.0), ("c", 1.0), ("zero", 0.0)]
        assert words.most_similar("a", topn=1) == [("b", 1.0)]
        assert words.most_similar("b", topn=1) == [("a", 1.0)]
        assert words.similarity("a", "zero") == 0.0

    @pytest.mark.parametrize("length", [1e-310, 1e-200, 1e30, 1e200, 1e308])
    def test_vectors_of_any_length(self, length):
        words = WordVectors(["a", "b", "c"], [[1, 1], [1, 0], [-1, 0]])
        found = words.most_similar(np.array([length, 0.0]))
        assert [name for name, _ in found] == ["b", "a", "c"]
        np.testing.assert_allclose([cosine for _, cosine in found], [1, math.sqrt(0.5), -1], rtol=1e-6)

    def test_no_cosine_is_above_one(self):
        vectors = np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32)
        words = WordVectors([str(i) for i in range(300)], vectors)
        assert max(words.most_similar(it, topn=1)[0][1] for it in vectors) <= 1.0

    @pytest.mark.parametrize(
        ("call", "error", "words"),
        [
            (lambda: WordVectors("ab", VECTORS), TypeError, "vocabulary must be a sequence of str"),
            (lambda: WordVectors([1], [[1.0]]), TypeError, "vocabulary must hold str, got int"),
            (lambda: WordVectors(["a", "b", "a"], VECTORS), ValueError, "each word once, got 'a' twice"),
            (lambda: WordVectors(["a"], VECTORS), ValueError, "a row for each of the 1 words, got 3"),
            (lambda: WordVectors(["a"], [1.0]), ValueError, "vectors must have 2 dimensions"),
            (lambda: WordVectors(["a"], [[math.nan]]), ValueError, "vectors must not hold NaN"),
            (lambda: WordVectors(["a"], [[1e300]]), ValueError, "vectors must be finite"),
            (lambda: WordVectors(["a"], [[1]], [1, 2]), ValueError, "counts must have a number for each of the 1"),
            (lambda: WordVectors(["a"], [[1]], [-1]), ValueError, "counts must lie in"),
            (lambda: WordVectors(["a"], [[1]]).most_similar([]), ValueError, "positive must hold a word or a vector"),
            (lambda: WordVectors(["a"], [[1]]).most_similar([[1, 2]]), ValueError, "positive must have shape"),
            (lambda: WordVectors(["a"], [[1]]).most_similar("a", 5), TypeError, "must be words or vectors, got int"),
            (lambda: WordVectors(["a"], [[1]]).most_similar("a", topn=-1), ValueError, "topn must be at least 0"),
        ],
    )
    def test_bad_input(self, call, error, words):
        with pytest.raises(error, match=words):
            call()

    def test_npz(self, tmp_path):
        names = ["a b", "\ud800", "", "\n"]
        for counts in (None, [4, 3, 2, 0]):
            WordVectors(names, np.arange(8).reshape(4, 2), counts).save(tmp_path / "it.npz")
            back = WordVectors.load(tmp_path / "it.npz")
            assert back.vocabulary == tuple(names)
            assert back.vectors.tolist() == np.arange(8).reshape(4, 2).tolist()
            assert (back.counts is None) if counts is None else (back.counts.tolist() == counts)

    def test_damaged_npz(self, tmp_path):
        path = tmp_path / "it.npz"
        WordVectors(WORDS, VECTORS, [1, 2, 3]).save(path)
        data = path.read_bytes()
        rng = np.random.default_rng(0)
        for place in rng.integers(0, len(data), 150).tolist():
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
            try:
                back = WordVectors.load(path)
            except ValueError:
                continue
            assert back.vocabulary == tuple(WORDS)
            assert back.vectors.tolist() == VECTORS.tolist()
        for size in rng.integers(0, len(data), 20).tolist():
            path.write_bytes(data[:size])
            with pytest.raises(ValueError, match="word vectors"):
                WordVectors.load(path)


class TestWord2vecFiles:
    @pytest.mark.parametrize("binary", [False, True])
    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_there_and_back(self, tmp_path, binary, suffix):
        rng = np.random.default_rng(0)
        vectors = rng.integers(0, 2**32, (5000, 3), dtype=np.uint32).view(np.float32)
        vectors = np.where(np.isfinite(vectors), vectors, 1.0).astype(np.float32)
        words = WordVectors([f"w{i}é𝄞" for i in range(5000)], vectors)
        path = tmp_path / f"words{suffix}"
        words.save_word2vec(path, binary=binary)
        back = WordVectors.load_word2vec(path, binary=binary)
        assert back.vocabulary == words.vocabulary
        assert np.array_equal(back.vectors.view(np.uint32), vectors.view(np.uint32))

    def test_a_file_of_gensim(self, tmp_path):
        path = tmp_path / "words"
        for data, binary in ((THEIR_TEXT, False), (THEIR_BINARY, True)):
            path.write_bytes(data)
            words = WordVectors.load_word2vec(path, binary=binary)
            assert words.vocabulary == tuple(WORDS)
            assert words.vectors.tolist() == VECTORS.tolist()

    def test_what_is_written(self, tmp_path):
        path = tmp_path / "words"
        words = WordVectors(["看", "x"], [[1, -0.5], [0.1, 3]])
        words.save_word2vec(path)
        assert path.read_text("utf-8") == "2 2\n看 1 -0.5\nx 0.100000001 3\n"
        words.save_word2vec(path, binary=True)
        rows = np.array([[1, -0.5], [0.1, 3]], "<f4")
        assert path.read_bytes() == b"2 2\n" + "看 ".encode() + rows[0].tobytes() + b"\nx " + rows[1].tobytes() + b"\n"

    @pytest.mark.parametrize("binary", [False, True])
    @pytest.mark.parametrize("word", ["a b", "a\nb", "a\u3000b", "", "a\0", "\ud800", "a\rb"])
    def test_words_that_can_not_be_written(self, tmp_path, binary, word):
        path = tmp_path / "words"
        path.write_bytes(b"old")
        with pytest.raises(ValueError, match=f"^{re.escape(repr(word))} can't be saved for word2vec"):
            WordVectors(["fine", word], [[1], [2]]).save_word2vec(path, binary=binary)
        assert path.read_bytes() == b"old"

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "line 1: expected 'words dimensions', got b''"),
            (b"a 1 2\n", "line 1: expected 'words dimensions'"),
            (b"-1 2\n", "line 1: expected 'words dimensions'"),
            (b"1 99999999\n", "line 1: expected at most"),
            (b"2 1\na 1\n", "is cut short: line 1 says 2 words, got 1"),
            (b"1 1\na 1_0\n", "line 2: expected 1 numbers, got 'a 1_0'"),
            ("1 1\na ٣\n".encode(), "line 2: expected 1 numbers"),
            (b"1 2\na 1\n", "line 2: expected a word and 2 numbers, separated by one blank each, got 'a 1'"),
            (b"1 1\na b 1\n", "line 2: expected a word and 1 numbers"),
            (b"1 1\n 1\n", "line 2: expected a word and 1 numbers"),
            (b"1 1\na one\n", "line 2: could not convert"),
            (b"1 1\na nan\n", "line 2: numbers of 'a' must be finite"),
            (b"1 1\na 1e39\n", "line 2: numbers of 'a' must be finite in float32"),
            (b"2 1\na 1\na 2\n", "line 3: the word 'a' occurs twice"),
            (b"1 1\na 1\nb 1\n", "line 3: more than the 1 words that line 1 says"),
            (b"1 1\n\xff 1\n", r"line 2, byte 1: not UTF-8 \(0xff\)"),
        ],
    )
    def test_bad_text(self, tmp_path, data, words):
        path = tmp_path / "words"
        path.write_bytes(data)
        with pytest.raises(ValueError, match=words):
            WordVectors.load_word2vec(path)

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "line 1: expected 'words dimensions'"),
            (b"x" * 100_000, "line 1: expected 'words dimensions'"),
            (b"1 1\na \0\0", "cut short or no binary file: word 1 of 1 isn't whole"),
            (b"2 1\na \0\0\0\0b", "word 2 of 2 isn't whole"),
            (b"9999999999 1\n" + b"a \0\0\0\0", "word 2 of 9999999999 isn't whole"),
            (b"1 1\n" + b"a" * 100_000 + b" \0\0\0\0", "word 1 of 1 isn't whole"),
            (b"1 1\n \0\0\0\0", "word 1: expected a word before the blank, got none"),
            (b"1 1\na \0\0\x80\x7f", "word 1: numbers of 'a' must be finite"),
            (b"2 1\na \0\0\0\0a \0\0\0\0", "word 2: the word 'a' occurs twice"),
            (b"1 1\na \0\0\0\0b \0\0\0\0", "more than the 1 words that line 1 says"),
            (b"1 1\na\xff \0\0\0\0", r"word 1, byte 2: not UTF-8 \(0xff\)"),
        ],
    )
    def test_bad_binary(self, tmp_path, data, words):
        path = tmp_path / "words"
        path.write_bytes(data)
        with pytest.raises(ValueError, match=words):
            WordVectors.load_word2vec(path, binary=True)

    @pytest.mark.parametrize("binary", [False, True])
    def test_bad_bytes_let_be(self, tmp_path, binary):
        path = tmp_path / "words"
        end = np.float32(1).tobytes() if binary else b"1\n"
        path.write_bytes(b"3 1\n" + b"a\xff " + end + b"b " + end + b"a\xfe " + end)
        assert WordVectors.load_word2vec(path, binary=binary, errors="replace").vocabulary == ("a\ufffd", "b")
        assert WordVectors.load_word2vec(path, binary=binary, errors="ignore").vocabulary == ("a", "b")
        with pytest.raises(ValueError, match="errors must be one of"):
            WordVectors.load_word2vec(path, binary=binary, errors="never")

    def test_a_large_file_is_read_in_pieces(self, tmp_path):
        path = tmp_path / "words"
        vectors = np.arange(600_000, dtype=np.float32).reshape(6000, 100)
        WordVectors([f"w{i}" for i in range(6000)], vectors).save_word2vec(path, binary=True)
        assert path.stat().st_size > 2 << 20
        assert WordVectors.load_word2vec(path, binary=True).vectors.tolist() == vectors.tolist()


@pytest.mark.compiled
def test_ctrl_c_comes_through_fit():
    """What Ctrl-C raises comes from within a call that lasts, and soon; what was learned stays."""
    import signal

    it = SkipGram(dim=200, min_count=1, subsample=0, rng=0).fit(TEXTS)
    before = it.vectors
    texts = [[str(i % 1000) for i in range(300_000)]]
    it.set_params(epochs=50)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGVTALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.5)
        start = time.process_time()
        with pytest.raises(KeyboardInterrupt):
            it.fit(texts)
        assert time.process_time() - start < 1.5
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)
    assert it.vectors is before
