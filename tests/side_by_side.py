"""Trajectories side by side against each of them alone."""

from __future__ import annotations

from fastcore import use_backend
from fastcore.reactions import Trajectories, simulate

# Numbers of runs about those that fill 8 or 16 lanes, and about the fewest that fly.
NUMBERS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 33]


def row(sol: Trajectories, i: int) -> tuple:
    """All about run i, to the bit."""
    return sol.x[i].tobytes(), int(sol.n_events[i]), str(sol.status[i])


def check(*arguments, n: int, twin: bool = True, **options) -> Trajectories:
    """Simulate runs together, each alone, and on the twin: the same."""
    total = n * max(map(len, options["params"].values()), default=1) if "params" in options else n
    together = simulate(*arguments, n=n, rng=5, **options)
    x = together.x.reshape(total, *together.x.shape[-2:])
    ends = (together.n_events.ravel(), together.status.ravel())
    flat = Trajectories(together.t, x, *ends, together.species)
    for i in range(total):
        alone = simulate(*arguments, n=n, rng=5, runs=range(i, i + 1), **options)
        assert row(alone, 0) == row(flat, i), i
    if twin:
        with use_backend("reference"):
            again = simulate(*arguments, n=n, rng=5, **options)
        assert again.x.tobytes() == together.x.tobytes()
        assert again.n_events.tolist() == together.n_events.tolist()
        assert again.status.tolist() == together.status.tolist()
    return flat
