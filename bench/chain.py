"""Linear chains: 2,000 sequences of 50 steps over 9 labels, as a tagger decodes them; and wider ones."""

from __future__ import annotations

import numpy as np

from bench._harness import Workload, prepared
from fastcore import chain


def _batch(labels: int = 9, sequences: int = 2000, steps: int = 50, dtype: type = np.float64):
    rng = np.random.default_rng(0)
    emissions = rng.normal(size=(sequences, steps, labels)).astype(dtype)
    return {
        "emissions": emissions,
        "transitions": rng.normal(size=(labels, labels)).astype(dtype),
        "start": rng.normal(size=labels).astype(dtype),
        "end": rng.normal(size=labels).astype(dtype),
        "paths": rng.integers(0, labels, (sequences, steps)),
    }


def _ends(data):
    return {"start": data["start"], "end": data["end"]}


def _crf_layer(data):
    """pytorch-crf's layer with the batch's parameters, and the batch as tensors."""
    import torch
    from torchcrf import CRF

    torch.set_num_threads(1)
    layer = CRF(len(data["start"]), batch_first=True).to(torch.from_numpy(data["emissions"]).dtype)
    with torch.no_grad():
        layer.transitions.copy_(torch.from_numpy(data["transitions"]))
        layer.start_transitions.copy_(torch.from_numpy(data["start"]))
        layer.end_transitions.copy_(torch.from_numpy(data["end"]))
    return layer, torch.from_numpy(data["emissions"]), torch.from_numpy(data["paths"])


@prepared
def _torch_log_partition(data):
    import torch

    torch.set_num_threads(1)
    emissions, transitions, start, end = (
        torch.from_numpy(data[k]) for k in ("emissions", "transitions", "start", "end")
    )

    def call():
        with torch.no_grad():
            alpha = start + emissions[:, 0]
            for t in range(1, emissions.shape[1]):
                alpha = torch.logsumexp(alpha[:, :, None] + transitions, dim=1) + emissions[:, t]
            return torch.logsumexp(alpha + end, dim=1).numpy()

    return call


@prepared
def _numba_log_partition(data):
    from numba import njit

    @njit
    def run(emissions, transitions, start, end):
        count, steps, labels = emissions.shape
        found = np.empty(count)
        for s in range(count):
            alpha = start + emissions[s, 0]
            for t in range(1, steps):
                after = np.empty(labels)
                for j in range(labels):
                    top = -np.inf
                    for i in range(labels):
                        top = max(top, alpha[i] + transitions[i, j])
                    total = 0.0
                    for i in range(labels):
                        total += np.exp(alpha[i] + transitions[i, j] - top)
                    after[j] = top + np.log(total) + emissions[s, t, j]
                alpha = after
            alpha = alpha + end
            found[s] = alpha.max() + np.log(np.exp(alpha - alpha.max()).sum())
        return found

    arguments = [data[k] for k in ("emissions", "transitions", "start", "end")]
    run(*arguments)
    return lambda: run(*arguments)


@prepared
def _numpy_log_partition(data):
    """Scaled forward variables, a step of all sequences one matrix product."""
    moves, emissions = data["transitions"], data["emissions"].copy()
    emissions[:, 0] += data["start"]
    emissions[:, -1] += data["end"]
    top = moves.max()
    table = np.exp(moves - top)

    def call():
        most = emissions.max(axis=2, keepdims=True)
        weights = np.exp(emissions - most)
        alpha = weights[:, 0].copy()
        total = most.sum(axis=(1, 2), dtype=np.float64) + top * (emissions.shape[1] - 1)
        for t in range(1, emissions.shape[1]):
            alpha = alpha @ table
            alpha *= weights[:, t]
            scale = alpha.sum(axis=1)
            alpha /= scale[:, None]
            total += np.log(scale)
        return total + np.log(alpha.sum(axis=1))

    return call


@prepared
def _numpy_own_transitions(data):
    """Log-sum-exp over transitions of each step's own."""
    emissions, moves = data["emissions"], data["moves"]

    def call():
        alpha = emissions[:, 0]
        for t in range(1, emissions.shape[1]):
            alpha = np.logaddexp.reduce(alpha[:, :, None] + moves[:, t - 1], axis=1) + emissions[:, t]
        return np.logaddexp.reduce(alpha, axis=1)

    return call


def _with_moves():
    data = _batch(sequences=200)
    data["moves"] = np.random.default_rng(1).normal(size=(200, 49, 9, 9))
    return data


def _stream(size):
    """Viterbi over the sequences as one, in pieces of so many steps."""

    def call(data):
        decoder = chain.ViterbiDecoder(data["transitions"])
        rows = data["emissions"].reshape(-1, data["emissions"].shape[2])
        found = [decoder.push(rows[i : i + size]) for i in range(0, len(rows), size)]
        return np.concatenate([*found, decoder.finish()[0]])

    return call


@prepared
def _hmmlearn_log_partition(data):
    from hmmlearn import _hmmc

    # Its C++ forward pass takes probabilities; end scores go into the last step's emissions.
    start, transitions = np.exp(data["start"]), np.exp(data["transitions"])
    emissions = data["emissions"].copy()
    emissions[:, -1] += data["end"]
    return lambda: np.array([_hmmc.forward_log(start, transitions, e)[0] for e in emissions])


