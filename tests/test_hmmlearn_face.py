"""The face of hmmlearn: its compiled part's functions, and how they are put in their place."""

from __future__ import annotations

import itertools
import math
import sys
import types

import numpy as np
import pytest

from fastcore.compat import hmmlearn
from fastcore.compat.hmmlearn import _hmmc

START = np.array([0.6, 0.4, 0.0])
MOVES = np.array([[0.7, 0.3, 0.0], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
SHOWN = np.array([[0.5, 0.1, 0.2], [0.4, 0.3, 0.1], [0.1, 0.6, 0.3], [0.2, 0.0, 0.7]])


def logs(values):
    with np.errstate(divide="ignore"):
        return np.log(values)


def weights():
    """Every path and its probability with what is shown."""
    for path in itertools.product(range(3), repeat=len(SHOWN)):
        moves = math.prod(MOVES[a, b] for a, b in itertools.pairwise(path))
        yield path, START[path[0]] * moves * math.prod(SHOWN[t, state] for t, state in enumerate(path))


TOTAL = math.fsum(weight for _, weight in weights())
PAIRS = np.zeros((3, 3))
NODES = np.zeros(SHOWN.shape)
for _path, _weight in weights():
    for _a, _b in itertools.pairwise(_path):
        PAIRS[_a, _b] += _weight / TOTAL
    NODES[range(len(SHOWN)), _path] += _weight / TOTAL


class TestFunctions:
    def test_scaled(self, backend):
        log_prob, forward, factors = _hmmc.forward_scaling(START, MOVES, SHOWN)
        assert log_prob == pytest.approx(math.log(TOTAL), rel=1e-14)
        np.testing.assert_allclose(forward.sum(axis=1), 1)
        assert math.prod(1 / factors) == pytest.approx(TOTAL, rel=1e-14)
        backward = _hmmc.backward_scaling(START, MOVES, SHOWN, factors)
        nodes = forward * backward
        np.testing.assert_allclose(nodes / nodes.sum(axis=1, keepdims=True), NODES, atol=1e-15)
        np.testing.assert_allclose(_hmmc.compute_scaling_xi_sum(forward, MOVES, backward, SHOWN), PAIRS, atol=1e-15)

    def test_logs(self, backend, monkeypatch):
        log_prob, forward = _hmmc.forward_log(START, MOVES, logs(SHOWN))
        assert log_prob == pytest.approx(math.log(TOTAL), rel=1e-14)
        backward = _hmmc.backward_log(START, MOVES, logs(SHOWN))
        np.testing.assert_allclose(np.exp(forward + backward - log_prob), NODES, atol=1e-14)
        for cells, most in ((1 << 18, 600.0), (1 << 18, -1e3), (1, -1e3)):
            monkeypatch.setattr(_hmmc, "CELLS", cells)
            monkeypatch.setattr(_hmmc, "MOST", most)
            found = _hmmc.compute_log_xi_sum(forward, MOVES, backward, logs(SHOWN))
            np.testing.assert_allclose(np.exp(found), PAIRS, atol=1e-14)
            assert found[0, 2] == -np.inf

    def test_a_forbidden_pair_of_likely_states(self, backend):
        # Each state shows itself alone: what is forbidden from 0 to 2 would be e^1600 times as likely as what happens.
        shown = np.array([[0.0, -900.0, -900.0], [-900.0, -900.0, 0.0]])
        forward, backward = _hmmc.forward_log(START, MOVES, shown)[1], _hmmc.backward_log(START, MOVES, shown)
        found = _hmmc.compute_log_xi_sum(forward, MOVES, backward, shown)
        assert found[0, 2] == -np.inf
        assert np.exp(found).sum() == pytest.approx(1, rel=1e-12)

    def test_viterbi(self, backend):
        best, weight = max(weights(), key=lambda entry: entry[1])
        log_prob, path = _hmmc.viterbi(START, MOVES, logs(SHOWN))
        assert tuple(path) == best and log_prob == pytest.approx(math.log(weight))
        assert path.dtype == np.int64

    def test_one_step(self, backend):
        assert _hmmc.forward_scaling(START, MOVES, SHOWN[:1])[0] == pytest.approx(math.log(0.34))
        assert _hmmc.backward_log(START, MOVES, logs(SHOWN[:1])).tolist() == [[0, 0, 0]]
        forward = _hmmc.forward_log(START, MOVES, logs(SHOWN[:1]))[1]
        assert (_hmmc.compute_log_xi_sum(forward, MOVES, np.zeros((1, 3)), logs(SHOWN[:1])) == -np.inf).all()
        assert (_hmmc.compute_scaling_xi_sum(SHOWN[:1], MOVES, SHOWN[:1], SHOWN[:1]) == 0).all()

    def test_nothing_is_possible(self, backend):
        shown = SHOWN.copy()
        shown[2] = 0
        with pytest.raises(ValueError, match="forward pass failed with underflow; consider using implementation='log'"):
            _hmmc.forward_scaling(START, MOVES, shown)
        assert _hmmc.forward_log(START, MOVES, logs(shown))[0] == -np.inf
        log_prob, path = _hmmc.viterbi(START, MOVES, logs(shown))
        assert log_prob == -np.inf and path.tolist() == [0, 0, 0, 0]

    def test_long_and_small(self, backend):
        shown = np.tile(SHOWN * 1e-200, (backend.size(500, 50), 1))
        log_prob, forward, factors = _hmmc.forward_scaling(START, MOVES, shown)
        assert log_prob == pytest.approx(_hmmc.forward_log(START, MOVES, logs(shown))[0], rel=1e-12)
        backward = _hmmc.backward_scaling(START, MOVES, shown, factors)
        sums = _hmmc.compute_scaling_xi_sum(forward, MOVES, backward, shown)
        assert sums.sum() == pytest.approx(len(shown) - 1, rel=1e-10)

    def test_shapes_and_types(self, backend):
        for call in (
            lambda: _hmmc.forward_scaling(START[:2], MOVES, SHOWN),
            lambda: _hmmc.forward_log(START, MOVES[:2], SHOWN),
            lambda: _hmmc.backward_scaling(START, MOVES, SHOWN, np.ones(3)),
            lambda: _hmmc.backward_log(START, MOVES[:2, :2], SHOWN),
            lambda: _hmmc.compute_scaling_xi_sum(SHOWN[:2], MOVES, SHOWN, SHOWN),
            lambda: _hmmc.compute_log_xi_sum(SHOWN, MOVES, SHOWN[:, :2], SHOWN),
            lambda: _hmmc.viterbi(START, MOVES, SHOWN[:, :2]),
            lambda: _hmmc.viterbi(START, MOVES, SHOWN[:0]),
        ):
            with pytest.raises(ValueError, match="shape mismatch"):
                call()
        with pytest.raises(ValueError, match="array has incorrect number of dimensions: 2; expected 1"):
            _hmmc.viterbi(MOVES, MOVES, SHOWN)
        with pytest.raises(TypeError, match="incompatible function arguments"):
            _hmmc.viterbi(["a"], MOVES, SHOWN)
        as_lists = _hmmc.viterbi(START.tolist(), MOVES.tolist(), logs(SHOWN).tolist())
        assert as_lists[1].tolist() == _hmmc.viterbi(START, MOVES, logs(SHOWN))[1].tolist()


@pytest.fixture
def theirs(monkeypatch):
    """As much of hmmlearn as is looked at: a package whose modules have its compiled part."""
    compiled = types.ModuleType("hmmlearn._hmmc")
    package, base = types.ModuleType("hmmlearn"), types.ModuleType("hmmlearn.base")
    package.__path__ = []
    package.base, package._hmmc, base._hmmc = base, compiled, compiled
    for module in (package, base, compiled):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    yield types.SimpleNamespace(package=package, base=base, compiled=compiled)
    hmmlearn.uninstall()


class TestInstall:
    @staticmethod
    def places(theirs):
        return theirs.package._hmmc, theirs.base._hmmc, sys.modules["hmmlearn._hmmc"]

    def test_and_back(self, theirs):
        hmmlearn.install()
        assert self.places(theirs) == (_hmmc,) * 3
        hmmlearn.uninstall()
        assert self.places(theirs) == (theirs.compiled,) * 3
        hmmlearn.uninstall()
        assert self.places(theirs) == (theirs.compiled,) * 3

    def test_for_a_block(self, theirs):
        with hmmlearn.install():
            assert self.places(theirs) == (_hmmc,) * 3
            with hmmlearn.install():
                pass
            assert self.places(theirs) == (_hmmc,) * 3
        assert self.places(theirs) == (theirs.compiled,) * 3
        with pytest.raises(KeyError), hmmlearn.install():
            raise KeyError
        assert self.places(theirs) == (theirs.compiled,) * 3

    def test_without_hmmlearn(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "hmmlearn", None)
        with pytest.raises(ImportError, match=r"install needs hmmlearn: pip install 'fastcore-kernels\[hmmlearn\]'"):
            hmmlearn.install()
