"""pytorch-crf's layer on this library's kernels: ``from fastcore.compat.torchcrf import CRF``.

The same module, parameters, arguments, results and messages as ``torchcrf.CRF`` 0.7.2, on the CPU. Importing this
needs PyTorch.
"""

from typing import Any

import numpy as np

from .. import chain
from .._extras import require
from .._validation import as_flag
from .._workers import Workers, check_workers

require("torch", "torch", "fastcore.compat.torchcrf")
import torch  # noqa: E402 - what is missing has been said better

__all__ = ["CRF"]


class CRF(torch.nn.Module):  # type: ignore[misc]
    """Conditional random field: a layer that scores tag sequences, and finds the best.

    Parameters
    ----------
    num_tags : int
        Number of tags.
    batch_first : bool
        Whether batches come as (B, T, ...) instead of (T, B, ...).
    holes : bool, default False
        Let masks have holes: steps that they leave out are skipped, and those around them follow one another.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Attributes
    ----------
    start_transitions, end_transitions : torch.nn.Parameter, shape (num_tags,)
        Scores of the first and of the last tag.
    transitions : torch.nn.Parameter, shape (num_tags, num_tags)
        ``transitions[i, j]`` goes from tag i to tag j.

    Notes
    -----
    Gradients are the chain's own: what was observed less what is expected; there are no second derivatives. A mask
    must be True up to each sequence's length and False from there; one with holes is refused unless `holes` allows it
    (pytorch-crf then adds transitions of steps that its mask leaves out), and so are scores that are NaN or plus
    infinity. TorchScript can call the layer, but not save it.
    """

    def __init__(self, num_tags: int, batch_first: bool = False, *, holes: bool = False, workers: Workers = 1) -> None:
        if num_tags <= 0:
            raise ValueError(f"invalid number of tags: {num_tags}")
        super().__init__()
        check_workers(workers)
        self.num_tags = num_tags
        self.batch_first = batch_first
        self.holes = as_flag(holes, "holes")
        self.workers = workers
        self.start_transitions = torch.nn.Parameter(torch.empty(num_tags))
        self.end_transitions = torch.nn.Parameter(torch.empty(num_tags))
        self.transitions = torch.nn.Parameter(torch.empty(num_tags, num_tags))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all scores from between -0.1 and 0.1."""
        for parameter in (self.start_transitions, self.end_transitions, self.transitions):
            torch.nn.init.uniform_(parameter, -0.1, 0.1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_tags={self.num_tags})"

    def forward(
        self, emissions: torch.Tensor, tags: torch.Tensor, mask: torch.Tensor | None = None, reduction: str = "sum"
    ) -> torch.Tensor:
        """Log-likelihood of tags.

        Parameters
        ----------
        emissions : torch.Tensor, shape (T, B, num_tags)
            Scores of each tag at each step; (B, T, num_tags) with `batch_first`, and so on.
        tags : torch.Tensor of int, shape (T, B)
            The observed tags.
        mask : torch.Tensor of bool or uint8, shape (T, B), optional
            Where there is a step.
        reduction : {"sum", "none", "mean", "token_mean"}
            Sum over the batch, one a sequence, mean over sequences, or mean over steps.

        Returns
        -------
        torch.Tensor
            Of shape () or, with "none", (B,).
        """
        return self._log_likelihood(emissions, tags, mask, reduction)

    @torch.jit.export  # type: ignore[untyped-decorator]
    def decode(self, emissions: torch.Tensor, mask: torch.Tensor | None = None) -> list[list[int]]:
        """Return the best tags of each sequence, as many as it has steps."""
        best: list[list[int]] = self._best_tags(emissions, mask)
        return best

    # TorchScript calls what it can't compile as Python.

    @torch.jit.ignore  # type: ignore[untyped-decorator]
    def _log_likelihood(
        self, emissions: torch.Tensor, tags: torch.Tensor, mask: torch.Tensor | None, reduction: str
    ) -> torch.Tensor:
        _validate(self, emissions, tags, mask)
        if reduction not in ("none", "sum", "mean", "token_mean"):
            raise ValueError(f"invalid reduction: {reduction}")
        scores, lengths, order = _batched(self, emissions, mask)
        paths = (tags if self.batch_first else tags.transpose(0, 1)).detach()
        paths = (paths if order is None else paths.gather(1, order)).numpy()
        if paths.dtype.kind not in "iu":
            raise TypeError(f"tags must be of integers, got {tags.dtype}")
        inside = paths[np.arange(paths.shape[1]) < np.asarray(lengths)[:, None]]
        if inside.size and not 0 <= inside.min() <= inside.max() < self.num_tags:
            raise ValueError(f"tags must lie in [0, {self.num_tags}), got values from {inside.min()} to {inside.max()}")
        # Emissions and parameters of several types meet in the wider one, as in sums of them.
        kind = self.transitions.dtype
        for tensor in (scores, self.start_transitions, self.end_transitions):
            kind = torch.promote_types(kind, tensor.dtype)
        parts = scores, self.transitions, self.start_transitions, self.end_transitions
        found = _LogLikelihood.apply(*(tensor.to(kind) for tensor in parts), paths, lengths, self.workers)
        if reduction == "none":
            return found
        if reduction == "sum":
            return found.sum()
        return found.mean() if reduction == "mean" else found.sum() / int(lengths.sum())

    @torch.jit.ignore  # type: ignore[untyped-decorator]
    def _best_tags(self, emissions: torch.Tensor, mask: torch.Tensor | None) -> list[list[int]]:
        _validate(self, emissions, None, mask)
        scores, lengths, _ = _batched(self, emissions, mask)
        paths, _ = chain.viterbi(
            _numbers(scores),
            _numbers(self.transitions),
            start=_numbers(self.start_transitions),
            end=_numbers(self.end_transitions),
            lengths=lengths,
            workers=self.workers,
        )
        # Where no sequence of tags is possible, all are equally bad.
        return [row[:length].tolist() for row, length in zip(np.maximum(paths, 0), lengths.tolist())]


def _validate(layer: CRF, emissions: Any, tags: Any, mask: Any) -> None:
    for name, tensor in (
        ("emissions", emissions),
        ("tags", tags),
        ("mask", mask),
        ("the parameters", layer.transitions),
    ):
        if tensor is not None and not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
        if tensor is not None and tensor.device.type != "cpu":
            raise ValueError(f"{name} must be on the CPU, got a tensor on {tensor.device}: move it with .cpu()")
    if emissions.is_complex():
        raise TypeError(f"emissions must be real, got {emissions.dtype}")
    if emissions.dim() != 3:
        raise ValueError(f"emissions must have dimension of 3, got {emissions.dim()}")
    if emissions.size(2) != layer.num_tags:
        raise ValueError(f"expected last dimension of emissions is {layer.num_tags}, got {emissions.size(2)}")
    for name, tensor in (("tags", tags), ("mask", mask)):
        if tensor is not None and emissions.shape[:2] != tensor.shape:
            raise ValueError(
                f"the first two dimensions of emissions and {name} must match, "
                f"got {tuple(emissions.shape[:2])} and {tuple(tensor.shape)}"
            )
    if mask is not None and not (mask[:, 0] if layer.batch_first else mask[0]).all():
        raise ValueError("mask of the first timestep must all be on")


def _batched(layer: CRF, emissions: Any, mask: Any) -> tuple[Any, Any, Any]:
    """Scores (B, T, num_tags), each sequence's length, and where its steps stood if the mask has holes."""
    if not layer.batch_first:
        emissions = emissions.transpose(0, 1)
        mask = None if mask is None else mask.transpose(0, 1)
    if mask is None:
        return emissions, np.full(emissions.shape[0], emissions.shape[1], np.int64), None
    held = mask.detach().numpy() != 0
    lengths = held.sum(axis=1)
    if (held == (np.arange(held.shape[1]) < lengths[:, None])).all():
        return emissions, lengths, None
    if not layer.holes:
        raise ValueError(
            "mask must be on up to each sequence's length and off from there: it has holes, whose steps "
            "CRF(..., holes=True) skips"
        )
    order = torch.from_numpy(np.argsort(~held, axis=1, kind="stable"))
    return emissions.gather(1, order[:, :, None].expand(-1, -1, emissions.shape[2])), lengths, order


