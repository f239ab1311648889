"""Long chains: rounding must not grow with the length, whatever the scores."""

from __future__ import annotations

import math
import platform
import sys

import numpy as np
import pytest

from fastcore import chain

from .helpers import run_script

INF = np.inf


def wide(length, seed=1, labels=4):
    """Scores around 100 and two forbidden transitions: more than scaled numbers can hold."""
    rng = np.random.default_rng(seed)
    transitions = 3 * rng.normal(size=(labels, labels))
    transitions[0, 2] = transitions[3, 1] = -INF
    return 100 * rng.normal(size=(length, labels)), transitions


def left_right(length, seed=2, labels=5):
    """A left-right Gaussian hidden Markov model on data that step through its states once."""
    rng = np.random.default_rng(seed)
    transitions = np.full((labels, labels), -INF)
    stay = np.arange(labels)
    transitions[stay, stay] = np.log(1 - labels / length)
    transitions[stay[:-1], stay[1:]] = np.log(labels / length)
    transitions[-1, -1] = 0.0
    states = np.arange(length) * labels // length
    distance = rng.normal(size=length) + 4 * states
    return -0.5 * (distance[:, None] - 4 * np.arange(labels)) ** 2, transitions


def mixing(length, seed=3, labels=4):
    """Scores that scaled numbers hold, without a forbidden transition."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(length, labels)), rng.normal(size=(labels, labels))


def constant(length, labels=3):
    """The same score everywhere: rounding errors have one sign."""
    return np.full((length, labels), 0.1), np.zeros((labels, labels))


BATCHES = [wide, left_right, mixing, constant]


def _log_sum(values, axis):
    top = values.max(axis=axis, keepdims=True)
    return (top + np.log(np.exp(values - top).sum(axis=axis, keepdims=True))).squeeze(axis)


def extended(emissions, transitions):
    """Log-partition, nodes, counts, entropy and scaled forward columns, normalised at each step, in long double."""
    e, move = emissions.astype(np.longdouble), transitions.astype(np.longdouble)
    length, labels = e.shape
    with np.errstate(divide="ignore"):
        alpha, beta = np.zeros((2, length, labels), np.longdouble)
        scales, h = np.zeros(length, np.longdouble), np.zeros(labels, np.longdouble)
        for t in range(length):
            row = e[t]
            if t:
                into = alpha[t - 1][:, None] + move
                row = _log_sum(np.maximum(into, -1e4000), 0) + e[t]
                share = np.exp(into - _log_sum(np.maximum(into, -1e4000), 0))
                h = (share * (h[:, None] - np.log(np.where(share > 0, share, 1)))).sum(axis=0)
            scales[t] = _log_sum(row, 0)
            alpha[t] = row - scales[t]
        for t in range(length - 2, -1, -1):
            row = _log_sum(np.maximum(move + e[t + 1] + beta[t + 1], -1e4000), 1)
            beta[t] = row - _log_sum(row, 0)
        both = alpha + beta
        nodes = np.exp(both - _log_sum(both, 1)[:, None])
        counts = np.zeros((labels, labels), np.longdouble)
        for t in range(1, length):
            step = alpha[t - 1][:, None] + move + e[t] + beta[t]
            counts += np.exp(step - _log_sum(step.ravel(), 0))
    last = np.exp(alpha[-1])
    entropy = (last * (h - np.where(last > 0, alpha[-1], 0))).sum()
    return scales.sum(), nodes, counts, entropy, np.cumsum(scales), np.exp(alpha)


def bound(emissions):
    """What the contract allows: 1e-12 of the scores' size."""
    return 1e-12 * max(1.0, float(np.abs(emissions).max(axis=1).sum()))


