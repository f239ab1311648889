"""When a condition first holds, and where a run is then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._extras import require
from .._progress import Progress
from .._random import RNG
from .._workers import Workers
from ._network import ReactionNetwork
from ._results import Trajectories
from ._simulate import simulate
from ._states import State, as_clock
from ._stopping import clocked, times_of
from ._variables import NOTHING_OBSERVED, Observed


@dataclass(frozen=True, repr=False)
class Passages:
    """When a condition first held in each run, and the state then.

    Attributes
    ----------
    t : ndarray of float64, shape (n,), (p,) or (p, n)
        Times; infinite where it didn't hold before the end.
    x : ndarray of int64, shape (..., n_species)
        States at these times, or at the end.
    n_events : ndarray of int64
        How many reactions fired until then.
    status : ndarray of str
        ``"stopped"`` where it held; else ``"finished"`` (the end of the span), ``"absorbed"`` (nothing can fire any
        more) or ``"max_events"``, whose state, -1, isn't known.
    species : tuple of str
    method : str
    """

    t: NDArray[np.float64]
    x: NDArray[np.int64]
    n_events: NDArray[np.int64]
    status: NDArray[np.str_]
    species: tuple[str, ...]
    method: str = "direct"
    observed: Observed = field(default=NOTHING_OBSERVED, repr=False)

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Whether it held."""
        return np.asarray(self.status == "stopped")

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Counts of a species, or values of a variable, at these times, shaped as `t`."""
        if name in self.species:
            return self.x[..., self.species.index(name)]
        return self.observed.value(name, self.species, self.x[..., None, :], self.t[..., None])[..., 0]

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.t.shape))
        return f"Passages({shape} runs, {int(self.reached.sum())} reached, species {', '.join(self.species)})"

    def to_pandas(self) -> Any:
        """A DataFrame with columns t, status and the species, indexed by run (and set of parameters)."""
        pandas = require("pandas", "pandas", "to_pandas")
        names = ["run"] if self.t.ndim == 1 else ["params", "run"]
        index = pandas.MultiIndex.from_product([range(n) for n in self.t.shape], names=names)
        columns = {"t": self.t.ravel(), "status": self.status.ravel()}
        columns |= {name: self.x[..., i].ravel() for i, name in enumerate(self.species)}
        return pandas.DataFrame(columns, index=index if self.t.ndim > 1 else pandas.RangeIndex(len(self.t), name="run"))


def first_passage(
    network: ReactionNetwork,
    x0: State | Trajectories | None,
    stop: str,
    t_span: Sequence[float],
    *,
    n: int | None = None,
    method: str = "auto",
    rng: RNG = None,
    workers: Workers = 1,
    params: Mapping[str, Any] | ArrayLike | None = None,
    max_events: float | None = None,
    runs: range | None = None,
    progress: Progress = False,
) -> Passages:
    """Simulate until a condition first holds: the times, and the states then.

    Parameters
    ----------
    network : ReactionNetwork
    x0 : mapping, array_like of shape (n_species,), (n, n_species) or (p, n_species), Trajectories, or None
        Initial counts; species that a mapping doesn't name are 0; a Series is read by its labels, which must name all;
        None takes those of the network's text. Rows are starts of runs, or of sets of parameters if there are p of
        them ((p, n, n_species): both); trajectories go on from their last states.
    stop : str
        ``"I == 0"``, ``"A + B > 100 and t > tau"``: species, variables, parameters, and ``t``, which may only be
        compared with numbers and parameters.
    t_span : (float, float)
        Start and end.
    n : int, optional
        Number of runs (of each set of parameters). Default: 1, or as many as `x0` has rows for.
    method : {"auto", "direct", "first_reaction", "rssacr", "nrm", "tau"}
        As for `simulate`, without "batch" and "cle". "tau" looks after each step: its times are too late by up to a
        step, over which what `stop` reads is expected to change by a part 0.03 or by 1 at most; what holds for less is
        passed over.
    rng : None, int, SeedSequence or Generator
        Source of randomness (SPEC 7): an int repeats, the others move on. Run i of a call has a stream of its own.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.
    params : mapping or array_like of shape (k,) or (p, k), optional
        Values instead of the network's defaults; a mapping may hold arrays of p values. A Series or a table (a row a
        set) is read by its labels, which must name all parameters.
    max_events : int or inf, optional
        End a run before more events than this. Default: 1,000,000,000, and a warning if that ends a run; ``math.inf``
        has no end.
    runs : range, optional
        Only these of the call's runs, counted through sets of parameters, with the bits that they have in the whole
        call, a row each: parts of one ensemble on several machines. `rng` must be given, the same for all parts.
    progress : bool or callable, default False
        True shows a bar (needs tqdm); a function is called with (done, total or None). Counted are runs.

    Returns
    -------
    Passages

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `simulate` does.

    Warns
    -----
    RuntimeWarning
        Once, if runs ended at the default of `max_events`.

    Notes
    -----
    The runs are those of `simulate` with the same arguments; times are those of the events, to the bit
    from ``t_span[0] = 0`` unless they are shorter than the span over 2**51, and then to the span over 2**104.

    Examples
    --------
    >>> from fastcore.reactions import ReactionNetwork, first_passage
    >>> sir = ReactionNetwork("S + I -> 2 I @ 0.002; I -> R @ 1")
    >>> ends = first_passage(sir, {"S": 990, "I": 10}, "I == 0", (0, 1000), n=500, rng=1)
    >>> ends
    Passages(500 runs, 500 reached, species S, I, R)
    >>> bool(14 < ends.t.mean() < 16)
    True
    >>> bool((ends["I"] == 0).all())
    True
    """
    if not isinstance(network, ReactionNetwork):
        raise TypeError(f"network must be a ReactionNetwork, got {type(network).__name__}")
    span = as_clock(t_span)
    if isinstance(method, str) and method == "cle":
        raise ValueError("method must be one that counts molecules, got 'cle', whose amounts are real")
    if isinstance(method, str) and method == "batch":
        raise ValueError("method must be one that looks after each step, got 'batch'")
    stopping = clocked(network, stop, span)
    sol = simulate(
        network, x0, span, [span[1]], n=n, method=method, rng=rng, workers=workers, params=params, stop=stopping,
        max_events=max_events, runs=runs, progress=progress,
    )  # fmt: skip
    states = sol.last
    t = np.where(sol.status == "stopped", times_of(states[..., -2:], span), np.inf)
    x = np.ascontiguousarray(states[..., :-2])
    return Passages(t, x, sol.n_events, sol.status, network.species, sol.method, sol.observed)