class _LogLikelihood(torch.autograd.Function):  # type: ignore[misc]
    """Log-likelihoods (B,) of given paths, by scores (B, T, L), transitions, start and end scores."""

    @staticmethod
    def forward(
        ctx: Any, emissions: Any, transitions: Any, start: Any, end: Any, paths: Any, lengths: Any, workers: Workers
    ) -> Any:
        matrix = _numbers(transitions)
        scores = _numbers(emissions)
        options = {"lengths": lengths, "start": _numbers(start), "end": _numbers(end), "workers": workers}
        reached = chain.path_score(scores, matrix, paths, **options)
        kinds = [tensor.dtype for tensor in (emissions, transitions, start, end)]
        if not any(ctx.needs_input_grad):
            return _tensor(reached - chain.log_partition(scores, matrix, **options), kinds[0])
        found = chain.marginals(scores, matrix, **options)
        sequences, steps = np.nonzero(np.arange(scores.shape[1]) < lengths[:, None])
        nodes, pairs = -found.nodes, -found.transitions
        nodes[sequences, steps, paths[sequences, steps]] += 1
        inner = steps > 0
        sequences, steps = sequences[inner], steps[inner]
        np.add.at(pairs, (sequences, paths[sequences, steps - 1], paths[sequences, steps]), 1)
        ctx.kept = nodes, pairs, lengths, kinds
        return _tensor(reached - found.log_partition, kinds[0])

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Any) -> tuple[Any, ...]:
        nodes, pairs, lengths, kinds = ctx.kept
        weights = _numbers(gradient).astype(nodes.dtype)
        last = nodes[np.arange(len(nodes)), lengths - 1]
        found = weights[:, None, None] * nodes, np.tensordot(weights, pairs, 1), weights @ nodes[:, 0], weights @ last
        return *(_tensor(array, kind) for array, kind in zip(found, kinds)), None, None, None


def _numbers(tensor: Any) -> Any:
    """What a tensor holds, of a type that kernels have."""
    tensor = tensor.detach()
    return (tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()).contiguous().numpy()


def _tensor(array: Any, dtype: Any) -> Any:
    return torch.from_numpy(np.ascontiguousarray(array)).to(dtype)
