"""Noise contrastive estimation and alias sampling."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from fastcore import nce, use_backend
from fastcore._backend import kernels
from fastcore.nce import AliasSampler, ExponentialFamily
from fastcore.reference._rng import Rng

from .helpers import memory_growth, nasty_forms

weights = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 10), st.floats(1e-300, 1e-290), st.floats(1e290, 1e300)),
    min_size=1,
    max_size=40,
).filter(any)


def implied(table: np.ndarray) -> np.ndarray:
    """The probabilities that a table stands for."""
    n = len(table)
    chance = np.zeros(n)
    for column, entry in enumerate(table.tolist()):
        share = (entry >> 32) / 2**32
        chance[column] += share / n
        chance[entry & 0xFFFFFFFF] += (1 - share) / n
    return chance


@pytest.fixture
def compiled():
    """For sizes that the twin isn't made for."""
    with use_backend("compiled"):
        yield


class TestAliasSampler:
    @given(w=weights)
    def test_table_stands_for_the_weights(self, backend, w):
        table = kernels("nce").alias_table(np.array(w))
        scaled = np.array(w) / max(w)
        np.testing.assert_allclose(implied(table), scaled / scaled.sum(), rtol=0, atol=1e-9)
        assert not implied(table)[np.array(w) == 0].any()

    @given(w=weights, seed=st.integers(0, 2**64 - 1), size=st.integers(0, 100))
    def test_twins_agree_to_the_bit(self, w, seed, size):
        results = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                sampler = AliasSampler(w)
                results.append((sampler._table.tolist(), sampler.draw(size, rng=seed).tolist()))
        assert results[0] == results[1]

    def test_twins_agree_over_chunks(self):
        drawn = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                drawn.append(AliasSampler([1, 2, 3]).draw(2 * 65536 + 5, rng=5))
        assert (drawn[0] == drawn[1]).all()

    def test_uniform_weights_read_the_documented_streams(self, backend):
        key = np.array([1, 2, 3, 4], np.uint64)
        sampler = AliasSampler([1.0] * 16)
        drawn = kernels("nce").alias_draw(sampler._table, key, 2, 20)
        lanes = [Rng([1, 2, 3, 4], 16 + lane) for lane in range(8)]
        assert drawn.tolist() == [lanes[i % 8].next_u64() >> 60 for i in range(20)]

    @pytest.mark.parametrize("w", [[1, 2, 3, 4], [0, 2, 0, 1], [1e-3, 1, 0, 5, 0.25, 0.25], np.arange(1000.0)])
    def test_frequencies(self, backend, w):
        size = backend.size(1_000_000, 20_000)
        drawn = AliasSampler(w).draw(size, rng=3)
        counts = np.bincount(drawn, minlength=len(w))
        p = np.asarray(w, float) / np.sum(w)
        assert not counts[p == 0].any()
        rare = p * size < 5
        observed = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(p[~rare], p[rare].sum()) * size
        kept = expected > 0
        assert stats.chisquare(observed[kept], expected[kept]).pvalue > 1e-6

    def test_neighbouring_draws_are_independent(self, backend):
        drawn = AliasSampler([1, 2, 1]).draw(backend.size(400_000, 20_000), rng=8)
        for lag in (1, 8):
            pairs = np.bincount(3 * drawn[:-lag] + drawn[lag:], minlength=9)
            p = np.outer([1, 2, 1], [1, 2, 1]).ravel() / 16
            assert stats.chisquare(pairs, p * pairs.sum()).pvalue > 1e-6

    def test_one_outcome(self, backend):
        assert AliasSampler([7.0]).draw((2, 3), rng=0).tolist() == [[0, 0, 0]] * 2

    def test_shape_and_dtype(self, backend):
        sampler = AliasSampler([1, 1])
        assert sampler.draw(0).shape == (0,)
        assert sampler.draw((3, 0, 2)).shape == (3, 0, 2)
        assert sampler.draw(()).shape == ()
        assert sampler.draw(3).dtype == np.int32
        assert len(sampler) == 2
        assert repr(sampler) == "<AliasSampler of 2 outcomes>"

    def test_seeds(self, backend):
        sampler = AliasSampler([1, 2, 3])
        assert (sampler.draw(100, rng=1) == sampler.draw(100, rng=1)).all()
        assert (sampler.draw(100, rng=1) != sampler.draw(100, rng=2)).any()
        generator = np.random.default_rng(1)
        assert (sampler.draw(100, generator) != sampler.draw(100, generator)).any()

    @pytest.mark.parametrize("workers", [2, 3, map])
    def test_workers_change_nothing(self, compiled, workers):
        sampler = AliasSampler([1, 2, 3, 0.5])
        size = 2 * 64 * 65536 + 77
        assert (sampler.draw(size, 1, workers=workers) == sampler.draw(size, 1)).all()

    def test_executor(self, backend):
        sampler = AliasSampler([1, 2, 3, 0.5])
        with ThreadPoolExecutor(2) as pool:
            assert (sampler.draw(1000, 1, workers=pool) == sampler.draw(1000, 1)).all()

    def test_layouts(self, backend):
        w = np.random.default_rng(0).random((1, 9))
        expected = AliasSampler(w[0]).draw(50, rng=0).tolist()
        for name, form in nasty_forms(w):
            kept = form.tolist()
            assert AliasSampler(form[0]).draw(50, rng=0).tolist() == expected, name
            assert form.tolist() == kept, name

    def test_pickle(self, backend):
        sampler = AliasSampler([1, 2, 3])
        again = pickle.loads(pickle.dumps(sampler))
        assert again.draw(20, 1).tolist() == sampler.draw(20, 1).tolist()

    @pytest.mark.parametrize(
        ("w", "error", "words"),
        [
            ([], ValueError, "between 1 and"),
            ([0, 0], ValueError, "weights must not all be zero"),
            ([1, -1], ValueError, "weights must not be negative, got -1"),
            ([1, math.nan], ValueError, "weights must not hold NaN"),
            ([1, math.inf], ValueError, "weights must be finite"),
            ([[1.0]], ValueError, "weights must have 1 dimensions"),
            (["a"], TypeError, "weights must be real numbers"),
            ([1j], TypeError, "weights must be real numbers"),
        ],
    )
    def test_bad_weights(self, backend, w, error, words):
        with pytest.raises(error, match=words):
            AliasSampler(w)

    @pytest.mark.parametrize(
        ("size", "rng", "workers", "error", "words"),
        [
            (-1, 0, 1, ValueError, "size must be at least 0"),
            (1.5, 0, 1, TypeError, "size must be an int"),
            ((2, "x"), 0, 1, TypeError, "size must be an int"),
            (2, "x", 1, TypeError, "rng must be"),
            (2, 0, 0, ValueError, "workers must be at least 1"),
            ((2**40, 2**40), 0, 1, ValueError, "size must be between 0 and"),
            (2**61, 0, 2, ValueError, "size must be between 0 and"),
        ],
    )
    def test_bad_draw(self, backend, size, rng, workers, error, words):
        with pytest.raises(error, match=words):
            AliasSampler([1.0]).draw(size, rng, workers=workers)

    def test_what_does_not_fit_is_refused_before_work_begins(self, compiled, monkeypatch):
        def too_much(*_):
            raise MemoryError

        def never(*_):
            raise AssertionError("work began")

        sampler = AliasSampler([1.0])
        monkeypatch.setattr(np, "empty", too_much)
        with pytest.raises(MemoryError):
            sampler.draw(2**24, 0, workers=never)

    def test_memory_is_flat(self):
        setup = "from fastcore.nce import AliasSampler; w = list(range(1, 500))"
        assert memory_growth(setup, "AliasSampler(w).draw(1000)", 500) < 50


