"""The search for least squares, apart from what it is used for: certified problems, bounds, units, bad starts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastcore.ode._descent import descend
from fastcore.ode._search import minimise

# Data, starts and certified values of NIST's Statistical Reference Datasets for nonlinear regression, of higher
# difficulty; https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml
_BOX = np.array([1, 2, 3, 5, 7, 10.0]), np.array([109, 149, 149, 191, 213, 224.0])
_KOWALIK = (
    np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625]),
    np.array([0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]),
)
_MEYER = (
    np.arange(50.0, 126, 5),
    np.array([34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872.0]),
)


def box(b):
    (x, y), e = _BOX, np.exp(-b[1] * _BOX[0])
    return b[0] * (1 - e) - y, np.array([1 - e, b[0] * x * e]).T


def kowalik(b):
    x, y = _KOWALIK
    above, below = x * x + b[1] * x, x * x + b[2] * x + b[3]
    of_below = -b[0] * above / below**2
    return b[0] * above / below - y, np.array([above / below, b[0] * x / below, of_below * x, of_below]).T


def meyer(b):
    x, y = _MEYER
    if abs(b[1] / (x[0] + b[2])) > 100:
        return None
    e = np.exp(b[1] / (x + b[2]))
    return b[0] * e - y, np.array([e, b[0] * e / (x + b[2]), -b[0] * e * b[1] / (x + b[2]) ** 2]).T


def rosenbrock(b):
    return np.array([10 * (b[1] - b[0] ** 2), 1 - b[0]]), np.array([[-20 * b[0], 10], [-1, 0.0]])


def helix(b):
    """Fletcher and Powell's helical valley."""
    turn, r = np.arctan2(b[1], b[0]) / (2 * np.pi), np.hypot(b[0], b[1])
    of_turn = np.array([-b[1], b[0]]) / (2 * np.pi * r**2)
    rows = [[*(-100 * of_turn), 10], [10 * b[0] / r, 10 * b[1] / r, 0], [0, 0, 1]]
    return np.array([10 * (b[2] - 10 * turn), 10 * (r - 1), b[2]]), np.array(rows)


CERTIFIED = [
    (box, (1, 1), (2.1380940889e02, 5.4723748542e-01), 1.1680088766e03),
    (box, (100, 0.75), (2.1380940889e02, 5.4723748542e-01), 1.1680088766e03),
    (kowalik, (0.25, 0.39, 0.415, 0.39), (1.9280693458e-1, 1.9128232873e-1, 1.2305650693e-1, 1.3606233068e-1),
     3.0750560385e-4),
    (meyer, (0.02, 4000, 250), (5.6096364710e-3, 6.1813463463e3, 3.4522363462e2), 8.7945855171e1),
    (rosenbrock, (-1.2, 1), (1, 1), 0),
    (helix, (-1, 0, 0), (1, 0, 0), 0),
]  # fmt: skip


def search(evaluate, first, low=-np.inf, high=np.inf, units=None, reach=np.inf, noise=0.0):
    first = np.array(first, float)
    low, high = np.full(len(first), low, float), np.full(len(first), high, float)
    units = np.where(first == 0, 1, np.abs(first)) if units is None else np.full(len(first), float(units))
    return descend(evaluate, first, low, high, units, reach, noise)


