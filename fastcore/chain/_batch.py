"""Ragged batches of sequences: four forms in, one concatenated form inside, the caller's form out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import active_backend, kernels
from .._labelled import is_table, same_axes
from .._validation import as_array, as_flag, as_integers, as_real
from .._workers import Workers, call_kernel, check_workers, run

Array: TypeAlias = NDArray[Any]
Scores: TypeAlias = ArrayLike | Sequence[ArrayLike]

# Rows times labels a task: fixed, so that sums over sequences don't depend on the number of workers.
TASK_CELLS = 1 << 19


def highest(array: Array, name: str) -> float:
    """Return the largest number, at least 0; refuse NaN and plus infinity in the same pass, which shows in it."""
    if not array.size:
        return 0.0
    most = float(array.max())
    if not most < np.inf:
        what = "NaN" if np.isnan(array).any() else "plus infinity (minus infinity forbids)"
        raise ValueError(f"{name} must not hold {what}")
    return max(most, 0.0)


def lowest(array: Array) -> float:
    """The size of the smallest number below 0, minus infinity apart."""
    return -float(array.min(initial=0.0, where=np.isfinite(array)))


def _is_list(value: Any, ndim: int = 2) -> bool:
    """Whether `value` is a list of sequences: of 2-dimensional things, not a nested list of numbers' rows."""
    return isinstance(value, (list, tuple)) and (not value or _ndim(value[0]) == ndim)


def _ndim(value: Any) -> int | None:
    """Number of dimensions, None where rows differ in length."""
    try:
        return np.ndim(value)
    except ValueError:
        return None


def _check_mask(mask: ArrayLike, shape: tuple[int, ...], holes: bool) -> Array:
    """Return a mask as booleans, left-aligned unless it may have holes."""
    array = as_array(mask, "mask")
    if array.dtype.kind not in "bui" or array.shape != shape:
        raise ValueError(f"mask must be booleans of shape {shape} to match emissions, got {array.dtype} {array.shape}")
    array = array.astype(bool)
    if not holes and (array[:, 1:] & ~array[:, :-1]).any():
        raise ValueError(
            "mask must be left-aligned and without holes: each row True up to its length, then False; "
            "holes=True skips the steps that it leaves out"
        )
    return array