class TestLogistic:
    @given(st.integers(0, 40), st.integers(0, 4), st.integers(0, 2**32 - 1), st.data())
    def test_twins_agree(self, n, k, seed, data):
        rng = np.random.default_rng(seed)
        scale = data.draw(st.sampled_from([1.0, 1e3]))
        arguments = (rng.normal(size=(n, k)) * scale, rng.normal(size=n), rng.normal(size=k + 1), n // 3)
        fast, slow = (kernels("nce", name).logistic(*arguments) for name in ("compiled", "reference"))
        for a, b in zip(fast, slow):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * max(1.0, scale**2) * (n + 1))

    def test_by_hand(self, backend):
        # One data row with logit 0, one noise row with logit log 3: losses log 2 and log 4.
        features, offset = np.array([[1.0], [2.0]]), np.array([-1.0, math.log(3) - 2])
        loss, gradient, hessian = kernels("nce").logistic(features, offset, np.array([1.0, 0.0]), 1)
        assert loss == pytest.approx(math.log(8), rel=1e-15)
        np.testing.assert_allclose(gradient, [-0.5 + 0.75 * 2, -0.5 + 0.75], rtol=1e-15)
        np.testing.assert_allclose(hessian, [[0.25 + 4 * 3 / 16, 0.25 + 2 * 3 / 16], [0.625, 0.4375]], rtol=1e-15)

    def test_derivatives(self, backend):
        rng = np.random.default_rng(4)
        features, offset, theta = rng.normal(size=(600, 3)), rng.normal(size=600), rng.normal(size=4)

        def at(t):
            return kernels("nce").logistic(features, offset, t, 200)

        _, gradient, hessian = at(theta)
        for j in range(4):
            step = 1e-5 * np.eye(4)[j]
            up, down = at(theta + step), at(theta - step)
            assert (up[0] - down[0]) / 2e-5 == pytest.approx(gradient[j], rel=1e-7)
            np.testing.assert_allclose((up[1] - down[1]) / 2e-5, hessian[j], rtol=1e-6, atol=1e-6)

    def test_extreme_logits(self, backend):
        offset = np.array([800.0, -800.0, 800.0, -math.inf])
        loss, gradient, hessian = kernels("nce").logistic(np.zeros((4, 0)), offset, np.zeros(1), 2)
        assert (loss, gradient.tolist(), hessian.tolist()) == (1600.0, [0.0], [[0.0]])