class TestCertified:
    @pytest.mark.parametrize(("evaluate", "first", "best", "sse"), CERTIFIED)
    def test_certified(self, evaluate, first, best, sse):
        found = search(evaluate, first)
        np.testing.assert_allclose(found.theta, best, rtol=1e-6, atol=1e-9)
        assert found.sse == pytest.approx(sse, rel=1e-9, abs=1e-20) and found.settled

    @pytest.mark.parametrize(("evaluate", "first", "best", "sse"), CERTIFIED)
    @pytest.mark.parametrize("scale", [1e-12, 1e12])
    def test_other_units_of_the_data(self, evaluate, first, best, sse, scale):
        def scaled(b):
            found = evaluate(b)
            return found and (scale * found[0], scale * found[1])

        found = search(scaled, first)
        np.testing.assert_allclose(found.theta, best, rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize(("evaluate", "first", "best", "sse"), CERTIFIED)
    @pytest.mark.parametrize("scale", [1e-12, 1e12])
    def test_other_units_of_the_parameters(self, evaluate, first, best, sse, scale):
        def scaled(b):
            found = evaluate(b / scale)
            return found and (found[0], found[1] / scale)

        first = np.array(first, float)
        found = search(scaled, scale * first, units=scale * np.where(first == 0, 1, np.abs(first)).max())
        np.testing.assert_allclose(found.theta / scale, best, rtol=1e-6, atol=1e-9)

    def test_numbers_of_parameters(self):
        """Extended Rosenbrock: valleys side by side."""

        def many(b):
            parts = [rosenbrock(pair) for pair in b.reshape(-1, 2)]
            jacobian = np.zeros((len(b), len(b)))
            for i, (_, part) in enumerate(parts):
                jacobian[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = part
            return np.concatenate([part for part, _ in parts]), jacobian

        found = search(many, [-1.2, 1] * 25)
        np.testing.assert_allclose(found.theta, 1.0, rtol=1e-8)
        one = search(lambda b: (b**2 - 2, 2 * b[:, None]), [1.0])
        assert one.theta[0] == pytest.approx(np.sqrt(2), rel=1e-12)


class TestBounds:
    @given(st.integers(0, 10_000))
    @example(285)
    @example(387)
    @settings(deadline=None)
    def test_linear_problems_as_scipy_has_them(self, seed):
        from scipy.optimize import lsq_linear

        rng = np.random.default_rng(seed)
        k = int(rng.integers(1, 6))
        m = k + int(rng.integers(0, 5))
        a, y = rng.normal(size=(m, k)), rng.normal(size=m)
        low = rng.normal(size=k) - 0.5
        high = low + rng.uniform(0.1, 2, k)
        first = rng.uniform(low, high)
        found = descend(lambda b: (a @ b - y, a), first, low, high, np.ones(k), np.inf, 0.0)
        assert (low <= found.theta).all() and (found.theta <= high).all() and found.settled
        expected = 2 * lsq_linear(a, y, (low, high), method="bvls").cost
        assert found.sse == pytest.approx(expected, rel=1e-7, abs=1e-12)

    @pytest.mark.parametrize("first", [(-1.2, 1), (-2, 0), (0.5, -3), (-0.3, 0.25)])
    def test_a_valley_that_a_bound_cuts(self, first):
        found = search(rosenbrock, first, high=np.array([0.5, 3]))
        np.testing.assert_allclose(found.theta, [0.5, 0.25], rtol=1e-7)
        assert found.sse == pytest.approx(0.25) and found.settled

    def test_a_start_at_bounds_goes_on(self):
        found = search(rosenbrock, (-1.2, 1), low=np.array([-1.2, -1]), high=np.array([2, 1]))
        np.testing.assert_allclose(found.theta, 1.0, rtol=1e-9)

    def test_what_nothing_depends_on_stays(self):
        found = search(lambda b: (np.array([b[0] - 3]), np.array([[1.0, 0.0]])), (1, 7))
        np.testing.assert_allclose(found.theta, [3, 7])
        flat = search(lambda b: (np.ones(2), np.zeros((2, 1))), [5.0])
        assert flat.theta[0] == 5 and flat.settled and flat.sse == 2

    def test_fewer_residuals_than_parameters(self):
        found = search(lambda b: (np.array([b.sum() - 3]), np.ones((1, 3))), (0, 0, 0))
        np.testing.assert_allclose(found.theta, 1.0)


class TestSteps:
    def test_no_step_is_longer_than_the_reach(self):
        seen = []

        def evaluate(b):
            seen.append(b[0])
            return np.array([b[0] - 100]), np.array([[1.0]])

        found = search(evaluate, [0.0], reach=1.0)
        assert found.theta[0] == 100 and np.abs(np.diff(seen)).max() <= 1.1
        seen.clear()
        search(evaluate, [0.0])
        assert abs(seen[1]) <= 1.1 and len(seen) < 15

    def test_a_point_without_residuals_is_a_step_too_far(self):
        def evaluate(b):
            return (np.log(b), 1 / b[:, None]) if 0 < b[0] < 40 else None

        found = search(evaluate, [30.0], units=1e6)
        assert found.theta[0] == pytest.approx(1, rel=1e-9)
        assert search(evaluate, [-1.0]) is None
        assert search(lambda b: (np.full(2, 1e200), np.ones((2, 1))), [1.0]) is None  # no sum of squares

    def test_every_search_ends(self):
        """Noise, a slope that lies, a sum of squares that falls for ever."""
        rng, calls = np.random.default_rng(0), [0]

        def noisy(b):
            calls[0] += 1
            return b - 3 + 1e-3 * rng.normal(size=2), np.eye(2)

        assert search(noisy, [0.0, 0.0], noise=1e-3).theta == pytest.approx([3, 3], abs=0.02)
        assert calls[0] < 100
        lied = search(lambda b: (1 + b**2, -1 - b[:, None] ** 2), [1.0])
        assert lied.theta[0] == pytest.approx(1) or lied.sse < 4
        falls = search(lambda b: (np.exp(-b), -np.exp(-b)[:, None]), [0.0], reach=1.0)
        assert not falls.settled and "100 evaluations" in falls.message

    def test_the_best_start_is_taken_and_each_is_told(self):
        def evaluate(b):  # minima of 1 at -2 and of 0 at 2
            return None if b[0] > 5 else (np.array([(b[0] ** 2 - 4), (b[0] - 2) / 4]), np.array([[2 * b[0]], [0.25]]))

        begin = [np.array([-3.0]), np.array([9.0]), np.array([3.0])]
        wide = np.full(1, np.inf)
        found = minimise(evaluate, begin, -wide, wide, np.ones(1), np.inf, 0.0)
        assert found.theta[0] == pytest.approx(2) and found.converged
        assert found.sse[0] == pytest.approx(1, rel=0.02) and np.isnan(found.sse[1]) and found.sse[2] < 1e-12
        assert minimise(evaluate, begin[1:2], -wide, wide, np.ones(1), np.inf, 0.0) is None