@dataclass(slots=True)
class Batch:
    """Checked emissions, concatenated, with what is needed to give results the caller's form.

    Transitions are ``(L, L)``, or each step's own ``(M, L, L)``, those of all steps but the sequences' first.
    """

    form: str
    emissions: Array
    offsets: Array
    transitions: Array
    start: Array
    end: Array
    shape: tuple[int, ...] = ()
    # Which places of a padded batch hold a step; None if all do.
    present: Array | None = None

    @property
    def labels(self) -> int:
        return len(self.start)

    @property
    def moving(self) -> bool:
        """Whether each step has transitions of its own."""
        return self.transitions.ndim == 3

    @property
    def moves(self) -> Array:
        """Where each sequence's transitions begin, if each step has its own, and where the last one's end."""
        counts: Array = np.maximum(self.lengths - 1, 0)
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

    @property
    def lengths(self) -> Array:
        lengths: Array = np.diff(self.offsets)
        return lengths

    @property
    def longest(self) -> int:
        return int(self.offsets[1] if self.form == "one" else self.lengths.max(initial=0))

    @property
    def dtype(self) -> Any:
        return self.emissions.dtype

    def flatten(self, value: Any, name: str) -> Array:
        """Concatenate labels that come in the batch's own form; padding may be anything."""
        size = self.labels
        if self.form == "one" and kernels("chain").are_labels(value, size) and len(value) == len(self.emissions):
            labels: Array = value
            return labels
        if self.form == "list":
            if not isinstance(value, (list, tuple)) or len(value) != len(self.offsets) - 1:
                raise ValueError(f"{name} must be a list of {len(self.offsets) - 1} sequences of labels")
            parts = [as_integers(v, f"{name}[{i}]", ndim=1, low=0, high=size) for i, v in enumerate(value)]
            for i, (part, length) in enumerate(zip(parts, self.lengths)):
                if len(part) != length:
                    raise ValueError(f"{name}[{i}] must have length {length} to match emissions, got {len(part)}")
            return np.concatenate([np.empty(0, np.int64), *parts])
        expected = self.shape if self.form == "padded" else (len(self.emissions),)
        array = as_integers(value, name)
        if array.shape != expected:
            raise ValueError(f"{name} must have shape {expected} to match emissions, got {array.shape}")
        if self.form == "padded":
            array = array.ravel() if self.present is None else array[self.present]
        return as_integers(array, name, low=0, high=size)

    def per_sequence(self, values: Array) -> Any:
        """One value (or array) a sequence, of the scores' type: itself for a single sequence, else stacked."""
        found = self.stacked(values)
        if not (isfinite(found) if self.form == "one" and values.ndim == 1 else np.isfinite(found).all()):
            # Minus infinity says that there is no legal path: not that legal scores summed up to it.
            self.refuse_overflow(*map(lowest, (self.emissions, self.transitions, self.start, self.end)))
        return found

    def stacked(self, values: Array) -> Any:
        """The same for values that can't be too large for a float where what they come with isn't."""
        if values.dtype != self.dtype:
            with np.errstate(over="ignore"):
                values = values.astype(self.dtype)
        return values[0] if self.form == "one" else values

    def refuse_overflow(self, emission: float, move: float, start: float, end: float) -> None:
        """Refuse scores of these sizes if their sum over a path may be too large for a float."""
        longest, limit = self.longest, float(np.finfo(self.dtype).max)
        if longest and emission * longest + move * (longest - 1) + start + end > limit:
            raise ValueError(
                f"emissions, transitions, start and end must sum to less than {limit:.2g} over {longest} steps, "
                f"got scores of size {max(emission, move, start, end):.2g}"
            )

    def per_step(self, values: Array, fill: float) -> Any:
        """Values of all steps in the caller's form; `fill` goes where a padded batch has none."""
        if self.form == "list":
            return [values[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:])]
        return _placed(values, self.shape, self.present, fill) if self.form == "padded" else values

    def per_move(self, values: Array) -> Any:
        """The same of what there is for each step but a sequence's first; a padded batch has zeros where none is."""
        if self.form == "list":
            return [values[a:b] for a, b in pairwise(self.moves)]
        if self.form == "padded":
            return _placed(values, (self.shape[0], max(0, self.shape[1] - 1)), _entered(self.present), 0.0)
        return values

    def draws_per_step(self, values: Array, fill: float) -> Any:
        """Like `per_step` for values (n, N): n becomes the first dimension after that of the sequences."""
        if self.form == "list":
            return [values[:, a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:])]
        if self.form == "padded":
            padded = self.per_step(np.ascontiguousarray(values.T), fill)
            return np.ascontiguousarray(np.moveaxis(padded, 2, 1))
        return values

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Cut into runs of sequences of about TASK_CELLS cells, whatever the number of workers."""
        count, step = len(self.offsets) - 1, max(1, TASK_CELLS // self.labels)
        first = 0
        while first < count:
            beyond = int(np.searchsorted(self.offsets, self.offsets[first] + step, "right")) - 1
            last = min(count, max(first + 1, beyond))
            yield first, last
            first = last

    def run(self, function: str, workers: Workers, *more: Any, split: bool = False) -> list[tuple[Array, ...]]:
        """Call a kernel on each chunk (on the whole at once if one worker suffices and `split` is False).

        An argument in `more` that is callable is called with a chunk's (first, last) sequence.
        """
        if self.form == "one" and type(workers) is int and workers == 1:
            kernel = getattr(kernels("chain"), function)
            own = [m(0, 1) if callable(m) else m for m in more]
            result = kernel(self.emissions, self.offsets, self.transitions, self.start, self.end, *own)
            return [result if isinstance(result, tuple) else (result,)]
        workers = check_workers(workers)
        chunks = list(self.chunks())
        if len(chunks) < 2 or (workers == 1 and not split):
            chunks = [(0, len(self.offsets) - 1)]
        backend = active_backend()
        moves = self.moves if self.moving else None
        tasks = []
        for first, last in chunks:
            a, b = self.offsets[first], self.offsets[last]
            arguments = (
                self.emissions[a:b],
                self.offsets[first : last + 1] - a,
                self.transitions if moves is None else self.transitions[moves[first] : moves[last]],
                self.start,
                self.end,
            )
            extra = tuple(m(first, last) if callable(m) else m for m in more)
            tasks.append(("chain", function, backend, arguments + extra))
        if len(tasks) == 1 and workers == 1:
            found = [getattr(kernels("chain", backend), function)(*tasks[0][3])]
        else:
            found = run(call_kernel, tasks, workers)
        return [result if isinstance(result, tuple) else (result,) for result in found]


def joined(parts: Sequence[Array], axis: int = 0) -> Array:
    """Concatenate, without a copy if there is only one part."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)


