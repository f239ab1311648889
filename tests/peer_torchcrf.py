"""pytorch-crf's layer, where PyTorch is: torch isn't among the tests' requirements, so this is no test file by name."""

from __future__ import annotations

import itertools
import math
import pickle

import pytest
import torch

import fastcore
from fastcore.compat.torchcrf import CRF

STEPS, BATCH, TAGS = 5, 3, 3
LENGTHS = torch.tensor([5, 1, 3])
MASK = torch.arange(STEPS)[:, None] < LENGTHS


@pytest.fixture(params=["compiled", "reference"])
def backend(request):
    with fastcore.use_backend(request.param):
        yield request.param


def made(batch_first=False, dtype=torch.float64):
    torch.manual_seed(1)
    layer = CRF(TAGS, batch_first).to(dtype)
    emissions, tags, mask = torch.randn(STEPS, BATCH, TAGS, dtype=dtype), torch.randint(TAGS, (STEPS, BATCH)), MASK
    if batch_first:
        emissions, tags, mask = (tensor.transpose(0, 1) for tensor in (emissions, tags, mask))
    return layer, emissions, tags, mask


def score(layer, emissions, path):
    total = layer.start_transitions[path[0]] + layer.end_transitions[path[-1]]
    total = total + sum(row[tag] for row, tag in zip(emissions, path))
    return total + sum(layer.transitions[a, b] for a, b in itertools.pairwise(path))


def by_enumeration(layer, emissions, tags):
    """Log-likelihood of each sequence, by PyTorch's own operations over all paths."""
    found = []
    for s, length in enumerate(LENGTHS.tolist()):
        paths = itertools.product(range(TAGS), repeat=length)
        scores = torch.stack([score(layer, emissions[:length, s], path) for path in paths])
        found.append(score(layer, emissions[:length, s], tags[:length, s].tolist()) - scores.logsumexp(0))
    return torch.stack(found)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean", "token_mean"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("batch_first", [False, True])
def test_log_likelihood_and_gradients(backend, reduction, dtype, batch_first):
    layer, emissions, tags, mask = made(batch_first, dtype)
    emissions.requires_grad_()
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=dtype) if reduction == "none" else torch.tensor(1.0, dtype=dtype)
    steps_first = [tensor.transpose(0, 1) if batch_first else tensor for tensor in (emissions, tags)]
    each = by_enumeration(layer, *steps_first)
    expected = {"none": each, "sum": each.sum(), "mean": each.mean(), "token_mean": each.sum() / LENGTHS.sum()}[
        reduction
    ]
    found = layer(emissions, tags, mask, reduction)
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(found, expected, **tolerance)
    inputs = [emissions, *layer.parameters()]
    ours = torch.autograd.grad((found * weights).sum(), inputs)
    theirs = torch.autograd.grad((expected * weights).sum(), inputs)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, **tolerance)
    with torch.no_grad():
        torch.testing.assert_close(layer(emissions, tags, mask, reduction), expected, **tolerance)


def test_decode(backend):
    layer, emissions, _, mask = made()
    for s, found in enumerate(layer.decode(emissions, mask)):
        length = int(LENGTHS[s])
        best = max(itertools.product(range(TAGS), repeat=length), key=lambda path: score(layer, emissions[:, s], path))
        assert found == list(best)
    assert [len(path) for path in layer.decode(emissions)] == [STEPS] * BATCH


@pytest.mark.parametrize("batch_first", [False, True])
def test_masks_with_holes(backend, batch_first):
    layer, emissions, tags, _ = made(batch_first)
    layer.holes = True
    mask = torch.tensor([[1, 0, 1, 1, 0], [1, 1, 1, 0, 0], [1, 0, 0, 0, 1]], dtype=torch.bool)
    emissions.requires_grad_()
    found = layer(emissions, tags, mask if batch_first else mask.T, reduction="none")
    found.sum().backward()
    gradient = emissions.grad if batch_first else emissions.grad.transpose(0, 1)
    assert not gradient[~mask].any() and gradient[mask].any()
    steps = [tensor.detach() if batch_first else tensor.detach().transpose(0, 1) for tensor in (emissions, tags)]
    best = layer.decode(emissions, mask if batch_first else mask.T)
    for s, held in enumerate(mask):
        kept, labels = (tensor[s, held][None] if batch_first else tensor[s, held][:, None] for tensor in steps)
        assert layer(kept, labels).item() == pytest.approx(found[s].item(), rel=1e-12)
        assert layer.decode(kept) == [best[s]]