@prepared
def _hmmlearn_scaled(data):
    """The faster of its two, on probabilities all of which an exponential made."""
    from hmmlearn import _hmmc

    start, transitions = np.exp(data["start"]), np.exp(data["transitions"])
    emissions = data["emissions"].copy()
    emissions[:, -1] += data["end"]
    return lambda: np.array([_hmmc.forward_scaling(start, transitions, np.exp(e))[0] for e in emissions])


@prepared
def _torchcrf_viterbi(data):
    import torch

    layer, emissions, _ = _crf_layer(data)

    def call():
        with torch.no_grad():
            return layer.decode(emissions)

    return call


@prepared
def _hmmlearn_viterbi(data):
    from hmmlearn import _hmmc

    start, transitions = np.exp(data["start"]), np.exp(data["transitions"])
    emissions = data["emissions"].copy()
    emissions[:, -1] += data["end"]
    return lambda: [_hmmc.viterbi(start, transitions, e)[1] for e in emissions]


@prepared
def _torchcrf_loss(data):
    layer, emissions, paths = _crf_layer(data)
    emissions.requires_grad_()

    def call():
        layer.zero_grad()
        emissions.grad = None
        loss = -layer(emissions, paths, reduction="sum")
        loss.backward()
        return loss.item(), emissions.grad.numpy(), layer.transitions.grad.numpy()

    return call


def _close(ours, theirs, name):
    return bool(np.allclose(ours, theirs, rtol=1e-4 if np.asarray(ours).dtype == np.float32 else 1e-10))


def _positions(data):
    return data["emissions"].shape[0] * data["emissions"].shape[1] / 1e6, "M positions"


def _loss(data):
    return chain.loss_and_grad(data["emissions"], data["transitions"], data["paths"], **_ends(data))


WORKLOADS = [
    Workload(
        name="chain.log_partition",
        make=_batch,
        runners={
            "fastcore": lambda data: chain.log_partition(data["emissions"], data["transitions"], **_ends(data)),
            "numpy": _numpy_log_partition,
            "torch": _torch_log_partition,
            "hmmlearn log": _hmmlearn_log_partition,
            "hmmlearn scaled": _hmmlearn_scaled,
            "numba": _numba_log_partition,
        },
        equal=_close,
        twin_make=lambda: _batch(sequences=100),
        amount=_positions,
    ),
    Workload(
        name="chain.log_partition.single",
        make=lambda: _batch(dtype=np.float32),
        runners={
            "fastcore": lambda data: chain.log_partition(data["emissions"], data["transitions"], **_ends(data)),
            "numpy": _numpy_log_partition,
            "torch": _torch_log_partition,
        },
        equal=_close,
        twin_make=lambda: _batch(sequences=100, dtype=np.float32),
        amount=_positions,
    ),
    Workload(
        name="chain.log_partition.moves",
        make=_with_moves,
        runners={
            "fastcore": lambda data: chain.log_partition(data["emissions"], data["moves"]),
            "numpy": _numpy_own_transitions,
        },
        equal=_close,
        amount=_positions,
    ),
    Workload(
        name="chain.log_partition.128",
        make=lambda: _batch(labels=128, sequences=64, dtype=np.float32),
        runners={
            "fastcore": lambda data: chain.log_partition(data["emissions"], data["transitions"], **_ends(data)),
            "torch": _torch_log_partition,
        },
        equal=_close,
        twin_make=lambda: _batch(labels=128, sequences=1, steps=20, dtype=np.float32),
        amount=_positions,
    ),
    Workload(
        name="chain.viterbi",
        make=_batch,
        runners={
            "fastcore": lambda data: chain.viterbi(data["emissions"], data["transitions"], **_ends(data))[0],
            "pytorch-crf": _torchcrf_viterbi,
            "hmmlearn": _hmmlearn_viterbi,
        },
        equal=lambda ours, theirs, name: bool((ours == np.array(theirs)).all()),
        twin_make=lambda: _batch(sequences=100),
        amount=_positions,
    ),
    Workload(
        name="chain.ViterbiDecoder",
        make=lambda: _batch(sequences=400),
        runners={
            "fastcore": _stream(1000),
            "fastcore, step by step": _stream(1),
            "fastcore.viterbi": lambda data: chain.viterbi(data["emissions"].reshape(-1, 9), data["transitions"])[0],
        },
        equal=lambda ours, theirs, name: bool((ours == theirs).all()),
        amount=_positions,
    ),
    Workload(
        name="chain.loss_and_grad",
        make=_batch,
        runners={"fastcore": _loss, "pytorch-crf": _torchcrf_loss},
        equal=lambda ours, theirs, name: bool(
            np.isclose(ours[0], theirs[0], rtol=1e-10)
            and np.allclose(ours[1].emissions, theirs[1], atol=1e-10)
            and np.allclose(ours[1].transitions, theirs[2], atol=1e-7)
        ),
        twin_make=lambda: _batch(sequences=50),
        amount=_positions,
    ),
]