def quartic_samples(n: int, seed: int) -> np.ndarray:
    """Exact draws from exp(-x**2 / 2 - x**4 / 4) by rejection from the normal distribution."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(4 * n)
    return x[rng.random(len(x)) < np.exp(-(x**4) / 4)][:n]


QUARTIC = (0.5, 0.25, math.log(integrate.quad(lambda x: math.exp(-(x**2) / 2 - x**4 / 4), -math.inf, math.inf)[0]))


def minus_square(x):
    return -(x**2)


def minus_quartic(x):
    return -(x**4)


def quartic_energy(theta, x):
    return -theta[0] * x**2 - theta[1] * x**4


quartic = ExponentialFamily([minus_square, minus_quartic])


class TestExponentialFamily:
    def test_quartic(self, backend):
        n, nu = backend.size(10_000, 2_000), backend.size(10, 3)
        model = quartic.fit(quartic_samples(n, 1), nu=nu, rng=2)
        assert np.all(abs(model.params - QUARTIC[:2]) < 4 * model.stderr)
        assert abs(model.log_z - QUARTIC[2]) < 4 * model.log_z_stderr
        assert model.log_z_stderr < 2.5 / math.sqrt(n)
        total = integrate.quad(lambda x: math.exp(model.logpdf([x])[0]), -8, 8)[0]
        assert total == pytest.approx(1, abs=5 * model.log_z_stderr)
        assert repr(model).startswith("<FittedModel params: ")

    def test_errors_are_as_large_as_they_say(self, compiled):
        errors = []
        for seed in range(100):
            model = quartic.fit(quartic_samples(1000, seed), rng=seed)
            errors.append(
                [*(model.params - QUARTIC[:2]), model.log_z - QUARTIC[2]] / np.sqrt(np.diag(model.covariance))
            )
        # Var of 100 squared standard normals' mean is 2 / 100.
        np.testing.assert_allclose(np.mean(np.square(errors), axis=0), 1, atol=5 * math.sqrt(2 / 100))
        assert np.all(abs(np.mean(errors, axis=0)) < 5 / math.sqrt(100))

    def test_covariance_of_parameters_and_log_z(self, compiled):
        found = [quartic.fit(quartic_samples(500, seed), rng=seed) for seed in range(150)]
        observed = np.corrcoef([[*model.params, model.log_z] for model in found], rowvar=False)
        expected = np.mean([model.covariance for model in found], axis=0)
        expected /= np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        np.testing.assert_allclose(observed, expected, atol=0.25)

    def test_normal_distribution_in_closed_form(self, backend):
        # With the gaussian noise that has the data's own moments, the maximum likelihood fit has G = -log nu.
        x = np.random.default_rng(5).normal(3.0, 0.5, 2000)
        model = ExponentialFamily(lambda x: np.stack([-(x**2), x], axis=1)).fit(x, nu=2, rng=1)
        np.testing.assert_allclose(model.params, [2.0, 12.0], atol=5 * model.stderr.max())
        density = stats.norm(3.0, 0.5).logpdf([2.5, 3.0, 3.5])
        np.testing.assert_allclose(model.logpdf([2.5, 3.0, 3.5]), density, atol=0.15)

    def test_two_dimensions(self, backend):
        n = backend.size(20_000, 2_000)
        covariance = np.array([[1.0, 0.6], [0.6, 2.0]])
        x = np.random.default_rng(6).multivariate_normal([0, 0], covariance, n)
        features = [lambda x: -0.5 * x[:, 0] ** 2, lambda x: -x[:, 0] * x[:, 1], lambda x: -0.5 * x[:, 1] ** 2]
        model = ExponentialFamily(features).fit(x, nu=2, rng=7)
        precision = np.linalg.inv(covariance)
        assert np.all(abs(model.params - precision[np.triu_indices(2)]) < 4.5 * model.stderr)
        log_z = math.log(2 * math.pi) + 0.5 * math.log(np.linalg.det(covariance))
        assert abs(model.log_z - log_z) < 4.5 * model.log_z_stderr

    @pytest.mark.parametrize("nu", [1, 10])
    @pytest.mark.parametrize("d", [1, 2, 5, 10, 20, 25, 50, 100])
    def test_dimensions(self, compiled, d, nu):
        """Densities of many dimensions are far from 1: the intercept must not begin at 0."""
        x = np.random.default_rng(d).normal(size=(2000 if d < 50 else 1000, d))
        model = ExponentialFamily([lambda x: -0.5 * (x**2).sum(axis=1)]).fit(x, nu=nu, rng=0)
        assert model.iterations <= 7
        # The noise is fitted to the same data, so in many dimensions it is nearer to them than the truth.
        assert model.params[0] == pytest.approx(1, rel=0.2)
        assert model.log_z == pytest.approx(0.5 * d * math.log(2 * math.pi), rel=0.1)

    @pytest.mark.parametrize("scale", [1e-30, 1e-6, 1, 1e6, 1e12])
    def test_units(self, backend, scale):
        x = np.random.default_rng(0).normal(size=400)
        features = [lambda x: -0.5 * x**2, lambda x: x]
        plain = ExponentialFamily(features).fit(x, nu=3, rng=0)
        model = ExponentialFamily(features).fit(x * scale, nu=3, rng=0)
        assert model.iterations <= 7
        np.testing.assert_allclose(model.params * [scale**2, scale], plain.params, rtol=1e-6)
        assert model.log_z == pytest.approx(plain.log_z + math.log(scale), abs=1e-6)

    @pytest.mark.parametrize(
        "noise", ["t", "uniform", stats.norm(0, 10), stats.norm(0, 1000), stats.norm(3, 1), stats.cauchy(0, 1)]
    )
    def test_noise_of_any_width(self, backend, noise):
        """What tells the parameters is where the data lies, however little of the noise that is."""
        x = np.random.default_rng(3).normal(size=400)
        model = ExponentialFamily([lambda x: -0.5 * x**2, lambda x: x]).fit(x, noise, nu=4, rng=0)
        assert model.iterations <= 7
        assert np.all(abs(model.params - [1, 0]) < 5 * model.stderr)

    @pytest.mark.parametrize("unit", [1e-6, 1])
    def test_wide_noise_in_any_unit(self, compiled, unit):
        x = np.random.default_rng(0).normal(size=5000)
        model = ExponentialFamily([lambda x: x, lambda x: -(x**2)]).fit(x * unit, stats.norm(0, 1000 * unit), rng=0)
        assert model.iterations <= 7
        assert model.params[1] * unit**2 == pytest.approx(0.5, abs=6 * model.stderr[1] * unit**2)

    def test_other_noise(self, backend, monkeypatch):
        calls, sums = [], nce._logistic
        monkeypatch.setattr(nce, "_logistic", lambda *args: calls.append(1) or sums(*args))
        x = np.random.default_rng(8).exponential(0.5, backend.size(10_000, 2_000))
        model = ExponentialFamily([lambda x: -x]).fit(x, stats.expon(scale=1.0), nu=3, rng=0)
        assert abs(model.params[0] - 2) < 4 * model.stderr[0]
        assert abs(model.log_z - math.log(0.5)) < 4 * model.log_z_stderr
        assert len(calls) <= model.iterations + 6  # no step is halved because its gain is lost in rounding

    def test_features_far_from_zero(self, compiled):
        x = np.random.default_rng(9).normal(1e4, 1.0, 10_000)
        model = ExponentialFamily([lambda x: x, lambda x: -(x**2)]).fit(x, rng=0)
        assert abs(model.params[1] - 0.5) < 4 * model.stderr[1]
        assert abs(model.params[0] / (2 * model.params[1]) - 1e4) < 0.1

    def test_twins_agree(self):
        x = quartic_samples(500, 3)
        models = []
        for name in ("compiled", "reference"):
            with use_backend(name):
                models.append(quartic.fit(x, nu=2, rng=4))
        np.testing.assert_allclose(models[0].params, models[1].params, rtol=1e-9)
        np.testing.assert_allclose(models[0].covariance, models[1].covariance, rtol=1e-9)
        assert models[0].log_z == pytest.approx(models[1].log_z, rel=1e-9)

    def test_more_noise_is_more_precise(self, compiled):
        x = quartic_samples(5000, 5)
        few, many = (quartic.fit(x, nu=nu, rng=6) for nu in (1, 20))
        assert np.all(many.stderr < few.stderr)
        assert many.log_z_stderr < few.log_z_stderr

    def test_workers_change_nothing(self, compiled):
        x = quartic_samples(15_000, 5)
        one, two = (quartic.fit(x, nu=12, rng=6, workers=w) for w in (1, 2))
        assert one.params.tolist() == two.params.tolist()
        assert one.covariance.tolist() == two.covariance.tolist()

    def test_layouts(self, backend):
        x = quartic_samples(60, 7).reshape(30, 2)
        model = ExponentialFamily([lambda x: -(x**2).sum(axis=1)])
        expected = model.fit(x, nu=2, rng=0).params.tolist()
        for name, form in nasty_forms(x):
            kept = form.tolist()
            assert model.fit(form, nu=2, rng=0).params.tolist() == expected, name
            assert form.tolist() == kept, name

    def test_pickle(self):
        model = pickle.loads(pickle.dumps(quartic.fit(quartic_samples(500, 1), rng=0)))
        assert model.logpdf([0.0]).tolist() == [-model.log_z]

    @pytest.mark.parametrize(
        ("x", "options", "error", "words"),
        [
            ([1.0], {}, ValueError, "at least 2 samples"),
            ([], {}, ValueError, "at least 2 samples"),
            ([1.0, math.nan], {}, ValueError, "x must not hold NaN"),
            ([1.0, math.inf], {}, ValueError, "x must be finite"),
            (["a", "b"], {}, TypeError, "x must be real numbers"),
            (np.zeros((2, 2, 2)), {}, ValueError, "x must have 1 or 2 dimensions"),
            ([1.0, 1.0], {}, ValueError, "x has no spread"),
            ([1.0, 2.0], {"noise": "cauchy"}, ValueError, "noise must be one of 'gaussian'"),
            ([1.0, 2.0], {"noise": 3}, TypeError, "noise must be a name, a distribution"),
            ([1.0, 2.0], {"noise": stats.uniform(5, 1)}, ValueError, "logpdf is infinite"),
            ([1.0, 2.0], {"nu": 0}, ValueError, "nu must be between 1 and 1000000"),
            ([1.0, 2.0], {"nu": 1.5}, TypeError, "nu must be an int"),
            ([1.0, 2.0], {"max_iterations": 0}, ValueError, "max_iterations must be at least 1"),
        ],
    )
    def test_bad_input(self, backend, x, options, error, words):
        with pytest.raises(error, match=words):
            quartic.fit(x, **options)

    @pytest.mark.parametrize(
        ("features", "error", "words"),
        [
            (lambda x: x[:-1], ValueError, r"features\(x\) must have a row for each"),
            ([lambda x: x[:-1]], ValueError, r"features\[0\]\(x\) must have shape"),
            ([lambda x: x, lambda x: x * math.nan], ValueError, r"features\[1\]\(x\) must not hold NaN"),
            ([lambda x: x + math.inf], ValueError, "must be finite"),
            ([lambda x: 1 + 0 * x], RuntimeError, "feature 0 is constant"),
            ([lambda x: x, lambda x: 2 * x + 1], RuntimeError, "depend on each other"),
        ],
    )
    def test_bad_features(self, backend, features, error, words):
        with np.errstate(all="ignore"), pytest.raises(error, match=words):
            ExponentialFamily(features).fit([0.0, 1.0, 0.5, 3.0], rng=0)

    @pytest.mark.parametrize("features", [[], [3], 3])
    def test_features_of_the_wrong_kind(self, features):
        with pytest.raises(TypeError, match=r"feature|iterable"):
            ExponentialFamily(features)

    def test_noise_that_is_nowhere_near(self, backend):
        x = np.random.default_rng(0).normal(0, 1, 100)
        with pytest.raises(RuntimeError, match="told apart perfectly"):
            ExponentialFamily([lambda x: x]).fit(x, stats.norm(30, 1), rng=0)

    @pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e160, 1e300])
    def test_features_whose_squares_are_no_numbers(self, compiled, unit):
        x = np.random.default_rng(0).normal(size=100)
        with pytest.raises(ValueError, match="feature 1 must be in a unit in which its square is a number"):
            ExponentialFamily([lambda x: -(x**2), lambda x: unit * x]).fit(x, rng=0)

    def test_a_constant_feature(self, compiled):
        x = np.random.default_rng(0).normal(size=100)
        with pytest.raises(RuntimeError, match="feature 1 is constant"):
            ExponentialFamily([lambda x: -(x**2), lambda x: 0 * x + 0.1]).fit(x, rng=0)

    def test_a_box_of_many_dimensions(self, compiled):
        """Nothing of the noise is where the data lies, which shows in a few steps."""
        x = np.random.default_rng(0).normal(size=(200, 50))
        with pytest.raises(RuntimeError, match="told apart perfectly"):
            ExponentialFamily([lambda x: -(x**2).sum(axis=1)]).fit(x, "uniform", nu=1, rng=0)


class TestFit:
    def test_agrees_with_the_exponential_family(self, backend):
        x = quartic_samples(400, 1)
        family = quartic.fit(x, nu=2, rng=2)
        model = nce.fit(quartic_energy, x, [1, 1], nu=2, rng=2)
        np.testing.assert_allclose(model.params, family.params, rtol=1e-6)
        np.testing.assert_allclose(model.covariance, family.covariance, rtol=1e-5)
        assert model.log_z == pytest.approx(family.log_z, rel=1e-6)

    def test_gradient_by_hand_changes_nothing(self, backend):
        x = quartic_samples(400, 1)
        numeric = nce.fit(quartic_energy, x, [1, 1], nu=2, rng=2)
        exact = nce.fit(
            quartic_energy, x, [1, 1], nu=2, rng=2, gradient=lambda theta, x: -np.stack([x**2, x**4], axis=1)
        )
        np.testing.assert_allclose(exact.params, numeric.params, rtol=1e-6)

    def test_nonlinear_parameters(self, backend):
        n = backend.size(5000, 1000)
        x = np.random.default_rng(3).standard_t(4, n) * 2 + 1

        def student(theta, x):
            return -2.5 * np.log1p(((x - theta[0]) / np.exp(theta[1])) ** 2 / 4)

        model = nce.fit(student, x, [0.0, 0.0], nu=3, rng=1)
        assert np.all(abs(model.params - [1, math.log(2)]) < 4.5 * model.stderr)
        np.testing.assert_allclose(model.logpdf([1.0]), stats.t(4, 1, 2).logpdf([1.0]), atol=0.1)

    @pytest.mark.parametrize("d", [1, 25, 50])
    def test_log_z_begins_where_logits_are_zero(self, compiled, d):
        x = np.random.default_rng(d).normal(size=(1000, d))

        def energy(theta, x):
            return -theta[0] * (x**2).sum(axis=1) / 2

        for start in (0.5, 2.0):
            model = nce.fit(energy, x, [start], nu=1, rng=0)
            assert model.iterations <= 7 and model.params[0] == pytest.approx(1, rel=0.2)

    @pytest.mark.parametrize(("mean", "scale"), [(0, 1), (1e6, 1), (-1e7, 1), (0, 1e-8), (0, 1e6), (1e3, 1e-3)])
    def test_differences_in_any_unit(self, compiled, mean, scale):
        x = mean + scale * np.random.default_rng(0).logistic(size=1000)

        def energy(theta, x):
            z = (x - theta[0]) / np.exp(theta[1])
            return -z - 2 * np.logaddexp(0, -z)

        def gradient(theta, x):
            z = (x - theta[0]) / np.exp(theta[1])
            return np.stack([np.tanh(z / 2) / np.exp(theta[1]), z * np.tanh(z / 2)], axis=1)

        start = [mean + 0.3 * scale, math.log(scale)]
        model = nce.fit(energy, x, start, nu=3, rng=0)
        expected = nce.fit(energy, x, start, nu=3, rng=0, gradient=gradient)
        assert (np.abs(model.params - expected.params) < 1e-5 * expected.stderr).all()
        assert model.stderr == pytest.approx(expected.stderr, rel=1e-5) and model.iterations == expected.iterations

    def test_differences_by_a_parameter_so_large_that_it_is_rounded(self):
        theta, x = np.array([1e9]), np.random.default_rng(0).random((200, 1))

        def energy(theta, x):
            return np.cos(theta[0] * x[:, 0])

        slopes = nce._Slopes(energy, x, len(x))(theta, energy(theta, x))
        assert slopes == pytest.approx(-x * np.sin(1e9 * x), abs=1e-3)

    def test_differences_that_cross_where_a_parameter_means_nothing(self, compiled):
        # A spread that was large a step before, and whose sign doesn't matter.
        x = np.random.default_rng(0).normal(3, 2, 2000)
        for start in ([0, 1.0], [3, 100.0]):
            with np.errstate(divide="ignore"):
                model = nce.fit(lambda theta, x: -(((x - theta[0]) / theta[1]) ** 2) / 2, x, start, rng=1)
            assert (np.abs(model.params - [3, 2]) < 4 * model.stderr).all()

    @pytest.mark.parametrize("start", [(1, 1), (4, 1), (10, 1), (1, 3), (6, 3), (0.5, 0.5), (3, 2), (2, 1.5)])
    def test_a_step_to_where_there_is_no_density(self, compiled, start):
        x = 2 * np.random.default_rng(0).weibull(1.5, 3000)

        def energy(theta, x):
            with np.errstate(invalid="ignore", over="ignore"):
                inside = np.where(x > 0, x, 1.0)
                power = (inside / theta[0]) ** theta[1]  # NaN of a scale below 0
                return np.where(x > 0, (theta[1] - 1) * np.log(inside) - power, -np.inf)

        model = nce.fit(energy, x, start, rng=1)
        assert (np.abs(model.params - [2, 1.5]) < 4 * model.stderr).all()

    def test_derivatives_that_are_none(self, backend):
        with pytest.raises(ValueError, match="the derivatives of log_unnormalized must be finite"):
            nce.fit(quartic_energy, quartic_samples(50, 1), [1, 1], gradient=lambda t, x: np.full((len(x), 2), np.inf))

    def test_columns(self, backend):
        x = np.random.default_rng(0).normal(size=(200, 2))
        model = nce.fit(lambda theta, x: -theta[0] * (x**2).sum(axis=1), x, [1.0], rng=0)
        for other in (np.zeros((2, 3)), np.zeros(2), np.zeros((2, 1))):
            with pytest.raises(ValueError, match=r"x must have shape \(any, 2\)"):
                model.logpdf(other)
        one = ExponentialFamily(lambda x: -(x**2)).fit(x[:, 0], rng=0)
        assert one.logpdf([]).shape == (0,)
        with pytest.raises(ValueError, match=r"x must have shape \(any,\)"):
            one.logpdf(x)

    @pytest.mark.parametrize("noise", ["gaussian", "t", "uniform", "kde"])
    def test_no_columns(self, backend, noise):
        for door in (ExponentialFamily(lambda x: -(x**2)).fit, lambda *a: nce.fit(quartic_energy, a[0], [1, 1], a[1])):
            with pytest.raises(
                ValueError, match=r"x must hold at least 2 samples of one number .*, got shape \(5, 0\)"
            ):
                door(np.zeros((5, 0)), noise)

    def test_refused_before_noise_is_made(self, backend, monkeypatch):
        monkeypatch.setattr(nce, "_contrast", None)
        family = ExponentialFamily(lambda x: -(x**2))
        for wrong, message in (
            ({"max_iterations": 0}, "max_iterations must be"),
            ({"workers": "a"}, "workers must be"),
        ):
            with pytest.raises((TypeError, ValueError), match=message):
                family.fit([1.0, 2.0], **wrong)
            with pytest.raises((TypeError, ValueError), match=message):
                nce.fit(quartic_energy, [1.0, 2.0], [1, 1], **wrong)
        with pytest.raises(TypeError, match="log_z must be"):
            nce.fit(quartic_energy, [1.0, 2.0], [1, 1], log_z="a")

    def test_a_bad_start_is_called_that(self, backend):
        x = np.random.default_rng(0).normal(size=100)
        with pytest.raises(RuntimeError, match=r"the start is so far off .* begin nearer, or leave log_z out"):
            nce.fit(lambda theta, x: -theta[0] * x**2, x, [1.0], rng=0, log_z=1000.0)

    def test_support_narrower_than_the_noise(self, backend):
        x = np.random.default_rng(4).exponential(0.5, backend.size(5000, 1000))

        def half(theta, x):
            return np.where(x >= 0, -theta[0] * np.abs(x), -np.inf)

        model = nce.fit(half, x, [1.0], nu=3, rng=1)
        assert abs(model.params[0] - 2) < 4 * model.stderr[0]

    def test_pickle(self):
        model = nce.fit(quartic_energy, quartic_samples(300, 1), [1, 1], rng=0)
        again = pickle.loads(pickle.dumps(model))
        assert again.logpdf([0.5]).tolist() == model.logpdf([0.5]).tolist()

    @pytest.mark.parametrize(
        ("energy", "options", "error", "words"),
        [
            (3, {}, TypeError, "log_unnormalized must be callable"),
            (lambda theta, x: x[:-1], {}, ValueError, "must have shape"),
            (lambda theta, x: x * math.nan, {}, ValueError, "must not hold NaN"),
            (lambda theta, x: np.where(x < 1, -np.inf, 0), {}, ValueError, "finite at every data point"),
            (quartic_energy, {"gradient": lambda theta, x: x}, ValueError, "must have shape"),
            (quartic_energy, {"start": [math.nan, 0]}, ValueError, "start must not hold NaN"),
            (quartic_energy, {"log_z": math.inf}, ValueError, "log_z must be finite"),
            (lambda theta, x: -(theta[0] + theta[1]) * x**2, {}, RuntimeError, "depend on each other"),
        ],
    )
    def test_bad_input(self, backend, energy, options, error, words):
        with pytest.raises(error, match=words):
            nce.fit(energy, [0.0, 1.0, -0.5, 2.0], **{"start": [1, 1], "rng": 0, **options})


class TestDoors:
    def test_features(self):
        for features in (None, 3, "x", np.array(1.0)):
            with pytest.raises(TypeError, match="features must be a function of x, or several of them"):
                ExponentialFamily(features)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"gradient": 3}, TypeError, "gradient must be callable, got int"),
            ({"start": []}, ValueError, "start must hold at least one parameter"),
            ({"nu": 10**30}, ValueError, "nu must be between"),
            ({"log_z": 10**400}, ValueError, "log_z must be finite"),
        ],
    )
    def test_fit(self, options, error, message):
        with pytest.raises(error, match=message):
            nce.fit(lambda theta, x: -theta[0] * x**2, [1.0, 2.0, 4.0], **{"start": [1.0], **options})

    def test_sizes(self):
        with pytest.raises(ValueError, match="size must be between 0 and"):
            AliasSampler([1, 2]).draw(2**63)
        with pytest.raises(ValueError, match="x must have 1 or 2 dimensions"):
            ExponentialFamily([np.square]).evaluate(3.0)


class TestFarStarts:
    def test_a_mean_and_a_precision(self):
        """From starts that are too narrow Newton's steps alone run out to where nothing changes."""
        x = np.random.default_rng(1).normal(size=1000)

        def energy(theta, x):
            with np.errstate(over="ignore"):
                return -0.5 * (x - theta[0]) ** 2 * np.exp(theta[1])

        for mean in (0, 0.5, 2, 5):
            for precision in (-2, 0, 1, 2, 3):
                found = nce.fit(energy, x, [mean, precision], rng=0)
                np.testing.assert_allclose(found.params, [x.mean(), 0], atol=0.15)