@pytest.mark.parametrize("make", BATCHES, ids=lambda f: f.__name__)
class TestAgainstLongDouble:
    length = 1500

    def test_sums_and_expectations(self, backend, make):
        emissions, transitions = make(self.length)
        log_z, nodes, counts, entropy, scales, columns = extended(emissions, transitions)
        found = chain.marginals(emissions, transitions)
        assert abs(found.log_partition - float(log_z)) <= bound(emissions) / 100
        assert found.log_partition == pytest.approx(float(chain.log_partition(emissions, transitions)), rel=1e-15)
        np.testing.assert_allclose(found.nodes, nodes.astype(float), rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.transitions, counts.astype(float), rtol=1e-12, atol=1e-10)
        assert chain.entropy(emissions, transitions) == pytest.approx(float(entropy), rel=1e-11, abs=1e-11)
        scaled = chain.forward_scaled(emissions, transitions)
        np.testing.assert_allclose(scaled.values, columns.astype(float), rtol=0, atol=1e-12)
        np.testing.assert_allclose(scaled.log_scale, scales.astype(float), rtol=1e-14, atol=1e-12)
        logs = chain.forward(emissions, transitions)[-1]
        assert float(_log_sum(logs, 0)) == pytest.approx(float(log_z), rel=1e-14)
        start = chain.backward_scaled(emissions, transitions).log_scale[0]
        first = chain.backward(emissions, transitions)[0]
        assert float(_log_sum(first, 0)) == pytest.approx(float(start), rel=1e-14, abs=1e-12)
        assert float(_log_sum(first + emissions[0], 0)) == pytest.approx(float(log_z), rel=1e-14)

    def test_single_precision_loses_only_its_own_rounding(self, backend, make):
        emissions, transitions = (a.astype(np.float32) for a in make(self.length))
        log_z, nodes, counts, *_ = extended(emissions, transitions)
        found = chain.marginals([emissions] * 3, transitions)
        np.testing.assert_allclose(found.nodes[1], nodes.astype(float), rtol=0, atol=1e-7)
        np.testing.assert_allclose(found.transitions[2], counts.astype(float), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.log_partition, np.full(3, float(log_z)), rtol=1e-7)
        # The loss is a difference of two large numbers, neither of which may be rounded to single precision.
        paths = chain.viterbi(emissions, transitions)[0]
        loss, grads = chain.loss_and_grad(emissions, transitions, paths)
        path = emissions[np.arange(len(paths)), paths].astype(np.longdouble).sum()
        path += transitions[paths[:-1], paths[1:]].astype(np.longdouble).sum()
        assert loss == pytest.approx(float(log_z - path), rel=1e-9, abs=bound(emissions))
        gradient = nodes.astype(float)
        gradient[np.arange(len(paths)), paths] -= 1
        np.testing.assert_allclose(grads.emissions, gradient, rtol=0, atol=1e-6)


class TestSinglePrecision:
    lengths = (40, 33, 0, 1, 2, *[57] * 20, 64, 65, 3, 90, 12)

    def batch(self, labels, scale, emission_scale):
        rng = np.random.default_rng(labels)
        emissions = [rng.normal(scale=emission_scale, size=(n, labels)).astype(np.float32) for n in self.lengths]
        ends = {k: rng.normal(size=labels).astype(np.float32) for k in ("start", "end")}
        return emissions, rng.normal(scale=scale, size=(labels, labels)).astype(np.float32), ends

    # Transitions that floats hold, that they don't, and that doubles don't either.
    @pytest.mark.parametrize("scale", [0.1, 1.0, 2.5, 30.0, 300.0])
    @pytest.mark.parametrize("emission_scale", [0.1, 1.0, 1000.0])
    @pytest.mark.parametrize("labels", [1, 2, 9, 17])
    def test_the_error_is_a_floats(self, backend, labels, scale, emission_scale):
        emissions, transitions, ends = self.batch(labels, scale, emission_scale)
        found = chain.log_partition(emissions, transitions, **ends)
        double = {k: v.astype(float) for k, v in ends.items()}
        exact = chain.log_partition([e.astype(float) for e in emissions], transitions.astype(float), **double)
        for got, wanted, scores in zip(found, exact, emissions):
            size = max(1.0, abs(wanted), float(np.abs(scores).max(axis=1).sum()))
            assert abs(got - wanted) <= 3e-7 * size
        assert found.tolist() == [chain.log_partition(e, transitions, **ends) for e in emissions]

    def test_what_is_far_below_the_best_may_win_later(self, backend):
        # Label 1 falls behind by more than a float holds, and wins it back; label 0 can't be left but at a price.
        emissions = np.zeros((400, 2), np.float32)
        emissions[0, 1] = -300.0
        emissions[1:, 0] = -5.0
        for off in (-2.0, -16.0, -20.0, -500.0, -INF):
            transitions = np.array([[0.0, off], [off, 0.0]], np.float32)
            exact = chain.log_partition(emissions.astype(float), transitions.astype(float))
            for many in (1, 40):
                found = chain.log_partition([emissions] * many, transitions)
                np.testing.assert_allclose(found, exact, rtol=1e-6)

    def test_forbidden_labels_and_steps(self, backend):
        emissions = np.zeros((20, 3), np.float32)
        emissions[4, 0] = emissions[7, 1:] = -INF
        nothing = emissions.copy()
        nothing[9] = -INF
        found = chain.log_partition([emissions, nothing] * 20, np.zeros((3, 3), np.float32))
        np.testing.assert_allclose(found[::2], 18 * math.log(3) + math.log(2), rtol=1e-6)
        assert (found[1::2] == -INF).all()

    def test_rounding_does_not_grow(self, backend):
        length = backend.size(1_000_000, 3000)
        emissions, transitions = (a.astype(np.float32) for a in constant(length))
        for batch in (emissions[None], np.stack([emissions] * 3)):
            np.testing.assert_allclose(chain.log_partition(batch, transitions), length * (math.log(3) + 0.1), rtol=1e-7)
        emissions, transitions = (a.astype(np.float32) for a in mixing(length))
        exact = chain.log_partition(emissions.astype(float), transitions.astype(float))
        np.testing.assert_allclose(chain.log_partition(emissions, transitions), exact, rtol=1e-7)