def _placed(values: Array, shape: tuple[int, ...], present: Array | None, fill: float) -> Array:
    """Put concatenated values where a padded batch has them."""
    if present is None:
        return values.reshape(shape + values.shape[1:])
    padded = np.full(shape + values.shape[1:], fill, values.dtype)
    padded[present] = values
    return padded


def _entered(present: Array | None) -> Array | None:
    """Which steps of a padded batch, but for the first column, come after another one of their sequence."""
    if present is None:
        return None
    entered: Array = present[:, 1:] & np.logical_or.accumulate(present, axis=1)[:, :-1]
    return entered


@lru_cache(64)
def _zeros(size: int) -> Array:
    return _unwritable(np.zeros(size))


@lru_cache(256)
def _offsets_of_one(length: int) -> Array:
    return _unwritable(np.array([0, length], np.int64))


def _unwritable(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _plain_batch(emissions: Any, transitions: Any, start: Any, end: Any) -> Batch | None:
    """A batch of one sequence whose arrays go to the kernels as they come; None if they have to be looked into.

    This is what a call with one short sequence spends its time on.
    """
    if type(emissions) is not np.ndarray or emissions.ndim != 2:
        return None
    length, size = emissions.shape
    start = _zeros(size) if start is None else start
    end = _zeros(size) if end is None else end
    if not kernels("chain").is_plain(emissions, transitions, start, end):
        return None
    return Batch("one", emissions, _offsets_of_one(length), transitions, start, end)


def make_batch(
    emissions: Any,
    transitions: Any,
    lengths: Any = None,
    mask: Any = None,
    start: Any = None,
    end: Any = None,
    holes: bool = False,
) -> Batch:
    """Check and concatenate; see `fastcore.chain` for the four forms."""
    if lengths is None and mask is None:
        plain = _plain_batch(emissions, transitions, start, end)
        if plain is not None:
            return plain
    _check_names(emissions, transitions, start, end)
    moves = _as_transitions(transitions)
    matrices = moves if isinstance(moves, list) else [moves]
    size = matrices[0].shape[-1]
    ends = [as_real([0.0] * size if v is None else v, n, nan=True) for v, n in ((start, "start"), (end, "end"))]
    given = [a for a, v in zip(ends, (start, end)) if v is not None]
    for array, name in zip(ends, ("start", "end")):
        if array.shape != (size,):
            shapes = matrices[0].shape
            raise ValueError(f"{name} must have shape ({size},) to match transitions {shapes}, got {array.shape}")

    shape: tuple[int, ...] = ()
    present = None
    holes = as_flag(holes, "holes")
    if _is_list(emissions):
        form = "list"
        if lengths is not None or mask is not None:
            raise ValueError("lengths and mask must be None where emissions are a list of sequences")
        parts = [as_real(e, f"emissions[{i}]", ndim=2, nan=True) for i, e in enumerate(emissions)]
        for i, part in enumerate(parts):
            _check_width(part, size, f"emissions[{i}]")
        counts = np.array([len(part) for part in parts], np.int64)
        array = np.concatenate(parts) if parts else np.empty((0, size))
    else:
        array = as_real(emissions, "emissions", ndim=(2, 3), nan=True)
        _check_width(array, size, "emissions")
        if array.ndim == 3:
            form, shape = "padded", array.shape[:2]
            counts, present = _steps_present(lengths, mask, shape, holes)
            array = array.reshape(-1, size) if present is None else array[present]
        elif mask is not None:
            raise ValueError("mask must be None where emissions have 2 dimensions: give lengths")
        elif lengths is None:
            form, counts = "one", np.array([len(array)], np.int64)
        else:
            form, counts = "concatenated", as_integers(lengths, "lengths", ndim=1, low=0, high=len(array) + 1)
            if counts.sum() != len(array):
                raise ValueError(f"lengths must sum to the {len(array)} rows of emissions, got {counts.sum()}")
    matrix = _joined_transitions(moves, form, shape, counts, present)
    named = zip((array, matrix, *ends), ("emissions", "transitions", "start", "end"))
    sizes = [highest(values, name) for values, name in named]
    dtype = np.result_type(array, matrix, *given)
    batch = Batch(
        form,
        np.ascontiguousarray(array, dtype=dtype),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        matrix.astype(np.float64 if matrix.ndim == 2 else dtype, copy=False),
        ends[0].astype(np.float64, copy=False),
        ends[1].astype(np.float64, copy=False),
        shape,
        present,
    )
    batch.refuse_overflow(*sizes)
    return batch


def _check_names(emissions: Any, transitions: Any, start: Any, end: Any) -> None:
    """Refuse tables and Series that name the labels in different orders: they are read by position."""
    if all(value is None or type(value) is np.ndarray for value in (emissions, transitions, start, end)):
        return
    tables = {"emissions": emissions, "transitions": transitions}
    if isinstance(emissions, list | tuple):
        tables |= {f"emissions[{i}]": each for i, each in enumerate(emissions) if is_table(each)}
    same_axes(tables, {"transitions": transitions, "start": start, "end": end})


def _as_transitions(transitions: Any) -> Array | list[Array]:
    """Square matrices of one size: one, or in an array or list those of each step."""
    if _is_list(transitions, 3) and transitions:
        parts = [as_real(m, f"transitions[{i}]", ndim=3, nan=True) for i, m in enumerate(transitions)]
        size = parts[0].shape[2]
        for i, part in enumerate(parts):
            if part.shape[1:] != (size, size) or size == 0:
                raise ValueError(f"transitions[{i}] must hold square matrices of one size, got shape {part.shape}")
        return parts
    array = as_real(transitions, "transitions", ndim=(2, 3, 4), nan=True)
    if array.shape[-2] != array.shape[-1] or array.shape[-1] == 0:
        what = "be a square matrix" if array.ndim == 2 else "hold square matrices"
        raise ValueError(f"transitions must {what} with at least one label, got shape {array.shape}")
    return array


def _joined_transitions(
    moves: Array | list[Array], form: str, shape: tuple[int, ...], counts: Array, present: Array | None
) -> Array:
    """Check that there is a matrix for each step but a sequence's first, and concatenate; one matrix stays one."""
    if not isinstance(moves, list) and moves.ndim == 2:
        return moves
    steps = np.maximum(counts - 1, 0).tolist()
    if form == "list":
        if not isinstance(moves, list) or len(moves) != len(steps):
            raise ValueError(f"transitions must be a matrix or a list of {len(steps)} sequences of them")
        for i, (part, n) in enumerate(zip(moves, steps)):
            if len(part) != n:
                raise ValueError(f"transitions[{i}] must have length {n} to match emissions, got {len(part)}")
        return np.concatenate(moves)
    expected = (shape[0], max(0, shape[1] - 1)) if form == "padded" else (sum(steps),)
    array = np.asarray(moves) if not isinstance(moves, list) else np.empty(0)
    size = array.shape[-1]
    if array.shape[:-2] != expected:
        wanted = (*expected, size, size)
        got = f"a list of {len(moves)}" if isinstance(moves, list) else array.shape
        raise ValueError(f"transitions must have shape {wanted[-2:]} or {wanted} to match emissions, got {got}")
    if form != "padded":
        return array
    entered = _entered(present)
    joined: Array = array.reshape(-1, size, size) if entered is None else array[entered]
    return joined


def _check_width(array: Array, size: int, name: str) -> None:
    if array.shape[-1] != size:
        width = array.shape[-1]
        raise ValueError(
            f"transitions must have shape ({width}, {width}) to match {name} {array.shape}, got ({size}, {size})"
        )


def _steps_present(lengths: Any, mask: Any, shape: tuple[int, ...], holes: bool) -> tuple[Array, Array | None]:
    """Each sequence's number of steps, and which places of a padded batch hold one, None if all do."""
    if mask is not None:
        if lengths is not None:
            raise ValueError("lengths and mask must not both be given")
        present = _check_mask(mask, shape, holes)
        counts: Array = present.sum(axis=1, dtype=np.int64)
    elif lengths is None:
        return np.full(shape[0], shape[1], np.int64), None
    else:
        counts = as_integers(lengths, "lengths", ndim=1, low=0, high=shape[1] + 1)
        if len(counts) != shape[0]:
            raise ValueError(f"lengths must have shape ({shape[0]},) to match emissions, got {counts.shape}")
        present = np.arange(shape[1]) < counts[:, None]
    return counts, None if present.all() else present
