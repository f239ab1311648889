"""Kinds of noise, and evidence: densities whose parameters and constants are known otherwise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from fastcore import chain, nce
from fastcore._noise import noise_of
from fastcore.nce import ExponentialFamily, Mixture

NAMES = ["gaussian", "t", "uniform", "kde"]
TWO_LUMPS = np.concatenate([np.random.default_rng(0).normal(-2, 0.5, 600), np.random.default_rng(1).normal(3, 1, 400)])


def normal_pair(width: float) -> tuple:
    """Normal noise as a pair of functions."""
    return lambda size, rng: rng.normal(0, width, size), lambda x: stats.norm(0, width).logpdf(x)


class TestNoise:
    @pytest.mark.parametrize("noise", [*NAMES, ["t", "kde"], Mixture(["gaussian", stats.norm(0, 9)], [1, 3])])
    def test_densities_integrate_to_one(self, noise):
        source = noise_of(noise, TWO_LUMPS)
        grid = np.linspace(-400, 400, 80_001)
        total = integrate.trapezoid(np.exp(source.logpdf(grid)), grid)
        assert total == pytest.approx(1, abs=3e-3)  # a box's edges lie between points

    @pytest.mark.parametrize("noise", [*NAMES, ["gaussian", "uniform"], Mixture(["t", "kde"], [0.2, 0.8])])
    def test_draws_follow_the_density(self, noise):
        """In one dimension by the distribution function, in two by the share of draws in a cell."""
        source = noise_of(noise, TWO_LUMPS)
        drawn = np.sort(source.rvs(size=4000, random_state=np.random.default_rng(3)))
        grid = np.linspace(-60, 60, 60_001)
        below = np.cumsum(np.exp(source.logpdf(grid))) * (grid[1] - grid[0])
        gap = np.abs(np.interp(drawn, grid, below) - (np.arange(4000) + 0.5) / 4000).max()
        assert gap < 2.8 / math.sqrt(4000)  # Kolmogorov: one in three million
        plane = np.random.default_rng(4).multivariate_normal([1, -1], [[2, 1], [1, 3]], 500)
        source = noise_of(noise, plane)
        drawn = source.rvs(size=4000, random_state=np.random.default_rng(5))
        assert drawn.shape == (4000, 2)
        side = np.linspace(0, 2, 101)
        cells = np.stack(np.meshgrid(side[:-1] + 0.01, side[:-1] - 0.99), axis=-1).reshape(-1, 2)
        share = np.exp(source.logpdf(cells)).sum() * 0.02**2
        inside = ((drawn > [0, -1]) & (drawn < [2, 1])).all(axis=1).mean()
        assert abs(inside - share) < 5.2 * math.sqrt(share / 4000)

    def test_moments_are_the_datas(self):
        for name in ("gaussian", "t"):
            drawn = noise_of(name, TWO_LUMPS).rvs(size=200_000, random_state=np.random.default_rng(6))
            assert drawn.mean() == pytest.approx(TWO_LUMPS.mean(), abs=0.05)
            assert drawn.std() == pytest.approx(TWO_LUMPS.std(), rel=0.02)
        tails = [noise_of(name, TWO_LUMPS).logpdf(np.array([50.0]))[0] for name in ("gaussian", "t")]
        assert tails[1] > tails[0] + 50

    @pytest.mark.parametrize(
        "noise",
        [*NAMES, stats.t(4), ["gaussian", "t"], Mixture(["uniform", stats.norm(0, 2)], [0.3, 0.7]), normal_pair(1.5)],
    )
    def test_every_kind_finds_the_same(self, noise):
        """exp(-x**2 / 2 - x**4 / 4): quadrature gives the constant."""
        rng = np.random.default_rng(1)
        x = rng.standard_normal(20_000)
        x = x[rng.random(20_000) < np.exp(-(x**4) / 4)][:6000]
        model = ExponentialFamily([lambda x: -(x**2), lambda x: -(x**4)]).fit(x, noise, nu=5, rng=2)
        assert np.all(abs(model.params - [0.5, 0.25]) < 4.5 * model.stderr)
        whole = integrate.quad(lambda x: math.exp(-(x**2) / 2 - x**4 / 4), -9, 9)[0]
        assert abs(model.log_z - math.log(whole)) < 4.5 * model.log_z_stderr
        assert model.iterations <= (7 if noise == "gaussian" else 15)

    def test_discrete(self):
        x = np.random.default_rng(2).poisson(3.0, 5000)
        model = ExponentialFamily([lambda x: x, lambda x: -special.gammaln(x + 1)]).fit(
            x, stats.geom(0.25, loc=-1), nu=5, rng=3
        )
        assert np.all(abs(model.params - [math.log(3), 1]) < 4.5 * model.stderr)
        assert abs(model.log_z - 3) < 4.5 * model.log_z_stderr

    @pytest.mark.parametrize(
        ("noise", "error", "words"),
        [
            ("cauchy", ValueError, "noise must be one of 'gaussian', 'uniform', 't', 'kde' or a distribution"),
            (3, TypeError, "noise must be a name, a distribution"),
            ((abs,), TypeError, "noise must be a pair of functions"),
            ([], TypeError, "at least one kind of noise"),
            ([3], TypeError, "noise must be a name"),
            ((lambda size, rng: np.zeros(3), lambda x: x), ValueError, "the noise's rvs must have shape"),
            (
                (lambda size, rng: rng.normal(size=size), lambda x: x[:-1]),
                ValueError,
                "the noise's logpdf must have shape",
            ),
        ],
    )
    def test_bad_noise(self, noise, error, words):
        with pytest.raises(error, match=words):
            ExponentialFamily([lambda x: x]).fit([0.0, 1.0, 3.0], noise, rng=0)

    def test_bad_mixtures(self):
        with pytest.raises(ValueError, match=r"weights must have shape \(2,\)"):
            Mixture(["t", "kde"], [1])
        for weights in ([-1, 2], [0, 0]):
            with pytest.raises(ValueError, match="weights must not be negative, nor all zero"):
                Mixture(["t", "kde"], weights)
        with pytest.raises(TypeError, match="noises must be a list"):
            Mixture("gaussian")

    @pytest.mark.parametrize(
        ("sampler", "log_density", "words"),
        [
            (lambda n, rng: rng.normal(size=n), lambda x: -1.0, "the noise's logpdf must have shape"),
            (lambda n, rng: rng.normal(size=n), lambda x: np.full(len(x), np.nan), "logpdf must not hold NaN"),
            (lambda n, rng: rng.normal(size=(n, 1)), lambda x: -(x**2), r"the noise's rvs must have shape \(\d+,\)"),
            (lambda n, rng: rng.normal(size=n + 1), lambda x: -(x**2), r"the noise's rvs must have shape \(\d+,\)"),
        ],
    )
    def test_bad_parts_of_mixtures(self, sampler, log_density, words):
        x = np.random.default_rng(0).normal(size=50)
        with pytest.raises(ValueError, match=words):
            ExponentialFamily([lambda x: x]).fit(x, [(sampler, log_density), "gaussian"], rng=0)

    def test_weights_whose_sum_is_too_large(self):
        assert Mixture(["t", "kde"], [1e308, 3e307]).weights.tolist() == Mixture(["t", "kde"], [10, 3]).weights.tolist()

    @pytest.mark.parametrize("noise", NAMES)
    def test_data_without_spread(self, noise):
        with pytest.raises(ValueError, match="x has no spread in some direction"):
            ExponentialFamily([lambda x: x]).fit([1.0, 1.0, 1.0], noise, rng=0)

    @pytest.mark.parametrize("noise", ["gaussian", "t", "kde"])
    def test_data_without_spread_but_for_rounding(self, noise):
        rng = np.random.default_rng(0)
        z = rng.normal(size=(300, 2))
        for _ in range(20):
            constant, weights = np.full((300, 1), rng.uniform(-9, 9)), rng.normal(size=2)
            for column in (constant, z @ weights[:, None] + constant):
                with pytest.raises(ValueError, match="x has no spread in some direction"):
                    noise_of(noise, np.append(z, column, axis=1))
        noise_of(noise, z * [1e-6, 1e6] + [1e6, 1e-6])

    @pytest.mark.parametrize(("d", "n"), [(1, 300), (10, 300), (20, 500)])
    def test_kernels_do_not_follow_the_data_that_they_stand_at(self, d, n):
        """The normalisation of a normal density, in units of its error: without bias in many dimensions too."""
        off = []
        for seed in range(4):
            x = np.random.default_rng(seed).normal(size=(n, d))
            model = ExponentialFamily(lambda x: np.c_[x, -(x**2)]).fit(x, "kde", rng=seed)
            off.append((model.log_z - d / 2 * np.log(2 * np.pi)) / model.log_z_stderr)
        assert abs(np.mean(off)) < 2

    def test_a_part_of_a_mixture_that_is_drawn_once(self):
        x = np.random.default_rng(0).normal(size=(50, 2))
        mixed = Mixture(["gaussian", stats.multivariate_normal([0, 0])], [0.998, 0.002])
        for seed in range(8):
            assert ExponentialFamily(lambda x: np.c_[x, -(x**2)]).fit(x, mixed, rng=seed).iterations > 0


class TestEvidence:
    def test_banana(self):
        """x normal, y normal around x**2 / 2: exp(-x**2 / 2 - (y - x**2 / 2)**2 / 2)."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal(8000)
        points = np.stack([x, x**2 / 2 + rng.standard_normal(8000)], axis=1)

        def features(p):
            x, y = p.T
            return np.stack([-(x**2) / 2, -(y**2) / 2, x**2 * y, -(x**4)], axis=1)

        model = ExponentialFamily(features).fit(points, ["t", "kde"], nu=5, rng=1)
        assert np.all(abs(model.params - [1, 1, 0.5, 0.125]) < 4.5 * model.stderr)
        assert abs(model.log_z - math.log(2 * math.pi)) < 4.5 * model.log_z_stderr

    def test_precision_matrix_and_maximum_likelihood(self):
        d = 5
        rng = np.random.default_rng(3)
        mixed = rng.normal(size=(d, d))
        x = rng.multivariate_normal(np.zeros(d), mixed @ mixed.T + np.eye(d), 5000)
        rows, columns = np.triu_indices(d)

        def features(x):
            return -x[:, rows] * x[:, columns] * np.where(rows == columns, 0.5, 1.0)

        model = ExponentialFamily(features).fit(x, nu=10, rng=4)
        best = np.linalg.inv(x.T @ x / len(x))
        # Noise of ten times the data costs less than a tenth of the variance.
        assert np.all(abs(model.params - best[rows, columns]) < 2 * model.stderr)
        log_z = 0.5 * d * math.log(2 * math.pi) - 0.5 * np.linalg.slogdet(best)[1]
        assert model.log_z == pytest.approx(log_z, abs=0.1)

    def test_log_partition_of_a_chain(self):
        """Label sequences of a tiny CRF told from uniform ones: log Z is what the chain's recursion gives."""
        rng = np.random.default_rng(5)
        emissions, moves = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
        labels = chain.sample(emissions, moves, size=20_000, rng=6)

        def score(y):
            y = y.astype(int)
            return emissions[np.arange(4), y].sum(axis=1) + moves[y[:, :-1], y[:, 1:]].sum(axis=1)

        uniform = lambda size, rng: rng.integers(3, size=(size, 4)), lambda y: np.full(len(y), -4 * math.log(3))
        model = ExponentialFamily(lambda y: score(y)[:, None]).fit(labels, uniform, nu=5, rng=7)
        assert abs(model.params[0] - 1) < 4.5 * model.stderr[0]
        assert abs(model.log_z - chain.log_partition(emissions, moves)) < 4.5 * model.log_z_stderr

    def test_coverage(self):
        """95 % intervals hold the truth as often as they say: 200 fits, five standard deviations."""
        within = np.zeros(2)
        for seed in range(200):
            x = np.random.default_rng(seed).normal(size=300)
            model = ExponentialFamily([lambda x: -0.5 * x**2]).fit(x, "t", nu=5, rng=seed)
            within += [
                abs(model.params[0] - 1) < 1.96 * model.stderr[0],
                abs(model.log_z - 0.5 * math.log(2 * math.pi)) < 1.96 * model.log_z_stderr,
            ]
        assert np.all(abs(within - 190) < 5 * math.sqrt(200 * 0.95 * 0.05))

    def test_any_energy_takes_the_same_noise(self):
        x = np.random.default_rng(8).standard_t(5, 4000)
        model = nce.fit(lambda theta, x: -0.5 * ((x - theta[0]) ** 2), x, [0.5], ["t", "kde"], rng=0)
        assert abs(model.params[0]) < 0.5