@pytest.mark.parametrize("make", BATCHES, ids=lambda f: f.__name__)
def test_a_million_steps_keep_the_sums(backend, make):
    length = backend.size(1_000_000, 2000)
    emissions, transitions = make(length)
    found = chain.marginals(emissions, transitions)
    assert np.abs(found.nodes.sum(axis=1) - 1).max() < 1e-12
    assert found.nodes.max() <= 1.0
    assert found.nodes.min() >= 0.0
    assert abs(found.transitions.sum() - (length - 1)) < 1e-12 * length
    # What enters a label leaves it, or is there at the end.
    np.testing.assert_allclose(
        found.transitions.sum(axis=0), found.nodes[1:].sum(axis=0), rtol=1e-10, atol=1e-10 * length
    )
    # The chain read from its end has the same sum.
    back = chain.log_partition(emissions[::-1], transitions.T)
    assert abs(found.log_partition - back) <= bound(emissions) / 100
    assert chain.forward_scaled(emissions, transitions).log_scale[-1] == pytest.approx(back, rel=1e-14)
    paths = chain.sample(emissions, transitions, rng=0)
    certain = found.nodes.max(axis=1) > 1 - 1e-12
    assert (paths == found.nodes.argmax(axis=1))[certain].all()
    assert np.isfinite(transitions[paths[:-1], paths[1:]]).all()


def test_equal_scores_have_a_known_sum(backend):
    length = backend.size(1_000_000, 5000)
    emissions, transitions = constant(length)
    expected = length * (math.log(3) + 0.1)
    # Three sequences: alone, and in company.
    for batch in (emissions[None], np.stack([emissions] * 3)):
        np.testing.assert_allclose(chain.log_partition(batch, transitions), expected, rtol=1e-14)
        np.testing.assert_allclose(chain.entropy(batch, transitions), length * math.log(3), rtol=1e-13)
        paths = np.zeros(batch.shape[:2], int)
        np.testing.assert_allclose(chain.path_score(batch, transitions, paths), length * 0.1, rtol=1e-15)


class TestExtremes:
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_sums_too_large_for_a_float_are_refused(self, backend, dtype, sign):
        scores = np.full((3, 2), sign * np.finfo(dtype).max / 2, dtype)
        zeros = np.zeros((2, 2), dtype)
        for function in (chain.log_partition, chain.viterbi, chain.marginals):
            with pytest.raises(ValueError, match=r"must sum to less than .* over 3 steps, got scores of size"):
                function(scores, zeros)
        with pytest.raises(ValueError, match="must sum to less than"):
            chain.log_partition(zeros[:1], zeros, start=2 * scores[0], end=scores[0])
        if dtype == np.float64:
            # Not for want of a legal path; nor is the given path forbidden, which would be a loss of infinity.
            for other in (scores[0, 0], 0.0):
                scores[:, 1] = other
                with pytest.raises(ValueError, match="must sum to less than"):
                    chain.loss_and_grad(scores, zeros, [0, 0, 0])

    @pytest.mark.parametrize("many", [1, 9])
    def test_large_scores_with_a_representable_sum(self, backend, many):
        emissions = np.array([[1e307, 0.0], [-1e307, 0.0], [1e307, -INF]])
        found = chain.marginals([emissions] * many, np.zeros((2, 2)))
        np.testing.assert_allclose(found.log_partition, 2e307, rtol=1e-12)
        np.testing.assert_allclose(found.nodes[-1], [[1, 0], [0, 1], [1, 0]])
        # Label 0 may not be entered, and label 1 may not be last.
        forbidden = chain.log_partition([emissions] * many, [[-INF, 0], [-INF, 0]])
        assert (forbidden == -INF).all()

    def test_no_more_places_than_paths(self, backend):
        zeros = np.zeros((2, 2))
        paths, scores = chain.viterbi_nbest(np.zeros((3, 2)), zeros, 10**9)
        assert paths.shape == (8, 3) and scores.tolist() == [0.0] * 8
        assert len(np.unique(paths, axis=0)) == 8
        paths, scores = chain.viterbi_nbest([np.zeros((1, 2)), np.zeros((2, 2))], zeros, 10**9)
        assert [p.shape for p in paths] == [(4, 1), (4, 2)] and scores[0].tolist() == [0.0, 0.0, -INF, -INF]
        assert chain.viterbi_nbest(np.zeros((50, 1)), [[0.0]], 10**9)[0].shape == (1, 50)
        with pytest.raises(ValueError, match=r"n must be at most .* for 100 steps over 2 labels, got 1000000000"):
            chain.viterbi_nbest(np.zeros((100, 2)), zeros, 10**9)


