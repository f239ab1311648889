"""Stochastic simulation of a network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import active_backend, kernels
from .._programs import BadEvent, BadRate
from .._progress import Progress, progress_bar
from .._random import RNG, stream_key
from .._validation import as_choice, as_index, as_number
from .._workers import Workers, check_workers, gathered, run, stream
from ._network import ReactionNetwork
from ._reduced import Collected, Reduce, Share, as_reduce, names_and_places, reduced, shares
from ._results import Jumps, Trajectories
from ._runs import Runs, amounts, chunks, of_rows, parts_of
from ._states import State, as_clock, as_times, unresolved
from ._stopping import Stop, as_stop, unhidden_start
from ._tables import Structure

# By the kernels' codes.
_METHODS = {"direct": 0, "first_reaction": 1, "rssacr": 2, "nrm": 3, "tau": 4, "cle": 5, "batch": 6}
# Those that go in steps of many events; the first two are only about right.
_ABOUT = ("tau", "cle")
# Those of which kernels take several runs side by side.
_TOGETHER = ("direct", "tau")
_STEPPING = (*_ABOUT, "batch")
# "auto" is the direct method up to so many reactions, RSSACR beyond: about where one costs what the other does.
MOST_DIRECT = 64
# A batch costs what goes with the square of the kinds of molecules that may meet.
MOST_KINDS = 128
_STATUS = np.array(["finished", "absorbed", "stopped", "max_events"])
_MAX_EVENTS, _OVERFLOW, _UNRESOLVED = 3, 4, 5
# Events after which a run ends unless `max_events` says otherwise: half a minute, or a gigabyte.
MOST_EVENTS = {"grid": 1_000_000_000, "jumps": 100_000_000}
_NO_END = 2**63 - 1


@overload
def simulate(
    network: ReactionNetwork,
    x0: State | Trajectories | None,
    t_span: Sequence[float],
    t_eval: ArrayLike | None = ...,
    *,
    n: int | None = ...,
    method: str = ...,
    rng: RNG = ...,
    workers: Workers = ...,
    params: Mapping[str, Any] | ArrayLike | None = ...,
    record: Literal["grid"] = ...,
    reduce: None = ...,
    stop: str | Stop | None = ...,
    species: Sequence[str] | None = ...,
    max_events: float | None = ...,
    epsilon: float | None = ...,
    runs: range | None = ...,
    progress: Progress = ...,
) -> Trajectories: ...
@overload
def simulate(
    network: ReactionNetwork,
    x0: State | Trajectories | None,
    t_span: Sequence[float],
    t_eval: ArrayLike | None = ...,
    *,
    n: int | None = ...,
    method: str = ...,
    rng: RNG = ...,
    workers: Workers = ...,
    params: Mapping[str, Any] | ArrayLike | None = ...,
    record: Literal["jumps"],
    reduce: None = ...,
    stop: str | Stop | None = ...,
    species: Sequence[str] | None = ...,
    max_events: float | None = ...,
    epsilon: float | None = ...,
    runs: range | None = ...,
    progress: Progress = ...,
) -> Jumps: ...
@overload
def simulate(
    network: ReactionNetwork,
    x0: State | Trajectories | None,
    t_span: Sequence[float],
    t_eval: ArrayLike | None = ...,
    *,
    n: int | None = ...,
    method: str = ...,
    rng: RNG = ...,
    workers: Workers = ...,
    params: Mapping[str, Any] | ArrayLike | None = ...,
    record: Literal["grid"] = ...,
    reduce: str | Callable[[Trajectories], Any],
    stop: str | Stop | None = ...,
    species: Sequence[str] | None = ...,
    max_events: float | None = ...,
    epsilon: float | None = ...,
    runs: range | None = ...,
    progress: Progress = ...,
) -> Any: ...
def simulate(
    network: ReactionNetwork,
    x0: State | Trajectories | None,
    t_span: Sequence[float],
    t_eval: ArrayLike | None = None,
    *,
    n: int | None = None,
    method: str = "auto",
    rng: RNG = None,
    workers: Workers = 1,
    params: Mapping[str, Any] | ArrayLike | None = None,
    record: str = "grid",
    reduce: Reduce = None,
    stop: str | Stop | None = None,
    species: Sequence[str] | None = None,
    max_events: float | None = None,
    epsilon: float | None = None,
    runs: range | None = None,
    progress: Progress = False,
) -> Trajectories | Jumps | Any:
    """Simulate a reaction network event by event (Gillespie's stochastic simulation).

    Parameters
    ----------
    network : ReactionNetwork
    x0 : mapping, array_like of shape (n_species,), (n, n_species) or (p, n_species), Trajectories, or None
        Initial counts; species that a mapping doesn't name are 0; a Series is read by its labels, which must name all;
        None takes those of the network's text. Rows are starts of runs, or of sets of parameters if there are p of
        them ((p, n, n_species): both); trajectories go on from their last states.
    t_span : (float, float)
        Start and end.
    t_eval : array_like, optional
        Rising times at which states are kept. Default: 101 points from start to end.
    n : int, optional
        Number of runs (of each set of parameters). Default: 1, or as many as `x0` has rows for.
    method : {"auto", "direct", "first_reaction", "rssacr", "nrm", "batch", "tau", "cle"}
        All but the last two are exact. The direct method draws the time to the next event, then which reaction it is;
        the first reaction method draws a time for every reaction and takes the shortest; RSSACR proposes events by
        bounds of the rates, at a cost that hardly depends on how many reactions there are; the modified next reaction
        method, "nrm", keeps a clock for every reaction, and is the one that takes rates that depend on the time. "auto"
        is "nrm" where a rate does, else the direct method up to 64 reactions and RSSACR beyond; the result's `method`
        says which ran. "batch" makes about the root of the number of molecules of events at once, for constant rates of
        mass action with at most two reactants: it pays from some hundred thousand molecules on, and more the more
        there are. "tau", tau-leaping, is an approximation for large counts: it makes many events in one step.
        "cle", the chemical Langevin equation, is a coarser one: its amounts are real.
    rng : None, int, SeedSequence or Generator
        Source of randomness (SPEC 7): an int repeats, the others move on. Run i of a call has a stream of its own.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.
    params : mapping or array_like of shape (k,) or (p, k), optional
        Values instead of the network's defaults; a mapping may hold arrays of p values. A Series or a table (a row a
        set) is read by its labels, which must name all parameters.
    record : {"grid", "jumps"}
        Keep states at `t_eval`, or all events.
    reduce : {"moments", "histogram"} or callable, optional
        Keep, instead of all states, their means and variances over the runs, or how many runs had how many of each
        species, or what a function makes of the `Trajectories` of some runs at a time: an array with a row a run.
        Memory doesn't grow with `n` but for that, and for 60 bytes a run.
    stop : str, optional
        End a run when a condition holds: ``"I == 0"``, ``"I == 0 or R >= 500"``, ``"I + E == 0 and t > tau"``. Species,
        variables, parameters, and ``t``, which may only be compared with numbers and parameters. It is looked at after
        each event and at the moments that it names; by "tau" after each step, which may pass over what holds for a
        while, such as ``"I == 3"``. Not for "batch" and "cle".
    species : sequence of str, optional
        Keep only these, in this order; ``reduce="moments"`` takes variables too.
    max_events : int or inf, optional
        End a run before more events than this. Default: 1,000,000,000 (100,000,000 for ``record="jumps"``, which keeps
        them all), and a warning if that ends a run; ``math.inf`` has no end. For "tau" and "cle" steps are counted; for
        "batch" a batch counts as 64 events, about what it costs.
    epsilon : float, optional
        For "tau" and "cle": by which part rates may change in a leap, about, above 0 and at most 1. Default: 0.03.
    runs : range, optional
        Only these of the call's runs, counted through sets of parameters, with the bits that they have in the whole
        call, a row each: parts of one ensemble on several machines. `rng` must be given, the same for all parts.
    progress : bool or callable, default False
        True shows a bar (needs tqdm); a function is called with (done, total or None). Counted are runs.

    Returns
    -------
    Trajectories, Jumps, Moments, Histogram or ndarray
        For ``record="grid"`` states of shape (n, n_t, n_species); with p sets of parameters (p, n_t, n_species), or
        (p, n, n_t, n_species) if ``n > 1``; with `runs` (len(runs), n_t, n_species). A state is the one after all
        events up to and including that time. When nothing can fire or the condition has stopped a run, the last state
        stays. What a function makes of runs is one array, with the shape of the runs before its own.

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used; counts must be whole and non-negative. If a rate that is an expression of species
        comes out negative, infinite or NaN; the reaction, the run and the time are named. If an event sets an amount
        that isn't whole, or events set each other off without end. If doubles are too coarse for the clock: waiting
        times must in the mean be at least 32 times as long as the step from one double to the next at that time, over
        the span, and over the time until a run ends early (16 events are always allowed), and a span 512 such steps.
    OverflowError
        If a rate becomes infinite, or a count (the events of a leap) passes 2**53 - 2**31.

    Warns
    -----
    RuntimeWarning
        Once, if runs ended at the default of `max_events`, or where ten million proposals in a row came to nothing
        ("nrm", with a rate far below all that can be said of it beforehand).

    Notes
    -----
    An event of the direct method costs O(number of reactions) to find plus O(number of rates that it changes); one of
    RSSACR O(log(largest rate / smallest rate)) to find, and rates are bounded afresh about once in so many events as
    their counts are large (at each event that changes what an expression that isn't a product of counts depends on).
    Random numbers: the key of a call seeds a xoshiro256++ stream for each run; the direct method draws an exponential
    (ziggurat), then a uniform number if the event comes before the end; the first reaction method an exponential for
    each possible reaction in order; RSSACR for each proposal what the direct method draws for an event; "nrm" an
    exponential for each reaction in order at the start, and for each event or proposal a uniform number, if the rate
    depends on the time, and the next exponential. Rates are
    multiplied from left to right; totals are updated in the order of the dependants, and summed afresh every 1024
    events and when they have fallen 1024-fold since. The twin gives the same events to the bit. Runs of the direct
    method without `stop`, events, expressions and ``record="jumps"`` step side by side in one thread, up to 96
    reactions and species, which makes ensembles several times as fast and changes no bit. What a network does when a
    condition becomes true is looked at after each reaction and at the moments that the conditions name, where the time
    to the next reaction is drawn anew. Sources: D. T. Gillespie, J. Comput. Phys. 22 (1976) 403; V. H. Thanh,
    R. Zunino and C. Priami, IEEE/ACM Trans. Comput. Biol. Bioinform. 14 (2017) 657; D. F. Anderson, J. Chem. Phys. 127
    (2007) 214107; Y. Cao, D. T. Gillespie and L. R. Petzold, J. Chem. Phys. 124 (2006) 044109.

    In a leap of "tau" every reaction fires a Poisson number of times, by the rates in its expected middle; leaps
    end at the times of `t_eval`. Reactions that can fire fewer than 10 times fire alone, leaps of fewer than about
    10 events are made one event at a time, 100 of them, and a leap that would make a count negative is halved, so
    none becomes negative. An expression counts as a reaction of the third order in what it reads. Draws: for a leap
    an exponential if reactions fire alone, a Poisson number for each reaction in order (inversion for means below
    10, else PTRS), a uniform number if one fires alone. A step costs O(number of reactions + species).
    Distributions are approximate: leaps bias them where rates change fast (see the guide).

    "batch" lets molecules meet two by two, each ordered pair at one rate, catalysts among them that stand in for the
    second of a reaction of one molecule; what has met reacts with a chance that makes its rate what it is. While none
    meets twice, who met whom is drawn at once, by hypergeometric numbers, what reacts by binomial ones (ratio of
    uniforms, E. Stadlober, J. Comput. Appl. Math. 31 (1990) 181), and the time that it took by a gamma number
    (G. Marsaglia and W. W. Tsang, ACM Trans. Math. Softw. 26 (2000) 363), of a clock at the rate of the largest
    population, whose superfluous ticks are void. A batch that passes a time of `t_eval` is cut there. The distribution
    is that of the direct method, the random numbers aren't. Where a batch would hold few events, a hundred are made one
    by one. A batch costs O(species that rates depend on, squared, + reactions). P. Berenbrink et al., ESA 2020;
    J. Petrack and D. Doty, arXiv 2508.04079.

    "cle" is Euler's and Maruyama's method for the chemical Langevin equation, in steps as long as those leaps would be,
    of which none uses up more than half of an amount: a reaction fires a normal number of times, whose mean and
    variance are its rate in the expected middle times the step (numbers by Marsaglia's polar method, in order, two at a
    time). Amounts may fall below 0, where rates take them
    for 0, so that sums which reactions conserve stay what they are. Means and variances come out as those of "tau"
    where counts are large; what is rare or small, extinction for one, doesn't. D. T. Gillespie, J. Chem. Phys. 113
    (2000) 297.

    A rate that depends on the time is bounded by interval arithmetic on its expression, over stretches of time that are
    shortened until the bound is at most twice as high as the rate or proposes at most one event; proposals happen with
    the probability that the rate is of its bound. So steps and pulses, however short, are where they are, and nothing
    is assumed of the expression but that it is finite and not negative; that is looked at where stretches begin and
    where events are proposed. An event costs O(log(number of reactions)) for each rate that it changes.

    Examples
    --------
    >>> from fastcore.reactions import ReactionNetwork, simulate
    >>> gene = ReactionNetwork('''
    ...     0 -> m @ 20         # transcription
    ...     m -> m + n @ 2.5    # translation
    ...     m -> 0 @ 1; n -> 0 @ 1
    ... ''')
    >>> sol = simulate(gene, {"m": 0, "n": 0}, (0, 20), n=1000, rng=1)
    >>> sol
    Trajectories(1000 runs, 101 times, species m, n, 2630685 events)
    >>> bool(abs(sol["n"][:, -1].mean() - 50) < 2)
    True
    """
    if not isinstance(network, ReactionNetwork):
        raise TypeError(f"network must be a ReactionNetwork, got {type(network).__name__}")
    network.without_rate_rules("simulate")
    span = as_clock(t_span)
    grid = as_choice(record, "record", ("grid", "jumps")) == "grid"
    stopped = stop if isinstance(stop, Stop) else as_stop(network, stop)
    method, leap = _as_method(network, method, grid, epsilon)
    given = None if n is None else as_index(n, "n", low=1)
    limit = MOST_EVENTS[record]
    if max_events is not None:
        limit = _NO_END if max_events == math.inf else as_index(max_events, "max_events", high=_NO_END)
    reduce = as_reduce(reduce)
    if method == "cle" and (stop is not None or reduce == "histogram"):
        what = "stop must be None" if stop is not None else "reduce must not be 'histogram'"
        raise ValueError(f"{what} for method='cle', whose amounts are real")
    if method == "batch" and stop is not None:
        raise ValueError("stop must be None for method='batch', which doesn't know when each event comes")
    names, keep = names_and_places(network, species, reduce)
    keep = stopped.kept(keep)
    check_workers(workers)
    which = Runs.of(network, stopped.network, x0, params, given, runs, rng)
    if not grid and not (t_eval is None and species is None and reduce is None):
        raise ValueError("t_eval, species and reduce must be None for record='jumps', which keeps all events")
    times = as_times(t_eval, span) if grid else np.empty(0)
    if reduce is not None:
        _check_reduced(which, reduce, runs)
    key = stream_key(rng)
    backend, structure = active_backend(), stopped.network.structure
    structure.prepared(backend)  # before threads ask for it
    begins = (which.constants, unhidden_start(which.counts, stopped.hidden), span, *([times] if grid else []), key)
    ends = (which.per, _METHODS[method], stopped.rows, limit, *([keep, leap] if grid else []))

    def call(first: int, count: int) -> tuple[Any, ...]:
        return (*begins, which.first + first, count, *ends)

    collected = None if reduce is None else Collected(reduce)
    with progress_bar(progress, which.total, "runs") as step, _explained(network, stopped.network):
        if reduce is None or collected is None:
            cut = chunks(which.total, parts_of(which.total, workers, method in _TOGETHER, progress is not False))
            states: NDArray[np.int64] | None = None
            if grid and isinstance(check_workers(workers), int):
                # Threads of this process fill one array between them.
                states = np.empty((which.total, len(times), len(keep)), np.int64)
            calls = [
                (backend, structure, call(*part), grid, None if states is None else states[part[0] : sum(part)])
                for part in cut
            ]
            *data, n_events, codes = gathered(run(_called, calls, workers, _counted(cut, step)))
            data = data if states is None else [states]
        else:
            cut = shares(which.total, which.per_set, which.first, len(times) * len(keep))
            rows = [(which.first + first) // which.per_set for first, _ in cut]
            kept, values = tuple(stopped.network.species[i] for i in keep), network.param_values(params)
            tasks = (
                Share(reduce, backend, structure, call(first, count), count, times, kept, names,
                      network.observed(of_rows(values, row)), _STATUS, method)
                for (first, count), row in zip(cut, rows)
            )  # fmt: skip
            data, numbers, status = [], [], []
            for row, part in zip(rows, stream(reduced, tasks, workers, _counted(cut, step))):
                collected.take(row - rows[0], part[0])
                numbers.append(part[1])
                status.append(part[2])
            n_events, codes = np.concatenate(numbers), np.concatenate(status)
    _refuse(span, which.first, codes)
    _warn(method, limit, max_events is None, n_events, codes)
    ended = (n_events.reshape(which.shape), _STATUS[codes].reshape(which.shape))
    if collected is not None:
        more = {"n_events": ended[0], "status": ended[1], "method": method}
        n_each = which.total if which.part else which.per_set
        return collected.result(which.shape, which.sets, times, n_each, names, more)
    if grid:
        x = amounts(data[0], method).reshape(*which.shape, len(times), len(keep))
        # Rows of several sets, each with its own values, where only some of the runs were asked for.
        own: Any = which.values(network.param_values(params)) if which.part else params
        return Trajectories(times, x, *ended, names, method=method, observed=network.observed(own))
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(n_events)))
    return Jumps(
        data[0], data[1], offsets, *ended, network.species, span[0], which.begins, network.tables, method=method
    )


def _as_method(network: ReactionNetwork, method: str, grid: bool, epsilon: float | None) -> tuple[str, float]:
    """The method, chosen if it is "auto", and the `epsilon` of "tau"; refused where they aren't for this."""
    as_choice(method, "method", ("auto", *_METHODS))
    timed = network.structure.timed
    if method == "auto":
        method = "nrm" if timed else "direct" if len(network.reactions) <= MOST_DIRECT else "rssacr"
    if method in _STEPPING:
        # A condition that comes true within a leap, and perhaps only there, wouldn't be seen.
        network.without_events(f"simulate with {method=}", "an exact method, which looks after each reaction,")
    if epsilon is not None and method not in _ABOUT:
        raise ValueError(f"epsilon must be None for {method=}: it is for 'tau' and 'cle'")
    if timed and method != "nrm":
        raise ValueError(
            f"simulate with method={method!r} needs rates that change with events alone, but "
            f"{network.timed_reaction()} changes with the time: method='nrm' takes it"
        )
    if method == "batch":
        _check_meetings(network)
    if not grid:
        if method in _STEPPING:
            raise ValueError(f"record must be 'grid' for {method=}, which doesn't know when each event comes")
        network.without_events("simulate with record='jumps'", "record='grid'")
    return method, 0.03 if epsilon is None else as_number(epsilon, "epsilon", low=0, open_low=True, high=1)


def _check_meetings(network: ReactionNetwork) -> None:
    """Refuse rates that aren't those of meetings of two molecules, and more kinds of them than are worth a batch."""
    tables = network.structure.counted
    others = (np.diff(tables.factor_at) > 2) | (np.diff(tables.program_at) > 0)
    if others.any():
        raise ValueError(
            "simulate with method='batch' needs rates that are constants times at most two amounts, but that of "
            f"'{network.reactions[int(np.argmax(others))]}' isn't: method='auto' takes it"
        )
    kinds = len(np.unique(tables.factor))
    if kinds > MOST_KINDS:
        raise ValueError(
            f"simulate with method='batch' takes at most {MOST_KINDS} species that rates depend on, got {kinds}: "
            "method='auto' takes more"
        )


def _check_reduced(which: Runs, reduce: Reduce, runs: range | None) -> None:
    """Refuse sums over what isn't the whole of one set of parameters, or over nothing."""
    if which.part and not callable(reduce) and len(which.sets) and which.sets[0] > 1:
        raise ValueError(f"runs must be None for reduce={reduce!r} of several sets of parameters, got {runs}")
    if not which.total:
        raise ValueError("reduce needs at least one run, got none")


@contextmanager
def _explained(network: ReactionNetwork, inner: ReactionNetwork) -> Iterator[None]:
    """Say of which reaction or event a kernel speaks."""
    try:
        yield
    except BadRate as bad:
        raise ValueError(
            f"run {bad.run}: the rate of '{network.reactions[bad.reaction]}' must be finite and at least 0, got "
            f"{bad.value} at t = {bad.t}"
        ) from None
    except BadEvent as bad:
        what = "events set each other off without end"
        if bad.value is not None:
            what = f"an amount must be whole, from 0 to 2**53 - 2**31, got {bad.value}"
        raise ValueError(f"run {bad.run}: at t = {bad.t}, '{inner.events[bad.event]}': {what}") from None


def _refuse(span: tuple[float, float], first: int, codes: NDArray[np.int8]) -> None:
    """Raise if a run couldn't be made."""
    if (codes == _OVERFLOW).any():
        raise OverflowError(
            f"run {first + int(np.argmax(codes == _OVERFLOW))} overflowed: a rate became infinite (with 'rssacr': "
            "passed 2**1000), or a count passed 2**53 - 2**31"
        )
    if (codes == _UNRESOLVED).any():
        raise ValueError(unresolved(span, first + int(np.argmax(codes == _UNRESOLVED))))


def _warn(method: str, limit: int, default: bool, n_events: NDArray[np.int64], codes: NDArray[np.int8]) -> None:
    """Say if runs ended before their time, where the caller didn't ask for it."""
    early = codes == _MAX_EVENTS
    idle = int((early & (n_events < limit)).sum()) if method == "nrm" else 0
    if idle:
        warnings.warn(
            f"{idle} of {len(codes)} runs ended early, where ten million proposals in a row came to nothing: a rate "
            "that depends on the time is far below all that can be said of it beforehand",
            RuntimeWarning,
            stacklevel=3,
        )
    if default and (explosive := int(early.sum()) - idle):
        what = "steps" if method in _ABOUT else "events (a batch counts as 64)" if method == "batch" else "events"
        warnings.warn(
            f"{explosive} of {len(codes)} runs ended early, after {limit:,} {what}: "
            "the network may grow without bound (max_events= sets another end, math.inf none)",
            RuntimeWarning,
            stacklevel=3,
        )


def _counted(cut: Sequence[tuple[int, int]], step: Callable[..., object]) -> Callable[[], None]:
    """What reports each part that is done, by how many runs it had."""
    sizes = iter([count for _, count in cut])

    def report() -> None:
        step(next(sizes))

    return report


def _called(task: tuple[str, Structure, tuple[Any, ...], bool, NDArray[np.int64] | None]) -> tuple[NDArray[Any], ...]:
    """Call a kernel with a network that is prepared once in each process; states may have their place already."""
    backend, structure, arguments, grid, states = task
    kernel, network = kernels("reactions", backend), structure.prepared(backend)
    found: tuple[NDArray[Any], ...]
    if not grid:
        found = kernel.simulate_jumps(network, *arguments)
        return found
    found = kernel.simulate_grid(network, *arguments, states=states)
    return found if states is None else found[1:]