def test_what_is_refused(backend):
    layer, emissions, tags, mask = made()
    for arguments, words in [
        ((emissions[0], tags), "emissions must have dimension of 3, got 2"),
        ((emissions[..., :2], tags), "expected last dimension of emissions is 3, got 2"),
        ((emissions, tags[:2]), r"emissions and tags must match, got \(5, 3\) and \(2, 3\)"),
        ((emissions, tags, mask[:2]), r"emissions and mask must match, got \(5, 3\) and \(2, 3\)"),
        ((emissions, tags, torch.zeros_like(mask)), "mask of the first timestep must all be on"),
        ((emissions, tags, mask, "product"), "invalid reduction: product"),
        ((emissions, tags, torch.tensor([[1] * 3, [0] * 3, [1] * 3, [0] * 3, [0] * 3])), "it has holes"),
        ((emissions, tags + 3), r"tags must lie in \[0, 3\), got values from 3 to"),
        ((emissions * math.nan, tags), "emissions must not hold NaN"),
        ((emissions.to("meta"), tags), r"emissions must be on the CPU, got a tensor on meta: move it with .cpu\(\)"),
        ((emissions, tags.to("meta")), "tags must be on the CPU"),
    ]:
        with pytest.raises(ValueError, match=words):
            layer(*arguments)
    for arguments, words in (
        ((emissions, tags.double()), "tags must be of integers, got torch.float64"),
        ((emissions + 1j, tags), "emissions must be real, got torch.complex"),
    ):
        with pytest.raises(TypeError, match=words):
            layer(*arguments)
    # Beyond the mask tags are padding.
    padded = torch.where(mask.bool(), tags, -100)
    assert torch.equal(layer(emissions, padded, mask), layer(emissions, tags, mask))
    with pytest.raises(ValueError, match="the parameters must be on the CPU"):
        CRF(TAGS).to("meta").decode(emissions)
    with pytest.raises(ValueError, match="invalid number of tags: 0"):
        CRF(0)
    with pytest.raises(ValueError, match="workers must be at least 1"):
        CRF(2, workers=0)


def test_types_meet_in_the_wider(backend):
    """As under autocast: half emissions, parameters in float32."""
    layer, emissions, tags, mask = made(dtype=torch.float32)
    for kind in (torch.float16, torch.bfloat16, torch.int64):
        given = (emissions.detach() * 100).to(kind)
        found = layer(given, tags, mask)
        assert found.dtype == torch.float32 and found.requires_grad
        assert found.item() == pytest.approx(layer(given.float(), tags, mask).item(), rel=1e-6)
    assert layer.double()(emissions, tags, mask).dtype == torch.float64
    learnt = (emissions.detach() * 0.1).bfloat16().requires_grad_()
    made(dtype=torch.float32)[0](learnt, tags, mask).backward()
    assert learnt.grad.dtype == torch.bfloat16 and learnt.grad.abs().sum() > 0
    with pytest.raises(TypeError, match="emissions must be a tensor, got ndarray"):
        layer(emissions.detach().numpy(), tags, mask)


def test_copies(backend):
    layer, emissions, tags, mask = made()
    again = pickle.loads(pickle.dumps(layer))
    assert again(emissions, tags, mask).item() == layer(emissions, tags, mask).item()
    assert list(layer.state_dict()) == ["start_transitions", "end_transitions", "transitions"]
    half = made(dtype=torch.bfloat16)
    assert half[0](*half[1:]).dtype == torch.bfloat16