@pytest.mark.compiled
@pytest.mark.parametrize("isa", ["baseline", "v3", "v4"])
def test_every_instruction_set(isa):
    from fastcore import _isa

    if isa not in _isa.available():
        return
    script = """
import numpy as np
from fastcore import chain, use_backend
from tests.test_chain_long import BATCHES, INF
for make in BATCHES:
    emissions, transitions = make(400)
    lengths = [150, 0, 1, 99, 150]
    fast = chain.marginals(emissions, transitions, lengths=lengths)
    with use_backend("reference"):
        slow = chain.marginals(emissions, transitions, lengths=lengths)
    np.testing.assert_allclose(fast.nodes, slow.nodes, rtol=0, atol=1e-12)
    np.testing.assert_allclose(fast.transitions, slow.transitions, rtol=0, atol=1e-10)
    np.testing.assert_allclose(fast.log_partition, slow.log_partition, rtol=1e-13)
    alone = chain.marginals(emissions[250:], transitions)
    assert np.array_equal(fast.nodes[250:], alone.nodes)
    # Lanes of floats, and one sequence; paths of lanes and of one.
    small, moves = emissions.astype(np.float32), transitions.astype(np.float32)
    pieces = [small[k : k + 90 + k % 3] for k in range(40)]
    sums = chain.log_partition(pieces, moves)
    assert sums.tolist() == [chain.log_partition(piece, moves) for piece in pieces]
    exact = chain.log_partition([piece.astype(float) for piece in pieces], moves.astype(float))
    np.testing.assert_allclose(sums, exact, rtol=1e-6)
    paths, scores = chain.viterbi(pieces, moves)
    assert all(np.array_equal(path, chain.viterbi(piece, moves)[0]) for path, piece in zip(paths, pieces))
"""
    result = run_script(script, env={"FASTCORE_ISA": isa})
    assert result.returncode == 0, result.stderr


@pytest.mark.compiled
def test_a_host_that_flushes_subnormals_changes_nothing():
    # glibc's fenv_t of x86-64 ends with the register that torch.set_flush_denormal sets.
    if sys.platform != "linux" or platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        return
    script = """
import ctypes
import numpy as np
from fastcore import chain
from tests.test_chain_long import mixing, wide
math = ctypes.CDLL("libm.so.6")
mode = (ctypes.c_uint32 * 8)()
small = 1e-308
def call():
    emissions, transitions = mixing(200)
    emissions[50, 1] = -705.0
    # Forbidden without being wide: exact zeros must not be taken for what has underflown.
    forbidden = transitions.copy()
    forbidden[0, 1] = -np.inf
    found = [chain.marginals([e] * 3, t) for e, t in ((emissions, transitions), (emissions, forbidden), wide(200))]
    return [part.tobytes() for f in found for part in (f.nodes[0], f.transitions, f.log_partition)]
expected = call()
assert math.fegetenv(mode) == 0
mode[7] |= 0x8040
assert math.fesetenv(mode) == 0
assert small * 0.001 == 0.0
found = call()
assert small * 0.001 == 0.0, "the host's choice must stand afterwards"
assert found == expected
print("equal")
"""
    result = run_script(script)
    assert result.stdout.strip() == "equal", result.stderr
