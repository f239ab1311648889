"""A softmax over many classes, fitted against a few drawn ones, scored with all of them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from fastcore.nce import Softmax, fit_softmax


def drawn(n: int, d: int, k: int, seed: int) -> tuple:
    """Rows, classes drawn from a softmax, and its parameters: some classes a hundred times rarer than others."""
    rng = np.random.default_rng(seed)
    x, coef, intercept = rng.normal(size=(n, d)), rng.normal(size=(k, d)), -4.6 * np.arange(k) / k
    return x, (x @ coef.T + intercept + rng.gumbel(size=(n, k))).argmax(axis=1), coef, intercept


def full_softmax(x, y, k: int) -> float:
    """The loss of maximum likelihood, all classes in every step."""
    rows, d = np.append(x, np.ones((len(x), 1)), axis=1), x.shape[1] + 1

    def objective(flat):
        scores = rows @ flat.reshape(k, d).T
        scores -= scores.max(axis=1, keepdims=True)
        chances = np.exp(scores)
        total = chances.sum(axis=1)
        loss = (np.log(total) - scores[np.arange(len(x)), y]).mean()
        chances /= total[:, None]
        chances[np.arange(len(x)), y] -= 1
        return loss, (chances.T @ rows / len(x)).ravel()

    return minimize(objective, np.zeros(k * d), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).fun


class TestFitSoftmax:
    def test_as_good_as_maximum_likelihood(self):
        """A seventh of the classes are looked at for each row; the full softmax is nearly as good."""
        k = 70
        x, y, coef, intercept = drawn(3000, 3, k, 0)
        best = full_softmax(x, y, k)
        losses = [fit_softmax(x, y, n_classes=k, nu=nu, rng=1).log_loss(x, y) for nu in (1, 10)]
        assert best < losses[1] < losses[0] and losses[1] - best < 0.25 * (losses[0] - best)
        assert losses[1] - best < 0.05
        truth = Softmax(coef, intercept, 0.0, 0)
        assert abs(losses[1] - truth.log_loss(x, y)) < 0.1

    def test_parameters_are_found(self):
        x, y, coef, intercept = drawn(15_000, 2, 8, 2)
        model = fit_softmax(x, y, nu=7, rng=3)
        # Up to what all classes have in common.
        np.testing.assert_allclose(model.coef - model.coef.mean(axis=0), coef - coef.mean(axis=0), atol=0.25)
        shifted = model.intercept - model.intercept.mean()
        np.testing.assert_allclose(shifted, intercept - intercept.mean(), atol=0.25)
        assert model.log_loss(x, y) < 1.002 * Softmax(coef, intercept, 0.0, 0).log_loss(x, y)

    @pytest.mark.parametrize("penalty", [0.0, 1e-5, 0.1])
    def test_units_and_origins_of_features_do_not_matter(self, penalty):
        x, y, *_ = drawn(2000, 3, 4, 6)
        plain = fit_softmax(x, y, nu=4, rng=7, penalty=penalty)
        for factor, shift in (([1, 1e3, 1e-3], 0), (1, 2024), (1, 1e6), (1e150, 0), (1e-150, 0), (30, [0, 5e4, -7])):
            other = fit_softmax(x * factor + shift, y, nu=4, rng=7, penalty=penalty)
            assert other.loss == pytest.approx(plain.loss, rel=1e-7)
            assert (other.predict(x * factor + shift) == plain.predict(x)).mean() > 0.999
        constant = fit_softmax(np.c_[x, np.full(len(x), 0.1)], y, nu=4, rng=7, penalty=penalty)
        assert constant.loss == pytest.approx(plain.loss, rel=1e-6)

    def test_results(self):
        x, y, *_ = drawn(300, 2, 5, 4)
        model = fit_softmax(x, y, nu=3, rng=5, penalty=0.01)
        proba = np.exp(model.log_proba(x))
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
        assert model.predict(x).tolist() == proba.argmax(axis=1).tolist()
        assert model.log_loss(x, y) == pytest.approx(-np.log(proba[np.arange(300), y]).mean(), rel=1e-12)
        again = fit_softmax(x, y, nu=3, rng=5, penalty=0.01)
        assert again.coef.tolist() == model.coef.tolist() and repr(model) == "<Softmax of 5 classes on 2 features>"
        heavy = fit_softmax(x, y, nu=3, rng=5, penalty=10.0)
        assert np.abs(heavy.coef).max() < 0.1 * np.abs(model.coef).max()

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"x": [1.0, 2]}, ValueError, "x must have 2 dimensions"),
            ({"x": [[1.0], [math.nan]]}, ValueError, "x must not hold NaN"),
            ({"y": [0]}, ValueError, "y must hold a class for each of 2 rows"),
            ({"y": [0, -1]}, ValueError, "y must lie in"),
            ({"y": [0.5, 1]}, TypeError, "y must be integers"),
            ({"n_classes": 1}, ValueError, "n_classes must be between 2 and"),
            ({"nu": 0}, ValueError, "nu must be between 1"),
            ({"penalty": -1}, ValueError, "penalty must be finite and at least 0"),
            ({"noise_exponent": math.inf}, ValueError, "noise_exponent must be finite"),
            ({"noise_exponent": -300}, ValueError, "noise_exponent must be finite and at least -10"),
            ({"y": [0, 2**62]}, ValueError, "y must lie in"),
            ({"n_classes": 2**62}, ValueError, "n_classes must be between 2 and"),
            ({"max_iterations": 0}, ValueError, "max_iterations must be at least 1"),
        ],
    )
    def test_bad_input(self, options, error, words):
        with pytest.raises(error, match=words):
            fit_softmax(**{"x": [[1.0], [2.0]], "y": [0, 1], **options})

    @pytest.mark.parametrize("exponent", [-10, 10])
    def test_noise_as_uneven_as_may_be(self, exponent):
        model = fit_softmax(np.ones((5000, 1)), [0] * 4999 + [1], noise_exponent=exponent, nu=1, rng=0)
        assert np.isfinite([*model.coef.ravel(), *model.intercept, model.loss]).all()

    def test_columns_are_read_by_name(self):
        x, y, *_ = drawn(300, 2, 5, 4)
        plain = fit_softmax(x, y, rng=0)
        table = pd.DataFrame(x, columns=["a", "b"])
        model = fit_softmax(table, y, rng=0)
        turned = table[["b", "a"]]
        assert model.columns == ("a", "b")
        assert (model.log_proba(turned) == plain.log_proba(x)).all()
        assert (model.predict(turned) == plain.predict(x)).all()
        assert model.log_loss(turned, y) == plain.log_loss(x, y)
        with pytest.raises(ValueError, match="'b' is missing"):
            model.predict(table[["a"]])

    def test_infinite_features(self):
        model = fit_softmax([[1.0], [2.0]], [0, 1], rng=0)
        for call in (model.log_proba, model.predict, lambda x: model.log_loss(x, [0])):
            with pytest.raises(ValueError, match="x must be finite"):
                call([[math.inf]])

    def test_a_bound_that_is_hit_is_said(self):
        x, y, *_ = drawn(300, 2, 5, 4)
        with pytest.raises(RuntimeError, match="did not converge in max_iterations=2"):
            fit_softmax(x, y, max_iterations=2, rng=0)

    def test_labels_that_are_no_numbers_of_classes(self):
        x, y = np.arange(5.0)[:, None], [0, 1, 2, 3, 2**31 - 2]
        with pytest.raises(
            ValueError, match=r"y must hold classes 0, 1, .*, got 2147483646 among 5 rows: give n_classes"
        ):
            fit_softmax(x, y)
        y[-1] = 5001
        with pytest.raises(ValueError, match="give n_classes"):
            fit_softmax(x, y)
        assert len(fit_softmax(x, y, n_classes=5002, rng=0).coef) == 5002
        y[-1] = 4999
        assert len(fit_softmax(x, y, rng=0).coef) == 5000
